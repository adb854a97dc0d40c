/* tans.c - table-based asymmetric numeral systems (Duda 2013), in the form of FSE (Yann Collet).
 *
 * A state is one of 2^log slots, each owned by a symbol, as many as the symbol's frequency.  Decoding
 * a symbol is one look-up: the slot gives the symbol, how many bits come next and to what they are
 * added.  The encoder runs from the last symbol to the first and writes from the end of its memory
 * towards the beginning, so that the decoder goes forward through one bit string.  Symbol i uses
 * state i mod `states`: the states' look-ups overlap while the bits come from one window.
 *
 * Slots are dealt out by FSE's fixed step.  Placing them by probability (Duda's precise spread) is left
 * out: all that a table of 2^12 loses on a stream like exponents is 0.07 %.  The encoder starts every state at slot
 * 0, so the decoder must end there: a check against damage for some bits that FSE saves. */
#include <math.h>
#include <string.h>

#include <entropy/coder.h>

#include "base/bits.h"
#include "coder/bmi2.h"
#include "coder/freq.h"
#include "coder/tans.h"

enum {
    PARAM_LOG,
    PARAM_STATES,
    STATES = TANS_STATES_MOST,
    PRESET_STATES = 64,
    LOG_LEAST = 5, /* the step is odd from here on */
    LOG_MOST = 20,
    SPARE_BITS = 6, /* of large alphabets: symbols too rare for a slot then take a 64th of the slots at most, or, where
                       LOG_MOST stops it, a 16th */
    /* The window holds 56 bits after a reload: enough for 4 symbols at up to 14 bits, else for 2. */
    GROUP = 4,
    GROUP_LOG = TANS_BITS_MOST,
    GROUP_LARGE = 2,
};
_Static_assert((int)LOG_MOST < (int)TANS_COUNT_SHIFT, "counts above states");
_Static_assert(GROUP * GROUP_LOG <= 56 && GROUP_LARGE * LOG_MOST <= 56, "windows");

/* ---- frequencies: the trained table --------------------------------------------------------- */

typedef struct model {
    uint32_t live, only; /* `only`: a live symbol; with one of them nothing is coded */
    uint32_t log;        /* the frequencies add up to 2^log */
    uint32_t freq[];
} model;

static size_t table_size(const ent_coder_spec *spec) { return sizeof(model) + spec->alphabet * sizeof(uint32_t); }

/* The log in force: what was asked for, raised to what `live` symbols need. */
static unsigned log_of(const ent_coder_spec *spec, uint32_t live)
{
    unsigned log = spec->param[PARAM_LOG], need = ent_bits_for(live) + (spec->width == 1 ? 0 : SPARE_BITS);
    if (need > LOG_MOST) need = LOG_MOST;
    return log < need ? need : log;
}

static void count_live(model *m, uint32_t alphabet)
{
    for (uint32_t s = 0; s < alphabet; s++)
        if (m->freq[s]) {
            m->live++;
            m->only = s;
        }
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    model *m = table;
    m->log = log_of(spec, ent_counts_live(counts));
    ent_status status = ent_normalize(counts, m->log, 0, m->freq);
    if (!status) count_live(m, spec->alphabet);
    return status;
}

static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    const model *m = table;
    return ent_freq_write(m->freq, spec->alphabet, m->log, out);
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    model *m = table;
    unsigned log;
    ent_status status = ent_freq_read(in, spec->alphabet, LOG_MOST, m->freq, &log);
    if (status) return status;
    m->log = log;
    count_live(m, spec->alphabet);
    return log == log_of(spec, m->live) ? ENT_OK : ENT_ECORRUPT;
}

static double price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    const model *m = table;
    return m->log - log2(m->freq[symbol]);
}

/* Deals the 2^log slots to the symbols; the step is odd, so every slot comes once. */
static void spread(const ent_coder_spec *spec, const model *m, uint16_t *symbol_of)
{
    uint32_t slots = 1u << m->log, step = (slots >> 1) + (slots >> 3) + 3, slot = 0;
    for (uint32_t s = 0; s < spec->alphabet; s++)
        for (uint32_t k = 0; k < m->freq[s]; k++) {
            symbol_of[slot] = (uint16_t)s;
            slot = (slot + step) & (slots - 1);
        }
}

static unsigned floor_log2(uint32_t v) { return 31u - (unsigned)__builtin_clz(v); }

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct encoder {
    uint32_t live, only, log;
    uint32_t slot; /* bytes from `move` to the slots of all symbols in turn, plus 2^log, 32 bits each */
    _Alignas(64) tans_move move[]; /* for every value that a symbol's memory can hold */
} encoder;

static const uint32_t *slots_of(const encoder *e) { return (const uint32_t *)((const uint8_t *)e->move + e->slot); }

static size_t moves(const ent_coder_spec *spec) { return (size_t)1 << 8 * spec->width; }

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    const model *m = table; /* the slots, and room to deal them out */
    return sizeof(encoder) + moves(spec) * sizeof(tans_move) + ((sizeof(uint32_t) + sizeof(uint16_t)) << m->log);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *memory)
{
    const model *m = table;
    encoder *e = memory;
    uint32_t slots = 1u << m->log, before = 0;
    e->live = m->live;
    e->only = m->only;
    e->log = m->log;
    e->slot = (uint32_t)(moves(spec) * sizeof(tans_move));
    uint32_t *slot = (uint32_t *)((uint8_t *)e->move + e->slot);
    uint16_t *symbol_of = (uint16_t *)(slot + slots);
    spread(spec, m, symbol_of);
    for (uint32_t s = 0; s < moves(spec); s++) {
        uint32_t freq = s < spec->alphabet ? m->freq[s] : 0, bits = m->log - floor_log2(freq | 1);
        e->move[s] = freq ? (tans_move){ bits << TANS_COUNT_SHIFT, before } : (tans_move){ 1, 0u - slots };
        before += freq;
    }
    for (uint32_t i = 0; i < slots; i++) slot[e->move[symbol_of[i]].place++] = i + slots;
    for (uint32_t s = 0; s < spec->alphabet; s++) {
        uint32_t freq = m->freq[s];
        if (!freq) continue;
        e->move[s].count -= freq << (e->move[s].count >> TANS_COUNT_SHIFT);
        e->move[s].place -= 2 * freq;
    }
}

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    size_t log = log_of(spec, spec->alphabet);
    return (n * log + spec->param[PARAM_STATES] * log) / 8 + 1 + 8; /* the mark's byte; stores are 8 bytes wide */
}

#define ONES(n) (1u << (n)) - 1, (2u << (n)) - 1, (4u << (n)) - 1, (8u << (n)) - 1
static const uint32_t lower[LOG_MOST + 4] = { ONES(0), ONES(4), ONES(8), ONES(12), ONES(16), ONES(20) }; /* n ones */

ENT_INLINE uint32_t encode_one(const tans_move *moves, const uint32_t *slot, tans_writer *w, uint32_t *state,
                           uint32_t symbol)
{
    tans_move m = moves[symbol];
    unsigned bits = (*state + m.count) >> TANS_COUNT_SHIFT;
    tans_put(w, *state & lower[bits], bits);
    *state = slot[(*state >> bits) + m.place];
    return m.count;
}

/* All symbols from the last on; false when one of them has no slot. */
ENT_INLINE bool encode_by(const encoder *e, tans_writer *out, const void *symbols, size_t n, uint32_t width,
                      uint32_t *state, size_t states, size_t group)
{
    size_t i = n, block = states > group ? states : group;
    const tans_move *by_symbol = e->move;
    const uint32_t *slot = slots_of(e);
    uint32_t x[STATES], dead = 0;
    tans_writer w = *out;
    memcpy(x, state, sizeof x);
    for (; i % block; tans_flush(&w)) {
        i--;
        dead |= encode_one(by_symbol, slot, &w, &x[i % states], ent_symbol_at(symbols, width, i));
    }
    while (i > 0)
        for (size_t k = block; k > 0; k -= group) {
            uint32_t *own = x + (k - group); /* of a group; with fewer states than that the group is the block */
#pragma GCC unroll 4
            for (size_t j = 1; j <= group; j++)
                dead |= encode_one(by_symbol, slot, &w, &own[(group - j) % states],
                                   ent_symbol_at(symbols, width, i - j));
            i -= group;
            tans_flush(&w);
        }
    memcpy(state, x, sizeof x);
    *out = w;
    return !(dead & 1);
}

ENT_INLINE bool encode_any(const encoder *e, tans_writer *w, const void *symbols, size_t n, uint32_t width,
                       uint32_t *state, size_t states)
{
    if (e->log <= GROUP_LOG && width == 1)
        switch (states) {
            case 1: return encode_by(e, w, symbols, n, 1, state, 1, GROUP);
            case 4: return encode_by(e, w, symbols, n, 1, state, 4, GROUP);
            case 8: return encode_by(e, w, symbols, n, 1, state, 8, GROUP);
            case 32: return encode_by(e, w, symbols, n, 1, state, 32, GROUP);
            case 64: return encode_by(e, w, symbols, n, 1, state, 64, GROUP);
        }
    if (states == PRESET_STATES && width == 2) return encode_by(e, w, symbols, n, 2, state, PRESET_STATES, GROUP_LARGE);
    return encode_by(e, w, symbols, n, width, state, states, 1);
}

ENT_BMI2 static bool encode_bmi2(const encoder *e, tans_writer *w, const void *symbols, size_t n, uint32_t width,
                             uint32_t *state, size_t states)
{
    return encode_any(e, w, symbols, n, width, state, states);
}

/* Whether the vector loops know these: small tables, many states. */
static bool has_vector_form(uint32_t log, uint32_t width, size_t states)
{
    return ent_cpu_features() & ENT_CPU_AVX512 && log <= GROUP_LOG && width == 1 &&
           (states == 2 * TANS_LANES || states == 4 * TANS_LANES);
}

static bool encode_all(const encoder *e, tans_writer *w, const void *symbols, size_t n, uint32_t width, uint32_t *state,
                       size_t states)
{
#if defined __x86_64__
    if (has_vector_form(e->log, width, states)) {
        size_t whole = n - n % states;
        return encode_bmi2(e, w, (const uint8_t *)symbols + whole, n - whole, 1, state, states) &&
               ent_tans_encode_avx512(e->move, slots_of(e), w, symbols, whole, state, states);
    }
#endif
    if (ent_cpu_features() & ENT_CPU_BMI2) return encode_bmi2(e, w, symbols, n, width, state, states);
    return encode_any(e, w, symbols, n, width, state, states);
}

static ent_status encode(const ent_coder_spec *spec, const void *memory, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const encoder *e = memory;
    size_t states = spec->param[PARAM_STATES], used = states < n ? states : n;
    uint8_t *end = out + bound(spec, n);
    uint32_t state[STATES];
    tans_writer w = { .next = end };
    if (e->live == 1) return ent_symbols_all(symbols, n, spec->width, e->only) ? ENT_OK : ENT_ERANGE; /* no bits at all */
    for (size_t j = 0; j < STATES; j++) state[j] = 1u << e->log;
    if (!encode_all(e, &w, symbols, n, spec->width, state, states)) return ENT_ERANGE;
    for (size_t j = used; j-- > 0; tans_flush(&w)) tans_put(&w, state[j] - (1u << e->log), e->log);
    tans_put(&w, 1, 1); /* the mark, then zeros to a whole byte */
    tans_put(&w, 0, -w.bits & 7);
    tans_flush(&w);
    *size = (size_t)(end - w.next);
    memmove(out, w.next, *size);
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* An entry, 32 bits for 1-byte symbols (log <= 16), else 64: how many bits come next, the symbol
 * above bit 8, and above bit 16 or 32 the slot that those bits are added to. */
typedef struct decoder {
    uint32_t live, only, log;
    _Alignas(64) uint8_t entry[];
} decoder;

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    const model *m = table; /* the entries; then room to deal the slots out and to count each symbol's */
    size_t slots = (size_t)1 << m->log;
    return sizeof(decoder) + slots * 4 * spec->width + spec->alphabet * sizeof(uint32_t) + slots * sizeof(uint16_t);
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *memory)
{
    const model *m = table;
    decoder *d = memory;
    uint32_t slots = 1u << m->log;
    uint32_t *next = (uint32_t *)(d->entry + (size_t)slots * 4 * spec->width);
    uint16_t *symbol_of = (uint16_t *)(next + spec->alphabet);
    d->live = m->live;
    d->only = m->only;
    d->log = m->log;
    spread(spec, m, symbol_of);
    memcpy(next, m->freq, spec->alphabet * sizeof *next);
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t x = next[symbol_of[i]]++, bits = m->log - floor_log2(x), base = (x << bits) - slots;
        if (spec->width == 1)
            ((uint32_t *)d->entry)[i] = base << 16 | (uint32_t)symbol_of[i] << 8 | bits;
        else
            ((uint64_t *)d->entry)[i] = (uint64_t)base << 32 | (uint32_t)symbol_of[i] << 8 | bits;
    }
}

ENT_INLINE uint64_t entry_at(const decoder *d, uint32_t width, uint32_t slot)
{
    return width == 1 ? ((const uint32_t *)d->entry)[slot] : ((const uint64_t *)d->entry)[slot];
}

ENT_INLINE uint32_t entry_symbol(uint64_t entry, uint32_t width)
{
    return width == 1 ? (uint8_t)(entry >> 8) : (uint16_t)(entry >> 8);
}

ENT_INLINE uint32_t entry_next(uint64_t entry, uint32_t width, uint64_t window)
{
    return (uint32_t)(entry >> 16 * width) + (uint32_t)(window & (((uint64_t)1 << (entry & 63)) - 1));
}

typedef struct reader {
    ent_bytes in;
    uint64_t at; /* in bits */
} reader;

/* At least 57 bits from `at` on; zeros where there are none. */
static uint64_t peek(const reader *r)
{
    uint8_t bytes[8] = { 0 };
    uint64_t first = r->at / 8, left = first < r->in.size ? r->in.size - first : 0;
    if (left) memcpy(bytes, r->in.data + first, left < 8 ? left : 8);
    return ent_load64(bytes) >> r->at % 8;
}

/* Whole blocks for as long as 8 bytes can be loaded.  The next bits are in `window`, `have` of them
 * counted; `next` is the first byte that is not.  Reloads add whole bytes above those that are
 * there, so the address of a load never waits for the last symbols (the scheme of F. Giesen). */
ENT_INLINE size_t decode_blocks(const decoder *d, reader *r, void *symbols, size_t n, uint32_t width, uint32_t *state,
                            size_t states, size_t group)
{
    const uint8_t *next = r->in.data + (r->at + 7) / 8, *end = r->in.data + r->in.size;
    size_t i = 0, block = states > group ? states : group, loads = block / group;
    uint64_t have = -r->at & 7, window = have ? (uint64_t)next[-1] >> (8 - have) : 0;
    uint32_t x[STATES];
    memcpy(x, state, sizeof x);
    for (;;) {
        size_t left = (size_t)(end - next), safe = left < 8 ? 0 : ((left - 8) / 7 + 1) / loads;
        size_t rounds = (n - i) / block < safe ? (n - i) / block : safe;
        if (!rounds) break;
        for (; rounds; rounds--, i += block)
            for (size_t k = 0; k < block; k += group) {
                window |= ent_load64(next) << have;
                next += (63 - have) / 8;
                have |= 56;
#pragma GCC unroll 4
                for (size_t j = k; j < k + group; j++) {
                    uint64_t entry = entry_at(d, width, x[j % states]);
                    ent_symbol_put(symbols, width, i + j, entry_symbol(entry, width));
                    x[j % states] = entry_next(entry, width, window);
                    window >>= entry & 63;
                    have -= entry & 63;
                }
            }
    }
    r->at = (uint64_t)(next - r->in.data) * 8 - have;
    memcpy(state, x, sizeof x);
    return i;
}

ENT_INLINE size_t decode_any(const decoder *d, reader *r, void *symbols, size_t n, uint32_t width, uint32_t *state,
                         size_t states)
{
    if (width == 2 && states == PRESET_STATES)
        return decode_blocks(d, r, symbols, n, 2, state, PRESET_STATES, GROUP_LARGE);
    if (d->log <= GROUP_LOG && width == 1)
        switch (states) {
            case 1: return decode_blocks(d, r, symbols, n, 1, state, 1, GROUP);
            case 4: return decode_blocks(d, r, symbols, n, 1, state, 4, GROUP);
            case 8: return decode_blocks(d, r, symbols, n, 1, state, 8, GROUP);
            case 32: return decode_blocks(d, r, symbols, n, 1, state, 32, GROUP);
            case 64: return decode_blocks(d, r, symbols, n, 1, state, 64, GROUP);
        }
    return decode_blocks(d, r, symbols, n, width, state, states, 1);
}

ENT_BMI2 static size_t decode_bmi2(const decoder *d, reader *r, void *symbols, size_t n, uint32_t width, uint32_t *state,
                               size_t states)
{
    return decode_any(d, r, symbols, n, width, state, states);
}

static size_t decode_most(const decoder *d, reader *r, void *symbols, size_t n, uint32_t width, uint32_t *state,
                          size_t states)
{
#if defined __x86_64__
    if (has_vector_form(d->log, width, states))
        return ent_tans_decode_avx512((const uint32_t *)d->entry, r->in, &r->at, symbols, n, state, states);
#endif
    if (ent_cpu_features() & ENT_CPU_BMI2) return decode_bmi2(d, r, symbols, n, width, state, states);
    return decode_any(d, r, symbols, n, width, state, states);
}

/* The symbols that are left, and whether everything ends where the encoder began. */
static bool decode_rest(const decoder *d, reader *r, void *symbols, size_t i, size_t n, uint32_t width, uint32_t *state,
                        size_t states)
{
    for (; i < n; i++) {
        uint64_t entry = entry_at(d, width, state[i % states]);
        ent_symbol_put(symbols, width, i, entry_symbol(entry, width));
        state[i % states] = entry_next(entry, width, peek(r));
        r->at += entry & 63;
    }
    uint32_t slots = 0;
    for (size_t j = 0; j < states && j < n; j++) slots |= state[j];
    return slots == 0 && r->at == 8 * (uint64_t)r->in.size;
}

static ent_status decode(const ent_coder_spec *spec, const void *memory, ent_bytes in, void *symbols, size_t n, void *work)
{
    (void)work;
    const decoder *d = memory;
    size_t states = spec->param[PARAM_STATES];
    uint32_t state[STATES] = { 0 };
    if (d->live == 1) {
        for (size_t i = 0; i < n && !in.size; i++) ent_symbol_put(symbols, spec->width, i, d->only);
        return in.size ? ENT_ECORRUPT : ENT_OK;
    }
    if (!in.size || !in.data[0]) return ENT_ECORRUPT;
    reader r = { in, (unsigned)__builtin_ctz(in.data[0]) + 1 };
    for (size_t j = 0; j < states && j < n; j++, r.at += d->log) state[j] = (uint32_t)peek(&r) & ((1u << d->log) - 1);
    if (r.at > 8 * (uint64_t)in.size) return ENT_ECORRUPT;
    size_t i = decode_most(d, &r, symbols, n, spec->width, state, states);
    return decode_rest(d, &r, symbols, i, n, spec->width, state, states) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_tans = {
    .name = "tans",
    .brief = "table-based asymmetric numeral system (FSE)",
    .cite = "duda2013asymmetric",
    .id = 3,
    .max_alphabet = ENT_MAX_ALPHABET,
    .param = { [PARAM_LOG] = { "log", "table slots as a power of two; raised where the live symbols need it", LOG_LEAST, 16, 12 },
               [PARAM_STATES] = { "states", "interleaved states", 1, STATES, PRESET_STATES } },
    /* take the symbol, count and base, mask and add, shift the window, count; every GROUP symbols a
     * load, two shifts, or, subtract, add, or.  Of a state: look up, mask, add. */
    .ops = { .lookups = 1, .simple = 8 + 7.0 / GROUP, .chain = 3, .lanes = PRESET_STATES,
            .vector64 = { 124 / 64., 155 / 64., 1, 60 } },
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
};
