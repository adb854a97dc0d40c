/* scaled.h - weights as one of a list of levels times the scale of their group: what lloyd and ecsq store.
 *
 * Parts: codes, rows x cols, U<bits> of the fewest bits that number the levels; scales, BF16, one a group; levels, F16 or F32,
 * in scales, 1 x their number, ascending.  The scale of a group of columns is its largest magnitude (few weights say more by
 * that, as in NF4), of a row its root mean square, of a tensor this rounded down to a power of two, so that BF16 words stay such. */
#ifndef ENT_TRANSFORM_SCALED_H
#define ENT_TRANSFORM_SCALED_H

#include "transform/kmeans.h"

/* Divides the values of a job by their scales, which it returns, owned by the caller; NULL when there is no memory. */
float *ent_scaled_divide(ent_matrix_job *job, double group, ent_error *error);

/* The levels as they are stored, as floats. */
void ent_stored_levels(const char *format, const double *level, uint32_t n, float *stored);

/* Adds the parts, n stored levels with their n - 1 edges, in which cells the divided values lie; puts in their place
 * what decoding gives.  ENT_EINVAL when that is too large for a float. */
ent_status ent_scaled_store(ent_matrix_job *job, double group, const float *scale, const char *format, const float *level,
                            const double *edge, uint32_t n, ent_error *error);
/* Takes any number of levels up to 2^bits of the codes. */
ent_status ent_scaled_read(const ent_packed *packed, double group, const char *format, float *values, ent_error *error);

#define HALF_SETTING { "half", "1: levels in F16; 0: in F32", 0, 1, 1, true }
static inline const char *half_format(double half) { return half > 0 ? "F16" : "F32"; }

#endif
