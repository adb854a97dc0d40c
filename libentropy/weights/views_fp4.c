/* views_fp4.c - views of four-bit floats in blocks, two a byte: MXFP4 (32 and a scale of F8_E8M0) and NVFP4 (16 and
 * a scale of F8_E4M3, one F32 for all), under the names of gpt-oss, compressed-tensors and modelopt. */
#include <string.h>

#include "weights/views.h"

typedef unsigned long long ull; /* uint64_t for printf */

static bool same_but_last(const ent_tensor *a, const ent_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->shape, b->shape, (a->rank - 1) * sizeof *a->shape);
}

/* ---- gpt-oss ------------------------------------------------------------------------------------------------- */

static bool blocks_named(const ent_viewing *v)
{
    const ent_tensor *codes = v->codes;
    return codes->rank >= 2 && !strcmp(codes->dtype, "U8") &&
           ent_view_is(ent_view_beside(v, "_scales"), "U8", codes->rank - 1);
}

/* 16 bytes hold the 32 codes of a block. */
static ent_status show_blocks(const ent_viewing *v)
{
    ent_tensor *codes = v->codes, *scales = ent_view_beside(v, "_scales");
    if (codes->shape[codes->rank - 1] != 16 || memcmp(codes->shape, scales->shape, scales->rank * sizeof *codes->shape))
        return ent_view_misfit(v, codes, "not blocks of 16 bytes with a scale each in %s", ent_quote(scales->name).text);
    scales->dtype = "F8_E8M0";
    ent_status status = ent_view_unpack(v, codes, "F4", 2, "codes");
    return status ? status : ent_view_part(v, scales, "scales");
}

const ent_view ent_view_mxfp4_blocks = {
    .ending = "_blocks", .method = { "mxfp4" }, .named = blocks_named, .show = show_blocks,
};

/* ---- rows of codes beside rows of scales --------------------------------------------------------------------- */

/* `global`: the name of NVFP4's scale for all.  Scales of U8 may be MXFP4's or integers': config.json must say so. */
static bool rows_named(const ent_viewing *v, const char *global)
{
    const ent_tensor *codes = v->codes, *scales = ent_view_beside(v, ".weight_scale"), *all = ent_view_beside(v, global);
    if (codes->rank < 2 || strcmp(codes->dtype, "U8")) return false;
    return ent_view_is(scales, "U8", codes->rank) ||
           (ent_view_is(scales, "F8_E4M3", codes->rank) && all && !strcmp(all->dtype, "F32"));
}

static bool says_mxfp4(const ent_viewing *v)
{
    return v->promised && (strstr(v->config.variant, "mxfp4") || strstr(v->config.variant, "MXFP4"));
}

static ent_status show_rows(const ent_viewing *v, const char *global, const char *input)
{
    ent_tensor *codes = v->codes, *scales = ent_view_beside(v, ".weight_scale");
    bool mxfp4 = !strcmp(scales->dtype, "U8");
    uint64_t block = mxfp4 ? 32 : 16, columns = 2 * codes->shape[codes->rank - 1], has = scales->shape[scales->rank - 1];
    if (mxfp4 && !says_mxfp4(v)) return ENT_OK;
    if (!same_but_last(codes, scales) || columns % block || has != columns / block)
        return ent_view_misfit(v, scales, "%llu scales in its last axis, and %llu codes in blocks of %llu in that of %s",
                               (ull)has, (ull)columns, (ull)block, ent_quote(codes->name).text);
    if (v->config.group_size && v->config.group_size != block)
        return ent_view_misfit(v, scales, "blocks of %llu, but config.json says group_size %llu", (ull)block,
                               (ull)v->config.group_size);
    if (mxfp4) scales->dtype = "F8_E8M0";
    ent_status status = ent_view_unpack(v, codes, "F4", 2, "codes");
    if (!status) status = ent_view_part(v, scales, "scales");
    if (!status) status = ent_view_part(v, ent_view_beside(v, global), "global scale");
    return status ? status : ent_view_part(v, ent_view_beside(v, input), "input scale");
}

static bool packed_named(const ent_viewing *v) { return rows_named(v, ".weight_global_scale"); }

static ent_status show_packed(const ent_viewing *v)
{
    return show_rows(v, ".weight_global_scale", ".input_global_scale");
}

const ent_view ent_view_packed_fp4 = {
    .ending = ".weight_packed", .method = { "compressed-tensors" }, .named = packed_named, .show = show_packed,
};

static bool modelopt_named(const ent_viewing *v) { return rows_named(v, ".weight_scale_2"); }

static ent_status show_modelopt(const ent_viewing *v) { return show_rows(v, ".weight_scale_2", ".input_scale"); }

const ent_view ent_view_modelopt_fp4 = {
    .ending = ".weight", .method = { "modelopt", "modelopt_fp4" }, .named = modelopt_named, .show = show_modelopt,
};
