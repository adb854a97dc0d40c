/* tiered_kernel.h - tiered bit planes to BF16 words, 256 neighbouring weights a step of a warp, 8 a lane.
 *
 * Tiers 1 and 2, if of at most 2 bits, are *dense*: a lane takes its 8 bits of each plane (tier 1: they are a byte;
 * tier 2: from where population counts say), looks up the symbols of 4 codes at once, and puts those of tier 2 into their
 * places by a byte permute, which is what PDEP is to bits.  The few symbols of later tiers are *sparse*: their places are
 * listed, and each is decoded by a lane of its own.
 *
 * Cost, by tests/gpu/sass.sh (nvcc 13.0, sm_90): 392 instructions of a warp for the 512 weights of two steps, 24.5 for 32, where
 * a third tier is the last; a fourth takes some 60 more where one of its symbols is among them (19 of 20 times, of normal
 * weights), and each symbol but the first of the lane that has most of the sparse ones 9 more.  The budget is in gpu.h. */
#ifndef ENT_GPU_TIERED_KERNEL_H
#define ENT_GPU_TIERED_KERNEL_H

#include "gpu/image.h"
#include "gpu/warp.h"

/* A warp at work on a unit. */
typedef struct tiered_warp {
    const gpu_image *image;
    const uint32_t *table; /* shared by the block of threads */
    uint8_t *symbol; /* the warp's own: symbols of two steps */
    gpu_half *place; /* and the places of sparse ones */
    const uint8_t *anchor;
    int32_t at[4];  /* where the next codes of each tier are, bits from the anchor */
    int32_t escape; /* the next escaped symbol, bytes from it */
    uint64_t first; /* weight of the unit */
    uint32_t left;  /* weights */
    bool raw, usual;
    const uint8_t *rest[GPU_HELD], *plane[GPU_HELD]; /* what a lane reads next: sign and mantissa bytes; tier 1, if it is usual */
    gpu_pair ahead[GPU_HELD];  /* sign and mantissa bytes of the step to come */
    gpu_quad planes[GPU_HELD]; /* tier 1 of the lane's group in it, if it is usual */
    uint32_t below[2][GPU_HELD]; /* of the bits of a group those of lower lanes */
} tiered_warp;

/* Fills the shared table; each thread a part, and all must wait for one another after it. */
GPU_FUNCTION void gpu_tiered_prepare(const gpu_image *image, uint32_t *table, unsigned thread, unsigned threads)
{
    for (unsigned i = thread; i < GPU_TIERED_TABLE; i += threads) PUT(table + i, READ(image->table + i));
}

/* Asks for what the next step needs. */
GPU_FUNCTION void tiered_ask(tiered_warp *w)
{
    LANES {
        w->ahead[ME] = READ((const gpu_pair *)w->rest[ME]);
        if (w->usual) w->planes[ME] = READ((const gpu_quad *)w->plane[ME]);
        w->rest[ME] += GPU_STEP;
        w->plane[ME] += GPU_STEP / 4;
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
    w->place = (gpu_half *)(scratch + 2 * GPU_STEP);
    w->raw = (anchor & GPU_RAW) != 0;
    w->usual = !w->raw && image->usual;
    w->anchor = image->code + (uint64_t)(anchor & ~GPU_RAW) * 16;
    w->at[0] = (int32_t)(from * (w->raw ? 8 : image->width[0]));
    GPU_UNROLL
    for (unsigned k = 1; k < 4; k++) w->at[k] = -(int32_t)READ(&image->unit[unit].back[k - 1]);
    w->escape = -(int32_t)READ(&image->unit[unit].back[3]);
    w->first = first + from;
    w->left = n - from < GPU_TILE ? n - from : (uint32_t)GPU_TILE;
    LANES {
        w->rest[ME] = image->rest + w->first + 8 * lane;
        w->plane[ME] = w->anchor + from / 4 + lane / 8 * 16;
        w->below[0][ME] = gpu_lowest(lane % 8 * 8);
        w->below[1][ME] = lane % 8 < 4 ? 0 : gpu_lowest(lane % 4 * 8);
    }
    tiered_ask(w);
    return true;
}

/* 8 bits or more of a string, from bit `at` on. */
GPU_FUNCTION uint32_t tiered_bits(const uint8_t *anchor, int32_t at)
{
    const gpu_word *p = (const gpu_word *)anchor + (at >> 5);
    return gpu_funnel(READ(p), READ(p + 1), (uint32_t)at);
}

GPU_FUNCTION uint32_t tiered_bit(const uint8_t *anchor, int32_t at)
{
    return gpu_funnel(READ((const gpu_word *)anchor + (at >> 5)), 0, (uint32_t)at) & 1;
}

/* Of a lane's 8 symbols those that have a code in the tier under work, and these codes' place in its group. */
typedef struct tiered_lanes {
    uint32_t mask[GPU_HELD];
    uint32_t before[GPU_HELD], in_group[GPU_HELD]; /* symbols: of lower lanes in the group; of all the group */
    uint32_t plane0[GPU_HELD], plane1[GPU_HELD];   /* bits of their codes, the first symbol's lowest */
} tiered_lanes;

/* Tier 1 of 2 bits and of whole groups: a lane's bits are a byte, those that go on are counted in the whole planes. */
GPU_FUNCTION void tiered_whole(const tiered_warp *w, tiered_lanes *t)
{
    LANES {
        const gpu_quad p = w->planes[ME];
        const uint32_t low = p.x & p.z, high = p.y & p.w;
        t->plane0[ME] = gpu_permute(p.x, p.y, lane % 8) & 255;
        t->plane1[ME] = gpu_permute(p.z, p.w, lane % 8) & 255;
        t->mask[ME] = t->plane0[ME] & t->plane1[ME];
        t->before[ME] = gpu_popcount(low & w->below[0][ME]) + gpu_popcount(high & w->below[1][ME]);
        t->in_group[ME] = gpu_popcount(low) + gpu_popcount(high);
    }
}

/* Tier 1 otherwise: the last group may have fewer symbols, and tier 1 need not be dense. */
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
    uint32_t sum[GPU_HELD];
    LANES sum[ME] = in_group[ME];
    gpu_add_up(sum, 8);
    gpu_add_up(sum, 16);
    LANES start[ME] = sum[ME] - in_group[ME];
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
GPU_FUNCTION void tiered_second(tiered_warp *w, uint32_t width, tiered_lanes *t, uint32_t *low, uint32_t *high)
{
    const uint32_t *table = w->table + GPU_CODES, *deposit = w->table + GPU_DEPOSIT;
    const uint8_t *scatter = (const uint8_t *)(w->table + GPU_SCATTER);
    uint32_t start[GPU_HELD], total = tiered_groups(t->in_group, start);
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

/* One lane, whose 8 symbols begin at place `first`: lists the places of those in `mask` from number `next` on, and puts the
 * symbols that are known beside the list. */
GPU_FUNCTION void tiered_mark(const tiered_warp *w, uint32_t first, uint32_t mask, uint32_t next, uint32_t low, uint32_t high)
{
    GPU_ROLLED
    for (; mask; mask &= mask - 1) PUT(w->place + next++, (uint16_t)(first + gpu_first(mask)));
    PUT((gpu_pair *)(w->symbol + first), gpu_make_pair(low, high));
}

/* Symbols that no dense tier has: how many in all, `sums` in this and lower lanes. */
GPU_FUNCTION uint32_t tiered_list(const tiered_warp *w, const tiered_lanes *t, const uint32_t *low, const uint32_t *high,
                                  uint32_t *sums)
{
    LANES sums[ME] = gpu_popcount(t->mask[ME]);
    gpu_sums(sums);
    const uint32_t total = gpu_from(sums, GPU_LANES - 1);
    if (!total) return 0;
    LANES tiered_mark(w, 8 * lane, t->mask[ME], sums[ME] - gpu_popcount(t->mask[ME]), low[ME], high[ME]);
    gpu_sync();
    return total;
}

/* Up to 32 of them, where tiers 1 and 2 are dense and later ones have 3 bits at most: a lane follows its symbol, whose place is
 * `place` and whose group's symbols have the lanes from `start` to below `end`, through the tiers.  `live` are the lanes
 * whose symbols reach a tier, so that counts in a group are population counts. */
GPU_FUNCTION void tiered_follow(tiered_warp *w, const uint32_t *place, const uint32_t *start, const uint32_t *end, uint32_t total)
{
    const uint8_t *ranked = (const uint8_t *)(w->table + GPU_RANKED);
    uint32_t group[GPU_HELD], lower[GPU_HELD], on[GPU_HELD];
    LANES {
        lower[ME] = gpu_lowest(start[ME]);
        group[ME] = gpu_lowest(end[ME]) & ~lower[ME];
    }
    uint32_t live = gpu_lowest(total);
    GPU_UNROLL
    for (uint32_t k = 2; k < 4; k++) {
        if (k > 2 && !GPU_RARE(k < w->image->tiers && live)) continue;
        const uint32_t width = w->image->width[k], last = gpu_lowest(width);
        LANES {
            on[ME] = 0;
            if (live >> lane & 1) {
                const uint32_t mine = live & group[ME];
                const int32_t count = (int32_t)gpu_popcount(mine);
                const int32_t at = w->at[k] + (int32_t)(width * gpu_popcount(live & lower[ME]) + gpu_popcount(mine & gpu_lowest(lane)));
                uint32_t code = tiered_bit(w->anchor, at);
                if (width > 1) code |= tiered_bit(w->anchor, at + count) << 1;
                if (width > 2) code |= tiered_bit(w->anchor, at + 2 * count) << 2;
                on[ME] = code == last;
                if (code != last) PUT(w->symbol + place[ME], GET(ranked + w->image->first[k] + code));
            }
        }
        w->at[k] += (int32_t)(width * gpu_popcount(live));
        live = gpu_ballot(on);
    }
    if (GPU_RARE(live)) {
        LANES if (live >> lane & 1)
            PUT(w->symbol + place[ME], READ(w->anchor + (w->escape + (int32_t)gpu_popcount(live & gpu_lowest(lane)))));
        w->escape += (int32_t)gpu_popcount(live);
    }
}

/* Up to 32 of a step. */
GPU_FUNCTION void tiered_few(tiered_warp *w, const uint32_t *sums, uint32_t total)
{
    uint32_t place[GPU_HELD], from[GPU_HELD], start[GPU_HELD], end[GPU_HELD];
    LANES {
        place[ME] = lane < total ? GET(w->place + lane) : 0;
        from[ME] = place[ME] / 64 * 8 + 7;
    }
    gpu_shuffle(end, sums, from);
    LANES from[ME] -= 8;
    gpu_shuffle(start, sums, from);
    LANES start[ME] = place[ME] < 64 ? 0 : start[ME];
    tiered_follow(w, place, start, end, total);
}

/* Any number of them, tier after tier, from the first one that is not dense on; the last ones are escaped bytes. */
GPU_FUNCTION void tiered_many(tiered_warp *w, const uint32_t *sums, uint32_t total)
{
    const uint8_t *ranked = (const uint8_t *)(w->table + GPU_RANKED);
    const uint32_t tiers = w->image->tiers;
    uint32_t start[GPU_HELD], from[GPU_HELD];
    LANES from[ME] = lane * 8 - 1; /* lane g < 4 holds where the places of group g start, the others the end */
    gpu_shuffle(start, sums, from);
    LANES start[ME] = !lane ? 0 : lane < 4 ? start[ME] : total;
    GPU_ROLLED
    for (uint32_t k = w->image->dense; total; k++) {
        uint32_t kept = 0, next_start[GPU_HELD];
        int32_t codes = w->at[0];
        GPU_UNROLL
        for (unsigned i = 1; i < 4; i++) codes = i == k ? w->at[i] : codes; /* so that w stays in registers */
        LANES next_start[ME] = 0;
        GPU_ROLLED
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
                        GPU_ROLLED
                        for (uint32_t j = 0; j < width; j++, at += (int32_t)count)
                            code |= tiered_bit(w->anchor, at) << j;
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
                if (on[ME]) PUT(w->place + kept + gpu_popcount(ballot & gpu_lowest(lane)), (uint16_t)place[ME]);
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
}

/* What has been found out of the symbols from place `first` on. */
GPU_FUNCTION void tiered_found(const tiered_warp *w, uint32_t first, uint32_t *low, uint32_t *high)
{
    gpu_sync();
    LANES {
        const gpu_pair p = GET((const gpu_pair *)(w->symbol + first + 8 * lane));
        low[ME] = p.x;
        high[ME] = p.y;
    }
    gpu_sync();
}

/* Words of the exponents and the bytes that were asked for. */
GPU_FUNCTION void tiered_join(const gpu_pair *rest, const uint32_t *low, const uint32_t *high, gpu_quad *words)
{
    LANES {
        gpu_join(rest[ME].x, low[ME], &words[ME].x, &words[ME].y);
        gpu_join(rest[ME].y, high[ME], &words[ME].z, &words[ME].w);
    }
}

/* What remains of a step when its dense tiers are known. */
GPU_FUNCTION void tiered_rest(tiered_warp *w, const tiered_lanes *t, uint32_t *low, uint32_t *high)
{
    uint32_t sums[GPU_HELD];
    const uint32_t total = tiered_list(w, t, low, high, sums);
    if (GPU_RARE(total > GPU_LANES)) tiered_many(w, sums, total);
    else if (!GPU_RARE(!total)) tiered_few(w, sums, total);
    if (!GPU_RARE(!total)) tiered_found(w, 0, low, high);
}

/* The dense tiers of the next GPU_STEP weights of a unit that is usual and has them; asks for what comes after these. */
GPU_FUNCTION void tiered_dense(tiered_warp *w, tiered_lanes *t, gpu_pair *rest, uint32_t *low, uint32_t *high)
{
    LANES rest[ME] = w->ahead[ME];
    tiered_whole(w, t);
    w->at[0] += 2 * GPU_STEP;
    w->first += GPU_STEP;
    w->left -= GPU_STEP;
    if (w->left) tiered_ask(w);
    tiered_first(w, t, low, high);
    tiered_second(w, 2, t, low, high);
}

/* Such GPU_STEP weights: lane l gets 8, from number 8 l of them on, two a word. */
GPU_FUNCTION void tiered_usual(tiered_warp *w, gpu_quad *words)
{
    tiered_lanes t;
    uint32_t low[GPU_HELD], high[GPU_HELD];
    gpu_pair rest[GPU_HELD];
    tiered_dense(w, &t, rest, low, high);
    tiered_rest(w, &t, low, high);
    tiered_join(rest, low, high, words);
}

/* Two steps of such weights, which share the work on sparse symbols where they have 32 of them at most: `sums` has those of the
 * first in its lower half, those of the second, which come after all of the first, in its upper half. */
GPU_FUNCTION void tiered_two(tiered_warp *w, gpu_quad words[2][GPU_HELD])
{
    tiered_lanes t[2];
    uint32_t low[2][GPU_HELD], high[2][GPU_HELD], sums[GPU_HELD];
    gpu_pair rest[2][GPU_HELD];
    GPU_UNROLL
    for (unsigned h = 0; h < 2; h++) tiered_dense(w, &t[h], rest[h], low[h], high[h]);
    LANES sums[ME] = gpu_popcount(t[0].mask[ME]) | gpu_popcount(t[1].mask[ME]) << 16;
    gpu_sums(sums);
    const uint32_t both = gpu_from(sums, GPU_LANES - 1), first = both & 0xffff, total = first + (both >> 16);
    if (GPU_RARE(total > GPU_LANES)) {
        GPU_UNROLL
        for (unsigned h = 0; h < 2; h++) tiered_rest(w, &t[h], low[h], high[h]);
    } else if (!GPU_RARE(!total)) {
        uint32_t place[GPU_HELD], from[GPU_HELD], start[GPU_HELD], end[GPU_HELD];
        GPU_UNROLL
        for (unsigned h = 0; h < 2; h++)
            LANES {
                const uint32_t mask = t[h].mask[ME], up_to = h ? first + (sums[ME] >> 16) : sums[ME] & 0xffff;
                tiered_mark(w, GPU_STEP * h + 8 * lane, mask, up_to - gpu_popcount(mask), low[h][ME], high[h][ME]);
            }
        gpu_sync();
        LANES {
            place[ME] = lane < total ? GET(w->place + lane) : 0;
            from[ME] = place[ME] / 64 % 4 * 8 + 7;
        }
        gpu_shuffle(end, sums, from);
        LANES from[ME] -= 8;
        gpu_shuffle(start, sums, from);
        LANES {
            start[ME] = place[ME] / 64 % 4 ? start[ME] : 0;
            start[ME] = place[ME] < GPU_STEP ? start[ME] & 0xffff : first + (start[ME] >> 16);
            end[ME] = place[ME] < GPU_STEP ? end[ME] & 0xffff : first + (end[ME] >> 16);
        }
        tiered_follow(w, place, start, end, total);
        GPU_UNROLL
        for (unsigned h = 0; h < 2; h++) tiered_found(w, GPU_STEP * h, low[h], high[h]);
    }
    GPU_UNROLL
    for (unsigned h = 0; h < 2; h++) tiered_join(rest[h], low[h], high[h], words[h]);
}

/* Exponents of n weights by any table. */
GPU_FUNCTION void tiered_any(tiered_warp *w, uint32_t n, uint32_t *low, uint32_t *high)
{
    const uint32_t dense = w->image->dense;
    tiered_lanes t;
    uint32_t sums[GPU_HELD];
    tiered_part(w, n, &t);
    LANES low[ME] = high[ME] = 0;
    if (dense) tiered_first(w, &t, low, high);
    if (dense == 2) tiered_second(w, w->image->width[1], &t, low, high);
    const uint32_t total = tiered_list(w, &t, low, high, sums);
    if (!total) return;
    tiered_many(w, sums, total);
    tiered_found(w, 0, low, high);
}

/* Exponents that are not coded. */
GPU_FUNCTION void tiered_copy(const tiered_warp *w, uint32_t *low, uint32_t *high)
{
    LANES {
        const gpu_pair p = READ((const gpu_pair *)(w->anchor + w->at[0] / 8 + 8 * lane));
        low[ME] = p.x;
        high[ME] = p.y;
    }
}

/* The same for any unit: the next GPU_STEP weights or those that are left; returns how many. */
GPU_FUNCTION uint32_t tiered_step(tiered_warp *w, gpu_quad *words)
{
    const uint32_t n = w->left < GPU_STEP ? w->left : (uint32_t)GPU_STEP;
    uint32_t low[GPU_HELD], high[GPU_HELD];
    gpu_pair rest[GPU_HELD];
    LANES rest[ME] = w->ahead[ME];
    if (w->raw) tiered_copy(w, low, high);
    else tiered_any(w, n, low, high);
    w->at[0] += (int32_t)(n * (w->raw ? 8 : w->image->width[0]));
    w->left -= n;
    if (w->left) tiered_ask(w);
    tiered_join(rest, low, high, words);
    return n;
}

/* The kernel: a unit to its words. */
GPU_FUNCTION void gpu_tiered_decode(const gpu_image *image, uint32_t unit, const uint32_t *table, uint8_t *scratch,
                                    uint16_t *out)
{
    tiered_warp w;
    if (!tiered_open(&w, image, unit, table, scratch)) return;
    gpu_half *to = (gpu_half *)out + w.first;
    for (; !GPU_RARE(!w.usual) && w.left >= 2 * GPU_STEP; to += 2 * GPU_STEP) {
        gpu_quad words[2][GPU_HELD];
        tiered_two(&w, words);
        LANES {
            PUT((gpu_quad *)(to + 8 * lane), words[0][ME]);
            PUT((gpu_quad *)(to + GPU_STEP + 8 * lane), words[1][ME]);
        }
    }
    for (; GPU_RARE(w.left); to += GPU_STEP) {
        gpu_quad words[GPU_HELD];
        const uint32_t n = tiered_step(&w, words);
        LANES {
            const uint32_t word[4] = { words[ME].x, words[ME].y, words[ME].z, words[ME].w };
            GPU_UNROLL
            for (unsigned i = 0; i < 8; i++)
                if (8 * lane + i < n) PUT(to + 8 * lane + i, (uint16_t)(word[i / 2] >> 16 * (i % 2)));
        }
    }
}

#endif
