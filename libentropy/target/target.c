/* target.c - reads a target's file; the keys are those of the schema below, units in their names. */
#include <stddef.h>

#include "target/machine.h"
#include "target/yaml.h"

enum { NAME_LENGTH = 64, TEXT_LENGTH = 1000, MOST_DECODERS = 32 };

static const cyaml_strval_t origins[] = {
    { "paper", ORIGIN_PAPER },
    { "second-hand", ORIGIN_SECOND_HAND },
    { "derived", ORIGIN_DERIVED },
    { "assumed", ORIGIN_ASSUMED },
};

static const cyaml_strval_t kinds[] = { { "host", MACHINE_HOST }, { "model", MACHINE_MODEL } };

static const cyaml_schema_field_t number_fields[] = {
    CYAML_FIELD_STRING_PTR("value", CYAML_FLAG_POINTER, machine_number, text, 1, NAME_LENGTH),
    CYAML_FIELD_ENUM("status", CYAML_FLAG_STRICT, machine_number, origin, origins, sizeof origins / sizeof *origins),
    CYAML_FIELD_STRING_PTR("source", CYAML_FLAG_POINTER, machine_number, source, 1, TEXT_LENGTH),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t decoder_fields[] = {
    CYAML_FIELD_STRING_PTR("coder", CYAML_FLAG_POINTER, machine_decoder, coder, 1, NAME_LENGTH),
    CYAML_FIELD_MAPPING("count", CYAML_FLAG_DEFAULT, machine_decoder, count, number_fields),
    CYAML_FIELD_MAPPING("entries", CYAML_FLAG_DEFAULT, machine_decoder, entries, number_fields),
    CYAML_FIELD_MAPPING("symbols_per_cycle", CYAML_FLAG_DEFAULT, machine_decoder, symbols_per_cycle, number_fields),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t decoder_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, machine_decoder,
                                                                         decoder_fields) };

static const cyaml_schema_field_t target_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, ent_target, name, 1, NAME_LENGTH),
    CYAML_FIELD_STRING_PTR("brief", CYAML_FLAG_POINTER, ent_target, brief, 1, TEXT_LENGTH),
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, ent_target, kind, kinds, sizeof kinds / sizeof *kinds),
    CYAML_FIELD_MAPPING_PTR("clock_ghz", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ent_target, clock_ghz,
                            number_fields),
    CYAML_FIELD_MAPPING_PTR("dram_gbps", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ent_target, dram_gbps,
                            number_fields),
    CYAML_FIELD_MAPPING_PTR("intake_weights_per_cycle", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ent_target,
                            intake_weights_per_cycle, number_fields),
    CYAML_FIELD_SEQUENCE("decoders", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ent_target, decoders, &decoder_schema, 0,
                         MOST_DECODERS),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t target_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ent_target,
                                                                        target_fields) };

static ent_status number_read(const ent_yaml *yaml, machine_number *number, ent_error *error)
{
    return ent_yaml_real(yaml, "value", number->text, &number->value, error);
}

/* What the schema cannot say: a model has all its numbers, a host none. */
static ent_status complete(const ent_yaml *yaml, ent_target *t, ent_error *error)
{
    struct { const char *key; machine_number *number; } needed[] = {
        { "clock_ghz", t->clock_ghz },
        { "dram_gbps", t->dram_gbps },
        { "intake_weights_per_cycle", t->intake_weights_per_cycle },
    };
    ent_status status = ENT_OK;
    for (size_t i = 0; i < sizeof needed / sizeof *needed && !status; i++) {
        if (t->kind == MACHINE_HOST && needed[i].number)
            status = ent_yaml_refuse(yaml, needed[i].key, NULL, "a host is measured: it states no numbers", error);
        else if (t->kind == MACHINE_MODEL && !needed[i].number)
            status = ent_fail(error, ENT_ECORRUPT, "%s: a target of kind model needs '%s'", yaml->path, needed[i].key);
        else if (needed[i].number)
            status = number_read(yaml, needed[i].number, error);
    }
    if (!status && t->kind == MACHINE_HOST && t->decoders_count)
        status = ent_yaml_refuse(yaml, "decoders", NULL, "a host is measured: it states no decoders", error);
    for (uint32_t i = 0; i < t->decoders_count && !status; i++) {
        machine_decoder *d = &t->decoders[i];
        if (!ent_coder_find(d->coder))
            status = ent_yaml_refuse(yaml, "coder", d->coder, "no coder of that name", error);
        if (!status) status = number_read(yaml, &d->count, error);
        if (!status) status = number_read(yaml, &d->entries, error);
        if (!status) status = number_read(yaml, &d->symbols_per_cycle, error);
    }
    return status;
}

ent_status ent_target_read(ent_target **target, const char *path, ent_error *error)
{
    ent_yaml yaml;
    void *data;
    *target = NULL;
    ent_status status = ent_yaml_open(&yaml, path, error);
    if (status) return status;
    status = ent_yaml_load(&yaml, &target_schema, &data, error);
    if (!status) status = complete(&yaml, data, error);
    ent_yaml_close(&yaml);
    if (status) ent_yaml_free(&target_schema, data);
    else *target = data;
    return status;
}

void ent_target_free(ent_target *target) { ent_yaml_free(&target_schema, target); }

const char *ent_target_name(const ent_target *target) { return target->name; }

const char *ent_target_brief(const ent_target *target) { return target->brief; }

bool ent_target_is_host(const ent_target *target) { return target->kind == MACHINE_HOST; }
