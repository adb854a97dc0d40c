/* bench_with.c - see bench_with.h. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bench_with.h"
#include "coded.h"
#include "layer_inputs.h"
#include "model.h"
#include "output.h"
#include "packing.h"
#include "progress.h"
#include "with.h"

static const uint64_t preset_sample = 256 << 20;

/* A pipeline, or several, and how parts are coded. */
struct trial {
    struct shortlist list;
    ent_codec *codec;
};

/* One matrix, packed and coded. */
struct packed {
    const ent_format *format;
    size_t n;
    const void *words;     /* of the model */
    float *values, *back;  /* of them; what comes back */
    float *said;           /* what packing says will */
    void *out;             /* words again */
    ent_packed parts;
    ent_pipeline pipeline; /* that was kept */
    struct coded coded[ENT_PARTS];
    uint32_t coded_parts;
    ent_workspace work;
};

struct sums {
    uint64_t weights;
    double bytes, encode, decode, copy; /* seconds */
    ent_tally tally;
    ent_distortion distortion;
    bool verified;
};

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "no memory for a matrix"); }

/* ---- one matrix --------------------------------------------------------------------------------------------- */

static void packed_free(struct packed *p)
{
    for (uint32_t i = 0; i < p->coded_parts; i++) coded_free(&p->coded[i]);
    ent_packed_free(&p->parts);
    ent_workspace_free(&p->work);
    ent_free(p->values);
    ent_free(p->back);
    ent_free(p->said);
    ent_free(p->out);
}

/* The model's own words as the only part. */
static ent_status take_words(struct packed *p, const ent_tensor *t, ent_error *error)
{
    uint32_t rows = (uint32_t)t->shape[0], cols = (uint32_t)(p->n / rows);
    size_t bytes = p->n * ent_format_width(p->format);
    p->parts = (ent_packed){ rows, cols, 1, { { "words", p->format, rows, cols, ent_alloc(bytes) } } };
    if (!p->parts.part[0].words) return no_memory(error);
    memcpy(p->parts.part[0].words, p->words, bytes);
    return ENT_OK;
}

/* The pipeline of least error, and its parts. */
static ent_status pack(struct packed *p, const struct trial *trial, const ent_tensor *t, const ent_input_stats *input, ent_error *error)
{
    uint32_t rows = (uint32_t)t->shape[0], cols = (uint32_t)(p->n / rows);
    double least = INFINITY;
    ent_status status = ENT_OK;
    if (!trial->list.candidate[0].pipeline.stages) return take_words(p, t, error);
    for (size_t k = 0; k < trial->list.n && !status; k++) {
        ent_packed parts = { 0 };
        ent_distortion d = { 0 };
        memcpy(p->back, p->values, p->n * sizeof *p->back);
        status = ent_pipeline_apply(&trial->list.candidate[k].pipeline, rows, cols, p->back, input, &parts, error);
        if (status) break;
        if (trial->list.n > 1) ent_distortion_add(&d, p->values, p->back, p->n);
        if (d.noise < least) {
            ent_packed swap = p->parts;
            p->parts = parts;
            parts = swap;
            float *said = p->said;
            p->said = p->back;
            p->back = said;
            p->pipeline = trial->list.candidate[k].pipeline;
            least = d.noise;
        }
        ent_packed_free(&parts);
    }
    return status;
}

static ent_status encode(struct packed *p, const struct trial *trial, const ent_tensor *t, const ent_input_stats *input, ent_error *error)
{
    ent_status status = pack(p, trial, t, input, error);
    for (uint32_t i = 0; i < p->parts.parts && !status; i++)
        if (!(status = coded_make(&p->coded[i], &p->parts.part[i], trial->codec, error))) p->coded_parts++;
    return status;
}

static ent_status decode(struct packed *p, ent_error *error)
{
    ent_status status = ENT_OK;
    if (!p->pipeline.stages) return coded_undo(&p->coded[0], p->out, &p->work);
    for (uint32_t i = 0; i < p->coded_parts && !status; i++) status = coded_undo(&p->coded[i], p->parts.part[i].words, &p->work);
    if (!status) status = ent_pipeline_undo(&p->pipeline, &p->parts, p->back, error);
    if (!status) ent_format_words(p->format, p->back, p->n, p->out);
    return status;
}

static void spoil(struct packed *p)
{
    for (uint32_t i = 0; i < p->parts.parts && p->pipeline.stages; i++) {
        const ent_part *part = &p->parts.part[i];
        memset(part->words, 0, (size_t)part->rows * part->cols * ent_format_width(part->format));
    }
    memset(p->out, 0, p->n * ent_format_width(p->format));
}

/* Against what packing said; of a codec alone against the words themselves. */
static ent_status verify(struct packed *p, bool *same, ent_error *error)
{
    size_t bytes = p->n * ent_format_width(p->format);
    if (!p->pipeline.stages) return *same = !memcmp(p->out, p->words, bytes), ENT_OK;
    void *expected = ent_alloc(bytes);
    if (!expected) return no_memory(error);
    ent_format_words(p->format, p->said, p->n, expected);
    *same = !memcmp(p->out, expected, bytes);
    ent_free(expected);
    return ENT_OK;
}

static ent_status time_decode(struct packed *p, unsigned runs, struct sums *s, ent_error *error)
{
    double decode_least = INFINITY, copy_least = INFINITY;
    ent_status status = ENT_OK;
    for (unsigned r = 0; r < runs && !status; r++) {
        double start = ent_seconds(CLOCK_MONOTONIC);
        memcpy(p->out, p->words, p->n * ent_format_width(p->format));
        copy_least = fmin(copy_least, ent_seconds(CLOCK_MONOTONIC) - start);
        if (r + 1 == runs) spoil(p);
        start = ent_seconds(CLOCK_MONOTONIC);
        status = decode(p, error);
        decode_least = fmin(decode_least, ent_seconds(CLOCK_MONOTONIC) - start);
    }
    s->decode += decode_least;
    s->copy += copy_least;
    return status;
}

static ent_status bench_matrix(const struct bench_with *b, const struct trial *trial, const ent_tensor *t, const ent_input_stats *input,
                               struct sums *s, ent_error *error)
{
    struct packed p = { .format = ent_format_find(t->dtype), .n = (size_t)t->elements, .words = t->bytes.data };
    size_t bytes = p.n * ent_format_width(p.format);
    bool same = false;
    p.values = ent_alloc(p.n * sizeof *p.values);
    p.back = ent_alloc(p.n * sizeof *p.back);
    p.said = ent_alloc(p.n * sizeof *p.said);
    p.out = ent_calloc(bytes, 1);
    ent_status status = p.values && p.back && p.said && p.out ? ENT_OK : no_memory(error);
    if (!status) {
        ent_format_floats(p.format, p.words, p.n, p.values);
        double start = ent_seconds(CLOCK_MONOTONIC);
        status = encode(&p, trial, t, input, error);
        s->encode += ent_seconds(CLOCK_MONOTONIC) - start;
    }
    if (!status) status = time_decode(&p, b->runs, s, error);
    if (!status) status = verify(&p, &same, error);
    if (!status) {
        ent_format_floats(p.format, p.out, p.n, p.back);
        ent_distortion_add(&s->distortion, p.values, p.back, p.n);
    }
    for (uint32_t i = 0; i < p.coded_parts; i++) {
        s->tally.payload_bits += p.coded[i].tally.payload_bits;
        s->tally.table_bits += p.coded[i].tally.table_bits;
        s->tally.index_bits += p.coded[i].tally.index_bits;
    }
    s->weights += p.n;
    s->bytes += (double)bytes;
    s->verified = s->verified && same;
    packed_free(&p);
    return status;
}

/* ---- one trial ---------------------------------------------------------------------------------------------- */

static void print(const struct bench_with *b, const char *with, const struct trial *trial, const struct sums *s, struct table *table)
{
    const ent_tally *t = &s->tally;
    double bits = (double)(t->payload_bits + t->table_bits + t->index_bits) / (double)s->weights;
    if (b->common->json) {
        json_t *object = json_object();
        json_text(object, "with", with);
        json_text(object, "codec", ent_codec_text(trial->codec));
        json_text(object, "target", "host");
        json_count(object, "threads", 1);
        json_text(object, "model", model_name(b->model));
        json_count(object, "weights", s->weights);
        json_real_or_null(object, "bits_per_weight", bits);
        json_count(object, "payload_bits", t->payload_bits);
        json_count(object, "table_bits", t->table_bits);
        json_count(object, "index_bits", t->index_bits);
        json_real_or_null(object, "sqnr_db", ent_sqnr_db(&s->distortion));
        json_real_or_null(object, "encode_gbps", s->bytes / s->encode / 1e9);
        json_real_or_null(object, "decode_gbps", s->bytes / s->decode / 1e9);
        json_real_or_null(object, "memcpy_gbps", s->bytes / s->copy / 1e9);
        json_count(object, "runs", b->runs);
        json_object_set_new(object, "verified", json_boolean(s->verified));
        json_line(object);
        return;
    }
    table_cell(table, "%s", with);
    table_number(table, bits, 4);
    table_number(table, ent_sqnr_db(&s->distortion), 2);
    table_number(table, s->bytes / s->encode / 1e9, 4);
    table_number(table, s->bytes / s->decode / 1e9, 3);
    table_number(table, s->copy / s->decode, 4);
}

static ent_status bench_trial(const struct bench_with *b, const struct trial *trial, const ent_weights *weights,
                              const struct layer_inputs *inputs, struct sums *s, ent_error *error)
{
    uint64_t most = b->sample_bytes ? b->sample_bytes : preset_sample;
    ent_status status = ENT_OK;
    for (size_t i = 0; i < ent_weights_tensors(weights) && !status && s->bytes < (double)most; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        ent_error why = { 0 };
        if (!ent_pack_takes(t)) continue;
        status = bench_matrix(b, trial, t, inputs->input ? inputs->input[i] : NULL, s, &why);
        if (status) ent_fail(error, status, "%.200s: %.700s", t->name, *why.text ? why.text : ent_status_text(status));
    }
    if (!status && !s->weights) status = ent_fail(error, ENT_EINVAL, "%s: no matrix that can be packed", b->model);
    if (!status && !s->verified) status = ent_fail(error, ENT_ECORRUPT, "decoding did not give back what packing said");
    return status;
}

static ent_status run_one(const struct bench_with *b, const char *text, const ent_weights *weights, const struct layer_inputs *inputs,
                          struct table *table, ent_error *error)
{
    struct with with;
    struct trial trial = { .codec = NULL };
    struct sums s = { .verified = true };
    ent_status status = with_parse(&with, text, NULL, error);
    if (!status) status = ent_codec_parse(&trial.codec, with.codec ? with.codec : PACKING_CODEC, error);
    if (!status)
        status = with.system && !with.system->pipeline ? shortlist_none(&trial.list, error) : shortlist_parse(&trial.list, with.pipelines, error);
    if (!status) status = bench_trial(b, &trial, weights, inputs, &s, error);
    if (!status) print(b, text, &trial, &s, table);
    shortlist_free(&trial.list);
    ent_codec_free(trial.codec);
    return status;
}

ent_status bench_with(const struct bench_with *bench, ent_error *error)
{
    ent_weights *weights;
    struct table table;
    struct progress progress;
    struct layer_inputs inputs = { .input = NULL };
    omp_set_num_threads(1);
    ent_status status = model_open(&weights, bench->model, error);
    if (status) return status;
    status = layer_inputs_read(&inputs, bench->calibration, bench->model, bench->config, weights, error);
    if (!bench->common->json && !status)
        printf("%s: matrices packed, coded and back on one thread, best of %u runs\n%s\n\n", model_name(bench->model), bench->runs, ent_cpu_text());
    table_begin(&table, "<with|bits/weight|SQNR dB|encode GB/s|decode GB/s|decode/memcpy");
    progress_begin(&progress, bench->common, "bench");
    for (size_t i = 0; i < bench->withs && !status; i++) {
        progress_note(&progress, bench->with[i]);
        status = run_one(bench, bench->with[i], weights, &inputs, &table, error);
    }
    progress_end(&progress);
    table_end(&table);
    layer_inputs_free(&inputs);
    ent_weights_close(weights);
    return status;
}
