/* values.c - words to floats and back, many at a time.
 *
 * Formats that people store weights in have their own loops, which compilers make wide; others go
 * through the exact functions of formats.c, those of up to 8 bits by a table of all their words.  Rounding
 * is that of formats.c, to the bit, in operations of floats and 32-bit integers. */
#include <math.h>
#include <string.h>

#include <entropy/field.h>

#include "base/bits.h"

/* The word at position i; words need not be aligned. */
static uint64_t load(const void *words, uint32_t width, size_t i)
{
    uint64_t word = 0;
    memcpy(&word, (const uint8_t *)words + i * width, width);
    return word;
}

static bool is(const ent_format *format, const char *name) { return !strcmp(format->name, name); }

/* ---- to floats -------------------------------------------------------------------------------- */

static void floats_of_bf16(const void *words, size_t n, float *values)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t word;
        memcpy(&word, (const uint8_t *)words + 2 * i, 2);
        values[i] = ent_float_of_bf16(word);
    }
}

/* A half's exponent and mantissa, put where a float has them, are 2^-112 of its value, subnormals
 * included; only infinities and NaNs need their exponent filled up. */
static void floats_of_f16(const void *words, size_t n, float *values)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t word;
        memcpy(&word, (const uint8_t *)words + 2 * i, 2);
        uint32_t magnitude = (uint32_t)(word & 0x7fff) << 13, sign = (uint32_t)(word & 0x8000) << 16;
        uint32_t scaled = ent_float_bits(ent_float_of(magnitude) * 0x1p112f);
        values[i] = ent_float_of(sign | (magnitude >= 0x0f800000 ? magnitude | 0x7f800000 : scaled));
    }
}

static void floats_by_table(const ent_format *format, const uint8_t *words, size_t n, float *values)
{
    float table[256];
    for (uint32_t w = 0; w < 256; w++) table[w] = (float)ent_format_value(format, w);
    for (size_t i = 0; i < n; i++) values[i] = table[words[i]];
}

/* Of I9 to I16, U9 to U16. */
static void floats_of_integers(const ent_format *format, const void *words, size_t n, float *values)
{
    const int mask = (1 << format->bits) - 1, sign = format->kind == ENT_KIND_SIGNED ? 1 << (format->bits - 1) : 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t word;
        memcpy(&word, (const uint8_t *)words + 2 * i, 2);
        values[i] = (float)(((word & mask) ^ sign) - sign);
    }
}

void ent_format_floats(const ent_format *format, const void *words, size_t n, float *values)
{
    uint32_t width = ent_format_width(format);
    if (!n) return;
    if (is(format, "F32"))
        memcpy(values, words, n * sizeof *values);
    else if (is(format, "BF16"))
        floats_of_bf16(words, n, values);
    else if (is(format, "F16"))
        floats_of_f16(words, n, values);
    else if (width == 1)
        floats_by_table(format, words, n, values);
    else if (width == 2 && (format->kind == ENT_KIND_SIGNED || format->kind == ENT_KIND_UNSIGNED))
        floats_of_integers(format, words, n, values);
    else
        for (size_t i = 0; i < n; i++) values[i] = (float)ent_format_value(format, load(words, width, i));
}

/* ---- from floats ------------------------------------------------------------------------------ */

static uint16_t bf16_of(float value)
{
    uint32_t bits = ent_float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 & 0x8000) | 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16); /* to nearest, ties to even */
}

static void words_of_bf16(const float *values, size_t n, void *words)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t word = bf16_of(values[i]);
        memcpy((uint8_t *)words + 2 * i, &word, 2);
    }
}

/* What rounding to a float format of up to 16 bits needs. */
typedef struct rounding {
    uint32_t dropped; /* bits of a float's mantissa */
    uint32_t rebias;  /* what a float's exponent has more, at its place */
    uint32_t normal;  /* the least normal value, as a float's bits */
    float whole;      /* 2^23 of the least steps: what is added to it is rounded to steps */
    uint32_t last, beyond, nan; /* the largest finite magnitude, what is over it, what is no number */
    uint32_t sign, least_signed; /* the sign bit, and the least magnitude that may have it: 1 where no zero has */
} rounding;

static rounding rounding_to(const ent_format *f)
{
    rounding r = { .dropped = 23u - f->mantissa_bits, .rebias = (uint32_t)(127 - f->bias) << f->mantissa_bits,
                   .normal = (uint32_t)(128 - f->bias) << 23, .sign = 1u << (f->bits - 1) };
    r.whole = ent_float_of((uint32_t)(127 + 24 - f->bias - f->mantissa_bits) << 23);
    r.beyond = (uint32_t)ent_format_nearest(f, INFINITY);
    r.last = r.beyond - (f->specials == ENT_SPECIALS_IEEE);
    r.nan = (uint32_t)ent_format_nearest(f, NAN);
    r.least_signed = f->specials == ENT_SPECIALS_UZ;
    return r;
}

/* A choice without a branch, which would keep the loops below from being made wide. */
static inline uint32_t either(uint32_t first, uint32_t a, uint32_t b) { return (a & -first) | (b & (first - 1)); }

/* To the nearest, ties to even.  A carry out of the mantissa goes into the exponent by itself. */
static inline uint32_t rounded(rounding r, float value)
{
    uint32_t bits = ent_float_bits(value), magnitude = bits & 0x7fffffff;
    uint32_t normal = ((magnitude + (1u << (r.dropped - 1)) - 1 + (magnitude >> r.dropped & 1)) >> r.dropped) - r.rebias;
    uint32_t small = ent_float_bits(ent_float_of(magnitude) + r.whole) - ent_float_bits(r.whole);
    uint32_t word = either(magnitude < r.normal, small, normal);
    word = either(word > r.last, r.beyond, word);
    word |= either((bits >> 31) & (word >= r.least_signed), r.sign, 0);
    return either(magnitude > 0x7f800000, r.nan, word);
}

static void words_of_floats(const ent_format *format, const float *values, size_t n, uint8_t *words)
{
    const rounding r = rounding_to(format);
    if (ent_format_width(format) == 1)
        for (size_t i = 0; i < n; i++) words[i] = (uint8_t)rounded(r, values[i]);
    else
        for (size_t i = 0; i < n; i++) {
            uint16_t word = (uint16_t)rounded(r, values[i]);
            memcpy(words + 2 * i, &word, 2);
        }
}

void ent_format_words(const ent_format *format, const float *values, size_t n, void *words)
{
    uint32_t width = ent_format_width(format);
    if (!n) return;
    if (is(format, "F32")) {
        memcpy(words, values, n * sizeof *values);
        return;
    }
    if (is(format, "BF16")) {
        words_of_bf16(values, n, words);
        return;
    }
    if (format->kind == ENT_KIND_FLOAT && format->bits <= 16) {
        words_of_floats(format, values, n, words);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t word = ent_format_nearest(format, values[i]);
        memcpy((uint8_t *)words + i * width, &word, width);
    }
}
