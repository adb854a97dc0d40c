/* tiered_product_kernel.h - Y = X W^T from tiered W, a row of W each for the 4 lanes of a span, 8 rows a warp.
 *
 * The matrix unit multiplies 16 vectors by 8 rows at 16 columns; lane 4 g + t has what row g has of 4 of these columns, which may be
 * any as long as both factors have the same.  So a warp decodes 256 columns of 8 rows at a time, where they are used: lane t of a span has
 * the group of 64 columns number t, hands its symbols to the other three through the warp's own memory, and takes of each group
 * 16 columns, so that the span's loads of sign and mantissa bytes are of 64 neighbouring ones.  Weights are never stored.
 *
 * The 8 rows begin at the same place in a quarter of a unit: they are `apart` rows apart, 1 where a row is whole quarters.  What a
 * quarter has of other rows is decoded and not used.  `across` warps of a block of threads share 8 rows, each
 * every across-th quarter; their sums are added in order.  So the same bits come of every run, and nothing but y is written.
 *
 * Serves the usual tables, rows of a multiple of 64 weights, blocks of whole units; product_kernel.h has the rest. */
#ifndef ENT_GPU_TIERED_PRODUCT_KERNEL_H
#define ENT_GPU_TIERED_PRODUCT_KERNEL_H

#include "gpu/product.h"
#include "gpu/sums.h"
#include "gpu/tiered_kernel.h"

enum {
    SPAN = 4,                  /* lanes of a row */
    SPANS = GPU_LANES / SPAN,  /* rows of a warp */
    SPAN_STEP = SPAN * 64,     /* columns that a warp decodes at a time */
    SPAN_SUMS = GPU_PRODUCT_BATCH * SPANS
};

/* A warp's rows. */
typedef struct product_rows {
    tiered_warp warp;
    uint32_t skip, quarters;     /* columns of the first quarter before the rows begin; quarters that they lie in */
    uint64_t quarter[GPU_HELD];  /* in which the span's row begins; of spans without a row that of span 0 */
    const gpu_half *x[2][GPU_HELD]; /* the lane's columns of a group, of the vectors g and g + 8; NULL: there is none */
    gpu_place at[GPU_HELD];      /* where the lane's symbols of the span's group 0 are */
    float sum[4][GPU_HELD];
} product_rows;

/* The first row of number `set` of the sets of 8 rows, which may be none. */
GPU_FUNCTION uint32_t product_first_row(const gpu_product *p, uint32_t set) { return set / p->apart * p->apart * SPANS + set % p->apart; }

/* The quarter in which row g of a set begins, or its first row if it has no row g. */
GPU_FUNCTION uint64_t product_first_quarter(const gpu_product *p, uint32_t first, uint32_t g)
{
    const uint64_t row = first + (uint64_t)g * p->apart;
    return (row < p->rows ? row : first) * p->cols / GPU_QUARTER;
}

/* Columns of that quarter before the row begins, the same for all rows of a set. */
GPU_FUNCTION uint32_t product_skip(const gpu_product *p, uint32_t first) { return (uint32_t)((uint64_t)first * p->cols % GPU_QUARTER); }

/* Starts a set; false if it has no row. */
GPU_FUNCTION bool product_open_rows(const gpu_product *p, uint32_t set, uint32_t *shared, uint32_t own, product_rows *r)
{
    const uint32_t first = product_first_row(p, set);
    if (first >= p->rows) return false;
    r->skip = product_skip(p, first);
    r->quarters = (r->skip + p->cols - 1) / GPU_QUARTER + 1;
    tiered_begin(&r->warp, &p->image, shared, own);
    LANES {
        const uint32_t g = lane / SPAN;
        r->quarter[ME] = product_first_quarter(p, first, g);
        for (unsigned k = 0; k < 2; k++)
            r->x[k][ME] = g + 8 * k < p->batch ? (const gpu_half *)p->x + ((size_t)(g + 8 * k) * p->cols + lane % SPAN * 16) : NULL;
        r->at[ME] = gpu_place_of((uint8_t *)shared + own + tiered_symbol(lane / SPAN * SPAN, lane % SPAN * 16));
        r->sum[0][ME] = r->sum[1][ME] = r->sum[2][ME] = r->sum[3][ME] = 0;
    }
    return true;
}

/* 64 columns from `col` on, which are group number `group` of each span: 16 of them a lane, 4 a product. */
GPU_FUNCTION void product_group(uint32_t vectors, uint32_t group, uint32_t col, const gpu_quad *rest, product_rows *r)
{
    uint32_t a[4][4][GPU_HELD], b[4][2][GPU_HELD];
    LANES {
        const gpu_quad s = gpu_get_quad(r->at[ME] ^ tiered_symbol(group, 0));
        tiered_join(rest[ME].x, s.x, &b[0][0][ME], &b[0][1][ME]);
        tiered_join(rest[ME].y, s.y, &b[1][0][ME], &b[1][1][ME]);
        tiered_join(rest[ME].z, s.z, &b[2][0][ME], &b[2][1][ME]);
        tiered_join(rest[ME].w, s.w, &b[3][0][ME], &b[3][1][ME]);
        GPU_UNROLL
        for (unsigned k = 0; k < 2; k++) { /* vectors lower and higher by 8 */
            GPU_UNROLL
            for (unsigned i = 0; i < 2; i++) {
                gpu_quad x = { 0, 0, 0, 0 };
                if (8 * k < vectors && r->x[k][ME]) x = READ((const gpu_quad *)(r->x[k][ME] + col) + i);
                a[2 * i][k][ME] = x.x;
                a[2 * i][2 + k][ME] = x.y;
                a[2 * i + 1][k][ME] = x.z;
                a[2 * i + 1][2 + k][ME] = x.w;
            }
        }
    }
    GPU_UNROLL
    for (unsigned i = 0; i < 4; i++) gpu_mma(r->sum, a[i], b[i]);
}

/* Sign and mantissa bytes of a lane's columns of group number `group`. */
GPU_FUNCTION void product_rest(const uint8_t *const *at, uint32_t group, gpu_quad *rest)
{
    LANES rest[ME] = READ((const gpu_quad *)at[ME] + 4 * group);
}

/* A step of columns that are all those of the rows. */
GPU_FUNCTION void product_whole(uint32_t vectors, uint32_t col, const uint8_t *const *at, product_rows *r)
{
    gpu_quad rest[SPAN][GPU_HELD];
    GPU_UNROLL
    for (unsigned k = 0; k < SPAN; k++) product_rest(at, k, rest[k]);
    GPU_UNROLL
    for (unsigned k = 0; k < SPAN; k++) product_group(vectors, k, col + 64 * k, rest[k], r);
}

/* A step that begins before the rows do, with a column above theirs then, or ends after them. */
GPU_FUNCTION void product_some(const gpu_product *p, uint32_t vectors, uint32_t col, const uint8_t *const *at, product_rows *r)
{
    GPU_ROLLED
    for (uint32_t k = 0; k < SPAN; k++) {
        gpu_quad rest[GPU_HELD];
        if (col + 64 * k >= p->cols) continue;
        product_rest(at, k, rest);
        product_group(vectors, k, col + 64 * k, rest, r);
    }
}

/* Quarter number `quarter` of the rows. */
GPU_FUNCTION void product_quarter(const gpu_product *p, uint32_t vectors, uint32_t quarter, product_rows *r)
{
    uint32_t unit[GPU_HELD], from[GPU_HELD], which[GPU_HELD];
    const uint8_t *at[GPU_HELD];
    LANES {
        const uint64_t mine = r->quarter[ME] + quarter;
        unit[ME] = (uint32_t)(mine / 4);
        from[ME] = unit[ME] % p->image.units_per_block * GPU_TILE;
        which[ME] = (uint32_t)(mine % 4);
        at[ME] = p->image.rest + (mine * GPU_QUARTER + lane % SPAN * 16);
    }
    tiered_seek(&r->warp, SPAN, unit, from, which);
    uint32_t col = quarter * GPU_QUARTER - r->skip, left = GPU_QUARTER;
    GPU_WHILE(left, GPU_QUARTER / SPAN_STEP) {
        LANES gpu_prefetch(at[ME] + SPAN_STEP + lane % SPAN * 48); /* of the next step: 64 bytes a lane */
        tiered_step(&r->warp, SPAN, left);
        gpu_sync();
        if (GPU_RARE(col >= p->cols || p->cols - col < SPAN_STEP)) product_some(p, vectors, col, at, r);
        else product_whole(vectors, col, at, r);
        gpu_sync();
        LANES at[ME] += SPAN_STEP;
        col += SPAN_STEP;
        left -= SPAN_STEP;
    }
}

/* Asks for what the warps read first, before the table is filled. */
GPU_FUNCTION void gpu_product_ahead(const gpu_product *p, uint32_t number)
{
    EACH_WARP(GPU_TIERED_WARPS) {
        const uint32_t first = product_first_row(p, number * (GPU_TIERED_WARPS / p->across) + warp / p->across), i = warp % p->across;
        if (first < p->rows && i * GPU_QUARTER < product_skip(p, first) + p->cols) {
            LANES {
                const uint64_t quarter = product_first_quarter(p, first, lane / SPAN) + i;
                gpu_prefetch(p->image.rest + quarter * GPU_QUARTER + lane % SPAN * 64);
                gpu_prefetch(lane % SPAN ? (const void *)(p->image.quarter + quarter / 4 * 3) : p->image.unit + quarter / 4);
            }
        }
    }
}

/* The kernel of a block of GPU_TIERED_WARPS warps, by up to 8 vectors or 16.  `shared`: the table, GPU_TIERED_SCRATCH words for each warp. */
GPU_FUNCTION void gpu_product_rows(const gpu_product *p, uint32_t vectors, uint32_t number, uint32_t *shared)
{
    const uint32_t sets = GPU_TIERED_WARPS / p->across;
    EACH_WARP(GPU_TIERED_WARPS) {
        product_rows r;
        const uint32_t own = GPU_TIERED_SHARED + warp * GPU_TIERED_SCRATCH;
        if (product_open_rows(p, number * sets + warp / p->across, shared, 4 * own, &r)) {
            GPU_ROLLED
            for (uint32_t i = warp % p->across; i < r.quarters; i += p->across) product_quarter(p, vectors, i, &r);
            LANES {
                GPU_UNROLL
                for (unsigned i = 0; i < 4; i++)
                    PUT((float *)shared + (own + (lane / 4 + i / 2 * 8) * SPANS + lane % 4 * 2 + i % 2), r.sum[i][ME]);
            }
        }
    }
    gpu_sync_block();
    EACH_WARP(GPU_TIERED_WARPS) {
        const uint32_t first = product_first_row(p, number * sets + warp / p->across);
        if (warp % p->across == 0) {
            LANES {
                for (uint32_t i = lane; i < SPAN_SUMS; i += GPU_LANES) {
                    const uint32_t vector = i / SPANS, row = first + i % SPANS * p->apart;
                    float sum = 0;
                    if (vector >= p->batch || row >= p->rows) continue;
                    for (uint32_t k = 0; k < p->across; k++) sum += GET((const float *)shared + (GPU_TIERED_SHARED + (warp + k) * GPU_TIERED_SCRATCH + i));
                    PUT(p->y + ((uint64_t)vector * p->rows + row), sum);
                }
            }
        }
    }
}

#endif
