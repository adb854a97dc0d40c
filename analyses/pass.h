/* pass.h - a pass of a model over a target: tokens per second, energy a token and area with a codec. */
#ifndef ENT_ANALYSES_PASS_H
#define ENT_ANALYSES_PASS_H

#include <entropy/target.h>

#include "shapes.h"

struct pass {
    const struct shapes *shapes;
    const char *dtype;      /* of the weights */
    uint64_t prompt, batch; /* prompt 0: one token is decoded */
};

/* Energies are of a token.  NaN: not stated, or of the uncoded model where the target cannot hold that. */
struct pass_cost {
    double tokens_per_second, over_raw, energy_mj, raw_energy_mj, area_mm2;
    ent_layer_cost cost; /* of the pass over all layers */
};

/* Errors as ent_target_predict and ent_target_cost: ENT_EUNSUPPORTED says why a target cannot do it. */
ent_status pass_find(const struct pass *pass, const ent_target *target, const ent_codec *codec, double bits_per_weight,
                     struct pass_cost *found, ent_error *error);

#endif
