/* gpu.h - coded weights in the memory of a GPU, decoded there.
 *
 * Layer 3.  Cards need the library that `make gpu` builds (libentropy_gpu.so, with nvcc); it is looked for when a card is
 * asked for, so that nothing else depends on CUDA.  The emulation is always there: the same kernels, run lane for lane by
 * plain C (slow; for tests, and to read what a card would do).
 *
 * Tensors are BF16 by codecs that code the exponent by tiered or planar-rans and keep the rest raw, e.g. the named codecs
 * "tiered" and "planar-rans", with tables of a tensor or more (not scope=block) and blocks of a multiple of 64 weights.
 * Blocks come as ent_block_encode wrote them; upload takes their strings apart and adds where each warp starts.
 *
 * Which codec.  Decoding of tiered may start at any group of 64 weights, given where its codes are, so that a warp decodes 32 of them
 * at a time, each lane one, in blocks of any size; at 44 bytes of index for 4096 weights it takes 10.742 bits a normal weight on the card, all
 * counted.  Faster is "BF16: exponent=tiered(tiers=3) rest=raw block=16k", of 10.767 bits, whose third tier is nearly always the last; and only
 * tables of the usual shape are fast: tiers 1 and 2 of 2 bits, their 6 exponents below 128 (weights below 2), tier 3 of 3 at most.
 *
 * A warp decodes 64 lanes of planar-rans at a time, so a block of 1, 2 or 4 groups (under 8k weights, under 128k, more) has work
 * for as many warps; a group costs 128 bytes of states less the 64 symbols that they hold.  An H100 has 132 multiprocessors, and a
 * 4096 x 4096 matrix should give each some 16 warps: block=16k, two warps of 8192 weights, which takes 10.658 bits a normal weight
 * (10.583 with block=64k and a quarter of the warps).  All by `test_gpu --bits`, 16 Mi weights of `entropy dataset make normal`.
 *
 * What bounds it.  An H100 moves 3350 GB/s (data sheet) and decoding a weight reads 1.34 bytes and writes 2: at most 1.0e12
 * weights/s.  132 multiprocessors start 4 instructions of a warp a cycle, 9.7e11 a second at 1.83 GHz: 31 for 32 weights
 * before they are the bound; tiered takes 10.3 and planar-rans 26.  A product writes nothing: 2.5e12 weights/s, 12.4 instructions, of which
 * tiered takes 12.1 and planar-rans 26.  Counted from the machine code (tests/gpu/sass.sh; results/gpu); nothing has been
 * measured on a card. */
#ifndef ENTROPY_GPU_H
#define ENTROPY_GPU_H

#include <entropy/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ent_gpu ent_gpu; /* a card, or the emulation */

enum { ENT_GPU_EMULATED = -1 }; /* in place of a card's number */

/* The number of cards that may be opened; 0 without library, driver or card. */
ENT_API int ent_gpu_count(void);

/* Opens card 0, 1, ... or ENT_GPU_EMULATED.  The library is looked for at the path that the environment variable
 * ENT_GPU_LIBRARY names, if set, otherwise beside the running program and where the system has its libraries.
 * ENT_EUNSUPPORTED, with what is missing, when there is no such card. */
ENT_API ent_status ent_gpu_open(ent_gpu **gpu, int device, ent_error *error);
ENT_API void ent_gpu_close(ent_gpu *gpu); /* after all that was made with it is freed; takes NULL */
ENT_API const char *ent_gpu_name(const ent_gpu *gpu); /* the card's, or "emulation" */

/* ---- its memory ------------------------------------------------------------------------------- */

/* Memory of the card, aligned to 64 bytes or more, and copies from and to the host's, which wait until all is done.
 * Statuses of a card: ENT_ENOMEM; ENT_ECHECK when it reports a fault, perhaps of earlier work. */
ENT_API ent_status ent_gpu_alloc(ent_gpu *gpu, void **memory, size_t bytes, ent_error *error);
ENT_API void ent_gpu_free(ent_gpu *gpu, void *memory);
ENT_API ent_status ent_gpu_write(ent_gpu *gpu, void *memory, const void *from, size_t bytes, ent_error *error);
ENT_API ent_status ent_gpu_read(ent_gpu *gpu, void *to, const void *memory, size_t bytes, ent_error *error);

/* ---- tensors ---------------------------------------------------------------------------------- */

typedef struct ent_gpu_tensor ent_gpu_tensor; /* coded weights in a card's memory */

/* n weights in blocks of recipe->block, code[i] being block i, to the card.  Each block is verified and decoded once by
 * the host first, on `threads` threads (0: all), so that kernels need not check anything: ENT_ECORRUPT names the block.  ENT_EUNSUPPORTED
 * for other formats, codecs and scopes (see above).  Needs host memory for the whole image. */
ENT_API ent_status ent_gpu_upload(ent_gpu_tensor **tensor, ent_gpu *gpu, const ent_recipe *recipe,
                                  const ent_tables *tables, const ent_bytes code[], size_t n, unsigned threads,
                                  ent_error *error);
ENT_API void ent_gpu_tensor_free(ent_gpu_tensor *tensor); /* takes NULL; waits for nothing */
ENT_API size_t ent_gpu_weights(const ent_gpu_tensor *tensor); /* how many weights it has */

/* All of the card's memory that the tensor takes, in bits: payload the strings, table the tables as kernels read them, index where
 * warps start, alignment, and the slack at the end that lets wide loads run over. */
ENT_API ent_tally ent_gpu_bits(const ent_gpu_tensor *tensor);

/* Decodes all weights to `words`, memory of the card of 2 bytes a weight aligned to 16, on a stream (a cudaStream_t; NULL is the
 * default one).  Does not wait; ent_gpu_wait does, and tells of faults. */
ENT_API ent_status ent_gpu_decode(const ent_gpu_tensor *tensor, void *words, void *stream, ent_error *error);
ENT_API ent_status ent_gpu_wait(ent_gpu *gpu, void *stream, ent_error *error);

/* ---- products ---------------------------------------------------------------------------------- */

/* Y = X W^T, where W, rows x cols by rows, is the tensor, straight from its code: x of `batch` (1 to 16) times `cols` BF16,
 * y of `batch` times `rows` FP32, `memory` of ent_gpu_product_memory's bytes for sums (NULL where these are 0), all memory of the
 * card aligned to 16.  Sums are of FP32; a BF16 product is exact in it.  An x of FP32 is the sum of three of BF16 (its nearest one,
 * that of the rest, and what remains), so three vectors of the batch whose y are added.  Does not wait.
 *
 * All shapes are served.  Fast, by the matrix units, where a row is a multiple of 64 weights (tiered, of the usual tables, blocks of a
 * multiple of 4096), or of 512 times the groups of a block (planar-rans, blocks of a multiple of that; not the last few
 * rows).  No sum depends on chance: the same card gives the same bits.  Of `cols` products of one vector |error| is at most
 * (cols + 64) 2^-23 times the sum of their magnitudes, and in practice far less.  ENT_EINVAL for shapes that are not the
 * tensor's, other batches, and memory that is not aligned. */
ENT_API ent_status ent_gpu_product(const ent_gpu_tensor *tensor, size_t rows, size_t cols, const void *x, unsigned batch,
                                   float *y, void *memory, void *stream, ent_error *error);
/* Bytes of card memory that such a product needs; 0 for tiered where it is fast, and where no row has weights in two warps' shares.
 * Errors as above. */
ENT_API ent_status ent_gpu_product_memory(const ent_gpu_tensor *tensor, size_t rows, size_t cols, unsigned batch, size_t *bytes,
                                          ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
