/* trials.h - `entropy quality --with`: a model measured with its matrices packed. */
#ifndef ENT_ANALYSES_TRIALS_H
#define ENT_ANALYSES_TRIALS_H

#include "command.h"
#include "packing.h"

enum { MOST_TRIALS = 64, MOST_BUDGETS = 32 };

struct trials {
    const struct common *common;
    const char *model;          /* its name */
    const ent_weights *weights; /* of the model */
    ent_llama *original;        /* the same, opened */
    const ent_text *text;
    const ent_calibration *calibration; /* without inputs: none */
    const char *with[MOST_TRIALS];      /* shortlists, a trial each */
    size_t withs;
    double budget[MOST_BUDGETS]; /* bits a weight of the whole model: a trial each for every list of several pipelines */
    size_t budgets;
    enum allocate_how how;           /* within a budget */
    bool how_given;                  /* else that of a system, where one is named */
    uint64_t seed;                   /* of evopress, which searches on the sequences after those of `text` */
    uint32_t generations;            /* 0: preset */
    double slack;      /* of a list of several without budgets */
    const char *codec; /* of parts; NULL: the preset */
    bool keep_embedding;
    bool tensors;             /* a table of the matrices of each trial */
    const char *tensors_file; /* where to, as tab-separated values; NULL: standard output */
};

ent_status trials_run(const struct trials *trials, ent_error *error);

#endif
