/* read.c - lets the reader of HDF5 files undo our own filter. */
#include <entropy/filter.h>

#include "filter/chunk.h"
#include "weights/hdf5.h"

static ent_status undo(const uint32_t *value, size_t values, ent_bytes chunk, uint8_t *out, size_t *size, ent_error *error)
{
    ent_chunks chunks;
    ent_status status = ent_chunks_open(&chunks, value, values, error);
    if (status) return status;
    if (chunks.bytes > *size) status = ent_fail(error, ENT_ECORRUPT, "its parameters tell of larger chunks than there are");
    if (!status && (status = ent_chunk_decode(&chunks, chunk, out))) ent_fail(error, status, "%s", ent_status_text(status));
    *size = chunks.bytes;
    ent_chunks_close(&chunks);
    return status;
}

void ent_filter_register(void) { ent_hdf5_set_undo(ENT_FILTER_ID, undo); }
