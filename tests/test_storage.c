/* test_storage.c - published formats of storage: their sizes by the arithmetic of their papers, computed here from the
 * symbols alone, never by the coders. */
#include <math.h>

#include "coders.h"
#include "matrices.h"

static ent_buffer encode(const ent_coder_spec *spec, const ent_counts *counts, const void *symbols, size_t n)
{
    ent_table *table;
    ent_buffer out = { 0 };
    assert_ok(ent_table_train(&table, spec, counts, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_buffer_reserve(&out, ent_encode_bound(table, n)));
    assert_ok(ent_encode(table, symbols, n, &out, NULL));
    guarded in = guarded_copy(out.data, out.size), back = guarded_new(n * spec->width);
    assert_ok(ent_decode(table, (ent_bytes){ in.data, in.size }, back.data, n));
    assert_memory_equal(back.data, symbols, n * spec->width);
    guarded_free(&in);
    guarded_free(&back);
    ent_table_free(table);
    return out;
}

static size_t coded_bytes(const ent_coder_spec *spec, const ent_counts *counts, const void *symbols, size_t n)
{
    ent_buffer out = encode(spec, counts, symbols, n);
    ent_free(out.data);
    return out.size;
}

/* ---- Endor ----------------------------------------------------------------------------------------- */

/* n words of `bits` bits in `width` bytes each, about `share` of them 0; returns how many are not. */
static size_t prune(uint8_t *words, size_t n, uint32_t width, unsigned bits, double share)
{
    ent_random r;
    size_t left = 0;
    ent_random_seed(&r, 3, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t word = (double)ent_random_below(&r, 1000) < 1000 * share ? 0 : ent_random_bits(&r) >> (64 - bits);
        memcpy(words + i * width, &word, width);
        left += word != 0;
    }
    return left;
}

static void endor_is_a_bit_a_weight_and_those_not_0(void **state)
{
    (void)state;
    static const struct { uint32_t alphabet, width; unsigned bits; } words[] = {
        { 0, 1, 8 }, { 0, 2, 16 }, { 0, 4, 32 }, { 0, 8, 64 }, { 16, 1, 4 }, { 256, 1, 8 }, { 8, 1, 3 }, { 2048, 2, 11 },
    };
    static const size_t sizes[] = { 1, 7, 64, 100, 4096, 50003 };
    static const double shares[] = { 0, 0.1, 0.5, 0.9, 1 };
    static uint8_t room[8 * 50003];
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        for (size_t s = 0; s < 6; s++)
            for (size_t z = 0; z < 5; z++) {
                ent_coder_spec spec;
                const ent_coder *coder = ent_coder_find("bitmap");
                assert_ok(words[w].alphabet ? ent_coder_spec_init(&spec, coder, words[w].alphabet)
                                            : ent_coder_spec_wide(&spec, coder, words[w].width));
                size_t n = sizes[s], left = prune(room, n, words[w].width, words[w].bits, shares[z]);
                size_t expected = (n + 7) / 8 + (left * words[w].bits + 7) / 8;
                assert_int_equal(coded_bytes(&spec, NULL, room, n), expected);
            }
}

/* What blocks of a codec take for n words: payload, in bits. */
static double payload_bits(const char *text, const char *dtype, const void *words, size_t n)
{
    ent_codec *codec;
    ent_recipe recipe;
    ent_tables trained;
    ent_counts counts[ENT_MAX_FIELDS];
    ent_tally tally = { 0, 0, 0 };
    ent_buffer out = { 0 };
    assert_ok(ent_codec_parse(&codec, text, NULL));
    assert_ok(ent_codec_bind(codec, dtype, &recipe, NULL));
    assert_ok(ent_recipe_counts_init(&recipe, counts));
    assert_ok(ent_recipe_count(&recipe, words, n, counts));
    assert_ok(ent_tables_train(&trained, &recipe, counts, ENT_ENCODE));
    for (size_t i = 0; i < n; i += recipe.block) {
        size_t some = n - i < recipe.block ? n - i : recipe.block;
        out.size = 0;
        assert_ok(ent_buffer_reserve(&out, ent_block_bound(&recipe, &trained, some)));
        assert_ok(ent_block_encode(&recipe, &trained, (const uint8_t *)words + i * recipe.word_width, some, &out, &tally, NULL));
    }
    ent_free(out.data);
    ent_tables_free(&trained);
    ent_recipe_counts_free(counts);
    ent_codec_free(codec);
    return (double)tally.payload_bits;
}

/* 50 % of the weights in F16 pruned: "9 bits" are 1 for the bitmap and half of 16. */
static void endor_takes_9_bits_for_half_pruned_f16(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    static uint16_t words[N];
    for (size_t i = 0; i < N; i++) words[i] = i % 2 ? 0 : (uint16_t)(0x3C00 + i % 1021);
    assert_close(payload_bits("endor", "F16", words, N) / N, 9, 1e-12);
    for (size_t i = 0; i < N; i++) words[i] = (uint16_t)(0x3C00 + i % 1021); /* dense: no larger than plain */
    assert_close(payload_bits("endor", "F16", words, N) / N, 16, 1e-12);
}

/* ---- exponents: real histograms -------------------------------------------------------------------------- */

/* The exponents of Llama-3.1-8B, of a class of its tensors, as they come with the program. */
static ent_counts histogram(const char *class)
{
    ent_counts counts;
    char line[512], prefix[64];
    FILE *f = fopen("datasets/exponent-histograms.csv", "r");
    if (!f) fail_msg("run from the root of the sources");
    snprintf(prefix, sizeof prefix, "unsloth/Llama-3.1-8B-Instruct,%s,", class);
    assert_ok(ent_counts_init(&counts, 256));
    while (fgets(line, sizeof line, f)) {
        unsigned exponent;
        unsigned long long count;
        if (strncmp(line, prefix, strlen(prefix))) continue;
        assert_int_equal(sscanf(line + strlen(prefix), "%u,%*d,%llu", &exponent, &count), 2);
        counts.count[exponent] = count;
    }
    fclose(f);
    assert_true(ent_counts_total(&counts) > 0);
    return counts;
}

/* n exponents drawn from a histogram. */
static uint8_t *draw(const ent_counts *from, size_t n, ent_counts *counts)
{
    uint8_t *symbols = malloc(n);
    ent_random r;
    assert_non_null(symbols);
    ent_random_seed(&r, 9, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t at = ent_random_below(&r, ent_counts_total(from));
        uint32_t s = 0;
        for (; at >= from->count[s]; s++) at -= from->count[s];
        symbols[i] = (uint8_t)s;
    }
    assert_ok(ent_counts_init(counts, 256));
    assert_ok(ent_counts_add(counts, symbols, 1, n));
    return symbols;
}

/* ---- ZipServ --------------------------------------------------------------------------------------- */

/* Those out of the best window of 7. */
static uint64_t out_of_window(const ent_counts *counts)
{
    uint64_t all = ent_counts_total(counts), best = 0;
    for (uint32_t base = 0; base + 7 <= 256; base++) {
        uint64_t inside = 0;
        for (uint32_t s = base; s < base + 7; s++) inside += counts->count[s];
        best = inside > best ? inside : best;
    }
    return all - best;
}

/* n (11 + 8 e) bits: three bitmaps and a byte for each weight, another byte for those out of the window. */
static double zipserv_bits(const ent_counts *counts)
{
    return 11 * (double)ent_counts_total(counts) + 8 * (double)out_of_window(counts);
}

static void zipserv_is_three_bitmaps_and_escapes(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 64, 100, 4096, 70001 };
    ent_counts real = histogram("linear"), counts;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ent_coder_spec spec = spec_of(ent_coder_find("tbe"), 256);
        uint8_t *symbols = draw(&real, sizes[i], &counts);
        size_t expected = (sizes[i] + 63) / 64 * 3 * 8 + (size_t)out_of_window(&counts);
        assert_int_equal(coded_bytes(&spec, &counts, symbols, sizes[i]), expected);
        free(symbols);
        ent_counts_free(&counts);
    }
    ent_counts_free(&real);
}

static void zipserv_takes_its_bits_as_a_codec(void **state)
{
    (void)state;
    enum { N = 1 << 19 };
    static uint16_t words[N];
    ent_counts real = histogram("mlp"), counts;
    uint8_t *exponents = draw(&real, N, &counts);
    for (size_t i = 0; i < N; i++) words[i] = (uint16_t)((unsigned)exponents[i] << 7 | (i * 40503 & 0x807F));
    assert_close(payload_bits("zipserv", "BF16", words, N), zipserv_bits(&counts), 0);
    free(exponents);
    ent_counts_free(&counts);
    ent_counts_free(&real);
}

/* Published for Llama-3.1-8B: 14.96 to 10.83 GB, 72.4 %.  That is what the arithmetic says with all matrices coded but
 * the embedding, 128256 x 4096. */
static void zipserv_takes_what_is_published(void **state)
{
    (void)state;
    const double embedding = 128256.0 * 4096;
    ent_counts linear = histogram("linear"), embed = histogram("embed"); /* these are the embedding and the output matrix */
    double weights = (double)ent_counts_total(&linear) + 2 * embedding;
    assert_close((double)ent_counts_total(&embed), 2 * embedding, 0);
    double bits = zipserv_bits(&linear) + zipserv_bits(&embed) / 2 + 16 * embedding;
    print_message("ZipServ, Llama-3.1-8B: %.2f %% of 16 bits\n", 100 * bits / (16 * weights));
    assert_close(bits / (16 * weights), 10.83 / 14.96, 0.001);
    ent_counts_free(&linear);
    ent_counts_free(&embed);
}

/* ---- Unweight -------------------------------------------------------------------------------------- */

/* Bytes of exponents: a bit a row; a nibble a symbol, or a byte in rows with one that is not among the 16 commonest. */
static size_t unweight_bytes(const uint8_t *symbols, size_t n, const ent_counts *counts, size_t row)
{
    uint64_t left[256];
    bool inside[256] = { false };
    size_t bytes = ((n + row - 1) / row + 7) / 8;
    memcpy(left, counts->count, sizeof left);
    for (int k = 0; k < 16; k++) {
        uint32_t best = 0;
        for (uint32_t s = 0; s < 256; s++) best = left[s] > left[best] ? s : best;
        inside[best] = left[best] > 0;
        left[best] = 0;
    }
    for (size_t at = 0; at < n; at += row) {
        size_t end = at + row < n ? at + row : n;
        bool verbatim = false;
        for (size_t i = at; i < end; i++) verbatim |= !inside[symbols[i]];
        bytes += verbatim ? end - at : (end - at + 1) / 2;
    }
    return bytes;
}

static void unweight_is_nibbles_and_verbatim_rows(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 63, 64, 100, 4096, 70001 };
    static const uint32_t rows[] = { 64, 1, 7, 4096, 65535 };
    ent_counts real = histogram("mlp"), counts;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            ent_coder_spec spec = spec_of(ent_coder_find("row-palette"), 256);
            uint8_t *symbols = draw(&real, sizes[i], &counts);
            assert_ok(ent_coder_spec_set(&spec, "row", rows[r]));
            size_t expected = unweight_bytes(symbols, sizes[i], &counts, rows[r]);
            assert_int_equal(coded_bytes(&spec, &counts, symbols, sizes[i]), expected);
            free(symbols);
            ent_counts_free(&counts);
        }
    ent_counts_free(&real);
}

/* 1.3e-4 of these exponents are not among the 16, so 1 - (1 - 1.3e-4)^64 = 0.83 % of the rows are verbatim. */
static void unweight_takes_12_bits_and_its_rows(void **state)
{
    (void)state;
    enum { N = 1 << 19 };
    static uint16_t words[N];
    ent_counts real = histogram("mlp"), counts;
    uint8_t *exponents = draw(&real, N, &counts);
    for (size_t i = 0; i < N; i++) words[i] = (uint16_t)((unsigned)exponents[i] << 7 | (i * 40503 & 0x807F));
    double bits = payload_bits("unweight", "BF16", words, N) / N;
    print_message("Unweight, exponents of Llama-3.1-8B's MLP: %.4f bits a weight\n", bits);
    assert_close(bits, 12 + 1 / 64. + 4 * 0.0083, 0.005);
    free(exponents);
    ent_counts_free(&counts);
    ent_counts_free(&real);
}

/* ---- QMoE ------------------------------------------------------------------------------------------ */

/* n ternary codes of QMoE's distribution, with `zero` for 0; returns their bits a weight. */
static double qmoe_bits(double zeros, uint8_t zero, size_t n)
{
    ent_coder_spec spec = spec_of(ent_coder_find("qmoe"), 4);
    ent_counts counts;
    ent_random r;
    uint8_t *codes = malloc(n);
    assert_non_null(codes);
    ent_random_seed(&r, 5, 0);
    for (size_t i = 0; i < n; i++) {
        uint64_t at = ent_random_below(&r, 1u << 20);
        uint8_t digit = at < (uint64_t)(zeros * (1 << 20)) ? 0 : (uint8_t)(1 + at % 2);
        codes[i] = (uint8_t)((digit + zero) % 3);
    }
    assert_ok(ent_counts_init(&counts, 4));
    assert_ok(ent_counts_add(&counts, codes, 1, n));
    double bits = 8. * (double)coded_bytes(&spec, &counts, codes, n) / (double)n;
    ent_counts_free(&counts);
    free(codes);
    return bits;
}

/* The reference is the authors' procedure (best first, pairs, 2^16 runs, longest match) in another language, on a million
 * weights; the last column the entropy. */
static void qmoe_takes_the_bits_of_its_dictionary(void **state)
{
    (void)state;
    static const struct { double zeros, bits, entropy; } at[] = {
        { 0.80, 1.1231, 0.9219 }, { 0.885, 0.7350, 0.6298 }, { 0.95, 0.5902, 0.3364 },
    };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        double bits = qmoe_bits(at[i].zeros, (uint8_t)i, 1 << 20);
        print_message("QMoE, %.1f %% zeros: %.4f bits a weight, %.1f %% over the entropy\n", 100 * at[i].zeros, bits,
                      100 * (bits / at[i].entropy - 1));
        assert_close(bits, at[i].bits, 0.004);
    }
    assert_close(qmoe_bits(1, 1, 28000), 0, 0);         /* one symbol: no code */
    assert_true(qmoe_bits(0.9999, 1, 1 << 20) > 4 / 7.); /* a word has 28 symbols at most */
}

/* ---- quantizers whose codes they are ---------------------------------------------------------------- */

static ent_packed pack(const char *text, uint32_t rows, uint32_t cols, float *values)
{
    ent_pipeline pipeline;
    ent_packed packed;
    float *back = malloc((size_t)rows * cols * sizeof *back);
    assert_non_null(back);
    assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
    assert_ok(ent_pipeline_apply(&pipeline, rows, cols, values, NULL, &packed, NULL));
    assert_ok(ent_pipeline_undo(&pipeline, &packed, back, NULL));
    assert_memory_equal(back, values, (size_t)rows * cols * sizeof *back);
    free(back);
    return packed;
}

/* By hand: beyond half of the least or the largest of its row a weight becomes that. */
static void ternary_weights_are_an_extreme_or_0(void **state)
{
    (void)state;
    float values[] = { 4, -2, 1.9f, 2.1f, -0.9f, -1.1f, 0,   1, 2, 3, 4, 5, 6, 0.5f };
    static const float expected[] = { 4, -2, 0, 4, 0, -2, 0,   0, 0, 0, 6, 6, 6, 0 };
    static const uint8_t codes[] = { 2, 1, 0, 2, 0, 1, 0,   0, 0, 0, 2, 2, 2, 0 };
    ent_packed packed = pack("ternary", 2, 7, values);
    for (size_t i = 0; i < 14; i++) assert_close(values[i], expected[i], 0);
    assert_memory_equal(ent_packed_find(&packed, "codes")->words, codes, sizeof codes);
    assert_close(ent_packed_plain_bits(&packed), 14 * 2 + 4 * 16, 0);
    ent_packed_free(&packed);
}

/* QMoE's zeros are "natural": half of the largest of 4096 normal weights is 1.8 standard deviations, 93 % are below. */
static void ternary_normals_are_mostly_0(void **state)
{
    (void)state;
    enum { ROWS = 64, COLS = 4096 };
    float *values = normals(ROWS * COLS, 1, 6);
    size_t zeros = 0;
    ent_packed packed = pack("ternary", ROWS, COLS, values);
    for (size_t i = 0; i < ROWS * COLS; i++) zeros += values[i] == 0.0f;
    assert_close((double)zeros / (ROWS * COLS), 0.93, 0.02);
    const ent_part *codes = ent_packed_find(&packed, "codes");
    double bits = payload_bits("qmoe", "U2", codes->words, ROWS * COLS) / (ROWS * COLS);
    print_message("QMoE, normal weights in rows of 4096: %.1f %% zeros, %.4f bits a weight\n",
                  100. * (double)zeros / (ROWS * COLS), bits);
    assert_true(bits < 0.8);
    assert_close(payload_bits("qmoe", "U8", codes->words, ROWS * COLS) / (ROWS * COLS), bits, 0); /* as files keep them */
    ent_packed_free(&packed);
    ent_free(values);
}

/* By hand: 1.25 and 1.75 are ties, away from 0; the carry of 1.75 doubles it. */
static void neuzip_cuts_mantissas(void **state)
{
    (void)state;
    float values[] = { 1.25f, 1.24f, 1.75f, -1.74f, 0.375f, -0.0f, 0x1.fep127f };
    static const float expected[] = { 1.5f, 1, 2, -1.5f, 0.375f, -0.0f, 0x1.8p127f };
    ent_packed packed = pack("cut(bits=1)", 1, 7, values);
    assert_memory_equal(values, expected, sizeof expected);
    assert_close(ent_packed_plain_bits(&packed), 7 * (8 + 2), 0);
    ent_packed_free(&packed);
    enum { N = 20000 };
    static float after[N];
    float *before = normals(N, 1, 7);
    for (int bits = 0; bits <= 7; bits++) {
        char text[32];
        snprintf(text, sizeof text, "cut(bits=%d)", bits);
        memcpy(after, before, sizeof after);
        packed = pack(text, 1, N, after);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((double)after[i] - before[i]) <= ldexp(fabs((double)before[i]), -bits - 1));
        ent_packed_free(&packed);
    }
    memcpy(before, after, sizeof after);
    packed = pack("cut(bits=7)", 1, N, after); /* BF16 by now: nothing is lost */
    assert_memory_equal(after, before, sizeof after);
    ent_packed_free(&packed);
    ent_free(before);
}

/* ---- ECF8 ------------------------------------------------------------------------------------------- */

/* The sum of merged counts as a Huffman code is built is its size in bits. */
static uint64_t huffman_bits(ent_counts counts)
{
    uint64_t left[16], bits = 0;
    memcpy(left, counts.count, sizeof left);
    for (;;) {
        uint32_t a = 16, b = 16; /* the two least that are not 0 */
        for (uint32_t s = 0; s < 16; s++) {
            if (!left[s]) continue;
            if (a == 16 || left[s] < left[a]) b = a, a = s;
            else if (b == 16 || left[s] < left[b]) b = s;
        }
        if (b == 16) return bits;
        bits += left[a] += left[b];
        left[b] = 0;
    }
}

/* Weights of the published law: 4 bits of sign and mantissa raw, and 1.6 to 2.67 bits of exponent for a normal. */
static void ecf8_is_huffman_on_the_exponents_of_e4m3(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    static uint8_t words[N];
    const ent_format *format = ent_format_find("F8_E4M3");
    ent_counts counts;
    float *values = normals(N, 100, 8);
    assert_ok(ent_counts_init(&counts, 16));
    for (size_t i = 0; i < N; i++) {
        words[i] = (uint8_t)ent_format_nearest(format, values[i]);
        counts.count[words[i] >> 3 & 15]++;
    }
    ent_free(values);
    double bits = payload_bits("ecf8", "F8_E4M3", words, N), expected = 4. * N + (double)huffman_bits(counts);
    print_message("ECF8, normal weights: %.4f bits a weight\n", bits / N);
    assert_close(bits, expected, 64); /* bits that fill up the bytes of 8 streams at most */
    assert_in_range((uint64_t)(1000 * (bits / N - 4)), 1600, 2670 + 50);
    ent_counts_free(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endor_is_a_bit_a_weight_and_those_not_0),
        cmocka_unit_test(endor_takes_9_bits_for_half_pruned_f16),
        cmocka_unit_test(zipserv_is_three_bitmaps_and_escapes),
        cmocka_unit_test(zipserv_takes_its_bits_as_a_codec),
        cmocka_unit_test(zipserv_takes_what_is_published),
        cmocka_unit_test(unweight_is_nibbles_and_verbatim_rows),
        cmocka_unit_test(unweight_takes_12_bits_and_its_rows),
        cmocka_unit_test(qmoe_takes_the_bits_of_its_dictionary),
        cmocka_unit_test(ternary_weights_are_an_extreme_or_0),
        cmocka_unit_test(ternary_normals_are_mostly_0),
        cmocka_unit_test(neuzip_cuts_mantissas),
        cmocka_unit_test(ecf8_is_huffman_on_the_exponents_of_e4m3),
    };
    return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
