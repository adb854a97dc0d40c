/* tiered_avx512.c - the loops of tiered with AVX-512 and BMI2: 64 symbols at once.
 *
 * The body is one function of the shape (the widths of the tiers); the usual shapes are compiled on
 * their own so that no width is a variable, all others share a general one. */
#include "coder/tiered_bmi2.h"

#if defined __x86_64__
#include "coder/avx512.h"

enum { ONE_LOAD = 57 }; /* bits that an unaligned load of 64 surely holds after its shift */

/* ---- decoding ------------------------------------------------------------------------------- */

typedef struct shape {
    unsigned tiers, width[TIERED_TIERS];
} shape;

ENT_AVX512_INLINE uint64_t peek(const uint8_t *bits, size_t at)
{
    return ent_load64(bits + at / 8) >> at % 8 | (uint64_t)bits[at / 8 + 8] << 1 << (63 - at % 8);
}

/* Bits as a mask; by name, because compilers would keep them in mask registers only and then wait to
 * have them back for the scalar work. */
ENT_AVX512_INLINE __mmask64 to_mask(uint64_t bits)
{
    __mmask64 mask;
    __asm__("kmovq %1, %0" : "=Yk"(mask) : "r"(bits));
    return mask;
}

/* Adds the codes of one tier to the ranks of the symbols in `reach`, `count` in number; returns
 * those that escape it.  One load holds all planes of a tier that few reach; the second tier, where
 * that would be a coin toss on flat distributions, has its planes loaded `apart`. */
ENT_AVX512_INLINE uint64_t decode_tier(const uint8_t *bits, size_t at, unsigned width, uint64_t reach, unsigned count,
                                       __m512i *ranks, bool apart)
{
    uint64_t plane[TIERED_WIDTH];
    if (apart && __builtin_expect(count <= ONE_LOAD, 1)) {
#pragma GCC unroll 4
        for (unsigned j = 0; j < width; j++, at += count)
            plane[j] = _pdep_u64(ent_load64(bits + at / 8) >> at % 8, reach);
    } else if (!apart && __builtin_expect(width * count <= ONE_LOAD, 1)) {
        uint64_t v = ent_load64(bits + at / 8) >> at % 8;
#pragma GCC unroll 4
        for (unsigned j = 0; j < width; j++) plane[j] = _pdep_u64(v >> j * count, reach);
    } else {
#pragma GCC unroll 4
        for (unsigned j = 0; j < width; j++) plane[j] = _pdep_u64(peek(bits, at + j * count), reach);
    }
#pragma GCC unroll 4
    for (unsigned j = 0; j < width; j++) {
        *ranks = _mm512_mask_add_epi8(*ranks, to_mask(plane[j]), *ranks, _mm512_set1_epi8((char)(1 << j)));
        reach &= plane[j];
    }
    return reach;
}

ENT_AVX512_INLINE uint64_t decode_first(const uint8_t *bits, unsigned width, __m512i *ranks)
{
    uint64_t escaped = ~0ull;
    *ranks = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (unsigned j = 0; j < width; j++) {
        uint64_t plane = ent_load64(bits + 8 * j);
        *ranks = _mm512_mask_add_epi8(*ranks, to_mask(plane), *ranks, _mm512_set1_epi8((char)(1 << j)));
        escaped &= plane;
    }
    return escaped;
}

/* `join` NULL: to bytes. */
ENT_AVX512_INLINE bool decode_groups(const tiered_table *t, tiered_block *b, const ent_join *join, ent_join_form form,
                                     uint8_t *out, size_t groups, shape s)
{
    const __m512i symbols = _mm512_load_si512(t->symbol);
    const uint64_t may_escape = t->escapes ? ~0ull : 0;
    size_t at[TIERED_TIERS] = { 0 }, end[TIERED_TIERS] = { 0 };
    const uint8_t *bits[TIERED_TIERS] = { 0 }, *first = b->bits[0];
#pragma GCC unroll 4
    for (unsigned k = 1; k < s.tiers; k++) {
        at[k] = b->at[k];
        end[k] = b->end[k];
        bits[k] = b->bits[k];
    }
    for (size_t i = 0; i < groups; i++, first += 8 * s.width[0]) {
        __m512i ranks;
        uint64_t reach = decode_first(first, s.width[0], &ranks);
#pragma GCC unroll 4
        for (unsigned k = 1; k < s.tiers; k++) {
            unsigned count = (unsigned)_mm_popcnt_u64(reach);
            size_t next = at[k] + s.width[k] * count;
            if (__builtin_expect(next > end[k], 0)) return false;
            reach = decode_tier(bits[k], at[k], s.width[k], reach, count, &ranks, k == 1);
            at[k] = next;
        }
        __m512i z = _mm512_permutexvar_epi8(ranks, symbols);
        if (__builtin_expect((reach &= may_escape) != 0, 0)) {
            if (b->escapes_end - b->escape < _mm_popcnt_u64(reach)) return false;
            z = _mm512_mask_expandloadu_epi8(z, reach, b->escape);
            b->escape += _mm_popcnt_u64(reach);
        }
        if (!join) {
            _mm512_storeu_si512(out + 64 * i, z);
            continue;
        }
        ent_ask_to_read(first);
        ent_join_group512(form, join, z, 64 * i, out);
    }
    if (join && join->stream) _mm_sfence();
    b->at[0] += groups * TIERED_GROUP * s.width[0];
#pragma GCC unroll 4
    for (unsigned k = 1; k < s.tiers; k++) b->at[k] = at[k];
    return true;
}

typedef bool decode_variant(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, size_t groups);
typedef enum target { BYTES, BF16, BF16_STREAM, WORDS } target;

ENT_AVX512_INLINE bool decode_to(target to, const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out,
                                 size_t groups, shape s)
{
    if (to == BYTES) return decode_groups(t, b, NULL, ENT_JOIN_OTHER, out, groups, s);
    ent_join j = *join; /* its own, so that no store can change it */
    if (to != WORDS) j.stream = to == BF16_STREAM;
    return decode_groups(t, b, &j, to == WORDS ? ent_join_form_of(join) : ENT_JOIN_BF16, out, groups, s);
}

/* Functions of their own: gcc allots registers badly where several of these loops share one. */
#define VARIANT(name, to, tiers, ...) \
    ENT_AVX512 static bool name##_##to(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, \
                                       size_t groups) \
    { \
        return decode_to(to, t, b, join, out, groups, (shape){ tiers, { __VA_ARGS__ } }); \
    }
#define SHAPE(name, ...) \
    VARIANT(name, BYTES, __VA_ARGS__) \
    VARIANT(name, BF16, __VA_ARGS__) \
    VARIANT(name, BF16_STREAM, __VA_ARGS__) \
    VARIANT(name, WORDS, __VA_ARGS__) \
    static decode_variant *const name[] = { name##_BYTES, name##_BF16, name##_BF16_STREAM, name##_WORDS };
SHAPE(shape_223, 3, 2, 2, 3)
SHAPE(shape_2222, 4, 2, 2, 2, 2)
SHAPE(shape_2223, 4, 2, 2, 2, 3)
SHAPE(shape_2123, 4, 2, 1, 2, 3)
SHAPE(any_shape, t->tiers, t->width[0], t->width[1], t->width[2], t->width[3])

bool ent_tiered_decode_avx512(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
    target to = !join ? BYTES : ent_join_form_of(join) != ENT_JOIN_BF16 ? WORDS : join->stream ? BF16_STREAM : BF16;
    switch (ent_load32(t->width)) {
    case 0x00030202: return shape_223[to](t, b, join, out, groups);
    case 0x02020202: return shape_2222[to](t, b, join, out, groups);
    case 0x03020202: return shape_2223[to](t, b, join, out, groups);
    case 0x03020102: return shape_2123[to](t, b, join, out, groups);
    default: return any_shape[to](t, b, join, out, groups);
    }
}

/* ---- encoding ------------------------------------------------------------------------------- */

ENT_AVX512_INLINE uint64_t plane_of(__m512i keys, unsigned bit)
{
    return _cvtmask64_u64(_mm512_test_epi8_mask(keys, _mm512_set1_epi8((char)(1 << bit))));
}

ENT_AVX512 void ent_tiered_encode_avx512(const tiered_encoder *e, tiered_job *job, const uint8_t *symbols,
                                         size_t groups)
{
    const __m512i k0 = _mm512_load_si512(e->key), k1 = _mm512_load_si512(e->key + 64);
    const __m512i k2 = _mm512_load_si512(e->key + 128), k3 = _mm512_load_si512(e->key + 192);
    tiered_job local = *job;
    for (size_t i = 0; i < groups; i++, symbols += TIERED_GROUP) {
        __m512i z = _mm512_loadu_si512(symbols);
        __m512i keys = _mm512_mask_blend_epi8(_mm512_movepi8_mask(z), _mm512_permutex2var_epi8(k0, z, k1),
                                              _mm512_permutex2var_epi8(k2, z, k3));
        uint64_t code[TIERED_WIDTH];
        for (unsigned j = 0; j < TIERED_WIDTH; j++) code[j] = plane_of(keys, j);
        tiered_put_group(e, &local, code, plane_of(keys, TIERED_WIDTH), plane_of(keys, TIERED_WIDTH + 1), symbols);
    }
    *job = local;
}
#endif
