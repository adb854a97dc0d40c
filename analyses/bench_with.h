/* bench_with.h - `entropy bench --with`: what packing a model's matrices by pipelines, coding them, and getting them back costs. */
#ifndef ENT_ANALYSES_BENCH_WITH_H
#define ENT_ANALYSES_BENCH_WITH_H

#include "command.h"

struct bench_with {
    const struct common *common;
    const char *model;
    char *const *with; /* as for `entropy quality --with` */
    size_t withs;
    const char *calibration, *config; /* NULL: none; beside the model */
    unsigned runs;
    uint64_t sample_bytes; /* of matrices, in the model's order; 0: 256 MiB */
};

#define BENCH_WITH_KEYS "with, codec, target, threads (1), model, weights, bits_per_weight, payload_bits, table_bits, index_bits, " \
                        "sqnr_db, encode_gbps, decode_gbps, memcpy_gbps, runs, verified"

/* On one thread, matrix by matrix in memory: encoding is the pipeline and the codec (of several pipelines all are tried and the one of
 * least error of the weights is kept), decoding is both backwards, to words of the model's dtype; the fastest of all runs. */
ent_status bench_with(const struct bench_with *bench, ent_error *error);

#endif
