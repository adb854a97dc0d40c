/* planar_rans_low.c - symbols cut in two: upper bits for the model, low bits to be stored as they are.
 *
 * The low bits of 64 neighbouring symbols lie together in an order that registers of 16, 32 and 64 bytes
 * take apart with one shift for each of 4, 2 and 1 bits, without a permutation (see FORMAT.md); here
 * eight symbols a machine word do the same. */
#include <string.h>

#include "base/bits.h"
#include "coder/planar_rans.h"

enum { WORDS = PLANAR_LANES / 8 };

static const uint64_t every_byte = 0x0101010101010101;

/* Bits [from, from + bits) of 64 symbols. */
static uint8_t *put_bits(const uint64_t symbols[WORDS], unsigned from, unsigned bits, uint8_t *out)
{
    const uint64_t mask = every_byte * ((1u << bits) - 1);
    for (unsigned i = 0; i < bits; i++, out += 8) {
        uint64_t word = 0;
        for (unsigned k = 0; k < WORDS; k += bits) word |= (symbols[i + k] >> from & mask) << k;
        ent_store64(out, word);
    }
    return out;
}

static uint8_t *cut_group(const uint8_t *symbols, unsigned low, uint8_t *upper, uint8_t *lows)
{
    uint64_t word[WORDS];
    for (unsigned i = 0; i < WORDS; i++) {
        word[i] = ent_load64(symbols + 8 * i);
        ent_store64(upper + 8 * i, word[i] >> low & every_byte * (255u >> low));
    }
    for (unsigned bits = 4; bits; bits /= 2)
        if (low & bits) lows = put_bits(word, low & (bits - 1), bits, lows);
    return lows;
}

void ent_planar_cut(const uint8_t *symbols, size_t n, unsigned low, uint8_t *upper, uint8_t *lows)
{
    uint8_t last[PLANAR_LANES] = { 0 }, cut[PLANAR_LANES];
    size_t i = 0;
    for (; i + PLANAR_LANES <= n; i += PLANAR_LANES) lows = cut_group(symbols + i, low, upper + i, lows);
    if (i == n) return;
    memcpy(last, symbols + i, n - i);
    cut_group(last, low, cut, lows);
    memcpy(upper + i, cut, n - i);
}
