/* largest.c - the interval of the largest probability, and so of min-entropy.
 *
 * The largest count M is the largest of many: how far above n times the largest probability it lies depends on all symbols
 * near the top, and a bootstrap from frequencies, whose own top is too high already, gets that wrong.  Here M's law
 * is computed, P(M <= m) being the product of P(count of s <= m) with the counts taken as independent binomials.  An
 * end of the interval is the probability theta of the commonest symbol at which M has the chance of that end, no other
 * symbol being above theta.  Half of P(M = m) is taken (mid-P), as counts are whole. */
#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_cdf.h>

#include "stats/parts.h"

/* P(count <= m); GSL's to 2^32 counts, many of them as good as normal, few of very many as good as Poisson. */
static double binomial_below(double n, double p, double m)
{
    double mean = n * p, variance = mean * (1 - p);
    if (m < 0 || m >= n) return m >= n;
    if (p >= 1) return 0;
    if (variance > 1e4) return gsl_cdf_ugaussian_P((m + 0.5 - mean) / sqrt(variance));
    return n < UINT32_MAX ? gsl_cdf_binomial_P((unsigned)m, p, (unsigned)n) : gsl_cdf_poisson_P((unsigned)m, mean);
}

/* P(M <= m), p falling; NULL: all are theta. */
static double largest_below(const double *p, size_t symbols, double n, double theta, double m)
{
    double one = log(binomial_below(n, theta, m)), all = one;
    for (size_t i = 1; i < symbols && one < -1e-12; i++) { /* the rest have still less to say */
        if (p && p[i] < theta && p[i] < p[i - 1]) one = log(binomial_below(n, p[i], m));
        all += one;
    }
    return exp(all);
}

static double below(const double *p, size_t symbols, double n, double theta, double m)
{
    return (largest_below(p, symbols, n, theta, m - 1) + largest_below(p, symbols, n, theta, m)) / 2;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

double ent_largest_end(const ent_counts *counts, double *p, size_t symbols, bool upper)
{
    double n = (double)ent_counts_total(counts), most = 0, even = 1. / (double)symbols, low = even, high = 1;
    for (uint32_t s = 0; s < counts->alphabet; s++) most = fmax(most, (double)counts->count[s]);
    qsort(p, symbols, sizeof *p, falling);
    if (upper && below(NULL, symbols, n, even, most) <= 0.95) return log2((double)symbols);
    for (int i = 0; i < 60; i++) {
        double theta = (low + high) / 2;
        *(below(p, symbols, n, theta, most) > (upper ? 0.975 : 0.025) ? &low : &high) = theta;
    }
    return upper ? fmin(-log2(low), log2((double)symbols) - ENT_OPEN_END) : -log2(high);
}
