/* unseen.c - estimators that allow for symbols not seen: Chao and Shen's coverage, James and Stein's
 * shrinkage. */
#include <math.h>

#include "stats/parts.h"

/* Chao and Shen 2003, equation 6: probabilities times the coverage C = 1 - f1/n (f1: symbols seen once),
 * each term weighted by the inverse of the chance that its symbol is seen at all (Horvitz-Thompson). */
static ent_estimate chao_shen(const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts), once = 0;
    ent_estimate e = { .bits = 0, .stderr_bits = ent_plugin_stderr(counts) };
    kahan sum = { 0, 0 };
    for (uint32_t s = 0; s < counts->alphabet; s++) once += counts->count[s] == 1;
    if (ent_counts_live(counts) < 2) return e;
    if (once == n) once = n - 1; /* as the authors do: a coverage of 0 says nothing */
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        if (!counts->count[s]) continue;
        double p = (1 - once / n) * (double)counts->count[s] / n;
        if (p < 1) kahan_add(&sum, p * log2(p) / expm1(n * log1p(-p)));
    }
    e.bits = sum.sum;
    return e;
}

/* Hausser and Strimmer 2009, equations 2 and 6: the plug-in of probabilities shrunk towards equal ones over
 * the alphabet, by the share that makes the expected squared error least. */
static ent_estimate james_stein(const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts), target = 1. / counts->alphabet, squares = 0, away = 0;
    ent_estimate e = { .bits = 0, .stderr_bits = ent_plugin_stderr(counts) };
    kahan sum = { 0, 0 };
    if (ent_counts_live(counts) < 2) return e;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double p = (double)counts->count[s] / n;
        squares += p * p;
        away += (p - target) * (p - target);
    }
    double share = away > 0 ? fmin((1 - squares) / ((n - 1) * away), 1) : 1;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double p = share * target + (1 - share) * (double)counts->count[s] / n;
        if (p > 0) kahan_add(&sum, -p * log2(p));
    }
    e.bits = sum.sum;
    return e;
}

const ent_estimator ent_estimator_chao_shen = {
    "chao-shen", "coverage-adjusted: allows for symbols not seen, however many there are", "chao2003",
    chao_shen, ent_shannon_of, &ent_estimator_miller_madow, NULL, false, NULL,
};
const ent_estimator ent_estimator_james_stein = {
    "james-stein", "plug-in of frequencies shrunk towards equal ones over the alphabet", "hausser2009",
    james_stein, ent_shannon_of, &ent_estimator_miller_madow, NULL, false, NULL,
};
