/* model.c - finds what a model argument names: a path, the Hugging Face cache, the catalogue.
 *
 * The cache's layout is huggingface_hub's: models--ORG--NAME/{refs/REV, snapshots/COMMIT}.  Its
 * environment variables are used as they are; `~` inside them is expanded, `$VAR` is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model.h"

enum { MAX_REF = 255 }; /* bytes of a ref file that are looked at; a commit is 40 */

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

/* ---- the Hugging Face cache ------------------------------------------------------------------ */

static bool cache_root(char path[PATH_MAX])
{
    static const struct { const char *variable, *below; } place[] = { /* huggingface_hub's order */
        { "HF_HUB_CACHE", "" },
        { "HUGGINGFACE_HUB_CACHE", "" },
        { "HF_HOME", "/hub" },
        { "XDG_CACHE_HOME", "/huggingface/hub" },
        { "HOME", "/.cache/huggingface/hub" },
    };
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        const char *value = getenv(place[i].variable), *home = getenv("HOME");
        if (!value || !*value) continue;
        bool tilde = value[0] == '~' && (value[1] == '/' || !value[1]) && home;
        return join(path, tilde ? home : "", value + tilde, place[i].below);
    }
    return false;
}

/* The commit that refs/REV states, or REV itself. */
static bool commit_of(char commit[MAX_REF + 1], const char *repository, const char *revision)
{
    char path[PATH_MAX];
    if (!join(path, repository, "/refs/", revision)) return false;
    FILE *file = fopen(path, "rb");
    if (!file) {
        snprintf(commit, MAX_REF + 1, "%s", revision);
        return true;
    }
    size_t n = fread(commit, 1, MAX_REF, file);
    fclose(file);
    commit[n] = '\0';
    commit[strcspn(commit, " \r\n")] = '\0';
    return commit[0] && !strchr(commit, '/');
}

static bool climbs(const char *text) { return strstr(text, "..") || text[0] == '/' || strstr(text, "//"); }

static ent_status cache_path(char path[PATH_MAX], const char *argument, ent_error *error)
{
    char root[PATH_MAX], repository[PATH_MAX], commit[MAX_REF + 1];
    char id[256] = "", folder[512] = "models--";
    const char *at = strchr(argument, '@'), *revision = at ? at + 1 : "main";
    size_t n = at ? (size_t)(at - argument) : strlen(argument);
    if (n && n < sizeof id) memcpy(id, argument, n);
    if (!id[0] || !revision[0] || climbs(id) || climbs(revision) || id[n - 1] == '/')
        return ent_fail(error, ENT_EINVAL, "hf:%s: expected hf:ORG/NAME or hf:ORG/NAME@REVISION", argument);
    size_t out = strlen(folder);
    for (const char *p = id; *p; p++) {
        if (*p == '/') folder[out++] = '-';
        folder[out++] = *p == '/' ? '-' : *p;
    }
    if (!cache_root(root)) return ent_fail(error, ENT_EINVAL, "hf:%s: no cache folder: set HF_HOME", argument);
    if (!join(repository, root, "/", folder) || !is_folder(repository))
        return ent_fail(error, ENT_EINVAL, "hf:%s: not in the cache %s; fetch it first: hf download %s", argument,
                        root, id);
    if (!commit_of(commit, repository, revision) || !join(path, repository, "/snapshots/", commit) ||
        !is_folder(path))
        return ent_fail(error, ENT_EINVAL, "hf:%s: the cache has no revision '%s'; fetch it first: "
                        "hf download %s --revision %s", argument, revision, id, revision);
    return ENT_OK;
}

/* ---- any model ------------------------------------------------------------------------------- */

ent_status model_path(char path[PATH_MAX], const char *argument, ent_error *error)
{
    if (!strncmp(argument, "hf:", 3)) return cache_path(path, argument + 3, error);
    if (!access(argument, F_OK) && join(path, argument, "", "")) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: no such file or dataset", argument);
}

ent_status model_open(ent_weights **weights, const char *argument, ent_error *error)
{
    char path[PATH_MAX];
    *weights = NULL;
    ent_status status = model_path(path, argument, error);
    return status ? status : ent_weights_open(weights, path, error);
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
    const char *set = getenv("ENTROPY_DATA");
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
