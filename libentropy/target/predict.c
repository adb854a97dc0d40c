/* predict.c - how fast a modelled machine takes in coded weights.
 *
 * Three stages work at once, so the slowest sets the rate.  In weights per ns, with B the memory's
 * bandwidth in bytes per ns (GB/s), f the clock in cycles per ns (GHz):
 *
 *     memory   8 B / bits_per_weight
 *     decoder  the least over groups of decoders of  count * symbols_per_cycle * f / s,
 *              s = coded fields of a weight that the group decodes
 *     intake   weights_per_cycle * f, what the arithmetic can take at most
 *
 * and uncoded weights have the first and the last alone, with the word's bits.  A field goes to the
 * first group listed for its coder that has as many entries as the field has symbols; raw fields
 * need no decoder.
 *
 * This law reproduces the latency cuts published for Huff-LLM (arXiv 2502.00922) where memory
 * binds, and its missing gain at 256 GB/s, where intake binds.  Left out on purpose: traffic other
 * than weights, fill and drain, the arithmetic, energy, and the length of the longest code word (the
 * paper does not give what its decoders can hold). */
#include <math.h>

#include "target/machine.h"

/* The group that decodes a field, or NULL and an error. */
static const machine_decoder *group_for(const ent_target *t, const ent_field *field, const ent_coder_spec *spec,
                                        ent_error *error)
{
    double most = 0;
    for (uint32_t i = 0; i < t->decoders_count; i++) {
        const machine_decoder *d = &t->decoders[i];
        if (ent_coder_find(d->coder) != spec->coder) continue;
        if (spec->alphabet && spec->alphabet <= d->entries.value) return d;
        most = fmax(most, d->entries.value);
    }
    if (most > 0)
        ent_fail(error, ENT_EUNSUPPORTED, "field '%s' has %u symbols, the %s decoders of %s hold %g", field->name,
                 spec->alphabet, spec->coder->name, t->name, most);
    else
        ent_fail(error, ENT_EUNSUPPORTED, "%s has no decoder for the coder '%s' of field '%s'", t->name,
                 spec->coder->name, field->name);
    return NULL;
}

/* The decoders' rate, infinite when no field is coded. */
static ent_status decoder_rate(const ent_target *t, const ent_recipe *recipe, double *rate, ent_error *error)
{
    unsigned coded[ENT_MAX_FIELDS] = { 0 }; /* by field: how many fields up to here share its group */
    const machine_decoder *group[ENT_MAX_FIELDS] = { NULL };
    const ent_coder *raw = ent_coder_find("raw");
    *rate = INFINITY;
    for (unsigned i = 0; i < recipe->split.fields; i++) {
        if (recipe->spec[i].coder == raw) continue;
        if (!(group[i] = group_for(t, &recipe->split.field[i], &recipe->spec[i], error))) return ENT_EUNSUPPORTED;
        for (unsigned j = 0; j <= i; j++) coded[i] += group[j] == group[i];
        *rate = fmin(*rate, group[i]->count.value * group[i]->symbols_per_cycle.value * t->clock_ghz->value / coded[i]);
    }
    return ENT_OK;
}

ent_status ent_target_predict(const ent_target *target, const ent_recipe *recipe, double bits_per_weight,
                              ent_prediction *prediction, ent_error *error)
{
    if (ent_target_is_host(target))
        return ent_fail(error, ENT_EINVAL, "%s is measured, not predicted", target->name);
    if (!(bits_per_weight > 0) || !isfinite(bits_per_weight))
        return ent_fail(error, ENT_EINVAL, "%g bits per weight make no sense", bits_per_weight);
    double decoder;
    ent_status status = decoder_rate(target, recipe, &decoder, error);
    if (status) return status;
    double bits_per_ns = 8 * target->dram_gbps->value, memory = bits_per_ns / bits_per_weight;
    double intake = target->intake_weights_per_cycle->value * target->clock_ghz->value;
    double rate = fmin(memory, fmin(decoder, intake));
    prediction->weights_per_ns = rate;
    prediction->raw_weights_per_ns = fmin(bits_per_ns / recipe->split.word_bits, intake);
    prediction->limit = memory <= rate ? "memory" : decoder <= rate ? "decoder" : "intake";
    return ENT_OK;
}
