/* row_palette_avx512.c - the loop of row-palette with AVX-512: a row of 64 at once, to symbols or straight to words. */
#include "coder/row_palette.h"

#if defined __x86_64__
#include "coder/avx512.h"

/* 32 bytes of indices to 64 of symbols, each in its place. */
ENT_AVX512_INLINE __m512i look_up(__m512i palette, const uint8_t *indices)
{
    __m512i v = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)indices));
    v = _mm512_or_si512(v, _mm512_slli_epi16(v, 4));
    return _mm512_shuffle_epi8(palette, _mm512_and_si512(v, _mm512_set1_epi8(15)));
}

/* `join` NULL: to bytes. */
ENT_AVX512_INLINE bool decode_rows(const palette_table *t, palette_block *block, const ent_join *join,
                                   ent_join_form form, uint8_t *out, size_t rows)
{
    const __m512i palette = _mm512_broadcast_i32x4(_mm_load_si128((const void *)t->symbol));
    palette_block b = *block; /* its own, so that no store can change it */
    for (size_t i = 0; i < rows; i++) {
        const bool verbatim = b.map[i / 8] >> i % 8 & 1;
        const size_t size = verbatim ? PALETTE_ROW : PALETTE_ROW / 2;
        if (__builtin_expect((size_t)(b.end - b.next) < size, 0)) return false;
        ent_ask_to_read(b.next);
        __m512i z = __builtin_expect(verbatim, 0) ? _mm512_loadu_si512(b.next) : look_up(palette, b.next);
        b.next += size;
        if (join)
            ent_join_group512(form, join, z, PALETTE_ROW * i, out);
        else
            ent_store512(out + PALETTE_ROW * i, z, false);
    }
    if (join && join->stream) _mm_sfence();
    *block = b;
    return true;
}

/* Functions of their own: compilers allot registers badly where several of these loops share one. */
ENT_AVX512 static bool to_bytes(const palette_table *t, palette_block *b, uint8_t *out, size_t rows)
{
    return decode_rows(t, b, NULL, ENT_JOIN_OTHER, out, rows);
}

ENT_AVX512 static bool to_bf16(const palette_table *t, palette_block *b, const ent_join *join, uint8_t *out, size_t rows)
{
    ent_join j = *join;
    j.stream = false;
    return decode_rows(t, b, &j, ENT_JOIN_BF16, out, rows);
}

ENT_AVX512 static bool to_bf16_stream(const palette_table *t, palette_block *b, const ent_join *join, uint8_t *out,
                                      size_t rows)
{
    ent_join j = *join;
    j.stream = true;
    return decode_rows(t, b, &j, ENT_JOIN_BF16, out, rows);
}

ENT_AVX512 static bool to_words(const palette_table *t, palette_block *b, const ent_join *join, uint8_t *out, size_t rows)
{
    ent_join j = *join;
    return decode_rows(t, b, &j, ent_join_form_of(join), out, rows);
}

bool ent_palette_decode_avx512(const palette_table *table, palette_block *block, const ent_join *join, uint8_t *out,
                               size_t rows)
{
    if (!join) return to_bytes(table, block, out, rows);
    if (ent_join_form_of(join) != ENT_JOIN_BF16) return to_words(table, block, join, out, rows);
    return (join->stream ? to_bf16_stream : to_bf16)(table, block, join, out, rows);
}
#endif
