/* window_avx512.c - a histogram of bytes, nearly all of 16 neighbouring values, by positional popcounts.
 *
 * Exponents of weights are like that, and so are 4-bit weights.  A byte permutation turns a symbol
 * into one set bit of 16, in two planes of bytes; the bits of each place are added up by carry-save
 * adders over 16 registers (Harley and Seal, see Mula, Kurz and Lemire 2018; positional: Klarqvist,
 * Mula and Lemire 2021).  No table is written, so that equal neighbours do not wait for each other.
 * Symbols outside are counted one by one. */
#include "count/window.h"

#if defined __x86_64__
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,bmi,bmi2,popcnt")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))

/* The sums of bits of three registers: *low, and what is carried. */
AVX512_INLINE __m512i add_bits(__m512i *low, __m512i a, __m512i b)
{
    __m512i carry = _mm512_ternarylogic_epi64(*low, a, b, 0xE8);
    *low = _mm512_ternarylogic_epi64(*low, a, b, 0x96);
    return carry;
}

typedef struct adder {
    __m512i sum[4]; /* bits of weight 1, 2, 4, 8 */
} adder;

/* Adds 16 registers; what is carried has weight 16. */
AVX512_INLINE __m512i add_16(adder *a, const __m512i bits[16])
{
    __m512i eight[2], four[2], two[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const __m512i *b = bits + 8 * i + 4 * j;
            two[0] = add_bits(&a->sum[0], b[0], b[1]);
            two[1] = add_bits(&a->sum[0], b[2], b[3]);
            four[j] = add_bits(&a->sum[1], two[0], two[1]);
        }
        eight[i] = add_bits(&a->sum[2], four[0], four[1]);
    }
    return add_bits(&a->sum[3], eight[0], eight[1]);
}

/* Adds `weight` to count[b] for each set bit b of a byte. */
AVX512_INLINE void count_bits(uint64_t count[8], __m512i bits, uint64_t weight)
{
#pragma GCC unroll 8
    for (int b = 0; b < 8; b++) {
        __mmask64 set = _mm512_test_epi8_mask(bits, _mm512_set1_epi8((char)(1 << b)));
        count[b] += weight * (uint64_t)__builtin_popcountll(set);
    }
}

static void count_some(uint64_t *count, const uint8_t *symbol, uint64_t which)
{
    for (; which; which &= which - 1) count[symbol[__builtin_ctzll(which)]]++;
}

AVX512 void ent_count_window_avx512(uint64_t *count, const uint8_t *symbol, size_t n, uint8_t base)
{
    const __m512i first = _mm512_set1_epi8((char)base), last = _mm512_set1_epi8(COUNT_WINDOW - 1);
    const __m512i low_bit = _mm512_broadcast_i32x4(_mm_set_epi64x(0, (long long)0x8040201008040201));
    const __m512i high_bit = _mm512_broadcast_i32x4(_mm_set_epi64x((long long)0x8040201008040201, 0));
    adder low = { { _mm512_setzero_si512() } }, high = low;
    uint64_t cell[COUNT_WINDOW] = { 0 };
    for (size_t i = 0; i < n; i += COUNT_WINDOW_STEP) {
        __m512i low_bits[16], high_bits[16];
#pragma GCC unroll 16
        for (size_t k = 0; k < 16; k++) {
            __m512i place = _mm512_sub_epi8(_mm512_loadu_si512(symbol + i + 64 * k), first);
            __mmask64 inside = _mm512_cmple_epu8_mask(place, last);
            low_bits[k] = _mm512_maskz_shuffle_epi8(inside, low_bit, place);
            high_bits[k] = _mm512_maskz_shuffle_epi8(inside, high_bit, place);
            if (__builtin_expect(inside != UINT64_MAX, 0)) count_some(count, symbol + i + 64 * k, ~inside);
        }
        count_bits(cell, add_16(&low, low_bits), 16);
        count_bits(cell + 8, add_16(&high, high_bits), 16);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        count_bits(cell, low.sum[i], 1u << i);
        count_bits(cell + 8, high.sum[i], 1u << i);
    }
    for (unsigned s = 0; s < COUNT_WINDOW; s++) count[(uint8_t)(base + s)] += cell[s];
}

#endif
