/* gap.c - what of a block's bits the entropy of its fields explains, what its tables, what its coders. */
#include <math.h>

#include "base/bits.h"
#include "codec/block.h"

double ent_gap_sum(const ent_gap *g) { return g->bound + g->model + g->kept_raw + g->coder + g->table + g->index; }

typedef struct field_gap {
    double bound, priced, stored; /* by entropy; by the table; what a raw stream takes, or the same as priced */
} field_gap;

/* The counts of the block alone. */
static ent_status priced_by_own(const ent_coder_spec *spec, const ent_counts *own, double *bits)
{
    ent_table *table;
    ent_status status = ent_table_train(&table, spec, own, 0);
    if (!status) status = ent_table_price(table, own, bits);
    ent_table_free(table);
    return status;
}

static ent_status of_coded(const ent_recipe *recipe, const ent_tables *tables, uint32_t i, const ent_counts *all,
                           const ent_counts *own, bool raw, field_gap *g)
{
    double n = (double)ent_counts_total(own), bits = ent_field_bits(&recipe->split.field[i]);
    const ent_table *table = tables ? tables->table[i] : NULL;
    g->bound = n * ent_recipe_entropy_bits(recipe, i, all ? all : own);
    g->priced = g->bound;
    ent_status status = ENT_OK;
    if (ent_has_own_table(recipe, i))
        status = priced_by_own(&recipe->spec[i], own, &g->priced);
    else if (table)
        status = ent_table_price(table, own, &g->priced);
    if (status && status != ENT_EUNSUPPORTED) return status;
    /* of a coder without tables nothing but the bound is known */
    if (status || !isfinite(g->priced)) g->priced = g->bound;
    g->stored = raw ? n * bits : g->priced;
    return ENT_OK;
}

ent_status ent_gap_block(const ent_recipe *recipe, const ent_tables *tables, const ent_counts counts[],
                         const void *words, size_t n, ent_bytes block, const ent_tally *tally, ent_gap *gap)
{
    ent_counts own[ENT_MAX_FIELDS];
    const uint8_t *size = block.data + ENT_CHECKSUM_BYTES;
    double explained = 0;
    ent_status status = ent_recipe_counts_init(recipe, own);
    if (status) return status;
    status = ent_recipe_count(recipe, words, n, own);
    for (uint32_t i = 0; i < recipe->split.fields && !status; i++) {
        double plain = (double)ent_symbols_of(recipe, i, n) * ent_field_bits(&recipe->split.field[i]);
        field_gap g = { plain, plain, plain };
        if (!ent_is_raw(&recipe->spec[i])) {
            bool raw = ent_load32(size) == 0;
            size += ENT_SIZE_BYTES * (ent_has_own_table(recipe, i) ? 2 : 1);
            if (own[i].count)
                status = of_coded(recipe, tables, i, counts && counts[i].count ? &counts[i] : NULL, &own[i], raw, &g);
        }
        gap->bound += g.bound;
        gap->model += g.priced - g.bound;
        gap->kept_raw += g.stored - g.priced;
        explained += g.stored;
    }
    gap->coder += (double)tally->payload_bits - explained;
    gap->table += (double)tally->table_bits;
    gap->index += (double)tally->index_bits;
    ent_recipe_counts_free(own);
    return status;
}
