/* outliers.h - a sparse list of what is added to a few weights: of outliers, and of spqr's. */
#ifndef ENT_TRANSFORM_OUTLIERS_H
#define ENT_TRANSFORM_OUTLIERS_H

#include "transform/csr.h"

/* The F16 word of what a list is to add, finite; 0 for what rounds to nothing. */
uint16_t ent_outlier_word(float value);
static inline float ent_outlier_value(uint16_t word) { return (float)ent_format_value(ent_format_find("F16"), word); }

/* Parts NAME.rows and NAME.columns (csr.h), and NAME.values, F16, n x 1, in their order: of the words that are not 0.  Plain 32
 * bits a weight (48 beyond 65536 columns) and 32 a row. */
ent_status ent_outliers_store(ent_packed *packed, const char *name, const uint16_t *words, ent_error *error);
/* Adds the list to the values of a matrix. */
ent_status ent_outliers_add(const ent_packed *packed, const char *name, float *values, ent_error *error);

#endif
