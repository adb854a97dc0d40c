/* plotter.c - see plotter.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "plotter.h"

ent_status plot_begin(struct plotter *p, const char *dir, ent_error *error)
{
    *p = (struct plotter){ .drawn = 0 };
    if (snprintf(p->folder, sizeof p->folder, "%s/figures", dir) >= (int)sizeof p->folder)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", dir);
    if (mkdir(p->folder, 0777) && errno != EEXIST)
        return ent_fail(error, ENT_EIO, "%s: %s", p->folder, strerror(errno));
    return ENT_OK;
}

void plot_path(const struct plotter *p, char path[PATH_MAX], const char *kind, const char *model, const char *more)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t folder = strlen(p->folder) + 1;
    snprintf(path, PATH_MAX, "%s/%s-%.200s%s%.100s", p->folder, kind, model, more ? "-" : "", more ? more : "");
    for (char *c = path + folder; *c; c++)
        if (!strchr(plain, *c)) *c = '_';
}

ent_status plot_counted(struct plotter *p, ent_status status)
{
    p->missing |= status == ENT_EUNSUPPORTED;
    p->drawn += !status;
    return status == ENT_EUNSUPPORTED ? ENT_OK : status;
}
