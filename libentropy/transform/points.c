/* points.c - see points.h. */
#include <string.h>

#include "transform/points.h"

static float float_of(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } u = { bits };
    return u.value;
}

static uint32_t used_bits(const float *values, uint32_t rows, uint32_t width, size_t stride)
{
    uint32_t used = 0;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < width; c++) used |= ent_float_bits(values[r * stride + c]);
    return used;
}

/* Takes bin b, after all whose values are less. */
static void take(points *p, uint32_t b)
{
    uint32_t bits = b << p->shift, top = bits | ((1u << p->shift) - 1);
    if (!(p->total[b] > 0)) return;
    p->low[p->n] = (double)float_of(bits >> 31 && !p->exact ? top : bits);
    p->value[p->n] = p->exact ? (double)float_of(bits) : p->sum[b] / p->total[b];
    p->weight[p->n++] = p->total[b];
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
    for (uint32_t b = bins; b-- > half;) take(p, b); /* negative: the largest bits are the least values */
    for (uint32_t b = 0; b < half; b++) take(p, b);
}

static ent_status reserve(points *p, size_t bins, ent_error *error)
{
    double **room[] = { &p->value, &p->weight, &p->low, &p->total, &p->sum };
    if (p->room >= bins) return ENT_OK;
    ent_points_free(p);
    for (size_t i = 0; i < sizeof room / sizeof *room; i++)
        if (!(*room[i] = ent_alloc(bins * sizeof(double)))) return ent_fail(error, ENT_ENOMEM, "no memory for a histogram of weights");
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
    fill(p, values, rows, width, stride, weight);
    if (!p->n) fill(p, values, rows, width, stride, NULL);
    return ENT_OK;
}

void ent_points_free(points *p)
{
    ent_free(p->value);
    ent_free(p->weight);
    ent_free(p->low);
    ent_free(p->total);
    ent_free(p->sum);
    *p = (points){ 0 };
}
