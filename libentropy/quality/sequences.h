/* sequences.h - a token file cut into sequences. */
#ifndef ENT_QUALITY_SEQUENCES_H
#define ENT_QUALITY_SEQUENCES_H

#include <entropy/quality.h>

typedef struct sequences {
    size_t n;
    size_t *first, *length; /* length: tokens, the given one included, at least 2 */
} sequences;

/* ENT_EINVAL when a token is not below vocab, there is nothing to predict or the window is beyond the context. */
ent_status ent_sequences_cut(sequences *s, const ent_text *text, const ent_llama_config *config, ent_error *error);
void ent_sequences_free(sequences *s);

#endif
