/* npy.h - one NumPy array, alone or in an archive. */
#ifndef ENT_WEIGHTS_NPY_H
#define ENT_WEIGHTS_NPY_H

#include "weights/reader.h"

bool ent_npy_recognises(ent_bytes file);
/* Appends the array that bytes [start, end) of the file hold as tensor `name`. */
ent_status ent_npy_append(ent_weights *model, uint32_t file, uint64_t start, uint64_t end, const char *name,
                          ent_error *error);

#endif
