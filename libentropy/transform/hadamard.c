/* hadamard.c - rows rotated in groups of columns, so that whatever is quantized is nearly normal (QuIP's incoherence, as HIGGS
 * has it: Malinovskii et al. 2025).
 *
 * In every group of `group` columns, a power of two, row w becomes H S w / sqrt(group): S random signs, one a column and the same
 * for all rows, drawn from `seed`; H the Hadamard matrix in Sylvester's order.  An orthogonal matrix, so errors are as
 * large after decoding, S H / sqrt(group), as before; but they spread over the group, and no weight sticks out.  A kernel may
 * rotate the input of the layer instead.  group x log2(group) additions a group.  Nothing is stored: the settings say all.
 *
 * Second moments of inputs are rotated with the columns.  Without them the mean square of a rotated channel is taken to be the
 * mean over its group, which it is on average over signs; of the largest magnitude only its mean square over the group is kept. */
#include <math.h>
#include <string.h>

#include "transform/parts.h"

enum { SEED, GROUP };
enum { MOST_PRESET = 1024 };
static const double most_norm = 1e30; /* so that sums of a group are floats, whatever is quantized between */

typedef struct rotation {
    uint32_t cols, group;
    double *sign;  /* of columns, over sqrt(group) */
    double *row;   /* room for one */
} rotation;

static uint32_t group_of_setting(double setting, uint32_t cols)
{
    if (setting > 0) return (uint32_t)setting;
    uint32_t most = cols & -cols; /* the largest power of two that divides them */
    return most < MOST_PRESET ? most : MOST_PRESET;
}

static ent_status init(rotation *t, const double setting[], uint32_t cols, ent_error *error)
{
    ent_random random;
    uint32_t group = group_of_setting(setting[GROUP], cols);
    *t = (rotation){ .cols = cols, .group = group };
    if (group & (group - 1)) return ent_fail(error, ENT_EINVAL, "hadamard needs groups of a power of two, not %u", group);
    if (cols % group) return ent_fail(error, ENT_EINVAL, "rows of %u weights cannot be rotated in groups of %u (group=0 finds one)", cols, group);
    t->sign = ent_alloc(cols * sizeof *t->sign);
    t->row = ent_alloc(cols * sizeof *t->row);
    if (!t->sign || !t->row) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_random_seed(&random, (uint64_t)setting[SEED], 0);
    for (uint32_t c = 0; c < cols; c++) t->sign[c] = (ent_random_bits(&random) >> 63 ? -1 : 1) / sqrt(group);
    return ENT_OK;
}

static void rotation_free(rotation *t)
{
    ent_free(t->sign);
    ent_free(t->row);
}

/* Two steps of the transform in one pass, over 4 * half numbers. */
static void two_steps(double *restrict a, double *restrict b, double *restrict c, double *restrict d, uint32_t half)
{
    for (uint32_t i = 0; i < half; i++) {
        double sum = a[i] + b[i], less = a[i] - b[i], sum2 = c[i] + d[i], less2 = c[i] - d[i];
        a[i] = sum + sum2;
        b[i] = less + less2;
        c[i] = sum - sum2;
        d[i] = less - less2;
    }
}

/* H x for every group of a row. */
static void transform(double *x, uint32_t cols, uint32_t group)
{
    uint32_t half = 1;
    for (; 4 * half <= group; half *= 4)
        for (double *at = x; at < x + cols; at += 4 * half) two_steps(at, at + half, at + 2 * half, at + 3 * half, half);
    for (; half < group; half *= 2)
        for (uint32_t c = 0; c < cols; c += 2 * half)
            for (uint32_t i = c; i < c + half; i++) {
                double a = x[i], b = x[i + half];
                x[i] = a + b;
                x[i + half] = a - b;
            }
}

static void rotate(const rotation *t, double *x)
{
    for (uint32_t c = 0; c < t->cols; c++) x[c] *= t->sign[c];
    transform(x, t->cols, t->group);
}

static void rotate_back(const rotation *t, double *x)
{
    transform(x, t->cols, t->group);
    for (uint32_t c = 0; c < t->cols; c++) x[c] *= t->sign[c];
}

static void rotate_values(const rotation *t, float *values, uint32_t rows, void (*way)(const rotation *, double *))
{
    for (uint32_t r = 0; r < rows; r++) {
        float *w = values + (size_t)r * t->cols;
        for (uint32_t c = 0; c < t->cols; c++) t->row[c] = (double)w[c];
        way(t, t->row);
        for (uint32_t c = 0; c < t->cols; c++) w[c] = (float)t->row[c];
    }
}

/* ---- the calibration ------------------------------------------------------------------------------------- */

/* R H R^T of a lower triangle: both triangles filled, rows rotated, turned over, rows rotated. */
static void rotate_moments(const rotation *t, const double *from, double *to)
{
    size_t n = t->cols;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) to[i * n + j] = to[j * n + i] = from[i * n + j];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++) rotate(t, to + i * n);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++) {
                double x = to[i * n + j];
                to[i * n + j] = to[j * n + i];
                to[j * n + i] = x;
            }
    }
}

static void average(const rotation *t, const ent_input_stats *from, ent_input_stats *to)
{
    for (uint32_t c = 0; c < t->cols; c += t->group) {
        double squares = 0, largest = 0;
        for (uint32_t i = c; i < c + t->group; i++) {
            squares += from->squares[i] / t->group;
            largest += (double)from->largest[i] * (double)from->largest[i] / t->group;
        }
        for (uint32_t i = c; i < c + t->group; i++) {
            to->squares[i] = squares;
            to->largest[i] = (float)sqrt(largest);
        }
    }
}

static ent_status rotate_input(const rotation *t, ent_matrix_job *job, ent_error *error)
{
    const ent_input_stats *from = job->input;
    ent_input_stats to = { .cols = from->cols, .rows = from->rows };
    size_t n = t->cols;
    to.largest = ent_calloc(n, sizeof *to.largest);
    to.squares = ent_calloc(n, sizeof *to.squares);
    if (from->second) to.second = ent_calloc(n * n, sizeof *to.second);
    if (!to.largest || !to.squares || (from->second && !to.second)) {
        ent_input_stats_free(&to);
        return ent_fail(error, ENT_ENOMEM, "no memory for the statistics of %zu columns", n);
    }
    average(t, from, &to);
    if (to.second) rotate_moments(t, from->second, to.second);
    for (size_t c = 0; c < n && to.second; c++) to.squares[c] = fmax(0, to.second[c * n + c]);
    ent_input_stats_free(&job->own);
    job->own = to;
    job->input = &job->own;
    return ENT_OK;
}

/* ---- both ways ------------------------------------------------------------------------------------------- */

static ent_status check_size(const ent_matrix_job *job, ent_error *error)
{
    for (uint32_t r = 0; r < job->rows; r++) {
        double squares = 0;
        for (uint32_t c = 0; c < job->cols; c++) {
            double w = job->values[(size_t)r * job->cols + c];
            squares += w * w;
        }
        if (squares > most_norm * most_norm) return ent_fail(error, ENT_EINVAL, "row %u: weights too large to be rotated", r);
    }
    return ENT_OK;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    rotation t;
    ent_status status = init(&t, setting, job->cols, error);
    if (!status) status = check_size(job, error);
    if (!status && job->input) status = rotate_input(&t, job, error);
    if (!status) rotate_values(&t, job->values, job->rows, rotate);
    rotation_free(&t);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    rotation t;
    ent_status status = init(&t, setting, packed->cols, error);
    if (!status) rotate_values(&t, values, packed->rows, rotate_back);
    rotation_free(&t);
    return status;
}

const ent_transform ent_transform_hadamard = {
    .name = "hadamard", .brief = "rows rotated in groups: random signs, then Walsh-Hadamard", .cite = "malinovskii2025",
    .setting = { { "seed", "of the signs", 0, UINT32_MAX, 1, true },
                 { "group", "columns, a power of two; 0: the most up to 1024 that divides a row", 0, 65536, 0, true } },
    .forward = forward, .inverse = inverse,
};
