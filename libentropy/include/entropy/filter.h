/* filter.h - datasets of HDF5 files that libentropy's own filter coded (h5repack -f UD=58481,0,0).
 *
 * Layer 3.  HDF5 itself loads the filter as a plugin, of which libentropy/filter/FORMAT.md tells.  ent_weights_open reads
 * HDF5 files without HDF5, and below the coders: it is told here how to undo the filter.
 */
#ifndef ENTROPY_FILTER_H
#define ENTROPY_FILTER_H

#include <entropy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on ent_weights_open undoes filter 58481 where it meets it, as it does deflate: the tensors are `unpacked`.  Before it
 * such files are refused, with the line of h5repack that takes the filter away.  Call it once, at the start of the
 * program and before other threads open files; again does no harm. */
ENT_API void ent_filter_register(void);

#ifdef __cplusplus
}
#endif
#endif
