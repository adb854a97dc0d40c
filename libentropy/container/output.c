/* output.c - see output.h. */
#include <dirent.h>
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

/* ---- several files ------------------------------------------------------------------------------------------ */

/* Whether a folder of another name can take its place: it is not there, or is empty (and no link to a folder). */
static bool can_be_replaced(const char *path)
{
    struct stat st;
    if (lstat(path, &st)) return errno == ENOENT;
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    size_t entries = 0;
    if (!dir) return false;
    for (struct dirent *e; (e = readdir(dir));) entries += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(dir);
    return !entries;
}

static char *copy_path(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') size--;
    char *copy = ent_alloc(size + 1);
    if (copy) memcpy(copy, path, size), copy[size] = '\0';
    return copy;
}

/* A new folder beside the final one; where none can be made, the final one has to do, if it is there. */
static ent_status make_folder(ent_outputs *o, ent_error *error)
{
    enum { TRIES = 1000, SUFFIX = 40 };
    size_t size = strlen(o->final) + SUFFIX;
    struct stat st;
    if (!(o->folder = ent_alloc(size))) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", o->final);
    for (int i = 0; i < TRIES && !o->moves && can_be_replaced(o->final); i++) {
        snprintf(o->folder, size, "%s.part-%ld-%d", o->final, (long)getpid(), i);
        o->moves = !mkdir(o->folder, 0777);
        if (!o->moves && errno != EEXIST) break;
    }
    if (o->moves) return ENT_OK;
    int why = errno;
    snprintf(o->folder, size, "%s", o->final);
    if (!stat(o->final, &st) && S_ISDIR(st.st_mode)) return ENT_OK;
    errno = why;
    return refuse(error, o->final, "cannot make the folder");
}

ent_status ent_outputs_plan(ent_outputs *outputs, const char *path, size_t files, ent_error *error)
{
    *outputs = (ent_outputs){ .files = files, .final = copy_path(path), .file = ent_calloc(files, sizeof *outputs->file) };
    ent_status status = ENT_OK;
    if (!outputs->final || !outputs->file) status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (!status && files > 1) status = make_folder(outputs, error);
    if (status) ent_outputs_drop(outputs);
    return status;
}

ent_status ent_outputs_create(ent_outputs *outputs, size_t i, const char *name, int *fd, ent_error *error)
{
    char inside[4352];
    const char *path = outputs->final;
    if (outputs->folder) {
        if (snprintf(inside, sizeof inside, "%s/%s", outputs->folder, name) >= (int)sizeof inside)
            return ent_fail(error, ENT_EINVAL, "%s: the path is too long", outputs->final);
        path = inside;
    }
    ent_status status = ent_output_plan(&outputs->file[i], path, error);
    return status ? status : ent_output_create(&outputs->file[i], fd, error);
}

/* Takes the old model's first file away, once all of the new ones are on the disk. */
static ent_status retire_first(const ent_outputs *o, ent_error *error)
{
    const ent_output *first = &o->file[0];
    for (size_t i = 0; i < o->files; i++)
        if (sync_path(o->file[i].temporary, O_RDONLY)) return refuse(error, o->file[i].temporary, "cannot write it all");
    if (unlink(first->final) && errno != ENOENT) return refuse(error, first->final, "cannot replace it");
    return sync_folder(first->final) ? refuse(error, first->final, "cannot sync its folder") : ENT_OK;
}

ent_status ent_outputs_commit(ent_outputs *outputs, ent_error *error)
{
    ent_status status = outputs->folder && !outputs->moves ? retire_first(outputs, error) : ENT_OK;
    for (size_t i = outputs->files; i-- > 0 && !status;) status = ent_output_commit(&outputs->file[i], error);
    if (status || !outputs->moves) return status;
    if (rename(outputs->folder, outputs->final)) return refuse(error, outputs->final, "cannot give the folder its name");
    outputs->moves = false;
    return sync_folder(outputs->final) ? refuse(error, outputs->final, "cannot sync its folder") : ENT_OK;
}

/* A temporary folder goes with all that is in it: files that have their names there already have not got their place. */
void ent_outputs_drop(ent_outputs *outputs)
{
    for (size_t i = 0; i < outputs->files && outputs->file; i++) {
        if (outputs->moves && outputs->file[i].final && !outputs->file[i].exists) unlink(outputs->file[i].final);
        ent_output_drop(&outputs->file[i]);
    }
    if (outputs->moves) rmdir(outputs->folder);
    ent_free(outputs->file);
    ent_free(outputs->final);
    ent_free(outputs->folder);
    *outputs = (ent_outputs){ 0 };
}
