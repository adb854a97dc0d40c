/* stats_figures.c - the figures of `entropy stats`: exponents and laws, layers, mantissa bits, gaps of codecs.
 *
 * What a figure shows is a TSV beside it; the scripts analyses/plots/NAME.gp draw it by column names. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_gap.h"
#include "gnuplot.h"
#include "model.h"
#include "save.h"
#include "stats_folder.h"

struct figure { /* being made */
    const struct stats_folder *f;
    struct plotter *plotter;
    char path[PATH_MAX], data[PATH_MAX + 8], title[400];
    struct save save;
};

static ent_status figure_begin(struct figure *g, const char *kind, const char *more, const char *what, ent_error *error)
{
    const char *model = g->f->report->model;
    plot_path(g->plotter, g->path, kind, model, more);
    snprintf(g->data, sizeof g->data, "%s.tsv", g->path);
    snprintf(g->title, sizeof g->title, "%.200s, %.100s: %s", model_name(model), more, what);
    return save_open(&g->save, g->data, error);
}

/* Script arguments: the data, where to draw, the title, and up to two more. */
static ent_status figure_end(struct figure *g, const char *script, const char *a, const char *b, ent_error *error)
{
    const char *const argument[] = { g->data, g->path, g->title, a, b };
    ent_status status = save_close(&g->save, ENT_OK, error);
    return status ? status : plot_counted(g->plotter, gnuplot_run(script, argument, a ? b ? 5 : 4 : 3, error));
}

/* Counts of all roles of one dtype. */
static ent_status counts_of(const struct census *census, const char *dtype, ent_word_counts *sum)
{
    ent_status status = ent_word_counts_init(sum, ent_format_find(dtype));
    for (size_t i = 0; i < census->entries && !status; i++)
        if (!strcmp(census->entry[i].dtype, dtype)) status = ent_word_counts_merge(sum, &census->entry[i].counts);
    return status;
}

/* ---- exponents and laws ----------------------------------------------------------------------------------------- */

struct shares { /* of each exponent field */
    double *measured, *best, *normal;
    size_t n;
    double fitted; /* weights of the tensors that have fits */
};

static ent_status add_fit(const struct tensor_fit *t, const ent_format *format, struct shares *s, double *mass)
{
    size_t normal = 0;
    double n = (double)t->tensor->elements, finite = n - (double)t->not_finite;
    if (!t->fits || ent_format_find(t->tensor->dtype) != format) return ENT_OK;
    while (strcmp(t->fit[normal].law->name, "normal")) normal++;
    for (int k = 0; k < 2; k++) {
        double *to = k ? s->normal : s->best;
        ent_status status = ent_fit_exponents(&t->fit[k ? normal : 0], format, (double)t->zeros / finite, mass);
        if (status) return status;
        for (size_t e = 0; e < s->n; e++) to[e] += n * mass[e];
    }
    s->fitted += n;
    return ENT_OK;
}

static ent_status shares_of(const struct stats_folder *f, const ent_word_counts *counts, struct shares *s)
{
    ent_field field;
    ent_counts exponents = { 0, NULL };
    ent_status status = ent_field_parse(counts->format, "exponent", &field, NULL);
    double *mass = ent_calloc(s->n, sizeof *mass), total = (double)ent_word_counts_total(counts);
    if (!status) status = ent_word_counts_field(counts, &field, &exponents);
    if (!status && !mass) status = ENT_ENOMEM;
    for (size_t e = 0; e < s->n && !status; e++) s->measured[e] = (double)exponents.count[e] / total;
    for (size_t i = 0; i < f->fits && !status; i++) status = add_fit(&f->fit[i], counts->format, s, mass);
    for (size_t e = 0; e < s->n && s->fitted > 0; e++) s->best[e] /= s->fitted, s->normal[e] /= s->fitted;
    ent_counts_free(&exponents);
    ent_free(mass);
    return status;
}

static ent_status draw_exponents(struct figure *g, const char *dtype, const ent_word_counts *counts, ent_error *error)
{
    const double least = 1e-8; /* shares below this are not shown */
    const ent_format *format = counts->format;
    if (format->kind != ENT_KIND_FLOAT || !format->exponent_bits) return ENT_OK;
    struct shares s = { .n = (size_t)1 << format->exponent_bits };
    if (!(s.measured = ent_calloc(3 * s.n, sizeof *s.measured))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    s.best = s.measured + s.n;
    s.normal = s.best + s.n;
    ent_status status = shares_of(g->f, counts, &s);
    if (status) ent_fail(error, status, "exponents of %s: %s", dtype, ent_status_text(status));
    if (!status) status = figure_begin(g, "exponents", dtype, "exponents, measured and by law", error);
    if (!status) fputs("field\texponent\tmeasured\tbest_laws\tnormal_laws\n", g->save.file);
    for (size_t e = 0; e < s.n && !status; e++) {
        if (s.measured[e] < least && s.best[e] < least && s.normal[e] < least) continue;
        fprintf(g->save.file, "%zu\t%d\t%.9g\t", e, (int)e - format->bias, s.measured[e]);
        if (s.fitted > 0) fprintf(g->save.file, "%.9g\t%.9g\n", s.best[e], s.normal[e]);
        else fputs("NaN\tNaN\n", g->save.file);
    }
    if (!status) status = figure_end(g, "exponents", NULL, NULL, error);
    ent_free(s.measured);
    return status;
}

/* ---- what each bit of the mantissa holds ---------------------------------------------------------------------------- */

static ent_status write_bit(FILE *file, const ent_word_counts *counts, const ent_field *exponent, unsigned bit)
{
    char text[32];
    ent_field field;
    ent_counts ones = { 0, NULL };
    ent_information i;
    snprintf(text, sizeof text, "[%u:%u]", bit, bit);
    ent_status status = ent_field_parse(counts->format, text, &field, NULL);
    if (!status) status = ent_word_counts_field(counts, &field, &ones);
    if (status) return status;
    fprintf(file, "%u\t%.9g\t", bit, ent_entropy_bits(&ones));
    ent_counts_free(&ones);
    status = ent_information_of_fields(counts, &field, exponent, &i);
    if (!status)
        fprintf(file, "%.9g\t%.9g\t%.6g\n", ent_information_bits(&i), i.null_mean / (double)i.symbols,
                ent_information_p(&i));
    else
        fputs("NaN\tNaN\tNaN\n", file); /* in another plane than the exponent */
    return status == ENT_EUNSUPPORTED ? ENT_OK : status;
}

static ent_status draw_mantissa(struct figure *g, const char *dtype, const ent_word_counts *counts, ent_error *error)
{
    const ent_format *format = counts->format;
    ent_field exponent;
    if (format->kind != ENT_KIND_FLOAT || !format->mantissa_bits || !ent_word_counts_total(counts)) return ENT_OK;
    ent_status status = ent_field_parse(format, "exponent", &exponent, error);
    if (!status) status = figure_begin(g, "mantissa", dtype, "what the bits of the mantissa hold", error);
    if (status) return status;
    fputs("bit\tentropy\tinformation\tchance\tp\n", g->save.file);
    for (unsigned bit = format->mantissa_bits; bit-- > 0 && !status;)
        if ((status = write_bit(g->save.file, counts, &exponent, bit)))
            ent_fail(error, status, "mantissa of %s: %s", dtype, ent_status_text(status));
    return status ? save_close(&g->save, status, error) : figure_end(g, "mantissa", NULL, NULL, error);
}

/* ---- layers ------------------------------------------------------------------------------------------------------------ */

struct place { /* all tensors of a layer, role and dtype */
    const char *role;
    long layer; /* -1: none */
    double bits, weights;
};

/* The first number between dots. */
static long layer_of(const char *name)
{
    for (const char *at = strchr(name, '.'); at; at = strchr(at + 1, '.')) {
        size_t digits = strspn(at + 1, "0123456789");
        if (digits && digits < 7 && at[digits + 1] == '.') return strtol(at + 1, NULL, 10);
    }
    return -1;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int roles = strcmp(x->role, y->role);
    return roles ? roles : (x->layer > y->layer) - (x->layer < y->layer);
}

static size_t places_of(const struct stats_report *report, const char *dtype, struct place *place)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < report->rows; i++) {
        const struct stats_row *row = &report->row[i];
        const struct measures *m = row->by;
        uint32_t field = 0;
        if (strcmp(row->scope, "tensor") || strcmp(row->dtype, dtype) || !m->count) continue;
        for (uint32_t k = 0; k < m->fields; k++)
            if (!strcmp(m->field[k].field, "exponent")) field = k;
        place[n++] = (struct place){ row->role, layer_of(row->name), m->field[field].estimate.bits * (double)m->count,
                                     (double)m->count };
    }
    if (n) qsort(place, n, sizeof *place, by_place);
    for (size_t i = 0; i < n; i++) {
        if (kept && !by_place(&place[kept - 1], &place[i])) {
            place[kept - 1].bits += place[i].bits;
            place[kept - 1].weights += place[i].weights;
        } else {
            place[kept++] = place[i];
        }
    }
    return kept;
}

/* The range of colours: of places that hold a thousandth of the weights or more. */
static void colours(const struct place *place, size_t n, double *low, double *high)
{
    double all = 0;
    for (size_t i = 0; i < n; i++) all += place[i].weights;
    *low = INFINITY, *high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double bits = place[i].bits / place[i].weights;
        if (place[i].weights < all / 1000) continue;
        *low = fmin(*low, bits);
        *high = fmax(*high, bits);
    }
    if (!(*high > *low + 1e-3)) *low -= 5e-4, *high += 5e-4;
}

static ent_status draw_layers(struct figure *g, const char *dtype, const ent_format *format, ent_error *error)
{
    const struct stats_report *report = g->f->report;
    struct place *place = ent_calloc(report->rows + 1, sizeof *place);
    if (!place) return ent_fail(error, ENT_ENOMEM, "out of memory");
    size_t n = places_of(report, dtype, place), roles = 0;
    long last = -1;
    bool in_layers = true; /* all of them: else there is a column for what is in none */
    double low, high;
    char range[64], size[64];
    ent_status status = ENT_OK;
    for (size_t i = 0; i < n; i++) {
        last = place[i].layer > last ? place[i].layer : last;
        in_layers &= place[i].layer >= 0;
        roles += !i || strcmp(place[i - 1].role, place[i].role);
    }
    if (last >= 0 && n > 1) { /* one place alone is no map */
        bool exponent = format && format->kind == ENT_KIND_FLOAT && format->exponent_bits;
        status = figure_begin(g, "layers", dtype, exponent ? "entropy of exponents, bits" : "entropy of words, bits",
                              error);
        if (!status) fputs("role\trow\tlayer\tbits\tweights\n", g->save.file);
        for (size_t i = 0, row = 0; i < n && !status; i++) {
            row += i && strcmp(place[i - 1].role, place[i].role);
            fprintf(g->save.file, "%s\t%zu\t%ld\t%.6f\t%.0f\n", place[i].role, row, place[i].layer,
                    place[i].bits / place[i].weights, place[i].weights);
        }
        colours(place, n, &low, &high);
        snprintf(range, sizeof range, "%.6f %.6f", low, high);
        snprintf(size, sizeof size, "%zu %ld %d", roles, last, in_layers);
        if (!status) status = figure_end(g, "layers", size, range, error);
    }
    ent_free(place);
    return status;
}

/* ---- gaps of codecs ------------------------------------------------------------------------------------------------------ */

struct codec_gap {
    const char *name;
    ent_gap gap;
    double bits;
};

static int by_bits(const void *a, const void *b)
{
    const struct codec_gap *x = a, *y = b;
    if (x->bits != y->bits) return x->bits < y->bits ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Every named codec that is not set aside and takes the sample's dtype. */
static ent_status gaps_of(const struct stats_folder *f, const struct sample *sample, struct codec_gap *gap, size_t *n,
                          ent_error *error)
{
    ent_status status = ENT_OK;
    *n = 0;
    for (size_t i = 0; ent_codecs[i].name && !ent_codecs[i].aside && !status; i++) {
        struct codec_gap *g = &gap[*n];
        ent_codec *codec;
        uint64_t bytes;
        status = ent_codec_parse(&codec, ent_codecs[i].name, error);
        if (!status) status = gap_of_codec(sample, codec, f->common->threads, &g->gap, &bytes, error);
        ent_codec_free(codec);
        if (!status) *g = (struct codec_gap){ ent_codecs[i].name, g->gap, 8 * (double)bytes }, ++*n;
        else if (status == ENT_EUNSUPPORTED) status = ENT_OK; /* not in this build, or not of this dtype */
    }
    if (*n) qsort(gap, *n, sizeof *gap, by_bits);
    return status;
}

static void write_gap(FILE *file, size_t row, const struct codec_gap *c, double weights)
{
    const ent_gap *g = &c->gap;
    const double part[] = { c->bits, g->bound, g->model, g->coder, g->kept_raw, g->table, g->index };
    fprintf(file, "%zu\t%s", row, c->name);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) fprintf(file, "\t%.9g", part[i] / weights);
    fputc('\n', file);
}

static ent_status draw_gaps(struct figure *g, ent_error *error)
{
    const uint64_t most = 16 << 20; /* bytes that are coded: a few seconds for all codecs */
    const char *dtype = g->f->weights ? sample_dtype(g->f->weights) : NULL;
    struct sample sample;
    uint64_t bytes = 0;
    size_t n = 0, rows = 0;
    char count[32];
    for (size_t i = 0; dtype && i < ent_weights_tensors(g->f->weights); i++) {
        const ent_tensor *t = ent_weights_tensor(g->f->weights, i);
        if (!strcmp(t->dtype, dtype)) bytes += t->elements * ent_format_width(ent_format_find(dtype));
    }
    if (!bytes) return ENT_OK;
    while (ent_codecs[n].name) n++;
    struct codec_gap *gap = ent_calloc(n, sizeof *gap);
    if (!gap) return ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_status status = sample_take(&sample, g->f->weights, bytes < most ? bytes : most, error);
    if (!status) status = gaps_of(g->f, &sample, gap, &rows, error);
    if (!status) status = figure_begin(g, "gap", dtype, "bits a weight above the bound", error);
    if (!status) fputs("row\tcodec\tbits\tbound\tmodel\tcoder\tkept_raw\ttables\tindex\n", g->save.file);
    for (size_t i = 0; i < rows && !status; i++) write_gap(g->save.file, i, &gap[i], (double)sample.n);
    snprintf(count, sizeof count, "%zu", rows);
    if (!status) status = figure_end(g, "gap", count, NULL, error);
    sample_free(&sample);
    ent_free(gap);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------------- */

static ent_status draw_dtype(struct figure *g, const char *dtype, ent_error *error)
{
    const ent_format *format = ent_format_find(dtype);
    ent_word_counts counts = { 0 };
    ent_status status = draw_layers(g, dtype, format, error);
    if (status || !format) return status;
    if ((status = counts_of(g->f->census, dtype, &counts)))
        ent_fail(error, status, "%s: %s", dtype, ent_status_text(status));
    if (!status) status = draw_exponents(g, dtype, &counts, error);
    if (!status) status = draw_mantissa(g, dtype, &counts, error);
    ent_word_counts_free(&counts);
    return status;
}

ent_status stats_figures(const struct stats_folder *f, struct plotter *plotter, ent_error *error)
{
    struct figure g = { .f = f, .plotter = plotter };
    ent_status status = ENT_OK;
    for (size_t i = 0; i < f->report->rows && !status; i++)
        if (!strcmp(f->report->row[i].scope, "model")) status = draw_dtype(&g, f->report->row[i].dtype, error);
    return status ? status : draw_gaps(&g, error);
}
