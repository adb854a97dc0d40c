/* catalogue.c - see catalogue.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalogue.h"
#include "hub.h"
#include "model.h"

ent_status catalogue_open(ent_catalogue *catalogue, ent_error *error)
{
    char folder[PATH_MAX];
    if (!data_folder(folder, "datasets"))
        return ent_fail(error, ENT_EINVAL, "the folder of datasets was not found; ENT_DATA may name the place that holds it");
    return ent_catalogue_read(catalogue, folder, error);
}

static bool home(char path[PATH_MAX], const ent_dataset *dataset)
{
    static const struct { const char *variable, *below; } place[] = {
        { "ENT_DATASETS", "" }, { "XDG_CACHE_HOME", "/libentropy" }, { "HOME", "/.cache/libentropy" },
    };
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        const char *value = getenv(place[i].variable);
        if (!value || !*value) continue;
        int n = snprintf(path, PATH_MAX, "%s%s/%s", value, place[i].below, dataset->name);
        return n > 0 && n < PATH_MAX;
    }
    return false;
}

ent_status dataset_home(char path[PATH_MAX], const ent_dataset *dataset, ent_error *error)
{
    if (home(path, dataset)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: no place for it: set ENT_DATASETS, or name a folder", dataset->name);
}

bool dataset_path(char path[PATH_MAX], const ent_dataset *dataset)
{
    if (strcmp(dataset->kind, "shipped")) {
        if (home(path, dataset) && !access(path, F_OK)) return true;
        return !strcmp(dataset->kind, "huggingface") && !hub_path(path, dataset->source, NULL);
    }
    char folder[PATH_MAX];
    if (!data_folder(folder, "datasets")) return false;
    int n = snprintf(path, PATH_MAX, "%s/%s", folder, dataset->source);
    return n > 0 && n < PATH_MAX && !access(path, F_OK);
}
