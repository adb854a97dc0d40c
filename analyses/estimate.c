/* estimate.c - see estimate.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "estimate.h"
#include "model.h"
#include "output.h"
#include "progress.h"

/* What is coded unless a share is asked for; a hundredth of a large model would take minutes. */
static const double preset_share = 0.01;
static const uint64_t least_sample = 8 << 20, most_sample = 64 << 20;

/* Less is no reason to keep weights in another form. */
static const double least_saving = 0.01;

struct best {
    char codec[256];
    ent_forecast forecast;
};

static double per_weight(const ent_forecast *f, double bytes) { return 8 * bytes / (double)f->weights; }

static void print_row(const struct estimate *e, struct table *table, const char *codec, const ent_forecast *f)
{
    double stored = (double)f->stored_bytes, pays = 1 - f->high / stored;
    if (!e->common->json) {
        table_cell(table, "%s", codec);
        table_cell(table, "%s", show_bytes((uint64_t)f->bytes).text);
        table_number(table, per_weight(f, f->bytes), 4);
        table_number(table, per_weight(f, (f->high - f->low) / 2), 4);
        table_number(table, 100 * f->bytes / stored, 2);
        table_cell(table, pays >= least_saving ? "yes" : "no");
        return;
    }
    json_t *object = json_object();
    json_text(object, "scope", "model");
    json_text(object, "name", model_name(e->model));
    json_text(object, "codec", codec);
    json_real_or_null(object, "estimate_bytes", f->bytes);
    json_real_or_null(object, "low_bytes", f->low);
    json_real_or_null(object, "high_bytes", f->high);
    json_count(object, "stored_bytes", f->stored_bytes);
    json_count(object, "weights", f->weights);
    json_real_or_null(object, "bits_per_weight", per_weight(f, f->bytes));
    json_count(object, "sample_blocks", f->blocks);
    json_count(object, "blocks", f->in_blocks);
    json_count(object, "sample_bytes", f->in_bytes);
    json_object_set_new(object, "pays", json_boolean(pays >= least_saving));
    json_line(object);
}

static uint64_t bytes_of(const ent_weights *weights)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) bytes += ent_weights_tensor(weights, i)->bytes.size;
    return bytes;
}

static uint64_t sample_of(const struct estimate *e, const ent_weights *weights)
{
    double all = (double)bytes_of(weights), share = preset_share * all;
    if (e->share > 0) return (uint64_t)ceil(fmin(e->share, 1) * all);
    return share < (double)least_sample ? least_sample : share < (double)most_sample ? (uint64_t)share : most_sample;
}

static ent_status run_codec(const struct estimate *e, const ent_weights *weights, const char *text, struct table *table,
                            struct best *best, ent_error *error)
{
    ent_codec *codec;
    ent_forecast f;
    ent_run run = { .threads = e->common->threads };
    ent_status status = ent_codec_parse(&codec, text, error);
    if (status == ENT_EUNSUPPORTED && !e->codecs) return ENT_OK; /* not in this build */
    if (status) return status;
    status = ent_container_forecast(weights, codec, sample_of(e, weights), e->seed, &run, &f, error);
    if (!status) print_row(e, table, ent_codec_name(codec), &f);
    if (!status && (!best->codec[0] || f.bytes < best->forecast.bytes)) {
        snprintf(best->codec, sizeof best->codec, "%s", ent_codec_name(codec));
        best->forecast = f;
    }
    ent_codec_free(codec);
    return status;
}

static void print_verdict(const struct best *best)
{
    const ent_forecast *f = &best->forecast;
    double stored = (double)f->stored_bytes, low = 100 * (1 - f->high / stored), high = 100 * (1 - f->low / stored);
    if (low >= 100 * least_saving)
        printf("\nCoding pays: %s saves %.1f to %.1f %% of %s.\n", best->codec, low, high,
               show_bytes(f->stored_bytes).text);
    else
        printf("\nCoding does not pay: the best, %s, saves %.1f to %.1f %%.  Such weights are coded already, or "
               "noise.\n", best->codec, low, high);
}

ent_status estimate_run(const struct estimate *e, ent_error *error)
{
    ent_weights *weights;
    struct table table;
    struct best best = { .codec = "" };
    ent_status status = model_open(&weights, e->model, error);
    if (status) return status;
    table_begin(&table, "<codec|bytes|bits/weight|+-|% of stored|pays");
    for (size_t i = 0; !status && (e->codecs ? i < e->codecs : ent_codecs[i].name && !ent_codecs[i].aside); i++)
        status = run_codec(e, weights, e->codecs ? e->codec[i] : ent_codecs[i].name, &table, &best, error);
    if (!status && !e->common->json) {
        const ent_forecast *f = &best.forecast;
        printf("%s: what codecs would make of it, from %s of %s blocks (%s of %s); headers not counted\n\n",
               model_name(e->model), show_count(f->blocks).text, show_count(f->in_blocks).text,
               show_bytes(f->in_bytes).text, show_bytes(f->stored_bytes).text);
    }
    table_end(&table);
    if (!status && !e->common->json) print_verdict(&best);
    ent_weights_close(weights);
    return status;
}
