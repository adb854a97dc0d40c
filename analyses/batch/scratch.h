/* scratch.h - a folder of a process for files that live as long as a cell, in the folder of the run. */
#ifndef ENT_ANALYSES_SCRATCH_H
#define ENT_ANALYSES_SCRATCH_H

#include <limits.h>
#include <sys/types.h>

#include <entropy/base.h>

enum { SCRATCH_PATH = PATH_MAX - 300 }; /* leaves room for a file in it */

/* Where it lies: named by machine and process; not made.  ENT_EINVAL when the name is too long. */
ent_status scratch_name(char path[SCRATCH_PATH], const char *folder, pid_t process, ent_error *error);
/* Removes it with the files in it, if it is there. */
void scratch_remove(const char *path);
/* Removes those of all processes: of a folder in which none is at work. */
void scratch_sweep(const char *folder);

#endif
