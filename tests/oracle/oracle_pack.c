/* oracle_pack.c - see oracle.h.  Follows libentropy/pack/FORMAT.md and, for the parts, the heads of rtn.c, grid.h, ternary.c,
 * cut.c and bf16.c in libentropy/transform. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

/* A packed model: a safetensors file and its manifest. */
typedef struct reading {
    const uint8_t *data; /* what offsets count from */
    size_t size;
    json_t *header, *manifest;
} reading;

/* A matrix being unpacked. */
typedef struct matrix {
    const reading *r;
    const json_t *row; /* of the manifest */
    const char *stage; /* "rtn(bits=4,...": the quantizer and its settings */
    size_t rows, cols;
    float *values;
} matrix;

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}
static uint64_t number(const json_t *object, const char *key) { return (uint64_t)json_integer_value(json_object_get(object, key)); }

/* ---- tensors of the file ---------------------------------------------------------------------------------------- */

static bool find(const reading *r, const char *name, const char *dtype, ent_bytes *bytes)
{
    const json_t *tensor = json_object_get(r->header, name), *offsets = json_object_get(tensor, "data_offsets");
    uint64_t from = (uint64_t)json_integer_value(json_array_get(offsets, 0)), to = (uint64_t)json_integer_value(json_array_get(offsets, 1));
    *bytes = (ent_bytes){ r->data + from, to - from };
    return tensor && from <= to && to <= r->size && (!dtype || !strcmp(string(tensor, "dtype"), dtype));
}

static bool part(const matrix *m, const char *name, const char *dtype, size_t bytes_of_all, ent_bytes *bytes)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", string(m->row, "name"), name);
    return find(m->r, path, dtype, bytes) && bytes->size == bytes_of_all;
}

static uint16_t short_at(ent_bytes b, size_t i) { return (uint16_t)(b.data[2 * i] | b.data[2 * i + 1] << 8); }
static float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static float bf16_at(ent_bytes b, size_t i) { return bits_float((uint32_t)short_at(b, i) << 16); }
static float f16_at(ent_bytes b, size_t i)
{
    int word = short_at(b, i), e = word >> 10 & 31, m = word & 1023;
    double v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return (float)(word >> 15 ? -v : v);
}

/* ---- quantizers ------------------------------------------------------------------------------------------------- */

static double setting(const matrix *m, const char *name)
{
    char text[40];
    snprintf(text, sizeof text, "%s=", name);
    const char *at = strstr(m->stage, text);
    return at ? atof(at + strlen(text)) : NAN;
}

/* The group of the weight in row r, column c; with r = rows their number. */
static size_t group(const matrix *m, size_t r, size_t c)
{
    long width = (long)setting(m, "group");
    if (width == -1) return r == m->rows;
    if (width == 0) return r;
    return r * ((m->cols + (size_t)width - 1) / (size_t)width) + c / (size_t)width;
}

static bool grid(matrix *m)
{
    const size_t n = m->rows * m->cols, groups = group(m, m->rows, 0);
    const bool symmetric = setting(m, "symmetric") > 0;
    ent_bytes codes, scales, zeros = { NULL, 0 };
    if (!part(m, "codes", symmetric ? "I8" : "U8", n, &codes) || !part(m, "scales", "F16", 2 * groups, &scales)) return false;
    if (!symmetric && !part(m, "zeros", "U8", groups, &zeros)) return false;
    for (size_t i = 0; i < n; i++) {
        const size_t g = group(m, i / m->cols, i % m->cols);
        const int code = symmetric ? (int8_t)codes.data[i] : codes.data[i] - zeros.data[g];
        m->values[i] = (float)code * f16_at(scales, g);
    }
    return true;
}

static bool ternary(matrix *m)
{
    const size_t n = m->rows * m->cols;
    ent_bytes codes, levels;
    if (!part(m, "codes", "U8", n, &codes) || !part(m, "levels", "BF16", 4 * group(m, m->rows, 0), &levels)) return false;
    for (size_t i = 0; i < n; i++)
        m->values[i] = codes.data[i] ? bf16_at(levels, 2 * group(m, i / m->cols, i % m->cols) + codes.data[i] - 1) : 0;
    return true;
}

static bool cut(matrix *m)
{
    const size_t n = m->rows * m->cols;
    const unsigned bits = (unsigned)setting(m, "bits");
    ent_bytes exponents, fractions;
    if (!part(m, "exponents", "U8", n, &exponents) || !part(m, "fractions", "U8", n, &fractions)) return false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t f = fractions.data[i], sign = f >> bits, fraction = f & ((1u << bits) - 1);
        m->values[i] = bits_float(sign << 31 | (uint32_t)exponents.data[i] << 23 | fraction << (23 - bits));
    }
    return true;
}

static bool bf16(matrix *m)
{
    ent_bytes words;
    if (!part(m, "words", "BF16", 2 * m->rows * m->cols, &words)) return false;
    for (size_t i = 0; i < m->rows * m->cols; i++) m->values[i] = bf16_at(words, i);
    return true;
}

static const struct { const char *name; bool (*undo)(matrix *m); } quantizers[] = {
    { "rtn(", grid }, { "gptq(", grid }, { "ternary(", ternary }, { "cut(", cut }, { "bf16", bf16 },
};

/* Pruning, before it, leaves nothing to undo; other stages are not known here. */
static bool undo(matrix *m, const char *pipeline)
{
    if (!strncmp(pipeline, "prune(", 6)) pipeline = strchr(pipeline, ')') + 2;
    m->stage = pipeline;
    for (size_t i = 0; i < sizeof quantizers / sizeof *quantizers; i++)
        if (!strncmp(pipeline, quantizers[i].name, strlen(quantizers[i].name)) && !strchr(pipeline, ' ')) return quantizers[i].undo(m);
    return false;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The value as a word of the model's dtype, ties to even. */
static size_t round_to(const char *dtype, float value, uint8_t *out)
{
    uint32_t u;
    double wide = value;
    memcpy(&u, &value, sizeof u);
    if (!strcmp(dtype, "BF16")) {
        u = (u + 0x7FFF + (u >> 16 & 1)) >> 16;
        memcpy(out, &u, 2);
        return 2;
    }
    const size_t width = !strcmp(dtype, "F32") ? 4 : !strcmp(dtype, "F64") ? 8 : 0;
    memcpy(out, width == 4 ? (const void *)&u : &wide, width);
    return width;
}

/* Tensor `row` at *at of the file; moves *at behind it. */
static bool put_tensor(const reading *r, const json_t *row, oracle_file *file, size_t *at)
{
    ent_bytes bytes;
    if (!json_object_get(row, "parts")) {
        if (!find(r, string(row, "name"), NULL, &bytes) || bytes.size > file->size - *at) return false;
        memcpy(file->bytes + *at, bytes.data, bytes.size);
        *at += bytes.size;
        return true;
    }
    const json_t *shape = json_object_get(row, "shape");
    matrix m = { .r = r, .row = row, .rows = (size_t)json_integer_value(json_array_get(shape, 0)), .cols = 1 };
    for (size_t i = 1; i < json_array_size(shape); i++) m.cols *= (size_t)json_integer_value(json_array_get(shape, i));
    m.values = calloc(m.rows * m.cols + 1, sizeof *m.values);
    const json_t *pipelines = json_object_get(r->manifest, "pipelines");
    bool good = m.values && undo(&m, json_string_value(json_array_get(pipelines, number(row, "pipeline"))));
    for (size_t i = 0; good && i < m.rows * m.cols; i++) {
        uint8_t word[8];
        size_t width = round_to(string(row, "dtype"), m.values[i], word);
        good = width && width <= file->size - *at;
        if (good) memcpy(file->bytes + *at, word, width);
        *at += width;
    }
    free(m.values);
    return good;
}

static bool put_file(const reading *r, size_t i, oracle_file *out)
{
    const json_t *file = json_array_get(json_object_get(r->manifest, "files"), i), *tensors = json_object_get(r->manifest, "tensors");
    char name[40];
    ent_bytes rest;
    size_t at = 0, used = 0, n = json_array_size(tensors);
    snprintf(out->name, sizeof out->name, "%s", string(file, "name"));
    snprintf(name, sizeof name, "libentropy.file.%zu", i);
    out->size = number(file, "bytes");
    out->bytes = calloc(out->size + 1, 1);
    bool good = out->bytes && find(r, name, "U8", &rest);
    for (size_t t = 0; good && t <= n; t++) {
        const json_t *row = json_array_get(tensors, t);
        if (row && number(row, "file") != i) continue;
        size_t to = row ? number(row, "offset") : out->size;
        good = to >= at && to <= out->size && to - at <= rest.size - used;
        if (!good) break;
        memcpy(out->bytes + at, rest.data + used, to - at);
        used += to - at;
        at = to;
        if (row) good = put_tensor(r, row, out, &at);
    }
    return good && used == rest.size && at == out->size;
}

int oracle_pack(ent_bytes packed, oracle_files *out)
{
    uint64_t header = 0;
    ent_bytes text;
    *out = (oracle_files){ 0 };
    for (size_t i = 8; i-- && packed.size >= 8;) header = header << 8 | packed.data[i];
    if (packed.size < 8 || header > packed.size - 8) return 1;
    reading r = { .data = packed.data + 8 + header, .size = packed.size - 8 - header };
    r.header = json_loadb((const char *)packed.data + 8, header, JSON_REJECT_DUPLICATES, NULL);
    bool good = r.header && find(&r, "libentropy.packed", "U8", &text);
    if (good) r.manifest = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    good = good && !strcmp(string(r.manifest, "format"), "libentropy packed model") && number(r.manifest, "version") == 1;
    const size_t files = json_array_size(json_object_get(r.manifest, "files"));
    for (size_t i = 0; good && i < files && i < ORACLE_FILES; i++, out->n++) good = put_file(&r, i, &out->file[i]);
    json_decref(r.manifest);
    json_decref(r.header);
    if (!good) oracle_files_free(out);
    return !good;
}
