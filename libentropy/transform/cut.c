/* cut.c - mantissas cut to their highest bits, rounded: NeuZip's lossy form.
 *
 * Of each weight sign and exponent stay, and of the mantissa the `bits` highest bits, rounded to nearest, ties away from 0, with
 * the carry into the exponent (Hao, Cao and Mou 2024, whose code this follows; 7 bits lose nothing of BF16).  The error is
 * at most 2^-(bits + 1) of a weight.  Exponents are then coded, as are those of whole weights: "cut(bits=3) => rans".
 * block > 0: the weights of so many neighbouring columns of a row are divided before by the largest magnitude among them,
 * so that this keeps all of its bits and exponents say how much smaller the others are.  The paper's normalization by blocks; the
 * code that its authors publish has none, and what is not said of it (scales in BF16, blocks within a row) is ours.
 *
 * Parts: exponents, rows x cols, U8; fractions, rows x cols, U<bits + 1>: the sign, then the bits; with blocks also scales, BF16,
 * rows x ceil(cols / block).  Bits per weight, plain: 9 + bits + 16 / block.
 *
 * Left out: the authors take 0, 1, 3 or 7 bits, so that fractions fill bytes; here any number is packed. */
#include <math.h>
#include <stdio.h>

#include "base/bits.h"
#include "transform/parts.h"

enum { BITS, BLOCK };
enum { MANTISSA = 23, INFINITE = 255 };

static const char *fraction_format(const double setting[], char name[16])
{
    snprintf(name, 16, "U%d", (int)setting[BITS] + 1);
    return name;
}

/* A float as its sign, its exponent, and `bits` bits of mantissa, the latter two as one number. */
static float value_of(uint32_t sign, uint32_t magnitude, unsigned bits)
{
    return ent_float_of(sign << 31 | magnitude << (MANTISSA - bits));
}

static groups blocks_of(const double setting[], uint32_t rows, uint32_t cols)
{
    return ent_groups(setting[BLOCK] < cols ? setting[BLOCK] : GROUP_ROW, rows, cols);
}

/* Divides blocks by their largest magnitudes, as they are stored. */
static ent_status normalize(const double setting[], ent_matrix_job *job, ent_error *error)
{
    const groups g = blocks_of(setting, job->rows, job->cols);
    ent_part *scales = ent_packed_add(job->packed, "scales", "BF16", g.rows, g.cols, error);
    if (!scales) return ENT_ENOMEM;
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t c = 0; c < job->cols; c += g.width) {
            float *first = job->values + (size_t)r * job->cols + c, most = 0;
            const uint32_t n = group_width(&g, job->cols, c);
            for (uint32_t i = 0; i < n; i++) most = fmaxf(most, fabsf(first[i]));
            const uint32_t word = (uint32_t)ent_format_nearest(scales->format, (double)most);
            ent_part_set_word(scales, group_of(&g, r, c), word ? word : 1); /* never zero, so that it can divide */
            const float scale = ent_part_value(scales, group_of(&g, r, c));
            if (!isfinite(scale)) return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in BF16", r, c);
            for (uint32_t i = 0; i < n; i++) first[i] /= scale;
        }
    return ENT_OK;
}

static ent_status multiply(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    const groups g = blocks_of(setting, packed->rows, packed->cols);
    const ent_part *scales = ent_packed_need(packed, "scales", "BF16", g.rows, g.cols, error);
    if (!scales) return ENT_ECORRUPT;
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t c = 0; c < packed->cols; c += g.width) {
            const float scale = ent_part_value(scales, group_of(&g, r, c));
            for (uint32_t i = 0, n = group_width(&g, packed->cols, c); i < n; i++) values[(size_t)r * packed->cols + c + i] *= scale;
        }
    return ENT_OK;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    char format[16];
    const unsigned bits = (unsigned)setting[BITS], dropped = MANTISSA - bits;
    ent_part *exponents = ent_packed_add(job->packed, "exponents", "U8", job->rows, job->cols, error);
    if (!exponents) return ENT_ENOMEM;
    ent_part *fractions = ent_packed_add(job->packed, "fractions", fraction_format(setting, format), job->rows, job->cols, error);
    if (!fractions) return ENT_ENOMEM;
    ent_status status = setting[BLOCK] > 0 ? normalize(setting, job, error) : ENT_OK;
    if (status) return status;
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        const uint32_t word = ent_float_bits(job->values[i]), sign = word >> 31;
        uint32_t magnitude = ((word & 0x7FFFFFFF) + (1u << (dropped - 1))) >> dropped;
        if (magnitude >> bits == INFINITE) magnitude--; /* the largest that is finite */
        ent_part_set_word(exponents, i, magnitude >> bits);
        ent_part_set_word(fractions, i, sign << bits | (magnitude & ((1u << bits) - 1)));
        job->values[i] = value_of(sign, magnitude, bits);
    }
    if (setting[BLOCK] > 0) status = multiply(setting, job->packed, job->values, error);
    for (size_t i = 0; i < (size_t)job->rows * job->cols && !status; i++)
        if (!isfinite(job->values[i])) status = ent_fail(error, ENT_EINVAL, "weight %zu: too large", i);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    char format[16];
    const unsigned bits = (unsigned)setting[BITS];
    const ent_part *exponents = ent_packed_need(packed, "exponents", "U8", packed->rows, packed->cols, error);
    if (!exponents) return ENT_ECORRUPT;
    const ent_part *fractions = ent_packed_need(packed, "fractions", fraction_format(setting, format), packed->rows, packed->cols, error);
    if (!fractions) return ENT_ECORRUPT;
    for (size_t i = 0; i < (size_t)packed->rows * packed->cols; i++) {
        const uint32_t exponent = ent_part_word(exponents, i), fraction = ent_part_word(fractions, i);
        if (exponent == INFINITE) return ent_fail(error, ENT_ECORRUPT, "weight %zu: an exponent of 255", i);
        values[i] = value_of(fraction >> bits & 1, exponent << bits | (fraction & ((1u << bits) - 1)), bits);
    }
    return setting[BLOCK] > 0 ? multiply(setting, packed, values, error) : ENT_OK;
}

const ent_transform ent_transform_cut = {
    .name = "cut", .brief = "the highest bits of the mantissa: NeuZip, lossy", .cite = "hao2024neuzip", .kind = ENT_QUANTIZER,
    .setting = { { "bits", "of the mantissa", 0, 7, 3, true },
                 { "block", "columns divided by the largest of them; 0: none", 0, 65536, 0, true } },
    .forward = forward, .inverse = inverse,
};
