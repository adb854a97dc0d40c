/* npy.c - the reader of NumPy's .npy files.
 *
 * Format (numpy/lib/_format_impl.py): "\x93NUMPY" | u8 major, minor | u16 (1.0) or u32 (2.0, 3.0) length of
 * the header | header: a Python dictionary of exactly 'descr', 'fortran_order' and 'shape' | data.  Headers of over
 * 10,000 bytes are refused, as NumPy does.  An array in Fortran's order has its axes turned round: shapes here are of
 * the bytes as they lie.  NumPy has no name for BF16 and FP8, which it saves as raw data ('<V2', '|V1'): these keep the
 * dtype V2, V1, ... until the caller says what they are (ent_weights_name_raw).  Big-endian numbers are opaque. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "weights/npy.h"

enum { MOST_HEADER = 10000, MOST_AXES = 64, MAGIC_BYTES = 6 };

static const struct {
    const char *descr, *dtype;
    uint32_t bits;
} kinds[] = {
    { "f2", "F16", 16 }, { "f4", "F32", 32 }, { "f8", "F64", 64 },    { "i1", "I8", 8 },   { "i2", "I16", 16 },
    { "i4", "I32", 32 }, { "i8", "I64", 64 }, { "u1", "U8", 8 },      { "u2", "U16", 16 }, { "u4", "U32", 32 },
    { "u8", "U64", 64 }, { "b1", "BOOL", 8 }, { "c8", "C64", 64 },    { "V1", "V1", 8 },   { "V2", "V2", 16 },
    { "V4", "V4", 32 },  { "V8", "V8", 64 },  { "c16", "C128", 128 },
};

bool ent_npy_descr(const char *dtype, uint32_t bits, char descr[ENT_NPY_DESCR])
{
    char raw[16];
    snprintf(raw, sizeof raw, "V%u", (unsigned)(bits / 8));
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (!strcmp(kinds[i].dtype, pass ? raw : dtype)) {
                snprintf(descr, ENT_NPY_DESCR, "%c%s", kinds[i].bits > 8 ? '<' : '|', kinds[i].descr);
                return true;
            }
    snprintf(descr, ENT_NPY_DESCR, "%s", dtype); /* big-endian numbers keep NumPy's own name */
    return *dtype == '>' && strlen(dtype) < ENT_NPY_DESCR;
}

typedef struct header { /* of an array, and where in it we are */
    ent_weights *model;
    const ent_weights_file *file;
    const char *name;
    const char *at, *end;
    ent_error *error;
    ent_tensor tensor;
    bool has_descr, has_order, has_shape, fortran;
} header;

ENT_PRINTF(3, 4) static ent_status refuse(const header *h, ent_status status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ent_fail(h->error, status, "%s: array %s: %s", h->file->name, ent_quote(h->name).text, text);
}

/* ---- Python's literals --------------------------------------------------------------------------------- */

static void skip_blanks(header *h)
{
    while (h->at < h->end && memchr(" \t\r\n", *h->at, 4)) h->at++;
}

static bool take(header *h, const char *text)
{
    size_t n = strlen(text);
    skip_blanks(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, text, n) != 0) return false;
    h->at += n;
    return true;
}

static bool take_text(header *h, char *text, size_t size)
{
    skip_blanks(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"')) return false;
    const char *close = memchr(h->at + 1, *h->at, (size_t)(h->end - h->at - 1));
    if (!close || (size_t)(close - h->at) > size || memchr(h->at, '\\', (size_t)(close - h->at))) return false;
    size_t n = (size_t)(close - h->at - 1);
    memcpy(text, h->at + 1, n);
    text[n] = '\0';
    h->at = close + 1;
    return true;
}

/* A whole number of 0 or more; Python 2 wrote an L after long ones. */
static bool take_number(header *h, uint64_t *value)
{
    skip_blanks(h);
    const char *start = h->at;
    for (*value = 0; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *h->at - '0', value))
            return false;
    if (h->at == start) return false;
    if (h->at < h->end && *h->at == 'L') h->at++;
    return true;
}

/* ---- the three keys ------------------------------------------------------------------------------------ */

static ent_status read_descr(header *h)
{
    char text[16];
    if (take(h, "[")) return refuse(h, ENT_EUNSUPPORTED, "records with named fields: save each field as an array");
    if (!take_text(h, text, sizeof text)) return refuse(h, ENT_ECORRUPT, "'descr' is no short text");
    const char *kind = strchr("<>|=", *text) && *text ? text + 1 : text;
    if (*kind == 'O')
        return refuse(h, ENT_EUNSUPPORTED, "Python objects (a pickle, which can run code): save it as numbers");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i].descr) != 0) continue;
        bool swapped = *text == '>' && kinds[i].bits > 8;
        h->tensor.dtype = swapped ? ent_model_text(h->model, text) : kinds[i].dtype;
        h->tensor.dtype_bits = kinds[i].bits;
        return h->tensor.dtype ? ENT_OK : refuse(h, ENT_ENOMEM, "out of memory");
    }
    return refuse(h, ENT_EUNSUPPORTED, "dtype %s is not read; numbers of 8 to 64 bits are", ent_quote(text).text);
}

static ent_status read_shape(header *h)
{
    uint64_t *shape = ent_model_alloc(h->model, MOST_AXES * sizeof *shape);
    uint32_t rank = 0;
    if (!shape) return refuse(h, ENT_ENOMEM, "out of memory");
    if (!take(h, "(")) return refuse(h, ENT_ECORRUPT, "'shape' is no tuple");
    h->tensor.elements = 1;
    while (!take(h, ")")) {
        if (rank == MOST_AXES) return refuse(h, ENT_ECORRUPT, "more than %d axes", MOST_AXES);
        if (!take_number(h, &shape[rank]))
            return refuse(h, ENT_ECORRUPT, "'shape' holds something that is no whole number of 0 or more");
        if (__builtin_mul_overflow(h->tensor.elements, shape[rank++], &h->tensor.elements))
            return refuse(h, ENT_ECORRUPT, "the product of its shape exceeds 64 bits");
        if (take(h, ",")) continue;
        if (!take(h, ")") || rank == 1) return refuse(h, ENT_ECORRUPT, "'shape' is no tuple");
        break;
    }
    h->tensor.rank = rank;
    h->tensor.shape = shape;
    return ENT_OK;
}

static ent_status read_key(header *h)
{
    char key[16];
    if (!take_text(h, key, sizeof key) || !take(h, ":"))
        return refuse(h, ENT_ECORRUPT, "its header is no dictionary of texts");
    bool *seen = !strcmp(key, "descr")           ? &h->has_descr
                 : !strcmp(key, "fortran_order") ? &h->has_order
                 : !strcmp(key, "shape")         ? &h->has_shape
                                                 : NULL;
    if (!seen || *seen)
        return refuse(h, ENT_ECORRUPT, "key %s of its header is %s", ent_quote(key).text,
                      seen ? "there twice" : "unknown");
    *seen = true;
    if (seen == &h->has_descr) return read_descr(h);
    if (seen == &h->has_shape) return read_shape(h);
    h->fortran = take(h, "True");
    return h->fortran || take(h, "False") ? ENT_OK
                                          : refuse(h, ENT_ECORRUPT, "'fortran_order' is neither True nor False");
}

static ent_status read_dictionary(header *h)
{
    if (!take(h, "{")) return refuse(h, ENT_ECORRUPT, "its header is no dictionary");
    while (!take(h, "}")) {
        ent_status status = read_key(h);
        if (status) return status;
        if (take(h, ",")) continue;
        if (!take(h, "}")) return refuse(h, ENT_ECORRUPT, "its header is no dictionary");
        break;
    }
    skip_blanks(h);
    if (h->at != h->end) return refuse(h, ENT_ECORRUPT, "something follows the dictionary of its header");
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return refuse(h, ENT_ECORRUPT, "its header lacks '%s'",
                      !h->has_descr   ? "descr"
                      : !h->has_order ? "fortran_order"
                                      : "shape");
    return ENT_OK;
}

/* ---- the array ------------------------------------------------------------------------------------------ */

bool ent_npy_recognises(ent_bytes file)
{
    return file.size >= MAGIC_BYTES && !memcmp(file.data, "\x93NUMPY", MAGIC_BYTES);
}

/* Sets h->at and h->end to the header's text; the place of the data. */
static ent_status find_header(header *h, ent_bytes array, uint64_t *data)
{
    if (!ent_npy_recognises(array)) return refuse(h, ENT_ECORRUPT, "it does not begin with \"\\x93NUMPY\"");
    if (array.size < 8) return refuse(h, ENT_ECORRUPT, "cut short in its version");
    unsigned major = array.data[MAGIC_BYTES], minor = array.data[MAGIC_BYTES + 1], width = major == 1 ? 2 : 4;
    if (major < 1 || major > 3 || minor)
        return refuse(h, ENT_EUNSUPPORTED, "version %u.%u; 1.0 to 3.0 are read", major, minor);
    if (array.size < 8 + width) return refuse(h, ENT_ECORRUPT, "cut short in the length of its header");
    uint64_t length = width == 2 ? ent_load16(array.data + 8) : ent_load32(array.data + 8);
    if (length > MOST_HEADER)
        return refuse(h, ENT_ECORRUPT, "a header of %" PRIu64 " bytes; at most %d are read", length, MOST_HEADER);
    if (length > array.size - 8 - width)
        return refuse(h, ENT_ECORRUPT, "a header of %" PRIu64 " bytes, but %" PRIu64 " follow", length,
                      (uint64_t)array.size - 8 - width);
    h->at = (const char *)array.data + 8 + width;
    h->end = h->at + length;
    *data = 8 + width + length;
    return ENT_OK;
}

static void turn_round(ent_weights *model, ent_tensor *t)
{
    uint64_t *shape = ent_model_alloc(model, t->rank * sizeof *shape);
    for (uint32_t i = 0; shape && i < t->rank; i++) shape[i] = t->shape[t->rank - 1 - i];
    t->shape = shape;
}

ent_status ent_npy_append(ent_weights *model, uint32_t file, uint64_t start, ent_bytes array, bool unpacked,
                          const char *name, ent_error *error)
{
    header h = { .model = model, .file = &model->file[file], .name = name, .error = error };
    ent_tensor *t = &h.tensor;
    uint64_t data = 0, bits;
    ent_status status = find_header(&h, array, &data);
    if (!status) status = read_dictionary(&h);
    if (status) return status;
    if (__builtin_mul_overflow(t->elements, t->dtype_bits, &bits))
        return refuse(&h, ENT_ECORRUPT, "its size exceeds 64 bits");
    if (bits / 8 > array.size - data)
        return refuse(&h, ENT_ECORRUPT, "%" PRIu64 " bytes of data, but %" PRIu64 " are there: it was cut short",
                      bits / 8, array.size - data);
    if (h.fortran) turn_round(model, t);
    t->name = ent_model_text(model, name);
    t->role = ent_weights_role(name);
    t->file = file;
    t->offset = unpacked ? start : start + data;
    t->unpacked = unpacked;
    t->bytes = (ent_bytes){ array.data + data, bits / 8 };
    ent_tensor *added = ent_model_add(model);
    if (!added || !t->name || !t->shape) return refuse(&h, ENT_ENOMEM, "out of memory");
    *added = *t;
    return ENT_OK;
}

/* The name without its ending. */
static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    (void)path;
    char *name = ent_model_text(model, model->file[0].name);
    if (!name) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", model->file[0].name);
    if (ent_ends_with(name, ".npy")) name[strlen(name) - 4] = '\0';
    ent_status status = ent_npy_append(model, 0, 0, model->file[0].bytes, false, name, error);
    return status ? status : ent_model_finish(model, error);
}

const ent_reader ent_reader_npy = {
    .name = "npy",
    .brief = "one NumPy array",
    .extension = ".npy",
    .recognises = ent_npy_recognises,
    .read = read_file,
};
