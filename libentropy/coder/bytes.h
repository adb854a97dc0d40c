/* bytes.h - what coders of plain bytes must check themselves: that symbols are of the alphabet. */
#ifndef ENT_CODER_BYTES_H
#define ENT_CODER_BYTES_H

#include <entropy/coder.h>

#include "base/bits.h"

static inline bool ent_symbols_valid(const ent_coder_spec *spec, const void *symbols, size_t n)
{
    if (!spec->alphabet || spec->alphabet == 1u << 8 * spec->width) return true;
    uint32_t most = 0; /* no early way out: the loop is then a vector loop */
    for (size_t i = 0; i < n; i++) {
        uint32_t symbol = ent_symbol_at(symbols, spec->width, i);
        most = symbol > most ? symbol : most;
    }
    return most < spec->alphabet;
}

#endif
