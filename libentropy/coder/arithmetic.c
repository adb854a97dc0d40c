/* arithmetic.c - arithmetic coding with a trained table (Rissanen 1976, Witten, Neal and Cleary 1987).
 *
 * The exact reference among the coders: its length is the sum of -log2 of the frequencies to a few
 * bytes, whatever they are.  The price is a division a symbol in the decoder. */
#include "coder/range.h"
#include "coder/slots.h"

enum { STREAMS_PARAM = 0 };

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return ent_range_bound(spec->param[STREAMS_PARAM], n, 1);
}

/* Finer slots cost this coder no time: all that pay are taken. */
static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    return ent_slots_train(spec, counts, 0, table);
}

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct encoder_symbol {
    uint32_t start, freq; /* freq 0: has no code */
} encoder_symbol;

typedef struct encoder {
    uint32_t log, alphabet;
    encoder_symbol symbol[];
} encoder;

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)table;
    return sizeof(encoder) + spec->alphabet * sizeof(encoder_symbol);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *built)
{
    const ent_slots *slots = table;
    encoder *e = built;
    e->log = slots->log;
    e->alphabet = spec->alphabet;
    for (uint32_t s = 0, start = 0; s < spec->alphabet; start += slots->freq[s++])
        e->symbol[s] = (encoder_symbol){ start, slots->freq[s] };
}

static inline ent_status encode_as(uint32_t width, const encoder *e, const void *symbols, size_t n,
                                   ent_range_encoder *stream, size_t streams)
{
    const unsigned log = e->log;
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint32_t symbol = ent_symbol_at(symbols, width, i);
        if (symbol >= e->alphabet || !e->symbol[symbol].freq) return ENT_ERANGE;
        ent_range_put(&stream[s], e->symbol[symbol].start, e->symbol[symbol].freq, log);
    }
    return ENT_OK;
}

static ent_status encode(const ent_coder_spec *spec, const void *built, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    ent_range_encoder stream[ENT_RANGE_STREAMS_MOST];
    size_t used = ent_range_begin(stream, spec->param[STREAMS_PARAM], n, 1, out);
    ent_status status = spec->width == 1 ? encode_as(1, built, symbols, n, stream, used)
                                         : encode_as(2, built, symbols, n, stream, used);
    if (!status) *size = ent_range_finish(stream, used, n, 1, out, tally);
    return status;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static inline ent_status decode_as(uint32_t width, ent_search search, void *symbols, size_t n,
                                   ent_range_decoder *stream, size_t streams)
{
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint64_t slot = ent_range_slot(&stream[s], search.log);
        if (slot >> search.log) return ENT_ECORRUPT;
        const ent_slot_range *range = ent_search_find(&search, (uint32_t)slot);
        ent_symbol_put(symbols, width, i, range->symbol);
        ent_range_take(&stream[s], range->start, range[1].start - range->start, search.log);
    }
    return ENT_OK;
}

static ent_status decode(const ent_coder_spec *spec, const void *built, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    ent_range_decoder stream[ENT_RANGE_STREAMS_MOST];
    size_t streams = spec->param[STREAMS_PARAM], used = n < streams ? n : streams;
    ent_status status = ent_range_open(stream, streams, n, in);
    if (status) return status;
    const ent_search *search = built;
    status = spec->width == 1 ? decode_as(1, *search, symbols, n, stream, used)
                              : decode_as(2, *search, symbols, n, stream, used);
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
        [STREAMS_PARAM] = { "streams", "codes side by side", 1, ENT_RANGE_STREAMS_MOST, 4 },
        [ENT_SLOTS_PARAM] = { "log", "log2 of the slots, 0: as many as pay", 0, ENT_SLOTS_LOG_MOST, 0 },
    },
    /* A division, whose quotient has some 16 bits, counts as 20 simple operations.  Look-ups: cell, start,
     * next start, symbol.  Chain: division, two of the look-ups, multiply, subtract, count zeros, shifts. */
    .ops = { .lookups = 4, .multiplies = 2, .simple = 42, .branches = 0.05, .chain = 31, .lanes = 4 },
    .table_size = ent_slots_size,
    .train = train,
    .write_table = ent_slots_write,
    .read_table = ent_slots_read,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .decoder_size = ent_search_size,
    .build_decoder = ent_search_build,
    .bound = bound,
    .encode = encode,
    .decode = decode,
};
