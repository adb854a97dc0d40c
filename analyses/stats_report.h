/* stats_report.h - the rows of `entropy stats`, as JSON lines or tables. */
#ifndef ENT_ANALYSES_STATS_REPORT_H
#define ENT_ANALYSES_STATS_REPORT_H

#include "census.h"
#include "measure.h"
#include "output.h"

struct stats_row { /* a tensor, a role or the model, of one dtype */
    const char *scope;
    char *name, *role, *dtype;
    struct measures *by; /* [estimators] */
};

struct stats_report {
    const char *model;
    bool json, tensors; /* tensors: tables have them too */
    bool folder;        /* rows of all scopes are kept, also with `json`, to be written as files */
    bool intervals;     /* of every row as JSON and in files, of whole models in tables */
    ent_interval_options interval;
    const ent_estimator *estimator[MAX_ESTIMATORS];
    size_t estimators;
    struct stats_row *row; /* kept for tables; JSON is printed as it comes */
    size_t rows, room;
};

ent_status stats_report_tensor(struct stats_report *report, const char *name, const char *role, const char *dtype,
                               const ent_word_counts *counts, ent_error *error);
/* The rows of roles and of the whole model, then the tables. */
ent_status stats_report_finish(struct stats_report *report, const struct census *census, ent_error *error);
/* The tables that are printed, of one estimator: the title and the rows of the dtype that a row of scope model has;
 * what coding could reach. */
void stats_title(const struct stats_report *report, const struct stats_row *model, size_t e, char *text, size_t size);
void stats_table(const struct stats_report *report, const struct stats_row *model, size_t e, bool tensors,
                 struct table *table);
void stats_reach_table(const struct stats_report *report, size_t e, struct table *table);
void stats_report_clear(struct stats_report *report); /* frees the rows; ready for another model */

#endif
