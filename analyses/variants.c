/* variants.c - see variants.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <entropy/target.h>

#include "sample.h"
#include "variants.h"

const char *variant_dtype(enum variant variant)
{
    return variant == CAST_FP16 || variant == NATIVE_FP16 ? "F16" : "BF16";
}

/* ---- weights ---------------------------------------------------------------------------------- */

static ent_status convert(struct variants *v, enum variant variant, const float *values, ent_error *error)
{
    if (!(v->words[variant] = ent_alloc(v->weights * sizeof(uint16_t) + 1)))
        return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_format_words(ent_format_find(variant_dtype(variant)), values, v->weights, v->words[variant]);
    return ENT_OK;
}

/* The first of a pair from the values as they are, the second from what the first made of them. */
static ent_status convert_pair(struct variants *v, enum variant first, enum variant second, const float *values,
                               float *rounded, ent_error *error)
{
    ent_status status = convert(v, first, values, error);
    if (status) return status;
    ent_format_floats(ent_format_find(variant_dtype(first)), v->words[first], v->weights, rounded);
    return convert(v, second, rounded, error);
}

static ent_status take(struct variants *v, const ent_weights *weights, uint64_t most, ent_error *error)
{
    struct sample sample;
    const char *dtype = sample_dtype(weights);
    const ent_format *format = dtype ? ent_format_find(dtype) : NULL;
    bool bf16 = format && !strcmp(dtype, "BF16"), f16 = format && !strcmp(dtype, "F16");
    if (!bf16 && !f16 && !(format && !strcmp(dtype, "F32")))
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: needs weights of BF16, F16 or F32", v->name);
    ent_status status = sample_take(&sample, weights, most * ent_format_width(format), error);
    if (status) return status;
    v->weights = sample.distinct_bytes / ent_format_width(format);
    float *values = ent_alloc(v->weights * sizeof *values + 1), *rounded = ent_alloc(v->weights * sizeof *rounded + 1);
    if (!values || !rounded) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) {
        ent_format_floats(format, sample.words, v->weights, values);
        if (!f16) status = convert_pair(v, CAST_BF16, CAST_FP16, values, rounded, error);
        if (!status && !bf16) status = convert_pair(v, NATIVE_FP16, NATIVE_BF16, values, rounded, error);
    }
    ent_free(values);
    ent_free(rounded);
    sample_free(&sample);
    return status;
}

/* ---- bits ------------------------------------------------------------------------------------- */

static ent_status entropy(const struct variants *v, enum variant variant, const char *text, double *bits,
                          ent_error *error)
{
    ent_codec *codec;
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS] = { { 0 } };
    ent_status status = ent_codec_parse(&codec, text, error);
    if (status) return status;
    status = ent_codec_bind(codec, variant_dtype(variant), &recipe, error);
    if (!status) status = ent_recipe_counts_init(&recipe, counts);
    if (!status) status = ent_recipe_count(&recipe, v->words[variant], v->weights, counts);
    if (!status) *bits = ent_recipe_bound_bits(&recipe, counts);
    ent_recipe_counts_free(counts);
    ent_codec_free(codec);
    return status;
}

static ent_status measure(struct variants *v, enum variant variant, unsigned threads, ent_error *error)
{
    struct variant_bits *b = &v->bits[variant];
    ent_codec *codec;
    ent_bench bench;
    ent_status status = ent_codec_parse(&codec, "huff-llm", error);
    if (status) return status;
    status = ent_bench_words(codec, variant_dtype(variant), v->words[variant], v->weights, threads, 1, &bench, error);
    ent_codec_free(codec);
    if (status) return status;
    b->coded = (double)(bench.tally.payload_bits + bench.tally.table_bits) / (double)v->weights;
    status = entropy(v, variant, "word=huffman", &b->word, error);
    if (!status) status = entropy(v, variant, "byte1=huffman byte0=huffman", &b->halves, error);
    if (!status) status = entropy(v, variant, "huff-llm", &b->fields, error);
    return status;
}

ent_status variants_measure(struct variants *v, const char *name, const ent_weights *weights, uint64_t most,
                            unsigned threads, ent_error *error)
{
    *v = (struct variants){ .weights = 0 };
    snprintf(v->name, sizeof v->name, "%s", name);
    ent_status status = take(v, weights, most, error);
    for (int i = 0; i < VARIANTS && !status; i++) {
        v->bits[i] = (struct variant_bits){ NAN, NAN, NAN, NAN };
        if (v->words[i]) status = measure(v, (enum variant)i, threads, error);
    }
    if (status) variants_free(v);
    return status;
}

void variants_free(struct variants *v)
{
    for (int i = 0; i < VARIANTS; i++) {
        ent_free(v->words[i]);
        v->words[i] = NULL;
    }
}

/* ---- decoders --------------------------------------------------------------------------------- */

ent_status variant_cam(const struct variants *v, enum variant variant, const char *text, const ent_cam *cam,
                       uint64_t most, ent_cam_count *count, ent_cam_forecast *forecast, bool *identical,
                       ent_error *error)
{
    ent_codec *codec;
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS] = { { 0 } };
    ent_tables tables = { 0 };
    uint64_t n = v->weights < most ? v->weights : most;
    uint16_t *decoded = ent_calloc(n + 1, sizeof *decoded);
    ent_status status = decoded ? ent_codec_parse(&codec, text, error) : ent_fail(error, ENT_ENOMEM, "out of memory");
    if (status) {
        ent_free(decoded);
        return status;
    }
    status = ent_codec_bind(codec, variant_dtype(variant), &recipe, error);
    if (!status) status = ent_recipe_counts_init(&recipe, counts);
    if (!status) status = ent_recipe_count(&recipe, v->words[variant], v->weights, counts);
    if (!status) status = ent_tables_train(&tables, &recipe, counts, ENT_ENCODE);
    if (!status) status = ent_cam_decode(cam, &recipe, &tables, v->words[variant], n, decoded, count, error);
    for (unsigned f = 0; f < recipe.split.fields && !status; f++)
        if (counts[f].count) memset(counts[f].count, 0, counts[f].alphabet * sizeof *counts[f].count);
    if (!status) status = ent_recipe_count(&recipe, v->words[variant], n, counts);
    if (!status) status = ent_cam_predict(cam, &recipe, &tables, counts, forecast, error);
    if (!status) *identical = !memcmp(decoded, v->words[variant], n * sizeof *decoded);
    ent_tables_free(&tables);
    ent_recipe_counts_free(counts);
    ent_codec_free(codec);
    ent_free(decoded);
    return status;
}
