/* test_readable.c - readable containers: models come back byte for byte, and HDF5 reads every tensor by its name, with its
 * shape, its type and its bytes, through the filter; and what damage and lies do. */
#include <hdf5.h>

#include "containers.h"

typedef struct tensor {
    const char *name, *dtype;
    unsigned bits;
    uint64_t rank, shape[4];
    const char *seen;        /* as HDF5 has it: its type, and its chunks */
    uint64_t rank_seen, size_seen[4], chunk_seen[4];
} tensor;

/* Blocks have 64 weights: the chunks are worked out by hand from FORMAT.md. */
static const tensor tensors[] = {
    { "rows", "BF16", 16, 2, { 50, 7 }, "float 2", 2, { 50, 7 }, { 9, 7 } },
    { "a/whole", "F16", 16, 3, { 2, 3, 4 }, "float 2", 3, { 2, 3, 4 }, { 2, 3, 4 } },
    { "a/planes", "BF16", 16, 3, { 6, 4, 32 }, "float 2", 3, { 6, 4, 32 }, { 1, 2, 32 } },
    { "a/b/columns", "F32", 32, 2, { 3, 192 }, "float 4", 2, { 3, 192 }, { 1, 48 } },
    { "odd", "F32", 32, 2, { 3, 75 }, "float 4", 1, { 225 }, { 64 } },
    { "odd.planes", "F64", 64, 3, { 2, 5, 64 }, "float 8", 1, { 640 }, { 64 } },
    { "line", "F64", 64, 1, { 100 }, "float 8", 1, { 100 }, { 64 } },
    { "number", "F32", 32, 0, { 0 }, "float 4", 1, { 1 }, { 1 } },
    { "none", "BF16", 16, 2, { 0, 5 }, "", 0, { 0 }, { 0 } },
    { "e5m2", "F8_E5M2", 8, 2, { 10, 10 }, "float 1", 2, { 10, 10 }, { 6, 10 } },
    { "e4m3", "F8_E4M3", 8, 2, { 10, 10 }, "unsigned 1", 2, { 10, 10 }, { 6, 10 } },
    { "f4", "F4", 4, 2, { 16, 10 }, "unsigned 1", 1, { 80 }, { 32 } },
    { "i8", "I8", 8, 2, { 9, 9 }, "signed 1", 2, { 9, 9 }, { 7, 9 } },
    { "i32", "I32", 32, 2, { 9, 9 }, "signed 4", 2, { 9, 9 }, { 1, 9 } },
    { "u64", "U64", 64, 1, { 20 }, "unsigned 8", 1, { 20 }, { 8 } },
    { "flags", "BOOL", 8, 1, { 70 }, "unsigned 1", 1, { 70 }, { 64 } },
    { "i8/under", "I8", 8, 1, { 5 }, NULL, 0, { 0 }, { 0 } }, /* a name that is taken */
    { ".", "I8", 8, 1, { 6 }, NULL, 0, { 0 }, { 0 } },
    { "again", "BF16", 16, 2, { 25, 14 }, "float 2", 2, { 50, 7 }, { 9, 7 } }, /* the bytes of "rows" */
};
enum { TENSORS = sizeof tensors / sizeof *tensors };

static uint64_t bytes_of(const tensor *t)
{
    uint64_t n = 1;
    for (uint64_t i = 0; i < t->rank; i++) n *= t->shape[i];
    return n * t->bits / 8;
}

static void make_model(const char *path)
{
    char header[8000] = "{";
    static uint8_t data[20000];
    uint64_t at = 0;
    ent_random r;
    ent_random_seed(&r, 12, 0);
    for (int i = 0; i < TENSORS; i++) {
        const tensor *t = &tensors[i];
        size_t n = strlen(header);
        n += (size_t)snprintf(header + n, sizeof header - n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "", t->name,
                              t->dtype);
        for (uint64_t k = 0; k < t->rank; k++)
            n += (size_t)snprintf(header + n, sizeof header - n, "%s%llu", k ? "," : "", (unsigned long long)t->shape[k]);
        snprintf(header + n, sizeof header - n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                 (unsigned long long)(at + bytes_of(t)));
        for (uint64_t k = 0; k < bytes_of(t); k++) data[at + k] = (uint8_t)(k % 2 ? 60 : ent_random_bits(&r) % 256);
        if (!strcmp(t->name, "again")) memcpy(data + at, data, bytes_of(t));
        at += bytes_of(t);
    }
    strcat(header, "}");
    uint64_t n = strlen(header);
    uint8_t *file = malloc(8 + n + at);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    memcpy(file + 8 + n, data, at);
    write_file(path, file, 8 + n + at);
    free(file);
}

static ent_status write_readable(const char *model, const char *text, const char *path)
{
    ent_weights *weights = open_model(model);
    ent_codec *codec;
    assert_done(ent_codec_parse(&codec, text, &failure));
    const ent_assignment assignment = { .codecs = 1, .codec = (const ent_codec *const *)&codec, .readable = true };
    ent_container_sizes sizes;
    ent_status status = ent_container_write_assigned(path, weights, &assignment, NULL, &sizes, &failure);
    ent_codec_free(codec);
    ent_weights_close(weights);
    return status;
}

/* ---- as HDF5 sees it -------------------------------------------------------------------------------------- */

static const char *type_text(hid_t type)
{
    static char text[40];
    bool is_float = H5Tget_class(type) == H5T_FLOAT;
    snprintf(text, sizeof text, "%s %zu", is_float ? "float" : H5Tget_sign(type) == H5T_SGN_2 ? "signed" : "unsigned",
             H5Tget_size(type));
    return text;
}

static void check_tensor(hid_t file, const tensor *t, const uint8_t *bytes)
{
    static uint8_t data[20000];
    char path[100];
    hsize_t size[H5S_MAX_RANK] = { 0 }, chunk[H5S_MAX_RANK] = { 0 };
    snprintf(path, sizeof path, "/weights/%s", t->name);
    hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    if (set < 0) fail_msg("no %s", path);
    hid_t space = H5Dget_space(set), type = H5Dget_type(set), create = H5Dget_create_plist(set);
    assert_string_equal(type_text(type), t->seen);
    assert_int_equal(H5Sget_simple_extent_dims(space, size, NULL), t->rank_seen);
    assert_int_equal(H5Pget_chunk(create, H5S_MAX_RANK, chunk), t->rank_seen);
    for (uint64_t i = 0; i < t->rank_seen; i++) {
        assert_int_equal(size[i], t->size_seen[i]);
        assert_int_equal(chunk[i], t->chunk_seen[i]);
    }
    memset(data, 0, sizeof data);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    assert_memory_equal(data, bytes, bytes_of(t));
    H5Pclose(create);
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
}

static void check_file(const char *path, const char *model)
{
    size_t size;
    uint8_t *bytes = read_file(model, &size);
    const uint8_t *at = bytes + 8 + bytes[0] + 256 * bytes[1];
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    for (int i = 0; i < TENSORS; at += bytes_of(&tensors[i++])) {
        char name[100];
        snprintf(name, sizeof name, "/weights/%s", tensors[i].name);
        if (tensors[i].seen && *tensors[i].seen) check_tensor(file, &tensors[i], at);
        else if (tensors[i].seen) assert_int_equal(H5Lexists(file, name, H5P_DEFAULT), 0);
    }
    H5Fclose(file);
    free(bytes);
}

/* Every coder of this build, and byte planes. */
static void test_read(void **state)
{
    (void)state;
    const char *model = scratch_path("model.safetensors"), *path = scratch_path("readable.h5");
    char text[300], back[200];
    snprintf(back, sizeof back, "%s", scratch_path("back.safetensors"));
    make_model(model);
    for (size_t i = 0; ent_coders[i]; i++) {
        const char *c = ent_coders[i]->name;
        if (!takes_bytes(ent_coders[i])) continue;
        snprintf(text, sizeof text, "F64: exponent:top3=%s rest=raw | narrow: word=%s | float: exponent=%s rest=raw | *: bytes=%s "
                 "block=64 scope=block", c, c, c, c);
        assert_done(write_readable(model, text, path));
        check_file(path, model);
        findings f = { 0 };
        assert_done(verify(path, model, &f));
        ent_container *container = open_container(path);
        assert_done(ent_container_extract(container, back, NULL, &failure));
        ent_container_close(container);
        assert_same_file(model, back);
        remove(back);
        remove(path);
    }
}

static void test_rows(void **state)
{
    (void)state;
    const char *model = scratch_path("model.safetensors"), *path = scratch_path("readable.h5");
    uint8_t rows[2 * 7 * 20];
    size_t size;
    make_model(model);
    assert_done(write_readable(model, "huffman block=64 scope=block", path));
    uint8_t *bytes = read_file(model, &size);
    ent_container *container = open_container(path);
    const size_t i = ent_container_find(container, "rows");
    assert_done(ent_container_rows(container, (ent_rows){ i, 13, 20 }, rows, NULL, NULL, &failure));
    assert_memory_equal(rows, bytes + 8 + bytes[0] + 256 * bytes[1] + 13 * 14, sizeof rows);
    ent_container_close(container);
    free(bytes);
}

/* Only blocks with tables of their own can be read alone. */
static void test_scope(void **state)
{
    (void)state;
    const char *model = scratch_path("model.safetensors");
    make_model(model);
    assert_status(write_readable(model, "huffman", scratch_path("no.h5")), ENT_EINVAL);
    assert_non_null(strstr(failure.text, "scope=block"));
    assert_false(is_there(scratch_path("no.h5")));
}

static void cannot_open(const char *model, const char *from, const char *to, const char *word)
{
    const char *path = scratch_path("lie.h5");
    ent_container *container;
    findings f = { 0 };
    assert_done(write_readable(model, "huffman block=64 scope=block", path));
    edit_index(path, from, to);
    ent_status status = ent_container_open(&container, path, &failure);
    ent_container_close(container);
    if (!status) {
        assert_status(verify(path, NULL, &f), ENT_ECHECK);
        snprintf(failure.text, sizeof failure.text, "%s", f.text[0]);
    } else {
        assert_int_equal(status, ENT_ECORRUPT);
    }
    if (!strstr(failure.text, word)) fail_msg("\"%s\" does not say \"%s\"", failure.text, word);
}

static void test_lies(void **state)
{
    (void)state;
    const char *model = scratch_path("model.safetensors");
    make_model(model);
    cannot_open(model, "\"readable\":true", "\"readable\":null", "not the dataset");
    cannot_open(model, "\"scope\":\"block\"", "\"scope\":\"model\"", "outside the blocks");
    cannot_open(model, "[50,7]", "[7,50]", "not the dataset");
}

/* Each bit of a chunk: the container names the block, HDF5 reads nothing else in its place. */
static void test_flips(void **state)
{
    (void)state;
    const char *model = scratch_path("model.safetensors"), *path = scratch_path("flip.h5");
    uint8_t data[2 * 350], chunk[2 * 350];
    hsize_t corner[2] = { 9, 0 }, size;
    haddr_t address;
    unsigned mask;
    make_model(model);
    assert_done(write_readable(model, "planar-rans block=64 scope=block", path));
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "/weights/rows", H5P_DEFAULT);
    assert_true(H5Dget_chunk_info_by_coord(set, corner, &mask, &address, &size) >= 0 && size < sizeof chunk);
    H5Dclose(set);
    H5Fclose(file);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (uint64_t bit = 0; bit < 8 * size; bit += bit < 72 ? 1 : 13) {
        FILE *f = fopen(path, "r+b");
        int byte = (fseek(f, (long)(address + bit / 8), SEEK_SET), fgetc(f));
        fseek(f, (long)(address + bit / 8), SEEK_SET);
        fputc(byte ^ 1 << bit % 8, f);
        fclose(f);
        findings found = { 0 };
        assert_status(verify(path, NULL, &found), ENT_ECHECK);
        if (!strstr(found.text[0], "tensor \"rows\", block 1")) fail_msg("%s", found.text[0]);
        file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        set = H5Dopen2(file, "/weights/rows", H5P_DEFAULT);
        hid_t type = H5Dget_type(set);
        assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0);
        H5Tclose(type);
        H5Dclose(set);
        H5Fclose(file);
        f = fopen(path, "r+b");
        fseek(f, (long)(address + bit / 8), SEEK_SET);
        fputc(byte, f);
        fclose(f);
    }
    findings found = { 0 };
    assert_done(verify(path, model, &found));
}

/* One thread or two: the same bytes. */
static void test_deterministic(void **state)
{
    (void)state;
    const char *model = scratch_path("model.safetensors");
    make_model(model);
    assert_done(write_readable(model, "rans block=64 scope=block", scratch_path("one.h5")));
    assert_done(write_readable(model, "rans block=64 scope=block", scratch_path("two.h5")));
    assert_same_file(scratch_path("one.h5"), scratch_path("two.h5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),  cmocka_unit_test(test_rows),  cmocka_unit_test(test_scope),
        cmocka_unit_test(test_lies),  cmocka_unit_test(test_flips), cmocka_unit_test(test_deterministic),
    };
    return cmocka_run_group_tests(tests, use_plugin, NULL);
}
