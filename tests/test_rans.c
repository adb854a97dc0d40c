/* test_rans.c - rans of every number of states against a decoder written from FORMAT.md. */
#include "base/bits.h"
#include "coder/freq.h"
#include "samples.h"
#include "test.h"

/* As the format says, with no table but the frequencies; false where the code is not valid. */
static bool decode_by_format(const uint32_t *freq, uint32_t alphabet, unsigned log, ent_bytes in, size_t states,
                             uint32_t width, void *symbols, size_t n)
{
    uint64_t x[64];
    bool narrow = log <= 16;
    for (uint32_t s = 0; s < alphabet; s++) narrow &= freq[s] < 1u << 16;
    const size_t k = n < states ? n : states, state_bytes = narrow ? 4 : 8;
    const uint64_t low = narrow ? 1u << 16 : 1u << 31;
    const uint8_t *p = in.data + k * state_bytes, *end = in.data + in.size;
    if (in.size < k * state_bytes) return false;
    for (size_t s = 0; s < k; s++)
        x[s] = narrow ? ent_load32(in.data + 4 * s) : ent_load64(in.data + 8 * s);
    for (size_t i = 0; i < n; i++) {
        uint64_t *v = &x[i % k], slot = *v & ((1u << log) - 1);
        uint32_t symbol = 0, start = 0;
        while (symbol < alphabet && start + freq[symbol] <= slot) start += freq[symbol++];
        ent_symbol_put(symbols, width, i, symbol);
        *v = freq[symbol] * (*v >> log) + slot - start;
        if (*v >= low) continue;
        if ((size_t)(end - p) < state_bytes / 2) return false;
        *v = narrow ? *v << 16 | ent_load16(p) : *v << 32 | ent_load32(p);
        p += state_bytes / 2;
    }
    bool good = p == end;
    for (size_t s = 0; s < k; s++) good &= x[s] == low;
    return good;
}

static void check(uint32_t alphabet, uint32_t states, uint32_t log, sample_kind kind, size_t n)
{
    ent_coder_spec spec;
    ent_counts counts;
    ent_table *table;
    ent_buffer bytes = { 0 };
    uint32_t freq[1000];
    unsigned used;
    void *symbols = sample_make(kind, alphabet, n, n + states, &counts);
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find("rans"), alphabet));
    assert_ok(ent_coder_spec_set(&spec, "states", states));
    assert_ok(ent_coder_spec_set(&spec, "log", log));
    assert_ok(ent_table_train(&table, &spec, &counts, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_table_write(table, &bytes));
    assert_ok(ent_freq_read((ent_bytes){ bytes.data, bytes.size }, alphabet, 22, freq, &used));
    guarded out = guarded_new(ent_encode_bound(table, n)), back = guarded_new(n * spec.width);
    ent_buffer code = { out.data, 0, ent_encode_bound(table, n) };
    assert_ok(ent_encode(table, symbols, n, &code, NULL));
    guarded exact = guarded_copy(code.data, code.size);
    ent_bytes in = { exact.data, code.size };
    assert_true(decode_by_format(freq, alphabet, used, in, states, spec.width, back.data, n));
    assert_memory_equal(back.data, symbols, n * spec.width);
    memset(back.data, 0xA5, n * spec.width);
    assert_ok(ent_decode(table, in, back.data, n));
    assert_memory_equal(back.data, symbols, n * spec.width);
    guarded_free(&exact);
    guarded_free(&out);
    guarded_free(&back);
    ent_free(bytes.data);
    ent_table_free(table);
    ent_free(symbols);
    ent_counts_free(&counts);
}

static void codes_are_of_the_format(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = { 2, 40, 256, 300, 1000 }, states[] = { 1, 15, 16, 17, 31, 32, 48, 63, 64 };
    static const uint32_t logs[] = { 0, 1, 8, 12, 13, 15, 16, 17 };
    static const size_t sizes[] = { 16, 65, 130, 1003 };
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++)
        for (size_t s = 0; s < sizeof states / sizeof *states; s++)
            for (size_t l = 0; l < sizeof logs / sizeof *logs; l++)
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                    check(alphabets[a], states[s], logs[l], (sample_kind)((a + s + l + i) % SAMPLE_KINDS), sizes[i]);
}

/* Every place of a round, since vector loops look at many at once. */
static void a_symbol_without_a_code_is_refused_anywhere(void **state)
{
    (void)state;
    for (uint32_t alphabet = 200; alphabet <= 300; alphabet += 100)
        for (uint32_t states = 16; states <= 64; states += 16) {
            enum { N = 200 };
            ent_coder_spec spec;
            ent_counts counts;
            ent_table *table;
            void *symbols = sample_make(SAMPLE_EVEN, alphabet, N, 3, &counts);
            assert_ok(ent_coder_spec_init(&spec, ent_coder_find("rans"), alphabet));
            assert_ok(ent_coder_spec_set(&spec, "states", states));
            assert_ok(ent_table_train(&table, &spec, &counts, ENT_ENCODE));
            guarded out = guarded_new(ent_encode_bound(table, N));
            for (size_t i = 0; i < N; i++)
                for (uint32_t k = 0; k < 3; k++) {
                    const uint32_t odd[] = { 1, alphabet, spec.width == 1 ? 255 : 65535 };
                    uint32_t before = ent_symbol_at(symbols, spec.width, i);
                    ent_buffer code = { out.data, 0, ent_encode_bound(table, N) };
                    ent_symbol_put(symbols, spec.width, i, odd[k]);
                    assert_status(ent_encode(table, symbols, N, &code, NULL), ENT_ERANGE);
                    ent_symbol_put(symbols, spec.width, i, before);
                }
            guarded_free(&out);
            ent_table_free(table);
            ent_free(symbols);
            ent_counts_free(&counts);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_of_the_format),
        cmocka_unit_test(a_symbol_without_a_code_is_refused_anywhere),
    };
    return cmocka_run_group_tests_name("rans", tests, NULL, NULL);
}
