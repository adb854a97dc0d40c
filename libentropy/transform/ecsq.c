/* ecsq.c - entropy-constrained scalar quantization: uneven levels chosen for a coder.
 *
 * Minimises squared error + lambda x bits over levels and cells, both free, the bits of a level being -log2 of the share of
 * weights in its cell (Chou, Lookabaugh and Gray 1989, for scalars): levels become the means of their cells, then a weight
 * goes to the level with the least (w - level)^2 + lambda bits, so that edges move away from common levels and rare levels
 * vanish; again until the sum falls by less than 1e-7 of itself.  That ends at a local minimum; the best of those that follow
 * cells of four widths, shares (`starts`) of the width that is best at high rates, is taken.  At low rates a model may lose
 * less by other levels than means: see step.c.
 *
 * Weights are divided by scales and stored as in scaled.h.  lambda is in mean squares of the divided weights a bit; with
 * bits > 0 it is the least found, by bisection, at which codes at their entropy and scales and levels plain take at most `bits`
 * a weight (or the largest, where these alone take more).  All of this works on a histogram, so that a search costs one
 * pass: of BF16 words, or of 2^19 bins that hold F16 exactly, edges between bins. */
#include <math.h>
#include <string.h>

#include "transform/scaled.h"

enum { LAMBDA, BITS, GROUP, HALF };
enum { MOST_PASSES = 200, FILLS = 16 };

static const double starts[] = { 0.5, 0.7, 1, 1.4 };

typedef struct cells { /* k of them; cell i: points begin[i] .. begin[i + 1] - 1 */
    uint32_t k;
    uint32_t *begin;
    double cost;
} cells;

typedef struct search {
    points points;
    double *weight, *sum; /* of the first i points */
    double square;        /* of all */
    cells now, best;
    double *level, *offset, *from; /* of the lower envelope */
} search;

static double share(const search *s, const cells *c, uint32_t i) { return s->weight[c->begin[i + 1]] - s->weight[c->begin[i]]; }

static double mean(const search *s, const cells *c, uint32_t i)
{
    return (s->sum[c->begin[i + 1]] - s->sum[c->begin[i]]) / share(s, c, i);
}

/* Bits of all weights. */
static double rate(const search *s, const cells *c)
{
    double bits = 0, all = s->weight[s->points.n];
    for (uint32_t i = 0; i < c->k; i++) bits += share(s, c, i) * log2(all / share(s, c, i));
    return bits;
}

static double cost(const search *s, const cells *c, double lambda)
{
    double error = s->square;
    for (uint32_t i = 0; i < c->k; i++) error -= mean(s, c, i) * mean(s, c, i) * share(s, c, i);
    return fmax(error, 0) + lambda * rate(s, c);
}

/* Cells of one width, the middle one around zero. */
static void start(search *s, double width)
{
    cells *c = &s->now;
    c->k = 0;
    for (uint32_t i = 0; i < s->points.n; i++)
        if (!i || nearbyint(s->points.value[i] / width) > nearbyint(s->points.value[i - 1] / width)) c->begin[c->k++] = i;
    c->begin[c->k] = s->points.n;
}

static uint32_t first_from(const points *p, double x)
{
    uint32_t low = 0, high = p->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->value[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where each level is the cheapest: x^2 aside, (x - level)^2 + lambda bits is a line in x, and the cells are the pieces of
 * the lower envelope of these lines. */
static void move_edges(search *s, double lambda)
{
    cells *c = &s->now;
    double all = s->weight[s->points.n];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->k; i++) {
        double level = mean(s, c, i), offset = level * level + lambda * log2(all / share(s, c, i)), from = -INFINITY;
        while (kept) {
            double apart = 2 * (level - s->level[kept - 1]);
            from = apart > 0 ? (offset - s->offset[kept - 1]) / apart : offset < s->offset[kept - 1] ? -INFINITY : INFINITY;
            if (from > s->from[kept - 1]) break;
            kept--;
            from = -INFINITY;
        }
        if (from == INFINITY) continue; /* as the level before, and dearer */
        s->level[kept] = level;
        s->offset[kept] = offset;
        s->from[kept++] = from;
    }
    c->k = 0;
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t begin = first_from(&s->points, s->from[i]);
        if (begin == s->points.n) break;
        if (c->k && c->begin[c->k - 1] == begin) c->k--; /* the one before is empty */
        c->begin[c->k++] = begin;
    }
    c->begin[c->k] = s->points.n;
}

static double best_width(double lambda) /* at high rates: the slope of width^2 / 12, -2 ln 2 of it a bit, is lambda */
{
    return sqrt(12 * lambda / (2 * M_LN2));
}

static void keep_now(search *s)
{
    uint32_t *begin = s->best.begin;
    s->best.k = s->now.k;
    s->best.cost = s->now.cost;
    memcpy(begin, s->now.begin, (s->now.k + 1) * sizeof *begin);
}

typedef struct target { /* in bits of all weights */
    double bits, side_bits, level_bits; /* that all may take; that scales take; that each level takes */
} target;

static bool fits(const search *s, const cells *c, const target *t)
{
    return rate(s, c) + t->side_bits + t->level_bits * c->k <= t->bits;
}

/* From cells of one width down to a minimum of squared error + lambda x bits.  Keeps the end if it is the best so far or, with a
 * target, whatever on the way fits it with the least squared error so far. */
static void descend(search *s, double width, double lambda, const target *t)
{
    double before = INFINITY;
    start(s, width);
    for (int pass = 0; pass < MOST_PASSES; pass++) {
        double sum = cost(s, &s->now, lambda);
        s->now.cost = t ? cost(s, &s->now, 0) : sum;
        if (t && s->now.cost < s->best.cost && fits(s, &s->now, t)) keep_now(s);
        if (sum >= before * (1 - 1e-7)) break;
        before = sum;
        move_edges(s, lambda);
    }
    if (!t && s->now.cost < s->best.cost) keep_now(s);
}

static void find_cells(search *s, double lambda)
{
    s->best.cost = INFINITY;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) descend(s, starts[i] * best_width(lambda), lambda, NULL);
}

/* Where one lambda has several minima its bits jump over the target: looks at what lies between, from widths about the
 * least that fits. */
static void fill_up(search *s, double lambda, const target *t)
{
    double low = best_width(lambda) / 8, high = 64 * low;
    while (high / low > 1.0005) {
        double middle = sqrt(low * high);
        start(s, middle);
        *(fits(s, &s->now, t) ? &high : &low) = middle;
    }
    s->best.cost = cost(s, &s->best, 0);
    for (int i = -FILLS; i <= FILLS; i++) descend(s, high * exp2(0.05 * i / FILLS), lambda, t);
}

static void search_lambda(search *s, const target *t)
{
    double unit = s->square / s->weight[s->points.n], low = 1e-9, high = 8;
    while (high / low > 1.001) {
        double middle = sqrt(low * high);
        find_cells(s, middle * unit);
        *(fits(s, &s->best, t) ? &high : &low) = middle;
    }
    find_cells(s, high * unit);
    fill_up(s, low * unit, t);
}

static ent_status prepare(search *s, ent_error *error)
{
    size_t n = s->points.n + 1;
    double **room[] = { &s->weight, &s->sum, &s->level, &s->offset, &s->from };
    for (size_t i = 0; i < sizeof room / sizeof *room; i++)
        if (!(*room[i] = ent_calloc(n, sizeof(double)))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    s->now.begin = ent_calloc(n, sizeof *s->now.begin);
    s->best.begin = ent_calloc(n, sizeof *s->best.begin);
    if (!s->now.begin || !s->best.begin) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < s->points.n; i++) {
        s->weight[i + 1] = s->weight[i] + s->points.weight[i];
        s->sum[i + 1] = s->sum[i] + s->points.weight[i] * s->points.value[i];
        s->square += s->points.weight[i] * s->points.value[i] * s->points.value[i];
    }
    return ENT_OK;
}

static void free_search(search *s)
{
    double *room[] = { s->weight, s->sum, s->level, s->offset, s->from };
    for (size_t i = 0; i < sizeof room / sizeof *room; i++) ent_free(room[i]);
    ent_free(s->now.begin);
    ent_free(s->best.begin);
    ent_points_free(&s->points);
}

static ent_status pack(const double setting[], ent_matrix_job *job, search *s, const float *scale, ent_error *error)
{
    groups g = ent_groups(setting[GROUP], job->rows, job->cols);
    const char *format = half_format(setting[HALF]);
    ent_status status = ent_points_collect(&s->points, POINTS_F16, job->values, job->rows, job->cols, job->cols, NULL, error);
    if (!status) status = prepare(s, error);
    if (status) return status;
    const target t = { setting[BITS] * s->weight[s->points.n], 16.0 * g.rows * g.cols, ent_format_find(format)->bits };
    if (setting[BITS] > 0 && s->square > 0)
        search_lambda(s, &t);
    else
        find_cells(s, setting[LAMBDA] * s->square / s->weight[s->points.n]);
    float *stored = ent_calloc(s->best.k, sizeof *stored);
    if (!stored) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < s->best.k; i++) s->level[i] = mean(s, &s->best, i);
    ent_stored_levels(format, s->level, s->best.k, stored);
    for (uint32_t i = 1; i < s->best.k; i++) s->from[i - 1] = s->points.low[s->best.begin[i]];
    status = ent_scaled_store(job, setting[GROUP], scale, format, stored, s->from, s->best.k, error);
    ent_free(stored);
    return status;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    search s = { .square = 0 };
    float *scale = ent_scaled_divide(job, setting[GROUP], error);
    ent_status status = scale ? pack(setting, job, &s, scale, error) : ENT_ENOMEM;
    free_search(&s);
    ent_free(scale);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    return ent_scaled_read(packed, setting[GROUP], half_format(setting[HALF]), values, error);
}

const ent_transform ent_transform_ecsq = {
    .name = "ecsq", .brief = "levels and cells with the least squared error at an entropy", .cite = "chou1989", .kind = ENT_QUANTIZER,
    .setting = { { "lambda", "mean squares of the weights that a bit is worth", 1e-9, 8, 0.015, false },
                 { "bits", "0: lambda as told; else the bits a weight that all may take", 0, 12, 0, false },
                 GROUP_SETTING(GROUP_TENSOR), HALF_SETTING },
    .forward = forward, .inverse = inverse,
};
