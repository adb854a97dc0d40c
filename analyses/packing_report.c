/* packing_report.c - see packing_report.h. */
#include <math.h>
#include <stdio.h>

#include "packing_report.h"

void packing_table_begin(struct table *table, bool of)
{
    table_begin(table, of ? "<of|<tensor|<pipeline|first's code bits|code bits|zeros %|coded bits|SQNR dB|output error"
                          : "<tensor|<pipeline|first's code bits|code bits|zeros %|coded bits|SQNR dB|output error");
}

static void print_json(const struct packing_matrix *m, const char *pipeline, const struct packing_fit *fit, double first)
{
    double weights = (double)m->rows * m->cols;
    json_t *object = json_object();
    json_text(object, "tensor", m->name);
    json_count(object, "weights", (uint64_t)m->rows * m->cols);
    json_text(object, "pipeline", pipeline);
    json_real_or_null(object, "first_code_bits", first);
    json_real_or_null(object, "code_bits", fit->code_bits);
    json_real_or_null(object, "zeros", (double)fit->zeros / weights);
    json_real_or_null(object, "coded_bits_per_weight", fit->coded_bits / weights);
    json_real_or_null(object, "sqnr_db", ent_sqnr_db(&fit->distortion));
    json_real_or_null(object, "output_error", fit->output_error);
    json_line(object);
}

static void add_row(struct table *table, const char *of, const struct packing_matrix *m, const char *pipeline,
                    const struct packing_fit *fit, double first)
{
    double weights = (double)m->rows * m->cols;
    char name[256];
    snprintf(name, sizeof name, "%s", m->name);
    if (of) table_cell(table, "%s", of);
    table_cell(table, "%s", make_plain(name));
    table_cell(table, "%s", pipeline);
    table_number(table, first, 3);
    table_number(table, fit->code_bits, 3);
    table_number(table, 100 * (double)fit->zeros / weights, 1);
    table_number(table, fit->coded_bits / weights, 3);
    table_number(table, ent_sqnr_db(&fit->distortion), 2);
    table_number(table, fit->output_error, 4);
}

void packing_table_rows(struct table *table, const struct packing_job *job, const char *of, const struct packing_fit *fit,
                        const struct packing_fit *first, size_t stride, const uint32_t *pick, bool json)
{
    for (size_t i = 0; i < job->matrices; i++) {
        const char *pipeline = job->list->candidate[pick ? pick[i] : 0].text;
        double before = first ? first[i * stride].code_bits : NAN;
        if (json)
            print_json(&job->matrix[i], pipeline, &fit[i], before);
        else
            add_row(table, of, &job->matrix[i], pipeline, &fit[i], before);
    }
}
