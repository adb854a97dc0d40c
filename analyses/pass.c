/* pass.c - see pass.h. */
#include <math.h>

#include "pass.h"

static ent_status cost_of(const struct pass *pass, const ent_target *target, const ent_recipe *recipe, double bits,
                          ent_layer_cost *cost, ent_error *error)
{
    uint64_t vectors = pass->batch * (pass->prompt ? pass->prompt : 1);
    return shapes_cost(pass->shapes, target, recipe, bits, vectors, pass->batch, cost, error);
}

static ent_status raw_cost(const struct pass *pass, const ent_target *target, ent_layer_cost *cost, ent_error *error)
{
    ent_codec *raw;
    ent_recipe recipe;
    ent_status status = ent_codec_parse(&raw, "raw", error);
    if (status) return status;
    status = ent_codec_bind(raw, pass->dtype, &recipe, error);
    ent_codec_free(raw);
    return status ? status : cost_of(pass, target, &recipe, recipe.split.word_bits, cost, error);
}

ent_status pass_find(const struct pass *pass, const ent_target *target, const ent_codec *codec, double bits,
                     struct pass_cost *found, ent_error *error)
{
    ent_recipe recipe;
    ent_prediction p;
    ent_layer_cost raw;
    ent_status status = ent_codec_bind(codec, pass->dtype, &recipe, error);
    if (!status) status = ent_target_predict(target, &recipe, bits, 0, &p, error);
    if (!status) status = cost_of(pass, target, &recipe, bits, &found->cost, error);
    if (status) return status;
    double tokens = (double)(pass->batch * (pass->prompt ? pass->prompt : 1));
    bool raw_fits = !raw_cost(pass, target, &raw, NULL); /* it need not */
    found->tokens_per_second = 1e9 * tokens / found->cost.time_ns;
    found->energy_mj = 1e-9 * found->cost.energy_pj / tokens;
    found->over_raw = raw_fits ? raw.time_ns / found->cost.time_ns : NAN;
    found->raw_energy_mj = raw_fits ? 1e-9 * raw.energy_pj / tokens : NAN;
    found->area_mm2 = 1e-6 * p.area_um2;
    return ENT_OK;
}
