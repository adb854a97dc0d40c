/* product_kernel.h - Y = X W^T from coded W, for up to 16 vectors x at once: weights are decoded and used, never stored.
 *
 * W is rows x cols, by rows; its blocks are runs of it, cut wherever they happen to end.  Two kernels decode, a third adds up.
 *
 * *Tiles.*  The matrix unit multiplies 16 vectors by 8 rows at 16 columns, so that a block of threads takes 8 units of the
 * same columns in 8 different rows: a *period* of blocks is the least that is a whole number of rows, so units of
 * equal number in 8 neighbouring periods start in the same column.  Each warp decodes its own unit, a step at a time, to a row of
 * a tile in shared memory; then each warp multiplies 32 columns of all 8 rows by x.  The 16 columns of a product may be any, as
 * long as both factors have the same: lane t of 4 takes 8 neighbouring ones, one load of 16 bytes from either side for
 * two products.  A step must lie within a row, and where rows change the sums of the 8 warps are added in order.
 *
 * *Warps.*  What is no multiple of all that - a last block, rows left over, columns no multiple of a step - goes unit by unit: a lane
 * multiplies its own weights with plain FMA, the warp adds its lanes at the end of a row.  Slower, but for any shape.
 *
 * *Sums.*  A row whose weights all lie in one unit is written as it is.  Else each unit writes what it has of each of its
 * rows to a place of its own (block + row ascends from unit to unit, so it numbers these places), and a last kernel adds
 * them in order: no atomics, and the same bits whenever the same card runs the same kernel.
 *
 * Cost.  Beside decoding a step takes of the tile a store and a load of 16 bytes a lane, one or two loads of x, two matrix
 * instructions (of 2048 products each; for 8 vectors plain FMA would take 8 instructions for 32 weights and as many
 * to widen x), one wait: tests/gpu/sass.sh counts for 32 weights 31.6 instructions (tiered) and 25.9 (planar-rans),
 * 7.1 more than decoding to memory, which shares out sparse symbols over two steps, and as many.  Bytes: 1.34 a weight read and nothing written, where cuBLAS reads
 * 2, so 16 / 10.7 = 1.49 is the most there is to gain at one vector.  An H100 at 3.35 TB/s reads plain weights at 1.67 a ps, and
 * its 132 x 4 schedulers at 1.83 GHz issue 18.5 instructions for 32 weights in that time: there these kernels are
 * bound by instructions, and slower than cuBLAS by this count (results/gpu).  They gain where a card issues more a byte:
 * with 1.4 times the instructions a second for each GB/s that an H100 has planar-rans is as fast, with 2.1 times memory is the bound. */
#ifndef ENT_GPU_PRODUCT_KERNEL_H
#define ENT_GPU_PRODUCT_KERNEL_H

#include "gpu/planar_rans_kernel.h"
#include "gpu/product.h"
#include "gpu/sums.h"
#include "gpu/tiered_kernel.h"

enum {
    PRODUCT_ROWS = 8,    /* of a tile, and warps that share it */
    PRODUCT_SLICE = 32,  /* columns that a warp multiplies at a time */
    PRODUCT_PAD = 64,    /* bytes between rows of a tile: their banks differ */
    PRODUCT_SUMS = GPU_PRODUCT_BATCH * PRODUCT_ROWS
};

/* Bytes of what the units have of each row; 0: no row has weights in two units, and all are written as they are. */
static inline size_t product_part_bytes(const gpu_product *p)
{
    const gpu_image *image = &p->image;
    const bool whole = image->units_per_block == 1 || (image->coding == GPU_TIERED && GPU_TILE % p->cols == 0);
    const uint64_t blocks = (image->weights - 1) / image->block + 1;
    if (whole && image->block % p->cols == 0) return 0;
    return (size_t)((blocks + p->rows) * image->units_per_block * p->batch * sizeof(float));
}

/* Where a unit's part of a row is put. */
GPU_FUNCTION uint64_t product_place(const gpu_product *p, uint64_t block, uint64_t row, uint32_t unit)
{
    return ((block + row) * p->image.units_per_block + unit) * p->batch;
}

GPU_FUNCTION void product_put(const gpu_product *p, uint64_t block, uint64_t row, uint32_t unit, uint32_t vector, float sum)
{
    if (p->part) PUT(p->part + (product_place(p, block, row, unit) + vector), sum);
    else PUT(p->y + ((uint64_t)vector * p->rows + row), sum);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* A warp of a tile. */
typedef struct product_warp {
    tiered_warp tiered; /* one of them, which is known when the kernel is compiled */
    planar_warp planar;
    uint64_t block;
    uint64_t row; /* of the step under work */
    const gpu_half *from[2][GPU_HELD]; /* what a lane reads next of the vectors g and g + 8; of vectors that are not there the last */
    uint32_t x[2][2][4][GPU_HELD]; /* of both slices these two: fragments of two products */
    float sum[4][GPU_HELD];
} product_warp;

GPU_FUNCTION uint32_t product_slices(gpu_coding coding) { return coding == GPU_TIERED ? 1 : 2; }

/* Weights of a row of a tile, and its bytes. */
GPU_FUNCTION uint32_t product_step(gpu_coding coding) { return product_slices(coding) * PRODUCT_ROWS * PRODUCT_SLICE; }
GPU_FUNCTION uint32_t product_row_bytes(gpu_coding coding) { return 2 * product_step(coding) + PRODUCT_PAD; }

/* The next step of a unit to its row of the tile. */
GPU_FUNCTION void product_decode(gpu_coding coding, product_warp *w, uint8_t *row)
{
    if (coding == GPU_TIERED) {
        gpu_quad words[GPU_HELD];
        if (GPU_RARE(!w->tiered.usual)) tiered_step(&w->tiered, words);
        else tiered_usual(&w->tiered, words);
        LANES PUT((gpu_quad *)row + lane, words[ME]);
    } else {
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
}

/* Where a lane begins to read x, whose first column of the unit is `col`: what it makes of vectors that are not there is not used. */
GPU_FUNCTION void product_begin_x(const gpu_product *p, gpu_coding coding, uint32_t slice, uint32_t col, product_warp *w)
{
    const uint32_t at = coding == GPU_TIERED ? col + slice * PRODUCT_SLICE
                                             : col + slice / 2 * p->image.units_per_block * PLANAR_ROUND + slice % 2 * PRODUCT_SLICE;
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
GPU_FUNCTION void product_ask(gpu_coding coding, uint32_t vectors, uint32_t span, product_warp *w)
{
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++) {
        if (i == product_slices(coding)) break;
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
GPU_FUNCTION void product_multiply(gpu_coding coding, uint32_t slice, const uint8_t *tile, product_warp *w)
{
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++) {
        if (i == product_slices(coding)) break;
        uint32_t a[2][4][GPU_HELD], b[2][2][GPU_HELD];
        LANES {
            const uint8_t *row = tile + lane / 4 * product_row_bytes(coding);
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

GPU_FUNCTION bool product_open(const gpu_product *p, gpu_coding coding, uint32_t unit, const uint32_t *table, uint8_t *own,
                               uint32_t mine, product_warp *w)
{
    const uint32_t number = (uint32_t)w->block * p->image.units_per_block + unit;
    return coding == GPU_TIERED ? tiered_open(&w->tiered, &p->image, number, table, own + mine)
                                : planar_open(&w->planar, &p->image, number, table, own, mine);
}

/* The kernel of a block of 8 warps: units of one number in the same block of 8 periods, by up to 8 vectors or 16.  `own`: `own_bytes` of shared memory
 * for each warp; `tile`: twice 8 rows; `sums`: PRODUCT_SUMS for each warp. */
GPU_FUNCTION void gpu_product_tile(const gpu_product *p, gpu_coding coding, uint32_t vectors, uint32_t number,
                                   const uint32_t *table, uint8_t *own, uint32_t own_bytes, uint8_t *tile, float *sums)
{
    const uint32_t bytes = product_row_bytes(coding), per_block = p->image.units_per_block;
    const uint32_t unit = number % per_block, in_period = number / per_block % p->period;
    const uint64_t first = (uint64_t)(number / per_block / p->period) * PRODUCT_ROWS; /* period */
    const uint32_t span = coding == GPU_TIERED ? (uint32_t)GPU_STEP : PLANAR_ROUNDS * PLANAR_ROUND * per_block;
    const uint32_t begin = coding == GPU_TIERED ? unit * GPU_TILE : 0, end = coding == GPU_TIERED ? begin + GPU_TILE : p->image.block;
    const uint64_t from = (uint64_t)in_period * p->image.block + begin; /* in the period */
    uint32_t col = (uint32_t)(from % p->cols);
    int32_t other = (int32_t)(PRODUCT_ROWS * bytes); /* from here to the other half of the tile */
    product_warp all[GPU_WARPS_HELD];
    EACH_WARP(PRODUCT_ROWS) {
        product_warp *w = &all[WE];
        w->block = (first + warp) * p->period + in_period;
        w->row = (first + warp) * p->period_rows + from / p->cols;
        product_open(p, coding, unit, table, own, warp * own_bytes, w);
        product_begin_x(p, coding, warp, coding == GPU_TIERED ? col : col + unit * PLANAR_ROUND, w);
        LANES w->sum[0][ME] = w->sum[1][ME] = w->sum[2][ME] = w->sum[3][ME] = 0;
    }
    for (uint32_t at = begin; at < end; at += span, col += span) {
        if (GPU_RARE(col == p->cols)) {
            product_flush(p, unit, all, sums);
            EACH_WARP(PRODUCT_ROWS) {
                all[WE].row++;
                product_move_x(&all[WE], -(ptrdiff_t)p->cols);
            }
            col = 0;
        }
        EACH_WARP(PRODUCT_ROWS) {
            product_decode(coding, &all[WE], tile + warp * bytes);
            product_ask(coding, vectors, span, &all[WE]);
        }
        gpu_sync_block();
        EACH_WARP(PRODUCT_ROWS) product_multiply(coding, warp, tile, &all[WE]);
        tile += other; /* so that one wait a step is enough */
        other = -other;
    }
    product_flush(p, unit, all, sums);
}

/* ---- warps ------------------------------------------------------------------------------------ */

/* A row under work, of all weights from `begin` to `end`. */
typedef struct product_row {
    uint64_t row, begin, end;
    bool touched; /* the sums hold something */
    float sum[GPU_PRODUCT_BATCH][GPU_HELD];
} product_row;

GPU_FUNCTION void product_start_row(const gpu_product *p, uint64_t row, product_row *r)
{
    r->row = row;
    r->begin = row * p->cols;
    r->end = r->begin + p->cols;
    r->touched = false;
    GPU_UNROLL
    for (unsigned v = 0; v < GPU_PRODUCT_BATCH; v++) LANES r->sum[v][ME] = 0;
}

GPU_FUNCTION void product_end_row(const gpu_product *p, uint64_t block, uint32_t unit, product_row *r)
{
    if (!r->touched) return;
    GPU_UNROLL
    for (unsigned v = 0; v < GPU_PRODUCT_BATCH; v++) {
        if (v == p->batch) break;
        gpu_add_lanes(r->sum[v]);
        LANES if (!lane) product_put(p, block, r->row, unit, v, r->sum[v][ME]);
    }
}

/* Lane l has weights number 2 pairs l to 2 pairs (l + 1) - 1 of the n from `first` on, two a word. */
GPU_FUNCTION void product_add(const gpu_product *p, uint64_t block, uint32_t unit, uint32_t words[][GPU_HELD], uint32_t pairs,
                              uint64_t first, uint32_t n, product_row *r)
{
    for (;;) {
        LANES {
            for (uint32_t i = 0; i < 2 * pairs; i++) {
                const uint32_t number = 2 * pairs * lane + i;
                const uint64_t at = first + number;
                if (number >= n || at < r->begin || at >= r->end) continue;
                const float w = gpu_float(i % 2 ? words[i / 2][ME] & 0xffff0000u : words[i / 2][ME] << 16);
                const gpu_half *x = (const gpu_half *)p->x + (at - r->begin);
                GPU_UNROLL
                for (unsigned v = 0; v < GPU_PRODUCT_BATCH; v++)
                    if (v < p->batch) r->sum[v][ME] = gpu_fma(w, gpu_float((uint32_t)READ(x + (size_t)v * p->cols) << 16), r->sum[v][ME]);
            }
        }
        r->touched = r->touched || (first < r->end && first + n > r->begin);
        if (first + n <= r->end) return;
        product_end_row(p, block, unit, r);
        product_start_row(p, r->row + 1, r);
    }
}

/* The kernel of a warp: a unit, whatever its place.  The warp's own memory begins `mine` bytes after `own`. */
GPU_FUNCTION void gpu_product_unit(const gpu_product *p, gpu_coding coding, uint32_t number, const uint32_t *table, uint8_t *own,
                                   uint32_t mine)
{
    const uint32_t unit = number % p->image.units_per_block;
    const uint64_t block = number / p->image.units_per_block;
    product_row row;
    if (coding == GPU_TIERED) {
        tiered_warp w;
        if (!tiered_open(&w, &p->image, number, table, own + mine)) return;
        uint64_t first = w.first;
        product_start_row(p, first / p->cols, &row);
        while (w.left) {
            gpu_quad eight[GPU_HELD];
            uint32_t words[4][GPU_HELD];
            const uint32_t n = tiered_step(&w, eight);
            LANES {
                words[0][ME] = eight[ME].x;
                words[1][ME] = eight[ME].y;
                words[2][ME] = eight[ME].z;
                words[3][ME] = eight[ME].w;
            }
            product_add(p, block, unit, words, 4, first, n, &row);
            first += n;
        }
    } else {
        planar_warp w;
        uint32_t words[PLANAR_ROUNDS][GPU_HELD];
        if (!planar_open(&w, &p->image, number, table, own, mine)) return;
        product_start_row(p, (w.first + w.round) / p->cols, &row);
        while (w.rounds) {
            const uint32_t rounds = w.rounds < PLANAR_ROUNDS ? w.rounds : (uint32_t)PLANAR_ROUNDS;
            const uint64_t first = w.first + w.round;
            planar_step(&w, rounds, words);
            for (uint32_t k = 0; k < rounds; k++)
                product_add(p, block, unit, words + k, 1, first + ((uint64_t)k << w.log), PLANAR_ROUND, &row);
        }
        const uint32_t left = planar_last(&w, words[0]);
        if (left) product_add(p, block, unit, words, 1, w.first + w.round, left, &row);
    }
    product_end_row(p, block, unit, &row);
}

/* ---- sums --------------------------------------------------------------------------------------- */

/* The kernel of a thread: what the units have of a row and a vector, in their order. */
GPU_FUNCTION void gpu_product_sum(const gpu_product *p, uint64_t number)
{
    const uint64_t row = number % p->rows, begin = row * p->cols, end = begin + p->cols;
    const uint32_t vector = (uint32_t)(number / p->rows);
    float sum = 0;
    for (uint64_t b = begin / p->image.block; b * p->image.block < end; b++) {
        const uint64_t first = b * p->image.block, last = first + p->image.block;
        const uint32_t from = begin > first ? (uint32_t)(begin - first) / p->stripe : 0;
        const uint32_t to = (uint32_t)((end < last ? end : last) - first - 1) / p->stripe;
        const uint32_t of_block = p->image.units_per_block;
        const uint32_t units = p->image.coding == GPU_TIERED ? of_block : READ(&p->image.unit[b * of_block].back[3]);
        for (uint32_t s = from; s <= to && s < from + units; s++)
            sum += GET(p->part + (product_place(p, b, row, s % units) + vector));
    }
    PUT(p->y + ((uint64_t)vector * p->rows + row), sum);
}

#endif
