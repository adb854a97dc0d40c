/* rank.h - symbols of at most 256 by how often they occur. */
#ifndef ENT_CODER_RANK_H
#define ENT_CODER_RANK_H

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

#endif
