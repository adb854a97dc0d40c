/* show.c - results as a table a race, as TSV, and as points for the figure.
 *
 * The figure's axes are made here, since labels are placed on them: decode speed by its logarithm,
 * bits over entropy by the logarithm of what they are above `floor`, since most lie close above 1. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../analyses/label.h"
#include "../../analyses/output.h"
#include "../../analyses/save.h"
#include "bench.h"

/* ---- the table --------------------------------------------------------------------------------- */

static int faster(const void *a, const void *b)
{
    const struct result *x = *(const struct result *const *)a, *y = *(const struct result *const *)b;
    return x->decode != y->decode ? (x->decode < y->decode) - (x->decode > y->decode) : strcmp(x->name, y->name);
}

void show_table(const struct result *result, size_t results)
{
    const struct result *sorted[MOST_CONTESTANTS];
    struct table table;
    for (size_t i = 0; i < results; i++) sorted[i] = &result[i];
    qsort(sorted, results, sizeof *sorted, faster);
    printf("\n%s: %s symbols of %u byte%s, entropy %.3f bits, %s, %u thread%s, memcpy %.2f GB/s\n\n", result->data,
           show_count(result->symbols).text, result->width, result->width == 1 ? "" : "s", result->entropy,
           strcmp(result->residency, "cache") ? "memory to memory" : "in the cache", result->threads,
           result->threads == 1 ? "" : "s", result->memcpy);
    table_begin(&table, "<contestant|<kind|<version|bits/symbol|/entropy|encode GB/s|decode GB/s|median|decode/memcpy|"
                        "decodes|block KiB|<");
    for (size_t i = 0; i < results; i++) {
        const struct result *r = sorted[i];
        table_cell(&table, "%s", r->name);
        table_cell(&table, "%s", kind_names[r->kind]);
        table_cell(&table, "%s", r->version);
        table_number(&table, r->bits, 4);
        table_number(&table, r->bits / r->entropy, 4);
        table_number(&table, r->encode, 3);
        table_number(&table, r->decode, 3);
        table_number(&table, r->decode_median, 3);
        table_number(&table, r->decode / r->memcpy, 3);
        table_cell(&table, "%u", r->rounds);
        table_cell(&table, "%zu", r->block / 1024);
        table_cell(&table, "%s", r->verified ? "" : "WRONG");
    }
    table_end(&table);
    fflush(stdout);
}

/* ---- TSV --------------------------------------------------------------------------------------- */

ent_status show_tsv(const char *path, const struct result *result, size_t results, ent_error *error)
{
    struct save save;
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    fputs("data\tcontestant\tkind\tversion\tthreads\tresidency\tsymbols\tsymbol_bytes\tblock_bytes\tdecodes\t"
          "bits_per_symbol\tentropy_bits\tencode_gbps\tdecode_gbps\tdecode_median_gbps\tmemcpy_gbps\tdecode_ratio\t"
          "verified\n", save.file);
    for (size_t i = 0; i < results; i++) {
        const struct result *r = &result[i];
        fprintf(save.file, "%s\t%s\t%s\t%s\t%u\t%s\t%zu\t%u\t%zu\t%u\t", r->data, r->name, kind_names[r->kind],
                r->version, r->threads, r->residency, r->symbols, r->width, r->block, r->rounds);
        fprintf(save.file, "%.6f\t%.6f\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%d\n", r->bits, r->entropy, r->encode, r->decode,
                r->decode_median, r->memcpy, r->decode / r->memcpy, r->verified);
    }
    return save_close(&save, status, error);
}

/* ---- points of the figure ---------------------------------------------------------------------- */

/* A panel's frame in heights of its text, as bench.gp draws it: change them together. */
static const double frame_width = 45, frame_height = 31, letter_width = 0.55;

struct axes {
    double floor, least, most, slow, fast; /* bits over entropy: from `least` to `most`; GB/s */
};

static double to_x(const struct axes *a, double ratio)
{
    double span = log((a->most - a->floor) / (a->least - a->floor));
    return frame_width * log((ratio - a->floor) / (a->least - a->floor)) / span;
}

static double to_ratio(const struct axes *a, double x)
{
    return a->floor + (a->least - a->floor) * pow((a->most - a->floor) / (a->least - a->floor), x / frame_width);
}

static double to_y(const struct axes *a, double gbps)
{
    return frame_height * log(gbps / a->slow) / log(a->fast / a->slow);
}

static double to_gbps(const struct axes *a, double y) { return a->slow * pow(a->fast / a->slow, y / frame_height); }

static struct axes axes_for(const struct result *const point[], size_t n)
{
    struct axes a = { .least = 1, .most = 1.1, .slow = point[0]->memcpy, .fast = point[0]->memcpy };
    for (size_t i = 0; i < n; i++) {
        double ratio = point[i]->bits / point[i]->entropy;
        a.least = fmin(a.least, ratio), a.most = fmax(a.most, ratio);
        a.slow = fmin(a.slow, point[i]->decode), a.fast = fmax(a.fast, point[i]->decode);
    }
    a.floor = a.least - 0.03;
    a.least -= 0.012; /* room on the left; on the right for labels, which like to stand there */
    a.most = a.floor + (a.most - a.floor) * 1.5;
    a.slow /= 1.3, a.fast *= 1.5;
    return a;
}

static void write_panel(FILE *file, unsigned panel, const struct result *const point[], size_t n)
{
    struct axes a = axes_for(point, n);
    struct label label[MOST_CONTESTANTS];
    const double thick = 0.15;
    double copy = to_y(&a, point[0]->memcpy), one = to_x(&a, 1);
    struct box frame = { 0, frame_width, 0, frame_height };
    struct box line[] = { { 0, frame_width, copy - thick, copy + thick },
                          { one - thick, one + thick, 0, frame_height } };
    for (size_t i = 0; i < n; i++)
        label[i] = (struct label){ .x = to_x(&a, point[i]->bits / point[i]->entropy), .y = to_y(&a, point[i]->decode),
                                   .text_width = letter_width * (double)strlen(point[i]->name) };
    labels_place(label, n, frame, line, sizeof line / sizeof *line);
    for (size_t i = 0; i < n; i++) {
        double x, y;
        label_line_end(&label[i], &x, &y);
        bool near = hypot(x - label[i].x, y - label[i].y) < 0.8; /* it then needs no line */
        if (near) x = label[i].x, y = label[i].y;
        fprintf(file, "%u\t%s\t%s\t%d\t%.6g\t%.6g\t", panel, point[i]->data, point[i]->name,
                (int)point[i]->kind, point[i]->bits / point[i]->entropy, point[i]->decode);
        fprintf(file, "%.6g\t%.6g\t%.6g\t%.6g\t", to_ratio(&a, label[i].left), to_gbps(&a, label[i].middle),
                to_ratio(&a, x), to_gbps(&a, y));
        fprintf(file, "%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\n", a.floor, a.least, a.most, a.slow, a.fast,
                point[i]->memcpy);
    }
}

ent_status show_points(const char *path, const char *residency, const struct result *result, size_t results,
                       ent_error *error)
{
    struct save save;
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    fputs("panel\tdata\tcontestant\tkind\tratio\tgbps\tlabel_ratio\tlabel_gbps\tline_ratio\tline_gbps\t"
          "floor\tleast\tmost\tslow\tfast\tmemcpy\n", save.file);
    unsigned panel = 0;
    for (size_t d = 0; d < data_sets(); d++) {
        const struct result *point[MOST_CONTESTANTS];
        size_t n = 0;
        for (size_t i = 0; i < results; i++)
            if (result[i].threads == 1 && !strcmp(result[i].data, data_name(d)) &&
                !strcmp(result[i].residency, residency))
                point[n++] = &result[i];
        if (n) write_panel(save.file, panel++, point, n);
    }
    return save_close(&save, status, error);
}
