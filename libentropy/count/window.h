/* window.h - private to count: symbols of 16 neighbouring values are counted without a table. */
#ifndef ENT_COUNT_WINDOW_H
#define ENT_COUNT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

enum {
    COUNT_WINDOW = 16,
    COUNT_WINDOW_STEP = 1024, /* symbols it takes at once */
};

/* Adds the counts of n symbols, a multiple of COUNT_WINDOW_STEP, to count[256]; right for all symbols,
 * fast when nearly all are in [base, base + COUNT_WINDOW) modulo 256. */
void ent_count_window_avx512(uint64_t *count, const uint8_t *symbol, size_t n, uint8_t base);

#endif
