/* get.c - brings a dataset of the catalogue here, whole and checked. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

static const char index_name[] = "model.safetensors.index.json", single_name[] = "model.safetensors";

struct getting {
    const ent_dataset *dataset;
    const char *into;
    const ent_run *run;
    char base[1024]; /* URL that file names are appended to */
};

/* ORG/NAME[@REVISION] to a URL; only characters that mean themselves there. */
static ent_status make_base(struct getting *g, ent_error *error)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *source = g->dataset->source, *server = getenv("ENT_DATASET_URL");
    size_t org = strspn(source, plain), name = source[org] == '/' ? strspn(source + org + 1, plain) : 0;
    const char *end = source + org + 1 + name, *revision = "main";
    if (!org || !name || strstr(source, "..") || (*end && *end != '@') || (*end && end[1 + strspn(end + 1, plain)]))
        return ent_fail(error, ENT_EINVAL, "%s: source '%s' is not ORG/NAME or ORG/NAME@REVISION", g->dataset->name,
                        source);
    if (*end && end[1]) revision = end + 1;
    if (!server || !*server) server = "https://huggingface.co";
    size_t n = strlen(server);
    while (n && server[n - 1] == '/') n--;
    int size = snprintf(g->base, sizeof g->base, "%.*s/%.*s/resolve/%s/", (int)n, server, (int)(org + 1 + name),
                        source, revision);
    if (size > 0 && (size_t)size < sizeof g->base) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: too long an address", source);
}

/* Checks the downloaded `part` against what is known of it and gives it its name. */
static ent_status accept_file(const struct getting *g, const char *name, const char *part, const char *path,
                              const char *wanted, const ent_announced *announced, ent_error *error)
{
    char sha256[ENT_HEX], git[ENT_HEX];
    const char *expected = *wanted ? wanted : announced->sha256;
    ent_status status = ent_dataset_hash(part, sha256, git, g->run, error);
    if (status) return status;
    bool bad = *expected ? strcmp(sha256, expected) : *announced->git && strcmp(git, announced->git);
    if (bad) {
        unlink(part);
        return ent_fail(error, ENT_ECHECK, "%s%s: its %s is %s, not %s as %s says; removed", g->base, name,
                        *expected ? "SHA-256" : "git hash", *expected ? sha256 : git,
                        *expected ? expected : announced->git,
                        *wanted ? "the catalogue" : "the server");
    }
    status = ent_dataset_publish(part, path, error);
    return status ? status : ent_dataset_list(g->into, name, sha256, error);
}

/* One file; `wanted` is its SHA-256, or "". */
static ent_status get_file(const struct getting *g, const char *name, const char *wanted, bool *missing,
                           ent_error *error)
{
    char path[PATH_MAX], part[PATH_MAX], url[2048], listed[ENT_HEX], file[NAME_MAX + 1];
    ent_announced announced;
    *missing = false;
    if (!ent_dataset_name_safe(name))
        return ent_fail(error, ENT_ECORRUPT, "%s: file name '%.100s' is not a plain one", g->dataset->name, name);
    snprintf(file, sizeof file, "%s.part", name);
    snprintf(url, sizeof url, "%s%s", g->base, name);
    ent_status status = ent_dataset_path(path, g->into, name, error);
    if (!status) status = ent_dataset_path(part, g->into, file, error);
    if (!status) status = ent_dataset_listed(listed, g->into, name, error);
    if (status) return status;
    if (*listed && (!*wanted || !strcmp(listed, wanted)) && !access(path, F_OK)) return ENT_OK;
    status = ent_dataset_fetch(url, part, &announced, missing, g->run, error);
    return status ? status : accept_file(g, name, part, path, wanted, &announced, error);
}

static int order_of_text(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* All files that the index in the folder names, by name. */
static ent_status get_shards(const struct getting *g, ent_error *error)
{
    char path[PATH_MAX];
    json_error_t where;
    const char *tensor;
    size_t n = 0;
    json_t *value;
    ent_status status = ent_dataset_path(path, g->into, index_name, error);
    if (status) return status;
    json_t *root = json_load_file(path, 0, &where), *map = json_object_get(root, "weight_map");
    const char **shard = ent_calloc(json_object_size(map) + 1, sizeof *shard);
    if (!json_is_object(map)) status = ent_fail(error, ENT_ECORRUPT, "%s: not an index with a \"weight_map\"", path);
    else if (!shard) status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    json_object_foreach(map, tensor, value) {
        if (status) break;
        if (json_is_string(value)) shard[n++] = json_string_value(value);
        else status = ent_fail(error, ENT_ECORRUPT, "%s: a shard name that is not a string", path);
    }
    if (!status && n) qsort(shard, n, sizeof *shard, order_of_text);
    for (size_t i = 0; i < n && !status; i++) {
        bool missing;
        if (!i || strcmp(shard[i], shard[i - 1])) status = get_file(g, shard[i], "", &missing, error);
    }
    ent_free(shard);
    json_decref(root);
    return status;
}

/* The files that the catalogue names, with their hashes where it has them. */
static ent_status get_listed(const struct getting *g, ent_error *error)
{
    char files[4096], hashes[8192], *save_file = NULL, *save_hash = NULL;
    bool known = strcmp(g->dataset->sha256, "?") && *g->dataset->sha256, missing;
    ent_status status = ENT_OK;
    if (strlen(g->dataset->files) >= sizeof files || strlen(g->dataset->sha256) >= sizeof hashes)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: too long a list of files", g->dataset->name);
    strcpy(files, g->dataset->files);
    strcpy(hashes, known ? g->dataset->sha256 : "");
    char *file = strtok_r(files, " ", &save_file), *hash = strtok_r(hashes, " ", &save_hash);
    while (file && !status) {
        status = get_file(g, file, hash ? hash : "", &missing, error);
        file = strtok_r(NULL, " ", &save_file);
        if (hash) hash = strtok_r(NULL, " ", &save_hash);
    }
    return status;
}

static ent_status download(struct getting *g, ent_error *error)
{
    bool missing;
    ent_status status = make_base(g, error);
    if (status) return status;
    if (*g->dataset->files) return get_listed(g, error);
    status = get_file(g, index_name, "", &missing, error);
    if (!status) return get_shards(g, error);
    if (!missing) return status;
    status = get_file(g, single_name, "", &missing, error);
    if (!missing) return status;
    return ent_fail(error, ENT_EUNSUPPORTED,
                    "%s: %s has neither %s nor %s: it may hold PyTorch files alone, to be saved as "
                    "safetensors first", g->dataset->name, g->dataset->source, index_name, single_name);
}

static ent_status generate(const struct getting *g, ent_error *error)
{
    ent_dataset_options options;
    char path[PATH_MAX], csv[PATH_MAX], sha256[ENT_HEX];
    ent_status status = ent_dataset_options_parse(&options, g->dataset->source, error);
    if (!status && *options.histogram && options.histogram[0] != '/') { /* beside the catalogue */
        status = ent_dataset_path(csv, g->dataset->folder, options.histogram, error);
        if (!status) status = ent_dataset_options_set(&options, "histogram", csv, error);
    }
    if (!status) status = ent_dataset_path(path, g->into, single_name, error);
    if (!status) status = ent_dataset_make(path, &options, g->run, error);
    if (!status && !ent_dataset_hash(path, sha256, NULL, NULL, NULL)) /* a build that cannot hash lists nothing */
        status = ent_dataset_list(g->into, single_name, sha256, error);
    return status;
}

ent_status ent_dataset_get(const ent_dataset *dataset, const char *into, const ent_run *run, ent_error *error)
{
    struct getting g = { .dataset = dataset, .into = into, .run = run };
    if (!strcmp(dataset->kind, "shipped"))
        return ent_fail(error, ENT_EINVAL, "%s is shipped: it lies in %s/%s", dataset->name, dataset->folder,
                        dataset->source);
    ent_status status = ent_dataset_make_folder(into, error);
    if (status) return status;
    return strcmp(dataset->kind, "generated") ? download(&g, error) : generate(&g, error);
}
