/* dependence.h - the sums that make a mutual information, context by context. */
#ifndef ENT_STATS_DEPENDENCE_H
#define ENT_STATS_DEPENDENCE_H

#include <entropy/dependence.h>

#include "stats/independence.h"

typedef struct ent_row_sum { /* of the counts of one context */
    double bits;             /* sum of N log2 N */
    uint32_t live;
    uint64_t n;
} ent_row_sum;

ent_row_sum ent_row_sum_of(const uint64_t *count, uint32_t alphabet);

typedef struct ent_gathering {
    double symbol_bits, excess; /* sum of N log2 N over symbols; over cells less over contexts */
    size_t live_symbols, live_contexts, live_cells;
    ent_nulls nulls;
} ent_gathering;

/* Given how often each symbol occurs, one call a context, then the end, which frees. */
ent_status ent_information_begin(ent_gathering *gathering, const uint64_t *symbols, uint32_t alphabet);
void ent_information_context(ent_gathering *gathering, uint64_t n, double cell_bits, size_t live_cells);
void ent_information_end(ent_gathering *gathering, ent_information *information);

#endif
