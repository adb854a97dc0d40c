/* pack.c - words that are not whole bytes: packed without gaps in tensors, unpacked for the kernels.
 *
 * Eight words of b bits are b bytes.  For b < 8 such a group is one 64-bit integer, and one loop body
 * is compiled for each b; words of 9 to 15 bits, which are rare, go through a bit buffer. */
#include <string.h>

#include <entropy/field.h>

#include "base/bits.h"

enum { GROUP = 8 };

static unsigned word_bits(const ent_format *format) { return format ? format->bits : 8; }

uint32_t ent_format_width(const ent_format *format)
{
    unsigned bits = word_bits(format);
    if (bits > 64) return bits / 8;
    return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : 8;
}

uint32_t ent_format_alignment(const ent_format *format)
{
    return word_bits(format) > 64 ? 1 : ent_format_width(format);
}

bool ent_format_packed(const ent_format *format) { return word_bits(format) % 8 != 0; }

/* ---- words of 1 to 7 bits ------------------------------------------------------------------------- */

static inline void unpack_group(unsigned bits, const uint8_t *data, size_t size, uint8_t *word, unsigned n)
{
    uint64_t group = 0;
    if (size & (size - 1)) /* as a copy, 3, 5, 6 or 7 bytes would go through memory in two parts and stall */
        for (size_t i = 0; i < size; i++) group |= (uint64_t)data[i] << 8 * i;
    else
        memcpy(&group, data, size);
    for (unsigned k = 0; k < n; k++) word[k] = (uint8_t)(group >> bits * k & ((1u << bits) - 1));
}

static inline void pack_group(unsigned bits, const uint8_t *word, unsigned n, uint8_t *data, size_t size)
{
    uint64_t group = 0;
    for (unsigned k = 0; k < n; k++) group |= (uint64_t)(word[k] & ((1u << bits) - 1)) << bits * k;
    memcpy(data, &group, size);
}

static inline void unpack_groups(unsigned bits, const uint8_t *data, size_t n, uint8_t *word)
{
    size_t groups = n / GROUP;
    for (size_t g = 0; g < groups; g++) unpack_group(bits, data + g * bits, bits, word + g * GROUP, GROUP);
    unpack_group(bits, data + groups * bits, (n % GROUP * bits + 7) / 8, word + groups * GROUP, n % GROUP);
}

static inline void pack_groups(unsigned bits, const uint8_t *word, size_t n, uint8_t *data)
{
    size_t groups = n / GROUP;
    for (size_t g = 0; g < groups; g++) pack_group(bits, word + g * GROUP, GROUP, data + g * bits, bits);
    pack_group(bits, word + groups * GROUP, n % GROUP, data + groups * bits, (n % GROUP * bits + 7) / 8);
}

/* ---- words of 9 to 15 bits ------------------------------------------------------------------------ */

static void unpack_wide(unsigned bits, const uint8_t *data, size_t n, uint8_t *word)
{
    uint32_t held = 0;
    unsigned held_bits = 0;
    for (size_t i = 0; i < n; i++, held >>= bits, held_bits -= bits) {
        for (; held_bits < bits; held_bits += 8) held |= (uint32_t)*data++ << held_bits;
        ent_store16(word + 2 * i, (uint16_t)(held & ((1u << bits) - 1)));
    }
}

static void pack_wide(unsigned bits, const uint8_t *word, size_t n, uint8_t *data)
{
    uint32_t held = 0;
    unsigned held_bits = 0;
    for (size_t i = 0; i < n; i++) {
        held |= (ent_load16(word + 2 * i) & ((1u << bits) - 1)) << held_bits;
        for (held_bits += bits; held_bits >= 8; held_bits -= 8, held >>= 8) *data++ = (uint8_t)held;
    }
    if (held_bits) *data = (uint8_t)held;
}

/* ---- the two doors ---------------------------------------------------------------------------------- */

void ent_format_unpack(const ent_format *format, const void *data, size_t first, size_t n, void *words)
{
    unsigned bits = word_bits(format);
    if (!n) return;
    if (bits > 64) {
        memcpy(words, (const uint8_t *)data + first * (bits / 8), n * (bits / 8));
        return;
    }
    const uint8_t *from = (const uint8_t *)data + (first / 8 * bits + first % 8 * bits / 8);
    switch (bits) {
    case 1: unpack_groups(1, from, n, words); break;
    case 2: unpack_groups(2, from, n, words); break;
    case 3: unpack_groups(3, from, n, words); break;
    case 4: unpack_groups(4, from, n, words); break;
    case 5: unpack_groups(5, from, n, words); break;
    case 6: unpack_groups(6, from, n, words); break;
    case 7: unpack_groups(7, from, n, words); break;
    case 8: case 16: case 32: case 64: memcpy(words, from, n * (bits / 8)); break;
    default: unpack_wide(bits, from, n, words);
    }
}

void ent_format_pack(const ent_format *format, const void *words, size_t n, void *data)
{
    unsigned bits = word_bits(format);
    if (!n) return;
    switch (bits) {
    case 1: pack_groups(1, words, n, data); break;
    case 2: pack_groups(2, words, n, data); break;
    case 3: pack_groups(3, words, n, data); break;
    case 4: pack_groups(4, words, n, data); break;
    case 5: pack_groups(5, words, n, data); break;
    case 6: pack_groups(6, words, n, data); break;
    case 7: pack_groups(7, words, n, data); break;
    case 8: case 16: case 32: case 64: memcpy(data, words, n * (bits / 8)); break;
    default: pack_wide(bits, words, n, data);
    }
}
