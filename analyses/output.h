/* output.h - results on standard output: JSON lines and aligned tables; sizes for people. */
#ifndef ENT_ANALYSES_OUTPUT_H
#define ENT_ANALYSES_OUTPUT_H

#include <stdio.h>

#include <jansson.h>
#include <entropy/base.h>

/* ---- JSON: one object a line, keys in order of insertion ------------------------------------- */

/* Prints `object` as one line and frees it. */
void json_line(json_t *object);
void json_text(json_t *object, const char *key, const char *text);    /* bytes that are not UTF-8 become '?'; NULL null */
void json_real_or_null(json_t *object, const char *key, double value); /* null for NaN and infinities */
void json_count(json_t *object, const char *key, uint64_t value);

/* ---- text ------------------------------------------------------------------------------------ */

/* Control characters become '?': names in a file must not steer a terminal.  Returns `text`. */
char *make_plain(char *text);

/* ---- tables ---------------------------------------------------------------------------------- */

enum { TABLE_COLUMNS = 36 };

/* Cells are kept until the table is printed, each column as wide as its widest cell. */
struct table {
    unsigned columns;
    bool left[TABLE_COLUMNS]; /* aligned left: text; numbers go right */
    char **cell;              /* row by row, the headings first */
    size_t cells, room;
};

/* Headings separated by '|'; one that begins with '<' is aligned left. */
void table_begin(struct table *table, const char *headings);
/* The next cell, row by row; the text "" leaves it empty. */
void table_cell(struct table *table, const char *format, ...) ENT_PRINTF(2, 3);
/* The next cell, a number with `digits` after the point; empty for NaN. */
void table_number(struct table *table, double value, int digits);
/* The table as a file for programs: headings as given, tabs between; as Markdown, cells as given; and as LaTeX. */
void table_tsv(const struct table *table, FILE *file);
void table_markdown(const struct table *table, FILE *file);
void table_latex(const struct table *table, FILE *file);

enum table_style { STYLE_TSV, STYLE_MARKDOWN, STYLE_LATEX, TABLE_STYLES };
const char *table_style_suffix(enum table_style style); /* "tsv", "md", "tex" */
/* One text of a table, what the style would take for its own escaped. */
void table_text(const char *text, enum table_style style, FILE *file);

void table_free(struct table *table);
/* Prints (nothing when there are only headings) and frees. */
void table_end(struct table *table);

/* ---- sizes for people ------------------------------------------------------------------------ */

struct shown {
    char text[32];
};

struct shown show_bytes(uint64_t bytes); /* "812 B", "9.44 MB", "1.30 GB": powers of 1000 */
struct shown show_count(uint64_t count); /* "812", "4.72 M" */
struct shown show_time(double seconds);  /* "19 s", "3.4 min", "12.5 h" */
struct shown show_shape(uint32_t rank, const uint64_t *shape); /* "288 x 288" */

/* For atexit: closes standard output and ends the program with EXIT_SYSTEM when any of it could not
 * be written (said on stderr, but for a closed pipe, which is how `| head` ends a program). */
void output_close(void);

/* What gzip does: an output that exists is not touched unless asked for. */
ent_status may_write(const char *path, bool force, ent_error *error);

#endif
