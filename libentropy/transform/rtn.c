/* rtn.c - round to nearest on a uniform grid of 2 to 8 bits, one scale a tensor, row or group.
 *
 * Symmetric: codes I<bits>, -q .. q with q = 2^(bits-1) - 1, value = code * scale, scale = max |w| / q.
 * Asymmetric: codes U<bits>, value = (code - zero) * scale, scale = (max - min) / (2^bits - 1) over a range that holds 0, zeros
 * U<bits>.  With search, of 20 ranges from all down to half of it the one with the least squared error.
 * Parts: codes, rows x cols; scales, F16, one a group; zeros, one a group.  Bits per weight, plain:
 * bits + (16 or 16 + bits) / group. */
#include <math.h>
#include <stdio.h>

#include "transform/parts.h"

enum { BITS, GROUP, SYMMETRIC, SEARCH };
enum { TRIALS = 20 };

typedef struct grid { /* of one group */
    float scale;
    int zero, least, most; /* of codes */
} grid;

static int code_of(const grid *g, float value)
{
    float code = nearbyintf(value / g->scale) + (float)g->zero;
    return code < (float)g->least ? g->least : code > (float)g->most ? g->most : (int)code;
}

static float value_of(const grid *g, int code) { return (float)(code - g->zero) * g->scale; }

/* A scale >= +0 as it is stored: never zero, so that it can divide. */
static float stored_scale(const ent_format *format, double scale)
{
    uint64_t word = ent_format_nearest(format, scale);
    return (float)ent_format_value(format, word ? word : 1);
}

static double squared_error(const grid *g, const float *w, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double d = (double)value_of(g, code_of(g, w[i])) - w[i];
        sum += d * d;
    }
    return sum;
}

/* The grid over `share` of the range. */
static grid fit(const double setting[], const ent_format *format, float least, float most, double share)
{
    int bits = (int)setting[BITS], top = (1 << (bits - 1)) - 1;
    if (setting[SYMMETRIC] > 0)
        return (grid){ stored_scale(format, share * fmax(0.0 - least, most) / top), 0, -top, top };
    grid g = { stored_scale(format, share * ((double)most - least) / ((1 << bits) - 1)), 0, 0, (1 << bits) - 1 };
    g.zero = (int)fmin(g.most, nearbyint(-least * share / g.scale));
    return g;
}

/* n weights a row, `rows` rows of them `stride` apart. */
static grid choose(const double setting[], const ent_format *format, const float *w, uint32_t n, uint32_t rows, uint32_t stride)
{
    float least = 0, most = 0;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < n; i++) {
            least = fminf(least, w[(size_t)r * stride + i]);
            most = fmaxf(most, w[(size_t)r * stride + i]);
        }
    grid best = fit(setting, format, least, most, 1);
    if (!(setting[SEARCH] > 0) || !isfinite(best.scale)) return best;
    double least_error = INFINITY;
    for (int k = 0; k < TRIALS; k++) {
        grid g = fit(setting, format, least, most, 1 - 0.5 * k / TRIALS);
        double error = 0;
        for (uint32_t r = 0; r < rows; r++) error += squared_error(&g, w + (size_t)r * stride, n);
        if (error >= least_error) continue;
        least_error = error;
        best = g;
    }
    return best;
}

static void pack_group(const grid *g, ent_part *codes, float *values, size_t first, uint32_t n)
{
    uint32_t mask = (1u << codes->format->bits) - 1;
    for (uint32_t i = 0; i < n; i++) {
        int code = code_of(g, values[first + i]);
        ent_part_set_word(codes, first + i, (uint32_t)code & mask);
        values[first + i] = value_of(g, code);
    }
}

static const char *format_of(const double setting[], char name[8])
{
    snprintf(name, 8, "%c%d", setting[SYMMETRIC] > 0 ? 'I' : 'U', (int)setting[BITS]);
    return name;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    groups g = ent_groups(setting[GROUP], job->rows, job->cols);
    char format[8];
    format_of(setting, format);
    ent_part *codes = ent_packed_add(job->packed, "codes", format, job->rows, job->cols, error);
    ent_part *scales = codes ? ent_packed_add(job->packed, "scales", "F16", g.rows, g.cols, error) : NULL;
    ent_part *zeros = scales && setting[SYMMETRIC] == 0 ? ent_packed_add(job->packed, "zeros", format, g.rows, g.cols, error) : NULL;
    if (!scales || (setting[SYMMETRIC] == 0 && !zeros)) return ENT_ENOMEM;
    uint32_t rows = g.rows == 1 ? job->rows : 1; /* of a group */
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g.width) {
            float *w = job->values + (size_t)r * job->cols + c;
            uint32_t width = group_width(&g, job->cols, c);
            grid best = choose(setting, scales->format, w, width, rows, job->cols);
            size_t at = group_of(&g, r, c);
            if (!isfinite(best.scale))
                return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in F16", r, c);
            ent_part_set_word(scales, at, (uint32_t)ent_format_nearest(scales->format, best.scale));
            if (zeros) ent_part_set_word(zeros, at, (uint32_t)best.zero);
            for (uint32_t k = 0; k < rows; k++)
                pack_group(&best, codes, job->values, (size_t)(r + k) * job->cols + c, width);
        }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    groups g = ent_groups(setting[GROUP], packed->rows, packed->cols);
    char format[8];
    format_of(setting, format);
    const ent_part *codes = ent_packed_need(packed, "codes", format, packed->rows, packed->cols, error);
    const ent_part *scales = codes ? ent_packed_need(packed, "scales", "F16", g.rows, g.cols, error) : NULL;
    const ent_part *zeros = scales && setting[SYMMETRIC] == 0 ? ent_packed_need(packed, "zeros", format, g.rows, g.cols, error) : NULL;
    if (!scales || (setting[SYMMETRIC] == 0 && !zeros)) return ENT_ECORRUPT;
    ent_format_floats(codes->format, codes->words, (size_t)packed->rows * packed->cols, values);
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t c = 0; c < packed->cols; c += g.width) {
            size_t at = group_of(&g, r, c);
            float scale = ent_part_value(scales, at), zero = zeros ? ent_part_value(zeros, at) : 0;
            for (uint32_t i = 0; i < group_width(&g, packed->cols, c); i++) {
                float *v = &values[(size_t)r * packed->cols + c + i];
                *v = (*v - zero) * scale;
            }
        }
    return ENT_OK;
}

const ent_transform ent_transform_rtn = {
    .name = "rtn", .brief = "round to nearest, integers with scales", .cite = "", .quantizer = true,
    .setting = { { "bits", "of a code", 2, 8, 4, true },
                 GROUP_SETTING(128),
                 { "symmetric", "1: codes around 0; 0: with a zero point a group", 0, 1, 1, true },
                 { "search", "1: the range with the least squared error, not the largest weight", 0, 1, 0, true } },
    .forward = forward, .inverse = inverse,
};
