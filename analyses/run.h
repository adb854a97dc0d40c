/* run.h - does the cells of a plan, one record each, whatever fails.
 *
 * Cells are measured by workers, processes of their own (batch/worker.h).  Any number of processes may work in one run
 * folder: claims (batch/claims.h) keep them from doing a cell twice, and each writes records of its own.
 */
#ifndef ENT_ANALYSES_RUN_H
#define ENT_ANALYSES_RUN_H

#include "batch/claims.h"
#include "batch/worker.h"
#include "plan.h"
#include "record.h"

struct common;

struct run {
    struct work work;      /* plan, folder, limits */
    unsigned jobs;         /* workers at once; at least 1 */
    uint64_t shard, shards; /* of the cells, from 0; shards 1: all */
    bool retry;            /* failed cells too */
    struct records *records; /* of this process; those of earlier runs that it took over stay */
    uint64_t done, failed;      /* cells done now, and those of them that failed */
    uint64_t kept, failed_before; /* those that had been done, and those of them that failed */
    uint64_t left;              /* those that others are at, or that a stop has left */
    ent_status worst;      /* of the first that failed */
    int stopped;           /* the signal that ended it, 0: none */
};

/* Runs cells until all are done or a signal (INT, TERM, USR1) says to stop: of USR1, cells in hand get a minute to end.
 * `others`: what other processes have recorded.  Records are written to `path` now and then, and at the end; what is
 * written is whole at any time.  A cell that fails is a record too; an error is only what keeps records from being
 * written.  What a codec or a target cannot do is no failure. */
ent_status run_cells(struct run *run, struct claims *claims, const struct records *others, const char *path,
                     ent_error *error);

#endif
