/* lossy.c - see lossy.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lossy.h"
#include "lossy_report.h"
#include "model.h"
#include "progress.h"

enum { INPUTS_A_LAYER = 4 }; /* of ent_llama_inputs */

struct work {
    const struct lossy *lossy;
    const ent_weights *weights;
    char pipeline_text[1000];
    ent_pipeline pipeline;
    ent_codec *codec;
    ent_calibration calibration;
    const ent_input_stats **input; /* of each tensor */
    bool *keep;
    char folder[4200], file[4300]; /* of the packed model */
    struct lossy_result result;
};

/* ---- what is asked for ------------------------------------------------------------------------ */

static ent_status parse_line(struct work *w, ent_error *error)
{
    const struct lossy *l = w->lossy;
    const char *arrow = strstr(l->with, "=>"), *codec = l->codec ? l->codec : LOSSY_CODEC;
    size_t n = arrow ? (size_t)(arrow - l->with) : strlen(l->with);
    if (arrow && l->codec) return ent_fail(error, ENT_EINVAL, "the codec is named twice: after => and by --codec");
    if (n >= sizeof w->pipeline_text) return ent_fail(error, ENT_EINVAL, "the pipeline is too long");
    if (arrow) codec = arrow + 2 + strspn(arrow + 2, " \t");
    memcpy(w->pipeline_text, l->with, n);
    while (n && w->pipeline_text[n - 1] == ' ') n--;
    w->pipeline_text[n] = '\0';
    ent_status status = ent_pipeline_parse(&w->pipeline, w->pipeline_text, error);
    return status ? status : ent_codec_parse(&w->codec, codec, error);
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

/* ---- calibration -------------------------------------------------------------------------------- */

/* Which input of a Llama model feeds a tensor; -1: none. */
static int input_of(const char *name, const ent_llama_config *config)
{
    static const struct {
        const char *layer;
        int input;
    } names[] = { { "self_attn.q_proj.weight", 0 }, { "self_attn.k_proj.weight", 0 }, { "self_attn.v_proj.weight", 0 },
                  { "self_attn.o_proj.weight", 1 }, { "mlp.gate_proj.weight", 2 },    { "mlp.up_proj.weight", 2 },
                  { "mlp.down_proj.weight", 3 } };
    unsigned layer;
    int at = 0;
    if (!strcmp(name, "lm_head.weight") || (config->tied && !strcmp(name, "model.embed_tokens.weight")))
        return (int)(INPUTS_A_LAYER * config->layers);
    if (sscanf(name, "model.layers.%u.%n", &layer, &at) != 1 || !at || layer >= config->layers) return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name + at, names[i].layer)) return (int)(INPUTS_A_LAYER * layer) + names[i].input;
    return -1;
}

static ent_status match_inputs(struct work *w, const ent_llama_config *config, ent_error *error)
{
    const char *file = w->lossy->calibration;
    size_t tensors = ent_weights_tensors(w->weights), inputs = INPUTS_A_LAYER * (size_t)config->layers + 1;
    if (w->calibration.inputs != inputs)
        return ent_fail(error, ENT_EINVAL, "%s: %zu inputs, the model has %zu", file, w->calibration.inputs, inputs);
    if (!(w->input = ent_calloc(tensors + 1, sizeof *w->input))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(w->weights, i);
        int input = input_of(t->name, config);
        if (input < 0 || t->rank != 2) continue;
        w->input[i] = &w->calibration.input[input];
        if (w->input[i]->cols != t->shape[1])
            return ent_fail(error, ENT_EINVAL, "%s: of another model: its input %d has not the width of %.200s", file, input, t->name);
    }
    return ENT_OK;
}

static ent_status calibrate(struct work *w, ent_error *error)
{
    char path[PATH_MAX];
    ent_llama_config config;
    if (!w->lossy->calibration) return ENT_OK;
    ent_status status = ENT_OK;
    if (w->lossy->config)
        snprintf(path, sizeof path, "%s", w->lossy->config);
    else
        status = model_beside(path, w->lossy->model, "config.json", error);
    if (!status) status = ent_llama_config_read(&config, path, error);
    if (!status) status = ent_calibration_read(&w->calibration, w->lossy->calibration, error);
    return status ? status : match_inputs(w, &config, error);
}

/* ---- packing and coding -------------------------------------------------------------------------- */

static ent_run long_run(const struct work *w, struct progress *progress, const char *what)
{
    progress_begin(progress, w->lossy->common, what);
    return (ent_run){ .threads = w->lossy->common->threads, .progress = progress->shown ? progress_show : NULL,
                      .context = progress };
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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
    const ent_packing packing = { &w->pipeline, w->keep, w->input };
    if (snprintf(w->folder, sizeof w->folder, "%s.packed-XXXXXX", w->lossy->output) >= (int)sizeof w->folder || !mkdtemp(w->folder)) {
        *w->folder = '\0';
        return ent_fail(error, ENT_EIO, "%s: cannot make a folder beside it", w->lossy->output);
    }
    snprintf(w->file, sizeof w->file, "%s/packed.safetensors", w->folder);
    double start = seconds_of(CLOCK_MONOTONIC);
    ent_run run = long_run(w, &progress, "pack");
    ent_status status = ent_pack(w->file, w->weights, &packing, &run, &w->result.packing, error);
    progress_end(&progress);
    w->result.pack_wall_seconds = seconds_of(CLOCK_MONOTONIC) - start;
    return status;
}

static ent_status code(struct work *w, ent_error *error)
{
    struct progress progress;
    ent_weights *packed;
    ent_status status = ent_weights_open(&packed, w->file, error);
    if (status) return status;
    double start = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall_start = seconds_of(CLOCK_MONOTONIC);
    ent_run run = long_run(w, &progress, "code");
    status = ent_container_write(w->lossy->output, packed, w->codec, NULL, &run, &w->result.sizes, error);
    progress_end(&progress);
    w->result.code_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start;
    w->result.code_wall_seconds = seconds_of(CLOCK_MONOTONIC) - wall_start;
    w->result.peak_bytes = peak_bytes();
    ent_weights_close(packed);
    return status;
}

static ent_status report(struct work *w, ent_error *error)
{
    ent_container *container;
    ent_status status = ent_container_open(&container, w->lossy->output, error);
    if (status) return status;
    w->result.pipeline = &w->pipeline;
    w->result.pipeline_text = w->pipeline_text;
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
    if (!status) status = calibrate(&w, error);
    if (!status) status = pack(&w, error);
    if (!status) status = code(&w, error);
    if (*w.file) unlink(w.file);
    if (*w.folder) rmdir(w.folder);
    if (!status) status = report(&w, error);
    ent_calibration_free(&w.calibration);
    ent_codec_free(w.codec);
    ent_free(w.input);
    ent_free(w.keep);
    return status;
}
