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

/* In lanes that compilers make wide. */
void ent_widen_range(const float *w, uint32_t n, float *least, float *most)
{
    enum { LANES = 16 };
    float low[LANES] = { 0 }, high[LANES] = { 0 };
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = w[i + (uint32_t)k] < low[k] ? w[i + (uint32_t)k] : low[k];
            high[k] = w[i + (uint32_t)k] > high[k] ? w[i + (uint32_t)k] : high[k];
        }
    for (; i < n; i++) {
        low[0] = w[i] < low[0] ? w[i] : low[0];
        high[0] = w[i] > high[0] ? w[i] : high[0];
    }
    for (int half = LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++) {
            low[k] = low[k + half] < low[k] ? low[k + half] : low[k];
            high[k] = high[k + half] > high[k] ? high[k + half] : high[k];
        }
    *least = low[0] < *least ? low[0] : *least;
    *most = high[0] > *most ? high[0] : *most;
}

/* The best share of a range, and the grid over it. */
typedef struct search {
    grid best;
    double share, error;
} search;

grid ent_grid_choose(const double setting[], const ent_format *format, const float *w, uint32_t n, uint32_t rows, uint32_t stride)
{
    float least = 0, most = 0;
    for (uint32_t r = 0; r < rows; r++) ent_widen_range(w + (size_t)r * stride, n, &least, &most);
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

void ent_grid_round(const grid *g, float *w, uint32_t n, uint8_t *codes, uint8_t mask)
{
    const grid fixed = *g; /* which no store of a code can change */
    for (uint32_t i = 0; i < n; i++) {
        const int code = grid_code(&fixed, w[i]);
        w[i] = grid_value(&fixed, code);
        codes[i] = (uint8_t)code & mask;
    }
}

const char *ent_grid_format(const double setting[], char name[8])
{
    snprintf(name, 8, "%c%d", setting[GRID_SYMMETRIC] > 0 ? 'I' : 'U', (int)setting[GRID_BITS]);
    return name;
}
