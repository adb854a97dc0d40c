/* samples.h - seeded symbols of the kinds that coders meet, for the tests of coders. */
#ifndef ENT_SAMPLES_H
#define ENT_SAMPLES_H

#include "test.h"

typedef enum sample_kind {
    SAMPLE_UNIFORM,
    SAMPLE_CONSTANT, /* the last symbol of the alphabet */
    SAMPLE_PEAKED,   /* like exponents of weights: about 40 live symbols, 2.6 bits, wrapped into the alphabet */
    SAMPLE_SKEWED,   /* the first symbol with p = 0.999, else the last */
    SAMPLE_EVEN,     /* uniform over the even symbols: every second one is never used */
    SAMPLE_BELL,     /* like 8-bit codes of weights: a sum of four even numbers, 7.2 bits of 8 */
    SAMPLE_KINDS
} sample_kind;

extern const char *const sample_names[SAMPLE_KINDS];

/* n symbols of 1 byte (alphabet <= 256) or 2, and their counts; both are the caller's to free
 * (ent_free, ent_counts_free).  A shorter sample of the same seed is a prefix of a longer one. */
void *sample_make(sample_kind kind, uint32_t alphabet, size_t n, uint64_t seed, ent_counts *counts);

#endif
