/* blas.h - cuBLAS, which is looked for when it is first asked for: a decoder does not need it. */
#ifndef ENT_GPU_BLAS_H
#define ENT_GPU_BLAS_H

#include "gpu/bench.h"

/* What gpu_bench has of these names; `because` gets the words of a failure that CUDA does not know of. */
ent_status gpu_blas_multiply(unsigned way, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y,
                             void *stream, const char **because);
const char *gpu_blas_way(unsigned way);

#endif
