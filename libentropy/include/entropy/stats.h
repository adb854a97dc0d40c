/* stats.h - counts of every field of a tensor in one pass, and entropy estimates from counts.
 *
 * Layer 2.  One struct per estimator, one line each in estimators.def.  Bits per symbol throughout.
 */
#ifndef ENTROPY_STATS_H
#define ENTROPY_STATS_H

#include <entropy/count.h>
#include <entropy/field.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ent_estimate {
    double bits;        /* per symbol */
    double stderr_bits; /* standard error of `bits`; NaN where none can be given (nothing counted) */
} ent_estimate;

typedef struct ent_estimator {
    const char *name;  /* stable key: "plugin", "miller-madow" */
    const char *brief; /* one line */
    const char *cite;  /* key in paper/refs.bib */
    ent_estimate (*from_counts)(const ent_counts *counts);
} ent_estimator;

ENT_API extern const ent_estimator *const ent_estimators[]; /* NULL at the end */
ENT_API const ent_estimator *ent_estimator_find(const char *name);

/* The plug-in entropy of the counts, -sum p log2 p; 0 for no or one live symbol.  Exact to some
 * 1e-12 (Kahan sum in order of symbols, so that threads and machines agree). */
ENT_API double ent_entropy_bits(const ent_counts *counts);

/* ---- counting all fields at once ------------------------------------------------------------- */

/* The counts of every 16-bit plane of a format's words (one plane for words up to 16 bits, two for
 * 32, four for 64; plane 0 is the lowest): from them the counts of any field inside one plane are
 * sums, so that one pass over a tensor serves every split. */
typedef struct ent_word_counts {
    const ent_format *format; /* NULL: opaque bytes, one plane of 256 */
    uint32_t planes;
    ent_counts plane[4];
} ent_word_counts;

/* All zero; freed by ent_word_counts_free, which takes a zeroed struct too. */
ENT_API ent_status ent_word_counts_init(ent_word_counts *counts, const ent_format *format);
ENT_API void ent_word_counts_free(ent_word_counts *counts);
/* Adds n unpacked words, which need not be aligned; bits above the format's are ignored. */
ENT_API void ent_word_counts_add(ent_word_counts *counts, const void *words, size_t n);
/* into += from, so that threads count parts and the sum is that of the whole; ENT_EINVAL when the
 * formats differ. */
ENT_API ent_status ent_word_counts_merge(ent_word_counts *into, const ent_word_counts *from);
ENT_API uint64_t ent_word_counts_total(const ent_word_counts *counts); /* words */
/* Counts of a field that lies within one plane, into `field_counts` (initialised here, zeroed on
 * failure).  ENT_EUNSUPPORTED when the field crosses planes (those are counted by ent_split_words
 * and ent_counts_add), ENT_EINVAL when it has bits that the format has not. */
ENT_API ent_status ent_word_counts_field(const ent_word_counts *counts, const ent_field *field, ent_counts *field_counts);

#ifdef __cplusplus
}
#endif
#endif
