/* bench_gpu.h - `entropy bench --target gpu`: decoding and products on a card, beside copies and cuBLAS. */
#ifndef ENT_ANALYSES_BENCH_GPU_H
#define ENT_ANALYSES_BENCH_GPU_H

#include "command.h"
#include "gpu/bench.h"

struct bench_gpu {
    const struct common *common;
    const char *model;
    const char *output;    /* a target's file, beside which a table goes under the same name; NULL: none */
    const char *command;   /* that was typed, for the file */
    ent_codec *const *codec; /* at least one */
    size_t codecs;
    ent_target *const *target; /* whose predictions stand beside */
    size_t targets;
    unsigned runs;
    size_t rows, cols;     /* of the only matrix; 0: those of real layers, and the sample as one matrix */
    uint64_t sample_bytes; /* 0: the preset of a sample, at least */
    bool force;
};

/* On card 0.  ENT_EIO when there is no card, or no library to reach it with: the text says what is missing. */
ent_status bench_gpu(const struct bench_gpu *bench, ent_error *error);
/* On this card, which has this number. */
ent_status bench_gpu_on(const struct bench_gpu *bench, ent_gpu *gpu, int device, const gpu_bench *card, ent_error *error);

#endif
