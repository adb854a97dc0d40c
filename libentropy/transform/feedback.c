/* feedback.c - successive rounding against the second moments of an input (GPTQ: Frantar et al. 2023; LDLQ,
 * shown to be the same: Chee et al. 2023).
 *
 * Errors e of a row add e^T H e to the squared error of its output, H being E x x^T.  With H = M D M^T, M
 * unit upper triangular, that is the sum over columns j of D_j (e_j + sum over i < j of M_ij e_i)^2: column j is best
 * rounded from w_j + sum of M_ij e_i, and what its rounding then leaves weighs D_j.  Loud columns go first, so that the
 * many quiet ones can make good what they cost. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "transform/feedback.h"

enum { PANEL = 8, DOUBLES = 8 }; /* columns that are passed on together; numbers of a vector */

typedef double doubles __attribute__((vector_size(DOUBLES * sizeof(double))));
typedef float lanes __attribute__((vector_size(FEEDBACK_ROWS * sizeof(float)), may_alias));

#define TARGET
#define FOR(name) name##_plain
#include "transform/feedback_target.h"

#if defined __x86_64__
#define TARGET __attribute__((target("avx2")))
#define FOR(name) name##_avx2
#include "transform/feedback_target.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define FOR(name) name##_avx512
#include "transform/feedback_target.h"
#endif

typedef struct kernels {
    void (*subtract)(double *restrict other, size_t width, const double share[PANEL], const double *restrict panel, size_t n);
    void (*add)(lanes *restrict target, size_t width, const lanes error[PANEL], const float *restrict pass, size_t n);
} kernels;

static kernels fastest(void)
{
#if defined __x86_64__
    const unsigned features = ent_cpu_features();
    if (features & ENT_CPU_AVX512) return (kernels){ subtract_avx512, add_avx512 };
    if (features & ENT_CPU_AVX2) return (kernels){ subtract_avx2, add_avx2 };
#endif
    return (kernels){ subtract_plain, add_plain };
}

/* ---- the factors ----------------------------------------------------------------------------------------- */

static void sort_columns(const ent_input_stats *input, uint32_t *order)
{
    for (uint32_t j = 0; j < input->cols; j++) {
        uint32_t at = j;
        for (; at > 0 && input->squares[order[at - 1]] < input->squares[j]; at--) order[at] = order[at - 1];
        order[at] = j;
    }
}

/* The lower triangle of H, columns in order, damped.  Dead channels are as if they had a little noise. */
static void moments(const ent_input_stats *input, const uint32_t *order, double damp, double *h)
{
    size_t n = input->cols;
    double mean = 0, rows = fmax(1, (double)input->rows);
    for (size_t j = 0; j < n; j++) mean += input->second[j * n + j] / rows / (double)n;
    double noise = mean > 0 ? fmax(damp, 1e-6) * mean : 1;
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i <= j; i++) {
            size_t a = order[i], b = order[j];
            h[j * n + i] = a > b ? input->second[a * n + b] : input->second[b * n + a];
        }
        for (size_t i = 0; i <= j; i++) h[j * n + i] /= rows;
        h[j * n + j] += noise;
    }
}

/* Row j of the lower triangle h becomes D_j M_0j .. D_j M_(j-1)j, D_j.  False when H is not positive definite. */
static bool factor(double *h, size_t n)
{
    const kernels kernel = fastest();
    for (size_t end = n, begin; end > 0; end = begin) {
        begin = end > PANEL ? end - PANEL : 0;
        for (size_t j = end; j-- > begin;) {
            const double *row = h + j * n;
            if (!(row[j] > 0) || !isfinite(row[j])) return false;
            for (size_t i = begin; i < j; i++) {
                double share = row[i] / row[j], *other = h + i * n;
                for (size_t k = 0; k <= i; k++) other[k] -= share * row[k];
            }
        }
        for (size_t i = 0; i < begin; i++) {
            double share[PANEL];
            for (size_t b = 0; b < PANEL; b++) share[b] = h[(begin + b) * n + i] / h[(begin + b) * n + begin + b];
            kernel.subtract(h + i * n, i + 1, share, h + begin * n, n);
        }
    }
    return true;
}

ent_status ent_feedback_init(feedback *f, const ent_input_stats *input, double damp, ent_error *error)
{
    size_t n = input->cols;
    *f = (feedback){ .cols = input->cols };
    if (!input->second)
        return ent_fail(error, ENT_EINVAL, "a calibration with second moments is needed (`entropy quality --calibrate --second`)");
    double *h = ent_calloc(n * n, sizeof *h);
    f->order = ent_calloc(n, sizeof *f->order);
    f->weight = ent_calloc(n, sizeof *f->weight);
    f->pass = ent_calloc(n * n, sizeof *f->pass);
    f->target = ent_calloc(n, sizeof(lanes));
    ent_status status = ENT_OK;
    if (!h || !f->order || !f->weight || !f->pass || !f->target)
        status = ent_fail(error, ENT_ENOMEM, "no memory for the second moments of %zu columns", n);
    if (!status) {
        sort_columns(input, f->order);
        moments(input, f->order, damp, h);
        if (!factor(h, n)) status = ent_fail(error, ENT_EINVAL, "the second moments of the input are no moments");
    }
    for (size_t j = 0; j < n && !status; j++) {
        f->weight[f->order[j]] = h[j * n + j];
        for (size_t i = 0; i < j; i++) f->pass[i * n + j] = (float)(h[j * n + i] / h[j * n + j]);
    }
    ent_free(h);
    if (status) ent_feedback_free(f);
    return status;
}

void ent_feedback_free(feedback *f)
{
    ent_free(f->order);
    ent_free(f->weight);
    ent_free(f->pass);
    ent_free(f->target);
    *f = (feedback){ 0 };
}

/* ---- rounding -------------------------------------------------------------------------------------------- */

/* Column j of n rows from row r; errors of lanes beyond are 0. */
static void round_column(const feedback *f, const float *values, uint32_t r, uint32_t n, size_t j, feedback_round *round, void *context,
                         lanes *error)
{
    float w[FEEDBACK_ROWS] = { 0 }, value[FEEDBACK_ROWS] = { 0 };
    const float *first = values + (size_t)r * f->cols + f->order[j];
    for (uint32_t i = 0; i < n; i++) w[i] = first[(size_t)i * f->cols];
    round(context, r, n, f->order[j], f->target + j * FEEDBACK_ROWS, value);
    for (uint32_t i = 0; i < FEEDBACK_ROWS; i++) w[i] -= value[i];
    memcpy(error, w, sizeof *error);
}

void ent_feedback_rows(feedback *f, const float *values, uint32_t r, uint32_t n, feedback_round *round, void *context)
{
    const kernels kernel = fastest();
    const size_t cols = f->cols;
    lanes *target = (lanes *)(void *)f->target, error[PANEL];
    for (uint32_t i = 0; i < n; i++) {
        const float *row = values + (size_t)(r + i) * cols;
        for (size_t j = 0; j < cols; j++) f->target[j * FEEDBACK_ROWS + i] = row[f->order[j]];
    }
    for (size_t begin = 0, end; begin < cols; begin = end) {
        end = begin + PANEL < cols ? begin + PANEL : cols;
        for (size_t j = begin; j < end; j++) {
            round_column(f, values, r, n, j, round, context, &error[j - begin]);
            for (size_t k = j + 1; k < end; k++) target[k] += error[j - begin] * f->pass[j * cols + k];
        }
        if (end < cols) kernel.add(target + end, cols - end, error, f->pass + begin * cols + end, cols);
    }
}

void ent_feedback_matrix(feedback *f, const float *values, uint32_t rows, feedback_round *round, void *context)
{
    for (uint32_t r = 0; r < rows; r += FEEDBACK_ROWS)
        ent_feedback_rows(f, values, r, rows - r < FEEDBACK_ROWS ? rows - r : FEEDBACK_ROWS, round, context);
}
