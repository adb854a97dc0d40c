/* hdf5_heap.c - trees of version 2 and the heaps that they lead to in an HDF5 file: where newer versions keep the links of
 * large groups. */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "weights/hdf5.h"

enum { CHECKSUM = ENT_HDF5_SUM, NODE_HEAD = 6 }; /* bytes: mark, version, type */

/* Bytes of numbers up to `most`. */
static unsigned width_of(uint64_t most)
{
    unsigned bytes = 1;
    while (bytes < 8 && most >> 8 * bytes) bytes++;
    return bytes;
}

/* ---- the tree ----------------------------------------------------------------------------------------------- */

enum { MOST_DEPTH = 16 };

typedef struct tree {
    ent_hdf5 *h;
    unsigned type;
    uint64_t node_bytes, record_bytes;
    unsigned count_bytes;                /* of the number of records of a child */
    unsigned total_bytes[MOST_DEPTH + 1]; /* of the number in all below it, by its depth */
    ent_hdf5_record *take;
    void *context;
} tree;

/* The bytes of each pointer follow from what nodes of each depth can hold. */
static bool measure(tree *t, unsigned depth)
{
    uint64_t most = (t->node_bytes - NODE_HEAD - CHECKSUM) / t->record_bytes, total = most;
    t->count_bytes = width_of(most);
    t->total_bytes[0] = 0;
    for (unsigned u = 1; u <= depth; u++) {
        uint64_t pointer = t->h->address_bytes + t->count_bytes + t->total_bytes[u - 1];
        if (t->node_bytes < NODE_HEAD + CHECKSUM + pointer) return false;
        most = (t->node_bytes - NODE_HEAD - CHECKSUM - pointer) / (t->record_bytes + pointer);
        if (__builtin_mul_overflow(total, most + 1, &total) || __builtin_add_overflow(total, most, &total)) return false;
        t->total_bytes[u] = width_of(total);
    }
    return true;
}

static ent_status read_node(const tree *t, uint64_t address, uint64_t records, unsigned depth)
{
    uint64_t pointer = depth ? t->h->address_bytes + t->count_bytes + t->total_bytes[depth - 1] : 0;
    uint64_t size = NODE_HEAD + records * t->record_bytes + (depth ? (records + 1) * pointer : 0);
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(t->h, address, size, "a tree", &c);
    if (status) return status;
    if (!ent_hdf5_mark(&c, depth ? "BTIN" : "BTLF") || ent_hdf5_take(&c, 1) || ent_hdf5_take(&c, 1) != t->type)
        return ent_hdf5_fail(t->h, ENT_ECORRUPT, "no node of a tree at byte %" PRIu64, address);
    if ((status = ent_hdf5_verify(t->h, address, size, "a tree"))) return status;
    const uint8_t *record = c.at;
    ent_hdf5_skip(&c, records * t->record_bytes);
    for (uint64_t i = 0; i <= records && !status; i++) { /* a child, a record, a child, ... */
        if (depth) {
            uint64_t child = ent_hdf5_address(t->h, &c), n = ent_hdf5_take(&c, t->count_bytes);
            ent_hdf5_skip(&c, t->total_bytes[depth - 1]);
            status = read_node(t, child, n, depth - 1);
        }
        if (i < records && !status) status = t->take(t->context, (ent_bytes){ record + i * t->record_bytes, t->record_bytes });
    }
    return status;
}

ent_status ent_hdf5_read_tree(ent_hdf5 *h, uint64_t address, unsigned type, size_t least, ent_hdf5_record *take,
                              void *context)
{
    tree t = { .h = h, .type = type, .take = take, .context = context };
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, address, 16 + h->address_bytes + 2, "a tree", &c);
    if (status) return status;
    bool marked = ent_hdf5_mark(&c, "BTHD") && !ent_hdf5_take(&c, 1) && ent_hdf5_take(&c, 1) == type;
    t.node_bytes = ent_hdf5_take(&c, 4);
    t.record_bytes = ent_hdf5_take(&c, 2);
    unsigned depth = (unsigned)ent_hdf5_take(&c, 2);
    ent_hdf5_skip(&c, 2);
    uint64_t root = ent_hdf5_address(h, &c), records = ent_hdf5_take(&c, 2);
    if (marked && (status = ent_hdf5_verify(h, address, 18u + h->address_bytes + h->length_bytes, "a tree"))) return status;
    if (!marked || t.record_bytes < least || t.node_bytes < NODE_HEAD + CHECKSUM + t.record_bytes || depth > MOST_DEPTH ||
        !measure(&t, depth))
        return ent_hdf5_fail(h, ENT_ECORRUPT, "no tree at byte %" PRIu64, address);
    return records ? read_node(&t, root, records, depth) : ENT_OK;
}

/* ---- the heap ----------------------------------------------------------------------------------------------- */

/* Objects have places in a space that is cut into blocks: rows of `width` blocks of one size, `start` in rows 0 and 1,
 * then twice as much from row to row.  Blocks in rows from direct_rows on are tables of blocks again. */
static uint64_t block_bytes(const ent_hdf5_heap *heap, unsigned row) { return heap->start << (row ? row - 1 : 0); }

enum { MOST_ROWS = 32 }; /* so that all sizes fit 64 bits */

/* Rows of the table that stands for a block of row `row` of its own table, and is as large; 0 for a block of objects. */
static unsigned rows_within(const ent_hdf5_heap *heap, unsigned row)
{
    unsigned rows = row < heap->direct_rows ? 0 : 1;
    while (rows && rows < row && block_bytes(heap, rows) * heap->width < block_bytes(heap, row)) rows++;
    return rows;
}

/* The checksum of a block of objects, in its head, is that of the block with zeros in its place. */
static ent_status check_block(ent_hdf5 *h, const ent_hdf5_heap *heap, uint64_t address, uint64_t size)
{
    size_t place = 5u + h->address_bytes + heap->offset_bytes;
    ent_hdf5_cursor c;
    if (!heap->sums) return ENT_OK;
    if (size < place + CHECKSUM) return ent_hdf5_fail(h, ENT_ECORRUPT, "no heap at byte %" PRIu64, address);
    ent_status status = ent_hdf5_view(h, address, size, "a heap", &c);
    if (status) return status;
    uint8_t *copy = ent_alloc(size);
    if (!copy) return ent_hdf5_fail(h, ENT_ENOMEM, "out of memory");
    memcpy(copy, c.at, size);
    memset(copy + place, 0, CHECKSUM);
    status = ent_hdf5_expect_sum(h, (ent_bytes){ copy, size }, ent_load32(c.at + place), "a heap", address);
    ent_free(copy);
    return status;
}

/* A table of so many rows with all that it leads to, or a block of objects where there are none.  Once, when the heap
 * is opened, since objects are many and blocks are large. */
static ent_status check_table(ent_hdf5 *h, const ent_hdf5_heap *heap, uint64_t address, unsigned rows, uint64_t size)
{
    uint64_t head = 5u + h->address_bytes + heap->offset_bytes, entries = rows * (uint64_t)heap->width;
    ent_hdf5_cursor c;
    if (!rows) return check_block(h, heap, address, size);
    ent_status status = ent_hdf5_verify(h, address, head + entries * h->address_bytes, "a heap");
    if (!status) status = ent_hdf5_view(h, address + head, entries * h->address_bytes, "a heap", &c);
    for (uint64_t i = 0; i < entries && !status; i++) {
        unsigned row = (unsigned)(i / heap->width);
        uint64_t block = ent_hdf5_address(h, &c);
        if (block != UINT64_MAX) status = check_table(h, heap, block, rows_within(heap, row), block_bytes(heap, row));
    }
    return status;
}

ent_status ent_hdf5_open_heap(ent_hdf5 *h, uint64_t address, ent_hdf5_heap *heap)
{
    unsigned a = h->address_bytes, l = h->length_bytes;
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, address, 22 + 12 * (uint64_t)l + 3 * a, "a heap", &c);
    if (status) return status;
    bool marked = ent_hdf5_mark(&c, "FRHP") && !ent_hdf5_take(&c, 1);
    ent_hdf5_skip(&c, 2);
    uint64_t filters = ent_hdf5_take(&c, 2); /* bytes of what says how its blocks are coded */
    heap->filtered = filters;
    heap->sums = ent_hdf5_take(&c, 1) & 2;
    uint64_t largest = ent_hdf5_take(&c, 4); /* object in a block */
    ent_hdf5_skip(&c, 10 * l + 2 * a);       /* free space, sizes and numbers of objects */
    heap->width = (unsigned)ent_hdf5_take(&c, 2);
    heap->start = ent_hdf5_take(&c, l);
    uint64_t direct = ent_hdf5_take(&c, l);
    unsigned bits = (unsigned)ent_hdf5_take(&c, 2);
    ent_hdf5_skip(&c, 2);
    heap->root = ent_hdf5_address(h, &c);
    heap->rows = (unsigned)ent_hdf5_take(&c, 2);
    uint64_t size = 22 + 12 * (uint64_t)l + 3 * a + (filters ? l + 4 + filters : 0);
    if (marked && (status = ent_hdf5_verify(h, address, size, "a heap"))) return status;
    bool powers = heap->start && direct >= heap->start && !(heap->start & (heap->start - 1)) && !(direct & (direct - 1));
    if (!marked || !powers || !heap->width || direct > UINT32_MAX || bits > 64 ||
        heap->rows > MOST_ROWS || heap->start > UINT16_MAX || heap->width > UINT8_MAX)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "no heap at byte %" PRIu64, address);
    unsigned log = 0;
    for (heap->direct_rows = 2; heap->start << (heap->direct_rows - 2) < direct;) heap->direct_rows++;
    while (direct >> log > 1) log++;
    heap->offset_bytes = (bits + 7) / 8;
    heap->size_bytes = (log + 7) / 8;
    if (width_of(largest) < heap->size_bytes) heap->size_bytes = width_of(largest);
    return heap->filtered || heap->root == UINT64_MAX ? ENT_OK : check_table(h, heap, heap->root, heap->rows, heap->start);
}

/* The block that holds byte *at of the space: its address; *at becomes the place in it. */
static ent_status find_block(ent_hdf5 *h, const ent_hdf5_heap *heap, uint64_t *at, uint64_t *address, uint64_t *size)
{
    unsigned rows = heap->rows, head = 5 + h->address_bytes + heap->offset_bytes;
    *address = heap->root;
    *size = heap->start;
    while (rows) { /* a table, of so many rows */
        unsigned row = 0;
        uint64_t before = 0, row_bytes = block_bytes(heap, 0) * heap->width;
        ent_hdf5_cursor c;
        while (row < rows && *at - before >= row_bytes) {
            before += row_bytes;
            row_bytes = block_bytes(heap, ++row) * heap->width;
        }
        *size = block_bytes(heap, row);
        uint64_t entry = row * (uint64_t)heap->width + (*at - before) / *size;
        *at = (*at - before) % *size;
        if (row == rows) return ent_hdf5_fail(h, ENT_ECORRUPT, "a place beyond its heap");
        ent_status status = ent_hdf5_view(h, *address, head, "a heap", &c);
        if (status) return status;
        if (!ent_hdf5_mark(&c, "FHIB")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no heap at byte %" PRIu64, *address);
        status = ent_hdf5_view(h, *address + head + entry * h->address_bytes, h->address_bytes, "a heap", &c);
        if (status) return status;
        *address = ent_hdf5_address(h, &c);
        rows = rows_within(heap, row);
    }
    return ENT_OK;
}

ent_status ent_hdf5_heap_object(ent_hdf5 *h, const ent_hdf5_heap *heap, ent_bytes id, ent_bytes *object)
{
    ent_hdf5_cursor c = ent_hdf5_cursor_of(id);
    unsigned type = (unsigned)ent_hdf5_take(&c, 1) >> 4 & 3;
    uint64_t at = ent_hdf5_take(&c, heap->offset_bytes), size = ent_hdf5_take(&c, heap->size_bytes), address, room;
    if (c.over) return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged place in a heap");
    if (type || heap->filtered)
        return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "a heap that is compressed, or objects in it of over 4 kB, are not read");
    ent_status status = find_block(h, heap, &at, &address, &room);
    if (status) return status;
    if (size > room - at) return ent_hdf5_fail(h, ENT_ECORRUPT, "an object that is larger than its heap's block");
    if ((status = ent_hdf5_view(h, address, 4, "a heap", &c))) return status;
    if (!ent_hdf5_mark(&c, "FHDB")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no heap at byte %" PRIu64, address);
    status = ent_hdf5_view(h, address + at, size, "an object in a heap", &c);
    *object = (ent_bytes){ c.at, size };
    return status;
}
