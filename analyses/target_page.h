/* target_page.h - a page a target: what every codec does to speed, energy and area there, and what that rests on. */
#ifndef ENT_ANALYSES_TARGET_PAGE_H
#define ENT_ANALYSES_TARGET_PAGE_H

#include "pass.h"

/* Passes of one model that a page has a table of. */
struct page_workload {
    char name[100]; /* "one token at a time, the model's own layers" */
    struct pass pass;
};

struct page_codec {
    ent_codec *codec;
    double bits; /* a weight */
};

struct page_subject {
    const char *model, *dtype;
    const struct page_codec *codec;
    size_t codecs;
    const struct page_workload *workload;
    size_t workloads;
};

/* The best of a workload on a target, for the index of pages. */
struct page_best {
    const char *codec, *limit; /* codec NULL: no codec's weights fit */
    double tokens_per_second, over_raw;
};

/* Writes FOLDER/TARGET.md, TARGET.tsv and TARGET-pareto.tsv, and with gnuplot TARGET-pareto.svg and .pdf.
 * best: [workloads].  *drawn: false without gnuplot. */
ent_status target_page(const struct page_subject *subject, const ent_target *target, const char *folder,
                       struct page_best *best, bool *drawn, ent_error *error);

#endif
