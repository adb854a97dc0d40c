/* bench.h - what measuring a card takes beside what gpu.h offers: marks in time, and what decoding and products are
 * compared with.  The CUDA part shows one of these; tests have one of their own that makes its times up. */
#ifndef ENT_GPU_BENCH_H
#define ENT_GPU_BENCH_H

#include <entropy/gpu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The card as found. */
typedef struct gpu_facts {
    char driver[128];    /* "driver 580.95.05 for CUDA 13.0, built with 13.0" */
    unsigned processors; /* multiprocessors */
    uint64_t memory_bytes, l2_bytes;
} gpu_facts;

enum { GPU_MARKS = 1002 };

/* Work is done on the default stream, in order, and may still be under way when a function returns.  Addresses are of the
 * card's memory, aligned to 16 bytes. */
typedef struct gpu_bench {
    size_t size; /* of this struct */
    ent_status (*facts)(int device, gpu_facts *facts);
    /* Mark i, 0 to GPU_MARKS - 1, is when the work asked for before it was done; `seconds` is from mark i to mark i + 1, for
     * work that was waited for. */
    ent_status (*mark)(int device, unsigned i);
    ent_status (*seconds)(int device, unsigned i, double *seconds);
    ent_status (*clock_ghz)(int device, double *ghz); /* of the multiprocessors, by counting cycles for a millisecond */
    ent_status (*copy)(int device, void *to, const void *from, size_t bytes);
    ent_status (*read)(int device, const void *from, size_t bytes); /* all of it, nothing kept */
    /* Y = X W^T: W rows x cols of BF16, X batch x cols of BF16, Y batch x rows of FP32; sums of FP32. */
    ent_status (*cublas)(int device, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y);
    const char *(*why)(void); /* words for this thread's last failure, or "" */
} gpu_bench;

/* That of a card; NULL for the emulation and for a library of another build. */
const gpu_bench *ent_gpu_bench(const ent_gpu *gpu);

#define GPU_BENCH_SYMBOL "ent_gpu_cuda_bench"

#ifdef __cplusplus
}
#endif
#endif
