/* test_oracle_block.c - blocks that the library writes, decoded by the oracle of the block's layout
 * and those of its streams; and damaged blocks with a checksum that holds, refused by both or
 * by neither. */
#include <xxhash.h>

#include "base/bits.h"
#include "oracle/oracle.h"
#include "test.h"

static char where[200];

/* Numbers of a bell shape, as weights are; `odd` words of them any bit pattern. */
static void fill(const ent_recipe *recipe, uint8_t *words, size_t n, size_t odd, uint64_t seed)
{
    ent_random r;
    ent_random_seed(&r, seed, n);
    if (recipe->split.word_bits > 64) { /* a record: bytes, small ones oftener */
        for (size_t i = 0; i < n * recipe->word_width; i++) words[i] = (uint8_t)(ent_random_bits(&r) & ent_random_bits(&r));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) sum += ent_random_uniform(&r);
        bool number = recipe->format && (!odd || ent_random_below(&r, n) >= odd);
        double scale = recipe->format && recipe->format->kind == ENT_KIND_FLOAT ? 0.02 : 20;
        uint64_t word = number ? ent_format_nearest(recipe->format, scale * sum) : ent_random_bits(&r);
        if (recipe->split.word_bits < 64) word &= ((uint64_t)1 << recipe->split.word_bits) - 1;
        memcpy(words + i * recipe->word_width, &word, recipe->word_width);
    }
}

typedef struct sample {
    ent_recipe recipe;
    ent_tables tables;
    ent_buffer table[ENT_MAX_FIELDS];
    ent_bytes table_bytes[ENT_MAX_FIELDS];
    size_t n;
    uint8_t *words;
    ent_buffer block;
} sample;

/* Tables trained on regular words; the words of the block have some odd ones. */
static sample make(const char *text, const char *dtype, size_t n, size_t odd)
{
    sample s = { .n = n };
    ent_codec *codec;
    ent_error error;
    ent_counts counts[ENT_MAX_FIELDS];
    snprintf(where, sizeof where, "%s, %s, %zu words", text, dtype, n);
    if (ent_codec_parse(&codec, text, &error)) fail_msg("%s", error.text);
    assert_ok(ent_codec_bind(codec, dtype, &s.recipe, NULL));
    ent_codec_free(codec);
    s.words = malloc(n * s.recipe.word_width + 1);
    assert_non_null(s.words);
    fill(&s.recipe, s.words, n, 0, 31);
    assert_ok(ent_recipe_counts_init(&s.recipe, counts));
    assert_ok(ent_recipe_count(&s.recipe, s.words, n, counts));
    assert_ok(ent_tables_train(&s.tables, &s.recipe, counts, ENT_ENCODE | ENT_DECODE));
    ent_recipe_counts_free(counts);
    for (uint32_t i = 0; i < s.recipe.split.fields; i++) {
        if (s.tables.table[i]) assert_ok(ent_table_write(s.tables.table[i], &s.table[i]));
        s.table_bytes[i] = (ent_bytes){ s.table[i].data, s.table[i].size };
    }
    fill(&s.recipe, s.words, n, odd, 32);
    assert_ok(ent_buffer_reserve(&s.block, ent_block_bound(&s.recipe, &s.tables, n)));
    assert_ok(ent_block_encode(&s.recipe, &s.tables, s.words, n, &s.block, NULL, NULL));
    return s;
}

static void sample_free(sample *s)
{
    for (uint32_t i = 0; i < s->recipe.split.fields; i++) ent_free(s->table[i].data);
    ent_tables_free(&s->tables);
    ent_free(s->block.data);
    free(s->words);
}

/* 0 or 1 as oracle_block; when 0, the words are compared. */
static int oracle_says(const sample *s, ent_bytes bytes, const uint8_t *expected)
{
    guarded block = guarded_copy(bytes.data, bytes.size);
    const size_t word_bits = s->recipe.split.word_bits, width = 8 * (size_t)s->recipe.word_width;
    uint8_t *bits = malloc(s->n * word_bits / 8 + 1);
    assert_non_null(bits);
    int refused = oracle_block(&s->recipe, s->table_bytes, (ent_bytes){ block.data, block.size }, bits, s->n);
    for (size_t i = 0; !refused && i < s->n; i++)
        for (size_t k = 0; k < width; k++) {
            const size_t at = i * word_bits + k, to = i * width + k;
            if ((k < word_bits && bits[at / 8] >> at % 8 & 1) != (expected[to / 8] >> to % 8 & 1))
                fail_msg("word %zu differs [%s]", i, where);
        }
    free(bits);
    guarded_free(&block);
    return refused;
}

/* One damage at a time, and a checksum that fits. */
static void damage_and_compare(const sample *s, size_t tries)
{
    uint8_t *bytes = malloc(s->block.size + 1), *words = malloc(s->n * s->recipe.word_width + 1);
    ent_random r;
    ent_random_seed(&r, 33, s->n);
    assert_true(bytes && words);
    for (size_t i = 0; i < tries; i++) {
        size_t size = s->block.size, at = 4 + (size_t)ent_random_below(&r, i % 2 ? size - 4 : 16) % (size - 4);
        memcpy(bytes, s->block.data, size);
        bytes[size] = 0;
        uint64_t kind = ent_random_below(&r, 8);
        if (kind == 0) size = at;
        if (kind == 1) size++;
        if (kind > 1) bytes[at] ^= (uint8_t)(1 << kind);
        ent_store32(bytes, (uint32_t)XXH3_64bits(bytes + 4, size - 4));
        ent_status status = ent_block_decode(&s->recipe, &s->tables, (ent_bytes){ bytes, size }, 0, words, s->n, NULL);
        assert_true(status == ENT_OK || status == ENT_ECORRUPT);
        if (oracle_says(s, (ent_bytes){ bytes, size }, words) != (status != ENT_OK))
            fail_msg("the library says \"%s\", the oracle does not [%s]", ent_status_text(status), where);
    }
    free(bytes);
    free(words);
}

static void check(const char *text, const char *dtype)
{
    static const size_t sizes[] = { 0, 1, 70, 1000, 5000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t odd = 0; odd <= sizes[i] / 200; odd += 5) {
            sample s = make(text, dtype, sizes[i], odd);
            if (oracle_says(&s, (ent_bytes){ s.block.data, s.block.size }, s.words))
                fail_msg("the oracle refuses the block [%s]", where);
            if (sizes[i] > 0 && sizes[i] <= 1000) damage_and_compare(&s, 16);
            sample_free(&s);
        }
}

static void exponents_of_every_coder(void **state)
{
    (void)state;
    for (const oracle *o = oracles; o->coder; o++) {
        char text[100];
        snprintf(text, sizeof text, "BF16: exponent=%s rest=raw", o->coder);
        check(text, "BF16");
        strcat(text, " scope=block");
        check(text, "BF16");
    }
}

static void huff_llm(void **state)
{
    (void)state;
    check("huff-llm", "F16");
    check("huff-llm", "BF16");
    check("huff-llm scope=block", "F16");
}

static void fields_of_all_shapes(void **state)
{
    (void)state;
    static const struct { const char *text, *dtype; } cases[] = {
        { "exponent+mantissa:top2=rans rest=raw", "F32" },
        { "mantissa:low3+sign=huffman exponent=tans mantissa:top4=raw", "BF16" },
        { "exponent:top3=planar-rans exponent:low8=tiered rest=raw", "F64" },
        { "[63:48]=arithmetic [31:0]=raw [47:32]=huffman", "F64" },
        { "word=tiered", "I8" },
        { "word=tans scope=block", "F4" },
        { "word=rans", "F16" },
        { "[3:0]=huffman [7:4]=arithmetic-adaptive scope=block", "F8_E4M3" },
        { "word=huffman", "no such format" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(cases[i].text, cases[i].dtype);
}

static void records_of_all_kinds(void **state)
{
    (void)state;
    static const char *const texts[] = { "rest=huffman", "word=rans scope=block", "rest=raw" };
    static const size_t sizes[] = { 0, 1, 40 };
    for (const ent_format *f = ent_records; f->name; f++)
        for (size_t i = 0; i < 9; i++) {
            sample s = make(texts[i / 3], f->name, sizes[i % 3], 0);
            if (oracle_says(&s, (ent_bytes){ s.block.data, s.block.size }, s.words))
                fail_msg("the oracle refuses the block [%s]", where);
            if (s.n) damage_and_compare(&s, 4);
            sample_free(&s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponents_of_every_coder),
        cmocka_unit_test(huff_llm),
        cmocka_unit_test(fields_of_all_shapes),
        cmocka_unit_test(records_of_all_kinds),
    };
    return cmocka_run_group_tests_name("oracle of the block", tests, NULL, NULL);
}
