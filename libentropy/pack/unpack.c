/* unpack.c - the model's files back from a packed model.
 *
 * Tensors go in windows: the parts of one are read, its matrices made side by side, and all is written in order,
 * the bytes between tensors from those that the packed model keeps. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container/output.h"
#include "pack/stack.h"

typedef struct item { /* a tensor of the window */
    const ent_pack_entry *entry;
    ent_packed packed;
    void *bytes; /* as in the model's file */
    ent_error error;
} item;

typedef struct unpacker {
    ent_pack_source source;
    ent_pack_manifest manifest;
    size_t blocks; /* of a stack, that are wanted */
    ent_run run;
    ent_error *error;
    const char *path;
    ent_outputs outputs;
    /* the file being written */
    FILE *file;
    const char *name;
    uint8_t *gaps;
    uint64_t gap_bytes, gap_at, at, done;
    item *window;
} unpacker;

static ent_status no_memory(const unpacker *u) { return ent_fail(u->error, ENT_ENOMEM, "%s: out of memory", u->path); }

/* ---- one matrix -------------------------------------------------------------------------------------------- */

/* Values to the words of the model's format; the values' memory is used for those that fit in it. */
static ent_status round_values(item *it, float *values, size_t n)
{
    const ent_format *format = it->entry->format;
    if (ent_format_width(format) <= sizeof *values) {
        enum { CHUNK = 1 << 12 };
        uint32_t words[CHUNK];
        for (size_t at = 0; at < n; at += CHUNK) { /* words never overtake the values */
            size_t some = n - at < CHUNK ? n - at : CHUNK, width = ent_format_width(format);
            ent_format_words(format, values + at, some, words);
            memcpy((uint8_t *)values + at * width, words, some * width);
        }
        it->bytes = values;
        return ENT_OK;
    }
    it->bytes = ent_alloc(n * ent_format_width(format));
    if (it->bytes) ent_format_words(format, values, n, it->bytes);
    ent_free(values);
    return it->bytes ? ENT_OK : ENT_ENOMEM;
}

static ent_status undo_item(size_t i, unsigned thread, void *context)
{
    (void)thread;
    const unpacker *u = context;
    item *it = &u->window[i];
    size_t n = (size_t)it->entry->rows * it->entry->cols;
    ent_error why = { .text = "words that its format does not have" };
    if (!it->entry->format) return ENT_OK;
    float *values = ent_alloc(n * sizeof *values);
    ent_status status = values ? ENT_OK : ent_fail(&why, ENT_ENOMEM, "out of memory");
    for (uint32_t k = 0; k < it->packed.parts && !status; k++) {
        ent_part *part = &it->packed.part[k];
        status = ent_pack_narrow(part->format, part->words, (size_t)part->rows * part->cols);
    }
    if (!status) status = ent_pipeline_undo(it->entry->pipeline, &it->packed, values, &why);
    ent_packed_free(&it->packed);
    if (!status) return round_values(it, values, n);
    ent_free(values);
    return ent_fail(&it->error, status, "tensor %.200s: %.700s", it->entry->name, why.text);
}

static ent_status read_item(unpacker *u, item *it)
{
    const ent_pack_entry *e = it->entry;
    ent_status status = ENT_OK;
    if (!e->format) return ent_pack_source_read(&u->source, &e->piece[0].at, &it->bytes, u->error);
    it->packed = (ent_packed){ .rows = e->rows, .cols = e->cols };
    for (uint32_t i = 0; i < e->pieces && !status; i++) {
        const ent_pack_piece *piece = &e->piece[i];
        ent_part *part = &it->packed.part[it->packed.parts];
        if (piece->place > u->blocks) continue;
        *part = (ent_part){ .format = piece->format, .rows = piece->rows, .cols = piece->cols };
        memcpy(part->name, piece->name, strlen(piece->name) + 1);
        status = ent_pack_source_read(&u->source, &piece->at, &part->words, u->error);
        it->packed.parts += !status;
    }
    return status;
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static ent_status write_bytes(unpacker *u, const void *bytes, uint64_t size)
{
    u->at += size;
    if (!size || fwrite(bytes, 1, (size_t)size, u->file) == size) return ENT_OK;
    return ent_fail(u->error, ENT_EIO, "%s: cannot write: the disk may be full", u->name);
}

/* The next bytes that are in no tensor. */
static ent_status write_gap(unpacker *u, uint64_t size)
{
    if (size > u->gap_bytes - u->gap_at)
        return ent_fail(u->error, ENT_ECORRUPT, "%s: a packed model has fewer bytes between tensors than it says", u->name);
    u->gap_at += size;
    return write_bytes(u, u->gaps + u->gap_at - size, size);
}

static ent_status write_item(unpacker *u, const item *it)
{
    ent_status status = write_gap(u, it->entry->offset - u->at);
    if (!status) status = write_bytes(u, it->bytes, it->entry->bytes);
    u->done++;
    if (u->run.progress) u->run.progress(u->run.context, u->done, u->manifest.entries);
    return status;
}

static ent_status unpack_window(unpacker *u, size_t n)
{
    ent_status status = ENT_OK;
    for (size_t i = 0; i < n && !status; i++) status = read_item(u, &u->window[i]);
    if (!status && (status = ent_parallel(n, u->run.threads, undo_item, u)))
        for (size_t i = 0; i < n; i++)
            if (u->window[i].error.status == status) {
                ent_fail(u->error, status, "%s", u->window[i].error.text);
                break;
            }
    for (size_t i = 0; i < n && !status; i++) status = write_item(u, &u->window[i]);
    for (size_t i = 0; i < n; i++) {
        ent_packed_free(&u->window[i].packed);
        ent_free(u->window[i].bytes);
    }
    return status;
}

static ent_status write_tensors(unpacker *u, const ent_pack_file *f)
{
    ent_status status = ENT_OK;
    for (size_t i = f->first; i < f->end && !status;) {
        uint64_t bytes = 0;
        size_t n = 0;
        for (; i < f->end && n < ENT_PACK_WINDOW_TENSORS; i++) {
            const ent_pack_entry *e = &u->manifest.entry[i];
            if (n && bytes + e->bytes > 2 * (uint64_t)ENT_PACK_WINDOW) break;
            bytes += e->bytes;
            u->window[n++] = (item){ .entry = e };
        }
        status = unpack_window(u, n);
    }
    return status;
}

static ent_status read_gaps(unpacker *u, size_t file)
{
    ent_pack_tensor at;
    void *bytes;
    char *name = ent_pack_gap_name(file);
    if (!name) return no_memory(u);
    ent_status status = ent_pack_source_find(&u->source, name, &at, u->error);
    if (!status) status = ent_pack_source_read(&u->source, &at, &bytes, u->error);
    ent_free(name);
    if (status) return status;
    u->gaps = bytes;
    u->gap_bytes = at.bytes;
    u->gap_at = u->at = 0;
    return ENT_OK;
}

static ent_status write_file(unpacker *u, size_t i)
{
    const ent_pack_file *f = &u->manifest.file[i];
    int fd = -1;
    ent_status status = ent_outputs_create(&u->outputs, i, f->name, &fd, u->error);
    if (status) return status;
    u->name = u->outputs.file[i].final;
    if (!(u->file = fdopen(fd, "wb"))) {
        close(fd);
        return no_memory(u);
    }
    status = read_gaps(u, i);
    if (!status) status = write_tensors(u, f);
    if (!status) status = write_gap(u, u->gap_bytes - u->gap_at);
    if (!status && u->at != f->bytes)
        status = ent_fail(u->error, ENT_ECORRUPT, "%s: a packed model says %llu bytes and has %llu", u->name,
                          (unsigned long long)f->bytes, (unsigned long long)u->at);
    if (fclose(u->file) && !status) status = ent_fail(u->error, ENT_EIO, "%s: cannot write it all", u->name);
    ent_free(u->gaps);
    u->gaps = NULL;
    return status;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static ent_status write_all(unpacker *u)
{
    size_t files = u->manifest.files;
    u->window = ent_calloc(ENT_PACK_WINDOW_TENSORS, sizeof *u->window);
    if (!u->window) return no_memory(u);
    ent_status status = ent_outputs_plan(&u->outputs, u->path, files, u->error);
    for (size_t i = 0; i < files && !status; i++) status = write_file(u, i);
    if (!status) status = ent_outputs_commit(&u->outputs, u->error);
    return status;
}

static void free_room(unpacker *u)
{
    ent_outputs_drop(&u->outputs);
    ent_free(u->window);
}

static ent_status unpack(unpacker *u, const ent_run *run)
{
    if (run) u->run = *run;
    const ent_run silent = { .threads = u->run.threads };
    u->source.run = &silent;
    ent_status status = ent_pack_source_index(&u->source, u->error);
    if (!status) status = ent_pack_manifest_read(&u->manifest, &u->source, u->error);
    if (!status) status = write_all(u);
    ent_pack_manifest_free(&u->manifest);
    ent_pack_source_free(&u->source);
    free_room(u);
    return status;
}

ent_status ent_stack_unpack(const ent_stack *stack, size_t blocks, const char *path, const ent_run *run, ent_error *error)
{
    unpacker u = { .source = stack->source, .manifest = stack->manifest, .blocks = blocks, .error = error, .path = path };
    if (run) u.run = *run;
    ent_status status = write_all(&u);
    free_room(&u);
    return status;
}

ent_status ent_unpack(const ent_weights *packed, const char *path, const ent_run *run, ent_error *error)
{
    unpacker u = { .source = { .weights = packed }, .error = error, .path = path };
    return unpack(&u, run);
}

ent_status ent_unpack_container(ent_container *container, const char *path, const ent_run *run, ent_error *error)
{
    unpacker u = { .source = { .container = container }, .error = error, .path = path };
    return unpack(&u, run);
}

/* ---- containers of packed models ---------------------------------------------------------------------------- */

bool ent_container_is_packed(const ent_container *container)
{
    for (size_t i = ent_container_tensors(container); i-- > 0;)
        if (!strcmp(ent_container_tensor_at(container, i).name, ENT_PACK_MANIFEST)) return true;
    return false;
}

static ent_status append(ent_buffer *to, const char *text, size_t size)
{
    ent_status status = ent_buffer_reserve(to, to->size + size);
    if (!status) memcpy(to->data + to->size, text, size), to->size += size;
    return status;
}

ent_status ent_container_pipeline(ent_container *container, ent_buffer *text, ent_error *error)
{
    const ent_run run = { .threads = 1 };
    ent_pack_source source = { .container = container, .run = &run };
    ent_pack_manifest manifest = { 0 };
    ent_status status = ent_pack_source_index(&source, error);
    if (!status) status = ent_pack_manifest_read(&manifest, &source, error);
    for (size_t i = 0; i < manifest.pipelines && !status; i++) {
        const char *one = json_string_value(json_array_get(manifest.pipeline_texts, i));
        if (i) status = append(text, " | ", 3);
        if (!status) status = append(text, one, strlen(one) + (i + 1 == manifest.pipelines));
    }
    ent_pack_manifest_free(&manifest);
    ent_pack_source_free(&source);
    return status;
}
