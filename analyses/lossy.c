/* lossy.c - see lossy.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "language_model.h"
#include "layer_inputs.h"
#include "lossy.h"
#include "lossy_report.h"
#include "model.h"
#include "model_loss.h"
#include "packing_report.h"
#include "progress.h"
#include "save.h"
#include "with.h"

struct work {
    const struct lossy *lossy;
    const ent_weights *weights;
    struct with with;
    struct shortlist list;
    ent_codec *codec;
    struct layer_inputs inputs;
    bool *keep;
    /* of the matrices that are packed, with several pipelines or a table */
    size_t *tensor; /* their places among the tensors */
    struct packing_matrix *matrix;
    struct packing_job job;
    struct packing_fit *fit, *chosen; /* [matrices][list]; [matrices] */
    uint32_t *picked;        /* of each matrix */
    ent_pipeline *pipeline;  /* of the list, in a row */
    uint32_t *pick;          /* of each tensor */
    struct table table;
    char folder[4200], file[4300], sorted[4300]; /* of the packed model; with its blocks in order */
    struct lossy_result result;
};

/* ---- what is asked for ------------------------------------------------------------------------ */

static ent_status parse_line(struct work *w, ent_error *error)
{
    ent_status status = with_parse(&w->with, w->lossy->with, w->lossy->codec, error);
    if (!status) status = shortlist_parse(&w->list, w->with.pipelines, error);
    return status ? status : ent_codec_parse(&w->codec, w->with.codec ? w->with.codec : LOSSY_CODEC, error);
}

static bool keep_role(struct work *w, const char *role, size_t size)
{
    bool found = false;
    for (size_t i = 0; i < ent_weights_tensors(w->weights); i++) {
        const char *has = ent_weights_tensor(w->weights, i)->role;
        if (strlen(has) == size && !memcmp(has, role, size)) w->keep[i] = found = true;
    }
    return found;
}

static ent_status keep_roles(struct work *w, ent_error *error)
{
    size_t tensors = ent_weights_tensors(w->weights);
    if (!(w->keep = ent_calloc(tensors + 1, sizeof *w->keep))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (const char *role = w->lossy->keep; role && *role;) {
        size_t size = strcspn(role, ",");
        if (!keep_role(w, role, size))
            return ent_fail(error, ENT_EINVAL, "--keep: the model has no tensor of role %.*s (`entropy inspect` shows roles)",
                            (int)size, role);
        role += size + (role[size] == ',');
    }
    return ENT_OK;
}

/* ---- which pipeline for which matrix --------------------------------------------------------------- */

static ent_run long_run(const struct work *w, struct progress *progress, const char *what);

static ent_status read_matrix(void *context, size_t i, float *values)
{
    const struct work *w = context;
    const ent_tensor *t = ent_weights_tensor(w->weights, w->tensor[i]);
    ent_format_floats(ent_format_find(t->dtype), t->bytes.data, (size_t)t->elements, values);
    return ENT_OK;
}

static ent_status find_matrices(struct work *w, double *weights, double *kept_bits, ent_error *error)
{
    size_t tensors = ent_weights_tensors(w->weights);
    w->tensor = ent_calloc(tensors + 1, sizeof *w->tensor);
    w->matrix = ent_calloc(tensors + 1, sizeof *w->matrix);
    w->picked = ent_calloc(tensors + 1, sizeof *w->picked);
    w->pick = ent_calloc(tensors + 1, sizeof *w->pick);
    if (!w->tensor || !w->matrix || !w->picked || !w->pick) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(w->weights, i);
        if (ent_format_find(t->dtype)) *weights += (double)t->elements;
        if (!ent_pack_takes(t) || w->keep[i]) {
            *kept_bits += 8 * (double)t->bytes.size;
            continue;
        }
        w->tensor[w->job.matrices] = i;
        w->matrix[w->job.matrices++] = (struct packing_matrix){
            t->name, (uint32_t)t->shape[0], (uint32_t)(t->elements / t->shape[0]), ent_format_find(t->dtype), w->inputs.input ? w->inputs.input[i] : NULL,
            ent_calibration_sensitivity(&w->inputs.calibration, t->name) };
    }
    return ENT_OK;
}

static ent_status try_all(struct work *w, ent_error *error)
{
    struct progress progress;
    w->fit = ent_calloc(w->job.matrices * w->list.n + 1, sizeof *w->fit);
    w->chosen = ent_calloc(w->job.matrices + 1, sizeof *w->chosen);
    if (!w->fit || !w->chosen) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_run run = long_run(w, &progress, "try");
    w->job.matrix = w->matrix;
    w->job.read = read_matrix;
    w->job.context = w;
    w->job.list = &w->list;
    w->job.codec = w->codec;
    w->job.run = &run;
    ent_status status = packing_try(&w->job, w->fit, error);
    progress_end(&progress);
    return status;
}

static void show_tensors(struct work *w)
{
    const struct lossy *l = w->lossy;
    bool file = l->tensors_file;
    for (size_t i = 0; i < w->job.matrices; i++) w->chosen[i] = w->fit[i * w->list.n + w->picked[i]];
    packing_table_begin(&w->table, file);
    packing_table_rows(&w->table, &w->job, file ? w->with.pipelines : NULL, w->chosen, w->list.n > 1 ? w->fit : NULL, w->list.n,
                       w->picked, l->common->json && !file);
}

/* With the model opened twice where it is to be measured. */
static ent_status choose(struct work *w, struct packing_rule *rule, ent_error *error)
{
    const struct lossy *l = w->lossy;
    struct progress progress;
    struct language_model packed = { .llama = NULL };
    struct model_loss model = { .seed = l->seed, .generations = l->generations };
    ent_run run = long_run(w, &progress, "choose");
    ent_status status = ENT_OK;
    w->job.run = &run;
    if (rule->how == ALLOCATE_EVOPRESS && rule->budget_bits > 0) {
        status = language_model_open(&packed, l->model, l->config, l->sort->text, w->weights, error);
        if (!status) status = ent_llama_open(&model.original, ent_llama_config_of(packed.llama), w->weights, error);
        if (!status) model.text = language_model_text(&packed, l->sort->sequences, l->sort->skip);
        model.packed = packed.llama;
        rule->model = &model;
    }
    if (!status) status = packing_pick(&w->job, w->fit, rule, w->picked, error);
    progress_end(&progress);
    language_model_close(&packed);
    ent_llama_close(model.original);
    return status;
}

/* Tries all pipelines where there are several, or a table is wanted. */
static ent_status pick(struct work *w, ent_error *error)
{
    const struct lossy *l = w->lossy;
    double weights = 0, kept_bits = 0;
    ent_error why = { 0 };
    if (!(w->pipeline = ent_calloc(w->list.n, sizeof *w->pipeline))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t k = 0; k < w->list.n; k++) w->pipeline[k] = w->list.candidate[k].pipeline;
    if (w->list.n == 1 && !l->tensors) return ENT_OK;
    ent_status status = find_matrices(w, &weights, &kept_bits, error);
    if (!status && !w->job.matrices) return ENT_OK;
    if (!status) status = try_all(w, error);
    if (status) return status;
    const ent_system *s = w->with.system;
    double budget = l->budget > 0 || !s ? l->budget : s->budget_bits;
    struct packing_rule rule = { .slack = l->slack, .how = l->how };
    if (budget > 0) rule.budget_bits = fmax(budget * weights - kept_bits, 1);
    if (s && s->allocation && !l->how_given) allocate_find(s->allocation, &rule.how);
    status = choose(w, &rule, &why);
    if (status) return ent_fail(error, status, "a budget of %g bits a weight: %s", budget, why.text);
    for (size_t i = 0; i < w->job.matrices; i++) w->pick[w->tensor[i]] = w->picked[i];
    if (l->tensors) show_tensors(w);
    return ENT_OK;
}

static ent_status end_tensors(struct work *w, ent_error *error)
{
    struct save save;
    if (!w->table.columns) return ENT_OK;
    if (!w->lossy->tensors_file) {
        if (!w->lossy->common->json) printf("\n");
        table_end(&w->table);
        return ENT_OK;
    }
    ent_status status = save_open(&save, w->lossy->tensors_file, error);
    if (!status) table_tsv(&w->table, save.file);
    table_free(&w->table);
    return save_close(&save, status, error);
}

/* ---- packing and coding -------------------------------------------------------------------------- */

static ent_run long_run(const struct work *w, struct progress *progress, const char *what)
{
    progress_begin(progress, w->lossy->common, what);
    return (ent_run){ .threads = w->lossy->common->threads, .progress = progress->shown ? progress_show : NULL,
                      .context = progress };
}

static uint64_t peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : 1024 * (uint64_t)usage.ru_maxrss;
}

/* The packed model in a folder of its own: its name is part of the container. */
static ent_status pack(struct work *w, ent_error *error)
{
    struct progress progress;
    const ent_packing packing = { .pipeline = w->pipeline, .keep = w->keep, .input = w->inputs.input, .pick = w->pick,
                                  .pipelines = (uint32_t)w->list.n };
    if (snprintf(w->folder, sizeof w->folder, "%s.packed-XXXXXX", w->lossy->output) >= (int)sizeof w->folder || !mkdtemp(w->folder)) {
        *w->folder = '\0';
        return ent_fail(error, ENT_EIO, "%s: cannot make a folder beside it", w->lossy->output);
    }
    snprintf(w->file, sizeof w->file, "%s/packed.safetensors", w->folder);
    double start = ent_seconds(CLOCK_MONOTONIC);
    ent_run run = long_run(w, &progress, "pack");
    ent_status status = ent_pack(w->file, w->weights, &packing, &run, &w->result.packing, error);
    progress_end(&progress);
    w->result.pack_wall_seconds = ent_seconds(CLOCK_MONOTONIC) - start;
    return status;
}

/* Whether it leaves levels that can be added one by one. */
static bool ends_in_levels(const ent_pipeline *p)
{
    uint32_t quantizer = ent_pipeline_quantizer(p);
    bool alone = p->stage[quantizer].transform->parts;
    for (uint32_t i = 0; i < p->stages; i++) alone = alone && (i == quantizer || !p->stage[i].transform->inverse);
    return alone;
}

/* Whether any matrix was packed so. */
static bool has_levels(const struct work *w)
{
    for (size_t i = 0; i < ent_weights_tensors(w->weights); i++)
        if (ent_pack_takes(ent_weights_tensor(w->weights, i)) && !w->keep[i] &&
            ends_in_levels(&w->list.candidate[w->pick ? w->pick[i] : 0].pipeline))
            return true;
    return false;
}

static ent_status check_sort(const struct work *w, ent_error *error)
{
    if (!w->lossy->sort->how || has_levels(w)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "--sort is for levels, as of bitstack; %s has none", w->with.pipelines);
}

/* Blocks are stored as they will be loaded. */
static ent_status sort_blocks(struct work *w, ent_error *error)
{
    ent_weights *packed;
    size_t *order = NULL;
    if (!has_levels(w)) return ENT_OK;
    snprintf(w->sorted, sizeof w->sorted, "%s/sorted.safetensors", w->folder);
    ent_status status = ent_weights_open(&packed, w->file, error);
    if (status) return status;
    status = stack_order(w->lossy->sort, w->weights, w->inputs.input, packed, &order, error);
    if (!status) status = ent_stack_write(w->sorted, packed, order, error);
    ent_free(order);
    ent_weights_close(packed);
    if (!status && rename(w->sorted, w->file)) status = ent_fail(error, ENT_EIO, "%s: cannot give it its name", w->sorted);
    return status;
}

static ent_status code(struct work *w, ent_error *error)
{
    struct progress progress;
    ent_weights *packed;
    ent_status status = ent_weights_open(&packed, w->file, error);
    if (status) return status;
    double start = ent_seconds(CLOCK_PROCESS_CPUTIME_ID), wall_start = ent_seconds(CLOCK_MONOTONIC);
    ent_run run = long_run(w, &progress, "code");
    status = ent_container_write(w->lossy->output, packed, w->codec, NULL, &run, &w->result.sizes, error);
    progress_end(&progress);
    w->result.code_seconds = ent_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    w->result.code_wall_seconds = ent_seconds(CLOCK_MONOTONIC) - wall_start;
    w->result.peak_bytes = peak_bytes();
    ent_weights_close(packed);
    return status;
}

static ent_status report(struct work *w, ent_error *error)
{
    ent_container *container;
    ent_status status = ent_container_open(&container, w->lossy->output, error);
    if (status) return status;
    w->result.pipeline = w->pipeline;
    w->result.pipelines = w->list.n;
    w->result.pipeline_text = w->with.pipelines;
    w->result.codec_text = ent_codec_text(w->codec);
    lossy_measure(&w->result, w->weights, container);
    ent_container_close(container);
    lossy_print(&w->result, w->lossy);
    return ENT_OK;
}

ent_status lossy_compress(const struct lossy *lossy, const ent_weights *weights, ent_error *error)
{
    struct work w = { .lossy = lossy, .weights = weights };
    ent_status status = parse_line(&w, error);
    if (!status) status = keep_roles(&w, error);
    if (!status) status = layer_inputs_read(&w.inputs, lossy->calibration, lossy->model, lossy->config, weights, error);
    if (!status) status = pick(&w, error);
    if (!status) status = check_sort(&w, error);
    if (!status) status = pack(&w, error);
    if (!status) status = sort_blocks(&w, error);
    if (!status) status = code(&w, error);
    if (*w.sorted) unlink(w.sorted);
    if (*w.file) unlink(w.file);
    if (*w.folder) rmdir(w.folder);
    if (!status) status = report(&w, error);
    if (!status) status = end_tensors(&w, error);
    else table_free(&w.table);
    layer_inputs_free(&w.inputs);
    ent_codec_free(w.codec);
    shortlist_free(&w.list);
    ent_free(w.keep);
    ent_free(w.tensor);
    ent_free(w.matrix);
    ent_free(w.fit);
    ent_free(w.chosen);
    ent_free(w.picked);
    ent_free(w.pipeline);
    ent_free(w.pick);
    return status;
}
