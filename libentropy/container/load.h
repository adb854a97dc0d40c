/* load.h - an open container, and its tensors ready to be decoded. */
#ifndef ENT_CONTAINER_LOAD_H
#define ENT_CONTAINER_LOAD_H

#include "container/h5.h"
#include "container/index.h"

struct ent_container {
    char *path;
    int fd; /* blocks are read past HDF5, by all threads */
    uint64_t size;
    hid_t h5;
    json_t *root; /* the index; its strings are borrowed */
    const ent_weights *base; /* with deltas, once it has been given; borrowed */
    ent_index index;
    ent_buffer tables;
};

/* ENT_EINVAL when the container has a base and it has not been given. */
ent_status ent_need_base(const ent_container *container, ent_error *error);

/* A tensor whose tables are built and whose blocks have been found. */
typedef struct ent_loaded {
    const ent_index_tensor *tensor;
    const ent_recipe *recipe;
    ent_tables tables;
    ent_place *place;    /* of each block */
    const uint8_t *base; /* with a delta: the bytes of its counterpart */
} ent_loaded;

ent_status ent_load(ent_loaded *loaded, const ent_container *container, size_t tensor, ent_error *error);
void ent_unload(ent_loaded *loaded); /* takes a zeroed struct */

/* Memory of one thread; all zero is a new one. */
typedef struct ent_scratch {
    ent_workspace work;
    ent_buffer coded, words;
} ent_scratch;
void ent_scratch_free(ent_scratch *scratch, size_t n); /* an array of n, itself included; takes NULL */

/* Reads the bytes of block k, place[k].size of them, as they are. */
ent_status ent_load_code(const ent_container *container, const ent_loaded *loaded, uint64_t k, uint8_t *code,
                         ent_error *error);

/* Decodes a block of n words, bytes from `offset` on of the tensor, into `out`: into it itself where words are stored as they
 * are, aligned; else by way of the scratch. */
ent_status ent_load_decode(const ent_loaded *loaded, ent_bytes coded, unsigned flags, uint64_t offset, uint8_t *out,
                           size_t n, ent_scratch *scratch);

/* Reads, checks and decodes block k into `out`, its bytes as they are in the model's file.  For any
 * number of threads at once.  `flags` as of ent_block_decode. */
ent_status ent_load_block(const ent_container *container, const ent_loaded *loaded, uint64_t k, unsigned flags,
                          uint8_t *out, ent_scratch *scratch, ent_error *error);

#endif
