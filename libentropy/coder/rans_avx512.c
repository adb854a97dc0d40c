/* rans_avx512.c - the loops of rans's narrow form with AVX-512: 16 states a register.
 *
 * The chain from a state to its next bounds decoding with up to 32 states: of some 55 cycles (Golden
 * Cove) the gather takes 32, the multiplication 10.  With 64 the gathers, 8 cycles each, come into sight.
 * Widening multiplications of the even and odd lanes are sooner done than VPMULLD, but take more
 * operations: a draw. */
#include "coder/rans.h"

#if defined __x86_64__
#include "base/bits.h"
#include "coder/avx512.h"

enum { LANES = 16, GROUPS_MOST = RANS_STATES_MOST / LANES };

/* ---- decoding ------------------------------------------------------------------------------- */

/* A gather that does not wait for what its target register held before. */
#define GATHER(index, from, scale) _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xFFFF, index, from, scale)

/* One step of 16 states: gives their symbols, in 32 bits each of which the upper ones may be anything,
 * and says which states took a word. */
ENT_AVX512_INLINE __m512i decode_step(const rans_direct *d, bool packed, uint32_t width, uint32_t log, const uint8_t *p,
                                      __m512i *x, __mmask16 *took)
{
    const unsigned freq_bits = rans_freq_bits(packed);
    const __m512i freq_mask = _mm512_set1_epi32((1 << freq_bits) - 1);
    const __m128i by_log = _mm_cvtsi32_si128((int)log);
    const __m512i low = _mm512_set1_epi32(1 << 16);
    __m512i slot = _mm512_and_si512(*x, _mm512_set1_epi32((1 << log) - 1));
    __m512i entry = GATHER(slot, d->slot, 4);
    __m512i q = _mm512_srl_epi32(*x, by_log), offset = _mm512_srli_epi32(entry, freq_bits);
    if (packed) offset = _mm512_and_si512(offset, freq_mask);
    __m512i freq = _mm512_and_si512(entry, freq_mask);
    __m512i v = _mm512_add_epi32(_mm512_mullo_epi32(freq, q), offset);
    *took = _mm512_cmplt_epu32_mask(v, low);
    __m512i words = _mm512_maskz_expand_epi32(*took, _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)));
    *x = _mm512_mask_or_epi32(v, *took, _mm512_slli_epi32(v, 16), words);
    if (packed) return _mm512_srli_epi32(entry, 2 * RANS_PACKED_LOG);
    const void *symbols = d->slot + ((size_t)1 << log);
    return width == 1 ? GATHER(slot, symbols, 1) : GATHER(slot, symbols, 2);
}

ENT_AVX512_INLINE size_t decode_rounds(const rans_direct *d, bool packed, uint32_t width, const uint8_t **in,
                                       const uint8_t *end, uint32_t *states, size_t groups, uint8_t *out, size_t n)
{
    const uint32_t log = d->log;
    const uint8_t *p = *in;
    const size_t round = groups * LANES;
    size_t i = 0;
    __m512i x[GROUPS_MOST];
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) x[g] = _mm512_loadu_si512(states + g * LANES);
    for (; n - i >= round && (size_t)(end - p) >= 2 * round; i += round) {
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) {
            __mmask16 took;
            __m512i symbols = decode_step(d, packed, width, log, p, &x[g], &took);
            p += 2 * (size_t)__builtin_popcount(took);
            if (width == 1)
                _mm_storeu_si128((void *)(out + i + g * LANES), _mm512_cvtepi32_epi8(symbols));
            else
                _mm256_storeu_si256((void *)(out + 2 * (i + g * LANES)), _mm512_cvtepi32_epi16(symbols));
        }
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) _mm512_storeu_si512(states + g * LANES, x[g]);
    *in = p;
    return i;
}

ENT_AVX512_INLINE size_t decode_groups(const rans_direct *d, bool packed, uint32_t width, const uint8_t **p,
                                       const uint8_t *end, uint32_t *x, size_t states, void *symbols, size_t n)
{
    switch (states / LANES) {
    case 1: return decode_rounds(d, packed, width, p, end, x, 1, symbols, n);
    case 2: return decode_rounds(d, packed, width, p, end, x, 2, symbols, n);
    case 3: return decode_rounds(d, packed, width, p, end, x, 3, symbols, n);
    default: return decode_rounds(d, packed, width, p, end, x, 4, symbols, n);
    }
}

ENT_AVX512 size_t ent_rans_decode_avx512(const rans_direct *d, uint32_t width, const uint8_t **p, const uint8_t *end,
                                         uint32_t *x, size_t states, void *symbols, size_t n)
{
    if (d->packed) return decode_groups(d, true, 1, p, end, x, states, symbols, n);
    if (width == 1) return decode_groups(d, false, 1, p, end, x, states, symbols, n);
    return decode_groups(d, false, 2, p, end, x, states, symbols, n);
}

#endif
