/* costs.h - what every tensor of a model would cost with every codec: bytes, time, energy on a target. */
#ifndef ENT_ANALYSES_COSTS_H
#define ENT_ANALYSES_COSTS_H

#include <entropy/container.h>
#include <entropy/target.h>

#include "command.h"

/* How sizes and times are found. */
struct costs_how {
    const struct common *common;
    uint64_t sample_bytes; /* larger models: sizes of some blocks */
    unsigned runs;         /* of a measurement: the fastest counts */
    double seconds;        /* fewer for slow codecs */
};

struct costs {
    size_t tensors, codecs;
    ent_option *option; /* [tensors][codecs]; INFINITY where the target cannot decode the codec */
    double *bytes_error; /* [tensors][codecs]: standard error of an estimated size */
    bool energy;         /* the target states it; else its costs are 0 */
};

/* Sizes by ent_container_estimate.  Times: on a host each codec is measured on a sample of each dtype, of the
 * model's size up to 256 MiB, with all threads at once; on other targets they are predicted from each
 * tensor's bits a weight. */
ent_status costs_find(struct costs *costs, const ent_weights *weights, ent_codec *const codec[], size_t codecs,
                      const ent_target *target, const struct costs_how *how, ent_error *error);
void costs_free(struct costs *costs);

/* The sum over all tensors of one codec. */
ent_option costs_of(const struct costs *costs, size_t codec);

#endif
