/* product.h - a product as its kernels have it; see product_kernel.h. */
#ifndef ENT_GPU_PRODUCT_H
#define ENT_GPU_PRODUCT_H

#include <assert.h>

#include "gpu/image.h"

enum { GPU_PRODUCT_BATCH = 16 };

typedef struct gpu_product {
    gpu_image image;
    const uint16_t *x; /* [batch][cols] of BF16 */
    float *y;          /* [batch][rows] */
    float *part;       /* [places][batch] of product_place; NULL: rows are written to y as they are */
    uint32_t rows, cols, batch;
    uint32_t stripe;              /* neighbouring weights of a block that one unit has, before those of the next */
    uint32_t tiles, done; /* blocks of threads that go by the matrix unit; units that these do.  Single warps do the others */
    uint32_t period, period_rows; /* planar: blocks; the rows that these are.  A tile is of 8 periods, one beside the other */
    uint32_t apart, across;       /* tiered: rows between those of a warp; warps that share rows */
} gpu_product;

/* Kernels take both as they are: no compiler may lay them out in its own way. */
static_assert(sizeof(gpu_product) == sizeof(gpu_image) + 3 * 8 + 10 * 4, "gpu_product has holes");

#endif
