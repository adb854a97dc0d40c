/* model_loss.c - see model_loss.h. */
#include <string.h>

#include "model_loss.h"

struct work {
    const struct model_loss *m;
    const struct packing_job *job;
    ent_llama_tensor **tensor; /* of `packed`, each matrix */
    uint32_t *shown;           /* which pipeline's weights it has; UINT32_MAX: its own */
    float **values;            /* [matrices][pipelines]: what they give back; NULL: not tried yet */
};

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "no memory to keep packed matrices"); }

static ent_status pack(struct work *w, size_t i, uint32_t k, float **values, ent_error *error)
{
    const struct packing_matrix *m = &w->job->matrix[i];
    ent_packed packed = { 0 };
    if (!(*values = ent_alloc((size_t)m->rows * m->cols * sizeof **values))) return no_memory(error);
    ent_status status = w->job->read(w->job->context, i, *values);
    if (status) return ent_fail(error, status, "%s: %s", m->name, ent_status_text(status));
    status = ent_pipeline_apply(&w->job->list->candidate[k].pipeline, m->rows, m->cols, *values, m->input, &packed, error);
    ent_packed_free(&packed);
    return status;
}

static ent_status loss(void *context, const uint32_t *pick, uint32_t first, uint32_t count, double *nats, ent_error *error)
{
    struct work *w = context;
    ent_text text = w->m->text;
    ent_quality q = { .kl_nats = 0 };
    ent_status status = ENT_OK;
    text.skip += first;
    text.most = count;
    for (size_t i = 0; i < w->job->matrices && !status; i++) {
        float **values = &w->values[i * w->job->list->n + pick[i]];
        if (w->shown[i] == pick[i]) continue;
        if (!*values) status = pack(w, i, pick[i], values, error);
        if (!status) memcpy(w->tensor[i]->values, *values, (size_t)w->tensor[i]->rows * w->tensor[i]->cols * sizeof **values);
        w->shown[i] = pick[i];
    }
    const ent_run run = { .threads = w->job->run->threads };
    if (!status) status = ent_llama_evaluate(w->m->packed, w->m->original, &text, &run, &q, error);
    *nats = q.kl_nats;
    return status;
}

static ent_status find_tensors(struct work *w, ent_error *error)
{
    for (size_t i = 0; i < w->job->matrices; i++) {
        const struct packing_matrix *m = &w->job->matrix[i];
        w->tensor[i] = ent_llama_find(w->m->packed, m->name);
        w->shown[i] = UINT32_MAX;
        if (!w->tensor[i] || w->tensor[i]->rows != m->rows || w->tensor[i]->cols != m->cols)
            return ent_fail(error, ENT_EINVAL, "%.200s is no matrix of the language model: evopress cannot measure it", m->name);
    }
    return ENT_OK;
}

/* Fewer sequences where the text has fewer. */
static ent_status find_sequences(const struct model_loss *m, const struct packing_job *job, struct evolution *e, ent_error *error)
{
    const ent_run run = { .threads = job->run->threads };
    ent_text text = m->text;
    ent_quality q;
    if (!text.most) text.most = e->sequences[EVOLUTION_STAGES - 1];
    ent_status status = ent_llama_evaluate(m->original, NULL, &text, &run, &q, error);
    if (status) return status;
    e->sequences[EVOLUTION_STAGES - 1] = (uint32_t)q.sequences;
    for (int i = 0; i < EVOLUTION_STAGES; i++)
        if (e->sequences[i] > q.sequences) e->sequences[i] = (uint32_t)q.sequences;
    return ENT_OK;
}

ent_status model_loss_search(const struct model_loss *m, const struct packing_job *job, const struct allocation *a, uint32_t *pick,
                             ent_error *error)
{
    size_t n = job->matrices, pairs = n * job->list->n;
    struct work w = { m, job, ent_calloc(n + 1, sizeof(ent_llama_tensor *)), ent_calloc(n + 1, sizeof(uint32_t)),
                      ent_calloc(pairs + 1, sizeof(float *)) };
    struct evolution e = EVOLUTION_PRESET;
    e.seed = m->seed;
    if (m->generations) e.generations = m->generations;
    e.loss = loss;
    e.context = &w;
    e.run = job->run;
    ent_status status = w.tensor && w.shown && w.values ? find_tensors(&w, error) : no_memory(error);
    if (!status) status = find_sequences(m, job, &e, error);
    if (!status) status = allocate_evopress(a, &e, pick, NULL, NULL, error);
    for (size_t i = 0; i < pairs && w.values; i++) ent_free(w.values[i]);
    ent_free(w.tensor);
    ent_free(w.shown);
    ent_free(w.values);
    return status;
}
