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
    ent_tally tally;         /* of the sample, coded */
    double bound_bits;       /* per weight */
    double encode_gbps, decode_gbps, memcpy_gbps; /* fastest run */
    double decode_median_gbps, memcpy_median_gbps; /* middle run */
    /* A weight, mean of all decodes: cycles of one core in user mode (one thread only) and energy of the
     * processor's packages; NaN where the machine does not let them be read. */
    double decode_cycles, decode_pj;
    bool verified; /* the last decode was compared with the source, bit for bit */
} ent_bench;

/* Codes (at most 3 times) and decodes one run of words (of one dtype) in memory, block by block, `runs` times in turn
 * with a memcpy of the same bytes, tables trained on these words (training is not timed; it is
 * counted in tally.table_bits).  threads: 0 = all. */
ENT_API ent_status ent_bench_words(const ent_codec *codec, const char *dtype, const void *words, size_t n,
                                   unsigned threads, unsigned runs, ent_bench *bench, ent_error *error);

/* ---- products from coded weights -------------------------------------------------------------- */

/* A matrix of BF16, row by row, in blocks of recipe->block consecutive weights. */
typedef struct ent_matrix {
    size_t rows, cols;
    const ent_recipe *recipe; /* as it was coded */
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

/* A target is one of three kinds.  A `host` states nothing and is measured when it is asked; a `measured`
 * target holds what was measured once, on the machine that its file names; a `model` holds what a paper
 * or a data sheet says and is computed.  Every number in a file carries where it comes from. */
typedef enum ent_target_kind { ENT_TARGET_HOST, ENT_TARGET_MEASURED, ENT_TARGET_MODEL } ent_target_kind;

typedef struct ent_target ent_target; /* what its file says, all checked; read only */

/* ENT_EIO when the file cannot be read, ENT_ECORRUPT, with file and line, for what it may not say. */
ENT_API ent_status ent_target_read(ent_target **target, const char *path, ent_error *error);
ENT_API void ent_target_free(ent_target *target); /* takes NULL; ends all that is borrowed from it */
ENT_API const char *ent_target_name(const ent_target *target);  /* as in the file, as long as the target lives */
ENT_API const char *ent_target_brief(const ent_target *target); /* one line */
ENT_API ent_target_kind ent_target_kind_of(const ent_target *target); /* as in the file */
ENT_API const char *ent_target_kind_name(ent_target_kind kind); /* as in the file */
ENT_API unsigned ent_target_threads(const ent_target *target);  /* cores of the file, or most threads measured; 1 */

/* A number of a target's file. */
typedef struct ent_fact {
    const char *part, *key; /* the memory level, the decoders' coder, "execution", "compute" or ""; the key */
    const char *text;       /* the value, as written */
    const char *status;     /* "measured", "paper", "datasheet", "second-hand", "derived" or "assumed" */
    unsigned doubt;         /* the place of the status in that list, 0 to 5 */
    const char *source;     /* where it stands, how it was derived, why it was assumed; a measurement's command */
    const char *date;       /* of a measurement, else "" */
} ent_fact;

/* Copies up to `room` of the target's numbers, in the order of its file's keys, and returns how many there are;
 * the texts live as long as the target.  The rates of a measured target are not among them. */
ENT_API size_t ent_target_facts(const ent_target *target, ent_fact *fact, size_t room);

/* How a measured target was measured: command, date and processor. */
typedef struct ent_target_origin { const char *command, *date, *cpu; } ent_target_origin;
ENT_API bool ent_target_origin_of(const ent_target *target, ent_target_origin *origin); /* false: not measured */

/* ---- the cost model ---------------------------------------------------------------------------
 *
 * Stages work at once on a stream of weights, so the slowest sets the pace.  For a layer y = W x with n
 * weights of b bits each as they lie in memory, v vectors x, a clock of f cycles per ns:
 *
 *     memory   n b / (8 B)                B = the least GB/s of the levels that the weights pass
 *     decode   sum over symbols / rate    see below; nothing for raw fields of an accelerator
 *     intake   n / (intake_weights_per_cycle f)
 *     mac      n v / (macs_per_cycle f)
 *
 *     time   = fill + max(memory, decode, intake, mac) + drain
 *     energy = n b (sum of pj_per_bit of the levels passed) + decode + n v pj_per_mac
 *     area   = count * area(entries, code bits), summed over the decoders that are used
 *
 * fill is fill_cycles plus the decoders' latency_cycles, drain is drain_cycles.  The levels passed are the
 * nearest one whose capacity holds the whole model, as coded, and all nearer ones: a model that codes
 * small enough is read from the cache.
 *
 * Decoders (an accelerator): a field goes to the first group for its coder with as many entries as it has
 * symbols; a group of `count` decoders that has s fields of each weight to decode sustains
 * count * symbols_per_cycle * f / s weights a ns, and the slowest group counts.  Decode energy is
 * pj_per_symbol for every symbol.  area = area_um2 * (E (c + log2 E + log2 c)) / (the same for the E and c
 * that the file states): a content-addressed table holds code, symbol and length of every entry.
 *
 * Cores (a processor without decoders): fields are decoded one after the other, and a symbol takes the
 * cycles of the scarcest resource, from the coder's own operation counts (ent_ops):
 *
 *     max( (lookups + multiplies + simple + branches) / operations_per_cycle,
 *          lookups / loads_per_cycle,
 *          (chain + (load_latency - 1) min(lookups, 1) + (multiply_latency - 1) min(multiplies, 1)) / lanes )
 *     + branches * branch_cycles
 *
 * or, where the file states vector_bytes and the coder has a loop for such registers (ent_loop),
 *
 *     max( vectors / vectors_per_cycle + gathers / gather_lanes_per_cycle (not stated: loads_per_cycle)
 *          + (all - vectors) / operations_per_cycle, chain / lanes )
 *
 * A coder that does not decode straight to words (decode_words) leaves symbols, and the other bits of the words are
 * read and joined only then: to its cycles a core adds the time to move the coded weight, as if it were alone.
 * Decode energy is pj_per_cycle of a core's cycles.  Cores share the levels' bandwidth; a core alone draws
 * gbps_per_core at most.
 *
 * Left out on purpose: traffic other than weights, the latency of memory, and whether the longest code
 * word fits a decoder, which depends on the weights (ent_cam_decode counts it). */

/* What a target sustains on an endless stream of weights of one recipe, arithmetic left out. */
typedef struct ent_prediction {
    double weights_per_ns;     /* what the target sustains */
    double raw_weights_per_ns; /* the same target with uncoded weights: the memcpy of its plot */
    const char *limit;         /* what bounds it: "memory", "decoder" or "intake"; "measured" or "rates" if rows tell it */
    double memory_weights_per_ns, decoder_weights_per_ns, intake_weights_per_ns; /* each stage alone; may be infinite */
    double pj_per_weight, raw_pj_per_weight; /* moving and decoding; NaN where the target states no energy */
    double area_um2;           /* of the decoders used; 0: none, NaN: not stated */
} ent_prediction;

/* With `threads` of the target's cores (0: all; ignored by accelerators).  A measured target answers from its
 * row for the same fields, coders and knobs ("measured"), else from rows that measured each of the coders alone, for
 * another format or another number of threads ("rates"), else it computes what its numbers allow.  At as many bits a
 * weight as its word has, nothing was gained, all was kept raw, and the rows of raw weights answer.  ENT_EINVAL for a host
 * and for bits that make no sense; ENT_EUNSUPPORTED (with the reason) when the target cannot decode the
 * recipe at all or says nothing of it. */
ENT_API ent_status ent_target_predict(const ent_target *target, const ent_recipe *recipe, double bits_per_weight,
                                      unsigned threads, ent_prediction *prediction, ent_error *error);

/* One layer's share of a workload: W is rows x cols.  In prefill every weight meets all tokens of the prompt;
 * in decoding one token it meets one vector a sequence of the batch. */
typedef struct ent_workload {
    uint64_t rows, cols, vectors; /* vectors: how many x each weight meets */
    uint64_t model_bytes; /* the whole model as coded, to see where it fits; 0: it comes from the farthest level */
    unsigned threads;     /* as above */
} ent_workload;

/* What a layer takes by the cost model. */
typedef struct ent_layer_cost {
    double time_ns;          /* in all */
    double memory_ns, decode_ns, intake_ns, mac_ns; /* each stage alone; 0: the target states no such limit */
    double fill_ns, drain_ns; /* before and after the stages' work */
    const char *limit; /* the slowest: "memory", "decoder", "intake", "compute", or "measured" */
    double energy_pj, memory_pj, decode_pj, mac_pj; /* NaN: not stated */
} ent_layer_cost;

/* Costs add up over the layers of a model.  Errors as above; ENT_EUNSUPPORTED also for a model that no level
 * of the target holds. */
ENT_API ent_status ent_target_cost(const ent_target *target, const ent_recipe *recipe, double bits_per_weight,
                                   const ent_workload *workload, ent_layer_cost *cost, ent_error *error);

/* Area of one decoder of the target's first group for a coder, scaled to these entries and code bits; of all
 * its multipliers.  NaN where not stated. */
ENT_API double ent_target_decoder_um2(const ent_target *target, const char *coder, double entries, double code_bits);
ENT_API double ent_target_compute_um2(const ent_target *target);

/* ---- choosing a codec for each tensor --------------------------------------------------------- */

/* What an option costs; the units are the caller's, but for the names. */
typedef enum ent_cost_kind { ENT_COST_BYTES, ENT_COST_NS, ENT_COST_PJ, ENT_COST_LOSS, ENT_COSTS } ent_cost_kind;

/* One way to store an item, e.g. a tensor with a codec, or packed by a pipeline; loss: what that costs in quality, in any
 * unit that adds up.  A cost of INFINITY: not to be had. */
typedef struct ent_option {
    double cost[ENT_COSTS];
} ent_option;

/* One option for each item, so that the total of one cost is least while the others keep their bounds. */
typedef struct ent_choosing {
    size_t items, options;    /* options of each item */
    const ent_option *option; /* [items][options] */
    ent_cost_kind minimise;   /* which total is to be least */
    double most[ENT_COSTS];   /* of each total, INFINITY: no bound; two at most beside the minimised one's */
} ent_choosing;

/* What a choice comes to. */
typedef struct ent_chosen {
    double total[ENT_COSTS]; /* over all items */
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
