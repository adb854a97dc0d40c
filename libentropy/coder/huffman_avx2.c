/* huffman_avx2.c - the loops of huffman with AVX2: a string in each lane. */
#include "coder/huffman.h"

#if defined __x86_64__
#include "coder/avx2.h"

enum { LANES = HUFFMAN_STREAMS, HALF = LANES / 2 };

typedef struct writers {
    __m256i next[2], held[2], bits[2]; /* addresses; strings 0 to 3 and 4 to 7 */
} writers;

ENT_AVX2_INLINE writers load_writers(const huffman_writer *w)
{
    uint64_t next[LANES], held[LANES], bits[LANES];
    writers v;
    for (int s = 0; s < LANES; s++) next[s] = (uintptr_t)w[s].next, held[s] = w[s].held, bits[s] = w[s].bits;
    for (int h = 0; h < 2; h++) {
        v.next[h] = _mm256_loadu_si256((const void *)(next + HALF * h));
        v.held[h] = _mm256_loadu_si256((const void *)(held + HALF * h));
        v.bits[h] = _mm256_loadu_si256((const void *)(bits + HALF * h));
    }
    return v;
}

ENT_AVX2_INLINE void store_writers(const writers *v, huffman_writer *w)
{
    uint64_t next[LANES], held[LANES], bits[LANES];
    for (int h = 0; h < 2; h++) {
        _mm256_storeu_si256((void *)(next + HALF * h), v->next[h]);
        _mm256_storeu_si256((void *)(held + HALF * h), v->held[h]);
        _mm256_storeu_si256((void *)(bits + HALF * h), v->bits[h]);
    }
    for (int s = 0; s < LANES; s++) {
        w[s].next = (uint8_t *)(uintptr_t)next[s];
        w[s].held = held[s];
        w[s].bits = (unsigned)bits[s];
    }
}

/* At most 56 bits to each of four strings. */
ENT_AVX2_INLINE void append(writers *v, int h, __m256i code, __m256i length)
{
    const __m256i seven = _mm256_set1_epi64x(7);
    uint64_t next[HALF], held[HALF];
    v->held[h] = _mm256_or_si256(v->held[h], _mm256_sllv_epi64(code, v->bits[h]));
    v->bits[h] = _mm256_add_epi64(v->bits[h], length);
    _mm256_storeu_si256((void *)next, v->next[h]);
    _mm256_storeu_si256((void *)held, v->held[h]);
#pragma GCC unroll 4
    for (int s = 0; s < HALF; s++) ent_store64((uint8_t *)(uintptr_t)next[s], held[s]);
    v->next[h] = _mm256_add_epi64(v->next[h], _mm256_srli_epi64(v->bits[h], 3));
    v->held[h] = _mm256_srlv_epi64(v->held[h], _mm256_andnot_si256(seven, v->bits[h]));
    v->bits[h] = _mm256_and_si256(v->bits[h], seven);
}

/* Lower halves of codes, `code[]` of the table: a short code and its length. */
ENT_AVX2_INLINE __m256i gather_codes(const huffman_encoder *e, const uint8_t *symbols)
{
    __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)symbols));
    return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), (const void *)e->code, index, ent_all256(), 8);
}

ENT_AVX2 size_t ent_huffman_encode_avx2(const huffman_encoder *e, const uint8_t *symbols, size_t groups,
                                        huffman_writer *w)
{
    enum { DEEP = HUFFMAN_GROUP_AVX2 / LANES };
    const __m256i byte = _mm256_set1_epi32(0xFF), one = _mm256_set1_epi32(1);
    const __m256i most = _mm256_set1_epi32(HUFFMAN_SHORT - 1);
    writers v = load_writers(w);
    size_t i = 0;
    for (; i < groups; i++) {
        __m256i code[DEEP], length[DEEP], longest = most;
#pragma GCC unroll 4
        for (int k = 0; k < DEEP; k++) {
            __m256i entry = gather_codes(e, symbols + HUFFMAN_GROUP_AVX2 * i + LANES * (size_t)k);
            code[k] = _mm256_srli_epi32(entry, 8);
            length[k] = _mm256_and_si256(entry, byte);
            longest = _mm256_max_epu32(longest, _mm256_sub_epi32(length[k], one)); /* no code has length 0 */
        }
        longest = _mm256_xor_si256(longest, most);
        if (!_mm256_testz_si256(longest, longest)) break;
        __m256i pair = _mm256_or_si256(code[0], _mm256_sllv_epi32(code[1], length[0]));
        __m256i next = _mm256_or_si256(code[2], _mm256_sllv_epi32(code[3], length[2]));
        __m256i before = _mm256_add_epi32(length[0], length[1]);
        __m256i sum = _mm256_add_epi32(before, _mm256_add_epi32(length[2], length[3]));
#define WIDE(x, h) _mm256_cvtepu32_epi64((h) ? _mm256_extracti128_si256(x, 1) : _mm256_castsi256_si128(x))
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m256i four = _mm256_or_si256(WIDE(pair, h), _mm256_sllv_epi64(WIDE(next, h), WIDE(before, h)));
            append(&v, h, four, WIDE(sum, h));
        }
    }
    store_writers(&v, w);
    return i;
}

ENT_AVX2_INLINE void join_as(ent_join_form form, const ent_join *j, const uint8_t *symbols, size_t first, size_t n,
                             uint8_t *words)
{
    for (size_t i = 0; i < n; i += 64)
        ent_join_group256(form, j, ent_load256(symbols + i), ent_load256(symbols + i + ENT_AVX2_LANES), first + i, words);
}

ENT_AVX2 size_t ent_huffman_join_avx2(ent_join_form form, const ent_join *join, const uint8_t *symbols, size_t first,
                                      size_t n, uint8_t *words)
{
    const ent_join j = *join; /* that no store can change */
    n -= n % 64;
    if (form == ENT_JOIN_BF16)
        join_as(ENT_JOIN_BF16, &j, symbols, first, n, words);
    else
        join_as(form, &j, symbols, first, n, words);
    return n;
}
#endif
