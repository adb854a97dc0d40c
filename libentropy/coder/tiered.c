/* tiered.c - tiered bit planes: short fixed codes for the common symbols, an escape to the next tier for the rest.
 *
 * Ours.  Symbols are ranked by frequency.  Tier 1 gives every symbol w1 bits: one of the 2^w1 - 1
 * commonest, or "escape" (all ones); tier 2 gives the escaped ones w2 bits, and so on; what escapes
 * the last tier is a plain byte.  So a symbol's rank is the sum of its codes.  The bits of 64
 * symbols lie together, plane by plane: one machine word a plane of tier 1, and as many bits as
 * symbols got there in the others.  All 64 are decoded at once: the escape mask is an AND of
 * planes, the next tier's bits are put in place by one PDEP with that mask and its position moves
 * on by the mask's population count, ranks are sums of masked constants.  No state, no table in
 * memory, no step that waits for a bit of another symbol; any group can start given the positions,
 * which are sums of population counts.
 *
 * Against Huffman codes it pays the fixed widths: on exponents of weights 4 % of their 2.6 bits.
 * Left out on purpose: an index of positions (a parallel decoder gets them by prefix sums); a raw form
 * for flat symbols, of which a code may be larger (8-bit codes of weights: 8.9 bits): a block of a codec,
 * which is how symbols are stored, keeps any stream raw that its coder would make no smaller. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "coder/join.h"
#include "coder/rank.h"
#include "coder/tiered.h"

/* ---- training ------------------------------------------------------------------------------- */

enum { ESCAPE_BITS = 8 };

static size_t table_size(const ent_coder_spec *spec)
{
    (void)spec;
    return sizeof(tiered_table);
}

/* Shape number `i` of those with `tiers` tiers: two bits a width. */
static void shape_at(uint32_t i, uint32_t tiers, uint8_t width[TIERED_TIERS])
{
    for (uint32_t k = 0; k < TIERED_TIERS; k++) width[k] = (uint8_t)(k < tiers ? 1 + (i >> 2 * k & 3) : 0);
}

/* Bits that a shape takes; rest[r] symbols have rank r or a later one. */
static uint64_t shape_cost(const uint8_t width[TIERED_TIERS], const uint64_t rest[257], uint32_t alphabet)
{
    uint64_t bits = 0;
    uint32_t ranks = 0;
    for (uint32_t k = 0; k < TIERED_TIERS; k++) {
        bits += width[k] * rest[ranks];
        ranks += (1u << width[k]) - 1;
    }
    return ranks + 1 == alphabet ? bits : bits + ESCAPE_BITS * rest[ranks]; /* else the last code is a symbol too */
}

static void choose_shape(tiered_table *t, const uint64_t rest[257], uint32_t alphabet, uint32_t most_tiers)
{
    uint64_t best = UINT64_MAX;
    for (uint32_t tiers = 1; tiers <= most_tiers; tiers++)
        for (uint32_t i = 0; i < 1u << 2 * tiers; i++) {
            uint8_t width[TIERED_TIERS];
            shape_at(i, tiers, width);
            uint64_t bits = shape_cost(width, rest, alphabet);
            if (bits >= best) continue;
            best = bits;
            t->tiers = tiers;
            memcpy(t->width, width, sizeof t->width);
        }
}

static uint32_t capacity(const tiered_table *t)
{
    uint32_t ranks = 0;
    for (uint32_t k = 0; k < t->tiers; k++) ranks += (1u << t->width[k]) - 1;
    return ranks;
}

/* What follows from shape and ranks. */
static void complete(tiered_table *t)
{
    t->escapes = t->ranked <= capacity(t);
    memset(t->symbol + t->ranked, t->symbol[0], TIERED_RANKS - t->ranked);
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    tiered_table *t = table;
    uint8_t symbol[256];
    uint64_t rest[257] = { 0 };
    uint32_t live = ent_rank_symbols(counts, symbol);
    for (uint32_t r = live; r-- > 0;) rest[r] = rest[r + 1] + counts->count[symbol[r]];
    choose_shape(t, rest, spec->alphabet, spec->param[0]);
    uint32_t most = capacity(t);
    if (most + 1 == spec->alphabet) { /* every symbol has a rank, counted or not */
        for (uint32_t c = 0; c < spec->alphabet; c++)
            if (!counts->count[c]) symbol[live++] = (uint8_t)c;
        most++;
    }
    t->ranked = live < most ? live : most;
    memcpy(t->symbol, symbol, t->ranked);
    complete(t);
    return ENT_OK;
}

static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    (void)spec;
    const tiered_table *t = table;
    ent_status status = ent_buffer_reserve(out, out->size + 1 + TIERED_TIERS + TIERED_RANKS);
    if (status) return status;
    uint8_t *p = out->data + out->size;
    *p++ = (uint8_t)t->tiers;
    memcpy(p, t->width, t->tiers);
    memcpy(p + t->tiers, t->symbol, t->ranked);
    out->size += 1 + t->tiers + t->ranked;
    return ENT_OK;
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    tiered_table *t = table;
    if (!in.size || in.data[0] < 1 || in.data[0] > spec->param[0] || in.size < 2u + in.data[0]) return ENT_ECORRUPT;
    t->tiers = in.data[0];
    memcpy(t->width, in.data + 1, t->tiers);
    for (uint32_t k = 0; k < t->tiers; k++)
        if (t->width[k] < 1 || t->width[k] > TIERED_WIDTH) return ENT_ECORRUPT;
    size_t ranked = in.size - 1 - t->tiers, most = capacity(t);
    if (most + 1 == spec->alphabet ? ranked != spec->alphabet : ranked > most) return ENT_ECORRUPT;
    ent_bytes list = { in.data + 1 + t->tiers, ranked };
    if (ent_symbols_read(list, spec->alphabet, ranked, t->symbol)) return ENT_ECORRUPT;
    t->ranked = (uint32_t)ranked;
    complete(t);
    return ENT_OK;
}

static double price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    const tiered_table *t = table;
    const uint8_t *at = memchr(t->symbol, (int)symbol, t->ranked);
    uint32_t rank = at ? (uint32_t)(at - t->symbol) : capacity(t), first = 0;
    double bits = 0;
    for (uint32_t k = 0; k < t->tiers && rank >= first; k++) {
        bits += t->width[k];
        first += (1u << t->width[k]) - 1;
    }
    return at ? bits : t->escapes ? bits + ESCAPE_BITS : INFINITY;
}

/* ---- encoding ------------------------------------------------------------------------------- */

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(tiered_encoder);
}

/* The tier where a rank stays and its code there. */
static uint8_t key_of(const tiered_table *t, uint32_t rank)
{
    uint32_t tier = 0;
    for (; tier + 1 < t->tiers && rank >= (1u << t->width[tier]) - 1; tier++) rank -= (1u << t->width[tier]) - 1;
    return (uint8_t)(tier << TIERED_WIDTH | rank);
}

static void build_keys(const tiered_table *t, tiered_encoder *e)
{
    e->blocks = 0;
    e->escape_key = key_of(t, e->last);
    for (uint32_t b = 0; b < 256; b += 16) {
        bool other = false;
        for (uint32_t s = b; s < b + 16; s++) {
            e->key[s] = key_of(t, e->rank[s]);
            other |= e->key[s] != e->escape_key;
        }
        if (other) e->block[e->blocks++] = (uint8_t)b;
    }
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *encoder)
{
    (void)spec;
    const tiered_table *t = table;
    tiered_encoder *e = encoder;
    e->most = 0;
    e->tiers = t->tiers;
    e->last = capacity(t);
    e->escapes = t->escapes;
    memcpy(e->width, t->width, sizeof e->width);
    for (uint32_t k = 0; k < t->tiers; k++) e->most = t->width[k] > e->most ? t->width[k] : e->most;
    memset(e->rank, (uint8_t)e->last, sizeof e->rank);
    for (uint32_t r = 0; r < t->ranked; r++) e->rank[t->symbol[r]] = (uint8_t)r;
    build_keys(t, e);
}

void ent_tiered_encode_group(const tiered_encoder *e, tiered_job *job, const uint8_t *symbols, size_t n)
{
    uint8_t left[TIERED_GROUP] = { 0 }, code[TIERED_GROUP], escapes[TIERED_GROUP]; /* left of the ranks */
    for (size_t i = 0; i < n; i++) {
        left[i] = e->rank[symbols[i]];
        escapes[i] = symbols[i];
    }
    for (unsigned k = 0; k < e->tiers; k++) {
        uint8_t escape = (uint8_t)((1u << e->width[k]) - 1);
        uint64_t escaped = n ? ~(uint64_t)0 >> (TIERED_GROUP - n) : 0, live = escaped;
        for (size_t i = 0; i < TIERED_GROUP; i++) code[i] = left[i] < escape ? left[i] : escape;
        for (unsigned j = 0; j < e->width[k]; j++) {
            uint64_t plane = 0;
            for (unsigned i = 0; i < TIERED_GROUP; i += 8) plane |= ent_bits_of_bytes(ent_load64(code + i) >> j) << i;
            plane &= live;
            escaped &= plane;
            tiered_put(job, k, plane, (unsigned)n);
        }
        job->count[k] += n;
        for (n = 0; escaped; escaped &= escaped - 1, n++) {
            unsigned i = (unsigned)__builtin_ctzll(escaped);
            left[n] = (uint8_t)(left[i] - escape);
            escapes[n] = escapes[i];
        }
    }
    if (!e->escapes) return;
    memcpy(job->escape, escapes, n);
    job->escape += n;
}

static bool below(const uint8_t *symbols, const uint8_t *end, uint32_t alphabet)
{
    uint8_t most = 0;
    for (; alphabet < 256 && symbols < end; symbols++) most = *symbols > most ? *symbols : most;
    return most < alphabet;
}

static bool has_fast_loops(void)
{
    const unsigned avx2 = ENT_CPU_AVX2 | ENT_CPU_BMI2;
    return (ent_cpu_features() & ENT_CPU_AVX512) || (ent_cpu_features() & avx2) == avx2;
}

static size_t groups_of(size_t n) { return n / TIERED_GROUP; }

/* Most bytes of a tier or of the escapes, with room for a store of 64 bytes at the end. */
static size_t part_room(size_t n, unsigned width) { return n / 8 * width + width + 64; }

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    (void)spec;
    return TIERED_TIERS * (part_room(n, TIERED_WIDTH) + 10) + n;
}

static size_t encode_work(const ent_coder_spec *spec, size_t n) { return bound(spec, n) + 64; }

static uint8_t *append(uint8_t *p, const uint8_t *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    const tiered_encoder *e = encoder;
    const uint8_t *s = symbols;
    uint8_t *begin[TIERED_TIERS + 1], *room = work, *p = out;
    tiered_job job = { 0 };
    if (!below(s, s + n, spec->alphabet)) return ENT_ERANGE; /* where nothing escapes, all of the alphabet is ranked */
    for (unsigned k = 0; k < e->tiers; k++, room += part_room(n, TIERED_WIDTH)) job.bits[k] = begin[k] = room;
    job.escape = begin[TIERED_TIERS] = room;
    size_t i = 0;
#if defined __x86_64__
    if (has_fast_loops()) {
        (ent_cpu_features() & ENT_CPU_AVX512 ? ent_tiered_encode_avx512
                                             : ent_tiered_encode_avx2)(e, &job, s, groups_of(n));
        i = groups_of(n) * TIERED_GROUP;
    }
#endif
    for (; i < n; i += TIERED_GROUP)
        ent_tiered_encode_group(e, &job, s + i, n - i < TIERED_GROUP ? n - i : TIERED_GROUP);
    for (unsigned k = 1; k < e->tiers; k++) p += ent_varint_put(p, job.count[k]);
    tally->index_bits = 8 * (uint64_t)(p - out);
    p = append(p, begin[TIERED_TIERS], (size_t)(job.escape - begin[TIERED_TIERS]));
    for (unsigned k = e->tiers; k-- > 0;) {
        *job.bits[k] = (uint8_t)job.held[k];
        p = append(p, begin[k], (size_t)(job.bits[k] - begin[k]) + (job.fill[k] > 0));
    }
    *size = (size_t)(p - out);
    tally->payload_bits = 8 * (uint64_t)*size - tally->index_bits;
    return ENT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* The bits from `at` on, up to 64 of them; zeros from `limit` on. */
static uint64_t peek(const uint8_t *bits, size_t at, const uint8_t *limit)
{
    uint8_t copy[TIERED_SLACK] = { 0 };
    const uint8_t *p = bits + at / 8;
    unsigned shift = at % 8;
    if (limit - p < TIERED_SLACK) {
        if (limit > p) memcpy(copy, p, (size_t)(limit - p));
        p = copy;
    }
    return ent_load64(p) >> shift | (uint64_t)p[8] << 1 << (63 - shift);
}

/* The next codes of a tier, one each for `count` symbols, as bytes (up to 7 more are written); returns
 * a bit each for those that are all ones. */
static uint64_t read_codes(tiered_block *b, unsigned tier, unsigned width, unsigned count, uint8_t *code)
{
    uint64_t plane[TIERED_WIDTH] = { 0 }, ones = ~(uint64_t)0;
    for (unsigned j = 0; j < width; j++, b->at[tier] += count)
        ones &= plane[j] = peek(b->bits[tier], b->at[tier], b->limit);
    for (unsigned i = 0; i < count; i += 8) {
        uint64_t codes = 0;
        for (unsigned j = 0; j < width; j++) codes |= ent_bytes_of_bits(plane[j] >> i) << j;
        ent_store64(code + i, codes);
    }
    return ones;
}

bool ent_tiered_decode_group(const tiered_table *t, tiered_block *b, uint8_t *symbols, size_t n)
{
    uint8_t rank[TIERED_GROUP], code[TIERED_GROUP];
    if (b->end[0] - b->at[0] < n * t->width[0]) return false;
    uint64_t reach = read_codes(b, 0, t->width[0], (unsigned)n, rank) & ~(uint64_t)0 >> (TIERED_GROUP - n);
    for (unsigned k = 1; k < t->tiers; k++) {
        unsigned count = (unsigned)__builtin_popcountll(reach);
        if (b->end[k] - b->at[k] < count * t->width[k]) return false;
        uint64_t ones = read_codes(b, k, t->width[k], count, code), escaped = 0;
        const uint8_t *c = code;
        for (; reach; reach &= reach - 1, ones >>= 1) {
            unsigned i = (unsigned)__builtin_ctzll(reach);
            rank[i] = (uint8_t)(rank[i] + *c++);
            escaped |= (ones & 1) << i;
        }
        reach = escaped;
    }
    for (size_t i = 0; i < n; i++) symbols[i] = t->symbol[rank[i]];
    if (!t->escapes || !reach) return true;
    if (b->escapes_end - b->escape < __builtin_popcountll(reach)) return false;
    for (; reach; reach &= reach - 1) symbols[__builtin_ctzll(reach)] = *b->escape++;
    return true;
}

static bool open_block(const ent_coder_spec *spec, const tiered_table *t, ent_bytes in, size_t n, tiered_block *b)
{
    const uint8_t *p = in.data;
    size_t left = in.size;
    b->limit = in.data + in.size;
    b->end[0] = n * t->width[0];
    for (unsigned k = 1; k < t->tiers; k++) {
        uint64_t count;
        size_t used = ent_varint_get(p, left, &count);
        if (!used || (used > 1 && !p[used - 1]) || count > n) return false;
        p += used;
        left -= used;
        b->end[k] = (size_t)count * t->width[k];
    }
    for (unsigned k = 0; k < t->tiers; k++) { /* the first tier lies last */
        size_t size = (b->end[k] + 7) / 8;
        if (size > left) return false;
        left -= size;
        b->bits[k] = p + left;
        b->at[k] = 0;
    }
    b->escape = p;
    b->escapes_end = p + left;
    return below(b->escape, b->escapes_end, spec->alphabet);
}

/* Everything used, and zeros where a string's last byte is filled up. */
static bool ends_well(const tiered_table *t, const tiered_block *b)
{
    bool good = b->escape == b->escapes_end;
    for (unsigned k = 0; k < t->tiers; k++) {
        good &= b->at[k] == b->end[k];
        if (b->end[k] % 8) good &= b->bits[k][b->end[k] / 8] >> b->end[k] % 8 == 0;
    }
    return good;
}

/* Whole groups that a fast decoder may take: it reads a little past every tier but the first,
 * which comes last. */
static size_t fast_groups(size_t n)
{
    return has_fast_loops() && n / 8 >= TIERED_SLACK ? groups_of(n) : 0;
}

static bool decode_fast(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512) return ent_tiered_decode_avx512(t, b, join, out, groups);
    return ent_tiered_decode_avx2(t, b, join, out, groups);
#else
    (void)t, (void)b, (void)join, (void)out;
    return groups == 0;
#endif
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)work;
    const tiered_table *t = decoder;
    tiered_block b;
    uint8_t *out = symbols;
    if (!open_block(spec, t, in, n, &b)) return ENT_ECORRUPT;
    size_t i = fast_groups(n) * TIERED_GROUP;
    if (i && !decode_fast(t, &b, NULL, out, fast_groups(n))) return ENT_ECORRUPT;
    for (; i < n; i += TIERED_GROUP)
        if (!ent_tiered_decode_group(t, &b, out + i, n - i < TIERED_GROUP ? n - i : TIERED_GROUP)) return ENT_ECORRUPT;
    return ends_well(t, &b) ? ENT_OK : ENT_ECORRUPT;
}

/* To words with the fast decoders; everything else is left to the caller's two steps. */
static ent_status decode_words(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    (void)work;
    const tiered_table *t = decoder;
    tiered_block b;
    ent_join j = *join;
    uint8_t last[TIERED_GROUP];
    size_t groups = fast_groups(n), i = groups * TIERED_GROUP;
    if (!ent_join_form_of(join) || !groups) return ENT_EUNSUPPORTED;
    if (!open_block(spec, t, in, n, &b)) return ENT_ECORRUPT;
    j.stream &= (uintptr_t)words % 64 == 0;
    if (!decode_fast(t, &b, &j, words, groups)) return ENT_ECORRUPT;
    if (i < n && !ent_tiered_decode_group(t, &b, last, n - i)) return ENT_ECORRUPT;
    ent_join_symbols(ent_join_form_of(join), join, last, i, n - i, words);
    return ends_well(t, &b) ? ENT_OK : ENT_ECORRUPT;
}

const ent_coder ent_coder_tiered = {
    .name = "tiered",
    .brief = "bit planes in tiers, 64 symbols at once",
    .cite = "",
    .id = 7,
    .max_alphabet = 256,
    .param = { { "tiers", "most tiers: more cost speed, fewer cost bits", 1, TIERED_TIERS, TIERED_TIERS } },
    .ops = { .lookups = 1, .multiplies = 0.4, .simple = 8, .branches = 0.1, .chain = 0.1, .lanes = TIERED_GROUP,
            .vector32 = { 1.38, 3.29, 0, 0 }, .vector64 = { 0.33, 1.89, 0, 0 } },
    .table_size = table_size,
    .train = train,
    .write_table = write_table,
    .read_table = read_table,
    .price = price,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .bound = bound,
    .encode_work = encode_work,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
