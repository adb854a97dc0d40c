/* importance.c - see importance.h. */
#include <math.h>

#include "base/bits.h"
#include "transform/importance.h"
#include "transform/points.h"

enum { BY_MAGNITUDE, BY_NORM, BY_LARGEST };

ent_status ent_importance_init(importance *p, const ent_matrix_job *job, double by, const char *transform, ent_error *error)
{
    const ent_input_stats *input = job->input;
    *p = (importance){ .job = job };
    if (by == BY_MAGNITUDE) return ENT_OK;
    if (!input) return ent_fail(error, ENT_EINVAL, "%s(by=%g) needs a calibration", transform, by);
    p->factor = ent_calloc(job->cols, sizeof *p->factor);
    if (!p->factor) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (uint32_t c = 0; c < job->cols; c++)
        p->factor[c] = by == BY_NORM ? (float)sqrt(input->squares[c] / fmax(1, (double)input->rows)) : input->largest[c];
    return ENT_OK;
}

void ent_importance_free(importance *p) { ent_free(p->factor); }

/* The bits of a float >= 0 are in its order. */
void ent_importance_rank(const importance *p, uint32_t r, uint32_t c, uint32_t width, uint32_t whole, uint32_t *order)
{
    const float *w = p->job->values + (size_t)r * p->job->cols + c;
    if (whole == 1) {
        for (uint32_t i = 0; i < width; i++) order[i] = ent_float_bits(fabsf(w[i]) * (p->factor ? p->factor[c + i] : 1));
        return;
    }
    for (uint32_t i = 0; i < width; i += whole) {
        double sum = 0;
        for (uint32_t k = i; k < i + whole && k < width; k++) {
            double x = (double)w[k] * (p->factor ? (double)p->factor[c + k] : 1);
            sum += x * x;
        }
        *order++ = ent_float_bits((float)sqrt(sum));
    }
}

/* Digit by digit from counts of them. */
uint32_t ent_importance_select(const uint32_t *order, size_t n, size_t k, size_t *below)
{
    enum { DIGIT = 2047 };
    static const unsigned shift[] = { 21, 10, 0 }; /* the last digit overlaps the one before: known bits change nothing */
    uint32_t found = 0, known = 0;
    *below = 0;
    for (size_t d = 0; d < sizeof shift / sizeof *shift; d++) {
        uint32_t count[DIGIT + 1] = { 0 }, digit = 0;
        for (size_t i = 0; i < n; i++) count[order[i] >> shift[d] & DIGIT] += (order[i] & known) == found;
        for (; *below + count[digit] <= k; digit++) *below += count[digit];
        found |= digit << shift[d];
        known |= (uint32_t)DIGIT << shift[d];
    }
    return found;
}
