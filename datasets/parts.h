/* parts.h - what the files of this folder share: whole files, hashes, transfers. */
#ifndef ENT_DATASET_PARTS_H
#define ENT_DATASET_PARTS_H

#include <limits.h>

#include "dataset.h"

/* ---- files (files.c) ------------------------------------------------------------------------- */

/* FOLDER/NAME; ENT_EINVAL when it is too long. */
ent_status ent_dataset_path(char path[PATH_MAX], const char *folder, const char *name, ent_error *error);
/* Makes a folder and those above it, where they are not there. */
ent_status ent_dataset_make_folder(const char *folder, ent_error *error);
/* The whole text file, NUL-terminated, freed by ent_free; ENT_EIO, or ENT_ECORRUPT when it is over
 * 64 MiB or has a NUL byte.  *missing (may be NULL) says that there is no such file. */
ent_status ent_dataset_read_text(char **text, const char *path, bool *missing, ent_error *error);
/* Syncs `part` and gives it its name, also on disk when the power fails. */
ent_status ent_dataset_publish(const char *part, const char *path, ent_error *error);
/* A file name that stays in its folder. */
bool ent_dataset_name_safe(const char *name);

/* ---- hashes (hash.c) ------------------------------------------------------------------------- */

enum { ENT_HEX = 65 }; /* room for a hash in hex */

/* The SHA-256 of a file; *git (may be NULL) its SHA-1 as a blob of git. */
ent_status ent_dataset_hash(const char *path, char sha256[ENT_HEX], char git[ENT_HEX], const ent_run *run,
                            ent_error *error);
/* What FOLDER/SHA256SUMS says about a file; "" when nothing. */
ent_status ent_dataset_listed(char sha256[ENT_HEX], const char *folder, const char *name, ent_error *error);
/* Lists it, in place of what was said before. */
ent_status ent_dataset_list(const char *folder, const char *name, const char *sha256, ent_error *error);

/* ---- transfers (fetch.c) --------------------------------------------------------------------- */

typedef struct ent_announced { /* by the server; "" when it does not say */
    char sha256[ENT_HEX], git[ENT_HEX];
} ent_announced;

/* Downloads to the file `part`, going on where it ends; on failure what came stays there.  *missing
 * says that the server has no such file (404), which is ENT_EIO too. */
ent_status ent_dataset_fetch(const char *url, const char *part, ent_announced *announced, bool *missing,
                             const ent_run *run, ent_error *error);

/* ---- laws (law.c, histogram.c) ------------------------------------------------------------ */

/* How often each BF16 exponent occurs in the chosen rows of options->histogram. */
ent_status ent_law_histogram(const ent_dataset_options *options, double weight[256], ent_error *error);

typedef struct ent_law ent_law; /* read only once made: threads share it */

ent_status ent_law_new(ent_law **law, const ent_dataset_options *options, ent_error *error);
void ent_law_free(ent_law *law);
/* n weights of one row, from its own random numbers, times `scale`; `out` gets n words. */
void ent_law_row(const ent_law *law, uint64_t row, double scale, size_t n, void *out);
const char *ent_law_dtype(const ent_law *law); /* as in the file's header */
uint32_t ent_law_bytes(const ent_law *law);    /* of a word */

#endif
