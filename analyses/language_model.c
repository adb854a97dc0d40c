/* language_model.c - see language_model.h. */
#include <stdio.h>

#include "language_model.h"
#include "model.h"

ent_status language_model_open(struct language_model *l, const char *model, const char *config, const char *text,
                               const ent_weights *weights, ent_error *error)
{
    char path[PATH_MAX];
    ent_llama_config read;
    ent_status status = ENT_OK;
    *l = (struct language_model){ .llama = NULL };
    if (config)
        snprintf(path, sizeof path, "%s", config);
    else
        status = model_beside(path, model, "config.json", error);
    if (!status) status = ent_llama_config_read(&read, path, error);
    if (!status && text)
        snprintf(path, sizeof path, "%s", text);
    else if (!status)
        status = model_beside(path, model, "valid.u16", error);
    if (!status) status = tokens_read(&l->tokens, path, error);
    return status ? status : ent_llama_open(&l->llama, &read, weights, error);
}

ent_text language_model_text(const struct language_model *l, size_t most, size_t skip)
{
    return (ent_text){ l->tokens.token, l->tokens.n, ent_llama_config_of(l->llama)->context, most, skip };
}

void language_model_close(struct language_model *l)
{
    tokens_free(&l->tokens);
    ent_llama_close(l->llama);
}
