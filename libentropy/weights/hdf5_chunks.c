/* hdf5_chunks.c - what filters made of the chunks of a dataset in an HDF5 file.
 *
 * Filters that are undone: deflate, shuffle and Fletcher-32, which come with HDF5, LZF, which comes with h5py, and one that
 * a layer above may know. */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "weights/hdf5.h"
#include "weights/unpack.h"

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3, FIRST_PLUGIN = 256, LZF = 32000 }; /* numbers of filters */

/* Filters that people have, by name. */
static const char *filter_name(unsigned id)
{
    static const struct {
        unsigned id;
        const char *name;
    } names[] = { { 4, " (szip)" }, { 5, " (n-bit)" }, { 6, " (scale-offset)" }, { 307, " (bzip2)" }, { 32001, " (Blosc)" }, { 32004, " (LZ4)" },
                  { 32008, " (bitshuffle)" }, { 32013, " (ZFP)" }, { 32015, " (Zstandard)" }, { 32017, " (SZ)" }, { 32026, " (Blosc2)" }, { 58481, " (libentropy's)" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].id == id) return names[i].name;
    return "";
}

/* ---- filters ------------------------------------------------------------------------------------------------ */

/* HDF5's: sums of 16-bit words, the first byte the high one. */
static uint32_t fletcher32(ent_bytes data)
{
    uint32_t a = 0, b = 0;
    for (size_t i = 0; i + 1 < data.size; i += 2) {
        a = (a + (uint32_t)(data.data[i] << 8 | data.data[i + 1])) % 65535;
        b = (b + a) % 65535;
    }
    if (data.size % 2) {
        a = (a + (uint32_t)(data.data[data.size - 1] << 8)) % 65535;
        b = (b + a) % 65535;
    }
    return b << 16 | a;
}

/* The checksum as HDF5 wrote it, or as its oldest versions did on little-endian machines.  Sums of 0 and of 65535 are
 * one for the checksum. */
static bool is_fletcher32(ent_bytes data, uint32_t stored)
{
    uint32_t sum = fletcher32(data), low = stored & 0xffff, high = stored >> 16;
    uint32_t swapped = (sum & 0xff00ff) << 8 | (sum >> 8 & 0xff00ff);
    return (high % 65535 << 16 | low % 65535) == sum || stored == swapped;
}

static void unshuffle(ent_bytes in, uint32_t width, uint8_t *out)
{
    size_t n = in.size / width;
    for (size_t b = 0; b < width && n; b++)
        for (size_t i = 0; i < n; i++) out[i * width + b] = in.data[b * n + i];
    if (in.size % width) memcpy(out + n * width, in.data + n * width, in.size % width);
}

/* Lehmann's LZF: a byte below 32 and as many bytes as they are, one more; or the length of a copy in 3 bits, 7 of which says
 * that a byte more follows, and in 13 bits how far back it begins.  Returns the bytes made; SIZE_MAX for what is damaged. */
static size_t expand_lzf(ent_bytes in, uint8_t *out, size_t room)
{
    const uint8_t *p = in.data, *end = in.data + in.size;
    size_t n = 0;
    while (p < end) {
        size_t head = *p++, length = head + 1;
        if (head < 32) {
            if (length > (size_t)(end - p) || length > room - n) return SIZE_MAX;
            memcpy(out + n, p, length);
            p += length;
            n += length;
            continue;
        }
        length = (head >> 5) + 2;
        if (length == 9 && p < end) length += *p++;
        if (p == end) return SIZE_MAX;
        size_t back = ((head & 31) << 8 | *p++) + 1;
        if (back > n || length > room - n) return SIZE_MAX;
        for (size_t i = 0; i < length; i++, n++) out[n] = out[n - back]; /* byte by byte: it may run into itself */
    }
    return n;
}

static struct {
    uint16_t id;
    ent_hdf5_undo *undo; /* NULL: none */
} other;

void ent_hdf5_set_undo(uint16_t id, ent_hdf5_undo *undo)
{
    other.id = id;
    other.undo = undo;
}

typedef struct unpacking {
    ent_hdf5 *h;
    const ent_hdf5_dataset *set;
    uint8_t *out, *scratch[2]; /* of `room` bytes each */
    size_t room;
} unpacking;

static bool is_other(const unpacking *u, unsigned i) { return other.undo && u->set->filter[i].id == other.id; }

static bool has_other(const unpacking *u) /* which may code a chunk in next to nothing */
{
    bool has = false;
    for (unsigned i = 0; i < u->set->filters; i++) has |= is_other(u, i);
    return has;
}

static ent_status undo_other(const unpacking *u, unsigned i, uint8_t *out, ent_bytes *data)
{
    enum { MOST = 256 }; /* parameters, as HDF5 gives out */
    ent_bytes values = u->set->filter[i].values;
    size_t n = values.size / 4 < MOST ? values.size / 4 : MOST, size = u->room;
    uint32_t value[MOST];
    ent_error error = { ENT_OK, "" };
    for (size_t k = 0; k < n; k++) value[k] = ent_load32(values.data + 4 * k);
    ent_status status = other.undo(value, n, *data, out, &size, &error);
    if (status) return ent_hdf5_fail(u->h, status, "a chunk coded by filter %u: %s", other.id, error.text);
    *data = (ent_bytes){ out, size };
    return ENT_OK;
}

/* Undoes filter i of a chunk; `data` comes to be in one of the scratches, or shorter. */
static ent_status undo(const unpacking *u, unsigned i, ent_bytes *data)
{
    uint8_t *out = u->scratch[data->data == u->scratch[0]];
    ent_bytes values = u->set->filter[i].values;
    uint32_t value = values.size ? ent_load32(values.data) : 0;
    if (is_other(u, i)) return undo_other(u, i, out, data);
    switch (u->set->filter[i].id) {
    case DEFLATE: {
        size_t size = u->room;
        ent_status status = ent_inflate(*data, ENT_INFLATE_ZLIB, out, &size);
        if (status == ENT_ENOMEM) return ent_hdf5_fail(u->h, status, "out of memory");
        if (status) return ent_hdf5_fail(u->h, status, "a deflated chunk that cannot be inflated");
        *data = (ent_bytes){ out, size };
        return ENT_OK;
    }
    case LZF: {
        size_t size = expand_lzf(*data, out, u->room);
        if (size == SIZE_MAX) return ent_hdf5_fail(u->h, ENT_ECORRUPT, "a chunk coded by LZF that cannot be expanded");
        *data = (ent_bytes){ out, size };
        return ENT_OK;
    }
    case SHUFFLE:
        if (!value || data->size > u->room) return ent_hdf5_fail(u->h, ENT_ECORRUPT, "a shuffled chunk of a wrong size");
        unshuffle(*data, value, out);
        data->data = out;
        return ENT_OK;
    case FLETCHER32:
        if (data->size < 4) return ent_hdf5_fail(u->h, ENT_ECORRUPT, "a chunk without its checksum");
        data->size -= 4;
        if (!is_fletcher32(*data, ent_load32(data->data + data->size)))
            return ent_hdf5_fail(u->h, ENT_ECORRUPT, "a chunk whose checksum is wrong");
        return ENT_OK;
    default:
        return ent_hdf5_fail(u->h, ENT_EUNSUPPORTED, "chunks coded by filter %u%s; deflate (gzip), LZF, shuffle and Fletcher-32 are "
                             "read: run `h5repack -l CONTI -f NONE %s NEW`%s and take the new file", u->set->filter[i].id,
                             filter_name(u->set->filter[i].id), u->h->file,
                             u->set->filter[i].id >= FIRST_PLUGIN ? ", with the filter's plugin in HDF5_PLUGIN_PATH," : "");
    }
}

/* Copies what of a chunk lies within the shape, a row along the last axis at a time. */
static void place(const unpacking *u, const ent_hdf5_chunk *chunk, const uint8_t *from)
{
    const ent_hdf5_dataset *set = u->set;
    uint32_t last = set->rank - 1;
    uint64_t at[ENT_HDF5_AXES] = { 0 }, left = set->shape[last] - chunk->first[last];
    size_t row = (size_t)(left < set->chunk[last] ? left : set->chunk[last]) * set->width;
    for (;;) {
        uint64_t to = 0, source = 0;
        for (uint32_t i = 0; i < set->rank; i++) {
            to = to * set->shape[i] + chunk->first[i] + at[i];
            source = source * set->chunk[i] + at[i];
        }
        memcpy(u->out + to * set->width, from + source * set->width, row);
        uint32_t axis = last;
        while (axis-- > 0) {
            if (++at[axis] < set->chunk[axis] && chunk->first[axis] + at[axis] < set->shape[axis]) break;
            at[axis] = 0;
        }
        if (axis == UINT32_MAX) return;
    }
}

/* A chunk that goes beyond the shape. */
static bool is_edge(const ent_hdf5_dataset *set, const ent_hdf5_chunk *chunk)
{
    bool edge = false;
    for (uint32_t i = 0; i < set->rank; i++) edge |= set->shape[i] - chunk->first[i] < set->chunk[i];
    return edge;
}

static ent_status unpack_chunk(void *context, const ent_hdf5_chunk *chunk)
{
    unpacking *u = context;
    const ent_hdf5_dataset *set = u->set;
    ent_bytes data = { u->h->bytes.data + chunk->address, chunk->size };
    if (set->chunk_bytes / ENT_INFLATE_MOST > chunk->size && !has_other(u))
        return ent_hdf5_fail(u->h, ENT_ECORRUPT, "a chunk of %" PRIu32 " bytes cannot hold %" PRIu64, chunk->size,
                             set->chunk_bytes);
    if (!u->room) {
        u->room = (size_t)set->chunk_bytes + 4 * ENT_HDF5_FILTERS; /* checksums between filters */
        for (int i = 0; i < 2; i++)
            if (!(u->scratch[i] = ent_alloc(u->room))) return ent_hdf5_fail(u->h, ENT_ENOMEM, "out of memory");
    }
    ent_status status = ENT_OK;
    bool plain = set->plain_edges && is_edge(set, chunk);
    for (unsigned i = set->filters; i-- > 0 && !status;)
        if (!plain && !(chunk->mask >> i & 1)) status = undo(u, i, &data);
    if (!status && data.size != set->chunk_bytes)
        status = ent_hdf5_fail(u->h, ENT_ECORRUPT, "the chunk at byte %" PRIu64 " has %zu bytes, not %" PRIu64, chunk->address,
                               data.size, set->chunk_bytes);
    if (!status) place(u, chunk, data.data);
    return status;
}

ent_status ent_hdf5_unpack(ent_hdf5 *h, const ent_hdf5_dataset *set, uint8_t *out)
{
    unpacking u = { .h = h, .set = set, .out = out };
    for (uint64_t i = 0; i < set->elements && set->fill.size; i++) memcpy(out + i * set->width, set->fill.data, set->width);
    ent_status status = ent_hdf5_read_chunks(h, set, unpack_chunk, &u);
    for (int i = 0; i < 2; i++) ent_free(u.scratch[i]);
    return status;
}
