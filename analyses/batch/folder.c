/* folder.c - see folder.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../save.h"
#include "folder.h"

ent_status folder_path(char path[PATH_MAX], const char *folder, const char *name, ent_error *error)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: too long", folder);
}

ent_status folder_make(const char *path, ent_error *error)
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

/* ---- records -------------------------------------------------------------------------------------------------- */

static int is_records(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return !strncmp(entry->d_name, "records", 7) && length > 3 && !strcmp(entry->d_name + length - 3, ".h5");
}

ent_status folder_files(const char *folder, folder_file *each, void *context, ent_error *error)
{
    struct dirent **entry;
    char path[PATH_MAX];
    int found = scandir(folder, &entry, is_records, alphasort);
    if (found < 0) return ent_fail(error, ENT_EIO, "%s: %s", folder, strerror(errno));
    ent_status status = ENT_OK;
    for (int i = 0; i < found; i++) {
        if (!status) status = folder_path(path, folder, entry[i]->d_name, error);
        if (!status) status = each(context, path, error);
        free(entry[i]);
    }
    free(entry);
    return status;
}

struct joining {
    struct records *records;
    const char *except;
};

static ent_status join(void *context, const char *path, ent_error *error)
{
    struct joining *j = context;
    struct records more;
    ent_error why;
    if (j->except && !strcmp(strrchr(path, '/') + 1, j->except)) return ENT_OK;
    ent_status status = records_read(&more, path, error);
    if (status) return status;
    if (!j->records->plan_hash) { /* the first */
        *j->records = more;
        return ENT_OK;
    }
    status = records_merge(j->records, &more, &why);
    records_free(&more);
    return status ? ent_fail(error, status, "%s: beside other records in its folder: %s", path, why.text) : ENT_OK;
}

ent_status folder_records(struct records *records, const char *folder, const char *except, ent_error *error)
{
    struct joining j = { records, except };
    *records = (struct records){ .row = NULL };
    ent_status status = folder_files(folder, join, &j, error);
    if (status) records_free(records);
    return status;
}

ent_status folder_all_records(struct records *records, const char *folder, ent_error *error)
{
    ent_status status = folder_records(records, folder, NULL, error);
    if (status || records->plan_hash) return status;
    return ent_fail(error, ENT_EINVAL, "%s: no records*.h5 in it; `entropy run` writes them", folder);
}

/* ---- the folder an argument names --------------------------------------------------------------------------- */

error_t folder_option(int key, char *text, struct argp_state *state)
{
    struct folder_options *o = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (o->folder) argp_error(state, "one folder at a time");
        o->folder = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->folder) argp_error(state, "which folder?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

ent_status folder_of_run(char folder[PATH_MAX], const char *given, const struct plan *plan, ent_error *error)
{
    if (!given) return folder_path(folder, "results", plan->name, error);
    if (snprintf(folder, PATH_MAX, "%s", given) < PATH_MAX) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: too long", given);
}

/* ---- the plan ------------------------------------------------------------------------------------------------- */

static const char plan_file[] = "plan.yaml";

ent_status folder_save_plan(const char *folder, const struct plan *plan, ent_error *error)
{
    struct save save;
    char path[PATH_MAX];
    ent_status status = folder_path(path, folder, plan_file, error);
    if (!status) status = save_open(&save, path, error);
    if (status) return status;
    fputs(plan->text, save.file);
    return save_close(&save, ENT_OK, error);
}

ent_status folder_read_plan(struct plan *plan, const char *folder, ent_error *error)
{
    char path[PATH_MAX];
    ent_status status = folder_path(path, folder, plan_file, error);
    if (!status && access(path, R_OK))
        status =
            ent_fail(error, ENT_EINVAL, "%s: no plan in it; `entropy run PLAN -o %s` puts it there", folder, folder);
    return status ? status : plan_read(plan, path, error);
}
