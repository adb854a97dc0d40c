/* sequences.c - windows of a text, or its parts from one bos token to the next. */
#include "quality/sequences.h"

static void append(sequences *s, size_t first, size_t length)
{
    if (length < 2) return;
    if (s->first) {
        s->first[s->n] = first;
        s->length[s->n] = length;
    }
    s->n++;
}

/* Drops the first `skip`, keeps `most` of the others. */
static void choose(sequences *s, const ent_text *text)
{
    s->n -= text->skip;
    for (size_t i = 0; i < s->n; i++) {
        s->first[i] = s->first[i + text->skip];
        s->length[i] = s->length[i + text->skip];
    }
    if (text->most && s->n > text->most) s->n = text->most;
}

/* Counts while there are no arrays yet. */
static void cut(sequences *s, const ent_text *text, const ent_llama_config *config)
{
    s->n = 0;
    if (text->window) {
        for (size_t at = 0; text->n - at > text->window; at += text->window) append(s, at, text->window + 1);
        return;
    }
    for (size_t at = 0, end; at < text->n; at = end) {
        for (end = at + 1; end < text->n && text->tokens[end] != config->bos;) end++;
        append(s, at, end - at < config->context ? end - at : config->context);
    }
}

ent_status ent_sequences_cut(sequences *s, const ent_text *text, const ent_llama_config *config, ent_error *error)
{
    *s = (sequences){ 0 };
    for (size_t i = 0; i < text->n; i++)
        if (text->tokens[i] >= config->vocab)
            return ent_fail(error, ENT_EINVAL, "token %u at position %zu, the vocabulary ends before %u: not this model's text",
                            text->tokens[i], i, config->vocab);
    if (text->window > config->context)
        return ent_fail(error, ENT_EINVAL, "a window of %zu tokens, the model's context is %u", text->window, config->context);
    cut(s, text, config);
    if (!s->n) return ent_fail(error, ENT_EINVAL, "a text of %zu tokens leaves nothing to predict", text->n);
    if (s->n <= text->skip)
        return ent_fail(error, ENT_EINVAL, "a text of %zu sequences, %zu to be passed over", s->n, text->skip);
    s->first = ent_calloc(s->n, sizeof *s->first);
    s->length = ent_calloc(s->n, sizeof *s->length);
    if (!s->first || !s->length) {
        ent_sequences_free(s);
        return ent_fail(error, ENT_ENOMEM, "out of memory");
    }
    cut(s, text, config);
    choose(s, text);
    return ENT_OK;
}

void ent_sequences_free(sequences *s)
{
    ent_free(s->first);
    ent_free(s->length);
    *s = (sequences){ 0 };
}
