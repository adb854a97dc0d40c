/* entropy.c - the entropy of counts as they are, and its standard error: apart from the other estimators, since codecs
 * train by it and do without GSL. */
#include <math.h>

#include "stats/parts.h"

/* Sum of p |log2 p|^power over the live symbols. */
static double moment(const ent_counts *counts, double total, int power)
{
    kahan k = { 0, 0 };
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        if (!counts->count[s]) continue;
        double p = (double)counts->count[s] / total, bits = -log2(p);
        kahan_add(&k, power == 2 ? p * bits * bits : p * bits);
    }
    return k.sum;
}

double ent_entropy_bits(const ent_counts *counts)
{
    uint64_t total = ent_counts_total(counts);
    return total ? moment(counts, (double)total, 1) : 0;
}

double ent_shannon_of(const double *p, size_t n)
{
    kahan k = { 0, 0 };
    for (size_t i = 0; i < n; i++)
        if (p[i] > 0) kahan_add(&k, -p[i] * log2(p[i]));
    return k.sum;
}

/* The plug-in is, to first order, the mean of -ln p(symbol) over the sample, so that its variance is
 * v / n, v the variance of -ln p.  For symbols of equal probability v is 0, and what is left is the
 * second order, (K - 1) / (2 n^2): 2 n (H - estimate) is then chi-square with K - 1 degrees of freedom
 * (Harris 1975).  The plug-in of v is itself too high, by (K - 1 + sum (ln p + H) - v) / n, which at
 * equal probabilities is twice that second order; it is taken off. */
double ent_plugin_stderr(const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts), live = ent_counts_live(counts);
    if (!(n > 0)) return NAN;
    double h = M_LN2 * moment(counts, n, 1), v = M_LN2 * M_LN2 * moment(counts, n, 2) - h * h, spread = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) spread += log((double)counts->count[s] / n) + h;
    v -= (live - 1 + spread - v) / n;
    return sqrt((fmax(v, 0) + (live - 1) / (2 * n)) / n) / M_LN2;
}
