/* calibrate.c - what goes into each linear layer, over a text. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "quality/llama.h"
#include "quality/sequences.h"

typedef struct collector {
    ent_calibration *calibration;
    float *moment; /* cols x cols of one sequence, NULL: not wanted */
} collector;

/* The products of one sequence in float by BLAS, their sum over sequences in double. */
static void add_second(const collector *c, ent_input_stats *s, const float *rows, size_t n)
{
    int cols = (int)s->cols;
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, cols, (int)n, 1, rows, cols, 0, c->moment, cols);
    for (size_t i = 0; i < s->cols; i++)
        for (size_t j = 0; j <= i; j++) s->second[i * s->cols + j] += c->moment[i * s->cols + j];
}

static void observe(int input, const float *rows, size_t n, uint32_t cols, void *context)
{
    const collector *c = context;
    ent_input_stats *s = &c->calibration->input[input];
    for (size_t t = 0; t < n; t++)
        for (uint32_t i = 0; i < cols; i++) {
            float x = rows[t * cols + i];
            s->largest[i] = fmaxf(s->largest[i], fabsf(x));
            s->squares[i] += (double)x * x;
        }
    s->rows += n;
    if (c->moment) add_second(c, s, rows, n);
}

static uint32_t cols_of(const ent_llama *llama, size_t input)
{
    const ent_llama_config *c = &llama->config;
    if (input == ent_llama_inputs(llama) - 1) return c->hidden;
    switch (input % LAYER_INPUTS) {
    case ATTENTION_OUT: return c->heads * c->head_dim;
    case FFN_OUT: return c->ffn;
    default: return c->hidden;
    }
}

static ent_status prepare(collector *c, const ent_llama *llama, bool second, float **logits, size_t longest)
{
    ent_calibration *all = c->calibration;
    uint32_t widest = 0;
    all->inputs = ent_llama_inputs(llama);
    if (!(all->input = ent_calloc(all->inputs, sizeof *all->input))) return ENT_ENOMEM;
    for (size_t i = 0; i < all->inputs; i++) {
        ent_input_stats *s = &all->input[i];
        s->cols = cols_of(llama, i);
        s->largest = ent_calloc(s->cols, sizeof *s->largest);
        s->squares = ent_calloc(s->cols, sizeof *s->squares);
        if (second) s->second = ent_calloc((size_t)s->cols * s->cols, sizeof *s->second);
        if (!s->largest || !s->squares || (second && !s->second)) return ENT_ENOMEM;
        if (s->cols > widest) widest = s->cols;
    }
    if (second && !(c->moment = ent_calloc((size_t)widest * widest, sizeof *c->moment))) return ENT_ENOMEM;
    *logits = ent_calloc(longest * llama->config.vocab, sizeof **logits);
    return *logits ? ENT_OK : ENT_ENOMEM;
}

ent_status ent_calibrate(ent_calibration *calibration, const ent_llama *llama, const ent_text *text, bool second,
                         const ent_run *run, ent_error *error)
{
    sequences cut;
    collector c = { .calibration = calibration };
    float *logits = NULL;
    *calibration = (ent_calibration){ 0 };
    ent_status status = ent_sequences_cut(&cut, text, &llama->config, error);
    if (status) return status;
    if ((status = prepare(&c, llama, second, &logits, llama->config.context)))
        ent_fail(error, status, "no memory to calibrate %zu inputs%s", ent_llama_inputs(llama),
                 second ? ": leave the second moments out" : "");
    for (size_t i = 0; i < cut.n && !status; i++) {
        status = ent_llama_forward(llama, text->tokens + cut.first[i], cut.length[i] - 1, logits, observe, &c, error);
        if (run && run->progress) run->progress(run->context, i + 1, cut.n);
    }
    ent_free(logits);
    ent_free(c.moment);
    ent_sequences_free(&cut);
    if (status) ent_calibration_free(calibration);
    return status;
}

void ent_calibration_free(ent_calibration *calibration)
{
    for (size_t i = 0; calibration->input && i < calibration->inputs; i++) ent_input_stats_free(&calibration->input[i]);
    ent_free(calibration->input);
    for (size_t i = 0; i < calibration->matrices; i++) ent_free(calibration->sensitivity[i].name);
    ent_free(calibration->sensitivity);
    *calibration = (ent_calibration){ 0 };
}
