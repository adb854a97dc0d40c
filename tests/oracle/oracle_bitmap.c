/* oracle_bitmap.c - see oracle.h. */
#include "oracle.h"

int oracle_bitmap(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                  const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    (void)param, (void)table;
    byte_string in = { code, code_size, 0, false };
    byte_string first = oracle_part(&in, (n + 7) / 8), second = oracle_part(&in, in.size - in.at);
    if (in.over || table_size) return 1;
    bit_string map = oracle_bits(first.bytes, first.size), packed = oracle_bits(second.bytes, second.size);
    for (size_t i = 0; i < n; i++) {
        symbols[i] = oracle_bit(&map) ? (uint16_t)oracle_number(&packed, oracle_ceil_log2(alphabet)) : 0;
        if (symbols[i] >= alphabet) return 1;
    }
    return !oracle_ended(&map) || !oracle_ended(&packed);
}
