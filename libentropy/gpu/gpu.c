/* gpu.c - cards and tensors behind the public functions. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpu/bench.h"
#include "gpu/gpu.h"

/* ---- the library for cards -------------------------------------------------------------------- */

/* Beside the running program, if it is there; otherwise left to the system. */
static void find_library(char path[4096 + sizeof GPU_LIBRARY])
{
    const char *set = getenv("ENT_GPU_LIBRARY");
    if (set && *set) {
        snprintf(path, 4096, "%s", set);
        return;
    }
    ssize_t size = readlink("/proc/self/exe", path, 4095);
    path[size > 0 ? size : 0] = 0;
    char *slash = strrchr(path, '/');
    if (slash) {
        strcpy(slash + 1, GPU_LIBRARY);
        if (!access(path, R_OK)) return;
    }
    strcpy(path, GPU_LIBRARY);
}

static ent_status load(const gpu_backend **backend, void **library, ent_error *error)
{
    char path[4096 + sizeof GPU_LIBRARY];
    find_library(path);
    *backend = NULL;
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* a driver may have threads that outlive its use */
    if (!*library) return ent_fail(error, ENT_EUNSUPPORTED, "no library for GPUs, which `make gpu` builds: %s", dlerror());
    *backend = dlsym(*library, GPU_SYMBOL);
    const gpu_backend *b = *backend;
    if (b && b->size == sizeof *b && b->image_size == sizeof(gpu_image) && b->product_size == sizeof(gpu_product)) return ENT_OK;
    dlclose(*library);
    return ent_fail(error, ENT_EUNSUPPORTED, "%s is of another build: run `make gpu` again", path);
}

ent_status ent_gpu_outcome(const ent_gpu *gpu, ent_status status, const char *what, ent_error *error)
{
    const char *why = gpu->backend->why();
    if (!status) return ENT_OK;
    if (!*why) why = status == ENT_ECHECK ? "a kernel left its memory" : ent_status_text(status);
    return ent_fail(error, status, "%s: %s: %s", gpu->name, what, why);
}

int ent_gpu_count(void)
{
    const gpu_backend *backend;
    void *library;
    int devices = 0;
    if (load(&backend, &library, NULL)) return 0;
    if (backend->count(&devices)) devices = 0;
    dlclose(library);
    return devices;
}

ent_status ent_gpu_open(ent_gpu **gpu, int device, ent_error *error)
{
    int devices = 0;
    ent_gpu g = { .backend = &ent_gpu_emulation, .device = device, .name = "GPU" };
    ent_status status = ENT_OK;
    *gpu = NULL;
    if (device < ENT_GPU_EMULATED) return ent_fail(error, ENT_EINVAL, "there is no GPU number %d", device);
    if (device != ENT_GPU_EMULATED) {
        status = load(&g.backend, &g.library, error);
        if (status) return status;
        status = ent_gpu_outcome(&g, g.backend->count(&devices), "looking for cards", error);
        if (!status && device >= devices)
            status = ent_fail(error, ENT_EUNSUPPORTED, "there is no GPU number %d: %d found", device, devices);
    }
    if (!status) status = ent_gpu_outcome(&g, g.backend->name(device, g.name, sizeof g.name), "asking its name", error);
    if (!status && !(*gpu = ent_alloc(sizeof g))) status = ent_fail(error, ENT_ENOMEM, "no memory");
    if (!status) **gpu = g;
    else if (g.library) dlclose(g.library);
    return status;
}

void ent_gpu_close(ent_gpu *gpu)
{
    if (!gpu) return;
    if (gpu->library) dlclose(gpu->library);
    ent_free(gpu);
}

const char *ent_gpu_name(const ent_gpu *gpu) { return gpu->name; }

/* ---- memory ----------------------------------------------------------------------------------- */

ent_status ent_gpu_alloc(ent_gpu *gpu, void **memory, size_t bytes, ent_error *error)
{
    *memory = NULL;
    return ent_gpu_outcome(gpu, gpu->backend->allocate(gpu->device, memory, bytes), "taking memory", error);
}

void ent_gpu_free(ent_gpu *gpu, void *memory)
{
    if (memory) gpu->backend->release(gpu->device, memory);
}

ent_status ent_gpu_write(ent_gpu *gpu, void *memory, const void *from, size_t bytes, ent_error *error)
{
    return ent_gpu_outcome(gpu, gpu->backend->write(gpu->device, memory, from, bytes), "copying to it", error);
}

ent_status ent_gpu_read(ent_gpu *gpu, void *to, const void *memory, size_t bytes, ent_error *error)
{
    return ent_gpu_outcome(gpu, gpu->backend->read(gpu->device, to, memory, bytes), "copying from it", error);
}

ent_status ent_gpu_wait(ent_gpu *gpu, void *stream, ent_error *error)
{
    return ent_gpu_outcome(gpu, gpu->backend->wait(gpu->device, stream), "waiting for it", error);
}

/* ---- tensors ---------------------------------------------------------------------------------- */

static const void *moved(const void *p, const uint8_t *from, const uint8_t *to) { return to + ((const uint8_t *)p - from); }

/* Copies an image to the card and points it there. */
static ent_status place(ent_gpu *gpu, gpu_image *image, const uint8_t *memory, ent_error *error)
{
    void *there;
    ent_status status = ent_gpu_alloc(gpu, &there, image->bytes, error);
    if (status) return status;
    status = ent_gpu_write(gpu, there, memory, image->bytes, error);
    if (status) {
        ent_gpu_free(gpu, there);
        return status;
    }
    image->rest = there;
    image->code = moved(image->code, memory, there);
    image->unit = moved(image->unit, memory, there);
    image->quarter = moved(image->quarter, memory, there);
    image->table = moved(image->table, memory, there);
    return ENT_OK;
}

/* Of an image in the host's memory. */
static uint32_t regular_blocks(const gpu_image *image)
{
    const uint32_t whole = (uint32_t)(image->weights / image->block), units = image->units_per_block;
    if (image->coding == GPU_TIERED) return whole;
    for (uint32_t i = 0; i < whole; i++) {
        const gpu_unit *unit = &image->unit[(size_t)i * units];
        if (unit->anchor & GPU_RAW || unit->back[3] != units) return i;
    }
    return whole;
}

ent_status ent_gpu_upload(ent_gpu_tensor **tensor, ent_gpu *gpu, const ent_recipe *recipe, const ent_tables *tables,
                          const ent_bytes code[], size_t n, unsigned threads, ent_error *error)
{
    uint8_t *memory = NULL;
    ent_gpu_tensor *t = *tensor = ent_calloc(1, sizeof *t);
    if (!t) return ent_fail(error, ENT_ENOMEM, "no memory");
    t->gpu = gpu;
    ent_status status = ent_gpu_build(&t->image, &memory, &t->tally, recipe, tables, code, n, threads, error);
    if (!status) t->regular = regular_blocks(&t->image);
    if (!status) status = place(gpu, &t->image, memory, error);
    ent_free(memory);
    if (status) {
        ent_free(t);
        *tensor = NULL;
    }
    return status;
}

void ent_gpu_tensor_free(ent_gpu_tensor *tensor)
{
    if (!tensor) return;
    ent_gpu_free(tensor->gpu, (void *)(uintptr_t)tensor->image.rest);
    ent_free(tensor);
}

size_t ent_gpu_weights(const ent_gpu_tensor *tensor) { return tensor->image.weights; }

ent_tally ent_gpu_bits(const ent_gpu_tensor *tensor) { return tensor->tally; }

ent_status ent_gpu_decode(const ent_gpu_tensor *tensor, void *words, void *stream, ent_error *error)
{
    const ent_gpu *gpu = tensor->gpu;
    if ((uintptr_t)words % 16) return ent_fail(error, ENT_EINVAL, "%s: words are not aligned to 16 bytes", gpu->name);
    return ent_gpu_outcome(gpu, gpu->backend->decode(gpu->device, &tensor->image, words, stream), "decoding", error);
}

/* ---- measuring -------------------------------------------------------------------------------- */

const gpu_bench *ent_gpu_bench(const ent_gpu *gpu)
{
    const gpu_bench *bench = gpu->library ? dlsym(gpu->library, GPU_BENCH_SYMBOL) : NULL;
    return bench && bench->size == sizeof *bench ? bench : NULL;
}
