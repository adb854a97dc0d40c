/* test_planar_rans_classes.c - several tables for planar-rans: the entropy of rows of known scales, the oracle as the
 * judge of codes whole and damaged. */
#include <math.h>

#include "base/bits.h"
#include "oracle/oracle.h"
#include "test.h"

enum { ALPHABET = 256, UNIT = 256, SCALES = 3 };

static ent_coder_spec spec_of(uint32_t classes, uint32_t segment)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find("planar-rans-classes"), ALPHABET));
    assert_ok(ent_coder_spec_set(&spec, "classes", classes));
    assert_ok(ent_coder_spec_set(&spec, "segment", segment));
    return spec;
}

/* Exponents of normal weights in rows, each of one of three scales that are 2^-apart from the next; now and then
 * `odd` symbols that occur nowhere else. */
static uint8_t *rows(size_t n, size_t row, int apart, size_t odd)
{
    ent_random r;
    uint8_t *symbols = malloc(n + 1);
    int shift = 0;
    assert_non_null(symbols);
    ent_random_seed(&r, 5, 0);
    for (size_t i = 0; i < n; i++) {
        if (i % row == 0) shift = apart * (int)ent_random_below(&r, SCALES);
        double u = 1 - ent_random_uniform(&r), v = ent_random_uniform(&r);
        int exponent = ilogb(0.02 * sqrt(-2 * log(u)) * cos(6.283185307179586 * v) + 1e-30);
        symbols[i] = (uint8_t)(127 + (exponent < -18 ? -18 : exponent) - shift);
    }
    for (size_t i = 0; i < odd; i++) symbols[ent_random_below(&r, n)] = (uint8_t)(200 + i % 50);
    return symbols;
}

typedef struct coded {
    ent_coder_spec spec;
    ent_table *table;
    ent_buffer table_bytes, code;
} coded;

static coded coded_make(ent_coder_spec spec, const uint8_t *symbols, size_t trained, size_t n)
{
    coded c = { .spec = spec };
    ent_counts counts;
    ent_tally tally = { 0, 0, 0 };
    assert_ok(ent_training_init(&counts, &spec));
    assert_ok(ent_training_add(&counts, &spec, symbols, trained));
    assert_ok(ent_table_train(&c.table, &spec, &counts, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_table_write(c.table, &c.table_bytes));
    assert_ok(ent_buffer_reserve(&c.code, ent_encode_bound(c.table, n)));
    assert_ok(ent_encode(c.table, symbols, n, &c.code, &tally));
    assert_int_equal(tally.payload_bits + tally.index_bits, 8 * c.code.size);
    ent_counts_free(&counts);
    return c;
}

static void coded_free(coded *c)
{
    ent_table_free(c->table);
    ent_free(c->table_bytes.data);
    ent_free(c->code.data);
}

static int ask_oracle(const coded *c, ent_bytes table, ent_bytes code, uint16_t *symbols, size_t n)
{
    return oracle_planar_rans_classes(ALPHABET, c->spec.param, table.data, table.size, code.data, code.size, symbols,
                                      n);
}

static ent_bytes bytes_of(const ent_buffer *b) { return (ent_bytes){ b->data, b->size }; }

/* ---- what it is for ------------------------------------------------------------------------- */

/* Scales so far apart that a symbol tells its row's: H(symbol) = H(symbol; row's scale known) + log2 3.  A normal
 * weight's exponent has 2.5453 bits (by summing the normal integral over binades), at most 0.01 more where small ones
 * are put together. */
static void rows_cost_what_their_own_scale_costs(void **state)
{
    (void)state;
    enum { N = 1 << 18, ROW = 1024 };
    uint8_t *symbols = rows(N, ROW, 20, 0);
    coded one = coded_make(spec_of(1, ROW / UNIT), symbols, N, N);
    coded three = coded_make(spec_of(4, ROW / UNIT), symbols, N, N);
    assert_int_equal(one.table_bytes.data[0], 1);
    assert_int_equal(three.table_bytes.data[0], SCALES);
    assert_true(8.0 * (double)three.code.size / N < 2.5453 * 1.02);
    assert_true(8.0 * (double)one.code.size / N > 2.5453 + log2(3) - 0.05);
    coded_free(&one);
    coded_free(&three);
    free(symbols);
}

static void one_scale_has_one_table(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    uint8_t *symbols = rows(N, 1024, 0, 0);
    coded c = coded_make(spec_of(16, 4), symbols, N, N);
    assert_int_equal(c.table_bytes.data[0], 1);
    coded_free(&c);
    free(symbols);
}

static void counts_add_up_and_plain_ones_serve(void **state)
{
    (void)state;
    enum { N = 8192 };
    const ent_coder_spec spec = spec_of(8, 2);
    uint8_t *symbols = rows(N, 512, 3, 0);
    ent_counts all, part[2], plain;
    ent_table *table;
    assert_ok(ent_training_init(&all, &spec));
    assert_ok(ent_training_add(&all, &spec, symbols, N));
    for (int i = 0; i < 2; i++) {
        assert_ok(ent_training_init(&part[i], &spec));
        assert_ok(ent_training_add(&part[i], &spec, symbols + i * N / 2, N / 2));
    }
    assert_ok(ent_counts_merge(&part[0], &part[1]));
    assert_int_equal(part[0].alphabet, all.alphabet);
    assert_memory_equal(part[0].count, all.count, all.alphabet * sizeof *all.count);
    assert_ok(ent_counts_init(&plain, ALPHABET));
    assert_ok(ent_counts_add(&plain, symbols, 1, N));
    for (uint32_t s = 0; s < ALPHABET; s++)
        for (uint32_t i = s; i < all.alphabet; i += ALPHABET) plain.count[s] -= all.count[i];
    assert_int_equal(ent_counts_total(&plain), 0);
    assert_ok(ent_counts_add(&plain, symbols, 1, N));
    assert_ok(ent_table_train(&table, &spec, &plain, ENT_ENCODE));
    ent_table_free(table);
    assert_status(ent_training_add(&plain, &spec, symbols, N), ENT_EINVAL);
    ent_counts_free(&all);
    for (int i = 0; i < 2; i++) ent_counts_free(&part[i]);
    ent_counts_free(&plain);
    free(symbols);
}

/* ---- against the oracle ---------------------------------------------------------------------- */

static void words_agree(const coded *c, const uint8_t *symbols, size_t n)
{
    guarded rest = guarded_new(n), words = guarded_new(2 * n), in = guarded_copy(c->code.data, c->code.size);
    for (size_t i = 0; i < n; i++) rest.data[i] = (uint8_t)(i * 37);
    ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = rest.data };
    ent_status status = ent_decode_words(c->table, (ent_bytes){ in.data, in.size }, &join, words.data, n);
    if (status != ENT_EUNSUPPORTED) assert_ok(status);
    for (size_t i = 0; !status && i < n; i++)
        assert_int_equal(ent_load16(words.data + 2 * i),
                         (rest.data[i] >> 7) << 15 | symbols[i] << 7 | (rest.data[i] & 127));
    guarded_free(&rest);
    guarded_free(&words);
    guarded_free(&in);
}

static void the_oracle_reads_every_code(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 65, 256, 257, 1000, 8192, 9000, 30011, 131072, 140003 };
    static const uint32_t segments[] = { 1, 3, 32 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t g = 0; g < sizeof segments / sizeof *segments; g++) {
            const size_t n = sizes[k];
            uint8_t *symbols = rows(n, 256 * segments[g], 2, n / 100);
            uint16_t *judged = malloc(2 * n);
            assert_non_null(judged);
            coded c = coded_make(spec_of(5, segments[g]), symbols, n / 2, n);
            guarded out = guarded_new(n), in = guarded_copy(c.code.data, c.code.size);
            assert_int_equal(ask_oracle(&c, bytes_of(&c.table_bytes), (ent_bytes){ in.data, in.size }, judged, n), 0);
            assert_ok(ent_decode(c.table, (ent_bytes){ in.data, in.size }, out.data, n));
            assert_memory_equal(out.data, symbols, n);
            for (size_t i = 0; i < n; i++) assert_int_equal(judged[i], symbols[i]);
            words_agree(&c, symbols, n);
            guarded_free(&out);
            guarded_free(&in);
            coded_free(&c);
            free(judged);
            free(symbols);
        }
}

/* What library and oracle say to a code; the symbols, if both take it. */
static void same_verdict(const coded *c, const ent_table *table, ent_bytes table_bytes, ent_bytes code, size_t n)
{
    static uint16_t judged[8192];
    guarded out = guarded_new(n), in = guarded_copy(code.data, code.size);
    ent_status status = ent_decode(table, (ent_bytes){ in.data, in.size }, out.data, n);
    assert_int_equal(status != ENT_OK, ask_oracle(c, table_bytes, code, judged, n));
    for (size_t i = 0; !status && i < n; i++) assert_int_equal(out.data[i], judged[i]);
    guarded_free(&out);
    guarded_free(&in);
}

enum { SHORT = 1500 };

static coded short_code(void)
{
    uint8_t *symbols = rows(8192, 256, 20, 8);
    coded c = coded_make(spec_of(4, 1), symbols, 8192, SHORT);
    assert_int_equal(c.table_bytes.data[0], SCALES);
    free(symbols);
    return c;
}

static void damaged_codes_get_the_oracles_verdict(void **state)
{
    (void)state;
    coded c = short_code();
    const ent_bytes table = bytes_of(&c.table_bytes);
    for (size_t bit = 0; bit < 8 * c.code.size; bit++) {
        c.code.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        same_verdict(&c, c.table, table, bytes_of(&c.code), SHORT);
        c.code.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 0; size < c.code.size; size += 7)
        same_verdict(&c, c.table, table, (ent_bytes){ c.code.data, size }, SHORT);
    same_verdict(&c, c.table, table, bytes_of(&c.code), SHORT + 200);
    coded_free(&c);
}

static void damaged_tables_get_the_oracles_verdict(void **state)
{
    (void)state;
    static uint16_t judged[SHORT];
    coded c = short_code();
    for (size_t bit = 0; bit <= 8 * c.table_bytes.size; bit++) {
        ent_table *table;
        guarded damaged = guarded_new(c.table_bytes.size);
        memcpy(damaged.data, c.table_bytes.data, damaged.size);
        if (bit / 8 < damaged.size) damaged.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const ent_bytes bytes = { damaged.data, damaged.size };
        ent_status status = ent_table_read(&table, &c.spec, bytes, ENT_DECODE);
        if (status) assert_int_equal(ask_oracle(&c, bytes, bytes_of(&c.code), judged, SHORT), 1);
        else same_verdict(&c, table, bytes, bytes_of(&c.code), SHORT);
        ent_table_free(table);
        guarded_free(&damaged);
    }
    coded_free(&c);
}

/* Segments 0 and 1 are in the lower half of the first byte; with three tables there is no number 3. */
static void numbers_of_no_table_are_refused(void **state)
{
    (void)state;
    uint8_t out[SHORT];
    coded c = short_code();
    c.code.data[0] |= 3;
    assert_status(ent_decode(c.table, bytes_of(&c.code), out, SHORT), ENT_ECORRUPT);
    coded_free(&c);
    c = short_code(); /* six segments, twelve bits */
    c.code.data[1] |= 16;
    assert_status(ent_decode(c.table, bytes_of(&c.code), out, SHORT), ENT_ECORRUPT);
    coded_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_cost_what_their_own_scale_costs),
        cmocka_unit_test(one_scale_has_one_table),
        cmocka_unit_test(counts_add_up_and_plain_ones_serve),
        cmocka_unit_test(the_oracle_reads_every_code),
        cmocka_unit_test(damaged_codes_get_the_oracles_verdict),
        cmocka_unit_test(damaged_tables_get_the_oracles_verdict),
        cmocka_unit_test(numbers_of_no_table_are_refused),
    };
    return cmocka_run_group_tests_name("planar-rans-classes", tests, NULL, NULL);
}
