/* planar_rans.h - the inside of planar-rans, for its files and their tests.  See planar_rans.c. */
#ifndef ENT_CODER_PLANAR_RANS_H
#define ENT_CODER_PLANAR_RANS_H

#include <entropy/coder.h>

#include "coder/join.h"

enum {
    PLANAR_SLOTS = 256,  /* of the model: a slot is a byte */
    PLANAR_CAP = 127,    /* slots of one entry: a signed byte, so that one instruction multiplies and adds */
    PLANAR_LANES = 64,   /* of a group */
    PLANAR_GROUPS = 4,   /* at most */
    PLANAR_STATES = PLANAR_GROUPS * PLANAR_LANES,
    PLANAR_LISTED = 15,  /* left-out symbols that a repair can name in 4 bits */
    PLANAR_SKIP = 4095,  /* of a repair's 12-bit distance: no repair, go on */
    PLANAR_MISSING = 128, /* flag at the frequency of a left-out symbol */
    PLANAR_LOW_LEAST = 2, /* low bits kept raw, if any */
    PLANAR_LOW_MOST = 4
};

/* ---- tables (planar_rans_table.c) ------------------------------------------------------------ */

/* What training gives.  Entries ascend by symbol; one symbol may have several.  Here and below a symbol is
 * what remains of the caller's one when its `low` lowest bits, which are stored raw, are cut off. */
typedef struct planar_table {
    uint32_t low;
    uint32_t entries, listed;
    uint8_t symbol[PLANAR_SLOTS], frequency[PLANAR_SLOTS];
    uint8_t list[PLANAR_LISTED]; /* left-out symbols, commonest first */
} planar_table;

/* By symbol; a left-out symbol has what the commonest one has, which is coded in its stead. */
typedef struct planar_encoder {
    _Alignas(64) uint8_t frequency[256]; /* | PLANAR_MISSING */
    uint8_t first[256];                  /* where its slots begin in `slot` */
    uint8_t reciprocal_low[256], reciprocal_high[256]; /* ceil(2^16 / frequency), at most 65535 */
    uint8_t slot[PLANAR_SLOTS];          /* entry by entry, by rank */
    uint32_t reciprocal[256];            /* ceil(2^22 / frequency) */
    uint32_t packed[256];                /* frequency | first << 8 | both reciprocals << 16 */
    uint32_t low;
    uint8_t name[256];                   /* of a left-out symbol in a repair: its place in the list, or PLANAR_LISTED */
} planar_encoder;

typedef struct planar_decoder {
    _Alignas(64) uint8_t symbol[PLANAR_SLOTS], frequency[PLANAR_SLOTS], rank[PLANAR_SLOTS]; /* by slot */
    uint8_t by_symbol[64];         /* frequency by symbol % 64 */
    uint32_t packed[PLANAR_SLOTS]; /* frequency | rank << 8 | symbol << 16 */
    uint32_t low, listed;
    uint8_t list[PLANAR_LISTED];
    bool narrow; /* `by_symbol` says all: one look-up less in the AVX-512 loop */
} planar_decoder;

/* The best model of symbols so counted that cuts no low bits off, and the bits of all symbols and of its entries. */
ent_status ent_planar_train_whole(const ent_counts *counts, planar_table *table, double *bits);

size_t ent_planar_table_size(const ent_coder_spec *spec);
ent_status ent_planar_train(const ent_coder_spec *spec, const ent_counts *counts, void *table);
ent_status ent_planar_write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out);
ent_status ent_planar_read_table(const ent_coder_spec *spec, ent_bytes in, void *table);
double ent_planar_price(const ent_coder_spec *spec, const void *table, uint32_t symbol);
size_t ent_planar_encoder_size(const ent_coder_spec *spec, const void *table);
void ent_planar_build_encoder(const ent_coder_spec *spec, const void *table, void *encoder);
size_t ent_planar_decoder_size(const ent_coder_spec *spec, const void *table);
void ent_planar_build_decoder(const ent_coder_spec *spec, const void *table, void *decoder);

/* ---- blocks (planar_rans.c) ------------------------------------------------------------------ */

/* Which of several tables has which symbols: `segment` of them, whole rounds, have table of[0], as many that follow
 * of[1], ...  All zero: there is one table. */
typedef struct planar_classes {
    size_t segment;
    const uint8_t *of;
} planar_classes;

static inline unsigned ent_planar_class(const planar_classes *classes, size_t symbol)
{
    return classes->segment ? classes->of[symbol / classes->segment] : 0;
}

/* Of `rounds`, those from `first` on that certainly have one table. */
static inline size_t ent_planar_alike(const planar_classes *classes, size_t first, size_t rounds, unsigned groups)
{
    if (!classes->segment) return rounds - first;
    size_t segment = classes->segment / (groups * PLANAR_LANES), alike = segment - first % segment;
    return alike < rounds - first ? alike : rounds - first;
}

/* The first of the rounds before `end` that certainly have one table. */
static inline size_t ent_planar_alike_from(const planar_classes *classes, size_t end, unsigned groups)
{
    size_t segment = classes->segment / (groups * PLANAR_LANES);
    return segment ? (end - 1) / segment * segment : 0;
}

/* The repairs of a block, read one ahead. */
typedef struct planar_repairs {
    const uint8_t *at, *end;
    const planar_decoder *decoder; /* as many as there are classes */
    planar_classes classes;
    uint32_t alphabet;
    size_t below;    /* what all positions are */
    size_t next;     /* where the next distance counts from */
    size_t position; /* of the repair read, SIZE_MAX: none is left */
    uint8_t symbol;
    bool bad;
} planar_repairs;

/* A block being decoded.  After `lows`, the low bits of whole groups, as after strings, 64 bytes are readable. */
typedef struct planar_block {
    _Alignas(64) uint8_t q[PLANAR_STATES], s[PLANAR_STATES]; /* the planes of the states */
    const uint8_t *at[PLANAR_GROUPS], *end[PLANAR_GROUPS]; /* the strings; 64 bytes after each end are readable */
    const uint8_t *lows, *lows_end;
    unsigned groups;
    size_t rounds;
    planar_classes classes;
    planar_repairs repairs;
} planar_block;

/* A block being encoded.  Each string ends at `end` and grows downwards from there, by at most 64
 * bytes a round, to `at`.  Bit i % 64 of missing[i / 64] tells that symbol i was left out. */
typedef struct planar_job {
    _Alignas(64) uint8_t q[PLANAR_STATES], s[PLANAR_STATES];
    uint8_t *at[PLANAR_GROUPS], *end[PLANAR_GROUPS];
    unsigned groups;
    size_t rounds;
    planar_classes classes;
    uint64_t *missing;
} planar_job;

/* Cuts n symbols into what is coded and the low bits, of whole groups (planar_rans_low.c). */
void ent_planar_cut(const uint8_t *symbols, size_t n, unsigned low, uint8_t *upper, uint8_t *lows);

/* Puts the repairs before position `to` into `symbols`, whose first has number `from`. */
void ent_planar_repair(planar_repairs *repairs, uint8_t *symbols, size_t from, size_t to);

/* What the coders do with a block, for tables without low bits where there are classes; `work` as planar-rans has it. */
size_t ent_planar_bound(size_t n);
size_t ent_planar_encode_work(size_t n);
ent_status ent_planar_encode(const ent_coder_spec *spec, const planar_encoder *encoder, const planar_classes *classes,
                             const uint8_t *symbols, size_t n, uint8_t *out, size_t *size, ent_tally *tally, void *work);
ent_status ent_planar_decode(const ent_coder_spec *spec, const planar_decoder *decoder, const planar_classes *classes,
                             ent_bytes in, uint8_t *symbols, size_t n);
ent_status ent_planar_decode_words(const ent_coder_spec *spec, const planar_decoder *decoder,
                                   const planar_classes *classes, ent_bytes in, const ent_join *join, void *words,
                                   size_t n);

/* The loops, over all rounds, with a table for each class.  Decoding returns false when a string runs out; what the states and
 * strings end with is checked by the caller. */
bool ent_planar_decode_plain(const planar_decoder *decoder, planar_block *block, uint8_t *symbols);
void ent_planar_encode_plain(const planar_encoder *encoder, planar_job *job, const uint8_t *symbols);

#if defined __x86_64__
bool ent_planar_decode_avx512(const planar_decoder *decoder, planar_block *block, uint8_t *symbols);
bool ent_planar_decode_avx2(const planar_decoder *decoder, planar_block *block, uint8_t *symbols);
/* All n symbols, those in the final states too, to words, for a join of any form but ENT_JOIN_OTHER;
 * `stream` needs `words` aligned to 64 bytes. */
bool ent_planar_decode_words_avx512(const planar_decoder *decoder, planar_block *block, const ent_join *join,
                                    ent_join_form form, uint8_t *words, size_t n);
bool ent_planar_decode_words_avx2(const planar_decoder *decoder, planar_block *block, const ent_join *join,
                                  ent_join_form form, uint8_t *words, size_t n);
void ent_planar_encode_avx2(const planar_encoder *encoder, planar_job *job, const uint8_t *symbols);
void ent_planar_encode_avx512(const planar_encoder *encoder, planar_job *job, const uint8_t *symbols);
#endif

#endif
