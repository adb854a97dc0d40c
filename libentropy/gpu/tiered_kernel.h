/* tiered_kernel.h - tiered bit planes to BF16 words, 256 neighbouring weights a step of a warp, 8 a lane.
 *
 * Tiers 1 and 2, if of at most 2 bits, are *dense*: a lane takes its 8 bits of each plane (tier 1: they are a byte;
 * tier 2: from where population counts say), looks up the symbols of 4 codes at once, and puts those of tier 2 into their
 * places by a byte permute, which is what PDEP is to bits.  The few symbols of later tiers are *sparse*: their places are
 * listed, and each is decoded by a lane of its own.
 *
 * Cost of a step, by hand: about 25 instructions a lane for tier 1, 35 for tier 2, 70 for sparse symbols, 25 to join, load and
 * store, so 20 for 32 weights; see gpu.h for the budget and tests/gpu/sass.sh for what the compiler makes of it. */
#ifndef ENT_GPU_TIERED_KERNEL_H
#define ENT_GPU_TIERED_KERNEL_H

#include "gpu/image.h"
#include "gpu/warp.h"

/* A warp at work on a unit. */
typedef struct tiered_warp {
    const gpu_image *image;
    const uint32_t *table; /* shared by the block of threads */
    uint8_t *symbol, *place; /* the warp's own */
    const uint8_t *anchor, *rest;
    int32_t at[4];  /* where the next codes of each tier are, bits from the anchor */
    int32_t escape; /* the next escaped symbol, bytes from it */
    uint64_t first; /* the weight to come */
    uint32_t left;  /* weights */
    bool raw;
    gpu_pair ahead[GPU_HELD];  /* sign and mantissa bytes of the step to come */
    gpu_quad planes[GPU_HELD]; /* tier 1 of the lane's group in it */
} tiered_warp;

/* Fills the shared table; each thread a part, and all must wait for one another after it. */
GPU_FUNCTION void gpu_tiered_prepare(const gpu_image *image, uint32_t *table, unsigned thread, unsigned threads)
{
    for (unsigned i = thread; i < GPU_TIERED_TABLE; i += threads) PUT(table + i, READ(image->table + i));
}

/* Asks for what the step after `skip` weights needs. */
GPU_FUNCTION void tiered_ask(tiered_warp *w, uint32_t skip)
{
    if (w->left <= skip) return;
    const uint8_t *rest = w->rest + w->first + skip;
    const uint8_t *plane = w->anchor + (w->at[0] / 8 + (int32_t)(skip / 8 * w->image->width[0]));
    uint32_t wide = w->image->width[0] == 2, narrow = w->image->width[0] == 1;
    LANES {
        w->ahead[ME] = READ((const gpu_pair *)(rest + 8 * lane));
        if (wide) w->planes[ME] = READ((const gpu_quad *)(plane + lane / 8 * 16));
        if (narrow) {
            gpu_pair p = READ((const gpu_pair *)(plane + lane / 8 * 8));
            w->planes[ME].x = w->planes[ME].z = p.x;
            w->planes[ME].y = w->planes[ME].w = p.y;
        }
    }
}

/* Starts a unit; false if there is none of that number. */
GPU_FUNCTION bool tiered_open(tiered_warp *w, const gpu_image *image, uint32_t unit, const uint32_t *table,
                              uint8_t *scratch)
{
    if (unit >= image->units) return false;
    uint32_t block = unit / image->units_per_block, from = unit % image->units_per_block * GPU_TILE;
    uint64_t first = (uint64_t)block * image->block;
    uint32_t n = image->weights - first < image->block ? (uint32_t)(image->weights - first) : image->block;
    if (from >= n) return false;
    uint32_t anchor = READ(&image->unit[unit].anchor);
    w->image = image;
    w->table = table;
    w->symbol = scratch;
    w->place = scratch + GPU_STEP;
    w->raw = (anchor & GPU_RAW) != 0;
    w->anchor = image->code + (uint64_t)(anchor & ~GPU_RAW) * 16;
    w->rest = image->rest;
    w->at[0] = (int32_t)(from * (w->raw ? 8 : image->width[0]));
    GPU_UNROLL
    for (unsigned k = 1; k < 4; k++) w->at[k] = -(int32_t)READ(&image->unit[unit].back[k - 1]);
    w->escape = -(int32_t)READ(&image->unit[unit].back[3]);
    w->first = first + from;
    w->left = n - from < GPU_TILE ? n - from : (uint32_t)GPU_TILE;
    tiered_ask(w, 0);
    return true;
}

/* 8 bits or more of a string, from bit `at` on. */
GPU_FUNCTION uint32_t tiered_bits(const uint8_t *anchor, int32_t at)
{
    const gpu_word *p = (const gpu_word *)anchor + (at >> 5);
    return gpu_funnel(READ(p), READ(p + 1), (uint32_t)at);
}

/* Of a lane's 8 symbols those that have a code in the tier under work, and these codes' place in its group. */
typedef struct tiered_lanes {
    uint32_t mask[GPU_HELD];
    uint32_t before[GPU_HELD], in_group[GPU_HELD]; /* symbols: of lower lanes in the group; of all the group */
    uint32_t plane0[GPU_HELD], plane1[GPU_HELD];   /* bits of their codes, the first symbol's lowest */
} tiered_lanes;

/* Tier 1 of whole groups: a lane's bits are a byte, those that go on are counted in the whole planes. */
GPU_FUNCTION void tiered_whole(const tiered_warp *w, tiered_lanes *t)
{
    LANES {
        gpu_quad p = w->planes[ME];
        uint32_t low = p.x & p.z, high = p.y & p.w, in_low = gpu_popcount(low), part = lane % 8;
        uint32_t below = gpu_lowest(8 * (part % 4));
        t->plane0[ME] = (part < 4 ? p.x : p.y) >> 8 * (part % 4) & 255;
        t->plane1[ME] = (part < 4 ? p.z : p.w) >> 8 * (part % 4) & 255;
        t->mask[ME] = t->plane0[ME] & t->plane1[ME];
        t->before[ME] = part < 4 ? gpu_popcount(low & below) : in_low + gpu_popcount(high & below);
        t->in_group[ME] = in_low + gpu_popcount(high);
    }
}

/* Tier 1 of a step whose last group may have fewer symbols; also where tier 1 is not dense. */
GPU_FUNCTION void tiered_part(const tiered_warp *w, uint32_t n, tiered_lanes *t)
{
    uint32_t width = w->image->width[0], dense = w->image->dense, sums[GPU_HELD], lower[GPU_HELD], all[GPU_HELD], from[GPU_HELD];
    LANES {
        uint32_t begin = lane / 8 * 64, have = n > begin ? n - begin : 0, mine = n > 8 * lane ? n - 8 * lane : 0;
        have = have < 64 ? have : 64;
        t->mask[ME] = gpu_lowest(mine < 8 ? mine : 8);
        t->before[ME] = lane % 8 * 8;
        t->in_group[ME] = have;
        if (dense && mine) {
            int32_t at = w->at[0] + (int32_t)(width * begin + lane % 8 * 8);
            t->plane0[ME] = tiered_bits(w->anchor, at) & t->mask[ME];
            t->plane1[ME] = width == 1 ? t->plane0[ME] : tiered_bits(w->anchor, at + (int32_t)have) & t->mask[ME];
        } else {
            t->plane0[ME] = t->plane1[ME] = 0;
        }
        if (dense) t->mask[ME] &= t->plane0[ME] & t->plane1[ME];
        sums[ME] = gpu_popcount(t->mask[ME]);
        from[ME] = lane | 7;
    }
    if (!dense) return;
    gpu_sums(sums);
    gpu_shuffle(all, sums, from); /* up to the end of the group */
    LANES from[ME] = lane / 8 * 8 - 1;
    gpu_shuffle(lower, sums, from); /* before it, but for the first */
    LANES {
        uint32_t begin = lane < 8 ? 0 : lower[ME];
        t->before[ME] = sums[ME] - begin - gpu_popcount(t->mask[ME]);
        t->in_group[ME] = all[ME] - begin;
    }
}

/* The sum of in_group of lower groups, and of all of them. */
GPU_FUNCTION uint32_t tiered_groups(const uint32_t *in_group, uint32_t *start)
{
    uint32_t lower[GPU_HELD], sum[GPU_HELD];
    gpu_up(lower, in_group, 8);
    LANES sum[ME] = in_group[ME] + (lane >= 8 ? lower[ME] : 0);
    gpu_up(lower, sum, 16);
    LANES {
        sum[ME] += lane >= 16 ? lower[ME] : 0;
        start[ME] = sum[ME] - in_group[ME];
    }
    return gpu_from(sum, GPU_LANES - 1);
}

/* Symbols of a lane's tier 1. */
GPU_FUNCTION void tiered_first(const tiered_warp *w, const tiered_lanes *t, uint32_t *low, uint32_t *high)
{
    LANES {
        uint32_t p = t->plane0[ME], q = t->plane1[ME];
        low[ME] = GET(w->table + ((p & 15) | (q & 15) << 4));
        high[ME] = GET(w->table + (p >> 4 | (q & 0xf0)));
    }
}

/* Tier 2: its symbols join those of tier 1; the mask becomes that of symbols that go on. */
GPU_FUNCTION void tiered_second(tiered_warp *w, tiered_lanes *t, uint32_t *low, uint32_t *high)
{
    const uint32_t *table = w->table + GPU_CODES, *deposit = w->table + GPU_DEPOSIT;
    const uint8_t *scatter = (const uint8_t *)(w->table + GPU_SCATTER);
    uint32_t width = w->image->width[1], start[GPU_HELD], total = tiered_groups(t->in_group, start);
    LANES {
        int32_t at = w->at[1] + (int32_t)(width * start[ME] + t->before[ME]);
        uint32_t mask = t->mask[ME], put_low = GET(deposit + (mask & 15)), put_high = GET(deposit + (mask >> 4));
        uint32_t p = tiered_bits(w->anchor, at);
        uint32_t q = width == 1 ? p : tiered_bits(w->anchor, at + (int32_t)t->in_group[ME]);
        uint32_t up = put_low >> 16, p_high = p >> up, q_high = q >> up, on = p & q, on_high = p_high & q_high;
        low[ME] |= gpu_permute(GET(table + ((p & 15) | (q & 15) << 4)), 0, put_low);
        high[ME] |= gpu_permute(GET(table + ((p_high & 15) | (q_high & 15) << 4)), 0, put_high);
        t->mask[ME] = GET(scatter + ((mask & 15) << 4 | (on & 15))) |
                      (uint32_t)GET(scatter + ((mask & 0xf0) | (on_high & 15))) << 4;
    }
    w->at[1] += (int32_t)(width * total);
}

/* The symbols that no dense tier has: each by a lane, tier after tier, the last ones being escaped bytes. */
GPU_FUNCTION void tiered_sparse(tiered_warp *w, const tiered_lanes *t, uint32_t *low, uint32_t *high)
{
    const uint8_t *ranked = (const uint8_t *)(w->table + GPU_RANKED);
    const uint32_t tiers = w->image->tiers;
    uint32_t sums[GPU_HELD], begin[GPU_HELD], start[GPU_HELD], from[GPU_HELD];
    LANES sums[ME] = gpu_popcount(t->mask[ME]);
    gpu_sums(sums);
    uint32_t total = gpu_from(sums, GPU_LANES - 1);
    if (!total) return;
    LANES {
        uint32_t mask = t->mask[ME], next = sums[ME] - gpu_popcount(mask);
        begin[ME] = next;
        from[ME] = lane * 8; /* lane g < 4 holds where the places of group g start, the others the end */
        for (; mask; mask &= mask - 1) PUT(w->place + next++, (uint8_t)(8 * lane + gpu_first(mask)));
        PUT((gpu_word *)(w->symbol + 8 * lane), low[ME]);
        PUT((gpu_word *)(w->symbol + 8 * lane + 4), high[ME]);
    }
    gpu_shuffle(start, begin, from);
    LANES start[ME] = lane < 4 ? start[ME] : total;
    gpu_sync();
    for (uint32_t k = w->image->dense; total; k++) {
        uint32_t kept = 0, next_start[GPU_HELD];
        int32_t codes = w->at[0];
        GPU_UNROLL
        for (unsigned i = 1; i < 4; i++) codes = i == k ? w->at[i] : codes; /* so that w stays in registers */
        LANES next_start[ME] = 0;
        for (uint32_t base = 0; base < total; base += GPU_LANES) {
            uint32_t place[GPU_HELD], group[GPU_HELD], group_start[GPU_HELD], group_end[GPU_HELD], on[GPU_HELD];
            LANES {
                place[ME] = base + lane < total ? GET(w->place + base + lane) : 0;
                group[ME] = place[ME] / 64;
                from[ME] = group[ME] + 1;
            }
            gpu_shuffle(group_start, start, group);
            gpu_shuffle(group_end, start, from);
            LANES {
                on[ME] = 0;
                if (base + lane < total) {
                    uint32_t symbol;
                    if (k == tiers) {
                        symbol = READ(w->anchor + (w->escape + (int32_t)(base + lane)));
                    } else {
                        const uint32_t width = w->image->width[k], count = group_end[ME] - group_start[ME];
                        int32_t at = codes + (int32_t)((width - 1) * group_start[ME] + base + lane);
                        uint32_t code = 0;
                        for (uint32_t j = 0; j < width; j++, at += (int32_t)count)
                            code |= (READ((const gpu_word *)w->anchor + (at >> 5)) >> (at & 31) & 1) << j;
                        on[ME] = code == gpu_lowest(width);
                        symbol = GET(ranked + w->image->first[k] + code);
                    }
                    if (!on[ME]) PUT(w->symbol + place[ME], (uint8_t)symbol);
                }
            }
            uint32_t ballot = gpu_ballot(on);
            gpu_sync();
            LANES {
                uint32_t below = start[ME] > base ? start[ME] - base : 0; /* of this round's places, in lower groups */
                next_start[ME] += gpu_popcount(ballot & gpu_lowest(below));
                if (on[ME]) PUT(w->place + kept + gpu_popcount(ballot & gpu_lowest(lane)), (uint8_t)place[ME]);
            }
            kept += gpu_popcount(ballot);
            gpu_sync();
        }
        GPU_UNROLL
        for (unsigned i = 1; i < 4; i++) w->at[i] += i == k ? (int32_t)(w->image->width[i] * total) : 0;
        if (k == tiers) w->escape += (int32_t)total;
        total = kept;
        LANES start[ME] = next_start[ME];
    }
    LANES {
        low[ME] = GET((const gpu_word *)(w->symbol + 8 * lane));
        high[ME] = GET((const gpu_word *)(w->symbol + 8 * lane + 4));
    }
    gpu_sync();
}

/* A unit that is not coded. */
GPU_FUNCTION void tiered_copy(const tiered_warp *w, uint32_t *low, uint32_t *high)
{
    LANES {
        gpu_pair p = READ((const gpu_pair *)(w->anchor + w->at[0] / 8 + 8 * lane));
        low[ME] = p.x;
        high[ME] = p.y;
    }
}

/* The next GPU_STEP weights, or those that are left: lane l gets 8, from number 8 l of them on, two a word. */
GPU_FUNCTION void tiered_step(tiered_warp *w, gpu_quad *words)
{
    const uint32_t n = w->left < GPU_STEP ? w->left : (uint32_t)GPU_STEP, dense = w->image->dense;
    uint32_t low[GPU_HELD], high[GPU_HELD], rest_low[GPU_HELD], rest_high[GPU_HELD];
    tiered_lanes t;
    if (w->raw) {
        tiered_copy(w, low, high);
    } else if (n == GPU_STEP && dense) {
        tiered_whole(w, &t);
    } else {
        tiered_part(w, n, &t);
    }
    LANES {
        rest_low[ME] = w->ahead[ME].x;
        rest_high[ME] = w->ahead[ME].y;
    }
    tiered_ask(w, GPU_STEP);
    if (!w->raw) {
        if (dense) tiered_first(w, &t, low, high);
        else LANES low[ME] = high[ME] = 0;
        if (dense == 2) tiered_second(w, &t, low, high);
        tiered_sparse(w, &t, low, high);
    }
    LANES {
        gpu_quad four;
        gpu_join(rest_low[ME], low[ME], &four.x, &four.y);
        gpu_join(rest_high[ME], high[ME], &four.z, &four.w);
        words[ME] = four;
    }
    w->at[0] += (int32_t)(n * (w->raw ? 8 : w->image->width[0]));
    w->first += n;
    w->left -= n;
}

/* The kernel: a unit to its words. */
GPU_FUNCTION void gpu_tiered_decode(const gpu_image *image, uint32_t unit, const uint32_t *table, uint8_t *scratch,
                                    uint16_t *out)
{
    tiered_warp w;
    if (!tiered_open(&w, image, unit, table, scratch)) return;
    while (w.left) {
        gpu_half *to = (gpu_half *)out + w.first;
        const uint32_t n = w.left;
        gpu_quad words[GPU_HELD];
        tiered_step(&w, words);
        LANES {
            if (8 * lane + 8 <= n) {
                PUT((gpu_quad *)(to + 8 * lane), words[ME]);
            } else {
                const uint32_t word[4] = { words[ME].x, words[ME].y, words[ME].z, words[ME].w };
                GPU_UNROLL
                for (unsigned i = 0; i < 8; i++)
                    if (8 * lane + i < n) PUT(to + 8 * lane + i, (uint16_t)(word[i / 2] >> 16 * (i % 2)));
            }
        }
    }
}

#endif
