/* target.c - reads a target's file; the keys are those of the schema below, units in their names. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "target/machine.h"
#include "target/yaml.h"

enum { NAME_LENGTH = 64, TEXT_LENGTH = 1000, MOST_DECODERS = 32, MOST_LEVELS = 16, MOST_RATES = 10000 };

/* ---- the schema ------------------------------------------------------------------------------- */

static const cyaml_strval_t origins[] = {
    { "paper", ORIGIN_PAPER },       { "second-hand", ORIGIN_SECOND_HAND }, { "datasheet", ORIGIN_DATASHEET },
    { "measured", ORIGIN_MEASURED }, { "derived", ORIGIN_DERIVED },         { "assumed", ORIGIN_ASSUMED },
};

static const cyaml_strval_t kinds[] = {
    { "host", ENT_TARGET_HOST }, { "measured", ENT_TARGET_MEASURED }, { "model", ENT_TARGET_MODEL }
};

#define TEXT(key, type, member) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, TEXT_LENGTH)
#define NAME(key, type, member) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, NAME_LENGTH)
#define OPTIONAL_TEXT(key, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 1, TEXT_LENGTH)
#define NUMBER(type, member) CYAML_FIELD_MAPPING(#member, CYAML_FLAG_DEFAULT, type, member, number_fields)
#define OPTIONAL(type, member, fields) \
    CYAML_FIELD_MAPPING_PTR(#member, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, fields)
#define OPTIONAL_NUMBER(type, member) OPTIONAL(type, member, number_fields)
#define OPTIONAL_LIST(key, member, schema, most) \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ent_target, member, schema, 0, most)

static const cyaml_schema_field_t number_fields[] = {
    NAME("value", machine_number, text),
    CYAML_FIELD_ENUM("status", CYAML_FLAG_STRICT, machine_number, origin, origins, sizeof origins / sizeof *origins),
    OPTIONAL_TEXT("source", machine_number, source),
    OPTIONAL_TEXT("command", machine_number, command),
    OPTIONAL_TEXT("date", machine_number, date),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t level_fields[] = {
    NAME("name", machine_level, name),
    OPTIONAL_NUMBER(machine_level, capacity_bytes),
    NUMBER(machine_level, gbps),
    OPTIONAL_NUMBER(machine_level, gbps_per_core),
    OPTIONAL_NUMBER(machine_level, pj_per_bit),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t compute_fields[] = {
    NUMBER(machine_compute, macs_per_cycle),
    OPTIONAL_NUMBER(machine_compute, pj_per_mac),
    OPTIONAL_NUMBER(machine_compute, area_um2_per_mac),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t decoder_fields[] = {
    NAME("coder", machine_decoder, coder),
    NUMBER(machine_decoder, count),
    NUMBER(machine_decoder, entries),
    NUMBER(machine_decoder, symbols_per_cycle),
    OPTIONAL_NUMBER(machine_decoder, longest_code_bits),
    OPTIONAL_NUMBER(machine_decoder, area_um2),
    OPTIONAL_NUMBER(machine_decoder, pj_per_symbol),
    OPTIONAL_NUMBER(machine_decoder, latency_cycles),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t execution_fields[] = {
    NUMBER(machine_execution, operations_per_cycle),
    NUMBER(machine_execution, loads_per_cycle),
    NUMBER(machine_execution, load_latency_cycles),
    NUMBER(machine_execution, multiply_latency_cycles),
    NUMBER(machine_execution, branch_cycles),
    OPTIONAL_NUMBER(machine_execution, vector_bytes),
    OPTIONAL_NUMBER(machine_execution, vectors_per_cycle),
    OPTIONAL_NUMBER(machine_execution, gather_lanes_per_cycle),
    OPTIONAL_NUMBER(machine_execution, pj_per_cycle),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t measured_fields[] = {
    TEXT("command", machine_measured, command),
    TEXT("date", machine_measured, date),
    TEXT("cpu", machine_measured, cpu),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t rate_fields[] = {
    TEXT("codec", machine_rate, codec),
    NAME("dtype", machine_rate, dtype),
    NAME("threads", machine_rate, threads_text),
    OPTIONAL_TEXT("cache", machine_rate, cache),
    NAME("gbps", machine_rate, gbps_text),
    OPTIONAL_TEXT("bits_per_weight", machine_rate, bits_per_weight_text),
    OPTIONAL_TEXT("pj_per_weight", machine_rate, pj_per_weight_text),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t
    level_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, machine_level, level_fields) },
    decoder_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, machine_decoder, decoder_fields) },
    rate_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, machine_rate, rate_fields) };

static const cyaml_schema_field_t target_fields[] = {
    NAME("name", ent_target, name),
    TEXT("brief", ent_target, brief),
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, ent_target, kind, kinds, sizeof kinds / sizeof *kinds),
    OPTIONAL_NUMBER(ent_target, clock_ghz),
    OPTIONAL_NUMBER(ent_target, cores),
    OPTIONAL_LIST("memory", levels, &level_schema, MOST_LEVELS),
    OPTIONAL(ent_target, compute, compute_fields),
    OPTIONAL_NUMBER(ent_target, intake_weights_per_cycle),
    OPTIONAL_NUMBER(ent_target, fill_cycles),
    OPTIONAL_NUMBER(ent_target, drain_cycles),
    OPTIONAL_LIST("decoders", decoders, &decoder_schema, MOST_DECODERS),
    OPTIONAL(ent_target, execution, execution_fields),
    OPTIONAL(ent_target, measured, measured_fields),
    OPTIONAL_LIST("rates", rates, &rate_schema, MOST_RATES),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t target_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ent_target,
                                                                        target_fields) };

/* ---- what the schema cannot say ------------------------------------------------------------------ */

/* The first failure, for a row of checks that need not look at each other. */
typedef struct reading {
    const ent_yaml *yaml;
    ent_error *error;
    ent_status status;
} reading;

static void refuse(reading *r, const char *key, const char *value, const char *reason)
{
    if (!r->status) r->status = ent_yaml_refuse(r->yaml, key, value, reason, r->error);
}

static void number(reading *r, machine_number *n)
{
    if (!n) return;
    if (!r->status) r->status = ent_yaml_real(r->yaml, "value", n->text, &n->value, r->error);
    if (n->origin == ORIGIN_MEASURED && (!n->command || !n->date))
        refuse(r, "status", "measured", "a measured number needs its 'command' and 'date'");
    else if (n->origin != ORIGIN_MEASURED && !n->source)
        refuse(r, "value", n->text, "a number that was not measured needs its 'source'");
}

static void level(reading *r, machine_level *l)
{
    number(r, l->capacity_bytes);
    number(r, &l->gbps);
    number(r, l->gbps_per_core);
    number(r, l->pj_per_bit);
}

static void decoder(reading *r, machine_decoder *d)
{
    if (!ent_coder_find(d->coder)) refuse(r, "coder", d->coder, "no coder of that name");
    number(r, &d->count);
    number(r, &d->entries);
    number(r, &d->symbols_per_cycle);
    number(r, d->longest_code_bits);
    number(r, d->area_um2);
    number(r, d->pj_per_symbol);
    number(r, d->latency_cycles);
}

static void compute(reading *r, machine_compute *c)
{
    number(r, &c->macs_per_cycle);
    number(r, c->pj_per_mac);
    number(r, c->area_um2_per_mac);
}

static void execution(reading *r, machine_execution *e)
{
    number(r, &e->operations_per_cycle);
    number(r, &e->loads_per_cycle);
    number(r, &e->load_latency_cycles);
    number(r, &e->multiply_latency_cycles);
    number(r, &e->branch_cycles);
    number(r, e->vector_bytes);
    number(r, e->vectors_per_cycle);
    number(r, e->gather_lanes_per_cycle);
    number(r, e->pj_per_cycle);
    if (!e->vector_bytes != !e->vectors_per_cycle)
        refuse(r, "execution", NULL, "'vector_bytes' and 'vectors_per_cycle' need each other");
}

static void rate(reading *r, machine_rate *row)
{
    ent_codec *codec;
    ent_error reason;
    row->bits_per_weight = row->pj_per_weight = NAN;
    if (!r->status)
        r->status = ent_yaml_whole(r->yaml, "threads", row->threads_text, 1, 65536, &row->threads, r->error);
    if (!r->status) r->status = ent_yaml_real(r->yaml, "gbps", row->gbps_text, &row->gbps, r->error);
    if (!r->status && row->bits_per_weight_text)
        r->status = ent_yaml_real(r->yaml, "bits_per_weight", row->bits_per_weight_text, &row->bits_per_weight, r->error);
    if (!r->status && row->pj_per_weight_text)
        r->status = ent_yaml_real(r->yaml, "pj_per_weight", row->pj_per_weight_text, &row->pj_per_weight, r->error);
    if (row->cache && strcmp(row->cache, "cold") && strcmp(row->cache, "warm"))
        refuse(r, "cache", row->cache, "neither cold nor warm");
    if (r->status) return;
    if (!ent_format_find(row->dtype)) {
        refuse(r, "dtype", row->dtype, "no number format of that name");
    } else if (ent_codec_parse(&codec, row->codec, &reason)) {
        refuse(r, "codec", row->codec, reason.text);
    } else {
        if (ent_codec_bind(codec, row->dtype, &row->recipe, &reason)) refuse(r, "codec", row->codec, reason.text);
        ent_codec_free(codec);
    }
}

/* A host states nothing, a model what it needs to be computed, a measured one what was measured. */
static void complete(reading *r, const ent_target *t)
{
    const struct { const char *key; bool stated, host, model; } keys[] = { /* false, false: must; true: may not */
        { "clock_ghz", t->clock_ghz, true, false },       { "memory", t->levels_count, true, false },
        { "cores", t->cores, true, false },               { "compute", t->compute, true, false },
        { "fill_cycles", t->fill_cycles, true, false },   { "drain_cycles", t->drain_cycles, true, false },
        { "decoders", t->decoders_count, true, false },   { "execution", t->execution, true, false },
        { "intake_weights_per_cycle", t->intake_weights_per_cycle, true, false },
        { "measured", t->measured, true, true },          { "rates", t->rates_count, true, true },
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].stated && t->kind == ENT_TARGET_HOST && keys[i].host)
            refuse(r, keys[i].key, NULL, "a host is measured when it is asked: it states no numbers");
        if (keys[i].stated && t->kind == ENT_TARGET_MODEL && keys[i].model)
            refuse(r, keys[i].key, NULL, "a model is computed: measurements belong to a target of kind measured");
    }
    if (r->status) return;
    const char *missing = NULL;
    if (t->kind == ENT_TARGET_MODEL) missing = !t->clock_ghz ? "clock_ghz" : !t->levels_count ? "memory" : NULL;
    if (t->kind == ENT_TARGET_MEASURED) missing = !t->measured ? "measured" : !t->rates_count ? "rates" : NULL;
    if ((t->execution || t->decoders_count || t->compute) && !t->clock_ghz) missing = "clock_ghz";
    if (missing)
        r->status = ent_fail(r->error, ENT_ECORRUPT, "%s: a target of kind %s needs '%s'", r->yaml->path,
                             ent_target_kind_name(t->kind), missing);
}

static ent_status check(const ent_yaml *yaml, ent_target *t, ent_error *error)
{
    reading r = { .yaml = yaml, .error = error };
    complete(&r, t);
    number(&r, t->clock_ghz);
    number(&r, t->cores);
    for (uint32_t i = 0; i < t->levels_count; i++) level(&r, &t->levels[i]);
    if (t->compute) compute(&r, t->compute);
    number(&r, t->intake_weights_per_cycle);
    number(&r, t->fill_cycles);
    number(&r, t->drain_cycles);
    for (uint32_t i = 0; i < t->decoders_count; i++) decoder(&r, &t->decoders[i]);
    if (t->execution) execution(&r, t->execution);
    for (uint32_t i = 0; i < t->rates_count; i++) rate(&r, &t->rates[i]);
    return r.status;
}

/* ---- the door ---------------------------------------------------------------------------------- */

ent_status ent_target_read(ent_target **target, const char *path, ent_error *error)
{
    ent_yaml yaml;
    void *data;
    *target = NULL;
    ent_status status = ent_yaml_open(&yaml, path, error);
    if (status) return status;
    status = ent_yaml_load(&yaml, &target_schema, &data, error);
    if (!status) status = check(&yaml, data, error);
    ent_yaml_close(&yaml);
    if (status) ent_yaml_free(&target_schema, data);
    else *target = data;
    return status;
}

void ent_target_free(ent_target *target) { ent_yaml_free(&target_schema, target); }

const char *ent_target_name(const ent_target *target) { return target->name; }

const char *ent_target_brief(const ent_target *target) { return target->brief; }

ent_target_kind ent_target_kind_of(const ent_target *target) { return target->kind; }

const char *ent_target_kind_name(ent_target_kind kind) { return kinds[kind].str; }

unsigned ent_target_threads(const ent_target *target)
{
    uint64_t most = 1;
    if (target->cores) return (unsigned)fmax(1, target->cores->value);
    for (uint32_t i = 0; i < target->rates_count; i++)
        if (target->rates[i].threads > most) most = target->rates[i].threads;
    return (unsigned)most;
}
