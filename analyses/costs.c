/* costs.c - see costs.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "costs.h"
#include "progress.h"
#include "sample.h"

/* ---- sizes ----------------------------------------------------------------------------------- */

static ent_status find_sizes(struct costs *costs, const ent_weights *weights, ent_codec *const codec[],
                             const struct costs_how *how, ent_error *error)
{
    ent_tensor_size *size = ent_calloc(costs->tensors + 1, sizeof *size);
    ent_status status = size ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    struct progress progress;
    progress_begin(&progress, how->common, "sizes");
    for (size_t k = 0; k < costs->codecs && !status; k++) {
        const ent_run run = { how->common->threads, NULL, NULL };
        progress_note(&progress, ent_codec_name(codec[k]));
        status = ent_container_estimate(weights, codec[k], how->sample_bytes, &run, size, error);
        for (size_t i = 0; i < costs->tensors && !status; i++) {
            costs->option[i * costs->codecs + k].cost[ENT_COST_BYTES] = size[i].bytes;
            costs->bytes_error[i * costs->codecs + k] = size[i].error;
        }
    }
    progress_end(&progress);
    ent_free(size);
    return status;
}

/* ---- times on this machine ------------------------------------------------------------------- */

/* A block of n words takes ns_per_block + n * ns_per_word: tensors are often smaller than a block, and then what
 * a block costs at all shows. */
struct pace {
    double ns_per_word, ns_per_block, width; /* width: bytes of a word */
};

/* Sets the times of one codec for all tensors of a dtype; NULL: of those that have no number format. */
static void set_times(struct costs *costs, const ent_weights *weights, const char *dtype, size_t k,
                      const struct pace *pace, size_t block)
{
    for (size_t i = 0; i < costs->tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        bool known = ent_format_find(t->dtype);
        double words = known ? (double)t->elements : (double)t->bytes.size / pace->width;
        if (known && dtype ? !strcmp(t->dtype, dtype) : !known && !dtype)
            costs->option[i * costs->codecs + k].cost[ENT_COST_NS] =
                ceil(words / (double)block) * pace->ns_per_block + words * pace->ns_per_word;
    }
}

/* A codec with its own blocks and with small ones. */
enum { OWN, SMALL, SIZES, SMALL_BLOCK = 4096, ROUNDS = 5 };

struct timed {
    ent_codec *small; /* NULL: its own blocks are as small as that */
    double ns[SIZES]; /* fastest decode of the sample */
    unsigned runs[SIZES]; /* that fit in a round; 0: not known yet */
};

/* A round's runs of one size; slow codecs have but one round of one run. */
static ent_status time_size(const struct sample *sample, const ent_codec *codec, const struct costs_how *how,
                            struct timed *timed, int size, ent_error *error)
{
    ent_bench bench;
    unsigned *runs = &timed->runs[size];
    if (!codec || *runs == 1) return ENT_OK;
    ent_status status =
        *runs ? ent_bench_words(codec, sample->dtype, sample->words, sample->n, how->common->threads, *runs, &bench, error)
              : sample_bench(sample, codec, how->common->threads, how->runs, how->seconds / ROUNDS, &bench, runs, error);
    if (!status) timed->ns[size] = fmin(timed->ns[size], (double)bench.bytes / bench.decode_gbps);
    return status;
}

/* The codecs take turns, so that what slows the machine for some seconds slows all of them. */
static ent_status time_all(const struct sample *sample, ent_codec *const codec[], size_t codecs,
                           const struct costs_how *how, struct timed *timed, ent_error *error)
{
    ent_status status = ENT_OK;
    struct progress progress;
    progress_begin(&progress, how->common, "times");
    for (int round = 0; round < ROUNDS && !status; round++)
        for (size_t k = 0; k < codecs && !status; k++) {
            progress_note(&progress, ent_codec_name(codec[k]));
            status = time_size(sample, codec[k], how, &timed[k], OWN, error);
            if (!status) status = time_size(sample, timed[k].small, how, &timed[k], SMALL, error);
        }
    progress_end(&progress);
    return status;
}

static ent_status timed_init(struct timed *timed, const ent_codec *codec, size_t words, ent_error *error)
{
    char text[2000];
    *timed = (struct timed){ .ns = { INFINITY, INFINITY } };
    if (ent_codec_block(codec) <= SMALL_BLOCK || words <= SMALL_BLOCK) return ENT_OK;
    if (snprintf(text, sizeof text, "%s block=4k", ent_codec_text(codec)) >= (int)sizeof text) return ENT_OK;
    return ent_codec_parse(&timed->small, text, error);
}

/* What a block adds shows in the time that smaller ones take. */
static struct pace pace_of(const struct timed *timed, const struct sample *sample, const ent_codec *codec)
{
    double n = (double)sample->n, blocks = ceil(n / (double)ent_codec_block(codec));
    struct pace pace = { .width = (double)sample->bytes / n };
    if (timed->small) pace.ns_per_block = fmax(0, timed->ns[SMALL] - timed->ns[OWN]) / (ceil(n / SMALL_BLOCK) - blocks);
    pace.ns_per_word = fmax(0, timed->ns[OWN] - blocks * pace.ns_per_block) / n;
    return pace;
}

/* The first codec is raw, which is how all store what has no number format. */
static ent_status measure_dtype(struct costs *costs, const ent_weights *weights, ent_codec *const codec[],
                                const char *dtype, const struct costs_how *how, ent_error *error)
{
    enum { LEAST = 1 << 20, MOST = 256 << 20 };
    struct sample sample = { 0 };
    uint64_t bytes = 0;
    for (size_t i = 0; i < costs->tensors; i++) bytes += ent_weights_tensor(weights, i)->bytes.size;
    bytes = bytes < LEAST ? LEAST : bytes < MOST ? bytes : MOST;
    struct timed *timed = ent_calloc(costs->codecs, sizeof *timed);
    ent_status status = timed ? sample_take_dtype(&sample, weights, dtype, bytes, error)
                              : ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t k = 0; k < costs->codecs && !status; k++) status = timed_init(&timed[k], codec[k], sample.n, error);
    if (!status) status = time_all(&sample, codec, costs->codecs, how, timed, error);
    for (size_t k = 0; k < costs->codecs && !status; k++) {
        struct pace pace = pace_of(&timed[k], &sample, codec[k]);
        size_t block = ent_codec_block(codec[k]);
        set_times(costs, weights, dtype, k, &pace, block);
        for (size_t j = 0; j < costs->codecs && k == 0; j++) set_times(costs, weights, NULL, j, &pace, block);
    }
    for (size_t k = 0; k < costs->codecs && timed; k++) ent_codec_free(timed[k].small);
    ent_free(timed);
    sample_free(&sample);
    return status;
}

/* Whether tensor i is the first of its dtype, a number format, that is not empty. */
static bool is_first(const ent_weights *weights, size_t i)
{
    const ent_tensor *t = ent_weights_tensor(weights, i);
    if (!t->elements || !ent_format_find(t->dtype)) return false;
    for (size_t k = 0; k < i; k++)
        if (ent_weights_tensor(weights, k)->elements && !strcmp(ent_weights_tensor(weights, k)->dtype, t->dtype))
            return false;
    return true;
}

static ent_status measure_all(struct costs *costs, const ent_weights *weights, ent_codec *const codec[],
                              const struct costs_how *how, ent_error *error)
{
    ent_status status = ENT_OK;
    bool any = false;
    for (size_t i = 0; i < costs->tensors && !status; i++) {
        if (!is_first(weights, i)) continue;
        any = true;
        status = measure_dtype(costs, weights, codec, ent_weights_tensor(weights, i)->dtype, how, error);
    }
    if (any || status) return status;
    return ent_fail(error, ENT_EUNSUPPORTED, "the model has no tensors of a known number format");
}

/* ---- times and energies on other machines ---------------------------------------------------- */

static ent_status predict(struct costs *costs, const ent_tensor *t, size_t i, size_t k, const ent_codec *codec,
                          const ent_target *target, unsigned threads, ent_error *error)
{
    ent_option *o = &costs->option[i * costs->codecs + k];
    bool known = ent_format_find(t->dtype);
    double words = (double)(known ? t->elements : t->bytes.size), *cost = o->cost;
    ent_prediction p;
    ent_recipe recipe;
    if (words == 0) return ENT_OK;
    ent_status status = ent_codec_bind(codec, known ? t->dtype : "", &recipe, error);
    if (status) return status;
    status = ent_target_predict(target, &recipe, fmax(8 * cost[ENT_COST_BYTES] / words, 1e-3), threads, &p, error);
    if (status) cost[ENT_COST_NS] = INFINITY;
    if (status) return status == ENT_EUNSUPPORTED ? ENT_OK : status;
    cost[ENT_COST_NS] = words / p.weights_per_ns;
    cost[ENT_COST_PJ] = words * p.pj_per_weight;
    if (isnan(p.pj_per_weight)) costs->energy = false;
    return ENT_OK;
}

static ent_status predict_all(struct costs *costs, const ent_weights *weights, ent_codec *const codec[],
                              const ent_target *target, unsigned threads, ent_error *error)
{
    ent_status status = ENT_OK;
    costs->energy = true;
    for (size_t k = 0; k < costs->codecs && !status; k++)
        for (size_t i = 0; i < costs->tensors && !status; i++)
            status = predict(costs, ent_weights_tensor(weights, i), i, k, codec[k], target, threads, error);
    for (size_t i = 0; i < costs->tensors * costs->codecs && !costs->energy; i++)
        costs->option[i].cost[ENT_COST_PJ] = 0;
    return status;
}

/* What gains nothing is stored raw: its time is raw's, not a measurement's noise beside it. */
static void settle_raw(struct costs *costs)
{
    for (size_t i = 0; i < costs->tensors; i++) {
        ent_option *o = &costs->option[i * costs->codecs];
        for (size_t k = 1; k < costs->codecs; k++) {
            if (o[k].cost[ENT_COST_BYTES] < o->cost[ENT_COST_BYTES]) continue;
            o[k].cost[ENT_COST_NS] = o->cost[ENT_COST_NS];
            o[k].cost[ENT_COST_PJ] = o->cost[ENT_COST_PJ];
        }
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

ent_status costs_find(struct costs *costs, const ent_weights *weights, ent_codec *const codec[], size_t codecs,
                      const ent_target *target, const struct costs_how *how, ent_error *error)
{
    size_t n = ent_weights_tensors(weights);
    *costs = (struct costs){ .tensors = n, .codecs = codecs };
    costs->option = ent_calloc(n * codecs + 1, sizeof *costs->option);
    costs->bytes_error = ent_calloc(n * codecs + 1, sizeof *costs->bytes_error);
    ent_status status = costs->option && costs->bytes_error ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = find_sizes(costs, weights, codec, how, error);
    if (!status && ent_target_kind_of(target) == ENT_TARGET_HOST)
        status = measure_all(costs, weights, codec, how, error);
    else if (!status)
        status = predict_all(costs, weights, codec, target, how->common->threads, error);
    if (status) costs_free(costs);
    else settle_raw(costs);
    return status;
}

void costs_free(struct costs *costs)
{
    ent_free(costs->option);
    ent_free(costs->bytes_error);
    *costs = (struct costs){ 0 };
}

ent_option costs_of(const struct costs *costs, size_t codec)
{
    ent_option sum = { { 0 } };
    for (size_t i = 0; i < costs->tensors; i++)
        for (int c = 0; c < ENT_COSTS; c++) sum.cost[c] += costs->option[i * costs->codecs + codec].cost[c];
    return sum;
}
