/* pareto.h - the plot of bits per weight against decoding, a labelled point a codec. */
#ifndef ENT_ANALYSES_PARETO_H
#define ENT_ANALYSES_PARETO_H

#include <entropy/base.h>

enum { PARETO_POINTS = 200 }; /* of one plot: more could not be read */

struct pareto_point {
    const char *codec;
    double speed, bits; /* speed: of decoding, uncoded weights = 1 */
    bool front;         /* found: no other is both as small and as fast */
};

struct pareto_text {
    char title[400], axis[200], one[40]; /* axis: names the speed; one: the line at 1 */
};

/* Writes PATH.tsv and from it, with gnuplot, PATH.svg and PATH.pdf, of up to PARETO_POINTS points, which are put in
 * order.  bound_bits: the least entropy bound, NaN when it is not known.  ENT_EUNSUPPORTED without gnuplot; the
 * TSV is there then. */
ent_status pareto_draw(struct pareto_point *point, size_t n, const struct pareto_text *text, double bound_bits,
                       const char *path, ent_error *error);

#endif
