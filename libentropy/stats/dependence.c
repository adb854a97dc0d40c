/* dependence.c - joint counts of a matrix's symbols with their contexts.
 *
 * One table a context, classes x the range of symbols that occurs, in 32 bits: the tables of all contexts of
 * exponents then fit a second-level cache.  A row is a class of its own that ends with it: its counts are
 * summed up and forgotten. */
#include <string.h>

#include "stats/dependence.h"

enum { SYMBOLS = 256, CONTEXTS = 16, LINE_CELLS = 16 };

struct ent_dependence {
    const ent_context *context[CONTEXTS]; /* NULL at the end */
    uint64_t rows, columns;
    unsigned beside;
    uint32_t low, high;       /* symbols that occur */
    uint32_t stride;          /* cells of a class, from `low` on */
    uint32_t *cell[CONTEXTS]; /* NULL: the row, or a context of no sense here */
    ent_row_sum *row;         /* of each; NULL unless rows are asked for */
    uint64_t at_row;          /* being counted */
    uint64_t in_row[SYMBOLS];
    uint64_t symbols[SYMBOLS]; /* of all rows done */
    uint8_t class_of[SYMBOLS];
    uint32_t class[ENT_PIECE];
};

static bool has_sense(const ent_dependence *d, const ent_context *c)
{
    return (!c->matrix || d->rows) && (!c->beside || d->beside >> c->beside & 1);
}

void ent_dependence_free(ent_dependence *d)
{
    if (!d) return;
    for (size_t i = 0; i < CONTEXTS; i++) ent_free(d->cell[i]);
    ent_free(d->row);
    ent_free(d);
}

/* Classes of symbols: the commonest have one each, all others one together. */
static void make_classes(ent_dependence *d, const ent_counts *symbols)
{
    memset(d->class_of, ENT_CONTEXT_CLASSES - 1, sizeof d->class_of);
    for (uint8_t k = 0; k + 1 < ENT_CONTEXT_CLASSES; k++) {
        uint32_t best = symbols->alphabet;
        for (uint32_t s = 0; s < symbols->alphabet; s++)
            if (symbols->count[s] && d->class_of[s] == ENT_CONTEXT_CLASSES - 1 &&
                (best == symbols->alphabet || symbols->count[s] > symbols->count[best]))
                best = s;
        if (best == symbols->alphabet) return;
        d->class_of[best] = k;
    }
}

/* An odd number of cache lines: classes next to each other do not fall on the same sets. */
static uint32_t stride_for(uint32_t symbols) { return ((symbols + LINE_CELLS - 1) / LINE_CELLS | 1) * LINE_CELLS; }

static void note_symbols(ent_dependence *d, const ent_counts *symbols)
{
    d->low = d->high = 0;
    for (uint32_t s = symbols->alphabet; s-- > 0;) {
        if (!symbols->count[s]) continue;
        if (d->high < s) d->high = s;
        d->low = s;
    }
    d->stride = stride_for(d->high - d->low + 1);
    make_classes(d, symbols);
}

ent_status ent_dependence_new(ent_dependence **dependence, const ent_context *const contexts[],
                              const ent_counts *symbols, uint64_t rows, uint64_t columns, unsigned beside)
{
    *dependence = NULL;
    if (symbols->alphabet > SYMBOLS || ent_counts_total(symbols) > UINT32_MAX) return ENT_EINVAL;
    ent_dependence *d = *dependence = ent_calloc(1, sizeof *d);
    if (!d) return ENT_ENOMEM;
    d->rows = rows;
    d->columns = columns;
    d->beside = beside;
    note_symbols(d, symbols);
    ent_status status = ENT_OK;
    for (size_t i = 0; contexts[i] && !status; i++) {
        if (i + 1 == CONTEXTS) status = ENT_EINVAL;
        d->context[i] = contexts[i];
        if (status || !has_sense(d, contexts[i])) continue;
        if (contexts[i]->row)
            status = (d->row = ent_calloc(rows, sizeof *d->row)) ? ENT_OK : ENT_ENOMEM;
        else if (!(d->cell[i] = ent_calloc(contexts[i]->classes(columns), d->stride * sizeof *d->cell[i])))
            status = ENT_ENOMEM;
    }
    if (status) {
        ent_dependence_free(d);
        *dependence = NULL;
    }
    return status;
}

/* ---- counting ---------------------------------------------------------------------------------------------- */

static void end_row(ent_dependence *d)
{
    if (!d->row) return;
    ent_row_sum sum = ent_row_sum_of(d->in_row + d->low, d->high - d->low + 1);
    if (!sum.n) return;
    d->row[d->at_row] = sum;
    for (size_t s = d->low; s <= d->high; s++) d->symbols[s] += d->in_row[s];
    memset(d->in_row, 0, sizeof d->in_row);
}

static void count_row(ent_dependence *d, const ent_piece *p)
{
    ent_counts row = { SYMBOLS, d->in_row };
    if (p->row != d->at_row) end_row(d);
    d->at_row = p->row;
    ent_counts_add(&row, p->symbol, 1, p->n); /* cannot fail: every byte is in the alphabet */
}

/* Two loops, as the first is done in vectors; `at` becomes the cells' places. */
static void count_at(uint32_t *restrict cell, uint32_t *restrict at, const uint8_t *restrict symbol, size_t n,
                     uint32_t stride, uint32_t low)
{
    for (size_t i = 0; i < n; i++) at[i] = at[i] * stride + (symbol[i] - low);
    for (size_t i = 0; i < n; i++) cell[at[i]]++;
}

static void count_cells(ent_dependence *d, const ent_context *c, uint32_t *cell, const ent_piece *piece)
{
    ent_piece p = *piece;
    if (p.column < c->before) {
        size_t skip = c->before - (size_t)p.column;
        if (skip >= p.n) return;
        p.column += skip;
        p.symbol += skip;
        p.n -= skip;
    }
    c->classify(&p, d->class_of, d->class);
    count_at(cell, d->class, p.symbol, p.n, d->stride, d->low);
}

void ent_dependence_add(ent_dependence *d, const ent_piece *piece)
{
    if (d->row) count_row(d, piece);
    for (size_t i = 0; d->context[i]; i++) {
        const ent_context *c = d->context[i];
        if (d->cell[i] && (!c->beside || piece->beside[c->beside])) count_cells(d, c, d->cell[i], piece);
    }
}

static size_t cells_of(const ent_dependence *d, size_t i)
{
    return d->cell[i] ? d->context[i]->classes(d->columns) * d->stride : 0;
}

void ent_dependence_merge(ent_dependence *into, ent_dependence *from)
{
    end_row(from);
    for (size_t i = 0; into->context[i]; i++)
        for (size_t k = 0; k < cells_of(into, i); k++) into->cell[i][k] += from->cell[i][k];
    for (size_t s = 0; s < SYMBOLS; s++) into->symbols[s] += from->symbols[s];
    for (uint64_t r = 0; r < into->rows && into->row; r++)
        if (from->row[r].n) into->row[r] = from->row[r];
}

/* ---- results ----------------------------------------------------------------------------------------------- */

static ent_status of_rows(ent_dependence *d, ent_information *information)
{
    ent_gathering g;
    end_row(d);
    ent_status status = ent_information_begin(&g, d->symbols, SYMBOLS);
    if (status) return status;
    for (uint64_t r = 0; r < d->rows; r++) ent_information_context(&g, d->row[r].n, d->row[r].bits, d->row[r].live);
    ent_information_end(&g, information);
    return ENT_OK;
}

ent_status ent_dependence_information(ent_dependence *d, size_t i, ent_information *information)
{
    *information = (ent_information){ 0 };
    if (d->context[i]->row && d->row) return of_rows(d, information);
    if (!d->cell[i]) return ENT_OK;
    size_t classes = d->context[i]->classes(d->columns), cells = classes * d->stride;
    uint64_t *wide = ent_alloc(cells * sizeof *wide);
    if (!wide) return ENT_ENOMEM;
    for (size_t k = 0; k < cells; k++) wide[k] = d->cell[i][k];
    ent_status status = ent_information_of_cells(wide, classes, d->stride, information);
    ent_free(wide);
    return status;
}
