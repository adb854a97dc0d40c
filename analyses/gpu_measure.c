/* gpu_measure.c - see gpu_measure.h. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "gpu_measure.h"
#include "product.h"

enum { CACHES = 4, MOST_BUFFERS = 64, MOST_PASSES = 256, MOST_REPLAYS = 1 << 16, CHUNK = 16 << 20 };

/* Seconds: of one timed sample, at least; of a card at work before the first; of a trial of a way to multiply. */
static const double SAMPLE = 1e-3, WARM_UP = 0.1, CHOICE = 0.05;

/* A matrix under measurement. */
struct work {
    const struct gpu_measure *how;
    const struct gpu_matrix *matrix;
    size_t n, buffers;
    void *plain[MOST_BUFFERS], *out[MOST_BUFFERS], *y[MOST_BUFFERS], *x;
    ent_gpu_tensor *coded[MOST_BUFFERS];
    void *sums; /* memory of products */
    size_t sums_bytes;
    unsigned blas[GPU_BATCH + 1]; /* by the batch, the way to ask cuBLAS */
    float *wide;                   /* x, batch by batch */
    double *reference, *magnitude; /* [batch][rows]: the sum in double precision, and that of |w x| */
    float *host_y;
    uint16_t *host_words;          /* CHUNK of them */
    double *seconds;               /* of each run */
    ent_error *error;
};

/* ---- what a run does -------------------------------------------------------------------------------- */

static ent_status told(const struct work *w, ent_status status, const char *what)
{
    return status ? ent_fail(w->error, status, "%s: %s: %s", ent_gpu_name(w->how->gpu), what, w->how->bench->why()) : ENT_OK;
}

/* Passes over all buffers, one way. */
struct passes {
    const struct work *work;
    enum gpu_way way;
    unsigned batch, blas; /* the way to ask cuBLAS */
    size_t times;
};

static ent_status multiply(const struct passes *p, const void *words, size_t i, void *stream)
{
    const struct work *w = p->work;
    const struct gpu_matrix *m = w->matrix;
    return w->how->bench->cublas(w->how->device, p->blas, words, m->rows, m->cols, w->x, p->batch, w->y[i], stream);
}

static ent_status work_once(const struct passes *p, size_t i, void *stream)
{
    const struct work *w = p->work;
    const gpu_bench *b = w->how->bench;
    const struct gpu_matrix *m = w->matrix;
    ent_status status = ENT_OK;
    switch (p->way) {
    case GPU_COPY: return told(w, b->copy(w->how->device, w->out[i], w->plain[i], 2 * w->n, stream), "a copy");
    case GPU_READ: return told(w, b->read(w->how->device, w->plain[i], 2 * w->n, stream), "a read");
    case GPU_CUBLAS: return multiply(p, w->plain[i], i, stream); /* some ways there are not: left to who chooses */
    case GPU_PRODUCT: return ent_gpu_product(w->coded[i], m->rows, m->cols, w->x, p->batch, w->y[i], w->sums, stream, w->error);
    default: status = ent_gpu_decode(w->coded[i], w->out[i], stream, w->error);
    }
    return status || p->way == GPU_DECODE ? status : told(w, multiply(p, w->out[i], i, stream), "cuBLAS");
}

static ent_status work_all(void *context, void *stream)
{
    const struct passes *p = context;
    ent_status status = ENT_OK;
    for (size_t k = 0; k < p->times; k++)
        for (size_t i = 0; i < p->work->buffers && !status; i++) status = work_once(p, i, stream);
    return status;
}

static ent_status record(struct passes *p, void **recording)
{
    const gpu_bench *b = p->work->how->bench;
    return b->record(p->work->how->device, work_all, p, recording);
}

/* How long `times` replays take in all. */
static ent_status time_replays(const struct work *w, void *recording, size_t times, double *seconds)
{
    const gpu_bench *b = w->how->bench;
    const int device = w->how->device;
    ent_status status = told(w, b->mark(device, 0), "a mark");
    for (size_t i = 0; i < times && !status; i++) status = told(w, b->replay(device, recording), "a replay");
    if (!status) status = told(w, b->mark(device, 1), "a mark");
    return status ? status : told(w, b->seconds(device, 0, seconds), "a time");
}

/* Replays until so many seconds went by without a pause, so that clocks are what they are under load; seconds of one replay. */
static ent_status warm_up(const struct work *w, void *recording, double least, double *each)
{
    double seconds = 0;
    size_t n = 1;
    ent_status status = time_replays(w, recording, n, &seconds); /* not counted: it waits for the first asking */
    while (!status && seconds < least) {
        double more = seconds > 0 ? 1.2 * least / seconds : 2;
        n = (size_t)fmin((double)n * fmin(more, 100) + 1, MOST_REPLAYS);
        status = time_replays(w, recording, n, &seconds);
        if (n == MOST_REPLAYS) break;
    }
    *each = seconds / (double)n;
    return status;
}

/* ---- was it right? ------------------------------------------------------------------------------------ */

static bool makes_words(enum gpu_way way) { return way == GPU_COPY || way == GPU_DECODE || way == GPU_UNPACK; }

/* Makes all of an output wrong. */
static ent_status spoil(const struct work *w, void *memory, size_t bytes)
{
    const size_t chunk = CHUNK * sizeof *w->host_words;
    ent_status status = ENT_OK;
    for (size_t at = 0; at < bytes && !status; at += chunk)
        status = ent_gpu_write(w->how->gpu, (char *)memory + at, w->host_words, bytes - at < chunk ? bytes - at : chunk, w->error);
    return status;
}

static ent_status spoil_all(const struct work *w, enum gpu_way way, unsigned batch)
{
    ent_status status = ENT_OK;
    memset(w->host_words, 0xff, CHUNK * sizeof *w->host_words);
    if (w->sums) status = spoil(w, w->sums, w->sums_bytes);
    for (size_t i = 0; i < w->buffers && !status; i++) {
        if (makes_words(way)) status = spoil(w, w->out[i], 2 * w->n);
        if (!status && batch) status = spoil(w, w->y[i], batch * w->matrix->rows * sizeof(float));
    }
    return status;
}

static ent_status compare_words(const struct work *w, struct gpu_row *row)
{
    ent_status status = ENT_OK;
    for (size_t i = 0; i < w->buffers; i++)
        for (size_t at = 0; at < w->n && !status; at += CHUNK) {
            size_t n = w->n - at < CHUNK ? w->n - at : CHUNK;
            status = ent_gpu_read(w->how->gpu, w->host_words, (const uint16_t *)w->out[i] + at, 2 * n, w->error);
            if (!status) row->verified &= !memcmp(w->host_words, w->matrix->words + at, 2 * n);
        }
    return status;
}

/* Where signs are at random FP32 sums are within a few 2^-24 of the sum of magnitudes, whatever their order; a wrong weight among
 * 28672 is some 580 of them. */
static ent_status compare_sums(const struct work *w, struct gpu_row *row)
{
    size_t n = row->batch * w->matrix->rows;
    ent_status status = ENT_OK;
    row->error = 0;
    for (size_t i = 0; i < w->buffers && !status; i++) {
        status = ent_gpu_read(w->how->gpu, w->host_y, w->y[i], n * sizeof *w->host_y, w->error);
        for (size_t k = 0; k < n && !status; k++) {
            double error = fabs((double)w->host_y[k] - w->reference[k]) / (w->magnitude[k] > 0 ? w->magnitude[k] : 1);
            if (!(error <= row->error) && !isnan(row->error)) row->error = error; /* a NaN stays */
        }
    }
    row->verified &= row->error <= 2 * sqrt((double)w->matrix->cols) * 0x1p-24;
    return status;
}

/* What was timed once more, over outputs that are all wrong. */
static ent_status verify(const struct work *w, void *recording, struct gpu_row *row)
{
    double seconds;
    ent_status status = spoil_all(w, row->way, row->batch);
    if (!status) status = time_replays(w, recording, 1, &seconds);
    row->verified = true;
    if (!status && makes_words(row->way)) status = compare_words(w, row);
    if (!status && row->batch) status = compare_sums(w, row);
    if (!status && !row->verified)
        return ent_fail(w->error, ENT_ECHECK, "%s of %zu x %zu, batch %u: the result is wrong",
                        *row->codec ? row->codec : row->batch ? row->cublas : "a copy", row->rows, row->cols, row->batch);
    return status;
}

/* ---- one row ------------------------------------------------------------------------------------------- */

static double bytes_moved(const struct work *w, enum gpu_way way, double bits, unsigned batch)
{
    double n = (double)w->n, code = n * bits / 8, vectors = batch * (2.0 * (double)w->matrix->cols + 4.0 * (double)w->matrix->rows);
    switch (way) {
    case GPU_COPY: return 4 * n;
    case GPU_READ: return 2 * n;
    case GPU_DECODE: return code + 2 * n;
    case GPU_UNPACK: return code + 4 * n + vectors;
    case GPU_PRODUCT: return code + vectors;
    default: return 2 * n + vectors;
    }
}

/* One recording is at least SAMPLE seconds of work. */
static ent_status record_sample(const struct work *w, struct passes *p, void **recording)
{
    double each = 0;
    ent_status status = told(w, record(p, recording), "a recording");
    if (!status) status = warm_up(w, *recording, SAMPLE, &each);
    if (status || each >= SAMPLE) return status;
    w->how->bench->forget(w->how->device, *recording);
    p->times = (size_t)fmin(ceil(1.2 * SAMPLE / each), MOST_PASSES);
    return told(w, record(p, recording), "a recording");
}

static ent_status time_runs(const struct work *w, const struct passes *p, void *recording, struct gpu_row *row)
{
    const gpu_bench *b = w->how->bench;
    const int device = w->how->device;
    double each;
    ent_status status = warm_up(w, recording, WARM_UP, &each);
    if (!status) status = told(w, b->replay(device, recording), "a replay"); /* the first mark is of a card at work */
    if (!status) status = told(w, b->mark(device, 0), "a mark");
    for (unsigned r = 0; r < w->how->runs && !status; r++) {
        status = told(w, b->replay(device, recording), "a replay");
        if (!status) status = told(w, b->mark(device, r + 1), "a mark");
    }
    if (!status) status = told(w, b->load(device, &row->load), "its state");
    for (unsigned r = 0; r < w->how->runs && !status; r++) {
        status = told(w, b->seconds(device, r, &w->seconds[r]), "a time");
        w->seconds[r] /= (double)(w->buffers * p->times);
    }
    if (!status) gpu_row_times(row, w->seconds, w->how->runs);
    return status;
}

static ent_status measure(const struct work *w, struct gpu_row *row)
{
    struct passes p = { w, row->way, row->batch, row->batch ? w->blas[row->batch] : 0, 1 };
    void *recording = NULL;
    ent_status status = record_sample(w, &p, &recording);
    row->launches = w->buffers * p.times;
    if (!status) status = time_runs(w, &p, recording, row);
    if (!status) status = verify(w, recording, row);
    w->how->bench->forget(w->how->device, recording);
    return status;
}

static ent_status add(const struct work *w, enum gpu_way way, unsigned batch, const struct product_code *code, double bits,
                      struct gpu_row **row)
{
    *(*row) = (struct gpu_row){ .way = way, .codec = code ? ent_codec_name(code->codec) : "", .rows = w->matrix->rows,
                                .cols = w->matrix->cols, .batch = batch, .bits = bits, .cublas = "",
                                .bytes = bytes_moved(w, way, bits, batch), .error = NAN };
    if (way == GPU_CUBLAS || way == GPU_UNPACK) (*row)->cublas = w->how->bench->cublas_way(w->blas[batch]);
    if (code) {
        (*row)->recipe = code->recipe;
        (*row)->coded = true;
    }
    ent_status status = measure(w, *row);
    if (!status) (*row)++;
    return status;
}

/* The fastest way to ask cuBLAS for a batch. */
static ent_status choose_blas(struct work *w, unsigned batch)
{
    const gpu_bench *b = w->how->bench;
    double least = INFINITY;
    for (unsigned i = 0; b->cublas_way(i); i++) {
        struct passes p = { w, GPU_CUBLAS, batch, i, 1 };
        void *recording;
        double each;
        ent_status status = record(&p, &recording);
        if (status == ENT_EUNSUPPORTED) continue;
        status = told(w, status, b->cublas_way(i));
        if (!status) status = warm_up(w, recording, CHOICE, &each);
        b->forget(w->how->device, recording);
        if (status) return status;
        if (each < least) {
            least = each;
            w->blas[batch] = i;
        }
    }
    return isinf(least) ? ent_fail(w->error, ENT_EUNSUPPORTED, "cuBLAS has no product of %zu x %zu", w->matrix->rows, w->matrix->cols) : ENT_OK;
}

/* ---- one codec ------------------------------------------------------------------------------------------ */

static ent_status upload(struct work *w, const struct product_code *code)
{
    const struct gpu_matrix *m = w->matrix;
    size_t sums = 0;
    ent_status status = ENT_OK;
    for (size_t i = 0; i < w->buffers && !status; i++)
        status = ent_gpu_upload(&w->coded[i], w->how->gpu, &code->recipe, &code->tables, code->code, w->n, w->how->threads, w->error);
    if (!status) status = ent_gpu_product_memory(w->coded[0], m->rows, m->cols, m->batch[m->batches - 1], &sums, w->error);
    w->sums_bytes = sums;
    return status || !sums ? status : ent_gpu_alloc(w->how->gpu, &w->sums, sums, w->error);
}

static ent_status measure_coded(struct work *w, const struct product_code *code, struct gpu_row **row)
{
    const struct gpu_matrix *m = w->matrix;
    const ent_tally t = ent_gpu_bits(w->coded[0]);
    const double bits = (double)(t.payload_bits + t.table_bits + t.index_bits) / (double)w->n;
    ent_status status = add(w, GPU_DECODE, 0, code, bits, row);
    for (size_t b = 0; b < m->batches && !status; b++) {
        status = add(w, GPU_UNPACK, m->batch[b], code, bits, row);
        if (!status) status = add(w, GPU_PRODUCT, m->batch[b], code, bits, row);
    }
    return status;
}

static ent_status measure_codec(struct work *w, const ent_codec *codec, struct gpu_row **row)
{
    struct product_code code;
    ent_status status = product_encode(&code, codec, w->matrix->words, w->n, w->error);
    if (!status) status = upload(w, &code);
    if (!status) status = measure_coded(w, &code, row);
    for (size_t i = 0; i < w->buffers; i++) {
        ent_gpu_tensor_free(w->coded[i]);
        w->coded[i] = NULL;
    }
    ent_gpu_free(w->how->gpu, w->sums);
    w->sums = NULL;
    product_code_free(&code);
    return status;
}

/* ---- a matrix --------------------------------------------------------------------------------------------- */

/* A product of two BF16 is exact in double precision. */
static ent_status refer(size_t row, unsigned thread, void *context)
{
    const struct work *w = context;
    const struct gpu_matrix *m = w->matrix;
    const uint16_t *words = m->words + row * m->cols;
    (void)thread;
    for (unsigned b = 0; b < m->batch[m->batches - 1]; b++) {
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < m->cols; i++) {
            double product = (double)ent_float_of_bf16(words[i]) * (double)w->wide[b * m->cols + i];
            sum += product;
            magnitude += fabs(product);
        }
        w->reference[b * m->rows + row] = sum;
        w->magnitude[b * m->rows + row] = magnitude;
    }
    return ENT_OK;
}

/* Room of x and y: cuBLAS may add vectors up to a multiple of 8. */
static size_t most_vectors(const struct work *w) { return (w->matrix->batch[w->matrix->batches - 1] + 7u) / 8 * 8; }

/* Normal values, rounded to BF16. */
static ent_status make_x(struct work *w)
{
    const struct gpu_matrix *m = w->matrix;
    size_t n = most_vectors(w) * m->cols, bytes = n * sizeof(uint16_t);
    const ent_format *bf16 = ent_format_find("BF16");
    uint16_t *x = ent_alloc(bytes);
    if (!x) return ent_fail(w->error, ENT_ENOMEM, "out of memory");
    product_fill_normal(w->wide, n);
    ent_format_words(bf16, w->wide, n, x);
    ent_format_floats(bf16, x, n, w->wide);
    ent_status status = ent_gpu_alloc(w->how->gpu, &w->x, bytes, w->error);
    if (!status) status = ent_gpu_write(w->how->gpu, w->x, x, bytes, w->error);
    ent_free(x);
    return status;
}

static ent_status allocate(struct work *w)
{
    const struct gpu_matrix *m = w->matrix;
    ent_gpu *gpu = w->how->gpu;
    size_t most = most_vectors(w), y = most * m->rows;
    w->wide = ent_alloc(most * m->cols * sizeof *w->wide);
    w->reference = ent_alloc(y * sizeof *w->reference);
    w->magnitude = ent_alloc(y * sizeof *w->magnitude);
    w->host_y = ent_alloc(y * sizeof *w->host_y);
    w->host_words = ent_alloc(CHUNK * sizeof *w->host_words);
    w->seconds = ent_alloc(w->how->runs * sizeof *w->seconds);
    if (!w->wide || !w->reference || !w->magnitude || !w->host_y || !w->host_words || !w->seconds)
        return ent_fail(w->error, ENT_ENOMEM, "out of memory");
    ent_status status = make_x(w);
    for (size_t i = 0; i < w->buffers && !status; i++) {
        status = ent_gpu_alloc(gpu, &w->plain[i], 2 * w->n, w->error);
        if (!status) status = ent_gpu_alloc(gpu, &w->out[i], 2 * w->n, w->error);
        if (!status) status = ent_gpu_alloc(gpu, &w->y[i], y * sizeof(float), w->error);
        if (!status) status = ent_gpu_write(gpu, w->plain[i], m->words, 2 * w->n, w->error);
    }
    return status;
}

static void release(struct work *w)
{
    for (size_t i = 0; i < w->buffers; i++) {
        ent_gpu_free(w->how->gpu, w->plain[i]);
        ent_gpu_free(w->how->gpu, w->out[i]);
        ent_gpu_free(w->how->gpu, w->y[i]);
    }
    ent_gpu_free(w->how->gpu, w->x);
    ent_free(w->wide);
    ent_free(w->reference);
    ent_free(w->magnitude);
    ent_free(w->host_y);
    ent_free(w->host_words);
    ent_free(w->seconds);
}

size_t gpu_measure_rows(const struct gpu_measure *measure, size_t batches)
{
    return 2 + batches + measure->codecs * (1 + 2 * batches);
}

ent_status gpu_measure_matrix(const struct gpu_measure *how, const struct gpu_matrix *matrix, struct gpu_row **row,
                              ent_error *error)
{
    struct work w = { .how = how, .matrix = matrix, .n = matrix->rows * matrix->cols, .error = error };
    double code = 1.25 * (double)w.n; /* bytes of the smallest coded matrix to expect: 10 bits a weight */
    w.buffers = (size_t)fmin(fmax(ceil(CACHES * (double)how->facts.l2_bytes / code), 1), MOST_BUFFERS);
    ent_status status = allocate(&w);
    if (!status) status = ent_parallel(matrix->rows, how->threads, refer, &w);
    if (!status) status = add(&w, GPU_COPY, 0, NULL, 16, row);
    if (!status) status = add(&w, GPU_READ, 0, NULL, 16, row);
    for (size_t b = 0; b < matrix->batches && !status; b++) {
        status = choose_blas(&w, matrix->batch[b]);
        if (!status) status = add(&w, GPU_CUBLAS, matrix->batch[b], NULL, 16, row);
    }
    for (size_t i = 0; i < how->codecs && !status; i++) status = measure_codec(&w, how->codec[i], row);
    release(&w);
    return status;
}
