/* arithmetic.c - arithmetic coding with a trained table (Rissanen 1976, Witten, Neal and Cleary 1987).
 *
 * The exact reference among the coders: its length is the sum of -log2 of the frequencies to a few
 * bytes, whatever they are.  The price is a division a symbol in the decoder: ten cycles of a divider
 * that takes one at a time.
 *
 * The loops for 4 and 8 streams keep their states in registers, and are compiled twice, the second time for BMI2. */
#include <string.h>

#include "coder/range.h"
#include "coder/slots.h"

#define INLINE static inline __attribute__((always_inline))
#if defined __x86_64__
#define BMI2 __attribute__((target("bmi,bmi2,lzcnt")))
#else
#define BMI2 /* never run: ent_cpu_features() does not report it there */
#endif

enum { STREAMS_PARAM = 0 };

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

typedef struct encoder_symbol {
    uint32_t start, freq; /* freq 0: has no code */
} encoder_symbol;

typedef struct encoder {
    uint32_t log, symbols;
    encoder_symbol symbol[]; /* every byte, or the alphabet where symbols take two */
} encoder;

static uint32_t encoder_symbols(const ent_coder_spec *spec) { return spec->width == 1 ? 256 : spec->alphabet; }

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)table;
    return sizeof(encoder) + encoder_symbols(spec) * sizeof(encoder_symbol);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *built)
{
    const ent_slots *slots = table;
    encoder *e = built;
    e->log = slots->log;
    e->symbols = encoder_symbols(spec);
    for (uint32_t s = 0, start = 0; s < spec->alphabet; start += slots->freq[s++])
        e->symbol[s] = (encoder_symbol){ start, slots->freq[s] };
}

/* Whole rounds of as many symbols as streams, whose number the compiler knows: their states then stay in registers.
 * Returns the symbols done; at a symbol without a code it ends early. */
INLINE size_t encode_rounds(uint32_t width, const encoder *e, const void *symbols, size_t n, ent_range_encoder *stream,
                            const size_t streams)
{
    const unsigned log = e->log;
    ent_range_encoder own[ENT_RANGE_STREAMS_MOST];
    size_t i = 0;
    memcpy(own, stream, streams * sizeof *own);
    for (; n - i >= streams; i += streams)
#pragma GCC unroll 8
        for (size_t s = 0; s < streams; s++) {
            uint32_t symbol = ent_symbol_at(symbols, width, i + s);
            if ((width == 2 && symbol >= e->symbols) || !e->symbol[symbol].freq) return i;
            ent_range_put(&own[s], e->symbol[symbol].start, e->symbol[symbol].freq, log);
        }
    memcpy(stream, own, streams * sizeof *own);
    return i;
}

INLINE size_t encode_most(uint32_t width, const encoder *e, const void *symbols, size_t n, ent_range_encoder *stream,
                          size_t streams)
{
    if (streams == 4) return encode_rounds(width, e, symbols, n, stream, 4);
    if (streams == 8) return encode_rounds(width, e, symbols, n, stream, 8);
    return 0;
}

BMI2 static size_t encode_bmi2(uint32_t width, const encoder *e, const void *symbols, size_t n,
                               ent_range_encoder *stream, size_t streams)
{
    return width == 1 ? encode_most(1, e, symbols, n, stream, streams) : encode_most(2, e, symbols, n, stream, streams);
}

static size_t encode_plain(uint32_t width, const encoder *e, const void *symbols, size_t n, ent_range_encoder *stream,
                           size_t streams)
{
    return width == 1 ? encode_most(1, e, symbols, n, stream, streams) : encode_most(2, e, symbols, n, stream, streams);
}

static ent_status encode_all(uint32_t width, const encoder *e, const void *symbols, size_t n, ent_range_encoder *stream,
                             size_t streams)
{
    size_t i = ent_cpu_features() & ENT_CPU_BMI2 ? encode_bmi2(width, e, symbols, n, stream, streams)
                                                 : encode_plain(width, e, symbols, n, stream, streams);
    for (size_t s = 0; i < n; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint32_t symbol = ent_symbol_at(symbols, width, i);
        if ((width == 2 && symbol >= e->symbols) || !e->symbol[symbol].freq) return ENT_ERANGE;
        ent_range_put(&stream[s], e->symbol[symbol].start, e->symbol[symbol].freq, e->log);
    }
    return ENT_OK;
}

static ent_status encode(const ent_coder_spec *spec, const void *built, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    ent_range_encoder stream[ENT_RANGE_STREAMS_MOST];
    size_t used = ent_range_begin(stream, spec->param[STREAMS_PARAM], n, 1, out);
    ent_status status = encode_all(spec->width, built, symbols, n, stream, used);
    if (!status) *size = ent_range_finish(stream, used, n, 1, out, tally);
    return status;
}

/* ---- decoding ------------------------------------------------------------------------------- */

enum { PART_BYTES = 3 }; /* at most, that a symbol of one slot in 2^22 moves on */

/* Rounds that no stream can run out of bytes in. */
static size_t safe_rounds(const ent_range_decoder *stream, size_t streams, size_t rounds)
{
    for (size_t s = 0; s < streams; s++) {
        size_t left = (size_t)(stream[s].end - stream[s].next), most = left < 8 ? 0 : (left - 8) / PART_BYTES + 1;
        rounds = rounds < most ? rounds : most;
    }
    return rounds;
}

/* As encode_rounds; *status tells of damage. */
INLINE size_t decode_rounds(uint32_t width, const ent_search search, void *symbols, size_t n, ent_range_decoder *stream,
                            const size_t streams, ent_status *status)
{
    const unsigned log = search.log;
    ent_range_decoder own[ENT_RANGE_STREAMS_MOST];
    size_t i = 0;
    memcpy(own, stream, streams * sizeof *own);
    for (size_t rounds; (rounds = safe_rounds(own, streams, (n - i) / streams));)
        for (; rounds; rounds--, i += streams)
#pragma GCC unroll 8
            for (size_t s = 0; s < streams; s++) {
                uint64_t slot = ent_range_slot(&own[s], log);
                if (slot >> log) {
                    *status = ENT_ECORRUPT;
                    return i;
                }
                const ent_slot_range *range = ent_search_find(&search, (uint32_t)slot);
                ent_symbol_put(symbols, width, i + s, range->symbol);
                ent_range_take_far(&own[s], range->start, range[1].start - range->start, log);
            }
    memcpy(stream, own, streams * sizeof *own);
    return i;
}

INLINE size_t decode_most(uint32_t width, const ent_search *search, void *symbols, size_t n, ent_range_decoder *stream,
                          size_t streams, ent_status *status)
{
    if (streams == 4) return decode_rounds(width, *search, symbols, n, stream, 4, status);
    if (streams == 8) return decode_rounds(width, *search, symbols, n, stream, 8, status);
    return 0;
}

BMI2 static size_t decode_bmi2(uint32_t width, const ent_search *search, void *symbols, size_t n,
                               ent_range_decoder *stream, size_t streams, ent_status *status)
{
    return width == 1 ? decode_most(1, search, symbols, n, stream, streams, status)
                      : decode_most(2, search, symbols, n, stream, streams, status);
}

static size_t decode_plain(uint32_t width, const ent_search *search, void *symbols, size_t n, ent_range_decoder *stream,
                           size_t streams, ent_status *status)
{
    return width == 1 ? decode_most(1, search, symbols, n, stream, streams, status)
                      : decode_most(2, search, symbols, n, stream, streams, status);
}

static ent_status decode_all(uint32_t width, const ent_search *search, void *symbols, size_t n,
                             ent_range_decoder *stream, size_t streams)
{
    ent_status status = ENT_OK;
    size_t i = ent_cpu_features() & ENT_CPU_BMI2 ? decode_bmi2(width, search, symbols, n, stream, streams, &status)
                                                 : decode_plain(width, search, symbols, n, stream, streams, &status);
    for (size_t s = 0; i < n && !status; i++, s = s + 1 < streams ? s + 1 : 0) {
        uint64_t slot = ent_range_slot(&stream[s], search->log);
        if (slot >> search->log) return ENT_ECORRUPT;
        const ent_slot_range *range = ent_search_find(search, (uint32_t)slot);
        ent_symbol_put(symbols, width, i, range->symbol);
        ent_range_take(&stream[s], range->start, range[1].start - range->start, search->log);
    }
    return status;
}

static ent_status decode(const ent_coder_spec *spec, const void *built, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    ent_range_decoder stream[ENT_RANGE_STREAMS_MOST];
    size_t streams = spec->param[STREAMS_PARAM], used = n < streams ? n : streams;
    ent_status status = ent_range_open(stream, streams, n, in);
    if (status) return status;
    status = decode_all(spec->width, built, symbols, n, stream, used);
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
