/* index_read.c - the index of a container, trusting nothing in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "container/delta.h"
#include "container/index.h"

enum { MOST_FILES = 10000 }; /* a model of 1 MB shards with 10 GB; more would only cost time in comparing names */

typedef struct reading {
    ent_index *index;
    const char *path;
    ent_error *error;
} reading;

static ent_status refuse(const reading *r, const char *format, ...) ENT_PRINTF(2, 3);

static ent_status refuse(const reading *r, const char *format, ...)
{
    char why[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return ent_fail(r->error, ENT_ECORRUPT, "%s: index: %s", r->path, why);
}

static ent_status no_memory(const reading *r) { return ent_fail(r->error, ENT_ENOMEM, "%s: out of memory", r->path); }

/* ---- values ------------------------------------------------------------------------------------------- */

static bool get_text(const json_t *object, const char *key, const char **text)
{
    *text = json_string_value(json_object_get(object, key));
    return *text != NULL;
}

static bool get_number(const json_t *value, uint64_t most, uint64_t *number)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = (uint64_t)json_integer_value(value);
    return *number <= most;
}

static bool get_member(const json_t *object, const char *key, uint64_t *number)
{
    return get_number(json_object_get(object, key), INT64_MAX, number);
}

/* Exactly `digits` hexadecimal digits. */
static bool get_hash(const json_t *value, size_t digits, uint64_t *hash)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != digits || strspn(text, "0123456789abcdef") != digits) return false;
    *hash = strtoull(text, NULL, 16);
    return true;
}

/* The array of `key`, and room for its items. */
static ent_status get_list(const reading *r, const json_t *root, const char *key, size_t item, const json_t **list,
                           void **items, size_t *n)
{
    *list = json_object_get(root, key);
    if (!json_is_array(*list)) return refuse(r, "no list \"%s\"", key);
    *n = json_array_size(*list);
    if (*n >= UINT32_MAX) return refuse(r, "too many \"%s\"", key);
    return (*items = ent_calloc(*n + 1, item)) ? ENT_OK : no_memory(r);
}

/* ---- parts -------------------------------------------------------------------------------------------- */

static ent_status read_head(const reading *r, const json_t *root)
{
    const char *format, *scope;
    uint64_t version;
    ent_index *x = r->index;
    if (!get_text(root, "format", &format) || strcmp(format, ENT_INDEX_FORMAT))
        return refuse(r, "not that of a container");
    if (!get_member(root, "version", &version)) return refuse(r, "no version");
    if (version < 1 || version > ENT_INDEX_VERSION)
        return ent_fail(r->error, ENT_EUNSUPPORTED, "%s: a container of version %llu; this program reads 1 to %d",
                        r->path, (unsigned long long)version, ENT_INDEX_VERSION);
    if (!get_text(root, "codec", &x->codec) || !get_text(root, "codec_name", &x->codec_name))
        return refuse(r, "no codec");
    if (!get_text(root, "scope", &scope)) return refuse(r, "no scope");
    int found = -1;
    for (int i = ENT_SCOPE_TENSOR; i <= ENT_SCOPE_BLOCK; i++)
        if (!strcmp(ent_scope_names[i], scope)) found = i;
    if (found < 0) return refuse(r, "unknown scope");
    x->scope = (ent_scope)found;
    x->readable = json_is_true(json_object_get(root, "readable"));
    if (x->readable && x->scope != ENT_SCOPE_BLOCK) return refuse(r, "readable, but with tables outside the blocks");
    return get_member(root, "block", &x->block) ? ENT_OK : refuse(r, "no block size");
}

static ent_status read_sizes(const reading *r, const json_t *root)
{
    const json_t *o = json_object_get(root, "sizes");
    ent_container_sizes *s = &r->index->sizes;
    const json_t *bound = json_object_get(o, "bound_bits");
    if (!get_member(o, "input_bytes", &s->input_bytes) || !get_member(o, "weights", &s->weights) ||
        !get_member(o, "weight_bytes", &s->weight_bytes) || !get_member(o, "payload_bits", &s->tally.payload_bits) ||
        !get_member(o, "table_bits", &s->tally.table_bits) || !get_member(o, "index_bits", &s->tally.index_bits) ||
        !json_is_number(bound))
        return refuse(r, "bad \"sizes\"");
    s->bound_bits = json_number_value(bound);
    return ENT_OK;
}

/* A name that stays in the folder where it is put. */
static bool is_plain_name(const char *name)
{
    return *name && strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

/* The list `key`: of the model's files, or of its base's. */
static ent_status read_files(const reading *r, const json_t *root, const char *key, ent_index_file **file, size_t *n)
{
    const json_t *list;
    void *items;
    ent_status status = get_list(r, root, key, sizeof **file, &list, &items, n);
    if (status) return status;
    *file = items;
    if (*n > MOST_FILES) return refuse(r, "more than %d files", MOST_FILES);
    for (size_t i = 0; i < *n; i++) {
        const json_t *o = json_array_get(list, i);
        ent_index_file *f = &(*file)[i];
        if (!get_text(o, "name", &f->name) || !get_member(o, "bytes", &f->bytes) ||
            !get_hash(json_object_get(o, "xxh3"), 16, &f->hash))
            return refuse(r, "file %zu: bad entry", i);
        if (!is_plain_name(f->name)) return refuse(r, "file %zu: a name that leaves its folder, or is too long", i);
        for (size_t k = 0; k < i; k++)
            if (!strcmp((*file)[k].name, f->name)) return refuse(r, "file %zu: the same name as file %zu", i, k);
    }
    return *n ? ENT_OK : refuse(r, "no files");
}

/* A recipe is a codec of one clause for one dtype. */
static ent_status bind(const reading *r, ent_index_recipe *recipe)
{
    const char *form = *recipe->dtype ? "%s: %s scope=%s block=%llu" : "%s%s scope=%s block=%llu";
    unsigned long long block = r->index->block;
    const char *scope = ent_scope_names[r->index->scope];
    char text[2000];
    ent_codec *codec;
    ent_error why;
    if (*recipe->dtype && !ent_dtype_find(recipe->dtype)) return refuse(r, "recipe of an unknown dtype");
    if (snprintf(text, sizeof text, form, recipe->dtype, recipe->text, scope, block) >= (int)sizeof text)
        return refuse(r, "a recipe too long");
    ent_status status = ent_codec_parse(&codec, text, &why);
    if (!status) status = ent_codec_bind(codec, recipe->dtype, &recipe->recipe, &why);
    ent_codec_free(codec);
    if (!status) return ENT_OK;
    return ent_fail(r->error, status == ENT_ENOMEM ? status : ENT_EUNSUPPORTED, "%s: index: recipe of %s: %.700s",
                    r->path, recipe->dtype, why.text);
}

static ent_status read_recipes(const reading *r, const json_t *root)
{
    const json_t *list;
    void *items;
    ent_index *x = r->index;
    ent_status status = get_list(r, root, "recipes", sizeof *x->recipe, &list, &items, &x->recipes);
    if (status) return status;
    x->recipe = items;
    for (size_t i = 0; i < x->recipes && !status; i++) {
        const json_t *o = json_array_get(list, i);
        if (!get_text(o, "dtype", &x->recipe[i].dtype) || !get_text(o, "text", &x->recipe[i].text))
            return refuse(r, "recipe %zu: bad entry", i);
        status = bind(r, &x->recipe[i]);
    }
    return status;
}

static ent_status read_tables(const reading *r, const json_t *root, uint64_t bytes)
{
    const json_t *list;
    void *items;
    ent_index *x = r->index;
    ent_status status = get_list(r, root, "tables", sizeof *x->table, &list, &items, &x->tables);
    if (status) return status;
    x->table = items;
    uint64_t offset = 0, checksum;
    for (size_t i = 0; i < x->tables; i++) {
        const json_t *pair = json_array_get(list, i);
        ent_index_table *t = &x->table[i];
        if (json_array_size(pair) != 2 || !get_number(json_array_get(pair, 0), bytes - offset, &t->size) ||
            !get_hash(json_array_get(pair, 1), 8, &checksum))
            return refuse(r, "table %zu: bad entry", i);
        t->offset = offset;
        t->checksum = (uint32_t)checksum;
        offset += t->size;
    }
    return offset == bytes ? ENT_OK : refuse(r, "the tables do not fill /tables");
}

/* ---- tensors ------------------------------------------------------------------------------------------ */

/* The shape into `shape`, its product into t->elements. */
static bool read_shape(const json_t *list, ent_index_tensor *t, uint64_t *shape)
{
    uint64_t product = 1, nonzero = 1;
    t->rank = (uint32_t)json_array_size(list);
    t->shape = shape;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (!get_number(json_array_get(list, i), INT64_MAX, &shape[i])) return false;
        if (shape[i] && __builtin_mul_overflow(nonzero, shape[i], &nonzero)) return false;
        product *= shape[i];
    }
    t->elements = product;
    return true;
}

static bool read_table_ids(const ent_index *x, const json_t *list, ent_index_tensor *t)
{
    const ent_recipe *recipe = &x->recipe[t->recipe].recipe;
    size_t k = 0;
    for (uint32_t i = 0; i < recipe->split.fields; i++) {
        t->table[i] = -1;
        if (!ent_index_needs_table(recipe, i)) continue;
        const json_t *id = json_array_get(list, k++);
        if (!json_is_integer(id) || json_integer_value(id) < -1 || json_integer_value(id) >= (json_int_t)x->tables)
            return false;
        t->table[i] = json_integer_value(id);
    }
    return json_is_array(list) && k == json_array_size(list);
}

/* Whether the tensor's bytes lie in its file, after those of the tensor before. */
static bool is_in_place(const ent_index *x, const ent_index_tensor *t, const ent_index_tensor *before)
{
    uint64_t start = 0;
    if (before && before->file > t->file) return false;
    if (before && before->file == t->file) start = before->offset + before->bytes;
    return t->offset >= start && t->bytes <= x->file[t->file].bytes && t->offset <= x->file[t->file].bytes - t->bytes;
}

static bool read_delta(const ent_index *x, const json_t *o, ent_index_tensor *t)
{
    const json_t *place = json_object_get(o, "base");
    const char *name;
    uint64_t file;
    if (!json_object_get(o, "delta")) return true;
    if (!get_text(o, "delta", &name) || !ent_delta_takes(x->recipe[t->recipe].recipe.format) || !x->bases ||
        !get_number(json_array_get(place, 0), x->bases - 1, &file) ||
        !get_number(json_array_get(place, 1), INT64_MAX, &t->base_offset))
        return false;
    for (int i = ENT_DELTA_NONE + 1; i < ENT_DELTAS; i++)
        if (!strcmp(ent_delta_names[i], name)) t->delta = (ent_delta)i;
    t->base_file = (uint32_t)file;
    uint64_t bytes = x->base[file].bytes;
    return t->delta && t->bytes <= bytes && t->base_offset <= bytes - t->bytes;
}

/* How its blocks are coded: said of it, or of the tensor whose blocks serve it too. */
static ent_status read_coding(const reading *r, size_t i, const json_t *o)
{
    ent_index *x = r->index;
    ent_index_tensor *t = &x->tensor[i];
    uint64_t recipe, same;
    t->same = -1;
    if (json_object_get(o, "same")) {
        const ent_index_tensor *first = x->tensor;
        if (!get_member(o, "same", &same) || same >= i || first[same].same >= 0 || first[same].bytes != t->bytes ||
            strcmp(first[same].dtype, t->dtype))
            return refuse(r, "tensor %zu: said to be the same as one that it cannot be", i);
        t->same = (int64_t)same;
        t->recipe = first[same].recipe;
        t->delta = first[same].delta;
        t->base_file = first[same].base_file;
        t->base_offset = first[same].base_offset;
        memcpy(t->table, first[same].table, sizeof t->table);
        x->sizes.same_tensors++;
        x->sizes.same_bytes += t->bytes;
        return ENT_OK;
    }
    if (!get_member(o, "recipe", &recipe) || recipe >= x->recipes || !get_member(o, "coded", &t->coded))
        return refuse(r, "tensor %zu: bad entry", i);
    t->recipe = (uint32_t)recipe;
    if (!read_table_ids(x, json_object_get(o, "tables"), t)) return refuse(r, "tensor %zu: bad table", i);
    return read_delta(x, o, t) ? ENT_OK : refuse(r, "tensor %zu: bad delta", i);
}

static ent_status read_tensor(const reading *r, size_t i, const json_t *o, uint64_t *shape)
{
    ent_index *x = r->index;
    ent_index_tensor *t = &x->tensor[i];
    uint64_t file;
    if (!get_text(o, "name", &t->name) || !get_text(o, "dtype", &t->dtype) || !get_member(o, "file", &file) ||
        file >= x->files || !get_member(o, "offset", &t->offset) || !get_member(o, "bytes", &t->bytes) ||
        !read_shape(json_object_get(o, "shape"), t, shape))
        return refuse(r, "tensor %zu: bad entry", i);
    t->file = (uint32_t)file;
    ent_status status = read_coding(r, i, o);
    if (status) return status;
    const ent_format *format = x->recipe[t->recipe].recipe.format;
    t->words = ent_index_words(x, t);
    if (format && (t->bytes > INT64_MAX / 8 || t->elements % format->weights || t->words > INT64_MAX / format->bits ||
                   t->words * format->bits != t->bytes * 8))
        return refuse(r, "tensor %zu: its size is not that of its shape", i);
    if (!is_in_place(x, t, i ? t - 1 : NULL))
        return refuse(r, "tensor %zu: not within its file, or not after the one before", i);
    return ENT_OK;
}

static ent_status read_tensors(const reading *r, const json_t *root)
{
    const json_t *list;
    void *items;
    ent_index *x = r->index;
    ent_status status = get_list(r, root, "tensors", sizeof *x->tensor, &list, &items, &x->tensors);
    if (status) return status;
    x->tensor = items;
    size_t dims = 0, used = 0;
    for (size_t i = 0; i < x->tensors; i++) dims += json_array_size(json_object_get(json_array_get(list, i), "shape"));
    if (!(x->shapes = ent_calloc(dims + 1, sizeof *x->shapes))) return no_memory(r);
    for (size_t i = 0; i < x->tensors && !status; i++) {
        status = read_tensor(r, i, json_array_get(list, i), x->shapes + used);
        used += x->tensor[i].rank;
    }
    return status;
}

ent_status ent_index_read(ent_index *index, const json_t *root, uint64_t tables, const char *path, ent_error *error)
{
    reading r = { index, path, error };
    *index = (ent_index){ 0 };
    ent_status status = read_head(&r, root);
    if (!status) status = read_sizes(&r, root);
    if (!status) status = read_files(&r, root, "files", &index->file, &index->files);
    if (!status && json_object_get(root, "base")) status = read_files(&r, root, "base", &index->base, &index->bases);
    if (!status && index->readable && index->bases) status = refuse(&r, "readable, but with a base");
    if (!status) status = read_recipes(&r, root);
    if (!status) status = read_tables(&r, root, tables);
    if (!status) status = read_tensors(&r, root);
    if (status) ent_index_free(index);
    return status;
}
