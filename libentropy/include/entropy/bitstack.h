/* bitstack.h - a matrix as a stack of blocks, each of which brings it nearer to what it was (BitStack: wang2025bitstack).
 *
 * Layer 2.  A block holds the signs G of what the blocks before it leave of W, one bit a weight, and the best product
 * U V of rank k for its magnitudes; the matrix is the sum of G o U V over the blocks that are there, o element by
 * element.  Any number of them, the first ones first, is a coarser copy: no weight is coded for one size.
 * The transform "bitstack" of transform.h packs matrices so; pack.h has whole models whose blocks are sorted.
 */
#ifndef ENTROPY_BITSTACK_H
#define ENTROPY_BITSTACK_H

#include <entropy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed memory of a block.  Signs are row by row, 8 to a byte, the first in bit 7, 1 for values >= 0, the last
 * byte filled up with zeros; NULL: none, all are +, and the block is a plain truncated SVD. */
typedef struct ent_bitstack_block {
    uint32_t rows, cols, rank; /* 1 <= rank <= least of rows, cols */
    uint8_t *signs;            /* ceil(rows * cols / 8) bytes */
    uint16_t *left, *right;    /* words of F16: U, rows x rank; V, rank x cols */
} ent_bitstack_block;

/* The rank that a matrix gets for `rank` asked: at most its smaller side.  Without signs more by what they would take
 * (the paper's ablation: rows * cols / (16 (rows + cols)) rounded down), for equal bytes. */
ENT_API uint32_t ent_bitstack_rank(uint32_t rows, uint32_t cols, uint32_t rank, bool signs);
/* Of signs and factors: rows * cols / 8 rounded up, + 2 rank (rows + cols). */
ENT_API uint64_t ent_bitstack_bytes(uint32_t rows, uint32_t cols, uint32_t rank, bool signs);

/* Fills the block from finite `residual` (rows x cols) and takes it away from there; what that leaves has a smaller
 * sum of squares, unless all of it was too small for F16 factors, and what F16 rounds off is left for the next.
 * With `scale` (cols values > 0; NULL: all 1) squares of column j count scale[j]^2 times; the factors
 * absorb it, so adding a block needs no scale.
 * Randomized subspace iteration (halko2011), seeded: about 20 (rank + 8) rows * cols operations in BLAS, with
 * the threads that OpenMP has; LAPACK's SVD where the rank is not far below the smaller side.  The last bits of
 * factors depend on the BLAS.  Memory: 4 to 8 bytes a weight.
 * ENT_EINVAL when factors do not fit F16 (weights beyond some 10^6), ENT_ENOMEM. */
ENT_API ent_status ent_bitstack_take(const ent_bitstack_block *block, float *residual, const float *scale, ent_error *error);

/* values += G o U V; the same bits on every machine.  2 rank operations a weight, one thread; ENT_ENOMEM. */
ENT_API ent_status ent_bitstack_add(const ent_bitstack_block *block, float *values, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
