/* bench_container.h - `entropy bench CONTAINER`. */
#ifndef ENT_ANALYSES_BENCH_CONTAINER_H
#define ENT_ANALYSES_BENCH_CONTAINER_H

#include "command.h"

struct bench_container {
    const struct common *common;
    const char *path, *plan; /* plan: NULL, or what `entropy choose` wrote and the container was made by */
    unsigned runs;
};

/* Measures decoding of all tensors and prints it, beside what the plan predicted. */
ent_status bench_container(const struct bench_container *bench, ent_error *error);

#endif
