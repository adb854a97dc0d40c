/* sums.h - what products add to the language of warp.h: floats, the matrix unit, and warps that share a tile.
 *
 * A block of threads is some warps that share memory.  What each of them has is an array of GPU_WARPS_HELD, used at
 * [WE] inside `EACH_WARP(warps) { ... }`: on a card plain code that every warp runs, here a loop over the warps.
 * gpu_sync_block stands between such blocks. */
#ifndef ENT_GPU_SUMS_H
#define ENT_GPU_SUMS_H

#include "gpu/warp.h"

#if defined __CUDACC__

enum { GPU_WARPS_HELD = 1 };
#define WE 0
#define EACH_WARP(warps) for (unsigned warp = threadIdx.x / GPU_LANES, once = warp; once == warp; once++)

GPU_FUNCTION void gpu_sync_block(void) { __syncthreads(); }
GPU_FUNCTION float gpu_float(uint32_t bits) { return __uint_as_float(bits); }
GPU_FUNCTION uint32_t gpu_bits(float value) { return __float_as_uint(value); }
GPU_FUNCTION float gpu_fma(float a, float b, float c) { return fmaf(a, b, c); }

GPU_FUNCTION void gpu_mma(float d[4][GPU_HELD], uint32_t a[4][GPU_HELD], uint32_t b[2][GPU_HELD])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0][0]), "+f"(d[1][0]), "+f"(d[2][0]), "+f"(d[3][0])
        : "r"(a[0][0]), "r"(a[1][0]), "r"(a[2][0]), "r"(a[3][0]), "r"(b[0][0]), "r"(b[1][0]));
}

#else

#include <math.h>

#include "base/bits.h"

enum { GPU_WARPS_HELD = 8 }; /* at most, where something is held from one such block to the next */
#define WE warp
#define EACH_WARP(warps) for (unsigned warp = 0; warp < (warps); warp++)

GPU_FUNCTION void gpu_sync_block(void) {}
GPU_FUNCTION float gpu_float(uint32_t bits) { return ent_float_of(bits); }
GPU_FUNCTION uint32_t gpu_bits(float value) { return ent_float_bits(value); }
GPU_FUNCTION float gpu_fma(float a, float b, float c) { return fmaf(a, b, c); }

/* D += A B with A of 16 x 16 and B of 16 x 8 BF16, D of FP32, as fragments (PTX ISA, mma.m16n8k16): with g = lane / 4 and
 * t = lane % 4, the halves of a[0] are A[g][2t], A[g][2t + 1]; a[1] has them of row g + 8, a[2] and a[3] those of columns 8
 * higher; b[0] has B[2t][g], B[2t + 1][g], b[1] those of rows 8 lower; d[0], d[1] are D[g][2t], D[g][2t + 1], d[2] and
 * d[3] those of row g + 8.  The card adds in an order and with a rounding of its own; here k ascends. */
GPU_FUNCTION void gpu_mma(float d[4][GPU_HELD], uint32_t a[4][GPU_HELD], uint32_t b[2][GPU_HELD])
{
    LANES {
        for (unsigned i = 0; i < 4; i++) {
            const unsigned m = lane / 4 + i / 2 * 8, n = lane % 4 * 2 + i % 2;
            for (unsigned k = 0; k < 16; k++) {
                const unsigned up = k % 2 * 16, from = k % 8 / 2;
                const uint32_t left = a[m / 8 + k / 8 * 2][m % 8 * 4 + from] >> up, right = b[k / 8][n * 4 + from] >> up;
                d[i][ME] = fmaf(gpu_float(left << 16), gpu_float(right << 16), d[i][ME]);
            }
        }
    }
}

#endif

/* ---- both ------------------------------------------------------------------------------------ */

/* The sum of what all lanes have, to all: lanes 16 apart are added first, then 8, 4, 2, 1. */
GPU_FUNCTION void gpu_add_lanes(float *x)
{
    GPU_UNROLL
    for (unsigned by = GPU_LANES / 2; by; by /= 2) {
        uint32_t mine[GPU_HELD], other[GPU_HELD], from[GPU_HELD];
        LANES {
            mine[ME] = gpu_bits(x[ME]);
            from[ME] = lane ^ by;
        }
        gpu_shuffle(other, mine, from);
        LANES x[ME] += gpu_float(other[ME]);
    }
}

#endif
