/* planar_rans_avx2.c - the decoding loop of planar-rans with AVX2: 8 lanes a register, whole states in 32 bits.
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

/* For each set of lanes that lack a byte, a byte permutation of the next eight: lane l takes number
 * "lanes below l in the set", all else is zero. */
#define LANE(set, l) \
    0x80808000u + ((set) >> (l) & 1 ? (unsigned)__builtin_popcount((set) & ((1u << (l)) - 1)) : 128u)
#define ROW(s) { LANE(s, 0), LANE(s, 1), LANE(s, 2), LANE(s, 3), LANE(s, 4), LANE(s, 5), LANE(s, 6), LANE(s, 7) }
#define ROWS4(s) ROW(s), ROW((s) + 1), ROW((s) + 2), ROW((s) + 3)
#define ROWS16(s) ROWS4(s), ROWS4((s) + 4), ROWS4((s) + 8), ROWS4((s) + 12)
#define ROWS64(s) ROWS16(s), ROWS16((s) + 16), ROWS16((s) + 32), ROWS16((s) + 48)
_Alignas(32) static const uint32_t to_lanes[256][LANES] = { ROWS64(0), ROWS64(64), ROWS64(128), ROWS64(192) };

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
    lanes l;
    load_states(b, &l);
    bool good = decode_rounds(d, b, &l, b->rounds, symbols);
    store_states(&l, b);
    if (good) ent_planar_repair(&b->repairs, symbols, 0, b->rounds * b->groups * PLANAR_LANES);
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
    for (size_t left = b->rounds, rounds; left; left -= rounds) {
        rounds = left < most ? left : most;
        if (!decode_rounds(d, b, &l, rounds, piece)) return false;
        ent_planar_repair(&b->repairs, piece, first, first + rounds * states);
        join_piece(join, form, piece, first, rounds * states, words);
        first += rounds * states;
    }
    store_states(&l, b);
    join_piece(join, form, b->s, first, n - first, words);
    if (join->stream) _mm_sfence();
    return true;
}
#endif
