/* normal_grid.h - the best points for a normal: a fixed list that a quantizer need not store. */
#ifndef ENT_TRANSFORM_NORMAL_GRID_H
#define ENT_TRANSFORM_NORMAL_GRID_H

#include <stdint.h>

enum { GRID_DIMENSIONS = 2, GRID_MOST = 256 };

typedef struct grid_point {
    float x, y; /* numbers that F16 has; in one dimension y is 0 */
} grid_point;

/* n points, 2 <= n <= GRID_MOST, of p = 1 or 2 independent standard normals whose mean squared distance to the nearest point is
 * small: for p = 1 the least (Max 1960), by kmeans.h on a fine histogram; for p = 2 the end of Lloyd's iteration from a
 * spiral with the density that is best for many points (Zador 1982).  Ascending in x.  The same bits on every machine: what comes
 * from the mathematics library is rounded to less than it is exact to.  Found when first asked for (1/4 s for 256
 * points of p = 2) and kept until the program ends; NULL when there is no memory.  Safe from any thread. */
const grid_point *ent_normal_grid(unsigned p, uint32_t n);

/* Which of them is nearest. */
uint32_t ent_normal_nearest(const grid_point *grid, uint32_t n, float x, float y);

#endif
