/* feedback.h - rounding a matrix column by column, each error made good by the columns that are still to come. */
#ifndef ENT_TRANSFORM_FEEDBACK_H
#define ENT_TRANSFORM_FEEDBACK_H

#include "transform/parts.h"

enum { FEEDBACK_ROWS = 16 }; /* that are rounded together, a lane each */

typedef struct feedback {
    uint32_t cols;
    uint32_t *order; /* columns, first rounded first */
    double *weight;  /* by column: what an error of 1 left in it adds to the squared error of an output */
    float *pass;     /* cols x cols, in order: what an error of column i adds to the target of column j > i */
    float *target;   /* cols x FEEDBACK_ROWS, columns in order: the rows at hand */
} feedback;

/* From the second moments of an input, `damp` of their mean diagonal added to the diagonal.  ENT_EINVAL when
 * there are none.  About cols^3 / 3 operations, 12 cols^2 bytes, of which 4 cols^2 stay. */
ent_status ent_feedback_init(feedback *f, const ent_input_stats *input, double damp, ent_error *error);
void ent_feedback_free(feedback *f); /* takes a zeroed one too */

/* Rounds the weights of column c in n <= FEEDBACK_ROWS rows from row r, whose targets are w, and says what decoding will make of
 * them. */
typedef void feedback_round(void *context, uint32_t r, uint32_t n, uint32_t c, const float *w, float *value);

/* Rows r to r + n - 1, n <= FEEDBACK_ROWS, of a matrix, which `round` may overwrite: n cols^2 operations.  A row's bits do not
 * depend on its neighbours, nor on the machine: nothing is fused. */
void ent_feedback_rows(feedback *f, const float *values, uint32_t r, uint32_t n, feedback_round *round, void *context);

/* All of `rows` rows. */
void ent_feedback_matrix(feedback *f, const float *values, uint32_t rows, feedback_round *round, void *context);

#define DAMP_SETTING { "damp", "of the mean square of the inputs, added to each channel's", 0, 10, 0.01, false }

#endif
