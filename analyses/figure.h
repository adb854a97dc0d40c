/* figure.h - the data of figures, label places included, and gnuplot to draw them. */
#ifndef ENT_ANALYSES_FIGURE_H
#define ENT_ANALYSES_FIGURE_H

#include <entropy/base.h>

struct records;

/* Draws every figure of `records` into DIR/figures as SVG and PDF, beside the TSV it shows: a plot of
 * bits per weight against decoding for each model and target, and bars of bits per weight for each
 * model.  *drawn counts them; *missing says that there is no gnuplot (data are written all the same). */
ent_status figures_draw(const struct records *records, const char *dir, unsigned *drawn, bool *missing,
                        ent_error *error);

#endif
