/* book.h - the nearest of a book of vectors, whose numbers lie coordinate by coordinate, in loops that compilers make wide. */
#ifndef ENT_TRANSFORM_BOOK_H
#define ENT_TRANSFORM_BOOK_H

#include <stdint.h>

/* half[k]: half the squared length of entry k of width x entries numbers. */
void ent_book_half(const float *across, uint32_t entries, uint32_t width, float *half);

/* The nearest of `entries`, a power of two, to a vector: |x - e|^2 / 2 = |x|^2 / 2 + half - x e, the last two terms left in
 * score[0 .. entries - 1]; equals: the first.  An entry whose half is infinite is never the nearest. */
uint32_t ent_book_nearest(const float *across, const float *half, uint32_t entries, uint32_t width, const float *vector, float *score);

#endif
