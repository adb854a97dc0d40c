/* files.c - paths, folders, whole text files; a finished file gets its name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

ent_status ent_dataset_path(char path[PATH_MAX], const char *folder, const char *name, ent_error *error)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return n > 0 && n < PATH_MAX ? ENT_OK : ent_fail(error, ENT_EINVAL, "%s/%s: the path is too long", folder, name);
}

ent_status ent_dataset_make_folder(const char *folder, ent_error *error)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s", folder);
    if (n <= 0 || n >= PATH_MAX) return ent_fail(error, ENT_EINVAL, "%s: not the path of a folder", folder);
    for (char *slash = path; slash;) {
        if ((slash = strchr(slash + 1, '/'))) *slash = '\0';
        if (mkdir(path, 0777) && errno != EEXIST)
            return ent_fail(error, ENT_EIO, "%s: cannot make this folder: %s", path, strerror(errno));
        if (slash) *slash = '/';
    }
    if (stat(folder, &st) || !S_ISDIR(st.st_mode)) return ent_fail(error, ENT_EIO, "%s: not a folder", folder);
    return ENT_OK;
}

ent_status ent_dataset_read_text(char **text, const char *path, bool *missing, ent_error *error)
{
    enum { MOST = 64 << 20 };
    struct stat st;
    ent_status status = ENT_OK;
    *text = NULL;
    FILE *file = fopen(path, "rb");
    if (missing) *missing = !file && errno == ENOENT;
    if (!file || fstat(fileno(file), &st) || !S_ISREG(st.st_mode))
        status = ent_fail(error, ENT_EIO, "%s: cannot read: %s", path, strerror(file ? EINVAL : errno));
    else if (st.st_size > MOST)
        status = ent_fail(error, ENT_ECORRUPT, "%s: over 64 MiB of text", path);
    else if (!(*text = ent_alloc((size_t)st.st_size + 1)))
        status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (!status) {
        size_t size = (size_t)st.st_size;
        if (fread(*text, 1, size, file) != size)
            status = ent_fail(error, ENT_EIO, "%s: cannot read", path);
        else if (memchr(*text, 0, size))
            status = ent_fail(error, ENT_ECORRUPT, "%s: a NUL byte in a text file", path);
        else
            (*text)[size] = '\0';
    }
    if (status) {
        ent_free(*text);
        *text = NULL;
    }
    if (file) fclose(file);
    return status;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC), bad = fd < 0 || fsync(fd), why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return bad;
}

ent_status ent_dataset_publish(const char *part, const char *path, ent_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    if (sync_path(part, O_RDONLY) || rename(part, path))
        return ent_fail(error, ENT_EIO, "%s: cannot be completed: %s", path, strerror(errno));
    sync_path(folder, O_RDONLY | O_DIRECTORY); /* some file systems cannot: the name is there all the same */
    return ENT_OK;
}

bool ent_dataset_name_safe(const char *name)
{
    if (!*name || *name == '.' || strlen(name) > NAME_MAX - 10) return false; /* room for ".part" */
    for (const char *c = name; *c; c++)
        if (strchr("/\\:", *c) || (unsigned char)*c <= ' ' || *c == 127) return false;
    return true;
}
