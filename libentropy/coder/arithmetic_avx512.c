/* arithmetic_avx512.c - the loops of the arithmetic coders with AVX-512: 8 streams a register.
 *
 * Golden Cove, a step of 8 symbols.  Encoding: gather 10 cycles, scatter 11, and 22 operations of the two vector ports,
 * partly beside them: 20 measured.  Its chain, shift, multiplication (VPMULLQ, 15), count zeros, mask and shift, is 22
 * cycles, 1.4 a symbol of 16 streams.  Decoding: two gathers and 31 operations, 25 cycles; but the chain from range to
 * range is conversion 4, reciprocal 7, multiplication 4, conversion 4, gather 26, mask 1, VPMULLQ 15, compare 3, count
 * zeros 4, mask and shift 2, some 70 cycles with the moves between: 4.4 a symbol of 16 streams, 8.8 of 8; measured
 * 5.1 and 9.7. */
#include "coder/arithmetic.h"

#if defined __x86_64__
#include "coder/avx512.h"

enum { LANES = ARITHMETIC_LANES, GROUPS_MOST = ENT_RANGE_STREAMS_MOST / LANES };

ENT_AVX512_INLINE __m512i swap_bytes(__m512i v)
{
    return _mm512_shuffle_epi8(v, _mm512_set4_epi64(0x08090A0B0C0D0E0F, 0x0001020304050607, 0x08090A0B0C0D0E0F,
                                                    0x0001020304050607));
}

/* Whole bytes of zeros at the top, in bits. */
ENT_AVX512_INLINE __m512i zero_bytes(__m512i v)
{
    return _mm512_and_si512(_mm512_lzcnt_epi64(v), _mm512_set1_epi64(56));
}

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct lanes { /* of ent_range_encoder */
    __m512i low, range, before, next;
} lanes;

ENT_AVX512_INLINE lanes load_lanes(const ent_range_encoder *stream)
{
    uint64_t part[4][LANES];
    for (size_t l = 0; l < LANES; l++) {
        part[0][l] = stream[l].low;
        part[1][l] = stream[l].range;
        part[2][l] = stream[l].before;
        part[3][l] = (uintptr_t)stream[l].next;
    }
    return (lanes){ _mm512_loadu_si512(part[0]), _mm512_loadu_si512(part[1]), _mm512_loadu_si512(part[2]),
                    _mm512_loadu_si512(part[3]) };
}

ENT_AVX512_INLINE void store_lanes(lanes v, ent_range_encoder *stream)
{
    uint64_t part[4][LANES];
    _mm512_storeu_si512(part[0], v.low);
    _mm512_storeu_si512(part[1], v.range);
    _mm512_storeu_si512(part[2], v.before);
    _mm512_storeu_si512(part[3], v.next);
    for (size_t l = 0; l < LANES; l++)
        stream[l] = (ent_range_encoder){ part[0][l], part[1][l], part[2][l], (uint8_t *)(uintptr_t)part[3][l] };
}

ENT_AVX512 static __attribute__((noinline, cold)) void carry_far(__m512i next, __mmask8 which)
{
    uint64_t to[LANES];
    _mm512_storeu_si512(to, next);
    for (size_t l = 0; l < LANES; l++)
        if (which >> l & 1) ent_range_carry((uint8_t *)(uintptr_t)to[l]);
}

/* As ent_range_put. */
ENT_AVX512_INLINE void put(lanes *e, __m512i entry, uint32_t log)
{
    __m512i start = _mm512_and_si512(entry, _mm512_set1_epi64(UINT32_MAX)), freq = _mm512_srli_epi64(entry, 32);
    __m512i slot = _mm512_srl_epi64(e->range, _mm_cvtsi32_si128((int)log));
    __m512i low = _mm512_add_epi64(e->low, _mm512_mullo_epi64(slot, start)), range = _mm512_mullo_epi64(slot, freq);
    __mmask8 carry = _mm512_cmplt_epu64_mask(low, e->low);
    __m512i before = _mm512_mask_sub_epi64(e->before, carry, e->before, _mm512_set1_epi64(-1));
    __mmask8 far = _mm512_mask_testn_epi64_mask(carry, before, before);
    if (__builtin_expect(far, 0)) carry_far(e->next, far);
    __m512i shift = zero_bytes(range);
    _mm512_i64scatter_epi64(NULL, e->next, swap_bytes(before), 1);
    e->next = _mm512_add_epi64(e->next, _mm512_srli_epi64(shift, 3));
    e->before = _mm512_shldv_epi64(before, low, shift);
    e->low = _mm512_sllv_epi64(low, shift);
    e->range = _mm512_sllv_epi64(range, shift);
}

ENT_AVX512_INLINE size_t encode_rounds(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log, uint32_t width,
                                       const uint8_t *in, size_t n, ent_range_encoder *stream, const size_t groups)
{
    const __m512i freq = _mm512_set1_epi64((int64_t)((uint64_t)UINT32_MAX << 32));
    lanes e[GROUPS_MOST];
    size_t i = 0;
#pragma GCC unroll 2
    for (size_t g = 0; g < groups; g++) e[g] = load_lanes(stream + g * LANES);
    for (; n - i >= groups * LANES; i += groups * LANES) {
        __m512i entry[GROUPS_MOST];
        __mmask8 missing = 0;
#pragma GCC unroll 2
        for (size_t g = 0; g < groups; g++) {
            const uint8_t *from = in + width * (i + g * LANES);
            __m256i symbols = width == 1
                                  ? _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)from))
                                  : _mm256_min_epu32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from)),
                                                     _mm256_set1_epi32((int)alphabet));
            entry[g] = _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), _cvtu32_mask8(0xFF), symbols, table, 8);
            missing |= _mm512_testn_epi64_mask(entry[g], freq);
        }
        if (missing) break;
#pragma GCC unroll 2
        for (size_t g = 0; g < groups; g++) put(&e[g], entry[g], log);
    }
#pragma GCC unroll 2
    for (size_t g = 0; g < groups; g++) store_lanes(e[g], stream + g * LANES);
    return i;
}

ENT_AVX512 size_t ent_arithmetic_encode_avx512(const arithmetic_symbol *table, uint32_t alphabet, uint32_t log,
                                               uint32_t width, const void *symbols, size_t n,
                                               ent_range_encoder *stream, size_t streams)
{
    if (width == 1)
        return streams == LANES ? encode_rounds(table, alphabet, log, 1, symbols, n, stream, 1)
                                : encode_rounds(table, alphabet, log, 1, symbols, n, stream, 2);
    return streams == LANES ? encode_rounds(table, alphabet, log, 2, symbols, n, stream, 1)
                            : encode_rounds(table, alphabet, log, 2, symbols, n, stream, 2);
}

/* ---- decoding ------------------------------------------------------------------------------- */

typedef struct points { /* of ent_range_decoder */
    __m512i code, range, next;
} points;

ENT_AVX512_INLINE points load_points(const ent_range_decoder *stream)
{
    uint64_t part[3][LANES];
    for (size_t l = 0; l < LANES; l++) {
        part[0][l] = stream[l].code;
        part[1][l] = stream[l].range;
        part[2][l] = (uintptr_t)stream[l].next;
    }
    return (points){ _mm512_loadu_si512(part[0]), _mm512_loadu_si512(part[1]), _mm512_loadu_si512(part[2]) };
}

ENT_AVX512_INLINE void store_points(points v, ent_range_decoder *stream)
{
    uint64_t part[3][LANES];
    _mm512_storeu_si512(part[0], v.code);
    _mm512_storeu_si512(part[1], v.range);
    _mm512_storeu_si512(part[2], v.next);
    for (size_t l = 0; l < LANES; l++) {
        stream[l].code = part[0][l];
        stream[l].range = part[1][l];
        stream[l].next = (const uint8_t *)(uintptr_t)part[2][l];
    }
}

ENT_AVX512 static __attribute__((noinline)) bool find_missed(const arithmetic_cells *cells, const points *d,
                                                             __mmask8 missed, __m512i *entry)
{
    uint64_t code[LANES], range[LANES], found[LANES];
    _mm512_storeu_si512(code, d->code);
    _mm512_storeu_si512(range, d->range);
    _mm512_storeu_si512(found, *entry);
    for (size_t l = 0; l < LANES; l++)
        if (missed >> l & 1 && !ent_arithmetic_find(cells, code[l], range[l], &found[l])) return false;
    *entry = _mm512_loadu_si512(found);
    return true;
}

/* What is left of code and range after the symbols of `entry`; says which of them cannot be right. */
ENT_AVX512_INLINE __mmask8 take(const points *d, __m512i entry, uint32_t log, __m512i *code, __m512i *range)
{
    const __m512i field = _mm512_set1_epi64(0xFFFFFF);
    __m512i slot = _mm512_srl_epi64(d->range, _mm_cvtsi32_si128((int)log));
    __m512i start = _mm512_and_si512(entry, field), freq = _mm512_and_si512(_mm512_srli_epi64(entry, 24), field);
    *range = _mm512_mullo_epi64(slot, freq);
    *code = _mm512_sub_epi64(d->code, _mm512_mullo_epi64(slot, start));
    return _mm512_cmpge_epu64_mask(*code, *range);
}

/* Eight symbols; false where damage shows. */
ENT_AVX512_INLINE bool step(const arithmetic_cells *cells, uint32_t log, __m512d scale, points *d, uint8_t *out)
{
    __m512d at = _mm512_mul_pd(_mm512_mul_pd(_mm512_cvtepu64_pd(d->code), scale),
                               _mm512_rcp14_pd(_mm512_cvtepu64_pd(d->range)));
    __m512i entry = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), _cvtu32_mask8(0xFF), _mm512_cvttpd_epi64(at),
                                                cells->cell, 8);
    __m512i coming = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), _cvtu32_mask8(0xFF), d->next, NULL, 1);
    __m512i code, range;
    __mmask8 missed = take(d, entry, log, &code, &range);
    if (__builtin_expect(missed, 0)) {
        if (!find_missed(cells, d, missed, &entry)) return false;
        take(d, entry, log, &code, &range);
    }
    __m512i shift = zero_bytes(range);
    _mm_storel_epi64((void *)out, _mm512_cvtepi64_epi8(_mm512_srli_epi64(entry, 48)));
    d->next = _mm512_add_epi64(d->next, _mm512_srli_epi64(shift, 3));
    d->code = _mm512_shldv_epi64(code, swap_bytes(coming), shift);
    d->range = _mm512_sllv_epi64(range, shift);
    return true;
}

ENT_AVX512_INLINE size_t decode_rounds(const arithmetic_cells *cells, uint8_t *out, size_t n, ent_range_decoder *stream,
                                       const size_t groups, ent_status *status)
{
    const arithmetic_cells own = *cells;
    const __m512d scale = _mm512_set1_pd((double)(1u << own.cells_log));
    points d[GROUPS_MOST];
    size_t i = 0;
    for (size_t rounds; (rounds = ent_range_rounds(stream, groups * LANES, (n - i) / (groups * LANES)));) {
#pragma GCC unroll 2
        for (size_t g = 0; g < groups; g++) d[g] = load_points(stream + g * LANES);
        for (; rounds; rounds--, i += groups * LANES)
#pragma GCC unroll 2
            for (size_t g = 0; g < groups; g++)
                if (!step(&own, own.log, scale, &d[g], out + i + g * LANES)) {
                    *status = ENT_ECORRUPT;
                    return i;
                }
#pragma GCC unroll 2
        for (size_t g = 0; g < groups; g++) store_points(d[g], stream + g * LANES);
    }
    return i;
}

ENT_AVX512 size_t ent_arithmetic_decode_avx512(const arithmetic_cells *cells, uint8_t *symbols, size_t n,
                                               ent_range_decoder *stream, size_t streams, ent_status *status)
{
    return streams == LANES ? decode_rounds(cells, symbols, n, stream, 1, status)
                            : decode_rounds(cells, symbols, n, stream, 2, status);
}

#endif
