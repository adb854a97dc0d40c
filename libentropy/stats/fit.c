/* fit.c - fits every law to a sample and tells how well it fits; the exponents that a law foretells. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/fit.h"

const ent_fit_law *const ent_fit_laws[] = {
#define X(name) &ent_fit_law_##name,
#include "fits.def"
#undef X
    NULL
};

const ent_fit_law *ent_fit_law_find(const char *name)
{
    for (size_t i = 0; ent_fit_laws[i]; i++)
        if (!strcmp(ent_fit_laws[i]->name, name)) return ent_fit_laws[i];
    return NULL;
}

double ent_quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* ---- one law ------------------------------------------------------------------------------------- */

static double sum_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

static double distance_of(const double *cumulative, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double above = (double)(i + 1) / (double)n - cumulative[i], below = cumulative[i] - (double)i / (double)n;
        most = fmax(most, fmax(above, below));
    }
    return most;
}

static ent_status fit_one(const ent_fit_law *law, const double *sorted, size_t n, double *room, ent_fit *fit)
{
    *fit = (ent_fit){ .law = law };
    ent_status status = law->fit(sorted, n, fit->parameter);
    if (!status) status = law->log_density(fit->parameter, sorted, n, room);
    if (status) return status;
    double parameters = 0;
    for (int p = 0; p < ENT_FIT_PARAMETERS; p++) parameters += law->parameter[p] != NULL;
    fit->log_likelihood = sum_of(room, n);
    fit->aic = 2 * parameters - 2 * fit->log_likelihood;
    fit->bic = parameters * log((double)n) - 2 * fit->log_likelihood;
    status = law->cumulative(fit->parameter, sorted, n, room);
    fit->distance = distance_of(room, n);
    return status;
}

static int by_bic(const void *a, const void *b)
{
    double x = ((const ent_fit *)a)->bic, y = ((const ent_fit *)b)->bic;
    return (x > y) - (x < y);
}

ent_status ent_fit_all(const double *sorted, size_t n, ent_fit fits[ENT_MAX_FIT_LAWS], size_t *count)
{
    *count = 0;
    if (n < 8 || !isfinite(sorted[0]) || !isfinite(sorted[n - 1]) || !(sorted[n - 1] > sorted[0])) return ENT_EINVAL;
    double *room = ent_alloc(n * sizeof *room);
    ent_status status = room ? ENT_OK : ENT_ENOMEM;
    for (size_t i = 0; ent_fit_laws[i] && !status; i++, ++*count)
        status = fit_one(ent_fit_laws[i], sorted, n, room, &fits[i]);
    ent_free(room);
    if (!status) qsort(fits, *count, sizeof *fits, by_bic);
    return status;
}

/* ---- exponents ----------------------------------------------------------------------------------- */

/* The magnitude from which on values round to exponent e or above, half way between its least word and the word
 * before; half a step above the largest where that is infinity. */
static double edge_of(const ent_format *format, uint64_t e)
{
    uint64_t word = e << format->mantissa_bits;
    double least = ent_format_value(format, word), before = ent_format_value(format, word - 1);
    if (isfinite(least)) return before + (least - before) / 2;
    return before + (before - ent_format_value(format, word - 2)) / 2;
}

enum { MOST_EXPONENTS = 1 << 11 };

ent_status ent_fit_exponents(const ent_fit *fit, const ent_format *format, double zeros, double *mass)
{
    if (!format || format->kind != ENT_KIND_FLOAT || !format->exponent_bits || format->exponent_bits > 11)
        return ENT_EUNSUPPORTED;
    enum { MOST = MOST_EXPONENTS };
    size_t n = (size_t)1 << format->exponent_bits;
    double *edge = ent_calloc(4, MOST * sizeof *edge), *below = edge ? edge + 2 * MOST : NULL;
    if (!edge) return ENT_ENOMEM;
    for (size_t e = 1; e < n; e++) {
        edge[e] = edge_of(format, e);
        edge[MOST + e] = -edge[e];
    }
    ent_status status = fit->law->cumulative(fit->parameter, edge, 2 * MOST, below);
    for (size_t e = 0; e < n && !status; e++) {
        double within = e + 1 < n ? below[e + 1] - below[MOST + e + 1] : 1; /* P(|x| < upper edge) */
        mass[e] = (within - (e ? below[e] - below[MOST + e] : 0)) * (1 - zeros) + (e ? 0 : zeros);
    }
    ent_free(edge);
    return status;
}

ent_status ent_fit_exponent_bits(const ent_fit *fit, const ent_format *format, double zeros, double *bits)
{
    double *mass = ent_calloc(MOST_EXPONENTS, sizeof *mass), sum = 0;
    if (!mass) return ENT_ENOMEM;
    ent_status status = ent_fit_exponents(fit, format, zeros, mass);
    for (size_t e = 0; e < MOST_EXPONENTS && !status; e++)
        if (mass[e] > 0) sum -= mass[e] * log2(mass[e]);
    ent_free(mass);
    if (!status) *bits = sum;
    return status;
}
