/* folder.h - a run folder: the records of all processes that worked in it, and the text of its plan. */
#ifndef ENT_ANALYSES_FOLDER_H
#define ENT_ANALYSES_FOLDER_H

#include <limits.h>

#include "../command.h"
#include "../plan.h"
#include "../record.h"

/* The records of all files records*.h5 in a folder, joined, but the one named `except` (NULL: none is).  A folder
 * without any leaves *records zeroed.  ENT_EINVAL when they are of different plans or versions, ENT_ECHECK when they
 * disagree. */
ent_status folder_records(struct records *records, const char *folder, const char *except, ent_error *error);

/* The same, of all files; ENT_EINVAL when there is none. */
ent_status folder_all_records(struct records *records, const char *folder, ent_error *error);

/* Calls `each` with the path of every file of records. */
typedef ent_status folder_file(void *context, const char *path, ent_error *error);
ent_status folder_files(const char *folder, folder_file *each, void *context, ent_error *error);

/* The options of a command that takes a run folder and nothing else, and their parser. */
struct folder_options {
    struct common common;
    const char *folder;
};
error_t folder_option(int key, char *text, struct argp_state *state);

/* The folder that a run of the plan has: the one given, or results/ and the plan's name for NULL. */
ent_status folder_of_run(char folder[PATH_MAX], const char *given, const struct plan *plan, ent_error *error);

/* Makes the folder and those above it. */
ent_status folder_make(const char *path, ent_error *error);

/* Keeps the text of the plan as FOLDER/plan.yaml, and reads it again. */
ent_status folder_save_plan(const char *folder, const struct plan *plan, ent_error *error);
ent_status folder_read_plan(struct plan *plan, const char *folder, ent_error *error);

/* Joins two names; ENT_EINVAL when the path is too long. */
ent_status folder_path(char path[PATH_MAX], const char *folder, const char *name, ent_error *error);

#endif
