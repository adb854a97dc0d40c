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
    uint32_t period, period_rows; /* blocks; the rows that these are */
    uint32_t tiles;               /* of 8 periods, one beside the other; single warps do the units of the blocks after them */
} gpu_product;

/* Kernels take both as they are: no compiler may lay them out in its own way. */
static_assert(sizeof(gpu_product) == sizeof(gpu_image) + 3 * 8 + 8 * 4, "gpu_product has holes");

#endif
