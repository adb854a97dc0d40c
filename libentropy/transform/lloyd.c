/* lloyd.c - levels fitted to the weights: Lloyd-Max for a tensor (lloyd), palettes of rows (palette).
 *
 * lloyd: the 2^bits levels with the least squared error of the weights over the scales of their groups; each weight is coded as
 * the nearest (Max 1960, Lloyd 1982, but the best levels of all, not those that an iteration ends at: kmeans.h).  With
 * groups, one list of levels serves all: NF4 with levels that fit.  Parts: scaled.h.  Bits per weight, plain:
 * bits + 16 / group + (16 or 32) 2^bits / (rows cols).
 *
 * palette: as many levels for every `rows` rows (0: all), weights as they are (eDKM: Cho et al. 2024).  With by=1 the error of a
 * weight counts times the mean square of its input, the diagonal of the second derivative of the layer's squared output error
 * (SqueezeLLM: Kim et al. 2024, there of the loss; its rows=1).  Parts: codes, rows x cols, U<bits>; levels, F16 or F32,
 * one row a palette, ascending.  Bits per weight, plain: bits + (16 or 32) 2^bits / (rows x cols of a palette).
 *
 * Levels are fitted to a histogram of BF16 words, exactly for weights that are such; others are counted at the mean of those
 * that share a word.  Coded is every weight as the level nearest to it as stored. */
#include <math.h>
#include <stdio.h>

#include "transform/scaled.h"

enum { MOST_LEVELS = 256 };

/* ---- lloyd ---------------------------------------------------------------------------------------------- */

enum { BITS, GROUP, HALF };

static ent_status pack(const double setting[], ent_matrix_job *job, points *p, const float *scale, ent_error *error)
{
    uint32_t k = 1u << (int)setting[BITS];
    double level[MOST_LEVELS], edge[MOST_LEVELS];
    float stored[MOST_LEVELS];
    const char *format = half_format(setting[HALF]);
    ent_status status = ent_points_collect(p, POINTS_BF16, job->values, job->rows, job->cols, job->cols, NULL, error);
    if (!status) status = ent_kmeans(p, k, level, error);
    if (status) return status;
    ent_stored_levels(format, level, k, stored);
    ent_middles(stored, k, edge);
    return ent_scaled_store(job, setting[GROUP], scale, format, stored, edge, k, error);
}

static ent_status lloyd_forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    points p = { 0 };
    float *scale = ent_scaled_divide(job, setting[GROUP], error);
    ent_status status = scale ? pack(setting, job, &p, scale, error) : ENT_ENOMEM;
    ent_points_free(&p);
    ent_free(scale);
    return status;
}

static ent_status lloyd_inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    return ent_scaled_read(packed, setting[GROUP], half_format(setting[HALF]), values, error);
}

const ent_transform ent_transform_lloyd = {
    .name = "lloyd", .brief = "the best 2^bits levels for all, times a scale a group", .cite = "max1960", .kind = ENT_QUANTIZER,
    .setting = { { "bits", "of a code", 1, 8, 4, true }, GROUP_SETTING(GROUP_TENSOR), HALF_SETTING },
    .forward = lloyd_forward, .inverse = lloyd_inverse,
};

/* ---- palette -------------------------------------------------------------------------------------------- */

enum { ROWS = 1, BY = 2 }; /* BITS before, then */
enum { PALETTE_HALF = 3 };

static uint32_t palette_rows(const double setting[], uint32_t rows)
{
    return setting[ROWS] > 0 && setting[ROWS] < rows ? (uint32_t)setting[ROWS] : rows;
}

static const char *code_format(const double setting[], char name[8])
{
    snprintf(name, 8, "U%d", (int)setting[BITS]);
    return name;
}

/* Palette `at`, of `rows` rows from row r. */
static ent_status pack_rows(const double setting[], ent_matrix_job *job, points *p, uint32_t r, uint32_t rows, uint32_t at,
                            ent_part *codes, ent_part *levels, ent_error *error)
{
    uint32_t k = levels->cols, width = ent_format_width(levels->format);
    size_t first = (size_t)r * job->cols;
    double level[MOST_LEVELS], edge[MOST_LEVELS];
    float stored[MOST_LEVELS];
    const double *weight = setting[BY] > 0 ? job->input->squares : NULL;
    ent_status status = ent_points_collect(p, POINTS_BF16, job->values + first, rows, job->cols, job->cols, weight, error);
    if (!status) status = ent_kmeans(p, k, level, error);
    if (status) return status;
    if (setting[PALETTE_HALF] > 0 && fmax(-level[0], level[k - 1]) > 65504)
        return ent_fail(error, ENT_EINVAL, "rows from %u: weights too large for levels in F16 (half=0 has room)", r);
    ent_stored_levels(levels->format->name, level, k, stored);
    ent_middles(stored, k, edge);
    ent_format_words(levels->format, stored, k, (uint8_t *)levels->words + (size_t)at * k * width);
    for (size_t i = first; i < first + (size_t)rows * job->cols; i++) {
        uint32_t code = ent_cell(edge, k - 1, (double)job->values[i]);
        ent_part_set_word(codes, i, code);
        job->values[i] = stored[code];
    }
    return ENT_OK;
}

static ent_status palette_forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    char format[8];
    uint32_t rows = palette_rows(setting, job->rows), palettes = (job->rows - 1) / rows + 1;
    if (setting[BY] > 0 && !job->input) return ent_fail(error, ENT_EINVAL, "palette(by=1) needs a calibration");
    ent_part *codes = ent_packed_add(job->packed, "codes", code_format(setting, format), job->rows, job->cols, error);
    if (!codes) return ENT_ENOMEM;
    ent_part *levels = ent_packed_add(job->packed, "levels", half_format(setting[PALETTE_HALF]), palettes, 1u << (int)setting[BITS], error);
    ent_status status = levels ? ENT_OK : ENT_ENOMEM;
    points p = { 0 };
    for (uint32_t i = 0; i < palettes && !status; i++) {
        uint32_t r = i * rows, some = job->rows - r < rows ? job->rows - r : rows;
        status = pack_rows(setting, job, &p, r, some, i, codes, levels, error);
    }
    ent_points_free(&p);
    return status;
}

static ent_status palette_inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    char format[8];
    uint32_t rows = palette_rows(setting, packed->rows), palettes = (packed->rows - 1) / rows + 1, k = 1u << (int)setting[BITS];
    const ent_part *codes = ent_packed_need(packed, "codes", code_format(setting, format), packed->rows, packed->cols, error);
    const ent_part *levels = codes ? ent_packed_need(packed, "levels", half_format(setting[PALETTE_HALF]), palettes, k, error) : NULL;
    if (!levels) return ENT_ECORRUPT;
    float *level = ent_part_floats(levels, error);
    if (!level) return ENT_ENOMEM;
    for (uint32_t r = 0; r < packed->rows; r++) {
        const float *palette = level + (size_t)(r / rows) * k;
        for (size_t i = (size_t)r * packed->cols, end = i + packed->cols; i < end; i++)
            values[i] = palette[((const uint8_t *)codes->words)[i] & (k - 1)];
    }
    ent_free(level);
    return ENT_OK;
}

const ent_transform ent_transform_palette = {
    .name = "palette", .brief = "the best 2^bits values for some rows, by k-means", .cite = "cho2024edkm", .kind = ENT_QUANTIZER,
    .setting = { { "bits", "of a code", 1, 8, 4, true },
                 { "rows", "with one palette; 0: all", 0, 65536, 0, true },
                 { "by", "0: all weights count the same; 1: times the mean square of their input", 0, 1, 0, true },
                 HALF_SETTING },
    .forward = palette_forward, .inverse = palette_inverse,
};
