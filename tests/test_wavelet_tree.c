/* test_wavelet_tree.c - Huffman codes by tree node: a code worked out by hand, the size of huffman's, deep trees over
 * many chunks, the plain loops as the judge of the fast ones, damaged blocks. */
#include "coder/wavelet_tree.h"
#include "samples.h"

static ent_coder_spec spec_of(const char *coder, uint32_t alphabet)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find(coder), alphabet));
    return spec;
}

static ent_table *trained(const ent_coder_spec *spec, const uint8_t *symbols, size_t n)
{
    ent_counts counts;
    ent_table *t;
    assert_ok(ent_counts_init(&counts, spec->alphabet));
    assert_ok(ent_counts_add(&counts, symbols, 1, n));
    assert_ok(ent_table_train(&t, spec, &counts, ENT_ENCODE | ENT_DECODE));
    ent_counts_free(&counts);
    return t;
}

static ent_buffer coded(const ent_table *t, const uint8_t *symbols, size_t n)
{
    ent_buffer out = { 0 };
    assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
    assert_ok(ent_encode(t, symbols, n, &out, NULL));
    return out;
}

/* Code lengths 1, 2, 3, 3 of the symbols 5, 6, 7, 8: codes 0, 10, 110, 111.
 *   symbols   6 5 8 5 7 5 5 5 6
 *   root      1 0 1 0 1 0 0 0 1    0x15 0x01 (lowest bit first)
 *   6 or more 0   1   1       0    0x06
 *   7 or 8        1   0            0x01 */
static void a_code_by_hand(void **state)
{
    (void)state;
    static const uint8_t symbols[] = { 6, 5, 8, 5, 7, 5, 5, 5, 6 }, code[] = { 0x15, 0x01, 0x06, 0x01 };
    ent_coder_spec spec = spec_of("wavelet-tree", 256);
    ent_table *t = trained(&spec, symbols, sizeof symbols);
    ent_buffer out = coded(t, symbols, sizeof symbols);
    assert_int_equal(out.size, sizeof code);
    assert_memory_equal(out.data, code, sizeof code);
    uint8_t got[sizeof symbols];
    assert_ok(ent_decode(t, (ent_bytes){ code, sizeof code }, got, sizeof got));
    assert_memory_equal(got, symbols, sizeof got);
    out.data[1] |= 2; /* a bit after the root's last one */
    assert_status(ent_decode(t, (ent_bytes){ out.data, out.size }, got, sizeof got), ENT_ECORRUPT);
    ent_free(out.data);
    ent_table_free(t);
}

/* The bits are those of huffman in one string; only the last bytes of the nodes' strings come on top. */
static void as_long_as_huffman(void **state)
{
    (void)state;
    enum { N = 200000 };
    for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
        ent_counts counts;
        ent_coder_spec spec[2] = { spec_of("wavelet-tree", 256), spec_of("huffman", 256) };
        uint8_t *symbols = sample_make(kind, 256, N, 3, &counts);
        size_t size[2];
        assert_ok(ent_coder_spec_set(&spec[1], "max", 32));
        assert_ok(ent_coder_spec_set(&spec[1], "streams", 1));
        for (int i = 0; i < 2; i++) {
            ent_table *t = trained(&spec[i], symbols, N);
            ent_buffer out = coded(t, symbols, N);
            size[i] = out.size;
            ent_free(out.data);
            ent_table_free(t);
        }
        assert_in_range(size[0], size[1], size[1] + ent_counts_live(&counts));
        ent_free(symbols);
        ent_counts_free(&counts);
    }
}

/* ---- deep trees, many chunks, every instruction set ------------------------------------------- */

/* Fibonacci counts give the deepest tree; symbols come in stretches, so that a side has all of a chunk or none. */
static uint8_t *stretches(size_t n)
{
    enum { DEEP = 22 };
    uint8_t *symbols = ent_alloc(n);
    ent_random r;
    assert_non_null(symbols);
    ent_random_seed(&r, 6, n);
    for (size_t i = 0; i < n;) {
        size_t run = 1 + (size_t)ent_random_below(&r, ent_random_below(&r, 5) ? 4 : 20000);
        uint8_t symbol = 0;
        while (symbol < DEEP && ent_random_uniform(&r) < 0.62) symbol++;
        for (; run && i < n; run--) symbols[i++] = (uint8_t)(symbol * 11);
    }
    return symbols;
}

static void stretches_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 63, 64, 65, WAVELET_CHUNK - 1, WAVELET_CHUNK, WAVELET_CHUNK + 1,
                                    3 * WAVELET_CHUNK + 77, 300001 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k];
        ent_coder_spec spec = spec_of("wavelet-tree", 256);
        uint8_t *symbols = stretches(n);
        ent_table *t = trained(&spec, symbols, n);
        ent_buffer out = coded(t, symbols, n);
        guarded in = guarded_copy(out.data, out.size), got = guarded_new(n), words = guarded_new(2 * n);
        assert_ok(ent_decode(t, (ent_bytes){ in.data, in.size }, got.data, n));
        assert_memory_equal(got.data, symbols, n);
        ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = symbols, .stream = k % 2 };
        ent_status status = ent_decode_words(t, (ent_bytes){ in.data, in.size }, &join, words.data, n);
        assert_true(status == ENT_OK || status == ENT_EUNSUPPORTED);
        for (size_t i = 0; !status && i < n; i++) {
            unsigned s = symbols[i], word = (s & 128) << 8 | s << 7 | (s & 127);
            assert_int_equal(words.data[2 * i] | words.data[2 * i + 1] << 8, word);
        }
        guarded_free(&in);
        guarded_free(&got);
        guarded_free(&words);
        ent_free(out.data);
        ent_free(symbols);
        ent_table_free(t);
    }
}

#if defined __x86_64__
enum { WORDS = 37, N = WORDS * WAVELET_WORD };

static void compare_merges(const wavelet_loops *fast, const uint8_t *bits, const uint8_t *left, const uint8_t *right)
{
    uint8_t out[2][N];
    for (int i = 0; i < 2; i++) {
        wavelet_merge m = { .bits = bits, .words = WORDS, .string = { left, right }, .symbol = { 7, 200 }, .out = out[i] };
        (i ? fast : &ent_wavelet_plain)->merge(&m);
    }
    assert_memory_equal(out[0], out[1], N);
}

static void compare_parts(const wavelet_loops *fast, const uint8_t *leaves, uint8_t middle, bool left, bool right)
{
    static uint8_t bits[2][8 * WORDS], string[2][2][N + WAVELET_WORD];
    size_t ones[2];
    for (int i = 0; i < 2; i++) {
        wavelet_part p = { .leaves = leaves, .words = WORDS, .middle = middle, .bits = bits[i],
                           .string = { left ? string[i][0] : NULL, right ? string[i][1] : NULL } };
        ones[i] = (i ? fast : &ent_wavelet_plain)->part(&p);
    }
    assert_int_equal(ones[0], ones[1]);
    assert_int_equal(fast->ones(bits[0], WORDS), ones[0]);
    assert_memory_equal(bits[0], bits[1], sizeof bits[0]);
    if (left) assert_memory_equal(string[0][0], string[1][0], N - ones[0]);
    if (right) assert_memory_equal(string[0][1], string[1][1], ones[0]);
}

static void compare_loops(const wavelet_loops *fast)
{
    static uint8_t bits[8 * WORDS], left[N + WAVELET_WORD], right[N + WAVELET_WORD];
    ent_random r;
    ent_random_seed(&r, 8, 0);
    for (int density = 0; density <= 16; density++) {
        for (size_t i = 0; i < N; i++) {
            if (i % 8 == 0) bits[i / 8] = 0;
            if ((int)ent_random_below(&r, 16) < density) bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
            left[i] = (uint8_t)ent_random_bits(&r);
            right[i] = (uint8_t)ent_random_bits(&r);
        }
        compare_merges(fast, bits, left, right);
        compare_merges(fast, bits, NULL, right);
        compare_merges(fast, bits, NULL, NULL);
        compare_parts(fast, left, (uint8_t)(1 + 15 * density), true, true);
        compare_parts(fast, left, (uint8_t)(1 + 15 * density), false, true);
        compare_parts(fast, left, (uint8_t)(1 + 15 * density), false, false);
    }
}
#endif

static void fast_loops_agree_with_the_plain_ones(void **state)
{
    (void)state;
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX2) compare_loops(&ent_wavelet_avx2);
    if (ent_cpu_features() & ENT_CPU_AVX512) compare_loops(&ent_wavelet_avx512);
#endif
}

/* ---- damage ----------------------------------------------------------------------------------- */

static void damaged_blocks_are_safe(void **state)
{
    (void)state;
    enum { SYMBOLS = 20000 };
    ent_coder_spec spec = spec_of("wavelet-tree", 256);
    uint8_t *symbols = stretches(SYMBOLS);
    ent_table *t = trained(&spec, symbols, SYMBOLS);
    ent_buffer out = coded(t, symbols, SYMBOLS);
    ent_random r;
    int caught = 0;
    ent_random_seed(&r, 9, 0);
    for (int trial = 0; trial < 300; trial++) {
        size_t size = trial % 5 == 0 ? (size_t)ent_random_below(&r, out.size) : out.size;
        guarded in = guarded_new(size), got = guarded_new(2 * SYMBOLS);
        memcpy(in.data, out.data, size);
        for (int i = 0; size && i <= trial % 3; i++) /* a flipped bit moves a symbol and all strings after it */
            in.data[ent_random_below(&r, size)] ^= (uint8_t)(1 << ent_random_below(&r, 8));
        ent_status status = ent_decode(t, (ent_bytes){ in.data, size }, got.data, SYMBOLS);
        assert_true(status == ENT_OK || status == ENT_ECORRUPT);
        caught += status == ENT_ECORRUPT;
        ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = symbols, .stream = trial % 2 };
        ent_status words = ent_decode_words(t, (ent_bytes){ in.data, size }, &join, got.data, SYMBOLS);
        assert_true(words == status || words == ENT_EUNSUPPORTED);
        guarded_free(&in);
        guarded_free(&got);
    }
    assert_in_range(caught, 60, 300);
    ent_free(out.data);
    ent_free(symbols);
    ent_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_by_hand),
        cmocka_unit_test(as_long_as_huffman),
        cmocka_unit_test(stretches_come_back),
        cmocka_unit_test(fast_loops_agree_with_the_plain_ones),
        cmocka_unit_test(damaged_blocks_are_safe),
    };
    return cmocka_run_group_tests_name("wavelet tree", tests, NULL, NULL);
}
