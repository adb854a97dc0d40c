/* product_kernel.h - Y = X W^T from coded W, for up to 16 vectors x at once: weights are decoded and used, never stored.
 *
 * W is rows x cols, by rows; its blocks are runs of it, cut wherever they happen to end.  What shapes allow goes by the matrix
 * unit (tiered_product_kernel.h, planar_product_kernel.h); here is what serves any shape, unit by unit: a lane multiplies its own
 * weights with plain FMA, the warp adds its lanes at the end of a row.
 *
 * *Sums.*  A row whose weights all lie in one unit is written as it is.  Else each unit writes what it has of each of its
 * rows to a place of its own (block + row ascends from unit to unit, so it numbers these places), and a last kernel adds
 * them in order: no atomics, and the same bits whenever the same card runs the same kernel.
 *
 * Cost.  At least 1.34 bytes a weight are read and nothing is written, where cuBLAS reads 2, so 16 / 10.7 = 1.49 is the most
 * there is to gain at one vector; instructions and what they allow are in results/gpu. */
#ifndef ENT_GPU_PRODUCT_KERNEL_H
#define ENT_GPU_PRODUCT_KERNEL_H

#include "gpu/planar_rans_kernel.h"
#include "gpu/product.h"
#include "gpu/sums.h"
#include "gpu/tiered_decode_kernel.h"

/* Bytes of what the units have of each row; 0: no row has weights in two units, and all are written as they are. */
static inline size_t product_part_bytes(const gpu_product *p)
{
    const gpu_image *image = &p->image;
    if (image->coding == GPU_TIERED && p->tiles) return 0;
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

/* The kernel of a warp: a unit, whatever its place.  `shared`: the table, and at byte `own`, a multiple of its size, the warp's memory. */
GPU_FUNCTION void gpu_product_unit(const gpu_product *p, gpu_coding coding, uint32_t number, uint32_t *shared, uint32_t own)
{
    const uint32_t unit = number % p->image.units_per_block;
    const uint64_t block = number / p->image.units_per_block;
    product_row row;
    if (coding == GPU_TIERED) {
        tiered_unit u;
        if (!tiered_open(&u, &p->image, number, shared, own)) return;
        product_start_row(p, u.first / p->cols, &row);
        while (u.left) {
            tiered_step(&u.warp, GPU_LANES, u.left);
            gpu_sync();
            const uint32_t step = u.left < TIERED_STEP ? u.left : (uint32_t)TIERED_STEP;
            GPU_ROLLED
            for (uint32_t k = 0, n; (n = step > GPU_STEP * k ? step - GPU_STEP * k : 0); k++) {
                gpu_pair rest[GPU_HELD];
                gpu_quad eight[GPU_HELD];
                uint32_t words[4][GPU_HELD];
                n = n < GPU_STEP ? n : (uint32_t)GPU_STEP;
                tiered_rest(&u, k, rest);
                tiered_words(&u, k, rest, eight);
                LANES {
                    words[0][ME] = eight[ME].x;
                    words[1][ME] = eight[ME].y;
                    words[2][ME] = eight[ME].z;
                    words[3][ME] = eight[ME].w;
                }
                product_add(p, block, unit, words, 4, u.first + GPU_STEP * k, n, &row);
            }
            gpu_sync();
            u.first += step;
            u.left -= step;
        }
    } else {
        planar_warp w;
        uint32_t words[PLANAR_ROUNDS][GPU_HELD];
        if (!planar_open(&w, &p->image, number, shared, (uint8_t *)shared, own)) return;
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
