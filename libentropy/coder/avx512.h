/* avx512.h - what the AVX-512 kernels share: the target attribute and the joins to words. */
#ifndef ENT_CODER_AVX512_H
#define ENT_CODER_AVX512_H

#if defined __x86_64__
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "coder/join.h"

/* On every function of a kernel: ENT_CPU_AVX512 stands for these. */
#define ENT_AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq," \
                          "bmi,bmi2,lzcnt,popcnt,prfchw")))
#define ENT_AVX512_INLINE ENT_AVX512 static inline __attribute__((always_inline))

/* Where bits of `mask` are set those of `a`, else those of `b`. */
ENT_AVX512_INLINE __m512i ent_select(__m512i mask, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi64(mask, a, b, 0xCA);
}

/* 64 exponents and 64 rests (sign << 7 | mantissa) to 64 BF16 words, in two registers.
 *
 * The upper byte of a word is the sign and seven bits of exponent, the lower one the last bit of
 * the exponent and the mantissa; a 16-bit shift moves bits between neighbouring bytes only where
 * the selection drops them. */
typedef struct ent_bf16_words {
    __m512i first, second;
} ent_bf16_words;

ENT_AVX512_INLINE ent_bf16_words ent_join_bf16(__m512i exponents, __m512i rests)
{
    const __m512i top = _mm512_set1_epi8((char)0x80);
    const __m512i order = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i order2 = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    __m512i upper = ent_select(top, rests, _mm512_srli_epi16(exponents, 1));
    __m512i lower = ent_select(top, _mm512_slli_epi16(exponents, 7), rests);
    __m512i even = _mm512_unpacklo_epi8(lower, upper), odd = _mm512_unpackhi_epi8(lower, upper);
    return (ent_bf16_words){ _mm512_permutex2var_epi64(even, order, odd),
                             _mm512_permutex2var_epi64(even, order2, odd) };
}

/* 32 exponents, each at the upper byte of a word, and their rests to F16 words.  Four rests take 44
 * bits: a 64-bit lane gets the 8 bytes where they begin, on a byte or in the middle of one, and each
 * of its bytes takes 8 bits of them. */
ENT_AVX512_INLINE __m512i ent_join_f16(__m512i exponents, const uint8_t *rest)
{
    const int64_t each = 0x0101010101010101;
    const __m512i ahead = _mm512_setr_epi64(0, 5 * each, 11 * each, 16 * each, 22 * each, 27 * each, 33 * each,
                                            38 * each);
    const __m512i bytes = _mm512_add_epi8(ahead, _mm512_set1_epi64(0x0706050403020100));
    const int64_t bits = 0 | 8 << 8 | 11 << 16 | 19 << 24 | 22ll << 32 | 30ll << 40 | 33ll << 48 | 41ll << 56;
    const __m512i from = _mm512_set4_epi64(bits + 4 * each, bits, bits + 4 * each, bits);
    const __m512i sign = _mm512_set1_epi16((short)0x8000), mantissa = _mm512_set1_epi16(0x03FF);
    __m512i v = _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, 44), rest);
    v = _mm512_multishift_epi64_epi8(from, _mm512_permutexvar_epi8(bytes, v));
    __m512i upper = ent_select(sign, _mm512_slli_epi16(v, 5), _mm512_slli_epi16(exponents, 2));
    return ent_select(mantissa, v, upper);
}

/* Stores 64 bytes; streaming needs an aligned target. */
ENT_AVX512_INLINE void ent_store512(uint8_t *out, __m512i v, bool stream)
{
    if (stream) {
        _mm512_stream_si512((void *)out, v);
    } else {
        ent_ask_to_write(out);
        _mm512_storeu_si512(out, v);
    }
}

ENT_AVX512_INLINE void ent_join_f16_group(const ent_join *j, __m512i exponents, size_t i, uint8_t *words)
{
    const __mmask64 upper = 0xAAAAAAAAAAAAAAAA;
    const __m512i spread = _mm512_setr_epi64(0x0300020001000000, 0x0700060005000400, 0x0B000A0009000800,
                                             0x0F000E000D000C00, 0x1300120011001000, 0x1700160015001400,
                                             0x1B001A0019001800, 0x1F001E001D001C00);
    const uint8_t *rest = j->rest + i / 8 * 11;
    __m512i first = _mm512_maskz_permutexvar_epi8(upper, spread, exponents);
    __m512i second = _mm512_maskz_permutexvar_epi8(upper, _mm512_or_si512(spread, _mm512_set1_epi8(32)), exponents);
    ent_ask_to_read(rest);
    ent_ask_to_read(rest + 44);
    ent_store512(words + 2 * i, ent_join_f16(first, rest), j->stream);
    ent_store512(words + 2 * i + 64, ent_join_f16(second, rest + 44), j->stream);
}

ENT_AVX512_INLINE void ent_join_f32_group(const ent_join *j, __m512i exponents, size_t i, uint8_t *words)
{
    /* so ordered, four bytes at a time, pairs of unpacked halves end where they belong */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i top = _mm512_set1_epi8((char)0x80);
    __m512i part[ENT_JOIN_PLANES], e = _mm512_permutexvar_epi32(order, exponents);
#pragma GCC unroll 3
    for (int k = 0; k < ENT_JOIN_PLANES; k++) {
        ent_ask_to_read(j->plane[k] + i);
        part[k] = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(j->plane[k] + i));
    }
    __m512i byte3 = ent_select(top, part[0], _mm512_srli_epi16(e, 1));
    __m512i byte2 = ent_select(top, _mm512_slli_epi16(e, 7), part[0]);
    __m512i upper = _mm512_unpacklo_epi8(byte2, byte3), lower = _mm512_unpacklo_epi8(part[2], part[1]);
    __m512i upper2 = _mm512_unpackhi_epi8(byte2, byte3), lower2 = _mm512_unpackhi_epi8(part[2], part[1]);
    uint8_t *out = words + 4 * i;
    ent_store512(out, _mm512_unpacklo_epi16(lower, upper), j->stream);
    ent_store512(out + 64, _mm512_unpackhi_epi16(lower, upper), j->stream);
    ent_store512(out + 128, _mm512_unpacklo_epi16(lower2, upper2), j->stream);
    ent_store512(out + 192, _mm512_unpackhi_epi16(lower2, upper2), j->stream);
}

/* `bits` more bits of 64 codes, below those in `codes`: the 8 * bits bytes at `rest` over and over, moved down. */
ENT_AVX512_INLINE __m512i ent_join_bits512(__m512i codes, const uint8_t *rest, unsigned bits)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), steps = _mm512_set1_epi64(-(int)bits);
    __m512i all = bits == 4   ? _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)rest))
                  : bits == 2 ? _mm512_broadcast_i64x2(_mm_loadu_si128((const void *)rest))
                              : _mm512_set1_epi64((int64_t)ent_load64(rest));
    __m512i lower = _mm512_srlv_epi64(all, _mm512_and_si512(lane, steps));
    return ent_select(_mm512_set1_epi8((char)(255u << bits)), _mm512_sll_epi16(codes, _mm_cvtsi32_si128((int)bits)),
                      lower);
}

ENT_AVX512_INLINE void ent_join_code_group(const ent_join *j, __m512i codes, size_t i, uint8_t *words)
{
    const uint8_t *rest = j->rest + i / 8 * j->shift;
    ent_ask_to_read(rest);
#pragma GCC unroll 3
    for (unsigned bits = 4; bits; bits /= 2) {
        if (!(j->shift & bits)) continue;
        codes = ent_join_bits512(codes, rest, bits);
        rest += 8 * bits;
    }
    ent_store512(words + i, codes, j->stream);
}

/* 64 symbols, the first of which has number i, a multiple of 64, to words. */
ENT_AVX512_INLINE void ent_join_group512(ent_join_form form, const ent_join *j, __m512i symbols, size_t i,
                                         uint8_t *words)
{
    if (form == ENT_JOIN_BF16) {
        ent_ask_to_read(j->rest + i);
        ent_bf16_words w = ent_join_bf16(symbols, _mm512_loadu_si512(j->rest + i));
        ent_store512(words + 2 * i, w.first, j->stream);
        ent_store512(words + 2 * i + 64, w.second, j->stream);
    } else if (form == ENT_JOIN_F16) {
        ent_join_f16_group(j, symbols, i, words);
    } else if (form == ENT_JOIN_CODE) {
        ent_join_code_group(j, symbols, i, words);
    } else {
        ent_join_f32_group(j, symbols, i, words);
    }
}

#endif
#endif
