/* figure.c - see figure.h.
 *
 * What gnuplot cannot do is done here: which points no other beats, where labels go, the ranges.  The
 * scripts analyses/plots/NAME.gp draw a TSV by its column names; a figure's TSV lies beside it. */
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figure.h"
#include "label.h"
#include "model.h"
#include "record.h"
#include "save.h"

extern char **environ;

enum {
    MOST_POINTS = 200,    /* of one figure: codecs of a plan; more could not be read */
    FILE_NAME_ROOM = 400, /* of a figure's file name after its folder */
};

/* The plot's frame in heights of its text: 2.85 x 2.25 inches at 7 points, as pareto.gp draws it. */
static const double frame_width = 29.3, frame_height = 23.1, letter_width = 0.55;

struct point {
    const struct record *record;
    double speed, bits;
    bool front; /* no other is both as small and as fast */
};

struct drawing {
    const struct records *records;
    char folder[PATH_MAX - FILE_NAME_ROOM], plots[PATH_MAX];
    unsigned drawn;
    bool missing;
};

/* ---- running gnuplot -------------------------------------------------------------------------- */

/* gnuplot -c SCRIPT ARGUMENT...; ENT_EUNSUPPORTED when there is none. */
static ent_status run_gnuplot(const struct drawing *d, const char *script, char *const argument[], size_t n,
                              ent_error *error)
{
    enum { MOST_ARGUMENTS = 9 };
    char path[PATH_MAX + 32], name[] = "gnuplot", c[] = "-c", *argv[MOST_ARGUMENTS + 4] = { name, c, path };
    snprintf(path, sizeof path, "%s/%s.gp", d->plots, script);
    for (size_t i = 0; i < n; i++) argv[i + 3] = argument[i];
    pid_t child;
    int result = posix_spawnp(&child, name, NULL, NULL, argv, environ), status;
    if (result == ENOENT) return ENT_EUNSUPPORTED;
    if (result) return ent_fail(error, ENT_EIO, "gnuplot: cannot start: %s", strerror(result));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return ent_fail(error, ENT_EIO, "gnuplot: %s", strerror(errno));
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return ENT_OK;
    return ent_fail(error, ENT_EIO, "gnuplot failed on %s", path);
}

static void draw(struct drawing *d, const char *script, char *const argument[], size_t n, ent_status *status,
                 ent_error *error)
{
    if (*status || d->missing) return;
    *status = run_gnuplot(d, script, argument, n, error);
    if (*status == ENT_EUNSUPPORTED) {
        d->missing = true;
        *status = ENT_OK;
    } else if (!*status) {
        d->drawn++;
    }
}

/* FOLDER/KIND-MODEL[-TARGET], other than plain characters as '_'. */
static void figure_path(const struct drawing *d, char path[PATH_MAX], const char *kind, const char *model,
                        const char *target)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t folder = strlen(d->folder) + 1;
    snprintf(path, PATH_MAX, "%s/%s-%.200s%s%.100s", d->folder, kind, model, target ? "-" : "", target ? target : "");
    for (char *p = path + folder; *p; p++)
        if (!strchr(plain, *p)) *p = '_';
}

/* ---- bits per weight against decoding --------------------------------------------------------- */

/* The front first, from slow to fast: gnuplot joins rows that follow each other. */
static int front_first(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->front != y->front) return x->front ? -1 : 1;
    if (x->speed != y->speed) return x->speed < y->speed ? -1 : 1;
    return strcmp(x->record->codec, y->record->codec);
}

static size_t collect(const struct records *records, const char *model, const char *target, struct point *point)
{
    size_t n = 0;
    for (size_t i = 0; i < records->rows && n < MOST_POINTS; i++) {
        const struct record *r = &records->row[i];
        double speed = strcmp(r->kind, "host") ? r->rate_per_raw : r->decode_per_memcpy;
        if (strcmp(r->model, model) || strcmp(r->target, target) || !record_ok(r)) continue;
        if (speed > 0 && r->bits_per_weight > 0) point[n++] = (struct point){ r, speed, r->bits_per_weight, true };
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            bool as_good = point[j].speed >= point[i].speed && point[j].bits <= point[i].bits;
            if (as_good && (point[j].speed > point[i].speed || point[j].bits < point[i].bits)) point[i].front = false;
        }
    qsort(point, n, sizeof *point, front_first);
    return n;
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

static struct axes axes_for(const struct point *point, size_t n)
{
    struct axes a = { .slow = 1, .fast = 1, .floor = INFINITY, .most = 0, .bound = INFINITY }; /* the memcpy is at 1 */
    for (size_t i = 0; i < n; i++) {
        a.slow = fmin(a.slow, point[i].speed), a.fast = fmax(a.fast, point[i].speed);
        a.floor = fmin(a.floor, point[i].bits), a.most = fmax(a.most, point[i].bits);
        if (point[i].record->bound_bits > 0) a.bound = fmin(a.bound, point[i].record->bound_bits);
    }
    a.floor = fmin(a.floor, a.bound);
    double apart = pow(fmax(a.fast / a.slow, 1.5), 0.06), above = fmax(a.most - a.floor, 0.1);
    a.slow /= apart, a.fast *= apart * apart; /* labels like to stand on the right */
    a.floor -= 0.008 * above; /* its square root leaves 9 % of the height below the bound, for its name */
    a.most += 0.06 * above;
    return a;
}

/* What labels should not cover: the line of the memcpy, and the steps of the front. */
static size_t obstacles_of(const struct axes *a, const struct point *point, size_t n, struct box *box)
{
    const double thick = 0.15;
    size_t boxes = 0;
    double x = to_x(a, 1);
    box[boxes++] = (struct box){ x - thick, x + thick, 0, frame_height };
    for (size_t i = 0; i < n; i++) {
        const struct point *next = NULL; /* on the front: the next slower, which is smaller */
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

static void write_points(FILE *file, const struct point *point, size_t n, const struct axes *a)
{
    struct label label[MOST_POINTS];
    struct box box[2 * MOST_POINTS + 1],
        frame = { 0, frame_width, to_y(a, isfinite(a->bound) ? a->bound : a->floor), frame_height };
    for (size_t i = 0; i < n; i++)
        label[i] = (struct label){ .x = to_x(a, point[i].speed), .y = to_y(a, point[i].bits),
                                   .text_width = letter_width * (double)strlen(point[i].record->codec) };
    labels_place(label, n, frame, box, obstacles_of(a, point, n, box));
    fputs("codec\tspeed\tbits_per_weight\tfront\tlabel_speed\tlabel_bits\tline_speed\tline_bits\n", file);
    for (size_t i = 0; i < n; i++) {
        double x, y;
        label_line_end(&label[i], &x, &y);
        if (hypot(x - label[i].x, y - label[i].y) < 0.8)
            x = label[i].x, y = label[i].y; /* so near that it needs no line */
        fprintf(file, "%s\t%.6g\t%.6f\t%d\t%.6g\t%.6f\t%.6g\t%.6f\n", point[i].record->codec, point[i].speed,
                point[i].bits, point[i].front, to_speed(a, label[i].left), to_bits(a, label[i].middle), to_speed(a, x),
                to_bits(a, y));
    }
}

static ent_status draw_pareto(struct drawing *d, const char *model, const char *target, ent_error *error)
{
    struct point point[MOST_POINTS];
    size_t n = collect(d->records, model, target, point);
    if (!n) return ENT_OK;
    struct axes a = axes_for(point, n);
    bool host = !strcmp(point[0].record->kind, "host");
    char path[PATH_MAX], data[PATH_MAX + 8], scale[200], title[400], axis[200], one[] = "uncoded", copy[] = "memcpy";
    figure_path(d, path, "pareto", model, target);
    snprintf(data, sizeof data, "%s.tsv", path);
    struct save save;
    ent_status status = save_open(&save, data, error);
    if (!status) write_points(save.file, point, n, &a);
    status = save_close(&save, status, error);
    snprintf(scale, sizeof scale, "%.9g %.9g %.9g %.9g %.9g", a.slow, a.fast, a.floor, a.most,
             isfinite(a.bound) ? a.bound : 0);
    snprintf(title, sizeof title, "%.200s on %.100s", model_name(model), model_name(target));
    snprintf(axis, sizeof axis,
             host ? "decode speed / memcpy speed (%llu thread%s)" : "weights per second, coded / uncoded (predicted)",
             (unsigned long long)point[0].record->threads, point[0].record->threads == 1 ? "" : "s");
    char *argument[] = { data, path, scale, title, axis, host ? copy : one };
    draw(d, "pareto", argument, sizeof argument / sizeof *argument, &status, error);
    return status;
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
    for (size_t i = 0; i < records->rows && n < MOST_POINTS; i++) {
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
    const struct record *found[MOST_POINTS];
    size_t n = collect_sizes(d->records, model, found);
    if (!n) return ENT_OK;
    char path[PATH_MAX], data[PATH_MAX + 8], count[32], title[300];
    figure_path(d, path, "bits", model, NULL);
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
    char *argument[] = { data, path, count, title };
    draw(d, "bits", argument, sizeof argument / sizeof *argument, &status, error);
    return status;
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
    if (snprintf(d.folder, sizeof d.folder, "%s/figures", dir) >= (int)sizeof d.folder)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", dir);
    if (mkdir(d.folder, 0777) && errno != EEXIST) return ent_fail(error, ENT_EIO, "%s: %s", d.folder, strerror(errno));
    if (!data_folder(d.plots, "plots"))
        return ent_fail(error, ENT_EIO, "no folder 'plots' beside the program; set ENTROPY_DATA to where it lies");
    ent_status status = ENT_OK;
    for (size_t i = 0; i < records->rows && !status; i++) {
        const struct record *r = &records->row[i];
        if (is_first(records, i, false)) status = draw_bars(&d, r->model, error);
        if (!status && is_first(records, i, true) && r->target[0]) status = draw_pareto(&d, r->model, r->target, error);
    }
    *drawn = d.drawn;
    *missing = d.missing;
    return status;
}
