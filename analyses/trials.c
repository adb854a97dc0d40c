/* trials.c - see trials.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "model_loss.h"
#include "packing_report.h"
#include "progress.h"
#include "save.h"
#include "trials.h"
#include "with.h"

/* A list of pipelines, and what is known of it. */
struct work {
    const struct trials *trials;
    ent_codec *codec; /* of the list */
    ent_llama *packed; /* the model that is changed */
    ent_llama_tensor **tensor; /* those that are packed */
    struct packing_matrix *matrix;
    double weights, stored_bits; /* of the model; of what is not packed */
    struct packing_job job;
    struct shortlist list;
    struct packing_fit *tried; /* [matrices][list]; NULL: the list has but one */
    struct packing_fit *fit;   /* [matrices]: what was picked */
    uint32_t *pick;
    enum allocate_how how; /* of the list */
    struct table table, tensors;
};

static ent_run long_run(const struct work *w, struct progress *progress, const char *what)
{
    progress_begin(progress, w->trials->common, what);
    return (ent_run){ w->trials->common->threads, progress->shown ? progress_show : NULL, progress };
}

/* ---- the matrices ------------------------------------------------------------------------------------------- */

static const ent_format *format_of(const struct trials *t, const char *name)
{
    return ent_format_find(ent_weights_find(t->weights, name)->dtype);
}

static ent_status find_matrices(struct work *w, ent_error *error)
{
    const struct trials *t = w->trials;
    size_t n = ent_llama_tensors(t->original);
    const ent_tensor *embedding = ent_weights_find(t->weights, "model.embed_tokens.weight");
    w->tensor = ent_calloc(n, sizeof(ent_llama_tensor *));
    w->matrix = ent_calloc(n, sizeof *w->matrix);
    w->fit = ent_calloc(n, sizeof *w->fit);
    w->pick = ent_calloc(n, sizeof *w->pick);
    if (!w->tensor || !w->matrix || !w->fit || !w->pick) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        ent_llama_tensor *x = ent_llama_tensor_at(t->original, i);
        double weights = (double)x->rows * x->cols;
        w->weights += weights;
        if (x->rows == 1 || (t->keep_embedding && strstr(x->name, "embed"))) {
            w->stored_bits += weights * embedding->dtype_bits;
            continue;
        }
        const ent_input_stats *input = t->calibration->inputs && x->input >= 0 ? &t->calibration->input[x->input] : NULL;
        w->tensor[w->job.matrices] = x;
        w->matrix[w->job.matrices++] = (struct packing_matrix){ x->name, x->rows, x->cols, format_of(t, x->name), input,
                                                               ent_calibration_sensitivity(t->calibration, x->name) };
    }
    return ENT_OK;
}

static ent_status read_matrix(void *context, size_t i, float *values)
{
    const struct work *w = context;
    memcpy(values, w->tensor[i]->values, (size_t)w->tensor[i]->rows * w->tensor[i]->cols * sizeof *values);
    return ENT_OK;
}

/* ---- one trial ---------------------------------------------------------------------------------------------- */

struct applying {
    struct work *work;
    ent_error *error; /* of each */
};

static ent_status apply_one(size_t i, unsigned thread, void *context)
{
    (void)thread;
    const struct applying *a = context;
    struct work *w = a->work;
    float *values = ent_llama_find(w->packed, w->matrix[i].name)->values;
    memcpy(values, w->tensor[i]->values, (size_t)w->matrix[i].rows * w->matrix[i].cols * sizeof *values);
    return packing_fit(&w->fit[i], &w->matrix[i], &w->list.candidate[w->pick[i]].pipeline, w->codec, values, &a->error[i]);
}

static ent_status apply(struct work *w, ent_error *error)
{
    struct applying a = { w, ent_calloc(w->job.matrices + 1, sizeof *a.error) };
    if (!a.error) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = ent_parallel(w->job.matrices, w->trials->common->threads, apply_one, &a);
    for (size_t i = 0; i < w->job.matrices && status; i++)
        if (a.error[i].status == status) {
            if (error) *error = a.error[i];
            break;
        }
    ent_free(a.error);
    return status;
}

struct sums {
    double plain_bits, coded_bits, side_bits, loss;
    uint64_t packed, zeros;
    ent_distortion distortion;
};

static struct sums sum(const struct work *w)
{
    struct sums s = { .plain_bits = w->stored_bits, .coded_bits = w->stored_bits };
    for (size_t i = 0; i < w->job.matrices; i++) {
        const struct packing_fit *fit = &w->fit[i];
        s.plain_bits += fit->plain_bits;
        s.coded_bits += fit->coded_bits;
        s.side_bits += fit->side_bits;
        s.loss += packing_loss(&w->matrix[i], fit);
        s.packed += fit->distortion.n;
        s.zeros += fit->zeros;
        s.distortion.signal += fit->distortion.signal;
        s.distortion.noise += fit->distortion.noise;
    }
    return s;
}

static void print_trial(struct work *w, const char *label, const char *with, double budget, const ent_quality *q)
{
    const struct sums s = sum(w);
    if (w->trials->common->json) {
        json_t *object = json_object();
        json_text(object, "model", model_name(w->trials->model));
        json_text(object, "pipeline", with);
        json_text(object, "codec", ent_codec_text(w->codec));
        json_real_or_null(object, "budget_bits", budget);
        json_text(object, "allocation", isnan(budget) ? NULL : allocate_name(w->how));
        json_real_or_null(object, "plain_bits_per_weight", s.plain_bits / w->weights);
        json_real_or_null(object, "bits_per_weight", s.coded_bits / w->weights);
        json_real_or_null(object, "side_bits_per_weight", s.side_bits / w->weights);
        json_real_or_null(object, "zeros", (double)s.zeros / (double)s.packed);
        json_real_or_null(object, "sqnr_db", ent_sqnr_db(&s.distortion));
        json_real_or_null(object, "nll", q->nll);
        json_real_or_null(object, "perplexity", q->perplexity);
        json_real_or_null(object, "kl_nats", q->kl_nats);
        json_real_or_null(object, "kl_stderr", q->kl_stderr);
        json_real_or_null(object, "predicted_kl_nats", s.loss);
        json_real_or_null(object, "top1_agreement", q->top1_agreement);
        json_count(object, "tokens", q->predicted);
        json_line(object);
        return;
    }
    table_cell(&w->table, "%s", label);
    table_number(&w->table, s.plain_bits / w->weights, 3);
    table_number(&w->table, s.coded_bits / w->weights, 3);
    table_number(&w->table, s.side_bits / w->weights, 3);
    table_number(&w->table, 100 * (double)s.zeros / (double)s.packed, 1);
    table_number(&w->table, ent_sqnr_db(&s.distortion), 2);
    table_number(&w->table, q->perplexity, 4);
    table_number(&w->table, q->kl_nats, 5);
    table_number(&w->table, s.loss, 5);
    table_number(&w->table, 100 * q->top1_agreement, 2);
}

static void print_tensors(struct work *w, const char *label)
{
    const struct trials *t = w->trials;
    bool file = t->tensors_file;
    if (!file && !t->common->json) {
        printf("%s\n\n", label);
        packing_table_begin(&w->tensors, false);
    }
    packing_table_rows(&w->tensors, &w->job, file ? label : NULL, w->fit, w->tried, w->list.n, w->pick, t->common->json && !file);
    if (!file && !t->common->json) {
        table_end(&w->tensors);
        printf("\n");
    }
}

/* The picked pipelines applied, the model measured. */
static ent_status measure(struct work *w, const char *with, double budget, ent_error *error)
{
    char label[600];
    ent_quality q;
    struct progress progress;
    const struct trials *t = w->trials;
    int n = snprintf(label, sizeof label, "%.500s", with);
    if (!isnan(budget))
        snprintf(label + n, sizeof label - (size_t)n, " in %g bits%s%s", budget, w->how ? " by " : "", w->how ? allocate_name(w->how) : "");
    ent_status status = apply(w, error);
    if (status) return status;
    const ent_run run = long_run(w, &progress, "quality");
    status = ent_llama_evaluate(w->packed, t->original, t->text, &run, &q, error);
    progress_end(&progress);
    if (status) return status;
    if (t->tensors) print_tensors(w, label);
    print_trial(w, label, with, budget, &q);
    return ENT_OK;
}

/* ---- a list of pipelines -------------------------------------------------------------------------------------- */

static ent_status try_all(struct work *w, ent_error *error)
{
    struct progress progress;
    w->tried = ent_calloc(w->job.matrices * w->list.n, sizeof *w->tried);
    if (!w->tried) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_run run = long_run(w, &progress, "try");
    w->job.run = &run;
    ent_status status = packing_try(&w->job, w->tried, error);
    progress_end(&progress);
    return status;
}

static ent_status pick_and_measure(struct work *w, const char *with, double budget, ent_error *error)
{
    const struct trials *t = w->trials;
    struct model_loss model = { w->packed, t->original, *t->text, t->seed, t->generations };
    const struct packing_rule rule = { t->slack, isnan(budget) ? 0 : fmax(budget * w->weights - w->stored_bits, 1), w->how, &model };
    ent_error why = { 0 };
    struct progress progress;
    if (w->how == ALLOCATE_EVOPRESS && !t->text->most)
        return ent_fail(error, ENT_EINVAL, "evopress searches on the sequences after those that are measured: --sequences says how many");
    const ent_run run = long_run(w, &progress, "choose");
    model.text.skip += model.text.most;
    model.text.most = 0;
    w->job.run = &run;
    ent_status status = packing_pick(&w->job, w->tried, &rule, w->pick, &why);
    progress_end(&progress);
    if (status) return ent_fail(error, status, "a budget of %g bits a weight: %s", budget, why.text);
    return measure(w, with, budget, error);
}

static ent_status try_budgets(struct work *w, const char *with, const struct with *what, ent_error *error)
{
    const struct trials *t = w->trials;
    const ent_system *s = what->system;
    ent_status status = try_all(w, error);
    w->how = t->how;
    if (s && s->allocation && !t->how_given) allocate_find(s->allocation, &w->how);
    if (!status && !t->budgets) status = pick_and_measure(w, with, s && s->allocation ? s->budget_bits : NAN, error);
    for (size_t i = 0; i < t->budgets && !status; i++) status = pick_and_measure(w, with, t->budget[i], error);
    return status;
}

static ent_status run_list(struct work *w, const char *with, ent_error *error)
{
    const struct trials *t = w->trials;
    struct with what;
    ent_status status = with_parse(&what, with, t->codec, error);
    if (!status) status = ent_codec_parse(&w->codec, what.codec ? what.codec : PACKING_CODEC, error);
    if (!status) status = what.system && !what.system->pipeline ? shortlist_none(&w->list, error) : shortlist_parse(&w->list, what.pipelines, error);
    w->job.codec = w->codec;
    memset(w->pick, 0, w->job.matrices * sizeof *w->pick);
    if (!status && w->list.n == 1) status = measure(w, with, NAN, error);
    else if (!status) status = try_budgets(w, with, &what, error);
    ent_free(w->tried);
    w->tried = NULL;
    shortlist_free(&w->list);
    ent_codec_free(w->codec);
    w->codec = NULL;
    return status;
}

static ent_status write_tensors(struct work *w, ent_error *error)
{
    struct save save;
    ent_status status = save_open(&save, w->trials->tensors_file, error);
    if (!status) table_tsv(&w->tensors, save.file);
    return save_close(&save, status, error);
}

ent_status trials_run(const struct trials *trials, ent_error *error)
{
    struct work w = { .trials = trials };
    ent_status status = find_matrices(&w, error);
    if (!status) status = ent_llama_open(&w.packed, ent_llama_config_of(trials->original), trials->weights, error);
    w.job.matrix = w.matrix;
    w.job.read = read_matrix;
    w.job.context = &w;
    w.job.list = &w.list;
    table_begin(&w.table, "<pipeline|plain bits|coded bits|of them side|zeros %|SQNR dB|perplexity|KL nats|predicted|agreement %");
    if (trials->tensors_file) packing_table_begin(&w.tensors, true);
    for (size_t i = 0; i < trials->withs && !status; i++) status = run_list(&w, trials->with[i], error);
    if (!status && trials->tensors_file) status = write_tensors(&w, error);
    table_end(&w.table);
    if (trials->tensors_file) table_free(&w.tensors);
    ent_llama_close(w.packed);
    ent_free(w.tensor);
    ent_free(w.matrix);
    ent_free(w.fit);
    ent_free(w.pick);
    return status;
}
