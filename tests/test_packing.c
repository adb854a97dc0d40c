/* test_packing.c - lists of pipelines from a line of text; which pipeline each matrix gets, against all combinations. */
#include <math.h>

#include "../analyses/packing.h"

#include "test.h"

static void expect_list(const char *text, size_t n, const char *const expected[])
{
    struct shortlist list;
    ent_error error;
    if (shortlist_parse(&list, text, &error)) fail_msg("%s: %s", text, error.text);
    assert_int_equal(list.n, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(list.candidate[i].text, expected[i]);
    shortlist_free(&list);
}

static void ranges_stand_for_their_values(void **state)
{
    (void)state;
    expect_list("nf4", 1, (const char *const[]){ "nf4" });
    expect_list(" rtn(bits=3) |nf4 ", 2, (const char *const[]){ "rtn(bits=3)", "nf4" });
    expect_list("rescale(alpha=0:0.1:0.3) rtn(bits=8)", 4,
                (const char *const[]){ "rescale(alpha=0) rtn(bits=8)", "rescale(alpha=0.1) rtn(bits=8)",
                                       "rescale(alpha=0.2) rtn(bits=8)", "rescale(alpha=0.3) rtn(bits=8)" });
    expect_list("prune(share=0.4:-0.2:0) step(bits=2:1:3.5)", 6,
                (const char *const[]){ "prune(share=0.4) step(bits=2)", "prune(share=0.4) step(bits=3)",
                                       "prune(share=0.2) step(bits=2)", "prune(share=0.2) step(bits=3)",
                                       "prune(share=0) step(bits=2)", "prune(share=0) step(bits=3)" });
    struct shortlist list;
    ent_error error;
    assert_ok(shortlist_parse(&list, "step(step=0.001:0.001:1)", &error)); /* 0.1 and the like are not exact */
    assert_int_equal(list.n, 1000);
    assert_string_equal(list.candidate[999].text, "step(step=1)");
    shortlist_free(&list);
    static const char *const bad[] = { "", "nf4 |", "rtn(bits=2:0:4)", "rtn(bits=4:1:2)", "rtn(bits=2:1)", "rtn(bits=2:1:9)",
                                       "rtn(bits=nan:1:4)", "step(step=0.001:0.00001:1)", "step(bits=1:0.01:9,dead=0:0.01:1)" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(shortlist_parse(&list, bad[i], &error), ENT_EINVAL);
        assert_null(list.candidate);
    }
}

enum { MATRICES = 5, PIPELINES = 4 };

typedef struct made {
    struct packing_matrix matrix[MATRICES];
    struct packing_fit fit[MATRICES * PIPELINES];
    struct packing_job job;
    struct shortlist list;
} made;

/* Errors halve with every bit, but for some noise; some have an input and some not. */
static void make(made *m, uint64_t seed, bool sensitivities)
{
    ent_random r;
    ent_random_seed(&r, 5, seed);
    *m = (made){ .list.n = PIPELINES };
    m->job = (struct packing_job){ .matrices = MATRICES, .matrix = m->matrix, .list = &m->list };
    for (size_t i = 0; i < MATRICES; i++) {
        m->matrix[i].sensitivity = sensitivities ? exp2(6 * ent_random_uniform(&r)) : NAN;
        for (size_t k = 0; k < PIPELINES; k++) {
            struct packing_fit *f = &m->fit[i * PIPELINES + k];
            double bits = 1 + (double)k + ent_random_uniform(&r), error = exp2(-bits) * (0.5 + ent_random_uniform(&r));
            f->coded_bits = 1000 * bits;
            f->output_error = i % 2 ? error : NAN;
            f->distortion = (ent_distortion){ .n = 1000, .signal = 2, .noise = 2 * error * error };
        }
    }
}

static double loss(const made *m, const uint32_t *pick, bool sensitivities, double *bits)
{
    double sum = 0;
    *bits = 0;
    for (size_t i = 0; i < MATRICES; i++) {
        const struct packing_fit *f = &m->fit[i * PIPELINES + pick[i]];
        double relative = f->distortion.noise / f->distortion.signal;
        sum += sensitivities ? m->matrix[i].sensitivity * relative : f->distortion.noise;
        *bits += f->coded_bits;
    }
    return sum;
}

static void a_budget_is_spent_best(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        made m;
        bool sensitivities = seed % 2;
        make(&m, seed, sensitivities);
        double bits, budget = MATRICES * (2000.0 + 10 * (double)seed), best = INFINITY;
        uint32_t pick[MATRICES], all[MATRICES] = { 0 };
        const struct packing_rule rule = { .budget_bits = budget };
        for (size_t at = 0; at < 1024; at++) { /* PIPELINES^MATRICES */
            for (size_t i = 0, rest = at; i < MATRICES; i++, rest /= PIPELINES) all[i] = (uint32_t)(rest % PIPELINES);
            double there = loss(&m, all, sensitivities, &bits);
            if (bits <= budget) best = fmin(best, there);
        }
        ent_status status = packing_pick(&m.job, m.fit, &rule, pick, NULL);
        assert_int_equal(status, isinf(best) ? ENT_ERANGE : ENT_OK);
        if (status) continue;
        assert_close(loss(&m, pick, sensitivities, &bits), best, 1e-9 * best);
        assert_true(bits <= budget * (1 + 1e-9));
    }
}

static void slack_buys_smaller_ones(void **state)
{
    (void)state;
    made m;
    uint32_t pick[MATRICES];
    make(&m, 1, false);
    for (size_t i = 0; i < MATRICES; i++) {
        static const double error[PIPELINES] = { 0.4, 0.21, 0.2, 0.2 }, bits[PIPELINES] = { 10, 20, 40, 30 };
        for (size_t k = 0; k < PIPELINES; k++) {
            m.fit[i * PIPELINES + k].output_error = error[k];
            m.fit[i * PIPELINES + k].coded_bits = bits[k];
        }
    }
    static const struct {
        double slack;
        uint32_t pick;
    } expected[] = { { 1, 3 }, { 1.04, 3 }, { 1.06, 1 }, { 1.9, 1 }, { 2.1, 0 }, { 1e9, 0 } };
    for (size_t e = 0; e < sizeof expected / sizeof *expected; e++) {
        const struct packing_rule rule = { .slack = expected[e].slack };
        assert_ok(packing_pick(&m.job, m.fit, &rule, pick, NULL));
        for (size_t i = 0; i < MATRICES; i++) assert_int_equal(pick[i], expected[e].pick);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_stand_for_their_values),
        cmocka_unit_test(a_budget_is_spent_best),
        cmocka_unit_test(slack_buys_smaller_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
