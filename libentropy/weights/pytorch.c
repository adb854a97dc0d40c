/* pytorch.c - the reader of PyTorch's checkpoints, .pt, .pth and .bin since version 1.6.
 *
 * A zip archive: ROOT/data.pkl is a pickle of the object that was saved, whose tensors say which storage they are in,
 * from where, with what strides; ROOT/data/KEY is a storage.  The pickle is read as data, nothing is called.  Any nest
 * of dictionaries, lists and modules will do; names are joined by dots.
 *
 * Tensors here are parts of a file that do not overlap.  A tensor that fills its part of the storage without gaps, in
 * any order of its axes, is one, with its axes in the order of memory.  A storage of which a tensor takes
 * only some is shown whole, as a vector.  Tensors that share bytes (tied weights, views) are one: ent_model_settle. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pickle.h"
#include "weights/pytorch.h"
#include "weights/zip.h"

enum { MOST_AXES = 64, MOST_DEPTH = 100, MOST_NAME = 900 };

static const struct {
    const char *storage, *type, *dtype;
    uint32_t bits;
} types[] = {
    { "FloatStorage", "float32", "F32", 32 },
    { "HalfStorage", "float16", "F16", 16 },
    { "BFloat16Storage", "bfloat16", "BF16", 16 },
    { "DoubleStorage", "float64", "F64", 64 },
    { "LongStorage", "int64", "I64", 64 },
    { "IntStorage", "int32", "I32", 32 },
    { "ShortStorage", "int16", "I16", 16 },
    { "CharStorage", "int8", "I8", 8 },
    { "ByteStorage", "uint8", "U8", 8 },
    { "BoolStorage", "bool", "BOOL", 8 },
    { "ComplexFloatStorage", "complex64", "C64", 64 },
    { "", "uint16", "U16", 16 },
    { "", "uint32", "U32", 32 },
    { "", "uint64", "U64", 64 },
    { "", "float8_e4m3fn", "F8_E4M3", 8 },
    { "", "float8_e5m2", "F8_E5M2", 8 },
    { "", "float8_e4m3fnuz", "F8_E4M3FNUZ", 8 },
    { "", "float8_e5m2fnuz", "F8_E5M2FNUZ", 8 },
    { "", "float8_e8m0fnu", "F8_E8M0", 8 },
};
enum { TYPES = sizeof types / sizeof *types };

typedef ent_pickle_node node;

typedef struct reading {
    ent_weights *model;
    uint32_t file;
    ent_zip zip;
    size_t root; /* bytes of "ROOT/" in the names of members */
    char name[MOST_NAME + 1];
    size_t first; /* of the file's tensors */
    ent_error *error;
} reading;

ENT_PRINTF(2, 3) static ent_status bad(const reading *r, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ent_fail(r->error, ENT_ECORRUPT, "%s: tensor %s: %s", r->zip.file->name, ent_quote(r->name).text, text);
}

static ent_status no_memory(const reading *r)
{
    return ent_fail(r->error, ENT_ENOMEM, "%s: out of memory", r->zip.file->name);
}

/* ---- a tensor ----------------------------------------------------------------------------------------------- */

/* The name of a class of module torch, without the module; "" for others. */
static const char *torch_name(const node *n)
{
    if (n->kind != ENT_PICKLE_GLOBAL) return "";
    if (!strncmp(n->text, "torch ", 6)) return n->text + 6;
    return !strncmp(n->text, "torch.storage ", 14) ? n->text + 14 : "";
}

static bool is_rebuild(const node *call, const char *function)
{
    const char *text = call->items && call->item[0]->kind == ENT_PICKLE_GLOBAL ? call->item[0]->text : "";
    return !strncmp(text, "torch._utils ", 13) && !strcmp(text + 13, function) && call->items > 1 &&
           call->item[1]->kind == ENT_PICKLE_TUPLE;
}

/* The member of a storage, and the type of its elements, -1 when the tensor says it. */
static ent_status find_storage(const reading *r, const node *n, const ent_zip_member **member, int *type,
                               uint64_t *numel)
{
    const node *id = n->kind == ENT_PICKLE_PERSISTENT ? n->item[0] : NULL;
    if (!id || id->kind != ENT_PICKLE_TUPLE || id->items != 5 || id->item[0]->kind != ENT_PICKLE_TEXT ||
        strcmp(id->item[0]->text, "storage") != 0 || id->item[2]->kind != ENT_PICKLE_TEXT ||
        id->item[4]->kind != ENT_PICKLE_INTEGER || id->item[4]->integer < 0)
        return bad(r, "its storage is not ('storage', type, key, place, size)");
    const char *storage = torch_name(id->item[1]);
    *type = -1;
    for (int i = 0; i < TYPES; i++)
        if (*types[i].storage && !strcmp(types[i].storage, storage)) *type = i;
    if (*type < 0 && strcmp(storage, "UntypedStorage") != 0)
        return ent_fail(r->error, ENT_EUNSUPPORTED, "%s: tensor %s: storage type %s is not read", r->zip.file->name,
                        ent_quote(r->name).text, ent_quote(id->item[1]->text ? id->item[1]->text : "").text);
    char name[1100];
    snprintf(name, sizeof name, "%.*sdata/%s", (int)r->root, r->zip.member[0].name, id->item[2]->text);
    *numel = (uint64_t)id->item[4]->integer;
    *member = ent_zip_find(&r->zip, name);
    if (!*member) return bad(r, "its storage %s is not in the archive", ent_quote(name).text);
    return ENT_OK;
}

/* A tuple of whole numbers of 0 or more. */
static bool take_numbers(const node *n, uint64_t *value, uint32_t *count)
{
    if (n->kind != ENT_PICKLE_TUPLE || n->items > MOST_AXES) return false;
    *count = (uint32_t)n->items;
    for (size_t i = 0; i < n->items; i++) {
        if (n->item[i]->kind != ENT_PICKLE_INTEGER || n->item[i]->integer < 0) return false;
        value[i] = (uint64_t)n->item[i]->integer;
    }
    return true;
}

typedef struct axis {
    uint64_t size, stride;
} axis;

static int by_stride(const void *x, const void *y)
{
    const axis *a = x, *b = y;
    if (a->stride != b->stride) return a->stride < b->stride ? 1 : -1;
    return (a->size < b->size) - (a->size > b->size);
}

/* Axes of one element say nothing; the others, largest stride first, must be without gaps to be `dense`.  `*span`: from
 * the first element to after the last. */
static bool sort_axes(axis axes[], uint32_t *rank, uint64_t *span, bool *dense)
{
    uint64_t elements = 1;
    *span = 1;
    *dense = true;
    for (uint32_t i = 0; i < *rank; i++) {
        uint64_t reach;
        if (!axes[i].size) *span = 0;
        if (axes[i].size <= 1) continue;
        if (__builtin_mul_overflow(axes[i].size - 1, axes[i].stride, &reach)) return false;
        if (*span && __builtin_add_overflow(*span, reach, span)) return false;
    }
    qsort(axes, *rank, sizeof *axes, by_stride);
    for (uint32_t i = *rank; i-- > 0;) {
        if (axes[i].size != 1 && axes[i].stride != elements) *dense = false;
        if (__builtin_mul_overflow(elements, axes[i].size, &elements)) return false;
    }
    if (!*span) *dense = true;
    return true;
}

static ent_status add_tensor(reading *r, const ent_zip_member *member, int type, uint64_t offset, const axis axes[],
                             uint32_t rank)
{
    ent_tensor t = {
        .dtype = types[type].dtype, .dtype_bits = types[type].bits, .rank = rank, .elements = 1, .file = r->file
    };
    uint64_t *shape = ent_model_alloc(r->model, (rank + 1) * sizeof *shape);
    t.name = ent_model_text(r->model, r->name);
    t.role = ent_weights_role(r->name);
    t.shape = shape;
    if (!shape || !t.name) return no_memory(r);
    for (uint32_t i = 0; i < rank; i++) t.elements *= shape[i] = axes[i].size;
    t.offset = member->offset + offset * (t.dtype_bits / 8);
    t.bytes = (ent_bytes){ r->zip.file->bytes.data + t.offset, t.elements * (t.dtype_bits / 8) };
    ent_tensor *added = ent_model_add(r->model);
    if (!added) return no_memory(r);
    *added = t;
    return ENT_OK;
}

/* storage, offset, sizes, strides, ... and for version 3 the dtype as seventh */
static ent_status read_rebuild(reading *r, const node *arguments, bool third)
{
    const ent_zip_member *member = NULL;
    uint64_t size[MOST_AXES], stride[MOST_AXES], numel = 0, span;
    uint32_t rank, strides;
    axis axes[MOST_AXES];
    int type = -1;
    bool dense;
    if (arguments->items < (third ? 7u : 4u)) return bad(r, "not enough is said of it");
    ent_status status = find_storage(r, arguments->item[0], &member, &type, &numel);
    if (status) return status;
    if (third) {
        type = -1;
        for (int i = 0; i < TYPES; i++)
            if (!strcmp(torch_name(arguments->item[6]), types[i].type)) type = i;
    }
    if (type < 0)
        return ent_fail(r->error, ENT_EUNSUPPORTED, "%s: tensor %s: its dtype is not read", r->zip.file->name,
                        ent_quote(r->name).text);
    const node *offset = arguments->item[1];
    uint64_t width = types[type].bits / 8;
    if (!third && numel > member->size / width)
        return bad(r, "a storage of %" PRIu64 " elements, but its member has %" PRIu64 " bytes", numel, member->size);
    if (member->method != ENT_ZIP_STORED) return bad(r, "its storage is compressed, which PyTorch never does");
    if (offset->kind != ENT_PICKLE_INTEGER || offset->integer < 0 || !take_numbers(arguments->item[2], size, &rank) ||
        !take_numbers(arguments->item[3], stride, &strides) || rank != strides)
        return bad(r, "its offset, sizes and strides are not whole numbers of 0 or more, as many of each");
    for (uint32_t i = 0; i < rank; i++) axes[i] = (axis){ size[i], stride[i] };
    uint64_t start = (uint64_t)offset->integer, all = member->size / width;
    if (!sort_axes(axes, &rank, &span, &dense) || start > all || span > all - start)
        return bad(r, "it ends beyond its storage of %" PRIu64 " elements", all);
    if (dense) return add_tensor(r, member, type, start, axes, rank);
    return add_tensor(r, member, type, 0, &(axis){ all, 1 }, 1);
}

/* ---- the object --------------------------------------------------------------------------------------------- */

static ent_status walk(reading *r, node *n, size_t length, unsigned depth);

/* Walks into an item whose name is one component longer. */
static ent_status walk_into(reading *r, node *n, size_t length, const char *component, unsigned depth)
{
    size_t k = strlen(component), dot = length > 0;
    if (length + dot + k > MOST_NAME) return bad(r, "a name of over %d bytes", MOST_NAME);
    if (dot) r->name[length] = '.';
    memcpy(r->name + length + dot, component, k + 1);
    ent_status status = walk(r, n, length + dot + k, depth + 1);
    r->name[length] = '\0';
    return status;
}

static ent_status walk_items(reading *r, node *n, size_t length, unsigned depth)
{
    bool pairs = n->kind == ENT_PICKLE_DICTIONARY;
    ent_status status = ENT_OK;
    for (size_t i = 0; i < n->items && !status; i += pairs ? 2 : 1) {
        char number[24];
        const node *key = n->item[i];
        snprintf(number, sizeof number, "%" PRId64, pairs ? key->integer : (int64_t)i);
        const char *name = pairs && key->kind == ENT_PICKLE_TEXT ? key->text : number;
        status = walk_into(r, n->item[pairs ? i + 1 : i], length, name, depth);
    }
    return status;
}

/* What a module keeps its parts in adds nothing to their names. */
static ent_status walk_state(reading *r, node *state, size_t length, unsigned depth)
{
    static const char *const inside[] = { "_parameters", "_buffers", "_modules" };
    ent_status status = ENT_OK;
    if (state->kind != ENT_PICKLE_DICTIONARY) return walk(r, state, length, depth + 1);
    for (size_t i = 0; i + 1 < state->items && !status; i += 2)
        for (size_t k = 0; k < sizeof inside / sizeof *inside && !status; k++)
            if (state->item[i]->kind == ENT_PICKLE_TEXT && !strcmp(state->item[i]->text, inside[k]))
                status = walk(r, state->item[i + 1], length, depth + 1);
    return status;
}

/* Adds the tensors of an object; r->name, of `length` bytes, is its name. */
static ent_status walk(reading *r, node *n, size_t length, unsigned depth)
{
    if (depth > MOST_DEPTH) return bad(r, "nested too deep");
    if (n->kind < ENT_PICKLE_TUPLE || n->visited) return ENT_OK;
    if (n->kind == ENT_PICKLE_CALL && is_rebuild(n, "_rebuild_tensor_v2")) return read_rebuild(r, n->item[1], false);
    if (n->kind == ENT_PICKLE_CALL && is_rebuild(n, "_rebuild_tensor_v3")) return read_rebuild(r, n->item[1], true);
    n->visited = true;
    ent_status status = ENT_OK;
    if (n->kind == ENT_PICKLE_CALL && n->item[1]->items &&
        (is_rebuild(n, "_rebuild_parameter") || is_rebuild(n, "_rebuild_parameter_with_state")))
        status = walk(r, n->item[1]->item[0], length, depth + 1);
    else if (n->kind == ENT_PICKLE_CALL && n->items > 2) status = walk_state(r, n->item[2], length, depth);
    else if (n->kind == ENT_PICKLE_DICTIONARY || n->kind == ENT_PICKLE_LIST || n->kind == ENT_PICKLE_TUPLE)
        status = walk_items(r, n, length, depth);
    return status;
}

/* ---- the archive -------------------------------------------------------------------------------------------- */

static const ent_zip_member *find_in_root(const reading *r, const char *name)
{
    char path[1200];
    snprintf(path, sizeof path, "%.*s%s", (int)r->root, r->zip.member[0].name, name);
    return ent_zip_find(&r->zip, path);
}

static ent_status read_archive(reading *r)
{
    const char *file = r->zip.file->name;
    const char *slash = r->zip.members ? strchr(r->zip.member[0].name, '/') : NULL;
    r->root = slash ? (size_t)(slash + 1 - r->zip.member[0].name) : 0;
    const ent_zip_member *pickle = slash ? find_in_root(r, "data.pkl") : NULL,
                         *order = slash ? find_in_root(r, "byteorder") : NULL;
    if (!pickle) return ent_fail(r->error, ENT_ECORRUPT, "%s: a zip archive without ROOT/data.pkl", file);
    if (find_in_root(r, "constants.pkl"))
        return ent_fail(r->error, ENT_EUNSUPPORTED, "%s: a TorchScript program: save its state_dict() with torch.save",
                        file);
    if (pickle->method != ENT_ZIP_STORED || (order && order->method != ENT_ZIP_STORED))
        return ent_fail(r->error, ENT_ECORRUPT, "%s: its pickle is compressed, which PyTorch never does", file);
    if (order && (order->size != 6 || memcmp(r->zip.file->bytes.data + order->offset, "little", 6) != 0))
        return ent_fail(r->error, ENT_EUNSUPPORTED,
                        "%s: its byte order is not \"little\": save it on a little-endian machine", file);
    node *object = NULL;
    ent_status status = ent_pickle_read(
        &object, r->model, (ent_bytes){ r->zip.file->bytes.data + pickle->offset, pickle->stored }, file, r->error);
    if (!status) status = walk(r, object, 0, 0);
    if (!status) status = ent_model_settle(r->model, r->first, r->error);
    if (!status && r->model->tensors == r->first)
        status = ent_fail(r->error, ENT_EUNSUPPORTED, "%s: no tensors in it", file);
    return status;
}

ent_status ent_pytorch_append(ent_weights *model, uint32_t file, ent_error *error)
{
    reading *r = ent_calloc(1, sizeof *r);
    if (!r) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", model->file[file].name);
    r->model = model;
    r->file = file;
    r->first = model->tensors;
    r->error = error;
    ent_status status = ent_zip_open(&r->zip, model, file, error);
    if (!status) {
        status = read_archive(r);
        ent_zip_close(&r->zip);
    }
    ent_free(r);
    return status;
}

bool ent_pytorch_recognises(ent_bytes file) { return ent_zip_has(file, "/data.pkl"); }

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    (void)path;
    ent_status status = ent_pytorch_append(model, 0, error);
    return status ? status : ent_model_finish(model, error);
}

const ent_reader ent_reader_pytorch = {
    .name = "pytorch",
    .brief = "a PyTorch checkpoint (.pt, .pth, .bin) since version 1.6",
    .extension = ".pt",
    .zip = true,
    .recognises = ent_pytorch_recognises,
    .read = read_file,
};
