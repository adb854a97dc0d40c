/* tiered_avx2.c - the loops of tiered with AVX2 and BMI2: 64 symbols at once.
 *
 * Bits become bytes by a broadcast, a byte shuffle and a comparison, which costs AVX2 most of the
 * time.  So the planes of all tiers are first folded, as machine words, to one set: the XOR of the
 * planes of equal place (a symbol's codes in the tiers before its own are all ones, which flips
 * known bits) and a number of two bits, the symbol's tier.  With tiers of 2, 2, 2, 3 bits that makes
 * 5 planes of 9.  Their bits together index a table of at most 64 symbols.
 *
 * PDEP takes some hundred cycles on Zen 1 and 2, where this is no faster than the plain loop. */
#include "coder/tiered_bmi2.h"

#if defined __x86_64__
#include "coder/avx2.h"

#define AVX2_BMI2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define AVX2_BMI2_INLINE AVX2_BMI2 static inline __attribute__((always_inline))

enum { ONE_LOAD = 57, TIER_BITS = 2, KEY_BITS = TIERED_WIDTH + TIER_BITS, INDEX_BITS = 4 };

typedef struct shape {
    unsigned tiers, most; /* the largest width */
    unsigned width[TIERED_TIERS];
} shape;

/* ---- the table -------------------------------------------------------------------------------- */

/* Symbols by key: the folded code in the lower `most` bits, the tier above. */
static void build_keys(const tiered_table *t, unsigned most, uint8_t symbol[1 << KEY_BITS])
{
    uint32_t rank = 0, flipped = 0;
    memset(symbol, 0, 1 << KEY_BITS);
    for (uint32_t k = 0; k < t->tiers; k++) {
        uint32_t ones = (1u << t->width[k]) - 1;
        for (uint32_t code = 0; code <= ones; code++) symbol[k << most | (code ^ flipped)] = t->symbol[rank + code];
        rank += ones;
        flipped ^= ones;
    }
}

/* ---- bits to bytes ---------------------------------------------------------------------------- */

/* 32 of the bits, from 32 * half on: a byte each, all ones or zero. */
AVX2_BMI2_INLINE __m256i to_bytes(const uint64_t *bits, int half)
{
    const __m256i each = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i place = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    __m256i of = half ? _mm256_or_si256(place, _mm256_set1_epi8(4)) : place;
    __m256i v = _mm256_broadcastq_epi64(_mm_loadl_epi64((const void *)bits));
    return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(v, of), each), each);
}

/* 32 symbols by the planes of their keys, lowest first. */
AVX2_BMI2_INLINE __m256i look_up(const __m256i table[4], const uint64_t *plane, unsigned planes, int half)
{
    __m256i index = _mm256_setzero_si256(), bit4 = index;
#pragma GCC unroll 4
    for (unsigned j = planes < INDEX_BITS ? planes : INDEX_BITS; j-- > 0;)
        index = _mm256_sub_epi8(_mm256_add_epi8(index, index), to_bytes(plane + j, half));
    __m256i z = _mm256_shuffle_epi8(table[0], index);
    if (planes <= INDEX_BITS) return z;
    bit4 = to_bytes(plane + INDEX_BITS, half);
    z = _mm256_blendv_epi8(z, _mm256_shuffle_epi8(table[1], index), bit4);
    if (planes == INDEX_BITS + 1) return z;
    __m256i y = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[2], index), _mm256_shuffle_epi8(table[3], index), bit4);
    return _mm256_blendv_epi8(z, y, to_bytes(plane + INDEX_BITS + 1, half));
}

/* ---- decoding --------------------------------------------------------------------------------- */

AVX2_BMI2_INLINE uint64_t peek(const uint8_t *bits, size_t at)
{
    return ent_load64(bits + at / 8) >> at % 8 | (uint64_t)bits[at / 8 + 8] << 1 << (63 - at % 8);
}

/* Folds the codes of one tier, of the symbols in `reach`, `count` in number; returns those that
 * escape it. */
AVX2_BMI2_INLINE uint64_t fold_tier(const uint8_t *bits, size_t at, unsigned width, uint64_t reach, unsigned count,
                                    uint64_t *plane)
{
    uint64_t escaped = reach;
    bool together = __builtin_expect(width * count <= ONE_LOAD, 1);
    uint64_t v = ent_load64(bits + at / 8) >> at % 8;
#pragma GCC unroll 4
    for (unsigned j = 0; j < width; j++) {
        uint64_t p = _pdep_u64(together ? v >> j * count : peek(bits, at + j * count), reach);
        plane[j] ^= p;
        escaped &= p;
    }
    return escaped;
}

/* The symbols that escape every tier, out of line: some in ten thousand. */
AVX2_BMI2 static __attribute__((noinline)) bool put_escapes(tiered_block *b, uint64_t escaped,
                                                            uint8_t symbols[TIERED_GROUP])
{
    if (b->escapes_end - b->escape < __builtin_popcountll(escaped)) return false;
    for (; escaped; escaped &= escaped - 1) symbols[__builtin_ctzll(escaped)] = *b->escape++;
    return true;
}

/* `join` NULL: to bytes. */
AVX2_BMI2_INLINE bool decode_groups(const tiered_table *t, tiered_block *b, const ent_join *join, ent_join_form form,
                                    uint8_t *out, size_t groups, shape s)
{
    _Alignas(32) uint8_t symbol[1 << KEY_BITS], odd[TIERED_GROUP];
    const unsigned planes = s.most + (s.tiers > 2 ? 2 : s.tiers - 1);
    const uint64_t may_escape = t->escapes ? ~0ull : 0;
    size_t at[TIERED_TIERS] = { 0 }, end[TIERED_TIERS] = { 0 };
    const uint8_t *bits[TIERED_TIERS] = { 0 }, *first = b->bits[0];
    __m256i table[4];
    build_keys(t, s.most, symbol);
    for (int k = 0; k < 4; k++) table[k] = _mm256_broadcastsi128_si256(_mm_load_si128((const void *)(symbol + 16 * k)));
#pragma GCC unroll 4
    for (unsigned k = 1; k < s.tiers; k++) {
        at[k] = b->at[k];
        end[k] = b->end[k];
        bits[k] = b->bits[k];
    }
    for (size_t i = 0; i < groups; i++, first += 8 * s.width[0]) {
        uint64_t plane[KEY_BITS] = { 0 }, reach = ~0ull, tier = 0;
#pragma GCC unroll 4
        for (unsigned j = 0; j < s.width[0]; j++) reach &= plane[j] = ent_load64(first + 8 * j);
#pragma GCC unroll 4
        for (unsigned k = 1; k < s.tiers; k++) {
            unsigned count = (unsigned)__builtin_popcountll(reach);
            size_t next = at[k] + s.width[k] * count;
            if (__builtin_expect(next > end[k], 0)) return false;
            tier ^= reach;
            if (k == 2) plane[s.most + 1] = reach;
            reach = fold_tier(bits[k], at[k], s.width[k], reach, count, plane);
            at[k] = next;
        }
        if (s.tiers > 1) plane[s.most] = tier;
        __m256i z[2] = { look_up(table, plane, planes, 0), look_up(table, plane, planes, 1) };
        if (__builtin_expect((reach &= may_escape) != 0, 0)) {
            _mm256_store_si256((void *)odd, z[0]);
            _mm256_store_si256((void *)(odd + 32), z[1]);
            if (!put_escapes(b, reach, odd)) return false;
            z[0] = _mm256_load_si256((const void *)odd);
            z[1] = _mm256_load_si256((const void *)(odd + 32));
        }
        if (join) {
            ent_ask_to_read(first);
            ent_join_group256(form, join, z[0], z[1], 64 * i, out);
        } else {
            _mm256_storeu_si256((void *)(out + 64 * i), z[0]);
            _mm256_storeu_si256((void *)(out + 64 * i + 32), z[1]);
        }
    }
    if (join && join->stream) _mm_sfence();
    b->at[0] += groups * TIERED_GROUP * s.width[0];
#pragma GCC unroll 4
    for (unsigned k = 1; k < s.tiers; k++) b->at[k] = at[k];
    return true;
}

typedef bool decode_variant(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, size_t groups);
typedef enum target { BYTES, BF16, WORDS } target;

AVX2_BMI2_INLINE bool decode_to(target to, const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out,
                                size_t groups, shape s)
{
    if (to == BYTES) return decode_groups(t, b, NULL, ENT_JOIN_OTHER, out, groups, s);
    const ent_join j = *join; /* its own, so that no store can change it */
    return decode_groups(t, b, &j, to == WORDS ? ent_join_form_of(join) : ENT_JOIN_BF16, out, groups, s);
}

/* Functions of their own: gcc allots registers badly where several of these loops share one. */
#define VARIANT(name, to, tiers, most, ...) \
    AVX2_BMI2 static bool name##_##to(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, \
                                      size_t groups) \
    { \
        return decode_to(to, t, b, join, out, groups, (shape){ tiers, most, { __VA_ARGS__ } }); \
    }
#define SHAPE(name, ...) \
    VARIANT(name, BYTES, __VA_ARGS__) \
    VARIANT(name, BF16, __VA_ARGS__) \
    VARIANT(name, WORDS, __VA_ARGS__) \
    static decode_variant *const name[] = { name##_BYTES, name##_BF16, name##_WORDS };
SHAPE(shape_223, 3, 3, 2, 2, 3)
SHAPE(shape_2222, 4, 2, 2, 2, 2, 2)
SHAPE(shape_2223, 4, 3, 2, 2, 2, 3)
SHAPE(shape_2123, 4, 3, 2, 1, 2, 3)
SHAPE(any_shape, t->tiers, TIERED_WIDTH, t->width[0], t->width[1], t->width[2], t->width[3])

bool ent_tiered_decode_avx2(const tiered_table *t, tiered_block *b, const ent_join *join, uint8_t *out, size_t groups)
{
    target to = !join ? BYTES : ent_join_form_of(join) == ENT_JOIN_BF16 ? BF16 : WORDS;
    switch (ent_load32(t->width)) {
    case 0x00030202: return shape_223[to](t, b, join, out, groups);
    case 0x02020202: return shape_2222[to](t, b, join, out, groups);
    case 0x03020202: return shape_2223[to](t, b, join, out, groups);
    case 0x03020102: return shape_2123[to](t, b, join, out, groups);
    default: return any_shape[to](t, b, join, out, groups);
    }
}

/* ---- encoding --------------------------------------------------------------------------------- */

/* The keys of 32 symbols, out of 16 at a time: a byte permute gives zero where the top bit is set. */
AVX2_BMI2_INLINE __m256i keys_of(const tiered_encoder *e, __m256i symbols)
{
    const __m256i escape = _mm256_set1_epi8((char)e->escape_key), others = _mm256_set1_epi8(0x70);
    __m256i keys = escape;
    for (unsigned i = 0; i < e->blocks; i++) {
        __m256i key = _mm256_broadcastsi128_si256(_mm_load_si128((const void *)(e->key + e->block[i])));
        __m256i at = _mm256_sub_epi8(symbols, _mm256_set1_epi8((char)e->block[i]));
        at = _mm256_adds_epu8(at, others);
        keys = _mm256_xor_si256(keys, _mm256_shuffle_epi8(_mm256_xor_si256(key, escape), at));
    }
    return keys;
}

/* A bit of 64 keys. */
AVX2_BMI2_INLINE uint64_t plane_of(const __m256i keys[2], unsigned bit)
{
    __m128i up = _mm_cvtsi32_si128(7 - (int)bit);
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_sll_epi16(keys[0], up));
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_sll_epi16(keys[1], up)) << 32 | low;
}

AVX2_BMI2 void ent_tiered_encode_avx2(const tiered_encoder *e, tiered_job *job, const uint8_t *symbols, size_t groups)
{
    tiered_job local = *job;
    for (size_t i = 0; i < groups; i++, symbols += TIERED_GROUP) {
        const __m256i keys[2] = { keys_of(e, ent_load256(symbols)), keys_of(e, ent_load256(symbols + ENT_AVX2_LANES)) };
        uint64_t code[TIERED_WIDTH] = { 0 };
#pragma GCC unroll 4
        for (unsigned j = 0; j < TIERED_WIDTH; j++)
            if (j < e->most) code[j] = plane_of(keys, j);
        tiered_put_group(e, &local, code, plane_of(keys, TIERED_WIDTH), plane_of(keys, TIERED_WIDTH + 1), symbols);
    }
    *job = local;
}
#endif
