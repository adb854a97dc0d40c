/* progress.h - a bar on standard error while long work runs: only on a terminal, not when quiet. */
#ifndef ENT_ANALYSES_PROGRESS_H
#define ENT_ANALYSES_PROGRESS_H

#include <entropy/base.h>

struct common;

struct progress {
    bool shown;
    const char *what;   /* e.g. "compress" */
    double start, last; /* seconds */
};

/* Returns how to do the work: with the threads that were asked for, and shown. */
ent_run progress_begin(struct progress *progress, const struct common *common, const char *what);
/* Of the type ent_progress, with a struct progress as context; draws at most 10 times a second. */
void progress_show(void *progress, uint64_t done, uint64_t total);
/* A line without a bar, for steps that cannot say how far they are. */
void progress_note(struct progress *progress, const char *text);
void progress_end(struct progress *progress); /* wipes the bar */

#endif
