/* coded.h - a part of a packed matrix coded in memory, and back. */
#ifndef ENT_ANALYSES_CODED_H
#define ENT_ANALYSES_CODED_H

#include <entropy/codec.h>
#include <entropy/transform.h>

struct coded {
    ent_recipe recipe;
    ent_tables tables;
    ent_buffer code; /* all blocks */
    size_t *end;     /* of each block in them */
    size_t blocks, words;
    ent_tally tally; /* tables included */
};

/* Codes a part by tables of its own; errors name the part. */
ent_status coded_make(struct coded *coded, const ent_part *part, const ent_codec *codec, ent_error *error);
/* Decodes into `words`, of the part's size. */
ent_status coded_undo(const struct coded *coded, void *words, ent_workspace *work);
void coded_free(struct coded *coded); /* takes a zeroed one too */

/* Bits of a packed matrix with each part coded by `codec`, tables and headers included; *side: of those all but the payload of
 * its codes, which are the part of most bits before coding (of all levels, where there are levels). */
ent_status coded_bits(const ent_packed *packed, const ent_codec *codec, double *bits, double *side, ent_error *error);

#endif
