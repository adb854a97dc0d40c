/* stats_report.c - see stats_report.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "stats_report.h"

/* ---- rows ------------------------------------------------------------------------------------ */

static void json_measure(const struct stats_report *report, const struct stats_row *row, size_t e, const struct measure *m)
{
    const struct measures *by = &row->by[e];
    bool word = m == &by->word, sum = word && by->word_is_sum;
    char estimator[64];
    snprintf(estimator, sizeof estimator, "%s%s", report->estimator[e]->name, sum ? "-sum" : "");
    json_t *object = json_object();
    json_text(object, "scope", row->scope);
    json_text(object, "name", row->name);
    json_text(object, "dtype", row->dtype);
    json_text(object, "field", m->field);
    json_count(object, "count", by->count);
    json_text(object, "estimator", estimator);
    json_real_or_null(object, "bits", m->estimate.bits);
    json_real_or_null(object, "stderr", m->estimate.stderr_bits);
    if (report->intervals) {
        json_real_or_null(object, "low", m->estimate.low_bits);
        json_real_or_null(object, "high", m->estimate.high_bits);
    }
    if (word) {
        json_count(object, "word_bits", by->word_bits);
        json_real_or_null(object, "fields_bits", by->fields_bits);
        json_real_or_null(object, "exponent_coded_bits", by->exponent_bits);
    }
    json_text(object, "model", report->model);
    json_line(object);
}

static void json_row(const struct stats_report *report, const struct stats_row *row)
{
    for (size_t e = 0; e < report->estimators; e++) {
        const struct measures *by = &row->by[e];
        for (uint32_t f = 0; f < by->fields; f++) json_measure(report, row, e, &by->field[f]);
        if (by->conditional.field[0]) json_measure(report, row, e, &by->conditional);
        json_measure(report, row, e, &by->word);
    }
}

static void row_free(struct stats_row *row)
{
    ent_free(row->name);
    ent_free(row->role);
    ent_free(row->dtype);
    ent_free(row->by);
}

static ent_status row_make(const struct stats_report *report, struct stats_row *row, const ent_word_counts *counts)
{
    ent_status status = row->name && row->role && row->dtype ? ENT_OK : ENT_ENOMEM;
    if (!status && !(row->by = ent_calloc(report->estimators, sizeof *row->by))) status = ENT_ENOMEM;
    bool intervals = report->intervals && (report->json || report->folder || !strcmp(row->scope, "model"));
    const struct measuring how = { report->estimator, report->estimators, intervals ? &report->interval : NULL, true };
    return status ? status : measure(counts, &how, row->by);
}

static ent_status rows_grow(struct stats_report *report)
{
    struct stats_row *row = ent_grow(report->row, &report->room, report->rows, sizeof *row);
    if (!row) return ENT_ENOMEM;
    report->row = row;
    return ENT_OK;
}

/* Estimates one row: printed at once as JSON, kept for tables. */
static ent_status add_row(struct stats_report *report, const char *scope, const char *name, const char *role,
                          const char *dtype, const ent_word_counts *counts, ent_error *error)
{
    struct stats_row row = { .scope = scope, .name = ent_copy_text(name), .role = ent_copy_text(role),
                             .dtype = ent_copy_text(dtype) };
    ent_status status = row_make(report, &row, counts);
    bool keep = !report->json || report->folder;
    if (!status && keep) status = rows_grow(report);
    if (!status && report->json) json_row(report, &row);
    if (!status && keep)
        report->row[report->rows++] = row;
    else
        row_free(&row);
    return status ? ent_fail(error, status, "%s %s: %s", scope, name, ent_status_text(status)) : ENT_OK;
}

/* The rows of roles, then those of the whole model: one a dtype. */
static ent_status add_sums(struct stats_report *report, const struct census *census, ent_error *error)
{
    ent_status status = ENT_OK;
    for (size_t i = 0; i < census->entries && !status; i++) {
        const struct census_entry *e = &census->entry[i];
        status = add_row(report, "role", e->role, e->role, e->dtype, &e->counts, error);
    }
    for (size_t i = 0; i < census->entries && !status; i++) {
        const char *dtype = census->entry[i].dtype;
        ent_word_counts sum;
        bool seen = false;
        for (size_t k = 0; k < i; k++) seen |= !strcmp(census->entry[k].dtype, dtype);
        if (seen) continue;
        if ((status = ent_word_counts_init(&sum, census->entry[i].counts.format))) break;
        for (size_t k = i; k < census->entries && !status; k++)
            if (!strcmp(census->entry[k].dtype, dtype)) status = ent_word_counts_merge(&sum, &census->entry[k].counts);
        if (!status) status = add_row(report, "model", report->model, "", dtype, &sum, error);
        ent_word_counts_free(&sum);
    }
    return status;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Headings and the first two cells of each row are the caller's. */
static void measures_head(const struct measures *m, char *heads, size_t size)
{
    size_t n = strlen(heads);
    for (uint32_t f = 0; f < m->fields; f++)
        n += (size_t)snprintf(heads + n, size - n, "|%s", m->field[f].field);
    if (m->fields > 1) n += (size_t)snprintf(heads + n, size - n, "|%s", m->word_is_sum ? "word, at most" : "word");
    snprintf(heads + n, size - n, "|%% of stored");
}

static void measures_cells(struct table *table, const struct measures *m)
{
    for (uint32_t f = 0; f < m->fields; f++) table_number(table, m->field[f].estimate.bits, 4);
    if (m->fields > 1) table_number(table, m->word.estimate.bits, 4);
    table_number(table, 100 * m->word.estimate.bits / m->word_bits, 1);
}

enum detail { STANDARD_ERROR, LOW, HIGH };

static double detail_of(const struct measure *m, enum detail detail)
{
    return detail == LOW ? m->estimate.low_bits : detail == HIGH ? m->estimate.high_bits : m->estimate.stderr_bits;
}

/* A row below that of the whole model: one detail of every estimate. */
static void detail_cells(struct table *table, const char *label, const struct measures *m, enum detail detail)
{
    table_cell(table, "  %s", label);
    table_cell(table, "%s", "");
    for (uint32_t f = 0; f < m->fields; f++) table_number(table, detail_of(&m->field[f], detail), 4);
    if (m->fields > 1) table_number(table, detail_of(&m->word, detail), 4);
    table_number(table, 100 * detail_of(&m->word, detail) / m->word_bits, 1);
}

static void scope_rows(const struct stats_report *report, struct table *table, const char *scope, const char *dtype,
                       size_t e)
{
    bool whole = !strcmp(scope, "model");
    for (size_t i = 0; i < report->rows; i++) {
        const struct stats_row *row = &report->row[i];
        if (strcmp(row->scope, scope) || strcmp(row->dtype, dtype)) continue;
        table_cell(table, "%s", whole ? "whole model" : row->name);
        table_cell(table, "%s", show_count(row->by[e].count).text);
        measures_cells(table, &row->by[e]);
        if (!whole) continue;
        detail_cells(table, "standard error", &row->by[e], STANDARD_ERROR);
        if (!report->intervals) continue;
        detail_cells(table, "95 % from", &row->by[e], LOW);
        detail_cells(table, "to", &row->by[e], HIGH);
    }
}

/* What a row counts: other dtypes are opaque bytes. */
static const char *unit_of(const char *dtype) { return ent_format_find(dtype) ? "weight" : "byte"; }

void stats_title(const struct stats_report *report, const struct stats_row *model, size_t e, char *text, size_t size)
{
    snprintf(text, size, "%s: entropy in bits a %s (%s)", model->dtype, unit_of(model->dtype),
             report->estimator[e]->name);
}

void stats_table(const struct stats_report *report, const struct stats_row *model, size_t e, bool tensors,
                 struct table *table)
{
    char heads[ENT_MAX_FIELDS * sizeof model->by->word.field];
    snprintf(heads, sizeof heads, "<%s|%ss", tensors ? "tensor" : "role", unit_of(model->dtype));
    measures_head(&model->by[e], heads, sizeof heads);
    table_begin(table, heads);
    if (!tensors) scope_rows(report, table, "model", model->dtype, e);
    scope_rows(report, table, tensors ? "tensor" : "role", model->dtype, e);
}

/* The tables of one dtype and estimator. */
static void dtype_tables(const struct stats_report *report, const struct stats_row *model, size_t e)
{
    struct table table;
    char title[200];
    stats_title(report, model, e, title, sizeof title);
    printf("\n%s\n\n", title);
    stats_table(report, model, e, false, &table);
    table_end(&table);
    if (!report->tensors) return;
    putchar('\n');
    stats_table(report, model, e, true, &table);
    table_end(&table);
}

/* What coding could reach, summed over the dtypes of a scope; in bits. */
struct reach {
    double weights, stored, exponents, fields, words;
};

static struct reach reach_of(const struct stats_report *report, const char *scope, size_t e)
{
    struct reach r = { 0 };
    for (size_t i = 0; i < report->rows; i++) {
        const struct measures *m = &report->row[i].by[e];
        if (strcmp(report->row[i].scope, scope)) continue;
        double n = (double)m->count;
        r.weights += n;
        r.stored += n * m->word_bits;
        r.exponents += n * (isnan(m->exponent_bits) ? m->word_bits : m->exponent_bits);
        r.fields += n * m->fields_bits;
        r.words += n * m->word.estimate.bits;
    }
    return r;
}

void stats_reach_table(const struct stats_report *report, size_t e, struct table *table)
{
    struct reach model = reach_of(report, "model", e), role = reach_of(report, "role", e);
    const struct { const char *name; double bits; } line[] = {
        { "as stored", model.stored },
        { "exponents coded, the rest stored", model.exponents },
        { "  with a table for each role", role.exponents },
        { "every field coded alone", model.fields },
        { "  with tables for each role", role.fields },
        { "whole words coded", model.words },
    };
    table_begin(table, "<what coding could reach, tables not counted|bytes|bits/weight|% of stored");
    for (size_t i = 0; i < sizeof line / sizeof *line && model.weights > 0; i++) {
        table_cell(table, "%s", line[i].name);
        table_cell(table, "%s", show_bytes((uint64_t)(line[i].bits / 8)).text);
        table_number(table, line[i].bits / model.weights, 4);
        table_number(table, 100 * line[i].bits / model.stored, 1);
    }
}

static void print_tables(const struct stats_report *report, const struct census *census)
{
    uint64_t tensors = 0;
    for (size_t i = 0; i < census->entries; i++) tensors += census->entry[i].tensors;
    printf("%s: %s weights", report->model, show_count(census->weights).text);
    if (!census->parts) printf(" in %" PRIu64 " tensor%s", tensors, tensors == 1 ? "" : "s");
    putchar('\n');
    for (size_t e = 0; e < report->estimators; e++) {
        for (size_t i = 0; i < report->rows; i++)
            if (!strcmp(report->row[i].scope, "model")) dtype_tables(report, &report->row[i], e);
        struct table reach;
        stats_reach_table(report, e, &reach);
        putchar('\n');
        table_end(&reach);
    }
}

/* ---- the report ------------------------------------------------------------------------------ */

ent_status stats_report_tensor(struct stats_report *report, const char *name, const char *role, const char *dtype,
                               const ent_word_counts *counts, ent_error *error)
{
    bool wanted = report->tensors || report->json || report->folder;
    return wanted ? add_row(report, "tensor", name, role, dtype, counts, error) : ENT_OK;
}

ent_status stats_report_finish(struct stats_report *report, const struct census *census, ent_error *error)
{
    ent_status status = add_sums(report, census, error);
    if (!status && !report->json) print_tables(report, census);
    return status;
}

void stats_report_clear(struct stats_report *report)
{
    for (size_t i = 0; i < report->rows; i++) row_free(&report->row[i]);
    ent_free(report->row);
    report->row = NULL;
    report->rows = report->room = 0;
}
