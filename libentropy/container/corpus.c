/* corpus.c - tables over several models.
 *
 * What is kept, in memory and in the file, are the counts: they add up over models, and tables are
 * trained from them when a model is coded.  They are smoothed first, since that model has symbols
 * that the corpus may lack; alphabets of over 256 are not, where one for each symbol would outweigh
 * what was seen, and a block with a symbol that has no code is stored raw. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/corpus.h"
#include "container/h5.h"
#include "container/output.h"
#include "container/plan.h"
#include "weights/reader.h"

#define FORMAT "libentropy tables"
enum { VERSION = 1, SMOOTHED_ALPHABET = 256 };

typedef struct entry { /* a format */
    const char *dtype; /* of ent_formats */
    ent_recipe recipe;
    ent_counts counts[ENT_MAX_FIELDS], smoothed[ENT_MAX_FIELDS];
} entry;

struct ent_corpus {
    ent_codec *codec;
    entry *entry;
    size_t entries;
};

ent_status ent_corpus_new(ent_corpus **corpus, const ent_codec *codec)
{
    const char *name = ent_codec_name(codec),
               *scope = ent_codec_scope(codec) == ENT_SCOPE_CORPUS ? "" : " scope=corpus";
    size_t formats = 0, size = strlen(name) + strlen(scope) + 1;
    while (ent_dtype_at(formats)) formats++;
    *corpus = NULL;
    ent_corpus *c = ent_calloc(1, sizeof *c);
    char *text = ent_alloc(size);
    if (text) snprintf(text, size, "%s%s", name, scope);
    ent_status status = c && text && (c->entry = ent_calloc(formats, sizeof *c->entry)) ? ENT_OK : ENT_ENOMEM;
    if (!status) status = ent_codec_parse(&c->codec, text, NULL);
    ent_free(text);
    if (status) ent_corpus_free(c);
    else *corpus = c;
    return status;
}

void ent_corpus_free(ent_corpus *corpus)
{
    if (!corpus) return;
    for (size_t i = 0; i < corpus->entries; i++) {
        ent_recipe_counts_free(corpus->entry[i].counts);
        ent_recipe_counts_free(corpus->entry[i].smoothed);
    }
    ent_free(corpus->entry);
    ent_codec_free(corpus->codec);
    ent_free(corpus);
}

const ent_codec *ent_corpus_codec(const ent_corpus *corpus) { return corpus->codec; }

static entry *find_entry(const ent_corpus *corpus, const char *dtype)
{
    for (size_t i = 0; i < corpus->entries; i++)
        if (!strcmp(corpus->entry[i].dtype, dtype)) return &corpus->entry[i];
    return NULL;
}

const ent_counts *ent_corpus_counts(const ent_corpus *corpus, const char *dtype)
{
    const entry *e = find_entry(corpus, dtype);
    return e ? e->smoothed : NULL;
}

/* The entry of a format, new and empty if need be; ENT_EINVAL for opaque bytes. */
static ent_status get_entry(ent_corpus *corpus, const char *dtype, entry **found)
{
    const ent_format *format = ent_dtype_find(dtype);
    if (!format) return ENT_EINVAL;
    if ((*found = find_entry(corpus, dtype))) return ENT_OK;
    entry *e = &corpus->entry[corpus->entries];
    *e = (entry){ .dtype = format->name };
    ent_status status = ent_codec_bind(corpus->codec, dtype, &e->recipe, NULL);
    if (!status) status = ent_recipe_counts_init(&e->recipe, e->counts);
    if (!status && (status = ent_recipe_counts_init(&e->recipe, e->smoothed))) ent_recipe_counts_free(e->counts);
    if (status) return status;
    corpus->entries++;
    *found = e;
    return ENT_OK;
}

static void smooth(entry *e)
{
    for (uint32_t i = 0; i < e->recipe.split.fields; i++)
        for (uint32_t s = 0; s < e->counts[i].alphabet; s++)
            e->smoothed[i].count[s] = e->counts[i].count[s] + (e->counts[i].alphabet <= SMOOTHED_ALPHABET);
}

static ent_status merge_group(ent_corpus *corpus, const ent_plan *plan, const ent_group *group)
{
    const char *dtype = plan->index.recipe[group->recipe].dtype;
    entry *e;
    if (!*dtype || !group->words) return ENT_OK;
    ent_status status = get_entry(corpus, dtype, &e);
    if (status) return status;
    for (uint32_t i = 0; i < e->recipe.split.fields && !status; i++)
        if (e->counts[i].count) status = ent_counts_merge(&e->counts[i], &group->counts[i]);
    smooth(e);
    return status;
}

ent_status ent_corpus_add(ent_corpus *corpus, const ent_weights *weights, const ent_run *run, ent_error *error)
{
    ent_plan plan;
    const ent_codec *codec = corpus->codec;
    ent_status status = ent_plan_make(&plan, weights, &(ent_assignment){ .codecs = 1, .codec = &codec }, ENT_PLAN_ALL, error);
    if (status) return status;
    const ent_run preset = { .threads = 0 };
    status = ent_plan_count_all(&plan, run ? run : &preset, error);
    for (size_t i = 0; i < plan.groups && !status; i++)
        if ((status = merge_group(corpus, &plan, &plan.group[i])))
            ent_fail(error, status, "%s", ent_status_text(status));
    ent_plan_free(&plan);
    return status;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

/* One list of sizes a format; the counts themselves go, one after the other, to `out`. */
static json_t *entry_json(const entry *e, ent_buffer *out)
{
    json_t *sizes = json_array();
    for (uint32_t i = 0; i < e->recipe.split.fields; i++) {
        if (!e->counts[i].count) continue;
        size_t start = out->size;
        if (ent_counts_write(&e->counts[i], out)) return NULL;
        json_array_append_new(sizes, json_integer((json_int_t)(out->size - start)));
    }
    return json_pack("{s:s, s:o}", "dtype", e->dtype, "sizes", sizes);
}

static ent_status corpus_json(const ent_corpus *corpus, ent_buffer *counts, char **text)
{
    json_t *list = json_array();
    for (size_t i = 0; i < corpus->entries; i++)
        if (json_array_append_new(list, entry_json(&corpus->entry[i], counts))) {
            json_decref(list);
            return ENT_ENOMEM;
        }
    json_t *root = json_pack("{s:s, s:i, s:s, s:s, s:o}", "format", FORMAT, "version", VERSION, "program", ENT_VERSION,
                             "codec", ent_codec_name(corpus->codec), "counts", list);
    *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return *text ? ENT_OK : ENT_ENOMEM;
}

static ent_status write_h5(const char *path, const char *text, const ent_buffer *counts, ent_error *error)
{
    hid_t h5;
    ent_status status = ent_h5_create(&h5, path, error);
    if (status) return status;
    status = ent_h5_write_bytes(h5, "/counts", (ent_bytes){ counts->data, counts->size }, true, path, error);
    if (!status)
        status =
            ent_h5_write_bytes(h5, "/index", (ent_bytes){ (const uint8_t *)text, strlen(text) }, true, path, error);
    ent_status closed = ent_h5_finish(h5, path, status ? NULL : error);
    return status ? status : closed;
}

ent_status ent_corpus_write(const ent_corpus *corpus, const char *path, ent_error *error)
{
    ent_buffer counts = { NULL, 0, 0 };
    ent_output output;
    char *text = NULL;
    ent_h5_tongue tongue = ent_h5_quiet();
    ent_status status = ent_output_plan(&output, path, error);
    if (!status && (status = corpus_json(corpus, &counts, &text))) ent_fail(error, status, "%s: out of memory", path);
    if (!status) {
        output.exists = true;
        status = write_h5(output.temporary, text, &counts, error);
    }
    if (!status) status = ent_output_commit(&output, error);
    ent_output_drop(&output);
    free(text);
    ent_free(counts.data);
    ent_h5_restore(tongue);
    return status;
}

static ent_status refuse(ent_error *error, const char *path, const char *why)
{
    return ent_fail(error, ENT_ECORRUPT, "%s: %s", path, why);
}

/* Takes the counts of one format off the front of `left`. */
static ent_status read_entry(ent_corpus *corpus, const json_t *o, ent_bytes *left, const char *path, ent_error *error)
{
    const char *dtype = json_string_value(json_object_get(o, "dtype"));
    const json_t *sizes = json_object_get(o, "sizes");
    entry *e;
    size_t k = 0;
    if (!dtype || find_entry(corpus, dtype) || get_entry(corpus, dtype, &e))
        return refuse(error, path, "counts of an unknown dtype");
    for (uint32_t i = 0; i < e->recipe.split.fields; i++) {
        if (!e->counts[i].count) continue;
        json_int_t size = json_integer_value(json_array_get(sizes, k++));
        ent_counts counts = { 0, NULL };
        if (size <= 0 || (uint64_t)size > left->size) return refuse(error, path, "counts that end too early");
        ent_status status = ent_counts_read(&counts, (ent_bytes){ left->data, (size_t)size });
        if (!status) status = ent_counts_merge(&e->counts[i], &counts);
        ent_counts_free(&counts);
        if (status) return refuse(error, path, "damaged counts");
        *left = (ent_bytes){ left->data + size, left->size - (size_t)size };
    }
    if (k != json_array_size(sizes)) return refuse(error, path, "counts of other fields than the codec's");
    smooth(e);
    return ENT_OK;
}

static ent_status read_json(ent_corpus **corpus, const json_t *root, ent_bytes counts, const char *path,
                            ent_error *error)
{
    const char *format = json_string_value(json_object_get(root, "format")), *text;
    const json_t *list = json_object_get(root, "counts");
    ent_codec *codec;
    if (!format || strcmp(format, FORMAT))
        return refuse(error, path, "not a file of tables (entropy train makes them)");
    if (json_integer_value(json_object_get(root, "version")) != VERSION)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: tables of another version than %d", path, VERSION);
    if (!(text = json_string_value(json_object_get(root, "codec"))) || !json_is_array(list))
        return refuse(error, path, "no codec");
    ent_status status = ent_codec_parse(&codec, text, error);
    if (status) return status;
    if ((status = ent_corpus_new(corpus, codec))) ent_fail(error, status, "%s: out of memory", path);
    ent_codec_free(codec);
    for (size_t i = 0; i < json_array_size(list) && !status; i++)
        status = read_entry(*corpus, json_array_get(list, i), &counts, path, error);
    if (!status && counts.size) status = refuse(error, path, "counts left over");
    return status;
}

ent_status ent_corpus_read(ent_corpus **corpus, const char *path, ent_error *error)
{
    ent_buffer text = { NULL, 0, 0 }, counts = { NULL, 0, 0 };
    json_t *root = NULL;
    hid_t file = -1;
    *corpus = NULL;
    ent_h5_tongue tongue = ent_h5_quiet();
    ent_status status = ent_h5_open(&file, path, error);
    if (!status) {
        status = ent_h5_read_bytes(file, "/index", &text, path, error);
        if (!status) status = ent_h5_read_bytes(file, "/counts", &counts, path, error);
        H5Fclose(file);
    }
    if (!status) status = ent_json_object(&root, (ent_bytes){ text.data, text.size }, 0, path, error);
    if (!status) status = read_json(corpus, root, (ent_bytes){ counts.data, counts.size }, path, error);
    if (status) {
        ent_corpus_free(*corpus);
        *corpus = NULL;
    }
    json_decref(root);
    ent_free(text.data);
    ent_free(counts.data);
    ent_h5_restore(tongue);
    return status;
}
