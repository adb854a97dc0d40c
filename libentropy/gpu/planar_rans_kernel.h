/* planar_rans_kernel.h - planar rANS to BF16 words: a warp has a group of 64 states, a round gives 64 neighbouring weights.
 *
 * A lane has two neighbouring states, so that a round's words are one store of 128 bytes.  One look-up gives the frequency and the
 * rank of a slot as bytes 0 and 1, and its symbol in place in the upper half, where the dot product of bytes with (Q, 1, 0, 0)
 * does not see it.  Two ballots tell every lane where in the string its byte is; 128 bytes of the string at a time pass
 * from memory through a ring of shared memory, asked for long before.  Left-out symbols are read 32 repairs at a time,
 * and a round compares the place of the next one only.
 *
 * The table is there once for each lane: lanes look up different slots, and 32 different words of a table that is there
 * once are in about 3.5 rounds of the banks (32 balls in 32 bins).
 *
 * Cost of a round, by hand: 2 x 12 instructions for the states, 12 to move on, join, load and store, so 18 for 32 weights. */
#ifndef ENT_GPU_PLANAR_RANS_KERNEL_H
#define ENT_GPU_PLANAR_RANS_KERNEL_H

#include "gpu/image.h"
#include "gpu/warp.h"

enum {
    PLANAR_ROUND = 64,    /* weights, and states of a group */
    PLANAR_AHEAD = 8,     /* rounds of a step, whose other bytes are asked for a step before */
    PLANAR_WINDOW = 128,  /* bytes of the string that are moved at once */
    PLANAR_NOWHERE = 0x7fffffff
};

/* A warp at work on a unit. */
typedef struct planar_warp {
    const gpu_image *image;
    const uint32_t *table; /* shared by the block of threads */
    uint8_t *ring;         /* the warp's own: two windows of the string */
    const uint8_t *string; /* at a multiple of 4 */
    const uint8_t *rest;   /* of the block */
    const uint8_t *raw;    /* exponents as they are, or NULL */
    uint64_t first;        /* weight of the block */
    uint32_t n;            /* weights of it */
    uint32_t round, stride; /* the next round's first weight in the block; from one to the next */
    uint32_t rounds;       /* to come */
    uint32_t at;           /* the next byte of the string */
    uint32_t x[2][GPU_HELD], window[GPU_HELD]; /* states; the window to come */
    uint32_t ahead[PLANAR_AHEAD][GPU_HELD];    /* sign and mantissa bytes of the rounds to come */
    const uint8_t *repair, *repair_end;
    uint32_t counted; /* where in the block distances of repairs that are to come count from */
    uint32_t held, next_repair; /* lanes whose repair is to come; the first one's weight in the block */
    uint32_t position[GPU_HELD], symbol[GPU_HELD];
} planar_warp;

/* Fills the shared table; each thread a part, and all must wait for one another after it. */
GPU_FUNCTION void gpu_planar_prepare(const gpu_image *image, uint32_t *table, unsigned thread, unsigned threads)
{
    for (unsigned i = thread; i < GPU_PLANAR_TABLE; i += threads) PUT(table + i, READ(image->table + i / GPU_LANES));
}

GPU_FUNCTION uint32_t planar_lowest(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---- repairs -------------------------------------------------------------------------------- */

GPU_FUNCTION void planar_next_repair(planar_warp *w)
{
    w->next_repair = w->held ? gpu_from(w->position, gpu_first(w->held)) : (uint32_t)PLANAR_NOWHERE;
}

/* Reads up to 32 entries, until there are repairs among them: each lane one, but none behind the first whose symbol is a
 * byte that follows. */
GPU_FUNCTION void planar_read_repairs(planar_warp *w)
{
    const uint8_t *list = (const uint8_t *)(w->image->table + GPU_SLOTS);
    for (w->held = 0; !w->held && w->repair_end - w->repair >= 2;) {
        const uint32_t there = planar_lowest((uint32_t)(w->repair_end - w->repair) / 2, GPU_LANES);
        uint32_t entry[GPU_HELD], far[GPU_HELD], sum[GPU_HELD], is_repair[GPU_HELD];
        LANES {
            const uint8_t *p = w->repair + 2 * planar_lowest(lane, there - 1);
            entry[ME] = READ(p) | (uint32_t)READ(p + 1) << 8;
            far[ME] = lane < there && entry[ME] >> 12 == 15;
        }
        const uint32_t last = planar_lowest(gpu_first(gpu_ballot(far)), there - 1), byte = gpu_from(far, last);
        LANES {
            uint32_t distance = entry[ME] & 4095, name = entry[ME] >> 12;
            is_repair[ME] = lane <= last && distance != 4095;
            sum[ME] = lane <= last ? distance + is_repair[ME] : 0;
            w->symbol[ME] = name < 15 ? READ(list + name) : 0;
            if (lane == last && name == 15) w->symbol[ME] = READ(w->repair + 2 * last + 2);
        }
        gpu_sums(sum);
        LANES w->position[ME] = w->counted + sum[ME] - 1;
        w->held = gpu_ballot(is_repair);
        w->counted += gpu_from(sum, GPU_LANES - 1);
        w->repair += 2 * (last + 1) + byte;
    }
    planar_next_repair(w);
}

/* Puts the repairs of a round, or before it, which are of other groups' rounds, behind this warp. */
GPU_FUNCTION void planar_repair(planar_warp *w, uint32_t *words)
{
    while (w->next_repair < w->round + PLANAR_ROUND) {
        const uint32_t from = w->next_repair - w->round, symbol = gpu_from(w->symbol, gpu_first(w->held));
        LANES {
            const unsigned up = 16 * (from % 2);
            if (from / 2 == lane) words[ME] = (words[ME] & ~(0x7f80u << up)) | symbol << (7 + up);
        }
        w->held &= w->held - 1;
        if (w->held) planar_next_repair(w);
        else planar_read_repairs(w);
    }
}

/* ---- the string ------------------------------------------------------------------------------ */

GPU_FUNCTION void planar_ask(planar_warp *w, uint32_t window)
{
    const gpu_word *p = (const gpu_word *)(w->string + window * PLANAR_WINDOW);
    LANES w->window[ME] = READ(p + lane);
}

/* Puts the window that was asked for into the ring and asks for the one after it. */
GPU_FUNCTION void planar_turn(planar_warp *w, uint32_t window)
{
    LANES PUT((gpu_word *)w->ring + (window % 2 * 32 + lane), w->window[ME]);
    gpu_sync();
    planar_ask(w, window + 1);
}

/* ---- the unit -------------------------------------------------------------------------------- */

/* The sign and mantissa bytes of the lane's two weights. */
GPU_FUNCTION void planar_ask_rest(const planar_warp *w, uint32_t round, uint32_t *rest)
{
    const gpu_half *p = (const gpu_half *)(w->rest + round);
    LANES rest[ME] = READ(p + lane);
}

/* Two exponents at bits 7 and 23, and their other bytes, to two words. */
GPU_FUNCTION uint32_t planar_join(uint32_t exponents, uint32_t rest)
{
    return exponents | (gpu_permute(rest, 0, 0x1100) & 0x807f807fu);
}

/* Starts a unit; false if there is none of that number. */
GPU_FUNCTION bool planar_open(planar_warp *w, const gpu_image *image, uint32_t unit, const uint32_t *table, uint8_t *ring)
{
    if (unit >= image->units) return false;
    const gpu_unit *start = image->unit + unit;
    const uint32_t anchor = READ(&start->anchor), groups = READ(&start->back[3]);
    const uint32_t block = unit / image->units_per_block, group = unit % image->units_per_block;
    const uint8_t *at = image->code + (uint64_t)(anchor & ~GPU_RAW) * 16;
    if (group >= groups) return false;
    w->image = image;
    w->table = table;
    w->ring = ring;
    w->first = (uint64_t)block * image->block;
    w->n = image->weights - w->first < image->block ? (uint32_t)(image->weights - w->first) : image->block;
    w->rest = image->rest + w->first;
    w->raw = anchor & GPU_RAW ? at : NULL;
    w->stride = PLANAR_ROUND * groups;
    w->round = PLANAR_ROUND * group;
    w->rounds = w->raw ? w->n / PLANAR_ROUND : (w->n - 1) / w->stride;
    GPU_UNROLL
    for (unsigned k = 0; k < PLANAR_AHEAD; k++)
        if (k < w->rounds) planar_ask_rest(w, w->round + k * w->stride, w->ahead[k]);
    w->next_repair = PLANAR_NOWHERE;
    if (w->raw) return true;
    LANES {
        const gpu_half *q = (const gpu_half *)(at + w->round) + lane, *s = (const gpu_half *)(at + w->stride + w->round) + lane;
        uint32_t upper = READ(q), lower = READ(s);
        w->x[0][ME] = gpu_permute(lower, upper, 0x7740) & 0xffff;
        w->x[1][ME] = gpu_permute(lower, upper, 0x7751) & 0xffff;
    }
    const uint32_t back = READ(&start->back[0]), whole = (back + 3) / 4 * 4; /* the anchor is at a multiple of 16 */
    w->string = at - whole;
    w->at = whole - back;
    planar_ask(w, 0);
    planar_turn(w, 0);
    planar_turn(w, 1);
    w->repair = at - READ(&start->back[1]);
    w->repair_end = w->repair + READ(&start->back[2]);
    w->counted = 0;
    planar_read_repairs(w);
    return true;
}

/* One round: a lane's two words. */
GPU_FUNCTION void planar_round(planar_warp *w, const uint32_t *rest, uint32_t *words)
{
    uint32_t v[2][GPU_HELD], short_of[2][GPU_HELD];
    LANES {
        const uint32_t *mine = w->table + lane;
        const uint32_t e = GET(mine + (w->x[0][ME] & 255) * GPU_LANES), f = GET(mine + (w->x[1][ME] & 255) * GPU_LANES);
        v[0][ME] = gpu_dot4(e, gpu_permute(w->x[0][ME], 1, 0x5541));
        v[1][ME] = gpu_dot4(f, gpu_permute(w->x[1][ME], 1, 0x5541));
        short_of[0][ME] = v[0][ME] < 256;
        short_of[1][ME] = v[1][ME] < 256;
        words[ME] = planar_join(gpu_permute(e, f, 0x7632), rest[ME]);
    }
    const uint32_t even = gpu_ballot(short_of[0]), odd = gpu_ballot(short_of[1]), before = w->at / PLANAR_WINDOW;
    LANES {
        const uint32_t lower = gpu_lowest(lane);
        uint32_t at = w->at + gpu_popcount(even & lower) + gpu_popcount(odd & lower);
        w->x[0][ME] = v[0][ME];
        w->x[1][ME] = v[1][ME];
        if (short_of[0][ME]) w->x[0][ME] = v[0][ME] << 8 | GET(w->ring + at++ % (2 * PLANAR_WINDOW));
        if (short_of[1][ME]) w->x[1][ME] = v[1][ME] << 8 | GET(w->ring + at % (2 * PLANAR_WINDOW));
    }
    w->at += gpu_popcount(even) + gpu_popcount(odd);
    if (w->at / PLANAR_WINDOW != before) {
        gpu_sync();
        planar_turn(w, before + 2);
    }
    planar_repair(w, words);
}

GPU_FUNCTION void planar_copy(const planar_warp *w, const uint32_t *rest, uint32_t *words)
{
    const gpu_half *p = (const gpu_half *)(w->raw + w->round);
    LANES words[ME] = planar_join(gpu_permute(READ(p + lane), 0, 0x4140) << 7, rest[ME]);
}

/* The next rounds, PLANAR_AHEAD or those that are to come: words[k] has a lane's words number 2 lane and 2 lane + 1 of 64 from
 * weight `first + round + k * stride`, with `round` as it was before. */
GPU_FUNCTION void planar_step(planar_warp *w, uint32_t words[][GPU_HELD])
{
    GPU_UNROLL
    for (unsigned k = 0; k < PLANAR_AHEAD; k++) {
        if (!w->rounds) break;
        uint32_t rest[GPU_HELD];
        LANES rest[ME] = w->ahead[k][ME];
        if (w->rounds > PLANAR_AHEAD) planar_ask_rest(w, w->round + PLANAR_AHEAD * w->stride, w->ahead[k]);
        if (w->raw) planar_copy(w, rest, words[k]);
        else planar_round(w, rest, words[k]);
        w->round += w->stride;
        w->rounds--;
    }
}

/* After all rounds: the lane's words of the up to 64 weights that the final states, or the end of exponents as they are,
 * have; returns how many of these 64 there are. */
GPU_FUNCTION uint32_t planar_last(const planar_warp *w, uint32_t *words)
{
    const uint32_t left = w->round < w->n ? planar_lowest(w->n - w->round, PLANAR_ROUND) : 0;
    if (!left) return 0;
    uint32_t rest[GPU_HELD];
    planar_ask_rest(w, w->round, rest);
    if (w->raw) {
        planar_copy(w, rest, words);
    } else {
        LANES words[ME] = planar_join((w->x[0][ME] & 255) << 7 | (w->x[1][ME] & 255) << 23, rest[ME]);
    }
    return left;
}

/* The kernel: a unit to its words. */
GPU_FUNCTION void gpu_planar_decode(const gpu_image *image, uint32_t unit, const uint32_t *table, uint8_t *ring,
                                    uint16_t *out)
{
    planar_warp w;
    uint32_t words[PLANAR_AHEAD][GPU_HELD];
    if (!planar_open(&w, image, unit, table, ring)) return;
    gpu_half *block = (gpu_half *)out + w.first;
    while (w.rounds) {
        const uint32_t rounds = w.rounds, round = w.round;
        planar_step(&w, words);
        GPU_UNROLL
        for (unsigned k = 0; k < PLANAR_AHEAD; k++) {
            gpu_word *to = (gpu_word *)(block + round + k * w.stride);
            LANES if (k < rounds) PUT(to + lane, words[k][ME]);
        }
    }
    const uint32_t left = planar_last(&w, words[0]);
    LANES {
        if (2 * lane < left) PUT(block + w.round + 2 * lane, (uint16_t)words[0][ME]);
        if (2 * lane + 1 < left) PUT(block + w.round + 2 * lane + 1, (uint16_t)(words[0][ME] >> 16));
    }
}

#endif
