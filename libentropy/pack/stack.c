/* stack.c - a packed model as a stack: its blocks, added one at a time, and written in another order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "container/output.h"
#include "pack/stack.h"

/* ---- the blocks ------------------------------------------------------------------------------------------- */

/* The level that a part's name ends in, "signs.3": 3; -1: none. */
static int level_of(const char *name)
{
    const char *dot = strchr(name, '.');
    size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;
    return digits && digits < 4 && !dot[1 + digits] ? atoi(dot + 1) : -1;
}

static bool has_levels(const ent_pack_entry *e)
{
    return e->format && e->pipeline->stage[ent_pipeline_quantizer(e->pipeline)].transform->parts;
}

static int in_file_order(const void *a, const void *b)
{
    const ent_pack_block *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The block of a part, found from the last one on; a new one where there is none. */
static ent_pack_block *block_of(ent_stack *s, size_t first_of_entry, size_t entry, uint32_t level, size_t at)
{
    for (size_t i = s->blocks; i-- > first_of_entry;)
        if (s->block[i].level == level) return &s->block[i];
    s->block[s->blocks] = (ent_pack_block){ entry, at, level, 0 };
    return &s->block[s->blocks++];
}

static void collect(ent_stack *s)
{
    for (size_t i = 0; i < s->manifest.entries; i++) {
        const ent_pack_entry *e = &s->manifest.entry[i];
        bool levels = has_levels(e);
        size_t first_of_entry = s->blocks;
        for (uint32_t k = 0; k < e->pieces; k++) {
            const ent_pack_piece *piece = &e->piece[k];
            int level = levels ? level_of(piece->name) : -1;
            if (level < 0) {
                s->fixed_bytes += piece->at.bytes;
                continue;
            }
            ent_pack_block *b = block_of(s, first_of_entry, i, (uint32_t)level, piece->at.index);
            b->bytes += piece->at.bytes;
            if (piece->at.index < b->first) b->first = piece->at.index;
        }
    }
    if (s->blocks) qsort(s->block, s->blocks, sizeof *s->block, in_file_order);
}

/* Tells every part its place; levels of a matrix must come in order, from the first on. */
static ent_status place(ent_stack *s, ent_error *error)
{
    uint32_t *next = ent_calloc(s->manifest.entries + 1, sizeof *next);
    if (!next) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = ENT_OK;
    for (size_t i = 0; i < s->blocks && !status; i++) {
        const ent_pack_block *b = &s->block[i];
        ent_pack_entry *e = &s->manifest.entry[b->entry];
        if (b->level != next[b->entry]++)
            status = ent_fail(error, ENT_ECORRUPT, "tensor %.200s: its levels are not in order in a packed model", e->name);
        for (uint32_t k = 0; k < e->pieces; k++)
            if (level_of(e->piece[k].name) == (int)b->level) e->piece[k].place = i + 1;
    }
    ent_free(next);
    return status;
}

static ent_status find_blocks(ent_stack *s, ent_error *error)
{
    size_t pieces = 0, stacks = 0;
    for (size_t i = 0; i < s->manifest.entries; i++) {
        const ent_pack_entry *e = &s->manifest.entry[i];
        pieces += e->pieces;
        if (!has_levels(e)) continue;
        stacks++;
        for (uint32_t k = 0; k < e->pipeline->stages; k++)
            if (k != ent_pipeline_quantizer(e->pipeline) && e->pipeline->stage[k].transform->inverse)
                return ent_fail(error, ENT_EUNSUPPORTED, "tensor %.200s: levels beside %s cannot be added one by one", e->name,
                                e->pipeline->stage[k].transform->name);
    }
    if (!stacks) return ent_fail(error, ENT_EINVAL, "a packed model that has no levels, which bitstack makes, is loaded as a whole");
    if (!(s->block = ent_calloc(pieces + 1, sizeof *s->block))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    collect(s);
    return place(s, error);
}

/* ---- open ------------------------------------------------------------------------------------------------- */

static ent_status open_stack(ent_stack **stack, const ent_pack_source *source, ent_error *error)
{
    ent_stack *s = ent_calloc(1, sizeof *s);
    *stack = NULL;
    if (!s) return ent_fail(error, ENT_ENOMEM, "out of memory");
    s->source = *source;
    s->source.run = &s->silent;
    ent_status status = ent_pack_source_index(&s->source, error);
    if (!status) status = ent_pack_manifest_read(&s->manifest, &s->source, error);
    if (!status) status = find_blocks(s, error);
    if (status)
        ent_stack_close(s);
    else
        *stack = s;
    return status;
}

ent_status ent_stack_open(ent_stack **stack, const ent_weights *packed, ent_error *error)
{
    return open_stack(stack, &(ent_pack_source){ .weights = packed }, error);
}

ent_status ent_stack_open_container(ent_stack **stack, ent_container *container, ent_error *error)
{
    return open_stack(stack, &(ent_pack_source){ .container = container }, error);
}

void ent_stack_close(ent_stack *stack)
{
    if (!stack) return;
    ent_pack_manifest_free(&stack->manifest);
    ent_pack_source_free(&stack->source);
    ent_free(stack->block);
    ent_free(stack);
}

/* ---- what is in it ---------------------------------------------------------------------------------------- */

size_t ent_stack_blocks(const ent_stack *stack) { return stack->blocks; }
uint64_t ent_stack_fixed_bytes(const ent_stack *stack) { return stack->fixed_bytes; }

ent_stack_block ent_stack_block_at(const ent_stack *stack, size_t i)
{
    const ent_pack_block *b = &stack->block[i];
    const ent_pack_entry *e = &stack->manifest.entry[b->entry];
    return (ent_stack_block){ e->name, e->rows, e->cols, b->level, b->bytes };
}

ent_status ent_stack_fit(const ent_stack *stack, uint64_t max_bytes, size_t *blocks, uint64_t *bytes, ent_error *error)
{
    size_t n = 0;
    uint64_t sum = stack->fixed_bytes;
    if (sum > max_bytes)
        return ent_fail(error, ENT_EINVAL, "%llu bytes are too few: what has no levels takes %llu", (unsigned long long)max_bytes,
                        (unsigned long long)sum);
    while (n < stack->blocks && stack->block[n].bytes <= max_bytes - sum) sum += stack->block[n++].bytes;
    *blocks = n;
    if (bytes) *bytes = sum;
    return ENT_OK;
}

/* ---- one more block --------------------------------------------------------------------------------------- */

/* Reads the parts of a block as if they were the first level's. */
static ent_status read_block(const ent_stack *s, const ent_pack_block *b, ent_packed *packed, ent_error *error)
{
    const ent_pack_entry *e = &s->manifest.entry[b->entry];
    ent_status status = ENT_OK;
    *packed = (ent_packed){ .rows = e->rows, .cols = e->cols };
    for (uint32_t k = 0; k < e->pieces && !status; k++) {
        const ent_pack_piece *piece = &e->piece[k];
        ent_part *part = &packed->part[packed->parts];
        if (level_of(piece->name) != (int)b->level) continue;
        *part = (ent_part){ .format = piece->format, .rows = piece->rows, .cols = piece->cols };
        snprintf(part->name, sizeof part->name, "%.*s.0", (int)strcspn(piece->name, "."), piece->name);
        status = ent_pack_source_read(&s->source, &piece->at, &part->words, error);
        packed->parts += !status;
        if (!status) status = ent_pack_narrow(part->format, part->words, (size_t)part->rows * part->cols);
    }
    return status;
}

ent_status ent_stack_add(ent_stack *stack, size_t block, float *values, ent_error *error)
{
    const ent_pack_entry *e = &stack->manifest.entry[stack->block[block].entry];
    size_t n = (size_t)e->rows * e->cols;
    ent_packed packed;
    ent_error why = { .text = "words that their format does not have" };
    float *more = ent_alloc(n * sizeof *more);
    if (!more) return ent_fail(error, ENT_ENOMEM, "tensor %.200s: out of memory", e->name);
    ent_status status = read_block(stack, &stack->block[block], &packed, &why);
    if (!status) status = ent_pipeline_undo(e->pipeline, &packed, more, &why);
    for (size_t i = 0; i < n && !status; i++) values[i] += more[i];
    ent_packed_free(&packed);
    ent_free(more);
    return status ? ent_fail(error, status, "tensor %.200s: %.700s", e->name, why.text) : ENT_OK;
}

/* ---- in another order --------------------------------------------------------------------------------------- */

typedef struct writer {
    const ent_stack *stack;
    const ent_weights *from;
    json_t *header;
    size_t *tensor; /* in the new order */
    size_t tensors;
    uint64_t bytes;
    FILE *file;
} writer;

static ent_status enter(writer *w, size_t i)
{
    const ent_tensor *t = ent_weights_tensor(w->from, i);
    if (json_object_get(w->header, t->name)) return ENT_ECORRUPT;
    json_t *shape = json_array();
    for (uint32_t k = 0; k < t->rank; k++) json_array_append_new(shape, json_integer((json_int_t)t->shape[k]));
    json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", t->dtype, "shape", shape, "data_offsets", (json_int_t)w->bytes,
                              (json_int_t)(w->bytes + t->bytes.size));
    w->bytes += t->bytes.size;
    w->tensor[w->tensors++] = i;
    return entry && !json_object_set_new(w->header, t->name, entry) ? ENT_OK : ENT_ENOMEM;
}

/* All that has no level as it lies, then the blocks. */
static ent_status arrange(writer *w, const size_t *order)
{
    const ent_stack *s = w->stack;
    size_t tensors = ent_weights_tensors(w->from);
    bool *later = ent_calloc(tensors + 1, sizeof *later);
    ent_status status = later ? ENT_OK : ENT_ENOMEM;
    for (size_t i = 0; i < s->manifest.entries && !status; i++)
        for (uint32_t k = 0; k < s->manifest.entry[i].pieces; k++)
            if (s->manifest.entry[i].piece[k].place) later[s->manifest.entry[i].piece[k].at.index] = true;
    for (size_t i = 0; i < tensors && !status; i++)
        if (!later[i]) status = enter(w, i);
    for (size_t i = 0; i < s->blocks && !status; i++) {
        const ent_pack_entry *e = &s->manifest.entry[s->block[order[i]].entry];
        for (uint32_t k = 0; k < e->pieces && !status; k++)
            if (e->piece[k].place == order[i] + 1) status = enter(w, e->piece[k].at.index);
    }
    ent_free(later);
    return status;
}

static bool put(writer *w, const void *data, size_t size) { return !size || fwrite(data, 1, size, w->file) == size; }

static bool write_tensors(writer *w)
{
    char *text = json_dumps(w->header, JSON_COMPACT);
    uint64_t size = text ? strlen(text) : 0, room = (8 + size + 63) / 64 * 64 - 8; /* data begins at a multiple of 64 */
    uint8_t length[8];
    ent_store64(length, room);
    bool done = text && put(w, length, sizeof length) && put(w, text, (size_t)size);
    for (uint64_t i = size; i < room && done; i++) done = fputc(' ', w->file) != EOF;
    for (size_t i = 0; i < w->tensors && done; i++) {
        ent_bytes bytes = ent_weights_tensor(w->from, w->tensor[i])->bytes;
        done = put(w, bytes.data, bytes.size);
        ent_weights_release(w->from, bytes);
    }
    free(text);
    return done;
}

/* Whether it names every block once, levels of a matrix from the first on. */
static ent_status check_order(const ent_stack *s, const size_t *order, ent_error *error)
{
    uint32_t *next = ent_calloc(s->manifest.entries + 1, sizeof *next);
    if (!next) return ent_fail(error, ENT_ENOMEM, "out of memory");
    bool good = true;
    for (size_t i = 0; i < s->blocks && good; i++)
        good = order[i] < s->blocks && s->block[order[i]].level == next[s->block[order[i]].entry]++;
    ent_free(next);
    return good ? ENT_OK : ent_fail(error, ENT_EINVAL, "an order of blocks that lacks some, or has levels before those below them");
}

ent_status ent_stack_write(const char *path, const ent_weights *packed, const size_t *order, ent_error *error)
{
    writer w = { .from = packed, .header = json_object() };
    ent_output output = { 0 };
    ent_stack *stack;
    int fd = -1;
    ent_status status = ent_stack_open(&stack, packed, error);
    w.stack = stack;
    if (!status) status = check_order(stack, order, error);
    if (!status) {
        w.tensor = ent_calloc(ent_weights_tensors(packed) + 1, sizeof *w.tensor);
        status = w.tensor && w.header ? arrange(&w, order) : ENT_ENOMEM;
        if (status) ent_fail(error, status, "%s: %s", path, status == ENT_ENOMEM ? "out of memory" : "a tensor is of two matrices");
    }
    if (!status) status = ent_output_plan(&output, path, error);
    if (!status) status = ent_output_create(&output, &fd, error);
    if (!status) {
        w.file = fdopen(fd, "wb");
        bool done = w.file && write_tensors(&w);
        if (w.file ? fclose(w.file) : close(fd)) done = false;
        status = done ? ent_output_commit(&output, error) : ent_fail(error, ENT_EIO, "%s: cannot write: the disk may be full", path);
    }
    ent_output_drop(&output);
    ent_stack_close(stack);
    json_decref(w.header);
    ent_free(w.tensor);
    return status;
}
