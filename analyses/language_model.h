/* language_model.h - a model opened for forward passes, with its config.json and a text, from what a command was told. */
#ifndef ENT_ANALYSES_LANGUAGE_MODEL_H
#define ENT_ANALYSES_LANGUAGE_MODEL_H

#include <entropy/quality.h>

#include "tokens.h"

struct language_model {
    struct tokens tokens;
    ent_llama *llama;
};

/* `model` is the argument that names the model; config and text NULL: config.json and valid.u16 beside it. */
ent_status language_model_open(struct language_model *l, const char *model, const char *config, const char *text,
                               const ent_weights *weights, ent_error *error);
/* Sequences as long as the model's context. */
ent_text language_model_text(const struct language_model *l, size_t most, size_t skip);
void language_model_close(struct language_model *l); /* takes a zeroed one too */

#endif
