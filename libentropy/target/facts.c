/* facts.c - the numbers of a target's file, one by one, for those who want to know what a prediction rests on. */
#include "target/machine.h"

/* By machine_origin: its word in a file, and how far it is from a measurement. */
static const struct { const char *name; unsigned doubt; } origins[] = {
    [ORIGIN_MEASURED] = { "measured", 0 },   [ORIGIN_PAPER] = { "paper", 1 },
    [ORIGIN_DATASHEET] = { "datasheet", 2 }, [ORIGIN_SECOND_HAND] = { "second-hand", 3 },
    [ORIGIN_DERIVED] = { "derived", 4 },     [ORIGIN_ASSUMED] = { "assumed", 5 },
};

typedef struct gathering {
    ent_fact *fact;
    size_t n, room;
    const char *part;
} gathering;

static void add(gathering *g, const char *key, const machine_number *number)
{
    if (!number) return;
    bool measured = number->origin == ORIGIN_MEASURED;
    if (g->n < g->room)
        g->fact[g->n] = (ent_fact){ .part = g->part, .key = key, .text = number->text,
                                    .status = origins[number->origin].name, .doubt = origins[number->origin].doubt,
                                    .source = measured ? number->command : number->source,
                                    .date = measured ? number->date : "" };
    g->n++;
}

static void add_level(gathering *g, const machine_level *l)
{
    g->part = l->name;
    add(g, "capacity_bytes", l->capacity_bytes);
    add(g, "gbps", &l->gbps);
    add(g, "gbps_per_core", l->gbps_per_core);
    add(g, "pj_per_bit", l->pj_per_bit);
}

static void add_compute(gathering *g, const machine_compute *c)
{
    g->part = "compute";
    add(g, "macs_per_cycle", &c->macs_per_cycle);
    add(g, "pj_per_mac", c->pj_per_mac);
    add(g, "area_um2_per_mac", c->area_um2_per_mac);
}

static void add_decoder(gathering *g, const machine_decoder *d)
{
    g->part = d->coder;
    add(g, "count", &d->count);
    add(g, "entries", &d->entries);
    add(g, "symbols_per_cycle", &d->symbols_per_cycle);
    add(g, "longest_code_bits", d->longest_code_bits);
    add(g, "area_um2", d->area_um2);
    add(g, "pj_per_symbol", d->pj_per_symbol);
    add(g, "latency_cycles", d->latency_cycles);
}

static void add_execution(gathering *g, const machine_execution *e)
{
    g->part = "execution";
    add(g, "operations_per_cycle", &e->operations_per_cycle);
    add(g, "loads_per_cycle", &e->loads_per_cycle);
    add(g, "load_latency_cycles", &e->load_latency_cycles);
    add(g, "multiply_latency_cycles", &e->multiply_latency_cycles);
    add(g, "branch_cycles", &e->branch_cycles);
    add(g, "vector_bytes", e->vector_bytes);
    add(g, "vectors_per_cycle", e->vectors_per_cycle);
    add(g, "gather_lanes_per_cycle", e->gather_lanes_per_cycle);
    add(g, "pj_per_cycle", e->pj_per_cycle);
}

size_t ent_target_facts(const ent_target *t, ent_fact *fact, size_t room)
{
    gathering g = { fact, 0, room, "" };
    add(&g, "clock_ghz", t->clock_ghz);
    add(&g, "cores", t->cores);
    for (uint32_t i = 0; i < t->levels_count; i++) add_level(&g, &t->levels[i]);
    if (t->compute) add_compute(&g, t->compute);
    g.part = "";
    add(&g, "intake_weights_per_cycle", t->intake_weights_per_cycle);
    add(&g, "fill_cycles", t->fill_cycles);
    add(&g, "drain_cycles", t->drain_cycles);
    for (uint32_t i = 0; i < t->decoders_count; i++) add_decoder(&g, &t->decoders[i]);
    if (t->execution) add_execution(&g, t->execution);
    return g.n;
}

bool ent_target_origin_of(const ent_target *target, ent_target_origin *origin)
{
    const machine_measured *m = target->measured;
    if (m) *origin = (ent_target_origin){ m->command, m->date, m->cpu };
    return m != NULL;
}
