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
    if (m < 0 || m >= n || p <= 0) return m >= 0;
    if (p >= 1) return 0;
    if (variance > 1e4) return gsl_cdf_ugaussian_P((m + 0.5 - mean) / sqrt(variance));
    return n < UINT32_MAX ? gsl_cdf_binomial_P((unsigned)m, p, (unsigned)n) : gsl_cdf_poisson_P((unsigned)m, mean);
}

/* What the other symbols do, so that each theta costs two of these: */
typedef struct largest {
    double n, most;  /* most: M as observed */
    const double *p; /* falling */
    double *rest[2]; /* [k][i]: ln P(no count of the symbols from i on is above most - 1 + k) */
    size_t symbols;
} largest;

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static ent_status prepare(largest *l)
{
    for (int k = 0; k < 2; k++) {
        double *rest = l->rest[k] = ent_alloc((l->symbols + 1) * sizeof *rest), one = 0;
        if (!rest) return ENT_ENOMEM;
        rest[l->symbols] = 0;
        for (size_t i = l->symbols; i--; rest[i] = rest[i + 1] + one)
            if (i + 1 == l->symbols || l->p[i] > l->p[i + 1]) one = log(binomial_below(l->n, l->p[i], l->most - 1 + k));
    }
    return ENT_OK;
}

/* P(M < most) + P(M = most) / 2, when the commonest symbol has theta and no other has more. */
static double below(const largest *l, double theta)
{
    size_t lower = l->symbols, upper = 1; /* the first of those below theta */
    double both = 0;
    while (upper < lower) {
        size_t middle = (upper + lower) / 2;
        if (l->p[middle] >= theta) upper = middle + 1;
        else lower = middle;
    }
    for (int k = 0; k < 2; k++)
        both += exp((double)upper * log(binomial_below(l->n, theta, l->most - 1 + k)) + l->rest[k][upper]) / 2;
    return both;
}

double ent_largest_end(const ent_counts *counts, double *p, size_t symbols, bool upper)
{
    double low = 1. / (double)symbols, high = 1;
    largest l = { .n = (double)ent_counts_total(counts), .p = p, .symbols = symbols };
    for (uint32_t s = 0; s < counts->alphabet; s++) l.most = fmax(l.most, (double)counts->count[s]);
    qsort(p, symbols, sizeof *p, falling);
    ent_status status = prepare(&l);
    for (int i = 0; i < 60 && !status; i++) {
        double theta = (low + high) / 2;
        *(below(&l, theta) > (upper ? 0.975 : 0.025) ? &low : &high) = theta;
    }
    ent_free(l.rest[0]);
    ent_free(l.rest[1]);
    return status ? NAN : -log2(upper ? low : high);
}
