/* run.h - does the cells of a plan, one record each, whatever fails. */
#ifndef ENT_ANALYSES_RUN_H
#define ENT_ANALYSES_RUN_H

#include "plan.h"
#include "record.h"

struct common;

struct run {
    const struct plan *plan;
    const struct common *common;
    const char *folder;         /* for records and for files that live as long as a cell */
    uint64_t shard, shards;     /* cells shard, shard + shards, ... from 0 */
    struct records *records;    /* cells that are finished in here are left alone */
    uint64_t done, failed, kept; /* cells done now, those of them that failed, and those left alone */
    ent_status worst;           /* of the first that failed */
};

/* Writes the records to `path` after every cell.  A cell that fails is a record too; an error is only
 * what keeps records from being written.  What a codec or a target cannot do is no failure. */
ent_status run_cells(struct run *run, const char *path, ent_error *error);

#endif
