/* watersic.c - the uniform step for a coder, with feedback and a step for each column.
 *
 * As step (step.c) on weights divided by their column's scale, rounded with feedback (feedback.h).  An error of column j
 * weighs D_j there, so at a given rate the best steps are as D_j^-1/2 (WaterSIC, 2026: reverse water-filling): the
 * scales are that to the power `spread`, in quarters of an octave, their geometric mean near 1.  spread = 0 is GPTQ on one
 * step, entropy coded.
 *
 * The step is `step` times the root mean square of the scaled weights or, with bits > 0, the finest found in
 * PASSES trials at which all parts, each coded to its entropy, take at most `bits` a weight.
 * Parts: codes, step, lean as step's; spread, I8, 1 x cols: the scale of a column is 2^(spread / 4). */
#include <string.h>

#include "base/bits.h"
#include "transform/feedback.h"
#include "transform/step.h"

enum { STEP, BITS, DEAD, SPREAD, DAMP };
enum { PASSES = 12, QUARTERS = 4 };

/* 2^(k / 4), the same on every machine. */
static float scale_of(int k)
{
    static const float quarter[QUARTERS] = { 1, 1.18920712f, 1.41421356f, 1.68179283f };
    int part = (k % QUARTERS + QUARTERS) % QUARTERS;
    return ldexpf(quarter[part], (k - part) / QUARTERS);
}

typedef struct pass {
    ent_matrix_job *job;
    feedback feedback;
    float *scale; /* of columns */
    double dead, side_bits;
    float step, lean[LEANS];
    double *off; /* of the rows at hand, FEEDBACK_ROWS a column: targets, in steps from the middles of their cells */
    /* what it finds */
    int16_t *code;     /* rows x cols */
    uint32_t *count;   /* of codes, from -INT16_MAX */
    double sum[LEANS]; /* of what is off */
} pass;

static void round_weights(void *context, uint32_t r, uint32_t n, uint32_t c, const float *w, float *value)
{
    const pass *p = context;
    const float scale = p->scale[c];
    const double step = p->step, dead = p->dead;
    int code[FEEDBACK_ROWS];
    double *restrict off = p->off + (size_t)c * FEEDBACK_ROWS;
    for (uint32_t i = 0; i < FEEDBACK_ROWS; i++) {
        const double x = w[i] / scale;
        code[i] = step_code(x, step, dead);
        off[i] = x / step - code[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        p->code[(size_t)(r + i) * p->job->cols + c] = (int16_t)code[i];
        value[i] = step_value(code[i], p->step, p->lean) * scale;
    }
}

/* Weight by weight, so that sums do not depend on how many rows are rounded together. */
static void tally(pass *p, uint32_t r, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < p->job->cols; j++) {
            const uint32_t c = p->feedback.order[j];
            const int code = p->code[(size_t)(r + i) * p->job->cols + c];
            p->count[code + INT16_MAX]++;
            if (code >= -LEAN && code <= LEAN) p->sum[code + LEAN] += p->off[(size_t)c * FEEDBACK_ROWS + i];
        }
}

/* Rounds all; says the bits a weight. */
static double run(pass *p)
{
    const uint32_t rows = p->job->rows;
    const size_t n = (size_t)rows * p->job->cols;
    memset(p->count, 0, sizeof *p->count << 16);
    memset(p->sum, 0, sizeof p->sum);
    for (uint32_t r = 0; r < rows; r += FEEDBACK_ROWS) {
        const uint32_t some = rows - r < FEEDBACK_ROWS ? rows - r : FEEDBACK_ROWS;
        ent_feedback_rows(&p->feedback, p->job->values, r, some, round_weights, p);
        tally(p, r, some);
    }
    return (p->side_bits + ent_step_entropy(p->count, n)) / (double)n;
}

static void use_lean(pass *p)
{
    uint64_t n[LEANS];
    for (int k = 0; k < LEANS; k++) n[k] = p->count[k - LEAN + INT16_MAX];
    ent_step_lean(n, p->sum, p->lean);
}

/* ---- scales of columns --------------------------------------------------------------------------------------- */

static void choose_scales(pass *p, double spread, ent_part *columns)
{
    double mean = 0;
    uint32_t cols = p->job->cols;
    for (uint32_t j = 0; j < cols; j++) mean += log2(p->feedback.weight[j]) / cols;
    for (uint32_t j = 0; j < cols; j++) {
        double k = nearbyint(-0.5 * spread * QUARTERS * (log2(p->feedback.weight[j]) - mean));
        int code = (int)fmin(fmax(k, -INT8_MAX), INT8_MAX);
        ent_part_set_word(columns, j, (uint32_t)code & UINT8_MAX);
        p->scale[j] = scale_of(code);
    }
}

static double scaled_rms(const pass *p)
{
    double sum = 0;
    for (uint32_t r = 0; r < p->job->rows; r++)
        for (uint32_t c = 0; c < p->job->cols; c++) {
            double x = p->job->values[(size_t)r * p->job->cols + c] / (double)p->scale[c];
            sum += x * x;
        }
    return sqrt(sum / ((double)p->job->rows * p->job->cols));
}

/* ---- the rate ------------------------------------------------------------------------------------------------ */

/* The finest step and its lean whose rate is at most `bits`; each trial leans as the last one's cells did.  Whether the last trial
 * was it. */
static bool search(pass *p, double unit, double bits)
{
    double low = log2(unit) - 14, high = log2(unit) + 6; /* of log2(step); all codes are zero at the upper */
    double at = log2(unit) + 2.05 - bits;                /* of a normal at high rates */
    float best = (float)exp2(high), best_lean[LEANS] = { 0 };
    for (int i = 0; i < PASSES && high - low > 1e-4; i++) {
        at = at > low && at < high ? at : (low + high) / 2;
        p->step = (float)exp2(at);
        double over = run(p) - bits;
        if (over <= 0 && p->step <= best) {
            best = p->step;
            memcpy(best_lean, p->lean, sizeof best_lean);
        }
        if (over <= 0)
            high = at;
        else
            low = at;
        if (over <= 0 && over > -5e-4) return p->step == best;
        at += over + (over > 0 ? 2e-4 : -2e-4); /* an octave is a bit, or less */
        use_lean(p);
    }
    p->step = best;
    memcpy(p->lean, best_lean, sizeof best_lean);
    return false;
}

/* Whether all is rounded by it already. */
static bool find_step(const double setting[], pass *p)
{
    double unit = scaled_rms(p);
    p->step = (float)(setting[STEP] * unit);
    if (!(p->step > 0)) {
        p->step = 1; /* all zeros, or nearly */
    } else if (setting[BITS] > 0) {
        return search(p, unit, setting[BITS]);
    } else {
        run(p);
        use_lean(p);
    }
    return false;
}

/* ---- both ways ------------------------------------------------------------------------------------------------- */

static ent_status store(pass *p, ent_part *codes, ent_error *error)
{
    if (!codes) return ENT_ENOMEM;
    const uint32_t mask = (1u << codes->format->bits) - 1, width = ent_format_width(codes->format);
    for (uint32_t r = 0; r < p->job->rows; r++)
        for (uint32_t c = 0; c < p->job->cols; c++) {
            const size_t at = (size_t)r * p->job->cols + c;
            ent_symbol_put(codes->words, width, at, (uint32_t)p->code[at] & mask);
            p->job->values[at] = step_value(p->code[at], p->step, p->lean) * p->scale[c];
            if (!isfinite(p->job->values[at])) return ent_fail(error, ENT_EINVAL, "weights too large for a step in F32");
        }
    return ENT_OK;
}

static ent_status pack(const double setting[], pass *p, ent_error *error)
{
    ent_part *columns = ent_packed_add(p->job->packed, "spread", "I8", 1, p->job->cols, error);
    if (!columns) return ENT_ENOMEM;
    ent_packed side = { .parts = 1, .part = { *columns } };
    choose_scales(p, setting[SPREAD], columns);
    p->side_bits = STEP_SIDE_BITS + ent_packed_entropy_bits(&side);
    if (!find_step(setting, p)) run(p);
    int most = INT16_MAX;
    while (most > 1 && !p->count[INT16_MAX + most] && !p->count[INT16_MAX - most]) most--;
    return store(p, ent_step_add(p->job->packed, p->step, p->lean, most, error), error);
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    pass p = { .job = job, .dead = setting[DEAD] };
    ent_status status = ent_feedback_init(&p.feedback, job->input, setting[DAMP], error);
    if (status) return status;
    p.scale = ent_calloc(job->cols, sizeof *p.scale);
    p.count = ent_calloc(1 << 16, sizeof *p.count);
    p.off = ent_calloc(job->cols, FEEDBACK_ROWS * sizeof *p.off);
    p.code = ent_calloc((size_t)job->rows * job->cols, sizeof *p.code);
    status = p.scale && p.count && p.code && p.off ? pack(setting, &p, error) : ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_free(p.scale);
    ent_free(p.count);
    ent_free(p.code);
    ent_free(p.off);
    ent_feedback_free(&p.feedback);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    (void)setting;
    const ent_part *columns = ent_packed_need(packed, "spread", "I8", 1, packed->cols, error);
    ent_status status = columns ? ent_step_read(packed, values, error) : ENT_ECORRUPT;
    float *scale = status ? NULL : ent_part_floats(columns, error);
    if (!scale) return status ? status : ENT_ENOMEM;
    for (uint32_t c = 0; c < packed->cols; c++) scale[c] = scale_of((int)scale[c]);
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t c = 0; c < packed->cols; c++) values[(size_t)r * packed->cols + c] *= scale[c];
    ent_free(scale);
    return ENT_OK;
}

const ent_transform ent_transform_watersic = {
    .name = "watersic", .brief = "as step, later columns make good the errors of earlier ones, a step a column",
    .cite = "watersic2026", .kind = ENT_QUANTIZER, .calibrated = true,
    .setting = { { "step", "in root mean squares of the scaled matrix", 0x1p-14, 64, 0.5, false },
                 { "bits", "0: step as told; else the bits a weight that all may take", 0, 16, 0, false },
                 { "dead", "how far zero's cell reaches beyond half a step", 0, 1, 0, false },
                 { "spread", "of the steps of columns: 0: all equal; 1: as their errors weigh", 0, 1, 0.5, false },
                 DAMP_SETTING },
    .forward = forward, .inverse = inverse,
};
