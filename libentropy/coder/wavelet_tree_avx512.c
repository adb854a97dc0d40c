/* wavelet_tree_avx512.c - the loops of wavelet-tree with AVX-512: 64 symbols by two byte expansions.
 *
 * An expansion is two shuffles, so a node of two inner sides takes five of them for 64 symbols, one of a
 * leaf and an inner side three, and one of two leaves one.  It merges with the old value of its target, and some
 * processors wait for that even where the instruction says zeros: so the target is a zero made on the spot. */
#include "base/bits.h"
#include "coder/wavelet_tree.h"

#if defined __x86_64__
#include "coder/avx512.h"

ENT_AVX512 static size_t ones(const uint8_t *bits, size_t words)
{
    enum { WORDS = 8 };
    __m512i sum = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + WORDS <= words; i += WORDS)
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_loadu_si512(bits + 8 * i)));
    __m512i rest = _mm512_maskz_loadu_epi64((__mmask8)((1u << (words - i)) - 1), bits + 8 * i);
    return (size_t)_mm512_reduce_add_epi64(_mm512_add_epi64(sum, _mm512_popcnt_epi64(rest)));
}

/* ---- merge ------------------------------------------------------------------------------------ */

ENT_AVX512_INLINE __m512i zero(void)
{
    __m512i z = _mm512_setzero_si512();
    __asm__("" : "+v"(z));
    return z;
}

/* `join` NULL: to symbols. */
ENT_AVX512_INLINE void merge_as(wavelet_sides sides, const wavelet_merge *m, const ent_join *join, ent_join_form form)
{
    const uint8_t *bits = m->bits, *left = m->string[0], *right = m->string[1];
    const __m512i zeros = _mm512_set1_epi8((char)m->symbol[0]), ones = _mm512_set1_epi8((char)m->symbol[1]);
    uint8_t *out = m->out;
    for (size_t i = 0, words = m->words, first = m->first; i < words; i++, bits += 8) {
        uint64_t word = ent_load64(bits), count = (uint64_t)_mm_popcnt_u64(word);
        __mmask64 mask = _cvtu64_mask64(word);
        __m512i z = zeros;
        if (sides == WAVELET_STRINGS) {
            z = _mm512_mask_expandloadu_epi8(zero(), _knot_mask64(mask), left);
            left += WAVELET_WORD - count;
        }
        if (sides == WAVELET_LEAVES) {
            z = _mm512_mask_blend_epi8(mask, zeros, ones);
        } else {
            z = _mm512_mask_expandloadu_epi8(z, mask, right);
            right += count;
        }
        if (join)
            ent_join_group512(form, join, z, first + WAVELET_WORD * i, out);
        else
            _mm512_storeu_si512(out + WAVELET_WORD * i, z);
    }
}

/* ---- partition -------------------------------------------------------------------------------- */

ENT_AVX512_INLINE size_t part_as(wavelet_sides sides, const wavelet_part *p)
{
    const __m512i middle = _mm512_set1_epi8((char)p->middle);
    uint8_t *left = p->string[0], *right = p->string[1];
    size_t sum = 0;
    for (size_t i = 0; i < p->words; i++) {
        __m512i z = _mm512_loadu_si512(p->leaves + WAVELET_WORD * i);
        __mmask64 mask = _mm512_cmpge_epu8_mask(z, middle);
        uint64_t word = _cvtmask64_u64(mask), count = (uint64_t)_mm_popcnt_u64(word);
        ent_store64(p->bits + 8 * i, word);
        sum += count;
        if (sides != WAVELET_LEAVES) { /* compressed in a register: to memory it takes a hundred cycles on some processors */
            _mm512_storeu_si512(right, _mm512_maskz_compress_epi8(mask, z));
            right += count;
        }
        if (sides == WAVELET_STRINGS) {
            _mm512_storeu_si512(left, _mm512_maskz_compress_epi8(_knot_mask64(mask), z));
            left += WAVELET_WORD - count;
        }
    }
    return sum;
}

#define TARGET ENT_AVX512
#define TARGET_INLINE ENT_AVX512_INLINE
#include "coder/wavelet_tree_target.h"

ENT_AVX512 static void leaves(const wavelet_tree *t, const uint8_t *symbols, size_t n, uint8_t *leaves)
{
    const __m512i l0 = _mm512_load_si512(t->leaf), l1 = _mm512_load_si512(t->leaf + 64);
    const __m512i l2 = _mm512_load_si512(t->leaf + 128), l3 = _mm512_load_si512(t->leaf + 192);
    for (size_t i = 0; i < n; i += WAVELET_WORD) {
        __mmask64 there = n - i < WAVELET_WORD ? _bzhi_u64(~0ull, (unsigned)(n - i)) : ~0ull;
        __m512i z = _mm512_maskz_loadu_epi8(there, symbols + i);
        z = _mm512_mask_blend_epi8(_mm512_movepi8_mask(z), _mm512_permutex2var_epi8(l0, z, l1),
                                   _mm512_permutex2var_epi8(l2, z, l3));
        _mm512_storeu_si512(leaves + i, z);
    }
}

const wavelet_loops ent_wavelet_avx512 = { ones, merge, part, leaves, true };
#endif
