/* word_counts.c - counts of the 16-bit planes of words, and the marginals of fields inside a plane. */
#include <entropy/stats.h>

#include "base/bits.h"
#include "count/words.h"

enum { PLANE_BITS = 16 };

static unsigned word_bits(const ent_format *format) { return format ? format->bits : 8; }

ent_status ent_word_counts_init(ent_word_counts *counts, const ent_format *format)
{
    unsigned bits = word_bits(format), plane_bits = bits < PLANE_BITS ? bits : PLANE_BITS;
    *counts = (ent_word_counts){ .format = format, .planes = (bits + PLANE_BITS - 1) / PLANE_BITS };
    for (unsigned p = 0; p < counts->planes; p++) {
        ent_status status = ent_counts_init(&counts->plane[p], (uint32_t)1 << plane_bits);
        if (!status) continue;
        ent_word_counts_free(counts);
        return status;
    }
    return ENT_OK;
}

void ent_word_counts_free(ent_word_counts *counts)
{
    for (unsigned p = 0; p < counts->planes; p++) ent_counts_free(&counts->plane[p]);
    *counts = (ent_word_counts){ .format = NULL };
}

/* Words of up to 8 bits: the fast byte histogram, folded onto the bits that the format has. */
static void add_bytes(ent_counts *plane, const uint8_t *word, size_t n)
{
    uint64_t cell[256] = { 0 };
    ent_counts bytes = { 256, cell };
    ent_counts_add(&bytes, word, 1, n); /* cannot fail: every byte is in the alphabet */
    for (unsigned s = 0; s < 256; s++) plane->count[s & (plane->alphabet - 1)] += cell[s];
}

static void add_32(ent_counts plane[2], const uint8_t *word, size_t n)
{
    uint64_t *low = plane[0].count, *high = plane[1].count;
    for (size_t i = 0; i < n; i++) {
        uint32_t w = ent_load32(word + 4 * i);
        low[w & 0xffff]++;
        high[w >> 16]++;
    }
}

static void add_64(ent_counts plane[4], const uint8_t *word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t w = ent_load64(word + 8 * i);
        for (unsigned p = 0; p < 4; p++) plane[p].count[w >> PLANE_BITS * p & 0xffff]++;
    }
}

void ent_word_counts_add(ent_word_counts *counts, const void *words, size_t n)
{
    switch (ent_format_width(counts->format)) {
    case 1: add_bytes(counts->plane, words, n); break;
    case 2: ent_count_words(counts->plane->count, words, n, (uint16_t)(counts->plane->alphabet - 1)); break;
    case 4: add_32(counts->plane, words, n); break;
    default: add_64(counts->plane, words, n);
    }
}

ent_status ent_word_counts_merge(ent_word_counts *into, const ent_word_counts *from)
{
    if (into->format != from->format) return ENT_EINVAL;
    for (unsigned p = 0; p < into->planes; p++) {
        ent_status status = ent_counts_merge(&into->plane[p], &from->plane[p]);
        if (status) return status;
    }
    return ENT_OK;
}

uint64_t ent_word_counts_total(const ent_word_counts *counts) { return ent_counts_total(&counts->plane[0]); }

/* ---- fields --------------------------------------------------------------------------------------- */

/* The plane that holds all ranges of the field, or ENT_EINVAL for bits that the word has not and
 * ENT_EUNSUPPORTED for a field that crosses planes. */
static ent_status plane_of(const ent_word_counts *counts, const ent_field *field, unsigned *plane)
{
    if (field->ranges < 1 || field->ranges > ENT_MAX_RANGES) return ENT_EINVAL;
    *plane = field->range[0].low / PLANE_BITS;
    for (unsigned k = 0; k < field->ranges; k++) {
        unsigned low = field->range[k].low, end = low + field->range[k].bits;
        if (low >= end || end > word_bits(counts->format)) return ENT_EINVAL;
        if (low / PLANE_BITS != *plane || (end - 1) / PLANE_BITS != *plane) return ENT_EUNSUPPORTED;
    }
    return ent_field_alphabet(field) ? ENT_OK : ENT_EUNSUPPORTED;
}

static uint32_t symbol_of(const ent_field *field, uint32_t plane_word)
{
    uint32_t symbol = 0;
    for (unsigned k = 0; k < field->ranges; k++) {
        unsigned low = field->range[k].low % PLANE_BITS, bits = field->range[k].bits;
        symbol = symbol << bits | (plane_word >> low & ((1u << bits) - 1));
    }
    return symbol;
}

ent_status ent_word_counts_field(const ent_word_counts *counts, const ent_field *field, ent_counts *field_counts)
{
    unsigned p = 0;
    *field_counts = (ent_counts){ 0, NULL };
    ent_status status = plane_of(counts, field, &p);
    if (!status) status = ent_counts_init(field_counts, ent_field_alphabet(field));
    if (status) return status;
    for (uint32_t w = 0; w < counts->plane[p].alphabet; w++)
        field_counts->count[symbol_of(field, w)] += counts->plane[p].count[w];
    return ENT_OK;
}
