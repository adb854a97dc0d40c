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

#endif
