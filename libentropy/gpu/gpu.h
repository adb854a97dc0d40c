/* gpu.h - what is behind the public handles. */
#ifndef ENT_GPU_GPU_H
#define ENT_GPU_GPU_H

#include <entropy/gpu.h>

#include "gpu/backend.h"

struct ent_gpu {
    const gpu_backend *backend;
    void *library;
    int device;
    char name[256];
};

struct ent_gpu_tensor {
    ent_gpu *gpu;
    gpu_image image;
    ent_tally tally;
    uint32_t regular; /* blocks at the beginning that are whole and, of planar-rans, have all groups */
};

/* A device's failure in words; ENT_OK is passed on. */
ent_status ent_gpu_outcome(const ent_gpu *gpu, ent_status status, const char *what, ent_error *error);

/* Of a product with rows of `cols` weights: how many blocks of threads use the matrix units; 0: none does. */
uint32_t ent_gpu_product_tiles(const ent_gpu_tensor *tensor, size_t cols);

/* A tensor's image in the host's memory: pointers are places in `memory`, which is freed by ent_free. */
ent_status ent_gpu_build(gpu_image *image, uint8_t **memory, ent_tally *tally, const ent_recipe *recipe,
                         const ent_tables *tables, const ent_bytes code[], size_t n, unsigned threads, ent_error *error);

#endif
