/* allocate.h - which option each item gets within a size, in published ways; beside them stands ent_choose, which minimises a sum
 * of losses that are known beforehand (entropy/target.h).
 *
 * L-GreCo (Alimohammadi et al. 2022) minimises the sum of squared errors by dynamic programming over their sum, cut into
 * steps.  EvoPress (Sieberling et al. 2025) takes no loss for a sum: it changes a few items at a time, measures the
 * whole, and keeps what is better. */
#ifndef ENT_ANALYSES_ALLOCATE_H
#define ENT_ANALYSES_ALLOCATE_H

#include <entropy/base.h>

enum allocate_how { ALLOCATE_SENSITIVITY, ALLOCATE_L_GRECO, ALLOCATE_EVOPRESS, ALLOCATE_HOWS };
/* By the names "sensitivity", "l-greco", "evopress"; false: no such name. */
bool allocate_find(const char *name, enum allocate_how *how);
const char *allocate_name(enum allocate_how how);

struct allocation {
    size_t items, options;
    const double *size, *error; /* [items][options]: finite; what an item takes and loses with an option, 0 or more */
    double most;                /* of the sum of sizes */
};

enum { L_GRECO_STEPS = 10000 }; /* as published */

/* The least size for every sum of errors up to that of one option for all that fits, in `steps` steps; the first that fits is
 * taken.  Errors are rounded up to steps, so the sum is at most `items` steps above the least.  ENT_ERANGE when nothing fits.
 * Time: items * options * steps; memory: 4 bytes times items * steps. */
ent_status allocate_l_greco(const struct allocation *a, uint32_t steps, uint32_t *pick, ent_error *error);

/* ---- evolution -------------------------------------------------------------------------------------------------- */

enum { EVOLUTION_STAGES = 3 };

/* A generation: the parent's offspring, each with one to three items raised to their next larger option and others lowered until
 * the size is kept, pass stages of selection, on few sequences first; the last, on all, with the parent among them. */
struct evolution {
    uint64_t seed;
    uint32_t generations, offspring;
    uint32_t survivors[EVOLUTION_STAGES]; /* the last is 1 */
    uint32_t sequences[EVOLUTION_STAGES]; /* the last is all; fewer are drawn anew, in a row, in every generation */
    /* What is lost with these options, measured on `count` sequences from `first` on. */
    ent_status (*loss)(void *context, const uint32_t *pick, uint32_t first, uint32_t count, double *loss, ent_error *error);
    void *context;
    const ent_run *run; /* progress */
};

/* EVOLUTION_PRESET with a loss and a seed of one's own. */
#define EVOLUTION_PRESET { .generations = 50, .offspring = 16, .survivors = { 4, 1, 1 }, .sequences = { 1, 4, 16 } }

/* Starts, as published, from one option for all, the largest that fits, and never gives a loss above it on all sequences.  Options
 * that are larger than another of no larger error are left out.  *start, *end (may be NULL): losses on all sequences.
 * ENT_ERANGE when nothing fits. */
ent_status allocate_evopress(const struct allocation *a, const struct evolution *e, uint32_t *pick, double *start, double *end,
                             ent_error *error);

#endif
