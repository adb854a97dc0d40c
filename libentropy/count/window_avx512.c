/* window_avx512.c - a histogram of bytes, nearly all of 16 neighbouring values, by positional popcounts.
 *
 * Exponents of weights are like that, and so are 4-bit weights.  A byte permutation turns a symbol
 * into one set bit of 16, in two planes of bytes; the bits of each place are added up by carry-save
 * adders over 16 registers (Harley and Seal, see Mula, Kurz and Lemire 2018; positional: Klarqvist,
 * Mula and Lemire 2021).  No table is written, so that equal neighbours do not wait for each other.
 * Symbols outside are counted one by one.
 *
 * All fields of BF16 take one pass.  A table costs a store a symbol, and a first cache takes one store a cycle: so
 * two mantissas are one symbol of 14 bits, in cells of 16 bits (32 KiB), and a weight costs half a store.  Signs are
 * summed.  The table is filled with one quarter of a step while the vector work of the next is done.
 *
 * Cycles a weight on a Sapphire Rapids class core: the stores alone take 0.5; the 24 vector operations for 64
 * weights, on two ports, 0.19; measured 0.67 to 0.72 in the second cache and 0.72 to 0.9 from memory, where a pure read
 * takes 0.24 to 0.39, as memory's speed changes (`make profile` measures both).  When it takes 0.24, half its speed is
 * 0.48, less than the stores.  Tried: a cell a mantissa, 1.0; cutting pieces of 4 KiB first and counting then, 0.71 and
 * 0.9; mantissas in pairs by scalar PEXT, 0.61 without the other fields; 32 pairs after each 64 weights instead of 128
 * after each 256, 1.1.  Not tried: bit planes of the mantissa and popcounts of their 128 minterms, no table.  Of 512
 * weights that is an AND, a popcount and an addition for each minterm and 90 operations for the planes, with the
 * exponents 620 on two ports, 0.61 cycles a weight; half of the mantissas so and half by the table would take 0.42 of
 * the ports and 0.25 of the stores. */
#include "count/window.h"

#include <stdbool.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,bmi,bmi2,popcnt")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))

enum {
    QUARTER = COUNT_WINDOW_STEP / 4,
    AHEAD = 8192, /* bytes that are fetched ahead */
};

static const _Alignas(64) uint8_t even_bytes[64] = {
    0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24,  26,  28,  30,  32,  34,  36,  38,  40,  42,
    44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64, 66, 68,  70,  72,  74,  76,  78,  80,  82,  84,  86,
    88, 90, 92, 94, 96, 98, 100, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126,
};

/* Fetches what lies ahead of `size` bytes; past the end of the symbols that is useless and does no harm. */
AVX512_INLINE void fetch(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i += 64) _mm_prefetch((const char *)((uintptr_t)at + AHEAD + i), _MM_HINT_T1);
}

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

/* Adds 4 registers; what is carried has weight 4. */
AVX512_INLINE __m512i add_4(adder *a, const __m512i bits[4])
{
    __m512i first = add_bits(&a->sum[0], bits[0], bits[1]), second = add_bits(&a->sum[0], bits[2], bits[3]);
    return add_bits(&a->sum[1], first, second);
}

/* Adds the fours of 16 registers; what is carried has weight 16. */
AVX512_INLINE __m512i add_fours(adder *a, const __m512i four[4])
{
    __m512i first = add_bits(&a->sum[2], four[0], four[1]), second = add_bits(&a->sum[2], four[2], four[3]);
    return add_bits(&a->sum[3], first, second);
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

AVX512_INLINE __m512i exponents(__m512i a, __m512i b)
{
    return _mm512_permutex2var_epi8(_mm512_srli_epi16(a, 7), _mm512_load_si512(even_bytes), _mm512_srli_epi16(b, 7));
}

/* Two mantissas each to an index, in any order. */
AVX512_INLINE __m512i mantissa_pairs(__m512i a, __m512i b)
{
    const __m512i mantissa = _mm512_set1_epi16(MANTISSAS - 1), pair = _mm512_set1_epi32(1 | MANTISSAS << 16);
    const __m512i low = _mm512_madd_epi16(_mm512_and_si512(a, mantissa), pair);
    const __m512i high = _mm512_madd_epi16(_mm512_and_si512(b, mantissa), pair);
    return _mm512_packus_epi32(low, high);
}

typedef struct others { /* than the exponents of a quarter of a step */
    uint16_t *index;
    __m512i negative;
} others;

/* 64 symbols: bytes, or the exponents of words, whose other fields go to `others` unless it is NULL. */
AVX512_INLINE __m512i take_64(const uint8_t *from, bool bf16, others *o)
{
    const __m512i a = _mm512_loadu_si512(from);
    if (!bf16) return a;
    const __m512i b = _mm512_loadu_si512(from + 64);
    if (o) {
        _mm512_store_si512(o->index, mantissa_pairs(a, b));
        o->index += 32;
        o->negative = _mm512_sub_epi16(o->negative, _mm512_srai_epi16(a, 15));
        o->negative = _mm512_sub_epi16(o->negative, _mm512_srai_epi16(b, 15));
    }
    return exponents(a, b);
}

/* Counts the symbols of a step that are outside of the window, of places above 15; their number. */
AVX512 static size_t count_outside(uint64_t *count, const uint8_t *from, bool bf16, __m512i first)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT_WINDOW_STEP; i += 64) {
        uint8_t symbol[64];
        const __m512i symbols = take_64(from + (i << bf16), bf16, NULL), place = _mm512_sub_epi8(symbols, first);
        uint64_t outside = _mm512_cmpgt_epu8_mask(place, _mm512_set1_epi8(COUNT_WINDOW - 1));
        if (!outside) continue;
        _mm512_storeu_si512(symbol, symbols);
        n += (size_t)__builtin_popcountll(outside);
        for (; outside; outside &= outside - 1) count[symbol[__builtin_ctzll(outside)]]++;
    }
    return n;
}

AVX512_INLINE adder load_adder(uint64_t sum[4][8])
{
    adder a;
    for (int i = 0; i < 4; i++) a.sum[i] = _mm512_loadu_si512(sum[i]);
    return a;
}

AVX512_INLINE void store_adder(uint64_t sum[4][8], const adder *a)
{
    for (int i = 0; i < 4; i++) _mm512_storeu_si512(sum[i], a->sum[i]);
}

AVX512_INLINE void add_pairs(uint16_t *cell, const uint16_t index[QUARTER / 2])
{
#pragma GCC unroll 8
    for (int i = 0; i < QUARTER / 2; i++) cell[index[i]]++;
}

AVX512 static uint64_t sum_16(__m512i lanes)
{
    uint16_t lane[32];
    uint64_t sum = 0;
    memcpy(lane, &lanes, sizeof lane);
    for (int i = 0; i < 32; i++) sum += lane[i];
    return sum;
}

AVX512_INLINE size_t count_any(count_window *window, uint64_t *count, bf16_cells *cells, const uint8_t *from, size_t n,
                               bool bf16)
{
    const __m512i first = _mm512_set1_epi8((char)window->base), limit = _mm512_set1_epi8(0x80 - COUNT_WINDOW);
    const __m512i low_bit = _mm512_broadcast_i32x4(_mm_set_epi64x(0, (long long)0x8040201008040201));
    const __m512i high_bit = _mm512_broadcast_i32x4(_mm_set_epi64x((long long)0x8040201008040201, 0));
    adder low = load_adder(window->sum[0]), high = load_adder(window->sum[1]);
    _Alignas(64) uint16_t index[2][QUARTER / 2];
    others other = { NULL, _mm512_setzero_si512() };
    size_t outside = 0;
    for (size_t i = 0; i < n; i += COUNT_WINDOW_STEP) {
        const uint8_t *step = from + (i << bf16);
        __m512i low_fours[4], high_fours[4], any = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            __m512i low_bits[4], high_bits[4];
            other.index = index[j % 2];
#pragma GCC unroll 4
            for (size_t k = 0; k < 4; k++) {
                const uint8_t *at = step + ((QUARTER * j + 64 * k) << bf16);
                /* from 0x80 on, which the sum is for places above 15, the permutation gives no bit */
                __m512i place = _mm512_sub_epi8(take_64(at, bf16, cells ? &other : NULL), first);
                place = _mm512_adds_epu8(place, limit);
                low_bits[k] = _mm512_shuffle_epi8(low_bit, place);
                high_bits[k] = _mm512_shuffle_epi8(high_bit, place);
                any = _mm512_or_si512(any, place);
            }
            low_fours[j] = add_4(&low, low_bits);
            high_fours[j] = add_4(&high, high_bits);
            fetch(step + (QUARTER * j << bf16), (size_t)QUARTER << bf16);
            if (cells && i + j) add_pairs(cells->pair, index[1 - j % 2]);
        }
        count_bits(window->count, add_fours(&low, low_fours), 16);
        count_bits(window->count + 8, add_fours(&high, high_fours), 16);
        if (_mm512_movepi8_mask(any)) outside += count_outside(count, step, bf16, first);
    }
    if (cells && n) add_pairs(cells->pair, index[1]);
    if (cells) cells->negative += sum_16(other.negative);
    store_adder(window->sum[0], &low);
    store_adder(window->sum[1], &high);
    return outside;
}

AVX512 size_t ent_count_window_avx512(count_window *window, uint64_t *count, const uint8_t *symbol, size_t n)
{
    return count_any(window, count, NULL, symbol, n, false);
}

AVX512 size_t ent_count_bf16_avx512(count_window *window, uint64_t *count, bf16_cells *cells, const uint8_t *words,
                                    size_t n)
{
    return cells ? count_any(window, count, cells, words, n, true) : count_any(window, count, NULL, words, n, true);
}

AVX512 void ent_count_window_end_avx512(count_window *window, uint64_t *count)
{
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < 4; i++)
            count_bits(window->count + 8 * half, _mm512_loadu_si512(window->sum[half][i]), 1u << i);
    for (unsigned s = 0; s < COUNT_WINDOW; s++) count[(uint8_t)(window->base + s)] += window->count[s];
    *window = (count_window){ .base = window->base };
}

#endif
