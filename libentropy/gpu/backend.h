/* backend.h - what a card, or its emulation, does for gpu.c.  The CUDA part is a library of its own that shows one of these. */
#ifndef ENT_GPU_BACKEND_H
#define ENT_GPU_BACKEND_H

#include <entropy/base.h>

#include "gpu/product.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All return ENT_OK, ENT_ENOMEM, ENT_EUNSUPPORTED (no such device, no driver) or ENT_ECHECK (the device reports a
 * fault, of this launch or an earlier one). */
typedef struct gpu_backend {
    size_t size; /* of this struct, of gpu_image and of gpu_product: library and program must be of one build */
    size_t image_size, product_size;
    ent_status (*count)(int *devices);
    ent_status (*name)(int device, char *text, size_t room);
    ent_status (*allocate)(int device, void **memory, size_t bytes);
    void (*release)(int device, void *memory);
    ent_status (*write)(int device, void *memory, const void *from, size_t bytes);
    ent_status (*read)(int device, void *to, const void *memory, size_t bytes);
    ent_status (*decode)(int device, const gpu_image *image, uint16_t *words, void *stream); /* does not wait */
    ent_status (*product)(int device, const gpu_product *product, void *stream); /* likewise */
    ent_status (*wait)(int device, void *stream);
    const char *(*why)(void); /* the driver's words for this thread's last failure, or "" */
} gpu_backend;

#ifdef __cplusplus
}
#endif

extern const gpu_backend ent_gpu_emulation;

/* The shared object and the gpu_backend in it. */
#define GPU_LIBRARY "libentropy_gpu.so"
#define GPU_SYMBOL "ent_gpu_cuda"

#endif
