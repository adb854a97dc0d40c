/* fit_stable.c - the symmetric alpha-stable law: alpha and scale from quantiles (McCulloch 1986), density and
 * distribution function by Nolan's integrals (1997), splined over asinh z. */
#include <math.h>

#include <gsl/gsl_integration.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_spline.h>

#include "stats/fit.h"

enum { LOCATION, SCALE, ALPHA };

/* ---- quantiles ----------------------------------------------------------------------------------- */

/* (q95 - q05) / (q75 - q25), and (q75 - q25) / scale, for alpha = 2, 1.9, ... 0.5: McCulloch's tables III and V at
 * beta = 0, computed anew from the distribution function below. */
enum { ROWS = 16 };
static const double spread[ROWS] = { 2.4387, 2.5128, 2.6099, 2.7394, 2.9140, 3.1498, 3.4656, 3.8865, 4.4509, 5.2229,
                                     6.3138, 7.9285, 10.4791, 14.8938, 23.6122, 44.6351 };
static const double quartiles[ROWS] = { 1.9077, 1.9136, 1.9195, 1.9255, 1.9315, 1.9379, 1.9447, 1.9528, 1.9631, 1.9777,
                                        2, 2.0352, 2.0911, 2.1801, 2.3242, 2.5677 };

static ent_status stable_fit(const double *x, size_t n, double *parameter)
{
    double middle = ent_quantile(x, n, 0.75) - ent_quantile(x, n, 0.25);
    double wide = ent_quantile(x, n, 0.95) - ent_quantile(x, n, 0.05);
    double ratio = middle > 0 ? fmin(fmax(wide / middle, spread[0]), spread[ROWS - 1]) : spread[ROWS - 1];
    int row = 0;
    while (row < ROWS - 2 && ratio > spread[row + 1]) row++;
    double between = log(ratio / spread[row]) / log(spread[row + 1] / spread[row]);
    parameter[LOCATION] = ent_quantile(x, n, 0.5);
    if (!(middle > 0)) middle = x[n - 1] - x[0]; /* most values are equal */
    parameter[SCALE] = middle / (quartiles[row] + between * (quartiles[row + 1] - quartiles[row]));
    parameter[ALPHA] = 2 - 0.1 * (row + between);
    return ENT_OK;
}

/* ---- Nolan's integrals --------------------------------------------------------------------------- */

typedef struct point { double alpha, log_z; } point;

/* ln of z^(a / (a - 1)) V(theta), V of theorem 1 at beta = 0. */
static double log_exponent(double theta, const point *p)
{
    double c = cos(theta), power = p->alpha / (p->alpha - 1);
    return power * (p->log_z + log(c) - log(sin(p->alpha * theta))) + log(cos((p->alpha - 1) * theta)) - log(c);
}

static double below_at(double theta, void *context)
{
    return exp(-exp(log_exponent(theta, context)));
}

static double density_at(double theta, void *context)
{
    double l = log_exponent(theta, context);
    return l < 700 ? exp(l - exp(l)) : 0;
}

/* Where exp(l - exp(l)) peaks, at l = 0: log_exponent is monotone in theta. */
static double peak_of(point *p)
{
    double low = 0, high = M_PI_2;
    bool rises = p->alpha < 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if ((log_exponent(middle, p) > 0) == rises) high = middle;
        else low = middle;
    }
    return (low + high) / 2;
}

static double integral(double (*f)(double, void *), point *p, gsl_integration_cquad_workspace *space)
{
    double sum = 0, part, cut[] = { 0, peak_of(p), M_PI_2 };
    gsl_function g = { f, p };
    for (int i = 0; i < 2; i++) {
        if (!(cut[i + 1] > cut[i])) continue;
        gsl_integration_cquad(&g, cut[i], cut[i + 1], 0, 1e-8, space, &part, NULL, NULL);
        sum += part;
    }
    return sum;
}

static double log_density_of(double alpha, double z, gsl_integration_cquad_workspace *space)
{
    if (z < 1e-3) return gsl_sf_lngamma(1 + 1 / alpha) - log(M_PI);
    point p = { alpha, log(z) };
    return log(alpha / (M_PI * fabs(alpha - 1) * z)) + log(fmax(integral(density_at, &p, space), 1e-300));
}

static double above_of(double alpha, double z, gsl_integration_cquad_workspace *space)
{
    if (!(z > 0)) return 0.5;
    point p = { alpha, log(z) };
    double part = integral(below_at, &p, space) / M_PI;
    return alpha < 1 ? 0.5 - part : part;
}

/* ---- many points --------------------------------------------------------------------------------- */

/* Splines through ln of the density and of the mass above, some knots below 0 by symmetry; beyond the last knot
 * both fall as powers of z. */
enum { BELOW = 8, KNOTS = 96 + BELOW };
#define LAST 7.6 /* asinh z of the last knot: z = 1000 */

typedef struct curve {
    gsl_spline *density, *above;
    double alpha, last_z;
} curve;

static void curve_free(curve *c)
{
    if (c->density) gsl_spline_free(c->density);
    if (c->above) gsl_spline_free(c->above);
}

static ent_status curve_new(curve *c, double alpha)
{
    double u[KNOTS], density[KNOTS], above[KNOTS], step = LAST / (KNOTS - 1 - BELOW);
    gsl_integration_cquad_workspace *space = gsl_integration_cquad_workspace_alloc(100);
    *c = (curve){ gsl_spline_alloc(gsl_interp_cspline, KNOTS), gsl_spline_alloc(gsl_interp_cspline, KNOTS), alpha,
                  sinh(LAST) };
    for (int i = 0; i < KNOTS && space; i++) {
        double z = sinh(fabs(u[i] = (i - BELOW) * step)), a = above_of(alpha, z, space);
        density[i] = log_density_of(alpha, z, space);
        above[i] = log(u[i] < 0 ? 1 - a : a);
    }
    ent_status status = space && c->density && c->above ? ENT_OK : ENT_ENOMEM;
    if (!status) {
        gsl_spline_init(c->density, u, density, KNOTS);
        gsl_spline_init(c->above, u, above, KNOTS);
    }
    if (space) gsl_integration_cquad_workspace_free(space);
    return status;
}

/* alpha of 2 is normal, 1 is Cauchy's; both where the integrals lose their digits. */
static bool is_normal(double alpha) { return alpha > 2 - 1e-6; }
static bool is_cauchy(double alpha) { return fabs(alpha - 1) < 1e-3; }

static double log_density(const curve *c, double z)
{
    if (is_normal(c->alpha)) return -z * z / 4 - log(2 * sqrt(M_PI));
    if (is_cauchy(c->alpha)) return -log(M_PI * (1 + z * z));
    if (z < c->last_z) return gsl_spline_eval(c->density, asinh(z), NULL);
    return gsl_spline_eval(c->density, LAST, NULL) - (c->alpha + 1) * log(z / c->last_z);
}

static double above(const curve *c, double z)
{
    if (is_normal(c->alpha)) return erfc(z / 2) / 2;
    if (is_cauchy(c->alpha)) return atan2(1, z) / M_PI;
    if (z < c->last_z) return exp(gsl_spline_eval(c->above, asinh(z), NULL));
    return exp(gsl_spline_eval(c->above, LAST, NULL) - c->alpha * log(z / c->last_z));
}

static ent_status stable(const double *p, const double *x, size_t n, bool cumulative, double *out)
{
    curve c = { .alpha = p[ALPHA] };
    ent_status status = is_normal(c.alpha) || is_cauchy(c.alpha) ? ENT_OK : curve_new(&c, c.alpha);
    for (size_t i = 0; i < n && !status; i++) {
        double z = (x[i] - p[LOCATION]) / p[SCALE];
        if (!cumulative) out[i] = log_density(&c, fabs(z)) - log(p[SCALE]);
        else out[i] = z < 0 ? above(&c, -z) : 1 - above(&c, z);
    }
    curve_free(&c);
    return status;
}

static ent_status stable_log_density(const double *p, const double *x, size_t n, double *out)
{
    return stable(p, x, n, false, out);
}

static ent_status stable_cumulative(const double *p, const double *x, size_t n, double *out)
{
    return stable(p, x, n, true, out);
}

const ent_fit_law ent_fit_law_stable = {
    "stable", "symmetric alpha-stable, by quantiles: 2 is normal, below it tails fall as a power", "mcculloch1986",
    { "median", "scale", "alpha" }, stable_fit, stable_log_density, stable_cumulative,
};
