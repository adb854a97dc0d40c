/* packing.c - see packing.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "coded.h"
#include "model_loss.h"
#include "packing.h"

/* ---- one matrix ------------------------------------------------------------------------------------------ */

static double entropy_of_codes(const ent_packed *packed)
{
    const ent_part *codes = ent_packed_find(packed, "codes");
    if (!codes) return NAN;
    const ent_packed alone = { .parts = 1, .part = { *codes } };
    return ent_packed_entropy_bits(&alone) / ((double)codes->rows * codes->cols);
}

/* The words of the model as the only part. */
static ent_status as_it_is(const struct packing_matrix *m, const float *values, ent_packed *packed, ent_error *error)
{
    size_t n = (size_t)m->rows * m->cols;
    *packed = (ent_packed){ m->rows, m->cols, 1, { { "words", m->format, m->rows, m->cols, ent_alloc(n * ent_format_width(m->format)) } } };
    if (!packed->part[0].words) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_format_words(m->format, values, n, packed->part[0].words);
    return ENT_OK;
}

static ent_status fit_copy(struct packing_fit *fit, const struct packing_matrix *matrix, const ent_pipeline *pipeline,
                           const ent_codec *codec, const float *before, float *values, ent_error *error)
{
    ent_packed packed = { 0 };
    size_t n = (size_t)matrix->rows * matrix->cols;
    *fit = (struct packing_fit){ .output_error = NAN };
    ent_status status = pipeline->stages ? ent_pipeline_apply(pipeline, matrix->rows, matrix->cols, values, matrix->input, &packed, error)
                                         : as_it_is(matrix, values, &packed, error);
    if (!status) status = coded_bits(&packed, codec, &fit->coded_bits, &fit->side_bits, error);
    if (!status) {
        fit->plain_bits = ent_packed_plain_bits(&packed);
        fit->code_bits = entropy_of_codes(&packed);
        ent_distortion_add(&fit->distortion, before, values, n);
        for (size_t k = 0; k < n; k++) fit->zeros += values[k] == 0;
        if (matrix->input) fit->output_error = ent_output_error(matrix->input, before, values, matrix->rows);
    }
    ent_packed_free(&packed);
    return status;
}

ent_status packing_fit(struct packing_fit *fit, const struct packing_matrix *matrix, const ent_pipeline *pipeline,
                       const ent_codec *codec, float *values, ent_error *error)
{
    size_t n = (size_t)matrix->rows * matrix->cols;
    ent_error why = { 0 };
    float *before = ent_alloc(n * sizeof *before);
    if (!before) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", matrix->name);
    memcpy(before, values, n * sizeof *before);
    ent_status status = fit_copy(fit, matrix, pipeline, codec, before, values, &why);
    ent_free(before);
    return status ? ent_fail(error, status, "%.200s: %.700s", matrix->name, why.text) : ENT_OK;
}

/* ---- all pipelines on all matrices ------------------------------------------------------------------------- */

struct trial {
    const struct packing_job *job;
    struct packing_fit *fit;
    ent_error *error; /* of each */
    size_t done;
};

static ent_status try_one(size_t at, unsigned thread, void *context)
{
    struct trial *t = context;
    const struct packing_job *job = t->job;
    size_t i = at / job->list->n;
    const struct packing_matrix *m = &job->matrix[i];
    float *values = ent_alloc((size_t)m->rows * m->cols * sizeof *values);
    ent_status status = values ? job->read(job->context, i, values) : ENT_ENOMEM;
    if (status)
        ent_fail(&t->error[at], status, "%s: %s", m->name, ent_status_text(status));
    else
        status = packing_fit(&t->fit[at], m, &job->list->candidate[at % job->list->n].pipeline, job->codec, values, &t->error[at]);
    ent_free(values);
    size_t done = __atomic_add_fetch(&t->done, 1, __ATOMIC_RELAXED);
    if (job->run->progress && !thread) job->run->progress(job->run->context, done, job->matrices * job->list->n);
    return status;
}

ent_status packing_try(const struct packing_job *job, struct packing_fit *fit, ent_error *error)
{
    size_t n = job->matrices * job->list->n;
    struct trial t = { .job = job, .fit = fit, .error = ent_calloc(n + 1, sizeof *t.error) };
    if (!t.error) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = ent_parallel(n, job->run->threads, try_one, &t);
    for (size_t i = 0; i < n && status; i++)
        if (t.error[i].status == status) {
            if (error) *error = t.error[i];
            break;
        }
    ent_free(t.error);
    return status;
}

/* ---- which one --------------------------------------------------------------------------------------------- */

static double error_of(const struct packing_fit *fit)
{
    return isnan(fit->output_error) ? ent_relative_error(&fit->distortion) : fit->output_error;
}

static void pick_alone(const struct packing_job *job, const struct packing_fit *fit, double slack, uint32_t *pick)
{
    for (size_t i = 0; i < job->matrices; i++, fit += job->list->n) {
        double least = INFINITY;
        for (size_t k = 0; k < job->list->n; k++) least = fmin(least, error_of(&fit[k]));
        size_t best = job->list->n;
        for (size_t k = 0; k < job->list->n; k++)
            if (error_of(&fit[k]) <= slack * least && (best == job->list->n || fit[k].coded_bits < fit[best].coded_bits))
                best = k;
        pick[i] = (uint32_t)best;
    }
}

double packing_loss(const struct packing_matrix *matrix, const struct packing_fit *fit)
{
    double e = error_of(fit);
    return matrix->sensitivity * e * e;
}

static bool all_sensitivities(const struct packing_job *job)
{
    for (size_t i = 0; i < job->matrices; i++)
        if (isnan(job->matrix[i].sensitivity)) return false;
    return true;
}

/* By the sensitivities or, where these are not known, by squared errors of weights. */
static ent_status pick_by_losses(const struct packing_job *job, const struct packing_fit *fit, double budget_bits, uint32_t *pick,
                                 ent_error *error)
{
    size_t n = job->matrices * job->list->n;
    bool known = all_sensitivities(job);
    ent_chosen chosen;
    ent_option *option = ent_calloc(n, sizeof *option);
    if (!option) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t at = 0; at < n; at++) {
        option[at].cost[ENT_COST_BYTES] = fit[at].coded_bits / 8;
        option[at].cost[ENT_COST_LOSS] = known ? packing_loss(&job->matrix[at / job->list->n], &fit[at]) : fit[at].distortion.noise;
    }
    const ent_choosing choosing = { job->matrices, job->list->n, option, ENT_COST_LOSS,
                                    { fmax(budget_bits / 8, 0), INFINITY, INFINITY, INFINITY } };
    ent_status status = ent_choose(&choosing, pick, &chosen, error);
    ent_free(option);
    return status;
}

static ent_status pick_as_published(const struct packing_job *job, const struct packing_fit *fit, const struct packing_rule *rule,
                                    uint32_t *pick, ent_error *error)
{
    size_t n = job->matrices * job->list->n;
    double *size = ent_calloc(2 * n + 1, sizeof *size), *noise = size + n;
    if (!size) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t at = 0; at < n; at++) size[at] = fit[at].coded_bits, noise[at] = fit[at].distortion.noise;
    const struct allocation a = { job->matrices, job->list->n, size, noise, fmax(rule->budget_bits, 0) };
    ent_status status = rule->how == ALLOCATE_L_GRECO ? allocate_l_greco(&a, L_GRECO_STEPS, pick, error)
                                                      : model_loss_search(rule->model, job, &a, pick, error);
    ent_free(size);
    return status;
}

ent_status packing_pick(const struct packing_job *job, const struct packing_fit *fit, const struct packing_rule *rule,
                        uint32_t *pick, ent_error *error)
{
    if (rule->budget_bits > 0 && rule->how != ALLOCATE_SENSITIVITY) return pick_as_published(job, fit, rule, pick, error);
    if (rule->budget_bits > 0) return pick_by_losses(job, fit, rule->budget_bits, pick, error);
    pick_alone(job, fit, rule->slack, pick);
    return ENT_OK;
}
