/* npy.h - one NumPy array, alone or in an archive. */
#ifndef ENT_WEIGHTS_NPY_H
#define ENT_WEIGHTS_NPY_H

#include "weights/reader.h"

bool ent_npy_recognises(ent_bytes file);
/* Appends an array as tensor `name`: bytes of the file from `start` on, or, `unpacked`, what they unpack to. */
ent_status ent_npy_append(ent_weights *model, uint32_t file, uint64_t start, ent_bytes array, bool unpacked,
                          const char *name, ent_error *error);

enum { ENT_NPY_DESCR = 8 };
/* NumPy's name of a dtype, "<f4"; where it has none, that of raw data of so many bits, as ml_dtypes writes it: "<V2"
 * for BF16, "|V1" for FP8.  False: NumPy cannot hold it. */
bool ent_npy_descr(const char *dtype, uint32_t bits, char descr[ENT_NPY_DESCR]);

#endif
