/* arithmetic.c - arithmetic coding with a trained table (Rissanen 1976, Witten, Neal and Cleary 1987).
 *
 * The exact reference among the coders: its length is the sum of -log2 of the frequencies to a few
 * bytes, whatever they are.
 *
 * Streams are independent, so the plain loops take some of them at a time, whose states stay in registers, through
 * all their symbols; they are compiled twice, the second time for BMI2. */
#include <string.h>

#include "coder/arithmetic.h"
#include "coder/bmi2.h"
#include "coder/slots.h"

enum { STREAMS_PARAM = 0, ENCODED = 4, DECODED = 8 }; /* streams together */

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return ent_range_bound(spec->param[STREAMS_PARAM], n, 1);
}

/* Finer slots cost this coder no time: all that pay are taken. */
static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    return ent_slots_train(spec, counts, (ent_slots_worth){ 0 }, table);
}

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct encoder {
    uint32_t log, symbols;
    arithmetic_symbol symbol[]; /* every byte, or the alphabet where symbols take two; then one without a code */
} encoder;

static uint32_t encoder_symbols(const ent_coder_spec *spec) { return spec->width == 1 ? 256 : spec->alphabet; }

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)table;
    return sizeof(encoder) + (encoder_symbols(spec) + 1) * sizeof(arithmetic_symbol);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *built)
{
    const ent_slots *slots = table;
    encoder *e = built;
    e->log = slots->log;
    e->symbols = encoder_symbols(spec);
    for (uint32_t s = 0, start = 0; s < spec->alphabet; start += slots->freq[s++])
        e->symbol[s] = (arithmetic_symbol){ start, slots->freq[s] };
}

/* Whole rounds of n symbols in which `some` streams of `streams` have one each. */
static inline size_t rounds_of(size_t n, size_t some, size_t streams)
{
    return n < some ? 0 : (n - some) / streams + 1;
}

ENT_INLINE bool encode_one(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                       const void *symbols, size_t i, ent_range_encoder *stream)
{
    uint32_t symbol = ent_symbol_at(symbols, width, i);
    const arithmetic_symbol *c = &table[width == 2 && symbol > alphabet ? alphabet : symbol];
    if (!c->freq) return false;
    ent_range_put(stream, c->start, c->freq, log);
    return true;
}

/* Streams that stand together, of `streams`; false at a symbol without a code. */
ENT_INLINE bool encode_some(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                        const void *symbols, size_t n, ent_range_encoder *stream, size_t streams, const size_t some)
{
    ent_range_encoder own[ENCODED];
    size_t i = 0;
    memcpy(own, stream, some * sizeof *own);
    for (size_t rounds = rounds_of(n, some, streams); rounds; rounds--, i += streams)
#pragma GCC unroll 4
        for (size_t s = 0; s < some; s++)
            if (!encode_one(table, alphabet, log, width, symbols, i + s, &own[s])) return false;
    memcpy(stream, own, some * sizeof *own);
    for (size_t s = 0; i + s < n && s < some; s++)
        if (!encode_one(table, alphabet, log, width, symbols, i + s, &stream[s])) return false;
    return true;
}

ENT_INLINE bool encode_as(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                      const uint8_t *symbols, size_t n, ent_range_encoder *stream, size_t streams)
{
    size_t s = 0;
    for (; streams - s >= ENCODED && s < n; s += ENCODED)
        if (!encode_some(table, alphabet, log, width, symbols + s * width, n - s, stream + s, streams, ENCODED))
            return false;
    for (; s < streams && s < n; s++)
        if (!encode_some(table, alphabet, log, width, symbols + s * width, n - s, stream + s, streams, 1)) return false;
    return true;
}

ENT_BMI2 static bool encode_bmi2(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                             const void *symbols, size_t n, ent_range_encoder *stream, size_t streams)
{
    return width == 1 ? encode_as(table, alphabet, log, 1, symbols, n, stream, streams)
                      : encode_as(table, alphabet, log, 2, symbols, n, stream, streams);
}

static bool encode_plain(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                         const void *symbols, size_t n, ent_range_encoder *stream, size_t streams)
{
    return width == 1 ? encode_as(table, alphabet, log, 1, symbols, n, stream, streams)
                      : encode_as(table, alphabet, log, 2, symbols, n, stream, streams);
}

ent_status ent_arithmetic_encode(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                 const void *symbols, size_t n, ent_range_encoder *stream, size_t streams)
{
    size_t i = 0;
#if defined __x86_64__
    const unsigned can = streams && streams % ARITHMETIC_LANES == 0 ? ent_cpu_features() : 0;
    if (can & ENT_CPU_AVX512) {
        i = ent_arithmetic_encode_avx512(table, alphabet, log, width, symbols, n, stream, streams);
    } else if (can & ENT_CPU_AVX2) {
        i = n / streams * streams;
        if (!ent_arithmetic_encode_avx2(table, alphabet, log, width, symbols, n / streams, stream, streams))
            return ENT_ERANGE;
    }
#endif
    const uint8_t *rest = (const uint8_t *)symbols + i * width;
    n -= i;
    bool all = ent_cpu_features() & ENT_CPU_BMI2 ? encode_bmi2(table, alphabet, log, width, rest, n, stream, streams)
                                                 : encode_plain(table, alphabet, log, width, rest, n, stream, streams);
    return all ? ENT_OK : ENT_ERANGE;
}

static ent_status encode(const ent_coder_spec *spec, const void *built, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const encoder *e = built;
    ent_range_encoder stream[ENT_RANGE_STREAMS_MOST];
    size_t used = ent_range_begin(stream, spec->param[STREAMS_PARAM], n, 1, out);
    ent_status status = ent_arithmetic_encode(e->symbol, e->symbols, e->log, spec->width, symbols, n, stream, used);
    if (!status) *size = ent_range_finish(stream, used, n, 1, out, tally);
    return status;
}

/* ---- decoding ------------------------------------------------------------------------------- */

void ent_arithmetic_cells(const arithmetic_cells *cells, uint64_t *cell)
{
    const uint32_t shift = cells->log - cells->cells_log, all = (1u << cells->cells_log) + 1;
    uint64_t entry = 0;
    uint32_t c = 0;
    for (uint32_t s = 0; s < cells->symbols; s++) {
        uint32_t start = cells->start[s], end = cells->start[s + 1];
        if (start == end) continue;
        entry = arithmetic_entry(s, start, end - start);
        for (; c << shift < end; c++) cell[c] = entry;
    }
    for (; c < all; c++) cell[c] = entry;
}

bool ent_arithmetic_find(const arithmetic_cells *cells, uint64_t code, uint64_t range, uint64_t *entry)
{
    const uint32_t *start = cells->start;
    uint64_t slot = range >> cells->log;
    uint32_t s = (uint32_t)(*entry >> 48);
    if (code >= slot * start[cells->symbols]) return false;
    while (code < slot * start[s]) s--;
    while (code >= slot * start[s + 1]) s++;
    *entry = arithmetic_entry(s, start[s], start[s + 1] - start[s]);
    return true;
}

/* Symbols of one byte have cells, those of two a search. */
typedef struct decoder {
    arithmetic_cells cells;
    _Alignas(64) uint8_t table[];
} decoder;

static uint32_t cells_log(const ent_slots *slots)
{
    return slots->log < ARITHMETIC_CELLS_LOG ? slots->log : ARITHMETIC_CELLS_LOG;
}

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    if (spec->width == 2) return sizeof(decoder) + ent_search_size(spec, table);
    return sizeof(decoder) + ((sizeof(uint64_t) << cells_log(table)) + sizeof(uint64_t)) +
           (spec->alphabet + 1) * sizeof(uint32_t);
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *built)
{
    const ent_slots *slots = table;
    decoder *d = built;
    if (spec->width == 2) {
        ent_search_build(spec, table, d->table);
        return;
    }
    uint64_t *cell = (uint64_t *)d->table;
    uint32_t *start = (uint32_t *)(cell + (1u << cells_log(slots)) + 1);
    start[0] = 0;
    for (uint32_t s = 0; s < spec->alphabet; s++) start[s + 1] = start[s] + slots->freq[s];
    d->cells = (arithmetic_cells){ slots->log, cells_log(slots), spec->alphabet, start, cell };
    ent_arithmetic_cells(&d->cells, cell);
}

/* A symbol found, and what it leaves of code and range. */
typedef struct found {
    uint32_t symbol;
    uint64_t code, range;
} found;

ENT_INLINE bool find_by_cell(const arithmetic_cells *cells, const ent_range_decoder *d, found *f)
{
    const double scale = (double)(1u << cells->cells_log);
    double at = (double)(int64_t)(d->code >> 1) * scale / (double)(int64_t)(d->range >> 1);
    uint64_t entry = cells->cell[(int64_t)at], slot = d->range >> cells->log;
    for (bool again = false;; again = true) {
        *f = (found){ (uint32_t)(entry >> 48), d->code - slot * (entry & 0xFFFFFF), slot * (entry >> 24 & 0xFFFFFF) };
        if (__builtin_expect(f->code < f->range, 1)) return true;
        if (again || !ent_arithmetic_find(cells, d->code, d->range, &entry)) return false;
    }
}

ENT_INLINE bool find_by_search(const ent_search *search, const ent_range_decoder *d, found *f)
{
    uint64_t slot = ent_range_slot(d, search->log), each = d->range >> search->log;
    if (slot >> search->log) return false;
    const ent_slot_range *range = ent_search_find(search, (uint32_t)slot);
    *f = (found){ range->symbol, d->code - each * range->start, each * (range[1].start - range->start) };
    return true;
}

/* Streams that stand together, of `streams`; false where damage shows.  One of cells and search is constant NULL. */
ENT_INLINE bool decode_some(const arithmetic_cells *cells, const ent_search *search, void *symbols, size_t n,
                        ent_range_decoder *stream, size_t streams, const size_t some)
{
    const uint32_t width = cells ? 1 : 2;
    /* copies, since stores of symbols might change what these point at, for all the compiler knows */
    const arithmetic_cells own_cells = cells ? *cells : (arithmetic_cells){ 0 };
    const ent_search own_search = search ? *search : (ent_search){ 0 };
    ent_range_decoder own[DECODED];
    size_t i = 0;
    found f;
    memcpy(own, stream, some * sizeof *own);
    for (size_t rounds; i < n && (rounds = ent_range_rounds(own, some, rounds_of(n - i, some, streams)));)
        for (; rounds; rounds--, i += streams)
#pragma GCC unroll 8
            for (size_t s = 0; s < some; s++) {
                if (!(cells ? find_by_cell(&own_cells, &own[s], &f) : find_by_search(&own_search, &own[s], &f)))
                    return false;
                ent_symbol_put(symbols, width, i + s, f.symbol);
                ent_range_move_far(&own[s], f.code, f.range);
            }
    memcpy(stream, own, some * sizeof *own);
    for (; i < n; i += streams)
        for (size_t s = 0; s < some && i + s < n; s++) {
            if (!(cells ? find_by_cell(cells, &stream[s], &f) : find_by_search(search, &stream[s], &f))) return false;
            ent_symbol_put(symbols, width, i + s, f.symbol);
            ent_range_move(&stream[s], f.code, f.range);
        }
    return true;
}

ENT_INLINE bool decode_as(const arithmetic_cells *cells, const ent_search *search, uint8_t *symbols, size_t n,
                      ent_range_decoder *stream, size_t streams)
{
    const size_t width = cells ? 1 : 2;
    size_t s = 0;
    for (; streams - s >= DECODED && s < n; s += DECODED)
        if (!decode_some(cells, search, symbols + s * width, n - s, stream + s, streams, DECODED)) return false;
    for (; streams - s >= DECODED / 2 && s < n; s += DECODED / 2)
        if (!decode_some(cells, search, symbols + s * width, n - s, stream + s, streams, DECODED / 2)) return false;
    for (; s < streams && s < n; s++)
        if (!decode_some(cells, search, symbols + s * width, n - s, stream + s, streams, 1)) return false;
    return true;
}

ENT_BMI2 static bool decode_bmi2(const arithmetic_cells *cells, const ent_search *search, void *symbols, size_t n,
                             ent_range_decoder *stream, size_t streams)
{
    return cells ? decode_as(cells, NULL, symbols, n, stream, streams)
                 : decode_as(NULL, search, symbols, n, stream, streams);
}

static bool decode_plain(const arithmetic_cells *cells, const ent_search *search, void *symbols, size_t n,
                         ent_range_decoder *stream, size_t streams)
{
    return cells ? decode_as(cells, NULL, symbols, n, stream, streams)
                 : decode_as(NULL, search, symbols, n, stream, streams);
}

static ent_status decode_all(const arithmetic_cells *cells, const ent_search *search, void *symbols, size_t n,
                             ent_range_decoder *stream, size_t streams)
{
    bool good = ent_cpu_features() & ENT_CPU_BMI2 ? decode_bmi2(cells, search, symbols, n, stream, streams)
                                                  : decode_plain(cells, search, symbols, n, stream, streams);
    return good ? ENT_OK : ENT_ECORRUPT;
}

ent_status ent_arithmetic_decode(const arithmetic_cells *cells, uint8_t *symbols, size_t n, ent_range_decoder *stream,
                                 size_t streams)
{
    ent_status status = ENT_OK;
    size_t i = 0;
#if defined __x86_64__
    if (streams && streams % ARITHMETIC_LANES == 0 && ent_cpu_features() & ENT_CPU_AVX512)
        i = ent_arithmetic_decode_avx512(cells, symbols, n, stream, streams, &status);
#endif
    return status ? status : decode_all(cells, NULL, symbols + i, n - i, stream, streams);
}

static ent_status decode(const ent_coder_spec *spec, const void *built, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    const decoder *d = built;
    ent_range_decoder stream[ENT_RANGE_STREAMS_MOST];
    size_t streams = spec->param[STREAMS_PARAM], used = n < streams ? n : streams;
    ent_status status = ent_range_open(stream, streams, n, in);
    if (status) return status;
    status = spec->width == 1 ? ent_arithmetic_decode(&d->cells, symbols, n, stream, used)
                              : decode_all(NULL, (const ent_search *)d->table, symbols, n, stream, used);
    if (status) return status;
    return ent_range_ended(stream, streams, n) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_arithmetic = {
    .name = "arithmetic",
    .brief = "arithmetic coding, exact tables",
    .cite = "witten1987arithmetic",
    .id = 5,
    .max_alphabet = ENT_MAX_ALPHABET,
    .param = {
        [STREAMS_PARAM] = { "streams", "codes side by side", 1, ENT_RANGE_STREAMS_MOST, 16 },
        [ENT_SLOTS_PARAM] = { "log", "log2 of the slots, 0: as many as pay", 0, ENT_SLOTS_LOG_MOST, 0 },
    },
    /* A division of doubles counts as 10 simple operations.  Chain: shift, conversion, division, conversion, look-up,
     * mask, multiply, subtract, count zeros, shifts. */
    .ops = { .lookups = 1, .multiplies = 3, .simple = 36, .branches = 0.01, .chain = 20, .lanes = 16,
            .vector64 = { 70 / 16., 83 / 16., 2, 70 } },
    .table_size = ent_slots_size,
    .train = train,
    .write_table = ent_slots_write,
    .read_table = ent_slots_read,
    .price = ent_slots_price,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .decoder_size = decoder_size,
    .build_decoder = build_decoder,
    .bound = bound,
    .encode = encode,
    .decode = decode,
};
