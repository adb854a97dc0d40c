/* tbe.c - ZipServ's triple bitmap encoding (TCA-TBE): 3 bits for the symbols of a window of 7, an escape for the others.
 *
 * Fan et al. 2026 (arXiv 2603.17435), for exponents of BF16: of each matrix those 7 neighbouring exponents that occur most,
 * base .. base + 6, have the codes 1 .. 7; 0 says that the exponent is another, stored elsewhere.  Bit k of the codes of 64
 * weights is a 64-bit word, bitmap k, so that a warp decodes 64 weights by shifts and population counts, without branches.
 * What is stored for 64 weights, here and there:
 *
 *                                there                                       here
 *     3 bitmaps of 64 bits       24 bytes                                    24 bytes
 *     a weight in the window     its sign and mantissa, 1 byte               1 byte, in the field `rest`
 *     another                    all of its 16 bits, in a second list        1 byte in `rest`, 1 here
 *
 * so the bytes are the same, n (11 + 8 e) bits when a share e of the weights is out of the window, but 8 bits for the base.  Not
 * the same is which 64 weights share bitmaps (there an 8 x 8 tile of a matrix, here 64 that follow each other) and what finds
 * a tile's bytes (there offsets of larger tiles, here the index of blocks). */
#include <string.h>

#include "coder/bytes.h"
#include "coder/join.h"
#include "coder/tbe.h"

/* ---- tables: the first symbol of the window ----------------------------------------------------- */

enum { ESCAPE_BITS = 8 };

static size_t table_size(const ent_coder_spec *spec)
{
    (void)spec;
    return 1;
}

static uint32_t largest_base(const ent_coder_spec *spec)
{
    return spec->alphabet > TBE_WINDOW ? spec->alphabet - TBE_WINDOW : 0;
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    uint64_t most = 0;
    for (uint32_t base = 0; base <= largest_base(spec); base++) {
        uint64_t inside = 0;
        for (uint32_t s = base; s < base + TBE_WINDOW && s < spec->alphabet; s++) inside += counts->count[s];
        if (inside <= most) continue;
        most = inside;
        *(uint8_t *)table = (uint8_t)base;
    }
    return ENT_OK;
}

static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    (void)spec;
    ent_status status = ent_buffer_reserve(out, out->size + 1);
    if (!status) out->data[out->size++] = *(const uint8_t *)table;
    return status;
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    if (in.size != 1 || in.data[0] > largest_base(spec)) return ENT_ECORRUPT;
    memcpy(table, in.data, 1);
    return ENT_OK;
}

static double price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    return symbol - *(const uint8_t *)table < TBE_WINDOW ? TBE_PLANES : TBE_PLANES + ESCAPE_BITS;
}

/* ---- encoding ------------------------------------------------------------------------------- */

static size_t planes_size(size_t n) { return (n / TBE_GROUP + (n % TBE_GROUP > 0)) * TBE_GROUP_BYTES; }

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    (void)spec;
    return planes_size(n) + n;
}

/* The first n <= 64 bits. */
static uint64_t low_bits(size_t n) { return n < TBE_GROUP ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0; }

/* Returns a bit each for the symbols that have no code. */
static uint64_t encode_group(uint8_t base, const uint8_t *symbols, size_t n, uint8_t *planes)
{
    uint8_t code[TBE_GROUP] = { 0 };
    uint64_t coded = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)(symbols[i] - base + 1);
        code[i] = c <= TBE_WINDOW ? c : 0;
    }
    for (unsigned k = 0; k < TBE_PLANES; k++) {
        uint64_t plane = 0;
        for (unsigned i = 0; i < TBE_GROUP; i += 8) plane |= ent_bits_of_bytes(ent_load64(code + i) >> k) << i;
        ent_store64(planes + 8 * k, plane);
        coded |= plane;
    }
    return ~coded & low_bits(n);
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const uint8_t base = *(const uint8_t *)encoder, *s = symbols;
    uint8_t *escape = out + planes_size(n);
    if (!ent_symbols_valid(spec, symbols, n)) return ENT_ERANGE;
    for (size_t i = 0; i < n; i += TBE_GROUP) {
        uint64_t out_of_window = encode_group(base, s + i, n - i < TBE_GROUP ? n - i : TBE_GROUP, out + i / 8 * TBE_PLANES);
        for (; out_of_window; out_of_window &= out_of_window - 1) *escape++ = s[i + (size_t)__builtin_ctzll(out_of_window)];
    }
    *size = (size_t)(escape - out);
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Each of 8 codes plus base - 1; what becomes of code 0, an escape, is open. */
static uint64_t symbols_of(uint8_t base, uint64_t codes)
{
    const uint64_t each = 0x0101010101010101u;
    return base ? codes + (base - 1u) * each : ((codes | 128 * each) - each) & 127 * each; /* without carries */
}

/* The next n <= 64 symbols; false when the escapes run out or bits beyond the last are not 0. */
static bool decode_group(uint8_t base, tbe_block *b, uint8_t *symbols, size_t n)
{
    uint8_t room[TBE_GROUP];
    uint64_t plane[TBE_PLANES], coded = 0;
    for (unsigned k = 0; k < TBE_PLANES; k++) coded |= plane[k] = ent_load64(b->planes + 8 * k);
    uint64_t escapes = ~coded & low_bits(n);
    uint8_t *to = n < TBE_GROUP ? room : symbols;
    if (coded & ~low_bits(n) || b->end - b->escape < __builtin_popcountll(escapes)) return false;
    b->planes += TBE_GROUP_BYTES;
    for (unsigned i = 0; i < TBE_GROUP; i += 8) {
        uint64_t codes = ent_bytes_of_bits(plane[0] >> i) | ent_bytes_of_bits(plane[1] >> i) << 1 |
                         ent_bytes_of_bits(plane[2] >> i) << 2;
        ent_store64(to + i, symbols_of(base, codes));
    }
    for (; escapes; escapes &= escapes - 1) to[__builtin_ctzll(escapes)] = *b->escape++;
    if (to == room) memcpy(symbols, room, n);
    return true;
}

static bool open_block(const ent_coder_spec *spec, ent_bytes in, size_t n, tbe_block *b)
{
    const size_t planes = planes_size(n);
    if (in.size < planes) return false;
    *b = (tbe_block){ in.data, in.data + planes, in.data + in.size };
    return ent_symbols_valid(spec, b->escape, in.size - planes);
}

/* Whole groups that the fast loop may take. */
static size_t fast_groups(size_t n) { return ent_cpu_features() & ENT_CPU_AVX512 ? n / TBE_GROUP : 0; }

static bool decode_fast(uint8_t base, tbe_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
#if defined __x86_64__
    return ent_tbe_decode_avx512(base, b, join, out, groups);
#else
    (void)base, (void)b, (void)join, (void)out;
    return groups == 0;
#endif
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    const uint8_t base = *(const uint8_t *)decoder;
    const size_t groups = fast_groups(n);
    uint8_t *out = symbols;
    tbe_block b;
    if (!open_block(spec, in, n, &b)) return ENT_ECORRUPT;
    if (groups && !decode_fast(base, &b, NULL, out, groups)) return ENT_ECORRUPT;
    for (size_t i = groups * TBE_GROUP; i < n; i += TBE_GROUP)
        if (!decode_group(base, &b, out + i, n - i < TBE_GROUP ? n - i : TBE_GROUP)) return ENT_ECORRUPT;
    if (spec->alphabet < TBE_WINDOW && !ent_symbols_valid(spec, symbols, n)) return ENT_ECORRUPT;
    return b.escape == b.end ? ENT_OK : ENT_ECORRUPT;
}

/* To words with the fast loop; everything else is left to the caller's two steps. */
static ent_status decode_words(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    (void)work;
    const uint8_t base = *(const uint8_t *)decoder;
    const ent_join_form form = ent_join_form_of(join);
    const size_t groups = fast_groups(n), i = groups * TBE_GROUP;
    uint8_t last[TBE_GROUP];
    ent_join j = *join;
    tbe_block b;
    if (!form || !groups) return ENT_EUNSUPPORTED;
    if (!open_block(spec, in, n, &b)) return ENT_ECORRUPT;
    j.stream &= (uintptr_t)words % 64 == 0;
    if (!decode_fast(base, &b, &j, words, groups)) return ENT_ECORRUPT;
    if (i < n && !decode_group(base, &b, last, n - i)) return ENT_ECORRUPT;
    ent_join_symbols(form, join, last, i, n - i, words);
    return b.escape == b.end ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_tbe = {
    .name = "tbe",
    .brief = "three bitmaps for the codes of a window of 7 symbols",
    .cite = "fan2026zipserv",
    .id = 15,
    .max_alphabet = 256,
    .whole_bits = true,
    .ops = { .lookups = 0.03, .multiplies = 0.4, .simple = 4, .branches = 0.03, .chain = 0, .lanes = TBE_GROUP,
            .vector64 = { 27 / 64., 53 / 64., 0, 0 } },
    .table_size = table_size,
    .train = train,
    .write_table = write_table,
    .read_table = read_table,
    .price = price,
    .bound = bound,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
