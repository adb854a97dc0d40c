/* join.c - which joins are fused, and their plain loops for the ends of blocks. */
#include "base/bits.h"
#include "coder/join.h"

ent_join_form ent_join_form_of(const ent_join *j)
{
    bool planes = j->plane[0] && j->plane[1] && j->plane[2];
    if (j->word_bytes == 2 && j->shift == 7 && j->bits == 8 && j->rest) return ENT_JOIN_BF16;
    if (j->word_bytes == 2 && j->shift == 10 && j->bits == 5 && j->rest) return ENT_JOIN_F16;
    if (j->word_bytes == 4 && j->shift == 23 && j->bits == 8 && planes) return ENT_JOIN_F32;
    return ENT_JOIN_OTHER;
}

/* Sign and exponent of F32 lie as in BF16. */
static uint16_t bf16_word(uint8_t exponent, uint8_t rest)
{
    return (uint16_t)((rest & 128) << 8 | exponent << 7 | (rest & 127));
}

static uint16_t f16_word(uint8_t exponent, const uint8_t *rest, size_t number)
{
    enum { BITS = 11 };
    const uint8_t *p = rest + number / 8 * BITS + number % 8 * BITS / 8;
    unsigned shift = number % 8 * BITS % 8, v = p[0] | (unsigned)p[1] << 8;
    if (shift + BITS > 16) v |= (unsigned)p[2] << 16;
    v >>= shift;
    return (uint16_t)((v & 0x400) << 5 | (unsigned)exponent << 10 | (v & 0x3FF));
}

/* Of 64 codes, 4, 2 and 1 bits of each lie together, as many of these as add up to `low`, highest first. */
static uint8_t code_byte(uint8_t upper, const uint8_t *rest, unsigned low, size_t number)
{
    const uint8_t *p = rest + number / 64 * 8 * low;
    unsigned v = upper, i = number % 64;
    for (unsigned bits = 4; bits; bits /= 2) {
        if (!(low & bits)) continue;
        v = v << bits | (p[i % (8 * bits)] >> i / (8 * bits) * bits & ((1u << bits) - 1));
        p += 8 * bits;
    }
    return (uint8_t)v;
}

void ent_join_symbols(ent_join_form form, const ent_join *join, const uint8_t *symbols, size_t first, size_t n,
                      uint8_t *words)
{
    const ent_join j = *join;
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        if (form == ENT_JOIN_BF16) ent_store16(words + 2 * at, bf16_word(symbols[i], j.rest[at]));
        if (form == ENT_JOIN_CODE) words[at] = code_byte(symbols[i], j.rest, j.shift, at);
        if (form == ENT_JOIN_F16) ent_store16(words + 2 * at, f16_word(symbols[i], j.rest, at));
        if (form != ENT_JOIN_F32) continue;
        uint32_t low = (uint32_t)j.plane[1][at] << 8 | j.plane[2][at];
        ent_store32(words + 4 * at, (uint32_t)bf16_word(symbols[i], j.plane[0][at]) << 16 | low);
    }
}
