/* worker.c - see worker.h.
 *
 * The number of a cell goes down one pipe as a line; up the other come lines of JSON: a field record each, then
 * {"record": ..., "status": ..., "model_failed": ...}. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2, close_range */
#endif
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <build.h>

#include "base/clock.h"
#include "../cell.h"
#include "../command.h"
#include "worker.h"

enum { ANSWERS = 3 }; /* a worker's pipe up; its pipe down is its standard input */

/* ---- in the worker -------------------------------------------------------------------------------------------- */

static void send_object(FILE *out, json_t *object)
{
    json_dumpf(object, out, JSON_COMPACT);
    putc('\n', out);
    json_decref(object);
}

static void measure_cell(struct bench *bench, const struct plan_cell *cell, FILE *out)
{
    struct record record;
    struct records found;
    ent_error why = { .text = "" };
    bool model_failed = false;
    double start = ent_seconds(CLOCK_MONOTONIC);
    ent_status status = records_init(&found, bench->plan, &why);
    if (status) _exit(EXIT_SYSTEM); /* no memory: the parent says that the worker ended */
    status = cell_measure(bench, cell, &record, &found, &model_failed, &why);
    record.seconds = ent_seconds(CLOCK_MONOTONIC) - start;
    record.outcome = status ? ent_status_text(status) : "ok";
    record.reason = why.text;
    record.cpu = ent_cpu_text();
    record.commit = ENT_BUILD_COMMIT;
    for (size_t i = 0; i < found.fields && !status; i++) send_object(out, field_object(&found.field[i]));
    json_t *object = json_object();
    json_object_set_new(object, "record", record_object(&record));
    json_object_set_new(object, "status", json_integer(status));
    json_object_set_new(object, "model_failed", json_boolean(model_failed));
    send_object(out, object);
    fflush(out);
    records_free(&found);
}

static _Noreturn void work_on(const struct work *work)
{
    struct bench bench = { .plan = work->plan, .common = work->common, .folder = work->folder };
    FILE *out = fdopen(ANSWERS, "w");
    size_t cell;
    if (work->memory) setrlimit(RLIMIT_DATA, &(struct rlimit){ work->memory, work->memory });
    if (!out) _exit(EXIT_SYSTEM);
    while (scanf("%zu", &cell) == 1) measure_cell(&bench, &work->plan->cell[cell], out);
    cell_end(&bench);
    _exit(EXIT_DONE);
}

/* ---- in the process that started it --------------------------------------------------------------------------- */

ent_status worker_start(struct worker *worker, const struct work *work, ent_error *error)
{
    int down[2], up[2];
    *worker = (struct worker){ .fields = json_array() };
    if (pipe2(down, O_CLOEXEC)) return ent_fail(error, ENT_EIO, "a pipe: %s", strerror(errno));
    if (pipe2(up, O_CLOEXEC)) {
        close(down[0]), close(down[1]);
        return ent_fail(error, ENT_EIO, "a pipe: %s", strerror(errno));
    }
    fflush(NULL);
    pid_t parent = getpid();
    worker->pid = fork();
    if (!worker->pid) {
        /* stops are for the parent, which ends its workers; they never outlive it */
        signal(SIGINT, SIG_IGN), signal(SIGTERM, SIG_IGN), signal(SIGUSR1, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(EXIT_SYSTEM);
        /* nothing else stays open: neither the pipes of other workers, which would not see them end, nor locks */
        if (dup2(down[0], STDIN_FILENO) < 0 || dup2(up[1], ANSWERS) < 0 || close_range(ANSWERS + 1, ~0u, 0))
            _exit(EXIT_SYSTEM);
        work_on(work);
    }
    close(down[0]), close(up[1]);
    worker->to = down[1];
    worker->from = up[0];
    if (worker->pid > 0) return ENT_OK;
    close(down[1]), close(up[0]);
    *worker = (struct worker){ .pid = 0 };
    return ent_fail(error, ENT_EIO, "a process: %s", strerror(errno));
}

void worker_send(struct worker *worker, const struct work *work, size_t cell)
{
    worker->busy = true;
    worker->late = false;
    worker->cell = cell;
    worker->deadline = work->seconds > 0 ? ent_seconds(CLOCK_MONOTONIC) + work->seconds : 0;
    dprintf(worker->to, "%zu\n", cell); /* a worker that is gone is seen when its answer is read */
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void fail_cell(struct worker *worker, const struct work *work, struct answer *answer, const char *reason)
{
    const struct plan_cell *cell = &work->plan->cell[worker->cell];
    snprintf(answer->reason, sizeof answer->reason, "%s", reason);
    cell_blank(&answer->record, work->plan, cell);
    answer->record.reason = answer->reason;
    answer->record.size_problem = cell->codec ? answer->reason : NULL;
    answer->record.cpu = ent_cpu_text();
    answer->record.commit = ENT_BUILD_COMMIT;
    answer->status = ENT_EIO;
    answer->record.outcome = ent_status_text(answer->status);
    worker->busy = false;
}

/* What became of a worker that sent nothing more. */
static void explain_end(struct worker *worker, const struct work *work, char *reason, size_t size)
{
    int how = 0;
    while (waitpid(worker->pid, &how, 0) < 0 && errno == EINTR) {}
    if (worker->late) snprintf(reason, size, "took more than %g seconds, and was stopped", work->seconds);
    else if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL)
        snprintf(reason, size, "was killed (signal 9): by the system for want of memory, or by someone");
    else if (WIFSIGNALED(how))
        snprintf(reason, size, "crashed: signal %d, %s", WTERMSIG(how), strsignal(WTERMSIG(how)));
    else snprintf(reason, size, "ended with status %d before the cell was done", WEXITSTATUS(how));
}

/* A line of the worker; true when it says that the cell is done. */
static bool take_line(struct worker *worker, const char *line, struct answer *answer)
{
    json_t *object = json_loads(line, 0, NULL);
    const json_t *record = json_object_get(object, "record");
    if (record && record_from_object(&answer->record, record)) {
        answer->object = object;
        answer->fields = worker->fields;
        worker->fields = json_array();
        answer->status = (ent_status)json_integer_value(json_object_get(object, "status"));
        answer->model_failed = json_is_true(json_object_get(object, "model_failed"));
        worker->busy = false;
        return true;
    }
    json_array_append_new(worker->fields, object);
    return false;
}

static ssize_t read_more(struct worker *worker)
{
    enum { PART = 1 << 16 };
    if (worker->room - worker->used < PART + 1) {
        char *larger = realloc(worker->text, 2 * worker->room + 2 * PART);
        if (!larger) return 0;
        worker->text = larger;
        worker->room = 2 * worker->room + 2 * PART;
    }
    ssize_t n;
    while ((n = read(worker->from, worker->text + worker->used, PART)) < 0 && errno == EINTR) {}
    if (n > 0) worker->used += (size_t)n;
    return n;
}

bool worker_receive(struct worker *worker, const struct work *work, struct answer *answer)
{
    char reason[200];
    *answer = (struct answer){ .object = NULL };
    if (worker->deadline > 0 && ent_seconds(CLOCK_MONOTONIC) > worker->deadline) {
        worker->late = true;
        kill(worker->pid, SIGKILL); /* the end of its pipe follows */
    }
    if (read_more(worker) <= 0) {
        explain_end(worker, work, reason, sizeof reason);
        bool was_busy = worker->busy;
        if (was_busy) fail_cell(worker, work, answer, reason);
        worker_stop(worker, work);
        return was_busy;
    }
    char *line = worker->text, *end;
    bool done = false;
    while (!done && (end = memchr(line, '\n', worker->used - (size_t)(line - worker->text)))) {
        *end = '\0';
        done = take_line(worker, line, answer);
        line = end + 1;
    }
    worker->used -= (size_t)(line - worker->text);
    memmove(worker->text, line, worker->used);
    return done;
}

void answer_free(struct answer *answer)
{
    json_decref(answer->object);
    json_decref(answer->fields);
    answer->object = answer->fields = NULL;
}

void worker_stop(struct worker *worker, const struct work *work)
{
    char path[SCRATCH_PATH];
    if (!worker->pid) return;
    if (worker->busy) kill(worker->pid, SIGKILL);
    close(worker->to), close(worker->from);
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR) {}
    if (!scratch_name(path, work->folder, worker->pid, NULL)) scratch_remove(path);
    free(worker->text);
    json_decref(worker->fields);
    *worker = (struct worker){ .pid = 0 };
}
