/* tiered_kernel.h - tiered bit planes to exponents, a group of 64 weights a lane.
 *
 * The codes of a group lie together, plane after plane (a plane is one bit of each), so that a lane can follow them through all tiers alone; only where its
 * codes start in tier 2 and later is a sum over the lanes before it.  `span` lanes beside each other (32 to decode, 4 for products)
 * have groups beside each other, and the spans of a warp may be anywhere.
 *
 * Tiers 1 and 2, of 2 bits each, are *dense*: a look-up by two nibbles of the planes gives the symbols of 4 codes of tier 1, how many
 * of them go on, and the byte permute that puts as many symbols of tier 2, looked up likewise, into their places (what PDEP is
 * to bits).  The table is in shared memory in 16 copies (tier 1, 8 bytes an entry) and 32 (tier 2, 4 bytes), so that no two lanes that
 * look something up at once use the same bank.  What is in neither is marked; a lane goes through its marks in tier 3 one by one.
 * Tables of other shapes, and the last step of a unit that is not whole, go bit by bit.
 *
 * Symbols come to lie in the warp's shared memory, in place and *turned*: rotated right by a bit, so that what a BF16 word
 * has of them in its upper byte is the lower 7 bits, and in its lower byte the highest.
 *
 * Cost: tests/gpu/sass.sh; the budget is in entropy/gpu.h. */
#ifndef ENT_GPU_TIERED_KERNEL_H
#define ENT_GPU_TIERED_KERNEL_H

#include "gpu/image.h"
#include "gpu/warp.h"

enum {
    TIERED_STEP = 64 * GPU_LANES, /* weights of a warp's step */
    TIERED_MARKS = GPU_MARK * 0x01010101,
    TIERED_ROUNDS = 5, /* for symbols of tier 3, of normal weights where a lane has most (4.5: test_gpu --bits) */
    TIERED_FEW = 30 /* bits of a word less those of a code but one */
};

/* A warp at work.  Positions are those of its span. */
typedef struct tiered_warp {
    const gpu_image *image;
    const uint8_t *table; /* shared by the block of threads */
    gpu_place group[GPU_HELD]; /* symbols of the lane's group: number i is at group ^ i */
    uint32_t raw_lanes;   /* where exponents are as they are */
    const uint8_t *anchor[GPU_HELD];
    int32_t at[5][GPU_HELD]; /* where the next codes of each tier are, bits from the anchor; [4]: escaped symbols, bytes */
    const uint8_t *next[GPU_HELD]; /* what the lane reads next: planes of tier 1, or exponents as they are */
    gpu_quad planes[GPU_HELD];     /* of the lane's group in the step to come, of 2 bits; 0 where exponents are as they are */
} tiered_warp;

/* Fills the shared table; each thread a part, and all must wait for one another after it.  One load a thread of 512, and stores that
 * meet in no bank. */
GPU_FUNCTION void gpu_tiered_prepare(const gpu_image *image, uint32_t *table, unsigned thread, unsigned threads)
{
    for (unsigned i = thread; i < 2 * GPU_CODES; i += threads) { /* half of the copies of a code, of tier 1 or of tier 2 */
        gpu_quad q;
        if (i % 2) {
            q.x = q.y = q.z = q.w = READ(image->table + GPU_SECOND + i / 2);
        } else {
            const gpu_pair e = READ((const gpu_pair *)(image->table + GPU_FIRST) + i / 2);
            q.x = q.z = e.x;
            q.y = q.w = e.y;
        }
        GPU_UNROLL
        for (unsigned k = 0; k < 8; k++) PUT((gpu_quad *)table + (8 * i + (k + i) % 8), q);
    }
}

/* Four exponents, turned and back. */
GPU_FUNCTION uint32_t tiered_turn(uint32_t exponents) { return (exponents >> 1 & 0x7f7f7f7fu) | (exponents << 7 & 0x80808080u); }

/* Sign and mantissa bytes of four BF16 words and their turned exponents, to the words. */
GPU_FUNCTION void tiered_join(uint32_t rest, uint32_t turned, uint32_t *low_words, uint32_t *high_words)
{
    const uint32_t high = gpu_select(0x80808080u, rest, turned), low = gpu_select(0x80808080u, turned, rest);
    *low_words = gpu_permute(low, high, 0x5140);
    *high_words = gpu_permute(low, high, 0x7362);
}

/* Where in the warp's memory symbol i of a group is.  The 16 bytes that 8 lanes touch together are in different banks, whether these
 * have 8 groups, quarters of 2 neighbouring ones, or of 2 that are 4 apart.  Each bit of both numbers flips bits of its own: what is at
 * a ^ b is where a is ^ where b is, so that few instructions go from one to the next; its start is a multiple of GPU_ALIGN. */
GPU_FUNCTION uint32_t tiered_symbol(uint32_t group, uint32_t i)
{
    return (group >> 1) * 128 ^ ((group ^ group >> 2) & 1) * 64 ^ (group >> 1 & 3) * 16 ^ i;
}

/* ---- where things are ------------------------------------------------------------------------ */

/* Asks for what the next step needs of tier 1. */
GPU_FUNCTION void tiered_ask(tiered_warp *w, uint32_t span)
{
    LANES {
        if (w->raw_lanes >> lane & 1) continue;
        w->planes[ME] = READ((const gpu_quad *)w->next[ME]);
        w->next[ME] += span * 16;
    }
}

/* `shared`: the table, and at byte `own` the warp's memory. */
GPU_FUNCTION void tiered_begin(tiered_warp *w, const gpu_image *image, uint32_t *shared, uint32_t own)
{
    w->image = image;
    w->table = (const uint8_t *)shared;
    LANES w->group[ME] = gpu_place_of((uint8_t *)shared + own + tiered_symbol(lane, 0));
}

/* Goes to a quarter of a unit; each lane says which, and its unit's first weight in the block. */
GPU_FUNCTION void tiered_seek(tiered_warp *w, uint32_t span, const uint32_t *unit, const uint32_t *from, const uint32_t *quarter)
{
    uint32_t raw[GPU_HELD];
    LANES {
        const gpu_image *image = w->image;
        const gpu_unit *start = image->unit + unit[ME];
        const uint32_t anchor = READ(&start->anchor), first = from[ME] + quarter[ME] * GPU_QUARTER, group = lane % span;
        raw[ME] = anchor & GPU_RAW;
        w->anchor[ME] = image->code + (uint64_t)(anchor & ~GPU_RAW) * 16;
        w->at[0][ME] = (int32_t)(first * image->width[0]);
        w->next[ME] = w->anchor[ME] + (raw[ME] ? first + 64 * group : first / 4 + 16 * group);
        w->planes[ME].x = w->planes[ME].y = w->planes[ME].z = w->planes[ME].w = 0;
        GPU_UNROLL
        for (unsigned k = 1; k < 5; k++) w->at[k][ME] = -(int32_t)READ(&start->back[k - 1]);
        if (quarter[ME]) {
            const gpu_pair on = READ((const gpu_pair *)(image->quarter + (3 * (uint64_t)unit[ME] + quarter[ME] - 1)));
            w->at[1][ME] += (int32_t)(on.x & 0xffff);
            w->at[2][ME] += (int32_t)(on.x >> 16);
            w->at[3][ME] += (int32_t)(on.y & 0xffff);
            w->at[4][ME] += (int32_t)(on.y >> 16);
        }
    }
    w->raw_lanes = gpu_ballot(raw);
    if (w->image->usual) tiered_ask(w, span);
    LANES { /* steps wait for codes of tier 2, of which 1024 normal weights have 72 bytes, then of tier 3 (12), then for the escaped */
        const uint32_t lines = span == GPU_LANES ? 5 : 2, i = lane % span;
        int32_t at = (w->at[1][ME] >> 3) + (int32_t)(64 * i);
        if (i == lines) at = w->at[2][ME] >> 3;
        if (i == lines + 1) at = w->at[4][ME];
        if (i < lines + 2) gpu_prefetch(w->anchor[ME] + at);
    }
}

/* 32 bits of a string, from bit `at` on. */
GPU_FUNCTION uint32_t tiered_bits(const uint8_t *anchor, int32_t at)
{
    const gpu_word *p = (const gpu_word *)anchor + (at >> 5);
    return gpu_funnel(READ(p), READ(p + 1), (uint32_t)at);
}

GPU_FUNCTION uint32_t tiered_bit(const uint8_t *anchor, int32_t at)
{
    return gpu_funnel(READ((const gpu_word *)anchor + (at >> 5)), 0, (uint32_t)at) & 1;
}

/* Where the codes of the lane's `count` symbols in tier k start, and where the span's next ones will; `size` is that of a code. */
GPU_FUNCTION void tiered_place(tiered_warp *w, unsigned k, uint32_t size, uint32_t span, const uint32_t *count, int32_t *at)
{
    uint32_t sum[GPU_HELD], last[GPU_HELD], total[GPU_HELD];
    LANES {
        sum[ME] = count[ME];
        last[ME] = lane | (span - 1);
    }
    gpu_sums(sum, span);
    gpu_shuffle(total, sum, last);
    LANES {
        at[ME] = w->at[k][ME] + (int32_t)(size * (sum[ME] - count[ME]));
        w->at[k][ME] += (int32_t)(size * total[ME]);
    }
}

/* ---- symbols of any tier ----------------------------------------------------------------------- */

/* Some of a lane's 64 symbols. */
typedef struct tiered_set {
    uint32_t low, high;
} tiered_set;

GPU_FUNCTION uint32_t tiered_count(tiered_set s) { return gpu_popcount(s.low) + gpu_popcount(s.high); }

/* Takes out the first one of a set that has some. */
GPU_FUNCTION uint32_t tiered_take(tiered_set *s)
{
    const uint32_t place = s->low ? gpu_first(s->low) : 32 + gpu_first(s->high);
    if (s->low) s->low &= s->low - 1;
    else s->high &= s->high - 1;
    return place;
}

GPU_FUNCTION void tiered_add(tiered_set *s, uint32_t place)
{
    if (place < 32) s->low |= 1u << place;
    else s->high |= 1u << (place - 32);
}

GPU_FUNCTION uint32_t tiered_any_left(const tiered_set *left)
{
    uint32_t there[GPU_HELD];
    LANES there[ME] = left[ME].low | left[ME].high;
    return gpu_ballot(there);
}

/* Tier k of those left, which become those that go on from it. */
GPU_FUNCTION void tiered_follow(tiered_warp *w, unsigned k, uint32_t span, tiered_set *left)
{
    const uint8_t *ranked = (const uint8_t *)(w->image->table + GPU_RANKED) + w->image->first[k];
    const uint32_t width = w->image->width[k];
    uint32_t count[GPU_HELD];
    int32_t at[GPU_HELD];
    LANES count[ME] = tiered_count(left[ME]);
    tiered_place(w, k, width, span, count, at);
    LANES {
        tiered_set from = left[ME], on = { 0, 0 };
        int32_t place = at[ME];
        GPU_ROLLED
        for (; from.low | from.high; place++) {
            const uint32_t i = tiered_take(&from);
            uint32_t code = 0;
            GPU_ROLLED
            for (uint32_t j = 0; j < width; j++) code |= tiered_bit(w->anchor[ME], place + (int32_t)(j * count[ME])) << j;
            if (code == gpu_lowest(width)) tiered_add(&on, i);
            gpu_put_byte(code != gpu_lowest(width), w->group[ME] ^ i, tiered_turn(READ(ranked + code)));
        }
        left[ME] = on;
    }
}

/* Those left, from tier `k` on to the escaped ones. */
GPU_FUNCTION void tiered_late(tiered_warp *w, unsigned k, uint32_t span, tiered_set *left)
{
    GPU_UNROLL
    for (unsigned i = 0; i < 4; i++) {
        if (i < k || !GPU_RARE(i < w->image->tiers) || !tiered_any_left(left)) continue;
        tiered_follow(w, i, span, left);
    }
    if (!tiered_any_left(left)) return;
    uint32_t count[GPU_HELD];
    int32_t at[GPU_HELD];
    LANES count[ME] = tiered_count(left[ME]);
    tiered_place(w, 4, 1, span, count, at);
    LANES {
        const uint8_t *escaped = w->anchor[ME] + at[ME];
        GPU_WHILE(left[ME].low | left[ME].high, 1)
            gpu_put_byte(1, w->group[ME] ^ tiered_take(&left[ME]), tiered_turn(READ(escaped++)));
    }
}

/* ---- the usual tables ---------------------------------------------------------------------------- */

/* 32 of a lane's symbols to `to` in its memory: p and q are the planes of tier 1, u and v those of tier 2 from the first
 * of them on.  The ones that neither tier has. */
GPU_FUNCTION uint32_t tiered_dense(const tiered_warp *w, unsigned lane, gpu_place to, uint32_t p, uint32_t q, uint32_t u, uint32_t v)
{
    const uint32_t even = gpu_select(0x0f0f0f0fu, p, q << 4), odd = gpu_select(0x0f0f0f0fu, p >> 4, q);
    const uint32_t first = lane % 16 * 8, second = 128 + lane * 4; /* of a table's entries, the lane's own copies */
    uint32_t left = 0, marks = 0, four[8];
    v = gpu_funnel(v, v, 28); /* its first 4 bits beside those of u */
    GPU_UNROLL
    for (unsigned i = 0; i < 8; i++) {
        const gpu_pair e = GET((const gpu_pair *)(w->table + gpu_permute(i % 2 ? odd : even, first, 0x5504 | i / 2 << 4)));
        const uint32_t s = GET((const gpu_word *)(w->table + gpu_permute(gpu_select(0x0f, u, v), second, 0x5504)));
        const uint32_t by = e.y >> 16; /* that go on, whose places the lower half of e.y has */
        u >>= by;
        v = gpu_funnel(v, v, by);
        four[i] = gpu_permute(s, e.x, e.y);
        marks = gpu_dot4(four[i] & TIERED_MARKS, i % 2 ? 0x80402010u : 0x08040201u, i % 2 ? marks : 0);
        if (i % 2) left += i == 1 ? marks / GPU_MARK : marks << (4 * (i - 1) - 6);
    }
    GPU_UNROLL
    for (unsigned i = 0; i < 2; i++) {
        gpu_quad s;
        s.x = four[4 * i];
        s.y = four[4 * i + 1];
        s.z = four[4 * i + 2];
        s.w = four[4 * i + 3];
        gpu_put_quad(to ^ 16 * i, s);
    }
    return left;
}

/* The next codes of a tier of 3 bits at most: bit k of each in plane[k], at bit k. */
typedef struct tiered_codes {
    uint32_t plane[3];
} tiered_codes;

/* From bit `at` on, of a group that has n in the tier. */
GPU_FUNCTION void tiered_fetch(const uint8_t *anchor, int32_t at, int32_t n, uint32_t width, tiered_codes *c)
{
    c->plane[0] = tiered_bits(anchor, at);
    c->plane[1] = width > 1 ? tiered_bits(anchor, at + n) << 1 : 0;
    c->plane[2] = width > 2 ? tiered_bits(anchor, at + 2 * n) << 2 : 0;
}

/* The first of `left` by the next code, to where `to` has number 0. */
GPU_FUNCTION void tiered_next(const tiered_warp *w, gpu_place to, uint32_t *left, tiered_codes *c)
{
    const uint32_t code = gpu_select(3, gpu_select(1, c->plane[0], c->plane[1]), c->plane[2]) & 7;
    gpu_put_byte(*left, to ^ gpu_first(*left), gpu_permute(w->image->third[0], w->image->third[1], code));
    *left &= *left - 1;
    GPU_UNROLL
    for (unsigned k = 0; k < 3; k++) c->plane[k] >>= 1;
}

/* Which of n codes are all ones. */
GPU_FUNCTION uint32_t tiered_ones(const tiered_codes *c, uint32_t width, uint32_t n)
{
    uint32_t ones = c->plane[0] & gpu_lowest(n);
    if (width > 1) ones &= c->plane[1] >> 1;
    if (width > 2) ones &= c->plane[2] >> 2;
    return ones;
}

/* Leaves of both halves of a set the elements whose numbers in the half `low` and `high` have. */
GPU_FUNCTION void tiered_keep(tiered_set *s, uint32_t low, uint32_t high)
{
    tiered_set from = *s;
    s->low = s->high = 0;
    GPU_WHILE(low | high, 3) {
        if (low & 1) s->low |= from.low & (0 - from.low);
        if (high & 1) s->high |= from.high & (0 - from.high);
        from.low &= from.low - 1;
        from.high &= from.high - 1;
        low >>= 1;
        high >>= 1;
    }
}

/* Tier 3, of 3 bits at most, where no lane has more than TIERED_FEW of it: both halves of its 64 symbols go on together. */
GPU_FUNCTION void tiered_third(tiered_warp *w, uint32_t span, const uint32_t *count, tiered_set *left)
{
    const uint32_t width = w->image->width[2];
    uint32_t low_ones[GPU_HELD], high_ones[GPU_HELD], ones[GPU_HELD];
    int32_t at[GPU_HELD];
    tiered_place(w, 2, width, span, count, at);
    LANES {
        const uint32_t lows = gpu_popcount(left[ME].low);
        const int32_t n = (int32_t)count[ME];
        tiered_set from = left[ME];
        tiered_codes low, high;
        tiered_fetch(w->anchor[ME], at[ME], n, width, &low);
        tiered_fetch(w->anchor[ME], at[ME] + (int32_t)lows, n, width, &high);
        low_ones[ME] = tiered_ones(&low, width, lows);
        high_ones[ME] = tiered_ones(&high, width, count[ME] - lows);
        ones[ME] = low_ones[ME] | high_ones[ME];
        GPU_WHILE(from.low | from.high, TIERED_ROUNDS) {
            tiered_next(w, w->group[ME], &from.low, &low);
            tiered_next(w, w->group[ME] ^ 32, &from.high, &high);
        }
    }
    if (!gpu_ballot(ones)) return;
    LANES tiered_keep(&left[ME], low_ones[ME], high_ones[ME]);
    tiered_late(w, 3, span, left);
}

/* A step of whole groups, where tiers 1 and 2 are dense. */
GPU_FUNCTION void tiered_usual(tiered_warp *w, uint32_t span)
{
    tiered_set on[GPU_HELD], left[GPU_HELD];
    uint32_t count[GPU_HELD], many[GPU_HELD];
    int32_t at[GPU_HELD];
    LANES {
        on[ME].low = w->planes[ME].x & w->planes[ME].z;
        on[ME].high = w->planes[ME].y & w->planes[ME].w;
        count[ME] = tiered_count(on[ME]);
    }
    tiered_place(w, 1, 2, span, count, at);
    LANES {
        const uint8_t *anchor = w->anchor[ME];
        const gpu_quad t = w->planes[ME];
        const int32_t n = (int32_t)count[ME], half = (int32_t)gpu_popcount(on[ME].low);
        left[ME].low = tiered_dense(w, lane, w->group[ME], t.x, t.z, tiered_bits(anchor, at[ME]), tiered_bits(anchor, at[ME] + n));
        left[ME].high = tiered_dense(w, lane, w->group[ME] ^ 32, t.y, t.w, tiered_bits(anchor, at[ME] + half), tiered_bits(anchor, at[ME] + n + half));
        count[ME] = tiered_count(left[ME]);
        many[ME] = count[ME] > TIERED_FEW;
    }
    if (GPU_RARE(w->image->tiers == 2 || gpu_ballot(many))) tiered_late(w, 2, span, left);
    else tiered_third(w, span, count, left);
}

/* ---- a step ------------------------------------------------------------------------------------------ */

/* The next symbols, 64 a lane, of n that are left to a span, to the warp's memory.  All lanes may read them after a gpu_sync, and the
 * next step needs another. */
GPU_FUNCTION void tiered_step(tiered_warp *w, uint32_t span, uint32_t n)
{
    if (GPU_RARE(!w->image->usual || n < span * 64)) {
        tiered_set left[GPU_HELD];
        LANES {
            const uint32_t before = lane % span * 64, have = n > before && !(w->raw_lanes >> lane & 1) ? n - before : 0;
            left[ME].low = gpu_lowest(have);
            left[ME].high = have > 32 ? gpu_lowest(have - 32) : 0;
        }
        tiered_late(w, 0, span, left);
    } else {
        tiered_usual(w, span);
        if (n > span * 64) tiered_ask(w, span);
        LANES w->at[0][ME] += (int32_t)(span * 64 * 2);
    }
    if (!GPU_RARE(w->raw_lanes)) return;
    LANES {
        if (!(w->raw_lanes >> lane & 1) || lane % span * 64 >= n) continue;
        for (unsigned i = 0; i < 64; i += 16) {
            gpu_quad s = READ((const gpu_quad *)(w->next[ME] + i));
            s.x = tiered_turn(s.x);
            s.y = tiered_turn(s.y);
            s.z = tiered_turn(s.z);
            s.w = tiered_turn(s.w);
            gpu_put_quad(w->group[ME] ^ i, s);
        }
        w->next[ME] += span * 64;
    }
}

#endif
