/* test_codec.c - codec texts, blocks of every codec and dtype, damaged blocks. */
#include "base/bits.h"
#include "test.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- text ------------------------------------------------------------------------------------------- */

/* A row whose coder this build lacks (an optional library) is refused by name; others must parse. */
static ent_codec *parse_row(const ent_codec_row *row)
{
    ent_codec *codec;
    ent_error error;
    ent_status status = ent_codec_parse(&codec, row->name, &error);
    if (status == ENT_EUNSUPPORTED) return NULL;
    if (status) fail_msg("%s: %s", row->name, error.text);
    return codec;
}

static void every_row_has_one_canonical_text(void **state)
{
    (void)state;
    for (const ent_codec_row *row = ent_codecs; row->name; row++) {
        ent_codec *codec = parse_row(row), *again;
        if (!codec) continue;
        assert_string_equal(ent_codec_name(codec), row->name);
        assert_ok(ent_codec_parse(&again, ent_codec_text(codec), NULL));
        assert_string_equal(ent_codec_text(again), ent_codec_text(codec));
        assert_string_equal(ent_codec_name(again), ent_codec_text(codec));
        const ent_format *f;
        for (size_t i = 0; (f = ent_dtype_at(i)); i++) {
            ent_recipe a, b;
            assert_ok(ent_codec_bind(codec, f->name, &a, NULL));
            assert_ok(ent_codec_bind(again, f->name, &b, NULL));
            assert_memory_equal(&a, &b, sizeof a);
            assert_ok(ent_split_check(&a.split));
        }
        ent_codec_free(again);
        ent_codec_free(codec);
    }
}

static void texts_are_made_canonical(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "word=raw", "*: word=raw scope=tensor block=256k" },
        { "  BF16:exponent=raw\trest=raw|*:bytes=raw   block=1024 scope=role ",
          "BF16: exponent=raw rest=raw | *: bytes=raw scope=role block=1k" },
        { "exponent:top4=raw rest=raw scope=block block=2000 block=24",
          "*: exponent:top4=raw rest=raw scope=block block=24" },
        { "raw scope=model block=4k", "*: word=raw scope=model block=4k" },
        { "F16,int: [3:0]=raw rest=raw", "F16,int: [3:0]=raw rest=raw scope=tensor block=256k" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ent_codec *codec;
        ent_error error;
        if (ent_codec_parse(&codec, pairs[i][0], &error)) fail_msg("%s", error.text);
        assert_string_equal(ent_codec_text(codec), pairs[i][1]);
        ent_codec_free(codec);
    }
}

static void mistakes_are_placed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int column;
        const char *says;
    } wrong[] = {
        { "", 1, "missing" },
        { "word", 5, "'=' is missing" },
        { "word=", 6, "a coder is missing" },
        { "word=huffmann", 6, "no coder has the name \"huffmann\"" },
        { "word=raw(x=1)", 10, "no knob \"x\"" },
        { "word=raw(", 10, "a knob is missing" },
        { "word=raw rest", 14, "'=' is missing" },
        { "BF17: word=raw", 1, "\"BF17\" is no list of formats" },
        { "BF16: mantissa=raw", 1, "every bit" },
        { "BF16: sign=raw rest=raw | I8: sign=raw rest=raw", 27, "I8: " },
        { "BF16:", 6, "an item" },
        { "BF16: word=raw |", 17, "an item" },
        { "sign=raw mantissa=raw", 1, "fits no format" },
        { "word=raw scope=galaxy", 16, "a scope is" },
        { "word=raw block=7", 16, "multiple of 8" },
        { "word=raw block=1000000000000", 16, "too large" },
        { "word=raw block=8192k", 16, "4096k" },
        { "word=raw block=", 16, "a number is missing" },
        { "word=raw scope=block sign=raw", 22, "only scope= and block=" },
        { "raw sign=raw", 5, "only scope= and block=" },
        { "F32: mantissa=raw sign=raw exponent=raw", 1, "23 bits" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ent_codec *codec;
        ent_error error = { ENT_OK, "" };
        char column[32];
        snprintf(column, sizeof column, "column %d:", wrong[i].column);
        assert_status(ent_codec_parse(&codec, wrong[i].text, &error), ENT_EINVAL);
        assert_null(codec);
        if (!strstr(error.text, column) || !strstr(error.text, wrong[i].says))
            fail_msg("\"%s\" gave \"%s\", expected %s ... %s", wrong[i].text, error.text, column, wrong[i].says);
    }
}

static void clauses_are_chosen_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *codec, *dtype, *recipe;
        uint32_t fields;
    } cases[] = {
        { "BF16: sign=raw rest=raw | float: exponent=raw rest=raw | int: bytes=raw", "BF16", "sign=raw rest=raw", 2 },
        { "BF16: sign=raw rest=raw | float: exponent=raw rest=raw | int: bytes=raw", "F16", "exponent=raw rest=raw",
          2 },
        { "BF16: sign=raw rest=raw | float: exponent=raw rest=raw | int: bytes=raw", "F32", "exponent=raw rest=raw",
          4 },
        { "BF16: sign=raw rest=raw | float: exponent=raw rest=raw | int: bytes=raw", "I16", "bytes=raw", 2 },
        { "BF16: sign=raw rest=raw | float: exponent=raw rest=raw | int: bytes=raw", "F8_E8M0", "word=raw", 1 },
        { "BF16: sign=raw rest=raw | float: exponent=raw rest=raw | int: bytes=raw", "I32", "word=raw", 1 },
        { "sign=raw rest=raw", "I8", "word=raw", 1 }, /* no sign in I8: passed over */
        { "narrow: word=raw | exponent=raw rest=raw", "F8_E4M3", "word=raw", 1 },
        { "exponent=raw mantissa=raw sign=raw", "F64", "word=raw", 1 }, /* 52 bits are no symbol: passed over */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_codec *codec;
        ent_recipe recipe;
        ent_buffer text = { NULL, 0, 0 };
        assert_ok(ent_codec_parse(&codec, cases[i].codec, NULL));
        assert_ok(ent_codec_bind(codec, cases[i].dtype, &recipe, NULL));
        assert_int_equal(recipe.split.fields, cases[i].fields);
        assert_ptr_equal(recipe.format, ent_format_find(cases[i].dtype));
        assert_ok(ent_codec_recipe_text(codec, cases[i].dtype, &text));
        assert_string_equal((char *)text.data, cases[i].recipe);
        ent_free(text.data);
        ent_codec_free(codec);
    }
}

/* ---- blocks ----------------------------------------------------------------------------------------- */

/* Words with a skewed distribution of all their bits, or (skew 0) uniform ones. */
static void fill(ent_random *r, const ent_recipe *recipe, uint8_t *words, size_t n, int skew)
{
    uint64_t mask = recipe->split.word_bits == 64 ? UINT64_MAX : ((uint64_t)1 << recipe->split.word_bits) - 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t word = ent_random_bits(r), few = 0;
        for (int k = 0; k < skew; k++) few = k ? few & ent_random_bits(r) : ent_random_bits(r);
        word = (skew ? word & few : word) & mask;
        memcpy(words + i * recipe->word_width, &word, recipe->word_width);
    }
}

static void train(const ent_recipe *recipe, const uint8_t *words, size_t n, ent_tables *tables)
{
    ent_counts counts[ENT_MAX_FIELDS];
    assert_ok(ent_recipe_counts_init(recipe, counts));
    assert_ok(ent_recipe_count(recipe, words, n, counts));
    assert_ok(ent_tables_train(tables, recipe, counts, ENT_ENCODE | ENT_DECODE));
    ent_recipe_counts_free(counts);
}

static ent_workspace shared_work; /* used by blocks of all sizes and recipes, one after the other */

/* Codes n words in full buffers between guard pages and compares; returns the block. */
static guarded round_trip(const char *what, const ent_recipe *recipe, const ent_tables *tables, const uint8_t *words,
                          size_t n)
{
    size_t bound = ent_block_bound(recipe, tables, n), bytes = n * recipe->word_width;
    guarded in = guarded_copy(words, bytes), space = guarded_new(bound), back = guarded_new(bytes);
    ent_buffer out = { space.data, 0, bound };
    ent_tally tally = { 0, 0, 0 };
    if (ent_block_encode(recipe, tables, in.data, n, &out, &tally, NULL)) fail_msg("%s, %zu words: encode", what, n);
    assert_int_equal(tally.payload_bits + tally.table_bits + tally.index_bits, 8 * out.size);
    guarded block = guarded_copy(out.data, out.size);
    assert_ok(ent_block_verify((ent_bytes){ block.data, block.size }));
    for (unsigned flags = 0; flags < 4; flags++) {
        memset(back.data, 0x5a, bytes);
        ent_status status = ent_block_decode(recipe, tables, (ent_bytes){ block.data, block.size }, flags, back.data, n,
                                             flags & ENT_STREAM ? &shared_work : NULL);
        if (status) fail_msg("%s, %zu words: decode: %s", what, n, ent_status_text(status));
        if (bytes && memcmp(back.data, words, bytes)) fail_msg("%s, %zu words: not the same", what, n);
    }
    if (bound) {
        ent_buffer again = { space.data, 0, bound };
        assert_ok(ent_block_encode(recipe, tables, in.data, n, &again, NULL, &shared_work));
        assert_int_equal(again.size, block.size);
        assert_memory_equal(again.data, block.data, block.size);
        out = (ent_buffer){ space.data, 0, bound - 1 };
        assert_status(ent_block_encode(recipe, tables, in.data, n, &out, NULL, NULL), ENT_ESPACE);
    }
    guarded_free(&in);
    guarded_free(&space);
    guarded_free(&back);
    return block;
}

static const size_t sizes[] = { 0, 1, 63, 1000, 70000 };
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 70000 };

/* The first `n` sizes: the last takes slow codecs too long. */
static void round_trips_of_dtype(const ent_codec *codec, const char *dtype, size_t n)
{
    ent_recipe recipe;
    ent_random r;
    uint8_t *words = malloc(MOST * 8);
    char what[200];
    assert_ok(ent_codec_bind(codec, dtype, &recipe, NULL));
    ent_random_seed(&r, 7, recipe.split.word_bits);
    for (size_t i = 0; i < n; i++) {
        ent_tables tables;
        int skew = (int)(i + 1) % 3;
        fill(&r, &recipe, words, sizes[i], skew);
        snprintf(what, sizeof what, "%s, %s", ent_codec_name(codec), dtype);
        train(&recipe, words, sizes[i], &tables);
        guarded block = round_trip(what, &recipe, &tables, words, sizes[i]);
        guarded_free(&block);
        fill(&r, &recipe, words, sizes[i] / 2, 0); /* symbols that the tables do not know */
        block = round_trip(what, &recipe, &tables, words, sizes[i] / 2);
        guarded_free(&block);
        ent_tables_free(&tables);
    }
    free(words);
}

static void every_row_codes_every_dtype(void **state)
{
    const ent_codec_row *row = *state;
    ent_codec *codec = parse_row(row);
    if (!codec) skip();
    const size_t n = row->aside ? SIZES - 1 : SIZES;
    static const char *const opaque[] = { "BOOL", "I32", "Q8_K" };
    for (const ent_format *f = ent_formats; f->name; f++) round_trips_of_dtype(codec, f->name, n);
    for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++) round_trips_of_dtype(codec, opaque[i], n);
    ent_codec_free(codec);
}

static void fields_of_all_shapes_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "BF16: [0:0]+[15:15]=raw [14:1]=raw",
        "BF16: mantissa:low3+sign+exponent+mantissa:top4=raw",
        "F32: byte3=raw byte1=raw [7:0]+[23:16]=raw",
        "F64: [63:32]=raw [31:0]=raw",
        "F64: [63:60]+[3:0]=raw rest=raw",
        /* one coded field and one raw: with and without the shape that coders join by themselves */
        "BF16: exponent=huffman mantissa+sign=raw",
        "BF16: sign+mantissa=raw exponent=planar-rans",
        "BF16: mantissa+sign=raw exponent=planar-rans",
        "BF16: mantissa+sign=raw exponent=tiered",
        "BF16: sign+exponent=huffman mantissa=raw",
        "BF16: mantissa=tiered rest=raw",
        "F16: mantissa+sign=raw exponent=huffman",
        "F16: mantissa:top3=planar-rans rest=raw",
        "F32: exponent=tiered [31:31]+[22:15]=raw rest=raw",
        "F16: [11:4]=huffman [3:0]+[15:12]=raw",
        "F16: [11:4]=planar-rans [3:0]+[15:12]=raw",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ent_codec *codec;
        ent_error error;
        char dtype[8] = "";
        memcpy(dtype, texts[i], strcspn(texts[i], ":"));
        ent_status status = ent_codec_parse(&codec, texts[i], &error);
        if (status) fail_msg("%s", error.text);
        round_trips_of_dtype(codec, dtype, SIZES);
        ent_codec_free(codec);
    }
}

/* A layout written out by hand from FORMAT.md. */
static void raw_fields_lie_as_documented(void **state)
{
    (void)state;
    static const uint16_t words[4] = { 0x3f80, 0xbf81, 0x4000, 0x0001 };
    static const uint8_t expected[] = {
        0x7f, 0x7f, 0x80, 0x00, /* exponents */
        0x00, 0x81, 0x00, 0x01, /* sign << 7 | mantissa */
    };
    ent_codec *codec;
    ent_recipe recipe;
    ent_tables tables;
    assert_ok(ent_codec_parse(&codec, "BF16: exponent=raw rest=raw", NULL));
    assert_ok(ent_codec_bind(codec, "BF16", &recipe, NULL));
    train(&recipe, (const uint8_t *)words, 4, &tables);
    guarded block = round_trip("layout", &recipe, &tables, (const uint8_t *)words, 4);
    assert_int_equal(block.size, 4 + 8);
    assert_memory_equal(block.data + 4, expected, 8);
    assert_int_equal(ent_load32(block.data), (uint32_t)XXH3_64bits(block.data + 4, 8));
    guarded_free(&block);
    ent_tables_free(&tables);
    ent_codec_free(codec);
}

static void bounds_are_entropies(void **state)
{
    (void)state;
    ent_codec *codec;
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS];
    uint16_t words[1024];
    assert_ok(ent_codec_parse(&codec, "BF16: exponent=huffman rest=raw", NULL));
    assert_ok(ent_codec_bind(codec, "BF16", &recipe, NULL));
    for (unsigned i = 0; i < 1024; i++) words[i] = (uint16_t)(((i % 4) + 100) << 7 | (i & 127));
    assert_ok(ent_recipe_counts_init(&recipe, counts));
    assert_ok(ent_recipe_count(&recipe, words, 1024, counts));
    assert_int_equal(counts[0].count[100], 256);
    assert_null(counts[1].count);
    assert_close(ent_recipe_bound_bits(&recipe, counts), 2 + 8, 1e-12); /* four equal exponents, 8 raw bits */
    ent_recipe_counts_free(counts);
    ent_codec_free(codec);
}

/* Every symbol is counted once, wherever the pieces end that counting works in. */
static void counts_miss_nothing(void **state)
{
    (void)state;
    enum { N = 50021 };
    static uint32_t words[N];
    ent_codec *codec;
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS];
    ent_random r;
    uint64_t exponents[256] = { 0 }, rests[256] = { 0 };
    assert_ok(ent_codec_parse(&codec, "F32: exponent=huffman rest=huffman", NULL));
    assert_ok(ent_codec_bind(codec, "F32", &recipe, NULL));
    assert_int_equal(recipe.split.fields, 4); /* 24 bits of rest are three bytes */
    ent_random_seed(&r, 3, 0);
    for (size_t i = 0; i < N; i++) {
        words[i] = (uint32_t)(ent_random_bits(&r) & ent_random_bits(&r));
        exponents[words[i] >> 23 & 255]++;
        rests[(words[i] >> 24 & 128) | (words[i] >> 16 & 127)]++; /* sign, then the highest 7 bits of the mantissa */
    }
    assert_ok(ent_recipe_counts_init(&recipe, counts));
    assert_ok(ent_recipe_count(&recipe, words, 17, counts));
    assert_ok(ent_recipe_count(&recipe, words + 17, N - 17, counts));
    assert_memory_equal(counts[0].count, exponents, sizeof exponents);
    assert_memory_equal(counts[1].count, rests, sizeof rests);
    assert_int_equal(ent_counts_total(&counts[3]), N);
    ent_recipe_counts_free(counts);
    ent_codec_free(codec);
}

/* ---- damage ----------------------------------------------------------------------------------------- */

static void every_flipped_bit_is_found(void **state)
{
    const ent_codec_row *row = *state;
    ent_codec *codec = parse_row(row);
    if (!codec) skip();
    enum { N = 300 };
    ent_recipe recipe;
    ent_tables tables;
    ent_random r;
    uint8_t words[2 * N];
    assert_ok(ent_codec_bind(codec, "BF16", &recipe, NULL));
    ent_random_seed(&r, 11, 0);
    fill(&r, &recipe, words, N, 2);
    train(&recipe, words, N, &tables);
    guarded block = round_trip(row->name, &recipe, &tables, words, N), back = guarded_new(2 * N);
    for (size_t bit = 0; bit < 8 * block.size; bit++) {
        guarded bad = guarded_new(block.size);
        memcpy(bad.data, block.data, block.size);
        bad.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ent_bytes bytes = { bad.data, bad.size };
        assert_status(ent_block_verify(bytes), ENT_ECORRUPT);
        assert_status(ent_block_decode(&recipe, &tables, bytes, 0, back.data, N, NULL), ENT_ECORRUPT);
        ent_store32(bad.data, (uint32_t)XXH3_64bits(bad.data + 4, bad.size - 4)); /* a lie, not an accident */
        ent_status status = ent_block_decode(&recipe, &tables, bytes, 0, back.data, N, NULL);
        assert_true(status == ENT_OK || status == ENT_ECORRUPT);
        guarded_free(&bad);
    }
    for (size_t size = 0; size < block.size; size++) {
        guarded bad = guarded_copy(block.data, size);
        assert_int_not_equal(
            ent_block_decode(&recipe, &tables, (ent_bytes){ bad.data, size }, ENT_TRUSTED, back.data, N, NULL), ENT_OK);
        guarded_free(&bad);
    }
    assert_int_not_equal(
        ent_block_decode(&recipe, &tables, (ent_bytes){ block.data, block.size }, 0, back.data, N - 1, NULL), ENT_OK);
    guarded_free(&back);
    guarded_free(&block);
    ent_tables_free(&tables);
    ent_codec_free(codec);
}

/* A stream stored coded though its code is no smaller than the stream: encode would not have. */
static void codes_that_save_nothing_are_refused(void **state)
{
    (void)state;
    uint8_t words[256], block[4 + 4 + 1024], back[256];
    ent_codec *codec;
    ent_recipe recipe;
    ent_tables tables;
    for (unsigned i = 0; i < sizeof words; i++) words[i] = (uint8_t)i;
    assert_ok(ent_codec_parse(&codec, "U8: word=huffman", NULL));
    assert_ok(ent_codec_bind(codec, "U8", &recipe, NULL));
    train(&recipe, words, sizeof words, &tables);
    ent_buffer code = { block + 8, 0, sizeof block - 8 };
    assert_ok(ent_encode(tables.table[0], words, sizeof words, &code, NULL));
    ent_store32(block + 4, (uint32_t)code.size + 1);
    ent_store32(block, (uint32_t)XXH3_64bits(block + 4, 4 + code.size));
    ent_bytes bytes = { block, 8 + code.size };
    assert_true(code.size >= sizeof words); /* each of 256 symbols once: 8 bits each */
    assert_status(ent_block_decode(&recipe, &tables, bytes, 0, back, sizeof words, NULL), ENT_ECORRUPT);
    ent_tables_free(&tables);
    ent_codec_free(codec);
}

int main(void)
{
    enum { FIXED = 9, MOST_ROWS = 64 };
    struct CMUnitTest tests[FIXED + 2 * MOST_ROWS] = {
        cmocka_unit_test(every_row_has_one_canonical_text),
        cmocka_unit_test(texts_are_made_canonical),
        cmocka_unit_test(mistakes_are_placed),
        cmocka_unit_test(clauses_are_chosen_in_order),
        cmocka_unit_test(fields_of_all_shapes_round_trip),
        cmocka_unit_test(raw_fields_lie_as_documented),
        cmocka_unit_test(bounds_are_entropies),
        cmocka_unit_test(counts_miss_nothing),
        cmocka_unit_test(codes_that_save_nothing_are_refused),
    };
    static char names[2 * MOST_ROWS][80];
    size_t n = FIXED;
    for (const ent_codec_row *row = ent_codecs; row->name && n + 2 <= sizeof tests / sizeof *tests; row++)
        for (int damage = 0; damage < 2; damage++) {
            char *name = names[n - FIXED];
            snprintf(name, sizeof names[0], "%s: %s",
                     damage ? "every_flipped_bit_is_found" : "every_row_codes_every_dtype", row->name);
            tests[n++] = (struct CMUnitTest){ name, damage ? every_flipped_bit_is_found : every_row_codes_every_dtype,
                                              NULL, NULL, (void *)(uintptr_t)row };
        }
    int failed = _cmocka_run_group_tests("codec", tests, n, NULL, NULL);
    ent_workspace_free(&shared_work);
    return failed;
}
