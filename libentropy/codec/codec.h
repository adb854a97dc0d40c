/* codec.h - a parsed codec: what codec.c reads from the text and bind.c turns into recipes. */
#ifndef ENT_CODEC_CODEC_H
#define ENT_CODEC_CODEC_H

#include <entropy/codec.h>

enum { ENT_MAX_CLAUSES = 32, ENT_CODEC_NAME = 96 };

typedef struct ent_item { /* field=coder(knob=number,...) */
    char field[ENT_CODEC_NAME];
    const ent_coder *coder;
    uint32_t param[ENT_CODER_PARAMS]; /* every knob, presets filled in */
} ent_item;

typedef struct ent_clause {
    char formats[4 * ENT_CODEC_NAME]; /* selectors with commas between; "*" when none are written */
    uint32_t items;
    ent_item item[ENT_MAX_FIELDS];
} ent_clause;

struct ent_codec {
    char *name, *text;
    ent_scope scope;
    size_t block;
    uint32_t clauses;
    ent_clause clause[ENT_MAX_CLAUSES];
};

/* How a clause's selectors name a format. */
typedef enum ent_match {
    ENT_MATCH_NONE,
    ENT_MATCH_KIND, /* by kind or '*': the clause is passed over where it does not fit */
    ENT_MATCH_NAME  /* by its own name: the clause has to fit */
} ent_match;

bool ent_selectors_valid(const char *text, size_t size);
ent_match ent_clause_match(const ent_clause *clause, const ent_format *format);
/* The recipe of one clause for one format, NULL being opaque bytes: the split and the coders. */
ent_status ent_clause_bind(const ent_clause *clause, const ent_format *format, ent_recipe *recipe, ent_error *error);

/* The clause that serves a dtype (NULL: none, raw) and its recipe. */
ent_status ent_codec_choose(const ent_codec *codec, const char *dtype, const ent_clause **clause, ent_recipe *recipe,
                            ent_error *error);

extern const char *const ent_scope_names[];        /* by ent_scope */
ent_status ent_codec_write_text(ent_codec *codec); /* makes codec->text; frees nothing */

#endif
