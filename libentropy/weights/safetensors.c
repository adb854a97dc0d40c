/* safetensors.c - the reader of safetensors files.
 *
 * Format: u64 length N, little-endian | N bytes of JSON | tensor data to the end of the file.  The
 * rules are those that the reference reader (github.com/huggingface/safetensors, tensor.rs)
 * enforces, order of checks aside: the tensors tile the data exactly, in some order, without holes,
 * overlaps, or bytes left over; sizes agree with shapes; N is at most 100,000,000.  White space
 * around the JSON, any order of the header, odd header lengths, scalars and empty tensors are fine,
 * and unknown fields of an entry are ignored.
 *
 * Stricter than the reference: a key that occurs twice is an error, and so are numbers of 2^63 and
 * more and NUL characters in names.  Left out: the metadata strings, which nothing here uses.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "weights/reader.h"

#define HEADER_CAP UINT64_C(100000000) /* the reference's */

static const struct {
    const char *name;
    uint32_t bits;
} dtypes[] = {
    { "BOOL", 8 },        { "F4", 4 },       { "F6_E2M3", 6 }, { "F6_E3M2", 6 },     { "U8", 8 },
    { "I8", 8 },          { "F8_E5M2", 8 },  { "F8_E4M3", 8 }, { "F8_E8M0", 8 },     { "F8_E4M3FNUZ", 8 },
    { "F8_E5M2FNUZ", 8 }, { "I16", 16 },     { "U16", 16 },    { "F16", 16 },        { "BF16", 16 },
    { "I32", 32 },        { "U32", 32 },     { "F32", 32 },    { "C64", 64 },        { "F64", 64 },
    { "I64", 64 },        { "U64", 64 },
};
#define KNOWN_DTYPES \
    "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 C64 " \
    "F64 I64 U64"

enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static size_t number_of(const char *dtype)
{
    size_t i = 0;
    while (i < DTYPES && strcmp(dtypes[i].name, dtype) != 0) i++;
    return i;
}

bool ent_safetensors_knows(const char *dtype) { return number_of(dtype) < DTYPES; }

/* Where an entry is being read, for messages. */
typedef struct place {
    const char *file, *name;
    ent_error *error;
} place;

typedef unsigned long long ull; /* uint64_t for printf */

ENT_PRINTF(2, 3) static ent_status bad(const place *p, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ent_fail(p->error, ENT_ECORRUPT, "%s: tensor %s: %s", p->file, ent_quote(p->name).text, text);
}

static ent_status read_dtype(const place *p, const json_t *entry, ent_tensor *tensor)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype) return bad(p, "no \"dtype\" string");
    size_t i = number_of(dtype);
    if (i < DTYPES) {
        tensor->dtype = dtypes[i].name;
        tensor->dtype_bits = dtypes[i].bits;
        return ENT_OK;
    }
    return bad(p, "unknown dtype %s; known: " KNOWN_DTYPES, ent_quote(dtype).text);
}

/* `what` names the list for messages, `value[i]` its n numbers. */
static ent_status read_numbers(const place *p, const json_t *list, const char *what, uint64_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *number = json_array_get(list, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return bad(p, "\"%s\" has an item that is not a whole number of 0 or more", what);
        value[i] = (uint64_t)json_integer_value(number);
    }
    return ENT_OK;
}

static ent_status read_shape(const place *p, const json_t *entry, ent_weights *model, ent_tensor *tensor)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return bad(p, "no \"shape\" list");
    size_t rank = json_array_size(shape);
    uint64_t *sizes = ent_model_alloc(model, rank * sizeof *sizes);
    if (!sizes) return ent_fail(p->error, ENT_ENOMEM, "%s: out of memory", p->file);
    ent_status status = read_numbers(p, shape, "shape", sizes);
    if (status) return status;
    tensor->rank = (uint32_t)rank; /* the header's length bounds it */
    tensor->shape = sizes;
    tensor->elements = 1;
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(tensor->elements, sizes[i], &tensor->elements))
            return bad(p, "the product of its shape exceeds 64 bits");
    return ENT_OK;
}

/* Leaves the range relative to the data: `offset` its begin, `bytes.size` its length. */
static ent_status read_range(const place *p, const json_t *entry, ent_tensor *tensor)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t range[2], bits;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return bad(p, "\"data_offsets\" is not a list of two numbers");
    ent_status status = read_numbers(p, offsets, "data_offsets", range);
    if (status) return status;
    if (range[1] < range[0])
        return bad(p, "its data ends at %llu, before its begin %llu", (ull)range[1], (ull)range[0]);
    if (__builtin_mul_overflow(tensor->elements, tensor->dtype_bits, &bits))
        return bad(p, "its size in bits exceeds 64 bits");
    if (bits % 8) return bad(p, "%llu elements of %s do not fill whole bytes", (ull)tensor->elements, tensor->dtype);
    if (range[1] - range[0] != bits / 8)
        return bad(p, "%llu elements of %s are %llu bytes, but its data_offsets [%llu, %llu] span %llu",
                   (ull)tensor->elements, tensor->dtype, (ull)(bits / 8), (ull)range[0], (ull)range[1],
                   (ull)(range[1] - range[0]));
    tensor->offset = range[0];
    tensor->bytes.size = bits / 8;
    return ENT_OK;
}

static ent_status read_entry(const place *p, const json_t *entry, ent_weights *model)
{
    ent_tensor tensor = { 0 };
    ent_status status;
    if (!json_is_object(entry)) return bad(p, "its entry is not an object");
    if ((status = read_dtype(p, entry, &tensor))) return status;
    if ((status = read_shape(p, entry, model, &tensor))) return status;
    if ((status = read_range(p, entry, &tensor))) return status;
    tensor.name = ent_model_text(model, p->name);
    tensor.role = ent_weights_role(p->name);
    ent_tensor *added = ent_model_add(model);
    if (!tensor.name || !added) return ent_fail(p->error, ENT_ENOMEM, "%s: out of memory", p->file);
    *added = tensor;
    return ENT_OK;
}

static ent_status read_metadata(const char *file, json_t *metadata, ent_error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return ent_fail(error, ENT_ECORRUPT, "%s: \"__metadata__\" is not an object", file);
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value))
            return ent_fail(error, ENT_ECORRUPT, "%s: \"__metadata__\" may hold strings only; %s is none", file,
                            ent_quote(key).text);
    return ENT_OK;
}

static int order_in_file(const void *left, const void *right)
{
    const ent_tensor *a = left, *b = right;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    if (a->bytes.size != b->bytes.size) return a->bytes.size < b->bytes.size ? -1 : 1; /* empty ones first */
    return strcmp(a->name, b->name);
}

/* Tensors, sorted, must cover `size` bytes of data exactly; then their views are made. */
static ent_status check_tiling(const ent_weights *model, uint32_t file, size_t first, uint64_t start, ent_error *error)
{
    const ent_weights_file *f = &model->file[file];
    uint64_t size = f->bytes.size - start, end = 0;
    for (size_t i = first; i < model->tensors; i++) {
        ent_tensor *t = &model->tensor[i];
        place p = { f->name, t->name, error };
        if (t->offset > end)
            return bad(&p, "a hole of %llu bytes before it, at byte %llu", (ull)(t->offset - end), (ull)(start + end));
        if (t->offset < end)
            return bad(&p, "overlaps tensor %s at byte %llu", ent_quote(t[-1].name).text, (ull)(start + t->offset));
        if (t->bytes.size > size - t->offset)
            return bad(&p, "ends at byte %llu, but the file ends at %llu: it was cut short",
                       (ull)(start + t->offset + t->bytes.size), (ull)f->bytes.size);
        end = t->offset + t->bytes.size;
        t->file = file;
        t->bytes.data = f->bytes.data + start + t->offset;
        t->offset += start;
    }
    if (end != size)
        return ent_fail(error, ENT_ECORRUPT, "%s: %llu bytes follow the last tensor, from byte %llu", f->name,
                        (ull)(size - end), (ull)(start + end));
    return ENT_OK;
}

static ent_status check_length(const ent_weights_file *f, uint64_t *length, ent_error *error)
{
    if (f->bytes.size < 8)
        return ent_fail(error, ENT_ECORRUPT, "%s: %zu bytes, too short for the 8 bytes of a header length", f->name,
                        f->bytes.size);
    *length = ent_load64(f->bytes.data);
    if (*length > HEADER_CAP)
        return ent_fail(error, ENT_ECORRUPT, "%s: header length %llu at byte 0 is over the format's limit of %llu",
                        f->name, (ull)*length, (ull)HEADER_CAP);
    if (*length > f->bytes.size - 8)
        return ent_fail(error, ENT_ECORRUPT, "%s: header length %llu at byte 0, but only %zu bytes follow", f->name,
                        (ull)*length, f->bytes.size - 8);
    return ENT_OK;
}

ent_status ent_safetensors_append(ent_weights *model, uint32_t file, ent_error *error)
{
    const ent_weights_file *f = &model->file[file];
    size_t first = model->tensors;
    uint64_t length = 0;
    json_t *header, *entry;
    const char *name;
    ent_status status = check_length(f, &length, error);
    if (status) return status;
    status = ent_json_object(&header, (ent_bytes){ f->bytes.data + 8, length }, 8, f->name, error);
    if (status) return status;
    json_object_foreach(header, name, entry) {
        place p = { f->name, name, error };
        status = strcmp(name, "__metadata__") ? read_entry(&p, entry, model) : read_metadata(f->name, entry, error);
        if (status) break;
    }
    json_decref(header);
    if (status) return status;
    size_t n = model->tensors - first;
    if (n) qsort(model->tensor + first, n, sizeof *model->tensor, order_in_file);
    return check_tiling(model, file, first, 8 + length, error);
}

static bool recognises(ent_bytes file)
{
    if (file.size < 10) return false;
    uint64_t length = ent_load64(file.data);
    return length <= HEADER_CAP && length <= file.size - 8 && memchr("{ \t\r\n", file.data[8], 5);
}

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    (void)path;
    ent_status status = ent_safetensors_append(model, 0, error);
    return status ? status : ent_model_finish(model, error);
}

const ent_reader ent_reader_safetensors = {
    .name = "safetensors",
    .brief = "one safetensors file: a length of 8 bytes, then a JSON object",
    .extension = ".safetensors",
    .recognises = recognises,
    .read = read_file,
};
