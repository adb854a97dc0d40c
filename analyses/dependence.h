/* dependence.h - what the exponents (or codes) of a model depend on: tensor by tensor, and summed. */
#ifndef ENT_ANALYSES_DEPENDENCE_H
#define ENT_ANALYSES_DEPENDENCE_H

#include <entropy/dependence.h>
#include <entropy/weights.h>

#include "command.h"

struct table;

enum { MAX_FINDINGS = 64, MAX_CONTEXTS = 15 };

/* What one thing tells about another. */
struct finding {
    char symbol[32], context[32]; /* "exponent" given "row" */
    ent_information information;
};

struct findings { /* of a tensor, or the sum over a role or a model, of one dtype */
    const char *scope;
    char *name, *dtype;
    size_t n;
    struct finding finding[MAX_FINDINGS];
};

struct dependence {
    const struct common *common;
    const char *model;
    const ent_context *context[MAX_CONTEXTS + 1]; /* NULL at the end */
    const ent_weights *against;                   /* another model; NULL: none */
    struct findings *sum;                         /* of roles and of the model */
    size_t sums, room;
};

/* Adds a tensor, whose counts are known: reads it again for what the counts do not tell.  `tensors` also prints
 * its findings as JSON. */
ent_status dependence_tensor(struct dependence *dependence, const ent_weights *weights, const ent_tensor *tensor,
                             const ent_word_counts *counts, ent_error *error);
/* Tables, or JSON lines of roles and the model; ready for another model afterwards. */
void dependence_report(struct dependence *dependence);
/* For files: what the report has, a row a finding. */
void dependence_table(const struct dependence *dependence, struct table *table);
void dependence_clear(struct dependence *dependence);

/* One tensor's findings as JSON lines. */
void findings_json(const struct dependence *dependence, const struct findings *findings);

#endif
