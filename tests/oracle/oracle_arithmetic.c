/* oracle_arithmetic.c - see oracle.h. */
#include "range_code.h"

enum { MOST_SYMBOLS = 65536 };

int oracle_arithmetic(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                      const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    static uint32_t f[MOST_SYMBOLS];
    range_code r[MOST_RANGE_CODES];
    uint32_t symbol;
    size_t k = param[0] < n ? param[0] : n;
    unsigned L;
    if (!oracle_rans_frequencies(alphabet, param[1], table, table_size, f, &L)) return 1;
    if (n == 0) return code_size != 0;
    if (!oracle_range_codes(code, code_size, k, r)) return 1;
    for (size_t i = 0; i < n; i++) {
        if (!oracle_range_symbol(&r[i % k], L, f, alphabet, &symbol)) return 1;
        symbols[i] = (uint16_t)symbol;
    }
    for (size_t j = 0; j < k; j++)
        if (!oracle_range_ended(&r[j])) return 1;
    return 0;
}
