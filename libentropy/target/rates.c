/* rates.c - what the rows of a measured target say of a recipe that has none of its own.
 *
 * With t = 1 / gbps, the ns that a row takes for a byte of decoded weights:
 *
 *     byte    the least t of all rows, which is what moving alone costs at this number of threads
 *     symbol  of a coder, from a row with one coded field: (row's t - byte) * bytes of its word
 *     recipe  byte * bytes of a word + the symbols of its coded fields
 *
 * so BF16 tells of F16 and F32, and one coded field of several.  Coders of plain bytes (zstd) cost per byte of
 * their field instead.  A row of the same format is preferred, then of words as wide, of the same knobs, the first.
 * Without a row for this many threads, that of the most threads below is taken, times the threads: as if nothing were shared. */
#include <math.h>
#include <string.h>

#include "target/machine.h"

static bool is_cold(const machine_rate *row) { return !row->cache || !strcmp(row->cache, "cold"); }

/* The number of threads to take rows of: the most measured that is not above `threads` (0: the most). */
static uint64_t threads_of(const ent_target *t, unsigned threads)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < t->rates_count; i++)
        if (is_cold(&t->rates[i]) && t->rates[i].threads > best && (!threads || t->rates[i].threads <= threads))
            best = t->rates[i].threads;
    return best;
}

/* The coded field of a row that has just one; -1: none or several. */
static int coded_field(const ent_recipe *recipe)
{
    int field = -1, coded = 0;
    for (unsigned i = 0; i < recipe->split.fields; i++)
        if (recipe->spec[i].coder != ent_coder_find("raw")) field = (int)i, coded++;
    return coded == 1 ? field : -1;
}

static double byte_ns(const ent_target *t, uint64_t threads)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < t->rates_count; i++)
        if (is_cold(&t->rates[i]) && t->rates[i].threads == threads) least = fmin(least, 1 / t->rates[i].gbps);
    return least;
}

double ent_machine_raw_byte_ns(const ent_target *t, unsigned threads)
{
    uint64_t rows = threads_of(t, threads);
    for (uint32_t i = 0; i < t->rates_count; i++) {
        const machine_rate *row = &t->rates[i];
        if (is_cold(row) && row->threads == rows && row->recipe.split.fields == 1 &&
            row->recipe.spec[0].coder == ent_coder_find("raw"))
            return 1 / row->gbps;
    }
    return NAN;
}

/* How near a row is to what is asked. */
static int nearness(const machine_rate *row, const ent_recipe *recipe, const ent_coder_spec *spec, int field)
{
    return 4 * (row->recipe.format == recipe->format) + 2 * (row->recipe.word_width == recipe->word_width) +
           !memcmp(row->recipe.spec[field].param, spec->param, sizeof spec->param);
}

/* The row that tells of a coder, NULL: none. */
static const machine_rate *row_of(const ent_target *t, const ent_recipe *recipe, const ent_coder_spec *spec,
                                  uint64_t threads)
{
    const machine_rate *best = NULL;
    int nearest = 0;
    for (uint32_t i = 0; i < t->rates_count; i++) {
        const machine_rate *row = &t->rates[i];
        int f = coded_field(&row->recipe);
        if (!is_cold(row) || row->threads != threads || f < 0 || row->recipe.spec[f].coder != spec->coder) continue;
        if (ent_machine_is_raw(&row->recipe, row->bits_per_weight)) continue;
        int near = nearness(row, recipe, spec, f);
        if (best && near <= nearest) continue;
        best = row;
        nearest = near;
    }
    return best;
}

/* What field i adds to a weight, beyond moving it. */
static double field_ns(const ent_recipe *recipe, unsigned i, const machine_rate *row, double byte)
{
    double beyond = 1 / row->gbps - byte, bytes = row->recipe.word_width;
    if (recipe->spec[i].coder->wide) /* so many bytes of its row's field for so many of this one */
        bytes *= ent_field_bits(&recipe->split.field[i]) /
                 (double)ent_field_bits(&row->recipe.split.field[coded_field(&row->recipe)]);
    return beyond * bytes;
}

ent_status ent_machine_from_rows(const ent_target *t, const ent_recipe *recipe, double bits_per_weight,
                                 unsigned threads, double *weights_per_ns, ent_error *error)
{
    uint64_t rows = threads_of(t, threads);
    bool coded = false, is_raw = ent_machine_is_raw(recipe, bits_per_weight);
    double byte = byte_ns(t, rows), raw = ent_machine_raw_byte_ns(t, threads), ns = byte * recipe->word_width;
    for (unsigned i = 0; i < recipe->split.fields && rows && !is_raw; i++) {
        if (recipe->spec[i].coder == ent_coder_find("raw")) continue;
        const machine_rate *row = row_of(t, recipe, &recipe->spec[i], rows);
        if (!row)
            return ent_fail(error, ENT_EUNSUPPORTED, "%s has not measured the coder '%s' on one field alone", t->name,
                            recipe->spec[i].coder->name);
        ns += field_ns(recipe, i, row, byte);
        coded = true;
    }
    if (!coded && isfinite(raw)) ns = raw * recipe->word_width;
    if (!rows) return ent_fail(error, ENT_EUNSUPPORTED, "%s has measured nothing with so few threads", t->name);
    *weights_per_ns = (threads ? (double)threads / (double)rows : 1) / ns;
    return ENT_OK;
}
