/* reproduce.h - Huff-LLM's and BitStack's tables from our own weights and targets, beside the published numbers. */
#ifndef ENT_ANALYSES_REPRODUCE_H
#define ENT_ANALYSES_REPRODUCE_H

#include "output.h"
#include "published.h"
#include "variants.h"

struct reproduction {
    struct published cells, models, workloads;
    const struct variants *weights; /* [sets] */
    size_t sets;
};

/* Reads the published tables. */
ent_status reproduction_open(struct reproduction *r, ent_error *error);
void reproduction_close(struct reproduction *r);

/* The rows of one table ("1", "5", "6", "7", "256" or "area") of the published ones, for every set of weights. */
ent_status reproduce_table(const struct reproduction *r, const char *name, struct table *table, ent_error *error);
/* BitStack's Table 6: MiB of a block of each matrix, from the shapes of the published models; needs no weights. */
ent_status reproduce_blocks(struct table *table, ent_error *error);
/* What one weight a cycle needs: content-addressed decoders of several sizes on every set of weights. */
ent_status reproduce_decoders(const struct reproduction *r, struct table *table, ent_error *error);

#endif
