/* cmd_submit.c - `entropy submit`: a plan as a job array of Slurm. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch/folder.h"
#include "batch/rates.h"
#include "batch/shares.h"
#include "batch/slurm.h"
#include "command.h"
#include "output.h"

enum {
    KEY_TIME = 0x2001,
    KEY_PARTITION,
    KEY_ACCOUNT,
    KEY_MEMORY,
    KEY_DRY,
    KEY_PRINT,
    KEY_RATES,
    KEY_RETRY,
    KEY_SECONDS
};

struct options {
    struct common common;
    const char *plan, *folder, *rates, *cell_seconds;
    struct slurm_job job;
    bool dry, print, retry;
};

/* ---- what it will take ---------------------------------------------------------------------------------------- */

struct expected {
    double seconds; /* of all cells, one at a time; NaN: no rates */
    double longest; /* of the shares */
    uint64_t bytes; /* of all models */
};

static ent_status add_rates(struct rates *rates, const struct plan *plan, const struct options *o,
                            const uint64_t *bytes, ent_error *error)
{
    struct records records;
    ent_status status = folder_records(&records, o->job.folder, NULL, error);
    if (!status && records.plan_hash && !strcmp(records.plan_hash, plan->hash)) rates_add(rates, plan, &records, bytes);
    records_free(&records);
    if (status || !o->rates) return status;
    status = folder_records(&records, o->rates, NULL, error);
    if (!status && !records.plan_hash) status = ent_fail(error, ENT_EINVAL, "--rates: %s: no records in it", o->rates);
    if (!status) rates_add(rates, plan, &records, NULL);
    records_free(&records);
    return status;
}

static ent_status expect(struct expected *e, const struct plan *plan, const struct options *o, ent_error *error)
{
    struct rates rates = { .kind = NULL };
    uint64_t *bytes = ent_calloc(plan->models, sizeof *bytes);
    uint32_t *share = ent_calloc(plan->cells, sizeof *share);
    double *seconds = ent_calloc(o->job.tasks, sizeof *seconds);
    ent_status status = bytes && share && seconds ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    *e = (struct expected){ .seconds = 0 };
    if (!status) status = model_bytes(bytes, plan, o->job.folder, error);
    if (!status) status = shares_make(share, plan, bytes, (uint32_t)o->job.tasks, error);
    if (!status) status = rates_init(&rates, plan, error);
    if (!status) status = add_rates(&rates, plan, o, bytes, error);
    for (size_t i = 0; i < plan->models && !status; i++) e->bytes += bytes[i];
    for (size_t i = 0; i < plan->cells && !status; i++) {
        double s = rates_seconds(&rates, i, bytes[plan->cell[i].model - plan->model]);
        e->seconds += s;
        seconds[share[i]] += s;
    }
    for (size_t i = 0; i < o->job.tasks && !status; i++) e->longest = fmax(e->longest, seconds[i]);
    rates_free(&rates);
    ent_free(seconds);
    ent_free(share);
    ent_free(bytes);
    return status;
}

static void tell(const struct options *o, const struct plan *plan, const struct expected *e, const char *said)
{
    bool known = isfinite(e->seconds);
    if (o->common.json) {
        json_t *object = json_object();
        json_text(object, "plan", plan->name);
        json_text(object, "folder", o->job.folder);
        json_count(object, "cells", plan->cells);
        json_count(object, "tasks", o->job.tasks);
        json_count(object, "model_bytes", e->bytes);
        json_real_or_null(object, "node_hours", e->seconds / 3600);
        json_real_or_null(object, "longest_task_hours", known ? e->longest / 3600 : NAN);
        json_text(object, "said", said);
        json_line(object);
        return;
    }
    printf("%zu cells, %zu models of %s, in %" PRIu64 " tasks", plan->cells, plan->models, show_bytes(e->bytes).text,
           o->job.tasks);
    if (known)
        printf("; by measured rates %.3g node-hours, the longest task %.3g hours", e->seconds / 3600,
               e->longest / 3600);
    else printf("; no rates are measured yet (--rates DIR of an earlier run)");
    printf("\n%s", said);
}

/* ---- the job -------------------------------------------------------------------------------------------------- */

/* A line a share, for any other scheduler. */
static void print_commands(const struct slurm_job *job)
{
    ent_buffer program = { NULL, 0, 0 }, folder = { NULL, 0, 0 };
    if (!shell_word(&program, job->program) && !shell_word(&folder, job->folder))
        for (uint64_t i = 1; i <= job->tasks; i++)
            printf("%s run %s/plan.yaml -o %s --shard %" PRIu64 "/%" PRIu64 "%s\n", (const char *)program.data,
                   (const char *)folder.data, (const char *)folder.data, i, job->tasks, job->run_options);
    ent_free(program.data);
    ent_free(folder.data);
}

static ent_status submit(struct options *o, const struct plan *plan, ent_error *error)
{
    char folder[PATH_MAX], absolute[PATH_MAX], program[PATH_MAX], run_options[200];
    struct expected e;
    ent_buffer said = { NULL, 0, 0 };
    ent_status status = folder_of_run(folder, o->folder, plan, error);
    if (status) return status;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) return ent_fail(error, ENT_EIO, "/proc/self/exe: cannot tell where this program lies");
    program[n] = '\0';
    status = folder_make(folder, error);
    if (!status && !realpath(folder, absolute))
        status = ent_fail(error, ENT_EIO, "%s: cannot tell where it lies", folder);
    if (status) return status;
    snprintf(run_options, sizeof run_options, "%s%s%s", o->retry ? " --retry-failed" : "",
             o->cell_seconds ? " --cell-seconds " : "", o->cell_seconds ? o->cell_seconds : "");
    o->job.name = plan->name;
    o->job.folder = absolute;
    o->job.program = program;
    o->job.run_options = run_options;
    if (!o->job.tasks) o->job.tasks = plan->cells < 100 ? plan->cells : 100;
    status = folder_save_plan(absolute, plan, error);
    if (!status) status = slurm_write_scripts(&o->job, error);
    if (!status) status = expect(&e, plan, o, error);
    if (!status && !o->print) status = slurm_submit(&o->job, o->dry, &said, error);
    if (!status && o->print) print_commands(&o->job);
    else if (!status) tell(o, plan, &e, (const char *)said.data);
    ent_free(said.data);
    return status;
}

/* ---- options -------------------------------------------------------------------------------------------------- */

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'o': o->folder = text; return 0;
    case 'n':
        o->job.tasks = option_count(state, "--tasks", text);
        if (o->job.tasks < 1 || o->job.tasks > 1000000) argp_error(state, "--tasks: 1 to a million");
        return 0;
    case 'c':
        o->job.cpus = option_count(state, "--cpus", text);
        if (o->job.cpus < 1) argp_error(state, "--cpus: at least 1");
        return 0;
    case KEY_TIME: o->job.time = text; return 0;
    case KEY_PARTITION: o->job.partition = text; return 0;
    case KEY_ACCOUNT: o->job.account = text; return 0;
    case KEY_MEMORY: o->job.memory = text; return 0;
    case KEY_RATES: o->rates = text; return 0;
    case KEY_DRY: o->dry = true; return 0;
    case KEY_PRINT: o->print = true; return 0;
    case KEY_RETRY: o->retry = true; return 0;
    case KEY_SECONDS:
        option_number(state, "--cell-seconds", text, 0);
        o->cell_seconds = text;
        return 0;
    case ARGP_KEY_ARG:
        if (o->plan) argp_error(state, "one plan at a time");
        o->plan = text;
        return 0;
    case ARGP_KEY_END: if (!o->plan) argp_error(state, "which plan?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    { .name = "output",
      .key = 'o',
      .arg = "DIR",
      .doc = "The run folder, on a file system that all nodes share (preset: results/ and the plan's name)" },
    { .name = "tasks", .key = 'n', .arg = "N", .doc = "Cut the plan into N tasks, alike in bytes (preset: 100)" },
    { .name = "cpus", .key = 'c', .arg = "N", .doc = "Processors of a task" },
    { .name = "time",
      .key = KEY_TIME,
      .arg = "T",
      .doc = "Time limit of a task, as sbatch takes it; what is left then goes back to the queue" },
    { .name = "memory", .key = KEY_MEMORY, .arg = "SIZE", .doc = "Memory of a task, as sbatch takes it" },
    { .name = "partition", .key = KEY_PARTITION, .arg = "NAME", .doc = "Slurm's partition" },
    { .name = "account", .key = KEY_ACCOUNT, .arg = "NAME", .doc = "Slurm's account" },
    { .name = "cell-seconds", .key = KEY_SECONDS, .arg = "S", .doc = "A cell that takes longer has failed" },
    { .name = "retry-failed", .key = KEY_RETRY, .doc = "Do cells again that have failed" },
    { .name = "rates", .key = KEY_RATES, .arg = "DIR", .doc = "Expect the times of an earlier run, too" },
    { .name = "dry-run", .key = KEY_DRY, .doc = "Write the scripts; print the commands and submit nothing" },
    { .name = "print-commands",
      .key = KEY_PRINT,
      .doc = "Print a command a task, for other schedulers; submit nothing" },
    { 0 }
};

int cmd_submit(int argc, char **argv)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "PLAN",
        .doc = "Gives a plan to Slurm: an array of tasks, and a job after them that merges and reports.  Tasks that "
               "meet their time limit save what is done and go back to the queue; `entropy status DIR` shows how far "
               "they are.  The scripts stay in DIR.\vJSON keys: plan, folder, cells, tasks, model_bytes, node_hours "
               "and longest_task_hours (by measured rates; null: none), said (the jobs, or with --dry-run the "
               "commands).",
    };
    struct options o = { .plan = NULL };
    struct plan plan;
    ent_error error;
    command_parse(&argp, argc, argv, &o, &o.common);
    ent_status status = plan_open(&plan, o.plan, &error);
    if (status) return complain_error(&error);
    status = submit(&o, &plan, &error);
    plan_free(&plan);
    return status ? complain_error(&error) : EXIT_DONE;
}
