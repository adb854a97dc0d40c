/* windows.c - see windows.h. */
#include "container/windows.h"
#include "container/h5.h"

typedef struct state {
    const ent_windows *windows;
    unsigned now;    /* the window that is worked on */
    size_t items[2]; /* of each window */
} state;

/* Item 0, which starts first, is the turn of the other window. */
static ent_status step(size_t i, unsigned thread, void *context)
{
    state *s = context;
    const ent_windows *w = s->windows;
    if (i) {
        w->work(w->context, s->now, i - 1, thread);
        return ENT_OK;
    }
    ent_h5_tongue tongue = ent_h5_quiet(); /* each thread has its own */
    ent_status status = w->turn(w->context, !s->now, &s->items[!s->now]);
    ent_h5_restore(tongue);
    return status;
}

ent_status ent_windows_run(const ent_windows *windows, unsigned threads)
{
    state s = { .windows = windows };
    ent_status status;
    do {
        s.now = !s.now;
        status = ent_parallel(1 + s.items[s.now], threads, step, &s);
    } while (!status && (s.items[0] || s.items[1]));
    return status;
}
