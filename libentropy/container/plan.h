/* plan.h - how a model is to be coded: its recipes, and groups of tensors that share tables. */
#ifndef ENT_CONTAINER_PLAN_H
#define ENT_CONTAINER_PLAN_H

#include "container/index.h"

/* Tensors whose counts are added up and whose tables are one. */
typedef struct ent_group {
    uint32_t recipe;
    const char *role;                  /* scope role */
    ent_counts counts[ENT_MAX_FIELDS]; /* zeroed structs but while they are needed */
    uint64_t words;                    /* counted */
    double bits;                       /* what the counts promise for those words, in all */
    ent_tables tables;
    int64_t id[ENT_MAX_FIELDS]; /* of its tables in the container, -1: none */
} ent_group;

typedef struct ent_plan {
    const ent_weights *weights, *base; /* base: where there are deltas, else NULL */
    const ent_tensor **source;         /* of each tensor of the index */
    ent_index index; /* codec, files, recipes and tensors; sizes, hashes and tables are filled in by the writer */
    uint32_t *group_of;
    ent_group *group; /* for scope block: of no use but for `bits` */
    size_t groups;
} ent_plan;

/* Whether what coding a field of the group can save pays for its table of so many bytes. */
bool ent_group_pays(const ent_plan *plan, const ent_group *group, uint32_t field, size_t table_bytes);

/* A block to be coded. */
typedef struct ent_unit {
    uint32_t tensor;
    uint32_t words;
    uint64_t block, offset; /* offset and size: its bytes within the tensor */
    size_t size;
} ent_unit;

/* All tensors, or only those that are parts of files: others are kept as the files hold them, compressed.  ENT_EINVAL
 * for codecs that do not go together (see ent_assignment). */
enum ent_plan_tensors { ENT_PLAN_ALL, ENT_PLAN_IN_FILES };
ent_status ent_plan_make(ent_plan *plan, const ent_weights *weights, const ent_assignment *assignment,
                         enum ent_plan_tensors tensors, ent_error *error);
void ent_plan_free(ent_plan *plan);

/* Models are walked in batches: tensors of at most this in all, or one larger tensor; not too many,
 * as each may have a table for 65536 symbols, some 2 MiB with its counts. */
enum { ENT_BATCH_BYTES = 64 << 20, ENT_BATCH_TENSORS = 64 };
/* The end of the batch that begins with tensor `first`, and its bytes. */
size_t ent_plan_batch(const ent_plan *plan, size_t first, uint64_t *bytes);

/* Finds the tensors that have the dtype and bytes of an earlier one (index.tensor[].same): they are neither counted
 * nor coded.  Reads some KiB of each tensor that is as large as another, and all of those that may be the same. */
ent_status ent_plan_find_same(ent_plan *plan, ent_error *error);

/* All blocks of tensors [first, end), in order: freed by ent_free. */
ent_status ent_plan_units(const ent_plan *plan, size_t first, size_t end, ent_unit **units, size_t *n,
                          ent_error *error);
/* The words of a unit, or what a delta leaves of them, unpacked and aligned: a view, or copied into `scratch`, which
 * grows. */
ent_status ent_unit_words(const ent_plan *plan, const ent_unit *unit, ent_buffer *scratch, const void **words);
/* Lets its pages go, and those of its counterpart. */
void ent_unit_release(const ent_plan *plan, const ent_unit *unit);

/* Adds the counts of units to their groups; with `release`, their pages are let go.  Deterministic,
 * whatever the threads.  Scope block: adds the bits of each block's own counts to its group. */
ent_status ent_plan_count(ent_plan *plan, const ent_unit *units, size_t n, unsigned threads, bool release,
                          ent_error *error);
/* The whole model, batch by batch, releasing all of it. */
ent_status ent_plan_count_all(ent_plan *plan, const ent_run *run, ent_error *error);

#endif
