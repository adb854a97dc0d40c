/* kmeans.h - the best levels for a histogram, and which of them is nearest. */
#ifndef ENT_TRANSFORM_KMEANS_H
#define ENT_TRANSFORM_KMEANS_H

#include "transform/points.h"

/* The k levels, ascending, with the least sum of weight x squared distance to the nearest: of all levels, not only of
 * those near a start.  Dynamic programming over the ends of cells, each layer by divide and conquer, since the best end moves one
 * way (gronlund2017, section 2); about k n log2(n) steps of some ns, and 2 k n bytes.  k >= 1; with fewer points than k the
 * last level is repeated. */
ent_status ent_kmeans(const points *p, uint32_t k, double *level, ent_error *error);

/* edge[k - 1] between neighbours of k ascending levels, each in the middle. */
void ent_middles(const float *level, uint32_t k, double *edge);

/* The number of `edges` ascending edges that are at most x: the cell of x. */
static inline uint32_t ent_cell(const double *edge, uint32_t edges, double x)
{
    const double *from = edge;
    while (edges > 0) {
        uint32_t half = edges / 2;
        bool above = from[half] <= x;
        from = above ? from + half + 1 : from;
        edges = above ? edges - half - 1 : half;
    }
    return (uint32_t)(from - edge);
}

#endif
