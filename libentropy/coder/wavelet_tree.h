/* wavelet_tree.h - the inside of wavelet-tree, for its files and their tests.  See wavelet_tree.c. */
#ifndef ENT_CODER_WAVELET_TREE_H
#define ENT_CODER_WAVELET_TREE_H

#include <entropy/coder.h>

enum {
    WAVELET_NODES = 255, /* inner nodes of a tree of 256 leaves */
    WAVELET_WORD = 64,   /* symbols, a bit of a machine word each, that the loops take at once */
    /* Symbols of the root between visits of its children: their strings, at most twice as many bytes on
     * weights, then stay in the first cache; fewer, and the visits cost more than the loops. */
    WAVELET_CHUNK = 8192,
    WAVELET_ROOM = 3 * WAVELET_WORD /* bytes of a string's buffer beyond a chunk */
};

/* The tree of a canonical code: leaves in the order of their codes, numbered from the left.  A side of
 * a node that ends in a leaf is the left one, or both are: codes to the left are never longer. */
typedef struct wavelet_node {
    int16_t child[2];            /* an inner node, or -1: a leaf */
    uint16_t begin, middle, end; /* leaves of the left side from `begin`, of the right one from `middle` on */
} wavelet_node;

typedef struct wavelet_tree {
    uint32_t live, only, nodes; /* nodes in preorder, the root first; with one live symbol, `only`, none */
    wavelet_node node[WAVELET_NODES];
    _Alignas(64) uint8_t leaf[256]; /* by symbol */
    uint8_t symbol[256];            /* by leaf */
    bool known[256];                /* symbols that have a leaf */
} wavelet_tree;

/* What the two sides of a node are; a leaf is a constant. */
typedef enum wavelet_sides { WAVELET_LEAVES, WAVELET_LEAF_AND_STRING, WAVELET_STRINGS } wavelet_sides;

/* One run of a merge: `words` whole words of a node's bits put the symbols of its two sides in their order. */
typedef struct wavelet_merge {
    const uint8_t *bits;
    size_t words;
    const uint8_t *string[2]; /* the sides; NULL: a leaf, and then `symbol`.  The left one is if the right one is */
    uint8_t symbol[2];
    uint8_t *out;             /* 64 bytes a word; with a join, all words of the block */
    const ent_join *join;     /* NULL: to symbols */
    size_t first;             /* with a join: the number of the first symbol */
} wavelet_merge;

/* One run of a partition, the mirror image: `words` times 64 leaf numbers to bits and to the two sides. */
typedef struct wavelet_part {
    const uint8_t *leaves;
    size_t words;
    uint8_t middle;     /* leaves from this one on go to the right */
    uint8_t *bits;      /* 8 bytes a word */
    uint8_t *string[2]; /* NULL: a leaf, nothing to write */
} wavelet_part;

static inline wavelet_sides wavelet_sides_of(const uint8_t *left, const uint8_t *right)
{
    return left ? WAVELET_STRINGS : right ? WAVELET_LEAF_AND_STRING : WAVELET_LEAVES;
}

/* The loops of one instruction set.  They read up to 64 bytes after the part of a string that they use, and
 * write as many after the part that they fill. */
typedef struct wavelet_loops {
    size_t (*ones)(const uint8_t *bits, size_t words);
    void (*merge)(const wavelet_merge *m);
    size_t (*part)(const wavelet_part *p); /* returns the ones */
    void (*leaves)(const wavelet_tree *tree, const uint8_t *symbols, size_t n, uint8_t *leaves);
    bool joins; /* merge knows the forms of ent_join_form_of */
} wavelet_loops;

extern const wavelet_loops ent_wavelet_plain;
#if defined __x86_64__
extern const wavelet_loops ent_wavelet_avx2, ent_wavelet_avx512;
#endif

#endif
