/* hdf5_index.c - where the chunks of a dataset in an HDF5 file are: trees of version 1, and what the newest format has
 * instead. */
#include <inttypes.h>

#include "weights/hdf5.h"

typedef struct chunk_index {
    ent_hdf5 *h;
    const ent_hdf5_dataset *set;
    ent_hdf5_take_chunk *take;
    void *context;
} chunk_index;

/* A chunk, if it was written: its first element is a corner of the grid, within the shape. */
static ent_status take_chunk(const chunk_index *x, const ent_hdf5_chunk *chunk)
{
    const ent_hdf5_dataset *set = x->set;
    ent_hdf5_cursor bytes;
    bool fits = true;
    if (chunk->address == UINT64_MAX) return ENT_OK;
    for (uint32_t i = 0; i < set->rank; i++)
        fits &= chunk->first[i] < set->shape[i] && chunk->first[i] % set->chunk[i] == 0;
    if (!fits)
        return ent_hdf5_fail(x->h, ENT_ECORRUPT, "the chunk at byte %" PRIu64 " lies outside its shape", chunk->address);
    ent_status status = ent_hdf5_view(x->h, chunk->address, chunk->size, "a chunk", &bytes);
    return status ? status : x->take(x->context, chunk);
}

/* ---- trees of version 1 ------------------------------------------------------------------------------------- */

static ent_status read_node(const chunk_index *x, uint64_t address, unsigned above)
{
    ent_hdf5 *h = x->h;
    unsigned head = 8 + 2 * h->address_bytes, key = 8 + 8 * (x->set->rank + 1);
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, address, head, "a tree of chunks", &c);
    if (status) return status;
    bool marked = ent_hdf5_mark(&c, "TREE") && ent_hdf5_take(&c, 1) == 1;
    unsigned level = (unsigned)ent_hdf5_take(&c, 1), n = (unsigned)ent_hdf5_take(&c, 2);
    if (!marked || level >= above) return ent_hdf5_fail(h, ENT_ECORRUPT, "no tree of chunks at byte %" PRIu64, address);
    status = ent_hdf5_view(h, address + head, (uint64_t)n * (key + h->address_bytes), "a tree of chunks", &c);
    for (unsigned i = 0; i < n && !status; i++) {
        ent_hdf5_chunk chunk = { .size = (uint32_t)ent_hdf5_take(&c, 4), .mask = (uint32_t)ent_hdf5_take(&c, 4) };
        for (uint32_t k = 0; k < x->set->rank; k++) chunk.first[k] = ent_hdf5_take(&c, 8);
        ent_hdf5_skip(&c, 8); /* along the bytes of an element: 0 */
        chunk.address = ent_hdf5_address(h, &c);
        status = level ? read_node(x, chunk.address, level) : take_chunk(x, &chunk);
    }
    return status;
}

static const char what[] = "an array of chunks";

/* ---- one after the other ------------------------------------------------------------------------------------ */

static uint64_t chunks_across(uint64_t size, uint32_t chunk) { return size / chunk + (size % chunk > 0); }

/* The axis along which an array of chunks may grow without end, which is counted last; the rank when there is none. */
static uint32_t growing_axis(const ent_hdf5_dataset *set)
{
    uint32_t axis = 0;
    if (set->index != ENT_HDF5_GROWING_ARRAY) return set->rank;
    while (axis < set->rank && set->most[axis] != UINT64_MAX) axis++;
    return axis;
}

/* Chunk number i of the grid; false: it is one of a shape that the dataset may grow to. */
static bool find_corner(const ent_hdf5_dataset *set, uint64_t i, ent_hdf5_chunk *chunk)
{
    uint32_t grows = growing_axis(set);
    bool within = true;
    for (uint32_t k = set->rank; k-- > 0;) {
        if (k == grows) continue;
        uint64_t across = chunks_across(set->most[k], set->chunk[k]);
        chunk->first[k] = i % across * set->chunk[k];
        within &= chunk->first[k] < set->shape[k];
        i /= across;
    }
    if (grows == set->rank) return within;
    within &= i < chunks_across(set->shape[grows], set->chunk[grows]);
    chunk->first[grows] = within ? i * set->chunk[grows] : 0;
    return within;
}

/* The number of chunks in the grid, as far as it has grown; UINT64_MAX: more than any file has. */
static uint64_t count_chunks(const ent_hdf5_dataset *set)
{
    uint64_t n = 1;
    for (uint32_t k = 0; k < set->rank; k++)
        if (__builtin_mul_overflow(n, chunks_across(k == growing_axis(set) ? set->shape[k] : set->most[k], set->chunk[k]), &n))
            return UINT64_MAX;
    return n;
}

/* All chunks, side by side. */
static ent_status read_implicit(const chunk_index *x)
{
    uint64_t n = count_chunks(x->set);
    ent_status status = n > x->h->bytes.size ? ent_hdf5_fail(x->h, ENT_ECORRUPT, "more chunks than the file has bytes") : ENT_OK;
    for (uint64_t i = 0; i < n && !status; i++) {
        ent_hdf5_chunk chunk = { .address = x->set->address + i * x->set->chunk_bytes, .size = (uint32_t)x->set->chunk_bytes };
        if (find_corner(x->set, i, &chunk)) status = take_chunk(x, &chunk);
    }
    return status;
}

static ent_status read_elements(const chunk_index *x, uint64_t address, uint64_t first, uint64_t n, unsigned bytes, bool filtered)
{
    unsigned size = bytes - x->h->address_bytes - 4; /* of a chunk's size, when it is there */
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(x->h, address, n * bytes, what, &c);
    for (uint64_t i = first; i < first + n && !status; i++) {
        ent_hdf5_chunk chunk = { .address = ent_hdf5_address(x->h, &c), .size = (uint32_t)x->set->chunk_bytes };
        if (filtered) chunk.size = (uint32_t)ent_hdf5_take(&c, size);
        if (filtered) chunk.mask = (uint32_t)ent_hdf5_take(&c, 4);
        if (find_corner(x->set, i, &chunk)) status = take_chunk(x, &chunk);
    }
    return status;
}

/* An array of places, in pages if it is long; pages of which nothing was written are only marked. */
static ent_status read_array(const chunk_index *x)
{
    enum { MOST_PAGE_BITS = 32 };
    ent_hdf5 *h = x->h;
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, x->set->address, 8 + h->length_bytes + h->address_bytes, what, &c);
    if (status) return status;
    bool marked = ent_hdf5_mark(&c, "FAHD") && !ent_hdf5_take(&c, 1), filtered = ent_hdf5_take(&c, 1);
    unsigned bytes = (unsigned)ent_hdf5_take(&c, 1), bits = (unsigned)ent_hdf5_take(&c, 1);
    uint64_t n = ent_hdf5_take(&c, h->length_bytes), block = ent_hdf5_address(h, &c), all = count_chunks(x->set);
    if (marked && (status = ent_hdf5_verify(h, x->set->address, 8u + h->length_bytes + h->address_bytes, what))) return status;
    bool widths = filtered ? bytes > h->address_bytes + 4 && bytes <= h->address_bytes + 12 : bytes == h->address_bytes;
    if (!marked || !widths || bits > MOST_PAGE_BITS || n != all || n > h->bytes.size)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, x->set->address);
    if (block == UINT64_MAX) return ENT_OK;
    uint64_t page = UINT64_C(1) << bits, pages = n > page ? (n + page - 1) / page : 0, head = 6 + h->address_bytes;
    if ((status = ent_hdf5_view(h, block, head + (pages + 7) / 8, what, &c))) return status;
    if (!ent_hdf5_mark(&c, "FADB")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, block);
    ent_hdf5_skip(&c, 2 + h->address_bytes);
    status = ent_hdf5_verify(h, block, head + (pages ? (pages + 7) / 8 : n * bytes), what);
    if (status) return status;
    if (!pages) return read_elements(x, block + head, 0, n, bytes, filtered);
    uint64_t at = block + head + (pages + 7) / 8 + ENT_HDF5_SUM;
    for (uint64_t i = 0; i < pages && !status; i++) {
        uint64_t of = i + 1 < pages ? page : n - i * page;
        if (c.at[i / 8] & 0x80 >> i % 8) {
            status = ent_hdf5_verify(h, at, of * bytes, what);
            if (!status) status = read_elements(x, at, i * page, of, bytes, filtered);
        }
        at += of * bytes + ENT_HDF5_SUM;
    }
    return status;
}

/* ---- arrays that grow ------------------------------------------------------------------------------------------ */

/* The first places are in the index block, the others in data blocks that get longer: those of group u are 2^(u/2) blocks of
 * least * 2^((u+1)/2).  The first groups' addresses are in the index block, the others' in a block each. */
typedef struct growing {
    uint64_t all, done; /* places that there are in use, and those that were passed */
    uint64_t page;      /* places in a page of a long block */
    unsigned bytes, offset; /* of a place, and of an index into the array */
    bool filtered;
    unsigned least, groups, direct;
} growing;

static ent_status read_growing_block(const chunk_index *x, growing *g, uint64_t address, uint64_t places, ent_bytes written,
                                     uint64_t first_page)
{
    ent_hdf5_cursor c;
    uint64_t left = g->all - g->done, head = 6 + x->h->address_bytes + g->offset, first = g->done;
    g->done += places < left ? places : left;
    if (address == UINT64_MAX) return ENT_OK;
    ent_status status = ent_hdf5_view(x->h, address, head, what, &c);
    if (!status && !ent_hdf5_mark(&c, "EADB")) status = ent_hdf5_fail(x->h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, address);
    if (!status) status = ent_hdf5_verify(x->h, address, head + (places <= g->page ? places * g->bytes : 0), what);
    if (!status && places <= g->page) return read_elements(x, address + head, first, g->done - first, g->bytes, g->filtered);
    uint64_t at = address + head + ENT_HDF5_SUM;
    for (uint64_t p = first_page; first < g->done && p / 8 < written.size && !status; p++) {
        uint64_t n = g->done - first < g->page ? g->done - first : g->page;
        if (written.data[p / 8] & 0x80 >> p % 8) {
            status = ent_hdf5_verify(x->h, at, g->page * g->bytes, what);
            if (!status) status = read_elements(x, at, first, n, g->bytes, g->filtered);
        }
        first += g->page;
        at += g->page * g->bytes + ENT_HDF5_SUM;
    }
    return status;
}

/* The blocks of group u, whose addresses are at `c`; of the pages of all of them `written` marks those that are there. */
static ent_status read_group(const chunk_index *x, growing *g, unsigned u, ent_hdf5_cursor *c, ent_bytes written)
{
    uint64_t places = (uint64_t)g->least << (u + 1) / 2, pages = places > g->page ? places / g->page : 0;
    ent_status status = ENT_OK;
    for (uint64_t i = 0; i < UINT64_C(1) << u / 2 && !status && g->done < g->all; i++)
        status = read_growing_block(x, g, ent_hdf5_address(x->h, c), places, written, i * pages);
    return status;
}

static ent_status read_far_group(const chunk_index *x, growing *g, unsigned u, uint64_t address)
{
    ent_hdf5 *h = x->h;
    ent_hdf5_cursor c;
    uint64_t places = (uint64_t)g->least << (u + 1) / 2, blocks = UINT64_C(1) << u / 2, left = g->all - g->done;
    uint64_t marks = places > g->page ? blocks * ((places / g->page + 7) / 8) : 0;
    if (address == UINT64_MAX) {
        uint64_t passed = blocks > left / places ? left : blocks * places;
        g->done += passed;
        return ENT_OK;
    }
    if (blocks > h->bytes.size || marks > h->bytes.size) return ent_hdf5_fail(h, ENT_ECORRUPT, "an array of chunks larger than the file");
    ent_status status = ent_hdf5_view(h, address, 6 + h->address_bytes + g->offset + marks + blocks * h->address_bytes,
                                      what, &c);
    if (status) return status;
    if (!ent_hdf5_mark(&c, "EASB")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, address);
    ent_hdf5_skip(&c, 2 + h->address_bytes + g->offset);
    status = ent_hdf5_verify(h, address, 6 + h->address_bytes + g->offset + marks + blocks * h->address_bytes, what);
    if (status) return status;
    ent_bytes written = { c.at, (size_t)marks };
    ent_hdf5_skip(&c, marks);
    return read_group(x, g, u, &c, written);
}

static ent_status read_growing(const chunk_index *x)
{
    enum { MOST_BITS = 63 };
    ent_hdf5 *h = x->h;
    ent_hdf5_cursor c;
    growing g = { .all = count_chunks(x->set) };
    ent_status status = ent_hdf5_view(h, x->set->address, 12 + 6 * h->length_bytes + h->address_bytes, what, &c);
    if (status) return status;
    bool marked = ent_hdf5_mark(&c, "EAHD") && !ent_hdf5_take(&c, 1);
    g.filtered = ent_hdf5_take(&c, 1);
    g.bytes = (unsigned)ent_hdf5_take(&c, 1);
    unsigned bits = (unsigned)ent_hdf5_take(&c, 1), inside = (unsigned)ent_hdf5_take(&c, 1);
    g.least = (unsigned)ent_hdf5_take(&c, 1);
    unsigned pointers = (unsigned)ent_hdf5_take(&c, 1), page_bits = (unsigned)ent_hdf5_take(&c, 1);
    ent_hdf5_skip(&c, 6 * h->length_bytes);
    uint64_t block = ent_hdf5_address(h, &c);
    if (marked && (status = ent_hdf5_verify(h, x->set->address, 12 + 6u * h->length_bytes + h->address_bytes, what))) return status;
    bool widths = g.filtered ? g.bytes > h->address_bytes + 4 && g.bytes <= h->address_bytes + 12 : g.bytes == h->address_bytes;
    bool powers = g.least && !(g.least & (g.least - 1)) && pointers > 1 && !(pointers & (pointers - 1));
    if (!marked || !widths || !powers || bits > MOST_BITS || page_bits > 32 || growing_axis(x->set) == x->set->rank ||
        g.all == UINT64_MAX || bits < (unsigned)__builtin_ctz(g.least))
        return ent_hdf5_fail(h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, x->set->address);
    if (block == UINT64_MAX) return ENT_OK;
    g.page = UINT64_C(1) << page_bits;
    g.offset = (bits + 7) / 8;
    g.groups = 1 + bits - (unsigned)__builtin_ctz(g.least);
    g.direct = 2 * (unsigned)__builtin_ctz(pointers);
    if (g.direct > g.groups) return ent_hdf5_fail(h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, x->set->address);
    uint64_t head = 6 + h->address_bytes, near = 2 * (uint64_t)(pointers - 1), far = g.groups - g.direct;
    status = ent_hdf5_view(h, block, head + (uint64_t)inside * g.bytes + (near + far) * h->address_bytes, what, &c);
    if (status) return status;
    if (!ent_hdf5_mark(&c, "EAIB")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no array of chunks at byte %" PRIu64, block);
    ent_hdf5_skip(&c, 2 + h->address_bytes + (size_t)inside * g.bytes);
    status = ent_hdf5_verify(h, block, head + (uint64_t)inside * g.bytes + (near + far) * h->address_bytes, what);
    if (status) return status;
    g.done = inside < g.all ? inside : g.all;
    status = read_elements(x, block + head, 0, g.done, g.bytes, g.filtered);
    for (unsigned u = 0; u < g.direct && !status; u++) {
        ent_hdf5_cursor group = c;
        status = read_group(x, &g, u, &group, (ent_bytes){ NULL, 0 });
        ent_hdf5_skip(&c, (size_t)h->address_bytes << u / 2);
    }
    for (unsigned u = g.direct; u < g.groups && !status && g.done < g.all; u++)
        status = read_far_group(x, &g, u, ent_hdf5_address(h, &c));
    return status;
}

/* ---- trees of version 2 ------------------------------------------------------------------------------------- */

enum { PLAIN_CHUNKS = 10, FILTERED_CHUNKS = 11 }; /* types of trees */

static ent_status take_record(void *context, ent_bytes record)
{
    const chunk_index *x = context;
    unsigned fixed = x->h->address_bytes + 8 * x->set->rank;
    ent_hdf5_cursor c = ent_hdf5_cursor_of(record);
    ent_hdf5_chunk chunk = { .address = ent_hdf5_address(x->h, &c), .size = (uint32_t)x->set->chunk_bytes };
    if (x->set->filters) {
        if (record.size < fixed + 4 || record.size > fixed + 12) return ent_hdf5_fail(x->h, ENT_ECORRUPT, "a damaged tree of chunks");
        chunk.size = (uint32_t)ent_hdf5_take(&c, (unsigned)(record.size - fixed - 4));
        chunk.mask = (uint32_t)ent_hdf5_take(&c, 4);
    }
    for (uint32_t k = 0; k < x->set->rank; k++) {
        uint64_t number = ent_hdf5_take(&c, 8);
        if (__builtin_mul_overflow(number, x->set->chunk[k], &chunk.first[k])) chunk.first[k] = UINT64_MAX;
    }
    return take_chunk(x, &chunk);
}

ent_status ent_hdf5_read_chunks(ent_hdf5 *h, const ent_hdf5_dataset *set, ent_hdf5_take_chunk *take, void *context)
{
    enum { HIGHEST_TREE = 64 };
    chunk_index x = { h, set, take, context };
    ent_hdf5_chunk one = { .address = set->address, .size = (uint32_t)set->size, .mask = set->mask };
    if (set->address == UINT64_MAX) return ENT_OK;
    switch (set->index) {
    case ENT_HDF5_OLD_TREE: return read_node(&x, set->address, HIGHEST_TREE);
    case ENT_HDF5_ONE_CHUNK: return take_chunk(&x, &one);
    case ENT_HDF5_IMPLICIT: return read_implicit(&x);
    case ENT_HDF5_ARRAY: return read_array(&x);
    case ENT_HDF5_GROWING_ARRAY: return read_growing(&x);
    default:
        return ent_hdf5_read_tree(h, set->address, set->filters ? FILTERED_CHUNKS : PLAIN_CHUNKS,
                                  h->address_bytes + 8 * (size_t)set->rank, take_record, &x);
    }
}
