/* oracle_huffman.c - see oracle.h. */
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

enum { MOST_SYMBOLS = 65536, MOST_STREAMS = 8, LONGEST = 32 };

typedef struct lengths {
    bool live[MOST_SYMBOLS];
    unsigned length[MOST_SYMBOLS];
    uint32_t lives;
} lengths;

static bool read_lengths(uint32_t alphabet, const uint8_t *table, size_t table_size, lengths *t)
{
    bit_string s = oracle_bits(table, table_size);
    uint64_t left = (uint64_t)1 << LONGEST; /* in units of 2^-32 */
    uint64_t symbol = 0;
    int64_t before = 0;
    memset(t, 0, sizeof *t);
    for (bool first = true; left > 0; first = false) {
        symbol += oracle_gamma(&s) - (first ? 1 : 0);
        uint64_t end = symbol + oracle_gamma(&s);
        if (end > alphabet || s.over) return false;
        for (; symbol < end; symbol++) {
            int64_t length = before + oracle_step(&s);
            if (length < 0 || length > LONGEST) return false;
            uint64_t part = (uint64_t)1 << (LONGEST - length);
            if (part > left) return false;
            left -= part;
            t->live[symbol] = true;
            t->length[symbol] = (unsigned)length;
            t->lives++;
            before = length;
        }
    }
    return oracle_ended(&s);
}

static bool lengths_within_limit(uint32_t alphabet, uint32_t max, const lengths *t)
{
    uint32_t limit = max ? max : alphabet <= 256 ? 12 : 24;
    if (limit < oracle_ceil_log2(t->lives)) limit = oracle_ceil_log2(t->lives);
    for (uint32_t i = 0; i < alphabet; i++)
        if (t->live[i] && t->length[i] > limit) return false;
    return true;
}

/* The symbols by ascending length, then ascending symbol, and the code of each. */
typedef struct codes {
    uint16_t symbol[MOST_SYMBOLS];
    uint64_t code[MOST_SYMBOLS];
    uint32_t first[LONGEST + 2]; /* where the symbols of each length begin */
} codes;

static void make_codes(uint32_t alphabet, const lengths *t, codes *c)
{
    uint32_t made = 0;
    uint64_t next = 0;
    for (unsigned length = 0; length <= LONGEST; length++) {
        c->first[length] = made;
        for (uint32_t i = 0; i < alphabet; i++) {
            if (!t->live[i] || t->length[i] != length) continue;
            c->symbol[made] = (uint16_t)i;
            c->code[made++] = next++;
        }
        next *= 2;
    }
    c->first[LONGEST + 1] = made;
}

/* Bit by bit, until what has been read is a code of that length. */
static bool next_symbol(bit_string *s, const codes *c, uint16_t *symbol)
{
    uint64_t read = 0;
    for (unsigned length = 1; length <= LONGEST; length++) {
        read = 2 * read + oracle_bit(s);
        uint32_t first = c->first[length], count = c->first[length + 1] - first;
        if (s->over) return false;
        if (!count || read < c->code[first] || read - c->code[first] >= count) continue;
        *symbol = c->symbol[first + (read - c->code[first])];
        return true;
    }
    return false;
}

int oracle_huffman(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                   const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    static lengths t;
    static codes c;
    byte_string in = { code, code_size, 0, false };
    bit_string stream[MOST_STREAMS];
    uint64_t size[MOST_STREAMS];
    uint32_t streams = param[1];
    if (!read_lengths(alphabet, table, table_size, &t) || !lengths_within_limit(alphabet, param[0], &t)) return 1;
    if (n == 0) return code_size != 0;
    make_codes(alphabet, &t, &c);
    if (t.lives == 1) {
        for (size_t i = 0; i < n; i++) symbols[i] = c.symbol[0];
        return code_size != 0;
    }
    for (uint32_t i = 0; i + 1 < streams; i++) size[i] = oracle_varint(&in);
    for (uint32_t i = 0; i < streams; i++) {
        byte_string part = oracle_part(&in, i + 1 < streams ? size[i] : in.size - in.at);
        stream[i] = oracle_bits(part.bytes, part.size);
    }
    if (in.over) return 1;
    for (size_t i = 0; i < n; i++)
        if (!next_symbol(&stream[i % streams], &c, &symbols[i])) return 1;
    for (uint32_t i = 0; i < streams; i++)
        if (!oracle_ended(&stream[i])) return 1;
    return 0;
}

/* ---- the same codes, kept by tree node ------------------------------------------------------- */

/* Whether a node, given by the bits that lead to it, is a leaf; then its symbol. */
static bool is_leaf(const codes *c, uint64_t read, unsigned length, uint16_t *symbol)
{
    for (uint32_t i = c->first[length]; i < c->first[length + 1]; i++)
        if (c->code[i] == read) {
            *symbol = c->symbol[i];
            return true;
        }
    return false;
}

/* The n symbols below a node, in their order. */
static bool read_node(byte_string *in, const codes *c, uint64_t read, unsigned length, uint16_t *symbols, size_t n)
{
    uint16_t leaf;
    if (is_leaf(c, read, length, &leaf)) {
        for (size_t i = 0; i < n; i++) symbols[i] = leaf;
        return true;
    }
    byte_string part = oracle_part(in, (n + 7) / 8);
    if (in->over) return false;
    bit_string bits = oracle_bits(part.bytes, part.size), again = bits;
    size_t ones = 0;
    for (size_t i = 0; i < n; i++) ones += oracle_bit(&bits);
    uint16_t *left = malloc((n + 1) * sizeof *left), *right = left ? left + (n - ones) : NULL;
    bool good = left && oracle_ended(&bits) && read_node(in, c, 2 * read, length + 1, left, n - ones) &&
                read_node(in, c, 2 * read + 1, length + 1, right, ones);
    for (size_t i = 0, zero = 0, one = 0; good && i < n; i++)
        symbols[i] = oracle_bit(&again) ? right[one++] : left[zero++];
    free(left);
    return good;
}

int oracle_wavelet_tree(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                        const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    static lengths t;
    static codes c;
    byte_string in = { code, code_size, 0, false };
    if (!read_lengths(alphabet, table, table_size, &t) || !lengths_within_limit(alphabet, param[0], &t)) return 1;
    if (n == 0) return code_size != 0;
    make_codes(alphabet, &t, &c);
    return !read_node(&in, &c, 0, 0, symbols, n) || !oracle_all_read(&in);
}
