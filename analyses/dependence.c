/* dependence.c - see dependence.h.
 *
 * A tensor is cut into parts of whole rows that threads count into tables of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dependence.h"

enum {
    PART = 1 << 18,           /* symbols, so that a part and the row above it fit a second-level cache */
    LEAST_ROW = 64,           /* shorter last axes are taken together with the next: a kernel of a convolution */
    MOST_COLUMNS = 1 << 20,   /* of a row; longer ones are vectors */
    MOST_ROWS = 1 << 22,
    LINE = 4096,              /* a vector is looked at in lines of this */
    WINDOW = 128,             /* parts between two releases of pages: 64 MiB of 16-bit words */
};

/* ---- the matrix ------------------------------------------------------------------------------------------- */

struct matrix {
    uint64_t rows, columns, lines; /* rows 0: a vector, of `lines` lines of which the last may be short */
};

static struct matrix matrix_of(const ent_tensor *t)
{
    uint64_t columns = 1;
    for (uint32_t k = t->rank; k-- > 0 && columns < LEAST_ROW;) columns *= t->shape[k];
    uint64_t rows = columns ? t->elements / columns : 0;
    if (rows < 2 || columns < 2 || columns > MOST_COLUMNS || rows > MOST_ROWS)
        return (struct matrix){ 0, LINE, (t->elements + LINE - 1) / LINE };
    return (struct matrix){ rows, columns, rows };
}

/* ---- symbols of one byte ------------------------------------------------------------------------------------ */

/* What is looked at: the exponent of a float, all of a code.  False: nothing of one byte. */
static bool symbol_field(const ent_format *format, const char **name)
{
    if (!format) return false;
    if (format->kind == ENT_KIND_FLOAT && format->exponent_bits)
        *name = format->exponent_bits > 8 ? "exponent:low8" : "exponent";
    else if (format->bits <= 8)
        *name = "word";
    else
        return false;
    return true;
}

struct symbols {
    const ent_format *format;
    ent_split split;
    bool whole; /* the symbols are the words */
};

static ent_status symbols_of(struct symbols *s, const ent_format *format, const char *field, ent_error *error)
{
    char text[48];
    s->format = format;
    s->whole = !strcmp(field, "word");
    snprintf(text, sizeof text, s->whole ? "%s" : "%s|rest", field);
    return ent_split_parse(format, text, &s->split, error);
}

struct scratch { /* of a thread */
    ent_dependence *counts;
    ent_buffer words, symbols, layer, model;
};

/* Symbols first .. first + n - 1 of a tensor to `out`. */
static ent_status take(const struct symbols *s, const ent_tensor *t, uint64_t first, size_t n, ent_buffer *words,
                       uint8_t *out)
{
    const void *from;
    if (ent_format_packed(s->format)) {
        uint64_t start = first / 8 * 8; /* on a byte */
        uint32_t width = ent_format_width(s->format);
        if (ent_buffer_reserve(words, (n + 8) * width)) return ENT_ENOMEM;
        ent_format_unpack(s->format, t->bytes.data, (size_t)start, n + (size_t)(first - start), words->data);
        from = words->data + (first - start) * width;
    } else {
        from = t->bytes.data + first * (s->format->bits / 8);
    }
    void *stream[ENT_MAX_FIELDS] = { out };
    if (s->whole)
        memcpy(out, from, n);
    else
        ent_split_words(&s->split, from, n, stream);
    return ENT_OK;
}

/* ---- counting a tensor ---------------------------------------------------------------------------------------- */

struct counting {
    const struct dependence *dependence;
    const ent_weights *weights;
    const ent_tensor *tensor, *layer, *model; /* the latter two may be NULL */
    struct matrix matrix;
    struct symbols symbols;
    uint64_t part_lines;
    size_t first; /* part of the window */
    struct scratch *scratch;
};

/* The same place in the next layer: the first number between dots, plus 1. */
static const ent_tensor *next_layer(const ent_weights *weights, const ent_tensor *t)
{
    char name[512];
    for (const char *at = strchr(t->name, '.'); at; at = strchr(at + 1, '.')) {
        char *end;
        unsigned long number = strtoul(at + 1, &end, 10);
        if (end == at + 1 || *end != '.' || at[1] < '0' || at[1] > '9') continue;
        int size = snprintf(name, sizeof name, "%.*s.%lu%s", (int)(at - t->name), t->name, number + 1, end);
        return size < (int)sizeof name ? ent_weights_find(weights, name) : NULL;
    }
    return NULL;
}

static bool same_kind(const ent_tensor *a, const ent_tensor *b)
{
    return b && a->rank == b->rank && !strcmp(a->dtype, b->dtype) && a->elements == b->elements &&
           (!a->rank || !memcmp(a->shape, b->shape, a->rank * sizeof *a->shape));
}

static ent_status take_part(const struct counting *c, struct scratch *s, const ent_tensor *t, uint64_t first, size_t n,
                            ent_buffer *out)
{
    if (!t) return ENT_OK;
    if (ent_buffer_reserve(out, n)) return ENT_ENOMEM;
    return take(&c->symbols, t, first, n, &s->words, out->data);
}

/* Counts a line; `at`: where its symbols are in the buffers. */
static void count_line(const struct counting *c, struct scratch *s, uint64_t line, size_t at, size_t n, bool has_above)
{
    for (size_t k = 0; k < n; k += ENT_PIECE) {
        ent_piece p = { .row = line, .column = k, .columns = c->matrix.columns };
        p.n = n - k < ENT_PIECE ? n - k : ENT_PIECE;
        p.symbol = s->symbols.data + at + k;
        if (has_above) p.beside[ENT_BESIDE_ABOVE] = p.symbol - c->matrix.columns;
        if (c->layer) p.beside[ENT_BESIDE_LAYER] = s->layer.data + at + k;
        if (c->model) p.beside[ENT_BESIDE_MODEL] = s->model.data + at + k;
        ent_dependence_add(s->counts, &p);
    }
}

static ent_status count_part(size_t i, unsigned thread, void *context)
{
    const struct counting *c = context;
    struct scratch *s = &c->scratch[thread];
    uint64_t first = (c->first + i) * c->part_lines, columns = c->matrix.columns, all = c->tensor->elements;
    uint64_t end = first + c->part_lines < c->matrix.lines ? first + c->part_lines : c->matrix.lines;
    uint64_t lead = first && c->matrix.rows; /* the row above the first */
    uint64_t from = (first - lead) * columns, to = end * columns < all ? end * columns : all;
    ent_status status = take_part(c, s, c->tensor, from, (size_t)(to - from), &s->symbols);
    if (!status) status = take_part(c, s, c->layer, from, (size_t)(to - from), &s->layer);
    if (!status) status = take_part(c, s, c->model, from, (size_t)(to - from), &s->model);
    for (uint64_t line = first; line < end && !status; line++) {
        uint64_t at = line * columns, n = at + columns < to ? columns : to - at;
        count_line(c, s, line, (size_t)(at - from), (size_t)n, c->matrix.rows && line > 0);
    }
    return status;
}

static void release(const struct counting *c)
{
    ent_weights_release(c->weights, c->tensor->bytes);
    if (c->layer) ent_weights_release(c->weights, c->layer->bytes);
    if (c->model) ent_weights_release(c->dependence->against, c->model->bytes);
}

static ent_status count_parts(struct counting *c, const ent_counts *symbols, unsigned threads)
{
    unsigned beside = (unsigned)(c->matrix.rows > 1) << ENT_BESIDE_ABOVE | (unsigned)(c->layer != NULL) << ENT_BESIDE_LAYER |
                      (unsigned)(c->model != NULL) << ENT_BESIDE_MODEL;
    size_t parts = (size_t)((c->matrix.lines + c->part_lines - 1) / c->part_lines);
    ent_status status = ENT_OK;
    for (unsigned t = 0; t < threads && !status; t++)
        status = ent_dependence_new(&c->scratch[t].counts, c->dependence->context, symbols, c->matrix.rows,
                                    c->matrix.columns, beside);
    for (c->first = 0; c->first < parts && !status; c->first += WINDOW) {
        size_t window = parts - c->first < WINDOW ? parts - c->first : WINDOW;
        status = ent_parallel(window, threads, count_part, c);
        release(c);
    }
    for (unsigned t = 1; t < threads && !status; t++) ent_dependence_merge(c->scratch[0].counts, c->scratch[t].counts);
    return status;
}

static struct finding *new_finding(struct findings *f, const char *symbol, const char *context)
{
    struct finding *new = &f->finding[f->n++];
    new->information = (ent_information){ 0 };
    snprintf(new->symbol, sizeof new->symbol, "%s", symbol);
    snprintf(new->context, sizeof new->context, "%s", context);
    return new;
}

/* What places tell about symbols: a pass over the tensor. */
static ent_status find_places(const struct dependence *d, const ent_weights *weights, const ent_tensor *t,
                              const ent_word_counts *counts, struct findings *f, ent_error *error)
{
    const char *field;
    size_t contexts = 0;
    ent_counts symbols = { 0, NULL };
    struct counting c = { .dependence = d, .weights = weights, .tensor = t, .matrix = matrix_of(t) };
    if (!symbol_field(counts->format, &field)) return ENT_OK;
    for (; d->context[contexts]; contexts++) new_finding(f, field, d->context[contexts]->name);
    if (!t->elements || t->elements > UINT32_MAX) return ENT_OK; /* more than the counts hold */
    c.layer = next_layer(weights, t);
    c.model = d->against ? ent_weights_find(d->against, t->name) : NULL;
    if (!same_kind(t, c.layer)) c.layer = NULL;
    if (!same_kind(t, c.model)) c.model = NULL;
    c.part_lines = PART / c.matrix.columns < 8 ? 8 : PART / c.matrix.columns;
    uint64_t parts = (c.matrix.lines + c.part_lines - 1) / c.part_lines;
    unsigned threads = ent_threads(d->common->threads);
    if (threads > parts) threads = (unsigned)parts;
    ent_status status = symbols_of(&c.symbols, counts->format, field, error);
    if (!status) status = ent_word_counts_field(counts, &c.symbols.split.field[0], &symbols);
    if (!status && !(c.scratch = ent_calloc(threads, sizeof *c.scratch))) status = ENT_ENOMEM;
    if (!status) status = count_parts(&c, &symbols, threads);
    for (size_t i = 0; d->context[i] && !status; i++)
        status = ent_dependence_information(c.scratch[0].counts, i, &f->finding[f->n - contexts + i].information);
    for (unsigned k = 0; k < threads && c.scratch; k++) {
        ent_dependence_free(c.scratch[k].counts);
        ent_free(c.scratch[k].words.data);
        ent_free(c.scratch[k].symbols.data);
        ent_free(c.scratch[k].layer.data);
        ent_free(c.scratch[k].model.data);
    }
    ent_free(c.scratch);
    ent_counts_free(&symbols);
    return status;
}

/* ---- fields ---------------------------------------------------------------------------------------------------- */

/* One pair of fields, where one plane of the counts holds both. */
static ent_status find_pair(const ent_word_counts *counts, const char *symbol, const char *context, struct findings *f)
{
    ent_field of, given;
    ent_information information;
    ent_status status = ent_field_parse(counts->format, symbol, &of, NULL);
    if (!status) status = ent_field_parse(counts->format, context, &given, NULL);
    if (!status) status = ent_information_of_fields(counts, &of, &given, &information);
    if (status == ENT_EUNSUPPORTED) return ENT_OK;
    if (!status) new_finding(f, symbol, context)->information = information;
    return status;
}

static ent_status find_fields(const ent_word_counts *counts, struct findings *f)
{
    const ent_format *format = counts->format;
    if (!format || format->kind != ENT_KIND_FLOAT || !format->exponent_bits) return ENT_OK;
    ent_status status = format->sign_bits ? find_pair(counts, "exponent", "sign", f) : ENT_OK;
    if (!format->mantissa_bits) return status;
    const char *mantissa = format->bits == 32 ? "mantissa:top7" : format->bits == 64 ? "mantissa:top4" : "mantissa";
    if (!status) status = find_pair(counts, mantissa, "exponent", f);
    if (!status && format->sign_bits) status = find_pair(counts, mantissa, "sign", f);
    for (unsigned bit = format->mantissa_bits; bit-- > 0 && !status && f->n < MAX_FINDINGS - MAX_CONTEXTS;) {
        char text[32];
        snprintf(text, sizeof text, "[%u:%u]", bit, bit);
        status = find_pair(counts, text, "exponent", f);
    }
    return status;
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

static ent_status add_to(struct dependence *d, const char *scope, const char *name, const struct findings *f)
{
    struct findings *sum = NULL;
    for (size_t i = 0; i < d->sums && !sum; i++)
        if (!strcmp(d->sum[i].scope, scope) && !strcmp(d->sum[i].name, name) && !strcmp(d->sum[i].dtype, f->dtype))
            sum = &d->sum[i];
    if (!sum) {
        struct findings *larger = ent_grow(d->sum, &d->room, d->sums, sizeof *larger);
        if (!larger) return ENT_ENOMEM;
        d->sum = larger;
        sum = &d->sum[d->sums++];
        *sum = (struct findings){ .scope = scope, .name = ent_copy_text(name), .dtype = ent_copy_text(f->dtype), .n = f->n };
        if (!sum->name || !sum->dtype) return ENT_ENOMEM;
        for (size_t k = 0; k < f->n; k++) {
            sum->finding[k] = f->finding[k];
            sum->finding[k].information = (ent_information){ 0 };
        }
    }
    for (size_t k = 0; k < f->n; k++) ent_information_add(&sum->finding[k].information, &f->finding[k].information);
    return ENT_OK;
}

ent_status dependence_tensor(struct dependence *d, const ent_weights *weights, const ent_tensor *tensor,
                             const ent_word_counts *counts, ent_error *error)
{
    struct findings f = { .scope = "tensor", .name = (char *)(uintptr_t)tensor->name,
                          .dtype = (char *)(uintptr_t)tensor->dtype };
    ent_status status = find_places(d, weights, tensor, counts, &f, error);
    if (!status) status = find_fields(counts, &f);
    if (!status && f.n) status = add_to(d, "model", d->model, &f);
    if (!status && f.n) status = add_to(d, "role", tensor->role, &f);
    if (status) return ent_fail(error, status, "tensor %s: %s", tensor->name, ent_status_text(status));
    if (d->common->json) findings_json(d, &f);
    return ENT_OK;
}

void dependence_clear(struct dependence *d)
{
    for (size_t i = 0; i < d->sums; i++) {
        ent_free(d->sum[i].name);
        ent_free(d->sum[i].dtype);
    }
    ent_free(d->sum);
    d->sum = NULL;
    d->sums = d->room = 0;
}
