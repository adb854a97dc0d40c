/* rtn.c - a uniform grid of 2 to 8 bits, one scale a tensor, row or group: rounded to nearest, or by GPTQ.
 *
 * Symmetric: codes I<bits>, -q .. q with q = 2^(bits-1) - 1, value = code * scale, scale = max |w| / q.
 * Asymmetric: codes U<bits>, value = (code - zero) * scale, scale = (max - min) / (2^bits - 1) over a range that holds 0, zeros
 * U<bits>.  search=1: of 20 ranges from all down to half of it the one with the least squared error; search=2: of 10 over all of
 * it, then 3 times of 10 between the neighbours of the best (SLiM-Quant: Mozaffari et al. 2025, there with group=-1 and the
 * weights' density from a histogram, here with the weights themselves).
 * Parts: codes, rows x cols; scales, F16, one a group; zeros, one a group.  Bits per weight, plain:
 * bits + (16 or 16 + bits) / group.
 *
 * gptq (Frantar et al. 2023): the same grids, found before any rounding, and the same parts; but each error is made
 * good by the columns that follow (feedback.h).  Weights that were pruned do not stay zero. */
#include <math.h>
#include <stdio.h>

#include "transform/feedback.h"

enum { BITS, GROUP, SYMMETRIC, SEARCH, DAMP };
enum { SEARCH_HALF = 1, SEARCH_ALL, HALF_TRIALS = 20, TRIALS = 10, ROUNDS = 4 };

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

/* The least and the largest of n weights and of what *least and *most hold, in lanes that compilers make wide. */
static void widen_range(const float *w, uint32_t n, float *least, float *most)
{
    enum { LANES = 16 };
    float low[LANES] = { 0 }, high[LANES] = { 0 };
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = w[i + (uint32_t)k] < low[k] ? w[i + (uint32_t)k] : low[k];
            high[k] = w[i + (uint32_t)k] > high[k] ? w[i + (uint32_t)k] : high[k];
        }
    for (; i < n; i++) *least = fminf(*least, w[i]), *most = fmaxf(*most, w[i]);
    for (int k = 0; k < LANES; k++) *least = fminf(*least, low[k]), *most = fmaxf(*most, high[k]);
}

/* The best share of a range, and the grid over it. */
typedef struct search {
    grid best;
    double share, error;
} search;

/* n weights a row, `rows` rows of them `stride` apart. */
static grid choose(const double setting[], const ent_format *format, const float *w, uint32_t n, uint32_t rows, uint32_t stride)
{
    float least = 0, most = 0;
    for (uint32_t r = 0; r < rows; r++) widen_range(w + (size_t)r * stride, n, &least, &most);
    search s = { fit(setting, format, least, most, 1), 1, INFINITY };
    if (!(setting[SEARCH] > 0) || !isfinite(s.best.scale)) return s.best;
    bool half = setting[SEARCH] == SEARCH_HALF;
    int rounds = half ? 1 : ROUNDS, trials = half ? HALF_TRIALS : TRIALS;
    double low = half ? 0.5 : 0, high = 1; /* shares are tried from above low to high */
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < trials; k++) {
            double share = high - (high - low) * k / trials, error = 0;
            grid g = fit(setting, format, least, most, share);
            for (uint32_t r = 0; r < rows; r++) error += squared_error(&g, w + (size_t)r * stride, n);
            if (error < s.error) s = (search){ g, share, error };
        }
        double step = (high - low) / trials;
        low = fmax(0, s.share - step);
        high = fmin(1, s.share + step);
    }
    return s.best;
}

static const char *format_of(const double setting[], char name[8])
{
    snprintf(name, 8, "%c%d", setting[SYMMETRIC] > 0 ? 'I' : 'U', (int)setting[BITS]);
    return name;
}

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
    format_of(setting, format);
    p->codes = ent_packed_add(p->job->packed, "codes", format, p->job->rows, p->job->cols, error);
    if (p->codes) p->scales = ent_packed_add(p->job->packed, "scales", "F16", p->groups.rows, p->groups.cols, error);
    if (!p->scales) return ENT_ENOMEM;
    if (setting[SYMMETRIC] > 0) return ENT_OK;
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
            *g = choose(setting, p->scales->format, job->values + (size_t)r * job->cols + c, group_width(&p->groups, job->cols, c),
                        rows, job->cols);
            if (!isfinite(g->scale))
                return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in F16", r, c);
            ent_part_set_word(p->scales, at, (uint32_t)ent_format_nearest(p->scales->format, g->scale));
            if (p->zeros) ent_part_set_word(p->zeros, at, (uint32_t)g->zero);
        }
    return ENT_OK;
}

static float round_weight(void *context, uint32_t r, uint32_t c, float w)
{
    const plan *p = context;
    const grid *g = &p->grid[group_of(&p->groups, r, c)];
    size_t at = (size_t)r * p->job->cols + c;
    int code = code_of(g, w);
    ent_part_set_word(p->codes, at, (uint32_t)code & ((1u << p->codes->format->bits) - 1));
    return p->job->values[at] = value_of(g, code);
}

/* What round_weight does to n weights of one group, in a loop that compilers make wide: a number of at most 2^8 steps is rounded, ties
 * to even, by adding what leaves no bits for a fraction. */
static void round_group(const grid *g, float *w, uint32_t n, uint8_t *codes, uint8_t mask)
{
    const float least = (float)(g->least - g->zero), most = (float)(g->most - g->zero), whole = 0x1.8p23f;
    for (uint32_t i = 0; i < n; i++) {
        float x = w[i] / g->scale;
        x = x < least ? least : x;
        x = x > most ? most : x;
        x = (x + whole) - whole;
        w[i] = x * g->scale;
        codes[i] = (uint8_t)((int)x + g->zero) & mask;
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
            round_group(&p->grid[group_of(g, r, c)], job->values + at, group_width(g, job->cols, c), (uint8_t *)p->codes->words + at, mask);
        }
}

static ent_status round_with_feedback(const double setting[], plan *p, ent_error *error)
{
    feedback f;
    ent_status status = ent_feedback_init(&f, p->job->input, setting[DAMP], error);
    if (status) return status;
    for (uint32_t r = 0; r < p->job->rows; r++) ent_feedback_row(&f, p->job->values + (size_t)r * p->job->cols, r, round_weight, p);
    ent_feedback_free(&f);
    return ENT_OK;
}

static ent_status pack(const double setting[], ent_matrix_job *job, bool nearest, ent_error *error)
{
    plan p = { .job = job, .groups = ent_groups(setting[GROUP], job->rows, job->cols) };
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

#define GRID_SETTINGS \
    { "bits", "of a code", 2, 8, 4, true }, GROUP_SETTING(128), \
    { "symmetric", "1: codes around 0; 0: with a zero point a group", 0, 1, 1, true }, \
    { "search", "the range with the least squared error: 1: from half on; 2: of all, finer", 0, SEARCH_ALL, 0, true }

const ent_transform ent_transform_rtn = {
    .name = "rtn", .brief = "round to nearest, integers with scales", .cite = "", .kind = ENT_QUANTIZER,
    .setting = { GRID_SETTINGS },
    .forward = forward, .inverse = inverse,
};

const ent_transform ent_transform_gptq = {
    .name = "gptq", .brief = "as rtn, later columns make good the errors of earlier ones", .cite = "frantar2023",
    .kind = ENT_QUANTIZER, .calibrated = true,
    .setting = { GRID_SETTINGS, DAMP_SETTING },
    .forward = gptq_forward, .inverse = inverse,
};
