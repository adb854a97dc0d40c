/* claims.h - who works on which cell of a run folder: locks on the bytes of a file, one byte a cell.
 *
 * A lock goes with the process that holds it, however it ends, so nothing is ever left claimed.  A byte becomes 1 once
 * the cell's record is on disk.  Where the file system has no locks every claim succeeds: shards keep processes apart.
 */
#ifndef ENT_ANALYSES_CLAIMS_H
#define ENT_ANALYSES_CLAIMS_H

#include <entropy/base.h>

struct claims {
    int fd;
    bool locks; /* the file system has them */
    char *before; /* the bytes as they were found */
};

enum claim { CLAIM_TAKEN, CLAIM_BUSY, CLAIM_DONE }; /* done: by another since claims_open */

/* To be called before the records of the folder are read; claims_close also takes one that failed. */
ent_status claims_open(struct claims *claims, const char *folder, size_t cells, ent_error *error);
enum claim claims_take(const struct claims *claims, size_t cell);
void claims_release(const struct claims *claims, size_t cell, bool done);
/* Whether another process holds the cell. */
bool claims_busy(const struct claims *claims, size_t cell);
/* A number from 1 on that no other process at work on the shard has, for the name of its file.  0: 999 are at work.
 * When no other process is at work in the folder, `alone` is called before any can begin. */
unsigned claims_number(const struct claims *claims, uint64_t shard, void (*alone)(const char *folder),
                       const char *folder);
/* How many other processes hold a number. */
size_t claims_processes(const struct claims *claims);
void claims_close(struct claims *claims);

#endif
