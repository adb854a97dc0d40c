/* gguf.c - the reader of GGUF files, version 2 and 3, split ones included.
 *
 * Format: "GGUF" | u32 version | u64 tensors | u64 keys | keys and values | tensor entries | data, each
 * tensor at a multiple of general.alignment (32 unless stated), in the order of the entries.  The rules are those that
 * the reference (github.com/ggml-org/ggml, gguf.cpp) enforces: strings and arrays within the file, no arrays of
 * arrays, no key or tensor twice, names of at most 63 bytes, at most 4 axes, rows of whole blocks, offsets equal to
 * the running sum.  Big-endian files are refused.  Values are not kept, but for those that say how the file is cut.
 *
 * A type that stores blocks of weights is a dtype of its name (see ent_records); shapes are turned round, since GGUF
 * names the fastest axis first. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "weights/reader.h"

enum {
    MAX_AXES = 4,
    MAX_NAME = 63,
    MAX_KEYS = 1 << 16,       /* a model has some fifty */
    MAX_ALIGNMENT = 1 << 20,
    MAX_SPLITS = 1 << 12,
};

/* By type number; types that were removed have no name. */
static const struct {
    const char *name;
    uint16_t weights, bytes; /* of a block */
} types[] = {
    { "F32", 1, 4 },       { "F16", 1, 2 },       { "Q4_0", 32, 18 },     { "Q4_1", 32, 20 },   { NULL, 0, 0 },
    { NULL, 0, 0 },        { "Q5_0", 32, 22 },    { "Q5_1", 32, 24 },     { "Q8_0", 32, 34 },   { "Q8_1", 32, 36 },
    { "Q2_K", 256, 84 },   { "Q3_K", 256, 110 },  { "Q4_K", 256, 144 },   { "Q5_K", 256, 176 }, { "Q6_K", 256, 210 },
    { "Q8_K", 256, 292 },  { "IQ2_XXS", 256, 66 }, { "IQ2_XS", 256, 74 }, { "IQ3_XXS", 256, 98 }, { "IQ1_S", 256, 50 },
    { "IQ4_NL", 32, 18 },  { "IQ3_S", 256, 110 }, { "IQ2_S", 256, 82 },   { "IQ4_XS", 256, 136 }, { "I8", 1, 1 },
    { "I16", 1, 2 },       { "I32", 1, 4 },       { "I64", 1, 8 },        { "F64", 1, 8 },      { "IQ1_M", 256, 56 },
    { "BF16", 1, 2 },      { NULL, 0, 0 },        { NULL, 0, 0 },         { NULL, 0, 0 },       { "TQ1_0", 256, 54 },
    { "TQ2_0", 256, 66 },  { NULL, 0, 0 },        { NULL, 0, 0 },         { NULL, 0, 0 },       { "MXFP4", 32, 17 },
    { "NVFP4", 64, 36 },   { "Q1_0", 128, 18 },   { "Q2_0", 64, 18 },
};
enum { TYPES = sizeof types / sizeof *types };

enum { STRING = 8, ARRAY = 9, VALUE_TYPES = 13 };
static const uint8_t value_bytes[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

static bool recognises(ent_bytes file) { return file.size >= 8 && !memcmp(file.data, "GGUF", 4); }

/* ---- a place in the file -------------------------------------------------------------------------------- */

typedef struct cursor {
    const ent_weights_file *file;
    uint64_t at;
    ent_error *error;
} cursor;

ENT_PRINTF(2, 3) static ent_status bad(const cursor *c, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ent_fail(c->error, ENT_ECORRUPT, "%s: %s, at byte %" PRIu64, c->file->name, text, c->at);
}

static ent_status no_memory(const cursor *c)
{
    return ent_fail(c->error, ENT_ENOMEM, "%s: out of memory", c->file->name);
}

static uint64_t left(const cursor *c) { return c->file->bytes.size - c->at; }

/* `size` bytes and past them; `what` they are is for the message. */
static ent_status take(cursor *c, uint64_t size, const char *what, const uint8_t **bytes)
{
    if (size > left(c)) return bad(c, "%s of %" PRIu64 " bytes, but %" PRIu64 " are left", what, size, left(c));
    *bytes = c->file->bytes.data + c->at;
    c->at += size;
    return ENT_OK;
}

static ent_status take32(cursor *c, const char *what, uint32_t *value)
{
    const uint8_t *bytes = NULL;
    ent_status status = take(c, 4, what, &bytes);
    if (!status) *value = ent_load32(bytes);
    return status;
}

static ent_status take64(cursor *c, const char *what, uint64_t *value)
{
    const uint8_t *bytes = NULL;
    ent_status status = take(c, 8, what, &bytes);
    if (!status) *value = ent_load64(bytes);
    return status;
}

static ent_status take_string(cursor *c, const char *what, ent_bytes *text)
{
    uint64_t size = 0;
    ent_status status = take64(c, what, &size);
    if (!status) status = take(c, size, what, &text->data);
    text->size = size;
    return status;
}

static bool is(ent_bytes text, const char *what)
{
    return text.size == strlen(what) && !memcmp(text.data, what, text.size);
}

/* ---- keys and values --------------------------------------------------------------------------------------- */

typedef struct head { /* what the values say of the file */
    uint64_t tensors;
    uint32_t alignment, split, splits; /* splits: 0 when nothing is said */
} head;

static ent_status skip_array(cursor *c)
{
    uint32_t type = 0;
    uint64_t n = 0;
    ent_bytes text;
    const uint8_t *bytes;
    ent_status status = take32(c, "the type of an array", &type);
    if (!status && (type >= VALUE_TYPES || type == ARRAY)) return bad(c, "an array of value type %" PRIu32, type);
    if (!status) status = take64(c, "the length of an array", &n);
    if (status) return status;
    if (type != STRING) {
        if (n > left(c) / value_bytes[type]) return bad(c, "an array of %" PRIu64 " values", n);
        return take(c, n * value_bytes[type], "an array", &bytes);
    }
    while (n-- && !status) status = take_string(c, "a string of an array", &text);
    return status;
}

/* Passes a value over; `*number` becomes an unsigned integer of at most 32 bits, else UINT64_MAX. */
static ent_status skip_value(cursor *c, uint32_t type, uint64_t *number)
{
    ent_bytes text;
    const uint8_t *bytes = NULL;
    *number = UINT64_MAX;
    if (type >= VALUE_TYPES) return bad(c, "value type %" PRIu32, type);
    if (type == STRING) return take_string(c, "a string", &text);
    if (type == ARRAY) return skip_array(c);
    ent_status status = take(c, value_bytes[type], "a value", &bytes);
    if (!status && type == 2) *number = ent_load16(bytes);
    if (!status && type == 4) *number = ent_load32(bytes);
    return status;
}

static ent_status read_pair(cursor *c, head *h, ent_bytes *key)
{
    uint32_t type = 0;
    uint64_t number;
    ent_status status = take_string(c, "a key", key);
    if (!status && !key->size) return bad(c, "an empty key");
    if (!status) status = take32(c, "a value's type", &type);
    if (!status) status = skip_value(c, type, &number);
    if (status) return status;
    if (is(*key, "general.alignment")) {
        if (!number || number > MAX_ALIGNMENT || (number & (number - 1)) || type != 4)
            return bad(c, "general.alignment is no power of two from 1 to %d of type u32", MAX_ALIGNMENT);
        h->alignment = (uint32_t)number;
    }
    if (is(*key, "split.no") || is(*key, "split.count")) {
        if (number > MAX_SPLITS) return bad(c, "%.*s is no count", (int)key->size, (const char *)key->data);
        *(is(*key, "split.no") ? &h->split : &h->splits) = (uint32_t)number;
    }
    return ENT_OK;
}

static int order_of_keys(const void *x, const void *y)
{
    const ent_bytes *a = x, *b = y;
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static ent_status read_pairs(cursor *c, head *h, uint64_t n)
{
    ent_status status = ENT_OK;
    if (n > MAX_KEYS) return bad(c, "%" PRIu64 " keys: more than %d are not read", n, MAX_KEYS);
    ent_bytes *key = ent_calloc(n, sizeof *key);
    if (!key) return no_memory(c);
    for (uint64_t i = 0; i < n && !status; i++) status = read_pair(c, h, &key[i]);
    if (!status && n) qsort(key, n, sizeof *key, order_of_keys);
    for (uint64_t i = 1; i < n && !status; i++)
        if (!order_of_keys(&key[i - 1], &key[i]))
            status = bad(c, "key \"%.*s\" is there twice", (int)(key[i].size < 80 ? key[i].size : 80),
                         (const char *)key[i].data);
    ent_free(key);
    return status;
}

static ent_status read_head(cursor *c, head *h)
{
    uint32_t version = 0;
    uint64_t keys = 0;
    *h = (head){ .alignment = 32 };
    if (!recognises(c->file->bytes)) return bad(c, "not a GGUF file, or cut short: it does not begin with \"GGUF\"");
    c->at = 4;
    ent_status status = take32(c, "the version", &version);
    if (!status && (version & 0xffff) == 0 && version)
        return ent_fail(c->error, ENT_EUNSUPPORTED,
                        "%s: a big-endian GGUF file: turn it round with gguf_convert_endian.py of llama.cpp",
                        c->file->name);
    if (!status && version != 2 && version != 3)
        return ent_fail(c->error, ENT_EUNSUPPORTED, "%s: GGUF version %" PRIu32 "; 2 and 3 are read", c->file->name,
                        version);
    if (!status) status = take64(c, "the number of tensors", &h->tensors);
    if (!status) status = take64(c, "the number of keys", &keys);
    return status ? status : read_pairs(c, h, keys);
}

/* ---- tensors ----------------------------------------------------------------------------------------------- */

/* The name as text: the reference's limit, and what other files can hold. */
static ent_status read_name(cursor *c, ent_weights *model, ent_tensor *t)
{
    ent_bytes name = { NULL, 0 };
    ent_status status = take_string(c, "a tensor's name", &name);
    if (status) return status;
    if (!name.size || name.size > MAX_NAME || memchr(name.data, 0, name.size))
        return bad(c, "a tensor's name of %zu bytes, or with a NUL in it", name.size);
    if (!ent_is_utf8(name)) return bad(c, "a tensor's name that is not UTF-8");
    if (!(t->name = ent_model_copy(model, name))) return no_memory(c);
    t->role = ent_weights_role(t->name);
    return ENT_OK;
}

static ent_status read_shape(cursor *c, ent_weights *model, ent_tensor *t)
{
    uint32_t axes = 0;
    ent_status status = take32(c, "a tensor's number of axes", &axes);
    if (!status && axes > MAX_AXES) return bad(c, "tensor %s: %" PRIu32 " axes", ent_quote(t->name).text, axes);
    uint64_t *shape = ent_model_alloc(model, MAX_AXES * sizeof *shape);
    if (!shape) return no_memory(c);
    t->rank = axes;
    t->shape = shape;
    t->elements = 1;
    for (uint32_t i = axes; i-- > 0 && !status;) {
        status = take64(c, "a tensor's shape", &shape[i]);
        if (!status && (shape[i] > INT64_MAX || __builtin_mul_overflow(t->elements, shape[i], &t->elements) ||
                        t->elements > INT64_MAX))
            return bad(c, "tensor %s: its shape exceeds 63 bits", ent_quote(t->name).text);
    }
    return status;
}

static ent_status read_type(cursor *c, ent_tensor *t)
{
    uint32_t type = 0;
    uint64_t row = t->rank ? t->shape[t->rank - 1] : 1;
    ent_status status = take32(c, "a tensor's type", &type);
    if (status) return status;
    if (type >= TYPES && type < 0x10000)
        return ent_fail(c->error, ENT_EUNSUPPORTED, "%s: tensor %s: type %" PRIu32 " is newer than this program",
                        c->file->name, ent_quote(t->name).text, type);
    if (type >= TYPES || !types[type].name) return bad(c, "tensor %s: type %" PRIu32, ent_quote(t->name).text, type);
    if (row % types[type].weights)
        return bad(c, "tensor %s: rows of %" PRIu64 " weights are not whole blocks of %s", ent_quote(t->name).text, row,
                   types[type].name);
    t->dtype = types[type].name;
    t->dtype_bits = types[type].weights > 1 ? 0 : 8u * types[type].bytes;
    uint64_t blocks = t->elements / types[type].weights;
    if (__builtin_mul_overflow(blocks, types[type].bytes, &t->bytes.size))
        return bad(c, "tensor %s: its size exceeds 64 bits", ent_quote(t->name).text);
    return ENT_OK;
}

/* `*end`: of the tensors before, padded, relative to the data. */
static ent_status read_entry(cursor *c, ent_weights *model, const head *h, uint64_t *end)
{
    ent_tensor t = { .file = (uint32_t)(model->files - 1) };
    ent_status status = read_name(c, model, &t);
    if (!status) status = read_shape(c, model, &t);
    if (!status) status = read_type(c, &t);
    if (!status) status = take64(c, "a tensor's offset", &t.offset);
    if (status) return status;
    if (t.offset != *end)
        return bad(c, "tensor %s: offset %" PRIu64 ", but the tensors before it end at %" PRIu64,
                   ent_quote(t.name).text, t.offset, *end);
    if (__builtin_add_overflow(*end, t.bytes.size, end) || *end > INT64_MAX)
        return bad(c, "tensor %s: it ends beyond 63 bits", ent_quote(t.name).text);
    *end = (*end + h->alignment - 1) / h->alignment * h->alignment;
    ent_tensor *added = ent_model_add(model);
    if (!added) return no_memory(c);
    *added = t;
    return ENT_OK;
}

/* The last file of the model. */
static ent_status append(ent_weights *model, head *h, ent_error *error)
{
    const size_t first = model->tensors;
    cursor c = { &model->file[model->files - 1], 0, error };
    uint64_t end = 0;
    ent_status status = read_head(&c, h);
    for (uint64_t i = 0; i < h->tensors && !status; i++) status = read_entry(&c, model, h, &end);
    if (status) return status;
    c.at = (c.at + h->alignment - 1) / h->alignment * h->alignment; /* the data; nothing of it when there are none */
    for (size_t i = first; i < model->tensors; i++) {
        ent_tensor *t = &model->tensor[i];
        if (c.at > c.file->bytes.size || t->offset > left(&c) || t->bytes.size > left(&c) - t->offset)
            return ent_fail(error, ENT_ECORRUPT,
                            "%s: tensor %s: it ends at byte %" PRIu64 ", but the file at %zu: it was cut short",
                            c.file->name, ent_quote(t->name).text, c.at + t->offset + t->bytes.size,
                            c.file->bytes.size);
        t->offset += c.at;
        t->bytes.data = c.file->bytes.data + t->offset;
    }
    return ENT_OK;
}

/* ---- splits ------------------------------------------------------------------------------------------------ */

/* The path of split k of the model whose first is at `path`, which ends in -00001-of-0000N.gguf. */
static ent_status split_path(ent_weights *model, const char *path, const head *h, uint32_t k, char **other,
                             ent_error *error)
{
    char end[40], number[12];
    size_t n = strlen(path), size = (size_t)snprintf(end, sizeof end, "-00001-of-%05" PRIu32 ".gguf", h->splits);
    if (!ent_ends_with(path, end))
        return ent_fail(error, ENT_ECORRUPT, "%s: the first of %" PRIu32 " files, whose name must end in %s for the "
                        "others to be found", model->file[0].name, h->splits, end);
    if (!(*other = ent_model_text(model, path))) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    snprintf(number, sizeof number, "%05" PRIu32, k + 1);
    memcpy(*other + n - size + 1, number, 5);
    return ENT_OK;
}

static ent_status read_split(ent_weights *model, const char *path, const head *h, uint32_t k, ent_error *error)
{
    char *other = NULL;
    struct stat st;
    head own;
    ent_status status = split_path(model, path, h, k, &other, error);
    if (status) return status;
    if (stat(other, &st) && errno == ENOENT)
        return ent_fail(error, ENT_ECORRUPT, "%s: %s, the next of its %" PRIu32 " files, is not there: fetch it",
                        model->file[0].name, other, h->splits);
    status = ent_model_map(model, other, error);
    if (status) return status;
    status = append(model, &own, error);
    if (!status && (own.split != k || own.splits != h->splits))
        status = ent_fail(error, ENT_ECORRUPT,
                          "%s: it says it is file %" PRIu32 " of %" PRIu32 ", not %" PRIu32 " of %" PRIu32,
                          model->file[model->files - 1].name, own.split + 1, own.splits, k + 1, h->splits);
    return status;
}

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    head h;
    ent_status status = append(model, &h, error);
    if (!status && h.split)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: file %" PRIu32 " of %" PRIu32 " of a model: name the first",
                        model->file[0].name, h.split + 1, h.splits);
    for (uint32_t k = 1; k < h.splits && !status; k++) status = read_split(model, path, &h, k, error);
    return status ? status : ent_model_finish(model, error);
}

const ent_reader ent_reader_gguf = {
    .name = "gguf",
    .brief = "GGUF version 2 or 3, in one file or several",
    .extension = ".gguf",
    .recognises = recognises,
    .read = read_file,
};
