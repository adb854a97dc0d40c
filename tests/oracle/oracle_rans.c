/* oracle_rans.c - see oracle.h. */
#include "oracle.h"

enum { MOST_SYMBOLS = 65536, MOST_STATES = 64 };

int oracle_rans(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size, const uint8_t *code,
                size_t code_size, uint16_t *symbols, size_t n)
{
    static uint32_t f[MOST_SYMBOLS];
    uint64_t state[MOST_STATES];
    unsigned L;
    if (!oracle_rans_frequencies(alphabet, param[1], table, table_size, f, &L)) return 1;

    byte_string in = { code, code_size, 0, false };
    size_t k = param[0] < n ? param[0] : n;
    bool narrow = L < 16 || (L == 16 && oracle_live(alphabet, f) > 1);
    unsigned state_bytes = narrow ? 4 : 8, w = narrow ? 16 : 32;
    uint64_t low = (uint64_t)1 << (narrow ? 16 : 31);
    for (size_t j = 0; j < k; j++) {
        state[j] = oracle_integer(&in, state_bytes);
        if (state[j] < low || state[j] >> w >= low) return 1;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t x = state[i % k], slot = x % ((uint64_t)1 << L), c = 0;
        uint32_t s = 0;
        while (slot >= c + f[s]) c += f[s++]; /* ends: slot < 2^L, the sum of all f */
        symbols[i] = (uint16_t)s;
        x = f[s] * (x >> L) + slot - c;
        if (x < low) x = (x << w) + oracle_integer(&in, w / 8);
        state[i % k] = x;
    }
    for (size_t j = 0; j < k; j++)
        if (state[j] != low) return 1;
    return !oracle_all_read(&in);
}
