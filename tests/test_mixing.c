/* test_mixing.c - context mixing: what known laws allow, rows that were never told, the oracle as the judge. */
#include <math.h>

#include "base/bits.h"
#include "oracle/oracle.h"
#include "test.h"

/* Exponents of normal weights have 2.5453 bits (by summing the normal integral over binades). */
static const double normal_bits = 2.5453;

static ent_coder_spec spec_of(uint32_t alphabet, uint32_t row, uint32_t sign)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find("mixing"), alphabet));
    assert_ok(ent_coder_spec_set(&spec, "row", row));
    assert_ok(ent_coder_spec_set(&spec, "sign", sign));
    return spec;
}

typedef struct matrix {
    size_t n, row, before; /* symbols; of a row; of the first one that are missing */
    int rows, columns;     /* scales of rows and columns are 2^-(0 .. so many - 1) */
    bool twos_complement;  /* codes of 8 bits with sign, not exponents */
    double one_sided;      /* share of negative weights in even columns, of positive ones in the others; < 0: no signs */
} matrix;

static double normal(ent_random *r)
{
    const double u = 1 - ent_random_uniform(r), v = ent_random_uniform(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static uint16_t *matrix_make(const matrix *m)
{
    ent_random r, scales;
    uint16_t *symbols = malloc((m->n + 1) * sizeof *symbols);
    int row = 0;
    assert_non_null(symbols);
    ent_random_seed(&r, 7, 0);
    for (size_t i = 0; i < m->n; i++) {
        const size_t column = (i + m->before) % m->row;
        if (i == 0 || column == 0) row = (int)ent_random_below(&r, (uint64_t)m->rows);
        ent_random_seed(&scales, 8, column);
        const int shift = row + (int)ent_random_below(&scales, (uint64_t)m->columns);
        const double x = normal(&r);
        const int exponent = ilogb(0.02 * fabs(x) + 1e-30);
        symbols[i] = m->twos_complement ? (uint16_t)((int)lround(20 * ldexp(x, -shift)) & 255)
                                        : (uint16_t)(127 + (exponent < -24 ? -24 : exponent) - shift);
        if (m->one_sided >= 0) {
            const bool odd = ent_random_uniform(&r) < m->one_sided;
            symbols[i] = (uint16_t)(2 * symbols[i] + (odd != (column % 2 == 1)));
        }
    }
    return symbols;
}

typedef struct coded {
    ent_table *table;
    ent_buffer code;
    uint64_t length, before; /* as stated in front */
} coded;

static coded code(ent_coder_spec spec, const uint16_t *symbols, size_t n)
{
    coded c = { 0 };
    uint8_t *narrow = malloc(n), *out = malloc(2 * n);
    assert_true(narrow && out);
    for (size_t i = 0; i < n; i++) narrow[i] = (uint8_t)symbols[i];
    const void *in = spec.width == 1 ? (const void *)narrow : symbols;
    assert_ok(ent_table_train(&c.table, &spec, NULL, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_buffer_reserve(&c.code, ent_encode_bound(c.table, n)));
    assert_ok(ent_encode(c.table, in, n, &c.code, NULL));
    assert_ok(ent_decode(c.table, (ent_bytes){ c.code.data, c.code.size }, out, n));
    assert_memory_equal(in, out, n * spec.width);
    const size_t used = ent_varint_get(c.code.data + 1, c.code.size - 1, &c.length);
    ent_varint_get(c.code.data + 1 + used, c.code.size - 1 - used, &c.before);
    free(narrow);
    free(out);
    return c;
}

static void coded_free(coded *c)
{
    ent_table_free(c->table);
    ent_free(c->code.data);
}

static double bits_of(const coded *c, size_t n) { return 8.0 * (double)c->code.size / (double)n; }

/* ---- what can be had ------------------------------------------------------------------------------ */

static void independent_symbols_cost_their_entropy(void **state)
{
    (void)state;
    const matrix m = { .n = 1 << 18, .row = 512, .rows = 1, .columns = 1, .one_sided = -1 };
    uint16_t *symbols = matrix_make(&m);
    uint64_t count[256] = { 0 };
    for (size_t i = 0; i < m.n; i++) count[symbols[i]]++;
    const double entropy = ent_entropy_bits(&(ent_counts){ 256, count });
    coded c = code(spec_of(256, 0, 0), symbols, m.n);
    assert_close(entropy, normal_bits, 0.01);
    if (bits_of(&c, m.n) > entropy * 1.002) fail_msg("%.4f bits, entropy %.4f", bits_of(&c, m.n), entropy);
    coded_free(&c);
    free(symbols);
}

/* Scales of rows and of columns that are powers of two only move exponents: what stays is their entropy. */
static void rows_and_columns_are_found_and_used(void **state)
{
    (void)state;
    const matrix m = { .n = 1 << 18, .row = 500, .before = 123, .rows = 3, .columns = 3, .one_sided = -1 };
    uint16_t *symbols = matrix_make(&m);
    coded c = code(spec_of(256, 0, 0), symbols, m.n), known = code(spec_of(256, 500, 0), symbols, m.n);
    coded wrong = code(spec_of(256, 499, 0), symbols, m.n);
    assert_int_equal(c.length, m.row);
    assert_in_range(c.before, m.before - 2, m.before + 2);
    assert_int_equal(known.code.size, c.code.size);
    if (bits_of(&c, m.n) > normal_bits + 0.1) fail_msg("%.4f bits", bits_of(&c, m.n));
    assert_true(bits_of(&wrong, m.n) > bits_of(&c, m.n) + 0.1); /* without columns */
    coded_free(&c);
    coded_free(&known);
    coded_free(&wrong);
    free(symbols);
}

static void rows_alone_are_found(void **state)
{
    (void)state;
    const matrix m = { .n = 1 << 18, .row = 1000, .rows = 3, .columns = 1, .one_sided = -1 };
    uint16_t *symbols = matrix_make(&m);
    coded c = code(spec_of(256, 0, 0), symbols, m.n);
    assert_int_equal(c.length, m.row);
    assert_int_equal(c.before, 0);
    if (bits_of(&c, m.n) > normal_bits + 0.05) fail_msg("%.4f bits", bits_of(&c, m.n));
    coded_free(&c);
    free(symbols);
}

/* One weight in ten has the other sign: 0.4690 bits. */
static void signs_of_columns_are_learnt(void **state)
{
    (void)state;
    const matrix m = { .n = 1 << 17, .row = 256, .rows = 1, .columns = 3, .one_sided = 0.1 };
    uint16_t *symbols = matrix_make(&m);
    coded c = code(spec_of(512, 0, 1), symbols, m.n), blind = code(spec_of(512, 0, 0), symbols, m.n);
    assert_int_equal(c.length, m.row);
    if (bits_of(&c, m.n) > normal_bits + 0.469 + 0.15) fail_msg("%.4f bits", bits_of(&c, m.n));
    assert_true(bits_of(&blind, m.n) > bits_of(&c, m.n) + 0.02);
    coded_free(&c);
    coded_free(&blind);
    free(symbols);
}

/* What rows of codes with sign have in common is how far they are from 0, not their mean. */
static void codes_are_folded_exponents_are_not(void **state)
{
    (void)state;
    matrix m = { .n = 1 << 17, .row = 512, .rows = 3, .columns = 1, .twos_complement = true, .one_sided = -1 };
    for (int codes = 0; codes < 2; codes++) {
        m.twos_complement = codes;
        uint16_t *symbols = matrix_make(&m);
        coded c = code(spec_of(256, 0, 0), symbols, m.n);
        assert_int_equal(c.code.data[0], codes);
        assert_int_equal(c.length, m.row);
        coded_free(&c);
        free(symbols);
    }
}

/* ---- against the oracle ---------------------------------------------------------------------- */

static const matrix judged[] = {
    { 6000, 96, 17, 3, 3, false, -1 },
    { 6000, 96, 95, 3, 3, false, 0.1 },
    { 5000, 64, 0, 3, 3, true, -1 },
    { 70001, 128, 5, 2, 2, false, 0.4 },
};
enum { CASES = sizeof judged / sizeof *judged };

static void the_oracle_reads_every_code(void **state)
{
    (void)state;
    for (size_t k = 0; k < CASES; k++) {
        const matrix *m = &judged[k];
        const bool sign = m->one_sided >= 0;
        uint16_t *symbols = matrix_make(m), *out = malloc(m->n * sizeof *out);
        const ent_coder_spec spec = spec_of(sign ? 512 : 256, 0, sign);
        coded c = code(spec, symbols, m->n);
        assert_int_equal(c.length, m->row);
        assert_int_equal(oracle_mixing(spec.alphabet, spec.param, NULL, 0, c.code.data, c.code.size, out, m->n), 0);
        assert_memory_equal(out, symbols, m->n * sizeof *out);
        coded_free(&c);
        free(symbols);
        free(out);
    }
}

static void damaged_codes_get_the_oracles_verdict(void **state)
{
    (void)state;
    enum { N = 700 };
    const matrix m = { N, 16, 3, 3, 3, false, 0.1 };
    uint16_t *symbols = matrix_make(&m), library[N], judge[N];
    const ent_coder_spec spec = spec_of(512, 16, 1);
    coded c = code(spec, symbols, N);
    for (size_t bit = 0; bit < 8 * c.code.size; bit += bit < 48 ? 1 : 13) {
        c.code.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const ent_status status = ent_decode(c.table, (ent_bytes){ c.code.data, c.code.size }, library, N);
        assert_int_equal(status != ENT_OK, oracle_mixing(512, spec.param, NULL, 0, c.code.data, c.code.size, judge, N));
        if (!status) assert_memory_equal(library, judge, sizeof library);
        c.code.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    coded_free(&c);
    free(symbols);
}

/* Fronts that no encoder writes. */
static void odd_rows_are_refused(void **state)
{
    (void)state;
    static const uint8_t fronts[][3] = {
        { 2, 0, 0 },     /* folded is 0 or 1 */
        { 0, 0, 1 },     /* a row begun without rows */
        { 0, 4, 4 },     /* a row begun at its end */
        { 0, 101, 0 },   /* a row longer than the code */
        { 0, 0x80, 0 },  /* a varint that is not the shortest */
    };
    uint8_t symbols[100] = { 0 }, out[100], bytes[4000];
    const ent_coder_spec spec = spec_of(256, 0, 0);
    ent_table *table;
    ent_buffer made = { bytes, 0, sizeof bytes };
    assert_ok(ent_table_train(&table, &spec, NULL, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_encode(table, symbols, 100, &made, NULL));
    assert_ok(ent_decode(table, (ent_bytes){ bytes, made.size }, out, 100));
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
        memcpy(bytes, fronts[i], 3);
        assert_status(ent_decode(table, (ent_bytes){ bytes, made.size }, out, 100), ENT_ECORRUPT);
    }
    ent_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(independent_symbols_cost_their_entropy),
        cmocka_unit_test(rows_and_columns_are_found_and_used),
        cmocka_unit_test(rows_alone_are_found),
        cmocka_unit_test(signs_of_columns_are_learnt),
        cmocka_unit_test(codes_are_folded_exponents_are_not),
        cmocka_unit_test(the_oracle_reads_every_code),
        cmocka_unit_test(damaged_codes_get_the_oracles_verdict),
        cmocka_unit_test(odd_rows_are_refused),
    };
    return cmocka_run_group_tests_name("mixing", tests, NULL, NULL);
}
