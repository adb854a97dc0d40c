/* shapes.c - see shapes.h. */
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "shapes.h"

enum { MOST_LAYERS = 1 << 20 };

static ent_status add(struct shapes *s, uint64_t rows, uint64_t cols, uint64_t copies, bool head, ent_error *error)
{
    struct shape *larger = ent_alloc((s->rows + 1) * sizeof *larger);
    if (!larger) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (s->rows) memcpy(larger, s->row, s->rows * sizeof *larger);
    ent_free(s->row);
    s->row = larger;
    s->row[s->rows++] = (struct shape){ rows, cols, copies, head };
    s->weights += rows * cols * copies;
    return ENT_OK;
}

void shapes_free(struct shapes *shapes)
{
    ent_free(shapes->row);
    *shapes = (struct shapes){ .row = NULL };
}

/* ---- from tensors ----------------------------------------------------------------------------- */

ent_status shapes_of_weights(struct shapes *s, const ent_weights *weights, ent_error *error)
{
    const ent_tensor *embedding = NULL;
    bool head = false;
    ent_status status = ENT_OK;
    *s = (struct shapes){ .row = NULL };
    for (size_t i = 0; i < ent_weights_tensors(weights) && !status; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        bool is_head = !strcmp(t->role, "lm_head");
        if (t->rank != 2 || !t->elements) continue;
        if (!strcmp(t->role, "embed")) {
            if (!embedding) embedding = t; /* the first; others are positions */
            continue;
        }
        head |= is_head;
        status = add(s, t->shape[0], t->shape[1], 1, is_head, error);
    }
    if (!status && !head && embedding && s->rows)
        status = add(s, embedding->shape[0], embedding->shape[1], 1, true, error);
    if (!status && !s->rows) status = ent_fail(error, ENT_EUNSUPPORTED, "the model has no matrices");
    if (status) shapes_free(s);
    return status;
}

/* ---- from a config ---------------------------------------------------------------------------- */

/* The number under a key; 0 when it is not there.  Of layers and widths, so no more than 2^20 and vocabularies. */
static uint64_t get(const json_t *config, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(config, key));
    return n > 0 && n <= MOST_LAYERS ? (uint64_t)n : 0;
}

static ent_status layers(struct shapes *s, const json_t *config, const char *path, ent_error *error)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    uint64_t hidden = get(config, "hidden_size"), count = get(config, "num_hidden_layers"),
             heads = get(config, "num_attention_heads"), vocabulary = get(config, "vocab_size"),
             inner = get(config, "intermediate_size"), plain = get(config, "ffn_dim"),
             groups = get(config, "num_key_value_heads"), head = get(config, "head_dim");
    bool gated = inner && !(type && (!strcmp(type, "opt") || !strncmp(type, "gpt", 3)));
    if (!inner) inner = plain;
    if (!hidden || !count || !heads || !vocabulary || !inner)
        return ent_fail(error, ENT_ECORRUPT, "%s: needs hidden_size, num_hidden_layers, num_attention_heads, "
                        "vocab_size and intermediate_size or ffn_dim, as whole numbers above zero", path);
    if (!head) head = hidden / heads;
    if (!groups) groups = heads;
    ent_status status = add(s, heads * head, hidden, count, false, error);          /* queries */
    if (!status) status = add(s, groups * head, hidden, 2 * count, false, error);   /* keys, values */
    if (!status) status = add(s, hidden, heads * head, count, false, error);        /* the attention's output */
    if (!status) status = add(s, inner, hidden, (gated ? 2 : 1) * count, false, error);
    if (!status) status = add(s, hidden, inner, count, false, error);
    if (!status) status = add(s, vocabulary, hidden, 1, true, error);
    return status;
}

ent_status shapes_of_config(struct shapes *s, const char *path, ent_error *error)
{
    json_error_t reason;
    *s = (struct shapes){ .row = NULL };
    json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    if (!config) return ent_fail(error, ENT_ECORRUPT, "%s:%d: %s", path, reason.line, reason.text);
    ent_status status = layers(s, config, path, error);
    json_decref(config);
    if (status) shapes_free(s);
    return status;
}

/* ---- costs ------------------------------------------------------------------------------------ */

static void add_cost(ent_layer_cost *sum, const ent_layer_cost *c, double copies)
{
    sum->time_ns += copies * c->time_ns;
    sum->memory_ns += copies * c->memory_ns;
    sum->decode_ns += copies * c->decode_ns;
    sum->intake_ns += copies * c->intake_ns;
    sum->mac_ns += copies * c->mac_ns;
    sum->fill_ns += copies * c->fill_ns;
    sum->drain_ns += copies * c->drain_ns;
    sum->memory_pj += copies * c->memory_pj;
    sum->decode_pj += copies * c->decode_pj;
    sum->mac_pj += copies * c->mac_pj;
    sum->energy_pj += copies * c->energy_pj;
}

ent_status shapes_cost(const struct shapes *s, const ent_target *target, const ent_recipe *recipe,
                       double bits_per_weight, uint64_t vectors, uint64_t sequences, ent_layer_cost *sum,
                       ent_error *error)
{
    double bytes = (double)s->weights * bits_per_weight / 8;
    double longest = 0;
    *sum = (ent_layer_cost){ .limit = "" };
    for (size_t i = 0; i < s->rows; i++) {
        ent_layer_cost cost;
        ent_workload w = { .rows = s->row[i].rows, .cols = s->row[i].cols, .model_bytes = (uint64_t)bytes,
                           .vectors = s->row[i].head ? sequences : vectors };
        ent_status status = ent_target_cost(target, recipe, bits_per_weight, &w, &cost, error);
        if (status) return status;
        double copies = (double)s->row[i].copies;
        add_cost(sum, &cost, copies);
        if (copies * cost.time_ns > longest) { /* the limit of the kind of layer that takes longest */
            longest = copies * cost.time_ns;
            sum->limit = cost.limit;
        }
    }
    return ENT_OK;
}
