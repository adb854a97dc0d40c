/* lz4.c - a baseline: the symbols as bytes in one LZ4 block, by liblz4.
 *
 * Matches only, no entropy coding.  Left out: the LZ4 frame, whose sizes and checksums the container
 * has already, and the HC levels, whose longer searches weights do not reward. */
#include "coder/bytes.h"

#ifdef ENT_HAVE_LZ4
#include <limits.h>

#include <lz4.h>

/* liblz4 counts in int. */
static bool fits(const ent_coder_spec *spec, size_t n) { return n <= (size_t)LZ4_MAX_INPUT_SIZE / spec->width; }

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return fits(spec, n) ? (size_t)LZ4_compressBound((int)(n * spec->width)) : SIZE_MAX;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)encoder, (void)work;
    if (!ent_symbols_valid(spec, symbols, n)) return ENT_ERANGE;
    int coded = LZ4_compress_default(symbols, (char *)out, (int)(n * spec->width), (int)bound(spec, n));
    if (coded <= 0) return ENT_ENOMEM; /* there is space, so only its table can be missing */
    *size = (size_t)coded;
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)decoder, (void)work;
    if (!fits(spec, n) || in.size == 0 || in.size > INT_MAX) return ENT_ECORRUPT;
    int content = (int)(n * spec->width);
    if (LZ4_decompress_safe((const char *)in.data, symbols, (int)in.size, content) != content) return ENT_ECORRUPT;
    return ent_symbols_valid(spec, symbols, n) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_lz4 = {
    .name = "lz4",
    .brief = "LZ4 block of the bytes",
    .cite = "lz4",
    .id = 10,
    .max_alphabet = ENT_MAX_ALPHABET,
    .wide = true,
    /* On exponents a sequence makes 6.8 symbols, 80 % of them by its match, in 40 instructions; short lengths take no
     * branch.  Chain of a sequence: load its token, shift, add both lengths.  What does not shrink is only copied. */
    .ops = { .lookups = 1 / 6.8, .simple = 5.8, .branches = 0.01, .chain = 4 / 6.8, .lanes = 1 },
    .bound = bound,
    .encode = encode,
    .decode = decode,
};
#endif
