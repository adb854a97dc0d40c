/* test_count.c - histograms and normalisation: closed forms, exhaustive optimum, hostile bytes. */
#include <math.h>

#include "test.h"

static void counts_add_up(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    uint16_t words[1000];
    uint64_t expected[256] = { 0 };
    ent_random r;
    ent_random_seed(&r, 1, 0);
    for (size_t i = 0; i < 1000; i++) {
        bytes[i] = (uint8_t)(ent_random_bits(&r) & ent_random_bits(&r));
        words[i] = (uint16_t)(bytes[i] * 257u);
        expected[bytes[i]]++;
    }
    for (size_t n = 0; n <= 1000; n = n * 2 + 1) { /* parts merge into the whole, at every alignment of the cut */
        ent_counts a, b, w;
        assert_ok(ent_counts_init(&a, 256));
        assert_ok(ent_counts_init(&b, 256));
        assert_ok(ent_counts_init(&w, 65536));
        assert_ok(ent_counts_add(&a, bytes, 1, n));
        assert_ok(ent_counts_add(&b, bytes + n, 1, 1000 - n));
        assert_ok(ent_counts_merge(&a, &b));
        assert_ok(ent_counts_add(&w, words, 2, 1000));
        for (uint32_t s = 0; s < 256; s++) {
            assert_int_equal(a.count[s], expected[s]);
            assert_int_equal(w.count[s * 257], expected[s]);
        }
        assert_int_equal(ent_counts_total(&a), 1000);
        assert_int_equal(ent_counts_live(&a), ent_counts_live(&w));
        assert_status(ent_counts_merge(&a, &w), ENT_EINVAL);
        ent_counts_free(&a);
        ent_counts_free(&b);
        ent_counts_free(&w);
    }
}

/* Nearly all symbols within a few values of a centre that jumps, at every place of the range; and elsewhere some. */
static void narrow_symbols_are_counted(void **state)
{
    (void)state;
    enum { N = 200003 };
    static const uint32_t width[] = { 1, 9, 16, 17, 40 }, rare[] = { 0, 1000, 30, 3 };
    ent_random r;
    ent_random_seed(&r, 2, 0);
    for (unsigned k = 0; k < 5 * 4 * 2; k++) {
        const uint32_t alphabet = k % 2 ? 256 : 100, one_in = rare[k / 2 % 4];
        guarded symbols = guarded_new(N);
        uint64_t expected[256] = { 0 };
        ent_counts c;
        for (size_t i = 0, centre = 0; i < N; i++) {
            if (i % 70000 == 0) centre = ent_random_bits(&r) % 256;
            uint64_t bits = ent_random_bits(&r), s = centre + (bits & 0xFFFF) % width[k / 8];
            if (one_in && bits >> 32 < UINT32_MAX / one_in) s = bits >> 16;
            symbols.data[i] = (uint8_t)((s & 255) % alphabet);
            expected[symbols.data[i]]++;
        }
        assert_ok(ent_counts_init(&c, alphabet));
        assert_ok(ent_counts_add(&c, symbols.data, 1, N));
        for (uint32_t s = 0; s < alphabet; s++) assert_int_equal(c.count[s], expected[s]);
        symbols.data[N / 2] = 100; /* refused as a whole, wherever it is */
        assert_status(ent_counts_add(&c, symbols.data, 1, N), alphabet == 100 ? ENT_EINVAL : ENT_OK);
        assert_int_equal(ent_counts_total(&c), alphabet == 100 ? N : 2 * N);
        ent_counts_free(&c);
        guarded_free(&symbols);
    }
}

/* BF16 words: exponents over `width` values from a centre that moves, one in `rare` anywhere; the rest any bits. */
static void make_words(uint16_t *words, size_t n, uint32_t width, uint32_t rare, ent_random *r)
{
    for (size_t i = 0, centre = 0; i < n; i++) {
        if (i % 150000 == 0) centre = ent_random_bits(r) % 256;
        uint64_t bits = ent_random_bits(r), exponent = centre + (bits & 0xFFFF) % width;
        if (rare && bits >> 32 < UINT32_MAX / rare) exponent = bits >> 16;
        words[i] = (uint16_t)((bits >> 48 & 0x807F) | (exponent & 255) << 7);
    }
}

static void expect_bf16(const uint8_t *words, size_t n)
{
    uint64_t sign[2] = { 0 }, exponent[256] = { 0 }, mantissa[128] = { 0 };
    for (size_t i = 0; i < n; i++) {
        const unsigned word = words[2 * i] | (unsigned)words[2 * i + 1] << 8;
        sign[word >> 15]++, exponent[word >> 7 & 255]++, mantissa[word & 127]++;
    }
    for (unsigned which = 0; which < 8; which++) {
        ent_counts s, e, m;
        assert_ok(ent_counts_init(&s, 2));
        assert_ok(ent_counts_init(&e, 256));
        assert_ok(ent_counts_init(&m, 128));
        m.count[3] = 5; /* it adds */
        const ent_bf16_counts to = { which & 1 ? &s : NULL, which & 2 ? &e : NULL, which & 4 ? &m : NULL };
        assert_ok(ent_counts_add_bf16(&to, words, n));
        m.count[3] -= 5;
        for (unsigned i = 0; i < 2; i++) assert_int_equal(s.count[i], which & 1 ? sign[i] : 0);
        for (unsigned i = 0; i < 256; i++) assert_int_equal(e.count[i], which & 2 ? exponent[i] : 0);
        for (unsigned i = 0; i < 128; i++) assert_int_equal(m.count[i], which & 4 ? mantissa[i] : 0);
        ent_counts_free(&s), ent_counts_free(&e), ent_counts_free(&m);
    }
}

static void fields_of_bf16_are_counted(void **state)
{
    (void)state;
    static const size_t size[] = { 0, 1, 1023, 1024, 2047, 2048, 2049, 3072, 70001, 400003 };
    static const uint32_t width[] = { 1, 12, 16, 40, 256 }, rare[] = { 0, 1000, 20, 4 };
    ent_random r;
    ent_random_seed(&r, 3, 0);
    for (unsigned k = 0; k < 10; k++) {
        guarded words = guarded_new(2 * size[k]), shifted = guarded_new(2 * size[k] + 1); /* even and odd addresses */
        for (unsigned v = 0; v < 5; v++) {
            make_words((uint16_t *)(void *)words.data, size[k], width[v], rare[(v + k) % 4], &r);
            if (size[k]) memcpy(shifted.data, words.data, 2 * size[k]);
            expect_bf16(words.data, size[k]);
            expect_bf16(shifted.data, size[k]);
        }
        memset(words.data, 0x3F, 2 * size[k]); /* one word: its cell fills the fastest */
        expect_bf16(words.data, size[k]);
        guarded_free(&words), guarded_free(&shifted);
    }
    ent_counts three;
    assert_ok(ent_counts_init(&three, 3));
    assert_status(ent_counts_add_bf16(&(ent_bf16_counts){ .sign = &three }, "ab", 1), ENT_EINVAL);
    assert_status(ent_counts_add_bf16(&(ent_bf16_counts){ .exponent = &three }, "ab", 1), ENT_EINVAL);
    assert_status(ent_counts_add_bf16(&(ent_bf16_counts){ .mantissa = &three }, "ab", 1), ENT_EINVAL);
    ent_counts_free(&three);
}

static void symbols_outside_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[20] = { 0 };
    ent_counts c;
    assert_ok(ent_counts_init(&c, 7));
    bytes[13] = 7;
    assert_status(ent_counts_add(&c, bytes, 1, 20), ENT_EINVAL);
    assert_int_equal(ent_counts_total(&c), 0);
    bytes[13] = 6;
    assert_ok(ent_counts_add(&c, bytes, 1, 20));
    assert_int_equal(c.count[6], 1);
    ent_counts_free(&c);
    assert_status(ent_counts_init(&c, 0), ENT_EINVAL);
    assert_status(ent_counts_init(&c, 65537), ENT_EINVAL);
}

static void counts_travel_as_bytes(void **state)
{
    (void)state;
    ent_counts c, d;
    ent_buffer out = { 0 };
    assert_ok(ent_counts_init(&c, 300));
    c.count[0] = 1;
    c.count[127] = 128;
    c.count[299] = UINT64_MAX;
    assert_ok(ent_counts_write(&c, &out));
    assert_ok(ent_counts_read(&d, (ent_bytes){ out.data, out.size }));
    assert_int_equal(d.alphabet, 300);
    assert_memory_equal(c.count, d.count, 300 * sizeof *c.count);
    ent_counts_free(&d);
    for (size_t cut = 0; cut < out.size; cut++) { /* a cut at a cell's end is a valid shorter histogram */
        ent_status status = ent_counts_read(&d, (ent_bytes){ out.data, cut });
        assert_true(status == ENT_ECORRUPT || status == ENT_OK);
        if (!status) assert_true(ent_counts_live(&d) < 3);
        ent_counts_free(&d);
    }
    static const uint8_t bad[][4] = { { 0 }, { 5, 5, 1 }, { 5, 0, 0 }, { 5, 1, 1, 128 }, { 5, 0x80, 0x80, 0x80 }, { 5, 0x80, 0, 1 } };
    static const size_t size[] = { 1, 3, 3, 4, 4, 4 };
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        assert_status(ent_counts_read(&d, (ent_bytes){ bad[i], size[i] }), ENT_ECORRUPT);
    ent_free(out.data);
    ent_counts_free(&c);
}

static double cost(const ent_counts *c, const uint32_t *freq, unsigned log2_total)
{
    double bits = 0;
    for (uint32_t s = 0; s < c->alphabet; s++)
        if (c->count[s]) bits += (double)c->count[s] * (log2_total - log2(freq[s]));
    return bits;
}

/* Every way to give `slots` to 4 symbols, each 1 .. cap: the least cost. */
static double least_cost(const ent_counts *c, unsigned log2_total, uint32_t cap)
{
    uint32_t total = 1u << log2_total, f[4];
    double best = INFINITY;
    for (f[0] = 1; f[0] <= cap; f[0]++)
        for (f[1] = 1; f[1] <= cap && f[0] + f[1] < total; f[1]++)
            for (f[2] = 1; f[2] <= cap && f[0] + f[1] + f[2] < total; f[2]++) {
                f[3] = total - f[0] - f[1] - f[2];
                if (f[3] <= cap) best = fmin(best, cost(c, f, log2_total));
            }
    return best;
}

static void normalisation_is_optimal(void **state)
{
    (void)state;
    ent_random r;
    ent_random_seed(&r, 2, 0);
    for (int trial = 0; trial < 200; trial++) {
        uint64_t count[4];
        uint32_t freq[4], cap = trial % 2 ? 32 : 12;
        for (int s = 0; s < 4; s++) count[s] = 1 + ent_random_below(&r, (uint64_t)1 << ent_random_below(&r, 20));
        ent_counts c = { 4, count };
        assert_ok(ent_normalize(&c, 5, cap, freq));
        assert_int_equal(freq[0] + freq[1] + freq[2] + freq[3], 32);
        for (int s = 0; s < 4; s++) assert_in_range(freq[s], 1, cap);
        double best = least_cost(&c, 5, cap);
        assert_close(cost(&c, freq, 5), best, 1e-6 * best + 1e-6);
    }
}

static void normalisation_edges(void **state)
{
    (void)state;
    static uint64_t count[65536];
    static uint32_t freq[65536];
    ent_counts c = { 65536, count };
    assert_status(ent_normalize(&c, 12, 0, freq), ENT_EINVAL); /* nothing counted */
    count[77] = 5;
    assert_ok(ent_normalize(&c, 12, 0, freq));
    assert_int_equal(freq[77], 4096);
    assert_status(ent_normalize(&c, 8, 127, freq), ENT_EINVAL); /* one symbol cannot fill 256 slots of 127 */
    for (uint32_t s = 0; s < 65536; s++) count[s] = 1 + (s == 9) * 1000000;
    assert_status(ent_normalize(&c, 15, 0, freq), ENT_EINVAL); /* more symbols than slots */
    assert_ok(ent_normalize(&c, 16, 0, freq));
    for (uint32_t s = 0; s < 65536; s++) assert_int_equal(freq[s], 1);
    assert_ok(ent_normalize(&c, 17, 0, freq));
    uint64_t sum = 0;
    for (uint32_t s = 0; s < 65536; s++) sum += freq[s];
    assert_int_equal(sum, 131072);
    assert_int_equal(freq[9], 65537);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_add_up),
        cmocka_unit_test(narrow_symbols_are_counted),
        cmocka_unit_test(fields_of_bf16_are_counted),
        cmocka_unit_test(symbols_outside_are_refused),
        cmocka_unit_test(counts_travel_as_bytes),
        cmocka_unit_test(normalisation_is_optimal),
        cmocka_unit_test(normalisation_edges),
    };
    return cmocka_run_group_tests_name("count", tests, NULL, NULL);
}
