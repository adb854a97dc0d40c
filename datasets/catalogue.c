/* catalogue.c - reads catalogue.tsv: a model a line, columns separated by tabs. */
#include <stdio.h>
#include <string.h>

#include "parts.h"

enum { COLUMNS = 9 };
static const char header[] = "name\tkind\tsource\tfiles\tlicence\tbytes\tsha256\tcite\tnote";

static size_t words(const char *text)
{
    size_t n = 0;
    for (const char *c = text; *c; c++) n += *c != ' ' && (c == text || c[-1] == ' ');
    return n;
}

/* Cuts a line into its columns; false unless there are exactly so many. */
static bool cut(char *line, const char *column[COLUMNS])
{
    size_t n = 0;
    for (char *next = line; line; line = next) {
        if ((next = strchr(line, '\t'))) *next++ = '\0';
        if (n == COLUMNS) return false;
        column[n++] = line;
    }
    return n == COLUMNS;
}

static const char *fault(const ent_catalogue *catalogue, const ent_dataset *row)
{
    static const char *const kinds[] = { "shipped", "huggingface", "generated" };
    bool known = false;
    for (size_t i = 0; i < 3; i++) known |= !strcmp(row->kind, kinds[i]);
    if (!known) return "the kind is not shipped, huggingface or generated";
    if (!ent_dataset_name_safe(row->name)) return "the name is not a plain word";
    if (ent_catalogue_find(catalogue, row->name)) return "the name is taken by an earlier row";
    if (!*row->source) return "no source";
    if (strcmp(row->sha256, "?") && words(row->sha256) != words(row->files)) return "not one sha256 a file";
    return NULL;
}

static ent_status read_row(ent_catalogue *catalogue, char *line, const char *folder, size_t number, ent_error *error)
{
    const char *c[COLUMNS];
    if (!cut(line, c))
        return ent_fail(error, ENT_ECORRUPT, "%s/catalogue.tsv:%zu: not %d columns", folder, number, COLUMNS);
    ent_dataset row = { .name = c[0], .kind = c[1], .source = c[2], .files = c[3], .licence = c[4], .bytes = c[5],
                        .sha256 = c[6], .cite = c[7], .note = c[8], .folder = catalogue->text };
    const char *why = fault(catalogue, &row);
    if (why) return ent_fail(error, ENT_ECORRUPT, "%s/catalogue.tsv:%zu: %s", folder, number, why);
    catalogue->row[catalogue->rows++] = row;
    return ENT_OK;
}

static ent_status read_rows(ent_catalogue *catalogue, char *text, const char *folder, ent_error *error)
{
    bool headed = false;
    size_t number = 0;
    for (char *line = text, *next; line && *line; line = next) {
        if ((next = strchr(line, '\n'))) *next++ = '\0';
        number++;
        if (*line == '#' || !*line) continue;
        if (!headed) {
            headed = !strcmp(line, header);
            if (!headed)
                return ent_fail(error, ENT_ECORRUPT, "%s/catalogue.tsv:%zu: not the columns %s", folder, number,
                                header);
            continue;
        }
        ent_status status = read_row(catalogue, line, folder, number, error);
        if (status) return status;
    }
    return ENT_OK;
}

ent_status ent_catalogue_read(ent_catalogue *catalogue, const char *folder, ent_error *error)
{
    char path[PATH_MAX], *text = NULL;
    size_t lines = 1, place = strlen(folder) + 1;
    *catalogue = (ent_catalogue){ 0 };
    ent_status status = ent_dataset_path(path, folder, "catalogue.tsv", error);
    if (!status) status = ent_dataset_read_text(&text, path, NULL, error);
    if (status) return status;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    /* one block holds the folder's path and the text that the rows point into */
    catalogue->text = ent_alloc(place + strlen(text) + 1);
    catalogue->row = ent_calloc(lines, sizeof *catalogue->row);
    if (catalogue->text && catalogue->row) {
        memcpy(catalogue->text, folder, place);
        strcpy(catalogue->text + place, text);
        status = read_rows(catalogue, catalogue->text + place, folder, error);
    } else {
        status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    }
    ent_free(text);
    if (status) ent_catalogue_free(catalogue);
    return status;
}

void ent_catalogue_free(ent_catalogue *catalogue)
{
    ent_free(catalogue->row);
    ent_free(catalogue->text);
    *catalogue = (ent_catalogue){ 0 };
}

const ent_dataset *ent_catalogue_find(const ent_catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->rows; i++)
        if (!strcmp(catalogue->row[i].name, name)) return &catalogue->row[i];
    return NULL;
}
