/* llama.c - the parameters of a model, by the names and shapes that its config demands. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <entropy/field.h>

#include "quality/llama.h"

enum { LAYER_TENSORS = 13, NAME = 96 };

typedef struct loader {
    ent_llama *llama;
    const ent_weights *weights;
    ent_error *error;
} loader;

/* ---- one tensor --------------------------------------------------------------------------------- */

static ent_status widen(const ent_tensor *from, float *values, ent_error *error)
{
    const ent_format *format = ent_format_find(from->dtype);
    if (!format || format->bits != from->dtype_bits || ent_format_packed(format))
        return ent_fail(error, ENT_EUNSUPPORTED, "tensor %s has dtype %s: the forward pass needs plain numbers", from->name,
                        from->dtype);
    ent_format_floats(format, from->bytes.data, from->elements, values);
    return ENT_OK;
}

static ent_status check_shape(const ent_tensor *from, const char *name, uint32_t rows, uint32_t cols, ent_error *error)
{
    if (!from) return ent_fail(error, ENT_ECORRUPT, "tensor %s is missing: not the model of this config.json", name);
    bool right = from->rank == 1 ? rows == 1 && from->shape[0] == cols
                                 : from->rank == 2 && from->shape[0] == rows && from->shape[1] == cols;
    if (right) return ENT_OK;
    return ent_fail(error, ENT_ECORRUPT, "tensor %s has %" PRIu64 " elements in %u axes, the config asks for %u x %u", name,
                    from->elements, from->rank, rows, cols);
}

/* Adds a tensor; its position in *at. */
static ent_status add(loader *l, int *at, const char *name, uint32_t rows, uint32_t cols, int input)
{
    ent_llama_tensor *t = &l->llama->tensor[l->llama->tensors];
    const ent_tensor *from = ent_weights_find(l->weights, name);
    ent_status status = check_shape(from, name, rows, cols, l->error);
    if (status) return status;
    size_t length = strlen(name) + 1;
    char *copy = ent_alloc(length);
    t->values = ent_alloc(from->elements * sizeof *t->values);
    t->name = copy;
    l->llama->tensors++; /* freed with the others from here on */
    if (!copy || !t->values) return ent_fail(l->error, ENT_ENOMEM, "no memory for tensor %s as float32", name);
    memcpy(copy, name, length);
    t->rows = rows;
    t->cols = cols;
    t->input = input;
    *at = (int)l->llama->tensors - 1;
    return widen(from, t->values, l->error);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static ent_status add_layer(loader *l, uint32_t i)
{
    const ent_llama_config *c = &l->llama->config;
    llama_layer *layer = &l->llama->layer[i];
    uint32_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    int first = (int)i * LAYER_INPUTS;
    const struct {
        int *at;
        const char *name;
        uint32_t rows, cols;
        int input;
        bool optional;
    } part[LAYER_TENSORS] = {
        { &layer->input_norm, "input_layernorm.weight", 1, c->hidden, -1, false },
        { &layer->q, "self_attn.q_proj.weight", q, c->hidden, first + ATTENTION_IN, false },
        { &layer->k, "self_attn.k_proj.weight", kv, c->hidden, first + ATTENTION_IN, false },
        { &layer->v, "self_attn.v_proj.weight", kv, c->hidden, first + ATTENTION_IN, false },
        { &layer->o, "self_attn.o_proj.weight", c->hidden, q, first + ATTENTION_OUT, false },
        { &layer->q_bias, "self_attn.q_proj.bias", 1, q, -1, true },
        { &layer->k_bias, "self_attn.k_proj.bias", 1, kv, -1, true },
        { &layer->v_bias, "self_attn.v_proj.bias", 1, kv, -1, true },
        { &layer->o_bias, "self_attn.o_proj.bias", 1, c->hidden, -1, true },
        { &layer->post_norm, "post_attention_layernorm.weight", 1, c->hidden, -1, false },
        { &layer->gate, "mlp.gate_proj.weight", c->ffn, c->hidden, first + FFN_IN, false },
        { &layer->up, "mlp.up_proj.weight", c->ffn, c->hidden, first + FFN_IN, false },
        { &layer->down, "mlp.down_proj.weight", c->hidden, c->ffn, first + FFN_OUT, false },
    };
    for (size_t k = 0; k < LAYER_TENSORS; k++) {
        char name[NAME];
        snprintf(name, sizeof name, "model.layers.%u.%s", i, part[k].name);
        *part[k].at = -1;
        if (part[k].optional && !ent_weights_find(l->weights, name)) continue;
        ent_status status = add(l, part[k].at, name, part[k].rows, part[k].cols, part[k].input);
        if (status) return status;
    }
    return ENT_OK;
}

static ent_status add_all(loader *l)
{
    ent_llama *m = l->llama;
    const ent_llama_config *c = &m->config;
    ent_status status = add(l, &m->embedding, "model.embed_tokens.weight", c->vocab, c->hidden, -1);
    for (uint32_t i = 0; i < c->layers && !status; i++) status = add_layer(l, i);
    if (!status) status = add(l, &m->norm, "model.norm.weight", 1, c->hidden, -1);
    if (status) return status;
    m->head = m->embedding;
    if (c->tied)
        m->tensor[m->head].input = (int)(LAYER_INPUTS * c->layers);
    else
        status = add(l, &m->head, "lm_head.weight", c->vocab, c->hidden, (int)(LAYER_INPUTS * c->layers));
    return status;
}

/* ---- rotary positions ------------------------------------------------------------------------------ */

/* The frequency of pair i (Su et al. 2021), stretched for longer contexts as rope_scaling says: linear
 * divides all alike; llama3 divides the slow ones, keeps the fast ones, and goes from one to the other
 * linearly in the number of turns within the original context. */
static double frequency(const ent_llama_config *c, uint32_t i)
{
    double f = pow(c->theta, -2.0 * i / c->head_dim);
    if (!c->rope_context) return f / c->rope_factor;
    double turns = c->rope_context * f / (2 * M_PI);
    if (turns < c->rope_low) return f / c->rope_factor;
    if (turns > c->rope_high) return f;
    double share = (turns - c->rope_low) / (c->rope_high - c->rope_low);
    return (1 - share) * f / c->rope_factor + share * f;
}

static ent_status make_rotations(ent_llama *m, ent_error *error)
{
    const ent_llama_config *c = &m->config;
    uint32_t pairs = c->head_dim / 2;
    m->cosine = ent_calloc(c->context, pairs * sizeof *m->cosine);
    m->sine = ent_calloc(c->context, pairs * sizeof *m->sine);
    if (!m->cosine || !m->sine) return ent_fail(error, ENT_ENOMEM, "no memory for %u positions", c->context);
    for (uint32_t i = 0; i < pairs; i++) {
        float f = (float)frequency(c, i); /* angles in float, as the reference computes them */
        for (uint32_t p = 0; p < c->context; p++) {
            float angle = (float)p * f;
            m->cosine[(size_t)p * pairs + i] = cosf(angle);
            m->sine[(size_t)p * pairs + i] = sinf(angle);
        }
    }
    return ENT_OK;
}

/* ---- the door ---------------------------------------------------------------------------------------- */

ent_status ent_llama_open(ent_llama **llama, const ent_llama_config *config, const ent_weights *weights, ent_error *error)
{
    *llama = NULL;
    ent_llama *m = ent_calloc(1, sizeof *m);
    if (!m) return ent_fail(error, ENT_ENOMEM, "out of memory");
    m->config = *config;
    m->tensor = ent_calloc((size_t)config->layers * LAYER_TENSORS + 3, sizeof *m->tensor);
    m->layer = ent_calloc(config->layers, sizeof *m->layer);
    loader l = { m, weights, error };
    ent_status status = m->tensor && m->layer ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = add_all(&l);
    if (!status) status = make_rotations(m, error);
    if (status)
        ent_llama_close(m);
    else
        *llama = m;
    return status;
}

void ent_llama_close(ent_llama *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->tensors; i++) {
        ent_free((char *)m->tensor[i].name);
        ent_free(m->tensor[i].values);
    }
    ent_free(m->tensor);
    ent_free(m->layer);
    ent_free(m->cosine);
    ent_free(m->sine);
    ent_free(m);
}

const ent_llama_config *ent_llama_config_of(const ent_llama *llama) { return &llama->config; }
size_t ent_llama_tensors(const ent_llama *llama) { return llama->tensors; }
ent_llama_tensor *ent_llama_tensor_at(ent_llama *llama, size_t i) { return &llama->tensor[i]; }
size_t ent_llama_inputs(const ent_llama *llama) { return (size_t)LAYER_INPUTS * llama->config.layers + 1; }

ent_llama_tensor *ent_llama_find(ent_llama *llama, const char *name)
{
    for (size_t i = 0; i < llama->tensors; i++)
        if (!strcmp(llama->tensor[i].name, name)) return &llama->tensor[i];
    return NULL;
}
