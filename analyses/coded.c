/* coded.c - see coded.h. */
#include <string.h>

#include "coded.h"

/* Tables from the part's own counts, written once to know their size. */
static ent_status train(struct coded *c, const ent_part *part)
{
    ent_counts counts[ENT_MAX_FIELDS] = { 0 };
    ent_buffer table = { 0 };
    ent_status status = ent_recipe_counts_init(&c->recipe, counts);
    if (!status) status = ent_recipe_count(&c->recipe, part->words, c->words, counts);
    if (!status) status = ent_tables_train(&c->tables, &c->recipe, counts, ENT_ENCODE | ENT_DECODE);
    for (uint32_t i = 0; i < c->tables.fields && !status; i++)
        if (c->tables.table[i]) status = ent_table_write(c->tables.table[i], &table);
    c->tally.table_bits += 8 * table.size;
    ent_recipe_counts_free(counts);
    ent_free(table.data);
    return status;
}

static ent_status encode(struct coded *c, const ent_part *part)
{
    ent_workspace work = { 0 };
    ent_status status = (c->end = ent_calloc(c->words / c->recipe.block + 1, sizeof *c->end)) ? ENT_OK : ENT_ENOMEM;
    for (size_t at = 0; at < c->words && !status; at += c->recipe.block) {
        size_t some = c->words - at < c->recipe.block ? c->words - at : c->recipe.block;
        status = ent_buffer_reserve(&c->code, c->code.size + ent_block_bound(&c->recipe, &c->tables, some));
        if (!status)
            status = ent_block_encode(&c->recipe, &c->tables, (const uint8_t *)part->words + at * c->recipe.word_width, some,
                                      &c->code, &c->tally, &work);
        if (!status) c->end[c->blocks++] = c->code.size;
    }
    ent_workspace_free(&work);
    return status;
}

ent_status coded_make(struct coded *coded, const ent_part *part, const ent_codec *codec, ent_error *error)
{
    *coded = (struct coded){ .words = (size_t)part->rows * part->cols };
    ent_status status = ent_codec_bind(codec, part->format->name, &coded->recipe, error);
    if (status) return status;
    status = train(coded, part);
    if (!status) status = encode(coded, part);
    if (!status) return ENT_OK;
    coded_free(coded);
    return ent_fail(error, status, "coding the %s of a matrix: %s", part->name, ent_status_text(status));
}

ent_status coded_undo(const struct coded *coded, void *words, ent_workspace *work)
{
    const ent_recipe *r = &coded->recipe;
    ent_status status = ENT_OK;
    for (size_t i = 0, start = 0; i < coded->blocks && !status; start = coded->end[i++]) {
        size_t at = i * r->block, some = coded->words - at < r->block ? coded->words - at : r->block;
        const ent_bytes block = { coded->code.data + start, coded->end[i] - start };
        status = ent_block_decode(r, &coded->tables, block, ENT_TRUSTED, (uint8_t *)words + at * r->word_width, some, work);
    }
    return status;
}

void coded_free(struct coded *coded)
{
    ent_tables_free(&coded->tables);
    ent_free(coded->code.data);
    ent_free(coded->end);
    *coded = (struct coded){ 0 };
}

/* ---- sizes ---------------------------------------------------------------------------------------------------- */

static size_t stem(const char *name) { return strcspn(name, "."); } /* "signs.3" */

static bool same_stem(const char *a, const char *b) { return stem(a) == stem(b) && !memcmp(a, b, stem(a)); }

static const ent_part *codes_of(const ent_packed *packed)
{
    const ent_part *codes = &packed->part[0];
    double most = 0;
    for (uint32_t i = 0; i < packed->parts; i++) {
        const ent_part *p = &packed->part[i];
        double bits = (double)p->rows * p->cols * p->format->bits;
        if (bits > most) codes = p, most = bits;
    }
    return codes;
}

ent_status coded_bits(const ent_packed *packed, const ent_codec *codec, double *bits, double *side, ent_error *error)
{
    ent_status status = ENT_OK;
    const ent_part *codes = codes_of(packed);
    *bits = *side = 0;
    for (uint32_t i = 0; i < packed->parts && !status; i++) {
        struct coded c;
        if ((status = coded_make(&c, &packed->part[i], codec, error))) break;
        double payload = (double)c.tally.payload_bits, rest = (double)(c.tally.table_bits + c.tally.index_bits);
        *bits += payload + rest;
        *side += rest + (same_stem(packed->part[i].name, codes->name) ? 0 : payload);
        coded_free(&c);
    }
    return status;
}
