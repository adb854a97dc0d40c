/* test_freq.c - the stored form of frequency tables: bytes by hand, round trips, hostile bytes. */
#include <math.h>

#include "coder/freq.h"
#include "test.h"

static void bytes_by_hand(void **state)
{
    (void)state;
    /* 2^3 slots, symbol 2 has 5, symbol 3 has 2, symbol 6 has 1 (FORMAT.md, "Frequency table"), lowest bit first:
     * 11000 log2 | gap 2: gamma(3) 01 1 | run 2: gamma(2) 01 0 | magnitude 2, one up from 1: gamma(3) 01 1, 5 - 4: 10
     * | magnitude 1, one down: gamma(2) 01 0, 2 - 2: 0 | gap 2: gamma(2) 01 0 | run 1: 1 | magnitude 0, down: 01 0 */
    static const char bits[] = "11000" "011" "010" "011" "10" "010" "0" "010" "1" "010";
    static const uint32_t freq[8] = { 0, 0, 5, 2, 0, 0, 1, 0 };
    uint8_t expected[8] = { 0 };
    uint32_t got[8];
    unsigned log2_total;
    size_t size = (sizeof bits - 1 + 7) / 8;
    for (size_t i = 0; i < sizeof bits - 1; i++) expected[i / 8] |= (uint8_t)((bits[i] == '1') << i % 8);
    ent_buffer out = { 0 };
    assert_ok(ent_freq_write(freq, 8, 3, &out));
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, expected, size);
    assert_ok(ent_freq_read((ent_bytes){ expected, size }, 8, 24, got, &log2_total));
    assert_memory_equal(got, freq, sizeof freq);
    assert_int_equal(log2_total, 3);
    assert_status(ent_freq_read((ent_bytes){ expected, size }, 8, 2, got, &log2_total), ENT_ECORRUPT);
    assert_status(ent_freq_read((ent_bytes){ expected, size }, 6, 24, got, &log2_total), ENT_ECORRUPT);
    ent_free(out.data);
}

static void round_trip(const uint32_t *freq, uint32_t alphabet, unsigned log2_total)
{
    static uint32_t got[65536];
    unsigned got_log2;
    ent_buffer out = { 0 };
    assert_ok(ent_freq_write(freq, alphabet, log2_total, &out));
    guarded in = guarded_copy(out.data, out.size);
    assert_ok(ent_freq_read((ent_bytes){ in.data, in.size }, alphabet, log2_total, got, &got_log2));
    assert_int_equal(got_log2, log2_total);
    assert_memory_equal(got, freq, alphabet * sizeof *freq);
    guarded_free(&in);
    for (size_t step = 1 + out.size / 50, cut = 0; cut < out.size; cut += step)
        assert_status(ent_freq_read((ent_bytes){ out.data, cut }, alphabet, 24, got, &got_log2), ENT_ECORRUPT);
    assert_ok(ent_buffer_reserve(&out, out.size + 1));
    out.data[out.size] = 0;
    assert_status(ent_freq_read((ent_bytes){ out.data, out.size + 1 }, alphabet, 24, got, &got_log2), ENT_ECORRUPT);
    ent_free(out.data);
}

static void random_tables_come_back(void **state)
{
    (void)state;
    static uint64_t count[65536];
    static uint32_t freq[65536];
    static const uint32_t alphabets[] = { 1, 2, 3, 16, 256, 257, 65536 };
    ent_random r;
    ent_random_seed(&r, 3, 0);
    for (int trial = 0; trial < 100; trial++) {
        uint32_t alphabet = alphabets[trial % 7];
        unsigned least = 0, log2_total;
        for (uint32_t s = 0; s < alphabet; s++)
            count[s] = ent_random_below(&r, 4) < (unsigned)trial % 5 ? ent_random_bits(&r) >> (16 + ent_random_below(&r, 48)) : 0;
        count[alphabet - 1] += trial % 2 == 0;
        count[alphabet / 2] += trial % 2 == 1;
        ent_counts c = { alphabet, count };
        while (1u << least < ent_counts_live(&c)) least++;
        log2_total = least + (unsigned)ent_random_below(&r, 25 - least);
        if (alphabet == 65536 && log2_total > 20) log2_total = 20;
        assert_ok(ent_normalize(&c, log2_total, 0, freq));
        round_trip(freq, alphabet, log2_total);
    }
    memset(freq, 0, sizeof freq); /* the largest numbers there are */
    freq[65535] = 1u << 24;
    round_trip(freq, 65536, 24);
    freq[65535]--;
    freq[0] = 1;
    round_trip(freq, 65536, 24);
    for (uint32_t s = 0; s < 65536; s++) freq[s] = s % 2; /* runs of one: the longest form a symbol */
    round_trip(freq, 65536, 15);
}

static void peaked_tables_are_small(void **state)
{
    (void)state;
    static uint64_t count[256];
    static uint32_t freq[256];
    for (int i = 0; i < 40; i++) count[100 + i] = (uint64_t)(1e9 * exp(-0.35 * abs(i - 28))) + 1; /* like exponents */
    ent_counts c = { 256, count };
    ent_buffer out = { 0 };
    assert_ok(ent_normalize(&c, 12, 0, freq));
    assert_ok(ent_freq_write(freq, 256, 12, &out));
    assert_true(out.size <= 40); /* one byte a live symbol */
    ent_free(out.data);
}

/* Whatever is accepted is what the writer would have written: one form for each table. */
static bool accepts(const uint8_t *bytes, size_t size, uint32_t alphabet)
{
    uint32_t freq[256];
    unsigned log2_total;
    ent_status status = ent_freq_read((ent_bytes){ bytes, size }, alphabet, 24, freq, &log2_total);
    if (status) {
        assert_int_equal(status, ENT_ECORRUPT);
        return false;
    }
    uint64_t sum = 0;
    for (uint32_t s = 0; s < alphabet; s++) sum += freq[s];
    assert_int_equal(sum, (uint64_t)1 << log2_total);
    ent_buffer out = { 0 };
    assert_ok(ent_freq_write(freq, alphabet, log2_total, &out));
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, bytes, size);
    ent_free(out.data);
    return true;
}

static void every_short_string_is_one_table_or_none(void **state)
{
    (void)state;
    int accepted = 0;
    for (uint32_t v = 0; v < 65536; v++) {
        uint8_t bytes[2] = { (uint8_t)v, (uint8_t)(v >> 8) };
        if (v < 256) accepted += accepts(bytes, 1, 3);
        accepted += accepts(bytes, 2, 3);
    }
    /* the tables of 1 and 2 slots fit 2 bytes whatever the symbols: 3 with one slot, 6 with two */
    assert_true(accepted >= 9);
}

static void any_bytes_are_safe(void **state)
{
    (void)state;
    ent_random r;
    ent_random_seed(&r, 4, 0);
    for (int trial = 0; trial < 100000; trial++) {
        uint8_t bytes[24];
        size_t size = ent_random_below(&r, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(ent_random_bits(&r) | ent_random_bits(&r));
        guarded in = { .data = bytes };
        if (trial % 64 == 0) in = guarded_copy(bytes, size);
        accepts(in.data, size, trial % 3 ? 256 : 3);
        if (trial % 64 == 0) guarded_free(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_by_hand),
        cmocka_unit_test(random_tables_come_back),
        cmocka_unit_test(peaked_tables_are_small),
        cmocka_unit_test(every_short_string_is_one_table_or_none),
        cmocka_unit_test(any_bytes_are_safe),
    };
    return cmocka_run_group_tests_name("freq", tests, NULL, NULL);
}
