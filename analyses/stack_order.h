/* stack_order.h - in which order the blocks of a stack are loaded: what `entropy compress --sort` means. */
#ifndef ENT_ANALYSES_STACK_ORDER_H
#define ENT_ANALYSES_STACK_ORDER_H

#include "command.h"

struct stack_sort {
    const struct common *common;
    const char *how;            /* "level", "error", "loss" or "perplexity"; NULL: level */
    const char *model, *config; /* config NULL: beside the model */
    const char *text;           /* tokens; NULL: valid.u16 beside the model */
    size_t sequences, skip;     /* of the text; 0 sequences: STACK_SEQUENCES */
};

enum { STACK_SEQUENCES = 32 };

bool stack_sort_known(const char *how);

/* The order of the blocks of `packed`, for ent_stack_write; freed by ent_free.  `weights` is the model, input[i] the
 * statistics of its tensor i or NULL (input NULL: none).
 *   level:       level by level, matrices as they lie in the model.
 *   error:       the first level of all, then by how much of its matrix's relative output error (of its weights, where there
 *                are no statistics) a block takes away for a byte; no evaluation of the model.
 *   loss:        the same, errors weighed by what the model minds them: one evaluation a matrix, which alone is
 *                coarse (errors add up where they are small: Malinovskii et al. 2025).
 *   perplexity:  as published (BitStack: Wang et al. 2025): levels one after another, the blocks of each by the perplexity
 *                that each alone leaves; matrices times (levels - 1) evaluations. */
ent_status stack_order(const struct stack_sort *sort, const ent_weights *weights, const ent_input_stats *const *input,
                       const ent_weights *packed, size_t **order, ent_error *error);

#endif
