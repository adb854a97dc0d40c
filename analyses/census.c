/* census.c - counts the words of whole models.
 *
 * Tensors are taken one after another, each cut into chunks that threads count into histograms of
 * their own; only the sums over (role, dtype) stay, so memory does not grow with the model.
 */
#include <string.h>

#include <entropy/field.h>

#include "census.h"
#include "command.h"
#include "progress.h"

enum {
    CHUNK_WORDS = 1 << 20, /* a multiple of 8: chunks of packed formats begin on bytes */
    WINDOW_CHUNKS = 32,    /* between two releases of pages: 64 MiB of 16-bit words, 256 of 64-bit ones */
    MAX_ENTRIES = 4096,    /* roles and dtypes are a few dozen */
};

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "out of memory"); }

/* ---- sums over roles and dtypes -------------------------------------------------------------- */

static struct census_entry *entry_find(const struct census *census, const char *role, const char *dtype)
{
    for (size_t i = 0; i < census->entries; i++)
        if (!strcmp(census->entry[i].role, role) && !strcmp(census->entry[i].dtype, dtype)) return &census->entry[i];
    return NULL;
}

static ent_status entry_new(struct census *census, const char *role, const char *dtype, struct census_entry **out)
{
    if (!census->entry) census->entry = ent_calloc(MAX_ENTRIES, sizeof *census->entry);
    if (!census->entry || census->entries == MAX_ENTRIES) return ENT_ENOMEM;
    struct census_entry *entry = &census->entry[census->entries++];
    entry->role = ent_copy_text(role);
    entry->dtype = ent_copy_text(dtype);
    *out = entry;
    return entry->role && entry->dtype ? ent_word_counts_init(&entry->counts, ent_format_find(dtype)) : ENT_ENOMEM;
}

ent_status census_add(struct census *census, const char *role, const char *dtype, const ent_word_counts *counts,
                      uint64_t tensors, ent_error *error)
{
    struct census_entry *entry = entry_find(census, role, dtype);
    ent_status status = entry ? ENT_OK : entry_new(census, role, dtype, &entry);
    if (!status) status = ent_word_counts_merge(&entry->counts, counts);
    if (status) return ent_fail(error, status, "%s %s: %s", role, dtype, ent_status_text(status));
    entry->tensors += tensors;
    census->weights += ent_word_counts_total(counts);
    return ENT_OK;
}

void census_free(struct census *census)
{
    for (size_t i = 0; i < census->entries; i++) {
        ent_free(census->entry[i].role);
        ent_free(census->entry[i].dtype);
        ent_word_counts_free(&census->entry[i].counts);
    }
    ent_free(census->entry);
    *census = (struct census){ 0 };
}

/* ---- one tensor ------------------------------------------------------------------------------ */

struct worker {
    ent_word_counts counts; /* zero between tensors */
    void *words;            /* a chunk unpacked; NULL until it is wanted */
    bool used;
};

struct counting {
    const ent_weights *weights;
    const ent_tensor *tensor;
    const ent_format *format; /* of the workers; NULL: bytes */
    const ent_format *record; /* of the tensor, whose member is counted; NULL: the tensor has words */
    unsigned member;
    uint64_t words;           /* of the tensor, or records */
    size_t chunk;             /* of those in a chunk */
    size_t first;             /* chunk of the window */
    struct worker *worker;
    unsigned workers;
    bool ready; /* the workers' counts are initialised */
    uint64_t before;          /* chunks of the tensors before, and */
    uint64_t from, to;        /* those of the model that are counted */
    struct progress progress;
    uint64_t done, total; /* bytes */
};

static void workers_free(struct counting *c)
{
    for (unsigned t = 0; t < c->workers && c->ready; t++) {
        ent_word_counts_free(&c->worker[t].counts);
        ent_free(c->worker[t].words);
        c->worker[t] = (struct worker){ 0 };
    }
    c->ready = false;
}

/* Makes the workers ready for a format; most models have one or two. */
static ent_status workers_for(struct counting *c, const ent_format *format)
{
    if (c->ready && c->format == format) return ENT_OK;
    workers_free(c);
    c->format = format;
    c->ready = true;
    ent_status status = ENT_OK;
    for (unsigned t = 0; t < c->workers && !status; t++)
        status = ent_word_counts_init(&c->worker[t].counts, format);
    return status;
}

static ent_status count_chunk(size_t i, unsigned thread, void *context)
{
    struct counting *c = context;
    struct worker *worker = &c->worker[thread];
    uint64_t first = (c->first + i) * c->chunk, left = c->words - first;
    size_t n = left < c->chunk ? (size_t)left : c->chunk;
    uint64_t bits = c->record ? c->record->bits : c->format ? c->format->bits : 8;
    bool unpack = c->record || ent_format_packed(c->format);
    worker->used = true;
    if (unpack && !worker->words && !(worker->words = ent_alloc(CHUNK_WORDS * (size_t)ent_format_width(c->format))))
        return ENT_ENOMEM;
    if (c->record) {
        ent_record_member(c->record, c->member, c->tensor->bytes.data + first * (bits / 8), n, worker->words);
        ent_word_counts_add(&worker->counts, worker->words, n * c->record->member[c->member].count);
    } else if (unpack) {
        ent_format_unpack(c->format, c->tensor->bytes.data, (size_t)first, n, worker->words);
        ent_word_counts_add(&worker->counts, worker->words, n);
    } else {
        ent_word_counts_add(&worker->counts, c->tensor->bytes.data + first * bits / 8, n);
    }
    uint64_t done = __atomic_add_fetch(&c->done, c->member ? 0 : (n * bits + 7) / 8, __ATOMIC_RELAXED);
    if (thread == 0) progress_show(&c->progress, done, c->total);
    return ENT_OK;
}

static void clear(struct worker *worker)
{
    for (uint32_t p = 0; p < worker->counts.planes; p++) {
        ent_counts *plane = &worker->counts.plane[p];
        memset(plane->count, 0, plane->alphabet * sizeof *plane->count);
    }
    worker->used = false;
}

/* Sets the words and chunks of a tensor, or of a member of its records; returns how many chunks there are. */
static uint64_t cut_tensor(struct counting *c, const ent_tensor *tensor, const ent_format *format)
{
    c->tensor = tensor;
    c->words = c->record ? tensor->bytes.size / (c->record->bits / 8) : format ? tensor->elements : tensor->bytes.size;
    c->chunk = c->record ? (size_t)CHUNK_WORDS / c->record->member[c->member].count : (size_t)CHUNK_WORDS;
    return (c->words + c->chunk - 1) / c->chunk;
}

static ent_status count_tensor(struct counting *c, const ent_tensor *tensor, const char *dtype, unsigned threads)
{
    const ent_format *format = ent_format_find(dtype);
    ent_status status = workers_for(c, format);
    if (status) return status;
    for (unsigned t = 0; t < c->workers; t++)
        if (c->worker[t].used) clear(&c->worker[t]);
    uint64_t all = cut_tensor(c, tensor, format), end = c->to > c->before ? c->to - c->before : 0;
    size_t chunks = (size_t)(end < all ? end : all);
    c->first = c->from > c->before ? (size_t)(c->from - c->before) : 0;
    c->before += all;
    for (; c->first < chunks && !status; c->first += WINDOW_CHUNKS) {
        size_t window = chunks - c->first < WINDOW_CHUNKS ? chunks - c->first : WINDOW_CHUNKS;
        status = ent_parallel(window, threads, count_chunk, c);
        /* all of it again, because the kernel maps pages around those that are asked for */
        ent_weights_release(c->weights, tensor->bytes);
    }
    for (unsigned t = 1; t < c->workers && !status; t++)
        if (c->worker[t].used) status = ent_word_counts_merge(&c->worker[0].counts, &c->worker[t].counts);
    c->worker[0].used = true;
    return status;
}

/* ---- a model --------------------------------------------------------------------------------- */

/* Counts a tensor, or a member of its records, and hands the counts on under these names. */
static ent_status count_one(struct counting *c, struct census *census, const ent_tensor *tensor, const char *name,
                            const char *role, const char *dtype, unsigned threads, census_tensor *each, void *context,
                            ent_error *error)
{
    ent_status status = count_tensor(c, tensor, dtype, threads);
    if (status) return ent_fail(error, status, "tensor %s: %s", name, ent_status_text(status));
    status = census_add(census, role, dtype, &c->worker[0].counts, 1, error);
    return !status && each ? each(context, name, role, dtype, &c->worker[0].counts, error) : status;
}

/* A record's members are tensors of their own: "NAME scale", "q_proj scale". */
static ent_status count_members(struct counting *c, struct census *census, const ent_tensor *tensor, unsigned threads,
                                census_tensor *each, void *context, ent_error *error)
{
    ent_status status = ENT_OK;
    for (c->member = 0; c->member < ENT_MAX_MEMBERS && c->record->member[c->member].name && !status; c->member++) {
        const ent_member *member = &c->record->member[c->member];
        char name[1100], role[100];
        snprintf(name, sizeof name, "%s %s", tensor->name, member->name);
        snprintf(role, sizeof role, "%s %s", tensor->role, member->name);
        status = count_one(c, census, tensor, name, role, member->dtype, threads, each, context, error);
    }
    c->member = 0;
    return status;
}

/* A tensor's words, or each member of its records, counted or only passed over. */
static ent_status take_tensor(struct counting *c, struct census *census, const ent_tensor *t, unsigned threads,
                              census_tensor *each, void *context, ent_error *error)
{
    const ent_format *format = ent_dtype_find(t->dtype);
    c->record = format && format->kind == ENT_KIND_RECORD ? format : NULL;
    if (c->record) return count_members(c, census, t, threads, each, context, error);
    return count_one(c, census, t, t->name, t->role, t->dtype, threads, each, context, error);
}

/* The chunks of a whole model. */
static uint64_t all_chunks(const ent_weights *weights)
{
    struct counting c = { .weights = weights };
    uint64_t n = 0;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        const ent_format *format = ent_dtype_find(t->dtype);
        c.record = format && format->kind == ENT_KIND_RECORD ? format : NULL;
        if (!c.record) n += cut_tensor(&c, t, ent_format_find(t->dtype));
        for (c.member = 0; c.record && c.member < ENT_MAX_MEMBERS && c.record->member[c.member].name; c.member++)
            n += cut_tensor(&c, t, NULL);
    }
    return n;
}

ent_status census_count(struct census *census, const ent_weights *weights, const struct census_part *part,
                        const struct common *common, census_tensor *each, void *context, ent_error *error)
{
    struct counting c = { .weights = weights, .workers = ent_threads(common->threads), .to = UINT64_MAX };
    ent_status status = ENT_OK;
    if (part) {
        uint64_t chunks = all_chunks(weights), share = chunks / part->parts, more = chunks % part->parts;
        c.from = part->part * share + (part->part < more ? part->part : more);
        c.to = c.from + share + (part->part < more);
    }
    if (!(c.worker = ent_calloc(c.workers, sizeof *c.worker))) return no_memory(error);
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) c.total += ent_weights_tensor(weights, i)->bytes.size;
    progress_begin(&c.progress, common, "count");
    for (size_t i = 0; i < ent_weights_tensors(weights) && !status; i++)
        status = take_tensor(&c, census, ent_weights_tensor(weights, i), common->threads, each, context, error);
    progress_end(&c.progress);
    workers_free(&c);
    ent_free(c.worker);
    return status;
}
