/* forward.c - tokens to logits, all positions of a sequence at once. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "quality/llama.h"

typedef struct pass {
    const ent_llama *m;
    const ent_llama_config *c;
    size_t n; /* tokens */
    ent_llama_observer *observer;
    void *context;
    float *x;                   /* n x hidden: what layers add to */
    float *in;                  /* n x hidden: normalised */
    float *q, *k, *v, *mixed;   /* n x heads * head_dim, n x kv_heads * head_dim twice, as q */
    float *gate, *up;           /* n x ffn */
    float *score;               /* n x n */
} pass;

static const ent_llama_tensor *tensor(const pass *p, int at) { return &p->m->tensor[at]; }

/* out (n x rows) = sum * out + in (n x cols) W^T (+ bias). */
static void linear(const pass *p, const float *in, int weight, int bias, float sum, float *out)
{
    const ent_llama_tensor *w = tensor(p, weight);
    int n = (int)p->n, rows = (int)w->rows, cols = (int)w->cols;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, rows, cols, 1, in, cols, w->values, cols, sum, out, rows);
    if (bias < 0) return;
    const float *b = tensor(p, bias)->values;
    for (size_t t = 0; t < p->n; t++)
        for (uint32_t i = 0; i < w->rows; i++) out[t * w->rows + i] += b[i];
}

static void see(const pass *p, int input, const float *rows, uint32_t cols)
{
    if (p->observer) p->observer(input, rows, p->n, cols, p->context);
}

/* Zhang and Sennrich 2019. */
static void normalise(const pass *p, int weight, float *out)
{
    const float *w = tensor(p, weight)->values;
    for (size_t t = 0; t < p->n; t++) {
        const float *x = p->x + t * p->c->hidden;
        double sum = 0;
        for (uint32_t i = 0; i < p->c->hidden; i++) sum += (double)x[i] * x[i];
        float scale = (float)(1 / sqrt(sum / p->c->hidden + p->c->eps));
        for (uint32_t i = 0; i < p->c->hidden; i++) out[t * p->c->hidden + i] = x[i] * scale * w[i];
    }
}

/* Turns value i of each head together with value i + head_dim / 2. */
static void rotate(const pass *p, float *rows, uint32_t heads)
{
    uint32_t pairs = p->c->head_dim / 2;
    for (size_t t = 0; t < p->n; t++) {
        const float *cosine = p->m->cosine + t * pairs, *sine = p->m->sine + t * pairs;
        for (uint32_t h = 0; h < heads; h++) {
            float *a = rows + (t * heads + h) * p->c->head_dim, *b = a + pairs;
            for (uint32_t i = 0; i < pairs; i++) {
                float u = a[i], v = b[i];
                a[i] = u * cosine[i] - v * sine[i];
                b[i] = v * cosine[i] + u * sine[i];
            }
        }
    }
}

/* Each row of scores to weights of the tokens up to its own. */
static void causal_softmax(const pass *p)
{
    for (size_t t = 0; t < p->n; t++) {
        float *row = p->score + t * p->n, most = row[0];
        double sum = 0;
        for (size_t j = 1; j <= t; j++) most = fmaxf(most, row[j]);
        for (size_t j = 0; j <= t; j++) sum += row[j] = expf(row[j] - most);
        for (size_t j = 0; j <= t; j++) row[j] = (float)(row[j] / sum);
        memset(row + t + 1, 0, (p->n - t - 1) * sizeof *row);
    }
}

static void attend(const pass *p)
{
    const ent_llama_config *c = p->c;
    int n = (int)p->n, d = (int)c->head_dim, wide = d * (int)c->heads, narrow = d * (int)c->kv_heads;
    float scale = 1 / sqrtf((float)d);
    for (uint32_t h = 0; h < c->heads; h++) {
        uint32_t shared = h / (c->heads / c->kv_heads);
        const float *q = p->q + h * c->head_dim, *k = p->k + shared * c->head_dim, *v = p->v + shared * c->head_dim;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, d, scale, q, wide, k, narrow, 0, p->score, n);
        causal_softmax(p);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, n, 1, p->score, n, v, narrow, 0,
                    p->mixed + h * c->head_dim, wide);
    }
}

static void run_layer(const pass *p, uint32_t i)
{
    const llama_layer *l = &p->m->layer[i];
    int input = (int)i * LAYER_INPUTS;
    size_t n = p->n;
    normalise(p, l->input_norm, p->in);
    see(p, input + ATTENTION_IN, p->in, p->c->hidden);
    linear(p, p->in, l->q, l->q_bias, 0, p->q);
    linear(p, p->in, l->k, l->k_bias, 0, p->k);
    linear(p, p->in, l->v, l->v_bias, 0, p->v);
    rotate(p, p->q, p->c->heads);
    rotate(p, p->k, p->c->kv_heads);
    attend(p);
    see(p, input + ATTENTION_OUT, p->mixed, p->c->heads * p->c->head_dim);
    linear(p, p->mixed, l->o, l->o_bias, 1, p->x);
    normalise(p, l->post_norm, p->in);
    see(p, input + FFN_IN, p->in, p->c->hidden);
    linear(p, p->in, l->gate, -1, 0, p->gate);
    linear(p, p->in, l->up, -1, 0, p->up);
    for (size_t j = 0; j < n * p->c->ffn; j++) p->gate[j] *= p->up[j] / (1 + expf(-p->gate[j])); /* SwiGLU, Shazeer 2020 */
    see(p, input + FFN_OUT, p->gate, p->c->ffn);
    linear(p, p->gate, l->down, -1, 1, p->x);
}

/* One piece of memory for all; NULL: none. */
static float *divide(pass *p)
{
    const ent_llama_config *c = p->c;
    size_t n = p->n, q = (size_t)c->heads * c->head_dim, kv = (size_t)c->kv_heads * c->head_dim;
    size_t sizes[] = { n * c->hidden, n * c->hidden, n * q, n * kv, n * kv, n * q, n * c->ffn, n * c->ffn, n * n };
    float **part[] = { &p->x, &p->in, &p->q, &p->k, &p->v, &p->mixed, &p->gate, &p->up, &p->score };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) sum += sizes[i] = (sizes[i] + 15) / 16 * 16;
    float *memory = ent_alloc(sum * sizeof *memory), *at = memory;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && memory; at += sizes[i++]) *part[i] = at;
    return memory;
}

ent_status ent_llama_forward(const ent_llama *llama, const uint32_t *tokens, size_t n, float *logits,
                             ent_llama_observer *observer, void *context, ent_error *error)
{
    pass p = { .m = llama, .c = &llama->config, .n = n, .observer = observer, .context = context };
    if (n < 1 || n > p.c->context)
        return ent_fail(error, ENT_EINVAL, "a sequence of %zu tokens, the model takes 1 to %u", n, p.c->context);
    for (size_t t = 0; t < n; t++)
        if (tokens[t] >= p.c->vocab)
            return ent_fail(error, ENT_EINVAL, "token %u, the vocabulary ends before %u", tokens[t], p.c->vocab);
    float *memory = divide(&p);
    if (!memory) return ent_fail(error, ENT_ENOMEM, "no memory for a sequence of %zu tokens", n);
    const float *embedding = tensor(&p, llama->embedding)->values;
    for (size_t t = 0; t < n; t++)
        memcpy(p.x + t * p.c->hidden, embedding + (size_t)tokens[t] * p.c->hidden, p.c->hidden * sizeof *p.x);
    for (uint32_t i = 0; i < p.c->layers; i++) run_layer(&p, i);
    normalise(&p, llama->norm, p.in);
    see(&p, (int)(LAYER_INPUTS * p.c->layers), p.in, p.c->hidden);
    if (logits) linear(&p, p.in, llama->head, -1, 0, logits);
    ent_free(memory);
    return ENT_OK;
}
