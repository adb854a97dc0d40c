/* text.c - a codec, or its recipe for one dtype, as text.
 *
 * The canonical line leaves presets out; a recipe's text, which containers keep, has every knob, so
 * that it means the same when a later version chooses other presets. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

const char *const ent_scope_names[] = {
    [ENT_SCOPE_TENSOR] = "tensor", [ENT_SCOPE_ROLE] = "role",   [ENT_SCOPE_MODEL] = "model",
    [ENT_SCOPE_CORPUS] = "corpus", [ENT_SCOPE_BLOCK] = "block",
};

static ent_status append(ent_buffer *out, const char *format, ...) ENT_PRINTF(2, 3);

/* Pieces are at most a formats list or a field; the text stays terminated. */
static ent_status append(ent_buffer *out, const char *format, ...)
{
    char piece[sizeof((ent_clause *)NULL)->formats + ENT_CODEC_NAME];
    va_list args;
    va_start(args, format);
    size_t n = (size_t)vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    ent_status status = ent_buffer_reserve(out, out->size + n + 1);
    if (status) return status;
    memcpy(out->data + out->size, piece, n + 1);
    out->size += n;
    return ENT_OK;
}

static ent_status append_item(ent_buffer *out, const ent_item *item, bool presets)
{
    ent_status status = append(out, "%s=%s", item->field, item->coder->name);
    const char *before = "(";
    for (int i = 0; i < ENT_CODER_PARAMS && !status; i++) {
        const ent_param *p = &item->coder->param[i];
        if (!p->name || (!presets && item->param[i] == p->preset)) continue;
        status = append(out, "%s%s=%u", before, p->name, item->param[i]);
        before = ",";
    }
    return !status && *before == ',' ? append(out, ")") : status;
}

static ent_status append_items(ent_buffer *out, const ent_clause *clause, bool presets)
{
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < clause->items && !status; i++) {
        if (i) status = append(out, " ");
        if (!status) status = append_item(out, &clause->item[i], presets);
    }
    return status;
}

ent_status ent_codec_write_text(ent_codec *codec)
{
    enum { KILO = 1024 };
    ent_buffer out = { NULL, 0, 0 };
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < codec->clauses && !status; i++) {
        status = append(&out, "%s%s: ", i ? " | " : "", codec->clause[i].formats);
        if (!status) status = append_items(&out, &codec->clause[i], false);
    }
    if (!status) status = append(&out, " scope=%s", ent_scope_names[codec->scope]);
    bool kilo = codec->block % KILO == 0;
    if (!status) status = append(&out, " block=%zu%s", kilo ? codec->block / KILO : codec->block, kilo ? "k" : "");
    codec->text = (char *)out.data;
    return status;
}

ent_status ent_codec_recipe_text(const ent_codec *codec, const char *dtype, ent_buffer *out)
{
    ent_recipe recipe;
    const ent_clause *clause;
    ent_status status = ent_codec_choose(codec, dtype, &clause, &recipe, NULL);
    if (status) return status;
    return clause ? append_items(out, clause, true) : append(out, "word=raw");
}
