/* bind.c - a codec meets a dtype: which clause, which split, which coder for each field. */
#include <string.h>

#include "codec/codec.h"

/* ---- which clause ----------------------------------------------------------------------------------- */

static bool is(const char *name, size_t size, const char *what)
{
    return strlen(what) == size && !memcmp(name, what, size);
}

/* Kinds that selectors may name; `narrow` are formats of at most a byte, whatever they mean. */
static bool kind_matches(const char *name, size_t size, const ent_format *f)
{
    bool integer = f->kind == ENT_KIND_SIGNED || f->kind == ENT_KIND_UNSIGNED;
    return is(name, size, "*") || (is(name, size, "float") && f->kind == ENT_KIND_FLOAT) ||
           (is(name, size, "int") && integer) || (is(name, size, "scale") && f->kind == ENT_KIND_SCALE) ||
           (is(name, size, "record") && f->kind == ENT_KIND_RECORD) || (is(name, size, "narrow") && f->bits <= 8);
}

static ent_match selector_match(const char *name, size_t size, const ent_format *f)
{
    if (is(name, size, f->name)) return ENT_MATCH_NAME;
    return kind_matches(name, size, f) ? ENT_MATCH_KIND : ENT_MATCH_NONE;
}

bool ent_selectors_valid(const char *text, size_t size)
{
    const char *end = text + size;
    while (text <= end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        size_t n = (size_t)((comma ? comma : end) - text);
        bool known = false;
        const ent_format *f;
        for (size_t i = 0; !known && (f = ent_dtype_at(i)); i++) known = selector_match(text, n, f) != ENT_MATCH_NONE;
        if (!known) return false;
        text += n + 1;
    }
    return true;
}

ent_match ent_clause_match(const ent_clause *clause, const ent_format *format)
{
    ent_match best = ENT_MATCH_NONE;
    for (const char *name = clause->formats;; name++) {
        size_t n = strcspn(name, ",");
        ent_match match = selector_match(name, n, format);
        best = match > best ? match : best;
        name += n;
        if (!*name) return best;
    }
}

/* ---- its split and coders ----------------------------------------------------------------------------- */

/* A byte coder takes whole bytes as they are; other fields are symbols of an alphabet. */
static ent_status choose_spec(const ent_item *item, const ent_field *field, ent_coder_spec *spec, ent_error *error)
{
    uint32_t bits = ent_field_bits(field), width = ent_field_width(field);
    ent_status status;
    if (item->coder->wide && bits == 8 * width) status = ent_coder_spec_wide(spec, item->coder, width);
    else if (bits <= 16) status = ent_coder_spec_init(spec, item->coder, ent_field_alphabet(field));
    else status = ENT_EUNSUPPORTED;
    if (status)
        return ent_fail(error, status,
                        "field %s has %u bits, which coder %s does not take (cut it: \"bytes\", \"rest\", \":topK\")",
                        field->name, bits, item->coder->name);
    memcpy(spec->param, item->param, sizeof spec->param);
    return ENT_OK;
}

/* Each item is one field, but for a last `rest` or `bytes`, which is all the fields that remain. */
ent_status ent_clause_bind(const ent_clause *clause, const ent_format *format, ent_recipe *recipe, ent_error *error)
{
    char text[ENT_MAX_FIELDS * (ENT_CODEC_NAME + 1)] = "";
    for (uint32_t i = 0; i < clause->items; i++) {
        if (i) strcat(text, "|");
        strcat(text, clause->item[i].field);
    }
    ent_status status = ent_split_parse(format, text, &recipe->split, error);
    recipe->format = format;
    recipe->word_width = ent_format_width(format);
    for (uint32_t i = 0; i < recipe->split.fields && !status; i++) {
        uint32_t k = i < clause->items ? i : clause->items - 1;
        status = choose_spec(&clause->item[k], &recipe->split.field[i], &recipe->spec[i], error);
    }
    return status;
}

static ent_status bind_raw(const ent_format *format, ent_recipe *recipe, ent_error *error)
{
    const ent_clause raw = { .formats = "*",
                             .items = 1,
                             .item[0] = { .field = "word", .coder = ent_coder_find("raw") } };
    return ent_clause_bind(&raw, format, recipe, error);
}

ent_status ent_codec_choose(const ent_codec *codec, const char *dtype, const ent_clause **clause, ent_recipe *recipe,
                            ent_error *error)
{
    const ent_format *format = ent_dtype_find(dtype);
    *recipe = (ent_recipe){ .scope = codec->scope, .block = codec->block };
    for (uint32_t i = 0; format && i < codec->clauses; i++) {
        *clause = &codec->clause[i];
        ent_match match = ent_clause_match(*clause, format);
        if (match == ENT_MATCH_NONE) continue;
        ent_status status = ent_clause_bind(*clause, format, recipe, error);
        if (!status || match == ENT_MATCH_NAME) return status;
        *recipe = (ent_recipe){ .scope = codec->scope, .block = codec->block };
    }
    *clause = NULL;
    return bind_raw(format, recipe, error);
}

ent_status ent_codec_bind(const ent_codec *codec, const char *dtype, ent_recipe *recipe, ent_error *error)
{
    const ent_clause *clause;
    return ent_codec_choose(codec, dtype, &clause, recipe, error);
}
