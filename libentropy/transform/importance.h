/* importance.h - which weights of a matrix matter: what prune drops the least of and outliers takes the most of. */
#ifndef ENT_TRANSFORM_IMPORTANCE_H
#define ENT_TRANSFORM_IMPORTANCE_H

#include "transform/parts.h"

typedef struct importance {
    const ent_matrix_job *job;
    float *factor; /* of columns; NULL: 1 */
} importance;

/* By `by`: 0 |w|; 1 |w| times the root of its input's mean square (Wanda: sun2024wanda); 2 |w| times its input's largest
 * magnitude.  ENT_EINVAL, naming `transform`, for 1 and 2 without a calibration. */
ent_status ent_importance_init(importance *p, const ent_matrix_job *job, double by, const char *transform, ent_error *error);
void ent_importance_free(importance *p); /* takes a zeroed one too */

/* Of `width` weights from row r, column c, `whole` neighbours together (the root of the sum of their squares), as integers in
 * the same order; fewer in the last when `whole` does not divide. */
void ent_importance_rank(const importance *p, uint32_t r, uint32_t c, uint32_t width, uint32_t whole, uint32_t *order);

/* The k-th smallest (from 0) of n > k; *below: how many are smaller. */
uint32_t ent_importance_select(const uint32_t *order, size_t n, size_t k, size_t *below);

#define BY_SETTING { "by", "0: |w|; 1: times the input's norm; 2: times its largest magnitude", 0, 2, 0, true }

#endif
