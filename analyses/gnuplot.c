/* gnuplot.c - see gnuplot.h. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "gnuplot.h"
#include "model.h"

extern char **environ;

ent_status gnuplot_run(const char *script, const char *const argument[], size_t n, ent_error *error)
{
    enum { MOST_ARGUMENTS = 9 };
    char plots[PATH_MAX], path[PATH_MAX + 32], name[] = "gnuplot", c[] = "-c";
    char *argv[MOST_ARGUMENTS + 4] = { name, c, path };
    if (!data_folder(plots, "plots"))
        return ent_fail(error, ENT_EIO, "no folder 'plots' beside the program; set ENT_DATA to where it lies");
    snprintf(path, sizeof path, "%s/%s.gp", plots, script);
    for (size_t i = 0; i < n; i++) argv[i + 3] = (char *)(size_t)argument[i]; /* posix_spawn changes none of them */
    pid_t child;
    int result = posix_spawnp(&child, name, NULL, NULL, argv, environ), status;
    if (result == ENOENT) return ENT_EUNSUPPORTED;
    if (result) return ent_fail(error, ENT_EIO, "gnuplot: cannot start: %s", strerror(result));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return ent_fail(error, ENT_EIO, "gnuplot: %s", strerror(errno));
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return ENT_OK;
    return ent_fail(error, ENT_EIO, "gnuplot failed on %s", path);
}
