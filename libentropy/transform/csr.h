/* csr.h - lists of few places of a matrix, in compressed sparse rows.
 *
 * Parts: NAME.rows, U16, (rows + 1) x 2: how many places there are in the rows before, 32 bits as their low and their high half
 * (formats of words end at 16 bits); NAME.columns, U16, one row a place, row by row and ascending in each: its column, in two
 * halves too where there are more than 65536.  A list is never empty: without places it has the last of the matrix. */
#ifndef ENT_TRANSFORM_CSR_H
#define ENT_TRANSFORM_CSR_H

#include "transform/parts.h"

enum { CSR_NAME = sizeof ((ent_part *)0)->name };
const char *ent_csr_part(char out[CSR_NAME], const char *name, const char *what); /* NAME.WHAT */

typedef struct csr {
    const ent_part *first, *column;
    uint32_t rows, cols, n; /* n places, >= 1 */
} csr;

/* Adds the parts, for the places where mask[rows * cols] is not 0, or the last one alone if all are. */
ent_status ent_csr_store(csr *list, ent_packed *packed, const char *name, uint32_t rows, uint32_t cols,
                         const uint16_t *mask, ent_error *error);
/* ENT_ECORRUPT unless all places are in order and within rows x cols. */
ent_status ent_csr_read(csr *list, const ent_packed *packed, const char *name, uint32_t rows, uint32_t cols, ent_error *error);

/* How many places are before row r, r <= rows. */
static inline uint32_t ent_csr_first(const csr *list, uint32_t r)
{
    const uint16_t *half = (const uint16_t *)list->first->words + 2 * (size_t)r;
    return half[0] | (uint32_t)half[1] << 16;
}

static inline uint32_t ent_csr_column(const csr *list, uint32_t i)
{
    const uint16_t *half = (const uint16_t *)list->column->words + (size_t)i * list->column->cols;
    return list->column->cols == 1 ? half[0] : half[0] | (uint32_t)half[1] << 16;
}

#endif
