/* index.c - the reader of sharded models: model.safetensors.index.json or pytorch_model.bin.index.json, and shards.
 *
 * {"metadata": ..., "weight_map": {"tensor": "shard.safetensors" or "shard.bin", ...}}.  The map and the shards must
 * agree in both directions, which other loaders do not check.  Shards lie beside the index and may
 * be links out of its folder, as in the Hugging Face cache; names that leave the folder by
 * themselves are refused.  "total_size" is advisory everywhere and not looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "weights/pytorch.h"
#include "weights/reader.h"

static ent_status check_shard_name(const char *index, const char *tensor, const char *shard, ent_error *error)
{
    if (!shard)
        return ent_fail(error, ENT_ECORRUPT, "%s: the shard of tensor %s is not a string", index,
                        ent_quote(tensor).text);
    if (!ent_plain_name(shard))
        return ent_fail(error, ENT_ECORRUPT, "%s: shard name %s of tensor %s is not a plain file name", index,
                        ent_quote(shard).text, ent_quote(tensor).text);
    if (!ent_ends_with(shard, ".safetensors") && !ent_ends_with(shard, ".bin"))
        return ent_fail(error, ENT_ECORRUPT, "%s: shard %s of tensor %s is neither a .safetensors nor a .bin file",
                        index, ent_quote(shard).text, ent_quote(tensor).text);
    return ENT_OK;
}

static int order_of_text(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* The distinct shard names, sorted; `*shard` is to be freed by ent_free. */
static ent_status list_shards(const char *index, json_t *map, const char ***shard, size_t *shards, ent_error *error)
{
    size_t n = 0, distinct = 0;
    const char *tensor;
    json_t *value;
    const char **list = ent_calloc(json_object_size(map), sizeof *list);
    if (!list) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", index);
    *shard = list;
    json_object_foreach(map, tensor, value) {
        ent_status status = check_shard_name(index, tensor, json_string_value(value), error);
        if (status) return status;
        list[n++] = json_string_value(value);
    }
    if (n) qsort(list, n, sizeof *list, order_of_text);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(list[i], list[distinct - 1])) list[distinct++] = list[i];
    *shards = distinct;
    return ENT_OK;
}

/* Maps and reads a shard that lies beside the index at `path`. */
static ent_status read_shard(ent_weights *model, const char *path, const char *shard, ent_error *error)
{
    uint32_t file = 0;
    ent_status status = ent_model_map_beside(model, path, shard, "shard", &file, error);
    if (status) return status;
    ent_bytes bytes = model->file[file].bytes;
    const char *known = ent_known_format(bytes);
    if (ent_pytorch_recognises(bytes)) return ent_pytorch_append(model, file, error);
    if (known) return ent_fail(error, ENT_EUNSUPPORTED, "%s: %s", shard, known);
    return ent_safetensors_append(model, file, error);
}

/* Every tensor is in the shard that the map says, and the map says one for every tensor. */
static ent_status check_map(const ent_weights *model, json_t *map, ent_error *error)
{
    const char *index = model->file[0].name, *name;
    json_t *value;
    json_object_foreach(map, name, value) {
        const ent_tensor *t = ent_weights_find(model, name);
        const char *shard = json_string_value(value);
        if (!t || strcmp(model->file[t->file].name, shard))
            return ent_fail(error, ENT_ECORRUPT, "%s: tensor %s should be in shard \"%s\" but is %s%s", index,
                            ent_quote(name).text, shard, t ? "in " : "not", t ? model->file[t->file].name : "");
    }
    for (size_t i = 0; i < model->tensors; i++) {
        const ent_tensor *t = &model->tensor[i];
        if (!json_object_get(map, t->name))
            return ent_fail(error, ENT_ECORRUPT, "%s: tensor %s of shard \"%s\" is not in the weight map", index,
                            ent_quote(t->name).text, model->file[t->file].name);
    }
    return ENT_OK;
}

static ent_status read_index(ent_weights *model, const char *path, ent_error *error)
{
    const char *index = model->file[0].name, **shard = NULL;
    size_t shards = 0;
    json_t *root, *map;
    ent_status status = ent_json_object(&root, model->file[0].bytes, 0, index, error);
    if (status) return status;
    map = json_object_get(root, "weight_map");
    if (json_is_object(map))
        status = list_shards(index, map, &shard, &shards, error);
    else
        status = ent_fail(error, ENT_ECORRUPT, "%s: no \"weight_map\" object: not the index of a sharded model", index);
    for (size_t i = 0; i < shards && !status; i++) status = read_shard(model, path, shard[i], error);
    if (!status) status = ent_model_finish(model, error);
    if (!status) status = check_map(model, map, error);
    ent_free(shard);
    json_decref(root);
    return status;
}

/* A JSON object of text; the length of a safetensors header, which may begin with '{' too, has NULs. */
static bool recognises(ent_bytes file)
{
    size_t i = 0;
    if (memchr(file.data, 0, file.size < 8 ? file.size : 8)) return false;
    while (i < file.size && memchr(" \t\r\n", file.data[i], 4)) i++;
    return i < file.size && file.data[i] == '{';
}

const ent_reader ent_reader_index = {
    .name = "index",
    .brief = "the JSON index of a model in several safetensors or PyTorch files",
    .extension = ".index.json",
    .recognises = recognises,
    .read = read_index,
};
