/* coder.h - entropy coders: one struct, one list, one checked door.
 *
 * Layer 2; needs nothing but libc.  A coder turns a stream (symbols of one field) into bytes.  Its
 * steps are separate so that each can be measured and shared:
 *
 *     counts --train--> table --write--> bytes --read--> table
 *     table --build encoder--> encode: symbols -> bytes
 *     table --build decoder--> decode: bytes -> symbols (or straight into words)
 *
 * Users call the door below (ent_table_*, ent_encode, ent_decode): it owns memory, checks
 * arguments, and is all that touches the functions in struct ent_coder.
 *
 * To add a coder: one file that ends in its struct, one line in coders.def (libentropy/ADDING.md has a whole one).
 */
#ifndef ENTROPY_CODER_H
#define ENTROPY_CODER_H

#include <entropy/count.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ent_coder ent_coder; /* see below */

enum { ENT_CODER_PARAMS = 4 }; /* knobs of a coder */

/* A knob of a coder, e.g. {"states", "interleaved states", 1, 64, 32}. */
typedef struct ent_param {
    const char *name, *brief; /* name NULL: this place is unused */
    uint32_t least, most, preset; /* it may be set to least .. most */
} ent_param;

/* A coder with its choices made, over symbols of one kind: what a container states about a stream. */
typedef struct ent_coder_spec {
    const ent_coder *coder;
    uint32_t alphabet; /* symbols are < alphabet, 1 .. 65536; 0: any word of `width` bytes (byte coders) */
    uint32_t width;    /* bytes a symbol takes in memory, aligned so: 1 (alphabet <= 256), 2, for byte coders 4 or 8 */
    uint32_t param[ENT_CODER_PARAMS]; /* values of the coder's knobs, in its order */
} ent_coder_spec;

/* Where the bits of a coded stream went; bytes are counted as they are stored. */
typedef struct ent_tally {
    uint64_t payload_bits; /* the symbols, final coder states included */
    uint64_t table_bits;   /* what training gave */
    uint64_t index_bits;   /* sizes and offsets that let parts be found and decoded in parallel */
} ent_tally;

/* Instructions a symbol of a loop for vectors, as compiled by gcc 12; 0: there is no such loop.  Those stated as a
 * fraction (68 / 64.) are of the loop alone, the others of whole calls, stepped through over the BF16 exponents of
 * a trained model, with the join to words if the coder has one. */
typedef struct ent_loop {
    double vectors, all; /* those on vectors; all of them */
    double gathers;      /* lanes that are gathered from the table, one by one inside the core */
    double chain;        /* cycles from one symbol of a lane to the next of that lane, as instruction tables have them */
} ent_loop;

/* Work to decode one symbol with the plain C decoder, averaged: what a target model multiplies. */
typedef struct ent_ops {
    double lookups;    /* loads from the table */
    double multiplies; /* of integers */
    double simple;     /* adds, shifts, ands, compares */
    double branches;   /* that depend on the data */
    double chain;      /* dependent operations from one symbol of a lane to the next of that lane */
    double lanes;      /* independent chains that the format offers */
    ent_loop vector32, vector64; /* with registers of 32 bytes (AVX2) and of 64 (AVX-512 with VBMI2) */
} ent_ops;

enum { ENT_JOIN_PLANES = 3 }; /* bytes of a rest in planes */

/* How a decoded symbol becomes a word: the symbol sits at bits [shift, shift + bits) of a word of
 * `word_bytes` bytes; the other bits of the word, upper part first, are the same word's value in
 * `rest`, a packed array of (8 * word_bytes - bits) bit values.  BF16 with coded exponents is
 * {2, 7, 8}: one byte a word, sign << 7 | mantissa.
 *
 * Values that are two or three whole bytes may lie in as many byte planes instead, the highest in
 * plane[0]; `rest` is then NULL.  F32 with coded exponents is {4, 23, 8} with three planes.
 *
 * `stream` says that the whole output, of which these words may be one block, is larger than the
 * cache: a coder may then store past it.  Only the speed depends on it. */
typedef struct ent_join {
    uint32_t word_bytes, shift, bits;
    const uint8_t *rest;
    bool stream;
    const uint8_t *plane[ENT_JOIN_PLANES]; /* NULL: not in planes */
} ent_join;

/* A coder: what users may know of it, and the functions behind the door. */
struct ent_coder {
    const char *name;      /* stable key: in files, on the command line, in results */
    const char *brief;     /* one line, for lists and the paper's table */
    const char *cite;      /* key in paper/refs.bib, "" if ours */
    uint16_t id;           /* in containers; never reused */
    uint32_t max_alphabet; /* largest alphabet it takes */
    bool wide;             /* a byte coder: no training, takes symbols as plain bytes, 4 and 8 byte words too */
    bool adaptive;         /* learns while coding: the table is empty */
    bool whole_bits;       /* a symbol takes whole bits: no code is below what ent_table_price says */
    ent_param param[ENT_CODER_PARAMS]; /* its knobs */
    ent_ops ops;           /* what decoding takes */

    /* Training.  `table` points at table_size bytes, zeroed, 64-aligned.  Byte and adaptive coders
     * leave all of these NULL.  A coder that trains on where symbols stand counts them itself: `count` adds n
     * that follow each other to counts of `count_alphabet` (at most ENT_MAX_ALPHABET), a multiple of the spec's.
     * Symbol s is all of s, s + alphabet, s + 2 alphabet, ...; `train` takes such counts and plain ones. */
    uint32_t (*count_alphabet)(const ent_coder_spec *spec);
    ent_status (*count)(const ent_coder_spec *spec, const void *symbols, size_t n, ent_counts *counts);
    size_t (*table_size)(const ent_coder_spec *spec);
    ent_status (*train)(const ent_coder_spec *spec, const ent_counts *counts, void *table);
    ent_status (*write_table)(const ent_coder_spec *spec, const void *table, ent_buffer *out); /* appends; may grow */
    ent_status (*read_table)(const ent_coder_spec *spec, ent_bytes in, void *table); /* all of `in`, trusting nothing */
    /* Bits that the table gives a symbol: its code length, or -log2 of its frequency; INFINITY: it has no code. */
    double (*price)(const ent_coder_spec *spec, const void *table, uint32_t symbol);

    /* Tables in the form that the loops want.  NULL sizes: the loops use `table` itself. */
    size_t (*encoder_size)(const ent_coder_spec *spec, const void *table);
    void (*build_encoder)(const ent_coder_spec *spec, const void *table, void *encoder);
    size_t (*decoder_size)(const ent_coder_spec *spec, const void *table);
    void (*build_decoder)(const ent_coder_spec *spec, const void *table, void *decoder);

    /* Coding.  `out` has bound(spec, n) bytes, `work` encode_work or decode_work(spec, n) bytes (NULL: none needed).
     * encode returns the size in *size and the split of it in *tally (payload + index = 8 * size);
     * ENT_ERANGE when a symbol has no code.  decode may be given anything: it never reads outside
     * `in` nor writes outside n symbols, and returns ENT_ECORRUPT where the bytes cannot be what
     * encode wrote. */
    size_t (*bound)(const ent_coder_spec *spec, size_t n);
    size_t (*encode_work)(const ent_coder_spec *spec, size_t n);
    size_t (*decode_work)(const ent_coder_spec *spec, size_t n);
    ent_status (*encode)(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n,
                         uint8_t *out, size_t *size, ent_tally *tally, void *work);
    ent_status (*decode)(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work);
    /* decode fused with the join; NULL, or ENT_EUNSUPPORTED for a join that it does not know: the
     * caller then decodes to symbols and joins itself.  Same promises as decode. */
    ent_status (*decode_words)(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work);
};

/* ---- the list ------------------------------------------------------------------------------- */

ENT_API extern const ent_coder *const ent_coders[]; /* NULL at the end; order of coders.def */
ENT_API const ent_coder *ent_coder_find(const char *name); /* NULL if this build has none of that name */
ENT_API const ent_coder *ent_coder_by_id(uint16_t id);     /* the same */

/* A spec with preset params; width from the alphabet.  ENT_EINVAL when alphabet is 0 or over
 * 65536, ENT_EUNSUPPORTED when it is over the coder's max_alphabet.  For words of 4 or 8 bytes use
 * ent_coder_spec_wide (byte coders only). */
ENT_API ent_status ent_coder_spec_init(ent_coder_spec *spec, const ent_coder *coder, uint32_t alphabet);
ENT_API ent_status ent_coder_spec_wide(ent_coder_spec *spec, const ent_coder *coder, uint32_t width);
/* Sets a knob by name; ENT_EINVAL for an unknown name or a value out of its range. */
ENT_API ent_status ent_coder_spec_set(ent_coder_spec *spec, const char *param, uint32_t value);

/* ---- the door ------------------------------------------------------------------------------- */

/* A trained table, ready for use.  Read only after it is made: any number of threads may share it. */
typedef struct ent_table ent_table;

enum { ENT_ENCODE = 1, ENT_DECODE = 2 }; /* what a table is to be used for, or both */

/* Counts to train from, all zero, and n symbols more in them; may be merged.  Symbols that do not begin a block or
 * a row are better added together with those before them.  Freed by ent_counts_free.  ENT_EINVAL for other counts. */
ENT_API ent_status ent_training_init(ent_counts *counts, const ent_coder_spec *spec);
ENT_API ent_status ent_training_add(ent_counts *counts, const ent_coder_spec *spec, const void *symbols, size_t n);

/* From such counts, or plain ones (alphabet as in the spec; ignored, may be NULL, for byte and adaptive coders).  Counts
 * that are all zero train as one occurrence of symbol 0.  The counts may leave symbols out;
 * ent_encode then answers ENT_ERANGE to data that has them.  Freed by ent_table_free; ENT_EINVAL, ENT_ENOMEM. */
ENT_API ent_status ent_table_train(ent_table **table, const ent_coder_spec *spec, const ent_counts *counts,
                                   unsigned use);
/* From the bytes that ent_table_write wrote; ENT_ECORRUPT for any others. */
ENT_API ent_status ent_table_read(ent_table **table, const ent_coder_spec *spec, ent_bytes bytes, unsigned use);
ENT_API ent_status ent_table_write(const ent_table *table, ent_buffer *out); /* appends, growing the buffer */
ENT_API const ent_coder_spec *ent_table_spec(const ent_table *table); /* what it was made for; as long as it lives */
/* What symbols of these counts cost by the table alone, whatever its coder adds: sum of count * price, in
 * bits; INFINITY where one has no code.  ENT_EUNSUPPORTED, and 0, for coders without tables. */
ENT_API ent_status ent_table_price(const ent_table *table, const ent_counts *counts, double *bits);
ENT_API void ent_table_free(ent_table *table); /* takes NULL */

/* Most bytes that n symbols can take; SIZE_MAX when n is absurd. */
ENT_API size_t ent_encode_bound(const ent_table *table, size_t n);

/* Appends the code of n symbols to `out` (ENT_ESPACE unless ent_encode_bound bytes are free) and
 * adds to *tally (may be NULL).  `symbols` may be NULL when n is 0.  ENT_EINVAL for a table that was not made to encode.
 * The same code on every processor. */
ENT_API ent_status ent_encode(const ent_table *table, const void *symbols, size_t n, ent_buffer *out,
                              ent_tally *tally);

/* Decodes exactly n symbols from exactly `in`: ENT_ECORRUPT for bytes that cannot be their code.  Takes any bytes.  On
 * failure the content of `symbols` is undefined. */
ENT_API ent_status ent_decode(const ent_table *table, ent_bytes in, void *symbols, size_t n);

/* Decodes straight into n words (see ent_join); join->rest or its planes must hold n rests.  ENT_EUNSUPPORTED
 * when this coder has no fused form for this join: use ent_decode and join by hand. */
ENT_API ent_status ent_decode_words(const ent_table *table, ent_bytes in, const ent_join *join, void *words,
                                    size_t n);

#ifdef __cplusplus
}
#endif
#endif
