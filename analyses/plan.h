/* plan.h - an experiment as a file: models x codecs x targets x measures, expanded to cells.
 *
 * A plan is YAML; unknown keys are errors, told with their line.
 *
 *     name: demo                     results go to results/demo: letters, digits, '-', '_', '.'
 *     brief: one line for people
 *     models: [PATH, hf:ORG/NAME, DATASET]     what the program takes as a MODEL
 *     generated:                     models made on the spot, as by `entropy dataset make`
 *       - { name: N, make: normal, dtype: BF16, weights: 1000000, seed: 1 }
 *     codecs: [all]                  names or lines of text; "all" stands for every named codec
 *     targets: [host, PATH]          names or files
 *     measures: [stats, size, speed, predict]  or word-intervals: stats with intervals of whole words too, seconds a role
 *     estimators: [plugin, nsb]      of the entropies that stats records; "all" (preset plugin and miller-madow)
 *     runs: 5                        repetitions of what is timed (preset 5)
 *     seed: 1                        of generated models that name none, and of intervals (preset 1)
 *     seconds: 10                    fewer runs for codecs that would take longer (preset 10)
 *     sample_mib: 64                 weights that are timed (preset: the model's, but 64 to 256 MiB)
 *     parts: 16                      the statistics of a model in so many cells, each a range of its blocks, whose
 *                                    counts are added up (preset 1): for models that take a task too long
 */
#ifndef ENT_ANALYSES_PLAN_H
#define ENT_ANALYSES_PLAN_H

#include <entropy/stats.h>

enum {
    MEASURE_STATS = 1, MEASURE_SIZE = 2, MEASURE_SPEED = 4, MEASURE_PREDICT = 8, MEASURE_WORD_INTERVALS = 16,
    MEASURES_OF_CODECS = MEASURE_SIZE | MEASURE_SPEED | MEASURE_PREDICT
};

struct plan_model {
    const char *name;       /* as written: the argument, or the name of a generated one */
    const char *make;       /* NULL: a file; otherwise what to generate, and */
    const char *dtype;
    uint64_t weights, seed;
};

/* One unit of work; those of a model stand together, its statistics first. */
struct plan_cell {
    const struct plan_model *model;
    const char *codec, *target; /* NULL: the statistics of the model */
    uint64_t part;              /* of the statistics, from 0 */
    char *key;                  /* "MODEL/CODEC/TARGET", "MODEL/stats" or "MODEL/stats/2-of-16"; unique */
};

struct plan {
    const char *name, *brief;
    const char *text; /* the whole file */
    char hash[33];    /* of the text: XXH3-128 in hexadecimal */
    struct plan_model *model;
    const char **codec;
    struct plan_cell *cell; /* in order of model, codec, target */
    const ent_estimator **estimator;
    size_t models, codecs, targets, estimators, cells;
    const char *const *target;
    unsigned measures, runs;
    double seconds;
    uint64_t seed, sample_bytes; /* bytes 0: the preset */
    uint64_t parts;              /* of the statistics of a model, at least 1 */
    struct plan_file *file; /* owns the strings */
};

/* ENT_ECORRUPT, with file and line, for what a plan may not say. */
ent_status plan_read(struct plan *plan, const char *path, ent_error *error);
/* The same, of a file or of the name of one that comes with the program. */
ent_status plan_open(struct plan *plan, const char *argument, ent_error *error);
void plan_free(struct plan *plan);

#endif
