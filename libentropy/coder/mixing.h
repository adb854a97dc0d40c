/* mixing.h - private to the coder mixing: rows, which its encoder looks for. */
#ifndef ENT_CODER_MIXING_H
#define ENT_CODER_MIXING_H

#include <entropy/coder.h>

enum { MIXING_ROW_MOST = 65535 };

/* How the symbols of a block stand in rows. */
typedef struct mixing_rows {
    uint32_t length; /* 0: there are none */
    uint32_t before; /* symbols of the first row that are not in the block, < length */
    uint32_t folded; /* 1: what rows and columns have in common is the distance from the middle of the alphabet */
} mixing_rows;

/* What a symbol without its sign says of the scale around it, of 0 .. 2^bits - 1. */
static inline int32_t ent_mixing_size(uint32_t symbol, unsigned bits, uint32_t folded)
{
    int32_t middle = (int32_t)(1u << bits) - 1, twice = 2 * (int32_t)symbol - middle;
    return folded ? (twice < 0 ? -twice : twice) : (int32_t)symbol;
}

/* Looks for the rows of n symbols of `bits` and `sign` bits, the sign lowest.  `row`: their length if it is known, 0 if not. */
ent_status ent_mixing_find_rows(const void *symbols, uint32_t width, size_t n, unsigned bits, unsigned sign,
                                uint32_t row, mixing_rows *rows);

#endif
