/* cmd_targets.c - `entropy targets`: a page a target, with the plot of bits against decoding, and an index of them. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "published.h"
#include "sample.h"
#include "save.h"
#include "target_page.h"

enum { KEY_CONFIG = 0x2001, KEY_PROMPT, MOST_TARGETS = 200, MOST_CODECS = 64, MOST_WORKLOADS = 4,
       MOST_PROMPT = 1 << 24 };

struct job {
    struct common common;
    const char *model, *config, *folder;
    const char *name[MOST_TARGETS];
    struct dirent **file; /* of the shipped targets; NULL: some were named */
    size_t targets, files;
    uint64_t prompt;
    struct page_codec codec[MOST_CODECS];
    struct shapes own, other;
    struct page_workload workload[MOST_WORKLOADS];
    struct page_subject subject;
    struct table index;
    bool missing; /* no gnuplot */
};

/* ---- bits ------------------------------------------------------------------------------------ */

static ent_status measure_codec(struct job *job, const ent_weights *weights, const char *name, ent_error *error)
{
    enum { SAMPLE = 64 << 20 };
    struct page_codec *c = &job->codec[job->subject.codecs];
    ent_forecast forecast;
    ent_recipe recipe;
    const ent_run run = { .threads = job->common.threads };
    ent_status status = ent_codec_parse(&c->codec, name, error);
    if (status) return status == ENT_EUNSUPPORTED ? ENT_OK : status; /* not in this build */
    status = ent_codec_bind(c->codec, job->subject.dtype, &recipe, error);
    if (!status) status = ent_container_forecast(weights, c->codec, SAMPLE, 1, &run, &forecast, error);
    if (status) ent_codec_free(c->codec);
    if (status) return status == ENT_EUNSUPPORTED ? ENT_OK : status; /* of other formats */
    c->bits = 8 * forecast.bytes / (double)forecast.weights;
    job->subject.codecs++;
    return ENT_OK;
}

static ent_status measure(struct job *job, ent_error *error)
{
    ent_weights *weights;
    struct progress progress;
    ent_status status = model_open(&weights, job->model, error);
    if (status) return status;
    job->subject = (struct page_subject){ .model = model_name(job->model), .dtype = sample_dtype(weights),
                                          .codec = job->codec, .workload = job->workload };
    if (!job->subject.dtype)
        status = ent_fail(error, ENT_EUNSUPPORTED, "the model has no weights of a known number format");
    if (!status) status = shapes_of_weights(&job->own, weights, error);
    progress_begin(&progress, &job->common, "targets");
    for (size_t i = 0; ent_codecs[i].name && !ent_codecs[i].aside && !status && job->subject.codecs < MOST_CODECS; i++) {
        progress_note(&progress, ent_codecs[i].name);
        status = measure_codec(job, weights, ent_codecs[i].name, error);
    }
    progress_end(&progress);
    if (!status) /* a name that outlives the file */
        job->subject.dtype = ent_format_find(job->subject.dtype)->name;
    ent_weights_close(weights);
    return status;
}

/* ---- workloads ------------------------------------------------------------------------------- */

static void add_workload(struct job *job, const struct shapes *shapes, const char *layers, uint64_t prompt)
{
    struct page_workload *w = &job->workload[job->subject.workloads++];
    char tokens[64] = "one token at a time";
    if (prompt) snprintf(tokens, sizeof tokens, "a prompt of %llu tokens", (unsigned long long)prompt);
    snprintf(w->name, sizeof w->name, "%s, %.50s", tokens, layers);
    w->pass = (struct pass){ shapes, job->subject.dtype, prompt, 1 };
}

/* FOLDER/Llama-3-8B.json is the config of Llama-3-8B, Llama-3-8B/config.json too. */
static void config_name(const char *path, char name[40])
{
    const char *slash = strrchr(path, '/'), *begin = slash ? slash + 1 : path;
    size_t n = strcspn(begin, ".");
    if (!strcmp(begin, "config.json") && slash) {
        begin = path, n = (size_t)(slash - path);
        for (size_t i = n; i-- && begin == path;)
            if (path[i] == '/') begin = path + i + 1, n -= i + 1;
    }
    snprintf(name, 40, "%.*s", (int)(n < 39 ? n : 39), begin);
}

static ent_status find_workloads(struct job *job, ent_error *error)
{
    char path[PATH_MAX], name[40], layers[64];
    ent_status status = ENT_OK;
    snprintf(path, sizeof path, "%s", job->config ? job->config : "");
    if (!job->config) status = published_path(path, "configs/Llama-3-8B.json", error);
    if (!status) status = shapes_of_config(&job->other, path, error);
    if (status) return status;
    config_name(path, name);
    snprintf(layers, sizeof layers, "layers of %s", name);
    for (int i = 0; i < 2; i++) add_workload(job, &job->own, "layers of the model itself", i ? job->prompt : 0);
    for (int i = 0; i < 2; i++) add_workload(job, &job->other, layers, i ? job->prompt : 0);
    return ENT_OK;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void index_row(struct job *job, const ent_target *target, const struct page_best *best)
{
    static const size_t shown[] = { 0, 2 }; /* one token at a time */
    table_cell(&job->index, "[%s](%s.md)", ent_target_name(target), ent_target_name(target));
    table_cell(&job->index, "%s", ent_target_brief(target));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const struct page_best *b = &best[shown[i]];
        table_cell(&job->index, "%s", b->codec ? b->codec : "");
        if (b->codec) table_cell(&job->index, "%.4g", b->tokens_per_second);
        else table_cell(&job->index, "does not fit");
        table_number(&job->index, b->codec ? b->over_raw : NAN, 3);
    }
}

static void page_json(const struct job *job, const ent_target *target, const struct page_best *best)
{
    for (size_t w = 0; w < job->subject.workloads; w++) {
        json_t *object = json_object();
        json_text(object, "target", ent_target_name(target));
        json_text(object, "model", job->subject.model);
        json_text(object, "workload", job->workload[w].name);
        json_text(object, "fastest_codec", best[w].codec);
        json_real_or_null(object, "tokens_per_second", best[w].codec ? best[w].tokens_per_second : NAN);
        json_real_or_null(object, "over_uncoded", best[w].codec ? best[w].over_raw : NAN);
        json_text(object, "bound_by", best[w].codec ? best[w].limit : NULL);
        json_line(object);
    }
}

static ent_status one_page(struct job *job, const char *name, ent_error *error)
{
    char path[PATH_MAX];
    ent_target *target;
    struct page_best best[MOST_WORKLOADS];
    bool drawn;
    ent_status status = data_path(path, "targets", name, error);
    if (!status) status = ent_target_read(&target, path, error);
    if (status) return status;
    if (ent_target_kind_of(target) == ENT_TARGET_HOST) {
        if (!job->file)
            status = ent_fail(error, ENT_EINVAL, "%s is measured: `entropy bench --calibrate` writes a target of it",
                              name);
    } else {
        status = target_page(&job->subject, target, job->folder, best, &drawn, error);
        job->missing |= !status && !drawn;
        if (!status) index_row(job, target, best);
        if (!status && job->common.json) page_json(job, target, best);
    }
    ent_target_free(target);
    return status;
}

static ent_status write_index(struct job *job, ent_error *error)
{
    char path[PATH_MAX];
    struct save save;
    if (snprintf(path, sizeof path, "%s/README.md", job->folder) >= (int)sizeof path)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", job->folder);
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    fprintf(save.file, "# What every codec does on every target\n\nWritten by `entropy targets`. Bits a weight come "
            "from coding %s. Speeds of modelled targets are computed; each page says from which numbers and how sure "
            "those are. Below stands the codec with which a target gives most tokens a second, one at a time: first "
            "with the %s, then, with the same bits a weight, the %s.\n\n", job->subject.model,
            strstr(job->workload[0].name, "layers"), strstr(job->workload[2].name, "layers"));
    table_markdown(&job->index, save.file);
    return save_close(&save, ENT_OK, error);
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && !strcmp(entry->d_name + n - 5, ".yaml");
}

/* All that come with the program, when none is named. */
static ent_status find_targets(struct job *job, ent_error *error)
{
    char folder[PATH_MAX];
    if (job->targets) return ENT_OK;
    int n = data_folder(folder, "targets") ? scandir(folder, &job->file, is_yaml, alphasort) : -1;
    if (n < 0) return ent_fail(error, ENT_EIO, "no folder 'targets' beside the program; set ENT_DATA to where it lies");
    job->files = (size_t)n;
    for (size_t i = 0; i < job->files && job->targets < MOST_TARGETS; i++) {
        *strstr(job->file[i]->d_name, ".yaml") = '\0';
        job->name[job->targets++] = job->file[i]->d_name;
    }
    return ENT_OK;
}

static ent_status all_pages(struct job *job, ent_error *error)
{
    ent_status status = find_targets(job, error);
    if (!status && mkdir(job->folder, 0777) && errno != EEXIST)
        status = ent_fail(error, ENT_EIO, "%s: %s", job->folder, strerror(errno));
    if (!status) status = measure(job, error);
    if (!status) status = find_workloads(job, error);
    table_begin(&job->index, "<target|<what it is|<fastest codec|tokens/s|x uncoded|<fastest codec, larger|tokens/s|"
                             "x uncoded");
    for (size_t i = 0; i < job->targets && !status; i++) status = one_page(job, job->name[i], error);
    if (!status) status = write_index(job, error);
    if (!status && job->missing && !job->common.quiet)
        complain("no gnuplot on this machine: the pages are there, the plots are not");
    if (!status && !job->common.json && !job->common.quiet) table_end(&job->index);
    table_free(&job->index);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    switch (key) {
    case 'o': job->folder = text; return 0;
    case 'm': job->model = text; return 0;
    case KEY_CONFIG: job->config = text; return 0;
    case KEY_PROMPT:
        job->prompt = option_count(state, "--prompt", text);
        if (!job->prompt || job->prompt > MOST_PROMPT) argp_error(state, "--prompt: 1 to %d", MOST_PROMPT);
        return 0;
    case ARGP_KEY_ARG:
        if (job->targets == MOST_TARGETS) argp_error(state, "at most %d targets", MOST_TARGETS);
        job->name[job->targets++] = text;
        return 0;
    case ARGP_KEY_END:
        if (!job->folder) argp_error(state, "-o: into which folder?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { .name = "output", .key = 'o', .arg = "DIR", .doc = "The folder for the pages, needed" },
    { .name = "model", .key = 'm', .arg = "MODEL", .doc = "Whose weights are coded (preset gutenberg-llama-4.7m)" },
    { .name = "config", .key = KEY_CONFIG, .arg = "CONFIG.json",
      .doc = "Layers of a larger model, with the same bits a weight (preset: those of Llama-3-8B)" },
    { .name = "prompt", .key = KEY_PROMPT, .arg = "N",
      .doc = "Tokens of the prompt, beside one token at a time (preset 512)" },
    { 0 }
};

int cmd_targets(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[TARGET...]",
        .doc = "Writes a page a target into DIR: TARGET.md with tokens per second, energy a token and decoders' area "
               "for every named codec, the numbers of the target and how sure each is, and what it cannot decode; the "
               "same as TARGET.tsv; the plot of bits a weight against decoding as TARGET-pareto.svg; and README.md, an "
               "index.  Targets are names from `entropy list targets` or files, as `entropy bench --calibrate` writes "
               "them (preset: all that come with the program and are modelled).  The same model and targets give the "
               "same pages.\v"
               "JSON keys: target, model, workload, fastest_codec, tokens_per_second, over_uncoded, bound_by.",
    };
    struct job *job = ent_calloc(1, sizeof *job);
    ent_error error;
    if (!job) return complain("out of memory"), EXIT_SYSTEM;
    job->model = "gutenberg-llama-4.7m";
    job->prompt = 512;
    command_parse(&argp, argc, argv, job, &job->common);
    ent_status status = all_pages(job, &error);
    for (size_t i = 0; i < job->subject.codecs; i++) ent_codec_free(job->codec[i].codec);
    for (size_t i = 0; i < job->files; i++) free(job->file[i]);
    free(job->file);
    shapes_free(&job->own);
    shapes_free(&job->other);
    ent_free(job);
    return status ? complain_error(&error) : EXIT_DONE;
}
