/* test_exact.c - rans, arithmetic, arithmetic-adaptive: lengths against entropies, codes made by hand. */
#include <math.h>

#include "coder/range.h"
#include "test.h"

typedef struct coded {
    ent_table *table;
    ent_buffer code;
    ent_tally tally;
} coded;

static ent_coder_spec spec_of(const char *coder, uint32_t alphabet)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find(coder), alphabet));
    return spec;
}

/* Codes the symbols with a table trained on `counts` and decodes them again. */
static coded code_of(const ent_coder_spec *spec, const ent_counts *counts, const void *symbols, size_t n)
{
    coded c = { 0 };
    assert_ok(ent_table_train(&c.table, spec, counts, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_buffer_reserve(&c.code, ent_encode_bound(c.table, n)));
    assert_ok(ent_encode(c.table, symbols, n, &c.code, &c.tally));
    void *back = malloc(n * spec->width);
    assert_ok(ent_decode(c.table, (ent_bytes){ c.code.data, c.code.size }, back, n));
    assert_memory_equal(back, symbols, n * spec->width);
    free(back);
    return c;
}

static void coded_free(coded *c)
{
    ent_table_free(c->table);
    ent_free(c->code.data);
}

static ent_counts counts_of(uint32_t alphabet, const void *symbols, size_t n)
{
    ent_counts counts;
    assert_ok(ent_counts_init(&counts, alphabet));
    assert_ok(ent_counts_add(&counts, symbols, alphabet <= 256 ? 1 : 2, n));
    return counts;
}

/* The length that no order-0 code with these counts can go below. */
static double least_bits(const ent_counts *counts)
{
    double total = (double)ent_counts_total(counts), bits = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) bits += (double)counts->count[s] * log2(total / (double)counts->count[s]);
    return bits;
}

/* ---- lengths -------------------------------------------------------------------------------- */

/* Nearly normal values (a sum of uniform ones), as the upper 16 bits of a word of 5 exponent bits. */
static uint16_t *halves(size_t n)
{
    uint16_t *half = malloc(n * sizeof *half);
    ent_random r;
    ent_random_seed(&r, 1, 0);
    for (size_t i = 0; i < n; i++) {
        uint64_t u = ent_random_bits(&r);
        int32_t sum = (int32_t)((u & 65535) + (u >> 16 & 65535) + (u >> 32 & 65535) + (u >> 48)) - 2 * 65535;
        float f = (float)sum * 0x1p-21f;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        int32_t exponent = (int32_t)(bits >> 23 & 255) - 127 + 15; /* subnormals do not matter here */
        half[i] = (uint16_t)(bits >> 31 << 15 | (uint32_t)(exponent < 0 ? 0 : exponent) << 10 | (bits >> 13 & 1023));
    }
    return half;
}

static void words_of_16_bits_cost_their_entropy(void **state)
{
    (void)state;
    const size_t n = (size_t)1 << 22;
    uint16_t *half = halves(n);
    ent_counts counts = counts_of(65536, half, n);
    assert_true(ent_counts_live(&counts) > 16000); /* 13.4 bits a symbol */
    static const char *const coders[] = { "rans", "arithmetic" };
    for (int k = 0; k < 2; k++) {
        ent_coder_spec spec = spec_of(coders[k], 65536);
        coded c = code_of(&spec, &counts, half, n);
        double ratio = 8.0 * (double)c.code.size / least_bits(&counts);
        assert_true(ratio > 1 && ratio < 1.002);
        coded_free(&c);
    }
    ent_counts_free(&counts);
    free(half);
}

/* Symbol s with p = 2^-(s+1), the last two alike: entropy 2 - 2^(2 - symbols). */
static uint8_t *geometric(size_t n, uint32_t symbols)
{
    uint8_t *s = malloc(n);
    ent_random r;
    ent_random_seed(&r, 2, symbols);
    for (size_t i = 0; i < n; i++) s[i] = (uint8_t)__builtin_ctzll(ent_random_bits(&r) | (uint64_t)1 << (symbols - 1));
    return s;
}

static void peaked_symbols_cost_their_entropy(void **state)
{
    (void)state;
    const size_t n = 1000000;
    uint8_t *symbols = geometric(n, 20);
    ent_counts counts = counts_of(256, symbols, n);
    static const struct { const char *coder; double most; } row[] = {
        { "rans", 1.002 }, { "arithmetic", 1.001 }, { "arithmetic-adaptive", 1.005 }
    };
    assert_close(least_bits(&counts) / (double)n, 2 - 0x1p-18, 0.005); /* four standard errors of the sample */
    for (int k = 0; k < 3; k++) {
        ent_coder_spec spec = spec_of(row[k].coder, 256);
        coded c = code_of(&spec, &counts, symbols, n);
        double ratio = 8.0 * (double)c.code.size / least_bits(&counts);
        if (!(ratio < row[k].most)) fail_msg("%s: %.5f of the entropy", row[k].coder, ratio);
        coded_free(&c);
    }
    ent_counts_free(&counts);
    free(symbols);
}

/* Powers of two are what every log can hold: the length is the sum of whole bits, but for the ends. */
static void powers_of_two_are_exact(void **state)
{
    (void)state;
    const size_t n = (size_t)1 << 16;
    uint64_t count[5] = { n / 2, n / 4, n / 8, n / 16, n / 16 };
    uint8_t *symbols = malloc(n);
    size_t i = 0;
    for (uint8_t s = 0; s < 5; s++)
        for (uint64_t k = 0; k < count[s]; k++) symbols[i++ * 40503 % n] = s; /* an odd factor: a permutation */
    ent_counts counts = { 5, count };
    for (uint32_t log = 4; log <= 22; log++)
        for (int k = 0; k < 2; k++) {
            ent_coder_spec spec = spec_of(k ? "rans" : "arithmetic", 5);
            assert_ok(ent_coder_spec_set(&spec, "log", log));
            assert_ok(ent_coder_spec_set(&spec, k ? "states" : "streams", 1));
            coded c = code_of(&spec, &counts, symbols, n);
            double bits = 8.0 * (double)c.code.size;
            /* rans narrows its states' precision with the slots: 0.1 % at 15 bits of slots in 32 bits of state */
            assert_close(bits, least_bits(&counts), 64 + 0.001 * least_bits(&counts));
            coded_free(&c);
        }
    free(symbols);
}

static void the_adaptive_model_follows(void **state)
{
    (void)state;
    enum { N = 400000 };
    static uint8_t symbols[N];
    ent_random r;
    ent_random_seed(&r, 3, 0);
    for (size_t i = 0; i < N; i++) symbols[i] = (uint8_t)(ent_random_below(&r, 4) + 4 * (i / (N / 4)));
    ent_coder_spec spec = spec_of("arithmetic-adaptive", 16);
    coded c = code_of(&spec, NULL, symbols, N);
    /* Order 0 takes 4 bits, each quarter 2.  After a change the window W = 2^13 must fill anew: with i new symbols
     * and W old ones, never forgotten, that takes the integral of log2(1 + W / i), W log2(e) (1 + ln(n / W)) bits:
     * 41400 for n = 10^5, three times, 0.31 a symbol.  Forgetting makes it less. */
    double bits = 8.0 * (double)c.code.size / N;
    if (!(bits > 2 && bits < 2.2)) fail_msg("%.3f bits", bits);
    coded_free(&c);
}

/* ---- codes by hand -------------------------------------------------------------------------- */

static void expect_code(const ent_coder_spec *spec, const uint64_t *count, const uint8_t *symbols, size_t n,
                        const uint8_t *code, size_t size)
{
    uint64_t copy[4];
    memcpy(copy, count, spec->alphabet * sizeof *copy);
    ent_counts counts = { spec->alphabet, copy };
    coded c = code_of(spec, &counts, symbols, n);
    assert_int_equal(c.code.size, size);
    assert_memory_equal(c.code.data, code, size);
    coded_free(&c);
}

static void rans_by_hand(void **state)
{
    (void)state;
    static const uint64_t even[2] = { 1, 1 };
    ent_coder_spec spec = spec_of("rans", 2);
    assert_ok(ent_coder_spec_set(&spec, "states", 1));
    assert_ok(ent_coder_spec_set(&spec, "log", 1));
    /* x = 2^16, then for each symbol from the last to the first x = 2 x + symbol */
    static const uint8_t three[3] = { 1, 0, 1 };
    expect_code(&spec, even, three, 3, (const uint8_t[]){ 0x05, 0x00, 0x08, 0x00 }, 4);
    /* fifteen symbols make it 2^31 + 2^14 + 1; for the sixteenth the low 16 bits leave as a word */
    static const uint8_t many[16] = { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    expect_code(&spec, even, many, 16, (const uint8_t[]){ 0x00, 0x00, 0x01, 0x00, 0x01, 0x40 }, 6);
    /* 64-bit states begin at 2^31; symbol 1 has 2^16 slots from 2^16 on: 2^31 / 2^16 * 2^17 + 2^16 */
    assert_ok(ent_coder_spec_set(&spec, "log", 17));
    expect_code(&spec, even, three, 1, (const uint8_t[]){ 0, 0, 0x01, 0, 0x01, 0, 0, 0 }, 8);
    /* but at 16 bits of slots they still have 32: 2^16 / 2^15 * 2^16 + 2^15 */
    assert_ok(ent_coder_spec_set(&spec, "log", 16));
    expect_code(&spec, even, three, 1, (const uint8_t[]){ 0x00, 0x80, 0x02, 0x00 }, 4);
    /* unless one symbol has all of them, which leaves a state as it is */
    static const uint64_t only[2] = { 0, 1 };
    expect_code(&spec, only, three, 1, (const uint8_t[]){ 0, 0, 0, 0x80, 0, 0, 0, 0 }, 8);
    /* and with two states symbol i is in state i mod 2 */
    assert_ok(ent_coder_spec_set(&spec, "log", 1));
    assert_ok(ent_coder_spec_set(&spec, "states", 2));
    expect_code(&spec, even, three, 3, (const uint8_t[]){ 0x03, 0x00, 0x04, 0x00, 0x00, 0x00, 0x02, 0x00 }, 8);
}

static void arithmetic_by_hand(void **state)
{
    (void)state;
    static const uint64_t even[2] = { 1, 1 };
    ent_coder_spec spec = spec_of("arithmetic", 2);
    assert_ok(ent_coder_spec_set(&spec, "streams", 2));
    assert_ok(ent_coder_spec_set(&spec, "log", 1));
    static const uint8_t symbols[3] = { 1, 0, 1 };
    /* stream 0 has symbols 1, 1: 2^63 - 1, and floor((2^63 - 1) / 2) more; stream 1 has symbol 0 */
    static const uint8_t code[17] = { 8, 0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE };
    expect_code(&spec, even, symbols, 3, code, 17);
    /* 0 of 256 slots twice in each stream: low stays 0, and each takes a byte */
    assert_ok(ent_coder_spec_set(&spec, "log", 8));
    static const uint64_t rare[2] = { 1, 255 };
    static const uint8_t zeros[4] = { 0 }, nothing[1 + 2 * 10] = { 10 };
    expect_code(&spec, rare, zeros, 4, nothing, 21);
    /* zeros at the end count, too */
    uint64_t copy[2] = { 1, 255 };
    coded c = code_of(&spec, &(ent_counts){ 2, copy }, zeros, 4);
    uint8_t back[4];
    assert_status(ent_decode(c.table, (ent_bytes){ nothing, 20 }, back, 4), ENT_ECORRUPT);
    coded_free(&c);
}

/* Middle symbols straddle one half, so that 0x7F 0xFF ... is written until the upper one ends that. */
static void carries_run_back(void **state)
{
    (void)state;
    static const uint64_t count[3] = { 1, 2, 1 };
    uint8_t symbols[60], back[60];
    memset(symbols, 1, sizeof symbols);
    for (size_t n = 2; n <= sizeof symbols; n++) {
        uint8_t code[200];
        ent_range_encoder e;
        ent_range_decoder d;
        ent_tally tally;
        size_t used = ent_range_begin(&e, 1, n, 1, code);
        assert_true(used == 1 && ent_range_bound(1, n, 1) <= sizeof code);
        symbols[n - 2] = 1;
        symbols[n - 1] = 2;
        for (size_t i = 0; i < n; i++)
            ent_range_put(&e, symbols[i] == 0 ? 0 : symbols[i] == 1 ? 1 : 3, (uint32_t)count[symbols[i]], 2);
        size_t size = ent_range_finish(&e, 1, n, 1, code, &tally);
        if (n > 9 && n < 50) assert_int_equal(code[0], 0x80); /* later the 64 bits of range are used up */
        assert_ok(ent_range_open(&d, 1, n, (ent_bytes){ code, size }));
        for (size_t i = 0; i < n; i++) {
            uint64_t slot = ent_range_slot(&d, 2);
            back[i] = slot == 0 ? 0 : slot < 3 ? 1 : 2;
            ent_range_take(&d, slot == 0 ? 0 : slot < 3 ? 1 : 3, (uint32_t)count[back[i]], 2);
        }
        assert_true(ent_range_ended(&d, 1, n));
        assert_memory_equal(symbols, back, n);
    }
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Once in 2^64 symbols a carry passes the eight bytes that are in a register. */
static void carries_run_back_further(void **state)
{
    (void)state;
    uint8_t code[12] = { 0x12, 0xFF, 0xFF };
    ent_range_encoder e = { .low = UINT64_MAX, .range = UINT64_MAX, .before = UINT64_MAX, .next = code + 3 };
    ent_range_put(&e, 1, 1, 1); /* low + 2^63 - 1 */
    assert_memory_equal(code, ((uint8_t[]){ 0x13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }), 12);
    assert_true(e.before == 0 && e.low == INT64_MAX - 1 && e.range == INT64_MAX && e.next == code + 3);
}

/* What ends a code is known to the decoder: 16 bits a state in rans, so that some damage makes another
 * code that is valid, and 64 bits a stream in the arithmetic coders. */
static void damage_is_seen(void **state)
{
    (void)state;
    static const struct { const char *coder; size_t unseen; } row[] = {
        { "rans", 5 }, { "arithmetic", 0 }, { "arithmetic-adaptive", 0 }
    };
    enum { N = 700 };
    uint8_t *symbols = geometric(N, 12), back[N];
    ent_counts counts = counts_of(12, symbols, N);
    for (int k = 0; k < 3; k++) {
        ent_coder_spec spec = spec_of(row[k].coder, 12);
        coded c = code_of(&spec, &counts, symbols, N);
        size_t unseen = 0;
        for (size_t bit = 0; bit < 8 * c.code.size; bit++) {
            c.code.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            unseen += ent_decode(c.table, (ent_bytes){ c.code.data, c.code.size }, back, N) == ENT_OK;
            c.code.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_true(unseen <= row[k].unseen);
        for (size_t size = 0; size < c.code.size; size++)
            assert_status(ent_decode(c.table, (ent_bytes){ c.code.data, size }, back, N), ENT_ECORRUPT);
        assert_ok(ent_buffer_reserve(&c.code, c.code.size + 4));
        memset(c.code.data + c.code.size, 0, 4);
        for (size_t more = 1; more <= 4; more++)
            assert_status(ent_decode(c.table, (ent_bytes){ c.code.data, c.code.size + more }, back, N), ENT_ECORRUPT);
        coded_free(&c);
    }
    ent_counts_free(&counts);
    free(symbols);
}

/* zstd and lz4 would go on after the first frame, or stop before the end of the bytes. */
static void baselines_take_one_frame(void **state)
{
    (void)state;
    static const char *const coders[] = { "zstd", "lz4" };
    for (int k = 0; k < 2; k++) {
        if (!ent_coder_find(coders[k])) continue; /* this build has none */
        uint8_t symbols[400] = { 1, 2, 3 }, code[2000], back[800];
        ent_table *table, *narrow;
        ent_coder_spec spec = spec_of(coders[k], 100);
        ent_buffer out = { code, 0, sizeof code };
        assert_ok(ent_table_train(&narrow, &spec, NULL, ENT_DECODE));
        spec = spec_of(coders[k], 256);
        assert_ok(ent_table_train(&table, &spec, NULL, ENT_ENCODE | ENT_DECODE));
        assert_ok(ent_encode(table, symbols, 400, &out, NULL));
        assert_ok(ent_decode(narrow, (ent_bytes){ code, out.size }, back, 400));
        size_t one = out.size;
        symbols[399] = 100;
        assert_ok(ent_encode(table, symbols, 400, &out, NULL));
        assert_status(ent_decode(table, (ent_bytes){ code, out.size }, back, 800), ENT_ECORRUPT);
        assert_status(ent_decode(narrow, (ent_bytes){ code + one, out.size - one }, back, 400), ENT_ECORRUPT);
        ent_table_free(table);
        ent_table_free(narrow);
    }
    static const uint8_t skippable[8] = { 0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0 }; /* RFC 8878, 3.1.2 */
    if (!ent_coder_find("zstd")) return;
    ent_coder_spec spec = spec_of("zstd", 256);
    ent_table *table;
    uint8_t code[100], back[3];
    memcpy(code, skippable, 8);
    ent_buffer out = { code, 8, sizeof code - 8 };
    assert_ok(ent_table_train(&table, &spec, NULL, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_encode(table, "abc", 3, &out, NULL));
    memcpy(code + out.size, skippable, 8);
    assert_ok(ent_decode(table, (ent_bytes){ code + 8, out.size - 8 }, back, 3));
    assert_status(ent_decode(table, (ent_bytes){ code, out.size }, back, 3), ENT_ECORRUPT);
    assert_status(ent_decode(table, (ent_bytes){ code + 8, out.size }, back, 3), ENT_ECORRUPT);
    ent_table_free(table);
}

static void a_wished_log_holds(void **state)
{
    (void)state;
    uint64_t count[100];
    for (size_t s = 0; s < 100; s++) count[s] = s + 1;
    ent_counts counts = { 100, count };
    for (int k = 0; k < 2; k++) {
        ent_coder_spec spec = spec_of(k ? "rans" : "arithmetic", 100);
        ent_table *table, *read;
        ent_buffer bytes = { 0 };
        for (uint32_t log = 1; log <= 9; log++) { /* a hundred live symbols need 7 bits of slots */
            assert_ok(ent_coder_spec_set(&spec, "log", log));
            assert_ok(ent_table_train(&table, &spec, &counts, ENT_ENCODE));
            bytes.size = 0;
            assert_ok(ent_table_write(table, &bytes));
            ent_table_free(table);
            assert_int_equal(bytes.data[0] & 31, log < 7 ? 7 : log);
            assert_ok(ent_table_read(&table, &spec, (ent_bytes){ bytes.data, bytes.size }, ENT_DECODE));
            ent_table_free(table);
            assert_ok(ent_coder_spec_set(&spec, "log", 12));
            assert_status(ent_table_read(&read, &spec, (ent_bytes){ bytes.data, bytes.size }, ENT_DECODE), ENT_ECORRUPT);
        }
        ent_free(bytes.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_16_bits_cost_their_entropy),
        cmocka_unit_test(peaked_symbols_cost_their_entropy),
        cmocka_unit_test(powers_of_two_are_exact),
        cmocka_unit_test(the_adaptive_model_follows),
        cmocka_unit_test(rans_by_hand),
        cmocka_unit_test(arithmetic_by_hand),
        cmocka_unit_test(carries_run_back),
        cmocka_unit_test(carries_run_back_further),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(baselines_take_one_frame),
        cmocka_unit_test(a_wished_log_holds),
    };
    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
