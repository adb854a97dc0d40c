/* product.c - which kernels a product takes, and what memory. */
#include <string.h>

#include "gpu/gpu.h"
#include "gpu/planar_product_kernel.h"
#include "gpu/tiered_product_kernel.h"

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Planar: blocks and rows of whole steps, and all groups in every block. */
static void plan_planar(gpu_product *p, uint32_t regular)
{
    const gpu_image *image = &p->image;
    const uint32_t step = PLANAR_ROUNDS * PLANAR_ROUND * image->units_per_block;
    const uint64_t common = common_divisor(p->cols, image->block);
    p->period = (uint32_t)(p->cols / common);
    p->period_rows = (uint32_t)(image->block / common);
    if (image->block % step || p->cols % step) return;
    p->tiles = regular / p->period / PRODUCT_ROWS * p->period * image->units_per_block;
    p->done = p->tiles * PRODUCT_ROWS;
}

/* Tiered: tables of the usual shape, blocks of whole units, rows of whole groups.  Warps share rows where there
 * would not be GPU_TIERED_WARPS of them for each multiprocessor of a large card. */
static void plan_tiered(gpu_product *p)
{
    enum { MANY = 132 * GPU_TIERED_WARPS };
    const gpu_image *image = &p->image;
    if (!image->usual || image->block % GPU_TILE || p->cols % 64 || p->cols > UINT32_MAX - GPU_QUARTER) return;
    p->apart = (uint32_t)(GPU_QUARTER / common_divisor(p->cols, GPU_QUARTER));
    const uint64_t sets = ((uint64_t)(p->rows - 1) / (p->apart * SPANS) + 1) * p->apart;
    const uint32_t quarters = (p->cols - 1) / GPU_QUARTER + 1 + (p->apart > 1);
    p->across = 1;
    while (p->across < GPU_TIERED_WARPS && p->across < quarters && sets * p->across < MANY) p->across *= 2;
    p->tiles = (uint32_t)((sets - 1) / (GPU_TIERED_WARPS / p->across) + 1);
    p->done = image->units;
}

static ent_status plan(gpu_product *p, const ent_gpu_tensor *tensor, size_t rows, size_t cols, unsigned batch, ent_error *error)
{
    const gpu_image *image = &tensor->image;
    const char *name = tensor->gpu->name;
    memset(p, 0, sizeof *p);
    if (!rows || !cols || cols > UINT32_MAX || image->weights / cols != rows || image->weights % cols)
        return ent_fail(error, ENT_EINVAL, "%s: %zu x %zu are not the tensor's %zu weights", name, rows, cols, (size_t)image->weights);
    if (!batch || batch > GPU_PRODUCT_BATCH)
        return ent_fail(error, ENT_EINVAL, "%s: a product is of 1 to %d vectors, not %u", name, GPU_PRODUCT_BATCH, batch);
    if (rows > UINT32_MAX) return ent_fail(error, ENT_EUNSUPPORTED, "%s: a product of %zu rows", name, rows);
    p->image = *image;
    p->rows = (uint32_t)rows;
    p->cols = (uint32_t)cols;
    p->batch = batch;
    p->stripe = image->coding == GPU_TIERED ? (uint32_t)GPU_TILE : (uint32_t)PLANAR_ROUND;
    if (image->coding == GPU_TIERED) plan_tiered(p);
    else plan_planar(p, tensor->regular);
    return ENT_OK;
}

uint32_t ent_gpu_product_tiles(const ent_gpu_tensor *tensor, size_t cols)
{
    gpu_product p;
    return plan(&p, tensor, tensor->image.weights / cols, cols, 1, NULL) ? 0 : p.tiles;
}

ent_status ent_gpu_product_memory(const ent_gpu_tensor *tensor, size_t rows, size_t cols, unsigned batch, size_t *bytes, ent_error *error)
{
    gpu_product p;
    ent_status status = plan(&p, tensor, rows, cols, batch, error);
    *bytes = status ? 0 : product_part_bytes(&p);
    return status;
}

ent_status ent_gpu_product(const ent_gpu_tensor *tensor, size_t rows, size_t cols, const void *x, unsigned batch, float *y,
                           void *memory, void *stream, ent_error *error)
{
    const ent_gpu *gpu = tensor->gpu;
    gpu_product p;
    ent_status status = plan(&p, tensor, rows, cols, batch, error);
    if (status) return status;
    if ((uintptr_t)x % 16 || (uintptr_t)y % 16 || (uintptr_t)memory % 16)
        return ent_fail(error, ENT_EINVAL, "%s: vectors or memory of a product are not aligned to 16 bytes", gpu->name);
    if (product_part_bytes(&p) && !memory) return ent_fail(error, ENT_EINVAL, "%s: a product of this shape needs memory for sums", gpu->name);
    p.x = x;
    p.y = y;
    p.part = product_part_bytes(&p) ? memory : NULL;
    return ent_gpu_outcome(gpu, gpu->backend->product(gpu->device, &p, stream), "a product", error);
}
