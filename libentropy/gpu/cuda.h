/* cuda.h - what the files of the CUDA part share. */
#ifndef ENT_GPU_CUDA_H
#define ENT_GPU_CUDA_H

#include <cuda_runtime.h>

#include <entropy/base.h>

#include "gpu/product.h"

/* Kept for the words of this thread's last failure. */
ent_status gpu_cuda_status(cudaError_t error);
const char *gpu_cuda_why(void);

/* Before each launch of a kernel with so much dynamic shared memory: tells the current device, the first time there, of more than
 * 48 KB, and to keep as much of the first cache for shared memory as `resident` blocks of threads take. */
cudaError_t gpu_cuda_prepare(const void *kernel, unsigned dynamic, unsigned resident);

cudaError_t gpu_cuda_product(const gpu_product &product, cudaStream_t stream);

#endif
