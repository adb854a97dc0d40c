/* test_weights_caps.c - small files that claim, or unfold to, more than any machine has: refused in little time and memory. */
#include <hdf5.h>
#include <time.h>

#include "weights_files.h"

enum { ROOM = 128 << 20, SECONDS = 2 }; /* beyond what the test takes before; of processor time */

static maker m;

/* ---- GGUF ------------------------------------------------------------------------------------------------- */

static void gguf(uint64_t tensors, uint64_t keys)
{
    m.size = 0;
    put_bytes(&m, "GGUF", 4);
    put(&m, 3, 4), put(&m, tensors, 8), put(&m, keys, 8);
}

static const char *gguf_tensors(void)
{
    gguf(UINT64_C(1) << 60, 0);
    return save(&m, "tensors.gguf");
}

static const char *gguf_keys(void)
{
    gguf(0, UINT64_C(1) << 60);
    return save(&m, "keys.gguf");
}

static const char *gguf_name(void)
{
    gguf(0, 1);
    put(&m, UINT64_C(1) << 62, 8);
    return save(&m, "name.gguf");
}

static void gguf_array(uint32_t type, uint64_t n)
{
    put(&m, type, 4), put(&m, n, 8);
}

static const char *gguf_long_array(void)
{
    gguf(0, 1);
    put(&m, 1, 8), put(&m, 'k', 1), put(&m, 9, 4);
    gguf_array(10, UINT64_MAX / 8 + 1); /* of 8 bytes each: wraps to 0 */
    return save(&m, "array.gguf");
}

static const char *gguf_empty_texts(void) /* a count that no loop should follow */
{
    gguf(0, 1);
    put(&m, 1, 8), put(&m, 'k', 1), put(&m, 9, 4);
    gguf_array(8, UINT64_C(1) << 40);
    pad(&m, 4096);
    return save(&m, "texts.gguf");
}

static const char *gguf_deep_arrays(void)
{
    gguf(0, 1);
    put(&m, 1, 8), put(&m, 'k', 1), put(&m, 9, 4);
    while (m.size < sizeof m.bytes - 64) gguf_array(9, 1);
    return save(&m, "deep.gguf");
}

static const char *gguf_shape(void)
{
    gguf(1, 0);
    put(&m, 1, 8), put(&m, 'w', 1), put(&m, 2, 4);
    put(&m, UINT64_C(1) << 62, 8), put(&m, UINT64_C(1) << 62, 8), put(&m, 0, 4), put(&m, 0, 8);
    return save(&m, "shape.gguf");
}

/* ---- NumPy ------------------------------------------------------------------------------------------------- */

static void npy(const char *header, uint32_t claimed)
{
    m.size = 0;
    put_bytes(&m, "\x93NUMPY\2", 8);
    put(&m, claimed ? claimed : strlen(header), 4);
    put_bytes(&m, header, strlen(header));
}

static const char *npy_header(void)
{
    npy("{", UINT32_MAX);
    return save(&m, "header.npy");
}

static const char *npy_shape(void)
{
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904), }", 0);
    return save(&m, "shape.npy");
}

static const char *npy_parentheses(void)
{
    static char header[60001];
    memset(header, '(', sizeof header - 1);
    memcpy(header, "{'shape': ", 10);
    npy(header, 0);
    return save(&m, "deep.npy");
}

static const char *npz(const char *name, const void *bytes, size_t size)
{
    const part parts[] = { { "w.npy", bytes, size, true } };
    return make_zip(name, parts, 1);
}

static const char *npz_shape(void)
{
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", 0);
    return npz("shape.npz", m.bytes, m.size);
}

static const char *npz_bomb(void)
{
    const size_t size = 2 * ROOM;
    uint8_t *zeros = ent_calloc(size, 1);
    assert_non_null(zeros);
    npy("{'descr': '|u1', 'fortran_order': False, 'shape': (268435376,), }", 0);
    memcpy(zeros, m.bytes, m.size);
    const char *path = npz("bomb.npz", zeros, 268435376 + m.size);
    ent_free(zeros);
    return path;
}

/* ---- PyTorch ------------------------------------------------------------------------------------------------ */

static const char *pickle(const char *name)
{
    const part parts[] = { { "archive/data.pkl", m.bytes, m.size, false }, { "archive/version", "3\n", 2, false } };
    return make_zip(name, parts, 2);
}

/* An opcode and a number of so many bytes. */
static void pickle_of(uint8_t opcode, uint64_t value, int bytes)
{
    m.size = 0;
    put(&m, 0x80, 1), put(&m, 4, 1);
    put(&m, opcode, 1), put(&m, value, bytes);
}

static const char *pickle_text(void)
{
    pickle_of(0x8d, UINT64_C(1) << 62, 8); /* BINUNICODE8 */
    return pickle("text.pt");
}

static const char *pickle_integer(void)
{
    pickle_of(0x8b, INT32_MAX, 4); /* LONG4 */
    return pickle("integer.pt");
}

static const char *pickle_memo(void)
{
    pickle_of('}', 0, 0);
    put(&m, 'r', 1), put(&m, UINT32_MAX, 4), put(&m, '.', 1); /* LONG_BINPUT */
    return pickle("memo.pt");
}

static const char *pickle_marks(void)
{
    pickle_of('(', 0, 0);
    while (m.size < sizeof m.bytes - 1) put(&m, '(', 1);
    put(&m, '.', 1);
    return pickle("marks.pt");
}

static const char *pickle_nested(void)
{
    pickle_of(')', 0, 0);
    while (m.size < sizeof m.bytes - 1) put(&m, 0x85, 1); /* TUPLE1 of all so far */
    put(&m, '.', 1);
    return pickle("nested.pt");
}

static const char *pickle_doubled(void) /* a value of 2^30 parts, each pair of them the same */
{
    pickle_of('}', 0, 0);
    put(&m, 'X', 1), put(&m, 1, 4), put(&m, 'w', 1);
    put(&m, '}', 1);
    for (int i = 0; i < 30; i++) {
        put(&m, 'q', 1), put(&m, (uint64_t)i, 1), put(&m, '0', 1); /* BINPUT, POP */
        put(&m, '}', 1), put(&m, '(', 1);
        for (int k = 0; k < 2; k++) {
            put(&m, 'X', 1), put(&m, 1, 4), put(&m, (uint64_t)('a' + k), 1);
            put(&m, 'h', 1), put(&m, (uint64_t)i, 1); /* BINGET */
        }
        put(&m, 'u', 1);
    }
    put(&m, 's', 1), put(&m, '.', 1);
    return pickle("doubled.pt");
}

/* ---- ONNX --------------------------------------------------------------------------------------------------- */

static void varint(uint64_t value)
{
    for (; value >= 0x80; value >>= 7) put(&m, value | 0x80, 1);
    put(&m, value, 1);
}

static const char *onnx_length(void)
{
    m.size = 0;
    varint(1 << 3), varint(8);
    varint(7 << 3 | 2), varint(UINT64_C(1) << 62);
    return save(&m, "length.onnx");
}

/* A tensor of so many axes of one length. */
static const char *onnx(const char *name, int axes, uint64_t length)
{
    static maker t;
    t.size = 0;
    while (axes-- > 0) {
        put(&t, 1 << 3, 1);
        for (uint64_t v = length; put(&t, v >= 0x80 ? (v & 0x7f) | 0x80 : v, 1), v >= 0x80;) v >>= 7;
    }
    put_bytes(&t, (const uint8_t[]){ 2 << 3, 1, 8 << 3 | 2, 1, 'w' }, 5);
    m.size = 0;
    varint(1 << 3), varint(8);
    const size_t inner = t.size + (t.size < 0x80 ? 2 : t.size < 0x4000 ? 3 : 4);
    varint(7 << 3 | 2), varint(inner);
    varint(5 << 3 | 2), varint(t.size);
    put_bytes(&m, t.bytes, t.size);
    return save(&m, name);
}

static const char *onnx_shape(void) { return onnx("shape.onnx", 2, UINT64_C(1) << 62); }
static const char *onnx_axes(void) { return onnx("axes.onnx", 30000, 1); }

/* ---- HDF5 --------------------------------------------------------------------------------------------------- */

static const char *hdf5_set(const char *name, hsize_t n, hsize_t chunk)
{
    const char *path = scratch_path(name);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), form = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk) assert_true(H5Pset_chunk(form, 1, &chunk) >= 0);
    hid_t space = H5Screate_simple(1, &n, NULL), set = H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, form, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set), H5Sclose(space), H5Pclose(form), H5Fclose(file);
    return path;
}

static const char *hdf5_contiguous(void) { return hdf5_set("contiguous.h5", (hsize_t)1 << 60, 0); }
static const char *hdf5_chunked(void) { return hdf5_set("chunked.h5", (hsize_t)1 << 50, 1 << 20); }

/* Groups within groups, each by two names; the last holds itself or a dataset, to which 2^depth paths lead. */
static const char *hdf5_groups(const char *name, int depth, bool loop)
{
    const char *path = scratch_path(name);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), group = H5Gopen2(file, "/", H5P_DEFAULT);
    for (int i = 0; i < depth; i++) {
        hid_t next = H5Gcreate2(group, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Lcreate_hard(group, "a", group, "b", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        H5Gclose(group);
        group = next;
    }
    if (loop) {
        assert_true(H5Lcreate_hard(file, "/", group, "top", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    } else {
        hid_t space = H5Screate_simple(1, &(hsize_t){ 4 }, NULL);
        hid_t set = H5Dcreate2(group, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, (float[]){ 1, 2, 3, 4 }) >= 0);
        H5Dclose(set), H5Sclose(space);
    }
    H5Gclose(group), H5Fclose(file);
    return path;
}

static const char *hdf5_loop(void) { return hdf5_groups("loop.h5", 2, true); }
static const char *hdf5_paths(void) { return hdf5_groups("paths.h5", 40, false); }

/* ---- all ---------------------------------------------------------------------------------------------------- */

static size_t used_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        assert_int_equal(fscanf(f, "%lu", &pages), 1);
        fclose(f);
    }
    return f ? (size_t)pages * 4096 : 0;
}

static void claims_cost_little(void **state)
{
    (void)state;
    static const struct {
        const char *(*make)(void), *text;
        ent_status status;
    } cases[] = {
        { gguf_tensors, "but 0 are left", ENT_ECORRUPT }, { gguf_keys, "more than 65536 are not read", ENT_ECORRUPT },
        { gguf_name, "a key of 4611686018427387904 bytes", ENT_ECORRUPT },
        { gguf_long_array, "an array of 2305843009213693952 values", ENT_ECORRUPT },
        { gguf_empty_texts, "a string of an array", ENT_ECORRUPT }, { gguf_deep_arrays, "an array of value type 9", ENT_ECORRUPT },
        { gguf_shape, "\"w\": its shape exceeds 63 bits", ENT_ECORRUPT },
        { npy_header, "a header of 4294967295 bytes", ENT_ECORRUPT },
        { npy_shape, "the product of its shape exceeds 64 bits", ENT_ECORRUPT },
        { npy_parentheses, "a header of 60000 bytes", ENT_ECORRUPT }, { npz_shape, "\"w\": 4398046511104 bytes of data", ENT_ECORRUPT },
        { npz_bomb, "which weights never are", ENT_EUNSUPPORTED },
        { pickle_text, "an opcode that data do not need", ENT_ECORRUPT }, { pickle_integer, "it ends in an operand", ENT_ECORRUPT },
        { pickle_memo, "a place in the memo", ENT_ECORRUPT }, { pickle_marks, "not one object is left", ENT_ECORRUPT },
        { pickle_nested, "nested too deep", ENT_ECORRUPT }, { pickle_doubled, "no tensors in it", ENT_EUNSUPPORTED },
        { onnx_length, "a field of 4611686018427387904 bytes", ENT_ECORRUPT },
        { onnx_shape, "\"w\": the product of its shape exceeds 64 bits", ENT_ECORRUPT }, { onnx_axes, "more than 64 axes", ENT_ECORRUPT },
        { hdf5_contiguous, "\"w\": its size exceeds 64 bits", ENT_ECORRUPT }, { hdf5_chunked, "never written (\"w\")", ENT_EUNSUPPORTED },
        { hdf5_loop, "over 64 deep, or one within itself", ENT_ECORRUPT }, { hdf5_paths, "used again and again", ENT_ECORRUPT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = cases[i].make();
        limit_memory(used_bytes() + ROOM);
        const clock_t start = clock();
        expect_open(path, cases[i].status, cases[i].text);
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        limit_memory(SIZE_MAX);
        if (seconds > SECONDS) fail_msg("%s: refused after %.1f s", path, seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(claims_cost_little) };
    return cmocka_run_group_tests_name("weights, caps", tests, NULL, NULL);
}
