/* test_oracle.c - what the library codes, the oracles decode; and what one of the two takes for a
 * code or a table, so does the other.
 *
 * The judges are the decoders of tests/oracle, which share nothing with the library but the texts of
 * the formats. */
#include "coders.h"
#include "oracle/oracle.h"

/* ---- one coder and its oracle --------------------------------------------------------------- */

static ent_bytes bytes_of(const ent_buffer *b) { return (ent_bytes){ b->data, b->size }; }

/* A copy that ends at a guard page; kept until the next one in the same place (a mapping for each
 * would take most of the time). */
static ent_bytes at_guard(ent_bytes bytes, guarded *place)
{
    enum { ROOM = 1 << 19 };
    if (!place->data) *place = guarded_new(ROOM);
    assert_true(bytes.size <= ROOM);
    uint8_t *copy = place->data + ROOM - bytes.size;
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return (ent_bytes){ copy, bytes.size };
}

/* The library's verdict on (table, code) and that of the oracle, and the symbols if both decode. */
static void agree(const ent_coder_spec *spec, ent_bytes table, ent_bytes code, size_t n)
{
    static guarded table_place, code_place;
    ent_table *decoder = NULL;
    uint8_t *symbols = malloc(n * spec->width + 1);
    uint16_t *expected = malloc((n + 1) * sizeof *expected);
    assert_true(symbols && expected);
    table = at_guard(table, &table_place);
    code = at_guard(code, &code_place);
    ent_status status = ent_table_read(&decoder, spec, table, ENT_DECODE);
    CHECK(status == ENT_OK || status == ENT_ECORRUPT);
    if (!status) status = ent_decode(decoder, code, symbols, n);
    CHECK(status == ENT_OK || status == ENT_ECORRUPT);
    int refused = oracle_find(spec->coder->name)(spec->alphabet, spec->param, table.data, table.size, code.data,
                                                 code.size, expected, n);
    if (refused != (status != ENT_OK))
        fail_msg("the library says \"%s\", the oracle %d [%s]", ent_status_text(status), refused, where);
    for (size_t i = 0; !refused && i < n; i++)
        if (ent_symbol_at(symbols, spec->width, i) != expected[i]) fail_msg("symbol %zu differs [%s]", i, where);
    ent_table_free(decoder);
    free(symbols);
    free(expected);
}

typedef struct coded {
    ent_coder_spec spec;
    size_t n;
    void *symbols;
    ent_buffer table, code;
} coded;

/* The sample by a table trained on it; after training `odd` of its symbols become others, where the
 * coder has a way out. */
static coded code_sample(const ent_coder_spec *spec, sample_kind kind, size_t n, uint64_t seed, size_t odd)
{
    coded c = { .spec = *spec, .n = n };
    ent_counts counts;
    ent_random r;
    c.symbols = sample_make(kind, spec->alphabet, n, seed, &counts);
    uint8_t *regular = malloc(n * spec->width + 1);
    assert_non_null(regular);
    if (n) memcpy(regular, c.symbols, n * spec->width);
    tables t = tables_make(spec, &counts);
    CHECK_OK(ent_table_write(t.trained, &c.table));
    CHECK_OK(ent_buffer_reserve(&c.code, ent_encode_bound(t.trained, n)));
    ent_random_seed(&r, seed, n);
    for (size_t i = 0; i < odd; i++) {
        uint32_t symbol = (uint32_t)ent_random_below(&r, spec->alphabet);
        ent_symbol_put(c.symbols, spec->width, (size_t)ent_random_below(&r, n), symbol);
    }
    ent_status status = ent_encode(t.trained, c.symbols, n, &c.code, NULL);
    if (status == ENT_ERANGE && odd) {
        memcpy(c.symbols, regular, n * spec->width);
        status = ent_encode(t.trained, c.symbols, n, &c.code, NULL);
    }
    CHECK_OK(status);
    free(regular);
    tables_free(&t);
    ent_counts_free(&counts);
    return c;
}

static void free_coded(coded *c)
{
    ent_free(c->symbols);
    ent_free(c->table.data);
    ent_free(c->code.data);
}

static void decodes(const ent_coder_spec *spec, sample_kind kind, size_t n, size_t odd)
{
    say(spec, sample_names[kind], n);
    coded c = code_sample(spec, kind, n, 21, odd);
    static guarded table_place, code_place;
    ent_bytes table = at_guard(bytes_of(&c.table), &table_place), code = at_guard(bytes_of(&c.code), &code_place);
    uint16_t *symbols = malloc((n + 1) * sizeof *symbols);
    assert_non_null(symbols);
    CHECK(!oracle_find(spec->coder->name)(spec->alphabet, spec->param, table.data, table.size, code.data, code.size,
                                          symbols, n));
    for (size_t i = 0; i < n; i++)
        if (symbols[i] != ent_symbol_at(c.symbols, spec->width, i)) fail_msg("symbol %zu differs [%s]", i, where);
    free(symbols);
    free_coded(&c);
}

static void oracle_decodes_what_is_coded(void **state)
{
    static const uint32_t alphabets[] = { 1, 2, 3, 16, 37, 256, 257, 1500, 65536 };
    static const size_t sizes[] = { 0, 1, 7, 64, 65, 257, 1000, 4099 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++) {
        if (alphabets[a] > coder->max_alphabet) continue;
        ent_coder_spec spec = spec_of(coder, alphabets[a]);
        for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                if (alphabets[a] > 256 && i % 3) continue; /* tables of such take time */
                decodes(&spec, kind, sizes[i], 0);
                if (sizes[i] >= 64 && i % 2) decodes(&spec, kind, sizes[i], 5);
            }
    }
}

/* Params: each alone at its least and its most, then all of them. */
static ent_coder_spec odd_spec(const ent_coder *coder, uint32_t alphabet, int which, bool most)
{
    ent_coder_spec spec = spec_of(coder, alphabet);
    for (int q = 0; q < ENT_CODER_PARAMS; q++)
        if (coder->param[q].name && (which == q || which == ENT_CODER_PARAMS))
            spec.param[q] = most ? coder->param[q].most : coder->param[q].least;
    return spec;
}

static void oracle_decodes_with_any_params(void **state)
{
    static const uint32_t alphabets[] = { 2, 37, 256, 1500 };
    static const size_t sizes[] = { 3, 70, 1001 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < 4; a++)
        for (int which = 0; which <= ENT_CODER_PARAMS && alphabets[a] <= coder->max_alphabet; which++)
            for (int most = 0; most < 2; most++)
                for (size_t i = 0; i < 3; i++) {
                    ent_coder_spec spec = odd_spec(coder, alphabets[a], which, most);
                    decodes(&spec, SAMPLE_UNIFORM, sizes[i], 0);
                    decodes(&spec, SAMPLE_PEAKED, sizes[i], 0);
                }
}

/* Where a coder may choose another layout, and adaptive counts have been halved. */
static void oracle_decodes_long_codes(void **state)
{
    const ent_coder *coder = *state;
    for (int params = 0; params < 3; params++) { /* preset, least, most */
        ent_coder_spec spec = odd_spec(coder, 256, params ? ENT_CODER_PARAMS : -1, params == 2);
        decodes(&spec, SAMPLE_PEAKED, 20001, 0);
        decodes(&spec, SAMPLE_SKEWED, 20001, 20);
        if (!params) decodes(&spec, SAMPLE_PEAKED, 200003, 100);
    }
}

/* ---- damage --------------------------------------------------------------------------------- */

/* One change of the bytes in `buffer`, which has room for one more. */
static void damage(ent_buffer *buffer, ent_random *r)
{
    uint8_t *data = buffer->data;
    size_t size = buffer->size, at = size ? (size_t)ent_random_below(r, size) : 0;
    if (ent_random_below(r, 2)) at %= 8; /* sizes and first states */
    if (ent_random_below(r, 4) == 0) at = size - 1 - at; /* last states, padding */
    if (at >= size) at = 0;
    switch (size ? ent_random_below(r, 6) : 5) {
        case 0: data[at] ^= (uint8_t)(1 << ent_random_below(r, 8)); break;
        case 1: data[at] = (uint8_t)ent_random_bits(r); break;
        case 2: data[at] = (uint8_t)(data[at] + 1 - 2 * ent_random_below(r, 2)); break;
        case 3: buffer->size = at; break;
        case 4: /* a byte more; and a varint that is not the shortest */
            memmove(data + at + 1, data + at, size - at);
            if (ent_random_below(r, 2)) data[at] = 0;
            else data[at] |= 128, data[at + 1] = 0;
            buffer->size++;
            break;
        default: data[buffer->size++] = (uint8_t)ent_random_below(r, 2);
    }
}

static void damaged_agree(const coded *c, bool of_table, size_t tries)
{
    const ent_buffer *whole = of_table ? &c->table : &c->code;
    ent_bytes table = bytes_of(&c->table), code = bytes_of(&c->code);
    ent_random r;
    ent_random_seed(&r, 22, c->n);
    ent_buffer damaged = { malloc(whole->size + 4), 0, whole->size + 4 };
    assert_non_null(damaged.data);
    for (size_t i = 0; i < tries; i++) {
        damaged.size = whole->size;
        if (whole->size) memcpy(damaged.data, whole->data, whole->size);
        for (uint64_t times = 1 + ent_random_below(&r, 2); times > 0; times--) damage(&damaged, &r);
        ent_bytes view = { damaged.data, damaged.size };
        agree(&c->spec, of_table ? view : table, of_table ? code : view, c->n);
    }
    free(damaged.data);
}

static void agree_on_damage(const ent_coder *coder, bool of_table)
{
    static const uint32_t alphabets[] = { 1, 2, 37, 256, 300 };
    static const size_t sizes[] = { 0, 1, 70, 300, 1300 };
    for (size_t a = 0; a < 5; a++)
        for (size_t i = 0; i < 5 && alphabets[a] <= coder->max_alphabet; i++)
            for (int params = 0; params < 3; params++) /* preset, least, most */
                for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
                    ent_coder_spec spec = odd_spec(coder, alphabets[a], params ? ENT_CODER_PARAMS : -1, params == 2);
                    say(&spec, sample_names[kind], sizes[i]);
                    coded c = code_sample(&spec, kind, sizes[i], 23, sizes[i] / 40);
                    damaged_agree(&c, of_table, params == 2 ? 3 : 8);
                    agree(&spec, bytes_of(&c.table), bytes_of(&c.code), c.n + 1);
                    free_coded(&c);
                }
}

static void agree_on_long_damaged_codes(void **state)
{
    static const size_t sizes[] = { 9001, 200003 };
    const ent_coder *coder = *state;
    for (size_t i = 0; i < 2; i++) {
        ent_coder_spec spec = spec_of(coder, 256);
        say(&spec, "long", sizes[i]);
        coded c = code_sample(&spec, SAMPLE_PEAKED, sizes[i], 24, 40);
        damaged_agree(&c, false, i ? 8 : 40);
        free_coded(&c);
    }
}

static void both_refuse_damaged_codes(void **state) { agree_on_damage(*state, false); }
/* All strings of up to 6 of these bytes, as codes of n symbols: more edges than damage meets. */
static void strings_agree(const ent_coder *coder, uint32_t alphabet, size_t n)
{
    static const uint8_t bytes[] = { 0, 1, 2, 128, 255 };
    ent_coder_spec spec = odd_spec(coder, alphabet, ENT_CODER_PARAMS, false);
    coded c = code_sample(&spec, SAMPLE_PEAKED, 50, 25, 0);
    say(&spec, "strings", n);
    for (uint64_t size = 0, all = 1; size <= 6; size++, all *= 5)
        for (uint64_t number = 0; number < all; number++) {
            uint8_t code[6];
            uint64_t left = number;
            for (uint64_t i = 0; i < size; i++, left /= 5) code[i] = bytes[left % 5];
            agree(&spec, bytes_of(&c.table), (ent_bytes){ code, size }, n);
        }
    free_coded(&c);
}

static void both_refuse_the_same_short_strings(void **state)
{
    strings_agree(*state, 2, 1);
    strings_agree(*state, 5, 3);
}

static void both_refuse_damaged_tables(void **state) { agree_on_damage(*state, true); }

/* ---- the list ------------------------------------------------------------------------------- */

static void every_coder_has_an_oracle(void **state)
{
    (void)state;
    for (size_t i = 0; ent_coders[i]; i++) {
        const ent_coder *c = ent_coders[i];
        bool foreign = c->wide && strcmp(c->name, "raw"); /* a format that is not ours */
        bool ours = c->id < 1000; /* higher ones are for whoever adds a coder outside */
        if (ours && !foreign && !oracle_find(c->name)) fail_msg("%s has no oracle: see oracle/oracle.h", c->name);
    }
}

int main(int argc, char **argv)
{
    static const property properties[] = {
        { "the oracle decodes what is coded", oracle_decodes_what_is_coded },
        { "the oracle decodes with any params", oracle_decodes_with_any_params },
        { "the oracle decodes long codes", oracle_decodes_long_codes },
        { "both refuse the same damaged codes", both_refuse_damaged_codes },
        { "both refuse the same damaged tables", both_refuse_damaged_tables },
        { "both refuse the same short strings", both_refuse_the_same_short_strings },
        { "both refuse the same long damaged codes", agree_on_long_damaged_codes },
    };
    enum { PROPERTIES = sizeof properties / sizeof *properties, MOST = 128 };
    static struct CMUnitTest tests[MOST] = { cmocka_unit_test(every_coder_has_an_oracle) };
    static char names[MOST][80];
    size_t made = 1;
    for (const oracle *o = oracles; o->coder; o++)
        for (size_t p = 0; p < PROPERTIES && made < MOST; p++, made++) {
            void *coder = (void *)(uintptr_t)ent_coder_find(o->coder);
            snprintf(names[made], sizeof names[made], "%s: %s", o->coder, properties[p].name);
            tests[made] = (struct CMUnitTest){ names[made], properties[p].test, NULL, NULL, coder };
        }
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("oracle", tests, made, NULL, NULL);
}
