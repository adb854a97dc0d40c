/* test_program.c - the parts of the program that compute: measures, samples, censuses. */
#include <math.h>

#include "../analyses/census.h"
#include "../analyses/command.h"
#include "../analyses/measure.h"
#include "../analyses/sample.h"

#include "test.h"

static const struct measuring plugin = { ent_estimators, 1, NULL, false }; /* the first */

/* BF16 words of two exponents; the mantissa is uniform over 1 or 4 values by the exponent. */
static void measures_of_closed_forms(void **state)
{
    (void)state;
    uint16_t word[64];
    ent_word_counts counts;
    struct measures m;
    for (unsigned i = 0; i < 64; i++) {
        unsigned exponent = i % 4 ? 120 : 121; /* p = 3/4, 1/4 */
        unsigned mantissa = exponent == 121 ? i / 4 % 4 : 5;
        word[i] = (uint16_t)((i & 32 ? 0x8000u : 0) | exponent << 7 | mantissa);
    }
    assert_ok(ent_word_counts_init(&counts, ent_format_find("BF16")));
    ent_word_counts_add(&counts, word, 64);
    assert_ok(measure(&counts, &plugin, &m));
    double h = 0.25 * 2 + 0.75 * log2(4.0 / 3), conditional = 0.25 * 2;
    assert_int_equal(m.fields, 3);
    assert_int_equal(m.count, 64);
    assert_string_equal(m.field[1].field, "exponent");
    assert_close(m.field[0].estimate.bits, 1, 1e-12);
    assert_close(m.field[1].estimate.bits, h, 1e-12);
    assert_close(m.exponent_bits, 8 + h, 1e-12);
    assert_string_equal(m.conditional.field, "mantissa|sign+exponent");
    assert_close(m.conditional.estimate.bits, conditional, 1e-12);
    /* log2(n(high) / n(word)) is 2 with p = 1/4, else 0: variance 4 * 1/4 * 3/4 */
    assert_close(m.conditional.estimate.stderr_bits, sqrt(0.75 / 64), 1e-12);
    assert_close(m.word.estimate.bits, 1 + h + conditional, 1e-12);
    assert_false(m.word_is_sum);
    ent_word_counts_free(&counts);
}

static void measures_of_wide_and_opaque_words(void **state)
{
    (void)state;
    uint32_t wide[32];
    uint8_t bytes[16];
    ent_word_counts counts;
    struct measures m;
    for (uint32_t i = 0; i < 32; i++) wide[i] = i % 8 << 16 | i % 4;
    assert_ok(ent_word_counts_init(&counts, ent_format_find("F32")));
    ent_word_counts_add(&counts, wide, 32);
    assert_ok(measure(&counts, &plugin, &m));
    assert_true(m.word_is_sum);
    assert_close(m.word.estimate.bits, 3 + 2, 1e-12); /* the planes' sum; jointly they are 3 bits */
    assert_string_equal(m.conditional.field, "");
    ent_word_counts_free(&counts);

    for (uint8_t i = 0; i < 16; i++) bytes[i] = i;
    assert_ok(ent_word_counts_init(&counts, NULL));
    ent_word_counts_add(&counts, bytes, 16);
    assert_ok(measure(&counts, &plugin, &m));
    assert_int_equal(m.fields, 1);
    assert_string_equal(m.field[0].field, "byte");
    assert_close(m.word.estimate.bits, 4, 1e-12);
    assert_true(isnan(m.exponent_bits));
    ent_word_counts_free(&counts);
}

/* A model of two BF16 tensors of 3000 and 1000 words, one F32 and one opaque; words count up. */
static ent_weights *model(uint8_t **file)
{
    static const char header[] =
        "{\"a.weight\":{\"dtype\":\"BF16\",\"shape\":[3,1000],\"data_offsets\":[0,6000]},"
        "\"b.weight\":{\"dtype\":\"BF16\",\"shape\":[1000],\"data_offsets\":[6000,8000]},"
        "\"c.bias\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[8000,8028]},"
        "\"d\":{\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[8028,8032]}}";
    size_t n = sizeof header - 1, size = 8 + n + 8032;
    *file = calloc(1, size);
    assert_non_null(*file);
    (*file)[0] = (uint8_t)n;
    (*file)[1] = (uint8_t)(n >> 8);
    memcpy(*file + 8, header, n);
    for (unsigned i = 0; i < 4000; i++) {
        (*file)[8 + n + 2 * i] = (uint8_t)i;
        (*file)[8 + n + 2 * i + 1] = (uint8_t)(i >> 8);
    }
    const char *path = scratch_path("model.safetensors");
    write_file(path, *file, size);
    ent_weights *weights;
    assert_ok(ent_weights_open(&weights, path, NULL));
    return weights;
}

static void samples_are_gathered_cut_and_repeated(void **state)
{
    (void)state;
    uint8_t *file;
    ent_weights *weights = model(&file);
    struct sample s;
    const uint16_t *word;
    assert_ok(sample_take(&s, weights, 8000, NULL)); /* exactly the model */
    assert_string_equal(s.dtype, "BF16");
    assert_int_equal(s.n, 4000);
    assert_int_equal(s.distinct_bytes, 8000);
    word = s.words;
    for (unsigned i = 0; i < 4000; i++) assert_int_equal(word[i], i);
    sample_free(&s);

    assert_ok(sample_take(&s, weights, 4000, NULL)); /* half of each tensor, in whole grains of 64; the rest repeats */
    word = s.words;
    assert_int_equal(s.distinct_bytes, 2 * (1472 + 448));
    assert_int_equal(word[1471], 1471);
    assert_int_equal(word[1472], 3000);
    assert_int_equal(word[1472 + 448], 0);
    sample_free(&s);

    assert_ok(sample_take(&s, weights, 20002, NULL)); /* two and a half times */
    word = s.words;
    assert_int_equal(s.n, 10001);
    assert_int_equal(s.distinct_bytes, 8000);
    for (unsigned i = 0; i < 10001; i++) assert_int_equal(word[i], i % 4000);
    sample_free(&s);

    assert_ok(sample_take(&s, weights, 2, NULL));
    assert_int_equal(s.n, 1);
    sample_free(&s);
    assert_status(sample_take(&s, weights, 1, NULL), ENT_EINVAL);
    ent_weights_close(weights);
    free(file);
}

static ent_status count_calls(void *context, const char *name, const char *role, const char *dtype,
                              const ent_word_counts *counts, ent_error *error)
{
    (void)role;
    (void)dtype;
    (void)error;
    if (!strcmp(name, "a.weight")) assert_int_equal(ent_word_counts_total(counts), 3000);
    if (!strcmp(name, "d")) assert_int_equal(ent_word_counts_total(counts), 4);
    ++*(int *)context;
    return ENT_OK;
}

static void a_census_counts_every_word_once(void **state)
{
    (void)state;
    uint8_t *file;
    ent_weights *weights = model(&file);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct census census = { 0 };
        struct common common = { .threads = threads, .quiet = true };
        int calls = 0;
        uint64_t bf16 = 0;
        assert_ok(census_count(&census, weights, NULL, &common, count_calls, &calls, NULL));
        assert_int_equal(calls, 4);
        assert_int_equal(census.weights, 4000 + 7 + 4);
        for (size_t i = 0; i < census.entries; i++) {
            if (strcmp(census.entry[i].dtype, "BF16")) continue;
            for (uint32_t s = 0; s < 65536; s++) assert_int_equal(census.entry[i].counts.plane[0].count[s], s < 4000);
            bf16 += ent_word_counts_total(&census.entry[i].counts);
        }
        assert_int_equal(bf16, 4000);
        census_free(&census);
    }
    ent_weights_close(weights);
    free(file);
}

/* Tensors of many chunks and more than one window, packed ones among them, on several threads. */
static void a_census_loses_nothing_at_chunk_ends(void **state)
{
    (void)state;
    enum { BYTES = (33 << 20) + 5, NIBBLES = (2 << 20) + 6, DATA = BYTES + NIBBLES / 2 };
    char header[300];
    int n = snprintf(header, sizeof header,
                     "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                     "\"b\":{\"dtype\":\"F4\",\"shape\":[%d],\"data_offsets\":[%d,%d]}}",
                     BYTES, BYTES, NIBBLES, BYTES, DATA);
    uint8_t *file = calloc(1, 8 + (size_t)n + DATA), *data = file + 8 + n;
    uint64_t expected[2][256] = { { 0 } };
    ent_random r;
    assert_non_null(file);
    file[0] = (uint8_t)n;
    memcpy(file + 8, header, (size_t)n);
    ent_random_seed(&r, 5, 0);
    for (size_t i = 0; i < DATA; i++) {
        data[i] = (uint8_t)(ent_random_bits(&r) & ent_random_bits(&r));
        if (i < BYTES) {
            expected[0][data[i]]++;
        } else {
            expected[1][data[i] & 15]++;
            expected[1][data[i] >> 4]++;
        }
    }
    const char *path = scratch_path("large.safetensors");
    write_file(path, file, 8 + (size_t)n + DATA);
    free(file);
    ent_weights *weights;
    assert_ok(ent_weights_open(&weights, path, NULL));
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        struct census census = { 0 };
        struct common common = { .threads = threads, .quiet = true };
        assert_ok(census_count(&census, weights, NULL, &common, NULL, NULL, NULL));
        assert_int_equal(census.entries, 2);
        for (size_t i = 0; i < 2; i++)
            for (uint32_t s = 0; s < census.entry[i].counts.plane[0].alphabet; s++)
                assert_int_equal(census.entry[i].counts.plane[0].count[s], expected[i][s]);
        census_free(&census);
    }
    ent_weights_close(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_of_closed_forms),
        cmocka_unit_test(measures_of_wide_and_opaque_words),
        cmocka_unit_test(samples_are_gathered_cut_and_repeated),
        cmocka_unit_test(a_census_counts_every_word_once),
        cmocka_unit_test(a_census_loses_nothing_at_chunk_ends),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
