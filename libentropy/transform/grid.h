/* grid.h - uniform grids of 2 to 8 bits for a group of weights: what rtn, gptq and gqsa round to.
 *
 * Symmetric: codes I<bits>, -q .. q with q = 2^(bits-1) - 1, value = code * scale, scale = max |w| / q.
 * Asymmetric: codes U<bits>, value = (code - zero) * scale, scale = (max - min) / (2^bits - 1) over a range that holds 0.
 * search=1: of 20 ranges from all down to half of it the one with the least squared error; search=2: of 10 over all of it, then 3
 * times of 10 between the neighbours of the best (SLiM-Quant: Mozaffari et al. 2025, there with group=-1 and the weights' density
 * from a histogram, here with the weights themselves). */
#ifndef ENT_TRANSFORM_GRID_H
#define ENT_TRANSFORM_GRID_H

#include <math.h>

#include "transform/parts.h"

enum { SEARCH_HALF = 1, SEARCH_ALL };
enum { GRID_BITS, GRID_GROUP, GRID_SYMMETRIC, GRID_SEARCH, GRID_END }; /* the settings below */

#define GRID_SETTINGS(group, symmetric) \
    { "bits", "of a code", 2, 8, 4, true }, group, \
    { "symmetric", "1: codes around 0; 0: with a zero point a group", 0, 1, symmetric, true }, \
    { "search", "the range with the least squared error: 1: from half on; 2: of all, finer", 0, SEARCH_ALL, 0, true }

typedef struct grid { /* of one group */
    float scale;
    int zero, least, most; /* of codes */
} grid;

/* A number of at most 2^8 steps is rounded, ties to even, by adding what leaves no bits for a fraction: without a call of the
 * library, and in loops that compilers make wide.  NaN, which feedback may overflow to, is the least. */
static inline int grid_code(const grid *g, float value)
{
    const float least = (float)(g->least - g->zero), most = (float)(g->most - g->zero), whole = 0x1.8p23f;
    float x = value / g->scale;
    x = x > least ? x : least;
    x = x < most ? x : most;
    return (int)((x + whole) - whole) + g->zero;
}

static inline float grid_value(const grid *g, int code) { return (float)(code - g->zero) * g->scale; }

/* For n weights a row, `rows` rows of them `stride` apart; the scale is one of a format, infinite where that is too small. */
grid ent_grid_choose(const double setting[], const ent_format *scales, const float *w, uint32_t n, uint32_t rows, uint32_t stride);

/* Widens *least .. *most, which hold 0, to n finite weights. */
void ent_widen_range(const float *w, uint32_t n, float *least, float *most);

/* Rounds n weights; their codes, cut off to the bits of `mask`, into bytes. */
void ent_grid_round(const grid *g, float *w, uint32_t n, uint8_t *codes, uint8_t mask);

/* The values of n codes, which stand in their place. */
static inline void grid_values(float scale, float zero, float *codes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) codes[i] = (codes[i] - zero) * scale;
}

const char *ent_grid_format(const double setting[], char name[8]); /* of codes and zeros */

#endif
