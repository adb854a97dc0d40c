/* predict.c - what a machine sustains, and what a layer costs on it.  The equations are in target.h.
 *
 * They reproduce the latency cuts published for Huff-LLM (arXiv 2502.00922) where memory binds, and its missing
 * gain at 256 GB/s, where intake binds. */
#include <math.h>
#include <string.h>

#include "target/machine.h"

/* ---- memory ----------------------------------------------------------------------------------- */

double ent_machine_weights_per_ns(const ent_target *t, uint32_t from, double bits, unsigned threads)
{
    double least = INFINITY, cores = machine_value(t->cores, 1);
    if (threads && threads < cores) cores = threads;
    for (uint32_t i = from; i < t->levels_count; i++) {
        const machine_level *l = &t->levels[i];
        least = fmin(least, fmin(l->gbps.value, cores * machine_value(l->gbps_per_core, INFINITY)));
    }
    return 8 * least / bits;
}

double ent_machine_move_pj(const ent_target *t, uint32_t from, double bits)
{
    double sum = 0;
    for (uint32_t i = from; i < t->levels_count; i++) sum += bits * machine_value(t->levels[i].pj_per_bit, NAN);
    return t->levels_count ? sum : NAN;
}

/* The nearest level that holds the model. */
static ent_status source_level(const ent_target *t, uint64_t bytes, uint32_t *level, ent_error *error)
{
    *level = 0;
    for (uint32_t i = t->levels_count; i-- && bytes;)
        if ((double)bytes <= machine_value(t->levels[i].capacity_bytes, i ? 0 : INFINITY)) {
            *level = i;
            return ENT_OK;
        }
    return bytes && t->levels_count ? ent_fail(error, ENT_EUNSUPPORTED, "%s holds %.4g bytes, the model has %.4g",
                                               t->name, t->levels[0].capacity_bytes->value, (double)bytes)
                                    : ENT_OK;
}

/* ---- measured rows ---------------------------------------------------------------------------- */

static bool same_recipe(const ent_recipe *a, const ent_recipe *b)
{
    if (a->word_width != b->word_width || a->split.word_bits != b->split.word_bits ||
        a->split.fields != b->split.fields)
        return false;
    for (unsigned i = 0; i < a->split.fields; i++) {
        const ent_field *x = &a->split.field[i], *y = &b->split.field[i];
        if (a->spec[i].coder != b->spec[i].coder || memcmp(a->spec[i].param, b->spec[i].param, sizeof a->spec[i].param))
            return false;
        if (x->ranges != y->ranges || memcmp(x->range, y->range, x->ranges * sizeof *x->range)) return false;
    }
    return true;
}

bool ent_machine_is_raw(const ent_recipe *recipe, double bits)
{
    bool raw = true;
    for (unsigned i = 0; i < recipe->split.fields; i++) raw &= recipe->spec[i].coder == ent_coder_find("raw");
    return raw || bits >= recipe->split.word_bits;
}

const machine_rate *ent_machine_rate_of(const ent_target *t, const ent_recipe *recipe, double bits, unsigned threads)
{
    const machine_rate *best = NULL;
    bool raw = ent_machine_is_raw(recipe, bits);
    int nearest = 0;
    for (uint32_t i = 0; i < t->rates_count; i++) {
        const machine_rate *row = &t->rates[i];
        if (row->cache && strcmp(row->cache, "cold")) continue;
        bool same = same_recipe(&row->recipe, recipe);
        if (ent_machine_is_raw(&row->recipe, row->bits_per_weight) != raw || (threads && row->threads != threads)) continue;
        if (raw ? row->recipe.word_width != recipe->word_width : !same) continue;
        int near = 2 * (row->recipe.format == recipe->format) + same; /* whole words are alike in several formats */
        if (best && (row->threads < best->threads || (row->threads == best->threads && near <= nearest))) continue;
        best = row;
        nearest = near;
    }
    return best;
}

/* ---- an endless stream ------------------------------------------------------------------------ */

static ent_status check(const ent_target *t, double bits, ent_error *error)
{
    if (t->kind == ENT_TARGET_HOST) return ent_fail(error, ENT_EINVAL, "%s is measured, not predicted", t->name);
    if (!(bits > 0) || !isfinite(bits)) return ent_fail(error, ENT_EINVAL, "%g bits per weight make no sense", bits);
    return ENT_OK;
}

/* A rate that was measured, or follows from rows of other recipes, with no stage apart. */
static ent_prediction from_rate(const ent_target *t, const ent_recipe *recipe, double rate, unsigned threads,
                                const char *limit, double pj)
{
    double raw_ns = ent_machine_raw_byte_ns(t, threads) * recipe->word_width;
    return (ent_prediction){ .weights_per_ns = rate, .raw_weights_per_ns = 1 / raw_ns, .limit = limit,
                             .memory_weights_per_ns = INFINITY, .decoder_weights_per_ns = rate,
                             .intake_weights_per_ns = INFINITY, .pj_per_weight = pj, .raw_pj_per_weight = NAN };
}

ent_status ent_target_predict(const ent_target *t, const ent_recipe *recipe, double bits_per_weight, unsigned threads,
                              ent_prediction *p, ent_error *error)
{
    machine_decode decode;
    ent_status status = check(t, bits_per_weight, error);
    if (status) return status;
    const machine_rate *row = ent_machine_rate_of(t, recipe, bits_per_weight, threads);
    if (row) {
        *p = from_rate(t, recipe, row->gbps / recipe->word_width, threads, "measured", row->pj_per_weight);
        return ENT_OK;
    }
    double rate;
    if (t->rates_count && !(status = ent_machine_from_rows(t, recipe, bits_per_weight, threads, &rate, error))) {
        *p = from_rate(t, recipe, rate, threads, "rates", NAN);
        return ENT_OK;
    }
    if (status && (!t->levels_count || !t->execution)) return status;
    double alone = 1 / ent_machine_weights_per_ns(t, 0, bits_per_weight, 1);
    if ((status = ent_machine_decode_rate(t, recipe, alone, threads, &decode, error))) return status;
    double word = recipe->split.word_bits, memory = ent_machine_weights_per_ns(t, 0, bits_per_weight, threads),
           intake = t->intake_weights_per_cycle ? t->intake_weights_per_cycle->value * t->clock_ghz->value : INFINITY;
    rate = fmin(memory, fmin(decode.weights_per_ns, intake));
    *p = (ent_prediction){ .weights_per_ns = rate,
                           .raw_weights_per_ns = fmin(ent_machine_weights_per_ns(t, 0, word, threads), intake),
                           .limit = memory <= rate ? "memory" : decode.weights_per_ns <= rate ? "decoder" : "intake",
                           .memory_weights_per_ns = memory,
                           .decoder_weights_per_ns = decode.weights_per_ns,
                           .intake_weights_per_ns = intake,
                           .pj_per_weight = ent_machine_move_pj(t, 0, bits_per_weight) + decode.pj,
                           .raw_pj_per_weight = ent_machine_move_pj(t, 0, word),
                           .area_um2 = decode.area_um2 };
    return ENT_OK;
}

/* ---- a layer ---------------------------------------------------------------------------------- */

ent_status ent_target_cost(const ent_target *t, const ent_recipe *recipe, double bits_per_weight,
                           const ent_workload *w, ent_layer_cost *cost, ent_error *error)
{
    uint32_t from;
    machine_decode decode = { .weights_per_ns = INFINITY };
    ent_status status = check(t, bits_per_weight, error);
    if (!status) status = source_level(t, w->model_bytes, &from, error);
    if (status) return status;
    const machine_rate *row = ent_machine_rate_of(t, recipe, bits_per_weight, w->threads);
    if (row) decode = (machine_decode){ .weights_per_ns = row->gbps / recipe->word_width, .pj = row->pj_per_weight };
    else if (t->rates_count && !ent_machine_from_rows(t, recipe, bits_per_weight, w->threads, &decode.weights_per_ns, error))
        decode.pj = NAN;
    else status = ent_machine_decode_rate(t, recipe, 1 / ent_machine_weights_per_ns(t, from, bits_per_weight, 1),
                                          w->threads, &decode, error);
    if (status) return status;
    double n = (double)w->rows * (double)w->cols, macs = n * (double)w->vectors,
           clock = machine_value(t->clock_ghz, NAN);
    ent_layer_cost c = { .memory_ns = n / ent_machine_weights_per_ns(t, from, bits_per_weight, w->threads),
                   .decode_ns = n / decode.weights_per_ns,
                   .fill_ns = t->fill_cycles ? t->fill_cycles->value / clock : 0,
                   .drain_ns = t->drain_cycles ? t->drain_cycles->value / clock : 0,
                   .memory_pj = n * ent_machine_move_pj(t, from, bits_per_weight),
                   .decode_pj = n * decode.pj,
                   .mac_pj = macs * (t->compute ? machine_value(t->compute->pj_per_mac, NAN) : NAN) };
    c.fill_ns += decode.latency_ns;
    if (t->intake_weights_per_cycle) c.intake_ns = n / (t->intake_weights_per_cycle->value * clock);
    if (t->compute) c.mac_ns = macs / (t->compute->macs_per_cycle.value * clock);
    double slowest = fmax(fmax(c.memory_ns, c.decode_ns), fmax(c.intake_ns, c.mac_ns));
    c.limit = c.memory_ns >= slowest ? "memory"
              : c.decode_ns >= slowest ? (t->rates_count ? "measured" : "decoder")
              : c.intake_ns >= slowest ? "intake" : "compute";
    c.time_ns = c.fill_ns + slowest + c.drain_ns;
    c.energy_pj = c.memory_pj + c.decode_pj + c.mac_pj;
    *cost = c;
    return ENT_OK;
}
