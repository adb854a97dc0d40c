/* test_fit.c - laws fitted to seeded samples of themselves; distribution functions against GSL's and closed forms; the
 * entropy of rounded normal and Laplace weights and of scale mixtures. */
#include <math.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>

#include "../analyses/command.h"
#include "../analyses/fits.h"
#include "stats/parts.h"
#include "test.h"

enum { N = 16384 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- recovery -------------------------------------------------------------------------------- */

struct truth { const char *law; double parameter[3], within[3]; };

static double variate(const gsl_rng *rng, const struct truth *t)
{
    const double *p = t->parameter;
    if (!strcmp(t->law, "normal")) return p[0] + gsl_ran_gaussian(rng, p[1]);
    if (!strcmp(t->law, "laplace")) return p[0] + gsl_ran_laplace(rng, p[1]);
    if (!strcmp(t->law, "student")) return p[0] + p[1] * gsl_ran_tdist(rng, p[2]);
    if (!strcmp(t->law, "generalised-normal")) return p[0] + gsl_ran_exppow(rng, p[1], p[2]);
    return p[0] + gsl_ran_levy(rng, p[1], p[2]); /* GSL's name for symmetric stable variates */
}

static void drawn(const struct truth *t, uint64_t seed, double x[N])
{
    ent_random random;
    const gsl_rng rng = { &ent_gsl_random, &random };
    ent_random_seed(&random, seed, 0);
    for (int i = 0; i < N; i++) x[i] = variate(&rng, t);
    qsort(x, N, sizeof *x, ascending);
}

/* Each law finds itself again: parameters within 4 standard errors of a sample of 16384 (of Fisher's information for
 * normal and Laplace, from repeated samples for the others), a distance that chance allows, the least BIC. */
static void laws_find_themselves(void **state)
{
    (void)state;
    static const struct truth truths[] = {
        { "normal", { 0.5, 2 }, { 4 * 2 / 128., 4 * 2 / 128. / M_SQRT2 } },
        { "laplace", { -3, 0.02 }, { 4 * 0.02 / 128, 4 * 0.02 / 128 } },
        { "student", { 0, 0.02, 4 }, { 0.0008, 0.0008, 0.6 } },
        { "student", { 1, 30, 1.5 }, { 1.5, 1.5, 0.12 } },
        { "generalised-normal", { 0, 0.02, 1.5 }, { 0.0008, 0.0012, 0.12 } },
        { "generalised-normal", { 0, 5, 3 }, { 0.2, 0.2, 0.3 } },
        { "stable", { 0, 0.02, 1.7 }, { 0.001, 0.001, 0.1 } },
        { "stable", { 0, 1, 1.2 }, { 0.05, 0.06, 0.09 } },
        { "stable", { 0, 1, 0.8 }, { 0.05, 0.08, 0.06 } },
    };
    static double x[N];
    size_t laws = 0;
    while (ent_fit_laws[laws]) laws++;
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++) {
        const struct truth *t = &truths[i];
        if (SANITIZED && i % 3 != 1) continue; /* they take their time */
        ent_fit fits[ENT_MAX_FIT_LAWS];
        size_t count, own = 0;
        drawn(t, i + 1, x);
        assert_ok(ent_fit_all(x, N, fits, &count));
        assert_int_equal(count, laws);
        while (strcmp(fits[own].law->name, t->law)) own++;
        for (int k = 0; k < 3; k++)
            if (fabs(fits[own].parameter[k] - t->parameter[k]) > t->within[k])
                fail_msg("%s: %s is %g, expected %g", t->law, fits[own].law->parameter[k], fits[own].parameter[k],
                         t->parameter[k]);
        /* sqrt(n) D is below 1.95 in 999 of 1000 samples of a known law (Kolmogorov), more often of a fitted one */
        assert_true(fits[own].distance * sqrt(N) < 1.95);
        for (size_t k = 0; k < count; k++) {
            assert_true(!k || fits[k].bic >= fits[k - 1].bic);
            /* laws within each other's reach (a normal Student, a generalised Laplace) may tie; none is far better */
            assert_true(fits[k].bic > fits[own].bic - 15);
        }
    }
}

static void refuses_what_has_no_shape(void **state)
{
    (void)state;
    double x[9] = { 0 };
    ent_fit fits[ENT_MAX_FIT_LAWS];
    size_t count;
    assert_status(ent_fit_all(x, 9, fits, &count), ENT_EINVAL);
    x[8] = INFINITY;
    assert_status(ent_fit_all(x, 9, fits, &count), ENT_EINVAL);
    x[8] = 1;
    assert_status(ent_fit_all(x, 7, fits, &count), ENT_EINVAL);
    assert_ok(ent_fit_all(x, 9, fits, &count)); /* all but one equal */
    for (size_t i = 0; i < count; i++) assert_true(fits[i].distance >= 0);
}

/* ---- distribution functions ------------------------------------------------------------------- */

static void distribution_functions_agree_with_gsl(void **state)
{
    (void)state;
    static const double z[] = { -1e9, -300, -5, -1, -0.3, 0, 1e-4, 0.2, 0.9, 2, 7, 40, 1e4 };
    enum { POINTS = sizeof z / sizeof *z };
    double out[POINTS], log_density[POINTS];
    const double p[3] = { 0.25, 2, 1.3 };
    for (size_t l = 0; ent_fit_laws[l]; l++) {
        const ent_fit_law *law = ent_fit_laws[l];
        assert_ptr_equal(ent_fit_law_find(law->name), law);
        assert_ok(law->cumulative(p, z, POINTS, out));
        for (int i = 0; i < POINTS; i++) {
            double d = z[i] - p[0], expected = NAN;
            if (!strcmp(law->name, "normal")) expected = gsl_cdf_gaussian_P(d, 2);
            if (!strcmp(law->name, "laplace")) expected = d < 0 ? exp(d / 2) / 2 : 1 - exp(-d / 2) / 2;
            if (!strcmp(law->name, "student")) expected = gsl_cdf_tdist_P(d / 2, 1.3);
            if (!strcmp(law->name, "generalised-normal")) expected = gsl_cdf_exppow_P(d, 2, 1.3);
            if (!isnan(expected)) assert_close(out[i], expected, 1e-12);
        }
        /* every density is the slope of its distribution function */
        assert_ok(law->log_density(p, z, POINTS, log_density));
        for (int i = 1; i + 1 < POINTS; i++) {
            double step = 1e-4 * fmax(fabs(z[i]), 0.1), near[2] = { z[i] - step, z[i] + step }, at[2];
            assert_ok(law->cumulative(p, near, 2, at));
            if (fabs(z[i]) < 50) assert_close(exp(log_density[i]), (at[1] - at[0]) / (2 * step), 2e-4);
        }
    }
}

/* Stable laws: alpha = 2 is normal, 1 is Cauchy's, quantiles at others are McCulloch's (1986, tables 3 and 5:
 * (q95 - q05) / (q75 - q25), and (q75 - q25) / scale), and the density at 0 is Gamma(1 + 1 / alpha) / pi. */
static void stable_laws_are_the_known_ones(void **state)
{
    (void)state;
    const ent_fit_law *law = ent_fit_law_find("stable");
    static const struct { double alpha, spread, quartiles; } rows[] = {
        { 1.664, 2.8, NAN }, { 1.484, 3.2, NAN }, { 1.279, 4, NAN }, { 0.896, 8, NAN }, { 1.9, NAN, 1.914 },
        { 1.5, NAN, 1.939 }, { 1.1, NAN, 1.98 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double p[3] = { 0, 1, rows[i].alpha }, quantile[2];
        for (int k = 0; k < 2; k++) {
            double low = 0, high = 1000, below;
            for (int step = 0; step < 40; step++) {
                double middle = (low + high) / 2;
                assert_ok(law->cumulative(p, &middle, 1, &below));
                if (below < (k ? 0.95 : 0.75)) low = middle;
                else high = middle;
            }
            quantile[k] = low;
        }
        if (!isnan(rows[i].spread)) assert_close(quantile[1] / quantile[0], rows[i].spread, 0.004 * rows[i].spread);
        if (!isnan(rows[i].quartiles)) assert_close(2 * quantile[0], rows[i].quartiles, 0.003);
        double zero = 0, density;
        assert_ok(law->log_density(p, &zero, 1, &density));
        assert_close(exp(density), tgamma(1 + 1 / rows[i].alpha) / M_PI, 1e-9);
    }
    static const double alphas[] = { 0.8, 1.2, 1.7 }, points[] = { 0.1, 1, 5 };
    for (int i = 0; i < 9; i++) { /* the characteristic function exp(-t^alpha), turned back by the midpoint rule */
        double alpha = alphas[i / 3], z = points[i % 3], sum = 0, below;
        for (double step = 1e-3, t = step / 2; t < 60; t += step) sum += step * sin(t * z) / t * exp(-pow(t, alpha));
        assert_ok(law->cumulative((double[]){ 0, 1, alpha }, &z, 1, &below));
        assert_close(below, 0.5 + sum / M_PI, 2e-5);
    }
    for (double z = -30; z <= 30; z += 0.7) {
        double normal, cauchy;
        assert_ok(law->cumulative((double[]){ 0, 1, 2 }, &z, 1, &normal));
        assert_ok(law->cumulative((double[]){ 0, 1, 1 }, &z, 1, &cauchy));
        assert_close(normal, gsl_cdf_gaussian_P(z, M_SQRT2), 1e-12);
        assert_close(cauchy, gsl_cdf_cauchy_P(z, 1), 1e-12);
    }
}

/* ---- rounded weights --------------------------------------------------------------------------- */

/* P(|x| <= t) of a law of scale s; spread > 0: normal with a log-normal scale, by Simpson's rule over the latter's 3
 * deviations to both sides.  (The figures below are for these; all of it gives up to 0.004 more, 0.006 at 0.7.) */
static double within(char law, double scale, double spread, double t)
{
    if (law == 'l') return -expm1(-t / scale);
    if (!(spread > 0)) return erf(t / scale / M_SQRT2);
    enum { STEPS = 60 };
    double sum = 0, all = 0;
    for (int i = 0; i <= STEPS; i++) {
        double g = 6. * i / STEPS - 3, w = (i % STEPS ? 2 + 2 * (i % 2) : 1) * exp(-g * g / 2);
        all += w;
        sum += w * erf(t / scale / exp(spread * g) / M_SQRT2);
    }
    return sum / all;
}

/* The law's exact counts of the words of a format, by the mass between points half way to neighbours. */
static void exact(const ent_format *f, char law, double scale, double spread, ent_word_counts *counts)
{
    assert_ok(ent_word_counts_init(counts, f));
    uint64_t half = 1ull << (f->bits - 1);
    double below = 0;
    for (uint64_t w = 0; w < half; w++) {
        double here = ent_format_value(f, w), next = w + 1 < half ? ent_format_value(f, w + 1) : NAN;
        bool last = !isfinite(next); /* the largest finite word takes the rest */
        double upto = last ? 1 : within(law, scale, spread, here + (next - here) / 2);
        counts->plane[0].count[w] = counts->plane[0].count[w | half] = (uint64_t)llround((upto - below) * 0x1p40);
        below = upto;
        if (last) return;
    }
}

static double bits_of(const ent_word_counts *counts, const char *text)
{
    ent_field field;
    ent_counts c;
    assert_ok(ent_field_parse(counts->format, text, &field, NULL));
    assert_ok(ent_word_counts_field(counts, &field, &c));
    double bits = ent_entropy_bits(&c);
    ent_counts_free(&c);
    return bits;
}

/* Figures computed apart from this library by quadrature, to 4 decimals; those of 8-bit formats to 3. */
static const struct published {
    const char *format;
    char law;
    double log2_scale, spread, exponent, mantissa, word;
} published[] = {
    { "BF16", 'n', -6, 0, 2.5449, 6.9722, 10.4644 },           { "F16", 'n', -6, 0, 2.5387, 9.9716, 13.4576 },
    { "BF16", 'n', -5.875, 0, 2.5461, 6.9719, 10.4642 },       { "F16", 'n', -5.875, 0, 2.5404, 9.9713, 13.4579 },
    { "BF16", 'n', -5.75, 0, 2.5461, 6.9717, 10.4639 },        { "F16", 'n', -5.75, 0, 2.5409, 9.9711, 13.4581 },
    { "BF16", 'n', -5.625, 0, 2.545, 6.9716, 10.4638 },        { "F16", 'n', -5.625, 0, 2.5403, 9.971, 13.4584 },
    { "BF16", 'n', -5.5, 0, 2.5435, 6.9717, 10.4639 },         { "F16", 'n', -5.5, 0, 2.5391, 9.9711, 13.4589 },
    { "BF16", 'n', -5.375, 0, 2.5423, 6.9719, 10.4641 },       { "F16", 'n', -5.375, 0, 2.5383, 9.9713, 13.4595 },
    { "BF16", 'n', -5.25, 0, 2.5423, 6.9722, 10.4644 },        { "F16", 'n', -5.25, 0, 2.5386, 9.9716, 13.4601 },
    { "BF16", 'n', -5.125, 0, 2.5434, 6.9723, 10.4645 },       { "F16", 'n', -5.125, 0, 2.5399, 9.9717, 13.4605 },
    { "BF16", 'l', -6.5, 0, 2.8319, 6.9719, 10.7761 },         { "F16", 'l', -6.5, 0, 2.8209, 9.9713, 13.7645 },
    { "BF16", 'l', -6, 0, 2.832, 6.9719, 10.7761 },            { "F16", 'l', -6, 0, 2.8242, 9.9713, 13.7677 },
    { "BF16", 'n', -6, 0.1, 2.5563, 6.9721, 10.478 },          { "F16", 'n', -6, 0.1, 2.55, 9.9715, 13.4712 },
    { "BF16", 'n', -6, 0.2, 2.5883, 6.972, 10.5153 },          { "F16", 'n', -6, 0.2, 2.582, 9.9714, 13.5084 },
    { "BF16", 'n', -6, 0.3, 2.6364, 6.9719, 10.5693 },         { "F16", 'n', -6, 0.3, 2.6299, 9.9713, 13.5622 },
    { "BF16", 'n', -6, 0.4, 2.6955, 6.9719, 10.6338 },         { "F16", 'n', -6, 0.4, 2.6888, 9.9713, 13.6265 },
    { "BF16", 'n', -6, 0.5, 2.7616, 6.9719, 10.7045 },         { "F16", 'n', -6, 0.5, 2.7545, 9.9713, 13.6969 },
    { "BF16", 'n', -6, 0.7, 2.9039, 6.9719, 10.8541 },         { "F16", 'n', -6, 0.7, 2.896, 9.9713, 13.8455 },
    { "F8_E4M3", 'n', 6, 0, 2.544, 2.981, 6.474 },             { "F8_E5M2", 'n', 6, 0, 2.543, 1.989, 5.485 },
};

enum { PUBLISHED = sizeof published / sizeof *published };

/* `test_fit --calibration`: ours beside them. */
static int calibration(void)
{
    printf("law\tlog2_scale\tspread\tformat\tfield\tbits\tpublished_bits\tdifference\n");
    for (const struct published *p = published; p < published + PUBLISHED; p++) {
        ent_word_counts counts;
        const struct { const char *field; double bits; } row[] = {
            { "exponent", p->exponent }, { "mantissa", p->mantissa }, { "word", p->word },
        };
        exact(ent_format_find(p->format), p->law, exp2(p->log2_scale), p->spread, &counts);
        for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
            double bits = bits_of(&counts, row[i].field);
            printf("%s\t%g\t%g\t%s\t%s\t%.4f\t%g\t%+.4f\n", p->law == 'l' ? "laplace" : p->spread > 0 ? "mixture" : "normal",
                   p->log2_scale, p->spread, p->format, row[i].field, bits, row[i].bits, bits - row[i].bits);
        }
        ent_word_counts_free(&counts);
    }
    return 0;
}

static void rounded_weights_have_their_entropy(void **state)
{
    (void)state;
    for (const struct published *p = published; p < published + PUBLISHED; p++) {
        ent_word_counts counts;
        if (SANITIZED && p->spread > 0) continue; /* takes its time, and learns nothing there */
        exact(ent_format_find(p->format), p->law, exp2(p->log2_scale), p->spread, &counts);
        double exponent = bits_of(&counts, "exponent");
        assert_close(exponent, p->exponent, 0.005);
        assert_close(bits_of(&counts, "mantissa"), p->mantissa, 0.005);
        assert_close(bits_of(&counts, "word"), p->word, 0.005);
        ent_word_counts_free(&counts);
        if (p->spread > 0) continue;
        /* what a fit foretells is the same, from edges of binades alone */
        ent_fit fit = { .law = ent_fit_law_find(p->law == 'n' ? "normal" : "laplace"),
                        .parameter = { 0, exp2(p->log2_scale) } };
        double bits;
        assert_ok(ent_fit_exponent_bits(&fit, ent_format_find(p->format), 0, &bits));
        assert_close(bits, exponent, 1e-6);
    }
    ent_fit fit = { .law = ent_fit_law_find("normal"), .parameter = { 0, 0.02 } };
    double bits;
    assert_ok(ent_fit_exponent_bits(&fit, ent_format_find("F32"), 0.5, &bits)); /* half are zeros: 1 + H / 2 */
    assert_close(bits, 1 + 2.545 / 2, 0.003);
    assert_status(ent_fit_exponent_bits(&fit, ent_format_find("I8"), 0, &bits), ENT_EUNSUPPORTED);
    assert_status(ent_fit_exponent_bits(&fit, NULL, 0, &bits), ENT_EUNSUPPORTED);
}

/* ---- a model ----------------------------------------------------------------------------------- */

/* Four F32 tensors of 64 x 64: normal with one outlier column and 100 zeros, the same again, a constant, and a
 * vector of 5 with a NaN. */
static const char *odd_model(void)
{
    enum { SIDE = 64, ALL = SIDE * SIDE };
    static float data[3 * ALL + 5];
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[64,64],\"data_offsets\":[0,16384]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[64,64],\"data_offsets\":[16384,32768]},"
        "\"c\":{\"dtype\":\"F32\",\"shape\":[64,64],\"data_offsets\":[32768,49152]},"
        "\"d\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[49152,49172]}}";
    static uint8_t file[8 + sizeof header - 1 + sizeof data];
    ent_random random;
    const gsl_rng rng = { &ent_gsl_random, &random };
    ent_random_seed(&random, 3, 0);
    for (int i = 0; i < ALL; i++) {
        data[i] = (float)gsl_ran_gaussian(&rng, i % SIDE == 7 ? 0.2 : 0.02);
        if (i % 40 == 0 && i < 4000) data[i] = 0;
        data[ALL + i] = data[i];
        data[2 * ALL + i] = 0.5f;
    }
    data[3 * ALL + 2] = NAN;
    uint64_t size = sizeof header - 1;
    memcpy(file, &size, 8);
    memcpy(file + 8, header, size);
    memcpy(file + 8 + size, data, sizeof data);
    write_file(scratch_path("odd.safetensors"), file, sizeof file);
    return scratch_path("odd.safetensors");
}

static void odd_tensors_are_named(void **state)
{
    (void)state;
    struct common common = { .quiet = true, .threads = 2 };
    struct tensor_fit *list;
    size_t count;
    ent_weights *w;
    ent_error error;
    if (ent_weights_open(&w, odd_model(), &error)) fail_msg("%s", error.text);
    assert_ok(fits_of(w, &common, &(struct fits_options){ 1, 4 }, &list, &count, &error));
    assert_int_equal(count, 4);
    const struct tensor_fit *a = &list[0], *b = &list[1], *c = &list[2], *d = &list[3];
    assert_int_equal(a->outlier_columns, 1);
    assert_int_equal(a->outlier_rows, 0);
    assert_int_equal(a->zeros, 100);
    assert_true(!a->same_as && !c->same_as && !d->same_as);
    assert_string_equal(b->same_as, "a");
    /* a column of tenfold scale: 3 x 64 (63 + 10^4) / (63 + 100)^2 = 73, of a sample of 64 of them */
    assert_true(a->kurtosis > 30 && a->kurtosis < 150 && a->kurtosis == b->kurtosis);
    assert_close(a->deviation, 0.02 * sqrt((63 + 100) / 64. * (1 - 100. / 4096)), 0.002);
    assert_string_not_equal(a->fit[0].law->name, "normal"); /* a mixture of two scales */
    assert_int_equal(a->in_rows.fitted + a->in_columns.fitted, 8);
    assert_true(c->least == 0.5 && c->most == 0.5 && c->fits == 0 && c->exponent_bits == 0);
    assert_true(d->not_finite == 1 && d->zeros == 4 && d->fits == 0);
    ent_free(list);
    ent_weights_close(w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laws_find_themselves),
        cmocka_unit_test(refuses_what_has_no_shape),
        cmocka_unit_test(distribution_functions_agree_with_gsl),
        cmocka_unit_test(stable_laws_are_the_known_ones),
        cmocka_unit_test(rounded_weights_have_their_entropy),
        cmocka_unit_test(odd_tensors_are_named),
    };
    if (argc == 2 && !strcmp(argv[1], "--calibration")) return calibration();
    return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
