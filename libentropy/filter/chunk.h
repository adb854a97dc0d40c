/* chunk.h - chunks of HDF5 datasets that stand on their own: what the HDF5 filter codes, without HDF5.
 *
 * A filter is told its parameters and the bytes of a chunk, no more; so the parameters name the recipe and
 * the chunk holds its tables.  The layout is in FORMAT.md. */
#ifndef ENT_FILTER_CHUNK_H
#define ENT_FILTER_CHUNK_H

#include <entropy/codec.h>

enum {
    ENT_FILTER_ID = 58481, /* from the numbers that HDF5 leaves to private use */
    ENT_FILTER_MAGIC = 0x544e45, /* "ENT": others may use the number too */
    ENT_FILTER_TABLES = 1, /* version of the parameters: blocks of a container, whose tables are elsewhere */
    ENT_FILTER_CHUNKS = 2, /* chunks that stand on their own */
    ENT_FILTER_TEXT = 1008, /* most characters of a recipe: HDF5 gives out no more than 256 values */
    ENT_FILTER_HEAD = 4,    /* values before the text */
    ENT_FILTER_VALUES = ENT_FILTER_HEAD + ENT_FILTER_TEXT / 4,
    ENT_CHUNK_HEAD = 8, /* bytes of a chunk before its block */
};

/* The values of the filter's parameters, as HDF5 keeps them. */
typedef struct ent_filter_values {
    size_t n;
    unsigned value[ENT_FILTER_VALUES];
    uint64_t seed; /* of the checksums of chunks: the text's */
} ent_filter_values;

/* What the parameters of a dataset say.  Read only after it is made: any number of threads may share it. */
typedef struct ent_chunks {
    ent_recipe recipe; /* of scope block */
    ent_tables tables; /* of coders that need none */
    uint64_t seed;
    size_t bytes;      /* of a whole chunk, uncoded */
} ent_chunks;

/* The parameters for chunks of so many bytes, of elements of `width` bytes, from a dtype (any that is not known stands
 * for bytes) and what ent_codec_recipe_text says of it; ENT_EUNSUPPORTED where the text is too long for them. */
ent_status ent_filter_values_of(ent_filter_values *values, const char *dtype, const char *items, size_t width,
                                size_t bytes, ent_error *error);

/* Reads parameters, trusting nothing: ENT_EUNSUPPORTED for other versions, coders that this build has not and
 * chunks that are too large (2^28 words or 2^31 bytes), ENT_ECORRUPT for what nobody wrote. */
ent_status ent_chunks_open(ent_chunks *chunks, const unsigned *value, size_t n, ent_error *error);
void ent_chunks_close(ent_chunks *chunks);

/* Most bytes that a chunk takes: its own and the head, since words that coding would enlarge are stored as they are. */
size_t ent_chunk_bound(const ent_chunks *chunks);
/* The chunk of chunks->bytes bytes into `out`, appended; ENT_ESPACE unless ent_chunk_bound are free.  `data` needs no
 * alignment. */
ent_status ent_chunk_encode(const ent_chunks *chunks, const void *data, ent_buffer *out);
/* Fills in the head of a chunk of `words` words whose block, coded elsewhere, is in its place behind it. */
void ent_chunk_seal(uint64_t seed, uint8_t *chunk, size_t size, size_t words);
/* Whether a chunk of at least a head has the head that seal gives it. */
bool ent_chunk_is_sealed(uint64_t seed, ent_bytes chunk, size_t words);

/* Whether the checksum and the sizes in the head hold. */
ent_status ent_chunk_verify(const ent_chunks *chunks, ent_bytes chunk);
/* chunks->bytes bytes, those that the chunk does not hold as zeros; `out` is aligned for a word.  The checksum
 * is verified first.  ENT_ECORRUPT for what encode cannot have written. */
ent_status ent_chunk_decode(const ent_chunks *chunks, ent_bytes chunk, void *out);

#endif
