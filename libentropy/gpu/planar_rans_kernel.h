/* planar_rans_kernel.h - planar rANS to BF16 words: a warp has a group of 64 states, a round gives 64 neighbouring weights.
 *
 * A lane has two neighbouring states, so that a round's words are one store of 128 bytes.  One look-up gives the frequency and the
 * rank of a slot as bytes 0 and 1, and its symbol in place in the upper half, where the dot product of bytes with (Q, 1, 0, 0)
 * does not see it.  Two ballots tell every lane where in the string its byte is.  The string passes through a ring in shared
 * memory, 128 bytes at a time, asked for long before; sign and mantissa bytes are loaded 16 a lane for the 8 rounds of the
 * next step and handed to the lanes that need them through shared memory.  Left-out symbols are read 32 repairs at a time, and a
 * step compares the place of the next one only.
 *
 * The table is there once for each lane: lanes look up different slots, and 32 different words of a table that is there
 * once are in about 3.5 rounds of the banks (32 balls in 32 bins).
 *
 * Cost, by tests/gpu/sass.sh (nvcc 13.0, sm_90): 416 instructions of a warp for the 512 weights of a step, 26.0 for 32, and
 * some 10 more for each 128 bytes of the string.  From one round to the next a state waits for two look-ups in shared memory,
 * a product, a ballot and a population count, so that it takes several warps a scheduler to hide that. */
#ifndef ENT_GPU_PLANAR_RANS_KERNEL_H
#define ENT_GPU_PLANAR_RANS_KERNEL_H

#include "gpu/image.h"
#include "gpu/warp.h"

enum {
    PLANAR_ROUND = 64,     /* weights, and states of a group */
    PLANAR_ROUNDS = 8,     /* of a step */
    PLANAR_WINDOW = 128,   /* bytes of the string that are moved at once */
    PLANAR_RING = 4 * PLANAR_WINDOW,
    PLANAR_LOOK = 4,       /* rounds after which it is seen whether a window is due: they take at most 256 bytes */
    PLANAR_NOWHERE = 0x7fffffff
};

/* A warp at work on a unit. */
typedef struct planar_warp {
    const gpu_image *image;
    const uint32_t *table; /* shared by the block of threads */
    uint8_t *scratch;      /* likewise; the warp's own part is a ring, then the other bytes of a step */
    uint32_t mine;         /* where it begins, a multiple of its size */
    const uint8_t *string; /* at a multiple of 4 */
    const uint8_t *rest;   /* of the block */
    const uint8_t *raw;    /* exponents as they are, or NULL */
    uint64_t first;        /* weight of the block */
    uint32_t n;            /* weights of it */
    uint32_t round, log;   /* the next round's first weight in the block; from one to the next it is 2^log */
    uint32_t rounds;       /* to come */
    uint32_t at, loaded;   /* the next byte of the string; up to where it is in the ring */
    uint32_t x[2][GPU_HELD], window[GPU_HELD]; /* states; the window to come */
    gpu_quad ahead[GPU_HELD];                  /* sign and mantissa bytes of the step to come, 4 lanes a round */
    const uint8_t *repair, *repair_end;
    uint32_t counted; /* where in the block distances of repairs that are to come count from */
    uint32_t held, next_repair; /* lanes whose repair is to come; the first one's weight in the block */
    uint32_t position[GPU_HELD], symbol[GPU_HELD];
} planar_warp;

/* Fills the shared table; each thread a part, and all must wait for one another after it. */
GPU_FUNCTION void gpu_planar_prepare(const gpu_image *image, uint32_t *table, unsigned thread, unsigned threads)
{
    for (unsigned slot = thread; slot < GPU_SLOTS; slot += threads) {
        gpu_quad q;
        q.x = q.y = q.z = q.w = READ(image->table + slot);
        GPU_UNROLL
        for (unsigned k = 0; k < GPU_LANES / 4; k++) PUT((gpu_quad *)table + (GPU_LANES / 4 * slot + (k + slot) % (GPU_LANES / 4)), q);
    }
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
    GPU_ROLLED
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
        gpu_sums(sum, GPU_LANES);
        LANES w->position[ME] = w->counted + sum[ME] - 1;
        w->held = gpu_ballot(is_repair);
        w->counted += gpu_from(sum, GPU_LANES - 1);
        w->repair += 2 * (last + 1) + byte;
    }
    planar_next_repair(w);
}

/* Puts the repairs of `count` rounds from weight `round` on; those in between are of other groups' rounds. */
GPU_FUNCTION void planar_repair(planar_warp *w, uint32_t round, uint32_t count, uint32_t words[][GPU_HELD])
{
    GPU_ROLLED
    while (GPU_RARE(w->next_repair < round + (count << w->log))) {
        const uint32_t from = w->next_repair - round, turn = from >> w->log, place = from - (turn << w->log);
        const uint32_t symbol = gpu_from(w->symbol, gpu_first(w->held)), up = place % 2 * 16;
        GPU_UNROLL
        for (unsigned k = 0; k < PLANAR_ROUNDS; k++)
            LANES if (k == turn && place / 2 == lane) words[k][ME] = (words[k][ME] & ~(0x7f80u << up)) | symbol << (7 + up);
        w->held &= w->held - 1;
        if (w->held) planar_next_repair(w);
        else planar_read_repairs(w);
    }
}

/* ---- the string ------------------------------------------------------------------------------ */

GPU_FUNCTION void planar_ask(planar_warp *w)
{
    const gpu_word *p = (const gpu_word *)(w->string + w->loaded);
    LANES w->window[ME] = READ(p + lane);
}

/* Puts the window that was asked for into the ring and asks for the one after it. */
GPU_FUNCTION void planar_turn(planar_warp *w)
{
    LANES PUT((gpu_word *)(w->scratch + ((w->loaded + 4 * lane) % PLANAR_RING | w->mine)), w->window[ME]);
    w->loaded += PLANAR_WINDOW;
    gpu_sync();
    planar_ask(w);
}

/* ---- the unit -------------------------------------------------------------------------------- */

/* Asks for the sign and mantissa bytes of the step that begins with weight `round`; of rounds that are not there nothing. */
GPU_FUNCTION void planar_ask_rest(planar_warp *w, uint32_t round, uint32_t rounds)
{
    LANES {
        if (lane / 4 < rounds) w->ahead[ME] = READ((const gpu_quad *)(w->rest + (round + (lane / 4 << w->log) + lane % 4 * 16)));
    }
}

/* Two exponents at bits 7 and 23, and their other bytes, to two words. */
GPU_FUNCTION uint32_t planar_join(uint32_t exponents, uint32_t rest)
{
    return exponents | (gpu_permute(rest, 0, 0x1100) & 0x807f807fu);
}

/* Starts a unit; false if there is none of that number. */
GPU_FUNCTION bool planar_open(planar_warp *w, const gpu_image *image, uint32_t unit, const uint32_t *table,
                              uint8_t *scratch, uint32_t mine)
{
    if (unit >= image->units) return false;
    const gpu_unit *start = image->unit + unit;
    const uint32_t anchor = READ(&start->anchor), groups = READ(&start->back[3]);
    const uint32_t block = unit / image->units_per_block, group = unit % image->units_per_block;
    const uint8_t *at = image->code + (uint64_t)(anchor & ~GPU_RAW) * 16;
    if (group >= groups) return false;
    w->image = image;
    w->table = table;
    w->scratch = scratch;
    w->mine = mine;
    w->first = (uint64_t)block * image->block;
    w->n = image->weights - w->first < image->block ? (uint32_t)(image->weights - w->first) : image->block;
    w->rest = image->rest + w->first;
    w->raw = anchor & GPU_RAW ? at : NULL;
    w->log = 6 + groups / 2; /* 1, 2 or 4 groups */
    w->round = PLANAR_ROUND * group;
    w->rounds = w->raw ? w->n / PLANAR_ROUND : (w->n - 1) >> w->log;
    planar_ask_rest(w, w->round, w->rounds);
    w->next_repair = PLANAR_NOWHERE;
    if (w->raw) return true;
    LANES {
        const gpu_half *q = (const gpu_half *)(at + w->round) + lane, *s = q + (PLANAR_ROUND * groups) / 2;
        uint32_t upper = READ(q), lower = READ(s);
        w->x[0][ME] = gpu_permute(lower, upper, 0x7740);
        w->x[1][ME] = gpu_permute(lower, upper, 0x7751);
    }
    const uint32_t back = READ(&start->back[0]), whole = (back + 3) / 4 * 4; /* the anchor is at a multiple of 16 */
    w->string = at - whole;
    w->at = whole - back;
    w->loaded = 0;
    planar_ask(w);
    GPU_ROLLED
    do planar_turn(w);
    while (w->loaded - w->at < PLANAR_LOOK * PLANAR_ROUND);
    w->repair = at - READ(&start->back[1]);
    w->repair_end = w->repair + READ(&start->back[2]);
    w->counted = 0;
    planar_read_repairs(w);
    return true;
}

/* The slot's word of the table. */
GPU_FUNCTION uint32_t planar_slot(const planar_warp *w, uint32_t x, unsigned lane)
{
    return GET((const gpu_word *)((const uint8_t *)w->table + ((x << 7 & 0x7f80) | 4 * lane)));
}

GPU_FUNCTION uint32_t planar_byte(const planar_warp *w, uint32_t at)
{
    return GET(w->scratch + (at % PLANAR_RING | w->mine));
}

/* One round: a lane's two words. */
GPU_FUNCTION void planar_round(planar_warp *w, const uint32_t *rest, uint32_t *words)
{
    uint32_t v[2][GPU_HELD], few[2][GPU_HELD], after[GPU_HELD];
    LANES {
        const uint32_t e = planar_slot(w, w->x[0][ME], lane), f = planar_slot(w, w->x[1][ME], lane);
        v[0][ME] = gpu_dot4(e, gpu_permute(w->x[0][ME], 1, 0x5541), 0);
        v[1][ME] = gpu_dot4(f, gpu_permute(w->x[1][ME], 1, 0x5541), 0);
        few[0][ME] = v[0][ME] < 256;
        few[1][ME] = v[1][ME] < 256;
        words[ME] = planar_join(gpu_permute(e, f, 0x7632), rest[ME]);
    }
    const uint32_t even = gpu_ballot(few[0]), odd = gpu_ballot(few[1]);
    LANES {
        const uint32_t lower = gpu_lowest(lane);
        uint32_t at = w->at + gpu_popcount(even & lower) + gpu_popcount(odd & lower);
        w->x[0][ME] = v[0][ME];
        w->x[1][ME] = v[1][ME];
        if (few[0][ME]) w->x[0][ME] = v[0][ME] << 8 | planar_byte(w, at++);
        if (few[1][ME]) w->x[1][ME] = v[1][ME] << 8 | planar_byte(w, at++);
        after[ME] = at;
    }
    w->at = gpu_from(after, GPU_LANES - 1);
}

/* The sign and mantissa bytes of a round of the step from where a step begins put them. */
GPU_FUNCTION void planar_rest(const planar_warp *w, unsigned k, uint32_t *rest)
{
    LANES rest[ME] = GET((const gpu_half *)(w->scratch + (w->mine | (PLANAR_RING + PLANAR_ROUND * k + 2 * lane))));
}

GPU_FUNCTION void planar_copy(const planar_warp *w, uint32_t round, const uint32_t *rest, uint32_t *words)
{
    const gpu_half *p = (const gpu_half *)(w->raw + round);
    LANES words[ME] = planar_join(gpu_permute(READ(p + lane), 0, 0x4140) << 7, rest[ME]);
}

/* A unit that is not coded. */
GPU_FUNCTION void planar_copies(const planar_warp *w, uint32_t count, uint32_t words[][GPU_HELD])
{
    GPU_UNROLL
    for (unsigned k = 0; k < PLANAR_ROUNDS; k++) {
        if (k >= count) break;
        uint32_t rest[GPU_HELD];
        planar_rest(w, k, rest);
        planar_copy(w, w->round + (k << w->log), rest, words[k]);
    }
}

GPU_FUNCTION void planar_rounds(planar_warp *w, uint32_t count, uint32_t words[][GPU_HELD])
{
    GPU_UNROLL
    for (unsigned k = 0; k < PLANAR_ROUNDS; k++) {
        if (k >= count) break;
        uint32_t rest[GPU_HELD];
        planar_rest(w, k, rest);
        planar_round(w, rest, words[k]);
        if ((k + 1) % PLANAR_LOOK) continue;
        gpu_sync();
        GPU_ROLLED
        while (GPU_RARE(w->loaded - w->at < PLANAR_LOOK * PLANAR_ROUND)) planar_turn(w);
    }
    planar_repair(w, w->round, count, words);
}

/* The next `count` rounds, PLANAR_ROUNDS (as a constant: this is compiled apart) or all that are to come, if fewer.  words[k] has
 * a lane's words number 2 lane and 2 lane + 1 of 64 from weight `first + round + (k << log)` on, with `round` as it was before. */
GPU_FUNCTION void planar_step(planar_warp *w, uint32_t count, uint32_t words[][GPU_HELD])
{
    gpu_sync();
    LANES PUT((gpu_quad *)(w->scratch + (w->mine | (PLANAR_RING + 16 * lane))), w->ahead[ME]);
    gpu_sync();
    w->rounds -= count;
    planar_ask_rest(w, w->round + ((uint32_t)PLANAR_ROUNDS << w->log), w->rounds);
    if (GPU_RARE(w->raw)) planar_copies(w, count, words);
    else planar_rounds(w, count, words);
    w->round += count << w->log;
}

/* After all rounds: the lane's words of the up to 64 weights that the final states, or the end of exponents as they are,
 * have; returns how many of these 64 there are. */
GPU_FUNCTION uint32_t planar_last(const planar_warp *w, uint32_t *words)
{
    const uint32_t left = w->round < w->n ? planar_lowest(w->n - w->round, PLANAR_ROUND) : 0;
    if (!left) return 0;
    uint32_t rest[GPU_HELD];
    LANES rest[ME] = READ((const gpu_half *)(w->rest + w->round) + lane);
    if (w->raw) {
        planar_copy(w, w->round, rest, words);
    } else {
        LANES words[ME] = planar_join((w->x[0][ME] & 255) << 7 | (w->x[1][ME] & 255) << 23, rest[ME]);
    }
    return left;
}

/* The next `count` rounds to where the block's words go. */
GPU_FUNCTION void planar_put(planar_warp *w, uint32_t count, gpu_half *block)
{
    uint32_t words[PLANAR_ROUNDS][GPU_HELD];
    gpu_half *to = block + w->round;
    planar_step(w, count, words);
    GPU_UNROLL
    for (unsigned k = 0; k < PLANAR_ROUNDS; k++) {
        if (k >= count) break;
        LANES PUT((gpu_word *)(to + ((k << w->log) + 2 * lane)), words[k][ME]);
    }
}

/* The kernel: a unit to its words. */
GPU_FUNCTION void gpu_planar_decode(const gpu_image *image, uint32_t unit, const uint32_t *table, uint8_t *scratch,
                                    uint32_t mine, uint16_t *out)
{
    planar_warp w;
    uint32_t words[GPU_HELD];
    if (!planar_open(&w, image, unit, table, scratch, mine)) return;
    gpu_half *block = (gpu_half *)out + w.first;
    while (w.rounds >= PLANAR_ROUNDS) planar_put(&w, PLANAR_ROUNDS, block);
    if (GPU_RARE(w.rounds)) planar_put(&w, w.rounds, block);
    const uint32_t left = planar_last(&w, words);
    LANES {
        if (2 * lane < left) PUT(block + w.round + 2 * lane, (uint16_t)words[ME]);
        if (2 * lane + 1 < left) PUT(block + w.round + 2 * lane + 1, (uint16_t)(words[ME] >> 16));
    }
}

#endif
