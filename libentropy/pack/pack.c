/* pack.c - a model to its packed model.
 *
 * Tensors go in windows: the matrices of one are packed side by side, then all of its tensors are written in
 * order, so the bytes do not depend on the threads.  The header comes first but is known last: white space is
 * left for it. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "container/output.h"
#include "pack/layout.h"

enum { CHUNK = 1 << 12, LANES = 8, PIECE = 8 << 20 }; /* weights compared at a time; bytes written at a time */

typedef struct item { /* a tensor of the window */
    const ent_tensor *tensor;
    ent_packed packed; /* no parts: it stays as it is */
    ent_pack_report report;
    ent_error error;
} item;

typedef struct packer {
    const ent_weights *weights;
    const ent_packing *packing;
    ent_run run;
    ent_error *error;
    ent_output output;
    FILE *file;
    uint64_t room, at, done, total; /* bytes of the header; of data so far; of tensors done, of all */
    json_t *header, *tensors; /* what is written; the manifest's list */
    size_t first;
    item *window;
    uint32_t *place, used; /* of each pipeline in the manifest's list, from 1; 0: not used */
    ent_pack_report report;
} packer;

/* The place in the list of the pipeline of tensor i. */
static uint32_t pick_of(const ent_packing *packing, size_t i) { return packing->pick ? packing->pick[i] : 0; }

static ent_status no_memory(const packer *p) { return ent_fail(p->error, ENT_ENOMEM, "%s: out of memory", p->output.final); }

/* ---- packing one ------------------------------------------------------------------------------------------ */

/* Sum of squared differences, in lanes that do not wait for each other. */
static double squares_of(const float *a, const float *b, size_t n)
{
    double lane[LANES] = { 0 }, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double d = (double)a[i + k] - b[i + k];
            lane[k] += d * d;
        }
    for (; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    for (size_t k = 0; k < LANES; k++) sum += lane[k];
    return sum;
}

/* The largest difference, and how many of b are zero. */
static double largest_of(const float *a, const float *b, size_t n, uint64_t *zeros)
{
    double most = 0;
    uint32_t none = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        most = d > most ? d : most;
        none += b[i] == 0;
    }
    *zeros += none;
    return most;
}

/* The error of `values`; with `last`, also of what they are once rounded, and the rest that is told of them. */
static void measure(item *it, const float *values, double *noise, bool last)
{
    static const float nothing[CHUNK];
    const ent_format *format = ent_format_find(it->tensor->dtype);
    size_t n = (size_t)it->tensor->elements, width = ent_format_width(format);
    float original[CHUNK], rounded[CHUNK];
    uint64_t words[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t some = n - at < CHUNK ? n - at : CHUNK;
        ent_format_floats(format, it->tensor->bytes.data + at * width, some, original);
        *noise += squares_of(values + at, original, some);
        if (!last) continue;
        ent_format_words(format, values + at, some, words);
        ent_format_floats(format, words, some, rounded);
        it->report.signal += squares_of(original, nothing, some);
        it->report.noise += squares_of(rounded, original, some);
        it->report.largest = fmax(it->report.largest, largest_of(original, rounded, some, &it->report.zeros));
    }
}

typedef struct sight {
    item *item;
    uint32_t stages;
} sight;

static void seen(void *context, uint32_t stage, double ns, const float *values)
{
    const sight *s = context;
    s->item->report.stage_ns[stage] += ns;
    measure(s->item, values, &s->item->report.noise_after[stage], stage + 1 == s->stages);
}

/* Adds a kind of part to those of its name; false when there are too many. */
static bool add_kind(ent_pack_report *to, const ent_pack_part *part)
{
    uint32_t k = 0;
    while (k < to->parts && strcmp(to->part[k].name, part->name)) k++;
    if (k == ENT_PACK_PARTS) return false;
    if (k == to->parts) memcpy(to->part[to->parts++].name, part->name, sizeof part->name);
    to->part[k].words += part->words;
    to->part[k].plain_bits += part->plain_bits;
    to->part[k].entropy_bits += part->entropy_bits;
    return true;
}

/* Counts the parts, those of all levels (NAME.0, NAME.1, ...) as one kind, and makes them what is stored. */
static ent_status finish_parts(item *it)
{
    for (uint32_t i = 0; i < it->packed.parts; i++) {
        ent_part *part = &it->packed.part[i];
        ent_packed alone = { .rows = it->packed.rows, .cols = it->packed.cols, .parts = 1, .part = { *part } };
        ent_pack_part told = { .words = (uint64_t)part->rows * part->cols, .plain_bits = ent_packed_plain_bits(&alone),
                               .entropy_bits = ent_packed_entropy_bits(&alone) };
        snprintf(told.name, sizeof told.name, "%.*s", (int)strcspn(part->name, "."), part->name);
        if (!add_kind(&it->report, &told)) return ent_fail(&it->error, ENT_EUNSUPPORTED, "%s: too many kinds of parts", it->tensor->name);
        ent_pack_widen(part->format, part->words, (size_t)told.words);
    }
    return ENT_OK;
}

static ent_status pack_item(size_t i, unsigned thread, void *context)
{
    (void)thread;
    const packer *p = context;
    item *it = &p->window[i];
    const ent_tensor *t = it->tensor;
    const ent_packing *packing = p->packing;
    if (!ent_pack_takes(t) || (packing->keep && packing->keep[p->first + i])) return ENT_OK;
    uint32_t rows = (uint32_t)t->shape[0], cols = (uint32_t)(t->elements / t->shape[0]);
    float *values = ent_alloc((size_t)t->elements * sizeof *values);
    if (!values) return ent_fail(&it->error, ENT_ENOMEM, "%s: out of memory", t->name);
    const ent_pipeline *pipeline = &packing->pipeline[pick_of(packing, p->first + i)];
    sight s = { .item = it, .stages = pipeline->stages };
    double start = ent_nanoseconds(CLOCK_MONOTONIC);
    ent_error why = { 0 };
    ent_format_floats(ent_format_find(t->dtype), t->bytes.data, (size_t)t->elements, values);
    it->report = (ent_pack_report){ .matrices = 1, .weights = t->elements, .bytes = t->bytes.size, .read_ns = ent_nanoseconds(CLOCK_MONOTONIC) - start };
    ent_status status = ent_pipeline_apply_seen(pipeline, rows, cols, values,
                                                packing->input ? packing->input[p->first + i] : NULL, &it->packed, seen, &s, &why);
    ent_free(values);
    if (status) return ent_fail(&it->error, status, "tensor %.200s: %.700s", t->name, why.text);
    it->report.stages = s.stages;
    for (uint32_t k = s.stages; k < ENT_STAGES; k++) it->report.noise_after[k] = it->report.noise_after[s.stages - 1];
    start = ent_nanoseconds(CLOCK_MONOTONIC);
    status = finish_parts(it);
    it->report.part_ns = ent_nanoseconds(CLOCK_MONOTONIC) - start;
    return status;
}

static ent_status add_report(packer *p, const ent_pack_report *from)
{
    ent_pack_report *to = &p->report;
    to->matrices += from->matrices;
    to->weights += from->weights;
    to->bytes += from->bytes;
    to->zeros += from->zeros;
    to->signal += from->signal;
    to->noise += from->noise;
    to->largest = fmax(to->largest, from->largest);
    if (from->stages > to->stages) to->stages = from->stages;
    to->read_ns += from->read_ns;
    to->part_ns += from->part_ns;
    for (uint32_t i = 0; i < ENT_STAGES; i++) to->noise_after[i] += from->noise_after[i], to->stage_ns[i] += from->stage_ns[i];
    for (uint32_t i = 0; i < from->parts; i++)
        if (!add_kind(to, &from->part[i])) return ent_fail(p->error, ENT_EUNSUPPORTED, "too many kinds of parts");
    return ENT_OK;
}

/* ---- the file --------------------------------------------------------------------------------------------- */

static ent_status write_bytes(packer *p, const void *data, size_t size)
{
    if (fwrite(data, 1, size, p->file) == size) return ENT_OK;
    return ent_fail(p->error, ENT_EIO, "%s: cannot write: the disk may be full", p->output.temporary);
}

/* Enters a tensor of `size` bytes that begins at p->at; takes the shape. */
static ent_status enter(packer *p, const char *name, const char *dtype, json_t *shape, uint64_t size)
{
    if (json_object_get(p->header, name)) {
        json_decref(shape);
        return ent_fail(p->error, ENT_EINVAL, "the packed model would have two tensors %.200s", name);
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets", (json_int_t)p->at,
                              (json_int_t)(p->at + size));
    p->at += size;
    return entry && !json_object_set_new(p->header, name, entry) ? ENT_OK : no_memory(p);
}

static json_t *shape_of(uint32_t rank, const uint64_t *shape)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < rank; i++) json_array_append_new(list, json_integer((json_int_t)shape[i]));
    return list;
}

/* Bytes [from, to) of a file of the model, a piece at a time. */
static ent_status copy_bytes(packer *p, size_t file, uint64_t from, uint64_t to)
{
    const uint8_t *data = ent_weights_file_at(p->weights, file)->bytes.data;
    ent_status status = ENT_OK;
    for (uint64_t at = from; at < to && !status; at += PIECE) {
        ent_bytes piece = { data + at, to - at < PIECE ? (size_t)(to - at) : PIECE };
        status = write_bytes(p, piece.data, piece.size);
        ent_weights_release(p->weights, piece);
    }
    return status;
}

static ent_status write_part(packer *p, const ent_tensor *t, const ent_part *part, json_t *parts)
{
    const ent_format *stored = ent_pack_stored(part->format);
    uint64_t shape[2] = { part->rows, part->cols }, size = shape[0] * shape[1] * ent_format_width(stored);
    char *name = ent_pack_part_name(t->name, part->name);
    ent_status status = name ? enter(p, name, stored->name, shape_of(2, shape), size) : no_memory(p);
    json_t *told = json_pack("{s:s, s:s, s:I, s:I}", "name", part->name, "format", part->format->name, "rows",
                             (json_int_t)part->rows, "cols", (json_int_t)part->cols);
    ent_free(name);
    if (!told || json_array_append_new(parts, told)) return no_memory(p);
    return status ? status : write_bytes(p, part->words, (size_t)size);
}

static ent_status write_matrix(packer *p, const item *it, json_t *entry)
{
    ent_status status = ENT_OK;
    json_t *parts = json_array();
    uint32_t *place = &p->place[pick_of(p->packing, p->first + (size_t)(it - p->window))];
    if (!*place) *place = ++p->used;
    if (!parts || json_object_set_new(entry, "pipeline", json_integer(*place - 1)) || json_object_set_new(entry, "parts", parts) ||
        json_object_set_new(entry, "dtype", json_string(it->tensor->dtype)) ||
        json_object_set_new(entry, "shape", shape_of(it->tensor->rank, it->tensor->shape)))
        return no_memory(p);
    for (uint32_t i = 0; i < it->packed.parts && !status; i++)
        status = write_part(p, it->tensor, &it->packed.part[i], parts);
    return status;
}

static ent_status write_item(packer *p, const item *it)
{
    const ent_tensor *t = it->tensor;
    json_t *entry = json_pack("{s:s, s:I, s:I}", "name", t->name, "file", (json_int_t)t->file, "offset", (json_int_t)t->offset);
    ent_status status = ENT_OK;
    if (!entry || json_array_append_new(p->tensors, entry)) return no_memory(p);
    if (it->packed.parts) {
        status = write_matrix(p, it, entry);
        ent_weights_release(p->weights, t->bytes);
    } else {
        status = enter(p, t->name, t->dtype, shape_of(t->rank, t->shape), t->bytes.size);
        if (!status) status = copy_bytes(p, t->file, t->offset, t->offset + t->bytes.size);
    }
    p->done += t->bytes.size;
    if (p->run.progress) p->run.progress(p->run.context, p->done, p->total);
    return status ? status : add_report(p, &it->report);
}

/* ---- windows ---------------------------------------------------------------------------------------------- */

static ent_status pack_window(packer *p, size_t n)
{
    ent_status status = ent_parallel(n, p->run.threads, pack_item, p);
    for (size_t i = 0; i < n && status; i++)
        if (p->window[i].error.status) {
            status = ent_fail(p->error, p->window[i].error.status, "%s", p->window[i].error.text);
            break;
        }
    for (size_t i = 0; i < n && !status; i++) status = write_item(p, &p->window[i]);
    for (size_t i = 0; i < n; i++) ent_packed_free(&p->window[i].packed);
    return status;
}

static ent_status write_tensors(packer *p)
{
    size_t tensors = ent_weights_tensors(p->weights);
    ent_status status = ENT_OK;
    p->window = ent_calloc(ENT_PACK_WINDOW_TENSORS, sizeof *p->window);
    if (!p->window) return no_memory(p);
    for (size_t i = 0; i < tensors && !status;) {
        uint64_t weights = 0;
        size_t n = 0;
        for (p->first = i; i < tensors && n < ENT_PACK_WINDOW_TENSORS; i++) {
            const ent_tensor *t = ent_weights_tensor(p->weights, i);
            uint64_t more = ent_pack_takes(t) ? t->elements : 0;
            if (n && weights + more > ENT_PACK_WINDOW) break;
            weights += more;
            p->window[n++] = (item){ .tensor = t };
        }
        status = pack_window(p, n);
    }
    return status;
}

/* The bytes that are in no tensor. */
static ent_status write_gaps(packer *p, size_t file)
{
    uint64_t size = ent_weights_file_at(p->weights, file)->bytes.size, gaps = size, at = 0;
    size_t tensors = ent_weights_tensors(p->weights);
    char *name = ent_pack_gap_name(file);
    if (!name) return no_memory(p);
    for (size_t i = 0; i < tensors; i++)
        if (ent_weights_tensor(p->weights, i)->file == file) gaps -= ent_weights_tensor(p->weights, i)->bytes.size;
    ent_status status = enter(p, name, "U8", shape_of(1, &gaps), gaps);
    for (size_t i = 0; i < tensors && !status; i++) {
        const ent_tensor *t = ent_weights_tensor(p->weights, i);
        if (t->file != file) continue;
        status = copy_bytes(p, file, at, t->offset);
        at = t->offset + t->bytes.size;
    }
    ent_free(name);
    return status ? status : copy_bytes(p, file, at, size);
}

/* Appends the text of the pipeline that has this place. */
static ent_status add_pipeline(packer *p, uint32_t place, json_t *pipelines)
{
    ent_buffer text = { 0 };
    const ent_pipeline *pipeline = p->packing->pipeline;
    for (const uint32_t *at = p->place; *at != place; at++) pipeline++;
    ent_status status = ent_pipeline_text(pipeline, &text);
    if (!status && json_array_append_new(pipelines, json_stringn((const char *)text.data, text.size))) status = ENT_ENOMEM;
    ent_free(text.data);
    return status ? no_memory(p) : ENT_OK;
}

static ent_status write_manifest(packer *p)
{
    json_t *root = NULL, *files = json_array(), *pipelines = json_array();
    ent_status status = ENT_OK;
    if (!p->used) p->place[0] = p->used = 1; /* nothing was packed */
    for (uint32_t place = 1; place <= p->used && !status; place++) status = add_pipeline(p, place, pipelines);
    for (size_t i = 0; i < ent_weights_files(p->weights); i++) {
        const ent_weights_file *f = ent_weights_file_at(p->weights, i);
        json_array_append_new(files, json_pack("{s:s, s:I}", "name", f->name, "bytes", (json_int_t)f->bytes.size));
    }
    if (status)
        json_decref(files), json_decref(pipelines);
    else
        root = json_pack("{s:s, s:i, s:o, s:o, s:O}", "format", ENT_PACK_FORMAT, "version", ENT_PACK_VERSION, "pipelines", pipelines,
                         "files", files, "tensors", p->tensors);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    uint64_t size = text ? strlen(text) : 0;
    status = text ? enter(p, ENT_PACK_MANIFEST, "U8", shape_of(1, &size), size) : no_memory(p);
    if (!status) status = write_bytes(p, text, (size_t)size);
    free(text);
    json_decref(root);
    return status;
}

/* ---- the header ------------------------------------------------------------------------------------------- */

/* More than the entry of a tensor takes whose name has `extra` characters more than `name`. */
static uint64_t entry_room(const char *name, size_t extra, uint32_t rank)
{
    uint64_t room = 128 + extra + 21 * (uint64_t)rank;
    for (; *name; name++) room += (unsigned char)*name < 32 ? 6 : *name == '"' || *name == '\\' ? 2 : 1;
    return room;
}

static ent_status leave_room(packer *p)
{
    static const char blanks[4096] = { 0 };
    uint64_t room = 64 + entry_room(ENT_PACK_MANIFEST, 0, 1), parts = 0;
    for (uint32_t i = 0; i < (p->packing->pick ? p->packing->pipelines : 1); i++) {
        uint32_t most = ent_pipeline_parts(&p->packing->pipeline[i]);
        if (most > parts) parts = most;
    }
    for (size_t i = 0; i < ent_weights_files(p->weights); i++) room += entry_room("libentropy.file.", 20, 1);
    for (size_t i = 0; i < ent_weights_tensors(p->weights); i++) {
        const ent_tensor *t = ent_weights_tensor(p->weights, i);
        p->total += t->bytes.size;
        room += ent_pack_takes(t) ? parts * entry_room(t->name, 16, 2) + entry_room(t->name, 0, t->rank)
                                  : entry_room(t->name, 0, t->rank);
    }
    p->room = (room + 63) / 64 * 64 - 8; /* data begins at a multiple of 64 */
    ent_status status = ENT_OK;
    for (uint64_t left = p->room + 8, some; left && !status; left -= some) {
        some = left < sizeof blanks ? left : sizeof blanks;
        status = write_bytes(p, blanks, (size_t)some);
    }
    return status;
}

static ent_status write_header(packer *p)
{
    uint8_t length[8];
    char *text = json_dumps(p->header, JSON_COMPACT);
    size_t size = text ? strlen(text) : 0;
    ent_status status = text ? ENT_OK : no_memory(p);
    if (!status && size > p->room) status = ent_fail(p->error, ENT_EUNSUPPORTED, "%s: no room for the header", p->output.final);
    ent_store64(length, p->room);
    if (!status && fseek(p->file, 0, SEEK_SET)) status = ent_fail(p->error, ENT_EIO, "%s: cannot seek", p->output.temporary);
    if (!status) status = write_bytes(p, length, sizeof length);
    if (!status) status = write_bytes(p, text, size);
    for (size_t i = size; i < p->room && !status; i++) status = write_bytes(p, " ", 1);
    free(text);
    return status;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static ent_status write_all(packer *p)
{
    int fd = -1;
    ent_status status = ent_output_create(&p->output, &fd, p->error);
    if (status) return status;
    if (!(p->file = fdopen(fd, "wb"))) {
        close(fd);
        return no_memory(p);
    }
    p->header = json_object();
    p->tensors = json_array();
    if (!p->header || !p->tensors) status = no_memory(p);
    if (!status) status = leave_room(p);
    if (!status) status = write_tensors(p);
    for (size_t i = 0; i < ent_weights_files(p->weights) && !status; i++) status = write_gaps(p, i);
    if (!status) status = write_manifest(p);
    if (!status) status = write_header(p);
    if (fclose(p->file) && !status) status = ent_fail(p->error, ENT_EIO, "%s: cannot write it all", p->output.temporary);
    return status;
}

ent_status ent_pack(const char *path, const ent_weights *weights, const ent_packing *packing, const ent_run *run,
                    ent_pack_report *report, ent_error *error)
{
    packer p = { .weights = weights, .packing = packing, .error = error };
    if (run) p.run = *run;
    if (packing->pick && packing->pipelines > ENT_PACK_PIPELINES)
        return ent_fail(error, ENT_EINVAL, "more than %d pipelines", ENT_PACK_PIPELINES);
    p.place = ent_calloc(packing->pick ? packing->pipelines : 1, sizeof *p.place);
    ent_status status = p.place ? ent_output_plan(&p.output, path, error) : ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (!status) status = write_all(&p);
    if (!status) status = ent_output_commit(&p.output, error);
    if (!status && report) *report = p.report;
    json_decref(p.header);
    json_decref(p.tensors);
    ent_free(p.window);
    ent_free(p.place);
    ent_output_drop(&p.output);
    return status;
}
