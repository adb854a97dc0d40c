/* core_speed.h - what one core does in a cycle, and how fast memory gives bytes: small loops, timed. */
#ifndef ENT_ANALYSES_CORE_SPEED_H
#define ENT_ANALYSES_CORE_SPEED_H

#include <stddef.h>

/* As the keys of a target's `execution`. */
struct core_speed {
    double clock_ghz; /* a chain of additions takes one cycle each */
    double operations_per_cycle, loads_per_cycle, load_latency_cycles, multiply_latency_cycles;
    double branch_cycles; /* of a branch that goes either way by chance, beyond one that does not */
    double vector_bytes, vectors_per_cycle, gather_lanes_per_cycle; /* 0: no AVX2 */
};

void core_speed(struct core_speed *speed);

/* 10^9 bytes a second that `threads` read together, each from a part of a buffer of so many bytes in all that
 * it goes through again and again: fastest of some passes.  0: no memory. */
double read_gbps(size_t bytes, unsigned threads);

#endif
