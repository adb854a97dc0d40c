/* fits.h - `entropy stats --fits`: moments, fitted laws and oddities of every float tensor, its rows and columns. */
#ifndef ENT_ANALYSES_FITS_H
#define ENT_ANALYSES_FITS_H

#include <entropy/fit.h>
#include <entropy/stats.h>
#include <entropy/weights.h>

struct common;
struct table;

struct fits_options {
    uint64_t seed;  /* of the samples */
    uint32_t lines; /* rows, and columns, of each tensor that are fitted; 0: none */
};

/* The rows, or columns, of a tensor that were fitted one by one. */
struct lines {
    uint32_t fitted, best[ENT_MAX_FIT_LAWS]; /* how often each law, by its place in ent_fit_laws, had the least BIC */
    double exponent_bits;                    /* mean of what the best laws foretell */
};

/* Of all values but for the fits, which are of a seeded sample of ENT_FIT_SAMPLE finite values that are not 0: one
 * from each of as many equal stretches of the tensor. */
struct tensor_fit {
    const ent_tensor *tensor;
    uint64_t zeros, not_finite, distinct, commonest; /* distinct words, how often the commonest; 0: over 16 bits */
    double mean, deviation, skewness, kurtosis, least, most; /* kurtosis of a normal law: 3 */
    double exponent_bits;                                    /* measured; Miller-Madow */
    uint64_t rows, columns, outlier_rows, outlier_columns;   /* whose root mean square is over 3 times the median */
    double row_spread, column_spread;                        /* standard deviation of ln of the root mean squares */
    ent_fit fit[ENT_MAX_FIT_LAWS];                           /* the best first */
    double foretold_bits[ENT_MAX_FIT_LAWS];                  /* exponent entropy of each */
    size_t fits;                                             /* 0: constant, or too few values */
    uint64_t hash;
    const char *same_as; /* an earlier tensor of the same bytes; NULL: none */
    struct lines in_rows, in_columns;
};

/* All float tensors of a model; *list is freed by ent_free. */
ent_status fits_of(const ent_weights *weights, const struct common *common, const struct fits_options *options,
                   struct tensor_fit **list, size_t *count, ent_error *error);
/* As a table or JSON lines. */
void fits_print(const char *model, const struct tensor_fit *list, size_t count, bool json);
/* For files: a row a tensor; a row a tensor and law, the parameters in order. */
void fits_moments_table(const struct tensor_fit *list, size_t count, struct table *table);
void fits_laws_table(const struct tensor_fit *list, size_t count, struct table *table);

#endif
