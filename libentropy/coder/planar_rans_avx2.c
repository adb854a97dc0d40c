/* planar_rans_avx2.c - the loops of planar-rans with AVX2: whole states, in 32 bits to decode, in 16 to encode.
 *
 * Look-ups by byte permutes, which the format is made for, would take 16 of them a table here; one
 * gather brings symbol, frequency and rank instead.  An entry's two lowest bytes are frequency and
 * rank, so that VPMADDUBSW with a state's Q and a one gives frequency * Q + rank.  Bytes reach the
 * lanes that lack one by a permutation out of a table.
 *
 * Words are joined piece by piece, from the first-level cache. */
#include "coder/planar_rans.h"

#if defined __x86_64__
#include "coder/avx2.h"

enum { LANES = 8, VECTORS = PLANAR_LANES / LANES, PIECE = 4096 };

/* Tables with a row for each set of 8 lanes. */
#define ROW(f, s) { f(s, 0), f(s, 1), f(s, 2), f(s, 3), f(s, 4), f(s, 5), f(s, 6), f(s, 7) }
#define ROWS4(f, s) ROW(f, s), ROW(f, (s) + 1), ROW(f, (s) + 2), ROW(f, (s) + 3)
#define ROWS16(f, s) ROWS4(f, s), ROWS4(f, (s) + 4), ROWS4(f, (s) + 8), ROWS4(f, (s) + 12)
#define ROWS64(f, s) ROWS16(f, s), ROWS16(f, (s) + 16), ROWS16(f, (s) + 32), ROWS16(f, (s) + 48)
#define ROWS(f) { ROWS64(f, 0), ROWS64(f, 64), ROWS64(f, 128), ROWS64(f, 192) }

/* Lanes of the set from the lowest to l. */
#define COUNT(set, l) __builtin_popcount((unsigned)(set) & ((2u << (l)) - 1))

/* ---- decoding --------------------------------------------------------------------------------- */

/* For each set of lanes that lack a byte, a byte permutation of the next eight: lane l takes number
 * "lanes below l in the set", all else is zero. */
#define TAKEN(set, l) 0x80808000u + ((set) >> (l) & 1 ? (unsigned)COUNT(set, l) - 1 : 128u)
_Alignas(32) static const uint32_t to_lanes[256][LANES] = ROWS(TAKEN);

/* One step of 8 lanes: gives their entries and moves `in` on. */
ENT_AVX2_INLINE __m256i decode_step(const uint32_t packed[PLANAR_SLOTS], __m256i *x, const uint8_t **in)
{
    const __m256i one = _mm256_set1_epi32(1 << 8), eight = _mm256_set1_epi32(8);
    __m256i entry = ent_gather256(packed, _mm256_and_si256(*x, _mm256_set1_epi32(255)));
    __m256i v = _mm256_maddubs_epi16(_mm256_or_si256(_mm256_srli_epi32(*x, 8), one), entry);
    __m256i low = _mm256_cmpgt_epi32(one, v);
    unsigned set = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(low));
    __m256i next = _mm256_broadcastq_epi64(_mm_loadl_epi64((const void *)*in));
    next = _mm256_shuffle_epi8(next, _mm256_load_si256((const void *)to_lanes[set]));
    *x = _mm256_or_si256(_mm256_sllv_epi32(v, _mm256_and_si256(low, eight)), next);
    *in += __builtin_popcount(set);
    return _mm256_srli_epi32(entry, 16);
}

/* One step of one group. */
ENT_AVX2_INLINE const uint8_t *decode_group(const uint32_t packed[PLANAR_SLOTS], __m256i x[VECTORS], const uint8_t *in,
                                            uint8_t *out)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
#pragma GCC unroll 2
    for (unsigned h = 0; h < VECTORS; h += 4) {
        __m256i e[4];
#pragma GCC unroll 4
        for (unsigned k = 0; k < 4; k++) e[k] = decode_step(packed, &x[h + k], &in);
        __m256i words = _mm256_packus_epi32(e[0], e[1]), words2 = _mm256_packus_epi32(e[2], e[3]);
        __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words, words2), order);
        _mm256_storeu_si256((void *)(out + LANES * h), bytes);
    }
    return in;
}

typedef struct lanes {
    __m256i x[PLANAR_GROUPS * VECTORS];
} lanes;

ENT_AVX2 static void load_states(const planar_block *b, lanes *l)
{
    for (unsigned i = 0; i < b->groups * VECTORS; i++) {
        __m256i q = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(b->q + LANES * i)));
        __m256i s = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(b->s + LANES * i)));
        l->x[i] = _mm256_or_si256(_mm256_slli_epi32(q, 8), s);
    }
}

ENT_AVX2 static void store_states(const lanes *l, planar_block *b)
{
    for (unsigned i = 0; i < b->groups * VECTORS; i++) {
        uint32_t x[LANES];
        _mm256_storeu_si256((void *)x, l->x[i]);
        for (unsigned k = 0; k < LANES; k++) {
            b->q[LANES * i + k] = (uint8_t)(x[k] >> 8);
            b->s[LANES * i + k] = (uint8_t)x[k];
        }
    }
}

ENT_AVX2 static bool decode_rounds(const planar_decoder *d, planar_block *b, lanes *l, size_t rounds, uint8_t *out)
{
    const unsigned groups = b->groups;
    for (size_t r = 0; r < rounds; r++)
        for (unsigned g = 0; g < groups; g++, out += PLANAR_LANES) {
            b->at[g] = decode_group(d->packed, l->x + g * VECTORS, b->at[g], out);
            if (b->at[g] > b->end[g]) return false;
        }
    return true;
}

ENT_AVX2 bool ent_planar_decode_avx2(const planar_decoder *d, planar_block *b, uint8_t *symbols)
{
    const size_t states = (size_t)b->groups * PLANAR_LANES;
    lanes l;
    load_states(b, &l);
    bool good = true;
    for (size_t done = 0, rounds; good && done < b->rounds; done += rounds) {
        rounds = ent_planar_alike(&b->classes, done, b->rounds, b->groups);
        good = decode_rounds(d + ent_planar_class(&b->classes, done * states), b, &l, rounds, symbols + done * states);
    }
    store_states(&l, b);
    if (good) ent_planar_repair(&b->repairs, symbols, 0, b->rounds * states);
    return good;
}

/* A piece to words; reads and writes nothing beyond its n. */
ENT_AVX2_INLINE void join_piece(const ent_join *join, ent_join_form form, const uint8_t *symbols, size_t first,
                                size_t n, uint8_t *words)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        ent_join_group256(form, join, ent_load256(symbols + i), ent_load256(symbols + i + ENT_AVX2_LANES), first + i,
                          words);
    ent_join_symbols(form, join, symbols + i, first + i, n - i, words);
}

ENT_AVX2 bool ent_planar_decode_words_avx2(const planar_decoder *d, planar_block *b, const ent_join *join,
                                           ent_join_form form, uint8_t *words, size_t n)
{
    _Alignas(32) uint8_t piece[PIECE];
    const size_t states = (size_t)b->groups * PLANAR_LANES, most = PIECE / states;
    lanes l;
    load_states(b, &l);
    size_t first = 0;
    for (size_t done = 0, rounds; done < b->rounds; done += rounds) {
        rounds = ent_planar_alike(&b->classes, done, b->rounds, b->groups);
        rounds = rounds < most ? rounds : most;
        if (!decode_rounds(d + ent_planar_class(&b->classes, first), b, &l, rounds, piece)) return false;
        ent_planar_repair(&b->repairs, piece, first, first + rounds * states);
        join_piece(join, form, piece, first, rounds * states, words);
        first += rounds * states;
    }
    store_states(&l, b);
    join_piece(join, form, b->s, first, n - first, words);
    if (join->stream) _mm_sfence();
    return true;
}

/* ---- encoding --------------------------------------------------------------------------------- */

/* For each set of lanes whose lower byte leaves, a byte permutation that brings these together at the
 * end of eight, in order; what is before them does not matter. */
#define BEFORE(set, l, i) (COUNT(set, l) <= (i) - (LANES - COUNT(set, 7)))
#define LEAVING(s, i) \
    (BEFORE(s, 0, i) + BEFORE(s, 1, i) + BEFORE(s, 2, i) + BEFORE(s, 3, i) + BEFORE(s, 4, i) + BEFORE(s, 5, i) + \
     BEFORE(s, 6, i) + BEFORE(s, 7, i))
static const uint8_t from_lanes[256][LANES] = ROWS(LEAVING);

/* One step of 16 lanes; `stays` where no byte leaves, `entries` their frequencies and flags. */
ENT_AVX2_INLINE void encode_step(const planar_encoder *e, __m256i *x, __m256i symbols, __m256i *stays, __m256i *entries)
{
    const __m256i even = _mm256_set1_epi32(0xFFFF), low = _mm256_set1_epi16(255);
    __m256i a = ent_gather256(e->packed, _mm256_and_si256(symbols, even));
    __m256i b = ent_gather256(e->packed, _mm256_srli_epi32(symbols, 16));
    *entries = _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xAA);
    __m256i reciprocal = _mm256_blend_epi16(_mm256_srli_epi32(a, 16), b, 0xAA);
    __m256i f = _mm256_and_si256(*entries, _mm256_set1_epi16(PLANAR_MISSING - 1)), high = _mm256_srli_epi16(*x, 8);
    *stays = _mm256_cmpgt_epi16(f, high);
    __m256i y = _mm256_blendv_epi8(high, *x, *stays);
    /* as in planar_rans_avx512.c */
    __m256i q = _mm256_mulhi_epu16(_mm256_sub_epi16(y, _mm256_set1_epi16(-1)), reciprocal);
    __m256i rank = _mm256_sub_epi16(y, _mm256_mullo_epi16(q, f)), over = _mm256_srai_epi16(rank, 15);
    rank = _mm256_add_epi16(rank, _mm256_and_si256(over, f));
    q = _mm256_add_epi16(q, over);
    __m256i place = _mm256_add_epi16(rank, _mm256_srli_epi16(*entries, 8));
    a = ent_gather_bytes256(e->slot, _mm256_and_si256(place, even));
    b = ent_gather_bytes256(e->slot, _mm256_srli_epi32(place, 16));
    __m256i slot = _mm256_and_si256(_mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xAA), low);
    *x = _mm256_or_si256(_mm256_slli_epi16(q, 8), slot);
}

/* The lower bytes of 32 states but of those that stay, to below `out`; gives the new end. */
ENT_AVX2_INLINE uint8_t *put_bytes(__m256i x0, __m256i x1, __m256i stays0, __m256i stays1, uint8_t *out)
{
    enum { ORDER = 0xD8 };
    const __m256i low = _mm256_set1_epi16(255);
    _Alignas(32) uint8_t byte[32];
    __m256i bytes = _mm256_packus_epi16(_mm256_and_si256(x0, low), _mm256_and_si256(x1, low));
    _mm256_store_si256((void *)byte, _mm256_permute4x64_epi64(bytes, ORDER));
    __m256i stays = _mm256_permute4x64_epi64(_mm256_packs_epi16(stays0, stays1), ORDER);
    uint32_t leaves = ~(uint32_t)_mm256_movemask_epi8(stays);
#pragma GCC unroll 4
    for (unsigned k = 32; k > 0; leaves <<= 8) {
        k -= LANES;
        __m128i order = _mm_loadl_epi64((const void *)from_lanes[leaves >> 24]);
        __m128i together = _mm_shuffle_epi8(_mm_loadl_epi64((const void *)(byte + k)), order);
        _mm_storel_epi64((void *)(out - LANES), together);
        out -= __builtin_popcount(leaves >> 24);
    }
    return out;
}

static uint64_t missing_of(const planar_encoder *e, const uint8_t symbols[PLANAR_LANES])
{
    uint64_t missing = 0;
    for (unsigned l = PLANAR_LANES; l-- > 0;) missing = missing << 1 | e->frequency[symbols[l]] >> 7;
    return missing;
}

enum { PARTS = PLANAR_LANES / 16 }; /* registers of 16 lanes a group */

/* One step of one group; gives the symbols that are left out. */
ENT_AVX2_INLINE uint64_t encode_group(const planar_encoder *e, __m256i x[PARTS], uint8_t **out, const uint8_t *symbols)
{
    __m256i any = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (unsigned h = PARTS; h > 0;) {
        h -= 2;
        __m256i before0 = x[h], before1 = x[h + 1], stays[2], entries[2];
#pragma GCC unroll 2
        for (unsigned k = 0; k < 2; k++) {
            __m256i s = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(symbols + 16 * (h + k))));
            encode_step(e, &x[h + k], s, &stays[k], &entries[k]);
            any = _mm256_or_si256(any, entries[k]);
        }
        *out = put_bytes(before0, before1, stays[0], stays[1], *out);
    }
    bool none = _mm256_testz_si256(any, _mm256_set1_epi16(PLANAR_MISSING));
    return __builtin_expect(none, 1) ? 0 : missing_of(e, symbols);
}

ENT_AVX2 void ent_planar_encode_avx2(const planar_encoder *e, planar_job *job, const uint8_t *symbols)
{
    __m256i x[PLANAR_GROUPS * PARTS];
    const unsigned groups = job->groups;
    for (unsigned i = 0; i < groups * PARTS; i++) {
        __m256i q = _mm256_cvtepu8_epi16(_mm_load_si128((const void *)(job->q + 16 * i)));
        x[i] = _mm256_or_si256(_mm256_slli_epi16(q, 8),
                               _mm256_cvtepu8_epi16(_mm_load_si128((const void *)(job->s + 16 * i))));
    }
    for (size_t i = job->rounds * groups; i-- > 0;) {
        size_t g = i % groups;
        const planar_encoder *t = e + ent_planar_class(&job->classes, i * PLANAR_LANES);
        job->missing[i] = encode_group(t, x + g * PARTS, &job->at[g], symbols + i * PLANAR_LANES);
    }
    for (unsigned i = 0; i < groups * PARTS; i++) {
        uint16_t state[16];
        _mm256_storeu_si256((void *)state, x[i]);
        for (unsigned l = 0; l < 16; l++) {
            job->q[16 * i + l] = (uint8_t)(state[l] >> 8);
            job->s[16 * i + l] = (uint8_t)state[l];
        }
    }
}
#endif
