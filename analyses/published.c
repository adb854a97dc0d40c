/* published.c - see published.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "published.h"

enum { MOST_BYTES = 1 << 20 };

ent_status published_path(char path[PATH_MAX], const char *name, ent_error *error)
{
    char folder[PATH_MAX];
    if (!data_folder(folder, "published"))
        return ent_fail(error, ENT_EINVAL, "no folder 'published' beside the program; set ENT_DATA to where it lies");
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", folder);
    return ENT_OK;
}

static ent_status read_text(char **text, const char *path, ent_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file) return ent_fail(error, ENT_EINVAL, "%s: cannot open: %s", path, strerror(errno));
    *text = ent_calloc(1, MOST_BYTES + 1);
    size_t size = *text ? fread(*text, 1, MOST_BYTES + 1, file) : 0;
    bool failed = ferror(file);
    fclose(file);
    if (!*text) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (failed) return ent_fail(error, ENT_EIO, "%s: cannot read", path);
    if (size > MOST_BYTES || strlen(*text) != size || !size || (*text)[size - 1] != '\n')
        return ent_fail(error, ENT_ECORRUPT, "%s: no table of text lines", path);
    return ENT_OK;
}

static size_t count(const char *text, const char *end, char c)
{
    size_t n = 0;
    for (; text < end; text++) n += *text == c;
    return n;
}

static ent_status cut(struct published *t, const char *path, ent_error *error)
{
    char *line = t->text;
    size_t lines = count(line, line + strlen(line), '\n');
    t->columns = count(line, strchr(line, '\n'), '\t') + 1;
    t->rows = lines - 1;
    t->cell = ent_calloc(lines * t->columns, sizeof *t->cell);
    if (!t->cell) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t r = 0; r < lines; r++) {
        char *end = strchr(line, '\n');
        if (count(line, end, '\t') + 1 != t->columns)
            return ent_fail(error, ENT_ECORRUPT, "%s:%zu: %zu columns, the headings are %zu", path, r + 1,
                            count(line, end, '\t') + 1, t->columns);
        for (size_t c = 0; c < t->columns; c++) {
            t->cell[r * t->columns + c] = line;
            line += strcspn(line, "\t\n");
            *line++ = '\0';
        }
    }
    return ENT_OK;
}

ent_status published_read(struct published *table, const char *name, ent_error *error)
{
    char path[PATH_MAX];
    *table = (struct published){ .text = NULL };
    ent_status status = published_path(path, name, error);
    if (!status) status = read_text(&table->text, path, error);
    if (!status) status = cut(table, path, error);
    if (status) published_free(table);
    return status;
}

void published_free(struct published *table)
{
    ent_free(table->text);
    ent_free(table->cell);
    *table = (struct published){ .text = NULL };
}

static size_t column_of(const struct published *t, const char *column)
{
    size_t c = 0;
    while (c < t->columns && strcmp(t->cell[c], column)) c++;
    return c;
}

const char *published_get(const struct published *t, size_t row, const char *column)
{
    size_t c = column_of(t, column);
    return row < t->rows && c < t->columns ? t->cell[(row + 1) * t->columns + c] : "";
}

size_t published_find(const struct published *t, const char *column, const char *value)
{
    size_t row = 0;
    while (row < t->rows && strcmp(published_get(t, row, column), value)) row++;
    return row;
}
