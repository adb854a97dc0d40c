/* cmd_dataset.c - `entropy dataset`: lists, gets, makes and verifies models to work on. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../datasets/dataset.h"
#include "catalogue.h"
#include "command.h"
#include "list.h"
#include "model.h"
#include "output.h"
#include "progress.h"

#define HISTOGRAM "histogram" /* the name of an option and of a kind */

/* What `make` takes: the options of ent_dataset_options_set, under the same names. */
static const struct {
    const char *name, *arg, *doc;
} settings[] = {
    { "weights", "N", "make: how many, e.g. 16Mi or 4G (preset 16Mi)" },
    { "seed", "N", "make: of the random numbers (preset 1)" },
    { "dtype", "DTYPE", "make: BF16 (preset), F16, F16-from-BF16, F32, F8_E4M3 or F8_E5M2" },
    { "sigma", "X", "make: scale of the weights (preset 0.02)" },
    { "row-spread", "X", "make: standard deviation of the logarithm of the rows' scales (preset 0)" },
    { "tensor-spread", "X", "make: the same for the tensors' scales (preset 0)" },
    { "nu", "X", "make student: degrees of freedom (preset 4)" },
    { "spread", "X", "make mixture: standard deviation of the logarithm of the weights' scales (preset 0.3)" },
    { HISTOGRAM, "CSV", "make histogram: exponent counts (preset: those that come with the program)" },
    { "model", "NAME", "make histogram: rows of this model alone (preset: all)" },
    { "tensor-class", "NAME", "make histogram: rows of this class of tensors alone (preset: linear)" },
};

enum { SETTINGS = sizeof settings / sizeof *settings, KEY_SETTING = 0x2001, KEY_FORCE = 0x3001 };

struct job {
    struct common common;
    const char *action, *name, *output;
    const char *value[SETTINGS]; /* NULL: not given */
    bool force;
};

static ent_run long_run(const struct job *job, struct progress *progress)
{
    progress_begin(progress, &job->common, job->name);
    return (ent_run){ .threads = job->common.threads, .progress = progress->shown ? progress_show : NULL,
                      .context = progress };
}

/* ---- get, verify ----------------------------------------------------------------------------- */

static void print_place(const struct job *job, const char *path)
{
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "dataset", job->name);
        json_text(object, "path", path);
        json_line(object);
    } else if (!job->common.quiet) {
        printf("%s\n", path);
    }
}

static ent_status get(const struct job *job, const ent_dataset *row, ent_error *error)
{
    char place[PATH_MAX];
    struct progress progress;
    ent_status status = ENT_OK;
    if (!job->output && !strcmp(row->kind, "shipped") && dataset_path(place, row)) {
        print_place(job, place);
        return ENT_OK;
    }
    if (job->output)
        snprintf(place, sizeof place, "%s", job->output);
    else
        status = dataset_home(place, row, error);
    if (status) return status;
    ent_run run = long_run(job, &progress);
    status = ent_dataset_get(row, place, &run, error);
    progress_end(&progress);
    if (!status) print_place(job, place);
    return status;
}

static ent_status verify(const struct job *job, const char *folder, ent_error *error)
{
    struct progress progress;
    ent_run run = long_run(job, &progress);
    ent_status status = ent_dataset_verify(folder, &run, error);
    progress_end(&progress);
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "path", folder);
        json_object_set_new(object, "verified", json_boolean(!status));
        json_line(object);
    } else if (!status && !job->common.quiet) {
        printf("%s: every file is as listed\n", folder);
    }
    return status;
}

/* A catalogue entry, or for verify any folder with a list of hashes. */
static ent_status get_or_verify(const struct job *job, ent_error *error)
{
    ent_catalogue catalogue;
    char place[PATH_MAX];
    bool wants = !strcmp(job->action, "get");
    if (!wants && !access(job->name, F_OK)) return verify(job, job->name, error);
    ent_status status = catalogue_open(&catalogue, error);
    if (status) return status;
    const ent_dataset *row = ent_catalogue_find(&catalogue, job->name);
    if (!row)
        status = ent_fail(error, ENT_EINVAL, "no dataset '%s'; `entropy dataset list` names them", job->name);
    else if (wants)
        status = get(job, row, error);
    else if (dataset_path(place, row))
        status = verify(job, place, error);
    else
        status = ent_fail(error, ENT_EINVAL, "%s is not here; `entropy dataset get %s` brings it", job->name, job->name);
    ent_catalogue_free(&catalogue);
    return status;
}

/* ---- make ------------------------------------------------------------------------------------ */

/* The counts that come with the program, unless others are named. */
static ent_status preset_histogram(ent_dataset_options *options, ent_error *error)
{
    char folder[PATH_MAX], path[PATH_MAX + 32];
    if (!data_folder(folder, "datasets")) return ENT_OK;
    snprintf(path, sizeof path, "%s/exponent-histograms.csv", folder);
    return ent_dataset_options_set(options, HISTOGRAM, path, error);
}

static ent_status make(const struct job *job, ent_error *error)
{
    ent_dataset_options options;
    struct progress progress;
    ent_status status = may_write(job->output, job->force, error);
    if (!status) status = ent_dataset_options_init(&options, job->name, error);
    if (!status && options.law == ENT_LAW_HISTOGRAM) status = preset_histogram(&options, error);
    for (size_t i = 0; i < SETTINGS && !status; i++)
        if (job->value[i]) status = ent_dataset_options_set(&options, settings[i].name, job->value[i], error);
    if (status) return status;
    ent_run run = long_run(job, &progress);
    status = ent_dataset_make(job->output, &options, &run, error);
    progress_end(&progress);
    if (!status) print_place(job, job->output);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void check_words(const struct job *job, struct argp_state *state)
{
    static const char *const actions[] = { "list", "get", "make", "verify" };
    bool known = false;
    if (!job->action) argp_error(state, "list, get, make or verify?");
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) known |= !strcmp(job->action, actions[i]);
    if (!known) argp_error(state, "'%s' is none of list, get, make, verify", job->action);
    bool making = !strcmp(job->action, "make"), listing = !strcmp(job->action, "list");
    if (!listing && !job->name) argp_error(state, making ? "which kind?" : "which dataset?");
    if (listing && job->name) argp_error(state, "list takes no names");
    if (making && !job->output) argp_error(state, "where to? -o FILE");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    if (key >= KEY_SETTING && key < KEY_SETTING + SETTINGS) {
        job->value[key - KEY_SETTING] = text;
        return 0;
    }
    switch (key) {
    case 'o': job->output = text; return 0;
    case KEY_FORCE: job->force = true; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) argp_error(state, "too many words");
        *(state->arg_num ? &job->name : &job->action) = text;
        return 0;
    case ARGP_KEY_END: check_words(job, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_dataset(int argc, char **argv)
{
    struct argp_option options[SETTINGS + 3] = {
        { .name = "output", .key = 'o', .arg = "PATH",
          .doc = "get: the folder (preset: NAME in $ENT_DATASETS or ~/.cache/libentropy); make: the file, needed" },
        { .name = "force", .key = KEY_FORCE, .doc = "make: overwrite a file that exists" },
    };
    for (int i = 0; i < SETTINGS; i++)
        options[i + 2] = (struct argp_option){ .name = settings[i].name, .key = KEY_SETTING + i,
                                               .arg = settings[i].arg, .doc = settings[i].doc };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "list\nget NAME [-o DIR]\nmake normal|laplace|student|mixture|histogram -o FILE\nverify NAME|FOLDER",
        .doc = "Models to work on: a catalogue, downloads that are checked, and generated weights.",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    command_parse(&argp, argc, argv, &job, &job.common);
    if (!strcmp(job.action, "list")) return list_print("datasets", &job.common);
    ent_status status = !strcmp(job.action, "make") ? make(&job, &error) : get_or_verify(&job, &error);
    return status ? complain_error(&error) : EXIT_DONE;
}
