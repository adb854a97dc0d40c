/* raw.c - the control: every symbol in the bits that its alphabet needs, lowest bit first.
 *
 * Bytes and 2, 4, 8 byte words are copied; other widths are packed without gaps, symbol i at bit
 * i * bits of a little-endian bit string, and the last byte is filled up with zeros. */
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#endif

#include <entropy/coder.h>

#include "base/bits.h"
#include "coder/bmi2.h"

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

/* ---- eight symbols at once -------------------------------------------------------------------------
 *
 * Fields of under 8 bits, and the rests of F16.  Eight symbols of b bits are b bytes: neighbours are
 * pushed together, then pairs, then fours; or those of a byte all at once by an instruction of BMI2. */

enum { STEP = 8, STEP_ROOM = 16 }; /* symbols; bytes that the loads and stores of a step may touch */

static const uint64_t singles = 0x00FF00FF00FF00FF, pairs = 0x0000FFFF0000FFFF;

/* Four symbols, each in 16 bits, to 4 * bits bits, and back. */
static uint64_t close_up(uint64_t v, unsigned bits)
{
    uint64_t two = (v & pairs) | (v >> 16 & pairs) << bits;
    return (two & UINT32_MAX) | two >> 32 << 2 * bits;
}

static uint64_t open_up(uint64_t v, unsigned bits)
{
    uint64_t each = ((1ull << bits) - 1) * 0x0000000100000001;
    uint64_t two = (v & ((1ull << 2 * bits) - 1)) | (v >> 2 * bits) << 32;
    return (two & each) | (two >> bits & each) << 16;
}

/* Eight symbols, each in a byte, to 8 * bits bits, bits < 8, and back. */
static uint64_t close_bytes(uint64_t v, unsigned bits)
{
    return close_up((v & singles) | (v >> 8 & singles) << bits, 2 * bits);
}

static uint64_t open_bytes(uint64_t v, unsigned bits)
{
    uint64_t each = ((1ull << bits) - 1) * 0x0001000100010001, two = open_up(v, 2 * bits);
    return (two & each) | (two >> bits & each) << 8;
}

/* The next step's symbols of two bytes, 9 to 15 bits each. */
static void close_words(const uint8_t *symbols, unsigned bits, uint8_t *out)
{
    uint64_t v = close_up(ent_load64(symbols), bits), w = close_up(ent_load64(symbols + 8), bits);
    ent_store64(out, v | w << 4 * bits);
    ent_store64(out + 8, w >> (64 - 4 * bits));
}

static void open_words(const uint8_t *in, unsigned bits, uint8_t *symbols)
{
    uint64_t four = (1ull << 4 * bits) - 1, v = ent_load64(in);
    uint64_t w = v >> 4 * bits | ent_load64(in + 8) << (64 - 4 * bits);
    ent_store64(symbols, open_up(v & four, bits));
    ent_store64(symbols + 8, open_up(w & four, bits));
}

/* Both return how many symbols they took; closing stops before one of more bits. */
static size_t close_all(const uint8_t *symbols, size_t n, uint32_t width, unsigned bits, uint8_t *out, size_t room)
{
    uint64_t beyond = width == 1 ? (0xFFull >> bits << bits) * 0x0101010101010101
                                 : (0xFFFFull >> bits << bits) * 0x0001000100010001;
    size_t i = 0;
    for (; n - i >= STEP && room >= STEP_ROOM; i += STEP, symbols += STEP * width, out += bits, room -= bits) {
        uint64_t all = ent_load64(symbols) | (width == 1 ? 0 : ent_load64(symbols + 8));
        if (all & beyond) break;
        if (width == 1)
            ent_store64(out, close_bytes(all, bits));
        else
            close_words(symbols, bits, out);
    }
    return i;
}

static size_t open_all(const uint8_t *in, size_t size, unsigned bits, uint8_t *symbols, uint32_t width, size_t n)
{
    uint64_t eight = (1ull << 8 * bits % 64) - 1; /* of symbols in a byte */
    size_t i = 0;
    for (; n - i >= STEP && size >= STEP_ROOM; i += STEP, symbols += STEP * width, in += bits, size -= bits)
        if (width == 1)
            ent_store64(symbols, open_bytes(ent_load64(in) & eight, bits));
        else
            open_words(in, bits, symbols);
    return i;
}

/* The same for symbols of a byte. */
#if defined __x86_64__
ENT_BMI2 static size_t close_bytes_bmi2(const uint8_t *symbols, size_t n, unsigned bits, uint8_t *out, size_t room)
{
    const uint64_t each = (0xFFull >> (8 - bits)) * 0x0101010101010101;
    size_t i = 0;
    for (; n - i >= STEP && room >= STEP_ROOM; i += STEP, out += bits, room -= bits) {
        uint64_t all = ent_load64(symbols + i);
        if (all & ~each) break;
        ent_store64(out, _pext_u64(all, each));
    }
    return i;
}

ENT_BMI2 static size_t open_bytes_bmi2(const uint8_t *in, size_t size, unsigned bits, uint8_t *symbols, size_t n)
{
    const uint64_t each = (0xFFull >> (8 - bits)) * 0x0101010101010101;
    size_t i = 0;
    for (; n - i >= STEP && size >= STEP_ROOM; i += STEP, in += bits, size -= bits)
        ent_store64(symbols + i, _pdep_u64(ent_load64(in), each));
    return i;
}
#endif

static size_t close_most(const uint8_t *symbols, size_t n, uint32_t width, unsigned bits, uint8_t *out, size_t room)
{
#if defined __x86_64__
    if (width == 1 && ent_cpu_features() & ENT_CPU_BMI2) return close_bytes_bmi2(symbols, n, bits, out, room);
#endif
    return close_all(symbols, n, width, bits, out, room);
}

static size_t open_most(const uint8_t *in, size_t size, unsigned bits, uint8_t *symbols, uint32_t width, size_t n)
{
#if defined __x86_64__
    if (width == 1 && ent_cpu_features() & ENT_CPU_BMI2) return open_bytes_bmi2(in, size, bits, symbols, n);
#endif
    return open_all(in, size, bits, symbols, width, n);
}

static bool is_full(const ent_coder_spec *spec) /* every value of the bits is a symbol, and there are bits */
{
    return spec->alphabet > 1 && spec->alphabet == 1u << symbol_bits(spec);
}

/* ---- the coder ---------------------------------------------------------------------------------- */

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
    size_t first = is_full(spec) ? close_most(symbols, n, spec->width, bits, out, *size) : 0;
    if (first) out += first / STEP * bits; /* nothing may be coded to NULL */
    for (size_t i = first; i < n; i++) {
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
    size_t first = is_full(spec) ? open_most(in.data, in.size, bits, symbols, spec->width, n) : 0;
    if (first) in.data += first / STEP * bits; /* empty codes may lie at NULL */
    for (size_t i = first; i < n; i++) {
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
    .ops = { .lookups = 0, .simple = 2, .chain = 0, .lanes = 64,
            .vector32 = { 19 / 64., 35 / 64., 0, 0 }, .vector64 = { 13 / 64., 20 / 64., 0, 0 } },
    .bound = coded_size,
    .encode = encode,
    .decode = decode,
};
