/* packing.h - matrices packed by pipelines of transforms and coded, in memory: sizes as they would be stored; which
 * pipeline each matrix gets. */
#ifndef ENT_ANALYSES_PACKING_H
#define ENT_ANALYSES_PACKING_H

#include <entropy/entropy.h>

#include "allocate.h"
#include "shortlist.h"

/* How parts are coded unless the user says otherwise: each word as a symbol, scales and levels by their exponents. */
#define PACKING_CODEC "I2,I3,I4,I5,I6,I7,I8,U2,U3,U4,U5,U6,U7,U8,F4: word=rans | F8_E4M3,F8_E5M2,F8_E8M0: word=rans | " \
                      "int: word=rans | F16,BF16: exponent=rans rest=raw | *: word=raw"

/* A matrix of a model, however it is held. */
struct packing_matrix {
    const char *name;
    uint32_t rows, cols;
    const ent_format *format;     /* of its words in the model */
    const ent_input_stats *input; /* of its layer; NULL: not calibrated */
    double sensitivity;           /* NaN: not known (ent_calibration_sensitivity) */
};

/* What a pipeline makes of it. */
struct packing_fit {
    double plain_bits, coded_bits; /* all parts, tables and headers included */
    double side_bits;              /* of those coded: all but the payload of the codes */
    double code_bits;              /* order-0 entropy of a code */
    double output_error;           /* of the layer (ent_output_error); NaN without an input */
    uint64_t zeros;                /* weights that came back as zero */
    ent_distortion distortion;
};

struct packing_job {
    size_t matrices;
    const struct packing_matrix *matrix;
    ent_status (*read)(void *context, size_t i, float *values); /* the weights of matrix i, row by row; from any thread */
    void *context;
    const struct shortlist *list;
    const ent_codec *codec;
    const ent_run *run;
};

/* A pipeline without stages leaves the words as they are in the model, which are then coded.  Packs `values` and codes the parts: they become what comes back.  Errors name the matrix. */
ent_status packing_fit(struct packing_fit *fit, const struct packing_matrix *matrix, const ent_pipeline *pipeline,
                       const ent_codec *codec, float *values, ent_error *error);

/* Every pipeline of the list on every matrix: fit[i * list->n + k].  Memory: two or three copies of a matrix in floats a
 * thread. */
ent_status packing_try(const struct packing_job *job, struct packing_fit *fit, ent_error *error);

struct model_loss;

/* How one is picked. */
struct packing_rule {
    /* Each matrix takes the smallest whose error is at most `slack` times its least: 1: the least error; a large one: the
     * smallest.  The error is the output's where there is an input, else the weights'. */
    double slack;
    /* > 0: instead, the least loss of all together within so many coded bits of the packed matrices.  The loss is the sum
     * of sensitivities times squared errors or, where these are not known, of squared errors of weights. */
    double budget_bits;
    /* How within a budget: as said, or as published (allocate.h): l-greco by squared errors of weights, evopress by a model. */
    enum allocate_how how;
    const struct model_loss *model; /* of evopress */
};

/* What the loss would be by the sensitivities; NaN where one is not known. */
double packing_loss(const struct packing_matrix *matrix, const struct packing_fit *fit);

/* pick[i]: the place in the list for matrix i.  ENT_ERANGE when the budget cannot be kept. */
ent_status packing_pick(const struct packing_job *job, const struct packing_fit *fit, const struct packing_rule *rule,
                        uint32_t *pick, ent_error *error);

#endif
