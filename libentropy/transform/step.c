/* step.c - the quantizer made for a coder: one uniform step, as many codes as it takes.
 *
 * Entropy-coded uniform quantization is within 0.255 bit of the rate-distortion bound of any smooth
 * source at high rates (Gish and Pierce 1968), and nearer below; the rate is set by the step.
 * code = round(w / step) with the edges of zero's cell moved out by `dead` of a step; value = (code + lean[code]) * step,
 * lean moving each value from the middle of its cell to the mean of the weights in it.
 *
 * The step is `step` times the root mean square of the matrix or, with bits > 0, the one at which all
 * parts, each coded to its entropy, take `bits` a weight at most (found by bisection, nearest within
 * 0.1 %).  Parts: codes, rows x cols, I<bits> of the fewest bits that hold them, 16 at most (beyond, weights
 * are cut off); step, F32, one; lean, BF16, one for each code from -LEAN to LEAN. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "transform/parts.h"

enum { STEP, BITS, DEAD };
enum { LEAN = 15, SEARCHES = 40, SIDE_BITS = 32 + 16 * (2 * LEAN + 1) };

static int code_of(float w, double step, double dead)
{
    double x = w / step;
    double code = fabs(x) < 0.5 + dead ? 0 : nearbyint(x);
    return (int)fmin(fmax(code, -INT16_MAX), INT16_MAX);
}

static double rms(const ent_matrix_job *job)
{
    size_t n = (size_t)job->rows * job->cols;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)job->values[i] * job->values[i];
    return sqrt(sum / (double)n);
}

/* Bits per weight at a step: the entropy of the codes, and what comes beside them. */
static double rate(const ent_matrix_job *job, double step, double dead, uint32_t *count)
{
    size_t n = (size_t)job->rows * job->cols;
    double bits = SIDE_BITS;
    memset(count, 0, sizeof *count << 16);
    for (size_t i = 0; i < n; i++) count[code_of(job->values[i], step, dead) + INT16_MAX]++;
    for (uint32_t c = 0; c < 1u << 16; c++)
        if (count[c]) bits += count[c] * log2((double)n / count[c]);
    return bits / (double)n;
}

/* The smallest step found whose rate is at most `bits`. */
static double search(const ent_matrix_job *job, double unit, double bits, double dead, uint32_t *count)
{
    double low = unit * 0x1p-14, high = unit * 64; /* in between in logarithms; high fits: all codes are zero */
    for (int i = 0; i < SEARCHES && high / low > 1.0001; i++) {
        double middle = sqrt(low * high);
        if (rate(job, middle, dead, count) <= bits)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static ent_status find_step(const double setting[], const ent_matrix_job *job, float *step, ent_error *error)
{
    double unit = rms(job), found = setting[STEP] * unit;
    if (setting[BITS] > 0 && unit > 0) {
        uint32_t *count = ent_calloc(1 << 16, sizeof *count);
        if (!count) return ent_fail(error, ENT_ENOMEM, "out of memory");
        found = search(job, unit, setting[BITS], setting[DEAD], count);
        ent_free(count);
    }
    *step = (float)found;
    while (*step < found) *step = nextafterf(*step, INFINITY); /* not finer than allowed */
    if (!(*step > 0)) *step = 1; /* all zeros, or nearly */
    return isfinite(*step) ? ENT_OK : ent_fail(error, ENT_EINVAL, "weights too large for a step in F32");
}

/* The means of the cells, in steps from their middles; `lean` has one for each code from -LEAN to LEAN. */
static void find_lean(const ent_matrix_job *job, float step, double dead, ent_part *lean)
{
    double sum[2 * LEAN + 1] = { 0 };
    uint64_t n[2 * LEAN + 1] = { 0 };
    float mean[2 * LEAN + 1];
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = code_of(job->values[i], step, dead);
        if (code < -LEAN || code > LEAN) continue;
        sum[code + LEAN] += job->values[i] / (double)step - code;
        n[code + LEAN]++;
    }
    for (int k = 0; k <= 2 * LEAN; k++) mean[k] = k == LEAN || !n[k] ? 0 : (float)(sum[k] / (double)n[k]); /* zero stays */
    ent_format_words(lean->format, mean, 2 * LEAN + 1, lean->words);
}

static float value_of(int code, float step, const float lean[2 * LEAN + 1])
{
    return (code < -LEAN || code > LEAN ? (float)code : (float)code + lean[code + LEAN]) * step;
}

static unsigned bits_for(const ent_matrix_job *job, float step, double dead)
{
    int most = 1;
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = code_of(job->values[i], step, dead);
        if (code > most) most = code;
        if (-code > most) most = -code;
    }
    unsigned bits = 2;
    while ((1 << (bits - 1)) - 1 < most) bits++;
    return bits;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    float step = 1, lean[2 * LEAN + 1];
    char format[8];
    ent_status status = find_step(setting, job, &step, error);
    if (status) return status;
    unsigned bits = bits_for(job, step, setting[DEAD]);
    snprintf(format, sizeof format, "I%u", bits);
    ent_part *codes = ent_packed_add(job->packed, "codes", format, job->rows, job->cols, error);
    ent_part *steps = codes ? ent_packed_add(job->packed, "step", "F32", 1, 1, error) : NULL;
    ent_part *leans = steps ? ent_packed_add(job->packed, "lean", "BF16", 1, 2 * LEAN + 1, error) : NULL;
    if (!leans) return ENT_ENOMEM;
    memcpy(steps->words, &step, sizeof step);
    find_lean(job, step, setting[DEAD], leans);
    ent_format_floats(leans->format, leans->words, 2 * LEAN + 1, lean);
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = code_of(job->values[i], step, setting[DEAD]);
        ent_part_set_word(codes, i, (uint32_t)code & ((1u << bits) - 1));
        job->values[i] = value_of(code, step, lean);
    }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    (void)setting;
    float step, lean[2 * LEAN + 1];
    const ent_part *codes = ent_packed_need(packed, "codes", NULL, packed->rows, packed->cols, error);
    const ent_part *steps = codes ? ent_packed_need(packed, "step", "F32", 1, 1, error) : NULL;
    const ent_part *leans = steps ? ent_packed_need(packed, "lean", "BF16", 1, 2 * LEAN + 1, error) : NULL;
    if (!leans) return ENT_ECORRUPT;
    if (codes->format->kind != ENT_KIND_SIGNED)
        return ent_fail(error, ENT_ECORRUPT, "the codes of a packed matrix are %s, not signed", codes->format->name);
    memcpy(&step, steps->words, sizeof step);
    ent_format_floats(leans->format, leans->words, 2 * LEAN + 1, lean);
    for (size_t i = 0; i < (size_t)packed->rows * packed->cols; i++)
        values[i] = value_of((int)ent_part_value(codes, i), step, lean);
    return ENT_OK;
}

const ent_transform ent_transform_step = {
    .name = "step", .brief = "a uniform step, its codes for an entropy coder", .cite = "gish1968", .quantizer = true,
    .setting = { { "step", "in root mean squares of the matrix", 0x1p-14, 64, 0.5, false },
                 { "bits", "0: step as told; else the bits a weight that all may take", 0, 16, 0, false },
                 { "dead", "how far zero's cell reaches beyond half a step", 0, 1, 0, false } },
    .forward = forward, .inverse = inverse,
};
