/* dependence_report.c - what depends on what, as JSON lines and tables. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dependence.h"
#include "output.h"

static double per_symbol(const ent_information *i, double bits) { return i->symbols ? bits / (double)i->symbols : NAN; }

/* ---- JSON --------------------------------------------------------------------------------------------------- */

void findings_json(const struct dependence *d, const struct findings *f)
{
    for (size_t k = 0; k < f->n; k++) {
        const ent_information *i = &f->finding[k].information;
        if (!i->symbols) continue;
        json_t *object = json_object();
        json_text(object, "scope", f->scope);
        json_text(object, "name", f->name);
        json_text(object, "dtype", f->dtype);
        json_text(object, "field", f->finding[k].symbol);
        json_text(object, "context", f->finding[k].context);
        json_count(object, "count", i->symbols);
        json_real_or_null(object, "bits", ent_information_entropy(i));
        json_real_or_null(object, "information", ent_information_bits(i));
        json_real_or_null(object, "conditional_bits", ent_information_conditional(i));
        json_real_or_null(object, "miller_information", ent_information_miller(i));
        json_real_or_null(object, "plugin_information", per_symbol(i, i->information));
        json_real_or_null(object, "null_information", per_symbol(i, i->null_mean));
        json_real_or_null(object, "null_stderr", per_symbol(i, sqrt(i->null_variance)));
        json_real_or_null(object, "p", ent_information_p(i));
        json_text(object, "model", d->model);
        json_line(object);
    }
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

static const char *brief_of(const char *context)
{
    const ent_context *c = ent_context_find(context);
    return c ? c->brief : context;
}

static void p_cell(struct table *table, double p)
{
    if (p < 1e-4)
        table_cell(table, "< 0.0001");
    else
        table_number(table, p, 4);
}

static void model_table(const struct findings *f)
{
    struct table table;
    printf("\n%s: what depends on what, bits (tensor by tensor, summed)\n\n", f->dtype);
    table_begin(&table, "<of|<given|entropy|information|left|as counted|by chance|p");
    for (size_t k = 0; k < f->n; k++) {
        const ent_information *i = &f->finding[k].information;
        if (!i->symbols) continue;
        table_cell(&table, "%s", f->finding[k].symbol);
        table_cell(&table, "%s", brief_of(f->finding[k].context));
        table_number(&table, ent_information_entropy(i), 4);
        table_number(&table, ent_information_bits(i), 5);
        table_number(&table, ent_information_conditional(i), 4);
        table_number(&table, per_symbol(i, i->information), 5);
        table_number(&table, per_symbol(i, i->null_mean), 5);
        p_cell(&table, ent_information_p(i));
    }
    table_end(&table);
}

static void reach_row(struct table *table, const char *text, double bits, double stored)
{
    table_cell(table, "%s", text);
    table_number(table, bits, 4);
    table_number(table, 100 * bits / stored, 1);
}

/* What coding could reach with a table for each tensor, and for each class of a context. */
static void reach_table(const struct findings *f)
{
    struct table table;
    const ent_format *format = ent_format_find(f->dtype);
    bool floating = format->kind == ENT_KIND_FLOAT;
    double stored = format->bits, rest = floating ? stored - format->exponent_bits : 0;
    double alone = NAN, all = 0; /* without a context; symbols: of the first, which leaves none out but in vectors */
    table_begin(&table, "<with a table for each tensor, tables not counted|bits/weight|% of stored");
    for (size_t k = 0; k < f->n; k++) {
        const ent_information *i = &f->finding[k].information;
        ent_field field;
        char text[128];
        if (!i->symbols) continue;
        if (isnan(alone)) {
            alone = rest + ent_information_entropy(i);
            all = (double)i->symbols;
            reach_row(&table, floating ? "exponents coded, the rest stored" : "codes coded", alone, stored);
        }
        snprintf(text, sizeof text, "  given %s", brief_of(f->finding[k].context));
        if (ent_context_find(f->finding[k].context))
            reach_row(&table, text, alone - ent_information_bits(i) * (double)i->symbols / all, stored);
        else if (!strncmp(f->finding[k].symbol, "mantissa", 8) && !strcmp(f->finding[k].context, "exponent") &&
                 !ent_field_parse(format, f->finding[k].symbol, &field, NULL))
            reach_row(&table, "and mantissas given their exponent",
                      alone - ent_field_bits(&field) + ent_information_conditional(i), stored);
    }
    putchar('\n');
    table_end(&table);
}

/* Information by role, the contexts of place only: one a column. */
static void role_table(const struct dependence *d, const struct findings *model)
{
    struct table table;
    char heads[512] = "<role|weights|entropy";
    size_t columns = 0, n = strlen(heads);
    for (; columns < model->n && ent_context_find(model->finding[columns].context); columns++)
        n += (size_t)snprintf(heads + n, sizeof heads - n, "|%s", model->finding[columns].context);
    if (!columns) return;
    printf("\n%s: information about the %s by role, bits\n\n", model->dtype, model->finding[0].symbol);
    table_begin(&table, heads);
    for (size_t r = 0; r < d->sums; r++) {
        const struct findings *f = &d->sum[r];
        uint64_t most = 0;
        double entropy = NAN;
        if (strcmp(f->scope, "role") || strcmp(f->dtype, model->dtype)) continue;
        for (size_t k = 0; k < columns; k++) {
            const ent_information *i = &f->finding[k].information;
            if (i->symbols <= most) continue;
            most = i->symbols;
            entropy = ent_information_entropy(i);
        }
        table_cell(&table, "%s", f->name);
        table_cell(&table, "%s", show_count(most).text);
        table_number(&table, entropy, 4);
        for (size_t k = 0; k < columns; k++) table_number(&table, ent_information_bits(&f->finding[k].information), 5);
    }
    table_end(&table);
}

void dependence_table(const struct dependence *d, struct table *table)
{
    table_begin(table, "<scope|<name|<dtype|<field|<context|count|bits|information|conditional_bits|plugin_information|"
                       "null_information|null_stderr|p");
    for (const struct findings *f = d->sum; f < d->sum + d->sums; f++)
        for (size_t k = 0; k < f->n; k++) {
            const ent_information *i = &f->finding[k].information;
            if (!i->symbols) continue;
            table_cell(table, "%s", f->scope);
            table_cell(table, "%s", f->name);
            table_cell(table, "%s", f->dtype);
            table_cell(table, "%s", f->finding[k].symbol);
            table_cell(table, "%s", f->finding[k].context);
            table_cell(table, "%" PRIu64, i->symbols);
            table_number(table, ent_information_entropy(i), 6);
            table_number(table, ent_information_bits(i), 8);
            table_number(table, ent_information_conditional(i), 6);
            table_number(table, per_symbol(i, i->information), 8);
            table_number(table, per_symbol(i, i->null_mean), 8);
            table_number(table, per_symbol(i, sqrt(i->null_variance)), 8);
            table_cell(table, "%.6g", ent_information_p(i));
        }
}

void dependence_report(struct dependence *d)
{
    for (size_t i = 0; i < d->sums; i++) {
        if (d->common->json) findings_json(d, &d->sum[i]);
        if (d->common->json || strcmp(d->sum[i].scope, "model")) continue;
        model_table(&d->sum[i]);
        role_table(d, &d->sum[i]);
        reach_table(&d->sum[i]);
    }
}
