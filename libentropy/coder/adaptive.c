/* adaptive.c - adaptive arithmetic coding: no table, the frequencies are learnt from what went before.
 *
 * A model counts its symbols and turns the counts into slots now and then, in intervals that double
 * (periodic updates, as in Said 2004): between two rebuilds it is a
 * static table.  Symbols of one byte have one model and are coded an interval at a time by the loops of arithmetic,
 * counted afterwards; a rebuild of 256 symbols in 1024 adds half a cycle a symbol, its cells two.  When the
 * counts reach the window they are halved: older symbols fade out.
 *
 * Alphabets over 256 are coded as two bytes: the high one, then the low one by the model of its
 * high byte, each of which has intervals of its own.
 *
 * Left out: mixing of fast and slow models, contexts of earlier symbols.  Weights are nearly
 * independent; what they have is a scale that changes from row to row, and the window follows it. */
#include <string.h>

#include "coder/arithmetic.h"
#include "coder/bmi2.h"

enum {
    STREAMS_PARAM = 0,
    WINDOW_PARAM = 1,
    SLOTS_LOG = 20, /* rounding of rarest counts is then below anything the window can know */
    CELLS_LOG = 10,
    CELL_LOG = SLOTS_LOG - CELLS_LOG,
    STEP = 32, /* what an occurrence adds to a count */
    /* Counts at the beginning: 1/32 of an occurrence where most symbols will never come, a half
     * (Krichevsky and Trofimov 1981) for low bytes, which are nearly uniform. */
    RARE = 1,
    EVEN = 16,
    INTERVAL_FIRST = 16,
    INTERVAL_LAST = 1024, /* a quarter of the least window */
};

typedef struct model {
    uint32_t symbols, total; /* symbols 0: not begun; total: the sum of count when the interval began */
    uint32_t interval, left; /* between rebuilds; symbols until the next */
    uint32_t count[256];
    uint32_t start[256 + 1];
} model;

/* Each symbol gets one slot and a share of the others; a few slots at the end stay without a symbol. */
static void rebuild(model *m)
{
    uint64_t share = ((uint64_t)((1u << SLOTS_LOG) - m->symbols) << 32) / m->total;
    uint32_t start = 0;
    for (uint32_t s = 0; s < m->symbols; s++) {
        m->start[s] = start;
        start += 1 + (uint32_t)(m->count[s] * share >> 32);
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

/* At the end of an interval, all symbols counted. */
static void renew(model *m, uint32_t window)
{
    m->total += STEP * m->interval;
    if (m->total > (uint32_t)STEP << window) halve(m);
    rebuild(m);
    if (m->interval < INTERVAL_LAST) m->interval *= 2;
    m->left = m->interval;
}

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return ent_range_bound(spec->param[STREAMS_PARAM], n, spec->width);
}

/* ---- symbols of one byte: one model ----------------------------------------------------------- */

typedef struct narrow {
    model model;
    union {
        arithmetic_symbol symbol[256 + 1]; /* the encoder's; those beyond the alphabet have no code */
        uint64_t cell[(1 << CELLS_LOG) + 1]; /* the decoder's */
    } table;
} narrow;

static arithmetic_cells cells_of(const narrow *m)
{
    return (arithmetic_cells){ SLOTS_LOG, CELLS_LOG, m->model.symbols, m->model.start, m->table.cell };
}

static void tabulate(narrow *m, bool decoding)
{
    const uint32_t *start = m->model.start;
    const arithmetic_cells cells = cells_of(m);
    if (decoding)
        ent_arithmetic_cells(&cells, m->table.cell);
    else
        for (uint32_t s = 0; s < m->model.symbols; s++)
            m->table.symbol[s] = (arithmetic_symbol){ start[s], start[s + 1] - start[s] };
}

static void begin_narrow(narrow *m, uint32_t alphabet, bool decoding)
{
    begin(&m->model, alphabet, RARE);
    memset(&m->table, 0, sizeof m->table);
    tabulate(m, decoding);
}

/* Learns n symbols of the interval, at most what is left of it. */
static void learn_all(narrow *m, const uint8_t *symbols, size_t n, uint32_t window, bool decoding)
{
    enum { APART = 4 }; /* neighbours are often the same symbol, whose count would have to wait for itself */
    uint32_t count[APART][256] = { { 0 } };
    for (size_t i = 0; i < n; i++) count[i % APART][symbols[i]]++;
    for (uint32_t s = 0; s < m->model.symbols; s++)
        m->model.count[s] += STEP * (count[0][s] + count[1][s] + count[2][s] + count[3][s]);
    m->model.left -= (uint32_t)n;
    if (m->model.left) return;
    renew(&m->model, window);
    tabulate(m, decoding);
}

/* Puts the stream that comes next in front: intervals need not end with the last one. */
static void turn(void *streams, size_t size, size_t n, size_t by)
{
    uint8_t front[ENT_RANGE_STREAMS_MOST * sizeof(ent_range_decoder)], *all = streams;
    _Static_assert(sizeof(ent_range_decoder) >= sizeof(ent_range_encoder), "room for either");
    if (!by) return;
    memcpy(front, all, by * size);
    memmove(all, all + by * size, (n - by) * size);
    memcpy(all + (n - by) * size, front, by * size);
}

static ent_status encode_narrow(const ent_coder_spec *spec, narrow *m, const uint8_t *symbols, size_t n,
                                ent_range_encoder *stream, size_t streams)
{
    begin_narrow(m, spec->alphabet, false);
    for (size_t i = 0, k; i < n; i += k) {
        k = n - i < m->model.left ? n - i : m->model.left;
        ent_status status = ent_arithmetic_encode(m->table.symbol, 256, SLOTS_LOG, 1, symbols + i, k, stream, streams);
        if (status) return status;
        learn_all(m, symbols + i, k, spec->param[WINDOW_PARAM], false);
        turn(stream, sizeof *stream, streams, k % streams);
    }
    turn(stream, sizeof *stream, streams, (streams - n % streams) % streams);
    return ENT_OK;
}

static ent_status decode_narrow(const ent_coder_spec *spec, narrow *m, uint8_t *symbols, size_t n,
                                ent_range_decoder *stream, size_t streams)
{
    begin_narrow(m, spec->alphabet, true);
    const arithmetic_cells cells = cells_of(m);
    for (size_t i = 0, k; i < n; i += k) {
        k = n - i < m->model.left ? n - i : m->model.left;
        ent_status status = ent_arithmetic_decode(&cells, symbols + i, k, stream, streams);
        if (status) return status;
        learn_all(m, symbols + i, k, spec->param[WINDOW_PARAM], true);
        turn(stream, sizeof *stream, streams, k % streams);
    }
    turn(stream, sizeof *stream, streams, (streams - n % streams) % streams);
    return ENT_OK;
}

/* ---- symbols of two: a model for the high byte, and one for the low byte of each -------------- */

enum { RUN = 16 }; /* cells that are filled at once, too many mostly, which the next symbol puts right */

typedef struct part {
    model model;
    uint8_t cell[(1 << CELLS_LOG) + RUN]; /* the decoder's: the symbol of the first slot of each cell */
} part;

static uint32_t highs(const ent_coder_spec *spec) { return (spec->alphabet + 255) / 256; }

static inline void fill_cells(part *p)
{
    uint8_t *to = p->cell;
    for (uint32_t s = 0; s < p->model.symbols; s++) {
        uint8_t *end = p->cell + ((p->model.start[s + 1] + (1u << CELL_LOG) - 1) >> CELL_LOG);
        do memset(to, (int)s, RUN);
        while ((to += RUN) < end);
        to = end;
    }
    memset(to, (int)p->model.symbols - 1, (size_t)(p->cell + (1 << CELLS_LOG) - to));
}

static void begin_part(part *p, uint32_t symbols, uint32_t count, bool decoding)
{
    begin(&p->model, symbols, count);
    if (decoding) fill_cells(p);
}

/* Low bytes' models begin when they are needed. */
static void begin_parts(const ent_coder_spec *spec, part *p, bool decoding)
{
    begin_part(p, highs(spec), RARE, decoding);
    for (uint32_t h = 0; h < highs(spec); h++) p[1 + h].model.symbols = 0;
}

ENT_INLINE void learn(part *p, uint32_t symbol, uint32_t window, bool decoding)
{
    p->model.count[symbol] += STEP;
    if (--p->model.left) return;
    renew(&p->model, window);
    if (decoding) fill_cells(p);
}

ENT_INLINE void put(part *p, uint32_t symbol, ent_range_encoder *stream, uint32_t window)
{
    const uint32_t *start = p->model.start + symbol;
    ent_range_put(stream, start[0], start[1] - start[0], SLOTS_LOG);
    learn(p, symbol, window, false);
}

/* Returns the symbol; the number of symbols in damaged codes. */
ENT_INLINE uint32_t take(part *p, ent_range_decoder *stream, uint32_t window)
{
    const uint32_t *start = p->model.start;
    uint64_t slot = ent_range_slot(stream, SLOTS_LOG);
    if (slot >= start[p->model.symbols]) return p->model.symbols;
    uint32_t symbol = p->cell[slot >> CELL_LOG];
    while (start[symbol + 1] <= slot) symbol++;
    ent_range_take(stream, start[symbol], start[symbol + 1] - start[symbol], SLOTS_LOG);
    learn(p, symbol, window, true);
    return symbol;
}

ENT_INLINE ent_status encode_parts(const ent_coder_spec *spec, part *p, const uint16_t *symbols, size_t n,
                               ent_range_encoder *stream, size_t streams)
{
    const uint32_t window = spec->param[WINDOW_PARAM];
    begin_parts(spec, p, false);
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        if (symbols[i] >= spec->alphabet) return ENT_ERANGE;
        part *low = p + 1 + (symbols[i] >> 8);
        if (!low->model.symbols) begin_part(low, 256, EVEN, false);
        put(p, symbols[i] >> 8, &stream[s], window);
        put(low, symbols[i] & 255, &stream[s], window);
    }
    return ENT_OK;
}

ENT_INLINE ent_status decode_parts(const ent_coder_spec *spec, part *p, uint16_t *symbols, size_t n,
                               ent_range_decoder *stream, size_t streams)
{
    const uint32_t window = spec->param[WINDOW_PARAM], high_most = highs(spec);
    begin_parts(spec, p, true);
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint32_t high = take(p, &stream[s], window);
        if (high == high_most) return ENT_ECORRUPT;
        part *low_part = p + 1 + high;
        if (!low_part->model.symbols) begin_part(low_part, 256, EVEN, true);
        uint32_t low = take(low_part, &stream[s], window), symbol = high << 8 | low;
        if (low == 256 || symbol >= spec->alphabet) return ENT_ECORRUPT;
        symbols[i] = (uint16_t)symbol;
    }
    return ENT_OK;
}

ENT_BMI2 static ent_status encode_bmi2(const ent_coder_spec *spec, part *p, const uint16_t *symbols, size_t n,
                                   ent_range_encoder *stream, size_t streams)
{
    return encode_parts(spec, p, symbols, n, stream, streams);
}

ENT_BMI2 static ent_status decode_bmi2(const ent_coder_spec *spec, part *p, uint16_t *symbols, size_t n,
                                   ent_range_decoder *stream, size_t streams)
{
    return decode_parts(spec, p, symbols, n, stream, streams);
}

static ent_status encode_wide(const ent_coder_spec *spec, part *p, const uint16_t *symbols, size_t n,
                              ent_range_encoder *stream, size_t streams)
{
    if (ent_cpu_features() & ENT_CPU_BMI2) return encode_bmi2(spec, p, symbols, n, stream, streams);
    return encode_parts(spec, p, symbols, n, stream, streams);
}

static ent_status decode_wide(const ent_coder_spec *spec, part *p, uint16_t *symbols, size_t n,
                              ent_range_decoder *stream, size_t streams)
{
    if (ent_cpu_features() & ENT_CPU_BMI2) return decode_bmi2(spec, p, symbols, n, stream, streams);
    return decode_parts(spec, p, symbols, n, stream, streams);
}

/* ---- the coder ------------------------------------------------------------------------------ */

static size_t work_size(const ent_coder_spec *spec, size_t n)
{
    (void)n;
    return spec->width == 1 ? sizeof(narrow) : (1 + highs(spec)) * sizeof(part);
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)encoder;
    ent_range_encoder stream[ENT_RANGE_STREAMS_MOST];
    size_t used = ent_range_begin(stream, spec->param[STREAMS_PARAM], n, spec->width, out);
    ent_status status = spec->width == 1 ? encode_narrow(spec, work, symbols, n, stream, used)
                                         : encode_wide(spec, work, symbols, n, stream, used);
    if (!status) *size = ent_range_finish(stream, used, n, spec->width, out, tally);
    return status;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)decoder;
    ent_range_decoder stream[ENT_RANGE_STREAMS_MOST];
    size_t streams = spec->param[STREAMS_PARAM], used = n < streams ? n : streams;
    ent_status status = ent_range_open(stream, streams, n, in);
    if (status) return status;
    status = spec->width == 1 ? decode_narrow(spec, work, symbols, n, stream, used)
                              : decode_wide(spec, work, symbols, n, stream, used);
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
    /* As arithmetic, with the count and what rebuilding adds.  A division of doubles is 10 simple operations. */
    .ops = { .lookups = 2, .multiplies = 3.25, .simple = 80, .branches = 0.04, .chain = 20, .lanes = 16,
             .vector64 = { 4.6, 43, 2, 70 } },
    .bound = bound,
    .encode_work = work_size,
    .decode_work = work_size,
    .encode = encode,
    .decode = decode,
};
