/* weights.h - open a model file and walk its tensors.
 *
 * Layer 1.  Files are mapped: a tensor is a view into the mapping.  Only what a file holds compressed
 * (.npz of numpy.savez_compressed, HDF5 datasets with filters) is copied, unpacked.  Each file format
 * is one reader (one file, one line in readers.def), chosen by what the file begins with.
 */
#ifndef ENTROPY_WEIGHTS_H
#define ENTROPY_WEIGHTS_H

#include <entropy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One tensor; everything is borrowed from the ent_weights that it came from. */
typedef struct ent_tensor {
    const char *name;      /* UTF-8 */
    const char *role;      /* what it is in its model: see ent_weights_role */
    const char *dtype;     /* as the file names it, e.g. "BF16" */
    uint32_t dtype_bits;   /* of one element; 0 where blocks of weights are stored (see ent_records) */
    uint32_t rank;         /* 0: a scalar */
    const uint64_t *shape; /* rank sizes, slowest axis first */
    uint64_t elements;     /* their product; 1 for a scalar */
    uint32_t file;         /* index of the file that holds it */
    uint64_t offset;       /* of its first byte in that file */
    ent_bytes bytes;       /* its content, maybe unaligned */
    bool unpacked;         /* the file holds it compressed, from `offset` on: `bytes` are a copy, no part of it */
} ent_tensor;

/* One file of the model, mapped whole. */
typedef struct ent_weights_file {
    const char *name; /* base name, no directory */
    ent_bytes bytes;  /* all of it */
} ent_weights_file;

/* An open model.  Read only, but for the two functions that say so: any number of threads may share it. */
typedef struct ent_weights ent_weights;

/* Opens a model: a file of any known format, a sharded index (*.safetensors.index.json), or a
 * folder that holds one of these (model.safetensors.index.json is preferred to model.safetensors,
 * then any single file with the name of a model; of a split GGUF the first counts).  `path` is borrowed for the call.
 *
 * ENT_EIO when it cannot be opened or mapped; ENT_EUNSUPPORTED for a format that has no reader
 * (known ones are named together with the remedy: a Git LFS pointer, a pickle, ...);
 * ENT_ECORRUPT for a file that breaks its format's rules, the message naming file, tensor and
 * offset.  After ENT_OK every tensor's bytes lie within its file and no two overlap, but for those that are `unpacked`.
 * Time and memory are O(header), whatever the header claims; unpacking takes O(what there is unpacked) time, and as
 * much room for an unlinked temporary file in $TMPDIR (or /tmp): ENT_EIO when there is none.  ENT_EUNSUPPORTED for
 * what would unpack to over 64 MiB and a hundred times its size. */
ENT_API ent_status ent_weights_open(ent_weights **weights, const char *path, ent_error *error);
ENT_API void ent_weights_close(ent_weights *weights); /* takes NULL; ends all views */

ENT_API const char *ent_weights_format(const ent_weights *weights); /* reader's name, "safetensors" */
/* What in the files is no tensor here and why, in one line: "3 datasets passed over: 2 of texts (...), ..."; NULL: nothing.
 * Of HDF5, which holds other things than numbers too. */
ENT_API const char *ent_weights_note(const ent_weights *weights);
ENT_API size_t ent_weights_tensors(const ent_weights *weights); /* their number */
/* Tensor i, in order of (file, offset). */
ENT_API const ent_tensor *ent_weights_tensor(const ent_weights *weights, size_t i);
ENT_API const ent_tensor *ent_weights_find(const ent_weights *weights, const char *name); /* NULL: none */
/* The files, in order: for a sharded model its index first, then the shards by name. */
ENT_API size_t ent_weights_files(const ent_weights *weights);
ENT_API const ent_weights_file *ent_weights_file_at(const ent_weights *weights, size_t i); /* file i */

/* Tells the system that these bytes of a tensor will not be wanted soon: a pass over a model larger
 * than memory calls it behind itself.  Reading them again is fine, and reads the file again. */
ENT_API void ent_weights_release(const ent_weights *weights, ent_bytes part);

/* The role of a tensor by its name: q_proj k_proj v_proj o_proj qkv_proj gate_proj up_proj down_proj
 * embed lm_head norm router bias conv, or "other"; a static string.  Knows the names of Llama,
 * Qwen, Mistral, Gemma, GPT-2, GPT-NeoX, OPT, Falcon and Phi families; experts count as their
 * projection.  Rules in role.c, first match wins. */
ENT_API const char *ent_weights_role(const char *tensor_name);

/* Shows packed codes of quantized checkpoints as codes, with their scales and zeros as streams of their own, by names,
 * dtypes and shapes together.  The bytes stay where they are: a code is a word of the new dtype, lowest bits first,
 * along a new last axis, so codes have the order of the file, not of the matrix, and those that fill up the last word
 * of a row are counted.
 *
 *   GPTQ, AWQ           NAME.qweight, .qzeros (I32), .scales            of 8, 4, 2 bits: U8, U4, U2
 *   compressed-tensors  NAME.weight_packed (I32), .weight_scale         the same; bits from .weight_shape or config.json
 *   MXFP4 of gpt-oss    NAME_blocks (U8, ... x 16), NAME_scales (U8)    F4, scales F8_E8M0
 *   NVFP4               NAME.weight_packed, .weight_scale (F8_E4M3), .weight_global_scale (compressed-tensors), or
 *                       NAME.weight, .weight_scale (F8_E4M3), .weight_scale_2 (modelopt)      F4, blocks of 16
 *   MXFP4               the same names, scales U8, where config.json says mxfp4               F4, scales F8_E8M0
 *   bitsandbytes        NAME.weight (U8), .weight.absmax, .weight.quant_state.bitsandbytes__nf4 or __fp4      U4
 *   INT8, FP8           NAME.weight with .weight_scale, .weight_scale_inv or .SCB             roles alone change
 *
 * Roles say what part it is: "q_proj codes", "zeros", "scales", "global scale", "input scale", "scales of scales",
 * "levels" (what indices mean), "order" (of groups), "settings".
 *
 * The folder's config.json (quantization_config) is read where there are such names.  What it leaves open is not
 * guessed: the tensor stays as it is.  What it says must hold: shapes, bits, group and block sizes that contradict a
 * quant_method of these families are ENT_ECORRUPT, as is a config.json that cannot be read; without one a tensor that
 * does not fit stays as it is.  A quant_state must always agree with its tensors.
 *
 * Once, before the weights are shared with other threads; pointers to tensors stay valid.  Also ENT_ENOMEM; after an
 * error some tensors may be changed.  Time O(tensors). */
ENT_API ent_status ent_weights_view_packed(ent_weights *weights, ent_error *error);

/* Says what the words are that a file holds as raw data of unknown meaning (NumPy's V1, V2, V4 and V8: it has no names
 * for BF16 and FP8): every such tensor whose words have `bits` bits gets that dtype, a static string.  As the function
 * above, once and before the weights are shared.  Returns the number of tensors named. */
ENT_API size_t ent_weights_name_raw(ent_weights *weights, const char *dtype, uint32_t bits);

/* One reader a file format: `name` and what begins such a file, for lists. */
typedef struct ent_reader_info {
    const char *name, *brief;
} ent_reader_info;
ENT_API size_t ent_readers(void); /* how many there are */
ENT_API ent_reader_info ent_reader_at(size_t i); /* the i-th, from 0 */

#ifdef __cplusplus
}
#endif
#endif
