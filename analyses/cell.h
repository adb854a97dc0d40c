/* cell.h - measures one cell of a plan; keeps the model, and its coded size, from one to the next. */
#ifndef ENT_ANALYSES_CELL_H
#define ENT_ANALYSES_CELL_H

#include <limits.h>

#include <entropy/entropy.h>

#include "batch/scratch.h"
#include "census.h"
#include "plan.h"
#include "record.h"
#include "sample.h"

struct common;

struct bench { /* all but the first three is private */
    const struct plan *plan;
    const struct common *common;
    const char *folder; /* for files that are needed while a model or a cell is measured */

    const struct plan_model *model; /* the model at hand; NULL: none */
    ent_status model_status;        /* whether it could be opened, and why not */
    ent_error model_error;
    ent_weights *weights;
    char scratch[SCRATCH_PATH];   /* a folder of this process, made when needed; "": none */
    char made[PATH_MAX];          /* the file of a generated model in it, "": none */
    char hash[33];
    struct sample sample; /* words NULL: not taken yet */

    const char *codec_name; /* the codec at hand; NULL: none */
    ent_codec *codec;
    ent_status size_status;
    ent_error size_error;
    struct record size; /* of model and codec: the columns about size */
    char size_problem[1200];
};

/* Fills what the cell measures into *record; its texts are borrowed until the next call.  Entropies
 * of a statistics cell are added to `records`.  A failure is the cell's: the record holds what was
 * measured before it, and *model_failed says whether all cells of the model will fail so. */
ent_status cell_measure(struct bench *bench, const struct plan_cell *cell, struct record *record,
                        struct records *records, bool *model_failed, ent_error *error);
/* Adds the entropies of a model, by counts of all of it, as what its cell `cell` found; 0 threads: all. */
ent_status cell_statistics(const struct plan *plan, unsigned threads, struct records *records, uint64_t cell,
                           const struct census *census, ent_error *error);
void cell_end(struct bench *bench);
/* The record of a cell of which nothing was measured. */
void cell_blank(struct record *record, const struct plan *plan, const struct plan_cell *cell);

#endif
