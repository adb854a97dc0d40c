/* shortlist.h - pipelines that are tried on each matrix, from one line of text.
 *
 *     shortlist = pipelines { '|' pipelines }
 *
 * where the name of a system (`entropy list systems`) stands for its pipelines, and a setting of a pipeline may be a range FIRST:STEP:LAST, which stands for a pipeline for each of its values: "rescale(
 * alpha=0:0.1:1) rtn(bits=8,group=0)" are eleven, "step(bits=2:0.5:4) | nf4" are six. */
#ifndef ENT_ANALYSES_SHORTLIST_H
#define ENT_ANALYSES_SHORTLIST_H

#include <entropy/pack.h>

enum { SHORTLIST_TEXT = 400 };

struct candidate {
    char text[SHORTLIST_TEXT]; /* as written, with one value for each range */
    ent_pipeline pipeline;
};

struct shortlist {
    size_t n;
    struct candidate *candidate;
};

/* Of the one pipeline without stages: the weights stay as they are. */
ent_status shortlist_none(struct shortlist *list, ent_error *error);
/* ENT_EINVAL with the place in the text, as ent_pipeline_parse; at most 1024 pipelines. */
ent_status shortlist_parse(struct shortlist *list, const char *text, ent_error *error);
void shortlist_free(struct shortlist *list); /* takes a zeroed one too */

#endif
