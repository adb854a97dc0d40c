/* hdf5.c - the readers of HDF5 files (.h5, .hdf5, MATLAB's .mat of version 7.3) and of Keras's archives of one (.keras).
 *
 * Every dataset of numbers of 8 to 64 bits is a tensor, by its path without the first slash.  One that is in one piece is
 * a view of the file.  So are chunks without filters: those that lie side by side are one tensor, whose first axis
 * counts them, or, where chunks are whole rows, the rows; of several such runs each has the name and @ and its number.
 * What filters made of a dataset is unpacked.  Elements that are several numbers, such as complex ones, are an axis more.
 * Datasets of which nothing was written, and those of texts, references and records of several things, are passed over, and
 * ent_weights_note says so: their bytes belong to the file's structure.  Two names of one dataset are one tensor. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/hdf5.h"
#include "weights/unpack.h"
#include "weights/zip.h"

typedef struct packed { /* a dataset to be unpacked when all are known, and its tensor */
    ent_hdf5_dataset set;
    size_t tensor;
} packed;

typedef struct reading {
    ent_hdf5 h;
    ent_weights *model;
    uint32_t file;
    uint64_t start; /* of the HDF5 file in that file */
    size_t length;  /* of h.name */
    unsigned depth;
    packed *packed;
    size_t packeds, packed_room;
    struct {
        size_t n;
        const char *first; /* its name */
    } passed[ENT_HDF5_PASSED];
    uint64_t stored, whole; /* bytes of their chunks: in the file, and unpacked with what fills them up */
} reading;

static ent_status no_memory(const reading *r) { return ent_hdf5_fail(&r->h, ENT_ENOMEM, "out of memory"); }

/* ---- a tensor ----------------------------------------------------------------------------------------------- */

static ent_status add_tensor(reading *r, const ent_hdf5_dataset *set, const char *name, uint64_t address, uint32_t rank,
                             const uint64_t shape[], ent_bytes bytes)
{
    const char *dtype = *set->kind ? ent_model_text(r->model, set->kind) : set->dtype;
    uint64_t *sizes = ent_model_alloc(r->model, (rank + set->inners + 1) * sizeof *sizes);
    char *copy = ent_model_text(r->model, name);
    ent_tensor *t = ent_model_add(r->model);
    if (!dtype || !sizes || !copy || !t) return no_memory(r);
    *t = (ent_tensor){ .name = copy,
                       .role = ent_weights_role(name),
                       .dtype = dtype,
                       .dtype_bits = 8 * set->number,
                       .rank = rank + set->inners,
                       .shape = sizes,
                       .elements = bytes.size / set->number,
                       .file = r->file,
                       .offset = r->start + address,
                       .bytes = bytes };
    for (uint32_t i = 0; i < rank; i++) sizes[i] = shape[i];
    for (uint32_t i = 0; i < set->inners; i++) sizes[rank + i] = set->inner[i];
    return ENT_OK;
}

static ent_status pass_over(reading *r, ent_hdf5_passed why)
{
    if (!r->passed[why].n++ && !(r->passed[why].first = ent_model_text(r->model, r->h.name))) return no_memory(r);
    return ENT_OK;
}

static ent_status add_view(reading *r, const ent_hdf5_dataset *set)
{
    uint64_t bytes = set->elements * set->width;
    ent_hdf5_cursor c;
    if (set->address == UINT64_MAX) return pass_over(r, ENT_HDF5_EMPTY);
    if (set->size != bytes)
        return ent_hdf5_fail(&r->h, ENT_ECORRUPT, "%" PRIu64 " bytes, but its shape needs %" PRIu64, set->size, bytes);
    ent_status status = ent_hdf5_view(&r->h, set->address, bytes, "a dataset", &c);
    return status ? status : add_tensor(r, set, r->h.name, set->address, set->rank, set->shape, (ent_bytes){ c.at, bytes });
}

/* ---- chunks that are views ---------------------------------------------------------------------------------- */

typedef struct run { /* chunks side by side */
    uint64_t address, chunks, row; /* row: the first, where chunks are rows */
} run;

typedef struct runs {
    reading *r;
    const ent_hdf5_dataset *set;
    run *run;
    size_t n, room;
    bool rows; /* chunks hold whole rows, and each run's follow one another */
} runs;

static ent_status take_run(void *context, const ent_hdf5_chunk *chunk)
{
    runs *u = context;
    uint64_t size = u->set->chunk_bytes;
    run *last = u->n ? &u->run[u->n - 1] : NULL;
    if (chunk->size != size || chunk->mask)
        return ent_hdf5_fail(&u->r->h, ENT_ECORRUPT, "the chunk at byte %" PRIu64 " has %" PRIu32 " bytes, not %" PRIu64,
                             chunk->address, chunk->size, size);
    bool next = last && chunk->address == last->address + last->chunks * size &&
                (!u->rows || chunk->first[0] == last->row + last->chunks * u->set->chunk[0]);
    if (!next) {
        run *larger = ent_grow(u->run, &u->room, u->n, sizeof *larger);
        if (!larger) return no_memory(u->r);
        u->run = larger;
        last = &u->run[u->n++];
        *last = (run){ chunk->address, 0, chunk->first[0] };
    }
    last->chunks++;
    return ENT_OK;
}

/* Of the last rows only those within the shape count, else chunks with all that fills them up. */
static ent_status add_run(const runs *u, size_t i)
{
    const ent_hdf5_dataset *set = u->set;
    const run *part = &u->run[i];
    uint64_t shape[ENT_HDF5_AXES + 1], bytes = set->width;
    uint32_t rank = set->rank;
    char name[ENT_HDF5_NAME + 24];
    shape[0] = part->chunks;
    for (uint32_t k = 0; k < rank; k++) shape[k + 1] = set->chunk[k];
    if (u->rows) {
        uint64_t rows = part->chunks * set->chunk[0], left = set->shape[0] - part->row;
        memcpy(shape, set->shape, rank * sizeof *shape);
        shape[0] = rows < left ? rows : left;
    } else {
        rank++;
    }
    for (uint32_t k = 0; k < rank; k++) bytes *= shape[k]; /* no more than the run's chunks have in the file */
    snprintf(name, sizeof name, u->n > 1 ? "%s@%zu" : "%s", u->r->h.name, i);
    return add_tensor(u->r, set, name, part->address, rank, shape,
                      (ent_bytes){ u->r->h.bytes.data + part->address, bytes });
}

static ent_status add_runs(reading *r, const ent_hdf5_dataset *set)
{
    runs u = { .r = r, .set = set, .rows = true };
    for (uint32_t i = 1; i < set->rank; i++) u.rows &= set->chunk[i] == set->shape[i];
    ent_status status = ent_hdf5_read_chunks(&r->h, set, take_run, &u);
    for (size_t i = 0; i < u.n && !status; i++) status = add_run(&u, i);
    if (!status && !u.n) status = pass_over(r, ENT_HDF5_EMPTY);
    ent_free(u.run);
    return status;
}

/* ---- filtered chunks ------------------------------------------------------------------------------------------ */

typedef struct measuring {
    uint64_t stored, chunks, first; /* first: the lowest address */
} measuring;

static ent_status measure(void *context, const ent_hdf5_chunk *chunk)
{
    measuring *m = context;
    m->stored += chunk->size;
    m->chunks++;
    if (chunk->address < m->first) m->first = chunk->address;
    return ENT_OK;
}

static ent_status add_packed(reading *r, const ent_hdf5_dataset *set)
{
    measuring m = { 0, 0, UINT64_MAX };
    ent_status status = ent_hdf5_read_chunks(&r->h, set, measure, &m);
    if (status) return status;
    if (!m.stored) return pass_over(r, ENT_HDF5_EMPTY);
    packed *larger = ent_grow(r->packed, &r->packed_room, r->packeds, sizeof *larger);
    if (!larger) return no_memory(r);
    r->packed = larger;
    r->packed[r->packeds++] = (packed){ *set, r->model->tensors };
    r->stored += m.stored;
    if (__builtin_mul_overflow(m.chunks, set->chunk_bytes, &m.chunks) || __builtin_add_overflow(r->whole, m.chunks, &r->whole))
        return ent_hdf5_fail(&r->h, ENT_ECORRUPT, "chunks of more bytes than 64 bits count");
    status = add_tensor(r, set, r->h.name, m.first, set->rank, set->shape, (ent_bytes){ NULL, set->elements * set->width });
    if (!status) r->model->tensor[r->model->tensors - 1].unpacked = true;
    return status;
}

static uint64_t aligned(uint64_t size) { return (size + 63) / 64 * 64; } /* eight times as much fits 64 bits */

static ent_status unpack_all(reading *r)
{
    uint64_t size = 0;
    uint8_t *memory;
    for (size_t i = 0; i < r->packeds; i++)
        if (__builtin_add_overflow(size, aligned(r->model->tensor[r->packed[i].tensor].bytes.size), &size))
            return ent_hdf5_fail(&r->h, ENT_ECORRUPT, "more than 64 bits hold");
    uint64_t once = r->stored < r->h.bytes.size ? r->stored : r->h.bytes.size; /* chunks that share bytes count once */
    if (ent_is_bomb(r->whole, once)) size = r->whole > size ? r->whole : size; /* the same chunk at many places, or huge ones */
    ent_status status = ent_model_scratch(r->model, r->h.file, size, once, &memory, r->h.error);
    for (size_t i = 0; i < r->packeds && !status; i++) {
        ent_tensor *t = &r->model->tensor[r->packed[i].tensor];
        snprintf(r->h.name, sizeof r->h.name, "%s", t->name);
        t->bytes.data = memory;
        memory += aligned(t->bytes.size);
        status = ent_hdf5_unpack(&r->h, &r->packed[i].set, (uint8_t *)(uintptr_t)t->bytes.data);
    }
    return status;
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

static ent_status add_dataset(reading *r, const ent_hdf5_object *object)
{
    ent_hdf5_dataset *set = ent_alloc(sizeof *set);
    if (!set) return no_memory(r);
    ent_status status = ent_hdf5_read_dataset(&r->h, object, set);
    if (!status && !(set->dtype && set->elements)) {
        status = pass_over(r, set->dtype ? ENT_HDF5_EMPTY : set->passed);
    } else if (!status) {
        if (set->layout != ENT_HDF5_CHUNKED) status = add_view(r, set);
        else if (!set->rank) status = ent_hdf5_fail(&r->h, ENT_ECORRUPT, "chunks of a scalar");
        else status = set->filters ? add_packed(r, set) : add_runs(r, set);
    }
    ent_free(set);
    return status;
}

static ent_status walk(void *context, ent_bytes name, uint64_t address)
{
    enum { MOST_DEPTH = 64 };
    reading *r = context;
    size_t length = r->length, slash = length > 0;
    ent_hdf5_object object;
    if (++r->depth > MOST_DEPTH)
        return ent_hdf5_fail(&r->h, ENT_ECORRUPT, "groups within groups, over %d deep, or one within itself", MOST_DEPTH);
    if (length + slash + name.size > ENT_HDF5_NAME)
        return ent_hdf5_fail(&r->h, ENT_ECORRUPT, "a name of over %d bytes", ENT_HDF5_NAME);
    if (!ent_is_utf8(name)) return ent_hdf5_fail(&r->h, ENT_ECORRUPT, "a name in it that is no UTF-8");
    if (slash) r->h.name[length] = '/';
    memcpy(r->h.name + length + slash, name.data, name.size);
    r->length += slash + name.size;
    r->h.name[r->length] = '\0';
    ent_status status = ent_hdf5_spend(&r->h, r->length);
    if (!status) status = ent_hdf5_read_object(&r->h, address, &object);
    if (!status && object.layout.data) status = add_dataset(r, &object);
    else if (!status && (object.symbols.data || object.links.data || object.has_links))
        status = ent_hdf5_read_links(&r->h, address, &object, walk, r);
    if (status) return status;
    r->length = length;
    r->h.name[length] = '\0';
    r->depth--;
    return ENT_OK;
}

static ent_status read_structure(reading *r, ent_bytes bytes, ent_error *error)
{
    ent_hdf5_object root;
    ent_status status = ent_hdf5_open(&r->h, bytes, r->model->file[r->file].name, error);
    r->start += (uint64_t)(r->h.bytes.data - bytes.data);
    if (!status) status = ent_hdf5_read_object(&r->h, r->h.root, &root);
    if (!status) status = ent_hdf5_read_links(&r->h, r->h.root, &root, walk, r);
    return status;
}

/* One line about what was passed over; the model's note, if there is anything to say. */
static ent_status write_note(reading *r)
{
    static const char *const what[ENT_HDF5_PASSED] = { "of texts", "of records", "of references", "of lists of any length",
                                                       "of other kinds", "empty or never written" };
    char text[1000] = "";
    size_t n = 0, used = 0;
    for (int i = 0; i < ENT_HDF5_PASSED; i++) n += r->passed[i].n;
    if (!n) return ENT_OK;
    used = (size_t)snprintf(text, sizeof text, "%zu dataset%s passed over:", n, n == 1 ? "" : "s");
    for (int i = 0; i < ENT_HDF5_PASSED; i++) /* each at most 140 bytes */
        if (r->passed[i].n)
            used += (size_t)snprintf(text + used, sizeof text - used, " %zu %s (%s%s),", r->passed[i].n, what[i],
                                     ent_quote(r->passed[i].first).text, r->passed[i].n > 1 ? ", ..." : "");
    text[used - 1] = '\0';
    r->model->note = ent_model_text(r->model, text);
    return r->model->note ? ENT_OK : no_memory(r);
}

/* Appends the tensors of an HDF5 file which begins at `start` of a file of the model, or was made of what is there. */
static ent_status append(ent_weights *model, uint32_t file, uint64_t start, ent_bytes bytes, ent_error *error)
{
    size_t first = model->tensors;
    reading *r = ent_calloc(1, sizeof *r);
    if (!r) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", model->file[file].name);
    r->model = model;
    r->file = file;
    r->start = start;
    ent_status status = read_structure(r, bytes, error);
    if (!status) status = write_note(r);
    if (!status) status = unpack_all(r);
    if (!status && model->tensors == first)
        status = ent_fail(error, ENT_EUNSUPPORTED, "%s: no datasets of numbers in it%s%s", model->file[file].name,
                          model->note ? "; " : "", model->note ? model->note : "");
    if (!status) status = ent_model_settle(model, first, error);
    ent_free(r->packed);
    ent_free(r);
    return status;
}

/* ---- the readers ------------------------------------------------------------------------------------------------ */

static bool recognises(ent_bytes file) { return ent_hdf5_signature(file) != UINT64_MAX; }

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    ent_bytes bytes = model->file[0].bytes;
    if (ent_hdf5_is_ours(bytes))
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: a compressed model or tables made by libentropy, no model: `entropy "
                        "decompress` gives the model back", path);
    ent_status status = append(model, 0, 0, bytes, error);
    return status ? status : ent_model_finish(model, error);
}

const ent_reader ent_reader_hdf5 = {
    .name = "hdf5",
    .brief = "HDF5: any datasets of numbers, Keras's weights (.h5, .hdf5)",
    .extension = ".h5",
    .recognises = recognises,
    .read = read_file,
};

static const char weights_member[] = "model.weights.h5";

static bool recognises_archive(ent_bytes file) { return ent_zip_has(file, weights_member); }

static ent_status read_member(ent_weights *model, const ent_zip_member *m, ent_error *error)
{
    ent_bytes bytes = { model->file[0].bytes.data + m->offset, m->stored };
    size_t first = model->tensors;
    bool unpacked = m->method != ENT_ZIP_STORED;
    ent_status status = unpacked ? ent_zip_unpack(model, 0, m, 1, &bytes, error) : ENT_OK;
    if (!status) status = append(model, 0, m->offset, bytes, error);
    for (size_t i = first; i < model->tensors && unpacked; i++) {
        model->tensor[i].unpacked = true;
        model->tensor[i].offset = m->offset;
    }
    return status;
}

static ent_status read_archive(ent_weights *model, const char *path, ent_error *error)
{
    ent_zip zip;
    ent_status status = ent_zip_open(&zip, model, 0, error);
    if (status) return status;
    const ent_zip_member *m = ent_zip_find(&zip, weights_member);
    status = m ? read_member(model, m, error)
               : ent_fail(error, ENT_ECORRUPT, "%s: an archive of Keras without %s", path, weights_member);
    ent_zip_close(&zip);
    return status ? status : ent_model_finish(model, error);
}

const ent_reader ent_reader_keras = {
    .name = "keras",
    .brief = "Keras's archive (.keras) with its weights as HDF5",
    .extension = ".keras",
    .zip = true,
    .recognises = recognises_archive,
    .read = read_archive,
};
