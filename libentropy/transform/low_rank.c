/* low_rank.c - truncated SVD: randomized subspace iteration (Halko et al. 2011, algorithms 4.4 and 5.1).
 *
 * Q spans what PASSES applications of A and A^T leave of random directions, some more than the rank; the SVD of the
 * small Q^T A gives the factors.  Magnitudes of weights have one large singular value and then a slow
 * decline, so single directions converge slowly, but the squares that they miss are few. */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "transform/low_rank.h"

enum { PASSES = 5, EXTRA = 8 };

typedef struct job {
    lapack_int rows, cols, wide; /* columns of the basis */
    const float *a;
    float *y, *z, *tau; /* rows x wide, cols x wide, wide */
} job;

static ent_status told(lapack_int info, ent_error *error)
{
    if (!info) return ENT_OK;
    if (info <= LAPACK_WORK_MEMORY_ERROR) return ent_fail(error, ENT_ENOMEM, "no memory for a singular value decomposition");
    return ent_fail(error, ENT_EINVAL, "a singular value decomposition does not converge (LAPACK: %d)", (int)info);
}

/* An orthonormal basis of the columns of y, n x wide, in their place. */
static ent_status orthonormal(const job *j, float *y, lapack_int n, ent_error *error)
{
    lapack_int info = LAPACKE_sgeqrf(LAPACK_ROW_MAJOR, n, j->wide, y, j->wide, j->tau);
    if (!info) info = LAPACKE_sorgqr(LAPACK_ROW_MAJOR, n, j->wide, j->wide, y, j->wide, j->tau);
    return told(info, error);
}

/* y = A z, z = A^T y. */
static void forth(const job *j)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, j->rows, j->wide, j->cols, 1, j->a, j->cols, j->z, j->wide, 0, j->y,
                j->wide);
}

static void back(const job *j)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, j->cols, j->wide, j->rows, 1, j->a, j->cols, j->y, j->wide, 0, j->z, j->wide);
}

static ent_status find_basis(const job *j, ent_error *error)
{
    ent_random random;
    ent_status status = ENT_OK;
    ent_random_seed(&random, 1, 0);
    for (size_t i = 0; i < (size_t)j->cols * (size_t)j->wide; i++) j->z[i] = (float)(ent_random_uniform(&random) - 0.5);
    for (int pass = 0; pass < PASSES && !status; pass++) {
        if (pass) status = orthonormal(j, j->z, j->cols, error);
        if (status) break;
        forth(j);
        status = orthonormal(j, j->y, j->rows, error);
        back(j);
    }
    return status;
}

/* z = A^T Q = P S R^T, so A is near Q R S P^T. */
static ent_status factors(const job *j, lapack_int rank, float *left, float *right, ent_error *error)
{
    size_t wide = (size_t)j->wide, cols = (size_t)j->cols;
    float *p = ent_calloc(cols, wide * sizeof *p), *s = ent_calloc(wide, sizeof *s), *rt = ent_calloc(wide, wide * sizeof *rt);
    ent_status status = p && s && rt ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for a factor of a matrix");
    if (!status)
        status = told(LAPACKE_sgesdd(LAPACK_ROW_MAJOR, 'S', j->cols, j->wide, j->z, j->wide, s, p, j->wide, rt, j->wide), error);
    for (lapack_int k = 0; k < rank && !status; k++) {
        float root = sqrtf(fmaxf(s[k], 0));
        for (size_t i = 0; i < wide; i++) rt[(size_t)k * wide + i] *= root;
        for (size_t i = 0; i < cols; i++) right[(size_t)k * cols + i] = p[i * wide + (size_t)k] * root;
    }
    if (!status)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, j->rows, rank, j->wide, 1, j->y, j->wide, rt, j->wide, 0, left, rank);
    ent_free(p);
    ent_free(s);
    ent_free(rt);
    return status;
}

static ent_status randomized(job *j, lapack_int rank, float *left, float *right, ent_error *error)
{
    j->y = ent_calloc((size_t)j->rows, (size_t)j->wide * sizeof *j->y);
    j->z = ent_calloc((size_t)j->cols, (size_t)j->wide * sizeof *j->z);
    j->tau = ent_calloc((size_t)j->wide, sizeof *j->tau);
    ent_status status = j->y && j->z && j->tau ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for a basis of a matrix");
    if (!status) status = find_basis(j, error);
    if (!status) status = factors(j, rank, left, right, error);
    ent_free(j->y);
    ent_free(j->z);
    ent_free(j->tau);
    return status;
}

/* All of the SVD, then a part of it. */
static ent_status whole(float *a, lapack_int rows, lapack_int cols, lapack_int rank, float *left, float *right, ent_error *error)
{
    lapack_int least = rows < cols ? rows : cols;
    float *u = ent_calloc((size_t)rows, (size_t)least * sizeof *u), *s = ent_calloc((size_t)least, sizeof *s);
    float *vt = ent_calloc((size_t)least, (size_t)cols * sizeof *vt);
    ent_status status = u && s && vt ? ENT_OK : ent_fail(error, ENT_ENOMEM, "no memory for a singular value decomposition");
    if (!status) status = told(LAPACKE_sgesdd(LAPACK_ROW_MAJOR, 'S', rows, cols, a, cols, s, u, least, vt, cols), error);
    for (lapack_int k = 0; k < rank && !status; k++) {
        float root = sqrtf(fmaxf(s[k], 0));
        for (size_t i = 0; i < (size_t)rows; i++) left[i * (size_t)rank + (size_t)k] = u[i * (size_t)least + (size_t)k] * root;
        for (size_t i = 0, at = (size_t)k * (size_t)cols; i < (size_t)cols; i++) right[at + i] = vt[at + i] * root;
    }
    ent_free(u);
    ent_free(s);
    ent_free(vt);
    return status;
}

ent_status ent_low_rank(float *a, uint32_t rows, uint32_t cols, uint32_t rank, float *left, float *right, ent_error *error)
{
    uint32_t least = rows < cols ? rows : cols, wide = rank + EXTRA;
    if (rows > INT32_MAX || cols > INT32_MAX) return ent_fail(error, ENT_EUNSUPPORTED, "a matrix of %u x %u is too long", rows, cols);
    if (wide >= least / 2) return whole(a, (lapack_int)rows, (lapack_int)cols, (lapack_int)rank, left, right, error);
    job j = { .rows = (lapack_int)rows, .cols = (lapack_int)cols, .wide = (lapack_int)wide, .a = a };
    return randomized(&j, (lapack_int)rank, left, right, error);
}

void ent_column_scale(const ent_input_stats *input, double power, float *scale)
{
    double most = 0, mean = 0;
    uint32_t cols = input->cols;
    for (uint32_t j = 0; j < cols; j++) most = fmax(most, sqrt(input->squares[j]));
    for (uint32_t j = 0; j < cols; j++) {
        double norm = most > 0 ? fmax(sqrt(input->squares[j]), 1e-3 * most) : 1;
        mean += power * log(norm) / cols;
        scale[j] = (float)(power * log(norm));
    }
    for (uint32_t j = 0; j < cols; j++) scale[j] = (float)exp(scale[j] - mean);
}
