/* rans_avx512.c - the loops of rans's narrow form with AVX-512: 16 states a register.
 *
 * The chain from a state to its next bounds decoding with up to 32 states: of some 55 cycles (Golden
 * Cove) the gather takes 32, the multiplication 10.  With 64 the gathers, 8 cycles each, come into sight.
 * Widening multiplications of the even and odd lanes are sooner done than VPMULLD, but take more
 * operations: a draw.
 *
 * Encoding divides by a 32-bit reciprocal rounded down, whose quotient is at most one too small, and
 * puts that right. */
#include "coder/rans.h"

#if defined __x86_64__
#include "base/bits.h"
#include "coder/avx512.h"

enum { LANES = 16, GROUPS_MOST = RANS_STATES_MOST / LANES };

/* ---- decoding ------------------------------------------------------------------------------- */

/* A gather that does not wait for what its target register held before. */
#define GATHER(index, from, scale) \
    _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), _cvtu32_mask16(0xFFFF), index, from, scale)

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

/* ---- encoding ------------------------------------------------------------------------------- */

/* One step of 16 states: x becomes quotient << log | start + remainder, where quotient * freq + remainder is x less
 * the word that leaves first where x is full.  Says which states gave a word, and which have no code. */
ENT_AVX512_INLINE __m512i encode_step(const rans_gathered *table, __m512i symbols, uint32_t log, __m512i *x,
                                      __mmask16 *gave, __mmask16 *missing)
{
    const __m128i by_log = _mm_cvtsi32_si128((int)log), by_room = _mm_cvtsi32_si128(32 - (int)log);
    const __m512i freq_mask = _mm512_set1_epi32(0xFFFF), slots = _mm512_set1_epi32(1 << log);
    __m512i share = GATHER(symbols, &table->share, 8), reciprocal = GATHER(symbols, &table->reciprocal, 8);
    __m512i freq = _mm512_and_si512(share, freq_mask), start = _mm512_srli_epi32(share, 16);
    __m512i full = *x;
    *missing = _mm512_testn_epi32_mask(share, share);
    *gave = _mm512_cmpge_epu32_mask(_mm512_srl_epi32(full, by_room), freq);
    __m512i v = _mm512_mask_srli_epi32(full, *gave, full, 16);
    __m512i even = _mm512_mul_epu32(v, reciprocal);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(v, 32), _mm512_srli_epi64(reciprocal, 32));
    __m512i quotient = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB); /* the upper halves */
    __m512i rest = _mm512_sub_epi32(v, _mm512_mullo_epi32(quotient, freq));
    __mmask16 one_less = _mm512_cmpge_epu32_mask(rest, freq);
    __m512i next = _mm512_add_epi32(_mm512_add_epi32(_mm512_sll_epi32(quotient, by_log), start), rest);
    *x = _mm512_mask_add_epi32(next, one_less, next, _mm512_sub_epi32(slots, freq));
    return _mm512_maskz_compress_epi32(*gave, full);
}

ENT_AVX512_INLINE uint8_t *encode_rounds(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                         const uint8_t *in, size_t n, uint32_t *states, size_t groups, uint8_t *end)
{
    __m512i x[GROUPS_MOST];
    __mmask16 missing = 0;
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) x[g] = _mm512_loadu_si512(states + g * LANES);
    for (size_t i = n; i > 0 && !missing; i -= groups * LANES) {
#pragma GCC unroll 4
        for (size_t k = 0; k < groups; k++) {
            const size_t g = groups - 1 - k;
            const uint8_t *from = in + width * (i - (k + 1) * LANES);
            __mmask16 gave, lost;
            __m512i symbols = width == 1
                                  ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)from))
                                  : _mm512_min_epu32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from)),
                                                     _mm512_set1_epi32((int)alphabet));
            __m512i words = encode_step(table, symbols, log, &x[g], &gave, &lost);
            unsigned count = (unsigned)__builtin_popcount(gave);
            end -= 2 * (size_t)count;
            _mm256_mask_storeu_epi16(end, (__mmask16)_bzhi_u32(0xFFFF, count), _mm512_cvtepi32_epi16(words));
            missing |= lost;
        }
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) _mm512_storeu_si512(states + g * LANES, x[g]);
    return missing ? NULL : end;
}

ENT_AVX512_INLINE uint8_t *encode_groups(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                         const void *symbols, size_t n, uint32_t *x, size_t states, uint8_t *end)
{
    switch (states / LANES) {
    case 1: return encode_rounds(table, alphabet, log, width, symbols, n, x, 1, end);
    case 2: return encode_rounds(table, alphabet, log, width, symbols, n, x, 2, end);
    case 3: return encode_rounds(table, alphabet, log, width, symbols, n, x, 3, end);
    default: return encode_rounds(table, alphabet, log, width, symbols, n, x, 4, end);
    }
}

ENT_AVX512 uint8_t *ent_rans_encode_avx512(const rans_gathered *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                           const void *symbols, size_t n, uint32_t *x, size_t states, uint8_t *end)
{
    if (width == 1) return encode_groups(table, alphabet, log, 1, symbols, n, x, states, end);
    return encode_groups(table, alphabet, log, 2, symbols, n, x, states, end);
}

#endif
