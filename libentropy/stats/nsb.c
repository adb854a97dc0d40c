/* nsb.c - the Bayesian estimate of Nemenman, Shafee and Bialek (2002): Dirichlet priors of concentration
 * beta, mixed so that the expected entropy is uniform beforehand; the alphabet is taken as known.
 *
 * The posterior of beta has one peak; the integrals over ln beta run where it is within e^-40 of it, by a
 * Gauss-Legendre rule, for the integrand is smooth.  Moments of the entropy given beta: Wolpert and Wolf
 * 1995.  Symbols of equal counts are treated together, so that the cost goes with the different counts. */
#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_integration.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_psi.h>

#include "stats/parts.h"

/* Above it the prior has no say (under 65536 / 10^11), and log-gamma functions lose the digits of their differences. */
#define VAST UINT64_C(100000000000)

typedef struct class { double count, symbols; } class; /* so many symbols occurred so often */

typedef struct profile {
    class *class;
    size_t classes;
    double n, alphabet;
} profile;

static int by_count(const void *a, const void *b)
{
    double x = ((const class *)a)->count, y = ((const class *)b)->count;
    return (x > y) - (x < y);
}

static ent_status profile_of(const ent_counts *counts, profile *p)
{
    *p = (profile){ .n = (double)ent_counts_total(counts), .alphabet = counts->alphabet };
    p->class = ent_alloc(counts->alphabet * sizeof *p->class);
    if (!p->class) return ENT_ENOMEM;
    for (uint32_t s = 0; s < counts->alphabet; s++) p->class[s] = (class){ (double)counts->count[s], 1 };
    qsort(p->class, counts->alphabet, sizeof *p->class, by_count);
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        if (p->classes && p->class[p->classes - 1].count == p->class[s].count)
            p->class[p->classes - 1].symbols++;
        else
            p->class[p->classes++] = p->class[s];
    }
    return ENT_OK;
}

/* Mean and mean square of the entropy, nats, of a Dirichlet law with parameters count + beta. */
static void moments(const profile *p, double beta, double *mean, double *square)
{
    double total = p->n + p->alphabet * beta, top = gsl_sf_psi(total + 2);
    double m = gsl_sf_psi(total + 1), cross = 0, own = 0, first = 0;
    for (size_t i = 0; i < p->classes; i++) {
        double a = p->class[i].count + beta, times = p->class[i].symbols, psi = gsl_sf_psi(a + 1);
        double d = psi - top, next = psi + 1 / (a + 1) - top;
        first += times * a * psi;
        cross += times * a * d;
        own += times * (a * (a + 1) * (next * next + gsl_sf_psi_1(a + 2)) - a * a * d * d);
    }
    /* the trigamma of total + 2 comes once for every pair, with i = j counted a (a + 1): in all total (total + 1) */
    *mean = m - first / total;
    *square = (cross * cross + own) / (total * (total + 1)) - gsl_sf_psi_1(total + 2);
}

/* ln of the posterior of ln beta, up to a constant: evidence, times d xi / d ln beta, xi the prior's mean. */
static double log_posterior(const profile *p, double log_beta)
{
    double beta = exp(log_beta), all = p->alphabet * beta, sum = gsl_sf_lngamma(all) - gsl_sf_lngamma(all + p->n);
    for (size_t i = 0; i < p->classes; i++)
        if (p->class[i].count > 0)
            sum += p->class[i].symbols * (gsl_sf_lngamma(p->class[i].count + beta) - gsl_sf_lngamma(beta));
    double slope = p->alphabet * gsl_sf_psi_1(all + 1) - gsl_sf_psi_1(beta + 1);
    return slope > 0 ? sum + log(slope) + log_beta : -INFINITY;
}

/* Walks from `from` by growing steps until the posterior is e^-40 of its peak, or to the end. */
static double reach(const profile *p, double from, double peak, double step, double end)
{
    double at = from;
    while ((end - at) * step > 0 && log_posterior(p, at) > peak - 40) at += step, step *= 1.5;
    return at;
}

static ent_estimate integrate(const profile *p)
{
    enum { POINTS = 96, SCAN = 120 };
    double low = log(1e-9), high = log(1e4) + log(p->n + p->alphabet), peak = -INFINITY, at = 0;
    double weight = 0, mean = 0, square = 0;
    for (int i = 0; i <= SCAN; i++) {
        double x = low + (high - low) * i / SCAN, y = log_posterior(p, x);
        if (y > peak) peak = y, at = x;
    }
    double from = reach(p, at, peak, -0.02, low), to = reach(p, at, peak, 0.02, high);
    gsl_integration_glfixed_table *rule = gsl_integration_glfixed_table_alloc(POINTS);
    if (!rule) return (ent_estimate){ .bits = NAN, .stderr_bits = NAN };
    for (size_t i = 0; i < POINTS; i++) {
        double x, w, m, s;
        gsl_integration_glfixed_point(from, to, i, &x, &w, rule);
        w *= exp(log_posterior(p, x) - peak);
        moments(p, exp(x), &m, &s);
        weight += w, mean += w * m, square += w * s;
    }
    gsl_integration_glfixed_table_free(rule);
    mean /= weight;
    return (ent_estimate){ .bits = mean / M_LN2, .stderr_bits = sqrt(fmax(square / weight - mean * mean, 0)) / M_LN2 };
}

static ent_estimate nsb(const ent_counts *counts)
{
    profile p;
    uint64_t total = ent_counts_total(counts);
    if (counts->alphabet < 2 || !total) return ent_estimator_plugin.from_counts(counts);
    if (total > VAST) return ent_estimator_miller_madow.from_counts(counts);
    if (profile_of(counts, &p)) return (ent_estimate){ .bits = NAN, .stderr_bits = NAN };
    ent_estimate e = integrate(&p);
    ent_free(p.class);
    return e;
}

const ent_estimator ent_estimator_nsb = {
    "nsb", "Bayesian, a prior that is flat in the entropy; the alphabet taken as known; the posterior's error",
    "nemenman2002", nsb, ent_shannon_of, &ent_estimator_miller_madow, NULL, true, NULL,
};
