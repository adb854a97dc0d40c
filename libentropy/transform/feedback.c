/* feedback.c - successive rounding against the second moments of an input (GPTQ: Frantar et al. 2023; LDLQ,
 * shown to be the same: Chee et al. 2023).
 *
 * Errors e of a row add e^T H e to the squared error of its output, H being E x x^T.  With H = M D M^T, M
 * unit upper triangular, that is the sum over columns j of D_j (e_j + sum over i < j of M_ij e_i)^2: column j is best
 * rounded from w_j + sum of M_ij e_i, and what its rounding then leaves weighs D_j.  Loud columns go first, so that the
 * many quiet ones can make good what they cost. */
#include <math.h>
#include <stdlib.h>

#include "transform/feedback.h"

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
            h[j * n + i] = (a > b ? input->second[a * n + b] : input->second[b * n + a]) / rows;
        }
        h[j * n + j] += noise;
    }
}

/* Row j of the lower triangle h becomes D_j M_0j .. D_j M_(j-1)j, D_j.  False when H is not positive definite. */
static bool factor(double *h, size_t n)
{
    for (size_t j = n; j-- > 0;) {
        const double *row = h + j * n;
        if (!(row[j] > 0) || !isfinite(row[j])) return false;
        for (size_t i = 0; i < j; i++) {
            double share = row[i] / row[j], *other = h + i * n;
            for (size_t k = 0; k <= i; k++) other[k] -= share * row[k];
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
    f->target = ent_calloc(n, sizeof *f->target);
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

void ent_feedback_row(feedback *f, const float *row, uint32_t r, feedback_round *round, void *context)
{
    size_t n = f->cols;
    for (size_t j = 0; j < n; j++) f->target[j] = row[f->order[j]];
    for (size_t j = 0; j < n; j++) {
        float w = row[f->order[j]], error = w - round(context, r, f->order[j], f->target[j]);
        const float *pass = f->pass + j * n;
        if (error != 0)
            for (size_t k = j + 1; k < n; k++) f->target[k] += error * pass[k];
    }
}
