/* pack.h - a whole model packed by a pipeline of transforms, and back: lossy files.
 *
 * Layer 3.  A packed model is a safetensors file: a tensor for each part of each packed matrix, the other
 * tensors as they are, and what is left of the files (headers, other files) byte for byte.  Every
 * tool that knows models can look at it, and a container codes it without further loss.  The layout is in
 * libentropy/pack/FORMAT.md.
 */
#ifndef ENTROPY_PACK_H
#define ENTROPY_PACK_H

#include <entropy/container.h>
#include <entropy/transform.h>
#include <entropy/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENT_PACK_MANIFEST "libentropy.packed" /* name of the tensor that says how to unpack */

enum { ENT_PACK_PIPELINES = 4096 }; /* of one model */

/* What is packed, and how; all borrowed for the call. */
typedef struct ent_packing {
    const ent_pipeline *pipeline;        /* of all tensors that can be packed and are not kept */
    const bool *keep;                    /* keep[i]: tensor i stays as it is; NULL: none */
    const ent_input_stats *const *input; /* input[i]: of the layer of tensor i, or NULL; NULL: nothing is calibrated */
    /* Of several pipelines, `pipeline` their first, tensor i is packed by pipeline[pick[i]]; NULL: all by the first. */
    const uint32_t *pick;
    uint32_t pipelines; /* with pick: how many there are */
} ent_packing;

/* Whether a tensor can be packed: two axes or more, F16, BF16, F32 or F64, 1 to 2^32 - 1 elements.  Its matrix has
 * a row for each place on the first axis. */
ENT_API bool ent_pack_takes(const ent_tensor *tensor);

/* A kind of part, over all matrices. */
typedef struct ent_pack_part {
    char name[16];
    uint64_t words; /* of its format */
    double plain_bits, entropy_bits; /* in its own format; each tensor's part at its order-0 plug-in entropy */
} ent_pack_part;

enum { ENT_PACK_PARTS = 16 }; /* kinds of a model; others are not told apart */

/* What packing found. */
typedef struct ent_pack_report {
    uint64_t matrices, weights; /* packed */
    uint64_t bytes;             /* of them, in the model */
    uint64_t zeros;             /* of their weights come back as zero */
    double signal, largest;     /* sum of squares of their weights; largest absolute error */
    uint32_t stages; /* of the longest pipeline; a shorter one's last errors stand for the stages that it lacks */
    /* Sum of squared errors if the pipelines ended after stage i, before rounding to the model's dtype (growth from
     * stage to stage is what a stage adds), and at the end after it. */
    double noise_after[ENT_STAGES], noise;
    double stage_ns[ENT_STAGES]; /* over all threads */
    double read_ns, part_ns;     /* widening to floats; measuring and storing parts; over all threads */
    uint32_t parts;              /* kinds of parts */
    ent_pack_part part[ENT_PACK_PARTS]; /* by kind */
} ent_pack_report;

/* Writes the packed model to `path`, under a temporary name until it is complete.  The same bytes for any
 * number of threads.  Memory, whatever the size of the model: matrices of at most 2^27 weights at once, or one larger one, with
 * their parts; a thread works on one each, in floats, and some transforms take a copy or two of it.  *report (may be NULL) is filled on success.
 * ENT_EINVAL, naming the tensor, for what ent_pipeline_apply refuses, and for names that a packed
 * model would have twice. */
ENT_API ent_status ent_pack(const char *path, const ent_weights *weights, const ent_packing *packing, const ent_run *run,
                            ent_pack_report *report, ent_error *error);

/* Gives back the files of the model that was packed, named and placed as by ent_container_extract: packed matrices
 * as their pipeline gives them back, rounded to the model's dtype, all else byte for byte.  Memory as ent_pack.
 * ENT_ECORRUPT when the manifest and the tensors do not go together; nothing is left then. */
ENT_API ent_status ent_unpack(const ent_weights *packed, const char *path, const ent_run *run, ent_error *error);
/* The same from a container of the packed model. */
ENT_API ent_status ent_unpack_container(ent_container *container, const char *path, const ent_run *run, ent_error *error);

/* ---- stacks ------------------------------------------------------------------------------------- */

/* A packed model with matrices whose quantizer leaves levels (bitstack), and no other stage of whose pipelines has parts.  A *block* is
 * a level of a matrix.  Blocks are loaded in the order in which they lie in the file, as many as there is memory for (wang2025bitstack);
 * each makes the model more exact, and none touches what the others brought.  Not for several threads at once. */
typedef struct ent_stack ent_stack;

/* A block of a stack. */
typedef struct ent_stack_block {
    const char *name;           /* of its matrix; borrowed */
    uint32_t rows, cols, level; /* of the matrix; which of its levels, from 0 */
    uint64_t bytes;             /* of its parts, uncoded */
} ent_stack_block;

/* Reads no block.  The packed model or the container must outlive the stack.  ENT_EINVAL and ENT_EUNSUPPORTED for models
 * packed in another way, ENT_ECORRUPT as ent_unpack and for levels out of order. */
ENT_API ent_status ent_stack_open(ent_stack **stack, const ent_weights *packed, ent_error *error);
ENT_API ent_status ent_stack_open_container(ent_stack **stack, ent_container *container, ent_error *error);
ENT_API void ent_stack_close(ent_stack *stack); /* takes NULL */
ENT_API size_t ent_stack_blocks(const ent_stack *stack); /* their number */
ENT_API ent_stack_block ent_stack_block_at(const ent_stack *stack, size_t i); /* the i-th in the file, from 0 */
ENT_API uint64_t ent_stack_fixed_bytes(const ent_stack *stack); /* of tensors and parts that are in no block */
/* How many blocks, the first ones, fit with what is fixed into max_bytes of memory, and what they all take (bytes may be
 * NULL).  ENT_EINVAL when what is fixed does not fit. */
ENT_API ent_status ent_stack_fit(const ent_stack *stack, uint64_t max_bytes, size_t *blocks, uint64_t *bytes, ent_error *error);
/* values += block i, rows x cols of its matrix; the blocks of a matrix, added to zeros in their order, give what
 * unpacking gives.  Reads the block's parts and nothing else. */
ENT_API ent_status ent_stack_add(ent_stack *stack, size_t i, float *values, ent_error *error);
/* As ent_unpack, of the first `blocks` alone; matrices of which no block is among them are zeros. */
ENT_API ent_status ent_stack_unpack(const ent_stack *stack, size_t blocks, const char *path, const ent_run *run, ent_error *error);
/* Writes a copy of the packed model, block order[0] first in the file, then order[1], ...: numbers of ent_stack_block_at,
 * each once.  ENT_EINVAL when a level would come before one below it. */
ENT_API ent_status ent_stack_write(const char *path, const ent_weights *packed, const size_t *order, ent_error *error);

/* ---- systems ------------------------------------------------------------------------------------ */

/* A published way of storing weights, by its name: rows of systems.def.  Lossless ones are codecs of that name. */
typedef struct ent_system {
    const char *name, *brief; /* stable key; one line */
    const char *cite;     /* key in paper/refs.bib */
    const char *pipeline; /* of transforms, or several with '|' and ranges between which --budget decides; NULL: lossless */
    const char *codec;    /* of the model's own words where it is lossless, else of the parts, NULL: stored as they are; a name
                             or a line (codec.h) */
    const char *allocation; /* of several pipelines: how they are shared out (`entropy compress --allocate`); else NULL */
    double budget_bits;     /* and within how many bits a weight of the model; else 0 */
    const char *published;  /* what its authors report, and on what */
    const char *status;     /* of that: "paper", "datasheet", "second-hand" or "derived" */
    const char *left_out;   /* what of the system is not done here; NULL: nothing */
} ent_system;
ENT_API extern const ent_system ent_systems[]; /* ends with a NULL name */
ENT_API const ent_system *ent_system_find(const char *name); /* NULL: none */

/* ---- containers --------------------------------------------------------------------------------- */

/* Whether a container holds a packed model, and its pipelines' texts (appended, " | " between them, with a final NUL). */
ENT_API bool ent_container_is_packed(const ent_container *container);
ENT_API ent_status ent_container_pipeline(ent_container *container, ent_buffer *text, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
