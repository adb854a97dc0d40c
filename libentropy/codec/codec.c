/* codec.c - a line of text becomes a codec, and a codec its canonical line.
 *
 * The grammar is in codec.h.  One cursor walks the text once; every message says at which column it
 * stands.  A clause that names formats outright is tried on them here, so that a text that parses
 * cannot fail later for a format that it names. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

const ent_codec_row ent_codecs[] = {
#define X(name, brief, cite, text) { name, brief, cite, text, false },
#define X_ASIDE(name, brief, cite, text) { name, brief, cite, text, true },
#include "codecs.def"
#undef X_ASIDE
#undef X
    { NULL, NULL, NULL, NULL, false },
};

/* A block of the most weights is 32 MiB of F64: what one thread may hold. */
enum { KILO = 1024, PRESET_BLOCK = 256 * KILO, MOST_BLOCK = 4096 * KILO };

/* ---- the cursor --------------------------------------------------------------------------------- */

typedef struct cursor {
    const char *text, *at;
    const ent_codec_row *row; /* the row that `text` is of; NULL for a text of the user's */
    ent_error *error;
} cursor;

static ent_status refuse(const cursor *c, const char *place, const char *format, ...) ENT_PRINTF(3, 4);

static ent_status refuse(const cursor *c, const char *place, const char *format, ...)
{
    char why[600];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return ent_fail(c->error, ENT_EINVAL, "codec \"%.200s\", column %zu: %s", c->text, (size_t)(place - c->text) + 1,
                    why);
}

static void skip_blanks(cursor *c) { c->at += strspn(c->at, " \t\n"); }

static bool take(cursor *c, char what)
{
    if (*c->at != what) return false;
    c->at++;
    return true;
}

/* A run of characters that is none of `stop`, into `word` of `size` bytes. */
static ent_status take_word(cursor *c, const char *stop, const char *what, char *word, size_t size)
{
    size_t n = strcspn(c->at, stop);
    if (n == 0) return refuse(c, c->at, "%s is missing", what);
    if (n >= size) return refuse(c, c->at, "%s is longer than %zu characters", what, size - 1);
    memcpy(word, c->at, n);
    word[n] = '\0';
    c->at += n;
    return ENT_OK;
}

static ent_status take_number(cursor *c, uint32_t *number)
{
    const char *start = c->at;
    uint64_t value = 0;
    for (; *c->at >= '0' && *c->at <= '9' && value <= UINT32_MAX; c->at++)
        value = value * 10 + (uint64_t)(*c->at - '0');
    if (c->at == start) return refuse(c, start, "a number is missing");
    if (take(c, 'k')) value *= KILO;
    if (value > UINT32_MAX || (*c->at >= '0' && *c->at <= '9')) return refuse(c, start, "the number is too large");
    *number = (uint32_t)value;
    return ENT_OK;
}

/* ---- items -------------------------------------------------------------------------------------- */

static ent_status unknown_coder(const cursor *c, const char *place, const char *name)
{
    char list[400] = "";
    size_t n = 0;
    if (c->row) /* the row is right, so this build was made without the coder's library */
        return ent_fail(c->error, ENT_EUNSUPPORTED, "codec %s: this build has no coder \"%s\"", c->row->name, name);
    for (size_t i = 0; ent_coders[i] && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, " %s", ent_coders[i]->name);
    return refuse(c, place, "no coder has the name \"%s\"; there are:%s", name, list);
}

static ent_status take_knob(cursor *c, ent_item *item)
{
    char name[ENT_CODEC_NAME];
    uint32_t value = 0;
    skip_blanks(c);
    const char *place = c->at;
    ent_status status = take_word(c, "=,() |", "a knob", name, sizeof name);
    if (status) return status;
    if (!take(c, '=')) return refuse(c, c->at, "a knob is written NAME=NUMBER");
    const char *value_place = c->at;
    if ((status = take_number(c, &value))) return status;
    for (int i = 0; i < ENT_CODER_PARAMS; i++) {
        const ent_param *p = &item->coder->param[i];
        if (!p->name || strcmp(p->name, name)) continue;
        if (value < p->least || value > p->most)
            return refuse(c, value_place, "%s of %s is %u to %u", name, item->coder->name, p->least, p->most);
        item->param[i] = value;
        return ENT_OK;
    }
    return refuse(c, place, "coder %s has no knob \"%s\"", item->coder->name, name);
}

static ent_status take_coder(cursor *c, ent_item *item)
{
    char name[ENT_CODEC_NAME];
    const char *place = c->at;
    ent_status status = take_word(c, "( \t\n|", "a coder", name, sizeof name);
    if (status) return status;
    if (!(item->coder = ent_coder_find(name))) return unknown_coder(c, place, name);
    for (int i = 0; i < ENT_CODER_PARAMS; i++)
        item->param[i] = item->coder->param[i].name ? item->coder->param[i].preset : 0;
    if (!take(c, '(')) return ENT_OK;
    do {
        if ((status = take_knob(c, item))) return status;
        skip_blanks(c);
    } while (take(c, ','));
    return take(c, ')') ? ENT_OK : refuse(c, c->at, "')' is missing");
}

/* ---- clauses and options -------------------------------------------------------------------------- */

/* Formats before a ':'.  A field may hold ':' too (exponent:top4), but no field begins with the
 * name of a format or kind. */
static ent_status take_formats(cursor *c, ent_clause *clause)
{
    size_t n = strcspn(c->at, ":=| \t\n");
    bool alone = c->at[n] == ':' && strchr(" \t\n", c->at[n + 1]); /* "BF17: ": meant as formats */
    strcpy(clause->formats, "*");
    if (c->at[n] != ':') return ENT_OK;
    if (!ent_selectors_valid(c->at, n))
        return alone ? refuse(c, c->at,
                              "\"%.*s\" is no list of formats (as BF16), kinds (float, int, scale, narrow) or *",
                              (int)(n < 100 ? n : 100), c->at)
                     : ENT_OK;
    if (n >= sizeof clause->formats) return refuse(c, c->at, "the list of formats is too long");
    memcpy(clause->formats, c->at, n);
    clause->formats[n] = '\0';
    c->at += n + 1;
    skip_blanks(c);
    return ENT_OK;
}

static bool at_option(const cursor *c) { return !strncmp(c->at, "scope=", 6) || !strncmp(c->at, "block=", 6); }

static ent_status take_clause(cursor *c, ent_clause *clause)
{
    ent_status status = take_formats(c, clause);
    for (; !status && *c->at && *c->at != '|' && !at_option(c); skip_blanks(c)) {
        ent_item *item = &clause->item[clause->items];
        if (clause->items == ENT_MAX_FIELDS) return refuse(c, c->at, "a clause has at most %d items", ENT_MAX_FIELDS);
        if ((status = take_word(c, "= \t\n|", "a field", item->field, sizeof item->field))) return status;
        if (!take(c, '=')) return refuse(c, c->at, "'=' is missing: an item is FIELD=CODER");
        status = take_coder(c, item);
        clause->items++;
    }
    return status || clause->items ? status : refuse(c, c->at, "an item FIELD=CODER is missing");
}

static ent_status take_scope(cursor *c, ent_codec *codec)
{
    char name[ENT_CODEC_NAME];
    const char *place = c->at;
    ent_status status = take_word(c, " \t\n|", "a scope", name, sizeof name);
    if (status) return status;
    for (int i = ENT_SCOPE_TENSOR; i <= ENT_SCOPE_BLOCK; i++)
        if (!strcmp(ent_scope_names[i], name)) {
            codec->scope = (ent_scope)i;
            return ENT_OK;
        }
    return refuse(c, place, "a scope is tensor, role, model, corpus or block");
}

static ent_status take_options(cursor *c, ent_codec *codec)
{
    for (skip_blanks(c); *c->at; skip_blanks(c)) {
        if (!at_option(c)) return refuse(c, c->at, "after the clauses come only scope= and block=");
        bool scope = *c->at == 's';
        const char *place = c->at += 6;
        uint32_t block = 0;
        ent_status status = scope ? take_scope(c, codec) : take_number(c, &block);
        if (status) return status;
        if (scope) continue;
        if (block < 8 || block > MOST_BLOCK || block % 8)
            return refuse(c, place, "a block has 8 to %dk weights, a multiple of 8", MOST_BLOCK / KILO);
        codec->block = block;
    }
    return ENT_OK;
}

/* Whether the clause fits: every format that it names, or at least one of those that it may meet. */
static ent_status try_clause(const cursor *c, const char *place, const ent_clause *clause)
{
    ent_recipe recipe;
    ent_error why, first = { ENT_OK, "" };
    bool fits = false;
    const ent_format *f;
    for (size_t i = 0; (f = ent_dtype_at(i)); i++) {
        ent_match match = ent_clause_match(clause, f);
        if (match == ENT_MATCH_NONE) continue;
        ent_status status = ent_clause_bind(clause, f, &recipe, &why);
        if (status && match == ENT_MATCH_NAME) return refuse(c, place, "%s: %.400s", f->name, why.text);
        if (status && !first.status) first = why;
        fits |= !status;
    }
    return fits ? ENT_OK : refuse(c, place, "the clause fits no format: %.400s", first.text);
}

static ent_status take_codec(cursor *c, ent_codec *codec)
{
    do {
        skip_blanks(c);
        if (codec->clauses == ENT_MAX_CLAUSES) return refuse(c, c->at, "there are at most %d clauses", ENT_MAX_CLAUSES);
        const char *place = c->at;
        ent_clause *clause = &codec->clause[codec->clauses++];
        ent_status status = take_clause(c, clause);
        if (!status) status = try_clause(c, place, clause);
        if (status) return status;
    } while (take(c, '|'));
    return take_options(c, codec);
}

/* ---- the public functions ----------------------------------------------------------------------------- */

static const ent_codec_row *find_row(const char *text, size_t size)
{
    for (const ent_codec_row *row = ent_codecs; row->name; row++)
        if (strlen(row->name) == size && !memcmp(row->name, text, size)) return row;
    return NULL;
}

static ent_status parse(ent_codec *codec, const char *text, ent_error *error)
{
    cursor c = { text, text, NULL, error };
    skip_blanks(&c);
    size_t first = strcspn(c.at, " \t\n");
    const ent_codec_row *row = find_row(c.at, first);
    if (!row) return take_codec(&c, codec);
    cursor inner = { row->text, row->text, row, error };
    ent_status status = take_codec(&inner, codec);
    c.at += first;
    return status ? status : take_options(&c, codec);
}

/* The row's name for a row without options, else the text as it was given. */
static ent_status set_name(ent_codec *codec, const char *text)
{
    const char *start = text + strspn(text, " \t\n");
    size_t size = strlen(start);
    while (size && strchr(" \t\n", start[size - 1])) size--;
    if (!(codec->name = ent_alloc(size + 1))) return ENT_ENOMEM;
    memcpy(codec->name, start, size);
    codec->name[size] = '\0';
    return ENT_OK;
}

ent_status ent_codec_parse(ent_codec **codec, const char *text, ent_error *error)
{
    *codec = NULL;
    ent_codec *c = ent_calloc(1, sizeof *c);
    if (!c) return ent_fail(error, ENT_ENOMEM, "out of memory");
    c->scope = ENT_SCOPE_TENSOR;
    c->block = PRESET_BLOCK;
    ent_status status = parse(c, text, error);
    if (!status && ((status = set_name(c, text)) || (status = ent_codec_write_text(c))))
        ent_fail(error, status, "out of memory");
    if (status) {
        ent_codec_free(c);
        return status;
    }
    *codec = c;
    return ENT_OK;
}

void ent_codec_free(ent_codec *codec)
{
    if (!codec) return;
    ent_free(codec->name);
    ent_free(codec->text);
    ent_free(codec);
}

const char *ent_codec_name(const ent_codec *codec) { return codec->name; }
const char *ent_codec_text(const ent_codec *codec) { return codec->text; }
ent_scope ent_codec_scope(const ent_codec *codec) { return codec->scope; }
size_t ent_codec_block(const ent_codec *codec) { return codec->block; }
