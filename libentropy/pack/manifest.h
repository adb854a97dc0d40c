/* manifest.h - what a packed model says about the model that it gives back, checked. */
#ifndef ENT_PACK_MANIFEST_H
#define ENT_PACK_MANIFEST_H

#include "pack/layout.h"
#include "pack/source.h"

typedef struct ent_pack_file {
    const char *name;
    uint64_t bytes;
    size_t first, end; /* its tensors */
} ent_pack_file;

typedef struct ent_pack_piece { /* a part, or a tensor that stays as it is */
    const char *name;
    const ent_format *format; /* of parts */
    uint32_t rows, cols;
    ent_pack_tensor at;
    size_t place; /* of its block in a stack, from 1; 0: it is of none, or they were not looked for */
} ent_pack_piece;

typedef struct ent_pack_entry {
    const char *name;
    uint64_t offset, bytes;   /* in its file */
    const ent_format *format; /* in the model; NULL: it stays as it is, in piece[0] */
    const ent_pipeline *pipeline; /* with a format */
    uint32_t rows, cols, pieces;
    ent_pack_piece *piece;
} ent_pack_entry;

typedef struct ent_pack_manifest {
    json_t *root; /* names are borrowed from it */
    const json_t *pipeline_texts;
    ent_pipeline *pipeline;
    ent_pack_file *file;
    ent_pack_entry *entry;
    size_t pipelines, files, entries;
} ent_pack_manifest;

/* Trusts nothing.  After ENT_OK file names are plain and differ, every file's tensors lie in it in order and apart,
 * every tensor that is named is there, and parts have as many words as is said. */
ent_status ent_pack_manifest_read(ent_pack_manifest *manifest, const ent_pack_source *source, ent_error *error);
void ent_pack_manifest_free(ent_pack_manifest *manifest);

#endif
