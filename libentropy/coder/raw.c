/* raw.c - the control: every symbol in the bits that its alphabet needs, lowest bit first.
 *
 * Bytes and 2, 4, 8 byte words are copied; other widths are packed without gaps, symbol i at bit
 * i * bits of a little-endian bit string, and the last byte is filled up with zeros. */
#include <string.h>

#include <entropy/coder.h>

#include "base/bits.h"

static unsigned symbol_bits(const ent_coder_spec *spec)
{
    return spec->alphabet ? ent_bits_for(spec->alphabet) : spec->width * 8;
}

/* Whether every value of the stored bits is a symbol, so that plain bytes may be copied unread. */
static bool is_plain(const ent_coder_spec *spec)
{
    return !spec->alphabet || spec->alphabet == 1u << 8 * spec->width;
}

static size_t coded_size(const ent_coder_spec *spec, size_t n)
{
    unsigned bits = symbol_bits(spec);
    return n / 8 * bits + (n % 8 * bits + 7) / 8;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)encoder, (void)work;
    unsigned bits = symbol_bits(spec);
    *size = coded_size(spec, n);
    tally->payload_bits = 8 * (uint64_t)*size;
    if (is_plain(spec)) {
        memcpy(out, symbols, n * spec->width);
        return ENT_OK;
    }
    uint64_t held = 0;
    unsigned held_bits = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t symbol = ent_symbol_at(symbols, spec->width, i);
        if (symbol >= spec->alphabet) return ENT_ERANGE;
        held |= (uint64_t)symbol << held_bits;
        for (held_bits += bits; held_bits >= 8; held_bits -= 8, held >>= 8) *out++ = (uint8_t)held;
    }
    if (held_bits) *out = (uint8_t)held;
    return ENT_OK;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n, void *work)
{
    (void)decoder, (void)work;
    unsigned bits = symbol_bits(spec);
    if (in.size != coded_size(spec, n)) return ENT_ECORRUPT;
    if (is_plain(spec)) {
        memcpy(symbols, in.data, in.size);
        return ENT_OK;
    }
    uint64_t held = 0;
    unsigned held_bits = 0;
    uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < n; i++) {
        for (; held_bits < bits; held_bits += 8) held |= (uint64_t)*in.data++ << held_bits;
        uint32_t symbol = (uint32_t)held & mask;
        if (symbol >= spec->alphabet) return ENT_ECORRUPT;
        ent_symbol_put(symbols, spec->width, i, symbol);
        held >>= bits;
        held_bits -= bits;
    }
    return held ? ENT_ECORRUPT : ENT_OK;
}

const ent_coder ent_coder_raw = {
    .name = "raw",
    .brief = "fixed width, no coding",
    .cite = "",
    .id = 1,
    .max_alphabet = ENT_MAX_ALPHABET,
    .wide = true,
    .ops = { .lookups = 0, .simple = 2, .chain = 0, .lanes = 64 },
    .bound = coded_size,
    .encode = encode,
    .decode = decode,
};
