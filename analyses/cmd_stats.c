/* cmd_stats.c - `entropy stats`: the entropy of every field, by tensor, role and model. */
#include <stdio.h>
#include <string.h>

#include "census.h"
#include "command.h"
#include "dependence.h"
#include "estimate.h"
#include "fits.h"
#include "model.h"
#include "save.h"
#include "stats_folder.h"
#include "stats_report.h"

enum { KEY_TENSORS = 0x2001, KEY_SUM, KEY_SAVE, KEY_COUNTS, KEY_DEPENDENCE, KEY_CONTEXT, KEY_AGAINST, KEY_INTERVAL,
       KEY_SEED, KEY_ESTIMATE, KEY_SHARE, KEY_FITS, KEY_LINES, KEY_STORED };

struct stats {
    struct common common;
    bool sum, stored; /* stored: no views of packed codes */
    const char *save_path;
    char **model, **counts; /* arguments */
    size_t models, files;
    struct stats_report report;
    struct save out; /* of --save-counts */
    bool depends;
    const char *against;        /* another model */
    const ent_weights *weights; /* being counted */
    struct dependence dependence;
    bool guess; /* --estimate, nothing else */
    struct estimate estimate;
    bool fit;
    struct fits_options fits;
    const char *folder; /* -o */
};

static ent_status each_tensor(void *context, const char *name, const char *role, const char *dtype,
                              const ent_word_counts *counts, ent_error *error)
{
    struct stats *stats = context;
    ent_status status = ENT_OK;
    if (stats->out.file && stats->report.tensors)
        status = census_write_line(stats->out.file, "tensor", name, dtype, counts, error);
    if (!status) status = stats_report_tensor(&stats->report, name, role, dtype, counts, error);
    if (status || !stats->depends) return status;
    return dependence_tensor(&stats->dependence, stats->weights, ent_weights_find(stats->weights, name), counts, error);
}

static ent_status save_roles(struct stats *stats, const struct census *census, ent_error *error)
{
    ent_status status = ENT_OK;
    if (!stats->out.file || stats->report.tensors) return ENT_OK;
    for (size_t i = 0; i < census->entries && !status; i++) {
        const struct census_entry *e = &census->entry[i];
        status = census_write_line(stats->out.file, "role", e->role, e->dtype, &e->counts, error);
    }
    return status;
}

static ent_status open_viewed(const struct stats *stats, ent_weights **weights, const char *argument, ent_error *error)
{
    ent_status status = model_open(weights, argument, error);
    if (!status && ent_weights_note(*weights) && !stats->common.quiet) complain("%s: %s", argument, ent_weights_note(*weights));
    return status || stats->stored ? status : ent_weights_view_packed(*weights, error);
}

static ent_status write_folder(const struct stats *stats, const struct stats_folder *folder, ent_error *error)
{
    unsigned drawn = 0;
    bool missing = false;
    ent_status status = stats_folder_write(folder, &drawn, &missing, error);
    if (status) return status;
    if (missing) complain("no gnuplot on this machine: the tables are there, the figures are not; install gnuplot-nox");
    if (!stats->common.json && !stats->common.quiet)
        printf("\n%s: tables, and %u figures in %s/figures as .svg and .pdf\n", folder->path, drawn, folder->path);
    return ENT_OK;
}

/* What takes another pass over the weights, and what is written from all that is known then; `argument` NULL: there
 * are counts alone. */
static ent_status fit_and_write(const struct stats *stats, const struct census *census, const char *argument,
                                ent_error *error)
{
    struct stats_folder folder = { .path = stats->folder, .common = &stats->common, .report = &stats->report,
                                   .census = census, .dependence = &stats->dependence };
    ent_weights *weights = NULL;
    struct tensor_fit *list = NULL;
    ent_status status = argument ? open_viewed(stats, &weights, argument, error) : ENT_OK;
    if (!status && argument) status = fits_of(weights, &stats->common, &stats->fits, &list, &folder.fits, error);
    if (!status && stats->fit) fits_print(model_name(argument), list, folder.fits, stats->common.json);
    folder.fit = list;
    folder.weights = weights;
    if (!status && stats->folder) status = write_folder(stats, &folder, error);
    ent_free(list);
    ent_weights_close(weights);
    return status;
}

static ent_status count_model(struct stats *stats, struct census *census, const char *argument, ent_error *error)
{
    ent_weights *weights;
    ent_status status = open_viewed(stats, &weights, argument, error);
    if (status) {
        ent_weights_close(weights);
        return status;
    }
    stats->weights = weights;
    status = census_count(census, weights, NULL, &stats->common, each_tensor, stats, error);
    ent_weights_close(weights);
    return status;
}

/* Reports the sum of `models` models and all saved counts under one name. */
static ent_status run(struct stats *stats, const char *name, char **model, size_t models, ent_error *error)
{
    struct census census = { 0 };
    ent_status status = ENT_OK;
    stats->report.model = stats->dependence.model = name;
    for (size_t i = 0; i < models && !status; i++) status = count_model(stats, &census, model[i], error);
    for (size_t i = 0; i < stats->files && !status; i++)
        status = census_read(&census, stats->counts[i], each_tensor, stats, error);
    if (!status) status = save_roles(stats, &census, error);
    if (!status) status = stats_report_finish(&stats->report, &census, error);
    if (!status) dependence_report(&stats->dependence);
    for (size_t i = 0; (stats->fit || stats->folder) && i < models && !status; i++)
        status = fit_and_write(stats, &census, model[i], error);
    if (stats->folder && !models && !status) status = fit_and_write(stats, &census, NULL, error);
    dependence_clear(&stats->dependence);
    stats_report_clear(&stats->report);
    census_free(&census);
    return status;
}

static ent_status run_models(struct stats *stats, ent_error *error)
{
    ent_status status = ENT_OK;
    if (stats->sum || stats->files) return run(stats, "sum", stats->model, stats->models, error);
    for (size_t i = 0; i < stats->models && !status; i++) {
        if (i && !stats->common.json) putchar('\n');
        status = run(stats, model_name(stats->model[i]), stats->model + i, 1, error);
    }
    return status;
}

static ent_status run_estimates(struct stats *stats, ent_error *error)
{
    ent_status status = ENT_OK;
    stats->estimate.common = &stats->common;
    stats->estimate.seed = stats->report.interval.seed;
    for (size_t i = 0; i < stats->models && !status; i++) {
        if (i && !stats->common.json) putchar('\n');
        stats->estimate.model = stats->model[i];
        status = estimate_run(&stats->estimate, error);
    }
    return status;
}

static ent_status run_all(struct stats *stats, ent_error *error)
{
    if (stats->guess) return run_estimates(stats, error);
    ent_weights *against = NULL;
    ent_status status = stats->against ? open_viewed(stats, &against, stats->against, error) : ENT_OK;
    stats->dependence.against = against;
    stats->dependence.common = &stats->common;
    if (!status) status = run_models(stats, error);
    ent_weights_close(against);
    return status;
}

static void choose_context(struct stats *stats, const char *name, struct argp_state *state)
{
    size_t n = 0;
    stats->depends = true;
    while (stats->dependence.context[n]) n++;
    if (name && !ent_context_find(name)) argp_error(state, "no context '%s'; `entropy list contexts` names them", name);
    for (size_t i = 0; ent_contexts[i] && n < MAX_CONTEXTS; i++)
        if (!name || !strcmp(name, ent_contexts[i]->name)) stats->dependence.context[n++] = ent_contexts[i];
}

static void choose_estimator(struct stats *stats, const char *name, struct argp_state *state)
{
    bool all = !strcmp(name, "all");
    for (size_t i = 0; ent_estimators[i]; i++)
        if ((all || !strcmp(name, ent_estimators[i]->name)) && stats->report.estimators < MAX_ESTIMATORS)
            stats->report.estimator[stats->report.estimators++] = ent_estimators[i];
    if (!all && !ent_estimator_find(name))
        argp_error(state, "no estimator '%s'; `entropy list estimators` names them", name);
}

static const struct argp_option options[] = {
    { .name = "tensors", .key = KEY_TENSORS, .doc = "Also a table of every tensor (--json always has them)" },
    { .name = "estimator", .key = 'e', .arg = "NAME",
      .doc = "Entropy estimator, or all; may be given several times (preset: plugin)" },
    { .name = "interval", .key = KEY_INTERVAL,
      .doc = "Also 95 % intervals, and standard errors by a bootstrap; for whole models, with --json for every row" },
    { .name = "fits", .key = KEY_FITS,
      .doc = "Also moments and fitted laws of every float tensor, the exponent entropy that each law foretells, and "
             "what is odd: outlier rows and columns, zeros, constant tensors, tensors that are the same" },
    { .name = "lines", .key = KEY_LINES, .arg = "N",
      .doc = "--fits of this many rows and columns of each tensor, too" },
    { .name = "seed", .key = KEY_SEED, .arg = "N",
      .doc = "Of the bootstrap, and of the samples of --fits and --estimate (preset 1)" },
    { .name = "output", .key = 'o', .arg = "FOLDER",
      .doc = "Also write tables (stats.tsv, .md and .tex; moments.tsv, fits.tsv, dependence.tsv) and figures with "
             "their data: exponents and fitted laws, entropy by layer and role, what mantissa bits hold, what codecs "
             "spend above the bound; of one model, or of counts" },
    { .name = "sum", .key = KEY_SUM, .doc = "Report all models together, as one" },
    { .name = "stored", .key = KEY_STORED,
      .doc = "Words as the file has them: else packed codes (GPTQ, AWQ, compressed-tensors, modelopt, MXFP4, "
             "bitsandbytes) are seen as codes, with roles for their scales and zeros; config.json must agree" },
    { .name = "save-counts", .key = KEY_SAVE, .arg = "FILE",
      .doc = "Also write the counts, of roles or, with --tensors, of tensors" },
    { .name = "counts", .key = KEY_COUNTS, .arg = "FILE",
      .doc = "Add saved counts; may be given several times; implies --sum" },
    { .name = "dependence", .key = KEY_DEPENDENCE,
      .doc = "Also what fields depend on: mutual information with other fields and with what lies around, and whether "
             "chance would show as much" },
    { .name = "context", .key = KEY_CONTEXT, .arg = "NAME",
      .doc = "--dependence on this alone of what lies around; may be given several times (preset: all)" },
    { .name = "against", .key = KEY_AGAINST, .arg = "MODEL",
      .doc = "--dependence also on the same places of this model, another checkpoint" },
    { .name = "estimate", .key = KEY_ESTIMATE,
      .doc = "Instead: is coding worth it?  The size that each codec would reach, with an interval, from a sample of "
             "blocks; seconds for any model" },
    { .name = "codec", .key = 'c', .arg = "CODEC",
      .doc = "--estimate of this codec; may be given several times (preset: all that have a name)" },
    { .name = "share", .key = KEY_SHARE, .arg = "X",
      .doc = "--estimate from this share of the weights (preset 0.01, but 8 to 64 MiB)" },
    { 0 }
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct stats *stats = state->input;
    switch (key) {
    case KEY_TENSORS: stats->report.tensors = true; return 0;
    case KEY_SUM: stats->sum = true; return 0;
    case KEY_INTERVAL: stats->report.intervals = true; return 0;
    case KEY_SEED: stats->report.interval.seed = stats->fits.seed = option_count(state, "seed", text); return 0;
    case 'o': stats->folder = text; return 0;
    case KEY_FITS: stats->fit = true; return 0;
    case KEY_LINES:
        stats->fits.lines = (uint32_t)(option_count(state, "lines", text) & UINT32_MAX);
        stats->fit = true;
        return 0;
    case KEY_STORED: stats->stored = true; return 0;
    case KEY_SAVE: stats->save_path = text; return 0;
    case KEY_COUNTS: stats->counts[stats->files++] = text; return 0;
    case KEY_ESTIMATE: stats->guess = true; return 0;
    case 'c': stats->estimate.codec[stats->estimate.codecs++] = text; return 0;
    case KEY_SHARE: stats->estimate.share = option_number(state, "--share", text, 0); return 0;
    case KEY_DEPENDENCE: stats->depends = true; return 0;
    case KEY_CONTEXT: choose_context(stats, text, state); return 0;
    case KEY_AGAINST:
        stats->against = text;
        stats->depends = true;
        return 0;
    case 'e': choose_estimator(stats, text, state); return 0;
    case ARGP_KEY_ARG: stats->model[stats->models++] = text; return 0;
    case ARGP_KEY_END:
        if (!stats->models && !stats->files) argp_error(state, "which model?");
        if (!stats->report.estimators) choose_estimator(stats, "plugin", state);
        if (stats->folder && (stats->models + !!stats->files > 1 || stats->guess))
            argp_error(state, "-o is of one model or of counts, and not of --estimate");
        stats->report.folder = stats->folder != NULL;
        if (stats->guess && stats->files) argp_error(state, "--estimate needs weights, not counts");
        if (stats->fit && !stats->models) argp_error(state, "--fits needs weights, not counts");
        if (stats->depends && stats->files) argp_error(state, "--dependence needs weights, not counts");
        if (stats->depends && !stats->dependence.context[0]) choose_context(stats, NULL, state);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_stats(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL...",
        .doc = "Entropy of every field of the weights, by model, role and tensor, with standard errors, and what "
               "coding could reach.\vJSON keys: scope (model, role, tensor), name, dtype, field, count, estimator, "
               "bits, stderr, model, with --interval also low and high; rows of field \"word\" (all bits jointly; "
               "words of over 16 bits as the sum over 16-bit planes, estimator \"...-sum\") also have word_bits, "
               "fields_bits (each field coded alone) and "
               "exponent_coded_bits (the exponent coded, the rest stored).  With --dependence also rows with context, "
               "bits and information (of the field, and about it, less what chance shows), conditional_bits (left when "
               "the context is known), miller_information, plugin_information (as counted), null_information and "
               "null_stderr (by chance), p.  With --fits also rows of tensors: one with mean, deviation, skewness, "
               "kurtosis, least, most, zeros, not_finite, distinct words, commonest, exponent_bits, outlier_rows, "
               "outlier_columns, row_spread, column_spread, constant, same_as, and with --lines best_in_rows and "
               "best_in_columns; and one a law with law, rank, parameters, log_likelihood, aic, bic, ks, exponent_bits, "
               "predicted_exponent_bits.  "
               "With --estimate: scope, name, codec, estimate_bytes, low_bytes and "
               "high_bytes (19 times in 20 between them), stored_bytes, weights, bits_per_weight, sample_blocks, "
               "blocks, sample_bytes, pays.",
    };
    struct stats stats = { .model = ent_calloc((size_t)argc, sizeof(char *)),
                           .counts = ent_calloc((size_t)argc, sizeof(char *)),
                           .report.interval.seed = 1, .fits.seed = 1,
                           .estimate.codec = ent_calloc((size_t)argc, sizeof(char *)) };
    ent_error error = { 0 };
    bool room = stats.model && stats.counts && stats.estimate.codec;
    ent_status status = room ? ENT_OK : ent_fail(&error, ENT_ENOMEM, "out of memory");
    if (!status) {
        command_parse(&argp, argc, argv, &stats, &stats.common);
        stats.report.json = stats.common.json;
        stats.report.interval.threads = stats.common.threads;
        if (stats.save_path) status = save_open(&stats.out, stats.save_path, &error);
    }
    if (!status && stats.out.file) census_write_head(stats.out.file);
    if (!status) status = run_all(&stats, &error);
    status = save_close(&stats.out, status, &error);
    ent_free(stats.model);
    ent_free(stats.counts);
    ent_free(stats.estimate.codec);
    return status ? complain_error(&error) : EXIT_DONE;
}
