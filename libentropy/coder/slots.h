/* slots.h - a trained table of 2^log slots and the way from a slot to its symbol.
 *
 * Shared by the coders with exact frequencies, rans and arithmetic: both cut a range into 2^log
 * slots, give symbol s freq[s] of them in order of symbols, and decode by finding whose a slot is. */
#ifndef ENT_CODER_SLOTS_H
#define ENT_CODER_SLOTS_H

#include <entropy/coder.h>

enum {
    ENT_SLOTS_PARAM = 1,     /* the place of the parameter `log` in the coders that share this */
    ENT_SLOTS_LOG_MOST = 22, /* 64 slots for each symbol of the largest alphabet */
};

typedef struct ent_slots {
    uint32_t log;
    uint32_t freq[]; /* one a symbol of the alphabet; their sum is 2^log */
} ent_slots;

/* The fraction of the code that twice the slots must save. */
typedef struct ent_slots_worth {
    double finer;
    double dear; /* for the step to 2^dear_log slots */
    unsigned dear_log;
} ent_slots_worth;

/* What struct ent_coder wants, for a table that is an ent_slots.  Training doubles the slots while that
 * saves more than it adds to the table, and as much as it must be worth. */
size_t ent_slots_size(const ent_coder_spec *spec);
ent_status ent_slots_train(const ent_coder_spec *spec, const ent_counts *counts, ent_slots_worth worth,
                           void *table);
ent_status ent_slots_write(const ent_coder_spec *spec, const void *table, ent_buffer *out);
ent_status ent_slots_read(const ent_coder_spec *spec, ent_bytes in, void *table);
double ent_slots_price(const ent_coder_spec *spec, const void *table, uint32_t symbol);

/* ---- search --------------------------------------------------------------------------------- */

/* Slots [start, next range's start) are the symbol's. */
typedef struct ent_slot_range {
    uint32_t start, symbol;
} ent_slot_range;

/* Slots are cut into cells of 2^shift; cell[c] is the range that holds the cell's first slot, and a
 * short scan leads on from there.  There are several times as many cells as ranges, so that it hardly ever
 * takes a step whatever the frequencies are, and the search stays small however fine the slots. */
typedef struct ent_search {
    uint32_t log, shift;
    const ent_slot_range *range; /* the live symbols; the last one more starts at 2^log */
    const uint16_t *cell;
} ent_search;

size_t ent_search_size(const ent_coder_spec *spec, const void *table);
void ent_search_build(const ent_coder_spec *spec, const void *table, void *search);

static inline const ent_slot_range *ent_search_find(const ent_search *search, uint32_t slot)
{
    const ent_slot_range *range = search->range + search->cell[slot >> search->shift];
    while (range[1].start <= slot) range++;
    return range;
}

#endif
