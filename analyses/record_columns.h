/* record_columns.h - the columns of records as data, for record.c and record_hdf5.c alone. */
#ifndef ENT_ANALYSES_RECORD_COLUMNS_H
#define ENT_ANALYSES_RECORD_COLUMNS_H

#include "record.h"

enum column_type { COLUMN_TEXT, COLUMN_COUNT, COLUMN_REAL };

struct column {
    const char *name;    /* in HDF5 and TSV, with the unit */
    const char *heading; /* in tables for people; NULL: not there */
    enum column_type type;
    size_t offset;
    int digits;          /* of reals, after the point */
    unsigned tables;     /* bits 1 << enum record_table */
};

extern const struct column record_columns[], field_columns[]; /* end with a NULL name */

const char **column_text(const struct column *column, void *row);

#endif
