/* fit.h - what the files of fits share. */
#ifndef ENT_STATS_FIT_H
#define ENT_STATS_FIT_H

#include <entropy/fit.h>

#define X(name) extern const ent_fit_law ent_fit_law_##name;
#include "fits.def"
#undef X

/* The value below which a share q of a sorted sample lies, between neighbours in proportion. */
double ent_quantile(const double *sorted, size_t n, double q);

#endif
