/* bitstack.c - blocks of signs and of factors of low rank, each of what the ones before it leave.
 *
 * Iterative absolute value decomposition (BitStack: Wang et al. 2025): see entropy/bitstack.h for one block.  Squares of
 * column j count as much as the squares of its input, to the power `scale` (1: as in the paper, where columns are
 * multiplied by the norms of their inputs); here the factors absorb the scales, so nothing else is stored and no
 * other layer is touched.  signs = 0 is the paper's ablation, a plain SVD of as many bytes a level.
 * Parts, i from 0 up to levels - 1: signs.i, U8, 1 x ceil(rows * cols / 8); left.i, F16, rows x rank; right.i, F16,
 * rank x cols.  Bits a weight and level: 1 + 16 rank (rows + cols) / (rows * cols).  Decoding takes the levels that are
 * there, from the first on. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include <entropy/bitstack.h>

#include "transform/low_rank.h"
#include "transform/parts.h"
#include "transform/signed_product.h"

enum { LEVELS, RANK, SCALE, SIGNS };
enum { MOST_LEVELS = 16, PARTS_A_LEVEL = 3, F16_INFINITY = 0x7C00 };
_Static_assert(PARTS_A_LEVEL * MOST_LEVELS + ENT_FEW_PARTS <= ENT_PARTS, "a matrix has room for the parts of all levels");

/* ---- one block ------------------------------------------------------------------------------------------------ */

uint32_t ent_bitstack_rank(uint32_t rows, uint32_t cols, uint32_t rank, bool signs)
{
    uint64_t least = rows < cols ? rows : cols;
    uint64_t more = signs ? 0 : (uint64_t)rows * cols / (16 * ((uint64_t)rows + cols));
    return rank + more < least ? (uint32_t)(rank + more) : (uint32_t)least;
}

static uint64_t sign_bytes(uint32_t rows, uint32_t cols) { return ((uint64_t)rows * cols + 7) / 8; }

uint64_t ent_bitstack_bytes(uint32_t rows, uint32_t cols, uint32_t rank, bool signs)
{
    uint64_t k = ent_bitstack_rank(rows, cols, rank, signs);
    return (signs ? sign_bytes(rows, cols) : 0) + 2 * k * ((uint64_t)rows + cols);
}

/* The magnitudes, scaled, and their signs (or the values themselves); returns what they were divided by, so that squares
 * are neither infinite nor zero: 0 for a matrix of zeros. */
static double split(const ent_bitstack_block *b, const float *residual, const float *scale, float *a)
{
    size_t n = (size_t)b->rows * b->cols;
    double top = 0;
    for (size_t i = 0; i < n; i++) {
        double value = residual[i] * (scale ? (double)scale[i % b->cols] : 1);
        top = fmax(top, fabs(value));
    }
    if (b->signs) memset(b->signs, 0, (size_t)sign_bytes(b->rows, b->cols));
    for (size_t i = 0; i < n; i++) {
        double value = residual[i] * (scale ? (double)scale[i % b->cols] : 1) / (top > 0 ? top : 1);
        a[i] = (float)(b->signs ? fabs(value) : value);
        if (b->signs && value >= 0) b->signs[i / 8] |= (uint8_t)(0x80 >> i % 8);
    }
    return top;
}

/* Of words of F16. */
static bool all_finite(const uint16_t *words, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) finite &= (words[i] & F16_INFINITY) != F16_INFINITY;
    return finite;
}

static ent_status find_factors(const ent_bitstack_block *b, float *a, const float *scale, double top, float *left, float *right,
                               ent_error *error)
{
    const ent_format *half = ent_format_find("F16");
    size_t rows = b->rows, cols = b->cols, rank = b->rank;
    ent_status status = ent_low_rank(a, b->rows, b->cols, b->rank, left, right, error);
    if (status) return status;
    float root = (float)sqrt(top);
    for (size_t i = 0; i < rows * rank; i++) left[i] *= root;
    for (size_t i = 0; i < rank * cols; i++) right[i] *= scale ? root / scale[i % cols] : root;
    ent_format_words(half, left, rows * rank, b->left);
    ent_format_words(half, right, rank * cols, b->right);
    if (all_finite(b->left, rows * rank) && all_finite(b->right, rank * cols)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "weights up to %.3g: too large for factors in F16", top);
}

/* values += sign * G o U V. */
static ent_status add(const ent_bitstack_block *b, float sign, float *values, ent_error *error)
{
    const ent_format *half = ent_format_find("F16");
    const size_t rows = b->rows, cols = b->cols, rank = b->rank;
    const size_t stride = (cols + ENT_PRODUCT_COLS - 1) / ENT_PRODUCT_COLS * ENT_PRODUCT_COLS;
    if (!all_finite(b->left, rows * rank) || !all_finite(b->right, rank * cols))
        return ent_fail(error, ENT_ECORRUPT, "a factor of a block is not finite");
    float *left = ent_alloc(rows * rank * sizeof *left), *right = ent_calloc(rank, stride * sizeof *right);
    ent_status status = left && right ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for the factors of a block");
    if (!status) {
        ent_format_floats(half, b->left, rows * rank, left);
        for (size_t i = 0; i < rows * rank; i++) left[i] *= sign;
        for (size_t k = 0; k < rank; k++) ent_format_floats(half, b->right + k * cols, cols, right + k * stride);
        const ent_signed_product p = { rows, cols, rank, b->signs, left, right, stride };
        ent_signed_product_add(&p, values);
    }
    ent_free(left);
    ent_free(right);
    return status;
}

ent_status ent_bitstack_add(const ent_bitstack_block *block, float *values, ent_error *error)
{
    return add(block, 1, values, error);
}

ent_status ent_bitstack_take(const ent_bitstack_block *b, float *residual, const float *scale, ent_error *error)
{
    size_t rows = b->rows, cols = b->cols, rank = b->rank;
    float *a = ent_calloc(rows, cols * sizeof *a), *left = ent_calloc(rows, rank * sizeof *left);
    float *right = ent_calloc(rank, cols * sizeof *right);
    ent_status status = a && left && right ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for a copy of a matrix");
    if (!status) {
        double top = split(b, residual, scale, a);
        status = find_factors(b, a, scale, top, left, right, error);
    }
    ent_free(a);
    ent_free(left);
    ent_free(right);
    return status ? status : add(b, -1, residual, error);
}

/* ---- the transform ---------------------------------------------------------------------------------------------- */

/* Block i over parts that are there, or that are made; which of the two is the same to their memory. */
static ent_bitstack_block block_of(const ent_packed *packed, const ent_part *signs, const ent_part *left, const ent_part *right)
{
    return (ent_bitstack_block){ packed->rows, packed->cols, left->cols, signs ? signs->words : NULL, left->words, right->words };
}

static const char *part_name(const char *what, uint32_t level, char name[16])
{
    snprintf(name, 16, "%s.%u", what, level % 100); /* as the compiler cannot know */
    return name;
}

static ent_status add_level(const double setting[], ent_matrix_job *job, uint32_t level, const float *scale, float *residual,
                            ent_error *error)
{
    char name[16];
    bool signs = setting[SIGNS] > 0;
    uint32_t rank = ent_bitstack_rank(job->rows, job->cols, (uint32_t)setting[RANK], signs);
    ent_part *g = NULL, *u = NULL, *v = NULL;
    if (signs && !(g = ent_packed_add(job->packed, part_name("signs", level, name), "U8", 1,
                                      (uint32_t)sign_bytes(job->rows, job->cols), error)))
        return ENT_ENOMEM;
    u = ent_packed_add(job->packed, part_name("left", level, name), "F16", job->rows, rank, error);
    if (u) v = ent_packed_add(job->packed, part_name("right", level, name), "F16", rank, job->cols, error);
    if (!v) return ENT_ENOMEM;
    ent_bitstack_block block = block_of(job->packed, g, u, v);
    ent_status status = ent_bitstack_take(&block, residual, scale, error);
    return status ? status : ent_bitstack_add(&block, job->values, error);
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    size_t n = (size_t)job->rows * job->cols;
    if (setting[SCALE] > 0 && !job->input) return ent_fail(error, ENT_EINVAL, "bitstack(scale=%g) needs a calibration", setting[SCALE]);
    float *residual = ent_alloc(n * sizeof *residual), *scale = ent_alloc(job->cols * sizeof *scale);
    ent_status status = residual && scale ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for a copy of a matrix");
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* for BLAS, of this thread alone: matrices go side by side, and all threads give the same bits */
    if (!status) {
        memcpy(residual, job->values, n * sizeof *residual);
        memset(job->values, 0, n * sizeof *job->values);
        if (setting[SCALE] > 0) ent_column_scale(job->input, setting[SCALE], scale);
    }
    for (uint32_t i = 0; i < (uint32_t)setting[LEVELS] && !status; i++)
        status = add_level(setting, job, i, setting[SCALE] > 0 ? scale : NULL, residual, error);
    omp_set_num_threads(threads);
    ent_free(residual);
    ent_free(scale);
    return status;
}

/* The block of a level, checked; its left is NULL where the level is not there. */
static ent_status find_level(const ent_packed *packed, uint32_t level, uint32_t rank, bool signs, ent_bitstack_block *block,
                             ent_error *error)
{
    char name[3][16];
    const ent_part *g = NULL, *u, *v;
    *block = (ent_bitstack_block){ .left = NULL };
    part_name("left", level, name[0]);
    part_name("right", level, name[1]);
    part_name("signs", level, name[2]);
    if (!ent_packed_find(packed, name[0]) && !ent_packed_find(packed, name[1]) && !ent_packed_find(packed, name[2])) return ENT_OK;
    if (!(u = ent_packed_need(packed, name[0], "F16", packed->rows, rank, error))) return ENT_ECORRUPT;
    if (!(v = ent_packed_need(packed, name[1], "F16", rank, packed->cols, error))) return ENT_ECORRUPT;
    if (signs && !(g = ent_packed_need(packed, name[2], "U8", 1, (uint32_t)sign_bytes(packed->rows, packed->cols), error)))
        return ENT_ECORRUPT;
    *block = block_of(packed, g, u, v);
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    bool signs = setting[SIGNS] > 0, ended = false;
    uint32_t levels = (uint32_t)setting[LEVELS];
    uint32_t rank = ent_bitstack_rank(packed->rows, packed->cols, (uint32_t)setting[RANK], signs);
    ent_status status = ENT_OK;
    memset(values, 0, (size_t)packed->rows * packed->cols * sizeof *values);
    for (uint32_t i = 0; i <= levels && !status; i++) {
        ent_bitstack_block block;
        status = find_level(packed, i, rank, signs, &block, error);
        if (!status && block.left && i == levels) status = ent_fail(error, ENT_ECORRUPT, "a packed matrix of more than %u levels", levels);
        if (!status && block.left && ended) status = ent_fail(error, ENT_ECORRUPT, "level %u of a packed matrix without all before it", i);
        ended = ended || !block.left;
        if (!status && !ended) status = ent_bitstack_add(&block, values, error);
    }
    return status;
}

static uint32_t parts(const double setting[]) { return PARTS_A_LEVEL * (uint32_t)setting[LEVELS]; }

const ent_transform ent_transform_bitstack = {
    .name = "bitstack", .brief = "levels of signs times factors of low rank, each of what is left", .cite = "wang2025bitstack",
    .kind = ENT_QUANTIZER,
    .setting = { { "levels", "blocks of a matrix", 1, MOST_LEVELS, 4, true },
                 { "rank", "of the factors", 1, 1024, 16, true },
                 { "scale", "squares of a column count (its input's)^scale; 0: alike, 1: as published", 0, 2, 0, false },
                 { "signs", "0: plain SVD of as many bytes", 0, 1, 1, true } },
    .parts = parts, .forward = forward, .inverse = inverse,
};
