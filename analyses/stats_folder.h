/* stats_folder.h - `entropy stats -o FOLDER`: everything that was found, as tables and figures in files. */
#ifndef ENT_ANALYSES_STATS_FOLDER_H
#define ENT_ANALYSES_STATS_FOLDER_H

#include "dependence.h"
#include "fits.h"
#include "plotter.h"
#include "stats_report.h"

struct stats_folder {
    const char *path;
    const struct common *common;
    const ent_weights *weights; /* NULL: counts alone, which give no fits, and no gaps of codecs */
    const struct stats_report *report;
    const struct census *census;
    const struct dependence *dependence; /* may have no sums */
    const struct tensor_fit *fit;
    size_t fits;
};

/* Makes the folder and writes stats (.tsv: every row; .md, .tex: the tables that are printed), moments.tsv, fits.tsv,
 * dependence.tsv and the figures, all but what there is nothing of.  *drawn and *missing as in struct plotter. */
ent_status stats_folder_write(const struct stats_folder *folder, unsigned *drawn, bool *missing, ent_error *error);

/* Figures of the model, each beside its TSV (stats_figures.c). */
ent_status stats_figures(const struct stats_folder *folder, struct plotter *plotter, ent_error *error);

#endif
