/* cmd_bench.c - `entropy bench`: size and speed of codecs on a model's weights, with a memcpy row.
 *
 * Everything happens in memory (see target.h): files, checksums and headers are left out; what they
 * add is in `entropy compress` and `decompress`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_statistics.h>

#include "bench_container.h"
#include "bench_gap.h"
#include "bench_gpu.h"
#include "bench_product.h"
#include "bench_with.h"
#include "calibrate.h"
#include "command.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "sample.h"

enum { KEY_TARGET = 0x2001, KEY_RUNS, KEY_SAMPLE, KEY_SECONDS, KEY_PRODUCT, KEY_GAP, KEY_ROWS, KEY_COLS,
       KEY_PLAN, KEY_CALIBRATE, KEY_FORCE, KEY_DTYPE, KEY_WITH, KEY_CALIBRATION, KEY_CONFIG,
       MAX_RUNS = 10000 };

struct bench {
    struct common common;
    const char *model, *plan, *output, *dtype;
    bool calibrate, force;
    char command[1000]; /* as typed */
    char **name; /* of codecs; or lines of text */
    size_t codecs;
    char **with; /* pipelines; then no codec of its own is measured */
    size_t withs;
    const char *calibration, *config;
    bool all;          /* codecs that this build does not have are a remark */
    ent_codec **codec; /* [codecs]; NULL: not in this build */
    char **target;
    size_t targets;
    unsigned runs;
    double seconds; /* a codec gets about this long, but at least one run */
    uint64_t sample_bytes;
    bool product, gap, gpu; /* gpu: a target of that name, which is not among the others */
    uint64_t rows, cols; /* of the product; 0: the preset */
    struct sample sample;
    ent_target **modelled; /* [targets] */
    double *errors;        /* of predictions that a measurement here can judge: measured targets' */
    size_t error_count;
    struct table table;
};

struct line {
    const char *codec, *target;
    double bits, bound, encode, decode, memory; /* NaN: not known; speeds in GB/s */
    double measured; /* what a prediction is compared with; 0: nothing */
};

/* ---- output ---------------------------------------------------------------------------------- */

static void print_line(struct bench *bench, const struct line *line, const ent_bench *result, unsigned runs,
                       const char *limit)
{
    double error = line->measured > 0 ? 100 * (line->decode / line->measured - 1) : NAN;
    if (!bench->common.json) {
        double gap = line->bound > 0 ? 100 * (line->bits / line->bound - 1) : NAN;
        table_cell(&bench->table, "%s", line->codec);
        if (bench->targets) table_cell(&bench->table, "%s", line->target);
        table_number(&bench->table, line->bits, 4);
        table_number(&bench->table, line->bound, 4);
        table_number(&bench->table, gap, 2);
        table_number(&bench->table, line->encode, line->encode < 0.0995 ? 3 : 2);
        table_number(&bench->table, line->decode, line->decode < 0.0995 ? 3 : 2);
        table_number(&bench->table, line->decode / line->memory, 3);
        if (bench->targets) table_number(&bench->table, error, 1);
        if (bench->targets) table_cell(&bench->table, "%s", limit ? limit : "");
        return;
    }
    json_t *object = json_object();
    json_text(object, "codec", line->codec);
    json_text(object, "target", line->target);
    json_count(object, "threads", ent_threads(bench->common.threads));
    json_text(object, "model", model_name(bench->model));
    json_text(object, "dtype", bench->sample.dtype);
    json_count(object, "weights", bench->sample.n);
    json_count(object, "sample_bytes", bench->sample.bytes);
    json_count(object, "distinct_bytes", bench->sample.distinct_bytes);
    json_real_or_null(object, "bits_per_weight", line->bits);
    if (result) {
        json_count(object, "payload_bits", result->tally.payload_bits);
        json_count(object, "table_bits", result->tally.table_bits);
        json_count(object, "index_bits", result->tally.index_bits);
    }
    json_real_or_null(object, "bound_bits", line->bound);
    json_real_or_null(object, "encode_gbps", line->encode);
    json_real_or_null(object, "decode_gbps", line->decode);
    json_real_or_null(object, "memcpy_gbps", line->memory);
    if (result) {
        json_real_or_null(object, "decode_median_gbps", result->decode_median_gbps);
        json_real_or_null(object, "memcpy_median_gbps", result->memcpy_median_gbps);
        json_count(object, "runs", runs);
        json_object_set_new(object, "verified", json_boolean(result->verified));
    }
    json_object_set_new(object, "predicted", json_boolean(limit != NULL));
    if (limit) json_text(object, "limit", limit);
    if (limit) json_real_or_null(object, "error_percent", error);
    json_line(object);
}

static void print_head(const struct bench *bench)
{
    const struct sample *sample = &bench->sample;
    printf("%s: %s, %s weights, %s", model_name(bench->model), sample->dtype, show_count(sample->n).text,
           show_bytes(sample->bytes).text);
    if (sample->distinct_bytes < sample->bytes) printf(" (%s repeated)", show_bytes(sample->distinct_bytes).text);
    printf("\n%s, %u thread%s, best of up to %u runs\n\n", ent_cpu_text(), ent_threads(bench->common.threads),
           ent_threads(bench->common.threads) == 1 ? "" : "s", bench->runs);
}

/* ---- measuring and predicting ---------------------------------------------------------------- */

static void print_memcpy(struct bench *bench, const ent_bench *result, unsigned runs)
{
    ent_format const *format = ent_format_find(bench->sample.dtype);
    ent_bench row = { .weights = result->weights, .bytes = result->bytes, .verified = true,
                      .decode_median_gbps = result->memcpy_median_gbps,
                      .memcpy_median_gbps = result->memcpy_median_gbps };
    struct line line = { "memcpy", "host", format->bits, NAN, result->memcpy_gbps, result->memcpy_gbps,
                         result->memcpy_gbps, 0 };
    row.tally.payload_bits = (uint64_t)format->bits * bench->sample.n;
    print_line(bench, &line, &row, runs, NULL);
}

/* A line per target that is not this machine now; a measured one's is compared with what was just measured, as when
 * it was measured on this machine.  A target that cannot decode the codec is a remark, not a failure: that
 * is what the user wanted to know. */
static ent_status predict(struct bench *bench, const ent_codec *codec, double bits, double bound, double measured,
                          ent_error *error)
{
    ent_recipe recipe;
    ent_status status = ent_codec_bind(codec, bench->sample.dtype, &recipe, error);
    for (size_t i = 0; i < bench->targets && !status; i++) {
        ent_prediction p;
        if (ent_target_kind_of(bench->modelled[i]) == ENT_TARGET_HOST) continue;
        bool here = ent_target_kind_of(bench->modelled[i]) == ENT_TARGET_MEASURED;
        unsigned threads = here ? ent_threads(bench->common.threads) : 0;
        status = ent_target_predict(bench->modelled[i], &recipe, bits, threads, &p, error);
        if (status == ENT_EUNSUPPORTED) {
            if (!bench->common.quiet) complain("%s: %s", ent_codec_name(codec), error->text);
            status = ENT_OK;
            continue;
        }
        if (status) break;
        double bytes = recipe.split.word_bits / 8.0;
        struct line line = { ent_codec_name(codec), ent_target_name(bench->modelled[i]), bits, bound, NAN,
                             bytes * p.weights_per_ns, bytes * p.raw_weights_per_ns, here ? measured : 0 };
        if (here) bench->errors[bench->error_count++] = fabs(line.decode / measured - 1);
        print_line(bench, &line, NULL, 0, p.limit);
    }
    return status;
}

static ent_status bench_codec(struct bench *bench, const ent_codec *codec, bool first, ent_error *error)
{
    ent_bench result;
    unsigned runs;
    ent_status status = sample_bench(&bench->sample, codec, bench->common.threads, bench->runs, bench->seconds, &result,
                                     &runs, error);
    if (status) return status;
    const ent_tally *t = &result.tally;
    double bits = (double)(t->payload_bits + t->table_bits + t->index_bits) / (double)result.weights;
    struct line line = { ent_codec_name(codec), "host", bits, result.bound_bits, result.encode_gbps,
                         result.decode_gbps, result.memcpy_gbps, 0 };
    if (first) print_memcpy(bench, &result, runs);
    print_line(bench, &line, &result, runs, NULL);
    return predict(bench, codec, bits, result.bound_bits, result.decode_gbps, error);
}

static ent_status bench_codecs(struct bench *bench, ent_error *error)
{
    struct progress progress;
    ent_status status = ENT_OK;
    bool first = true;
    progress_begin(&progress, &bench->common, "bench");
    for (size_t i = 0; i < bench->codecs && !status; i++) {
        char note[160];
        if (!bench->codec[i]) continue;
        snprintf(note, sizeof note, "%zu of %zu, %s", i + 1, bench->codecs, bench->name[i]);
        progress_note(&progress, note);
        status = bench_codec(bench, bench->codec[i], first, error);
        progress_end(&progress);
        first = false;
    }
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static ent_status parse_codecs(struct bench *bench, ent_error *error)
{
    ent_status status = ENT_OK;
    bench->codec = ent_calloc(bench->codecs, sizeof *bench->codec);
    if (!bench->codec) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < bench->codecs && !status; i++) {
        status = ent_codec_parse(&bench->codec[i], bench->name[i], error);
        if (!status || !bench->all || status == ENT_ENOMEM) continue;
        if (!bench->common.quiet) complain("not in this build: %s", error->text);
        bench->codec[i] = NULL;
        status = ENT_OK;
    }
    return status;
}

static ent_status read_targets(struct bench *bench, ent_error *error)
{
    char path[PATH_MAX];
    ent_status status = ENT_OK;
    bench->modelled = ent_calloc(bench->targets + 1, sizeof *bench->modelled);
    if (!bench->modelled) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < bench->targets && !status; i++) {
        status = data_path(path, "targets", bench->target[i], error);
        if (!status) status = ent_target_read(&bench->modelled[i], path, error);
    }
    return status;
}

static void print_median(struct bench *bench)
{
    size_t n = bench->error_count;
    if (!n || bench->common.json) return;
    printf("\n%zu predictions from measured targets: median error %.1f %%, largest %.1f %%\n", n,
           100 * gsl_stats_median(bench->errors, 1, n), 100 * gsl_stats_max(bench->errors, 1, n));
}

static ent_status run(struct bench *bench, ent_error *error)
{
    ent_weights *weights;
    ent_status status = parse_codecs(bench, error);
    if (!status) status = read_targets(bench, error);
    if (!status) status = model_open(&weights, bench->model, error);
    if (status) return status;
    status = bench->dtype ? sample_take_dtype(&bench->sample, weights, bench->dtype, bench->sample_bytes, error)
                          : sample_take(&bench->sample, weights, bench->sample_bytes, error);
    if (!status) {
        if (!bench->common.json) print_head(bench);
        table_begin(&bench->table, bench->targets
                    ? "<codec|<target|bits/weight|bound|gap %|encode GB/s|decode GB/s|decode/memcpy|error %|<limit"
                    : "<codec|bits/weight|bound|gap %|encode GB/s|decode GB/s|decode/memcpy");
        bench->errors = ent_calloc(bench->codecs * bench->targets + 1, sizeof *bench->errors);
        status = bench->errors ? bench_codecs(bench, error) : ent_fail(error, ENT_ENOMEM, "out of memory");
        table_end(&bench->table);
        if (!status) print_median(bench);
        ent_free(bench->errors);
    }
    sample_free(&bench->sample);
    ent_weights_close(weights);
    return status;
}

/* Leaves the codecs that this build has, in order. */
static ent_status parse_present(struct bench *bench, ent_error *error)
{
    ent_status status = parse_codecs(bench, error);
    size_t n = 0;
    for (size_t i = 0; i < bench->codecs && !status; i++)
        if (bench->codec[i]) bench->codec[n++] = bench->codec[i];
    if (!status) bench->codecs = n;
    return status;
}

static ent_status run_other(struct bench *bench, ent_error *error)
{
    ent_status status = parse_present(bench, error);
    if (status) return status;
    if (bench->gap)
        return bench_gap(&bench->common, bench->model, bench->codec, bench->codecs, bench->sample_bytes, error);
    size_t rows = bench->rows ? (size_t)bench->rows : 14336, cols = bench->cols ? (size_t)bench->cols : 4096;
    struct bench_product product = { &bench->common, bench->model, bench->codec, bench->codecs, rows, cols, bench->runs };
    return bench_product(&product, error);
}

static ent_status run_container(const struct bench *bench, ent_error *error)
{
    const struct bench_container container = { &bench->common, bench->model, bench->plan, bench->runs };
    return bench_container(&container, error);
}

static ent_status run_calibrate(struct bench *bench, ent_error *error)
{
    ent_status status = parse_codecs(bench, error);
    const struct calibrate c = { &bench->common, bench->model, bench->output, bench->command, bench->codec,
                                 bench->codecs, bench->runs, bench->seconds, bench->sample_bytes, bench->force };
    return status ? status : calibrate(&c, error);
}

static ent_status run_gpu(struct bench *bench, ent_error *error)
{
    ent_status status = parse_present(bench, error);
    if (!status) status = read_targets(bench, error);
    const struct bench_gpu gpu = { &bench->common, bench->model, bench->output, bench->command, bench->codec, bench->codecs,
                                   bench->modelled, bench->targets, bench->runs, (size_t)bench->rows, (size_t)bench->cols,
                                   bench->sample_bytes, bench->force };
    return status ? status : bench_gpu(&gpu, error);
}

/* The command line, for the file that says what it was written by. */
static void keep_command(struct bench *bench, int argc, char **argv)
{
    size_t n = 0;
    for (int i = 0; i < argc && n < sizeof bench->command; i++) {
        const char *quote = strchr(argv[i], ' ') && i ? "'" : "";
        n += (size_t)snprintf(bench->command + n, sizeof bench->command - n, "%s%s%s%s", i ? " " : "", quote, argv[i],
                              quote);
    }
}

static void add_all(struct bench *bench)
{
    bench->all = true;
    for (size_t i = 0; ent_codecs[i].name && !ent_codecs[i].aside; i++)
        bench->name[bench->codecs++] = (char *)(size_t)ent_codecs[i].name;
}

/* What is measured when no codec is named. */
static void add_preset(struct bench *bench)
{
    static char planar[] = "planar-rans block=128k", tiered[] = "tiered block=128k", of_warps[] = "planar-rans block=16k";
    if (bench->product || bench->gpu) {
        bench->name[bench->codecs++] = bench->gpu ? of_warps : planar;
        bench->name[bench->codecs++] = tiered;
    } else {
        add_all(bench);
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct bench *bench = state->input;
    uint64_t n;
    ent_error error;
    switch (key) {
    case 'c':
        if (strcmp(text, "all")) {
            bench->name[bench->codecs++] = text;
            return 0;
        }
        add_all(bench);
        return 0;
    case KEY_WITH: bench->with[bench->withs++] = text; return 0;
    case KEY_CALIBRATION: bench->calibration = text; return 0;
    case KEY_CONFIG: bench->config = text; return 0;
    case KEY_TARGET:
        if (!strcmp(text, "gpu")) bench->gpu = true;
        else bench->target[bench->targets++] = text;
        return 0;
    case KEY_RUNS:
        n = option_count(state, "--runs", text);
        if (n < 1 || n > MAX_RUNS) argp_error(state, "--runs: 1 to %d", MAX_RUNS);
        bench->runs = (unsigned)n;
        return 0;
    case KEY_SECONDS: bench->seconds = option_number(state, "--seconds", text, 0); return 0;
    case KEY_SAMPLE:
        if (!(bench->sample_bytes = option_count(state, "--sample", text))) argp_error(state, "--sample: at least 1");
        return 0;
    case KEY_PRODUCT: bench->product = true; return 0;
    case KEY_GAP: bench->gap = true; return 0;
    case KEY_ROWS:
        if (!(bench->rows = option_count(state, "--rows", text))) argp_error(state, "--rows: at least 1");
        return 0;
    case KEY_COLS:
        if (!(bench->cols = option_count(state, "--cols", text))) argp_error(state, "--cols: at least 1");
        return 0;
    case KEY_PLAN: bench->plan = text; return 0;
    case KEY_CALIBRATE: bench->calibrate = true; return 0;
    case KEY_DTYPE:
        bench->dtype = text;
        if (model_raw_words(text, &error)) argp_error(state, "--dtype: %s", error.text);
        return 0;
    case KEY_FORCE: bench->force = true; return 0;
    case 'o': bench->output = text; return 0;
    case ARGP_KEY_ARG:
        if (bench->model) argp_error(state, "one model at a time");
        bench->model = text;
        return 0;
    case ARGP_KEY_END:
        if (!bench->model) argp_error(state, "which model?");
        if (bench->product && bench->gap) argp_error(state, "--product or --gap");
        if (bench->gap && bench->targets) argp_error(state, "--gap is of sizes, of no target");
        if (bench->product && bench->targets) argp_error(state, "--product is measured here, on no other target");
        if (bench->dtype && (bench->product || bench->gap || bench->calibrate || bench->plan))
            argp_error(state, "--dtype is for a table of codecs");
        if (bench->calibrate && !bench->output) argp_error(state, "--calibrate: where to? -o TARGET.yaml");
        if (bench->output && !bench->calibrate && !bench->gpu) argp_error(state, "-o belongs to --calibrate or --target gpu");
        if (bench->gpu && (bench->product || bench->gap || bench->calibrate || bench->plan || bench->dtype || bench->withs))
            argp_error(state, "--target gpu is measured alone, and products with it");
        if (bench->withs && (bench->codecs || bench->targets || bench->product || bench->gap || bench->calibrate || bench->plan || bench->dtype))
            argp_error(state, "--with is measured alone: a codec goes behind =>");
        if (!bench->withs && (bench->calibration || bench->config)) argp_error(state, "--calibration and --config need --with");
        if (!bench->codecs) add_preset(bench);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { .name = "codec", .key = 'c', .arg = "CODEC",
      .doc = "A codec to measure, by name or as a line of text; may be given several times (preset: all)" },
    { .name = "target", .key = KEY_TARGET, .arg = "TARGET",
      .doc = "Also predict decoding on this machine: a name from `entropy list targets` or a file; may be given "
             "several times.  gpu: measure on a CUDA card instead (after `make gpu`), decoding beside a copy and products "
             "of 1 to 16 vectors beside cuBLAS, for BF16 layers of usual sizes and for --sample as one matrix; other targets predict beside" },
    { .name = "runs", .key = KEY_RUNS, .arg = "N", .doc = "Best of N runs (preset 5)" },
    { .name = "seconds", .key = KEY_SECONDS, .arg = "S", .doc = "Fewer runs, at least one, for codecs that would "
      "take longer than this (preset 10)" },
    { .name = "sample", .key = KEY_SAMPLE, .arg = "BYTES",
      .doc = "Measure so many bytes of weights, repeating the model's if it has fewer (preset: all it has, but 64Mi "
             "to 256Mi)" },
    { .name = "dtype", .key = KEY_DTYPE, .arg = "DTYPE",
      .doc = "Measure the model's weights of this number format, which raw words of NumPy files are, too (preset: the "
             "float format of most bytes)" },
    { .name = "gap", .key = KEY_GAP,
      .doc = "Measure no speed but where the bits go: the entropy of the coded fields, what code lengths or "
             "frequencies cost over it, what the coder costs over those (states, padding; of coders without "
             "tables, all), streams kept raw, tables, index; the sum is the size" },
    { .name = "product", .key = KEY_PRODUCT,
      .doc = "Measure y = W x instead: from plain weights, from weights decoded first, and straight from code, alone "
             "and beside threads that copy memory (BF16; preset codecs: planar-rans and tiered, block=128k)" },
    { .name = "calibrate", .key = KEY_CALIBRATE,
      .doc = "Write this machine as a target: what a core does in a cycle, memory's and caches' bandwidth, and the "
             "speed of every codec on 1, 2, 4 ... all threads, from memory and from the cache" },
    { .name = "output", .key = 'o', .arg = "TARGET.yaml", .doc = "Where --calibrate writes; --target gpu, too, and a table TARGET.tsv" },
    { .name = "force", .key = KEY_FORCE, .doc = "Overwrite an output that exists" },
    { .name = "plan", .key = KEY_PLAN, .arg = "PLAN",
      .doc = "Of a container: compare with what `entropy choose` predicted" },
    { .name = "with", .key = KEY_WITH, .arg = "PIPELINE",
      .doc = "Measure packing and coding instead, and both backwards, on one thread: pipelines of transforms, \"PIPELINE => CODEC\" or "
             "a name from `entropy list systems`; may be given several times" },
    { .name = "calibration", .key = KEY_CALIBRATION, .arg = "FILE", .doc = "With --with: the inputs of the layers of a Llama model" },
    { .name = "config", .key = KEY_CONFIG, .arg = "FILE", .doc = "With --calibration: the model's config.json (preset: beside the model)" },
    { .name = "rows", .key = KEY_ROWS, .arg = "R", .doc = "Of W, which is filled with the model's weights (preset 14336; on a gpu all usual sizes)" },
    { .name = "cols", .key = KEY_COLS, .arg = "C", .doc = "Of W (preset 4096)" },
    { 0 }
};

int cmd_bench(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL|CONTAINER",
        .doc = "Size, encode and decode speed of codecs on the weights of a model's most common float dtype, in "
               "memory, verified in the same run, beside a memcpy.  GB/s are 10^9 bytes of decoded weights per "
               "second.  Of a container: the time to decode all of its tensors, memory to memory.\vJSON keys: "
               "codec, target, threads, model, dtype, weights, sample_bytes, distinct_bytes, "
               "bits_per_weight (payload, tables and index), payload_bits, table_bits, index_bits, bound_bits (per "
               "weight), encode_gbps, decode_gbps, memcpy_gbps, their medians, runs, verified; predicted, limit "
               "(memory, decoder or intake; measured or rates when a measured target's rows tell it) and error_percent "
               "for other targets.  With --gap: codec, model, dtype, weights, bits (in all), bits_per_weight, and of "
               "these bound_bits, model_bits, coder_bits, kept_raw_bits, table_bits, index_bits.  With --product: "
               "product, codec, "
               "model, rows, cols, threads, state, copiers, copied_gbps, bytes_read_per_weight, seconds, weights_gbps, "
               "time_over_plain, error, runs, verified; and for each codec crossing, derived_least_gbps, "
               "derived_most_gbps, fitted_gbps, measured_gbps, won_in_all, lost_in_all.  Of a container: file, codec, "
               "threads, runs, bytes, coded_bytes, decode_ns, decode_median_ns, decode_gbps, the same of memcpy, "
               "verified; with --plan also predicted_ns, predicted_raw_ns, error_percent.  With --calibrate: codec, dtype, "
               "cache (cold or warm), threads, decode_gbps, decode_cycles and decode_pj a weight, computed_gbps.  With --target gpu: "
               "operation, codec, target, card, model, rows, cols, batch, bits_per_weight, bytes (moved), seconds (median), least_seconds, weights_gbps, of_roof, "
               "over_cublas, error, runs, verified, launches (in a timed sample), cublas (the fastest way to ask it), clock_ghz (counted), "
               "driver_clock_ghz, memory_ghz, watts, celsius, predicted_by, predicted_seconds, error_percent.  With --with: " BENCH_WITH_KEYS ".",
    };
    size_t rows = 0;
    while (ent_codecs[rows].name) rows++;
    struct bench bench = { .runs = 5, .seconds = 10,
                           .name = ent_calloc((size_t)argc * (rows + 1), sizeof(char *)),
                           .target = ent_calloc((size_t)argc, sizeof(char *)), .with = ent_calloc((size_t)argc, sizeof(char *)) };
    ent_error error = { 0 };
    ent_status status = bench.name && bench.target && bench.with ? ENT_OK : ent_fail(&error, ENT_ENOMEM, "out of memory");
    if (!status) {
        keep_command(&bench, argc, argv);
        command_parse(&argp, argc, argv, &bench, &bench.common);
        const struct bench_with with = { &bench.common, bench.model, bench.with, bench.withs, bench.calibration, bench.config,
                                         bench.runs, bench.sample_bytes };
        status = bench.withs                  ? bench_with(&with, &error)
                 : bench.calibrate            ? run_calibrate(&bench, &error)
                 : bench.model && ent_container_is(bench.model) ? run_container(&bench, &error)
                 : bench.gpu                  ? run_gpu(&bench, &error)
                 : bench.product || bench.gap ? run_other(&bench, &error)
                                              : run(&bench, &error);
    }
    for (size_t i = 0; i < bench.targets && bench.modelled; i++)
        if (bench.modelled[i]) ent_target_free(bench.modelled[i]);
    for (size_t i = 0; i < bench.codecs && bench.codec; i++) ent_codec_free(bench.codec[i]);
    ent_free(bench.modelled);
    ent_free(bench.codec);
    ent_free(bench.name);
    ent_free(bench.target);
    ent_free(bench.with);
    return status ? complain_error(&error) : EXIT_DONE;
}
