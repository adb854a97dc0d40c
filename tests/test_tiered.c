/* test_tiered.c - tiered bit planes: a code worked out by hand, every shape, an exhaustive search of the
 * shapes, the plain loops as the judge of the fast ones; damaged blocks. */
#include <math.h>

#include "coder/tiered.h"
#include "samples.h"

static ent_coder_spec spec_of(uint32_t alphabet)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find("tiered"), alphabet));
    return spec;
}

static ent_table *table_of(const ent_coder_spec *spec, const uint8_t *bytes, size_t size)
{
    ent_table *t;
    assert_ok(ent_table_read(&t, spec, (ent_bytes){ bytes, size }, ENT_ENCODE | ENT_DECODE));
    return t;
}

static size_t comes_back(const ent_table *t, const uint8_t *symbols, size_t n)
{
    ent_buffer out = { 0 };
    assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
    assert_ok(ent_encode(t, symbols, n, &out, NULL));
    guarded in = guarded_copy(out.data, out.size), got = guarded_new(n);
    assert_ok(ent_decode(t, (ent_bytes){ in.data, in.size }, got.data, n));
    if (n) assert_memory_equal(got.data, symbols, n);
    size_t size = out.size;
    ent_free(out.data);
    guarded_free(&in);
    guarded_free(&got);
    return size;
}

/* Tiers of 2 and 1 bits; ranks: 10, 11, 12 in tier 1, 13 in tier 2, all else an escape.
 *   symbols        11 10 13 12 99 13 10
 *   tier 1          1  0  3  2  3  3  0    plane 0: 1010110 (first symbol leftmost), plane 1: 0011110
 *   tier 2                0     1  0       plane 0: 010
 * lowest bit first: tier 1 is 0x35 | 0x3C << 7 = 0x1E35, tier 2 is 2. */
static void a_code_by_hand(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 2, 2, 1, 10, 11, 12, 13 }, symbols[] = { 11, 10, 13, 12, 99, 13, 10 };
    static const uint8_t code[] = { 3, 99, 0x02, 0x35, 0x1E };
    ent_coder_spec spec = spec_of(256);
    ent_table *t = table_of(&spec, bytes, sizeof bytes);
    uint8_t room[500], got[7];
    ent_buffer out = { room, 0, sizeof room };
    ent_tally tally = { 0, 0, 0 };
    assert_ok(ent_encode(t, symbols, 7, &out, &tally));
    assert_int_equal(out.size, sizeof code);
    assert_memory_equal(room, code, sizeof code);
    assert_int_equal(tally.index_bits, 8);
    assert_int_equal(tally.payload_bits, 32);
    assert_ok(ent_decode(t, (ent_bytes){ code, sizeof code }, got, 7));
    assert_memory_equal(got, symbols, 7);
    for (size_t at = 2; at <= 4; at += 2) { /* a bit behind the last of each tier */
        room[at] ^= 0x40;
        assert_status(ent_decode(t, (ent_bytes){ room, out.size }, got, 7), ENT_ECORRUPT);
        room[at] ^= 0x40;
    }
    ent_table_free(t);
}

/* All 340 shapes on data that reaches every tier and escapes. */
static void every_shape_comes_back(void **state)
{
    (void)state;
    enum { N = 64 * 40 + 17 };
    ent_coder_spec spec = spec_of(256);
    uint8_t symbols[N], bytes[5 + 64];
    ent_random r;
    ent_random_seed(&r, 1, 0);
    for (uint8_t tiers = 1; tiers <= 4; tiers++)
        for (unsigned shape = 0; shape < 1u << 2 * tiers; shape++) {
            size_t ranks = 0, size = 1;
            bytes[0] = tiers;
            for (unsigned k = 0; k < tiers; k++) {
                unsigned w = 1 + (shape >> 2 * k & 3);
                bytes[size++] = (uint8_t)w;
                ranks += (1u << w) - 1;
            }
            for (size_t i = 0; i < ranks; i++) bytes[size++] = (uint8_t)(i * 37 + 11);
            for (size_t i = 0; i < N; i++) {
                size_t rank = ent_random_below(&r, 1 + ent_random_below(&r, ranks + 6)); /* early ones more often */
                if (i / 640 == 1) rank = ranks; /* a stretch of escapes */
                if (i / 640 == 2) rank = 0;     /* and one that never leaves tier 1 */
                symbols[i] = (uint8_t)(rank * 37 + 11);
            }
            ent_table *t = table_of(&spec, bytes, size);
            comes_back(t, symbols, N);
            comes_back(t, symbols + 600, 100);
            ent_table_free(t);
        }
}

static void every_length_comes_back(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = { 1, 2, 4, 16, 61, 256 };
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++)
        for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++)
            for (uint32_t tiers = 1; tiers <= 4; tiers++) {
                ent_counts counts;
                ent_table *t;
                ent_coder_spec spec = spec_of(alphabets[a]);
                uint8_t *symbols = sample_make(kind, alphabets[a], 400, 2, &counts);
                assert_ok(ent_coder_spec_set(&spec, "tiers", tiers));
                assert_ok(ent_table_train(&t, &spec, &counts, ENT_ENCODE | ENT_DECODE));
                for (size_t n = 0; n <= 300; n += tiers == 4 ? 1 : 13) comes_back(t, symbols, n);
                ent_table_free(t);
                ent_free(symbols);
                ent_counts_free(&counts);
            }
}

/* Bits of one shape by its definition, symbol by symbol of the falling counts. */
static double shape_bits(const double *count, uint32_t alphabet, uint32_t tiers, unsigned shape)
{
    uint32_t ranks = 0, first[5] = { 0 }, width[4];
    double bits = 0;
    for (uint32_t k = 0; k < tiers; k++) {
        width[k] = 1 + (shape >> 2 * k & 3);
        first[k + 1] = ranks += (1u << width[k]) - 1;
    }
    for (uint32_t i = 0; i < alphabet; i++) {
        for (uint32_t k = 0; k < tiers && i >= first[k]; k++) bits += count[i] * width[k];
        if (i >= ranks && ranks + 1 != alphabet) bits += 8 * count[i];
    }
    return bits;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void the_cheapest_shape_is_taken(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = { 2, 16, 40, 256 };
    for (size_t a = 0; a < 4; a++)
        for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++)
            for (uint32_t most = 1; most <= 4; most++) {
                enum { N = 6400 };
                ent_counts counts;
                ent_table *t;
                ent_coder_spec spec = spec_of(alphabets[a]);
                uint8_t *symbols = sample_make(kind, alphabets[a], N, 3, &counts);
                double count[256], least = INFINITY;
                for (uint32_t s = 0; s < alphabets[a]; s++) count[s] = (double)counts.count[s];
                qsort(count, alphabets[a], sizeof *count, falling);
                for (uint32_t tiers = 1; tiers <= most; tiers++)
                    for (unsigned shape = 0; shape < 1u << 2 * tiers; shape++)
                        least = fmin(least, shape_bits(count, alphabets[a], tiers, shape));
                assert_ok(ent_coder_spec_set(&spec, "tiers", most));
                assert_ok(ent_table_train(&t, &spec, &counts, ENT_ENCODE | ENT_DECODE));
                double bits = 8 * (double)comes_back(t, symbols, N);
                assert_true(bits >= least && bits < least + 8 * (3 * 2 + 4)); /* header, last bytes */
                ent_table_free(t);
                ent_free(symbols);
                ent_counts_free(&counts);
            }
}

static void tables_are_checked(void **state)
{
    (void)state;
    static const struct { uint32_t alphabet; uint8_t size, bytes[8]; } bad[] = {
        { 256, 0, { 0 } }, { 256, 1, { 0 } }, { 256, 2, { 0, 5 } }, { 256, 3, { 5, 1, 1 } }, /* no tier, too many */
        { 256, 2, { 1, 1 } },             /* no symbol */
        { 256, 3, { 1, 0, 7 } }, { 256, 3, { 1, 5, 7 } }, /* width */
        { 256, 4, { 1, 1, 7, 8 } },       /* more symbols than ranks */
        { 256, 5, { 1, 2, 7, 8, 7 } },    /* one twice */
        { 7, 3, { 1, 2, 7 } },            /* outside the alphabet */
        { 4, 5, { 1, 2, 0, 1, 2 } },      /* all four must be ranked */
        { 256, 3, { 3, 1, 1 } },          /* cut */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ent_coder_spec spec = spec_of(bad[i].alphabet);
        ent_table *t;
        guarded in = guarded_copy(bad[i].bytes, bad[i].size);
        assert_status(ent_table_read(&t, &spec, (ent_bytes){ in.data, in.size }, ENT_DECODE), ENT_ECORRUPT);
        guarded_free(&in);
    }
}

/* ---- the fast loops against the plain ones --------------------------------------------------- */

#if defined __x86_64__
enum { GROUPS = 50, ROOM = GROUPS * 64 + 100 };
enum { PLAIN, AVX2, AVX512, LOOPS };
static uint8_t room[LOOPS][5][ROOM];

static bool has(int loop)
{
    static const unsigned needs[LOOPS] = { 0, ENT_CPU_AVX2 | ENT_CPU_BMI2, ENT_CPU_AVX512 };
    return (ent_cpu_features() & needs[loop]) == needs[loop];
}

static void code(const tiered_encoder *e, const uint8_t *symbols, int loop, tiered_job *job)
{
    memset(job, 0, sizeof *job);
    memset(room[loop], 0, sizeof room[loop]);
    for (int k = 0; k < 4; k++) job->bits[k] = room[loop][k];
    job->escape = room[loop][4];
    if (loop == AVX2) ent_tiered_encode_avx2(e, job, symbols, GROUPS);
    if (loop == AVX512) ent_tiered_encode_avx512(e, job, symbols, GROUPS);
    for (size_t g = 0; loop == PLAIN && g < GROUPS; g++) ent_tiered_encode_group(e, job, symbols + 64 * g, 64);
}

/* The same as the plain loop wrote, and where. */
static void same_code(const tiered_table *table, const tiered_job *plain, const tiered_job *fast, int loop)
{
    for (unsigned k = 0; k < table->tiers; k++) {
        size_t size = (size_t)(plain->bits[k] - room[PLAIN][k]);
        assert_int_equal(fast->bits[k] - room[loop][k], size);
        assert_int_equal(plain->count[k], fast->count[k]);
        assert_int_equal(plain->fill[k], fast->fill[k]);
        assert_int_equal(plain->held[k], fast->held[k]);
        assert_memory_equal(room[PLAIN][k], room[loop][k], size);
    }
    size_t escapes = (size_t)(plain->escape - room[PLAIN][4]);
    assert_int_equal(fast->escape - room[loop][4], escapes);
    assert_memory_equal(room[PLAIN][4], room[loop][4], escapes);
}

static void fast_encoders_agree_with_the_plain_one(void **state)
{
    (void)state;
    const ent_coder *c = ent_coder_find("tiered");
    if (!has(AVX2)) skip();
    for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++)
        for (uint32_t tiers = 1; tiers <= 4; tiers++)
            for (sample_kind data = 0; data < SAMPLE_KINDS; data++) {
                ent_coder_spec spec = spec_of(256);
                ent_counts counts, other;
                static tiered_table table;
                static tiered_encoder encoder;
                tiered_job plain, fast;
                ent_free(sample_make(kind, 256, 5000, 4, &counts));
                uint8_t *symbols = sample_make(data, 256, GROUPS * 64, 5, &other);
                memset(&table, 0, sizeof table);
                assert_ok(ent_coder_spec_set(&spec, "tiers", tiers));
                assert_ok(c->train(&spec, &counts, &table));
                c->build_encoder(&spec, &table, &encoder);
                code(&encoder, symbols, PLAIN, &plain);
                for (int loop = AVX2; loop < LOOPS; loop++) {
                    if (!has(loop)) continue;
                    code(&encoder, symbols, loop, &fast);
                    same_code(&table, &plain, &fast, loop);
                }
                ent_free(symbols);
                ent_counts_free(&counts);
                ent_counts_free(&other);
            }
}
#endif

/* ---- damage ---------------------------------------------------------------------------------- */

static void damaged_blocks_are_safe(void **state)
{
    (void)state;
    static const size_t sizes[] = { 71, 130, 700, 9000 };
    for (size_t k = 0; k < 4; k++)
        for (uint32_t tiers = 2; tiers <= 4; tiers++) {
            size_t n = sizes[k];
            ent_coder_spec spec = spec_of(200);
            ent_counts counts;
            ent_random r;
            ent_table *t;
            ent_buffer out = { 0 };
            uint8_t *symbols = sample_make(SAMPLE_PEAKED, 200, n, 13, &counts);
            assert_ok(ent_coder_spec_set(&spec, "tiers", tiers));
            assert_ok(ent_table_train(&t, &spec, &counts, ENT_ENCODE | ENT_DECODE));
            for (size_t i = 3; i < n; i += 50) symbols[i] = (uint8_t)(i / 50 % 200);
            assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
            assert_ok(ent_encode(t, symbols, n, &out, NULL));
            ent_random_seed(&r, 14, n + tiers);
            int caught = 0;
            for (int trial = 0; trial < 300; trial++) {
                size_t size = trial % 5 == 0 ? ent_random_below(&r, out.size) : out.size - (trial % 7 == 0);
                guarded in = guarded_new(size), got = guarded_new(2 * n);
                memcpy(in.data, out.data, size);
                for (int i = trial % 4; size && i > 0; i--)
                    in.data[ent_random_below(&r, i % 2 && size > 8 ? 8 : size)] = (uint8_t)ent_random_bits(&r);
                ent_status status = ent_decode(t, (ent_bytes){ in.data, size }, got.data, n);
                assert_true(status == ENT_OK || status == ENT_ECORRUPT);
                caught += status == ENT_ECORRUPT;
                for (size_t i = 0; !status && i < n; i++) assert_in_range(got.data[i], 0, 199);
                ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = symbols, .stream = trial % 2 };
                ent_status words = ent_decode_words(t, (ent_bytes){ in.data, size }, &join, got.data, n);
                assert_true(words == status || words == ENT_EUNSUPPORTED);
                guarded_free(&in);
                guarded_free(&got);
            }
            assert_in_range(caught, 100, 300);
            ent_table_free(t);
            ent_free(out.data);
            ent_free(symbols);
            ent_counts_free(&counts);
        }
}

/* Tier 2 is said to be empty, or huge, and is not: the loops must not look for it where it ends. */
static void lying_sizes_are_told(void **state)
{
    (void)state;
    /* 17 symbols, all ranked: no escapes */
    static const uint8_t table[] = { 2, 1, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    static const uint8_t huge[] = { 128, 128, 128, 128, 128, 128, 128, 128, 64 };
    ent_coder_spec spec = spec_of(17);
    ent_table *t = table_of(&spec, table, sizeof table);
    for (size_t n = 64; n <= 6400; n *= 10) {
        guarded empty = guarded_new(1 + n / 8), big = guarded_new(sizeof huge + n / 8), got = guarded_new(2 * n);
        memset(empty.data + 1, 0xFF, n / 8); /* every symbol reaches tier 2 */
        assert_status(ent_decode(t, (ent_bytes){ empty.data, empty.size }, got.data, n), ENT_ECORRUPT);
        ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = got.data, .stream = false };
        assert_true(ent_decode_words(t, (ent_bytes){ empty.data, empty.size }, &join, got.data, n) != ENT_OK);
        memset(empty.data, 0, empty.size); /* none does */
        assert_ok(ent_decode(t, (ent_bytes){ empty.data, empty.size }, got.data, n));
        memcpy(big.data, huge, sizeof huge); /* 2^62 symbols of 4 bits */
        assert_status(ent_decode(t, (ent_bytes){ big.data, big.size }, got.data, n), ENT_ECORRUPT);
        guarded_free(&empty);
        guarded_free(&big);
        guarded_free(&got);
    }
    ent_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_by_hand),
        cmocka_unit_test(every_shape_comes_back),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(the_cheapest_shape_is_taken),
        cmocka_unit_test(tables_are_checked),
#if defined __x86_64__
        cmocka_unit_test(fast_encoders_agree_with_the_plain_one),
#endif
        cmocka_unit_test(damaged_blocks_are_safe),
        cmocka_unit_test(lying_sizes_are_told),
    };
    return cmocka_run_group_tests_name("tiered", tests, NULL, NULL);
}
