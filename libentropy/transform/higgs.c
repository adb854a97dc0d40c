/* higgs.c - p weights at a time as the nearest of n points made for a normal (HIGGS: Malinovskii et al. 2025).
 *
 * After hadamard, in groups of the same columns, weights are nearly normal whatever they were: so divided by their group's root
 * mean square they are coded as the nearest point of a grid (normal_grid.h) that is fixed and need not be stored, and the
 * relative error is that of the grid, t^2 = 0.0095 for n = 16, p = 1.  As published: hadamard(group=1024) higgs(group=1024), n and
 * p by rate, 256 points of p = 2 for 4 bits, 64 for 3, 16 for 2.  More dimensions lose less at the same rate: t^2 = 0.098 for
 * n = 256, p = 4 and 0.107 for n = 16, p = 2.  Grids of more than 256 points are left out: a code is a byte.
 *
 * The paper's second half, the loss grows by the sum over layers of alpha t^2, so that the best rates within a budget are a
 * knapsack, is the same problem as `--budget` solves (ent_choose).  Differences: alpha is measured from one level of noise
 * and the divergence (ent_calibrate_sensitivity), not fitted to perplexities at several; t is of the layer's output where its
 * input is known, not of the weights.
 *
 * Parts: codes, U<bits of n>, rows x ceil(cols / p), the last of a row filled up with 0; scales, F16, one a group.  Bits per
 * weight, plain: (bits of n) / p + 16 / group. */
#include <math.h>
#include <stdio.h>

#include "base/bits.h"
#include "transform/normal_grid.h"
#include "transform/parts.h"

enum { N, P, GROUP };

typedef struct layout {
    groups groups;
    const grid_point *grid;
    grid_book book;
    uint32_t n, p, cols; /* columns of codes */
    char format[8];
} layout;

static ent_status lay_out(layout *plan, const double setting[], uint32_t rows, uint32_t cols, ent_error *error)
{
    plan->groups = ent_groups(setting[GROUP], rows, cols);
    plan->n = (uint32_t)setting[N];
    plan->p = (uint32_t)setting[P];
    plan->cols = (cols - 1) / plan->p + 1;
    snprintf(plan->format, sizeof plan->format, "U%u", ent_bits_for(plan->n) & 31);
    if (plan->groups.width < cols && plan->groups.width % plan->p)
        return ent_fail(error, ENT_EINVAL, "groups of %u weights cannot be coded %u at a time", plan->groups.width, plan->p);
    plan->grid = ent_normal_grid(plan->p, plan->n);
    if (!plan->grid) return ent_fail(error, ENT_ENOMEM, "no memory for a grid");
    ent_grid_book(&plan->book, plan->grid, plan->p, plan->n);
    return ENT_OK;
}

/* The root mean square as it is stored, never zero; infinite where F16 is too small. */
static float scale_of(const ent_format *format, const float *w, uint32_t rows, uint32_t width, size_t stride)
{
    double squares = 0;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < width; i++) squares += (double)w[r * stride + i] * (double)w[r * stride + i];
    uint64_t word = ent_format_nearest(format, sqrt(squares / ((double)rows * width)));
    return (float)ent_format_value(format, word ? word : 1);
}

/* Codes rows x width weights from row r, column c. */
static void code_group(const layout *plan, ent_matrix_job *job, ent_part *codes, uint32_t r, uint32_t c, uint32_t rows, uint32_t width,
                       float scale)
{
    for (uint32_t k = r; k < r + rows; k++)
        for (uint32_t i = c; i < c + width; i += plan->p) {
            float *w = job->values + (size_t)k * job->cols + i, at[GRID_DIMENSIONS] = { 0 };
            const uint32_t some = job->cols - i < plan->p ? job->cols - i : plan->p;
            for (uint32_t d = 0; d < some; d++) at[d] = w[d] / scale;
            const uint32_t code = plan->p > 2 ? ent_grid_book_nearest(&plan->book, at) : ent_normal_nearest(plan->grid, plan->n, at[0], at[1]);
            ent_part_set_word(codes, (size_t)k * plan->cols + i / plan->p, code);
            for (uint32_t d = 0; d < some; d++) w[d] = plan->grid[code].at[d] * scale;
        }
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    layout plan;
    ent_status status = lay_out(&plan, setting, job->rows, job->cols, error);
    if (status) return status;
    const groups *g = &plan.groups;
    ent_part *codes = ent_packed_add(job->packed, "codes", plan.format, job->rows, plan.cols, error);
    ent_part *scales = codes ? ent_packed_add(job->packed, "scales", "F16", g->rows, g->cols, error) : NULL;
    if (!scales) return ENT_ENOMEM;
    uint32_t rows = g->rows == 1 ? job->rows : 1; /* of a group */
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g->width) {
            uint32_t width = group_width(g, job->cols, c);
            float scale = scale_of(scales->format, job->values + (size_t)r * job->cols + c, rows, width, job->cols);
            if (!isfinite(scale))
                return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in F16", r, c);
            ent_part_set_word(scales, group_of(g, r, c), (uint32_t)ent_format_nearest(scales->format, scale));
            code_group(&plan, job, codes, r, c, rows, width, scale);
        }
    return ENT_OK;
}

/* The `width` weights from row r, column c, which begin with a code of their own. */
static ent_status read_group(const layout *plan, const ent_part *codes, float scale, uint32_t r, uint32_t c, uint32_t width, float *w,
                             ent_error *error)
{
    const uint8_t *code = (const uint8_t *)codes->words + (size_t)r * plan->cols + c / plan->p;
    for (uint32_t i = 0; i < width; i += plan->p, code++) {
        if (*code >= plan->n) return ent_fail(error, ENT_ECORRUPT, "row %u, column %u: code %u of %u points", r, c + i, *code, plan->n);
        for (uint32_t d = 0; d < plan->p && i + d < width; d++) w[i + d] = plan->grid[*code].at[d] * scale;
    }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    layout plan;
    ent_status status = lay_out(&plan, setting, packed->rows, packed->cols, error);
    if (status) return status;
    const groups *g = &plan.groups;
    const ent_part *codes = ent_packed_need(packed, "codes", plan.format, packed->rows, plan.cols, error);
    const ent_part *scales = codes ? ent_packed_need(packed, "scales", "F16", g->rows, g->cols, error) : NULL;
    if (!scales) return ENT_ECORRUPT;
    for (uint32_t r = 0; r < packed->rows && !status; r++)
        for (uint32_t c = 0; c < packed->cols && !status; c += g->width)
            status = read_group(&plan, codes, ent_part_value(scales, group_of(g, r, c)), r, c, group_width(g, packed->cols, c),
                                values + (size_t)r * packed->cols + c, error);
    return status;
}

const ent_transform ent_transform_higgs = {
    .name = "higgs", .brief = "the nearest of n points for a normal, p weights at a time", .cite = "malinovskii2025",
    .kind = ENT_QUANTIZER,
    .setting = { { "n", "points", 2, GRID_MOST, 256, true },
                 { "p", "weights that are coded together", 1, GRID_DIMENSIONS, 2, true }, GROUP_SETTING(1024) },
    .forward = forward, .inverse = inverse,
};
