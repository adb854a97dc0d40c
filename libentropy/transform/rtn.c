/* rtn.c - a uniform grid of 2 to 8 bits (grid.h), one scale a tensor, row or group: rounded to nearest, or by GPTQ.
 *
 * Parts: codes, rows x cols; scales, F16, one a group; zeros, as codes and only of asymmetric grids, one a group.  Bits per
 * weight, plain: bits + (16 or 16 + bits) / group.  With one scale for the tensor the codes are far from uniform: EntroLLM
 * (Sanyal et al. 2025) is rtn(bits=8,group=-1,symmetric=0), or bits=4, coded by huffman.
 *
 * gptq (Frantar et al. 2023): the same grids, found before any rounding, and the same parts; but each error is made
 * good by the columns that follow (feedback.h).  Weights that were pruned do not stay zero. */
#include "transform/feedback.h"
#include "transform/grid.h"

enum { DAMP = GRID_END };

/* The parts, their grids chosen; the codes are still to come. */
typedef struct plan {
    ent_matrix_job *job;
    groups groups;
    grid *grid; /* one a group */
    ent_part *codes, *scales, *zeros;
} plan;

static ent_status add_parts(const double setting[], plan *p, ent_error *error)
{
    char format[8];
    ent_grid_format(setting, format);
    p->codes = ent_packed_add(p->job->packed, "codes", format, p->job->rows, p->job->cols, error);
    if (p->codes) p->scales = ent_packed_add(p->job->packed, "scales", "F16", p->groups.rows, p->groups.cols, error);
    if (!p->scales) return ENT_ENOMEM;
    if (setting[GRID_SYMMETRIC] > 0) return ENT_OK;
    p->zeros = ent_packed_add(p->job->packed, "zeros", format, p->groups.rows, p->groups.cols, error);
    return p->zeros ? ENT_OK : ENT_ENOMEM;
}

static ent_status choose_grids(const double setting[], plan *p, ent_error *error)
{
    const ent_matrix_job *job = p->job;
    uint32_t rows = p->groups.rows == 1 ? job->rows : 1; /* of a group */
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += p->groups.width) {
            size_t at = group_of(&p->groups, r, c);
            grid *g = &p->grid[at];
            *g = ent_grid_choose(setting, p->scales->format, job->values + (size_t)r * job->cols + c,
                                 group_width(&p->groups, job->cols, c), rows, job->cols);
            if (!isfinite(g->scale))
                return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in F16", r, c);
            ent_part_set_word(p->scales, at, (uint32_t)ent_format_nearest(p->scales->format, g->scale));
            if (p->zeros) ent_part_set_word(p->zeros, at, (uint32_t)g->zero);
        }
    return ENT_OK;
}

static void round_weights(void *context, uint32_t r, uint32_t n, uint32_t c, const float *w, float *value)
{
    const plan *p = context;
    const size_t cols = p->job->cols;
    const uint8_t mask = (uint8_t)((1u << p->codes->format->bits) - 1);
    for (uint32_t i = 0; i < n; i++) {
        const grid *g = &p->grid[group_of(&p->groups, r + i, c)];
        const int code = grid_code(g, w[i]);
        const size_t at = (r + i) * cols + c;
        ((uint8_t *)p->codes->words)[at] = (uint8_t)code & mask;
        p->job->values[at] = value[i] = grid_value(g, code);
    }
}

static void round_to_nearest(plan *p)
{
    const ent_matrix_job *job = p->job;
    const groups *g = &p->groups;
    uint8_t mask = (uint8_t)((1u << p->codes->format->bits) - 1);
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t c = 0; c < job->cols; c += g->width) {
            size_t at = (size_t)r * job->cols + c;
            ent_grid_round(&p->grid[group_of(g, r, c)], job->values + at, group_width(g, job->cols, c), (uint8_t *)p->codes->words + at, mask);
        }
}

static ent_status round_with_feedback(const double setting[], plan *p, ent_error *error)
{
    feedback f;
    ent_status status = ent_feedback_init(&f, p->job->input, setting[DAMP], error);
    if (status) return status;
    ent_feedback_matrix(&f, p->job->values, p->job->rows, round_weights, p);
    ent_feedback_free(&f);
    return ENT_OK;
}

static ent_status pack(const double setting[], ent_matrix_job *job, bool nearest, ent_error *error)
{
    plan p = { .job = job, .groups = ent_groups(setting[GRID_GROUP], job->rows, job->cols) };
    p.grid = ent_calloc((size_t)p.groups.rows * p.groups.cols, sizeof *p.grid);
    if (!p.grid) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = add_parts(setting, &p, error);
    if (!status) status = choose_grids(setting, &p, error);
    if (!status && nearest) round_to_nearest(&p);
    if (!status && !nearest) status = round_with_feedback(setting, &p, error);
    ent_free(p.grid);
    return status;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    return pack(setting, job, true, error);
}

static ent_status gptq_forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    return pack(setting, job, false, error);
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    groups g = ent_groups(setting[GRID_GROUP], packed->rows, packed->cols);
    char format[8];
    ent_grid_format(setting, format);
    const ent_part *codes = ent_packed_need(packed, "codes", format, packed->rows, packed->cols, error);
    const ent_part *scales = codes ? ent_packed_need(packed, "scales", "F16", g.rows, g.cols, error) : NULL;
    const ent_part *zeros = scales && setting[GRID_SYMMETRIC] == 0 ? ent_packed_need(packed, "zeros", format, g.rows, g.cols, error) : NULL;
    if (!scales || (setting[GRID_SYMMETRIC] == 0 && !zeros)) return ENT_ECORRUPT;
    ent_format_floats(codes->format, codes->words, (size_t)packed->rows * packed->cols, values);
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t c = 0; c < packed->cols; c += g.width) {
            size_t at = group_of(&g, r, c);
            float scale = ent_part_value(scales, at), zero = zeros ? ent_part_value(zeros, at) : 0;
            grid_values(scale, zero, values + (size_t)r * packed->cols + c, group_width(&g, packed->cols, c));
        }
    return ENT_OK;
}

const ent_transform ent_transform_rtn = {
    .name = "rtn", .brief = "round to nearest, integers with scales", .cite = "", .kind = ENT_QUANTIZER,
    .setting = { GRID_SETTINGS(GROUP_SETTING(128), 1) },
    .forward = forward, .inverse = inverse,
};

const ent_transform ent_transform_gptq = {
    .name = "gptq", .brief = "as rtn, later columns make good the errors of earlier ones", .cite = "frantar2023",
    .kind = ENT_QUANTIZER, .calibrated = true,
    .setting = { GRID_SETTINGS(GROUP_SETTING(128), 1), DAMP_SETTING },
    .forward = gptq_forward, .inverse = inverse,
};
