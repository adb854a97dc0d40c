/* count.h - histograms that merge, and counts made into integer frequencies.
 *
 * Layer 1.  Everything downstream (entropy estimates, code tables) is computed from counts, and
 * counts of parts add up to the counts of the whole: over blocks, threads, tensors, files, machines.
 */
#ifndef ENTROPY_COUNT_H
#define ENTROPY_COUNT_H

#include <entropy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENT_MAX_ALPHABET 65536u /* symbols of a histogram, and of a coder */

/* A histogram: count[s] occurrences of symbol s, s < alphabet; owned. */
typedef struct ent_counts {
    uint32_t alphabet; /* 1 .. ENT_MAX_ALPHABET */
    uint64_t *count;   /* alphabet */
} ent_counts;

/* All zero; ENT_EINVAL for an alphabet out of range, ENT_ENOMEM.  Freed by ent_counts_free, which takes a
 * zeroed struct too. */
ENT_API ent_status ent_counts_init(ent_counts *counts, uint32_t alphabet);
ENT_API void ent_counts_free(ent_counts *counts); /* frees the counts and zeroes the struct */

/* Adds n symbols of `width` bytes each: 1 (alphabet <= 256) or 2.  Symbols >= alphabet are an error
 * of the caller that ENT_EINVAL reports; nothing is added then.  O(n), one pass. */
ENT_API ent_status ent_counts_add(ent_counts *counts, const void *symbols, uint32_t width, size_t n);

/* Where the fields of BF16 words are counted; NULL: left out. */
typedef struct ent_bf16_counts {
    ent_counts *sign, *exponent, *mantissa; /* alphabets 2, 256, 128 */
} ent_bf16_counts;
/* Adds the fields of n BF16 words in one pass, at nearly half of the speed of reading memory where the processor has
 * AVX-512 and exponents are peaked; the exponent alone is faster still.
 * The words need not be aligned.  ENT_EINVAL for other alphabets, ENT_ENOMEM; nothing is added then. */
ENT_API ent_status ent_counts_add_bf16(const ent_bf16_counts *counts, const void *words, size_t n);

/* into += from; ENT_EINVAL when the alphabets differ. */
ENT_API ent_status ent_counts_merge(ent_counts *into, const ent_counts *from);

ENT_API uint64_t ent_counts_total(const ent_counts *counts); /* the sum */
ENT_API uint32_t ent_counts_live(const ent_counts *counts); /* symbols that occur */

/* Counts as bytes, for other processes and machines: the alphabet and each (gap to the next live
 * symbol, count) as LEB128.  `write` appends (growing the buffer); `read` makes new counts of exactly `bytes` and
 * answers ENT_ECORRUPT to anything that `write` would not have written.  Both: ENT_ENOMEM. */
ENT_API ent_status ent_counts_write(const ent_counts *counts, ent_buffer *out);
ENT_API ent_status ent_counts_read(ent_counts *counts, ent_bytes bytes);

/* Counts to integer frequencies for a coder whose slots are 2^log2_total, log2_total <= 24:
 * freq[s] = 0 where count[s] = 0, otherwise 1 .. cap; the sum is exactly 2^log2_total.
 *
 * The result minimises the coded size, sum count[s] * log2(2^log2_total / freq[s]), exactly: that
 * cost is separable and convex, so moving single slots to where they save most is optimal (fox1966).
 *
 * cap = 0 means no cap.  ENT_EINVAL when there are no counts, when more symbols are live than there
 * are slots, or when live * cap < 2^log2_total; ENT_ENOMEM.  `freq`: alphabet numbers.  O(alphabet log alphabet + slots moved). */
ENT_API ent_status ent_normalize(const ent_counts *counts, unsigned log2_total, uint32_t cap, uint32_t *freq);

#ifdef __cplusplus
}
#endif
#endif
