/* rans.c - range ANS (Duda 2013), interleaved, with all states in one word string (Giesen 2014).
 *
 * A state x holds the symbols so far; coding symbol s of frequency f in M = 2^log slots makes it
 * x / f * M + start + x % f, decoding undoes that, and whole words leave and enter at its low end so
 * that it stays within [low, low * 2^(bits of a word)).  Symbol i belongs to state i mod states; the
 * states' chains of operations are independent, and since the decoder always knows which state
 * wants a word next, all share one string of words and no state needs an offset.
 *
 * Two forms.  Up to 2^NARROW_LOG slots: 32-bit states, 16-bit words.  Finer: 64-bit states, 32-bit
 * words.  The narrow one has half the bytes at block starts, needs no search for the symbol and has vector
 * loops; its rounding of x / f costs 0.003 bits a symbol at log 16 (measured on exponents of 2.6 bits) and
 * a quarter of that for each step down.  Training leaves it only for a saving that pays for five times
 * the time: 16-bit words of many rare values.
 *
 * The narrow form's loops exist for AVX2 and AVX-512, too, for 16, 32, 48 or 64 states.  Left out: vector loops
 * of the wide form, whose search for the symbol has no fixed number of steps. */
#include <string.h>

#include "base/bits.h"
#include "coder/rans.h"
#include "coder/slots.h"

enum {
    STATES_PARAM = 0,
    STATES_MOST = RANS_STATES_MOST,
    NARROW_LOG = RANS_NARROW_LOG,
};

/* Loops are written once and made for each form and symbol width by inlining. */
#define KERNEL static inline __attribute__((always_inline))

typedef struct form {
    unsigned word_bytes, state_bytes;
    uint64_t low; /* least value of a state between symbols */
} form;

static const form narrow = { 2, 4, (uint64_t)1 << 16 }, wide = { 4, 8, (uint64_t)1 << 31 };

static inline unsigned word_bits(form f) { return 8 * f.word_bytes; }

static inline uint64_t load_word(form f, const uint8_t *p) { return f.word_bytes == 2 ? ent_load16(p) : ent_load32(p); }

static inline void store_word(form f, uint8_t *p, uint64_t x)
{
    if (f.word_bytes == 2)
        ent_store16(p, (uint16_t)x);
    else
        ent_store32(p, (uint32_t)x);
}

static size_t states_used(const ent_coder_spec *spec, size_t n)
{
    return n < spec->param[STATES_PARAM] ? n : spec->param[STATES_PARAM];
}

/* A symbol puts out at most one word, since M <= low. */
static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return states_used(spec, n) * wide.state_bytes + n * wide.word_bytes;
}

/* The fewer slots, the smaller the decoder's table: a thousandth of the size is not worth more.  All that the wide
 * form saves is about twice what its first step does. */
static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    const ent_slots_worth worth = { .finer = 0.001, .dear = 0.004, .dear_log = NARROW_LOG + 1 };
    return ent_slots_train(spec, counts, worth, table);
}

/* A symbol that has all slots has 2^16 of them, too many for the narrow form's tables. */
static bool is_narrow(const ent_coder_spec *spec, const ent_slots *slots)
{
    bool fits = slots->log <= NARROW_LOG;
    for (uint32_t s = 0; s < spec->alphabet; s++) fits &= slots->freq[s] >> NARROW_LOG == 0;
    return fits;
}

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct encoder_symbol {
    uint64_t reciprocal; /* x * reciprocal >> 64 + shift is x / freq, or 1 less if freq is 1 */
    uint32_t freq;       /* 0: has no code */
    uint32_t bias : 26, shift : 6;
} encoder_symbol;

typedef struct encoder {
    bool narrow;
    uint32_t log, symbols;
    encoder_symbol symbol[]; /* every byte, or the alphabet where symbols take two; then the rans_gathered */
} encoder;

static uint32_t encoder_symbols(const ent_coder_spec *spec) { return spec->width == 1 ? 256 : spec->alphabet; }

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)table;
    const size_t symbols = encoder_symbols(spec);
    return sizeof(encoder) + symbols * sizeof(encoder_symbol) + (symbols + 1) * sizeof(rans_gathered);
}

/* Exact division by d = freq >= 2 (Granlund and Montgomery 1994): with m = ceil(2^k / d), x * m >> k
 * is x / d as long as x * d <= 2^k.  Narrow states are below 2^32 and k = 64 will do; wide ones are
 * below 2^63, and k = 63 + ceil(log2 d) is the largest with an m of 64 bits.  For d = 1 there is no
 * such m, but 2^64 - 1 gives x - 1, and the bias makes up for the difference, slots - 1. */
static encoder_symbol symbol_of(form f, uint32_t freq, uint32_t start, uint32_t log)
{
    encoder_symbol c = { UINT64_MAX, freq, start & 0x3FFFFFF, 0 };
    if (freq == 1) {
        c.bias = (start + (1u << log) - 1) & 0x3FFFFFF;
    } else if (f.word_bytes == 2) {
        c.reciprocal = UINT64_MAX / freq + 1;
    } else {
        unsigned above = ent_bits_for(freq) - 1;
        c.reciprocal = (uint64_t)(((__extension__(unsigned __int128)1 << (64 + above)) + freq - 1) / freq);
        c.shift = above & 63;
    }
    return c;
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *built)
{
    const ent_slots *slots = table;
    encoder *e = built;
    e->narrow = is_narrow(spec, slots);
    e->log = slots->log;
    e->symbols = encoder_symbols(spec);
    rans_gathered *gathered = (rans_gathered *)(e->symbol + e->symbols);
    for (uint32_t s = 0, start = 0; s < spec->alphabet; start += slots->freq[s++]) {
        const uint32_t freq = slots->freq[s];
        if (!freq) continue;
        e->symbol[s] = symbol_of(e->narrow ? narrow : wide, freq, start, slots->log);
        if (e->narrow) gathered[s] = (rans_gathered){ start << 16 | freq, UINT32_MAX / freq };
    }
}

/* Codes `count` symbols from the last to the first, with as many states; their words are laid down
 * from `end` backwards.  Returns the first of them, NULL when a symbol has no code. */
KERNEL uint8_t *encode_round(form f, uint32_t width, const encoder *e, const void *symbols, size_t at, size_t count,
                             uint64_t *x, uint8_t *end)
{
    const uint32_t slots = 1u << e->log;
    const unsigned room = (f.word_bytes == 2 ? 32 : 63) - e->log; /* x < freq << room has room for the symbol */
    for (size_t s = count; s-- > 0;) {
        uint32_t symbol = ent_symbol_at(symbols, width, at + s);
        const encoder_symbol *c = &e->symbol[symbol];
        if ((width == 2 && symbol >= e->symbols) || !c->freq) return NULL;
        uint64_t v = x[s], full = ((v - ((uint64_t)c->freq << room)) >> 63) - 1; /* all ones, or 0 */
        store_word(f, end - f.word_bytes, v);
        end -= full & f.word_bytes;
        v ^= (v ^ v >> word_bits(f)) & full;
        uint64_t quotient = (uint64_t)(__extension__(unsigned __int128)v * c->reciprocal >> 64);
        if (f.word_bytes == 4) quotient >>= c->shift;
        x[s] = v + c->bias + quotient * (slots - c->freq);
    }
    return end;
}

#if defined __x86_64__
static uint8_t *encode_vector(const encoder *e, uint32_t width, const void *symbols, size_t n, size_t states,
                              uint64_t *x, uint8_t *end)
{
    uint32_t x32[STATES_MOST];
    for (size_t s = 0; s < states; s++) x32[s] = (uint32_t)x[s];
    const rans_gathered *table = (const rans_gathered *)(e->symbol + e->symbols);
    end = ent_cpu_features() & ENT_CPU_AVX512
              ? ent_rans_encode_avx512(table, e->symbols, e->log, width, symbols, n, x32, states, end)
              : ent_rans_encode_avx2(table, e->symbols, e->log, width, symbols, n, x32, states, end);
    for (size_t s = 0; s < states; s++) x[s] = x32[s];
    return end;
}
#endif

KERNEL uint8_t *encode_as(form f, uint32_t width, const encoder *e, const void *symbols, size_t n, size_t states,
                          uint64_t *x, uint8_t *end)
{
    size_t i = n - n % states;
    end = encode_round(f, width, e, symbols, i, n - i, x, end);
#if defined __x86_64__
    if (end && f.word_bytes == 2 && states % RANS_LANES == 0 && ent_cpu_features() & (ENT_CPU_AVX512 | ENT_CPU_AVX2))
        return encode_vector(e, width, symbols, i, states, x, end);
#endif
    for (; end && i > 0; i -= states) end = encode_round(f, width, e, symbols, i - states, states, x, end);
    return end;
}

static ent_status encode(const ent_coder_spec *spec, const void *built, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const encoder *e = built;
    const form f = e->narrow ? narrow : wide;
    const size_t states = states_used(spec, n);
    uint64_t x[STATES_MOST];
    uint8_t *end = out + bound(spec, n), *first;
    for (size_t s = 0; s < states; s++) x[s] = f.low;
    if (spec->width == 1)
        first = e->narrow ? encode_as(narrow, 1, e, symbols, n, states, x, end)
                         : encode_as(wide, 1, e, symbols, n, states, x, end);
    else
        first = e->narrow ? encode_as(narrow, 2, e, symbols, n, states, x, end)
                         : encode_as(wide, 2, e, symbols, n, states, x, end);
    if (!first) return ENT_ERANGE;
    for (size_t s = 0; s < states; s++) memcpy(out + s * f.state_bytes, &x[s], f.state_bytes); /* the low bytes */
    memmove(out + states * f.state_bytes, first, (size_t)(end - first));
    *size = states * f.state_bytes + (size_t)(end - first);
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Narrow: a rans_direct, where every slot tells its symbol.  Wide: an ent_search.  Both begin with log. */
typedef struct decoder {
    bool narrow;
    _Alignas(64) uint8_t table[];
} decoder;

static bool is_packed(const ent_coder_spec *spec, const ent_slots *slots)
{
    bool fits = spec->width == 1 && slots->log <= RANS_PACKED_LOG;
    for (uint32_t s = 0; s < spec->alphabet; s++) fits &= slots->freq[s] < 1u << RANS_PACKED_LOG; /* not all of them */
    return fits;
}

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    const ent_slots *slots = table;
    if (!is_narrow(spec, slots)) return sizeof(decoder) + ent_search_size(spec, table);
    size_t symbol = is_packed(spec, slots) ? 0 : spec->width;
    return sizeof(decoder) + sizeof(rans_direct) + ((sizeof(uint32_t) + symbol) << slots->log) + RANS_SLACK;
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *built)
{
    const ent_slots *slots = table;
    decoder *to = built;
    to->narrow = is_narrow(spec, slots);
    if (!to->narrow) {
        ent_search_build(spec, table, to->table);
        return;
    }
    const bool packed = is_packed(spec, slots);
    const unsigned freq_bits = rans_freq_bits(packed);
    rans_direct *d = (rans_direct *)to->table;
    *d = (rans_direct){ .log = slots->log, .packed = packed };
    void *symbols = d->slot + (1u << d->log);
    for (uint32_t s = 0, at = 0; s < spec->alphabet; s++)
        for (uint32_t k = 0; k < slots->freq[s]; k++, at++) {
            d->slot[at] = k << freq_bits | slots->freq[s];
            if (packed)
                d->slot[at] |= s << 2 * RANS_PACKED_LOG;
            else
                ent_symbol_put(symbols, spec->width, at, s);
        }
}

/* How a symbol is found; constant in every loop. */
typedef enum way { PACKED, UNPACKED, SEARCHED } way;

/* Takes the symbol out of state *x; the state may then be below low. */
KERNEL uint32_t take_symbol(way how, uint32_t width, const rans_direct *d, const ent_search *search, uint32_t log,
                            uint64_t *x)
{
    const unsigned freq_bits = rans_freq_bits(how == PACKED);
    uint32_t slot = (uint32_t)*x & ((1u << log) - 1);
    if (how != SEARCHED) {
        uint32_t entry = d->slot[slot], freq = entry & ((1u << freq_bits) - 1), offset = entry >> freq_bits;
        if (how == PACKED) offset &= (1u << RANS_PACKED_LOG) - 1;
        *x = (*x >> log) * freq + offset;
        return how == PACKED ? entry >> 2 * RANS_PACKED_LOG : ent_symbol_at(d->slot + (1u << log), width, slot);
    }
    const ent_slot_range *range = ent_search_find(search, slot);
    *x = (*x >> log) * (range[1].start - range->start) + (slot - range->start);
    return range->symbol;
}

/* Returns what follows the last word that was read, NULL when words ran out. */
KERNEL const uint8_t *decode_as(way how, uint32_t width, const void *built, const uint8_t *p, const uint8_t *end,
                                uint64_t *x, size_t states, void *symbols, size_t n)
{
    const form f = how == SEARCHED ? wide : narrow;
    const rans_direct *d = built;
    /* a copy, since stores of symbols might change what `built` points at, for all the compiler knows */
    const ent_search search = how != SEARCHED ? (ent_search){ 0 } : *(const ent_search *)built;
    const uint32_t log = d->log;
    size_t i = 0;
    /* far from the end every state may take a word unasked */
    for (; n - i >= states && (size_t)(end - p) >= states * f.word_bytes; i += states)
        for (size_t s = 0; s < states; s++) {
            uint64_t v = x[s];
            ent_symbol_put(symbols, width, i + s, take_symbol(how, width, d, &search, log, &v));
            uint64_t filled = v << word_bits(f) | load_word(f, p);
            uint64_t lacking = (v - f.low) >> 63;
            p += lacking * f.word_bytes;
            x[s] = v ^ ((v ^ filled) & -lacking);
        }
    for (size_t s = 0; i < n; i++, s = s + 1 < states ? s + 1 : 0) {
        ent_symbol_put(symbols, width, i, take_symbol(how, width, d, &search, log, &x[s]));
        if (x[s] >= f.low) continue;
        if ((size_t)(end - p) < f.word_bytes) return NULL;
        x[s] = x[s] << word_bits(f) | load_word(f, p);
        p += f.word_bytes;
    }
    return p;
}

static const uint8_t *decode_rest(const ent_coder_spec *spec, const decoder *d, const uint8_t *p, const uint8_t *end,
                                  uint64_t *x, size_t states, void *symbols, size_t n)
{
    if (d->narrow && ((const rans_direct *)d->table)->packed)
        return decode_as(PACKED, 1, d->table, p, end, x, states, symbols, n);
    if (d->narrow)
        return spec->width == 1 ? decode_as(UNPACKED, 1, d->table, p, end, x, states, symbols, n)
                                : decode_as(UNPACKED, 2, d->table, p, end, x, states, symbols, n);
    return spec->width == 1 ? decode_as(SEARCHED, 1, d->table, p, end, x, states, symbols, n)
                            : decode_as(SEARCHED, 2, d->table, p, end, x, states, symbols, n);
}

/* Narrow form, whole rounds, where the processor can; returns the symbols done. */
static size_t decode_vector(const ent_coder_spec *spec, const rans_direct *d, const uint8_t **p, const uint8_t *end,
                            uint64_t *x, size_t states, void *symbols, size_t n)
{
    size_t done = 0;
#if defined __x86_64__
    uint32_t x32[STATES_MOST];
    const unsigned can = ent_cpu_features();
    if (states % RANS_LANES || !(can & (ENT_CPU_AVX512 | ENT_CPU_AVX2))) return 0;
    for (size_t s = 0; s < states; s++) x32[s] = (uint32_t)x[s];
    done = can & ENT_CPU_AVX512 ? ent_rans_decode_avx512(d, spec->width, p, end, x32, states, symbols, n)
                                : ent_rans_decode_avx2(d, spec->width, p, end, x32, states, symbols, n);
    for (size_t s = 0; s < states; s++) x[s] = x32[s];
#else
    (void)spec, (void)d, (void)p, (void)end, (void)x, (void)states, (void)symbols, (void)n;
#endif
    return done;
}

static ent_status decode(const ent_coder_spec *spec, const void *built, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    const decoder *d = built;
    const form f = d->narrow ? narrow : wide;
    const size_t states = states_used(spec, n);
    uint64_t x[STATES_MOST] = { 0 };
    if (in.size < states * f.state_bytes) return ENT_ECORRUPT;
    const uint8_t *p = in.data + states * f.state_bytes, *end = in.data + in.size;
    for (size_t s = 0; s < states; s++) {
        memcpy(&x[s], in.data + s * f.state_bytes, f.state_bytes);
        if (x[s] < f.low || x[s] >= f.low << word_bits(f)) return ENT_ECORRUPT;
    }
    size_t done = 0;
    if (d->narrow) done = decode_vector(spec, (const rans_direct *)d->table, &p, end, x, states, symbols, n);
    p = decode_rest(spec, d, p, end, x, states, (uint8_t *)symbols + done * spec->width, n - done);
    bool back = p == end; /* and in the state that the encoder began with? */
    for (size_t s = 0; s < states; s++) back &= x[s] == f.low;
    return back ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_rans = {
    .name = "rans",
    .brief = "range ANS, interleaved states, exact tables",
    .cite = "duda2013asymmetric",
    .id = 4,
    .max_alphabet = ENT_MAX_ALPHABET,
    .param = {
        [STATES_PARAM] = { "states", "interleaved states", 1, STATES_MOST, 64 },
        [ENT_SLOTS_PARAM] = { "log", "log2 of the slots, 0: as many as pay", 0, ENT_SLOTS_LOG_MOST, 0 },
    },
    /* narrow, packed: mask, shift, four to take the slot apart, add, shift, or, subtract, shift, advance, three to
     * select, two stores.  Chain: mask, load, mask, multiply, add, subtract, shift, three to select */
    .ops = { .lookups = 1, .multiplies = 1, .simple = 17, .branches = 0, .chain = 10, .lanes = 64,
            .vector32 = { 42 / 16., 58 / 16., 1, 55 }, .vector64 = { 68 / 64., 93 / 64., 1, 55 } },
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
