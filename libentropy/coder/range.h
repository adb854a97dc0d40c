/* range.h - the range coder under arithmetic and arithmetic-adaptive.
 *
 * A code is a number in [0, 1) written as bytes, highest first; coding a symbol keeps of the interval
 * [low, low + range) the part that its slots have.  `range` holds 64 bits and is kept at 2^56 or
 * more, so that a slot of 2^-22 is exact to 2^-34: the code is as long as the frequencies say.
 * A carry goes into the eight bytes above low, which are held in a register, and from there, hardly ever, back into
 * bytes already written: one symbol in ten has one, too many for a branch.  Renormalisation moves whole bytes,
 * counted rather than looped over.
 *
 * The code ends with all eight bytes of low.  A shorter end would do, but with this one the decoder
 * ends at exactly zero, in front of exactly the end: nearly any damage is seen.
 *
 * Several codes stand side by side as streams, symbol i in stream i mod streams, so that the
 * decoder's divisions overlap. */
#ifndef ENT_CODER_RANGE_H
#define ENT_CODER_RANGE_H

#include <entropy/coder.h>

#include "base/bits.h"

enum { ENT_RANGE_STREAMS_MOST = 16 };

/* ---- encoder -------------------------------------------------------------------------------- */

typedef struct ent_range_encoder {
    uint64_t low, range;
    uint64_t before; /* the eight bytes above low, written to `next` by the coming symbol: carries stop in them */
    uint8_t *next;
} ent_range_encoder;

static inline void ent_range_carry(uint8_t *next)
{
    do next--;
    while (++*next == 0);
}

/* The symbol that has `freq` of 2^log slots from `start` on. */
static inline void ent_range_put(ent_range_encoder *e, uint32_t start, uint32_t freq, unsigned log)
{
    uint64_t slot = e->range >> log, low = e->low + slot * start, range = slot * freq;
    uint64_t carry = low < e->low, before = e->before + carry;
    if (__builtin_expect(before < carry, 0)) ent_range_carry(e->next);
    unsigned shift = (unsigned)__builtin_clzll(range) & 56;
    ent_store64(e->next, __builtin_bswap64(before));
    e->next += shift / 8;
    e->before = before << shift | low >> 1 >> (~shift & 63);
    e->low = low << shift;
    e->range = range << shift;
}

/* Lays out the streams for n symbols, each coded by `parts` calls of ent_range_put, in
 * ent_range_bound(streams, n, parts) bytes.  Returns how many are used: n when that is less. */
size_t ent_range_begin(ent_range_encoder *encoder, size_t streams, size_t n, size_t parts, uint8_t *out);
/* Ends the streams and moves them together, sizes in front; returns the size of all that. */
size_t ent_range_finish(ent_range_encoder *encoder, size_t used, size_t n, size_t parts, uint8_t *out, ent_tally *tally);
size_t ent_range_bound(size_t streams, size_t n, size_t parts);

/* ---- decoder -------------------------------------------------------------------------------- */

typedef struct ent_range_decoder {
    uint64_t code, range; /* code: the number coded, less low */
    const uint8_t *next, *end;
    bool starved; /* bytes were wanted that are not there */
} ent_range_decoder;

/* ENT_ECORRUPT when sizes and bytes do not agree. */
ent_status ent_range_open(ent_range_decoder *decoder, size_t streams, size_t n, ent_bytes in);
/* Whether every stream ended as its encoder did. */
bool ent_range_ended(const ent_range_decoder *decoder, size_t streams, size_t n);

/* Rounds, of `rounds` at most, in which none of the streams can run out of the bytes that ent_range_take_far loads. */
size_t ent_range_rounds(const ent_range_decoder *decoder, size_t streams, size_t rounds);

/* The slot that the code points at; 2^log or more in damaged codes only. */
static inline uint64_t ent_range_slot(const ent_range_decoder *d, unsigned log) { return d->code / (d->range >> log); }

/* The next eight bytes, highest first, zeros after the end; moves on by `bytes`. */
uint64_t ent_range_tail(ent_range_decoder *decoder, unsigned bytes);

/* Goes on to `code` and `range`, what a symbol leaves of them; eight bytes are left. */
static inline void ent_range_move_far(ent_range_decoder *d, uint64_t code, uint64_t range)
{
    uint64_t coming = __builtin_bswap64(ent_load64(d->next));
    unsigned bytes = (unsigned)__builtin_clzll(range) / 8;
    d->next += bytes;
    d->code = code << 8 * bytes | coming >> 1 >> (63 - 8 * bytes);
    d->range = range << 8 * bytes;
}

/* The same anywhere. */
static inline void ent_range_move(ent_range_decoder *d, uint64_t code, uint64_t range)
{
    if (d->end - d->next >= 8) {
        ent_range_move_far(d, code, range);
        return;
    }
    unsigned bytes = (unsigned)__builtin_clzll(range) / 8;
    uint64_t coming = ent_range_tail(d, bytes);
    d->code = code << 8 * bytes | coming >> 1 >> (63 - 8 * bytes);
    d->range = range << 8 * bytes;
}

/* Takes out the symbol that was found: `freq` >= 1 slots, and the code points at one of them. */
static inline void ent_range_take(ent_range_decoder *d, uint32_t start, uint32_t freq, unsigned log)
{
    uint64_t slot = d->range >> log;
    ent_range_move(d, d->code - slot * start, slot * freq);
}

#endif
