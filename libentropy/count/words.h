/* words.h - private to the library: a histogram of 16-bit words. */
#ifndef ENT_COUNT_WORDS_H
#define ENT_COUNT_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* Adds n words to count[word & mask]; nothing needs to be aligned. */
void ent_count_words(uint64_t *count, const uint8_t *words, size_t n, uint16_t mask);

#endif
