/* gsl_random.c - ent_random as a generator of GSL, so that its variates are seeded as ours are. */
#include "stats/parts.h"

static unsigned long next_bits(void *state) { return (unsigned long)(ent_random_bits(state) >> 32); }
static double next_uniform(void *state) { return ent_random_uniform(state); }
static void no_seed(void *state, unsigned long seed) { (void)state, (void)seed; }

const gsl_rng_type ent_gsl_random = {
    .name = "ent_random", .max = 0xffffffff, .min = 0, .size = sizeof(ent_random),
    .set = no_seed, .get = next_bits, .get_double = next_uniform,
};
