/* points.c - see points.h. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "transform/points.h"

enum { FEW = 16 }; /* bins a value, or more, that make sorting cheaper than a pass over the bins */

static uint32_t used_bits(const float *values, uint32_t rows, uint32_t width, size_t stride)
{
    uint32_t used = 0;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < width; c++) used |= ent_float_bits(values[r * stride + c]);
    return used;
}

/* Takes bin b, after all whose values are less: what its values weigh, and their weighed sum. */
static void take(points *p, uint32_t b, double total, double sum)
{
    uint32_t bits = b << p->shift, top = bits | ((1u << p->shift) - 1);
    if (!(total > 0)) return;
    p->low[p->n] = (double)ent_float_of(bits >> 31 && !p->exact ? top : bits);
    p->value[p->n] = p->exact ? (double)ent_float_of(bits) : sum / total;
    p->weight[p->n++] = total;
}

static void fill(points *p, const float *values, uint32_t rows, uint32_t width, size_t stride, const double *weight)
{
    uint32_t bins = 1u << (32 - p->shift), half = bins / 2;
    memset(p->total, 0, bins * sizeof *p->total);
    if (!p->exact) memset(p->sum, 0, bins * sizeof *p->sum);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < width; c++) {
            float v = values[r * stride + c];
            uint32_t b = ent_float_bits(v) >> p->shift;
            double w = weight ? weight[c] : 1;
            p->total[b] += w;
            if (!p->exact) p->sum[b] += w * (double)v;
        }
    p->n = 0;
    for (uint32_t b = bins; b-- > half;) take(p, b, p->total[b], p->sum[b]); /* negative: the largest bits are the least values */
    for (uint32_t b = 0; b < half; b++) take(p, b, p->total[b], p->sum[b]);
}

static int by_key(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The same to the last bit, by sorting: sums are of the same numbers in the same order. */
static void fill_few(points *p, const float *values, uint32_t rows, uint32_t width, size_t stride, const double *weight)
{
    uint32_t bins = 1u << (32 - p->shift), half = bins / 2, n = rows * width;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = ent_float_bits(values[i / width * stride + i % width]) >> p->shift;
        p->key[i] = (uint64_t)(b < half ? b + half : bins - 1 - b) << 32 | i;
    }
    qsort(p->key, n, sizeof *p->key, by_key);
    p->n = 0;
    for (uint32_t i = 0; i < n;) {
        uint32_t order = (uint32_t)(p->key[i] >> 32);
        double total = 0, sum = 0;
        for (; i < n && p->key[i] >> 32 == order; i++) {
            uint32_t at = (uint32_t)p->key[i], c = at % width;
            double w = weight ? weight[c] : 1;
            total += w;
            if (!p->exact) sum += w * (double)values[at / width * stride + c];
        }
        take(p, order < half ? bins - 1 - order : order - half, total, sum);
    }
}

static ent_status reserve(points *p, size_t bins, ent_error *error)
{
    double **room[] = { &p->value, &p->weight, &p->low, &p->total, &p->sum };
    if (p->room >= bins) return ENT_OK;
    ent_points_free(p);
    for (size_t i = 0; i < sizeof room / sizeof *room; i++)
        if (!(*room[i] = ent_alloc(bins * sizeof(double)))) return ent_fail(error, ENT_ENOMEM, "no memory for a histogram of weights");
    if (!(p->key = ent_alloc(bins / FEW * sizeof *p->key))) return ent_fail(error, ENT_ENOMEM, "no memory for a histogram of weights");
    p->room = bins;
    return ENT_OK;
}

ent_status ent_points_collect(points *p, unsigned shift, const float *values, uint32_t rows, uint32_t width, size_t stride,
                              const double *weight, ent_error *error)
{
    uint32_t used = used_bits(values, rows, width, stride);
    if (!(used << (32 - POINTS_BF16))) shift = POINTS_BF16;
    ent_status status = reserve(p, (size_t)1 << (32 - shift), error);
    if (status) return status;
    p->shift = shift;
    p->exact = !(used << (32 - shift));
    bool few = (uint64_t)rows * width <= (1u << (32 - shift)) / FEW;
    (few ? fill_few : fill)(p, values, rows, width, stride, weight);
    if (!p->n) (few ? fill_few : fill)(p, values, rows, width, stride, NULL);
    return ENT_OK;
}

void ent_points_free(points *p)
{
    ent_free(p->value);
    ent_free(p->weight);
    ent_free(p->low);
    ent_free(p->total);
    ent_free(p->sum);
    ent_free(p->key);
    *p = (points){ 0 };
}
