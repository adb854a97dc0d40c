/* cmd_cost.c - `entropy cost`: tokens per second, energy a token and area on targets that are modelled. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "model.h"
#include "output.h"
#include "pass.h"
#include "sample.h"

enum { KEY_TARGET = 0x2001, KEY_PROMPT, KEY_BATCH, KEY_CONFIG, KEY_SAMPLE, MOST_TOKENS = 1 << 24 };

struct job {
    struct common common;
    const char *model, *config;
    char **codec_name, **target_name;
    size_t codecs, targets;
    uint64_t prompt, batch, sample_bytes; /* prompt 0: one token is decoded */
    ent_weights *weights;
    const char *dtype;
    struct shapes shapes;
    struct table table;
};

/* ---- a codec on a target ---------------------------------------------------------------------- */

struct line {
    const char *codec, *target;
    double bits;
    struct pass_cost pass;
};

static void print_line(struct job *job, const struct line *l)
{
    if (!job->common.json) {
        table_cell(&job->table, "%s", l->codec);
        table_cell(&job->table, "%s", l->target);
        table_number(&job->table, l->bits, 3);
        table_cell(&job->table, "%.4g", l->pass.tokens_per_second);
        table_number(&job->table, l->pass.over_raw, 3);
        table_cell(&job->table, "%s", l->pass.cost.limit);
        if (isnan(l->pass.energy_mj)) table_cell(&job->table, "%s", "");
        else table_cell(&job->table, "%.4g", l->pass.energy_mj);
        table_number(&job->table, 100 * (l->pass.energy_mj / l->pass.raw_energy_mj), 1);
        table_number(&job->table, l->pass.area_mm2, 3);
        return;
    }
    json_t *object = json_object();
    json_text(object, "codec", l->codec);
    json_text(object, "target", l->target);
    json_text(object, "model", model_name(job->model));
    json_text(object, "dtype", job->dtype);
    json_count(object, "prompt", job->prompt);
    json_count(object, "batch", job->batch);
    json_real_or_null(object, "bits_per_weight", l->bits);
    json_real_or_null(object, "tokens_per_second", l->pass.tokens_per_second);
    json_real_or_null(object, "over_raw", l->pass.over_raw);
    json_text(object, "limit", l->pass.cost.limit);
    json_real_or_null(object, "time_ns", l->pass.cost.time_ns);
    json_real_or_null(object, "memory_ns", l->pass.cost.memory_ns);
    json_real_or_null(object, "decode_ns", l->pass.cost.decode_ns);
    json_real_or_null(object, "intake_ns", l->pass.cost.intake_ns);
    json_real_or_null(object, "compute_ns", l->pass.cost.mac_ns);
    json_real_or_null(object, "energy_mj", l->pass.energy_mj);
    json_real_or_null(object, "raw_energy_mj", l->pass.raw_energy_mj);
    json_real_or_null(object, "decoders_mm2", l->pass.area_mm2);
    json_line(object);
}

/* What a target cannot do with a codec, or hold, is a remark. */
static ent_status codec_lines(struct job *job, ent_target *const target[], const char *text, ent_error *error)
{
    ent_codec *codec;
    ent_forecast forecast;
    ent_run run = { .threads = job->common.threads };
    ent_status status = ent_codec_parse(&codec, text, error);
    if (status) return status;
    status = ent_container_forecast(job->weights, codec, job->sample_bytes, 1, &run, &forecast, error);
    for (size_t i = 0; i < job->targets && !status; i++) {
        struct line line = { .codec = ent_codec_name(codec), .target = ent_target_name(target[i]),
                             .bits = 8 * forecast.bytes / (double)forecast.weights };
        const struct pass pass = { &job->shapes, job->dtype, job->prompt, job->batch };
        status = pass_find(&pass, target[i], codec, line.bits, &line.pass, error);
        if (!status) print_line(job, &line);
        if (status != ENT_EUNSUPPORTED) continue;
        if (!job->common.quiet) complain("%s: %s", ent_codec_name(codec), error->text);
        status = ENT_OK;
    }
    ent_codec_free(codec);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------ */

static ent_status all_lines(struct job *job, ent_target *target[], ent_error *error)
{
    char path[PATH_MAX];
    ent_status status = ENT_OK;
    for (size_t i = 0; i < job->targets && !status; i++) {
        status = data_path(path, "targets", job->target_name[i], error);
        if (!status) status = ent_target_read(&target[i], path, error);
        if (!status && ent_target_kind_of(target[i]) == ENT_TARGET_HOST)
            status = ent_fail(error, ENT_EINVAL, "%s is measured, not predicted: see `entropy bench`",
                              job->target_name[i]);
    }
    if (!status) status = model_open(&job->weights, job->model, error);
    if (!status && !(job->dtype = sample_dtype(job->weights)))
        status = ent_fail(error, ENT_EUNSUPPORTED, "the model has no weights of a known number format");
    if (!status)
        status = job->config ? shapes_of_config(&job->shapes, job->config, error)
                             : shapes_of_weights(&job->shapes, job->weights, error);
    if (status) return status;
    if (!job->common.json) {
        printf("%s: %s, %s weights in layers, ", model_name(job->model), job->dtype,
               show_count(job->shapes.weights).text);
        if (job->prompt) printf("prompts of %llu tokens", (unsigned long long)job->prompt);
        else printf("one token at a time");
        printf(", batch %llu; predicted\n\n", (unsigned long long)job->batch);
    }
    table_begin(&job->table, "<codec|<target|bits/weight|tokens/s|x uncoded|<limit|mJ/token|% of uncoded|decoders mm2");
    for (size_t i = 0; i < job->codecs && !status; i++)
        status = codec_lines(job, target, job->codec_name[i], error);
    table_end(&job->table);
    return status;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    uint64_t n = 0;
    if (key == KEY_PROMPT || key == KEY_BATCH) {
        n = option_count(state, key == KEY_PROMPT ? "--prompt" : "--batch", text);
        if (!n || n > MOST_TOKENS) argp_error(state, "--prompt, --batch: 1 to %d", MOST_TOKENS);
    }
    switch (key) {
    case 'c': job->codec_name[job->codecs++] = text; return 0;
    case KEY_TARGET: job->target_name[job->targets++] = text; return 0;
    case KEY_PROMPT: job->prompt = n; return 0;
    case KEY_BATCH: job->batch = n; return 0;
    case KEY_CONFIG: job->config = text; return 0;
    case KEY_SAMPLE:
        if (!(job->sample_bytes = option_count(state, "--sample", text))) argp_error(state, "--sample: at least 1");
        return 0;
    case ARGP_KEY_ARG:
        if (job->model) argp_error(state, "one model at a time");
        job->model = text;
        return 0;
    case ARGP_KEY_END:
        if (!job->model) argp_error(state, "which model?");
        if (!job->targets) argp_error(state, "--target: on which machine? `entropy list targets` names them");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { .name = "codec", .key = 'c', .arg = "CODEC",
      .doc = "A codec, by name or as a line of text; may be given several times (preset: raw, huff-llm, huffman, "
             "tiered, planar-rans)" },
    { .name = "target", .key = KEY_TARGET, .arg = "TARGET",
      .doc = "A machine: a name from `entropy list targets` or a file; may be given several times, needed once" },
    { .name = "prompt", .key = KEY_PROMPT, .arg = "N", .doc = "Prefill of N tokens (preset: one token is decoded)" },
    { .name = "batch", .key = KEY_BATCH, .arg = "B", .doc = "So many sequences at once (preset 1)" },
    { .name = "config", .key = KEY_CONFIG, .arg = "CONFIG.json",
      .doc = "Layers of this model's config in place of the model's own matrices" },
    { .name = "sample", .key = KEY_SAMPLE, .arg = "BYTES", .doc = "Code so much of larger models (preset 64Mi)" },
    { 0 }
};

int cmd_cost(int argc, char **argv)
{
    static char preset[][12] = { "raw", "huff-llm", "huffman", "tiered", "planar-rans" };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL",
        .doc = "Tokens per second, energy a token and decoders' area that targets are predicted to reach with a model "
               "in each codec, beside the uncoded model on the same target.  Every matrix is read once a pass; an "
               "embedding counts only as the output layer of a model that has no other.  A model too large for a "
               "target is said to be so.\vThe equations are in analyses/README.md and target.h.  JSON keys: codec, "
               "target, model, dtype, prompt, batch, bits_per_weight, tokens_per_second, over_raw, limit (memory, "
               "decoder, intake, compute, measured), time_ns, memory_ns, decode_ns, intake_ns, compute_ns, energy_mj, "
               "raw_energy_mj (of a token), decoders_mm2.",
    };
    struct job job = { .batch = 1, .sample_bytes = 64 << 20,
                       .codec_name = ent_calloc((size_t)argc + sizeof preset / sizeof *preset, sizeof(char *)),
                       .target_name = ent_calloc((size_t)argc, sizeof(char *)) };
    ent_target **target = ent_calloc((size_t)argc, sizeof(ent_target *));
    ent_error error;
    ent_status status = ENT_OK;
    if (!job.codec_name || !job.target_name || !target) {
        status = ent_fail(&error, ENT_ENOMEM, "out of memory");
    } else {
        command_parse(&argp, argc, argv, &job, &job.common);
        bool named = job.codecs > 0;
        for (size_t i = 0; i < sizeof preset / sizeof *preset && !named; i++) job.codec_name[job.codecs++] = preset[i];
        status = all_lines(&job, target, &error);
    }
    for (size_t i = 0; i < job.targets && target; i++) ent_target_free(target[i]);
    shapes_free(&job.shapes);
    ent_weights_close(job.weights);
    ent_free(target);
    ent_free(job.codec_name);
    ent_free(job.target_name);
    return status ? complain_error(&error) : EXIT_DONE;
}
