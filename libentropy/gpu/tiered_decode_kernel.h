/* tiered_decode_kernel.h - tiered weights to BF16 words: a warp takes a unit, 32 groups beside each other at a time. */
#ifndef ENT_GPU_TIERED_DECODE_KERNEL_H
#define ENT_GPU_TIERED_DECODE_KERNEL_H

#include "gpu/tiered_kernel.h"

typedef struct tiered_unit {
    tiered_warp warp;
    gpu_place at[GPU_HELD]; /* symbols 8 lane to 8 lane + 7 of a step */
    uint64_t first; /* weight */
    uint32_t left;  /* weights */
} tiered_unit;

/* The first weight of a unit and how many it has; 0 if there is none of that number. */
GPU_FUNCTION uint32_t tiered_weights(const gpu_image *image, uint32_t unit, uint64_t *first)
{
    if (unit >= image->units) return 0;
    const uint32_t block = unit / image->units_per_block, from = unit % image->units_per_block * GPU_TILE;
    const uint64_t begin = (uint64_t)block * image->block;
    const uint32_t n = image->weights - begin < image->block ? (uint32_t)(image->weights - begin) : image->block;
    *first = begin + from;
    return from >= n ? 0 : n - from < GPU_TILE ? n - from : (uint32_t)GPU_TILE;
}

/* Asks for what needs no index, before the table is filled. */
GPU_FUNCTION void gpu_tiered_ahead(const gpu_image *image, uint32_t unit)
{
    uint64_t first;
    const uint32_t n = tiered_weights(image, unit, &first);
    LANES {
        if (n && !lane) gpu_prefetch(image->unit + unit);
        GPU_UNROLL
        for (uint32_t i = 64 * lane; i < GPU_TILE; i += 64 * GPU_LANES)
            if (i < n) gpu_prefetch(image->rest + first + i);
    }
}

/* Starts a unit; false if there is none of that number. */
GPU_FUNCTION bool tiered_open(tiered_unit *u, const gpu_image *image, uint32_t unit, uint32_t *shared, uint32_t own)
{
    uint32_t units[GPU_HELD], froms[GPU_HELD], quarters[GPU_HELD];
    u->left = tiered_weights(image, unit, &u->first);
    if (!u->left) return false;
    LANES {
        units[ME] = unit;
        froms[ME] = unit % image->units_per_block * GPU_TILE;
        quarters[ME] = 0;
    }
    tiered_begin(&u->warp, image, shared, own);
    LANES u->at[ME] = gpu_place_of((uint8_t *)shared + own + tiered_symbol(lane / 8, lane % 8 * 8));
    tiered_seek(&u->warp, GPU_LANES, units, froms, quarters);
    return true;
}

/* Sign and mantissa bytes 8 lane to 8 lane + 7 of the 256 from number 256 k of the step on. */
GPU_FUNCTION void tiered_rest(const tiered_unit *u, uint32_t k, gpu_pair *rest)
{
    LANES rest[ME] = READ((const gpu_pair *)(u->warp.image->rest + u->first + GPU_STEP * k + 8 * lane));
}

/* The words of these. */
GPU_FUNCTION void tiered_words(const tiered_unit *u, uint32_t k, const gpu_pair *rest, gpu_quad *words)
{
    LANES {
        const gpu_pair s = gpu_get_pair((u->at[ME] ^ tiered_symbol(4 * k, 0) % 128) + tiered_symbol(4 * k, 0) / 128 * 128);
        tiered_join(rest[ME].x, s.x, &words[ME].x, &words[ME].y);
        tiered_join(rest[ME].y, s.y, &words[ME].z, &words[ME].w);
    }
}

/* A whole step to where its words go. */
GPU_FUNCTION void tiered_put(const tiered_unit *u, gpu_half *to)
{
    gpu_pair rest[TIERED_STEP / GPU_STEP][GPU_HELD];
    gpu_quad words[GPU_HELD];
    GPU_UNROLL
    for (unsigned k = 0; k < TIERED_STEP / GPU_STEP; k++) tiered_rest(u, k, rest[k]);
    GPU_UNROLL
    for (unsigned k = 0; k < TIERED_STEP / GPU_STEP; k++) {
        tiered_words(u, k, rest[k], words);
        LANES PUT((gpu_quad *)(to + GPU_STEP * k + 8 * lane), words[ME]);
    }
}

/* The n weights of a step that is not whole. */
GPU_FUNCTION void tiered_put_some(const tiered_unit *u, uint32_t n, gpu_half *to)
{
    GPU_ROLLED
    for (uint32_t k = 0; GPU_STEP * k < n; k++) {
        gpu_pair rest[GPU_HELD];
        gpu_quad words[GPU_HELD];
        tiered_rest(u, k, rest);
        tiered_words(u, k, rest, words);
        LANES {
            const uint32_t at = GPU_STEP * k + 8 * lane, word[4] = { words[ME].x, words[ME].y, words[ME].z, words[ME].w };
            GPU_UNROLL
            for (unsigned i = 0; i < 8; i++)
                if (at + i < n) PUT(to + at + i, (uint16_t)(word[i / 2] >> 16 * (i % 2)));
        }
    }
}

/* The kernel: a unit to its words. */
GPU_FUNCTION void gpu_tiered_decode(const gpu_image *image, uint32_t unit, uint32_t *shared, uint32_t own, uint16_t *out)
{
    tiered_unit u;
    if (!tiered_open(&u, image, unit, shared, own)) return;
    GPU_ROLLED
    while (u.left) {
        const uint32_t n = u.left < TIERED_STEP ? u.left : (uint32_t)TIERED_STEP;
        tiered_step(&u.warp, GPU_LANES, u.left);
        gpu_sync();
        if (GPU_RARE(n < TIERED_STEP)) tiered_put_some(&u, n, (gpu_half *)out + u.first);
        else tiered_put(&u, (gpu_half *)out + u.first);
        gpu_sync();
        u.first += n;
        u.left -= n;
    }
}

#endif
