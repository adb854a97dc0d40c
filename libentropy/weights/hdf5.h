/* hdf5.h - the structure of an HDF5 file, read from memory: objects, their messages, chunks.
 *
 * By the HDF5 File Format Specification, version 3.0.  Read here and not by libhdf5 because readers are given any bytes,
 * and libhdf5 1.10 crashes on some; because tensors are views, and libhdf5 does not say where all bytes are; and because
 * a library cannot put a guard around another one: a crash ends the process, and a process with threads cannot fork.
 * Groups of all ages are read, and datasets that are contiguous, compact or in chunks; what is left out is refused with
 * the remedy. */
#ifndef ENT_WEIGHTS_HDF5_H
#define ENT_WEIGHTS_HDF5_H

#include "weights/reader.h"

enum { ENT_HDF5_AXES = 32, ENT_HDF5_NAME = 900, ENT_HDF5_FILTERS = 32 };

/* An open file.  Addresses in it are offsets into `bytes`. */
typedef struct ent_hdf5 {
    const char *file; /* its name, for messages */
    ent_bytes bytes;  /* from its base address on */
    unsigned address_bytes, length_bytes;
    uint64_t root;                  /* the address of the root group */
    uint64_t left;                  /* bytes that may still be looked at, see ent_hdf5_spend */
    char name[ENT_HDF5_NAME + 1];   /* of the object being read, for messages */
    ent_error *error;
} ent_hdf5;

/* A place in a range of bytes.  Beyond its end there are zeros, and `over` is set. */
typedef struct ent_hdf5_cursor {
    const uint8_t *at, *end;
    bool over;
} ent_hdf5_cursor;

uint64_t ent_hdf5_take(ent_hdf5_cursor *c, unsigned bytes); /* little-endian; 0 to 8 */
void ent_hdf5_skip(ent_hdf5_cursor *c, size_t bytes);
bool ent_hdf5_mark(ent_hdf5_cursor *c, const char *mark); /* takes it, if it is there */
/* An address; UINT64_MAX when it is the one that means none. */
uint64_t ent_hdf5_address(const ent_hdf5 *h, ent_hdf5_cursor *c);
ent_hdf5_cursor ent_hdf5_cursor_of(ent_bytes bytes);

/* ENT_ECORRUPT or what is said, naming file and object. */
ent_status ent_hdf5_fail(const ent_hdf5 *h, ent_status status, const char *format, ...) ENT_PRINTF(3, 4);

/* Counts bytes that are looked at or stored: no more than several times the file may be, so that whatever a damaged
 * structure leads to, time and memory are O(file). */
ent_status ent_hdf5_spend(ent_hdf5 *h, uint64_t bytes);
/* `size` bytes at an address, which are counted. */
ent_status ent_hdf5_view(ent_hdf5 *h, uint64_t address, uint64_t size, const char *what, ent_hdf5_cursor *c);

/* Whether the `size` bytes at an address are followed by their checksum, as all that HDF5 1.8 and later write with new
 * structures are: ENT_ECORRUPT, naming `what`, when they are not.  Counted. */
enum { ENT_HDF5_SUM = 4 };
ent_status ent_hdf5_verify(ent_hdf5 *h, uint64_t address, uint64_t size, const char *what);
/* The same of bytes, from the address on, whose checksum is somewhere else. */
ent_status ent_hdf5_expect_sum(const ent_hdf5 *h, ent_bytes bytes, uint32_t sum, const char *what, uint64_t address);

/* Finds the superblock, at byte 0, 512, 1024, 2048, ...; UINT64_MAX: there is none. */
uint64_t ent_hdf5_signature(ent_bytes file);
/* Reads the superblock. */
ent_status ent_hdf5_open(ent_hdf5 *h, ent_bytes file, const char *name, ent_error *error);

/* The messages of an object that say what it is; those that it does not have are empty. */
typedef struct ent_hdf5_object {
    ent_bytes dataspace, datatype, layout, filters, fill, old_fill, symbols, links; /* links: where they are, not these */
    bool has_links, external, bfloat16;
} ent_hdf5_object;
ent_status ent_hdf5_read_object(ent_hdf5 *h, uint64_t address, ent_hdf5_object *object);

/* All records, of at least so many bytes, of a tree of version 2 and this type. */
typedef ent_status ent_hdf5_record(void *context, ent_bytes record);
ent_status ent_hdf5_read_tree(ent_hdf5 *h, uint64_t address, unsigned type, size_t least, ent_hdf5_record *take,
                              void *context);

/* A heap of objects of all sizes, found by what is stored as their number. */
typedef struct ent_hdf5_heap {
    uint64_t root, start;
    unsigned width, rows, direct_rows, offset_bytes, size_bytes;
    bool filtered, sums; /* sums: its blocks have checksums */
} ent_hdf5_heap;
/* Checks the whole heap, where it has checksums. */
ent_status ent_hdf5_open_heap(ent_hdf5 *h, uint64_t address, ent_hdf5_heap *heap);
ent_status ent_hdf5_heap_object(ent_hdf5 *h, const ent_hdf5_heap *heap, ent_bytes number, ent_bytes *object);

/* Called for each link of a group that leads to an object of the file. */
typedef ent_status ent_hdf5_link(void *context, ent_bytes name, uint64_t address);
ent_status ent_hdf5_read_links(ent_hdf5 *h, uint64_t address, const ent_hdf5_object *group, ent_hdf5_link *link,
                               void *context);

/* Whether the root group has a link of that name; false for what is no HDF5, or damaged. */
bool ent_hdf5_has(ent_bytes file, const char *name);
/* Whether a file is one that libentropy writes, a container or tables, by the names in its root group.  Those have
 * superblocks with checksums. */
bool ent_hdf5_is_ours(ent_bytes file);

/* ---- datasets ----------------------------------------------------------------------------------------------- */

/* Why a dataset is no tensor. */
typedef enum ent_hdf5_passed {
    ENT_HDF5_TEXTS, ENT_HDF5_RECORDS, ENT_HDF5_REFERENCES, ENT_HDF5_LISTS, ENT_HDF5_OTHERS, ENT_HDF5_EMPTY, ENT_HDF5_PASSED
} ent_hdf5_passed;

/* What a dataset's messages say. */
typedef struct ent_hdf5_dataset {
    uint32_t rank;
    uint64_t shape[ENT_HDF5_AXES], elements;
    uint64_t most[ENT_HDF5_AXES]; /* the shape that it may grow to */
    const char *dtype; /* static, or by `kind` below; NULL: no numbers */
    char kind[8];      /* as NumPy writes it, for those of the other byte order */
    ent_hdf5_passed passed; /* why, where dtype is NULL */
    uint32_t width, number; /* bytes of an element, which may be several numbers, and of a number */
    uint32_t inners, inner[ENT_HDF5_AXES]; /* axes of the numbers in an element */
    enum { ENT_HDF5_COMPACT, ENT_HDF5_CONTIGUOUS, ENT_HDF5_CHUNKED } layout;
    uint64_t address, size; /* of its bytes, or of the index of its chunks */
    enum { ENT_HDF5_OLD_TREE, ENT_HDF5_ONE_CHUNK, ENT_HDF5_IMPLICIT, ENT_HDF5_ARRAY, ENT_HDF5_GROWING_ARRAY, ENT_HDF5_NEW_TREE } index;
    uint32_t chunk[ENT_HDF5_AXES], mask; /* mask: of the only chunk */
    uint64_t chunk_bytes;
    bool plain_edges; /* chunks that go beyond the shape have no filters */
    struct {
        uint16_t id;
        ent_bytes values; /* its parameters, of 32 bits, little-endian */
    } filter[ENT_HDF5_FILTERS];
    unsigned filters;
    ent_bytes fill; /* an element, or empty: zero */
} ent_hdf5_dataset;
ent_status ent_hdf5_read_dataset(ent_hdf5 *h, const ent_hdf5_object *object, ent_hdf5_dataset *set);

/* A chunk: its first element, and where its bytes are. */
typedef struct ent_hdf5_chunk {
    uint64_t first[ENT_HDF5_AXES];
    uint64_t address;
    uint32_t size, mask; /* bit i of the mask: filter i was left out */
} ent_hdf5_chunk;
typedef ent_status ent_hdf5_take_chunk(void *context, const ent_hdf5_chunk *chunk);
/* All chunks that were written, in the order of their first elements. */
ent_status ent_hdf5_read_chunks(ent_hdf5 *h, const ent_hdf5_dataset *set, ent_hdf5_take_chunk *take, void *context);

/* Undoes a filter that is not one of HDF5's own: `chunk` into `out`, which has room for *size bytes and is aligned for any
 * word; *size becomes what there is.  Any thread.  `error` gets the reason. */
typedef ent_status ent_hdf5_undo(const uint32_t *value, size_t values, ent_bytes chunk, uint8_t *out, size_t *size,
                                 ent_error *error);
/* What undoes filter `id` from now on, for layers above; there is one place.  Before any other thread reads. */
void ent_hdf5_set_undo(uint16_t id, ent_hdf5_undo *undo);

/* All elements, filters undone, in the order of the axes: `out` has room for them. */
ent_status ent_hdf5_unpack(ent_hdf5 *h, const ent_hdf5_dataset *set, uint8_t *out);

#endif
