/* cell.c - see cell.h.
 *
 * Sizes are those of a real container, written beside the records, verified against the model and
 * removed; speeds are of a sample in memory; predictions use the size.  The cells of a model and
 * codec follow each other, so the size is measured once for all their targets. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "../datasets/dataset.h"
#include "batch/parts.h"
#include "cell.h"
#include "census.h"
#include "command.h"
#include "measure.h"
#include "model.h"

/* The path of a file in the scratch folder.  Its name is fixed, for containers keep the names of files. */
static ent_status scratch_file(struct bench *b, char path[PATH_MAX], const char *name, const char *suffix,
                               ent_error *error)
{
    if (!b->scratch[0]) {
        ent_status status = scratch_name(b->scratch, b->folder, getpid(), error);
        if (status) return status;
        if (mkdir(b->scratch, 0777) && errno != EEXIST)
            return ent_fail(error, ENT_EIO, "%s: %s", b->scratch, strerror(errno));
    }
    snprintf(path, PATH_MAX, "%s/%.200s%s", b->scratch, name, suffix);
    return ENT_OK;
}

/* ---- the model -------------------------------------------------------------------------------- */

static void model_close(struct bench *b)
{
    sample_free(&b->sample);
    ent_weights_close(b->weights);
    ent_codec_free(b->codec);
    if (b->made[0]) unlink(b->made);
    b->weights = NULL;
    b->codec = NULL;
    b->codec_name = NULL;
    b->model = NULL;
    b->made[0] = b->hash[0] = '\0';
}

static ent_status model_make(struct bench *b, const struct plan_model *model, ent_error *error)
{
    ent_dataset_options options;
    ent_run run = { .threads = b->common->threads };
    ent_status status = ent_dataset_options_parse(&options, model->make, error);
    if (!status) status = ent_dataset_options_set(&options, "dtype", model->dtype, error);
    if (status) return status;
    options.weights = model->weights;
    options.seed = model->seed;
    status = scratch_file(b, b->made, model->name, ".safetensors", error);
    if (!status && (status = ent_dataset_make(b->made, &options, &run, error))) /* whose text names a file of this process */
        ent_fail(error, status, "%s: cannot be made: %s", model->name, ent_status_text(status));
    return status;
}

static void model_hash(struct bench *b)
{
    enum { PART = 1 << 26 };
    XXH3_state_t *state = XXH3_createState();
    if (!state) return; /* the column stays empty */
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < ent_weights_files(b->weights); i++) {
        ent_bytes file = ent_weights_file_at(b->weights, i)->bytes;
        for (size_t at = 0; at < file.size; at += PART) {
            ent_bytes part = { file.data + at, file.size - at < PART ? file.size - at : PART };
            XXH3_128bits_update(state, part.data, part.size);
            ent_weights_release(b->weights, part);
        }
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    snprintf(b->hash, sizeof b->hash, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    XXH3_freeState(state);
}

/* Opens the cell's model unless it is open already. */
static void model_switch(struct bench *b, const struct plan_model *model)
{
    if (b->model == model) return;
    model_close(b);
    b->model = model;
    b->model_status = model->make ? model_make(b, model, &b->model_error) : ENT_OK;
    if (!b->model_status && model->make) b->model_status = ent_weights_open(&b->weights, b->made, &b->model_error);
    else if (!b->model_status) b->model_status = model_open(&b->weights, model->name, &b->model_error);
}

/* ---- statistics ------------------------------------------------------------------------------- */

static ent_status add_measure(struct records *records, const struct field_record *row, const struct measures *by,
                              const struct measure *m, ent_error *error)
{
    struct field_record r = *row;
    char name[ENT_MAX_FIELDS * 8], estimator[64];
    snprintf(name, sizeof name, "%s", m->field);
    snprintf(estimator, sizeof estimator, "%s%s", row->estimator, m == &by->word && by->word_is_sum ? "-sum" : "");
    r.field = name;
    r.estimator = estimator;
    r.count = by->count;
    r.bits = m->estimate.bits;
    r.stderr_bits = m->estimate.stderr_bits;
    r.low_bits = m->estimate.low_bits;
    r.high_bits = m->estimate.high_bits;
    return records_add_field(records, &r, error);
}

/* All fields of one scope and dtype. */
static ent_status add_fields(const struct plan *plan, unsigned threads, struct records *records, struct field_record *row,
                             const ent_word_counts *counts, ent_error *error)
{
    struct measures measured[MAX_ESTIMATORS];
    bool words = plan->measures & MEASURE_WORD_INTERVALS; /* which alone have symbols enough for threads */
    const ent_interval_options interval = { .seed = plan->seed, .threads = words ? threads : 1 };
    const struct measuring how = { plan->estimator, plan->estimators, &interval, words };
    ent_status status = measure(counts, &how, measured);
    if (status) return ent_fail(error, status, "%s", ent_status_text(status));
    for (size_t e = 0; e < plan->estimators && !status; e++) {
        const struct measures *by = &measured[e];
        row->estimator = plan->estimator[e]->name;
        for (uint32_t f = 0; f < by->fields && !status; f++)
            status = add_measure(records, row, by, &by->field[f], error);
        if (!status && by->conditional.field[0]) status = add_measure(records, row, by, &by->conditional, error);
        if (!status && by->fields > 1) status = add_measure(records, row, by, &by->word, error);
    }
    return status;
}

ent_status cell_statistics(const struct plan *plan, unsigned threads, struct records *records, uint64_t cell,
                           const struct census *census, ent_error *error)
{
    struct field_record statistics = { .cell = cell, .model = plan->cell[cell].model->name }, *row = &statistics;
    ent_status status = ENT_OK;
    row->scope = row->name = "model";
    for (size_t i = 0; i < census->entries && !status; i++) {
        const struct census_entry *first = &census->entry[i];
        ent_word_counts sum;
        bool seen = false;
        for (size_t j = 0; j < i; j++) seen |= !strcmp(census->entry[j].dtype, first->dtype);
        if (seen) continue;
        if ((status = ent_word_counts_init(&sum, first->counts.format)))
            return ent_fail(error, status, "out of memory");
        for (size_t j = i; j < census->entries && !status; j++)
            if (!strcmp(census->entry[j].dtype, first->dtype))
                status = ent_word_counts_merge(&sum, &census->entry[j].counts);
        row->dtype = first->dtype;
        if (!status) status = add_fields(plan, threads, records, row, &sum, error);
        ent_word_counts_free(&sum);
    }
    row->scope = "role";
    for (size_t i = 0; i < census->entries && !status; i++) {
        row->name = census->entry[i].role;
        row->dtype = census->entry[i].dtype;
        status = add_fields(plan, threads, records, row, &census->entry[i].counts, error);
    }
    return status;
}

static ent_status measure_stats(struct bench *b, const struct plan_cell *cell, struct records *records, ent_error *error)
{
    const struct census_part part = { cell->part, b->plan->parts };
    struct census census = { 0 };
    struct common quiet = *b->common;
    size_t number = (size_t)(cell - b->plan->cell);
    quiet.quiet = true; /* the run shows its own progress */
    ent_status status = census_count(&census, b->weights, part.parts > 1 ? &part : NULL, &quiet, NULL, NULL, error);
    if (!status && part.parts > 1) status = part_save(b->folder, number, &census, error);
    else if (!status) status = cell_statistics(b->plan, b->common->threads, records, number, &census, error);
    census_free(&census);
    return status;
}

/* ---- size ------------------------------------------------------------------------------------- */

static void first_finding(void *context, const char *text)
{
    ent_error *error = context;
    if (!error->text[0]) snprintf(error->text, sizeof error->text, "%s", text);
}

static ent_status verify(struct bench *b, const char *path, const ent_run *run, ent_error *error)
{
    ent_container *container;
    ent_error finding = { .status = ENT_ECHECK };
    ent_status status = ent_container_open(&container, path, error);
    if (status) return status;
    status = ent_container_verify(container, b->weights, run, first_finding, &finding, error);
    ent_container_close(container);
    return status == ENT_ECHECK && finding.text[0] ? ent_fail(error, status, "%s", finding.text) : status;
}

static ent_status measure_size(struct bench *b, struct record *r, ent_error *error)
{
    char path[PATH_MAX];
    ent_run run = { .threads = b->common->threads };
    ent_container_sizes sizes;
    ent_status status = scratch_file(b, path, "container", ".ent", error);
    if (status) return status;
    status = ent_container_write(path, b->weights, b->codec, NULL, &run, &sizes, error);
    if (!status) status = verify(b, path, &run, error);
    unlink(path);
    if (status) return status;
    const ent_tally *t = &sizes.tally;
    double weights = (double)sizes.weights;
    r->weights = sizes.weights;
    r->input_bytes = sizes.input_bytes;
    r->container_bytes = sizes.output_bytes;
    r->payload_bits = t->payload_bits;
    r->table_bits = t->table_bits;
    r->index_bits = t->index_bits;
    r->verified = 1;
    if (!sizes.weights) return ent_fail(error, ENT_EUNSUPPORTED, "the model has no weights of a known number format");
    r->bits_per_weight = (double)(t->payload_bits + t->table_bits + t->index_bits) / weights;
    r->bound_bits = sizes.bound_bits;
    r->gap_bits = r->bits_per_weight - sizes.bound_bits;
    r->file_bits_per_weight = 8 * (double)sizes.output_bytes / weights;
    return ENT_OK;
}

/* A record without any measurement. */
static struct record blank(void)
{
    return (struct record){ .bits_per_weight = NAN, .bound_bits = NAN, .gap_bits = NAN, .file_bits_per_weight = NAN,
                            .encode_gbps = NAN, .decode_gbps = NAN, .memcpy_gbps = NAN, .decode_per_memcpy = NAN,
                            .decode_median_gbps = NAN, .memcpy_median_gbps = NAN, .weights_per_ns = NAN,
                            .raw_weights_per_ns = NAN, .rate_per_raw = NAN };
}

/* Parses the cell's codec and measures its size, unless that is done already. */
static void codec_switch(struct bench *b, const char *name)
{
    if (b->codec_name == name) return;
    ent_codec_free(b->codec);
    b->codec = NULL;
    b->codec_name = name;
    b->size = blank();
    b->size_status = ent_codec_parse(&b->codec, name, &b->size_error);
    if (!b->size_status && b->plan->measures & (MEASURE_SIZE | MEASURE_PREDICT))
        b->size_status = measure_size(b, &b->size, &b->size_error);
    b->size_problem[0] = '\0';
    if (b->size_status)
        snprintf(b->size_problem, sizeof b->size_problem, "%s: %s", ent_status_text(b->size_status),
                 b->size_error.text);
    if (b->codec) b->size.codec_text = ent_codec_text(b->codec);
}

/* ---- speed and prediction --------------------------------------------------------------------- */

static ent_status measure_speed(struct bench *b, struct record *r, ent_error *error)
{
    ent_bench result;
    unsigned runs;
    ent_status status = b->sample.words ? ENT_OK : sample_take(&b->sample, b->weights, b->plan->sample_bytes, error);
    if (!status)
        status = sample_bench(&b->sample, b->codec, b->common->threads, b->plan->runs, b->plan->seconds, &result, &runs,
                              error);
    if (status) return status;
    r->dtype = b->sample.dtype;
    r->sample_weights = result.weights;
    r->runs = runs;
    r->verified = result.verified;
    r->encode_gbps = result.encode_gbps;
    r->decode_gbps = result.decode_gbps;
    r->memcpy_gbps = result.memcpy_gbps;
    r->decode_per_memcpy = result.decode_gbps / result.memcpy_gbps;
    r->decode_median_gbps = result.decode_median_gbps;
    r->memcpy_median_gbps = result.memcpy_median_gbps;
    return ENT_OK;
}

static ent_status predict(struct bench *b, const ent_target *target, struct record *r, ent_error *error)
{
    ent_recipe recipe;
    ent_prediction p;
    const char *dtype = sample_dtype(b->weights);
    if (!dtype) return ent_fail(error, ENT_EUNSUPPORTED, "the model has no weights of a known number format");
    ent_status status = ent_codec_bind(b->codec, dtype, &recipe, error);
    if (!status) status = ent_target_predict(target, &recipe, r->bits_per_weight, 0, &p, error);
    if (status) return status;
    r->dtype = dtype;
    r->weights_per_ns = p.weights_per_ns;
    r->raw_weights_per_ns = p.raw_weights_per_ns;
    r->rate_per_raw = p.weights_per_ns / p.raw_weights_per_ns;
    r->limit = p.limit;
    return ENT_OK;
}

static ent_status measure_codec(struct bench *b, const struct plan_cell *cell, struct record *r, ent_error *error)
{
    char path[PATH_MAX];
    ent_target *target;
    ent_status status = data_path(path, "targets", cell->target, error);
    if (!status) status = ent_target_read(&target, path, error);
    if (status) return status;
    bool is_host = ent_target_kind_of(target) == ENT_TARGET_HOST;
    r->kind = ent_target_kind_name(ent_target_kind_of(target));
    if (b->size_status) status = ent_fail(error, b->size_status, "%s", b->size_error.text);
    else if (is_host && b->plan->measures & MEASURE_SPEED) status = measure_speed(b, r, error);
    else if (!is_host && b->plan->measures & MEASURE_PREDICT) status = predict(b, target, r, error);
    ent_target_free(target);
    return status;
}

/* ---- a cell ----------------------------------------------------------------------------------- */

/* What the plan says of the cell. */
static void name_record(struct record *record, const struct plan *plan, const struct plan_cell *cell)
{
    record->cell = (uint64_t)(cell - plan->cell);
    record->key = cell->key;
    record->model = cell->model->name;
    record->codec = cell->codec;
    record->target = cell->target;
    record->kind = "stats";
}

void cell_blank(struct record *record, const struct plan *plan, const struct plan_cell *cell)
{
    *record = blank();
    name_record(record, plan, cell);
}

ent_status cell_measure(struct bench *b, const struct plan_cell *cell, struct record *record, struct records *records,
                        bool *model_failed, ent_error *error)
{
    ent_status status;
    model_switch(b, cell->model);
    *model_failed = b->model_status != ENT_OK;
    if (cell->codec && !b->model_status) codec_switch(b, cell->codec);
    *record = cell->codec && !b->model_status ? b->size : blank();
    name_record(record, b->plan, cell);
    record->threads = ent_threads(b->common->threads);
    if (b->model_status) {
        status = ent_fail(error, b->model_status, "%s", b->model_error.text);
    } else {
        bool whole = cell->codec || b->plan->parts == 1; /* a part is for models that are better not read whole */
        if (whole && !b->hash[0]) model_hash(b);
        record->model_hash = whole ? b->hash : "";
        status = cell->codec ? measure_codec(b, cell, record, error) : measure_stats(b, cell, records, error);
    }
    if (b->model_status) {
        snprintf(b->size_problem, sizeof b->size_problem, "%s: %s", ent_status_text(status), b->model_error.text);
        record->size_problem = b->size_problem;
    } else if (cell->codec) {
        record->size_problem = b->size_problem;
    }
    return status;
}

void cell_end(struct bench *b)
{
    model_close(b);
    if (b->scratch[0]) rmdir(b->scratch);
}
