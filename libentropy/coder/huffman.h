/* huffman.h - private to huffman: tables and states of the encoder that its loops share. */
#ifndef ENT_CODER_HUFFMAN_H
#define ENT_CODER_HUFFMAN_H

#include "base/bits.h"
#include "coder/huffman_code.h"
#include "coder/join.h"

enum {
    HUFFMAN_STREAMS = 8, /* most strings; as many as the vector loops want */
    HUFFMAN_SHORT = 14,  /* longest code that they take: four of them and 7 bits before fit 64 bits */
    HUFFMAN_LONGER = 128 /* in the place of a length: the code is longer, or there is none */
};

typedef struct huffman_encoder {
    uint32_t live, only, longest;
    bool small; /* codes are of symbols below 64 */
    /* for symbols of a byte: the bytes of codes as sent, and their lengths */
    _Alignas(64) uint8_t low[256], high[256], length[256];
    uint64_t code[]; /* bits as sent << 8 | length, for every value that a symbol's memory can hold */
} huffman_encoder;

typedef struct huffman_writer {
    uint8_t *next, *end;
    uint64_t held, codes; /* codes: all that were written, or-ed */
    unsigned bits;        /* below 8 */
} huffman_writer;

/* One symbol; touches no byte beyond those that it fills. */
static inline void huffman_put(huffman_writer *w, uint64_t code)
{
    w->codes |= code;
    w->held |= (code >> 8) << w->bits;
    for (w->bits += (unsigned)code & 255; w->bits >= 8; w->bits -= 8, w->held >>= 8) *w->next++ = (uint8_t)w->held;
}

/* Up to `groups` groups of symbols of a byte to HUFFMAN_STREAMS strings, which have room for them and for a store of
 * 8 bytes; stops before a group in which a code is longer than HUFFMAN_SHORT or none.  Returns how many it wrote. */
typedef size_t huffman_loop(const huffman_encoder *e, const uint8_t *symbols, size_t groups, huffman_writer *w);

enum { HUFFMAN_GROUP_AVX2 = 32, HUFFMAN_GROUP_AVX512 = 64 };

huffman_loop ent_huffman_encode_avx2, ent_huffman_encode_avx512;

typedef struct huffman_reader {
    const uint8_t *next, *end;
    uint64_t used; /* bits of *next: below 8, or the string has ended before */
} huffman_reader;

/* Several symbols a look-up; symbols of a byte in HUFFMAN_STREAMS strings. */
typedef struct huffman_runs {
    const uint64_t *run; /* 1 << HUFFMAN_RUN_BITS */
    const void *decoder;
    uint32_t (*one)(const void *decoder, huffman_reader *in); /* the next symbol, anywhere */
} huffman_runs;

enum { HUFFMAN_RUN_BITS = 11 };

/* From entries of 1 << lookup_bits (symbol << 8 | length, 0: longer); whether a look-up gives 2 symbols or more. */
bool ent_huffman_build_runs(uint64_t *run, const uint16_t *entry, unsigned lookup_bits);
/* All n symbols, or with a join (not NULL) the words of them; false when a string ran past its end. */
bool ent_huffman_decode_runs(const huffman_runs *d, huffman_reader *in, const ent_join *join, uint8_t *out, size_t n);

/* Joins whole groups of 64 symbols, the first of which has number `first`, a multiple of 64, to words; returns how
 * many symbols they are. */
typedef size_t huffman_join(ent_join_form form, const ent_join *join, const uint8_t *symbols, size_t first, size_t n,
                            uint8_t *words);

huffman_join ent_huffman_join_avx2, ent_huffman_join_avx512;

#endif
