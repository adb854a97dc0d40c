/* options.c - what to make, from text. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"

static const struct {
    const char *name;
    ent_dataset_law law;
} laws[] = {
    { "normal", ENT_LAW_NORMAL },   { "laplace", ENT_LAW_LAPLACE },     { "student", ENT_LAW_STUDENT },
    { "mixture", ENT_LAW_MIXTURE }, { "histogram", ENT_LAW_HISTOGRAM },
};

ent_status ent_dataset_options_init(ent_dataset_options *options, const char *law, ent_error *error)
{
    *options = (ent_dataset_options){ .dtype = "BF16", .weights = 16 << 20, .seed = 1, .sigma = 0.02, .nu = 4, .spread = 0.3,
                                      .tensor_class = "linear" };
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++)
        if (!strcmp(laws[i].name, law)) {
            options->law = laws[i].law;
            return ENT_OK;
        }
    return ent_fail(error, ENT_EINVAL, "no law '%s' (normal, laplace, student, mixture, histogram)", law);
}

/* A whole number with an optional unit. */
static bool whole(const char *text, uint64_t *value)
{
    static const struct { const char *name; uint64_t factor; } units[] = {
        { "", 1 },          { "k", 1000 },       { "M", 1000000 },    { "G", 1000000000 },
        { "Ki", 1u << 10 }, { "Mi", 1u << 20 },  { "Gi", 1u << 30 },
    };
    char *end;
    if (*text < '0' || *text > '9') return false; /* strtoull would take signs and blanks */
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(units[i].name, end)) return !__builtin_mul_overflow(number, units[i].factor, value);
    return false;
}

static bool real(const char *text, double least, double most, double *value)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= least && number <= most)) return false;
    *value = number;
    return true;
}

static bool name(const char *text, char *value, size_t size)
{
    int n = snprintf(value, size, "%s", text);
    return n >= 0 && (size_t)n < size;
}

static bool dtype(const char *text, ent_dataset_options *options)
{
    static const char *const known[] = { "BF16", "F16", "F16-from-BF16", "F32", "F8_E4M3", "F8_E5M2" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], text)) return name(text, options->dtype, sizeof options->dtype);
    return false;
}

ent_status ent_dataset_options_set(ent_dataset_options *o, const char *option, const char *value, ent_error *error)
{
    uint64_t most = (uint64_t)1 << 50; /* 2 PiB of BF16: no byte count overflows */
    bool good;
    if (!strcmp(option, "dtype")) good = dtype(value, o);
    else if (!strcmp(option, "weights")) good = whole(value, &o->weights) && o->weights >= 1 && o->weights <= most;
    else if (!strcmp(option, "seed")) good = whole(value, &o->seed);
    else if (!strcmp(option, "sigma")) good = real(value, 1e-30, 1e30, &o->sigma);
    else if (!strcmp(option, "nu")) good = real(value, 0.1, 1e6, &o->nu);
    else if (!strcmp(option, "spread")) good = real(value, 0, 10, &o->spread);
    else if (!strcmp(option, "row-spread")) good = real(value, 0, 10, &o->row_spread);
    else if (!strcmp(option, "tensor-spread")) good = real(value, 0, 10, &o->tensor_spread);
    else if (!strcmp(option, "histogram")) good = name(value, o->histogram, sizeof o->histogram);
    else if (!strcmp(option, "model")) good = name(value, o->model, sizeof o->model);
    else if (!strcmp(option, "tensor-class")) good = name(value, o->tensor_class, sizeof o->tensor_class);
    else return ent_fail(error, ENT_EINVAL,
                         "no option '%s' (dtype, weights, seed, sigma, nu, spread, row-spread, tensor-spread, "
                         "histogram, model, tensor-class)", option);
    return good ? ENT_OK : ent_fail(error, ENT_EINVAL, "%s: '%s' is not a value for it", option, value);
}

ent_status ent_dataset_options_parse(ent_dataset_options *options, const char *text, ent_error *error)
{
    char copy[4096], *save = NULL;
    if (!name(text, copy, sizeof copy)) return ent_fail(error, ENT_EINVAL, "too long a text: %.60s...", text);
    char *word = strtok_r(copy, " ", &save);
    ent_status status = ent_dataset_options_init(options, word ? word : "", error);
    while (!status && (word = strtok_r(NULL, " ", &save))) {
        char *value = strchr(word, '=');
        if (!value) return ent_fail(error, ENT_EINVAL, "'%s': expected OPTION=VALUE", word);
        *value++ = '\0';
        status = ent_dataset_options_set(options, word, value, error);
    }
    return status;
}
