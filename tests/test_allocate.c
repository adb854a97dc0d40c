/* test_allocate.c - options within a size: dynamic programming against all combinations, evolution on losses with a known least. */
#include <math.h>

#include "../analyses/allocate.h"

#include "test.h"

enum { ITEMS = 5, OPTIONS = 4, ALL = 1024 }; /* OPTIONS^ITEMS */

typedef struct made {
    double size[ITEMS * OPTIONS], error[ITEMS * OPTIONS];
    struct allocation a;
} made;

/* Errors fall with size, but for some noise; `steps`: errors are whole numbers. */
static void make(made *m, uint64_t seed, bool whole)
{
    ent_random r;
    ent_random_seed(&r, 9, seed);
    for (size_t at = 0; at < ITEMS * OPTIONS; at++) {
        double bits = 1 + (double)(at % OPTIONS) + ent_random_uniform(&r);
        m->size[at] = 100 * bits;
        m->error[at] = exp2(6 - 2 * bits) * (0.5 + ent_random_uniform(&r));
        if (whole) m->error[at] = round(m->error[at]);
    }
    m->a = (struct allocation){ ITEMS, OPTIONS, m->size, m->error, ITEMS * (200 + 2.5 * (double)seed) };
}

static double sum(const double of[], const uint32_t *pick)
{
    double s = 0;
    for (size_t i = 0; i < ITEMS; i++) s += of[i * OPTIONS + pick[i]];
    return s;
}

static void combination(size_t at, uint32_t *pick)
{
    for (size_t i = 0; i < ITEMS; i++, at /= OPTIONS) pick[i] = (uint32_t)(at % OPTIONS);
}

static double least_error(const made *m)
{
    double best = INFINITY;
    uint32_t pick[ITEMS];
    for (size_t at = 0; at < ALL; at++) {
        combination(at, pick);
        if (sum(m->size, pick) <= m->a.most) best = fmin(best, sum(m->error, pick));
    }
    return best;
}

/* What one option for all loses that is the largest to fit, which bounds the programme's sum; NaN: none fits. */
static double one_for_all(const made *m)
{
    double size = -1, error = NAN;
    for (uint32_t k = 0; k < OPTIONS; k++) {
        const uint32_t pick[ITEMS] = { k, k, k, k, k };
        if (sum(m->size, pick) <= m->a.most && sum(m->size, pick) > size) size = sum(m->size, pick), error = sum(m->error, pick);
    }
    return error;
}

static void l_greco_is_the_best_of_all(void **state)
{
    (void)state;
    static const uint32_t steps[] = { 1000000, 1000, 20 };
    for (uint64_t seed = 0; seed < 120; seed++) {
        made m;
        uint32_t pick[ITEMS];
        make(&m, seed, false);
        double best = least_error(&m), start = one_for_all(&m);
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
            if (s == 0 && seed % 10) continue; /* slow */
            ent_status status = allocate_l_greco(&m.a, steps[s], pick, NULL);
            assert_int_equal(status, isinf(best) ? ENT_ERANGE : ENT_OK);
            if (status || isnan(start)) continue;
            assert_true(sum(m.size, pick) <= m.a.most);
            assert_close(sum(m.error, pick), best, ITEMS * start / steps[s] * (1 + 1e-9));
        }
    }
}

/* Errors that are whole steps are not rounded: the best of all, exactly. */
static void whole_steps_are_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        made m;
        uint32_t pick[ITEMS];
        make(&m, seed, true);
        double best = least_error(&m), start = one_for_all(&m);
        if (isnan(start) || start == 0) continue;
        assert_ok(allocate_l_greco(&m.a, (uint32_t)start, pick, NULL));
        assert_true(sum(m.size, pick) <= m.a.most);
        assert_true(sum(m.error, pick) == best);
    }
}

static void nothing_to_lose(void **state)
{
    (void)state;
    made m;
    uint32_t pick[ITEMS];
    make(&m, 3, false);
    memset(m.error, 0, sizeof m.error);
    assert_ok(allocate_l_greco(&m.a, 100, pick, NULL));
    assert_true(sum(m.size, pick) <= m.a.most);
    m.a.most = 1;
    assert_status(allocate_l_greco(&m.a, 100, pick, NULL), ENT_ERANGE);
}

/* ---- evolution ---------------------------------------------------------------------------------------------- */

typedef struct world {
    const made *m;
    const double *pair; /* [ITEMS]: what neighbours lose if both are coarse, which no sum tells */
    uint32_t calls, shortest;
    bool broken;
} world;

static double true_loss(const world *w, const uint32_t *pick)
{
    double loss = sum(w->m->error, pick);
    for (size_t i = 0; i + 1 < ITEMS; i++) loss += w->pair[i] * w->m->error[i * OPTIONS + pick[i]] * w->m->error[(i + 1) * OPTIONS + pick[i + 1]];
    return loss;
}

/* With few sequences something else is seen, so that only the last stage can be trusted. */
static ent_status world_loss(void *context, const uint32_t *pick, uint32_t first, uint32_t count, double *loss, ent_error *error)
{
    world *w = context;
    assert_true(count >= 1 && first + count <= 16);
    assert_true(sum(w->m->size, pick) <= w->m->a.most * (1 + 1e-12));
    *loss = true_loss(w, pick) * (count == 16 ? 1 : 1 + 0.2 * ((first * 7 + pick[0]) % 5));
    if (count < w->shortest) w->shortest = count;
    w->calls++;
    return w->broken && w->calls > 5 ? ent_fail(error, ENT_EIO, "broken") : ENT_OK;
}

static void evolution_never_loses(void **state)
{
    (void)state;
    static const double pair[ITEMS] = { 0.5, 0.1, 0.9, 0.2, 0 };
    unsigned improved = 0, found = 0, trials = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        made m;
        make(&m, seed, false);
        world w = { .m = &m, .pair = pair, .shortest = 16 };
        struct evolution e = EVOLUTION_PRESET;
        e.seed = seed;
        e.loss = world_loss;
        e.context = &w;
        uint32_t pick[ITEMS], again[ITEMS], all[ITEMS];
        double start, end, best = INFINITY;
        ent_status status = allocate_evopress(&m.a, &e, pick, &start, &end, NULL);
        assert_int_equal(status, isinf(least_error(&m)) ? ENT_ERANGE : ENT_OK);
        if (status) continue;
        assert_true(end <= start);
        assert_close(end, true_loss(&w, pick), 0);
        assert_int_equal(w.shortest, 1);
        assert_ok(allocate_evopress(&m.a, &e, again, NULL, NULL, NULL));
        assert_memory_equal(pick, again, sizeof pick); /* the seed alone decides */
        for (size_t at = 0; at < ALL; at++) {
            combination(at, all);
            if (sum(m.size, all) <= m.a.most) best = fmin(best, true_loss(&w, all));
        }
        trials++;
        improved += end < start;
        found += end <= best * 1.02;
    }
    assert_true(trials > 50 && improved > trials * 3 / 4); /* and most often it is nearly the best of all 1024 */
    assert_true(found > trials / 2);
}

static void evolution_says_what_broke(void **state)
{
    (void)state;
    static const double pair[ITEMS] = { 0 };
    made m;
    make(&m, 40, false);
    world w = { .m = &m, .pair = pair, .broken = true };
    struct evolution e = EVOLUTION_PRESET;
    uint32_t pick[ITEMS];
    ent_error error;
    e.loss = world_loss;
    e.context = &w;
    assert_status(allocate_evopress(&m.a, &e, pick, NULL, NULL, &error), ENT_EIO);
    assert_string_equal(error.text, "broken");
}

static void names(void **state)
{
    (void)state;
    enum allocate_how how;
    for (int i = 0; i < ALLOCATE_HOWS; i++) {
        assert_true(allocate_find(allocate_name((enum allocate_how)i), &how));
        assert_int_equal(how, i);
    }
    assert_false(allocate_find("fair", &how));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(l_greco_is_the_best_of_all), cmocka_unit_test(whole_steps_are_exact),
        cmocka_unit_test(nothing_to_lose),            cmocka_unit_test(evolution_never_loses),
        cmocka_unit_test(evolution_says_what_broke),  cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
