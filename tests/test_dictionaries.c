/* test_dictionaries.c - vq and dense_sparse against closed forms, planted structure, LAPACK's singular values, and a plain pursuit and
 * a plain search that are written here; sizes by their formulas. */
#include <lapacke.h>
#include <math.h>

#include "matrices.h"

static double half(const ent_packed *packed, const char *part, size_t i)
{
    const ent_part *p = ent_packed_find(packed, part);
    assert_non_null(p);
    return ent_format_value(ent_format_find("F16"), ((const uint16_t *)p->words)[i]);
}

static uint32_t word(const ent_packed *packed, const char *part, size_t i)
{
    const ent_part *p = ent_packed_find(packed, part);
    assert_non_null(p);
    return ent_format_width(p->format) == 1 ? ((const uint8_t *)p->words)[i] : ((const uint16_t *)p->words)[i];
}

static float *packed_by(const char *text, uint32_t rows, uint32_t cols, const float *values, ent_packed *packed)
{
    ent_pipeline pipeline;
    float *said = ent_calloc(rows, cols * sizeof *said);
    assert_non_null(said);
    memcpy(said, values, (size_t)rows * cols * sizeof *said);
    assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
    assert_ok(ent_pipeline_apply(&pipeline, rows, cols, said, NULL, packed, NULL));
    return said;
}

/* ---- vq ---------------------------------------------------------------------------------------------------------- */

/* One dimension is Max's quantizer (1960, table I), which k-means from a random start comes within 4 % of. */
static void one_dimension_is_max(void **state)
{
    (void)state;
    enum { ROWS = 256, COLS = 1024 };
    static const double known[] = { 0, 0.3634, 0.1175, 0.03454, 0.009497 };
    float *values = normals(ROWS * COLS, 1, 81);
    for (int bits = 1; bits <= 4; bits++) {
        char text[64];
        snprintf(text, sizeof text, "vq(dim=1,bits=%d)", bits);
        assert_close(squared_error(text, ROWS, COLS, values, NULL, NULL, NULL), known[bits], 0.04 * known[bits]);
    }
    ent_free(values);
}

/* At 2 bits a weight more dimensions leave less, never less than the bound of a normal, 2^-4. */
static void dimensions_gain_within_the_bound(void **state)
{
    (void)state;
    enum { ROWS = 256, COLS = 1536 }; /* divided by 1 to 4 */
    float *values = normals(ROWS * COLS, 1, 82);
    double before = INFINITY;
    for (int dim = 1; dim <= 4; dim++) {
        char text[64];
        double plain;
        snprintf(text, sizeof text, "vq(dim=%d,bits=%d)", dim, 2 * dim);
        double error = squared_error(text, ROWS, COLS, values, NULL, NULL, &plain);
        assert_true(error < 0.97 * before && error > 0.0625);
        assert_close(plain, 2 + 16.0 * dim * (1 << 2 * dim) / (ROWS * COLS), 1e-9);
        before = error;
    }
    ent_free(values);
}

enum { POINTS = 16 };

/* Rows of places of 4 weights, each one of 16 far points: those of the place mod `books`, which lie in a plane if `flat`. */
static float *planted(uint32_t rows, uint32_t places, uint32_t books, bool flat)
{
    float *values = ent_calloc(rows, places * 4 * sizeof *values), *point = normals((size_t)books * POINTS * 4, 1, 83);
    ent_random random;
    assert_non_null(values);
    ent_random_seed(&random, 84, 0);
    for (size_t i = 0; i < (size_t)books * POINTS && flat; i++) {
        float a = point[4 * i], b = point[4 * i + 1];
        for (int j = 0; j < 4; j++) point[4 * i + (size_t)j] = a * (float)(1 + j) + b * (float)(j % 2 ? 2 : -1);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p < places; p++) {
            size_t k = p % books * POINTS + ent_random_below(&random, POINTS);
            memcpy(values + (r * places + p) * 4, point + 4 * k, 4 * sizeof *values);
        }
    ent_free(point);
    return values;
}

static void planted_points_are_found(void **state)
{
    (void)state;
    enum { ROWS = 200, PLACES = 12, N = ROWS * PLACES * 4 };
    static const struct {
        const char *text;
        uint32_t books;
        bool flat, exact;
        double words; /* of books and basis */
    } cases[] = {
        { "vq(bits=4)", 1, false, true, POINTS * 4 },
        { "vq(bits=4,books=3)", 3, false, true, 3 * POINTS * 4 },
        { "vq(bits=4,books=0)", 3, false, true, PLACES * POINTS * 4 },
        { "vq(bits=4,books=1)", 3, false, false, POINTS * 4 },
        { "vq(bits=4,rank=2)", 1, true, true, POINTS * 2 + 2 * 4 },
        { "vq(bits=4,rank=1)", 1, true, false, POINTS + 4 },
        { "vq(bits=4,books=3,rank=2)", 3, true, true, 3 * POINTS * 2 + 2 * 4 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *values = planted(ROWS, PLACES, cases[i].books, cases[i].flat);
        double plain, square = 0;
        for (size_t k = 0; k < N; k++) square += (double)values[k] * values[k] / N;
        double error = squared_error(cases[i].text, ROWS, PLACES * 4, values, NULL, NULL, &plain);
        if (cases[i].exact != (error < 1e-5 * square)) fail_msg("%s: %g of %g", cases[i].text, error, square);
        assert_close(plain * N, ROWS * PLACES * 4.0 + 16 * cases[i].words, 1e-6);
        ent_free(values);
    }
}

/* By the head of vq.c: what a code says, and that no other entry is nearer. */
static void codes_are_the_nearest(void **state)
{
    (void)state;
    enum { ROWS = 30, COLS = 50, DIM = 4, PLACES = 13, ENTRIES = 32 };
    static const struct {
        const char *text;
        uint32_t books, rank;
    } cases[] = { { "vq(bits=5)", 1, 0 }, { "vq(bits=5,books=4)", 4, 0 }, { "vq(bits=5,books=0,rank=3)", PLACES, 3 } };
    float *values = normals(ROWS * COLS, 0.02, 85);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_packed packed;
        float *said = packed_by(cases[i].text, ROWS, COLS, values, &packed);
        uint32_t rank = cases[i].rank, width = rank ? rank : DIM;
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t p = 0; p < PLACES; p++) {
                double least = INFINITY, of_code = 0;
                uint32_t code = word(&packed, "codes", r * PLACES + p);
                for (uint32_t k = 0; k < ENTRIES; k++) {
                    double far = 0;
                    for (uint32_t j = 0; j < DIM; j++) {
                        size_t at = ((size_t)(p % cases[i].books) * ENTRIES + k) * width;
                        double entry = 0, w = p * DIM + j < COLS ? values[r * COLS + p * DIM + j] : 0;
                        if (!rank) entry = half(&packed, "books", at + j);
                        for (uint32_t m = 0; m < rank; m++) entry += half(&packed, "books", at + m) * half(&packed, "basis", m * DIM + j);
                        far += (w - entry) * (w - entry);
                        if (k == code && p * DIM + j < COLS) assert_close(said[r * COLS + p * DIM + j], entry, 1e-6);
                    }
                    least = fmin(least, far);
                    if (k == code) of_code = far;
                }
                assert_true(of_code <= least * (1 + 1e-4) + 1e-9);
            }
        ent_packed_free(&packed);
        ent_free(said);
    }
    ent_free(values);
}

/* ---- dense times sparse ------------------------------------------------------------------------------------------- */

/* When every row uses every atom, this is a product of low rank: alternating least squares ends at the best (Eckart and Young). */
static void all_atoms_are_a_low_rank(void **state)
{
    (void)state;
    enum { ROWS = 60, COLS = 40, N = ROWS * COLS };
    float *values = normals(N, 1, 91);
    double a[N], s[COLS], none[1], before = INFINITY;
    for (size_t i = 0; i < N; i++) values[i] *= (float)pow(0.8, (double)(i % COLS)); /* singular values that fall */
    for (size_t i = 0; i < N; i++) a[i] = values[i];
    assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', ROWS, COLS, a, COLS, s, none, ROWS, none, COLS), 0);
    static const int ranks[] = { 1, 3, 8, 16 };
    for (int k = 0; k < 4; k++) {
        char text[80];
        double tail = 0, plain;
        for (int i = ranks[k]; i < COLS; i++) tail += s[i] * s[i];
        snprintf(text, sizeof text, "dense_sparse(atoms=%d,nonzeros=%d,block=0)", ranks[k], ranks[k]);
        double error = N * squared_error(text, ROWS, COLS, values, NULL, NULL, &plain);
        if (!(error >= 0.999 * tail && error < 1.03 * tail && error < before)) fail_msg("rank %d: %g, the least is %g", ranks[k], error, tail);
        before = error;
    }
    ent_free(values);
}

static void few_atoms_find_what_was_planted(void **state)
{
    (void)state;
    enum { ROWS = 300, COLS = 32, N = ROWS * COLS, LINES = 20 };
    float *values = ent_calloc(N, sizeof *values), *line = normals(LINES * COLS, 1, 92), *noise = normals(N, 0.01, 93);
    ent_random random;
    assert_non_null(values);
    ent_random_seed(&random, 94, 0);
    for (size_t r = 0; r < ROWS; r++) { /* rows on 20 lines through 0: rank 20, but one atom each */
        size_t k = ent_random_below(&random, LINES);
        float size = (float)(0.5 + ent_random_uniform(&random));
        for (size_t c = 0; c < COLS; c++) values[r * COLS + c] = size * line[k * COLS + c] + noise[r * COLS + c];
    }
    double plain, error = squared_error("dense_sparse(atoms=64,nonzeros=1,block=0)", ROWS, COLS, values, NULL, NULL, &plain);
    assert_true(error < 1.05e-4); /* the noise, and coefficients of 11 bits */
    assert_close(plain, 16.0 * 64 / ROWS + (16 + 6.0) / COLS, 1e-9);
    /* factors of rank 8 take as much and leave a third of the lines */
    assert_true(squared_error("dense_sparse(atoms=8,nonzeros=8,block=0)", ROWS, COLS, values, NULL, NULL, NULL) > 1000 * error);
    ent_free(values), ent_free(line), ent_free(noise);
}

/* What orthogonal matching pursuit leaves of x with these atoms, every step's coefficients by LAPACK's least squares. */
static double pursued(const double *atom, int atoms, int width, const double *x, int nonzeros)
{
    double rest[64], left = 0;
    int chosen[16];
    memcpy(rest, x, (size_t)width * sizeof *rest);
    for (int n = 0; n < nonzeros; n++) {
        double best = -1;
        for (int a = 0; a < atoms; a++) {
            double sum = 0;
            bool taken = false;
            for (int i = 0; i < n; i++) taken = taken || chosen[i] == a;
            for (int c = 0; c < width; c++) sum += rest[c] * atom[a * width + c];
            if (!taken && fabs(sum) > best) best = fabs(sum), chosen[n] = a;
        }
        double m[64 * 16], side[64];
        memcpy(side, x, (size_t)width * sizeof *side);
        for (int c = 0; c < width; c++)
            for (int i = 0; i <= n; i++) m[c * (n + 1) + i] = atom[chosen[i] * width + c];
        assert_int_equal(LAPACKE_dgels(LAPACK_ROW_MAJOR, 'N', width, n + 1, 1, m, n + 1, side, 1), 0);
        for (int c = 0; c < width; c++) {
            rest[c] = x[c];
            for (int i = 0; i <= n; i++) rest[c] -= side[i] * atom[chosen[i] * width + c];
        }
    }
    for (int c = 0; c < width; c++) left += rest[c] * rest[c];
    return left;
}

/* By the head of dense_sparse.c: what parts say, and that coefficients are those of a pursuit. */
static void coefficients_are_those_of_a_pursuit(void **state)
{
    (void)state;
    enum { ROWS = 90, COLS = 50, WIDTH = 20, BLOCKS = 3, ATOMS = 40, NONZEROS = 5 };
    float *values = normals(ROWS * COLS, 0.02, 95);
    ent_packed packed;
    double plain = ATOMS * COLS * 16.0 + ROWS * BLOCKS * NONZEROS * (16 + 6.0);
    float *said = packed_by("dense_sparse(atoms=40,nonzeros=5,block=20)", ROWS, COLS, values, &packed);
    assert_close(ent_packed_plain_bits(&packed), plain, 1e-6);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        int width = b < 2 ? WIDTH : COLS - 2 * WIDTH;
        double atom[ATOMS * WIDTH], x[WIDTH];
        for (int a = 0; a < ATOMS; a++)
            for (int c = 0; c < width; c++) atom[a * width + c] = half(&packed, "atoms", (size_t)a * COLS + b * WIDTH + (size_t)c);
        for (uint32_t r = 0; r < ROWS; r++) {
            double sum[WIDTH] = { 0 }, left = 0;
            int place = -1;
            for (uint32_t i = 0; i < NONZEROS; i++) {
                size_t at = (r * BLOCKS + b) * NONZEROS + i;
                place += 1 + (int)word(&packed, "sparse.places", at);
                assert_true(place < ATOMS);
                for (int c = 0; c < width; c++) sum[c] += half(&packed, "sparse.values", at) * atom[place * width + c];
            }
            for (int c = 0; c < width; c++) {
                size_t at = (size_t)r * COLS + b * WIDTH + (size_t)c;
                x[c] = values[at];
                assert_close(said[at], sum[c], 1e-6);
                left += (x[c] - sum[c]) * (x[c] - sum[c]);
            }
            assert_close(left, pursued(atom, ATOMS, width, x, NONZEROS), 1e-3 * left + 1e-7);
        }
    }
    ent_packed_free(&packed);
    ent_free(said), ent_free(values);
}

/* Places that add up to an atom that is not there. */
static void places_that_lie_are_refused(void **state)
{
    (void)state;
    float *values = normals(8 * 16, 1, 96);
    ent_pipeline pipeline;
    ent_packed packed;
    ent_error error;
    float *said = packed_by("dense_sparse(atoms=5,nonzeros=2)", 8, 16, values, &packed);
    assert_ok(ent_pipeline_parse(&pipeline, "dense_sparse(atoms=5,nonzeros=2)", NULL));
    uint8_t *places = ent_packed_find(&packed, "sparse.places")->words;
    places[2 * 3] = 4, places[2 * 3 + 1] = 0;
    assert_status(ent_pipeline_undo(&pipeline, &packed, said, &error), ENT_ECORRUPT);
    assert_non_null(strstr(error.text, "row 3"));
    free_job(&packed, said, values);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dimension_is_max),
        cmocka_unit_test(dimensions_gain_within_the_bound),
        cmocka_unit_test(planted_points_are_found),
        cmocka_unit_test(codes_are_the_nearest),
        cmocka_unit_test(all_atoms_are_a_low_rank),
        cmocka_unit_test(few_atoms_find_what_was_planted),
        cmocka_unit_test(coefficients_are_those_of_a_pursuit),
        cmocka_unit_test(places_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
