/* test_coder.c - what every coder of the list must do; no coder is named here.
 *
 * One cmocka test for each property and coder.  The judge is the input itself: what is coded must
 * come back, the bits must add up, and no bytes at all may make a coder misbehave. */
#include "base/bits.h"
#include "samples.h"

static char where[160]; /* the case at hand, shown when a check fails */

#define CHECK(condition) \
    do { \
        if (!(condition)) fail_msg("%s [%s]", #condition, where); \
    } while (0)
#define CHECK_OK(call) \
    do { \
        ent_status status_ = (call); \
        if (status_) fail_msg("%s: %s [%s]", #call, ent_status_text(status_), where); \
    } while (0)

static void say(const ent_coder_spec *spec, const char *what, size_t n)
{
    snprintf(where, sizeof where, "%s alphabet %u width %u params %u %u %u %u, %s, n %zu", spec->coder->name,
             spec->alphabet, spec->width, spec->param[0], spec->param[1], spec->param[2], spec->param[3], what, n);
}

static ent_coder_spec spec_of(const ent_coder *coder, uint32_t alphabet)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, coder, alphabet));
    return spec;
}

static bool same_bytes(const void *a, const void *b, size_t size) { return !size || !memcmp(a, b, size); }

/* ---- round trips ---------------------------------------------------------------------------- */

typedef struct tables {
    ent_table *trained, *encoder, *decoder; /* encoder and decoder from the bytes that trained wrote */
    ent_buffer bytes;
} tables;

static tables tables_make(const ent_coder_spec *spec, const ent_counts *counts)
{
    tables t = { 0 };
    CHECK_OK(ent_table_train(&t.trained, spec, counts, ENT_ENCODE));
    CHECK_OK(ent_table_write(t.trained, &t.bytes));
    guarded copy = guarded_copy(t.bytes.data, t.bytes.size);
    CHECK_OK(ent_table_read(&t.encoder, spec, (ent_bytes){ copy.data, copy.size }, ENT_ENCODE));
    CHECK_OK(ent_table_read(&t.decoder, spec, (ent_bytes){ copy.data, copy.size }, ENT_DECODE));
    guarded_free(&copy);
    return t;
}

static void tables_free(tables *t)
{
    ent_table_free(t->trained);
    ent_table_free(t->encoder);
    ent_table_free(t->decoder);
    ent_free(t->bytes.data);
}

/* Whether all n symbols are of the alphabet, as decode promises for any input. */
static bool all_symbols(const ent_coder_spec *spec, const void *symbols, size_t n)
{
    for (size_t i = 0; spec->alphabet && i < n; i++)
        if (ent_symbol_at(symbols, spec->width, i) >= spec->alphabet) return false;
    return true;
}

/* Decodes n symbols from any bytes: a status, and nothing else may happen. */
static void decode_any(const ent_table *decoder, const uint8_t *bytes, size_t size, size_t n)
{
    const ent_coder_spec *spec = ent_table_spec(decoder);
    guarded in = guarded_copy(bytes, size), out = guarded_new(n * spec->width);
    ent_status status = ent_decode(decoder, (ent_bytes){ in.data, size }, out.data, n);
    CHECK(status == ENT_OK || status == ENT_ECORRUPT);
    if (!status) CHECK(all_symbols(spec, out.data, n));
    guarded_free(&in);
    guarded_free(&out);
}

static void damaged_ends(const ent_table *decoder, ent_buffer code, size_t n)
{
    uint8_t *longer = malloc(code.size + 1);
    assert_non_null(longer);
    if (code.size) memcpy(longer, code.data, code.size);
    longer[code.size] = 0;
    decode_any(decoder, longer, code.size + 1, n);
    if (code.size) {
        decode_any(decoder, longer, 0, n);
        decode_any(decoder, longer, 1, n);
        decode_any(decoder, longer, code.size / 2, n);
        decode_any(decoder, longer, code.size - 1, n);
    }
    decode_any(decoder, longer, code.size, n + 1);
    if (n) decode_any(decoder, longer, code.size, n - 1);
    free(longer);
}

static void code_comes_back(const tables *t, const void *symbols, size_t n)
{
    const ent_coder_spec *spec = ent_table_spec(t->trained);
    size_t bound = ent_encode_bound(t->trained, n), before = 3;
    guarded first = guarded_new(before + bound), second = guarded_new(bound), out = guarded_new(n * spec->width);
    ent_buffer a = { first.data, before, before + bound }, b = { second.data, 0, bound };
    ent_tally tally = { 1, 2, 3 };
    memset(first.data, 0x5A, before);
    CHECK_OK(ent_encode(t->trained, symbols, n, &a, &tally));
    CHECK(a.data[0] == 0x5A && a.data[1] == 0x5A && a.data[2] == 0x5A); /* it appends */
    CHECK(tally.payload_bits - 1 + tally.index_bits - 3 == 8 * (uint64_t)(a.size - before));
    CHECK(tally.table_bits == 2);
    CHECK_OK(ent_encode(t->encoder, symbols, n, &b, NULL));
    CHECK(b.size == a.size - before && same_bytes(a.data + before, b.data, b.size));
    if (bound) {
        ent_buffer tight = { second.data + 1, 0, bound - 1 };
        CHECK(ent_encode(t->trained, symbols, n, &tight, NULL) == ENT_ESPACE && tight.size == 0);
    }
    a = (ent_buffer){ first.data + before, a.size - before, 0 };
    guarded in = guarded_copy(a.data, a.size);
    CHECK_OK(ent_decode(t->decoder, (ent_bytes){ in.data, in.size }, out.data, n));
    CHECK(same_bytes(out.data, symbols, n * spec->width));
    if (n < 5000) damaged_ends(t->decoder, a, n);
    guarded_free(&first);
    guarded_free(&second);
    guarded_free(&out);
    guarded_free(&in);
}

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
    static const uint32_t alphabets[] = { 1, 2, 3, 16, 37, 255, 256, 257, 4096, 65536 };
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
    static const uint32_t alphabets[] = { 3, 37, 256, 300, 5000 };
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

/* ---- hostile bytes -------------------------------------------------------------------------- */

enum { HOSTILE = 96 }; /* bytes of a made-up code or table */

/* Random bytes of several densities, or `valid` with a few bytes changed, dropped or added at the end. */
static size_t make_up(ent_random *r, ent_bytes valid, uint8_t *bytes)
{
    size_t size = valid.size < HOSTILE ? valid.size : HOSTILE;
    if (ent_random_below(r, 2)) {
        size = ent_random_below(r, HOSTILE + 1);
        uint64_t density = ent_random_below(r, 3);
        for (size_t i = 0; i < size; i++) {
            uint64_t v = ent_random_bits(r);
            bytes[i] = (uint8_t)(density == 0 ? v : density == 1 ? v & v >> 8 & v >> 16 : v | v >> 8);
        }
        return size;
    }
    if (size) memcpy(bytes, valid.data, size);
    for (uint64_t i = ent_random_below(r, 4); size && i-- > 0;)
        bytes[ent_random_below(r, size)] ^= (uint8_t)(1u << ent_random_below(r, 8));
    if (size && ent_random_below(r, 4) == 0) size -= ent_random_below(r, size);
    while (size < HOSTILE && ent_random_below(r, 4) == 0) bytes[size++] = (uint8_t)ent_random_bits(r);
    return size;
}

static void any_code_is_safe(void **state)
{
    static const uint32_t alphabets[] = { 1, 2, 37, 256, 4096 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++) {
        if (alphabets[a] > coder->max_alphabet) continue;
        for (int trial = 0; trial < 1600; trial++) {
            static tables t;
            static uint8_t code[2000], bytes[HOSTILE];
            static ent_buffer valid;
            static ent_random r;
            if (trial % 400 == 0) { /* a new table and valid code */
                ent_counts counts;
                ent_coder_spec spec = spec_of(coder, alphabets[a]);
                void *symbols = sample_make((sample_kind)(trial / 400), alphabets[a], 100, 8, &counts);
                say(&spec, sample_names[trial / 400], 100);
                ent_random_seed(&r, 9, alphabets[a] + (unsigned)trial);
                t = tables_make(&spec, &counts);
                valid = (ent_buffer){ code, 0, sizeof code };
                CHECK_OK(ent_encode(t.encoder, symbols, 100, &valid, NULL));
                ent_free(symbols);
                ent_counts_free(&counts);
            }
            size_t size = make_up(&r, (ent_bytes){ valid.data, valid.size }, bytes);
            decode_any(t.decoder, bytes, size, trial % 2 ? 100 : (size_t)ent_random_below(&r, 600));
            if (trial % 400 == 399) tables_free(&t);
        }
    }
}

/* A table that was accepted must be as good as a trained one. */
static void use_table(const ent_table *table, ent_random *r, ent_bytes bytes)
{
    const ent_coder_spec *spec = ent_table_spec(table);
    enum { N = 50 };
    static uint8_t symbols[2 * N], code[20000];
    ent_buffer written = { 0 }, a = { code, 0, sizeof code };
    CHECK_OK(ent_table_write(table, &written)); /* only what would be written is accepted */
    CHECK(written.size == bytes.size && same_bytes(written.data, bytes.data, bytes.size));
    ent_free(written.data);
    uint32_t one = (uint32_t)ent_random_below(r, spec->alphabet);
    for (size_t i = 0; i < N; i++) ent_symbol_put(symbols, spec->width, i, one);
    CHECK(ent_encode_bound(table, N) <= sizeof code);
    ent_status status = ent_encode(table, symbols, N, &a, NULL);
    CHECK(status == ENT_OK || status == ENT_ERANGE);
    if (!status) {
        uint8_t got[2 * N];
        CHECK_OK(ent_decode(table, (ent_bytes){ a.data, a.size }, got, N));
        CHECK(!memcmp(got, symbols, N * spec->width));
    }
    for (size_t i = 0; i < 64; i++) code[i] = (uint8_t)ent_random_bits(r);
    decode_any(table, code, 64, N);
}

static void any_table_is_safe(void **state)
{
    static const uint32_t alphabets[] = { 1, 2, 37, 256, 4096, 65536 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++) {
        if (alphabets[a] > coder->max_alphabet) continue;
        ent_coder_spec spec = spec_of(coder, alphabets[a]);
        ent_counts counts;
        ent_free(sample_make(SAMPLE_PEAKED, alphabets[a], 2000, 10, &counts));
        tables t = tables_make(&spec, &counts);
        ent_random r;
        ent_random_seed(&r, 11, alphabets[a]);
        for (int trial = alphabets[a] > 256 ? 1200 : 0; trial < 1500; trial++) {
            uint8_t bytes[HOSTILE];
            size_t size = make_up(&r, (ent_bytes){ t.bytes.data, t.bytes.size }, bytes);
            guarded in = guarded_copy(bytes, size);
            ent_table *table;
            say(&spec, "made-up table", (size_t)trial);
            ent_status status = ent_table_read(&table, &spec, (ent_bytes){ in.data, size }, ENT_ENCODE | ENT_DECODE);
            CHECK(status == ENT_OK || status == ENT_ECORRUPT);
            if (!status) use_table(table, &r, (ent_bytes){ in.data, size });
            ent_table_free(table);
            guarded_free(&in);
        }
        tables_free(&t);
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
        uint64_t rest = bits_at(join->rest, (uint64_t)i * rest_bits, rest_bits);
        uint64_t upper = rest >> join->shift, lower = rest & (((uint64_t)1 << join->shift) - 1);
        uint64_t word = upper << (join->shift + join->bits) | (uint64_t)symbols[i] << join->shift | lower;
        memcpy(words + i * join->word_bytes, &word, join->word_bytes);
    }
}

static void join_and_compare(const ent_coder_spec *spec, ent_join join, const uint8_t *symbols, size_t n)
{
    size_t rest_size = (n * (8 * join.word_bytes - join.bits) + 7) / 8;
    guarded rest = guarded_new(rest_size), words = guarded_new(n * join.word_bytes);
    uint8_t *expected = malloc(n * join.word_bytes + 1);
    ent_counts counts;
    ent_random r;
    ent_random_seed(&r, 12, n);
    for (size_t i = 0; i < rest_size; i++) rest.data[i] = (uint8_t)ent_random_bits(&r);
    join.rest = rest.data;
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
}

static void words_are_symbols_joined(void **state)
{
    static const ent_join joins[] = { { 2, 7, 8, NULL, false },  { 2, 7, 8, NULL, true },  { 2, 8, 8, NULL, false },
                                      { 2, 10, 5, NULL, false }, { 4, 23, 8, NULL, false } };
    static const size_t sizes[] = { 1, 2, 31, 63, 64, 65, 127, 128, 129, 255, 1000, 4097, 70001 };
    const ent_coder *coder = *state;
    if (!coder->decode_words) skip();
    for (size_t j = 0; j < sizeof joins / sizeof *joins; j++) {
        ent_coder_spec spec = spec_of(coder, 1u << joins[j].bits);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (sample_kind kind = SAMPLE_UNIFORM; kind <= SAMPLE_PEAKED; kind++) {
                ent_counts counts;
                uint8_t *symbols = sample_make(kind, spec.alphabet, sizes[i], 13, &counts);
                join_and_compare(&spec, joins[j], symbols, sizes[i]);
                ent_free(symbols);
                ent_counts_free(&counts);
            }
    }
}

/* ---- the list itself ------------------------------------------------------------------------ */

static void the_list_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; ent_coders[i]; i++) {
        const ent_coder *c = ent_coders[i];
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
    }
    assert_null(ent_coder_find("no such coder"));
    assert_null(ent_coder_by_id(0));
}

int main(int argc, char **argv) /* build/test_coder 'huffman*' runs those alone */
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    static const struct { const char *name; CMUnitTestFunction test; } properties[] = {
        { "comes back", comes_back },
        { "every param comes back", every_param_comes_back },
        { "words of any width come back", words_of_any_width_come_back },
        { "odd symbols are coded or refused", odd_symbols_are_coded_or_refused },
        { "any code is safe", any_code_is_safe },
        { "any table is safe", any_table_is_safe },
        { "words are symbols joined", words_are_symbols_joined },
    };
    static struct CMUnitTest tests[256] = { { "the list is sound", the_list_is_sound, NULL, NULL, NULL } };
    static char names[256][64];
    size_t n = 1;
    for (size_t i = 0; ent_coders[i]; i++)
        for (size_t p = 0; p < sizeof properties / sizeof *properties && n < 256; p++, n++) {
            snprintf(names[n], sizeof names[n], "%s: %s", ent_coders[i]->name, properties[p].name);
            tests[n] = (struct CMUnitTest){ names[n], properties[p].test, NULL, NULL, (void *)(uintptr_t)ent_coders[i] };
        }
    return _cmocka_run_group_tests("coder", tests, n, NULL, NULL);
}
