/* normal_grid.h - the best points for a normal: a fixed list that a quantizer need not store. */
#ifndef ENT_TRANSFORM_NORMAL_GRID_H
#define ENT_TRANSFORM_NORMAL_GRID_H

#include <stdint.h>

enum { GRID_DIMENSIONS = 4, GRID_MOST = 256 };

/* Numbers that F16 has; 0 in dimensions that there are not. */
typedef union grid_point {
    struct {
        float x, y;
    };
    float at[GRID_DIMENSIONS];
} grid_point;

/* n points, 2 <= n <= GRID_MOST, of 1 <= p <= GRID_DIMENSIONS independent standard normals whose mean squared distance to the nearest
 * point is small: for p = 1 the least (Max 1960), by kmeans.h on a fine histogram; else the end of Lloyd's iteration from points of the
 * density that is best for many of them (Zador 1982), for p = 2 from a spiral, over a lattice, beyond from and over a sequence of low
 * discrepancy.  Ascending in x.  The same bits on every machine: what comes from the mathematics library is rounded to less than it is
 * exact to.  Found when first asked for (1/4 s for 256 points of p = 2, less than 1 s of p = 4) and kept until the program ends; NULL
 * when there is no memory.  Safe from any thread. */
const grid_point *ent_normal_grid(unsigned p, uint32_t n);

/* Which of them is nearest, p being 1 or 2. */
uint32_t ent_normal_nearest(const grid_point *grid, uint32_t n, float x, float y);

/* The same for any p, many times faster beyond 2. */
typedef struct grid_book {
    uint32_t p, entries; /* n, filled up to a power of two with what is never nearest */
    float across[GRID_DIMENSIONS * GRID_MOST], half[GRID_MOST];
} grid_book;

void ent_grid_book(grid_book *book, const grid_point *grid, unsigned p, uint32_t n);
uint32_t ent_grid_book_nearest(const grid_book *book, const float at[GRID_DIMENSIONS]);

#endif
