/* views_bitsandbytes.c - view of the 4-bit weights of bitsandbytes: indices into a list of 16 levels, two a byte, a
 * scale (absmax) for each block; the scales may be 8-bit indices with scales themselves.  A JSON text beside the
 * weights, quant_state, says all of it. */
#include <string.h>

#include "weights/views.h"

typedef unsigned long long ull; /* uint64_t for printf */

static const char *const kinds[] = { "nf4", "fp4" };
static const char *const states[] = { ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4" };

static ent_tensor *state_of(const ent_viewing *v, size_t *kind)
{
    for (*kind = 0; *kind < 2; ++*kind) {
        ent_tensor *found = ent_view_beside(v, states[*kind]);
        if (ent_view_is(found, "U8", 1)) return found;
    }
    return NULL;
}

static bool named(const ent_viewing *v)
{
    size_t kind;
    return !strcmp(v->codes->dtype, "U8") && ent_view_beside(v, ".weight.absmax") && state_of(v, &kind);
}

/* The product of the sizes of "shape"; 0 for what is none. */
static uint64_t elements_of(const json_t *shape)
{
    uint64_t n = json_array_size(shape) > 0;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        json_int_t size = json_integer_value(json_array_get(shape, i));
        if (size < 1 || __builtin_mul_overflow(n, (uint64_t)size, &n)) return 0;
    }
    return n;
}

static ent_status check_scales(const ent_viewing *v, const ent_tensor *scales, const char *name, uint64_t n, const json_t *state,
                               const char *key)
{
    json_int_t size = json_integer_value(json_object_get(state, key));
    if (!scales || size < 1) return ent_view_wrong(v, v->codes, "no %s, or no %s in its quant_state", name, key);
    if (scales->elements == ent_parts(n, (uint64_t)size)) return ENT_OK;
    return ent_view_wrong(v, scales, "%llu scales for %llu in blocks of %llu", (ull)scales->elements, (ull)n, (ull)size);
}

/* Whether the state is of the kind that its name says, and sizes agree with it. */
static ent_status check(const ent_viewing *v, const ent_tensor *at, const json_t *state, const char *kind)
{
    const ent_tensor *absmax = ent_view_beside(v, ".weight.absmax");
    const char *type = json_string_value(json_object_get(state, "quant_type"));
    uint64_t n = elements_of(json_object_get(state, "shape"));
    if (!type || strcmp(type, kind)) return ent_view_wrong(v, at, "its quant_type is not \"%s\"", kind);
    if (v->promised && *v->config.variant && strcmp(v->config.variant, kind))
        return ent_view_wrong(v, at, "%s, but config.json says bnb_4bit_quant_type \"%s\"", kind, v->config.variant);
    if (!n || v->codes->elements != ent_parts(n, 2))
        return ent_view_wrong(v, v->codes, "%llu bytes for the %llu weights of its quant_state", (ull)v->codes->elements,
                              (ull)n);
    ent_status status = check_scales(v, absmax, "absmax", n, state, "blocksize");
    if (status || !json_object_get(state, "nested_blocksize")) return status;
    return check_scales(v, ent_view_beside(v, ".weight.nested_absmax"), "nested_absmax", absmax->elements, state,
                        "nested_blocksize");
}

static ent_status show(const ent_viewing *v)
{
    static const struct { const char *ending, *part; } rest[] = {
        { ".weight.absmax", "scales" }, { ".weight.nested_absmax", "scales of scales" }, { ".weight.quant_map", "levels" },
        { ".weight.nested_quant_map", "levels of scales" },
    };
    size_t kind;
    json_t *state;
    ent_tensor *at = state_of(v, &kind);
    ent_status status = ent_json_object(&state, at->bytes, at->offset, v->model->file[at->file].name, v->error);
    if (status) return status;
    status = check(v, at, state, kinds[kind]);
    json_decref(state);
    if (!status) status = ent_view_unpack(v, v->codes, "U4", 2, "codes");
    for (size_t i = 0; i < sizeof rest / sizeof *rest && !status; i++)
        status = ent_view_part(v, ent_view_beside(v, rest[i].ending), rest[i].part);
    return status ? status : ent_view_part(v, at, "settings");
}

const ent_view ent_view_bitsandbytes = {
    .ending = ".weight", .method = { "bitsandbytes" }, .named = named, .show = show,
};
