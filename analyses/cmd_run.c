/* cmd_run.c - `entropy run`: does the cells of a plan and keeps their records. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch/folder.h"
#include "batch/parts.h"
#include "batch/scratch.h"
#include "batch/slurm.h"
#include "command.h"
#include "run.h"

enum { KEY_SHARD = 0x2001, KEY_FRESH, KEY_RETRY, KEY_SECONDS, KEY_MEMORY };
enum { MOST_JOBS = 1024 };

struct options {
    struct common common;
    const char *plan, *folder;
    uint64_t shard, shards; /* shard counts from 1; shards 0: not said */
    uint64_t jobs, memory;
    double seconds;
    bool fresh, retry;
};

/* ---- the folder ----------------------------------------------------------------------------------------------- */

static ent_status remove_file(void *context, const char *path, ent_error *error)
{
    (void)context, (void)error;
    unlink(path);
    return ENT_OK;
}

/* Begins anew: nothing of an earlier run stays. */
static ent_status clear_folder(const char *folder, ent_error *error)
{
    static const char *const others[] = { ".claims", "models.json", "plan.yaml" };
    struct claims claims;
    char path[PATH_MAX];
    ent_status status = claims_open(&claims, folder, 0, error);
    if (!status && claims_processes(&claims))
        status = ent_fail(error, ENT_EINVAL,
                          "%s: another process is at work in it; --fresh would take its records away", folder);
    claims_close(&claims);
    if (!status) status = folder_files(folder, remove_file, NULL, error);
    for (size_t i = 0; i < sizeof others / sizeof *others && !status; i++)
        if (!(status = folder_path(path, folder, others[i], error))) unlink(path);
    if (!status) parts_remove_all(folder);
    return status;
}

/* The records of this process: those that an earlier one of its name left, and what is added to them. */
static ent_status own_records(struct records *records, const struct plan *plan, const char *path, ent_error *error)
{
    return access(path, F_OK) ? records_init(records, plan, error) : records_read(records, path, error);
}

static ent_status check_plan(const struct records *records, const struct plan *plan, const char *folder,
                             ent_error *error)
{
    if (!records->plan_hash || !strcmp(records->plan_hash, plan->hash)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL,
                    "%s: has records of another plan, or of an older text of this one; give another folder by -o, or "
                    "begin anew with --fresh",
                    folder);
}

/* ---- the run -------------------------------------------------------------------------------------------------- */

static void tell(const struct run *run, const char *path)
{
    printf("%s: %" PRIu64 " cells done", path, run->done);
    if (run->kept) printf(", %" PRIu64 " kept", run->kept);
    if (run->failed) printf(", %" PRIu64 " failed", run->failed);
    if (run->failed_before) printf(", %" PRIu64 " failed before", run->failed_before);
    if (run->left) printf(", %" PRIu64 " left", run->left);
    putchar('\n');
}

static ent_status run_shard(struct run *run, struct claims *claims, const struct options *o, ent_error *error)
{
    const struct plan *plan = run->work.plan;
    struct records mine = { .row = NULL }, others = { .row = NULL };
    char name[80] = "records", path[PATH_MAX];
    unsigned number = claims_number(claims, o->shards ? o->shard : 0, scratch_sweep, run->work.folder);
    if (!number) return ent_fail(error, ENT_EINVAL, "%s: too many processes are at work in it", run->work.folder);
    if (o->shards) snprintf(name, sizeof name, "records-%" PRIu64 "-of-%" PRIu64, o->shard, o->shards);
    snprintf(name + strlen(name), 20, number > 1 ? "-%u.h5" : ".h5", number);
    ent_status status = folder_path(path, run->work.folder, name, error);
    if (!status) status = own_records(&mine, plan, path, error);
    if (!status) status = folder_records(&others, run->work.folder, name, error);
    if (!status) status = check_plan(&mine, plan, run->work.folder, error);
    if (!status) status = check_plan(&others, plan, run->work.folder, error);
    if (!status) status = folder_save_plan(run->work.folder, plan, error);
    run->records = &mine;
    if (!status) status = run_cells(run, claims, others.plan_hash ? &others : NULL, path, error);
    records_free(&mine);
    records_free(&others);
    if (status) return status;
    if (!o->common.quiet && !o->common.json) tell(run, path);
    if (run->stopped) return ENT_OK;
    if (run->worst)
        return ent_fail(error, run->worst, "%" PRIu64 " of %" PRIu64 " cells failed; their records say why",
                        run->failed, run->done);
    if (!run->failed_before) return ENT_OK;
    return ent_fail(error, ENT_ECHECK, "%" PRIu64 " cells had failed; --retry-failed does them again",
                    run->failed_before);
}

static ent_status run_plan(const struct options *o, struct run *run, ent_error *error)
{
    char folder[PATH_MAX];
    struct claims claims = { .fd = -1 };
    const struct plan *plan = run->work.plan;
    ent_status status = folder_of_run(folder, o->folder, plan, error);
    run->work.folder = folder;
    if (!status) status = folder_make(folder, error);
    if (!status && o->fresh) status = clear_folder(folder, error);
    if (!status) status = claims_open(&claims, folder, plan->cells, error);
    if (!status && !claims.locks && !o->common.quiet)
        complain("%s: its file system has no locks: run every shard once at a time", folder);
    if (!status) status = run_shard(run, &claims, o, error);
    claims_close(&claims);
    return status;
}

/* ---- options -------------------------------------------------------------------------------------------------- */

static void parse_shard(struct options *o, const char *text, const struct argp_state *state)
{
    int end = 0;
    if (sscanf(text, "%" SCNu64 "/%" SCNu64 "%n", &o->shard, &o->shards, &end) != 2 || text[end] || text[0] == '-' ||
        o->shard < 1 || o->shard > o->shards || o->shards > UINT32_MAX)
        argp_error(state, "--shard: '%s' is not I/N with 1 <= I <= N", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'o': o->folder = text; return 0;
    case 'j':
        o->jobs = option_count(state, "--jobs", text);
        if (o->jobs < 1 || o->jobs > MOST_JOBS) argp_error(state, "--jobs: 1 to %d", MOST_JOBS);
        return 0;
    case KEY_SHARD: parse_shard(o, text, state); return 0;
    case KEY_FRESH: o->fresh = true; return 0;
    case KEY_RETRY: o->retry = true; return 0;
    case KEY_SECONDS: o->seconds = option_number(state, "--cell-seconds", text, 0); return 0;
    case KEY_MEMORY: o->memory = option_count(state, "--cell-memory", text); return 0;
    case ARGP_KEY_ARG:
        if (o->plan) argp_error(state, "one plan at a time");
        o->plan = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->plan) argp_error(state, "which plan?");
        if (!o->shards) slurm_shard(&o->shard, &o->shards);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    { .name = "output", .key = 'o', .arg = "DIR", .doc = "Where records go (preset: results/ and the plan's name)" },
    { .name = "shard",
      .key = KEY_SHARD,
      .arg = "I/N",
      .doc = "Only the I-th of N shares of the cells, alike in bytes (preset: from the environment in an array task or "
             "under srun, else all)" },
    { .name = "jobs",
      .key = 'j',
      .arg = "N",
      .doc = "Measure N cells at once; their speeds suffer from each other (preset: 1)" },
    { .name = "retry-failed", .key = KEY_RETRY, .doc = "Do cells again that have failed" },
    { .name = "fresh", .key = KEY_FRESH, .doc = "Begin anew: remove the records of DIR first" },
    { .name = "cell-seconds", .key = KEY_SECONDS, .arg = "S", .doc = "A cell that takes longer has failed" },
    { .name = "cell-memory",
      .key = KEY_MEMORY,
      .arg = "BYTES",
      .doc = "A cell may ask for so much memory, besides the model's file" },
    { 0 }
};

int cmd_run(int argc, char **argv)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "PLAN",
        .doc = "Runs a plan: a file, or the name of one that comes with the program.  Every cell, model x codec x "
               "target, becomes a record in DIR, failures and crashes too, and the run goes on; exit status 0 when no "
               "cell failed.  What a codec or target cannot do at all is recorded, and no failure.  Cells that DIR has "
               "are left alone, so the same command goes on after a stop (signals INT, TERM and USR1; exit status "
               "75), and any number of processes may work in one DIR.\vJSON: each record as it comes, keys as the "
               "columns of the tables.",
    };
    struct options o = { .jobs = 1 };
    struct plan plan;
    ent_error error;
    command_parse(&argp, argc, argv, &o, &o.common);
    ent_status status = plan_open(&plan, o.plan, &error);
    if (status) return complain_error(&error);
    if (!o.common.threads) o.common.threads = slurm_threads();
    if (!o.common.threads && o.jobs > 1) {
        unsigned all = ent_threads(0);
        o.common.threads = all > o.jobs ? all / (unsigned)o.jobs : 1;
    }
    struct run run = { .work = { .plan = &plan, .common = &o.common, .memory = o.memory, .seconds = o.seconds },
                       .jobs = (unsigned)o.jobs,
                       .shard = o.shards ? o.shard - 1 : 0,
                       .shards = o.shards ? o.shards : 1,
                       .retry = o.retry };
    status = run_plan(&o, &run, &error);
    plan_free(&plan);
    if (status) return complain_error(&error);
    if (!run.stopped) return EXIT_DONE;
    complain("stopped by signal %d; %" PRIu64 " cells are left, and the same command goes on with them", run.stopped,
             run.left);
    return EXIT_STOPPED;
}
