/* oracle_raw.c - see oracle.h. */
#include "oracle.h"

int oracle_raw(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size, const uint8_t *code,
               size_t code_size, uint16_t *symbols, size_t n)
{
    (void)param, (void)table;
    bit_string s = oracle_bits(code, code_size);
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (uint16_t)oracle_number(&s, oracle_ceil_log2(alphabet));
        if (symbols[i] >= alphabet) return 1;
    }
    return table_size || !oracle_ended(&s);
}
