/* progress.c - see progress.h. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "output.h"
#include "progress.h"

ent_run progress_begin(struct progress *progress, const struct common *common, const char *what)
{
    *progress = (struct progress){ .shown = !common->quiet && isatty(STDERR_FILENO), .what = what, .start = ent_seconds(CLOCK_MONOTONIC) };
    return (ent_run){ .threads = common->threads, .progress = progress->shown ? progress_show : NULL,
                      .context = progress };
}

void progress_show(void *context, uint64_t done, uint64_t total)
{
    static const char bar[] = "##############################";
    enum { WIDTH = sizeof bar - 1 };
    struct progress *progress = context;
    double time = progress->shown ? ent_seconds(CLOCK_MONOTONIC) : 0;
    if (!progress->shown || time - progress->last < 0.1) return;
    progress->last = time;
    if (done > total) done = total;
    double part = total ? (double)done / (double)total : 0, spent = time - progress->start;
    double rate = spent > 0 ? (double)done / spent : 0;
    int full = (int)(part * WIDTH);
    fprintf(stderr, "\r%s [%-*.*s] %3.0f %%  %s of %s  %s/s", progress->what, WIDTH, full, bar, 100 * part,
            show_bytes(done).text, show_bytes(total).text, show_bytes((uint64_t)rate).text);
    if (rate > 0) fprintf(stderr, "  %.0f s left", (double)(total - done) / rate);
    fputs("\033[K", stderr);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown && progress->last > 0) fputs("\r\033[K", stderr);
}

void progress_note(struct progress *progress, const char *text)
{
    if (!progress->shown) return;
    progress->last = ent_seconds(CLOCK_MONOTONIC);
    fprintf(stderr, "\r%s: %s\033[K", progress->what, text);
    fflush(stderr);
}
