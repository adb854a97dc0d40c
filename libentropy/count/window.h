/* window.h - private to count: symbols of 16 neighbouring values are counted without a table, and so the exponents
 * of BF16, whose other fields are counted meanwhile. */
#ifndef ENT_COUNT_WINDOW_H
#define ENT_COUNT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

enum {
    COUNT_WINDOW = 16,
    COUNT_WINDOW_STEP = 1024, /* symbols it takes at once */
};

typedef struct count_window { /* all zero but for `base`: nothing counted */
    uint64_t sum[2][4][8]; /* bits of weight 1, 2, 4, 8 of what is not yet in `count`, of both halves of the window */
    uint64_t count[COUNT_WINDOW];
    uint8_t base;
} count_window;

/* Counts n symbols, a multiple of COUNT_WINDOW_STEP; those outside of [base, base + COUNT_WINDOW) modulo 256, which
 * take longer, go to count[256].  Returns how many these were. */
size_t ent_count_window_avx512(count_window *window, uint64_t *count, const uint8_t *symbol, size_t n);

/* BF16 words by their fields. */
enum {
    MANTISSAS = 128,
    PAIRS = MANTISSAS * MANTISSAS,
    MOST_PAIRS = UINT16_MAX / (COUNT_WINDOW_STEP / 2) * (COUNT_WINDOW_STEP / 2), /* of words, in whole steps */
};

typedef struct bf16_cells { /* all zero: nothing counted */
    uint64_t negative;
    uint16_t pair[PAIRS]; /* of the mantissas of two words: a sum of at most MOST_PAIRS */
} bf16_cells;

/* The same for the exponents of n BF16 words; signs and mantissas go to `cells` unless it is NULL. */
size_t ent_count_bf16_avx512(count_window *window, uint64_t *count, bf16_cells *cells, const uint8_t *words, size_t n);

/* Adds what is in the window to count[256]; the window is then empty. */
void ent_count_window_end_avx512(count_window *window, uint64_t *count);

#endif
