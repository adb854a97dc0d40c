/* parts.c - see parts.h. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../cell.h"
#include "../save.h"
#include "folder.h"
#include "parts.h"

static ent_status counts_path(char path[PATH_MAX], const char *folder, size_t cell, ent_error *error)
{
    char name[60];
    snprintf(name, sizeof name, "counts-%zu.jsonl", cell);
    return folder_path(path, folder, name, error);
}

ent_status part_save(const char *folder, size_t cell, const struct census *census, ent_error *error)
{
    struct save save;
    char path[PATH_MAX];
    ent_status status = counts_path(path, folder, cell, error);
    if (!status) status = save_open(&save, path, error);
    if (status) return status;
    census_write_head(save.file);
    for (size_t i = 0; i < census->entries && !status; i++) {
        const struct census_entry *e = &census->entry[i];
        status = census_write_line(save.file, "role", e->role, e->dtype, &e->counts, error);
    }
    return save_close(&save, status, error);
}

/* ---- joining --------------------------------------------------------------------------------------------- */

static bool has_fields(const struct records *records, size_t cell)
{
    for (size_t i = 0; i < records->fields; i++)
        if (records->field[i].cell == cell) return true;
    return false;
}

static bool all_done(const struct records *records, size_t first, uint64_t parts)
{
    for (uint64_t i = 0; i < parts; i++) {
        const struct record *r = records_find(records, first + i);
        if (!r || !record_ok(r)) return false;
    }
    return true;
}

static ent_status join_model(struct records *records, const struct plan *plan, size_t first, const char *folder,
                             ent_error *error)
{
    struct census census = { 0 };
    char path[PATH_MAX];
    ent_status status = ENT_OK;
    for (uint64_t i = 0; i < plan->parts && !status; i++) {
        status = counts_path(path, folder, first + i, error);
        if (!status) status = census_read(&census, path, NULL, NULL, error);
    }
    if (!status) status = cell_statistics(plan, 0, records, first, &census, error);
    census_free(&census);
    return status;
}

/* The first cell of the parts of a model from `from` on; the plan's cells when there is none. */
static size_t next_parts(const struct plan *plan, size_t from)
{
    while (from < plan->cells && (plan->cell[from].codec || plan->cell[from].part)) from++;
    return from;
}

ent_status parts_join(struct records *records, const char *folder, ent_error *error)
{
    struct plan plan;
    char path[PATH_MAX];
    ent_status status = folder_path(path, folder, "plan.yaml", error);
    if (status || access(path, F_OK)) return status; /* records alone */
    if ((status = folder_read_plan(&plan, folder, error))) return status;
    bool ours = !strcmp(plan.hash, records->plan_hash) && plan.parts > 1;
    for (size_t i = next_parts(&plan, 0); i < plan.cells && ours && !status; i = next_parts(&plan, i + 1))
        if (all_done(records, i, plan.parts) && !has_fields(records, i))
            status = join_model(records, &plan, i, folder, error);
    plan_free(&plan);
    return status;
}

void parts_remove(const struct records *records, const char *folder)
{
    struct plan plan;
    char path[PATH_MAX];
    if (folder_read_plan(&plan, folder, NULL)) return;
    for (size_t i = next_parts(&plan, 0); i < plan.cells && plan.parts > 1; i = next_parts(&plan, i + 1))
        if (has_fields(records, i))
            for (uint64_t part = 0; part < plan.parts; part++)
                if (!counts_path(path, folder, i + part, NULL)) unlink(path);
    plan_free(&plan);
}

void parts_remove_all(const char *folder)
{
    char path[PATH_MAX];
    DIR *run = opendir(folder);
    if (!run) return;
    for (struct dirent *e; (e = readdir(run));)
        if (!strncmp(e->d_name, "counts-", 7) && !folder_path(path, folder, e->d_name, NULL)) unlink(path);
    closedir(run);
}
