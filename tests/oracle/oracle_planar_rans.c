/* oracle_planar_rans.c - see oracle.h. */
#include <string.h>

#include "oracle.h"

enum { LANES = 64, MOST_GROUPS = 4 };

typedef struct slots {
    uint32_t sym[256], f[256], r[256];
    uint32_t listed[15], lists;
    uint32_t h; /* low bits beside the code */
} slots;

/* Slot t of the t-th smallest pair: for each slot, look for the smallest pair that has none yet. */
static void make_slots(const uint8_t *symbol, const uint8_t *frequency, uint32_t entries, slots *t)
{
    uint32_t used[256] = { 0 }; /* pairs of each entry that have a slot: r ascends */
    for (uint32_t slot = 0; slot < 256; slot++) {
        uint32_t best = entries;
        for (uint32_t i = 0; i < entries; i++) {
            if (used[i] == frequency[i]) continue;
            if (best == entries || (2 * used[i] + 1) * frequency[best] < (2 * used[best] + 1) * frequency[i]) best = i;
        }
        t->sym[slot] = symbol[best];
        t->f[slot] = frequency[best];
        t->r[slot] = used[best]++;
    }
}

static bool read_table(uint32_t alphabet, const uint8_t *table, size_t table_size, slots *t)
{
    byte_string in = { table, table_size, 0, false };
    uint8_t symbol[256], frequency[256];
    bool taken[256] = { false };
    t->h = 0;
    if (table_size && table[0] == 0) {
        oracle_byte(&in);
        t->h = oracle_byte(&in);
        if (t->h < 2 || t->h > 4 || alphabet % (1u << t->h)) return false;
        alphabet >>= t->h;
    }
    uint32_t sum = 0, entries = oracle_byte(&in) + 1u;
    for (uint32_t i = 0; i < entries; i++) {
        symbol[i] = oracle_byte(&in);
        frequency[i] = oracle_byte(&in);
        sum += frequency[i];
        taken[symbol[i]] = true;
        if (symbol[i] >= alphabet || (i > 0 && symbol[i] < symbol[i - 1])) return false;
        if (frequency[i] < 1 || frequency[i] > 127) return false;
    }
    if (in.over || sum != 256) return false;
    for (t->lists = 0; in.at < in.size; t->lists++) {
        uint8_t listed = oracle_byte(&in);
        if (t->lists == 15 || listed >= alphabet || taken[listed]) return false;
        taken[listed] = true;
        t->listed[t->lists] = listed;
    }
    make_slots(symbol, frequency, entries, t);
    return true;
}

enum { MOST_CLASSES = 16 };

/* The tables, and which of them a symbol has. */
typedef struct classes {
    slots table[MOST_CLASSES];
    size_t segment;    /* symbols; 0: table 0 has all */
    bit_string number; /* of the tables of the segments */
    uint32_t bits;     /* of a number */
    uint32_t tables;
} classes;

static const slots *table_of(const classes *c, uint64_t symbol)
{
    bit_string s = c->number;
    if (!c->segment) return &c->table[0];
    s.at = symbol / c->segment * c->bits;
    return &c->table[oracle_number(&s, c->bits)];
}

static bool repair(const classes *all, byte_string in, uint32_t alphabet, uint16_t *symbols, uint64_t below)
{
    uint64_t p = 0;
    while (in.at < in.size) {
        uint64_t both = oracle_integer(&in, 2), d = both & 4095, c = both >> 12;
        if (d == 4095) {
            if (c) return false;
            p += 4095;
            continue;
        }
        if (p + d >= below) return false;
        const slots *t = table_of(all, p + d);
        if (c < 15 && c >= t->lists) return false;
        symbols[p + d] = c == 15 ? oracle_byte(&in) : (uint16_t)t->listed[c];
        if (symbols[p + d] >= alphabet) return false;
        p += d + 1;
    }
    return !in.over;
}

static bool uncoded(byte_string in, uint32_t alphabet, uint16_t *symbols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        symbols[i] = oracle_byte(&in);
        if (symbols[i] >= alphabet) return false;
    }
    return oracle_all_read(&in);
}

/* Puts the low bits of the n symbols, and of those that fill up the last 64, below them. */
static bool add_low_bits(byte_string in, uint32_t h, uint16_t *symbols, size_t n)
{
    for (size_t first = 0; h && first < n; first += LANES) {
        uint32_t low[LANES] = { 0 };
        for (uint32_t w = 4; w; w /= 2) {
            uint8_t part[32];
            if (!(h & w)) continue;
            for (uint32_t i = 0; i < 8 * w; i++) part[i] = oracle_byte(&in);
            for (uint32_t j = 0; j < 8 / w; j++)
                for (uint32_t i = 0; i < 8 * w; i++) {
                    uint32_t *bits = &low[8 * w * j + i];
                    for (uint32_t k = w; k > 0; k--) *bits = 2 * *bits + (part[i] >> (w * j + k - 1) & 1);
                }
        }
        for (uint32_t i = 0; i < LANES; i++) {
            if (first + i < n) symbols[first + i] = (uint16_t)(((uint32_t)symbols[first + i] << h) + low[i]);
            else if (low[i]) return false;
        }
    }
    return oracle_all_read(&in);
}

/* A block of n >= 1 symbols. */
static bool decode_block(uint32_t alphabet, const classes *c, byte_string in, uint16_t *symbols, size_t n)
{
    byte_string string[MOST_GROUPS];
    uint32_t Q[MOST_GROUPS][LANES], S[MOST_GROUPS][LANES];
    uint64_t size[MOST_GROUPS];
    const uint32_t h = c->table[0].h;

    uint32_t G = oracle_byte(&in);
    if (in.over || G == 3 || G > MOST_GROUPS) return false;
    if (G == 0) return uncoded(in, alphabet, symbols, n);
    alphabet >>= h;
    uint64_t repairs = oracle_varint(&in);
    for (uint32_t g = 0; g + 1 < G; g++) size[g] = oracle_varint(&in);
    if (in.over || in.size - in.at < 2 * LANES * G) return false;
    byte_string states = { in.bytes + in.size - 2 * LANES * G, 2 * LANES * G, 0, false };
    in.size -= states.size;
    byte_string low_bits = oracle_part(&in, 8 * h * ((n + 63) / 64));
    byte_string repaired = oracle_part(&in, repairs);
    for (uint32_t g = 0; g < G; g++) string[g] = oracle_part(&in, g + 1 < G ? size[g] : in.size - in.at);
    if (in.over) return false;
    for (uint32_t i = 0; i < LANES * G; i++) {
        Q[i / LANES][i % LANES] = oracle_byte(&states);
        if (!Q[i / LANES][i % LANES]) return false;
    }
    for (uint32_t i = 0; i < LANES * G; i++) S[i / LANES][i % LANES] = oracle_byte(&states);

    uint64_t R = (n - 1) / (LANES * G), last = LANES * G * R;
    for (uint64_t k = 0; k < R; k++)
        for (uint32_t g = 0; g < G; g++)
            for (uint32_t l = 0; l < LANES; l++) {
                const slots *t = table_of(c, LANES * (G * k + g) + l);
                uint32_t slot = S[g][l];
                symbols[LANES * (G * k + g) + l] = (uint16_t)t->sym[slot];
                uint32_t v = t->f[slot] * Q[g][l] + t->r[slot], x = v < 256 ? 256 * v + oracle_byte(&string[g]) : v;
                Q[g][l] = x / 256;
                S[g][l] = x % 256;
            }
    for (uint32_t g = 0; g < G; g++)
        if (!oracle_all_read(&string[g])) return false;
    for (uint32_t i = 0; i < LANES * G; i++) {
        uint32_t symbol = S[i / LANES][i % LANES];
        if (Q[i / LANES][i % LANES] != 1) return false;
        if (last + i >= n ? symbol != 0 : symbol >= alphabet) return false;
        if (last + i < n) symbols[last + i] = (uint16_t)symbol;
    }
    return repair(c, repaired, alphabet, symbols, last) && add_low_bits(low_bits, h, symbols, n);
}

int oracle_planar_rans(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                       const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    (void)param;
    static classes c;
    c.segment = 0;
    if (!read_table(alphabet, table, table_size, &c.table[0])) return 1;
    if (n == 0) return code_size != 0;
    return !decode_block(alphabet, &c, (byte_string){ code, code_size, 0, false }, symbols, n);
}

static bool read_tables(uint32_t alphabet, uint32_t most, byte_string in, classes *c)
{
    c->tables = oracle_byte(&in);
    if (c->tables < 1 || c->tables > most) return false;
    for (uint32_t k = 0; k < c->tables; k++) {
        byte_string one = oracle_part(&in, oracle_varint(&in));
        if (in.over || !read_table(alphabet, one.bytes, one.size, &c->table[k]) || c->table[k].h) return false;
    }
    return oracle_all_read(&in);
}

int oracle_planar_rans_classes(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                               const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    static classes c;
    byte_string in = { code, code_size, 0, false };
    if (!read_tables(alphabet, param[0], (byte_string){ table, table_size, 0, false }, &c)) return 1;
    if (n == 0) return code_size != 0;
    c.segment = 256 * (size_t)param[1];
    c.bits = oracle_ceil_log2(c.tables);
    uint64_t segments = (n + c.segment - 1) / c.segment;
    byte_string numbers = oracle_part(&in, (segments * c.bits + 7) / 8);
    if (in.over) return 1;
    bit_string each = c.number = oracle_bits(numbers.bytes, numbers.size);
    for (uint64_t i = 0; i < segments; i++)
        if (oracle_number(&each, c.bits) >= c.tables) return 1;
    if (!oracle_ended(&each)) return 1;
    byte_string block = oracle_part(&in, in.size - in.at);
    return !decode_block(alphabet, &c, block, symbols, n);
}
