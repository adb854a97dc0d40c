/* huffman_code.h - the trained table of the Huffman coder: code lengths, and the codes they stand for. */
#ifndef ENT_CODER_HUFFMAN_CODE_H
#define ENT_CODER_HUFFMAN_CODE_H

#include <entropy/coder.h>

enum {
    ENT_HUFFMAN_MAX = 0,      /* index of the param that limits code lengths */
    ENT_HUFFMAN_LONGEST = 32, /* its largest value */
    /* The limit when none is asked for: what one look-up of the decoder finds; for symbols of two
     * bytes so much that 65536 symbols at the limit take a 256th of the codes, 0.006 bits a symbol. */
    ENT_HUFFMAN_PRESET = 12,
    ENT_HUFFMAN_PRESET_WORDS = 24,
};

typedef struct ent_huffman_lengths {
    uint32_t live, only; /* with one live symbol, `only`, there are no codes */
    uint32_t longest;
    uint8_t length[]; /* by symbol; 0: not live (or the only one) */
} ent_huffman_lengths;

size_t ent_huffman_table_size(const ent_coder_spec *spec);
ent_status ent_huffman_train(const ent_coder_spec *spec, const ent_counts *counts, void *table);
ent_status ent_huffman_write(const ent_coder_spec *spec, const void *table, ent_buffer *out);
ent_status ent_huffman_read(const ent_coder_spec *spec, ent_bytes in, void *table);
double ent_huffman_price(const ent_coder_spec *spec, const void *table, uint32_t symbol);

/* The longest code that `live` symbols may have: the limit asked for, but never less than they need. */
unsigned ent_huffman_limit(const ent_coder_spec *spec, uint32_t live);

/* Codes of a length are consecutive in the order of symbols and follow the shorter ones. */
typedef struct ent_huffman_canon {
    uint64_t first[ENT_HUFFMAN_LONGEST + 2]; /* the first code of each length */
    uint32_t count[ENT_HUFFMAN_LONGEST + 1]; /* symbols of each length */
} ent_huffman_canon;

void ent_huffman_canonical(const ent_coder_spec *spec, const ent_huffman_lengths *t, ent_huffman_canon *c);

static inline uint32_t ent_reverse32(uint32_t v)
{
    v = (v & 0x55555555) << 1 | (v >> 1 & 0x55555555);
    v = (v & 0x33333333) << 2 | (v >> 2 & 0x33333333);
    v = (v & 0x0F0F0F0F) << 4 | (v >> 4 & 0x0F0F0F0F);
    return __builtin_bswap32(v);
}

/* Strings are filled from the lowest bit up and codes begin with their highest bit: so reversed. */
static inline uint32_t ent_huffman_as_sent(uint64_t code, unsigned length)
{
    return ent_reverse32((uint32_t)code) >> (32 - length);
}

#endif
