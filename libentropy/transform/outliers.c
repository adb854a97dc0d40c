/* outliers.c - the weights that matter most, as a sparse list beside what a quantizer makes of the others.
 *
 * A share of the matrix, by importance (importance.h), is taken out as F16; what that leaves of them, zero or little, stays for
 * the quantizer, and decoding adds the list to what it gives back: a dense and a sparse product share their input.
 * Parts: outlier.rows, outlier.columns, outlier.values (outliers.h).  Bits per weight, plain: 32 share (48 beyond 65536 columns) + 32 (rows + 1) / (rows cols), and
 * those of the quantizer.
 *
 * Before palette(bits=3,rows=1,by=1) it is SqueezeLLM (Kim et al. 2024; columns have 32 bits there).  It takes 0.45 % out: 0.4 %
 * by magnitude, 0.05 % by the Fisher information of the loss, which also weighs its palettes and needs gradients.  Here one
 * measure picks all: |w|, or |w| with its input, whose square is what removing it costs the layer's output. */
#include <math.h>

#include "transform/importance.h"
#include "transform/outliers.h"

enum { SHARE, BY };

/* ---- the list ------------------------------------------------------------------------------------------ */

uint16_t ent_outlier_word(float value)
{
    uint64_t word = ent_format_nearest(ent_format_find("F16"), fmin(fmax((double)value, -65504), 65504));
    return (uint16_t)(word == 0x8000 ? 0 : word);
}

ent_status ent_outliers_store(ent_packed *packed, const char *name, const uint16_t *words, ent_error *error)
{
    csr list;
    char part[CSR_NAME];
    ent_status status = ent_csr_store(&list, packed, name, packed->rows, packed->cols, words, error);
    ent_part *values = status ? NULL : ent_packed_add(packed, ent_csr_part(part, name, "values"), "F16", list.n, 1, error);
    if (!values) return status ? status : ENT_ENOMEM;
    for (uint32_t r = 0; r < list.rows; r++)
        for (uint32_t i = ent_csr_first(&list, r); i < ent_csr_first(&list, r + 1); i++)
            ent_part_set_word(values, i, words[(size_t)r * list.cols + ent_csr_column(&list, i)]);
    return ENT_OK;
}

ent_status ent_outliers_add(const ent_packed *packed, const char *name, float *values, ent_error *error)
{
    csr list;
    char part[CSR_NAME];
    ent_status status = ent_csr_read(&list, packed, name, packed->rows, packed->cols, error);
    const ent_part *added = status ? NULL : ent_packed_need(packed, ent_csr_part(part, name, "values"), "F16", list.n, 1, error);
    if (!added) return ENT_ECORRUPT;
    for (uint32_t r = 0; r < list.rows; r++)
        for (uint32_t i = ent_csr_first(&list, r); i < ent_csr_first(&list, r + 1); i++) {
            float value = ent_part_value(added, i);
            if (!isfinite(value)) return ent_fail(error, ENT_ECORRUPT, "row %u: an outlier of %g", r, (double)value);
            values[(size_t)r * list.cols + ent_csr_column(&list, i)] += value;
        }
    return ENT_OK;
}

static const char list_name[] = "outlier";

/* ---- by importance ------------------------------------------------------------------------------------- */

/* Takes the `take` most important out of the values, into words; of equals the last. */
static ent_status take_out(const importance *p, size_t take, uint16_t *words, ent_error *error)
{
    const ent_matrix_job *job = p->job;
    size_t n = (size_t)job->rows * job->cols, leave = n - take, below;
    uint32_t *order = ent_alloc(n * sizeof *order);
    if (!order) return ent_fail(error, ENT_ENOMEM, "no memory for the importance of %zu weights", n);
    for (uint32_t r = 0; r < job->rows; r++) ent_importance_rank(p, r, 0, job->cols, 1, order + (size_t)r * job->cols);
    uint32_t edge = ent_importance_select(order, n, leave, &below);
    size_t equal = leave - below; /* of those at the edge, the first */
    for (size_t i = 0; i < n; i++) {
        bool stays = order[i] < edge || (order[i] == edge && equal > 0);
        if (order[i] == edge && equal > 0) equal--;
        if (stays) continue;
        words[i] = ent_outlier_word(job->values[i]);
        job->values[i] -= ent_outlier_value(words[i]);
    }
    ent_free(order);
    return ENT_OK;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    importance p;
    size_t n = (size_t)job->rows * job->cols, take = (size_t)(setting[SHARE] * (double)n);
    ent_status status = ent_importance_init(&p, job, setting[BY], "outliers", error);
    if (status) return status;
    uint16_t *words = ent_calloc(n, sizeof *words);
    if (!words) status = ent_fail(error, ENT_ENOMEM, "no memory for outliers");
    if (!status && take) status = take_out(&p, take, words, error);
    if (!status) status = ent_outliers_store(job->packed, list_name, words, error);
    ent_free(words);
    ent_importance_free(&p);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    (void)setting;
    return ent_outliers_add(packed, list_name, values, error);
}

const ent_transform ent_transform_outliers = {
    .name = "outliers", .brief = "those that matter most, as a sparse list in F16", .cite = "kim2024squeezellm",
    .setting = { { "share", "of the weights that are in the list", 0, 1, 0.0045, false }, BY_SETTING },
    .forward = forward, .inverse = inverse,
};
