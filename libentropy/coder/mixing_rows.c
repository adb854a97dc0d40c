/* mixing_rows.c - finds the length of rows in symbols alone.
 *
 * A coder is given symbols, not shapes, and a block may begin within a row.  Columns show when symbols are put below
 * each other in rows of the right length: then the sums of columns differ by more than chance.  Scales of rows, which
 * would look like it, are taken out before, as the mean of every 64 symbols.  Where columns are alike, rows may not be:
 * then the length shows at which the sums of rows differ most.  Sums of squares are compared with what symbols
 * without any order would give, in standard deviations of that. */
#include <math.h>

#include "base/bits.h"
#include "coder/mixing.h"

enum {
    SAMPLE = 1 << 19, /* symbols looked at */
    SIZE_BITS = 12, /* of a size: sums of columns then fit 32 bits */
    LOCAL = 64,
    EVERY = 512, /* longer rows are multiples of STEP */
    STEP = 8,
    ROWS_LEAST = 16,
    SURE = 10, /* standard deviations: thousands of lengths are tried */
};

typedef struct search {
    size_t n;
    int32_t *size, *local; /* less the mean of all; less the mean around */
    int64_t *sum;          /* of sizes before each */
    int32_t *column;
    double variance, local_variance;
} search;

static double square(int64_t v) { return (double)v * (double)v; }

/* How far the sums of squares of `groups` sums of `each` symbols are beyond chance. */
static double beyond(double squares, double groups, double each, double variance)
{
    return (squares / (variance * each) - groups) / sqrt(2 * groups);
}

static double columns_differ(search *s, size_t length)
{
    const size_t rows = s->n / length;
    double squares = 0;
    for (size_t c = 0; c < length; c++) s->column[c] = 0;
    for (size_t r = 0; r < rows; r++) {
        const int32_t *row = s->local + r * length;
        for (size_t c = 0; c < length; c++) s->column[c] += row[c];
    }
    for (size_t c = 0; c < length; c++) squares += square(s->column[c]);
    return beyond(squares, (double)length, (double)rows, s->local_variance);
}

static double rows_differ(const search *s, size_t length, size_t before)
{
    double squares = 0, rows = 0;
    for (size_t at = before ? length - before : 0; at + length <= s->n; at += length, rows++)
        squares += square(s->sum[at + length] - s->sum[at]);
    return beyond(squares, rows, (double)length, s->variance);
}

/* Of rows of a known length. */
static double differ(search *s, size_t length)
{
    if (!length) return 0;
    const double columns = columns_differ(s, length), rows = rows_differ(s, length, 0);
    return columns > rows ? columns : rows;
}

/* Returns how sure it is; *length is 0 where nothing is found. */
static double best_length(search *s, uint32_t *length)
{
    const size_t most = s->n / ROWS_LEAST < MIXING_ROW_MOST ? s->n / ROWS_LEAST : MIXING_ROW_MOST;
    double column = SURE, row = SURE;
    uint32_t by_rows = 0;
    *length = 0;
    for (size_t l = 2; l <= most; l += l < EVERY ? 1 : STEP) {
        const double columns = columns_differ(s, l), rows = l >= 16 ? rows_differ(s, l, 0) : 0;
        if (columns > column) {
            column = columns;
            *length = (uint32_t)l;
        }
        if (rows > row) {
            row = rows;
            by_rows = (uint32_t)l;
        }
    }
    if (!*length) *length = by_rows;
    return *length ? (column > row ? column : row) : 0;
}

static uint32_t best_before(const search *s, size_t length)
{
    size_t best = 0;
    double most = rows_differ(s, length, 0) + 1; /* blocks mostly begin with a row */
    for (size_t before = 1; before < length; before++) {
        const double rows = rows_differ(s, length, before);
        if (rows <= most) continue;
        most = rows;
        best = before;
    }
    return (uint32_t)best;
}

static void prepare(search *s, const void *symbols, uint32_t width, unsigned bits, unsigned sign, uint32_t folded)
{
    int64_t all = 0;
    for (size_t i = 0; i < s->n; i++) {
        const int32_t size = ent_mixing_size(ent_symbol_at(symbols, width, i) >> sign, bits, folded);
        all += s->size[i] = bits < SIZE_BITS ? size << (SIZE_BITS - bits) : size >> (bits - SIZE_BITS);
    }
    const int32_t mean = (int32_t)(all / (int64_t)s->n);
    s->variance = s->local_variance = 0;
    s->sum[0] = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->size[i] -= mean;
        s->variance += square(s->size[i]) / (double)s->n;
        s->sum[i + 1] = s->sum[i] + s->size[i];
    }
    for (size_t i = 0; i < s->n; i++) {
        const size_t from = i / LOCAL * LOCAL, to = from + LOCAL < s->n ? from + LOCAL : s->n;
        s->local[i] = s->size[i] - (int32_t)((s->sum[to] - s->sum[from]) / (int64_t)(to - from));
        s->local_variance += square(s->local[i]) / (double)s->n;
    }
}

ent_status ent_mixing_find_rows(const void *symbols, uint32_t width, size_t n, unsigned bits, unsigned sign,
                                uint32_t row, mixing_rows *rows)
{
    double most = 0;
    search s = { .n = n < SAMPLE ? n : SAMPLE };
    *rows = (mixing_rows){ row <= n ? row : 0, 0, 0 };
    s.size = ent_alloc(s.n * sizeof *s.size);
    s.local = ent_alloc(s.n * sizeof *s.local);
    s.sum = ent_alloc((s.n + 1) * sizeof *s.sum);
    s.column = ent_alloc(s.n * sizeof *s.column);
    ent_status status = s.size && s.local && s.sum && s.column ? ENT_OK : ENT_ENOMEM;
    for (uint32_t folded = 0; folded <= !sign && !status; folded++) { /* with a sign, sizes are sizes */
        uint32_t length = rows->length;
        prepare(&s, symbols, width, bits, sign, folded);
        if (!(s.local_variance > 0)) continue;
        const double sure = row ? differ(&s, length) : best_length(&s, &length);
        if (sure <= most) continue;
        most = sure;
        *rows = (mixing_rows){ length, length ? best_before(&s, length) : 0, folded };
    }
    ent_free(s.size);
    ent_free(s.local);
    ent_free(s.sum);
    ent_free(s.column);
    return status;
}
