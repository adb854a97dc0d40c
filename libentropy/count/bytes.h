/* bytes.h - private to count: a histogram of bytes that come in pieces. */
#ifndef ENT_COUNT_BYTES_H
#define ENT_COUNT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "count/window.h"

/* Tables in turn, so that a run of one symbol does not wait for its own store; 32-bit cells fit the first cache. */
enum {
    BYTE_TABLES = 4,
    BYTE_SAMPLE = 512,
    BYTE_FEW = 16, /* at most one symbol in so many is outside of a window that pays */
};

typedef struct byte_counter { /* all zero: nothing counted */
    uint64_t count[256];      /* but for what is in the tables and the window */
    uint32_t table[BYTE_TABLES][256];
    size_t in_tables; /* symbols */
    uint32_t wait;    /* pieces to be counted by tables before a window is looked for */
    bool windowed;    /* nearly all symbols of the last piece were in the window */
    count_window window;
} byte_counter;

/* Adds n symbols.  Pieces of a few thousand are best: each may go another way. */
void ent_byte_counter_add(byte_counter *counter, const uint8_t *symbol, size_t n);

/* Whether to count the next piece by the window, where the processor can: it served the last piece, or there is one for
 * this sample. */
bool ent_byte_counter_windowed(byte_counter *counter, const uint8_t sample[BYTE_SAMPLE]);

/* Brings all symbols into `count`. */
void ent_byte_counter_sum(byte_counter *counter);

#endif
