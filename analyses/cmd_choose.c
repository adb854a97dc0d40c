/* cmd_choose.c - `entropy choose`: a codec for each tensor, for a target and within bounds. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_container.h"
#include "choice.h"
#include "command.h"
#include "costs.h"
#include "model.h"
#include "output.h"
#include "progress.h"

enum { KEY_TARGET = 0x2001, KEY_LATENCY, KEY_MEMORY, KEY_ENERGY, KEY_SAMPLE, KEY_RUNS, KEY_SECONDS, KEY_FORCE, KEY_VERIFY,
       RAW = 0 /* the first codec */, MOST_RUNS = 10000 };

struct job {
    struct common common;
    const char *model, *target_name, *output;
    double latency, energy; /* of the uncoded model's; 0: no bound */
    uint64_t memory;        /* bytes; 0: no bound */
    struct costs_how how;
    bool force, verify;
    char **name; /* of codecs; or lines of text; the first is raw */
    size_t names;
    ent_weights *weights;
    ent_target *target;
    struct costs costs;
    struct choice choice;
    ent_choosing problem;
    ent_chosen chosen;
};

/* ---- codecs ---------------------------------------------------------------------------------- */

static ent_status add_codec(struct job *job, const char *text, bool named, ent_error *error)
{
    ent_codec *codec;
    ent_status status = ent_codec_parse(&codec, text, error);
    if (status) return status;
    const char *why = NULL;
    if (ent_codec_scope(codec) != ENT_SCOPE_TENSOR) why = "its tables are not of one tensor (scope=tensor)";
    else if (job->choice.codecs && ent_codec_block(codec) != ent_codec_block(job->choice.codec[RAW]))
        why = "its blocks are not those of the other codecs (block=)";
    if (!why) {
        job->choice.codec[job->choice.codecs++] = codec;
        return ENT_OK;
    }
    if (named) status = ent_fail(error, ENT_EINVAL, "codec %s: %s", ent_codec_name(codec), why);
    else if (!job->common.quiet) complain("left out: codec %s, %s", ent_codec_name(codec), why);
    ent_codec_free(codec);
    return status;
}

/* raw with the blocks of the codecs that are named, then those; or all that this build has but those set aside. */
static ent_status add_codecs(struct job *job, ent_error *error)
{
    size_t rows = 0;
    char raw[60] = "raw";
    ent_codec *first;
    ent_status status = ENT_OK;
    while (ent_codecs[rows].name && !ent_codecs[rows].aside) rows++;
    job->choice.codec = ent_calloc(job->names + rows + 1, sizeof *job->choice.codec);
    if (!job->choice.codec) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (job->names) {
        if ((status = ent_codec_parse(&first, job->name[0], error))) return status;
        snprintf(raw, sizeof raw, "raw block=%zu", ent_codec_block(first));
        ent_codec_free(first);
    }
    status = add_codec(job, job->names ? raw : "raw", true, error);
    for (size_t i = 0; i < job->names && !status; i++)
        if (strcmp(job->name[i], "raw")) status = add_codec(job, job->name[i], true, error);
    for (size_t i = 0; i < rows && !status && !job->names; i++) {
        if (!strcmp(ent_codecs[i].name, "raw")) continue;
        status = add_codec(job, ent_codecs[i].name, false, error);
        if (status == ENT_EUNSUPPORTED) { /* not in this build */
            if (!job->common.quiet) complain("left out: %s", error->text);
            status = ENT_OK;
        }
    }
    return status;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static ent_status set_problem(struct job *job, ent_error *error)
{
    ent_option raw = costs_of(&job->costs, RAW);
    ent_choosing *p = &job->problem;
    bool fastest = job->memory && !(job->latency > 0);
    *p = (ent_choosing){ .items = job->costs.tensors, .options = job->costs.codecs, .option = job->costs.option,
                         .minimise = fastest ? ENT_COST_NS : ENT_COST_BYTES,
                         .most = { INFINITY, INFINITY, INFINITY, INFINITY } };
    if (job->memory) p->most[ENT_COST_BYTES] = (double)job->memory;
    if (job->latency > 0) p->most[ENT_COST_NS] = job->latency * raw.cost[ENT_COST_NS];
    if (job->energy > 0) p->most[ENT_COST_PJ] = job->energy * raw.cost[ENT_COST_PJ];
    if (job->energy > 0 && !job->costs.energy)
        return ent_fail(error, ENT_EINVAL, "target %s does not state the energy of all that it does",
                        ent_target_name(job->target));
    return ENT_OK;
}

static void predict_choice(struct job *job)
{
    struct choice *c = &job->choice;
    double variance = 0;
    for (size_t i = 0; i < job->costs.tensors; i++) {
        double e = job->costs.bytes_error[i * job->costs.codecs + c->of[i]];
        variance += e * e;
    }
    c->target = ent_target_name(job->target);
    c->predicted = (struct choice_prediction){
        .bytes = job->chosen.total[ENT_COST_BYTES], .bytes_error = sqrt(variance),
        .ns = job->chosen.total[ENT_COST_NS], .raw_ns = costs_of(&job->costs, RAW).cost[ENT_COST_NS],
        .threads = ent_target_kind_of(job->target) == ENT_TARGET_HOST ? ent_threads(job->common.threads)
                                                                      : job->common.threads
    };
}

static ent_status choose(struct job *job, ent_error *error)
{
    ent_status status = add_codecs(job, error);
    char path[PATH_MAX];
    if (!status) status = model_open(&job->weights, job->model, error);
    if (!status) status = data_path(path, "targets", job->target_name, error);
    if (!status) status = ent_target_read(&job->target, path, error);
    if (!status && job->verify && ent_target_kind_of(job->target) == ENT_TARGET_MODEL)
        status = ent_fail(error, ENT_EINVAL, "--verify measures here, and %s is not this machine", job->target_name);
    job->how.common = &job->common;
    if (!status)
        status = costs_find(&job->costs, job->weights, job->choice.codec, job->choice.codecs, job->target, &job->how,
                            error);
    if (!status) status = set_problem(job, error);
    if (!status && !(job->choice.of = ent_calloc(job->costs.tensors + 1, sizeof *job->choice.of)))
        status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = ent_choose(&job->problem, job->choice.of, &job->chosen, error);
    if (!status) predict_choice(job);
    return status;
}

/* ---- a share of one codec -------------------------------------------------------------------- */

/* The best share f of every tensor that one codec codes while the rest stays raw (the speed-adaptive
 * method of Double Compression, arXiv 2502.15443): all costs are linear in f, so it lies at an end of the
 * interval in which the bounds hold.  NaN: no share keeps them. */
static double best_share(const ent_choosing *p, const ent_option *raw, const ent_option *codec)
{
    double least = 0, most = 1;
    for (int c = 0; c < ENT_COSTS; c++) {
        double more = codec->cost[c] - raw->cost[c], room = p->most[c] - raw->cost[c];
        if (more > 0) most = fmin(most, room / more);
        else if (more < 0) least = fmax(least, room / more);
        else if (room < 0) return NAN;
    }
    if (isinf(codec->cost[ENT_COST_NS]) || least > most) return NAN;
    return codec->cost[p->minimise] < raw->cost[p->minimise] ? most : least;
}

static ent_option mix(const ent_option *raw, const ent_option *codec, double share)
{
    ent_option o;
    for (int c = 0; c < ENT_COSTS; c++) o.cost[c] = raw->cost[c] + share * (codec->cost[c] - raw->cost[c]);
    return o;
}

/* ---- output ---------------------------------------------------------------------------------- */

/* Sums over tensors: of a role, of a codec among them. */
struct sum {
    uint64_t tensors, weights;
    double bytes, raw_bytes, coded_bytes, ns, raw_ns; /* coded_bytes: uncoded size of what is coded */
};

static void add_tensor(const struct job *job, size_t i, struct sum *sum)
{
    const ent_tensor *t = ent_weights_tensor(job->weights, i);
    const ent_option *row = &job->costs.option[i * job->costs.codecs], *o = &row[job->choice.of[i]];
    sum->tensors++;
    sum->weights += t->elements;
    sum->bytes += o->cost[ENT_COST_BYTES];
    sum->raw_bytes += (double)t->bytes.size;
    sum->coded_bytes += job->choice.of[i] == RAW ? 0 : (double)t->bytes.size;
    sum->ns += o->cost[ENT_COST_NS];
    sum->raw_ns += row[RAW].cost[ENT_COST_NS];
}

/* "planar-rans 12, rans 3": the codecs of a role (NULL: any) and for how many tensors. */
static void codecs_of(const struct job *job, const char *role, char *text, size_t size)
{
    size_t n = 0;
    text[0] = '\0';
    for (size_t k = 0; k < job->choice.codecs; k++) {
        size_t tensors = 0;
        for (size_t i = 0; i < job->costs.tensors; i++)
            tensors += job->choice.of[i] == k && (!role || !strcmp(ent_weights_tensor(job->weights, i)->role, role));
        if (tensors && n < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s %zu", n ? ", " : "", ent_codec_name(job->choice.codec[k]),
                                  tensors);
    }
}

static void print_role(const struct job *job, struct table *table, const char *role)
{
    struct sum sum = { 0 };
    char text[600];
    for (size_t i = 0; i < job->costs.tensors; i++)
        if (!role || !strcmp(ent_weights_tensor(job->weights, i)->role, role)) add_tensor(job, i, &sum);
    codecs_of(job, role, text, sizeof text);
    double bits = 8 * sum.bytes / (double)sum.weights;
    if (!job->common.json) {
        table_cell(table, "%s", role ? role : "whole model");
        table_cell(table, "%s", show_count(sum.weights).text);
        table_number(table, 100 * sum.coded_bytes / sum.raw_bytes, 1);
        table_number(table, bits, 4);
        table_number(table, 100 * sum.bytes / sum.raw_bytes, 2);
        table_number(table, sum.ns / sum.raw_ns, 3);
        table_cell(table, "%s", text);
        return;
    }
    json_t *object = json_object();
    json_text(object, "scope", role ? "role" : "model");
    json_text(object, "name", role ? role : model_name(job->model));
    json_count(object, "weights", sum.weights);
    json_real_or_null(object, "coded_share", sum.coded_bytes / sum.raw_bytes);
    json_real_or_null(object, "bytes", sum.bytes);
    json_real_or_null(object, "bits_per_weight", bits);
    json_real_or_null(object, "ns", sum.ns);
    json_real_or_null(object, "latency", sum.ns / sum.raw_ns);
    json_text(object, "codecs", text);
    json_line(object);
}

static void print_roles(const struct job *job)
{
    struct table table;
    table_begin(&table, "<role|weights|coded %|bits/weight|% of raw|time/raw|<codecs, and for how many tensors");
    print_role(job, &table, NULL);
    for (size_t i = 0; i < job->costs.tensors; i++) {
        const char *role = ent_weights_tensor(job->weights, i)->role;
        size_t before = 0;
        while (strcmp(ent_weights_tensor(job->weights, before)->role, role)) before++;
        if (before == i) print_role(job, &table, role);
    }
    table_end(&table);
}

static void compare(const struct job *job, struct table *table, double weights, size_t k)
{
    ent_option raw = costs_of(&job->costs, RAW), whole = costs_of(&job->costs, k);
    double share = k == RAW ? NAN : best_share(&job->problem, &raw, &whole), raw_ns = raw.cost[ENT_COST_NS];
    ent_option part = mix(&raw, &whole, share);
    double to_bits = 8 / weights, part_bits = to_bits * part.cost[ENT_COST_BYTES];
    double latency = isinf(whole.cost[ENT_COST_NS]) ? NAN : whole.cost[ENT_COST_NS] / raw_ns;
    if (!job->common.json) {
        table_cell(table, "%s", ent_codec_name(job->choice.codec[k]));
        table_number(table, to_bits * whole.cost[ENT_COST_BYTES], 4);
        table_number(table, latency, 3);
        table_number(table, 100 * share, 1);
        table_number(table, part_bits, 4);
        table_number(table, part.cost[ENT_COST_NS] / raw_ns, 3);
        return;
    }
    json_t *object = json_object();
    json_text(object, "scope", "codec");
    json_text(object, "name", ent_codec_name(job->choice.codec[k]));
    json_real_or_null(object, "bits_per_weight", to_bits * whole.cost[ENT_COST_BYTES]);
    json_real_or_null(object, "latency", latency);
    json_real_or_null(object, "share", share);
    json_real_or_null(object, "share_bits_per_weight", part_bits);
    json_real_or_null(object, "share_latency", part.cost[ENT_COST_NS] / raw_ns);
    json_line(object);
}

static void print_codecs(const struct job *job)
{
    struct table table;
    double weights = 0;
    for (size_t i = 0; i < job->costs.tensors; i++) weights += (double)ent_weights_tensor(job->weights, i)->elements;
    table_begin(&table, "<one codec|bits/weight|time/raw|share within bounds %|bits/weight|time/raw");
    for (size_t k = 0; k < job->costs.codecs; k++) compare(job, &table, weights, k);
    table_end(&table);
}

static void print_head(const struct job *job)
{
    const struct choice_prediction *p = &job->choice.predicted;
    const ent_choosing *q = &job->problem;
    bool fastest = q->minimise == ENT_COST_NS;
    const char *target = ent_target_name(job->target);
    printf("%s on %s", model_name(job->model), target);
    if (p->threads) printf(", %u thread%s", p->threads, p->threads == 1 ? "" : "s");
    printf(": least %s", fastest ? "time" : "bytes");
    if (!fastest && job->latency > 0) printf(", decoding in at most %g of the time of a copy", job->latency);
    if (job->memory) printf(", at most %s", show_bytes(job->memory).text);
    if (job->energy > 0) printf(", at most %g of the energy of a copy", job->energy);
    printf("\n%.0f bytes", p->bytes);
    if (p->bytes_error > 0) printf(" (estimated, standard error %.0f)", p->bytes_error);
    printf(", decoded in %.4g ms, copied uncoded in %.4g ms (%s)\n", 1e-6 * p->ns, 1e-6 * p->raw_ns,
           ent_target_kind_of(job->target) == ENT_TARGET_MODEL ? "modelled" : "predicted from measured speeds");
    if (job->chosen.exact) printf("no choice of these codecs is better\n\n");
    else printf("the best choice of these codecs is at most %.3g %% better\n\n",
                100 * (1 - job->chosen.least / job->chosen.total[q->minimise]));
}

static void print(const struct job *job)
{
    if (!job->common.json) print_head(job);
    print_roles(job);
    if (!job->common.json) putchar('\n');
    print_codecs(job);
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* Compresses by the choice to a file that goes again, and measures decoding it. */
static ent_status verify(const struct job *job, ent_error *error)
{
    char path[PATH_MAX];
    struct progress progress;
    ent_container_sizes sizes;
    const struct choice *c = &job->choice;
    const ent_assignment assignment = { .codecs = c->codecs, .codec = (const ent_codec *const *)c->codec, .of = c->of };
    double fit = 1e9 * job->how.seconds / (c->predicted.ns + c->predicted.raw_ns);
    unsigned runs = fit < job->how.runs ? job->how.runs : fit < MOST_RUNS ? (unsigned)fit : MOST_RUNS;
    int file = snprintf(path, sizeof path, "%s.verify-XXXXXX", job->output) < (int)sizeof path ? mkstemp(path) : -1;
    if (file < 0) return ent_fail(error, ENT_EIO, "%s: cannot make a file beside it", job->output);
    close(file);
    progress_begin(&progress, &job->common, "compress");
    const ent_run run = { job->common.threads, progress.shown ? progress_show : NULL, &progress };
    ent_status status = ent_container_write_assigned(path, job->weights, &assignment, &run, &sizes, error);
    progress_end(&progress);
    const struct bench_container bench = { &job->common, path, job->output, runs };
    if (!status && !job->common.json) putchar('\n');
    if (!status) status = bench_container(&bench, error);
    unlink(path);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    uint64_t n;
    switch (key) {
    case 'c': job->name[job->names++] = text; return 0;
    case 'o': job->output = text; return 0;
    case KEY_TARGET: job->target_name = text; return 0;
    case KEY_LATENCY: job->latency = option_number(state, "--latency", text, 0.001); return 0;
    case KEY_ENERGY: job->energy = option_number(state, "--energy", text, 0.001); return 0;
    case KEY_MEMORY:
        if (!(job->memory = option_count(state, "--memory", text))) argp_error(state, "--memory: at least 1");
        return 0;
    case KEY_SAMPLE: job->how.sample_bytes = option_count(state, "--sample", text); return 0;
    case KEY_RUNS:
        n = option_count(state, "--runs", text);
        if (n < 1 || n > MOST_RUNS) argp_error(state, "--runs: 1 to %d", MOST_RUNS);
        job->how.runs = (unsigned)n;
        return 0;
    case KEY_SECONDS: job->how.seconds = option_number(state, "--seconds", text, 0); return 0;
    case KEY_FORCE: job->force = true; return 0;
    case KEY_VERIFY: job->verify = true; return 0;
    case ARGP_KEY_ARG:
        if (job->model) argp_error(state, "one model at a time");
        job->model = text;
        return 0;
    case ARGP_KEY_END:
        if (!job->model) argp_error(state, "which model?");
        if (job->verify && !job->output) argp_error(state, "--verify: of what? -o PLAN");
        if (!(job->latency > 0) && !job->memory && !(job->energy > 0)) job->latency = 1.05;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { .name = "target", .key = KEY_TARGET, .arg = "TARGET",
      .doc = "The machine that decodes: a name from `entropy list targets` or a file (preset: host, which is measured "
             "now)" },
    { .name = "latency", .key = KEY_LATENCY, .arg = "X",
      .doc = "Least bytes while decoding takes at most X times a copy of the uncoded model (preset 1.05 when no bound "
             "is given)" },
    { .name = "memory", .key = KEY_MEMORY, .arg = "BYTES",
      .doc = "At most so many bytes of coded tensors; without --latency: the least time for these" },
    { .name = "energy", .key = KEY_ENERGY, .arg = "X",
      .doc = "At most X times the energy of a copy, on targets that state energies" },
    { .name = "codec", .key = 'c', .arg = "CODEC",
      .doc = "Choose among these, given several times, and raw (preset: all named codecs of scope tensor)" },
    { .name = "output", .key = 'o', .arg = "PLAN", .doc = "Write the choice, for `entropy compress --plan`" },
    { .name = "force", .key = KEY_FORCE, .doc = "Overwrite an output that exists" },
    { .name = "sample", .key = KEY_SAMPLE, .arg = "BYTES",
      .doc = "Code so many bytes of a larger model to estimate sizes (preset 256Mi; smaller models are coded whole)" },
    { .name = "runs", .key = KEY_RUNS, .arg = "N", .doc = "On the host: best of N runs in each of five rounds (preset 100)" },
    { .name = "seconds", .key = KEY_SECONDS, .arg = "S", .doc = "Fewer runs, at least one, for codecs that would "
      "take longer than this in all rounds (preset 0.5)" },
    { .name = "verify", .key = KEY_VERIFY,
      .doc = "Compress by the plan, measure here how long decoding takes, and print that beside the prediction" },
    { 0 }
};

int cmd_choose(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL [-o PLAN]",
        .doc = "Chooses a codec for each tensor: the least bytes within a bound on the time of decoding, or the least "
               "time within a bound on bytes.  Beside it stand each codec for the whole model, and the best share of "
               "the model that it could code within the bounds while the rest stays raw.\v"
               "JSON: objects of scope model and role with name, weights, coded_share, bytes, bits_per_weight, ns, "
               "latency (time over that of a copy), codecs; then of scope codec with name, bits_per_weight, latency, "
               "share, share_bits_per_weight, share_latency; "
               "with --verify, the object of `entropy bench CONTAINER --plan`.",
    };
    struct job job = { .target_name = "host", .how = { .sample_bytes = 256 << 20, .runs = 100, .seconds = 0.5 },
                       .name = ent_calloc((size_t)argc, sizeof(char *)) };
    ent_error error = { 0 };
    if (!job.name) return complain_error(&(ent_error){ ENT_ENOMEM, "out of memory" });
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = job.output ? may_write(job.output, job.force, &error) : ENT_OK;
    if (!status) status = choose(&job, &error);
    if (!status && job.output)
        status = choice_write(&job.choice, job.weights, model_name(job.model), job.output, &error);
    if (!status) print(&job);
    if (!status && job.verify) status = verify(&job, &error);
    costs_free(&job.costs);
    choice_free(&job.choice);
    if (job.target) ent_target_free(job.target);
    ent_weights_close(job.weights);
    ent_free(job.name);
    return status ? complain_error(&error) : EXIT_DONE;
}
