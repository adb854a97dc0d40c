/* target.h - what decoding costs: measured on this machine, or predicted for one described in a file.
 *
 * Layer 3.  Targets are YAML files (analyses/targets/), so a user adds one without a compiler.
 */
#ifndef ENTROPY_TARGET_H
#define ENTROPY_TARGET_H

#include <entropy/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- measuring ------------------------------------------------------------------------------ */

/* Speeds are 10^9 bytes of decoded weights per second, fastest run. */
typedef struct ent_bench {
    uint64_t weights, bytes; /* measured: whole sample */
    ent_tally tally;
    double bound_bits;       /* per weight */
    double encode_gbps, decode_gbps, memcpy_gbps;
    double decode_median_gbps, memcpy_median_gbps;
    bool verified; /* the last decode was compared with the source, bit for bit */
} ent_bench;

/* Codes and decodes one run of words (of one dtype) in memory, block by block, `runs` times in turn
 * with a memcpy of the same bytes, tables trained on these words (training is not timed; it is
 * counted in tally.table_bits).  threads: 0 = all. */
ENT_API ent_status ent_bench_words(const ent_codec *codec, const char *dtype, const void *words, size_t n,
                                   unsigned threads, unsigned runs, ent_bench *bench, ent_error *error);

/* ---- products from coded weights -------------------------------------------------------------- */

/* A matrix of BF16, row by row, in blocks of recipe->block consecutive weights. */
typedef struct ent_matrix {
    size_t rows, cols;
    const ent_recipe *recipe;
    const ent_tables *tables;
    const ent_bytes *code; /* of each block, by ent_block_encode with these tables */
    const uint16_t *words; /* not NULL: the weights themselves; `tables` and `code` are then not used */
} ent_matrix;

/* y = W x without ever writing W to memory: each thread decodes a block into a buffer of its own and
 * multiplies it from there, so a decoded block (2 bytes a weight) should fit the second-level cache.
 * x has `cols` values, aligned FP32 or BF16 as `x_format` says; y has `rows`.  Flags as for
 * ent_block_decode.  The sums are FP32, in an order that depends on rows, cols and the recipe's block
 * alone: the same bits on every processor, for any number of threads, for coded and plain weights.
 * ENT_EUNSUPPORTED for other formats; after a failure y is undefined. */
ENT_API ent_status ent_product(const ent_matrix *matrix, unsigned flags, const void *x, const ent_format *x_format,
                               float *y, unsigned threads);

/* ---- targets -------------------------------------------------------------------------------- */

typedef struct ent_target ent_target;

ENT_API ent_status ent_target_read(ent_target **target, const char *path, ent_error *error);
ENT_API void ent_target_free(ent_target *target);
ENT_API const char *ent_target_name(const ent_target *target);
ENT_API const char *ent_target_brief(const ent_target *target);
ENT_API bool ent_target_is_host(const ent_target *target); /* measured here, not predicted */

/* Predicted decode of a codec on a modelled target. */
typedef struct ent_prediction {
    double weights_per_ns; /* what the target sustains */
    double raw_weights_per_ns; /* the same target with uncoded weights: the memcpy of its plot */
    const char *limit;     /* what bounds it: "memory", "decoder" or "intake" */
} ent_prediction;

/* Weights per ns = the least of bandwidth / bits per weight, decoders' symbol rate, and intake; see
 * predict.c for the equations.  ENT_EUNSUPPORTED (with the reason) when the target cannot decode
 * the recipe at all: no decoder of that kind, or an alphabet or code length beyond its tables. */
ENT_API ent_status ent_target_predict(const ent_target *target, const ent_recipe *recipe, double bits_per_weight,
                                      ent_prediction *prediction, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
