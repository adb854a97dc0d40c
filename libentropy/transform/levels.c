/* levels.c - quantizers with fixed uneven levels: FP8, NF4, MXFP4, NVFP4.
 *
 * A weight is the level nearest to weight / scale, times the scale of its group.
 *
 *   fp8    codes F8_E4M3 or F8_E5M2; scales F32, max |w| / the format's largest value; preset a scale a row
 *   nf4    codes U4, the place in 16 quantiles of a normal, -1 .. 1 (QLoRA: Dettmers et al. 2023, appendix E); scales
 *          F16, max |w|; groups of 64
 *   mxfp4  codes F4; scales F8_E8M0, 2^(floor(log2 max |w|) - 2) (OCP MX 1.0, section 6.3); groups of 32
 *   nvfp4  codes F4; scales F8_E4M3, times one F32 a tensor that maps the largest scale to 448; groups of 16
 *
 * Bits per weight, plain: those of a code + those of a scale / group.  The scale of zeros only is the
 * least above zero. */
#include <math.h>
#include <string.h>

#include "transform/parts.h"

enum { GROUP, FORMAT };

/* What differs between them. */
typedef struct levels {
    const char *codes, *scales;
    float largest;     /* level */
    const float *list; /* levels by code, ascending; NULL: the format's values */
    bool power;        /* scales are powers of two, rounded down */
    bool two;          /* scales are relative to one of the tensor */
} levels;

static const float nf4_list[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
    -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

static const levels nf4_levels = { "U4", "F16", 1, nf4_list, false, false };
static const levels mxfp4_levels = { "F4", "F8_E8M0", 6, NULL, true, false };
static const levels nvfp4_levels = { "F4", "F8_E4M3", 6, NULL, false, true };
static const levels fp8_levels[] = { { "F8_E4M3", "F32", 448, NULL, false, false }, { "F8_E5M2", "F32", 57344, NULL, false, false } };

/* The least float that is nearer to the upper of two levels. */
static float edge_between(float lower, float upper)
{
    float low = lower, high = upper;
    for (;;) {
        const float middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) return high;
        if (upper - middle < middle - lower)
            high = middle;
        else
            low = middle;
    }
}

/* Code k is the first whose edge, that with the level above it, is over x. */
static void codes_of_list(const float *list, const float *restrict x, size_t n, uint8_t *restrict codes)
{
    float edge[15];
    for (int k = 0; k < 15; k++) edge[k] = edge_between(list[k], list[k + 1]);
    for (size_t i = 0; i < n; i++) {
        uint32_t code = 0;
        for (int k = 0; k < 15; k++) code += x[i] >= edge[k];
        codes[i] = (uint8_t)code;
    }
}

/* The codes of numbers that are relative to their scales. */
static void codes_of(const levels *l, float *x, size_t n, const ent_part *codes)
{
    if (l->list) {
        codes_of_list(l->list, x, n, codes->words);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] < -l->largest ? -l->largest : x[i];
        x[i] = x[i] > l->largest ? l->largest : x[i];
    }
    ent_format_words(codes->format, x, n, codes->words);
}

/* The levels of all codes. */
static void levels_of(const levels *l, const ent_part *codes, float *values)
{
    size_t n = (size_t)codes->rows * codes->cols;
    const uint8_t *code = codes->words;
    if (!l->list)
        ent_format_floats(codes->format, code, n, values);
    else
        for (size_t i = 0; i < n; i++) values[i] = l->list[code[i] & 15];
}

/* The word of a group's scale. */
static uint64_t scale_word(const levels *l, const ent_format *format, double most, double tensor)
{
    double scale = l->power ? (most > 0 ? ldexp(1, ilogb(most) - 2) : 0) : most / l->largest / tensor;
    uint64_t word = ent_format_nearest(format, scale);
    return word || l->power ? word : 1; /* a power has no zero */
}

static float largest_of(const ent_matrix_job *job, uint32_t r, uint32_t c, uint32_t rows, uint32_t width)
{
    float most = 0;
    for (uint32_t k = 0; k < rows; k++)
        for (uint32_t i = 0; i < width; i++) {
            const float w = fabsf(job->values[(size_t)(r + k) * job->cols + c + i]);
            most = w > most ? w : most;
        }
    return most;
}

static double tensor_scale(const levels *l, const ent_matrix_job *job)
{
    double most = largest_of(job, 0, 0, job->rows, job->cols);
    return most > 0 ? most / l->largest / 448 : 1; /* 448: the largest F8_E4M3 */
}

/* Numbers that are relative to their scales, and back. */
static void divide(float *first, uint32_t rows, uint32_t width, size_t stride, double scale)
{
    for (uint32_t k = 0; k < rows; k++)
        for (uint32_t i = 0; i < width; i++) first[k * stride + i] = (float)(first[k * stride + i] / scale);
}

static void multiply(const groups *g, uint32_t rows, uint32_t cols, const float *scale, double tensor, float *values)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < cols; c += g->width) {
            float *first = values + (size_t)r * cols + c;
            const double factor = (double)scale[group_of(g, r, c)] * tensor;
            for (uint32_t i = 0, n = group_width(g, cols, c); i < n; i++) first[i] = (float)(first[i] * factor);
        }
}

static ent_status pack(const levels *l, double group, ent_matrix_job *job, ent_error *error)
{
    groups g = ent_groups(group, job->rows, job->cols);
    float tensor = 1;
    ent_part *codes = ent_packed_add(job->packed, "codes", l->codes, job->rows, job->cols, error);
    ent_part *scales = codes ? ent_packed_add(job->packed, "scales", l->scales, g.rows, g.cols, error) : NULL;
    ent_part *whole = scales && l->two ? ent_packed_add(job->packed, "scale", "F32", 1, 1, error) : NULL;
    if (!scales || (l->two && !whole)) return ENT_ENOMEM;
    if (whole) {
        tensor = (float)tensor_scale(l, job);
        if (!(tensor > 0)) tensor = 0x1p-149f;
        memcpy(whole->words, &tensor, sizeof tensor);
    }
    uint32_t rows = g.rows == 1 ? job->rows : 1, width = ent_format_width(scales->format);
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g.width) {
            size_t at = group_of(&g, r, c);
            uint32_t columns = group_width(&g, job->cols, c);
            uint64_t word = scale_word(l, scales->format, largest_of(job, r, c, rows, columns), tensor);
            memcpy((uint8_t *)scales->words + at * width, &word, width);
            double scale = (double)ent_part_value(scales, at) * tensor;
            if (!isfinite(scale))
                return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in %s", r, c, l->scales);
            divide(job->values + (size_t)r * job->cols + c, rows, columns, job->cols, scale);
        }
    float *scale = ent_part_floats(scales, error);
    if (!scale) return ENT_ENOMEM;
    codes_of(l, job->values, (size_t)job->rows * job->cols, codes);
    levels_of(l, codes, job->values);
    multiply(&g, job->rows, job->cols, scale, tensor, job->values);
    ent_free(scale);
    return ENT_OK;
}

static ent_status unpack(const levels *l, double group, const ent_packed *packed, float *values, ent_error *error)
{
    groups g = ent_groups(group, packed->rows, packed->cols);
    float tensor = 1;
    const ent_part *codes = ent_packed_need(packed, "codes", l->codes, packed->rows, packed->cols, error);
    const ent_part *scales = codes ? ent_packed_need(packed, "scales", l->scales, g.rows, g.cols, error) : NULL;
    const ent_part *whole = scales && l->two ? ent_packed_need(packed, "scale", "F32", 1, 1, error) : NULL;
    if (!scales || (l->two && !whole)) return ENT_ECORRUPT;
    if (whole) memcpy(&tensor, whole->words, sizeof tensor);
    float *scale = ent_part_floats(scales, error);
    if (!scale) return ENT_ENOMEM;
    levels_of(l, codes, values);
    multiply(&g, packed->rows, packed->cols, scale, tensor, values);
    ent_free(scale);
    return ENT_OK;
}

/* ---- the four ------------------------------------------------------------------------------------------ */

#define QUANTIZER(NAME, LEVELS) \
    static ent_status NAME##_forward(const double setting[], ent_matrix_job *job, ent_error *error) \
    { \
        return pack(LEVELS, setting[GROUP], job, error); \
    } \
    static ent_status NAME##_inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error) \
    { \
        return unpack(LEVELS, setting[GROUP], packed, values, error); \
    }

QUANTIZER(fp8, &fp8_levels[setting[FORMAT] > 0])
QUANTIZER(nf4, &nf4_levels)
QUANTIZER(mxfp4, &mxfp4_levels)
QUANTIZER(nvfp4, &nvfp4_levels)

const ent_transform ent_transform_fp8 = {
    .name = "fp8", .brief = "cast to FP8 with scales", .cite = "ocp-fp8", .kind = ENT_QUANTIZER,
    .setting = { GROUP_SETTING(GROUP_ROW), { "e5m2", "0: E4M3; 1: E5M2", 0, 1, 0, true } },
    .forward = fp8_forward, .inverse = fp8_inverse,
};

const ent_transform ent_transform_nf4 = {
    .name = "nf4", .brief = "16 quantiles of a normal", .cite = "dettmers2023qlora", .kind = ENT_QUANTIZER,
    .setting = { GROUP_SETTING(64) },
    .forward = nf4_forward, .inverse = nf4_inverse,
};

const ent_transform ent_transform_mxfp4 = {
    .name = "mxfp4", .brief = "FP4 with a power of two for 32 weights", .cite = "ocp-mx-1.0", .kind = ENT_QUANTIZER,
    .setting = { GROUP_SETTING(32) },
    .forward = mxfp4_forward, .inverse = mxfp4_inverse,
};

const ent_transform ent_transform_nvfp4 = {
    .name = "nvfp4", .brief = "FP4 with an FP8 scale for 16 weights and one for all", .cite = "nvidia2025nvfp4", .kind = ENT_QUANTIZER,
    .setting = { GROUP_SETTING(16) },
    .forward = nvfp4_forward, .inverse = nvfp4_inverse,
};
