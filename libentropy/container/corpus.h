/* corpus.h - counts of several models, from which tables are trained. */
#ifndef ENT_CONTAINER_CORPUS_H
#define ENT_CONTAINER_CORPUS_H

#include "container/index.h"

/* The smoothed counts of a format's fields; NULL when the corpus never saw the format. */
const ent_counts *ent_corpus_counts(const ent_corpus *corpus, const char *dtype);

#endif
