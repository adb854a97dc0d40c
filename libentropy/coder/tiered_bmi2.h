/* tiered_bmi2.h - what the fast encoders of tiered share: 64 symbols, as bit planes, to their tiers. */
#ifndef ENT_CODER_TIERED_BMI2_H
#define ENT_CODER_TIERED_BMI2_H

#include "coder/tiered.h"

#if defined __x86_64__
#include <immintrin.h>

#define TIERED_BMI2_INLINE \
    __attribute__((target("bmi,bmi2,lzcnt,popcnt"))) static inline __attribute__((always_inline))

/* The symbols in `reach` have codes in this tier: those in `beyond` all ones, the others theirs. */
TIERED_BMI2_INLINE void tiered_put_tier(tiered_job *job, unsigned tier, unsigned width, const uint64_t *code,
                                        uint64_t reach, uint64_t beyond)
{
    unsigned count = (unsigned)__builtin_popcountll(reach);
    uint64_t together = 0;
    bool few = width * count <= 64;
    for (unsigned j = 0; j < width; j++) {
        uint64_t plane = _pext_u64(code[j] | beyond, reach);
        if (few) together |= plane << (j * count & 63);
        else tiered_put(job, tier, plane, count);
    }
    if (few) tiered_put(job, tier, together, width * count);
    job->count[tier] += count;
}

/* Of 64 symbols: bit j of the codes in their own tiers is code[j], the number of the tier 2 high + low.
 * Symbol i of those that escape every tier, if any may, is symbols[i]. */
TIERED_BMI2_INLINE void tiered_put_group(const tiered_encoder *e, tiered_job *job, const uint64_t code[TIERED_WIDTH],
                                         uint64_t low, uint64_t high, const uint8_t *symbols)
{
    const uint64_t beyond[TIERED_TIERS] = { low | high, high, low & high, 0 };
    uint64_t reach = beyond[0];
    for (unsigned j = 0; j < e->width[0]; j++, job->bits[0] += 8) ent_store64(job->bits[0], code[j] | reach);
    job->count[0] += TIERED_GROUP;
    for (unsigned k = 1; k < e->tiers; k++) {
        tiered_put_tier(job, k, e->width[k], code, reach, beyond[k]);
        if (k + 1 < e->tiers) reach = beyond[k];
    }
    if (!e->escapes) return;
    uint64_t escaped = e->tiers > 1 ? reach : ~(uint64_t)0;
    for (unsigned j = 0; j < e->width[e->tiers - 1]; j++) escaped &= code[j];
    for (; escaped; escaped &= escaped - 1) *job->escape++ = symbols[__builtin_ctzll(escaped)];
}
#endif
#endif
