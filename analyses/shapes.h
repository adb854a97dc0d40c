/* shapes.h - the layers of a language model, y = W x each, and what they cost on a target together. */
#ifndef ENT_ANALYSES_SHAPES_H
#define ENT_ANALYSES_SHAPES_H

#include <entropy/target.h>
#include <entropy/weights.h>

struct shape {
    uint64_t rows, cols, copies;
    bool head; /* the last one, which a prompt needs for its last token alone */
};

struct shapes {
    struct shape *row;
    size_t rows;
    uint64_t weights;
};

/* The matrices among a model's tensors.  The embedding is looked up, not multiplied: it counts only as the
 * head of a model that has no other. */
ent_status shapes_of_weights(struct shapes *shapes, const ent_weights *weights, ent_error *error);

/* From a config.json of the Hugging Face kind: hidden_size, num_hidden_layers, num_attention_heads, vocab_size,
 * intermediate_size (or ffn_dim, for a model_type without gates); head_dim and num_key_value_heads if they are
 * there.  ENT_ECORRUPT when one is missing. */
ent_status shapes_of_config(struct shapes *shapes, const char *path, ent_error *error);

void shapes_free(struct shapes *shapes);

/* Adds up ent_target_cost over all layers, `vectors` for each but the head, which meets `sequences`. */
ent_status shapes_cost(const struct shapes *shapes, const ent_target *target, const ent_recipe *recipe,
                       double bits_per_weight, uint64_t vectors, uint64_t sequences, ent_layer_cost *sum,
                       ent_error *error);

#endif
