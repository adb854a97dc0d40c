/* output.h - files that get their name only when they are complete. */
#ifndef ENT_CONTAINER_OUTPUT_H
#define ENT_CONTAINER_OUTPUT_H

#include <entropy/base.h>

/* A file under a temporary name beside its final one. */
typedef struct ent_output {
    char *final, *temporary;
    bool exists; /* under its temporary name */
} ent_output;

/* Chooses a temporary name that is free and creates nothing.  Refuses a final path that is there and
 * is no regular file: a device would be replaced by a file. */
ent_status ent_output_plan(ent_output *output, const char *path, ent_error *error);
/* Creates it, empty, for writing. */
ent_status ent_output_create(ent_output *output, int *fd, ent_error *error);
/* Writes at a place of a file that was created; for any number of threads at once. */
ent_status ent_output_write(const ent_output *output, int fd, uint64_t at, ent_bytes bytes, ent_error *error);
/* Syncs the file, gives it its final name, and syncs the folder: after a crash of the machine there
 * is the old file or the new one, whole. */
ent_status ent_output_commit(ent_output *output, ent_error *error);
/* Removes what has not been committed, and frees; takes a zeroed struct. */
void ent_output_drop(ent_output *output);

/* The files of a model: one goes to the path itself, several into the folder of that name.
 *
 * Where the folder is not there yet, or empty, they are written into one with a temporary name, which is renamed when all
 * are complete: at any moment there is nothing or all.  In a folder that holds something no call changes
 * several files at once.  There the first, by which a model is opened (its index, or the first of a split one), is removed
 * before any other gets its name, and comes back last: what a kill leaves is the old model, the new one, or none that
 * opens, but never parts of both. */
typedef struct ent_outputs {
    ent_output *file;
    size_t files;
    char *final, *folder; /* folder: that they are written into; NULL: none, there is one file */
    bool moves;           /* it has a temporary name */
} ent_outputs;

/* Makes the folder, if there is to be one. */
ent_status ent_outputs_plan(ent_outputs *outputs, const char *path, size_t files, ent_error *error);
/* Creates file i; the name does not count for one file. */
ent_status ent_outputs_create(ent_outputs *outputs, size_t i, const char *name, int *fd, ent_error *error);
/* All files have been created and closed. */
ent_status ent_outputs_commit(ent_outputs *outputs, ent_error *error);
void ent_outputs_drop(ent_outputs *outputs); /* as ent_output_drop */

#endif
