/* tbe_avx512.c - the loop of tbe with AVX-512: 64 symbols at once, to symbols or straight to words. */
#include "coder/tbe.h"

#if defined __x86_64__
#include "coder/avx512.h"

/* `join` NULL: to bytes. */
ENT_AVX512_INLINE bool decode_groups(uint8_t base, tbe_block *block, const ent_join *join, ent_join_form form,
                                     uint8_t *out, size_t groups)
{
    const __m512i before = _mm512_set1_epi8((char)(base - 1));
    tbe_block b = *block; /* its own, so that no store can change it */
    for (size_t i = 0; i < groups; i++, b.planes += TBE_GROUP_BYTES) {
        const uint64_t p0 = ent_load64(b.planes), p1 = ent_load64(b.planes + 8), p2 = ent_load64(b.planes + 16);
        const uint64_t escapes = ~(p0 | p1 | p2);
        const unsigned count = (unsigned)_mm_popcnt_u64(escapes);
        if (__builtin_expect(b.end - b.escape < count, 0)) return false;
        ent_ask_to_read(b.planes);
        __m512i z = _mm512_mask_add_epi8(before, p0, before, _mm512_set1_epi8(1));
        z = _mm512_mask_add_epi8(z, p1, z, _mm512_set1_epi8(2));
        z = _mm512_mask_add_epi8(z, p2, z, _mm512_set1_epi8(4));
        z = _mm512_mask_expand_epi8(z, escapes, _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, count), b.escape));
        b.escape += count;
        if (join)
            ent_join_group512(form, join, z, TBE_GROUP * i, out);
        else
            ent_store512(out + TBE_GROUP * i, z, false);
    }
    if (join && join->stream) _mm_sfence();
    *block = b;
    return true;
}

/* Functions of their own: compilers allot registers badly where several of these loops share one. */
ENT_AVX512 static bool to_bytes(uint8_t base, tbe_block *b, uint8_t *out, size_t groups)
{
    return decode_groups(base, b, NULL, ENT_JOIN_OTHER, out, groups);
}

ENT_AVX512 static bool to_bf16(uint8_t base, tbe_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
    ent_join j = *join;
    j.stream = false;
    return decode_groups(base, b, &j, ENT_JOIN_BF16, out, groups);
}

ENT_AVX512 static bool to_bf16_stream(uint8_t base, tbe_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
    ent_join j = *join;
    j.stream = true;
    return decode_groups(base, b, &j, ENT_JOIN_BF16, out, groups);
}

ENT_AVX512 static bool to_words(uint8_t base, tbe_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
    ent_join j = *join;
    return decode_groups(base, b, &j, ent_join_form_of(join), out, groups);
}

bool ent_tbe_decode_avx512(uint8_t base, tbe_block *block, const ent_join *join, uint8_t *out, size_t groups)
{
    if (!join) return to_bytes(base, block, out, groups);
    if (ent_join_form_of(join) != ENT_JOIN_BF16) return to_words(base, block, join, out, groups);
    return (join->stream ? to_bf16_stream : to_bf16)(base, block, join, out, groups);
}
#endif
