/* h5.h - the little of HDF5 that containers use, with our errors.
 *
 * HDF5 is called from one thread at a time, in a parallel loop only in turns (windows.h): its
 * lock would serialise it, and some builds have none. */
#ifndef ENT_CONTAINER_H5_H
#define ENT_CONTAINER_H5_H

#include <hdf5.h>

#include "container/index.h"
#include "filter/chunk.h"

/* HDF5 prints errors by itself; every public function holds its tongue and lets it talk after. */
typedef struct ent_h5_tongue {
    H5E_auto2_t function;
    void *data;
} ent_h5_tongue;
ent_h5_tongue ent_h5_quiet(void);
void ent_h5_restore(ent_h5_tongue tongue);

/* An error that HDF5 has just reported: `what` failed in `path`, with HDF5's own first reason. */
ent_status ent_h5_fail(ent_error *error, ent_status status, const char *path, const char *what);

/* A new file for deterministic bytes and small metadata; the path must not exist. */
ent_status ent_h5_create(hid_t *file, const char *path, ent_error *error);
/* Closes a file that was written: ENT_EIO when it could not be completed. */
ent_status ent_h5_finish(hid_t file, const char *path, ent_error *error);
/* An existing file, read only; ENT_ECORRUPT when it is HDF5 that we do not write. */
ent_status ent_h5_open(hid_t *file, const char *path, ent_error *error);

ent_status ent_h5_group(hid_t file, const char *name, const char *path, ent_error *error);

/* The dataset of a tensor, coded outside HDF5, which the filter in its pipeline says; `values`: its parameters, NULL for
 * those that say no more.  Block k is written where its elements are. */
ent_status ent_h5_create_coded(hid_t *set, hid_t file, const char *name, const ent_array *array,
                               const ent_filter_values *values, const char *path, ent_error *error);
ent_status ent_h5_write_block(hid_t set, const ent_array *array, uint64_t k, ent_bytes block, const char *path,
                              ent_error *error);
/* Another name of a dataset, if HDF5 can have it: a slash in it makes groups. */
void ent_h5_link(hid_t file, const char *name, const char *group, const char *other);

/* Where a chunk lies in the file. */
typedef struct ent_place {
    uint64_t address, size;
} ent_place;
/* Opens the dataset of a tensor after checking that it has the shape that create gave it, and finds
 * its `blocks` blocks, each `head` bytes after the start of its chunk: places[] lie within `file_size` bytes. */
ent_status ent_h5_find_blocks(hid_t file, const char *name, const ent_array *array, uint64_t blocks, size_t head,
                              uint64_t file_size, ent_place *places, const char *path, ent_error *error);

/* A dataset of bytes, deflated in chunks; written and read in parts. */
ent_status ent_h5_create_bytes(hid_t *set, hid_t file, const char *name, uint64_t size, bool deflate, const char *path,
                               ent_error *error);
ent_status ent_h5_open_bytes(hid_t *set, uint64_t *size, hid_t file, const char *name, const char *path,
                             ent_error *error);
ent_status ent_h5_write_part(hid_t set, uint64_t offset, ent_bytes part, const char *path, ent_error *error);
ent_status ent_h5_read_part(hid_t set, uint64_t offset, void *part, size_t size, const char *path, ent_error *error);
void ent_h5_close_set(hid_t set); /* a negative id is fine */

/* A dataset of rows of a compound type, which is that of the file and of memory; deflated, each chunk with a checksum.
 * Opened it must be one of that type and so many rows: ENT_ECORRUPT, and *set may be open, when it is not. */
ent_status ent_h5_create_rows(hid_t *set, hid_t file, const char *name, hid_t type, uint64_t rows, uint64_t chunk,
                              const char *path, ent_error *error);
ent_status ent_h5_open_rows(hid_t *set, hid_t file, const char *name, hid_t type, uint64_t rows, const char *path,
                            ent_error *error);
ent_status ent_h5_write_rows(hid_t set, hid_t type, uint64_t first, uint64_t n, const void *rows, const char *path,
                             ent_error *error);
ent_status ent_h5_read_rows(hid_t set, hid_t type, uint64_t first, uint64_t n, void *rows, const char *path,
                            ent_error *error);

/* Whole datasets of bytes; none is written for no bytes, and none is read as no bytes. */
ent_status ent_h5_write_bytes(hid_t file, const char *name, ent_bytes bytes, bool deflate, const char *path,
                              ent_error *error);
ent_status ent_h5_read_bytes(hid_t file, const char *name, ent_buffer *out, const char *path, ent_error *error);

#endif
