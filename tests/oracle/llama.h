/* llama.h - the Llama forward pass once more, written from the papers in plain loops and double precision. */
#ifndef ENT_ORACLE_LLAMA_H
#define ENT_ORACLE_LLAMA_H

#include <entropy/quality.h>

/* `get(name)` gives a parameter's values, or NULL when the model has none of that name.  Logits after
 * each of n tokens into n * vocab doubles. */
void oracle_llama(const ent_llama_config *config, const float *(*get)(const char *name, void *context), void *context,
                  const uint32_t *tokens, size_t n, double *logits);

#endif
