/* calibrate.c - what goes into each linear layer, over a text.
 *
 * Sequences run side by side, each on one thread, and their sums are added input by input in the order of the text: a thread
 * that is ahead waits for the one before it.  So the bits do not depend on the number of threads. */
#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "quality/llama.h"
#include "quality/sequences.h"

typedef struct collector {
    ent_calibration *calibration;
    const ent_llama *llama;
    const ent_text *text;
    const ent_run *run;
    sequences cut;
    float **moment; /* of each thread, cols x cols of one sequence; NULL: not wanted */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t moved;
    size_t *turn; /* of each input, the sequence to be added next */
    size_t done;
    bool failed; /* nobody waits any more */
    ent_error error;
} collector;

typedef struct pass {
    collector *all;
    size_t sequence;
    unsigned thread;
} pass;

/* False: there is nothing to add to. */
static bool wait_for_turn(collector *c, int input, size_t sequence)
{
    pthread_mutex_lock(&c->lock);
    while (c->turn[input] != sequence && !c->failed) pthread_cond_wait(&c->moved, &c->lock);
    bool mine = !c->failed;
    pthread_mutex_unlock(&c->lock);
    return mine;
}

static void end_turn(collector *c, int input)
{
    pthread_mutex_lock(&c->lock);
    c->turn[input]++;
    pthread_cond_broadcast(&c->moved);
    pthread_mutex_unlock(&c->lock);
}

/* The products of one sequence in float by BLAS, their sum over sequences in double. */
static void observe(int input, const float *rows, size_t n, uint32_t cols, void *context)
{
    const pass *p = context;
    ent_input_stats *s = &p->all->calibration->input[input];
    float *moment = p->all->moment ? p->all->moment[p->thread] : NULL;
    if (moment) cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, (int)cols, (int)n, 1, rows, (int)cols, 0, moment, (int)cols);
    if (!wait_for_turn(p->all, input, p->sequence)) return;
    for (size_t t = 0; t < n; t++)
        for (uint32_t i = 0; i < cols; i++) {
            float x = rows[t * cols + i];
            s->largest[i] = fmaxf(s->largest[i], fabsf(x));
            s->squares[i] += (double)x * x;
        }
    s->rows += n;
    for (size_t i = 0; i < cols && moment; i++)
        for (size_t j = 0; j <= i; j++) s->second[i * cols + j] += moment[i * cols + j];
    end_turn(p->all, input);
}

static ent_status run_sequence(size_t i, unsigned thread, void *context)
{
    collector *c = context;
    pass p = { c, i, thread };
    ent_error error;
    ent_status status = ent_llama_forward(c->llama, c->text->tokens + c->cut.first[i], c->cut.length[i] - 1, NULL, observe, &p, &error);
    pthread_mutex_lock(&c->lock);
    if (status && !c->failed) {
        c->failed = true;
        c->error = error;
        pthread_cond_broadcast(&c->moved);
    }
    c->done++;
    if (c->run && c->run->progress) c->run->progress(c->run->context, c->done, c->cut.n);
    pthread_mutex_unlock(&c->lock);
    return status;
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

static ent_status prepare(collector *c, bool second, unsigned threads)
{
    ent_calibration *all = c->calibration;
    uint32_t widest = 0;
    all->inputs = ent_llama_inputs(c->llama);
    all->input = ent_calloc(all->inputs, sizeof *all->input);
    c->turn = ent_calloc(all->inputs, sizeof *c->turn);
    if (!all->input || !c->turn) return ENT_ENOMEM;
    for (size_t i = 0; i < all->inputs; i++) {
        ent_input_stats *s = &all->input[i];
        s->cols = cols_of(c->llama, i);
        s->largest = ent_calloc(s->cols, sizeof *s->largest);
        s->squares = ent_calloc(s->cols, sizeof *s->squares);
        if (second) s->second = ent_calloc((size_t)s->cols * s->cols, sizeof *s->second);
        if (!s->largest || !s->squares || (second && !s->second)) return ENT_ENOMEM;
        if (s->cols > widest) widest = s->cols;
    }
    if (!second) return ENT_OK;
    if (!(c->moment = ent_calloc(threads, sizeof *c->moment))) return ENT_ENOMEM;
    for (unsigned k = 0; k < threads; k++)
        if (!(c->moment[k] = ent_calloc((size_t)widest * widest, sizeof **c->moment))) return ENT_ENOMEM;
    return ENT_OK;
}

ent_status ent_calibrate(ent_calibration *calibration, const ent_llama *llama, const ent_text *text, bool second,
                         const ent_run *run, ent_error *error)
{
    collector c = { .calibration = calibration, .llama = llama, .text = text, .run = run,
                    .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
    *calibration = (ent_calibration){ 0 };
    ent_status status = ent_sequences_cut(&c.cut, text, &llama->config, error);
    if (status) return status;
    unsigned threads = ent_threads(run ? run->threads : 0);
    if (threads > c.cut.n) threads = (unsigned)c.cut.n;
    if ((status = prepare(&c, second, threads)))
        ent_fail(error, status, "no memory to calibrate %zu inputs%s", ent_llama_inputs(llama),
                 second ? ": leave the second moments out" : "");
    else if ((status = ent_parallel(c.cut.n, threads, run_sequence, &c)))
        ent_fail(error, status, "%s", c.error.text);
    for (unsigned k = 0; c.moment && k < threads; k++) ent_free(c.moment[k]);
    ent_free(c.moment);
    ent_free(c.turn);
    ent_sequences_free(&c.cut);
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
