/* step.c - the quantizer made for a coder: one uniform step, as many codes as it takes.
 *
 * Entropy-coded uniform quantization is within 0.255 bit of the rate-distortion bound of any smooth
 * source at high rates (Gish and Pierce 1968), and nearer below; the rate is set by the step.
 * code = round(w / step) with the edges of zero's cell moved out by `dead` of a step; value = (code + lean[code]) * step,
 * lean moving each value from the middle of its cell to the mean of the weights in it, or nowhere with lean=0.  Means have
 * the least squared error, but lie nearer to zero: at low rates a model may lose more by them than by the middles
 * (results/quality.md), which output errors by second moments foretell and those of weights do not.
 *
 * The step is `step` times the root mean square of the matrix or, with bits > 0, the one at which all
 * parts, each coded to its entropy, take `bits` a weight at most (found by bisection, nearest within
 * 0.1 %; over distinct values where the weights are those of BF16 or F16, so that it costs one pass, else over all).
 * L2 (Shi et al. 2023) has the same end, a size after the lossless coder, by another way: quantizers and pruning that follow the
 * gradient of a smooth count of the coder's bits, beside that of the model's error.
 * Parts: codes, rows x cols, I<bits> of the fewest bits that hold them, 16 at most (beyond, weights
 * are cut off); step, F32, one; lean, BF16, one for each code from -LEAN to LEAN. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "transform/points.h"
#include "transform/step.h"

enum { STEP, BITS, DEAD, MEANS };
enum { SEARCHES = 40 };

/* ---- shared with watersic -------------------------------------------------------------------------------- */

ent_part *ent_step_add(ent_packed *packed, float step, const float lean[LEANS], int most, ent_error *error)
{
    char format[8];
    unsigned bits = 2;
    while ((1 << (bits - 1)) - 1 < most) bits++;
    snprintf(format, sizeof format, "I%u", bits & 31);
    ent_part *codes = ent_packed_add(packed, "codes", format, packed->rows, packed->cols, error);
    ent_part *steps = codes ? ent_packed_add(packed, "step", "F32", 1, 1, error) : NULL;
    ent_part *leans = steps ? ent_packed_add(packed, "lean", "BF16", 1, LEANS, error) : NULL;
    if (!leans) return NULL;
    memcpy(steps->words, &step, sizeof step);
    ent_format_words(leans->format, lean, LEANS, leans->words);
    return codes;
}

void ent_step_lean(const uint64_t n[LEANS], const double sum[LEANS], float lean[LEANS])
{
    const ent_format *format = ent_format_find("BF16");
    uint16_t words[LEANS];
    for (int k = 0; k < LEANS; k++) lean[k] = k == LEAN || !n[k] ? 0 : (float)(sum[k] / (double)n[k]);
    ent_format_words(format, lean, LEANS, words);
    ent_format_floats(format, words, LEANS, lean);
}

ent_status ent_step_read(const ent_packed *packed, float *values, ent_error *error)
{
    float step, lean[LEANS];
    const ent_part *codes = ent_packed_need(packed, "codes", NULL, packed->rows, packed->cols, error);
    const ent_part *steps = codes ? ent_packed_need(packed, "step", "F32", 1, 1, error) : NULL;
    const ent_part *leans = steps ? ent_packed_need(packed, "lean", "BF16", 1, LEANS, error) : NULL;
    if (!leans) return ENT_ECORRUPT;
    if (codes->format->kind != ENT_KIND_SIGNED)
        return ent_fail(error, ENT_ECORRUPT, "the codes of a packed matrix are %s, not signed", codes->format->name);
    memcpy(&step, steps->words, sizeof step);
    ent_format_floats(leans->format, leans->words, LEANS, lean);
    ent_format_floats(codes->format, codes->words, (size_t)packed->rows * packed->cols, values);
    for (size_t i = 0; i < (size_t)packed->rows * packed->cols; i++) values[i] = step_value((int)values[i], step, lean);
    return ENT_OK;
}

double ent_step_entropy(const uint32_t *count, size_t n)
{
    double bits = 0;
    for (uint32_t c = 0; c < 1u << 16; c++)
        if (count[c]) bits += count[c] * log2((double)n / count[c]);
    return bits;
}

/* ---- the step alone ------------------------------------------------------------------------------------------ */

/* The codes at one step, counted: over distinct values where a histogram holds them all, else over the weights. */
typedef struct tally {
    const ent_matrix_job *job;
    points points;
    double dead;
    uint32_t *count;   /* of codes, from -INT16_MAX */
    double sum[LEANS]; /* of the weights' distances from the middles of their cells, in steps */
} tally;

static void add(tally *t, double w, double n, double step)
{
    int code = step_code(w, step, t->dead);
    t->count[code + INT16_MAX] += (uint32_t)n;
    if (code >= -LEAN && code <= LEAN) t->sum[code + LEAN] += n * (w / step - code);
}

static void run(tally *t, double step)
{
    size_t n = (size_t)t->job->rows * t->job->cols;
    memset(t->count, 0, sizeof *t->count << 16);
    memset(t->sum, 0, sizeof t->sum);
    if (t->points.exact)
        for (uint32_t i = 0; i < t->points.n; i++) add(t, t->points.value[i], t->points.weight[i], step);
    else
        for (size_t i = 0; i < n; i++) add(t, (double)t->job->values[i], 1, step);
}

static double rms(const ent_matrix_job *job)
{
    size_t n = (size_t)job->rows * job->cols;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)job->values[i] * job->values[i];
    return sqrt(sum / (double)n);
}

/* Bits per weight at a step: the entropy of the codes, and what comes beside them. */
static double rate(tally *t, double step)
{
    size_t n = (size_t)t->job->rows * t->job->cols;
    run(t, step);
    return (STEP_SIDE_BITS + ent_step_entropy(t->count, n)) / (double)n;
}

/* The smallest step found whose rate is at most `bits`. */
static double search(tally *t, double unit, double bits)
{
    double low = unit * 0x1p-14, high = unit * 64; /* in between in logarithms; high fits: all codes are zero */
    for (int i = 0; i < SEARCHES && high / low > 1.0001; i++) {
        double middle = sqrt(low * high);
        if (rate(t, middle) <= bits)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static ent_status find_step(const double setting[], tally *t, float *step, ent_error *error)
{
    double unit = rms(t->job), found = setting[STEP] * unit;
    if (setting[BITS] > 0 && unit > 0) found = search(t, unit, setting[BITS]);
    *step = (float)found;
    while (*step < found) *step = nextafterf(*step, INFINITY); /* not finer than allowed */
    if (!(*step > 0)) *step = 1; /* all zeros, or nearly */
    return isfinite(*step) ? ENT_OK : ent_fail(error, ENT_EINVAL, "weights too large for a step in F32");
}

static int largest_code(const tally *t)
{
    int most = INT16_MAX;
    while (most > 1 && !t->count[INT16_MAX + most] && !t->count[INT16_MAX - most]) most--;
    return most;
}

static void find_lean(const tally *t, float lean[LEANS])
{
    uint64_t n[LEANS];
    for (int k = 0; k < LEANS; k++) n[k] = t->count[k - LEAN + INT16_MAX];
    ent_step_lean(n, t->sum, lean);
}

static ent_status pack(const double setting[], tally *t, ent_matrix_job *job, ent_error *error)
{
    float step = 1, lean[LEANS] = { 0 };
    ent_status status = find_step(setting, t, &step, error);
    if (status) return status;
    run(t, (double)step);
    if (setting[MEANS] > 0) find_lean(t, lean);
    ent_part *codes = ent_step_add(job->packed, step, lean, largest_code(t), error);
    if (!codes) return ENT_ENOMEM;
    uint32_t mask = (1u << codes->format->bits) - 1, width = ent_format_width(codes->format);
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = step_code(job->values[i], step, setting[DEAD]);
        ent_symbol_put(codes->words, width, i, (uint32_t)code & mask);
        job->values[i] = step_value(code, step, lean);
    }
    return ENT_OK;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    tally t = { .job = job, .dead = setting[DEAD], .count = ent_calloc(1 << 16, sizeof *t.count) };
    ent_status status = t.count ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = ent_points_collect(&t.points, POINTS_F16, job->values, job->rows, job->cols, job->cols, NULL, error);
    if (!status) status = pack(setting, &t, job, error);
    ent_points_free(&t.points);
    ent_free(t.count);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    (void)setting;
    return ent_step_read(packed, values, error);
}

const ent_transform ent_transform_step = {
    .name = "step", .brief = "a uniform step, its codes for an entropy coder", .cite = "gish1968", .kind = ENT_QUANTIZER,
    .setting = { { "step", "in root mean squares of the matrix", 0x1p-14, 64, 0.5, false },
                 { "bits", "0: step as told; else the bits a weight that all may take", 0, 16, 0, false },
                 { "dead", "how far zero's cell reaches beyond half a step", 0, 1, 0, false },
                 { "lean", "values are 1: the means of their cells; 0: the middles", 0, 1, 1, true } },
    .forward = forward, .inverse = inverse,
};
