/* normal_grid.c - see normal_grid.h. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/bits.h"
#include "transform/book.h"
#include "transform/kmeans.h"
#include "transform/normal_grid.h"

uint32_t ent_normal_nearest(const grid_point *grid, uint32_t n, float x, float y)
{
    uint32_t low = 0, high = n, best = 0;
    float least = INFINITY;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (grid[middle].x < x)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t left = low, right = low;;) { /* outwards, until x alone is too far */
        float to_left = left > 0 ? x - grid[left - 1].x : INFINITY, to_right = right < n ? grid[right].x - x : INFINITY;
        uint32_t at = to_left < to_right ? --left : right++;
        float dx = to_left < to_right ? to_left : to_right;
        if (!(dx * dx < least)) return best;
        float dy = y - grid[at].y, distance = dx * dx + dy * dy;
        if (distance < least) least = distance, best = at;
    }
}

void ent_grid_book(grid_book *book, const grid_point *grid, unsigned p, uint32_t n)
{
    *book = (grid_book){ .p = p, .entries = UINT32_C(1) << ent_bits_for(n) };
    for (uint32_t i = 0; i < n; i++)
        for (unsigned d = 0; d < p; d++) book->across[d * book->entries + i] = grid[i].at[d];
    ent_book_half(book->across, book->entries, p, book->half);
    for (uint32_t i = n; i < book->entries; i++) book->half[i] = INFINITY;
}

uint32_t ent_grid_book_nearest(const grid_book *book, const float at[GRID_DIMENSIONS])
{
    float score[GRID_MOST];
    return ent_book_nearest(book->across, book->half, book->entries, book->p, at, score);
}

/* ---- finding them ------------------------------------------------------------------------------------------ */

static int by_x(const void *a, const void *b)
{
    const grid_point *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}

static double snap(double x) { return nearbyint(x * 0x1p20) * 0x1p-20; }

static double density(double x) { return nearbyint(exp(-x * x / 2) * 0x1p40); }

static bool find_levels(grid_point *grid, uint32_t n)
{
    enum { BINS = 8192 };
    const double reach = 7;
    double level[GRID_MOST];
    points p = { .n = BINS, .value = ent_alloc(BINS * sizeof(double)), .weight = ent_alloc(BINS * sizeof(double)) };
    bool room = p.value && p.weight;
    for (uint32_t i = 0; i < BINS && room; i++) {
        p.value[i] = (2 * (i + 0.5) / BINS - 1) * reach;
        p.weight[i] = density(p.value[i]);
    }
    room = room && !ent_kmeans(&p, n, level, NULL);
    for (uint32_t i = 0; i < n && room; i++) grid[i] = (grid_point){ .at = { (float)((level[i] - level[n - 1 - i]) / 2) } };
    ent_points_free(&p);
    return room;
}

/* Each point to the mean of those that are nearest to it, on a lattice. */
static void move_to_means(grid_point *grid, uint32_t n)
{
    enum { REACH = 5, STEPS = 24, SIDE = 2 * REACH * STEPS };
    double share[GRID_MOST] = { 0 }, x[GRID_MOST] = { 0 }, y[GRID_MOST] = { 0 }, at[SIDE], weight[SIDE];
    for (int i = 0; i < SIDE; i++) {
        at[i] = (i + 0.5) / STEPS - REACH;
        weight[i] = density(at[i]);
    }
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++) {
            if (at[i] * at[i] + at[k] * at[k] > REACH * REACH) continue;
            uint32_t cell = ent_normal_nearest(grid, n, (float)at[i], (float)at[k]);
            double w = weight[i] * weight[k];
            share[cell] += w;
            x[cell] += w * at[i];
            y[cell] += w * at[k];
        }
    for (uint32_t i = 0; i < n; i++)
        if (share[i] > 0) grid[i] = (grid_point){ .at = { (float)(x[i] / share[i]), (float)(y[i] / share[i]) } };
    qsort(grid, n, sizeof *grid, by_x);
}

static void find_points(grid_point *grid, uint32_t n)
{
    enum { PASSES = 40 };
    const double golden = M_PI * (3 - sqrt(5));
    for (uint32_t i = 0; i < n; i++) {
        double radius = sqrt(-4 * log(1 - (i + 0.5) / n)); /* a normal of twice the variance */
        grid[i] = (grid_point){ .at = { (float)snap(radius * cos(golden * i)), (float)snap(radius * sin(golden * i)) } };
    }
    qsort(grid, n, sizeof *grid, by_x);
    for (int pass = 0; pass < PASSES; pass++) move_to_means(grid, n);
}

/* Point i of a sequence of low discrepancy (multiples of powers of the root of x^5 = x + 1, modulo 1) as four normals. */
static void normals_of(uint32_t i, double scale, float at[GRID_DIMENSIONS])
{
    const double step = 1 / 1.1673039782614187;
    double u[GRID_DIMENSIONS], power = 1;
    for (int d = 0; d < GRID_DIMENSIONS; d++) {
        power *= step;
        u[d] = fmod(0.5 + (i + 1.0) * power, 1);
    }
    for (int d = 0; d < GRID_DIMENSIONS; d += 2) { /* Box and Muller's pairs */
        const double radius = scale * sqrt(-2 * log(1 - u[d]));
        at[d] = (float)snap(radius * cos(2 * M_PI * u[d + 1]));
        at[d + 1] = (float)snap(radius * sin(2 * M_PI * u[d + 1]));
    }
}

/* Each point to the mean of those of the samples that are nearest to it. */
static void move_to_sample_means(grid_point *grid, unsigned p, uint32_t n, const grid_point *sample, uint32_t samples)
{
    double sum[GRID_MOST][GRID_DIMENSIONS] = { { 0 } };
    uint32_t count[GRID_MOST] = { 0 };
    grid_book book;
    ent_grid_book(&book, grid, p, n);
    for (uint32_t i = 0; i < samples; i++) {
        const uint32_t cell = ent_grid_book_nearest(&book, sample[i].at);
        count[cell]++;
        for (unsigned d = 0; d < p; d++) sum[cell][d] += (double)sample[i].at[d];
    }
    for (uint32_t k = 0; k < n; k++)
        for (unsigned d = 0; d < p && count[k]; d++) grid[k].at[d] = (float)(sum[k][d] / count[k]);
}

static bool find_by_samples(grid_point *grid, unsigned p, uint32_t n)
{
    enum { SAMPLES = 1 << 16, PASSES = 40 };
    grid_point *sample = ent_calloc(SAMPLES, sizeof *sample);
    if (!sample) return false;
    for (uint32_t i = 0; i < SAMPLES; i++) normals_of(i, 1, sample[i].at);
    for (uint32_t k = 0; k < n; k++) {
        normals_of(k, sqrt((p + 2.0) / p), grid[k].at);
        for (unsigned d = p; d < GRID_DIMENSIONS; d++) grid[k].at[d] = 0;
    }
    for (int pass = 0; pass < PASSES; pass++) move_to_sample_means(grid, p, n, sample, SAMPLES);
    ent_free(sample);
    return true;
}

static float as_half(float x)
{
    const ent_format *half = ent_format_find("F16");
    return (float)ent_format_value(half, ent_format_nearest(half, x));
}

const grid_point *ent_normal_grid(unsigned p, uint32_t n)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static grid_point *kept[GRID_DIMENSIONS][GRID_MOST + 1];
    pthread_mutex_lock(&lock);
    grid_point **grid = &kept[p - 1][n];
    if (!*grid && (*grid = ent_calloc(n, sizeof **grid))) {
        bool found = true;
        if (p == 1)
            found = find_levels(*grid, n);
        else if (p == 2)
            find_points(*grid, n);
        else
            found = find_by_samples(*grid, p, n);
        for (uint32_t i = 0; i < n; i++)
            for (unsigned d = 0; d < p; d++) (*grid)[i].at[d] = as_half((*grid)[i].at[d]);
        qsort(*grid, n, sizeof **grid, by_x);
        if (!found) ent_free(*grid), *grid = NULL;
    }
    const grid_point *found = *grid;
    pthread_mutex_unlock(&lock);
    return found;
}
