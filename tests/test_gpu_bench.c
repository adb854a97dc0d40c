/* test_gpu_bench.c - the bench of a card, on the emulation and a card that is made up.  No number here was measured. */
#include <math.h>

#include "../analyses/bench_gpu.h"
#include "../analyses/gpu_measure.h"
#include "gpu/card.h"
#include "test.h"

/* ---- what follows from times ---------------------------------------------------------------------------- */

static void medians_are_of_the_middle(void **state)
{
    (void)state;
    struct gpu_row row = { 0 };
    double odd[] = { 5, 1, 9, 2, 3 }, even[] = { 4, 8, 1, 3 }, one[] = { 7 };
    gpu_row_times(&row, odd, 5);
    assert_close(row.seconds, 3, 0);
    assert_close(row.least, 1, 0);
    assert_int_equal(row.runs, 5);
    gpu_row_times(&row, even, 4);
    assert_close(row.seconds, 3.5, 0);
    gpu_row_times(&row, one, 1);
    assert_close(row.seconds, 7, 0);
}

/* Rates by hand.  A matrix of 10^6 weights: copied in 4 us (4 MB moved, 1 TB/s), read in 1.6 us (1.25 TB/s). */
static void roofs_and_ratios_by_hand(void **state)
{
    (void)state;
    struct gpu_row row[] = {
        { .way = GPU_COPY, .codec = "", .rows = 1000, .cols = 1000, .bytes = 4e6, .seconds = 4e-6 },
        { .way = GPU_READ, .codec = "", .rows = 1000, .cols = 1000, .bytes = 2e6, .seconds = 1.6e-6 },
        { .way = GPU_CUBLAS, .codec = "", .rows = 1000, .cols = 1000, .batch = 1, .bytes = 2e6, .seconds = 2e-6 },
        { .way = GPU_CUBLAS, .codec = "", .rows = 1000, .cols = 1000, .batch = 8, .bytes = 2e6, .seconds = 3e-6 },
        { .way = GPU_DECODE, .codec = "c", .rows = 1000, .cols = 1000, .bytes = 3e6, .seconds = 6e-6 },
        { .way = GPU_UNPACK, .codec = "c", .rows = 1000, .cols = 1000, .batch = 1, .bytes = 5e6, .seconds = 8e-6 },
        { .way = GPU_PRODUCT, .codec = "c", .rows = 1000, .cols = 1000, .batch = 1, .bytes = 1e6, .seconds = 1.6e-6 },
        { .way = GPU_PRODUCT, .codec = "c", .rows = 1000, .cols = 1000, .batch = 8, .bytes = 1e6, .seconds = 4e-6 },
        { .way = GPU_PRODUCT, .codec = "c", .rows = 500, .cols = 1000, .batch = 8, .bytes = 1e6, .seconds = 4e-6 },
    };
    const struct gpu_report report = { .row = row, .rows = 9 };
    assert_close(gpu_row_gbps(&row[4]), 2e6 / 6e-6 * 1e-9, 1e-9);
    assert_close(gpu_row_of_roof(&report, &row[4]), 0.5, 1e-12);  /* 3 MB at 1 TB/s are 3 us */
    assert_close(gpu_row_of_roof(&report, &row[6]), 0.5, 1e-12);  /* 1 MB at 1.25 TB/s are 0.8 us */
    assert_close(gpu_row_of_roof(&report, &row[2]), 0.8, 1e-12);
    assert_close(gpu_row_over_cublas(&report, &row[5]), 0.25, 1e-12);
    assert_close(gpu_row_over_cublas(&report, &row[6]), 1.25, 1e-12);
    assert_close(gpu_row_over_cublas(&report, &row[7]), 0.75, 1e-12);
    assert_true(isnan(gpu_row_of_roof(&report, &row[0])) && isnan(gpu_row_of_roof(&report, &row[5])));
    assert_true(isnan(gpu_row_over_cublas(&report, &row[4])) && isnan(gpu_row_over_cublas(&report, &row[2])));
    assert_true(isnan(gpu_row_of_roof(&report, &row[8])) && isnan(gpu_row_over_cublas(&report, &row[8]))); /* another matrix */
}

/* ---- the whole command ------------------------------------------------------------------------------------ */

enum { ROWS = 32, COLS = 512 };

static ent_status run(const char *output, ent_target *const *target, size_t targets, ent_error *error)
{
    static const char *const text[] = { "planar-rans block=1k", "tiered block=1k" };
    const struct common common = { .quiet = true, .threads = 2 };
    ent_codec *codec[2];
    for (size_t i = 0; i < 2; i++) assert_ok(ent_codec_parse(&codec[i], text[i], NULL));
    const struct bench_gpu bench = { .common = &common, .model = "datasets/gutenberg-llama-4.7m", .output = output,
                                     .command = "a test with a made-up card", .codec = codec, .codecs = 2, .target = target,
                                     .targets = targets, .runs = 4, .rows = ROWS, .cols = COLS, .force = true };
    ent_gpu *gpu;
    assert_ok(ent_gpu_open(&gpu, ENT_GPU_EMULATED, NULL));
    ent_status status = bench_gpu_on(&bench, gpu, 0, &ent_gpu_cuda_bench, error);
    fflush(stdout);
    ent_gpu_close(gpu);
    for (size_t i = 0; i < 2; i++) ent_codec_free(codec[i]);
    return status;
}

static void the_table_has_every_row(void **state)
{
    (void)state;
    const char *yaml = scratch_path("made-up.yaml"), *tsv = scratch_path("made-up.tsv");
    ent_target *model;
    ent_error error;
    size_t size;
    assert_ok(ent_target_read(&model, "analyses/targets/h100-sxm.yaml", &error));
    assert_ok(run(yaml, &model, 1, &error));
    ent_target_free(model);
    uint8_t *bytes = read_file(tsv, &size);
    char *table = calloc(1, size + 1);
    assert_non_null(table);
    memcpy(table, bytes, size);
    free(bytes);
    char *line = strtok(table, "\n");
    assert_string_equal(line, "operation\tcodec\trows\tcols\tbatch\tbits_per_weight\tbytes\tseconds\tleast_seconds\tweights_gbps\t"
                              "of_roof\tover_cublas\terror\truns\tverified\tlaunches\tcublas\tclock_ghz\tdriver_clock_ghz\tmemory_ghz\twatts\tcelsius\t"
                              "predicted_seconds by h100-sxm\terror_percent of h100-sxm");
    /* 1.15 copies for all buffers, of which there are 3: four times the cache over 20480 bytes of code */
    const double n = ROWS * COLS, copy = 1.15 * CARD_COPY / 3;
    const struct { const char *begins; double moved, seconds; const char *holds; } expected[] = {
        { "copy\t\t32\t512\t0\t16\t", 4 * n, copy, "\t4\t1\t3\t\t1.5\t1.6\t2.6\t300\t40" },
        { "read\t\t32\t512\t0\t16\t", 2 * n, copy / 2, "\t4\t1\t3\t\t1.5" },
        { "cublas\t\t32\t512\t1\t16\t", 2 * n + 2 * COLS + 4 * ROWS, copy, "\t8 vectors\t" },
        { "cublas\t\t32\t512\t2\t16\t", 2 * n + 4 * COLS + 8 * ROWS, copy, "\t8 vectors\t" },
        { "cublas\t\t32\t512\t4\t16\t", 2 * n + 8 * COLS + 16 * ROWS, copy, "\t8 vectors\t" },
        { "cublas\t\t32\t512\t8\t16\t", 2 * n + 16 * COLS + 32 * ROWS, 2 * copy, "\tplainly\t" },
    };
    enum { EXPECTED = sizeof expected / sizeof *expected };
    size_t lines = 0;
    for (; (line = strtok(NULL, "\n")); lines++) {
        if (lines >= EXPECTED) continue;
        double moved, seconds;
        if (strncmp(line, expected[lines].begins, strlen(expected[lines].begins))) fail_msg("line %zu: %s", lines, line);
        if (!strstr(line, expected[lines].holds)) fail_msg("line %zu: no %s in %s", lines, expected[lines].holds, line);
        assert_int_equal(sscanf(line + strlen(expected[lines].begins), "%lf %lf", &moved, &seconds), 2);
        assert_close(moved, expected[lines].moved, 1e-5 * moved);
        assert_close(seconds, expected[lines].seconds, 1e-5 * seconds);
    }
    assert_int_equal(lines, 2 + 5 + 2 * (1 + 2 * 5));
    free(table);
}

/* The file is a target: it answers with the rates that were made up. */
static void the_target_answers_with_what_was_measured(void **state)
{
    (void)state;
    ent_target *target;
    ent_target_origin origin;
    ent_prediction p;
    ent_recipe recipe;
    ent_codec *codec;
    ent_error error;
    assert_ok(run(scratch_path("again.yaml"), NULL, 0, &error));
    if (ent_target_read(&target, scratch_path("again.yaml"), &error)) fail_msg("%s", error.text);
    assert_string_equal(ent_target_name(target), "again");
    assert_int_equal(ent_target_kind_of(target), ENT_TARGET_MEASURED);
    assert_int_equal(ent_target_threads(target), 7);
    assert_true(ent_target_origin_of(target, &origin));
    assert_string_equal(origin.command, "a test with a made-up card");
    assert_string_equal(origin.cpu, "emulation, driver 0, ECC on, 700 W at most; reading: multiprocessors at 1.50 GHz, memory at 2.600 GHz, 300 W");
    assert_ok(ent_codec_parse(&codec, "planar-rans block=1k", NULL));
    assert_ok(ent_codec_bind(codec, "BF16", &recipe, NULL));
    ent_codec_free(codec);
    if (ent_target_predict(target, &recipe, 13, 0, &p, &error)) fail_msg("%s", error.text);
    assert_string_equal(p.limit, "measured");
    assert_close(p.weights_per_ns, ROWS * COLS / (1.15e9 * CARD_COPY / 3), 1e-7);
    assert_close(p.raw_weights_per_ns, ROWS * COLS / (0.575e9 * CARD_COPY / 3), 1e-7);
    ent_target_free(target);
}

static void wrong_results_are_told(void **state)
{
    (void)state;
    ent_error error;
    card_is_wrong(true);
    ent_status status = run(scratch_path("wrong.yaml"), NULL, 0, &error);
    card_is_wrong(false);
    assert_status(status, ENT_ECHECK);
    assert_non_null(strstr(error.text, "8 vectors of 32 x 512, batch 1"));
    FILE *file = fopen(scratch_path("wrong.yaml"), "r");
    assert_null(file);
}

/* A matrix that meets one vector: cuBLAS may still add seven, for which there must be room. */
static void one_vector_has_room_for_eight(void **state)
{
    (void)state;
    static uint16_t words[64 * 64];
    static const unsigned one = 1;
    struct gpu_measure measure = { .bench = &ent_gpu_cuda_bench, .runs = 1, .threads = 1 };
    const struct gpu_matrix matrix = { words, 64, 64, &one, 1 };
    struct gpu_row rows[3], *row = rows;
    ent_error error;
    for (size_t i = 0; i < 64 * 64; i++) words[i] = (uint16_t)(0x3f80 + i % 128);
    assert_int_equal(gpu_measure_rows(&measure, 1), 3);
    assert_ok(ent_gpu_open(&measure.gpu, ENT_GPU_EMULATED, NULL));
    assert_ok(measure.bench->facts(0, &measure.facts));
    assert_ok(gpu_measure_matrix(&measure, &matrix, &row, &error));
    assert_ptr_equal(row, rows + 3);
    assert_string_equal(rows[2].cublas, "8 vectors");
    assert_true(rows[2].verified);
    ent_gpu_close(measure.gpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians_are_of_the_middle),
        cmocka_unit_test(roofs_and_ratios_by_hand),
        cmocka_unit_test(the_table_has_every_row),
        cmocka_unit_test(the_target_answers_with_what_was_measured),
        cmocka_unit_test(wrong_results_are_told),
        cmocka_unit_test(one_vector_has_room_for_eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
