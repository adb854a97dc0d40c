/* stats.h - counts of every field of a tensor in one pass, and entropy estimates from counts.
 *
 * Layer 2.  One struct per estimator, one line each in estimators.def.  Bits per symbol throughout.
 */
#ifndef ENTROPY_STATS_H
#define ENTROPY_STATS_H

#include <entropy/count.h>
#include <entropy/field.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An entropy and how sure it is. */
typedef struct ent_estimate {
    double bits;        /* per symbol */
    double stderr_bits; /* standard error of `bits`; NaN where none can be given (nothing counted) */
    double low_bits, high_bits; /* of ent_estimate_intervals: holds the true entropy in 95 of 100 samples */
} ent_estimate;

/* A way to tell entropy from counts. */
typedef struct ent_estimator {
    const char *name;  /* stable key: "plugin", "miller-madow" */
    const char *brief; /* one line */
    const char *cite;  /* key in paper/refs.bib */
    /* The estimate and its standard error, which is that of the plug-in by the delta method where the estimator
     * has none of its own: good where most symbols were seen often.  No interval. */
    ent_estimate (*from_counts)(const ent_counts *counts);
    double (*of_probabilities)(const double *p, size_t n); /* what is estimated, of exact probabilities; bits */
    const struct ent_estimator *pivot; /* whose errors make its intervals; NULL: its own */
    /* How its entropy falls when a symbol of probability p gets more, up to a factor, where its errors change with the law
     * so much that ends are sought along that direction; NULL: they are not. */
    double (*influence)(double p);
    bool posterior;                    /* the standard error is that of a posterior: samples add nothing */
    /* The lower or upper end of its interval in bits, where theory has one and no bootstrap holds, given what the
     * symbols' probabilities may be (p, changed); NULL: the bootstrap's. */
    double (*end)(const ent_counts *counts, double *p, size_t symbols, bool upper);
} ent_estimator;

ENT_API extern const ent_estimator *const ent_estimators[]; /* NULL at the end */
ENT_API const ent_estimator *ent_estimator_find(const char *name); /* NULL: none */

/* How intervals are made; all zero is a good default. */
typedef struct ent_interval_options {
    uint64_t seed;       /* of the samples */
    uint32_t replicates; /* samples drawn; 0: 499 */
    unsigned threads;    /* 0: all; the result does not depend on them */
} ent_interval_options;

/* from_counts of n estimators, with standard errors and 95 % intervals from one parametric bootstrap for all of
 * them (libentropy/stats/interval.c), with further samples along the least favourable family for Renyi's entropy; of
 * min-entropy from the law of the largest count (largest.c).  An interval is for
 * the true entropy, and the same for all estimators of Shannon's: a biased estimate may lie outside of it.
 *
 * Where symbols are about equally probable the truth is log2 of their number, the most that there can be, and the first
 * order of the estimate's variance is zero: 2 n ln 2 (log2 K - plug-in) is chi-square with K - 1 degrees of freedom
 * (wilks1938).  Whether the interval holds that end is therefore a test of equal probabilities at 5 %, on samples drawn
 * with them; an upper end 1e-9 below log2 K says that they are excluded.
 *
 * Coverage in 1000 trials, 100 to 10^6 observations of an alphabet of 256 (results/coverage.tsv, `make coverage`; its own
 * error is 0.7): on equal (256, or 16 of them), geometric and Zipf laws and the exponents of normal weights 93.9 to 97.4 %
 * for Shannon's entropy, 93.2 to 95.9 % for Renyi's and 93.1 to 96.4 % for min-entropy.  Worse is what can hardly be told
 * from equal probabilities: 16 symbols of (1 +- 0.1) / 16 have 99.6 % for Shannon's entropy at 1000 observations and
 * 92.3 % at 10^4, as the counts cannot say on which side of the edge the law lies.
 *
 * The alphabet is taken as the set of symbols that could occur.  Time: 2 to 3 x replicates x (live symbols and
 * what the estimators take); 7 x for Renyi's.  ENT_ENOMEM; ENT_EINVAL for one replicate. */
ENT_API ent_status ent_estimate_intervals(const ent_estimator *const estimators[], size_t n, const ent_counts *counts,
                                          const ent_interval_options *options, ent_estimate estimates[]);

/* Renyi's entropy (renyi1961) of any order >= 0, bits, with its standard error: order 0 counts symbols, 1 is the plug-in,
 * INFINITY min-entropy.  Whole orders to 16 from unbiased power sums (acharya2017), others plug-in.  Where no
 * symbol occurs `order` times the answer is what a single such one would give, without an error. */
ENT_API ent_estimate ent_renyi(const ent_counts *counts, double order);

/* The plug-in entropy of the counts, -sum p log2 p (shannon1948, p = count / total); 0 for no or one live symbol.  Exact to some
 * 1e-12 (Kahan sum in order of symbols, so that threads and machines agree). */
ENT_API double ent_entropy_bits(const ent_counts *counts);

/* ---- counting all fields at once ------------------------------------------------------------- */

/* The counts of every 16-bit plane of a format's words (one plane for words up to 16 bits, two for
 * 32, four for 64; plane 0 is the lowest): from them the counts of any field inside one plane are
 * sums, so that one pass over a tensor serves every split. */
typedef struct ent_word_counts {
    const ent_format *format; /* NULL: opaque bytes, one plane of 256 */
    uint32_t planes;
    ent_counts plane[4];      /* alphabets 65536, or 2^bits of shorter words */
} ent_word_counts;

/* All zero; freed by ent_word_counts_free, which takes a zeroed struct too. */
ENT_API ent_status ent_word_counts_init(ent_word_counts *counts, const ent_format *format);
ENT_API void ent_word_counts_free(ent_word_counts *counts); /* frees the planes and zeroes the struct */
/* Adds n unpacked words, which need not be aligned; bits above the format's are ignored. */
ENT_API void ent_word_counts_add(ent_word_counts *counts, const void *words, size_t n);
/* into += from, so that threads count parts and the sum is that of the whole; ENT_EINVAL when the
 * formats differ. */
ENT_API ent_status ent_word_counts_merge(ent_word_counts *into, const ent_word_counts *from);
ENT_API uint64_t ent_word_counts_total(const ent_word_counts *counts); /* words */
/* Counts of a field that lies within one plane, into `field_counts` (initialised here, zeroed on
 * failure).  ENT_EUNSUPPORTED when the field crosses planes (those are counted by ent_split_words
 * and ent_counts_add), ENT_EINVAL when it has bits that the format has not. */
ENT_API ent_status ent_word_counts_field(const ent_word_counts *counts, const ent_field *field, ent_counts *field_counts);

#ifdef __cplusplus
}
#endif
#endif
