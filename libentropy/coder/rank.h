/* rank.h - symbols of at most 256 by how often they occur. */
#ifndef ENT_CODER_RANK_H
#define ENT_CODER_RANK_H

#include <string.h>

#include <entropy/count.h>

/* Those that occur by falling count, ties by value; returns their number. */
static inline uint32_t ent_rank_symbols(const ent_counts *counts, uint8_t symbol[256])
{
    uint32_t live = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        uint32_t at = live;
        if (!counts->count[s]) continue;
        for (; at && counts->count[symbol[at - 1]] < counts->count[s]; at--) symbol[at] = symbol[at - 1];
        symbol[at] = (uint8_t)s;
        live++;
    }
    return live;
}

/* A list of symbols in a table: appended, and read as the whole of `in`, each below the alphabet and there once. */
static inline ent_status ent_symbols_write(const uint8_t *symbol, size_t n, ent_buffer *out)
{
    ent_status status = ent_buffer_reserve(out, out->size + n);
    if (status || !n) return status;
    memcpy(out->data + out->size, symbol, n);
    out->size += n;
    return ENT_OK;
}

static inline ent_status ent_symbols_read(ent_bytes in, uint32_t alphabet, size_t most, uint8_t *symbol)
{
    if (in.size > most) return ENT_ECORRUPT;
    for (size_t i = 0; i < in.size; i++) {
        if (in.data[i] >= alphabet || memchr(symbol, in.data[i], i)) return ENT_ECORRUPT;
        symbol[i] = in.data[i];
    }
    return ENT_OK;
}

#endif
