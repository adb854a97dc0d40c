/* choice.c - see choice.h. */
#include <errno.h>
#include <string.h>

#include "choice.h"
#include "command.h"
#include "output.h"
#include "save.h"

#define FORMAT "libentropy choice"
enum { VERSION = 1 };

/* ---- writing --------------------------------------------------------------------------------- */

static json_t *codecs_json(const struct choice *choice)
{
    json_t *list = json_array();
    for (size_t i = 0; i < choice->codecs; i++) {
        json_t *codec = json_object();
        json_text(codec, "name", ent_codec_name(choice->codec[i]));
        json_text(codec, "text", ent_codec_text(choice->codec[i]));
        json_array_append_new(list, codec);
    }
    return list;
}

static json_t *predicted_json(const struct choice_prediction *p)
{
    json_t *object = json_object();
    json_real_or_null(object, "bytes", p->bytes);
    json_real_or_null(object, "bytes_error", p->bytes_error);
    json_real_or_null(object, "ns", p->ns);
    json_real_or_null(object, "raw_ns", p->raw_ns);
    return object;
}

ent_status choice_write(const struct choice *choice, const ent_weights *weights, const char *model, const char *path,
                        ent_error *error)
{
    struct save save;
    json_t *root = json_object(), *tensors = json_object();
    json_text(root, "format", FORMAT);
    json_count(root, "version", VERSION);
    json_text(root, "program", ENT_VERSION);
    json_text(root, "model", model);
    json_text(root, "target", choice->target);
    json_count(root, "threads", choice->predicted.threads);
    json_object_set_new(root, "predicted", predicted_json(&choice->predicted));
    json_object_set_new(root, "codecs", codecs_json(choice));
    for (size_t i = 0; i < ent_weights_tensors(weights); i++)
        json_count(tensors, ent_weights_tensor(weights, i)->name, choice->of[i]);
    json_object_set_new(root, "tensors", tensors);
    bool all = json_object_size(tensors) == ent_weights_tensors(weights);
    ent_status status = all ? ENT_OK : ent_fail(error, ENT_EINVAL, "a tensor's name is not UTF-8");
    if (!status) status = save_open(&save, path, error);
    if (!status) {
        if (json_dumpf(root, save.file, JSON_INDENT(1) | JSON_PRESERVE_ORDER) || fputc('\n', save.file) == EOF)
            status = ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
        status = save_close(&save, status, error);
    }
    json_decref(root);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static ent_status refuse(const char *path, ent_error *error, const char *why)
{
    return ent_fail(error, ENT_ECORRUPT, "%s: %s", path, why);
}

static ent_status read_codecs(struct choice *choice, const char *path, ent_error *error)
{
    const json_t *list = json_object_get(choice->root, "codecs");
    size_t n = json_array_size(list);
    if (!n) return refuse(path, error, "no codecs");
    if (!(choice->codec = ent_calloc(n, sizeof *choice->codec))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (choice->codecs = 0; choice->codecs < n; choice->codecs++) {
        const char *text = json_string_value(json_object_get(json_array_get(list, choice->codecs), "text"));
        ent_error why;
        if (!text) return refuse(path, error, "a codec without text");
        ent_status status = ent_codec_parse(&choice->codec[choice->codecs], text, &why);
        if (status) return ent_fail(error, status, "%s: %.800s", path, why.text);
    }
    return ENT_OK;
}

static ent_status read_tensors(struct choice *choice, const ent_weights *weights, const char *path, ent_error *error)
{
    const json_t *tensors = json_object_get(choice->root, "tensors");
    size_t n = ent_weights_tensors(weights);
    if (!json_is_object(tensors)) return refuse(path, error, "no tensors");
    if (json_object_size(tensors) != n)
        return ent_fail(error, ENT_ECORRUPT, "%s: chosen for a model of %zu tensors, this one has %zu", path,
                        json_object_size(tensors), n);
    if (!(choice->of = ent_calloc(n + 1, sizeof *choice->of))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s", ent_weights_tensor(weights, i)->name);
        const json_t *of = json_object_get(tensors, ent_weights_tensor(weights, i)->name);
        if (!of) return ent_fail(error, ENT_ECORRUPT, "%s: nothing is chosen for tensor %s", path, make_plain(name));
        if (!json_is_integer(of) || json_integer_value(of) < 0 || json_integer_value(of) >= (json_int_t)choice->codecs)
            return ent_fail(error, ENT_ECORRUPT, "%s: tensor %s: no such codec", path, make_plain(name));
        choice->of[i] = (uint32_t)json_integer_value(of);
    }
    return ENT_OK;
}

static ent_status read_head(struct choice *choice, const char *path, ent_error *error)
{
    const json_t *root = choice->root, *p = json_object_get(root, "predicted");
    const char *format = json_string_value(json_object_get(root, "format"));
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    if (!format || strcmp(format, FORMAT)) return refuse(path, error, "not a choice made by `entropy choose`");
    if (version != VERSION)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: a choice of version %lld; this program reads version %d", path,
                        (long long)version, VERSION);
    choice->target = json_string_value(json_object_get(root, "target"));
    choice->predicted = (struct choice_prediction){
        .bytes = json_number_value(json_object_get(p, "bytes")),
        .bytes_error = json_number_value(json_object_get(p, "bytes_error")),
        .ns = json_number_value(json_object_get(p, "ns")),
        .raw_ns = json_number_value(json_object_get(p, "raw_ns")),
        .threads = (unsigned)json_integer_value(json_object_get(root, "threads")),
    };
    return choice->target ? ENT_OK : refuse(path, error, "no target");
}

ent_status choice_read(struct choice *choice, const ent_weights *weights, const char *path, ent_error *error)
{
    json_error_t why;
    *choice = (struct choice){ 0 };
    FILE *file = fopen(path, "rb");
    if (!file) return ent_fail(error, ENT_EINVAL, "%s: %s", path, strerror(errno));
    choice->root = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
    fclose(file);
    if (!choice->root) return ent_fail(error, ENT_ECORRUPT, "%s: line %d: %s", path, why.line, why.text);
    ent_status status = read_head(choice, path, error);
    if (!status) status = read_codecs(choice, path, error);
    if (!status && weights) status = read_tensors(choice, weights, path, error);
    if (status) choice_free(choice);
    return status;
}

void choice_free(struct choice *choice)
{
    for (size_t i = 0; i < choice->codecs && choice->codec; i++) ent_codec_free(choice->codec[i]);
    ent_free(choice->codec);
    ent_free(choice->of);
    json_decref(choice->root);
    *choice = (struct choice){ 0 };
}
