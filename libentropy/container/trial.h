/* trial.h - tables and blocks made as the writer makes them, for their sizes alone. */
#ifndef ENT_CONTAINER_TRIAL_H
#define ENT_CONTAINER_TRIAL_H

#include "container/load.h"
#include "container/plan.h"

/* The tables of a group whose counts are known, and the bytes they take; those that do not pay are let go, as
 * by the writer.  Frees the counts.  Scope block: tables for coding, of no bytes. */
ent_status ent_trial_train(const ent_plan *plan, ent_group *group, size_t *table_bytes);

/* As ent_container_estimate, with an assignment of codecs and deltas. */
ent_status ent_trial_sizes(const ent_weights *weights, const ent_assignment *assignment, uint64_t sample_bytes,
                           const ent_run *run, ent_tensor_size *size, ent_error *error);

/* Codes a unit into scratch->coded, and lets its pages go. */
ent_status ent_trial_encode(const ent_plan *plan, const ent_unit *unit, ent_scratch *scratch);

#endif
