/* manifest.c - see manifest.h. */
#include <inttypes.h>
#include <string.h>

#include "pack/manifest.h"

enum { MOST_FILES = 4096, MOST_WEIGHTS_A_WORD = 256 };

typedef struct reading {
    ent_pack_manifest *m;
    const ent_pack_source *source;
    ent_error *error;
} reading;

static ent_status refuse(const reading *r, const char *what, const char *name)
{
    return ent_fail(r->error, ENT_ECORRUPT, "the manifest of a packed model: %s%s%.200s", what, name ? ": " : "", name ? name : "");
}

static const char *text_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

static bool number_of(const json_t *object, const char *key, uint64_t most, uint64_t *number)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = (uint64_t)json_integer_value(value);
    return *number <= most;
}

static bool is_plain_name(const char *name)
{
    return name && *name && strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static ent_status read_files(const reading *r, const json_t *list)
{
    ent_pack_manifest *m = r->m;
    m->files = json_array_size(list);
    if (!m->files || m->files > MOST_FILES) return refuse(r, "no files, or too many", NULL);
    if (!(m->file = ent_calloc(m->files, sizeof *m->file))) return ent_fail(r->error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < m->files; i++) {
        const json_t *o = json_array_get(list, i);
        m->file[i].name = text_of(o, "name");
        if (!is_plain_name(m->file[i].name) || !number_of(o, "bytes", INT64_MAX, &m->file[i].bytes))
            return refuse(r, "a bad file name or size", m->file[i].name);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(m->file[k].name, m->file[i].name)) return refuse(r, "two files of one name", m->file[i].name);
    }
    return ENT_OK;
}

static ent_status read_part(const reading *r, const ent_pack_entry *e, const json_t *o, ent_pack_piece *part)
{
    uint64_t rows, cols;
    const char *format = text_of(o, "format");
    part->name = text_of(o, "name");
    part->format = format ? ent_format_find(format) : NULL;
    if (!part->name || strlen(part->name) >= sizeof ((ent_part *)NULL)->name || !part->format ||
        !number_of(o, "rows", UINT32_MAX, &rows) || !number_of(o, "cols", UINT32_MAX, &cols) || !rows || !cols ||
        rows * cols > UINT32_MAX)
        return refuse(r, "a bad part of", e->name);
    part->rows = (uint32_t)rows;
    part->cols = (uint32_t)cols;
    char *name = ent_pack_part_name(e->name, part->name);
    if (!name) return ent_fail(r->error, ENT_ENOMEM, "out of memory");
    ent_status status = ent_pack_source_find(r->source, name, &part->at, r->error);
    ent_free(name);
    if (status) return status;
    bool fits = part->at.elements == rows * cols && !strcmp(part->at.dtype, ent_pack_stored(part->format)->name);
    return fits ? ENT_OK : refuse(r, "a part that is not as its tensor", e->name);
}

/* The matrix of a shape, and how many bytes it has in the model. */
static bool read_shape(const json_t *shape, ent_pack_entry *e)
{
    uint64_t elements = 1, first = 0;
    if (json_array_size(shape) < 2) return false;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        json_int_t axis = json_integer_value(json_array_get(shape, i));
        if (axis < 1 || axis > UINT32_MAX || (elements *= (uint64_t)axis) > UINT32_MAX) return false;
        if (!i) first = elements;
    }
    e->rows = (uint32_t)first;
    e->cols = (uint32_t)(elements / first);
    e->bytes = elements * ent_format_width(e->format);
    return true;
}

static ent_status read_matrix(const reading *r, ent_pack_entry *e, const json_t *o, const json_t *parts)
{
    const char *dtype = text_of(o, "dtype");
    uint64_t words = 0, place;
    ent_status status = ENT_OK;
    e->format = dtype ? ent_format_find(dtype) : NULL;
    if (!ent_pack_is_matrix_format(e->format)) return refuse(r, "a bad dtype of", e->name);
    if (!read_shape(json_object_get(o, "shape"), e)) return refuse(r, "a bad shape of", e->name);
    if (!json_array_size(parts) || json_array_size(parts) > ENT_PARTS) return refuse(r, "no parts, or too many, of", e->name);
    if (!number_of(o, "pipeline", r->m->pipelines - 1, &place)) return refuse(r, "no pipeline of", e->name);
    e->pipeline = &r->m->pipeline[place];
    e->pieces = (uint32_t)json_array_size(parts);
    if (!(e->piece = ent_calloc(e->pieces, sizeof *e->piece))) return ent_fail(r->error, ENT_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < e->pieces && !status; i++) {
        status = read_part(r, e, json_array_get(parts, i), &e->piece[i]);
        words += (uint64_t)e->piece[i].rows * e->piece[i].cols;
    }
    if (status) return status;
    /* a small file must not ask for much memory */
    return words >= (uint64_t)e->rows * e->cols / MOST_WEIGHTS_A_WORD ? ENT_OK : refuse(r, "parts too small for", e->name);
}

static ent_status read_entry(const reading *r, const json_t *o, ent_pack_entry *e, uint64_t *file)
{
    const json_t *parts = json_object_get(o, "parts");
    e->name = text_of(o, "name");
    if (!e->name || !number_of(o, "file", r->m->files - 1, file) || !number_of(o, "offset", INT64_MAX, &e->offset))
        return refuse(r, "a bad name, file or offset of a tensor", e->name);
    if (parts) return read_matrix(r, e, o, parts);
    if (!(e->piece = ent_calloc(1, sizeof *e->piece))) return ent_fail(r->error, ENT_ENOMEM, "out of memory");
    ent_status status = ent_pack_source_find(r->source, e->name, &e->piece[0].at, r->error);
    e->pieces = 1;
    e->bytes = e->piece[0].at.bytes;
    return status;
}

static ent_status read_entries(const reading *r, const json_t *list)
{
    ent_pack_manifest *m = r->m;
    size_t n = json_array_size(list);
    uint64_t file = 0, now = 0, at = 0;
    if (!json_is_array(list)) return refuse(r, "no list of tensors", NULL);
    if (n && !(m->entry = ent_calloc(n, sizeof *m->entry))) return ent_fail(r->error, ENT_ENOMEM, "out of memory");
    m->entries = n;
    for (size_t i = 0; i < n; i++) {
        ent_pack_entry *e = &m->entry[i];
        ent_status status = read_entry(r, json_array_get(list, i), e, &file);
        if (status) return status;
        if (file < now) return refuse(r, "tensors out of order", e->name);
        if (file > now) { /* files without tensors may lie between */
            now = file;
            at = 0;
            m->file[now].first = i;
        }
        if (e->offset < at || e->bytes > m->file[now].bytes || e->offset > m->file[now].bytes - e->bytes)
            return refuse(r, "a tensor outside its file, or over another", e->name);
        at = e->offset + e->bytes;
        m->file[now].end = i + 1;
    }
    return ENT_OK;
}

static ent_status read_pipelines(const reading *r)
{
    ent_pack_manifest *m = r->m;
    m->pipeline_texts = json_object_get(m->root, "pipelines");
    m->pipelines = json_array_size(m->pipeline_texts);
    if (!m->pipelines || m->pipelines > ENT_PACK_PIPELINES) return refuse(r, "no pipelines, or too many", NULL);
    if (!(m->pipeline = ent_calloc(m->pipelines, sizeof *m->pipeline))) return ent_fail(r->error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < m->pipelines; i++) {
        const char *text = json_string_value(json_array_get(m->pipeline_texts, i));
        ent_error why = { 0 };
        if (!text) return refuse(r, "a pipeline that is no text", NULL);
        if (ent_pipeline_parse(&m->pipeline[i], text, &why)) return refuse(r, why.text, NULL);
    }
    return ENT_OK;
}

static ent_status read_root(const reading *r)
{
    ent_pack_manifest *m = r->m;
    const char *format = text_of(m->root, "format");
    uint64_t version;
    if (!format || strcmp(format, ENT_PACK_FORMAT)) return refuse(r, "not one", NULL);
    if (!number_of(m->root, "version", INT64_MAX, &version) || version != ENT_PACK_VERSION)
        return ent_fail(r->error, ENT_EUNSUPPORTED, "a packed model of a version other than %d: use a newer release", ENT_PACK_VERSION);
    ent_status status = read_pipelines(r);
    if (!status) status = read_files(r, json_object_get(m->root, "files"));
    return status ? status : read_entries(r, json_object_get(m->root, "tensors"));
}

ent_status ent_pack_manifest_read(ent_pack_manifest *manifest, const ent_pack_source *source, ent_error *error)
{
    ent_pack_tensor at;
    json_error_t why;
    void *text;
    const reading r = { manifest, source, error };
    *manifest = (ent_pack_manifest){ 0 };
    ent_status status = ent_pack_source_find(source, ENT_PACK_MANIFEST, &at, error);
    if (!status) status = ent_pack_source_read(source, &at, &text, error);
    if (status) return status;
    manifest->root = json_loadb(text, (size_t)at.bytes, JSON_REJECT_DUPLICATES, &why);
    ent_free(text);
    status = manifest->root ? read_root(&r) : refuse(&r, why.text, NULL);
    if (status) ent_pack_manifest_free(manifest);
    return status;
}

void ent_pack_manifest_free(ent_pack_manifest *manifest)
{
    json_decref(manifest->root);
    ent_free(manifest->pipeline);
    ent_free(manifest->file);
    for (size_t i = 0; i < manifest->entries; i++) ent_free(manifest->entry[i].piece);
    ent_free(manifest->entry);
    *manifest = (ent_pack_manifest){ 0 };
}
