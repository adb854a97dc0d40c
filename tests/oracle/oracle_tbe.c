/* oracle_tbe.c - see oracle.h. */
#include "oracle.h"

int oracle_tbe(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size, const uint8_t *code,
               size_t code_size, uint16_t *symbols, size_t n)
{
    (void)param;
    byte_string in = { code, code_size, 0, false };
    if (table_size != 1) return 1;
    uint32_t base = table[0];
    if (base != 0 && base + 7 > alphabet) return 1;
    byte_string groups = oracle_part(&in, (n + 63) / 64 * 24), escapes = oracle_part(&in, in.size - in.at);
    if (in.over) return 1;
    for (size_t group = 0; group < n; group += 64) {
        uint64_t map[3];
        for (int k = 0; k < 3; k++) map[k] = oracle_integer(&groups, 8);
        for (size_t i = group; i < group + 64; i++) {
            uint32_t code_of_i = 0;
            for (int k = 0; k < 3; k++) code_of_i |= (uint32_t)(map[k] >> (i - group) & 1) << k;
            if (i >= n && code_of_i != 0) return 1;
            if (i >= n) continue;
            symbols[i] = (uint16_t)(code_of_i ? base + code_of_i - 1 : oracle_byte(&escapes));
            if (symbols[i] >= alphabet) return 1;
        }
    }
    return !oracle_all_read(&escapes);
}
