/* arithmetic.h - private to the arithmetic coders: the tables of their loops, and the vector loops. */
#ifndef ENT_CODER_ARITHMETIC_H
#define ENT_CODER_ARITHMETIC_H

#include "coder/range.h"

enum {
    ARITHMETIC_LANES = 8,      /* streams are one or two times this in the vector loops */
    ARITHMETIC_CELLS_LOG = 12, /* at most: 32 KiB of cells, which the first cache level holds; 13 would outrun the
                                  estimate, whose error is 2^-14 */
};

typedef struct arithmetic_symbol {
    uint32_t start, freq; /* freq 0: has no code */
} arithmetic_symbol;

/* Where the code points within the range says which cell it is in, and the cell which symbol that is, mostly: an
 * estimate, right or wrong, which a comparison shows.  So no division is needed but where it was wrong. */
typedef struct arithmetic_cells {
    uint32_t log, cells_log, symbols;
    const uint32_t *start; /* of all symbols, and where the last one ends: behind that no slot belongs to a symbol */
    const uint64_t *cell;  /* 2^cells_log and one more: an entry of the symbol of the first slot */
} arithmetic_cells;

static inline uint64_t arithmetic_entry(uint32_t symbol, uint32_t start, uint32_t freq)
{
    return start | (uint64_t)freq << 24 | (uint64_t)symbol << 48;
}

/* Fills the cells of a table whose `start` is made. */
void ent_arithmetic_cells(const arithmetic_cells *cells, uint64_t *cell);
/* The entry of the symbol that the code points at, not far from that of *entry; false where there is none. */
bool ent_arithmetic_find(const arithmetic_cells *cells, uint64_t code, uint64_t range, uint64_t *entry);

/* Codes n symbols, symbol i in stream i mod streams; ENT_ERANGE when one has no code.  `table` has an entry for every
 * byte, or for the alphabet where symbols take two, and one more that has no code. */
ent_status ent_arithmetic_encode(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                 const void *symbols, size_t n, ent_range_encoder *stream, size_t streams);
/* Decodes symbols of one byte. */
ent_status ent_arithmetic_decode(const arithmetic_cells *cells, uint8_t *symbols, size_t n, ent_range_decoder *stream,
                                 size_t streams);

/* The same for 8 or 16 streams, whole rounds of them; both return the symbols done.  Encoding ends before a round that
 * has a symbol without a code, decoding where a stream might run out of bytes, or, as *status tells, at damage. */
size_t ent_arithmetic_encode_avx512(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                    const void *symbols, size_t n, ent_range_encoder *stream, size_t streams);
size_t ent_arithmetic_decode_avx512(const arithmetic_cells *cells, uint8_t *symbols, size_t n,
                                    ent_range_decoder *stream, size_t streams, ent_status *status);

/* Codes whole rounds of 8 or 16 streams; false at a symbol without a code. */
bool ent_arithmetic_encode_avx2(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                const void *symbols, size_t rounds, ent_range_encoder *stream, size_t streams);

#endif
