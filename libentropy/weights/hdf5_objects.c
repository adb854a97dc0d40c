/* hdf5_objects.c - superblock, object headers and groups of an HDF5 file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/hdf5.h"

enum {
    SIGNATURE = 8,
    MOST_BLOCKS = 500, /* of one object header, one leading to the next */
    SHARED = 2,        /* flag of a message: it is somewhere else */
};
static const char signature[] = "\x89HDF\r\n\x1a\n";

enum message { /* their numbers in the file */
    DATASPACE = 0x01,
    LINK_INFO = 0x02,
    DATATYPE = 0x03,
    OLD_FILL = 0x04,
    FILL = 0x05,
    LINK = 0x06,
    EXTERNAL_FILES = 0x07,
    LAYOUT = 0x08,
    FILTERS = 0x0b,
    ATTRIBUTE = 0x0c,
    CONTINUATION = 0x10,
    SYMBOL_TABLE = 0x11,
};

/* ---- the superblock ----------------------------------------------------------------------------------------- */

uint64_t ent_hdf5_signature(ent_bytes file)
{
    for (uint64_t at = 0; at + SIGNATURE <= file.size; at = at ? 2 * at : 512)
        if (!memcmp(file.data + at, signature, SIGNATURE)) return at;
    return UINT64_MAX;
}

static ent_status check_header(ent_hdf5 *h, uint64_t address);

static bool is_width(unsigned bytes) { return bytes == 2 || bytes == 4 || bytes == 8; }

ent_status ent_hdf5_open(ent_hdf5 *h, ent_bytes file, const char *name, ent_error *error)
{
    enum { WRITING = 1, WRITING_FOR_READERS = 4 }; /* flags */
    uint64_t start = ent_hdf5_signature(file);
    *h = (ent_hdf5){ .file = name, .bytes = file, .left = 16 * (uint64_t)file.size + (1 << 16), .error = error };
    if (start == UINT64_MAX) return ent_hdf5_fail(h, ENT_ECORRUPT, "no HDF5 file: its signature is missing");
    ent_hdf5_cursor c = ent_hdf5_cursor_of((ent_bytes){ file.data + start, file.size - start });
    ent_hdf5_skip(&c, SIGNATURE);
    unsigned version = (unsigned)ent_hdf5_take(&c, 1);
    if (version > 3)
        return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "version %u of HDF5's superblock; 0 to 3 are read", version);
    if (version < 2) ent_hdf5_skip(&c, 4);
    h->address_bytes = (unsigned)ent_hdf5_take(&c, 1);
    h->length_bytes = (unsigned)ent_hdf5_take(&c, 1);
    if (!c.over && (!is_width(h->address_bytes) || !is_width(h->length_bytes)))
        return ent_hdf5_fail(h, ENT_ECORRUPT, "its superblock, at byte %" PRIu64 ", has addresses of %u bytes", start,
                             h->address_bytes);
    unsigned flags = version < 2 ? 0 : (unsigned)ent_hdf5_take(&c, 1);
    ent_hdf5_skip(&c, version == 0 ? 9 : version == 1 ? 13 : 0);
    if (c.over) return ent_hdf5_fail(h, ENT_ECORRUPT, "cut short in its superblock, at byte %" PRIu64, start);
    uint64_t base = ent_hdf5_address(h, &c);
    uint64_t extension = ent_hdf5_address(h, &c); /* in versions 0 and 1: free space */
    uint64_t end = ent_hdf5_address(h, &c) - base; /* bytes put before the file later do not count */
    if (version < 2) ent_hdf5_skip(&c, 2 * h->address_bytes); /* the driver, the root's place in its own names */
    h->root = ent_hdf5_address(h, &c);
    if (c.over) return ent_hdf5_fail(h, ENT_ECORRUPT, "cut short in its superblock, at byte %" PRIu64, start);
    h->bytes = (ent_bytes){ file.data + start, file.size - start };
    ent_status status = version < 2 ? ENT_OK : ent_hdf5_verify(h, 0, 12 + 4 * h->address_bytes, "its superblock");
    if (status) return status;
    if (version == 3 && flags & (WRITING | WRITING_FOR_READERS))
        return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "a program still writes it, or was killed when it did: wait for it, or run "
                             "`h5clear -s %s`", h->file);
    if (end > h->bytes.size)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "%zu bytes where its superblock says %" PRIu64 ": cut short", h->bytes.size, end);
    return version < 2 || extension == UINT64_MAX ? ENT_OK : check_header(h, extension);
}

/* ---- object headers ----------------------------------------------------------------------------------------- */

typedef ent_status take_message(void *context, unsigned type, ent_bytes data);

typedef struct header { /* of an object being read */
    ent_hdf5 *h;
    unsigned version, flags, blocks;
    take_message *take;
    void *context;
} header;

static ent_status read_header(ent_hdf5 *h, uint64_t address, take_message *take, void *context, bool shared);

/* A datatype that has a name of its own is the datatype of that object. */
static ent_status follow_shared(header *r, unsigned type, ent_hdf5_cursor c)
{
    unsigned version = (unsigned)ent_hdf5_take(&c, 1), kind = (unsigned)ent_hdf5_take(&c, 1);
    if (version == 1) ent_hdf5_skip(&c, 6);
    if (type != DATATYPE || (version == 3 && kind == 1))
        return ent_hdf5_fail(r->h, ENT_EUNSUPPORTED, "parts of it are in a table of shared messages: run "
                             "`h5repack %s NEW` and take the new file", r->h->file);
    return read_header(r->h, ent_hdf5_address(r->h, &c), r->take, r->context, true);
}

static ent_status read_block(header *r, ent_hdf5_cursor c);

static ent_status read_continuation(header *r, ent_hdf5_cursor c)
{
    uint64_t address = ent_hdf5_address(r->h, &c), size = ent_hdf5_take(&c, r->h->length_bytes);
    if (++r->blocks > MOST_BLOCKS) return ent_hdf5_fail(r->h, ENT_ECORRUPT, "an object header of over %d blocks", MOST_BLOCKS);
    ent_status status = ent_hdf5_view(r->h, address, size, "an object header", &c);
    if (status) return status;
    if (r->version == 1) return read_block(r, c);
    if (!ent_hdf5_mark(&c, "OCHK") || c.end - c.at < ENT_HDF5_SUM)
        return ent_hdf5_fail(r->h, ENT_ECORRUPT, "no block of an object header at byte %" PRIu64, address);
    c.end -= ENT_HDF5_SUM;
    status = ent_hdf5_verify(r->h, address, size - ENT_HDF5_SUM, "an object header");
    return status ? status : read_block(r, c);
}

/* Messages up to the end; what is less than the head of one is padding. */
static ent_status read_block(header *r, ent_hdf5_cursor c)
{
    size_t head = r->version == 1 ? 8 : r->flags & 4 ? 6 : 4;
    ent_status status = ENT_OK;
    while ((size_t)(c.end - c.at) >= head && !status) {
        unsigned type = (unsigned)ent_hdf5_take(&c, r->version == 1 ? 2 : 1);
        size_t size = (size_t)ent_hdf5_take(&c, 2);
        unsigned flags = (unsigned)ent_hdf5_take(&c, 1);
        ent_hdf5_skip(&c, head - (r->version == 1 ? 5 : 4));
        ent_bytes data = { c.at, size };
        ent_hdf5_skip(&c, size);
        if (c.over) return ent_hdf5_fail(r->h, ENT_ECORRUPT, "a message that is longer than its object header");
        bool wanted = type == DATASPACE || type == DATATYPE || type == FILL || type == FILTERS;
        if (type == CONTINUATION) status = read_continuation(r, ent_hdf5_cursor_of(data));
        else if (!(flags & SHARED)) status = r->take(r->context, type, data);
        else if (wanted) status = follow_shared(r, type, ent_hdf5_cursor_of(data));
    }
    return status;
}

/* Only the datatype of a shared one's own object. */
typedef struct datatype_only {
    take_message *take;
    void *context;
} datatype_only;

static ent_status take_datatype(void *context, unsigned type, ent_bytes data)
{
    const datatype_only *only = context;
    return type == DATATYPE ? only->take(only->context, type, data) : ENT_OK;
}

static ent_status read_header(ent_hdf5 *h, uint64_t address, take_message *take, void *context, bool shared)
{
    datatype_only only = { take, context };
    header r = { .h = h, .version = 1, .take = shared ? take_datatype : take, .context = shared ? &only : context };
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, address, 16, "an object header", &c);
    if (status) return status;
    if (ent_hdf5_mark(&c, "OHDR")) r.version = 2;
    unsigned version = (unsigned)ent_hdf5_take(&c, 1);
    size_t prefix = 16, size;
    if (version != r.version || (shared && take == take_datatype))
        return ent_hdf5_fail(h, ENT_ECORRUPT, "no object header at byte %" PRIu64, address);
    if (version == 1) {
        ent_hdf5_skip(&c, 7); /* reserved, number of messages, number of links */
        size = (size_t)ent_hdf5_take(&c, 4);
    } else {
        r.flags = (unsigned)ent_hdf5_take(&c, 1);
        size_t before = 6u + (r.flags & 32 ? 16u : 0u) + (r.flags & 16 ? 4u : 0u), width = (size_t)1 << (r.flags & 3);
        if ((status = ent_hdf5_view(h, address, before + width, "an object header", &c))) return status;
        ent_hdf5_skip(&c, before);
        size = (size_t)ent_hdf5_take(&c, (unsigned)width);
        prefix = before + width;
    }
    status = ent_hdf5_view(h, address + prefix, size, "an object header", &c);
    if (!status && version == 2) status = ent_hdf5_verify(h, address, prefix + size, "an object header");
    return status ? status : read_block(&r, c);
}

static ent_status ignore(void *context, unsigned type, ent_bytes data)
{
    (void)context, (void)type, (void)data;
    return ENT_OK;
}

static ent_status check_header(ent_hdf5 *h, uint64_t address) { return read_header(h, address, ignore, NULL, false); }

/* ---- attributes --------------------------------------------------------------------------------------------- */

/* The text that a string of variable length refers to: in a heap of the file, by number. */
static ent_status read_heap_text(ent_hdf5 *h, ent_hdf5_cursor c, ent_bytes *text)
{
    uint64_t length = ent_hdf5_take(&c, 4), address = ent_hdf5_address(h, &c), number = ent_hdf5_take(&c, 4);
    *text = (ent_bytes){ NULL, 0 };
    if (c.over || address == UINT64_MAX) return ENT_OK;
    ent_status status = ent_hdf5_view(h, address, 8 + h->length_bytes, "a heap", &c);
    if (status) return status;
    if (!ent_hdf5_mark(&c, "GCOL")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no heap at byte %" PRIu64, address);
    for (uint64_t at = address + 8 + h->length_bytes, found = 1; found;) {
        if ((status = ent_hdf5_view(h, at, 8 + h->length_bytes, "a heap", &c))) return status;
        found = ent_hdf5_take(&c, 2);
        ent_hdf5_skip(&c, 6);
        uint64_t size = ent_hdf5_take(&c, h->length_bytes);
        at += 8 + h->length_bytes;
        if (found == number) {
            *text = (ent_bytes){ c.at, length < size ? length : size };
            return ent_hdf5_view(h, at, text->size, "a text in a heap", &c);
        }
        if (size > h->bytes.size) break;
        at += (size + 7) / 8 * 8;
    }
    return ENT_OK;
}

/* Keras says by an attribute what its words of 2 bytes are: dtype = "bfloat16". */
static ent_status read_attribute(ent_hdf5 *h, ent_bytes data, bool *bfloat16)
{
    static const char name[] = "dtype", value[] = "bfloat16";
    enum { STRINGS = 3, VARIABLE = 9 }; /* classes of datatypes */
    ent_hdf5_cursor c = ent_hdf5_cursor_of(data);
    unsigned version = (unsigned)ent_hdf5_take(&c, 1), whole = version == 1 ? 8 : 1;
    ent_hdf5_skip(&c, 1);
    size_t size[3];
    for (int i = 0; i < 3; i++) size[i] = (size_t)ent_hdf5_take(&c, 2);
    ent_hdf5_skip(&c, version == 3);
    const uint8_t *part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = c.at;
        ent_hdf5_skip(&c, (size[i] + whole - 1) / whole * whole);
    }
    if (c.over || size[0] != sizeof name || memcmp(part[0], name, sizeof name) != 0 || !size[1]) return ENT_OK;
    ent_bytes text = { c.at, (size_t)(c.end - c.at) };
    unsigned kind = part[1][0] & 15u;
    if (kind == VARIABLE) {
        ent_status status = read_heap_text(h, c, &text);
        if (status) return status;
    }
    *bfloat16 = (kind == VARIABLE || kind == STRINGS) && text.size >= sizeof value - 1 &&
                !memcmp(text.data, value, sizeof value - 1);
    return ENT_OK;
}

/* ---- objects ------------------------------------------------------------------------------------------------ */

typedef struct collecting {
    ent_hdf5 *h;
    ent_hdf5_object *object;
} collecting;

static ent_status collect(void *context, unsigned type, ent_bytes data)
{
    const collecting *c = context;
    ent_hdf5_object *o = c->object;
    switch (type) {
    case DATASPACE: o->dataspace = data; break;
    case DATATYPE: o->datatype = data; break;
    case LAYOUT: o->layout = data; break;
    case FILTERS: o->filters = data; break;
    case FILL: o->fill = data; break;
    case OLD_FILL: o->old_fill = data; break;
    case SYMBOL_TABLE: o->symbols = data; break;
    case LINK_INFO: o->links = data; break;
    case LINK: o->has_links = true; break;
    case EXTERNAL_FILES: o->external = true; break;
    case ATTRIBUTE: return read_attribute(c->h, data, &o->bfloat16);
    default: break;
    }
    return ENT_OK;
}

ent_status ent_hdf5_read_object(ent_hdf5 *h, uint64_t address, ent_hdf5_object *object)
{
    collecting c = { h, object };
    *object = (ent_hdf5_object){ .has_links = false };
    return read_header(h, address, collect, &c, false);
}

/* ---- groups: links in the object header ----------------------------------------------------------------------- */

typedef struct linking {
    ent_hdf5 *h;
    ent_hdf5_link *link;
    void *context;
} linking;

static ent_status leaves(const ent_hdf5 *h, ent_bytes name)
{
    char text[100];
    snprintf(text, sizeof text, "%.*s", (int)(name.size < 99 ? name.size : 99), (const char *)name.data);
    return ent_hdf5_fail(h, ENT_EUNSUPPORTED, "link %s leads to another file: read that file", ent_quote(text).text);
}

static ent_status take_link(void *context, unsigned type, ent_bytes data)
{
    enum { HARD = 0, SOFT = 1, EXTERNAL = 64 };
    const linking *l = context;
    ent_hdf5_cursor c = ent_hdf5_cursor_of(data);
    if (type != LINK) return ENT_OK;
    unsigned version = (unsigned)ent_hdf5_take(&c, 1), flags = (unsigned)ent_hdf5_take(&c, 1);
    unsigned kind = flags & 8 ? (unsigned)ent_hdf5_take(&c, 1) : HARD;
    ent_hdf5_skip(&c, (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0)); /* order of creation, character set */
    size_t size = (size_t)ent_hdf5_take(&c, 1u << (flags & 3));
    ent_bytes name = { c.at, size };
    ent_hdf5_skip(&c, size);
    uint64_t address = kind == HARD ? ent_hdf5_address(l->h, &c) : 0;
    if (version != 1 || c.over || !size) return ent_hdf5_fail(l->h, ENT_ECORRUPT, "a damaged link");
    if (kind == EXTERNAL) return leaves(l->h, name);
    return kind == HARD ? l->link(l->context, name, address) : ENT_OK; /* a soft link is another name */
}

/* ---- groups: links in a heap ---------------------------------------------------------------------------------- */

enum { NAMES = 5, HASH = 4 }; /* type of a tree of links by name; bytes of a record before the place in the heap */

typedef struct many_links {
    linking *to;
    ent_hdf5_heap heap;
} many_links;

static ent_status take_record(void *context, ent_bytes record)
{
    const many_links *m = context;
    ent_bytes link;
    ent_status status = ent_hdf5_heap_object(m->to->h, &m->heap, (ent_bytes){ record.data + HASH, record.size - HASH }, &link);
    return status ? status : take_link(m->to, LINK, link);
}

/* ---- groups: symbol tables ---------------------------------------------------------------------------------- */

typedef struct symbols {
    const linking *to;
    ent_bytes names; /* of the local heap, what there is of it */
} symbols;

static ent_status find_names(ent_hdf5 *h, uint64_t heap, ent_bytes *names)
{
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, heap, 8 + 2 * h->length_bytes + h->address_bytes, "a heap of names", &c);
    if (status) return status;
    if (!ent_hdf5_mark(&c, "HEAP")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no heap of names at byte %" PRIu64, heap);
    ent_hdf5_skip(&c, 4);
    uint64_t size = ent_hdf5_take(&c, h->length_bytes);
    ent_hdf5_skip(&c, h->length_bytes);
    uint64_t address = ent_hdf5_address(h, &c);
    if (address > h->bytes.size || size > h->bytes.size - address)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "the heap of names at byte %" PRIu64 " ends beyond the file", heap);
    *names = (ent_bytes){ h->bytes.data + address, size };
    return ENT_OK;
}

static ent_status read_symbols(const symbols *s, uint64_t address)
{
    ent_hdf5 *h = s->to->h;
    unsigned entry = 2 * h->address_bytes + 24;
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, address, 8, "a symbol table", &c);
    if (status) return status;
    if (!ent_hdf5_mark(&c, "SNOD")) return ent_hdf5_fail(h, ENT_ECORRUPT, "no symbol table at byte %" PRIu64, address);
    ent_hdf5_skip(&c, 2);
    unsigned n = (unsigned)ent_hdf5_take(&c, 2);
    status = ent_hdf5_view(h, address + 8, (uint64_t)n * entry, "a symbol table", &c);
    for (unsigned i = 0; i < n && !status; i++) {
        uint64_t name = ent_hdf5_take(&c, h->address_bytes), object = ent_hdf5_address(h, &c);
        bool soft = ent_hdf5_take(&c, 4) == 2;
        ent_hdf5_skip(&c, 20);
        size_t most = name < s->names.size ? s->names.size - name : 0;
        const uint8_t *text = most ? s->names.data + name : NULL;
        const uint8_t *end = most ? memchr(text, 0, most < ENT_HDF5_NAME ? most : ENT_HDF5_NAME) : NULL;
        if (!end)
            return ent_hdf5_fail(h, ENT_ECORRUPT, "a name that does not end, in the symbol table at byte %" PRIu64, address);
        if (!soft) status = s->to->link(s->to->context, (ent_bytes){ text, (size_t)(end - text) }, object);
    }
    return status;
}

/* A node of the tree; its children are `level` or more above the symbol tables. */
static ent_status read_tree(const symbols *s, uint64_t address, unsigned above)
{
    ent_hdf5 *h = s->to->h;
    unsigned head = 8 + 2 * h->address_bytes;
    ent_hdf5_cursor c;
    ent_status status = ent_hdf5_view(h, address, head, "a tree of names", &c);
    if (status) return status;
    bool tree = ent_hdf5_mark(&c, "TREE") && !ent_hdf5_take(&c, 1);
    unsigned level = (unsigned)ent_hdf5_take(&c, 1), n = (unsigned)ent_hdf5_take(&c, 2);
    if (!tree || level >= above) return ent_hdf5_fail(h, ENT_ECORRUPT, "no tree of names at byte %" PRIu64, address);
    status = ent_hdf5_view(h, address + head, (uint64_t)n * (h->length_bytes + h->address_bytes), "a tree of names", &c);
    for (unsigned i = 0; i < n && !status; i++) {
        ent_hdf5_skip(&c, h->length_bytes); /* the least name: not needed to read all */
        uint64_t child = ent_hdf5_address(h, &c);
        status = level ? read_tree(s, child, level) : read_symbols(s, child);
    }
    return status;
}

ent_status ent_hdf5_read_links(ent_hdf5 *h, uint64_t address, const ent_hdf5_object *group, ent_hdf5_link *link,
                               void *context)
{
    enum { HIGHEST_TREE = 64 };
    linking l = { h, link, context };
    if (group->symbols.data) {
        ent_hdf5_cursor c = ent_hdf5_cursor_of(group->symbols);
        uint64_t tree = ent_hdf5_address(h, &c), heap = ent_hdf5_address(h, &c);
        symbols s = { .to = &l };
        if (c.over) return ent_hdf5_fail(h, ENT_ECORRUPT, "a damaged group");
        ent_status status = find_names(h, heap, &s.names);
        return status ? status : read_tree(&s, tree, HIGHEST_TREE);
    }
    ent_hdf5_cursor c = ent_hdf5_cursor_of(group->links);
    ent_hdf5_skip(&c, 1);
    ent_hdf5_skip(&c, ent_hdf5_take(&c, 1) & 1 ? 8 : 0); /* order of creation */
    uint64_t heap = ent_hdf5_address(h, &c), tree = ent_hdf5_address(h, &c);
    if (c.over || heap == UINT64_MAX) return read_header(h, address, take_link, &l, false);
    many_links many = { .to = &l };
    ent_status status = ent_hdf5_open_heap(h, heap, &many.heap);
    return status ? status : ent_hdf5_read_tree(h, tree, NAMES, HASH, take_record, &many);
}

/* ---- ours ----------------------------------------------------------------------------------------------------- */

typedef struct looking {
    const char *name;
    bool found;
} looking;

static ent_status look(void *context, ent_bytes name, uint64_t address)
{
    looking *l = context;
    (void)address;
    if (name.size == strlen(l->name) && !memcmp(name.data, l->name, name.size)) l->found = true;
    return ENT_OK;
}

bool ent_hdf5_has(ent_bytes file, const char *name)
{
    ent_hdf5 h;
    ent_hdf5_object root;
    looking l = { name, false };
    return !ent_hdf5_open(&h, file, "", NULL) && !ent_hdf5_read_object(&h, h.root, &root) &&
           !ent_hdf5_read_links(&h, h.root, &root, look, &l) && l.found;
}

bool ent_hdf5_is_ours(ent_bytes file)
{
    enum { OLDEST_SUPERBLOCK = 2 }; /* the first with checksums */
    return file.size > SIGNATURE && !memcmp(file.data, signature, SIGNATURE) && file.data[SIGNATURE] >= OLDEST_SUPERBLOCK &&
           ent_hdf5_has(file, "index") &&
           (ent_hdf5_has(file, "counts") || (ent_hdf5_has(file, "files") && ent_hdf5_has(file, "tensors")));
}
