/* histogram.c - reads how often each exponent occurs in a model that somebody else has counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { MODEL, CLASS, EXPONENT, COUNT, COLUMNS };
static const char *const names[COLUMNS] = { "model", "tensor_class", "biased_exponent", "count" };

typedef struct cell {
    char text[256];
} cell;

/* Column `index` of a line of comma-separated values without quotes; "" when it is not there. */
static cell column(const char *line, size_t index)
{
    cell c = { "" };
    for (; index && *line && *line != '\n'; line++) index -= *line == ',';
    if (!index) snprintf(c.text, sizeof c.text, "%.*s", (int)strcspn(line, ",\n\r"), line);
    return c;
}

static bool find_columns(const char *header, size_t index[COLUMNS])
{
    enum { MOST = 32 };
    for (size_t i = 0; i < COLUMNS; i++) {
        for (index[i] = 0; index[i] < MOST && strcmp(column(header, index[i]).text, names[i]);) index[i]++;
        if (index[i] == MOST) return false;
    }
    return true;
}

static bool wanted(cell c, const char *name) { return !*name || !strcmp(c.text, name); }

/* An exponent of finite numbers, and how often. */
static bool read_count(const char *line, const size_t index[COLUMNS], double weight[256])
{
    cell e = column(line, index[EXPONENT]), c = column(line, index[COUNT]);
    char *end_e, *end_c;
    unsigned long exponent = strtoul(e.text, &end_e, 10);
    double count = strtod(c.text, &end_c);
    if (end_e == e.text || *end_e || exponent > 254 || end_c == c.text || *end_c || !(count > 0 && count < 1e18))
        return false;
    weight[exponent] += count;
    return true;
}

ent_status ent_law_histogram(const ent_dataset_options *o, double weight[256], ent_error *error)
{
    size_t index[COLUMNS] = { 0 }, number = 1, used = 0;
    char *text;
    memset(weight, 0, 256 * sizeof *weight);
    if (!*o->histogram) return ent_fail(error, ENT_EINVAL, "law histogram needs a file: histogram=FILE.csv");
    ent_status status = ent_dataset_read_text(&text, o->histogram, NULL, error);
    if (status) return status;
    if (!find_columns(text, index))
        status = ent_fail(error, ENT_ECORRUPT, "%s:1: no columns model, tensor_class, biased_exponent and count",
                          o->histogram);
    for (const char *line = text; !status && (line = strchr(line, '\n')) && *++line;) {
        number++;
        if (!wanted(column(line, index[MODEL]), o->model) || !wanted(column(line, index[CLASS]), o->tensor_class))
            continue;
        used++;
        if (!read_count(line, index, weight))
            status = ent_fail(error, ENT_ECORRUPT, "%s:%zu: not an exponent below 255 and a count", o->histogram,
                              number);
    }
    ent_free(text);
    if (!status && !used)
        status = ent_fail(error, ENT_EINVAL, "%s: no rows of model '%s' and class '%s'", o->histogram, o->model,
                          o->tensor_class);
    return status;
}
