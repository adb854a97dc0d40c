/* plan.c - reads a plan and expands it; see plan.h.
 *
 * What a later step would refuse for the whole plan (a codec that does not parse, a name twice) is
 * refused here, where the line is known.  What may fail for one cell alone (a model that cannot be
 * opened, a target that cannot decode) is left to the run, which records it and goes on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include <entropy/codec.h>

#include "model.h"
#include "plan.h"
#include "target/yaml.h"

enum { TEXT_LENGTH = 4000, MOST_ENTRIES = 10000, MOST_RUNS = 100000 };

struct file_model { /* numbers as written */
    char *name, *make, *dtype, *weights, *seed;
};

struct plan_file {
    ent_yaml yaml;
    char *name, *brief;
    char **models, **codecs, **targets, **estimators;
    struct file_model *generated;
    uint32_t models_count, codecs_count, targets_count, estimators_count, generated_count;
    uint32_t measures;
    char *runs, *seconds, *seed, *sample_mib, *parts;
};

#define TEXT(key, flags, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, member, 1, TEXT_LENGTH)
#define LIST(key, flags, member, schema) \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), struct plan_file, member, schema, 0, MOST_ENTRIES)

static const cyaml_strval_t measures[] = {
    { "stats", MEASURE_STATS }, { "word-intervals", MEASURE_STATS | MEASURE_WORD_INTERVALS },
    { "size", MEASURE_SIZE }, { "speed", MEASURE_SPEED }, { "predict", MEASURE_PREDICT },
};

static const cyaml_schema_value_t text_schema = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_LENGTH) };

static const cyaml_schema_field_t model_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct file_model, name),
    TEXT("make", CYAML_FLAG_DEFAULT, struct file_model, make),
    TEXT("dtype", CYAML_FLAG_DEFAULT, struct file_model, dtype),
    TEXT("weights", CYAML_FLAG_DEFAULT, struct file_model, weights),
    TEXT("seed", CYAML_FLAG_OPTIONAL, struct file_model, seed),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t model_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_model,
                                                                       model_fields) };

static const cyaml_schema_field_t plan_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct plan_file, name),
    TEXT("brief", CYAML_FLAG_OPTIONAL, struct plan_file, brief),
    LIST("models", CYAML_FLAG_OPTIONAL, models, &text_schema),
    LIST("generated", CYAML_FLAG_OPTIONAL, generated, &model_schema),
    LIST("codecs", CYAML_FLAG_OPTIONAL, codecs, &text_schema),
    LIST("targets", CYAML_FLAG_OPTIONAL, targets, &text_schema),
    LIST("estimators", CYAML_FLAG_OPTIONAL, estimators, &text_schema),
    CYAML_FIELD_FLAGS("measures", CYAML_FLAG_STRICT, struct plan_file, measures, measures,
                      sizeof measures / sizeof *measures),
    TEXT("runs", CYAML_FLAG_OPTIONAL, struct plan_file, runs),
    TEXT("seconds", CYAML_FLAG_OPTIONAL, struct plan_file, seconds),
    TEXT("seed", CYAML_FLAG_OPTIONAL, struct plan_file, seed),
    TEXT("sample_mib", CYAML_FLAG_OPTIONAL, struct plan_file, sample_mib),
    TEXT("parts", CYAML_FLAG_OPTIONAL, struct plan_file, parts),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t plan_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct plan_file,
                                                                      plan_fields) };

/* ---- what the schema cannot say --------------------------------------------------------------- */

static ent_status check_name(const ent_yaml *yaml, const char *name, ent_error *error)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (!name[strspn(name, allowed)] && name[0] != '.') return ENT_OK;
    return ent_yaml_refuse(yaml, "name", name, "only letters, digits, '-', '_' and '.', not first", error);
}

static ent_status read_models(struct plan *plan, ent_error *error)
{
    const struct plan_file *f = plan->file;
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < f->models_count; i++) plan->model[plan->models++].name = f->models[i];
    for (uint32_t i = 0; i < f->generated_count && !status; i++) {
        const struct file_model *g = &f->generated[i];
        struct plan_model *m = &plan->model[plan->models++];
        *m = (struct plan_model){ .name = g->name, .make = g->make, .dtype = g->dtype, .seed = plan->seed };
        status = check_name(&f->yaml, g->name, error);
        if (!status) status = ent_yaml_whole(&f->yaml, "weights", g->weights, 1, UINT64_C(1) << 40, &m->weights, error);
        if (!status && g->seed) status = ent_yaml_whole(&f->yaml, "seed", g->seed, 0, UINT64_MAX, &m->seed, error);
    }
    return status;
}

static ent_status read_codecs(struct plan *plan, ent_error *error)
{
    const struct plan_file *f = plan->file;
    for (uint32_t i = 0; i < f->codecs_count; i++) {
        ent_codec *codec = NULL;
        ent_error why;
        ent_status status;
        if (!strcmp(f->codecs[i], "all")) {
            for (size_t j = 0; ent_codecs[j].name && !ent_codecs[j].aside; j++)
                plan->codec[plan->codecs++] = ent_codecs[j].name;
        } else if ((status = ent_codec_parse(&codec, f->codecs[i], &why)) && status != ENT_EUNSUPPORTED) {
            return ent_yaml_refuse(&f->yaml, "codecs", f->codecs[i], why.text, error);
        } else {
            ent_codec_free(codec);
            plan->codec[plan->codecs++] = f->codecs[i];
        }
    }
    return ENT_OK;
}

static void add_estimator(struct plan *plan, const char *name)
{
    for (size_t i = 0; ent_estimators[i]; i++)
        if (!strcmp(name, "all") || !strcmp(name, ent_estimators[i]->name))
            plan->estimator[plan->estimators++] = ent_estimators[i];
}

static ent_status read_estimators(struct plan *plan, ent_error *error)
{
    const struct plan_file *f = plan->file;
    for (uint32_t i = 0; i < f->estimators_count; i++) {
        size_t before = plan->estimators;
        add_estimator(plan, f->estimators[i]);
        char reason[200];
        if (plan->estimators > before) continue;
        snprintf(reason, sizeof reason, "no estimator '%.100s'; `entropy list estimators` names them", f->estimators[i]);
        return ent_yaml_refuse(&f->yaml, "estimators", f->estimators[i], reason, error);
    }
    if (f->estimators_count) return ENT_OK;
    add_estimator(plan, "plugin"); /* of whole models it and its correction to first order say it all */
    add_estimator(plan, "miller-madow");
    return ENT_OK;
}

static ent_status read_numbers(struct plan *plan, ent_error *error)
{
    const struct plan_file *f = plan->file;
    uint64_t runs = 5, mib = 0;
    plan->seed = 1;
    plan->seconds = 10;
    ent_status status = ENT_OK;
    if (f->runs) status = ent_yaml_whole(&f->yaml, "runs", f->runs, 1, MOST_RUNS, &runs, error);
    if (!status && f->seconds) status = ent_yaml_real(&f->yaml, "seconds", f->seconds, &plan->seconds, error);
    if (!status && f->seed) status = ent_yaml_whole(&f->yaml, "seed", f->seed, 0, UINT64_MAX, &plan->seed, error);
    if (!status && f->sample_mib)
        status = ent_yaml_whole(&f->yaml, "sample_mib", f->sample_mib, 1, 1 << 20, &mib, error);
    plan->parts = 1;
    if (!status && f->parts) status = ent_yaml_whole(&f->yaml, "parts", f->parts, 1, MOST_ENTRIES, &plan->parts, error);
    plan->runs = (unsigned)runs;
    plan->sample_bytes = mib << 20;
    return status;
}

/* ---- cells ------------------------------------------------------------------------------------ */

static ent_status add_cell(struct plan *plan, const struct plan_model *model, const char *codec, const char *target,
                           uint64_t part, ent_error *error)
{
    enum { STATS_TEXT = 60 };
    size_t size = strlen(model->name) + (codec ? strlen(codec) + strlen(target) + 3 : STATS_TEXT);
    struct plan_cell *cell = &plan->cell[plan->cells];
    *cell = (struct plan_cell){ model, codec, target, part, ent_alloc(size) };
    if (!cell->key) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (codec) snprintf(cell->key, size, "%s/%s/%s", model->name, codec, target);
    else if (plan->parts > 1)
        snprintf(cell->key, size, "%s/stats/%" PRIu64 "-of-%" PRIu64, model->name, part + 1, plan->parts);
    else snprintf(cell->key, size, "%s/stats", model->name);
    plan->cells++;
    return ENT_OK;
}

static ent_status expand(struct plan *plan, ent_error *error)
{
    bool stats = plan->measures & MEASURE_STATS, others = plan->measures & MEASURES_OF_CODECS;
    size_t per_codec, per_model;
    if (__builtin_mul_overflow(plan->codecs, plan->targets, &per_codec) || per_codec > MOST_ENTRIES * 100 ||
        __builtin_mul_overflow(plan->models, per_codec + plan->parts, &per_model) || per_model > MOST_ENTRIES * 100)
        return ent_fail(error, ENT_ECORRUPT, "%s: over a million cells", plan->file->yaml.path);
    if (!(plan->cell = ent_calloc(per_model, sizeof *plan->cell))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = ENT_OK;
    for (const struct plan_model *m = plan->model; m < plan->model + plan->models; m++) {
        for (uint64_t part = 0; part < plan->parts && stats && !status; part++)
            status = add_cell(plan, m, NULL, NULL, part, error);
        for (size_t c = 0; c < plan->codecs && others; c++)
            for (size_t t = 0; t < plan->targets && !status; t++)
                status = add_cell(plan, m, plan->codec[c], plan->target[t], 0, error);
    }
    return status;
}

/* Cells are found again by their keys, so no list may name a thing twice. */
static ent_status check_unique(const struct plan *plan, const char *key, const char *const *name, size_t stride,
                               size_t n, ent_error *error)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const char *a = *(const char *const *)((const char *)name + i * stride);
            const char *b = *(const char *const *)((const char *)name + j * stride);
            char reason[200];
            if (strcmp(a, b)) continue;
            snprintf(reason, sizeof reason, "'%.100s' stands there twice", a);
            return ent_yaml_refuse(&plan->file->yaml, key, NULL, reason, error);
        }
    return ENT_OK;
}

static ent_status check_lists(const struct plan *plan, ent_error *error)
{
    const ent_yaml *yaml = &plan->file->yaml;
    bool others = plan->measures & MEASURES_OF_CODECS;
    if (!plan->measures) return ent_yaml_refuse(yaml, "measures", NULL, "nothing to measure", error);
    if (!plan->models) return ent_fail(error, ENT_ECORRUPT, "%s: neither models nor generated", yaml->path);
    if (others && !plan->codecs) return ent_fail(error, ENT_ECORRUPT, "%s: codecs: none to measure", yaml->path);
    if (others && !plan->targets) return ent_fail(error, ENT_ECORRUPT, "%s: targets: none to measure on", yaml->path);
    ent_status status = check_unique(plan, "models", &plan->model->name, sizeof *plan->model, plan->models, error);
    if (!status) status = check_unique(plan, "codecs", plan->codec, sizeof *plan->codec, plan->codecs, error);
    if (!status) status = check_unique(plan, "targets", plan->target, sizeof *plan->target, plan->targets, error);
    for (size_t i = 1; i < plan->estimators && !status; i++)
        for (size_t k = 0; k < i && !status; k++)
            if (plan->estimator[i] == plan->estimator[k])
                status = ent_yaml_refuse(yaml, "estimators", NULL, "an estimator stands there twice", error);
    return status;
}

/* ---- the door --------------------------------------------------------------------------------- */

static ent_status fill(struct plan *plan, ent_error *error)
{
    struct plan_file *f = plan->file;
    size_t named = 0, known = 0;
    while (ent_codecs[named].name) named++;
    while (ent_estimators[known]) known++;
    plan->name = f->name;
    plan->brief = f->brief ? f->brief : "";
    plan->text = f->yaml.text;
    plan->measures = f->measures;
    plan->target = (const char *const *)f->targets;
    plan->targets = f->targets_count;
    plan->model = ent_calloc((size_t)f->models_count + f->generated_count + 1, sizeof *plan->model);
    plan->codec = ent_calloc(f->codecs_count * (named + 1) + 1, sizeof *plan->codec);
    plan->estimator = ent_calloc(f->estimators_count * (known + 1) + 2, sizeof(ent_estimator *));
    if (!plan->model || !plan->codec || !plan->estimator) return ent_fail(error, ENT_ENOMEM, "out of memory");
    XXH128_hash_t hash = XXH3_128bits(f->yaml.text, f->yaml.size);
    snprintf(plan->hash, sizeof plan->hash, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    ent_status status = check_name(&f->yaml, f->name, error);
    if (!status) status = read_numbers(plan, error);
    if (!status) status = read_models(plan, error);
    if (!status) status = read_codecs(plan, error);
    if (!status) status = read_estimators(plan, error);
    if (!status) status = check_lists(plan, error);
    return status ? status : expand(plan, error);
}

ent_status plan_read(struct plan *plan, const char *path, ent_error *error)
{
    ent_yaml yaml;
    void *file;
    *plan = (struct plan){ .name = NULL };
    ent_status status = ent_yaml_open(&yaml, path, error);
    if (status) return status;
    if ((status = ent_yaml_load(&yaml, &plan_schema, &file, error))) {
        ent_yaml_close(&yaml);
        return status;
    }
    plan->file = file;
    plan->file->yaml = yaml;
    if ((status = fill(plan, error))) plan_free(plan);
    return status;
}

ent_status plan_open(struct plan *plan, const char *argument, ent_error *error)
{
    char path[PATH_MAX];
    ent_status status = data_path(path, "plans", argument, error);
    return status ? status : plan_read(plan, path, error);
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->cells; i++) ent_free(plan->cell[i].key);
    ent_free(plan->cell);
    ent_free(plan->estimator);
    ent_free(plan->codec);
    ent_free(plan->model);
    if (plan->file) {
        ent_yaml_close(&plan->file->yaml);
        ent_yaml_free(&plan_schema, plan->file);
    }
    *plan = (struct plan){ .name = NULL };
}
