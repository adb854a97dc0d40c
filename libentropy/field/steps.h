/* steps.h - the inner loops of split and join, for the best target that this processor has. */
#ifndef ENT_FIELD_STEPS_H
#define ENT_FIELD_STEPS_H

#include <stddef.h>
#include <stdint.h>

/* What one range asks of a lane (a word, or a symbol as wide as a word): shift, then mask; one of the
 * shifts is 0.  Lanes sit side by side in 64-bit integers, the mask repeats for each: it keeps out
 * what a shift carries over from the neighbour. */
typedef struct ent_move {
    unsigned right, left;
    uint64_t mask;
} ent_move;

static inline uint64_t ent_moved(uint64_t lanes, ent_move m) { return (lanes >> m.right << m.left) & m.mask; }

/* Nothing needs to be aligned; nothing may overlap. */
typedef void ent_move_step(const void *restrict from, size_t n, void *restrict to, ent_move m);
typedef void ent_resize_step(const void *restrict from, size_t n, void *restrict to);

typedef struct ent_steps {
    ent_move_step *set, *add;      /* n 64-bit integers: to = moved(from), to |= moved(from) */
    ent_resize_step *resize[4][4]; /* n integers of 2^i bytes to 2^j bytes, upper bytes dropped or zero; i != j */
    /* BF16 words to exponents and sign << 7 | mantissa, a byte each, and back */
    void (*split_bf16)(const void *restrict words, size_t n, void *restrict exponents, void *restrict rests);
    void (*join_bf16)(void *restrict words, size_t n, const void *restrict exponents, const void *restrict rests);
} ent_steps;

const ent_steps *ent_steps_best(void);

#endif
