/* spqr.c - small groups whose scales and zeros are quantized too, and a sparse list of outliers (SpQR: Dettmers et al. 2024).
 *
 * A grid for `group` columns of a row, value = (code - zero) * scale, zero any number.  The scales of `rows` rows of the same
 * columns are together quantized to `stats` bits between their least and their largest, two F16 that are stored, and
 * their zeros likewise.  Errors are made good by the columns that follow (feedback.h), which also says what an error left in a
 * column weighs.  A weight is an outlier when that exceeds `threshold` times the mean of what columns' variances weigh:
 * before grids are chosen, by how much less the rest of its group would err, weighed, on a grid without it; and again when it is
 * rounded.  Outliers come in a sparse list, as what is to be added to the value of the code nearest to 0.
 * Grids are chosen before any rounding, as gptq's (rtn.c), where the paper fits a group when its turn comes; and hold 0.
 *
 * Parts: codes, U<bits>, rows x cols; scales and zeros, U<stats>, one a group; ranges, F16, for every `rows` rows four a group:
 * least scale, step of scales, least zero, step of zeros; sparse.rows, sparse.columns, sparse.values (outliers.h).  Bits per
 * weight, plain, a share r of outliers: bits + 2 stats / group + 64 / (group rows) + 32 r, and 32 (rows + 1) / (rows cols) for
 * pointers, which the paper leaves out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "transform/feedback.h"
#include "transform/grid.h"
#include "transform/outliers.h"

enum { BITS, STATS, GROUP, ROWS, THRESHOLD, DAMP };
enum { SCALES, ZEROS, KINDS }; /* of statistics */

static const char list_name[] = "sparse";

typedef struct affine { /* a grid: value = (code - zero) * scale; of zeros only, scale is 0 */
    float scale, zero;
} affine;

/* 0 for NaN too, which feedback may overflow to; rounds as grid_code does. */
static inline float code_of(const affine *g, float most, float w)
{
    const float whole = 0x1.8p23f;
    float code = g->scale > 0 ? w / g->scale + g->zero : 0;
    code = code > 0 ? code : 0;
    code = code < most ? code : most;
    return (code + whole) - whole;
}

static inline float value_of(const affine *g, float code) { return (code - g->zero) * g->scale; }

/* ---- a grid for a group ---------------------------------------------------------------------------------------- */

typedef struct fitting {
    const double *weight; /* of columns: what an error there weighs */
    float most;           /* code */
    double limit;         /* to the weighed error of what is no outlier */
    /* of the group at hand, cols each */
    float *inlier;                  /* weights, outliers as 0 */
    double *weighed, *weighed_then; /* errors on a grid for all; on one without one */
} fitting;

/* Over n weights and 0. */
static affine fit(const fitting *f, const float *w, uint32_t n, float *least, float *most)
{
    *least = *most = 0;
    ent_widen_range(w, n, least, most);
    double scale = ((double)*most - (double)*least) / (double)f->most;
    return (affine){ (float)scale, scale > 0 ? (float)(-(double)*least / scale) : 0 };
}

static inline double weighed_error(float most, const affine *g, float w, double weight)
{
    double d = (double)value_of(g, code_of(g, most, w)) - (double)w;
    return d * d * weight;
}

static void weigh_errors(const fitting *f, const affine *g, const float *w, uint32_t c, uint32_t n, double *restrict weighed)
{
    const affine fixed = *g;
    for (uint32_t i = 0; i < n; i++) weighed[i] = weighed_error(f->most, &fixed, w[i], f->weight[c + i]);
}

/* By how much less n weights from column c err on a grid without number i, which is then exact. */
static double gain(const fitting *f, const float *w, uint32_t c, uint32_t n, uint32_t i)
{
    float least, most;
    double gained = 0;
    memcpy(f->inlier, w, n * sizeof *w);
    f->inlier[i] = 0;
    const affine without = fit(f, f->inlier, n, &least, &most);
    weigh_errors(f, &without, w, c, n, f->weighed_then);
    f->weighed_then[i] = 0;
    for (uint32_t k = 0; k < n; k++) gained += f->weighed[k] - f->weighed_then[k];
    return gained;
}

static affine choose(const fitting *f, const float *w, uint32_t c, uint32_t n)
{
    float least, most;
    uint32_t at_least = 0, at_most = 0, first_least = 0, first_most = 0;
    const affine all = fit(f, w, n, &least, &most);
    if (!isfinite(f->limit)) return all;
    for (uint32_t i = n; i-- > 0;) {
        at_least += w[i] == least;
        at_most += w[i] == most;
        first_least = w[i] == least ? i : first_least;
        first_most = w[i] == most ? i : first_most;
    }
    weigh_errors(f, &all, w, c, n, f->weighed);
    /* nothing but a single one at an end of the range changes it */
    const double without_least = at_least == 1 ? gain(f, w, c, n, first_least) : 0;
    const double without_most = at_most == 1 ? gain(f, w, c, n, first_most) : 0;
    if (at_least == 1) f->weighed[first_least] = without_least;
    if (at_most == 1) f->weighed[first_most] = without_most;
    for (uint32_t i = 0; i < n; i++) f->inlier[i] = f->weighed[i] > f->limit ? 0 : w[i];
    return fit(f, f->inlier, n, &least, &most);
}

/* ---- grids of many groups ---------------------------------------------------------------------------------------- */

/* A matrix at hand, and its parts. */
typedef struct plan {
    ent_matrix_job *job;
    groups groups;
    uint32_t rows, stats; /* of a range; the largest code of scales and zeros */
    float *number[KINDS]; /* one a group */
    fitting fitting;
    feedback feedback;
    uint16_t *words; /* of the list */
    ent_part *codes, *part[KINDS], *ranges;
} plan;

static affine grid_at(const plan *p, size_t group) { return (affine){ p->number[SCALES][group], p->number[ZEROS][group] }; }

/* Where in `ranges` the least of a kind is for the rows of row r; the step is next. */
static size_t range_at(const groups *g, uint32_t rows, uint32_t r, uint32_t column, int kind)
{
    return 2 * (KINDS * ((size_t)(r / rows) * g->cols + column) + (size_t)kind);
}

static float decoded(float least, float step, uint32_t code) { return least + (float)code * step; }

static float set_half(ent_part *part, size_t at, double value)
{
    ent_part_set_word(part, at, (uint32_t)ent_format_nearest(part->format, value));
    return ent_part_value(part, at);
}

/* Scales or zeros of some rows from row r, in a column of groups, become what decoding gives. */
static ent_status quantize(plan *p, uint32_t r, uint32_t column, int kind, ent_error *error)
{
    const groups *g = &p->groups;
    uint32_t end = g->rows - r < p->rows ? g->rows : r + p->rows;
    float *number = p->number[kind] + column, low = INFINITY, high = -INFINITY;
    for (uint32_t k = r; k < end; k++) {
        low = fminf(low, number[(size_t)k * g->cols]);
        high = fmaxf(high, number[(size_t)k * g->cols]);
    }
    size_t at = range_at(g, p->rows, r, column, kind);
    float least = set_half(p->ranges, at, low), step = set_half(p->ranges, at + 1, ((double)high - (double)least) / p->stats);
    if (!isfinite(least) || !isfinite(step))
        return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for scales in F16", r, column * g->width);
    for (uint32_t k = r; k < end; k++) {
        float x = step > 0 ? nearbyintf((number[(size_t)k * g->cols] - least) / step) : 0;
        uint32_t code = x > 0 ? (uint32_t)fminf(x, (float)p->stats) : 0;
        ent_part_set_word(p->part[kind], (size_t)k * g->cols + column, code);
        number[(size_t)k * g->cols] = decoded(least, step, code);
    }
    return ENT_OK;
}

static ent_status choose_grids(plan *p, ent_error *error)
{
    const ent_matrix_job *job = p->job;
    const groups *g = &p->groups;
    ent_status status = ENT_OK;
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t c = 0; c < job->cols; c += g->width) {
            affine chosen = choose(&p->fitting, job->values + (size_t)r * job->cols + c, c, group_width(g, job->cols, c));
            p->number[SCALES][group_of(g, r, c)] = chosen.scale;
            p->number[ZEROS][group_of(g, r, c)] = chosen.zero;
        }
    for (uint32_t r = 0; r < g->rows; r += p->rows)
        for (uint32_t column = 0; column < g->cols; column++)
            for (int kind = 0; kind < KINDS && !status; kind++) status = quantize(p, r, column, kind, error);
    return status;
}

/* ---- rounding ------------------------------------------------------------------------------------------------------ */

static void round_weights(void *context, uint32_t r, uint32_t n, uint32_t c, const float *w, float *value)
{
    plan *p = context;
    const fitting *f = &p->fitting;
    const size_t cols = p->job->cols;
    for (uint32_t i = 0; i < n; i++) {
        const size_t at = (r + i) * cols + c;
        const affine g = grid_at(p, group_of(&p->groups, r + i, c));
        const bool out = weighed_error(f->most, &g, w[i], f->weight[c]) > f->limit;
        const float code = code_of(&g, f->most, out ? 0 : w[i]);
        value[i] = value_of(&g, code);
        if (out) {
            p->words[at] = ent_outlier_word(w[i] - value[i]);
            value[i] += ent_outlier_value(p->words[at]);
        }
        ((uint8_t *)p->codes->words)[at] = (uint8_t)code;
        p->job->values[at] = value[i];
    }
}

/* What the variances of columns weigh, in the mean; room for 2 numbers a column. */
static double mean_weight(const ent_matrix_job *job, const double *weight, double *room)
{
    double mean = 0, *restrict sum = room, *restrict squares = room + job->cols;
    memset(room, 0, 2 * (size_t)job->cols * sizeof *room);
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t c = 0; c < job->cols; c++) {
            double w = job->values[(size_t)r * job->cols + c];
            sum[c] += w / job->rows;
            squares[c] += w * w / job->rows;
        }
    for (uint32_t c = 0; c < job->cols; c++) mean += fmax(0, squares[c] - sum[c] * sum[c]) * weight[c] / job->cols;
    return mean;
}

static ent_status pack(const double setting[], plan *p, ent_error *error)
{
    ent_matrix_job *job = p->job;
    fitting *f = &p->fitting;
    ent_status status = ent_feedback_init(&p->feedback, job->input, setting[DAMP], error);
    if (status) return status;
    f->weight = p->feedback.weight;
    f->most = (float)((1 << (int)setting[BITS]) - 1);
    f->limit = setting[THRESHOLD] > 0 ? setting[THRESHOLD] * mean_weight(job, f->weight, f->weighed) : INFINITY;
    if (!(f->limit > 0)) f->limit = INFINITY; /* a single row, or rows all the same: nothing to compare with */
    status = choose_grids(p, error);
    if (!status) ent_feedback_matrix(&p->feedback, job->values, job->rows, round_weights, p);
    return status ? status : ent_outliers_store(job->packed, list_name, p->words, error);
}

static void name_formats(const double setting[], char codes[8], char stats[8])
{
    snprintf(codes, 8, "U%d", (int)setting[BITS]);
    snprintf(stats, 8, "U%d", (int)setting[STATS]);
}

static uint32_t ranges_of(const groups *g, uint32_t rows) { return (g->rows - 1) / rows + 1; }

static ent_status add_parts(const double setting[], plan *p, ent_error *error)
{
    char codes[8], stats[8];
    ent_packed *packed = p->job->packed;
    const groups *g = &p->groups;
    name_formats(setting, codes, stats);
    p->codes = ent_packed_add(packed, "codes", codes, p->job->rows, p->job->cols, error);
    if (p->codes) p->part[SCALES] = ent_packed_add(packed, "scales", stats, g->rows, g->cols, error);
    if (p->part[SCALES]) p->part[ZEROS] = ent_packed_add(packed, "zeros", stats, g->rows, g->cols, error);
    if (p->part[ZEROS]) p->ranges = ent_packed_add(packed, "ranges", "F16", ranges_of(g, p->rows), 2 * KINDS * g->cols, error);
    return p->ranges ? ENT_OK : ENT_ENOMEM;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    plan p = { .job = job, .groups = ent_groups(setting[GROUP], job->rows, job->cols), .rows = (uint32_t)setting[ROWS],
               .stats = (1u << (int)setting[STATS]) - 1 };
    size_t n = (size_t)p.groups.rows * p.groups.cols;
    float *room = ent_calloc(KINDS * n, sizeof *room);
    float *inlier = ent_calloc(job->cols, sizeof *inlier);
    double *weighed = ent_calloc(2 * (size_t)job->cols, sizeof *weighed);
    p.words = ent_calloc((size_t)job->rows * job->cols, sizeof *p.words);
    ent_status status = ENT_OK;
    if (!room || !inlier || !weighed || !p.words) status = ent_fail(error, ENT_ENOMEM, "no memory for the grids of a matrix");
    if (!status) {
        p.number[SCALES] = room;
        p.number[ZEROS] = room + n;
        p.fitting.inlier = inlier;
        p.fitting.weighed = weighed;
        p.fitting.weighed_then = weighed + job->cols;
        status = add_parts(setting, &p, error);
    }
    if (!status) status = pack(setting, &p, error);
    ent_feedback_free(&p.feedback);
    ent_free(room);
    ent_free(inlier);
    ent_free(weighed);
    ent_free(p.words);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    char codes_format[8], stats_format[8];
    groups g = ent_groups(setting[GROUP], packed->rows, packed->cols);
    uint32_t rows = (uint32_t)setting[ROWS];
    name_formats(setting, codes_format, stats_format);
    const ent_part *codes = ent_packed_need(packed, "codes", codes_format, packed->rows, packed->cols, error), *part[KINDS] = { NULL };
    if (codes) part[SCALES] = ent_packed_need(packed, "scales", stats_format, g.rows, g.cols, error);
    if (part[SCALES]) part[ZEROS] = ent_packed_need(packed, "zeros", stats_format, g.rows, g.cols, error);
    const ent_part *ranges = part[ZEROS] ? ent_packed_need(packed, "ranges", "F16", ranges_of(&g, rows), 2 * KINDS * g.cols, error) : NULL;
    if (!ranges) return ENT_ECORRUPT;
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t c = 0; c < packed->cols; c += g.width) {
            float number[KINDS];
            for (int kind = 0; kind < KINDS; kind++) {
                size_t at = range_at(&g, rows, r, c / g.width, kind);
                number[kind] = decoded(ent_part_value(ranges, at), ent_part_value(ranges, at + 1), ent_part_word(part[kind], group_of(&g, r, c)));
            }
            const affine chosen = { number[SCALES], number[ZEROS] };
            const size_t first = (size_t)r * packed->cols + c;
            for (uint32_t i = 0, n = group_width(&g, packed->cols, c); i < n; i++)
                values[first + i] = value_of(&chosen, ((const uint8_t *)codes->words)[first + i]);
        }
    return ent_outliers_add(packed, list_name, values, error);
}

const ent_transform ent_transform_spqr = {
    .name = "spqr", .brief = "as gptq, grids of small groups quantized too, outliers in a list", .cite = "dettmers2024spqr",
    .kind = ENT_QUANTIZER, .calibrated = true,
    .setting = { { "bits", "of a code", 2, 8, 3, true },
                 { "stats", "bits of a scale, and of a zero", 1, 8, 3, true },
                 { "group", "columns with one scale and zero", 1, 65536, 16, true },
                 { "rows", "whose scales have one range", 1, 65536, 16, true },
                 { "threshold", "of outliers; 0: none", 0, 1e6, 0.2, false }, DAMP_SETTING },
    .forward = forward, .inverse = inverse,
};
