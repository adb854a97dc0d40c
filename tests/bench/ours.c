/* ours.c - our coders (on symbols) and codecs (on words) as contestants: the lists are walked.
 *
 * Tables are trained on the symbols to be coded, before the clock starts; they are stored once and
 * counted.  Blocks are trusted, as everywhere: no peer here verifies a checksum. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum { CODER_BLOCK = 256 * 1024 }; /* symbols; codecs say it themselves, and their preset is the same */

struct coding {
    ent_table *table; /* of a coder */
    uint32_t width;
    ent_recipe recipe; /* of a codec */
    ent_tables tables;
    unsigned threads;
    ent_workspace work[]; /* [threads] */
};

static bool is_wrapped(const ent_coder *coder) { return coder->wide && strcmp(coder->name, "raw"); }

static ent_status table_size(const ent_table *table, size_t *size)
{
    ent_buffer written = { NULL, 0, 0 };
    ent_status status = ent_table_write(table, &written);
    *size += written.size;
    ent_free(written.data);
    return status;
}

/* ---- coders on symbols ------------------------------------------------------------------------ */

static size_t coder_bound(const struct coding *c, size_t bytes) { return ent_encode_bound(c->table, bytes / c->width); }

static ent_status coder_encode(struct coding *c, unsigned thread, ent_bytes in, ent_buffer *out)
{
    (void)thread;
    return ent_encode(c->table, in.data, in.size / c->width, out, NULL);
}

static ent_status coder_decode(struct coding *c, unsigned thread, ent_bytes in, bool stream, uint8_t *out, size_t size)
{
    (void)thread, (void)stream;
    return ent_decode(c->table, in, out, size / c->width);
}

static void coder_close(struct coding *c)
{
    ent_table_free(c->table);
    ent_free(c);
}

static ent_status coder_open(struct contestant *one, const ent_coder *coder, const struct data *data, size_t n)
{
    ent_coder_spec spec;
    ent_counts counts;
    ent_status status = ent_coder_spec_init(&spec, coder, data->alphabet);
    if (status) return status;
    *one = (struct contestant){ .version = ENT_VERSION, .kind = is_wrapped(coder) ? KIND_WRAPPED : KIND_OURS,
                                .block = CODER_BLOCK * data->width, .bound = coder_bound, .encode = coder_encode,
                                .decode = coder_decode, .close = coder_close };
    snprintf(one->name, sizeof one->name, "%s", coder->name);
    if (!(one->coding = ent_calloc(1, sizeof *one->coding))) return ENT_ENOMEM;
    one->coding->width = data->width;
    if ((status = ent_counts_init(&counts, data->alphabet))) return status;
    status = ent_counts_add(&counts, data->symbols, data->width, n);
    if (!status) status = ent_table_train(&one->coding->table, &spec, &counts, ENT_ENCODE | ENT_DECODE);
    if (!status) status = table_size(one->coding->table, &one->table_bytes);
    ent_counts_free(&counts);
    return status;
}

/* ---- codecs on words -------------------------------------------------------------------------- */

static size_t codec_bound(const struct coding *c, size_t bytes)
{
    return ent_block_bound(&c->recipe, &c->tables, bytes / c->recipe.word_width);
}

static ent_status codec_encode(struct coding *c, unsigned thread, ent_bytes in, ent_buffer *out)
{
    ent_tally tally = { 0, 0, 0 };
    return ent_block_encode(&c->recipe, &c->tables, in.data, in.size / c->recipe.word_width, out, &tally,
                            &c->work[thread]);
}

static ent_status codec_decode(struct coding *c, unsigned thread, ent_bytes in, bool stream, uint8_t *out, size_t size)
{
    return ent_block_decode(&c->recipe, &c->tables, in, stream ? ENT_TRUSTED | ENT_STREAM : ENT_TRUSTED, out,
                            size / c->recipe.word_width, &c->work[thread]);
}

static void codec_close(struct coding *c)
{
    ent_tables_free(&c->tables);
    for (unsigned t = 0; t < c->threads; t++) ent_workspace_free(&c->work[t]);
    ent_free(c);
}

static ent_status codec_train(struct contestant *one, const struct data *data, size_t n)
{
    struct coding *c = one->coding;
    ent_counts counts[ENT_MAX_FIELDS];
    ent_status status = ent_recipe_counts_init(&c->recipe, counts);
    if (status) return status;
    status = ent_recipe_count(&c->recipe, data->symbols, n, counts);
    if (!status) status = ent_tables_train(&c->tables, &c->recipe, counts, ENT_ENCODE | ENT_DECODE);
    ent_recipe_counts_free(counts);
    for (uint32_t i = 0; i < c->tables.fields && !status; i++)
        if (c->tables.table[i]) status = table_size(c->tables.table[i], &one->table_bytes);
    return status;
}

static ent_status codec_open(struct contestant *one, const ent_codec *codec, const struct data *data, size_t n,
                             unsigned threads, ent_error *error)
{
    *one = (struct contestant){ .version = ENT_VERSION, .kind = KIND_OURS, .bound = codec_bound, .encode = codec_encode,
                                .decode = codec_decode, .close = codec_close };
    snprintf(one->name, sizeof one->name, "%s", ent_codec_name(codec));
    if (!(one->coding = ent_calloc(1, sizeof *one->coding + threads * sizeof one->coding->work[0]))) return ENT_ENOMEM;
    one->coding->threads = threads;
    const ent_recipe *recipe = &one->coding->recipe;
    ent_status status = ent_codec_bind(codec, data->dtype, &one->coding->recipe, error);
    for (uint32_t i = 0; i < recipe->split.fields && !status; i++)
        if (is_wrapped(recipe->spec[i].coder)) one->kind = KIND_WRAPPED;
    if (status) return status;
    one->block = recipe->block * recipe->word_width;
    return codec_train(one, data, n);
}

/* Whether the codec codes anything of this dtype, or is the control. */
static bool serves(const ent_codec *codec, const char *dtype)
{
    ent_recipe recipe;
    bool coded = !strcmp(ent_codec_name(codec), "raw");
    if (ent_codec_bind(codec, dtype, &recipe, NULL)) return true; /* whose failure is then told */
    for (uint32_t i = 0; i < recipe.split.fields; i++) coded |= strcmp(recipe.spec[i].coder->name, "raw") != 0;
    return coded;
}

/* ---- both lists ------------------------------------------------------------------------------- */

static ent_status codecs_open(struct contestant *list, size_t *count, const struct data *data, size_t n,
                              unsigned threads, ent_error *error)
{
    ent_status status = ENT_OK;
    for (const ent_codec_row *row = ent_codecs; row->name && !row->aside && !status; row++) {
        ent_codec *codec;
        status = ent_codec_parse(&codec, row->name, error);
        if (status == ENT_EUNSUPPORTED) { /* its coder's library is not in this build */
            status = ENT_OK;
            continue;
        }
        if (status) break;
        if (serves(codec, data->dtype)) status = codec_open(&list[(*count)++], codec, data, n, threads, error);
        if (status) ent_fail(error, status, "codec %s on %s: %s", row->name, data->name, ent_status_text(status));
        ent_codec_free(codec);
    }
    return status;
}

ent_status ours_open(struct contestant *list, size_t *count, const struct data *data, size_t n, unsigned threads,
                     ent_error *error)
{
    if (data->dtype) return codecs_open(list, count, data, n, threads, error);
    for (size_t i = 0; ent_coders[i]; i++) {
        if (ent_coders[i]->max_alphabet < data->alphabet) continue;
        ent_status status = coder_open(&list[(*count)++], ent_coders[i], data, n);
        if (status)
            return ent_fail(error, status, "coder %s on %s: %s", ent_coders[i]->name, data->name,
                                    ent_status_text(status));
    }
    return ENT_OK;
}
