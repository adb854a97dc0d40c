/* feedback.h - rounding a row weight by weight, each error made good by the weights that are still to come. */
#ifndef ENT_TRANSFORM_FEEDBACK_H
#define ENT_TRANSFORM_FEEDBACK_H

#include "transform/parts.h"

typedef struct feedback {
    uint32_t cols;
    uint32_t *order; /* columns, first rounded first */
    double *weight;  /* by column: what an error of 1 left in it adds to the squared error of an output */
    float *pass;     /* cols x cols, in order: what an error of column i adds to the target of column j > i */
    float *target;   /* cols, in order: the row at hand */
} feedback;

/* From the second moments of an input, `damp` of their mean diagonal added to the diagonal.  ENT_EINVAL when
 * there are none.  About cols^3 / 3 operations, 12 cols^2 bytes, of which 4 cols^2 stay. */
ent_status ent_feedback_init(feedback *f, const ent_input_stats *input, double damp, ent_error *error);
void ent_feedback_free(feedback *f); /* takes a zeroed one too */

/* Rounds weight (r, c), whose target is w, and says what decoding will make of it. */
typedef float feedback_round(void *context, uint32_t r, uint32_t c, float w);

/* Row r, which `round` may overwrite: cols^2 operations. */
void ent_feedback_row(feedback *f, const float *row, uint32_t r, feedback_round *round, void *context);

#define DAMP_SETTING { "damp", "of the mean square of the inputs, added to each channel's", 0, 10, 0.01, false }

#endif
