/* windows.h - work in windows, what must go in order beside what all threads can do.
 *
 * There are two windows: while all threads work on the items of one, one of them ends the other (hashes,
 * writes, checks: in order) and fills it anew.  So the part in order costs no time as long as the rest
 * takes longer on the other threads. */
#ifndef ENT_CONTAINER_WINDOWS_H
#define ENT_CONTAINER_WINDOWS_H

#include <entropy/base.h>

typedef struct ent_windows {
    void *context;
    /* Ends a window (0 or 1) whose items have been worked on, and fills it: *items, 0 when there are no
     * more.  The windows take turns, the first call fills window 0; one call at a time, in any thread,
     * and HDF5 is called nowhere else.  A failure ends all. */
    ent_status (*turn)(void *context, unsigned window, size_t *items);
    /* Works on an item; for any number of threads at once.  What fails is for turn to find. */
    void (*work)(void *context, unsigned window, size_t item, unsigned thread);
} ent_windows;

/* Until both windows stay empty; `threads` as of ent_parallel. */
ent_status ent_windows_run(const ent_windows *windows, unsigned threads);

#endif
