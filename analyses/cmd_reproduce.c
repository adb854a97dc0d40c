/* cmd_reproduce.c - `entropy reproduce`: a paper's tables from our weights and targets, beside its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../datasets/dataset.h"
#include "command.h"
#include "model.h"
#include "reproduce.h"
#include "save.h"

enum { MOST_SETS = 16 };

struct reproduce {
    struct common common;
    const char *paper, *folder;
    const char *model[MOST_SETS];
    size_t models;
    uint64_t weights; /* of each set, at most */
    struct variants set[MOST_SETS];
    struct reproduction reproduction;
};

/* ---- weights ---------------------------------------------------------------------------------- */

/* What is used when no model is named: BF16 and FP16 weights made of the same F32 ones, and the shipped model. */
static const struct { const char *name, *make; } generated[] = {
    { "normal", "normal dtype=F32" },
    { "normal, rows spread", "normal dtype=F32 row-spread=0.4" },
};

static ent_status measure_file(struct reproduce *r, const char *name, const char *path, ent_error *error)
{
    ent_weights *weights;
    ent_status status = ent_weights_open(&weights, path, error);
    if (status) return status;
    status = variants_measure(&r->set[r->reproduction.sets], name, weights, r->weights, r->common.threads, error);
    ent_weights_close(weights);
    if (!status) r->reproduction.sets++;
    return status;
}

static ent_status measure_generated(struct reproduce *r, size_t i, ent_error *error)
{
    char path[PATH_MAX];
    ent_dataset_options options;
    ent_run run = { .threads = r->common.threads };
    int n = snprintf(path, sizeof path, "%s/.generated.%ld.part.safetensors", r->folder, (long)getpid());
    if (n >= (int)sizeof path)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", r->folder);
    ent_status status = ent_dataset_options_parse(&options, generated[i].make, error);
    options.weights = r->weights;
    if (!status) status = ent_dataset_make(path, &options, &run, error);
    if (!status) status = measure_file(r, generated[i].name, path, error);
    unlink(path);
    return status;
}

static ent_status measure_weights(struct reproduce *r, ent_error *error)
{
    ent_status status = ENT_OK;
    for (size_t i = 0; i < sizeof generated / sizeof *generated && !r->models && !status; i++)
        status = measure_generated(r, i, error);
    if (!r->models) r->model[r->models++] = "gutenberg-llama-4.7m";
    for (size_t i = 0; i < r->models && !status; i++) {
        char path[PATH_MAX];
        status = model_path(path, r->model[i], error);
        if (!status) status = measure_file(r, model_name(r->model[i]), path, error);
    }
    return status;
}

/* ---- tables ----------------------------------------------------------------------------------- */

static ent_status save_table(const struct table *table, const char *folder, const char *name, bool markdown,
                             ent_error *error)
{
    char path[PATH_MAX];
    struct save save;
    if (snprintf(path, sizeof path, "%s/%s.%s", folder, name, markdown ? "md" : "tsv") >= (int)sizeof path)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", folder);
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    (markdown ? table_markdown : table_tsv)(table, save.file);
    return save_close(&save, ENT_OK, error);
}

static void print_json(const struct table *t, const char *name)
{
    for (size_t row = 1; row < t->cells / t->columns; row++) {
        json_t *object = json_object();
        json_text(object, "table", name);
        for (unsigned c = 0; c < t->columns; c++) json_text(object, t->cell[c], t->cell[row * t->columns + c]);
        json_line(object);
    }
}

static ent_status write_table(const struct reproduce *r, const char *name, const char *file, const char *heading,
                              ent_error *error)
{
    struct table table = { 0 };
    ent_status status = !strcmp(name, "blocks")     ? reproduce_blocks(&table, error)
                        : !strcmp(name, "decoders") ? reproduce_decoders(&r->reproduction, &table, error)
                                                    : reproduce_table(&r->reproduction, name, &table, error);
    if (!status) status = save_table(&table, r->folder, file, false, error);
    if (!status) status = save_table(&table, r->folder, file, true, error);
    if (!status && r->common.json) print_json(&table, file);
    if (!status && !r->common.json && !r->common.quiet) printf("\n%s\n\n", heading);
    if (status || r->common.json || r->common.quiet) table_free(&table);
    else table_end(&table);
    return status;
}

static ent_status make_folder(const struct reproduce *r, ent_error *error)
{
    if (!mkdir(r->folder, 0777) || errno == EEXIST) return ENT_OK;
    return ent_fail(error, ENT_EIO, "%s: %s", r->folder, strerror(errno));
}

static ent_status bitstack(const struct reproduce *r, ent_error *error)
{
    ent_status status = make_folder(r, error);
    return status ? status : write_table(r, "blocks", "blocks", "Table 6: a block of each matrix, MiB", error);
}

static ent_status huff_llm(struct reproduce *r, ent_error *error)
{
    static const struct { const char *name, *file, *heading; } tables[] = {
        { "1", "table1", "Table 1: entropy of splits, bits a weight" },
        { "5", "table5", "Table 5: bits a weight" },
        { "6", "table6", "Table 6: latency" },
        { "7", "table7", "Table 7: energy" },
        { "256", "study256", "High bandwidth: 256 GB/s" },
        { "area", "area", "Area" },
        { "decoders", "decoders", "Decoders, cycle by cycle" },
    };
    ent_status status = reproduction_open(&r->reproduction, error);
    if (!status) status = make_folder(r, error);
    if (!status) status = measure_weights(r, error);
    r->reproduction.weights = r->set;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !status; i++)
        status = write_table(r, tables[i].name, tables[i].file, tables[i].heading, error);
    for (size_t i = 0; i < r->reproduction.sets; i++) variants_free(&r->set[i]);
    reproduction_close(&r->reproduction);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------ */

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct reproduce *r = state->input;
    switch (key) {
    case 'o': r->folder = text; return 0;
    case 'w':
        r->weights = option_count(state, "--weights", text);
        if (!r->weights || r->weights > (uint64_t)1 << 32) argp_error(state, "--weights: 1 to 4Gi");
        return 0;
    case ARGP_KEY_ARG:
        if (!r->paper) {
            if (strcmp(text, "huff-llm") && strcmp(text, "bitstack"))
                argp_error(state, "no paper '%s'; there are huff-llm and bitstack", text);
            r->paper = text;
        } else if (r->models == MOST_SETS) {
            argp_error(state, "at most %d models", MOST_SETS);
        } else {
            r->model[r->models++] = text;
        }
        return 0;
    case ARGP_KEY_END:
        if (!r->paper) argp_error(state, "which paper?");
        if (!r->folder) argp_error(state, "-o: into which folder?");
        if (!strcmp(r->paper, "bitstack") && r->models) argp_error(state, "bitstack: sizes of blocks need no model");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_reproduce(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { .name = "output", .key = 'o', .arg = "DIR", .doc = "The folder for the tables, needed" },
        { .name = "weights", .key = 'w', .arg = "N", .doc = "Generate, or take of a model, so many (preset 4Mi)" },
        { 0 }
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "huff-llm [MODEL...]\nbitstack",
        .doc = "Writes the tables of a paper with our value, the published one and the difference in each row, as TSV "
               "and Markdown.  Without models it uses normal weights and the shipped model.  Published numbers are "
               "data, in the folder 'published'; which of them are second-hand stands in each row.\v"
               "Bits come from coding the weights with the codec huff-llm; latency and energy from the targets "
               "huff-llm-* and the layers of the published model (its config), token by token and with the whole "
               "prompt at once.  The decoders' energy is calibrated on the rows marked so and tested on the others.  "
               "The last table runs content-addressed decoders cycle by cycle.\n\n"
               "Of bitstack there is the table of its blocks' sizes, which follow from the shapes of the published models.\n\n"
               "JSON keys: table, and the headings of each table.",
    };
    struct reproduce r = { .weights = 4 << 20 };
    ent_error error;
    command_parse(&argp, argc, argv, &r, &r.common);
    ent_status status = strcmp(r.paper, "bitstack") ? huff_llm(&r, &error) : bitstack(&r, &error);
    return status ? complain_error(&error) : EXIT_DONE;
}
