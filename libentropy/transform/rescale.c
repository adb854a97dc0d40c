/* rescale.c - input channels scaled before quantization, so that the step suits the loud ones.
 *
 * Column j is multiplied by s_j = (max |x_j|)^alpha (Double Compression: Wang et al. 2024, re-scaling of input
 * channels), the s normalised to a geometric mean of 1; dead channels count as the quietest live one.
 * Part: columns, F16, 1 x cols, the s as used (16 bits a column).  Decoding divides by them. */
#include <math.h>
#include <string.h>

#include "transform/parts.h"

enum { ALPHA };

/* The statistics of x_j / s_j. */
static ent_status divide_input(ent_matrix_job *job, const float *scale, ent_error *error)
{
    const ent_input_stats *from = job->input;
    ent_input_stats to = { .cols = from->cols, .rows = from->rows };
    size_t cols = from->cols;
    to.largest = ent_calloc(cols, sizeof *to.largest);
    to.squares = ent_calloc(cols, sizeof *to.squares);
    if (from->second) to.second = ent_calloc(cols * cols, sizeof *to.second);
    if (!to.largest || !to.squares || (from->second && !to.second)) {
        ent_input_stats_free(&to);
        return ent_fail(error, ENT_ENOMEM, "no memory for the statistics of %zu columns", cols);
    }
    for (size_t i = 0; i < cols; i++) {
        to.largest[i] = from->largest[i] / scale[i];
        to.squares[i] = from->squares[i] / ((double)scale[i] * scale[i]);
        for (size_t j = 0; from->second && j <= i; j++)
            to.second[i * cols + j] = from->second[i * cols + j] / ((double)scale[i] * scale[j]);
    }
    ent_input_stats_free(&job->own);
    job->own = to;
    job->input = &job->own;
    return ENT_OK;
}

static void choose(const ent_input_stats *input, double alpha, float *scale)
{
    double least = INFINITY, mean = 0;
    for (uint32_t j = 0; j < input->cols; j++)
        if (input->largest[j] > 0) least = fmin(least, input->largest[j]);
    for (uint32_t j = 0; j < input->cols; j++) {
        double loudest = input->largest[j] > 0 ? input->largest[j] : isfinite(least) ? least : 1;
        scale[j] = (float)pow(loudest, alpha);
        mean += log(scale[j]) / input->cols;
    }
    for (uint32_t j = 0; j < input->cols; j++) scale[j] /= (float)exp(mean);
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    ent_part *part = ent_packed_add(job->packed, "columns", "F16", 1, job->cols, error);
    if (!part) return ENT_ENOMEM;
    float *scale = ent_calloc(job->cols, sizeof *scale);
    if (!scale) return ent_fail(error, ENT_ENOMEM, "out of memory");
    choose(job->input, setting[ALPHA], scale);
    for (uint32_t j = 0; j < job->cols; j++) scale[j] = fminf(fmaxf(scale[j], 0x1p-14f), 65504); /* normal halves */
    ent_format_words(part->format, scale, job->cols, part->words);
    ent_format_floats(part->format, part->words, job->cols, scale);
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t j = 0; j < job->cols; j++) job->values[(size_t)r * job->cols + j] *= scale[j];
    ent_status status = divide_input(job, scale, error);
    ent_free(scale);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    (void)setting;
    const ent_part *part = ent_packed_need(packed, "columns", "F16", 1, packed->cols, error);
    if (!part) return ENT_ECORRUPT;
    for (uint32_t j = 0; j < packed->cols; j++) {
        float scale = ent_part_value(part, j);
        if (!(scale > 0) || !isfinite(scale)) return ent_fail(error, ENT_ECORRUPT, "the scale of column %u is %g", j, (double)scale);
        for (uint32_t r = 0; r < packed->rows; r++) values[(size_t)r * packed->cols + j] /= scale;
    }
    return ENT_OK;
}

const ent_transform ent_transform_rescale = {
    .name = "rescale", .brief = "columns times (largest input)^alpha before what follows", .cite = "wang2024",
    .calibrated = true,
    .setting = { { "alpha", "0: nothing; 1: as loud as the inputs", 0, 1, 0.5, false } },
    .forward = forward, .inverse = inverse,
};
