/* tbe.h - the inside of tbe, for its files.  See tbe.c. */
#ifndef ENT_CODER_TBE_H
#define ENT_CODER_TBE_H

#include <entropy/coder.h>

enum {
    TBE_GROUP = 64,  /* symbols whose bits lie together: a machine word a plane */
    TBE_PLANES = 3,
    TBE_WINDOW = 7,  /* symbols with a code */
    TBE_GROUP_BYTES = TBE_GROUP / 8 * TBE_PLANES
};

/* A block being decoded: what comes next of its planes and of its escapes. */
typedef struct tbe_block {
    const uint8_t *planes, *escape, *end;
} tbe_block;

#if defined __x86_64__
/* The next `groups` whole groups, to symbols, or to words where `join`, of a form that ent_join_form_of knows, is not NULL;
 * `stream` needs words aligned to 64 bytes.  False when the escapes run out. */
bool ent_tbe_decode_avx512(uint8_t base, tbe_block *block, const ent_join *join, uint8_t *out, size_t groups);
#endif

#endif
