/* oracle.c - the list, and what the formats share (notation and frequency table of coder/FORMAT.md). */
#include "oracle.h"

#include <string.h>

/* zstd and lz4 have none: their formats are not ours, and their libraries are the only writers here. */
const oracle oracles[] = {
    { "raw", oracle_raw },
    { "bitmap", oracle_bitmap },
    { "tiered", oracle_tiered },
    { "tbe", oracle_tbe },
    { "row-palette", oracle_row_palette },
    { "qmoe", oracle_qmoe },
    { "planar-rans", oracle_planar_rans },
    { "planar-rans-classes", oracle_planar_rans_classes },
    { "huffman", oracle_huffman },
    { "wavelet-tree", oracle_wavelet_tree },
    { "tans", oracle_tans },
    { "rans", oracle_rans },
    { "arithmetic", oracle_arithmetic },
    { "arithmetic-adaptive", oracle_arithmetic_adaptive },
    { "mixing", oracle_mixing },
    { NULL, NULL },
};

oracle_decoder *oracle_find(const char *coder)
{
    for (const oracle *o = oracles; o->coder; o++)
        if (!strcmp(o->coder, coder)) return o->decode;
    return NULL;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

uint8_t oracle_byte(byte_string *s)
{
    if (s->at < s->size) return s->bytes[s->at++];
    s->over = true;
    return 0;
}

uint64_t oracle_integer(byte_string *s, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v |= (uint64_t)oracle_byte(s) << (8 * i);
    return v;
}

uint64_t oracle_varint(byte_string *s)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 9; i++) { /* 63 bits; no size is larger */
        uint8_t byte = oracle_byte(s);
        v |= (uint64_t)(byte & 127) << (7 * i);
        if (byte >= 128) continue;
        if (byte == 0 && i > 0) s->over = true; /* a shorter form exists */
        return v;
    }
    s->over = true;
    return 0;
}

byte_string oracle_part(byte_string *s, uint64_t size)
{
    byte_string part = { s->bytes, 0, 0, false };
    if (size > s->size - s->at) {
        s->over = true;
        return part;
    }
    part.bytes = size ? s->bytes + s->at : NULL;
    part.size = (size_t)size;
    s->at += (size_t)size;
    return part;
}

bool oracle_all_read(const byte_string *s) { return !s->over && s->at == s->size; }

/* ---- bits ----------------------------------------------------------------------------------- */

bit_string oracle_bits(const uint8_t *bytes, size_t size)
{
    return (bit_string){ bytes, (uint64_t)size * 8, 0, false };
}

unsigned oracle_bit(bit_string *s)
{
    if (s->at == s->size) {
        s->over = true;
        return 0;
    }
    unsigned bit = s->bytes[s->at / 8] >> s->at % 8 & 1;
    s->at++;
    return bit;
}

uint64_t oracle_number(bit_string *s, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bits; i++) v |= (uint64_t)oracle_bit(s) << i;
    return v;
}

uint64_t oracle_gamma(bit_string *s)
{
    unsigned k = 0;
    while (!oracle_bit(s)) {
        k++;
        if (k > 32) s->over = true; /* nothing in the formats is as large */
        if (s->over) return 1;
    }
    return ((uint64_t)1 << k) + oracle_number(s, k);
}

int64_t oracle_step(bit_string *s)
{
    int64_t v = (int64_t)oracle_gamma(s);
    return v % 2 ? (v - 1) / 2 : -v / 2;
}

bool oracle_ended(const bit_string *s)
{
    if (s->over || s->size - s->at >= 8) return false;
    for (uint64_t i = s->at; i < s->size; i++)
        if (s->bytes[i / 8] >> i % 8 & 1) return false;
    return true;
}

/* ---- the frequency table -------------------------------------------------------------------- */

unsigned oracle_floor_log2(uint64_t v)
{
    unsigned k = 0;
    while (v >>= 1) k++;
    return k;
}

unsigned oracle_ceil_log2(uint64_t v)
{
    unsigned k = 0;
    while (k < 63 && (uint64_t)1 << k < v) k++;
    return k;
}

bool oracle_frequencies(uint32_t alphabet, const uint8_t *table, size_t table_size, uint32_t *frequency, unsigned *L)
{
    bit_string s = oracle_bits(table, table_size);
    memset(frequency, 0, alphabet * sizeof *frequency);
    *L = (unsigned)oracle_number(&s, 5);
    uint64_t sum = 0, all = (uint64_t)1 << *L, symbol = 0;
    int64_t before = *L / 2;
    for (bool first = true; sum < all; first = false) {
        symbol += oracle_gamma(&s) - (first ? 1 : 0);
        uint64_t end = symbol + oracle_gamma(&s);
        if (end > alphabet || s.over) return false;
        for (; symbol < end; symbol++) {
            int64_t k = before + oracle_step(&s);
            if (k < 0 || k > *L) return false;
            frequency[symbol] = (uint32_t)(((uint64_t)1 << k) + oracle_number(&s, (unsigned)k));
            sum += frequency[symbol];
            before = k;
        }
    }
    return sum == all && oracle_ended(&s);
}

uint32_t oracle_live(uint32_t alphabet, const uint32_t *frequency)
{
    uint32_t live = 0;
    for (uint32_t s = 0; s < alphabet; s++)
        if (frequency[s]) live++;
    return live;
}

bool oracle_rans_frequencies(uint32_t alphabet, uint32_t log, const uint8_t *table, size_t table_size,
                             uint32_t *frequency, unsigned *L)
{
    if (!oracle_frequencies(alphabet, table, table_size, frequency, L) || *L > 22) return false;
    unsigned least = oracle_ceil_log2(oracle_live(alphabet, frequency));
    return !log || *L == (log > least ? log : least);
}
