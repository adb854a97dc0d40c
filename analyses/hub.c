/* hub.c - see hub.h.
 *
 * The cache's layout is huggingface_hub's: models--ORG--NAME/{refs/REV, snapshots/COMMIT}.  Of its
 * environment variables' values `~` at the beginning is expanded, `$VAR` is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hub.h"

enum { MAX_REF = 255 }; /* bytes of a ref file that are looked at; a commit is 40 */

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* false when the parts do not fit, which no path that exists does */
static bool join(char path[PATH_MAX], const char *a, const char *b, const char *c)
{
    int n = snprintf(path, PATH_MAX, "%s%s%s", a, b, c);
    return n >= 0 && n < PATH_MAX;
}

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
    return commit[0] && commit[0] != '.' && !strchr(commit, '/');
}

static bool climbs(const char *text) { return strstr(text, "..") || text[0] == '/' || strstr(text, "//"); }

ent_status hub_path(char path[PATH_MAX], const char *argument, ent_error *error)
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
