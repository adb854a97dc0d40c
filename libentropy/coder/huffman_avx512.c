/* huffman_avx512.c - the loops of huffman with AVX-512: a string in each 64-bit lane.
 *
 * Encoding looks codes and lengths up by byte permutes and pushes neighbours of a string together, then
 * pairs, then fours: 64 symbols take some 100 instructions, and no store until 4 or 8 symbols of a string
 * are one integer. */
#include "coder/huffman.h"

#if defined __x86_64__
#include "coder/avx512.h"

enum { GROUP = HUFFMAN_GROUP_AVX512, LANES = HUFFMAN_STREAMS };

/* ---- encoding ------------------------------------------------------------------------------- */

/* 256 bytes, or as many of them as the alphabet needs. */
typedef struct bytes256 {
    __m512i quarter[4];
} bytes256;

ENT_AVX512_INLINE bytes256 load_table(const uint8_t *table)
{
    bytes256 t;
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) t.quarter[k] = _mm512_load_si512(table + 64 * k);
    return t;
}

typedef struct places {
    __m512i symbols;
    __mmask64 odd, upper, last; /* which quarter of a table is theirs: second or fourth, third or fourth, fourth */
} places;

ENT_AVX512_INLINE __m512i look_up(const bytes256 *t, bool small, const places *at)
{
    __m512i v = _mm512_permutexvar_epi8(at->symbols, t->quarter[0]);
    if (small) return v;
    v = _mm512_mask_permutexvar_epi8(v, at->odd, at->symbols, t->quarter[1]);
    v = _mm512_mask_permutexvar_epi8(v, at->upper, at->symbols, t->quarter[2]);
    return _mm512_mask_permutexvar_epi8(v, at->last, at->symbols, t->quarter[3]);
}

/* The codes of a string's next eight symbols as two integers of four, and their lengths. */
typedef struct fours {
    __m512i code[2], length[2];
} fours;

ENT_AVX512_INLINE fours push_together(__m512i low, __m512i high, __m512i length)
{
    const __m512i byte = _mm512_set1_epi16(0xFF), half = _mm512_set1_epi32(0xFFFF);
    const __m512i whole = _mm512_set1_epi64(UINT32_MAX);
    __m512i even = ent_select(byte, low, _mm512_slli_epi16(high, 8));
    __m512i odd = ent_select(byte, _mm512_srli_epi16(low, 8), high);
    __m512i before = _mm512_and_si512(length, byte);
    __m512i sum = _mm512_add_epi16(before, _mm512_srli_epi16(length, 8));
    /* pairs 0 and 2 of the four, pairs 1 and 3 */
    __m512i pair = _mm512_or_si512(_mm512_and_si512(even, half),
                                   _mm512_sllv_epi32(_mm512_and_si512(odd, half), _mm512_and_si512(before, half)));
    __m512i next = _mm512_or_si512(_mm512_srli_epi32(even, 16),
                                   _mm512_sllv_epi32(_mm512_srli_epi32(odd, 16), _mm512_srli_epi32(before, 16)));
    before = _mm512_and_si512(sum, half);
    sum = _mm512_add_epi32(before, _mm512_srli_epi32(sum, 16));
    __m512i first = _mm512_sllv_epi64(_mm512_and_si512(next, whole), _mm512_and_si512(before, whole));
    __m512i second = _mm512_sllv_epi64(_mm512_srli_epi64(next, 32), _mm512_srli_epi64(before, 32));
    return (fours){ { _mm512_or_si512(_mm512_and_si512(pair, whole), first),
                      _mm512_or_si512(_mm512_srli_epi64(pair, 32), second) },
                    { _mm512_and_si512(sum, whole), _mm512_srli_epi64(sum, 32) } };
}

typedef struct writers {
    __m512i next, held, bits; /* addresses */
} writers;

ENT_AVX512_INLINE writers load_writers(const huffman_writer *w)
{
    uint64_t next[LANES], held[LANES], bits[LANES];
    for (int s = 0; s < LANES; s++) next[s] = (uintptr_t)w[s].next, held[s] = w[s].held, bits[s] = w[s].bits;
    return (writers){ _mm512_loadu_si512(next), _mm512_loadu_si512(held), _mm512_loadu_si512(bits) };
}

ENT_AVX512_INLINE void store_writers(const writers *v, huffman_writer *w)
{
    uint64_t next[LANES], held[LANES], bits[LANES];
    _mm512_storeu_si512(next, v->next);
    _mm512_storeu_si512(held, v->held);
    _mm512_storeu_si512(bits, v->bits);
    for (int s = 0; s < LANES; s++) {
        w[s].next = (uint8_t *)(uintptr_t)next[s];
        w[s].held = held[s];
        w[s].bits = (unsigned)bits[s];
    }
}

/* At most 56 bits to each string. */
ENT_AVX512_INLINE void append(writers *v, __m512i code, __m512i length)
{
    const __m512i seven = _mm512_set1_epi64(7);
    uint64_t next[LANES], held[LANES];
    v->held = _mm512_or_si512(v->held, _mm512_sllv_epi64(code, v->bits));
    v->bits = _mm512_add_epi64(v->bits, length);
    _mm512_storeu_si512(next, v->next);
    _mm512_storeu_si512(held, v->held);
#pragma GCC unroll 8
    for (int s = 0; s < LANES; s++) ent_store64((uint8_t *)(uintptr_t)next[s], held[s]);
    v->next = _mm512_add_epi64(v->next, _mm512_srli_epi64(v->bits, 3));
    v->held = _mm512_srlv_epi64(v->held, _mm512_andnot_si512(seven, v->bits));
    v->bits = _mm512_and_si512(v->bits, seven);
}

ENT_AVX512_INLINE size_t encode_groups(const huffman_encoder *e, bool small, const uint8_t *symbols, size_t groups,
                                       huffman_writer *w)
{
    const __m512i by_string = _mm512_set_epi64(0x3F372F271F170F07, 0x3E362E261E160E06, 0x3D352D251D150D05,
                                               0x3C342C241C140C04, 0x3B332B231B130B03, 0x3A322A221A120A02,
                                               0x3931292119110901, 0x3830282018100800);
    const __m512i bit6 = _mm512_set1_epi8(64), most = _mm512_set1_epi64(56);
    const bytes256 low = load_table(e->low), high = load_table(e->high), length = load_table(e->length);
    writers v = load_writers(w);
    size_t i = 0;
    for (; i < groups; i++) {
        places at = { .symbols = _mm512_permutexvar_epi8(by_string, _mm512_loadu_si512(symbols + GROUP * i)) };
        at.odd = _mm512_test_epi8_mask(at.symbols, bit6);
        at.upper = _mm512_movepi8_mask(at.symbols);
        at.last = at.odd & at.upper;
        __m512i lengths = look_up(&length, small, &at);
        __mmask64 unknown = _mm512_movepi8_mask(lengths);
        if (small) unknown |= at.odd | at.upper;
        if (unknown) break;
        fours f = push_together(look_up(&low, small, &at), look_up(&high, small, &at), lengths);
        __m512i sum = _mm512_add_epi64(f.length[0], f.length[1]);
        if (_mm512_cmpgt_epu64_mask(sum, most)) {
            append(&v, f.code[0], f.length[0]);
            append(&v, f.code[1], f.length[1]);
        } else {
            append(&v, _mm512_or_si512(f.code[0], _mm512_sllv_epi64(f.code[1], f.length[0])), sum);
        }
    }
    store_writers(&v, w);
    return i;
}

ENT_AVX512 size_t ent_huffman_encode_avx512(const huffman_encoder *e, const uint8_t *symbols, size_t groups,
                                            huffman_writer *w)
{
    return e->small ? encode_groups(e, true, symbols, groups, w) : encode_groups(e, false, symbols, groups, w);
}

ENT_AVX512_INLINE void join_as(ent_join_form form, const ent_join *j, const uint8_t *symbols, size_t first, size_t n,
                               uint8_t *words)
{
    for (size_t i = 0; i < n; i += 64)
        ent_join_group512(form, j, _mm512_loadu_si512(symbols + i), first + i, words);
}

ENT_AVX512 size_t ent_huffman_join_avx512(ent_join_form form, const ent_join *join, const uint8_t *symbols, size_t first,
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
