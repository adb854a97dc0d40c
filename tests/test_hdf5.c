/* test_hdf5.c - HDF5 files and Keras's archives: made by libhdf5, read here, compared with what libhdf5 reads; refused and
 * damaged.  In one file, long as it is, because all tests share what makes the files. */
#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bits.h"
#include "weights_files.h"

enum { ROWS = 30, COLS = 20, MOST_BYTES = 8 * ROWS * COLS };

/* ---- datatypes ------------------------------------------------------------------------------------------------ */

/* In this order: libhdf5 checks each against what is there. */
static hid_t float_type(size_t bytes, size_t exponent, size_t mantissa, size_t bias)
{
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(t, 8 * bytes - 1, mantissa, exponent, 0, mantissa);
    H5Tset_precision(t, 8 * bytes);
    H5Tset_size(t, bytes);
    assert_true(H5Tset_ebias(t, bias) >= 0);
    return t;
}

static hid_t boolean_type(void)
{
    hid_t t = H5Tenum_create(H5T_STD_I8LE);
    H5Tenum_insert(t, "FALSE", &(int8_t){ 0 });
    assert_true(H5Tenum_insert(t, "TRUE", &(int8_t){ 1 }) >= 0);
    return t;
}

static hid_t opaque_type(size_t bytes) { return H5Tcreate(H5T_OPAQUE, bytes); }

typedef struct kind {
    const char *dtype;
    hid_t type;
} kind;

enum { KINDS = 19 };

static void make_kinds(kind k[static KINDS])
{
    const kind all[KINDS] = {
        { "U8", H5Tcopy(H5T_STD_U8LE) },     { "U16", H5Tcopy(H5T_STD_U16LE) },   { "U32", H5Tcopy(H5T_STD_U32LE) },
        { "U64", H5Tcopy(H5T_STD_U64LE) },   { "I8", H5Tcopy(H5T_STD_I8LE) },     { "I16", H5Tcopy(H5T_STD_I16LE) },
        { "I32", H5Tcopy(H5T_STD_I32LE) },   { "I64", H5Tcopy(H5T_STD_I64LE) },   { "F32", H5Tcopy(H5T_IEEE_F32LE) },
        { "F64", H5Tcopy(H5T_IEEE_F64LE) },  { "F16", float_type(2, 5, 10, 15) }, { "BF16", float_type(2, 8, 7, 127) },
        { "F8_E5M2", float_type(1, 5, 2, 15) }, { "F8_E4M3", float_type(1, 4, 3, 7) }, { "BOOL", boolean_type() },
        { "V2", opaque_type(2) },            { ">f4", H5Tcopy(H5T_IEEE_F32BE) },  { ">i2", H5Tcopy(H5T_STD_I16BE) },
        { ">u8", H5Tcopy(H5T_STD_U64BE) },
    };
    memcpy(k, all, sizeof all);
}

/* ---- datasets ------------------------------------------------------------------------------------------------- */

typedef struct storage { /* how a dataset is stored */
    const char *name;
    hsize_t chunk[2]; /* 0: not in chunks */
    bool compact, deflate, shuffle, fletcher;
    bool fixed, early, edges; /* chunks: cannot grow; all made at once; not filtered where they go beyond the shape */
    int grows;                /* alone: 1 the first axis, 2 the second; 0: both or none */
    bool unpacked;    /* what a reader must make of it */
} storage;

static const storage storages[] = {
    { .name = "contiguous" },
    { .name = "compact", .compact = true },
    { .name = "rows", .chunk = { 7, COLS } },
    { .name = "tiles", .chunk = { 7, 6 } },
    { .name = "one", .chunk = { ROWS, COLS } },
    { .name = "beyond", .chunk = { 50, 64 } },
    { .name = "deflate", .chunk = { 7, 6 }, .deflate = true, .unpacked = true },
    { .name = "shuffle", .chunk = { 7, 6 }, .deflate = true, .shuffle = true, .unpacked = true },
    { .name = "fletcher", .chunk = { 7, COLS }, .fletcher = true, .unpacked = true },
    { .name = "fixed", .chunk = { 7, 6 }, .fixed = true },
    { .name = "early", .chunk = { 7, 6 }, .fixed = true, .early = true },
    { .name = "fixed_deflate", .chunk = { 7, 6 }, .deflate = true, .fixed = true, .unpacked = true },
    { .name = "one_deflate", .chunk = { ROWS, COLS }, .deflate = true, .fixed = true, .unpacked = true },
    { .name = "edges", .chunk = { 7, 6 }, .deflate = true, .edges = true, .unpacked = true },
    { .name = "all", .chunk = { 30, 7 }, .deflate = true, .shuffle = true, .fletcher = true, .unpacked = true },
};
enum { STORAGES = sizeof storages / sizeof *storages };

/* `small`: nodes of trees with little room. */
static hid_t new_file(const char *path, size_t address, hsize_t user_block, H5F_libver_t low, bool small)
{
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_sizes(create, address, address);
    H5Pset_userblock(create, user_block);
    H5Pset_libver_bounds(access, low, H5F_LIBVER_LATEST);
    H5Pset_obj_track_times(create, false);
    if (small) H5Pset_sym_k(create, 1, 2), H5Pset_istore_k(create, 1);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    H5Pclose(create), H5Pclose(access);
    assert_true(file >= 0);
    return file;
}

static hid_t new_plain(const char *path) { return new_file(path, 8, 0, H5F_LIBVER_EARLIEST, false); }

/* Bytes that differ, and as zeros and ones for booleans too. */
static void fill(uint8_t *bytes, size_t size)
{
    ent_random random;
    ent_random_seed(&random, 5, 0);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(ent_random_bits(&random) & 1);
}

static hid_t new_set(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, const storage *s,
                     const void *fill_value)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(rank, shape, NULL);
    hsize_t whole[2] = { H5S_UNLIMITED, H5S_UNLIMITED };
    if (s->compact) H5Pset_layout(create, H5D_COMPACT);
    if (s->chunk[0]) H5Pset_chunk(create, rank, s->chunk);
    for (int k = 0; k < rank && s->grows; k++)
        if (k != s->grows - 1) whole[k] = shape[k] + (hsize_t)k; /* may grow a little */
    if (s->chunk[0] && !s->fixed) H5Sset_extent_simple(space, rank, shape, whole);
    if (s->early) H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
    if (s->edges) H5Pset_chunk_opts(create, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS);
    if (s->shuffle) H5Pset_shuffle(create);
    if (s->deflate) H5Pset_deflate(create, 6);
    if (s->fletcher) H5Pset_fletcher32(create);
    if (fill_value) H5Pset_fill_value(create, type, fill_value);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, true);
    hid_t set = H5Dcreate2(file, name, type, space, links, create, H5P_DEFAULT);
    H5Pclose(links), H5Pclose(create), H5Sclose(space);
    if (set < 0) fail_msg("%s: libhdf5 does not make it", name);
    return set;
}

static void add_set(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, const storage *s)
{
    static uint8_t bytes[MOST_BYTES];
    fill(bytes, sizeof bytes);
    hid_t set = new_set(file, name, type, rank, shape, s, NULL);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
    H5Dclose(set);
}

static void add_matrix(hid_t file, const char *name, const storage *s)
{
    add_set(file, name, H5T_IEEE_F32LE, 2, (hsize_t[]){ ROWS, COLS }, s);
}

/* ---- the comparison --------------------------------------------------------------------------------------------- */

/* The bytes of the runs of chunks that a tensor lies in, one after the other; those of a tensor in one piece. */
static size_t gather(const ent_weights *w, const char *name, uint8_t *bytes)
{
    size_t size = 0;
    char run[80];
    const ent_tensor *t = ent_weights_find(w, name);
    for (int i = 0; t || !i; t = ent_weights_find(w, run)) {
        if (t) memcpy(bytes + size, t->bytes.data, t->bytes.size), size += t->bytes.size;
        snprintf(run, sizeof run, "%s@%d", name, i++);
    }
    return size;
}

/* The chunks, one after the other, put where libhdf5 says that they belong. */
static void expect_chunks(const uint8_t *bytes, size_t size, size_t width, const storage *s, const uint8_t *expected)
{
    size_t h = s->chunk[0], w = s->chunk[1], across = (COLS + w - 1) / w;
    assert_int_equal(size, (ROWS + h - 1) / h * across * h * w * width);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < COLS; k++) {
            size_t chunk = i / h * across + k / w, at = (chunk * h + i % h) * w + k % w;
            assert_memory_equal(bytes + at * width, expected + (i * COLS + k) * width, width);
        }
}

static void expect_tensor(const ent_weights *w, hid_t file, const char *name, const kind *k, const storage *s)
{
    static uint8_t expected[MOST_BYTES], bytes[50 * 64 * 8];
    char first[80];
    snprintf(first, sizeof first, "%s@0", name);
    const ent_tensor *t = ent_weights_find(w, ent_weights_find(w, name) ? name : first);
    if (!t) fail_msg("%s: not there", name);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(H5Dread(set, k->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, expected) >= 0);
    H5Dclose(set);
    size_t width = H5Tget_size(k->type), size = gather(w, name, bytes);
    bool whole = s->unpacked || !s->chunk[0], rows = s->chunk[1] == COLS;
    assert_string_equal(t->dtype, k->dtype);
    assert_int_equal(t->dtype_bits, 8 * width);
    assert_int_equal(t->unpacked, s->unpacked);
    if (!t->unpacked) assert_ptr_equal(t->bytes.data, ent_weights_file_at(w, 0)->bytes.data + t->offset);
    assert_int_equal(t->rank, whole || rows ? 2 : 3);
    assert_int_equal(t->shape[t->rank - 1], whole ? COLS : s->chunk[1]);
    if (whole) assert_int_equal(t->shape[0], ROWS);
    if (!whole && !rows) {
        expect_chunks(bytes, size, width, s, expected);
        return;
    }
    assert_int_equal(size, ROWS * COLS * width);
    assert_memory_equal(bytes, expected, size);
}

static ent_weights *open_file(const char *path)
{
    ent_weights *w;
    ent_error error;
    if (ent_weights_open(&w, path, &error)) fail_msg("%s", error.text);
    return w;
}

static void all_types_and_layouts_are_read(void **state)
{
    (void)state;
    static const struct {
        size_t address;
        hsize_t user_block;
        H5F_libver_t low;
        bool small;
    } files[] = {
        { 8, 0, H5F_LIBVER_EARLIEST, false }, { 8, 0, H5F_LIBVER_V18, false },    { 4, 0, H5F_LIBVER_EARLIEST, false },
        { 8, 1024, H5F_LIBVER_EARLIEST, true }, { 8, 0, H5F_LIBVER_LATEST, false }, { 4, 512, H5F_LIBVER_LATEST, false },
    };
    kind kinds[KINDS];
    make_kinds(kinds);
    for (size_t v = 0; v < sizeof files / sizeof *files; v++) {
        const char *path = scratch_path("all.h5");
        hid_t file = new_file(path, files[v].address, files[v].user_block, files[v].low, files[v].small);
        char name[64];
        for (size_t i = 0; i < KINDS; i++)
            for (size_t s = 0; s < STORAGES; s++) {
                snprintf(name, sizeof name, "%s/%s", kinds[i].dtype, storages[s].name);
                add_set(file, name, kinds[i].type, 2, (hsize_t[]){ ROWS, COLS }, &storages[s]);
            }
        H5Fclose(file);
        file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        ent_weights *w = open_file(path);
        assert_string_equal(ent_weights_format(w), "hdf5");
        for (size_t i = 0; i < KINDS; i++)
            for (size_t s = 0; s < STORAGES; s++) {
                snprintf(name, sizeof name, "%s/%s", kinds[i].dtype, storages[s].name);
                expect_tensor(w, file, name, &kinds[i], &storages[s]);
            }
        ent_weights_close(w);
        H5Fclose(file);
        if (v == 0 || v == 4) expect_round_trip(path, "zstd");
    }
    for (size_t i = 0; i < KINDS; i++) H5Tclose(kinds[i].type);
}

/* Trees of several levels: of a thousand names, and of many chunks, written in another order than read; and arrays of
 * several pages. */
static void large_file(H5F_libver_t low, bool fixed, int grows)
{
    enum { SETS = 1000, SIDE = 80 };
    const char *path = scratch_path("trees.h5");
    static float rows[SIDE][SIDE];
    const storage small = { .chunk = { 2, 2 }, .fixed = fixed, .grows = grows };
    const storage packed = { .chunk = { 2, 2 }, .shuffle = true, .deflate = true, .fixed = fixed, .grows = grows };
    char name[32];
    hid_t file = new_file(path, 8, 0, low, false);
    for (int i = 0; i < SIDE * SIDE; i++) rows[i / SIDE][i % SIDE] = (float)i;
    for (int i = 0; i < SETS; i++) {
        snprintf(name, sizeof name, "group/w%d", i * 7919 % SETS);
        add_set(file, name, H5T_IEEE_F32LE, 1, (hsize_t[]){ 3 }, &storages[0]);
    }
    for (int k = 0; k < 2; k++) {
        hid_t set = new_set(file, k ? "packed" : "chunks", H5T_IEEE_F32LE, 2, (hsize_t[]){ SIDE, SIDE }, k ? &packed : &small, NULL);
        for (int from = SIDE / 2; from >= 0; from -= SIDE / 2) { /* the lower half first */
            hid_t in = H5Dget_space(set), of = H5Screate_simple(2, (hsize_t[]){ SIDE / 2, SIDE }, NULL);
            H5Sselect_hyperslab(in, H5S_SELECT_SET, (hsize_t[]){ (hsize_t)from, 0 }, NULL, (hsize_t[]){ SIDE / 2, SIDE }, NULL);
            assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, of, in, H5P_DEFAULT, rows[from]) >= 0);
            H5Sclose(in), H5Sclose(of);
        }
        H5Dclose(set);
    }
    H5Fclose(file);
    ent_weights *w = open_file(path);
    for (int i = 0; i < SETS; i++) {
        snprintf(name, sizeof name, "group/w%d", i);
        assert_non_null(ent_weights_find(w, name));
    }
    const ent_tensor *t = ent_weights_find(w, "packed");
    assert_memory_equal(t->bytes.data, rows, sizeof rows);
    uint64_t elements = 0;
    double sum = 0;
    for (size_t i = 0; i < ent_weights_tensors(w); i++) { /* in runs of chunks side by side */
        t = ent_weights_tensor(w, i);
        if (strncmp(t->name, "chunks", 6) != 0) continue;
        assert_true(!t->unpacked && t->shape[1] == 2 && t->shape[2] == 2);
        for (uint64_t e = 0; e < t->elements; e++) {
            float value; /* maybe unaligned */
            memcpy(&value, t->bytes.data + 4 * e, 4);
            sum += value;
        }
        elements += t->elements;
    }
    assert_int_equal(elements, SIDE * SIDE);
    assert_close(sum, 0.5 * SIDE * SIDE * (SIDE * SIDE - 1), 0);
    ent_weights_close(w);
    expect_round_trip(path, "zstd");
}

static void large_trees_are_read(void **state)
{
    (void)state;
    large_file(H5F_LIBVER_EARLIEST, false, 0);
    large_file(H5F_LIBVER_LATEST, false, 0);
    large_file(H5F_LIBVER_LATEST, true, 0);
    large_file(H5F_LIBVER_LATEST, false, 1);
    large_file(H5F_LIBVER_LATEST, false, 2);
}

/* An array that grows, so long that its blocks have pages, and pages of which nothing was written. */
static void long_arrays_are_read(void **state)
{
    (void)state;
    enum { N = 150000, WRITTEN = 60000 };
    const char *path = scratch_path("long.h5");
    static float numbers[N], back[N];
    const storage s = { .chunk = { 1 }, .shuffle = true, .grows = 1 };
    const float nothing = -1;
    hid_t file = new_file(path, 8, 0, H5F_LIBVER_LATEST, false);
    hid_t set = new_set(file, "x", H5T_IEEE_F32LE, 1, (hsize_t[]){ N }, &s, &nothing), in = H5Dget_space(set);
    for (int i = 0; i < N; i++) numbers[i] = i < WRITTEN || i >= N - 10 ? (float)i : nothing;
    for (int k = 0; k < 2; k++) {
        hsize_t first = k ? N - 10 : 0, n = k ? 10 : WRITTEN;
        hid_t of = H5Screate_simple(1, &n, NULL);
        H5Sselect_hyperslab(in, H5S_SELECT_SET, &first, NULL, &n, NULL);
        assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, of, in, H5P_DEFAULT, numbers + first) >= 0);
        H5Sclose(of);
    }
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, back) >= 0);
    assert_memory_equal(back, numbers, sizeof numbers);
    H5Sclose(in), H5Dclose(set), H5Fclose(file);
    ent_weights *w = open_file(path);
    assert_memory_equal(ent_weights_find(w, "x")->bytes.data, numbers, sizeof numbers);
    ent_weights_close(w);
}

/* Links in a heap, found by a tree of version 2: of one block and one leaf, of tables of blocks, and of deep trees. */
static void large_groups_of_all_ages_are_read(void **state)
{
    (void)state;
    const char *path = scratch_path("groups.h5");
    const int sizes[] = { 8, 9, 40, 1500, 20000 };
    char name[32];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        hid_t file = new_file(path, 8, 0, H5F_LIBVER_V18, false);
        add_set(file, "w", H5T_IEEE_F32LE, 1, (hsize_t[]){ 3 }, &storages[0]);
        for (int k = 1; k < sizes[i]; k++) {
            snprintf(name, sizeof name, "group%d", k);
            if (k < 1000) {
                snprintf(name, sizeof name, "w%d", k);
                add_set(file, name, H5T_IEEE_F32LE, 1, (hsize_t[]){ 3 }, &storages[0]);
            } else {
                H5Lcreate_soft("w", file, name, H5P_DEFAULT, H5P_DEFAULT);
            }
        }
        H5Fclose(file);
        ent_weights *w = open_file(path);
        for (int k = 1; k < sizes[i] && k < 1000; k++) {
            snprintf(name, sizeof name, "w%d", k);
            if (!ent_weights_find(w, name)) fail_msg("%s of %d is not there", name, sizes[i]);
        }
        ent_weights_close(w);
    }
}

/* Row chunks that lie apart are several tensors; the last counts only rows within the shape. */
static void chunks_apart_are_several_tensors(void **state)
{
    (void)state;
    const char *path = scratch_path("apart.h5");
    static const storage by_rows = { .chunk = { 8, COLS } };
    static float rows[ROWS][COLS];
    hid_t file = new_plain(path), set[2];
    for (int i = 0; i < ROWS * COLS; i++) rows[i / COLS][i % COLS] = (float)i;
    for (int k = 0; k < 2; k++) set[k] = new_set(file, k ? "b" : "a", H5T_IEEE_F32LE, 2, (hsize_t[]){ ROWS, COLS }, &by_rows, NULL);
    for (hsize_t from = 0; from < ROWS; from += 8)
        for (int k = 0; k < 2; k++) { /* chunks of one between those of the other */
            hsize_t n = from + 8 < ROWS ? 8 : ROWS - from;
            hid_t in = H5Dget_space(set[k]), of = H5Screate_simple(2, (hsize_t[]){ n, COLS }, NULL);
            H5Sselect_hyperslab(in, H5S_SELECT_SET, (hsize_t[]){ from, 0 }, NULL, (hsize_t[]){ n, COLS }, NULL);
            assert_true(H5Dwrite(set[k], H5T_NATIVE_FLOAT, of, in, H5P_DEFAULT, rows[from]) >= 0);
            H5Sclose(in), H5Sclose(of);
            H5Dflush(set[k]);
        }
    H5Dclose(set[0]), H5Dclose(set[1]), H5Fclose(file);
    ent_weights *w = open_file(path);
    assert_int_equal(ent_weights_tensors(w), 8);
    for (uint64_t i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "a@%d", (int)i);
        const ent_tensor *t = ent_weights_find(w, name);
        assert_non_null(t);
        assert_int_equal(t->shape[0], i < 3 ? 8 : ROWS - 24);
        assert_memory_equal(t->bytes.data, rows[8 * i], t->bytes.size);
    }
    ent_weights_close(w);
    expect_round_trip(path, "zstd");
}

/* ---- Keras ------------------------------------------------------------------------------------------------------ */

static void set_text(hid_t object, const char *name, const char *text, size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, size ? size : H5T_VARIABLE);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, size ? (const void *)text : &text) >= 0);
    H5Aclose(attribute), H5Sclose(space), H5Tclose(type);
}

/* As Keras writes: layers, names in attributes, a dataset twice; words of 2 bytes that an attribute says are bfloat16. */
static const char *keras_file(const char *name)
{
    const char *path = scratch_path(name);
    hid_t file = new_plain(path), text = H5Tcopy(H5T_C_S1), pair = H5Tcreate(H5T_COMPOUND, 8), opaque = opaque_type(2);
    H5Tset_size(text, H5T_VARIABLE);
    H5Tinsert(pair, "r", 0, H5T_IEEE_F32LE), H5Tinsert(pair, "i", 4, H5T_IEEE_F32LE);
    add_matrix(file, "model_weights/dense/dense/kernel:0", &storages[0]);
    add_set(file, "model_weights/dense/dense/bias:0", H5T_IEEE_F32LE, 1, (hsize_t[]){ COLS }, &storages[0]);
    add_set(file, "optimizer_weights/iter:0", H5T_STD_I64LE, 0, NULL, &storages[0]);
    H5Lcreate_hard(file, "model_weights/dense/dense/kernel:0", file, "model_weights/tied", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(H5Gcreate2(file, "empty", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t never = new_set(file, "never_written", H5T_IEEE_F32LE, 1, (hsize_t[]){ 9 }, &storages[0], NULL);
    hid_t texts = new_set(file, "texts", text, 1, (hsize_t[]){ 2 }, &storages[0], NULL);
    H5Dwrite(texts, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, (const char *[]){ "a", "b" });
    static uint8_t bits[16];
    fill(bits, sizeof bits);
    hid_t pairs = new_set(file, "pairs", pair, 1, (hsize_t[]){ 2 }, &storages[0], NULL);
    H5Dwrite(pairs, pair, H5S_ALL, H5S_ALL, H5P_DEFAULT, bits);
    add_set(file, "layers/vars/0", opaque, 1, (hsize_t[]){ 7 }, &storages[0]);
    add_set(file, "layers/vars/1", opaque, 1, (hsize_t[]){ 7 }, &storages[0]);
    add_set(file, "layers/vars/2", opaque, 1, (hsize_t[]){ 7 }, &storages[0]);
    hid_t vars[2] = { H5Dopen2(file, "layers/vars/0", H5P_DEFAULT), H5Dopen2(file, "layers/vars/1", H5P_DEFAULT) };
    set_text(file, "backend", "tensorflow", 0);
    set_text(vars[0], "dtype", "bfloat16", 0);
    for (char other[3] = "a0"; other[1] <= '9'; other[1]++) set_text(vars[1], other, "as many attributes as need new blocks", 0);
    set_text(vars[1], "dtype", "bfloat16", 9);
    H5Dclose(vars[0]), H5Dclose(vars[1]), H5Dclose(never), H5Dclose(texts), H5Dclose(pairs);
    H5Tcommit2(file, "named", opaque, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    add_set(file, "of_named", opaque, 1, (hsize_t[]){ 5 }, &storages[0]); /* its datatype is another object's */
    H5Tclose(text), H5Tclose(pair), H5Tclose(opaque);
    assert_true(H5Fclose(file) >= 0);
    return path;
}

static void expect_keras(const char *path, const char *format, bool unpacked)
{
    ent_weights *w = open_file(path);
    static const struct {
        const char *name, *dtype;
        uint64_t elements;
    } expected[] = {
        { "model_weights/dense/dense/kernel:0", "F32", ROWS * COLS },
        { "model_weights/dense/dense/bias:0", "F32", COLS },
        { "optimizer_weights/iter:0", "I64", 1 },
        { "layers/vars/0", "BF16", 7 },
        { "layers/vars/1", "BF16", 7 },
        { "layers/vars/2", "V2", 7 },
        { "of_named", "V2", 5 },
        { "pairs", "F32", 4 },
    };
    enum { N = sizeof expected / sizeof *expected };
    static uint8_t bytes[MOST_BYTES];
    fill(bytes, sizeof bytes);
    assert_string_equal(ent_weights_format(w), format);
    assert_int_equal(ent_weights_tensors(w), N);
    for (size_t i = 0; i < N; i++) {
        const ent_tensor *t = ent_weights_find(w, expected[i].name);
        if (!t) fail_msg("%s: not there", expected[i].name);
        assert_string_equal(t->dtype, expected[i].dtype);
        assert_int_equal(t->elements, expected[i].elements);
        assert_int_equal(t->unpacked, unpacked);
        assert_memory_equal(t->bytes.data, bytes, t->bytes.size);
    }
    ent_weights_close(w);
    expect_round_trip(path, "planar-rans");
}

static void keras_files_are_read(void **state)
{
    (void)state;
    expect_keras(keras_file("model.h5"), "hdf5", false);
    size_t size;
    uint8_t *file = read_file(scratch_path("model.h5"), &size);
    for (int deflated = 0; deflated < 2; deflated++) {
        const part parts[] = { { "metadata.json", "{}", 2, false },
                               { "config.json", "{}", 2, false },
                               { "model.weights.h5", file, size, deflated } };
        expect_keras(make_zip("model.keras", parts, 3), "keras", deflated);
    }
    const part damaged[] = { { "model.weights.h5", file, size - 9, false } }, none[] = { { "x", "y", 1, false } };
    expect_open(make_zip("bad.keras", damaged, 1), ENT_ECORRUPT, "cut short");
    expect_open(make_zip("bad.keras", none, 1), ENT_ECORRUPT, "without model.weights.h5");
    free(file);
    assert_int_equal(unlink(scratch_path("model.keras")) | unlink(scratch_path("bad.keras")), 0);
    assert_int_equal(mkdir(scratch_path("folder"), 0700), 0);
    expect_open(scratch_path("folder"), ENT_EUNSUPPORTED, "no other file in this folder");
    assert_int_equal(rename(scratch_path("model.h5"), scratch_path("folder/tf_model.h5")), 0);
    expect_open(scratch_path("folder"), ENT_OK, NULL);
    hid_t h5 = new_plain(scratch_path("names.h5")); /* a name in the attribute alone is no tensor */
    add_matrix(h5, "dense/kernel:0", &storages[0]);
    hid_t group = H5Gopen2(h5, "dense", H5P_DEFAULT);
    set_text(group, "weight_names", "bias:0", 7);
    H5Gclose(group), H5Fclose(h5);
    ent_weights *named = open_file(scratch_path("names.h5"));
    assert_int_equal(ent_weights_tensors(named), 1);
    ent_weights_close(named);
}

/* Filtered datasets within a deflated archive. */
static void what_is_packed_twice_is_read(void **state)
{
    (void)state;
    const char *path = scratch_path("twice.h5");
    size_t size;
    hid_t file = new_plain(path);
    for (size_t s = 0; s < STORAGES; s++) add_matrix(file, storages[s].name, &storages[s]);
    H5Fclose(file);
    uint8_t *bytes = read_file(path, &size), numbers[MOST_BYTES];
    fill(numbers, sizeof numbers);
    const part parts[] = { { "model.weights.h5", bytes, size, true } };
    ent_weights *w = open_file(make_zip("twice.keras", parts, 1));
    free(bytes);
    assert_int_equal(ent_weights_tensors(w), STORAGES);
    for (size_t s = 0; s < STORAGES; s++) {
        const ent_tensor *t = ent_weights_find(w, storages[s].name);
        assert_true(t->unpacked);
        if (storages[s].unpacked) assert_memory_equal(t->bytes.data, numbers, 4 * ROWS * COLS);
    }
    ent_weights_close(w);
    expect_round_trip(scratch_path("twice.keras"), "zstd");
}

/* ---- large ------------------------------------------------------------------------------------------------------ */

/* Chunks that were never written hold the fill value. */
static void missing_chunks_are_filled(void **state)
{
    (void)state;
    enum { SIDE = 1000 };
    const char *path = scratch_path("sparse.h5");
    static const storage packed = { .chunk = { 100, 100 }, .deflate = true };
    static float expected[SIDE * SIDE];
    hid_t file = new_plain(path);
    hid_t set = new_set(file, "x", H5T_IEEE_F32LE, 2, (hsize_t[]){ SIDE, SIDE }, &packed, &(float){ 2.5f });
    hid_t in = H5Dget_space(set), of = H5Screate_simple(1, (hsize_t[]){ 600 }, NULL);
    H5Sselect_hyperslab(in, H5S_SELECT_SET, (hsize_t[]){ 150, 95 }, NULL, (hsize_t[]){ 60, 10 }, NULL);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, of, in, H5P_DEFAULT, expected) >= 0);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, expected) >= 0);
    H5Sclose(in), H5Sclose(of), H5Dclose(set), H5Fclose(file);
    assert_close(expected[0], 2.5, 0);
    assert_close(expected[150 * SIDE + 95], 0, 0);
    ent_weights *w = open_file(path);
    assert_memory_equal(ent_weights_find(w, "x")->bytes.data, expected, sizeof expected);
    ent_weights_close(w);
    expect_round_trip(path, "zstd");
}

static void large_files_come_back(void **state)
{
    (void)state;
    enum { SIDE = 1536 };
    const char *path = scratch_path("large.h5");
    static const storage gzip = { .chunk = { 256, 256 }, .deflate = true, .shuffle = true };
    static float w[SIDE * SIDE / 2];
    ent_random random;
    ent_random_seed(&random, 1, 0);
    for (size_t i = 0; i < SIDE * SIDE / 2; i++)
        w[i] = (float)(ent_random_uniform(&random) + ent_random_uniform(&random) - 1) / 32;
    hid_t file = new_plain(path);
    for (int k = 0; k < 2; k++) {
        hid_t set = new_set(file, k ? "packed" : "plain", H5T_IEEE_F32LE, 2, (hsize_t[]){ SIDE / 2, SIDE }, k ? &gzip : &storages[0], NULL);
        assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w) >= 0);
        H5Dclose(set);
    }
    H5Fclose(file);
    ent_weights *weights = open_file(path);
    for (int k = 0; k < 2; k++) assert_memory_equal(ent_weights_find(weights, k ? "packed" : "plain")->bytes.data, w, sizeof w);
    ent_weights_close(weights);
    expect_round_trip(path, "planar-rans");
}

/* ---- refused ------------------------------------------------------------------------------------------------------ */

static hid_t packed_by(hid_t file, H5Z_filter_t filter)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, (hsize_t[]){ 4 }, NULL);
    H5Pset_chunk(create, 1, (hsize_t[]){ 4 });
    H5Pset_filter(create, filter, H5Z_FLAG_OPTIONAL, 0, NULL);
    hid_t set = H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    H5Pclose(create), H5Sclose(space);
    assert_true(set >= 0);
    return set;
}

static void others_are_refused(void **state)
{
    (void)state;
    const char *path = scratch_path("bad.h5");
    hid_t file = new_plain(path);
    H5Fclose(file);
    expect_open(path, ENT_EUNSUPPORTED, "no datasets of numbers");
    for (int version = 0; version < 2; version++) { /* soft links in a circle are not followed */
        file = new_file(path, 8, 0, version ? H5F_LIBVER_V18 : H5F_LIBVER_EARLIEST, true);
        H5Lcreate_soft("/b", file, "a", H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_soft("/a", file, "b", H5P_DEFAULT, H5P_DEFAULT);
        H5Fclose(file);
        expect_open(path, ENT_EUNSUPPORTED, "no datasets of numbers");
    }
    file = new_plain(path);
    H5Lcreate_external("other.h5", "/w", file, "away", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    expect_open(path, ENT_EUNSUPPORTED, "link \"away\" leads to another file");
    for (int version = 0; version < 2; version++) { /* before and after links could be messages */
        file = new_file(path, 8, 0, version ? H5F_LIBVER_V18 : H5F_LIBVER_EARLIEST, true);
        H5Gclose(H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        H5Lcreate_hard(file, "g", file, "g/itself", H5P_DEFAULT, H5P_DEFAULT);
        H5Fclose(file);
        expect_open(path, ENT_ECORRUPT, "groups within groups, over 64 deep");
    }
    file = new_plain(path);
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, (hsize_t[]){ 4 }, NULL);
    H5Pset_external(create, "other.bin", 0, 16);
    H5Dclose(H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Fclose(file);
    expect_open(path, ENT_EUNSUPPORTED, "\"x\": its bytes are in other files: run `h5repack");
    H5Pclose(create);
    file = new_plain(path);
    create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(create, space, "other.h5", "w", space);
    H5Dclose(H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Pclose(create), H5Sclose(space);
    H5Fclose(file);
    expect_open(path, ENT_EUNSUPPORTED, "\"x\": a virtual dataset");
    file = new_plain(path);
    hid_t set = packed_by(file, 32015);
    assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, 0, (hsize_t[]){ 0 }, 5, "abcde") >= 0);
    H5Dclose(set), H5Fclose(file);
    expect_open(path, ENT_EUNSUPPORTED, "\"x\": chunks coded by filter 32015 (Zstandard); deflate");
    file = new_plain(path);
    set = packed_by(file, 32015);
    assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, 1, (hsize_t[]){ 0 }, 16, "0123456789abcdef") >= 0); /* left out */
    H5Dclose(set), H5Fclose(file);
    ent_weights *w = open_file(path);
    assert_memory_equal(ent_weights_find(w, "x")->bytes.data, "0123456789abcdef", 16);
    ent_weights_close(w);
}

/* LZF by hand: three literals, a copy that runs into itself, one of over 8 bytes, from further back; then damaged ones. */
static void lzf_is_expanded(void **state)
{
    (void)state;
    static const struct { const char *code; size_t size; const char *text; } cases[] = {
#define P(code, text) { code, sizeof code - 1, text }
        P("\x02" "abc" "\x20\x00" "\xe0\x01\x05", "abccccabccccabcc"),
        P("\x0f" "0123456789abcdef", "0123456789abcdef"),
        P("\x02" "abc" "\x20\x03", NULL), /* before the first byte */
        P("\x02" "ab", NULL), P("\x02" "abc" "\x20", NULL), P("\x02" "abc" "\xe0\x01", NULL),
        P("\x00" "a" "\xe0\xff\x00", NULL), /* more than a chunk holds */
        P("\x02" "abc", NULL),              /* less */
#undef P
    };
    const char *path = scratch_path("lzf.h5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hid_t file = new_plain(path), set = packed_by(file, 32000);
        assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, 0, (hsize_t[]){ 0 }, cases[i].size, cases[i].code) >= 0);
        H5Dclose(set), H5Fclose(file);
        if (!cases[i].text) {
            expect_open(path, ENT_ECORRUPT, NULL);
            continue;
        }
        ent_weights *w = open_file(path);
        assert_memory_equal(ent_weights_find(w, "x")->bytes.data, cases[i].text, 16);
        ent_weights_close(w);
    }
}

/* Deflated bytes that are fewer or more than the chunk has; past the room for checksums they do not inflate. */
static void filters_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct { size_t size; const char *text; } cases[] = {
        { 12, "has 12 bytes, not 16" }, { 20, "has 20 bytes, not 16" }, { 300, "a deflated chunk that cannot be inflated" },
    };
    static const uint8_t zeros[300];
    const char *path = scratch_path("lie.h5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t code[400];
        uLongf n = sizeof code;
        assert_int_equal(compress(code, &n, zeros, cases[i].size), Z_OK);
        hid_t file = new_plain(path), set = packed_by(file, H5Z_FILTER_DEFLATE);
        assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, 0, (hsize_t[]){ 0 }, n, code) >= 0);
        H5Dclose(set), H5Fclose(file);
        expect_open(path, ENT_ECORRUPT, cases[i].text);
    }
}

/* A shape, or chunks, of which the file holds next to nothing. */
static void bombs_are_refused(void **state)
{
    (void)state;
    const char *path = scratch_path("bomb.h5");
    static const storage packed = { .chunk = { 100, 100 }, .deflate = true }, huge = { .chunk = { 4096, 8192 }, .deflate = true };
    for (int k = 0; k < 2; k++) {
        hid_t file = new_plain(path);
        hsize_t rows = k ? 2 : 1 << 20;
        hid_t set = new_set(file, "x", H5T_IEEE_F32LE, 2, (hsize_t[]){ rows, rows }, k ? &huge : &packed, NULL);
        hid_t in = H5Dget_space(set), of = H5Screate_simple(1, (hsize_t[]){ 1 }, NULL);
        H5Sselect_hyperslab(in, H5S_SELECT_SET, (hsize_t[]){ 0, 0 }, NULL, (hsize_t[]){ 1, 1 }, NULL);
        assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, of, in, H5P_DEFAULT, &(float){ 1 }) >= 0);
        H5Sclose(in), H5Sclose(of), H5Dclose(set), H5Fclose(file);
        expect_open(path, ENT_EUNSUPPORTED, "which weights never are");
    }
}

/* What we write ourselves is no model. */
static void ours_are_told_apart(void **state)
{
    (void)state;
    ent_weights *w = open_file(make_safetensors("one.safetensors", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8));
    const char *path = scratch_path("ours.h5"), *foreign = scratch_path("foreign.h5");
    ent_codec *codec;
    ent_corpus *corpus;
    assert_ok(ent_codec_parse(&codec, "huffman", NULL));
    assert_ok(ent_container_write(path, w, codec, NULL, NULL, NULL, NULL));
    expect_open(path, ENT_EUNSUPPORTED, "a compressed model or tables made by libentropy");
    assert_true(ent_container_is(path));
    assert_ok(ent_corpus_new(&corpus, codec));
    assert_ok(ent_corpus_add(corpus, w, NULL, NULL));
    assert_ok(ent_corpus_write(corpus, path, NULL));
    expect_open(path, ENT_EUNSUPPORTED, "a compressed model or tables made by libentropy");
    assert_true(ent_container_is(path));
    ent_corpus_free(corpus), ent_codec_free(codec), ent_weights_close(w);
    for (int version = 0; version < 2; version++) { /* a model that has an index as well */
        hid_t file = new_file(foreign, 8, 0, version ? H5F_LIBVER_V18 : H5F_LIBVER_EARLIEST, true);
        add_matrix(file, "index", &storages[0]);
        H5Fclose(file);
        assert_false(ent_container_is(foreign));
        expect_open(foreign, ENT_OK, NULL);
    }
    assert_false(ent_container_is(scratch_path("one.safetensors")));
    assert_false(ent_container_is(scratch_path("not-there")));
}

/* ---- damaged ------------------------------------------------------------------------------------------------------ */

/* Where in the file 4 bytes are. */
static size_t find(const uint8_t *file, size_t size, const char *mark)
{
    for (size_t i = 0; i + 4 <= size; i++)
        if (!memcmp(file + i, mark, 4)) return i;
    fail_msg("no %s", mark);
    return 0;
}

static void refuse_changed(const uint8_t *file, size_t size, size_t at, uint64_t value, size_t bytes, const char *text)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, file, size);
    memcpy(copy + at, &value, bytes);
    write_file(scratch_path("bad.h5"), copy, size);
    free(copy);
    expect_open(scratch_path("bad.h5"), ENT_ECORRUPT, text);
}

static void damaged_parts_are_named(void **state)
{
    (void)state;
    enum { OBJECT_ADDRESS = 64, EOF_ADDRESS = 40 }; /* of the root, in superblock 0 */
    const char *path = scratch_path("small.h5");
    hid_t file = new_plain(path);
    add_matrix(file, "w", &storages[STORAGES - 1]);
    H5Fclose(file);
    size_t size;
    uint8_t *f = read_file(path, &size);
    size_t heap = find(f, size, "HEAP"), table = find(f, size, "SNOD"), names = find(f, size, "TREE");
    size_t chunks = names + 4 + find(f + names + 4, size - names - 4, "TREE");
    refuse_changed(f, size, 13, 7, 1, "addresses of 7 bytes");
    refuse_changed(f, size, EOF_ADDRESS, size + 1, 8, "cut short");
    refuse_changed(f, size, OBJECT_ADDRESS, size - 8, 8, "an object header at byte");
    refuse_changed(f, size, OBJECT_ADDRESS, UINT64_MAX, 8, "ends beyond the file's");
    refuse_changed(f, size, OBJECT_ADDRESS, heap, 8, "no object header at byte");
    refuse_changed(f, size, heap, 0, 4, "no heap of names at byte");
    refuse_changed(f, size, heap + 8, UINT64_MAX / 2, 8, "ends beyond the file");
    refuse_changed(f, size, table, 0, 4, "no symbol table at byte");
    refuse_changed(f, size, table + 6, 0xffff, 2, "a symbol table at byte");
    refuse_changed(f, size, table + 8, size, 8, "a name that does not end");
    refuse_changed(f, size, names, 0, 4, "no tree of names at byte");
    refuse_changed(f, size, names + 5, 64, 1, "no tree of names at byte");
    refuse_changed(f, size, names + 5, 1, 1, "no tree of names at byte"); /* a level above symbol tables, which are no tree */
    refuse_changed(f, size, chunks, 0, 4, "\"w\": no tree of chunks at byte");
    refuse_changed(f, size, chunks + 6, 0xffff, 2, "\"w\": a tree of chunks at byte");
    refuse_changed(f, size, chunks + 24 + 8, 1, 8, "\"w\": the chunk at byte");       /* its first row is no corner */
    refuse_changed(f, size, chunks + 24 + 8, 60, 8, "lies outside its shape");
    refuse_changed(f, size, chunks + 24, 1, 4, "\"w\": a chunk");                    /* bytes of it */
    uint64_t chunk = ent_load64(f + chunks + 24 + 8 + 3 * 8);
    refuse_changed(f, size, chunk + 30, ~ent_load64(f + chunk + 30), 8, "\"w\": a chunk whose checksum is wrong");
    refuse_changed(f, size, chunks + 24 + 4, 4, 1, "\"w\": a deflated chunk that cannot be inflated"); /* with its checksum */
    refuse_changed(f, size, chunks + 24 + 4, 7, 1, "bytes, not 840");                            /* no filters */
    free(f);
}

static void expect_sane(const char *path, size_t where)
{
    count_damaged();
    ent_weights *w;
    ent_error error;
    ent_status status = ent_weights_open(&w, path, &error);
    if (status && status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED) fail_msg("%zu: %s", where, error.text);
    volatile uint8_t sum = 0;
    for (size_t i = 0; w && i < ent_weights_tensors(w); i++) {
        ent_bytes b = ent_weights_tensor(w, i)->bytes;
        for (size_t k = 0; k < b.size; k++) sum = (uint8_t)(sum + b.data[k]);
    }
    ent_weights_close(w);
}

static void cut_and_flipped_files_never_crash(void **state)
{
    (void)state;
    const H5F_libver_t low[] = { H5F_LIBVER_EARLIEST, H5F_LIBVER_V18, H5F_LIBVER_LATEST };
    for (int version = 0; version < 3; version++) {
        const char *path = scratch_path("flip.h5");
        hid_t file = new_file(path, 8, 0, low[version], true);
        add_set(file, "g/a", H5T_IEEE_F32LE, 1, (hsize_t[]){ 2 }, &storages[1]);
        add_set(file, "b", H5T_IEEE_F32LE, 2, (hsize_t[]){ 3, 2 }, &storages[version == 1 ? 3 : STORAGES - 1]);
        hid_t opaque = opaque_type(2);
        hid_t set = new_set(file, "c", opaque, 1, (hsize_t[]){ 2 }, &storages[0], NULL);
        set_text(set, "dtype", "bfloat16", version ? 0 : 9);
        H5Dwrite(set, opaque, H5S_ALL, H5S_ALL, H5P_DEFAULT, "abcd");
        H5Dclose(set), H5Tclose(opaque), H5Fclose(file);
        size_t size;
        uint8_t *f = read_file(path, &size);
        int fd = open(path, O_RDWR);
        for (size_t bit = 0; bit < 8 * size; bit += SANITIZED ? 29 : 3) {
            uint8_t flipped = (uint8_t)(f[bit / 8] ^ 1u << bit % 8);
            assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
            expect_sane(path, bit);
            assert_int_equal(pwrite(fd, f + bit / 8, 1, (off_t)(bit / 8)), 1);
        }
        for (size_t n = size - 1; n > 0; n -= n > 64 ? n % 7 + 1 : 1) {
            assert_int_equal(ftruncate(fd, (off_t)n), 0);
            expect_open(path, ENT_ECORRUPT, n < 8 ? "no HDF5 file" : "cut short");
        }
        close(fd);
        free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_and_layouts_are_read),
        cmocka_unit_test(large_trees_are_read),
        cmocka_unit_test(long_arrays_are_read),
        cmocka_unit_test(large_groups_of_all_ages_are_read),
        cmocka_unit_test(chunks_apart_are_several_tensors),
        cmocka_unit_test(keras_files_are_read),
        cmocka_unit_test(what_is_packed_twice_is_read),
        cmocka_unit_test(missing_chunks_are_filled),
        cmocka_unit_test(large_files_come_back),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(lzf_is_expanded),
        cmocka_unit_test(filters_that_lie_are_refused),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(ours_are_told_apart),
        cmocka_unit_test(damaged_parts_are_named),
        cmocka_unit_test(cut_and_flipped_files_never_crash),
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
