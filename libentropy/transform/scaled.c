/* scaled.c - see scaled.h. */
#include <math.h>
#include <stdio.h>

#include "base/bits.h"
#include "transform/scaled.h"

/* The scale of rows x width weights; see scaled.h. */
static float scale_of(const float *first, uint32_t rows, uint32_t width, size_t stride, double group, const ent_format *format)
{
    double square = 0, most = 0;
    for (uint32_t k = 0; k < rows; k++)
        for (uint32_t i = 0; i < width; i++) {
            double w = fabs((double)first[k * stride + i]);
            square += w * w;
            most = w > most ? w : most;
        }
    double rms = sqrt(square / ((double)rows * width)), scale = group > 0 ? most : rms;
    if ((int)group == GROUP_TENSOR && rms > 0) scale = ldexp(1, ilogb(rms));
    uint64_t word = ent_format_nearest(format, scale);
    scale = ent_format_value(format, word ? word : 1); /* never zero, so that it can divide */
    return (float)fmin(scale, 0x1.fep127);             /* the largest BF16 */
}

float *ent_scaled_divide(ent_matrix_job *job, double group, ent_error *error)
{
    groups g = ent_groups(group, job->rows, job->cols);
    const ent_format *format = ent_format_find("BF16");
    uint32_t rows = g.rows == 1 ? job->rows : 1; /* of a group */
    float *scale = ent_calloc((size_t)g.rows * g.cols, sizeof *scale);
    if (!scale) {
        ent_fail(error, ENT_ENOMEM, "no memory for the scales of a matrix");
        return NULL;
    }
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g.width) {
            uint32_t width = group_width(&g, job->cols, c);
            float *first = job->values + (size_t)r * job->cols + c, *at = &scale[group_of(&g, r, c)];
            *at = scale_of(first, rows, width, job->cols, group, format);
            for (uint32_t k = 0; k < rows; k++)
                for (uint32_t i = 0; i < width; i++) first[(size_t)k * job->cols + i] /= *at;
        }
    return scale;
}

void ent_stored_levels(const char *format, const double *level, uint32_t n, float *stored)
{
    const ent_format *f = ent_format_find(format);
    double most = f->bits == 16 ? 65504 : 0x1.fffffep127;
    for (uint32_t i = 0; i < n; i++)
        stored[i] = (float)ent_format_value(f, ent_format_nearest(f, fmin(fmax(level[i], -most), most)));
}

ent_status ent_scaled_store(ent_matrix_job *job, double group, const float *scale, const char *format, const float *level,
                            const double *edge, uint32_t n, ent_error *error)
{
    groups g = ent_groups(group, job->rows, job->cols);
    char code_format[8];
    snprintf(code_format, sizeof code_format, "U%u", ent_bits_for(n < 2 ? 2 : n) & 31);
    ent_part *codes = ent_packed_add(job->packed, "codes", code_format, job->rows, job->cols, error);
    ent_part *scales = codes ? ent_packed_add(job->packed, "scales", "BF16", g.rows, g.cols, error) : NULL;
    ent_part *levels = scales ? ent_packed_add(job->packed, "levels", format, 1, n, error) : NULL;
    if (!levels) return ENT_ENOMEM;
    ent_format_words(scales->format, scale, (size_t)g.rows * g.cols, scales->words);
    ent_format_words(levels->format, level, n, levels->words);
    uint32_t width = ent_format_width(codes->format);
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t c = 0; c < job->cols; c++) {
            size_t at = (size_t)r * job->cols + c;
            uint32_t code = ent_cell(edge, n - 1, (double)job->values[at]);
            ent_symbol_put(codes->words, width, at, code);
            job->values[at] = level[code] * scale[group_of(&g, r, c)];
            if (!isfinite(job->values[at])) return ent_fail(error, ENT_EINVAL, "row %u, column %u: too large a weight", r, c);
        }
    return ENT_OK;
}

static ent_status read_group(const ent_part *codes, const float *level, uint32_t levels, float scale, uint32_t r, uint32_t c, uint32_t n,
                             float *values, ent_error *error)
{
    for (size_t i = (size_t)r * codes->cols + c, end = i + n; i < end; i++, c++) {
        uint32_t code = ent_part_word(codes, i);
        if (code >= levels) return ent_fail(error, ENT_ECORRUPT, "row %u, column %u: code %u of %u levels", r, c, code, levels);
        values[i] = level[code] * scale;
    }
    return ENT_OK;
}

ent_status ent_scaled_read(const ent_packed *packed, double group, const char *format, float *values, ent_error *error)
{
    groups g = ent_groups(group, packed->rows, packed->cols);
    const ent_part *codes = ent_packed_need(packed, "codes", NULL, packed->rows, packed->cols, error);
    const ent_part *scales = codes ? ent_packed_need(packed, "scales", "BF16", g.rows, g.cols, error) : NULL;
    const ent_part *found = scales ? ent_packed_find(packed, "levels") : NULL;
    const ent_part *levels = scales ? ent_packed_need(packed, "levels", format, 1, found ? found->cols : 0, error) : NULL;
    if (!levels) return ENT_ECORRUPT;
    if (codes->format->kind != ENT_KIND_UNSIGNED || codes->format->bits > 16)
        return ent_fail(error, ENT_ECORRUPT, "the codes of a packed matrix are %s, not unsigned", codes->format->name);
    float *scale = ent_part_floats(scales, error), *level = scale ? ent_part_floats(levels, error) : NULL;
    ent_status status = level ? ENT_OK : ENT_ENOMEM;
    for (uint32_t r = 0; r < packed->rows && !status; r++)
        for (uint32_t c = 0; c < packed->cols && !status; c += g.width)
            status = read_group(codes, level, levels->cols, scale[group_of(&g, r, c)], r, c, group_width(&g, packed->cols, c), values, error);
    ent_free(scale);
    ent_free(level);
    return status;
}
