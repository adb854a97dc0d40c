/* huffman.c - canonical, length-limited Huffman codes in interleaved bit strings.
 *
 * Code lengths are optimal under the limit (package_merge.c).  Symbol i goes to bit string
 * i mod `streams`; each string can be read on its own, so a decoder has that many independent chains
 * (look up, shift) and one out-of-order core overlaps them.
 *
 * Decoding looks up the next 12 bits.  Each string keeps a 64-bit window with a one above its last
 * bit: leading zeros then count the bits used, so that nothing but the window changes per symbol
 * (the idea of huff0, by Yann Collet).  Longer codes are found by comparing with the first code of
 * each length.  Where most codes are
 * short, a look-up gives several symbols (huffman_runs.c).
 *
 * The loops are compiled twice, the second time for BMI2, whose shifts take their count from
 * any register.  Encoding has others for vectors (huffman_avx2.c, huffman_avx512.c). */
#include <string.h>
#if defined __x86_64__
#include <xmmintrin.h>
#endif

#include <entropy/coder.h>

#include "coder/bmi2.h"
#include "coder/huffman.h"

enum {
    PARAM_MAX = ENT_HUFFMAN_MAX,
    PARAM_STREAMS,
    LONGEST = ENT_HUFFMAN_LONGEST,
    STREAMS = HUFFMAN_STREAMS,
    LOOKUP_BITS = ENT_HUFFMAN_PRESET,
    SIZE_BYTES = 10, /* a varint */
    /* windows are reloaded at a bit 0 .. 7 of a byte and keep one bit for the mark: 56 bits for symbols */
    GROUP = 4,                                   /* symbols between reloads when none is over LOOKUP_BITS */
    GROUP_BYTES = (7 + GROUP * LOOKUP_BITS) / 8, /* most that a reload moves on, after one long code too */
    /* one symbol in RARE with a long code: a round of 32 is done again in 6 % of cases, at some 10 times the time */
    RARE = 512,
};
_Static_assert(GROUP * LOOKUP_BITS <= 56 && (7 + LONGEST) / 8 <= GROUP_BYTES, "windows");

/* ---- encoding ------------------------------------------------------------------------------- */

typedef huffman_encoder encoder;
typedef huffman_writer writer;

static const uint64_t no_code = (uint64_t)1 << 63; /* a bit that no code has; its length is 0 */

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)table;
    return sizeof(encoder) + ((size_t)1 << 8 * spec->width) * sizeof(uint64_t);
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *memory)
{
    const ent_huffman_lengths *t = table;
    encoder *e = memory;
    ent_huffman_canon c;
    ent_huffman_canonical(spec, t, &c);
    e->live = t->live;
    e->only = t->only;
    e->longest = t->longest;
    e->small = true;
    for (uint32_t s = 0; s < spec->alphabet; s++) {
        unsigned l = t->length[s];
        if (l) e->code[s] = (uint64_t)ent_huffman_as_sent(c.first[l]++, l) << 8 | l;
        if (l && s >= 64) e->small = false;
    }
    for (uint32_t s = 0; s < 1u << 8 * spec->width; s++)
        if (!e->code[s]) e->code[s] = no_code;
    for (uint32_t s = 0; s < sizeof e->length; s++) {
        bool is_short = s < spec->alphabet && t->length[s] && t->length[s] <= HUFFMAN_SHORT;
        e->low[s] = (uint8_t)(e->code[s] >> 8);
        e->high[s] = (uint8_t)(e->code[s] >> 16);
        e->length[s] = is_short ? t->length[s] : HUFFMAN_LONGER;
    }
}

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    size_t streams = spec->param[PARAM_STREAMS], bits = ent_huffman_limit(spec, spec->alphabet);
    return n * bits / 8 + streams + SIZE_BYTES * streams; /* each string's last byte, each size */
}

/* Whole groups for as long as every string has room for a store of 8 bytes; returns symbols done. */
ENT_INLINE size_t encode_groups(const encoder *e, const void *symbols, size_t n, uint32_t width, writer *w, size_t streams,
                            size_t group)
{
    uint8_t *next[STREAMS];
    uint64_t held[STREAMS], codes = 0;
    unsigned bits[STREAMS];
    size_t i = 0;
    for (size_t s = 0; s < streams; s++) next[s] = w[s].next, held[s] = 0, bits[s] = 0;
    for (;;) {
        size_t rounds = (n - i) / (streams * group);
        for (size_t s = 0; s < streams; s++) {
            size_t room = (size_t)(w[s].end - next[s]), most = room < 8 ? 0 : (room - 8) / GROUP_BYTES + 1;
            if (rounds > most) rounds = most;
        }
        if (!rounds) break;
        for (; rounds; rounds--, i += streams * group)
            for (size_t s = 0; s < streams; s++) {
                uint64_t window = held[s];
                unsigned have = bits[s];
                for (size_t k = 0; k < group; k++) {
                    uint64_t code = e->code[ent_symbol_at(symbols, width, i + k * streams + s)];
                    window |= (code >> 8) << (have & 63);
                    have += (unsigned)code & 255;
                    codes |= code;
                }
                ent_store64(next[s], window);
                next[s] += have / 8;
                held[s] = window >> (have & ~7u);
                bits[s] = have & 7;
            }
    }
    for (size_t s = 0; s < streams; s++) w[s] = (writer){ next[s], w[s].end, held[s], codes, bits[s] };
    return i;
}

ENT_INLINE size_t encode_any(const encoder *e, const void *symbols, size_t n, uint32_t width, writer *w, size_t streams)
{
    if (e->longest > LOOKUP_BITS) return encode_groups(e, symbols, n, width, w, streams, 1);
    if (width == 2) return encode_groups(e, symbols, n, 2, w, streams, GROUP);
    if (streams == 4) return encode_groups(e, symbols, n, 1, w, 4, GROUP);
    if (streams == 8) return encode_groups(e, symbols, n, 1, w, 8, GROUP);
    return encode_groups(e, symbols, n, 1, w, streams, GROUP);
}

ENT_BMI2 static size_t encode_bmi2(const encoder *e, const void *symbols, size_t n, uint32_t width, writer *w, size_t streams)
{
    return encode_any(e, symbols, n, width, w, streams);
}

#if defined __x86_64__
static size_t encode_vectors(const encoder *e, const uint8_t *symbols, size_t n, writer *w, huffman_loop *loop,
                             size_t group)
{
    size_t longest = e->longest < HUFFMAN_SHORT ? e->longest : HUFFMAN_SHORT, i = 0;
    size_t bytes = (7 + group / STREAMS * longest) / 8; /* most that a group moves a string on */
    for (;;) {
        size_t groups = (n - i) / group;
        for (size_t s = 0; s < STREAMS; s++) {
            size_t room = (size_t)(w[s].end - w[s].next), most = room < 8 ? 0 : (room - 8) / bytes;
            if (groups > most) groups = most;
        }
        if (!groups) return i;
        size_t done = loop(e, symbols + i, groups, w);
        i += group * done;
        if (done < groups) /* the next group is for the plain way */
            for (size_t end = i + group; i < end; i++) huffman_put(&w[i % STREAMS], e->code[symbols[i]]);
    }
}
#endif

static size_t encode_most(const encoder *e, const void *symbols, size_t n, uint32_t width, writer *w, size_t streams)
{
#if defined __x86_64__
    unsigned features = width == 1 && streams == STREAMS ? ent_cpu_features() : 0;
    if (features & ENT_CPU_AVX512)
        return encode_vectors(e, symbols, n, w, ent_huffman_encode_avx512, HUFFMAN_GROUP_AVX512);
    if (features & ENT_CPU_AVX2) return encode_vectors(e, symbols, n, w, ent_huffman_encode_avx2, HUFFMAN_GROUP_AVX2);
#endif
    if (ent_cpu_features() & ENT_CPU_BMI2) return encode_bmi2(e, symbols, n, width, w, streams);
    return encode_any(e, symbols, n, width, w, streams);
}

static void encode_strings(const encoder *e, const void *symbols, size_t n, uint32_t width, writer *w, size_t streams)
{
    for (size_t i = encode_most(e, symbols, n, width, w, streams); i < n; i++)
        huffman_put(&w[i % streams], e->code[ent_symbol_at(symbols, width, i)]);
    for (size_t s = 0; s < streams; s++)
        if (w[s].bits) *w[s].next++ = (uint8_t)w[s].held;
}

static ent_status encode(const ent_coder_spec *spec, const void *memory, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    (void)work;
    const encoder *e = memory;
    size_t streams = spec->param[PARAM_STREAMS], index = 0, strings = 0;
    uint8_t *begin[STREAMS], *at = out + SIZE_BYTES * streams;
    uint64_t codes = 0;
    writer w[STREAMS] = { { 0 } };
    if (e->live == 1) return ent_symbols_all(symbols, n, spec->width, e->only) ? ENT_OK : ENT_ERANGE; /* no bits at all */
    for (size_t s = 0; s < streams; s++) { /* apart by the most that a string can have */
        size_t own = (n + streams - 1 - s) / streams;
        begin[s] = w[s].next = at;
        at = w[s].end = at + (own * e->longest + 7) / 8;
    }
    encode_strings(e, symbols, n, spec->width, w, streams);
    for (size_t s = 0; s < streams; s++) {
        codes |= w[s].codes;
        if (s + 1 < streams) index += ent_varint_put(out + index, (uint64_t)(w[s].next - begin[s]));
    }
    if (codes & no_code) return ENT_ERANGE;
    for (size_t s = 0; s < streams; s++) { /* always towards the front */
        memmove(out + index + strings, begin[s], (size_t)(w[s].next - begin[s]));
        strings += (size_t)(w[s].next - begin[s]);
    }
    *size = index + strings;
    tally->index_bits = 8 * (uint64_t)index;
    tally->payload_bits = 8 * (uint64_t)strings;
    return ENT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

typedef struct decoder {
    uint32_t live, only, longest;
    uint32_t lookup_bits;         /* LOOKUP_BITS, or `longest` if that is less */
    uint64_t end[LONGEST + 1];    /* codes of up to this length, left-justified in 32 bits, are below it */
    uint32_t place[LONGEST + 1];  /* code + place is its place in the order of codes, modulo 2^32 */
    bool runs;                    /* `run` is worth its while */
    uint64_t run[1 << HUFFMAN_RUN_BITS]; /* huffman_runs.c */
    bool rare;                    /* codes longer than lookup_bits exist, but few symbols have one */
    uint32_t order;               /* bytes from here to the live symbols in the order of codes, 16 bits each */
    _Alignas(64) uint8_t entry[]; /* symbol << 8 | length, length 0 for longer codes; 2 bytes, or 4 for 2-byte symbols */
} decoder;

static size_t entries_size(const ent_coder_spec *spec, const ent_huffman_lengths *t)
{
    unsigned bits = t->longest < LOOKUP_BITS ? t->longest : LOOKUP_BITS;
    return (size_t)2 * spec->width << bits;
}

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    const ent_huffman_lengths *t = table;
    return sizeof(decoder) + entries_size(spec, t) + (size_t)t->live * sizeof(uint16_t);
}

ENT_INLINE uint32_t entry_at(const decoder *d, uint32_t width, uint64_t i)
{
    return width == 1 ? ((const uint16_t *)d->entry)[i] : ((const uint32_t *)d->entry)[i];
}

static void put_entries(decoder *d, uint32_t width, uint32_t symbol, uint64_t code, unsigned length)
{
    uint32_t entry = symbol << 8 | length;
    for (uint32_t i = ent_huffman_as_sent(code, length); i >> d->lookup_bits == 0; i += 1u << length)
        if (width == 1)
            ((uint16_t *)d->entry)[i] = (uint16_t)entry;
        else
            ((uint32_t *)d->entry)[i] = entry;
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *memory)
{
    const ent_huffman_lengths *t = table;
    decoder *d = memory;
    ent_huffman_canon c;
    uint32_t before = 0;
    ent_huffman_canonical(spec, t, &c);
    d->live = t->live;
    d->only = t->only;
    d->longest = t->longest;
    d->lookup_bits = t->longest < LOOKUP_BITS ? t->longest : LOOKUP_BITS;
    d->order = (uint32_t)entries_size(spec, t);
    uint64_t longer = 0; /* the share of symbols with codes that a look-up does not find, as 2^-length says, times 2^32 */
    for (unsigned l = 1; l <= LONGEST; before += c.count[l++]) {
        d->end[l] = (c.first[l] + c.count[l]) << (LONGEST - l);
        if (l > LOOKUP_BITS) longer += (uint64_t)c.count[l] << (LONGEST - l);
        d->place[l] = before - (uint32_t)c.first[l];
    }
    d->rare = longer && longer < ((uint64_t)1 << 32) / RARE;
    for (uint32_t s = 0; s < spec->alphabet; s++) {
        unsigned l = t->length[s];
        if (!l) continue;
        uint64_t code = c.first[l]++;
        ent_store16(d->entry + d->order + sizeof(uint16_t) * ((uint32_t)code + d->place[l]), (uint16_t)s);
        if (l <= d->lookup_bits) put_entries(d, spec->width, s, code, l);
    }
    if (spec->width == 1 && spec->param[PARAM_STREAMS] == STREAMS && d->live > 1)
        d->runs = ent_huffman_build_runs(d->run, (const uint16_t *)d->entry, d->lookup_bits);
}

/* The entry of a code longer than lookup_bits; the code is complete, so the search ends. */
static uint32_t search(const decoder *d, uint32_t window)
{
    uint32_t code = ent_reverse32(window);
    unsigned l = d->lookup_bits + 1;
    while (code >= d->end[l]) l++;
    return (uint32_t)ent_load16(d->entry + d->order + sizeof(uint16_t) * ((code >> (LONGEST - l)) + d->place[l])) << 8 | l;
}

typedef huffman_reader reader;

/* One symbol anywhere: bits past the end read as zeros and show in `used` afterwards. */
static uint32_t decode_one(const decoder *d, reader *in, uint32_t width)
{
    uint8_t bytes[8] = { 0 };
    size_t left = (size_t)(in->end - in->next);
    if (left) memcpy(bytes, in->next, left < 8 ? left : 8);
    uint64_t window = ent_load64(bytes) >> in->used;
    uint32_t entry = entry_at(d, width, window & (((uint64_t)1 << d->lookup_bits) - 1));
    if (!(entry & 255)) entry = search(d, (uint32_t)window);
    in->used += entry & 255;
    if (in->used / 8 <= left) {
        in->next += in->used / 8;
        in->used %= 8;
    }
    return entry >> 8;
}

/* A round symbol by symbol; false when a string ran past its end. */
static bool decode_round(const decoder *d, reader *in, void *symbols, size_t i, uint32_t width, size_t streams,
                         size_t group)
{
    for (size_t k = 0; k < group * streams; k++) {
        reader *one = &in[k % streams];
        if (one->used >= 8) return false;
        ent_symbol_put(symbols, width, i + k, decode_one(d, one, width));
    }
    return true;
}

static uint32_t decode_byte(const void *table, reader *in) { return decode_one(table, in, 1); }

/* Whole groups for as long as every string has 8 bytes to load; returns symbols done.  Where there are
 * codes longer than a look-up finds, either every symbol asks whether it was found (group 1) or, when
 * they are `rare`, every round does: one that met a long code is done again, symbol by symbol. */
ENT_INLINE size_t decode_groups(const decoder *d, reader *in, void *symbols, size_t n, uint32_t width, size_t streams,
                            size_t group, bool rare)
{
    const uint64_t mask = ((uint64_t)1 << d->lookup_bits) - 1, mark = (uint64_t)1 << 63;
    const uint8_t *next[STREAMS];
    uint64_t used[STREAMS], window[STREAMS];
    size_t i = 0;
    for (size_t s = 0; s < streams; s++) {
        next[s] = in[s].next;
        used[s] = in[s].used;
    }
    for (;;) {
        size_t rounds = (n - i) / (streams * group);
        for (size_t s = 0; s < streams; s++) {
            size_t left = (size_t)(in[s].end - next[s]), most = left < 8 ? 0 : (left - 8) / GROUP_BYTES + 1;
            if (rounds > most) rounds = most;
        }
        if (!rounds) break;
        for (; rounds; rounds--, i += streams * group) {
            uint32_t missed = 0; /* the top bit: a look-up found no symbol */
            for (size_t s = 0; s < streams; s++) window[s] = (ent_load64(next[s]) | mark) >> used[s];
            for (size_t k = 0; k < group; k++)
                for (size_t s = 0; s < streams; s++) {
                    uint32_t entry = entry_at(d, width, window[s] & mask);
                    if (group == 1 && !(entry & 255)) entry = search(d, (uint32_t)window[s]);
                    if (rare) missed |= (entry & 255) - 1;
                    window[s] >>= entry & 63;
                    ent_symbol_put(symbols, width, i + k * streams + s, entry >> 8);
                }
            if (missed >> 31) {
                for (size_t s = 0; s < streams; s++) in[s].next = next[s], in[s].used = used[s];
                if (!decode_round(d, in, symbols, i, width, streams, group)) return i;
                for (size_t s = 0; s < streams; s++) next[s] = in[s].next, used[s] = in[s].used;
                i += streams * group;
                break; /* it may have taken more bytes than a round: count the rounds anew */
            }
            for (size_t s = 0; s < streams; s++) {
                used[s] = (uint64_t)__builtin_clzll(window[s]);
                next[s] += used[s] / 8;
                used[s] %= 8;
            }
        }
    }
    for (size_t s = 0; s < streams; s++) in[s].next = next[s], in[s].used = used[s];
    return i;
}

/* For the usual numbers of strings a loop of its own. */
ENT_INLINE size_t decode_bytes(const decoder *d, reader *in, void *symbols, size_t n, size_t streams, bool rare)
{
    if (streams == 4) return decode_groups(d, in, symbols, n, 1, 4, GROUP, rare);
    if (streams == 8) return decode_groups(d, in, symbols, n, 1, 8, GROUP, rare);
    return decode_groups(d, in, symbols, n, 1, streams, GROUP, rare);
}

ENT_INLINE size_t decode_any(const decoder *d, reader *in, void *symbols, size_t n, uint32_t width, size_t streams)
{
    bool longer = d->longest > LOOKUP_BITS;
    if (width == 1 && longer && d->rare) return decode_bytes(d, in, symbols, n, streams, true);
    if (longer) return decode_groups(d, in, symbols, n, width, streams, 1, false);
    if (width == 2) return decode_groups(d, in, symbols, n, 2, streams, GROUP, false);
    return decode_bytes(d, in, symbols, n, streams, false);
}

ENT_BMI2 static size_t decode_bmi2(const decoder *d, reader *in, void *symbols, size_t n, uint32_t width, size_t streams)
{
    return decode_any(d, in, symbols, n, width, streams);
}

static size_t decode_most(const decoder *d, reader *in, void *symbols, size_t n, uint32_t width, size_t streams)
{
    if (ent_cpu_features() & ENT_CPU_BMI2) return decode_bmi2(d, in, symbols, n, width, streams);
    return decode_any(d, in, symbols, n, width, streams);
}

static bool find_strings(ent_bytes in, size_t streams, reader *r)
{
    const uint8_t *end = in.data + in.size;
    uint64_t size[STREAMS] = { 0 };
    for (size_t s = 0; s + 1 < streams; s++) {
        size_t k = ent_varint_get(in.data, (size_t)(end - in.data), &size[s]);
        if (!k || (k > 1 && !in.data[k - 1])) return false;
        in.data += k;
    }
    for (size_t s = 0; s < streams; s++) {
        uint64_t left = (uint64_t)(end - in.data);
        if (s + 1 == streams) size[s] = left;
        if (size[s] > left) return false;
        r[s] = (reader){ in.data, in.data + size[s], 0 };
        in.data += size[s];
    }
    return true;
}

/* Whether all strings were read to their ends, where zeros fill their last bytes up. */
static ent_status all_read(const reader *r, size_t streams)
{
    for (const reader *in = r; in < r + streams; in++) {
        bool end = in->used ? in->used < 8 && in->end - in->next == 1 && *in->next >> in->used == 0 : in->next == in->end;
        if (!end) return ENT_ECORRUPT;
    }
    return ENT_OK;
}

static ent_status decode_by_runs(const decoder *d, reader *r, const ent_join *join, void *out, size_t n)
{
    const huffman_runs runs = { d->run, d, decode_byte };
    return ent_huffman_decode_runs(&runs, r, join, out, n) ? all_read(r, STREAMS) : ENT_ECORRUPT;
}

static ent_status decode(const ent_coder_spec *spec, const void *memory, ent_bytes in, void *symbols, size_t n, void *work)
{
    (void)work;
    const decoder *d = memory;
    size_t streams = spec->param[PARAM_STREAMS];
    reader r[STREAMS];
    if (d->live == 1) {
        if (in.size) return ENT_ECORRUPT;
        for (size_t i = 0; i < n; i++) ent_symbol_put(symbols, spec->width, i, d->only);
        return ENT_OK;
    }
    if (!find_strings(in, streams, r)) return ENT_ECORRUPT;
    if (d->runs) return decode_by_runs(d, r, NULL, symbols, n);
    for (size_t i = decode_most(d, r, symbols, n, spec->width, streams); i < n; i++) {
        reader *one = &r[i % streams];
        if (one->used >= 8) return ENT_ECORRUPT; /* it ran past its end before */
        ent_symbol_put(symbols, spec->width, i, decode_one(d, one, spec->width));
    }
    return all_read(r, streams);
}

/* To words where several symbols are found at once; everything else is left to the caller's two steps. */
static ent_status decode_words(const ent_coder_spec *spec, const void *memory, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    (void)spec, (void)work;
    const decoder *d = memory;
    ent_join to = *join;
    reader r[STREAMS];
    bool vectors = ent_cpu_features() & (ENT_CPU_AVX2 | ENT_CPU_AVX512);
    if (!d->runs || !vectors || !ent_join_form_of(join)) return ENT_EUNSUPPORTED;
    if (!find_strings(in, STREAMS, r)) return ENT_ECORRUPT;
    to.stream &= (uintptr_t)words % 64 == 0;
    ent_status status = decode_by_runs(d, r, &to, words, n);
#if defined __x86_64__
    if (to.stream) _mm_sfence();
#endif
    return status;
}

const ent_coder ent_coder_huffman = {
    .name = "huffman",
    .brief = "canonical Huffman code, optimal under a length limit",
    .cite = "larmore1990fast",
    .id = 2,
    .whole_bits = true,
    .max_alphabet = ENT_MAX_ALPHABET,
    .param = { [PARAM_MAX] = { "max", "longest code in bits; 0: 12, or 24 for alphabets over 256", 0, LONGEST, 0 },
               [PARAM_STREAMS] = { "streams", "interleaved bit strings", 1, STREAMS, STREAMS } },
    /* Several symbols a look-up: of 6.6 instructions 5 find them, one weaves strings together, 0.6 decode one symbol in 70
     * alone, where rounds stop.  Chain of 17 symbols: five times mask, load, two shifts; once count zeros (3), shift,
     * add, load (5), mark, shift. */
    .ops = { .lookups = 0.3, .simple = 6.3, .branches = 0.015, .chain = 32 / 17.0, .lanes = STREAMS },
    .table_size = ent_huffman_table_size,
    .train = ent_huffman_train,
    .write_table = ent_huffman_write,
    .read_table = ent_huffman_read,
    .price = ent_huffman_price,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .decoder_size = decoder_size,
    .build_decoder = build_decoder,
    .bound = bound,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
