/* model.h - model arguments, and data files that come with the program. */
#ifndef ENT_ANALYSES_MODEL_H
#define ENT_ANALYSES_MODEL_H

#include <limits.h>

#include <entropy/container.h>

struct common;

/* Where the model that `argument` names lies: a file or folder; hf:ORG/NAME[@REV] in the local
 * Hugging Face cache (nothing is ever downloaded); or a dataset by its name.  ENT_EINVAL when it is
 * none of these. */
ent_status model_path(char path[PATH_MAX], const char *argument, ent_error *error);

/* model_path, then ent_weights_open; words of raw data are what model_raw_words last said. */
ent_status model_open(ent_weights **weights, const char *argument, ent_error *error);

/* What raw words (ent_weights_name_raw) are in all models opened from now on: the option --dtype. */
ent_status model_raw_words(const char *dtype, ent_error *error);

/* Where FILE lies beside a model, or in it when it is a folder; it need not be there. */
ent_status model_beside(char path[PATH_MAX], const char *argument, const char *file, ent_error *error);

/* ent_container_open, but a path that is not there is the user's mistake: ENT_EINVAL. */
ent_status container_open(ent_container **container, const char *path, ent_error *error);

/* The checkpoint that a container was told by, compared with what it says of it; to be closed after the container. */
ent_status base_open(ent_weights **base, ent_container *container, const char *argument, const struct common *common,
                     ent_error *error);

/* The argument without folders, for headings: "model.safetensors", "hf:org/name". */
const char *model_name(const char *argument);

/* Where a data file that comes with the program lies: `name` itself when there is such a file, else
 * FOLDER/NAME.yaml in $ENT_DATA, beside the sources or in the installed share/libentropy, e.g.
 * data_path(path, "targets", "host").  ENT_EINVAL when it is nowhere. */
ent_status data_path(char path[PATH_MAX], const char *folder, const char *name, ent_error *error);

/* The folder itself, for lists; false when there is none. */
bool data_folder(char path[PATH_MAX], const char *folder);

#endif
