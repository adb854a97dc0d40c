/* dot.h - the inner loop of the product: BF16 weights times FP32 values. */
#ifndef ENT_TARGET_DOT_H
#define ENT_TARGET_DOT_H

#include <entropy/base.h>

/* The sum of w[i] * x[i], in one order whatever the processor: 64 lanes that start at +0, lane l
 * takes i = l, l + 64, l + 128, ... by fused multiply-adds, the last 64 filled up with zeros; then
 * lane l takes lane l + 32, then l + 16, 8, 4, 2, 1.  So all variants give the same bits (but for the
 * payload of a NaN). */
typedef float ent_dot(const uint16_t *w, const float *x, size_t n);

ent_dot ent_dot_plain; /* the judge */
#if defined __x86_64__
ent_dot ent_dot_avx2, ent_dot_avx512; /* for processors that have them */
#endif

/* The fastest for this processor. */
ent_dot *ent_dot_best(void);

#endif
