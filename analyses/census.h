/* census.h - word counts of models by role and dtype, in bounded memory; counts as files.
 *
 * Counts of parts add up to the counts of the whole, so a census may cover a model, a part of one,
 * several, or counts that other machines saved.
 */
#ifndef ENT_ANALYSES_CENSUS_H
#define ENT_ANALYSES_CENSUS_H

#include <stdio.h>

#include <entropy/stats.h>
#include <entropy/weights.h>

struct common;

struct census_entry { /* all tensors of one role and dtype */
    char *role, *dtype;
    uint64_t tensors;
    ent_word_counts counts;
};

struct census {
    struct census_entry *entry; /* in order of appearance */
    size_t entries;
    uint64_t weights; /* words of known formats and bytes of others */
    bool parts;       /* some of it came as sums over roles: the number of tensors is not known */
};

/* Called with each tensor's counts, which are gone afterwards. */
typedef ent_status census_tensor(void *context, const char *name, const char *role, const char *dtype,
                                 const ent_word_counts *counts, ent_error *error);

/* Which of the chunks of a model are counted: part `part` of `parts`.  The parts of a model add up to all of it. */
struct census_part {
    uint64_t part, parts;
};

/* Counts every tensor of a model, or its part of it (`part` NULL: all), by chunks in parallel, giving pages back behind
 * itself. */
ent_status census_count(struct census *census, const ent_weights *weights, const struct census_part *part,
                        const struct common *common, census_tensor *each, void *context, ent_error *error);
/* Adds counts to their role and dtype. */
ent_status census_add(struct census *census, const char *role, const char *dtype, const ent_word_counts *counts,
                      uint64_t tensors, ent_error *error);
void census_free(struct census *census);

/* ---- counts as files: JSON lines ------------------------------------------------------------- */

/* The first line is {"entropy_counts":1}; each other line holds the counts of a tensor or of a role,
 *
 *     {"scope":"tensor"|"role","name":NAME,"dtype":DTYPE,"planes":[[SYMBOL,COUNT,...],...]}
 *
 * with the symbols of each 16-bit plane that occur, ascending; plane 0 holds the lowest bits, bytes of
 * a dtype without a number format are one plane. */
void census_write_head(FILE *file);
ent_status census_write_line(FILE *file, const char *scope, const char *name, const char *dtype,
                             const ent_word_counts *counts, ent_error *error);
/* Adds a file's counts to the census, handing lines of scope tensor to `each` as well. */
ent_status census_read(struct census *census, const char *path, census_tensor *each, void *context, ent_error *error);

#endif
