/* parts.h - statistics of a model in parts: counts of ranges of its blocks, in files of the run folder until all are
 * there.  Counts of parts add up exactly, so the entropies are those of the model counted at once.
 */
#ifndef ENT_ANALYSES_PARTS_H
#define ENT_ANALYSES_PARTS_H

#include "../census.h"
#include "../plan.h"
#include "../record.h"

/* Keeps the counts of a cell as FOLDER/counts-CELL.jsonl. */
ent_status part_save(const char *folder, size_t cell, const struct census *census, ent_error *error);

/* Of every model whose parts are all done: adds the entropies to the records, unless they have them.  For records of a
 * plan without parts it does nothing. */
ent_status parts_join(struct records *records, const char *folder, ent_error *error);
/* Removes the files of counts whose entropies the records have. */
void parts_remove(const struct records *records, const char *folder);
void parts_remove_all(const char *folder);

#endif
