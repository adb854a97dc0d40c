/* pipeline.c - the list of transforms; pipelines as text; running them both ways. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transform/parts.h"

const ent_transform *const ent_transforms[] = {
#define X(name) &ent_transform_##name,
#include "transforms.def"
#undef X
    NULL,
};

const ent_transform *ent_transform_find(const char *name)
{
    for (size_t i = 0; ent_transforms[i]; i++)
        if (!strcmp(ent_transforms[i]->name, name)) return ent_transforms[i];
    return NULL;
}

/* ---- text ------------------------------------------------------------------------------------------------- */

enum { WORD = 32 };

typedef struct scan {
    const char *text, *at;
    ent_error *error;
} scan;

static ent_status bad(const scan *s, const char *what)
{
    return ent_fail(s->error, ENT_EINVAL, "pipeline \"%.200s\", character %zu: %s", s->text, (size_t)(s->at - s->text) + 1, what);
}

static void blanks(scan *s) { s->at += strspn(s->at, " \t"); }

static bool take(scan *s, char c)
{
    blanks(s);
    if (*s->at != c) return false;
    s->at++;
    return true;
}

static ent_status word(scan *s, char out[WORD])
{
    blanks(s);
    size_t n = strspn(s->at, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    if (!n || n >= WORD) return bad(s, "a name is expected");
    memcpy(out, s->at, n);
    out[n] = 0;
    s->at += n;
    return ENT_OK;
}

static ent_status setting(scan *s, ent_stage *stage)
{
    char name[WORD], *end, why[300];
    const ent_setting *list = stage->transform->setting;
    size_t i = 0;
    ent_status status = word(s, name);
    if (status) return status;
    while (i < ENT_SETTINGS && list[i].name && strcmp(list[i].name, name)) i++;
    if (i == ENT_SETTINGS || !list[i].name) {
        snprintf(why, sizeof why, "%s has no setting '%s'", stage->transform->name, name);
        return bad(s, why);
    }
    if (!take(s, '=')) return bad(s, "'=' is expected");
    double value = strtod(s->at, &end);
    bool fits = end != s->at && value >= list[i].least && value <= list[i].most && (!list[i].whole || value == floor(value));
    if (!fits) {
        snprintf(why, sizeof why, "%s is a %snumber from %g to %g", name, list[i].whole ? "whole " : "", list[i].least, list[i].most);
        return bad(s, why);
    }
    s->at = end;
    stage->setting[i] = value;
    return ENT_OK;
}

static ent_status stage(scan *s, ent_stage *stage)
{
    char name[WORD], why[100];
    ent_status status = word(s, name);
    if (status) return status;
    if (!(stage->transform = ent_transform_find(name))) {
        snprintf(why, sizeof why, "there is no transform '%s'", name);
        return bad(s, why);
    }
    for (size_t i = 0; i < ENT_SETTINGS; i++) stage->setting[i] = stage->transform->setting[i].preset;
    if (!take(s, '(')) return ENT_OK;
    do status = setting(s, stage);
    while (!status && take(s, ','));
    return status || take(s, ')') ? status : bad(s, "')' is expected");
}

uint32_t ent_pipeline_quantizer(const ent_pipeline *pipeline)
{
    uint32_t at = 0;
    while (at < pipeline->stages && pipeline->stage[at].transform->kind != ENT_QUANTIZER) at++;
    return at;
}

/* Whether the last stage may stand where it does. */
static ent_status check_place(const scan *s, const ent_pipeline *pipeline, uint32_t last)
{
    const ent_transform *t = pipeline->stage[last].transform;
    bool after = ent_pipeline_quantizer(pipeline) < last;
    if (t->kind == ENT_REPAIR && !after) return bad(s, "a repair must follow a quantizer");
    if (t->kind != ENT_REPAIR && after) return bad(s, "nothing but repairs may follow a quantizer");
    for (uint32_t i = 0; i < last; i++)
        if (t->inverse && pipeline->stage[i].transform->inverse == t->inverse) return bad(s, "two stages that store the same parts");
    return ENT_OK;
}

ent_status ent_pipeline_parse(ent_pipeline *pipeline, const char *text, ent_error *error)
{
    scan s = { text, text, error };
    *pipeline = (ent_pipeline){ 0 };
    for (blanks(&s); *s.at; blanks(&s)) {
        if (pipeline->stages == ENT_STAGES) return bad(&s, "too many stages");
        uint32_t last = pipeline->stages;
        ent_status status = stage(&s, &pipeline->stage[last]);
        if (status) return status;
        pipeline->stages++;
        if ((status = check_place(&s, pipeline, last))) return status;
    }
    return ent_pipeline_quantizer(pipeline) < pipeline->stages ? ENT_OK : bad(&s, "a stage must be a quantizer");
}

ent_status ent_pipeline_text(const ent_pipeline *pipeline, ent_buffer *text)
{
    enum { MOST = ENT_STAGES * (WORD + ENT_SETTINGS * (WORD + 32)) };
    if (ent_buffer_reserve(text, text->size + MOST)) return ENT_ENOMEM;
    char *at = (char *)text->data + text->size, *end = (char *)text->data + text->capacity;
    for (uint32_t i = 0; i < pipeline->stages; i++) {
        const ent_stage *stage = &pipeline->stage[i];
        at += snprintf(at, (size_t)(end - at), "%s%s", i ? " " : "", stage->transform->name);
        for (size_t k = 0; k < ENT_SETTINGS && stage->transform->setting[k].name; k++)
            at += snprintf(at, (size_t)(end - at), "%c%s=%.17g", k ? ',' : '(', stage->transform->setting[k].name, stage->setting[k]);
        if (stage->transform->setting[0].name) at += snprintf(at, (size_t)(end - at), ")");
    }
    text->size = (size_t)(at - (char *)text->data);
    return ENT_OK;
}

bool ent_pipeline_calibrated(const ent_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->stages; i++)
        if (pipeline->stage[i].transform->calibrated) return true;
    return false;
}

uint32_t ent_pipeline_parts(const ent_pipeline *pipeline)
{
    const ent_stage *quantizer = &pipeline->stage[ent_pipeline_quantizer(pipeline)];
    uint32_t repairs = (uint32_t)(pipeline->stage + pipeline->stages - quantizer) - 1;
    return ENT_FEW_PARTS + ENT_REPAIR_PARTS * repairs + (quantizer->transform->parts ? quantizer->transform->parts(quantizer->setting) : 0);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static ent_status check(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, const float *values,
                        const ent_input_stats *input, ent_error *error)
{
    uint64_t n = (uint64_t)rows * cols;
    if (!n || n > UINT32_MAX) return ent_fail(error, ENT_EINVAL, "a matrix of %u x %u cannot be packed", rows, cols);
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return ent_fail(error, ENT_EINVAL, "row %" PRIu64 ", column %" PRIu64 " is %g: only finite weights can be quantized",
                            i / cols, i % cols, (double)values[i]);
    if (input && input->cols != cols)
        return ent_fail(error, ENT_EINVAL, "a calibration of %u columns for a matrix of %u", input->cols, cols);
    if (!input && ent_pipeline_calibrated(pipeline))
        return ent_fail(error, ENT_EINVAL, "a stage needs a calibration (`entropy quality --calibrate`)");
    return ENT_OK;
}

/* Undoes stages stage - 1 to 0. */
static ent_status undo_before(const ent_pipeline *pipeline, uint32_t stage, const ent_packed *packed, float *values,
                              ent_error *error)
{
    ent_status status = ENT_OK;
    while (stage-- > 0 && !status) {
        const ent_stage *s = &pipeline->stage[stage];
        if (s->transform->inverse) status = s->transform->inverse(s->setting, packed, values, error);
    }
    return status;
}

typedef struct watch {
    ent_stage_seen *seen; /* NULL: nobody looks */
    void *context;
} watch;

/* Shows what stages 0 to `stage`, none of them the quantizer, would give back. */
static ent_status show(const ent_pipeline *pipeline, uint32_t stage, const ent_matrix_job *job, const watch *w, double ns,
                       ent_error *error)
{
    size_t bytes = (size_t)job->rows * job->cols * sizeof *job->values;
    bool inverse = false;
    for (uint32_t i = 0; i <= stage; i++) inverse = inverse || pipeline->stage[i].transform->inverse;
    if (!inverse) return w->seen(w->context, stage, ns, job->values), ENT_OK;
    float *copy = ent_alloc(bytes);
    if (!copy) return ent_fail(error, ENT_ENOMEM, "no memory for a copy of a matrix");
    memcpy(copy, job->values, bytes);
    ent_status status = undo_before(pipeline, stage + 1, job->packed, copy, error);
    if (!status) w->seen(w->context, stage, ns, copy);
    ent_free(copy);
    return status;
}

static ent_status run_stages(const ent_pipeline *pipeline, ent_matrix_job *job, const watch *w, ent_error *error)
{
    ent_status status = ENT_OK;
    uint32_t quantizer = ent_pipeline_quantizer(pipeline);
    const ent_input_stats *input = job->input;
    for (uint32_t i = 0; i < pipeline->stages && !status; i++) {
        double start = ent_nanoseconds(CLOCK_MONOTONIC);
        if (i > quantizer) job->input = input; /* repairs work on the matrix as it came */
        status = pipeline->stage[i].transform->forward(pipeline->stage[i].setting, job, error);
        double ns = ent_nanoseconds(CLOCK_MONOTONIC) - start;
        if (!status && i == quantizer) status = undo_before(pipeline, quantizer, job->packed, job->values, error);
        if (!status && w->seen && i < quantizer) status = show(pipeline, i, job, w, ns, error);
        if (!status && w->seen && i >= quantizer) w->seen(w->context, i, ns, job->values);
    }
    return status;
}

ent_status ent_pipeline_apply_seen(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, float *values,
                                   const ent_input_stats *input, ent_packed *packed, ent_stage_seen *seen, void *context,
                                   ent_error *error)
{
    ent_matrix_job job = { .rows = rows, .cols = cols, .values = values, .input = input, .packed = packed };
    const watch w = { seen, context };
    float *copy = NULL;
    *packed = (ent_packed){ .rows = rows, .cols = cols };
    ent_status status = check(pipeline, rows, cols, values, input, error);
    if (!status && ent_pipeline_quantizer(pipeline) + 1 < pipeline->stages) {
        size_t bytes = (size_t)rows * cols * sizeof *copy;
        job.original = copy = ent_alloc(bytes);
        if (!copy) status = ent_fail(error, ENT_ENOMEM, "no memory for a copy of a matrix");
        if (copy) memcpy(copy, values, bytes);
    }
    if (!status) status = run_stages(pipeline, &job, &w, error);
    ent_free(copy);
    ent_input_stats_free(&job.own);
    if (status) ent_packed_free(packed);
    return status;
}

ent_status ent_pipeline_apply(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, float *values,
                              const ent_input_stats *input, ent_packed *packed, ent_error *error)
{
    return ent_pipeline_apply_seen(pipeline, rows, cols, values, input, packed, NULL, NULL, error);
}

ent_status ent_pipeline_undo(const ent_pipeline *pipeline, const ent_packed *packed, float *values, ent_error *error)
{
    uint32_t quantizer = ent_pipeline_quantizer(pipeline);
    const ent_stage *stage = &pipeline->stage[quantizer], *end = pipeline->stage + pipeline->stages;
    ent_status status = stage->transform->inverse(stage->setting, packed, values, error);
    if (!status) status = undo_before(pipeline, quantizer, packed, values, error);
    for (stage++; stage < end && !status; stage++) status = stage->transform->inverse(stage->setting, packed, values, error);
    return status;
}
