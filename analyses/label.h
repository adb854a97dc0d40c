/* label.h - places for the labels of points, so that they hide neither points nor each other. */
#ifndef ENT_ANALYSES_LABEL_H
#define ENT_ANALYSES_LABEL_H

#include <stddef.h>

/* All in units of the text's height; y upwards. */
struct label {
    double x, y;         /* the point */
    double text_width;
    double left, middle; /* result: left end of the text and the middle of its height */
};

struct box { double left, right, bottom, top; };

/* Places n labels within `frame`, around `obstacles` boxes that they should not cover. */
void labels_place(struct label *label, size_t n, struct box frame, const struct box *obstacle, size_t obstacles);
/* Where a line from the point to its text ends: the nearest place of the text. */
void label_line_end(const struct label *label, double *x, double *y);

#endif
