/* hdf5_datasets.c - what the messages of a dataset in an HDF5 file say: shape, datatype, layout, filters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/hdf5.h"

/* ---- datatypes ---------------------------------------------------------------------------------------------- */

enum { INTEGERS = 0, FLOATS = 1, BITS = 4, OPAQUE = 5, ENUMERATION = 8 }; /* classes */

static const struct {
    uint32_t bytes, exponent_at, exponent, mantissa, bias;
    const char *dtype;
} floats[] = {
    { 2, 10, 5, 10, 15, "F16" },    { 2, 7, 8, 7, 127, "BF16" },       { 4, 23, 8, 23, 127, "F32" },
    { 8, 52, 11, 52, 1023, "F64" }, { 1, 2, 5, 2, 15, "F8_E5M2" },     { 1, 3, 4, 3, 7, "F8_E4M3" },
};

static const char *float_name(uint32_t bytes, ent_hdf5_cursor c)
{
    ent_hdf5_skip(&c, 4); /* offset and precision: the fields say more */
    uint64_t exponent_at = ent_hdf5_take(&c, 1), exponent = ent_hdf5_take(&c, 1);
    uint64_t mantissa_at = ent_hdf5_take(&c, 1), mantissa = ent_hdf5_take(&c, 1), bias = ent_hdf5_take(&c, 4);
    for (size_t i = 0; i < sizeof floats / sizeof *floats && !mantissa_at; i++)
        if (floats[i].bytes == bytes && floats[i].exponent_at == exponent_at && floats[i].exponent == exponent &&
            floats[i].mantissa == mantissa && floats[i].bias == bias)
            return floats[i].dtype;
    return NULL;
}

static const char *integer_name(uint32_t bytes, bool sign)
{
    static const char *const name[2][4] = { { "U8", "U16", "U32", "U64" }, { "I8", "I16", "I32", "I64" } };
    return bytes == 1 ? name[sign][0] : bytes == 2 ? name[sign][1] : bytes == 4 ? name[sign][2] : name[sign][3];
}

static const char *raw_name(uint32_t bytes)
{
    return bytes == 1 ? "V1" : bytes == 2 ? "V2" : bytes == 4 ? "V4" : "V8";
}

/* h5py's booleans: an enumeration of FALSE and TRUE. */
static bool is_boolean(ent_hdf5_cursor base, uint32_t bytes)
{
    ent_hdf5_skip(&base, 8 + 4); /* what an integer datatype takes */
    return bytes == 1 && ent_hdf5_mark(&base, "FALSE");
}

/* Leaves set->dtype NULL for what is no number of 8 to 64 bits. */
static ent_status read_datatype(const ent_hdf5 *h, ent_bytes message, ent_hdf5_dataset *set, unsigned depth)
{
    ent_hdf5_cursor c = ent_hdf5_cursor_of(message);
    unsigned class = (unsigned)ent_hdf5_take(&c, 1) & 15, flags = (unsigned)ent_hdf5_take(&c, 3);
    uint32_t bytes = (uint32_t)ent_hdf5_take(&c, 4);
    if (c.over || !bytes) return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged datatype");
    if (!depth) set->width = bytes;
    if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || bytes != set->width) return ENT_OK;
    bool swapped = flags & 1 && bytes > 1, sign = flags & 8;
    if (class == ENUMERATION && !depth) {
        ent_status status = read_datatype(h, (ent_bytes){ c.at, (size_t)(c.end - c.at) }, set, 1);
        if (set->dtype && is_boolean(c, bytes)) set->dtype = "BOOL";
        return status;
    }
    if (class == OPAQUE) set->dtype = raw_name(bytes);
    if (class == INTEGERS || class == BITS) set->dtype = integer_name(bytes, sign && class == INTEGERS);
    if (class == FLOATS && !(flags & 64)) set->dtype = float_name(bytes, c); /* bit 6: the order of a VAX */
    if (!set->dtype || class == OPAQUE || !swapped) return ENT_OK;
    snprintf(set->kind, sizeof set->kind, ">%c%u", class == FLOATS ? 'f' : *set->dtype == 'I' ? 'i' : 'u', bytes & 15);
    return ENT_OK;
}

/* ---- shape -------------------------------------------------------------------------------------------------- */

static ent_status read_dataspace(const ent_hdf5 *h, ent_bytes message, ent_hdf5_dataset *set)
{
    enum { NOTHING = 2 }; /* type of an empty dataspace, which is no scalar */
    ent_hdf5_cursor c = ent_hdf5_cursor_of(message);
    unsigned version = (unsigned)ent_hdf5_take(&c, 1);
    set->rank = (uint32_t)ent_hdf5_take(&c, 1);
    unsigned flags = (unsigned)ent_hdf5_take(&c, 1);
    unsigned type = (unsigned)ent_hdf5_take(&c, 1);
    if (version == 1) ent_hdf5_skip(&c, 4);
    if (version < 1 || version > 2 || set->rank > ENT_HDF5_AXES)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged dataspace");
    set->elements = !(version == 2 && type == NOTHING);
    for (uint32_t i = 0; i < set->rank; i++) {
        set->shape[i] = ent_hdf5_take(&c, h->length_bytes);
        if (__builtin_mul_overflow(set->elements, set->shape[i], &set->elements))
            return ent_hdf5_fail(h, ENT_ECORRUPT, "the product of its shape exceeds 64 bits");
    }
    uint64_t bytes;
    for (uint32_t i = 0; i < set->rank; i++) set->most[i] = flags & 1 ? ent_hdf5_take(&c, h->length_bytes) : set->shape[i];
    if (c.over) return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged dataspace");
    if (__builtin_mul_overflow(set->elements, 8 * (uint64_t)set->width, &bytes))
        return ent_hdf5_fail(h, ENT_ECORRUPT, "its size exceeds 64 bits");
    return ENT_OK;
}

/* ---- layout ------------------------------------------------------------------------------------------------- */

/* As many sizes as axes, and the bytes of an element. */
static ent_status read_chunk_shape(const ent_hdf5 *h, ent_hdf5_cursor *c, unsigned axes, unsigned bytes,
                                   ent_hdf5_dataset *set)
{
    set->chunk_bytes = set->width;
    if (axes != set->rank + 1) return ent_hdf5_fail(h, ENT_ECORRUPT, "chunks of another rank than its shape");
    for (uint32_t i = 0; i < set->rank; i++) {
        uint64_t size = ent_hdf5_take(c, bytes);
        set->chunk[i] = (uint32_t)size;
        if (!size || size > UINT32_MAX || __builtin_mul_overflow(set->chunk_bytes, set->chunk[i], &set->chunk_bytes))
            return ent_hdf5_fail(h, ENT_ECORRUPT, "chunks of no size");
    }
    if (ent_hdf5_take(c, bytes) != set->width || c->over || set->chunk_bytes > UINT32_MAX)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout");
    return ENT_OK;
}

/* What the newest format says of chunks: the kind of their index as well. */
static ent_status read_new_chunks(const ent_hdf5 *h, ent_hdf5_cursor c, ent_hdf5_dataset *set)
{
    enum { PLAIN_EDGES = 1, FILTERED = 2 };                       /* flags */
    enum { ONE = 1, IMPLICIT, ARRAY, EXTENSIBLE_ARRAY, TREE };    /* kinds of indexes */
    unsigned flags = (unsigned)ent_hdf5_take(&c, 1), axes = (unsigned)ent_hdf5_take(&c, 1);
    unsigned bytes = (unsigned)ent_hdf5_take(&c, 1);
    if (bytes > 8) return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout");
    ent_status status = read_chunk_shape(h, &c, axes, bytes, set);
    if (status) return status;
    unsigned kind = (unsigned)ent_hdf5_take(&c, 1);
    set->plain_edges = flags & PLAIN_EDGES;
    set->size = set->chunk_bytes;
    switch (kind) {
    case ONE:
        set->index = ENT_HDF5_ONE_CHUNK;
        if (flags & FILTERED) set->size = ent_hdf5_take(&c, h->length_bytes);
        if (flags & FILTERED) set->mask = (uint32_t)ent_hdf5_take(&c, 4);
        break;
    case IMPLICIT: set->index = ENT_HDF5_IMPLICIT; break;
    case ARRAY: set->index = ENT_HDF5_ARRAY, ent_hdf5_skip(&c, 1); break;
    case EXTENSIBLE_ARRAY: set->index = ENT_HDF5_GROWING_ARRAY, ent_hdf5_skip(&c, 5); break;
    case TREE: set->index = ENT_HDF5_NEW_TREE, ent_hdf5_skip(&c, 6); break;
    default: return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout");
    }
    set->address = ent_hdf5_address(h, &c);
    return c.over || set->size > UINT32_MAX ? ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout") : ENT_OK;
}

static ent_status read_layout(const ent_hdf5 *h, ent_bytes message, ent_hdf5_dataset *set)
{
    enum { COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL };
    ent_hdf5_cursor c = ent_hdf5_cursor_of(message);
    unsigned version = (unsigned)ent_hdf5_take(&c, 1), class = (unsigned)ent_hdf5_take(&c, 1), axes;
    if (version == 3 || version == 4) {
        switch (class) {
        case COMPACT:
            set->layout = ENT_HDF5_COMPACT;
            set->size = ent_hdf5_take(&c, 2);
            set->address = (uint64_t)(c.at - h->bytes.data);
            ent_hdf5_skip(&c, set->size);
            return c.over ? ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout") : ENT_OK;
        case CONTIGUOUS:
            set->layout = ENT_HDF5_CONTIGUOUS;
            set->address = ent_hdf5_address(h, &c);
            set->size = ent_hdf5_take(&c, h->length_bytes);
            return c.over ? ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout") : ENT_OK;
        case CHUNKED:
            set->layout = ENT_HDF5_CHUNKED;
            if (version == 4) return read_new_chunks(h, c, set);
            axes = (unsigned)ent_hdf5_take(&c, 1);
            set->address = ent_hdf5_address(h, &c);
            return read_chunk_shape(h, &c, axes, 4, set);
        case VIRTUAL:
            return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "a virtual dataset, made of other files: read those");
        default: return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout");
        }
    }
    return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "a layout of version %u, of HDF5 before 1.6.3 or after 1.14: run "
                         "`h5repack -l CONTI -f NONE FILE NEW` and take the new file", version);
}

/* ---- filters ------------------------------------------------------------------------------------------------ */

static ent_status read_filters(const ent_hdf5 *h, ent_bytes message, ent_hdf5_dataset *set)
{
    enum { RESERVED = 256 }; /* in version 2, filters below it have no name */
    ent_hdf5_cursor c = ent_hdf5_cursor_of(message);
    unsigned version = (unsigned)ent_hdf5_take(&c, 1);
    set->filters = (unsigned)ent_hdf5_take(&c, 1);
    if (version < 1 || version > 2 || set->filters > ENT_HDF5_FILTERS)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "damaged filters");
    if (version == 1) ent_hdf5_skip(&c, 6);
    for (unsigned i = 0; i < set->filters; i++) {
        uint16_t id = (uint16_t)ent_hdf5_take(&c, 2);
        size_t name = version == 1 || id >= RESERVED ? (size_t)ent_hdf5_take(&c, 2) : 0;
        ent_hdf5_skip(&c, 2);
        size_t values = (size_t)ent_hdf5_take(&c, 2);
        ent_hdf5_skip(&c, version == 1 ? (name + 7) / 8 * 8 : name);
        set->filter[i].id = id;
        set->filter[i].value = values ? (uint32_t)ent_hdf5_take(&c, 4) : 0;
        ent_hdf5_skip(&c, 4 * (values ? values - 1 : 0) + (version == 1 && values % 2 ? 4 : 0));
    }
    return c.over ? ent_hdf5_fail(h, ENT_ECORRUPT, "damaged filters") : ENT_OK;
}

/* ---- what is in what was never written ------------------------------------------------------------------------ */

static ent_status read_fill(const ent_hdf5 *h, const ent_hdf5_object *o, ent_hdf5_dataset *set)
{
    ent_hdf5_cursor c = ent_hdf5_cursor_of(o->fill.data ? o->fill : o->old_fill);
    bool defined = o->fill.data || o->old_fill.data;
    if (o->fill.data) {
        unsigned version = (unsigned)ent_hdf5_take(&c, 1), flags = (unsigned)ent_hdf5_take(&c, 1);
        if (version == 3) defined = flags & 32;
        else ent_hdf5_skip(&c, 1), defined = ent_hdf5_take(&c, 1) || version == 1;
    }
    size_t size = defined ? (size_t)ent_hdf5_take(&c, 4) : 0;
    set->fill = (ent_bytes){ c.at, size };
    ent_hdf5_skip(&c, size);
    return c.over || (size && size != set->width) ? ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged fill value") : ENT_OK;
}

ent_status ent_hdf5_read_dataset(ent_hdf5 *h, const ent_hdf5_object *object, ent_hdf5_dataset *set)
{
    *set = (ent_hdf5_dataset){ .rank = 0 };
    if (!object->dataspace.data || !object->datatype.data)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "a dataset without shape or datatype");
    ent_status status = read_datatype(h, object->datatype, set, 0);
    if (status || !set->dtype) return status;
    if (object->bfloat16 && !strcmp(set->dtype, "V2")) set->dtype = "BF16";
    status = read_dataspace(h, object->dataspace, set);
    if (!status && object->external)
        status = ent_hdf5_fail(h, ENT_EUNSUPPORTED, "its bytes are in other files: run `h5repack -l CONTI FILE NEW` and "
                               "take the new file");
    if (!status) status = read_layout(h, object->layout, set);
    if (!status && object->filters.data) status = read_filters(h, object->filters, set);
    if (!status) status = read_fill(h, object, set);
    return status;
}
