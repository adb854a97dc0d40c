/* avx2.h - what the AVX2 kernels share: the target attribute and the joins to words. */
#ifndef ENT_CODER_AVX2_H
#define ENT_CODER_AVX2_H

#if defined __x86_64__
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "coder/join.h"

/* On every function of a kernel: ENT_CPU_AVX2 stands for these. */
#define ENT_AVX2 __attribute__((target("avx2,popcnt")))
#define ENT_AVX2_INLINE ENT_AVX2 static inline __attribute__((always_inline))

enum { ENT_AVX2_LANES = 32 };

/* Stores 32 bytes; streaming needs an aligned target. */
ENT_AVX2_INLINE void ent_store256(uint8_t *out, __m256i v, bool stream)
{
    if (stream)
        _mm256_stream_si256((void *)out, v);
    else
        _mm256_storeu_si256((void *)out, v);
}

ENT_AVX2_INLINE __m256i ent_load256(const uint8_t *p) { return _mm256_loadu_si256((const void *)p); }

/* All ones, but the compiler does not know. */
ENT_AVX2_INLINE __m256i ent_all256(void)
{
    __m256i all = _mm256_set1_epi32(-1);
    __asm__("" : "+x"(all));
    return all;
}

/* Eight entries of a table.  The instruction merges with the old value of its target and so waits for
 * it: that is a zero here.  A mask that the compiler knew would let it take any old register. */
ENT_AVX2_INLINE __m256i ent_gather256(const uint32_t *table, __m256i index)
{
    return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), (const int *)table, index, ent_all256(), 4);
}

/* Four bytes from each of eight places on; 3 more than the table has are read. */
ENT_AVX2_INLINE __m256i ent_gather_bytes256(const uint8_t *table, __m256i index)
{
    return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), (const void *)table, index, ent_all256(), 1);
}

/* The two bytes, upper and lower, of BF16 words: the sign and seven bits of exponent, the exponent's
 * last bit and the mantissa.  16-bit shifts move bits between bytes only where they are dropped. */
typedef struct ent_bf16_bytes {
    __m256i upper, lower;
} ent_bf16_bytes;

ENT_AVX2_INLINE ent_bf16_bytes ent_bf16_of(__m256i exponents, __m256i rests)
{
    const __m256i top = _mm256_set1_epi8((char)0x80);
    __m256i half = _mm256_andnot_si256(top, _mm256_srli_epi16(exponents, 1));
    __m256i last = _mm256_and_si256(top, _mm256_slli_epi16(exponents, 7));
    return (ent_bf16_bytes){ _mm256_or_si256(half, _mm256_and_si256(top, rests)),
                             _mm256_or_si256(last, _mm256_andnot_si256(top, rests)) };
}

ENT_AVX2_INLINE void ent_join_bf16_32(const ent_join *j, __m256i exponents, size_t i, uint8_t *words)
{
    enum { ORDER = 0xD8 }; /* quarters 0, 2, 1, 3: then unpacked halves end where they belong */
    __m256i rests = _mm256_permute4x64_epi64(ent_load256(j->rest + i), ORDER);
    ent_bf16_bytes w = ent_bf16_of(_mm256_permute4x64_epi64(exponents, ORDER), rests);
    ent_store256(words + 2 * i, _mm256_unpacklo_epi8(w.lower, w.upper), j->stream);
    ent_store256(words + 2 * i + 32, _mm256_unpackhi_epi8(w.lower, w.upper), j->stream);
}

/* 16 rests of 11 bits out of two loads; the second begins `skip` bytes before the ninth's first.
 * Those of even number come down to the lower halves of 32-bit lanes, the others up to the upper. */
ENT_AVX2_INLINE __m256i ent_rests_f16(const uint8_t *first, const uint8_t *second, char skip)
{
    enum { NONE = -128 }; /* a zero, `skip` added or not */
    const __m128i even8 = _mm_setr_epi8(0, 1, NONE, NONE, 2, 3, 4, NONE, 5, 6, NONE, NONE, 8, 9, NONE, NONE);
    const __m128i odd8 = _mm_setr_epi8(NONE, 1, 2, NONE, NONE, 4, 5, NONE, NONE, 6, 7, 8, NONE, 9, 10, NONE);
    const __m256i even = _mm256_broadcastsi128_si256(even8), odd = _mm256_broadcastsi128_si256(odd8);
    const __m256i down = _mm256_setr_epi32(0, 6, 4, 2, 0, 6, 4, 2), up = _mm256_setr_epi32(5, 7, 1, 3, 5, 7, 1, 3);
    const __m256i skipped = _mm256_inserti128_si256(_mm256_setzero_si256(), _mm_set1_epi8(skip), 1);
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)first)),
                                        _mm_loadu_si128((const void *)second), 1);
    __m256i lower = _mm256_srlv_epi32(_mm256_shuffle_epi8(v, _mm256_add_epi8(even, skipped)), down);
    __m256i upper = _mm256_sllv_epi32(_mm256_shuffle_epi8(v, _mm256_add_epi8(odd, skipped)), up);
    return _mm256_blend_epi16(lower, upper, 0xAA);
}

/* 16 exponents and rests to F16 words. */
ENT_AVX2_INLINE __m256i ent_join_f16_16(__m128i exponents, __m256i rests)
{
    __m256i e = _mm256_slli_epi16(_mm256_cvtepu8_epi16(exponents), 10);
    __m256i sign = _mm256_and_si256(_mm256_slli_epi16(rests, 5), _mm256_set1_epi16((short)0x8000));
    return _mm256_or_si256(_mm256_or_si256(e, sign), _mm256_and_si256(rests, _mm256_set1_epi16(0x03FF)));
}

/* Reads the 44 bytes of 32 rests and no more: the last load ends with them. */
ENT_AVX2_INLINE void ent_join_f16_32(const ent_join *j, __m256i exponents, size_t i, uint8_t *words)
{
    const uint8_t *rest = j->rest + i / 8 * 11;
    __m256i first = ent_rests_f16(rest, rest + 11, 0), second = ent_rests_f16(rest + 22, rest + 28, 5);
    ent_store256(words + 2 * i, ent_join_f16_16(_mm256_castsi256_si128(exponents), first), j->stream);
    ent_store256(words + 2 * i + 32, ent_join_f16_16(_mm256_extracti128_si256(exponents, 1), second), j->stream);
}

ENT_AVX2_INLINE void ent_join_f32_32(const ent_join *j, __m256i exponents, size_t i, uint8_t *words)
{
    const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7); /* for two steps of unpacking */
    __m256i part[ENT_JOIN_PLANES];
#pragma GCC unroll 3
    for (int k = 0; k < ENT_JOIN_PLANES; k++)
        part[k] = _mm256_permutevar8x32_epi32(ent_load256(j->plane[k] + i), order);
    ent_bf16_bytes w = ent_bf16_of(_mm256_permutevar8x32_epi32(exponents, order), part[0]);
    __m256i upper = _mm256_unpacklo_epi8(w.lower, w.upper), lower = _mm256_unpacklo_epi8(part[2], part[1]);
    __m256i upper2 = _mm256_unpackhi_epi8(w.lower, w.upper), lower2 = _mm256_unpackhi_epi8(part[2], part[1]);
    uint8_t *out = words + 4 * i;
    ent_store256(out, _mm256_unpacklo_epi16(lower, upper), j->stream);
    ent_store256(out + 32, _mm256_unpackhi_epi16(lower, upper), j->stream);
    ent_store256(out + 64, _mm256_unpacklo_epi16(lower2, upper2), j->stream);
    ent_store256(out + 96, _mm256_unpackhi_epi16(lower2, upper2), j->stream);
}

/* `bits` more bits of 32 codes, the first or the second half of a group, below those in `codes`. */
ENT_AVX2_INLINE __m256i ent_join_bits256(__m256i codes, const uint8_t *rest, unsigned bits, unsigned half)
{
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3), steps = _mm256_set1_epi64x(-(int)bits);
    const __m256i upper = _mm256_set1_epi8((char)(255u << bits));
    __m256i all = bits == 4   ? ent_load256(rest)
                  : bits == 2 ? _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)rest))
                              : _mm256_set1_epi64x((int64_t)ent_load64(rest));
    __m256i by = _mm256_and_si256(_mm256_add_epi64(lane, _mm256_set1_epi64x(4 * half)), steps);
    return _mm256_or_si256(_mm256_and_si256(upper, _mm256_sll_epi16(codes, _mm_cvtsi32_si128((int)bits))),
                           _mm256_andnot_si256(upper, _mm256_srlv_epi64(all, by)));
}

ENT_AVX2_INLINE void ent_join_code_32(const ent_join *j, __m256i codes, size_t i, unsigned half, uint8_t *words)
{
    const uint8_t *rest = j->rest + i / 8 * j->shift;
#pragma GCC unroll 3
    for (unsigned bits = 4; bits; bits /= 2) {
        if (!(j->shift & bits)) continue;
        codes = ent_join_bits256(codes, rest, bits, half);
        rest += 8 * bits;
    }
    ent_store256(words + i + half * ENT_AVX2_LANES, codes, j->stream);
}

/* 64 symbols in two registers, the first of which has number i, a multiple of 64, to words. */
ENT_AVX2_INLINE void ent_join_group256(ent_join_form form, const ent_join *j, __m256i first, __m256i second, size_t i,
                                       uint8_t *words)
{
    if (form == ENT_JOIN_CODE) {
        ent_join_code_32(j, first, i, 0, words);
        ent_join_code_32(j, second, i, 1, words);
        return;
    }
    if (form == ENT_JOIN_F32) {
#pragma GCC unroll 3
        for (int k = 0; k < ENT_JOIN_PLANES; k++) ent_ask_to_read(j->plane[k] + i);
    } else {
        ent_ask_to_read(j->rest + (form == ENT_JOIN_BF16 ? i : i / 8 * 11));
    }
    for (size_t at = 0; !j->stream && at < (form == ENT_JOIN_F32 ? 256 : 128); at += 64)
        ent_ask_to_write(words + (form == ENT_JOIN_F32 ? 4 : 2) * i + at);
    if (form == ENT_JOIN_BF16) {
        ent_join_bf16_32(j, first, i, words);
        ent_join_bf16_32(j, second, i + ENT_AVX2_LANES, words);
    } else if (form == ENT_JOIN_F16) {
        ent_join_f16_32(j, first, i, words);
        ent_join_f16_32(j, second, i + ENT_AVX2_LANES, words);
    } else {
        ent_join_f32_32(j, first, i, words);
        ent_join_f32_32(j, second, i + ENT_AVX2_LANES, words);
    }
}

#endif
#endif
