/* packing.c - matrices packed and coded in memory, tensors side by side. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "packing.h"

/* ---- the size of one ----------------------------------------------------------------------------------- */

static ent_status coded_part(const ent_part *part, const ent_codec *codec, double *bits, ent_error *error)
{
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS] = { 0 };
    ent_tables tables = { 0 };
    ent_buffer out = { 0 };
    ent_tally tally = { 0 };
    ent_workspace work = { 0 };
    size_t n = (size_t)part->rows * part->cols;
    ent_status status = ent_codec_bind(codec, part->format->name, &recipe, error);
    if (status) return status;
    status = ent_recipe_counts_init(&recipe, counts);
    if (!status) status = ent_recipe_count(&recipe, part->words, n, counts);
    if (!status) status = ent_tables_train(&tables, &recipe, counts, ENT_ENCODE);
    for (uint32_t i = 0; i < tables.fields && !status; i++)
        if (tables.table[i] && !(status = ent_table_write(tables.table[i], &out))) tally.table_bits += 8 * out.size, out.size = 0;
    for (size_t at = 0; at < n && !status; at += recipe.block) {
        size_t some = n - at < recipe.block ? n - at : recipe.block;
        out.size = 0;
        status = ent_buffer_reserve(&out, ent_block_bound(&recipe, &tables, some));
        if (!status)
            status = ent_block_encode(&recipe, &tables, (const uint8_t *)part->words + at * recipe.word_width, some, &out, &tally,
                                      &work);
    }
    *bits += (double)(tally.payload_bits + tally.table_bits + tally.index_bits);
    ent_recipe_counts_free(counts);
    ent_tables_free(&tables);
    ent_workspace_free(&work);
    ent_free(out.data);
    return status ? ent_fail(error, status, "coding the %s of a matrix: %s", part->name, ent_status_text(status)) : ENT_OK;
}

ent_status packing_coded_bits(const ent_packed *packed, const ent_codec *codec, double *bits, ent_error *error)
{
    ent_status status = ENT_OK;
    *bits = 0;
    for (uint32_t i = 0; i < packed->parts && !status; i++) status = coded_part(&packed->part[i], codec, bits, error);
    return status;
}

/* ---- the model ------------------------------------------------------------------------------------------- */

struct result { /* of one tensor */
    double plain, coded;
    ent_distortion distortion;
    uint64_t zeros;
    bool packed;
    ent_error error;
};

struct work {
    ent_llama *llama;
    const ent_pipeline *pipeline;
    const ent_codec *codec;
    const ent_calibration *calibration;
    const ent_run *run;
    bool keep_embedding;
    struct result *result; /* one a tensor */
    size_t done;
};

static ent_status pack_tensor(size_t i, unsigned thread, void *context)
{
    struct work *w = context;
    ent_llama_tensor *t = ent_llama_tensor_at(w->llama, i);
    struct result *r = &w->result[i];
    size_t n = (size_t)t->rows * t->cols;
    if (t->rows == 1 || (w->keep_embedding && strstr(t->name, "embed"))) return ENT_OK;
    const ent_input_stats *input = w->calibration && t->input >= 0 ? &w->calibration->input[t->input] : NULL;
    ent_packed packed = { 0 };
    float *before = ent_alloc(n * sizeof *before);
    if (!before) return ent_fail(&r->error, ENT_ENOMEM, "%s: out of memory", t->name);
    memcpy(before, t->values, n * sizeof *before);
    ent_status status = ent_pipeline_apply(w->pipeline, t->rows, t->cols, t->values, input, &packed, &r->error);
    if (!status) status = packing_coded_bits(&packed, w->codec, &r->coded, &r->error);
    if (!status) {
        r->packed = true;
        r->plain = ent_packed_plain_bits(&packed);
        ent_distortion_add(&r->distortion, before, t->values, n);
        for (size_t k = 0; k < n; k++) r->zeros += t->values[k] == 0;
    } else {
        char text[sizeof r->error.text];
        snprintf(text, sizeof text, "%s", r->error.text);
        ent_fail(&r->error, status, "%.200s: %.700s", t->name, text);
    }
    ent_packed_free(&packed);
    ent_free(before);
    size_t done = __atomic_add_fetch(&w->done, 1, __ATOMIC_RELAXED);
    if (w->run->progress && !thread) w->run->progress(w->run->context, done, ent_llama_tensors(w->llama));
    return status;
}

static void summarise(const struct work *w, unsigned stored_bits, struct packing *p)
{
    *p = (struct packing){ 0 };
    for (size_t i = 0; i < ent_llama_tensors(w->llama); i++) {
        const ent_llama_tensor *t = ent_llama_tensor_at(w->llama, i);
        const struct result *r = &w->result[i];
        uint64_t n = (uint64_t)t->rows * t->cols;
        p->weights += n;
        p->plain_bits += r->packed ? r->plain : (double)n * stored_bits;
        p->coded_bits += r->packed ? r->coded : (double)n * stored_bits;
        if (!r->packed) continue;
        p->packed += n;
        p->zeros += r->zeros;
        p->distortion.n += r->distortion.n;
        p->distortion.signal += r->distortion.signal;
        p->distortion.noise += r->distortion.noise;
        p->distortion.largest = fmax(p->distortion.largest, r->distortion.largest);
    }
}

ent_status packing_apply(struct packing *packing, ent_llama *llama, const ent_pipeline *pipeline, const ent_codec *codec,
                         const ent_calibration *calibration, unsigned stored_bits, bool keep_embedding, const ent_run *run,
                         ent_error *error)
{
    size_t tensors = ent_llama_tensors(llama);
    struct work w = { .llama = llama, .pipeline = pipeline, .codec = codec, .calibration = calibration, .run = run,
                      .keep_embedding = keep_embedding, .result = ent_calloc(tensors, sizeof *w.result) };
    if (!w.result) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = ent_parallel(tensors, run->threads, pack_tensor, &w);
    if (!status) summarise(&w, stored_bits, packing);
    for (size_t i = 0; i < tensors && status; i++)
        if (w.result[i].error.status == status) {
            if (error) *error = w.result[i].error;
            break;
        }
    ent_free(w.result);
    return status;
}
