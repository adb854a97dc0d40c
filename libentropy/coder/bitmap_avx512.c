/* bitmap_avx512.c - the loop of bitmap with AVX-512: 64 bytes of symbols put in place by one expansion. */
#include "coder/bitmap.h"

#if defined __x86_64__
#include "coder/avx512.h"

/* 64 / width symbols. */
ENT_AVX512_INLINE __m512i expand(uint64_t ones, const uint8_t *next, uint32_t width)
{
    const __m512i v = _mm512_loadu_si512(next);
    switch (width) {
    case 1: return _mm512_maskz_expand_epi8(ones, v);
    case 2: return _mm512_maskz_expand_epi16((__mmask32)ones, v);
    case 4: return _mm512_maskz_expand_epi32((__mmask16)ones, v);
    default: return _mm512_maskz_expand_epi64((__mmask8)ones, v);
    }
}

ENT_AVX512_INLINE size_t expand_all(const uint8_t *bits, size_t groups, const uint8_t **next, const uint8_t *end,
                                    uint32_t width, uint8_t *out)
{
    const unsigned lanes = 64 / width;
    const uint8_t *p = *next;
    size_t i = 0;
    for (; i < groups && (size_t)(end - p) >= (size_t)BITMAP_GROUP * width; i++) {
        uint64_t ones = ent_load64(bits + 8 * i);
        ent_ask_to_read(p);
        for (unsigned k = 0; k < width; k++, out += 64) {
            const uint64_t some = _bzhi_u64(ones, lanes);
            ent_store512(out, expand(some, p, width), false);
            p += width * (unsigned)_mm_popcnt_u64(some);
            ones = lanes < 64 ? ones >> lanes % 64 : 0;
        }
    }
    *next = p;
    return i;
}

ENT_AVX512 size_t ent_bitmap_expand_avx512(const uint8_t *bits, size_t groups, const uint8_t **next, const uint8_t *end,
                                           uint32_t width, uint8_t *out)
{
    switch (width) {
    case 1: return expand_all(bits, groups, next, end, 1, out);
    case 2: return expand_all(bits, groups, next, end, 2, out);
    case 4: return expand_all(bits, groups, next, end, 4, out);
    default: return expand_all(bits, groups, next, end, 8, out);
    }
}
#endif
