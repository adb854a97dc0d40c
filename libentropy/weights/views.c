/* views.c - packed codes of quantized checkpoints, seen as codes: see ent_weights_view_packed. */
#include <stdio.h>
#include <string.h>

#include "weights/reader.h"

/* The tensor whose name is the first `stem` bytes of `name`, then `end`. */
static ent_tensor *beside(ent_weights *model, const char *name, size_t stem, const char *end)
{
    char text[1024];
    if (snprintf(text, sizeof text, "%.*s%s", (int)(stem < sizeof text ? stem : sizeof text), name, end) >=
        (int)sizeof text)
        return NULL;
    const ent_tensor *found = ent_weights_find(model, text);
    return found ? &model->tensor[found - model->tensor] : NULL;
}

static bool is_a(const ent_tensor *t, const char *dtype, uint32_t rank)
{
    return t && t->rank == rank && !strcmp(t->dtype, dtype);
}

static ent_status rename_role(ent_weights *model, ent_tensor *t, const char *part)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s", t->role, part);
    return (t->role = ent_model_text(model, text)) ? ENT_OK : ENT_ENOMEM;
}

/* Each word becomes `per` codes, along a new last axis. */
static ent_status unpack(ent_weights *model, ent_tensor *t, const char *dtype, uint32_t per, const char *part)
{
    uint64_t *shape = ent_model_alloc(model, (t->rank + 1) * sizeof *shape);
    if (!shape) return ENT_ENOMEM;
    memcpy(shape, t->shape, t->rank * sizeof *shape);
    shape[t->rank++] = per;
    t->shape = shape;
    t->elements *= per;
    t->dtype_bits /= per;
    t->dtype = dtype;
    return rename_role(model, t, part);
}

/* GPTQ packs along the first axis, AWQ along the second; zeros along the second in both. */
static ent_status view_words(ent_weights *model, ent_tensor *codes, size_t stem)
{
    static const struct { uint64_t per; const char *dtype; } kinds[] = { { 4, "U8" }, { 8, "U4" }, { 16, "U2" } };
    ent_tensor *zeros = beside(model, codes->name, stem, ".qzeros"), *scales = beside(model, codes->name, stem, ".scales");
    if (!is_a(codes, "I32", 2) || !is_a(zeros, "I32", 2) || !scales || scales->rank != 2) return ENT_OK;
    uint64_t groups = scales->shape[0], outputs = scales->shape[1];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        uint64_t per = kinds[k].per;
        if (!groups || !outputs || outputs % per || zeros->shape[0] != groups || zeros->shape[1] != outputs / per) continue;
        bool gptq = codes->shape[1] == outputs, awq = codes->shape[1] == outputs / per;
        if (!gptq && !awq) continue;
        ent_status status = unpack(model, codes, kinds[k].dtype, (uint32_t)per, "codes");
        if (!status) status = unpack(model, zeros, kinds[k].dtype, (uint32_t)per, "zeros");
        return status ? status : rename_role(model, scales, "scales");
    }
    return ENT_OK;
}

/* MXFP4 in bytes: 16 of them hold the 32 codes of a block, which has one scale. */
static ent_status view_blocks(ent_weights *model, ent_tensor *codes, size_t stem)
{
    ent_tensor *scales = beside(model, codes->name, stem, "_scales");
    if (codes->rank < 2 || !is_a(codes, "U8", codes->rank) || codes->shape[codes->rank - 1] != 16 ||
        !is_a(scales, "U8", codes->rank - 1) ||
        memcmp(codes->shape, scales->shape, scales->rank * sizeof *codes->shape))
        return ENT_OK;
    scales->dtype = "F8_E8M0";
    ent_status status = unpack(model, codes, "F4", 2, "codes");
    return status ? status : rename_role(model, scales, "scales");
}

ent_status ent_weights_view_packed(ent_weights *model, ent_error *error)
{
    ent_status status = ENT_OK;
    for (size_t i = 0; i < model->tensors && !status; i++) {
        ent_tensor *t = &model->tensor[i];
        size_t n = strlen(t->name);
        if (ent_ends_with(t->name, ".qweight"))
            status = view_words(model, t, n - strlen(".qweight"));
        else if (ent_ends_with(t->name, "_blocks"))
            status = view_blocks(model, t, n - strlen("_blocks"));
    }
    return status ? ent_fail(error, status, "%s: out of memory", model->file[0].name) : ENT_OK;
}
