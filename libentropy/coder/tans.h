/* tans.h - private to tans: its vector loop. */
#ifndef ENT_CODER_TANS_H
#define ENT_CODER_TANS_H

#include <entropy/base.h>

enum {
    TANS_STATES_MOST = 64,
    TANS_LANES = 16,
    TANS_BITS_MOST = 14, /* of a symbol, in the loops for small tables */
};

/* Decodes whole rounds of 32 or 64 symbols of one byte, one by each state, until less than a round or than its most
 * bits are left; moves *at, in bits, on and returns the symbols done.  An entry is bits to come, symbol above bit 8,
 * base above bit 16; no symbol takes more than TANS_BITS_MOST bits. */
size_t ent_tans_decode_avx512(const uint32_t *entry, ent_bytes in, uint64_t *at, uint8_t *symbols, size_t n,
                              uint32_t *state, size_t states);

#endif
