/* clock.h - clocks to measure how long something takes. */
#ifndef ENT_BASE_CLOCK_H
#define ENT_BASE_CLOCK_H

#include <time.h>

static inline double ent_nanoseconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static inline double ent_seconds(clockid_t clock) { return 1e-9 * ent_nanoseconds(clock); }

#endif
