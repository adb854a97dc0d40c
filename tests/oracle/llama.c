/* llama.c - the oracle of the forward pass: one token at a time with kept keys and values, where the
 * library works on all at once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llama.h"

typedef struct oracle {
    const ent_llama_config *c;
    const float *(*get)(const char *name, void *context);
    void *context;
    double *keys, *values; /* layer, position, kv_heads * head_dim */
    size_t n;
} oracle;

static const float *parameter(const oracle *o, int layer, const char *name)
{
    char full[128];
    if (layer < 0) return o->get(name, o->context);
    snprintf(full, sizeof full, "model.layers.%d.%s", layer, name);
    return o->get(full, o->context);
}

static void apply(const float *weight, const float *bias, const double *in, uint32_t rows, uint32_t cols, double *out)
{
    for (uint32_t r = 0; r < rows; r++) {
        out[r] = bias ? bias[r] : 0;
        for (uint32_t i = 0; i < cols; i++) out[r] += (double)weight[(size_t)r * cols + i] * in[i];
    }
}

static void rms_norm(const ent_llama_config *c, const float *weight, const double *x, double *out)
{
    double mean = 0;
    for (uint32_t i = 0; i < c->hidden; i++) mean += x[i] * x[i] / c->hidden;
    for (uint32_t i = 0; i < c->hidden; i++) out[i] = x[i] / sqrt(mean + c->eps) * weight[i];
}

/* Rotary positions as complex numbers; for llama3 the scaling of the Llama 3.1 model card's code. */
static void rotary(const ent_llama_config *c, double *head, size_t position)
{
    uint32_t half = c->head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        double frequency = 1 / pow(c->theta, (double)(2 * i) / c->head_dim);
        if (c->rope_context) {
            double wavelength = 2 * M_PI / frequency, original = c->rope_context;
            if (wavelength > original / c->rope_low)
                frequency /= c->rope_factor;
            else if (wavelength >= original / c->rope_high) {
                double smooth = (original / wavelength - c->rope_low) / (c->rope_high - c->rope_low);
                frequency = (1 - smooth) * frequency / c->rope_factor + smooth * frequency;
            }
        } else {
            frequency /= c->rope_factor;
        }
        double angle = frequency * (double)position, re = head[i], im = head[i + half];
        head[i] = re * cos(angle) - im * sin(angle);
        head[i + half] = re * sin(angle) + im * cos(angle);
    }
}

static void attention(const oracle *o, int layer, size_t position, const double *in, double *out)
{
    const ent_llama_config *c = o->c;
    uint32_t d = c->head_dim, narrow = c->kv_heads * d, wide = c->heads * d;
    double *q = calloc(wide, sizeof *q), *mixed = calloc(wide, sizeof *mixed), *weight = calloc(position + 1, sizeof *weight);
    double *k = o->keys + ((size_t)layer * o->n + position) * narrow, *v = o->values + ((size_t)layer * o->n + position) * narrow;
    apply(parameter(o, layer, "self_attn.q_proj.weight"), parameter(o, layer, "self_attn.q_proj.bias"), in, wide, c->hidden, q);
    apply(parameter(o, layer, "self_attn.k_proj.weight"), parameter(o, layer, "self_attn.k_proj.bias"), in, narrow, c->hidden, k);
    apply(parameter(o, layer, "self_attn.v_proj.weight"), parameter(o, layer, "self_attn.v_proj.bias"), in, narrow, c->hidden, v);
    for (uint32_t h = 0; h < c->heads; h++) rotary(c, q + h * d, position);
    for (uint32_t h = 0; h < c->kv_heads; h++) rotary(c, k + h * d, position);
    for (uint32_t h = 0; h < c->heads; h++) {
        uint32_t group = h * c->kv_heads / c->heads;
        double sum = 0;
        for (size_t t = 0; t <= position; t++) {
            const double *key = o->keys + ((size_t)layer * o->n + t) * narrow + group * d;
            double score = 0;
            for (uint32_t i = 0; i < d; i++) score += q[h * d + i] * key[i];
            sum += weight[t] = exp(score / sqrt(d));
        }
        for (size_t t = 0; t <= position; t++) {
            const double *value = o->values + ((size_t)layer * o->n + t) * narrow + group * d;
            for (uint32_t i = 0; i < d; i++) mixed[h * d + i] += weight[t] / sum * value[i];
        }
    }
    apply(parameter(o, layer, "self_attn.o_proj.weight"), parameter(o, layer, "self_attn.o_proj.bias"), mixed, c->hidden, wide, out);
    free(q);
    free(mixed);
    free(weight);
}

static void feed_forward(const oracle *o, int layer, const double *in, double *out)
{
    const ent_llama_config *c = o->c;
    double *gate = calloc(c->ffn, sizeof *gate), *up = calloc(c->ffn, sizeof *up);
    apply(parameter(o, layer, "mlp.gate_proj.weight"), NULL, in, c->ffn, c->hidden, gate);
    apply(parameter(o, layer, "mlp.up_proj.weight"), NULL, in, c->ffn, c->hidden, up);
    for (uint32_t i = 0; i < c->ffn; i++) up[i] *= gate[i] / (1 + exp(-gate[i]));
    apply(parameter(o, layer, "mlp.down_proj.weight"), NULL, up, c->hidden, c->ffn, out);
    free(gate);
    free(up);
}

void oracle_llama(const ent_llama_config *c, const float *(*get)(const char *name, void *context), void *context,
                  const uint32_t *tokens, size_t n, double *logits)
{
    size_t kept = (size_t)c->layers * n * c->kv_heads * c->head_dim;
    oracle o = { c, get, context, calloc(kept, sizeof(double)), calloc(kept, sizeof(double)), n };
    double *x = calloc(c->hidden, sizeof *x), *in = calloc(c->hidden, sizeof *in), *out = calloc(c->hidden, sizeof *out);
    const float *embedding = get("model.embed_tokens.weight", context);
    for (size_t t = 0; t < n; t++) {
        for (uint32_t i = 0; i < c->hidden; i++) x[i] = embedding[(size_t)tokens[t] * c->hidden + i];
        for (int layer = 0; layer < (int)c->layers; layer++) {
            rms_norm(c, parameter(&o, layer, "input_layernorm.weight"), x, in);
            attention(&o, layer, t, in, out);
            for (uint32_t i = 0; i < c->hidden; i++) x[i] += out[i];
            rms_norm(c, parameter(&o, layer, "post_attention_layernorm.weight"), x, in);
            feed_forward(&o, layer, in, out);
            for (uint32_t i = 0; i < c->hidden; i++) x[i] += out[i];
        }
        rms_norm(c, get("model.norm.weight", context), x, in);
        apply(c->tied ? embedding : get("lm_head.weight", context), NULL, in, c->vocab, c->hidden, logits + t * c->vocab);
    }
    free(o.keys);
    free(o.values);
    free(x);
    free(in);
    free(out);
}
