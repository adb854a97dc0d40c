/* onnx.c - the reader of ONNX models: their initializers, inside the file or in files beside it.
 *
 * A model is a protobuf message (onnx.proto): Model.graph (7) has initializers (5); a Tensor has dims (1), data_type
 * (2), name (8) and its values in raw_data (9), in float_data (4) or double_data (10), which are packed the same way,
 * or in a file beside the model, which external_data (13) names.  The walker below knows the wire format alone: a key,
 * then a number or a length and bytes.  Tensors whose values are kept as numbers of varying length (int32_data,
 * int64_data: small constants), strings and segments have no bytes to view and are left out, as are constants inside
 * nodes. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/reader.h"

enum { MOST_AXES = 64, MOST_NAME = 1000 };
enum { WIRE_NUMBER = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* By data_type; no name: not read. */
static const struct {
    const char *dtype;
    uint32_t bits;
} types[] = {
    { NULL, 0 },          { "F32", 32 },    { "U8", 8 },          { "I8", 8 },     { "U16", 16 },  { "I16", 16 },
    { "I32", 32 },        { "I64", 64 },    { NULL, 0 },          { "BOOL", 8 },   { "F16", 16 },  { "F64", 64 },
    { "U32", 32 },        { "U64", 64 },    { "C64", 64 },        { "C128", 128 }, { "BF16", 16 }, { "F8_E4M3", 8 },
    { "F8_E4M3FNUZ", 8 }, { "F8_E5M2", 8 }, { "F8_E5M2FNUZ", 8 }, { "U4", 4 },     { "I4", 4 },    { "F4", 4 },
    { "F8_E8M0", 8 },     { "U2", 2 },      { "I2", 2 },
};
enum { TYPES = sizeof types / sizeof *types };

typedef struct reading {
    ent_weights *model;
    const char *path;
    ent_error *error;
} reading;

/* One field of a message. */
typedef struct field {
    uint32_t number, wire;
    uint64_t value;
    ent_bytes bytes; /* of wire type 2 */
} field;

ENT_PRINTF(3, 4) static ent_status bad(const reading *r, const uint8_t *at, const char *format, ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const ent_weights_file *f = &r->model->file[0];
    return ent_fail(r->error, ENT_ECORRUPT, "%s: %s, at byte %td", f->name, text, at - f->bytes.data);
}

/* ---- the wire format -------------------------------------------------------------------------------------------- */

static bool take_varint(ent_bytes *left, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (!left->size) return false;
        uint8_t byte = *left->data++;
        left->size--;
        if (shift == 63 && byte > 1) return false; /* over 64 bits */
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static ent_status take_field(const reading *r, ent_bytes *left, field *f)
{
    uint64_t key, size;
    const uint8_t *at = left->data;
    if (!take_varint(left, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff) return bad(r, at, "a damaged field");
    *f = (field){ .number = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7) };
    if (f->wire == WIRE_NUMBER)
        return take_varint(left, &f->value) ? ENT_OK : bad(r, at, "a number cut short or too long");
    if (f->wire == WIRE_64) size = 8;
    else if (f->wire == WIRE_32) size = 4;
    else if (f->wire != WIRE_BYTES) return bad(r, at, "wire type %" PRIu32, f->wire);
    else if (!take_varint(left, &size)) return bad(r, at, "a length cut short or too long");
    if (size > left->size) return bad(r, at, "a field of %" PRIu64 " bytes, but %zu are left", size, left->size);
    f->bytes = (ent_bytes){ left->data, size };
    left->data += size;
    left->size -= size;
    return ENT_OK;
}

/* ---- a tensor --------------------------------------------------------------------------------------------------- */

typedef struct initializer {
    const uint8_t *at;
    ent_bytes name, location;
    uint64_t shape[MOST_AXES], type, offset, length;
    uint32_t rank;
    ent_bytes values;                                 /* in the file */
    bool has_values, has_length, external, elsewhere; /* elsewhere: as varints, strings or a segment */
} initializer;

static ent_status add_axis(const reading *r, initializer *t, uint64_t size)
{
    if (t->rank == MOST_AXES) return bad(r, t->at, "a tensor of more than %d axes", MOST_AXES);
    if (size > INT64_MAX) return bad(r, t->at, "a tensor with a negative size");
    t->shape[t->rank++] = size;
    return ENT_OK;
}

static ent_status add_axes(const reading *r, initializer *t, const field *f)
{
    ent_bytes left = f->bytes;
    uint64_t size;
    ent_status status = ENT_OK;
    if (f->wire == WIRE_NUMBER) return add_axis(r, t, f->value);
    while (left.size && !status)
        status = take_varint(&left, &size) ? add_axis(r, t, size) : bad(r, left.data, "a damaged size");
    return status;
}

static bool is(ent_bytes text, const char *what)
{
    return text.size == strlen(what) && !memcmp(text.data, what, text.size);
}

static bool to_number(ent_bytes text, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(text.data[i] - '0'), value))
            return false;
    }
    return text.size > 0;
}

/* A pair of texts, key (1) and value (2). */
static ent_status read_external(const reading *r, initializer *t, ent_bytes left)
{
    ent_bytes key = { NULL, 0 }, value = { NULL, 0 };
    const uint8_t *at = left.data;
    while (left.size) {
        field f;
        ent_status status = take_field(r, &left, &f);
        if (status) return status;
        if (f.number == 1) key = f.bytes;
        if (f.number == 2) value = f.bytes;
    }
    if (is(key, "location")) t->location = value;
    if (is(key, "offset") && !to_number(value, &t->offset))
        return bad(r, at, "an offset of external data that is no number");
    if (is(key, "length")) {
        t->has_length = true;
        if (!to_number(value, &t->length)) return bad(r, at, "a length of external data that is no number");
    }
    return ENT_OK;
}

static ent_status read_field(const reading *r, initializer *t, const field *f)
{
    switch (f->number) {
        case 1:
            return add_axes(r, t, f);
        case 2:
            t->type = f->value;
            break;
        case 8:
            t->name = f->bytes;
            break;
        case 13:
            return read_external(r, t, f->bytes);
        case 14:
            t->external = f->value == 1;
            break;
        case 4:
        case 9:
        case 10:
            if (f->wire != WIRE_BYTES) {
                t->elsewhere = true;
                break;
            } /* one by one: not packed */
            if (t->has_values) return bad(r, t->at, "a tensor whose values are there twice");
            t->has_values = true;
            t->values = f->bytes;
            break;
        case 3:
        case 5:
        case 6:
        case 7:
        case 11:
            t->elsewhere = true;
            break;
        default:
            break;
    }
    return ENT_OK;
}

/* Its bytes, in the model's file or another. */
static ent_status find_bytes(const reading *r, const initializer *t, ent_tensor *tensor, uint64_t size)
{
    const ent_weights_file *file = &r->model->file[0];
    uint32_t number = 0;
    if (!t->external) {
        if (t->values.size != size)
            return bad(r, t->at, "tensor %s: %zu bytes for %" PRIu64 " elements of %s", ent_quote(tensor->name).text,
                       t->values.size, tensor->elements, tensor->dtype);
        tensor->offset = size ? (uint64_t)(t->values.data - file->bytes.data) : 0;
        tensor->bytes = (ent_bytes){ size ? t->values.data : file->bytes.data, size };
        return ENT_OK;
    }
    char name[256];
    if (t->location.size >= sizeof name || (t->location.size && memchr(t->location.data, 0, t->location.size)))
        return bad(r, t->at, "tensor %s: a file name of %zu bytes", ent_quote(tensor->name).text, t->location.size);
    if (t->location.size) memcpy(name, t->location.data, t->location.size);
    name[t->location.size] = '\0';
    if (!ent_plain_name(name))
        return bad(r, t->at, "tensor %s: external data in %s, which is not a plain file name",
                   ent_quote(tensor->name).text, ent_quote(name).text);
    ent_status status = ent_model_map_beside(r->model, r->path, name, "external data", &number, r->error);
    if (status) return status;
    file = &r->model->file[number];
    if (t->offset > file->bytes.size || size > file->bytes.size - t->offset || (t->has_length && t->length != size))
        return bad(r, t->at, "tensor %s: its %" PRIu64 " bytes from byte %" PRIu64 " are not what %s has",
                   ent_quote(tensor->name).text, size, t->offset, ent_quote(name).text);
    tensor->file = number;
    tensor->offset = t->offset;
    tensor->bytes = (ent_bytes){ file->bytes.data + t->offset, size };
    return ENT_OK;
}

static ent_status add_tensor(const reading *r, const initializer *t)
{
    ent_tensor tensor = { .rank = t->rank, .elements = 1 };
    uint64_t bits;
    if (!t->name.size || t->name.size > MOST_NAME || memchr(t->name.data, 0, t->name.size))
        return bad(r, t->at, "a tensor with a name of %zu bytes, or a NUL in it", t->name.size);
    if (!ent_is_utf8(t->name)) return bad(r, t->at, "a tensor's name that is not UTF-8");
    const char *name = ent_model_copy(r->model, t->name);
    uint64_t *shape = ent_model_alloc(r->model, (t->rank + 1) * sizeof *shape);
    if (!shape || !name) return ent_fail(r->error, ENT_ENOMEM, "%s: out of memory", r->path);
    if (t->type >= TYPES || !types[t->type].dtype)
        return bad(r, t->at, "tensor %s: data type %" PRIu64, ent_quote(name).text, t->type);
    tensor.name = name;
    tensor.role = ent_weights_role(name);
    tensor.dtype = types[t->type].dtype;
    tensor.dtype_bits = types[t->type].bits;
    tensor.shape = shape;
    for (uint32_t i = 0; i < t->rank; i++) {
        shape[i] = t->shape[i];
        if (__builtin_mul_overflow(tensor.elements, shape[i], &tensor.elements))
            return bad(r, t->at, "tensor %s: the product of its shape exceeds 64 bits", ent_quote(name).text);
    }
    if (__builtin_mul_overflow(tensor.elements, tensor.dtype_bits, &bits) || bits > UINT64_MAX - 7)
        return bad(r, t->at, "tensor %s: its size exceeds 64 bits", ent_quote(name).text);
    ent_status status = find_bytes(r, t, &tensor, (bits + 7) / 8);
    if (status) return status;
    ent_tensor *added = ent_model_add(r->model);
    if (!added) return ent_fail(r->error, ENT_ENOMEM, "%s: out of memory", r->path);
    *added = tensor;
    return ENT_OK;
}

static ent_status read_tensor(const reading *r, ent_bytes left)
{
    initializer t = { .at = left.data };
    ent_status status = ENT_OK;
    while (left.size && !status) {
        field f;
        status = take_field(r, &left, &f);
        if (!status) status = read_field(r, &t, &f);
    }
    if (!status && t.has_values && (t.elsewhere || (t.external && t.values.size)))
        return bad(r, t.at, "a tensor whose values are there twice");
    if (status || t.elsewhere) return status;
    return add_tensor(r, &t);
}

/* ---- the model -------------------------------------------------------------------------------------------------- */

static ent_status read_graph(const reading *r, ent_bytes left)
{
    ent_status status = ENT_OK;
    while (left.size && !status) {
        field f;
        status = take_field(r, &left, &f);
        if (!status && f.number == 5 && f.wire == WIRE_BYTES) status = read_tensor(r, f.bytes);
    }
    return status;
}

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    const reading r = { model, path, error };
    ent_bytes left = model->file[0].bytes;
    bool graph = false;
    ent_status status = ENT_OK;
    while (left.size && !status) {
        field f;
        status = take_field(&r, &left, &f);
        if (status || f.number != 7 || f.wire != WIRE_BYTES) continue;
        graph = true;
        status = read_graph(&r, f.bytes);
    }
    if (!status && !graph)
        status = ent_fail(error, ENT_ECORRUPT, "%s: no graph in it: not an ONNX model", model->file[0].name);
    if (!status) status = ent_model_settle(model, 0, error);
    return status ? status : ent_model_finish(model, error);
}

/* Nothing that every model begins with: by the name alone. */
static bool recognises(ent_bytes file) { return (void)file, false; }

const ent_reader ent_reader_onnx = {
    .name = "onnx",
    .brief = "the initializers of an ONNX model, external data included",
    .extension = ".onnx",
    .recognises = recognises,
    .read = read_file,
};
