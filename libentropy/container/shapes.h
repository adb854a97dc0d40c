/* shapes.h - the dataset /shapes: name, dtype and shape of each tensor, for whoever looks into a container with the tools
 * of HDF5.  Nothing of ours needs it: the index says the same. */
#ifndef ENT_CONTAINER_SHAPES_H
#define ENT_CONTAINER_SHAPES_H

#include <hdf5.h>

#include "container/index.h"

/* Writes it, or none for no tensors. */
ent_status ent_shapes_write(const ent_index *index, hid_t file, const char *path, ent_error *error);
/* ENT_ECORRUPT when it is there and does not say what the index says. */
ent_status ent_shapes_check(const ent_index *index, hid_t file, const char *path, ent_error *error);

#endif
