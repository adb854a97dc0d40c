/* decode.c - a block to words, trusting nothing in it.
 *
 * Three ways, fastest first: the only field is the word (decode into the output), one coded field
 * beside raw streams (the coder joins, raw bits are used where they lie), and any other split
 * (decode each stream into the workspace, then join). */
#include <string.h>

#include "base/bits.h"
#include "codec/block.h"

typedef struct stream {
    bool raw;
    ent_bytes table, bytes;
} stream;

typedef struct decoder {
    const ent_recipe *recipe;
    const ent_tables *tables;
    size_t n;
    unsigned flags;
    ent_workspace *work;
    stream stream[ENT_MAX_FIELDS];
} decoder;

static size_t symbols_of(const decoder *d, uint32_t field) { return ent_symbols_of(d->recipe, field, d->n); }

/* ---- what is where ---------------------------------------------------------------------------------- */

/* Reads the header; leaves each stream's sizes in place. */
static ent_status read_sizes(decoder *d, ent_bytes block)
{
    const ent_recipe *r = d->recipe;
    const uint8_t *at = block.data + ENT_CHECKSUM_BYTES;
    if (block.size < ent_block_header(r)) return ENT_ECORRUPT;
    for (uint32_t i = 0; i < r->split.fields; i++) {
        stream *s = &d->stream[i];
        size_t raw_size = ent_raw_size(r, i, d->n);
        uint32_t size = 0, table = 0;
        if (!ent_is_raw(&r->spec[i])) {
            size = ent_load32(at);
            at += ENT_SIZE_BYTES;
            if (ent_has_own_table(r, i)) {
                table = ent_load32(at);
                at += ENT_SIZE_BYTES;
            }
        }
        s->raw = size == 0;
        s->bytes.size = s->raw ? raw_size : size - 1;
        s->table.size = table;
        if (s->raw ? table != 0 : (uint64_t)size - 1 + table >= raw_size) return ENT_ECORRUPT;
    }
    return ENT_OK;
}

static bool take(ent_bytes *from, ent_bytes *part)
{
    if (part->size > from->size) return false;
    part->data = from->data;
    from->data += part->size;
    from->size -= part->size;
    return true;
}

static ent_status read_layout(decoder *d, ent_bytes block)
{
    const ent_recipe *r = d->recipe;
    ent_status status = read_sizes(d, block);
    if (status) return status;
    size_t header = ent_block_header(r);
    ent_bytes left = { block.data + header, block.size - header };
    for (int coded = 0; coded < 2; coded++) /* raw fields' streams lie before the others */
        for (uint32_t i = 0; i < r->split.fields; i++) {
            stream *s = &d->stream[i];
            if (ent_is_raw(&r->spec[i]) == coded) continue;
            if (!take(&left, &s->table) || !take(&left, &s->bytes)) return ENT_ECORRUPT;
        }
    return left.size ? ENT_ECORRUPT : ENT_OK;
}

/* ---- one stream --------------------------------------------------------------------------------------- */

/* The table of a coded stream: the caller's, or the block's own, which is then also in *own. */
static ent_status find_table(const decoder *d, uint32_t field, const ent_table **table, ent_table **own)
{
    *own = NULL;
    *table = d->tables ? d->tables->table[field] : NULL;
    if (!ent_has_own_table(d->recipe, field)) return *table ? ENT_OK : ENT_ECORRUPT;
    ent_status status = ent_table_read(own, &d->recipe->spec[field], d->stream[field].table, ENT_DECODE);
    *table = *own;
    return status;
}

static ent_status decode_raw(const decoder *d, uint32_t field, void *symbols)
{
    ent_table *table;
    ent_coder_spec spec = ent_raw_spec(d->recipe, field);
    ent_status status = ent_table_train(&table, &spec, NULL, ENT_DECODE);
    if (!status) status = ent_decode(table, d->stream[field].bytes, symbols, symbols_of(d, field));
    ent_table_free(table);
    return status;
}

static ent_status decode_stream(const decoder *d, uint32_t field, void *symbols)
{
    const ent_table *table;
    ent_table *own;
    if (d->stream[field].raw) return decode_raw(d, field, symbols);
    ent_status status = find_table(d, field, &table, &own);
    if (!status) status = ent_decode(table, d->stream[field].bytes, symbols, symbols_of(d, field));
    ent_table_free(own);
    return status;
}

/* ---- the words ------------------------------------------------------------------------------------------ */

/* Whether the fields but the `coded` one, all raw, are what is outside [low, low + bits) of the word,
 * highest first: one field, or several of a byte each, whose streams then are planes. */
static bool is_complement(const decoder *d, uint32_t coded, ent_join *join)
{
    const ent_split *split = &d->recipe->split;
    const ent_range gap = split->field[coded].range[0];
    uint32_t next = split->word_bits, rests = 0; /* bits below `next` are to come */
    for (uint32_t i = 0; i < split->fields; i++) {
        const ent_field *field = &split->field[i];
        if (i == coded) continue;
        if (!d->stream[i].raw || rests == ENT_JOIN_PLANES) return false;
        if (split->fields > 2 && !ent_is_bytes(d->recipe, i)) return false;
        join->plane[rests++] = d->stream[i].bytes.data;
        for (uint32_t k = 0; k < field->ranges; k++) {
            if (next == (uint32_t)gap.low + gap.bits) next = gap.low;
            if ((uint32_t)field->range[k].low + field->range[k].bits != next) return false;
            next = field->range[k].low;
        }
    }
    if (next == (uint32_t)gap.low + gap.bits) next = gap.low;
    if (rests == 1) {
        join->rest = join->plane[0];
        join->plane[0] = NULL;
    }
    return next == 0;
}

/* Whether zeros fill the last byte up after the rests, which are packed up to 16 bits, as encode writes it. */
static bool is_filled_up(const decoder *d, uint32_t field)
{
    uint32_t bits = ent_field_bits(&d->recipe->split.field[field]);
    unsigned used = bits > 16 ? 0 : (unsigned)(d->n % 8 * bits % 8);
    ent_bytes rest = d->stream[field].bytes;
    return !used || rest.data[rest.size - 1] >> used == 0;
}

/* The coder joins its symbols with the raw streams.  ENT_EUNSUPPORTED: not this split or coder. */
static ent_status decode_fused(const decoder *d, void *words)
{
    const ent_recipe *r = d->recipe;
    const ent_split *split = &r->split;
    uint32_t coded = 0;
    while (coded < split->fields && d->stream[coded].raw) coded++;
    if (split->fields < 2 || coded == split->fields || split->word_bits != 8 * r->word_width ||
        split->word_bits > 64)
        return ENT_EUNSUPPORTED;
    const ent_field *field = &split->field[coded];
    ent_join join = { .word_bytes = r->word_width, .shift = field->range[0].low, .bits = field->range[0].bits,
                      .stream = d->flags & ENT_STREAM };
    if (field->ranges != 1 || !is_complement(d, coded, &join)) return ENT_EUNSUPPORTED;
    if (split->fields == 2 && !is_filled_up(d, !coded)) return ENT_ECORRUPT;
    const ent_table *table;
    ent_table *own;
    ent_status status = find_table(d, coded, &table, &own);
    if (!status) status = ent_decode_words(table, d->stream[coded].bytes, &join, words, d->n);
    ent_table_free(own);
    return status;
}

static size_t rounded(size_t size) { return (size + 63) / 64 * 64; }

static ent_status decode_split(const decoder *d, void *words)
{
    const ent_split *split = &d->recipe->split;
    const void *symbols[ENT_MAX_FIELDS];
    size_t need = 0;
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < split->fields; i++) need += rounded(symbols_of(d, i) * ent_field_width(&split->field[i]));
    if (ent_buffer_reserve(&d->work->symbols, need)) return ENT_ENOMEM;
    uint8_t *at = d->work->symbols.data;
    for (uint32_t i = 0; i < split->fields && !status; i++) {
        symbols[i] = at;
        if (d->stream[i].raw && ent_is_bytes(d->recipe, i))
            symbols[i] = d->stream[i].bytes.data;
        else
            status = decode_stream(d, i, at);
        at += rounded(symbols_of(d, i) * ent_field_width(&split->field[i]));
    }
    if (!status) ent_join_words(split, symbols, d->n, words);
    return status;
}

static ent_status decode_words(const decoder *d, void *words)
{
    if (ent_is_whole_word(d->recipe)) return decode_stream(d, 0, words);
    ent_status status = decode_fused(d, words);
    return status == ENT_EUNSUPPORTED ? decode_split(d, words) : status;
}

ent_status ent_block_decode(const ent_recipe *recipe, const ent_tables *tables, ent_bytes block, unsigned flags,
                            void *words, size_t n, ent_workspace *work)
{
    ent_workspace own = { { NULL, 0, 0 }, { NULL, 0, 0 } };
    decoder d = { .recipe = recipe, .tables = tables, .n = n, .flags = flags, .work = work ? work : &own };
    if (!ent_block_fits(recipe, n)) return ENT_EINVAL;
    ent_status status = flags & ENT_TRUSTED ? ENT_OK : ent_block_verify(block);
    if (!status) status = read_layout(&d, block);
    if (!status && n) status = decode_words(&d, words);
    ent_workspace_free(&own);
    return status;
}
