/* weights_files.c - see weights_files.h. */
#include "weights_files.h"

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

void expect_open(const char *path, ent_status expected, const char *text)
{
    ent_weights *weights = NULL;
    ent_error error = { ENT_OK, "" };
    ent_status status = ent_weights_open(&weights, path, &error);
    if (status != expected)
        fail_msg("%s: %s (%s), expected %s", path, ent_status_text(status), error.text, ent_status_text(expected));
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
