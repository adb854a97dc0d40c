/* zip.c - reads the directory of a zip archive, ZIP64 included.
 *
 * Written here because libraries do not say where the bytes of a member lie, and tensors are views into the mapped
 * file.  The end record tells where the directory is; each of its entries tells where a local header is, after
 * which the data follow (PKWARE's APPNOTE, 4.3).  Sums (CRC-32) are checked of what is
 * inflated alone: PyTorch may leave them out. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bits.h"
#include "weights/unpack.h"
#include "weights/zip.h"

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    MOST_COMMENT = 65535,
    MOST_NAME = 1000,
    ENCRYPTED = 1,
    SIZES_FOLLOW = 8, /* flags */
};
static const uint32_t end_mark = 0x06054b50, end64_mark = 0x06064b50, locator_mark = 0x07064b50,
                      entry_mark = 0x02014b50, local_mark = 0x04034b50;

typedef struct directory { /* where the entries are */
    uint64_t offset, size, entries;
} directory;

/* ---- the end record --------------------------------------------------------------------------------------- */

/* The place of the end record: nothing but its comment follows.  UINT64_MAX: there is none. */
static uint64_t find_end(ent_bytes file)
{
    uint64_t last = file.size < END_BYTES ? 0 : file.size - END_BYTES;
    uint64_t first = last > MOST_COMMENT ? last - MOST_COMMENT : 0;
    for (uint64_t at = last + 1; file.size >= END_BYTES && at-- > first;)
        if (ent_load32(file.data + at) == end_mark && ent_load16(file.data + at + 20) == last - at) return at;
    return UINT64_MAX;
}

/* NULL, or what is wrong. */
static const char *find_directory(ent_bytes file, directory *d)
{
    uint64_t end = find_end(file), limit = end;
    if (end == UINT64_MAX) return "no end of the zip directory: cut short";
    const uint8_t *e = file.data + end;
    if (ent_load16(e + 4) || ent_load16(e + 6)) return "one of several volumes of a zip archive";
    *d = (directory){ ent_load32(e + 16), ent_load32(e + 12), ent_load16(e + 10) };
    bool located = end >= LOCATOR_BYTES && ent_load32(e - LOCATOR_BYTES) == locator_mark;
    if (!located && (d->offset == UINT32_MAX || d->size == UINT32_MAX || d->entries == UINT16_MAX))
        return "no ZIP64 locator";
    if (located) {
        limit = ent_load64(e - LOCATOR_BYTES + 8);
        if (end < END64_BYTES || limit > end - END64_BYTES || ent_load32(file.data + limit) != end64_mark)
            return "no ZIP64 end record where its locator says";
        e = file.data + limit;
        *d = (directory){ ent_load64(e + 48), ent_load64(e + 40), ent_load64(e + 32) };
    }
    if (d->size > limit || d->offset != limit - d->size)
        return "its directory is not where its end record says: bytes before or inside the archive";
    if (d->entries > d->size / ENTRY_BYTES) return "more members than its directory has room for";
    return NULL;
}

/* ---- entries ------------------------------------------------------------------------------------------------ */

typedef struct entry { /* as in the directory */
    ent_bytes name, extra;
    uint16_t flags, method;
    ent_zip_member member;
} entry;

/* Takes the next entry off `left`; false when it does not fit. */
static bool next_entry(ent_bytes *left, entry *e)
{
    const uint8_t *p = left->data;
    if (left->size < ENTRY_BYTES || ent_load32(p) != entry_mark) return false;
    size_t name = ent_load16(p + 28), extra = ent_load16(p + 30),
           size = ENTRY_BYTES + name + extra + ent_load16(p + 32);
    if (size > left->size) return false;
    *e = (entry){ { p + ENTRY_BYTES, name },
                  { p + ENTRY_BYTES + name, extra },
                  ent_load16(p + 8),
                  ent_load16(p + 10),
                  { .stored = ent_load32(p + 20),
                    .size = ent_load32(p + 24),
                    .header = ent_load32(p + 42),
                    .sum = ent_load32(p + 16) } };
    left->data += size;
    left->size -= size;
    return true;
}

/* Sizes and places that 32 bits do not hold are in the extra field of number 1, in this order. */
static bool read_zip64(entry *e)
{
    uint64_t *const value[] = { &e->member.size, &e->member.stored, &e->member.header };
    ent_bytes x = e->extra;
    while (x.size >= 4 && ent_load16(x.data) != 1) {
        size_t size = 4 + (size_t)ent_load16(x.data + 2);
        if (size > x.size) return false;
        x.data += size;
        x.size -= size;
    }
    size_t at = 4, end = x.size >= 4 ? 4 + (size_t)ent_load16(x.data + 2) : 0;
    for (int i = 0; i < 3; i++) {
        if (*value[i] != UINT32_MAX) continue;
        if (end > x.size || at + 8 > end) return false;
        *value[i] = ent_load64(x.data + at);
        at += 8;
    }
    return true;
}

typedef struct reading {
    ent_zip *zip;
    ent_weights *model;
    directory where;
    ent_error *error;
} reading;

ENT_PRINTF(2, 3) static ent_status bad(const reading *r, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ent_fail(r->error, ENT_ECORRUPT, "%s: %s", r->zip->file->name, text);
}

/* Plain text, and nowhere but below the archive. */
static bool safe_name(ent_bytes name)
{
    if (!name.size || name.size > MOST_NAME || name.data[0] == '/' || memchr(name.data, 0, name.size) ||
        memchr(name.data, '\\', name.size))
        return false;
    for (size_t i = 0; i + 1 < name.size; i++)
        if (name.data[i] == '.' && name.data[i + 1] == '.' && (i == 0 || name.data[i - 1] == '/') &&
            (i + 2 == name.size || name.data[i + 2] == '/'))
            return false;
    return true;
}

/* The local header agrees with the entry; the data follow it and end before the directory. */
static ent_status find_data(const reading *r, const entry *e, ent_zip_member *m)
{
    ent_bytes file = r->zip->file->bytes;
    if (r->where.offset < LOCAL_BYTES || m->header > r->where.offset - LOCAL_BYTES ||
        ent_load32(file.data + m->header) != local_mark)
        return bad(r, "member %s: no local header at byte %" PRIu64, ent_quote(m->name).text, m->header);
    const uint8_t *p = file.data + m->header;
    size_t name = ent_load16(p + 26), extra = ent_load16(p + 28);
    m->offset = m->header + LOCAL_BYTES + name + extra;
    if (m->offset > r->where.offset || m->stored > r->where.offset - m->offset)
        return bad(r, "member %s: its %" PRIu64 " bytes do not end before the directory", ent_quote(m->name).text,
                   m->stored);
    if (name != e->name.size || memcmp(p + LOCAL_BYTES, e->name.data, name) != 0 || ent_load16(p + 8) != e->method)
        return bad(r, "member %s: its header at byte %" PRIu64 " disagrees with the directory", ent_quote(m->name).text,
                   m->header);
    uint32_t stored = ent_load32(p + 18);
    if (!(ent_load16(p + 6) & SIZES_FOLLOW) && stored != UINT32_MAX && stored != m->stored)
        return bad(r, "member %s: %" PRIu32 " bytes by its header, %" PRIu64 " by the directory",
                   ent_quote(m->name).text, stored, m->stored);
    if (m->method == ENT_ZIP_STORED && m->stored != m->size)
        return bad(r, "member %s: stored as it is, but its sizes differ", ent_quote(m->name).text);
    return ENT_OK;
}

static ent_status read_entry(reading *r, ent_bytes *left)
{
    entry e;
    if (!next_entry(left, &e) || !read_zip64(&e)) return bad(r, "a damaged entry in its directory");
    if (!safe_name(e.name)) return bad(r, "a member whose name is empty, leaves the archive or is no text");
    const char *name = ent_model_copy(r->model, e.name);
    if (!name) return ent_fail(r->error, ENT_ENOMEM, "%s: out of memory", r->zip->file->name);
    if (e.flags & ENCRYPTED)
        return ent_fail(r->error, ENT_EUNSUPPORTED,
                        "%s: member %s is encrypted: unpack it with its password, and save the "
                        "model without one",
                        r->zip->file->name, ent_quote(name).text);
    e.member.name = name;
    e.member.method = e.method;
    ent_status status = find_data(r, &e, &e.member);
    if (!status) r->zip->member[r->zip->members++] = e.member;
    return status;
}

static int by_name(const void *x, const void *y)
{
    const ent_zip_member *const *a = x, *const *b = y;
    return strcmp((*a)->name, (*b)->name);
}

static int by_place(const void *x, const void *y)
{
    const ent_zip_member *a = x, *b = y;
    return (a->header > b->header) - (a->header < b->header);
}

static ent_status check_apart(const reading *r)
{
    ent_zip_member *m = r->zip->member;
    const ent_zip_member **named = r->zip->named;
    size_t n = r->zip->members;
    if (n) qsort(m, n, sizeof *m, by_place);
    for (size_t i = 0; i < n; i++) named[i] = &m[i];
    if (n) qsort(named, n, sizeof *named, by_name);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(named[i - 1]->name, named[i]->name))
            return bad(r, "member %s is there twice", ent_quote(named[i]->name).text);
    for (size_t i = 1; i < n; i++)
        if (m[i - 1].offset + m[i - 1].stored > m[i].header)
            return bad(r, "members %s and %s overlap", ent_quote(m[i - 1].name).text, ent_quote(m[i].name).text);
    return ENT_OK;
}

ent_status ent_zip_open(ent_zip *zip, ent_weights *model, uint32_t file, ent_error *error)
{
    *zip = (ent_zip){ .file = &model->file[file] };
    reading r = { zip, model, { 0, 0, 0 }, error };
    const char *wrong = find_directory(zip->file->bytes, &r.where);
    if (wrong) return bad(&r, "%s", wrong);
    ent_bytes left = { zip->file->bytes.data + r.where.offset, r.where.size };
    zip->member = ent_calloc(r.where.entries, sizeof *zip->member);
    zip->named = ent_calloc(r.where.entries, sizeof *zip->named);
    ent_status status = ENT_OK;
    if (!zip->member || !zip->named) status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", zip->file->name);
    for (uint64_t i = 0; i < r.where.entries && !status; i++) status = read_entry(&r, &left);
    if (!status && left.size) status = bad(&r, "%zu bytes follow the last entry of its directory", left.size);
    if (!status) status = check_apart(&r);
    if (status) ent_zip_close(zip);
    return status;
}

void ent_zip_close(ent_zip *zip)
{
    ent_free(zip->member);
    ent_free(zip->named);
    *zip = (ent_zip){ .members = 0 };
}

const ent_zip_member *ent_zip_find(const ent_zip *zip, const char *name)
{
    ent_zip_member wanted = { .name = name };
    const ent_zip_member *key = &wanted;
    if (!zip->members) return NULL;
    const ent_zip_member **found = bsearch(&key, zip->named, zip->members, sizeof *zip->named, by_name);
    return found ? *found : NULL;
}

bool ent_zip_has(ent_bytes file, const char *end)
{
    directory d;
    entry e;
    size_t n = strlen(end);
    if (file.size < END_BYTES || memcmp(file.data, "PK", 2) != 0 || find_directory(file, &d)) return false;
    ent_bytes left = { file.data + d.offset, d.size };
    while (next_entry(&left, &e))
        if (e.name.size >= n && !memcmp(e.name.data + e.name.size - n, end, n)) return true;
    return false;
}

/* ---- compressed members ------------------------------------------------------------------------------------- */

static uint64_t aligned(uint64_t size) { return (size + 63) / 64 * 64; }

/* The bytes that a member takes unpacked, which what is stored must be able to hold; 0 for a view. */
static ent_status measure(const char *file, const ent_zip_member *m, uint64_t *size, ent_error *error)
{
    *size = m->method == ENT_ZIP_STORED ? 0 : m->size;
    if (m->method != ENT_ZIP_STORED && m->method != ENT_ZIP_DEFLATED)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: member %s is compressed by method %d; 8 (deflate) is read: pack it again "
                        "without compression", file, ent_quote(m->name).text, m->method);
    if (*size / ENT_INFLATE_MOST > m->stored)
        return ent_fail(error, ENT_ECORRUPT, "%s: member %s: %" PRIu64 " bytes cannot unpack to %" PRIu64, file,
                        ent_quote(m->name).text, m->stored, m->size);
    return ENT_OK;
}

static ent_status inflate_member(const char *file, const ent_zip_member *m, ent_bytes stored, uint8_t *out,
                                 ent_error *error)
{
    size_t size = m->size;
    ent_status status = ent_inflate(stored, ENT_INFLATE_RAW, out, &size);
    if (status == ENT_ENOMEM) return ent_fail(error, status, "%s: out of memory", file);
    if (status || size != m->size || crc32_z(0, out, size) != m->sum)
        return ent_fail(error, ENT_ECORRUPT, "%s: member %s, at byte %" PRIu64 ": its deflated data are damaged", file,
                        ent_quote(m->name).text, m->offset);
    return ENT_OK;
}

ent_status ent_zip_unpack(ent_weights *model, uint32_t file, const ent_zip_member member[], size_t members,
                          ent_bytes data[], ent_error *error)
{
    const char *name = model->file[file].name;
    uint64_t size = 0, stored = 0, of;
    uint8_t *memory;
    ent_status status = ENT_OK;
    for (size_t i = 0; i < members && !status; i++) {
        data[i] = (ent_bytes){ model->file[file].bytes.data + member[i].offset, member[i].stored };
        if ((status = measure(name, &member[i], &of, error)) || !of) continue;
        size += aligned(of); /* at most 1033 times what is stored: no overflow */
        stored += member[i].stored;
    }
    if (!status) status = ent_model_scratch(model, name, size, stored, &memory, error);
    for (size_t i = 0; i < members && !status; i++) {
        if (member[i].method == ENT_ZIP_STORED) continue;
        status = inflate_member(name, &member[i], data[i], memory, error);
        data[i] = (ent_bytes){ memory, member[i].size };
        if (member[i].size) memory += aligned(member[i].size);
    }
    return status;
}
