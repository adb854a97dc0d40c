/* gnuplot.h - draws a plot with gnuplot, a program of its own. */
#ifndef ENT_ANALYSES_GNUPLOT_H
#define ENT_ANALYSES_GNUPLOT_H

#include <entropy/base.h>

/* gnuplot -c PLOTS/SCRIPT.gp ARGUMENT...: PLOTS is the folder of plots that comes with the program; at most 9
 * arguments.  ENT_EUNSUPPORTED when there is no gnuplot on this machine. */
ent_status gnuplot_run(const char *script, const char *const argument[], size_t n, ent_error *error);

#endif
