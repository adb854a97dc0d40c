/* test_oracle_container.c - containers that the library writes, read by the oracle of the container's layout, which calls
 * those of the block and of the coders: each gives the identical files, and damage is refused. */
#include <hdf5.h>
#include <sys/stat.h>

#include "containers.h"
#include "oracle/oracle.h"
#include "weights_files.h"

static char where[300];

static void expect_files(const char *container, const oracle_files *base, const char *const paths[], size_t n)
{
    oracle_files files;
    if (oracle_container(container, base, &files)) fail_msg("refused: %s", where);
    assert_int_equal(files.n, n);
    for (size_t i = 0; i < n; i++) {
        size_t size;
        uint8_t *expected = read_file(paths[i], &size);
        const char *name = strrchr(paths[i], '/') + 1;
        assert_string_equal(files.file[i].name, name);
        if (files.file[i].size != size || memcmp(files.file[i].bytes, expected, size)) fail_msg("%s differs: %s", name, where);
        free(expected);
    }
    oracle_files_free(&files);
}

/* Whether every coder that a codec's text names has an oracle. */
static bool has_oracles(const char *text) { return is_built(text) && !strstr(text, "zstd") && !strstr(text, "lz4"); }

static const spec few[] = {
    { "model.layers.0.self_attn.q_proj.weight", "BF16", 30, 41, 2 }, { "model.layers.1.self_attn.q_proj.weight", "BF16", 20, 41, 2 },
    { "f16", "F16", 17, 20, 1 }, { "f32", "F32", 33, 3, 1 }, { "f64", "F64", 11, 7, 1 }, { "i8", "I8", 201, 1, 2 },
    { "fp8", "F8_E4M3", 64, 9, 1 }, { "fp4", "F4", 9, 34, 1 }, { "fp6", "F6_E2M3", 8, 20, 1 }, { "mask", "BOOL", 5, 5, 1 },
    { "i32", "I32", 19, 3, 1 }, { "i64", "I64", 3, 3, 1 }, { "empty", "BF16", 0, 8, 0 }, { "zeros", "BF16", 9, 9, 90 },
    { "tied", "BF16", 9, 9, 90 }, /* the bytes of the one before: all zero */
};
enum { FEW = sizeof few / sizeof *few };

static const char *few_model(const char *name, uint64_t seed)
{
    const char *path = scratch_path(name);
    write_model(path, few, FEW, seed, " \n ", "   \t");
    return path;
}

static void every_codec_and_scope(void **state)
{
    (void)state;
    static const char *const scopes[] = { "tensor", "role", "model", "block" };
    char model[300], container[300], line[1000];
    snprintf(model, sizeof model, "%s", few_model("few.safetensors", 5));
    snprintf(container, sizeof container, "%s", scratch_path("few.h5"));
    const char *const paths[] = { model };
    for (size_t i = 0; ent_codecs[i].name; i++) {
        if (!has_oracles(ent_codecs[i].name)) continue;
        snprintf(line, sizeof line, "%s scope=%s block=%d", ent_codecs[i].name, scopes[i % 4], i % 3 ? 512 : 1024);
        snprintf(where, sizeof where, "%.280s", line);
        assert_done(compress_model(model, line, container, 2, NULL));
        expect_files(container, NULL, paths, 1);
    }
}

static void several_files(void **state)
{
    (void)state;
    static const char index[] = "{\"metadata\": {\"total_size\": 2600}, \"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\","
                                "\"b\": \"model-00002-of-00002.safetensors\"}}\n";
    static const spec first[] = { { "a", "BF16", 100, 10, 2 } }, second[] = { { "b", "F32", 30, 5, 1 } };
    char folder[300], path[3][600];
    const char *const paths[] = { path[0], path[1], path[2] };
    snprintf(folder, sizeof folder, "%s", scratch_path("sharded"));
    mkdir(folder, 0777);
    snprintf(path[0], sizeof path[0], "%s/model.safetensors.index.json", folder);
    write_file(path[0], index, sizeof index - 1);
    snprintf(path[1], sizeof path[1], "%s/model-00001-of-00002.safetensors", folder);
    write_model(path[1], first, 1, 3, "", "  ");
    snprintf(path[2], sizeof path[2], "%s/model-00002-of-00002.safetensors", folder);
    write_model(path[2], second, 1, 4, "", "");
    snprintf(where, sizeof where, "sharded");
    assert_done(compress_model(folder, "huffman block=128", scratch_path("sharded.h5"), 2, NULL));
    expect_files(scratch_path("sharded.h5"), NULL, paths, 3);
}

static void write_assigned(const char *path, const char *model, const char *text, ent_assignment a)
{
    ent_weights *weights = open_model(model);
    ent_codec *codec;
    assert_ok(ent_codec_parse(&codec, text, NULL));
    a.codecs = 1;
    a.codec = (const ent_codec *const[]){ codec };
    assert_done(ent_container_write_assigned(path, weights, &a, NULL, NULL, &failure));
    ent_codec_free(codec);
    ent_weights_close(weights);
}

/* The oracle knows the base's file by its bytes alone. */
static void told_by_a_base(void **state)
{
    (void)state;
    char base[300], model[300], container[300];
    snprintf(base, sizeof base, "%s", few_model("base.safetensors", 5));
    snprintf(model, sizeof model, "%s", few_model("told.safetensors", 6));
    snprintf(container, sizeof container, "%s", scratch_path("told.h5"));
    const char *const paths[] = { model };
    ent_weights *weights = open_model(base);
    oracle_files files = { .n = 1 };
    files.file[0].bytes = read_file(base, &files.file[0].size);
    for (ent_delta way = ENT_DELTA_XOR; way < ENT_DELTAS; way++) {
        ent_delta delta[FEW] = { ENT_DELTA_NONE };
        for (size_t i = 0; i < FEW; i++) {
            const ent_tensor *t = ent_weights_tensor(weights, i);
            const ent_format *f = ent_format_find(t->dtype);
            if (i % 3 < 2 && f && !ent_format_packed(f) && t->elements) delta[i] = way;
        }
        snprintf(where, sizeof where, "told by %s", ent_delta_names[way]);
        write_assigned(container, model, ENT_DELTA_CODEC " block=512", (ent_assignment){ .base = weights, .delta = delta });
        expect_files(container, &files, paths, 1);
    }
    ent_weights_close(weights);
    free(files.file[0].bytes);
}

static void readable_by_others(void **state)
{
    (void)state;
    char model[300], container[300];
    snprintf(model, sizeof model, "%s", few_model("readable.safetensors", 7));
    snprintf(container, sizeof container, "%s", scratch_path("readable.h5"));
    const char *const paths[] = { model };
    snprintf(where, sizeof where, "readable");
    write_assigned(container, model, "exponent=rans rest=raw | word=huffman scope=block block=512", (ent_assignment){ .readable = true });
    expect_files(container, NULL, paths, 1);
}

/* A GGUF file of one tensor of Q4_0, 300 rows of 64 weights: 600 records of 18 bytes. */
static void records_of_gguf(void **state)
{
    (void)state;
    static maker m;
    ent_random random;
    char container[300];
    snprintf(container, sizeof container, "%s", scratch_path("records.h5"));
    ent_random_seed(&random, 9, 0);
    put_bytes(&m, "GGUF", 4);
    put(&m, 3, 4); /* version, tensors, settings */
    put(&m, 1, 8);
    put(&m, 0, 8);
    put(&m, 1, 8); /* name, axes, type, offset */
    put_bytes(&m, "w", 1);
    put(&m, 2, 4);
    put(&m, 64, 8);
    put(&m, 300, 8);
    put(&m, 2, 4);
    put(&m, 0, 8);
    pad(&m, 32);
    for (int i = 0; i < 600 * 18; i++) put(&m, ent_random_bits(&random) & ent_random_bits(&random) & 255, 1);
    const char *const paths[] = { save(&m, "records.gguf") };
    static const char *const lines[] = { "huffman block=1k", "rans scope=block block=2k", "raw" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(where, sizeof where, "%s", lines[i]);
        assert_done(compress_model(paths[0], lines[i], container, 2, NULL));
        expect_files(container, NULL, paths, 1);
    }
}

/* A bit of a block or of the index that is flipped: never other files. */
static void damage_is_refused(void **state)
{
    (void)state;
    char model[300], container[300];
    size_t size, refused = 0, tried = 0;
    oracle_files files;
    snprintf(model, sizeof model, "%s", few_model("damaged.safetensors", 8));
    snprintf(container, sizeof container, "%s", scratch_path("damaged.h5"));
    assert_done(compress_model(model, "huffman block=512", container, 2, NULL));
    uint8_t *bytes = read_file(container, &size), *expected = read_file(model, &(size_t){ 0 });
    for (size_t at = size / 5; at < size; at += size / 60, tried++) {
        bytes[at] ^= 4;
        write_file(container, bytes, size);
        H5E_BEGIN_TRY { refused += (size_t)oracle_container(container, NULL, &files); } H5E_END_TRY;
        if (files.n) assert_memory_equal(files.file[0].bytes, expected, files.file[0].size);
        oracle_files_free(&files);
        bytes[at] ^= 4;
    }
    assert_true(refused > tried / 2);
    free(bytes);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_and_scope), cmocka_unit_test(several_files), cmocka_unit_test(told_by_a_base),
        cmocka_unit_test(readable_by_others),    cmocka_unit_test(records_of_gguf), cmocka_unit_test(damage_is_refused),
    };
    return cmocka_run_group_tests_name("oracle_container", tests, NULL, NULL);
}
