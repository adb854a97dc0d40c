/* split.c - words to the symbols of each field, and back.
 *
 * A field of r ranges is r passes of one shift and one mask over the words; the passes run on blocks
 * that stay in the first cache, so that memory is read and written once. */
#include <string.h>

#include <entropy/field.h>

/* Neither words nor symbols need to be aligned. */
typedef uint16_t loose16 __attribute__((aligned(1), may_alias));
typedef uint32_t loose32 __attribute__((aligned(1), may_alias));
typedef uint64_t loose64 __attribute__((aligned(1), may_alias));

/* One range of a field: bits [low, low + ...) of the word are bits [at, ...) of the symbol. */
typedef struct move {
    uint64_t mask;
    unsigned low, at;
    bool first; /* set the target, else add to it */
} move;

#define PASSES(W, word_type, S, symbol_type) \
    static void split_##W##_##S(const void *from, size_t n, void *to, const move *m) \
    { \
        const word_type *restrict word = from; \
        symbol_type *restrict symbol = to; \
        const word_type mask = (word_type)m->mask; \
        const unsigned low = m->low, at = m->at; \
        if (m->first) \
            for (size_t i = 0; i < n; i++) symbol[i] = (symbol_type)((word[i] >> low & mask) << at); \
        else \
            for (size_t i = 0; i < n; i++) symbol[i] = (symbol_type)(symbol[i] | (word[i] >> low & mask) << at); \
    } \
    static void join_##W##_##S(const void *from, size_t n, void *to, const move *m) \
    { \
        const symbol_type *restrict symbol = from; \
        word_type *restrict word = to; \
        const word_type mask = (word_type)m->mask; \
        const unsigned low = m->low, at = m->at; \
        if (m->first) \
            for (size_t i = 0; i < n; i++) word[i] = (word_type)(((word_type)symbol[i] >> at & mask) << low); \
        else \
            for (size_t i = 0; i < n; i++) \
                word[i] = (word_type)(word[i] | ((word_type)symbol[i] >> at & mask) << low); \
    }

PASSES(8, uint8_t, 8, uint8_t)
PASSES(16, loose16, 8, uint8_t)
PASSES(16, loose16, 16, loose16)
PASSES(32, loose32, 8, uint8_t)
PASSES(32, loose32, 16, loose16)
PASSES(32, loose32, 32, loose32)
PASSES(64, loose64, 8, uint8_t)
PASSES(64, loose64, 16, loose16)
PASSES(64, loose64, 32, loose32)
PASSES(64, loose64, 64, loose64)

typedef void pass(const void *from, size_t n, void *to, const move *m);

/* By the logarithms of the widths of word and symbol; a symbol is never wider than its word. */
static pass *const split_pass[4][4] = {
    { split_8_8 },
    { split_16_8, split_16_16 },
    { split_32_8, split_32_16, split_32_32 },
    { split_64_8, split_64_16, split_64_32, split_64_64 },
};
static pass *const join_pass[4][4] = {
    { join_8_8 },
    { join_16_8, join_16_16 },
    { join_32_8, join_32_16, join_32_32 },
    { join_64_8, join_64_16, join_64_32, join_64_64 },
};

enum { BLOCK = 2048 }; /* at most 16 KiB of words: with their symbols in any first cache */

static unsigned log2_width(uint32_t width) { return (unsigned)__builtin_ctz(width); }

static uint32_t word_width(const ent_split *split)
{
    return split->word_bits <= 8 ? 1 : split->word_bits <= 16 ? 2 : split->word_bits <= 32 ? 4 : 8;
}

void ent_split_words(const ent_split *split, const void *words, size_t n, void *const stream[])
{
    uint32_t width = word_width(split);
    for (size_t begin = 0, size; begin < n; begin += size) {
        size = n - begin < BLOCK ? n - begin : BLOCK;
        for (unsigned i = 0; i < split->fields; i++) {
            const ent_field *field = &split->field[i];
            if (!stream[i]) continue;
            uint32_t symbol_width = ent_field_width(field);
            move m = { .at = ent_field_bits(field), .first = true };
            for (unsigned k = 0; k < field->ranges; k++, m.first = false) {
                m.low = field->range[k].low;
                m.at -= field->range[k].bits;
                m.mask = UINT64_MAX >> (64 - field->range[k].bits);
                split_pass[log2_width(width)][log2_width(symbol_width)](
                    (const uint8_t *)words + begin * width, size, (uint8_t *)stream[i] + begin * symbol_width, &m);
            }
        }
    }
}

void ent_join_words(const ent_split *split, const void *const stream[], size_t n, void *words)
{
    uint32_t width = word_width(split);
    for (size_t begin = 0, size; begin < n; begin += size) {
        size = n - begin < BLOCK ? n - begin : BLOCK;
        bool first = true;
        for (unsigned i = 0; i < split->fields; i++) {
            const ent_field *field = &split->field[i];
            uint32_t symbol_width = ent_field_width(field);
            move m = { .at = ent_field_bits(field) };
            for (unsigned k = 0; k < field->ranges; k++, first = false) {
                m.low = field->range[k].low;
                m.at -= field->range[k].bits;
                m.mask = UINT64_MAX >> (64 - field->range[k].bits);
                m.first = first;
                join_pass[log2_width(width)][log2_width(symbol_width)](
                    (const uint8_t *)stream[i] + begin * symbol_width, size, (uint8_t *)words + begin * width, &m);
            }
        }
    }
}
