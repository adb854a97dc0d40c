/* flow.h - a container's files as they were, piece by piece, in order. */
#ifndef ENT_CONTAINER_FLOW_H
#define ENT_CONTAINER_FLOW_H

#include "container/load.h"

/* A piece of a file: a block of a tensor, or bytes that are in none. */
typedef struct ent_piece {
    size_t file;
    uint64_t offset; /* in the file */
    ent_bytes bytes;
    const ent_index_tensor *tensor; /* NULL: bytes in no tensor */
    uint64_t block;
} ent_piece;

typedef struct ent_flow {
    ent_container *container;
    ent_run run;
    /* Takes a piece, in any thread, in any order; NULL: nothing to do. */
    ent_status (*sink)(void *context, const ent_piece *piece, ent_error *error);
    /* Told of each thing wrong, in order, one at a time, from any thread; the flow then goes on with what can be
     * read.  NULL: the first wrong thing ends the flow. */
    ent_finding *report;
    void *context; /* of sink */
    void *report_context;
} ent_flow;

/* Decodes everything, and compares the checksum of each file.  With report: ENT_ECHECK when there
 * was a report. */
ent_status ent_flow_all(const ent_flow *flow, ent_error *error);

#endif
