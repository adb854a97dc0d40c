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
#include <stdio.h>
#include <string.h>

#include "transform/step.h"

enum { STEP, BITS, DEAD };
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
    for (size_t i = 0; i < (size_t)packed->rows * packed->cols; i++)
        values[i] = step_value((int)ent_part_value(codes, i), step, lean);
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
    memset(count, 0, sizeof *count << 16);
    for (size_t i = 0; i < n; i++) count[step_code(job->values[i], step, dead) + INT16_MAX]++;
    return (STEP_SIDE_BITS + ent_step_entropy(count, n)) / (double)n;
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

static int largest_code(const ent_matrix_job *job, float step, double dead)
{
    int most = 1;
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = step_code(job->values[i], step, dead);
        if (code > most) most = code;
        if (-code > most) most = -code;
    }
    return most;
}

static void find_lean(const ent_matrix_job *job, float step, double dead, float lean[LEANS])
{
    double sum[LEANS] = { 0 };
    uint64_t n[LEANS] = { 0 };
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = step_code(job->values[i], step, dead);
        if (code < -LEAN || code > LEAN) continue;
        sum[code + LEAN] += job->values[i] / (double)step - code;
        n[code + LEAN]++;
    }
    ent_step_lean(n, sum, lean);
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    float step = 1, lean[LEANS];
    ent_status status = find_step(setting, job, &step, error);
    if (status) return status;
    find_lean(job, step, setting[DEAD], lean);
    ent_part *codes = ent_step_add(job->packed, step, lean, largest_code(job, step, setting[DEAD]), error);
    if (!codes) return ENT_ENOMEM;
    uint32_t mask = (1u << codes->format->bits) - 1;
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) {
        int code = step_code(job->values[i], step, setting[DEAD]);
        ent_part_set_word(codes, i, (uint32_t)code & mask);
        job->values[i] = step_value(code, step, lean);
    }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    (void)setting;
    return ent_step_read(packed, values, error);
}

const ent_transform ent_transform_step = {
    .name = "step", .brief = "a uniform step, its codes for an entropy coder", .cite = "gish1968", .quantizer = true,
    .setting = { { "step", "in root mean squares of the matrix", 0x1p-14, 64, 0.5, false },
                 { "bits", "0: step as told; else the bits a weight that all may take", 0, 16, 0, false },
                 { "dead", "how far zero's cell reaches beyond half a step", 0, 1, 0, false } },
    .forward = forward, .inverse = inverse,
};
