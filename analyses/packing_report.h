/* packing_report.h - what was picked for each matrix, and what it takes and costs there. */
#ifndef ENT_ANALYSES_PACKING_REPORT_H
#define ENT_ANALYSES_PACKING_REPORT_H

#include "output.h"
#include "packing.h"

/* `of`: what the matrices were packed for, a column of its own unless NULL. */
void packing_table_begin(struct table *table, bool of);
/* A row a matrix, or with json a line each.  first[i]: of the first pipeline of the list, for comparison, at `stride` apart;
 * NULL: the list has but one.  pick NULL: the first. */
void packing_table_rows(struct table *table, const struct packing_job *job, const char *of, const struct packing_fit *fit,
                        const struct packing_fit *first, size_t stride, const uint32_t *pick, bool json);

#define PACKING_TABLE_KEYS \
    "tensor, weights, pipeline, first_code_bits (entropy of a code with the first pipeline of the list), code_bits (with the one " \
    "picked), zeros, coded_bits_per_weight, sqnr_db, output_error (relative, null where not calibrated)"

#endif
