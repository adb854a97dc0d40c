/* test_cam.c - the content-addressed decoder: bit for bit the Huffman coder's words, and cycles that can be
 * counted by hand. */
#include <entropy/cam.h>

#include "test.h"

enum { N = 30000 };

static const ent_cam ample = { .entries = 65536, .longest = 32, .register_bits = 64, .refill_bits = 32 };

static ent_cam_forecast forecast; /* of what was decoded last */

/* Trains, lets the decoder run, and compares with what the coder itself decodes. */
static ent_cam_count decode(const ent_cam *cam, const char *codec_text, const char *dtype, const void *words, size_t n)
{
    ent_codec *codec;
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS];
    ent_tables tables;
    ent_cam_count count;
    ent_error error;
    assert_ok(ent_codec_parse(&codec, codec_text, NULL));
    assert_ok(ent_codec_bind(codec, dtype, &recipe, NULL));
    assert_ok(ent_recipe_counts_init(&recipe, counts));
    assert_ok(ent_recipe_count(&recipe, words, n, counts));
    assert_ok(ent_tables_train(&tables, &recipe, counts, ENT_ENCODE | ENT_DECODE));
    size_t bytes = n * recipe.word_width;
    guarded ours = guarded_new(bytes), theirs = guarded_new(bytes);
    ent_buffer block = { 0 };
    ent_tally tally = { 0 };
    assert_ok(ent_buffer_reserve(&block, ent_block_bound(&recipe, &tables, n)));
    assert_ok(ent_block_encode(&recipe, &tables, words, n, &block, &tally, NULL));
    assert_ok(ent_block_decode(&recipe, &tables, (ent_bytes){ block.data, block.size }, 0, theirs.data, n, NULL));
    if (ent_cam_decode(cam, &recipe, &tables, words, n, ours.data, &count, &error)) fail_msg("%s", error.text);
    assert_memory_equal(ours.data, theirs.data, bytes);
    assert_memory_equal(ours.data, words, bytes);
    assert_ok(ent_cam_predict(cam, &recipe, &tables, counts, &forecast, &error));
    assert_int_equal(forecast.longest, count.longest);
    assert_int_equal(forecast.live, count.live);
    assert_close(forecast.code_bits * (double)n, (double)count.code_bits, 1e-6 * (double)n);
    assert_close(forecast.walked_per_weight * (double)n, (double)count.walked_symbols, 1e-6 * (double)n);
    ent_free(block.data);
    guarded_free(&ours);
    guarded_free(&theirs);
    ent_tables_free(&tables);
    ent_recipe_counts_free(counts);
    ent_codec_free(codec);
    assert_int_equal(count.weights, n);
    assert_int_equal(count.cycles, n + count.fill_cycles + count.starved_cycles + count.walked_cycles);
    return count;
}

/* F16 words whose three groups are skewed, each in its own way. */
static void fill(uint16_t *words)
{
    ent_random r;
    ent_random_seed(&r, 9, 0);
    for (size_t i = 0; i < N; i++) {
        uint32_t group[3];
        for (unsigned g = 0; g < 3; g++) {
            group[g] = 0;
            while (group[g] < 31 && ent_random_below(&r, 8) < 3 + g) group[g]++;
        }
        words[i] = (uint16_t)((ent_random_bits(&r) & 0x8000) | group[0] << 10 | group[1] << 5 | group[2]);
    }
}

/* 32 entries and registers wide enough: a weight every cycle after the first, whatever the codes. */
static void a_weight_a_cycle_when_everything_fits(void **state)
{
    (void)state;
    static uint16_t words[N];
    fill(words);
    ent_cam_count c = decode(&ample, "huff-llm", "F16", words, N);
    assert_int_equal(c.streams, 3);
    assert_true(c.longest > 8 && c.longest <= 31);
    assert_int_equal(c.cycles, N + 1);
    assert_int_equal(c.fill_cycles, 1);
    ent_cam just = { .entries = c.live, .longest = c.longest, .refill_bits = c.longest,
                     .register_bits = 2 * c.longest - 1 };
    assert_int_equal(decode(&just, "huff-llm", "F16", words, N).cycles, N + 1);
}

/* What is said to be enough is also needed: one entry, or one bit, fewer costs cycles. */
static void each_limit_costs_cycles(void **state)
{
    (void)state;
    static uint16_t words[N];
    fill(words);
    ent_cam_count c = decode(&ample, "huff-llm", "F16", words, N);
    ent_cam cam = ample;
    cam.entries = c.live - 1;
    ent_cam_count few = decode(&cam, "huff-llm", "F16", words, N);
    assert_true(few.walked_cycles > 0 && few.starved_cycles == 0 && few.walked_symbols > 0);
    assert_close(forecast.cycles_per_weight, (double)few.cycles / N, 0.005);
    cam = ample;
    cam.longest = 4;
    ent_cam_count narrow = decode(&cam, "huff-llm", "F16", words, N);
    assert_true(narrow.walked_cycles > 3 * few.walked_cycles && narrow.starved_cycles == 0);
    assert_close(forecast.cycles_per_weight, (double)narrow.cycles / N, 0.005 * forecast.cycles_per_weight);
    cam = ample;
    cam.refill_bits = 2;
    ent_cam_count slow = decode(&cam, "huff-llm", "F16", words, N);
    assert_true(slow.starved_cycles > N / 4 && slow.walked_cycles == 0);
    cam = (ent_cam){ .entries = 4, .longest = 7, .register_bits = 5, .refill_bits = 1 }; /* all at once */
    decode(&cam, "huff-llm", "F16", words, 2000);
}

/* Symbols 0 0 0 0 1 1 2 3: codes of 1, 2, 3 and 3 bits. */
static void fill_powers(uint8_t *words, size_t n)
{
    static const uint8_t value[8] = { 0, 1, 0, 2, 0, 1, 0, 3 };
    for (size_t i = 0; i < n; i++) words[i] = value[i % 8];
}

static void walks_take_a_cycle_a_bit(void **state)
{
    (void)state;
    enum { M = 8000 };
    static uint8_t words[M];
    fill_powers(words, M);
    ent_cam cam = ample;
    ent_cam_count all = decode(&cam, "word=huffman", "U8", words, M);
    assert_int_equal(all.code_bits, M / 8 * 14);
    assert_int_equal(all.live, 4);
    assert_int_equal(all.longest, 3);
    cam.entries = 3; /* without symbol 3: three cycles for it */
    ent_cam_count c = decode(&cam, "word=huffman", "U8", words, M);
    assert_int_equal(c.walked_symbols, M / 8);
    assert_int_equal(c.walked_cycles, M / 8 * 2);
    assert_close(forecast.cycles_per_weight, 1.25, 1e-12);
    assert_int_equal(forecast.held, 3);
    cam.entries = 32;
    cam.longest = 2; /* without 2 and 3 */
    assert_int_equal(decode(&cam, "word=huffman", "U8", words, M).walked_cycles, M / 8 * 4);
    cam.longest = 1; /* without 1 either: two cycles */
    assert_int_equal(decode(&cam, "word=huffman", "U8", words, M).walked_cycles, M / 8 * 6);
    assert_close(forecast.cycles_per_weight, 1.75, 1e-12);
}

/* Two bits a cycle for codes of three bits: a weight every 1.5 cycles.  One bit: every 3. */
static void refill_below_the_code_is_the_rate(void **state)
{
    (void)state;
    enum { M = 8000 };
    static uint8_t words[M];
    for (size_t i = 0; i < M; i++) words[i] = i % 8;
    ent_cam cam = ample;
    cam.refill_bits = 2;
    assert_int_equal(decode(&cam, "word=huffman", "U8", words, M).cycles, 3 * M / 2 + 1);
    assert_close(forecast.cycles_per_weight, 1.5, 1e-12);
    cam.refill_bits = 1;
    assert_int_equal(decode(&cam, "word=huffman", "U8", words, M).cycles, 3 * M + 1);
    cam.refill_bits = 3;
    assert_int_equal(decode(&cam, "word=huffman", "U8", words, M).cycles, M + 1);
}

/* Fields decode side by side: a weight waits for the slowest, not for all in turn. */
static void fields_wait_for_the_slowest(void **state)
{
    (void)state;
    enum { M = 8000 };
    static uint8_t words[M], half[M];
    fill_powers(half, M);
    for (size_t i = 0; i < M; i++) words[i] = (uint8_t)(half[i] << 4 | half[M - 1 - i]); /* 3 1 2 1 ... beside */
    ent_cam cam = ample;
    cam.longest = 2;
    /* high: walks at places 3 and 7 of eight; low, reversed: at 0 and 4; all apart */
    assert_int_equal(decode(&cam, "[7:4]=huffman [3:0]=huffman", "U8", words, M).walked_cycles, M / 8 * 8);
    for (size_t i = 0; i < M; i++) words[i] = (uint8_t)(half[i] << 4 | half[i]); /* together */
    assert_int_equal(decode(&cam, "[7:4]=huffman [3:0]=huffman", "U8", words, M).walked_cycles, M / 8 * 4);
    assert_close(forecast.cycles_per_weight, 1 + 2 * (1 - 0.75 * 0.75), 1e-12); /* as if by chance: between the two */
}

static void one_symbol_has_no_bits(void **state)
{
    (void)state;
    static const uint8_t words[100] = { 0 };
    ent_cam_count c = decode(&ample, "word=huffman", "U8", words, 100);
    assert_int_equal(c.code_bits, 0);
    assert_int_equal(c.cycles, 100);
    assert_close(forecast.cycles_per_weight, 1, 1e-12);
}

static void what_it_cannot_do_is_said(void **state)
{
    (void)state;
    ent_codec *codec;
    ent_recipe recipe;
    ent_tables tables = { 0 };
    ent_cam_count c;
    ent_error error;
    uint8_t word = 0, out;
    assert_ok(ent_codec_parse(&codec, "word=rans", NULL));
    assert_ok(ent_codec_bind(codec, "U8", &recipe, NULL));
    assert_status(ent_cam_decode(&ample, &recipe, &tables, &word, 1, &out, &c, &error), ENT_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "rans"));
    assert_status(ent_cam_predict(&ample, &recipe, &tables, NULL, &forecast, &error), ENT_EUNSUPPORTED);
    static const ent_cam bad[] = { { 0, 8, 16, 8 }, { 32, 0, 16, 8 }, { 32, 33, 16, 8 }, { 32, 8, 65, 8 },
                                   { 32, 8, 8, 9 }, { 32, 8, 8, 0 }, { 65537, 8, 16, 8 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(ent_cam_decode(&bad[i], &recipe, &tables, &word, 1, &out, &c, NULL), ENT_EINVAL);
    ent_codec_free(codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_a_cycle_when_everything_fits),
        cmocka_unit_test(each_limit_costs_cycles),
        cmocka_unit_test(walks_take_a_cycle_a_bit),
        cmocka_unit_test(refill_below_the_code_is_the_rate),
        cmocka_unit_test(fields_wait_for_the_slowest),
        cmocka_unit_test(one_symbol_has_no_bits),
        cmocka_unit_test(what_it_cannot_do_is_said),
    };
    return cmocka_run_group_tests_name("cam", tests, NULL, NULL);
}
