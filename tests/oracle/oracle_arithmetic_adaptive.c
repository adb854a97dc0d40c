/* oracle_arithmetic_adaptive.c - see oracle.h. */
#include "range_code.h"

enum { LOG_SLOTS = 20, SLOTS = 1 << LOG_SLOTS };

typedef struct model {
    uint32_t m, interval, left;
    uint64_t count[256], T;
    uint32_t f[256];
} model;

static void rebuild(model *p)
{
    uint64_t share = ((uint64_t)(SLOTS - p->m) << 32) / p->T;
    for (uint32_t s = 0; s < p->m; s++) p->f[s] = (uint32_t)(1 + (p->count[s] * share >> 32));
}

static void begin(model *p, uint32_t m, uint64_t b)
{
    p->m = m;
    p->T = m * b;
    p->interval = p->left = 16;
    for (uint32_t s = 0; s < m; s++) p->count[s] = b;
    rebuild(p);
}

static void learn(model *p, uint32_t s, uint32_t window)
{
    p->count[s] += 32;
    p->T += 32;
    p->left--;
    if (p->left > 0) return;
    if (p->T > (uint64_t)32 << window) {
        p->T = 0;
        for (uint32_t i = 0; i < p->m; i++) {
            p->count[i] = (p->count[i] + 1) / 2;
            p->T += p->count[i];
        }
    }
    rebuild(p);
    if (p->interval < 1024) p->interval *= 2;
    p->left = p->interval;
}

static bool next_byte(range_code *r, model *p, uint32_t window, uint32_t *byte)
{
    if (!oracle_range_symbol(r, LOG_SLOTS, p->f, p->m, byte)) return false;
    learn(p, *byte, window);
    return true;
}

int oracle_arithmetic_adaptive(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                               const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    static model only_or_high, low[256];
    range_code r[MOST_RANGE_CODES];
    uint32_t window = param[1], highs = (alphabet + 255) / 256, high, byte;
    size_t k = param[0] < n ? param[0] : n;
    (void)table;
    if (table_size) return 1;
    if (n == 0) return code_size != 0;
    if (!oracle_range_codes(code, code_size, k, r)) return 1;
    begin(&only_or_high, alphabet <= 256 ? alphabet : highs, 1);
    for (uint32_t h = 0; alphabet > 256 && h < highs; h++) begin(&low[h], 256, 16);
    for (size_t i = 0; i < n; i++) {
        if (!next_byte(&r[i % k], &only_or_high, window, &high)) return 1;
        symbols[i] = (uint16_t)high;
        if (alphabet <= 256) continue;
        if (!next_byte(&r[i % k], &low[high], window, &byte) || 256 * high + byte >= alphabet) return 1;
        symbols[i] = (uint16_t)(256 * high + byte);
    }
    for (size_t j = 0; j < k; j++)
        if (!oracle_range_ended(&r[j])) return 1;
    return 0;
}
