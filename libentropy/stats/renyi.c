/* renyi.c - Renyi entropies: of any order, of order 2 (collision), of infinite order (min-entropy). */
#include <math.h>

#include "stats/parts.h"

/* The power sum, sum p^order.  Whole orders have an unbiased estimate, in falling factorials of the counts
 * (Acharya, Orlitsky, Suresh and Tyagi 2017); it is 0 where no symbol occurs `order` times. */
static double power_sum(const ent_counts *counts, double n, double order)
{
    kahan sum = { 0, 0 };
    bool whole = order == floor(order) && order <= 16;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double k = (double)counts->count[s], term = 1;
        if (k == 0) continue;
        if (whole)
            for (double j = 0; j < order; j++) term *= fmax(k - j, 0) / (n - j);
        else
            term = pow(k / n, order);
        kahan_add(&sum, term);
    }
    return sum.sum;
}

/* Delta method: the variance of sum p^a is a^2 (sum p^(2a-1) - (sum p^a)^2) / n, to which equal probabilities
 * add the second order, as for the plug-in (see ent_plugin_stderr). */
static double power_stderr(const ent_counts *counts, double n, double order, double sum)
{
    double twice = 0, squares = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double p = (double)counts->count[s] / n;
        if (p > 0) twice += pow(p, 2 * order - 1), squares += pow(p, 2 * order - 2);
    }
    double second = order * order * (order - 1) * (order - 1) * fmax(squares - twice, 0) / (2 * n * n);
    double variance = order * order * fmax(twice - sum * sum, 0) / n + second;
    return sqrt(variance) / sum / fabs(order - 1) / M_LN2;
}

ent_estimate ent_renyi(const ent_counts *counts, double order)
{
    double n = (double)ent_counts_total(counts);
    if (!(n > 0) || !(order >= 0)) return (ent_estimate){ .bits = 0, .stderr_bits = NAN };
    if (order == 1) return ent_estimator_plugin.from_counts(counts);
    if (isinf(order)) return ent_estimator_min_entropy.from_counts(counts);
    if (ent_counts_live(counts) < 2) return (ent_estimate){ .bits = 0, .stderr_bits = 0 };
    double sum = power_sum(counts, n, order);
    if (!(sum > 0)) { /* the most that so few observations can tell from none: one symbol just so often */
        sum = 1;
        for (double j = 0; j < order; j++) sum *= (order - j) / fmax(n - j, 1);
        return (ent_estimate){ .bits = -log2(fmin(sum, 1)) / (order - 1), .stderr_bits = NAN };
    }
    return (ent_estimate){ .bits = log2(sum) / (1 - order), .stderr_bits = power_stderr(counts, n, order, sum) };
}

static double own_share(double p) { return p; } /* d sum p^2 / dp, but for a factor */

static ent_estimate collision(const ent_counts *counts) { return ent_renyi(counts, 2); }

static ent_estimate min_entropy(const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts), most = 0;
    if (!(n > 0)) return (ent_estimate){ .bits = 0, .stderr_bits = NAN };
    for (uint32_t s = 0; s < counts->alphabet; s++) most = fmax(most, (double)counts->count[s] / n);
    return (ent_estimate){ .bits = most < 1 ? -log2(most) : 0,
                           .stderr_bits = sqrt((1 - most) / (most * n)) / M_LN2 };
}

double ent_collision_of(const double *p, size_t n)
{
    kahan k = { 0, 0 };
    for (size_t i = 0; i < n; i++) kahan_add(&k, p[i] * p[i]);
    return -log2(k.sum);
}

double ent_min_of(const double *p, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, p[i]);
    return -log2(most);
}

const ent_estimator ent_estimator_renyi2 = {
    "renyi-2", "Renyi entropy of order 2, from the unbiased number of pairs that agree", "acharya2017",
    collision, ent_collision_of, NULL, own_share, false, NULL,
};
const ent_estimator ent_estimator_min_entropy = {
    "min-entropy", "-log2 of the commonest symbol's frequency; too low where several are about as common",
    "renyi1961", min_entropy, ent_min_of, &ent_estimator_renyi2, NULL, false, ent_largest_end,
};
