/* source.c - see source.h. */
#include <string.h>

#include "pack/source.h"

ent_status ent_pack_source_index(ent_pack_source *source, ent_error *error)
{
    if (source->weights) return ENT_OK;
    if (!(source->by_name = json_object())) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < ent_container_tensors(source->container); i++)
        if (json_object_set_new(source->by_name, ent_container_tensor_at(source->container, i).name, json_integer((json_int_t)i)))
            return ent_fail(error, ENT_ENOMEM, "out of memory");
    return ENT_OK;
}

void ent_pack_source_free(ent_pack_source *source) { json_decref(source->by_name); }

static ent_status missing(const char *name, ent_error *error)
{
    return ent_fail(error, ENT_ECORRUPT, "a packed model without its tensor %.200s", name);
}

ent_status ent_pack_source_find(const ent_pack_source *source, const char *name, ent_pack_tensor *tensor, ent_error *error)
{
    if (source->weights) {
        const ent_tensor *t = ent_weights_find(source->weights, name);
        if (!t) return missing(name, error);
        *tensor = (ent_pack_tensor){ 0, t->dtype, t->elements, t->bytes.size };
        for (; ent_weights_tensor(source->weights, tensor->index) != t; tensor->index++) continue;
        return ENT_OK;
    }
    const json_t *index = json_object_get(source->by_name, name);
    if (!index) return missing(name, error);
    size_t i = (size_t)json_integer_value(index);
    ent_container_tensor t = ent_container_tensor_at(source->container, i);
    *tensor = (ent_pack_tensor){ i, t.dtype, t.elements, t.bytes };
    return ENT_OK;
}

ent_status ent_pack_source_read(const ent_pack_source *source, const ent_pack_tensor *tensor, void **bytes, ent_error *error)
{
    ent_status status = ENT_OK;
    void *out = ent_alloc((size_t)tensor->bytes + 1);
    *bytes = NULL;
    if (!out) return ent_fail(error, ENT_ENOMEM, "no memory for a tensor of %llu bytes", (unsigned long long)tensor->bytes);
    if (source->weights) {
        ent_bytes from = ent_weights_tensor(source->weights, tensor->index)->bytes;
        if (from.size) memcpy(out, from.data, from.size);
        ent_weights_release(source->weights, from);
    } else if (tensor->bytes) {
        status = ent_container_read(source->container, tensor->index, out, source->run, error);
    }
    if (status)
        ent_free(out);
    else
        *bytes = out;
    return status;
}
