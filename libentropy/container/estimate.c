/* estimate.c - what tensors would take in a container, by coding them, or some of their blocks.
 *
 * The steps are the writer's own: the same counts, tables, blocks, and the same rule for tables that do not
 * pay, so that what was coded whole is what the writer stores, to the byte.  A tensor of
 * which n of N blocks were coded is estimated by their mean; its standard error is
 * sd * N * sqrt((1 - n / N) / n) (sampling without replacement). */
#include <math.h>

#include "container/trial.h"

enum { LEAST_BLOCKS = 4 };

typedef struct estimating {
    ent_plan plan;
    double part; /* of each tensor's blocks; 1: all */
    unsigned threads;
    size_t first, end; /* the batch */
    ent_unit *units;
    size_t n;
    double *bytes;        /* of each unit, coded */
    size_t *table_bytes;  /* of each tensor of the batch */
    ent_scratch *scratch; /* of each thread */
} estimating;

/* Leaves `take` of a tensor's units, evenly spaced. */
static size_t thin(const ent_unit *from, size_t n, double part, ent_unit *to)
{
    size_t take = (size_t)ceil((double)n * part);
    if (take < LEAST_BLOCKS) take = LEAST_BLOCKS;
    if (take > n) take = n;
    for (size_t k = 0; k < take; k++) to[k] = from[k * n / take];
    return take;
}

static void thin_all(estimating *e)
{
    size_t kept = 0, start = 0;
    while (start < e->n) {
        size_t stop = start;
        while (stop < e->n && e->units[stop].tensor == e->units[start].tensor) stop++;
        kept += thin(e->units + start, stop - start, e->part, e->units + kept);
        start = stop;
    }
    e->n = kept;
}

static ent_status train(size_t i, unsigned thread, void *context)
{
    (void)thread;
    estimating *e = context;
    return ent_trial_train(&e->plan, &e->plan.group[e->plan.group_of[e->first + i]], &e->table_bytes[i]);
}

static ent_status encode(size_t i, unsigned thread, void *context)
{
    estimating *e = context;
    ent_status status = ent_trial_encode(&e->plan, &e->units[i], &e->scratch[thread]);
    e->bytes[i] = (double)e->scratch[thread].coded.size;
    return status;
}

/* From n units of one tensor. */
static ent_tensor_size extrapolate(const estimating *e, const ent_unit *unit, const double *bytes, size_t n)
{
    const ent_index_tensor *t = &e->plan.index.tensor[unit->tensor];
    double words = 0, sum = 0, squares = 0, blocks = (double)ent_index_blocks(&e->plan.index, t);
    for (size_t k = 0; k < n; k++) words += unit[k].words, sum += bytes[k];
    double mean = sum / words, part = (double)n / blocks;
    for (size_t k = 0; k < n; k++) squares += (bytes[k] - mean * unit[k].words) * (bytes[k] - mean * unit[k].words);
    double sd = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    return (ent_tensor_size){ part < 1 ? mean * (double)t->words : sum,
                              part < 1 ? sd * blocks * sqrt((1 - part) / (double)n) : 0 };
}

static ent_status code_batch(estimating *e, ent_tensor_size *size, ent_error *error)
{
    thin_all(e);
    ent_status status = ent_plan_count(&e->plan, e->units, e->n, e->threads, false, error);
    if (status) return status;
    e->bytes = ent_calloc(e->n, sizeof *e->bytes);
    e->table_bytes = ent_calloc(e->end - e->first, sizeof *e->table_bytes);
    status = e->bytes && e->table_bytes ? ent_parallel(e->end - e->first, e->threads, train, e) : ENT_ENOMEM;
    if (!status) status = ent_parallel(e->n, e->threads, encode, e);
    for (size_t i = e->first; i < e->end && !status; i++)
        size[i] = (ent_tensor_size){ (double)e->table_bytes[i - e->first], 0 };
    for (size_t k = 0, stop; k < e->n && !status; k = stop) {
        for (stop = k; stop < e->n && e->units[stop].tensor == e->units[k].tensor;) stop++;
        ent_tensor_size s = extrapolate(e, e->units + k, e->bytes + k, stop - k);
        size[e->units[k].tensor].bytes += s.bytes;
        size[e->units[k].tensor].error = s.error;
    }
    for (size_t i = e->first; i < e->end; i++) ent_tables_free(&e->plan.group[e->plan.group_of[i]].tables);
    ent_free(e->bytes);
    ent_free(e->table_bytes);
    return status ? ent_fail(error, status, "coding: %s", ent_status_text(status)) : ENT_OK;
}

static ent_status estimate_all(estimating *e, const ent_run *run, ent_tensor_size *size, ent_error *error)
{
    const ent_index *x = &e->plan.index;
    uint64_t bytes, done = 0;
    ent_status status = ENT_OK;
    for (e->first = 0; e->first < x->tensors && !status; e->first = e->end) {
        e->end = ent_plan_batch(&e->plan, e->first, &bytes);
        status = ent_plan_units(&e->plan, e->first, e->end, &e->units, &e->n, error);
        if (!status) status = code_batch(e, size, error);
        ent_free(e->units);
        done += bytes;
        if (!status && run && run->progress) run->progress(run->context, done, x->sizes.input_bytes);
    }
    return status;
}

ent_status ent_trial_sizes(const ent_weights *weights, const ent_assignment *assignment, uint64_t sample_bytes,
                           const ent_run *run, ent_tensor_size *size, ent_error *error)
{
    estimating e = { .threads = ent_threads(run ? run->threads : 0) };
    for (size_t i = 0; i < assignment->codecs; i++)
        if (ent_codec_scope(assignment->codec[i]) != ENT_SCOPE_TENSOR)
            return ent_fail(error, ENT_EINVAL, "codec %s: only of scope=tensor can tensors be judged one by one",
                            ent_codec_name(assignment->codec[i]));
    ent_status status = ent_plan_make(&e.plan, weights, assignment, ENT_PLAN_ALL, error);
    if (!status && (status = ent_plan_find_same(&e.plan, error))) ent_plan_free(&e.plan);
    if (status) return status;
    uint64_t all = e.plan.index.sizes.input_bytes;
    e.part = all <= sample_bytes ? 1 : (double)sample_bytes / (double)all;
    e.scratch = ent_calloc(e.threads, sizeof *e.scratch);
    status = e.scratch ? estimate_all(&e, run, size, error) : ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_scratch_free(e.scratch, e.threads);
    ent_plan_free(&e.plan);
    return status;
}

ent_status ent_container_estimate(const ent_weights *weights, const ent_codec *codec, uint64_t sample_bytes,
                                  const ent_run *run, ent_tensor_size *size, ent_error *error)
{
    const ent_assignment assignment = { .codecs = 1, .codec = &codec };
    return ent_trial_sizes(weights, &assignment, sample_bytes, run, size, error);
}
