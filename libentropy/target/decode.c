/* decode.c - how fast a modelled machine decodes: by decoders of its own, or by its cores.  The equations are in
 * target.h. */
#include <math.h>
#include <string.h>

#include "target/machine.h"

/* ---- decoders --------------------------------------------------------------------------------- */

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

static ent_status by_decoders(const ent_target *t, const ent_recipe *recipe, machine_decode *decode, ent_error *error)
{
    unsigned coded[ENT_MAX_FIELDS] = { 0 }; /* by field: how many fields up to here share its group */
    const machine_decoder *group[ENT_MAX_FIELDS] = { NULL };
    const ent_coder *raw = ent_coder_find("raw");
    for (unsigned i = 0; i < recipe->split.fields; i++) {
        if (recipe->spec[i].coder == raw) continue;
        const machine_decoder *g = group[i] = group_for(t, &recipe->split.field[i], &recipe->spec[i], error);
        if (!g) return ENT_EUNSUPPORTED;
        for (unsigned j = 0; j <= i; j++) coded[i] += group[j] == g;
        double rate = g->count.value * g->symbols_per_cycle.value * t->clock_ghz->value / coded[i];
        decode->weights_per_ns = fmin(decode->weights_per_ns, rate);
        decode->latency_ns = fmax(decode->latency_ns, machine_value(g->latency_cycles, 0) / t->clock_ghz->value);
        decode->pj += machine_value(g->pj_per_symbol, NAN);
        if (coded[i] == 1) decode->area_um2 += g->count.value * machine_value(g->area_um2, NAN);
    }
    return ENT_OK;
}

/* ---- cores ------------------------------------------------------------------------------------ */

double ent_machine_cycles_per_symbol(const machine_execution *core, const ent_ops *ops)
{
    double bytes = machine_value(core->vector_bytes, 0);
    ent_loop loop = bytes >= 64 && ops->vector64.all > 0 ? ops->vector64 : ops->vector32;
    if (bytes >= 32 && loop.all > 0) {
        double gather = loop.gathers / machine_value(core->gather_lanes_per_cycle, core->loads_per_cycle.value);
        return fmax(loop.vectors / core->vectors_per_cycle->value + gather +
                        (loop.all - loop.vectors) / core->operations_per_cycle.value, loop.chain / ops->lanes);
    }
    double operations = ops->lookups + ops->multiplies + ops->simple + ops->branches,
           chain = ops->chain + (core->load_latency_cycles.value - 1) * fmin(ops->lookups, 1) +
                   (core->multiply_latency_cycles.value - 1) * fmin(ops->multiplies, 1);
    double cycles = operations / core->operations_per_cycle.value;
    cycles = fmax(cycles, ops->lookups / core->loads_per_cycle.value);
    if (ops->chain > 0) cycles = fmax(cycles, chain / ops->lanes);
    return cycles + ops->branches * core->branch_cycles.value;
}

static ent_status by_cores(const ent_target *t, const ent_recipe *recipe, double move_ns, unsigned threads,
                           machine_decode *decode, ent_error *error)
{
    if (!t->execution)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s states neither decoders nor what its cores execute", t->name);
    double cycles = 0, cores = machine_value(t->cores, 1);
    bool coded = false, apart = false;
    for (unsigned i = 0; i < recipe->split.fields; i++) {
        bool raw = recipe->spec[i].coder == ent_coder_find("raw");
        coded |= !raw;
        apart |= !raw && !recipe->spec[i].coder->decode_words;
        cycles += ent_machine_cycles_per_symbol(t->execution, &recipe->spec[i].coder->ops);
    }
    if (!coded) return ENT_OK; /* words as they are: nothing to do */
    if (threads && threads < cores) cores = threads;
    decode->weights_per_ns = cores / (cycles / t->clock_ghz->value + (apart ? move_ns : 0));
    decode->pj = cycles * machine_value(t->execution->pj_per_cycle, NAN);
    return ENT_OK;
}

ent_status ent_machine_decode_rate(const ent_target *target, const ent_recipe *recipe, double move_ns,
                                   unsigned threads, machine_decode *decode, ent_error *error)
{
    *decode = (machine_decode){ .weights_per_ns = INFINITY };
    return target->decoders_count || !target->execution ? by_decoders(target, recipe, decode, error)
                                                        : by_cores(target, recipe, move_ns, threads, decode, error);
}

/* ---- what is stated --------------------------------------------------------------------------- */

/* Bits of an entry of a content-addressed table: a code of up to `code` bits, its symbol and its length. */
static double table_bits(double entries, double code) { return entries * (code + log2(entries) + log2(code)); }

double ent_target_decoder_um2(const ent_target *target, const char *coder, double entries, double code_bits)
{
    for (uint32_t i = 0; i < target->decoders_count; i++) {
        const machine_decoder *d = &target->decoders[i];
        if (strcmp(d->coder, coder)) continue;
        return machine_value(d->area_um2, NAN) * table_bits(entries, code_bits) /
               table_bits(d->entries.value, machine_value(d->longest_code_bits, NAN));
    }
    return NAN;
}

double ent_target_compute_um2(const ent_target *target)
{
    const machine_compute *c = target->compute;
    return c ? c->macs_per_cycle.value * machine_value(c->area_um2_per_mac, NAN) : NAN;
}
