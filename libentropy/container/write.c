/* write.c - a model to a container.
 *
 * Tensors go in batches: what fits a bounded part of memory, or one larger tensor.  A batch is
 * counted, its tables are trained, then it is coded a window of blocks at a time: all threads code,
 * while one writes the window before in order, so the bytes do not depend on the threads.  Scopes wider
 * than a tensor count the whole model first.  What has been written is let go, so the size of the model
 * does not matter. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#define XXH_INLINE_ALL /* three times as fast as the library of the distribution */
#include <xxhash.h>

#include "codec/block.h"
#include "container/corpus.h"
#include "container/delta.h"
#include "container/h5.h"
#include "container/load.h"
#include "container/output.h"
#include "container/plan.h"
#include "container/shapes.h"
#include "container/windows.h"

typedef struct slot { /* a block of a window */
    ent_buffer code;
    ent_tally tally;
    ent_status status;
} slot;

typedef struct window {
    const ent_unit *unit;
    slot *slot;
    size_t n;
} window;

typedef struct writer {
    const ent_weights *weights;
    const ent_corpus *corpus;
    ent_run run;
    ent_error *error;
    ent_plan plan;
    ent_output output;
    hid_t h5;
    ent_buffer tables; /* bytes of /tables */
    size_t table_capacity;
    /* where the pass over the files is */
    size_t file, next; /* `next`: the first tensor not yet come to */
    uint64_t at, gap_at; /* in the file; in its dataset of bytes that are in no tensor */
    hid_t gaps;
    XXH3_state_t *hash;
    /* the tensor being written, and what is to be coded */
    size_t tensor;
    hid_t set;
    ent_array array; /* its form */
    const ent_unit *unit; /* the next */
    size_t units;
    window window[2];     /* one being coded, one being written */
    size_t slots;         /* of a window */
    ent_scratch *scratch; /* of each thread */
    uint64_t done;
} writer;

static const char *path_of(const writer *w) { return w->output.final; }
static ent_status no_memory(const writer *w) { return ent_fail(w->error, ENT_ENOMEM, "%s: out of memory", path_of(w)); }

/* ---- the files, from first byte to last ------------------------------------------------------------------ */

static ent_status open_file(writer *w)
{
    const ent_index *x = &w->plan.index;
    uint64_t gaps = x->file[w->file].bytes;
    char name[40];
    for (size_t i = 0; i < x->tensors; i++)
        if (x->tensor[i].file == w->file) gaps -= x->tensor[i].bytes;
    w->at = w->gap_at = 0;
    w->gaps = -1;
    XXH3_64bits_reset(w->hash);
    snprintf(name, sizeof name, "/files/%zu", w->file);
    return gaps ? ent_h5_create_bytes(&w->gaps, w->h5, name, gaps, true, path_of(w), w->error) : ENT_OK;
}

/* The next `size` bytes of the file; `gap`: they are in no tensor. */
static ent_status pass_bytes(writer *w, uint64_t size, bool gap)
{
    ent_bytes part = { ent_weights_file_at(w->weights, w->file)->bytes.data + w->at, size };
    if (!size) return ENT_OK;
    XXH3_64bits_update(w->hash, part.data, part.size);
    ent_status status = gap ? ent_h5_write_part(w->gaps, w->gap_at, part, path_of(w), w->error) : ENT_OK;
    if (gap) w->gap_at += size;
    w->at += size;
    w->done += size;
    ent_weights_release(w->weights, part);
    if (w->run.progress) w->run.progress(w->run.context, w->done, w->plan.index.sizes.input_bytes);
    return status;
}

/* Moves on to byte `to` of the file, past tensors whose blocks are another's, which no unit stands for. */
static ent_status pass_to(writer *w, uint64_t to)
{
    const ent_index *x = &w->plan.index;
    ent_status status = ENT_OK;
    for (; w->next < x->tensors && !status; w->next++) {
        const ent_index_tensor *t = &x->tensor[w->next];
        if (t->file > w->file || (t->file == w->file && t->offset >= to)) break;
        if (t->same < 0) continue;
        status = pass_bytes(w, t->offset - w->at, true);
        if (!status) status = pass_bytes(w, t->bytes, false);
    }
    return status ? status : pass_bytes(w, to - w->at, true);
}

static ent_status end_file(writer *w)
{
    ent_index_file *f = &w->plan.index.file[w->file];
    ent_status status = pass_to(w, f->bytes);
    f->hash = XXH3_64bits_digest(w->hash);
    ent_h5_close_set(w->gaps);
    w->gaps = -1;
    w->file++;
    return !status && w->file < w->plan.index.files ? open_file(w) : status;
}

/* ---- tables ------------------------------------------------------------------------------------------------ */

typedef struct training {
    const writer *w;
    ent_group *group;
} training;

static ent_status train_group(size_t i, unsigned thread, void *context)
{
    (void)thread;
    const writer *w = ((training *)context)->w;
    ent_group *g = &((training *)context)->group[i];
    const ent_index_recipe *r = &w->plan.index.recipe[g->recipe];
    const ent_counts *counts = w->corpus ? ent_corpus_counts(w->corpus, r->dtype) : g->counts;
    if (!g->words || g->tables.fields) return ENT_OK;
    if (w->plan.index.scope == ENT_SCOPE_BLOCK) return ent_tables_train(&g->tables, &r->recipe, NULL, ENT_ENCODE);
    g->bits = ent_recipe_bound_bits(&r->recipe, g->counts) * (double)g->words;
    if (counts) return ent_tables_train(&g->tables, &r->recipe, counts, ENT_ENCODE);
    g->tables.fields = r->recipe.split.fields; /* a format that the corpus never saw: raw */
    return ENT_OK;
}

static ent_status add_table(writer *w, size_t start)
{
    ent_index *x = &w->plan.index;
    ent_index_table *larger = ent_grow(x->table, &w->table_capacity, x->tables, sizeof *larger);
    if (!larger) return no_memory(w);
    x->table = larger;
    ent_bytes bytes = { w->tables.data + start, w->tables.size - start };
    x->table[x->tables++] = (ent_index_table){ start, bytes.size, ent_block_checksum(bytes) };
    return ENT_OK;
}

/* Stores the tables of a group that pay; the fields of the others become raw. */
static ent_status store_tables(writer *w, ent_group *g)
{
    const ent_recipe *r = &w->plan.index.recipe[g->recipe].recipe;
    ent_status status = ENT_OK;
    memset(g->id, -1, sizeof g->id);
    for (uint32_t i = 0; i < r->split.fields && !status; i++) {
        if (!ent_index_needs_table(r, i) || !g->tables.table[i]) continue;
        size_t start = w->tables.size;
        if (ent_table_write(g->tables.table[i], &w->tables)) return no_memory(w);
        if (w->corpus || ent_group_pays(&w->plan, g, i, w->tables.size - start)) {
            g->id[i] = (int64_t)w->plan.index.tables;
            w->plan.index.sizes.tally.table_bits += 8 * (uint64_t)(w->tables.size - start);
            status = add_table(w, start);
        } else {
            w->tables.size = start;
            ent_table_free(g->tables.table[i]);
            g->tables.table[i] = NULL;
        }
    }
    ent_recipe_counts_free(g->counts);
    return status;
}

static ent_status make_tables(writer *w, size_t first, size_t end)
{
    training job = { w, w->plan.group + first };
    ent_status status = ent_parallel(end - first, w->run.threads, train_group, &job);
    if (status) return ent_fail(w->error, status, "%s: training a table: %s", path_of(w), ent_status_text(status));
    for (size_t i = first; i < end && !status; i++)
        if (w->plan.group[i].words) status = store_tables(w, &w->plan.group[i]);
    return status;
}

/* ---- blocks ------------------------------------------------------------------------------------------------ */

/* A block becomes a chunk of the HDF5 filter. */
static ent_status seal(const ent_index_recipe *recipe, const ent_unit *unit, slot *s)
{
    ent_filter_values values;
    ent_status status = ent_filter_values_of(&values, recipe->dtype, recipe->text, 0, 0, NULL);
    if (status) return status;
    ent_chunk_seal(values.seed, s->code.data, s->code.size, unit->words);
    s->tally.index_bits += 8 * ENT_CHUNK_HEAD;
    return ENT_OK;
}

static ent_status encode_unit(const writer *w, const ent_unit *unit, slot *s, ent_scratch *scratch)
{
    const ent_group *group = &w->plan.group[w->plan.group_of[unit->tensor]];
    const ent_recipe *recipe = &w->plan.index.recipe[group->recipe].recipe;
    const void *words;
    s->tally = (ent_tally){ 0, 0, 0 };
    s->code.size = 0;
    const size_t head = w->plan.index.readable ? ENT_CHUNK_HEAD : 0;
    ent_status status = ent_buffer_reserve(&s->code, head + ent_block_bound(recipe, &group->tables, unit->words));
    if (!status) status = ent_unit_words(&w->plan, unit, &scratch->words, &words);
    if (status) return status;
    s->code.size = head;
    status = ent_block_encode(recipe, &group->tables, words, unit->words, &s->code, &s->tally, &scratch->work);
    return status || !head ? status : seal(&w->plan.index.recipe[group->recipe], unit, s);
}

static void encode_item(void *context, unsigned which, size_t i, unsigned thread)
{
    const writer *w = context;
    const window *v = &w->window[which];
    v->slot[i].status = encode_unit(w, &v->unit[i], &v->slot[i], &w->scratch[thread]);
}

static uint64_t chunk_bytes(const ent_array *array)
{
    uint64_t bytes = array->width;
    for (uint32_t i = 0; i < array->rank; i++) bytes *= array->chunk[i];
    return bytes;
}

static ent_status open_tensor(writer *w, size_t i)
{
    ent_index *x = &w->plan.index;
    ent_index_tensor *t = &x->tensor[i];
    const ent_group *group = &w->plan.group[w->plan.group_of[i]];
    const ent_index_recipe *recipe = &x->recipe[t->recipe];
    ent_filter_values values;
    char name[40];
    ent_status status = ENT_OK;
    w->array = ent_index_array(x, t);
    ent_h5_close_set(w->set);
    w->set = -1;
    w->tensor = i;
    memcpy(t->table, group->id, sizeof t->table);
    snprintf(name, sizeof name, "/tensors/%zu", i);
    if (x->readable)
        status = ent_filter_values_of(&values, recipe->dtype, recipe->text, w->array.width, chunk_bytes(&w->array), w->error);
    if (status) return status;
    return ent_h5_create_coded(&w->set, w->h5, name, &w->array, x->readable ? &values : NULL, path_of(w), w->error);
}

/* Writes a coded block, and moves the pass over the files past its bytes. */
static ent_status write_unit(writer *w, const ent_unit *unit, const slot *s)
{
    ent_index *x = &w->plan.index;
    ent_index_tensor *t = &x->tensor[unit->tensor];
    ent_status status = ENT_OK;
    if (w->tensor != unit->tensor) status = open_tensor(w, unit->tensor);
    const ent_bytes block = { s->code.data, s->code.size };
    if (!status) status = ent_h5_write_block(w->set, &w->array, unit->block, block, path_of(w), w->error);
    t->coded += s->code.size;
    x->sizes.tally.payload_bits += s->tally.payload_bits;
    x->sizes.tally.table_bits += s->tally.table_bits;
    x->sizes.tally.index_bits += s->tally.index_bits;
    if (t->delta) ent_unit_release(&w->plan, unit);
    while (!status && w->file < t->file) status = end_file(w);
    if (!status) status = pass_to(w, t->offset + unit->offset);
    return status ? status : pass_bytes(w, unit->size, false);
}

/* Writes the blocks of a window that have been coded, and takes the next units into it. */
static ent_status turn_window(void *context, unsigned which, size_t *items)
{
    writer *w = context;
    window *v = &w->window[which];
    for (size_t i = 0; i < v->n; i++) {
        ent_status status = v->slot[i].status;
        if (status) return ent_fail(w->error, status, "%s: coding: %s", path_of(w), ent_status_text(status));
        if ((status = write_unit(w, &v->unit[i], &v->slot[i]))) return status;
    }
    v->unit = w->unit;
    v->n = w->units < w->slots ? w->units : w->slots;
    w->unit += v->n;
    w->units -= v->n;
    *items = v->n;
    return ENT_OK;
}

static ent_status write_units(writer *w, const ent_unit *units, size_t n)
{
    const ent_windows windows = { .context = w, .turn = turn_window, .work = encode_item };
    w->unit = units;
    w->units = n;
    return ent_windows_run(&windows, w->run.threads);
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

static bool counts_whole_model(const writer *w)
{
    return w->plan.index.scope != ENT_SCOPE_TENSOR && w->plan.index.scope != ENT_SCOPE_BLOCK;
}

static ent_status write_batch(writer *w, size_t first, size_t end, uint64_t bytes)
{
    ent_unit *units;
    size_t n;
    bool per_tensor = w->plan.index.scope == ENT_SCOPE_TENSOR;
    ent_status status = ent_plan_units(&w->plan, first, end, &units, &n, w->error);
    if (!status && !counts_whole_model(w)) {
        status = ent_plan_count(&w->plan, units, n, w->run.threads, bytes > ENT_BATCH_BYTES, w->error);
        if (!status) status = per_tensor ? make_tables(w, first, end) : make_tables(w, 0, w->plan.groups);
    }
    if (!status) status = write_units(w, units, n);
    for (size_t i = first; i < end && per_tensor; i++) ent_tables_free(&w->plan.group[i].tables);
    ent_free(units);
    return status;
}

static ent_status write_model(writer *w)
{
    ent_status status = ENT_OK;
    uint64_t bytes;
    if (counts_whole_model(w)) {
        const ent_run silent = { .threads = w->run.threads }; /* progress is that of coding */
        status = ent_plan_count_all(&w->plan, &silent, w->error);
        if (!status) status = make_tables(w, 0, w->plan.groups);
    }
    if (!status) status = open_file(w);
    for (size_t first = 0, end; first < w->plan.index.tensors && !status; first = end) {
        end = ent_plan_batch(&w->plan, first, &bytes);
        status = write_batch(w, first, end, bytes);
    }
    while (!status && w->file < w->plan.index.files) status = end_file(w);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static ent_status write_index(writer *w)
{
    ent_index *x = &w->plan.index;
    char *text;
    double bits = 0;
    for (size_t i = 0; i < w->plan.groups; i++)
        if (x->recipe[w->plan.group[i].recipe].recipe.format) bits += w->plan.group[i].bits;
    x->sizes.bound_bits = x->sizes.weights ? bits / (double)x->sizes.weights : 0;
    ent_bytes tables = { w->tables.data, w->tables.size };
    ent_status status = ent_h5_write_bytes(w->h5, "/tables", tables, false, path_of(w), w->error);
    if (!status) status = ent_shapes_write(x, w->h5, path_of(w), w->error);
    if (!status) status = ent_index_write(x, &text, w->error);
    if (status) return status;
    status =
        ent_h5_write_bytes(w->h5, "/index", (ent_bytes){ (uint8_t *)text, strlen(text) }, true, path_of(w), w->error);
    free(text);
    return status;
}

static ent_status hash_base(writer *w)
{
    ent_index *x = &w->plan.index;
    ent_status status = ENT_OK;
    for (size_t i = 0; i < x->bases && !status; i++) status = ent_file_hash(w->plan.base, i, &x->base[i].hash);
    return status ? no_memory(w) : ENT_OK;
}

static ent_status make_slots(writer *w)
{
    unsigned threads = ent_threads(w->run.threads);
    w->slots = ent_index_window(&w->plan.index, threads);
    for (int i = 0; i < 2; i++)
        if (!(w->window[i].slot = ent_calloc(w->slots, sizeof *w->window[i].slot))) return no_memory(w);
    w->scratch = ent_calloc(threads, sizeof *w->scratch);
    w->hash = XXH3_createState();
    return w->scratch && w->hash ? ENT_OK : no_memory(w);
}

/* Readable containers have all datasets under the names of the tensors too. */
static ent_status link_names(writer *w)
{
    const ent_index *x = &w->plan.index;
    char name[40];
    ent_status status = ent_h5_group(w->h5, "/weights", path_of(w), w->error);
    for (size_t i = 0; i < x->tensors && !status; i++) {
        snprintf(name, sizeof name, "/tensors/%zu", x->tensor[i].same < 0 ? i : (size_t)x->tensor[i].same);
        if (x->tensor[i].bytes) ent_h5_link(w->h5, name, "/weights", x->tensor[i].name);
    }
    return status;
}

static ent_status write_all(writer *w)
{
    ent_status status = make_slots(w);
    if (status) return status;
    w->output.exists = true; /* or not: a file that cannot be created may be there all the same */
    if ((status = ent_h5_create(&w->h5, w->output.temporary, w->error))) return status;
    status = ent_h5_group(w->h5, "/tensors", path_of(w), w->error);
    if (!status) status = ent_h5_group(w->h5, "/files", path_of(w), w->error);
    if (!status) status = write_model(w);
    if (!status) status = hash_base(w);
    if (!status && w->plan.index.readable) status = link_names(w);
    ent_h5_close_set(w->set);
    ent_h5_close_set(w->gaps);
    if (!status) status = write_index(w);
    ent_status closed = ent_h5_finish(w->h5, path_of(w), status ? NULL : w->error);
    return status ? status : closed;
}

static void free_writer(writer *w)
{
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < w->slots && w->window[k].slot; i++) ent_free(w->window[k].slot[i].code.data);
        ent_free(w->window[k].slot);
    }
    ent_scratch_free(w->scratch, ent_threads(w->run.threads));
    ent_free(w->tables.data);
    XXH3_freeState(w->hash);
    ent_output_drop(&w->output);
    ent_plan_free(&w->plan);
}

static ent_status commit(writer *w, ent_container_sizes *sizes)
{
    struct stat st;
    if (stat(w->output.temporary, &st)) return ent_fail(w->error, ENT_EIO, "%s: has vanished", w->output.temporary);
    ent_status status = ent_output_commit(&w->output, w->error);
    w->plan.index.sizes.output_bytes = (uint64_t)st.st_size;
    if (!status && sizes) *sizes = w->plan.index.sizes;
    return status;
}

static ent_status write_container(const char *path, const ent_weights *weights, const ent_assignment *assignment,
                                  const ent_corpus *corpus, const ent_run *run, ent_container_sizes *sizes,
                                  ent_error *error)
{
    writer w = { .weights = weights, .corpus = corpus, .error = error, .gaps = -1, .set = -1, .tensor = SIZE_MAX };
    if (run) w.run = *run;
    ent_status status = ent_plan_make(&w.plan, weights, assignment, ENT_PLAN_IN_FILES, error);
    if (status) return status;
    ent_h5_tongue tongue = ent_h5_quiet();
    status = ent_output_plan(&w.output, path, error);
    if (!status) status = ent_plan_find_same(&w.plan, error);
    if (!status) status = write_all(&w);
    if (!status) status = commit(&w, sizes);
    free_writer(&w);
    ent_h5_restore(tongue);
    return status;
}

ent_status ent_container_write(const char *path, const ent_weights *weights, const ent_codec *codec,
                               const ent_corpus *corpus, const ent_run *run, ent_container_sizes *sizes,
                               ent_error *error)
{
    if (corpus) codec = ent_corpus_codec(corpus);
    if (!corpus && ent_codec_scope(codec) == ENT_SCOPE_CORPUS)
        return ent_fail(error, ENT_EINVAL,
                        "scope=corpus needs trained tables: make them with `entropy train`, give them with "
                        "--tables");
    return write_container(path, weights, &(ent_assignment){ .codecs = 1, .codec = &codec }, corpus, run, sizes, error);
}

ent_status ent_container_write_assigned(const char *path, const ent_weights *weights, const ent_assignment *assignment,
                                        const ent_run *run, ent_container_sizes *sizes, ent_error *error)
{
    if (!assignment->codecs) return ent_fail(error, ENT_EINVAL, "no codec");
    if (assignment->codecs == 1 && !assignment->base && !assignment->readable)
        return ent_container_write(path, weights, assignment->codec[0], NULL, run, sizes, error);
    return write_container(path, weights, assignment, NULL, run, sizes, error);
}
