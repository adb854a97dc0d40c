/* train.c - counts of a recipe's fields, the tables trained on them, and what the counts promise.
 *
 * Counting splits a piece of words and counts each stream; the piece fits the second cache level.  The fields of BF16
 * are counted straight from the words. */
#include <string.h>

#include "codec/block.h"

/* Whether the field is counted: of an alphabet, and coded. */
static bool is_counted(const ent_recipe *recipe, uint32_t field)
{
    return ent_field_alphabet(&recipe->split.field[field]) && !ent_is_raw(&recipe->spec[field]);
}

/* Byte coders count nothing themselves, but are counted. */
static uint32_t counts_alphabet(const ent_recipe *recipe, uint32_t field)
{
    const ent_coder_spec *spec = &recipe->spec[field];
    return spec->coder->count_alphabet ? spec->coder->count_alphabet(spec)
                                       : ent_field_alphabet(&recipe->split.field[field]);
}

static ent_status count_field(const ent_recipe *recipe, uint32_t field, const void *symbols, size_t n,
                              ent_counts *counts)
{
    const ent_coder_spec *spec = &recipe->spec[field];
    if (spec->coder->count) return spec->coder->count(spec, symbols, n, counts);
    return ent_counts_add(counts, symbols, ent_field_width(&recipe->split.field[field]), n);
}

ent_status ent_recipe_counts_init(const ent_recipe *recipe, ent_counts counts[ENT_MAX_FIELDS])
{
    ent_status status = ENT_OK;
    memset(counts, 0, ENT_MAX_FIELDS * sizeof *counts);
    for (uint32_t i = 0; i < recipe->split.fields && !status; i++)
        if (is_counted(recipe, i)) status = ent_counts_init(&counts[i], counts_alphabet(recipe, i));
    if (status) ent_recipe_counts_free(counts);
    return status;
}

void ent_recipe_counts_free(ent_counts counts[ENT_MAX_FIELDS])
{
    for (int i = 0; i < ENT_MAX_FIELDS; i++) ent_counts_free(&counts[i]);
}

enum { PIECE = 65536 };

static ent_status count_piece(const ent_recipe *recipe, const void *words, size_t n, uint8_t *scratch,
                              ent_counts counts[])
{
    void *stream[ENT_MAX_FIELDS] = { NULL };
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < recipe->split.fields; i++)
        if (is_counted(recipe, i)) stream[i] = scratch + i * 2 * PIECE;
    ent_split_words(&recipe->split, words, n, stream);
    for (uint32_t i = 0; i < recipe->split.fields && !status; i++)
        if (stream[i]) status = count_field(recipe, i, stream[i], ent_symbols_of(recipe, i, n), &counts[i]);
    return status;
}

/* Words of a piece: PIECE symbols of a field at most. */
static size_t piece_words(const ent_recipe *recipe)
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < recipe->split.fields; i++) {
        uint32_t count = ent_field_count(&recipe->split.field[i]);
        most = count > most ? count : most;
    }
    return PIECE / most;
}

static bool is_range(const ent_field *field, unsigned low, unsigned bits)
{
    return field->ranges == 1 && field->range[0].low == low && field->range[0].bits == bits;
}

/* Whether sign, exponent and mantissa of BF16 are all that is counted, plainly, and their counts. */
static bool counts_bf16(const ent_recipe *recipe, ent_counts counts[], ent_bf16_counts *bf16)
{
    *bf16 = (ent_bf16_counts){ NULL, NULL, NULL };
    if (recipe->split.word_bits != 16) return false;
    for (uint32_t i = 0; i < recipe->split.fields; i++) {
        const ent_field *field = &recipe->split.field[i];
        if (!is_counted(recipe, i)) continue;
        if (recipe->spec[i].coder->count) return false;
        if (is_range(field, 15, 1))
            bf16->sign = &counts[i];
        else if (is_range(field, 7, 8))
            bf16->exponent = &counts[i];
        else if (is_range(field, 0, 7))
            bf16->mantissa = &counts[i];
        else
            return false;
    }
    return true;
}

ent_status ent_recipe_count(const ent_recipe *recipe, const void *words, size_t n, ent_counts counts[])
{
    bool any = false;
    ent_bf16_counts bf16;
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < recipe->split.fields; i++) any |= is_counted(recipe, i);
    if (!any || !n) return ENT_OK;
    if (ent_is_whole_word(recipe) && (uintptr_t)words % ent_format_alignment(recipe->format) == 0)
        return count_field(recipe, 0, words, ent_symbols_of(recipe, 0, n), &counts[0]);
    if (counts_bf16(recipe, counts, &bf16)) return ent_counts_add_bf16(&bf16, words, n);
    uint8_t *scratch = ent_alloc((size_t)recipe->split.fields * 2 * PIECE);
    if (!scratch) return ENT_ENOMEM;
    const size_t piece = piece_words(recipe);
    for (size_t i = 0; i < n && !status; i += piece)
        status = count_piece(recipe, (const uint8_t *)words + i * recipe->word_width, n - i < piece ? n - i : piece,
                             scratch, counts);
    ent_free(scratch);
    return status;
}

double ent_recipe_entropy_bits(const ent_recipe *recipe, uint32_t field, const ent_counts *counts)
{
    uint64_t plain[256] = { 0 };
    const uint32_t alphabet = ent_field_alphabet(&recipe->split.field[field]);
    if (counts->alphabet == alphabet) return ent_entropy_bits(counts);
    for (uint32_t i = 0; i < counts->alphabet; i++) plain[i % alphabet] += counts->count[i];
    return ent_entropy_bits(&(ent_counts){ alphabet, plain });
}

double ent_recipe_bound_bits(const ent_recipe *recipe, const ent_counts counts[])
{
    double bits = 0;
    for (uint32_t i = 0; i < recipe->split.fields; i++)
        bits += ent_field_count(&recipe->split.field[i]) *
                (is_counted(recipe, i) ? ent_recipe_entropy_bits(recipe, i, &counts[i])
                                       : ent_field_bits(&recipe->split.field[i]));
    return bits;
}

ent_status ent_tables_train(ent_tables *tables, const ent_recipe *recipe, const ent_counts counts[], unsigned use)
{
    ent_status status = ENT_OK;
    *tables = (ent_tables){ .fields = recipe->split.fields };
    for (uint32_t i = 0; i < tables->fields && !status; i++)
        if (!ent_has_own_table(recipe, i))
            status = ent_table_train(&tables->table[i], &recipe->spec[i], counts ? &counts[i] : NULL, use);
    if (status) ent_tables_free(tables);
    return status;
}

void ent_tables_free(ent_tables *tables)
{
    for (uint32_t i = 0; i < tables->fields; i++) ent_table_free(tables->table[i]);
    *tables = (ent_tables){ 0 };
}
