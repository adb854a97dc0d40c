/* dependence.h - what a context tells about a symbol, and whether chance would have told as much.
 *
 * Layer 2, beside stats.h.  A context is anything known before a symbol is coded: another field, the
 * symbols before it, its row.  The mutual information I(symbol; context) is what a coder with a table
 * for each class of the context saves.  The plug-in estimate of I is too high, by about (classes - 1)
 * (symbols - 1) / (2 n ln 2) bits even where nothing depends on anything.  So every estimate comes with what
 * independence would have shown on these very counts of symbols and of classes, which is taken off, and with
 * the probability that independence shows as much.  (Miller's correction is given too.  It counts live cells, and where
 * most cells are rare or empty it takes off half of the bias.)
 *
 * Everything is in bits of all symbols counted, so that tensors, blocks and machines add up.
 */
#ifndef ENTROPY_DEPENDENCE_H
#define ENTROPY_DEPENDENCE_H

#include <entropy/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ent_information { /* sums over `symbols` symbols, bits; all zero: of nothing */
    uint64_t symbols;             /* counted */
    double entropy, entropy_bias; /* plug-in H(symbol); what miller1955 adds: (live symbols - 1) / (2 ln 2) */
    double information;           /* plug-in I(symbol; context), never negative */
    double bias;                  /* what Miller's correction of the three entropies takes off it:
                                     (live cells - live symbols - live classes + 1) / (2 ln 2) */
    double null_mean, null_variance; /* of `information` over all ways to deal the same symbols to the same contexts */
} ent_information;

/* Those of two parts that are independent of each other, such as two tensors. */
ENT_API void ent_information_add(ent_information *into, const ent_information *part);
/* Per symbol, NaN of nothing: H(symbol) by Miller; I(symbol; context) less what chance shows, and by Miller;
 * H(symbol | context), the first less the second. */
ENT_API double ent_information_entropy(const ent_information *i);
ENT_API double ent_information_bits(const ent_information *i);
ENT_API double ent_information_miller(const ent_information *i);
ENT_API double ent_information_conditional(const ent_information *i);
/* The probability that independence shows at least this `information`: a gamma distribution with the mean
 * and variance of the null (the chi-square of the likelihood ratio G = 2 ln 2 I, wilks1938, where cells are
 * full; cells of few symbols are taken as they are).  1 where there is nothing to depend on. */
ENT_API double ent_information_p(const ent_information *i);

/* From joint counts: cell[context * alphabet + symbol].  O(contexts * alphabet); ENT_ENOMEM. */
ENT_API ent_status ent_information_of_cells(const uint64_t *cell, size_t contexts, uint32_t alphabet,
                                            ent_information *information);
/* What field `context` of words tells about field `symbol`; ENT_EUNSUPPORTED unless one plane
 * of the counts holds both, ENT_EINVAL when they share bits. */
ENT_API ent_status ent_information_of_fields(const ent_word_counts *counts, const ent_field *symbol,
                                             const ent_field *context, ent_information *information);

/* ---- contexts of place: a matrix of symbols of one byte ---------------------------------------------------- */

enum {
    ENT_CONTEXT_LOOKBACK = 3,    /* most symbols back */
    ENT_CONTEXT_CLASSES = 16,    /* of symbols that are a context: the commonest, and the others together */
    ENT_CONTEXT_COLUMNS = 32768, /* most classes of columns */
    ENT_PIECE = 2048             /* most symbols of a piece */
};

/* Where another symbol stands that is known. */
enum ent_beside { ENT_BESIDE_NONE, ENT_BESIDE_ABOVE, ENT_BESIDE_LAYER, ENT_BESIDE_MODEL, ENT_BESIDES };

/* A run of symbols of one row.  Where a context wants symbols before it they are in front of `symbol`. */
typedef struct ent_piece {
    uint64_t row, column, columns; /* of the first symbol; of a row */
    size_t n;                      /* 1 .. ENT_PIECE */
    const uint8_t *symbol;         /* n */
    const uint8_t *beside[ENT_BESIDES]; /* at the same places above, in the next layer, in another model; or NULL */
} ent_piece;

/* A kind of context; one line each in contexts.def. */
typedef struct ent_context {
    const char *name, *brief; /* stable key; one line */
    unsigned before;         /* symbols of the row that must come before; places without them are not counted */
    enum ent_beside beside;  /* what must be there */
    bool matrix;             /* of no sense in a vector */
    bool row;                /* the class is the row: counted row by row, in no table */
    size_t (*classes)(uint64_t columns); /* how many there are */
    /* fills context[0 .. n); class_of[symbol] is its place among the commonest, or ENT_CONTEXT_CLASSES - 1 */
    void (*classify)(const ent_piece *piece, const uint8_t class_of[256], uint32_t *context);
} ent_context;

ENT_API extern const ent_context *const ent_contexts[]; /* NULL at the end */
ENT_API const ent_context *ent_context_find(const char *name); /* NULL: none */

typedef struct ent_dependence ent_dependence; /* counts of one matrix in all contexts that have sense for it */

/* `symbols`: how often each occurs in the matrix, at most 2^32 - 1 in all.  A vector is a matrix of rows = 0.
 * `beside`: bit b tells that pieces will have beside[b].  Memory: 4 bytes for each class of a context and symbol of the
 * range that occurs (columns: at most ENT_CONTEXT_COLUMNS classes, neighbours together beyond), 24 bytes a row.  ENT_EINVAL for more than 256 symbols or too many, ENT_ENOMEM. */
ENT_API ent_status ent_dependence_new(ent_dependence **dependence, const ent_context *const contexts[],
                                      const ent_counts *symbols, uint64_t rows, uint64_t columns, unsigned beside);
ENT_API void ent_dependence_free(ent_dependence *dependence); /* takes NULL */
/* Counts a piece.  The pieces of a row come one after the other, all to the same counts.  One increment a
 * symbol and context. */
ENT_API void ent_dependence_add(ent_dependence *dependence, const ent_piece *piece);
/* into += from, of the same matrix and contexts; `from` is spent. */
ENT_API void ent_dependence_merge(ent_dependence *into, ent_dependence *from);
/* What context number i (as in `contexts`) tells; all zero where it has no sense here. */
ENT_API ent_status ent_dependence_information(ent_dependence *dependence, size_t i, ent_information *information);

#ifdef __cplusplus
}
#endif
#endif
