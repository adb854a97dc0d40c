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

/* The codes of m symbols in a tier of w bits: groups of 64, in each plane by plane. */
static bool read_tier(bit_string s, uint32_t w, uint8_t *codes, uint64_t m, const uint64_t *group_sizes, size_t groups)
{
    memset(codes, 0, (size_t)m);
    for (size_t g = 0; g < groups; g++) {
        for (uint32_t bit = 0; bit < w; bit++)
            for (uint64_t i = 0; i < group_sizes[g]; i++) codes[i] |= (uint8_t)(oracle_bit(&s) << bit);
        codes += group_sizes[g];
    }
    return oracle_ended(&s);
}

static int decode_symbols(const ranks *t, uint32_t alphabet, byte_string in, uint16_t *rank, uint8_t *codes,
                          uint16_t *symbols, size_t n)
{
    uint64_t m[MOST_TIERS + 1] = { n }, tier_bytes = 0;
    size_t groups = (n + 63) / 64;
    byte_string tier[MOST_TIERS];
    for (uint32_t k = 1; k < t->T; k++) {
        m[k] = oracle_varint(&in);
        if (m[k] > m[k - 1]) return 1;
    }
    for (uint32_t k = 0; k < t->T; k++) tier_bytes += (m[k] * t->w[k] + 7) / 8;
    if (in.over || tier_bytes > in.size - in.at) return 1;
    byte_string escaped = oracle_part(&in, in.size - in.at - tier_bytes);
    for (uint32_t k = t->T; k-- > 0;) tier[k] = oracle_part(&in, (m[k] * t->w[k] + 7) / 8);

    bool *reaches = malloc(n); /* whether symbol i reaches the tier at hand */
    uint64_t *group_sizes = malloc(groups * sizeof *group_sizes);
    bool good = reaches && group_sizes;
    for (size_t i = 0; good && i < n; i++) reaches[i] = true, rank[i] = 0;
    for (uint32_t k = 0; good && k < t->T; k++) {
        uint64_t reached = 0, next = 0;
        for (size_t g = 0; g < groups; g++) group_sizes[g] = 0;
        for (size_t i = 0; i < n; i++) group_sizes[i / 64] += reaches[i], reached += reaches[i];
        good = reached == m[k] &&
               read_tier(oracle_bits(tier[k].bytes, tier[k].size), t->w[k], codes, reached, group_sizes, groups);
        for (size_t i = 0; good && i < n; i++) {
            if (!reaches[i]) continue;
            uint8_t code = codes[next++];
            rank[i] = (uint16_t)(rank[i] + code);
            reaches[i] = code == (1u << t->w[k]) - 1;
        }
    }
    for (size_t i = 0; good && i < n; i++) {
        symbols[i] = rank[i] == t->C && t->escapes ? oracle_byte(&escaped) : t->symbol[rank[i]];
        if (symbols[i] >= alphabet) good = false;
    }
    free(reaches);
    free(group_sizes);
    return !good || !oracle_all_read(&escaped);
}

int oracle_tiered(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                  const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    ranks t;
    if (!read_ranks(alphabet, param[0], table, table_size, &t)) return 1;
    if (n == 0) return code_size != 0;
    uint16_t *rank = malloc(n * sizeof *rank);
    uint8_t *codes = malloc(n);
    byte_string in = { code, code_size, 0, false };
    int bad = !rank || !codes || decode_symbols(&t, alphabet, in, rank, codes, symbols, n);
    free(rank);
    free(codes);
    return bad;
}
