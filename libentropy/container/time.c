/* time.c - how long all tensors of a container take to decode, memory to memory.
 *
 * What a file costs (reading, checksums) is left out, and tables are built before, as in ent_bench_words: this
 * is the time from code in memory to weights in memory.  All blocks of all tensors are one parallel loop. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "container/load.h"

typedef struct timed_block {
    uint32_t tensor, words;
    uint64_t offset; /* in its tensor */
    size_t bytes;    /* of its words */
    ent_bytes code;
    uint8_t *out;
} timed_block;

typedef struct timing {
    const ent_container *container;
    ent_loaded *loaded; /* of each tensor */
    timed_block *block;
    size_t blocks, bytes, threads;
    uint64_t coded;
    uint8_t *code, *out, *copy;
    ent_scratch *scratch; /* of each thread */
    unsigned flags;
} timing;

static size_t aligned(size_t n) { return (n + 63) / 64 * 64; }

/* ---- what is decoded -------------------------------------------------------------------------- */

/* Tables and places of all blocks; the sums of their sizes. */
static ent_status load(timing *t, ent_error *error)
{
    const ent_index *x = &t->container->index;
    uint64_t bytes = 0, code = 0, blocks = 0;
    if (!(t->loaded = ent_calloc(x->tensors + 1, sizeof *t->loaded)))
        return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < x->tensors; i++) {
        ent_status status = ent_load(&t->loaded[i], t->container, i, error);
        if (status) return status;
        uint64_t n = ent_index_blocks(x, &x->tensor[i]);
        for (uint64_t k = 0; k < n; k++) {
            t->coded += t->loaded[i].place[k].size;
            code += aligned(t->loaded[i].place[k].size);
        }
        blocks += n;
        if (__builtin_add_overflow(bytes, aligned(x->tensor[i].bytes), &bytes) || bytes > SIZE_MAX / 2)
            return ent_fail(error, ENT_ENOMEM, "%s: more than fits in memory", t->container->path);
    }
    t->blocks = blocks;
    t->bytes = bytes;
    t->code = ent_calloc(1, code + 1);
    t->out = ent_calloc(1, bytes + 1);
    t->copy = ent_calloc(1, bytes + 1);
    t->block = ent_calloc(blocks + 1, sizeof *t->block);
    t->scratch = ent_calloc(t->threads, sizeof *t->scratch);
    return t->code && t->out && t->copy && t->block && t->scratch ? ENT_OK
                                                                 : ent_fail(error, ENT_ENOMEM, "out of memory");
}

static ent_status read_blocks(timing *t, ent_error *error)
{
    const ent_index *x = &t->container->index;
    uint8_t *code = t->code, *out = t->out;
    timed_block *b = t->block;
    for (size_t i = 0; i < x->tensors; i++) {
        for (uint64_t k = 0; k < ent_index_blocks(x, &x->tensor[i]); k++, b++) {
            size_t n = t->loaded[i].place[k].size;
            ent_status status = ent_load_code(t->container, &t->loaded[i], k, code, error);
            if (status) return status;
            b->tensor = (uint32_t)i;
            b->words = (uint32_t)ent_index_block(x, &x->tensor[i], k, &b->offset, &b->bytes);
            b->code = (ent_bytes){ code, n };
            b->out = out + b->offset;
            code += aligned(n); /* as in the buffers that files are read into */
        }
        out += aligned(x->tensor[i].bytes);
    }
    return ENT_OK;
}

/* ---- the clock -------------------------------------------------------------------------------- */

static ent_status decode(size_t i, unsigned thread, void *context)
{
    const timing *t = context;
    const timed_block *b = &t->block[i];
    return ent_load_decode(&t->loaded[b->tensor], b->code, t->flags, b->offset, b->out, b->words, &t->scratch[thread]);
}

/* Block by block, as raw blocks are decoded: one call for all would be slower by what memcpy does with large ones. */
static ent_status copy(size_t i, unsigned thread, void *context)
{
    (void)thread;
    const timing *t = context;
    const timed_block *b = &t->block[i];
    memcpy(b->out, t->copy + (b->out - t->out), b->bytes);
    return ENT_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *ns, unsigned runs)
{
    qsort(ns, runs, sizeof *ns, by_size);
    return 0.5 * (ns[(runs - 1) / 2] + ns[runs / 2]);
}

static ent_status run_timed(timing *t, ent_job *job, size_t n, double *ns)
{
    double start = ent_nanoseconds(CLOCK_MONOTONIC);
    ent_status status = ent_parallel(n, (unsigned)t->threads, job, t);
    *ns = ent_nanoseconds(CLOCK_MONOTONIC) - start;
    return status;
}

/* Both find the caches as a copy leaves them: decoders may store past these, and the copy after one is slower. */
static ent_status run_all(timing *t, double *copies, double *decodes, unsigned runs)
{
    ent_status status = ENT_OK;
    for (unsigned r = 0; r < runs && !status; r++) {
        status = run_timed(t, copy, t->blocks, &copies[r]);
        if (!status) status = run_timed(t, copy, t->blocks, &copies[r]);
        if (!status) status = run_timed(t, decode, t->blocks, &decodes[r]);
    }
    return status;
}

/* Decodes all once more, over spoilt bytes. */
static ent_status check(timing *t)
{
    memset(t->out, 0xa5, t->bytes);
    ent_status status = ent_parallel(t->blocks, (unsigned)t->threads, decode, t);
    for (size_t i = 0, at = 0; i < t->container->index.tensors && !status; i++) {
        size_t size = t->container->index.tensor[i].bytes;
        if (memcmp(t->out + at, t->copy + at, size)) status = ENT_ECHECK;
        at += aligned(size);
    }
    return status;
}

static ent_status measure(timing *t, unsigned runs, ent_container_speed *speed, ent_error *error)
{
    double *ns = ent_calloc(runs, 2 * sizeof *ns);
    if (!ns) return ent_fail(error, ENT_ENOMEM, "out of memory");
    unsigned stream = t->bytes > ent_stream_bytes() ? ENT_STREAM : 0;
    t->flags = stream;
    ent_status status = ent_parallel(t->blocks, (unsigned)t->threads, decode, t);
    memcpy(t->copy, t->out, t->bytes);
    t->flags = stream | ENT_TRUSTED;
    if (!status) status = run_all(t, ns, ns + runs, runs);
    if (!status) status = check(t);
    speed->coded_bytes = t->coded;
    speed->copy_median_ns = median(ns, runs);
    speed->decode_median_ns = median(ns + runs, runs);
    speed->copy_ns = ns[0]; /* sorted now */
    speed->decode_ns = ns[runs];
    for (size_t i = 0; i < t->container->index.tensors; i++) speed->bytes += t->container->index.tensor[i].bytes;
    ent_free(ns);
    if (!status) return ENT_OK;
    return ent_fail(error, status, "%s: decoding: %s; `entropy verify` tells where", t->container->path,
                    ent_status_text(status));
}

ent_status ent_container_time(ent_container *container, unsigned runs, const ent_run *run, ent_container_speed *speed,
                              ent_error *error)
{
    timing t = { .container = container, .threads = ent_threads(run ? run->threads : 0) };
    *speed = (ent_container_speed){ 0 };
    if (!runs) return ent_fail(error, ENT_EINVAL, "no runs");
    ent_h5_tongue tongue = ent_h5_quiet();
    ent_status status = load(&t, error);
    ent_h5_restore(tongue);
    if (!status) status = read_blocks(&t, error);
    if (!status) status = measure(&t, runs, speed, error);
    for (size_t i = 0; t.loaded && i < container->index.tensors; i++) ent_unload(&t.loaded[i]);
    ent_scratch_free(t.scratch, t.threads);
    ent_free(t.loaded);
    ent_free(t.block);
    ent_free(t.code);
    ent_free(t.out);
    ent_free(t.copy);
    return status;
}
