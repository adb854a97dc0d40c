/* model.c - finds what a model argument names: a path, the Hugging Face cache, the catalogue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalogue.h"
#include "hub.h"
#include "model.h"
#include "progress.h"

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* false when the parts do not fit, which no path that exists does */
static bool join(char path[PATH_MAX], const char *a, const char *b, const char *c)
{
    char out[PATH_MAX];
    int n = snprintf(out, sizeof out, "%s%s%s", a, b, c);
    if (n < 0 || n >= PATH_MAX) return false;
    memcpy(path, out, (size_t)n + 1);
    return true;
}

/* ---- the catalogue --------------------------------------------------------------------------- */

static ent_status catalogue_path(char path[PATH_MAX], const char *name, ent_error *error)
{
    ent_catalogue catalogue;
    if (catalogue_open(&catalogue, NULL)) return ent_fail(error, ENT_EINVAL, "%s: no such file", name);
    const ent_dataset *dataset = ent_catalogue_find(&catalogue, name);
    ent_status status = ENT_OK;
    if (!dataset)
        status = ent_fail(error, ENT_EINVAL, "%s: no such file or dataset", name);
    else if (!dataset_path(path, dataset))
        status = ent_fail(error, ENT_EINVAL, "%s: not here yet; `entropy dataset get %s` brings it", name, name);
    ent_catalogue_free(&catalogue);
    return status;
}

/* ---- any model ------------------------------------------------------------------------------- */

ent_status model_path(char path[PATH_MAX], const char *argument, ent_error *error)
{
    if (!strncmp(argument, "hf:", 3)) return hub_path(path, argument + 3, error);
    if (!access(argument, F_OK) && join(path, argument, "", "")) return ENT_OK;
    return catalogue_path(path, argument, error);
}

ent_status model_beside(char path[PATH_MAX], const char *argument, const char *file, ent_error *error)
{
    char model[PATH_MAX];
    ent_status status = model_path(model, argument, error);
    if (status) return status;
    const char *slash = strrchr(model, '/');
    bool folder = is_folder(model);
    if (!folder) model[slash ? slash - model + 1 : 0] = '\0';
    bool fits = join(path, model, folder ? "/" : "", file);
    return fits ? ENT_OK : ent_fail(error, ENT_EINVAL, "%s: the path is too long", argument);
}

static const ent_format *raw_words;

ent_status model_raw_words(const char *dtype, ent_error *error)
{
    raw_words = ent_format_find(dtype);
    return raw_words ? ENT_OK : ent_fail(error, ENT_EINVAL, "%s: no such number format", dtype);
}

ent_status model_open(ent_weights **weights, const char *argument, ent_error *error)
{
    char path[PATH_MAX];
    *weights = NULL;
    ent_status status = model_path(path, argument, error);
    if (!status) status = ent_weights_open(weights, path, error);
    if (!status && raw_words) ent_weights_name_raw(*weights, raw_words->name, raw_words->bits);
    return status;
}

ent_status container_open(ent_container **container, const char *path, ent_error *error)
{
    *container = NULL;
    if (access(path, F_OK)) return ent_fail(error, ENT_EINVAL, "%s: no such file", path);
    return ent_container_open(container, path, error);
}

ent_status base_open(ent_weights **base, ent_container *container, const char *argument, const struct common *common,
                     ent_error *error)
{
    struct progress progress;
    ent_status status = model_open(base, argument, error);
    if (status) return status;
    const ent_run run = progress_begin(&progress, common, "base");
    status = ent_container_set_base(container, *base, &run, error);
    progress_end(&progress);
    return status;
}

const char *model_name(const char *argument)
{
    const char *slash = strrchr(argument, '/');
    return strncmp(argument, "hf:", 3) && slash && slash[1] ? slash + 1 : argument;
}

/* ---- files that come with the program -------------------------------------------------------- */

bool data_folder(char path[PATH_MAX], const char *folder)
{
    static const char *const below[] = { "/../share/libentropy/", "/../analyses/", "/../" };
    char self[PATH_MAX];
    const char *set = getenv("ENT_DATA");
    if (set && join(path, set, "/", folder) && is_folder(path)) return true;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return false;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        char found[PATH_MAX];
        if (join(found, self, below[i], folder) && is_folder(found) && realpath(found, path)) return true;
    }
    return false;
}

ent_status data_path(char path[PATH_MAX], const char *folder, const char *name, ent_error *error)
{
    if (!access(name, F_OK) && !is_folder(name) && join(path, name, "", "")) return ENT_OK;
    char file[256];
    snprintf(file, sizeof file, "/%s.yaml", name);
    if (!strchr(name, '/') && data_folder(path, folder) && join(path, path, file, "") && !access(path, F_OK))
        return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: no such file, nor one of that name among the %s that come with the program",
                    name, folder);
}
