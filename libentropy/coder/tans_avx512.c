/* tans_avx512.c - the loops of tans with AVX-512: 16 states a register.
 *
 * Decoding: all states read one bit string, so each lane needs the sum of the bits of the lanes before it: three
 * shifts and adds in the bytes of eight lanes, one more from half to half.  The 28 bytes at most that 16 symbols take
 * are in one register, from which each lane permutes the four that hold its bits.  Only the position in the bit
 * string goes from one register of states to the next.  Of a register's some 60 cycles (Golden Cove) from state to
 * state the gather takes 30, sum and permutation 25: 3.8 a symbol of 16 states, 1.9 of 32, 0.9 of 64; its operations
 * take 17 cycles of the two vector ports, 1.1 a symbol.
 *
 * Encoding: three gathers of 16 lanes, some 10 cycles each, and 24 operations of the writer a register; the chain from
 * state to state, 32 cycles, is no limit. */
#include "coder/tans.h"

#if defined __x86_64__
#include "base/bits.h"
#include "coder/avx512.h"

enum {
    LANES = TANS_LANES,
    GROUPS_MOST = TANS_STATES_MOST / LANES,
    WINDOW = 32,
    STEP_BYTES = LANES * TANS_BITS_MOST / 8
};
_Static_assert(STEP_BYTES + 4 <= WINDOW, "the bits of a step, from within a byte on");

/* ---- decoding ------------------------------------------------------------------------------- */

/* Of 16 bytes, sums of those up to each; at most 255. */
ENT_AVX512_INLINE __m128i sums(__m128i v)
{
    v = _mm_add_epi8(v, _mm_slli_epi64(v, 8));
    v = _mm_add_epi8(v, _mm_slli_epi64(v, 16));
    v = _mm_add_epi8(v, _mm_slli_epi64(v, 32));
    return _mm_add_epi8(v, _mm_shuffle_epi8(v, _mm_set_epi64x(0x0707070707070707, -1)));
}

ENT_AVX512_INLINE __m512i step(const uint32_t *entries, const uint8_t *in, uint64_t *at, __m512i x, uint8_t *out)
{
    const __m512i first = _mm512_set4_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0);
    __m512i entry = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), _cvtu32_mask16(0xFFFF), x, entries, 4);
    __m512i bits = _mm512_and_si512(entry, _mm512_set1_epi32(31));
    __m128i each = _mm512_cvtepi32_epi8(bits), upto = sums(each);
    __m512i window = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(in + *at / 8)));
    __m512i from = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm_sub_epi8(upto, each)), _mm512_set1_epi32((int)(*at & 7)));
    __m512i bytes = _mm512_add_epi8(_mm512_shuffle_epi8(_mm512_srli_epi32(from, 3), first),
                                    _mm512_set1_epi32(0x03020100));
    __m512i value = _mm512_srlv_epi32(_mm512_permutexvar_epi8(bytes, window),
                                      _mm512_and_si512(from, _mm512_set1_epi32(7)));
    *at += (uint8_t)_mm_extract_epi8(upto, 15);
    _mm_storeu_si128((void *)out, _mm512_cvtepi32_epi8(_mm512_srli_epi32(entry, 8)));
    value = _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), bits), value);
    return _mm512_add_epi32(_mm512_srli_epi32(entry, 16), value);
}

ENT_AVX512_INLINE size_t decode_rounds(const uint32_t *entries, ent_bytes in, uint64_t *at, uint8_t *symbols, size_t n,
                                       uint32_t *state, const size_t groups)
{
    const size_t round = groups * LANES, most = groups * STEP_BYTES + WINDOW;
    uint64_t position = *at;
    __m512i x[GROUPS_MOST];
    size_t i = 0;
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) x[g] = _mm512_loadu_si512(state + g * LANES);
    for (; n - i >= round && position / 8 + most <= in.size; i += round)
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) x[g] = step(entries, in.data, &position, x[g], symbols + i + g * LANES);
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) _mm512_storeu_si512(state + g * LANES, x[g]);
    *at = position;
    return i;
}

ENT_AVX512 size_t ent_tans_decode_avx512(const uint32_t *entry, ent_bytes in, uint64_t *at, uint8_t *symbols, size_t n,
                                         uint32_t *state, size_t states)
{
    return states == 2 * LANES ? decode_rounds(entry, in, at, symbols, n, state, 2)
                               : decode_rounds(entry, in, at, symbols, n, state, 4);
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* A gather that does not wait for what its target register held before. */
#define GATHER(index, from, scale) \
    _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), _cvtu32_mask16(0xFFFF), index, from, scale)

/* The bits of 16 states, those of lane 0 lowest and last: pairs of lanes are put together, then fours, whose 56 bits
 * at most the writer takes at once. */
ENT_AVX512_INLINE void put_all(tans_writer *w, __m512i values, __m512i bits)
{
    const __m512i lower = _mm512_set1_epi64(UINT32_MAX);
    uint64_t four[4], four_bits[4];
    __m512i n = _mm512_and_si512(bits, lower), n2 = _mm512_add_epi64(n, _mm512_srli_epi64(bits, 32));
    __m512i v2 = _mm512_or_si512(_mm512_and_si512(values, lower),
                                 _mm512_sllv_epi64(_mm512_srli_epi64(values, 32), n));
    __m512i v4 = _mm512_or_si512(v2, _mm512_sllv_epi64(_mm512_unpackhi_epi64(v2, v2), n2));
    __m512i n4 = _mm512_add_epi64(n2, _mm512_unpackhi_epi64(n2, n2));
    _mm256_storeu_si256((void *)four, _mm512_castsi512_si256(_mm512_maskz_compress_epi64(0x55, v4)));
    _mm256_storeu_si256((void *)four_bits, _mm512_castsi512_si256(_mm512_maskz_compress_epi64(0x55, n4)));
#pragma GCC unroll 4
    for (int k = 3; k >= 0; k--) {
        tans_put(w, four[k], (unsigned)four_bits[k]);
        tans_flush(w);
    }
}

ENT_AVX512_INLINE bool encode_rounds(const tans_move *move, const uint32_t *slot, tans_writer *out,
                                     const uint8_t *symbols, size_t n, uint32_t *state, const size_t groups)
{
    tans_writer w = *out;
    __m512i x[GROUPS_MOST], dead = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) x[g] = _mm512_loadu_si512(state + g * LANES);
    for (size_t i = n; i > 0;)
#pragma GCC unroll 4
        for (size_t g = groups; g-- > 0;) {
            i -= LANES;
            __m512i symbol = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(symbols + i)));
            __m512i count = GATHER(symbol, &move->count, 8), place = GATHER(symbol, &move->place, 8);
            __m512i bits = _mm512_srli_epi32(_mm512_add_epi32(x[g], count), TANS_COUNT_SHIFT);
            put_all(&w, _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), bits), x[g]), bits);
            x[g] = GATHER(_mm512_add_epi32(_mm512_srlv_epi32(x[g], bits), place), slot, 4);
            dead = _mm512_or_si512(dead, count);
        }
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) _mm512_storeu_si512(state + g * LANES, x[g]);
    *out = w;
    return !_mm512_test_epi32_mask(dead, _mm512_set1_epi32(1));
}

ENT_AVX512 bool ent_tans_encode_avx512(const tans_move *move, const uint32_t *slot, tans_writer *out,
                                       const uint8_t *symbols, size_t n, uint32_t *state, size_t states)
{
    return states == 2 * LANES ? encode_rounds(move, slot, out, symbols, n, state, 2)
                               : encode_rounds(move, slot, out, symbols, n, state, 4);
}

#endif
