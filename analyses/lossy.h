/* lossy.h - `entropy compress --with`: a model packed by a pipeline, then its parts coded. */
#ifndef ENT_ANALYSES_LOSSY_H
#define ENT_ANALYSES_LOSSY_H

#include "allocate.h"
#include "stack_order.h"

/* How parts are coded unless the user says otherwise. */
#define LOSSY_CODEC "narrow: word=rans | int: word=rans | F64: word=raw | float: exponent=planar-rans rest=raw"

struct lossy {
    const struct common *common;
    const char *model, *output;
    const char *with;        /* pipelines (shortlist.h), or PIPELINES => CODEC */
    const char *codec;       /* NULL: that of `with`, or the preset */
    const char *keep;        /* roles, separated by commas; NULL: none */
    const char *calibration; /* file, NULL: none */
    const char *config;      /* of the calibrated model; NULL: beside it */
    double slack, budget;    /* of several pipelines: struct packing_rule; the budget in bits a weight of the model, 0: none */
    enum allocate_how how;   /* within the budget; evopress searches on the text of *sort */
    bool how_given;          /* else that of a system, where one is named */
    uint64_t seed;
    uint32_t generations;    /* 0: preset */
    bool tensors;            /* a table of the matrices */
    const char *tensors_file; /* where to, as tab-separated values; NULL: standard output */
    const struct stack_sort *sort; /* of blocks, where the pipeline ends in levels */
};

/* Writes the container and prints what each step costs.  The packed model lies beside the output meanwhile. */
ent_status lossy_compress(const struct lossy *lossy, const ent_weights *weights, ent_error *error);

#endif
