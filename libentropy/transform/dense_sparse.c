/* dense_sparse.c - a small dense matrix times a sparse one: dense_sparse.
 *
 * Columns are cut into blocks (block = 0: one of all).  In each a row is a sum of `nonzeros` of `atoms` vectors that serve all rows
 * (DSFormer: Chand et al. 2023, dense bases of blocks and semi-structured sparse coefficients, there found by training the
 * model; CoSpaDi: Shopkhoev et al. 2025, one dictionary for whole rows, there against the output's error, its mask a bitmap).  Of DSFormer
 * only the abstract and summaries were at hand: which axis its blocks cut and how it stores places are ours.  Here for
 * given weights: coefficients by orthogonal matching pursuit (Pati et al. 1993), atoms by least squares (Engan et al. 1999), in turn,
 * PASSES times from rows drawn at random, badly served ones first.
 *
 * Parts: atoms, F16, atoms x cols, of length 1 in each block but for rounding; sparse.values, F16, and sparse.places, rows x (blocks
 * nonzeros): of each row and block the coefficients in order of their atoms, and the atom's number less that of the one before
 * less 1 (the first: its number), U<ceil(log2 atoms)>.  nonzeros is at most atoms.  Bits per weight, plain: 16 atoms / rows +
 * nonzeros (16 + ceil(log2 atoms)) / block. */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "transform/parts.h"

enum { ATOMS, NONZEROS, BLOCK };
enum { MOST_ATOMS = 1024, MOST_NONZEROS = 64, PASSES = 12 };

typedef struct layout {
    uint32_t atoms, nonzeros, width, blocks; /* width: of a block; the last may be narrower */
    char format[8];                          /* of places */
} layout;

static layout layout_of(const double setting[], uint32_t cols)
{
    layout l = { .atoms = (uint32_t)setting[ATOMS], .width = (uint32_t)setting[BLOCK] };
    l.nonzeros = setting[NONZEROS] < setting[ATOMS] ? (uint32_t)setting[NONZEROS] : l.atoms;
    if (!l.width || l.width > cols) l.width = cols;
    l.blocks = (cols + l.width - 1) / l.width;
    snprintf(l.format, sizeof l.format, "U%u", ent_bits_for(l.atoms < 2 ? 2 : l.atoms) & 31);
    return l;
}

/* A block at hand. */
typedef struct block {
    uint32_t rows, atoms, nonzeros, width;
    const float *x;    /* rows x width */
    float *atom;       /* atoms x width */
    float *match;      /* rows x atoms: products of rows and atoms */
    float *gram;       /* atoms x atoms: of atoms */
    uint32_t *place;   /* rows x nonzeros, ascending */
    float *value;      /* of them */
    double *squares, *product; /* atoms x atoms, atoms x width: for least squares */
    ent_random random;
} block;

/* ---- pursuit ---------------------------------------------------------------------------------------------- */

/* Coefficients of the n atoms so far: solves L L^T value = the row's products with them. */
static void solve(const double *l, const float *match, const uint32_t *place, uint32_t n, double *value)
{
    for (uint32_t i = 0; i < n; i++) {
        value[i] = match[place[i]];
        for (uint32_t j = 0; j < i; j++) value[i] -= l[i * MOST_NONZEROS + j] * value[j];
        value[i] /= l[i * MOST_NONZEROS + i];
    }
    for (uint32_t i = n; i-- > 0;) {
        for (uint32_t j = i + 1; j < n; j++) value[i] -= l[j * MOST_NONZEROS + i] * value[j];
        value[i] /= l[i * MOST_NONZEROS + i];
    }
}

/* The next row of the Cholesky factor of the chosen atoms' products; false where the last one is a sum of the others. */
static bool extend(const block *b, double *l, const uint32_t *place, uint32_t n)
{
    const float *gram = b->gram + (size_t)place[n] * b->atoms;
    double rest = gram[place[n]];
    for (uint32_t i = 0; i < n; i++) {
        double sum = gram[place[i]];
        for (uint32_t j = 0; j < i; j++) sum -= l[i * MOST_NONZEROS + j] * l[n * MOST_NONZEROS + j];
        l[n * MOST_NONZEROS + i] = sum / l[i * MOST_NONZEROS + i];
        rest -= l[n * MOST_NONZEROS + i] * l[n * MOST_NONZEROS + i];
    }
    l[n * MOST_NONZEROS + n] = sqrt(fmax(rest, 0));
    return rest > 1e-5 * gram[place[n]];
}

/* Chooses the atoms of a row; the rest, where those chosen say all, have the value 0. */
static void pursue(const block *b, uint32_t row)
{
    const float *match = b->match + (size_t)row * b->atoms;
    uint32_t *place = b->place + (size_t)row * b->nonzeros, n = 0, atom = 0;
    float *to = b->value + (size_t)row * b->nonzeros;
    double l[MOST_NONZEROS * MOST_NONZEROS], value[MOST_NONZEROS], left[MOST_ATOMS];
    bool taken[MOST_ATOMS] = { false };
    for (uint32_t a = 0; a < b->atoms; a++) left[a] = match[a];
    for (; n < b->nonzeros; n++) {
        uint32_t best = b->atoms;
        for (uint32_t a = 0; a < b->atoms; a++)
            if (!taken[a] && (best == b->atoms || fabs(left[a]) > fabs(left[best]))) best = a;
        place[n] = best;
        if (left[best] == 0 || !extend(b, l, place, n)) break;
        taken[best] = true;
        solve(l, match, place, n + 1, value);
        for (uint32_t a = 0; a < b->atoms; a++) {
            left[a] = match[a];
            for (uint32_t i = 0; i <= n; i++) left[a] -= value[i] * b->gram[(size_t)place[i] * b->atoms + a];
        }
    }
    double of_atom[MOST_ATOMS] = { 0 };
    for (uint32_t i = 0; i < n; i++) of_atom[place[i]] = value[i];
    for (uint32_t more = b->nonzeros - n; more > 0; atom++)
        if (!taken[atom]) taken[atom] = true, more--;
    for (uint32_t a = 0, i = 0; a < b->atoms; a++)
        if (taken[a]) place[i] = a, to[i++] = (float)of_atom[a];
}

static void code_rows(block *b)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)b->rows, (int)b->atoms, (int)b->width, 1, b->x, (int)b->width, b->atom,
                (int)b->width, 0, b->match, (int)b->atoms);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)b->atoms, (int)b->atoms, (int)b->width, 1, b->atom, (int)b->width, b->atom,
                (int)b->width, 0, b->gram, (int)b->atoms);
    for (uint32_t r = 0; r < b->rows; r++) pursue(b, r);
}

/* ---- atoms ------------------------------------------------------------------------------------------------ */

/* Atom a of length 1: what is given, or where that is nothing, something random. */
static void set_atom(block *b, uint32_t a, const double *given)
{
    double square = 0;
    float *to = b->atom + (size_t)a * b->width;
    for (uint32_t c = 0; c < b->width; c++) square += given[c] * given[c];
    bool nothing = !(square > 0) || !isfinite(square);
    double length = nothing ? sqrt(b->width / 12.0) : sqrt(square);
    for (uint32_t c = 0; c < b->width; c++) to[c] = (float)((nothing ? ent_random_uniform(&b->random) - 0.5 : given[c]) / length);
}

static void random_row(block *b, double *to)
{
    size_t row = (size_t)ent_random_below(&b->random, b->rows);
    for (uint32_t c = 0; c < b->width; c++) to[c] = b->x[row * b->width + c];
}

/* Rows, each drawn with a chance as what the nearest of those before leaves of it; random vectors where nothing is left. */
static void start(block *b, double *row, double *left)
{
    ent_random_seed(&b->random, 1, 0);
    for (size_t r = 0; r < b->rows; r++) {
        left[r] = 0;
        for (size_t c = 0; c < b->width; c++) left[r] += (double)b->x[r * b->width + c] * b->x[r * b->width + c];
    }
    for (uint32_t a = 0; a < b->atoms; a++) {
        double all = 0, sum = 0;
        size_t pick = 0;
        for (size_t r = 0; r < b->rows; r++) all += left[r];
        double draw = ent_random_uniform(&b->random) * all;
        for (size_t r = 0; r < b->rows && sum <= draw; r++) {
            sum += left[r];
            if (left[r] > 0) pick = r;
        }
        for (size_t c = 0; c < b->width; c++) row[c] = all > 0 ? b->x[pick * b->width + c] : 0;
        set_atom(b, a, row);
        const float *atom = b->atom + (size_t)a * b->width;
        for (size_t r = 0; r < b->rows; r++) {
            double square = 0, match = 0;
            for (size_t c = 0; c < b->width; c++) {
                double x = b->x[r * b->width + c];
                square += x * x;
                match += x * atom[c];
            }
            left[r] = r == pick ? 0 : fmin(left[r], fmax(0, square - match * match));
        }
    }
}

/* The atoms that leave least with these coefficients; those that no row uses begin again. */
static void fit_atoms(block *b, double *row)
{
    size_t atoms = b->atoms, width = b->width;
    double trace = 0;
    memset(b->squares, 0, atoms * atoms * sizeof *b->squares);
    memset(b->product, 0, atoms * width * sizeof *b->product);
    for (size_t r = 0; r < b->rows; r++)
        for (uint32_t i = 0; i < b->nonzeros; i++) {
            const uint32_t *place = b->place + r * b->nonzeros;
            const float *value = b->value + r * b->nonzeros;
            size_t a = place[i];
            for (uint32_t j = 0; j <= i; j++) b->squares[a * atoms + place[j]] += (double)value[i] * value[j];
            for (size_t c = 0; c < width; c++) b->product[a * width + c] += (double)value[i] * b->x[r * width + c];
        }
    for (size_t a = 0; a < atoms; a++) trace += b->squares[a * atoms + a];
    for (size_t a = 0; a < atoms; a++) b->squares[a * atoms + a] += trace > 0 ? 1e-9 * trace / (double)atoms : 1;
    /* lower by rows is upper by columns; the products' rows are right sides */
    lapack_int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)atoms, b->squares, (lapack_int)atoms);
    if (info) return;
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)atoms, (int)width, 1, b->squares, (int)atoms,
                b->product, (int)width);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, (int)atoms, (int)width, 1, b->squares, (int)atoms,
                b->product, (int)width);
    for (uint32_t a = 0; a < b->atoms; a++) {
        const double *found = b->product + a * width;
        bool used = false;
        for (size_t c = 0; c < width; c++) used = used || found[c] != 0;
        if (!used) random_row(b, row);
        set_atom(b, a, used ? found : row);
    }
}

/* ---- both ways -------------------------------------------------------------------------------------------- */

typedef struct sparse {
    ent_part *atoms, *values, *places;
} sparse;

static ent_status store(const layout *l, const block *b, uint32_t index, uint32_t cols, const sparse *to, ent_error *error)
{
    size_t stride = (size_t)l->blocks * l->nonzeros;
    for (size_t r = 0; r < b->rows; r++)
        for (size_t i = 0; i < l->nonzeros; i++) {
            size_t from = r * l->nonzeros + i, at = r * stride + (size_t)index * l->nonzeros + i;
            if (!(fabsf(b->value[from]) <= 65504)) return ent_fail(error, ENT_EINVAL, "weights too large for coefficients in F16");
            ent_part_set_word(to->values, at, (uint32_t)ent_format_nearest(to->values->format, b->value[from]));
            ent_part_set_word(to->places, at, i ? b->place[from] - b->place[from - 1] - 1 : b->place[from]);
        }
    for (size_t a = 0; a < l->atoms; a++)
        ent_format_words(to->atoms->format, b->atom + a * b->width, b->width,
                         (uint16_t *)to->atoms->words + a * cols + (size_t)index * l->width);
    return ENT_OK;
}

static ent_status code_block(const layout *l, const ent_matrix_job *job, uint32_t index, block *b, float *x, double *row,
                             double *left, const sparse *to, ent_error *error)
{
    size_t first = (size_t)index * l->width;
    const ent_format *half = to->atoms->format;
    b->width = job->cols - first < l->width ? (uint32_t)(job->cols - first) : l->width;
    for (size_t r = 0; r < job->rows; r++) memcpy(x + r * b->width, job->values + r * job->cols + first, b->width * sizeof *x);
    b->x = x;
    start(b, row, left);
    for (int pass = 0; pass < PASSES && b->atoms < b->rows; pass++) { /* else each row begins as an atom, which is exact */
        code_rows(b);
        fit_atoms(b, row);
    }
    for (size_t i = 0; i < (size_t)l->atoms * b->width; i++)
        b->atom[i] = (float)ent_format_value(half, ent_format_nearest(half, b->atom[i]));
    code_rows(b);
    return store(l, b, index, job->cols, to, error);
}

static ent_status code_all(const layout *l, ent_matrix_job *job, const sparse *to, ent_error *error)
{
    size_t rows = job->rows, atoms = l->atoms;
    block b = { .rows = job->rows, .atoms = l->atoms, .nonzeros = l->nonzeros };
    float *x = ent_calloc(rows, l->width * sizeof *x);
    double *row = ent_calloc(l->width, sizeof *row);
    double *left = ent_calloc(rows, sizeof *left);
    b.atom = ent_calloc(atoms, l->width * sizeof *b.atom);
    b.match = ent_calloc(rows, atoms * sizeof *b.match);
    b.gram = ent_calloc(atoms, atoms * sizeof *b.gram);
    b.place = ent_calloc(rows, l->nonzeros * sizeof *b.place);
    b.value = ent_calloc(rows, l->nonzeros * sizeof *b.value);
    b.squares = ent_calloc(atoms, atoms * sizeof *b.squares);
    b.product = ent_calloc(atoms, l->width * sizeof *b.product);
    void *const all[] = { x, row, left, b.atom, b.match, b.gram, b.place, b.value, b.squares, b.product };
    ent_status status = ENT_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i]) status = ent_fail(error, ENT_ENOMEM, "no memory for the atoms of a matrix");
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* for BLAS, of this thread alone: matrices go side by side, and all threads give the same bits */
    for (uint32_t i = 0; i < l->blocks && !status; i++) status = code_block(l, job, i, &b, x, row, left, to, error);
    omp_set_num_threads(threads);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ent_free(all[i]);
    return status;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    layout l = layout_of(setting, packed->cols);
    uint32_t cols = packed->cols, stride = l.blocks * l.nonzeros;
    const ent_part *atoms = ent_packed_need(packed, "atoms", "F16", l.atoms, cols, error);
    const ent_part *value = atoms ? ent_packed_need(packed, "sparse.values", "F16", packed->rows, stride, error) : NULL;
    const ent_part *place = value ? ent_packed_need(packed, "sparse.places", l.format, packed->rows, stride, error) : NULL;
    if (!place) return ENT_ECORRUPT;
    float *atom = ent_calloc(l.atoms, cols * sizeof *atom);
    if (!atom) return ent_fail(error, ENT_ENOMEM, "no memory for the atoms of a matrix");
    ent_format_floats(atoms->format, atoms->words, (size_t)l.atoms * cols, atom);
    memset(values, 0, (size_t)packed->rows * cols * sizeof *values);
    ent_status status = ENT_OK;
    for (size_t i = 0, end = (size_t)packed->rows * stride, a = 0; i < end && !status; i++) {
        size_t first = i % stride / l.nonzeros * l.width, width = cols - first < l.width ? cols - first : l.width;
        a = ent_part_word(place, i) + (i % l.nonzeros ? a + 1 : 0);
        if (a >= l.atoms) {
            status = ent_fail(error, ENT_ECORRUPT, "row %zu: atom %zu of %u", i / stride, a, l.atoms);
            break;
        }
        const float v = ent_part_value(value, i), *from = atom + a * cols + first;
        float *to = values + i / stride * cols + first;
        for (size_t c = 0; c < width; c++) to[c] += v * from[c];
    }
    ent_free(atom);
    return status;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    layout l = layout_of(setting, job->cols);
    uint64_t stride = (uint64_t)l.blocks * l.nonzeros;
    sparse to = { NULL, NULL, NULL };
    if (stride > UINT32_MAX) return ent_fail(error, ENT_EINVAL, "too many coefficients for a matrix");
    to.atoms = ent_packed_add(job->packed, "atoms", "F16", l.atoms, job->cols, error);
    if (to.atoms) to.values = ent_packed_add(job->packed, "sparse.values", "F16", job->rows, (uint32_t)stride, error);
    if (to.values) to.places = ent_packed_add(job->packed, "sparse.places", l.format, job->rows, (uint32_t)stride, error);
    if (!to.places) return ENT_ENOMEM;
    for (size_t i = 0; i < (size_t)job->rows * job->cols; i++) /* so that squares are finite */
        if (fabsf(job->values[i]) > 0x1p40f) return ent_fail(error, ENT_EINVAL, "weights too large for coefficients in F16");
    ent_status status = code_all(&l, job, &to, error);
    return status ? status : inverse(setting, job->packed, job->values, error);
}

const ent_transform ent_transform_dense_sparse = {
    .name = "dense_sparse", .brief = "rows of blocks as sums of few of the same atoms", .cite = "chand2023dsformer", .kind = ENT_QUANTIZER,
    .setting = { { "atoms", "of a block of columns", 1, MOST_ATOMS, 64, true },
                 { "nonzeros", "atoms of a row", 1, MOST_NONZEROS, 8, true },
                 { "block", "columns with atoms of their own; 0: all", 0, 65536, 64, true } },
    .forward = forward, .inverse = inverse,
};
