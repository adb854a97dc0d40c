/* test_container_rows.c - parts of containers: equal tensors stored once, rows of one tensor, what damage leaves. */
#include <hdf5.h>
#include <unistd.h>

#include "base/bits.h"
#include "containers.h"

static const spec tied[] = {
    { "embed", "BF16", 200, 20, 2 }, { "norm", "BF16", 1, 20, 2 },   { "other", "F16", 200, 20, 2 },
    { "lm_head", "BF16", 200, 20, 2 }, { "nearly", "BF16", 200, 20, 2 }, { "empty", "BF16", 0, 20, 2 },
    { "turned", "BF16", 20, 200, 2 }, { "nothing", "BF16", 0, 20, 2 },
};
enum { TIED = sizeof tied / sizeof *tied };

/* lm_head and turned are embed again; nearly differs in one bit far from start, middle and end; other has its bytes but
 * not its dtype. */
static const char *tied_model(void)
{
    static char path[300];
    size_t size;
    snprintf(path, sizeof path, "%s", scratch_path("tied.safetensors"));
    write_model(path, tied, TIED, 3, "", "");
    uint8_t *data = read_file(path, &size);
    ent_weights *w = open_model(path);
    const ent_tensor *embed = ent_weights_find(w, "embed");
    static const char *const again[] = { "lm_head", "turned", "nearly", "other" };
    for (size_t i = 0; i < 4; i++)
        memcpy(data + ent_weights_find(w, again[i])->offset, data + embed->offset, embed->bytes.size);
    data[ent_weights_find(w, "nearly")->offset + embed->bytes.size / 3] ^= 1;
    ent_weights_close(w);
    write_file(path, data, size);
    free(data);
    return path;
}

static bool has_dataset(const char *path, const char *name)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    bool has = H5Lexists(file, name, H5P_DEFAULT) > 0;
    H5Fclose(file);
    return has;
}

/* ---- equal tensors ------------------------------------------------------------------------------------------- */

static void equal_tensors_are_stored_once(void **state)
{
    (void)state;
    const char *model = tied_model(), *path = scratch_path("tied.ent"), *back = scratch_path("tied.back");
    findings f;
    for (size_t k = 0; k < TEXTS; k++) {
        if (!is_built(texts[k])) continue;
        ent_container_sizes sizes;
        assert_done(compress_model(model, texts[k], path, 1 + (unsigned)k % 3, &sizes));
        assert_int_equal(sizes.same_tensors, 2);
        assert_int_equal(sizes.same_bytes, 2 * 8000);
        assert_int_equal(sizes.weights, 5 * 4000 + 20);
        assert_false(has_dataset(path, "/tensors/3"));
        assert_true(has_dataset(path, "/tensors/4"));
        assert_false(has_dataset(path, "/tensors/6"));
        assert_done(verify(path, model, &f));
        ent_container *c = open_container(path);
        assert_int_equal(ent_container_sizes_of(c).same_tensors, 2);
        assert_int_equal(ent_container_sizes_of(c).same_bytes, 2 * 8000);
        for (size_t i = 0; i < TIED; i++) {
            ent_container_tensor t = ent_container_tensor_at(c, i);
            bool same = !strcmp(t.name, "lm_head") || !strcmp(t.name, "turned");
            if (same != (t.same_as != NULL)) fail_msg("%s", t.name);
            if (same) assert_string_equal(t.same_as, "embed");
            if (same) assert_int_equal(t.coded_bytes + t.blocks, 0);
        }
        assert_done(ent_container_extract(c, back, NULL, &failure));
        ent_container_close(c);
        assert_same_file(model, back);
        unlink(back);
    }
}

/* Two files, the copy at the end of one and at the start of the other. */
static void copies_may_stand_anywhere(void **state)
{
    (void)state;
    char folder[320], path[400];
    snprintf(folder, sizeof folder, "%s", scratch_path("copies"));
    static const spec a[] = { { "x", "I8", 100, 9, 1 }, { "y", "I8", 100, 9, 1 } }, b[] = { { "z", "I8", 900, 1, 1 } };
    snprintf(path, sizeof path, "mkdir -p %s", folder);
    assert_int_equal(system(path), 0);
    static const char index[] = "{\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"a.safetensors\",\"z\":\"b.safetensors\"}}";
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    write_file(path, index, sizeof index - 1);
    snprintf(path, sizeof path, "%s/b.safetensors", folder);
    write_model(path, b, 1, 5, "", "");
    size_t size, size_b;
    uint8_t *z = read_file(path, &size_b);
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    write_model(path, a, 2, 6, "", "");
    uint8_t *data = read_file(path, &size);
    memcpy(data + size - 900, z + size_b - 900, 900);
    write_file(path, data, size);
    free(data);
    free(z);
    const char *out = scratch_path("copies.ent");
    ent_container_sizes sizes;
    findings f;
    assert_done(compress_model(folder, "huffman block=64", out, 2, &sizes));
    assert_int_equal(sizes.same_tensors, 1);
    assert_done(verify(out, folder, &f));
}

static void lies_about_copies_are_refused(void **state)
{
    (void)state;
    static const char *const lies[][2] = {
        { "\"same\":0", "\"same\":-1" },  { "\"same\":0", "\"same\":3" },   { "\"same\":0", "\"same\":99" },
        { "\"same\":0", "\"same\":1" },   { "\"same\":0", "\"same\":2" },   { "\"same\":0", "\"same\":\"embed\"" },
        { "\"same\":0", "\"same\":null" },
    };
    const char *model = tied_model(), *path = scratch_path("copies-lies.ent");
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        ent_container *container;
        assert_done(compress_model(model, "raw block=64", path, 1, NULL));
        edit_index(path, lies[i][0], lies[i][1]);
        if (ent_container_open(&container, path, &failure) != ENT_ECORRUPT) fail_msg("%s", lies[i][1]);
    }
    findings f; /* of the right size, but another: its file's checksum tells */
    assert_done(compress_model(model, "raw block=64", path, 1, NULL));
    edit_index(path, "\"same\":0},{\"name\":\"nothing", "\"same\":4},{\"name\":\"nothing");
    assert_status(verify(path, NULL, &f), ENT_ECHECK);
    assert_non_null(strstr(f.text[0], "checksum"));
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

static void rows_are_those_of_the_model(void **state)
{
    (void)state;
    static const spec odd[] = { { "f4", "F4", 30, 14, 1 }, { "f6", "F6_E2M3", 12, 20, 1 } };
    const char *path = scratch_path("rows.ent"), *models[] = { mixed_model(), tied_model(), NULL };
    char packed[300];
    snprintf(packed, sizeof packed, "%s", scratch_path("odd.safetensors"));
    write_model(models[2] = packed, odd, 2, 4, "", "");
    uint8_t *out = malloc(1 << 20);
    ent_random r;
    ent_random_seed(&r, 1, 0);
    for (size_t m = 0; m < 3; m++)
        for (size_t k = 0; k < TEXTS; k += 3) {
            if (!is_built(texts[k])) continue;
            assert_done(compress_model(models[m], texts[k], path, 2, NULL));
            ent_container *c = open_container(path);
            ent_weights *w = open_model(models[m]);
            for (size_t n = 0; n < 300; n++) {
                const ent_run run = { .threads = 1 + (unsigned)n % 2 };
                size_t i = ent_random_below(&r, ent_container_tensors(c));
                const ent_tensor *t = ent_weights_tensor(w, i);
                uint64_t rows = t->shape[0], first = ent_random_below(&r, rows + 1),
                         count = ent_random_below(&r, rows - first + 1), bytes = 7, read;
                assert_int_equal(ent_container_find(c, t->name), i);
                assert_done(ent_container_rows_bytes(c, (ent_rows){ i, first, count }, &bytes, &failure));
                assert_int_equal(bytes, rows ? t->bytes.size / rows * count : 0);
                memset(out, 0x5a, bytes + 8);
                assert_done(ent_container_rows(c, (ent_rows){ i, first, count }, out, &run, &read, &failure));
                if (bytes) assert_memory_equal(out, t->bytes.data + t->bytes.size / rows * first, bytes);
                assert_int_equal(ent_load64(out + bytes), 0x5a5a5a5a5a5a5a5a);
                assert_true(bytes ? read > 0 : read == 0);
            }
            ent_container_close(c);
            ent_weights_close(w);
        }
    free(out);
}

static void rows_that_are_not_there_are_refused(void **state)
{
    (void)state;
    static const spec odd[] = { { "f4", "F4", 16, 1, 1 } };
    const char *model = scratch_path("halves.safetensors"), *path = scratch_path("halves.ent");
    uint8_t out[64];
    write_model(model, odd, 1, 4, "", "");
    assert_done(compress_model(model, "raw", path, 1, NULL));
    ent_container *c = open_container(path);
    assert_int_equal(ent_container_find(c, "none"), SIZE_MAX);
    assert_int_equal(ent_container_all_rows(c, 0).count, 16);
    assert_done(ent_container_rows(c, ent_container_all_rows(c, 0), out, NULL, NULL, &failure));
    assert_status(ent_container_rows(c, (ent_rows){ 0, 1, 2 }, out, NULL, NULL, &failure), ENT_EINVAL);
    assert_non_null(strstr(failure.text, "whole bytes"));
    assert_status(ent_container_rows(c, (ent_rows){ 0, 17, 0 }, out, NULL, NULL, &failure), ENT_EINVAL);
    assert_status(ent_container_rows(c, (ent_rows){ 0, 8, 9 }, out, NULL, NULL, &failure), ENT_EINVAL);
    assert_status(ent_container_rows(c, (ent_rows){ 0, 2, UINT64_MAX }, out, NULL, NULL, &failure), ENT_EINVAL);
    assert_status(ent_container_save(c, ent_container_all_rows(c, 0), scratch_path("halves.npy"), NULL, NULL, &failure),
                  ENT_EUNSUPPORTED);
    assert_status(ent_container_save(c, ent_container_all_rows(c, 0), scratch_path("halves.bin"), NULL, NULL, &failure),
                  ENT_EINVAL);
    ent_container_close(c);
}

/* Where block `k` of tensor `i` lies: all of it is spoilt. */
static void spoil(const char *path, uint8_t *data, size_t i, hsize_t first_word)
{
    char name[40];
    hsize_t size;
    haddr_t address;
    unsigned mask;
    snprintf(name, sizeof name, "/tensors/%zu", i);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(H5Dget_chunk_info_by_coord(set, &first_word, &mask, &address, &size) >= 0);
    H5Dclose(set);
    H5Fclose(file);
    for (size_t b = 0; b < size; b++) data[address + b] ^= 0xff;
}

/* All other blocks of the container are spoilt: who reads one of them, fails. */
static void rows_read_their_blocks_alone(void **state)
{
    (void)state;
    static const spec two[] = { { "a", "BF16", 100, 10, 2 }, { "b", "BF16", 100, 64, 2 }, { "c", "U8", 300, 3, 2 } };
    const char *model = scratch_path("alone.safetensors"), *path = scratch_path("alone.ent"),
               *bad = scratch_path("alone-bad.ent");
    uint8_t *out = malloc(1 << 16);
    write_model(model, two, 3, 8, "", "");
    assert_done(compress_model(model, "raw block=256", path, 1, NULL)); /* four rows of b, coded 4 + 512 bytes */
    size_t size;
    uint8_t *data = read_file(path, &size);
    for (hsize_t w = 0; w < 1000; w += 256) spoil(path, data, 0, w);
    for (hsize_t w = 0; w < 900; w += 256) spoil(path, data, 2, w);
    for (hsize_t w = 0; w < 6400; w += 256)
        if (w < 5 * 256 || w > 7 * 256) spoil(path, data, 1, w);
    write_file(bad, data, size);
    ent_weights *weights = open_model(model);
    ent_container *c = open_container(bad);
    const uint8_t *rows = ent_weights_tensor(weights, 1)->bytes.data;
    for (uint64_t first = 20; first < 32; first++)
        for (uint64_t count = 1; first + count <= 32; count++) {
            uint64_t read;
            assert_done(ent_container_rows(c, (ent_rows){ 1, first, count }, out, NULL, &read, &failure));
            assert_memory_equal(out, rows + 128 * first, 128 * count);
            assert_int_equal(read, ((first + count - 1) / 4 - first / 4 + 1) * 516);
        }
    assert_status(ent_container_rows(c, (ent_rows){ 1, 19, 2 }, out, NULL, NULL, &failure), ENT_ECORRUPT);
    if (!strstr(failure.text, "tensor \"b\", block 4, at byte")) fail_msg("%s", failure.text);
    assert_status(ent_container_rows(c, (ent_rows){ 1, 31, 2 }, out, NULL, NULL, &failure), ENT_ECORRUPT);
    assert_status(ent_container_read(c, 0, out, NULL, &failure), ENT_ECORRUPT);
    ent_container_close(c);
    ent_weights_close(weights);
    free(data);
    free(out);
}

/* What was saved, opened as a model. */
static void rows_are_saved_as_files(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("save.ent");
    char file[300];
    assert_done(compress_model(model, "raw block=64", path, 1, NULL));
    ent_container *c = open_container(path);
    ent_weights *w = open_model(model);
    for (size_t i = 0; i < ent_container_tensors(c); i++)
        for (int npy = 0; npy < 2; npy++) {
            const ent_tensor *t = ent_weights_tensor(w, i);
            ent_rows rows = { i, t->shape[0] / 3, t->shape[0] - t->shape[0] / 3 };
            uint64_t before = t->shape[0] ? t->bytes.size / t->shape[0] * rows.first : 0;
            snprintf(file, sizeof file, "%s", scratch_path(npy ? "part.npy" : "part.safetensors"));
            assert_done(ent_container_save(c, rows, file, NULL, NULL, &failure));
            ent_weights *part = open_model(file);
            const ent_tensor *p = ent_weights_tensor(part, 0);
            uint32_t bits = p->dtype_bits;
            if (npy && *p->dtype == 'V') assert_int_equal(ent_weights_name_raw(part, t->dtype, bits), 1);
            assert_int_equal(ent_weights_tensors(part), 1);
            assert_string_equal(p->dtype, t->dtype);
            if (!npy) assert_string_equal(p->name, t->name);
            assert_int_equal(p->rank, 2);
            assert_int_equal(p->shape[0], rows.count);
            assert_int_equal(p->shape[1], t->shape[1]);
            assert_int_equal(p->bytes.size, t->bytes.size - before);
            if (p->bytes.size) assert_memory_equal(p->bytes.data, t->bytes.data + before, p->bytes.size);
            ent_weights_close(part);
            unlink(file);
        }
    ent_weights_close(w);
    ent_container_close(c);
}

/* As numpy/lib/_format_impl.py has it: the dictionary, blanks up to a multiple of 64, the end of a line. */
static void the_header_is_that_of_numpy(void **state)
{
    (void)state;
    static const char expected[] = "\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (1, 3), }"
                                   "                                                          \n";
    static const spec one[] = { { "a", "U16", 1, 3, 0 } };
    const char *model = scratch_path("numpy.safetensors"), *path = scratch_path("numpy.ent"),
               *file = scratch_path("numpy.npy");
    write_model(model, one, 1, 1, "", "");
    assert_done(compress_model(model, "raw", path, 1, NULL));
    ent_container *c = open_container(path);
    assert_done(ent_container_save(c, ent_container_all_rows(c, 0), file, NULL, NULL, &failure));
    ent_container_close(c);
    size_t size;
    uint8_t *data = read_file(file, &size);
    assert_int_equal(sizeof expected - 1, 128);
    assert_int_equal(size, 128 + 6);
    assert_memory_equal(data, expected, 128);
    free(data);
}

/* ---- what damage leaves ------------------------------------------------------------------------------------------ */

static findings found;

static void take(void *context, const char *text)
{
    (void)context;
    if (found.n < 8) strcpy(found.text[found.n], text);
    found.n++;
}

static void what_damage_leaves_comes_out(void **state)
{
    (void)state;
    const char *model = tied_model(), *path = scratch_path("salvage.ent"), *back = scratch_path("salvage.back");
    const ent_run run = { .threads = 2 };
    size_t size, model_size, back_size;
    assert_done(compress_model(model, "raw block=1k", path, 1, NULL));
    uint8_t *data = read_file(path, &size), *expected = read_file(model, &model_size);
    spoil(path, data, 0, 3072); /* of embed, and so of lm_head and turned, which ends the file */
    spoil(path, data, 4, 3072); /* the last of nearly, 928 words */
    write_file(path, data, size);
    ent_weights *w = open_model(model);
    static const char *const copies[] = { "embed", "lm_head", "turned" };
    for (size_t i = 0; i < 3; i++) memset(expected + ent_weights_find(w, copies[i])->offset + 6144, 0, 1856);
    uint64_t nearly = ent_weights_find(w, "nearly")->offset;
    memset(expected + nearly + 6144, 0, 1856);
    ent_weights_close(w);
    ent_container *c = open_container(path);
    write_file(back, "old", 3);
    found.n = 0;
    assert_status(ent_container_salvage(c, back, &run, take, NULL, &failure), ENT_ECORRUPT);
    assert_non_null(strstr(failure.text, "zeros"));
    assert_int_equal(found.n, 4);
    char lost[100];
    snprintf(lost, sizeof lost, "lost: bytes %zu to %zu of file \"tied.safetensors\"", (size_t)nearly + 6144,
             (size_t)nearly + 7999);
    if (!strstr(found.text[2], "tensor \"nearly\", block 3, at byte ") || !strstr(found.text[2], lost))
        fail_msg("%s, expected %s", found.text[2], lost);
    ent_container_close(c);
    uint8_t *got = read_file(back, &back_size);
    assert_int_equal(back_size, model_size);
    assert_memory_equal(got, expected, model_size);
    assert_int_equal(count_files(scratch(), "salvage.back"), 1);
    free(got);
    free(data);
    free(expected);
}

static void an_unharmed_container_is_salvaged_whole(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("whole.ent"), *back = scratch_path("whole.back");
    assert_done(compress_model(model, "huffman block=1k", path, 1, NULL));
    ent_container *c = open_container(path);
    found.n = 0;
    assert_done(ent_container_salvage(c, back, NULL, take, NULL, &failure));
    assert_int_equal(found.n, 0);
    assert_same_file(model, back);
    ent_container_close(c);
    /* a table: its tensor is lost as a whole */
    assert_done(compress_model(model, "huffman block=1k", path, 1, NULL));
    edit_index(path, "\"tables\":[[", "\"tables\":[[0,\"00000000\"],[");
    c = open_container(path);
    assert_status(ent_container_salvage(c, back, NULL, take, NULL, &failure), ENT_ECORRUPT);
    if (!strstr(found.text[0], "embed_tokens.weight\", field exponent") || !strstr(found.text[0], "; lost: bytes "))
        fail_msg("%s", found.text[0]);
    ent_container_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_tensors_are_stored_once),
        cmocka_unit_test(copies_may_stand_anywhere),
        cmocka_unit_test(lies_about_copies_are_refused),
        cmocka_unit_test(rows_are_those_of_the_model),
        cmocka_unit_test(rows_that_are_not_there_are_refused),
        cmocka_unit_test(rows_read_their_blocks_alone),
        cmocka_unit_test(rows_are_saved_as_files),
        cmocka_unit_test(the_header_is_that_of_numpy),
        cmocka_unit_test(what_damage_leaves_comes_out),
        cmocka_unit_test(an_unharmed_container_is_salvaged_whole),
    };
    return cmocka_run_group_tests_name("container rows", tests, NULL, NULL);
}
