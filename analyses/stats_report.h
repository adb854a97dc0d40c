/* stats_report.h - the rows of `entropy stats`, as JSON lines or tables. */
#ifndef ENT_ANALYSES_STATS_REPORT_H
#define ENT_ANALYSES_STATS_REPORT_H

#include "census.h"
#include "measure.h"

enum { MAX_ESTIMATORS = 16 };

struct stats_row { /* a tensor, a role or the model, of one dtype */
    const char *scope;
    char *name, *dtype;
    struct measures *by; /* [estimators] */
};

struct stats_report {
    const char *model;
    bool json, tensors; /* tensors: tables have them too */
    bool intervals;     /* of every row as JSON, of whole models in tables */
    ent_interval_options interval;
    const ent_estimator *estimator[MAX_ESTIMATORS];
    size_t estimators;
    struct stats_row *row; /* kept for the tables; JSON is printed as it comes */
    size_t rows, room;
};

ent_status stats_report_tensor(struct stats_report *report, const char *name, const char *dtype,
                               const ent_word_counts *counts, ent_error *error);
/* The rows of roles and of the whole model, then the tables. */
ent_status stats_report_finish(struct stats_report *report, const struct census *census, ent_error *error);
void stats_report_clear(struct stats_report *report); /* frees the rows; ready for another model */

#endif
