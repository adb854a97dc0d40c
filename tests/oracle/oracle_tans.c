/* oracle_tans.c - see oracle.h. */
#include "oracle.h"

enum { MOST_SYMBOLS = 65536, MOST_STATES = 64, MOST_LOG = 20 };

typedef struct slots {
    uint16_t symbol[1 << MOST_LOG];
    uint32_t bits[1 << MOST_LOG], base[1 << MOST_LOG];
} slots;

static unsigned log_of_table(uint32_t alphabet, uint32_t log, uint32_t live)
{
    unsigned k = oracle_ceil_log2(live);
    if (alphabet > 256) k = k + 6 < 20 ? k + 6 : 20;
    return log > k ? log : k;
}

static void make_slots(uint32_t alphabet, unsigned L, const uint32_t *frequency, slots *t)
{
    static uint32_t x[MOST_SYMBOLS];
    uint32_t slot = 0, all = (uint32_t)1 << L;
    for (uint32_t s = 0; s < alphabet; s++)
        for (uint32_t i = 0; i < frequency[s]; i++) {
            t->symbol[slot] = (uint16_t)s;
            slot = (slot + (all >> 1) + (all >> 3) + 3) % all; /* L is at least 5 */
        }
    for (uint32_t s = 0; s < alphabet; s++) x[s] = frequency[s];
    for (slot = 0; slot < all; slot++) {
        uint32_t s = t->symbol[slot];
        t->bits[slot] = L - oracle_floor_log2(x[s]);
        t->base[slot] = (x[s] << t->bits[slot]) - all;
        x[s]++;
    }
}

int oracle_tans(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size, const uint8_t *code,
                size_t code_size, uint16_t *symbols, size_t n)
{
    static uint32_t frequency[MOST_SYMBOLS];
    static slots t;
    uint32_t state[MOST_STATES], states = param[1];
    unsigned L;
    if (!oracle_frequencies(alphabet, table, table_size, frequency, &L)) return 1;
    uint32_t live = oracle_live(alphabet, frequency);
    if (L != log_of_table(alphabet, param[0], live)) return 1;
    if (n == 0) return code_size != 0;
    make_slots(alphabet, L, frequency, &t);
    if (live == 1) {
        for (size_t i = 0; i < n; i++) symbols[i] = t.symbol[0];
        return code_size != 0;
    }
    bit_string in = oracle_bits(code, code_size);
    for (unsigned zeros = 0; !oracle_bit(&in); zeros++)
        if (zeros == 7 || in.over) return 1;
    for (size_t j = 0; j < states && j < n; j++) state[j] = (uint32_t)oracle_number(&in, L);
    for (size_t i = 0; i < n; i++) {
        uint32_t *x = &state[i % states];
        symbols[i] = t.symbol[*x];
        *x = t.base[*x] + (uint32_t)oracle_number(&in, t.bits[*x]);
        if (in.over) return 1;
    }
    for (size_t j = 0; j < states && j < n; j++)
        if (state[j]) return 1;
    return in.at != in.size;
}
