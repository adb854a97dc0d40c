/* stats_folder.c - see stats_folder.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "output.h"
#include "save.h"
#include "stats_folder.h"

static ent_status open_file(const struct stats_folder *f, struct save *save, const char *name, enum table_style style,
                            ent_error *error)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s.%s", f->path, name, table_style_suffix(style)) >= (int)sizeof path)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", f->path);
    return save_open(save, path, error);
}

/* Writes a table and frees it; one of headings alone is not written. */
static ent_status write_tsv(const struct stats_folder *f, const char *name, struct table *table, ent_error *error)
{
    struct save save;
    ent_status status = ENT_OK;
    if (table->cells > table->columns && !(status = open_file(f, &save, name, STYLE_TSV, error))) {
        table_tsv(table, save.file);
        status = save_close(&save, ENT_OK, error);
    }
    table_free(table);
    return status;
}

/* ---- every row, for programs --------------------------------------------------------------------------------- */

static void measure_row(const struct stats_report *report, const struct stats_row *row, size_t e,
                        const struct measure *m, struct table *table)
{
    const struct measures *by = &row->by[e];
    bool word = m == &by->word;
    table_cell(table, "%s", row->scope);
    table_cell(table, "%s", row->name);
    table_cell(table, "%s", row->role);
    table_cell(table, "%s", row->dtype);
    table_cell(table, "%s", m->field);
    table_cell(table, "%" PRIu64, by->count);
    table_cell(table, "%s%s", report->estimator[e]->name, word && by->word_is_sum ? "-sum" : "");
    table_number(table, m->estimate.bits, 6);
    table_number(table, m->estimate.stderr_bits, 6);
    table_number(table, m->estimate.low_bits, 6);
    table_number(table, m->estimate.high_bits, 6);
    table_cell(table, "%" PRIu32, by->word_bits);
    table_number(table, word ? by->fields_bits : NAN, 6);
    table_number(table, word ? by->exponent_bits : NAN, 6);
}

static ent_status write_rows(const struct stats_folder *f, ent_error *error)
{
    const struct stats_report *report = f->report;
    struct table table;
    table_begin(&table, "<scope|<name|<role|<dtype|<field|count|<estimator|bits|stderr|low|high|word_bits|fields_bits|"
                        "exponent_coded_bits");
    for (size_t i = 0; i < report->rows; i++)
        for (size_t e = 0; e < report->estimators; e++) {
            const struct measures *by = &report->row[i].by[e];
            for (uint32_t k = 0; k < by->fields; k++)
                measure_row(report, &report->row[i], e, &by->field[k], &table);
            if (by->conditional.field[0]) measure_row(report, &report->row[i], e, &by->conditional, &table);
            measure_row(report, &report->row[i], e, &by->word, &table);
        }
    return write_tsv(f, "stats", &table, error);
}

/* ---- the printed tables, for papers ---------------------------------------------------------------------------- */

static void write_table(struct table *table, const char *title, enum table_style style, FILE *file)
{
    fputs(style == STYLE_LATEX ? "% " : "", file);
    table_text(title, STYLE_TSV, file);
    fputs("\n\n", file);
    (style == STYLE_LATEX ? table_latex : table_markdown)(table, file);
    fputc('\n', file);
    table_free(table);
}

static void write_tables(const struct stats_report *report, enum table_style style, FILE *file)
{
    struct table table;
    char title[1000];
    for (size_t e = 0; e < report->estimators; e++) {
        for (size_t i = 0; i < report->rows; i++) {
            if (strcmp(report->row[i].scope, "model")) continue;
            size_t n = (size_t)snprintf(title, sizeof title, "%.500s, ", report->model);
            stats_title(report, &report->row[i], e, title + n, sizeof title - n);
            stats_table(report, &report->row[i], e, false, &table);
            write_table(&table, title, style, file);
        }
        stats_reach_table(report, e, &table);
        snprintf(title, sizeof title, "What coding could reach (%s)", report->estimator[e]->name);
        write_table(&table, title, style, file);
    }
}

static ent_status write_papers(const struct stats_folder *f, ent_error *error)
{
    ent_status status = ENT_OK;
    for (int style = STYLE_MARKDOWN; style < TABLE_STYLES && !status; style++) {
        struct save save;
        if ((status = open_file(f, &save, "stats", (enum table_style)style, error))) break;
        write_tables(f->report, (enum table_style)style, save.file);
        status = save_close(&save, ENT_OK, error);
    }
    return status;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

ent_status stats_folder_write(const struct stats_folder *f, unsigned *drawn, bool *missing, ent_error *error)
{
    struct plotter plotter;
    struct table table;
    if (mkdir(f->path, 0777) && errno != EEXIST)
        return ent_fail(error, ENT_EIO, "%s: cannot make this folder: %s", f->path, strerror(errno));
    ent_status status = plot_begin(&plotter, f->path, error);
    if (!status) status = write_rows(f, error);
    if (!status) status = write_papers(f, error);
    if (status) return status;
    fits_moments_table(f->fit, f->fits, &table);
    status = write_tsv(f, "moments", &table, error);
    fits_laws_table(f->fit, f->fits, &table);
    if (!status) status = write_tsv(f, "fits", &table, error);
    else table_free(&table);
    dependence_table(f->dependence, &table);
    if (!status) status = write_tsv(f, "dependence", &table, error);
    else table_free(&table);
    if (!status) status = stats_figures(f, &plotter, error);
    *drawn = plotter.drawn;
    *missing = plotter.missing;
    return status;
}
