/* rans.h - private to rans: the tables of the narrow form, and its vector loops. */
#ifndef ENT_CODER_RANS_H
#define ENT_CODER_RANS_H

#include <entropy/coder.h>

enum {
    RANS_STATES_MOST = 64,
    RANS_LANES = 16,      /* states are a multiple of this in the vector loops */
    RANS_NARROW_LOG = 16, /* as many as the least state; frequencies must be below it, to fit 16 bits, too */
    RANS_PACKED_LOG = 12, /* so that a slot with its symbol fits 32 bits: 12 + 12 + 8 */
};

/* One slot in 32 bits: the frequency, above it the offset of the slot in its symbol's range, and in
 * a packed table the symbol; otherwise the symbols follow the slots, of the width in the spec, and
 * after them RANS_SLACK bytes, since they are gathered four bytes at a time. */
typedef struct rans_direct {
    uint32_t log, packed;
    uint32_t slot[];
} rans_direct;

enum { RANS_SLACK = 3 };

/* Where the offset begins. */
static inline unsigned rans_freq_bits(bool packed) { return packed ? RANS_PACKED_LOG : 16; }

/* A symbol for the vector encoder; share 0: has no code. */
typedef struct rans_gathered {
    uint32_t share;      /* start << 16 | frequency */
    uint32_t reciprocal; /* floor((2^32 - 1) / frequency): its products give a quotient or one less */
} rans_gathered;

/* The narrow form for 16, 32, 48 or 64 states and symbols of 1 or 2 bytes.
 *
 * Decodes whole rounds of `states` symbols until less than a round or than its most words are left;
 * moves *p on and returns the symbols done. */
size_t ent_rans_decode_avx512(const rans_direct *d, uint32_t width, const uint8_t **p, const uint8_t *end, uint32_t *x,
                              size_t states, void *symbols, size_t n);
size_t ent_rans_decode_avx2(const rans_direct *d, uint32_t width, const uint8_t **p, const uint8_t *end, uint32_t *x,
                            size_t states, void *symbols, size_t n);

/* Codes n symbols, whole rounds, from the last to the first; their words are laid down from `end`
 * backwards.  Returns the first of them, NULL when a symbol has no code.  table[alphabet] has none. */
uint8_t *ent_rans_encode_avx512(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                const void *symbols, size_t n, uint32_t *x, size_t states, uint8_t *end);
uint8_t *ent_rans_encode_avx2(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                              const void *symbols, size_t n, uint32_t *x, size_t states, uint8_t *end);

#endif
