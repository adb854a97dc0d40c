/* views_scaled.c - views of weights of 8 bits with scales beside them: INT8 and FP8, a scale for all, for each row or
 * for each block.  The dtype says what the words are; what is left is to tell weights from scales. */
#include <string.h>

#include "weights/views.h"

typedef unsigned long long ull; /* uint64_t for printf */

static const char *const endings[] = { ".weight_scale", ".weight_scale_inv", ".SCB" };

static ent_tensor *scales_of(const ent_viewing *v)
{
    ent_tensor *found = NULL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && !found; i++) found = ent_view_beside(v, endings[i]);
    return found;
}

static bool named(const ent_viewing *v)
{
    const char *dtype = v->codes->dtype;
    return v->codes->rank >= 2 && (!strcmp(dtype, "I8") || !strncmp(dtype, "F8_E4", 5) || !strncmp(dtype, "F8_E5", 5)) &&
           scales_of(v);
}

/* n elements in `parts` blocks of equal size, the last maybe short. */
static bool cut(uint64_t n, uint64_t parts, uint64_t size)
{
    if (!n || !parts || parts > n) return n == parts;
    return ent_parts(n, size ? size : ent_parts(n, parts)) == parts;
}

static ent_status show(const ent_viewing *v)
{
    ent_tensor *codes = v->codes, *scales = scales_of(v);
    uint32_t rank = codes->rank;
    bool fits = scales->elements == 1 || (scales->rank == 1 && scales->shape[0] == codes->shape[0]);
    if (!fits && scales->rank == rank) {
        const uint64_t *block = v->config.block;
        bool blocks = block[0] && scales->shape[rank - 1] > 1; /* else a scale a row */
        fits = true;
        for (uint32_t k = 0; k < rank; k++)
            fits &= cut(codes->shape[k], scales->shape[k], blocks && k + 2 >= rank ? block[k + 2 - rank] : 0);
    }
    if (!fits)
        return ent_view_misfit(v, scales, "its %llu scales do not cut the %llu weights of %s into rows or blocks%s",
                               (ull)scales->elements, (ull)codes->elements, ent_quote(codes->name).text,
                               v->config.block[0] ? " of the size that config.json says" : "");
    ent_status status = ent_view_part(v, codes, "codes");
    if (!status) status = ent_view_part(v, scales, "scales");
    if (!status) status = ent_view_part(v, ent_view_beside(v, ".weight_zero_point"), "zeros");
    if (!status) status = ent_view_part(v, ent_view_beside(v, ".weight_format"), "settings");
    return status ? status : ent_view_part(v, ent_view_beside(v, ".input_scale"), "input scale");
}

const ent_view ent_view_scaled = {
    .ending = ".weight", .method = { "fp8", "compressed-tensors", "bitsandbytes", "modelopt" }, .named = named,
    .show = show,
};
