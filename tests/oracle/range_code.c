/* range_code.c - see range_code.h. */
#include "range_code.h"

bool oracle_range_codes(const uint8_t *code, size_t code_size, size_t k, range_code *r)
{
    byte_string in = { code, code_size, 0, false };
    uint64_t size[MOST_RANGE_CODES];
    for (size_t j = 0; j + 1 < k; j++) size[j] = oracle_varint(&in);
    for (size_t j = 0; j < k; j++) {
        r[j].in = oracle_part(&in, j + 1 < k ? size[j] : in.size - in.at);
        r[j].range = UINT64_MAX;
        r[j].code = 0;
        for (int i = 0; i < 8; i++) r[j].code = r[j].code << 8 | oracle_byte(&r[j].in);
        if (r[j].in.over) return false;
    }
    return !in.over;
}

bool oracle_range_symbol(range_code *r, unsigned L, const uint32_t *frequency, uint32_t symbols, uint32_t *symbol)
{
    uint64_t u = r->range >> L, slot = r->code / u, c = 0;
    uint32_t s = 0;
    while (s < symbols && slot >= c + frequency[s]) c += frequency[s++];
    if (s == symbols) return false;
    r->code -= u * c;
    r->range = u * frequency[s];
    while (r->range < (uint64_t)1 << 56) {
        r->range <<= 8;
        r->code = r->code << 8 | oracle_byte(&r->in);
    }
    *symbol = s;
    return !r->in.over;
}

bool oracle_range_ended(const range_code *r) { return r->code == 0 && oracle_all_read(&r->in); }
