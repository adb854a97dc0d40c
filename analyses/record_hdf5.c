/* record_hdf5.c - records as HDF5: two tables (compound types, strings of variable length) and what
 * made them as attributes of the file.
 *
 * The types are built from the columns, so that a column is named in one place.  The whole file is
 * written anew after every cell: a few hundred bytes a row, and a kill never leaves half of one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>

#include <build.h>

#include "record_columns.h"

enum { MOST_ROWS = 10000000 };

static const char form[] = "libentropy records 2";

/* ---- types ------------------------------------------------------------------------------------ */

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

/* The compound type of a row as it lies in memory. */
static hid_t row_type(const struct column *columns, size_t size)
{
    hid_t row = H5Tcreate(H5T_COMPOUND, size), text = text_type();
    for (const struct column *c = columns; c->name; c++)
        H5Tinsert(row, c->name, c->offset,
                  c->type == COLUMN_TEXT ? text : c->type == COLUMN_COUNT ? H5T_NATIVE_UINT64 : H5T_NATIVE_DOUBLE);
    H5Tclose(text);
    return row;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static bool write_attribute(hid_t file, const char *name, const char *text)
{
    hid_t type = text_type(), space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, &text) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

static bool write_table(hid_t file, const char *name, const struct column *columns, size_t size, const void *rows,
                        size_t n)
{
    hsize_t extent = n;
    hid_t memory = row_type(columns, size), stored = H5Tcopy(memory), space = H5Screate_simple(1, &extent, NULL);
    H5Tpack(stored);
    hid_t set = H5Dcreate2(file, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool done = set >= 0 && (!n || H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    if (set >= 0) done &= H5Dclose(set) >= 0;
    H5Sclose(space);
    H5Tclose(stored);
    H5Tclose(memory);
    return done;
}

static bool write_all(hid_t file, const struct records *records)
{
    char cells[32];
    snprintf(cells, sizeof cells, "%llu", (unsigned long long)records->cells);
    const struct { const char *name, *text; } attribute[] = {
        { "form", form },
        { "version", ENT_VERSION },
        { "commit", ENT_BUILD_COMMIT },
        { "compiler", ENT_BUILD_COMPILER },
        { "flags", ENT_BUILD_FLAGS },
        { "cpu", ent_cpu_text() },
        { "plan_name", records->plan_name },
        { "plan_text", records->plan_text },
        { "plan_hash", records->plan_hash },
        { "cells", cells },
    };
    bool done = true;
    for (size_t i = 0; i < sizeof attribute / sizeof *attribute; i++)
        done = done && write_attribute(file, attribute[i].name, attribute[i].text);
    return done && write_table(file, "records", record_columns, sizeof *records->row, records->row, records->rows) &&
           write_table(file, "fields", field_columns, sizeof *records->field, records->field, records->fields);
}

static bool sync_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    bool done = fd >= 0 && !fsync(fd);
    if (fd >= 0) close(fd);
    return done;
}

ent_status records_write(const struct records *records, const char *path, ent_error *error)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s.part", path) >= PATH_MAX)
        return ent_fail(error, ENT_EINVAL, "%s: too long", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    errno = 0;
    hid_t file = H5Fcreate(part, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    bool done = file >= 0 && write_all(file, records);
    if (file >= 0) done &= H5Fclose(file) >= 0;
    if (done && sync_file(part) && !rename(part, path)) return ENT_OK;
    int why = errno;
    remove(part);
    return ent_fail(error, ENT_EIO, "%s: cannot write: %s", path, why ? strerror(why) : "HDF5 failed");
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* A copy, or NULL when there is no such attribute. */
static char *read_attribute(hid_t file, const char *name)
{
    char *text = NULL, *copy = NULL;
    hid_t type = text_type(), attribute = H5Aopen(file, name, H5P_DEFAULT);
    hid_t stored = attribute >= 0 ? H5Aget_type(attribute) : -1, space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    if (stored >= 0 && H5Tis_variable_str(stored) > 0 && H5Sget_simple_extent_npoints(space) == 1 &&
        H5Aread(attribute, type, &text) >= 0 && text) {
        size_t size = strlen(text) + 1;
        if ((copy = ent_alloc(size))) memcpy(copy, text, size);
        H5free_memory(text);
    }
    if (space >= 0) H5Sclose(space);
    if (stored >= 0) H5Tclose(stored);
    if (attribute >= 0) H5Aclose(attribute);
    H5Tclose(type);
    return copy;
}

/* Whether every column is there with its type: HDF5 would leave a missing one unset. */
static bool has_columns(hid_t set, const struct column *columns)
{
    hid_t row = H5Dget_type(set);
    bool all = row >= 0 && H5Tget_class(row) == H5T_COMPOUND;
    for (const struct column *c = columns; c->name && all; c++) {
        int index = H5Tget_member_index(row, c->name);
        hid_t member = index >= 0 ? H5Tget_member_type(row, (unsigned)index) : -1;
        if (member < 0) all = false;
        else if (c->type == COLUMN_TEXT) all = H5Tis_variable_str(member) > 0;
        else all = H5Tget_class(member) == (c->type == COLUMN_COUNT ? H5T_INTEGER : H5T_FLOAT);
        if (member >= 0) H5Tclose(member);
    }
    if (row >= 0) H5Tclose(row);
    return all;
}

/* Adds one row of a table to `records`. */
typedef ent_status add_row(struct records *records, const void *row, ent_error *error);

static ent_status add_record(struct records *records, const void *row, ent_error *error)
{
    return records_add(records, row, error);
}

static ent_status add_field(struct records *records, const void *row, ent_error *error)
{
    return records_add_field(records, row, error);
}

static ent_status read_table(hid_t file, const char *name, const struct column *columns, size_t size, add_row *add,
                             struct records *records, ent_error *error)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) return ENT_ECORRUPT;
    hid_t memory = row_type(columns, size), space = H5Dget_space(set);
    hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    ent_status status = n >= 0 && n <= MOST_ROWS && has_columns(set, columns) ? ENT_OK : ENT_ECORRUPT;
    char *rows = status || !n ? NULL : ent_calloc((size_t)n, size);
    if (!status && n && !rows) status = ENT_ENOMEM;
    if (rows) {
        if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0) status = ENT_ECORRUPT;
        for (hssize_t i = 0; i < n && !status; i++) status = add(records, rows + (size_t)i * size, error);
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, rows);
    }
    ent_free(rows);
    if (space >= 0) H5Sclose(space);
    H5Tclose(memory);
    H5Dclose(set);
    return status;
}

static ent_status read_all(hid_t file, struct records *records, ent_error *error)
{
    char *stored = read_attribute(file, "form"), *cells = read_attribute(file, "cells");
    bool known = stored && !strcmp(stored, form) && cells && strtoull(cells, NULL, 10) <= MOST_ROWS;
    if (known) records->cells = strtoull(cells, NULL, 10);
    ent_free(stored);
    ent_free(cells);
    records->plan_name = read_attribute(file, "plan_name");
    records->plan_text = read_attribute(file, "plan_text");
    records->plan_hash = read_attribute(file, "plan_hash");
    records->version = read_attribute(file, "version");
    if (!known || !records->plan_name || !records->plan_text || !records->plan_hash || !records->version) return ENT_ECORRUPT;
    if (!(records->place = ent_calloc(records->cells, sizeof *records->place))) return ENT_ENOMEM;
    ent_status status = read_table(file, "records", record_columns, sizeof *records->row, add_record, records, error);
    if (!status) status = read_table(file, "fields", field_columns, sizeof *records->field, add_field, records, error);
    return status;
}

ent_status records_read(struct records *records, const char *path, ent_error *error)
{
    *records = (struct records){ .row = NULL };
    if (access(path, R_OK)) return ent_fail(error, ENT_EIO, "%s: cannot open: %s", path, strerror(errno));
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) return ent_fail(error, ENT_ECORRUPT, "%s: not an HDF5 file", path);
    ent_status status = read_all(file, records, error);
    H5Fclose(file);
    if (!status) return ENT_OK;
    records_free(records);
    return ent_fail(error, status, "%s: %s", path,
                    status == ENT_ECORRUPT ? "not the records of a run, or damaged" : ent_status_text(status));
}
