/* codec.h - codecs as data: which fields, which coder for each, tables trained on what, block size.
 *
 * Layer 3.  A codec is one line of text, the same on the command line, in plans and in files:
 *
 *     codec   = clause { '|' clause } { option }
 *     clause  = [ formats ':' ] item { item }
 *     formats = name { ',' name }          a format ("BF16"), a kind ("float", "int", "scale", "record"),
 *                                          "narrow" (at most 8 bits) or '*'
 *     item    = field '=' coder [ '(' knob '=' number { ',' knob '=' number } ')' ]
 *     option  = 'scope=' tensor|role|model|corpus|block   |   'block=' number (weights, k = 1024)
 *
 * e.g. "BF16: exponent=huffman rest=raw | *: word=raw scope=role block=64k".  Fields as in field.h
 * (blanks inside a field text are not allowed).  The first clause that names a tensor's format is
 * used; one that names it by kind or '*' (as does a clause without formats) is passed over when the
 * format lacks its fields or a coder does not take them, so "exponent=rans rest=raw" leaves integers
 * raw.  A tensor that no clause serves is stored raw.  The names of codecs.def stand for a line, and
 * options may follow ("huffman scope=role"): the last of an option's kind counts.
 *
 * A block is `block` consecutive weights of one tensor and decodes alone, given the tables.
 *
 * Codecs, recipes and tables are read only once made: any number of threads may share them.
 */
#ifndef ENTROPY_CODEC_H
#define ENTROPY_CODEC_H

#include <entropy/coder.h>
#include <entropy/field.h>
#include <entropy/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/* On which data a table is trained. */
typedef enum ent_scope {
    ENT_SCOPE_TENSOR, /* one table a tensor and field */
    ENT_SCOPE_ROLE,   /* one a role, dtype and field */
    ENT_SCOPE_MODEL,  /* one a dtype and field */
    ENT_SCOPE_CORPUS, /* as model, over several models; stored apart (`entropy train`) */
    ENT_SCOPE_BLOCK   /* one a block, stored in it */
} ent_scope;

/* A line of text, understood. */
typedef struct ent_codec ent_codec;

/* A named codec: its name, a line for people, a key in paper/refs.bib ("" if ours), the line it stands for. */
typedef struct ent_codec_row {
    const char *name, *brief, *cite, *text;
    bool aside; /* not one of "all", to be asked for by name: a hundred times slower than others, or for weights of a special
                   kind; such rows are the last */
} ent_codec_row;
ENT_API extern const ent_codec_row ent_codecs[]; /* ends with a NULL name */

/* From a name of ent_codecs or a line of text.  ENT_EINVAL with the place in the text on errors. */
ENT_API ent_status ent_codec_parse(ent_codec **codec, const char *text, ent_error *error);
ENT_API void ent_codec_free(ent_codec *codec); /* takes NULL; recipes do not need it */
ENT_API const char *ent_codec_name(const ent_codec *codec); /* row name, or the text itself; as long as the codec lives */
ENT_API const char *ent_codec_text(const ent_codec *codec); /* the canonical line; parses to the same codec */
ENT_API ent_scope ent_codec_scope(const ent_codec *codec);  /* preset: tensor */
ENT_API size_t ent_codec_block(const ent_codec *codec);     /* weights a block, at most 4096 k; preset: 256 k */

/* ---- a codec bound to one dtype --------------------------------------------------------------- */

/* What a codec does to words of a dtype: a plain value, which does not need the codec any more. */
typedef struct ent_recipe {
    const ent_format *format; /* NULL: opaque bytes, a "weight" is then one byte */
    uint32_t word_width;      /* bytes of an unpacked word */
    ent_split split;      /* the fields of a word */
    ent_coder_spec spec[ENT_MAX_FIELDS]; /* one a field */
    ent_scope scope;
    size_t block; /* weights; of records too, so a block has max(1, block / format->weights) of those */
} ent_recipe;

/* How this codec treats tensors of a dtype; one that is no name of a format is opaque bytes.  Never fails for lack of a
 * clause (see above). */
ENT_API ent_status ent_codec_bind(const ent_codec *codec, const char *dtype, ent_recipe *recipe, ent_error *error);
/* Appends the items that serve a dtype, all knobs written out, e.g. "exponent=huffman(max=12) rest=raw";
 * no NUL at the end.  Grows the buffer. */
ENT_API ent_status ent_codec_recipe_text(const ent_codec *codec, const char *dtype, ent_buffer *text);

/* Tables for a recipe, one a field; field i of a byte or adaptive coder holds an empty table.  NULL
 * where blocks hold their own (scope block and a coder that trains), or to store the field raw. */
typedef struct ent_tables {
    uint32_t fields;
    ent_table *table[ENT_MAX_FIELDS];
} ent_tables;

/* Trains from counts made by ent_recipe_count, merged over whatever the scope covers (NULL will do
 * for scope block).  `use` as for ent_table_train, whose errors these are; tables are freed by ent_tables_free. */
ENT_API ent_status ent_tables_train(ent_tables *tables, const ent_recipe *recipe, const ent_counts counts[],
                                    unsigned use);
ENT_API void ent_tables_free(ent_tables *tables); /* frees each and zeroes the struct */

/* Adds the counts of n words to counts[field] for every field of at most 16 bits whose coder is not
 * raw; the others stay zeroed structs.  counts[] is initialised by ent_recipe_counts_init and may
 * be merged (ent_counts_merge).  They are plain, or what the field's coder trains from (see ent_training_add).  O(n), at
 * the speed of memory for BF16 cut into sign, exponent and mantissa.  ENT_ENOMEM. */
ENT_API ent_status ent_recipe_counts_init(const ent_recipe *recipe, ent_counts counts[ENT_MAX_FIELDS]);
ENT_API ent_status ent_recipe_count(const ent_recipe *recipe, const void *words, size_t n, ent_counts counts[]);
ENT_API void ent_recipe_counts_free(ent_counts counts[ENT_MAX_FIELDS]); /* frees each and zeroes it */
/* The plug-in entropy of a field that is counted, order-0, bits per symbol. */
ENT_API double ent_recipe_entropy_bits(const ent_recipe *recipe, uint32_t field, const ent_counts *counts);
/* What counts say the recipe could reach without contexts: the sum over fields of the plug-in entropy (whole
 * bits for raw fields), bits per word. */
ENT_API double ent_recipe_bound_bits(const ent_recipe *recipe, const ent_counts counts[]);

/* ---- blocks --------------------------------------------------------------------------------- */

/* Memory that one thread uses again for block after block; all zero is a new one.  Where a function
 * takes one, NULL means memory for the call alone, which costs up to a third of the speed. */
typedef struct ent_workspace {
    ent_buffer symbols, code; /* none of the caller's business */
} ent_workspace;
/* Frees what it holds; it may be used again. */
ENT_API void ent_workspace_free(ent_workspace *work);

/* Most bytes of a block of n words; SIZE_MAX when n is absurd. */
ENT_API size_t ent_block_bound(const ent_recipe *recipe, const ent_tables *tables, size_t n);

/* Appends the block of n unpacked words, aligned or not, to `out`, which has ent_block_bound bytes free (ENT_ESPACE).
 * The layout is in libentropy/codec/FORMAT.md.  A stream that its coder cannot code (a symbol
 * outside the table) or would make larger is stored raw.  Adds to *tally: stream codes to payload,
 * block header and sizes to index, tables inside the block (scope block) to table.  ENT_EINVAL for more words than
 * a block may have, ENT_ENOMEM.  Any number of threads may encode and decode blocks at once, with the same tables. */
ENT_API ent_status ent_block_encode(const ent_recipe *recipe, const ent_tables *tables, const void *words, size_t n,
                                    ent_buffer *out, ent_tally *tally, ent_workspace *work);

/* Where the bits of coded blocks went, in bits.  The sum is the size of the blocks and tables, exactly. */
typedef struct ent_gap {
    double bound;    /* entropy of the coded fields under their counts, and the bits of the raw ones */
    double model;    /* what the tables' code lengths or frequencies cost over that */
    double kept_raw; /* streams stored raw, over what the tables say */
    double coder;    /* over all that: states, padding, rounding; also what a coder without tables takes or saves */
    double table, index; /* as in ent_tally */
} ent_gap;
/* All bits: the size of the blocks. */
ENT_API double ent_gap_sum(const ent_gap *gap);

/* Adds a block of n words that ent_block_encode made with these tables and tally.  `counts`: of all words that the
 * tables serve (NULL for scope block).  Tables outside blocks are for the caller to add.  Counts the words again; ENT_ENOMEM. */
ENT_API ent_status ent_gap_block(const ent_recipe *recipe, const ent_tables *tables, const ent_counts counts[],
                                 const void *words, size_t n, ent_bytes block, const ent_tally *tally, ent_gap *gap);

enum { /* flags of ent_block_decode */
    ENT_TRUSTED = 1, /* the checksum has been verified before */
    ENT_STREAM = 2,  /* all the output, of which this is a block, is larger than the cache (see ent_join) */
};

/* Exactly n words from exactly `block`; ENT_ECORRUPT for bytes that encode cannot have written, by
 * structure or by checksum (verified before anything is decoded unless ENT_TRUSTED is set).  `words`
 * is aligned to the width of a word; its content is undefined after a failure. */
ENT_API ent_status ent_block_decode(const ent_recipe *recipe, const ent_tables *tables, ent_bytes block, unsigned flags,
                                    void *words, size_t n, ent_workspace *work);
/* Whether the block's checksum holds; the same check that decode makes. */
ENT_API ent_status ent_block_verify(ent_bytes block);

#ifdef __cplusplus
}
#endif
#endif
