/* planar_rans.c - rANS whose states are two byte planes: 64 neighbouring symbols a step, look-ups by byte permutes.
 *
 * Ours, built on rANS (Duda 2013) with byte renormalisation.  A lane's state x, 256 <= x < 65536,
 * is kept as its two bytes, S = x % 256 in one plane and Q = x / 256 in another; a group is 64
 * lanes, one for each of 64 neighbouring symbols.  The model has 256 slots, so that S names the
 * slot.  Decoding one symbol of a lane:
 *
 *     symbol = symbol[S],  v = frequency[S] * Q + rank[S]
 *     Q, S = v / 256, v % 256, or where v < 256:  Q, S = v, next byte of the group's string
 *
 * With AVX-512 VBMI2 all 64 lanes take one step together: tables in registers, no gather, no
 * branch, one expanding load for the bytes.  1, 2 or 4 groups take turns to hide the latency.
 *
 * The model is trained, not part of a block.  It need not hold every symbol: a left-out symbol is
 * coded as the commonest one and repaired from a list.  The last symbols of a block, up to one for
 * each lane, are the states that the encoder starts with, which are free.  Of large alphabets some low
 * bits may bypass the model, beside the strings.  Left out on purpose: an
 * adaptive model, frequencies over 127 (so that no symbol takes under 1.01 bits).
 *
 * Files: _table.c the model, _low.c the low bits, _avx512.c and _avx2.c the fast loops, this one the block and
 * the plain loops. */
#include <string.h>

#include "base/bits.h"
#include "coder/join.h"
#include "coder/planar_rans.h"

enum { MODE_RAW = 0, START = 256 }; /* block modes other than raw: the number of groups */

static size_t lanes_of(unsigned groups) { return (size_t)groups * PLANAR_LANES; }

/* ---- plain loops ---------------------------------------------------------------------------- */

static void planes_to_states(const uint8_t *q, const uint8_t *s, uint16_t *x)
{
    for (unsigned l = 0; l < PLANAR_STATES; l++) x[l] = (uint16_t)(q[l] << 8 | s[l]);
}

static void states_to_planes(const uint16_t *x, uint8_t *q, uint8_t *s)
{
    for (unsigned l = 0; l < PLANAR_STATES; l++) {
        q[l] = (uint8_t)(x[l] >> 8);
        s[l] = (uint8_t)x[l];
    }
}

static const uint8_t *decode_group(const uint32_t *slot, uint16_t *x, const uint8_t *in, uint8_t *symbols)
{
    for (unsigned l = 0; l < PLANAR_LANES; l++) {
        uint32_t v = x[l], e = slot[v & 255];
        symbols[l] = (uint8_t)(e >> 16);
        v = (e & 255) * (v >> 8) + (e >> 8 & 255);
        uint32_t low = (v - 256) >> 31, refill = (v << 8 | *in) - v; /* no branch: it would be a coin toss */
        x[l] = (uint16_t)(v + (refill & (0 - low)));
        in += low;
    }
    return in;
}

bool ent_planar_decode_plain(const planar_decoder *decoder, planar_block *b, uint8_t *symbols)
{
    uint16_t x[PLANAR_STATES];
    uint8_t *out = symbols;
    planes_to_states(b->q, b->s, x);
    for (size_t r = 0; r < b->rounds; r++) {
        const planar_decoder *d = decoder + ent_planar_class(&b->classes, (size_t)(out - symbols));
        for (unsigned g = 0; g < b->groups; g++, out += PLANAR_LANES) {
            b->at[g] = decode_group(d->packed, x + lanes_of(g), b->at[g], out);
            if (b->at[g] > b->end[g]) return false;
        }
    }
    states_to_planes(x, b->q, b->s);
    ent_planar_repair(&b->repairs, symbols, 0, (size_t)(out - symbols));
    return true;
}

static uint8_t *encode_group(const planar_encoder *e, uint16_t *states, uint8_t *out, const uint8_t *symbols,
                             uint64_t *missing)
{
    *missing = 0;
    for (unsigned l = PLANAR_LANES; l-- > 0;) {
        uint32_t s = symbols[l], f = e->frequency[s], x = states[l];
        *missing = *missing << 1 | f >> 7;
        f &= PLANAR_MISSING - 1;
        uint32_t full = x >= f << 8;
        out[-1] = (uint8_t)x;
        out -= full;
        x >>= 8 * full;
        uint32_t q = (uint32_t)((uint64_t)x * e->reciprocal[s] >> 22); /* x / f, exact: x * f < 2^22 */
        states[l] = (uint16_t)(q << 8 | e->slot[e->first[s] + (x - q * f)]);
    }
    return out;
}

void ent_planar_encode_plain(const planar_encoder *encoder, planar_job *job, const uint8_t *symbols)
{
    uint16_t x[PLANAR_STATES];
    planes_to_states(job->q, job->s, x);
    for (size_t i = job->rounds * job->groups; i-- > 0;) {
        unsigned g = (unsigned)(i % job->groups);
        const planar_encoder *e = encoder + ent_planar_class(&job->classes, i * PLANAR_LANES);
        job->at[g] = encode_group(e, x + lanes_of(g), job->at[g], symbols + i * PLANAR_LANES, job->missing + i);
    }
    states_to_planes(x, job->q, job->s);
}

/* ---- repairs -------------------------------------------------------------------------------- */

/* Reads the next repair: 16 bits, distance from behind the last one in the lower 12, the symbol's
 * place in the list in the upper 4, or PLANAR_LISTED when a byte with the symbol follows. */
static void next_repair(planar_repairs *r)
{
    r->position = SIZE_MAX;
    while (!r->bad && r->end - r->at >= 2) {
        unsigned v = ent_load16(r->at), distance = v % 4096, name = v / 4096;
        r->at += 2;
        r->next += distance;
        if (distance == PLANAR_SKIP) {
            r->bad = name != 0;
            continue;
        }
        if ((r->bad = r->next >= r->below)) return;
        if (name < PLANAR_LISTED) {
            const planar_decoder *d = r->decoder + ent_planar_class(&r->classes, r->next);
            r->bad = name >= d->listed;
            r->symbol = d->list[name];
        } else if (r->at < r->end) {
            r->symbol = *r->at++;
            r->bad = r->symbol >= r->alphabet;
        } else {
            r->bad = true;
        }
        if (!r->bad) r->position = r->next++;
        return;
    }
    r->bad |= r->at != r->end;
}

void ent_planar_repair(planar_repairs *r, uint8_t *symbols, size_t from, size_t to)
{
    for (; r->position < to; next_repair(r)) symbols[r->position - from] = r->symbol;
}

/* The list of repairs, or NULL when it grows over `room` bytes. */
static uint8_t *write_repairs(const planar_encoder *e, const planar_job *job, const uint8_t *symbols, uint8_t *out,
                              size_t room)
{
    size_t next = 0;
    for (size_t i = 0; i < job->rounds * job->groups; i++)
        for (uint64_t m = job->missing[i]; m; m &= m - 1) {
            size_t at = i * PLANAR_LANES + (unsigned)__builtin_ctzll(m), distance = at - next;
            unsigned name = e[ent_planar_class(&job->classes, at)].name[symbols[at]];
            if (distance / PLANAR_SKIP * 2 + 3 > room) return NULL;
            for (; distance >= PLANAR_SKIP; distance -= PLANAR_SKIP, out += 2, room -= 2) ent_store16(out, PLANAR_SKIP);
            ent_store16(out, (uint16_t)(name << 12 | distance));
            out += 2;
            room -= 2;
            if (name == PLANAR_LISTED) {
                *out++ = symbols[at];
                room--;
            }
            next = at + 1;
        }
    return out;
}

/* ---- encoding ------------------------------------------------------------------------------- */

size_t ent_planar_bound(size_t n) { return 1 + n; }

/* Four groups where 512 bytes of states are little, fewer below. */
static unsigned groups_for(size_t n) { return n >= 1 << 17 ? 4 : n >= 1 << 13 ? 2 : 1; }

static size_t lows_size(size_t n, uint32_t low) { return (n + PLANAR_LANES - 1) / PLANAR_LANES * 8 * low; }

/* A symbol may cost a byte; the plain loop writes one byte below what it keeps. */
static size_t strings_room(size_t n) { return (n + PLANAR_STATES + 63) / 64 * 64; } /* the flags behind are words */

static size_t missing_room(size_t n) { return (n / 8 + 64) / 64 * 64; }

size_t ent_planar_encode_work(size_t n)
{
    /* strings, left-out flags, repairs, symbols without their low bits, these */
    return strings_room(n) + missing_room(n) + 2 * n + lows_size(n, PLANAR_LOW_MOST);
}

static bool within(const uint8_t *symbols, size_t n, uint32_t alphabet)
{
    uint8_t most = 0;
    for (size_t i = 0; i < n; i++) most = symbols[i] > most ? symbols[i] : most;
    return most < alphabet;
}

/* The states to start with: one of the last symbols of the block in each lane. */
static void start_states(planar_job *job, const uint8_t *tail, size_t n)
{
    memset(job->q, START >> 8, sizeof job->q);
    memset(job->s, 0, sizeof job->s);
    memcpy(job->s, tail, n);
}

static void encode_rounds(const planar_encoder *e, planar_job *job, const uint8_t *symbols)
{
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512) {
        ent_planar_encode_avx512(e, job, symbols);
        return;
    }
    if (ent_cpu_features() & ENT_CPU_AVX2) {
        ent_planar_encode_avx2(e, job, symbols);
        return;
    }
#endif
    ent_planar_encode_plain(e, job, symbols);
}

/* Writes the block to `out`, or returns 0 when `room` bytes are too few. */
static size_t write_block(const planar_job *job, ent_bytes lows, ent_bytes repairs, uint8_t *out, size_t room,
                          ent_tally *tally)
{
    uint8_t header[1 + PLANAR_GROUPS * 10], *h = header, *p = out;
    size_t strings = 0, states = lanes_of(job->groups);
    *h++ = (uint8_t)job->groups;
    h += ent_varint_put(h, repairs.size);
    for (unsigned g = 0; g < job->groups; g++) {
        size_t size = (size_t)(job->end[g] - job->at[g]);
        strings += size;
        if (g + 1 < job->groups) h += ent_varint_put(h, size);
    }
    size_t head = (size_t)(h - header), total = head + lows.size + repairs.size + strings + 2 * states;
    if (total > room) return 0;
    memcpy(p, header, head);
    p += head;
    if (lows.size) memcpy(p, lows.data, lows.size);
    p += lows.size;
    if (repairs.size) memcpy(p, repairs.data, repairs.size);
    p += repairs.size;
    for (unsigned g = 0; g < job->groups; g++) {
        size_t size = (size_t)(job->end[g] - job->at[g]);
        memcpy(p, job->at[g], size);
        p += size;
    }
    memcpy(p, job->q, states);
    memcpy(p + states, job->s, states);
    tally->index_bits = 8 * (uint64_t)head;
    tally->payload_bits = 8 * (uint64_t)(total - head);
    return total;
}

ent_status ent_planar_encode(const ent_coder_spec *spec, const planar_encoder *e, const planar_classes *classes,
                             const uint8_t *symbols, size_t n, uint8_t *out, size_t *size, ent_tally *tally, void *work)
{
    const uint8_t *s = symbols;
    if (spec->alphabet < 256 && !within(s, n, spec->alphabet)) return ENT_ERANGE;
    planar_job job = { .groups = groups_for(n), .classes = *classes };
    size_t lanes = lanes_of(job.groups);
    job.rounds = (n - 1) / lanes;
    uint8_t *flags = (uint8_t *)work + strings_room(n), *repairs = flags + missing_room(n), *end = NULL;
    uint8_t *upper = repairs + n, *lows = upper + n;
    job.missing = (uint64_t *)(void *)flags;
    for (unsigned g = 0; g < job.groups; g++)
        job.at[g] = job.end[g] = (uint8_t *)work + (g + 1) * (job.rounds + 1) * PLANAR_LANES;
    if (e->low) {
        ent_planar_cut(s, n, e->low, upper, lows);
        s = upper;
    }
    start_states(&job, s + job.rounds * lanes, n - job.rounds * lanes);
    if (job.rounds) {
        encode_rounds(e, &job, s);
        end = write_repairs(e, &job, s, repairs, n);
    }
    *size = end ? write_block(&job, (ent_bytes){ lows, lows_size(n, e->low) },
                              (ent_bytes){ repairs, (size_t)(end - repairs) }, out, n, tally)
                : 0;
    if (!*size) {
        out[0] = MODE_RAW;
        memcpy(out + 1, symbols, n);
        *size = 1 + n;
        tally->index_bits = 8;
        tally->payload_bits = 8 * (uint64_t)n;
    }
    return ENT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static bool take_size(ent_bytes *in, size_t *size)
{
    uint64_t v;
    size_t used = ent_varint_get(in->data, in->size, &v);
    if (!used || (used > 1 && !in->data[used - 1]) || v > in->size - used) return false;
    in->data += used;
    in->size -= used;
    *size = (size_t)v;
    return true;
}

static bool take(ent_bytes *in, size_t size, const uint8_t **begin, const uint8_t **end)
{
    if (size > in->size) return false;
    *begin = in->data;
    *end = in->data += size;
    in->size -= size;
    return true;
}

static ent_join join_of(const planar_decoder *d, const uint8_t *lows)
{
    return (ent_join){ .word_bytes = 1, .shift = d->low, .bits = 8 - d->low, .rest = lows };
}

/* Whether the low bits that no symbol has are zeros. */
static bool is_filled_up(const planar_decoder *d, const planar_block *b, size_t n)
{
    static const uint8_t zeros[PLANAR_LANES];
    uint8_t last[PLANAR_LANES] = { 0 };
    if (!d->low || n % PLANAR_LANES == 0) return true;
    const ent_join join = join_of(d, b->lows_end - 8 * d->low);
    ent_join_symbols(ENT_JOIN_CODE, &join, zeros, n % PLANAR_LANES, PLANAR_LANES - n % PLANAR_LANES, last);
    return !memcmp(last, zeros, PLANAR_LANES);
}

/* Finds the parts of a block that is not raw. */
static bool open_block(const ent_coder_spec *spec, const planar_decoder *d, const planar_classes *classes, ent_bytes in,
                       size_t n, planar_block *b)
{
    enum { FIRST = 256, LAST = 2 * PLANAR_STATES }; /* bytes asked for: of a string, of the block */
    size_t repairs, size[PLANAR_GROUPS];
    if (in.size > LAST) ent_ask_for(in.data + in.size - LAST, LAST);
    b->groups = in.data[0];
    if (b->groups != 1 && b->groups != 2 && b->groups != 4) return false;
    in.data++;
    in.size--;
    size_t states = lanes_of(b->groups);
    b->rounds = (n - 1) / states;
    if (!take_size(&in, &repairs)) return false;
    for (unsigned g = 0; g + 1 < b->groups; g++)
        if (!take_size(&in, &size[g])) return false;
    memset(b->q, 0, sizeof b->q);
    memset(b->s, 0, sizeof b->s);
    b->classes = *classes;
    b->repairs = (planar_repairs){
        .decoder = d, .classes = *classes, .alphabet = spec->alphabet >> d->low, .below = b->rounds * states
    };
    if (!take(&in, lows_size(n, d->low), &b->lows, &b->lows_end)) return false;
    if (!take(&in, repairs, &b->repairs.at, &b->repairs.end)) return false;
    for (unsigned g = 0; g + 1 < b->groups; g++)
        if (!take(&in, size[g], &b->at[g], &b->end[g])) return false;
    if (in.size < 2 * states) return false;
    if (!take(&in, in.size - 2 * states, &b->at[b->groups - 1], &b->end[b->groups - 1])) return false;
    for (unsigned g = 0; g < b->groups; g++) ent_ask_for(b->at[g], FIRST);
    memcpy(b->q, in.data, states);
    memcpy(b->s, in.data + states, states);
    bool good = true;
    for (size_t l = 0; l < states; l++) good &= b->q[l] != 0; /* no state below 256 */
    next_repair(&b->repairs);
    return good && is_filled_up(d, b, n);
}

/* What must hold after the last round; `tail` symbols remain in the states. */
static bool ends_well(const planar_block *b, size_t tail, uint32_t alphabet)
{
    bool good = !b->repairs.bad && b->repairs.position == SIZE_MAX;
    for (unsigned g = 0; g < b->groups; g++) good &= b->at[g] == b->end[g];
    for (size_t l = 0; l < lanes_of(b->groups); l++) good &= b->q[l] == START >> 8;
    return good && within(b->s, tail, alphabet) && within(b->s + tail, lanes_of(b->groups) - tail, 1);
}

/* All n symbols of a table without low bits. */
static bool decode_symbols(const planar_decoder *d, planar_block *b, uint8_t *out, size_t n)
{
    size_t done = b->rounds * lanes_of(b->groups);
    bool good;
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512)
        good = ent_planar_decode_avx512(d, b, out);
    else if (ent_cpu_features() & ENT_CPU_AVX2)
        good = ent_planar_decode_avx2(d, b, out);
    else
#endif
        good = ent_planar_decode_plain(d, b, out);
    memcpy(out + done, b->s, n - done);
    return good;
}

/* All n of a table with low bits. */
static bool decode_codes(const planar_decoder *d, planar_block *b, uint8_t *out, size_t n)
{
    const ent_join join = join_of(d, b->lows);
    size_t done = b->rounds * lanes_of(b->groups);
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512)
        return ent_planar_decode_words_avx512(d, b, &join, ENT_JOIN_CODE, out, n);
    if (ent_cpu_features() & ENT_CPU_AVX2) return ent_planar_decode_words_avx2(d, b, &join, ENT_JOIN_CODE, out, n);
#endif
    if (!ent_planar_decode_plain(d, b, out)) return false;
    memcpy(out + done, b->s, n - done);
    ent_join_symbols(ENT_JOIN_CODE, &join, out, 0, n, out);
    return true;
}

ent_status ent_planar_decode(const ent_coder_spec *spec, const planar_decoder *d, const planar_classes *classes,
                             ent_bytes in, uint8_t *out, size_t n)
{
    planar_block b;
    if (in.size && in.data[0] == MODE_RAW) {
        if (in.size != 1 + n) return ENT_ECORRUPT;
        memcpy(out, in.data + 1, n);
        return within(out, n, spec->alphabet) ? ENT_OK : ENT_ECORRUPT;
    }
    if (!in.size || !open_block(spec, d, classes, in, n, &b)) return ENT_ECORRUPT;
    if (!(d->low ? decode_codes : decode_symbols)(d, &b, out, n)) return ENT_ECORRUPT;
    return ends_well(&b, n - b.rounds * lanes_of(b.groups), spec->alphabet >> d->low) ? ENT_OK : ENT_ECORRUPT;
}

/* To words with the fast decoders; everything else, blocks kept raw and low bits are left to the caller's two steps. */
ent_status ent_planar_decode_words(const ent_coder_spec *spec, const planar_decoder *d, const planar_classes *classes,
                                   ent_bytes in, const ent_join *join, void *words, size_t n)
{
#if defined __x86_64__
    planar_block b;
    ent_join j = *join;
    ent_join_form form = ent_join_form_of(join);
    unsigned cpu = ent_cpu_features() & (ENT_CPU_AVX512 | ENT_CPU_AVX2);
    bool raw = in.size && in.data[0] == MODE_RAW;
    if (!form || !cpu || raw || d->low) return ENT_EUNSUPPORTED;
    if (!in.size || !open_block(spec, d, classes, in, n, &b)) return ENT_ECORRUPT;
    j.stream &= (uintptr_t)words % 64 == 0;
    bool good = cpu & ENT_CPU_AVX512 ? ent_planar_decode_words_avx512(d, &b, &j, form, words, n)
                                     : ent_planar_decode_words_avx2(d, &b, &j, form, words, n);
    if (!good) return ENT_ECORRUPT;
    return ends_well(&b, n - b.rounds * lanes_of(b.groups), spec->alphabet) ? ENT_OK : ENT_ECORRUPT;
#else
    (void)spec, (void)d, (void)classes, (void)in, (void)join, (void)words, (void)n;
    return ENT_EUNSUPPORTED;
#endif
}

/* ---- the coder: one table for all ------------------------------------------------------------- */

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    (void)spec;
    return ent_planar_bound(n);
}

static size_t encode_work(const ent_coder_spec *spec, size_t n)
{
    (void)spec;
    return ent_planar_encode_work(n);
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    return ent_planar_encode(spec, encoder, &(planar_classes){ 0, NULL }, symbols, n, out, size, tally, work);
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    return ent_planar_decode(spec, decoder, &(planar_classes){ 0, NULL }, in, symbols, n);
}

static ent_status decode_words(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    (void)work;
    return ent_planar_decode_words(spec, decoder, &(planar_classes){ 0, NULL }, in, join, words, n);
}

const ent_coder ent_coder_planar_rans = {
    .name = "planar-rans",
    .brief = "rANS in byte planes, 64 lanes a register, 256 slots",
    .cite = "",
    .id = 8,
    .max_alphabet = 256,
    .ops = { .lookups = 1, .multiplies = 1, .simple = 14, .branches = 0, .chain = 10, .lanes = PLANAR_STATES,
            .vector32 = { 2.31, 4.39, 1, 0 }, .vector64 = { 0.5, 1.07, 0, 0 } },
    .table_size = ent_planar_table_size,
    .train = ent_planar_train,
    .write_table = ent_planar_write_table,
    .read_table = ent_planar_read_table,
    .price = ent_planar_price,
    .encoder_size = ent_planar_encoder_size,
    .build_encoder = ent_planar_build_encoder,
    .decoder_size = ent_planar_decoder_size,
    .build_decoder = ent_planar_build_decoder,
    .bound = bound,
    .encode_work = encode_work,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
