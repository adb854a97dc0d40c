/* worker.h - a process that measures cells for the one that started it.
 *
 * A cell that crashes, hangs or takes all memory takes its worker along, and nothing else: the records are with the
 * process that started it.  A worker keeps the model and its coded size from one cell to the next.
 */
#ifndef ENT_ANALYSES_WORKER_H
#define ENT_ANALYSES_WORKER_H

#include <sys/types.h>

#include "../plan.h"
#include "../record.h"

struct common;

struct work { /* what all workers of a run are given */
    const struct plan *plan;
    const struct common *common; /* its threads are those of one worker */
    const char *folder;          /* for files that live as long as a cell */
    uint64_t memory;             /* bytes that a worker may ask for; 0: no limit */
    double seconds;              /* that a cell may take; 0: no limit */
};

struct worker { /* zero: not started */
    pid_t pid;
    int to, from; /* pipes */
    bool busy, late;
    size_t cell;     /* in hand, when busy */
    double deadline; /* by the monotonic clock; 0: none */
    char *text;      /* what came, up to `used`, of lines that are not complete */
    size_t used, room;
    json_t *fields; /* of the cell in hand: a list of field records */
};

/* What came of a cell.  Texts of the record are borrowed until the worker is used again. */
struct answer {
    struct record record;
    json_t *object; /* owns the record's texts; NULL: they are nobody's */
    json_t *fields; /* a list of field records; NULL: none */
    ent_status status;
    bool model_failed; /* all cells of the model will fail so */
    char reason[1200];
};

/* Starts the process; no other thread may run in this one. */
ent_status worker_start(struct worker *worker, const struct work *work, ent_error *error);
void worker_send(struct worker *worker, const struct work *work, size_t cell);
/* To be called when `from` can be read, or when the deadline has passed.  True when the cell in hand is done: *answer
 * says how, to be freed by answer_free.  A worker that ended is stopped, and its cell failed. */
bool worker_receive(struct worker *worker, const struct work *work, struct answer *answer);
void answer_free(struct answer *answer);
/* Ends it, at once when it is busy, and removes its files. */
void worker_stop(struct worker *worker, const struct work *work);

#endif
