/* test_gap.c - where the bits of coded blocks go: the parts are the size, bit for bit, and each is what it claims. */
#include <math.h>

#include "test.h"

enum { N = 40000, BLOCK = 8192, BLOCKS = (N + BLOCK - 1) / BLOCK };

typedef struct coded {
    ent_recipe recipe;
    ent_gap gap;
    uint64_t bits; /* of blocks and tables as they lie in memory */
} coded;

/* Words whose exponents have a peak, geometric to both sides; constant with `spread` 0, noise with 64. */
static void make_words(const ent_format *format, double spread, uint64_t seed, void *words)
{
    ent_random r;
    uint32_t width = ent_format_width(format);
    ent_random_seed(&r, seed, format ? format->bits : 0);
    for (size_t i = 0; i < N; i++) {
        double u = ent_random_uniform(&r) + 1e-12, value = spread * log(u) * (ent_random_bits(&r) & 1 ? 1 : -1) / 64;
        uint64_t word = ent_random_bits(&r) >> (64 - (format ? format->bits : 8));
        if (format && spread < 64) word = ent_format_nearest(format, spread > 0 ? value : 0.5);
        memcpy((uint8_t *)words + i * width, &word, width);
    }
}

static coded code(const ent_codec *codec, const char *dtype, const void *words)
{
    coded c = { .bits = 0 };
    ent_counts counts[ENT_MAX_FIELDS];
    ent_tables tables;
    ent_buffer out = { NULL, 0, 0 };
    assert_ok(ent_codec_bind(codec, dtype, &c.recipe, NULL));
    assert_ok(ent_recipe_counts_init(&c.recipe, counts));
    assert_ok(ent_recipe_count(&c.recipe, words, N, counts));
    assert_ok(ent_tables_train(&tables, &c.recipe, counts, ENT_ENCODE));
    for (uint32_t i = 0; i < tables.fields; i++)
        if (tables.table[i]) assert_ok(ent_table_write(tables.table[i], &out));
    c.gap.table = 8 * (double)out.size;
    c.bits = 8 * out.size;
    for (size_t first = 0; first < N; first += BLOCK) {
        size_t n = N - first < BLOCK ? N - first : BLOCK;
        const uint8_t *at = (const uint8_t *)words + first * c.recipe.word_width;
        ent_tally tally = { 0, 0, 0 };
        out.size = 0;
        assert_ok(ent_buffer_reserve(&out, ent_block_bound(&c.recipe, &tables, n)));
        assert_ok(ent_block_encode(&c.recipe, &tables, at, n, &out, &tally, NULL));
        assert_ok(ent_gap_block(&c.recipe, &tables, c.recipe.scope == ENT_SCOPE_BLOCK ? NULL : counts, at, n,
                                (ent_bytes){ out.data, out.size }, &tally, &c.gap));
        c.bits += 8 * out.size;
    }
    ent_free(out.data);
    ent_recipe_counts_free(counts);
    ent_tables_free(&tables);
    return c;
}

/* Every codec, scope tensor and block, on floats, codes and bytes, skewed, constant and noise. */
static void parts_are_the_size(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "BF16", "F16", "F32", "F8_E4M3", "U4", "nonsense" };
    static const double spreads[] = { 0, 1, 64 };
    static const char *const scopes[] = { "block=8k", "block=8k scope=block" };
    uint64_t *words = ent_calloc(N, sizeof *words);
    for (size_t i = 0; ent_codecs[i].name; i++)
        for (size_t k = 0; k < 2; k++) {
            char text[400];
            ent_codec *codec;
            snprintf(text, sizeof text, "%s %s", ent_codecs[i].name, scopes[k]);
            if (ent_codec_parse(&codec, text, NULL)) continue; /* not in this build */
            for (size_t d = 0; d < 6; d++)
                for (size_t s = 0; s < 3; s++) {
                    make_words(ent_format_find(dtypes[d]), spreads[s], i, words);
                    coded c = code(codec, dtypes[d], words);
                    double sum = ent_gap_sum(&c.gap), least = -1e-6 * (double)c.bits;
                    if (fabs(sum - (double)c.bits) > 1e-3 || llround(sum) != (long long)c.bits)
                        fail_msg("%s, %s: %.3f bits explained of %.0f", text, dtypes[d], sum, (double)c.bits);
                    /* Gibbs: no table is better than its counts; but a palette's price is of symbols, and its code of rows */
                    if (c.gap.model < least && strcmp(ent_codecs[i].name, "unweight"))
                        fail_msg("%s, %s: tables save %.3f bits on entropy", text, dtypes[d], -c.gap.model);
                }
            ent_codec_free(codec);
        }
    ent_free(words);
}

/* What coders add to their tables: for each block and stream, no more than padding or states. */
static void coders_add_what_they_must(void **state)
{
    (void)state;
    static const struct { const char *text; double least, most; } expected[] = { /* bits a block */
        { "exponent=huffman(streams=1) rest=raw", 0, 7 },
        { "exponent=huffman(streams=4) rest=raw", 0, 28 },
        { "exponent=tiered rest=raw", 0, 28 },
        { "exponent=arithmetic(streams=1) rest=raw", 0, 65 },
        { "exponent=rans(states=1) rest=raw", 0, 33 },
        { "exponent=raw rest=raw", 0, 0 },
    };
    static uint16_t words[N];
    make_words(ent_format_find("BF16"), 1, 3, words);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char text[300];
        ent_codec *codec;
        snprintf(text, sizeof text, "%s block=8k", expected[i].text);
        assert_ok(ent_codec_parse(&codec, text, NULL));
        coded c = code(codec, "BF16", words);
        double coder = c.gap.coder / BLOCKS, slack = 0.0002 * BLOCK; /* rounding of states */
        bool whole = strstr(text, "huffman") || strstr(text, "tiered") || strstr(text, "=raw rest");
        if (coder < expected[i].least - (whole ? 1e-6 : slack) || coder > expected[i].most + (whole ? 1e-6 : slack))
            fail_msg("%s: its coder adds %.3f bits a block", text, coder);
        assert_close(c.gap.kept_raw, 0, 1e-6);
        ent_codec_free(codec);
    }
}

/* Powers of two have Huffman codes without loss; thirds lose (2 + 1 + 2) / 3 - log2 3; and rans by its slots. */
static void tables_have_their_price(void **state)
{
    (void)state;
    static const struct { const char *coder; uint64_t count[4]; double bits; } expected[] = {
        { "huffman", { 4, 2, 1, 1 }, 14 },
        { "huffman", { 5, 5, 5, 0 }, 25 },
        { "huffman", { 9, 0, 0, 0 }, 0 },
        { "tiered", { 6, 3, 1, 1 }, 0 }, /* its cheapest shape of two: see below */
        { "planar-rans", { 2, 1, 1, 0 }, 0 }, /* 127, 65 and 64 of 256 slots */
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ent_coder_spec spec;
        ent_table *table;
        double bits;
        uint64_t count[4];
        memcpy(count, expected[i].count, sizeof count);
        ent_counts counts = { 4, count };
        assert_ok(ent_coder_spec_init(&spec, ent_coder_find(expected[i].coder), 4));
        assert_ok(ent_table_train(&table, &spec, &counts, ENT_ENCODE));
        assert_ok(ent_table_price(table, &counts, &bits));
        if (!strcmp(expected[i].coder, "tiered"))
            assert_close(bits, fmin(2 * 11, 6 + 2 * 3 + 3 * 2), 1e-12); /* one tier of 2 bits, or three of 1 */
        else if (!strcmp(expected[i].coder, "planar-rans"))
            assert_close(bits, 2 * log2(256. / 127) + log2(256. / 65) + 2, 1e-12);
        else
            assert_close(bits, expected[i].bits, 1e-12);
        counts.alphabet = 3;
        assert_status(ent_table_price(table, &counts, &bits), ENT_EINVAL);
        ent_table_free(table);
    }
    static const char *const slots[] = { "rans", "tans", "arithmetic" };
    for (size_t i = 0; i < 3; i++) { /* counts that fill the slots exactly, and a symbol that the table does not know */
        ent_coder_spec spec;
        ent_table *table;
        double bits;
        uint64_t count[4] = { 2048, 1024, 1024, 0 };
        ent_counts counts = { 4, count };
        assert_ok(ent_coder_spec_init(&spec, ent_coder_find(slots[i]), 4));
        assert_ok(ent_table_train(&table, &spec, &counts, ENT_ENCODE));
        assert_ok(ent_table_price(table, &counts, &bits));
        assert_close(bits, 6144, 1e-9);
        count[3] = 1;
        assert_ok(ent_table_price(table, &counts, &bits));
        assert_true(isinf(bits));
        ent_table_free(table);
    }
    ent_coder_spec spec;
    ent_table *table;
    double bits;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find("raw"), 4));
    assert_ok(ent_table_train(&table, &spec, NULL, ENT_ENCODE));
    assert_status(ent_table_price(table, &(ent_counts){ 4, (uint64_t[4]){ 1 } }, &bits), ENT_EUNSUPPORTED);
    ent_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_size),
        cmocka_unit_test(coders_add_what_they_must),
        cmocka_unit_test(tables_have_their_price),
    };
    return cmocka_run_group_tests_name("gap", tests, NULL, NULL);
}
