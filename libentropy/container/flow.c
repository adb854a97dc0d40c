/* flow.c - see flow.h.
 *
 * A window of pieces is gathered in the order of the files (bytes outside tensors are read by HDF5
 * then, blocks are only looked up), all threads decode it and hand the pieces to the sink, then the
 * checksums of the files move on over it, and it is gathered anew, beside the decoding of another
 * window.  Memory: the two. */
#include <stdio.h>
#define XXH_INLINE_ALL /* three times as fast as the library of the distribution */
#include <xxhash.h>

#include "container/flow.h"
#include "container/windows.h"
#include "weights/reader.h"

enum { GAP_BYTES = 1 << 18 }; /* of a piece that is in no tensor: a chunk of its dataset */

typedef enum flow_kind { GAP, BLOCK, LOST, END } flow_kind; /* LOST: a tensor that cannot be loaded; END: of a file */

typedef struct flow_slot {
    flow_kind kind;
    ent_piece piece;
    uint64_t span; /* bytes of the file that it stands for */
    ent_loaded *loaded;
    ent_buffer bytes;
    ent_status status;
    bool fatal; /* what failed is not the container but what is done with it: the disk is full */
    ent_error error;
} flow_slot;

typedef struct window {
    flow_slot *slot;
    size_t used;
} window;

typedef struct state {
    const ent_flow *flow;
    const ent_container *c;
    const ent_index *x;
    ent_error *error;
    window window[2], *gathering;
    size_t slots;         /* of a window */
    ent_loaded *loaded;   /* a ring: the tensors of both windows, and the one that went on into them */
    size_t ring, current; /* its size; in it */
    ent_scratch *scratch; /* of each thread */
    /* where the gathering is */
    size_t file, tensor;
    uint64_t at, block, gap_at;
    hid_t gaps;
    bool gaps_open;
    /* where the checking is */
    XXH3_state_t *hash;
    bool broken; /* something of the file is missing: its checksum cannot hold */
    size_t reports;
    uint64_t done;
} state;

/* ---- gathering -------------------------------------------------------------------------------------------- */

static flow_slot *take_slot(state *s, flow_kind kind, uint64_t offset, size_t size)
{
    flow_slot *slot = &s->gathering->slot[s->gathering->used++];
    slot->kind = kind;
    slot->fatal = false;
    slot->status = ent_buffer_reserve(&slot->bytes, size);
    slot->piece = (ent_piece){ .file = s->file, .offset = offset, .bytes = { slot->bytes.data, size } };
    slot->span = size;
    if (slot->status) ent_fail(&slot->error, ENT_ENOMEM, "%s: out of memory", s->c->path);
    s->at = offset + size;
    return slot;
}

/* The dataset of the bytes outside tensors of the file at hand. */
static ent_status open_gaps(state *s, ent_error *error)
{
    uint64_t expected = s->x->file[s->file].bytes, size = 0;
    char name[40];
    for (size_t i = 0; i < s->x->tensors; i++)
        if (s->x->tensor[i].file == s->file) expected -= s->x->tensor[i].bytes;
    s->gaps_open = true;
    s->gap_at = 0;
    snprintf(name, sizeof name, "/files/%zu", s->file);
    ent_status status = ent_h5_open_bytes(&s->gaps, &size, s->c->h5, name, s->c->path, error);
    if (status || size == expected) return status;
    ent_h5_close_set(s->gaps);
    s->gaps = -1;
    return ent_fail(error, ENT_ECORRUPT, "%s: %s: %llu bytes where the index says %llu", s->c->path, name,
                    (unsigned long long)size, (unsigned long long)expected);
}

/* A piece of the bytes before `end` that are in no tensor.  What is wrong with their dataset is said once. */
static void gather_gap(state *s, uint64_t end)
{
    size_t size = end - s->at < GAP_BYTES ? end - s->at : GAP_BYTES;
    flow_slot *slot = take_slot(s, GAP, s->at, size);
    if (slot->status) return;
    slot->error.text[0] = '\0';
    if (!s->gaps_open) slot->status = open_gaps(s, &slot->error);
    if (s->gaps < 0 && !slot->status) slot->status = ENT_ECORRUPT;
    if (!slot->status)
        slot->status = ent_h5_read_part(s->gaps, s->gap_at, slot->bytes.data, size, s->c->path, &slot->error);
    s->gap_at += size;
}

static void gather_block(state *s)
{
    const ent_index_tensor *t = &s->x->tensor[s->tensor];
    uint64_t offset;
    size_t size;
    if (s->block == 0) {
        ent_error error;
        s->current = (s->current + 1) % s->ring;
        ent_unload(&s->loaded[s->current]);
        ent_status status = ent_load(&s->loaded[s->current], s->c, s->tensor, &error);
        if (status) {
            flow_slot *slot = take_slot(s, LOST, t->offset, 0);
            slot->status = status;
            slot->error = error;
            slot->span = t->bytes;
            s->at = t->offset + t->bytes;
            s->tensor++;
            return;
        }
    }
    ent_index_block(s->x, t, s->block, &offset, &size);
    flow_slot *slot = take_slot(s, BLOCK, t->offset + offset, size);
    slot->piece.tensor = t;
    slot->piece.block = s->block++;
    slot->loaded = &s->loaded[s->current];
    if (s->block < ent_index_blocks(s->x, t)) return;
    s->block = 0;
    s->tensor++;
}

static void gather_window(state *s, window *w)
{
    s->gathering = w;
    w->used = 0;
    while (w->used < s->slots && s->file < s->x->files) {
        while (s->tensor < s->x->tensors && s->x->tensor[s->tensor].words == 0) s->tensor++;
        bool more = s->tensor < s->x->tensors && s->x->tensor[s->tensor].file == s->file;
        uint64_t next = more ? s->x->tensor[s->tensor].offset : s->x->file[s->file].bytes;
        if (s->block == 0 && s->at < next) {
            gather_gap(s, next);
        } else if (more) {
            gather_block(s);
        } else {
            take_slot(s, END, s->at, 0);
            ent_h5_close_set(s->gaps);
            s->gaps = -1;
            s->gaps_open = false;
            s->at = 0;
            s->file++;
        }
    }
}

/* ---- decoding --------------------------------------------------------------------------------------------- */

static void decode_slot(void *context, unsigned which, size_t i, unsigned thread)
{
    const state *s = context;
    flow_slot *slot = &s->window[which].slot[i];
    if (slot->status || slot->kind == LOST || slot->kind == END) return;
    if (slot->kind == BLOCK)
        slot->status = ent_load_block(s->c, slot->loaded, slot->piece.block, 0, slot->bytes.data, &s->scratch[thread],
                                      &slot->error);
    if (slot->status || !s->flow->sink) return;
    slot->status = s->flow->sink(s->flow->context, &slot->piece, &slot->error);
    slot->fatal = slot->status == ENT_EIO;
}

/* ---- checking --------------------------------------------------------------------------------------------- */

/* Something is wrong: `error` says what, or nothing when it has been said.  `lost`: the piece that it costs, NULL:
 * none.  ENT_OK: go on. */
static ent_status wrong(state *s, const ent_error *error, ent_status status, const flow_slot *lost)
{
    ent_error more;
    s->broken = true;
    if (!s->flow->report || status == ENT_ENOMEM || (lost && lost->fatal))
        return ent_fail(s->error, status, "%s", error->text);
    if (lost && lost->kind != GAP && status != ENT_ECHECK) {
        ent_fail(&more, status, "%.700s; lost: bytes %llu to %llu of file %s", error->text,
                 (unsigned long long)lost->piece.offset, (unsigned long long)(lost->piece.offset + lost->span - 1),
                 ent_quote(s->x->file[lost->piece.file].name).text);
        error = &more;
    }
    if (error->text[0]) s->flow->report(s->flow->report_context, error->text);
    s->reports++;
    return ENT_OK;
}

static ent_status check_file(state *s, size_t file)
{
    const ent_index_file *f = &s->x->file[file];
    bool holds = s->broken || XXH3_64bits_digest(s->hash) == f->hash;
    ent_error error;
    XXH3_64bits_reset(s->hash);
    s->broken = false;
    if (holds) return ENT_OK;
    ent_fail(&error, ENT_ECORRUPT, "%s: file %s: decoded, but its checksum does not hold", s->c->path,
             ent_quote(f->name).text);
    ent_status status = wrong(s, &error, ENT_ECORRUPT, NULL);
    s->broken = false;
    return status;
}

static ent_status check_slot(state *s, const flow_slot *slot)
{
    ent_status status = ENT_OK;
    if (slot->status) status = wrong(s, &slot->error, slot->status, slot);
    else if (slot->kind == END) status = check_file(s, slot->piece.file);
    else XXH3_64bits_update(s->hash, slot->piece.bytes.data, slot->piece.bytes.size);
    s->done += slot->span;
    return status;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static ent_status turn_window(void *context, unsigned which, size_t *items)
{
    state *s = context;
    window *w = &s->window[which];
    const ent_run *how = &s->flow->run;
    for (size_t i = 0; i < w->used; i++) {
        ent_status status = check_slot(s, &w->slot[i]);
        if (status) return status;
    }
    if (w->used && how->progress) how->progress(how->context, s->done, s->x->sizes.input_bytes);
    gather_window(s, w);
    *items = w->used;
    return ENT_OK;
}

static ent_status run(state *s)
{
    const ent_windows windows = { .context = s, .turn = turn_window, .work = decode_slot };
    ent_status status = ent_windows_run(&windows, s->flow->run.threads);
    if (status || !s->reports) return status;
    return ent_fail(s->error, ENT_ECHECK, "%s: %zu findings", s->c->path, s->reports);
}

ent_status ent_flow_all(const ent_flow *flow, ent_error *error)
{
    state s = { .flow = flow, .c = flow->container, .x = &flow->container->index, .error = error, .gaps = -1 };
    unsigned threads = ent_threads(flow->run.threads);
    ent_status status = ent_need_base(s.c, error);
    if (status) return status;
    s.slots = ent_index_window(s.x, threads);
    s.ring = 2 * s.slots + 1;
    s.window[0].slot = ent_calloc(s.slots, sizeof(flow_slot));
    s.window[1].slot = ent_calloc(s.slots, sizeof(flow_slot));
    s.loaded = ent_calloc(s.ring, sizeof *s.loaded);
    s.scratch = ent_calloc(threads, sizeof *s.scratch);
    s.hash = XXH3_createState();
    if (!s.window[0].slot || !s.window[1].slot || !s.loaded || !s.scratch || !s.hash)
        status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", s.c->path);
    if (!status) {
        XXH3_64bits_reset(s.hash);
        status = run(&s);
    }
    ent_h5_close_set(s.gaps);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < s.slots && s.window[k].slot; i++) ent_free(s.window[k].slot[i].bytes.data);
        ent_free(s.window[k].slot);
    }
    for (size_t i = 0; i < s.ring && s.loaded; i++) ent_unload(&s.loaded[i]);
    ent_free(s.loaded);
    ent_scratch_free(s.scratch, threads);
    XXH3_freeState(s.hash);
    return status;
}
