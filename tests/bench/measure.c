/* measure.c - the race: one memcpy and one turn of every contestant a round, so that whatever slows
 * the machine for a while slows all alike.
 *
 * All buffers exist before the clock starts.  Memory to memory, a turn is one decode; with every
 * other contestant's codes decoded in between, its input comes from memory.  Cache resident, a turn is one
 * decode that nobody times, then some that are timed.  Slow contestants take part in fewer rounds, down
 * to one decode.  Encoding is timed in the first rounds only.  Blocks are shared out to threads once and
 * for all: each thread finds its own in its cache.  In a contestant's last turn the output is spoilt
 * before, and compared with the source after. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <omp.h>

#include "bench.h"

const char *const kind_names[] = { "ours", "wrapped", "peer", "mixed" };

enum { CACHED_PASSES = 6, MOST_ENCODES = 3 };

struct runner {
    struct contestant contestant;
    uint8_t *codes;    /* all blocks, end to end */
    size_t *place;     /* [blocks + 1] in codes */
    size_t blocks, bound;
    double *seconds, encode_seconds, encoding; /* decodes, the fastest encode, all encodes */
    unsigned decodes, encodes, turns;
    bool verified;
};

struct field { /* what all runners share */
    const struct race *race;
    size_t bytes, scratch_bytes;
    unsigned passes;
    uint8_t *output, *scratch;
    double *copy_seconds;
    unsigned copies;
    struct runner runner[MOST_CONTESTANTS];
    size_t runners;
};

struct turn {
    struct field *field;
    struct runner *runner;
    ent_buffer *encoded; /* [blocks] */
};

typedef ent_status block_job(const struct turn *turn, size_t i, unsigned thread);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* job(0) .. job(n - 1), the same thread for the same i every time. */
static ent_status share_out(const struct turn *turn, size_t n, block_job *job)
{
    ent_status failed = ENT_OK;
    unsigned threads = turn->field->race->threads;
    if (threads == 1) {
        for (size_t i = 0; i < n && !failed; i++) failed = job(turn, i, 0);
        return failed;
    }
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < n; i++) {
        ent_status status = job(turn, i, (unsigned)omp_get_thread_num());
        if (status) {
#pragma omp atomic write
            failed = status;
        }
    }
    return failed;
}

static ent_bytes source_block(const struct turn *turn, size_t i)
{
    size_t block = turn->runner->contestant.block, first = i * block, left = turn->field->bytes - first;
    return (ent_bytes){ turn->field->race->data->symbols + first, left < block ? left : block };
}

static ent_status encode_block(const struct turn *turn, size_t i, unsigned thread)
{
    const struct contestant *c = &turn->runner->contestant;
    turn->encoded[i].size = 0;
    return c->encode(c->coding, thread, source_block(turn, i), &turn->encoded[i]);
}

static ent_status decode_block(const struct turn *turn, size_t i, unsigned thread)
{
    const struct runner *r = turn->runner;
    const struct field *f = turn->field;
    ent_bytes code = { r->codes + r->place[i], r->place[i + 1] - r->place[i] };
    bool stream = !f->race->cached && f->bytes > ent_stream_bytes();
    return r->contestant.decode(r->contestant.coding, thread, code, stream, f->output + i * r->contestant.block,
                                source_block(turn, i).size);
}

static ent_status copy_part(const struct turn *turn, size_t i, unsigned thread)
{
    const struct field *f = turn->field;
    size_t part = (f->bytes / f->race->threads + 63) / 64 * 64, first = i * part; /* whole cache lines */
    (void)thread;
    if (first >= f->bytes) return ENT_OK;
    memcpy(f->output + first, f->race->data->symbols + first, f->bytes - first < part ? f->bytes - first : part);
    return ENT_OK;
}

/* ---- turns ------------------------------------------------------------------------------------- */

static ent_status keep_codes(struct runner *r, const ent_buffer *encoded)
{
    size_t size = 0;
    for (size_t i = 0; i < r->blocks; i++) size += encoded[i].size;
    r->place = ent_calloc(r->blocks + 1, sizeof *r->place);
    r->codes = ent_alloc(size + 1);
    if (!r->place || !r->codes) return ENT_ENOMEM;
    for (size_t i = 0; i < r->blocks; i++) {
        memcpy(r->codes + r->place[i], encoded[i].data, encoded[i].size);
        r->place[i + 1] = r->place[i] + encoded[i].size;
    }
    return ENT_OK;
}

static ent_status encode_turn(struct field *f, struct runner *r)
{
    struct turn turn = { f, r, ent_calloc(r->blocks, sizeof *turn.encoded) };
    if (!turn.encoded) return ENT_ENOMEM;
    for (size_t i = 0; i < r->blocks; i++) turn.encoded[i] = (ent_buffer){ f->scratch + i * r->bound, 0, r->bound };
    double start = now();
    ent_status status = share_out(&turn, r->blocks, encode_block);
    double took = now() - start;
    if (!r->encodes++ || took < r->encode_seconds) r->encode_seconds = took;
    r->encoding += took;
    if (!status && !r->codes) status = keep_codes(r, turn.encoded);
    ent_free(turn.encoded);
    return status;
}

/* Timed passes of `job` after, where it is to be in the cache, one that is not timed; fewer when they
 * take long. */
static ent_status timed(const struct turn *turn, size_t n, block_job *job, double *seconds, unsigned *count)
{
    double begin = now(), most = turn->field->race->seconds / 4;
    ent_status status = turn->field->race->cached ? share_out(turn, n, job) : ENT_OK;
    for (unsigned p = 0; p < turn->field->passes && !status && (!p || now() - begin < most); p++) {
        double start = now();
        status = share_out(turn, n, job);
        seconds[(*count)++] = now() - start;
    }
    return status;
}

/* Rounds that fit the time a contestant may take, judged by its fastest decode so far: a machine that
 * was busy for a while must not cost it its chances. */
static unsigned rounds_of(const struct field *f, const struct runner *r)
{
    if (!r->turns) return f->race->rounds;
    double fastest = r->seconds[0];
    for (unsigned i = 1; i < r->decodes; i++)
        if (r->seconds[i] < fastest) fastest = r->seconds[i];
    double fit = f->race->seconds * r->turns / (fastest * r->decodes);
    return fit < f->race->rounds ? (unsigned)fit : f->race->rounds;
}

static ent_status decode_turn(struct field *f, struct runner *r)
{
    struct turn turn = { f, r, NULL };
    unsigned rounds = rounds_of(f, r);
    bool last = r->turns + 1 >= rounds;
    if (r->verified || r->turns >= f->race->rounds) return ENT_OK; /* had its last turn */
    if (last)
        for (size_t i = 0; i < f->bytes; i++) f->output[i] = (uint8_t)~f->race->data->symbols[i]; /* every byte wrong */
    ent_status status = timed(&turn, r->blocks, decode_block, r->seconds, &r->decodes);
    r->turns++;
    if (last && !status) r->verified = !memcmp(f->output, f->race->data->symbols, f->bytes);
    return status;
}

static ent_status run_round(struct field *f, unsigned round, ent_error *error)
{
    struct turn copy = { f, NULL, NULL };
    timed(&copy, f->race->threads, copy_part, f->copy_seconds, &f->copies);
    for (size_t i = 0; i < f->runners; i++) {
        struct runner *r = &f->runner[i];
        ent_status status = ENT_OK;
        bool fits = !round || r->encoding * (round + 1) / round < f->race->seconds;
        if (round < MOST_ENCODES && fits) status = encode_turn(f, r);
        if (!status) status = decode_turn(f, r);
        if (status)
            return ent_fail(error, status, "%s on %s: %s", r->contestant.name, f->race->data->name,
                            ent_status_text(status));
    }
    return ENT_OK;
}

/* ---- before and after -------------------------------------------------------------------------- */

static ent_status prepare(struct field *f, ent_error *error)
{
    const struct race *race = f->race;
    struct contestant list[MOST_CONTESTANTS];
    memset(list, 0, sizeof list);
    ent_status status = ours_open(list, &f->runners, race->data, race->n, race->threads, error);
    if (!status) status = peers_open(list, &f->runners, race->data, race->threads, error);
    f->bytes = race->n * race->data->width;
    f->passes = race->cached ? CACHED_PASSES : 1;
    size_t samples = (size_t)race->rounds * f->passes;
    for (size_t i = 0; i < f->runners; i++) {
        struct runner *r = &f->runner[i];
        r->contestant = list[i];
        if (status) continue; /* opened ones must be kept, to be closed */
        r->blocks = (f->bytes - 1) / r->contestant.block + 1;
        size_t block = f->bytes < r->contestant.block ? f->bytes : r->contestant.block;
        r->bound = r->contestant.bound(r->contestant.coding, block);
        r->bound = (r->bound + 63) / 64 * 64;
        if (r->bound * r->blocks > f->scratch_bytes) f->scratch_bytes = r->bound * r->blocks;
        r->seconds = ent_calloc(samples, sizeof *r->seconds);
        if (!r->seconds) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    }
    if (status) return status;
    f->output = ent_calloc(1, f->bytes);
    f->scratch = ent_calloc(1, f->scratch_bytes);
    f->copy_seconds = ent_calloc(samples, sizeof *f->copy_seconds);
    if (!f->output || !f->scratch || !f->copy_seconds) return ent_fail(error, ENT_ENOMEM, "out of memory");
    return ENT_OK;
}

static void clean_up(struct field *f)
{
    for (size_t i = 0; i < f->runners; i++) {
        struct runner *r = &f->runner[i];
        if (r->contestant.coding) r->contestant.close(r->contestant.coding);
        ent_free(r->codes);
        ent_free(r->place);
        ent_free(r->seconds);
    }
    ent_free(f->output);
    ent_free(f->scratch);
    ent_free(f->copy_seconds);
    ent_free(f);
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* GB/s of the fastest, and of the middle one; sorts. */
static double gbps(size_t bytes, double *seconds, unsigned n, double *median)
{
    qsort(seconds, n, sizeof *seconds, by_time);
    if (median) *median = 1e-9 * (double)bytes / (0.5 * (seconds[(n - 1) / 2] + seconds[n / 2]));
    return 1e-9 * (double)bytes / seconds[0];
}

static void report(struct field *f, struct runner *r, double entropy, double copy, struct result *result)
{
    const struct race *race = f->race;
    const struct contestant *c = &r->contestant;
    double bytes = (double)(r->place[r->blocks] + c->table_bytes);
    *result = (struct result){ .data = race->data->name, .version = c->version, .kind = c->kind,
                               .threads = race->threads, .residency = race->cached ? "cache" : "memory",
                               .rounds = r->decodes, .symbols = race->n, .block = c->block,
                               .width = race->data->width, .bits = 8 * bytes / (double)race->n, .entropy = entropy,
                               .encode = 1e-9 * (double)f->bytes / r->encode_seconds, .memcpy = copy,
                               .verified = r->verified };
    memcpy(result->name, c->name, sizeof result->name);
    result->decode = gbps(f->bytes, r->seconds, r->decodes, &result->decode_median);
}

ent_status race_run(const struct race *race, struct result *result, size_t *results, ent_error *error)
{
    double entropy;
    struct field *f = ent_calloc(1, sizeof *f);
    if (!f) return ent_fail(error, ENT_ENOMEM, "out of memory");
    f->race = race;
    ent_status status = prepare(f, error);
    for (unsigned round = 0; round < race->rounds && !status; round++) status = run_round(f, round, error);
    if (!status) status = data_entropy(race->data, race->n, &entropy);
    if (!status) {
        double copy = gbps(f->bytes, f->copy_seconds, f->copies, NULL);
        for (size_t i = 0; i < f->runners; i++) report(f, &f->runner[i], entropy, copy, &result[(*results)++]);
    }
    clean_up(f);
    return status;
}
