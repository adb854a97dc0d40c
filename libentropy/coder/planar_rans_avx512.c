/* planar_rans_avx512.c - the loops of planar-rans with AVX-512 VBMI2: 64 lanes a step.
 *
 * 16-bit products of byte planes are made for the even and for the odd lanes, with the neighbouring
 * byte as the addend of VPMADDUBSW, so that no plane is ever unpacked: on Intel every shuffle goes
 * through one port, and the look-ups fill it already.
 *
 * Decoding to words works on pieces: while a piece is decoded, the one before, repaired, is joined
 * to words in the same loop, so that arithmetic and memory traffic overlap.  In every block the
 * first piece is decoded and the last one joined alone, so pieces are short: of blocks of 32768
 * weights in memory, those of 8192 symbols took 14 % longer; in the first cache 512 were no better.
 *
 * What bounds it on a Sapphire Rapids class core: a step of 64 lanes, joined to BF16, is 40 operations
 * on two vector ports (VPERMI2B is three, two of them on the one port for shuffles, which has 16 of the
 * 40), 20 cycles; measured are 22 with four groups and 25 with two.  Two groups also wait for the chain
 * from state to state: look-up 6, frequency 3, product 6, selections 3, mask and expansion 11, in all
 * 29 cycles beside the 40 of both.  Not done: VPERMB under masks in place of VPERMI2B, which saves 3 of
 * the 40 and costs 5 where VPERMI2B is one operation (Zen 4). */
#include "coder/planar_rans.h"

#if defined __x86_64__
#include "coder/avx512.h"

enum { PIECE = 2048 }; /* symbols */

typedef struct lookup { /* 256 bytes */
    __m512i part[4];
} lookup;

ENT_AVX512_INLINE lookup lookup_load(const uint8_t table[256])
{
    lookup t;
    for (int i = 0; i < 4; i++) t.part[i] = _mm512_load_si512(table + 64 * i);
    return t;
}

ENT_AVX512_INLINE __m512i look_up(const lookup *t, __m512i index, __mmask64 high)
{
    __m512i a = _mm512_permutex2var_epi8(t->part[0], index, t->part[1]);
    __m512i b = _mm512_permutex2var_epi8(t->part[2], index, t->part[3]);
    return _mm512_mask_blend_epi8(high, a, b);
}

/* ---- decoding ------------------------------------------------------------------------------- */

typedef struct decode_tables {
    lookup symbol, rank, frequency;
    __m512i by_symbol;
} decode_tables;

/* One step of one group; gives the symbols. */
ENT_AVX512_INLINE __m512i decode_step(const decode_tables *t, __m512i *q, __m512i *s, const uint8_t **in, bool narrow)
{
    const __m512i even = _mm512_set1_epi16(0x00FF), one = _mm512_set1_epi8(1);
    __mmask64 high = _mm512_movepi8_mask(*s);
    __m512i symbol = look_up(&t->symbol, *s, high), r = look_up(&t->rank, *s, high);
    __m512i f = narrow ? _mm512_permutexvar_epi8(symbol, t->by_symbol) : look_up(&t->frequency, *s, high);
    __m512i swapped = _mm512_shldi_epi16(r, r, 8); /* ranks beside the frequencies of their lanes */
    __m512i v_even = _mm512_maddubs_epi16(ent_select(even, *q, one), ent_select(even, f, swapped));
    __m512i v_odd = _mm512_maddubs_epi16(ent_select(even, one, *q), ent_select(even, swapped, f));
    __m512i s_next = ent_select(even, v_even, _mm512_slli_epi16(v_odd, 8));
    __m512i q_next = ent_select(even, _mm512_srli_epi16(v_even, 8), v_odd);
    __mmask64 low = _mm512_testn_epi8_mask(q_next, q_next);
    *s = _mm512_mask_expandloadu_epi8(s_next, low, *in);
    *q = _mm512_mask_mov_epi8(q_next, low, s_next);
    *in += _mm_popcnt_u64(low);
    return symbol;
}

typedef struct join_job { /* a finished piece on its way to words */
    ent_join join;
    ent_join_form form;
    const uint8_t *symbols;
    size_t first; /* the number of the first symbol */
    uint8_t *words;
} join_job;

ENT_AVX512_INLINE void join_step(const join_job *j, size_t i)
{
    ent_join_group512(j->form, &j->join, _mm512_load_si512(j->symbols + i), j->first + i, j->words);
}

/* Decodes `rounds` rounds to `out` and joins as many symbols of the piece before. */
ENT_AVX512_INLINE bool decode_rounds(const planar_decoder *d, planar_block *b, size_t rounds, uint8_t *out,
                                     const join_job *join, unsigned groups, bool narrow)
{
    decode_tables t = { .symbol = lookup_load(d->symbol), .rank = lookup_load(d->rank),
                        .frequency = lookup_load(d->frequency), .by_symbol = _mm512_load_si512(d->by_symbol) };
    __m512i q[PLANAR_GROUPS], s[PLANAR_GROUPS];
    const uint8_t *in[PLANAR_GROUPS];
    bool good = true;
#pragma GCC unroll 4
    for (unsigned g = 0; g < groups; g++) {
        q[g] = _mm512_load_si512(b->q + 64 * g);
        s[g] = _mm512_load_si512(b->s + 64 * g);
        in[g] = b->at[g];
    }
    for (size_t i = 0; good && i < rounds * groups * 64; i += groups * 64) {
#pragma GCC unroll 4
        for (unsigned g = 0; g < groups; g++) {
            _mm512_storeu_si512(out + i + 64 * g, decode_step(&t, &q[g], &s[g], &in[g], narrow));
            if (join) join_step(join, i + 64 * g);
        }
#pragma GCC unroll 4
        for (unsigned g = 0; g < groups; g++) good &= in[g] <= b->end[g];
    }
#pragma GCC unroll 4
    for (unsigned g = 0; g < groups; g++) {
        _mm512_store_si512(b->q + 64 * g, q[g]);
        _mm512_store_si512(b->s + 64 * g, s[g]);
        b->at[g] = in[g];
    }
    return good;
}

/* The same with all that is constant in a block made constant for the compiler. */
#define VARIANT(name, groups, narrow) \
    ENT_AVX512 static bool name##_bytes(const planar_decoder *d, planar_block *b, size_t rounds, uint8_t *out, \
                                        const join_job *j) \
    { \
        (void)j; \
        return decode_rounds(d, b, rounds, out, NULL, groups, narrow); \
    } \
    ENT_AVX512 static bool name##_words(const planar_decoder *d, planar_block *b, size_t rounds, uint8_t *out, \
                                        const join_job *j) \
    { \
        join_job k = *j; \
        if (k.form == ENT_JOIN_CODE && k.join.shift == 4 && !k.join.stream) { \
            k.form = ENT_JOIN_CODE; \
            k.join.shift = 4; \
            k.join.stream = false; \
            return decode_rounds(d, b, rounds, out, &k, groups, narrow); \
        } \
        if (k.form != ENT_JOIN_BF16) return decode_rounds(d, b, rounds, out, &k, groups, narrow); \
        k.form = ENT_JOIN_BF16; \
        k.join.stream = true; \
        if (j->join.stream) return decode_rounds(d, b, rounds, out, &k, groups, narrow); \
        k.join.stream = false; \
        return decode_rounds(d, b, rounds, out, &k, groups, narrow); \
    }
VARIANT(wide1, 1, false)
VARIANT(wide2, 2, false)
VARIANT(wide4, 4, false)
VARIANT(narrow1, 1, true)
VARIANT(narrow2, 2, true)
VARIANT(narrow4, 4, true)

typedef bool decode_variant(const planar_decoder *d, planar_block *b, size_t rounds, uint8_t *out, const join_job *j);

static decode_variant *variant(const planar_decoder *d, const planar_block *b, bool words)
{
    static decode_variant *const variants[2][3][2] = {
        { { wide1_bytes, wide1_words }, { wide2_bytes, wide2_words }, { wide4_bytes, wide4_words } },
        { { narrow1_bytes, narrow1_words }, { narrow2_bytes, narrow2_words }, { narrow4_bytes, narrow4_words } },
    };
    return variants[d->narrow][b->groups / 2][words];
}

static const planar_decoder *table_at(const planar_decoder *d, const planar_block *b, size_t round)
{
    return d + ent_planar_class(&b->classes, round * b->groups * PLANAR_LANES);
}

/* Rounds that are decoded at once: none has more than the first. */
static size_t piece_rounds(const planar_block *b, size_t done)
{
    size_t most = PIECE / (PLANAR_LANES * b->groups), alike = ent_planar_alike(&b->classes, done, b->rounds, b->groups);
    return alike < most ? alike : most;
}

bool ent_planar_decode_avx512(const planar_decoder *d, planar_block *b, uint8_t *symbols)
{
    size_t lanes = (size_t)b->groups * PLANAR_LANES;
    for (size_t done = 0, rounds; done < b->rounds; done += rounds) {
        const planar_decoder *t = table_at(d, b, done);
        rounds = ent_planar_alike(&b->classes, done, b->rounds, b->groups);
        if (!variant(t, b, false)(t, b, rounds, symbols + done * lanes, NULL)) return false;
    }
    ent_planar_repair(&b->repairs, symbols, 0, b->rounds * lanes);
    return true;
}

/* The symbols of the piece from `from` on to words; reads and writes nothing beyond its n. */
ENT_AVX512 static void join_all(const join_job *j, size_t from, size_t n)
{
    size_t i = from;
    for (; i + 64 <= n; i += 64) join_step(j, i);
    ent_join_symbols(j->form, &j->join, j->symbols + i, j->first + i, n - i, j->words);
    if (j->join.stream) _mm_sfence();
}

bool ent_planar_decode_words_avx512(const planar_decoder *d, planar_block *b, const ent_join *join, ent_join_form form,
                                    uint8_t *words, size_t n)
{
    _Alignas(64) uint8_t buffer[2][PIECE];
    uint8_t *now = buffer[0], *before = buffer[1];
    size_t lanes = (size_t)b->groups * PLANAR_LANES, held = 0; /* symbols of the piece before */
    join_job job = { *join, form, before, 0, words };
    for (size_t done = 0; done < b->rounds;) {
        const planar_decoder *t = table_at(d, b, done);
        size_t rounds = piece_rounds(b, done), m = rounds * lanes;
        if (!variant(t, b, held)(t, b, rounds, now, &job)) return false;
        if (m < held) join_all(&job, m, held);
        ent_planar_repair(&b->repairs, now, done * lanes, done * lanes + m);
        job.first += held;
        held = m;
        done += rounds;
        uint8_t *swap = now;
        now = before;
        job.symbols = before = swap;
    }
    join_all(&job, 0, held);
    job.first += held;
    job.symbols = b->s;
    join_all(&job, 0, n - job.first);
    return true;
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* One step of one group, the mirror image; returns the lanes whose symbols are left out. */
ENT_AVX512_INLINE uint64_t encode_step(const planar_encoder *e, __m512i *q, __m512i *s, uint8_t **out, __m512i symbols)
{
    const __m512i even = _mm512_set1_epi16(0x00FF), one = _mm512_set1_epi16(1);
    const lookup frequency = lookup_load(e->frequency), first = lookup_load(e->first), slot = lookup_load(e->slot);
    const lookup low = lookup_load(e->reciprocal_low), high = lookup_load(e->reciprocal_high);
    __mmask64 upper = _mm512_movepi8_mask(symbols);
    __m512i f = look_up(&frequency, symbols, upper);
    __mmask64 missing = _mm512_movepi8_mask(f);
    f = _mm512_and_si512(f, _mm512_set1_epi8(PLANAR_MISSING - 1));
    /* where x >= 256 f, that is Q >= f: the lower byte leaves */
    __mmask64 full = _mm512_cmpge_epu8_mask(*q, f);
    unsigned bytes = (unsigned)_mm_popcnt_u64(full);
    *out -= bytes;
    _mm512_mask_storeu_epi8(*out, _bzhi_u64(~0ull, bytes), _mm512_maskz_compress_epi8(full, *s));
    __m512i x_low = _mm512_mask_mov_epi8(*s, full, *q), x_high = _mm512_maskz_mov_epi8(_knot_mask64(full), *q);
    /* x / f = (x + 1) * ceil(65536 / f) >> 16, or one too much, which the remainder's sign tells */
    __m512i r_low = look_up(&low, symbols, upper), r_high = look_up(&high, symbols, upper);
    __m512i x_even = ent_select(even, x_low, _mm512_slli_epi16(x_high, 8));
    __m512i x_odd = ent_select(even, _mm512_srli_epi16(x_low, 8), x_high);
    __m512i r_even = ent_select(even, r_low, _mm512_slli_epi16(r_high, 8));
    __m512i r_odd = ent_select(even, _mm512_srli_epi16(r_low, 8), r_high);
    __m512i q_even = _mm512_mulhi_epu16(_mm512_add_epi16(x_even, one), r_even);
    __m512i q_odd = _mm512_mulhi_epu16(_mm512_add_epi16(x_odd, one), r_odd);
    __m512i p_even = _mm512_mullo_epi16(q_even, _mm512_and_si512(f, even));
    __m512i p_odd = _mm512_mullo_epi16(q_odd, _mm512_srli_epi16(f, 8));
    __m512i quotient = ent_select(even, q_even, _mm512_slli_epi16(q_odd, 8));
    __m512i rank = _mm512_sub_epi8(x_low, ent_select(even, p_even, _mm512_slli_epi16(p_odd, 8)));
    __mmask64 over = _mm512_movepi8_mask(rank);
    rank = _mm512_mask_add_epi8(rank, over, rank, f);
    *q = _mm512_mask_sub_epi8(quotient, over, quotient, _mm512_set1_epi8(1));
    __m512i place = _mm512_add_epi8(rank, look_up(&first, symbols, upper));
    *s = look_up(&slot, place, _mm512_movepi8_mask(place));
    return missing;
}

/* Rounds from `first` up to `end`, the last one first. */
ENT_AVX512_INLINE void encode_rounds(const planar_encoder *e, planar_job *job, const uint8_t *symbols, size_t first,
                                     size_t end, unsigned groups)
{
    __m512i q[PLANAR_GROUPS], s[PLANAR_GROUPS];
    uint8_t *out[PLANAR_GROUPS];
#pragma GCC unroll 4
    for (unsigned g = 0; g < groups; g++) {
        q[g] = _mm512_load_si512(job->q + 64 * g);
        s[g] = _mm512_load_si512(job->s + 64 * g);
        out[g] = job->at[g];
    }
    for (size_t r = end; r-- > first;)
#pragma GCC unroll 4
        for (unsigned g = 0; g < groups; g++) {
            size_t i = r * groups + g;
            job->missing[i] = encode_step(e, &q[g], &s[g], &out[g], _mm512_loadu_si512(symbols + 64 * i));
        }
#pragma GCC unroll 4
    for (unsigned g = 0; g < groups; g++) {
        _mm512_store_si512(job->q + 64 * g, q[g]);
        _mm512_store_si512(job->s + 64 * g, s[g]);
        job->at[g] = out[g];
    }
}

ENT_AVX512 static void encode_alike(const planar_encoder *e, planar_job *job, const uint8_t *symbols, size_t first,
                                    size_t end)
{
    if (job->groups == 4)
        encode_rounds(e, job, symbols, first, end, 4);
    else if (job->groups == 2)
        encode_rounds(e, job, symbols, first, end, 2);
    else
        encode_rounds(e, job, symbols, first, end, 1);
}

void ent_planar_encode_avx512(const planar_encoder *e, planar_job *job, const uint8_t *symbols)
{
    for (size_t end = job->rounds, first; end > 0; end = first) {
        first = ent_planar_alike_from(&job->classes, end, job->groups);
        encode_alike(e + ent_planar_class(&job->classes, first * job->groups * PLANAR_LANES), job, symbols, first, end);
    }
}
#endif
