/* avx512.h - what the AVX-512 kernels share: the target attribute and the join to BF16 words. */
#ifndef ENT_CODER_AVX512_H
#define ENT_CODER_AVX512_H

#if defined __x86_64__
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

/* On every function of a kernel: ENT_CPU_AVX512 stands for these. */
#define ENT_AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt,prfchw")))
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

/* How many bytes ahead of use memory is asked for.  A prefetcher of the processor stops at each page
 * and the window of instructions in flight holds only some hundred bytes; an ordinary store waits
 * for its line as a load does.  Asking beyond the end of an array is harmless. */
enum { ENT_READ_AHEAD = 2048, ENT_WRITE_AHEAD = 4096 };

ENT_AVX512_INLINE void ent_ask_to_read(const uint8_t *p)
{
    __builtin_prefetch((const void *)((uintptr_t)p + ENT_READ_AHEAD), 0);
}

ENT_AVX512_INLINE void ent_ask_to_write(const uint8_t *p)
{
    __builtin_prefetch((const void *)((uintptr_t)p + ENT_WRITE_AHEAD), 1);
}

/* Stores 64 words; streaming needs an aligned target. */
ENT_AVX512_INLINE void ent_store_words(uint8_t *out, ent_bf16_words w, bool stream)
{
    if (stream) {
        _mm512_stream_si512((void *)out, w.first);
        _mm512_stream_si512((void *)(out + 64), w.second);
    } else {
        ent_ask_to_write(out);
        ent_ask_to_write(out + 64);
        _mm512_storeu_si512(out, w.first);
        _mm512_storeu_si512(out + 64, w.second);
    }
}

/* The first n <= 64 of 64 words, from n exponents and n rests. */
ENT_AVX512_INLINE void ent_join_bf16_part(uint8_t *out, const uint8_t *exponents, const uint8_t *rests, unsigned n)
{
    __mmask64 live = _bzhi_u64(~0ull, n);
    ent_bf16_words w = ent_join_bf16(_mm512_maskz_loadu_epi8(live, exponents), _mm512_maskz_loadu_epi8(live, rests));
    _mm512_mask_storeu_epi16(out, (__mmask32)live, w.first);
    _mm512_mask_storeu_epi16(out + 64, (__mmask32)(live >> 32), w.second);
}

#endif
#endif
