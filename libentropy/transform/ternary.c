/* ternary.c - every weight becomes 0, or the least or the largest of its group, as QMoE makes experts of a mixture ternary.
 *
 * A weight beyond half of either extreme becomes that, all others 0 (Frantar and Alistarh 2024, whose groups are rows, and
 * who round by GPTQ).  On weights like a normal's nine of ten become 0, the more the wider the group, which is what their code
 * for the result lives from: "ternary => qmoe".
 * Parts: codes, rows x cols, U2: 0, 1 for the least, 2 for the largest; levels, BF16, these two, one row a group.  Bits per
 * weight, plain: 2 + 32 / group. */
#include <math.h>

#include "transform/parts.h"

enum { GROUP };
enum { CODES = 3, LEVELS = 2 };

/* The BF16 nearest to a value, or the largest one that is finite. */
static float stored(const ent_format *format, float value, uint32_t *word)
{
    *word = (uint32_t)ent_format_nearest(format, fmin(fmax((double)value, -0x1.fep127), 0x1.fep127));
    return (float)ent_format_value(format, *word);
}

/* The two levels of `rows` x `width` weights, `stride` apart, that begin at w. */
static void find_levels(const float *w, uint32_t rows, uint32_t width, size_t stride, float level[LEVELS])
{
    level[0] = level[1] = 0;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < width; c++) {
            level[0] = fminf(level[0], w[r * stride + c]);
            level[1] = fmaxf(level[1], w[r * stride + c]);
        }
}

static uint32_t code_of(float w, const float level[LEVELS]) { return w < level[0] / 2 ? 1 : w > level[1] / 2 ? 2 : 0; }

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    const groups g = ent_groups(setting[GROUP], job->rows, job->cols);
    const uint32_t rows = g.rows == 1 ? job->rows : 1; /* of a group */
    ent_part *codes = ent_packed_add(job->packed, "codes", "U2", job->rows, job->cols, error);
    ent_part *levels = codes ? ent_packed_add(job->packed, "levels", "BF16", g.rows * g.cols, LEVELS, error) : NULL;
    if (!levels) return ENT_ENOMEM;
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g.width) {
            const uint32_t width = group_width(&g, job->cols, c);
            const size_t at = group_of(&g, r, c);
            float level[LEVELS], *first = job->values + (size_t)r * job->cols + c;
            find_levels(first, rows, width, job->cols, level);
            for (uint32_t k = 0; k < LEVELS; k++) {
                uint32_t word;
                level[k] = stored(levels->format, level[k], &word);
                ent_part_set_word(levels, LEVELS * at + k, word);
            }
            for (uint32_t k = 0; k < rows; k++)
                for (uint32_t i = 0; i < width; i++) {
                    float *w = first + (size_t)k * job->cols + i;
                    uint32_t code = code_of(*w, level);
                    ent_part_set_word(codes, (size_t)(w - job->values), code);
                    *w = code ? level[code - 1] : 0;
                }
        }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    const groups g = ent_groups(setting[GROUP], packed->rows, packed->cols);
    const ent_part *codes = ent_packed_need(packed, "codes", "U2", packed->rows, packed->cols, error);
    const ent_part *levels = codes ? ent_packed_need(packed, "levels", "BF16", g.rows * g.cols, LEVELS, error) : NULL;
    if (!levels) return ENT_ECORRUPT;
    float *level = ent_part_floats(levels, error);
    ent_status status = level ? ENT_OK : ENT_ENOMEM;
    for (uint32_t r = 0; r < packed->rows && !status; r++)
        for (uint32_t c = 0; c < packed->cols && !status; c += g.width) {
            const float *of = level + LEVELS * group_of(&g, r, c), value[CODES] = { 0, of[0], of[1] };
            const size_t first = (size_t)r * packed->cols + c;
            for (uint32_t i = 0, n = group_width(&g, packed->cols, c); i < n && !status; i++) {
                const uint8_t code = ((const uint8_t *)codes->words)[first + i];
                if (code < CODES)
                    values[first + i] = value[code];
                else
                    status = ent_fail(error, ENT_ECORRUPT, "row %u, column %u: a ternary code of %u", r, c + i, code);
            }
        }
    ent_free(level);
    return status;
}

const ent_transform ent_transform_ternary = {
    .name = "ternary", .brief = "0, the least or the largest of a group: QMoE's codes", .cite = "frantar2024qmoe", .kind = ENT_QUANTIZER,
    .setting = { GROUP_SETTING(GROUP_ROW) },
    .forward = forward, .inverse = inverse,
};
