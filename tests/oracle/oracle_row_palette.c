/* oracle_row_palette.c - see oracle.h. */
#include "oracle.h"

int oracle_row_palette(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                       const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    byte_string in = { code, code_size, 0, false };
    size_t row = param[0], rows = (n + row - 1) / row;
    uint8_t palette[16];
    if (table_size < 1 || table_size > 16) return 1;
    for (size_t i = 0; i < 16; i++) palette[i] = table[i < table_size ? i : 0];
    for (size_t i = 0; i < table_size; i++) {
        if (palette[i] >= alphabet) return 1;
        for (size_t k = 0; k < i; k++)
            if (palette[k] == palette[i]) return 1;
    }
    byte_string first = oracle_part(&in, (rows + 7) / 8);
    bit_string map = oracle_bits(first.bytes, first.size);
    if (in.over) return 1;
    for (size_t r = 0; r < rows; r++) {
        size_t begin = r * row, end = begin + row < n ? begin + row : n;
        bool verbatim = oracle_bit(&map);
        byte_string part = oracle_part(&in, verbatim ? end - begin : (end - begin + 1) / 2);
        bit_string bits = oracle_bits(part.bytes, part.size);
        if (in.over) return 1;
        for (size_t i = begin; i < end; i++) {
            uint64_t number = oracle_number(&bits, verbatim ? 8 : 4);
            symbols[i] = (uint16_t)(verbatim ? number : palette[number]);
            if (symbols[i] >= alphabet) return 1;
        }
        if (!oracle_ended(&bits)) return 1;
    }
    return !oracle_ended(&map) || !oracle_all_read(&in);
}
