/* fit.h - laws of continuous distribution fitted to weights, and the entropy that each foretells.
 *
 * Layer 2.  One struct a law, one line each in stats/fits.def.  All are symmetric about a location; the
 * parameters are location, scale and, for some, shape.  Fits take a sorted sample; whoever has more values than
 * he wants to fit draws ENT_FIT_SAMPLE of them, which leaves standard errors of some 1 %.
 */
#ifndef ENTROPY_FIT_H
#define ENTROPY_FIT_H

#include <entropy/field.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ENT_FIT_PARAMETERS = 3, /* of a law, at most */
    ENT_FIT_SAMPLE = 16384  /* values of a good sample, see above */
};

/* A law of distribution. */
typedef struct ent_fit_law {
    const char *name;  /* stable key: "normal", "student" */
    const char *brief; /* one line */
    const char *cite;  /* key in paper/refs.bib */
    const char *parameter[ENT_FIT_PARAMETERS]; /* names; NULL: has fewer */
    /* The parameters from a sorted sample of n >= 8 finite values that are not all equal, by maximum likelihood,
     * but for `stable`, which takes quantiles. */
    ent_status (*fit)(const double *sorted, size_t n, double parameter[ENT_FIT_PARAMETERS]);
    /* ln of the density, and the distribution function, at n points in any order. */
    ent_status (*log_density)(const double parameter[ENT_FIT_PARAMETERS], const double *x, size_t n, double *out);
    ent_status (*cumulative)(const double parameter[ENT_FIT_PARAMETERS], const double *x, size_t n, double *out);
} ent_fit_law;

ENT_API extern const ent_fit_law *const ent_fit_laws[]; /* NULL at the end */
ENT_API const ent_fit_law *ent_fit_law_find(const char *name); /* NULL: none */
enum { ENT_MAX_FIT_LAWS = 16 }; /* room for all of them */

/* A law with the parameters that fit a sample best. */
typedef struct ent_fit {
    const ent_fit_law *law;
    double parameter[ENT_FIT_PARAMETERS]; /* in the units of the values, a shape without unit */
    double log_likelihood; /* nats, of the whole sample */
    double aic, bic;       /* Akaike's and Schwarz's criterion: less is better; differences matter */
    double distance;       /* Kolmogorov's and Smirnov's: the greatest difference of distribution functions */
} ent_fit;

/* Fits every law to a sorted sample; fits[0] has the least BIC.  `fits` has room for all laws, *count says how
 * many there are.  ENT_EINVAL for fewer than 8 values, values that are not finite, or all equal.  Some 0.1 s
 * for ENT_FIT_SAMPLE values. */
ENT_API ent_status ent_fit_all(const double *sorted, size_t n, ent_fit fits[ENT_MAX_FIT_LAWS], size_t *count);

/* The share of each exponent field, mass[0 .. 2^exponent_bits), among values of the fitted law rounded to a float
 * format, a share `zeros` of which are 0 instead: from the mass between the roundings of neighbouring binades; and
 * the entropy of these shares, bits.  ENT_EUNSUPPORTED for a format without exponents, ENT_ENOMEM. */
ENT_API ent_status ent_fit_exponents(const ent_fit *fit, const ent_format *format, double zeros, double *mass);
ENT_API ent_status ent_fit_exponent_bits(const ent_fit *fit, const ent_format *format, double zeros, double *bits);

#ifdef __cplusplus
}
#endif
#endif
