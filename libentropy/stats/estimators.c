/* estimators.c - entropy estimates from counts: the plug-in and the one with Miller's correction.
 *
 * Both look at the counts alone.  Shrinkage and coverage estimators (James-Stein, Chao-Shen) are left
 * out: with weights by the million and at most 65536 symbols the plug-in's bias is near
 * (K-1)/(2n) nats and the first-order correction removes it. */
#include <math.h>
#include <string.h>

#include <entropy/stats.h>

typedef struct kahan { double sum, lost; } kahan;

static void kahan_add(kahan *k, double x)
{
    double y = x - k->lost, t = k->sum + y;
    k->lost = (t - k->sum) - y;
    k->sum = t;
}

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

/* The delta method: the plug-in is, to first order, the mean of -log2 p(symbol) over the sample. */
static ent_estimate plugin(const ent_counts *counts)
{
    double total = (double)ent_counts_total(counts);
    if (!(total > 0)) return (ent_estimate){ 0, NAN };
    double bits = moment(counts, total, 1), variance = moment(counts, total, 2) - bits * bits;
    return (ent_estimate){ bits, sqrt(fmax(variance, 0) / total) };
}

/* Miller 1955: the plug-in's bias is -(K - 1) / (2 n) nats to first order, K the live symbols. */
static ent_estimate miller_madow(const ent_counts *counts)
{
    ent_estimate e = plugin(counts);
    double total = (double)ent_counts_total(counts);
    if (total > 0) e.bits += (double)(ent_counts_live(counts) - 1) / (2 * total * M_LN2);
    return e;
}

static const ent_estimator row_plugin = {
    "plugin", "entropy of the observed frequencies; too low by about (live symbols - 1)/(2n) nats", "shannon1948",
    plugin,
};
static const ent_estimator row_miller_madow = {
    "miller-madow", "plug-in plus (live symbols - 1)/(2n) nats, which removes its bias to first order", "miller1955",
    miller_madow,
};

const ent_estimator *const ent_estimators[] = {
#define X(name) &row_##name,
#include "estimators.def"
#undef X
    NULL
};

const ent_estimator *ent_estimator_find(const char *name)
{
    for (size_t i = 0; ent_estimators[i]; i++)
        if (!strcmp(ent_estimators[i]->name, name)) return ent_estimators[i];
    return NULL;
}
