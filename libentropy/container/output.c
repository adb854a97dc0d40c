/* output.c - see output.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/output.h"

static ent_status refuse(ent_error *error, const char *path, const char *what)
{
    return ent_fail(error, errno == ENOMEM ? ENT_ENOMEM : ENT_EIO, "%s: %s: %s", path, what, strerror(errno));
}

ent_status ent_output_plan(ent_output *output, const char *path, ent_error *error)
{
    enum { TRIES = 1000, SUFFIX = 40 };
    struct stat st;
    size_t size = strlen(path);
    *output = (ent_output){ NULL, NULL, false };
    if (!lstat(path, &st) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return ent_fail(error, ENT_EINVAL, "%s: is there and is no regular file: give another name", path);
    output->final = ent_alloc(size + 1);
    output->temporary = ent_alloc(size + SUFFIX);
    if (!output->final || !output->temporary) {
        ent_output_drop(output);
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    }
    memcpy(output->final, path, size + 1);
    for (int i = 0; i < TRIES; i++) {
        snprintf(output->temporary, size + SUFFIX, "%s.part-%ld-%d", path, (long)getpid(), i);
        if (lstat(output->temporary, &st)) return ENT_OK;
    }
    ent_output_drop(output);
    return ent_fail(error, ENT_EIO, "%s: %d files with temporary names (.part-...) lie beside it: remove them", path,
                    TRIES);
}

ent_status ent_output_create(ent_output *output, int *fd, ent_error *error)
{
    *fd = open(output->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*fd < 0) return refuse(error, output->temporary, "cannot create");
    output->exists = true;
    return ENT_OK;
}

ent_status ent_output_write(const ent_output *output, int fd, uint64_t at, ent_bytes bytes, ent_error *error)
{
    while (bytes.size) {
        ssize_t n = pwrite(fd, bytes.data, bytes.size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return ent_fail(error, ENT_EIO, "%s: cannot write at byte %llu: %s", output->temporary,
                            (unsigned long long)at, strerror(n ? errno : ENOSPC));
        at += (uint64_t)n;
        bytes = (ent_bytes){ bytes.data + n, bytes.size - (size_t)n };
    }
    return ENT_OK;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC), failed = fd < 0 || fsync(fd);
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return failed;
}

/* Some file systems cannot sync folders; the name is then as safe as they make it. */
static int sync_folder(const char *path)
{
    char folder[4096] = ".";
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= sizeof folder) return 0;
    if (n) memcpy(folder, path, n), folder[n] = '\0';
    return sync_path(folder, O_RDONLY | O_DIRECTORY) && errno != EINVAL && errno != EACCES;
}

ent_status ent_output_commit(ent_output *output, ent_error *error)
{
    if (sync_path(output->temporary, O_RDONLY)) return refuse(error, output->temporary, "cannot write it all");
    if (rename(output->temporary, output->final)) return refuse(error, output->final, "cannot give the file its name");
    output->exists = false;
    return sync_folder(output->final) ? refuse(error, output->final, "cannot sync its folder") : ENT_OK;
}

void ent_output_drop(ent_output *output)
{
    /* emptied first: HDF5 cannot close a file whose writes failed, and would keep the disk full */
    int ignored = output->exists ? truncate(output->temporary, 0) : 0;
    (void)ignored;
    if (output->exists) unlink(output->temporary);
    ent_free(output->final);
    ent_free(output->temporary);
    *output = (ent_output){ NULL, NULL, false };
}
