/* entquant.c - 8-bit codes whose scales, one a row, are fitted for their entropy (EntQuant: Putzky et al. 2026).
 *
 * Codes are those of I8 (-127 .. 127) or F8_E4M3; a weight is coded as the value nearest to weight / scale, cut off at the ends.
 * As published, scales minimise, over the whole matrix,
 *     sum |weight - decoded| / sum |weight|  +  lambda mean |code| / 128      (F8_E4M3: mean |code's value| * 4),
 * the last a stand-in for the entropy of the codes; they say that lambda = 3.9, 14.5 and 58 leads to about 4, 3 and 2 bits.  There all
 * scales descend together by L-BFGS.  Here, since both sums are sums over rows, each row takes the best of all scales
 * that are BF16 numbers with 3 bits of mantissa (8 an octave), from half the least that cuts nothing off to one that leaves only zeros.
 * With bits > 0, lambda is the least found by bisection at which codes and scales, coded to their entropy, take at most
 * `bits` a weight, signs counted as a bit each.  Rows are sorted once, so that neither sum needs all of their weights again.
 *
 * Parts: codes, rows x cols, I8 or F8_E4M3; scales, BF16, rows x 1.  Bits per weight, plain: 8 + 16 / cols. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "transform/kmeans.h"

enum { LAMBDA, BITS, FP8 };
enum { LEVELS = 127, SCALE_STEP = 16 }; /* magnitudes of codes; between words of neighbouring scales */

/* What differs between the two. */
typedef struct codes {
    const char *format;
    double unit;      /* of a code in the mean */
    uint32_t octaves; /* of scales that are tried */
} codes;

static const codes kinds[] = { { "I8", 1.0 / 128, 10 }, { "F8_E4M3", 4, 21 } };

typedef struct fit {
    ent_matrix_job *job;
    const codes *codes;
    double lambda, total;                 /* sum of magnitudes of all weights */
    double level[LEVELS], edge[LEVELS];   /* of magnitudes, in scales */
    uint32_t tries;                       /* scales for a row */
    float *error, *length;                /* rows x tries: sums of |weight - decoded|, of |code| */
    ent_part *scales;
    uint32_t *sorted;                     /* magnitudes of each row, ascending, as integers in the same order */
    uint32_t *room;                       /* to sort one */
    /* of the row at hand */
    double *sum;                          /* of the first i weights */
    uint32_t *rank;                       /* how many have upper halves less than base + i, 0 < i <= span, which all have; rank[0]: 0 */
    uint32_t base, span;
} fit;

/* ---- a row, sorted -------------------------------------------------------------------------------------------- */

/* By digits of 11 bits, from the lowest, to room, back and to room. */
static void sort(uint32_t *order, uint32_t *room, uint32_t n)
{
    for (unsigned shift = 0; shift < 33; shift += 11) {
        uint32_t at[2049] = { 0 }, *from = order;
        for (uint32_t i = 0; i < n; i++) at[(from[i] >> shift & 2047) + 1]++;
        for (uint32_t d = 0; d < 2048; d++) at[d + 1] += at[d];
        for (uint32_t i = 0; i < n; i++) room[at[from[i] >> shift & 2047]++] = from[i];
        order = room;
        room = from;
    }
}

static double magnitude(uint32_t order) { return (double)ent_float_of(order); }

static void find_ranks(fit *f, const uint32_t *sorted)
{
    const uint32_t n = f->job->cols, top = (sorted[n - 1] >> 16) + 1;
    f->base = top > f->span ? top - f->span : 0;
    memset(f->rank, 0, (f->span + 2) * sizeof *f->rank);
    for (uint32_t i = 0; i < n; i++) { /* the last of the same stays */
        const uint32_t word = sorted[i] >> 16;
        f->rank[word > f->base ? word - f->base + 1 : 1] = i + 1;
    }
    for (uint32_t i = 1; i < f->span + 2; i++) f->rank[i] = f->rank[i] > f->rank[i - 1] ? f->rank[i] : f->rank[i - 1];
}

static const uint32_t *sort_row(fit *f, uint32_t r)
{
    uint32_t cols = f->job->cols, *sorted = f->sorted + (size_t)r * cols;
    const float *w = f->job->values + (size_t)r * cols;
    for (uint32_t c = 0; c < cols; c++) f->room[c] = ent_float_bits(fabsf(w[c]));
    sort(f->room, sorted, cols);
    f->sum[0] = 0;
    for (uint32_t c = 0; c < cols; c++) f->sum[c + 1] = f->sum[c] + magnitude(sorted[c]);
    find_ranks(f, sorted);
    return sorted;
}

/* How many of n sorted weights are less than x >= 0, a product of a level or an edge and a scale, which floats hold exactly.  No branch
 * could be foretold; so the one after the last is looked at too. */
static inline uint32_t below(const uint32_t *sorted, uint32_t n, double x)
{
    const uint32_t *at = sorted, bits = ent_float_bits((float)x);
    for (uint32_t left = n; left > 1; left -= left / 2) at += (at[left / 2 - 1] < bits) * (left / 2);
    return (uint32_t)(at - sorted) + ((n > 0) & (*at < bits));
}

/* The same of the row at hand. */
static inline uint32_t below_in_row(const fit *f, const uint32_t *sorted, double x)
{
    const uint32_t word = ent_float_bits((float)x) >> 16, ahead = word > f->base ? word - f->base : 0, i = ahead < f->span ? ahead : f->span;
    const uint32_t from = f->rank[i], to = f->rank[i + 1];
    return from + below(sorted + from, to - from, x);
}

/* Both sums of a sorted row at a scale. */
static void try_scale(const fit *f, const uint32_t *sorted, double scale, float *error, float *length)
{
    uint32_t n = f->job->cols;
    double off = 0, sum = 0;
    for (uint32_t k = 0, from = 0; k < LEVELS && from < n; k++) {
        double value = f->level[k] * scale;
        uint32_t to = k + 1 < LEVELS ? below_in_row(f, sorted, f->edge[k] * scale) : n, over = below_in_row(f, sorted, value);
        off += value * ((double)(over - from) - (double)(to - over)) - (f->sum[over] - f->sum[from]) + (f->sum[to] - f->sum[over]);
        sum += f->level[k] * (to - from);
        from = to;
    }
    *error = (float)(off / f->total);
    *length = (float)sum;
}

/* ---- scales --------------------------------------------------------------------------------------------------- */

/* The word of the first scale for a row: half of what its largest weight needs. */
static uint32_t first_word(const fit *f, double most)
{
    uint64_t word = ent_format_nearest(f->scales->format, most / f->level[LEVELS - 1] / 2) / SCALE_STEP * SCALE_STEP;
    return word < SCALE_STEP ? SCALE_STEP : (uint32_t)word;
}

/* Scale t of those for a row; finite, whatever t. */
static uint32_t scale_word(uint32_t first, uint32_t t)
{
    uint32_t word = first + t * SCALE_STEP;
    return word < 0x7f80 ? word : 0x7f80 - SCALE_STEP;
}

static void measure_rows(fit *f, uint32_t *first)
{
    for (uint32_t r = 0; r < f->job->rows; r++) {
        const uint32_t *sorted = sort_row(f, r);
        first[r] = first_word(f, magnitude(sorted[f->job->cols - 1]));
        for (uint32_t t = 0; t < f->tries; t++) {
            size_t at = (size_t)r * f->tries + t;
            try_scale(f, sorted, ent_format_value(f->scales->format, scale_word(first[r], t)), &f->error[at], &f->length[at]);
        }
    }
}

static void choose_scales(fit *f, const uint32_t *first)
{
    double price = f->lambda * f->codes->unit / ((double)f->job->rows * f->job->cols);
    for (uint32_t r = 0; r < f->job->rows; r++) {
        const float *error = f->error + (size_t)r * f->tries, *length = f->length + (size_t)r * f->tries;
        uint32_t best = 0;
        for (uint32_t t = 1; t < f->tries; t++)
            if ((double)error[t] + price * (double)length[t] < (double)error[best] + price * (double)length[best]) best = t;
        ent_part_set_word(f->scales, r, scale_word(first[r], best));
    }
}

/* Bits a weight of codes and scales at the scales chosen. */
static double rate(const fit *f)
{
    uint32_t cols = f->job->cols;
    double n = (double)f->job->rows * cols, count[LEVELS] = { 0 };
    const ent_packed side = { .parts = 1, .part = { *f->scales } };
    double bits = ent_packed_entropy_bits(&side);
    for (uint32_t r = 0; r < f->job->rows; r++) {
        const uint32_t *sorted = f->sorted + (size_t)r * cols;
        double scale = (double)ent_part_value(f->scales, r);
        for (uint32_t k = 0, from = 0; k < LEVELS && from < cols; k++) {
            uint32_t to = k + 1 < LEVELS ? below(sorted, cols, f->edge[k] * scale) : cols;
            count[k] += to - from;
            from = to;
        }
    }
    for (uint32_t k = 0; k < LEVELS; k++)
        if (count[k] > 0) bits += count[k] * (log2(n / count[k]) + (k > 0));
    return bits / n;
}

static void search(fit *f, double bits, const uint32_t *first)
{
    double low = 1e-4, high = 1e8;
    while (high / low > 1.002) {
        f->lambda = sqrt(low * high);
        choose_scales(f, first);
        *(rate(f) <= bits ? &high : &low) = f->lambda;
    }
    f->lambda = high;
}

/* ---- both ways ------------------------------------------------------------------------------------------------ */

static ent_status store(fit *f, ent_part *part, ent_error *error)
{
    uint32_t sign = 0x80;
    for (uint32_t r = 0; r < f->job->rows; r++) {
        float scale = ent_part_value(f->scales, r);
        for (uint32_t c = 0; c < f->job->cols; c++) {
            size_t at = (size_t)r * f->job->cols + c;
            uint32_t level = ent_cell(f->edge, LEVELS - 1, fabs((double)f->job->values[at]) / (double)scale), word = level;
            if (level && f->job->values[at] < 0) word = f->codes == &kinds[0] ? 256 - level : level | sign;
            ent_part_set_word(part, at, word);
            f->job->values[at] = ent_part_value(part, at) * scale;
            if (!isfinite(f->job->values[at])) return ent_fail(error, ENT_EINVAL, "row %u, column %u: too large a weight", r, c);
        }
    }
    return ENT_OK;
}

static void list_levels(fit *f, const ent_format *format)
{
    for (uint32_t k = 0; k < LEVELS; k++) f->level[k] = ent_format_value(format, k); /* of both formats the first 127 words, ascending */
    for (uint32_t k = 0; k + 1 < LEVELS; k++) f->edge[k] = (f->level[k] + f->level[k + 1]) / 2;
}

static ent_status pack(const double setting[], fit *f, uint32_t *first, ent_error *error)
{
    ent_part *part = ent_packed_add(f->job->packed, "codes", f->codes->format, f->job->rows, f->job->cols, error);
    f->scales = part ? ent_packed_add(f->job->packed, "scales", "BF16", f->job->rows, 1, error) : NULL;
    if (!f->scales) return ENT_ENOMEM;
    list_levels(f, part->format);
    for (size_t i = 0; i < (size_t)f->job->rows * f->job->cols; i++) f->total += fabs((double)f->job->values[i]);
    if (!(f->total > 0)) f->total = 1;
    measure_rows(f, first);
    if (setting[BITS] > 0) search(f, setting[BITS], first);
    choose_scales(f, first);
    return store(f, part, error);
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    fit f = { .job = job, .codes = &kinds[setting[FP8] > 0], .lambda = setting[LAMBDA] };
    f.tries = f.codes->octaves * 128 / SCALE_STEP;
    uint32_t *first = ent_calloc(job->rows, sizeof *first);
    f.error = ent_calloc((size_t)job->rows * f.tries, sizeof *f.error);
    f.length = ent_calloc((size_t)job->rows * f.tries, sizeof *f.length);
    f.sorted = ent_alloc(((size_t)job->rows * job->cols + 1) * sizeof *f.sorted);
    if (f.sorted) f.sorted[(size_t)job->rows * job->cols] = 0; /* below() looks at it */
    f.room = ent_calloc(job->cols, sizeof *f.room);
    f.sum = ent_calloc((size_t)job->cols + 1, sizeof *f.sum);
    f.span = f.codes->octaves * 128; /* 128 upper halves an octave */
    f.rank = ent_calloc(f.span + 2, sizeof *f.rank);
    bool there = first && f.error && f.length && f.sorted && f.room && f.sum && f.rank;
    ent_status status = there ? pack(setting, &f, first, error) : ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_free(first);
    ent_free(f.error);
    ent_free(f.length);
    ent_free(f.sorted);
    ent_free(f.room);
    ent_free(f.sum);
    ent_free(f.rank);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    const char *format = kinds[setting[FP8] > 0].format;
    const ent_part *part = ent_packed_need(packed, "codes", format, packed->rows, packed->cols, error);
    const ent_part *scales = part ? ent_packed_need(packed, "scales", "BF16", packed->rows, 1, error) : NULL;
    if (!scales) return ENT_ECORRUPT;
    ent_format_floats(part->format, part->words, (size_t)packed->rows * packed->cols, values);
    for (uint32_t r = 0; r < packed->rows; r++) {
        const float scale = ent_part_value(scales, r);
        for (uint32_t c = 0; c < packed->cols; c++) values[(size_t)r * packed->cols + c] *= scale;
    }
    return ENT_OK;
}

const ent_transform ent_transform_entquant = {
    .name = "entquant", .brief = "8-bit codes, a scale a row fitted for their entropy", .cite = "putzky2026", .kind = ENT_QUANTIZER,
    .setting = { { "lambda", "what a mean |code| of 128 costs, in relative errors", 1e-4, 1e8, 3.9, false },
                 { "bits", "0: lambda as told; else the bits a weight that all may take", 0, 8, 0, false },
                 { "fp8", "0: codes I8; 1: F8_E4M3", 0, 1, 0, true } },
    .forward = forward, .inverse = inverse,
};
