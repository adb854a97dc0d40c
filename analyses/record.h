/* record.h - what running a plan gives: a record a cell, entropies a field, and where they come from.
 *
 * Kept in HDF5; tables are made from them.  Only record.c knows the names, units and order of columns.
 */
#ifndef ENT_ANALYSES_RECORD_H
#define ENT_ANALYSES_RECORD_H

#include <stdio.h>

#include <entropy/base.h>

#include "output.h"

struct plan;

/* A cell of a plan.  Texts are never NULL once a record is in `struct records`; NaN and 0 mean "not
 * measured".  Sizes are of the whole model; speeds are of a sample of its commonest dtype, and so is
 * the recipe of a prediction. */
struct record {
    uint64_t cell; /* index in the plan */
    const char *key, *model, *codec, *target; /* codec and target "": the statistics of the model */
    const char *kind;         /* "stats", "host" or "model": what the target is */
    const char *outcome;      /* "ok", or the phrase of an ent_status */
    const char *reason;       /* for people, "" when ok */
    const char *size_problem; /* the same for the size alone: it may be known where the rest failed */
    const char *model_hash;   /* XXH3-128 of the model's files */
    const char *codec_text;   /* the canonical line */
    uint64_t weights, input_bytes, container_bytes;
    double bits_per_weight;      /* payload + table + index */
    double bound_bits, gap_bits; /* what the codec's fields allow at best; how far above it bits_per_weight is */
    double file_bits_per_weight; /* the whole container, with headers and what is no weight */
    uint64_t payload_bits, table_bits, index_bits;
    uint64_t verified; /* 1: whatever was coded was decoded and compared */
    const char *dtype;
    uint64_t sample_weights, runs, threads;
    double seconds; /* that the cell took, by the clock */
    double encode_gbps, decode_gbps, memcpy_gbps, decode_per_memcpy;
    double decode_median_gbps, memcpy_median_gbps;
    double weights_per_ns, raw_weights_per_ns, rate_per_raw;
    const char *limit;                /* what bounds the prediction */
    const char *cpu, *commit, *time;  /* of this record; time in UTC */
};

/* The entropy of one field over one scope. */
struct field_record {
    uint64_t cell;
    const char *model, *scope, *name, *dtype, *field, *estimator; /* scope: "model" or "role" */
    uint64_t count; /* symbols */
    double bits, stderr_bits;
    double low_bits, high_bits; /* the 95 % interval; NaN where there is none */
};

struct records {
    struct record *row;
    struct field_record *field;
    size_t rows, fields, row_room, field_room;
    size_t *place; /* of each cell: 1 + its row, 0 for none */
    char *plan_name, *plan_text, *plan_hash, *version;
    uint64_t cells; /* of the plan */
};

/* Empty records of a plan. */
ent_status records_init(struct records *records, const struct plan *plan, ent_error *error);
void records_free(struct records *records);

/* Copies are added; a record whose cell is there takes its place.  NULL texts become "".  ENT_ECORRUPT for a cell
 * that the plan does not have. */
ent_status records_add(struct records *records, const struct record *record, ent_error *error);
ent_status records_add_field(struct records *records, const struct field_record *field, ent_error *error);
const struct record *records_find(const struct records *records, uint64_t cell); /* NULL: none */
bool record_ok(const struct record *record);
/* What will not come out otherwise when tried again: done, or beyond this build for a model that could be read.
 * NULL is not finished. */
bool record_finished(const struct record *record);
/* As JSON, keys as the columns of HDF5; NaN is null.  Read back, texts are borrowed from the object; false for an
 * object that is not such a row. */
json_t *record_object(const struct record *record);
json_t *field_object(const struct field_record *field);
bool record_from_object(struct record *record, const json_t *object);
bool field_from_object(struct field_record *field, const json_t *object);
/* Puts rows in the order of the plan. */
ent_status records_sort(struct records *records, ent_error *error);

/* Writes to a temporary name, synced, renamed. */
ent_status records_write(const struct records *records, const char *path, ent_error *error);
/* ENT_ECORRUPT for a file that records_write did not write. */
ent_status records_read(struct records *records, const char *path, ent_error *error);
/* Adds what `from` has and `records` lacks, or has as a failure alone.  ENT_EINVAL when it is of another plan or by
 * another version; ENT_ECHECK when both have finished a cell and a column differs that is no time. */
ent_status records_merge(struct records *records, const struct records *from, ent_error *error);

/* ---- tables ---------------------------------------------------------------------------------- */

enum record_table { TABLE_SIZES, TABLE_ENTROPY, TABLE_PREDICTIONS, TABLE_TIMES, RECORD_TABLES };

const char *record_table_name(enum record_table table); /* "sizes", ...: the file's name */
/* Of sorted records.  Sizes, entropies and predictions depend on the plan and the models alone; times are the rest. */
void records_print(const struct records *records, enum record_table table, enum table_style style, FILE *file);

#endif
