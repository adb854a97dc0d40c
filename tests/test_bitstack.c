/* test_bitstack.c - stacks of blocks: closed forms, LAPACK's SVD as the judge, a reconstruction written from the
 * description alone, published block sizes and ladders, parts that lie. */
#include <lapacke.h>
#include <math.h>

#include "test.h"

/* ---- inputs ------------------------------------------------------------------------------------------------------- */

static float *normals(size_t n, uint64_t seed)
{
    float *values = ent_calloc(n, sizeof *values);
    ent_random random;
    assert_non_null(values);
    ent_random_seed(&random, seed, 0);
    for (size_t i = 0; i < n; i++) {
        double u = 1 - ent_random_uniform(&random), v = ent_random_uniform(&random);
        values[i] = (float)(sqrt(-2 * log(u)) * cos(2 * M_PI * v));
    }
    return values;
}

static double squares(const float *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)values[i] * values[i];
    return sum;
}

static ent_bitstack_block block_new(uint32_t rows, uint32_t cols, uint32_t rank, bool signs)
{
    ent_bitstack_block b = { rows, cols, ent_bitstack_rank(rows, cols, rank, signs), NULL, NULL, NULL };
    if (signs) b.signs = ent_calloc(((size_t)rows * cols + 7) / 8, 1);
    b.left = ent_calloc(rows, b.rank * sizeof *b.left);
    b.right = ent_calloc(b.rank, cols * sizeof *b.right);
    assert_true(b.left && b.right && (b.signs || !signs));
    return b;
}

static void block_free(ent_bitstack_block *b)
{
    ent_free(b->signs);
    ent_free(b->left);
    ent_free(b->right);
}

/* ---- one block ---------------------------------------------------------------------------------------------------- */

static void signs_are_packed_first_bit_highest(void **state)
{
    (void)state;
    float w[10] = { 1, -2, 3, 0, -1, -1, -3, 4, -0.5f, 7 };
    ent_bitstack_block b = block_new(2, 5, 1, true);
    assert_ok(ent_bitstack_take(&b, w, NULL, NULL));
    assert_int_equal(b.signs[0], 0xB1); /* + - + 0 - - - + */
    assert_int_equal(b.signs[1], 0x40); /* - +, then zeros */
    block_free(&b);
}

/* Magnitudes of rank 1: one block has it all, but for two factors rounded to 11 bits. */
static void rank_one_is_exact_at_once(void **state)
{
    (void)state;
    enum { ROWS = 37, COLS = 53, N = ROWS * COLS };
    float *w = ent_calloc(N, sizeof *w), *sign = normals(N, 5), *left = normals(ROWS, 6), *right = normals(COLS, 7);
    ent_bitstack_block b = block_new(ROWS, COLS, 1, true);
    assert_non_null(w);
    for (size_t i = 0; i < N; i++) w[i] = fabsf(left[i / COLS] * right[i % COLS]) * (sign[i] < 0 ? -1.0f : 1.0f);
    float *was = normals(N, 5);
    memcpy(was, w, N * sizeof *w);
    assert_ok(ent_bitstack_take(&b, w, NULL, NULL));
    for (size_t i = 0; i < N; i++)
        if (fabs((double)w[i]) > 0x1.02p-10 * fabs((double)was[i]) + 1e-6)
            fail_msg("at %zu: %g is left of %g", i, (double)w[i], (double)was[i]);
    block_free(&b);
    ent_free(w), ent_free(was), ent_free(sign), ent_free(left), ent_free(right);
}

/* values += signs o U V, each sum in the order of the rank, on shapes that no vector or tile divides: to the last bit. */
static void blocks_of_every_shape_add_the_same_bits(void **state)
{
    (void)state;
    const ent_format *half = ent_format_find("F16");
    float *noise = normals(9 * 40 * 2, 11);
    for (uint32_t rows = 1; rows <= 9; rows++)
        for (uint32_t cols = 1; cols <= 40; cols++)
            for (int signs = 0; signs < 2; signs++) {
                const size_t n = (size_t)rows * cols;
                ent_bitstack_block b = block_new(rows, cols, 3, signs);
                float got[9 * 40], left[9 * 40], right[40 * 40];
                const size_t lefts = (size_t)rows * b.rank, rights = (size_t)b.rank * cols;
                ent_format_words(half, noise, lefts, b.left);
                ent_format_words(half, noise + 100, rights, b.right);
                ent_format_floats(half, b.left, lefts, left);
                ent_format_floats(half, b.right, rights, right);
                for (size_t i = 0; i < (n + 7) / 8 && signs; i++) b.signs[i] = (uint8_t)(37 * i + rows + cols);
                memcpy(got, noise + 360, n * sizeof *got);
                assert_ok(ent_bitstack_add(&b, got, NULL));
                for (size_t i = 0; i < n; i++) {
                    float sum = 0;
                    for (size_t k = 0; k < b.rank; k++) sum += left[i / cols * b.rank + k] * right[k * cols + i % cols];
                    const bool plus = !signs || (b.signs[i / 8] & 0x80 >> i % 8);
                    const float want = noise[360 + i] + (plus ? sum : -sum);
                    assert_memory_equal(&got[i], &want, sizeof want);
                }
                block_free(&b);
            }
    ent_free(noise);
}

/* Of normal weights the mean magnitude is sqrt(2 / pi), a matrix of rank 1: the rest has 1 - 2 / pi of the squares. */
static void half_normal_magnitudes_leave_what_theory_says(void **state)
{
    (void)state;
    enum { SIDE = 600, N = SIDE * SIDE };
    float *w = normals(N, 3);
    double before = squares(w, N);
    ent_bitstack_block b = block_new(SIDE, SIDE, 1, true);
    assert_ok(ent_bitstack_take(&b, w, NULL, NULL));
    assert_close(squares(w, N) / before, 1 - 2 / M_PI, 0.004);
    block_free(&b);
    ent_free(w);
}

/* Squares beyond the first `rank` singular values of |w| or w, by LAPACK in double precision. */
static double best_rest(const float *w, int rows, int cols, uint32_t rank, bool magnitudes)
{
    int least = rows < cols ? rows : cols;
    double *a = calloc((size_t)rows * (size_t)cols, sizeof *a), *s = calloc((size_t)least, sizeof *s), none[1], rest = 0;
    assert_true(a && s);
    for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++) a[i] = magnitudes ? fabs((double)w[i]) : w[i];
    assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', rows, cols, a, cols, s, none, rows, none, cols), 0);
    for (int k = (int)rank; k < least; k++) rest += s[k] * s[k];
    free(a);
    free(s);
    return rest;
}

static void randomized_factors_are_near_the_best(void **state)
{
    (void)state;
    static const struct {
        int rows, cols;
        uint32_t rank;
        bool signs;
    } cases[] = { { 200, 320, 16, true }, { 320, 200, 1, true }, { 150, 150, 4, false }, { 64, 20, 8, true }, { 3, 90, 2, true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = (size_t)cases[i].rows * (size_t)cases[i].cols;
        float *w = normals(n, 10 + i);
        ent_bitstack_block b = block_new((uint32_t)cases[i].rows, (uint32_t)cases[i].cols, cases[i].rank, cases[i].signs);
        double best = best_rest(w, cases[i].rows, cases[i].cols, b.rank, cases[i].signs);
        assert_ok(ent_bitstack_take(&b, w, NULL, NULL));
        double rest = squares(w, n);
        if (!(rest < 1.01 * best + 1e-6 * (double)n && rest > 0.999 * best))
            fail_msg("%d x %d: %g is left, the least is %g", cases[i].rows, cases[i].cols, rest, best);
        block_free(&b);
        ent_free(w);
    }
}

/* 0.36 of the squares at first, then more, as the magnitudes of what is left are nearer to noise. */
static void every_level_leaves_less(void **state)
{
    (void)state;
    enum { ROWS = 96, COLS = 160, N = ROWS * COLS, LEVELS = 16 };
    float *w = normals(N, 21);
    ent_bitstack_block b = block_new(ROWS, COLS, 4, true);
    double before = squares(w, N);
    for (int i = 0; i < LEVELS; i++) {
        assert_ok(ent_bitstack_take(&b, w, NULL, NULL));
        double after = squares(w, N);
        if (!(after < 0.85 * before)) fail_msg("level %d: %g of %g is left", i, after, before);
        before = after;
    }
    block_free(&b);
    ent_free(w);
}

static void a_scale_moves_error_to_quiet_columns(void **state)
{
    (void)state;
    enum { ROWS = 80, COLS = 64, N = ROWS * COLS };
    float *even = normals(N, 31), *tilted = normals(N, 31), scale[COLS];
    double loud[2] = { 0 }, all[2] = { 0 };
    ent_bitstack_block b = block_new(ROWS, COLS, 2, true);
    for (uint32_t j = 0; j < COLS; j++) scale[j] = j % 4 ? 0.5f : 8;
    assert_ok(ent_bitstack_take(&b, even, NULL, NULL));
    assert_ok(ent_bitstack_take(&b, tilted, scale, NULL));
    for (size_t i = 0; i < N; i++) {
        double s = scale[i % COLS], e = even[i], t = tilted[i];
        all[0] += e * e, all[1] += t * t;
        loud[0] += s * s * e * e, loud[1] += s * s * t * t;
    }
    assert_true(loud[1] < 0.97 * loud[0]);
    assert_true(all[1] > all[0]);
    block_free(&b);
    ent_free(even), ent_free(tilted);
}

static void odd_blocks(void **state)
{
    (void)state;
    static const uint32_t shape[][2] = { { 1, 1 }, { 1, 37 }, { 37, 1 }, { 2, 3 } };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        size_t n = (size_t)shape[i][0] * shape[i][1];
        float *w = normals(n, i), *zero = ent_calloc(n, sizeof *zero);
        double before = squares(w, n);
        ent_bitstack_block b = block_new(shape[i][0], shape[i][1], 16, true);
        assert_int_equal(b.rank, shape[i][0] < shape[i][1] ? shape[i][0] : shape[i][1]); /* all of it */
        assert_ok(ent_bitstack_take(&b, w, NULL, NULL));
        assert_true(squares(w, n) < 1e-5 * before);
        assert_ok(ent_bitstack_take(&b, zero, NULL, NULL));
        assert_true(squares(zero, n) == 0);
        w[0] = 3e38f; /* factors of 1.7e19 */
        ent_error error;
        assert_status(ent_bitstack_take(&b, w, NULL, &error), ENT_EINVAL);
        assert_non_null(strstr(error.text, "F16"));
        block_free(&b);
        ent_free(w), ent_free(zero);
    }
    float w = 1;
    ent_bitstack_block b = block_new(1, 1, 1, true);
    b.left[0] = 0x7C00; /* infinite */
    assert_status(ent_bitstack_add(&b, &w, NULL), ENT_ECORRUPT);
    assert_true(w == 1);
    block_free(&b);
}

/* ---- the transform ------------------------------------------------------------------------------------------------- */

/* A word of F16, by IEEE 754's definition. */
static double half(uint16_t word)
{
    int exponent = word >> 10 & 31, mantissa = word & 1023;
    double value = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return word >> 15 ? -value : value;
}

static const void *words(const ent_packed *packed, const char *part, unsigned level)
{
    char name[20];
    snprintf(name, sizeof name, "%s.%u", part, level);
    const ent_part *found = ent_packed_find(packed, name);
    assert_non_null(found);
    return found->words;
}

/* Written from the head of bitstack.c. */
static double rebuilt(const ent_packed *packed, size_t row, size_t col, unsigned levels, size_t rank, bool signs)
{
    double value = 0;
    size_t at = row * packed->cols + col;
    for (unsigned level = 0; level < levels; level++) {
        const uint16_t *left = words(packed, "left", level), *right = words(packed, "right", level);
        double sum = 0;
        for (size_t k = 0; k < rank; k++) sum += half(left[row * rank + k]) * half(right[k * packed->cols + col]);
        if (signs && !(((const uint8_t *)words(packed, "signs", level))[at / 8] & 128 >> at % 8)) sum = -sum;
        value += sum;
    }
    return value;
}

static void apply(const char *text, uint32_t rows, uint32_t cols, float *values, ent_packed *packed)
{
    ent_pipeline pipeline;
    assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
    assert_ok(ent_pipeline_apply(&pipeline, rows, cols, values, NULL, packed, NULL));
}

static void parts_say_what_the_description_says(void **state)
{
    (void)state;
    enum { ROWS = 21, COLS = 35, N = ROWS * COLS };
    for (int signs = 0; signs < 2; signs++) {
        float *w = normals(N, 41), *back = ent_calloc(N, sizeof *back);
        ent_pipeline pipeline;
        ent_packed packed;
        const char *text = signs ? "bitstack(levels=3,rank=2)" : "bitstack(levels=3,rank=2,signs=0)";
        size_t rank = signs ? 2 : 2 + N / (16 * (ROWS + COLS));
        assert_non_null(back);
        apply(text, ROWS, COLS, w, &packed);
        assert_int_equal(packed.parts, signs ? 9 : 6);
        assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
        assert_ok(ent_pipeline_undo(&pipeline, &packed, back, NULL));
        assert_memory_equal(w, back, N * sizeof *w);
        for (size_t i = 0; i < N; i++)
            assert_close(back[i], rebuilt(&packed, i / COLS, i % COLS, 3, rank, signs), 1e-5);
        ent_packed_free(&packed);
        ent_free(w), ent_free(back);
    }
}

/* The first levels of many are those of few, bit for bit. */
static void first_levels_stand_alone(void **state)
{
    (void)state;
    enum { ROWS = 30, COLS = 44, N = ROWS * COLS };
    float *few = normals(N, 51), *many = normals(N, 51);
    ent_packed packed, other;
    ent_pipeline pipeline;
    apply("bitstack(levels=2,rank=3)", ROWS, COLS, few, &other);
    apply("bitstack(levels=5,rank=3)", ROWS, COLS, many, &packed);
    assert_ok(ent_pipeline_parse(&pipeline, "bitstack(levels=5,rank=3)", NULL));
    uint32_t all = packed.parts;
    packed.parts = 6;
    assert_ok(ent_pipeline_undo(&pipeline, &packed, many, NULL));
    assert_memory_equal(few, many, N * sizeof *few);
    packed.parts = 0;
    assert_ok(ent_pipeline_undo(&pipeline, &packed, many, NULL));
    assert_true(squares(many, N) == 0);
    packed.parts = all;
    ent_packed_free(&packed);
    ent_packed_free(&other);
    ent_free(few), ent_free(many);
}

static void parts_that_lie_are_refused(void **state)
{
    (void)state;
    enum { ROWS = 9, COLS = 12, N = ROWS * COLS };
    static const char *const missing[] = { "signs.0", "left.0", "right.0", "left.1", "right.2", "signs.2" };
    float *w = normals(N, 61);
    ent_pipeline pipeline;
    ent_packed packed;
    ent_error error;
    apply("bitstack(levels=3,rank=2)", ROWS, COLS, w, &packed);
    assert_ok(ent_pipeline_parse(&pipeline, "bitstack(levels=3,rank=2)", NULL));
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        ent_part *part = (ent_part *)(uintptr_t)ent_packed_find(&packed, missing[i]);
        assert_non_null(part);
        part->name[0] = 'x';
        assert_status(ent_pipeline_undo(&pipeline, &packed, w, &error), ENT_ECORRUPT);
        part->name[0] = missing[i][0];
        part->cols++;
        assert_status(ent_pipeline_undo(&pipeline, &packed, w, &error), ENT_ECORRUPT);
        part->cols--;
    }
    assert_ok(ent_pipeline_undo(&pipeline, &packed, w, &error));
    ((uint16_t *)(uintptr_t)words(&packed, "right", 1))[3] = 0x7E00; /* no number */
    assert_status(ent_pipeline_undo(&pipeline, &packed, w, &error), ENT_ECORRUPT);
    ent_packed_free(&packed);
    assert_ok(ent_pipeline_parse(&pipeline, "bitstack(scale=1)", NULL));
    assert_status(ent_pipeline_apply(&pipeline, ROWS, COLS, w, NULL, &packed, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "calibration"));
    ent_free(w);
}

/* ---- published sizes ------------------------------------------------------------------------------------------------ */

/* Rank 16.  Block sizes in MiB as printed in Table 6 of the paper (arXiv 2410.23918), beside the shapes; the
 * ladders were worked out from those and the models' configurations: embedding and head apart, F16. */
static const struct {
    const char *name;
    uint32_t layers, hidden, kv, ffn, vocab;
    double q, k, gate;                                   /* o as q, v as k, up and down as gate */
    double model, fixed, level, least, all, bits, block; /* MiB; bits a weight and level */
} published[] = {
    { "Llama 2 7B", 32, 4096, 4096, 11008, 32000, 2.25, 2.25, 5.84, 12852.51, 500.51, 848.25, 1348.76, 14072.51, 1.0988, 5.84 },
    { "Llama 2 13B", 40, 5120, 5120, 13824, 32000, 3.44, 3.44, 9.02, 24825.79, 625.79, 1631.88, 2257.67, 26735.79, 1.0789, 9.02 },
    { "Llama 2 70B", 80, 8192, 1024, 28672, 32000, 8.50, 1.28, 29.13, 131562.52, 1002.52, 8555.00, 9557.52, 137882.52, 1.0484, 29.12 },
    { "Llama 3 8B", 32, 4096, 1024, 14336, 128256, 2.25, 0.66, 7.56, 15316.51, 2004.51, 912.00, 2916.51, 16596.51, 1.0962, 7.56 },
    { "Llama 3 70B", 80, 8192, 1024, 28672, 128256, 8.50, 1.28, 29.13, 134570.52, 4010.52, 8555.00, 12565.52, 140890.52, 1.0484, 29.12 },
};

static void sizes_are_the_published_ones(void **state)
{
    (void)state;
    enum { RANK = 16, LEVELS = 16 };
    const double mib = 1 << 20, half_a_digit = 0.00501;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        uint32_t d = published[i].hidden, kv = published[i].kv, f = published[i].ffn;
        const uint32_t shape[7][2] = { { d, d }, { kv, d }, { kv, d }, { d, d }, { f, d }, { f, d }, { d, f } };
        const double printed[7] = { published[i].q,    published[i].k,    published[i].k,   published[i].q,
                                    published[i].gate, published[i].gate, published[i].gate };
        double level = 0, weights = 0, largest = 0;
        for (int m = 0; m < 7; m++) {
            double block = (double)ent_bitstack_bytes(shape[m][0], shape[m][1], RANK, true);
            assert_close(block / mib, printed[m], half_a_digit);
            level += published[i].layers * block;
            weights += published[i].layers * (double)shape[m][0] * shape[m][1];
            largest = fmax(largest, block);
        }
        double fixed = 2.0 * d * (2.0 * published[i].vocab + 2.0 * published[i].layers + 1);
        assert_close((fixed + 2 * weights) / mib, published[i].model, half_a_digit);
        assert_close(fixed / mib, published[i].fixed, half_a_digit);
        assert_close(level / mib, published[i].level, half_a_digit);
        assert_close((fixed + level) / mib, published[i].least, half_a_digit);
        assert_close((fixed + LEVELS * level) / mib, published[i].all, half_a_digit);
        assert_close(8 * level / weights, published[i].bits, 0.0000501);
        assert_close(largest / mib, published[i].block, half_a_digit);
    }
    /* equal bytes without signs, but for less than a column of factors */
    assert_int_equal(ent_bitstack_rank(4096, 4096, RANK, false), 16 + 128);
    assert_int_equal(ent_bitstack_bytes(4096, 4096, RANK, false), ent_bitstack_bytes(4096, 4096, RANK, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_are_packed_first_bit_highest),
        cmocka_unit_test(rank_one_is_exact_at_once),
        cmocka_unit_test(blocks_of_every_shape_add_the_same_bits),
        cmocka_unit_test(half_normal_magnitudes_leave_what_theory_says),
        cmocka_unit_test(randomized_factors_are_near_the_best),
        cmocka_unit_test(every_level_leaves_less),
        cmocka_unit_test(a_scale_moves_error_to_quiet_columns),
        cmocka_unit_test(odd_blocks),
        cmocka_unit_test(parts_say_what_the_description_says),
        cmocka_unit_test(first_levels_stand_alone),
        cmocka_unit_test(parts_that_lie_are_refused),
        cmocka_unit_test(sizes_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
