/* tans.h - private to tans: its bit string from the end on, and the vector loops. */
#ifndef ENT_CODER_TANS_H
#define ENT_CODER_TANS_H

#include "base/bits.h"

#include <entropy/base.h>

enum {
    TANS_STATES_MOST = 64,
    TANS_LANES = 16,
    TANS_BITS_MOST = 14,   /* of a symbol, in the loops for small tables */
    TANS_COUNT_SHIFT = 24, /* bit counts sit above any state, < 2^21 */
};

/* With x = slot + 2^log, symbol s sends the low bits of x until it is in [freq, 2 freq): by that it
 * picks one of the symbol's slots.  The bits to send are (x + count) >> TANS_COUNT_SHIFT, as in FSE. */
typedef struct tans_move {
    uint32_t count; /* even for a live symbol, 1 for all others */
    uint32_t place; /* added to what is left of x, modulo 2^32: where the slot stands among those of all symbols */
} tans_move;

typedef struct tans_writer { /* fills memory from its end; the newest bit is the lowest */
    uint8_t *next;
    uint64_t held;
    unsigned bits;
} tans_writer;

static inline void tans_put(tans_writer *w, uint64_t value, unsigned bits)
{
    w->held = w->held << bits | value;
    w->bits += bits;
}

static inline void tans_flush(tans_writer *w) /* all but the newest 0 .. 7 bits */
{
    ent_store64(w->next - 8, w->held << 1 << (63 - w->bits));
    w->next -= w->bits / 8;
    w->bits &= 7;
}

/* Codes n symbols of one byte, whole rounds of 32 or 64, from the last to the first; no symbol takes more than
 * TANS_BITS_MOST bits.  False when one of them has no slot. */
bool ent_tans_encode_avx512(const tans_move *move, const uint32_t *slot, tans_writer *out, const uint8_t *symbols,
                            size_t n, uint32_t *state, size_t states);

/* Decodes whole rounds of 32 or 64 symbols of one byte, one by each state, until less than a round or than its most
 * bits are left; moves *at, in bits, on and returns the symbols done.  An entry is bits to come, symbol above bit 8,
 * base above bit 16; no symbol takes more than TANS_BITS_MOST bits. */
size_t ent_tans_decode_avx512(const uint32_t *entry, ent_bytes in, uint64_t *at, uint8_t *symbols, size_t n,
                              uint32_t *state, size_t states);

#endif
