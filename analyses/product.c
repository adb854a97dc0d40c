/* product.c - see product.h. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "base/clock.h"
#include "product.h"

/* ---- what is multiplied ------------------------------------------------------------------------ */

static size_t blocks_of(size_t n, const struct product_code *c) { return (n - 1) / c->recipe.block + 1; }

static size_t block_words(size_t n, const struct product_code *c, size_t i)
{
    size_t first = i * c->recipe.block;
    return n - first < c->recipe.block ? n - first : c->recipe.block;
}

static ent_matrix matrix_of(const struct product *p, const struct product_code *c, const uint16_t *words)
{
    return (ent_matrix){ p->rows, p->cols, &c->recipe, &c->tables, c->code, words };
}

static ent_status train(struct product_code *c, const uint16_t *words, size_t n)
{
    ent_counts counts[ENT_MAX_FIELDS];
    ent_buffer written = { NULL, 0, 0 };
    ent_status status = ent_recipe_counts_init(&c->recipe, counts);
    if (status) return status;
    status = ent_recipe_count(&c->recipe, words, n, counts);
    if (!status) status = ent_tables_train(&c->tables, &c->recipe, counts, ENT_ENCODE | ENT_DECODE);
    ent_recipe_counts_free(counts);
    for (uint32_t i = 0; i < c->tables.fields && !status; i++)
        if (c->tables.table[i]) status = ent_table_write(c->tables.table[i], &written);
    c->bytes_per_weight = (double)written.size / (double)n;
    ent_free(written.data);
    return status;
}

/* The blocks lie one after the other, as in a file. */
static ent_status encode(struct product_code *c, const uint16_t *words, size_t n)
{
    size_t blocks = blocks_of(n, c), bound = ent_block_bound(&c->recipe, &c->tables, c->recipe.block), all;
    if (__builtin_mul_overflow(blocks, bound, &all)) return ENT_ENOMEM;
    ent_buffer out = { NULL, 0, 0 };
    ent_workspace work = { { NULL, 0, 0 }, { NULL, 0, 0 } };
    ent_status status = ent_buffer_reserve(&out, all); /* pages never written take no memory */
    c->bytes = out.data;
    c->code = ent_calloc(blocks, sizeof *c->code);
    if (!c->code) status = ENT_ENOMEM;
    for (size_t i = 0; i < blocks && !status; i++) {
        size_t at = out.size;
        status = ent_block_encode(&c->recipe, &c->tables, words + i * c->recipe.block, block_words(n, c, i), &out, NULL,
                                  &work);
        c->code[i] = (ent_bytes){ out.data + at, out.size - at };
    }
    c->bytes_per_weight += (double)out.size / (double)n;
    ent_workspace_free(&work);
    return status;
}

ent_status product_encode(struct product_code *c, const ent_codec *codec, const uint16_t *words, size_t n, ent_error *error)
{
    *c = (struct product_code){ .codec = codec };
    ent_status status = ent_codec_bind(codec, "BF16", &c->recipe, error);
    if (status) return status;
    status = train(c, words, n);
    if (!status) status = encode(c, words, n);
    return status ? ent_fail(error, status, "codec %s: %s", ent_codec_name(codec), ent_status_text(status)) : ENT_OK;
}

void product_code_free(struct product_code *c)
{
    ent_tables_free(&c->tables);
    ent_free(c->code);
    ent_free(c->bytes);
    ent_free(c->expected);
    *c = (struct product_code){ 0 };
}

static ent_status code_open(const struct product *p, struct product_code *c, const ent_codec *codec, unsigned threads,
                            ent_error *error)
{
    ent_status status = product_encode(c, codec, p->words, p->n, error);
    if (status) return status;
    if (!(c->expected = ent_alloc(p->rows * sizeof *c->expected))) status = ENT_ENOMEM;
    ent_matrix plain = matrix_of(p, c, p->words);
    if (!status) status = ent_product(&plain, 0, p->x, ent_format_find("F32"), c->expected, threads);
    return status ? ent_fail(error, status, "codec %s: %s", ent_codec_name(codec), ent_status_text(status)) : ENT_OK;
}


void product_fill_normal(float *x, size_t n)
{
    ent_random random;
    ent_random_seed(&random, 1, 0);
    for (size_t i = 0; i < n; i++) {
        double r = sqrt(-2 * log(1 - ent_random_uniform(&random)));
        x[i] = (float)(r * cos(6.283185307179586 * ent_random_uniform(&random)));
    }
}

/* A product of BF16 and FP32 is exact in double precision. */
static ent_status refer(size_t row, unsigned thread, void *context)
{
    struct product *p = context;
    double sum = 0, magnitude = 0;
    (void)thread;
    for (size_t i = 0; i < p->cols; i++) {
        double product = (double)ent_float_of_bf16(p->words[row * p->cols + i]) * (double)p->x[i];
        sum += product;
        magnitude += fabs(product);
    }
    p->reference[row] = sum;
    p->magnitude[row] = magnitude;
    return ENT_OK;
}

ent_status product_open(struct product *p, const uint16_t *words, size_t rows, size_t cols, ent_codec *const codec[],
                        size_t codecs, unsigned threads, ent_error *error)
{
    *p = (struct product){ .rows = rows, .cols = cols, .n = rows * cols, .words = words, .codes = codecs };
    p->decoded = ent_calloc(p->n, sizeof *p->decoded);
    p->x = ent_alloc(cols * sizeof *p->x);
    p->y = ent_alloc(rows * sizeof *p->y);
    p->reference = ent_alloc(rows * sizeof *p->reference);
    p->magnitude = ent_alloc(rows * sizeof *p->magnitude);
    p->code = ent_calloc(codecs, sizeof *p->code);
    if (!p->decoded || !p->x || !p->y || !p->reference || !p->magnitude || !p->code)
        return ent_fail(error, ENT_ENOMEM, "no memory for a matrix of %zu x %zu", rows, cols);
    product_fill_normal(p->x, cols);
    ent_status status = ent_parallel(rows, threads, refer, p);
    for (size_t i = 0; i < codecs && !status; i++) status = code_open(p, &p->code[i], codec[i], threads, error);
    return status;
}

void product_close(struct product *p)
{
    for (size_t i = 0; i < p->codes && p->code; i++) product_code_free(&p->code[i]);
    ent_free(p->code);
    ent_free(p->decoded);
    ent_free(p->x);
    ent_free(p->y);
    ent_free(p->reference);
    ent_free(p->magnitude);
    *p = (struct product){ 0 };
}

/* ---- the ways to multiply ---------------------------------------------------------------------- */

struct unpacking {
    const struct product *product;
    const struct product_code *code;
    ent_workspace *work; /* of each thread */
};

static ent_status unpack_block(size_t i, unsigned thread, void *context)
{
    const struct unpacking *u = context;
    const struct product_code *c = u->code;
    unsigned flags = 2 * u->product->n > ent_stream_bytes() ? ENT_TRUSTED | ENT_STREAM : ENT_TRUSTED;
    return ent_block_decode(&c->recipe, &c->tables, c->code[i], flags, u->product->decoded + i * c->recipe.block,
                            block_words(u->product->n, c, i), &u->work[thread]);
}

static ent_status unpack(const struct product *p, const struct product_code *c, unsigned threads)
{
    struct unpacking u = { p, c, ent_calloc(threads, sizeof *u.work) };
    ent_status status = u.work ? ent_parallel(blocks_of(p->n, c), threads, unpack_block, &u) : ENT_ENOMEM;
    for (unsigned i = 0; i < threads && u.work; i++) ent_workspace_free(&u.work[i]);
    ent_free(u.work);
    return status;
}

static ent_status multiply(const struct product *p, const struct product_time *t, unsigned threads)
{
    const struct product_code *c = &p->code[t->code];
    const uint16_t *words = t->way == PRODUCT_PLAIN ? p->words : t->way == PRODUCT_UNPACK ? p->decoded : NULL;
    ent_matrix matrix = matrix_of(p, c, words);
    ent_status status = t->way == PRODUCT_UNPACK ? unpack(p, c, threads) : ENT_OK;
    return status ? status : ent_product(&matrix, ENT_TRUSTED, p->x, ent_format_find("F32"), p->y, threads);
}

double product_bytes_read(const struct product *p, const struct product_time *t)
{
    double code = p->code[t->code].bytes_per_weight;
    return t->way == PRODUCT_PLAIN ? 2 : t->way == PRODUCT_UNPACK ? code + 2 : code;
}

/* ---- measuring ---------------------------------------------------------------------------------- */

/* FP32 sums of `cols` products in any order are within cols * 2^-24 of the exact one. */
static void verify(const struct product *p, struct product_time *t)
{
    t->error = 0;
    for (size_t r = 0; r < p->rows; r++) {
        double error = fabs((double)p->y[r] - p->reference[r]) / (p->magnitude[r] > 0 ? p->magnitude[r] : 1);
        if (!(error <= t->error) && !isnan(t->error)) t->error = error; /* a NaN stays */
    }
    t->verified = t->error <= (double)p->cols * 0x1p-24 &&
                  !memcmp(p->y, p->code[t->code].expected, p->rows * sizeof *p->y);
}

static ent_status run(struct product *p, unsigned threads, unsigned repeat, bool last, struct product_time *t)
{
    clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    ent_status status = ENT_OK;
    if (last) { /* every value wrong */
        memset(p->y, 0xff, p->rows * sizeof *p->y);
        if (t->way == PRODUCT_UNPACK) memset(p->decoded, 0xff, p->n * sizeof *p->decoded);
    }
    double start = ent_seconds(clock);
    for (unsigned i = 0; i < repeat && !status; i++) status = multiply(p, t, threads);
    double seconds = (ent_seconds(clock) - start) / repeat;
    if (seconds < t->seconds) t->seconds = seconds;
    if (last && !status) verify(p, t);
    return status;
}

ent_status product_measure(struct product *p, unsigned threads, unsigned runs, unsigned repeat, struct product_time time[])
{
    size_t ways = 1 + 2 * p->codes;
    ent_status status = ENT_OK;
    threads = ent_threads(threads);
    for (size_t i = 0; i < ways; i++)
        time[i] = (struct product_time){ i == 0 ? PRODUCT_PLAIN : i % 2 ? PRODUCT_UNPACK : PRODUCT_FUSED,
                                         i ? (i - 1) / 2 : 0, INFINITY, NAN, false };
    for (unsigned r = 0; r < runs && !status; r++)
        for (size_t i = 0; i < ways && !status; i++) status = run(p, threads, repeat, r + 1 == runs, &time[i]);
    return status;
}

/* ---- with others who copy ------------------------------------------------------------------------ */

struct copiers {
    struct product *product;
    unsigned runs;
    struct product_time *time;
    uint8_t *memory; /* for each copier twice `part` */
    size_t part;
    unsigned copiers;
    atomic_uint copying; /* copiers that have begun */
    atomic_bool stop;
    atomic_ullong copied;
};

enum { COPY = 1 << 20 }; /* bytes between two looks whether to stop */

static void copy(struct copiers *c, size_t i)
{
    uint8_t *from = c->memory + 2 * c->part * i, *to = from + c->part;
    atomic_fetch_add(&c->copying, 1);
    for (size_t at = 0; !atomic_load(&c->stop); at = (at + COPY) % c->part) {
        memcpy(to + at, from + at, COPY);
        atomic_fetch_add(&c->copied, COPY);
    }
}

/* Until all copy; but not for ever: there may be a limit to the threads of a program. */
static void wait_for_copiers(struct copiers *c)
{
    const struct timespec millisecond = { 0, 1000000 };
    for (int i = 0; i < 1000 && atomic_load(&c->copying) < c->copiers; i++) nanosleep(&millisecond, NULL);
}

/* Item 0, which is the first to start, measures; the others copy until it is done. */
static ent_status measure_or_copy(size_t i, unsigned thread, void *context)
{
    struct copiers *c = context;
    (void)thread;
    if (i) {
        copy(c, i - 1);
        return ENT_OK;
    }
    wait_for_copiers(c);
    ent_status status = product_measure(c->product, 1, c->runs, 1, c->time);
    atomic_store(&c->stop, true);
    return status;
}

ent_status product_measure_beside(struct product *p, unsigned copiers, unsigned runs, struct product_time time[],
                                  double *copied_gbps)
{
    /* half a GB in all, more than any cache, but at least 8 MiB and 8 MiB for each */
    size_t part = ((size_t)256 << 20) / (copiers ? copiers : 1) / COPY * COPY;
    struct copiers c = { .product = p, .runs = runs, .time = time, .copiers = copiers,
                         .part = part > 8 * COPY ? part : 8 * COPY };
    c.memory = ent_calloc(copiers, 2 * c.part);
    if (!c.memory) return ENT_ENOMEM;
    double start = ent_seconds(CLOCK_MONOTONIC);
    ent_status status = ent_parallel(1 + (size_t)copiers, 1 + copiers, measure_or_copy, &c);
    *copied_gbps = 1e-9 * (double)atomic_load(&c.copied) / (ent_seconds(CLOCK_MONOTONIC) - start);
    ent_free(c.memory);
    return status;
}
