/* product.c - y = W x, where W is decoded a block at a time into a buffer that stays in the cache.
 *
 * The decoded weights never travel to memory: what does is the code.  A block is multiplied by the
 * thread that decoded it.  A row begins in one block only, whose thread writes its y; where a block
 * begins within a row, what it adds to that row is kept apart and added at the end, in the order of the
 * blocks: no sum depends on the number of threads.  Left out on purpose: products with many x at once,
 * in which decoding is shared by all of them and its time matters less. */
#include <string.h>

#include <entropy/target.h>

#include "target/dot.h"

typedef struct product {
    const ent_matrix *matrix;
    unsigned flags;
    size_t n;       /* weights */
    const float *x;
    float *y;
    float *carry;   /* of each block: its part of the row that an earlier block began */
    uint16_t *words; /* a block for each thread */
    size_t room;    /* words that one of them takes */
    ent_workspace *work;
    ent_dot *dot;
} product;

/* The words of block i: where they lie, or decoded. */
static ent_status fetch(const product *p, size_t i, size_t n, unsigned thread, const uint16_t **words)
{
    const ent_matrix *m = p->matrix;
    if (m->words) {
        *words = m->words + i * m->recipe->block;
        return ENT_OK;
    }
    uint16_t *own = p->words + thread * p->room;
    *words = own;
    return ent_block_decode(m->recipe, m->tables, m->code[i], p->flags & ENT_TRUSTED, own, n, &p->work[thread]);
}

static ent_status multiply(size_t i, unsigned thread, void *context)
{
    const product *p = context;
    size_t cols = p->matrix->cols, first = i * p->matrix->recipe->block;
    size_t n = p->n - first < p->matrix->recipe->block ? p->n - first : p->matrix->recipe->block;
    size_t row = first / cols, col = first % cols;
    const uint16_t *words;
    ent_status status = fetch(p, i, n, thread, &words);
    if (status) return status;
    for (size_t at = 0; at < n; row++, col = 0) {
        size_t part = cols - col < n - at ? cols - col : n - at;
        *(col ? &p->carry[i] : &p->y[row]) = p->dot(words + at, p->x + col, part);
        at += part;
    }
    return ENT_OK;
}

static void add_carries(const product *p, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++) {
        size_t first = i * p->matrix->recipe->block;
        if (first % p->matrix->cols) p->y[first / p->matrix->cols] += p->carry[i];
    }
}

/* x as FP32, which holds every BF16 exactly: `wide` where it must be widened. */
static ent_status widen(const void *x, const ent_format *format, size_t n, float **wide)
{
    *wide = NULL;
    if (!strcmp(format->name, "F32")) return ENT_OK;
    *wide = n > SIZE_MAX / sizeof **wide ? NULL : ent_alloc(n * sizeof **wide);
    if (!*wide) return ENT_ENOMEM;
    ent_format_floats(format, x, n, *wide);
    return ENT_OK;
}

static ent_status run(product *p, unsigned threads)
{
    const ent_matrix *m = p->matrix;
    size_t block = m->recipe->block, blocks = (p->n - 1) / block + 1, size;
    threads = ent_threads(threads);
    if (threads > blocks) threads = (unsigned)blocks;
    p->room = ((block < p->n ? block : p->n) + 31) / 32 * 32; /* whole cache lines */
    if (__builtin_mul_overflow(p->room * sizeof *p->words, m->words ? 0 : threads, &size)) return ENT_ENOMEM;
    p->carry = ent_calloc(blocks, sizeof *p->carry);
    p->work = ent_calloc(threads, sizeof *p->work);
    p->words = ent_alloc(size);
    ent_status status = p->carry && p->work && p->words ? ENT_OK : ENT_ENOMEM;
    if (!status) status = ent_parallel(blocks, threads, multiply, p);
    if (!status) add_carries(p, blocks);
    for (unsigned i = 0; i < threads && p->work; i++) ent_workspace_free(&p->work[i]);
    ent_free(p->words);
    ent_free(p->work);
    ent_free(p->carry);
    return status;
}

static bool is_named(const ent_format *format, const char *name) { return format && !strcmp(format->name, name); }

ent_status ent_product(const ent_matrix *matrix, unsigned flags, const void *x, const ent_format *x_format, float *y,
                       unsigned threads)
{
    product p = { .matrix = matrix, .flags = flags, .x = x, .y = y, .dot = ent_dot_best() };
    float *wide;
    if (!is_named(matrix->recipe->format, "BF16")) return ENT_EUNSUPPORTED;
    if (!is_named(x_format, "F32") && !is_named(x_format, "BF16")) return ENT_EUNSUPPORTED;
    if (!matrix->recipe->block || __builtin_mul_overflow(matrix->rows, matrix->cols, &p.n) || p.n > SIZE_MAX / 4)
        return ENT_EINVAL;
    if (!p.n) { /* rows without weights are sums of nothing */
        for (size_t i = 0; i < matrix->rows; i++) y[i] = 0;
        return ENT_OK;
    }
    ent_status status = widen(x, x_format, matrix->cols, &wide);
    if (status) return status;
    if (wide) p.x = wide;
    status = run(&p, threads);
    ent_free(wide);
    return status;
}
