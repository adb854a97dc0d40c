/* rans_avx2.c - the loops of rans's narrow form with AVX2: 8 states a register.
 *
 * Words reach the states that lack one by a permutation out of a table (Giesen 2014).  VPMULLD is the right one here:
 * two widening multiplications are sooner done, but vector ports are what AVX2 lacks most. */
#include "coder/rans.h"

#if defined __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

enum { LANES = 8, GROUPS_MOST = RANS_STATES_MOST / LANES };

/* For each set of lanes that lack a word, a byte permutation of the next eight words: lane l takes
 * number "lanes below l in the set", the others zero. */
#define PAIR(set, l) \
    (set) >> (l) & 1 ? 2 * __builtin_popcount((set) & ((1u << (l)) - 1)) : 128, \
    (set) >> (l) & 1 ? 2 * __builtin_popcount((set) & ((1u << (l)) - 1)) + 1 : 128
#define ROW(s) { PAIR(s, 0), PAIR(s, 1), PAIR(s, 2), PAIR(s, 3), PAIR(s, 4), PAIR(s, 5), PAIR(s, 6), PAIR(s, 7) }
#define ROWS4(s) ROW(s), ROW((s) + 1), ROW((s) + 2), ROW((s) + 3)
#define ROWS16(s) ROWS4(s), ROWS4((s) + 4), ROWS4((s) + 8), ROWS4((s) + 12)
#define ROWS64(s) ROWS16(s), ROWS16((s) + 16), ROWS16((s) + 32), ROWS16((s) + 48)
static const uint8_t to_lanes[256][2 * LANES] = { ROWS64(0), ROWS64(64), ROWS64(128), ROWS64(192) };

AVX2_INLINE __m256i gather(const void *from, __m256i index, const int scale)
{
    const __m256i zero = _mm256_setzero_si256(), all = _mm256_set1_epi32(-1); /* waits for no old value */
    return scale == 8   ? _mm256_mask_i32gather_epi32(zero, from, index, all, 8)
           : scale == 4 ? _mm256_mask_i32gather_epi32(zero, from, index, all, 4)
           : scale == 2 ? _mm256_mask_i32gather_epi32(zero, from, index, all, 2)
                        : _mm256_mask_i32gather_epi32(zero, from, index, all, 1);
}

/* One step of 8 states: stores their symbols and returns how many words they took. */
AVX2_INLINE size_t decode_step(const rans_direct *d, bool packed, uint32_t width, uint32_t log, const uint8_t *p,
                               __m256i *x, uint8_t *out)
{
    const unsigned freq_bits = rans_freq_bits(packed);
    const __m256i freq_mask = _mm256_set1_epi32((1 << freq_bits) - 1);
    const __m128i by_log = _mm_cvtsi32_si128((int)log);
    __m256i slot = _mm256_and_si256(*x, _mm256_set1_epi32((1 << log) - 1));
    __m256i entry = gather(d->slot, slot, 4);
    __m256i q = _mm256_srl_epi32(*x, by_log), offset = _mm256_srli_epi32(entry, (int)freq_bits);
    if (packed) offset = _mm256_and_si256(offset, freq_mask);
    __m256i freq = _mm256_and_si256(entry, freq_mask);
    __m256i v = _mm256_add_epi32(_mm256_mullo_epi32(freq, q), offset);
    __m256i lacking = _mm256_cmpeq_epi32(_mm256_srli_epi32(v, 16), _mm256_setzero_si256());
    unsigned set = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(lacking));
    __m128i order = _mm_loadu_si128((const void *)to_lanes[set]);
    __m256i words = _mm256_cvtepu16_epi32(_mm_shuffle_epi8(_mm_loadu_si128((const void *)p), order));
    *x = _mm256_or_si256(_mm256_sllv_epi32(v, _mm256_and_si256(lacking, _mm256_set1_epi32(16))), words);

    if (width == 1) {
        const int byte = packed ? 3 : 0; /* of a lane's four */
        const __m128i pick4 = _mm_cvtsi32_si128(byte | (4 + byte) << 8 | (8 + byte) << 16 | (12 + byte) << 24);
        const __m256i pick = _mm256_broadcastsi128_si256(pick4), halves = _mm256_setr_epi32(0, 4, 0, 0, 0, 0, 0, 0);
        __m256i symbols = packed ? entry : gather(d->slot + ((size_t)1 << log), slot, 1);
        symbols = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(symbols, pick), halves);
        _mm_storel_epi64((void *)out, _mm256_castsi256_si128(symbols));
    } else {
        const __m256i pick = _mm256_set1_epi64x(0x0D0C090805040100);
        __m256i symbols = _mm256_shuffle_epi8(gather(d->slot + ((size_t)1 << log), slot, 2), pick);
        _mm_storeu_si128((void *)out, _mm256_castsi256_si128(_mm256_permute4x64_epi64(symbols, 0x08)));
    }
    return (size_t)__builtin_popcount(set);
}

AVX2_INLINE size_t decode_rounds(const rans_direct *d, bool packed, uint32_t width, const uint8_t **in,
                                 const uint8_t *end, uint32_t *states, size_t groups, uint8_t *out, size_t n)
{
    const uint32_t log = d->log;
    const uint8_t *p = *in;
    const size_t round = groups * LANES;
    size_t i = 0;
    __m256i x[GROUPS_MOST];
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; g++) x[g] = _mm256_loadu_si256((const void *)(states + g * LANES));
    for (; n - i >= round && (size_t)(end - p) >= 2 * round; i += round) {
#pragma GCC unroll 8
        for (size_t g = 0; g < groups; g++)
            p += 2 * decode_step(d, packed, width, log, p, &x[g], out + width * (i + g * LANES));
    }
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; g++) _mm256_storeu_si256((void *)(states + g * LANES), x[g]);
    *in = p;
    return i;
}

AVX2_INLINE size_t decode_groups(const rans_direct *d, bool packed, uint32_t width, const uint8_t **p,
                                 const uint8_t *end, uint32_t *x, size_t states, void *symbols, size_t n)
{
    switch (states / LANES) {
    case 2: return decode_rounds(d, packed, width, p, end, x, 2, symbols, n);
    case 4: return decode_rounds(d, packed, width, p, end, x, 4, symbols, n);
    case 6: return decode_rounds(d, packed, width, p, end, x, 6, symbols, n);
    default: return decode_rounds(d, packed, width, p, end, x, 8, symbols, n);
    }
}

AVX2 size_t ent_rans_decode_avx2(const rans_direct *d, uint32_t width, const uint8_t **p, const uint8_t *end,
                                 uint32_t *x, size_t states, void *symbols, size_t n)
{
    if (d->packed) return decode_groups(d, true, 1, p, end, x, states, symbols, n);
    if (width == 1) return decode_groups(d, false, 1, p, end, x, states, symbols, n);
    return decode_groups(d, false, 2, p, end, x, states, symbols, n);
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* For each set of lanes that give a word, the lanes of it in order, in the last places. */
#define LAST(set, l, place) ((set) >> (l) & 1 && __builtin_popcount((set) >> (l) >> 1) == LANES - 1 - (place) ? (l) : 0)
#define LANE(s, p) \
    (LAST(s, 1, p) + LAST(s, 2, p) + LAST(s, 3, p) + LAST(s, 4, p) + LAST(s, 5, p) + LAST(s, 6, p) + LAST(s, 7, p))
#undef ROW
#define ROW(s) { LANE(s, 0), LANE(s, 1), LANE(s, 2), LANE(s, 3), LANE(s, 4), LANE(s, 5), LANE(s, 6), LANE(s, 7) }
static const uint8_t from_lanes[256][LANES] = { ROWS64(0), ROWS64(64), ROWS64(128), ROWS64(192) };

/* As in rans_avx512.c; the words are stored to end below `end`, of 16 bytes some that are overwritten later.  Returns
 * how many there are; sets lanes of *missing where a symbol has no code. */
AVX2_INLINE size_t encode_step(const rans_gathered *table, __m256i symbols, uint32_t log, __m256i *x, uint8_t *end,
                               __m256i *missing)
{
    const __m128i by_log = _mm_cvtsi32_si128((int)log), by_room = _mm_cvtsi32_si128(32 - (int)log);
    const __m256i freq_mask = _mm256_set1_epi32(0xFFFF), slots = _mm256_set1_epi32(1 << log);
    __m256i share = gather(&table->share, symbols, 8), reciprocal = gather(&table->reciprocal, symbols, 8);
    __m256i freq = _mm256_and_si256(share, freq_mask), start = _mm256_srli_epi32(share, 16);
    __m256i fits = _mm256_cmpgt_epi32(freq, _mm256_srl_epi32(*x, by_room));
    unsigned gave = 255 ^ (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(fits));
    __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)from_lanes[gave]));
    __m256i words = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(*x, order), _mm256_set1_epi64x(0x0D0C090805040100));
    _mm_storeu_si128((void *)(end - 16), _mm256_castsi256_si128(_mm256_permute4x64_epi64(words, 0x08)));
    *missing = _mm256_or_si256(*missing, _mm256_cmpeq_epi32(share, _mm256_setzero_si256()));

    __m256i v = _mm256_srlv_epi32(*x, _mm256_andnot_si256(fits, _mm256_set1_epi32(16)));
    __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(v, reciprocal), 32);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(v, 32), _mm256_srli_epi64(reciprocal, 32));
    __m256i quotient = _mm256_blend_epi32(even, odd, 0xAA);
    __m256i rest = _mm256_sub_epi32(v, _mm256_mullo_epi32(quotient, freq));
    __m256i one_more = _mm256_andnot_si256(_mm256_cmpgt_epi32(freq, rest), _mm256_sub_epi32(slots, freq));
    __m256i next = _mm256_add_epi32(_mm256_add_epi32(_mm256_sll_epi32(quotient, by_log), start), rest);
    *x = _mm256_add_epi32(next, one_more);
    return (size_t)__builtin_popcount(gave);
}

AVX2_INLINE uint8_t *encode_rounds(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                   const uint8_t *in, size_t n, uint32_t *states, size_t groups, uint8_t *end)
{
    __m256i x[GROUPS_MOST], missing = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; g++) x[g] = _mm256_loadu_si256((const void *)(states + g * LANES));
    for (size_t i = n; i > 0; i -= groups * LANES) {
#pragma GCC unroll 8
        for (size_t k = 0; k < groups; k++) {
            const uint8_t *from = in + width * (i - (k + 1) * LANES);
            __m256i symbols = width == 1
                                  ? _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)from))
                                  : _mm256_min_epu32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from)),
                                                     _mm256_set1_epi32((int)alphabet));
            end -= 2 * encode_step(table, symbols, log, &x[groups - 1 - k], end, &missing);
        }
    }
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; g++) _mm256_storeu_si256((void *)(states + g * LANES), x[g]);
    return _mm256_movemask_epi8(missing) ? NULL : end;
}

AVX2_INLINE uint8_t *encode_groups(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                   const void *symbols, size_t n, uint32_t *x, size_t states, uint8_t *end)
{
    switch (states / LANES) {
    case 2: return encode_rounds(table, alphabet, log, width, symbols, n, x, 2, end);
    case 4: return encode_rounds(table, alphabet, log, width, symbols, n, x, 4, end);
    case 6: return encode_rounds(table, alphabet, log, width, symbols, n, x, 6, end);
    default: return encode_rounds(table, alphabet, log, width, symbols, n, x, 8, end);
    }
}

AVX2 uint8_t *ent_rans_encode_avx2(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                   const void *symbols, size_t n, uint32_t *x, size_t states, uint8_t *end)
{
    if (width == 1) return encode_groups(table, alphabet, log, 1, symbols, n, x, states, end);
    return encode_groups(table, alphabet, log, 2, symbols, n, x, states, end);
}

#endif
