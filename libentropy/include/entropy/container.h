/* container.h - the compressed model file: HDF5, one dataset a tensor, one chunk a block.
 *
 * Layer 3.  The layout is in libentropy/container/FORMAT.md.  A container gives back the identical
 * files it was made from, byte for byte: headers, order, padding and all.
 *
 * HDF5 is told to do nothing at the end of the program (H5dont_atexit): close your own HDF5 files.  It is not made for
 * threads, as Debian builds it: of all functions that write, open, read or close containers, tables and calibrations (pack.h,
 * quality.h), whichever the file, one runs at a time in a program.  Each uses all the threads that it is given.
 */
#ifndef ENTROPY_CONTAINER_H
#define ENTROPY_CONTAINER_H

#include <entropy/codec.h>
#include <entropy/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a container holds; bytes of the whole files. */
typedef struct ent_container_sizes {
    uint64_t input_bytes, output_bytes; /* of all files; of the container */
    uint64_t weights;      /* elements of tensors that have a number format */
    uint64_t weight_bytes; /* of those tensors, uncoded */
    uint64_t same_tensors; /* of the bytes of an earlier one, and so without blocks of their own */
    uint64_t same_bytes;   /* of them, uncoded */
    double bound_bits;     /* per weight: what the codec's fields allow (order-0, plug-in, per scope) */
    ent_tally tally;       /* of all tensors; the rest of output_bytes is headers and HDF5 */
} ent_container_sizes;

/* Tables trained over several models, for scope corpus: a small HDF5 file.  Begun for a codec, whatever its scope, or read
 * (ENT_ECORRUPT for other files); each model adds its counts, which costs a pass over it. */
typedef struct ent_corpus ent_corpus;
ENT_API ent_status ent_corpus_new(ent_corpus **corpus, const ent_codec *codec);
ENT_API ent_status ent_corpus_add(ent_corpus *corpus, const ent_weights *weights, const ent_run *run, ent_error *error);
ENT_API ent_status ent_corpus_write(const ent_corpus *corpus, const char *path, ent_error *error);
ENT_API ent_status ent_corpus_read(ent_corpus **corpus, const char *path, ent_error *error);
ENT_API const ent_codec *ent_corpus_codec(const ent_corpus *corpus); /* its codec, of scope corpus; borrowed */
ENT_API void ent_corpus_free(ent_corpus *corpus); /* takes NULL */

/* Tensors that the files hold compressed (`unpacked`) are kept as they are there.
 *
 * Writes `weights` to `path` with `codec` (or with the corpus's tables and codec when `corpus` is
 * not NULL): to a temporary name beside it, synced, renamed; on failure or a kill nothing is left
 * under `path`, and an older file there stays.  Memory: a few blocks a thread, whatever the model.
 * A tensor of the dtype and bytes of an earlier one (tied weights) is stored once.
 * *sizes (may be NULL) is filled on success. */
ENT_API ent_status ent_container_write(const char *path, const ent_weights *weights, const ent_codec *codec,
                                       const ent_corpus *corpus, const ent_run *run, ent_container_sizes *sizes,
                                       ent_error *error);

/* How a tensor is told by the tensor of another checkpoint that has its name, dtype and shape: not at all; by the bits that
 * differ; by the difference of its words, put in the order of their values, with the exponent of the base's word as the
 * context (container/FORMAT.md).  For number formats of whole bytes. */
typedef enum ent_delta { ENT_DELTA_NONE, ENT_DELTA_XOR, ENT_DELTA_DIFFERENCE, ENT_DELTAS } ent_delta;
ENT_API extern const char *const ent_delta_names[ENT_DELTAS]; /* "plain", "xor", "difference" */

/* A codec for what deltas leave: learns as it goes, as what it finds changes with the context. */
#define ENT_DELTA_CODEC \
    "word=arithmetic-adaptive(window=12) | [31:16]=arithmetic-adaptive(window=12) " \
    "[15:8]=arithmetic-adaptive(window=12) [7:0]=arithmetic-adaptive(window=12) | " \
    "bytes=arithmetic-adaptive(window=12)"

/* Which codec each tensor has.  Several codecs must be of scope tensor and of one block size. */
typedef struct ent_assignment {
    size_t codecs;                 /* at least 1 */
    const ent_codec *const *codec; /* codecs of them */
    const uint32_t *of;      /* tensor i has codec[of[i]]; NULL: all have codec[0] */
    const ent_weights *base; /* the other checkpoint; NULL: no deltas */
    const ent_delta *delta;  /* of tensor i, with a base: its codec is for what that leaves */
    bool readable;           /* by whatever uses HDF5 and our filter: tensors have their names and shapes; one codec of scope
                              * block, no base */
} ent_assignment;

/* Finds how each tensor of a model is smallest, by codec[0] as it is or by codec[1] told by `base`: delta[tensor].
 * size[tensor][way] (may be NULL) are what each way would take, as ent_container_estimate finds it, blocks
 * and tables; -1 where there is no counterpart. */
ENT_API ent_status ent_container_choose_deltas(const ent_weights *weights, const ent_weights *base,
                                               const ent_codec *const codec[2], uint64_t sample_bytes,
                                               const ent_run *run, ent_delta *delta,
                                               double (*size)[ENT_DELTAS], ent_error *error);

/* As ent_container_write, with a codec, and a delta if there is a base, chosen for each tensor.  The base is needed again
 * to read the container (ent_container_set_base); ENT_EINVAL for a delta of a tensor that has no counterpart. */
ENT_API ent_status ent_container_write_assigned(const char *path, const ent_weights *weights,
                                                const ent_assignment *assignment, const ent_run *run,
                                                ent_container_sizes *sizes, ent_error *error);

/* What a tensor takes in a container: blocks and tables, without its share of headers. */
typedef struct ent_tensor_size {
    double bytes, error; /* error: the standard error of an estimate, 0 when all was coded */
} ent_tensor_size;

/* size[tensor], with a codec of scope tensor.  Models of at most `sample_bytes` are coded whole; of others
 * some blocks of each tensor, evenly spaced, in proportion, at least four: the estimate is the mean
 * of its blocks.  Nothing is written. */
ENT_API ent_status ent_container_estimate(const ent_weights *weights, const ent_codec *codec, uint64_t sample_bytes,
                                          const ent_run *run, ent_tensor_size *size, ent_error *error);

/* A container that is open for reading. */
typedef struct ent_container ent_container;

/* Whether a file is a container, or tables, by what its root group holds; false for all other HDF5 files.  Nothing is
 * printed, and no damaged file crashes. */
ENT_API bool ent_container_is(const char *path);
/* Reads its index and tables, no block, and checks both: ENT_ECORRUPT, ENT_EUNSUPPORTED for a later version, ENT_EIO.  All that
 * is borrowed from a container lives until it is closed. */
ENT_API ent_status ent_container_open(ent_container **container, const char *path, ent_error *error);
ENT_API void ent_container_close(ent_container *container); /* takes NULL; ends all that is borrowed from it */
ENT_API const char *ent_container_codec(const ent_container *container); /* its line of text */
ENT_API const char *ent_container_codec_name(const ent_container *container); /* "chosen" where tensors have several */
ENT_API size_t ent_container_tensors(const ent_container *container); /* their number, in order of file and offset */

/* A tensor of a container, as ent_tensor; borrowed. */
typedef struct ent_container_tensor {
    const char *name, *dtype, *role;
    uint32_t rank;
    const uint64_t *shape;
    uint64_t elements, bytes, coded_bytes, blocks; /* bytes: uncoded; coded_bytes: of its blocks */
    const char *recipe; /* "exponent=huffman rest=raw" */
    ent_delta delta;    /* how it is told by the base */
    const char *same_as; /* the earlier tensor that it is equal to; its own blocks and coded bytes are 0; NULL: none */
} ent_container_tensor;
/* Tensor i, below their number. */
ENT_API ent_container_tensor ent_container_tensor_at(const ent_container *container, size_t i);
ENT_API size_t ent_container_find(const ent_container *container, const char *name); /* its number; SIZE_MAX: none */

ENT_API size_t ent_container_files(const ent_container *container); /* of the model */
ENT_API const char *ent_container_file_name(const ent_container *container, size_t i); /* of file i, no folder */
ENT_API ent_container_sizes ent_container_sizes_of(const ent_container *container); /* as found when it was written */

/* Files of the checkpoint that a container's tensors are told by; 0: of none. */
ENT_API size_t ent_container_base_files(const ent_container *container);
/* Gives that checkpoint, which must outlive the container's use.  Compares number, sizes and XXH3 of its files, all of which
 * it reads, with those written down: ENT_EINVAL, naming the file and what differs, when it is another; their names may
 * differ.  Without it, what reads blocks of such tensors answers ENT_EINVAL. */
ENT_API ent_status ent_container_set_base(ent_container *container, const ent_weights *base, const ent_run *run,
                                          ent_error *error);

/* Gives the original files back: one file to `path` itself, several into the folder `path` (made if
 * it is not there).  Each goes to a temporary name, synced, renamed when all are complete; several
 * in a new folder that is renamed, or, in one that holds something, file 0 removed before the others are renamed, and renamed last.
 * The whole file's XXH3 checksum is compared before that.  Blocks are read and decoded in parallel; memory: some blocks a
 * thread.  ENT_ECORRUPT, naming tensor, block and byte, ENT_EIO; no file is there after either. */
ENT_API ent_status ent_container_extract(ent_container *container, const char *path, const ent_run *run,
                                         ent_error *error);

/* The same from a damaged container: what cannot be read is told to `report`, as ent_container_verify does, and is
 * zeros in the files; all else is as it was.  ENT_ECORRUPT, with the files in place, when anything was wrong. */
typedef void ent_finding(void *context, const char *text);
ENT_API ent_status ent_container_salvage(ent_container *container, const char *path, const ent_run *run,
                                         ent_finding *report, void *context, ent_error *error);

/* Decodes tensor i into memory: its `bytes`, as in the original file.  Errors as ent_container_rows. */
ENT_API ent_status ent_container_read(ent_container *container, size_t i, void *out, const ent_run *run,
                                      ent_error *error);

/* Some rows of a tensor: its places on the first axis; a scalar has one. */
typedef struct ent_rows {
    size_t tensor;         /* its number */
    uint64_t first, count; /* rows first .. first + count - 1 */
} ent_rows;

/* All rows of tensor i. */
ENT_API ent_rows ent_container_all_rows(const ent_container *container, size_t i);
/* Bytes of the rows.  ENT_EINVAL when the tensor has no such rows, or when its rows are not whole bytes and it is not
 * all of them that are asked for. */
ENT_API ent_status ent_container_rows_bytes(const ent_container *container, ent_rows rows, uint64_t *bytes,
                                            ent_error *error);
/* Decodes rows into memory, so many bytes: reads and checks the blocks that hold them, no others, and the tensor's tables.
 * *read (may be NULL): bytes of those blocks.  ENT_EINVAL as above, ENT_ECORRUPT naming tensor, block and byte. */
ENT_API ent_status ent_container_rows(ent_container *container, ent_rows rows, void *out, const ent_run *run,
                                      uint64_t *read, ent_error *error);
/* The same into a file, as an array of NumPy (PATH.npy) or a tensor of its name (PATH.safetensors), named when it is
 * complete.  Where NumPy has no name for a dtype it gets one of raw data, as ml_dtypes does: <V2 for BF16, |V1 for
 * FP8.  ENT_EUNSUPPORTED for a dtype that the format cannot hold, ENT_EINVAL for other names of files.  Memory: the
 * rows. */
ENT_API ent_status ent_container_save(ent_container *container, ent_rows rows, const char *path, const ent_run *run,
                                      uint64_t *read, ent_error *error);

/* What all tensors would take in a container, foretold from some blocks. */
typedef struct ent_forecast {
    double bytes;              /* blocks and tables, without headers */
    double low, high;          /* between which it lies 19 times in 20; both `bytes` when all was coded */
    uint64_t stored_bytes;     /* of the tensors, uncoded */
    uint64_t weights;          /* elements of tensors that have a number format */
    uint64_t blocks, in_blocks, in_bytes; /* blocks that were coded; of how many; their bytes uncoded */
} ent_forecast;

/* Codes about `sample_bytes` of the model, which is cut, tensors of a role together, into as many parts of equal
 * size as blocks are coded, and one block is drawn from each (`seed`).  Tables are trained on what is
 * drawn; what that makes too good is added, and widens the interval.  Reads
 * nothing else of the model; models of at most `sample_bytes` are coded whole.  ENT_EINVAL for scope corpus. */
ENT_API ent_status ent_container_forecast(const ent_weights *weights, const ent_codec *codec, uint64_t sample_bytes,
                                          uint64_t seed, const ent_run *run, ent_forecast *forecast, ent_error *error);

/* Decoding all tensors, memory to memory. */
typedef struct ent_container_speed {
    uint64_t bytes, coded_bytes; /* of tensors; coded_bytes without tables */
    double decode_ns, decode_median_ns; /* of all, fastest and middle run */
    double copy_ns, copy_median_ns;     /* a memcpy of the same bytes, by blocks, in the same runs */
} ent_container_speed;

/* Reads all coded blocks into memory, decodes them once with their checksums, then `runs` times without (see
 * ENT_TRUSTED), in turn with a memcpy; tables are built before.  The last result is compared with the first
 * (ENT_ECHECK).  Memory: twice the model, and its code. */
ENT_API ent_status ent_container_time(ent_container *container, unsigned runs, const ent_run *run,
                                      ent_container_speed *speed, ent_error *error);

/* Checks and decodes every block of every tensor and, when `against` is not NULL, compares with that
 * model; `report` gets each finding (file, tensor, block, offset), in order, one at a time, in any
 * thread.  ENT_ECHECK when anything is wrong, after all has been looked at. */
ENT_API ent_status ent_container_verify(ent_container *container, const ent_weights *against, const ent_run *run,
                                        ent_finding *report, void *context, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
