/* estimators.c - the list of entropy estimators, and those that are sums over symbols of a function
 * of the count: the plug-in, Miller's correction, the jackknife, Grassberger's. */
#include <math.h>
#include <string.h>

#include <gsl/gsl_sf_psi.h>

#include "stats/parts.h"

static ent_estimate plugin(const ent_counts *counts)
{
    return (ent_estimate){ .bits = ent_entropy_bits(counts), .stderr_bits = ent_plugin_stderr(counts) };
}

/* Miller 1955: the plug-in's bias is -(K - 1) / (2 n) nats to first order, K the live symbols. */
static ent_estimate miller_madow(const ent_counts *counts)
{
    ent_estimate e = plugin(counts);
    double total = (double)ent_counts_total(counts);
    if (total > 0) e.bits += (double)(ent_counts_live(counts) - 1) / (2 * total * M_LN2);
    return e;
}

static double n_log_n(double x) { return x > 0 ? x * log2(x) : 0; }

/* Efron and Stein 1981: n H - (n - 1) times the mean of the plug-ins with one observation left out.
 * Leaving one out changes one term of sum k log k, and observations of the same count k alike. */
static ent_estimate jackknife(const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts), whole = ent_entropy_bits(counts);
    kahan change = { 0, 0 }, square = { 0, 0 };
    if (!(n > 1)) return plugin(counts);
    double scale = n * (log2(n) - whole), fewer = log2(n - 1); /* scale: sum k log2 k */
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double k = (double)counts->count[s];
        if (k == 0) continue;
        double without = fewer - (scale - n_log_n(k) + n_log_n(k - 1)) / (n - 1), d = without - whole;
        kahan_add(&change, k / n * d);
        kahan_add(&square, k / n * d * d);
    }
    double variance = (n - 1) * fmax(square.sum - change.sum * change.sum, 0);
    return (ent_estimate){ .bits = whole - (n - 1) * change.sum, .stderr_bits = sqrt(variance) };
}

/* G(k) of Grassberger 2003, by which ln k is replaced.  Equations 28 to 30, G(1) = -gamma - ln 2, G(2) = 2 + G(1),
 * G(2m + 1) = G(2m) and G(2m + 2) = G(2m) + 2 / (2m + 1), are those of psi(m + 1/2) + ln 2. */
static double digamma_by_parity(double k) { return gsl_sf_psi(floor(k / 2) + 0.5) + M_LN2; }

static ent_estimate grassberger(const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts);
    kahan sum = { 0, 0 };
    if (!(n > 0) || ent_counts_live(counts) < 2) return plugin(counts);
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double k = (double)counts->count[s];
        if (k > 0) kahan_add(&sum, k / n * (log(n) - digamma_by_parity(k)));
    }
    return (ent_estimate){ .bits = sum.sum / M_LN2, .stderr_bits = ent_plugin_stderr(counts) };
}

const ent_estimator ent_estimator_plugin = {
    "plugin", "entropy of the observed frequencies; too low by about (live symbols - 1)/(2n) nats", "shannon1948",
    plugin, ent_shannon_of, &ent_estimator_miller_madow, NULL, false, NULL,
};
const ent_estimator ent_estimator_miller_madow = {
    "miller-madow", "plug-in plus (live symbols - 1)/(2n) nats, which removes its bias to first order", "miller1955",
    miller_madow, ent_shannon_of, &ent_estimator_miller_madow, NULL, false, NULL,
};
const ent_estimator ent_estimator_jackknife = {
    "jackknife", "plug-in with the bias taken off that leaving out one observation shows", "zahl1977",
    jackknife, ent_shannon_of, &ent_estimator_miller_madow, NULL, false, NULL,
};
const ent_estimator ent_estimator_grassberger = {
    "grassberger", "sum over symbols with ln k replaced by a digamma function; little bias at low counts",
    "grassberger2003", grassberger, ent_shannon_of, &ent_estimator_miller_madow, NULL, false, NULL,
};

const ent_estimator *const ent_estimators[] = {
#define X(name) &ent_estimator_##name,
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
