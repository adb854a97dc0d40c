/* index.h - what a container says about itself: the JSON text in /index, as structs.
 *
 * Strings are borrowed: from the model when writing, from the JSON tree when reading. */
#ifndef ENT_CONTAINER_INDEX_H
#define ENT_CONTAINER_INDEX_H

#include <jansson.h>

#include <entropy/container.h>

#define ENT_INDEX_FORMAT "libentropy container"
enum { ENT_INDEX_VERSION = 3 }; /* the newest; what needs nothing new is written as version 1 */

typedef struct ent_index_file {
    const char *name;
    uint64_t bytes, hash; /* XXH3-64 of the whole file */
} ent_index_file;

typedef struct ent_index_recipe {
    const char *dtype, *text; /* dtype "": opaque bytes */
    ent_recipe recipe;
} ent_index_recipe;

typedef struct ent_index_table { /* bytes [offset, offset + size) of /tables */
    uint64_t offset, size;
    uint32_t checksum; /* as of a block */
} ent_index_table;

typedef struct ent_index_tensor {
    const char *name, *dtype;
    uint32_t rank;
    const uint64_t *shape;
    uint64_t elements, bytes, words; /* words: elements of a known format, else bytes */
    uint32_t file, recipe;
    uint64_t offset;               /* in the file */
    int64_t table[ENT_MAX_FIELDS]; /* of each field, -1: none */
    uint64_t coded;                /* bytes of its blocks */
    ent_delta delta;
    uint32_t base_file;   /* with a delta: where in the base its counterpart lies */
    uint64_t base_offset;
    int64_t same;                  /* the earlier tensor of the same bytes, whose blocks serve it too; -1: it has its own */
} ent_index_tensor;

typedef struct ent_index {
    const char *codec, *codec_name;
    ent_scope scope;
    bool readable; /* datasets with the tensors' shapes and types, of chunks of the HDF5 filter (filter/chunk.h) */
    uint64_t block;
    ent_container_sizes sizes;
    ent_index_file *file, *base; /* base: of the other checkpoint, where there are deltas */
    ent_index_recipe *recipe;
    ent_index_table *table;
    ent_index_tensor *tensor; /* in order of (file, offset), without overlaps */
    uint64_t *shapes;         /* what tensor[].shape points into, when read */
    size_t files, bases, recipes, tables, tensors;
} ent_index;

/* Whether a field's table is one of /tables. */
bool ent_index_needs_table(const ent_recipe *recipe, uint32_t field);
/* Words of a tensor, by its recipe: elements of a number format, records, or bytes. */
uint64_t ent_index_words(const ent_index *index, const ent_index_tensor *tensor);
uint32_t ent_index_word_weights(const ent_index *index, const ent_index_tensor *tensor); /* a byte counts as one */
uint64_t ent_index_block_words(const ent_index *index, const ent_index_tensor *tensor);  /* of all blocks but the last */
uint64_t ent_index_flat_words(const ent_index *index, const ent_index_tensor *tensor);   /* the same, whatever its shape */
/* Its dataset: see array.c. */
enum { ENT_ARRAY_RANK = 32 }; /* HDF5's most */
typedef struct ent_array {
    ent_kind kind; /* of numbers: unsigned, signed or float */
    const ent_format *format; /* of floats */
    uint32_t width, rank; /* bytes of an element */
    uint64_t size[ENT_ARRAY_RANK], chunk[ENT_ARRAY_RANK];
    uint64_t elements, block; /* in all; in all chunks but the last, where they follow each other */
} ent_array;
ent_array ent_index_array(const ent_index *index, const ent_index_tensor *tensor);
uint64_t ent_index_blocks(const ent_index *index, const ent_index_tensor *tensor);
/* Words of block k of a tensor, and the bytes [*offset, *offset + size) of the tensor that they are. */
size_t ent_index_block(const ent_index *index, const ent_index_tensor *tensor, uint64_t k, uint64_t *offset,
                       size_t *size);

/* Blocks of a window, of which there are two (windows.h): several a thread, so that the slowest is seldom waited
 * for, in a bounded part of memory, but at least one a thread. */
size_t ent_index_window(const ent_index *index, unsigned threads);

void ent_index_free(ent_index *index); /* the arrays; the strings are borrowed */

/* Compact JSON, freed by free() (jansson's). */
ent_status ent_index_write(const ent_index *index, char **text, ent_error *error);
/* Trusts nothing: after ENT_OK all references are in range, tensors lie within their files in order
 * and apart, file names are plain, and table bytes lie within `tables` bytes. */
ent_status ent_index_read(ent_index *index, const json_t *root, uint64_t tables, const char *path, ent_error *error);

#endif
