/* data.c - what is coded: generated weights as five kinds of symbols, and a real model's.
 *
 * Generated weights are normal, in rows of 4096, times 0.02, a scale of the row and one of the column
 * (log-normal, standard deviation of the logarithm 0.2): trained weights look like that, and it is
 * what keeps rows from all having one histogram.  INT8: symmetric, one scale a row.  INT4: the
 * largest of 128 weights becomes 7, codes are stored with 8 added, one a byte. */
#include <math.h>
#include <string.h>

#include "../../analyses/model.h"
#include "../../analyses/sample.h"
#include "../../datasets/parts.h"
#include "bench.h"

enum { ROW = 4096, GROUP = 128, SEED = 1 };

static const double spread = 0.2;

/* ---- generated rows --------------------------------------------------------------------------- */

static void bf16_words(const float *weight, void *row)
{
    uint16_t *word = row;
    for (size_t i = 0; i < ROW; i++) { /* to nearest, ties to even; all weights are finite */
        uint32_t bits;
        memcpy(&bits, &weight[i], 4);
        word[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
}

static void bf16_exponents(const float *weight, void *row)
{
    uint16_t word[ROW];
    uint8_t *exponent = row;
    bf16_words(weight, word);
    for (size_t i = 0; i < ROW; i++) exponent[i] = (uint8_t)(word[i] >> 7);
}

static void f16_words(const float *weight, void *row)
{
    const ent_format *format = ent_format_find("F16");
    uint16_t *word = row;
    for (size_t i = 0; i < ROW; i++) word[i] = (uint16_t)ent_format_nearest(format, (double)weight[i]);
}

static float largest(const float *weight, size_t n)
{
    float most = 1e-30f; /* a group of zeros has codes too */
    for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(weight[i]));
    return most;
}

static void int8_codes(const float *weight, void *row)
{
    int8_t *code = row;
    float scale = 127 / largest(weight, ROW);
    for (size_t i = 0; i < ROW; i++) code[i] = (int8_t)lrintf(weight[i] * scale);
}

static void int4_codes(const float *weight, void *row)
{
    uint8_t *code = row;
    for (size_t g = 0; g < ROW; g += GROUP) {
        float scale = 7 / largest(weight + g, GROUP);
        for (size_t i = g; i < g + GROUP; i++) code[i] = (uint8_t)(8 + (int)lrintf(weight[i] * scale));
    }
}

/* ---- the list --------------------------------------------------------------------------------- */

static const struct set {
    const char *name, *dtype;
    uint32_t width, alphabet;
    void (*row)(const float *weight, void *row); /* NULL: from the model */
} sets[] = {
    { "bf16-exponent", NULL, 1, 256, bf16_exponents },
    { "bf16-word", "BF16", 2, 0, bf16_words },
    { "f16-word", "F16", 2, 0, f16_words },
    { "int8-code", NULL, 1, 256, int8_codes },
    { "int4-code", NULL, 1, 16, int4_codes },
    { "model-exponent", NULL, 1, 256, NULL },
    { "model-word", "BF16", 2, 0, NULL },
};

size_t data_sets(void) { return sizeof sets / sizeof *sets; }
const char *data_name(size_t i) { return sets[i].name; }

struct making {
    const struct set *set;
    const ent_law *law, *scales;
    float column[ROW];
    struct data *data;
    size_t rows;
};

static ent_status make_row(size_t i, unsigned thread, void *context)
{
    const struct making *m = context;
    float weight[ROW], row_scale;
    uint8_t row[2 * ROW] __attribute__((aligned(64)));
    (void)thread;
    ent_law_row(m->scales, i, spread, 1, &row_scale);
    ent_law_row(m->law, i, exp((double)row_scale), ROW, weight);
    for (size_t c = 0; c < ROW; c++) weight[c] *= m->column[c];
    m->set->row(weight, row);
    size_t first = i * ROW, n = m->data->n - first < ROW ? m->data->n - first : ROW;
    memcpy(m->data->symbols + first * m->set->width, row, n * m->set->width);
    return ENT_OK;
}

static ent_law *new_law(uint64_t seed, double sigma, ent_error *error)
{
    ent_dataset_options options;
    ent_law *law = NULL;
    if (ent_dataset_options_init(&options, "normal", error)) return NULL;
    strcpy(options.dtype, "F32");
    options.seed = seed;
    options.sigma = sigma;
    return ent_law_new(&law, &options, error) ? NULL : law;
}

static ent_status generate(struct data *data, const struct set *set, ent_error *error)
{
    struct making m = { .set = set, .data = data, .rows = (data->n + ROW - 1) / ROW };
    ent_law *law = new_law(SEED, 0.02, error), *scales = new_law(SEED + 1, 1, error);
    ent_status status = law && scales ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for generated weights");
    if (!status) {
        m.law = law;
        m.scales = scales;
        ent_law_row(scales, m.rows, spread, ROW, m.column); /* a row of its own, after those of the scales */
        for (size_t c = 0; c < ROW; c++) m.column[c] = expf(m.column[c]);
        status = ent_parallel(m.rows, 0, make_row, &m);
    }
    if (law) ent_law_free(law);
    if (scales) ent_law_free(scales);
    return status;
}

static ent_status from_model(struct data *data, const struct set *set, const char *model, ent_error *error)
{
    ent_weights *weights;
    struct sample sample = { 0 };
    ent_status status = model_open(&weights, model, error);
    if (status) return status;
    status = sample_take(&sample, weights, 2 * (uint64_t)data->n, error);
    if (!status && strcmp(sample.dtype, "BF16")) status = ent_fail(error, ENT_EUNSUPPORTED, "%s: not of BF16", model);
    for (size_t i = 0; i < data->n && !status; i++) {
        uint16_t word;
        memcpy(&word, (const uint8_t *)sample.words + 2 * i, 2);
        if (set->width == 1) data->symbols[i] = (uint8_t)(word >> 7);
        else memcpy(data->symbols + 2 * i, &word, 2);
    }
    sample_free(&sample);
    ent_weights_close(weights);
    return status;
}

ent_status data_make(struct data *data, size_t i, size_t bytes, const char *model, ent_error *error)
{
    const struct set *set = &sets[i];
    *data = (struct data){ set->name, set->dtype, set->width, set->alphabet, ent_alloc(bytes), bytes / set->width };
    if (!data->symbols) return ent_fail(error, ENT_ENOMEM, "no memory for %zu bytes of symbols", bytes);
    return set->row ? generate(data, set, error) : from_model(data, set, model, error);
}

void data_free(struct data *data)
{
    ent_free(data->symbols);
    data->symbols = NULL;
}

/* ---- entropy ---------------------------------------------------------------------------------- */

static ent_status entropy_of_words(const struct data *data, size_t n, double *bits)
{
    const ent_format *format = ent_format_find(data->dtype);
    ent_word_counts words;
    ent_split split;
    ent_status status = ent_word_counts_init(&words, format);
    if (status) return status;
    ent_word_counts_add(&words, data->symbols, n);
    status = ent_split_natural(format, &split);
    for (uint32_t i = 0; i < split.fields && !status; i++) {
        ent_counts counts;
        status = ent_word_counts_field(&words, &split.field[i], &counts);
        if (status) break;
        *bits += ent_entropy_bits(&counts);
        ent_counts_free(&counts);
    }
    ent_word_counts_free(&words);
    return status;
}

ent_status data_entropy(const struct data *data, size_t n, double *bits)
{
    ent_counts counts;
    *bits = 0;
    if (data->dtype) return entropy_of_words(data, n, bits);
    ent_status status = ent_counts_init(&counts, data->alphabet);
    if (status) return status;
    status = ent_counts_add(&counts, data->symbols, data->width, n);
    *bits = ent_entropy_bits(&counts);
    ent_counts_free(&counts);
    return status;
}
