/* adaptive.c - adaptive arithmetic coding: no table, the frequencies are learnt from what went before.
 *
 * A model counts its symbols and turns the counts into slots now and then, in intervals that double
 * (periodic updates, as in Said 2004): between two rebuilds it is a
 * static table, so that symbols cost a search and the streams overlap as in arithmetic.  When the
 * counts reach the window they are halved: older symbols fade out.
 *
 * Alphabets over 256 are coded as two bytes: the high one, then the low one by the model of its
 * high byte.
 *
 * Left out: mixing of fast and slow models, contexts of earlier symbols.  Weights are nearly
 * independent; what they have is a scale that changes from row to row, and the window follows it. */
#include <string.h>

#include "coder/range.h"

enum {
    STREAMS_PARAM = 0,
    WINDOW_PARAM = 1,
    SLOTS_LOG = 20, /* rounding of rarest counts is then below anything the window can know */
    CELLS_LOG = 10,
    STEP = 32, /* what an occurrence adds to a count */
    /* Counts at the beginning: 1/32 of an occurrence where most symbols will never come, a half
     * (Krichevsky and Trofimov 1981) for low bytes, which are nearly uniform. */
    RARE = 1,
    EVEN = 16,
    INTERVAL_FIRST = 16,
    INTERVAL_LAST = 1024, /* a quarter of the least window */
};

typedef struct model {
    uint32_t symbols, total; /* total: the sum of count */
    uint32_t interval, left; /* between rebuilds; symbols until the next */
    uint32_t count[256];
    uint32_t start[256 + 1];
    uint8_t cell[1 << CELLS_LOG]; /* the symbol of the first slot of each cell */
} model;

/* Each symbol gets one slot and a share of the others; a few slots at the end stay without a symbol. */
static void rebuild(model *m)
{
    const unsigned shift = SLOTS_LOG - CELLS_LOG;
    uint64_t share = ((uint64_t)((1u << SLOTS_LOG) - m->symbols) << 32) / m->total;
    uint32_t start = 0, c = 0;
    for (uint32_t s = 0; s < m->symbols; s++) {
        m->start[s] = start;
        start += 1 + (uint32_t)(m->count[s] * share >> 32);
        for (; c << shift < start; c++) m->cell[c] = (uint8_t)s;
    }
    m->start[m->symbols] = start;
}

static void begin(model *m, uint32_t symbols, uint32_t count)
{
    m->symbols = symbols;
    m->total = symbols * count;
    m->interval = m->left = INTERVAL_FIRST;
    for (uint32_t s = 0; s < symbols; s++) m->count[s] = count;
    rebuild(m);
}

static void halve(model *m)
{
    m->total = 0;
    for (uint32_t s = 0; s < m->symbols; s++) m->total += m->count[s] = (m->count[s] + 1) / 2;
}

static inline void learn(model *m, uint32_t symbol, uint32_t window)
{
    m->count[symbol] += STEP;
    m->total += STEP;
    if (--m->left) return;
    if (m->total > (uint32_t)STEP << window) halve(m);
    rebuild(m);
    if (m->interval < INTERVAL_LAST) m->interval *= 2;
    m->left = m->interval;
}

static inline void put(model *m, uint32_t symbol, ent_range_encoder *stream, uint32_t window)
{
    ent_range_put(stream, m->start[symbol], m->start[symbol + 1] - m->start[symbol], SLOTS_LOG);
    learn(m, symbol, window);
}

/* Returns the symbol; m->symbols in damaged codes. */
static inline uint32_t take(model *m, ent_range_decoder *stream, uint32_t window)
{
    uint64_t slot = ent_range_slot(stream, SLOTS_LOG);
    if (slot >= m->start[m->symbols]) return m->symbols;
    uint32_t symbol = m->cell[slot >> (SLOTS_LOG - CELLS_LOG)];
    while (m->start[symbol + 1] <= slot) symbol++;
    ent_range_take(stream, m->start[symbol], m->start[symbol + 1] - m->start[symbol], SLOTS_LOG);
    learn(m, symbol, window);
    return symbol;
}

/* ---- the coder ------------------------------------------------------------------------------ */

static uint32_t highs(const ent_coder_spec *spec) { return (spec->alphabet + 255) / 256; }

static size_t parts(const ent_coder_spec *spec) { return spec->width; }

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return ent_range_bound(spec->param[STREAMS_PARAM], n, parts(spec));
}

static size_t work_size(const ent_coder_spec *spec, size_t n)
{
    (void)n;
    return spec->width == 1 ? sizeof(model) : (1 + highs(spec)) * sizeof(model);
}

static void begin_all(const ent_coder_spec *spec, model *m)
{
    begin(m, spec->width == 1 ? spec->alphabet : highs(spec), RARE);
    for (uint32_t h = 0; spec->width == 2 && h < highs(spec); h++) begin(m + 1 + h, 256, EVEN);
}

static inline ent_status encode_as(uint32_t width, const ent_coder_spec *spec, model *m, const void *symbols, size_t n,
                                   ent_range_encoder *stream, size_t streams)
{
    const uint32_t window = spec->param[WINDOW_PARAM], alphabet = spec->alphabet;
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint32_t symbol = ent_symbol_at(symbols, width, i);
        if (symbol >= alphabet) return ENT_ERANGE;
        put(m, width == 1 ? symbol : symbol >> 8, &stream[s], window);
        if (width == 2) put(m + 1 + (symbol >> 8), symbol & 255, &stream[s], window);
    }
    return ENT_OK;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)encoder;
    ent_range_encoder stream[ENT_RANGE_STREAMS_MOST];
    size_t used = ent_range_begin(stream, spec->param[STREAMS_PARAM], n, parts(spec), out);
    begin_all(spec, work);
    ent_status status = spec->width == 1 ? encode_as(1, spec, work, symbols, n, stream, used)
                                         : encode_as(2, spec, work, symbols, n, stream, used);
    if (!status) *size = ent_range_finish(stream, used, n, parts(spec), out, tally);
    return status;
}

static inline ent_status decode_as(uint32_t width, const ent_coder_spec *spec, model *m, void *symbols, size_t n,
                                   ent_range_decoder *stream, size_t streams)
{
    const uint32_t window = spec->param[WINDOW_PARAM], alphabet = spec->alphabet;
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint32_t symbol = take(m, &stream[s], window);
        if (symbol == m->symbols) return ENT_ECORRUPT;
        if (width == 2) {
            uint32_t low = take(m + 1 + symbol, &stream[s], window);
            symbol = symbol << 8 | low;
            if (low == 256 || symbol >= alphabet) return ENT_ECORRUPT;
        }
        ent_symbol_put(symbols, width, i, symbol);
    }
    return ENT_OK;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)decoder;
    ent_range_decoder stream[ENT_RANGE_STREAMS_MOST];
    size_t streams = spec->param[STREAMS_PARAM], used = n < streams ? n : streams;
    ent_status status = ent_range_open(stream, streams, n, in);
    if (status) return status;
    begin_all(spec, work);
    status = spec->width == 1 ? decode_as(1, spec, work, symbols, n, stream, used)
                              : decode_as(2, spec, work, symbols, n, stream, used);
    if (status) return status;
    return ent_range_ended(stream, streams, n) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_arithmetic_adaptive = {
    .name = "arithmetic-adaptive",
    .brief = "arithmetic coding, frequencies learnt on the way",
    .cite = "said2004arithmetic",
    .id = 6,
    .max_alphabet = ENT_MAX_ALPHABET,
    .adaptive = true,
    .param = {
        [STREAMS_PARAM] = { "streams", "codes side by side", 1, ENT_RANGE_STREAMS_MOST, 16 },
        [WINDOW_PARAM] = { "window", "log2 of the symbols that are remembered", 12, 20, 13 },
    },
    /* As arithmetic, with the count; a rebuild of 256 symbols in 1024 adds two operations a symbol. */
    .ops = { .lookups = 4, .multiplies = 2, .simple = 49, .branches = 0.05, .chain = 31, .lanes = 4 },
    .bound = bound,
    .work_size = work_size,
    .encode = encode,
    .decode = decode,
};
