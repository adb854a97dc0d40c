/* cmd_list.c - `entropy list`: what this build really has. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <build.h>

#include "catalogue.h"
#include "command.h"
#include "list.h"
#include "model.h"
#include "output.h"

/* A list prints rows with the same columns, as JSON keys or as a table. */
enum { COLUMNS = 10 };

struct list {
    bool json;
    const char *column[COLUMNS]; /* ends with NULL */
    struct table table;
};

static void list_begin(struct list *list, const char *const column[])
{
    char heads[256] = "";
    for (int i = 0; column[i]; i++) {
        list->column[i] = column[i];
        strcat(strcat(heads, i ? "|<" : "<"), column[i]); /* a few short words */
    }
    table_begin(&list->table, heads);
}

static void list_row(struct list *list, const char *const value[])
{
    json_t *object = list->json ? json_object() : NULL;
    for (int i = 0; list->column[i]; i++) {
        if (object)
            json_text(object, list->column[i], value[i]);
        else
            table_cell(&list->table, "%s", value[i] ? value[i] : "");
    }
    if (object) json_line(object);
}

/* ---- one function a list --------------------------------------------------------------------- */

static void remark(const struct common *common, const char *text)
{
    if (!common->quiet) complain("%s", text);
}

/* What of the system whose codec this is is not done here. */
static const char *left_out(const char *codec)
{
    const ent_system *system = ent_system_find(codec);
    return system && system->left_out ? system->left_out : "";
}

static void list_codecs(struct list *list, const struct common *common)
{
    ent_error error;
    list_begin(list, (const char *[]){ "name", "brief", "cite", "left_out", "text", NULL });
    for (const ent_codec_row *c = ent_codecs; c->name; c++) {
        ent_codec *codec;
        if (ent_codec_parse(&codec, c->name, &error)) { /* a coder of an optional library that is absent */
            if (!common->quiet) complain("not in this build: %s", error.text);
            continue;
        }
        ent_codec_free(codec);
        list_row(list, (const char *[]){ c->name, c->brief, c->cite, left_out(c->name), c->text });
    }
    remark(common, "published systems, lossy ones too: entropy list systems");
}

static void list_systems(struct list *list, const struct common *common)
{
    (void)common;
    list_begin(list, (const char *[]){ "name", "brief", "cite", "pipeline", "codec", "allocation", "published", "status", "left_out", NULL });
    for (const ent_system *s = ent_systems; s->name; s++)
        list_row(list, (const char *[]){ s->name, s->brief, s->cite, s->pipeline, s->codec, s->allocation, s->published, s->status, s->left_out });
}

/* "states 1..64 (32), ..." */
static const char *params(char *text, size_t size, const ent_coder *coder)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < ENT_CODER_PARAMS && n < size; i++) {
        const ent_param *p = &coder->param[i];
        if (p->name)
            n += (size_t)snprintf(text + n, size - n, "%s%s=%u..%u (%u)", n ? ", " : "", p->name, p->least, p->most,
                                  p->preset);
    }
    return text;
}

static void list_coders(struct list *list, const struct common *common)
{
    char knobs[300], alphabet[16];
    (void)common;
    list_begin(list, (const char *[]){ "name", "alphabet", "brief", "knobs", "cite", NULL });
    for (size_t i = 0; ent_coders[i]; i++) {
        const ent_coder *c = ent_coders[i];
        snprintf(alphabet, sizeof alphabet, "%u", c->max_alphabet);
        list_row(list, (const char *[]){ c->name, c->wide ? "any bytes" : alphabet, c->brief,
                                         params(knobs, sizeof knobs, c), c->cite });
    }
    if (ENT_BUILD_ABSENT[0] && !common->quiet) complain("built without %s: no baseline coders from there", ENT_BUILD_ABSENT);
}

static void list_transforms(struct list *list, const struct common *common)
{
    static const char *const kind[] = { [ENT_BEFORE] = "before", [ENT_QUANTIZER] = "quantizer", [ENT_REPAIR] = "repair" };
    (void)common;
    list_begin(list, (const char *[]){ "name", "kind", "brief", "settings", "cite", NULL });
    for (size_t i = 0; ent_transforms[i]; i++) {
        const ent_transform *t = ent_transforms[i];
        char settings[200] = "";
        int at = 0;
        for (size_t k = 0; k < ENT_SETTINGS && t->setting[k].name; k++)
            at += snprintf(settings + at, sizeof settings - (size_t)at, "%s%s=%g", k ? "," : "", t->setting[k].name,
                           t->setting[k].preset);
        list_row(list, (const char *[]){ t->name, kind[t->kind], t->brief, settings, t->cite });
    }
}

static void list_formats(struct list *list, const struct common *common)
{
    static const char *const kind[] = {
        [ENT_KIND_FLOAT] = "float", [ENT_KIND_SIGNED] = "int", [ENT_KIND_UNSIGNED] = "uint", [ENT_KIND_SCALE] = "scale",
        [ENT_KIND_RECORD] = "record",
    };
    const ent_format *f;
    (void)common;
    list_begin(list, (const char *[]){ "name", "kind", "bits", "layout", "cite", NULL });
    for (size_t i = 0; (f = ent_dtype_at(i)); i++) {
        char bits[8], layout[200] = "";
        snprintf(bits, sizeof bits, "%u", f->bits);
        if (f->kind == ENT_KIND_FLOAT)
            snprintf(layout, sizeof layout, "%u-%u-%u", f->sign_bits, f->exponent_bits, f->mantissa_bits);
        for (int k = 0, at = 0; k < ENT_MAX_MEMBERS && f->member[k].name; k++)
            at += snprintf(layout + at, sizeof layout - (size_t)at, "%s%s %ux%s", k ? ", " : "", f->member[k].name,
                           f->member[k].count, f->member[k].dtype);
        list_row(list, (const char *[]){ f->name, kind[f->kind], bits, layout, f->cite });
    }
}

static void list_readers(struct list *list, const struct common *common)
{
    (void)common;
    list_begin(list, (const char *[]){ "name", "brief", NULL });
    for (size_t i = 0; i < ent_readers(); i++)
        list_row(list, (const char *[]){ ent_reader_at(i).name, ent_reader_at(i).brief });
}

static void list_estimators(struct list *list, const struct common *common)
{
    (void)common;
    list_begin(list, (const char *[]){ "name", "brief", "cite", NULL });
    for (size_t i = 0; ent_estimators[i]; i++)
        list_row(list, (const char *[]){ ent_estimators[i]->name, ent_estimators[i]->brief, ent_estimators[i]->cite });
}

static void list_laws(struct list *list, const struct common *common)
{
    (void)common;
    list_begin(list, (const char *[]){ "name", "brief", "cite", NULL });
    for (size_t i = 0; ent_fit_laws[i]; i++)
        list_row(list, (const char *[]){ ent_fit_laws[i]->name, ent_fit_laws[i]->brief, ent_fit_laws[i]->cite });
}

static void list_contexts(struct list *list, const struct common *common)
{
    (void)common;
    list_begin(list, (const char *[]){ "name", "brief", NULL });
    for (size_t i = 0; ent_contexts[i]; i++)
        list_row(list, (const char *[]){ ent_contexts[i]->name, ent_contexts[i]->brief });
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && !strcmp(entry->d_name + n - 5, ".yaml");
}

static void list_target(struct list *list, const char *folder, const char *file)
{
    char path[PATH_MAX], name[256];
    ent_target *target;
    ent_error error = { 0 };
    snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - 5), file);
    if (snprintf(path, sizeof path, "%s/%s", folder, file) >= PATH_MAX) return;
    if (ent_target_read(&target, path, &error)) {
        complain("%s", error.text);
        return;
    }
    list_row(list, (const char *[]){ name, ent_target_kind_name(ent_target_kind_of(target)),
                                     ent_target_brief(target) });
    ent_target_free(target);
}

static void list_targets(struct list *list, const struct common *common)
{
    char folder[PATH_MAX];
    struct dirent **file;
    list_begin(list, (const char *[]){ "name", "kind", "brief", NULL });
    int files = data_folder(folder, "targets") ? scandir(folder, &file, is_yaml, alphasort) : -1;
    if (files < 0) {
        remark(common, "the folder of targets was not found; ENT_DATA may name the place that holds it");
        return;
    }
    for (int i = 0; i < files; i++) {
        list_target(list, folder, file[i]->d_name);
        free(file[i]);
    }
    free(file);
}

static void list_datasets(struct list *list, const struct common *common)
{
    ent_catalogue catalogue;
    ent_error error = { 0 };
    list_begin(list, (const char *[]){ "name", "kind", "bytes", "licence", "note", "path", NULL });
    if (catalogue_open(&catalogue, &error)) {
        remark(common, error.text);
        return;
    }
    for (size_t i = 0; i < catalogue.rows; i++) {
        const ent_dataset *d = &catalogue.row[i];
        char path[PATH_MAX];
        list_row(list, (const char *[]){ d->name, d->kind, d->bytes, d->licence, d->note,
                                         dataset_path(path, d) ? path : NULL });
    }
    ent_catalogue_free(&catalogue);
}

/* ---- the command ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*print)(struct list *list, const struct common *common);
} lists[] = {
    { "codecs", list_codecs },     { "coders", list_coders },         { "transforms", list_transforms },
    { "formats", list_formats },   { "readers", list_readers },       { "targets", list_targets },
    { "datasets", list_datasets }, { "estimators", list_estimators },   { "contexts", list_contexts },
    { "laws", list_laws },         { "systems", list_systems },
};

int list_print(const char *name, const struct common *common)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!strcmp(name, lists[i].name)) {
            struct list list = { .json = common->json };
            lists[i].print(&list, common);
            table_end(&list.table);
            return EXIT_DONE;
        }
    complain("no list '%s'; `entropy list --help` names them", name);
    return EXIT_USAGE;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    const char **what = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*what) argp_error(state, "one list at a time");
        *what = text;
        return 0;
    case ARGP_KEY_END:
        if (!*what) argp_error(state, "which list?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_list(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "codecs|systems|coders|transforms|formats|readers|targets|datasets|estimators|contexts|laws",
        .doc = "Shows what this build has.\vA target or codec is data: a file or a line of text, no compiler needed.  A system is a published way of storing weights, lossy or not, and runs by its name where pipelines or "
               "codecs are named; left_out is what of it is not done here: training, kernels.",
    };
    struct common common = { 0 };
    const char *what = NULL;
    command_parse(&argp, argc, argv, &what, &common);
    return list_print(what, &common);
}
