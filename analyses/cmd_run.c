/* cmd_run.c - `entropy run`: does the cells of a plan and keeps their records. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "model.h"
#include "run.h"

enum { KEY_SHARD = 0x2001, KEY_RESUME };

struct options {
    struct common common;
    const char *plan, *folder;
    uint64_t shard, shards; /* shard counts from 1; shards 0: all cells */
    bool resume;
};

/* Makes a folder and those above it. */
static ent_status make_folder(const char *path, ent_error *error)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return ent_fail(error, ENT_EINVAL, "%s: too long", path);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/') continue;
        char stopped_at = *p;
        *p = '\0';
        if (mkdir(part, 0777) && errno != EEXIST) return ent_fail(error, ENT_EIO, "%s: %s", part, strerror(errno));
        if (!stopped_at) return ENT_OK;
        *p = stopped_at;
    }
}

/* The records to begin with: those of an earlier run when it is resumed. */
static ent_status begin(struct records *records, const struct options *o, const struct plan *plan, const char *path,
                        ent_error *error)
{
    struct records earlier;
    ent_status status = records_init(records, plan, error);
    if (status || !o->resume || access(path, F_OK)) return status;
    if ((status = records_read(&earlier, path, error))) return status;
    status = records_merge(records, &earlier, error);
    if (status == ENT_EINVAL)
        ent_fail(error, status,
                 "%s: records of another plan, or of an older text of this one; give another folder by -o", path);
    records_free(&earlier);
    return status;
}

static void tell(const struct run *run, const char *path)
{
    printf("%s: %" PRIu64 " cells done", path, run->done);
    if (run->kept) printf(", %" PRIu64 " kept", run->kept);
    if (run->failed) printf(", %" PRIu64 " failed", run->failed);
    putchar('\n');
}

static ent_status run_plan(const struct options *o, const struct plan *plan, ent_error *error)
{
    char folder[PATH_MAX - 100], path[PATH_MAX], shard[60] = "";
    struct records records = { .row = NULL };
    int length = o->folder ? snprintf(folder, sizeof folder, "%s", o->folder)
                           : snprintf(folder, sizeof folder, "results/%s", plan->name);
    if (length >= (int)sizeof folder) return ent_fail(error, ENT_EINVAL, "%s: too long", o->folder);
    if (o->shards) snprintf(shard, sizeof shard, "-%" PRIu64 "-of-%" PRIu64, o->shard, o->shards);
    snprintf(path, sizeof path, "%s/records%s.h5", folder, shard);
    ent_status status = make_folder(folder, error);
    if (!status) status = begin(&records, o, plan, path, error);
    struct run run = { .plan = plan, .common = &o->common, .folder = folder, .records = &records,
                       .shard = o->shards ? o->shard - 1 : 0, .shards = o->shards ? o->shards : 1 };
    if (!status) status = run_cells(&run, path, error);
    records_free(&records);
    if (status) return status;
    if (!o->common.quiet && !o->common.json) tell(&run, path);
    if (!run.worst) return ENT_OK;
    return ent_fail(error, run.worst, "%" PRIu64 " of %" PRIu64 " cells failed; their records say why", run.failed,
                    run.done);
}

static void parse_shard(struct options *o, const char *text, const struct argp_state *state)
{
    int end = 0;
    if (sscanf(text, "%" SCNu64 "/%" SCNu64 "%n", &o->shard, &o->shards, &end) != 2 || text[end] || text[0] == '-' ||
        o->shard < 1 || o->shard > o->shards)
        argp_error(state, "--shard: '%s' is not I/N with 1 <= I <= N", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'o': o->folder = text; return 0;
    case KEY_SHARD: parse_shard(o, text, state); return 0;
    case KEY_RESUME: o->resume = true; return 0;
    case ARGP_KEY_ARG:
        if (o->plan) argp_error(state, "one plan at a time");
        o->plan = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->plan) argp_error(state, "which plan?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    { .name = "output", .key = 'o', .arg = "DIR", .doc = "Where records go (preset: results/ and the plan's name)" },
    { .name = "shard", .key = KEY_SHARD, .arg = "I/N",
      .doc = "Only every N-th cell, from the I-th on; `entropy report` puts the shards of a folder together" },
    { .name = "resume", .key = KEY_RESUME,
      .doc = "Leave cells alone that the folder's records have; failed ones are tried again" },
    { 0 }
};

int cmd_run(int argc, char **argv)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "PLAN",
        .doc = "Runs a plan: a file, or the name of one that comes with the program.  Every cell, model x codec x "
               "target, becomes a record in DIR/records.h5, failures too, and the run goes on; exit status 0 when no "
               "cell failed.  What a codec or target cannot do at all is recorded, and no failure.\vJSON: each record "
               "as it comes, keys as the columns of the tables.",
    };
    struct options o = { .shards = 0 };
    struct plan plan;
    char path[PATH_MAX];
    ent_error error;
    command_parse(&argp, argc, argv, &o, &o.common);
    ent_status status = data_path(path, "plans", o.plan, &error);
    if (!status) status = plan_read(&plan, path, &error);
    if (status) return complain_error(&error);
    status = run_plan(&o, &plan, &error);
    plan_free(&plan);
    return status ? complain_error(&error) : EXIT_DONE;
}
