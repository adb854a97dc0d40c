/* output.c - see output.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

static void out_of_memory(void)
{
    complain("out of memory");
    exit(EXIT_SYSTEM);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

void json_line(json_t *object)
{
    /* 12 digits: more than any estimate means, few enough that 0.1 prints as 0.1 */
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (!text) out_of_memory();
    puts(text);
    free(text);
    json_decref(object);
}

void json_text(json_t *object, const char *key, const char *text)
{
    if (!text) {
        json_object_set_new(object, key, json_null());
        return;
    }
    json_t *value = json_string(text);
    if (!value) { /* a file name may be any bytes */
        char *clean = strdup(text);
        if (!clean) out_of_memory();
        for (char *p = clean; *p; p++)
            if (*p & 0x80) *p = '?';
        value = json_string(clean);
        free(clean);
    }
    json_object_set_new(object, key, value);
}

void json_real_or_null(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

void json_count(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* ---- text ------------------------------------------------------------------------------------ */

char *make_plain(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
    return text;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void table_add(struct table *table, const char *text, size_t size)
{
    if (table->cells == table->room) {
        table->room = table->room ? 2 * table->room : 256;
        table->cell = realloc(table->cell, table->room * sizeof *table->cell);
        if (!table->cell) out_of_memory();
    }
    char *cell = strndup(text, size);
    if (!cell) out_of_memory();
    table->cell[table->cells++] = make_plain(cell);
}

void table_begin(struct table *table, const char *headings)
{
    *table = (struct table){ 0 };
    for (const char *p = headings;; p++) {
        table->left[table->columns++] = *p == '<';
        p += *p == '<';
        size_t n = strcspn(p, "|");
        table_add(table, p, n);
        p += n;
        if (!*p) return;
    }
}

void table_cell(struct table *table, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    table_add(table, text, strlen(text));
}

void table_number(struct table *table, double value, int digits)
{
    if (isnan(value))
        table_add(table, "", 0);
    else
        table_cell(table, "%.*f", digits, value);
}

/* Columns that a terminal shows: UTF-8 continuation bytes take none. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

static void print_row(const struct table *table, char *const *cell, const int width[])
{
    int pending = 0; /* blanks owed: none are printed at the end of a line */
    for (unsigned c = 0; c < table->columns; c++) {
        int fill = width[c] - width_of(cell[c]);
        pending += c ? 2 : 0;
        if (!table->left[c]) pending += fill;
        if (cell[c][0]) {
            printf("%*s%s", pending, "", cell[c]);
            pending = 0;
        } else {
            pending += table->left[c] ? 0 : width[c] - fill;
        }
        if (table->left[c]) pending += fill;
    }
    putchar('\n');
}

static void write_rows(const struct table *table, const char *begin, const char *between, const char *end, FILE *file)
{
    for (size_t i = 0; i < table->cells; i++) {
        unsigned c = (unsigned)(i % table->columns);
        fprintf(file, "%s%s", c ? between : begin, table->cell[i]);
        if (c + 1 == table->columns) fputs(end, file);
        if (i + 1 != table->columns || !*begin) continue;
        fputs("|", file); /* Markdown: the line below the headings */
        for (c = 0; c < table->columns; c++) fputs(table->left[c] ? "---|" : "---:|", file);
        fputc('\n', file);
    }
}

void table_tsv(const struct table *table, FILE *file) { write_rows(table, "", "\t", "\n", file); }

void table_markdown(const struct table *table, FILE *file) { write_rows(table, "| ", " | ", " |\n", file); }

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cells; i++) free(table->cell[i]);
    free(table->cell);
    *table = (struct table){ 0 };
}

const char *table_style_suffix(enum table_style style)
{
    static const char *const suffix[] = { "tsv", "md", "tex" };
    return suffix[style];
}

void table_text(const char *text, enum table_style style, FILE *file)
{
    static const char *const special[TABLE_STYLES] = { "", "|\\*_`<", "&%$#_{}" };
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 127) fputc(' ', file); /* a tab or a line's end would break the table */
        else if (style == STYLE_LATEX && strchr("\\~^", c)) fprintf(file, "\\char`\\%c{}", c);
        else fprintf(file, strchr(special[style], c) ? "\\%c" : "%c", c);
    }
}

void table_latex(const struct table *table, FILE *file)
{
    fputs("\\begin{tabular}{", file);
    for (unsigned c = 0; c < table->columns; c++) fputc(table->left[c] ? 'l' : 'r', file);
    fputs("}\n\\hline\n", file);
    for (size_t i = 0; i < table->cells; i++) {
        unsigned c = (unsigned)(i % table->columns);
        if (c) fputs(" & ", file);
        table_text(table->cell[i], STYLE_LATEX, file);
        if (c + 1 == table->columns) fputs(" \\\\\n", file);
        if (i + 1 == table->columns) fputs("\\hline\n", file);
    }
    fputs("\\hline\n\\end{tabular}\n", file);
}

void table_end(struct table *table)
{
    int width[TABLE_COLUMNS] = { 0 };
    for (size_t i = 0; i < table->cells; i++) {
        int w = width_of(table->cell[i]);
        if (w > width[i % table->columns]) width[i % table->columns] = w;
    }
    while (table->cells % table->columns) table_add(table, "", 0);
    if (table->cells > table->columns)
        for (size_t i = 0; i < table->cells; i += table->columns) print_row(table, table->cell + i, width);
    table_free(table);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static struct shown show(uint64_t value, const char *unit)
{
    static const char *const prefix[] = { "", "k", "M", "G", "T", "P", "E" };
    struct shown s;
    double v = (double)value;
    int p = 0;
    while (v >= 999.5 && p < 6) v /= 1000, p++;
    if (p)
        snprintf(s.text, sizeof s.text, "%.*f %s%s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, prefix[p], unit);
    else
        snprintf(s.text, sizeof s.text, "%" PRIu64 "%s%s", value, *unit ? " " : "", unit);
    return s;
}

struct shown show_bytes(uint64_t bytes) { return show(bytes, "B"); }
struct shown show_count(uint64_t count) { return show(count, ""); }

struct shown show_time(double seconds)
{
    struct shown s;
    double value = seconds < 100 ? seconds : seconds < 6000 ? seconds / 60 : seconds / 3600;
    snprintf(s.text, sizeof s.text, "%.3g %s", value, seconds < 100 ? "s" : seconds < 6000 ? "min" : "h");
    return s;
}

struct shown show_shape(uint32_t rank, const uint64_t *shape)
{
    struct shown s = { "scalar" };
    int n = 0;
    for (uint32_t i = 0; i < rank; i++) {
        int more = snprintf(s.text + n, sizeof s.text - (size_t)n, "%s%" PRIu64, i ? " x " : "", shape[i]);
        if (more < 0 || (size_t)(n + more) >= sizeof s.text) {
            snprintf(s.text, sizeof s.text, "rank %" PRIu32, rank);
            return s;
        }
        n += more;
    }
    return s;
}

void output_close(void)
{
    errno = 0;
    bool bad = ferror(stdout) != 0;
    bad |= fclose(stdout) != 0;
    if (!bad) return;
    if (errno != EPIPE)
        fprintf(stderr, "entropy: cannot write to standard output: %s\n", errno ? strerror(errno) : "write error");
    _exit(EXIT_SYSTEM);
}

/* ---- files ----------------------------------------------------------------------------------- */

ent_status may_write(const char *path, bool force, ent_error *error)
{
    if (force || access(path, F_OK)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s exists; --force overwrites it", path);
}
