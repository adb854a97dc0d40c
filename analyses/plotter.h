/* plotter.h - a folder of figures, and whether there is a gnuplot to draw them. */
#ifndef ENT_ANALYSES_PLOTTER_H
#define ENT_ANALYSES_PLOTTER_H

#include <limits.h>

#include <entropy/base.h>

enum { PLOT_NAME_ROOM = 400 }; /* of a figure's file name after its folder */

struct plotter {
    char folder[PATH_MAX - PLOT_NAME_ROOM];
    unsigned drawn;
    bool missing; /* there is no gnuplot: data are written all the same */
};

/* Makes DIR/figures. */
ent_status plot_begin(struct plotter *plotter, const char *dir, ent_error *error);
/* FOLDER/KIND-MODEL[-MORE], other than plain characters as '_'; the data go to PATH.tsv. */
void plot_path(const struct plotter *plotter, char path[PATH_MAX], const char *kind, const char *model,
               const char *more);
/* Notes what gnuplot answered; that there is none is no failure. */
ent_status plot_counted(struct plotter *plotter, ent_status status);

#endif
