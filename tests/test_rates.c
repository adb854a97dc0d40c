/* test_rates.c - what the rows of a measured target say of recipes that have none, against closed forms. */
#include "test.h"

static const char *const text =
    "name: toy\nbrief: a toy\nkind: measured\nmeasured: { command: c, date: d, cpu: p }\nrates:\n"
    "  - { codec: raw, dtype: BF16, threads: 1, gbps: 5 }\n"         /* 0.2 ns a byte */
    "  - { codec: tiered, dtype: BF16, threads: 1, gbps: 10 }\n"     /* 0.1: the least */
    "  - { codec: rans, dtype: BF16, threads: 1, gbps: 2 }\n"        /* 0.5: a symbol 0.8 beyond moving */
    "  - { codec: rans, dtype: BF16, threads: 1, gbps: 50, cache: warm }\n"
    "  - { codec: \"float: exponent=huffman(max=14) rest=raw\", dtype: BF16, threads: 1, gbps: 1 }\n" /* 1: 1.8 */
    "  - { codec: dfloat11, dtype: BF16, threads: 1, gbps: 0.5 }\n"  /* huffman(max=32): 2: 3.8 */
    "  - { codec: tiered, dtype: BF16, threads: 2, gbps: 16 }\n"     /* 0.0625 */
    "  - { codec: rans, dtype: BF16, threads: 2, gbps: 4 }\n";       /* 0.25: 0.375 */

static ent_target *toy(const char *more)
{
    char all[3000];
    const char *path = scratch_path("toy.yaml");
    ent_target *target;
    ent_error error;
    int n = snprintf(all, sizeof all, "%s%s", text, more);
    write_file(path, all, (size_t)n);
    if (ent_target_read(&target, path, &error)) fail_msg("%s", error.text);
    return target;
}

static ent_status predict(const ent_target *target, const char *codec, const char *dtype, unsigned threads,
                          ent_prediction *p, ent_error *error)
{
    ent_codec *c;
    ent_recipe recipe;
    if (ent_codec_parse(&c, codec, error) || ent_codec_bind(c, dtype, &recipe, error)) fail_msg("%s", error->text);
    ent_codec_free(c);
    return ent_target_predict(target, &recipe, 0.6 * recipe.split.word_bits, threads, p, error);
}

static void expect(const ent_target *target, const char *codec, const char *dtype, unsigned threads, double ns,
                   const char *limit)
{
    ent_prediction p;
    ent_error error;
    if (predict(target, codec, dtype, threads, &p, &error)) fail_msg("%s", error.text);
    assert_close(1 / p.weights_per_ns, ns, 1e-9 * ns);
    assert_string_equal(p.limit, limit);
}

static void rows_tell_of_other_formats(void **state)
{
    (void)state;
    ent_target *t = toy("");
    expect(t, "rans", "BF16", 1, 1, "measured");
    expect(t, "rans", "F16", 1, 2 * 0.1 + 0.8, "rates");
    expect(t, "rans", "F32", 1, 4 * 0.1 + 0.8, "rates");
    expect(t, "rans", "F8_E4M3", 1, 0.1 + 0.8, "rates");
    expect(t, "tiered", "F32", 1, 4 * 0.1, "rates");
    /* two fields of one coder; knobs of their own row where there is one, else the first */
    expect(t, "BF16: sign=raw exponent:top4=rans exponent:low4=rans mantissa=raw", "BF16", 1, 0.2 + 1.6, "rates");
    expect(t, "float: exponent=huffman(max=32) rest=raw", "F32", 1, 0.4 + 3.8, "rates");
    expect(t, "float: exponent=huffman(max=20) rest=raw", "F32", 1, 0.4 + 1.8, "rates");
    ent_target_free(t);
}

static void rows_tell_of_other_threads(void **state)
{
    (void)state;
    ent_target *t = toy("");
    expect(t, "rans", "F32", 2, 4 * 0.0625 + 0.375, "rates");
    expect(t, "rans", "F32", 0, 4 * 0.0625 + 0.375, "rates");       /* all: as many as were measured */
    expect(t, "rans", "BF16", 8, (2 * 0.0625 + 0.375) / 4, "rates"); /* four times two */
    ent_target_free(t);
}

static void raw_is_moved_at_its_own_rate(void **state)
{
    (void)state;
    ent_target *t = toy("");
    ent_prediction p;
    ent_error error;
    assert_ok(predict(t, "rans", "F32", 1, &p, &error));
    assert_close(1 / p.raw_weights_per_ns, 4 * 0.2, 1e-9);
    expect(t, "raw", "F32", 1, 4 * 0.2, "rates");
    ent_target_free(t);
}

/* Two formats of 16 bits: each has its own row, and a third takes that of words as wide before one of the same knobs. */
static void the_nearest_row_tells(void **state)
{
    (void)state;
    ent_target *t = toy("  - { codec: rans, dtype: F16, threads: 1, gbps: 1 }\n"      /* 1: a symbol 1.8 beyond moving */
                        "  - { codec: rans, dtype: F32, threads: 1, gbps: 0.8 }\n"    /* 1.25: 4.6 */
                        "  - { codec: \"word=rans\", dtype: BF16, threads: 1, gbps: 0.25 }\n"
                        "  - { codec: \"word=rans\", dtype: F16, threads: 1, gbps: 0.125 }\n");
    expect(t, "rans", "BF16", 1, 1, "measured");
    expect(t, "rans", "F16", 1, 2, "measured");
    expect(t, "word=rans", "BF16", 1, 8, "measured");
    expect(t, "word=rans", "F16", 1, 16, "measured");
    expect(t, "exponent:top4=rans rest=raw", "F16", 1, 0.2 + 1.8, "rates");
    expect(t, "exponent:top4=rans rest=raw", "F32", 1, 0.4 + 4.6, "rates");
    ent_target_free(t);
}

/* A codec that gained nothing kept its words: its row tells of raw weights, and it takes as long as they. */
static void what_is_kept_raw_is_moved(void **state)
{
    (void)state;
    ent_prediction p;
    ent_error error;
    ent_codec *c;
    ent_recipe recipe;
    ent_target *t = toy("  - { codec: arithmetic, dtype: BF16, threads: 1, gbps: 4, bits_per_weight: 16.0001 }\n"
                        "  - { codec: tans, dtype: F16, threads: 1, gbps: 4, bits_per_weight: 14 }\n");
    assert_status(predict(t, "arithmetic", "BF16", 1, &p, &error), ENT_EUNSUPPORTED);
    assert_ok(ent_codec_parse(&c, "tans", &error));
    assert_ok(ent_codec_bind(c, "F16", &recipe, &error));
    assert_ok(ent_target_predict(t, &recipe, 13, 1, &p, &error));
    assert_close(1 / p.weights_per_ns, 0.5, 1e-9);
    assert_ok(ent_target_predict(t, &recipe, 16.01, 1, &p, &error));
    assert_close(1 / p.weights_per_ns, 0.4, 1e-9); /* raw's of words as wide */
    assert_ok(ent_codec_bind(c, "F32", &recipe, &error));
    assert_ok(ent_target_predict(t, &recipe, 32.01, 1, &p, &error));
    assert_close(1 / p.weights_per_ns, 0.8, 1e-9); /* by the byte */
    ent_codec_free(c);
    ent_target_free(t);
}

static void what_rows_do_not_tell_is_refused(void **state)
{
    (void)state;
    ent_target *t = toy("");
    ent_prediction p;
    ent_error error;
    assert_status(predict(t, "tans", "BF16", 1, &p, &error), ENT_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "tans"));
    ent_target_free(t);
}

static void byte_coders_cost_by_bytes(void **state)
{
    (void)state;
    if (!ent_coder_find("zstd")) skip();
    ent_target *t = toy("  - { codec: zstd, dtype: BF16, threads: 1, gbps: 0.4 }\n"); /* 2.5: 2.4 a byte */
    expect(t, "zstd", "F32", 1, 4 * 0.1 + 4 * 2.4, "rates");
    ent_target_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_tell_of_other_formats),
        cmocka_unit_test(rows_tell_of_other_threads),
        cmocka_unit_test(raw_is_moved_at_its_own_rate),
        cmocka_unit_test(the_nearest_row_tells),
        cmocka_unit_test(what_is_kept_raw_is_moved),
        cmocka_unit_test(what_rows_do_not_tell_is_refused),
        cmocka_unit_test(byte_coders_cost_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
