/* arithmetic_avx2.c - encoding for the arithmetic coders with AVX2: 4 streams a register, 8 at a time.
 *
 * The states of 16 streams do not fit the registers, so that they are coded in two passes.  There are no 64-bit
 * multiplications, no count of zeros and no scatter: two multiplications of 32 bits, three comparisons and eight
 * scalar stores stand for them.  Decoding is left to scalar code: the way from a code to its cell takes conversions
 * of 64-bit integers, which AVX2 lacks too. */
#include "coder/arithmetic.h"

#if defined __x86_64__
#include "coder/avx2.h"

enum { LANES = 4, TOGETHER = ARITHMETIC_LANES, GROUPS = TOGETHER / LANES };

typedef struct lanes { /* of ent_range_encoder; next: addresses */
    __m256i low, range, before, next;
} lanes;

ENT_AVX2_INLINE lanes load_lanes(const ent_range_encoder *stream)
{
    uint64_t part[4][LANES];
    for (size_t l = 0; l < LANES; l++) {
        part[0][l] = stream[l].low;
        part[1][l] = stream[l].range;
        part[2][l] = stream[l].before;
        part[3][l] = (uintptr_t)stream[l].next;
    }
    return (lanes){ _mm256_loadu_si256((const void *)part[0]), _mm256_loadu_si256((const void *)part[1]),
                    _mm256_loadu_si256((const void *)part[2]), _mm256_loadu_si256((const void *)part[3]) };
}

ENT_AVX2_INLINE void store_lanes(const lanes *v, ent_range_encoder *stream)
{
    uint64_t part[4][LANES];
    _mm256_storeu_si256((void *)part[0], v->low);
    _mm256_storeu_si256((void *)part[1], v->range);
    _mm256_storeu_si256((void *)part[2], v->before);
    _mm256_storeu_si256((void *)part[3], v->next);
    for (size_t l = 0; l < LANES; l++)
        stream[l] = (ent_range_encoder){ part[0][l], part[1][l], part[2][l], (uint8_t *)(uintptr_t)part[3][l] };
}

ENT_AVX2 static __attribute__((noinline, cold)) void carry_far(__m256i next, __m256i far)
{
    uint64_t to[LANES];
    unsigned which = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(far));
    _mm256_storeu_si256((void *)to, next);
    for (size_t l = 0; l < LANES; l++)
        if (which >> l & 1) ent_range_carry((uint8_t *)(uintptr_t)to[l]);
}

/* Of 64 bits by the lower 32 of `by`, whose upper ones do not count. */
ENT_AVX2_INLINE __m256i multiply(__m256i v, __m256i by)
{
    __m256i upper = _mm256_mul_epu32(_mm256_srli_epi64(v, 32), by);
    return _mm256_add_epi64(_mm256_mul_epu32(v, by), _mm256_slli_epi64(upper, 32));
}

ENT_AVX2_INLINE __m256i below(__m256i a, __m256i b) /* unsigned */
{
    const __m256i top = _mm256_set1_epi64x(INT64_MIN);
    return _mm256_cmpgt_epi64(_mm256_xor_si256(b, top), _mm256_xor_si256(a, top));
}

/* Whole bytes of zeros at the top of a range after a symbol: of 34 bits or more, so 3 at the most. */
ENT_AVX2_INLINE __m256i zero_bytes(__m256i range)
{
    __m256i upper = _mm256_srli_epi64(range, 34);
    __m256i none = _mm256_cmpgt_epi32(_mm256_set1_epi64x(1 << 22), upper);
    __m256i one = _mm256_cmpgt_epi32(_mm256_set1_epi64x(1 << 14), upper);
    __m256i two = _mm256_cmpgt_epi32(_mm256_set1_epi64x(1 << 6), upper);
    return _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_add_epi32(none, _mm256_add_epi32(one, two)));
}

/* As ent_range_put. */
ENT_AVX2_INLINE void put(lanes *e, __m256i entry, __m128i by_log)
{
    const __m256i swap = _mm256_setr_epi64x(0x0001020304050607, 0x08090A0B0C0D0E0F, 0x0001020304050607,
                                            0x08090A0B0C0D0E0F);
    uint64_t next[LANES], bytes[LANES];
    __m256i slot = _mm256_srl_epi64(e->range, by_log);
    __m256i low = _mm256_add_epi64(e->low, multiply(slot, entry));
    __m256i range = multiply(slot, _mm256_srli_epi64(entry, 32));
    __m256i carry = below(low, e->low), before = _mm256_sub_epi64(e->before, carry);
    __m256i far = _mm256_and_si256(carry, _mm256_cmpeq_epi64(before, _mm256_setzero_si256()));
    if (__builtin_expect(!_mm256_testz_si256(far, far), 0)) carry_far(e->next, far);
    _mm256_storeu_si256((void *)next, e->next);
    _mm256_storeu_si256((void *)bytes, _mm256_shuffle_epi8(before, swap));
#pragma GCC unroll 4
    for (size_t l = 0; l < LANES; l++) ent_store64((uint8_t *)(uintptr_t)next[l], bytes[l]);
    __m256i count = zero_bytes(range), shift = _mm256_slli_epi64(count, 3);
    __m256i coming = _mm256_srlv_epi64(low, _mm256_sub_epi64(_mm256_set1_epi64x(64), shift)); /* by 64: zeros */
    e->next = _mm256_add_epi64(e->next, count);
    e->before = _mm256_or_si256(_mm256_sllv_epi64(before, shift), coming);
    e->low = _mm256_sllv_epi64(low, shift);
    e->range = _mm256_sllv_epi64(range, shift);
}

ENT_AVX2_INLINE __m256i entries(const arithmetic_symbol *table, uint32_t alphabet, uint32_t width, const uint8_t *from)
{
    __m128i symbols = width == 1 ? _mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)ent_load32(from)))
                                 : _mm_min_epu32(_mm_cvtepu16_epi32(_mm_loadl_epi64((const void *)from)),
                                                 _mm_set1_epi32((int)alphabet));
    return _mm256_mask_i32gather_epi64(_mm256_setzero_si256(), (const void *)table, symbols, ent_all256(), 8);
}

ENT_AVX2_INLINE bool encode_some(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                 const uint8_t *in, size_t rounds, ent_range_encoder *stream, size_t streams)
{
    const __m128i by_log = _mm_cvtsi32_si128((int)log);
    lanes e[GROUPS];
#pragma GCC unroll 2
    for (size_t g = 0; g < GROUPS; g++) e[g] = load_lanes(stream + g * LANES);
    for (; rounds; rounds--, in += width * streams) {
        __m256i first = entries(table, alphabet, width, in);
        __m256i second = entries(table, alphabet, width, in + width * LANES);
        __m256i freqs = _mm256_castps_si256(
            _mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second), 0xDD));
        if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(freqs, _mm256_setzero_si256()))) return false;
        put(&e[0], first, by_log);
        put(&e[1], second, by_log);
    }
#pragma GCC unroll 2
    for (size_t g = 0; g < GROUPS; g++) store_lanes(&e[g], stream + g * LANES);
    return true;
}

ENT_AVX2 bool ent_arithmetic_encode_avx2(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log,
                                         uint32_t width, const void *symbols, size_t rounds,
                                         ent_range_encoder *stream, size_t streams)
{
    const uint8_t *in = symbols;
    for (size_t s = 0; s < streams; s += TOGETHER)
        if (!(width == 1 ? encode_some(table, alphabet, log, 1, in + s, rounds, stream + s, streams)
                         : encode_some(table, alphabet, log, 2, in + 2 * s, rounds, stream + s, streams)))
            return false;
    return true;
}

#endif
