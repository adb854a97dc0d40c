/* rows.c - one tensor, or rows of one: into memory, reading only the blocks that hold them, or into a file. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "container/load.h"
#include "container/output.h"
#include "weights/npy.h"
#include "weights/reader.h"

/* ---- which ------------------------------------------------------------------------------------------------ */

static uint64_t rows_of(const ent_index_tensor *t) { return t->rank ? t->shape[0] : 1; }

ent_rows ent_container_all_rows(const ent_container *container, size_t i)
{
    return (ent_rows){ i, 0, rows_of(&container->index.tensor[i]) };
}

/* The bytes [*begin, *begin + *size) of the tensor that the rows are. */
static ent_status find_rows(const ent_container *c, ent_rows rows, uint64_t *begin, uint64_t *size, ent_error *error)
{
    const ent_index_tensor *t = &c->index.tensor[rows.tensor];
    uint64_t all = rows_of(t);
    *begin = *size = 0;
    if (rows.first > all || rows.count > all - rows.first)
        return ent_fail(error, ENT_EINVAL, "%s: tensor %s has %llu rows, not %llu to %llu", c->path, ent_quote(t->name).text,
                        (unsigned long long)all, (unsigned long long)rows.first,
                        (unsigned long long)(rows.first + rows.count));
    if (rows.count == all) {
        *size = t->bytes;
        return ENT_OK;
    }
    if (t->bytes % all)
        return ent_fail(error, ENT_EINVAL, "%s: tensor %s: its rows are not whole bytes; take all of it", c->path,
                        ent_quote(t->name).text);
    *begin = rows.first * (t->bytes / all);
    *size = rows.count * (t->bytes / all);
    return ENT_OK;
}

ent_status ent_container_rows_bytes(const ent_container *container, ent_rows rows, uint64_t *bytes, ent_error *error)
{
    uint64_t begin;
    return find_rows(container, rows, &begin, bytes, error);
}

/* ---- into memory ------------------------------------------------------------------------------------------ */

typedef struct reading {
    const ent_container *container;
    ent_loaded loaded;
    uint8_t *out;
    uint64_t begin, end; /* of the tensor's bytes: those that go to `out` */
    uint64_t first;      /* block */
    ent_buffer edge[2];  /* of the first block and the last, where they hold more than is wanted */
    unsigned flags;
    ent_scratch *scratch; /* of each thread */
    pthread_mutex_t lock; /* of the rest */
    uint64_t read;
    size_t failed;   /* the first block that failed, SIZE_MAX: none */
    ent_error error; /* why */
} reading;

static ent_status load_block(reading *r, uint64_t k, unsigned thread, ent_error *error)
{
    uint64_t offset;
    size_t size;
    ent_index_block(&r->container->index, r->loaded.tensor, k, &offset, &size);
    uint64_t from = offset > r->begin ? offset : r->begin, to = offset + size < r->end ? offset + size : r->end;
    uint8_t *out = r->out + (from - r->begin);
    if (to - from == size) return ent_load_block(r->container, &r->loaded, k, r->flags, out, &r->scratch[thread], error);
    ent_buffer *edge = &r->edge[k != r->first];
    if (ent_buffer_reserve(edge, size)) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", r->container->path);
    ent_status status = ent_load_block(r->container, &r->loaded, k, 0, edge->data, &r->scratch[thread], error);
    if (!status) memcpy(out, edge->data + (from - offset), to - from);
    return status;
}

static ent_status read_block(size_t i, unsigned thread, void *context)
{
    reading *r = context;
    ent_error error;
    uint64_t k = r->first + i;
    ent_status status = load_block(r, k, thread, &error);
    pthread_mutex_lock(&r->lock);
    r->read += r->loaded.place[k].size;
    if (status && i < r->failed) {
        r->failed = i;
        r->error = error;
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

static ent_status read_blocks(reading *r, unsigned threads, ent_error *error)
{
    uint64_t offset;
    size_t size;
    ent_index_block(&r->container->index, r->loaded.tensor, 0, &offset, &size); /* none is larger than the first */
    r->first = r->begin / size;
    size_t blocks = (r->end - 1) / size - r->first + 1;
    if (!(r->scratch = ent_calloc(threads, sizeof *r->scratch)))
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", r->container->path);
    r->failed = SIZE_MAX;
    pthread_mutex_init(&r->lock, NULL);
    ent_status status = ent_parallel(blocks, threads, read_block, r);
    pthread_mutex_destroy(&r->lock);
    ent_scratch_free(r->scratch, threads);
    for (int i = 0; i < 2; i++) ent_free(r->edge[i].data);
    return status ? ent_fail(error, status, "%s", r->error.text) : ENT_OK;
}

ent_status ent_container_rows(ent_container *container, ent_rows rows, void *out, const ent_run *run, uint64_t *read,
                              ent_error *error)
{
    reading r = { .container = container, .out = out };
    uint64_t size = 0;
    if (read) *read = 0;
    ent_status status = find_rows(container, rows, &r.begin, &size, error);
    r.end = r.begin + size;
    if (status || !size) return status;
    ent_h5_tongue tongue = ent_h5_quiet();
    status = ent_load(&r.loaded, container, rows.tensor, error);
    ent_h5_restore(tongue);
    if (status) return status;
    r.flags = size > ent_stream_bytes() ? ENT_STREAM : 0;
    status = read_blocks(&r, ent_threads(run ? run->threads : 0), error);
    ent_unload(&r.loaded);
    if (read) *read = r.read;
    return status;
}

ent_status ent_container_read(ent_container *container, size_t i, void *out, const ent_run *run, ent_error *error)
{
    return ent_container_rows(container, ent_container_all_rows(container, i), out, run, NULL, error);
}

/* ---- into a file ------------------------------------------------------------------------------------------ */

/* "(3, 4)", "(3,)", "()" */
static bool print_shape(char *text, size_t room, const ent_index_tensor *t, uint64_t rows)
{
    size_t used = (size_t)snprintf(text, room, "(");
    for (uint32_t i = 0; i < t->rank && used < room; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%llu", i ? ", " : "",
                                 (unsigned long long)(i ? t->shape[i] : rows));
    if (used < room) used += (size_t)snprintf(text + used, room - used, t->rank == 1 ? ",)" : ")");
    return used < room;
}

/* Version 1.0: magic, length of the dictionary, which blanks and a line's end fill up to a multiple of 64. */
static ent_status npy_header(const ent_index_tensor *t, uint64_t rows, ent_buffer *out, ent_error *error)
{
    enum { BEFORE = 10, ALIGNED = 64, ROOM = 2048 };
    char descr[ENT_NPY_DESCR], shape[ROOM - 128];
    const ent_format *format = ent_format_find(t->dtype);
    if (!ent_npy_descr(t->dtype, format && !ent_format_packed(format) ? format->bits : 0, descr) || !print_shape(shape, sizeof shape, t, rows))
        return ent_fail(error, ENT_EUNSUPPORTED, "tensor %s: a .npy file cannot hold %s of this shape",
                        ent_quote(t->name).text, ent_quote(t->dtype).text);
    if (ent_buffer_reserve(out, ROOM)) return ent_fail(error, ENT_ENOMEM, "out of memory");
    char *text = (char *)out->data + BEFORE;
    size_t n = (size_t)snprintf(text, ROOM - BEFORE, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr,
                                shape);
    size_t end = (BEFORE + n + 1 + ALIGNED - 1) / ALIGNED * ALIGNED;
    memset(text + n, ' ', end - BEFORE - n);
    out->data[end - 1] = '\n';
    memcpy(out->data, "\x93NUMPY\x01\x00", 8);
    ent_store16(out->data + 8, (uint16_t)(end - BEFORE));
    out->size = end;
    return ENT_OK;
}

static ent_status safetensors_header(const ent_index_tensor *t, uint64_t rows, uint64_t bytes, ent_buffer *out,
                                     ent_error *error)
{
    if (!ent_safetensors_knows(t->dtype))
        return ent_fail(error, ENT_EUNSUPPORTED, "tensor %s: a safetensors file cannot hold %s", ent_quote(t->name).text,
                        ent_quote(t->dtype).text);
    json_t *shape = json_array();
    for (uint32_t i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer((json_int_t)(i ? t->shape[i] : rows)));
    json_t *root = json_pack("{s:{s:s, s:o, s:[I,I]}}", t->name, "dtype", t->dtype, "shape", shape, "data_offsets",
                             (json_int_t)0, (json_int_t)bytes);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    size_t n = text ? strlen(text) : 0, filled = (n + 7) / 8 * 8;
    ent_status status = text ? ent_buffer_reserve(out, 8 + filled) : ENT_ENOMEM;
    if (!status) {
        ent_store64(out->data, filled);
        memset(out->data + 8, ' ', filled);
        memcpy(out->data + 8, text, n);
        out->size = 8 + filled;
    }
    free(text);
    return status ? ent_fail(error, status, "out of memory") : ENT_OK;
}

static ent_status write_file(const char *path, ent_bytes header, ent_bytes data, ent_error *error)
{
    ent_output output;
    int fd = -1;
    ent_status status = ent_output_plan(&output, path, error);
    if (!status) status = ent_output_create(&output, &fd, error);
    if (!status) status = ent_output_write(&output, fd, 0, header, error);
    if (!status) status = ent_output_write(&output, fd, header.size, data, error);
    if (fd >= 0) close(fd);
    if (!status) status = ent_output_commit(&output, error);
    ent_output_drop(&output);
    return status;
}

ent_status ent_container_save(ent_container *container, ent_rows rows, const char *path, const ent_run *run,
                              uint64_t *read, ent_error *error)
{
    const ent_index_tensor *t = &container->index.tensor[rows.tensor];
    ent_buffer header = { NULL, 0, 0 };
    uint8_t *data = NULL;
    uint64_t begin, size = 0;
    ent_status status = find_rows(container, rows, &begin, &size, error);
    if (status) return status;
    if (ent_ends_with(path, ".npy")) status = npy_header(t, rows.count, &header, error);
    else if (ent_ends_with(path, ".safetensors")) status = safetensors_header(t, rows.count, size, &header, error);
    else status = ent_fail(error, ENT_EINVAL, "%s: one tensor goes into a file FILE.npy or FILE.safetensors", path);
    if (!status && !(data = ent_alloc(size))) status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (!status) status = ent_container_rows(container, rows, data, run, read, error);
    if (!status)
        status = write_file(path, (ent_bytes){ header.data, header.size }, (ent_bytes){ data, size }, error);
    ent_free(header.data);
    ent_free(data);
    return status;
}
