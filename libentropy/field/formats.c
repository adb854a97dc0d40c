/* formats.c - the table of number formats; words to values and back.
 *
 * Both directions work on the bits of an IEEE double, which holds every value of every format
 * exactly: no step rounds but the one that is meant to.  No hardware conversions: they exist for
 * some formats only and hang on the rounding mode.  Stochastic rounding is left out. */
#include <math.h>
#include <string.h>

#include <entropy/field.h>

#define FLOAT(name, exponent, mantissa, bias, specials, cite) \
    { #name, ENT_KIND_FLOAT, 1 + exponent + mantissa, 1, exponent, mantissa, bias, ENT_SPECIALS_##specials, cite, 1, { { 0 } } },
#define SCALE(name, exponent, bias, specials, cite) \
    { #name, ENT_KIND_SCALE, exponent, 0, exponent, 0, bias, ENT_SPECIALS_##specials, cite, 1, { { 0 } } },
#define INTEGERS(bits) \
    { "I" #bits, ENT_KIND_SIGNED, bits, 0, 0, 0, 0, ENT_SPECIALS_NONE, "", 1, { { 0 } } }, \
    { "U" #bits, ENT_KIND_UNSIGNED, bits, 0, 0, 0, 0, ENT_SPECIALS_NONE, "", 1, { { 0 } } },

const ent_format ent_formats[] = {
#include "formats.def"
    { .name = NULL },
};

const ent_format *ent_format_find(const char *name)
{
    for (const ent_format *format = ent_formats; format->name; format++)
        if (!strcmp(format->name, name)) return format;
    return NULL;
}

/* ---- doubles as bits ------------------------------------------------------------------------- */

enum { DOUBLE_BIAS = 1023, DOUBLE_MANTISSA = 52 };

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t to_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* 2^exponent, for exponents of normal doubles. */
static double power_of_two(int exponent)
{
    return from_bits((uint64_t)(exponent + DOUBLE_BIAS) << DOUBLE_MANTISSA);
}

static uint64_t low_bits(unsigned bits) { return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1; }

/* ---- the magnitude of a float, or a scale: every bit but the sign ------------------------------- */

static uint64_t first_infinity(const ent_format *f) { return low_bits(f->exponent_bits) << f->mantissa_bits; }

/* The largest magnitude that is a finite number. */
static uint64_t last_finite(const ent_format *f)
{
    if (f->specials == ENT_SPECIALS_IEEE) return first_infinity(f) - 1;
    return low_bits(f->exponent_bits + f->mantissa_bits) - (f->specials == ENT_SPECIALS_FN);
}

static uint64_t quiet_nan(const ent_format *f)
{
    switch (f->specials) {
    case ENT_SPECIALS_IEEE: return first_infinity(f) | (uint64_t)1 << (f->mantissa_bits - 1);
    case ENT_SPECIALS_FN: return low_bits(f->exponent_bits + f->mantissa_bits);
    case ENT_SPECIALS_UZ: return (uint64_t)1 << (f->bits - 1);
    case ENT_SPECIALS_NONE: break;
    }
    return 0;
}

static double magnitude_value(const ent_format *f, uint64_t magnitude)
{
    if (magnitude > last_finite(f))
        return f->specials == ENT_SPECIALS_IEEE && magnitude == first_infinity(f) ? INFINITY : NAN;
    int exponent = (int)(magnitude >> f->mantissa_bits);
    uint64_t mantissa = magnitude & low_bits(f->mantissa_bits);
    if (!exponent && f->kind == ENT_KIND_FLOAT) /* subnormal */
        return (double)mantissa * power_of_two(1 - f->bias - f->mantissa_bits);
    return from_bits((uint64_t)(exponent - f->bias + DOUBLE_BIAS) << DOUBLE_MANTISSA |
                     mantissa << (DOUBLE_MANTISSA - f->mantissa_bits));
}

double ent_format_value(const ent_format *format, uint64_t word)
{
    word &= low_bits(format->bits);
    switch (format->kind) {
    case ENT_KIND_UNSIGNED: return (double)word;
    case ENT_KIND_SIGNED: return (double)word - (double)(word >> (format->bits - 1) << format->bits);
    case ENT_KIND_SCALE: return magnitude_value(format, word);
    case ENT_KIND_RECORD: return NAN;
    case ENT_KIND_FLOAT: break;
    }
    if (format->bits == 64) return from_bits(word);
    uint64_t sign = (uint64_t)1 << (format->bits - 1);
    if (format->specials == ENT_SPECIALS_UZ && word == sign) return NAN;
    double value = magnitude_value(format, word & (sign - 1));
    return word & sign ? -value : value;
}

/* ---- the nearest word --------------------------------------------------------------------------- */

/* x / 2^shift, to the nearest integer, ties to even. */
static uint64_t shift_rounded(uint64_t x, unsigned shift)
{
    if (shift == 0) return x;
    if (shift > DOUBLE_MANTISSA + 2) return 0; /* below half, as x < 2^53 */
    uint64_t whole = x >> shift, part = x & low_bits(shift), half = (uint64_t)1 << (shift - 1);
    return whole + (part > half || (part == half && (whole & 1)));
}

/* A positive finite double: its mantissa, the leading one included, and the exponent of that one. */
static uint64_t mantissa_of(double value, int *exponent)
{
    uint64_t bits = to_bits(value), mantissa = bits & low_bits(DOUBLE_MANTISSA);
    *exponent = (int)(bits >> DOUBLE_MANTISSA) - DOUBLE_BIAS;
    if (*exponent > -DOUBLE_BIAS) return mantissa | (uint64_t)1 << DOUBLE_MANTISSA;
    ++*exponent; /* a subnormal double: no leading one, the least exponent */
    return mantissa;
}

/* The magnitude nearest to a finite value >= 0, as if exponents went on for ever upward.
 * Consecutive magnitudes are consecutive integers, so a mantissa that rounds up to the next power of
 * two carries into the exponent by itself. */
static uint64_t magnitude_nearest(const ent_format *f, double value)
{
    int exponent, least = 1 - f->bias;
    uint64_t mantissa = mantissa_of(value, &exponent);
    unsigned shift = (unsigned)(DOUBLE_MANTISSA - f->mantissa_bits);
    if (exponent < least) { /* subnormal in this format */
        shift += (unsigned)(least - exponent);
        exponent = least;
    }
    return ((uint64_t)(exponent - least) << f->mantissa_bits) + shift_rounded(mantissa, shift);
}

static uint64_t float_nearest(const ent_format *f, double value)
{
    uint64_t last = last_finite(f), beyond = f->specials == ENT_SPECIALS_IEEE ? last + 1 : last;
    uint64_t magnitude = isinf(value) ? beyond : magnitude_nearest(f, fabs(value));
    if (magnitude > last) magnitude = beyond;
    if (!signbit(value) || (f->specials == ENT_SPECIALS_UZ && !magnitude)) return magnitude;
    return magnitude | (uint64_t)1 << (f->bits - 1);
}

/* Half way between 2^k and 2^(k+1) is 1.5 * 2^k; the even one of the two patterns gets it. */
static uint64_t scale_nearest(const ent_format *f, double value)
{
    int exponent, last = (int)last_finite(f);
    if (!(value > 0)) return 0;
    if (isinf(value)) return (uint64_t)last;
    uint64_t mantissa = mantissa_of(value, &exponent), half = (uint64_t)3 << (DOUBLE_MANTISSA - 1);
    int pattern = exponent + f->bias;
    if (pattern < 0) return 0;
    pattern += mantissa > half || (mantissa == half && (pattern & 1));
    return (uint64_t)(pattern < last ? pattern : last);
}

/* Saturated, ties to even. */
static uint64_t integer_nearest(const ent_format *f, double value)
{
    int64_t most = (int64_t)low_bits(f->kind == ENT_KIND_SIGNED ? f->bits - 1u : f->bits);
    int64_t least = f->kind == ENT_KIND_SIGNED ? -most - 1 : 0, whole;
    if (value >= (double)most) {
        whole = most;
    } else if (value <= (double)least) {
        whole = least;
    } else {
        whole = (int64_t)floor(value);
        double part = value - (double)whole;
        whole += part > 0.5 || (part == 0.5 && (whole & 1));
    }
    return (uint64_t)whole & low_bits(f->bits);
}

uint64_t ent_format_nearest(const ent_format *format, double value)
{
    if (isnan(value)) return quiet_nan(format);
    switch (format->kind) {
    case ENT_KIND_FLOAT: return float_nearest(format, value);
    case ENT_KIND_SCALE: return scale_nearest(format, value);
    case ENT_KIND_RECORD: return 0;
    case ENT_KIND_SIGNED:
    case ENT_KIND_UNSIGNED: break;
    }
    return integer_nearest(format, value);
}
