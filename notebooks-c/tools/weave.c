/* weave.c - a notebook, which is a C program in cells, made into something to read.
 *
 *     weave NOTEBOOK.c                      the program to compile, on standard output: it marks where a cell begins to print
 *     weave NOTEBOOK.c OUTPUT FOLDER        FOLDER/NOTEBOOK.md, .ipynb and .html, with what that program printed
 *     weave --compare OLD.md NEW.md         whether two woven notebooks say the same; 1: no, and where
 *
 * The form of a notebook is told in notebooks-c/README.md.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <md4c-html.h>

#include <entropy/base.h>

#define MARK '\036' /* ASCII's record separator, before the number of the cell that prints what follows */
#define MEASURED "*Measured on "

typedef struct cell {
    bool markdown, times, inside; /* inside a function: only such a cell can print a mark */
    unsigned line;
    char *text, *output;
} cell;

enum { MAX_CELLS = 200 };

typedef struct notebook {
    const char *path;
    char name[128]; /* without folder and .c */
    double tolerance;
    unsigned cells;
    cell cell[MAX_CELLS + 1]; /* the last stays empty */
} notebook;

_Noreturn static void ENT_PRINTF(1, 2) die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("weave: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(3);
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size;
    if (!file) die("%s: %s", path, strerror(errno));
    FILE *copy = open_memstream(&text, &size);
    for (int c; copy && (c = getc(file)) != EOF;) putc(c, copy);
    if (!copy || ferror(file) || fclose(copy)) die("%s: %s", path, strerror(errno));
    if (strlen(text) != size) die("%s: a zero byte in a text", path);
    fclose(file);
    return text;
}

/* The next line, its end made a zero; NULL after the last. */
static char *next_line(char **text)
{
    char *line = *text, *end = line + strcspn(line, "\n");
    if (!*line) return NULL;
    *text = *end ? end + 1 : end;
    *end = '\0';
    return line;
}

/* ---- reading a notebook ------------------------------------------------------------------------ */

/* What follows "// %%", or NULL for a line that begins no cell. */
static const char *marker(const char *line)
{
    line += strspn(line, " ");
    if (strncmp(line, "// %%", 5) || (line[5] && line[5] != ' ')) return NULL;
    return line + 5;
}

static void begin_cell(notebook *book, const char *line, const char *words, unsigned number)
{
    if (book->cells == MAX_CELLS) die("%s:%u: more than %d cells", book->path, number, MAX_CELLS);
    cell *c = &book->cell[book->cells++];
    char copy[256], *rest = NULL;
    *c = (cell){ .line = number, .inside = *line == ' ' };
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (!strcmp(word, "[markdown]")) c->markdown = true;
        else if (!strcmp(word, "times")) c->times = true;
        else if (sscanf(word, "tolerance=%lf", &book->tolerance) != 1)
            die("%s:%u: '%s': a cell is [markdown], times or neither; the first may say tolerance=X", book->path, number, word);
    }
}

/* A line of a cell as it is shown: Markdown without its slashes, what is in a function without its indent. */
static const char *shown(const notebook *book, const cell *c, const char *line, unsigned number)
{
    if (c->inside)
        for (int i = 0; i < 4 && *line == ' '; i++) line++;
    if (!c->markdown || !*line) return line;
    if (strncmp(line, "//", 2)) die("%s:%u: code in a cell of Markdown; begin its own with // %%%%", book->path, number);
    return line + (line[2] == ' ' ? 3 : 2);
}

/* Blank lines at both ends belong to the program, not to the page. */
static char *trimmed(char *text)
{
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1])) text[--n] = '\0';
    while (*text == '\n') text++;
    return text;
}

static void read_notebook(notebook *book, const char *path)
{
    char *text = read_all(path), *line, *made = NULL;
    const char *slash = strrchr(path, '/'), *words;
    FILE *out = NULL;
    size_t size;
    unsigned number = 0;
    *book = (notebook){ .path = path };
    snprintf(book->name, sizeof book->name, "%.100s", slash ? slash + 1 : path);
    book->name[strcspn(book->name, ".")] = '\0';
    while ((line = next_line(&text))) {
        number++;
        if ((words = marker(line))) {
            if (out && (fclose(out), true)) book->cell[book->cells - 1].text = trimmed(made);
            begin_cell(book, line, words, number);
            out = open_memstream(&made, &size);
        } else if (out) {
            fprintf(out, "%s\n", shown(book, &book->cell[book->cells - 1], line, number));
        } else if (*line) {
            die("%s:%u: text before the first cell, which begins with // %%%%", path, number);
        }
    }
    if (!out) die("%s: no cells", path);
    fclose(out);
    book->cell[book->cells - 1].text = trimmed(made);
}

/* The notebook with a mark printed where a cell begins inside a function; no line moves. */
static void tangle(const notebook *book)
{
    char *text = read_all(book->path), *line;
    unsigned number = 0, at = 0;
    printf("#line 1 \"%s\"\n", book->path);
    while ((line = next_line(&text))) {
        bool begins = ++number == book->cell[at].line; /* past the last: never, a line 0 */
        const cell *c = &book->cell[begins ? at++ : 0];
        if (begins && c->inside && !c->markdown) printf("    fflush(stdout), fputs(\"\\%03o%u\\n\", stdout), fflush(stdout);\n", MARK, at - 1);
        else puts(line);
    }
}

/* ---- what it printed ----------------------------------------------------------------------------- */

/* Before the first mark prints the cell in which main begins: the last one of code outside of functions. */
static cell *first_to_print(notebook *book)
{
    cell *found = NULL;
    for (unsigned i = 0; i < book->cells && !(book->cell[i].inside && !book->cell[i].markdown); i++)
        if (!book->cell[i].markdown) found = &book->cell[i];
    if (!found) die("%s: no cell of code in which main begins", book->path);
    return found;
}

static void read_output(notebook *book, const char *path)
{
    char *text = read_all(path);
    cell *c = first_to_print(book);
    while (text) {
        char *next = strchr(text, MARK);
        if (next) *next++ = '\0';
        if (*text) {
            size_t n = strlen(text);
            if (c->output) die("%s:%u: the cell prints in two parts; a mark must be passed once", book->path, c->line);
            if (text[n - 1] != '\n') die("%s:%u: what the cell prints ends within a line", book->path, c->line);
            if (strstr(text, "```")) die("%s:%u: the cell prints ```, which would end its own block", book->path, c->line);
            c->output = trimmed(text);
        }
        if (next) {
            unsigned long i = strtoul(next, &next, 10);
            if (i >= book->cells || *next != '\n') die("%s: a mark of no cell", path);
            c = &book->cell[i];
            next++;
        }
        text = next;
    }
    for (unsigned i = 0; i < book->cells; i++)
        if (book->cell[i].times && !book->cell[i].output) die("%s:%u: a cell of times that prints nothing", path, book->cell[i].line);
}

/* ---- Markdown --------------------------------------------------------------------------------------- */

static void write_markdown(const notebook *book, FILE *out)
{
    fprintf(out, "<!-- Woven from %s.c by `make notebooks`: edit that file, not this one.  tolerance=%g -->\n", book->name, book->tolerance);
    for (unsigned i = 0; i < book->cells; i++) {
        const cell *c = &book->cell[i];
        if (c->markdown) {
            fprintf(out, "\n%s\n", c->text);
            continue;
        }
        fprintf(out, "\n```c\n%s\n```\n", c->text);
        if (c->output) fprintf(out, "\n```text%s\n%s\n```\n", c->times ? " times" : "", c->output);
        if (c->times) fprintf(out, "\n" MEASURED "%s; elsewhere these numbers differ.*\n", ent_cpu_text());
    }
}

/* A line that is a figure and nothing else, "![what it shows](name.svg)": the length of what it shows; 0: none. */
static int figure(const char *line, char file[128])
{
    int end = 0, caption = 0;
    file[0] = '\0';
    if (sscanf(line, "![%*[^]]%n](%127[^)])%n", &caption, file, &end) != 1 || !end || line[end]) return 0;
    return caption - 2;
}

static char *read_figure(const char *folder, const char *file)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return read_all(path);
}

/* ---- Jupyter's form, nbformat 4.5 -------------------------------------------------------------------- */

static json_t *lines_of(const char *text)
{
    json_t *lines = json_array();
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (text[n]) n++;
        json_array_append_new(lines, json_stringn(text, n));
        text += n;
    }
    return lines;
}

/* Markdown without its figures, which become output of the cell of code before. */
static json_t *markdown_lines(const notebook *book, const cell *c, const char *folder, json_t *outputs)
{
    char *text = strdup(c->text), *rest = text, *line, *kept = NULL, file[128];
    size_t size;
    FILE *out = open_memstream(&kept, &size);
    if (!text || !out) die("no memory");
    while ((line = next_line(&rest))) {
        int caption = figure(line, file);
        if (!caption) {
            fprintf(out, "%s\n", line);
            continue;
        }
        if (!outputs) die("%s:%u: a figure before any code", book->path, c->line);
        fprintf(out, "*%.*s*\n", caption, line + 2);
        char *svg = read_figure(folder, file);
        json_array_append_new(outputs, json_pack("{s:s, s:{s:o}, s:{}}", "output_type", "display_data", "data", "image/svg+xml", lines_of(svg), "metadata"));
        free(svg);
    }
    fclose(out);
    json_t *lines = lines_of(trimmed(kept));
    free(kept);
    free(text);
    return lines;
}

static void write_jupyter(const notebook *book, const char *folder, FILE *out)
{
    json_t *cells = json_array(), *outputs = NULL;
    int executed = 0;
    for (unsigned i = 0; i < book->cells; i++) {
        const cell *c = &book->cell[i];
        char id[32];
        json_t *one;
        snprintf(id, sizeof id, "cell-%u", i + 1);
        if (c->markdown) {
            one = json_pack("{s:s, s:s, s:{}, s:o}", "cell_type", "markdown", "id", id, "metadata", "source", markdown_lines(book, c, folder, outputs));
        } else {
            outputs = json_array();
            if (c->output)
                json_array_append_new(outputs, json_pack("{s:s, s:s, s:o}", "output_type", "stream", "name", "stdout", "text", lines_of(c->output)));
            one = json_pack("{s:s, s:s, s:i, s:{}, s:o, s:o}", "cell_type", "code", "id", id, "execution_count", ++executed, "metadata",
                            "source", lines_of(c->text), "outputs", outputs);
        }
        if (!one || json_array_append_new(cells, one)) die("%s: no JSON of cell %u: is it UTF-8?", book->path, i + 1);
    }
    json_t *root = json_pack("{s:o, s:{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}, s:i, s:i}", "cells", cells, "metadata", "kernelspec", "name", "xc17",
                             "display_name", "C17", "language", "c", "language_info", "name", "c", "file_extension", ".c", "mimetype", "text/x-csrc",
                             "nbformat", 4, "nbformat_minor", 5);
    if (!root || json_dumpf(root, out, JSON_INDENT(1))) die("%s: no JSON", book->path);
    fputc('\n', out);
    json_decref(root);
}

/* ---- HTML ---------------------------------------------------------------------------------------------- */

static void to_stream(const MD_CHAR *text, MD_SIZE size, void *out) { fwrite(text, 1, size, out); }

static const char style[] =
    "body{max-width:58em;margin:2em auto;padding:0 1em;font:17px/1.5 Georgia,serif;color:#222;background:#fff}"
    "h1,h2,h3{font-family:sans-serif;line-height:1.2;margin:1.4em 0 .5em}h1{font-size:1.7em}h2{font-size:1.25em}"
    "pre,code{font:13.5px/1.4 'DejaVu Sans Mono',Consolas,monospace}pre{margin:.8em 0;padding:.6em .8em;overflow-x:auto;background:#f4f4f1;border-left:3px solid #0072b2}"
    "pre:has(code.language-text){background:#fff;border:1px solid #ddd;border-left:3px solid #999}p code{background:#f4f4f1;padding:0 .2em}"
    "table{border-collapse:collapse;margin:1em 0}th,td{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left}img{max-width:100%;display:block;margin:1em auto}"
    "a{color:#0072b2}@media print{body{margin:0;max-width:none;font-size:11pt}pre{white-space:pre-wrap;font-size:8.5pt}pre,img,table{break-inside:avoid}h2{break-after:avoid}}";

/* The page holds its figures itself, and its links between notebooks are to pages. */
static void write_page(const notebook *book, const char *html, const char *folder, FILE *out)
{
    static const char image[] = "<img src=\"", link[] = "<a href=\"";
    while (*html) {
        size_t n = strcspn(html, "\"");
        if (!strncmp(html, image, sizeof image - 1)) {
            char file[128] = "";
            sscanf(html, "<img src=\"%127[^\"]", file);
            char *svg = read_figure(folder, file);
            fprintf(out, "%sdata:image/svg+xml,", image);
            for (const char *s = svg; *s; s++)
                fprintf(out, isalnum((unsigned char)*s) || strchr(" =:;/,.-", *s) ? "%c" : "%%%02X", (unsigned char)*s);
            free(svg);
            html += n + 1 + strlen(file);
        } else if (!strncmp(html, link, sizeof link - 1) && isdigit((unsigned char)html[n + 1])) {
            size_t name = strcspn(html + n + 1, ".\"");
            fprintf(out, "%.*s", (int)(n + 1 + name), html);
            html += n + 1 + name;
            if (!strncmp(html, ".md\"", 4) && (html += 3)) fputs(".html", out);
        } else {
            putc(*html++, out);
        }
    }
    if (ferror(out)) die("%s: no page", book->path);
}

static void write_html(const notebook *book, const char *markdown, const char *folder, FILE *out)
{
    char *html = NULL;
    size_t size;
    FILE *body = open_memstream(&html, &size);
    const char *title = strstr(markdown, "\n# ");
    if (!title) die("%s: no title, which is a first line of Markdown that begins with #", book->path);
    if (!body || md_html(markdown, (MD_SIZE)strlen(markdown), to_stream, body, MD_DIALECT_GITHUB, 0) || fclose(body)) die("%s: no HTML", book->path);
    fprintf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
                 "<title>%.*s</title><style>%s</style></head><body>\n", (int)strcspn(title + 3, "\n"), title + 3, style);
    write_page(book, html, folder, out);
    fputs("</body></html>\n", out);
    free(html);
}

static FILE *create(const notebook *book, const char *folder, const char *suffix)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", folder, book->name, suffix);
    FILE *out = fopen(path, "w");
    if (!out) die("%s: %s", path, strerror(errno));
    return out;
}

static void finish(const notebook *book, FILE *out)
{
    if (fclose(out)) die("%s: %s", book->path, strerror(errno));
}

static void weave(const notebook *book, const char *folder)
{
    char *markdown = NULL;
    size_t size;
    FILE *out = open_memstream(&markdown, &size);
    if (!out) die("no memory");
    write_markdown(book, out);
    finish(book, out);
    out = create(book, folder, "md");
    fputs(markdown, out);
    finish(book, out);
    out = create(book, folder, "ipynb");
    write_jupyter(book, folder, out);
    finish(book, out);
    out = create(book, folder, "html");
    write_html(book, markdown, folder, out);
    finish(book, out);
    free(markdown);
}

/* ---- comparing -------------------------------------------------------------------------------------------- */

static bool number_begins(const char *s)
{
    s += *s == '-' || *s == '+';
    s += *s == '.';
    return isdigit((unsigned char)*s);
}

/* Whether two lines of output are the same but for blanks and for numbers that differ by at most the
 * tolerance, relative to numbers over 1. */
static bool same_output(const char *a, const char *b, double tolerance)
{
    for (;;) {
        a += strspn(a, " "), b += strspn(b, " ");
        if (number_begins(a) && number_begins(b)) {
            char *end_a, *end_b;
            double x = strtod(a, &end_a), y = strtod(b, &end_b);
            if (!(fabs(x - y) <= tolerance * fmax(1, fabs(x)))) return false;
            a = end_a, b = end_b;
        } else if (*a != *b) {
            return false;
        } else if (!*a) {
            return true;
        } else {
            a++, b++;
        }
    }
}

static char *next_compared(char **text, unsigned *number)
{
    char *line;
    do line = next_line(text), ++*number;
    while (line && !strncmp(line, MEASURED, sizeof MEASURED - 1));
    return line;
}

static int compare(const char *old_path, const char *new_path)
{
    char *old_text = read_all(old_path), *new_text = read_all(new_path), *a, *b;
    unsigned old_line = 0, new_line = 0;
    double tolerance = 0;
    const char *stated = strstr(new_text, "tolerance=");
    enum { TEXT, CODE, OUTPUT, TIMES } within = TEXT;
    if (stated) sscanf(stated, "tolerance=%lf", &tolerance);
    do {
        a = next_compared(&old_text, &old_line), b = next_compared(&new_text, &new_line);
        bool same = !a || !b ? a == b : within < OUTPUT ? !strcmp(a, b) : same_output(a, b, within == TIMES ? (double)INFINITY : tolerance);
        if (!same) {
            printf("%s:%u: %s\n%s:%u: %s\n", old_path, old_line, a ? a : "(ends)", new_path, new_line, b ? b : "(ends)");
            return 1;
        }
        if (a && !strncmp(a, "```", 3))
            within = !a[3] ? TEXT : !strcmp(a, "```text") ? OUTPUT : !strcmp(a, "```text times") ? TIMES : CODE;
    } while (a);
    return 0;
}

int main(int argc, char **argv)
{
    static notebook book;
    if (argc == 4 && !strcmp(argv[1], "--compare")) return compare(argv[2], argv[3]);
    if (argc != 2 && argc != 4) {
        fputs("usage: weave NOTEBOOK.c [OUTPUT FOLDER] | weave --compare OLD.md NEW.md\n", stderr);
        return 2;
    }
    read_notebook(&book, argv[1]);
    if (argc == 2) {
        tangle(&book);
    } else {
        read_output(&book, argv[2]);
        weave(&book, argv[3]);
    }
    return 0;
}
