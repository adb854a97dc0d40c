/* repair.c - what a quantizer and all before it lost, given back in part by factors of low rank: lowrank, slim, eora.
 *
 * Of R, the matrix as it came to the pipeline less what it gives back (pruning's errors are in it too), is added the product
 * of rank k that leaves least
 *   lowrank  of the squares of R (Eckart and Young 1936);
 *   slim     of those times the mean square of their column's input (SLiM: Mozaffari et al. 2025, there the mean magnitude,
 *            which a calibration does not hold; the published order, pruning after quantization, is the other way round here);
 *   eora     of the squared error of the layer's output, trace R H R^T, H being E x x^T (EoRA: Liu et al. 2024, by H's
 *            eigenvectors; here by its Cholesky factor C, since any root gives the same product: the SVD of R C, and back by C^-1).
 * The rank is at most the smaller side.
 *
 * Parts: left, rank x rows, and right, rank x cols, so that the matrix gets left^T right.  bits = 16: F16.  Fewer: I<bits>, as rtn
 * with the same `group` would store them, scales in left.scales and right.scales, F16.  Bits per
 * weight, plain: rank (rows + cols) (16 or bits + 16 / group) / (rows cols). */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "transform/feedback.h"
#include "transform/low_rank.h"

enum { RANK, BITS, GROUP, DAMP };
enum { WHOLE = 16 }; /* bits of a factor that is not quantized */

static uint32_t rank_of(const double setting[], uint32_t rows, uint32_t cols)
{
    uint32_t least = rows < cols ? rows : cols;
    return setting[RANK] < least ? (uint32_t)setting[RANK] : least;
}

/* ---- factors as parts ------------------------------------------------------------------------------------- */

static void rtn_setting(const double setting[], double rtn[ENT_SETTINGS])
{
    for (size_t i = 0; i < ENT_SETTINGS; i++) rtn[i] = ent_transform_rtn.setting[i].preset;
    rtn[0] = setting[BITS];
    rtn[1] = setting[GROUP];
}

static ent_status store_whole(const char *name, uint32_t rank, uint32_t n, float *factor, ent_packed *packed, ent_error *error)
{
    ent_part *part = ent_packed_add(packed, name, "F16", rank, n, error);
    if (!part) return ENT_ENOMEM;
    ent_format_words(part->format, factor, (size_t)rank * n, part->words);
    ent_format_floats(part->format, part->words, (size_t)rank * n, factor);
    for (size_t i = 0; i < (size_t)rank * n; i++)
        if (!isfinite(factor[i])) return ent_fail(error, ENT_EINVAL, "weights too large for factors in F16");
    return ENT_OK;
}

/* Stores rank x n values, which become what decoding gives. */
static ent_status store(const double setting[], const char *name, uint32_t rank, uint32_t n, float *factor, ent_packed *packed,
                        ent_error *error)
{
    if (setting[BITS] >= WHOLE) return store_whole(name, rank, n, factor, packed, error);
    double rtn[ENT_SETTINGS];
    ent_packed own = { .rows = rank, .cols = n };
    ent_matrix_job job = { .rows = rank, .cols = n, .values = factor, .packed = &own };
    rtn_setting(setting, rtn);
    ent_status status = ent_transform_rtn.forward(rtn, &job, error);
    for (uint32_t i = 0; i < own.parts && !status; i++) {
        ent_part *part = ent_packed_add(packed, "", own.part[i].format->name, own.part[i].rows, own.part[i].cols, error);
        if (!part) {
            status = ENT_ENOMEM;
            break;
        }
        snprintf(part->name, sizeof part->name, "%s%s", name, i ? ".scales" : "");
        void *words = part->words;
        part->words = own.part[i].words;
        own.part[i].words = words;
    }
    ent_packed_free(&own);
    return status;
}

static ent_status read_factor(const double setting[], const char *name, uint32_t rank, uint32_t n, const ent_packed *packed,
                              float *factor, ent_error *error)
{
    if (setting[BITS] >= WHOLE) {
        const ent_part *part = ent_packed_need(packed, name, "F16", rank, n, error);
        if (part) ent_format_floats(part->format, part->words, (size_t)rank * n, factor);
        return part ? ENT_OK : ENT_ECORRUPT;
    }
    static const char *const own_name[2] = { "codes", "scales" };
    double rtn[ENT_SETTINGS];
    ent_packed own = { .rows = rank, .cols = n, .parts = 2 };
    for (int i = 0; i < 2; i++) {
        char full[sizeof own.part[i].name];
        snprintf(full, sizeof full, "%s%s", name, i ? ".scales" : "");
        const ent_part *part = ent_packed_find(packed, full);
        if (!part) return ent_fail(error, ENT_ECORRUPT, "a packed matrix without its %s", full);
        own.part[i] = *part;
        snprintf(own.part[i].name, sizeof own.part[i].name, "%s", own_name[i]);
    }
    rtn_setting(setting, rtn);
    return ent_transform_rtn.inverse(rtn, &own, factor, error); /* own's words are packed's */
}

/* ---- decoding --------------------------------------------------------------------------------------------- */

/* values += left^T right, the same bits on every machine. */
static void add_product(uint32_t rows, uint32_t cols, uint32_t rank, const float *left, const float *right, float *values)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < rank; k++) {
            const float u = left[k * rows + r], *v = right + k * cols;
            float *to = values + r * cols;
            for (size_t c = 0; c < cols; c++) to[c] += u * v[c];
        }
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    uint32_t rows = packed->rows, cols = packed->cols, rank = rank_of(setting, rows, cols);
    float *left = ent_calloc(rank, rows * sizeof *left), *right = ent_calloc(rank, cols * sizeof *right);
    ent_status status = left && right ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for the factors of a matrix");
    if (!status) status = read_factor(setting, "left", rank, rows, packed, left, error);
    if (!status) status = read_factor(setting, "right", rank, cols, packed, right, error);
    if (!status) add_product(rows, cols, rank, left, right, values);
    ent_free(left);
    ent_free(right);
    return status;
}

/* ---- what counts how much ----------------------------------------------------------------------------------- */

/* A root of what errors count: a diagonal, a lower triangle (cols x cols), or nothing. */
typedef struct root {
    float *scale;
    double *lower;
} root;

static ent_status find_lower(const ent_input_stats *input, double damp, root *m, ent_error *error)
{
    size_t n = input->cols;
    double mean = 0, rows = fmax(1, (double)input->rows);
    if (!input->second)
        return ent_fail(error, ENT_EINVAL, "a calibration with second moments is needed (`entropy quality --calibrate --second`)");
    if (n > INT32_MAX || !(m->lower = ent_calloc(n, n * sizeof *m->lower)))
        return ent_fail(error, ENT_ENOMEM, "no memory for the second moments of %zu columns", n);
    for (size_t j = 0; j < n; j++) mean += input->second[j * n + j] / rows / (double)n;
    double noise = mean > 0 ? fmax(damp, 1e-6) * mean : 1; /* dead channels are as if they had a little */
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i <= j; i++) m->lower[j * n + i] = input->second[j * n + i] / rows;
        m->lower[j * n + j] += noise;
    }
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)n, m->lower, (lapack_int)n)) /* lower by rows is upper by columns */
        return ent_fail(error, ENT_EINVAL, "the second moments of the input are no moments");
    return ENT_OK;
}

/* values (rows x cols) times the root, or divided by it. */
static ent_status times_root(const root *m, bool divide, uint32_t rows, uint32_t cols, float *values, ent_error *error)
{
    size_t n = (size_t)rows * cols;
    for (size_t i = 0; i < n && m->scale; i++) values[i] = divide ? values[i] / m->scale[i % cols] : values[i] * m->scale[i % cols];
    if (!m->lower) return ENT_OK;
    double *wide = ent_calloc(n, sizeof *wide);
    if (!wide) return ent_fail(error, ENT_ENOMEM, "no memory for a copy of a matrix");
    for (size_t i = 0; i < n; i++) wide[i] = values[i];
    (divide ? cblas_dtrsm : cblas_dtrmm)(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, (int)rows, (int)cols, 1,
                                         m->lower, (int)cols, wide, (int)cols);
    for (size_t i = 0; i < n; i++) values[i] = (float)wide[i];
    ent_free(wide);
    return ENT_OK;
}

/* ---- encoding --------------------------------------------------------------------------------------------- */

/* What is left over, divided by what its largest magnitude is, so that squares are neither infinite nor zero: returned. */
static double find_rest(const ent_matrix_job *job, float *rest)
{
    size_t n = (size_t)job->rows * job->cols;
    double top = 0;
    for (size_t i = 0; i < n; i++) top = fmax(top, fabs((double)job->original[i] - job->values[i]));
    for (size_t i = 0; i < n; i++) rest[i] = (float)(((double)job->original[i] - job->values[i]) / (top > 0 ? top : 1));
    return top;
}

static void transpose(const float *from, uint32_t rows, uint32_t cols, float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) to[c * rows + r] = from[r * cols + c];
}

/* rest: room for a matrix. */
static ent_status add_factors(const double setting[], ent_matrix_job *job, const root *m, float *rest, float *left, float *right,
                              ent_error *error)
{
    uint32_t rows = job->rows, cols = job->cols, rank = rank_of(setting, rows, cols);
    double top = find_rest(job, rest);
    float unit = (float)sqrt(top); /* of each factor */
    if (!isfinite(unit)) return ent_fail(error, ENT_EINVAL, "weights too large for factors in F16");
    ent_status status = times_root(m, false, rows, cols, rest, error);
    if (!status && top > 0) status = ent_low_rank(rest, rows, cols, rank, left, right, error);
    if (!status) status = times_root(m, true, rank, cols, right, error);
    if (status) return status;
    transpose(left, rows, rank, rest);
    for (size_t i = 0; i < (size_t)rank * rows; i++) left[i] = rest[i] * unit;
    for (size_t i = 0; i < (size_t)rank * cols; i++) right[i] *= unit;
    status = store(setting, "left", rank, rows, left, job->packed, error);
    if (!status) status = store(setting, "right", rank, cols, right, job->packed, error);
    if (!status) add_product(rows, cols, rank, left, right, job->values);
    return status;
}

static ent_status repair(const double setting[], ent_matrix_job *job, root *m, ent_error *error)
{
    size_t rows = job->rows, cols = job->cols, rank = rank_of(setting, job->rows, job->cols);
    bool fits = setting[BITS] == WHOLE || setting[BITS] <= ent_transform_rtn.setting[0].most;
    float *rest = ent_alloc(rows * cols * sizeof *rest);
    float *left = ent_calloc(rank, rows * sizeof *left), *right = ent_calloc(rank, cols * sizeof *right);
    ent_status status = rest && left && right ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for a copy of a matrix");
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* for BLAS, of this thread alone: matrices go side by side, and all threads give the same bits */
    if (!fits) status = ent_fail(error, ENT_EINVAL, "bits of a factor are 16, or 2 to 8");
    if (!status) status = add_factors(setting, job, m, rest, left, right, error);
    omp_set_num_threads(threads);
    ent_free(rest);
    ent_free(left);
    ent_free(right);
    ent_free(m->scale);
    ent_free(m->lower);
    return status;
}

static ent_status lowrank_forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    return repair(setting, job, &(root){ NULL, NULL }, error);
}

static ent_status slim_forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    root m = { .scale = ent_calloc(job->cols, sizeof *m.scale) };
    if (!m.scale) return ent_fail(error, ENT_ENOMEM, "no memory for the scales of a matrix");
    ent_column_scale(job->input, 1, m.scale);
    return repair(setting, job, &m, error);
}

static ent_status eora_forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    root m = { NULL, NULL };
    ent_status status = find_lower(job->input, setting[DAMP], &m, error);
    if (!status) return repair(setting, job, &m, error);
    ent_free(m.lower);
    return status;
}

#define FACTOR_SETTINGS \
    { "rank", "of the factors", 1, 1024, 16, true }, { "bits", "16: factors in F16; less: of a code", 2, WHOLE, WHOLE, true }, \
    GROUP_SETTING(128)

const ent_transform ent_transform_lowrank = {
    .name = "lowrank", .brief = "adds factors of low rank of the error of the weights", .cite = "eckart1936", .kind = ENT_REPAIR,
    .setting = { FACTOR_SETTINGS },
    .forward = lowrank_forward, .inverse = inverse,
};

const ent_transform ent_transform_slim = {
    .name = "slim", .brief = "adds factors of the error, columns counted as loud as their inputs", .cite = "mozaffari2025slim",
    .kind = ENT_REPAIR, .calibrated = true,
    .setting = { FACTOR_SETTINGS },
    .forward = slim_forward, .inverse = inverse,
};

const ent_transform ent_transform_eora = {
    .name = "eora", .brief = "adds factors of the error that leave least of the output's", .cite = "liu2024eora", .kind = ENT_REPAIR,
    .calibrated = true,
    .setting = { FACTOR_SETTINGS, DAMP_SETTING },
    .forward = eora_forward, .inverse = inverse,
};
