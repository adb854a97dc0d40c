/* catalogue.h - where the datasets of the catalogue lie on this machine. */
#ifndef ENT_ANALYSES_CATALOGUE_H
#define ENT_ANALYSES_CATALOGUE_H

#include <limits.h>

#include "../datasets/dataset.h"

/* The catalogue that comes with the program. */
ent_status catalogue_open(ent_catalogue *catalogue, ent_error *error);
/* Where a dataset is; false when it is not here. */
bool dataset_path(char path[PATH_MAX], const ent_dataset *dataset);
/* The folder into which it is brought: NAME in $ENT_DATASETS, $XDG_CACHE_HOME/libentropy or
 * ~/.cache/libentropy.  ENT_EINVAL when none of these is set. */
ent_status dataset_home(char path[PATH_MAX], const ent_dataset *dataset, ent_error *error);

#endif
