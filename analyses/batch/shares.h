/* shares.h - what the cells of a plan take, and how they are shared out over shards. */
#ifndef ENT_ANALYSES_SHARES_H
#define ENT_ANALYSES_SHARES_H

#include "../plan.h"

/* The bytes of each model: of its files, or what a generated one will have; 0 of one that cannot be opened.  Kept in
 * FOLDER/models.json, which the first process writes, so that all shards of a run share out alike.  Only the heads of
 * files are read. */
ent_status model_bytes(uint64_t *bytes, const struct plan *plan, const char *folder, ent_error *error);

/* Cells of a model and codec are done together, as they share the coded size: [first, end).  A part of the statistics is
 * a group of its own. */
size_t group_end(const struct plan *plan, size_t first);

/* The shard, from 0, of each cell: groups in order of their bytes, each to the shard that has least (Graham 1969).  Of
 * equal models that is every N-th group. */
ent_status shares_make(uint32_t *share, const struct plan *plan, const uint64_t *bytes, uint32_t shards,
                       ent_error *error);

#endif
