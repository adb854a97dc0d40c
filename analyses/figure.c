/* figure.c - see figure.h.  The scripts analyses/plots/NAME.gp draw a TSV by its column names; a figure's TSV lies
 * beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"
#include "gnuplot.h"
#include "model.h"
#include "pareto.h"
#include "plotter.h"
#include "record.h"
#include "save.h"

struct drawing {
    const struct records *records;
    struct plotter plotter;
};

/* ---- bits per weight against decoding --------------------------------------------------------- */

static size_t collect(const struct records *records, const char *model, const char *target,
                      struct pareto_point *point, double *bound, const struct record **any)
{
    size_t n = 0;
    *bound = INFINITY;
    for (size_t i = 0; i < records->rows && n < PARETO_POINTS; i++) {
        const struct record *r = &records->row[i];
        double speed = strcmp(r->kind, "host") ? r->rate_per_raw : r->decode_per_memcpy;
        if (strcmp(r->model, model) || strcmp(r->target, target) || !record_ok(r)) continue;
        if (!(speed > 0 && r->bits_per_weight > 0)) continue;
        if (r->bound_bits > 0) *bound = fmin(*bound, r->bound_bits);
        *any = r;
        point[n++] = (struct pareto_point){ .codec = r->codec, .speed = speed, .bits = r->bits_per_weight };
    }
    return n;
}

static ent_status draw_pareto(struct drawing *d, const char *model, const char *target, ent_error *error)
{
    struct pareto_point point[PARETO_POINTS];
    struct pareto_text text;
    const struct record *any = NULL;
    double bound;
    size_t n = collect(d->records, model, target, point, &bound, &any);
    if (!n) return ENT_OK;
    bool host = !strcmp(any->kind, "host");
    char path[PATH_MAX];
    plot_path(&d->plotter, path, "pareto", model, target);
    snprintf(text.title, sizeof text.title, "%.200s on %.100s", model_name(model), model_name(target));
    snprintf(text.axis, sizeof text.axis,
             host ? "decode speed / memcpy speed (%llu thread%s)" : "weights per second, coded / uncoded (predicted)",
             (unsigned long long)any->threads, any->threads == 1 ? "" : "s");
    snprintf(text.one, sizeof text.one, "%s", host ? "memcpy" : "uncoded");
    return plot_counted(&d->plotter, pareto_draw(point, n, &text, isfinite(bound) ? bound : NAN, path, error));
}

/* ---- bars of bits per weight ------------------------------------------------------------------ */

static int by_bits(const void *a, const void *b)
{
    const struct record *x = *(const struct record *const *)a, *y = *(const struct record *const *)b;
    if (x->bits_per_weight != y->bits_per_weight) return x->bits_per_weight < y->bits_per_weight ? -1 : 1;
    return strcmp(x->codec, y->codec);
}

/* One record a codec of the model, smallest first. */
static size_t collect_sizes(const struct records *records, const char *model, const struct record **found)
{
    size_t n = 0;
    for (size_t i = 0; i < records->rows && n < PARETO_POINTS; i++) {
        const struct record *r = &records->row[i];
        bool seen = false;
        for (size_t j = 0; j < n; j++) seen |= !strcmp(found[j]->codec, r->codec);
        if (!seen && !strcmp(r->model, model) && r->bits_per_weight > 0) found[n++] = r;
    }
    qsort(found, n, sizeof *found, by_bits);
    return n;
}

static ent_status draw_bars(struct drawing *d, const char *model, ent_error *error)
{
    const struct record *found[PARETO_POINTS];
    size_t n = collect_sizes(d->records, model, found);
    if (!n) return ENT_OK;
    char path[PATH_MAX], data[PATH_MAX + 8], count[32], title[300];
    plot_path(&d->plotter, path, "bits", model, NULL);
    snprintf(data, sizeof data, "%s.tsv", path);
    struct save save;
    ent_status status = save_open(&save, data, error);
    if (!status) fputs("row\tcodec\tbits_per_weight\tbound_bits\n", save.file);
    for (size_t i = 0; i < n && !status; i++)
        fprintf(save.file, "%zu\t%s\t%.6f\t%.6f\n", i, found[i]->codec, found[i]->bits_per_weight,
                found[i]->bound_bits);
    status = save_close(&save, status, error);
    snprintf(count, sizeof count, "%zu", n);
    snprintf(title, sizeof title, "%.200s", model_name(model));
    const char *const argument[] = { data, path, count, title };
    return status ? status : plot_counted(&d->plotter, gnuplot_run("bits", argument, sizeof argument / sizeof *argument, error));
}

/* ---- all of them ------------------------------------------------------------------------------ */

/* Whether row i is the first of its model, or of its model and target. */
static bool is_first(const struct records *records, size_t i, bool target)
{
    for (size_t j = 0; j < i; j++)
        if (!strcmp(records->row[j].model, records->row[i].model) &&
            (!target || !strcmp(records->row[j].target, records->row[i].target)))
            return false;
    return true;
}

ent_status figures_draw(const struct records *records, const char *dir, unsigned *drawn, bool *missing,
                        ent_error *error)
{
    struct drawing d = { .records = records };
    ent_status status = plot_begin(&d.plotter, dir, error);
    for (size_t i = 0; i < records->rows && !status; i++) {
        const struct record *r = &records->row[i];
        if (is_first(records, i, false)) status = draw_bars(&d, r->model, error);
        if (!status && is_first(records, i, true) && r->target[0]) status = draw_pareto(&d, r->model, r->target, error);
    }
    *drawn = d.plotter.drawn;
    *missing = d.plotter.missing;
    return status;
}
