/* cmd_inspect.c - `entropy inspect`: what is inside a container or a model file. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "command.h"
#include "model.h"
#include "output.h"
#include "sizes.h"

struct job {
    struct common common;
    const char *file;
};

/* The keys that tensors of both kinds of file have. */
static json_t *json_tensor(const char *name, const char *dtype, const char *role, uint32_t rank, const uint64_t *shape,
                           uint64_t elements, uint64_t bytes)
{
    json_t *object = json_object(), *sizes = json_array();
    for (uint32_t i = 0; i < rank; i++) json_array_append_new(sizes, json_integer((json_int_t)shape[i]));
    json_text(object, "tensor", name);
    json_text(object, "dtype", dtype);
    json_text(object, "role", role);
    json_object_set_new(object, "shape", sizes);
    json_count(object, "elements", elements);
    json_count(object, "bytes", bytes);
    return object;
}

/* ---- containers ------------------------------------------------------------------------------ */

static void json_container(const char *name, const ent_container *container, const char *pipeline)
{
    ent_container_sizes sizes = ent_container_sizes_of(container);
    json_t *object = json_object(), *files = json_array();
    json_text(object, "file", name);
    json_text(object, "format", "container");
    json_text(object, "codec", ent_container_codec_name(container));
    json_text(object, "codec_text", ent_container_codec(container));
    if (pipeline) json_text(object, "pipeline", pipeline);
    sizes_json(object, &sizes);
    for (size_t i = 0; i < ent_container_files(container); i++)
        json_array_append_new(files, json_string(ent_container_file_name(container, i)));
    json_object_set_new(object, "files", files);
    json_line(object);
    for (size_t i = 0; i < ent_container_tensors(container); i++) {
        ent_container_tensor t = ent_container_tensor_at(container, i);
        object = json_tensor(t.name, t.dtype, t.role, t.rank, t.shape, t.elements, t.bytes);
        json_count(object, "coded_bytes", t.coded_bytes);
        json_count(object, "blocks", t.blocks);
        json_text(object, "recipe", t.recipe);
        if (t.same_as) json_text(object, "same_as", t.same_as);
        if (t.delta) json_text(object, "delta", ent_delta_names[t.delta]);
        json_line(object);
    }
}

static void print_container(const char *name, const ent_container *container, const char *pipeline)
{
    ent_container_sizes sizes = ent_container_sizes_of(container);
    struct table table;
    printf("%s: a container of ", name);
    for (size_t i = 0; i < ent_container_files(container); i++)
        printf("%s%s", i ? ", " : "", ent_container_file_name(container, i));
    if (pipeline) printf("\nlossy: what \"%s\" left of a model, its parts as tensors", pipeline);
    printf("\ncodec %s: %s\n\n", ent_container_codec_name(container), ent_container_codec(container));
    sizes_table(&sizes);
    putchar('\n');
    table_begin(&table, "<tensor|<dtype|<role|<shape|bytes|coded|%|blocks|<recipe");
    for (size_t i = 0; i < ent_container_tensors(container); i++) {
        ent_container_tensor t = ent_container_tensor_at(container, i);
        table_cell(&table, "%s", t.name);
        table_cell(&table, "%s", t.dtype);
        table_cell(&table, "%s", t.role);
        table_cell(&table, "%s", show_shape(t.rank, t.shape).text);
        table_cell(&table, "%" PRIu64, t.bytes);
        table_cell(&table, "%" PRIu64, t.coded_bytes);
        table_number(&table, t.bytes ? 100 * (double)t.coded_bytes / (double)t.bytes : NAN, 1);
        table_cell(&table, "%" PRIu64, t.blocks);
        if (t.same_as) table_cell(&table, "same as %s", t.same_as);
        else if (t.delta) table_cell(&table, "%s to the base: %s", ent_delta_names[t.delta], t.recipe);
        else table_cell(&table, "%s", t.recipe);
    }
    table_end(&table);
}

static ent_status show_container(const struct job *job, ent_error *error)
{
    ent_container *container = NULL;
    ent_buffer pipeline = { 0 };
    ent_status status = container_open(&container, job->file, error);
    if (!status && ent_container_is_packed(container)) status = ent_container_pipeline(container, &pipeline, error);
    if (!status) (job->common.json ? json_container : print_container)(job->file, container, (const char *)pipeline.data);
    ent_free(pipeline.data);
    if (container) ent_container_close(container);
    return status;
}

/* ---- models ---------------------------------------------------------------------------------- */

static uint64_t bytes_of(const ent_weights *weights)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < ent_weights_files(weights); i++) bytes += ent_weights_file_at(weights, i)->bytes.size;
    return bytes;
}

static void json_model(const char *name, const ent_weights *weights)
{
    json_t *object = json_object();
    json_text(object, "file", name);
    json_text(object, "format", ent_weights_format(weights));
    json_count(object, "tensors", ent_weights_tensors(weights));
    json_count(object, "bytes", bytes_of(weights));
    json_count(object, "files", ent_weights_files(weights));
    if (ent_weights_note(weights)) json_text(object, "note", ent_weights_note(weights));
    json_line(object);
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        object = json_tensor(t->name, t->dtype, t->role, t->rank, t->shape, t->elements, t->bytes.size);
        json_text(object, "file", ent_weights_file_at(weights, t->file)->name);
        json_count(object, "offset", t->offset);
        if (t->unpacked) json_object_set_new(object, "unpacked", json_true());
        json_line(object);
    }
}

static void print_model(const char *name, const ent_weights *weights)
{
    struct table table;
    size_t tensors = ent_weights_tensors(weights), files = ent_weights_files(weights), unpacked = 0;
    printf("%s: %s, %zu file%s, %s, %zu tensor%s\n\n", model_name(name), ent_weights_format(weights), files,
           files == 1 ? "" : "s", show_bytes(bytes_of(weights)).text, tensors, tensors == 1 ? "" : "s");
    table_begin(&table, files > 1 ? "<tensor|<dtype|<role|<shape|weights|bytes|offset|<file"
                                  : "<tensor|<dtype|<role|<shape|weights|bytes|offset");
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        table_cell(&table, "%s", t->name);
        table_cell(&table, "%s", t->dtype);
        table_cell(&table, "%s", t->role);
        table_cell(&table, "%s", show_shape(t->rank, t->shape).text);
        table_cell(&table, "%" PRIu64, t->elements);
        table_cell(&table, "%zu", t->bytes.size);
        table_cell(&table, "%" PRIu64, t->offset);
        if (files > 1) table_cell(&table, "%s", ent_weights_file_at(weights, t->file)->name);
        unpacked += t->unpacked;
    }
    table_end(&table);
    if (unpacked)
        printf("\nThe file holds %zu of them compressed, from offset on; bytes are those unpacked.\n", unpacked);
    if (ent_weights_note(weights)) printf("\n%s.\n", ent_weights_note(weights));
}

/* ---- the command ----------------------------------------------------------------------------- */

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (job->file) argp_error(state, "one file at a time");
        job->file = text;
        return 0;
    case ARGP_KEY_END:
        if (!job->file) argp_error(state, "which file?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_inspect(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "FILE|MODEL",
        .doc = "Shows what is inside a container or a model file: its tensors and where the bytes are.\vJSON: first "
               "an object with the key file (of a lossy container also pipeline, of a model that holds other things than tensors note), then one for each tensor with tensor, dtype, role, shape, elements, "
               "bytes; of containers also coded_bytes, blocks, recipe, and of one that is stored as an earlier one same_as, of one told by a base delta.",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    ent_weights *weights = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    bool container = ent_container_is(job.file);
    ent_status status = container ? show_container(&job, &error) : model_open(&weights, job.file, &error);
    if (!status && !container) (job.common.json ? json_model : print_model)(job.file, weights);
    ent_weights_close(weights);
    return status ? complain_error(&error) : EXIT_DONE;
}
