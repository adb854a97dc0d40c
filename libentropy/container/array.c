/* array.c - how a tensor lies in its dataset.
 *
 * As blocks of a container it is one line of unsigned integers, a chunk a block.  In a readable container it has
 * its own shape and type, so that other programs see what they expect; a chunk is still a block, so its elements must
 * follow each other in the tensor: it is whole in the last dimensions, a part of one, and 1 in those before. */
#include <string.h>

#include "container/index.h"

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static const ent_format *format_of(const ent_index *index, const ent_index_tensor *tensor)
{
    return index->recipe[tensor->recipe].recipe.format;
}

static ent_array line_of(uint32_t width, uint64_t elements, uint64_t block)
{
    return (ent_array){ .kind = ENT_KIND_UNSIGNED, .width = width, .rank = 1, .size = { elements }, .chunk = { least(block, elements) },
                        .elements = elements, .block = block };
}

/* What is not whole bytes or larger than a number is a line of bytes. */
static ent_array flat(const ent_index *index, const ent_index_tensor *t)
{
    const ent_format *format = format_of(index, t);
    uint32_t width = ent_format_width(format);
    uint64_t block = ent_index_flat_words(index, t);
    if (ent_format_packed(format)) return line_of(1, t->bytes, block / 8 * format->bits);
    if (width > 8) return line_of(1, t->bytes, block * width);
    return line_of(width, t->words, block);
}

/* Integers that have no number format here, and are coded as bytes. */
static uint32_t opaque_width(const char *dtype)
{
    if (!strcmp(dtype, "I32") || !strcmp(dtype, "U32")) return 4;
    return !strcmp(dtype, "I64") || !strcmp(dtype, "U64") ? 8 : 1;
}

/* Whether HDF5 takes such floats for what they are: it knows no others than IEEE's. */
static bool is_float(const ent_format *format)
{
    return format && format->kind == ENT_KIND_FLOAT && format->specials == ENT_SPECIALS_IEEE;
}

/* Cuts the shape into chunks of at most `most` elements; false where that takes chunks of unlike numbers. */
static bool cut(ent_array *a, uint64_t most)
{
    uint32_t k = a->rank;
    uint64_t part;
    a->block = 1;
    while (k > 0 && a->size[k - 1] <= most / a->block) {
        k--;
        a->chunk[k] = a->size[k];
        a->block *= a->size[k];
    }
    if (k == 0) return true;
    part = a->size[--k];
    if (k == 0) part = most / a->block; /* only the last chunk has fewer */
    while (part > most / a->block && part % 2 == 0) part /= 2;
    if (part > most / a->block) return false;
    a->chunk[k] = part;
    a->block *= part;
    while (k > 0) a->chunk[--k] = 1;
    return true;
}

ent_array ent_index_array(const ent_index *index, const ent_index_tensor *tensor)
{
    const ent_index_tensor *t = tensor->same < 0 ? tensor : &index->tensor[tensor->same];
    const ent_format *format = format_of(index, t);
    ent_array a = flat(index, t);
    if (!index->readable || ent_format_packed(format) || ent_format_width(format) > 8) return a;
    uint32_t width = format ? a.width : opaque_width(t->dtype);
    if (!t->elements || t->bytes / width != t->elements || t->bytes % width) return a;
    uint64_t most = index->block / (format ? 1 : width);
    ent_array line = line_of(width, t->elements, most);
    line.kind = is_float(format) ? ENT_KIND_FLOAT : t->dtype[0] == 'I' ? ENT_KIND_SIGNED : ENT_KIND_UNSIGNED;
    line.format = is_float(format) ? format : NULL;
    a = line;
    a.rank = t->rank;
    if (t->rank < 1 || t->rank > ENT_ARRAY_RANK) return line;
    memcpy(a.size, t->shape, t->rank * sizeof *a.size);
    return cut(&a, most) ? a : line;
}

uint64_t ent_index_block_words(const ent_index *index, const ent_index_tensor *tensor)
{
    const ent_format *format = format_of(index, tensor);
    if (!index->readable || ent_format_packed(format) || ent_format_width(format) > 8)
        return ent_index_flat_words(index, tensor);
    ent_array a = ent_index_array(index, tensor);
    return format ? a.block : a.block * a.width;
}
