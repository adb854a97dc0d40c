/* hdf5.h - the functions of HDF5 that the plugin calls, found in the library that calls it.
 *
 * The plugin is linked with no HDF5: a process may hold several (that of the distribution, one with MPI, the one inside
 * a wheel of h5py), none need be visible to others, and objects of one mean nothing to another. */
#ifndef ENT_FILTER_HDF5_H
#define ENT_FILTER_HDF5_H

#include <stdbool.h>

#include <hdf5.h>

#include <entropy/base.h>

#define ENT_HDF5_FUNCTIONS(X) \
    X(H5allocate_memory) X(H5free_memory) X(H5Epush2) X(H5Pget_filter_by_id2) X(H5Pmodify_filter) X(H5Pget_chunk) \
    X(H5Tget_class) X(H5Tget_size) X(H5Tget_order) X(H5Tget_fields) X(H5Tget_ebias)

typedef struct ent_hdf5 {
#define X(name) __typeof__(&name) name;
    ENT_HDF5_FUNCTIONS(X)
#undef X
    hid_t error_class, pipeline, cannot_filter; /* for H5Epush2 */
} ent_hdf5;

/* `caller`: an address inside the library, such as that to which a function called by it returns. */
bool ent_hdf5_find(ent_hdf5 *h5, const void *caller);
/* Adds a reason to HDF5's stack of errors, which its programs print. */
void ent_hdf5_say(const ent_hdf5 *h5, const ent_error *error);

#endif
