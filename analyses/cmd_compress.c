/* cmd_compress.c - `entropy compress`, `decompress` and `train`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choice.h"
#include "command.h"
#include "lossy.h"
#include "model.h"
#include "output.h"
#include "packing_report.h"
#include "progress.h"
#include "sizes.h"

enum { KEY_TABLES = 0x2001, KEY_FORCE, KEY_PLAN, KEY_WITH, KEY_KEEP, KEY_CALIBRATION, KEY_CONFIG, KEY_PARTS, KEY_SLACK, KEY_BUDGET, KEY_ALLOCATE,
       KEY_SEED, KEY_GENERATIONS, KEY_TENSORS, KEY_SORT, KEY_TEXT, KEY_SEQUENCES, KEY_SKIP, KEY_MAX_BYTES, KEY_TENSOR, KEY_ROWS, KEY_GO_ON };

struct job {
    struct common common;
    const char *codec, *tables, *plan, *output;
    const char *with, *keep, *calibration, *config, *tensors_file;
    double slack, budget;
    struct stack_sort sort;
    uint64_t max_bytes; /* of a stack */
    const char *tensor; /* the only one wanted */
    uint64_t first_row, end_row;
    enum allocate_how how;
    uint64_t seed;
    uint32_t generations;
    bool how_given, force, parts, tensors, limited, rows, go_on;
    char **input;
    int inputs;
};

static const char preset_codec[] = "planar-rans";

/* What gzip does: an output that exists is not touched unless asked for. */
static ent_status may_write(const struct job *job, ent_error *error)
{
    if (job->force || access(job->output, F_OK)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s exists; --force overwrites it", job->output);
}

static ent_run long_run(struct job *job, struct progress *progress, const char *what)
{
    progress_begin(progress, &job->common, what);
    return (ent_run){ .threads = job->common.threads, .progress = progress->shown ? progress_show : NULL,
                      .context = progress };
}

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

/* "A:B": rows A to B - 1; without A from the first, without B to the last. */
static void take_rows(struct job *job, char *text, const struct argp_state *state)
{
    char *colon = strchr(text, ':');
    if (!colon) argp_error(state, "--rows: '%s' is not A:B, which is rows A to B - 1", text);
    *colon = '\0';
    job->rows = true;
    job->first_row = *text ? option_count(state, "--rows", text) : 0;
    job->end_row = colon[1] ? option_count(state, "--rows", colon + 1) : UINT64_MAX;
    if (job->first_row > job->end_row) argp_error(state, "--rows: they end before they begin");
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
    case KEY_PARTS: job->parts = true; return 0;
    case KEY_SORT:
        if (!stack_sort_known(text)) argp_error(state, "--sort is level, error, loss or perplexity");
        job->sort.how = text;
        return 0;
    case KEY_TEXT: job->sort.text = text; return 0;
    case KEY_SEQUENCES: job->sort.sequences = option_count(state, "--sequences", text); return 0;
    case KEY_SKIP: job->sort.skip = option_count(state, "--skip", text); return 0;
    case KEY_MAX_BYTES:
        job->max_bytes = option_count(state, "--max-bytes", text);
        job->limited = true;
        return 0;
    case KEY_TENSOR: job->tensor = text; return 0;
    case KEY_ROWS: take_rows(job, text, state); return 0;
    case KEY_GO_ON: job->go_on = true; return 0;
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
        if (job->with && (job->plan || job->tables)) argp_error(state, "--with needs a codec, not --plan or --tables");
        if (!job->with && (job->keep || job->calibration || job->config || job->sort.how || job->tensors || job->slack > 0 || job->budget > 0 || job->how_given))
            argp_error(state, "--keep, --calibration, --config, --sort, --slack, --budget, --allocate and --tensors need --with");
        if (job->slack > 0 && job->budget > 0) argp_error(state, "--budget or --slack, not both");
        if (!job->sort.how && !job->with && (job->sort.text || job->sort.sequences || job->sort.skip))
            argp_error(state, "--text, --sequences and --skip need --with");
        if (job->rows && !job->tensor) argp_error(state, "--rows needs --tensor");
        if (job->tensor && (job->parts || job->limited || job->go_on))
            argp_error(state, "--tensor goes without --parts, --max-bytes and --keep-going");
        if (job->go_on && job->limited) argp_error(state, "--keep-going goes without --max-bytes");
        if (job->limited && job->parts) argp_error(state, "--parts gives back all of them, without --max-bytes");
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

static void print_compressed(const struct job *job, const char *codec, const ent_container_sizes *sizes)
{
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "codec", codec);
        sizes_json(object, sizes);
        json_text(object, "input", job->input[0]);
        json_text(object, "output", job->output);
        json_line(object);
        return;
    }
    printf("%s -> %s, codec %s\n\n", model_name(job->input[0]), job->output, codec);
    sizes_table(sizes);
}

static ent_status compress(struct job *job, const ent_weights *weights, const ent_codec *codec,
                           const ent_corpus *corpus, ent_error *error)
{
    struct progress progress;
    ent_container_sizes sizes;
    ent_run run = long_run(job, &progress, "compress");
    ent_status status = ent_container_write(job->output, weights, codec, corpus, &run, &sizes, error);
    progress_end(&progress);
    if (!status) print_compressed(job, ent_codec_name(codec), &sizes);
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
    ent_run run = long_run(job, &progress, "compress");
    const ent_assignment assignment = { choice.codecs, (const ent_codec *const *)choice.codec, choice.of };
    status = ent_container_write_assigned(job->output, weights, &assignment, &run, &sizes, error);
    progress_end(&progress);
    if (!status) print_compressed(job, "chosen", &sizes);
    choice_free(&choice);
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

int cmd_compress(int argc, char **argv)
{
    static const struct argp_option options[] = {
        OPTION_OUTPUT, OPTION_CODEC,
        { .name = "tables", .key = KEY_TABLES, .arg = "TABLES", .doc = "Tables and codec made by `entropy train`" },
        { .name = "plan", .key = KEY_PLAN, .arg = "PLAN",
          .doc = "The codec of each tensor, as `entropy choose` wrote" },
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
               "input, output.",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    ent_weights *weights = NULL;
    ent_codec *codec = NULL;
    ent_corpus *corpus = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = may_write(&job, &error);
    if (!status && job.tables)
        status = ent_corpus_read(&corpus, job.tables, &error);
    else if (!status && !job.with)
        status = ent_codec_parse(&codec, job.codec ? job.codec : preset_codec, &error);
    if (!status) status = model_open(&weights, job.input[0], &error);
    if (!status && job.with) status = compress_lossy(&job, weights, &error);
    else if (!status && job.plan) status = compress_plan(&job, weights, &error);
    else if (!status) status = compress(&job, weights, corpus ? ent_corpus_codec(corpus) : codec, corpus, &error);
    ent_weights_close(weights);
    ent_codec_free(codec);
    if (corpus) ent_corpus_free(corpus);
    return status ? complain_error(&error) : EXIT_DONE;
}

/* ---- decompress ------------------------------------------------------------------------------ */

/* What of a stack was loaded. */
struct loaded {
    size_t blocks, of;
    uint64_t bytes; /* of memory */
};

static void print_extracted(const struct job *job, const ent_container *container, const struct loaded *loaded)
{
    ent_container_sizes sizes = ent_container_sizes_of(container);
    bool packed = !job->parts && ent_container_is_packed(container);
    size_t files = ent_container_files(container);
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "output", job->output);
        json_count(object, "input_bytes", sizes.output_bytes);
        if (!packed) {
            json_count(object, "files", files);
            json_count(object, "output_bytes", sizes.input_bytes);
        }
        json_object_set_new(object, "lossy", json_boolean(packed));
        if (job->limited) {
            json_count(object, "blocks", loaded->blocks);
            json_count(object, "of_blocks", loaded->of);
            json_count(object, "memory_bytes", loaded->bytes);
        }
        json_line(object);
    } else if (!job->common.quiet && job->limited) {
        printf("%s -> %s, lossy: %zu of %zu blocks, %s of memory\n", job->input[0], job->output, loaded->blocks, loaded->of,
               show_bytes(loaded->bytes).text);
    } else if (!job->common.quiet && packed) {
        printf("%s -> %s, lossy\n", job->input[0], job->output);
    } else if (!job->common.quiet) {
        printf("%s -> %s, %zu file%s, %s\n", job->input[0], job->output, files, files == 1 ? "" : "s",
               show_bytes(sizes.input_bytes).text);
    }
}

/* As many blocks as there is memory for. */
static ent_status extract_within(const struct job *job, ent_container *container, const ent_run *run, struct loaded *loaded,
                                 ent_error *error)
{
    ent_stack *stack;
    if (!ent_container_is_packed(container))
        return ent_fail(error, ENT_EINVAL, "%s is lossless and loaded as a whole: --max-bytes is for stacks", job->input[0]);
    ent_status status = ent_stack_open_container(&stack, container, error);
    if (status) return status;
    loaded->of = ent_stack_blocks(stack);
    status = ent_stack_fit(stack, job->max_bytes, &loaded->blocks, &loaded->bytes, error);
    if (!status) status = ent_stack_unpack(stack, loaded->blocks, job->output, run, error);
    ent_stack_close(stack);
    return status;
}

static void print_damage(void *context, const char *text)
{
    const struct job *job = context;
    if (!job->common.json) {
        complain("%s", text);
        return;
    }
    json_t *object = json_object();
    json_text(object, "finding", text);
    json_line(object);
}

static ent_status extract(struct job *job, ent_container *container, struct loaded *loaded, ent_error *error)
{
    struct progress progress;
    bool packed = !job->parts && ent_container_is_packed(container);
    ent_status status;
    if (packed && job->go_on)
        return ent_fail(error, ENT_EINVAL, "%s is lossy: --keep-going gives back its --parts", job->input[0]);
    ent_run run = long_run(job, &progress, "decompress");
    if (job->limited) status = extract_within(job, container, &run, loaded, error);
    else if (job->go_on) status = ent_container_salvage(container, job->output, &run, print_damage, job, error);
    else status = (packed ? ent_unpack_container : ent_container_extract)(container, job->output, &run, error);
    progress_end(&progress);
    return status;
}

/* One tensor, or rows of it, as a file of its own. */
static ent_status extract_tensor(struct job *job, ent_container *container, ent_error *error)
{
    struct progress progress;
    size_t i = ent_container_find(container, job->tensor);
    if (i == SIZE_MAX)
        return ent_fail(error, ENT_EINVAL, "%s: no tensor '%s'; `entropy inspect` names them", job->input[0], job->tensor);
    ent_rows rows = ent_container_all_rows(container, i);
    uint64_t bytes, read;
    if (job->rows) {
        uint64_t end = job->end_row == UINT64_MAX && job->first_row <= rows.count ? rows.count : job->end_row;
        rows.first = job->first_row;
        rows.count = end - job->first_row;
    }
    ent_status status = ent_container_rows_bytes(container, rows, &bytes, error);
    if (status) return status;
    ent_run run = long_run(job, &progress, "decompress");
    status = ent_container_save(container, rows, job->output, &run, &read, error);
    progress_end(&progress);
    if (status) return status;
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "output", job->output);
        json_text(object, "tensor", job->tensor);
        json_text(object, "dtype", ent_container_tensor_at(container, i).dtype);
        json_count(object, "first_row", rows.first);
        json_count(object, "rows", rows.count);
        json_count(object, "bytes", bytes);
        json_count(object, "read_bytes", read);
        json_line(object);
    } else if (!job->common.quiet) {
        printf("%s: rows %llu to %llu of %s -> %s, %s from %s of blocks\n", job->input[0], (unsigned long long)rows.first,
               (unsigned long long)(rows.first + rows.count), job->tensor, job->output, show_bytes(bytes).text,
               show_bytes(read).text);
    }
    return ENT_OK;
}

int cmd_decompress(int argc, char **argv)
{
    static const struct argp_option options[] = {
        OPTION_OUTPUT, OPTION_FORCE,
        { .name = "max-bytes", .key = KEY_MAX_BYTES, .arg = "N",
          .doc = "Of a stack (bitstack): only as many blocks as fit into N bytes of memory, e.g. 4Gi, with the tensors that "
                 "stay; the first ones" },
        { .name = "parts", .key = KEY_PARTS,
          .doc = "Of a lossy container: the packed model, codes and scales, as one safetensors file" },
        { .name = "tensor", .key = KEY_TENSOR, .arg = "NAME",
          .doc = "This tensor alone, as FILE.npy or FILE.safetensors, reading no other.  NumPy has no name for BF16 and FP8: "
                 "such words are raw data there (V2, V1), as ml_dtypes has it; --dtype tells this program what they are" },
        { .name = "rows", .key = KEY_ROWS, .arg = "A:B",
          .doc = "With --tensor: rows A to B - 1 of it, places on its first axis, reading only the blocks that hold them" },
        { .name = "keep-going", .key = KEY_GO_ON,
          .doc = "Of a damaged container: say what is damaged, leave zeros there, give back all else; ends with status 3" },
        { 0 }
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_one,
        .args_doc = "IN -o OUT",
        .doc = "Gives back the file that a container was made from, byte for byte, or of a lossy container with the weights that "
               "its transforms give back; of several files, a folder.\vJSON keys: output, input_bytes, lossy, and of lossless "
               "containers files, output_bytes; with --max-bytes blocks (loaded), of_blocks, memory_bytes; with --tensor output, "
               "tensor, dtype, first_row, rows, bytes, read_bytes (of blocks); with --keep-going a line for each finding (finding).",
    };
    struct job job = { 0 };
    struct loaded loaded = { 0 };
    ent_error error = { 0 };
    ent_container *container = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = may_write(&job, &error);
    if (!status) status = container_open(&container, job.input[0], &error);
    if (!status && job.tensor) status = extract_tensor(&job, container, &error);
    else if (!status) status = extract(&job, container, &loaded, &error);
    if (!status && !job.tensor) print_extracted(&job, container, &loaded);
    if (container) ent_container_close(container);
    return status ? complain_error(&error) : EXIT_DONE;
}

/* ---- train ----------------------------------------------------------------------------------- */

static ent_status train(struct job *job, ent_corpus *corpus, const char *argument, ent_error *error)
{
    ent_weights *weights;
    struct progress progress;
    ent_status status = model_open(&weights, argument, error);
    if (status) return status;
    ent_run run = long_run(job, &progress, model_name(argument));
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
    ent_status status = may_write(&job, &error);
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
