/* csr.c - see csr.h. */
#include <stdio.h>

#include "transform/csr.h"

const char *ent_csr_part(char out[CSR_NAME], const char *name, const char *what)
{
    snprintf(out, CSR_NAME, "%s.%s", name, what);
    return out;
}

static uint32_t halves(uint32_t cols) { return cols > 1u << 16 ? 2 : 1; }

ent_status ent_csr_store(csr *list, ent_packed *packed, const char *name, uint32_t rows, uint32_t cols,
                         const uint16_t *mask, ent_error *error)
{
    char first[CSR_NAME], column[CSR_NAME];
    size_t all = (size_t)rows * cols;
    uint32_t n = 0;
    for (size_t i = 0; i < all; i++) n += mask[i] != 0;
    bool none = !n;
    ent_part *pointers = ent_packed_add(packed, ent_csr_part(first, name, "rows"), "U16", rows + 1, 2, error);
    ent_part *columns = pointers ? ent_packed_add(packed, ent_csr_part(column, name, "columns"), "U16", none ? 1 : n, halves(cols), error) : NULL;
    if (!columns) return ENT_ENOMEM;
    uint16_t *to = pointers->words, *at = columns->words;
    n = 0;
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t c = 0; c < cols; c++) {
            size_t i = (size_t)r * cols + c;
            if (!mask[i] && !(none && i == all - 1)) continue;
            *at++ = (uint16_t)c;
            if (columns->cols > 1) *at++ = (uint16_t)(c >> 16);
            n++;
        }
        to[2 * (size_t)r + 2] = (uint16_t)n;
        to[2 * (size_t)r + 3] = (uint16_t)(n >> 16);
    }
    *list = (csr){ pointers, columns, rows, cols, n };
    return ENT_OK;
}

static ent_status check(const csr *list, const char *name, ent_error *error)
{
    if (ent_csr_first(list, 0) || ent_csr_first(list, list->rows) != list->n)
        return ent_fail(error, ENT_ECORRUPT, "the rows of a list of %s do not begin at 0, or end at another number than %u", name, list->n);
    for (uint32_t r = 0; r < list->rows; r++) {
        uint32_t from = ent_csr_first(list, r), to = ent_csr_first(list, r + 1);
        if (from > to || to > list->n) return ent_fail(error, ENT_ECORRUPT, "row %u of a list of %s ends before it begins", r, name);
        for (uint32_t i = from; i < to; i++)
            if (ent_csr_column(list, i) >= list->cols || (i > from && ent_csr_column(list, i) <= ent_csr_column(list, i - 1)))
                return ent_fail(error, ENT_ECORRUPT, "row %u of a list of %s: column %u is out of order, or beyond the last", r, name,
                                ent_csr_column(list, i));
    }
    return ENT_OK;
}

ent_status ent_csr_read(csr *list, const ent_packed *packed, const char *name, uint32_t rows, uint32_t cols, ent_error *error)
{
    char first[CSR_NAME], column[CSR_NAME];
    const ent_part *found = ent_packed_find(packed, ent_csr_part(column, name, "columns"));
    *list = (csr){ .rows = rows, .cols = cols, .n = found ? found->rows : 1 };
    list->first = ent_packed_need(packed, ent_csr_part(first, name, "rows"), "U16", rows + 1, 2, error);
    if (list->first) list->column = ent_packed_need(packed, column, "U16", list->n, halves(cols), error);
    return list->column ? check(list, name, error) : ENT_ECORRUPT;
}
