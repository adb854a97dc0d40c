/* stack.h - the blocks of a packed model, in the order in which they lie. */
#ifndef ENT_PACK_STACK_H
#define ENT_PACK_STACK_H

#include "pack/manifest.h"

typedef struct ent_pack_block { /* a level of a matrix */
    size_t entry, first; /* its matrix in the manifest; the first of its tensors in the file */
    uint32_t level;
    uint64_t bytes;
} ent_pack_block;

struct ent_stack {
    ent_pack_source source;
    ent_pack_manifest manifest;
    ent_run silent;
    ent_pack_block *block;
    size_t blocks;
    uint64_t fixed_bytes;
};

#endif
