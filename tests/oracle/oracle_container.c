/* oracle_container.c - see oracle.h.  The text of a recipe is read by the library, which has its grammar; HDF5 is read by
 * libhdf5, to where chunks lie; everything else is done here as libentropy/container/FORMAT.md has it. */
#include <hdf5.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "oracle.h"

enum { MOST_AXES = 32, HEAD_BYTES = 8, FILTER = 58481, MOST_VALUES = 256 };

typedef struct reading {
    FILE *raw;  /* the same file, for the bytes of chunks */
    hid_t file;
    json_t *index;
    ent_bytes tables;
    const oracle_files *base;
    bool readable;
} reading;

/* A tensor, and how its words are coded. */
typedef struct tensor {
    json_t *row;
    uint8_t *bytes;
    size_t size, words;
    unsigned bits; /* of a word */
    const ent_format *format; /* NULL: opaque */
    ent_recipe recipe;
    ent_bytes table[ENT_MAX_FIELDS];
    const uint8_t *base; /* the bytes that tell it, or NULL */
} tensor;

static uint64_t number(const json_t *object, const char *key) { return (uint64_t)json_integer_value(json_object_get(object, key)); }
static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- objects of HDF5 ----------------------------------------------------------------------------------------- */

/* All of a dataset of bytes; none where there is no such dataset. */
static bool read_bytes(hid_t file, const char *name, ent_bytes *bytes)
{
    *bytes = (ent_bytes){ NULL, 0 };
    if (H5Lexists(file, name, H5P_DEFAULT) <= 0) return true;
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    hssize_t size = H5Sget_simple_extent_npoints(space);
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1);
    bool good = data && H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    *bytes = (ent_bytes){ data, good ? (size_t)size : 0 };
    H5Sclose(space);
    H5Dclose(set);
    return good;
}

/* ---- words in bytes ------------------------------------------------------------------------------------------ */

static uint64_t word_at(const uint8_t *bytes, size_t i, unsigned bits)
{
    uint64_t word = 0;
    for (unsigned k = 0; k < bits; k++) {
        size_t bit = i * bits + k;
        word |= (uint64_t)(bytes[bit / 8] >> bit % 8 & 1) << k;
    }
    return word;
}

static void put_word(uint8_t *bytes, size_t i, unsigned bits, uint64_t word)
{
    for (unsigned k = 0; k < bits; k++) {
        size_t bit = i * bits + k;
        bytes[bit / 8] = (uint8_t)((bytes[bit / 8] & ~(1u << bit % 8)) | (word >> k & 1) << bit % 8);
    }
}

/* ---- deltas -------------------------------------------------------------------------------------------------- */

/* The place of a word in the order of values, and back. */
static uint64_t order(const tensor *t, uint64_t word, bool back)
{
    const uint64_t top = (uint64_t)1 << (t->bits - 1), all = top | (top - 1);
    if (t->format->kind != ENT_KIND_FLOAT) return word;
    return ((word & top) != 0) == back ? word ^ top : ~word & all;
}

static unsigned exponent(const tensor *t, uint64_t word)
{
    const ent_format *f = t->format;
    if (f->kind != ENT_KIND_FLOAT) return 0;
    uint64_t field = word >> f->mantissa_bits & (((uint64_t)1 << f->exponent_bits) - 1);
    return (unsigned)(f->exponent_bits > 8 ? field >> (f->exponent_bits - 8) : field);
}

/* Block of n words from number `first` on, told by the base, to words. */
static void undo_delta(const tensor *t, size_t first, uint8_t *block, size_t n)
{
    const uint64_t top = (uint64_t)1 << (t->bits - 1), all = top | (top - 1);
    uint64_t *plain = calloc(n + 1, sizeof *plain);
    bool difference = !strcmp(string(t->row, "delta"), "difference");
    size_t next = 0;
    if (!plain) abort();
    for (unsigned e = 0; difference && e < 256; e++)
        for (size_t i = 0; i < n; i++) {
            uint64_t b = word_at(t->base, first + i, t->bits), v;
            if (exponent(t, b) != e) continue;
            v = word_at(block, next++, t->bits);
            plain[i] = order(t, (order(t, b, false) + (v % 2 ? 0 - (v / 2 + 1) : v / 2)) & all, true);
        }
    for (size_t i = 0; !difference && i < n; i++) plain[i] = word_at(block, i, t->bits) ^ word_at(t->base, first + i, t->bits);
    for (size_t i = 0; i < n; i++) put_word(block, i, t->bits, plain[i]);
    free(plain);
}

/* ---- chunks -------------------------------------------------------------------------------------------------- */

/* The block inside of a chunk of the filter, whose head says n; filter/FORMAT.md. */
static bool behind_head(hid_t plist, ent_bytes *chunk, size_t n)
{
    unsigned values[MOST_VALUES], flags;
    size_t count = MOST_VALUES, size = 0;
    char text[4 * MOST_VALUES];
    byte_string in = { chunk->data, chunk->size, 0, false };
    if (H5Pget_filter_by_id2(plist, FILTER, &flags, &count, values, 0, NULL, NULL) < 0 || count < 5 || count > MOST_VALUES) return false;
    for (size_t i = 4; i < count; i++)
        for (unsigned k = 0; k < 32; k += 8)
            if (values[i] >> k & 255) text[size++] = (char)(values[i] >> k & 255);
    uint64_t seed = XXH3_64bits(text, size), checksum = oracle_integer(&in, 4), words = oracle_integer(&in, 4);
    if (in.over || words != n) return false; /* bit 31, `stored`, is never set here */
    if (checksum != (XXH3_64bits_withSeed(chunk->data + 4, chunk->size - 4, seed) & 0xFFFFFFFF)) return false;
    *chunk = (ent_bytes){ chunk->data + HEAD_BYTES, chunk->size - HEAD_BYTES };
    return true;
}

/* The chunk with this corner, which holds `bytes` of the tensor from byte `at` on. */
static bool read_chunk(const reading *r, const tensor *t, hid_t set, hid_t plist, const hsize_t *corner, size_t at, size_t bytes)
{
    unsigned mask = 1;
    haddr_t address = 0;
    hsize_t size = 0;
    const size_t first = at * 8 / t->bits;
    size_t n = bytes * 8 / t->bits;
    if (n > t->words - first) n = t->words - first;
    if (H5Dget_chunk_info_by_coord(set, corner, &mask, &address, &size) < 0 || mask || !size) return false;
    uint8_t *data = malloc(size);
    uint8_t *words = calloc(n * t->bits / 8 + 2, 1);
    ent_bytes block = { data, size };
    bool good = data && words && !fseek(r->raw, (long)address, SEEK_SET) && fread(data, size, 1, r->raw) == 1 &&
                (!r->readable || behind_head(plist, &block, n)) && !oracle_block(&t->recipe, t->table, block, words, n);
    if (good && t->base) undo_delta(t, first, words, n);
    for (size_t i = 0; good && i < n * t->bits; i++) put_word(t->bytes, first * t->bits + i, 1, word_at(words, i, 1));
    free(words);
    free(data);
    return good;
}

static bool read_chunks(const reading *r, const tensor *t, const char *name)
{
    hsize_t dims[MOST_AXES], chunk[MOST_AXES], corner[MOST_AXES] = { 0 };
    hid_t set = H5Dopen2(r->file, name, H5P_DEFAULT), space = H5Dget_space(set), plist = H5Dget_create_plist(set), type = H5Dget_type(set);
    const size_t width = H5Tget_size(type);
    int rank = H5Sget_simple_extent_ndims(space);
    bool good = rank > 0 && H5Sget_simple_extent_dims(space, dims, NULL) == rank && H5Pget_chunk(plist, MOST_AXES, chunk) == rank, more = good;
    while (good && more) {
        size_t at = 0, elements = 1;
        for (int k = 0; k < rank; k++) {
            at = at * dims[k] + corner[k];
            elements *= dims[k] - corner[k] < chunk[k] ? dims[k] - corner[k] : chunk[k];
        }
        good = read_chunk(r, t, set, plist, corner, at * width, elements * width);
        more = false;
        for (int k = rank; k-- && !more; corner[k] = more ? corner[k] : 0) more = (corner[k] += chunk[k]) < dims[k];
    }
    H5Tclose(type);
    H5Pclose(plist);
    H5Sclose(space);
    if (set >= 0) H5Dclose(set);
    return good;
}

/* ---- tensors ------------------------------------------------------------------------------------------------- */

/* The table of each field whose coder trains, by their positions in `tables`. */
static bool find_tables(const reading *r, tensor *t)
{
    const json_t *mine = json_object_get(t->row, "tables"), *all = json_object_get(r->index, "tables");
    size_t next = 0;
    if (t->recipe.scope == ENT_SCOPE_BLOCK) return true;
    for (uint32_t f = 0; f < t->recipe.split.fields; f++) {
        const ent_coder *c = t->recipe.spec[f].coder;
        uint64_t at = 0;
        if (!strcmp(c->name, "raw") || c->wide || c->adaptive) continue;
        json_int_t place = json_integer_value(json_array_get(mine, next++));
        if (place < 0) continue;
        for (size_t i = 0; i < (size_t)place; i++) at += (uint64_t)json_integer_value(json_array_get(json_array_get(all, i), 0));
        const json_t *pair = json_array_get(all, (size_t)place);
        size_t size = (size_t)json_integer_value(json_array_get(pair, 0));
        char checksum[20];
        if (at + size > r->tables.size) return false;
        t->table[f] = (ent_bytes){ r->tables.data + at, size };
        snprintf(checksum, sizeof checksum, "%08x", (unsigned)(XXH3_64bits(t->table[f].data, size) & 0xFFFFFFFF));
        if (strcmp(checksum, json_string_value(json_array_get(pair, 1)))) return false;
    }
    return next == json_array_size(mine);
}

static bool find_recipe(const reading *r, tensor *t)
{
    const json_t *recipe = json_array_get(json_object_get(r->index, "recipes"), number(t->row, "recipe"));
    const char *dtype = string(recipe, "dtype");
    char line[2000];
    ent_codec *codec;
    t->format = ent_dtype_find(dtype);
    t->bits = t->format ? t->format->bits : 8;
    t->words = t->size * 8 / t->bits;
    if (t->format && t->bits < 8) { /* the last byte may have room for more */
        t->words = 1;
        for (size_t i = 0; i < json_array_size(json_object_get(t->row, "shape")); i++)
            t->words *= (size_t)json_integer_value(json_array_get(json_object_get(t->row, "shape"), i));
    }
    snprintf(line, sizeof line, "%s: %s scope=%s", *dtype ? dtype : "*", string(recipe, "text"), string(r->index, "scope"));
    if (ent_codec_parse(&codec, line, NULL)) return false;
    bool good = !ent_codec_bind(codec, dtype, &t->recipe, NULL);
    ent_codec_free(codec);
    return good;
}

static bool read_tensor(const reading *r, const tensor *all, tensor *t, size_t number_of_it)
{
    char name[40];
    const json_t *same = json_object_get(t->row, "same"), *base = json_object_get(t->row, "base");
    t->size = number(t->row, "bytes");
    t->bytes = calloc(t->size + 1, 1);
    if (!t->bytes) return false;
    if (same) {
        const tensor *other = &all[json_integer_value(same)];
        if (other >= t || other->size != t->size) return false;
        memcpy(t->bytes, other->bytes, t->size);
        return true;
    }
    if (base) {
        const oracle_file *file = &r->base->file[json_integer_value(json_array_get(base, 0))];
        t->base = file->bytes + json_integer_value(json_array_get(base, 1));
    }
    if (!t->size) return true;
    snprintf(name, sizeof name, "/tensors/%zu", number_of_it);
    return find_recipe(r, t) && find_tables(r, t) && read_chunks(r, t, name);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

/* File i: its tensors at their offsets, and between them what is in no tensor. */
static bool read_file(const reading *r, const tensor *tensors, size_t n, size_t i, oracle_file *out)
{
    const json_t *row = json_array_get(json_object_get(r->index, "files"), i);
    char name[40], checksum[20];
    ent_bytes rest;
    size_t used = 0, at = 0;
    snprintf(out->name, sizeof out->name, "%s", string(row, "name"));
    snprintf(name, sizeof name, "/files/%zu", i);
    out->size = number(row, "bytes");
    out->bytes = calloc(out->size + 1, 1);
    bool good = read_bytes(r->file, name, &rest) && out->bytes;
    for (const tensor *t = tensors; good && t <= tensors + n; t++) {
        if (t < tensors + n && number(t->row, "file") != i) continue;
        size_t to = t < tensors + n ? number(t->row, "offset") : out->size, gap = to - at;
        good = to >= at && to <= out->size && gap <= rest.size - used;
        if (!good) break;
        if (gap) memcpy(out->bytes + at, rest.data + used, gap);
        used += gap;
        at = to;
        if (t == tensors + n) break;
        good = t->size <= out->size - at;
        if (good) memcpy(out->bytes + at, t->bytes, t->size);
        at += t->size;
    }
    free((void *)(size_t)rest.data);
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)XXH3_64bits(out->bytes, out->size));
    return good && used == rest.size && !strcmp(checksum, string(row, "xxh3"));
}

static bool read_all(reading *r, oracle_files *out)
{
    const json_t *rows = json_object_get(r->index, "tensors");
    const size_t n = json_array_size(rows);
    tensor *tensors = calloc(n + 1, sizeof *tensors);
    bool good = tensors && !strcmp(string(r->index, "format"), "libentropy container") && read_bytes(r->file, "/tables", &r->tables);
    r->readable = json_is_true(json_object_get(r->index, "readable"));
    for (size_t i = 0; good && i < n; i++) tensors[i].row = json_array_get(rows, i);
    for (size_t i = 0; good && i < n; i++) good = read_tensor(r, tensors, &tensors[i], i);
    size_t files = json_array_size(json_object_get(r->index, "files"));
    for (size_t i = 0; good && i < files && i < ORACLE_FILES; i++, out->n++) good = read_file(r, tensors, n, i, &out->file[i]);
    for (size_t i = 0; tensors && i < n; i++) free(tensors[i].bytes);
    free(tensors);
    free((void *)(size_t)r->tables.data);
    return good;
}

int oracle_container(const char *path, const oracle_files *base, oracle_files *out)
{
    reading r = { .raw = fopen(path, "rb"), .file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), .base = base };
    ent_bytes text = { NULL, 0 };
    *out = (oracle_files){ 0 };
    bool good = r.raw && r.file >= 0 && read_bytes(r.file, "/index", &text);
    if (good) r.index = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    good = good && r.index && read_all(&r, out);
    json_decref(r.index);
    free((void *)(size_t)text.data);
    if (r.file >= 0) H5Fclose(r.file);
    if (r.raw) fclose(r.raw);
    if (!good) oracle_files_free(out);
    return !good;
}

void oracle_files_free(oracle_files *files)
{
    for (size_t i = 0; i < ORACLE_FILES; i++) free(files->file[i].bytes);
    *files = (oracle_files){ 0 };
}
