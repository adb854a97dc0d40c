/* range.h - the range coder under arithmetic and arithmetic-adaptive.
 *
 * A code is a number in [0, 1) written as bytes, highest first; coding a symbol keeps of the interval
 * [low, low + range) the part that its slots have.  `range` holds 64 bits and is kept at 2^56 or
 * more, so that a slot of 2^-22 is exact to 2^-34: the code is as long as the frequencies say.
 * Carries run back into bytes already written (as in LZMA, but these are all in memory, so that
 * nothing is held back).  Renormalisation moves whole bytes, counted rather than looped over.
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
    uint8_t *next; /* eight bytes from here are written at will */
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
    if (low < e->low) ent_range_carry(e->next);
    unsigned bytes = (unsigned)__builtin_clzll(range) / 8;
    ent_store64(e->next, __builtin_bswap64(low));
    e->next += bytes;
    e->low = low << 8 * bytes;
    e->range = range << 8 * bytes;
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

/* The slot that the code points at; 2^log or more in damaged codes only. */
static inline uint64_t ent_range_slot(const ent_range_decoder *d, unsigned log) { return d->code / (d->range >> log); }

/* The next eight bytes, highest first, zeros after the end; moves on by `bytes`. */
uint64_t ent_range_tail(ent_range_decoder *decoder, unsigned bytes);

/* Takes out the symbol that was found: `freq` >= 1 slots, and the code points at one of them. */
static inline void ent_range_take(ent_range_decoder *d, uint32_t start, uint32_t freq, unsigned log)
{
    uint64_t slot = d->range >> log, range = slot * freq, coming;
    unsigned bytes = (unsigned)__builtin_clzll(range) / 8;
    if (d->end - d->next >= 8) {
        coming = __builtin_bswap64(ent_load64(d->next));
        d->next += bytes;
    } else {
        coming = ent_range_tail(d, bytes);
    }
    d->code = (d->code - slot * start) << 8 * bytes | coming >> 1 >> (63 - 8 * bytes);
    d->range = range << 8 * bytes;
}

#endif
