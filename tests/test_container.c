/* test_container.c - models through containers and back; damage, lies, full disks, corpora. */
#include <dirent.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "test.h"
#include "weights/reader.h"

/* Nothing here has to outlive a crash of the machine, and waiting for the disk is most of the time. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* HDF5 1.10 loses the memory of objects whose metadata is damaged. */
ENT_API const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

/* ---- models made here --------------------------------------------------------------------------------- */

typedef struct spec { /* a tensor of a model */
    const char *name, *dtype;
    size_t rows, columns;
    int skew;
} spec;

static size_t spec_bytes(const spec *s)
{
    const ent_format *f = ent_format_find(s->dtype);
    size_t bits = f ? f->bits : !strcmp(s->dtype, "BOOL") ? 8 : strchr(s->dtype, '6') ? 64 : 32;
    return s->rows * s->columns * bits / 8;
}

/* A safetensors file; `prefix` and `suffix` are white space around the header's JSON. */
static void write_model(const char *path, const spec *specs, size_t n, uint64_t seed, const char *prefix,
                        const char *suffix)
{
    static uint8_t data[1 << 22];
    char *header = (char *)data + 8;
    size_t at = 0, used = (size_t)sprintf(header, "%s{", prefix);
    for (size_t i = 0; i < n; i++) {
        size_t size = spec_bytes(&specs[i]);
        used += (size_t)sprintf(
            header + used, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
            specs[i].name, specs[i].dtype, specs[i].rows, specs[i].columns, at, at + size);
        at += size;
    }
    used += (size_t)sprintf(header + used, "}%s", suffix);
    ent_store64(data, used);
    assert_true(8 + used + at <= sizeof data);
    uint8_t *to = data + 8 + used;
    ent_random r;
    ent_random_seed(&r, seed, 0);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < spec_bytes(&specs[i]); k++) {
            uint64_t byte = ent_random_bits(&r);
            for (int s = 0; s < specs[i].skew; s++) byte &= ent_random_bits(&r);
            *to++ = (uint8_t)byte;
        }
    write_file(path, data, 8 + used + at);
}

static const spec mixed[] = {
    { "model.embed_tokens.weight", "BF16", 300, 20, 2 },
    { "model.layers.0.self_attn.q_proj.weight", "F16", 100, 21, 1 },
    { "model.layers.0.self_attn.k_proj.weight", "BF16", 90, 11, 2 },
    { "empty", "BF16", 0, 8, 0 },
    { "model.layers.0.mlp.up_proj.weight", "F32", 333, 3, 1 },
    { "f64", "F64", 41, 7, 1 },
    { "i8", "I8", 1001, 1, 2 },
    { "u8", "U8", 1, 77, 3 },
    { "i32", "I32", 19, 3, 1 },
    { "i64", "I64", 3, 3, 1 },
    { "mask", "BOOL", 5, 5, 1 },
    { "fp8", "F8_E4M3", 64, 9, 1 },
    { "fp8b", "F8_E5M2", 63, 9, 1 },
    { "scales", "F8_E8M0", 63, 1, 3 },
    { "odd", "BF16", 1, 1, 0 },
    { "u16", "U16", 1, 99, 2 },
    { "empty2", "I8", 9, 0, 0 },
};
enum { MIXED = sizeof mixed / sizeof *mixed };

static const char *mixed_model(void)
{
    static char path[300]; /* longer in use than scratch_path promises */
    snprintf(path, sizeof path, "%s", scratch_path("mixed.safetensors"));
    write_model(path, mixed, MIXED, 1, " \n ", "   \t");
    return path;
}

/* ---- helpers --------------------------------------------------------------------------------------------- */

static ent_error error;

#define assert_done(expression)                                                                                        \
    do {                                                                                                               \
        if (expression) fail_msg("%s: %s", #expression, error.text);                                                   \
    } while (0)

static ent_weights *open_model(const char *path)
{
    ent_weights *weights;
    assert_done(ent_weights_open(&weights, path, &error));
    return weights;
}

static ent_status compress(const char *model, const char *text, const char *path, unsigned threads,
                           ent_container_sizes *sizes)
{
    ent_weights *weights = open_model(model);
    ent_codec *codec;
    const ent_run run = { .threads = threads };
    ent_status status = ent_codec_parse(&codec, text, &error);
    if (!status) status = ent_container_write(path, weights, codec, NULL, &run, sizes, &error);
    ent_codec_free(codec);
    ent_weights_close(weights);
    return status;
}

static ent_container *open_container(const char *path)
{
    ent_container *container;
    assert_done(ent_container_open(&container, path, &error));
    return container;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t na, nb;
    uint8_t *da = read_file(a, &na), *db = read_file(b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(da, db, na);
    free(da);
    free(db);
}

typedef struct findings {
    size_t n;
    char text[8][1000];
} findings;

static void take_finding(void *context, const char *text)
{
    findings *f = context;
    if (f->n < 8) strcpy(f->text[f->n], text);
    f->n++;
}

static ent_status verify(const char *path, const char *model, findings *f)
{
    ent_container *container = open_container(path);
    ent_weights *weights = model ? open_model(model) : NULL;
    const ent_run run = { .threads = 2 };
    f->n = 0;
    ent_status status = ent_container_verify(container, weights, &run, take_finding, f, &error);
    ent_weights_close(weights);
    ent_container_close(container);
    return status;
}

static bool is_there(const char *path) { return !access(path, F_OK); }

/* Files in the folder whose names begin with `prefix`. */
static size_t count_files(const char *folder, const char *prefix)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += !strncmp(e->d_name, prefix, strlen(prefix));
    closedir(d);
    return n;
}

/* The coders of this build, as codecs that use blocks of all lengths. */
static const char *const texts[] = {
    "raw block=1k",
    "huffman block=1k",
    "rans scope=role block=64",
    "tiered scope=model",
    "planar-rans block=512",
    "zipnn block=1k",
    "huff-llm scope=block block=2k",
    "rans-word",
    "zstd block=256",
    "lz4-planes block=1k",
    "tans block=1k",
    "arithmetic-adaptive block=1k",
    "arithmetic scope=model block=1k",
    "dfloat11 block=1k",
    "rans-top2 block=1k scope=block",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static bool is_built(const char *text)
{
    ent_codec *codec;
    ent_status status = ent_codec_parse(&codec, text, &error);
    ent_codec_free(codec);
    if (status && status != ENT_EUNSUPPORTED) fail_msg("%s", error.text);
    return !status;
}

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
            assert_done(ent_container_read(container, i, out.data + shift, NULL, &error));
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
    if (compress(model, text, path, 2, &sizes)) fail_msg("%s: %s", text, error.text);
    ent_container *container = open_container(path);
    assert_done(ent_container_extract(container, back, NULL, &error));
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
    assert_done(compress(model, texts[0], scratch_path("t.ent"), 2, NULL));
    check_tensors(scratch_path("t.ent"), model);
    assert_done(compress(model, "huffman block=1k", scratch_path("t.ent"), 2, NULL));
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
    assert_done(compress(model, "raw block=64", scratch_path("p.ent"), 2, NULL));
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
    assert_done(ent_model_map(model, path, &error));
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
    assert_done(ent_model_finish(model, &error));
    for (size_t i = 0; i < TEXTS; i++) {
        ent_codec *codec;
        if (!is_built(texts[i])) continue;
        assert_done(ent_codec_parse(&codec, texts[i], &error));
        assert_done(ent_container_write(scratch_path("gaps.ent"), model, codec, NULL, NULL, NULL, &error));
        ent_codec_free(codec);
        ent_container *container = open_container(scratch_path("gaps.ent"));
        assert_done(ent_container_extract(container, scratch_path("gaps.back"), NULL, &error));
        assert_done(ent_container_verify(container, model, NULL, NULL, NULL, &error));
        ent_container_close(container);
        assert_same_file(path, scratch_path("gaps.back"));
    }
    ent_weights_close(model);
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
    assert_done(compress(folder, "raw block=64", scratch_path("s.ent"), 2, NULL));
    ent_container *container = open_container(scratch_path("s.ent"));
    assert_int_equal(ent_container_files(container), 3);
    for (int again = 0; again < 2; again++) { /* the second time over what is there */
        assert_done(ent_container_extract(container, back, NULL, &error));
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
        assert_done(compress(model, texts[i], scratch_path("one.ent"), 1, NULL));
        assert_done(compress(model, texts[i], scratch_path("two.ent"), 2, NULL));
        assert_same_file(scratch_path("one.ent"), scratch_path("two.ent"));
    }
}

static void no_times_are_stored(void **state)
{
    (void)state;
    static const char *const names[] = { "/", "/tensors", "/files", "/tensors/0", "/index", "/tables", "/files/0" };
    const char *path = scratch_path("times.ent");
    assert_done(compress(mixed_model(), "huffman", path, 1, NULL));
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        H5O_info_t info;
        assert_true(H5Oget_info_by_name2(file, names[i], &info, H5O_INFO_TIME, H5P_DEFAULT) >= 0);
        assert_true(info.atime == 0 && info.mtime == 0 && info.ctime == 0 && info.btime == 0);
    }
    H5Fclose(file);
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
        assert_done(compress(model, text, scratch_path("b.ent"), 2, &sizes));
        assert_close(sizes.bound_bits, cases[i].bits, 1e-9);
        assert_int_equal(sizes.weights, 8192);
        assert_int_equal(sizes.weight_bytes, 16384);
    }
}

typedef struct seen {
    uint64_t last, total;
    size_t calls;
} seen;

static void watch(void *context, uint64_t done, uint64_t total)
{
    seen *s = context;
    assert_true(done >= s->last && done <= total);
    *s = (seen){ done, total, s->calls + 1 };
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
    assert_done(ent_container_write(path, weights, codec, NULL, &run, NULL, &error));
    assert_true(s.calls > 3 && s.last == s.total && s.total == ent_weights_file_at(weights, 0)->bytes.size);
    s = (seen){ 0 };
    ent_container *container = open_container(path);
    assert_done(ent_container_extract(container, scratch_path("progress.back"), &run, &error));
    assert_true(s.calls > 3 && s.last == s.total && s.total == ent_weights_file_at(weights, 0)->bytes.size);
    ent_container_close(container);
    ent_codec_free(codec);
    ent_weights_close(weights);
}

/* ---- damage -------------------------------------------------------------------------------------------------- */

/* A byte in the middle of block `k` of tensor `i`. */
static size_t place_in_block(const char *path, size_t i, hsize_t first_word)
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
    return (size_t)(address + size / 2);
}

/* Of a contiguous dataset. */
static size_t place_of(const char *path, const char *name)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT);
    haddr_t address = H5Dget_offset(set);
    assert_true(address != HADDR_UNDEF);
    H5Dclose(set);
    H5Fclose(file);
    return (size_t)address;
}

static void damage(const char *path, size_t at, uint8_t flip)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    assert_true(at < size);
    data[at] ^= flip;
    write_file(path, data, size);
    free(data);
}

static void a_damaged_block_is_named(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("damaged.ent"), *back = scratch_path("damaged.back");
    findings f;
    char at[40];
    assert_done(compress(model, "raw block=1k", path, 2, NULL));
    size_t place = place_in_block(path, 0, 2048);
    damage(path, place, 1);
    assert_status(verify(path, model, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    snprintf(at, sizeof at, "at byte %zu", place - (2 * 1024 + 4) / 2);
    if (!strstr(f.text[0], "\"model.embed_tokens.weight\", block 2") || !strstr(f.text[0], at))
        fail_msg("%s (expected %s)", f.text[0], at);
    ent_container *container = open_container(path);
    ent_weights *weights = open_model(model);
    uint8_t *out = malloc(1 << 20);
    for (size_t i = 0; i < ent_container_tensors(container); i++) {
        ent_status status = ent_container_read(container, i, out, NULL, &error);
        assert_status(status, i ? ENT_OK : ENT_ECORRUPT);
        if (i)
            assert_memory_equal(out, ent_weights_tensor(weights, i)->bytes.data,
                                ent_weights_tensor(weights, i)->bytes.size);
    }
    assert_status(ent_container_extract(container, back, NULL, &error), ENT_ECORRUPT);
    assert_non_null(strstr(error.text, "block 2"));
    assert_int_equal(count_files(scratch(), "damaged.back"), 0); /* neither the file nor a part of it */
    write_file(back, "old", 3);
    assert_status(ent_container_extract(container, back, NULL, &error), ENT_ECORRUPT);
    assert_int_equal(count_files(scratch(), "damaged.back"), 1); /* the older file stays */
    free(out);
    ent_weights_close(weights);
    ent_container_close(container);
}

/* Of several damaged blocks the first is named, whichever thread is quicker. */
static void the_first_damaged_block_is_named(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("two-damaged.ent");
    const ent_run run = { .threads = 2 };
    uint8_t *out = malloc(1 << 20);
    assert_done(compress(model, "raw block=64", path, 2, NULL));
    size_t first = place_in_block(path, 0, 3 * 64), second = place_in_block(path, 0, 4 * 64);
    damage(path, first, 1);
    damage(path, second, 1);
    for (int i = 0; i < 50; i++) {
        ent_container *container = open_container(path);
        assert_status(ent_container_read(container, 0, out, &run, &error), ENT_ECORRUPT);
        if (!strstr(error.text, "block 3,")) fail_msg("%s", error.text);
        ent_container_close(container);
    }
    free(out);
}

static void nothing_here(void *context, const char *text) { (void)context, (void)text; }

/* Whether the bytes at `path` are refused, found damaged, or give the model back; and each tensor by itself. */
static void survive(const char *path, const uint8_t *model, size_t size, const ent_weights *weights)
{
    static uint8_t tensor[1 << 12];
    ent_container *container;
    const char *back = scratch_path("survive.back");
    const ent_run one = { .threads = 1 };
    if (ent_container_open(&container, path, &error)) return;
    for (size_t i = 0; i < ent_container_tensors(container); i++)
        if (!ent_container_read(container, i, tensor, &one, &error))
            assert_memory_equal(tensor, ent_weights_tensor(weights, i)->bytes.data,
                                ent_weights_tensor(weights, i)->bytes.size);
    ent_status verified = ent_container_verify(container, NULL, &one, nothing_here, NULL, &error);
    ent_status status = ent_container_extract(container, back, &one, &error);
    assert_int_equal(!verified, !status);
    ent_container_close(container);
    if (status) return;
    size_t n;
    uint8_t *data = read_file(back, &n);
    assert_int_equal(n, size);
    assert_memory_equal(data, model, size);
    free(data);
    unlink(back);
}

static void flips_and_cuts_are_survived(void **state)
{
    (void)state;
    static const spec small[] = { { "a", "BF16", 20, 10, 2 }, { "b", "I8", 30, 3, 2 }, { "c", "F32", 3, 3, 1 } };
    const char *model = scratch_path("small.safetensors"), *path = scratch_path("small.ent"),
               *bad = scratch_path("bad.ent");
    size_t size, model_size;
    write_model(model, small, 3, 9, "", "");
    assert_done(compress(model, "huffman block=64", path, 1, NULL));
    size_t tables = place_of(path, "/tables");
    uint8_t *data = read_file(path, &size), *original = read_file(model, &model_size), *copy = malloc(size);
    ent_weights *weights = open_model(model);
    for (size_t i = 0, step; i < size; i += step) {
        step = i > tables && i < tables + 64 ? 1 : 5;
        memcpy(copy, data, size);
        copy[i] ^= (uint8_t)(1 << i % 8);
        write_file(bad, copy, size);
        survive(bad, original, model_size, weights);
    }
    ent_weights_close(weights);
    for (size_t cut = 0; cut < size; cut += 13) {
        ent_container *container;
        write_file(bad, data, cut);
        assert_int_not_equal(ent_container_open(&container, bad, &error), ENT_OK);
        assert_null(container);
    }
    free(copy);
    free(original);
    free(data);
}

/* Replaces text in /index, as a liar would. */
static void edit_index(const char *path, const char *from, const char *to)
{
    static char text[1 << 16], edited[1 << 16];
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, "/index", H5P_DEFAULT),
          space = H5Dget_space(set);
    hsize_t n = (hsize_t)H5Sget_simple_extent_npoints(space);
    assert_true(n < sizeof text);
    assert_true(H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
    text[n] = '\0';
    H5Dclose(set);
    H5Sclose(space);
    H5Ldelete(file, "/index", H5P_DEFAULT);
    char *place = strstr(text, from);
    if (!place) fail_msg("no %s in %s", from, text);
    n = (hsize_t)sprintf(edited, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from));
    space = H5Screate_simple(1, &n, NULL);
    set = H5Dcreate2(file, "/index", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, edited) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
}

static void lies_of_the_index_are_refused(void **state)
{
    (void)state;
    static const spec two[] = { { "a", "BF16", 20, 10, 2 }, { "b", "BF16", 30, 3, 2 } };
    static const char *const lies[][2] = {
        { "\"lies.safetensors\"", "\"../lies.safetensors\"" },
        { "\"lies.safetensors\"", "\"/tmp/lies\"" },
        { "\"lies.safetensors\"", "\"..\"" },
        { "\"lies.safetensors\"", "\"\"" },
        { "\"lies.safetensors\"", "7" },
        { "\"libentropy container\"", "\"something else\"" },
        { "\"version\":1", "\"version\":2" },
        { "\"version\":1", "\"version\":-1" },
        { "\"block\":64", "\"block\":0" },
        { "\"block\":64", "\"block\":65" },
        { "\"block\":64", "\"block\":9223372036854775807" },
        { "\"scope\":\"tensor\"", "\"scope\":\"world\"" },
        { "\"shape\":[20,10]", "\"shape\":[20,11]" },
        { "\"shape\":[20,10]", "\"shape\":[-20,-10]" },
        { "\"shape\":[20,10]", "\"shape\":[4611686018427387904,16]" },
        { "\"bytes\":400", "\"bytes\":401" },
        { "\"bytes\":400", "\"bytes\":9223372036854775807" },
        { "\"file\":0", "\"file\":1" },
        { "\"offset\":", "\"offset\":9" },  /* beyond the end of the file */
        { "\"offset\":5", "\"offset\":1" }, /* over the first tensor's bytes */
        { "\"recipe\":0", "\"recipe\":9" },
        { "\"tables\":[]", "\"tables\":[0]" },
        { "\"tables\":[]", "\"tables\":[[1,\"00000000\"]]" },
        { "\"text\":\"word=raw\"", "\"text\":\"word=rawr\"" },
        { "\"dtype\":\"BF16\",\"text\"", "\"dtype\":\"BF17\",\"text\"" },
        { "\"name\":\"a\"", "\"name\":[]" },
    };
    const char *model = scratch_path("lies.safetensors"), *path = scratch_path("lies.ent");
    write_model(model, two, 2, 10, "", "");
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        ent_container *container;
        assert_done(compress(model, "raw block=64", path, 1, NULL));
        edit_index(path, lies[i][0], lies[i][1]);
        ent_status status = ent_container_open(&container, path, &error);
        if (status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED)
            fail_msg("%s: %s", lies[i][1], ent_status_text(status));
        assert_null(container);
    }
    /* offsets that are in order but not those of the file: its checksum tells */
    findings f;
    assert_done(compress(model, "raw block=64", path, 1, NULL));
    edit_index(path, "\"xxh3\":\"", "\"xxh3\":\"0000000000000000\",\"x\":\"");
    assert_status(verify(path, NULL, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    assert_non_null(strstr(f.text[0], "checksum"));
    assert_status(verify(path, model, &f), ENT_ECHECK);
}

static void a_damaged_table_is_named(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("table.ent");
    findings f;
    assert_done(compress(model, "huffman scope=tensor", path, 1, NULL));
    edit_index(path, "\"tables\":[[", "\"tables\":[[0,\"00000000\"],["); /* all ids are now one off */
    ent_container *container;
    assert_done(ent_container_open(&container, path, &error));
    ent_container_close(container);
    assert_status(verify(path, NULL, &f), ENT_ECHECK);
    assert_true(f.n >= 1);
    if (!strstr(f.text[0], "model.embed_tokens.weight")) fail_msg("%s", f.text[0]);
}

static void another_model_is_told_apart(void **state)
{
    (void)state;
    const char *model = mixed_model(), *other = scratch_path("other.safetensors"), *path = scratch_path("o.ent");
    findings f;
    size_t size, first = 0;
    assert_done(compress(model, "raw block=1k", path, 2, NULL));
    uint8_t *data = read_file(model, &size);
    ent_weights *weights = open_model(model);
    first = ent_weights_tensor(weights, 0)->offset + 2 * 1024 + 7; /* block 1 */
    ent_weights_close(weights);
    data[first] ^= 1;
    write_file(other, data, size);
    assert_status(verify(path, other, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    char expected[200];
    snprintf(expected, sizeof expected, "tensor \"model.embed_tokens.weight\", block 1: differs at byte %zu", first);
    if (!strstr(f.text[0], expected)) fail_msg("%s, expected %s", f.text[0], expected);
    free(data);
    write_model(other, mixed, MIXED - 1, 1, " \n ", "   \t"); /* another size */
    assert_status(verify(path, other, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
}

/* ---- files that cannot be written ------------------------------------------------------------------------------ */

/* In a child, as the limit cannot be taken back: files of at most `limit` bytes. */
static int compress_on_small_disk(const char *model, const char *path, rlim_t limit)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit r = { limit, limit };
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &r);
        ent_weights *weights = NULL;
        ent_codec *codec = NULL;
        const ent_run run = { .threads = 1 }; /* no thread pool in a forked child */
        ent_status status = ent_weights_open(&weights, model, &error);
        if (!status) status = ent_codec_parse(&codec, "raw block=1k", &error);
        if (!status) status = ent_container_write(path, weights, codec, NULL, &run, NULL, &error);
        if (status && (!strstr(error.text, "small-disk") || !strstr(error.text, "File too large"))) status = 99;

        _exit((int)status);
    }
    int result = 0;
    assert_true(child > 0 && waitpid(child, &result, 0) == child);
    if (!WIFEXITED(result))
        fail_msg("killed by signal %d at a limit of %lu bytes", WTERMSIG(result), (unsigned long)limit);
    return WEXITSTATUS(result);
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("small-disk.ent");
    struct stat st;
    assert_done(compress(model, "raw block=1k", path, 1, NULL));
    stat(path, &st);
    unlink(path);
    for (rlim_t limit = 0; limit < (rlim_t)st.st_size; limit += 997) {
        assert_int_equal(compress_on_small_disk(model, path, limit), ENT_EIO);
        assert_int_equal(count_files(scratch(), "small-disk"), 0);
    }
    assert_int_equal(compress_on_small_disk(model, path, (rlim_t)st.st_size + 4096), ENT_OK);
}

static void places_that_cannot_be_written_are_refused(void **state)
{
    (void)state;
    const char *model = mixed_model(), *folder = scratch_path("a-folder");
    mkdir(folder, 0777);
    assert_status(compress(model, "raw", scratch_path("no-such-folder/x.ent"), 1, NULL), ENT_EIO);
    assert_non_null(strstr(error.text, "no-such-folder"));
    assert_status(compress(model, "raw", folder, 1, NULL), ENT_EINVAL);
    assert_status(compress(model, "raw", "/dev/null", 1, NULL), ENT_EINVAL);
    assert_status(compress(model, "raw scope=corpus", scratch_path("x.ent"), 1, NULL), ENT_EINVAL);
    assert_false(is_there(scratch_path("x.ent")));
    ent_container *container;
    assert_status(ent_container_open(&container, scratch_path("x.ent"), &error), ENT_EIO);
    assert_status(ent_container_open(&container, model, &error), ENT_EUNSUPPORTED);
    assert_status(ent_container_open(&container, folder, &error), ENT_EUNSUPPORTED);
}

/* ---- corpora ------------------------------------------------------------------------------------------------ */

static void corpora_code_models_they_never_saw(void **state)
{
    (void)state;
    static const spec a[] = { { "a", "BF16", 400, 10, 3 }, { "n", "I8", 300, 3, 2 } },
                      b[] = { { "b", "BF16", 300, 10, 3 } },
                      c[] = { { "c", "BF16", 300, 13, 2 }, { "f", "F16", 30, 10, 1 }, { "n", "I8", 30, 3, 0 } };
    const spec *specs[] = { a, b };
    const char *file = scratch_path("corpus.h5"), *model = scratch_path("seen.safetensors"),
               *unseen = scratch_path("unseen.safetensors");
    ent_corpus *corpus, *again;
    ent_codec *codec;
    assert_ok(ent_codec_parse(&codec, "huffman block=1k", NULL));
    assert_ok(ent_corpus_new(&corpus, codec));
    ent_codec_free(codec);
    assert_int_equal(ent_codec_scope(ent_corpus_codec(corpus)), ENT_SCOPE_CORPUS);
    for (int i = 0; i < 2; i++) {
        write_model(model, specs[i], i ? 1 : 2, (uint64_t)i, "", "");
        ent_weights *weights = open_model(model);
        assert_done(ent_corpus_add(corpus, weights, NULL, &error));
        ent_weights_close(weights);
    }
    assert_done(ent_corpus_write(corpus, file, &error));
    assert_done(ent_corpus_read(&again, file, &error));
    assert_string_equal(ent_codec_text(ent_corpus_codec(again)), ent_codec_text(ent_corpus_codec(corpus)));

    write_model(unseen, c, 3, 77, "", "");
    ent_weights *weights = open_model(unseen);
    ent_corpus *both[] = { corpus, again };
    const char *const out[] = { scratch_path("corpus1.ent"), scratch_path("corpus2.ent") };
    for (int i = 0; i < 2; i++) assert_done(ent_container_write(out[i], weights, NULL, both[i], NULL, NULL, &error));
    assert_same_file(out[0], out[1]);
    ent_weights_close(weights);
    ent_corpus_free(again);
    ent_corpus_free(corpus);
    ent_container *container = open_container(out[0]); /* by itself, without the corpus */
    assert_done(ent_container_extract(container, scratch_path("unseen.back"), NULL, &error));
    assert_same_file(unseen, scratch_path("unseen.back"));
    assert_true(ent_container_tensor_at(container, 0).coded_bytes < ent_container_tensor_at(container, 0).bytes);
    ent_container_close(container);

    size_t size;
    uint8_t *data = read_file(file, &size);
    const char *bad = scratch_path("corpus.bad"), *same = scratch_path("corpus.same"),
               *good = scratch_path("corpus.good");
    write_file(good, data, size);
    for (size_t i = 0; i < size; i += 3) { /* damage is found, or hits bytes that are not used */
        data[i] ^= 0x10;
        write_file(bad, data, size);
        data[i] ^= 0x10;
        if (ent_corpus_read(&again, bad, &error)) continue;
        assert_done(ent_corpus_write(again, same, &error));
        ent_corpus_free(again);
        assert_same_file(same, good);
    }
    free(data);
}

static void lies_of_a_corpus_are_refused(void **state)
{
    (void)state;
    static const spec some[] = { { "a", "BF16", 40, 10, 3 }, { "n", "I8", 30, 3, 2 } };
    static const char *const lies[][2] = {
        { "\"libentropy tables\"", "\"libentropy container\"" },
        { "\"version\":1", "\"version\":9" },
        { "\"codec\":\"huffman", "\"codec\":\"hoffman" },
        { "\"codec\":\"huffman", "\"codec\":\"rans-word" }, /* alphabets of 65536 */
        { "\"sizes\":[", "\"sizes\":[0," },
        { "\"sizes\":[", "\"sizes\":[1," },
        { "\"sizes\":[", "\"sizes\":[9" },
        { "\"sizes\":[", "\"sizes\":[-" },
        { "\"dtype\":\"BF16\"", "\"dtype\":\"I32\"" },
        { "\"dtype\":\"BF16\"", "\"dtype\":\"I8\"" },
        { "\"counts\":[", "\"counts\":[7," },
        { "\"counts\":[", "\"counts\":3,\"x\":[" },
    };
    const char *model = scratch_path("corpus-lies.safetensors"), *file = scratch_path("corpus-lies.h5");
    ent_corpus *corpus, *again;
    ent_codec *codec;
    write_model(model, some, 2, 3, "", "");
    assert_ok(ent_codec_parse(&codec, "huffman", NULL));
    assert_ok(ent_corpus_new(&corpus, codec));
    ent_weights *weights = open_model(model);
    assert_done(ent_corpus_add(corpus, weights, NULL, &error));
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        assert_done(ent_corpus_write(corpus, file, &error));
        edit_index(file, lies[i][0], lies[i][1]);
        if (!ent_corpus_read(&again, file, &error)) fail_msg("taken: %s", lies[i][1]);
        assert_null(again);
    }
    ent_weights_close(weights);
    ent_corpus_free(corpus);
    ent_codec_free(codec);
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
        cmocka_unit_test(shards_come_back_into_a_folder),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(threads_do_not_change_the_bytes),
        cmocka_unit_test(no_times_are_stored),
        cmocka_unit_test(bounds_follow_the_scope),
        cmocka_unit_test(progress_reaches_the_end),
        cmocka_unit_test(a_damaged_block_is_named),
        cmocka_unit_test(the_first_damaged_block_is_named),
        cmocka_unit_test(flips_and_cuts_are_survived),
        cmocka_unit_test(lies_of_the_index_are_refused),
        cmocka_unit_test(a_damaged_table_is_named),
        cmocka_unit_test(another_model_is_told_apart),
        cmocka_unit_test(places_that_cannot_be_written_are_refused),
        cmocka_unit_test(corpora_code_models_they_never_saw),
        cmocka_unit_test(lies_of_a_corpus_are_refused),
        cmocka_unit_test(real_models_come_back),
    };
    return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
