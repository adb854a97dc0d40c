/* config.c - config.json of a Llama-like model, refusing what the forward pass would get wrong. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <entropy/quality.h>

enum { MOST = 1 << 24 }; /* of any size in a config */

typedef struct source { /* where a value comes from, for errors */
    const char *path;
    const json_t *object;
    ent_error *error;
    ent_status status;
} source;

/* A whole number; `preset` < 0: it must be there. */
static uint32_t whole(source *s, const char *key, int64_t preset)
{
    const json_t *value = json_object_get(s->object, key);
    if (s->status) return 0;
    if (json_is_null(value) || !value) {
        if (preset < 0) s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: %s is missing", s->path, key);
        return (uint32_t)(preset < 0 ? 0 : preset);
    }
    if (json_is_array(value)) value = json_array_get(value, 0); /* some list several ends of text */
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > MOST)
        s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: %s is no number between 0 and %d", s->path, key, MOST);
    return (uint32_t)n;
}

static double real(source *s, const char *key, double preset)
{
    const json_t *value = json_object_get(s->object, key);
    if (s->status || !value || json_is_null(value)) return preset;
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x > 0) || !isfinite(x))
        s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: %s is no positive number", s->path, key);
    return x;
}

static const char *text(const source *s, const char *key, const char *preset)
{
    const char *value = json_string_value(json_object_get(s->object, key));
    return value ? value : preset;
}

static void check_kind(source *s)
{
    static const char *const known[] = { "llama", "mistral", "qwen2" };
    const char *type = text(s, "model_type", "llama"), *act = text(s, "hidden_act", "silu");
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) found |= !strcmp(type, known[i]);
    if (s->status) return;
    if (!found)
        s->status = ent_fail(s->error, ENT_EUNSUPPORTED, "%s: model_type is \"%.40s\"; the forward pass knows llama, mistral "
                             "and qwen2", s->path, type);
    else if (strcmp(act, "silu"))
        s->status = ent_fail(s->error, ENT_EUNSUPPORTED, "%s: hidden_act is \"%.40s\", not silu", s->path, act);
    else if (json_is_true(json_object_get(s->object, "mlp_bias")))
        s->status = ent_fail(s->error, ENT_EUNSUPPORTED, "%s: mlp_bias is true: biases are known in attention only", s->path);
}

static void read_scaling(source *s, ent_llama_config *c)
{
    const json_t *scaling = json_object_get(s->object, "rope_scaling");
    c->rope_factor = c->rope_low = c->rope_high = 1;
    c->rope_context = 0;
    if (s->status || !json_is_object(scaling)) return;
    source inner = { s->path, scaling, s->error, ENT_OK };
    const char *type = text(&inner, "rope_type", text(&inner, "type", ""));
    c->rope_factor = real(&inner, "factor", 1);
    if (!strcmp(type, "llama3")) {
        c->rope_low = real(&inner, "low_freq_factor", 1);
        c->rope_high = real(&inner, "high_freq_factor", 4);
        c->rope_context = whole(&inner, "original_max_position_embeddings", 8192);
        if (!inner.status && !(c->rope_high > c->rope_low))
            inner.status = ent_fail(s->error, ENT_ECORRUPT, "%s: high_freq_factor is not above low_freq_factor", s->path);
    } else if (!strcmp(type, "default")) {
        c->rope_factor = 1;
    } else if (strcmp(type, "linear")) {
        inner.status = ent_fail(s->error, ENT_EUNSUPPORTED, "%s: rope_scaling of type \"%.40s\"; linear and llama3 are known",
                                s->path, type);
    }
    s->status = inner.status;
}

static void check(source *s, const ent_llama_config *c)
{
    if (s->status) return;
    if (!c->vocab || !c->hidden || !c->ffn || !c->layers || !c->heads || !c->context)
        s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: a size is 0", s->path);
    else if (!c->kv_heads || c->heads % c->kv_heads)
        s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: %u heads cannot share %u key and value heads", s->path, c->heads,
                             c->kv_heads);
    else if (!c->head_dim || c->head_dim % 2 || (uint64_t)c->head_dim * c->heads > MOST)
        s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: heads of %u values cannot be rotated", s->path, c->head_dim);
}

static void read_all(source *s, ent_llama_config *c)
{
    check_kind(s);
    c->vocab = whole(s, "vocab_size", -1);
    c->hidden = whole(s, "hidden_size", -1);
    c->ffn = whole(s, "intermediate_size", -1);
    c->layers = whole(s, "num_hidden_layers", -1);
    c->heads = whole(s, "num_attention_heads", -1);
    c->kv_heads = whole(s, "num_key_value_heads", c->heads);
    c->head_dim = whole(s, "head_dim", c->heads ? c->hidden / c->heads : 0);
    c->context = whole(s, "max_position_embeddings", 2048);
    c->bos = whole(s, "bos_token_id", 1);
    c->eps = real(s, "rms_norm_eps", 1e-6);
    c->theta = real(s, "rope_theta", 10000);
    c->tied = json_is_true(json_object_get(s->object, "tie_word_embeddings"));
    read_scaling(s, c);
    check(s, c);
}

ent_status ent_llama_config_read(ent_llama_config *config, const char *path, ent_error *error)
{
    json_error_t e;
    FILE *file = fopen(path, "r");
    if (!file) return ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
    json_t *object = json_loadf(file, JSON_REJECT_DUPLICATES, &e);
    fclose(file);
    if (!json_is_object(object)) {
        json_decref(object);
        return ent_fail(error, ENT_ECORRUPT, "%s: not a JSON object (line %d: %s)", path, object ? 1 : e.line,
                        object ? "another value" : e.text);
    }
    source s = { path, object, error, ENT_OK };
    *config = (ent_llama_config){ 0 };
    read_all(&s, config);
    json_decref(object);
    return s.status;
}
