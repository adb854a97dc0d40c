/* test_coder_hostile.c - no bytes at all, as code or as table, may make a coder misbehave. */
#include "coders.h"

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
            static uint8_t code[4000], bytes[HOSTILE];
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

/* A table made under other params is refused, or holds what the bound under these promises: the rare
 * symbol that is coded here takes more bits than any does on average. */
static void read_under(const ent_coder_spec *made, const ent_coder_spec *spec)
{
    enum { N = 3000 };
    ent_counts counts, rare_counts;
    ent_free(sample_make(SAMPLE_SKEWED, spec->alphabet, 20 * N, 14, &counts));
    void *rare = sample_make(SAMPLE_CONSTANT, spec->alphabet, N, 15, &rare_counts);
    tables t = tables_make(made, &counts), u = { 0 };
    ent_bytes bytes = { t.bytes.data, t.bytes.size };
    say(spec, "table of other params", N);
    ent_status status = ent_table_read(&u.trained, spec, bytes, ENT_ENCODE);
    CHECK(status == ENT_OK || status == ENT_ECORRUPT);
    CHECK(ent_table_read(&u.encoder, spec, bytes, ENT_ENCODE) == status);
    CHECK(ent_table_read(&u.decoder, spec, bytes, ENT_DECODE) == status);
    if (!status) code_comes_back(&u, rare, N);
    tables_free(&t);
    tables_free(&u);
    ent_free(rare);
    ent_counts_free(&counts);
    ent_counts_free(&rare_counts);
}

static void tables_of_other_params_are_safe(void **state)
{
    static const uint32_t alphabets[] = { 37, 256, 1500 };
    const ent_coder *coder = *state;
    for (size_t a = 0; a < 3; a++)
        for (int p = 0; p < ENT_CODER_PARAMS && coder->param[p].name; p++) {
            if (alphabets[a] > coder->max_alphabet) continue;
            ent_coder_spec least = spec_of(coder, alphabets[a]), preset = least, most = least;
            least.param[p] = coder->param[p].least;
            most.param[p] = coder->param[p].most;
            read_under(&most, &least);
            read_under(&most, &preset);
            read_under(&preset, &least);
            read_under(&least, &most);
        }
}

int main(int argc, char **argv)
{
    static const property properties[] = {
        { "any code is safe", any_code_is_safe },
        { "any table is safe", any_table_is_safe },
        { "tables of other params are safe", tables_of_other_params_are_safe },
    };
    return check_coders("coder hostile", properties, sizeof properties / sizeof *properties, argc, argv);
}
