/* bench_gap.c - see bench_gap.h. */
#include <stdio.h>

#include "bench_gap.h"
#include "model.h"
#include "output.h"
#include "sample.h"

struct coding {
    ent_recipe recipe;
    ent_tables tables;
    ent_counts counts[ENT_MAX_FIELDS];
    const struct sample *sample;
    size_t blocks;
    ent_gap *gap; /* of each block */
    uint64_t *bytes;
};

static ent_status code_block(size_t i, unsigned thread, void *context)
{
    struct coding *c = context;
    size_t first = i * c->recipe.block, left = c->sample->n - first;
    size_t n = left < c->recipe.block ? left : c->recipe.block;
    const uint8_t *words = (const uint8_t *)c->sample->words + first * c->recipe.word_width;
    const ent_counts *counts = c->recipe.scope == ENT_SCOPE_BLOCK ? NULL : c->counts;
    ent_buffer out = { NULL, 0, 0 };
    ent_tally tally = { 0, 0, 0 };
    (void)thread;
    ent_status status = ent_buffer_reserve(&out, ent_block_bound(&c->recipe, &c->tables, n));
    if (!status) status = ent_block_encode(&c->recipe, &c->tables, words, n, &out, &tally, NULL);
    if (!status)
        status = ent_gap_block(&c->recipe, &c->tables, counts, words, n, (ent_bytes){ out.data, out.size }, &tally,
                               &c->gap[i]);
    c->bytes[i] = out.size;
    ent_free(out.data);
    return status;
}

static ent_status train(struct coding *c, ent_gap *sum, uint64_t *bytes)
{
    ent_buffer written = { NULL, 0, 0 };
    ent_status status = ent_recipe_counts_init(&c->recipe, c->counts);
    if (!status) status = ent_recipe_count(&c->recipe, c->sample->words, c->sample->n, c->counts);
    if (!status) status = ent_tables_train(&c->tables, &c->recipe, c->counts, ENT_ENCODE);
    for (uint32_t i = 0; i < c->tables.fields && !status; i++)
        if (c->tables.table[i]) status = ent_table_write(c->tables.table[i], &written);
    *bytes += written.size;
    sum->table += 8 * (double)written.size;
    ent_free(written.data);
    return status;
}

ent_status gap_of_codec(const struct sample *sample, const ent_codec *codec, unsigned threads, ent_gap *sum,
                        uint64_t *bytes, ent_error *error)
{
    struct coding c = { .sample = sample };
    ent_status status = ent_codec_bind(codec, sample->dtype, &c.recipe, error);
    if (status) return status;
    *sum = (ent_gap){ 0 };
    *bytes = 0;
    c.blocks = (sample->n - 1) / c.recipe.block + 1;
    c.gap = ent_calloc(c.blocks, sizeof *c.gap);
    c.bytes = ent_calloc(c.blocks, sizeof *c.bytes);
    status = c.gap && c.bytes ? train(&c, sum, bytes) : ENT_ENOMEM;
    if (!status) status = ent_parallel(c.blocks, threads, code_block, &c);
    for (size_t i = 0; i < c.blocks && !status; i++) {
        sum->bound += c.gap[i].bound;
        sum->model += c.gap[i].model;
        sum->kept_raw += c.gap[i].kept_raw;
        sum->coder += c.gap[i].coder;
        sum->table += c.gap[i].table;
        sum->index += c.gap[i].index;
        *bytes += c.bytes[i];
    }
    ent_recipe_counts_free(c.counts);
    ent_tables_free(&c.tables);
    ent_free(c.gap);
    ent_free(c.bytes);
    return status ? ent_fail(error, status, "codec %s: %s", ent_codec_name(codec), ent_status_text(status)) : ENT_OK;
}

static void print_row(const struct common *common, struct table *table, const struct sample *sample, const char *model,
                      const char *codec, const ent_gap *g, uint64_t bytes)
{
    static const char *const keys[] = { "bound", "model", "coder", "kept_raw", "table", "index" };
    const double parts[] = { g->bound, g->model, g->coder, g->kept_raw, g->table, g->index };
    double n = (double)sample->n;
    json_t *object = common->json ? json_object() : NULL;
    if (object) {
        json_text(object, "codec", codec);
        json_text(object, "model", model);
        json_text(object, "dtype", sample->dtype);
        json_count(object, "weights", sample->n);
        json_count(object, "bits", 8 * bytes);
        json_real_or_null(object, "bits_per_weight", 8 * (double)bytes / n);
    } else {
        table_cell(table, "%s", codec);
        table_number(table, 8 * (double)bytes / n, 5);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_bits", keys[i]);
        if (object)
            json_real_or_null(object, key, parts[i] / n);
        else
            table_number(table, parts[i] / n, 5);
    }
    if (object) json_line(object);
}

ent_status bench_gap(const struct common *common, const char *model, ent_codec *const codec[], size_t codecs,
                     uint64_t sample_bytes, ent_error *error)
{
    struct sample sample;
    struct table table;
    ent_weights *weights;
    ent_status status = model_open(&weights, model, error);
    if (status) return status;
    status = sample_take(&sample, weights, sample_bytes, error);
    if (!status && !common->json)
        printf("%s: %s, %s weights; bits a weight\n\n", model_name(model), sample.dtype, show_count(sample.n).text);
    table_begin(&table, "<codec|size|= bound|+ model|+ coder|+ kept raw|+ tables|+ index");
    for (size_t i = 0; i < codecs && !status; i++) {
        ent_gap gap;
        uint64_t bytes;
        status = gap_of_codec(&sample, codec[i], common->threads, &gap, &bytes, error);
        if (!status) print_row(common, &table, &sample, model_name(model), ent_codec_name(codec[i]), &gap, bytes);
    }
    table_end(&table);
    sample_free(&sample);
    ent_weights_close(weights);
    return status;
}
