/* h5.c - see h5.h.
 *
 * The format of HDF5 1.10 is asked for: its metadata is the smallest and carries checksums, and no
 * times are stored, so that equal input gives equal bytes. */
#include <stdio.h>
#include <string.h>

#include "container/h5.h"

enum {
    BYTES_CHUNK = 1 << 18,
    DEFLATE_LEVEL = 9,
    DEFLATE_MOST = 1032, /* bytes that deflate can make of one */
    COMPACT_LINKS = 256, /* above that many, links by B-tree cost less than they take */
};

/* HDF5 1.10 never lets go of a file whose writes failed or whose metadata was damaged, and at the end
 * of the program complains of it ("infinite loop closing library"): so it is told to leave the end of
 * the program alone.  That has an effect only when no one has used HDF5 before. */
ent_h5_tongue ent_h5_quiet(void)
{
    ent_h5_tongue tongue = { NULL, NULL };
    H5dont_atexit();
    H5Eget_auto2(H5E_DEFAULT, &tongue.function, &tongue.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return tongue;
}

void ent_h5_restore(ent_h5_tongue tongue) { H5Eset_auto2(H5E_DEFAULT, tongue.function, tongue.data); }

/* ---- errors ----------------------------------------------------------------------------------------- */

/* The innermost reason; or the system's, of which HDF5 also writes out all arguments. */
static herr_t take_reason(unsigned n, const H5E_error2_t *e, void *data)
{
    static const char words[] = "error message = '";
    const char *system = e->desc ? strstr(e->desc, words) : NULL;
    if (system) system += sizeof words - 1;
    if (system || (n == 0 && e->desc))
        snprintf(data, 300, "%.*s", system ? (int)strcspn(system, "'") : 299, system ? system : e->desc);
    return 0;
}

ent_status ent_h5_fail(ent_error *error, ent_status status, const char *path, const char *what)
{
    char reason[300] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, reason);
    bool locked = strstr(reason, "lock") != NULL;
    return ent_fail(error, status, "%s: %s (HDF5: %s)%s", path, what, reason,
                    locked ? "; if the file system has no locks, set HDF5_USE_FILE_LOCKING=FALSE" : "");
}

/* ---- files and groups ------------------------------------------------------------------------------- */

ent_status ent_h5_create(hid_t *file, const char *path, ent_error *error)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_obj_track_times(create, false);
    *file = H5Fcreate(path, H5F_ACC_EXCL, create, access);
    ent_status status = *file < 0 ? ent_h5_fail(error, ENT_EIO, path, "cannot create") : ENT_OK;
    H5Pclose(create);
    H5Pclose(access);
    return status;
}

ent_status ent_h5_finish(hid_t file, const char *path, ent_error *error)
{
    return H5Fclose(file) < 0 ? ent_h5_fail(error, ENT_EIO, path, "cannot complete the file") : ENT_OK;
}

ent_status ent_h5_open(hid_t *file, const char *path, ent_error *error)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hsize_t user_block = 1;
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    ent_status status = *file < 0 ? ent_h5_fail(error, ENT_ECORRUPT, path, "cannot open as HDF5") : ENT_OK;
    H5Pclose(access);
    if (status) return status;
    hid_t create = H5Fget_create_plist(*file);
    if (create < 0 || H5Pget_userblock(create, &user_block) < 0 || user_block)
        status = ent_fail(error, ENT_ECORRUPT, "%s: an HDF5 file with a user block, which no container has", path);
    if (create >= 0) H5Pclose(create);
    if (status) H5Fclose(*file);
    return status;
}

ent_status ent_h5_group(hid_t file, const char *name, const char *path, ent_error *error)
{
    hid_t create = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(create, false);
    H5Pset_link_phase_change(create, COMPACT_LINKS, COMPACT_LINKS - 1);
    hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, create, H5P_DEFAULT);
    ent_status status = group < 0 ? ent_h5_fail(error, ENT_EIO, path, "cannot create a group") : ENT_OK;
    if (group >= 0) H5Gclose(group);
    H5Pclose(create);
    return status;
}

/* ---- datasets ------------------------------------------------------------------------------------------ */

static hid_t word_type(uint32_t width)
{
    return width == 1 ? H5T_STD_U8LE : width == 2 ? H5T_STD_U16LE : width == 4 ? H5T_STD_U32LE : H5T_STD_U64LE;
}

/* A new type, as it is in the file. */
static hid_t element_type(const ent_array *array)
{
    const ent_format *f = array->format;
    if (array->kind == ENT_KIND_SIGNED) {
        hid_t type = H5Tcopy(word_type(array->width));
        H5Tset_sign(type, H5T_SGN_2);
        return type;
    }
    if (array->kind != ENT_KIND_FLOAT) return H5Tcopy(word_type(array->width));
    hid_t type = H5Tcopy(array->width == 8 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE);
    if (array->width >= 4) return type;
    H5Tset_fields(type, f->bits - 1u, f->mantissa_bits, f->exponent_bits, 0, f->mantissa_bits); /* before the size */
    H5Tset_precision(type, f->bits);
    H5Tset_size(type, array->width);
    H5Tset_ebias(type, (size_t)f->bias);
    return type;
}

static hid_t create_properties(void)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(create, false);
    H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    H5Pset_dset_no_attrs_hint(create, true); /* 150 bytes less a dataset */
    return create;
}

/* Consumes `create`. */
static ent_status create_set(hid_t *set, hid_t file, const char *name, hid_t type, uint32_t rank, const hsize_t *extent,
                             hid_t create, const char *path, ent_error *error)
{
    hid_t space = H5Screate_simple((int)rank, extent, NULL);
    *set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    ent_status status = *set < 0 ? ent_h5_fail(error, ENT_EIO, path, "cannot create a dataset") : ENT_OK;
    H5Sclose(space);
    H5Pclose(create);
    return status;
}

_Static_assert(ENT_ARRAY_RANK == H5S_MAX_RANK && sizeof(hsize_t) == sizeof(uint64_t), "sizes are HDF5's");

ent_status ent_h5_create_coded(hid_t *set, hid_t file, const char *name, const ent_array *array,
                               const ent_filter_values *values, const char *path, ent_error *error)
{
    const unsigned plain[] = { ENT_FILTER_MAGIC, ENT_FILTER_TABLES, array->width };
    hsize_t size[ENT_ARRAY_RANK], chunk[ENT_ARRAY_RANK];
    for (uint32_t i = 0; i < array->rank; i++) size[i] = array->size[i], chunk[i] = array->chunk[i];
    hid_t create = create_properties(), type = element_type(array);
    H5Pset_chunk(create, (int)array->rank, chunk);
    H5Pset_filter(create, ENT_FILTER_ID, H5Z_FLAG_OPTIONAL, values ? values->n : sizeof plain / sizeof *plain,
                  values ? values->value : plain);
    ent_status status = create_set(set, file, name, type, array->rank, size, create, path, error);
    H5Tclose(type);
    return status;
}

/* The first element of block k. */
static void corner_of(const ent_array *array, uint64_t k, hsize_t corner[ENT_ARRAY_RANK])
{
    uint64_t at = k * array->block;
    for (uint32_t i = array->rank; i-- > 1; at /= array->size[i]) corner[i] = at % array->size[i];
    corner[0] = at;
}

ent_status ent_h5_write_block(hid_t set, const ent_array *array, uint64_t k, ent_bytes block, const char *path,
                              ent_error *error)
{
    hsize_t corner[ENT_ARRAY_RANK];
    corner_of(array, k, corner);
    if (H5Dwrite_chunk(set, H5P_DEFAULT, 0, corner, block.size, block.data) >= 0) return ENT_OK;
    return ent_h5_fail(error, ENT_EIO, path, "cannot write a block");
}

void ent_h5_link(hid_t file, const char *name, const char *group, const char *other)
{
    char path[1000];
    if (snprintf(path, sizeof path, "%s/%s", group, other) >= (int)sizeof path) return;
    for (char *slash = path + strlen(group); (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (H5Lexists(file, path, H5P_DEFAULT) == 0) ent_h5_group(file, path, path, NULL);
        *slash = '/';
    }
    H5Lcreate_hard(file, name, file, path, H5P_DEFAULT, H5P_DEFAULT);
}

void ent_h5_close_set(hid_t set)
{
    if (set >= 0) H5Dclose(set);
}

/* Numbers of `width` bytes in these dimensions. */
static bool has_shape(hid_t set, uint32_t width, uint32_t rank, const uint64_t *size)
{
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    hsize_t extent[H5S_MAX_RANK];
    bool right = space >= 0 && type >= 0 && H5Sget_simple_extent_ndims(space) == (int)rank &&
                 H5Sget_simple_extent_dims(space, extent, NULL) == (int)rank &&
                 (H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_FLOAT) && H5Tget_size(type) == width;
    for (uint32_t i = 0; i < rank && right; i++) right = extent[i] == size[i];
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return right;
}

static bool has_chunks(hid_t set, const ent_array *array, unsigned version)
{
    hid_t create = H5Dget_create_plist(set);
    hsize_t chunk[H5S_MAX_RANK];
    unsigned flags, values[2] = { 0 };
    size_t n = 2;
    bool right = create >= 0 && H5Pget_layout(create) == H5D_CHUNKED &&
                 H5Pget_chunk(create, H5S_MAX_RANK, chunk) == (int)array->rank && H5Pget_nfilters(create) == 1 &&
                 H5Pget_filter2(create, 0, &flags, &n, values, 0, NULL, NULL) == ENT_FILTER_ID &&
                 values[0] == ENT_FILTER_MAGIC && values[1] == version;
    for (uint32_t i = 0; i < array->rank && right; i++) right = chunk[i] == array->chunk[i];
    if (create >= 0) H5Pclose(create);
    return right;
}

/* The search for the blocks of a tensor.  HDF5 1.10 tells the size of a chunk at once, but its address
 * only by walking over all chunks before it.  Ours are written one after the other, so runs of them
 * are looked for, by bisection: where the first and the last of a run are as far apart as the sizes
 * between them say, all lie in between.  Should they not, their checksums will tell. */
typedef struct search {
    hid_t set;
    const ent_array *array;
    uint64_t blocks, file_size, lookups;
    ent_place *place;
    const char *path;
    ent_error *error;
} search;

static ent_status misplaced(const search *s, uint64_t k)
{
    return ent_fail(s->error, ENT_ECORRUPT, "%s, block %llu: not in the file", s->path, (unsigned long long)k);
}

/* Looks the address of block k up.  A file that needs so many walks that they take minutes is not ours. */
static ent_status look_up(search *s, uint64_t k)
{
    const uint64_t most_steps = (uint64_t)1 << 28;
    hsize_t corner[ENT_ARRAY_RANK], size = 0;
    haddr_t address = HADDR_UNDEF;
    unsigned mask = 0;
    if (++s->lookups > most_steps / s->blocks + 1)
        return ent_fail(s->error, ENT_ECORRUPT, "%s: blocks in disorder", s->path);
    corner_of(s->array, k, corner);
    if (H5Dget_chunk_info_by_coord(s->set, corner, &mask, &address, &size) < 0)
        return ent_h5_fail(s->error, ENT_ECORRUPT, s->path, "cannot find a block");
    if (address == HADDR_UNDEF || mask || size != s->place[k].size || address > s->file_size - size)
        return misplaced(s, k);
    s->place[k].address = address;
    return ENT_OK;
}

/* The addresses between two blocks that have been looked up. */
static ent_status find_between(search *s, uint64_t first, uint64_t last)
{
    uint64_t end = s->place[first].address;
    for (uint64_t k = first; k < last; k++) end += s->place[k].size;
    if (end == s->place[last].address) {
        for (uint64_t k = first + 1; k < last; k++)
            s->place[k].address = s->place[k - 1].address + s->place[k - 1].size;
        return ENT_OK;
    }
    if (last - first < 2) return ENT_OK;
    uint64_t middle = first + (last - first) / 2;
    ent_status status = look_up(s, middle);
    if (!status) status = find_between(s, first, middle);
    return status ? status : find_between(s, middle, last);
}

/* All chunks together are no larger than the file. */
static ent_status find_sizes(search *s)
{
    uint64_t left = s->file_size;
    for (uint64_t k = 0; k < s->blocks; k++) {
        hsize_t corner[ENT_ARRAY_RANK], size = 0;
        corner_of(s->array, k, corner);
        if (H5Dget_chunk_storage_size(s->set, corner, &size) < 0 || size > left) return misplaced(s, k);
        left -= size;
        s->place[k] = (ent_place){ 0, size };
    }
    return ENT_OK;
}

static ent_status find_blocks(search *s)
{
    ent_status status = find_sizes(s);
    if (!status) status = look_up(s, 0);
    if (!status && s->blocks > 1) status = look_up(s, s->blocks - 1);
    return status ? status : find_between(s, 0, s->blocks - 1);
}

/* What the chunks hold after their heads. */
static ent_status pass_heads(search *s, size_t head)
{
    for (uint64_t k = 0; k < s->blocks; k++) {
        if (s->place[k].size < head) return misplaced(s, k);
        s->place[k].address += head;
        s->place[k].size -= head;
    }
    return ENT_OK;
}

ent_status ent_h5_find_blocks(hid_t file, const char *name, const ent_array *array, uint64_t blocks, size_t head,
                              uint64_t file_size, ent_place *places, const char *path, ent_error *error)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) return ent_h5_fail(error, ENT_ECORRUPT, path, "cannot open its dataset");
    ent_status status = ENT_OK;
    if (!has_shape(set, array->width, array->rank, array->size) ||
        !has_chunks(set, array, head ? ENT_FILTER_CHUNKS : ENT_FILTER_TABLES))
        status = ent_fail(error, ENT_ECORRUPT, "%s: %s is not the dataset that the index tells of", path, name);
    search s = { .set = set, .array = array, .blocks = blocks, .file_size = file_size, .place = places, .path = path,
                 .error = error };
    if (!status) status = find_blocks(&s);
    if (!status) status = pass_heads(&s, head);
    H5Dclose(set);
    return status;
}

/* ---- bytes ---------------------------------------------------------------------------------------------- */

ent_status ent_h5_create_bytes(hid_t *set, hid_t file, const char *name, uint64_t size, bool deflate, const char *path,
                               ent_error *error)
{
    hsize_t chunk = size < BYTES_CHUNK ? size : BYTES_CHUNK;
    hid_t create = create_properties();
    if (deflate) {
        H5Pset_chunk(create, 1, &chunk);
        H5Pset_deflate(create, DEFLATE_LEVEL);
    }
    return create_set(set, file, name, H5T_STD_U8LE, 1, &(hsize_t){ size }, create, path, error);
}

ent_status ent_h5_create_rows(hid_t *set, hid_t file, const char *name, hid_t type, uint64_t rows, uint64_t chunk,
                              const char *path, ent_error *error)
{
    hid_t create = create_properties();
    H5Pset_chunk(create, 1, &(hsize_t){ chunk });
    H5Pset_deflate(create, DEFLATE_LEVEL);
    H5Pset_fletcher32(create);
    return create_set(set, file, name, type, 1, &(hsize_t){ rows }, create, path, error);
}

ent_status ent_h5_open_bytes(hid_t *set, uint64_t *size, hid_t file, const char *name, const char *path,
                             ent_error *error)
{
    *size = 0;
    *set = H5Dopen2(file, name, H5P_DEFAULT);
    if (*set < 0) return ent_h5_fail(error, ENT_ECORRUPT, path, "cannot open a dataset");
    hid_t space = H5Dget_space(*set);
    hssize_t points = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    if (space >= 0) H5Sclose(space);
    *size = points < 0 ? 0 : (uint64_t)points;
    /* parts that are not in the file would read as zeros without end */
    hsize_t stored = H5Dget_storage_size(*set);
    if (points >= 0 && has_shape(*set, 1, 1, size) && *size / DEFLATE_MOST <= stored) return ENT_OK;
    H5Dclose(*set);
    *set = -1;
    return ent_fail(error, ENT_ECORRUPT, "%s: %s: not a dataset of bytes", path, name);
}

ent_status ent_h5_open_rows(hid_t *set, hid_t file, const char *name, hid_t type, uint64_t rows, const char *path,
                            ent_error *error)
{
    *set = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t space = *set < 0 ? -1 : H5Dget_space(*set), own = *set < 0 ? -1 : H5Dget_type(*set);
    bool right = space >= 0 && own >= 0 && H5Sget_simple_extent_ndims(space) == 1 && H5Tequal(own, type) > 0 &&
                 H5Sget_simple_extent_npoints(space) == (hssize_t)rows;
    if (space >= 0) H5Sclose(space);
    if (own >= 0) H5Tclose(own);
    return right ? ENT_OK : ent_fail(error, ENT_ECORRUPT, "%s: not the dataset that a container has", path);
}

/* Moves one part; `out` for reading, `in` for writing. */
static herr_t move(hid_t set, hid_t type, uint64_t offset, uint64_t size, void *out, const void *in)
{
    hsize_t start = offset, count = size;
    hid_t file = H5Dget_space(set), memory = H5Screate_simple(1, &count, NULL);
    herr_t done = H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &count, NULL);
    if (done >= 0)
        done = out ? H5Dread(set, type, memory, file, H5P_DEFAULT, out)
                   : H5Dwrite(set, type, memory, file, H5P_DEFAULT, in);
    H5Sclose(memory);
    H5Sclose(file);
    return done;
}

ent_status ent_h5_write_rows(hid_t set, hid_t type, uint64_t first, uint64_t n, const void *rows, const char *path,
                             ent_error *error)
{
    if (!n || move(set, type, first, n, NULL, rows) >= 0) return ENT_OK;
    return ent_h5_fail(error, ENT_EIO, path, "cannot write");
}

ent_status ent_h5_read_rows(hid_t set, hid_t type, uint64_t first, uint64_t n, void *rows, const char *path,
                            ent_error *error)
{
    if (!n || move(set, type, first, n, rows, NULL) >= 0) return ENT_OK;
    return ent_h5_fail(error, ENT_ECORRUPT, path, "cannot read");
}

ent_status ent_h5_write_part(hid_t set, uint64_t offset, ent_bytes part, const char *path, ent_error *error)
{
    return ent_h5_write_rows(set, H5T_STD_U8LE, offset, part.size, part.data, path, error);
}

ent_status ent_h5_read_part(hid_t set, uint64_t offset, void *part, size_t size, const char *path, ent_error *error)
{
    return ent_h5_read_rows(set, H5T_STD_U8LE, offset, size, part, path, error);
}

ent_status ent_h5_write_bytes(hid_t file, const char *name, ent_bytes bytes, bool deflate, const char *path,
                              ent_error *error)
{
    hid_t set = -1;
    if (!bytes.size) return ENT_OK;
    ent_status status = ent_h5_create_bytes(&set, file, name, bytes.size, deflate, path, error);
    if (!status) status = ent_h5_write_part(set, 0, bytes, path, error);
    ent_h5_close_set(set);
    return status;
}

ent_status ent_h5_read_bytes(hid_t file, const char *name, ent_buffer *out, const char *path, ent_error *error)
{
    hid_t set = -1;
    uint64_t size;
    out->size = 0;
    if (H5Lexists(file, name, H5P_DEFAULT) == 0) return ENT_OK;
    ent_status status = ent_h5_open_bytes(&set, &size, file, name, path, error);
    if (!status && ent_buffer_reserve(out, size)) status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (!status) status = ent_h5_read_part(set, 0, out->data, size, path, error);
    if (!status) out->size = size;
    ent_h5_close_set(set);
    return status;
}
