/* fits.c - one pass over every float tensor for moments, scales of lines and a sample; fits of the sample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "command.h"
#include "fits.h"
#include "progress.h"

enum { CHUNK = 8192, LINE_SAMPLE = 2048, FEW = 8 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct work { /* on one tensor */
    const ent_format *format;
    struct tensor_fit *out;
    ent_word_counts counts;
    ent_random random;
    double sum[5];                /* of powers */
    double *row_power, *col_power; /* sums of squares; NULL where there are too few lines, or too short ones */
    double *sample;
    size_t samples, drawn; /* kept; stretches done */
    uint64_t next;         /* position of the next draw */
    void *words;           /* a chunk unpacked */
    float value[CHUNK];
};

/* ---- one pass ------------------------------------------------------------------------------------ */

/* One place in the stretch number `i` of `of`. */
static uint64_t place(ent_random *random, uint64_t elements, uint64_t i, uint64_t of)
{
    uint64_t from = (uint64_t)((double)elements / (double)of * (double)i);
    uint64_t to = i + 1 < of ? (uint64_t)((double)elements / (double)of * (double)(i + 1)) : elements;
    return to > from ? from + ent_random_below(random, to - from) : from;
}

static void draw_next(struct work *w, uint64_t elements)
{
    uint64_t stretches = elements < ENT_FIT_SAMPLE ? elements : ENT_FIT_SAMPLE;
    w->next = w->drawn < stretches ? place(&w->random, elements, w->drawn++, stretches) : UINT64_MAX;
}

static void add_value(struct work *w, uint64_t at, double x)
{
    struct tensor_fit *t = w->out;
    bool finite = isfinite(x);
    if (at == w->next) {
        if (finite && x != 0) w->sample[w->samples++] = x;
        draw_next(w, t->tensor->elements);
    }
    t->zeros += x == 0;
    t->not_finite += !finite;
    if (!finite) return;
    double square = x * x;
    w->sum[1] += x, w->sum[2] += square, w->sum[3] += square * x, w->sum[4] += square * square;
    t->least = fmin(t->least, x);
    t->most = fmax(t->most, x);
    if (!w->row_power) return;
    w->row_power[at / t->columns] += square;
    w->col_power[at % t->columns] += square;
}

static void pass(struct work *w)
{
    const ent_tensor *tensor = w->out->tensor;
    uint32_t width = ent_format_width(w->format);
    draw_next(w, tensor->elements);
    for (uint64_t at = 0; at < tensor->elements; at += CHUNK) {
        size_t n = tensor->elements - at < CHUNK ? (size_t)(tensor->elements - at) : CHUNK;
        const void *words = tensor->bytes.data + at * width;
        if (w->words) ent_format_unpack(w->format, tensor->bytes.data, (size_t)at, n, w->words), words = w->words;
        ent_word_counts_add(&w->counts, words, n);
        ent_format_floats(w->format, words, n, w->value);
        for (size_t i = 0; i < n; i++) add_value(w, at + i, (double)w->value[i]);
    }
}

/* ---- what the pass says ---------------------------------------------------------------------------- */

static void moments(const struct work *w, struct tensor_fit *t)
{
    double n = (double)(t->tensor->elements - t->not_finite), m = w->sum[1] / n, s2 = w->sum[2] / n, s3 = w->sum[3] / n;
    double variance = fmax(s2 - m * m, 0);
    t->mean = m;
    t->deviation = sqrt(variance);
    t->skewness = (s3 - 3 * m * s2 + 2 * m * m * m) / pow(variance, 1.5);
    t->kurtosis = (w->sum[4] / n - 4 * m * s3 + 6 * m * m * s2 - 3 * pow(m, 4)) / (variance * variance);
}

/* From sums of squares of lines of `length`: the spread of ln of their root mean squares, and the outliers. */
static uint64_t line_scales(double *power, uint64_t n, uint64_t length, double *spread)
{
    double mean = 0, square = 0, live = 0;
    uint64_t outliers = 0;
    *spread = NAN;
    if (!power) return 0;
    for (uint64_t i = 0; i < n; i++) {
        if (!(power[i] > 0)) continue;
        double l = log(power[i] / (double)length) / 2;
        mean += l, square += l * l, live++;
    }
    if (live > 1) *spread = sqrt(fmax(square / live - mean * mean / (live * live), 0));
    qsort(power, (size_t)n, sizeof *power, ascending);
    for (uint64_t i = 0; i < n; i++) outliers += power[i] > 9 * power[n / 2] && power[n / 2] > 0;
    return outliers;
}

static void words(const struct work *w, struct tensor_fit *t)
{
    ent_field field;
    ent_counts exponents = { 0, NULL };
    const ent_counts *plane = &w->counts.plane[0];
    t->exponent_bits = NAN;
    if (!ent_field_parse(w->format, "exponent", &field, NULL) && !ent_word_counts_field(&w->counts, &field, &exponents))
        t->exponent_bits = ent_estimator_find("miller-madow")->from_counts(&exponents).bits;
    ent_counts_free(&exponents);
    if (w->counts.planes > 1) return;
    t->distinct = ent_counts_live(plane);
    for (uint32_t s = 0; s < plane->alphabet; s++)
        if (plane->count[s] > t->commonest) t->commonest = plane->count[s];
}

/* ---- fits ---------------------------------------------------------------------------------------- */

static ent_status fit_sample(double *sample, size_t n, const ent_format *format, double zeros, ent_fit *fit,
                             double *bits, size_t *count)
{
    *count = 0;
    if (n < FEW) return ENT_OK;
    qsort(sample, n, sizeof *sample, ascending);
    if (!(sample[n - 1] > sample[0])) return ENT_OK;
    ent_status status = ent_fit_all(sample, n, fit, count);
    for (size_t i = 0; i < *count && !status; i++) {
        bits[i] = NAN;
        status = ent_fit_exponent_bits(&fit[i], format, zeros, &bits[i]);
        if (status == ENT_EUNSUPPORTED) status = ENT_OK; /* a format without exponents */
    }
    return status;
}

/* Line `index` of the tensor: its n values are `step` apart. */
static ent_status fit_line(struct work *w, uint64_t first, uint64_t step, uint64_t n, struct lines *lines)
{
    ent_fit fit[ENT_MAX_FIT_LAWS];
    double bits[ENT_MAX_FIT_LAWS];
    uint64_t stretches = n < LINE_SAMPLE ? n : LINE_SAMPLE, zeros = 0, finite = 0;
    uint32_t width = ent_format_width(w->format);
    size_t kept = 0, count;
    for (uint64_t i = 0; i < stretches; i++) {
        float x;
        uint64_t at = first + step * place(&w->random, n, i, stretches);
        ent_format_floats(w->format, w->out->tensor->bytes.data + at * width, 1, &x);
        zeros += x == 0;
        finite += isfinite(x) != 0;
        if (isfinite(x) && x != 0) w->sample[kept++] = (double)x;
    }
    double share = finite ? (double)zeros / (double)finite : 0;
    ent_status status = fit_sample(w->sample, kept, w->format, share, fit, bits, &count);
    if (status || !count) return status;
    for (size_t l = 0; ent_fit_laws[l]; l++) lines->best[l] += fit[0].law == ent_fit_laws[l];
    lines->exponent_bits += bits[0];
    lines->fitted++;
    return ENT_OK;
}

static ent_status fit_lines(struct work *w, uint32_t wanted)
{
    struct tensor_fit *t = w->out;
    ent_status status = ENT_OK;
    if (t->rows < FEW || t->columns < FEW || ent_format_packed(w->format)) return ENT_OK;
    uint64_t rows = t->rows < wanted ? t->rows : wanted, columns = t->columns < wanted ? t->columns : wanted;
    for (uint64_t i = 0; i < rows && !status; i++)
        status = fit_line(w, place(&w->random, t->rows, i, rows) * t->columns, 1, t->columns, &t->in_rows);
    for (uint64_t i = 0; i < columns && !status; i++)
        status = fit_line(w, place(&w->random, t->columns, i, columns), t->columns, t->rows, &t->in_columns);
    if (t->in_rows.fitted) t->in_rows.exponent_bits /= t->in_rows.fitted;
    if (t->in_columns.fitted) t->in_columns.exponent_bits /= t->in_columns.fitted;
    return status;
}

/* ---- tensors ------------------------------------------------------------------------------------- */

struct job {
    const ent_weights *weights;
    const struct fits_options *options;
    struct tensor_fit *list;
    struct progress progress;
    size_t count, done;
};

static void work_free(struct work *w)
{
    ent_word_counts_free(&w->counts);
    ent_free(w->row_power);
    ent_free(w->col_power);
    ent_free(w->sample);
    ent_free(w->words);
    ent_free(w);
}

static ent_status work_new(struct work **out, struct tensor_fit *t, uint64_t seed, uint64_t stream)
{
    struct work *w = *out = ent_calloc(1, sizeof *w);
    if (!w) return ENT_ENOMEM;
    w->format = ent_format_find(t->tensor->dtype);
    w->out = t;
    ent_random_seed(&w->random, seed, stream);
    bool lines = t->rows >= FEW && t->columns >= FEW;
    if (lines) w->row_power = ent_calloc((size_t)t->rows, sizeof(double));
    if (lines) w->col_power = ent_calloc((size_t)t->columns, sizeof(double));
    w->sample = ent_calloc(ENT_FIT_SAMPLE, sizeof(double));
    bool packed = ent_format_packed(w->format);
    if (packed) w->words = ent_alloc(CHUNK * (size_t)ent_format_width(w->format));
    if ((lines && (!w->row_power || !w->col_power)) || !w->sample || (packed && !w->words)) return ENT_ENOMEM;
    return ent_word_counts_init(&w->counts, w->format);
}

static ent_status fit_tensor(size_t i, unsigned thread, void *context)
{
    struct job *job = context;
    struct tensor_fit *t = &job->list[i];
    struct work *w;
    t->columns = t->tensor->rank ? t->tensor->shape[t->tensor->rank - 1] : 1;
    t->rows = t->tensor->elements / t->columns;
    t->least = INFINITY, t->most = -INFINITY;
    ent_status status = work_new(&w, t, job->options->seed, i);
    if (!status) {
        pass(w);
        moments(w, t);
        words(w, t);
        t->outlier_rows = line_scales(w->row_power, t->rows, t->columns, &t->row_spread);
        t->outlier_columns = line_scales(w->col_power, t->columns, t->rows, &t->column_spread);
        t->hash = XXH3_64bits(t->tensor->bytes.data, t->tensor->bytes.size);
        double finite = (double)(t->tensor->elements - t->not_finite);
        status = fit_sample(w->sample, w->samples, w->format, finite > 0 ? (double)t->zeros / finite : 0, t->fit,
                            t->foretold_bits, &t->fits);
        if (!status && t->fits) status = fit_lines(w, job->options->lines);
        ent_weights_release(job->weights, t->tensor->bytes);
    }
    if (w) work_free(w);
    size_t done = __atomic_add_fetch(&job->done, 1, __ATOMIC_RELAXED);
    if (!thread) progress_show(&job->progress, done, job->count);
    return status;
}

static void find_ties(struct tensor_fit *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i && !list[i].same_as; k++) {
            ent_bytes a = list[i].tensor->bytes, b = list[k].tensor->bytes;
            if (list[i].hash == list[k].hash && a.size == b.size && !memcmp(a.data, b.data, a.size))
                list[i].same_as = list[k].tensor->name;
        }
}

ent_status fits_of(const ent_weights *weights, const struct common *common, const struct fits_options *options,
                   struct tensor_fit **list, size_t *count, ent_error *error)
{
    struct job job = { .weights = weights, .options = options };
    size_t tensors = ent_weights_tensors(weights);
    *count = 0;
    *list = job.list = ent_calloc(tensors + 1, sizeof **list);
    if (!job.list) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *tensor = ent_weights_tensor(weights, i);
        const ent_format *format = ent_format_find(tensor->dtype);
        if (format && format->kind == ENT_KIND_FLOAT && tensor->elements) job.list[job.count++].tensor = tensor;
    }
    progress_begin(&job.progress, common, "fit");
    ent_status status = ent_parallel(job.count, common->threads, fit_tensor, &job);
    progress_end(&job.progress);
    if (status) return ent_fail(error, status, "fits: %s", ent_status_text(status));
    find_ties(job.list, job.count);
    *count = job.count;
    return ENT_OK;
}
