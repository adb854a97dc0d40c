/* cmd_decompress.c - `entropy decompress`: the files of a container, or a tensor of it, back. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "model.h"
#include "output.h"
#include "progress.h"

enum { KEY_FORCE = 0x2001, KEY_PARTS, KEY_MAX_BYTES, KEY_TENSOR, KEY_ROWS, KEY_GO_ON, KEY_BASE };

struct job {
    struct common common;
    const char *input, *output, *base;
    uint64_t max_bytes; /* of a stack */
    const char *tensor; /* the only one wanted */
    uint64_t first_row, end_row;
    bool force, parts, limited, rows, go_on;
};

/* ---- options --------------------------------------------------------------------------------- */

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
    case 'o': job->output = text; return 0;
    case KEY_FORCE: job->force = true; return 0;
    case KEY_PARTS: job->parts = true; return 0;
    case KEY_MAX_BYTES:
        job->max_bytes = option_count(state, "--max-bytes", text);
        job->limited = true;
        return 0;
    case KEY_TENSOR: job->tensor = text; return 0;
    case KEY_ROWS: take_rows(job, text, state); return 0;
    case KEY_GO_ON: job->go_on = true; return 0;
    case KEY_BASE: job->base = text; return 0;
    case ARGP_KEY_ARG:
        if (job->input) argp_error(state, "one file at a time");
        job->input = text;
        return 0;
    case ARGP_KEY_END:
        if (!job->input) argp_error(state, "which file?");
        if (!job->output) argp_error(state, "where to? -o FILE");
        if (job->rows && !job->tensor) argp_error(state, "--rows needs --tensor");
        if (job->tensor && (job->parts || job->limited || job->go_on))
            argp_error(state, "--tensor goes without --parts, --max-bytes and --keep-going");
        if (job->go_on && job->limited) argp_error(state, "--keep-going goes without --max-bytes");
        if (job->limited && job->parts) argp_error(state, "--parts gives back all of them, without --max-bytes");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

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
        printf("%s -> %s, lossy: %zu of %zu blocks, %s of memory\n", job->input, job->output, loaded->blocks, loaded->of,
               show_bytes(loaded->bytes).text);
    } else if (!job->common.quiet && packed) {
        printf("%s -> %s, lossy\n", job->input, job->output);
    } else if (!job->common.quiet) {
        printf("%s -> %s, %zu file%s, %s\n", job->input, job->output, files, files == 1 ? "" : "s",
               show_bytes(sizes.input_bytes).text);
    }
}

/* As many blocks as there is memory for. */
static ent_status extract_within(const struct job *job, ent_container *container, const ent_run *run, struct loaded *loaded,
                                 ent_error *error)
{
    ent_stack *stack;
    if (!ent_container_is_packed(container))
        return ent_fail(error, ENT_EINVAL, "%s is lossless and loaded as a whole: --max-bytes is for stacks", job->input);
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
        return ent_fail(error, ENT_EINVAL, "%s is lossy: --keep-going gives back its --parts", job->input);
    ent_run run = progress_begin(&progress, &job->common, "decompress");
    if (job->limited) status = extract_within(job, container, &run, loaded, error);
    else if (job->go_on) status = ent_container_salvage(container, job->output, &run, print_damage, job, error);
    else status = (packed ? ent_unpack_container : ent_container_extract)(container, job->output, &run, error);
    progress_end(&progress);
    return status;
}

/* ---- one tensor ------------------------------------------------------------------------------ */

/* Or rows of it, as a file of its own. */
static ent_status extract_tensor(struct job *job, ent_container *container, ent_error *error)
{
    struct progress progress;
    size_t i = ent_container_find(container, job->tensor);
    if (i == SIZE_MAX)
        return ent_fail(error, ENT_EINVAL, "%s: no tensor '%s'; `entropy inspect` names them", job->input, job->tensor);
    ent_rows rows = ent_container_all_rows(container, i);
    uint64_t bytes, read;
    if (job->rows) {
        uint64_t end = job->end_row == UINT64_MAX && job->first_row <= rows.count ? rows.count : job->end_row;
        rows.first = job->first_row;
        rows.count = end - job->first_row;
    }
    ent_status status = ent_container_rows_bytes(container, rows, &bytes, error);
    if (status) return status;
    ent_run run = progress_begin(&progress, &job->common, "decompress");
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
        printf("%s: rows %llu:%llu of %s -> %s, %s from %s of blocks\n", job->input, (unsigned long long)rows.first,
               (unsigned long long)(rows.first + rows.count), job->tensor, job->output, show_bytes(bytes).text,
               show_bytes(read).text);
    }
    return ENT_OK;
}

/* ---- the command ----------------------------------------------------------------------------- */

int cmd_decompress(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { .name = "output", .key = 'o', .arg = "FILE", .doc = "Where to write; needed" },
        { .name = "force", .key = KEY_FORCE, .doc = "Overwrite an output that exists" },
        { .name = "base", .key = KEY_BASE, .arg = "MODEL",
          .doc = "The checkpoint that `compress --base` told it by; it is compared with what was written down" },
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
        .parser = parse,
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
    ent_weights *base = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = may_write(job.output, job.force, &error);
    if (!status) status = container_open(&container, job.input, &error);
    if (!status && job.base) status = base_open(&base, container, job.base, &job.common, &error);
    if (!status && job.tensor) status = extract_tensor(&job, container, &error);
    else if (!status) status = extract(&job, container, &loaded, &error);
    if (!status && !job.tensor) print_extracted(&job, container, &loaded);
    if (container) ent_container_close(container);
    ent_weights_close(base);
    return status ? complain_error(&error) : EXIT_DONE;
}
