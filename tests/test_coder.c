/* test_coder.c - what every coder of the list must do for good input; no coder is named here.
 *
 * One cmocka test for each property and coder.  The judge is the input itself: what is coded must
 * come back, and the bits must add up. */
#include "coders.h"

/* ---- the row itself ------------------------------------------------------------------------- */

static void row_is_sound(void **state)
{
    const ent_coder *c = *state;
    assert_ptr_equal(ent_coder_find(c->name), c);
    assert_ptr_equal(ent_coder_by_id(c->id), c); /* so names and ids are unique */
    assert_in_range(c->max_alphabet, 256, ENT_MAX_ALPHABET);
    assert_true(c->id > 0 && *c->brief && c->cite && c->ops.lanes >= 1);
    for (int p = 0; p < ENT_CODER_PARAMS; p++) {
        ent_coder_spec spec = spec_of(c, 2);
        const ent_param *param = &c->param[p];
        if (!param->name) continue;
        assert_true(param->least <= param->preset && param->preset <= param->most);
        assert_status(ent_coder_spec_set(&spec, param->name, param->most + 1), ENT_EINVAL);
        assert_int_equal(spec.param[p], param->preset);
    }
    assert_null(ent_coder_find("no such coder"));
    assert_null(ent_coder_by_id(0));
}

/* ---- round trips ---------------------------------------------------------------------------- */

static void round_trip(const ent_coder_spec *spec, sample_kind kind, size_t n)
{
    ent_counts counts;
    void *symbols = sample_make(kind, spec->alphabet, n, 5, &counts);
    say(spec, sample_names[kind], n);
    tables t = tables_make(spec, &counts);
    ent_buffer again = { 0 };
    CHECK_OK(ent_table_write(t.decoder, &again));
    CHECK(again.size == t.bytes.size && same_bytes(again.data, t.bytes.data, again.size));
    code_comes_back(&t, symbols, n);
    ent_free(again.data);
    tables_free(&t);
    ent_free(symbols);
    ent_counts_free(&counts);
}

static void comes_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 7, 8, 63, 64, 65, 255, 1000, 4097, 70000 };
    static const uint32_t alphabets[] = { 1, 2, 3, 16, 37, 255, 256, 257, 2048, 4096, 65536 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++) {
        if (alphabets[a] > coder->max_alphabet) continue;
        ent_coder_spec spec = spec_of(coder, alphabets[a]);
        for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                if (alphabets[a] < 4096 || i % 3 != 2) round_trip(&spec, kind, sizes[i]); /* big tables take time */
    }
}

static void every_param_comes_back(void **state)
{
    static const uint32_t alphabets[] = { 2, 37, 256, 1500 };
    static const size_t sizes[] = { 1, 63, 256, 3001 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < 4; a++) {
        if (alphabets[a] > coder->max_alphabet) continue;
        for (int p = 0; p <= ENT_CODER_PARAMS; p++) /* each alone, then all together */
            for (int most = 0; most < 2; most++) {
                ent_coder_spec spec = spec_of(coder, alphabets[a]);
                for (int q = 0; q < ENT_CODER_PARAMS; q++)
                    if (coder->param[q].name && (p == q || p == ENT_CODER_PARAMS))
                        assert_ok(ent_coder_spec_set(&spec, coder->param[q].name,
                                                     most ? coder->param[q].most : coder->param[q].least));
                for (size_t i = 0; i < 4; i++)
                    for (sample_kind kind = SAMPLE_UNIFORM; kind <= SAMPLE_PEAKED; kind++)
                        round_trip(&spec, kind, sizes[i]);
            }
    }
}

static void words_of_any_width_come_back(void **state)
{
    const ent_coder *coder = *state;
    ent_coder_spec spec;
    if (!coder->wide) assert_status(ent_coder_spec_wide(&spec, coder, 4), ENT_EUNSUPPORTED);
    for (uint32_t width = 1; coder->wide && width <= 8; width *= 2)
        for (size_t n = 0; n < 5000; n = n * 3 + 1) {
            uint64_t words[5000];
            uint8_t bytes[8 * 5000];
            ent_random r;
            ent_random_seed(&r, 6, n);
            for (size_t i = 0; i < n; i++) words[i] = ent_random_bits(&r) & 0x3F803FFF00FF03F1;
            for (size_t i = 0; i < n; i++) memcpy(bytes + i * width, &words[i], width);
            assert_ok(ent_coder_spec_wide(&spec, coder, width));
            say(&spec, "words", n);
            tables t = tables_make(&spec, NULL);
            code_comes_back(&t, bytes, n);
            tables_free(&t);
        }
}

/* ---- symbols that the table does not have --------------------------------------------------- */

static void refuse_or_code(const ent_coder_spec *spec, const ent_counts *counts, void *symbols, size_t n, size_t at,
                           uint32_t symbol)
{
    uint32_t before = ent_symbol_at(symbols, spec->width, at);
    tables t = tables_make(spec, counts);
    size_t bound = ent_encode_bound(t.trained, n);
    guarded code = guarded_new(bound), out = guarded_new(n * spec->width);
    ent_buffer a = { code.data, 0, bound };
    ent_symbol_put(symbols, spec->width, at, symbol);
    say(spec, "odd symbol", at);
    ent_status status = ent_encode(t.trained, symbols, n, &a, NULL);
    if (symbol >= spec->alphabet || status) { /* one beyond the alphabet cannot be decoded: it must not be coded */
        CHECK(status == ENT_ERANGE && a.size == 0);
    } else { /* adaptive coders, and those with a way out */
        CHECK_OK(ent_decode(t.decoder, (ent_bytes){ a.data, a.size }, out.data, n));
        CHECK(!memcmp(out.data, symbols, n * spec->width));
    }
    ent_symbol_put(symbols, spec->width, at, before);
    guarded_free(&code);
    guarded_free(&out);
    tables_free(&t);
}

static void odd_symbols_are_coded_or_refused(void **state)
{
    static const uint32_t alphabets[] = { 3, 37, 256, 300, 2048, 5000 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++) {
        if (alphabets[a] > coder->max_alphabet) continue;
        ent_coder_spec spec = spec_of(coder, alphabets[a]);
        enum { N = 301 };
        static const size_t places[] = { 0, 1, 150, N - 1 };
        ent_counts counts;
        void *symbols = sample_make(SAMPLE_EVEN, alphabets[a], N, 7, &counts);
        for (size_t i = 0; i < 4; i++) {
            refuse_or_code(&spec, &counts, symbols, N, places[i], 1); /* of the alphabet, but not counted */
            uint32_t top = spec.width == 1 ? 255 : 65535;
            if (alphabets[a] <= top) {
                refuse_or_code(&spec, &counts, symbols, N, places[i], alphabets[a]);
                refuse_or_code(&spec, &counts, symbols, N, places[i], top);
            }
        }
        ent_free(symbols);
        ent_counts_free(&counts);
    }
}

/* ---- decoding into words -------------------------------------------------------------------- */

static uint64_t bits_at(const uint8_t *bytes, uint64_t at, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bits; i++) v |= (uint64_t)(bytes[(at + i) / 8] >> (at + i) % 8 & 1) << i;
    return v;
}

static void join_by_hand(const ent_join *join, const uint8_t *symbols, uint8_t *words, size_t n)
{
    unsigned rest_bits = 8 * join->word_bytes - join->bits;
    for (size_t i = 0; i < n; i++) {
        uint64_t rest = join->rest ? bits_at(join->rest, (uint64_t)i * rest_bits, rest_bits) : 0;
        for (unsigned k = 0; !join->rest && k < rest_bits / 8; k++) rest = rest << 8 | join->plane[k][i];
        uint64_t upper = rest >> join->shift, lower = rest & (((uint64_t)1 << join->shift) - 1);
        uint64_t word = upper << (join->shift + join->bits) | (uint64_t)symbols[i] << join->shift | lower;
        memcpy(words + i * join->word_bytes, &word, join->word_bytes);
    }
}

/* The rests in one array, or in planes if asked for, each with a guard behind. */
static void join_and_compare(const ent_coder_spec *spec, ent_join join, bool in_planes, const uint8_t *symbols, size_t n)
{
    size_t rest_size = (n * (8 * join.word_bytes - join.bits) + 7) / 8;
    guarded rest = guarded_new(rest_size), words = guarded_new(n * join.word_bytes);
    uint8_t *expected = malloc(n * join.word_bytes + 1);
    ent_counts counts;
    ent_random r;
    ent_random_seed(&r, 12, n);
    for (size_t i = 0; i < rest_size; i++) rest.data[i] = (uint8_t)ent_random_bits(&r);
    guarded plane[ENT_JOIN_PLANES];
    for (size_t k = 0; k < ENT_JOIN_PLANES; k++) {
        bool used = in_planes && (k + 1) * n <= rest_size;
        plane[k] = guarded_copy(rest.data + (used ? k * n : 0), used ? n : 0);
        join.plane[k] = used ? plane[k].data : NULL;
    }
    join.rest = in_planes ? NULL : rest.data;
    assert_ok(ent_counts_init(&counts, spec->alphabet));
    assert_ok(ent_counts_add(&counts, symbols, 1, n));
    say(spec, "join", n);
    tables t = tables_make(spec, &counts);
    size_t bound = ent_encode_bound(t.trained, n);
    ent_buffer code = { malloc(bound + 1), 0, bound };
    CHECK_OK(ent_encode(t.trained, symbols, n, &code, NULL));
    guarded in = guarded_copy(code.data, code.size);
    ent_status status = ent_decode_words(t.decoder, (ent_bytes){ in.data, in.size }, &join, words.data, n);
    CHECK(status == ENT_OK || status == ENT_EUNSUPPORTED);
    if (!status) {
        join_by_hand(&join, symbols, expected, n);
        CHECK(!memcmp(expected, words.data, n * join.word_bytes));
        guarded cut = guarded_copy(code.data, code.size / 2);
        ent_decode_words(t.decoder, (ent_bytes){ cut.data, cut.size }, &join, words.data, n);
        guarded_free(&cut);
    }
    free(code.data);
    free(expected);
    ent_counts_free(&counts);
    tables_free(&t);
    guarded_free(&in);
    guarded_free(&rest);
    guarded_free(&words);
    for (size_t k = 0; k < ENT_JOIN_PLANES; k++) guarded_free(&plane[k]);
}

static void words_are_symbols_joined(void **state)
{
    static const struct { uint32_t bytes, shift, bits; bool planes; } joins[] = {
        { 2, 7, 8, false }, { 2, 8, 8, false }, { 2, 10, 5, false }, { 4, 23, 8, false }, { 4, 23, 8, true },
        { 4, 16, 8, true }, { 4, 8, 8, true }, { 2, 7, 8, true },
    };
    static const size_t sizes[] = { 1, 2, 31, 63, 64, 65, 127, 128, 129, 255, 1000, 4097, 70001 };
    const ent_coder *coder = *state;
    if (!coder->decode_words) skip();
    for (size_t j = 0; j < 2 * sizeof joins / sizeof *joins; j++) {
        ent_join join = { .word_bytes = joins[j / 2].bytes, .shift = joins[j / 2].shift, .bits = joins[j / 2].bits,
                          .stream = j % 2 };
        ent_coder_spec spec = spec_of(coder, 1u << join.bits);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (sample_kind kind = SAMPLE_UNIFORM; kind <= SAMPLE_PEAKED; kind++) {
                ent_counts counts;
                uint8_t *symbols = sample_make(kind, spec.alphabet, sizes[i], 13, &counts);
                join_and_compare(&spec, join, joins[j / 2].planes, symbols, sizes[i]);
                ent_free(symbols);
                ent_counts_free(&counts);
            }
    }
}

int main(int argc, char **argv)
{
    static const property properties[] = {
        { "row is sound", row_is_sound },
        { "comes back", comes_back },
        { "every param comes back", every_param_comes_back },
        { "words of any width come back", words_of_any_width_come_back },
        { "odd symbols are coded or refused", odd_symbols_are_coded_or_refused },
        { "words are symbols joined", words_are_symbols_joined },
    };
    return check_coders("coder", properties, sizeof properties / sizeof *properties, argc, argv);
}
