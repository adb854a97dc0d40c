/* fit_laws.c - the normal, Laplace, Student and generalised normal laws, by maximum likelihood: in closed form, or
 * by the simplex of Nelder and Mead (GSL's nmsimplex2) over location and the logarithms of scale and shape. */
#include <math.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_sf_gamma.h>

#include "stats/fit.h"

enum { LOCATION, SCALE, SHAPE };

static ent_status each(double (*f)(double z, const double *parameter), const double *parameter, const double *x,
                       size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) out[i] = f(x[i] - parameter[LOCATION], parameter);
    return ENT_OK;
}

/* ---- normal -------------------------------------------------------------------------------------- */

static ent_status normal_fit(const double *x, size_t n, double *parameter)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / (double)n;
    parameter[LOCATION] = mean;
    parameter[SCALE] = sqrt(square);
    return ENT_OK;
}

static double normal_log(double d, const double *p)
{
    double z = d / p[SCALE];
    return -z * z / 2 - log(p[SCALE] * sqrt(2 * M_PI));
}

static double normal_below(double d, const double *p) { return gsl_cdf_ugaussian_P(d / p[SCALE]); }

/* ---- Laplace ------------------------------------------------------------------------------------- */

static ent_status laplace_fit(const double *x, size_t n, double *parameter)
{
    double median = ent_quantile(x, n, 0.5), away = 0;
    for (size_t i = 0; i < n; i++) away += fabs(x[i] - median) / (double)n;
    parameter[LOCATION] = median;
    parameter[SCALE] = away;
    return ENT_OK;
}

static double laplace_log(double d, const double *p) { return -fabs(d) / p[SCALE] - log(2 * p[SCALE]); }
static double laplace_below(double d, const double *p) { return gsl_cdf_laplace_P(d, p[SCALE]); }

/* ---- by simplex ---------------------------------------------------------------------------------- */

typedef struct search {
    const double *x;
    size_t n;
    double (*minus_log_likelihood)(const struct search *search, const double *parameter);
    double unit, least, most; /* of location; bounds of the shape */
} search;

static void parameters_at(const search *s, const gsl_vector *at, double *parameter)
{
    parameter[LOCATION] = gsl_vector_get(at, LOCATION) * s->unit;
    parameter[SCALE] = exp(gsl_vector_get(at, SCALE)) * s->unit;
    parameter[SHAPE] = fmin(fmax(exp(gsl_vector_get(at, SHAPE)), s->least), s->most);
}

static double value_at(const gsl_vector *at, void *context)
{
    const search *s = context;
    double parameter[ENT_FIT_PARAMETERS];
    parameters_at(s, at, parameter);
    double value = s->minus_log_likelihood(s, parameter);
    return isfinite(value) ? value : 1e300;
}

static ent_status minimise(search *s, double shape, double *parameter)
{
    enum { STEPS = 400 };
    gsl_multimin_function f = { value_at, ENT_FIT_PARAMETERS, s };
    gsl_multimin_fminimizer *m = gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, f.n);
    gsl_vector *start = gsl_vector_calloc(f.n), *step = gsl_vector_alloc(f.n);
    if (m && start && step) {
        double half = (ent_quantile(s->x, s->n, 0.75) - ent_quantile(s->x, s->n, 0.25)) / 2;
        if (!(half > 0)) half = (s->x[s->n - 1] - s->x[0]) / 2; /* most values are equal */
        s->unit = half;
        gsl_vector_set(start, LOCATION, ent_quantile(s->x, s->n, 0.5) / half);
        gsl_vector_set(start, SHAPE, log(shape));
        gsl_vector_set_all(step, 0.3);
        gsl_vector_set(step, LOCATION, 0.05);
        gsl_multimin_fminimizer_set(m, &f, start, step);
        for (int i = 0; i < STEPS && gsl_multimin_fminimizer_size(m) > 1e-4; i++)
            if (gsl_multimin_fminimizer_iterate(m)) break;
        parameters_at(s, m->x, parameter);
    }
    ent_status status = m && start && step ? ENT_OK : ENT_ENOMEM;
    if (m) gsl_multimin_fminimizer_free(m);
    if (start) gsl_vector_free(start);
    if (step) gsl_vector_free(step);
    return status;
}

/* ---- Student ------------------------------------------------------------------------------------- */

static double student_constant(const double *p)
{
    double nu = p[SHAPE];
    return gsl_sf_lngamma((nu + 1) / 2) - gsl_sf_lngamma(nu / 2) - log(p[SCALE] * sqrt(nu * M_PI));
}

static double student_cost(const search *s, const double *p)
{
    double sum = 0, scale = 1 / (p[SCALE] * p[SCALE] * p[SHAPE]);
    for (size_t i = 0; i < s->n; i++) {
        double d = s->x[i] - p[LOCATION];
        sum += log1p(d * d * scale);
    }
    return (p[SHAPE] + 1) / 2 * sum - (double)s->n * student_constant(p);
}

static ent_status student_fit(const double *x, size_t n, double *parameter)
{
    search s = { .x = x, .n = n, .minus_log_likelihood = student_cost, .least = 0.1, .most = 1000 };
    return minimise(&s, 5, parameter);
}

static double student_log(double d, const double *p)
{
    double z = d / p[SCALE];
    return student_constant(p) - (p[SHAPE] + 1) / 2 * log1p(z * z / p[SHAPE]);
}

static double student_below(double d, const double *p) { return gsl_cdf_tdist_P(d / p[SCALE], p[SHAPE]); }

/* ---- generalised normal: density proportional to exp(-|z|^shape) --------------------------------- */

static double generalised_cost(const search *s, const double *p)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += pow(fabs(s->x[i] - p[LOCATION]) / p[SCALE], p[SHAPE]);
    return sum - (double)s->n * (log(p[SHAPE] / (2 * p[SCALE])) - gsl_sf_lngamma(1 / p[SHAPE]));
}

static ent_status generalised_fit(const double *x, size_t n, double *parameter)
{
    search s = { .x = x, .n = n, .minus_log_likelihood = generalised_cost, .least = 0.1, .most = 50 };
    return minimise(&s, 1.5, parameter);
}

static double generalised_log(double d, const double *p)
{
    return log(p[SHAPE] / (2 * p[SCALE])) - gsl_sf_lngamma(1 / p[SHAPE]) - pow(fabs(d) / p[SCALE], p[SHAPE]);
}

static double generalised_below(double d, const double *p) { return gsl_cdf_exppow_P(d, p[SCALE], p[SHAPE]); }

/* ---- rows ---------------------------------------------------------------------------------------- */

#define DOORS(law) \
    static ent_status law##_log_density(const double *p, const double *x, size_t n, double *out) \
    { \
        return each(law##_log, p, x, n, out); \
    } \
    static ent_status law##_cumulative(const double *p, const double *x, size_t n, double *out) \
    { \
        return each(law##_below, p, x, n, out); \
    }

DOORS(normal)
DOORS(laplace)
DOORS(student)
DOORS(generalised)

const ent_fit_law ent_fit_law_normal = {
    "normal", "density falls as exp(-z^2 / 2)", "johnson1994", { "mean", "deviation" },
    normal_fit, normal_log_density, normal_cumulative,
};
const ent_fit_law ent_fit_law_laplace = {
    "laplace", "density falls as exp(-|z|)", "johnson1995", { "median", "scale" },
    laplace_fit, laplace_log_density, laplace_cumulative,
};
const ent_fit_law ent_fit_law_student = {
    "student", "Student's t: tails fall as a power, nu degrees of freedom (normal at 1000)", "johnson1995",
    { "location", "scale", "nu" }, student_fit, student_log_density, student_cumulative,
};
const ent_fit_law ent_fit_law_generalised_normal = {
    "generalised-normal", "density falls as exp(-|z|^shape): 2 is normal, 1 Laplace", "nadarajah2005",
    { "location", "scale", "shape" }, generalised_fit, generalised_log_density, generalised_cumulative,
};
