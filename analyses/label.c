/* label.c - label placement by candidate positions and repeated improvement.
 *
 * Each label may stand on rings around its point.  A place costs what it hides (points, other labels,
 * lines, the frame's edge) and, weakly, its distance.  Labels are placed in order and then moved one
 * by one to their best place as long as that helps: the local search of Christensen, Marks and
 * Shieber (1995) without the annealing, which some dozens of labels do not need. */
#include <math.h>
#include <stdbool.h>

#include "label.h"

enum { DIRECTIONS = 24, RINGS = 14, PASSES = 30 };

/* Text heights. */
static const double point_radius = 0.4, gap = 0.2, first_ring = 0.65, ring_step = 0.6;
/* What hiding costs for each square text height, or each time; only their order matters. */
static const double over_edge = 100, over_point = 60, over_label = 40, over_obstacle = 15, lines_cross = 12,
                    distance = 1, ambiguous = 6;

struct scene {
    struct label *label;
    size_t n, placed, obstacles;
    struct box frame;
    const struct box *obstacle;
};

static struct box box_of(const struct label *l)
{
    return (struct box){ l->left - gap, l->left + l->text_width + gap, l->middle - 0.5 - gap / 2,
                         l->middle + 0.5 + gap / 2 };
}

static double overlap(struct box a, struct box b)
{
    double w = fmin(a.right, b.right) - fmax(a.left, b.left), h = fmin(a.top, b.top) - fmax(a.bottom, b.bottom);
    return w > 0 && h > 0 ? w * h : 0;
}

/* Whether the segments ab and cd cross. */
static bool cross(double ax, double ay, double bx, double by, double cx, double cy, double dx, double dy)
{
    double abc = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax), abd = (bx - ax) * (dy - ay) - (by - ay) * (dx - ax);
    double cda = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx), cdb = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx);
    return abc * abd < 0 && cda * cdb < 0;
}

/* Whether the segment from (ax, ay) to (bx, by) runs through the box: it crosses one of its diagonals. */
static bool runs_through(double ax, double ay, double bx, double by, struct box b)
{
    return cross(ax, ay, bx, by, b.left, b.bottom, b.right, b.top) ||
           cross(ax, ay, bx, by, b.left, b.top, b.right, b.bottom);
}

void label_line_end(const struct label *l, double *x, double *y)
{
    *x = fmax(l->left, fmin(l->x, l->left + l->text_width));
    *y = fmax(l->middle - 0.5, fmin(l->y, l->middle + 0.5));
}

/* How far the text is from a point. */
static double distance_to(const struct label *l, double x, double y)
{
    double dx = fmax(fmax(l->left - x, x - l->left - l->text_width), 0), dy = fmax(fabs(y - l->middle) - 0.5, 0);
    return hypot(dx, dy);
}

/* Cost between label l, whose line ends at (x, y), and another that has its place. */
static double cost_of_pair(const struct label *l, double x, double y, const struct label *o)
{
    double ox, oy, sum = over_label * overlap(box_of(l), box_of(o));
    label_line_end(o, &ox, &oy);
    sum += lines_cross * cross(l->x, l->y, x, y, o->x, o->y, ox, oy);
    sum += lines_cross * runs_through(l->x, l->y, x, y, box_of(o));
    return sum + lines_cross * runs_through(o->x, o->y, ox, oy, box_of(l));
}

static double cost(const struct scene *s, const struct label *l)
{
    struct box b = box_of(l);
    double x, y, area = (b.right - b.left) * (b.top - b.bottom), sum = over_edge * (area - overlap(b, s->frame));
    double own = distance_to(l, l->x, l->y);
    label_line_end(l, &x, &y);
    sum += distance * own;
    for (size_t i = 0; i < s->obstacles; i++) sum += over_obstacle * overlap(b, s->obstacle[i]);
    for (size_t i = 0; i < s->n; i++) {
        const struct label *o = &s->label[i];
        struct box point = { o->x - point_radius, o->x + point_radius, o->y - point_radius, o->y + point_radius };
        sum += over_point * overlap(b, point);
        if (o != l) {
            sum += ambiguous * fmax(fmin(own, 1) + 0.3 - distance_to(l, o->x, o->y), 0); /* whose label is it? */
            sum += lines_cross * runs_through(l->x, l->y, x, y, point);                  /* and whose line? */
        }
        if (o != l && i < s->placed) sum += cost_of_pair(l, x, y, o);
    }
    return sum;
}

/* Moves label k to the best place among all candidates; returns what it costs. */
static double improve(struct scene *s, size_t k)
{
    struct label best = s->label[k], *l = &s->label[k];
    double least = INFINITY;
    for (int ring = 0; ring < RINGS; ring++)
        for (int d = 0; d < DIRECTIONS; d++) {
            double angle = 2 * M_PI * d / DIRECTIONS, c = cos(angle), r = first_ring + ring_step * ring;
            /* the side of the text that faces the point touches the ring */
            l->middle = l->y + sin(angle) * (r + 0.5 * fabs(sin(angle)));
            l->left = l->x + c * r - l->text_width * (1 - c) / 2;
            double value = cost(s, l);
            if (value < least - 1e-9) least = value, best = *l;
        }
    *l = best;
    return least;
}

void labels_place(struct label *label, size_t n, struct box frame, const struct box *obstacle, size_t obstacles)
{
    struct scene s = { .label = label, .n = n, .obstacles = obstacles, .frame = frame, .obstacle = obstacle };
    for (; s.placed < n; s.placed++) improve(&s, s.placed);
    double before = INFINITY;
    for (int pass = 0; pass < PASSES; pass++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++) sum += improve(&s, k);
        if (sum >= before - 1e-9) return;
        before = sum;
    }
}
