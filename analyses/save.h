/* save.h - text files that appear under their name only when complete. */
#ifndef ENT_ANALYSES_SAVE_H
#define ENT_ANALYSES_SAVE_H

#include <limits.h>
#include <stdio.h>

#include <entropy/base.h>

struct save {
    FILE *file; /* write here; NULL: not open */
    char path[PATH_MAX], part[PATH_MAX]; /* the final and the temporary name */
};

ent_status save_open(struct save *save, const char *path, ent_error *error);
/* With ENT_OK: flushes, syncs and renames; else removes what was written.  Returns the first failure,
 * `status` when that was one.  Does nothing to a save that is not open. */
ent_status save_close(struct save *save, ent_status status, ent_error *error);

#endif
