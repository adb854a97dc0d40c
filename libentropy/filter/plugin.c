/* plugin.c - the HDF5 filter: a shared object that HDF5 loads when a dataset names the filter's number.
 *
 * HDF5 calls can_apply and set_local when a dataset is created, and filter for every chunk; its own lock keeps calls
 * apart, and nothing is kept between them.  Messages go to HDF5's stack of errors. */
#include <stdio.h>
#include <string.h>

#include <H5PLextern.h>

#include "filter/chunk.h"
#include "filter/hdf5.h"

/* ---- what a dataset is ------------------------------------------------------------------------------------ */

/* What the second short parameter names. */
static const char *const formats[] = { NULL, NULL, "BF16", "F16", "F32", "F64", "U4" };
enum { BY_DATATYPE, PLAIN, FORMATS = sizeof formats / sizeof *formats, PLANAR_RANS = 8 };

static bool is_word(size_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

/* A float whose fields are those of a format, from the highest bit down; NULL: any other type. */
static const char *float_of(const ent_hdf5 *h5, hid_t type)
{
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits, bits = 8 * h5->H5Tget_size(type);
    if (h5->H5Tget_class(type) != H5T_FLOAT || h5->H5Tget_order(type) != H5T_ORDER_LE ||
        h5->H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0)
        return NULL;
    if (mantissa != 0 || exponent != mantissa_bits || sign != exponent + exponent_bits || sign + 1 != bits) return NULL;
    for (const ent_format *f = ent_formats; f->name; f++)
        if (f->kind == ENT_KIND_FLOAT && f->bits == bits && f->exponent_bits == exponent_bits &&
            f->mantissa_bits == mantissa_bits && (size_t)f->bias == h5->H5Tget_ebias(type))
            return f->name;
    return NULL;
}

/* A format that has words of the size: for coders of bytes, what they mean does not matter. */
static const char *plain_of(size_t size) { return size == 1 ? "U8" : size == 2 ? "U16" : size == 4 ? "F32" : "F64"; }

/* Bytes of a chunk; 0: HDF5 does not say. */
static uint64_t chunk_bytes(const ent_hdf5 *h5, hid_t create, size_t width)
{
    hsize_t dims[H5S_MAX_RANK];
    uint64_t bytes = width;
    int rank = h5->H5Pget_chunk(create, H5S_MAX_RANK, dims);
    for (int i = 0; i < rank; i++) bytes = bytes <= UINT32_MAX ? bytes * dims[i] : bytes; /* each is of 32 bits */
    return rank > 0 ? bytes : 0;
}

/* ---- its parameters --------------------------------------------------------------------------------------- */

/* What the user gives: coder, format, whether mantissas are coded too; all may be left out. */
typedef struct wishes {
    const char *coder, *format; /* format NULL: plain bytes */
    bool rest;
} wishes;

static ent_status read_wishes(const ent_hdf5 *h5, hid_t type, const unsigned *value, size_t n, wishes *w,
                              ent_error *error)
{
    unsigned id = n > 0 && value[0] ? value[0] : PLANAR_RANS, choice = n > 1 ? value[1] : BY_DATATYPE;
    const ent_coder *coder = id <= UINT16_MAX ? ent_coder_by_id((uint16_t)id) : NULL;
    if (!coder) return ent_fail(error, ENT_EINVAL, "the first parameter, %u, is the number of no coder", id);
    if (choice >= FORMATS) return ent_fail(error, ENT_EINVAL, "the second parameter, %u, is the number of no format", choice);
    if (n > 3 || (n == 3 && value[2] > 1))
        return ent_fail(error, ENT_EINVAL, "at most three parameters, the third 0 or 1 (mantissas are coded too)");
    *w = (wishes){ coder->name, choice == BY_DATATYPE ? float_of(h5, type) : formats[choice], n == 3 && value[2] };
    return ENT_OK;
}

/* The first clause that fits serves: the exponent, that of F64 in parts since coders take 8 bits; small words whole. */
static ent_status codec_of(const wishes *w, ent_codec **codec, ent_error *error)
{
    char text[400];
    const char *c = w->coder, *rest = w->rest ? w->coder : "raw";
    if (w->format && !strcmp(w->format, "F64"))
        snprintf(text, sizeof text, "F64: exponent:top3=%s exponent:low8=%s rest=%s", c, c, rest);
    else if (w->format)
        snprintf(text, sizeof text, "float: exponent=%s rest=%s | narrow: word=%s | *: bytes=%s", c, rest, c, c);
    else
        snprintf(text, sizeof text, "*: bytes=%s", c);
    return ent_codec_parse(codec, text, error);
}

static bool serves(const ent_recipe *recipe, const char *coder)
{
    bool any = false;
    for (uint32_t i = 0; i < recipe->split.fields; i++) any |= !strcmp(recipe->spec[i].coder->name, coder);
    return any;
}

static ent_status short_values(const ent_hdf5 *h5, hid_t type, const unsigned *value, size_t n, size_t bytes,
                               ent_filter_values *values, ent_error *error)
{
    wishes w = { NULL, NULL, false };
    size_t width = h5->H5Tget_size(type);
    ent_codec *codec;
    ent_status status = read_wishes(h5, type, value, n, &w, error);
    if (status) return status;
    const ent_format *format = ent_dtype_find(w.format ? w.format : plain_of(width));
    if (format->bits != 8 * width && !(ent_format_packed(format) && width == 1))
        return ent_fail(error, ENT_EINVAL, "format %s, but elements of %zu bytes", format->name, width);
    if ((status = codec_of(&w, &codec, error))) return status;
    ent_recipe recipe;
    ent_buffer items = { NULL, 0, 0 };
    status = ent_codec_bind(codec, format->name, &recipe, error);
    if (!status && !serves(&recipe, w.coder))
        status = ent_fail(error, ENT_EINVAL, "coder %s does not take the fields of %s", w.coder, format->name);
    if (!status && (status = ent_codec_recipe_text(codec, format->name, &items)))
        ent_fail(error, status, "%s", ent_status_text(status));
    ent_codec_free(codec);
    if (status) return status;
    status = ent_filter_values_of(values, format->name, (const char *)items.data, width, bytes, error);
    ent_free(items.data);
    return status;
}

/* Parameters of a dataset that is copied: the recipe stays, the chunks may be others. */
static ent_status own_values(const unsigned *value, size_t n, size_t width, size_t bytes, ent_filter_values *values,
                             ent_error *error)
{
    ent_chunks chunks;
    if (n < ENT_FILTER_HEAD || n > ENT_FILTER_VALUES)
        return ent_fail(error, ENT_EINVAL, "%zu parameters", n);
    *values = (ent_filter_values){ .n = n };
    memcpy(values->value, value, n * sizeof *value);
    values->value[2] = (unsigned)width;
    values->value[3] = (unsigned)bytes;
    ent_status status = ent_chunks_open(&chunks, values->value, n, error);
    ent_chunks_close(&chunks);
    return status;
}

static ent_status make_values(const ent_hdf5 *h5, hid_t create, hid_t type, const unsigned *value, size_t n,
                              ent_filter_values *values, ent_error *error)
{
    const uint64_t most = (uint64_t)1 << 31;
    size_t width = h5->H5Tget_size(type);
    uint64_t bytes = chunk_bytes(h5, create, width);
    if (n && value[0] == ENT_FILTER_MAGIC && n > 1 && value[1] == ENT_FILTER_TABLES) { /* a container is written */
        *values = (ent_filter_values){ .n = 0 };
        return ENT_OK;
    }
    if (!is_word(width) || !bytes || bytes > most)
        return ent_fail(error, ENT_EUNSUPPORTED, "elements of %zu bytes in chunks of %llu bytes: elements have 1, 2, 4 "
                                                 "or 8 bytes, chunks at most 2^31", width, (unsigned long long)bytes);
    if (n && value[0] == ENT_FILTER_MAGIC) return own_values(value, n, width, (size_t)bytes, values, error);
    return short_values(h5, type, value, n, (size_t)bytes, values, error);
}

static ent_status set_values(const ent_hdf5 *h5, hid_t create, hid_t type, ent_error *error)
{
    ent_filter_values values;
    ent_chunks chunks;
    unsigned flags = 0, given[ENT_FILTER_VALUES] = { 0 };
    size_t n = ENT_FILTER_VALUES;
    if (h5->H5Pget_filter_by_id2(create, ENT_FILTER_ID, &flags, &n, given, 0, NULL, NULL) < 0 || n > ENT_FILTER_VALUES)
        return ent_fail(error, ENT_EINVAL, "no parameters of the filter");
    ent_status status = make_values(h5, create, type, given, n, &values, error);
    if (status || !values.n) return status;
    status = ent_chunks_open(&chunks, values.value, values.n, error); /* could it be read? */
    ent_chunks_close(&chunks);
    if (!status && h5->H5Pmodify_filter(create, ENT_FILTER_ID, flags, values.n, values.value) < 0)
        status = ent_fail(error, ENT_ENOMEM, "the parameters of the filter cannot be set");
    return status;
}

static herr_t set_local(hid_t create, hid_t type, hid_t space)
{
    (void)space;
    ent_hdf5 h5;
    ent_error error;
    if (!ent_hdf5_find(&h5, __builtin_return_address(0))) return -1;
    if (!set_values(&h5, create, type, &error)) return 1;
    ent_hdf5_say(&h5, &error);
    return -1;
}

/* ---- a chunk ------------------------------------------------------------------------------------------------- */

static ent_status code_chunk(const ent_hdf5 *h5, const ent_chunks *chunks, ent_bytes in, bool decode, ent_buffer *out)
{
    ent_status status = decode ? ent_chunk_verify(chunks, in) : in.size == chunks->bytes ? ENT_OK : ENT_EINVAL;
    if (status) return status;
    out->capacity = decode ? chunks->bytes : ent_chunk_bound(chunks);
    if (!(out->data = h5->H5allocate_memory(out->capacity, false))) return ENT_ENOMEM;
    if (!decode) return ent_chunk_encode(chunks, in.data, out);
    out->size = chunks->bytes;
    return ent_chunk_decode(chunks, in, out->data);
}

static ent_status run(const ent_hdf5 *h5, bool decode, const unsigned *value, size_t n, ent_bytes in, ent_buffer *out,
                      ent_error *error)
{
    ent_chunks chunks;
    ent_status status = ent_chunks_open(&chunks, value, n, error);
    if (status) return status;
    if ((status = code_chunk(h5, &chunks, in, decode, out)))
        ent_fail(error, status, "a chunk of %zu bytes: %s", in.size, ent_status_text(status));
    ent_chunks_close(&chunks);
    return status;
}

/* HDF5's words: the bytes of the result, 0 for a failure; *data is replaced and was *size bytes large. */
static size_t filter(unsigned flags, size_t n, const unsigned value[], size_t bytes, size_t *size, void **data)
{
    ent_hdf5 h5;
    ent_error error;
    ent_buffer out = { NULL, 0, 0 };
    if (!ent_hdf5_find(&h5, __builtin_return_address(0))) return 0;
    if (run(&h5, flags & H5Z_FLAG_REVERSE, value, n, (ent_bytes){ *data, bytes }, &out, &error)) {
        ent_hdf5_say(&h5, &error);
        if (out.data) h5.H5free_memory(out.data);
        return 0;
    }
    h5.H5free_memory(*data);
    *data = out.data;
    *size = out.capacity;
    return out.size;
}

/* Without a name, which HDF5 would write into every dataset: whether the plugin is there must not change files. */
static const H5Z_class2_t entropy_filter = {
    .version = H5Z_CLASS_T_VERS,
    .id = ENT_FILTER_ID,
    .encoder_present = 1,
    .decoder_present = 1,
    .set_local = set_local,
    .filter = filter,
};

H5PL_type_t H5PLget_plugin_type(void) { return H5PL_TYPE_FILTER; }
const void *H5PLget_plugin_info(void) { return &entropy_filter; }
