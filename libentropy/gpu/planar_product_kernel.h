/* planar_product_kernel.h - Y = X W^T from planar-rans W, 8 rows at a time by the matrix unit.
 *
 * It multiplies 16 vectors by 8 rows at 16 columns, so that a block of threads takes 8 units of the same columns in 8 different
 * rows: a *period* of blocks is the least that is a whole number of rows, so units of equal number in 8 neighbouring periods
 * start in the same column.  Each warp decodes its own unit, a step at a time, to a row of a tile in shared memory; then each
 * warp multiplies 32 columns of all 8 rows by x.  The 16 columns of a product may be any, as long as both factors have the
 * same: lane t of 4 takes 8 neighbouring ones, one load of 16 bytes from either side for two products.  A step must lie within a
 * row, and where rows change the sums of the 8 warps are added in order.
 *
 * Beside decoding a step takes of the tile a store and a load of 16 bytes a lane, one or two loads of x, two matrix instructions
 * (of 2048 products each; for 8 vectors plain FMA would take 8 instructions for 32 weights and as many to widen x), one wait. */
#ifndef ENT_GPU_PLANAR_PRODUCT_KERNEL_H
#define ENT_GPU_PLANAR_PRODUCT_KERNEL_H

#include "gpu/product_kernel.h"

enum {
    PRODUCT_ROWS = 8,    /* of a tile, and warps that share it */
    PRODUCT_SLICE = 32,  /* columns that a warp multiplies at a time */
    PRODUCT_SLICES = 2,  /* of a step */
    PRODUCT_ROW_BYTES = 2 * PLANAR_ROUNDS * PLANAR_ROUND + 64, /* of a tile: so banks of its rows differ */
    PRODUCT_SUMS = GPU_PRODUCT_BATCH * PRODUCT_ROWS
};

/* A warp of a tile. */
typedef struct product_warp {
    planar_warp planar;
    uint64_t block;
    uint64_t row; /* of the step under work */
    const gpu_half *from[2][GPU_HELD]; /* what a lane reads next of the vectors g and g + 8; of vectors that are not there the last */
    uint32_t x[2][2][4][GPU_HELD]; /* of both slices these two: fragments of two products */
    float sum[4][GPU_HELD];
} product_warp;

/* The next step of a unit to its row of the tile. */
GPU_FUNCTION void product_decode(product_warp *w, uint8_t *row)
{
    uint32_t words[PLANAR_ROUNDS][GPU_HELD];
    if (GPU_RARE(w->planar.rounds < PLANAR_ROUNDS)) { /* by one: its weights are in the final states */
        planar_step(&w->planar, PLANAR_ROUNDS - 1, words);
        planar_last(&w->planar, words[PLANAR_ROUNDS - 1]);
    } else {
        planar_step(&w->planar, PLANAR_ROUNDS, words);
    }
    GPU_UNROLL
    for (unsigned k = 0; k < PLANAR_ROUNDS; k++) LANES PUT((gpu_word *)row + (k * GPU_LANES + lane), words[k][ME]);
}

/* Where a lane begins to read x, whose first column of the unit is `col`: what it makes of vectors that are not there is not used. */
GPU_FUNCTION void product_begin_x(const gpu_product *p, uint32_t slice, uint32_t col, product_warp *w)
{
    const uint32_t at = col + slice / 2 * p->image.units_per_block * PLANAR_ROUND + slice % 2 * PRODUCT_SLICE;
    LANES {
        for (unsigned k = 0; k < 2; k++) {
            const uint32_t vector = lane / 4 + 8 * k < p->batch ? lane / 4 + 8 * k : p->batch - 1;
            w->from[k][ME] = (const gpu_half *)p->x + ((size_t)vector * p->cols + at + 8 * (lane % 4));
        }
    }
}

/* Moves on by so many columns. */
GPU_FUNCTION void product_move_x(product_warp *w, ptrdiff_t by)
{
    LANES {
        w->from[0][ME] += by;
        w->from[1][ME] += by;
    }
}

/* x at the columns of the warp's slices, of up to 8 vectors or 16, and moves on by a step. */
GPU_FUNCTION void product_ask(uint32_t vectors, uint32_t span, product_warp *w)
{
    GPU_UNROLL
    for (unsigned i = 0; i < PRODUCT_SLICES; i++) {
        GPU_UNROLL
        for (unsigned k = 0; k < 2; k++) {
            LANES {
                gpu_quad x = { 0, 0, 0, 0 };
                if (8 * k < vectors) x = READ((const gpu_quad *)(w->from[k][ME] + i * (span / 2)));
                w->x[i][k][0][ME] = x.x;
                w->x[i][k][1][ME] = x.y;
                w->x[i][k][2][ME] = x.z;
                w->x[i][k][3][ME] = x.w;
            }
        }
    }
    product_move_x(w, span);
}

/* The warp's slices of a tile of 8 rows: 32 columns are two products of 16. */
GPU_FUNCTION void product_multiply(uint32_t slice, const uint8_t *tile, product_warp *w)
{
    GPU_UNROLL
    for (unsigned i = 0; i < PRODUCT_SLICES; i++) {
        uint32_t a[2][4][GPU_HELD], b[2][2][GPU_HELD];
        LANES {
            const uint8_t *row = tile + lane / 4 * PRODUCT_ROW_BYTES;
            const gpu_quad v = GET((const gpu_quad *)(row + 2 * PRODUCT_SLICE * (slice + i * PRODUCT_ROWS) + 16 * (lane % 4)));
            b[0][0][ME] = v.x;
            b[0][1][ME] = v.y;
            b[1][0][ME] = v.z;
            b[1][1][ME] = v.w;
            GPU_UNROLL
            for (unsigned k = 0; k < 4; k++) { /* columns lower and higher by 8 are the 8 neighbours' halves */
                a[0][k][ME] = w->x[i][k % 2][k / 2][ME];
                a[1][k][ME] = w->x[i][k % 2][2 + k / 2][ME];
            }
        }
        gpu_mma(w->sum, a[0], b[0]);
        gpu_mma(w->sum, a[1], b[1]);
    }
}

/* The sums of the warps for the rows that they were at, added in order, and put away. */
GPU_FUNCTION void product_flush(const gpu_product *p, uint32_t unit, product_warp *all, float *sums)
{
    EACH_WARP(PRODUCT_ROWS) {
        product_warp *w = &all[WE];
        LANES {
            GPU_UNROLL
            for (unsigned i = 0; i < 4; i++) {
                PUT(sums + (warp * PRODUCT_SUMS + (lane / 4 + i / 2 * 8) * PRODUCT_ROWS + lane % 4 * 2 + i % 2), w->sum[i][ME]);
                w->sum[i][ME] = 0;
            }
        }
    }
    gpu_sync_block();
    EACH_WARP(PRODUCT_ROWS) { /* each its own row, 16 vectors */
        const product_warp *w = &all[WE];
        LANES {
            float sum = 0;
            if (lane < p->batch) {
                GPU_UNROLL
                for (unsigned k = 0; k < PRODUCT_ROWS; k++)
                    sum += GET(sums + (k * PRODUCT_SUMS + lane * PRODUCT_ROWS + warp));
                product_put(p, w->block, w->row, unit, lane, sum);
            }
        }
    }
}

/* The kernel of a block of 8 warps: units of one number in the same block of 8 periods, by up to 8 vectors or 16.  `own`: `own_bytes` of shared memory
 * for each warp; `tile`: twice 8 rows; `sums`: PRODUCT_SUMS for each warp. */
GPU_FUNCTION void gpu_product_tile(const gpu_product *p, uint32_t vectors, uint32_t number,
                                   const uint32_t *table, uint8_t *own, uint32_t own_bytes, uint8_t *tile, float *sums)
{
    const uint32_t bytes = PRODUCT_ROW_BYTES, per_block = p->image.units_per_block;
    const uint32_t unit = number % per_block, in_period = number / per_block % p->period;
    const uint64_t first = (uint64_t)(number / per_block / p->period) * PRODUCT_ROWS; /* period */
    const uint32_t span = PLANAR_ROUNDS * PLANAR_ROUND * per_block;
    const uint64_t from = (uint64_t)in_period * p->image.block; /* in the period */
    uint32_t col = (uint32_t)(from % p->cols);
    int32_t other = (int32_t)(PRODUCT_ROWS * bytes); /* from here to the other half of the tile */
    product_warp all[GPU_WARPS_HELD];
    EACH_WARP(PRODUCT_ROWS) {
        product_warp *w = &all[WE];
        w->block = (first + warp) * p->period + in_period;
        w->row = (first + warp) * p->period_rows + from / p->cols;
        planar_open(&w->planar, &p->image, (uint32_t)w->block * per_block + unit, table, own, warp * own_bytes);
        product_begin_x(p, warp, col + unit * PLANAR_ROUND, w);
        LANES w->sum[0][ME] = w->sum[1][ME] = w->sum[2][ME] = w->sum[3][ME] = 0;
    }
    for (uint32_t at = 0; at < p->image.block; at += span, col += span) {
        if (GPU_RARE(col == p->cols)) {
            product_flush(p, unit, all, sums);
            EACH_WARP(PRODUCT_ROWS) {
                all[WE].row++;
                product_move_x(&all[WE], -(ptrdiff_t)p->cols);
            }
            col = 0;
        }
        EACH_WARP(PRODUCT_ROWS) {
            product_decode(&all[WE], tile + warp * bytes);
            product_ask(vectors, span, &all[WE]);
        }
        gpu_sync_block();
        EACH_WARP(PRODUCT_ROWS) product_multiply(warp, tile, &all[WE]);
        tile += other; /* so that one wait a step is enough */
        other = -other;
    }
    product_flush(p, unit, all, sums);
}

#endif
