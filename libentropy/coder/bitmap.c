/* bitmap.c - Endor's sparse format: a bit a symbol says whether it is 0, and those that are not lie packed behind.
 *
 * Joo, Hadidi, Feizi and Asgari 2024 (arXiv 2406.11674), for pruned weights that are loaded from a slow store: positions
 * cost a bit a weight whatever the pattern, and are found by population counts.  What is stored, in this order:
 *
 *     1 bit a symbol          1: it is not 0; ceil(n / 8) bytes
 *     b bits a symbol not 0   b = 16 for words of F16 and BF16; 4 for codes of 4 bits
 *
 * so n weights of b bits of which a share s is 0 take n (1 + (1 - s) b) bits: 9 bits for F16 half of which is pruned, as
 * published, and more than raw where fewer than one in b is 0 (a block of a codec then stays raw).  0 is the word of zero
 * bits: a negative zero is kept as a symbol, so nothing is lost.  No table, no training.
 *
 * Left out: the published kernel's index of where each row's symbols begin, which population counts give. */
#include <string.h>

#include <entropy/coder.h>

#include "base/bits.h"
#include "coder/bitmap.h"

extern const ent_coder ent_coder_raw; /* packs symbols of fewer bits than a byte or two */

static size_t map_size(size_t n) { return n / 8 + (n % 8 > 0); }

/* Whether symbols lie in the code as they lie in memory. */
static bool is_plain(const ent_coder_spec *spec)
{
    return !spec->alphabet || spec->alphabet == 1u << 8 * spec->width;
}

static size_t bound(const ent_coder_spec *spec, size_t n) { return map_size(n) + ent_coder_raw.bound(spec, n); }

static size_t work_size(const ent_coder_spec *spec, size_t n) { return is_plain(spec) ? 0 : n * spec->width; }

/* ---- encoding ------------------------------------------------------------------------------- */

/* Each called with a constant width, so that its copies are one instruction. */
#define INLINE static inline __attribute__((always_inline))

INLINE bool is_zero(const uint8_t *symbol, uint32_t width)
{
    const uint8_t none[8] = { 0 };
    return !memcmp(symbol, none, width);
}

/* Returns where the packed symbols end. */
INLINE uint8_t *pack_wide(const uint8_t *symbols, size_t n, uint32_t width, uint8_t *map, uint8_t *out)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned ones = 0, some = n - i < 8 ? (unsigned)(n - i) : 8;
        for (unsigned k = 0; k < some; k++, symbols += width) {
            unsigned one = !is_zero(symbols, width);
            ones |= one << k;
            memcpy(out, symbols, width); /* never behind the symbol's own place, so there is room */
            out += one * width;
        }
        *map++ = (uint8_t)ones;
    }
    return out;
}

static uint8_t *pack(const uint8_t *symbols, size_t n, uint32_t width, uint8_t *map, uint8_t *out)
{
    switch (width) {
    case 1: return pack_wide(symbols, n, 1, map, out);
    case 2: return pack_wide(symbols, n, 2, map, out);
    case 4: return pack_wide(symbols, n, 4, map, out);
    default: return pack_wide(symbols, n, 8, map, out);
    }
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    const size_t map = map_size(n);
    uint8_t *packed = is_plain(spec) ? out + map : work;
    const size_t bytes = (size_t)(pack(symbols, n, spec->width, out, packed) - packed);
    ent_status status = ENT_OK;
    *size = bytes;
    if (!is_plain(spec))
        status = ent_coder_raw.encode(spec, encoder, packed, bytes / spec->width, out + map, size, tally, NULL);
    *size += map;
    tally->payload_bits = 8 * (uint64_t)*size;
    return status;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static size_t ones_of(const uint8_t *map, size_t bytes)
{
    size_t ones = 0, i = 0;
    for (; i + 8 <= bytes; i += 8) ones += (size_t)__builtin_popcountll(ent_load64(map + i));
    for (; i < bytes; i++) ones += (size_t)__builtin_popcount(map[i]);
    return ones;
}

/* The symbols of the bits of `map` from symbol i on. */
INLINE void expand_wide(const uint8_t *map, size_t i, size_t n, const uint8_t *next, uint32_t width, uint8_t *out)
{
    memset(out + i * width, 0, (n - i) * width);
    for (; i < n; i += BITMAP_GROUP) {
        uint64_t ones = 0;
        memcpy(&ones, map + i / 8, n - i < BITMAP_GROUP ? map_size(n - i) : 8);
        for (; ones; ones &= ones - 1, next += width)
            memcpy(out + (i + (size_t)__builtin_ctzll(ones)) * width, next, width);
    }
}

static void expand(const uint8_t *map, size_t n, const uint8_t *next, const uint8_t *end, uint32_t width, uint8_t *out)
{
    size_t i = 0;
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512)
        i = BITMAP_GROUP * ent_bitmap_expand_avx512(map, n / BITMAP_GROUP, &next, end, width, out);
#endif
    (void)end;
    switch (width) {
    case 1: expand_wide(map, i, n, next, 1, out); break;
    case 2: expand_wide(map, i, n, next, 2, out); break;
    case 4: expand_wide(map, i, n, next, 4, out); break;
    default: expand_wide(map, i, n, next, 8, out);
    }
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    const size_t map = map_size(n);
    if (in.size < map || (n % 8 && in.data[map - 1] >> n % 8)) return ENT_ECORRUPT;
    const size_t ones = ones_of(in.data, map), bytes = ones * spec->width;
    const ent_bytes rest = { in.data + map, in.size - map };
    const uint8_t *packed = rest.data;
    if (is_plain(spec)) {
        if (rest.size != bytes) return ENT_ECORRUPT;
    } else {
        ent_status status = ent_coder_raw.decode(spec, decoder, rest, work, ones, NULL);
        if (status) return status;
        packed = work;
    }
    expand(in.data, n, packed, packed + bytes, spec->width, symbols);
    return ENT_OK;
}

const ent_coder ent_coder_bitmap = {
    .name = "bitmap",
    .brief = "a bit a symbol, and those that are not 0",
    .cite = "joo2024endor",
    .id = 14,
    .max_alphabet = ENT_MAX_ALPHABET,
    .wide = true,
    /* half of the symbols 0: a load, a store and four steps for each that is not, and a store of zeros for all */
    .ops = { .lookups = 0, .simple = 3.5, .branches = 0.02, .chain = 1, .lanes = 64,
            .vector64 = { 7 / 64., 25 / 64., 0, 0 } }, /* words of 16 bits */
    .bound = bound,
    .encode_work = work_size,
    .decode_work = work_size,
    .encode = encode,
    .decode = decode,
};
