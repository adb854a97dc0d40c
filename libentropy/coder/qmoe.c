/* qmoe.c - QMoE's code for ternary weights: words of 16 bits for runs of symbols, by one dictionary that never changes.
 *
 * Frantar and Alistarh 2024 (arXiv 2310.16795).  Weights of large mixtures of experts become ternary with some 89 % zeros, 0.63
 * bits of entropy.  A code of variable length would have to be decoded bit by bit; here the code words have all the
 * same length, and what they stand for has not: up to 14 pairs of weights.  In the dictionary are the 2^16 runs of whole pairs that
 * are likeliest if a weight is zero with probability 0.885 and either of the others with half of the rest, found best first as the
 * authors do; with a run is all that it begins with, so any weights can be cut into runs, each as long as possible.  No
 * training but which symbol is the zero, no state: a thread takes a word, 28 weights at once.
 *
 *     a code word     16 bits, for 2 to 28 symbols
 *
 * At 88.5 % zeros it takes 0.735 bits a weight, 17 % over the entropy (their table, whose runs of equal probability are
 * cut off in another order, 0.734); published are 0.8 for the model, with minimum and maximum of each row in BF16, 32
 * bits of offset a row, and all that is not an expert.  (The 5 % in their abstract is time.)
 *
 * Here runs begin anew at each block where theirs do at each row, and what is found by offsets there is found by
 * blocks.  Two and four different symbols have dictionaries of the same making. */
#include <string.h>

#include "coder/bytes.h"
#include "coder/qmoe.h"
#include "coder/rank.h"

enum { WORD_BYTES = 2, MOST_RUN = 2 * QMOE_PAIRS };

/* The symbols by rank: the commonest is digit 0.  None where more than 4 occur: the code is then the symbols as they are, and a
 * block of a codec stays raw. */
typedef struct qmoe_table {
    uint8_t symbol[QMOE_DIGITS];
    uint32_t symbols;
} qmoe_table;

enum { NO_DIGIT = 255 };

typedef struct qmoe_encoder {
    const qmoe_dictionary *dictionary; /* NULL for one symbol, whose code is empty, and for none */
    unsigned digits;
    uint8_t digit[256]; /* of a symbol, or NO_DIGIT */
} qmoe_encoder;

typedef struct qmoe_decoder {
    const qmoe_dictionary *dictionary;
    bool plain; /* no digits */
    uint8_t zero;
    uint32_t four[256]; /* the symbols of four digits */
} qmoe_decoder;

/* ---- tables --------------------------------------------------------------------------------- */

static size_t table_size(const ent_coder_spec *spec)
{
    (void)spec;
    return sizeof(qmoe_table);
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    (void)spec;
    qmoe_table *t = table;
    uint8_t symbol[256];
    t->symbols = ent_rank_symbols(counts, symbol);
    if (t->symbols > QMOE_DIGITS) t->symbols = 0;
    memcpy(t->symbol, symbol, t->symbols);
    return ENT_OK;
}

static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    (void)spec;
    const qmoe_table *t = table;
    return ent_symbols_write(t->symbol, t->symbols, out);
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    qmoe_table *t = table;
    if (ent_symbols_read(in, spec->alphabet, QMOE_DIGITS, t->symbol)) return ENT_ECORRUPT;
    t->symbols = (uint32_t)in.size;
    return ENT_OK;
}

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(qmoe_encoder);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *encoder)
{
    (void)spec;
    const qmoe_table *t = table;
    qmoe_encoder *e = encoder;
    e->digits = t->symbols;
    e->dictionary = t->symbols > 1 ? ent_qmoe_dictionary(t->symbols) : NULL;
    memset(e->digit, NO_DIGIT, sizeof e->digit);
    for (uint32_t i = 0; i < t->symbols; i++) e->digit[t->symbol[i]] = (uint8_t)i;
}

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(qmoe_decoder);
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *decoder)
{
    (void)spec;
    const qmoe_table *t = table;
    qmoe_decoder *d = decoder;
    d->dictionary = t->symbols > 1 ? ent_qmoe_dictionary(t->symbols) : NULL;
    d->plain = !t->symbols;
    d->zero = t->symbol[0];
    for (uint32_t v = 0; v < 256; v++) {
        d->four[v] = 0;
        for (unsigned k = 0; k < 4; k++) d->four[v] |= (uint32_t)t->symbol[v >> 2 * k & 3] << 8 * k;
    }
}

/* ---- coding --------------------------------------------------------------------------------- */

static size_t bound(const ent_coder_spec *spec, size_t n) /* a word a pair */
{
    (void)spec;
    return n + n % 2;
}

static bool all_known(const qmoe_encoder *e, const uint8_t *symbols, size_t n)
{
    unsigned most = 0;
    for (size_t i = 0; i < n; i++) most |= e->digit[symbols[i]];
    return most != NO_DIGIT;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const qmoe_encoder *e = encoder;
    const uint8_t *s = symbols;
    uint8_t *p = out;
    uint32_t word = QMOE_ROOT;
    if (!e->digits) {
        if (!ent_symbols_valid(spec, symbols, n)) return ENT_ERANGE;
        memcpy(out, symbols, n);
        *size = n;
        tally->payload_bits = 8 * (uint64_t)n;
        return ENT_OK;
    }
    if (!all_known(e, s, n)) return ENT_ERANGE;
    for (size_t i = 0; i < n && e->dictionary; i += 2) {
        const unsigned first = e->digit[s[i]], second = i + 1 < n ? e->digit[s[i + 1]] : 0;
        uint32_t next = ent_qmoe_next(e->dictionary, e->digits, word, first, second);
        if (!next) {
            ent_store16(p, (uint16_t)word);
            p += WORD_BYTES;
            next = ent_qmoe_next(e->dictionary, e->digits, QMOE_ROOT, first, second); /* a single pair is always there */
        }
        word = next - 1;
    }
    if (e->dictionary) {
        ent_store16(p, (uint16_t)word);
        p += WORD_BYTES;
    }
    *size = p ? (size_t)(p - out) : 0;
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* The symbols of a run, and what comes to lie behind them in the MOST_RUN bytes at `out`. */
static void put_run(const qmoe_decoder *d, uint64_t word, uint8_t *out)
{
    for (unsigned k = 0; k < MOST_RUN / 4; k++) ent_store32(out + 4 * k, d->four[word >> 8 * k & 255]);
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    const qmoe_decoder *d = decoder;
    uint8_t *out = symbols, room[MOST_RUN];
    size_t left = n, at = 0;
    if (d->plain) {
        if (in.size != n) return ENT_ECORRUPT;
        memcpy(symbols, in.data, n);
        return ent_symbols_valid(spec, symbols, n) ? ENT_OK : ENT_ECORRUPT;
    }
    if (!d->dictionary) {
        memset(symbols, d->zero, n);
        return in.size ? ENT_ECORRUPT : ENT_OK;
    }
    for (; left >= MOST_RUN && in.size - at >= WORD_BYTES; at += WORD_BYTES) {
        const uint64_t word = d->dictionary->word[ent_load16(in.data + at)];
        put_run(d, word, out);
        out += word >> 56;
        left -= word >> 56;
    }
    for (; left && in.size - at >= WORD_BYTES; at += WORD_BYTES) {
        const uint64_t word = d->dictionary->word[ent_load16(in.data + at)];
        const size_t run = word >> 56;
        if (run > left + left % 2 || (run > left && word >> 2 * left & 3)) return ENT_ECORRUPT;
        put_run(d, word, room);
        memcpy(out, room, run < left ? run : left);
        out += run;
        left -= run < left ? run : left;
    }
    return left || at != in.size ? ENT_ECORRUPT : ENT_OK;
}

const ent_coder ent_coder_qmoe = {
    .name = "qmoe",
    .brief = "16-bit words for runs of up to 28 symbols, one fixed dictionary",
    .cite = "frantar2024qmoe",
    .id = 17,
    .max_alphabet = 256,
    .ops = { .lookups = 9 / 22., .simple = 30 / 22., .branches = 0.01, .chain = 1 / 22., .lanes = 1 }, /* 22 a word */
    .table_size = table_size,
    .train = train,
    .write_table = write_table,
    .read_table = read_table,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .decoder_size = decoder_size,
    .build_decoder = build_decoder,
    .bound = bound,
    .encode = encode,
    .decode = decode,
};
