/* kmeans.c - see kmeans.h. */
#include <math.h>

#include "transform/kmeans.h"

/* Sums over the first i points, and layers of the program: the least error of the first i points in q cells, and where
 * the last of these begins. */
typedef struct program {
    uint32_t n;
    double *weight, *sum, *square; /* n + 1 each */
    double *before, *error;        /* n + 1 each: with q - 1 cells, with q */
    uint16_t *begin;               /* of the layer at hand */
} program;

static double cell_error(const program *p, uint32_t from, uint32_t to)
{
    double sum = p->sum[to] - p->sum[from];
    return fmax(0, p->square[to] - p->square[from] - sum * sum / (p->weight[to] - p->weight[from]));
}

/* Finds the layer for low .. high, whose last cells begin at least .. most. */
static void solve(const program *p, uint32_t low, uint32_t high, uint32_t least, uint32_t most)
{
    if (low > high) return;
    uint32_t middle = low + (high - low) / 2, last = most < middle - 1 ? most : middle - 1, best = least;
    double best_error = INFINITY;
    for (uint32_t from = least; from <= last; from++) {
        double error = p->before[from] + cell_error(p, from, middle);
        if (error >= best_error) continue;
        best_error = error;
        best = from;
    }
    p->error[middle] = best_error;
    p->begin[middle - 1] = (uint16_t)best;
    solve(p, low, middle - 1, least, best);
    solve(p, middle + 1, high, best, most);
}

static void add_up(program *p, const points *from)
{
    p->weight[0] = p->sum[0] = p->square[0] = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        double w = from->weight[i], x = from->value[i];
        p->weight[i + 1] = p->weight[i] + w;
        p->sum[i + 1] = p->sum[i] + w * x;
        p->square[i + 1] = p->square[i] + w * x * x;
    }
}

static void find_levels(program *p, uint32_t k, uint16_t *begin, double *level)
{
    for (uint32_t i = 1; i <= p->n; i++) p->error[i] = cell_error(p, 0, i);
    for (uint32_t q = 1; q < k; q++) { /* cells 0 .. q */
        double *before = p->before;
        p->before = p->error;
        p->error = before;
        p->begin = begin + (size_t)q * p->n;
        solve(p, q + 1, p->n, q, p->n - 1);
    }
    for (uint32_t q = k, to = p->n; q-- > 0;) {
        uint32_t from = q ? begin[(size_t)q * p->n + to - 1] : 0;
        level[q] = (p->sum[to] - p->sum[from]) / (p->weight[to] - p->weight[from]);
        to = from;
    }
}

ent_status ent_kmeans(const points *p, uint32_t k, double *level, ent_error *error)
{
    program s = { .n = p->n };
    if (p->n <= k) {
        for (uint32_t i = 0; i < k; i++) level[i] = p->value[i < p->n ? i : p->n - 1];
        return ENT_OK;
    }
    double *room = ent_alloc(5 * ((size_t)p->n + 1) * sizeof *room);
    uint16_t *begin = ent_alloc((size_t)k * p->n * sizeof *begin);
    double **part[] = { &s.weight, &s.sum, &s.square, &s.before, &s.error };
    ent_status status = room && begin ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for the levels of a matrix");
    for (size_t i = 0; i < sizeof part / sizeof *part && room; i++) *part[i] = room + i * ((size_t)p->n + 1);
    if (!status) {
        add_up(&s, p);
        find_levels(&s, k, begin, level);
    }
    ent_free(room);
    ent_free(begin);
    return status;
}

void ent_middles(const float *level, uint32_t k, double *edge)
{
    for (uint32_t i = 0; i + 1 < k; i++) edge[i] = ((double)level[i] + level[i + 1]) / 2;
}
