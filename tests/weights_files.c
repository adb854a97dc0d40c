/* weights_files.c - see weights_files.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "weights_files.h"

/* ---- what was done, for results/formats.md ------------------------------------------------------------------------ */

static size_t files_refused, files_opened, cut_or_flipped, came_back;

/* A line at the end of the file that FORMATS_COUNTS names: see tests/formats.sh. */
static void write_counts(void)
{
    FILE *f = fopen(getenv("FORMATS_COUNTS"), "a");
    if (!f) return;
    fprintf(f, "%s\t%zu\t%zu\t%zu\t%zu\n", program_invocation_short_name, files_refused, files_opened, cut_or_flipped, came_back);
    fclose(f);
}

static void count(size_t *what)
{
    static bool ready;
    if (!ready && getenv("FORMATS_COUNTS")) atexit(write_counts);
    ready = true;
    ++*what;
}

void count_damaged(void) { count(&cut_or_flipped); }

/* ---- files ---------------------------------------------------------------------------------------------------------- */

const char *make_safetensors(const char *name, const char *header, size_t data)
{
    const char *path = scratch_path(name);
    uint64_t length = strlen(header);
    uint8_t *file = calloc(1, 8 + length + data);
    assert_non_null(file);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    write_file(path, file, 8 + length + data);
    free(file);
    return path;
}

void put(maker *m, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) m->bytes[m->size++] = i < 8 ? (uint8_t)(value >> 8 * i) : 0;
}

void put_bytes(maker *m, const void *bytes, size_t size)
{
    assert_true(size <= sizeof m->bytes - m->size);
    if (size) memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

void pad(maker *m, size_t to)
{
    while (m->size % to) put(m, 0, 1);
}

const char *save(const maker *m, const char *name)
{
    const char *path = scratch_path(name);
    write_file(path, m->bytes, m->size);
    return path;
}

/* As zip archives have it: without zlib's head.  Freed by free(). */
static uint8_t *deflate_part(const part *p, size_t *size)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)p->bytes, .avail_in = (uInt)p->size };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, p->size);
    uint8_t *out = malloc(room);
    assert_non_null(out);
    z.next_out = out, z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *size = z.total_out;
    deflateEnd(&z);
    return out;
}

const char *make_zip(const char *name, const part *parts, size_t n)
{
    static maker head, central;
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    size_t at = 0;
    assert_non_null(file);
    central.size = 0;
    for (size_t i = 0; i < n; i++) {
        const part *p = &parts[i];
        size_t stored = p->size, length = strlen(p->name);
        uint8_t *deflated = p->deflated ? deflate_part(p, &stored) : NULL;
        uint32_t sum = deflated ? (uint32_t)crc32_z(0, p->bytes, p->size) : 0; /* PyTorch may leave it out */
        head.size = 0;
        put(&head, 0x04034b50, 4), put(&head, 0, 4), put(&head, deflated ? 8 : 0, 2), put(&head, 0, 4);
        put(&head, sum, 4), put(&head, stored, 4), put(&head, p->size, 4);
        put(&head, length, 2), put(&head, 0, 2), put_bytes(&head, p->name, length);
        put(&central, 0x02014b50, 4), put(&central, 0, 6), put(&central, deflated ? 8 : 0, 2), put(&central, 0, 4);
        put(&central, sum, 4), put(&central, stored, 4), put(&central, p->size, 4);
        put(&central, length, 2), put(&central, 0, 12), put(&central, at, 4), put_bytes(&central, p->name, length);
        fwrite(head.bytes, 1, head.size, file);
        fwrite(deflated ? deflated : p->bytes, 1, stored, file);
        at += head.size + stored;
        free(deflated);
    }
    head.size = 0;
    put(&head, 0x06054b50, 4), put(&head, 0, 4), put(&head, n, 2), put(&head, n, 2), put(&head, central.size, 4);
    put(&head, at, 4), put(&head, 0, 2);
    fwrite(central.bytes, 1, central.size, file);
    fwrite(head.bytes, 1, head.size, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

void expect_round_trip(const char *path, const char *codec)
{
    ent_weights *w;
    ent_codec *c;
    ent_container *container;
    ent_error error;
    size_t size, back_size;
    if (ent_weights_open(&w, path, &error)) fail_msg("%s", error.text);
    assert_ok(ent_codec_parse(&c, codec, NULL));
    if (ent_container_write(scratch_path("trip.ent"), w, c, NULL, NULL, NULL, &error)) fail_msg("%s", error.text);
    assert_ok(ent_container_open(&container, scratch_path("trip.ent"), NULL));
    assert_ok(ent_container_verify(container, w, NULL, NULL, NULL, NULL));
    if (ent_container_extract(container, scratch_path("trip.back"), NULL, &error)) fail_msg("%s", error.text);
    uint8_t *file = read_file(path, &size), *back = read_file(scratch_path("trip.back"), &back_size);
    assert_int_equal(size, back_size);
    assert_memory_equal(file, back, size);
    count(&came_back);
    free(file), free(back);
    ent_container_close(container);
    ent_codec_free(c);
    ent_weights_close(w);
    unlink(scratch_path("trip.ent")), unlink(scratch_path("trip.back"));
}

void expect_open(const char *path, ent_status expected, const char *text)
{
    static char last[200];
    ent_weights *weights = NULL;
    ent_error error = { ENT_OK, "" };
    ent_status status = ent_weights_open(&weights, path, &error);
    if (status != expected)
        fail_msg("%s: %s (%s), expected %s", path, ent_status_text(status), error.text, ent_status_text(expected));
    if (status && !text) count(&cut_or_flipped);
    else if (!status) count(&files_opened);
    else if (strncmp(text, last, sizeof last - 1) != 0) count(&files_refused); /* a loop of cuts has one text */
    else count(&cut_or_flipped);
    if (text) snprintf(last, sizeof last, "%s", text);
    if (!status) {
        ent_weights_close(weights);
        return;
    }
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    assert_null(weights);
    assert_int_equal(error.status, status);
    if (!strstr(error.text, name)) fail_msg("\"%s\" does not name %s", error.text, name);
    if (text && !strstr(error.text, text)) fail_msg("\"%s\" does not say \"%s\"", error.text, text);
    if (!text) return;
    assert_status(ent_weights_open(&weights, path, NULL), expected); /* without anybody to tell */
}

void expect_no_flip_crashes(const char *name, uint8_t *file, size_t size, size_t bytes)
{
    const char *path = scratch_path(name);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        ent_weights *w = NULL;
        ent_error error = { ENT_OK, "" };
        count_damaged();
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_file(path, file, size);
        ent_status status = ent_weights_open(&w, path, &error);
        bool refused = status == ENT_ECORRUPT || status == ENT_EUNSUPPORTED;
        if (status && (!refused || !error.text[0])) fail_msg("bit %zu: %s", bit, error.text);
        for (size_t i = 0; w && i < ent_weights_tensors(w); i++) {
            const ent_tensor *t = ent_weights_tensor(w, i);
            ent_bytes f = ent_weights_file_at(w, t->file)->bytes;
            assert_true(t->offset <= f.size && t->bytes.size <= f.size - t->offset);
        }
        ent_weights_close(w);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

void limit_memory(size_t bytes)
{
    struct rlimit limit;
    if (SANITIZED) return;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}
