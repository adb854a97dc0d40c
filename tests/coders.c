/* coders.c - see coders.h. */
#include "coders.h"

char where[160];

void say(const ent_coder_spec *spec, const char *what, size_t n)
{
    snprintf(where, sizeof where, "%s alphabet %u width %u params %u %u %u %u, %s, n %zu", spec->coder->name,
             spec->alphabet, spec->width, spec->param[0], spec->param[1], spec->param[2], spec->param[3], what, n);
}

ent_coder_spec spec_of(const ent_coder *coder, uint32_t alphabet)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, coder, alphabet));
    return spec;
}

bool same_bytes(const void *a, const void *b, size_t size) { return !size || !memcmp(a, b, size); }

tables tables_make(const ent_coder_spec *spec, const ent_counts *counts)
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

void tables_free(tables *t)
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

void decode_any(const ent_table *decoder, const uint8_t *bytes, size_t size, size_t n)
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

void code_comes_back(const tables *t, const void *symbols, size_t n)
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

int check_coders(const char *group, const property *properties, size_t n, int argc, char **argv)
{
    enum { MOST = 256 };
    static struct CMUnitTest tests[MOST];
    static char names[MOST][64];
    size_t made = 0;
    for (size_t i = 0; ent_coders[i]; i++)
        for (size_t p = 0; p < n; p++, made++) {
            assert_true(made < MOST);
            snprintf(names[made], sizeof names[made], "%s: %s", ent_coders[i]->name, properties[p].name);
            tests[made] = (struct CMUnitTest){ names[made], properties[p].test, NULL, NULL, (void *)(uintptr_t)ent_coders[i] };
        }
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(group, tests, made, NULL, NULL);
}
