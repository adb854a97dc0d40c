/* trial.c - see trial.h. */
#include "container/trial.h"
#include "codec/block.h"

ent_status ent_trial_train(const ent_plan *plan, ent_group *g, size_t *table_bytes)
{
    const ent_recipe *r = &plan->index.recipe[g->recipe].recipe;
    bool own = plan->index.scope == ENT_SCOPE_BLOCK;
    ent_buffer written = { NULL, 0, 0 };
    *table_bytes = 0;
    if (!g->words) return ENT_OK;
    ent_status status = ent_tables_train(&g->tables, r, own ? NULL : g->counts, ENT_ENCODE);
    for (uint32_t f = 0; f < r->split.fields && !status; f++) {
        if (!ent_index_needs_table(r, f) || !g->tables.table[f]) continue;
        written.size = 0;
        if ((status = ent_table_write(g->tables.table[f], &written))) break;
        if (ent_group_pays(plan, g, f, written.size)) {
            *table_bytes += written.size;
        } else {
            ent_table_free(g->tables.table[f]);
            g->tables.table[f] = NULL;
        }
    }
    ent_free(written.data);
    ent_recipe_counts_free(g->counts);
    return status;
}

ent_status ent_trial_encode(const ent_plan *plan, const ent_unit *unit, ent_scratch *s)
{
    const ent_group *g = &plan->group[plan->group_of[unit->tensor]];
    const ent_recipe *r = &plan->index.recipe[g->recipe].recipe;
    ent_tally tally = { 0, 0, 0 };
    const void *words;
    s->coded.size = 0;
    ent_status status = ent_buffer_reserve(&s->coded, ent_block_bound(r, &g->tables, unit->words));
    if (!status) status = ent_unit_words(plan, unit, &s->words, &words);
    if (!status) status = ent_block_encode(r, &g->tables, words, unit->words, &s->coded, &tally, &s->work);
    ent_unit_release(plan, unit);
    return status;
}
