/* oracle_tiered.c - see oracle.h. */
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

enum { MOST_TIERS = 4 };

typedef struct ranks {
    uint32_t T, w[MOST_TIERS];
    uint32_t C, ranked;
    uint8_t symbol[256]; /* of each rank */
    bool escapes;
} ranks;

static bool read_ranks(uint32_t alphabet, uint32_t tiers, const uint8_t *table, size_t table_size, ranks *t)
{
    byte_string in = { table, table_size, 0, false };
    bool seen[256] = { false };
    memset(t, 0, sizeof *t);
    t->T = oracle_byte(&in);
    if (t->T < 1 || t->T > tiers) return false;
    for (uint32_t k = 0; k < t->T; k++) {
        t->w[k] = oracle_byte(&in);
        if (t->w[k] < 1 || t->w[k] > 4) return false;
        t->C += (1u << t->w[k]) - 1;
    }
    t->escapes = t->C + 1 != alphabet;
    while (in.at < in.size) {
        uint8_t symbol = oracle_byte(&in);
        if (symbol >= alphabet || seen[symbol]) return false;
        seen[symbol] = true;
        t->symbol[t->ranked++] = symbol;
    }
    for (uint32_t rank = t->ranked; rank < 256; rank++) t->symbol[rank] = t->symbol[0];
    return !in.over && t->ranked >= 1 && (t->escapes ? t->ranked <= t->C : t->ranked == alphabet);
}

typedef struct parts {
    uint64_t m[MOST_TIERS]; /* how many symbols reach each tier */
    byte_string escaped, tier[MOST_TIERS];
} parts;

static bool cut(const ranks *t, byte_string in, size_t n, parts *p)
{
    uint64_t tier_bytes = 0;
    p->m[0] = n;
    for (uint32_t k = 1; k < t->T; k++) {
        p->m[k] = oracle_varint(&in);
        if (p->m[k] > n) return false;
    }
    for (uint32_t k = 0; k < t->T; k++) tier_bytes += (p->m[k] * t->w[k] + 7) / 8;
    if (in.over || tier_bytes > in.size - in.at) return false;
    p->escaped = oracle_part(&in, in.size - in.at - tier_bytes);
    for (uint32_t k = t->T; k-- > 0;) p->tier[k] = oracle_part(&in, (p->m[k] * t->w[k] + 7) / 8);
    return true;
}

/* One tier: adds the codes to the ranks of the symbols that reach it, and leaves in `reaches` which
 * reach the next. */
static bool read_tier(bit_string s, uint32_t w, uint64_t m, bool *reaches, uint16_t *rank, size_t n)
{
    uint64_t reached = 0;
    for (size_t i = 0; i < n; i++)
        if (reaches[i]) reached++;
    if (reached != m) return false;
    for (size_t group = 0; group < n; group += 64) {
        size_t end = group + 64 < n ? group + 64 : n;
        uint32_t code[64] = { 0 };
        for (uint32_t bit = 0; bit < w; bit++)
            for (size_t i = group; i < end; i++)
                if (reaches[i]) code[i - group] |= oracle_bit(&s) << bit;
        for (size_t i = group; i < end; i++) {
            rank[i] = (uint16_t)(rank[i] + code[i - group]);
            reaches[i] = reaches[i] && code[i - group] == (1u << w) - 1;
        }
    }
    return oracle_ended(&s);
}

static bool symbols_of_ranks(const ranks *t, uint32_t alphabet, byte_string escaped, const uint16_t *rank,
                             uint16_t *symbols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        symbols[i] = rank[i] == t->C && t->escapes ? oracle_byte(&escaped) : t->symbol[rank[i]];
        if (symbols[i] >= alphabet) return false;
    }
    return oracle_all_read(&escaped);
}

int oracle_tiered(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                  const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    ranks t;
    parts p;
    if (!read_ranks(alphabet, param[0], table, table_size, &t)) return 1;
    if (n == 0) return code_size != 0;
    if (!cut(&t, (byte_string){ code, code_size, 0, false }, n, &p)) return 1;
    bool *reaches = malloc(n * sizeof *reaches);
    uint16_t *rank = calloc(n, sizeof *rank);
    bool good = reaches && rank;
    for (size_t i = 0; good && i < n; i++) reaches[i] = true;
    for (uint32_t k = 0; good && k < t.T; k++)
        good = read_tier(oracle_bits(p.tier[k].bytes, p.tier[k].size), t.w[k], p.m[k], reaches, rank, n);
    good = good && symbols_of_ranks(&t, alphabet, p.escaped, rank, symbols, n);
    free(reaches);
    free(rank);
    return !good;
}
