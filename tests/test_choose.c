/* test_choose.c - the planner's optimiser: against all combinations, closed forms, shares of one codec. */
#include <math.h>

#include "test.h"

enum { MOST_ITEMS = 7, MOST_OPTIONS = 5 };

typedef struct instance {
    ent_option option[MOST_ITEMS * MOST_OPTIONS];
    ent_choosing problem;
} instance;

static void instance_init(instance *x, size_t items, size_t options, ent_cost_kind minimise)
{
    x->problem = (ent_choosing){ items, options, x->option, minimise, { INFINITY, INFINITY, INFINITY, INFINITY } };
}

/* Sizes between half and all of a tensor, times that fall as sizes grow, but for some noise; sometimes an
 * option that is not to be had, sometimes twice the same. */
static void random_instance(instance *x, uint64_t seed)
{
    ent_random r;
    ent_random_seed(&r, 17, seed);
    size_t items = 1 + ent_random_below(&r, MOST_ITEMS), options = 1 + ent_random_below(&r, MOST_OPTIONS);
    instance_init(x, items, options, (ent_cost_kind)ent_random_below(&r, ENT_COSTS));
    for (size_t i = 0; i < items; i++) {
        double size = exp2(10 * ent_random_uniform(&r));
        for (size_t k = 0; k < options; k++) {
            ent_option *o = &x->option[i * options + k];
            double part = 0.5 + 0.5 * ent_random_uniform(&r);
            o->cost[ENT_COST_BYTES] = size * part;
            o->cost[ENT_COST_NS] = size * (1.5 - part) * (0.5 + ent_random_uniform(&r));
            o->cost[ENT_COST_PJ] = size * ent_random_uniform(&r);
            o->cost[ENT_COST_LOSS] = exp2(-4 * part) * ent_random_uniform(&r);
            if (k && ent_random_below(&r, 8) == 0) o->cost[ENT_COST_NS] = INFINITY;
            if (k && ent_random_below(&r, 8) == 0) *o = o[-1];
        }
    }
}

static bool advance(uint32_t *choice, const ent_choosing *p)
{
    size_t i = 0;
    while (i < p->items && ++choice[i] == p->options) choice[i++] = 0;
    return i < p->items;
}

static bool add_up(const ent_choosing *p, const uint32_t *choice, double total[])
{
    memset(total, 0, ENT_COSTS * sizeof *total);
    for (size_t i = 0; i < p->items; i++)
        for (int c = 0; c < ENT_COSTS; c++) total[c] += p->option[i * p->options + choice[i]].cost[c];
    return isfinite(total[0] + total[1] + total[2] + total[3]);
}

/* By trying all: INFINITY when no choice keeps the bounds. */
static double optimum(const ent_choosing *p)
{
    uint32_t choice[MOST_ITEMS] = { 0 };
    double best = INFINITY, total[ENT_COSTS];
    do {
        if (!add_up(p, choice, total)) continue;
        bool keeps = true;
        for (int c = 0; c < ENT_COSTS; c++) keeps &= total[c] <= p->most[c];
        if (keeps) best = fmin(best, total[p->minimise]);
    } while (advance(choice, p));
    return best;
}

/* Bounds somewhere between the least and the most that a choice may have. */
static void bound(ent_choosing *p, ent_random *r, int bounds)
{
    double low[ENT_COSTS] = { 0 }, high[ENT_COSTS] = { 0 };
    for (size_t i = 0; i < p->items; i++)
        for (int c = 0; c < ENT_COSTS; c++) {
            double least = INFINITY, most = 0;
            for (size_t k = 0; k < p->options; k++) {
                double cost = p->option[i * p->options + k].cost[c];
                least = fmin(least, cost);
                most = isfinite(cost) ? fmax(most, cost) : most;
            }
            low[c] += least, high[c] += most;
        }
    for (int c = 0; c < ENT_COSTS && bounds; c++) {
        if (c == (int)p->minimise) continue;
        p->most[c] = low[c] + (high[c] - low[c]) * (1.1 * ent_random_uniform(r) - 0.05);
        if (p->most[c] < 0) p->most[c] = 0;
        bounds--;
    }
}

static void the_choice_is_the_best_of_all(void **state)
{
    (void)state;
    size_t solved = 0, refused = 0;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        instance x;
        ent_random r;
        ent_random_seed(&r, 18, seed);
        random_instance(&x, seed);
        bound(&x.problem, &r, (int)(seed % 3));
        uint32_t choice[MOST_ITEMS];
        ent_chosen chosen;
        ent_error error;
        double best = optimum(&x.problem), total[ENT_COSTS];
        ent_status status = ent_choose(&x.problem, choice, &chosen, &error);
        if (isinf(best)) {
            assert_int_equal(status, ENT_ERANGE);
            refused++;
            continue;
        }
        if (status) fail_msg("instance %d: %s", (int)seed, error.text);
        assert_true(add_up(&x.problem, choice, total));
        for (int c = 0; c < ENT_COSTS; c++) {
            assert_close(chosen.total[c], total[c], 1e-9 * total[c]);
            assert_true(total[c] <= x.problem.most[c] * (1 + 1e-9));
        }
        assert_true(chosen.exact);
        assert_close(total[x.problem.minimise], best, 1e-9 * best);
        assert_close(chosen.least, best, 1e-9 * best);
        solved++;
    }
    assert_true(solved > 2000 && refused > 20);
}

/* Many items: the bound that comes with the choice proves it near the best without trying all. */
static void a_large_choice_is_near_its_bound(void **state)
{
    (void)state;
    enum { ITEMS = 2000, OPTIONS = 8 };
    ent_option *option = ent_calloc(ITEMS * OPTIONS, sizeof *option);
    uint32_t *choice = ent_calloc(2 * ITEMS, sizeof *choice);
    ent_random r;
    ent_random_seed(&r, 19, 0);
    for (size_t i = 0; i < ITEMS * OPTIONS; i++)
        for (int c = 0; c < ENT_COSTS; c++) option[i].cost[c] = 1000 * ent_random_uniform(&r);
    ent_choosing p = { ITEMS, OPTIONS, option, ENT_COST_BYTES, { INFINITY, 300.0 * ITEMS, INFINITY, INFINITY } };
    ent_chosen chosen, again;
    assert_ok(ent_choose(&p, choice, &chosen, NULL));
    assert_true(chosen.total[ENT_COST_NS] <= 300.0 * ITEMS);
    assert_true(chosen.least <= chosen.total[ENT_COST_BYTES]);
    assert_true(chosen.total[ENT_COST_BYTES] <= 1.0001 * chosen.least);
    assert_ok(ent_choose(&p, choice + ITEMS, &again, NULL)); /* the same again */
    assert_memory_equal(choice, choice + ITEMS, ITEMS * sizeof *choice);
    p.most[ENT_COST_PJ] = 350.0 * ITEMS;
    assert_ok(ent_choose(&p, choice, &chosen, NULL));
    assert_true(chosen.total[ENT_COST_NS] <= 300.0 * ITEMS && chosen.total[ENT_COST_PJ] <= 350.0 * ITEMS);
    assert_true(chosen.total[ENT_COST_BYTES] <= 1.001 * chosen.least);
    ent_free(option);
    ent_free(choice);
}

/* Sizes and times of ten tensors, raw and by three codecs. */
static void model_instance(ent_option *option, size_t codecs)
{
    static const double bits[] = { 16, 10.9, 10.6, 10.4 }, ns[] = { 1, 1.2, 2.5, 9 };
    for (size_t i = 0; i < 10; i++)
        for (size_t k = 0; k < codecs; k++) {
            double words = 1000 * (double)(1 + i), gain = 1 + 0.01 * (double)i; /* later tensors code better */
            option[i * codecs + k] = (ent_option){ { words * (k ? bits[k] / gain : 16) / 8, words * ns[k], 0 } };
        }
}

/* Double Compression codes a share of the model and leaves the rest as it is: two options a tensor.  With
 * cuts anywhere, the same share of each, the best size is linear in the time that is allowed. */
static void choosing_is_better_than_a_share_of_one_codec(void **state)
{
    (void)state;
    ent_option four[40];
    uint32_t choice[10];
    ent_chosen chosen;
    model_instance(four, 4);
    double raw_ns = 0, total[4][ENT_COSTS] = { { 0 } };
    for (size_t i = 0; i < 40; i++)
        for (int c = 0; c < ENT_COSTS; c++) total[i % 4][c] += four[i].cost[c];
    raw_ns = total[0][ENT_COST_NS];
    for (double allowed = 1.05; allowed < 8; allowed += 0.35) {
        ent_choosing p = { 10, 4, four, ENT_COST_BYTES, { INFINITY, allowed * raw_ns, INFINITY, INFINITY } };
        assert_ok(ent_choose(&p, choice, &chosen, NULL));
        for (size_t k = 1; k < 4; k++) { /* each codec on a share of the model, and chosen by tensor */
            ent_option two[20];
            ent_chosen best;
            double share = fmin(1, (allowed * raw_ns - raw_ns) / (total[k][ENT_COST_NS] - raw_ns));
            double bytes = (1 - share) * total[0][ENT_COST_BYTES] + share * total[k][ENT_COST_BYTES];
            for (size_t i = 0; i < 20; i++) two[i] = four[i / 2 * 4 + (i % 2 ? k : 0)];
            ent_choosing q = { 10, 2, two, ENT_COST_BYTES, { INFINITY, allowed * raw_ns, INFINITY, INFINITY } };
            assert_ok(ent_choose(&q, choice, &best, NULL));
            assert_true(chosen.total[ENT_COST_BYTES] <= best.total[ENT_COST_BYTES] * (1 + 1e-12));
            if (allowed > 1.2) assert_true(chosen.total[ENT_COST_BYTES] < bytes * (1 + 1e-12));
        }
    }
}

/* Two tensors, one bound, by hand: 10 + 4 bytes in 5 + 2 ns. */
static void a_small_one_by_hand(void **state)
{
    (void)state;
    static const ent_option option[] = { { { 16, 1, 0 } }, { { 10, 5, 0 } }, { { 8, 9, 0 } },
                                         { { 6, 1, 0 } },  { { 4, 2, 0 } },  { { 3, 8, 0 } } };
    ent_choosing p = { 2, 3, option, ENT_COST_BYTES, { INFINITY, 8, INFINITY, INFINITY } };
    uint32_t choice[2];
    ent_chosen chosen;
    assert_ok(ent_choose(&p, choice, &chosen, NULL));
    assert_int_equal(choice[0], 1);
    assert_int_equal(choice[1], 1);
    assert_close(chosen.total[ENT_COST_BYTES], 14, 0);
    assert_close(chosen.total[ENT_COST_NS], 7, 0);
    p = (ent_choosing){ 2, 3, option, ENT_COST_NS, { 14, INFINITY, INFINITY, INFINITY } }; /* the other way about */
    assert_ok(ent_choose(&p, choice, &chosen, NULL));
    assert_close(chosen.total[ENT_COST_NS], 7, 0);
}

static void among_equals_the_first(void **state)
{
    (void)state;
    ent_option option[30];
    uint32_t choice[10];
    ent_chosen chosen;
    for (size_t i = 0; i < 30; i++) option[i] = (ent_option){ { 5, 5, 5 } };
    ent_choosing p = { 10, 3, option, ENT_COST_BYTES, { INFINITY, 50, INFINITY, INFINITY } };
    assert_ok(ent_choose(&p, choice, &chosen, NULL));
    for (size_t i = 0; i < 10; i++) assert_int_equal(choice[i], 0);
}

static void what_cannot_be_had_is_told(void **state)
{
    (void)state;
    ent_option option[] = { { { 10, 2, 1 } }, { { 5, 4, 9 } }, { { INFINITY, 1, 1 } } };
    ent_choosing p = { 1, 3, option, ENT_COST_BYTES, { INFINITY, 1.5, INFINITY, INFINITY } };
    uint32_t choice[1];
    ent_chosen chosen;
    ent_error error;
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_ERANGE);
    assert_non_null(strstr(error.text, "1.5 ns"));
    assert_non_null(strstr(error.text, "is 2"));
    p.most[ENT_COST_NS] = 3, p.most[ENT_COST_BYTES] = 7; /* each alone is to be had */
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_ERANGE);
    assert_non_null(strstr(error.text, "7 bytes"));
    p = (ent_choosing){ 1, 2, option, ENT_COST_NS, { 7, INFINITY, 5, INFINITY } };
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_ERANGE);
    p.most[ENT_COST_LOSS] = 5, p.most[ENT_COST_PJ] = 5, p.most[ENT_COST_BYTES] = 7;
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_EINVAL); /* three bounds */
    p.most[0] = NAN;
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_EINVAL);
    p.most[0] = INFINITY, p.items = 0;
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_EINVAL);
    p.items = 1, p.option = option + 2, p.options = 1;
    assert_status(ent_choose(&p, choice, &chosen, &error), ENT_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_choice_is_the_best_of_all),
        cmocka_unit_test(a_large_choice_is_near_its_bound),
        cmocka_unit_test(choosing_is_better_than_a_share_of_one_codec),
        cmocka_unit_test(a_small_one_by_hand),
        cmocka_unit_test(among_equals_the_first),
        cmocka_unit_test(what_cannot_be_had_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
