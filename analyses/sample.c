/* sample.c - see sample.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "sample.h"

enum {
    GRAIN = 64,  /* words: parts of packed formats begin and end on bytes */
    ENCODES = 3  /* that a measurement has at most */
};

static const uint64_t preset_least = 64 << 20, preset_most = 256 << 20;

/* The bytes that tensors of a dtype have in all, unpacked. */
static uint64_t bytes_of(const ent_weights *weights, const char *dtype, uint32_t width)
{
    uint64_t elements = 0;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        if (!strcmp(t->dtype, dtype)) elements += t->elements;
    }
    return elements * width;
}

static const ent_format *dominant(const ent_weights *weights, const char **dtype)
{
    const ent_format *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        const ent_format *format = ent_format_find(t->dtype);
        if (!format || !t->elements || (best && !strcmp(t->dtype, *dtype))) continue;
        bool is_float = format->kind == ENT_KIND_FLOAT, had_float = best && best->kind == ENT_KIND_FLOAT;
        uint64_t bytes = bytes_of(weights, t->dtype, ent_format_width(format));
        if (is_float < had_float || (is_float == had_float && bytes <= most)) continue;
        best = format;
        most = bytes;
        *dtype = t->dtype;
    }
    return best;
}

/* The first words of every tensor, `part` of each; returns how many. */
static size_t gather(struct sample *sample, const ent_weights *weights, const ent_format *format, double part)
{
    uint32_t width = ent_format_width(format);
    size_t n = 0;
    for (size_t i = 0; i < ent_weights_tensors(weights) && n < sample->n; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        if (strcmp(t->dtype, sample->dtype)) continue;
        uint64_t want = part < 1 ? (uint64_t)((double)t->elements * part) / GRAIN * GRAIN : t->elements;
        size_t take = want < sample->n - n ? (size_t)want : sample->n - n;
        uint8_t *out = (uint8_t *)sample->words + n * width;
        if (ent_format_packed(format))
            ent_format_unpack(format, t->bytes.data, 0, take, out);
        else if (take)
            memcpy(out, t->bytes.data, take * width);
        n += take;
    }
    return n;
}

static ent_status make_room(struct sample *sample, uint32_t width, uint64_t bytes, ent_error *error)
{
    sample->n = (size_t)(bytes / width);
    if (!sample->n) return ent_fail(error, ENT_EINVAL, "a sample of %" PRIu64 " bytes holds no weight", bytes);
    sample->bytes = sample->n * width;
    if (!(sample->words = ent_alloc(sample->bytes))) return ent_fail(error, ENT_ENOMEM, "no memory for the sample");
    return ENT_OK;
}

/* Fills the sample with its first bytes, again and again. */
static void repeat(struct sample *sample, size_t distinct)
{
    sample->distinct_bytes = distinct;
    for (size_t filled = distinct; filled < sample->bytes;) {
        size_t more = sample->bytes - filled < filled ? sample->bytes - filled : filled;
        memcpy((uint8_t *)sample->words + filled, sample->words, more);
        filled += more;
    }
}

ent_status sample_take_dtype(struct sample *sample, const ent_weights *weights, const char *dtype, uint64_t bytes,
                             ent_error *error)
{
    *sample = (struct sample){ .dtype = dtype };
    const ent_format *format = ent_format_find(dtype);
    uint32_t width = format ? ent_format_width(format) : 1;
    uint64_t has = format ? bytes_of(weights, dtype, width) : 0;
    if (!has) return ent_fail(error, ENT_EINVAL, "the model has no weights of number format '%s'", dtype);
    if (!bytes) bytes = has < preset_least ? preset_least : has < preset_most ? has : preset_most;
    ent_status status = make_room(sample, width, bytes, error);
    if (status) return status;
    size_t got = gather(sample, weights, format, (double)sample->bytes / (double)has);
    if (!got) got = gather(sample, weights, format, 1); /* too small a part of each tensor: the first ones, then */
    repeat(sample, got * width);
    return ENT_OK;
}

ent_status sample_take(struct sample *sample, const ent_weights *weights, uint64_t bytes, ent_error *error)
{
    const char *dtype = NULL;
    *sample = (struct sample){ 0 };
    const ent_format *format = dominant(weights, &dtype);
    if (!format) return ent_fail(error, ENT_EUNSUPPORTED, "the model has no tensors of a known number format");
    return sample_take_dtype(sample, weights, dtype, bytes, error);
}

/* Normal variates in pairs (Box and Muller). */
static void normal_row(uint64_t row, size_t n, double sigma, float *value)
{
    ent_random random;
    ent_random_seed(&random, 1, row);
    for (size_t i = 0; i < n; i += 2) {
        double radius = sigma * sqrt(-2 * log(1 - ent_random_uniform(&random))),
               angle = 6.283185307179586 * ent_random_uniform(&random);
        value[i] = (float)(radius * cos(angle));
        if (i + 1 < n) value[i + 1] = (float)(radius * sin(angle));
    }
}

ent_status sample_generate(struct sample *sample, const char *dtype, uint64_t bytes, ent_error *error)
{
    enum { ROW = 4096, MOST_ROWS = 1024 };
    static const double sigma = 0.02;
    float value[ROW];
    *sample = (struct sample){ .dtype = dtype };
    const ent_format *format = ent_format_find(dtype);
    uint32_t width = ent_format_width(format);
    ent_status status = make_room(sample, width, bytes ? bytes : preset_least, error);
    if (status) return status;
    size_t n = sample->n < (size_t)ROW * MOST_ROWS ? sample->n : (size_t)ROW * MOST_ROWS;
    for (size_t first = 0; first < n; first += ROW) {
        size_t part = n - first < ROW ? n - first : ROW;
        float largest = 0;
        normal_row(first / ROW, part, sigma, value);
        for (size_t i = 0; i < part; i++) largest = fmaxf(largest, fabsf(value[i]));
        float scale = format->kind == ENT_KIND_SIGNED ? (float)((1 << (format->bits - 1)) - 1) / largest : 1;
        for (size_t i = 0; i < part; i++) value[i] *= scale;
        ent_format_words(format, value, part, (uint8_t *)sample->words + first * width);
    }
    repeat(sample, n * width);
    return ENT_OK;
}

const char *sample_dtype(const ent_weights *weights)
{
    const char *dtype = NULL;
    return dominant(weights, &dtype) ? dtype : NULL;
}

/* One run tells how long the others will take. */
ent_status sample_bench(const struct sample *sample, const ent_codec *codec, unsigned threads, unsigned runs, double seconds,
                        ent_bench *bench, unsigned *done, ent_error *error)
{
    *done = 1;
    ent_status status = ent_bench_words(codec, sample->dtype, sample->words, sample->n, threads, 1, bench, error);
    if (status || runs == 1) return status;
    double bytes = 1e-9 * (double)bench->bytes, encodes = ENCODES * bytes / bench->encode_gbps;
    double left = fmax(seconds - encodes, seconds / 2) / (bytes / bench->decode_gbps + bytes / bench->memcpy_gbps);
    if (left < 2) return ENT_OK;
    unsigned fit = left < runs ? (unsigned)left : runs;
    *done = fit;
    return ent_bench_words(codec, sample->dtype, sample->words, sample->n, threads, fit, bench, error);
}

void sample_free(struct sample *sample)
{
    ent_free(sample->words);
    *sample = (struct sample){ 0 };
}
