/* wavelet_tree_avx2.c - the loops of wavelet-tree with AVX2: 8 symbols by a byte shuffle.
 *
 * Eight bytes of either side in one register and a byte of bits, which picks the order from a table: one shuffle
 * merges them, and one more table takes them apart. */
#include "base/bits.h"
#include "coder/wavelet_tree.h"

#if defined __x86_64__
#include "coder/avx2.h"

enum { STEP = 8 };

/* ---- the tables, by a byte of bits ------------------------------------------------------------ */

#define EACH4(X, m) X(m) X((m) + 1) X((m) + 2) X((m) + 3)
#define EACH16(X, m) EACH4(X, m) EACH4(X, (m) + 4) EACH4(X, (m) + 8) EACH4(X, (m) + 12)
#define EACH64(X, m) EACH16(X, m) EACH16(X, (m) + 16) EACH16(X, (m) + 32) EACH16(X, (m) + 48)
#define EACH256(X) EACH64(X, 0) EACH64(X, 64) EACH64(X, 128) EACH64(X, 192)

/* Whence byte i comes: the left side's next one, or STEP + the right side's. */
#define BIT(m, i) ((uint64_t)(m) >> (i) & 1)
#define BELOW(m, i) __builtin_popcount((unsigned)(m) & ((1u << (i)) - 1))
#define FROM(m, i) ((uint64_t)(BIT(m, i) ? STEP + BELOW(m, i) : (i) - BELOW(m, i)) << 8 * (i))
#define MERGED(m) \
    FROM(m, 0) | FROM(m, 1) | FROM(m, 2) | FROM(m, 3) | FROM(m, 4) | FROM(m, 5) | FROM(m, 6) | FROM(m, 7),
/* The places of the ones, packed. */
#define AT(m, i) (BIT(m, i) ? (uint64_t)(i) << 8 * BELOW(m, i) : 0)
#define PLACES(m) AT(m, 0) | AT(m, 1) | AT(m, 2) | AT(m, 3) | AT(m, 4) | AT(m, 5) | AT(m, 6) | AT(m, 7),

/* One entry more: shuffles read 16 bytes. */
static const uint64_t merged[256 + 1] = { EACH256(MERGED) }, places[256] = { EACH256(PLACES) };

/* ---- merge ------------------------------------------------------------------------------------ */

ENT_AVX2 static size_t ones(const uint8_t *bits, size_t words)
{
    uint64_t sum = 0;
#pragma GCC unroll 4
    for (size_t i = 0; i < words; i++) sum += (uint64_t)_mm_popcnt_u64(ent_load64(bits + 8 * i));
    return sum;
}

ENT_AVX2_INLINE __m128i with_upper(__m128i lower, const uint8_t *upper)
{
    return _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(lower), (const void *)upper));
}

/* Step k of a word: eight symbols in the lower half; what is in the upper one is of no use.  Each step takes
 * STEP symbols, so the left string moves on by STEP a step, less what the right one does. */
ENT_AVX2_INLINE __m128i merge_8(wavelet_sides sides, size_t bits, size_t k, __m128i leaf, const uint8_t **left,
                                const uint8_t **right)
{
    size_t count = (size_t)_mm_popcnt_u64(bits);
    __m128i lower = sides == WAVELET_STRINGS ? _mm_loadl_epi64((const void *)(*left + STEP * k)) : leaf;
    __m128i both = with_upper(lower, *right);
    if (sides == WAVELET_STRINGS) *left -= count;
    *right += count;
    return _mm_shuffle_epi8(both, _mm_loadu_si128((const void *)(merged + bits)));
}

/* 32 symbols of two leaves: a byte for each of 32 bits. */
ENT_AVX2_INLINE __m256i leaves_32(const uint8_t *bits, __m256i zeros, __m256i ones)
{
    const __m256i each = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i place = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)ent_load32(bits)), place);
    return _mm256_blendv_epi8(zeros, ones, _mm256_cmpeq_epi8(_mm256_and_si256(v, each), each));
}

ENT_AVX2_INLINE __m256i pair_up(__m128i a, __m128i b, __m128i c, __m128i d)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi64(a, b)), _mm_unpacklo_epi64(c, d), 1);
}

/* `join` NULL: to symbols. */
ENT_AVX2_INLINE void merge_as(wavelet_sides sides, const wavelet_merge *m, const ent_join *join, ent_join_form form)
{
    const uint8_t *bits = m->bits, *left = m->string[0], *right = m->string[1];
    const __m256i zeros = _mm256_set1_epi8((char)m->symbol[0]), ones = _mm256_set1_epi8((char)m->symbol[1]);
    uint8_t *out = m->out;
    for (size_t i = 0, words = m->words, first = m->first; i < words; i++, bits += STEP) {
        __m128i z[STEP];
        __m256i half[2];
        if (sides == WAVELET_LEAVES) {
            half[0] = leaves_32(bits, zeros, ones);
            half[1] = leaves_32(bits + 4, zeros, ones);
        } else {
#pragma GCC unroll 8
            for (size_t k = 0; k < STEP; k++) {
                z[k] = merge_8(sides, bits[k], k, _mm256_castsi256_si128(zeros), &left, &right);
                if (!join) _mm_storel_epi64((void *)(out + WAVELET_WORD * i + STEP * k), z[k]);
            }
            if (sides == WAVELET_STRINGS) left += WAVELET_WORD;
            if (!join) continue;
            half[0] = pair_up(z[0], z[1], z[2], z[3]);
            half[1] = pair_up(z[4], z[5], z[6], z[7]);
        }
        if (join) {
            ent_join_group256(form, join, half[0], half[1], first + WAVELET_WORD * i, out);
        } else {
            _mm256_storeu_si256((void *)(out + WAVELET_WORD * i), half[0]);
            _mm256_storeu_si256((void *)(out + WAVELET_WORD * i + 32), half[1]);
        }
    }
}

/* ---- partition -------------------------------------------------------------------------------- */

ENT_AVX2_INLINE uint64_t from_middle(const uint8_t *leaves, __m256i middle)
{
    __m256i z = ent_load256(leaves), y = ent_load256(leaves + ENT_AVX2_LANES);
    uint32_t lower = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(z, middle), z));
    uint32_t upper = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(y, middle), y));
    return lower | (uint64_t)upper << 32;
}

ENT_AVX2_INLINE size_t part_as(wavelet_sides sides, const wavelet_part *p)
{
    const __m256i middle = _mm256_set1_epi8((char)p->middle);
    uint8_t *left = p->string[0], *right = p->string[1];
    size_t sum = 0;
    for (size_t i = 0; i < p->words; i++) {
        const uint8_t *from = p->leaves + WAVELET_WORD * i;
        uint64_t word = from_middle(from, middle);
        ent_store64(p->bits + STEP * i, word);
        sum += (size_t)_mm_popcnt_u64(word);
        if (sides == WAVELET_LEAVES) continue;
#pragma GCC unroll 8
        for (int k = 0; k < STEP; k++) {
            uint8_t bits = (uint8_t)(word >> 8 * k);
            size_t count = (size_t)_mm_popcnt_u32(bits);
            __m128i z = _mm_loadl_epi64((const void *)(from + STEP * (size_t)k));
            __m128i order = with_upper(_mm_loadl_epi64((const void *)(places + (uint8_t)~bits)), (const void *)(places + bits));
            z = _mm_shuffle_epi8(z, order);
            _mm_storeh_pd((void *)right, _mm_castsi128_pd(z));
            right += count;
            if (sides != WAVELET_STRINGS) continue;
            _mm_storel_epi64((void *)left, z);
            left += STEP - count;
        }
    }
    return sum;
}

#define TARGET ENT_AVX2
#define TARGET_INLINE ENT_AVX2_INLINE
#include "coder/wavelet_tree_target.h"

static void leaves(const wavelet_tree *t, const uint8_t *symbols, size_t n, uint8_t *leaves)
{
    for (size_t i = 0; i < n; i++) leaves[i] = t->leaf[symbols[i]];
}

const wavelet_loops ent_wavelet_avx2 = { ones, merge, part, leaves, true };
#endif
