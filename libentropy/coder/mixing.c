/* mixing.c - context mixing: every bit is told by many contexts at once, whose word counts as it proved right before.
 *
 * The way of PAQ (Mahoney 2005, Mattern 2012): each context has a probability of its own for the next bit, learnt from
 * what followed it so far; logistic mixing adds up the stretched probabilities, ln(p / (1 - p)), by weights that
 * descend along the gradient of the coded size.  What differs is what weights of networks need: they are numbers,
 * nearly independent, and what one tells of another is its scale.  So contexts are not strings that come again but
 * levels of scale: of the row so far, of the column so far, of both together, of the neighbours.
 *
 * Slow on purpose: it shows how far other coders are from what can be had.  All is integer arithmetic, so that decoders
 * agree on every machine; >> of a negative number rounds down. */
#include <string.h>

#include "coder/bytes.h"
#include "coder/mixing.h"
#include "coder/range.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    ROW_PARAM = 0,
    SIGN_PARAM = 1,
    ONE_LOG = 16, /* of a probability */
    ONE = 1 << ONE_LOG,
    STRETCH = 3071,   /* the largest stretched probability, in 1/256 */
    COMMON_LOG = 20,  /* of a probability that all contexts have in common */
    COMMON_MOST = 4095, /* times seen that still slow down learning */
    SLOT_LOG = 22,    /* of a probability in a context */
    COUNT_BITS = 10,
    COUNT_MOST = 127, /* contexts follow what changes */
    INPUTS = 10,
    SIGN_INPUTS = 6,
    WEIGHT_LOG = 20,
    WEIGHT_MOST = (1 << 23) - 1,
    LEARNING = 14,
    LEVELS = 32,
    NIBBLE = 16,      /* slots for four bits of a symbol in one context: a cache line */
    LINES_LOG = 16,
    SIGN_VALUES = LEVELS * LEVELS / 2,
    SETTLED = 12,     /* log2 of the numbers over which a tracker averages */
    SCALE_LOG = 24, /* of sizes and signs, whatever their bits: means must move by less than a unit */
    HARDLY = 8,       /* a mean of so many counts half */
    COLUMN_MOST = 1023,
};

/* ---- functions of one number ------------------------------------------------------------------ */

typedef struct functions {
    uint16_t squash[2 * STRETCH + 1]; /* of x + STRETCH: 65536 / (1 + exp(-x / 256)) */
    int16_t stretch[4096];            /* its inverse, of a probability / 16 */
    uint16_t rate[COMMON_MOST + 1];   /* of learning in a slot seen n times: 65536 / (n + 1.5) */
    uint16_t trust[COUNT_MOST + 1];   /* in a slot seen n times: 65536 n / (n + 1) */
} functions;

static size_t functions_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec;
    (void)table;
    return sizeof(functions);
}

static void build_functions(const ent_coder_spec *spec, const void *table, void *built)
{
    const uint64_t factor = 4278222805, one = (uint64_t)1 << 30; /* 2^32 exp(-1 / 256) */
    functions *f = built;
    uint64_t power = one; /* 2^30 exp(-x / 256) */
    (void)spec;
    (void)table;
    for (int x = 0; x <= STRETCH; x++, power = power * factor >> 32) {
        uint64_t above = ((one << ONE_LOG) + (one + power) / 2) / (one + power);
        f->squash[STRETCH + x] = (uint16_t)(above < ONE ? above : ONE - 1);
        f->squash[STRETCH - x] = (uint16_t)(ONE - f->squash[STRETCH + x]);
    }
    for (int i = 0, x = -STRETCH; i < 4096; i++) {
        while (x < STRETCH && f->squash[STRETCH + x + 1] <= 16 * i + 8) x++;
        f->stretch[i] = (int16_t)x;
    }
    for (uint32_t n = 0; n <= COMMON_MOST; n++) f->rate[n] = (uint16_t)(2 * ONE / (2 * n + 3));
    for (uint32_t n = 0; n <= COUNT_MOST; n++) f->trust[n] = (uint16_t)(ONE * n / (n + 1));
}

/* ---- levels: numbers of any range as one of a few -------------------------------------------- */

typedef struct tracker {
    int64_t middle, spread; /* of numbers so far: their mean, and their mean distance from it */
} tracker;

/* Levels are 6 / levels of the spread wide. */
static uint32_t level_of(const tracker *t, int64_t v, int levels)
{
    const int64_t place = (v - t->middle) * levels / 6 + (t->spread + 1) * (levels / 2);
    if (place < 0) return 0;
    return place / (t->spread + 1) < levels ? (uint32_t)(place / (t->spread + 1)) : (uint32_t)levels - 1;
}

static uint32_t track(tracker *t, int64_t v, int levels, unsigned settling)
{
    const uint32_t level = level_of(t, v, levels);
    const int64_t off = v - t->middle;
    t->middle += off >> settling;
    t->spread += ((off < 0 ? -off : off) - t->spread) >> settling;
    return level;
}

static int32_t mean_add(int32_t mean, int32_t v, uint32_t count) { return mean + (v - mean) / (int32_t)count; }
static int64_t shrunk(int64_t mean, uint32_t count) { return mean * count / (count + HARDLY); }

/* ---- one bit ------------------------------------------------------------------------------------ */

/* What foretells a bit: input 0, which all contexts have in common, and a slot for each of the others. */
typedef struct question {
    uint32_t inputs;
    uint64_t *common;       /* probability of a one, of 2^COMMON_LOG, << 32 | times seen */
    uint32_t *slot[INPUTS]; /* of 2^SLOT_LOG, << COUNT_BITS | times seen */
    int32_t *weight;
    int32_t input[INPUTS], p; /* stretched; what they came to */
} question;

INLINE int32_t squash(const functions *f, int32_t x)
{
    return f->squash[(x > STRETCH ? STRETCH : x < -STRETCH ? -STRETCH : x) + STRETCH];
}

INLINE void foretell(const functions *f, question *q)
{
    int32_t sum = 0;
    q->input[0] = f->stretch[*q->common >> (32 + COMMON_LOG - 12)];
    for (uint32_t k = 1; k < q->inputs; k++) {
        const uint32_t slot = *q->slot[k];
        q->input[k] = f->stretch[slot >> (32 - 12)] * f->trust[slot % (1 << COUNT_BITS)] >> 16;
    }
    for (uint32_t k = 0; k < q->inputs; k++) sum += (q->weight[k] >> 8) * q->input[k];
    q->p = squash(f, sum >> (WEIGHT_LOG - 8));
}

INLINE void learn(const functions *f, question *q, uint32_t bit)
{
    const int32_t error = (int32_t)(bit << ONE_LOG) - q->p;
    for (uint32_t k = 0; k < q->inputs; k++) {
        const int32_t w = q->weight[k] + ((q->input[k] * error + (1 << (LEARNING - 1))) >> LEARNING);
        q->weight[k] = w > WEIGHT_MOST ? WEIGHT_MOST : w < -WEIGHT_MOST ? -WEIGHT_MOST : w;
    }
    const uint32_t count = (uint32_t)*q->common;
    const int64_t common = (int64_t)(*q->common >> 32), off = ((int64_t)bit << COMMON_LOG) - bit - common;
    *q->common = (uint64_t)(common + (off * f->rate[count] >> 16)) << 32 | (count + (count < COMMON_MOST));
    for (uint32_t k = 1; k < q->inputs; k++) {
        const uint32_t slot = *q->slot[k], seen = slot % (1 << COUNT_BITS);
        const int64_t p = slot >> COUNT_BITS, to = ((int64_t)bit << SLOT_LOG) - bit;
        *q->slot[k] = (uint32_t)(p + ((to - p) * f->rate[seen] >> 16)) << COUNT_BITS | (seen + (seen < COUNT_MOST));
    }
}

/* ---- what is known of the symbols so far ---------------------------------------------------------- */

enum { ROW, COLUMN, BOTH, RECENT, LATE_COLUMN, SIZE, ROW_SIGN, COLUMN_SIGN, BOTH_SIGN, TRACKERS };

typedef struct column {
    int32_t size, sign; /* means */
    uint16_t count;
    uint8_t level, signs; /* of the symbol above; signs of all above, that one's lowest */
} column;

typedef struct model {
    const functions *f;
    unsigned bits, sign; /* of a symbol without its sign; 1 if it has one */
    unsigned lines_log;
    mixing_rows rows;
    uint64_t at;            /* symbols so far */
    unsigned settling;      /* of trackers: they move fast at first */
    uint32_t place, in_row; /* the next symbol's column; symbols of its row so far */
    tracker tracker[TRACKERS];
    int64_t sum; /* of sizes */
    int32_t row_size, row_sign, recent, late; /* means: of the row so far, of the last symbols, of more of them */
    uint32_t left, left2, left_signs;
    uint32_t (*line)[NIBBLE];
    uint64_t *common; /* of each node of the tree of symbols; behind them of the sign, by level of size */
    int32_t (*weight)[INPUTS]; /* of each node of the first byte, then by bit, then of the sign */
    uint32_t (*sign_slot)[SIGN_VALUES];
    column *column;
} model;

enum { BYTE_NODES = 256, BITS_MOST = 16, WEIGHTS = BYTE_NODES + BITS_MOST + LEVELS };

INLINE uint32_t add_level(model *m, int which, int64_t v, int levels)
{
    return track(&m->tracker[which], v, levels, m->settling);
}

INLINE void size_contexts(model *m, uint32_t context[INPUTS])
{
    const column *c = &m->column[m->place];
    const int64_t middle = m->at ? m->sum / (int64_t)m->at : 0;
    const int64_t row = shrunk(m->row_size - middle, m->in_row), own = shrunk(c->size - middle, c->count);
    context[1] = m->left;
    context[2] = c->level;
    context[3] = m->left / 2 << 4 | c->level / 2u;
    context[4] = add_level(m, ROW, row, LEVELS);
    context[5] = add_level(m, COLUMN, own, LEVELS);
    context[6] = add_level(m, BOTH, row + own, 2 * LEVELS);
    context[7] = add_level(m, RECENT, m->recent, LEVELS);
    context[8] = m->left / 2 << 4 | m->left2 / 2;
    context[9] = add_level(m, LATE_COLUMN, m->late + own, LEVELS);
}

static int32_t size_of(const model *m, uint32_t symbol)
{
    return ent_mixing_size(symbol, m->bits, m->rows.folded) * (1 << (SCALE_LOG - m->bits));
}

/* Context 0 is that of the weights. */
INLINE void sign_contexts(model *m, uint32_t size, uint32_t context[SIGN_INPUTS])
{
    const column *c = &m->column[m->place], *next = m->place + 1 < m->rows.length ? c + 1 : c;
    const int64_t row = shrunk(m->row_sign, m->in_row), own = shrunk(c->sign, c->count);
    const uint32_t above_left = m->place ? c[-1].signs >> 1 & 1 : 0; /* c[-1] is in this row by now */
    context[0] = level_of(&m->tracker[SIZE], size_of(m, size), LEVELS);
    context[1] = add_level(m, COLUMN_SIGN, own, LEVELS);
    context[2] = add_level(m, ROW_SIGN, row, LEVELS);
    context[3] = (m->left_signs & 3) << 4 | (c->signs & 3u) << 2 | above_left << 1 | (next->signs & 1u);
    context[4] = context[1] << 4 | context[0] / 2;
    context[5] = add_level(m, BOTH_SIGN, row + own, LEVELS) << 4 | context[0] / 2;
}

INLINE void add_symbol(model *m, uint32_t symbol)
{
    column *c = &m->column[m->place];
    const uint32_t negative = m->sign & symbol;
    const int32_t v = size_of(m, symbol >> m->sign), s = negative ? 1 << SCALE_LOG : -(1 << SCALE_LOG);
    if (!m->at) m->tracker[SIZE].middle = m->recent = m->late = v;
    m->left2 = m->left;
    m->left = add_level(m, SIZE, v, LEVELS);
    m->left_signs = m->left_signs << 1 | negative;
    c->count = (uint16_t)(c->count + (c->count < COLUMN_MOST));
    c->size = mean_add(c->size, v, c->count);
    c->sign = mean_add(c->sign, s, c->count);
    c->level = (uint8_t)m->left;
    c->signs = (uint8_t)((uint32_t)c->signs << 1 | negative);
    m->in_row += m->in_row < MIXING_ROW_MOST;
    m->row_size = mean_add(m->row_size, v, m->in_row);
    m->row_sign = mean_add(m->row_sign, s, m->in_row);
    m->sum += v;
    m->recent += (v - m->recent) >> 3;
    m->late += (v - m->late) >> 6;
    m->at++;
    if (m->settling < SETTLED && (m->at + 1) >> m->settling) m->settling++;
    if (m->rows.length && ++m->place == m->rows.length) m->place = m->in_row = 0;
}

/* ---- one symbol -------------------------------------------------------------------------------------- */

typedef struct coding {
    ent_range_encoder to;
    ent_range_decoder from;
} coding;

INLINE uint32_t code_bit(model *m, question *q, coding *c, bool encoding, uint32_t bit)
{
    foretell(m->f, q);
    const uint32_t p = (uint32_t)q->p;
    if (encoding) {
        ent_range_put(&c->to, bit ? 0 : p, bit ? p : ONE - p, ONE_LOG);
    } else {
        const uint64_t slot = c->from.range >> ONE_LOG;
        bit = c->from.code < slot * p;
        c->from.starved |= c->from.code >= slot << ONE_LOG; /* damaged: the slot of no bit */
        ent_range_take(&c->from, bit ? 0 : p, bit ? p : ONE - p, ONE_LOG);
    }
    learn(m->f, q, bit);
    return bit;
}

INLINE uint32_t code_size(model *m, coding *c, bool encoding, uint32_t symbol)
{
    uint32_t context[INPUTS], node = 1, (*line[INPUTS])[NIBBLE] = { NULL };
    question q = { .inputs = INPUTS };
    size_contexts(m, context);
    for (unsigned left = m->bits, in_line = 1; left-- > 0;) {
        const unsigned done = m->bits - 1 - left;
        if (done % 4 == 0) {
            in_line = 1;
            for (uint32_t k = 1; k < INPUTS; k++)
                line[k] = &m->line[((k << 26 | context[k] << 16 | node) * 0x9E3779B1u) >> (32 - m->lines_log)];
        }
        for (uint32_t k = 1; k < INPUTS; k++) q.slot[k] = &(*line[k])[in_line];
        q.common = &m->common[node];
        q.weight = m->weight[node < BYTE_NODES ? node : BYTE_NODES + done];
        const uint32_t bit = code_bit(m, &q, c, encoding, symbol >> left & 1);
        node = node << 1 | bit;
        in_line = in_line << 1 | bit;
    }
    return node - (1u << m->bits);
}

INLINE uint32_t code_sign(model *m, coding *c, bool encoding, uint32_t size, uint32_t symbol)
{
    uint32_t context[SIGN_INPUTS];
    question q = { .inputs = SIGN_INPUTS };
    sign_contexts(m, size, context);
    q.common = &m->common[((size_t)1 << m->bits) + context[0]];
    q.weight = m->weight[BYTE_NODES + BITS_MOST + context[0]];
    for (uint32_t k = 1; k < SIGN_INPUTS; k++) q.slot[k] = &m->sign_slot[k][context[k]];
    return code_bit(m, &q, c, encoding, symbol & 1);
}

INLINE uint32_t code_symbol(model *m, coding *c, bool encoding, uint32_t symbol)
{
    const uint32_t size = code_size(m, c, encoding, symbol >> m->sign);
    const uint32_t whole = m->sign ? size << 1 | code_sign(m, c, encoding, size, symbol) : size;
    add_symbol(m, whole);
    return whole;
}

/* ---- memory ------------------------------------------------------------------------------------------- */

typedef struct sizes {
    size_t nodes, lines, columns;
} sizes;

static unsigned bits_of(const ent_coder_spec *spec) { return ent_bits_for(spec->alphabet); }
static unsigned sign_of(const ent_coder_spec *spec) { return spec->param[SIGN_PARAM] && bits_of(spec); }

static unsigned lines_log_of(size_t n)
{
    const unsigned enough = n >> LINES_LOG ? LINES_LOG : ent_bits_for((uint32_t)n) + 3;
    return enough < LINES_LOG ? enough : LINES_LOG;
}

static sizes sizes_of(const ent_coder_spec *spec, size_t n)
{
    return (sizes){ ((size_t)1 << (bits_of(spec) - sign_of(spec))) + LEVELS, (size_t)1 << lines_log_of(n),
                    n < MIXING_ROW_MOST ? n : MIXING_ROW_MOST };
}

enum { MODEL_SIZE = (sizeof(model) + 63) / 64 * 64 };

static size_t work_size(const ent_coder_spec *spec, size_t n)
{
    const model *m = NULL;
    const sizes s = sizes_of(spec, n);
    return MODEL_SIZE + s.lines * sizeof *m->line + s.nodes * sizeof *m->common + WEIGHTS * sizeof *m->weight +
           SIGN_INPUTS * sizeof *m->sign_slot + s.columns * sizeof *m->column;
}

static void even_slots(uint32_t *slot, size_t n)
{
    for (size_t i = 0; i < n; i++) slot[i] = 1u << 31;
}

static model *begin(const ent_coder_spec *spec, const functions *f, size_t n, const mixing_rows *rows, void *work)
{
    const sizes s = sizes_of(spec, n);
    model *m = work;
    *m = (model){ .f = f, .bits = bits_of(spec) - sign_of(spec), .sign = sign_of(spec), .lines_log = lines_log_of(n),
                  .rows = *rows, .settling = 1, .place = rows->before, .left = LEVELS / 2, .left2 = LEVELS / 2 };
    m->line = (uint32_t(*)[NIBBLE])((uint8_t *)work + MODEL_SIZE);
    m->common = (uint64_t *)(m->line + s.lines);
    m->weight = (int32_t(*)[INPUTS])(m->common + s.nodes);
    m->sign_slot = (uint32_t(*)[SIGN_VALUES])(m->weight + WEIGHTS);
    m->column = (column *)(m->sign_slot + SIGN_INPUTS);
    even_slots(m->line[0], s.lines * NIBBLE);
    even_slots(m->sign_slot[0], SIGN_INPUTS * SIGN_VALUES);
    for (size_t i = 0; i < s.nodes; i++) m->common[i] = (uint64_t)1 << (32 + COMMON_LOG - 1);
    memset(m->weight, 0, WEIGHTS * sizeof *m->weight);
    for (size_t i = 0; i < WEIGHTS; i++) m->weight[i][0] = 1 << WEIGHT_LOG;
    for (int t = 0; t < TRACKERS; t++) m->tracker[t].spread = 1 << (SCALE_LOG - m->bits);
    for (size_t i = 0; i < s.columns; i++) m->column[i] = (column){ .level = LEVELS / 2 };
    return m;
}

/* ---- the coder ------------------------------------------------------------------------------------------ */

enum { FRONT_MOST = 1 + 3 + 3 }; /* folded, length and before */

/* What ent_range_bound takes for a part of a symbol is three bytes; a bit takes two at most. */
static size_t parts_of(const ent_coder_spec *spec) { return (2 * bits_of(spec) + 2) / 3; }

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return n ? FRONT_MOST + ent_range_bound(1, n, parts_of(spec)) : 0;
}

static ent_status encode(const ent_coder_spec *spec, const void *tables, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    mixing_rows rows = { 0 };
    coding c;
    if (!ent_symbols_valid(spec, symbols, n)) return ENT_ERANGE;
    ent_status status = ent_mixing_find_rows(symbols, spec->width, n, bits_of(spec) - sign_of(spec), sign_of(spec),
                                             spec->param[ROW_PARAM], &rows);
    if (status) return status;
    model *m = begin(spec, tables, n, &rows, work);
    size_t front = 1;
    out[0] = (uint8_t)rows.folded;
    front += ent_varint_put(out + front, rows.length);
    front += ent_varint_put(out + front, rows.before);
    ent_range_begin(&c.to, 1, n, parts_of(spec), out + front);
    for (size_t i = 0; i < n; i++) code_symbol(m, &c, true, ent_symbol_at(symbols, spec->width, i));
    *size = front + ent_range_finish(&c.to, 1, n, parts_of(spec), out + front, tally);
    tally->payload_bits += 8 * (uint64_t)front;
    return ENT_OK;
}

static bool read_rows(ent_bytes *in, size_t n, mixing_rows *rows)
{
    uint64_t length, before;
    if (!in->size || in->data[0] > 1) return false;
    size_t at = 1, used = ent_varint_get(in->data + at, in->size - at, &length);
    if (!used || length > MIXING_ROW_MOST || length > n) return false;
    at += used;
    used = ent_varint_get(in->data + at, in->size - at, &before);
    if (!used || (length ? before >= length : before)) return false;
    *rows = (mixing_rows){ (uint32_t)length, (uint32_t)before, in->data[0] };
    at += used;
    in->data += at;
    in->size -= at;
    return true;
}

static ent_status decode(const ent_coder_spec *spec, const void *tables, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    mixing_rows rows;
    coding c;
    if (!read_rows(&in, n, &rows)) return ENT_ECORRUPT;
    ent_status status = ent_range_open(&c.from, 1, n, in);
    if (status) return status;
    model *m = begin(spec, tables, n, &rows, work);
    for (size_t i = 0; i < n; i++) {
        const uint32_t symbol = code_symbol(m, &c, false, 0);
        if (symbol >= spec->alphabet) return ENT_ECORRUPT;
        ent_symbol_put(symbols, spec->width, i, symbol);
    }
    return ent_range_ended(&c.from, 1, n) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_mixing = {
    .name = "mixing",
    .brief = "context mixing: how low a stream gets, slowly",
    .cite = "mahoney2005",
    .id = 13,
    .max_alphabet = ENT_MAX_ALPHABET,
    .adaptive = true,
    .param = {
        [ROW_PARAM] = { "row", "symbols of a row; 0: found by the encoder", 0, MIXING_ROW_MOST, 0 },
        [SIGN_PARAM] = { "sign", "1: the lowest bit of a symbol is its sign", 0, 1, 0 },
    },
    /* Of twelve bits and a sign: ten inputs a bit, each foretelling by three lookups and two products, learning by one
     * and two; six levels, which are divisions. */
    .ops = { .lookups = 500, .multiplies = 500, .simple = 3000, .branches = 2, .chain = 900, .lanes = 1 },
    .encoder_size = functions_size,
    .build_encoder = build_functions,
    .decoder_size = functions_size,
    .build_decoder = build_functions,
    .bound = bound,
    .encode_work = work_size,
    .decode_work = work_size,
    .encode = encode,
    .decode = decode,
};
