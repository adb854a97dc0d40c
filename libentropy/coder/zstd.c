/* zstd.c - a baseline: the symbols as bytes in one Zstandard frame (RFC 8878), by libzstd.
 *
 * On exponents most levels spend more on short chance matches than these save.  Left out: dictionaries,
 * negative levels, and levels above 19, which differ in window size only. */
#include "coder/bytes.h"

#ifdef ENT_HAVE_ZSTD
#include <zstd.h>
#include <zstd_errors.h>

enum { LEVEL_PARAM = 0 };

static size_t bound(const ent_coder_spec *spec, size_t n) { return ZSTD_compressBound(n * spec->width); }

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)encoder, (void)work;
    if (!ent_symbols_valid(spec, symbols, n)) return ENT_ERANGE;
    *size = ZSTD_compress(out, bound(spec, n), symbols, n * spec->width, (int)spec->param[LEVEL_PARAM]);
    if (ZSTD_isError(*size)) return ENT_ENOMEM; /* all else that can fail is excluded: space, level */
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* One frame of today's format that states the right size and fills `in`: libzstd itself would also
 * take several frames, frames to skip, and formats from before 1.0. */
static bool is_our_frame(ent_bytes in, size_t content)
{
    return in.size >= 4 && ent_load32(in.data) == ZSTD_MAGICNUMBER &&
           ZSTD_getFrameContentSize(in.data, in.size) == content &&
           ZSTD_findFrameCompressedSize(in.data, in.size) == in.size;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)decoder, (void)work;
    size_t content = n * spec->width;
    if (!is_our_frame(in, content)) return ENT_ECORRUPT;
    size_t size = ZSTD_decompress(symbols, content, in.data, in.size);
    if (ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation) return ENT_ENOMEM;
    return size == content && ent_symbols_valid(spec, symbols, n) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_zstd = {
    .name = "zstd",
    .brief = "Zstandard frame of the bytes",
    .cite = "rfc8878",
    .id = 9,
    .max_alphabet = ENT_MAX_ALPHABET,
    .wide = true,
    .param = { [LEVEL_PARAM] = { "level", "compression level", 1, 19, 3 } },
    /* On exponents at level 3 a sequence makes 6.5 symbols, all but 4 % of them by its match: 23 instructions a symbol,
     * of which three states and three codes looked up for each sequence, a dozen in a chain with one of the states.
     * What does not shrink is only copied. */
    .ops = { .lookups = 6 / 6.5, .simple = 22, .branches = 0.01, .chain = 2, .lanes = 1 },
    .bound = bound,
    .encode = encode,
    .decode = decode,
};
#endif
