/* cmd_status.c - `entropy status`: how far a run is. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "batch/claims.h"
#include "batch/folder.h"
#include "batch/rates.h"
#include "batch/shares.h"
#include "batch/slurm.h"
#include "command.h"

struct progress_of_run {
    size_t done, unsupported, failed, running, waiting, processes;
    double seconds_spent, seconds_left; /* of cells, one at a time; NaN: unknown */
};

static void count(struct progress_of_run *p, const struct plan *plan, const struct records *records,
                  const struct claims *claims, const struct rates *rates, const uint64_t *bytes)
{
    *p = (struct progress_of_run){ .processes = claims_processes(claims) };
    for (size_t i = 0; i < plan->cells; i++) {
        const struct record *r = records_find(records, i);
        if (r) p->seconds_spent += r->seconds;
        if (r && record_ok(r)) p->done++;
        else if (r && record_finished(r)) p->unsupported++;
        else if (p->processes && claims_busy(claims, i)) p->running++;
        else if (r) p->failed++;
        else p->waiting++;
        if (!r) p->seconds_left += rates_seconds(rates, i, bytes[plan->cell[i].model - plan->model]);
    }
}

/* Failures by reason, the most frequent ones. */
static void print_reasons(const struct records *records)
{
    enum { SHOWN = 10 };
    struct reason {
        const struct record *first;
        size_t n;
    } reason[SHOWN];
    size_t reasons = 0, others = 0;
    for (size_t i = 0; i < records->rows; i++) {
        const struct record *r = &records->row[i];
        size_t k = 0;
        if (record_finished(r)) continue;
        while (k < reasons && strcmp(reason[k].first->reason, r->reason)) k++;
        if (k == SHOWN) others++;
        else if (k == reasons) reason[reasons++] = (struct reason){ r, 1 };
        else reason[k].n++;
    }
    if (!reasons) return;
    struct table table;
    table_begin(&table, "failed|<first of them|<reason");
    for (size_t k = 0; k < reasons; k++) {
        table_cell(&table, "%zu", reason[k].n);
        table_cell(&table, "%.60s", reason[k].first->key);
        table_cell(&table, "%.100s", reason[k].first->reason);
    }
    putchar('\n');
    table_end(&table);
    if (others) printf("and %zu for other reasons\n", others);
}

static void print_state(const char *state, size_t n, size_t all, struct table *table)
{
    table_cell(table, "%s", state);
    table_cell(table, "%zu", n);
    table_number(table, all ? 100 * (double)n / (double)all : 0, 1);
}

static void print_status(const struct folder_options *o, const struct plan *plan, const struct progress_of_run *p,
                         const struct records *records)
{
    struct table table;
    char jobs[200];
    table_begin(&table, "<cells|number|%");
    print_state("done", p->done, plan->cells, &table);
    print_state("done, unsupported", p->unsupported, plan->cells, &table);
    print_state("failed", p->failed, plan->cells, &table);
    print_state("running", p->running, plan->cells, &table);
    print_state("waiting", p->waiting, plan->cells, &table);
    print_state("all", plan->cells, plan->cells, &table);
    table_end(&table);
    printf("\n%zu process%s at work; ", p->processes, p->processes == 1 ? "" : "es");
    printf("cells took %s", show_time(p->seconds_spent).text);
    if (p->waiting + p->running && isfinite(p->seconds_left)) {
        printf(", the others will take %s", show_time(p->seconds_left).text);
        if (p->processes) printf(": %s from now", show_time(p->seconds_left / (double)p->processes).text);
    }
    putchar('\n');
    if (slurm_jobs(jobs, sizeof jobs, o->folder)) printf("Slurm: %s\n", jobs);
    print_reasons(records);
}

static void print_json(const struct plan *plan, const struct progress_of_run *p)
{
    json_t *object = json_object();
    json_text(object, "plan", plan->name);
    json_count(object, "cells", plan->cells);
    json_count(object, "done", p->done);
    json_count(object, "unsupported", p->unsupported);
    json_count(object, "failed", p->failed);
    json_count(object, "running", p->running);
    json_count(object, "waiting", p->waiting);
    json_count(object, "processes", p->processes);
    json_real_or_null(object, "hours_spent", p->seconds_spent / 3600);
    json_real_or_null(object, "hours_left", p->seconds_left / 3600);
    json_line(object);
}

static ent_status show(const struct folder_options *o, ent_error *error)
{
    struct plan plan;
    struct records records = { .row = NULL };
    struct claims claims = { .fd = -1 };
    struct rates rates = { .kind = NULL };
    struct progress_of_run p;
    ent_status status = folder_read_plan(&plan, o->folder, error);
    if (status) return status;
    uint64_t *bytes = ent_calloc(plan.models, sizeof *bytes);
    if (!bytes) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = claims_open(&claims, o->folder, plan.cells, error);
    if (!status) status = folder_records(&records, o->folder, NULL, error);
    if (!status && !records.plan_hash) status = records_init(&records, &plan, error);
    if (!status && strcmp(records.plan_hash, plan.hash))
        status = ent_fail(error, ENT_ECORRUPT, "%s: its records are of another plan than its plan.yaml", o->folder);
    if (!status) status = model_bytes(bytes, &plan, o->folder, error);
    if (!status) status = rates_init(&rates, &plan, error);
    if (!status) {
        rates_add(&rates, &plan, &records, bytes);
        count(&p, &plan, &records, &claims, &rates, bytes);
        if (o->common.json) print_json(&plan, &p);
        else print_status(o, &plan, &p, &records);
    }
    rates_free(&rates);
    claims_close(&claims);
    records_free(&records);
    ent_free(bytes);
    plan_free(&plan);
    return status;
}

int cmd_status(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = folder_option,
        .args_doc = "DIR",
        .doc = "How far the run in DIR is: cells done, failed and why, running, waiting; the hours that cells took, "
               "and those that the others will take by the rates measured so far.\vJSON keys: plan, cells, done, "
               "unsupported (done as well as it can be), failed, running, waiting, processes, hours_spent, hours_left "
               "(null: unknown).",
    };
    struct folder_options o = { .folder = NULL };
    ent_error error;
    command_parse(&argp, argc, argv, &o, &o.common);
    ent_status status = show(&o, &error);
    return status ? complain_error(&error) : EXIT_DONE;
}
