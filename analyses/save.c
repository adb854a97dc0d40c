/* save.c - see save.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "save.h"

ent_status save_open(struct save *save, const char *path, ent_error *error)
{
    struct stat st;
    save->file = NULL;
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) /* a device would be replaced by a file */
        return ent_fail(error, ENT_EINVAL, "%s: exists and is no regular file", path);
    int n = snprintf(save->part, sizeof save->part, "%s.%ld.part", path, (long)getpid());
    if (n < 0 || n >= PATH_MAX) return ent_fail(error, ENT_EINVAL, "%s: the name is too long", path);
    snprintf(save->path, sizeof save->path, "%s", path);
    int fd = open(save->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 && !(save->file = fdopen(fd, "wb"))) close(fd);
    if (!save->file) return ent_fail(error, ENT_EIO, "%s: %s", save->part, strerror(errno));
    return ENT_OK;
}

ent_status save_close(struct save *save, ent_status status, ent_error *error)
{
    if (!save->file) return status;
    bool bad = !status && (fflush(save->file) || ferror(save->file) || fsync(fileno(save->file)));
    int why = errno;
    if (fclose(save->file) && !status && !bad) bad = true, why = errno;
    save->file = NULL;
    if (!status && !bad && rename(save->part, save->path)) bad = true, why = errno;
    if (!status && !bad) return ENT_OK;
    unlink(save->part);
    return bad ? ent_fail(error, ENT_EIO, "%s: %s", save->path, strerror(why)) : status;
}
