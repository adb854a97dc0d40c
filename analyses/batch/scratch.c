/* scratch.c - see scratch.h. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

static const char prefix[] = ".scratch.";

ent_status scratch_name(char path[SCRATCH_PATH], const char *folder, pid_t process, ent_error *error)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    if (snprintf(path, SCRATCH_PATH, "%s/%s%s.%ld.part", folder, prefix, host, (long)process) < SCRATCH_PATH)
        return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: the name is too long", folder);
}

void scratch_remove(const char *path)
{
    char file[PATH_MAX];
    DIR *folder = opendir(path);
    if (!folder) return;
    for (struct dirent *e; (e = readdir(folder));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
            snprintf(file, sizeof file, "%s/%s", path, e->d_name) < (int)sizeof file)
            unlink(file);
    closedir(folder);
    rmdir(path);
}

void scratch_sweep(const char *folder)
{
    char path[PATH_MAX];
    DIR *run = opendir(folder);
    if (!run) return;
    for (struct dirent *e; (e = readdir(run));)
        if (!strncmp(e->d_name, prefix, strlen(prefix)) &&
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
            scratch_remove(path);
    closedir(run);
}
