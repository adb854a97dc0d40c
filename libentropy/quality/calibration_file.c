/* calibration_file.c - a calibration as HDF5. */
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <entropy/quality.h>

enum { MOST_COLS = 1 << 24, MOST_INPUTS = 1 << 20, NAME = 64, MOST_NAME = 1 << 12 };

/* ---- writing -------------------------------------------------------------------------------------- */

static bool write_array(hid_t group, const char *name, hid_t stored, hid_t held, int rank, uint64_t side, const void *data)
{
    hsize_t size[2] = { side, side };
    hid_t space = H5Screate_simple(rank, size, NULL);
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(create, false); /* the same bytes tomorrow */
    hid_t set = H5Dcreate2(group, name, stored, space, H5P_DEFAULT, create, H5P_DEFAULT);
    bool good = set >= 0 && H5Dwrite(set, held, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (set >= 0) H5Dclose(set);
    H5Pclose(create);
    H5Sclose(space);
    return good;
}

static bool write_rows(hid_t group, uint64_t rows)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(group, "rows", H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_UINT64, &rows) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    return good;
}

static bool write_input(hid_t file, size_t i, const ent_input_stats *s)
{
    char name[NAME];
    snprintf(name, sizeof name, "/inputs/%zu", i);
    hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = group >= 0 && write_rows(group, s->rows) &&
                write_array(group, "largest", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 1, s->cols, s->largest) &&
                write_array(group, "squares", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, s->cols, s->squares) &&
                (!s->second || write_array(group, "second", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 2, s->cols, s->second));
    if (group >= 0) H5Gclose(group);
    return good;
}

static bool write_sensitivities(hid_t file, const ent_calibration *calibration)
{
    hid_t group = H5Gcreate2(file, "/sensitivities", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = group >= 0;
    for (size_t i = 0; i < calibration->matrices && good; i++) {
        const ent_sensitivity *s = &calibration->sensitivity[i];
        good = write_array(group, s->name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, 1, &s->kl_nats);
    }
    if (group >= 0) H5Gclose(group);
    return good;
}

static bool write_file(const ent_calibration *calibration, const char *path)
{
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (file < 0) return false;
    hid_t group = H5Gcreate2(file, "/inputs", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = group >= 0;
    if (good) H5Gclose(group);
    for (size_t i = 0; i < calibration->inputs && good; i++) good = write_input(file, i, &calibration->input[i]);
    if (good && calibration->matrices) good = write_sensitivities(file, calibration);
    return H5Fclose(file) >= 0 && good;
}

ent_status ent_calibration_write(const ent_calibration *calibration, const char *path, ent_error *error)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", path);
    bool good;
    H5E_BEGIN_TRY { good = write_file(calibration, part); } H5E_END_TRY;
    if (good && !rename(part, path)) return ENT_OK;
    unlink(part);
    return ent_fail(error, ENT_EIO, "%s: cannot be written", path);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* A dataset of `rank` axes that are all `*side` long (0: any length, which is put there), as memory
 * of items of `width` bytes; NULL when it is not there or not that. */
static void *read_array(hid_t group, const char *name, hid_t held, size_t width, int rank, uint64_t *side)
{
    hsize_t size[2] = { 0, 0 };
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT), space = set < 0 ? -1 : H5Dget_space(set);
    void *data = NULL;
    bool fits = space >= 0 && H5Sget_simple_extent_ndims(space) == rank && H5Sget_simple_extent_dims(space, size, NULL) >= 0;
    if (fits && !*side) *side = size[0];
    fits = fits && *side && *side <= MOST_COLS && size[0] == *side && (rank == 1 || size[1] == *side);
    /* what is stored bounds what is allocated: a file of a few bytes cannot ask for much */
    fits = fits && H5Dget_storage_size(set) >= *side * (rank == 1 ? 1 : *side) * width;
    if (fits) data = ent_calloc(*side, (rank == 1 ? 1 : *side) * width);
    if (data && H5Dread(set, held, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        ent_free(data);
        data = NULL;
    }
    if (space >= 0) H5Sclose(space);
    if (set >= 0) H5Dclose(set);
    return data;
}

static bool read_rows(hid_t group, uint64_t *rows)
{
    hid_t attribute = H5Aopen(group, "rows", H5P_DEFAULT);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    bool good = space >= 0 && H5Sget_simple_extent_npoints(space) == 1 &&
                H5Aread(attribute, H5T_NATIVE_UINT64, rows) >= 0;
    if (space >= 0) H5Sclose(space);
    if (attribute >= 0) H5Aclose(attribute);
    return good;
}

static bool read_input(hid_t file, size_t i, ent_input_stats *s)
{
    char name[NAME];
    uint64_t cols = 0;
    snprintf(name, sizeof name, "/inputs/%zu", i);
    hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
    if (group < 0) return false;
    bool good = read_rows(group, &s->rows) &&
                (s->largest = read_array(group, "largest", H5T_NATIVE_FLOAT, sizeof(float), 1, &cols)) &&
                (s->squares = read_array(group, "squares", H5T_NATIVE_DOUBLE, sizeof(double), 1, &cols));
    if (good && H5Lexists(group, "second", H5P_DEFAULT) > 0)
        good = (s->second = read_array(group, "second", H5T_NATIVE_DOUBLE, sizeof(double), 2, &cols)) != NULL;
    s->cols = (uint32_t)cols;
    H5Gclose(group);
    return good;
}

static bool read_sensitivity(hid_t group, hsize_t i, ent_sensitivity *s)
{
    ssize_t size = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
    if (size < 1 || size > MOST_NAME || !(s->name = ent_alloc((size_t)size + 1))) return false;
    if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, s->name, (size_t)size + 1, H5P_DEFAULT) < 0) return false;
    uint64_t one = 1;
    double *value = read_array(group, s->name, H5T_NATIVE_DOUBLE, sizeof *value, 1, &one);
    bool good = value && *value >= 0 && isfinite(*value);
    if (good) s->kl_nats = *value;
    ent_free(value);
    return good;
}

static bool read_sensitivities(hid_t file, ent_calibration *calibration)
{
    H5G_info_t info;
    if (H5Lexists(file, "/sensitivities", H5P_DEFAULT) <= 0) return true;
    hid_t group = H5Gopen2(file, "/sensitivities", H5P_DEFAULT);
    bool good = group >= 0 && H5Gget_info(group, &info) >= 0 && info.nlinks >= 1 && info.nlinks <= MOST_INPUTS &&
                (calibration->sensitivity = ent_calloc(info.nlinks, sizeof *calibration->sensitivity));
    for (hsize_t i = 0; good && i < info.nlinks; i++) {
        calibration->matrices = (size_t)i + 1; /* whose names are freed */
        good = read_sensitivity(group, i, &calibration->sensitivity[i]);
    }
    if (group >= 0) H5Gclose(group);
    return good;
}

static bool read_file(ent_calibration *calibration, const char *path)
{
    H5G_info_t info;
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) return false;
    bool good = H5Gget_info_by_name(file, "/inputs", &info, H5P_DEFAULT) >= 0 && info.nlinks >= 1 && info.nlinks <= MOST_INPUTS;
    if (good) {
        calibration->inputs = info.nlinks;
        good = (calibration->input = ent_calloc(info.nlinks, sizeof *calibration->input)) != NULL;
    }
    for (size_t i = 0; good && i < calibration->inputs; i++) good = read_input(file, i, &calibration->input[i]);
    good = good && read_sensitivities(file, calibration);
    H5Fclose(file);
    return good;
}

ent_status ent_calibration_read(ent_calibration *calibration, const char *path, ent_error *error)
{
    bool good;
    *calibration = (ent_calibration){ 0 };
    H5E_BEGIN_TRY { good = read_file(calibration, path); } H5E_END_TRY;
    if (good) return ENT_OK;
    ent_calibration_free(calibration);
    return ent_fail(error, ENT_ECORRUPT, "%s: not a calibration that this program wrote (`entropy quality --calibrate`)", path);
}
