/* published.h - tables of published numbers (analyses/published/NAME.tsv), read by column name. */
#ifndef ENT_ANALYSES_PUBLISHED_H
#define ENT_ANALYSES_PUBLISHED_H

#include <limits.h>

#include <entropy/base.h>

struct published {
    char *text;       /* the file, cut into cells */
    const char **cell; /* [rows + 1][columns], headings first */
    size_t columns, rows;
};

/* ENT_EINVAL when there is no such file, ENT_ECORRUPT for a row of another width than the headings. */
ent_status published_read(struct published *table, const char *name, ent_error *error);
void published_free(struct published *table);
/* The text in a row's column; "" when the table has no such column. */
const char *published_get(const struct published *table, size_t row, const char *column);
/* The row that has `value` in `column`; table->rows: none. */
size_t published_find(const struct published *table, const char *column, const char *value);
/* Path of a file in the folder. */
ent_status published_path(char path[PATH_MAX], const char *name, ent_error *error);

#endif
