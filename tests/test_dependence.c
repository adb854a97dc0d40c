/* test_dependence.c - mutual information against sources whose information is known, and against permutations. */
#include <math.h>

#include "test.h"

static double h2(double p) { return -p * log2(p) - (1 - p) * log2(1 - p); }

/* ---- from counts ----------------------------------------------------------------------------- */

static void information_has_its_closed_forms(void **state)
{
    (void)state;
    ent_information i;
    uint64_t same[9] = { 8, 0, 0, 0, 8, 0, 0, 0, 8 }; /* the context is the symbol: log2 3 */
    assert_ok(ent_information_of_cells(same, 3, 3, &i));
    assert_int_equal(i.symbols, 24);
    assert_close(i.information / 24, log2(3), 1e-12);
    assert_close(i.entropy / 24, log2(3), 1e-12);
    assert_close(i.bias, (3 - 3 - 3 + 1) / (2 * log(2)), 1e-12);
    assert_close(i.entropy_bias, 2 / (2 * log(2)), 1e-12);
    uint64_t product[6] = { 10, 20, 30, 20, 40, 60 }; /* independent to the last count */
    assert_ok(ent_information_of_cells(product, 2, 3, &i));
    assert_close(i.information, 0, 1e-9);
    assert_close(i.bias, (6 - 3 - 2 + 1) / (2 * log(2)), 1e-12);
    assert_close(ent_information_p(&i), 1, 1e-9);
    /* a noisy channel, errors 1 in 10: 1 - h(0.1), and nearly nothing left by chance */
    uint64_t channel[4] = { 900, 100, 100, 900 };
    assert_ok(ent_information_of_cells(channel, 2, 2, &i));
    assert_close(i.information / 2000, 1 - h2(0.1), 1e-12);
    assert_close(i.null_mean, 1 / (2 * log(2)), 0.01);      /* chi-square of one degree: mean 1, variance 2 */
    assert_close(i.null_variance, 2 / (4 * log(2) * log(2)), 0.02);
    assert_true(ent_information_p(&i) < 1e-12);
    /* chi-square tables: G = 3.841 has p = 0.05 with 1 degree of freedom, 9.488 with 4 */
    for (int degrees = 1; degrees <= 4; degrees += 3) {
        double g = degrees == 1 ? 3.841459 : 9.487729, nats = 2 * log(2);
        ent_information chi = { .symbols = 1000, .information = g / nats, .null_mean = degrees / nats,
                                .null_variance = 2 * degrees / (nats * nats) };
        assert_close(ent_information_p(&chi), 0.05, 1e-6);
    }
    ent_information many = { .symbols = 1000, .information = 1074.679, .null_mean = 1000, .null_variance = 2000 };
    assert_close(ent_information_p(&many), 0.05, 1e-4); /* 1000 degrees: 1074.679 */
    assert_ok(ent_information_of_cells((uint64_t[4]){ 0 }, 2, 2, &i));
    assert_int_equal(i.symbols, 0);
    assert_true(isnan(ent_information_bits(&i)) && ent_information_p(&i) == 1);
}

static void parts_add_up(void **state)
{
    (void)state;
    ent_information a, b, sum;
    assert_ok(ent_information_of_cells((uint64_t[4]){ 90, 10, 10, 90 }, 2, 2, &a));
    assert_ok(ent_information_of_cells((uint64_t[4]){ 50, 50, 50, 50 }, 2, 2, &b));
    sum = a;
    ent_information_add(&sum, &b);
    assert_close(sum.information / 400, (1 - h2(0.1)) / 2, 1e-12);
    assert_close(sum.null_mean, a.null_mean + b.null_mean, 1e-12);
    assert_close(ent_information_entropy(&sum), 1 + 1 / (200 * 2 * log(2)), 1e-12);
}

/* The exponent's lowest bit tells the mantissa's highest, 1 in 4 wrong; the sign tells nothing. */
static void fields_tell_of_each_other(void **state)
{
    (void)state;
    ent_word_counts counts;
    ent_field field[4];
    ent_information i;
    const ent_format *bf16 = ent_format_find("BF16");
    static const char *const texts[] = { "exponent", "[6:6]", "sign", "mantissa" };
    for (int k = 0; k < 4; k++) assert_ok(ent_field_parse(bf16, texts[k], &field[k], NULL));
    assert_ok(ent_word_counts_init(&counts, bf16));
    for (uint32_t w = 0; w < 65536; w++)
        if ((w >> 7 & 255) >= 120 && (w >> 7 & 255) < 124)
            counts.plane[0].count[w] = (w >> 7 & 1) == (w >> 6 & 1) ? 300 : 100;
    assert_ok(ent_information_of_fields(&counts, &field[1], &field[0], &i));
    assert_close(i.information / (double)i.symbols, 1 - h2(0.25), 1e-9);
    assert_ok(ent_information_of_fields(&counts, &field[0], &field[1], &i)); /* and the other way round */
    assert_close(i.information / (double)i.symbols, 1 - h2(0.25), 1e-9);
    assert_close(i.entropy / (double)i.symbols, 2, 1e-9);
    assert_ok(ent_information_of_fields(&counts, &field[3], &field[2], &i));
    assert_close(i.information, 0, 1e-3);
    assert_status(ent_information_of_fields(&counts, &field[3], &field[1], &i), ENT_EINVAL); /* they share a bit */
    ent_word_counts_free(&counts);
}

/* ---- chance ---------------------------------------------------------------------------------- */

typedef struct margins {
    const char *name;
    uint32_t symbols, contexts;
    size_t n;
    double ratio; /* of one symbol to the next; 1: uniform */
    bool uneven;  /* contexts: half of all symbols in the first, half of the rest in the second, ... */
} margins;

static const margins cases[] = {
    { "full cells", 4, 6, 2000, 1, false },
    { "two by two", 2, 2, 500, 0.5, false },
    { "rows of exponents", 40, 64, 64 * 288, 0.6, false },
    { "few symbols a context", 40, 256, 256 * 20, 0.6, false },
    { "uneven contexts", 40, 200, 20000, 0.6, true },
};

enum { CASES = sizeof cases / sizeof *cases, MOST = 32768 };

static void draw_symbols(const margins *m, ent_random *r, uint16_t *symbol)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->ratio == 1) {
            symbol[i] = (uint16_t)ent_random_below(r, m->symbols);
            continue;
        }
        for (symbol[i] = 0; ent_random_uniform(r) < m->ratio;) symbol[i] = (uint16_t)((symbol[i] + 1u) % m->symbols);
    }
}

static void set_contexts(const margins *m, uint16_t *context)
{
    for (size_t i = 0; i < m->n; i++) {
        size_t c = i % m->contexts;
        if (m->uneven && i & 1) c = (size_t)__builtin_ctzll(i + 1) - 1;
        context[i] = (uint16_t)c;
    }
}

static void shuffle(ent_random *r, uint16_t *symbol, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)ent_random_below(r, i);
        uint16_t t = symbol[i - 1];
        symbol[i - 1] = symbol[k];
        symbol[k] = t;
    }
}

static ent_information inform(const margins *m, const uint16_t *symbol, const uint16_t *context)
{
    static uint64_t cell[65536];
    ent_information i;
    memset(cell, 0, sizeof cell);
    for (size_t k = 0; k < m->n; k++) cell[context[k] * m->symbols + symbol[k]]++;
    assert_ok(ent_information_of_cells(cell, m->contexts, m->symbols, &i));
    return i;
}

/* The judge: symbols dealt anew to the same contexts, many times. */
static void chance_is_that_of_permutations(void **state)
{
    (void)state;
    enum { TIMES = 400 };
    static uint16_t symbol[MOST], context[MOST];
    for (size_t c = 0; c < CASES; c++) {
        const margins *m = &cases[c];
        double mean = 0, square = 0;
        ent_random r;
        ent_random_seed(&r, 31, c);
        draw_symbols(m, &r, symbol);
        set_contexts(m, context);
        ent_information i = inform(m, symbol, context);
        for (int t = 0; t < TIMES; t++) {
            shuffle(&r, symbol, m->n);
            double bits = inform(m, symbol, context).information;
            mean += bits / TIMES;
            square += bits * bits / TIMES;
        }
        double sd = sqrt(square - mean * mean), claimed = sqrt(i.null_variance);
        bool near = fabs(i.null_mean - mean) <= 5 * sd / sqrt(TIMES) + 0.005 * mean;
        if (!near || claimed < 0.85 * sd || claimed > 1.15 * sd)
            fail_msg("%s: mean %g, deviation %g; permutations have %g, %g", m->name, i.null_mean, claimed, mean, sd);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Independent sources: p is uniform (Kolmogorov and Smirnov, 1 in 1000). */
static void p_is_uniform_without_dependence(void **state)
{
    (void)state;
    enum { TIMES = 400 };
    static uint16_t symbol[MOST], context[MOST];
    for (size_t c = 0; c < CASES; c++) {
        const margins *m = &cases[c];
        double p[TIMES], most = 0;
        ent_random r;
        ent_random_seed(&r, 32, c);
        set_contexts(m, context);
        for (int t = 0; t < TIMES; t++) {
            draw_symbols(m, &r, symbol);
            ent_information i = inform(m, symbol, context);
            p[t] = ent_information_p(&i);
        }
        qsort(p, TIMES, sizeof *p, ascending);
        for (int t = 0; t < TIMES; t++)
            most = fmax(most, fmax(p[t] - t / (double)TIMES, (t + 1) / (double)TIMES - p[t]));
        if (most > 1.95 / sqrt(TIMES)) fail_msg("%s: p is %g away from uniform", m->name, most);
    }
}

/* ---- contexts of place ----------------------------------------------------------------------- */

enum { ROWS = 96, COLUMNS = 2500 /* more than a piece */ };

typedef struct matrix {
    uint8_t symbol[ROWS][COLUMNS], other[ROWS][COLUMNS];
} matrix;

static void count_rows(ent_dependence *d, const matrix *m, uint64_t first, uint64_t end)
{
    for (uint64_t r = first; r < end; r++)
        for (size_t c = 0; c < COLUMNS; c += ENT_PIECE) {
            ent_piece p = { .row = r, .column = c, .columns = COLUMNS, .symbol = &m->symbol[r][c] };
            p.n = COLUMNS - c < ENT_PIECE ? COLUMNS - c : ENT_PIECE;
            if (r) p.beside[ENT_BESIDE_ABOVE] = &m->symbol[r - 1][c];
            p.beside[ENT_BESIDE_LAYER] = p.beside[ENT_BESIDE_MODEL] = &m->other[r][c];
            ent_dependence_add(d, &p);
        }
}

/* What every context tells, in the order of ent_contexts; in two parts that are merged. */
static void inform_all(const matrix *m, ent_information information[])
{
    ent_dependence *half[2];
    ent_counts symbols;
    assert_ok(ent_counts_init(&symbols, 256));
    assert_ok(ent_counts_add(&symbols, m->symbol, 1, sizeof m->symbol));
    for (int k = 0; k < 2; k++)
        assert_ok(ent_dependence_new(&half[k], ent_contexts, &symbols, ROWS, COLUMNS, (1u << ENT_BESIDES) - 1));
    count_rows(half[0], m, 0, 40);
    count_rows(half[1], m, 40, ROWS);
    ent_dependence_merge(half[0], half[1]);
    for (size_t i = 0; ent_contexts[i]; i++) assert_ok(ent_dependence_information(half[0], i, &information[i]));
    ent_dependence_free(half[0]);
    ent_dependence_free(half[1]);
    ent_counts_free(&symbols);
}

static size_t index_of(const char *name)
{
    for (size_t i = 0; ent_contexts[i]; i++)
        if (!strcmp(ent_contexts[i]->name, name)) return i;
    fail_msg("no context %s", name);
    return 0;
}

/* Checks I(symbol; context) for all contexts: `bits` for those named in `telling`, 0 for all others; and p, but where
 * symbols have memory, which chance has not. */
static void check(const matrix *m, const char *source, const char *telling, double bits, bool memory)
{
    ent_information information[16];
    inform_all(m, information);
    for (size_t i = 0; ent_contexts[i]; i++) {
        double got = ent_information_bits(&information[i]), p = ent_information_p(&information[i]);
        bool tells = strstr(telling, ent_contexts[i]->name) != NULL;
        if (fabs(got - (tells ? bits : 0)) > 0.006 || (tells ? p > 1e-9 : !memory && p < 1e-4))
            fail_msg("%s: %s tells %g bits, p %g", source, ent_contexts[i]->name, got, p);
    }
}

/* 100 or 103, the first with probability p. */
static uint8_t toss(ent_random *r, double p) { return ent_random_uniform(r) < p ? 100 : 103; }
static uint8_t noisy(ent_random *r, uint8_t s) { return ent_random_below(r, 10) ? s : (uint8_t)(203 - s); }

static void sources_tell_what_they_should(void **state)
{
    (void)state;
    static matrix m;
    const double channel = 1 - h2(0.1);
    double mean_h = 0;
    ent_random r;
    ent_random_seed(&r, 33, 0);
#define FILL(expression, other_expression) \
    do { \
        for (size_t i = 0; i < ROWS; i++) \
            for (size_t k = 0; k < COLUMNS; k++) { \
                m.symbol[i][k] = (expression); \
                m.other[i][k] = (other_expression); \
            } \
    } while (0)
    FILL(toss(&r, 0.5), toss(&r, 0.5));
    check(&m, "nothing", "", 0, false);
    /* a Markov chain along rows: the entropy rate is h(0.1); what came earlier tells no more */
    FILL(k ? noisy(&r, m.symbol[i][k - 1]) : toss(&r, 0.5), toss(&r, 0.5));
    check(&m, "Markov chain", "left order2 order3", channel, true);
    FILL(i ? noisy(&r, m.symbol[i - 1][k]) : toss(&r, 0.5), toss(&r, 0.5));
    ent_information information[16];
    inform_all(&m, information);
    assert_close(ent_information_bits(&information[index_of("above")]), channel, 0.006);
    FILL(k > 1 ? noisy(&r, m.symbol[i][k - 2]) : toss(&r, 0.5), toss(&r, 0.5));
    check(&m, "chain of every second", "order2 order3", channel, true);
    FILL(k > 2 ? noisy(&r, m.symbol[i][k - 3]) : toss(&r, 0.5), toss(&r, 0.5));
    check(&m, "chain of every third", "order3", channel, true);
    FILL(toss(&r, 0.5), noisy(&r, m.symbol[i][k]));
    check(&m, "copy", "layer model", channel, false);
    FILL(noisy(&r, (i % 16 * 7 + k % 16 * 3) % 8 < 4 ? 100 : 103), toss(&r, 0.5));
    inform_all(&m, information);
    assert_close(ent_information_bits(&information[index_of("tile")]), channel, 0.006);
    /* rows of their own probability: H of the mean less the mean H, summed exactly; columns likewise */
    FILL(toss(&r, (double)(i + 1) / (ROWS + 1)), toss(&r, 0.5));
    for (size_t i = 0; i < ROWS; i++) mean_h += h2((double)(i + 1) / (ROWS + 1)) / ROWS;
    inform_all(&m, information);
    assert_close(ent_information_bits(&information[index_of("row")]), 1 - mean_h, 0.006);
    assert_close(ent_information_bits(&information[index_of("column")]), 0, 0.006);
    assert_int_equal(information[index_of("row")].symbols, ROWS * COLUMNS);
    assert_int_equal(information[index_of("above")].symbols, (ROWS - 1) * COLUMNS);
    assert_int_equal(information[index_of("order3")].symbols, ROWS * (COLUMNS - 3));
    mean_h = 0;
    FILL(toss(&r, (double)(k % 50 + 1) / 51), toss(&r, 0.5));
    for (size_t k = 0; k < 50; k++) mean_h += h2((double)(k + 1) / 51) / 50;
    inform_all(&m, information);
    assert_close(ent_information_bits(&information[index_of("column")]), 1 - mean_h, 0.008);
    assert_close(ent_information_bits(&information[index_of("row")]), 0, 0.006);
}

/* A vector has no rows, and a constant has nothing to tell. */
static void vectors_and_constants_are_fine(void **state)
{
    (void)state;
    static uint8_t symbol[ENT_PIECE];
    ent_dependence *d;
    ent_information i;
    ent_counts symbols;
    memset(symbol, 255, sizeof symbol);
    assert_ok(ent_counts_init(&symbols, 256));
    assert_ok(ent_counts_add(&symbols, symbol, 1, sizeof symbol));
    assert_ok(ent_dependence_new(&d, ent_contexts, &symbols, 0, ENT_PIECE, 0));
    ent_dependence_add(d, &(ent_piece){ .columns = ENT_PIECE, .n = ENT_PIECE, .symbol = symbol });
    for (size_t k = 0; ent_contexts[k]; k++) {
        bool counted = !ent_contexts[k]->matrix && !ent_contexts[k]->beside;
        assert_ok(ent_dependence_information(d, k, &i));
        assert_int_equal(i.symbols, counted ? ENT_PIECE - ent_contexts[k]->before : 0);
        assert_true(i.information == 0 && ent_information_p(&i) == 1);
        assert_ptr_equal(ent_context_find(ent_contexts[k]->name), ent_contexts[k]);
    }
    assert_null(ent_context_find("nonsense"));
    ent_dependence_free(d);
    ent_dependence_free(NULL);
    symbols.count[0] = (uint64_t)1 << 32;
    assert_status(ent_dependence_new(&d, ent_contexts, &symbols, 0, ENT_PIECE, 0), ENT_EINVAL);
    assert_null(d);
    ent_counts_free(&symbols);
}

/* More columns than classes: neighbours share one, and the last is in range. */
static void wide_matrices_share_columns(void **state)
{
    (void)state;
    enum { WIDE = 3 * ENT_CONTEXT_COLUMNS + 1 };
    uint8_t *symbol = ent_alloc(2 * (size_t)WIDE);
    const ent_context *const column[] = { ent_context_find("column"), NULL };
    ent_dependence *d;
    ent_information i;
    ent_counts symbols;
    for (size_t k = 0; k < 2 * (size_t)WIDE; k++) symbol[k] = k % WIDE < WIDE / 2 ? 7 : 8;
    assert_ok(ent_counts_init(&symbols, 256));
    assert_ok(ent_counts_add(&symbols, symbol, 1, 2 * (size_t)WIDE));
    assert_ok(ent_dependence_new(&d, column, &symbols, 2, WIDE, 0));
    for (size_t k = 0; k < 2 * (size_t)WIDE; k += ENT_PIECE / 2) {
        ent_piece p = { .row = k / WIDE, .column = k % WIDE, .columns = WIDE, .symbol = symbol + k };
        size_t left = 2 * (size_t)WIDE - k, row = WIDE - k % WIDE;
        p.n = left < ENT_PIECE / 2 ? left : ENT_PIECE / 2;
        if (p.n > row) { /* the piece ends with its row, the next begins the other */
            ent_piece rest = { .row = p.row + 1, .columns = WIDE, .n = p.n - row, .symbol = p.symbol + row };
            p.n = row;
            ent_dependence_add(d, &p);
            p = rest;
        }
        ent_dependence_add(d, &p);
    }
    assert_ok(ent_dependence_information(d, 0, &i));
    assert_int_equal(i.symbols, 2 * (uint64_t)WIDE);
    assert_close(i.information / (double)i.symbols, 1, 1e-3);
    ent_dependence_free(d);
    ent_counts_free(&symbols);
    ent_free(symbol);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(information_has_its_closed_forms),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(fields_tell_of_each_other),
        cmocka_unit_test(chance_is_that_of_permutations),
        cmocka_unit_test(p_is_uniform_without_dependence),
        cmocka_unit_test(sources_tell_what_they_should),
        cmocka_unit_test(vectors_and_constants_are_fine),
        cmocka_unit_test(wide_matrices_share_columns),
    };
    return cmocka_run_group_tests_name("dependence", tests, NULL, NULL);
}
