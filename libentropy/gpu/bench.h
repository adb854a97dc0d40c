/* bench.h - what measuring a card takes beside what gpu.h offers: recordings, marks in time, the card's state, and what decoding
 * and products are compared with.  The CUDA part shows one of these; tests have one of their own that makes its times up. */
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
    double limit_watts;  /* NAN: not told */
    int ecc;             /* of its memory: 1 on, 0 off, -1 not told */
} gpu_facts;

/* The card at work; NAN: not told. */
typedef struct gpu_load {
    double clock_ghz; /* of the multiprocessors, counted */
    double driver_clock_ghz, memory_ghz, watts, celsius; /* as the driver says */
} gpu_load;

/* Asks for work on a stream, without waiting for it. */
typedef ent_status gpu_work(void *context, void *stream);

enum { GPU_MARKS = 1002 };

/* One card and one stream at a time.  Work is done in order and may still be under way when a function returns.  Addresses are of
 * the card's memory, aligned to 16 bytes. */
typedef struct gpu_bench {
    size_t size; /* of this struct */
    ent_status (*facts)(int device, gpu_facts *facts);
    /* Does the work once and records it: a replay then asks for all of it at once (a CUDA graph), so that what is timed is the card
     * and not the asking.  `context` stays as it is until that is forgotten.  NULL after a failure. */
    ent_status (*record)(int device, gpu_work *work, void *context, void **recording);
    ent_status (*replay)(int device, void *recording);
    void (*forget)(int device, void *recording); /* takes NULL */
    /* Mark i, 0 to GPU_MARKS - 1, is when the work asked for before it was done; `seconds` waits for mark i + 1 and is from mark i
     * to it. */
    ent_status (*mark)(int device, unsigned i);
    ent_status (*seconds)(int device, unsigned i, double *seconds);
    /* Asked while work is under way: what the driver says then, and cycles counted for a millisecond right behind that work.  Waits. */
    ent_status (*load)(int device, gpu_load *load);
    ent_status (*copy)(int device, void *to, const void *from, size_t bytes, void *stream);
    ent_status (*read)(int device, const void *from, size_t bytes, void *stream); /* all of it, nothing kept */
    /* Y = X W^T: W rows x cols of BF16, X batch x cols of BF16, Y batch x rows of FP32; sums of FP32.  X and Y have room for a batch
     * rounded up to a multiple of 8.  `way` counts ways to ask cuBLAS for it; ENT_EUNSUPPORTED: that one has none for this shape. */
    ent_status (*cublas)(int device, unsigned way, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y,
                         void *stream);
    const char *(*cublas_way)(unsigned way); /* its name; NULL: there are no more */
    const char *(*why)(void); /* words for this thread's last failure, or "" */
} gpu_bench;

/* That of a card; NULL for the emulation and for a library of another build. */
const gpu_bench *ent_gpu_bench(const ent_gpu *gpu);

#define GPU_BENCH_SYMBOL "ent_gpu_cuda_bench"

#ifdef __cplusplus
}
#endif
#endif
