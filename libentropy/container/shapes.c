/* shapes.c - see shapes.h. */
#include <stdio.h>
#include <string.h>

#include "container/h5.h"
#include "container/shapes.h"

static const char where[] = "/shapes";

/* ---- the form of a row ---------------------------------------------------------------------------------- */

enum { MOST_NAME = 255, MOST_DTYPE = 31, MOST_SIZES = ENT_ARRAY_RANK, PART = 1 << 18 };

typedef struct form { /* the same in memory and in the file: bytes, and integers of little endian */
    size_t name, dtype, row; /* bytes of each; texts with a NUL after them */
    uint32_t sizes;          /* places for sizes of axes */
    size_t part;             /* rows of a chunk */
} form;

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t at_most(size_t size, size_t most) { return size < most ? size : most; }

static form form_of(const ent_index *x)
{
    form f = { .name = 1, .dtype = 1, .sizes = 1 }; /* the least: the NULs, and a size, for HDF5 has no empty arrays */
    for (size_t i = 0; i < x->tensors; i++) {
        f.name = larger(f.name, at_most(strlen(x->tensor[i].name), MOST_NAME) + 1);
        f.dtype = larger(f.dtype, at_most(strlen(x->tensor[i].dtype), MOST_DTYPE) + 1);
        f.sizes = (uint32_t)larger(f.sizes, at_most(x->tensor[i].rank, MOST_SIZES));
    }
    f.row = f.name + f.dtype + sizeof(uint32_t) + f.sizes * sizeof(uint64_t);
    f.part = at_most(larger(PART / f.row, 1), x->tensors);
    return f;
}

static hid_t text_type(size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_strpad(type, H5T_STR_NULLTERM);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static hid_t type_of(const form *f)
{
    const hsize_t sizes = f->sizes;
    hid_t name = text_type(f->name), dtype = text_type(f->dtype), shape = H5Tarray_create2(H5T_STD_U64LE, 1, &sizes);
    hid_t row = H5Tcreate(H5T_COMPOUND, f->row);
    H5Tinsert(row, "name", 0, name);
    H5Tinsert(row, "dtype", f->name, dtype);
    H5Tinsert(row, "rank", f->name + f->dtype, H5T_STD_U32LE);
    H5Tinsert(row, "shape", f->name + f->dtype + sizeof(uint32_t), shape);
    H5Tclose(name);
    H5Tclose(dtype);
    H5Tclose(shape);
    return row;
}

/* Cut between characters where it is too long. */
static void put_text(uint8_t *to, size_t room, const char *text)
{
    size_t size = strlen(text);
    for (size = at_most(size, room); text[size] && ((unsigned char)text[size] & 0xc0) == 0x80;) size--;
    memcpy(to, text, size);
}

static void put_rows(const ent_index *x, const form *f, size_t first, size_t n, uint8_t *row)
{
    memset(row, 0, n * f->row);
    for (size_t i = first; i < first + n; i++, row += f->row) {
        const ent_index_tensor *t = &x->tensor[i];
        put_text(row, f->name - 1, t->name);
        put_text(row + f->name, f->dtype - 1, t->dtype);
        memcpy(row + f->name + f->dtype, &t->rank, sizeof t->rank);
        memcpy(row + f->name + f->dtype + sizeof t->rank, t->shape, at_most(t->rank, f->sizes) * sizeof *t->shape);
    }
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

ent_status ent_shapes_write(const ent_index *index, hid_t file, const char *path, ent_error *error)
{
    const form f = form_of(index);
    hid_t set = -1;
    uint8_t *row;
    if (!index->tensors) return ENT_OK;
    if (!(row = ent_alloc(f.part * f.row))) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    hid_t type = type_of(&f);
    ent_status status = ent_h5_create_rows(&set, file, where, type, index->tensors, f.part, path, error);
    for (size_t first = 0; first < index->tensors && !status; first += f.part) {
        size_t n = at_most(index->tensors - first, f.part);
        put_rows(index, &f, first, n, row);
        status = ent_h5_write_rows(set, type, first, n, row, path, error);
    }
    ent_h5_close_set(set);
    H5Tclose(type);
    ent_free(row);
    return status;
}

/* ---- checking --------------------------------------------------------------------------------------------- */

ent_status ent_shapes_check(const ent_index *index, hid_t file, const char *path, ent_error *error)
{
    const form f = form_of(index);
    hid_t set = -1;
    char place[300];
    snprintf(place, sizeof place, "%.250s: %s", path, where);
    if (!index->tensors || H5Lexists(file, where, H5P_DEFAULT) == 0) return ENT_OK;
    uint8_t *row = ent_alloc(2 * f.part * f.row), *own;
    if (!row) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    own = row + f.part * f.row;
    hid_t type = type_of(&f);
    ent_status status = ent_h5_open_rows(&set, file, where, type, index->tensors, place, error);
    for (size_t first = 0; first < index->tensors && !status; first += f.part) {
        size_t n = at_most(index->tensors - first, f.part);
        put_rows(index, &f, first, n, own);
        status = ent_h5_read_rows(set, type, first, n, row, place, error);
        if (!status && memcmp(row, own, n * f.row) != 0)
            status = ent_fail(error, ENT_ECORRUPT, "%s: names, dtypes or shapes that are not those of the index", place);
    }
    ent_h5_close_set(set);
    H5Tclose(type);
    ent_free(row);
    return status;
}
