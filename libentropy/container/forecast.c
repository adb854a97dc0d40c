/* forecast.c - the size of a coded model from a sample of its blocks.
 *
 * The tensors, those of a role next to each other, are one row of weights.  It is cut into equal parts; a weight is
 * drawn in each, and its block is coded.  A block is drawn in proportion to its weights, so that part i has W times
 * the bits a weight of its block (Hansen and Hurwitz 1943), tables shared out over the words they
 * serve.  The variance is that of differences between neighbouring parts, which are mostly of one tensor. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "container/trial.h"

typedef struct place { /* of a tensor in the row */
    uint32_t tensor;
    const ent_tensor *of;
} place;

typedef struct forecasting {
    ent_plan plan;
    unsigned threads;
    place *order;          /* of tensors, by role */
    uint64_t weights, parts; /* in all */
    double part;             /* weights of a part */
    ent_unit *unit;        /* of each part, once each block: `parts_of` of them */
    uint32_t *parts_of;
    size_t units, first, end; /* the batch */
    uint64_t *group_words; /* of all tensors, by group */
    size_t *table_bytes;   /* of each group */
    double *bytes;         /* of each unit, coded, with its share of tables */
    ent_counts (*counts)[ENT_MAX_FIELDS]; /* of each unit of the batch */
    double optimism;       /* bytes that tables trained on the sample save on it alone */
    ent_scratch *scratch;
} forecasting;

/* ---- the sample ------------------------------------------------------------------------------------------- */

static int by_role(const void *a, const void *b)
{
    const place *s = a, *t = b;
    int order = strcmp(s->of->dtype, t->of->dtype);
    if (!order) order = strcmp(s->of->role, t->of->role);
    return order ? order : (s->tensor > t->tensor) - (s->tensor < t->tensor);
}

static void add_unit(forecasting *f, uint32_t tensor, uint64_t block)
{
    const ent_index *x = &f->plan.index;
    ent_unit *last = f->units ? &f->unit[f->units - 1] : NULL;
    if (last && last->tensor == tensor && last->block == block) {
        f->parts_of[f->units - 1]++;
        return;
    }
    ent_unit *u = &f->unit[f->units];
    *u = (ent_unit){ .tensor = tensor, .block = block };
    u->words = (uint32_t)ent_index_block(x, &x->tensor[tensor], block, &u->offset, &u->size);
    f->parts_of[f->units++] = 1;
}

static uint64_t weights_of(const ent_index *x, const ent_index_tensor *t)
{
    return t->words * ent_index_word_weights(x, t);
}

/* One word of each part, and its block; or all blocks. */
static void draw(forecasting *f, uint64_t seed, bool all)
{
    const ent_index *x = &f->plan.index;
    uint64_t before = 0, part = 0;
    ent_random random;
    ent_random_seed(&random, seed, 0);
    double at = f->part * ent_random_uniform(&random);
    for (size_t i = 0; i < x->tensors; i++) {
        const ent_index_tensor *t = &x->tensor[f->order[i].tensor];
        for (uint64_t k = 0; all && k < ent_index_blocks(x, t); k++) add_unit(f, f->order[i].tensor, k);
        while (!all && part < f->parts && at < (double)(before + weights_of(x, t))) {
            uint64_t weight = (uint64_t)at > before ? (uint64_t)at - before : 0;
            uint64_t block = weight / ent_index_word_weights(x, t) / ent_index_block_words(x, t);
            if (block < ent_index_blocks(x, t)) add_unit(f, f->order[i].tensor, block);
            at = f->part * ((double)++part + ent_random_uniform(&random));
        }
        before += weights_of(x, t);
    }
}

static ent_status prepare(forecasting *f, uint64_t sample_bytes, uint64_t seed, ent_forecast *out)
{
    const ent_index *x = &f->plan.index;
    uint64_t stored = 0, blocks = 0;
    f->order = ent_calloc(x->tensors + 1, sizeof *f->order);
    f->group_words = ent_calloc(f->plan.groups + 1, sizeof *f->group_words);
    f->table_bytes = ent_calloc(f->plan.groups + 1, sizeof *f->table_bytes);
    if (!f->order || !f->group_words || !f->table_bytes) return ENT_ENOMEM;
    for (size_t i = 0; i < x->tensors; i++) {
        f->order[i] = (place){ (uint32_t)i, f->plan.source[i] };
        f->weights += weights_of(x, &x->tensor[i]);
        f->group_words[f->plan.group_of[i]] += x->tensor[i].words;
        stored += x->tensor[i].bytes;
        blocks += ent_index_blocks(x, &x->tensor[i]);
    }
    qsort(f->order, x->tensors, sizeof *f->order, by_role);
    double share = stored ? (double)sample_bytes / (double)stored : 1;
    bool all = share >= 1;
    f->parts = all ? blocks : (uint64_t)ceil((double)f->weights * share / (double)x->block) + 1;
    f->part = f->parts ? (double)f->weights / (double)f->parts : 0;
    f->unit = ent_calloc(f->parts + 1, sizeof *f->unit);
    f->parts_of = ent_calloc(f->parts + 1, sizeof *f->parts_of);
    f->bytes = ent_calloc(f->parts + 1, sizeof *f->bytes);
    if (!f->unit || !f->parts_of || !f->bytes) return ENT_ENOMEM;
    draw(f, seed, all);
    *out = (ent_forecast){ .stored_bytes = stored, .weights = x->sizes.weights, .in_blocks = blocks };
    out->blocks = f->units;
    for (size_t k = 0; k < f->units; k++) out->in_bytes += f->unit[k].size;
    return ENT_OK;
}

/* ---- coding it ----------------------------------------------------------------------------------------------- */

static ent_status count(size_t i, unsigned thread, void *context)
{
    forecasting *f = context;
    const ent_unit *unit = &f->unit[f->first + i];
    const ent_recipe *r = &f->plan.index.recipe[f->plan.index.tensor[unit->tensor].recipe].recipe;
    const void *words;
    ent_status status = ent_recipe_counts_init(r, f->counts[i]);
    if (!status) status = ent_unit_words(&f->plan, unit, &f->scratch[thread].words, &words);
    return status ? status : ent_recipe_count(r, words, unit->words, f->counts[i]);
}

static ent_group *group_at(const forecasting *f, size_t i)
{
    return &f->plan.group[f->plan.group_of[f->unit[f->first + i].tensor]];
}

/* The counts of the batch's units, each to its group. */
static ent_status gather(forecasting *f)
{
    ent_status status = ent_parallel(f->end - f->first, f->threads, count, f);
    for (size_t i = 0; i < f->end - f->first && !status; i++) {
        ent_group *g = group_at(f, i);
        const ent_recipe *r = &f->plan.index.recipe[g->recipe].recipe;
        if (!g->words) status = ent_recipe_counts_init(r, g->counts);
        for (uint32_t k = 0; k < r->split.fields && !status; k++)
            if (f->counts[i][k].count) status = ent_counts_merge(&g->counts[k], &f->counts[i][k]);
        g->words += f->unit[f->first + i].words;
    }
    return status;
}

/* Var p / p of a field, summed over its symbols, for the frequencies p of the sample, from those of its blocks; at
 * least (live symbols - 1) / symbols, what symbols drawn one by one would have. */
static double variance_of(const forecasting *f, const ent_group *g, uint32_t field)
{
    const ent_counts *all = &g->counts[field];
    double sum = 0, n = (double)ent_counts_total(all), blocks = 0, least = (ent_counts_live(all) - 1) / n;
    for (size_t i = 0; i < f->end - f->first; i++) {
        if (group_at(f, i) != g) continue;
        double symbols = (double)ent_counts_total(&f->counts[i][field]);
        blocks++;
        for (uint32_t s = 0; s < all->alphabet; s++) {
            if (!all->count[s]) continue;
            double p = (double)all->count[s] / n, d = (double)f->counts[i][field].count[s] - p * symbols;
            sum += d * d / p;
        }
    }
    return blocks > 1 ? fmax(sum / (n * n) * blocks / (blocks - 1), least) : least;
}

/* What a table trained on the sample saves on it alone, to second order Var p / (2 p ln 2) a symbol; none of it where
 * all words were drawn. */
static double optimism_of(const forecasting *f, const ent_group *g, uint64_t all)
{
    double excess = 0;
    for (uint32_t i = 0; i < ENT_MAX_FIELDS; i++)
        if (g->counts[i].count && ent_counts_live(&g->counts[i]))
            excess += variance_of(f, g, i) * ent_field_count(&f->plan.index.recipe[g->recipe].recipe.split.field[i]);
    return excess / (2 * M_LN2) * ((double)all - (double)g->words) / 8;
}

/* Makes counts of a sample those of `times` as many symbols.  The sum of 2^-count is how many live symbols half of
 * the sample would miss, and so, tails being geometric, how many each doubling brings: they get one each, below
 * the lowest, where exponents come, then above the highest. */
static void extend(ent_counts *counts, double times)
{
    double missed = 0;
    uint32_t low = counts->alphabet, high = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        if (!counts->count[s]) continue;
        if (low > s) low = s;
        high = s;
        missed += exp2(-(double)counts->count[s]);
        counts->count[s] = (uint64_t)llround((double)counts->count[s] * times);
    }
    for (int64_t new = llround(missed * log2(times)); new > 0 && (low > 0 || high + 1 < counts->alphabet); new--)
        counts->count[low > 0 ? --low : ++high] = 1;
}

static ent_status train(forecasting *f, ent_group *g, size_t group)
{
    uint64_t all = f->group_words[group];
    if (!g->words || g->tables.fields) return ENT_OK;
    if (f->plan.index.scope != ENT_SCOPE_BLOCK) f->optimism += optimism_of(f, g, all);
    for (uint32_t i = 0; i < ENT_MAX_FIELDS && g->words < all; i++)
        if (g->counts[i].count) extend(&g->counts[i], (double)all / (double)g->words);
    g->words = all;
    return ent_trial_train(&f->plan, g, &f->table_bytes[group]);
}

static ent_status encode(size_t i, unsigned thread, void *context)
{
    forecasting *f = context;
    const ent_unit *unit = &f->unit[f->first + i];
    uint32_t group = f->plan.group_of[unit->tensor];
    ent_status status = ent_trial_encode(&f->plan, unit, &f->scratch[thread]);
    f->bytes[f->first + i] = (double)f->scratch[thread].coded.size +
                             (double)f->table_bytes[group] * unit->words / (double)f->group_words[group];
    return status;
}

/* Units [first, end): of tensors whose tables are of no use to later units. */
static ent_status code_batch(forecasting *f, ent_error *error)
{
    size_t n = f->end - f->first;
    f->counts = ent_calloc(n, sizeof *f->counts);
    ent_status status = f->counts ? gather(f) : ENT_ENOMEM;
    for (size_t k = f->first; k < f->end && !status; k++) {
        uint32_t group = f->plan.group_of[f->unit[k].tensor];
        status = train(f, &f->plan.group[group], group);
    }
    if (!status) status = ent_parallel(n, f->threads, encode, f);
    for (size_t i = 0; i < n && f->counts; i++) ent_recipe_counts_free(f->counts[i]);
    ent_free(f->counts);
    for (size_t k = f->first; k < f->end; k++)
        ent_tables_free(&f->plan.group[f->plan.group_of[f->unit[k].tensor]].tables);
    return status ? ent_fail(error, status, "coding: %s", ent_status_text(status)) : ENT_OK;
}

static ent_status code_all(forecasting *f, const ent_run *run, ent_error *error)
{
    ent_status status = ENT_OK;
    bool apart = f->plan.index.scope == ENT_SCOPE_TENSOR;
    for (f->first = 0; f->first < f->units && !status; f->first = f->end) {
        size_t tensors = 0;
        for (f->end = f->first; f->end < f->units; f->end++) {
            bool new = f->end == f->first || f->unit[f->end].tensor != f->unit[f->end - 1].tensor;
            if (apart && new && tensors++ == ENT_BATCH_TENSORS) break;
        }
        status = code_batch(f, error);
        if (!status && run && run->progress) run->progress(run->context, f->end, f->units);
    }
    return status;
}

/* ---- the forecast ---------------------------------------------------------------------------------------------- */

/* What rare symbols that no sample has met can cost coarse tables, of all: 2^-13 on the measured models. */
#define RARE 0x1p-13

/* Of Student's t at 0.975, by the first term of its expansion (Fisher 1925); differences of neighbours have some two
 * thirds as many degrees of freedom as there are. */
static double quantile(double parts)
{
    const double normal = 1.96;
    return normal + (normal * normal * normal + normal) / 4 / (2 * (parts - 1) / 3);
}

static double unit_weights(const forecasting *f, const ent_unit *unit)
{
    return (double)unit->words * ent_index_word_weights(&f->plan.index, &f->plan.index.tensor[unit->tensor]);
}

static void sum_up(const forecasting *f, ent_forecast *out)
{
    bool all = out->blocks == out->in_blocks;
    double before = NAN, squares = 0;
    for (size_t k = 0; k < f->units; k++) {
        double share = all ? f->bytes[k] : f->bytes[k] / unit_weights(f, &f->unit[k]) * f->part;
        out->bytes += all ? share : share * f->parts_of[k];
        if (k) squares += (share - before) * (share - before) / 2;
        before = share;
    }
    double spread = 0, parts = (double)f->parts;
    if (!all && f->units > 1) {
        double variance = squares / (double)(f->units - 1) * (1 - (double)out->in_bytes / (double)out->stored_bytes);
        out->bytes += f->optimism;
        spread = quantile(parts) * sqrt(variance * parts) + f->optimism + RARE * out->bytes;
    }
    out->low = out->bytes - spread;
    out->high = out->bytes + spread;
}

static void release(forecasting *f)
{
    ent_free(f->order);
    ent_free(f->group_words);
    ent_free(f->table_bytes);
    ent_free(f->unit);
    ent_free(f->parts_of);
    ent_free(f->bytes);
    ent_scratch_free(f->scratch, f->threads);
    ent_plan_free(&f->plan);
}

ent_status ent_container_forecast(const ent_weights *weights, const ent_codec *codec, uint64_t sample_bytes,
                                  uint64_t seed, const ent_run *run, ent_forecast *forecast, ent_error *error)
{
    forecasting f = { .threads = ent_threads(run ? run->threads : 0) };
    if (ent_codec_scope(codec) == ENT_SCOPE_CORPUS)
        return ent_fail(error, ENT_EINVAL, "codec %s: its tables come from other models", ent_codec_name(codec));
    ent_status status = ent_plan_make(&f.plan, weights, &(ent_assignment){ .codecs = 1, .codec = &codec }, ENT_PLAN_ALL, error);
    if (status) return status;
    status = prepare(&f, sample_bytes, seed, forecast);
    if (!status && !(f.scratch = ent_calloc(f.threads, sizeof *f.scratch))) status = ENT_ENOMEM;
    if (status)
        ent_fail(error, status, "out of memory");
    else
        status = code_all(&f, run, error);
    if (!status) sum_up(&f, forecast);
    release(&f);
    return status;
}
