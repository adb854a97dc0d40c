/* signed_product.h - values += signs o U V, the step that gives back one block of a stack (bitstack.h). */
#ifndef ENT_TRANSFORM_SIGNED_PRODUCT_H
#define ENT_TRANSFORM_SIGNED_PRODUCT_H

#include <entropy/base.h>

/* The columns of `right` are filled up to a multiple of this. */
enum { ENT_PRODUCT_COLS = 16 };

typedef struct ent_signed_product {
    size_t rows, cols, rank;
    const uint8_t *signs; /* a bit an entry, row by row, the highest of a byte first; 1: plus.  NULL: all plus */
    const float *left;    /* rows x rank */
    const float *right;   /* rank x stride, 64-aligned */
    size_t stride;        /* columns, filled up with anything */
} ent_signed_product;

/* Sums run over the rank in order, from 0, and nothing is fused: the same bits on every machine. */
void ent_signed_product_add(const ent_signed_product *p, float *values);

#endif
