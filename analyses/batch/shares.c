/* shares.c - see shares.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "../model.h"
#include "../save.h"
#include "shares.h"

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "out of memory"); }

/* ---- the bytes of models -------------------------------------------------------------------------------------- */

static uint64_t weigh(const struct plan_model *model)
{
    ent_weights *weights;
    uint64_t bytes = 0;
    if (model->make) {
        const ent_format *format = ent_format_find(model->dtype);
        return format ? model->weights * format->bits / 8 : 0;
    }
    if (model_open(&weights, model->name, NULL)) return 0;
    for (size_t i = 0; i < ent_weights_files(weights); i++) bytes += ent_weights_file_at(weights, i)->bytes.size;
    ent_weights_close(weights);
    return bytes;
}

/* False when the file is not there, or is another plan's. */
static bool read_bytes(uint64_t *bytes, const struct plan *plan, const char *path)
{
    json_t *file = json_load_file(path, 0, NULL);
    const json_t *list = json_object_get(file, "bytes");
    const char *hash = json_string_value(json_object_get(file, "plan"));
    bool known = hash && !strcmp(hash, plan->hash) && json_array_size(list) == plan->models;
    for (size_t i = 0; i < plan->models && known; i++) bytes[i] = (uint64_t)json_integer_value(json_array_get(list, i));
    json_decref(file);
    return known;
}

static ent_status write_bytes(const uint64_t *bytes, const struct plan *plan, const char *path, ent_error *error)
{
    struct save save;
    char mine[PATH_MAX];
    if (snprintf(mine, sizeof mine, "%s.%ld", path, (long)getpid()) >= (int)sizeof mine)
        return ent_fail(error, ENT_EINVAL, "%s: too long", path);
    ent_status status = save_open(&save, mine, error);
    if (status) return status;
    json_t *file = json_object(), *list = json_array();
    json_object_set_new(file, "plan", json_string(plan->hash));
    for (size_t i = 0; i < plan->models; i++) json_array_append_new(list, json_integer((json_int_t)bytes[i]));
    json_object_set_new(file, "bytes", list);
    json_dumpf(file, save.file, JSON_COMPACT);
    json_decref(file);
    status = save_close(&save, ENT_OK, error);
    if (status) return status;
    /* a link is made once: of processes that begin together, one wins */
    if (link(mine, path) && errno != EEXIST) status = ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
    unlink(mine);
    return status;
}

ent_status model_bytes(uint64_t *bytes, const struct plan *plan, const char *folder, ent_error *error)
{
    char path[PATH_MAX - 40];
    if (snprintf(path, sizeof path, "%s/models.json", folder) >= (int)sizeof path)
        return ent_fail(error, ENT_EINVAL, "%s: too long", folder);
    if (read_bytes(bytes, plan, path)) return ENT_OK;
    unlink(path); /* of an older text of the plan: the records will refuse it, or there are none */
    for (size_t i = 0; i < plan->models; i++) bytes[i] = weigh(&plan->model[i]);
    ent_status status = write_bytes(bytes, plan, path, error);
    if (!status && !read_bytes(bytes, plan, path))
        status = ent_fail(error, ENT_EIO, "%s: changes while it is read", path);
    return status;
}

/* ---- shards --------------------------------------------------------------------------------------------------- */

size_t group_end(const struct plan *plan, size_t first)
{
    const struct plan_cell *cell = plan->cell;
    size_t end = first + 1;
    if (!cell[first].codec) return end;
    while (end < plan->cells && cell[end].model == cell[first].model && cell[end].codec == cell[first].codec) end++;
    return end;
}

struct group {
    size_t first;
    uint64_t bytes;
};

/* The largest first, equal ones as in the plan. */
static int by_bytes(const void *x, const void *y)
{
    const struct group *a = x, *b = y;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

/* The shard with the least bytes, of equal ones the lowest, is the root of a heap. */
struct shard {
    uint64_t bytes;
    uint32_t number;
};

static bool before(const struct shard *a, const struct shard *b)
{
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->number < b->number;
}

static void sink(struct shard *heap, size_t n)
{
    struct shard moved = heap[0];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* What a group takes: the bytes of its model, or of its part; none is for nothing. */
static uint64_t cost(const struct plan *plan, size_t first, const uint64_t *bytes)
{
    const struct plan_cell *cell = &plan->cell[first];
    return bytes[cell->model - plan->model] / (cell->codec ? 1 : plan->parts) + 1;
}

ent_status shares_make(uint32_t *share, const struct plan *plan, const uint64_t *bytes, uint32_t shards,
                       ent_error *error)
{
    struct group *group = ent_calloc(plan->cells, sizeof *group);
    struct shard *heap = ent_calloc(shards, sizeof *heap);
    ent_status status = group && heap ? ENT_OK : no_memory(error);
    size_t groups = 0;
    for (size_t first = 0; first < plan->cells && !status; first = group_end(plan, first))
        group[groups++] = (struct group){ first, cost(plan, first, bytes) };
    if (groups) qsort(group, groups, sizeof *group, by_bytes);
    for (uint32_t i = 0; i < shards && !status; i++) heap[i].number = i;
    for (size_t i = 0; i < groups; i++) {
        for (size_t c = group[i].first; c < group_end(plan, group[i].first); c++) share[c] = heap[0].number;
        heap[0].bytes += group[i].bytes;
        sink(heap, shards);
    }
    ent_free(group);
    ent_free(heap);
    return status;
}
