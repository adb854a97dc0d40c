/* model_loss.h - what a model loses with each of its matrices packed by one of several pipelines, measured: the loss that
 * EvoPress's search goes by. */
#ifndef ENT_ANALYSES_MODEL_LOSS_H
#define ENT_ANALYSES_MODEL_LOSS_H

#include "packing.h"

struct model_loss {
    ent_llama *packed, *original; /* the same model twice; `packed` is changed */
    ent_text text;                /* `most` 0: 16 sequences */
    uint64_t seed;
    uint32_t generations; /* 0: 50 */
};

/* allocate_evopress over the job's matrices and pipelines, their sizes and errors in *a.  The loss is the divergence of `packed`
 * from `original`.  Memory: 4 bytes a weight for every pipeline of a matrix that is tried.  ENT_EINVAL for a matrix that is none
 * of the model's, and when there is no text. */
ent_status model_loss_search(const struct model_loss *m, const struct packing_job *job, const struct allocation *a,
                             uint32_t *pick, ent_error *error);

#endif
