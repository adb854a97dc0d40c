/* book.c - see book.h. */
#include <math.h>
#include <string.h>

#include <entropy/base.h>

#include "transform/book.h"

void ent_book_half(const float *across, uint32_t entries, uint32_t width, float *half)
{
    memset(half, 0, entries * sizeof *half);
    for (uint32_t j = 0; j < width; j++)
        for (uint32_t k = 0; k < entries; k++) half[k] += across[(size_t)j * entries + k] * across[(size_t)j * entries + k] / 2;
}

/* The place of the least of n, a power of two; equals: the first.  In lanes that compilers make wide. */
static uint32_t least_of(const float *score, uint32_t n)
{
    enum { LANES = 16 };
    float low[LANES];
    uint32_t at[LANES], lanes = n < LANES ? n : LANES, best = 0;
    for (uint32_t i = 0; i < LANES; i++) low[i] = INFINITY, at[i] = i;
    for (uint32_t k = 0; k + LANES <= n; k += LANES)
        for (uint32_t i = 0; i < LANES; i++) {
            bool less = score[k + i] < low[i];
            low[i] = less ? score[k + i] : low[i];
            at[i] = less ? k + i : at[i];
        }
    if (n < LANES) memcpy(low, score, n * sizeof *score);
    for (uint32_t i = 1; i < lanes; i++)
        if (low[i] < low[best] || (low[i] <= low[best] && at[i] < at[best])) best = i;
    return at[best];
}

uint32_t ent_book_nearest(const float *across, const float *half, uint32_t entries, uint32_t width, const float *vector, float *score)
{
    memcpy(score, half, entries * sizeof *score);
    for (uint32_t j = 0; j < width; j++) {
        const float x = vector[j], *entry = across + (size_t)j * entries;
        for (uint32_t k = 0; k < entries; k++) score[k] -= x * entry[k];
    }
    return least_of(score, entries);
}
