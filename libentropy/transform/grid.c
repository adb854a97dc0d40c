/* grid.c - see grid.h. */
#include <stdio.h>

#include "transform/grid.h"

enum { HALF_TRIALS = 20, TRIALS = 10, ROUNDS = 4 };

/* A scale >= +0 as it is stored: never zero, so that it can divide. */
static float stored_scale(const ent_format *format, double scale)
{
    uint64_t word = ent_format_nearest(format, scale);
    return (float)ent_format_value(format, word ? word : 1);
}

static double squared_error(const grid *g, const float *w, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double d = (double)grid_value(g, grid_code(g, w[i])) - w[i];
        sum += d * d;
    }
    return sum;
}

/* The grid over `share` of the range. */
static grid fit(const double setting[], const ent_format *format, float least, float most, double share)
{
    int bits = (int)setting[GRID_BITS], top = (1 << (bits - 1)) - 1;
    if (setting[GRID_SYMMETRIC] > 0)
        return (grid){ stored_scale(format, share * fmax(0.0 - least, most) / top), 0, -top, top };
    grid g = { stored_scale(format, share * ((double)most - least) / ((1 << bits) - 1)), 0, 0, (1 << bits) - 1 };
    g.zero = (int)fmin(g.most, nearbyint(-least * share / g.scale));
    return g;
}

/* The least and the largest of n weights and of what *least and *most hold, in lanes that compilers make wide. */
static void widen_range(const float *w, uint32_t n, float *least, float *most)
{
    enum { LANES = 16 };
    float low[LANES] = { 0 }, high[LANES] = { 0 };
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = w[i + (uint32_t)k] < low[k] ? w[i + (uint32_t)k] : low[k];
            high[k] = w[i + (uint32_t)k] > high[k] ? w[i + (uint32_t)k] : high[k];
        }
    for (; i < n; i++) *least = fminf(*least, w[i]), *most = fmaxf(*most, w[i]);
    for (int k = 0; k < LANES; k++) *least = fminf(*least, low[k]), *most = fmaxf(*most, high[k]);
}

/* The best share of a range, and the grid over it. */
typedef struct search {
    grid best;
    double share, error;
} search;

grid ent_grid_choose(const double setting[], const ent_format *format, const float *w, uint32_t n, uint32_t rows, uint32_t stride)
{
    float least = 0, most = 0;
    for (uint32_t r = 0; r < rows; r++) widen_range(w + (size_t)r * stride, n, &least, &most);
    search s = { fit(setting, format, least, most, 1), 1, INFINITY };
    if (!(setting[GRID_SEARCH] > 0) || !isfinite(s.best.scale)) return s.best;
    bool half = setting[GRID_SEARCH] == SEARCH_HALF;
    int rounds = half ? 1 : ROUNDS, trials = half ? HALF_TRIALS : TRIALS;
    double low = half ? 0.5 : 0, high = 1; /* shares are tried from above low to high */
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < trials; k++) {
            double share = high - (high - low) * k / trials, error = 0;
            grid g = fit(setting, format, least, most, share);
            for (uint32_t r = 0; r < rows; r++) error += squared_error(&g, w + (size_t)r * stride, n);
            if (error < s.error) s = (search){ g, share, error };
        }
        double step = (high - low) / trials;
        low = fmax(0, s.share - step);
        high = fmin(1, s.share + step);
    }
    return s.best;
}

/* In a loop that compilers make wide: a number of at most 2^8 steps is rounded, ties to even, by adding what leaves no bits
 * for a fraction. */
void ent_grid_round(const grid *g, float *w, uint32_t n, uint8_t *codes, uint8_t mask)
{
    const float least = (float)(g->least - g->zero), most = (float)(g->most - g->zero), whole = 0x1.8p23f;
    for (uint32_t i = 0; i < n; i++) {
        float x = w[i] / g->scale;
        x = x < least ? least : x;
        x = x > most ? most : x;
        x = (x + whole) - whole;
        w[i] = x * g->scale;
        codes[i] = (uint8_t)((int)x + g->zero) & mask;
    }
}

const char *ent_grid_format(const double setting[], char name[8])
{
    snprintf(name, 8, "%c%d", setting[GRID_SYMMETRIC] > 0 ? 'I' : 'U', (int)setting[GRID_BITS]);
    return name;
}
