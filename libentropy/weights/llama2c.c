/* llama2c.c - the reader of llama2.c's .bin files, versions 0, 1 and 2.
 *
 * Format (github.com/karpathy/llama2.c, export.py): seven i32 (dim, hidden, layers, heads, kv heads, vocabulary,
 * length), then the weights, one kind after the other over all layers.  Version 0 has nothing before the seven numbers,
 * a negative vocabulary when the output layer is apart, and tables of rotation angles; a file is taken for it when its
 * size is exactly what the numbers ask for.  Versions 1 (F32) and 2 (int8 with an F32 scale for each group) begin with
 * "ak42" and the version, and have 256 bytes before the weights. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "weights/reader.h"

enum { HEADER = 256, NUMBERS = 7, MOST_LAYERS = 10000 };
static const uint32_t magic = 0x616b3432;

typedef struct shape {
    uint64_t dim, hidden, layers, heads, kv_heads, vocabulary, length, kv;
    uint32_t version;
    uint64_t group;
    bool shared; /* the output layer is the embedding */
} shape;

/* What a part's rows and columns count. */
typedef enum size { ONE, DIM, HIDDEN, KV, VOCABULARY, LENGTH, HALF_HEAD } size;

typedef struct part {
    const char *name; /* after "layers.N." where it is of a layer */
    bool layered;
    size rows, cols; /* rows ONE: a vector */
} part;

static const part embedding = { "tok_embeddings.weight", false, VOCABULARY, DIM },
                  attention_norm = { "attention_norm.weight", true, ONE, DIM },
                  ffn_norm = { "ffn_norm.weight", true, ONE, DIM }, norm = { "norm.weight", false, ONE, DIM },
                  output = { "output.weight", false, VOCABULARY, DIM };
static const part attention[] = { { "attention.wq.weight", true, DIM, DIM },
                                  { "attention.wk.weight", true, KV, DIM },
                                  { "attention.wv.weight", true, KV, DIM },
                                  { "attention.wo.weight", true, DIM, DIM } };
static const part ffn[] = { { "feed_forward.w1.weight", true, HIDDEN, DIM },
                            { "feed_forward.w2.weight", true, DIM, HIDDEN },
                            { "feed_forward.w3.weight", true, HIDDEN, DIM } };
static const part angles[] = { { "freqs_cos", false, LENGTH, HALF_HEAD }, { "freqs_sin", false, LENGTH, HALF_HEAD } };

static uint64_t count(const shape *s, size what)
{
    switch (what) {
        case ONE:
            return 1;
        case DIM:
            return s->dim;
        case HIDDEN:
            return s->hidden;
        case KV:
            return s->kv;
        case VOCABULARY:
            return s->vocabulary;
        case LENGTH:
            return s->length;
        case HALF_HEAD:
            return s->dim / s->heads / 2;
    }
    return 0;
}

/* ---- the numbers ------------------------------------------------------------------------------------------------ */

/* NULL, or why they cannot be a model's. */
static const char *read_numbers(const uint8_t *p, shape *s)
{
    int32_t n[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) n[i] = (int32_t)ent_load32(p + 4 * i);
    bool apart = s->version == 0 && n[5] < 0;
    if (s->version == 0) s->shared = !apart;
    if (apart && n[5] > INT32_MIN) n[5] = -n[5];
    for (int i = 0; i < NUMBERS; i++)
        if (n[i] < 1) return "a size of less than 1";
    if (n[2] > MOST_LAYERS) return "more layers than any model has";
    if (n[0] % n[3]) return "dim is no multiple of heads";
    *s = (shape){ (uint64_t)n[0], (uint64_t)n[1], (uint64_t)n[2], (uint64_t)n[3],
                  (uint64_t)n[4], (uint64_t)n[5], (uint64_t)n[6], (uint64_t)n[4] * (uint64_t)(n[0] / n[3]),
                  s->version,     s->group,       s->shared };
    return s->kv <= s->dim ? NULL : "more kv heads than heads";
}

static const char *read_header(ent_bytes file, shape *s, uint64_t *start)
{
    *s = (shape){ .version = 0 };
    *start = 4 * NUMBERS;
    if (file.size < 4 * NUMBERS) return "cut short in its header";
    if (ent_load32(file.data) != magic) return read_numbers(file.data, s);
    if (file.size < HEADER) return "cut short in its header";
    s->version = ent_load32(file.data + 4);
    if (s->version != 1 && s->version != 2) return "a version other than 1 and 2";
    s->shared = file.data[8 + 4 * NUMBERS];
    s->group = s->version == 2 ? ent_load32(file.data + 9 + 4 * NUMBERS) : 0;
    *start = HEADER;
    if (s->version == 2 && (s->group < 1 || s->group > INT32_MAX)) return "a group size of less than 1";
    return read_numbers(file.data + 8, s);
}

/* ---- the weights ------------------------------------------------------------------------------------------------ */

/* Walks the parts in order; without a model it only adds up their bytes. */
typedef struct walk {
    const shape *s;
    ent_weights *model;
    uint64_t at;
    bool failed; /* more than 63 bits, or groups that do not fit */
    bool no_memory;
} walk;

static void add(walk *w, const char *name, const char *dtype, uint32_t bits, uint64_t rows, uint64_t cols, bool vector)
{
    uint64_t elements = rows * cols, bytes; /* of 31 bits each */
    if (__builtin_mul_overflow(elements, bits / 8, &bytes) || __builtin_add_overflow(w->at, bytes, &bytes) ||
        bytes > INT64_MAX)
        w->failed = true;
    if (w->failed) return;
    uint64_t start = w->at;
    w->at = bytes;
    if (!w->model || w->no_memory) return;
    const ent_bytes file = w->model->file[0].bytes;
    uint64_t *sizes = ent_model_alloc(w->model, 2 * sizeof *sizes);
    char *copy = ent_model_text(w->model, name);
    ent_tensor *t = ent_model_add(w->model);
    w->no_memory = !sizes || !copy || !t;
    if (w->no_memory) return;
    sizes[0] = vector ? cols : rows;
    sizes[1] = cols;
    *t = (ent_tensor){ .name = copy,
                       .role = ent_weights_role(name),
                       .dtype = dtype,
                       .dtype_bits = bits,
                       .rank = vector ? 1 : 2,
                       .shape = sizes,
                       .elements = elements,
                       .offset = start,
                       .bytes = { file.data + start, w->at - start } };
}

static void add_layer(walk *w, const part *p, uint64_t layer, bool quantized)
{
    char name[100];
    uint64_t rows = count(w->s, p->rows), cols = count(w->s, p->cols);
    if (p->layered) snprintf(name, sizeof name, "layers.%" PRIu64 ".%s", layer, p->name);
    else snprintf(name, sizeof name, "%s", p->name);
    if (!quantized) {
        add(w, name, "F32", 32, rows, cols, p->rows == ONE);
        return;
    }
    if (rows * cols % w->s->group) w->failed = true;
    add(w, name, "I8", 8, rows, cols, false);
    strcat(name, ".scales");
    add(w, name, "F32", 32, 1, rows * cols / w->s->group, true);
}

static void add_part(walk *w, const part *p, bool quantized)
{
    uint64_t layers = p->layered ? w->s->layers : 1;
    for (uint64_t i = 0; i < layers && !w->failed; i++) add_layer(w, p, i, quantized);
}

static void add_parts(walk *w, const part *p, size_t n, bool quantized)
{
    for (size_t i = 0; i < n; i++) add_part(w, &p[i], quantized);
}

static void add_all(walk *w)
{
    bool quantized = w->s->version == 2;
    if (w->s->version) add_part(w, &attention_norm, false), add_part(w, &ffn_norm, false), add_part(w, &norm, false);
    add_part(w, &embedding, quantized);
    if (!w->s->version) add_part(w, &attention_norm, false);
    add_parts(w, attention, 4, quantized);
    if (!w->s->version) add_part(w, &ffn_norm, false);
    add_parts(w, ffn, 3, quantized);
    if (!w->s->version) {
        add_part(w, &norm, false);
        add_parts(w, angles, 2, false);
    }
    if (!w->s->shared) add_part(w, &output, quantized);
}

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    const ent_weights_file *file = &model->file[0];
    shape s;
    walk sum = { .s = &s }, all = { .s = &s, .model = model };
    const char *wrong = read_header(file->bytes, &s, &sum.at);
    (void)path;
    if (wrong) return ent_fail(error, ENT_ECORRUPT, "%s: no file of llama2.c: %s", file->name, wrong);
    all.at = sum.at;
    add_all(&sum);
    if (sum.failed || sum.at != file->bytes.size)
        return ent_fail(error, ENT_ECORRUPT, "%s: no file of llama2.c, or cut short: its sizes ask for %" PRIu64
                        " bytes, but it has %zu", file->name, sum.failed ? UINT64_MAX : sum.at, file->bytes.size);
    add_all(&all);
    if (all.no_memory) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", file->name);
    return ent_model_finish(model, error);
}

static bool recognises(ent_bytes file)
{
    shape s;
    walk sum = { .s = &s };
    if (file.size >= 4 && ent_load32(file.data) == magic) return true;
    if (read_header(file, &s, &sum.at)) return false;
    add_all(&sum);
    return !sum.failed && sum.at == file.size;
}

const ent_reader ent_reader_llama2c = {
    .name = "llama2c",
    .brief = "a model of llama2.c (.bin)",
    .extension = ".bin",
    .recognises = recognises,
    .read = read_file,
};
