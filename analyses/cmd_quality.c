/* cmd_quality.c - `entropy quality`: what a changed model lost, by its weights and by a forward pass. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "model.h"
#include "output.h"
#include "packing_report.h"
#include "progress.h"
#include "tokens.h"
#include "trials.h"

enum { KEY_AGAINST = 0x100, KEY_CONFIG, KEY_TEXT, KEY_WINDOW, KEY_SEQUENCES, KEY_CALIBRATE, KEY_SECOND, KEY_CALIBRATION, KEY_WITH,
       KEY_CODE, KEY_KEEP, KEY_SKIP, KEY_SENSITIVITY, KEY_SLACK, KEY_BUDGET, KEY_ALLOCATE, KEY_SEED, KEY_GENERATIONS, KEY_TENSORS };

enum { CHUNK = 1 << 16 }; /* weights widened at a time */

struct job {
    struct common common;
    const char *model, *against, *config, *text, *calibrate, *calibration;
    size_t window, sequences, skip;
    size_t sensitivity; /* sequences */
    bool window_given, second;
    struct trials trials; /* what --with asks for */
};

static const struct argp_option options[] = {
    { "allocate", KEY_ALLOCATE, "HOW", 0, "With --budget: sensitivity (preset: the least sum of what errors cost, as measured by --sensitivity, "
      "else of squared errors), l-greco (squared errors of weights, by dynamic programming) or evopress (evolution: models are "
      "measured on the sequences after --sequences)", 0 },
    { "against", KEY_AGAINST, "MODEL", 0, "The original: also the error of each tensor, KL divergence and agreement", 0 },
    { "budget", KEY_BUDGET, "BITS,...", 0, "With --with of several pipelines: each matrix gets one of them, so that all is lost least "
      "within so many bits a weight of the whole model, everything counted; a trial for each number", 0 },
    { "calibrate", KEY_CALIBRATE, "FILE", 0, "Write what goes into each linear layer over the text, as HDF5", 0 },
    { "calibration", KEY_CALIBRATION, "FILE", 0, "With --against: also the error of each linear layer's output, from this file", 0 },
    { "code", KEY_CODE, "CODEC", 0, "With --with: how the parts are coded (preset: each word of up to 16 bits by rans)", 0 },
    { "config", KEY_CONFIG, "FILE", 0, "The model's config.json (preset: beside the model)", 0 },
    { "generations", KEY_GENERATIONS, "N", 0, "Of evopress (preset 50)", 0 },
    { "keep-embedding", KEY_KEEP, NULL, 0, "With --with: the embedding stays as it is", 0 },
    { "seed", KEY_SEED, "N", 0, "Of evopress (preset 0)", 0 },
    { "second", KEY_SECOND, NULL, 0, "With --calibrate: second moments too (8 bytes times the square of the input's width)", 0 },
    { "sensitivity", KEY_SENSITIVITY, "N", OPTION_ARG_OPTIONAL, "With --calibrate: what an error of each matrix costs, for --budget, by "
      "a forward pass for every matrix over the first N sequences (preset 16)", 0 },
    { "sequences", KEY_SEQUENCES, "N", 0, "Only the first N sequences of the text", 0 },
    { "skip", KEY_SKIP, "N", 0, "Pass over the first N sequences of the text, e.g. to calibrate on others than are measured", 0 },
    { "slack", KEY_SLACK, "X", 0, "With --with of several pipelines: each matrix takes the smallest with an error of its output of at most "
      "X times the least (preset 1: the least error; 1e9: the smallest)", 0 },
    { "tensors", KEY_TENSORS, "FILE", OPTION_ARG_OPTIONAL, "With --with: also a table of all matrices, or FILE of tab-separated values", 0 },
    { "text", KEY_TEXT, "FILE", 0, "Tokens, little-endian: FILE.u16 or FILE.u32 (preset: valid.u16 beside the model)", 0 },
    { "window", KEY_WINDOW, "N", 0, "Predict N tokens a sequence (preset: the model's context); 0: a sequence begins at each "
      "token that begins a text", 0 },
    { "with", KEY_WITH, "PIPELINE", 0, "Measure the model with its matrices packed by these transforms, e.g. \"prune(share=0.3) "
      "rtn(bits=4)\", or \"PIPELINE => CODEC\", or a name from `entropy list systems`; may be given several times (`entropy list "
      "transforms`).  Of several, as in \"step(bits=2:0.5:4) | nf4\" (2 to "
      "4 by 0.5), each matrix gets one, by --slack or --budget", 0 },
    { 0 },
};

static void parse_budgets(struct job *job, struct argp_state *state, char *text)
{
    struct trials *t = &job->trials;
    for (char *rest, *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        if (t->budgets == MOST_BUDGETS) argp_error(state, "too many budgets");
        t->budget[t->budgets++] = option_number(state, "--budget", one, 0);
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    switch (key) {
    case KEY_ALLOCATE:
        if (!allocate_find(text, &job->trials.how)) argp_error(state, "--allocate is sensitivity, l-greco or evopress");
        job->trials.how_given = true;
        return 0;
    case KEY_SEED: job->trials.seed = option_count(state, "--seed", text); return 0;
    case KEY_GENERATIONS: job->trials.generations = (uint32_t)option_count(state, "--generations", text); return 0;
    case KEY_AGAINST: job->against = text; return 0;
    case KEY_CALIBRATE: job->calibrate = text; return 0;
    case KEY_CALIBRATION: job->calibration = text; return 0;
    case KEY_CONFIG: job->config = text; return 0;
    case KEY_SECOND: job->second = true; return 0;
    case KEY_SEQUENCES: job->sequences = option_count(state, "--sequences", text); return 0;
    case KEY_SKIP: job->skip = option_count(state, "--skip", text); return 0;
    case KEY_TEXT: job->text = text; return 0;
    case KEY_CODE: job->trials.codec = text; return 0;
    case KEY_KEEP: job->trials.keep_embedding = true; return 0;
    case KEY_WITH:
        if (job->trials.withs == MOST_TRIALS) argp_error(state, "too many pipelines");
        job->trials.with[job->trials.withs++] = text;
        return 0;
    case KEY_SENSITIVITY: job->sensitivity = text ? option_count(state, "--sensitivity", text) : 16; return 0;
    case KEY_SLACK: job->trials.slack = option_number(state, "--slack", text, 1); return 0;
    case KEY_BUDGET: parse_budgets(job, state, text); return 0;
    case KEY_TENSORS:
        job->trials.tensors = true;
        job->trials.tensors_file = text;
        return 0;
    case KEY_WINDOW:
        job->window = option_count(state, "--window", text);
        job->window_given = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) argp_error(state, "one model at a time");
        job->model = text;
        return 0;
    case ARGP_KEY_END:
        if (!job->model) argp_error(state, "which model?");
        if (job->trials.withs && job->against) argp_error(state, "--with compares with the model itself, not with --against");
        if (job->calibration && !job->against && !job->trials.withs) argp_error(state, "--calibration needs --against or --with");
        if ((job->trials.codec || job->trials.tensors || job->trials.budgets || job->trials.slack > 0) && !job->trials.withs)
            argp_error(state, "--code, --tensors, --slack and --budget need --with");
        if (job->trials.budgets && job->trials.slack > 0) argp_error(state, "--budget or --slack, not both");
        if (job->trials.how_given && !job->trials.withs) argp_error(state, "--allocate needs --with");
        if (!(job->trials.slack > 0)) job->trials.slack = 1;
        if ((job->second || job->sensitivity) && !job->calibrate) argp_error(state, "--second and --sensitivity need --calibrate");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the language model ------------------------------------------------------------------------------- */

/* What the forward pass needs, or nothing of it. */
struct language {
    struct tokens tokens;
    ent_text text;
    ent_llama *model, *original;
};

static bool there(const char *path)
{
    struct stat s;
    return !stat(path, &s);
}

/* `given`, or a file beside the model; "" when there is none. */
static void find(char path[PATH_MAX], const struct job *job, const char *given, const char *file, ent_error *error)
{
    if (given) {
        snprintf(path, PATH_MAX, "%s", given);
        return;
    }
    *path = 0;
    if (model_beside(path, job->model, file, error)) *path = 0;
    if (*path && !there(path)) *path = 0;
}

static ent_status open_language(const struct job *job, struct language *l, const ent_weights *weights,
                                const ent_weights *against, ent_error *error)
{
    char config_path[PATH_MAX], text_path[PATH_MAX];
    ent_llama_config config;
    find(config_path, job, job->config, "config.json", error);
    find(text_path, job, job->text, "valid.u16", error);
    if (!*config_path || !*text_path) {
        if (against && !job->config && !job->text && !job->calibrate) return ENT_OK; /* weights alone */
        return ent_fail(error, ENT_EINVAL, "%s: no %s beside the model: name one by %s", job->model,
                        *config_path ? "valid.u16" : "config.json", *config_path ? "--text" : "--config");
    }
    ent_status status = ent_llama_config_read(&config, config_path, error);
    if (!status) status = tokens_read(&l->tokens, text_path, error);
    if (!status) status = ent_llama_open(&l->model, &config, weights, error);
    if (!status && against) status = ent_llama_open(&l->original, &config, against, error);
    if (status) return status;
    l->text = (ent_text){ l->tokens.token, l->tokens.n, job->window_given ? job->window : config.context, job->sequences,
                          job->skip };
    return ENT_OK;
}

static void print_loss(const struct job *job, const struct language *l, const ent_quality *q, const ent_distortion *sum)
{
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "model", model_name(job->model));
        json_text(object, "against", job->against ? model_name(job->against) : NULL);
        json_count(object, "sequences", q->sequences);
        json_count(object, "tokens", q->predicted);
        json_real_or_null(object, "nll", q->nll);
        json_real_or_null(object, "nll_stderr", q->nll_stderr);
        json_real_or_null(object, "perplexity", q->perplexity);
        json_real_or_null(object, "kl_nats", q->kl_nats);
        json_real_or_null(object, "kl_stderr", q->kl_stderr);
        json_real_or_null(object, "top1_agreement", q->top1_agreement);
        json_real_or_null(object, "sqnr_db", job->against ? ent_sqnr_db(sum) : NAN);
        json_real_or_null(object, "relative_error", job->against ? ent_relative_error(sum) : NAN);
        json_line(object);
        return;
    }
    if (!l->model) return;
    printf("%s: %llu tokens predicted in %llu sequences\n", model_name(job->model), (unsigned long long)q->predicted,
           (unsigned long long)q->sequences);
    printf("  loss        %.6f +- %.6f nats a token\n  perplexity  %.4f\n", q->nll, q->nll_stderr, q->perplexity);
    if (job->against)
        printf("  KL          %.6f +- %.6f nats a token, from %s\n  agreement   %.4f of the likeliest tokens\n", q->kl_nats,
               q->kl_stderr, model_name(job->against), q->top1_agreement);
}

static ent_status measure_loss(const struct job *job, struct language *l, ent_quality *q, ent_error *error)
{
    struct progress progress;
    progress_begin(&progress, &job->common, "quality");
    ent_run run = { job->common.threads, progress.shown ? progress_show : NULL, &progress };
    ent_status status = ent_llama_evaluate(l->model, l->original, &l->text, &run, q, error);
    progress_end(&progress);
    return status;
}

static ent_status find_sensitivities(const struct job *job, struct language *l, const ent_weights *weights,
                                     ent_calibration *calibration, ent_error *error)
{
    ent_llama *changed;
    struct progress progress;
    ent_text text = l->text;
    ent_status status = ent_llama_open(&changed, ent_llama_config_of(l->model), weights, error);
    if (status) return status;
    if (!text.most || text.most > job->sensitivity) text.most = job->sensitivity;
    progress_begin(&progress, &job->common, "sensitivity");
    ent_run run = { job->common.threads, progress.shown ? progress_show : NULL, &progress };
    status = ent_calibrate_sensitivity(calibration, changed, l->model, &text, &run, error);
    progress_end(&progress);
    ent_llama_close(changed);
    return status;
}

static ent_status calibrate(const struct job *job, struct language *l, const ent_weights *weights, ent_error *error)
{
    ent_calibration calibration;
    struct progress progress;
    progress_begin(&progress, &job->common, "calibrate");
    ent_run run = { job->common.threads, progress.shown ? progress_show : NULL, &progress };
    ent_status status = ent_calibrate(&calibration, l->model, &l->text, job->second, &run, error);
    progress_end(&progress);
    if (status) return status;
    if (job->sensitivity) status = find_sensitivities(job, l, weights, &calibration, error);
    if (!status) status = ent_calibration_write(&calibration, job->calibrate, error);
    ent_calibration_free(&calibration);
    return status;
}

/* ---- the weights ---------------------------------------------------------------------------------------- */

struct comparison {
    const struct job *job;
    const struct language *language;
    ent_calibration calibration;
    struct table table;
    ent_distortion sum;
    uint64_t passed_over;
    float *original, *changed; /* CHUNK values each */
};

static ent_status compare(const struct comparison *c, const ent_tensor *original, const ent_tensor *changed, ent_distortion *d)
{
    const ent_format *from = ent_format_find(original->dtype), *to = ent_format_find(changed->dtype);
    if (!from || !to || ent_format_packed(from) || ent_format_packed(to) || original->elements != changed->elements)
        return ENT_EUNSUPPORTED;
    for (uint64_t at = 0; at < original->elements; at += CHUNK) {
        size_t n = original->elements - at < CHUNK ? (size_t)(original->elements - at) : CHUNK;
        ent_format_floats(from, original->bytes.data + at * ent_format_width(from), n, c->original);
        ent_format_floats(to, changed->bytes.data + at * ent_format_width(to), n, c->changed);
        ent_distortion_add(d, c->original, c->changed, n);
    }
    return ENT_OK;
}

static double output_error(const struct comparison *c, const char *name)
{
    if (!c->language->model || !c->calibration.inputs) return NAN;
    const ent_llama_tensor *changed = ent_llama_find(c->language->model, name);
    const ent_llama_tensor *original = ent_llama_find(c->language->original, name);
    if (!changed || !original || changed->input < 0) return NAN;
    return ent_output_error(&c->calibration.input[changed->input], original->values, changed->values, changed->rows);
}

static void print_tensor(struct comparison *c, const ent_tensor *t, const ent_distortion *d)
{
    double output = output_error(c, t->name);
    if (c->job->common.json) {
        json_t *object = json_object();
        json_text(object, "tensor", t->name);
        json_count(object, "weights", d->n);
        json_real_or_null(object, "relative_error", ent_relative_error(d));
        json_real_or_null(object, "sqnr_db", ent_sqnr_db(d));
        json_real_or_null(object, "largest_error", d->largest);
        json_real_or_null(object, "output_error", output);
        json_count(object, "not_finite", d->not_finite);
        json_line(object);
        return;
    }
    char name[256];
    snprintf(name, sizeof name, "%s", t->name);
    table_cell(&c->table, "%s", make_plain(name));
    table_cell(&c->table, "%s", show_shape(t->rank, t->shape).text);
    table_cell(&c->table, "%.3e", ent_relative_error(d));
    if (d->noise > 0)
        table_number(&c->table, ent_sqnr_db(d), 2);
    else
        table_cell(&c->table, "%s", "equal");
    table_cell(&c->table, "%.3e", d->largest);
    if (isnan(output))
        table_cell(&c->table, "%s", "");
    else
        table_cell(&c->table, "%.3e", output);
}

static ent_status check_calibration(const ent_calibration *calibration, ent_llama *model, const char *file, ent_error *error)
{
    if (!model) return ent_fail(error, ENT_EINVAL, "%s: a calibration is of no use without config.json and text", file);
    if (calibration->inputs != ent_llama_inputs(model))
        return ent_fail(error, ENT_EINVAL, "%s: %zu inputs, the model has %zu", file, calibration->inputs,
                        ent_llama_inputs(model));
    for (size_t i = 0; i < ent_llama_tensors(model); i++) {
        const ent_llama_tensor *t = ent_llama_tensor_at(model, i);
        if (t->input >= 0 && calibration->input[t->input].cols != t->cols)
            return ent_fail(error, ENT_EINVAL, "%s: of another model: its input %d has not the width of %s", file, t->input,
                            t->name);
    }
    return ENT_OK;
}

static ent_status compare_all(struct comparison *c, const ent_weights *weights, const ent_weights *against, ent_error *error)
{
    ent_status status = ENT_OK;
    c->original = ent_alloc(CHUNK * sizeof(float));
    c->changed = ent_alloc(CHUNK * sizeof(float));
    if (!c->original || !c->changed) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status && c->job->calibration) status = ent_calibration_read(&c->calibration, c->job->calibration, error);
    if (!status && c->job->calibration) status = check_calibration(&c->calibration, c->language->model, c->job->calibration, error);
    if (status) return status;
    table_begin(&c->table, "<tensor|<shape|relative error|SQNR dB|largest error|output error");
    for (size_t i = 0; i < ent_weights_tensors(against); i++) {
        const ent_tensor *t = ent_weights_tensor(against, i), *changed = ent_weights_find(weights, t->name);
        ent_distortion d = { 0 };
        if (!changed || compare(c, t, changed, &d)) {
            c->passed_over++;
            continue;
        }
        c->sum.n += d.n;
        c->sum.not_finite += d.not_finite;
        c->sum.signal += d.signal;
        c->sum.noise += d.noise;
        c->sum.largest = fmax(c->sum.largest, d.largest);
        print_tensor(c, t, &d);
    }
    table_end(&c->table);
    if (!c->job->common.json) {
        printf("\nall: relative error %.3e, SQNR %.2f dB", ent_relative_error(&c->sum), ent_sqnr_db(&c->sum));
        if (c->sum.not_finite) printf(", %llu weights not finite", (unsigned long long)c->sum.not_finite);
        if (c->passed_over) printf(", %llu tensors without a counterpart of as many numbers", (unsigned long long)c->passed_over);
        printf("\n");
    }
    return ENT_OK;
}

/* ---- the model with its matrices packed ------------------------------------------------------------------ */

static ent_status try_all(const struct job *job, struct language *l, const ent_weights *weights, ent_error *error)
{
    ent_calibration calibration = { 0 };
    ent_status status = job->calibration ? ent_calibration_read(&calibration, job->calibration, error) : ENT_OK;
    if (!status && job->calibration) status = check_calibration(&calibration, l->model, job->calibration, error);
    struct trials trials = job->trials;
    trials.common = &job->common;
    trials.model = job->model;
    trials.weights = weights;
    trials.original = l->model;
    trials.text = &l->text;
    trials.calibration = &calibration;
    if (!status) status = trials_run(&trials, error);
    ent_calibration_free(&calibration);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------ */

static ent_status run(const struct job *job, ent_error *error)
{
    ent_weights *weights = NULL, *against = NULL;
    struct language l = { .model = NULL };
    struct comparison c = { .job = job, .language = &l };
    ent_quality q = { .nll = NAN, .nll_stderr = NAN, .perplexity = NAN, .kl_nats = NAN, .kl_stderr = NAN, .top1_agreement = NAN };
    ent_status status = model_open(&weights, job->model, error);
    if (!status && job->against) status = model_open(&against, job->against, error);
    if (!status) status = open_language(job, &l, weights, against, error);
    if (!status && job->calibrate) status = calibrate(job, &l, weights, error);
    if (!status && l.model) status = measure_loss(job, &l, &q, error);
    if (!status && against) status = compare_all(&c, weights, against, error);
    if (!status) print_loss(job, &l, &q, &c.sum);
    if (!status && job->trials.withs && !job->common.json) printf("\n");
    if (!status && job->trials.withs) status = try_all(job, &l, weights, error);
    ent_free(c.original);
    ent_free(c.changed);
    ent_calibration_free(&c.calibration);
    ent_llama_close(l.model);
    ent_llama_close(l.original);
    tokens_free(&l.tokens);
    ent_weights_close(against);
    ent_weights_close(weights);
    return status;
}

int cmd_quality(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL",
        .doc = "The loss of a language model on a text, by a forward pass in float32 (Llama, Mistral and Qwen2 "
               "architectures; needs 4 bytes a parameter), and against an original what its weights and its predictions "
               "lost.  Without a config.json and a text only the weights are compared, of any models."
               "\vJSON keys, a tensor a line: tensor, weights, relative_error, sqnr_db, largest_error, output_error, "
               "not_finite; then of the whole: model, against, sequences, tokens, nll, nll_stderr (nats a token), perplexity, "
               "kl_nats, kl_stderr, top1_agreement, sqnr_db, relative_error; a pipeline a line: pipeline, codec, "
               "budget_bits and allocation (null: none), plain_bits_per_weight, bits_per_weight (coded, tables and headers included; tensors that "
               "are not packed as they are), side_bits_per_weight (of those: all but the payload of the codes), zeros (share of packed weights), sqnr_db, predicted_kl_nats (by the sensitivities) and the "
               "loss as above, against the model unpacked; before it, with --tensors, a matrix a line: " PACKING_TABLE_KEYS ".",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    command_parse(&argp, argc, argv, &job, &job.common);
    return run(&job, &error) ? complain_error(&error) : EXIT_DONE;
}
