/* rates.h - how long cells are expected to take, from those that were measured. */
#ifndef ENT_ANALYSES_RATES_H
#define ENT_ANALYSES_RATES_H

#include "../plan.h"
#include "../record.h"

/* Seconds and bytes of the finished cells of each kind: a codec and target, or the statistics. */
struct rates {
    struct rate {
        double seconds, bytes;
    } * kind, all; /* kind: one for each cell of a model */
    size_t kinds;
};

/* The models of a plan have the same kinds of cells, in the same order.  ENT_ENOMEM. */
ent_status rates_init(struct rates *rates, const struct plan *plan, ent_error *error);
/* Adds finished records, of this plan or of any other that has some of its codecs and targets.  `bytes`: of this plan's
 * models, NULL for records of another, whose sizes are in them. */
void rates_add(struct rates *rates, const struct plan *plan, const struct records *records, const uint64_t *bytes);
/* Seconds of a cell of a model of so many bytes; NaN when nothing was measured. */
double rates_seconds(const struct rates *rates, size_t cell, uint64_t bytes);
void rates_free(struct rates *rates);

#endif
