/* layer_inputs.c - see layer_inputs.h. */
#include <stdio.h>
#include <string.h>

#include "layer_inputs.h"
#include "model.h"

enum { INPUTS_A_LAYER = 4 }; /* of ent_llama_inputs */

/* Which input of a Llama model feeds a tensor; -1: none. */
static int input_of(const char *name, const ent_llama_config *config)
{
    static const struct {
        const char *layer;
        int input;
    } names[] = { { "self_attn.q_proj.weight", 0 }, { "self_attn.k_proj.weight", 0 }, { "self_attn.v_proj.weight", 0 },
                  { "self_attn.o_proj.weight", 1 }, { "mlp.gate_proj.weight", 2 },    { "mlp.up_proj.weight", 2 },
                  { "mlp.down_proj.weight", 3 } };
    unsigned layer;
    int at = 0;
    if (!strcmp(name, "lm_head.weight") || (config->tied && !strcmp(name, "model.embed_tokens.weight")))
        return (int)(INPUTS_A_LAYER * config->layers);
    if (sscanf(name, "model.layers.%u.%n", &layer, &at) != 1 || !at || layer >= config->layers) return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name + at, names[i].layer)) return (int)(INPUTS_A_LAYER * layer) + names[i].input;
    return -1;
}

static ent_status match(struct layer_inputs *l, const char *file, const ent_llama_config *config, const ent_weights *weights,
                        ent_error *error)
{
    size_t tensors = ent_weights_tensors(weights), inputs = INPUTS_A_LAYER * (size_t)config->layers + 1;
    if (l->calibration.inputs != inputs)
        return ent_fail(error, ENT_EINVAL, "%s: %zu inputs, the model has %zu", file, l->calibration.inputs, inputs);
    if (!(l->input = ent_calloc(tensors + 1, sizeof *l->input))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        int input = input_of(t->name, config);
        if (input < 0 || t->rank != 2) continue;
        l->input[i] = &l->calibration.input[input];
        if (l->input[i]->cols != t->shape[1])
            return ent_fail(error, ENT_EINVAL, "%s: of another model: its input %d has not the width of %.200s", file, input, t->name);
    }
    return ENT_OK;
}

ent_status layer_inputs_read(struct layer_inputs *l, const char *file, const char *model, const char *config,
                             const ent_weights *weights, ent_error *error)
{
    char path[PATH_MAX];
    ent_llama_config read;
    ent_status status = ENT_OK;
    *l = (struct layer_inputs){ .input = NULL };
    if (!file) return ENT_OK;
    if (config)
        snprintf(path, sizeof path, "%s", config);
    else
        status = model_beside(path, model, "config.json", error);
    if (!status) status = ent_llama_config_read(&read, path, error);
    if (!status) status = ent_calibration_read(&l->calibration, file, error);
    return status ? status : match(l, file, &read, weights, error);
}

void layer_inputs_free(struct layer_inputs *l)
{
    ent_calibration_free(&l->calibration);
    ent_free(l->input);
}
