/* oracle_pack.c - see oracle.h.  Follows libentropy/pack/FORMAT.md and, for the parts, the heads of rtn.c, grid.h, ternary.c,
 * cut.c, bf16.c, bitstack.c and repair.c in libentropy/transform. */
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
    size_t blocks; /* of a stack: so many are loaded */
} reading;

/* A matrix being unpacked. */
typedef struct matrix {
    const reading *r;
    const json_t *row; /* of the manifest */
    const char *stage; /* "rtn(bits=4,...": the one being undone and its settings */
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

/* ---- stages ----------------------------------------------------------------------------------------------------- */

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
    const size_t block = (size_t)setting(m, "block"), width = block && block < m->cols ? block : m->cols, blocks = (m->cols + width - 1) / width;
    ent_bytes exponents, fractions, scales;
    if (!part(m, "exponents", "U8", n, &exponents) || !part(m, "fractions", "U8", n, &fractions)) return false;
    if (block && !part(m, "scales", "BF16", 2 * m->rows * blocks, &scales)) return false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t f = fractions.data[i], sign = f >> bits, fraction = f & ((1u << bits) - 1);
        m->values[i] = bits_float(sign << 31 | (uint32_t)exponents.data[i] << 23 | fraction << (23 - bits));
        if (block) m->values[i] *= bf16_at(scales, i / m->cols * blocks + i % m->cols / width);
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

/* A number of a factor: in F16, or as a code and its group's scale. */
typedef float factor_at(ent_bytes words, ent_bytes scales, size_t row, size_t col, size_t cols, long group);

static float half_factor(ent_bytes words, ent_bytes scales, size_t row, size_t col, size_t cols, long group)
{
    (void)scales, (void)group;
    return f16_at(words, row * cols + col);
}

static float scaled_factor(ent_bytes words, ent_bytes scales, size_t row, size_t col, size_t cols, long group)
{
    const size_t width = group > 0 && (size_t)group < cols ? (size_t)group : cols;
    const size_t at = group == -1 ? 0 : row * ((cols + width - 1) / width) + col / width;
    return (float)(int8_t)words.data[row * cols + col] * f16_at(scales, at);
}

/* How many blocks come before the one of a tensor: by the offsets of their tensors. */
static size_t blocks_before(const reading *r, ent_bytes left)
{
    size_t n = 0;
    const char *name;
    json_t *tensor;
    json_object_foreach(r->header, name, tensor)
    {
        ent_bytes other;
        n += strstr(name, "/left.") && find(r, name, "F16", &other) && other.data < left.data;
    }
    return n;
}

/* Levels as many as there are and loaded; a bit a weight, the highest of a byte first, 1: plus. */
static bool bitstack(matrix *m)
{
    const bool has_signs = setting(m, "signs") > 0;
    for (int level = 0; level < 64; level++) {
        char path[300], name[3][20];
        ent_bytes signs = { NULL, 0 }, left, right;
        static const char *const kinds[] = { "signs", "left", "right" };
        for (int i = 0; i < 3; i++) snprintf(name[i], sizeof name[i], "%s.%d", kinds[i], level);
        snprintf(path, sizeof path, "%s/%s", string(m->row, "name"), name[1]);
        if (!find(m->r, path, "F16", &left) || blocks_before(m->r, left) >= m->r->blocks) return true;
        const size_t rank = left.size / 2 / m->rows;
        if (!part(m, name[1], "F16", 2 * m->rows * rank, &left) || !part(m, name[2], "F16", 2 * rank * m->cols, &right)) return false;
        if (has_signs && !part(m, name[0], "U8", (m->rows * m->cols + 7) / 8, &signs)) return false;
        for (size_t i = 0; i < m->rows * m->cols; i++) {
            const bool plus = !has_signs || signs.data[i / 8] >> (7 - i % 8) & 1;
            float sum = 0;
            for (size_t k = 0; k < rank; k++) sum += f16_at(left, i / m->cols * rank + k) * f16_at(right, k * m->cols + i % m->cols);
            m->values[i] += plus ? sum : -sum;
        }
    }
    return false;
}

/* The matrix gets left^T right, term after term. */
static bool repair(matrix *m)
{
    const bool whole = setting(m, "bits") >= 16;
    const long width = (long)setting(m, "group");
    const size_t least = m->rows < m->cols ? m->rows : m->cols, rank = setting(m, "rank") < (double)least ? (size_t)setting(m, "rank") : least;
    const char *dtype = whole ? "F16" : "I8";
    const size_t bytes = whole ? 2 : 1;
    factor_at *const at = whole ? half_factor : scaled_factor;
    ent_bytes left, right, left_scales = { NULL, 0 }, right_scales = { NULL, 0 };
    if (!part(m, "left", dtype, bytes * rank * m->rows, &left) || !part(m, "right", dtype, bytes * rank * m->cols, &right)) return false;
    if (!whole) {
        char path[300];
        snprintf(path, sizeof path, "%s/left.scales", string(m->row, "name"));
        if (!find(m->r, path, "F16", &left_scales)) return false;
        snprintf(path, sizeof path, "%s/right.scales", string(m->row, "name"));
        if (!find(m->r, path, "F16", &right_scales)) return false;
    }
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            for (size_t k = 0; k < rank; k++)
                m->values[r * m->cols + c] += at(left, left_scales, k, r, m->rows, width) * at(right, right_scales, k, c, m->cols, width);
    return true;
}

static const struct { const char *name; bool (*undo)(matrix *m); bool after; } stages[] = {
    { "rtn(", grid, false }, { "gptq(", grid, false }, { "ternary(", ternary, false }, { "cut(", cut, false }, { "bf16", bf16, false },
    { "bitstack(", bitstack, false }, { "lowrank(", repair, true }, { "slim(", repair, true }, { "eora(", repair, true },
};

/* Pruning, before the quantizer, leaves nothing to undo; repairs follow it.  Other stages are not known here. */
static bool undo(matrix *m, const char *pipeline)
{
    if (!strncmp(pipeline, "prune(", 6)) pipeline = strchr(pipeline, ')') + 2;
    for (bool after = false; pipeline; after = true) {
        size_t i = 0;
        while (i < sizeof stages / sizeof *stages && (strncmp(pipeline, stages[i].name, strlen(stages[i].name)) || stages[i].after != after)) i++;
        m->stage = pipeline;
        if (i == sizeof stages / sizeof *stages || !stages[i].undo(m)) return false;
        pipeline = strchr(pipeline, ' ');
        if (pipeline) pipeline++;
    }
    return true;
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

int oracle_pack(ent_bytes packed, oracle_files *out) { return oracle_stack(packed, SIZE_MAX, out); }

int oracle_stack(ent_bytes packed, size_t blocks, oracle_files *out)
{
    uint64_t header = 0;
    ent_bytes text;
    *out = (oracle_files){ 0 };
    for (size_t i = 8; i-- && packed.size >= 8;) header = header << 8 | packed.data[i];
    if (packed.size < 8 || header > packed.size - 8) return 1;
    reading r = { .data = packed.data + 8 + header, .size = packed.size - 8 - header, .blocks = blocks };
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
