/* coder.c - the list of coders and the one checked door to them. */
#include <string.h>

#include <entropy/coder.h>

#include "coder/join.h"

#define X(name) extern const ent_coder ent_coder_##name;
#include "coders.def"
#undef X

const ent_coder *const ent_coders[] = {
#define X(name) &ent_coder_##name,
#include "coders.def"
#undef X
    NULL
};

const ent_coder *ent_coder_find(const char *name)
{
    for (size_t i = 0; ent_coders[i]; i++)
        if (!strcmp(ent_coders[i]->name, name)) return ent_coders[i];
    return NULL;
}

const ent_coder *ent_coder_by_id(uint16_t id)
{
    for (size_t i = 0; ent_coders[i]; i++)
        if (ent_coders[i]->id == id) return ent_coders[i];
    return NULL;
}

static void presets(ent_coder_spec *spec, const ent_coder *coder, uint32_t alphabet, uint32_t width)
{
    *spec = (ent_coder_spec){ .coder = coder, .alphabet = alphabet, .width = width };
    for (int i = 0; i < ENT_CODER_PARAMS; i++) spec->param[i] = coder->param[i].name ? coder->param[i].preset : 0;
}

ent_status ent_coder_spec_init(ent_coder_spec *spec, const ent_coder *coder, uint32_t alphabet)
{
    if (!coder || alphabet < 1 || alphabet > ENT_MAX_ALPHABET) return ENT_EINVAL;
    if (alphabet > coder->max_alphabet) return ENT_EUNSUPPORTED;
    presets(spec, coder, alphabet, alphabet <= 256 ? 1 : 2);
    return ENT_OK;
}

ent_status ent_coder_spec_wide(ent_coder_spec *spec, const ent_coder *coder, uint32_t width)
{
    if (!coder || (width != 1 && width != 2 && width != 4 && width != 8)) return ENT_EINVAL;
    if (!coder->wide) return ENT_EUNSUPPORTED;
    presets(spec, coder, 0, width);
    return ENT_OK;
}

ent_status ent_coder_spec_set(ent_coder_spec *spec, const char *param, uint32_t value)
{
    for (int i = 0; i < ENT_CODER_PARAMS; i++) {
        const ent_param *p = &spec->coder->param[i];
        if (!p->name || strcmp(p->name, param)) continue;
        if (value < p->least || value > p->most) return ENT_EINVAL;
        spec->param[i] = value;
        return ENT_OK;
    }
    return ENT_EINVAL;
}

/* A spec that may have come from a file: everything the coders rely on. */
static bool spec_valid(const ent_coder_spec *spec)
{
    const ent_coder *coder = spec->coder;
    if (!coder) return false;
    if (spec->alphabet == 0) {
        if (!coder->wide || (spec->width != 1 && spec->width != 2 && spec->width != 4 && spec->width != 8)) return false;
    } else if (spec->alphabet > coder->max_alphabet || spec->width != (spec->alphabet <= 256 ? 1u : 2u)) {
        return false;
    }
    for (int i = 0; i < ENT_CODER_PARAMS; i++) {
        const ent_param *p = &coder->param[i];
        if (p->name && (spec->param[i] < p->least || spec->param[i] > p->most)) return false;
    }
    return true;
}

struct ent_table {
    ent_coder_spec spec;
    void *table, *encoder, *decoder; /* the latter two may be `table` itself */
};

void ent_table_free(ent_table *table)
{
    if (!table) return;
    if (table->encoder != table->table) ent_free(table->encoder);
    if (table->decoder != table->table) ent_free(table->decoder);
    ent_free(table->table);
    ent_free(table);
}

static ent_status table_new(ent_table **table, const ent_coder_spec *spec)
{
    if (!spec_valid(spec)) return ENT_EINVAL;
    ent_table *t = ent_calloc(1, sizeof *t);
    if (!t) return ENT_ENOMEM;
    t->spec = *spec;
    if (spec->coder->table_size && !(t->table = ent_calloc(1, spec->coder->table_size(spec)))) {
        ent_free(t);
        return ENT_ENOMEM;
    }
    *table = t;
    return ENT_OK;
}

static ent_status table_build(ent_table *t, unsigned use)
{
    const ent_coder *c = t->spec.coder;
    if (use & ENT_ENCODE) {
        t->encoder = t->table;
        if (c->encoder_size) {
            if (!(t->encoder = ent_calloc(1, c->encoder_size(&t->spec, t->table)))) return ENT_ENOMEM;
            c->build_encoder(&t->spec, t->table, t->encoder);
        }
    }
    if (use & ENT_DECODE) {
        t->decoder = t->table;
        if (c->decoder_size) {
            if (!(t->decoder = ent_calloc(1, c->decoder_size(&t->spec, t->table)))) return ENT_ENOMEM;
            c->build_decoder(&t->spec, t->table, t->decoder);
        }
    }
    return ENT_OK;
}

/* Hands `t` out, or frees it when a step before failed. */
static ent_status table_done(ent_table **table, ent_table *t, ent_status status, unsigned use)
{
    if (!status) status = table_build(t, use);
    if (status) {
        ent_table_free(t);
        t = NULL;
    }
    *table = t;
    return status;
}

static uint32_t training_alphabet(const ent_coder_spec *spec)
{
    return spec->coder->count_alphabet ? spec->coder->count_alphabet(spec) : spec->alphabet;
}

ent_status ent_training_init(ent_counts *counts, const ent_coder_spec *spec)
{
    return ent_counts_init(counts, training_alphabet(spec));
}

ent_status ent_training_add(ent_counts *counts, const ent_coder_spec *spec, const void *symbols, size_t n)
{
    if (counts->alphabet != training_alphabet(spec)) return ENT_EINVAL;
    return spec->coder->count ? spec->coder->count(spec, symbols, n, counts)
                              : ent_counts_add(counts, symbols, spec->width, n);
}

static bool trains_from(const ent_coder_spec *spec, const ent_counts *counts)
{
    return counts && (counts->alphabet == spec->alphabet || counts->alphabet == training_alphabet(spec));
}

ent_status ent_table_train(ent_table **table, const ent_coder_spec *spec, const ent_counts *counts, unsigned use)
{
    ent_table *t;
    *table = NULL;
    ent_status status = table_new(&t, spec);
    if (status) return status;
    if (spec->coder->train) {
        ent_counts first = { spec->alphabet, NULL };
        if (!trains_from(spec, counts)) {
            status = ENT_EINVAL;
        } else if (ent_counts_total(counts)) {
            status = spec->coder->train(spec, counts, t->table);
        } else if (!(status = ent_counts_init(&first, spec->alphabet))) {
            first.count[0] = 1;
            status = spec->coder->train(spec, &first, t->table);
            ent_counts_free(&first);
        }
    }
    return table_done(table, t, status, use);
}

ent_status ent_table_read(ent_table **table, const ent_coder_spec *spec, ent_bytes bytes, unsigned use)
{
    ent_table *t;
    *table = NULL;
    ent_status status = table_new(&t, spec);
    if (status) return status;
    if (spec->coder->read_table)
        status = spec->coder->read_table(spec, bytes, t->table);
    else if (bytes.size)
        status = ENT_ECORRUPT;
    return table_done(table, t, status, use);
}

ent_status ent_table_write(const ent_table *table, ent_buffer *out)
{
    const ent_coder *c = table->spec.coder;
    return c->write_table ? c->write_table(&table->spec, table->table, out) : ENT_OK;
}

ent_status ent_table_price(const ent_table *table, const ent_counts *counts, double *bits)
{
    const ent_coder *c = table->spec.coder;
    *bits = 0;
    if (!c->price) return ENT_EUNSUPPORTED;
    if (counts->alphabet != table->spec.alphabet) return ENT_EINVAL;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) *bits += (double)counts->count[s] * c->price(&table->spec, table->table, s);
    return ENT_OK;
}

const ent_coder_spec *ent_table_spec(const ent_table *table) { return &table->spec; }

size_t ent_encode_bound(const ent_table *table, size_t n)
{
    /* a 64th of the address space: no coder's bound can overflow below it */
    return n > SIZE_MAX / 64 ? SIZE_MAX : table->spec.coder->bound(&table->spec, n);
}

static ent_status work_new(size_t (*work_size)(const ent_coder_spec *, size_t), const ent_coder_spec *spec, size_t n,
                           void **work)
{
    *work = NULL;
    size_t size = work_size ? work_size(spec, n) : 0;
    return !size || (*work = ent_alloc(size)) ? ENT_OK : ENT_ENOMEM;
}

ent_status ent_encode(const ent_table *table, const void *symbols, size_t n, ent_buffer *out, ent_tally *tally)
{
    const ent_coder_spec *spec = &table->spec;
    const ent_coder *c = spec->coder;
    size_t bound = ent_encode_bound(table, n), size = 0;
    ent_tally t = { 0, 0, 0 };
    void *work;
    if (bound == SIZE_MAX || (c->encoder_size && !table->encoder)) return ENT_EINVAL;
    if (out->capacity - out->size < bound) return ENT_ESPACE;
    if (n == 0) return ENT_OK;
    ent_status status = work_new(c->encode_work, spec, n, &work);
    if (status) return status;
    uint8_t *end = out->data ? out->data + out->size : NULL; /* NULL will do for codes without bytes */
    status = c->encode(spec, table->encoder, symbols, n, end, &size, &t, work);
    ent_free(work);
    if (status) return status;
    out->size += size;
    if (tally) {
        tally->payload_bits += t.payload_bits;
        tally->index_bits += t.index_bits;
    }
    return ENT_OK;
}

ent_status ent_decode(const ent_table *table, ent_bytes in, void *symbols, size_t n)
{
    const ent_coder_spec *spec = &table->spec;
    void *work;
    if (n > SIZE_MAX / 64 || (spec->coder->decoder_size && !table->decoder)) return ENT_EINVAL;
    if (n == 0) return in.size ? ENT_ECORRUPT : ENT_OK;
    ent_status status = work_new(spec->coder->decode_work, spec, n, &work);
    if (status) return status;
    status = spec->coder->decode(spec, table->decoder, in, symbols, n, work);
    ent_free(work);
    return status;
}

/* The loops ask for the bytes of a join ENT_READ_AHEAD before use: asks for the first ones. */
static void ask_for_first(const ent_join *join, size_t n)
{
    const size_t size = n < ENT_READ_AHEAD ? n : ENT_READ_AHEAD;
    if (join->rest) ent_ask_for(join->rest, size);
    for (int k = 0; k < ENT_JOIN_PLANES && join->plane[k]; k++) ent_ask_for(join->plane[k], size);
}

ent_status ent_decode_words(const ent_table *table, ent_bytes in, const ent_join *join, void *words, size_t n)
{
    const ent_coder_spec *spec = &table->spec;
    void *work;
    if (!spec->coder->decode_words) return ENT_EUNSUPPORTED;
    if (n > SIZE_MAX / 64 || (spec->coder->decoder_size && !table->decoder)) return ENT_EINVAL;
    if (n == 0) return in.size ? ENT_ECORRUPT : ENT_OK;
    ask_for_first(join, n);
    ent_status status = work_new(spec->coder->decode_work, spec, n, &work);
    if (status) return status;
    status = spec->coder->decode_words(spec, table->decoder, in, join, words, n, work);
    ent_free(work);
    return status;
}
