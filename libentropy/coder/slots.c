/* slots.c - see slots.h; here the number of slots is chosen and the search is built. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "coder/freq.h"
#include "coder/slots.h"

enum {
    LOG_USUAL = 12,       /* decoding tables then fit the first cache level */
    CELLS_LOG_LEAST = 12, /* 8 KiB of cells: nearly no scan for alphabets of bytes */
    CELLS_FINER = 3,      /* eight cells a symbol: one look-up in twenty scans, which no processor foresees */
};

size_t ent_slots_size(const ent_coder_spec *spec)
{
    return sizeof(ent_slots) + spec->alphabet * sizeof(uint32_t);
}

/* ---- training ------------------------------------------------------------------------------- */

static unsigned log_for(uint32_t wish, uint32_t live)
{
    unsigned need = ent_bits_for(live); /* a slot for each; a smaller wish is raised to it */
    return wish > need ? wish : need;
}

static double coded_bits(const ent_counts *counts, unsigned log, const uint32_t *freq)
{
    double bits = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) bits += (double)counts->count[s] * (log - log2(freq[s]));
    return bits;
}

/* A doubling lengthens each stored frequency by a bit.  It halves the error of rounding rare symbols
 * up to one slot, so that what all further ones could save is about what the last one did. */
static ent_status refine(const ent_counts *counts, ent_slots_worth worth, ent_slots *slots, uint32_t *finer)
{
    double bits = coded_bits(counts, slots->log, slots->freq);
    uint32_t live = ent_counts_live(counts);
    while (slots->log < ENT_SLOTS_LOG_MOST) {
        ent_status status = ent_normalize(counts, slots->log + 1, 0, finer);
        if (status) return status;
        double finer_bits = coded_bits(counts, slots->log + 1, finer), saved = bits - finer_bits;
        double least = slots->log + 1 == worth.dear_log ? worth.dear : worth.finer;
        if (saved <= live || saved <= least * bits) break;
        memcpy(slots->freq, finer, counts->alphabet * sizeof *finer);
        slots->log++;
        bits = finer_bits;
    }
    return ENT_OK;
}

ent_status ent_slots_train(const ent_coder_spec *spec, const ent_counts *counts, ent_slots_worth worth, void *table)
{
    ent_slots *slots = table;
    uint32_t wish = spec->param[ENT_SLOTS_PARAM], live = ent_counts_live(counts);
    uint64_t total = ent_counts_total(counts);
    unsigned usual = total < 1u << LOG_USUAL ? ent_bits_for((uint32_t)total) : LOG_USUAL;
    slots->log = log_for(wish ? wish : usual, live);
    ent_status status = ent_normalize(counts, slots->log, 0, slots->freq);
    if (status || wish) return status;
    uint32_t *finer = ent_alloc(counts->alphabet * sizeof *finer);
    if (!finer) return ENT_ENOMEM;
    status = refine(counts, worth, slots, finer);
    ent_free(finer);
    return status;
}

ent_status ent_slots_write(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    const ent_slots *slots = table;
    return ent_freq_write(slots->freq, spec->alphabet, slots->log, out);
}

static uint32_t live_of(const ent_slots *slots, uint32_t alphabet)
{
    uint32_t live = 0;
    for (uint32_t s = 0; s < alphabet; s++) live += slots->freq[s] != 0;
    return live;
}

ent_status ent_slots_read(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    ent_slots *slots = table;
    uint32_t wish = spec->param[ENT_SLOTS_PARAM];
    unsigned log;
    ent_status status = ent_freq_read(in, spec->alphabet, ENT_SLOTS_LOG_MOST, slots->freq, &log);
    if (status) return status;
    slots->log = log;
    return wish && log != log_for(wish, live_of(slots, spec->alphabet)) ? ENT_ECORRUPT : ENT_OK;
}

double ent_slots_price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    const ent_slots *slots = table;
    return slots->log - log2(slots->freq[symbol]);
}

/* ---- search --------------------------------------------------------------------------------- */

static unsigned cells_log(const ent_slots *slots, uint32_t live)
{
    unsigned log = ent_bits_for(live) + CELLS_FINER;
    if (log < CELLS_LOG_LEAST) log = CELLS_LOG_LEAST;
    return log < slots->log ? log : slots->log;
}

size_t ent_search_size(const ent_coder_spec *spec, const void *table)
{
    uint32_t live = live_of(table, spec->alphabet);
    return sizeof(ent_search) + (live + 1) * sizeof(ent_slot_range) + (sizeof(uint16_t) << cells_log(table, live));
}

void ent_search_build(const ent_coder_spec *spec, const void *table, void *search)
{
    const ent_slots *slots = table;
    uint32_t live = live_of(slots, spec->alphabet), log = slots->log, shift = log - cells_log(slots, live);
    ent_slot_range *range = (ent_slot_range *)((ent_search *)search + 1);
    uint16_t *cell = (uint16_t *)(range + live + 1);
    *(ent_search *)search = (ent_search){ log, shift, range, cell };
    uint32_t start = 0, r = 0, c = 0;
    for (uint32_t s = 0; s < spec->alphabet; s++) {
        if (!slots->freq[s]) continue;
        range[r] = (ent_slot_range){ start, s };
        start += slots->freq[s];
        for (; c << shift < start; c++) cell[c] = (uint16_t)r;
        r++;
    }
    range[r] = (ent_slot_range){ start, 0 };
}
