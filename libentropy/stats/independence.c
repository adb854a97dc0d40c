/* independence.c - what the mutual information of counts would be by chance.
 *
 * Given how often each symbol and each context occurs, and nothing else, a cell of the joint counts is
 * hypergeometric.  In nats n I = sum of f(cell) - f(symbols) - f(contexts) + f(n) with f(N) = N ln N, so
 * its mean under independence is a sum over cells.  A cell of a small context is taken as binomial, one of a large
 * context as Poisson times (1 - p); both times (1 - share of the context), which makes the sum of full cells
 * (symbols - 1)(contexts - 1) / 2, the mean of Wilks' chi-square.  The variance has the ratio to the mean
 * that independent Poisson cells would have, of what is left of each f(N) after regression on N (the linear
 * part is fixed by the margins; Morris 1975). */
#include <math.h>
#include <pthread.h>

#include "stats/independence.h"

enum { STEPS = 8, LOG_LEAST = -24, LOG_MOST = 10, POINTS = (LOG_MOST - LOG_LEAST) * STEPS + 1, SMALL = 64 };

typedef struct moments {
    double mean, variance;
} moments;

static moments table[POINTS]; /* of Poisson cells, over the cell's mean */
static double f_of[SMALL + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static double f(double n) { return n > 0 ? n * log(n) : 0; }

/* E f(N) - f(mean), and Var f(N) - Cov(f(N), N)^2 / Var N, summed from the mode to both sides.  What is summed
 * is f without its tangent, which changes neither. */
static moments poisson(double mean)
{
    const double mode = floor(mean), slope = log(mean) + 1, top = exp(mode * log(mean) - mean - lgamma(mode + 1));
    double first = 0, second = 0, joint = 0;
    for (int way = -1; way <= 1; way += 2) {
        double p = way < 0 ? top : top * mean / (mode + 1);
        for (double n = way < 0 ? mode : mode + 1; n >= 0 && p > 1e-18 * top; n += way) {
            double d = f(n) - f(mean) - slope * (n - mean);
            first += p * d;
            second += p * d * d;
            joint += p * d * (n - mean);
            p *= way < 0 ? n / mean : mean / (n + 1);
        }
    }
    return (moments){ first, fmax(second - first * first - joint * joint / mean, 0) };
}

static void fill(void)
{
    for (int i = 0; i < POINTS; i++) {
        double mean = exp2(LOG_LEAST + (double)i / STEPS);
        moments m = poisson(mean);
        table[i] = (moments){ m.mean / mean, m.variance / mean };
    }
    for (int n = 0; n <= SMALL; n++) f_of[n] = f(n);
}

/* Interpolated; beyond the table the limits, 1/2 + 1/(12 mean) and 1/2. */
static moments cell_poisson(double mean)
{
    double at = (log2(mean) - LOG_LEAST) * STEPS;
    if (at < 0) return (moments){ -f(mean), 0 };
    if (at >= POINTS - 1) return (moments){ 0.5 + 1 / (12 * mean), 0.5 };
    int i = (int)at;
    double part = at - i;
    return (moments){ mean * (table[i].mean + part * (table[i + 1].mean - table[i].mean)),
                      mean * (table[i].variance + part * (table[i + 1].variance - table[i].variance)) };
}

/* E f(N) - f(mean) of a binomial N of at most SMALL draws. */
static double cell_binomial(unsigned n, double p)
{
    double sum = 0, odds = p / (1 - p), mass = exp(n * log1p(-p));
    for (unsigned k = 1; k <= n; k++) {
        mass *= odds * (n - k + 1) / k;
        sum += mass * f_of[k];
    }
    return sum - f(n * p);
}

/* A context of n symbols among the p of the margin; the share of the context not yet applied. */
static ent_null of_context(uint64_t n, const double *p, size_t live)
{
    ent_null sum = { 0, 0, 0 };
    for (size_t i = 0; i < live; i++) {
        moments m = cell_poisson((double)n * p[i]);
        sum.mean += n <= SMALL ? cell_binomial((unsigned)n, p[i]) : m.mean * (1 - p[i]);
        sum.cells_mean += m.mean;
        sum.cells_variance += m.variance;
    }
    return sum;
}

ent_status ent_null_begin(ent_nulls *nulls, const uint64_t *symbols, uint32_t alphabet)
{
    pthread_once(&once, fill);
    *nulls = (ent_nulls){ .p = ent_alloc(alphabet * sizeof *nulls->p) };
    if (!nulls->p) return ENT_ENOMEM;
    for (uint32_t s = 0; s < alphabet; s++) nulls->total += symbols[s];
    for (uint32_t s = 0; s < alphabet; s++)
        if (symbols[s]) nulls->p[nulls->live++] = (double)symbols[s] / (double)nulls->total;
    return ENT_OK;
}

/* Contexts of equal size, such as rows, follow each other: the last one's answer is kept. */
void ent_null_context(ent_nulls *nulls, uint64_t n)
{
    if (nulls->live < 2 || !n || n == nulls->total) return;
    if (n != nulls->size) {
        nulls->size = n;
        nulls->one = of_context(n, nulls->p, nulls->live);
    }
    nulls->sum.mean += nulls->one.mean * (1 - (double)n / (double)nulls->total);
    nulls->sum.cells_mean += nulls->one.cells_mean;
    nulls->sum.cells_variance += nulls->one.cells_variance;
}

void ent_null_end(ent_nulls *nulls, double *mean, double *variance)
{
    const ent_null *s = &nulls->sum;
    *mean = s->mean / M_LN2;
    *variance = s->cells_mean > 0 ? s->mean * s->cells_variance / s->cells_mean / (M_LN2 * M_LN2) : 0;
    ent_free(nulls->p);
}
