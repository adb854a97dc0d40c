/* index.c - what reading and writing of the index share, and writing. */
#include <stdio.h>
#include <string.h>

#include "codec/block.h"
#include "codec/codec.h"
#include "container/index.h"

bool ent_index_needs_table(const ent_recipe *recipe, uint32_t field)
{
    return recipe->spec[field].coder->train && !ent_has_own_table(recipe, field);
}

static const ent_format *format_of(const ent_index *index, const ent_index_tensor *tensor)
{
    return index->recipe[tensor->recipe].recipe.format;
}

uint64_t ent_index_words(const ent_index *index, const ent_index_tensor *tensor)
{
    return format_of(index, tensor) ? tensor->elements / ent_index_word_weights(index, tensor) : tensor->bytes;
}

uint32_t ent_index_word_weights(const ent_index *index, const ent_index_tensor *tensor)
{
    const ent_format *format = format_of(index, tensor);
    return format ? format->weights : 1;
}

/* Blocks are multiples of 8 weights, and of a record at the least. */
static uint64_t block_words(const ent_index *index, const ent_format *format)
{
    uint64_t words = index->block / (format ? format->weights : 1);
    return words ? words : 1;
}

uint64_t ent_index_flat_words(const ent_index *index, const ent_index_tensor *tensor)
{
    return block_words(index, format_of(index, tensor));
}

uint64_t ent_index_blocks(const ent_index *index, const ent_index_tensor *tensor)
{
    uint64_t block = ent_index_block_words(index, tensor);
    return tensor->words / block + (tensor->words % block != 0);
}

size_t ent_index_block(const ent_index *index, const ent_index_tensor *tensor, uint64_t k, uint64_t *offset,
                       size_t *size)
{
    const ent_format *format = format_of(index, tensor);
    uint64_t bits = format ? format->bits : 8, block = ent_index_block_words(index, tensor);
    uint64_t first = k * block, left = tensor->words - first;
    size_t n = left < block ? left : block;
    *offset = bits % 8 ? first / 8 * bits : first * (bits / 8); /* blocks of packed words are multiples of 8 */
    *size = n / 8 * bits + (n % 8 * bits + 7) / 8;
    return n;
}

size_t ent_index_window(const ent_index *index, unsigned threads)
{
    const size_t most_bytes = 64 << 20, wanted = (size_t)threads * 8;
    size_t block = index->block;
    for (size_t i = 0; i < index->recipes; i++) {
        const ent_recipe *r = &index->recipe[i].recipe;
        size_t size = block_words(index, r->format) * r->word_width;
        block = size > block ? size : block;
    }
    size_t most = block ? most_bytes / block : wanted;
    return wanted <= most ? wanted : most > threads ? most : threads;
}

void ent_index_free(ent_index *index)
{
    ent_free(index->file);
    ent_free(index->base);
    ent_free(index->recipe);
    ent_free(index->table);
    ent_free(index->tensor);
    ent_free(index->shapes);
    *index = (ent_index){ 0 };
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *hexadecimal(uint64_t value, int digits)
{
    char text[17];
    snprintf(text, sizeof text, "%0*llx", digits, (unsigned long long)value);
    return json_string(text);
}

static json_t *sizes_json(const ent_container_sizes *s)
{
    return json_pack("{s:o, s:o, s:o, s:f, s:o, s:o, s:o}", "input_bytes", number(s->input_bytes), "weights",
                     number(s->weights), "weight_bytes", number(s->weight_bytes), "bound_bits", s->bound_bits,
                     "payload_bits", number(s->tally.payload_bits), "table_bits", number(s->tally.table_bits),
                     "index_bits", number(s->tally.index_bits));
}

static json_t *files_json(const ent_index_file *file, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const ent_index_file *f = &file[i];
        if (json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "name", f->name, "bytes", number(f->bytes), "xxh3",
                                                  hexadecimal(f->hash, 16))))
            goto failed; /* also for a name that is not UTF-8 */
    }
    return list;
failed:
    json_decref(list);
    return NULL;
}

static json_t *recipes_json(const ent_index *index)
{
    json_t *list = json_array();
    for (size_t i = 0; i < index->recipes; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "dtype", index->recipe[i].dtype, "text", index->recipe[i].text));
    return list;
}

/* Tables lie in /tables one after the other: [size, checksum] each. */
static json_t *tables_json(const ent_index *index)
{
    json_t *list = json_array();
    for (size_t i = 0; i < index->tables; i++)
        json_array_append_new(
            list, json_pack("[o, o]", number(index->table[i].size), hexadecimal(index->table[i].checksum, 8)));
    return list;
}

static json_t *tensor_json(const ent_index *index, const ent_index_tensor *t)
{
    const ent_recipe *recipe = &index->recipe[t->recipe].recipe;
    json_t *shape = json_array();
    for (uint32_t i = 0; i < t->rank; i++) json_array_append_new(shape, number(t->shape[i]));
    json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", t->name, "dtype", t->dtype, "shape", shape, "file",
                          number(t->file), "offset", number(t->offset), "bytes", number(t->bytes));
    if (t->same >= 0) {
        json_object_set_new(o, "same", json_integer(t->same));
        return o;
    }
    json_t *tables = json_array();
    for (uint32_t i = 0; i < recipe->split.fields; i++)
        if (ent_index_needs_table(recipe, i)) json_array_append_new(tables, json_integer(t->table[i]));
    json_object_set_new(o, "recipe", number(t->recipe));
    json_object_set_new(o, "tables", tables);
    json_object_set_new(o, "coded", number(t->coded));
    if (t->delta) {
        json_object_set_new(o, "delta", json_string(ent_delta_names[t->delta]));
        json_object_set_new(o, "base", json_pack("[o, o]", number(t->base_file), number(t->base_offset)));
    }
    return o;
}

static json_t *tensors_json(const ent_index *index)
{
    json_t *list = json_array();
    for (size_t i = 0; i < index->tensors; i++)
        if (json_array_append_new(list, tensor_json(index, &index->tensor[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static int version_of(const ent_index *index)
{
    return index->readable ? 3 : index->sizes.same_tensors || index->bases ? 2 : 1;
}

static ent_status check_names(const ent_index_file *file, size_t n, ent_error *error)
{
    for (size_t i = 0; i < n; i++) {
        json_t *name = json_string(file[i].name);
        if (!name) return ent_fail(error, ENT_EINVAL, "%s: the file's name is not UTF-8: rename it", file[i].name);
        json_decref(name);
    }
    return ENT_OK;
}

ent_status ent_index_write(const ent_index *index, char **text, ent_error *error)
{
    ent_status status = check_names(index->file, index->files, error);
    if (!status) status = check_names(index->base, index->bases, error);
    if (status) return status;
    json_t *root = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "format", ENT_INDEX_FORMAT,
                             "version", version_of(index), "program", ENT_VERSION, "codec", index->codec, "codec_name",
                             index->codec_name, "scope", ent_scope_names[index->scope], "block", number(index->block),
                             "sizes", sizes_json(&index->sizes), "files", files_json(index->file, index->files), "recipes",
                             recipes_json(index), "tables", tables_json(index), "tensors", tensors_json(index));
    if (index->bases) json_object_set_new(root, "base", files_json(index->base, index->bases));
    if (index->readable) json_object_set_new(root, "readable", json_true());
    *text = root ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(root);
    return *text ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory, or a tensor's name is not UTF-8");
}
