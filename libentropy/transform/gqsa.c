/* gqsa.c - group quantization with group sparsity (GQSA: Zeng et al. 2024): only groups that are not all zero are stored.
 *
 * Groups of neighbours in a row that hold anything get a uniform grid each (grid.h), in block sparse rows.  Which groups are
 * zero is for a stage before it to decide: as published a share of the matrix, by saliency,
 *     prune(share=0.5,by=1,group=-1,whole=16) gqsa(bits=4,group=16)
 * where by=1 leaves out what weights make good for each other (there the diagonal of the inverse second moments), and the two
 * stages of training that follow there, of a block's weights and of all grids, are left to those who have the data.
 *
 * Parts: group.rows, group.columns (csr.h), the groups that are kept, of rows x ceil(cols / group); codes, one row of `group` a
 * kept group, the last of a row filled up with 0; scales, F16, one a kept group; zeros, as codes and only of asymmetric grids,
 * one a kept group.  Bits per weight, plain, where a share k of the groups is kept:
 * k (bits + (16 or 16 + bits) / group + 16 / group) + 32 (rows + 1) / (rows cols). */
#include <string.h>

#include "transform/csr.h"
#include "transform/grid.h"

typedef struct kept {
    csr list;
    uint32_t width; /* columns of a group */
} kept;

static uint32_t group_cols(const double setting[], uint32_t cols)
{
    return setting[GRID_GROUP] < cols ? (uint32_t)setting[GRID_GROUP] : cols;
}

/* Whether any of n weights is not 0; all +0 if none. */
static bool holds_anything(float *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (w[i] != 0) return true;
    memset(w, 0, n * sizeof *w);
    return false;
}

static ent_status list_groups(kept *k, const ent_matrix_job *job, ent_error *error)
{
    uint32_t row = (job->cols - 1) / k->width + 1; /* groups of one */
    uint16_t *mask = ent_calloc((size_t)job->rows * row, sizeof *mask);
    if (!mask) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t g = 0; g < row; g++) {
            uint32_t c = g * k->width, n = job->cols - c < k->width ? job->cols - c : k->width;
            mask[(size_t)r * row + g] = holds_anything(job->values + (size_t)r * job->cols + c, n);
        }
    ent_status status = ent_csr_store(&k->list, job->packed, "group", job->rows, row, mask, error);
    ent_free(mask);
    return status;
}

/* The columns of kept group i of row r, from *c. */
static uint32_t place(const kept *k, uint32_t cols, uint32_t i, uint32_t *c)
{
    *c = ent_csr_column(&k->list, i) * k->width;
    return cols - *c < k->width ? cols - *c : k->width;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    kept k = { .width = group_cols(setting, job->cols) };
    char format[8];
    uint32_t c;
    ent_grid_format(setting, format);
    ent_status status = list_groups(&k, job, error);
    if (status) return status;
    ent_part *codes = ent_packed_add(job->packed, "codes", format, k.list.n, k.width, error);
    ent_part *scales = codes ? ent_packed_add(job->packed, "scales", "F16", k.list.n, 1, error) : NULL;
    ent_part *zeros = scales && setting[GRID_SYMMETRIC] == 0 ? ent_packed_add(job->packed, "zeros", format, k.list.n, 1, error) : NULL;
    if (!scales || (setting[GRID_SYMMETRIC] == 0 && !zeros)) return ENT_ENOMEM;
    uint8_t mask = (uint8_t)((1u << codes->format->bits) - 1);
    for (uint32_t r = 0; r < job->rows; r++)
        for (uint32_t i = ent_csr_first(&k.list, r); i < ent_csr_first(&k.list, r + 1); i++) {
            uint32_t n = place(&k, job->cols, i, &c);
            float *w = job->values + (size_t)r * job->cols + c;
            grid g = ent_grid_choose(setting, scales->format, w, n, 1, job->cols);
            if (!isfinite(g.scale))
                return ent_fail(error, ENT_EINVAL, "row %u, column %u: weights too large for a scale in F16", r, c);
            ent_part_set_word(scales, i, (uint32_t)ent_format_nearest(scales->format, g.scale));
            if (zeros) ent_part_set_word(zeros, i, (uint32_t)g.zero);
            ent_grid_round(&g, w, n, (uint8_t *)codes->words + (size_t)i * k.width, mask);
        }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    kept k = { .width = group_cols(setting, packed->cols) };
    char format[8];
    uint32_t c;
    ent_grid_format(setting, format);
    ent_status status = ent_csr_read(&k.list, packed, "group", packed->rows, (packed->cols - 1) / k.width + 1, error);
    if (status) return status;
    const ent_part *codes = ent_packed_need(packed, "codes", format, k.list.n, k.width, error);
    const ent_part *scales = codes ? ent_packed_need(packed, "scales", "F16", k.list.n, 1, error) : NULL;
    const ent_part *zeros = scales && setting[GRID_SYMMETRIC] == 0 ? ent_packed_need(packed, "zeros", format, k.list.n, 1, error) : NULL;
    if (!scales || (setting[GRID_SYMMETRIC] == 0 && !zeros)) return ENT_ECORRUPT;
    float *code = ent_part_floats(codes, error);
    if (!code) return ENT_ENOMEM;
    memset(values, 0, (size_t)packed->rows * packed->cols * sizeof *values);
    for (uint32_t r = 0; r < packed->rows; r++)
        for (uint32_t i = ent_csr_first(&k.list, r); i < ent_csr_first(&k.list, r + 1); i++) {
            uint32_t n = place(&k, packed->cols, i, &c);
            float *from = code + (size_t)i * k.width;
            grid_values(ent_part_value(scales, i), zeros ? ent_part_value(zeros, i) : 0, from, n);
            memcpy(values + (size_t)r * packed->cols + c, from, n * sizeof *from);
        }
    ent_free(code);
    return ENT_OK;
}

#define KEPT_GROUP_SETTING { "group", "columns with one scale, stored or all zero", 1, 65536, 16, true }

const ent_transform ent_transform_gqsa = {
    .name = "gqsa", .brief = "as rtn, but groups of zeros are not stored", .cite = "zeng2024gqsa", .kind = ENT_QUANTIZER,
    .setting = { GRID_SETTINGS(KEPT_GROUP_SETTING, 0) },
    .forward = forward, .inverse = inverse,
};
