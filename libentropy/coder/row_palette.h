/* row_palette.h - the inside of row-palette, for its files.  See row_palette.c. */
#ifndef ENT_CODER_ROW_PALETTE_H
#define ENT_CODER_ROW_PALETTE_H

#include <entropy/coder.h>

enum { PALETTE_SYMBOLS = 16, PALETTE_ROW = 64 /* symbols of a row, as published: the fast loop's */ };

typedef struct palette_table {
    _Alignas(16) uint8_t symbol[PALETTE_SYMBOLS]; /* by rank; the first one again where there are no more */
    uint32_t symbols;
} palette_table;

/* A block being decoded: the map of its rows, and what comes next of them. */
typedef struct palette_block {
    const uint8_t *map, *next, *end;
} palette_block;

#if defined __x86_64__
/* The first `rows` rows, of PALETTE_ROW symbols each, to symbols, or to words where `join`, of a form that
 * ent_join_form_of knows, is not NULL; `stream` needs words aligned to 64 bytes.  False when the bytes run out. */
bool ent_palette_decode_avx512(const palette_table *table, palette_block *block, const ent_join *join, uint8_t *out,
                               size_t rows);
#endif

#endif
