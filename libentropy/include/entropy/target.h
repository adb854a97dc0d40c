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

/* ---- choosing a codec for each tensor --------------------------------------------------------- */

typedef enum ent_cost { ENT_COST_BYTES, ENT_COST_NS, ENT_COST_PJ, ENT_COSTS } ent_cost;

/* One way to store an item, e.g. a tensor with a codec.  A cost of INFINITY: not to be had. */
typedef struct ent_option {
    double cost[ENT_COSTS];
} ent_option;

/* One option for each item, so that the total of one cost is least while the others keep their bounds. */
typedef struct ent_choosing {
    size_t items, options;    /* options of each item */
    const ent_option *option; /* [items][options] */
    ent_cost minimise;
    double most[ENT_COSTS];   /* of each total, INFINITY: no bound */
} ent_choosing;

typedef struct ent_chosen {
    double total[ENT_COSTS];
    double least; /* no choice that keeps the bounds has a smaller total of the minimised cost: proven */
    bool exact;   /* the choice is the best there is (to 1e-12); else the gap is total / least */
} ent_chosen;

/* choice[item]: its option.  A multiple-choice knapsack problem: convex hulls and prices (sinha1979,
 * shoham1988), greedy fill, then branch and bound with options struck out by their regret, which ends after a
 * fixed number of steps.  The gap left is at most one item's, so it vanishes as items become many.
 * Deterministic; time O(N log N + items * options * exchanges) for N = items * options, and at most a second
 * or so for the search; 50 times the first term with two bounds.  Memory O(N).  ENT_ERANGE when a bound cannot be
 * kept, with the least that can be had; with two bounds that are each within reach but were not met together,
 * the text says whether that is proven. */
ENT_API ent_status ent_choose(const ent_choosing *choosing, uint32_t *choice, ent_chosen *chosen, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
