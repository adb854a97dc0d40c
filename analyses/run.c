/* run.c - see run.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <build.h>

#include "cell.h"
#include "command.h"
#include "progress.h"
#include "run.h"

static void utc_time(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts) || !strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &parts)) text[0] = '\0';
}

/* What will not come out otherwise when tried again: done, or beyond this build for a model that could be read. */
static bool finished(const struct record *record)
{
    if (!record || record_ok(record)) return record;
    return record->model_hash[0] && !strcmp(record->outcome, ent_status_text(ENT_EUNSUPPORTED));
}

static ent_status run_cell(struct run *run, struct bench *bench, const struct plan_cell *cell, ent_error *error)
{
    struct record record;
    ent_error why = { .text = "" };
    char time_text[32];
    bool model_failed;
    ent_status status = cell_measure(bench, cell, &record, run->records, &model_failed, &why);
    utc_time(time_text, sizeof time_text);
    record.outcome = status ? ent_status_text(status) : "ok";
    record.reason = why.text;
    record.cpu = ent_cpu_text();
    record.commit = ENT_BUILD_COMMIT;
    record.time = time_text;
    run->done++;
    if (status && (status != ENT_EUNSUPPORTED || model_failed)) {
        run->failed++;
        if (!run->worst) run->worst = status;
        if (!run->common->quiet) complain("%s: %s", cell->key, why.text);
    }
    if (run->common->json) record_json(&record);
    return records_add(run->records, &record, error);
}

ent_status run_cells(struct run *run, const char *path, ent_error *error)
{
    struct bench bench = { .plan = run->plan, .common = run->common, .folder = run->folder };
    struct progress progress;
    ent_status status = ENT_OK;
    progress_begin(&progress, run->common, "run");
    for (size_t i = run->shard; i < run->plan->cells && !status; i += run->shards) {
        const struct plan_cell *cell = &run->plan->cell[i];
        char note[200];
        if (finished(records_find(run->records, cell->key))) {
            run->kept++;
            continue;
        }
        snprintf(note, sizeof note, "%zu of %zu, %.150s", i + 1, run->plan->cells, cell->key);
        progress_note(&progress, note);
        status = run_cell(run, &bench, cell, error);
        progress_end(&progress);
        if (!status) status = records_write(run->records, path, error);
    }
    cell_end(&bench);
    return status;
}
