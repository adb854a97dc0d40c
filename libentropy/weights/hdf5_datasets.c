/* hdf5_datasets.c - what the messages of a dataset in an HDF5 file say: shape, datatype, layout, filters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/hdf5.h"

/* ---- datatypes ---------------------------------------------------------------------------------------------- */

enum { INTEGERS, FLOATS, TIMES, TEXTS, BITS, OPAQUE, RECORDS, REFERENCES, ENUMERATION, LISTS, ARRAYS, COMPLEX }; /* classes */

static const struct {
    uint32_t bytes, exponent_at, exponent, mantissa, bias;
    const char *dtype;
} floats[] = {
    { 2, 10, 5, 10, 15, "F16" },    { 2, 7, 8, 7, 127, "BF16" },       { 4, 23, 8, 23, 127, "F32" },
    { 8, 52, 11, 52, 1023, "F64" }, { 1, 2, 5, 2, 15, "F8_E5M2" },     { 1, 3, 4, 3, 7, "F8_E4M3" },
};

static const char *float_name(uint32_t bytes, ent_hdf5_cursor *c)
{
    ent_hdf5_skip(c, 4); /* offset and precision: the fields say more */
    uint64_t exponent_at = ent_hdf5_take(c, 1), exponent = ent_hdf5_take(c, 1);
    uint64_t mantissa_at = ent_hdf5_take(c, 1), mantissa = ent_hdf5_take(c, 1), bias = ent_hdf5_take(c, 4);
    for (size_t i = 0; i < sizeof floats / sizeof *floats && !mantissa_at; i++)
        if (floats[i].bytes == bytes && floats[i].exponent_at == exponent_at && floats[i].exponent == exponent &&
            floats[i].mantissa == mantissa && floats[i].bias == bias)
            return floats[i].dtype;
    return NULL;
}

static bool is_word(uint32_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8; }

static const char *integer_name(uint32_t bytes, bool sign)
{
    static const char *const name[2][4] = { { "U8", "U16", "U32", "U64" }, { "I8", "I16", "I32", "I64" } };
    return bytes == 1 ? name[sign][0] : bytes == 2 ? name[sign][1] : bytes == 4 ? name[sign][2] : name[sign][3];
}

static const char *raw_name(uint32_t bytes)
{
    return bytes == 1 ? "V1" : bytes == 2 ? "V2" : bytes == 4 ? "V4" : "V8";
}

typedef struct number { /* a datatype of one number; dtype NULL: of something else */
    const char *dtype;
    char kind[8];
    uint32_t bytes;
} number;

typedef struct head { /* what all datatypes begin with */
    unsigned class, version, flags;
    uint32_t bytes;
} head;

static head take_head(ent_hdf5_cursor *c)
{
    unsigned first = (unsigned)ent_hdf5_take(c, 1);
    head d = { .class = first & 15, .version = first >> 4, .flags = (unsigned)ent_hdf5_take(c, 3) };
    d.bytes = (uint32_t)ent_hdf5_take(c, 4);
    return d;
}

/* Moves past a number of 8 to 64 bits; what is none may not be moved past. */
static number take_number(ent_hdf5_cursor *c)
{
    head d = take_head(c);
    number n = { .bytes = d.bytes };
    bool swapped = d.flags & 1 && d.bytes > 1, sign = d.flags & 8;
    if (!is_word(d.bytes)) return n;
    if (d.class == INTEGERS || d.class == BITS) n.dtype = integer_name(d.bytes, sign && d.class == INTEGERS), ent_hdf5_skip(c, 4);
    if (d.class == FLOATS && !(d.flags & 64)) n.dtype = float_name(d.bytes, c); /* bit 6: the order of a VAX */
    if (n.dtype && swapped) snprintf(n.kind, sizeof n.kind, ">%c%u", d.class == FLOATS ? 'f' : *n.dtype == 'I' ? 'i' : 'u', d.bytes & 15);
    return n;
}

/* h5py's booleans: an enumeration of FALSE and TRUE, whose names follow the datatype of their numbers. */
static number take_enumeration(ent_hdf5_cursor c)
{
    number n = take_number(&c);
    if (n.dtype && n.bytes == 1 && ent_hdf5_mark(&c, "FALSE")) n.dtype = "BOOL";
    return n;
}

/* Moves past a member's name, which older versions fill up to 8 bytes, and its place, to its datatype. */
static uint64_t take_place(ent_hdf5_cursor *c, const head *d)
{
    unsigned width = 1;
    const uint8_t *end = memchr(c->at, 0, (size_t)(c->end - c->at));
    size_t name = end ? (size_t)(end - c->at) + 1 : SIZE_MAX;
    ent_hdf5_skip(c, end && d->version < 3 ? (name + 7) / 8 * 8 : name);
    while (width < 4 && d->bytes >> 8 * width) width++;
    uint64_t place = ent_hdf5_take(c, d->version < 3 ? 4 : width);
    if (d->version == 1) ent_hdf5_skip(c, 28); /* the axes that a member had in itself */
    return place;
}

/* Records of numbers that are all alike, without gaps, are an axis of numbers: so h5py writes complex ones. */
static number take_record(ent_hdf5_cursor c, const head *d, ent_hdf5_dataset *set)
{
    unsigned members = d->flags & 0xffff;
    number first = { .dtype = NULL };
    for (unsigned i = 0; i < members; i++) {
        uint64_t place = take_place(&c, d);
        number n = take_number(&c);
        if (!i) first = n;
        if (c.over || !n.dtype || place != (uint64_t)i * first.bytes || n.dtype != first.dtype || strcmp(n.kind, first.kind) != 0)
            return (number){ .dtype = NULL };
    }
    set->inner[set->inners++] = members;
    return first.bytes * (uint64_t)members == d->bytes ? first : (number){ .dtype = NULL };
}

/* Arrays of numbers as elements have their axes after those of the dataset. */
static number take_array(ent_hdf5_cursor c, const head *d, ent_hdf5_dataset *set)
{
    uint64_t bytes = 1;
    unsigned axes = (unsigned)ent_hdf5_take(&c, 1);
    if (d->version < 3) ent_hdf5_skip(&c, 3);
    if (axes > ENT_HDF5_AXES) return (number){ .dtype = NULL };
    for (unsigned i = 0; i < axes; i++) {
        set->inner[i] = (uint32_t)ent_hdf5_take(&c, 4);
        if (__builtin_mul_overflow(bytes, set->inner[i], &bytes)) return (number){ .dtype = NULL };
    }
    if (d->version < 3) ent_hdf5_skip(&c, 4 * axes); /* the order of the axes, which is always this */
    number n = take_number(&c);
    set->inners = axes;
    return !__builtin_mul_overflow(bytes, n.bytes, &bytes) && bytes == d->bytes ? n : (number){ .dtype = NULL };
}

static ent_hdf5_passed reason_of(const head *d)
{
    enum { OF_CHARACTERS = 1 };
    switch (d->class) {
    case TEXTS: return ENT_HDF5_TEXTS;
    case LISTS: return (d->flags & 15) == OF_CHARACTERS ? ENT_HDF5_TEXTS : ENT_HDF5_LISTS;
    case RECORDS: return ENT_HDF5_RECORDS;
    case REFERENCES: return ENT_HDF5_REFERENCES;
    default: return ENT_HDF5_OTHERS;
    }
}

/* Leaves set->dtype NULL for what are no numbers of 8 to 64 bits. */
static ent_status read_datatype(const ent_hdf5 *h, ent_bytes message, ent_hdf5_dataset *set)
{
    ent_hdf5_cursor c = ent_hdf5_cursor_of(message), whole = c;
    head d = take_head(&c);
    number n = { .bytes = d.bytes };
    if (c.over || !d.bytes) return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged datatype");
    switch (d.class) {
    case INTEGERS: case FLOATS: case BITS: n = take_number(&whole); break;
    case OPAQUE: n.dtype = is_word(d.bytes) ? raw_name(d.bytes) : NULL; break;
    case ENUMERATION: n = take_enumeration(c); break;
    case RECORDS: n = take_record(c, &d, set); break;
    case ARRAYS: n = take_array(c, &d, set); break;
    case COMPLEX: /* of HDF5 2: a number, twice */
        n = take_number(&c);
        set->inner[set->inners++] = 2;
        if (2 * (uint64_t)n.bytes != d.bytes) n.dtype = NULL;
        break;
    default: break;
    }
    set->width = d.bytes;
    set->number = n.bytes;
    set->dtype = n.dtype;
    set->passed = reason_of(&d);
    memcpy(set->kind, n.kind, sizeof n.kind);
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
            return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "a virtual dataset, made of other files: run "
                                 "`h5repack -l CONTI %s NEW` beside them and take the new file", h->file);
        default: return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged layout");
        }
    }
    return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "a layout of version %u, of HDF5 before 1.6.3 or after 1.14: run "
                         "`h5repack -l CONTI -f NONE %s NEW` and take the new file", version, h->file);
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
        set->filter[i].values = (ent_bytes){ c.at, 4 * values };
        ent_hdf5_skip(&c, 4 * (values + (version == 1 && values % 2)));
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
    ent_status status = read_datatype(h, object->datatype, set);
    if (status || !set->dtype) return status;
    if (object->bfloat16 && !strcmp(set->dtype, "V2")) set->dtype = "BF16";
    status = read_dataspace(h, object->dataspace, set);
    if (!status && object->external)
        status = ent_hdf5_fail(h, ENT_EUNSUPPORTED, "its bytes are in other files: run `h5repack -l CONTI %s NEW` beside "
                               "them and take the new file", h->file);
    if (!status) status = read_layout(h, object->layout, set);
    if (!status && object->filters.data) status = read_filters(h, object->filters, set);
    if (!status) status = read_fill(h, object, set);
    return status;
}
