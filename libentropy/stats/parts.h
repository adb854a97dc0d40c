/* parts.h - what the files of this folder share. */
#ifndef ENT_STATS_PARTS_H
#define ENT_STATS_PARTS_H

#include <gsl/gsl_rng.h>

#include <entropy/stats.h>

/* A sum that loses nothing to its length (Kahan 1965). */
typedef struct kahan { double sum, lost; } kahan;

static inline void kahan_add(kahan *k, double x)
{
    double y = x - k->lost, t = k->sum + y;
    k->lost = (t - k->sum) - y;
    k->sum = t;
}

/* Standard error of an entropy estimate that is, to first order, the plug-in's: see entropy.c. */
double ent_plugin_stderr(const ent_counts *counts);

/* What estimators estimate, of exact probabilities; bits. */
double ent_shannon_of(const double *p, size_t n);
double ent_collision_of(const double *p, size_t n);
double ent_min_of(const double *p, size_t n);

/* An upper end of an interval that excludes log2 of the number of symbols lies this many bits below it. */
#define ENT_OPEN_END 1e-9

/* An end of the interval of min-entropy, when no other symbols are more probable than p and the commonest.  Sorts p. */
double ent_largest_end(const ent_counts *counts, double *p, size_t symbols, bool upper);

#define X(name) extern const ent_estimator ent_estimator_##name;
#include "estimators.def"
#undef X

/* GSL's random variates over ent_random: a gsl_rng { &ent_gsl_random, &random }. */
extern const gsl_rng_type ent_gsl_random;

#endif
