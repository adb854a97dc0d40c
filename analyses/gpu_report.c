/* gpu_report.c - see gpu_report.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>

#include "gpu_report.h"
#include "model.h"
#include "output.h"

void gpu_row_times(struct gpu_row *row, double *seconds, unsigned n)
{
    gsl_sort(seconds, 1, n);
    row->seconds = gsl_stats_median_from_sorted_data(seconds, 1, n);
    row->least = seconds[0];
    row->runs = n;
}

/* ---- what follows from the times ---------------------------------------------------------------- */

static double weights(const struct gpu_row *row) { return (double)row->rows * (double)row->cols; }

double gpu_row_gbps(const struct gpu_row *row) { return 2e-9 * weights(row) / row->seconds; }

/* The last row before this one that did `way` with the same matrix and batch; NULL: none. */
static const struct gpu_row *beside(const struct gpu_report *report, const struct gpu_row *row, enum gpu_way way,
                                    unsigned batch)
{
    while (row-- != report->row)
        if (row->way == way && row->batch == batch) return row;
    return NULL;
}

double gpu_row_of_roof(const struct gpu_report *report, const struct gpu_row *row)
{
    if (row->way == GPU_COPY || row->way == GPU_READ || row->way == GPU_UNPACK) return NAN;
    const struct gpu_row *roof = beside(report, row, row->way == GPU_DECODE ? GPU_COPY : GPU_READ, 0);
    return roof && roof->rows == row->rows && roof->cols == row->cols
               ? row->bytes / (roof->bytes / roof->seconds) / row->seconds : NAN;
}

double gpu_row_over_cublas(const struct gpu_report *report, const struct gpu_row *row)
{
    if (row->way != GPU_UNPACK && row->way != GPU_PRODUCT) return NAN;
    const struct gpu_row *cublas = beside(report, row, GPU_CUBLAS, row->batch);
    return cublas && cublas->rows == row->rows && cublas->cols == row->cols ? cublas->seconds / row->seconds : NAN;
}

double gpu_row_predicted(const struct gpu_row *row, const ent_target *target)
{
    ent_prediction p;
    ent_layer_cost cost;
    ent_error reason;
    const ent_workload layer = { .rows = row->rows, .cols = row->cols, .vectors = row->batch };
    if (!row->coded) return NAN;
    if (row->way == GPU_DECODE && !ent_target_predict(target, &row->recipe, row->bits, 0, &p, &reason))
        return 1e-9 * weights(row) / p.weights_per_ns;
    if (row->way == GPU_PRODUCT && !ent_target_cost(target, &row->recipe, row->bits, &layer, &cost, &reason))
        return 1e-9 * cost.time_ns;
    return NAN;
}

/* Of the rows that did `way` with this codec, the first with most weights. */
static const struct gpu_row *largest(const struct gpu_report *report, enum gpu_way way, const char *codec)
{
    const struct gpu_row *best = NULL;
    for (size_t i = 0; i < report->rows; i++) {
        const struct gpu_row *row = &report->row[i];
        if (row->way == way && !strcmp(row->codec, codec) && (!best || weights(row) > weights(best))) best = row;
    }
    return best;
}

/* ---- output --------------------------------------------------------------------------------------- */

static const char *const key[GPU_WAYS] = { "copy", "read", "decode", "cublas", "decode-then-cublas", "product" };
static const char *const name[GPU_WAYS] = { "copy", "read", "decode", "cuBLAS", "decode, then cuBLAS", "product" };

static double error_percent(const struct gpu_row *row, double predicted) { return 100 * (predicted / row->seconds - 1); }

static void print_json(const struct gpu_report *report, const struct gpu_row *row, const ent_target *target)
{
    json_t *object = json_object();
    json_text(object, "operation", key[row->way]);
    json_text(object, "codec", *row->codec ? row->codec : NULL);
    json_text(object, "target", "gpu");
    json_text(object, "card", report->card.name);
    json_text(object, "model", model_name(report->model));
    json_count(object, "rows", row->rows);
    json_count(object, "cols", row->cols);
    json_count(object, "batch", row->batch);
    json_real_or_null(object, "bits_per_weight", row->bits);
    json_real_or_null(object, "bytes", row->bytes);
    json_real_or_null(object, "seconds", row->seconds);
    json_real_or_null(object, "least_seconds", row->least);
    json_real_or_null(object, "weights_gbps", gpu_row_gbps(row));
    json_real_or_null(object, "of_roof", gpu_row_of_roof(report, row));
    json_real_or_null(object, "over_cublas", gpu_row_over_cublas(report, row));
    json_real_or_null(object, "error", row->error);
    json_count(object, "runs", row->runs);
    json_object_set_new(object, "verified", json_boolean(row->verified));
    json_count(object, "launches", row->launches);
    json_text(object, "cublas", *row->cublas ? row->cublas : NULL);
    json_real_or_null(object, "clock_ghz", row->load.clock_ghz);
    json_real_or_null(object, "driver_clock_ghz", row->load.driver_clock_ghz);
    json_real_or_null(object, "memory_ghz", row->load.memory_ghz);
    json_real_or_null(object, "watts", row->load.watts);
    json_real_or_null(object, "celsius", row->load.celsius);
    if (target) {
        double predicted = gpu_row_predicted(row, target);
        json_text(object, "predicted_by", ent_target_name(target));
        json_real_or_null(object, "predicted_seconds", predicted);
        json_real_or_null(object, "error_percent", error_percent(row, predicted));
    }
    json_line(object);
}

void gpu_report_json(const struct gpu_report *report)
{
    for (size_t i = 0; i < report->rows; i++)
        for (size_t k = 0; k < (report->targets ? report->targets : 1); k++)
            print_json(report, &report->row[i], report->targets ? report->target[k] : NULL);
}

enum { STATE = 400 };

static void say(char text[STATE], const char *format, double value)
{
    size_t n = strlen(text);
    if (!isnan(value)) snprintf(text + n, STATE - n, format, value);
}

/* Driver, settings, and what the clocks were while most weights were read. */
static const char *describe(const struct gpu_report *report, char text[STATE])
{
    const gpu_facts *facts = &report->card.facts;
    const struct gpu_row *read = largest(report, GPU_READ, "");
    const gpu_load none = { NAN, NAN, NAN, NAN, NAN }, *load = read ? &read->load : &none;
    snprintf(text, STATE, "%s%s", facts->driver, facts->ecc < 0 ? "" : facts->ecc ? ", ECC on" : ", ECC off");
    say(text, ", %.0f W at most", facts->limit_watts);
    say(text, "; reading: multiprocessors at %.2f GHz", load->clock_ghz);
    say(text, ", memory at %.3f GHz", load->memory_ghz);
    say(text, ", %.0f W", load->watts);
    return text;
}

/* The columns that all tables have, then some for each target. */
static void begin(const struct gpu_report *report, const char *first, const char *each, struct table *table)
{
    char text[TABLE_COLUMNS * 100];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", first);
    for (size_t k = 0; k < report->targets && n < sizeof text; k++) {
        const char *target = ent_target_name(report->target[k]);
        n += (size_t)snprintf(text + n, sizeof text - n, each, target, target);
    }
    table_begin(table, text);
}

void gpu_report_print(const struct gpu_report *report)
{
    const struct gpu_card *card = &report->card;
    struct table table;
    char state[STATE];
    printf("%s: %s, %u multiprocessors, %s, %s", model_name(report->model), card->name, card->facts.processors,
           show_bytes(card->facts.memory_bytes).text, describe(report, state));
    printf("\n\n");
    begin(report, "<operation|<codec, or way of cuBLAS|<matrix|batch|bits/weight|us|GB/s of weights|GB/s moved|of the roof|cuBLAS/time|GHz",
          "|%s, us|error %%", &table);
    for (size_t i = 0; i < report->rows; i++) {
        const struct gpu_row *row = &report->row[i];
        table_cell(&table, "%s", name[row->way]);
        table_cell(&table, "%s", row->way == GPU_CUBLAS ? row->cublas : row->codec);
        table_cell(&table, "%zu x %zu", row->rows, row->cols);
        table_number(&table, row->batch ? (double)row->batch : (double)NAN, 0);
        table_number(&table, row->bits, 3);
        table_number(&table, 1e6 * row->seconds, 1);
        table_number(&table, gpu_row_gbps(row), 0);
        table_number(&table, 1e-9 * row->bytes / row->seconds, 0);
        table_number(&table, gpu_row_of_roof(report, row), 2);
        table_number(&table, gpu_row_over_cublas(report, row), 2);
        table_number(&table, row->load.clock_ghz, 2);
        for (size_t k = 0; k < report->targets; k++) {
            double predicted = gpu_row_predicted(row, report->target[k]);
            table_number(&table, 1e6 * predicted, 1);
            table_number(&table, error_percent(row, predicted), 0);
        }
    }
    table_end(&table);
}

/* A number with all its digits, empty for NaN. */
static void number(struct table *table, double value)
{
    if (isnan(value)) table_cell(table, "%s", "");
    else table_cell(table, "%.6g", value);
}

void gpu_report_tsv(const struct gpu_report *report, FILE *file)
{
    struct table table;
    begin(report, "operation|codec|rows|cols|batch|bits_per_weight|bytes|seconds|least_seconds|weights_gbps|of_roof|"
          "over_cublas|error|runs|verified|launches|cublas|clock_ghz|driver_clock_ghz|memory_ghz|watts|celsius",
          "|predicted_seconds by %s|error_percent of %s", &table);
    for (size_t i = 0; i < report->rows; i++) {
        const struct gpu_row *row = &report->row[i];
        table_cell(&table, "%s", key[row->way]);
        table_cell(&table, "%s", row->codec);
        table_cell(&table, "%zu", row->rows);
        table_cell(&table, "%zu", row->cols);
        table_cell(&table, "%u", row->batch);
        number(&table, row->bits);
        number(&table, row->bytes);
        number(&table, row->seconds);
        number(&table, row->least);
        number(&table, gpu_row_gbps(row));
        number(&table, gpu_row_of_roof(report, row));
        number(&table, gpu_row_over_cublas(report, row));
        number(&table, row->error);
        table_cell(&table, "%u", row->runs);
        table_cell(&table, "%d", row->verified);
        table_cell(&table, "%zu", row->launches);
        table_cell(&table, "%s", row->cublas);
        number(&table, row->load.clock_ghz);
        number(&table, row->load.driver_clock_ghz);
        number(&table, row->load.memory_ghz);
        number(&table, row->load.watts);
        number(&table, row->load.celsius);
        for (size_t k = 0; k < report->targets; k++) {
            double predicted = gpu_row_predicted(row, report->target[k]);
            number(&table, predicted);
            number(&table, error_percent(row, predicted));
        }
    }
    table_tsv(&table, file);
    table_free(&table);
}

/* ---- the target's file ------------------------------------------------------------------------------ */

static void write_rate(const struct gpu_report *report, const struct gpu_row *row, const char *codec, FILE *file)
{
    fputs("  - { codec: ", file);
    yaml_quoted(file, codec);
    fprintf(file, ", dtype: BF16, threads: %u, cache: cold, bits_per_weight: %.5g, gbps: %.5g }\n", report->card.facts.processors,
            row->bits, gpu_row_gbps(row));
}

void gpu_report_target(const struct gpu_report *report, const char *path, FILE *file)
{
    const struct gpu_card *card = &report->card;
    const struct gpu_row *read = largest(report, GPU_READ, "");
    char machine[512], state[STATE];
    snprintf(machine, sizeof machine, "%s, %s", card->name, describe(report, state));
    fputs("# Written by `entropy bench --target gpu`; every number was measured by the command in it.\n", file);
    target_file_head(file, path, card->name, machine, &report->origin);
    if (!isnan(read->load.clock_ghz)) yaml_measured(file, "clock_ghz", read->load.clock_ghz, &report->origin);
    yaml_measured(file, "cores", card->facts.processors, &report->origin);
    fputs("memory: # read by all multiprocessors\n  - name: device memory\n", file);
    yaml_measured(file, "    capacity_bytes", (double)card->facts.memory_bytes, &report->origin);
    yaml_measured(file, "    gbps", 1e-9 * read->bytes / read->seconds, &report->origin);
    fprintf(file, "rates: # GB/s of weights of %s, decoded from device memory to device memory; raw ones are read\n",
            model_name(report->model));
    write_rate(report, read, "raw", file);
    for (size_t i = 0; i < report->rows; i++) {
        const struct gpu_row *row = &report->row[i];
        if (row->way == GPU_DECODE && row == largest(report, GPU_DECODE, row->codec)) write_rate(report, row, row->codec, file);
    }
}
