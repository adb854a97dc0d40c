/* views_words.c - views of int32 words that hold codes of 2, 4 or 8 bits: GPTQ, AWQ, compressed-tensors. */
#include <string.h>
#include <strings.h>

#include "base/bits.h"
#include "weights/views.h"

typedef unsigned long long ull; /* uint64_t for printf */

static const struct { uint32_t per; const char *dtype; } kinds[] = { { 4, "U8" }, { 8, "U4" }, { 16, "U2" } };
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool is_kind(uint64_t bits) { return bits == 2 || bits == 4 || bits == 8; }

/* The number of groups that config.json foretells is the one that is there. */
static ent_status check_groups(const ent_viewing *v, const ent_tensor *scales, uint64_t groups, uint64_t inputs)
{
    uint64_t size = v->config.group_size;
    if (!size || groups == ent_parts(inputs, size)) return ENT_OK;
    return ent_view_misfit(v, scales, "%llu groups for %llu inputs, but config.json says group_size %llu", (ull)groups,
                           (ull)inputs, (ull)size);
}

static ent_status check_bits(const ent_viewing *v, const ent_tensor *codes, uint32_t per)
{
    if (!v->config.bits || v->config.bits == 32 / per) return ENT_OK;
    return ent_view_misfit(v, codes, "its shape is that of %u-bit codes, but config.json says %llu bits", 32 / per,
                           (ull)v->config.bits);
}

/* ---- GPTQ and AWQ ------------------------------------------------------------------------------------------- */

static bool words_named(const ent_viewing *v)
{
    ent_tensor *scales = ent_view_beside(v, ".scales");
    return ent_view_is(v->codes, "I32", 2) && ent_view_is(ent_view_beside(v, ".qzeros"), "I32", 2) && scales &&
           scales->rank == 2;
}

/* GPTQ packs along the first axis, AWQ along the second; zeros along the second in both. */
static ent_status show_words(const ent_viewing *v)
{
    ent_tensor *codes = v->codes, *zeros = ent_view_beside(v, ".qzeros"), *scales = ent_view_beside(v, ".scales");
    uint64_t groups = scales->shape[0], outputs = scales->shape[1];
    if (!strcmp(v->config.method, "awq") && *v->config.variant && strcasecmp(v->config.variant, "gemm"))
        return ENT_OK; /* of kernels with an order of their own */
    for (size_t k = 0; k < KINDS && groups && outputs; k++) {
        uint32_t per = kinds[k].per;
        if (outputs % per || zeros->shape[0] != groups || zeros->shape[1] != outputs / per) continue;
        bool gptq = codes->shape[1] == outputs, awq = codes->shape[1] == outputs / per;
        if (!gptq && !awq) continue;
        if (v->promised && !strcmp(v->config.method, gptq ? "awq" : "gptq")) continue;
        ent_status status = check_bits(v, codes, per);
        if (!status) status = check_groups(v, scales, groups, codes->shape[0] * (gptq ? per : 1));
        if (!status) status = ent_view_unpack(v, codes, kinds[k].dtype, per, "codes");
        if (!status) status = ent_view_unpack(v, zeros, kinds[k].dtype, per, "zeros");
        if (!status) status = ent_view_part(v, ent_view_beside(v, ".g_idx"), "order");
        return status ? status : ent_view_part(v, scales, "scales");
    }
    if (v->config.bits && !is_kind(v->config.bits)) return ENT_OK; /* codes lie across words */
    return ent_view_misfit(v, codes, "shapes %llu x %llu of the codes, %llu x %llu of zeros, %llu x %llu of scales are not "
                           "those of quant_method \"%s\"", (ull)codes->shape[0], (ull)codes->shape[1],
                           (ull)zeros->shape[0], (ull)zeros->shape[1], (ull)groups, (ull)outputs, v->config.method);
}

const ent_view ent_view_words = {
    .ending = ".qweight", .method = { "gptq", "awq" }, .named = words_named, .show = show_words,
};

/* ---- compressed-tensors, "pack-quantized" --------------------------------------------------------------------- */

static bool packed_named(const ent_viewing *v)
{
    ent_tensor *scales = ent_view_beside(v, ".weight_scale");
    return ent_view_is(v->codes, "I32", 2) && scales && scales->rank == 2;
}

/* The sizes of the matrix that the file has beside it, else those that the words can hold. */
static void matrix_of(const ent_viewing *v, uint32_t per, uint64_t *rows, uint64_t *columns)
{
    const ent_tensor *shape = ent_view_beside(v, ".weight_shape");
    bool there = ent_view_is(shape, "I64", 1) && shape->elements == 2;
    *rows = there ? ent_load64(shape->bytes.data) : v->codes->shape[0];
    *columns = there ? ent_load64(shape->bytes.data + 8) : v->codes->shape[1] * per;
}

/* Codes in a word: what config.json says, else what alone agrees with the matrix; 0: not to be known. */
static uint32_t per_of(const ent_viewing *v)
{
    uint32_t found = 0;
    if (v->config.bits) return is_kind(v->config.bits) ? 32 / (uint32_t)v->config.bits : 0;
    if (!ent_view_beside(v, ".weight_shape")) return 0;
    for (size_t k = 0; k < KINDS; k++) {
        uint64_t rows, columns;
        matrix_of(v, kinds[k].per, &rows, &columns);
        if (ent_parts(columns, kinds[k].per) != v->codes->shape[1]) continue;
        if (found) return 0;
        found = kinds[k].per;
    }
    return found;
}

/* Zeros are packed along the first axis. */
static ent_status show_zeros(const ent_viewing *v, ent_tensor *zeros, const ent_tensor *scales, const char *dtype,
                             uint32_t per)
{
    bool packed = ent_view_is(zeros, "I32", 2) && zeros->shape[0] == ent_parts(scales->shape[0], per) &&
                  zeros->shape[1] == scales->shape[1];
    return packed ? ent_view_unpack(v, zeros, dtype, per, "zeros") : ent_view_part(v, zeros, "zeros");
}

static ent_status show_packed(const ent_viewing *v)
{
    ent_tensor *codes = v->codes, *scales = ent_view_beside(v, ".weight_scale");
    uint64_t rows, columns;
    size_t k = 0;
    uint32_t per = per_of(v);
    if (!per) return ENT_OK;
    matrix_of(v, per, &rows, &columns);
    if (rows != codes->shape[0] || ent_parts(columns, per) != codes->shape[1])
        return ent_view_misfit(v, codes, "%llu rows of %llu words do not hold %llu x %llu codes of %u bits",
                               (ull)codes->shape[0], (ull)codes->shape[1], (ull)rows, (ull)columns, 32 / per);
    if (scales->shape[0] != rows)
        return ent_view_misfit(v, scales, "%llu rows of scales for %llu rows of codes", (ull)scales->shape[0], (ull)rows);
    while (kinds[k].per != per) k++;
    ent_status status = check_groups(v, scales, scales->shape[1], columns);
    if (!status) status = ent_view_unpack(v, codes, kinds[k].dtype, per, "codes");
    if (!status) status = show_zeros(v, ent_view_beside(v, ".weight_zero_point"), scales, kinds[k].dtype, per);
    if (!status) status = ent_view_part(v, ent_view_beside(v, ".weight_shape"), "settings");
    if (!status) status = ent_view_part(v, ent_view_beside(v, ".weight_g_idx"), "order");
    return status ? status : ent_view_part(v, scales, "scales");
}

const ent_view ent_view_packed_words = {
    .ending = ".weight_packed", .method = { "compressed-tensors" }, .named = packed_named, .show = show_packed,
};
