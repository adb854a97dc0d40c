/* stack_order.c - see stack_order.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "language_model.h"
#include "progress.h"
#include "stack_order.h"

enum { COARSE = 2 }; /* levels at which a matrix is tried */

struct matrix {
    const char *name;
    size_t n;
    size_t *block; /* of each level, in the stack */
    uint32_t levels;
    float *values; /* of the blocks added so far */
    double scale;  /* what a squared relative error costs */
};

struct key { /* of a block */
    double first, second; /* least first; ties stay as they are */
    size_t block;
};

struct work {
    const struct stack_sort *sort;
    const ent_weights *weights;
    const ent_input_stats *const *input;
    ent_stack *stack;
    struct matrix *matrix;
    size_t matrices;
    struct key *key; /* of each block */
    struct language_model language;
    ent_llama *reference; /* for divergence alone */
    struct progress progress;
    uint64_t done, total; /* evaluations */
};

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "no memory to sort blocks"); }

bool stack_sort_known(const char *how)
{
    return !strcmp(how, "level") || !strcmp(how, "error") || !strcmp(how, "loss") || !strcmp(how, "perplexity");
}

/* ---- matrices and their blocks -------------------------------------------------------------------------- */

static struct matrix *matrix_of(struct work *w, const char *name)
{
    for (size_t i = w->matrices; i-- > 0;)
        if (w->matrix[i].name == name) return &w->matrix[i];
    w->matrix[w->matrices] = (struct matrix){ .name = name, .scale = 1 };
    return &w->matrix[w->matrices++];
}

static ent_status find_matrices(struct work *w, ent_error *error)
{
    size_t blocks = ent_stack_blocks(w->stack);
    w->matrix = ent_calloc(blocks + 1, sizeof *w->matrix);
    w->key = ent_calloc(blocks + 1, sizeof *w->key);
    if (!w->matrix || !w->key) return no_memory(error);
    for (size_t i = 0; i < blocks; i++) {
        ent_stack_block b = ent_stack_block_at(w->stack, i);
        struct matrix *m = matrix_of(w, b.name);
        if (!m->block) m->block = ent_calloc(ENT_PARTS, sizeof *m->block);
        if (!m->block) return no_memory(error);
        m->n = (size_t)b.rows * b.cols;
        m->block[m->levels++] = i; /* levels come in order */
        w->key[i] = (struct key){ b.level, 0, i };
    }
    return ENT_OK;
}

static const ent_tensor *tensor_of(const struct work *w, const char *name, size_t *at)
{
    for (*at = 0; strcmp(ent_weights_tensor(w->weights, *at)->name, name); ++*at) continue; /* it was packed from there */
    return ent_weights_tensor(w->weights, *at);
}

/* NULL: not calibrated. */
static const ent_input_stats *input_of(const struct work *w, const char *name)
{
    size_t at;
    tensor_of(w, name, &at);
    return w->input ? w->input[at] : NULL;
}

/* Zeros, or what the first blocks sum up to; freed by no_values. */
static ent_status add_level(struct work *w, struct matrix *m, uint32_t level, ent_error *error)
{
    if (!m->values && !(m->values = ent_calloc(m->n, sizeof *m->values))) return no_memory(error);
    return level < m->levels ? ent_stack_add(w->stack, m->block[level], m->values, error) : ENT_OK;
}

static void no_values(struct matrix *m)
{
    ent_free(m->values);
    m->values = NULL;
}

/* ---- by error -------------------------------------------------------------------------------------------- */

static double squared_error(const ent_input_stats *input, const float *original, const struct matrix *m, uint32_t rows)
{
    ent_distortion d = { 0 };
    double error;
    if (input) {
        error = ent_output_error(input, original, m->values, rows);
    } else {
        ent_distortion_add(&d, original, m->values, m->n);
        error = ent_relative_error(&d);
    }
    return isfinite(error) ? error * error : 0;
}

/* Gains of a byte, most first; the first level of all before all else, as a model without a matrix is none, and no level
 * before one below it. */
static ent_status error_keys(struct work *w, struct matrix *m, ent_error *error)
{
    size_t at;
    const ent_tensor *tensor = tensor_of(w, m->name, &at);
    float *original = ent_alloc(m->n * sizeof *original);
    if (!original) return no_memory(error);
    ent_format_floats(ent_format_find(tensor->dtype), tensor->bytes.data, m->n, original);
    double before = 1, most = INFINITY;
    ent_status status = ENT_OK;
    for (uint32_t level = 0; level < m->levels && !status; level++) {
        if ((status = add_level(w, m, level, error))) break;
        double after = squared_error(w->input ? w->input[at] : NULL, original, m, (uint32_t)tensor->shape[0]);
        double bytes = (double)ent_stack_block_at(w->stack, m->block[level]).bytes;
        if (level) most = fmin(most, m->scale * (before - after) / bytes);
        w->key[m->block[level]] = (struct key){ -most, level, m->block[level] };
        before = after;
    }
    no_values(m);
    ent_free(original);
    return status;
}

/* ---- by the model's loss ----------------------------------------------------------------------------------- */

/* What the model loses with `values` for a matrix: its loss, or its divergence from the reference if there is one; infinite
 * where it is no number. */
static ent_status try_values(struct work *w, ent_llama_tensor *t, const float *values, double *loss, ent_error *error)
{
    size_t bytes = (size_t)t->rows * t->cols * sizeof *values;
    const ent_text text = language_model_text(&w->language, w->sort->sequences ? w->sort->sequences : STACK_SEQUENCES, w->sort->skip);
    const ent_run run = { .threads = w->sort->common->threads };
    ent_quality q;
    float *kept = ent_alloc(bytes);
    if (!kept) return no_memory(error);
    memcpy(kept, t->values, bytes);
    memcpy(t->values, values, bytes);
    ent_status status = ent_llama_evaluate(w->language.llama, w->reference, &text, &run, &q, error);
    memcpy(t->values, kept, bytes);
    ent_free(kept);
    *loss = !status && isfinite(q.nll) ? (w->reference ? q.kl_nats : q.nll) : INFINITY;
    w->done++;
    if (w->progress.shown) progress_show(&w->progress, w->done, w->total);
    return status;
}

/* What a matrix's error costs: the divergence with it alone coarse, over its squared error.  (The loss itself would
 * need many more tokens to tell.)  The root of that, for what a matrix costs alone says too much where the others are coarse
 * too: on the shipped model it serves better where two to four levels fit than the number itself, elsewhere a little worse; on
 * stories260k, which did not choose it, it is better at four of eight sizes and worse at four, and better than errors alone at six. */
static ent_status find_scales(struct work *w, ent_error *error)
{
    ent_status status = ent_llama_open(&w->reference, ent_llama_config_of(w->language.llama), w->weights, error);
    w->total = w->matrices;
    for (size_t i = 0; i < w->matrices && !status; i++) {
        double divergence = 0, coarse = 0;
        struct matrix *m = &w->matrix[i];
        ent_llama_tensor *t = ent_llama_find(w->language.llama, m->name);
        m->scale = 0;
        if (!t) continue;
        for (uint32_t level = 0; level < COARSE && !status; level++) status = add_level(w, m, level, error);
        if (!status) status = try_values(w, t, m->values, &divergence, error);
        if (!status) coarse = squared_error(input_of(w, m->name), t->values, m, t->rows);
        if (coarse > 0) m->scale = sqrt(fmax(divergence, 0) / coarse);
        no_values(m);
    }
    return status;
}

/* Gives the model what the blocks added so far sum up to. */
static void show_values(struct work *w)
{
    for (size_t i = 0; i < w->matrices; i++) {
        ent_llama_tensor *t = ent_llama_find(w->language.llama, w->matrix[i].name);
        if (t) memcpy(t->values, w->matrix[i].values, w->matrix[i].n * sizeof(float));
    }
}

/* Each block of a level tried alone over all that have the levels below. */
static ent_status perplexity_keys(struct work *w, ent_error *error)
{
    ent_status status = ENT_OK;
    uint32_t levels = 0;
    for (size_t i = 0; i < w->matrices; i++) levels = w->matrix[i].levels > levels ? w->matrix[i].levels : levels;
    w->total = (uint64_t)w->matrices * (levels - 1);
    for (uint32_t level = 0; level < levels && !status; level++) {
        for (size_t i = 0; i < w->matrices && !status; i++) {
            struct matrix *m = &w->matrix[i];
            ent_llama_tensor *t = ent_llama_find(w->language.llama, m->name);
            status = add_level(w, m, level, error);
            if (status || level >= m->levels || !level) continue;
            struct key *key = &w->key[m->block[level]];
            key->second = INFINITY;
            if (t) status = try_values(w, t, m->values, &key->second, error);
        }
        if (!status) show_values(w);
    }
    return status;
}

/* ---- the order --------------------------------------------------------------------------------------------- */

static int least_first(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->first < y->first || x->first > y->first) return x->first < y->first ? -1 : 1;
    if (x->second < y->second || x->second > y->second) return x->second < y->second ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

static ent_status find_keys(struct work *w, ent_error *error)
{
    const char *how = w->sort->how ? w->sort->how : "level";
    bool loss = !strcmp(how, "loss"), perplexity = !strcmp(how, "perplexity");
    ent_status status = find_matrices(w, error);
    if (status || !strcmp(how, "level")) return status;
    if (loss || perplexity) status = language_model_open(&w->language, w->sort->model, w->sort->config, w->sort->text, w->weights, error);
    if (!status && loss) status = find_scales(w, error);
    if (!status && perplexity) return perplexity_keys(w, error);
    for (size_t i = 0; i < w->matrices && !status; i++) status = error_keys(w, &w->matrix[i], error);
    return status;
}

ent_status stack_order(const struct stack_sort *sort, const ent_weights *weights, const ent_input_stats *const *input,
                       const ent_weights *packed, size_t **order, ent_error *error)
{
    struct work w = { .sort = sort, .weights = weights, .input = input };
    progress_begin(&w.progress, sort->common, "sort");
    ent_status status = ent_stack_open(&w.stack, packed, error);
    size_t blocks = status ? 0 : ent_stack_blocks(w.stack);
    *order = NULL;
    if (!status) status = find_keys(&w, error);
    if (!status && !(*order = ent_calloc(blocks + 1, sizeof **order))) status = no_memory(error);
    if (!status) qsort(w.key, blocks, sizeof *w.key, least_first);
    for (size_t i = 0; i < blocks && !status; i++) (*order)[i] = w.key[i].block;
    progress_end(&w.progress);
    for (size_t i = 0; i < w.matrices; i++) {
        no_values(&w.matrix[i]);
        ent_free(w.matrix[i].block);
    }
    ent_free(w.matrix);
    ent_free(w.key);
    language_model_close(&w.language);
    ent_llama_close(w.reference);
    ent_stack_close(w.stack);
    return status;
}
