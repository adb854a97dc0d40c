/* pareto.c - see pareto.h.
 *
 * What gnuplot cannot do is done here: which points no other beats, where labels go, the ranges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gnuplot.h"
#include "label.h"
#include "pareto.h"
#include "save.h"

/* The plot's frame in heights of its text: 2.85 x 2.25 inches at 7 points, as pareto.gp draws it. */
static const double frame_width = 29.3, frame_height = 23.1, letter_width = 0.55;

/* The front first, from slow to fast: gnuplot joins rows that follow each other. */
static int front_first(const void *a, const void *b)
{
    const struct pareto_point *x = a, *y = b;
    if (x->front != y->front) return x->front ? -1 : 1;
    if (x->speed != y->speed) return x->speed < y->speed ? -1 : 1;
    return strcmp(x->codec, y->codec);
}

static void find_front(struct pareto_point *point, size_t n)
{
    for (size_t i = 0; i < n; i++) point[i].front = true;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            bool as_good = point[j].speed >= point[i].speed && point[j].bits <= point[i].bits;
            if (as_good && (point[j].speed > point[i].speed || point[j].bits < point[i].bits)) point[i].front = false;
        }
    qsort(point, n, sizeof *point, front_first);
}

/* The axes: speed by its logarithm, bits by the square root of what they are above `floor`, since most
 * codecs lie close above the bound.  The frame is [0, frame_width] x [0, frame_height]. */
struct axes {
    double slow, fast, floor, most, bound; /* bound: the least entropy bound */
};

static double to_x(const struct axes *a, double speed)
{
    return log(speed / a->slow) / log(a->fast / a->slow) * frame_width;
}

static double to_y(const struct axes *a, double bits)
{
    return sqrt((bits - a->floor) / (a->most - a->floor)) * frame_height;
}

static double to_speed(const struct axes *a, double x)
{
    return a->slow * exp(x / frame_width * log(a->fast / a->slow));
}

static double to_bits(const struct axes *a, double y)
{
    double part = y / frame_height;
    return a->floor + part * part * (a->most - a->floor);
}

static struct axes axes_for(const struct pareto_point *point, size_t n, double bound)
{
    struct axes a = { .slow = 1, .fast = 1, .floor = INFINITY, .most = 0,
                      .bound = bound > 0 ? bound : INFINITY }; /* the memcpy is at 1 */
    for (size_t i = 0; i < n; i++) {
        a.slow = fmin(a.slow, point[i].speed), a.fast = fmax(a.fast, point[i].speed);
        a.floor = fmin(a.floor, point[i].bits), a.most = fmax(a.most, point[i].bits);
    }
    a.floor = fmin(a.floor, a.bound);
    double apart = pow(fmax(a.fast / a.slow, 1.5), 0.06), above = fmax(a.most - a.floor, 0.1);
    a.slow /= apart, a.fast *= apart * apart; /* labels like to stand on the right */
    a.floor -= 0.008 * above; /* its square root leaves 9 % of the height below the bound, for its name */
    a.most += 0.06 * above;
    return a;
}

/* What labels should not cover: the line of the memcpy, and the steps of the front. */
static size_t obstacles_of(const struct axes *a, const struct pareto_point *point, size_t n, struct box *box)
{
    const double thick = 0.15;
    size_t boxes = 0;
    double x = to_x(a, 1);
    box[boxes++] = (struct box){ x - thick, x + thick, 0, frame_height };
    for (size_t i = 0; i < n; i++) {
        const struct pareto_point *next = NULL; /* on the front: the next slower, which is smaller */
        for (size_t j = 0; j < n; j++)
            if (point[i].front && point[j].front && point[j].speed < point[i].speed &&
                (!next || point[j].speed > next->speed))
                next = &point[j];
        if (!next) continue;
        double left = to_x(a, next->speed), right = to_x(a, point[i].speed), low = to_y(a, next->bits),
               high = to_y(a, point[i].bits);
        box[boxes++] = (struct box){ left, right, high - thick, high + thick };
        box[boxes++] = (struct box){ left - thick, left + thick, low, high };
    }
    return boxes;
}

static void write_points(FILE *file, const struct pareto_point *point, size_t n, const struct axes *a)
{
    struct label label[PARETO_POINTS];
    struct box box[2 * PARETO_POINTS + 1],
        frame = { 0, frame_width, to_y(a, isfinite(a->bound) ? a->bound : a->floor), frame_height };
    for (size_t i = 0; i < n; i++)
        label[i] = (struct label){ .x = to_x(a, point[i].speed), .y = to_y(a, point[i].bits),
                                   .text_width = letter_width * (double)strlen(point[i].codec) };
    labels_place(label, n, frame, box, obstacles_of(a, point, n, box));
    fputs("codec\tspeed\tbits_per_weight\tfront\tlabel_speed\tlabel_bits\tline_speed\tline_bits\n", file);
    for (size_t i = 0; i < n; i++) {
        double x, y;
        label_line_end(&label[i], &x, &y);
        if (hypot(x - label[i].x, y - label[i].y) < 0.8)
            x = label[i].x, y = label[i].y; /* so near that it needs no line */
        fprintf(file, "%s\t%.6g\t%.6f\t%d\t%.6g\t%.6f\t%.6g\t%.6f\n", point[i].codec, point[i].speed,
                point[i].bits, point[i].front, to_speed(a, label[i].left), to_bits(a, label[i].middle), to_speed(a, x),
                to_bits(a, y));
    }
}

ent_status pareto_draw(struct pareto_point *point, size_t n, const struct pareto_text *text, double bound_bits,
                       const char *path, ent_error *error)
{
    char data[PATH_MAX + 8], scale[200];
    struct save save;
    find_front(point, n);
    struct axes a = axes_for(point, n, bound_bits);
    snprintf(data, sizeof data, "%s.tsv", path);
    ent_status status = save_open(&save, data, error);
    if (!status) write_points(save.file, point, n, &a);
    status = save_close(&save, status, error);
    snprintf(scale, sizeof scale, "%.9g %.9g %.9g %.9g %.9g", a.slow, a.fast, a.floor, a.most,
             isfinite(a.bound) ? a.bound : 0);
    const char *const argument[] = { data, path, scale, text->title, text->axis, text->one };
    return status ? status : gnuplot_run("pareto", argument, sizeof argument / sizeof *argument, error);
}
