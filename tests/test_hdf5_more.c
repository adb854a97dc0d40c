/* test_hdf5_more.c - HDF5 files by libhdf5: checksums of the newer metadata, elements of several numbers, what is passed over,
 * our own filter, and refusals whose remedy is tried.
 *
 * Over 500 lines because each part needs files of its own, which no other writes: most of it is calls of libhdf5. */
#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <entropy/filter.h>

#include "base/bits.h"
#include "weights_files.h"

/* scratch_path's own is good for a few calls only. */
static void set_path(char path[static 300], const char *name)
{
    snprintf(path, 300, "%s", scratch_path(name));
}

static hid_t new_file(const char *path, H5F_libver_t low)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_libver_bounds(access, low, H5F_LIBVER_LATEST);
    H5Pset_obj_track_times(create, false);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    assert_true(file >= 0);
    H5Pclose(create), H5Pclose(access);
    return file;
}

/* Consumes `create`; 0: none. */
static void add_set(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, const hsize_t *most, hid_t create,
                    const void *data)
{
    hid_t space = rank ? H5Screate_simple(rank, shape, most) : H5Screate(H5S_SCALAR);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create ? create : H5P_DEFAULT, H5P_DEFAULT);
    if (set < 0) fail_msg("%s: libhdf5 does not make it", name);
    if (data) assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set), H5Sclose(space);
    if (create) H5Pclose(create);
}

static hid_t chunked(int rank, const hsize_t *chunk)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, rank, chunk);
    return create;
}

static ent_weights *open_file(const char *path)
{
    ent_weights *w;
    ent_error error;
    if (ent_weights_open(&w, path, &error)) fail_msg("%s", error.text);
    return w;
}

static const ent_tensor *find(const ent_weights *w, const char *name)
{
    const ent_tensor *t = ent_weights_find(w, name);
    if (!t) fail_msg("%s: not there", name);
    return t;
}

/* ---- checksums -------------------------------------------------------------------------------------------------- */

enum { SIDE = 16 };

/* A dataset of every kind of index; many attributes of one and many links, so that there are trees and heaps. */
static void make_newest(const char *path, int links)
{
    const hsize_t shape[2] = { SIDE, SIDE }, chunk[2] = { 4, 4 }, wide[2] = { H5S_UNLIMITED, H5S_UNLIMITED },
                  long_[2] = { H5S_UNLIMITED, SIDE };
    static float data[SIDE][SIDE];
    char name[100];
    ent_random random;
    ent_random_seed(&random, 3, 0);
    for (int i = 0; i < SIDE * SIDE; i++) data[i / SIDE][i % SIDE] = (float)ent_random_uniform(&random);
    hid_t file = new_file(path, H5F_LIBVER_LATEST), early = chunked(2, chunk), deflated = chunked(2, chunk);
    H5Pset_alloc_time(early, H5D_ALLOC_TIME_EARLY);
    H5Pset_deflate(deflated, 9);
    add_set(file, "plain", H5T_IEEE_F32LE, 2, shape, NULL, 0, data);
    add_set(file, "one", H5T_IEEE_F32LE, 2, shape, NULL, chunked(2, shape), data);
    add_set(file, "implicit", H5T_IEEE_F32LE, 2, shape, NULL, early, data);
    add_set(file, "array", H5T_IEEE_F32LE, 2, shape, NULL, chunked(2, chunk), data);
    add_set(file, "deflated", H5T_IEEE_F32LE, 2, shape, NULL, deflated, data);
    add_set(file, "growing", H5T_IEEE_F32LE, 2, shape, long_, chunked(2, chunk), data);
    add_set(file, "tree", H5T_IEEE_F32LE, 2, shape, wide, chunked(2, chunk), data);
    hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < links; i++) {
        snprintf(name, sizeof name, "a name that takes some room, number %d", i);
        if (i < 2) add_set(group, name, H5T_IEEE_F32LE, 1, (hsize_t[]){ 3 }, NULL, 0, data[i]);
        else H5Lcreate_soft("/plain", group, name, H5P_DEFAULT, H5P_DEFAULT);
    }
    H5Gclose(group);
    assert_true(H5Fclose(file) >= 0);
}

/* Marks the bytes that are numbers of datasets, which no metadata's checksum has in it. */
static herr_t mark_data(hid_t file, const char *name, const H5L_info_t *info, void *context)
{
    uint8_t *is_data = context;
    if (info->type != H5L_TYPE_HARD) return 0;
    hid_t object = H5Oopen(file, name, H5P_DEFAULT);
    if (H5Iget_type(object) != H5I_DATASET) return H5Oclose(object);
    hid_t space = H5Dget_space(object);
    hsize_t n = 0, at[2], size;
    haddr_t address = H5Dget_offset(object);
    unsigned mask;
    if (address != HADDR_UNDEF) memset(is_data + address, 1, 4 * (size_t)H5Sget_simple_extent_npoints(space));
    else assert_true(H5Dget_num_chunks(object, space, &n) >= 0);
    for (hsize_t i = 0; i < n; i++) {
        assert_true(H5Dget_chunk_info(object, space, i, at, &mask, &address, &size) >= 0);
        memset(is_data + address, 1, size);
    }
    H5Sclose(space);
    return H5Oclose(object);
}

static bool same_model(const ent_weights *a, const ent_weights *b)
{
    bool same = ent_weights_tensors(a) == ent_weights_tensors(b);
    for (size_t i = 0; same && i < ent_weights_tensors(a); i++) {
        const ent_tensor *s = ent_weights_tensor(a, i), *t = ent_weights_tensor(b, i);
        same = !strcmp(s->name, t->name) && !strcmp(s->dtype, t->dtype) && s->rank == t->rank && s->bytes.size == t->bytes.size &&
               s->offset == t->offset && !memcmp(s->shape, t->shape, s->rank * sizeof *s->shape) &&
               !memcmp(s->bytes.data, t->bytes.data, t->bytes.size);
    }
    return same;
}

/* Flips bits of the file, every `step`th outside of datasets' numbers: each is refused, or meant nothing. */
static void flip_metadata(const char *path, size_t step, size_t *refused, size_t *by_sum, size_t *idle)
{
    size_t size;
    uint8_t *f = read_file(path, &size), *is_data = calloc(size, 1);
    char copy[300];
    set_path(copy, "flipped.h5");
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(H5Lvisit(file, H5_INDEX_NAME, H5_ITER_NATIVE, mark_data, is_data) >= 0);
    H5Fclose(file);
    write_file(copy, f, size);
    ent_weights *whole = open_file(path);
    int fd = open(copy, O_RDWR);
    *refused = *by_sum = *idle = 0;
    for (size_t bit = 0; bit < 8 * size; bit += step) {
        if (is_data[bit / 8]) continue;
        uint8_t flipped = (uint8_t)(f[bit / 8] ^ 1u << bit % 8);
        ent_weights *w;
        ent_error error;
        count_damaged();
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        ent_status status = ent_weights_open(&w, copy, &error);
        if (status && status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED) fail_msg("bit %zu: %s", bit, error.text);
        if (!status && !same_model(w, whole)) fail_msg("%s: bit %zu of byte %zu makes another model", path, bit % 8, bit / 8);
        *refused += status != ENT_OK;
        *by_sum += status && strstr(error.text, "is damaged: its checksum does not hold");
        *idle += !status;
        ent_weights_close(w);
        assert_int_equal(pwrite(fd, f + bit / 8, 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    ent_weights_close(whole);
    free(f), free(is_data);
}

/* Idle are the bits of room that nothing is in yet, in nodes of trees; the rest of a node is not summed. */
static void flips_in_new_metadata_are_named(void **state)
{
    (void)state;
    char path[300];
    set_path(path, "newest.h5");
    size_t refused, by_sum, idle;
    make_newest(path, 3);
    flip_metadata(path, SANITIZED ? 41 : 1, &refused, &by_sum, &idle);
    if (by_sum < refused * 9 / 10) fail_msg("%zu of %zu refused by checksums, %zu idle", by_sum, refused, idle);
    make_newest(path, 500); /* a heap of several tables */
    flip_metadata(path, SANITIZED ? 8209 : 211, &refused, &by_sum, &idle);
    if (by_sum < refused * 9 / 10) fail_msg("%zu of %zu refused by checksums, %zu idle", by_sum, refused, idle);
}

/* The checksum that libhdf5 wrote, of each structure by its mark: a flip right behind the mark is found by it. */
static void every_structure_is_summed(void **state)
{
    (void)state;
    static const char *const marks[] = { "\211HDF", "OHDR", "BTHD", "BTLF", "FRHP", "FHDB", "FHIB", "FAHD", "FADB", "EAHD", "EAIB", "EADB" };
    char path[300], copy[300];
    set_path(path, "marks.h5");
    set_path(copy, "marked.h5");
    size_t size;
    make_newest(path, 500);
    uint8_t *f = read_file(path, &size);
    for (size_t m = 0; m < sizeof marks / sizeof *marks; m++) {
        size_t found = 0;
        for (size_t at = 0; at + 20 < size; at++) {
            if (memcmp(f + at, marks[m], 4) != 0) continue;
            found++;
            /* the address in the superblock's end, what an object header is made of, the last bytes of what a node or block begins with */
            size_t place = at + (m == 0 ? 30 : m == 1 ? 12 : 6);
            f[place] ^= 0x40;
            write_file(copy, f, size);
            expect_open(copy, ENT_ECORRUPT, m == 0 || m == 1 ? NULL : "its checksum does not hold");
            f[place] ^= 0x40;
        }
        if (!found) fail_msg("no %s", marks[m]);
    }
    free(f);
}

/* Keras's archive: cut anywhere, or any bit of the archive's own parts flipped. */
static void damaged_archives_are_refused(void **state)
{
    (void)state;
    char path[300], copy[300];
    size_t size;
    set_path(path, "small.h5"), set_path(copy, "cut.keras");
    hid_t file = new_file(path, H5F_LIBVER_EARLIEST);
    add_set(file, "w", H5T_IEEE_F32LE, 1, (hsize_t[]){ 4 }, NULL, 0, (float[]){ 1, 2, 3, 4 });
    H5Fclose(file);
    uint8_t *model = read_file(path, &size);
    const part parts[] = { { "config.json", "{}", 2, false }, { "model.weights.h5", model, size, true } };
    uint8_t *f = read_file(make_zip("whole.keras", parts, 2), &size);
    for (size_t n = size; n-- > 4;) {
        write_file(copy, f, n);
        expect_open(copy, ENT_ECORRUPT, NULL);
    }
    for (size_t bit = 0; bit < 8 * size; bit += SANITIZED ? 29 : 1) {
        ent_weights *w;
        ent_error error;
        count_damaged();
        f[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_file(copy, f, size);
        ent_status status = ent_weights_open(&w, copy, &error);
        if (status && status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED) fail_msg("bit %zu: %s", bit, error.text);
        ent_weights_close(w);
        f[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(f), free(model);
}

/* A file that a program has open to write, as it is on the disk then. */
static void unfinished_files_are_refused(void **state)
{
    (void)state;
    char path[300], copy[300];
    set_path(path, "open.h5");
    set_path(copy, "copy.h5");
    size_t size;
    make_newest(path, 0);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
    assert_true(H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0);
    uint8_t *f = read_file(path, &size);
    write_file(copy, f, size);
    expect_open(copy, ENT_EUNSUPPORTED, "a program still writes it, or was killed when it did: wait for it, or run `h5clear -s copy.h5`");
    free(f);
    H5Fclose(file), H5Pclose(access);
    expect_open(path, ENT_OK, NULL);
}

/* ---- elements of several numbers ---------------------------------------------------------------------------------- */

static hid_t complex_type(hid_t number)
{
    size_t size = H5Tget_size(number);
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * size);
    H5Tinsert(type, "r", 0, number), H5Tinsert(type, "i", size, number);
    return type;
}

static void expect_numbers(const ent_weights *w, const char *name, const char *dtype, uint32_t rank, const uint64_t *shape,
                           const void *data, size_t size)
{
    const ent_tensor *t = find(w, name);
    assert_string_equal(t->dtype, dtype);
    assert_int_equal(t->rank, rank);
    for (uint32_t i = 0; i < rank; i++) assert_int_equal(t->shape[i], shape[i]);
    assert_int_equal(t->elements * t->dtype_bits, 8 * size);
    assert_int_equal(t->bytes.size, size);
    assert_memory_equal(t->bytes.data, data, size);
}

/* Complex numbers, records of equal numbers and arrays as elements: an axis more, of numbers. */
static void parts_of_elements_are_an_axis(void **state)
{
    (void)state;
    enum { N = 60 };
    static double data[N * 12];
    char path[300];
    set_path(path, "parts.h5");
    ent_random random;
    ent_random_seed(&random, 4, 0);
    for (int i = 0; i < N * 12; i++) data[i] = ent_random_uniform(&random);
    for (int version = 0; version < 2; version++) {
        hid_t file = new_file(path, version ? H5F_LIBVER_LATEST : H5F_LIBVER_EARLIEST);
        hid_t c64 = complex_type(H5T_IEEE_F32LE), c128 = complex_type(H5T_IEEE_F64LE), swapped = complex_type(H5T_IEEE_F32BE);
        hid_t array = H5Tarray_create2(H5T_STD_I16LE, 2, (hsize_t[]){ 3, 4 }), three = H5Tcreate(H5T_COMPOUND, 3);
        H5Tinsert(three, "red", 0, H5T_STD_U8LE), H5Tinsert(three, "green or yellow", 1, H5T_STD_U8LE), H5Tinsert(three, "blue", 2, H5T_STD_U8LE);
        hid_t packed = chunked(2, (hsize_t[]){ 4, 5 });
        H5Pset_shuffle(packed), H5Pset_deflate(packed, 6);
        add_set(file, "c64", c64, 2, (hsize_t[]){ 6, 10 }, NULL, 0, data);
        add_set(file, "c128", c128, 2, (hsize_t[]){ 6, 10 }, NULL, packed, data);
        add_set(file, "swapped", swapped, 1, (hsize_t[]){ N }, NULL, chunked(1, (hsize_t[]){ 20 }), data);
        add_set(file, "array", array, 1, (hsize_t[]){ N }, NULL, 0, data);
        add_set(file, "three", three, 0, NULL, NULL, 0, data);
        add_set(file, "bits", H5T_STD_B16LE, 1, (hsize_t[]){ N }, NULL, 0, data);
        H5Tclose(c64), H5Tclose(c128), H5Tclose(swapped), H5Tclose(array), H5Tclose(three), H5Fclose(file);
        ent_weights *w = open_file(path);
        assert_null(ent_weights_note(w));
        expect_numbers(w, "c64", "F32", 3, (uint64_t[]){ 6, 10, 2 }, data, N * 8);
        expect_numbers(w, "c128", "F64", 3, (uint64_t[]){ 6, 10, 2 }, data, N * 16);
        expect_numbers(w, "swapped", ">f4", 2, (uint64_t[]){ N, 2 }, data, N * 8);
        expect_numbers(w, "array", "I16", 3, (uint64_t[]){ N, 3, 4 }, data, N * 24);
        expect_numbers(w, "three", "U8", 1, (uint64_t[]){ 3 }, data, 3);
        expect_numbers(w, "bits", "U16", 1, (uint64_t[]){ N }, data, N * 2);
        ent_weights_close(w);
        expect_round_trip(path, "zstd");
    }
}

/* ---- what is passed over ------------------------------------------------------------------------------------------ */

static void what_is_passed_over_is_said(void **state)
{
    (void)state;
    char path[300];
    set_path(path, "others.h5");
    const float numbers[] = { 1, 2, 3, 4 };
    for (int version = 0; version < 2; version++) {
        hid_t file = new_file(path, version ? H5F_LIBVER_LATEST : H5F_LIBVER_EARLIEST), text = H5Tcopy(H5T_C_S1), eight = H5Tcopy(H5T_C_S1);
        hid_t mixed = H5Tcreate(H5T_COMPOUND, 8), gap = H5Tcreate(H5T_COMPOUND, 12), lists = H5Tvlen_create(H5T_STD_I32LE), wide = H5Tcreate(H5T_OPAQUE, 16);
        H5Tset_size(text, H5T_VARIABLE), H5Tset_size(eight, 8);
        H5Tinsert(mixed, "a", 0, H5T_IEEE_F32LE), H5Tinsert(mixed, "b", 4, H5T_STD_I32LE);
        H5Tinsert(gap, "a", 0, H5T_IEEE_F32LE), H5Tinsert(gap, "b", 8, H5T_IEEE_F32LE);
        add_set(file, "weights", H5T_IEEE_F32LE, 1, (hsize_t[]){ 4 }, NULL, 0, numbers);
        add_set(file, "names", text, 1, (hsize_t[]){ 2 }, NULL, 0, (const char *[]){ "a", "b" });
        add_set(file, "notes", eight, 1, (hsize_t[]){ 2 }, NULL, 0, "0123456789abcdef");
        add_set(file, "both", mixed, 1, (hsize_t[]){ 2 }, NULL, 0, numbers);
        add_set(file, "gap", gap, 1, (hsize_t[]){ 1 }, NULL, 0, numbers);
        hobj_ref_t reference;
        H5Rcreate(&reference, file, "weights", H5R_OBJECT, -1);
        add_set(file, "links", H5T_STD_REF_OBJ, 1, (hsize_t[]){ 1 }, NULL, 0, &reference);
        add_set(file, "lists", lists, 1, (hsize_t[]){ 1 }, NULL, 0, &(hvl_t){ 2, (int[]){ 1, 2 } });
        add_set(file, "wide", wide, 1, (hsize_t[]){ 1 }, NULL, 0, "0123456789abcdef");
        add_set(file, "empty", H5T_IEEE_F32LE, 1, (hsize_t[]){ 0 }, NULL, 0, NULL);
        add_set(file, "never", H5T_IEEE_F32LE, 1, (hsize_t[]){ 4 }, NULL, 0, NULL);
        add_set(file, "never in chunks", H5T_IEEE_F32LE, 1, (hsize_t[]){ 4 }, NULL, chunked(1, (hsize_t[]){ 2 }), NULL);
        hid_t nothing = H5Screate(H5S_NULL);
        H5Dclose(H5Dcreate2(file, "nothing", H5T_IEEE_F32LE, nothing, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        H5Sclose(nothing);
        H5Tclose(text), H5Tclose(eight), H5Tclose(mixed), H5Tclose(gap), H5Tclose(lists), H5Tclose(wide);
        assert_true(H5Fclose(file) >= 0);
        ent_weights *w = open_file(path);
        assert_int_equal(ent_weights_tensors(w), 1);
        assert_memory_equal(find(w, "weights")->bytes.data, numbers, sizeof numbers);
        char note[500]; /* many links of the newest kind are in the order of hashes */
        snprintf(note, sizeof note, "11 datasets passed over: 2 of texts (\"names\", ...), 2 of records (\"both\", ...), 1 of references "
                 "(\"links\"), 1 of lists of any length (\"lists\"), 1 of other kinds (\"wide\"), 4 empty or never "
                 "written (\"%s\", ...)", version ? "never in chunks" : "empty");
        assert_string_equal(ent_weights_note(w), note);
        ent_weights_close(w);
    }
    hid_t file = new_file(path, H5F_LIBVER_EARLIEST);
    add_set(file, "never", H5T_IEEE_F32LE, 1, (hsize_t[]){ 4 }, NULL, 0, NULL);
    H5Fclose(file);
    expect_open(path, ENT_EUNSUPPORTED, "no datasets of numbers in it; 1 dataset passed over: 1 empty or never written (\"never\")");
}

/* ---- remedies ------------------------------------------------------------------------------------------------------ */

/* Refused; then what the message says in backticks is run where the file is, for a new file, which opens with these numbers. */
static void expect_remedy(const char *file, const char *reason, const char *name, const float *numbers, size_t n)
{
    ent_weights *w;
    ent_error error;
    char path[300], fixed[300];
    set_path(path, file), set_path(fixed, "NEW");
    char command[1000];
    expect_open(path, ENT_EUNSUPPORTED, reason);
    assert_status(ent_weights_open(&w, path, &error), ENT_EUNSUPPORTED);
    const char *begin = strchr(error.text, '`'), *end = begin ? strchr(begin + 1, '`') : NULL;
    if (!end) fail_msg("no command in \"%s\"", error.text);
    snprintf(command, sizeof command, "cd '%s' && %.*s", scratch(), (int)(end - begin - 1), begin + 1);
    unlink(fixed);
    if (system(command)) fail_msg("%s: failed", command);
    w = open_file(fixed);
    const ent_tensor *t = find(w, name);
    assert_int_equal(t->bytes.size, n * sizeof *numbers);
    assert_memory_equal(t->bytes.data, numbers, n * sizeof *numbers);
    ent_weights_close(w);
}

static void remedies_work(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float numbers[N];
    const hsize_t n = N;
    for (int i = 0; i < N; i++) numbers[i] = (float)(i / 16);
    hid_t space = H5Screate_simple(1, &n, NULL);

    hid_t file = new_file(scratch_path("source.h5"), H5F_LIBVER_EARLIEST), create = H5Pcreate(H5P_DATASET_CREATE);
    add_set(file, "w", H5T_IEEE_F32LE, 1, &n, NULL, 0, numbers);
    H5Fclose(file);
    file = new_file(scratch_path("virtual.h5"), H5F_LIBVER_LATEST);
    H5Pset_virtual(create, space, "source.h5", "w", space);
    add_set(file, "v", H5T_IEEE_F32LE, 1, &n, NULL, create, NULL);
    H5Fclose(file);
    expect_remedy("virtual.h5", "\"v\": a virtual dataset", "v", numbers, N);

    write_file(scratch_path("outside.bin"), numbers, sizeof numbers);
    file = new_file(scratch_path("external.h5"), H5F_LIBVER_EARLIEST);
    create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(create, "outside.bin", 0, sizeof numbers);
    add_set(file, "e", H5T_IEEE_F32LE, 1, &n, NULL, create, NULL);
    H5Fclose(file);
    expect_remedy("external.h5", "\"e\": its bytes are in other files", "e", numbers, N);

    static const struct { H5Z_filter_t id; const char *reason; } filters[] = {
        { H5Z_FILTER_SZIP, "\"x\": chunks coded by filter 4 (szip)" },
        { H5Z_FILTER_NBIT, "\"x\": chunks coded by filter 5 (n-bit)" },
        { H5Z_FILTER_SCALEOFFSET, "\"x\": chunks coded by filter 6 (scale-offset)" },
    };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        unsigned how = 0;
        if (H5Zfilter_avail(filters[i].id) <= 0 || H5Zget_filter_info(filters[i].id, &how) < 0 || !(how & H5Z_FILTER_CONFIG_ENCODE_ENABLED)) continue;
        create = chunked(1, (hsize_t[]){ 1024 });
        hid_t type = H5Tcopy(i == 0 ? H5T_IEEE_F32LE : H5T_STD_I32LE);
        if (i == 0) H5Pset_szip(create, H5_SZIP_NN_OPTION_MASK, 16);
        if (i == 1) H5Tset_precision(type, 31), H5Tset_offset(type, 0), H5Pset_nbit(create);
        if (i == 2) H5Pset_scaleoffset(create, H5Z_SO_INT, 0);
        file = new_file(scratch_path("filtered.h5"), H5F_LIBVER_EARLIEST);
        add_set(file, "x", type, 1, &n, NULL, create, numbers);
        H5Fclose(file), H5Tclose(type);
        expect_remedy("filtered.h5", filters[i].reason, "x", numbers, N);
    }
    H5Sclose(space);
}

/* ---- our own filter ------------------------------------------------------------------------------------------------ */

static void make_ours(const char *path, const float *numbers, const hsize_t *shape)
{
    hid_t file = new_file(path, H5F_LIBVER_EARLIEST);
    for (int i = 0; i < 3; i++) { /* alone, after shuffle, and of numbers that are all zero: next to no bytes */
        static float zeros[300 * 200];
        hid_t create = chunked(2, (hsize_t[]){ 70, 64 });
        if (i == 1) H5Pset_shuffle(create);
        H5Pset_filter(create, 58481, H5Z_FLAG_MANDATORY, 0, NULL);
        add_set(file, i == 0 ? "plain" : i == 1 ? "shuffled" : "zeros", H5T_IEEE_F32LE, 2, shape, NULL, create, i == 2 ? zeros : numbers);
    }
    H5Fclose(file);
}

static void our_filter_is_undone(void **state)
{
    (void)state;
    enum { ROWS = 300, COLUMNS = 200 };
    static float numbers[ROWS * COLUMNS], zeros[ROWS * COLUMNS];
    const hsize_t shape[2] = { ROWS, COLUMNS };
    char path[300], bad[300];
    set_path(path, "ours.h5");
    set_path(bad, "bad.h5");
    ent_random random;
    ent_random_seed(&random, 5, 0);
    for (int i = 0; i < ROWS * COLUMNS; i++) numbers[i] = (float)(ent_random_uniform(&random) + ent_random_uniform(&random) - 1);
    make_ours(path, numbers, shape);
    if (SANITIZED) expect_open(path, ENT_EUNSUPPORTED, "\"plain\": chunks coded by filter 58481"); /* h5repack cannot load such a plugin */
    else expect_remedy("ours.h5", "\"plain\": chunks coded by filter 58481 (libentropy's)", "plain", numbers, ROWS * COLUMNS);
    ent_filter_register();
    ent_weights *w = open_file(path);
    for (int i = 0; i < 3; i++) {
        const ent_tensor *t = find(w, i == 0 ? "plain" : i == 1 ? "shuffled" : "zeros");
        assert_true(t->unpacked && t->rank == 2 && t->shape[0] == ROWS && t->shape[1] == COLUMNS);
        assert_memory_equal(t->bytes.data, i == 2 ? zeros : numbers, sizeof numbers);
    }
    ent_weights_close(w);
    expect_round_trip(path, "planar-rans");

    size_t size; /* one byte of a chunk, and parameters that tell of larger chunks */
    uint8_t *f = read_file(path, &size);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "plain", H5P_DEFAULT);
    haddr_t address;
    hsize_t stored;
    unsigned mask;
    assert_true(H5Dget_chunk_info_by_coord(set, (hsize_t[]){ 70, 64 }, &mask, &address, &stored) >= 0);
    H5Dclose(set), H5Fclose(file);
    f[address + stored / 2] ^= 1;
    write_file(bad, f, size);
    expect_open(bad, ENT_ECORRUPT, "\"plain\": a chunk coded by filter 58481: ");
    f[address + stored / 2] ^= 1;
    for (size_t i = 0; i + 12 < size; i++)
        if (ent_load32(f + i) == 0x544e45 && ent_load32(f + i + 4) == 2) f[i + 14] ^= 1; /* value 3: bytes of a chunk */
    write_file(bad, f, size);
    expect_open(bad, ENT_ECORRUPT, "its parameters tell of larger chunks than there are");
    free(f);
}

static int prepare(void **state)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return use_plugin(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_in_new_metadata_are_named),
        cmocka_unit_test(every_structure_is_summed),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(unfinished_files_are_refused),
        cmocka_unit_test(parts_of_elements_are_an_axis),
        cmocka_unit_test(what_is_passed_over_is_said),
        cmocka_unit_test(remedies_work),
        cmocka_unit_test(our_filter_is_undone),
    };
    return cmocka_run_group_tests_name("hdf5 more", tests, prepare, NULL);
}
