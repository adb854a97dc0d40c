/* gpu_measure.h - times of decoding and of products on a card, each verified. */
#ifndef ENT_ANALYSES_GPU_MEASURE_H
#define ENT_ANALYSES_GPU_MEASURE_H

#include "gpu/bench.h"
#include "gpu_report.h"

enum { GPU_BATCH = 16 }; /* vectors at most */

struct gpu_measure {
    ent_gpu *gpu;
    int device;
    const gpu_bench *bench;
    gpu_facts facts;
    ent_codec *const *codec;
    size_t codecs;
    unsigned runs, threads; /* threads of the host, for the references */
};

/* A matrix of BF16 and the batches that it meets, ascending, none over GPU_BATCH. */
struct gpu_matrix {
    const uint16_t *words;
    size_t rows, cols;
    const unsigned *batch;
    size_t batches;
};

/* How many rows gpu_measure_matrix makes. */
size_t gpu_measure_rows(const struct gpu_measure *measure, size_t batches);

/* Copy, read, cuBLAS for each batch, the fastest of all ways to ask it; then for each codec decoding and for each batch both
 * ways to multiply.  A pass goes once through buffers that together are four times the card's cache, so that the cache does not
 * help; a run is a recording of as many passes as take a millisecond, so that asking for work is not what is timed; runs
 * come one right behind the other after a tenth of a second of the same, so that clocks are up.  Seconds are of one buffer.
 * ENT_ECHECK when anything is wrong; *row is moved on by the rows that were measured and right. */
ent_status gpu_measure_matrix(const struct gpu_measure *measure, const struct gpu_matrix *matrix, struct gpu_row **row,
                              ent_error *error);

#endif
