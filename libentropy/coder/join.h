/* join.h - the joins that fused decoders know, and what every one of their loops shares. */
#ifndef ENT_CODER_JOIN_H
#define ENT_CODER_JOIN_H

#include <entropy/coder.h>

typedef enum ent_join_form {
    ENT_JOIN_OTHER, /* left to the caller's two steps */
    ENT_JOIN_BF16,  /* rest: a byte, sign << 7 | mantissa */
    ENT_JOIN_F16,   /* rest: 11 bits, sign << 10 | mantissa, packed */
    ENT_JOIN_F32,   /* rest: three byte planes, the highest as that of BF16 */
    ENT_JOIN_CODE   /* bytes: `shift` bits below the symbol, laid out as planar-rans has them (FORMAT.md) */
} ent_join_form;

/* Never ENT_JOIN_CODE, which is no split's: planar-rans asks for it itself. */
ent_join_form ent_join_form_of(const ent_join *join);

/* Joins `n` symbols, the first of which has number `first`, to words; reads and writes nothing else.
 * For a form that is not ENT_JOIN_OTHER. */
void ent_join_symbols(ent_join_form form, const ent_join *join, const uint8_t *symbols, size_t first, size_t n,
                      uint8_t *words);

/* How many bytes ahead of use memory is asked for.  A prefetcher of the processor stops at each page
 * and the window of instructions in flight holds only some hundred bytes; an ordinary store waits
 * for its line as a load does.  Asking beyond the end of an array is harmless. */
enum { ENT_READ_AHEAD = 2048, ENT_WRITE_AHEAD = 4096 };

#define ent_ask_to_read(p) __builtin_prefetch((const void *)((uintptr_t)(p) + ENT_READ_AHEAD), 0)
#define ent_ask_to_write(p) __builtin_prefetch((const void *)((uintptr_t)(p) + ENT_WRITE_AHEAD), 1)

/* Where reading begins at several places, they are asked for at once, so that their ways from memory overlap. */
static inline void ent_ask_for(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i += 64) __builtin_prefetch(at + i);
}

#endif
