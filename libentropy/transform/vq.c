/* vq.c - vectors of neighbours in a row, each coded as the nearest of a book that k-means fits: vq.
 *
 * A row is cut into places of `dim` weights, the last filled up with zeros.  Place p takes book p mod `books` (0: each place one of its
 * own, product quantization: Jegou et al. 2011).  Books are found by k-means from seeded starts (far ones more likely), on at
 * most 65536 vectors, or 256 for each entry where that is more.
 *
 * rank > 0: entries have `rank` numbers and one basis serves all books, so an entry is a sum of the basis' vectors
 * (LR2VQ: Zhu et al. 2022, who train both with the model; here the basis is the leading eigenvectors of the second moment of
 * the weights, and entries are fitted within it).
 *
 * Parts: codes, rows x places, U<bits>; books, F16, (books 2^bits) x (rank or dim); basis, F16, rank x dim, with rank > 0.
 * Bits per weight, plain, of rows that dim divides: bits / dim + 16 (books 2^bits (rank or dim) + rank dim) / (rows cols). */
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "transform/book.h"
#include "transform/parts.h"

enum { DIM, BITS, BOOKS, RANK };
enum { MOST_DIM = 64, PASSES = 25, VECTORS_AN_ENTRY = 256, VECTORS = 1 << 16 };

typedef struct layout {
    uint32_t dim, entries, places, books, rank; /* rank: 0, or at most dim */
    uint32_t width;                             /* of an entry as stored */
} layout;

static layout layout_of(const double setting[], uint32_t cols)
{
    layout l = { .dim = (uint32_t)setting[DIM], .entries = 1u << (int)setting[BITS] };
    l.places = (cols + l.dim - 1) / l.dim;
    l.books = setting[BOOKS] > 0 && setting[BOOKS] < l.places ? (uint32_t)setting[BOOKS] : l.places;
    l.rank = setting[RANK] < l.dim ? (uint32_t)setting[RANK] : l.dim;
    l.width = l.rank ? l.rank : l.dim;
    return l;
}

static const char *code_format(const double setting[], char name[8])
{
    snprintf(name, 8, "U%d", (int)setting[BITS]);
    return name;
}

/* The vector at a place. */
static void vector_at(const layout *l, const float *values, uint32_t cols, size_t row, uint32_t place, float *to)
{
    size_t first = (size_t)place * l->dim, n = cols - first < l->dim ? cols - first : l->dim;
    memset(to, 0, l->dim * sizeof *to);
    memcpy(to, values + row * cols + first, n * sizeof *to);
}

/* ---- k-means ---------------------------------------------------------------------------------------------- */

typedef struct clusters {
    uint32_t n, width, entries;
    float *vector;  /* n x width */
    float *across;  /* width x entries: the book, coordinate by coordinate */
    float *half;    /* entries: half their squared length */
    float *score;   /* entries */
    float *nearest; /* n: squared distance to the nearest entry so far */
    double *sum;     /* entries x width */
    uint32_t *count, *code;
} clusters;

static void clusters_free(clusters *c)
{
    void *const all[] = { c->vector, c->across, c->half, c->score, c->nearest, c->sum, c->count, c->code };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ent_free(all[i]);
}

static ent_status clusters_init(clusters *c, uint32_t n, uint32_t width, uint32_t entries, ent_error *error)
{
    *c = (clusters){ .n = n, .width = width, .entries = entries };
    c->vector = ent_calloc(n, width * sizeof *c->vector);
    c->across = ent_calloc(entries, width * sizeof *c->across);
    c->half = ent_calloc(entries, sizeof *c->half);
    c->score = ent_calloc(entries, sizeof *c->score);
    c->nearest = ent_calloc(n, sizeof *c->nearest);
    c->sum = ent_calloc(entries, width * sizeof *c->sum);
    c->count = ent_calloc(entries, sizeof *c->count);
    c->code = ent_calloc(n, sizeof *c->code);
    if (c->vector && c->across && c->half && c->score && c->nearest && c->sum && c->count && c->code) return ENT_OK;
    clusters_free(c);
    return ent_fail(error, ENT_ENOMEM, "no memory for the vectors of a matrix");
}

static void set_entry(clusters *c, uint32_t k, const float *vector)
{
    for (uint32_t j = 0; j < c->width; j++) c->across[(size_t)j * c->entries + k] = vector[j];
    for (uint32_t i = 0; i < c->n; i++) {
        float far = 0;
        const float *at = c->vector + (size_t)i * c->width;
        for (uint32_t j = 0; j < c->width; j++) far += (at[j] - vector[j]) * (at[j] - vector[j]);
        if (!k || far < c->nearest[i]) c->nearest[i] = far;
    }
}

/* Entries from among the vectors, each drawn with a chance as its squared distance to those before. */
static void start(clusters *c)
{
    ent_random random;
    ent_random_seed(&random, 1, 0);
    uint32_t at = (uint32_t)ent_random_below(&random, c->n);
    for (uint32_t k = 0; k < c->entries; k++) {
        set_entry(c, k, c->vector + (size_t)at * c->width);
        double all = 0, sum = 0;
        for (uint32_t i = 0; i < c->n; i++) all += c->nearest[i];
        double draw = ent_random_uniform(&random) * all;
        for (uint32_t i = 0; i < c->n && sum <= draw; i++) {
            sum += c->nearest[i];
            if (c->nearest[i] > 0) at = i;
        }
    }
}

static void find_means(clusters *c)
{
    memset(c->sum, 0, (size_t)c->entries * c->width * sizeof *c->sum);
    memset(c->count, 0, c->entries * sizeof *c->count);
    for (uint32_t i = 0; i < c->n; i++) {
        double *sum = c->sum + (size_t)c->code[i] * c->width;
        c->count[c->code[i]]++;
        for (uint32_t j = 0; j < c->width; j++) sum[j] += c->vector[(size_t)i * c->width + j];
    }
    for (uint32_t k = 0; k < c->entries; k++)
        for (uint32_t j = 0; j < c->width && c->count[k]; j++)
            c->across[(size_t)j * c->entries + k] = (float)(c->sum[(size_t)k * c->width + j] / c->count[k]);
}

/* Until a pass gains less than a thousandth. */
static void find_entries(clusters *c)
{
    double squares = 0, before = INFINITY;
    for (size_t i = 0; i < (size_t)c->n * c->width; i++) squares += (double)c->vector[i] * c->vector[i] / 2;
    start(c);
    for (int pass = 0; pass < PASSES; pass++) {
        double error = squares;
        ent_book_half(c->across, c->entries, c->width, c->half);
        for (uint32_t i = 0; i < c->n; i++) {
            c->code[i] = ent_book_nearest(c->across, c->half, c->entries, c->width, c->vector + (size_t)i * c->width, c->score);
            error += c->score[c->code[i]];
        }
        if (error > 0.999 * before) return;
        before = error;
        find_means(c);
    }
}

/* ---- the basis -------------------------------------------------------------------------------------------- */

/* rank x dim, the largest eigenvectors first, each with the sign that makes its largest coordinate positive. */
static ent_status find_basis(const layout *l, const ent_matrix_job *job, float *basis, ent_error *error)
{
    double moment[MOST_DIM * MOST_DIM] = { 0 }, eigen[MOST_DIM];
    float x[MOST_DIM];
    uint32_t n = l->dim;
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t p = 0; p < l->places; p++) {
            vector_at(l, job->values, job->cols, r, p, x);
            for (uint32_t i = 0; i < n; i++)
                for (uint32_t j = 0; j <= i; j++) moment[i * n + j] += (double)x[i] * x[j];
        }
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* as in bitstack.c */
    lapack_int info = LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'L', (lapack_int)n, moment, (lapack_int)n, eigen); /* ascending, in columns */
    omp_set_num_threads(threads);
    if (info)
        return ent_fail(error, ENT_EINVAL, "the eigenvectors of the weights are not found");
    for (uint32_t k = 0; k < l->rank; k++) {
        double largest = 0;
        for (uint32_t j = 0; j < n; j++) {
            double value = moment[j * n + n - 1 - k];
            if (fabs(value) > fabs(largest)) largest = value;
        }
        for (uint32_t j = 0; j < n; j++) basis[k * n + j] = (float)(largest < 0 ? -moment[j * n + n - 1 - k] : moment[j * n + n - 1 - k]);
    }
    return ENT_OK;
}

static void project(const layout *l, const float *basis, const float *vector, float *to)
{
    for (uint32_t k = 0; k < l->rank; k++) {
        float sum = 0;
        for (uint32_t j = 0; j < l->dim; j++) sum += basis[k * l->dim + j] * vector[j];
        to[k] = sum;
    }
}

/* Entry k of a book as decoding gives it: dim values. */
static void full_entry(const layout *l, const float *basis, const float *entry, float *to)
{
    if (!l->rank) {
        memcpy(to, entry, l->dim * sizeof *to);
        return;
    }
    for (uint32_t j = 0; j < l->dim; j++) {
        float sum = 0;
        for (uint32_t k = 0; k < l->rank; k++) sum += entry[k] * basis[k * l->dim + j];
        to[j] = sum;
    }
}

/* ---- encoding --------------------------------------------------------------------------------------------- */

typedef struct coding {
    layout layout;
    ent_matrix_job *job;
    ent_part *codes, *books;
    const float *basis; /* as stored; NULL: none */
} coding;

/* The vectors of a book, all or evenly some, as they are clustered. */
static ent_status collect(const coding *g, uint32_t book, clusters *c, ent_error *error)
{
    const layout *l = &g->layout;
    uint64_t places = (l->places - book - 1) / l->books + 1, all = places * g->job->rows;
    uint64_t most = (uint64_t)VECTORS_AN_ENTRY * l->entries > VECTORS ? (uint64_t)VECTORS_AN_ENTRY * l->entries : VECTORS;
    uint64_t n = all < most ? all : most;
    ent_status status = clusters_init(c, (uint32_t)n, l->width, l->entries, error);
    for (uint64_t i = 0; i < n && !status; i++) {
        uint64_t at = i * all / n;
        float x[MOST_DIM], *to = c->vector + i * l->width;
        vector_at(l, g->job->values, g->job->cols, (size_t)(at / places), book + (uint32_t)(at % places) * l->books, x);
        if (l->rank)
            project(l, g->basis, x, to);
        else
            memcpy(to, x, l->dim * sizeof *to);
    }
    return status;
}

/* The book into its part, and back as decoding has it: dim x entries, coordinate by coordinate. */
static ent_status store_book(const coding *g, uint32_t book, const clusters *c, float *across, ent_error *error)
{
    const layout *l = &g->layout;
    for (uint32_t k = 0; k < l->entries; k++) {
        size_t at = ((size_t)book * l->entries + k) * l->width;
        float entry[MOST_DIM], full[MOST_DIM];
        for (uint32_t j = 0; j < l->width; j++) {
            entry[j] = c->across[(size_t)j * l->entries + k];
            if (!(fabsf(entry[j]) <= 65504)) return ent_fail(error, ENT_EINVAL, "weights too large for books in F16");
        }
        ent_format_words(g->books->format, entry, l->width, (uint16_t *)g->books->words + at);
        ent_format_floats(g->books->format, (uint16_t *)g->books->words + at, l->width, entry);
        full_entry(l, g->basis, entry, full);
        for (uint32_t j = 0; j < l->dim; j++) across[(size_t)j * l->entries + k] = full[j];
    }
    return ENT_OK;
}

static ent_status code_book(const coding *g, uint32_t book, ent_error *error)
{
    const layout *l = &g->layout;
    clusters c;
    ent_status status = collect(g, book, &c, error);
    if (status) return status;
    float *across = ent_calloc(l->entries, l->dim * sizeof *across);
    if (!across) status = ent_fail(error, ENT_ENOMEM, "no memory for a book of vectors");
    if (!status) {
        find_entries(&c);
        status = store_book(g, book, &c, across, error);
        ent_book_half(across, l->entries, l->dim, c.half);
    }
    for (uint32_t r = 0; r < g->job->rows && !status; r++)
        for (uint32_t p = book; p < l->places; p += l->books) {
            float x[MOST_DIM];
            vector_at(l, g->job->values, g->job->cols, r, p, x);
            ent_part_set_word(g->codes, (size_t)r * l->places + p, ent_book_nearest(across, c.half, l->entries, l->dim, x, c.score));
        }
    ent_free(across);
    clusters_free(&c);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error);

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    coding g = { .layout = layout_of(setting, job->cols), .job = job };
    const layout *l = &g.layout;
    float basis[MOST_DIM * MOST_DIM];
    char format[8];
    ent_status status = ENT_OK;
    g.codes = ent_packed_add(job->packed, "codes", code_format(setting, format), job->rows, l->places, error);
    if (g.codes) g.books = ent_packed_add(job->packed, "books", "F16", l->books * l->entries, l->width, error);
    if (!g.books) return ENT_ENOMEM;
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) /* so that squares are finite */
        if (fabsf(job->values[i]) > 0x1p40f) return ent_fail(error, ENT_EINVAL, "weights too large for books in F16");
    if (l->rank) {
        ent_part *part = ent_packed_add(job->packed, "basis", "F16", l->rank, l->dim, error);
        if (!part) return ENT_ENOMEM;
        status = find_basis(l, job, basis, error);
        if (status) return status;
        ent_format_words(part->format, basis, (size_t)l->rank * l->dim, part->words);
        ent_format_floats(part->format, part->words, (size_t)l->rank * l->dim, basis);
        g.basis = basis;
    }
    for (uint32_t b = 0; b < l->books && !status; b++) status = code_book(&g, b, error);
    return status ? status : inverse(setting, job->packed, job->values, error);
}

/* ---- decoding --------------------------------------------------------------------------------------------- */

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    layout l = layout_of(setting, packed->cols);
    float basis[MOST_DIM * MOST_DIM], full[MOST_DIM];
    char format[8];
    const ent_part *codes = ent_packed_need(packed, "codes", code_format(setting, format), packed->rows, l.places, error);
    const ent_part *books = codes ? ent_packed_need(packed, "books", "F16", l.books * l.entries, l.width, error) : NULL;
    const ent_part *part = books && l.rank ? ent_packed_need(packed, "basis", "F16", l.rank, l.dim, error) : NULL;
    if (!books || (l.rank && !part)) return ENT_ECORRUPT;
    if (part) ent_format_floats(part->format, part->words, (size_t)l.rank * l.dim, basis);
    float *entry = ent_part_floats(books, error);
    if (!entry) return ENT_ENOMEM;
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t p = 0; p < l.places; p++) {
            size_t code = ent_part_word(codes, (size_t)r * l.places + p) & (l.entries - 1), first = (size_t)p * l.dim;
            full_entry(&l, basis, entry + ((size_t)(p % l.books) * l.entries + code) * l.width, full);
            memcpy(values + (size_t)r * packed->cols + first, full,
                   (packed->cols - first < l.dim ? packed->cols - first : l.dim) * sizeof *values);
        }
    ent_free(entry);
    return ENT_OK;
}

const ent_transform ent_transform_vq = {
    .name = "vq", .brief = "vectors of neighbours, each the nearest of a book of 2^bits", .cite = "jegou2011", .kind = ENT_QUANTIZER,
    .setting = { { "dim", "weights of a vector", 1, MOST_DIM, 4, true },
                 { "bits", "of a code", 1, 12, 8, true },
                 { "books", "of the places of a row in turn; 0: each its own", 0, 65536, 1, true },
                 { "rank", "numbers of an entry, in a basis for all; 0: dim", 0, MOST_DIM, 0, true } },
    .forward = forward, .inverse = inverse,
};
