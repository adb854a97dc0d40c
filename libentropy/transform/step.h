/* step.h - codes on one uniform step, and the parts that say what they mean. */
#ifndef ENT_TRANSFORM_STEP_H
#define ENT_TRANSFORM_STEP_H

#include <math.h>

#include "transform/parts.h"

/* lean has one value for each code from -LEAN to LEAN. */
enum { LEAN = 15, LEANS = 2 * LEAN + 1, STEP_SIDE_BITS = 32 + 16 * LEANS };

/* The nearest code, ties to even, as adding and subtracting 1.5 * 2^52 finds it without a call of the library; without branches,
 * since none could be foretold. */
static inline int step_code(double w, double step, double dead)
{
    const double x = w / step, most = INT16_MAX;
    double code = x > -most ? x : -most; /* of NaN too, which feedback may overflow to */
    code = code < most ? code : most;
    code = (code + 0x1.8p52) - 0x1.8p52;
    return (int)code & -(fabs(x) >= 0.5 + dead);
}

static inline float step_value(int code, float step, const float lean[LEANS])
{
    return (code < -LEAN || code > LEAN ? (float)code : (float)code + lean[code + LEAN]) * step;
}

/* Adds the parts step, F32, one; lean, BF16, 1 x LEANS; codes, I<bits> of the fewest bits that hold all from -most to
 * most, still zero, which it returns; NULL when there is no memory. */
ent_part *ent_step_add(ent_packed *packed, float step, const float lean[LEANS], int most, ent_error *error);
/* The means of cells in steps from their middles, as BF16, from the n[] weights in each and the sum[] of that.  Zero
 * stays zero. */
void ent_step_lean(const uint64_t n[LEANS], const double sum[LEANS], float lean[LEANS]);
/* Values of all codes. */
ent_status ent_step_read(const ent_packed *packed, float *values, ent_error *error);

/* n times the entropy of counts[0 .. 65535]. */
double ent_step_entropy(const uint32_t *count, size_t n);

#endif
