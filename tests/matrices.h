/* matrices.h - matrices of weights, calibrations, and packing both ways, for the tests of transforms. */
#ifndef ENT_MATRICES_H
#define ENT_MATRICES_H

#include "test.h"

/* n normal numbers, ent_free's. */
float *normals(size_t n, double sigma, uint64_t seed);

/* A calibration of `cols` channels, the j-th as loud as 1 + j % 5, second moments included. */
ent_input_stats loud(uint32_t cols);

/* A pipeline in which a transform takes part, as a pattern for its text: "%s rtn" or the like. */
const char *pattern_with(const ent_transform *t);

/* Packs a copy with a loud calibration and undoes it: the same bits as packing left, all finite, and no part larger at its entropy
 * than plain.  Returns the status of packing. */
ent_status matrix_round_trip(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, const float *values, ent_error *error);

/* The mean squared error of a pipeline, and bits a weight (either may be NULL) of its parts, coded and plain. */
double squared_error(const char *text, uint32_t rows, uint32_t cols, const float *values, const ent_input_stats *input,
                     double *bits, double *plain);

/* Frees all three, any of which may be empty. */
void free_job(ent_packed *packed, float *a, float *b);

#endif
