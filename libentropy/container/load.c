/* load.c - opens containers, finds and decodes blocks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/block.h"
#include "container/delta.h"
#include "container/load.h"
#include "weights/hdf5.h"

/* ---- open ------------------------------------------------------------------------------------------------ */

static ent_status open_fd(ent_container *c, ent_error *error)
{
    static const uint8_t magic[] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
    enum { OLDEST_SUPERBLOCK = 2 }; /* the first with checksums; the file's byte 8 */
    uint8_t head[sizeof magic + 1];
    struct stat st;
    c->fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (c->fd < 0 || fstat(c->fd, &st))
        return ent_fail(error, ENT_EIO, "%s: cannot open: %s", c->path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return ent_fail(error, ENT_EUNSUPPORTED, "%s: not a regular file", c->path);
    c->size = (uint64_t)st.st_size;
    if (pread(c->fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, magic, sizeof magic) != 0)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: not a container (entropy compress makes them)", c->path);
    if (head[sizeof magic] < OLDEST_SUPERBLOCK)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: an HDF5 file that is no container of this program", c->path);
    return ENT_OK;
}

bool ent_container_is(const char *path)
{
    ent_weights *model = ent_calloc(1, sizeof *model);
    bool ours = model && !ent_model_map(model, path, NULL) && ent_hdf5_is_ours(model->file[0].bytes);
    ent_weights_close(model);
    return ours;
}

static ent_status read_index(ent_container *c, ent_error *error)
{
    ent_buffer text = { NULL, 0, 0 };
    ent_status status = ENT_OK;
    if (H5Lexists(c->h5, "/index", H5P_DEFAULT) <= 0)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: an HDF5 file without /index: no container, or one cut short",
                        c->path);
    status = ent_h5_read_bytes(c->h5, "/index", &text, c->path, error);
    if (!status) status = ent_h5_read_bytes(c->h5, "/tables", &c->tables, c->path, error);
    if (!status) status = ent_json_object(&c->root, (ent_bytes){ text.data, text.size }, 0, c->path, error);
    ent_free(text.data);
    if (!status) status = ent_index_read(&c->index, c->root, c->tables.size, c->path, error);
    c->index.sizes.output_bytes = c->size;
    return status;
}

ent_status ent_container_open(ent_container **container, const char *path, ent_error *error)
{
    size_t size = strlen(path) + 1;
    *container = NULL;
    ent_container *c = ent_calloc(1, sizeof *c);
    if (!c || !(c->path = ent_alloc(size))) {
        ent_free(c);
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    }
    memcpy(c->path, path, size);
    c->fd = -1;
    c->h5 = -1;
    ent_h5_tongue tongue = ent_h5_quiet();
    ent_status status = open_fd(c, error);
    if (!status) status = ent_h5_open(&c->h5, path, error);
    if (!status) status = read_index(c, error);
    ent_h5_restore(tongue);
    if (status) ent_container_close(c);
    else *container = c;
    return status;
}

void ent_container_close(ent_container *container)
{
    if (!container) return;
    ent_h5_tongue tongue = ent_h5_quiet();
    if (container->h5 >= 0) H5Fclose(container->h5);
    ent_h5_restore(tongue);
    if (container->fd >= 0) close(container->fd);
    ent_index_free(&container->index);
    json_decref(container->root);
    ent_free(container->tables.data);
    ent_free(container->path);
    ent_free(container);
}

/* ---- what it holds ------------------------------------------------------------------------------------------ */

const char *ent_container_codec(const ent_container *container) { return container->index.codec; }
const char *ent_container_codec_name(const ent_container *container) { return container->index.codec_name; }
size_t ent_container_tensors(const ent_container *container) { return container->index.tensors; }
size_t ent_container_files(const ent_container *container) { return container->index.files; }
const char *ent_container_file_name(const ent_container *container, size_t i) { return container->index.file[i].name; }
ent_container_sizes ent_container_sizes_of(const ent_container *container) { return container->index.sizes; }

ent_container_tensor ent_container_tensor_at(const ent_container *container, size_t i)
{
    const ent_index_tensor *t = &container->index.tensor[i];
    return (ent_container_tensor){ .name = t->name,
                                   .dtype = t->dtype,
                                   .role = ent_weights_role(t->name),
                                   .rank = t->rank,
                                   .shape = t->shape,
                                   .elements = t->elements,
                                   .bytes = t->bytes,
                                   .coded_bytes = t->coded,
                                   .blocks = t->same < 0 ? ent_index_blocks(&container->index, t) : 0,
                                   .recipe = container->index.recipe[t->recipe].text,
                                   .delta = t->delta,
                                   .same_as = t->same < 0 ? NULL : container->index.tensor[t->same].name };
}

size_t ent_container_find(const ent_container *container, const char *name)
{
    for (size_t i = 0; i < container->index.tensors; i++)
        if (!strcmp(container->index.tensor[i].name, name)) return i;
    return SIZE_MAX;
}

/* ---- a tensor -------------------------------------------------------------------------------------------------- */

static ent_status load_table(const ent_container *c, const ent_loaded *l, uint32_t field, ent_table **table,
                             ent_error *error)
{
    const ent_coder_spec *spec = &l->recipe->spec[field];
    const char *name = l->tensor->name;
    *table = NULL;
    if (ent_has_own_table(l->recipe, field)) return ENT_OK;
    if (!ent_index_needs_table(l->recipe, field)) {
        ent_status status = ent_table_train(table, spec, NULL, ENT_DECODE);
        return status ? ent_fail(error, status, "%s: tensor %s: %s", c->path, ent_quote(name).text,
                                 ent_status_text(status))
                      : ENT_OK;
    }
    if (l->tensor->table[field] < 0) return ENT_OK;
    const ent_index_table *t = &c->index.table[l->tensor->table[field]];
    ent_bytes bytes = { c->tables.data + t->offset, t->size };
    ent_status status = ent_block_checksum(bytes) == t->checksum ? ENT_OK : ENT_ECORRUPT;
    if (!status) status = ent_table_read(table, spec, bytes, ENT_DECODE);
    return status ? ent_fail(error, status, "%s: tensor %s, field %s: table %lld, at byte %llu of /tables: %s", c->path,
                             ent_quote(name).text, l->recipe->split.field[field].name,
                             (long long)l->tensor->table[field], (unsigned long long)t->offset, ent_status_text(status))
                  : ENT_OK;
}

static ent_status find_blocks(const ent_container *c, ent_loaded *l, size_t tensor, ent_error *error)
{
    const ent_index_tensor *t = l->tensor;
    uint64_t blocks = ent_index_blocks(&c->index, t);
    const ent_array array = ent_index_array(&c->index, t);
    char name[40], place[300];
    snprintf(name, sizeof name, "/tensors/%zu", t->same < 0 ? tensor : (size_t)t->same);
    snprintf(place, sizeof place, "%.150s: tensor %s", c->path, ent_quote(t->name).text);
    if (!array.elements) return ENT_OK;
    if (blocks > c->size / ENT_CHECKSUM_BYTES) /* of the least size each: a lie that would only take memory */
        return ent_fail(error, ENT_ECORRUPT, "%s: more blocks than the file has room for", place);
    if (!(l->place = ent_calloc(blocks, sizeof *l->place)))
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", place);
    return ent_h5_find_blocks(c->h5, name, &array, blocks, c->index.readable ? ENT_CHUNK_HEAD : 0, c->size, l->place,
                              place, error);
}

/* Its counterpart in the base lies within its file: the index says so, and the files are those that it names. */
static ent_status find_base(const ent_container *c, ent_loaded *l, ent_error *error)
{
    const ent_index_tensor *t = l->tensor;
    if (!t->delta) return ENT_OK;
    ent_status status = ent_need_base(c, error);
    if (status) return status;
    l->base = ent_weights_file_at(c->base, t->base_file)->bytes.data + t->base_offset;
    return ENT_OK;
}

ent_status ent_load(ent_loaded *loaded, const ent_container *container, size_t tensor, ent_error *error)
{
    const ent_index_tensor *t = &container->index.tensor[tensor];
    *loaded = (ent_loaded){ .tensor = t, .recipe = &container->index.recipe[t->recipe].recipe };
    loaded->tables.fields = loaded->recipe->split.fields;
    ent_status status = find_base(container, loaded, error);
    if (!status) status = find_blocks(container, loaded, tensor, error);
    for (uint32_t i = 0; i < loaded->tables.fields && !status; i++)
        status = load_table(container, loaded, i, &loaded->tables.table[i], error);
    if (status) ent_unload(loaded);
    return status;
}

void ent_unload(ent_loaded *loaded)
{
    ent_tables_free(&loaded->tables);
    ent_free(loaded->place);
    *loaded = (ent_loaded){ 0 };
}

/* ---- a block --------------------------------------------------------------------------------------------------- */

static ent_status read_at(int fd, uint8_t *to, size_t size, uint64_t at)
{
    while (size) {
        ssize_t n = pread(fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n ? ENT_EIO : ENT_ECORRUPT; /* the file ends where it said it had a block */
        to += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return ENT_OK;
}

void ent_scratch_free(ent_scratch *scratch, size_t n)
{
    for (size_t i = 0; i < n && scratch; i++) {
        ent_workspace_free(&scratch[i].work);
        ent_free(scratch[i].coded.data);
        ent_free(scratch[i].words.data);
    }
    ent_free(scratch);
}

static ent_status block_failed(const ent_container *c, const ent_loaded *l, uint64_t k, ent_status status,
                               ent_error *error)
{
    return ent_fail(error, status, "%s: tensor %s, block %llu, at byte %llu: %s", c->path,
                    ent_quote(l->tensor->name).text, (unsigned long long)k, (unsigned long long)l->place[k].address,
                    ent_status_text(status));
}

ent_status ent_load_code(const ent_container *container, const ent_loaded *loaded, uint64_t k, uint8_t *code,
                         ent_error *error)
{
    ent_status status = read_at(container->fd, code, loaded->place[k].size, loaded->place[k].address);
    return status ? block_failed(container, loaded, k, status, error) : ENT_OK;
}

ent_status ent_load_decode(const ent_loaded *loaded, ent_bytes coded, unsigned flags, uint64_t offset, uint8_t *out,
                           size_t n, ent_scratch *scratch)
{
    const ent_recipe *r = loaded->recipe;
    ent_delta delta = loaded->tensor->delta;
    if (!delta && !ent_format_packed(r->format) && (uintptr_t)out % ent_format_alignment(r->format) == 0)
        return ent_block_decode(r, &loaded->tables, coded, flags, out, n, &scratch->work);
    ent_status status = ent_buffer_reserve(&scratch->words, n * r->word_width);
    if (!status) status = ent_block_decode(r, &loaded->tables, coded, flags, scratch->words.data, n, &scratch->work);
    if (status) return status;
    if (delta) ent_delta_undo(delta, r->format, scratch->words.data, loaded->base + offset, n, out);
    else ent_format_pack(r->format, scratch->words.data, n, out);
    return ENT_OK;
}

static ent_status check_head(const ent_container *c, const ent_loaded *l, ent_bytes chunk, size_t words)
{
    const ent_index_recipe *r = &c->index.recipe[l->tensor->recipe];
    ent_filter_values values;
    ent_status status = ent_filter_values_of(&values, r->dtype, r->text, 0, 0, NULL);
    return status ? status : ent_chunk_is_sealed(values.seed, chunk, words) ? ENT_OK : ENT_ECORRUPT;
}

ent_status ent_load_block(const ent_container *container, const ent_loaded *loaded, uint64_t k, unsigned flags,
                          uint8_t *out, ent_scratch *scratch, ent_error *error)
{
    uint64_t offset;
    size_t size;
    ent_place place = loaded->place[k];
    size_t n = ent_index_block(&container->index, loaded->tensor, k, &offset, &size);
    const size_t head = container->index.readable ? ENT_CHUNK_HEAD : 0; /* of a chunk, before its block */
    ent_status status = place.size > ent_block_bound(loaded->recipe, &loaded->tables, n) ? ENT_ECORRUPT : ENT_OK;
    if (!status) status = ent_buffer_reserve(&scratch->coded, head + place.size);
    if (!status) status = read_at(container->fd, scratch->coded.data, head + place.size, place.address - head);
    if (!status && head && !(flags & ENT_TRUSTED))
        status = check_head(container, loaded, (ent_bytes){ scratch->coded.data, head + place.size }, n);
    if (!status) {
        ent_bytes coded = { scratch->coded.data + head, place.size };
        status = ent_load_decode(loaded, coded, flags, offset, out, n, scratch);
    }
    return status ? block_failed(container, loaded, k, status, error) : ENT_OK;
}
