/* views_config.c - what config.json says of how weights were quantized.
 *
 * Each method has its own keys; compressed-tensors and modelopt have config_groups, of which what all groups agree in
 * is taken.  GPTQModel's "dynamic" gives single layers other bits: then none are taken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "weights/views.h"

typedef struct source {
    const char *path;
    ent_error *error;
    ent_status status; /* of the first value that is wrong */
} source;

static void wrong(source *s, const char *key, const char *wanted)
{
    if (!s->status)
        s->status = ent_fail(s->error, ENT_ECORRUPT, "%s: \"%s\" of the quantization_config is not %s", s->path, key,
                             wanted);
}

static const json_t *value(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    return json_is_null(found) ? NULL : found;
}

static void text(source *s, const json_t *object, const char *key, char *out, size_t size)
{
    const json_t *found = value(object, key);
    if (!found || !out || *out) return;
    if (json_is_string(found))
        snprintf(out, size, "%s", json_string_value(found));
    else
        wrong(s, key, "a text");
}

/* A whole number; -1 stands for "all in one group", which is not said either. */
static void number(source *s, const json_t *object, const char *key, json_int_t most, uint64_t *out)
{
    const json_t *found = value(object, key);
    json_int_t n = json_integer_value(found);
    if (!found || *out) return;
    if (!json_is_integer(found) || n < -1 || n > most)
        wrong(s, key, "a whole number that makes sense");
    else
        *out = n > 0 ? (uint64_t)n : 0;
}

static void pair(source *s, const json_t *object, const char *key, uint64_t out[2])
{
    const json_t *found = value(object, key);
    if (!found) return;
    for (size_t i = 0; i < 2; i++) {
        json_int_t n = json_integer_value(json_array_get(found, i));
        if (json_array_size(found) != 2 || n < 1) wrong(s, key, "a pair of sizes");
        out[i] = n < 1 ? 0 : (uint64_t)n;
    }
}

enum { MOST_BITS = 64, MOST_GROUP = 1 << 30 };

static void agree(uint64_t *all, uint64_t one, bool first)
{
    if (first) *all = one;
    if (*all != one) *all = 0;
}

/* "config_groups": { NAME: { "format": ..., "weights": { "num_bits": ..., "group_size": ... } } } */
static void groups(source *s, const json_t *config, ent_quantization *q)
{
    const json_t *all = value(config, "config_groups");
    const char *name;
    json_t *group;
    bool first = true;
    if (!all) return;
    if (!json_is_object(all)) wrong(s, "config_groups", "an object");
    json_object_foreach((json_t *)(uintptr_t)all, name, group) {
        const json_t *weights = value(group, "weights");
        ent_quantization one = { .bits = 0 };
        number(s, weights, "num_bits", MOST_BITS, &one.bits);
        number(s, weights, "group_size", MOST_GROUP, &one.group_size);
        pair(s, weights, "block_structure", one.block);
        text(s, group, "format", one.variant, sizeof one.variant);
        agree(&q->bits, one.bits, first);
        agree(&q->group_size, one.group_size, first);
        agree(&q->block[0], one.block[0], first);
        agree(&q->block[1], one.block[1], first);
        if (first && *one.variant) memcpy(q->variant, one.variant, sizeof q->variant);
        if (strcmp(q->variant, one.variant) && *one.variant) memset(q->variant, 0, sizeof q->variant);
        first = false;
    }
}

static void read_all(source *s, const json_t *config, ent_quantization *q)
{
    static const char *const variant[] = { "format", "quant_algo", "bnb_4bit_quant_type", "version" };
    const json_t *dynamic = value(config, "dynamic");
    text(s, config, "quant_method", q->method, sizeof q->method);
    for (size_t i = 0; i < sizeof variant / sizeof *variant; i++)
        text(s, config, variant[i], q->variant, sizeof q->variant);
    groups(s, config, q);
    if (json_is_object(dynamic) && json_object_size(dynamic)) return;
    number(s, config, "bits", MOST_BITS, &q->bits);
    number(s, config, "group_size", MOST_GROUP, &q->group_size);
    pair(s, config, "weight_block_size", q->block);
    if (json_is_true(value(config, "load_in_8bit"))) q->bits = 8;
    if (json_is_true(value(config, "load_in_4bit"))) q->bits = 4;
}

ent_status ent_quantization_read(ent_quantization *q, const char *path, ent_error *error)
{
    enum { MOST_BYTES = 16 << 20 }; /* real ones have some KiB; a hostile one must not fill the memory */
    char name[4096];
    const char *slash = strrchr(path, '/');
    struct stat st;
    json_error_t where;
    source s = { name, error, ENT_OK };
    *q = (ent_quantization){ .bits = 0 };
    int size = snprintf(name, sizeof name, "%.*sconfig.json", slash ? (int)(slash + 1 - path) : 0, path);
    if (size >= (int)sizeof name || (stat(name, &st) && errno == ENOENT)) return ENT_OK;
    if (!S_ISREG(st.st_mode) || st.st_size > MOST_BYTES)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: no regular file of at most 16 MiB", name);
    json_t *root = json_load_file(name, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return ent_fail(error, ENT_ECORRUPT, "%s: line %d: %s; it is to say how the weights are packed", name, where.line,
                        ent_quote(where.text).text);
    const json_t *config = value(root, "quantization_config");
    if (config && !json_is_object(config))
        s.status = ent_fail(error, ENT_ECORRUPT, "%s: \"quantization_config\" is not an object", name);
    if (config && !s.status) read_all(&s, config, q);
    json_decref(root);
    return s.status;
}
