/* test_container.c - models through containers and back.  Damage is in test_container_damage.c. */
#include <dirent.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "containers.h"
#include "weights/reader.h"

/* ---- round trips ------------------------------------------------------------------------------------------ */

static void check_tensors(const char *path, const char *model)
{
    ent_container *container = open_container(path);
    ent_weights *weights = open_model(model);
    size_t n = ent_weights_tensors(weights);
    assert_int_equal(ent_container_tensors(container), n);
    for (size_t i = 0; i < n; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        ent_container_tensor got = ent_container_tensor_at(container, i);
        assert_string_equal(got.name, t->name);
        assert_string_equal(got.dtype, t->dtype);
        assert_string_equal(got.role, t->role);
        assert_int_equal(got.rank, t->rank);
        assert_memory_equal(got.shape, t->shape, t->rank * sizeof *t->shape);
        assert_int_equal(got.bytes, t->bytes.size);
        for (size_t shift = 0; shift < 2; shift++) { /* an output that is not aligned */
            guarded out = guarded_new(got.bytes + shift);
            assert_done(ent_container_read(container, i, out.data + shift, NULL, &failure));
            assert_memory_equal(out.data + shift, t->bytes.data, got.bytes);
            guarded_free(&out);
        }
    }
    ent_weights_close(weights);
    ent_container_close(container);
}

static void round_trip(const char *model, const char *text)
{
    const char *path = scratch_path("a.ent"), *back = scratch_path("a.back");
    ent_container_sizes sizes;
    findings f;
    struct stat st;
    if (compress_model(model, text, path, 2, &sizes)) fail_msg("%s: %s", text, failure.text);
    ent_container *container = open_container(path);
    assert_done(ent_container_extract(container, back, NULL, &failure));
    ent_container_sizes stored = ent_container_sizes_of(container);
    ent_container_close(container);
    assert_same_file(model, back);
    assert_done(verify(path, model, &f));
    assert_int_equal(f.n, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(sizes.output_bytes, st.st_size);
    assert_int_equal(stat(model, &st), 0);
    assert_int_equal(sizes.input_bytes, st.st_size);
    assert_int_equal(stored.output_bytes, sizes.output_bytes);
    assert_int_equal(stored.tally.payload_bits, sizes.tally.payload_bits);
    assert_true(stored.bound_bits == sizes.bound_bits);
    assert_true((sizes.tally.payload_bits + sizes.tally.table_bits + sizes.tally.index_bits) / 8 < sizes.output_bytes);
    unlink(path);
    unlink(back);
}

static void every_dtype_comes_back(void **state)
{
    (void)state;
    const char *model = mixed_model();
    for (size_t i = 0; i < TEXTS; i++)
        if (is_built(texts[i])) round_trip(model, texts[i]);
    assert_done(compress_model(model, texts[0], scratch_path("t.ent"), 2, NULL));
    check_tensors(scratch_path("t.ent"), model);
    assert_done(compress_model(model, "huffman block=1k", scratch_path("t.ent"), 2, NULL));
    check_tensors(scratch_path("t.ent"), model);
}

/* Sub-byte formats, whose words are unpacked; shapes that fill whole bytes, as safetensors demands. */
static void packed_dtypes_come_back(void **state)
{
    (void)state;
    static const spec packed[] = {
        { "f4", "F4", 111, 2, 1 },
        { "f6", "F6_E2M3", 100, 4, 1 },
        { "f6b", "F6_E3M2", 8, 129, 2 },
        { "f4b", "F4", 4, 4000, 2 },
    };
    char model[300];
    snprintf(model, sizeof model, "%s", scratch_path("packed.safetensors"));
    write_model(model, packed, 4, 5, "", "");
    for (size_t i = 0; i < TEXTS; i++)
        if (is_built(texts[i])) round_trip(model, texts[i]);
    assert_done(compress_model(model, "raw block=64", scratch_path("p.ent"), 2, NULL));
    check_tensors(scratch_path("p.ent"), model);
}

static void a_model_of_nothing_comes_back(void **state)
{
    (void)state;
    const char *model = scratch_path("nothing.safetensors");
    write_model(model, NULL, 0, 0, "", "");
    round_trip(model, "raw");
    static const spec empty[] = { { "a", "BF16", 0, 5, 0 } };
    write_model(model, empty, 1, 0, "", "     ");
    round_trip(model, "raw");
}

/* A model that no reader gives: bytes between the tensors, before and after, odd places, block formats. */
static void bytes_outside_tensors_come_back(void **state)
{
    (void)state;
    enum { SIZE = 1100000 };
    static const struct {
        const char *name, *dtype;
        uint64_t elements, offset, size;
    } parts[] = {
        { "a", "BF16", 1000, 300001, 2000 }, { "b", "Q4_K", 1024, 302001, 576 }, /* a block format: opaque */
        { "c", "F4", 3, 302600, 2 }, /* does not fill its bytes: opaque too */
        { "d", "F32", 100, 302603, 400 },    { "e", "BF16", 100001, 303003, 200002 },
    };
    char path[300];
    static uint8_t data[SIZE];
    static uint64_t shape[5];
    ent_random r;
    ent_weights *model = ent_calloc(1, sizeof *model);
    snprintf(path, sizeof path, "%s", scratch_path("gaps.bin"));
    ent_random_seed(&r, 8, 0);
    for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(ent_random_bits(&r) & ent_random_bits(&r));
    write_file(path, data, SIZE);
    assert_done(ent_model_map(model, path, &failure));
    for (size_t i = 0; i < 5; i++) {
        shape[i] = parts[i].elements;
        ent_tensor *t = ent_model_add(model);
        *t = (ent_tensor){ .name = parts[i].name,
                           .role = "other",
                           .dtype = parts[i].dtype,
                           .rank = 1,
                           .shape = &shape[i],
                           .elements = shape[i],
                           .offset = parts[i].offset,
                           .bytes = { model->file[0].bytes.data + parts[i].offset, parts[i].size } };
    }
    assert_done(ent_model_finish(model, &failure));
    for (size_t i = 0; i < TEXTS; i++) {
        ent_codec *codec;
        if (!is_built(texts[i])) continue;
        assert_done(ent_codec_parse(&codec, texts[i], &failure));
        assert_done(ent_container_write(scratch_path("gaps.ent"), model, codec, NULL, NULL, NULL, &failure));
        ent_codec_free(codec);
        ent_container *container = open_container(scratch_path("gaps.ent"));
        assert_done(ent_container_extract(container, scratch_path("gaps.back"), NULL, &failure));
        assert_done(ent_container_verify(container, model, NULL, NULL, NULL, &failure));
        ent_container_close(container);
        assert_same_file(path, scratch_path("gaps.back"));
    }
    ent_weights_close(model);
}

/* More than are worked on at once, of no, one and several blocks: the memory of each is used again. */
static void many_small_tensors_come_back(void **state)
{
    (void)state;
    enum { TENSORS = 300 };
    static spec specs[TENSORS];
    static char name[TENSORS][8];
    for (size_t i = 0; i < TENSORS; i++) {
        snprintf(name[i], sizeof name[i], "t%03zu", i);
        specs[i] = (spec){ name[i], i % 3 ? "BF16" : "F32", i * i % 7 * 50, 1 + i % 2, (int)(i % 4) };
    }
    const char *model = scratch_path("many.safetensors"), *path = scratch_path("many.ent");
    write_model(model, specs, TENSORS, 5, "", "");
    round_trip(model, "huffman block=64");
    assert_done(compress_model(model, "huffman block=64", path, 1, NULL));
    ent_container *container = open_container(path);
    for (unsigned threads = 1; threads < 4; threads++) {
        const ent_run run = { .threads = threads };
        assert_done(ent_container_extract(container, scratch_path("many.back"), &run, &failure));
        assert_same_file(model, scratch_path("many.back"));
    }
    ent_container_close(container);
}

static void shards_come_back_into_a_folder(void **state)
{
    (void)state;
    static const spec first[] = { { "a", "BF16", 100, 10, 2 }, { "b", "F16", 10, 10, 1 } },
                      second[] = { { "c", "F32", 55, 5, 1 } };
    static const char index[] =
        "{\"metadata\": {\"total_size\": 3300}, \"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\","
        "\"b\": \"model-00001-of-00002.safetensors\", \"c\": \"model-00002-of-00002.safetensors\"}}\n";
    static const char *const names[] = { "model.safetensors.index.json", "model-00001-of-00002.safetensors",
                                         "model-00002-of-00002.safetensors" };
    char folder[300], back[300], a[600], b[600];
    snprintf(folder, sizeof folder, "%s", scratch_path("sharded"));
    snprintf(back, sizeof back, "%s", scratch_path("sharded.back"));
    mkdir(folder, 0777);
    snprintf(a, sizeof a, "%s/%s", folder, names[0]);
    write_file(a, index, sizeof index - 1);
    snprintf(a, sizeof a, "%s/%s", folder, names[1]);
    write_model(a, first, 2, 3, "", "  ");
    snprintf(a, sizeof a, "%s/%s", folder, names[2]);
    write_model(a, second, 1, 4, "", "");
    assert_done(compress_model(folder, "raw block=64", scratch_path("s.ent"), 2, NULL));
    ent_container *container = open_container(scratch_path("s.ent"));
    assert_int_equal(ent_container_files(container), 3);
    for (int again = 0; again < 2; again++) { /* the second time over what is there */
        assert_done(ent_container_extract(container, back, NULL, &failure));
        for (int i = 0; i < 3; i++) {
            assert_string_equal(ent_container_file_name(container, (size_t)i), names[i]);
            snprintf(a, sizeof a, "%s/%s", folder, names[i]);
            snprintf(b, sizeof b, "%s/%s", back, names[i]);
            assert_same_file(a, b);
        }
        assert_int_equal(count_files(back, "model"), 3);
    }
    ent_container_close(container);
    findings f;
    assert_done(verify(scratch_path("s.ent"), folder, &f));
}

static void threads_do_not_change_the_bytes(void **state)
{
    (void)state;
    const char *model = mixed_model();
    for (size_t i = 0; i < TEXTS; i++) {
        if (!is_built(texts[i])) continue;
        assert_done(compress_model(model, texts[i], scratch_path("one.ent"), 1, NULL));
        assert_done(compress_model(model, texts[i], scratch_path("two.ent"), 2, NULL));
        assert_same_file(scratch_path("one.ent"), scratch_path("two.ent"));
    }
}

static void no_times_are_stored(void **state)
{
    (void)state;
    static const char *const names[] = { "/", "/tensors", "/files", "/tensors/0", "/index", "/shapes", "/tables", "/files/0" };
    const char *path = scratch_path("times.ent");
    assert_done(compress_model(mixed_model(), "huffman", path, 1, NULL));
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        H5O_info_t info;
        assert_true(H5Oget_info_by_name2(file, names[i], &info, H5O_INFO_TIME, H5P_DEFAULT) >= 0);
        assert_true(info.atime == 0 && info.mtime == 0 && info.ctime == 0 && info.btime == 0);
    }
    H5Fclose(file);
}

/* The list of shapes as other programs see it: through HDF5 alone, into types of our own. */
static void shapes_are_listed(void **state)
{
    (void)state;
    enum { AXES = 40, NAME = 300 };
    struct row {
        char name[NAME], dtype[32];
        uint32_t rank;
        uint64_t shape[32];
    } rows[4];
    const char *model = scratch_path("shapes.safetensors"), *path = scratch_path("shapes.ent");
    char header[2000], longest[NAME] = "", axes[3 * AXES] = "";
    for (int i = 0; i < 254; i++) strcat(longest, "x");
    strcat(longest, "\xc3\xa9y"); /* the cut would be between the bytes of a letter */
    for (int i = 0; i < AXES; i++) strcat(axes, i ? ",1" : "2");
    snprintf(header, sizeof header,
             "{\"a\":{\"dtype\":\"BF16\",\"shape\":[3,4],\"data_offsets\":[0,24]},\"%s\":{\"dtype\":\"F8_E4M3FNUZ\",\"shape\":[%s],"
             "\"data_offsets\":[24,26]},\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[26,30]},\"tied\":{\"dtype\":\"BF16\","
             "\"shape\":[12],\"data_offsets\":[30,54]}}", longest, axes);
    static uint8_t file[3000];
    ent_store64(file, strlen(header));
    memcpy(file + 8, header, strlen(header));
    for (size_t i = 0; i < 24; i++) file[8 + strlen(header) + i] = file[8 + strlen(header) + 30 + i] = (uint8_t)i;
    write_file(model, file, 8 + strlen(header) + 54);
    assert_done(compress_model(model, "huffman", path, 1, NULL));

    hid_t h5 = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(h5, "/shapes", H5P_DEFAULT), space = H5Dget_space(set);
    hid_t name = H5Tcopy(H5T_C_S1), dtype = H5Tcopy(H5T_C_S1), shape = H5Tarray_create2(H5T_NATIVE_UINT64, 1, (hsize_t[]){ 32 });
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof *rows);
    H5Tset_size(name, NAME), H5Tset_size(dtype, 32), H5Tset_cset(name, H5T_CSET_UTF8), H5Tset_cset(dtype, H5T_CSET_UTF8);
    H5Tinsert(type, "name", offsetof(struct row, name), name), H5Tinsert(type, "dtype", offsetof(struct row, dtype), dtype);
    H5Tinsert(type, "rank", offsetof(struct row, rank), H5T_NATIVE_UINT32), H5Tinsert(type, "shape", offsetof(struct row, shape), shape);
    assert_int_equal(H5Sget_simple_extent_npoints(space), 4);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    H5Tclose(name), H5Tclose(dtype), H5Tclose(shape), H5Tclose(type), H5Sclose(space), H5Dclose(set), H5Fclose(h5);

    longest[254] = '\0';
    const char *const names[] = { "a", longest, "scalar", "tied" }, *const dtypes[] = { "BF16", "F8_E4M3FNUZ", "F32", "BF16" };
    const uint32_t ranks[] = { 2, AXES, 0, 1 };
    for (int i = 0; i < 4; i++) {
        assert_string_equal(rows[i].name, names[i]);
        assert_string_equal(rows[i].dtype, dtypes[i]);
        assert_int_equal(rows[i].rank, ranks[i]);
    }
    assert_true(rows[0].shape[0] == 3 && rows[0].shape[1] == 4 && rows[0].shape[2] == 0 && rows[1].shape[0] == 2 &&
                rows[1].shape[31] == 1 && rows[2].shape[0] == 0 && rows[3].shape[0] == 12);

    findings f;
    assert_done(verify(path, model, &f));
    edit_index(path, "\"shape\":[3,4]", "\"shape\":[4,3]"); /* now the two do not agree */
    assert_status(verify(path, model, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    assert_non_null(strstr(f.text[0], "/shapes: names, dtypes or shapes that are not those of the index"));
}

/* Exponents 100 .. 103 in equal parts in one tensor, one value in the other: 2 and 0 bits and 8 raw
 * ones; 1.75 + .8113 ... over both together: 3/8 of 100, 1/8 each of three others, and 1/4 more of 100. */
static void bounds_follow_the_scope(void **state)
{
    (void)state;
    static uint8_t file[200 + 4 * 4096];
    static const char header[] = "{\"a\":{\"dtype\":\"BF16\",\"shape\":[4096],\"data_offsets\":[0,8192]},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[4096],\"data_offsets\":[8192,16384]}}";
    const char *model = scratch_path("bound.safetensors");
    ent_store64(file, sizeof header - 1);
    memcpy(file + 8, header, sizeof header - 1);
    for (unsigned i = 0; i < 8192; i++)
        ent_store16(file + 8 + sizeof header - 1 + 2 * i, (uint16_t)((100 + (i < 4096 ? i % 4 : 0)) << 7 | (i & 127)));
    write_file(model, file, 8 + sizeof header - 1 + 16384);
    static const struct {
        const char *scope;
        double bits;
    } cases[] = {
        { "tensor", 9 }, { "block block=1k", 9 }, { "model", 8 + 1.5487949406953985 }, /* 5/8, 1/8, 1/8, 1/8 */
    };
    for (int i = 0; i < 3; i++) {
        ent_container_sizes sizes;
        char text[64];
        snprintf(text, sizeof text, "huffman scope=%s", cases[i].scope);
        assert_done(compress_model(model, text, scratch_path("b.ent"), 2, &sizes));
        assert_close(sizes.bound_bits, cases[i].bits, 1e-9);
        assert_int_equal(sizes.weights, 8192);
        assert_int_equal(sizes.weight_bytes, 16384);
    }
}

typedef struct seen {
    uint64_t last, total;
    size_t calls, wrong;
} seen;

static void watch(void *context, uint64_t done, uint64_t total)
{
    seen *s = context; /* in any thread, where a failed assertion has nowhere to go */
    *s = (seen){ done, total, s->calls + 1, s->wrong + (done < s->last || done > total) };
}

static void progress_reaches_the_end(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("progress.ent");
    seen s = { 0 };
    const ent_run run = { .threads = 2, .progress = watch, .context = &s };
    ent_weights *weights = open_model(model);
    ent_codec *codec;
    assert_ok(ent_codec_parse(&codec, "raw block=64", NULL));
    assert_done(ent_container_write(path, weights, codec, NULL, &run, NULL, &failure));
    assert_true(!s.wrong && s.calls > 3 && s.last == s.total && s.total == ent_weights_file_at(weights, 0)->bytes.size);
    s = (seen){ 0 };
    ent_container *container = open_container(path);
    assert_done(ent_container_extract(container, scratch_path("progress.back"), &run, &failure));
    assert_true(!s.wrong && s.calls > 3 && s.last == s.total && s.total == ent_weights_file_at(weights, 0)->bytes.size);
    ent_container_close(container);
    ent_codec_free(codec);
    ent_weights_close(weights);
}

/* ---- real weights ---------------------------------------------------------------------------------------------- */

static void real_models_come_back(void **state)
{
    (void)state;
    if (!shared_datasets()) skip();
    static const char *const some[] = { "raw",   "huffman scope=role", "tiered", "planar-rans scope=model",
                                        "zipnn", "zstd-planes" };
    DIR *all = opendir(shared_datasets());
    size_t files = 0;
    for (struct dirent *e; (e = readdir(all));) {
        char folder[600];
        if (snprintf(folder, sizeof folder, "%s/%s", shared_datasets(), e->d_name) >= (int)sizeof folder ||
            e->d_name[0] == '.')
            continue;
        DIR *one = opendir(folder);
        for (struct dirent *m; one && (m = readdir(one));) {
            char model[900];
            if (!strstr(m->d_name, ".safetensors")) continue;
            snprintf(model, sizeof model, "%s/%s", folder, m->d_name);
            const char *text = some[files++ % (sizeof some / sizeof *some)];
            round_trip(model, is_built(text) ? text : "raw");
        }
        if (one) closedir(one);
    }
    closedir(all);
    assert_true(files > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_comes_back),
        cmocka_unit_test(packed_dtypes_come_back),
        cmocka_unit_test(a_model_of_nothing_comes_back),
        cmocka_unit_test(bytes_outside_tensors_come_back),
        cmocka_unit_test(many_small_tensors_come_back),
        cmocka_unit_test(shards_come_back_into_a_folder),
        cmocka_unit_test(threads_do_not_change_the_bytes),
        cmocka_unit_test(no_times_are_stored),
        cmocka_unit_test(shapes_are_listed),
        cmocka_unit_test(bounds_follow_the_scope),
        cmocka_unit_test(progress_reaches_the_end),
        cmocka_unit_test(real_models_come_back),
    };
    return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
