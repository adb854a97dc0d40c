/* emulate.c - the kernels run by plain C, warp after warp, lane after lane. */
#include <stdio.h>
#include <string.h>

#include "gpu/backend.h"
#include "gpu/product_kernel.h"

enum { REGIONS = 8 };

typedef struct region {
    uintptr_t begin;
    size_t size;
} region;

static _Thread_local region given[REGIONS];
static _Thread_local bool fault;

const void *ent_gpu_touch(const void *p, size_t size)
{
    static _Thread_local _Alignas(16) uint8_t nowhere[16];
    uintptr_t at = (uintptr_t)p;
    for (int i = 0; i < REGIONS; i++)
        if (at - given[i].begin < given[i].size && size <= given[i].size - (at - given[i].begin) && at % size == 0) return p;
    fault = true;
    memset(nowhere, 0, sizeof nowhere);
    return nowhere;
}

/* What a block of threads shares: the table, and memory for each warp. */
typedef struct shared {
    _Alignas(64) uint32_t table[GPU_PLANAR_TABLE];
    _Alignas(64) uint32_t scratch[GPU_PLANAR_WARPS * GPU_PLANAR_SCRATCH];
} shared;

static void run(const gpu_image *image, shared *s, uint16_t *words)
{
    const bool tiered = image->coding == GPU_TIERED;
    const uint32_t scratch = tiered ? GPU_TIERED_SCRATCH : GPU_PLANAR_SCRATCH;
    const uint32_t warps = tiered ? GPU_TIERED_WARPS : GPU_PLANAR_WARPS;
    for (uint32_t first = 0; first < image->units; first += warps) {
        memset(s, 0xa5, sizeof *s); /* what is read before it is written shows */
        given[2] = (region){ (uintptr_t)s->table, 4 * (tiered ? GPU_TIERED_TABLE : GPU_PLANAR_TABLE) };
        if (tiered) gpu_tiered_prepare(image, s->table, 0, 1);
        else gpu_planar_prepare(image, s->table, 0, 1);
        for (uint32_t i = 0; i < warps; i++) {
            given[3] = (region){ (uintptr_t)(s->scratch + i * scratch), 4 * scratch };
            if (tiered) gpu_tiered_decode(image, first + i, s->table, (uint8_t *)(s->scratch + i * scratch), words);
            else gpu_planar_decode(image, first + i, s->table, (uint8_t *)s->scratch, 4 * i * scratch, words);
        }
    }
}

static ent_status decode(int device, const gpu_image *image, uint16_t *words, void *stream)
{
    (void)device, (void)stream;
    shared *s = ent_alloc(sizeof *s);
    if (!s) return ENT_ENOMEM;
    fault = false;
    given[0] = (region){ (uintptr_t)image->rest, image->bytes };
    given[1] = (region){ (uintptr_t)words, image->weights * sizeof *words };
    run(image, s, words);
    memset(given, 0, sizeof given);
    ent_free(s);
    return fault ? ENT_ECHECK : ENT_OK;
}

/* What the warps of a product share besides: two tiles, and sums of each warp. */
typedef struct product_shared {
    shared all;
    _Alignas(64) uint8_t tile[2 * PRODUCT_ROWS * (4 * PRODUCT_ROWS * PRODUCT_SLICE + PRODUCT_PAD)];
    _Alignas(64) float sums[PRODUCT_ROWS * PRODUCT_SUMS];
} product_shared;

/* What a block of threads starts with. */
static void start_product(const gpu_product *p, product_shared *s)
{
    memset(s, 0xa5, sizeof *s);
    if (p->image.coding == GPU_TIERED) gpu_tiered_prepare(&p->image, s->all.table, 0, 1);
    else gpu_planar_prepare(&p->image, s->all.table, 0, 1);
}

static void run_product(const gpu_product *p, gpu_coding coding, product_shared *s)
{
    const uint32_t own = coding == GPU_TIERED ? 4 * GPU_TIERED_SCRATCH : 4 * GPU_PLANAR_SCRATCH;
    const uint32_t tiles = p->tiles * p->period * p->image.units_per_block;
    given[1] = (region){ (uintptr_t)p->x, sizeof *p->x * p->batch * p->cols };
    given[2] = (region){ (uintptr_t)p->y, sizeof *p->y * p->batch * p->rows };
    given[3] = (region){ (uintptr_t)p->part, p->part ? product_part_bytes(p) : 0 };
    given[4] = (region){ (uintptr_t)s->all.table, 4 * (coding == GPU_TIERED ? GPU_TIERED_TABLE : GPU_PLANAR_TABLE) };
    given[5] = (region){ (uintptr_t)s->all.scratch, (size_t)PRODUCT_ROWS * own };
    given[6] = (region){ (uintptr_t)s->tile, 2 * (size_t)PRODUCT_ROWS * product_row_bytes(coding) };
    given[7] = (region){ (uintptr_t)s->sums, sizeof s->sums };
    for (uint32_t i = 0; i < tiles; i++) {
        start_product(p, s);
        gpu_product_tile(p, coding, p->batch, i, s->all.table, (uint8_t *)s->all.scratch, own, s->tile, s->sums);
    }
    start_product(p, s);
    for (uint32_t i = tiles * PRODUCT_ROWS; i < p->image.units; i++)
        gpu_product_unit(p, coding, i, s->all.table, (uint8_t *)s->all.scratch, 0);
    if (!p->part) return;
    for (uint64_t i = 0; i < (uint64_t)p->rows * p->batch; i++) gpu_product_sum(p, i);
}

static ent_status product(int device, const gpu_product *p, void *stream)
{
    (void)device, (void)stream;
    product_shared *s = ent_alloc(sizeof *s);
    if (!s) return ENT_ENOMEM;
    fault = false;
    given[0] = (region){ (uintptr_t)p->image.rest, p->image.bytes };
    run_product(p, p->image.coding, s);
    memset(given, 0, sizeof given);
    ent_free(s);
    return fault ? ENT_ECHECK : ENT_OK;
}

static ent_status count(int *devices)
{
    *devices = 1;
    return ENT_OK;
}

static ent_status name(int device, char *text, size_t room)
{
    (void)device;
    snprintf(text, room, "emulation");
    return ENT_OK;
}

static ent_status allocate(int device, void **memory, size_t bytes)
{
    (void)device;
    *memory = ent_alloc(bytes);
    return *memory ? ENT_OK : ENT_ENOMEM;
}

static void release(int device, void *memory)
{
    (void)device;
    ent_free(memory);
}

static ent_status write_memory(int device, void *memory, const void *from, size_t bytes)
{
    (void)device;
    memcpy(memory, from, bytes);
    return ENT_OK;
}

static ent_status read_memory(int device, void *to, const void *memory, size_t bytes)
{
    (void)device;
    memcpy(to, memory, bytes);
    return ENT_OK;
}

static ent_status wait(int device, void *stream)
{
    (void)device, (void)stream;
    return ENT_OK;
}

static const char *why(void) { return ""; }

const gpu_backend ent_gpu_emulation = {
    .size = sizeof(gpu_backend),
    .image_size = sizeof(gpu_image),
    .product_size = sizeof(gpu_product),
    .count = count,
    .name = name,
    .allocate = allocate,
    .release = release,
    .write = write_memory,
    .read = read_memory,
    .decode = decode,
    .product = product,
    .wait = wait,
    .why = why,
};
