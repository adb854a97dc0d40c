/* emulate.c - the kernels run by plain C, warp after warp, lane after lane. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/backend.h"
#include "gpu/planar_product_kernel.h"
#include "gpu/tiered_product_kernel.h"

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

/* What a block of threads shares: a table, then memory for each warp. */
typedef struct shared {
    _Alignas(GPU_ALIGN) uint32_t word[GPU_TIERED_SHARED + GPU_TIERED_WARPS * GPU_TIERED_SCRATCH];
} shared;

_Static_assert(GPU_PLANAR_SHARED + GPU_PLANAR_WARPS * GPU_PLANAR_SCRATCH <= sizeof(shared) / 4, "the same memory");

static uint32_t table_words(const gpu_image *image) { return image->coding == GPU_TIERED ? GPU_TIERED_SHARED : GPU_PLANAR_SHARED; }
static uint32_t own_words(const gpu_image *image) { return image->coding == GPU_TIERED ? GPU_TIERED_SCRATCH : GPU_PLANAR_SCRATCH; }

/* What a block of threads starts with: what is read before it is written shows. */
static void start(const gpu_image *image, shared *s)
{
    memset(s->word + table_words(image), 0xa5, sizeof s->word - 4 * table_words(image));
    if (image->coding == GPU_TIERED) gpu_tiered_prepare(image, s->word, 0, 1);
    else gpu_planar_prepare(image, s->word, 0, 1);
}

static void run(const gpu_image *image, shared *s, uint16_t *words)
{
    const uint32_t table = table_words(image), size = own_words(image);
    given[2] = (region){ (uintptr_t)s->word, 4 * table };
    start(image, s);
    for (uint32_t unit = 0, i = 0; unit < image->units; unit++, i = (i + 1) % GPU_TIERED_WARPS) {
        const uint32_t own = 4 * (table + i * size);
        given[3] = (region){ (uintptr_t)s->word + own, 4 * size };
        if (image->coding == GPU_TIERED) gpu_tiered_ahead(image, unit);
        if (image->coding == GPU_TIERED) gpu_tiered_decode(image, unit, s->word, own, words);
        else gpu_planar_decode(image, unit, s->word, (uint8_t *)s->word, own, words);
    }
}

static ent_status decode(int device, const gpu_image *image, uint16_t *words, void *stream)
{
    (void)device, (void)stream;
    shared *s = aligned_alloc(GPU_ALIGN, sizeof *s);
    if (!s) return ENT_ENOMEM;
    fault = false;
    given[0] = (region){ (uintptr_t)image->rest, image->bytes };
    given[1] = (region){ (uintptr_t)words, image->weights * sizeof *words };
    run(image, s, words);
    memset(given, 0, sizeof given);
    free(s);
    return fault ? ENT_ECHECK : ENT_OK;
}

/* What the warps of a planar product share besides: two tiles, and sums of each warp. */
typedef struct product_shared {
    shared all;
    _Alignas(64) uint8_t tile[2 * PRODUCT_ROWS * PRODUCT_ROW_BYTES];
    _Alignas(64) float sums[PRODUCT_ROWS * PRODUCT_SUMS];
} product_shared;

static void run_product(const gpu_product *p, product_shared *s)
{
    const gpu_coding coding = p->image.coding;
    uint32_t *word = s->all.word;
    const uint32_t own = 4 * table_words(&p->image);
    given[1] = (region){ (uintptr_t)p->x, sizeof *p->x * p->batch * p->cols };
    given[2] = (region){ (uintptr_t)p->y, sizeof *p->y * p->batch * p->rows };
    given[3] = (region){ (uintptr_t)p->part, p->part ? product_part_bytes(p) : 0 };
    given[4] = (region){ (uintptr_t)word, own };
    given[5] = (region){ (uintptr_t)word + own, 4 * GPU_TIERED_WARPS * own_words(&p->image) };
    given[6] = (region){ (uintptr_t)s->tile, sizeof s->tile };
    given[7] = (region){ (uintptr_t)s->sums, sizeof s->sums };
    memset(s->tile, 0xa5, sizeof s->tile);
    memset(s->sums, 0xa5, sizeof s->sums);
    start(&p->image, &s->all);
    for (uint32_t i = 0; i < p->tiles; i++) {
        if (coding == GPU_TIERED) gpu_product_ahead(p, i);
        if (coding == GPU_TIERED) gpu_product_rows(p, p->batch, i, word);
        else gpu_product_tile(p, p->batch, i, word, (uint8_t *)word + own, 4 * GPU_PLANAR_SCRATCH, s->tile, s->sums);
    }
    start(&p->image, &s->all);
    given[5].size = 4 * own_words(&p->image);
    for (uint32_t i = p->done; i < p->image.units; i++) gpu_product_unit(p, coding, i, word, own);
    if (!p->part) return;
    for (uint64_t i = 0; i < (uint64_t)p->rows * p->batch; i++) gpu_product_sum(p, i);
}

static ent_status product(int device, const gpu_product *p, void *stream)
{
    (void)device, (void)stream;
    product_shared *s = aligned_alloc(GPU_ALIGN, sizeof *s);
    if (!s) return ENT_ENOMEM;
    fault = false;
    given[0] = (region){ (uintptr_t)p->image.rest, p->image.bytes };
    run_product(p, s);
    memset(given, 0, sizeof given);
    free(s);
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
