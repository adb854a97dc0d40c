/* unpack.c - see unpack.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "weights/unpack.h"

/* A file that has no name any more; -1: none. */
static int temporary(const char *folder)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/entropy-XXXXXX", folder);
    int fd = n > 0 && (size_t)n < sizeof path ? mkstemp(path) : -1;
    if (fd >= 0) unlink(path);
    return fd;
}

bool ent_is_bomb(uint64_t size, uint64_t stored)
{
    enum { SMALL = 64 << 20, MOST_TIMES = 100 };
    return size > SMALL && size / MOST_TIMES > stored;
}

ent_status ent_model_scratch(ent_weights *model, const char *file, uint64_t size, uint64_t stored, uint8_t **memory,
                             ent_error *error)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/tmp";
    *memory = NULL;
    if (ent_is_bomb(size, stored))
        return ent_fail(error, ENT_EUNSUPPORTED,
                        "%s: %" PRIu64 " bytes would be unpacked from %" PRIu64 ", which weights never are: if it is sound, save "
                        "it without compression", file, size, stored);
    if (!size) return ENT_OK;
    if (model->scratches == sizeof model->scratch / sizeof *model->scratch)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: compressed within compressed data", file);
    int fd = temporary(folder);
    int why = fd < 0 ? errno : size > INT64_MAX ? EFBIG : posix_fallocate(fd, 0, (off_t)size);
    void *data = why ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!why && data == MAP_FAILED) why = errno;
    if (fd >= 0) close(fd);
    if (why)
        return ent_fail(error, ENT_EIO, "%s: no room in %s for the %" PRIu64 " bytes that it unpacks to (TMPDIR names another "
                        "place): %s", file, folder, size, strerror(why));
    model->scratch[model->scratches++] = (ent_bytes){ data, size };
    *memory = data;
    return ENT_OK;
}

ent_status ent_inflate(ent_bytes in, int form, uint8_t *out, size_t *size)
{
    enum { PART = 1 << 30 }; /* zlib counts in 32 bits */
    z_stream z = { .next_in = (Bytef *)(uintptr_t)in.data, .next_out = out };
    size_t room = *size;
    int done = inflateInit2(&z, form);
    if (done != Z_OK) return ENT_ENOMEM;
    while (done == Z_OK) {
        size_t in_left = in.size - (size_t)(z.next_in - in.data), out_left = room - (size_t)(z.next_out - out);
        z.avail_in = (uInt)(in_left < PART ? in_left : PART);
        z.avail_out = (uInt)(out_left < PART ? out_left : PART);
        done = inflate(&z, Z_NO_FLUSH);
    }
    *size = (size_t)(z.next_out - out);
    bool all = done == Z_STREAM_END && z.next_in == in.data + in.size;
    inflateEnd(&z);
    return done == Z_MEM_ERROR ? ENT_ENOMEM : all ? ENT_OK : ENT_ECORRUPT;
}
