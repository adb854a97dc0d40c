/* measure.h - what word counts say: the entropy of each field, of whole words, and what coding could reach. */
#ifndef ENT_ANALYSES_MEASURE_H
#define ENT_ANALYSES_MEASURE_H

#include <entropy/stats.h>

struct measure {
    char field[ENT_MAX_FIELDS * 8];
    ent_estimate estimate;
};

struct measures { /* of one estimator; bits a word */
    uint64_t count;
    uint32_t word_bits;
    uint32_t fields; /* the natural split; opaque bytes have one, "byte" */
    struct measure field[ENT_MAX_FIELDS];
    struct measure word;        /* the joint entropy of all bits */
    bool word_is_sum;           /* words of over 16 bits: the sum over their 16-bit planes, an upper bound */
    struct measure conditional; /* "mantissa|sign+exponent"; an empty name where it makes no sense */
    double fields_bits;         /* every field coded alone: the sum of their entropies */
    double exponent_bits;       /* the exponent coded, all else as it is; NaN for words without one */
};

enum { MAX_ESTIMATORS = 16 };

struct measuring {
    const ent_estimator *const *estimator;
    size_t estimators; /* at most MAX_ESTIMATORS */
    const ent_interval_options *interval; /* NULL: no intervals, which are then NaN; `conditional` never has one */
    bool words_too;                       /* whole words have many symbols, and their interval takes seconds */
};

/* measures: one an estimator. */
ent_status measure(const ent_word_counts *counts, const struct measuring *how, struct measures measures[]);

#endif
