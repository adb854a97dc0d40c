/* bitmap.h - the inside of bitmap, for its files.  See bitmap.c. */
#ifndef ENT_CODER_BITMAP_H
#define ENT_CODER_BITMAP_H

#include <entropy/base.h>

enum { BITMAP_GROUP = 64 }; /* symbols whose bits are one machine word */

#if defined __x86_64__
/* Expands as many of `groups` whole groups as have 64 bytes a load before `end`, and returns their number; *next moves
 * on behind the symbols that they used.  The bitmap has no more ones than there are symbols.  Widths 1, 2, 4, 8. */
size_t ent_bitmap_expand_avx512(const uint8_t *bits, size_t groups, const uint8_t **next, const uint8_t *end,
                                uint32_t width, uint8_t *out);
#endif

#endif
