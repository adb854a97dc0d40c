/* record.c - records in memory, their columns, and the tables that people and plots read. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "plan.h"
#include "record_columns.h"

/* ---- columns ---------------------------------------------------------------------------------- */

enum { S = 1 << TABLE_SIZES, E = 1 << TABLE_ENTROPY, P = 1 << TABLE_PREDICTIONS, T = 1 << TABLE_TIMES };

#define TEXT(field, heading, tables) { #field, heading, COLUMN_TEXT, offsetof(struct ROW, field), 0, tables }
#define COUNT(field, heading, tables) { #field, heading, COLUMN_COUNT, offsetof(struct ROW, field), 0, tables }
#define REAL(field, heading, digits, tables) \
    { #field, heading, COLUMN_REAL, offsetof(struct ROW, field), digits, tables }

#define ROW record
const struct column record_columns[] = {
    COUNT(cell, NULL, 0),
    TEXT(key, NULL, 0),
    TEXT(model, "model", S | P | T),
    TEXT(codec, "codec", S | P | T),
    TEXT(target, "target", P | T),
    TEXT(kind, NULL, 0),
    COUNT(weights, NULL, S),
    REAL(bits_per_weight, "bits/weight", 6, S | P),
    REAL(bound_bits, "entropy bound", 6, S),
    REAL(gap_bits, "gap", 6, S),
    REAL(file_bits_per_weight, "whole file", 6, S),
    COUNT(payload_bits, NULL, S),
    COUNT(table_bits, NULL, S),
    COUNT(index_bits, NULL, S),
    COUNT(input_bytes, NULL, S),
    COUNT(container_bytes, NULL, S),
    TEXT(dtype, NULL, P | T),
    COUNT(sample_weights, NULL, T),
    COUNT(runs, NULL, T),
    COUNT(threads, "threads", T),
    REAL(seconds, NULL, 3, T),
    REAL(encode_gbps, "encode GB/s", 4, T),
    REAL(decode_gbps, "decode GB/s", 4, T),
    REAL(memcpy_gbps, "memcpy GB/s", 4, T),
    REAL(decode_per_memcpy, "decode / memcpy", 4, T),
    REAL(decode_median_gbps, NULL, 4, T),
    REAL(memcpy_median_gbps, NULL, 4, T),
    REAL(weights_per_ns, "weights/ns", 6, P),
    REAL(raw_weights_per_ns, "uncoded weights/ns", 6, P),
    REAL(rate_per_raw, "coded / uncoded", 6, P),
    TEXT(limit, "bound by", P),
    COUNT(verified, NULL, S | T),
    TEXT(outcome, NULL, P | T),
    TEXT(reason, "remark", P | T),
    TEXT(size_problem, "remark", S),
    TEXT(model_hash, NULL, S),
    TEXT(codec_text, NULL, S),
    TEXT(cpu, NULL, T),
    TEXT(commit, NULL, T),
    TEXT(time, NULL, T),
    { NULL, NULL, COLUMN_TEXT, 0, 0, 0 }
};
#undef ROW

#define ROW field_record
const struct column field_columns[] = {
    COUNT(cell, NULL, 0),
    TEXT(model, "model", E),
    TEXT(scope, NULL, E),
    TEXT(name, "part", E),
    TEXT(dtype, "dtype", E),
    TEXT(field, "field", E),
    TEXT(estimator, "estimator", E),
    COUNT(count, "symbols", E),
    REAL(bits, "bits/symbol", 6, E),
    REAL(stderr_bits, "standard error", 6, E),
    REAL(low_bits, "95 % from", 6, E),
    REAL(high_bits, "to", 6, E),
    { NULL, NULL, COLUMN_TEXT, 0, 0, 0 }
};
#undef ROW

const char **column_text(const struct column *column, void *row)
{
    return (const char **)(void *)((char *)row + column->offset);
}

/* ---- rows ------------------------------------------------------------------------------------- */

static void free_texts(void *row, const struct column *columns)
{
    for (const struct column *c = columns; c->name; c++)
        if (c->type == COLUMN_TEXT) ent_free((void *)(size_t)*column_text(c, row));
}

/* A copy of `from` whose texts are its own. */
static bool copy_row(void *to, const void *from, size_t size, const struct column *columns)
{
    bool complete = true;
    memcpy(to, from, size);
    for (const struct column *c = columns; c->name; c++) {
        if (c->type != COLUMN_TEXT) continue;
        const char **text = column_text(c, to);
        *text = ent_copy_text(*text);
        complete &= *text != NULL;
    }
    if (!complete) free_texts(to, columns);
    return complete;
}

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "out of memory"); }

ent_status records_init(struct records *records, const struct plan *plan, ent_error *error)
{
    *records = (struct records){ .cells = plan->cells };
    records->plan_name = ent_copy_text(plan->name);
    records->plan_text = ent_copy_text(plan->text);
    records->plan_hash = ent_copy_text(plan->hash);
    records->version = ent_copy_text(ENT_VERSION);
    records->place = ent_calloc(plan->cells, sizeof *records->place);
    if (records->plan_name && records->plan_text && records->plan_hash && records->version && records->place) return ENT_OK;
    records_free(records);
    return no_memory(error);
}

void records_free(struct records *records)
{
    for (size_t i = 0; i < records->rows; i++) free_texts(&records->row[i], record_columns);
    for (size_t i = 0; i < records->fields; i++) free_texts(&records->field[i], field_columns);
    ent_free(records->row);
    ent_free(records->field);
    ent_free(records->plan_name);
    ent_free(records->plan_text);
    ent_free(records->plan_hash);
    ent_free(records->version);
    ent_free(records->place);
    *records = (struct records){ .row = NULL };
}

const struct record *records_find(const struct records *records, uint64_t cell)
{
    size_t place = cell < records->cells ? records->place[cell] : 0;
    return place ? &records->row[place - 1] : NULL;
}

bool record_ok(const struct record *record) { return !strcmp(record->outcome, "ok"); }

bool record_finished(const struct record *record)
{
    if (!record || record_ok(record)) return record;
    return record->model_hash[0] && !strcmp(record->outcome, ent_status_text(ENT_EUNSUPPORTED));
}

ent_status records_add(struct records *records, const struct record *record, ent_error *error)
{
    struct record copy;
    if (record->cell >= records->cells)
        return ent_fail(error, ENT_ECORRUPT, "a record of cell %" PRIu64 ", but the plan has %" PRIu64, record->cell,
                        records->cells);
    struct record *larger = ent_grow(records->row, &records->row_room, records->rows, sizeof copy);
    if (larger) records->row = larger;
    if (!larger || !copy_row(&copy, record, sizeof copy, record_columns)) return no_memory(error);
    size_t *place = &records->place[record->cell];
    if (*place) free_texts(&records->row[*place - 1], record_columns);
    else *place = ++records->rows;
    records->row[*place - 1] = copy;
    return ENT_OK;
}

ent_status records_add_field(struct records *records, const struct field_record *field, ent_error *error)
{
    if (field->cell >= records->cells) return ent_fail(error, ENT_ECORRUPT, "a field of a cell that the plan does not have");
    struct field_record *larger = ent_grow(records->field, &records->field_room, records->fields, sizeof *field);
    if (!larger) return no_memory(error);
    records->field = larger;
    if (!copy_row(&records->field[records->fields], field, sizeof *field, field_columns)) return no_memory(error);
    records->fields++;
    return ENT_OK;
}

static int by_cell(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return (x->cell > y->cell) - (x->cell < y->cell);
}

/* Fields of a cell keep the order in which they were added: a merge sort, for they are many. */
static void sort_fields(struct field_record *field, struct field_record *spare, size_t n)
{
    if (n < 2) return;
    size_t half = n / 2, i = 0, j = half;
    sort_fields(field, spare, half);
    sort_fields(field + half, spare, n - half);
    memcpy(spare, field, n * sizeof *field);
    for (size_t k = 0; k < n; k++) field[k] = spare[j == n || (i < half && spare[i].cell <= spare[j].cell) ? i++ : j++];
}

ent_status records_sort(struct records *records, ent_error *error)
{
    struct field_record *spare = ent_calloc(records->fields, sizeof *spare);
    if (!spare) return no_memory(error);
    if (records->rows) qsort(records->row, records->rows, sizeof *records->row, by_cell);
    for (size_t i = 0; i < records->rows; i++) records->place[records->row[i].cell] = i + 1;
    sort_fields(records->field, spare, records->fields);
    ent_free(spare);
    return ENT_OK;
}

/* The first column that must reproduce and does not; NULL: they agree. */
static const struct column *differing(const struct record *a, const struct record *b)
{
    for (const struct column *c = record_columns; c->name; c++) {
        const char *x = (const char *)a + c->offset, *y = (const char *)b + c->offset;
        if (!(c->tables & (S | P))) continue;
        if (c->type == COLUMN_TEXT ? strcmp(*column_text(c, (void *)(size_t)a), *column_text(c, (void *)(size_t)b))
                                   : memcmp(x, y, sizeof(uint64_t)))
            return c;
    }
    return NULL;
}

static ent_status merge_row(struct records *records, const struct record *row, bool *taken, ent_error *error)
{
    const struct record *mine = records_find(records, row->cell);
    *taken = !mine || !record_finished(mine);
    if (*taken) return records_add(records, row, error);
    const struct column *c = record_finished(row) ? differing(mine, row) : NULL;
    return c ? ent_fail(error, ENT_ECHECK, "cell %" PRIu64 ", %s, was done twice and %s differs", row->cell, row->key, c->name)
             : ENT_OK;
}

ent_status records_merge(struct records *records, const struct records *from, ent_error *error)
{
    if (strcmp(records->plan_hash, from->plan_hash))
        return ent_fail(error, ENT_EINVAL, "records of another plan (or of an older text of '%s')", from->plan_name);
    if (strcmp(records->version, from->version))
        return ent_fail(error, ENT_EINVAL, "records by version %s, and others by %s", records->version, from->version);
    bool *taken = ent_calloc(from->cells, sizeof *taken);
    ent_status status = taken ? ENT_OK : no_memory(error);
    for (size_t i = 0; i < from->rows && !status; i++)
        status = merge_row(records, &from->row[i], &taken[from->row[i].cell], error);
    for (size_t i = 0; i < from->fields && !status; i++)
        if (taken[from->field[i].cell]) status = records_add_field(records, &from->field[i], error);
    ent_free(taken);
    return status;
}

/* ---- tables ----------------------------------------------------------------------------------- */

const char *record_table_name(enum record_table table)
{
    static const char *const name[] = { "sizes", "entropy", "predictions", "times" };
    return name[table];
}

static bool same_size(const struct record *a, const struct record *b)
{
    return !strcmp(a->model, b->model) && !strcmp(a->codec, b->codec);
}

/* A size belongs to a model and codec: of the cells that share it, which are neighbours, the first that knows it. */
static bool gives_the_size(const struct records *records, size_t i)
{
    const struct record *r = &records->row[i];
    size_t first = i, end = i + 1;
    while (first > 0 && same_size(&records->row[first - 1], r)) first--;
    while (end < records->rows && same_size(&records->row[end], r)) end++;
    for (size_t j = first; j < end; j++) {
        const struct record *other = &records->row[j];
        bool better = !other->size_problem[0] && r->size_problem[0],
             worse = other->size_problem[0] && !r->size_problem[0];
        if (better || (!worse && j < i)) return false;
    }
    return true;
}

static bool belongs(const struct records *records, size_t i, enum record_table table)
{
    const struct record *r = &records->row[i];
    if (!r->codec[0]) return table == TABLE_SIZES && !record_ok(r) && gives_the_size(records, i);
    if (table == TABLE_SIZES) return (r->weights || r->size_problem[0]) && gives_the_size(records, i);
    bool predicted = !strcmp(r->kind, "model") || !strcmp(r->kind, "measured");
    if (table == TABLE_PREDICTIONS) return predicted && (r->weights_per_ns > 0 || !record_ok(r));
    return !strcmp(r->kind, "host") && (r->decode_gbps > 0 || !record_ok(r));
}

static void print_cell(const struct column *c, const void *row, enum table_style style, FILE *file)
{
    const char *place = (const char *)row + c->offset;
    int shown = c->tables & E ? 5 : 3; /* for people; errors of entropies are small */
    double real;
    uint64_t count;
    switch (c->type) {
    case COLUMN_TEXT: table_text(*column_text(c, (char *)row), style, file); break;
    case COLUMN_COUNT:
        memcpy(&count, place, sizeof count);
        fprintf(file, "%" PRIu64, count);
        break;
    case COLUMN_REAL:
        memcpy(&real, place, sizeof real);
        if (isfinite(real)) fprintf(file, "%.*f", style == STYLE_TSV || c->digits < shown ? c->digits : shown, real);
        break;
    }
}

/* One line; `row` NULL: the headings. */
static void print_row(const struct column *columns, enum record_table table, const void *row, enum table_style style,
                      FILE *file)
{
    static const char *const begin[] = { "", "| ", "" }, *const between[] = { "\t", " | ", " & " },
                             *const end[] = { "\n", " |\n", " \\\\\n" };
    unsigned printed = 0;
    fputs(begin[style], file);
    for (const struct column *c = columns; c->name; c++) {
        if (!(c->tables & 1u << table) || (style != STYLE_TSV && !c->heading)) continue;
        if (printed++) fputs(between[style], file);
        if (row) print_cell(c, row, style, file);
        else table_text(style == STYLE_TSV ? c->name : c->heading, style, file);
    }
    fputs(end[style], file);
}

static void print_rule(const struct column *columns, enum record_table table, enum table_style style, bool head,
                       FILE *file)
{
    if (style == STYLE_MARKDOWN && !head) fputs("|", file);
    if (style == STYLE_LATEX && head) fputs("\\begin{tabular}{", file);
    for (const struct column *c = columns; c->name && style != STYLE_TSV; c++) {
        if (!(c->tables & 1u << table) || !c->heading) continue;
        if (style == STYLE_LATEX && head) fputc(c->type == COLUMN_TEXT ? 'l' : 'r', file);
        if (style == STYLE_MARKDOWN && !head) fputs(c->type == COLUMN_TEXT ? "---|" : "---:|", file);
    }
    if (style == STYLE_LATEX) fputs(head ? "}\n\\hline\n" : "\\hline\n", file);
    if (style == STYLE_MARKDOWN && !head) fputc('\n', file);
}

void records_print(const struct records *records, enum record_table table, enum table_style style, FILE *file)
{
    const struct column *columns = table == TABLE_ENTROPY ? field_columns : record_columns;
    print_rule(columns, table, style, true, file);
    print_row(columns, table, NULL, style, file);
    print_rule(columns, table, style, false, file);
    if (table == TABLE_ENTROPY)
        for (size_t i = 0; i < records->fields; i++) print_row(columns, table, &records->field[i], style, file);
    else
        for (size_t i = 0; i < records->rows; i++)
            if (belongs(records, i, table)) print_row(columns, table, &records->row[i], style, file);
    if (style == STYLE_LATEX) fputs("\\hline\n\\end{tabular}\n", file);
}
