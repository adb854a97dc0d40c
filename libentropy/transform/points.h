/* points.h - a matrix as a histogram of its values: what a quantizer is fitted to costs one pass, however large it is. */
#ifndef ENT_TRANSFORM_POINTS_H
#define ENT_TRANSFORM_POINTS_H

#include "transform/parts.h"

/* Low bits of a float that do not tell values apart: all those that a BF16, or an F16, does not have. */
enum { POINTS_BF16 = 16, POINTS_F16 = 13 };

typedef struct points {
    unsigned shift;  /* of a float's bits: what is left is the bin of a value */
    uint32_t n;      /* bins that hold something, in order of their values */
    bool exact;      /* a bin holds one value; else value[] are means */
    double *value;   /* n */
    double *weight;  /* n: how many have it, or what they weigh together */
    double *low;     /* n: the least value that belongs to the bin */
    size_t room;     /* of bins; private, as what follows */
    double *total, *sum;
    uint64_t *key; /* of a few values: their bins in order of values, then their places */
} points;

/* Counts rows x width values, `stride` from row to row.  weight (NULL: 1 each): of the columns; >= 0, and if all are 0 they
 * count as 1.  Bins are BF16 words cut off, at most 65536 of them, or with shift = POINTS_F16 and values that are not BF16 eight
 * times finer ones, which hold an F16 exactly.  The room is kept from call to call.  Costs a pass over the bins, or sorts the
 * values where they are few beside them. */
ent_status ent_points_collect(points *p, unsigned shift, const float *values, uint32_t rows, uint32_t width, size_t stride,
                              const double *weight, ent_error *error);
void ent_points_free(points *p); /* takes a zeroed one too */

#endif
