/* encode.c - words to a block.
 *
 * Streams of raw fields come first: where they lie is known before anything is coded, so a byte-wide
 * one is split straight into the block.  The others are coded aside and copied, or packed raw when
 * that is no larger. */
#include <string.h>

#include "base/bits.h"
#include "codec/block.h"

typedef struct encoder {
    const ent_recipe *recipe;
    const ent_tables *tables;
    size_t n;
    const void *symbols[ENT_MAX_FIELDS]; /* of every field: the caller's, or in the block, or in the workspace */
    ent_workspace *work;                 /* its `code`: of one stream, and its table */
    uint8_t *block;
    size_t size; /* of the block so far */
    ent_tally tally;
} encoder;

static size_t rounded(size_t size) { return (size + 63) / 64 * 64; }

static size_t symbols_of(const encoder *e, uint32_t field) { return ent_symbols_of(e->recipe, field, e->n); }

static size_t symbols_size(const encoder *e, uint32_t field)
{
    return symbols_of(e, field) * ent_field_width(&e->recipe->split.field[field]);
}

/* Splits the words: byte-wide raw streams into the block, others into the workspace. */
static ent_status split(encoder *e, const void *words)
{
    const ent_recipe *r = e->recipe;
    void *stream[ENT_MAX_FIELDS];
    size_t need = 0, at = e->size;
    if (!e->n) return ENT_OK; /* a new workspace has no memory yet to point into */
    if (ent_is_whole_word(r)) {
        bool aligned = (uintptr_t)words % ent_format_alignment(r->format) == 0;
        e->symbols[0] = words;
        if (aligned) return ENT_OK;
        if (ent_buffer_reserve(&e->work->symbols, symbols_size(e, 0))) return ENT_ENOMEM;
        e->symbols[0] = memcpy(e->work->symbols.data, words, symbols_size(e, 0));
        return ENT_OK;
    }
    for (uint32_t i = 0; i < r->split.fields; i++) need += rounded(symbols_size(e, i));
    if (ent_buffer_reserve(&e->work->symbols, need)) return ENT_ENOMEM;
    uint8_t *free_part = e->work->symbols.data;
    for (uint32_t i = 0; i < r->split.fields; i++) {
        bool raw = ent_is_raw(&r->spec[i]);
        bool in_place = raw && ent_is_bytes(r, i);
        stream[i] = in_place ? e->block + at : free_part;
        e->symbols[i] = stream[i];
        if (!in_place) free_part += rounded(symbols_size(e, i));
        if (raw) at += ent_raw_size(r, i, e->n);
    }
    ent_split_words(&r->split, words, e->n, stream);
    return ENT_OK;
}

/* Appends a stream stored raw. */
static ent_status put_raw(encoder *e, uint32_t field)
{
    size_t size = ent_raw_size(e->recipe, field, e->n);
    uint8_t *to = e->block + e->size;
    e->size += size;
    e->tally.payload_bits += 8 * (uint64_t)size;
    if (!size || e->symbols[field] == to) return ENT_OK;
    if (ent_is_bytes(e->recipe, field)) {
        memcpy(to, e->symbols[field], size);
        return ENT_OK;
    }
    ent_table *table;
    ent_coder_spec spec = ent_raw_spec(e->recipe, field);
    ent_buffer out = { to, 0, size };
    ent_status status = ent_table_train(&table, &spec, NULL, ENT_ENCODE);
    if (!status) status = ent_encode(table, e->symbols[field], symbols_of(e, field), &out, NULL);
    ent_table_free(table);
    return status;
}

/* A table of this block's own, its bytes at the start of e->work->code.  ENT_ERANGE: raw is no larger. */
static ent_status train_own(encoder *e, uint32_t field, ent_table **table)
{
    const ent_coder_spec *spec = &e->recipe->spec[field];
    ent_counts counts;
    ent_status status = ent_training_init(&counts, spec);
    if (!status) status = ent_training_add(&counts, spec, e->symbols[field], symbols_of(e, field));
    if (!status) status = ent_table_train(table, spec, &counts, ENT_ENCODE);
    if (!status) status = ent_table_write(*table, &e->work->code);
    double bits = 0; /* that the code has at the least */
    if (!status && spec->coder->whole_bits) status = ent_table_price(*table, &counts, &bits);
    ent_counts_free(&counts);
    if (status) return status;
    return e->work->code.size + (size_t)(bits / 8) < ent_raw_size(e->recipe, field, e->n) ? ENT_OK : ENT_ERANGE;
}

/* Codes a stream into the workspace, after its own table if it has one.  ENT_ERANGE: it cannot be coded. */
static ent_status code(encoder *e, uint32_t field, size_t *table_size, ent_tally *tally)
{
    ent_table *own = NULL;
    const ent_table *table = e->tables ? e->tables->table[field] : NULL;
    ent_status status = ENT_OK;
    e->work->code.size = 0;
    if (ent_has_own_table(e->recipe, field)) {
        status = train_own(e, field, &own);
        table = own;
    }
    *table_size = e->work->code.size;
    if (!status && !table) status = ENT_ERANGE; /* not worth a table */
    if (!status) {
        size_t bound = ent_encode_bound(table, symbols_of(e, field));
        status = bound == SIZE_MAX ? ENT_EINVAL : ent_buffer_reserve(&e->work->code, e->work->code.size + bound);
    }
    if (!status) status = ent_encode(table, e->symbols[field], symbols_of(e, field), &e->work->code, tally);
    ent_table_free(own);
    return status;
}

/* Appends the stream of a field that has a coder; `header` is the place of its size fields. */
static ent_status put_coded(encoder *e, uint32_t field, uint8_t *header)
{
    size_t table_size = 0;
    ent_tally tally = { 0, 0, 0 };
    ent_status status = code(e, field, &table_size, &tally);
    if (status && status != ENT_ERANGE) return status;
    bool raw = status == ENT_ERANGE || e->work->code.size >= ent_raw_size(e->recipe, field, e->n);
    ent_store32(header, raw ? 0 : (uint32_t)(e->work->code.size - table_size) + 1);
    if (ent_has_own_table(e->recipe, field)) ent_store32(header + ENT_SIZE_BYTES, raw ? 0 : (uint32_t)table_size);
    if (raw) return put_raw(e, field);
    memcpy(e->block + e->size, e->work->code.data, e->work->code.size);
    e->size += e->work->code.size;
    e->tally.payload_bits += tally.payload_bits;
    e->tally.index_bits += tally.index_bits;
    e->tally.table_bits += 8 * (uint64_t)table_size;
    return ENT_OK;
}

static ent_status put_streams(encoder *e)
{
    const ent_recipe *r = e->recipe;
    uint8_t *header = e->block + ENT_CHECKSUM_BYTES;
    ent_status status = ENT_OK;
    for (uint32_t i = 0; i < r->split.fields && !status; i++)
        if (ent_is_raw(&r->spec[i])) status = put_raw(e, i);
    for (uint32_t i = 0; i < r->split.fields && !status; i++) {
        if (ent_is_raw(&r->spec[i])) continue;
        status = put_coded(e, i, header);
        header += ENT_SIZE_BYTES * (ent_has_own_table(r, i) ? 2 : 1);
    }
    return status;
}

ent_status ent_block_encode(const ent_recipe *recipe, const ent_tables *tables, const void *words, size_t n,
                            ent_buffer *out, ent_tally *tally, ent_workspace *work)
{
    ent_workspace own = { { NULL, 0, 0 }, { NULL, 0, 0 } };
    size_t header = ent_block_header(recipe), bound = ent_block_bound(recipe, tables, n);
    if (!ent_block_fits(recipe, n)) return ENT_EINVAL;
    if (out->capacity - out->size < bound) return ENT_ESPACE;
    encoder e = { .recipe = recipe,
                  .tables = tables,
                  .n = n,
                  .work = work ? work : &own,
                  .block = out->data + out->size,
                  .size = header };
    e.tally.index_bits = 8 * (uint64_t)header;
    ent_status status = split(&e, words);
    if (!status) status = put_streams(&e);
    ent_workspace_free(&own);
    if (status) return status;
    ent_store32(e.block, ent_block_checksum((ent_bytes){ e.block + ENT_CHECKSUM_BYTES, e.size - ENT_CHECKSUM_BYTES }));
    out->size += e.size;
    if (tally) {
        tally->payload_bits += e.tally.payload_bits;
        tally->table_bits += e.tally.table_bits;
        tally->index_bits += e.tally.index_bits;
    }
    return ENT_OK;
}
