/* independence.h - mean and variance of the mutual information that chance shows, from the margins alone. */
#ifndef ENT_STATS_INDEPENDENCE_H
#define ENT_STATS_INDEPENDENCE_H

#include <entropy/base.h>

typedef struct ent_null { /* nats */
    double mean, cells_mean, cells_variance; /* the latter of independent Poisson cells */
} ent_null;

typedef struct ent_nulls {
    uint64_t total, size; /* symbols in all; of the last context */
    size_t live;
    double *p; /* of the live symbols; owned */
    ent_null one, sum; /* of the last context; of all */
} ent_nulls;

ent_status ent_null_begin(ent_nulls *nulls, const uint64_t *symbols, uint32_t alphabet);
void ent_null_context(ent_nulls *nulls, uint64_t n); /* one of n symbols */
void ent_null_end(ent_nulls *nulls, double *mean_bits, double *variance_bits2); /* frees */

#endif
