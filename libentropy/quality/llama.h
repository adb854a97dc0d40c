/* llama.h - the inside of the model, for the files of this module. */
#ifndef ENT_QUALITY_LLAMA_H
#define ENT_QUALITY_LLAMA_H

#include <entropy/quality.h>

typedef struct llama_layer { /* positions in tensor[]; a bias that is not there: -1 */
    int input_norm, post_norm;
    int q, k, v, o, gate, up, down;
    int q_bias, k_bias, v_bias, o_bias;
} llama_layer;

enum { ATTENTION_IN, ATTENTION_OUT, FFN_IN, FFN_OUT, LAYER_INPUTS }; /* of a layer, in the order of ent_llama_inputs */

struct ent_llama {
    ent_llama_config config;
    size_t tensors;
    ent_llama_tensor *tensor;
    int embedding, norm, head;
    llama_layer *layer;
    float *cosine, *sine; /* context x head_dim / 2 */
};

#endif
