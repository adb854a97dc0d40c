/* run.c - see run.h.
 *
 * One process hands out cells and takes in records; its workers do the rest.  Records are written anew as a whole, but
 * not after every cell: a tenth of the time at most goes into it, however many they are.  A claim is held until its
 * record is on disk. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll */
#endif
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "batch/shares.h"
#include "command.h"
#include "progress.h"
#include "run.h"

enum { GRACE_SECONDS = 60, WRITE_SHARE = 10 };

static volatile sig_atomic_t stop_signal;

static void stop(int signal) { stop_signal = signal; }

struct running {
    struct run *run;
    struct claims *claims;
    const struct records *others;
    const char *path;
    struct worker *worker;
    size_t *next, *end;         /* of each worker: the cells of its group that are not handed out */
    size_t group;               /* first cell of the next group */
    uint32_t *share;            /* of each cell; NULL: all are ours */
    size_t *unwritten, waiting; /* cells whose records are not on disk */
    double written, took;       /* when records were written last, and how long it took */
    struct progress progress;
};

static void utc_time(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts) || !strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &parts)) text[0] = '\0';
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static ent_status write_records(struct running *r, ent_error *error)
{
    double start = ent_seconds(CLOCK_MONOTONIC);
    ent_status status = r->waiting ? records_write(r->run->records, r->path, error) : ENT_OK;
    for (; r->waiting && !status; r->waiting--) {
        size_t cell = r->unwritten[r->waiting - 1];
        claims_release(r->claims, cell, record_finished(records_find(r->run->records, cell)));
    }
    r->written = ent_seconds(CLOCK_MONOTONIC);
    r->took = r->written - start;
    return status;
}

static ent_status keep_answer(struct running *r, struct answer *answer, ent_error *error)
{
    struct run *run = r->run;
    char time_text[32];
    const struct plan_cell *cell = &run->work.plan->cell[answer->record.cell];
    utc_time(time_text, sizeof time_text);
    answer->record.time = time_text;
    run->done++;
    if (answer->status && (answer->status != ENT_EUNSUPPORTED || answer->model_failed)) {
        run->failed++;
        if (!run->worst) run->worst = answer->status;
        if (!run->work.common->quiet) complain("%s: %s", cell->key, answer->record.reason);
    }
    if (run->work.common->json) json_line(record_object(&answer->record));
    ent_status status = records_add(run->records, &answer->record, error);
    for (size_t i = 0; i < json_array_size(answer->fields) && !status; i++) {
        struct field_record field;
        if (field_from_object(&field, json_array_get(answer->fields, i)))
            status = records_add_field(run->records, &field, error);
    }
    r->unwritten[r->waiting++] = answer->record.cell;
    return status;
}

/* ---- handing out ---------------------------------------------------------------------------------------------- */

/* Whether the cell is to be done, by this process. */
static bool wanted(struct running *r, size_t cell)
{
    struct run *run = r->run;
    const struct record *mine = records_find(run->records, cell),
                        *other = r->others ? records_find(r->others, cell) : NULL;
    if (r->share && r->share[cell] != run->shard) return false;
    bool failed = (mine && !record_finished(mine)) || (other && !record_finished(other));
    if (record_finished(mine) || record_finished(other) || (failed && !run->retry)) {
        run->kept++;
        run->failed_before += failed && !record_finished(mine) && !record_finished(other);
        return false;
    }
    switch (claims_take(r->claims, cell)) {
    case CLAIM_TAKEN: return true;
    case CLAIM_BUSY: return false;
    case CLAIM_DONE:
        run->kept++;
        return false;
    }
    return false;
}

/* Gives worker i its next cell; false when there is none. */
static bool hand_out(struct running *r, unsigned i)
{
    const struct plan *plan = r->run->work.plan;
    for (;;) {
        if (r->next[i] == r->end[i]) {
            if (r->group == plan->cells) return false;
            r->next[i] = r->group;
            r->end[i] = r->group = group_end(plan, r->group);
        }
        size_t cell = r->next[i]++;
        char note[200];
        if (!wanted(r, cell)) continue;
        snprintf(note, sizeof note, "%zu of %zu, %.150s", cell + 1, plan->cells, plan->cell[cell].key);
        progress_note(&r->progress, note);
        worker_send(&r->worker[i], &r->run->work, cell);
        return true;
    }
}

/* Keeps every worker busy; a worker is started when there is a cell for it. */
static ent_status employ(struct running *r, ent_error *error)
{
    ent_status status = ENT_OK;
    for (unsigned i = 0; i < r->run->jobs && !status && !stop_signal; i++) {
        struct worker *w = &r->worker[i];
        if (w->busy || (r->next[i] == r->end[i] && r->group == r->run->work.plan->cells)) continue;
        if (!w->pid) status = worker_start(w, &r->run->work, error);
        if (!status) hand_out(r, i);
    }
    return status;
}

/* ---- waiting -------------------------------------------------------------------------------------------------- */

/* Milliseconds until a cell takes too long or the grace ends; -1: never. */
static int time_left(const struct running *r, double grace_end)
{
    double first = grace_end;
    for (unsigned i = 0; i < r->run->jobs; i++) {
        double deadline = r->worker[i].busy ? r->worker[i].deadline : 0;
        if (deadline > 0 && (first <= 0 || deadline < first)) first = deadline;
    }
    double left = first - ent_seconds(CLOCK_MONOTONIC);
    return first <= 0 ? -1 : left <= 0 ? 0 : left > 1e6 ? 1000000000 : (int)(1000 * left) + 1;
}

/* Takes in what workers have sent, or waits for it. */
static ent_status take_in(struct running *r, double grace_end, const sigset_t *unblocked, ent_error *error)
{
    struct pollfd poll_on[r->run->jobs];
    ent_status status = ENT_OK;
    for (unsigned i = 0; i < r->run->jobs; i++)
        poll_on[i] = (struct pollfd){ .fd = r->worker[i].busy ? r->worker[i].from : -1, .events = POLLIN };
    int ms = time_left(r, grace_end);
    struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
    int n = ppoll(poll_on, r->run->jobs, ms < 0 ? NULL : &wait, unblocked);
    if (n < 0 && errno != EINTR) return ent_fail(error, ENT_EIO, "poll: %s", strerror(errno));
    for (unsigned i = 0; i < r->run->jobs && !status; i++) {
        struct worker *w = &r->worker[i];
        struct answer answer;
        bool late = w->busy && w->deadline > 0 && ent_seconds(CLOCK_MONOTONIC) > w->deadline;
        if (!w->busy || (!late && (n <= 0 || !poll_on[i].revents))) continue;
        if (!worker_receive(w, &r->run->work, &answer)) continue;
        progress_end(&r->progress);
        status = keep_answer(r, &answer, error);
        answer_free(&answer);
    }
    return status;
}

static bool any_busy(const struct running *r)
{
    for (unsigned i = 0; i < r->run->jobs; i++)
        if (r->worker[i].busy) return true;
    return false;
}

static ent_status loop(struct running *r, const sigset_t *unblocked, ent_error *error)
{
    double grace_end = 0;
    ent_status status = employ(r, error);
    while (!status && any_busy(r)) {
        if (stop_signal && grace_end <= 0)
            grace_end = ent_seconds(CLOCK_MONOTONIC) + (stop_signal == SIGUSR1 ? GRACE_SECONDS : 0);
        if (grace_end > 0 && ent_seconds(CLOCK_MONOTONIC) >= grace_end) break;
        status = take_in(r, grace_end, unblocked, error);
        if (!status && ent_seconds(CLOCK_MONOTONIC) - r->written >= (WRITE_SHARE - 1) * r->took)
            status = write_records(r, error);
        if (!status) status = employ(r, error);
    }
    return status;
}

static void finish(struct running *r)
{
    struct run *run = r->run;
    for (unsigned i = 0; i < run->jobs && r->worker; i++) worker_stop(&r->worker[i], &run->work);
    run->left = run->work.plan->cells;
    for (size_t cell = 0; cell < run->work.plan->cells && r->share; cell++) run->left -= r->share[cell] != run->shard;
    run->left -= run->done + run->kept;
    run->stopped = stop_signal;
}

/* The buffers of the loop, and what is ours. */
static ent_status prepare(struct running *r, ent_error *error)
{
    const struct run *run = r->run;
    const struct plan *plan = run->work.plan;
    r->worker = ent_calloc(run->jobs, sizeof *r->worker);
    r->next = ent_calloc(run->jobs, sizeof *r->next);
    r->end = ent_calloc(run->jobs, sizeof *r->end);
    r->unwritten = ent_calloc(plan->cells, sizeof *r->unwritten);
    if (!r->worker || !r->next || !r->end || !r->unwritten) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (run->shards == 1) return ENT_OK;
    uint64_t *bytes = ent_calloc(plan->models, sizeof *bytes);
    r->share = ent_calloc(plan->cells, sizeof *r->share);
    ent_status status = bytes && r->share ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = model_bytes(bytes, plan, run->work.folder, error);
    if (!status) status = shares_make(r->share, plan, bytes, (uint32_t)run->shards, error);
    ent_free(bytes);
    return status;
}

ent_status run_cells(struct run *run, struct claims *claims, const struct records *others, const char *path,
                     ent_error *error)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGUSR1 };
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct running r = { .run = run, .claims = claims, .others = others, .path = path };
    struct sigaction action = { .sa_handler = stop }, before[SIGNALS];
    sigset_t blocked, unblocked;
    ent_status status = prepare(&r, error);
    stop_signal = 0;
    sigemptyset(&blocked);
    for (int i = 0; i < SIGNALS; i++) {
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, &before[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &unblocked); /* but while waiting */
    progress_begin(&r.progress, run->work.common, "run");
    if (!status) status = loop(&r, &unblocked, error);
    progress_end(&r.progress);
    finish(&r);
    if (!status) status = write_records(&r, error);
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
    for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
    ent_free(r.share);
    ent_free(r.unwritten);
    ent_free(r.end);
    ent_free(r.next);
    ent_free(r.worker);
    return status;
}
