/* bench_product.c - where a product that never unpacks pays: y = W x from plain and from coded weights.
 *
 * Three tables.  First the ways to multiply, with one thread and with all.  Then one thread alone
 * again with more or less bandwidth to itself: a matrix that stays in its second-level cache, the
 * whole matrix, the whole matrix while other threads copy memory.  Last, from these, the bandwidth of
 * a core below which the coded product is the faster one.  With b bytes of code and c seconds of
 * decoding and multiplying a weight (measured in the cache), a plain product takes 2 / B seconds at B bytes a
 * second, and a coded one max(c, b / B) if reading is hidden behind decoding altogether, c + b / B if
 * not at all.  So it begins to win between B = (2 - b) / c and B = 2 / c; if a part s of the reading is
 * not hidden, at B = (2 - s b) / c, and the time alone, with its own B, gives s. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_product.h"
#include "model.h"
#include "output.h"
#include "product.h"
#include "progress.h"
#include "sample.h"

enum { MOST_STATES = 5 };

/* One state of the machine in which one thread multiplied. */
struct state {
    char name[40];
    unsigned copiers;
    double copied_gbps;
    struct product_time *time;
};

struct session {
    const struct bench_product *bench;
    struct sample sample;
    struct product whole, small; /* all of the matrix; some rows that fit the cache of a core */
    size_t ways;
    struct product_time *all;          /* with all threads */
    struct state state[MOST_STATES];   /* the first: in the cache; the second: alone */
    size_t states;
    struct product_time *times;        /* what the above point into */
    struct table table;
};

static double gbps(const struct product *p, const struct product_time *t) { return 2e-9 * (double)p->n / t->seconds; }

static const char *way_name(const struct product_time *t)
{
    static const char *const name[] = { "plain", "decode, then plain", "coded" };
    return name[t->way];
}

static const char *codec_name(const struct product *p, const struct product_time *t)
{
    return t->way == PRODUCT_PLAIN ? "" : ent_codec_name(p->code[t->code].codec);
}

/* ---- measuring ---------------------------------------------------------------------------------- */

/* Rows whose plain weights take a quarter of the second-level cache, at least one. */
static size_t small_rows(const struct bench_product *bench)
{
    size_t weights = ent_stream_bytes() / 4 / 4 / 2, rows = weights / bench->cols;
    return rows < 1 ? 1 : rows < bench->rows ? rows : bench->rows;
}

static ent_status open(struct session *s, ent_error *error)
{
    const struct bench_product *b = s->bench;
    ent_weights *weights;
    size_t n;
    if (__builtin_mul_overflow(b->rows, b->cols, &n) || n > SIZE_MAX / 16)
        return ent_fail(error, ENT_EINVAL, "a matrix of %zu x %zu is too large", b->rows, b->cols);
    ent_status status = model_open(&weights, b->model, error);
    if (status) return status;
    status = sample_take(&s->sample, weights, 2 * (uint64_t)n, error);
    if (!status && strcmp(s->sample.dtype, "BF16"))
        status = ent_fail(error, ENT_EUNSUPPORTED, "%s: most of its weights are %s, the product is of BF16 (`entropy "
                          "dataset make` writes some)", b->model, s->sample.dtype);
    if (!status)
        status = product_open(&s->whole, s->sample.words, b->rows, b->cols, b->codec, b->codecs, b->common->threads, error);
    if (!status)
        status = product_open(&s->small, s->sample.words, small_rows(b), b->cols, b->codec, b->codecs, 1, error);
    s->sample.dtype = "BF16"; /* the model's own name for it goes with the model */
    ent_weights_close(weights);
    s->ways = 1 + 2 * b->codecs;
    if (!status && !(s->times = ent_calloc((1 + MOST_STATES) * s->ways, sizeof *s->times)))
        status = ent_fail(error, ENT_ENOMEM, "out of memory");
    return status;
}

static void close(struct session *s)
{
    product_close(&s->whole);
    product_close(&s->small);
    sample_free(&s->sample);
    ent_free(s->times);
}

static struct state *add_state(struct session *s, unsigned copiers)
{
    struct state *state = &s->state[s->states++];
    state->copiers = copiers;
    state->time = s->times + s->states * s->ways;
    snprintf(state->name, sizeof state->name, "beside %u that cop%s", copiers, copiers == 1 ? "ies" : "y");
    return state;
}

static ent_status measure(struct session *s, ent_error *error)
{
    const struct bench_product *b = s->bench;
    unsigned threads = ent_threads(b->common->threads), repeat = (unsigned)(s->whole.n / s->small.n), before = 0;
    unsigned copiers[] = { threads / 2, threads - 1, 2 * threads };
    struct progress progress;
    progress_begin(&progress, b->common, "bench --product");
    s->all = s->times;
    struct state *cache = add_state(s, 0), *alone = add_state(s, 0);
    snprintf(cache->name, sizeof cache->name, "alone, in the cache");
    snprintf(alone->name, sizeof alone->name, "alone");
    progress_note(&progress, "one thread");
    ent_status status = product_measure(&s->small, 1, b->runs, repeat < 64 ? repeat : 64, cache->time);
    if (!status) status = product_measure(&s->whole, 1, b->runs, 1, alone->time);
    progress_note(&progress, "all threads");
    if (!status && threads > 1) status = product_measure(&s->whole, threads, b->runs, 1, s->all);
    for (size_t i = 0; i < sizeof copiers / sizeof *copiers && !status; i++) {
        if (copiers[i] == before) continue;
        progress_note(&progress, "beside threads that copy");
        struct state *state = add_state(s, before = copiers[i]);
        status = product_measure_beside(&s->whole, copiers[i], b->runs, state->time, &state->copied_gbps);
    }
    progress_end(&progress);
    return status ? ent_fail(error, status, "%s", ent_status_text(status)) : ENT_OK;
}

/* Whether all that was computed was right. */
static ent_status check(const struct session *s, ent_error *error)
{
    size_t measured = (1 + s->states) * s->ways;
    for (size_t i = ent_threads(s->bench->common->threads) > 1 ? 0 : s->ways; i < measured; i++)
        if (!s->times[i].verified)
            return ent_fail(error, ENT_ECHECK, "%s %s: the product is wrong", way_name(&s->times[i]),
                            codec_name(&s->whole, &s->times[i]));
    return ENT_OK;
}

/* ---- where it begins to win ----------------------------------------------------------------------- */

struct crossing {
    double least, most;       /* derived, GB/s */
    double fitted;            /* the same with the part of reading that was hidden when alone */
    double measured;          /* between two states; NaN: it won or lost in all */
    bool won_all, lost_all;
};

static double ratio(const struct session *s, size_t state, size_t code)
{
    const struct product_time *time = s->state[state].time;
    return time[2 + 2 * code].seconds / time[0].seconds;
}

/* The highest bandwidth of a plain product at which a straight line between two states next to each
 * other in bandwidth passes a ratio of 1. */
static struct crossing find_crossing(const struct session *s, size_t code)
{
    const struct product_time *fused = &s->state[0].time[2 + 2 * code];
    double c = fused->seconds / (double)s->small.n, bytes = s->whole.code[code].bytes_per_weight;
    const struct product_time *alone = s->state[1].time;
    double n = (double)s->whole.n, reading = bytes / 2 * alone[0].seconds; /* of the code, at the bandwidth alone */
    double exposed = fmin(fmax((alone[2 + 2 * code].seconds - c * n) / reading, 0), 1);
    struct crossing x = { 1e-9 * (2 - bytes) / c, 1e-9 * 2 / c, 1e-9 * (2 - exposed * bytes) / c, NAN, true, true };
    for (size_t i = 0; i < s->states; i++) {
        double here = gbps(i ? &s->whole : &s->small, &s->state[i].time[0]);
        *(ratio(s, i, code) < 1 ? &x.lost_all : &x.won_all) = false;
        for (size_t k = 0; k < s->states; k++) {
            double there = gbps(k ? &s->whole : &s->small, &s->state[k].time[0]);
            double r = ratio(s, i, code) - 1, q = ratio(s, k, code) - 1;
            bool between = false; /* a third state, nearer */
            for (size_t j = 0; j < s->states; j++) {
                double other = gbps(j ? &s->whole : &s->small, &s->state[j].time[0]);
                between |= other > here && other < there;
            }
            if (here >= there || between || r > 0 || q <= 0) continue;
            double at = here + (there - here) * -r / (q - r);
            if (!(at <= x.measured)) x.measured = at;
        }
    }
    return x;
}

/* ---- output ---------------------------------------------------------------------------------------- */

static void print_json(const struct session *s, const struct product *p, const struct product_time *t,
                       const struct product_time *plain, unsigned threads, const char *state, unsigned copiers,
                       double copied_gbps)
{
    static const char *const key[] = { "plain", "decode-then-plain", "coded" };
    json_t *object = json_object();
    json_text(object, "product", key[t->way]);
    json_text(object, "codec", t->way == PRODUCT_PLAIN ? NULL : codec_name(p, t));
    json_text(object, "model", model_name(s->bench->model));
    json_count(object, "rows", p->rows);
    json_count(object, "cols", p->cols);
    json_count(object, "threads", threads);
    json_text(object, "state", state);
    json_count(object, "copiers", copiers);
    json_real_or_null(object, "copied_gbps", copied_gbps);
    json_real_or_null(object, "bytes_read_per_weight", product_bytes_read(p, t));
    json_real_or_null(object, "seconds", t->seconds);
    json_real_or_null(object, "weights_gbps", gbps(p, t));
    json_real_or_null(object, "time_over_plain", t->seconds / plain->seconds);
    json_real_or_null(object, "error", t->error);
    json_count(object, "runs", s->bench->runs);
    json_object_set_new(object, "verified", json_boolean(t->verified));
    json_line(object);
}

static void print_ways(struct session *s, const struct product_time time[], unsigned threads)
{
    for (size_t i = 0; i < s->ways; i++) {
        const struct product_time *t = &time[i];
        if (s->bench->common->json) {
            print_json(s, &s->whole, t, time, threads, threads == 1 ? "alone" : "all threads", 0, 0);
            continue;
        }
        table_cell(&s->table, "%s", way_name(t));
        table_cell(&s->table, "%s", codec_name(&s->whole, t));
        table_cell(&s->table, "%u", threads);
        table_number(&s->table, product_bytes_read(&s->whole, t), 3);
        table_number(&s->table, gbps(&s->whole, t), 2);
        table_number(&s->table, t->seconds / time[0].seconds, 2);
        table_cell(&s->table, "%.1e", t->error);
    }
}

static void print_state(struct session *s, size_t state)
{
    const struct state *at = &s->state[state];
    const struct product *p = state ? &s->whole : &s->small;
    for (size_t i = 0; i < s->bench->codecs; i++) {
        const struct product_time *fused = &at->time[2 + 2 * i];
        table_cell(&s->table, "%s", at->name);
        table_cell(&s->table, "%s", codec_name(p, fused));
        table_number(&s->table, at->copiers ? at->copied_gbps : NAN, 1);
        table_number(&s->table, gbps(p, at->time), 2);
        table_number(&s->table, gbps(p, fused), 2);
        table_number(&s->table, fused->seconds / at->time->seconds, 2);
    }
}

static void print_crossings(struct session *s)
{
    for (size_t i = 0; i < s->bench->codecs; i++) {
        struct crossing x = find_crossing(s, i);
        const char *name = ent_codec_name(s->bench->codec[i]);
        if (s->bench->common->json) {
            json_t *object = json_object();
            json_text(object, "crossing", name);
            json_real_or_null(object, "derived_least_gbps", x.least);
            json_real_or_null(object, "derived_most_gbps", x.most);
            json_real_or_null(object, "fitted_gbps", x.fitted);
            json_real_or_null(object, "measured_gbps", x.measured);
            json_object_set_new(object, "won_in_all", json_boolean(x.won_all));
            json_object_set_new(object, "lost_in_all", json_boolean(x.lost_all));
            json_line(object);
            continue;
        }
        table_cell(&s->table, "%s", name);
        table_number(&s->table, x.least, 2);
        table_number(&s->table, x.most, 2);
        table_number(&s->table, x.fitted, 2);
        if (isnan(x.measured))
            table_cell(&s->table, "%s", x.won_all ? "won in all states" : x.lost_all ? "lost in all states" : "unclear");
        else
            table_number(&s->table, x.measured, 2);
    }
}

static void print(struct session *s)
{
    const struct bench_product *b = s->bench;
    unsigned threads = ent_threads(b->common->threads);
    bool json = b->common->json;
    if (!json) {
        printf("%s: %zu x %zu BF16, %s", model_name(b->model), b->rows, b->cols, show_bytes(s->sample.bytes).text);
        if (s->sample.distinct_bytes < s->sample.bytes) printf(" (%s repeated)", show_bytes(s->sample.distinct_bytes).text);
        printf(", times x of FP32\n%s, best of %u runs; one thread is timed by the processor time it used\n\n", ent_cpu_text(),
               b->runs);
    }
    table_begin(&s->table, "<product|<codec|threads|bytes read/weight|GB/s of weights|time/plain|largest error");
    print_ways(s, s->state[1].time, 1);
    if (threads > 1) print_ways(s, s->all, threads);
    table_end(&s->table);
    if (!json) printf("\nOne thread, by the bandwidth it gets:\n\n");
    table_begin(&s->table, "<state|<codec|copied GB/s|plain GB/s|coded GB/s|time/plain");
    for (size_t i = 0; i < s->states; i++) {
        const struct state *at = &s->state[i];
        for (size_t k = 0; k < s->ways && json && i != 1; k++)
            print_json(s, i ? &s->whole : &s->small, &at->time[k], at->time, 1, at->name, at->copiers, at->copied_gbps);
        if (!json) print_state(s, i);
    }
    table_end(&s->table);
    if (!json) printf("\nA core's bandwidth, in GB/s of plain weights, below which the coded product is the faster one:\n\n");
    table_begin(&s->table, "<codec|derived, nothing hidden|derived, reading hidden|hidden as when alone|measured");
    print_crossings(s);
    table_end(&s->table);
}

ent_status bench_product(const struct bench_product *bench, ent_error *error)
{
    struct session s = { .bench = bench };
    ent_status status = open(&s, error);
    if (!status) status = measure(&s, error);
    if (!status) status = check(&s, error);
    if (!status) print(&s);
    close(&s);
    return status;
}
