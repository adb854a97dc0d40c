/* fits_report.c - fitted laws as a table or JSON lines. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fits.h"
#include "output.h"

static bool constant(const struct tensor_fit *t) { return t->most == t->least && !t->not_finite; }

/* ---- JSON ---------------------------------------------------------------------------------------- */

static json_t *json_head(const char *model, const struct tensor_fit *t)
{
    json_t *object = json_object();
    json_text(object, "scope", "tensor");
    json_text(object, "name", t->tensor->name);
    json_text(object, "dtype", t->tensor->dtype);
    json_count(object, "count", t->tensor->elements);
    json_text(object, "model", model);
    return object;
}

static void json_lines_of(json_t *object, const char *key, const struct lines *lines)
{
    json_t *best = json_object();
    for (size_t l = 0; ent_fit_laws[l]; l++) json_count(best, ent_fit_laws[l]->name, lines->best[l]);
    json_count(best, "fitted", lines->fitted);
    json_real_or_null(best, "predicted_exponent_bits", lines->fitted ? lines->exponent_bits : NAN);
    json_object_set_new(object, key, best);
}

static void json_moments(const char *model, const struct tensor_fit *t)
{
    json_t *object = json_head(model, t);
    json_real_or_null(object, "mean", t->mean);
    json_real_or_null(object, "deviation", t->deviation);
    json_real_or_null(object, "skewness", t->skewness);
    json_real_or_null(object, "kurtosis", t->kurtosis);
    json_real_or_null(object, "least", t->least);
    json_real_or_null(object, "most", t->most);
    json_count(object, "zeros", t->zeros);
    json_count(object, "not_finite", t->not_finite);
    json_count(object, "distinct", t->distinct);
    json_count(object, "commonest", t->commonest);
    json_real_or_null(object, "exponent_bits", t->exponent_bits);
    json_count(object, "outlier_rows", t->outlier_rows);
    json_count(object, "outlier_columns", t->outlier_columns);
    json_real_or_null(object, "row_spread", t->row_spread);
    json_real_or_null(object, "column_spread", t->column_spread);
    json_object_set_new(object, "constant", json_boolean(constant(t)));
    json_text(object, "same_as", t->same_as);
    if (t->in_rows.fitted) json_lines_of(object, "best_in_rows", &t->in_rows);
    if (t->in_columns.fitted) json_lines_of(object, "best_in_columns", &t->in_columns);
    json_line(object);
}

static void json_fit(const char *model, const struct tensor_fit *t, size_t rank)
{
    const ent_fit *fit = &t->fit[rank];
    json_t *object = json_head(model, t), *parameters = json_object();
    json_text(object, "law", fit->law->name);
    json_count(object, "rank", rank + 1);
    for (int p = 0; p < ENT_FIT_PARAMETERS; p++)
        if (fit->law->parameter[p]) json_real_or_null(parameters, fit->law->parameter[p], fit->parameter[p]);
    json_object_set_new(object, "parameters", parameters);
    json_real_or_null(object, "log_likelihood", fit->log_likelihood);
    json_real_or_null(object, "aic", fit->aic);
    json_real_or_null(object, "bic", fit->bic);
    json_real_or_null(object, "ks", fit->distance);
    json_real_or_null(object, "exponent_bits", t->exponent_bits);
    json_real_or_null(object, "predicted_exponent_bits", t->foretold_bits[rank]);
    json_line(object);
}

/* ---- tables -------------------------------------------------------------------------------------- */

/* "student nu=4.2"; the shape, where the law has one. */
static void law_cell(struct table *table, const ent_fit *fit)
{
    const char *shape = fit->law->parameter[2];
    if (shape) table_cell(table, "%s %s=%.3g", fit->law->name, shape, fit->parameter[2]);
    else table_cell(table, "%s", fit->law->name);
}

/* What is odd about a tensor; at most one thing each. */
static void remark_cell(struct table *table, const struct tensor_fit *t)
{
    char text[400] = "";
    size_t n = 0;
#define ADD(...) n += n < sizeof text ? (size_t)snprintf(text + n, sizeof text - n, __VA_ARGS__) : 0
    if (constant(t)) ADD("constant %g", t->least);
    else if (!t->fits) ADD("too few values to fit");
    if (t->same_as) ADD("%ssame as %s", n ? ", " : "", t->same_as);
    if (t->zeros) ADD("%s%" PRIu64 " zeros", n ? ", " : "", t->zeros);
    if (t->not_finite) ADD("%s%" PRIu64 " not finite", n ? ", " : "", t->not_finite);
    if (t->outlier_rows) ADD("%s%" PRIu64 " outlier rows", n ? ", " : "", t->outlier_rows);
    if (t->outlier_columns) ADD("%s%" PRIu64 " outlier columns", n ? ", " : "", t->outlier_columns);
#undef ADD
    table_cell(table, "%s", make_plain(text));
}

static void moments_table(const struct tensor_fit *list, size_t count)
{
    struct table table;
    table_begin(&table, "<tensor|weights|mean|deviation|skewness|kurtosis|row spread|column spread|distinct|<remarks");
    for (const struct tensor_fit *t = list; t < list + count; t++) {
        table_cell(&table, "%s", t->tensor->name);
        table_cell(&table, "%s", show_count(t->tensor->elements).text);
        table_cell(&table, "%.2e", t->mean);
        table_cell(&table, "%.3e", t->deviation);
        table_number(&table, t->skewness, 2);
        table_number(&table, t->kurtosis, 2);
        table_number(&table, t->row_spread, 3);
        table_number(&table, t->column_spread, 3);
        table_number(&table, t->distinct ? (double)t->distinct : NAN, 0);
        remark_cell(&table, t);
    }
    printf("\nmoments\n\n");
    table_end(&table);
}

static void laws_table(const struct tensor_fit *list, size_t count)
{
    struct table table;
    table_begin(&table, "<tensor|<best law by BIC|K-S distance|<second|its BIC is more by|exponent bits|best law's"
                        "|normal's");
    for (const struct tensor_fit *t = list; t < list + count; t++) {
        if (!t->fits) continue;
        size_t normal = 0;
        while (strcmp(t->fit[normal].law->name, "normal")) normal++;
        table_cell(&table, "%s", t->tensor->name);
        law_cell(&table, &t->fit[0]);
        table_number(&table, t->fit[0].distance, 4);
        law_cell(&table, &t->fit[1]);
        table_number(&table, t->fit[1].bic - t->fit[0].bic, 1);
        table_number(&table, t->exponent_bits, 4);
        table_number(&table, t->foretold_bits[0], 4);
        table_number(&table, t->foretold_bits[normal], 4);
    }
    printf("\nlaws, fitted to samples of %d weights that are not 0; the entropy of exponents, measured and foretold"
           "\n\n", ENT_FIT_SAMPLE);
    table_end(&table);
}

static void real_cell(struct table *table, double value)
{
    if (isfinite(value))
        table_cell(table, "%.9g", value);
    else
        table_cell(table, "%s", "");
}

void fits_moments_table(const struct tensor_fit *list, size_t count, struct table *table)
{
    table_begin(table, "<tensor|<role|<dtype|weights|mean|deviation|skewness|kurtosis|least|most|zeros|not_finite|distinct|"
                       "commonest|exponent_bits|outlier_rows|outlier_columns|row_spread|column_spread|constant|<same_as");
    for (const struct tensor_fit *t = list; t < list + count; t++) {
        const double real[] = { t->mean, t->deviation, t->skewness, t->kurtosis, t->least, t->most };
        const uint64_t whole[] = { t->zeros, t->not_finite, t->distinct, t->commonest };
        table_cell(table, "%s", t->tensor->name);
        table_cell(table, "%s", t->tensor->role);
        table_cell(table, "%s", t->tensor->dtype);
        table_cell(table, "%" PRIu64, t->tensor->elements);
        for (size_t i = 0; i < sizeof real / sizeof *real; i++)
            real_cell(table, real[i]);
        for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) table_cell(table, "%" PRIu64, whole[i]);
        table_number(table, t->exponent_bits, 6);
        table_cell(table, "%" PRIu64, t->outlier_rows);
        table_cell(table, "%" PRIu64, t->outlier_columns);
        table_number(table, t->row_spread, 6);
        table_number(table, t->column_spread, 6);
        table_cell(table, "%d", constant(t));
        table_cell(table, "%s", t->same_as ? t->same_as : "");
    }
}

void fits_laws_table(const struct tensor_fit *list, size_t count, struct table *table)
{
    table_begin(table, "<tensor|<role|<dtype|<law|rank|location|scale|shape|log_likelihood|aic|bic|ks|exponent_bits|"
                       "predicted_exponent_bits");
    for (const struct tensor_fit *t = list; t < list + count; t++)
        for (size_t i = 0; i < t->fits; i++) {
            const ent_fit *fit = &t->fit[i];
            table_cell(table, "%s", t->tensor->name);
            table_cell(table, "%s", t->tensor->role);
            table_cell(table, "%s", t->tensor->dtype);
            table_cell(table, "%s", fit->law->name);
            table_cell(table, "%zu", i + 1);
            for (int p = 0; p < ENT_FIT_PARAMETERS; p++)
                real_cell(table, fit->law->parameter[p] ? fit->parameter[p] : NAN);
            table_number(table, fit->log_likelihood, 3);
            table_number(table, fit->aic, 3);
            table_number(table, fit->bic, 3);
            table_number(table, fit->distance, 6);
            table_number(table, t->exponent_bits, 6);
            table_number(table, t->foretold_bits[i], 6);
        }
}

/* Over all tensors: how often each law is the best, of whole tensors and of single rows and columns. */
static void tally_table(const struct tensor_fit *list, size_t count)
{
    struct table table;
    table_begin(&table, "<best law|tensors|rows|columns");
    for (size_t l = 0; ent_fit_laws[l]; l++) {
        uint64_t tensors = 0, rows = 0, columns = 0;
        for (const struct tensor_fit *t = list; t < list + count; t++) {
            tensors += t->fits && t->fit[0].law == ent_fit_laws[l];
            rows += t->in_rows.best[l];
            columns += t->in_columns.best[l];
        }
        table_cell(&table, "%s", ent_fit_laws[l]->name);
        table_cell(&table, "%" PRIu64, tensors);
        table_cell(&table, "%" PRIu64, rows);
        table_cell(&table, "%" PRIu64, columns);
    }
    putchar('\n');
    table_end(&table);
}

void fits_print(const char *model, const struct tensor_fit *list, size_t count, bool json)
{
    if (!json) {
        if (!count) printf("\nno float tensors to fit\n");
        moments_table(list, count);
        laws_table(list, count);
        tally_table(list, count);
        return;
    }
    for (const struct tensor_fit *t = list; t < list + count; t++) {
        json_moments(model, t);
        for (size_t i = 0; i < t->fits; i++) json_fit(model, t, i);
    }
}
