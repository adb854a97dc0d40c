/* cmd_compress.c - `entropy compress` and `train`. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "command.h"
#include "lossy.h"
#include "model.h"
#include "output.h"
#include "packing_report.h"
#include "progress.h"
#include "sizes.h"

enum { KEY_TABLES = 0x2001, KEY_FORCE, KEY_PLAN, KEY_WITH, KEY_KEEP, KEY_CALIBRATION, KEY_CONFIG, KEY_SLACK, KEY_BUDGET, KEY_ALLOCATE,
       KEY_SEED, KEY_GENERATIONS, KEY_TENSORS, KEY_SORT, KEY_TEXT, KEY_SEQUENCES, KEY_SKIP, KEY_BASE, KEY_DELTA_CODEC, KEY_READABLE };

struct job {
    struct common common;
    const char *codec, *tables, *plan, *output;
    const char *with, *keep, *calibration, *config, *tensors_file;
    double slack, budget;
    struct stack_sort sort;
    const char *base, *delta_codec;
    enum allocate_how how;
    uint64_t seed;
    uint32_t generations;
    bool how_given, force, tensors, readable;
    char **input;
    int inputs;
};

enum { SAMPLE_BYTES = 64 << 20 }; /* of larger models, to choose deltas by */

static const char preset_codec[] = "planar-rans";

/* ---- options --------------------------------------------------------------------------------- */

#define OPTION_OUTPUT { .name = "output", .key = 'o', .arg = "FILE", .doc = "Where to write; needed" }
#define OPTION_FORCE { .name = "force", .key = KEY_FORCE, .doc = "Overwrite an output that exists" }
#define OPTION_CODEC \
    { .name = "codec", .key = 'c', .arg = "CODEC", \
      .doc = "A name from `entropy list codecs` or a line such as \"BF16: exponent=huffman rest=raw\" (preset: " \
             "planar-rans)" }

/* A lossless system is its codec. */
static void take_lossless(struct job *job, struct argp_state *state)
{
    const ent_system *system = job->with ? ent_system_find(job->with) : NULL;
    if (!system || system->pipeline) return;
    if (job->codec) argp_error(state, "%s already names the codec", job->with);
    job->codec = system->codec;
    job->with = NULL;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    switch (key) {
    case 'c': job->codec = text; return 0;
    case 'o': job->output = text; return 0;
    case KEY_TABLES: job->tables = text; return 0;
    case KEY_PLAN: job->plan = text; return 0;
    case KEY_FORCE: job->force = true; return 0;
    case KEY_WITH: job->with = text; return 0;
    case KEY_KEEP: job->keep = text; return 0;
    case KEY_CALIBRATION: job->calibration = text; return 0;
    case KEY_CONFIG: job->config = text; return 0;
    case KEY_SLACK: job->slack = option_number(state, "--slack", text, 1); return 0;
    case KEY_BUDGET: job->budget = option_number(state, "--budget", text, 0); return 0;
    case KEY_ALLOCATE:
        if (!allocate_find(text, &job->how)) argp_error(state, "--allocate is sensitivity, l-greco or evopress");
        job->how_given = true;
        return 0;
    case KEY_SEED: job->seed = option_count(state, "--seed", text); return 0;
    case KEY_GENERATIONS: job->generations = (uint32_t)option_count(state, "--generations", text); return 0;
    case KEY_TENSORS:
        job->tensors = true;
        job->tensors_file = text;
        return 0;
    case KEY_SORT:
        if (!stack_sort_known(text)) argp_error(state, "--sort is level, error, loss or perplexity");
        job->sort.how = text;
        return 0;
    case KEY_TEXT: job->sort.text = text; return 0;
    case KEY_SEQUENCES: job->sort.sequences = option_count(state, "--sequences", text); return 0;
    case KEY_SKIP: job->sort.skip = option_count(state, "--skip", text); return 0;
    case KEY_BASE: job->base = text; return 0;
    case KEY_DELTA_CODEC: job->delta_codec = text; return 0;
    case KEY_READABLE: job->readable = true; return 0;
    case ARGP_KEY_ARGS:
        job->input = state->argv + state->next;
        job->inputs = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (!job->inputs) argp_error(state, "which file?");
        if (!job->output) argp_error(state, "where to? -o FILE");
        if (job->tables && job->codec) argp_error(state, "--tables already names the codec");
        take_lossless(job, state);
        if (job->plan && (job->codec || job->tables)) argp_error(state, "--plan already names the codecs");
        if (job->readable && (job->plan || job->tables || job->with || job->base))
            argp_error(state, "--readable goes without --plan, --tables, --with and --base");
        if (job->with && (job->plan || job->tables)) argp_error(state, "--with needs a codec, not --plan or --tables");
        if (!job->with && (job->keep || job->calibration || job->config || job->sort.how || job->tensors || job->slack > 0 || job->budget > 0 || job->how_given))
            argp_error(state, "--keep, --calibration, --config, --sort, --slack, --budget, --allocate and --tensors need --with");
        if (job->slack > 0 && job->budget > 0) argp_error(state, "--budget or --slack, not both");
        if (!job->sort.how && !job->with && (job->sort.text || job->sort.sequences || job->sort.skip))
            argp_error(state, "--text, --sequences and --skip need --with");
        if (job->base && (job->with || job->tables || job->plan)) argp_error(state, "--base goes with --codec alone");
        if (job->delta_codec && !job->base) argp_error(state, "--delta-codec needs --base");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_one(int key, char *text, struct argp_state *state)
{
    error_t result = parse(key, text, state);
    struct job *job = state->input;
    if (key == ARGP_KEY_END && job->inputs > 1) argp_error(state, "one file at a time");
    return result;
}

/* ---- compress -------------------------------------------------------------------------------- */

/* Tensors that the model holds compressed, which a container keeps as they are. */
static size_t kept_compressed(const ent_weights *weights)
{
    size_t kept = 0;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) kept += ent_weights_tensor(weights, i)->unpacked;
    return kept;
}

static void print_compressed(const struct job *job, const ent_weights *weights, const char *codec,
                             const ent_container_sizes *sizes)
{
    size_t kept = kept_compressed(weights);
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "codec", codec);
        sizes_json(object, sizes);
        json_text(object, "input", job->input[0]);
        json_text(object, "output", job->output);
        json_count(object, "kept_compressed", kept);
        json_line(object);
        return;
    }
    printf("%s -> %s, codec %s\n\n", model_name(job->input[0]), job->output, codec);
    sizes_table(sizes);
    if (kept)
        printf("\nThe model holds %zu of its %zu tensors compressed already: these were kept as they are.  Saved without\n"
               "compression (numpy.savez, h5repack -f NONE) they are coded as well.\n", kept, ent_weights_tensors(weights));
}

static ent_status compress(struct job *job, const ent_weights *weights, const ent_codec *codec,
                           const ent_corpus *corpus, ent_error *error)
{
    struct progress progress;
    ent_container_sizes sizes;
    ent_run run = progress_begin(&progress, &job->common, "compress");
    const ent_assignment readable = { .codecs = 1, .codec = &codec, .readable = true };
    ent_status status = job->readable ? ent_container_write_assigned(job->output, weights, &readable, &run, &sizes, error)
                                      : ent_container_write(job->output, weights, codec, corpus, &run, &sizes, error);
    progress_end(&progress);
    if (!status) print_compressed(job, weights, ent_codec_name(codec), &sizes);
    return status;
}

/* What `entropy choose` chose. */
static ent_status compress_plan(struct job *job, const ent_weights *weights, ent_error *error)
{
    struct choice choice;
    struct progress progress;
    ent_container_sizes sizes;
    ent_status status = choice_read(&choice, weights, job->plan, error);
    if (status) return status;
    ent_run run = progress_begin(&progress, &job->common, "compress");
    const ent_assignment assignment = { .codecs = choice.codecs, .codec = (const ent_codec *const *)choice.codec, .of = choice.of };
    status = ent_container_write_assigned(job->output, weights, &assignment, &run, &sizes, error);
    progress_end(&progress);
    if (!status) print_compressed(job, weights, "chosen", &sizes);
    choice_free(&choice);
    return status;
}

/* ---- deltas ---------------------------------------------------------------------------------- */

struct deltas {
    ent_delta *way; /* of each tensor */
    double (*size)[ENT_DELTAS];
    uint32_t *codec;
};

/* What each way would make of all tensors that have a counterpart. */
static void print_deltas(const struct job *job, const ent_weights *weights, const struct deltas *d)
{
    uint64_t tensors[ENT_DELTAS] = { 0 }, told = 0;
    double bytes[ENT_DELTAS] = { 0 }, elements = 0;
    struct table table;
    size_t n = ent_weights_tensors(weights);
    for (size_t i = 0; i < n; i++) {
        tensors[d->way[i]]++;
        if (d->size[i][ENT_DELTA_XOR] < 0) continue;
        told++;
        elements += (double)ent_weights_tensor(weights, i)->elements;
        for (int w = 0; w < ENT_DELTAS; w++) bytes[w] += d->size[i][w];
    }
    if (job->common.json) {
        for (int w = 0; w < ENT_DELTAS; w++) {
            json_t *object = json_object();
            json_text(object, "way", ent_delta_names[w]);
            json_count(object, "tensors", tensors[w]);
            json_count(object, "of_tensors", n);
            json_real_or_null(object, "bytes", bytes[w]);
            json_real_or_null(object, "bits_per_weight", elements > 0 ? 8 * bytes[w] / elements : NAN);
            json_line(object);
        }
        return;
    }
    printf("\n%" PRIu64 " of %zu tensors have a counterpart in %s; all of them told by one way:\n\n", told, n, model_name(job->base));
    table_begin(&table, "<way|bytes|bits/weight|tensors that it is best for");
    for (int w = 0; w < ENT_DELTAS; w++) {
        table_cell(&table, "%s", ent_delta_names[w]);
        table_number(&table, bytes[w], 0);
        table_number(&table, elements > 0 ? 8 * bytes[w] / elements : NAN, 4);
        table_cell(&table, "%" PRIu64, tensors[w]);
    }
    table_end(&table);
}

/* With the codec's own size of blocks, as both go into one container. */
static ent_status delta_codec(const struct job *job, const ent_codec *codec, ent_codec **delta, ent_error *error)
{
    const char *text = job->delta_codec ? job->delta_codec : ENT_DELTA_CODEC;
    size_t size = strlen(text) + 40;
    char *line = malloc(size);
    if (!line) return ent_fail(error, ENT_ENOMEM, "out of memory");
    snprintf(line, size, "%s block=%zu", text, ent_codec_block(codec));
    ent_status status = ent_codec_parse(delta, line, error);
    free(line);
    return status;
}

static ent_status write_deltas(struct job *job, const ent_weights *weights, const ent_weights *base,
                               const ent_codec *const codec[2], struct deltas *d, ent_error *error)
{
    struct progress progress;
    ent_container_sizes sizes;
    ent_run run = progress_begin(&progress, &job->common, "choose");
    ent_status status = ent_container_choose_deltas(weights, base, codec, SAMPLE_BYTES, &run, d->way, d->size, error);
    progress_end(&progress);
    if (status) return status;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) d->codec[i] = d->way[i] != ENT_DELTA_NONE;
    const ent_assignment assignment = { .codecs = 2, .codec = codec, .of = d->codec, .base = base, .delta = d->way };
    run = progress_begin(&progress, &job->common, "compress");
    status = ent_container_write_assigned(job->output, weights, &assignment, &run, &sizes, error);
    progress_end(&progress);
    if (status) return status;
    print_compressed(job, weights, ent_codec_name(codec[0]), &sizes);
    print_deltas(job, weights, d);
    return ENT_OK;
}

/* What differs from another checkpoint. */
static ent_status compress_delta(struct job *job, const ent_weights *weights, const ent_codec *codec, ent_error *error)
{
    size_t n = ent_weights_tensors(weights);
    struct deltas d = { ent_calloc(n, sizeof *d.way), ent_calloc(n, sizeof *d.size), ent_calloc(n, sizeof *d.codec) };
    ent_weights *base = NULL;
    ent_codec *delta = NULL;
    ent_status status = model_open(&base, job->base, error);
    if (!status && !(d.way && d.size && d.codec)) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = delta_codec(job, codec, &delta, error);
    const ent_codec *const both[] = { codec, delta };
    if (!status) status = write_deltas(job, weights, base, both, &d, error);
    ent_free(d.way);
    ent_free(d.size);
    ent_free(d.codec);
    ent_codec_free(delta);
    ent_weights_close(base);
    return status;
}

static ent_status compress_lossy(const struct job *job, const ent_weights *weights, ent_error *error)
{
    struct stack_sort sort = job->sort;
    sort.common = &job->common;
    sort.model = job->input[0];
    sort.config = job->config;
    const struct lossy lossy = { .common = &job->common, .model = job->input[0], .output = job->output, .with = job->with,
                                 .codec = job->codec, .keep = job->keep, .calibration = job->calibration, .config = job->config,
                                 .slack = fmax(job->slack, 1), .budget = job->budget, .how = job->how, .how_given = job->how_given, .seed = job->seed,
                                 .generations = job->generations, .tensors = job->tensors,
                                 .tensors_file = job->tensors_file, .sort = &sort };
    return lossy_compress(&lossy, weights, error);
}

/* What other programs read has its tables in the blocks. */
static ent_status parse_codec(const struct job *job, ent_codec **codec, ent_error *error)
{
    char text[4000];
    const char *name = job->codec ? job->codec : preset_codec;
    if (!job->readable) return ent_codec_parse(codec, name, error);
    if (snprintf(text, sizeof text, "%s scope=block", name) >= (int)sizeof text)
        return ent_fail(error, ENT_EINVAL, "the codec's text is too long");
    return ent_codec_parse(codec, text, error);
}

int cmd_compress(int argc, char **argv)
{
    static const struct argp_option options[] = {
        OPTION_OUTPUT, OPTION_CODEC,
        { .name = "tables", .key = KEY_TABLES, .arg = "TABLES", .doc = "Tables and codec made by `entropy train`" },
        { .name = "plan", .key = KEY_PLAN, .arg = "PLAN",
          .doc = "The codec of each tensor, as `entropy choose` wrote" },
        { .name = "base", .key = KEY_BASE, .arg = "MODEL",
          .doc = "Another checkpoint: each tensor that it has too is told by it, where that is smaller; decompress needs it "
                 "again" },
        { .name = "delta-codec", .key = KEY_DELTA_CODEC, .arg = "CODEC",
          .doc = "With --base: for what that leaves (preset: " ENT_DELTA_CODEC ")" },
        { .name = "readable", .key = KEY_READABLE,
          .doc = "For h5dump, h5py and all that uses HDF5 and our filter: each tensor under /weights by its name, with its shape and "
                 "type; tables are in every block (scope=block)" },
        { .name = "with", .key = KEY_WITH, .arg = "PIPELINE", .group = 1,
          .doc = "Lossy: pack the matrices by these transforms first, e.g. \"prune(share=0.3) rtn(bits=4)\" (`entropy list "
                 "transforms`); \"PIPELINE => CODEC\" names the codec too (preset: words of parts by rans), and a name from `entropy "
                 "list systems` stands for both.  Of several, as in "
                 "\"step(bits=2:0.5:4) | nf4\" (2 to 4 by 0.5), each matrix gets one, by --slack or --budget" },
        { .name = "keep", .key = KEY_KEEP, .arg = "ROLE,...", .group = 1,
          .doc = "With --with: tensors of these roles stay as they are, e.g. embed,lm_head" },
        { .name = "calibration", .key = KEY_CALIBRATION, .arg = "FILE", .group = 1,
          .doc = "With --with: the inputs of the layers of a Llama model, by `entropy quality --calibrate`" },
        { .name = "slack", .key = KEY_SLACK, .arg = "X", .group = 1,
          .doc = "Of several pipelines each matrix takes the smallest with an error of at most X times the least (preset 1), of its "
                 "layer's output with --calibration, else of its weights" },
        { .name = "budget", .key = KEY_BUDGET, .arg = "BITS", .group = 1,
          .doc = "Of several pipelines each matrix gets one, so that all is lost least within so many bits a weight of the model; by "
                 "the sensitivities of --calibration, else by squared errors of the weights" },
        { .name = "allocate", .key = KEY_ALLOCATE, .arg = "HOW", .group = 1,
          .doc = "With --budget: sensitivity (preset: as --budget says), l-greco (the least sum of squared errors of weights, by "
                 "dynamic programming) or evopress (evolution by the divergence that a Llama model shows on a text)" },
        { .name = "generations", .key = KEY_GENERATIONS, .arg = "N", .group = 1, .doc = "Of evopress (preset 50)" },
        { .name = "seed", .key = KEY_SEED, .arg = "N", .group = 1, .doc = "Of evopress (preset 0)" },
        { .name = "tensors", .key = KEY_TENSORS, .arg = "FILE", .flags = OPTION_ARG_OPTIONAL, .group = 1,
          .doc = "With --with: also a table of all matrices, or FILE of tab-separated values" },
        { .name = "config", .key = KEY_CONFIG, .arg = "FILE", .group = 1,
          .doc = "With --calibration, --sort or evopress: the model's config.json (preset: beside the model)" },
        { .name = "sort", .key = KEY_SORT, .arg = "HOW", .group = 1,
          .doc = "With levels (bitstack): in which order blocks are stored and loaded: level (preset), error, loss, or perplexity, "
                 "each tried alone, as published; the last two need a Llama model and a text" },
        { .name = "text", .key = KEY_TEXT, .arg = "FILE", .group = 1,
          .doc = "With --sort or evopress: tokens, FILE.u16 or FILE.u32 (preset: valid.u16 beside the model)" },
        { .name = "sequences", .key = KEY_SEQUENCES, .arg = "N", .group = 1, .doc = "With --sort or evopress: of the text, each as long as the model's context (preset: 32, of evopress 16)" },
        { .name = "skip", .key = KEY_SKIP, .arg = "N", .group = 1, .doc = "With --sort or evopress: pass over the first N sequences of the text" },
        OPTION_FORCE, { 0 }
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_one,
        .args_doc = "MODEL -o FILE",
        .doc = "Writes a model as a compressed container that `entropy decompress` turns back into the identical "
               "file or files; with --with, into files of the same names, dtypes and shapes whose matrices are what the "
               "transforms give back.\vWith --with JSON has an object of the whole (codec, pipeline, input_bytes, output_bytes, "
               "bits_per_weight, weights, packed_weights, zeros, sqnr_db, relative_error, largest_error, code_gbps, pack_seconds, "
               "code_seconds (by the clock), peak_bytes (of memory)), one for each "
               "kind of part (part, words, plain_bits, entropy_bits, coded_bits) and one for each stage (stage, relative_error "
               "after it, error_percent, gbps of a thread); before them, with --tensors, a matrix a line: " PACKING_TABLE_KEYS ".  "
               "Otherwise JSON keys: codec, input_bytes, output_bytes, bits_per_weight (the whole output), "
               "bound_bits (per weight), payload_bits, table_bits, index_bits, weights, weight_bytes, gap_percent, "
               "input, output, kept_compressed (tensors that the model holds compressed already); with tensors equal to others same_tensors, same_bytes; with --base a line for each way: way, "
               "tensors (that it is best for), of_tensors, bytes and bits_per_weight of all that the base has, so told.",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    ent_weights *weights = NULL;
    ent_codec *codec = NULL;
    ent_corpus *corpus = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = may_write(job.output, job.force, &error);
    if (!status && job.tables)
        status = ent_corpus_read(&corpus, job.tables, &error);
    else if (!status && !job.with)
        status = parse_codec(&job, &codec, &error);
    if (!status) status = model_open(&weights, job.input[0], &error);
    if (!status && job.with) status = compress_lossy(&job, weights, &error);
    else if (!status && job.plan) status = compress_plan(&job, weights, &error);
    else if (!status && job.base) status = compress_delta(&job, weights, codec, &error);
    else if (!status) status = compress(&job, weights, corpus ? ent_corpus_codec(corpus) : codec, corpus, &error);
    ent_weights_close(weights);
    ent_codec_free(codec);
    if (corpus) ent_corpus_free(corpus);
    return status ? complain_error(&error) : EXIT_DONE;
}

/* ---- train ----------------------------------------------------------------------------------- */

static ent_status train(struct job *job, ent_corpus *corpus, const char *argument, ent_error *error)
{
    ent_weights *weights;
    struct progress progress;
    ent_status status = model_open(&weights, argument, error);
    if (status) return status;
    ent_run run = progress_begin(&progress, &job->common, model_name(argument));
    status = ent_corpus_add(corpus, weights, &run, error);
    progress_end(&progress);
    ent_weights_close(weights);
    return status;
}

static void print_trained(const struct job *job, const ent_codec *codec)
{
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "codec", ent_codec_name(codec));
        json_text(object, "output", job->output);
        json_count(object, "models", (uint64_t)job->inputs);
        json_line(object);
    } else if (!job->common.quiet) {
        printf("%s: tables of codec %s from %d model%s\n", job->output, ent_codec_name(codec), job->inputs,
               job->inputs == 1 ? "" : "s");
    }
}

int cmd_train(int argc, char **argv)
{
    static const struct argp_option options[] = { OPTION_OUTPUT, OPTION_CODEC, OPTION_FORCE, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL... -o TABLES",
        .doc = "Trains a codec's tables over several models, for `entropy compress --tables`.",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    ent_codec *codec = NULL;
    ent_corpus *corpus = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = may_write(job.output, job.force, &error);
    if (!status) status = ent_codec_parse(&codec, job.codec ? job.codec : preset_codec, &error);
    if (!status && (status = ent_corpus_new(&corpus, codec)))
        ent_fail(&error, status, "codec %s: %s", ent_codec_name(codec), ent_status_text(status));
    for (int i = 0; i < job.inputs && !status; i++) status = train(&job, corpus, job.input[i], &error);
    if (!status) status = ent_corpus_write(corpus, job.output, &error);
    if (!status) print_trained(&job, codec);
    if (corpus) ent_corpus_free(corpus);
    ent_codec_free(codec);
    return status ? complain_error(&error) : EXIT_DONE;
}
