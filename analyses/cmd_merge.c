/* cmd_merge.c - `entropy merge`: one file of records from those of all tasks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch/claims.h"
#include "batch/folder.h"
#include "batch/parts.h"
#include "command.h"

static ent_status count_file(void *context, const char *path, ent_error *error)
{
    size_t *files = context;
    (void)path, (void)error;
    ++*files;
    return ENT_OK;
}

/* What is removed has been joined into the other. */
static ent_status remove_part(void *context, const char *path, ent_error *error)
{
    (void)error;
    if (strcmp(path, context)) unlink(path);
    return ENT_OK;
}

/* No process may add records while files are joined and removed. */
static ent_status check_idle(const struct claims *claims, const char *folder, ent_error *error)
{
    size_t n = claims_processes(claims);
    if (!n) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: %zu process%s at work in it; merge when they have ended", folder, n,
                    n == 1 ? " is" : "es are");
}

static ent_status merge(const char *folder, struct records *records, size_t *files, ent_error *error)
{
    struct claims claims = { .fd = -1 };
    char path[PATH_MAX];
    *files = 0;
    ent_status status = claims_open(&claims, folder, 0, error);
    if (!status) status = check_idle(&claims, folder, error);
    if (!status) status = folder_all_records(records, folder, error);
    if (!status) status = parts_join(records, folder, error);
    if (!status) status = records_sort(records, error);
    if (!status) status = folder_path(path, folder, "records.h5", error);
    if (!status) status = folder_files(folder, count_file, files, error);
    if (!status) status = records_write(records, path, error);
    if (!status) status = folder_files(folder, remove_part, path, error);
    if (!status) parts_remove(records, folder);
    claims_close(&claims);
    return status;
}

static void tell(const struct folder_options *o, const struct records *records, size_t files, size_t failed)
{
    if (o->common.json) {
        json_t *object = json_object();
        json_text(object, "folder", o->folder);
        json_count(object, "files", files);
        json_count(object, "cells", records->cells);
        json_count(object, "records", records->rows);
        json_count(object, "failed", failed);
        json_line(object);
    } else if (!o->common.quiet) {
        printf("%s/records.h5: %zu of %" PRIu64 " cells, %zu of them failed, from %zu file%s\n", o->folder,
               records->rows, records->cells, failed, files, files == 1 ? "" : "s");
    }
}

int cmd_merge(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = folder_option,
        .args_doc = "DIR",
        .doc = "Joins the records of all tasks of a run into DIR/records.h5, in the order of the plan, and removes the "
               "joined files.  Records of another plan or version are refused, and so are two of one cell that "
               "differ in anything but times.  Exit status 1 when cells are missing or have failed; what there is "
               "has been joined then.\vJSON keys: folder, files, cells (of the plan), records, failed.",
    };
    struct folder_options o = { .folder = NULL };
    struct records records = { .row = NULL };
    ent_error error;
    size_t files, failed = 0;
    command_parse(&argp, argc, argv, &o, &o.common);
    ent_status status = merge(o.folder, &records, &files, &error);
    for (size_t i = 0; i < records.rows; i++) failed += !record_finished(&records.row[i]);
    if (!status) tell(&o, &records, files, failed);
    if (!status && records.rows < records.cells)
        status =
            ent_fail(&error, ENT_ECHECK, "%s: %" PRIu64 " of %" PRIu64 " cells are not there; `entropy run` does them",
                     o.folder, records.cells - records.rows, records.cells);
    else if (!status && failed)
        status = ent_fail(&error, ENT_ECHECK, "%s: %zu cells failed; `entropy run --retry-failed` does them again",
                          o.folder, failed);
    records_free(&records);
    return status ? complain_error(&error) : EXIT_DONE;
}
