/* row_palette.c - Unweight's palette: 4-bit indices for the 16 commonest symbols, whole rows verbatim where another occurs.
 *
 * Nikulin et al. 2026 (Cloudflare, Cf-TR-2026.04), for exponents of BF16 matrices, here their form for inference; the one
 * for distribution has a Huffman code for the 16 and the same rows.  A *row* is 64 weights that follow each other.  Rare
 * exponents are dealt with by row, not by weight, so that a kernel decides once for 64.  What is stored:
 *
 *     1 bit a row             1: it is verbatim
 *     a row of the palette    4 bits a symbol
 *     a verbatim row          8 bits a symbol
 *
 * and beside it the sign and mantissa of every weight, 8 bits, the field `rest`: 12 bits a weight, 1/64 for the map, and 4 more
 * for the share of verbatim rows.  Theirs has a list of these rows where here is a map, and keeps all 16 bits of their
 * weights together; the bits of the weights are the same. */
#include <string.h>

#include "coder/bytes.h"
#include "coder/join.h"
#include "coder/rank.h"
#include "coder/row_palette.h"

enum { ROW_PARAM = 0, INDEX_BITS = 4, NO_INDEX = 255 };

typedef struct palette_encoder {
    uint8_t index[256]; /* of a symbol, or NO_INDEX */
} palette_encoder;

typedef struct palette_decoder {
    palette_table table;
    uint16_t pair[256]; /* the two symbols of a byte of indices, the first in the low byte */
} palette_decoder;

/* ---- tables --------------------------------------------------------------------------------- */

static size_t table_size(const ent_coder_spec *spec)
{
    (void)spec;
    return sizeof(palette_table);
}

static void complete(palette_table *t)
{
    for (uint32_t i = t->symbols; i < PALETTE_SYMBOLS; i++) t->symbol[i] = t->symbol[0];
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    (void)spec;
    palette_table *t = table;
    uint8_t symbol[256];
    uint32_t live = ent_rank_symbols(counts, symbol);
    t->symbols = live < PALETTE_SYMBOLS ? live : PALETTE_SYMBOLS;
    memcpy(t->symbol, symbol, t->symbols);
    complete(t);
    return ENT_OK;
}

static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    (void)spec;
    const palette_table *t = table;
    return ent_symbols_write(t->symbol, t->symbols, out);
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    palette_table *t = table;
    if (!in.size || ent_symbols_read(in, spec->alphabet, PALETTE_SYMBOLS, t->symbol)) return ENT_ECORRUPT;
    t->symbols = (uint32_t)in.size;
    complete(t);
    return ENT_OK;
}

/* Of a symbol that has no index only its own bits, not what its row costs. */
static double price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    const palette_table *t = table;
    return memchr(t->symbol, (int)symbol, t->symbols) ? INDEX_BITS : 8;
}

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(palette_encoder);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *encoder)
{
    (void)spec;
    const palette_table *t = table;
    palette_encoder *e = encoder;
    memset(e->index, NO_INDEX, sizeof e->index);
    for (uint32_t i = 0; i < t->symbols; i++) e->index[t->symbol[i]] = (uint8_t)i;
}

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(palette_decoder);
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *decoder)
{
    (void)spec;
    palette_decoder *d = decoder;
    d->table = *(const palette_table *)table;
    for (unsigned i = 0; i < 256; i++)
        d->pair[i] = (uint16_t)(d->table.symbol[i % 16] | (unsigned)d->table.symbol[i / 16] << 8);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static size_t row_of(const ent_coder_spec *spec) { return spec->param[ROW_PARAM]; }
static size_t rows_of(const ent_coder_spec *spec, size_t n) { return n / row_of(spec) + (n % row_of(spec) > 0); }
static size_t map_size(const ent_coder_spec *spec, size_t n) { return (rows_of(spec, n) + 7) / 8; }
static size_t index_size(size_t symbols) { return symbols / 2 + symbols % 2; }

static size_t bound(const ent_coder_spec *spec, size_t n) { return map_size(spec, n) + n; }

/* Returns whether all symbols have an index; what `out` then holds, n bytes otherwise left open, is the row's code. */
static bool encode_row(const palette_encoder *e, const uint8_t *symbols, size_t n, uint8_t *out)
{
    unsigned most = 0;
    for (size_t i = 0; i < n; i += 2) {
        unsigned first = e->index[symbols[i]], second = i + 1 < n ? e->index[symbols[i + 1]] : 0;
        most |= first | second;
        *out++ = (uint8_t)(first | second << 4);
    }
    return most < PALETTE_SYMBOLS;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const size_t row = row_of(spec), map = map_size(spec, n);
    const uint8_t *s = symbols;
    uint8_t *p = out + map;
    if (!ent_symbols_valid(spec, symbols, n)) return ENT_ERANGE;
    memset(out, 0, map);
    for (size_t i = 0, at = 0; at < n; i++, at += row) {
        size_t some = n - at < row ? n - at : row;
        if (encode_row(encoder, s + at, some, p)) {
            p += index_size(some);
            continue;
        }
        out[i / 8] |= (uint8_t)(1u << i % 8);
        memcpy(p, s + at, some);
        p += some;
    }
    *size = (size_t)(p - out);
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* The next row, of n symbols; false when the bytes run out or the last half of one is not 0. */
static bool decode_row(const palette_decoder *d, palette_block *b, bool verbatim, uint8_t *symbols, size_t n)
{
    const size_t size = verbatim ? n : index_size(n);
    const uint8_t *p = b->next;
    if ((size_t)(b->end - p) < size) return false;
    b->next += size;
    if (verbatim) {
        memcpy(symbols, p, n);
        return true;
    }
    for (; n >= 2; n -= 2, symbols += 2) ent_store16(symbols, d->pair[*p++]);
    if (!n) return true;
    *symbols = d->table.symbol[*p % 16];
    return *p < 16;
}

static bool open_block(const ent_coder_spec *spec, ent_bytes in, size_t n, palette_block *b)
{
    const size_t rows = rows_of(spec, n), map = map_size(spec, n);
    if (in.size < map || (rows % 8 && in.data[map - 1] >> rows % 8)) return false;
    *b = (palette_block){ in.data, in.data + map, in.data + in.size };
    return true;
}

/* Rows that the fast loop may take. */
static size_t fast_rows(const ent_coder_spec *spec, size_t n)
{
    return ent_cpu_features() & ENT_CPU_AVX512 && row_of(spec) == PALETTE_ROW ? n / PALETTE_ROW : 0;
}

static bool decode_fast(const palette_decoder *d, palette_block *b, const ent_join *join, uint8_t *out, size_t rows)
{
#if defined __x86_64__
    return ent_palette_decode_avx512(&d->table, b, join, out, rows);
#else
    (void)d, (void)b, (void)join, (void)out;
    return rows == 0;
#endif
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    const palette_decoder *d = decoder;
    const size_t row = row_of(spec), fast = fast_rows(spec, n);
    uint8_t *out = symbols;
    palette_block b;
    if (!open_block(spec, in, n, &b)) return ENT_ECORRUPT;
    if (fast && !decode_fast(d, &b, NULL, out, fast)) return ENT_ECORRUPT;
    for (size_t i = fast, at = fast * row; at < n; i++, at += row)
        if (!decode_row(d, &b, b.map[i / 8] >> i % 8 & 1, out + at, n - at < row ? n - at : row)) return ENT_ECORRUPT;
    return b.next == b.end && ent_symbols_valid(spec, symbols, n) ? ENT_OK : ENT_ECORRUPT;
}

/* To words with the fast loop; everything else is left to the caller's two steps. */
static ent_status decode_words(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    (void)work;
    const palette_decoder *d = decoder;
    const ent_join_form form = ent_join_form_of(join);
    const size_t rows = fast_rows(spec, n), at = rows * PALETTE_ROW;
    uint8_t last[PALETTE_ROW];
    ent_join j = *join;
    palette_block b;
    if (!form || !rows || spec->alphabet < 1u << join->bits) return ENT_EUNSUPPORTED;
    if (!open_block(spec, in, n, &b)) return ENT_ECORRUPT;
    j.stream &= (uintptr_t)words % 64 == 0;
    if (!decode_fast(d, &b, &j, words, rows)) return ENT_ECORRUPT;
    if (at < n && !decode_row(d, &b, b.map[rows / 8] >> rows % 8 & 1, last, n - at)) return ENT_ECORRUPT;
    ent_join_symbols(form, join, last, at, n - at, words);
    return b.next == b.end ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_row_palette = {
    .name = "row-palette",
    .brief = "4-bit indices of 16 symbols, rows with others verbatim",
    .cite = "nikulin2026unweight",
    .id = 16,
    .max_alphabet = 256,
    .whole_bits = true,
    .param = { [ROW_PARAM] = { "row", "symbols of a row", 1, 65535, PALETTE_ROW } },
    .ops = { .lookups = 0.5, .simple = 2, .branches = 0.02, .chain = 0, .lanes = PALETTE_ROW,
            .vector64 = { 19 / 64., 42 / 64., 0, 0 } },
    .table_size = table_size,
    .train = train,
    .write_table = write_table,
    .read_table = read_table,
    .price = price,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .decoder_size = decoder_size,
    .build_decoder = build_decoder,
    .bound = bound,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
