/* low_rank.h - the nearest product of low rank to a matrix. */
#ifndef ENT_TRANSFORM_LOW_RANK_H
#define ENT_TRANSFORM_LOW_RANK_H

#include <entropy/transform.h>

/* left (rows x rank) times right (rank x cols), all row by row, near the product with the least sum of squared errors;
 * both have the roots of the singular values.  rank at most the smaller side; `a` finite, its squares too, and
 * overwritten. */
ent_status ent_low_rank(float *a, uint32_t rows, uint32_t cols, uint32_t rank, float *left, float *right, ent_error *error);

/* How much columns count: (root mean square of its input)^power each, quiet ones as if a thousandth of the loudest; geometric
 * mean 1. */
void ent_column_scale(const ent_input_stats *input, double power, float *scale);

#endif
