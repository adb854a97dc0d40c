/* test_quantizers.c - lloyd, palette, ecsq, entquant against closed forms, published tables, and plain searches that are
 * written here; and every transform at the ends of all of its settings on hostile matrices. */
#include <math.h>

#include "matrices.h"
#include "transform/kmeans.h"

enum { ROWS = 256, COLS = 4096 };

/* ---- levels ------------------------------------------------------------------------------------------------------ */

/* The optimum quantizers of a normal (Max 1960, table I): error, entropy.  1 % is some six standard errors of the sample. */
static void lloyd_reaches_max(void **state)
{
    (void)state;
    static const double known[][2] = { { 0, 0 }, { 0.3634, 1.000 }, { 0.1175, 1.911 }, { 0.03454, 2.825 }, { 0.009497, 3.765 },
                                       { 0.002499, 4.730 } };
    float *values = normals(ROWS * COLS, 1, 31);
    for (int bits = 1; bits <= 5; bits++) {
        char text[64];
        double entropy, plain;
        snprintf(text, sizeof text, "lloyd(bits=%d)", bits);
        assert_close(squared_error(text, ROWS, COLS, values, NULL, &entropy, &plain), known[bits][0], 0.01 * known[bits][0]);
        assert_close(entropy, known[bits][1], 0.01);
        assert_close(plain, bits + 16.0 * (1 + (1 << bits)) / (ROWS * COLS), 1e-9);
    }
    ent_free(values);
}

/* NF4's 16 levels are among those that lloyd chooses from, but for its scales' rounding. */
static void fitted_levels_beat_fixed_ones(void **state)
{
    (void)state;
    float *values = normals(ROWS * COLS, 1, 32);
    double fixed = squared_error("nf4", ROWS, COLS, values, NULL, NULL, NULL);
    assert_true(squared_error("lloyd(group=64)", ROWS, COLS, values, NULL, NULL, NULL) < 0.95 * fixed);
    ent_free(values);
}

/* The least error of n points in k <= n cells, every place of every edge tried. */
static double least_error(const double *value, const double *weight, uint32_t n, uint32_t k)
{
    double best[16][64]; /* of the first i in q cells */
    for (uint32_t i = 0; i <= n; i++) best[0][i] = i ? INFINITY : 0;
    for (uint32_t q = 1; q <= k; q++)
        for (uint32_t i = 0; i <= n; i++) {
            best[q][i] = INFINITY;
            for (uint32_t j = 0; j < i; j++) {
                double w = 0, mean = 0, error = 0;
                for (uint32_t p = j; p < i; p++) w += weight[p], mean += weight[p] * value[p];
                for (uint32_t p = j; p < i; p++) error += weight[p] * (value[p] - mean / w) * (value[p] - mean / w);
                best[q][i] = fmin(best[q][i], best[q - 1][j] + error);
            }
        }
    return best[k][n];
}

static void kmeans_is_the_best_of_all(void **state)
{
    (void)state;
    ent_random random;
    ent_random_seed(&random, 33, 0);
    for (int round = 0; round < 20; round++) {
        uint32_t n = 1 + (uint32_t)ent_random_below(&random, 50);
        double value[64], weight[64], level[16], edge[16];
        float stored[16];
        const points p = { .n = n, .value = value, .weight = weight };
        double at = -1;
        for (uint32_t i = 0; i < n; i++) {
            value[i] = at += pow(ent_random_uniform(&random), 4);
            weight[i] = 1e-3 + ent_random_uniform(&random);
        }
        for (uint32_t k = 1; k <= 9; k++) {
            double error = 0, least = least_error(value, weight, n, k < n ? k : n);
            assert_ok(ent_kmeans(&p, k, level, NULL));
            for (uint32_t i = 0; i < k; i++) stored[i] = (float)level[i];
            ent_middles(stored, k, edge);
            for (uint32_t i = 0; i < n; i++) {
                double off = value[i] - level[ent_cell(edge, k - 1, value[i])];
                error += weight[i] * off * off;
            }
            assert_close(error, least, 1e-6 * least + 1e-12);
        }
    }
}

/* Few values are sorted, many counted: a row, and the same row 1024 times over. */
static void few_points_are_as_many(void **state)
{
    (void)state;
    enum { N = 300, TIMES = 1024 };
    float *values = normals(N, 1, 37);
    double weight[N];
    for (size_t i = 0; i < N; i++) weight[i] = (double)(i % 7); /* sums are exact, and some are 0 */
    for (size_t i = 0; i < N; i += 10) values[i] = i % 20 ? 0.25f : -0.0f;
    for (int k = 0; k < 6; k++) {
        points few = { 0 }, many = { 0 };
        if (k == 3) /* to BF16 */
            for (size_t i = 0; i < N; i++) values[i] = (float)ent_format_value(ent_format_find("BF16"), ent_format_nearest(ent_format_find("BF16"), values[i]));
        unsigned shift = k % 3 == 2 ? POINTS_F16 : POINTS_BF16;
        const double *w = k % 3 ? weight : NULL;
        assert_ok(ent_points_collect(&few, shift, values, 1, N, N, w, NULL));
        assert_ok(ent_points_collect(&many, shift, values, TIMES, N, 0, w, NULL));
        assert_int_equal(few.n, many.n);
        assert_int_equal(few.exact, k >= 3);
        for (uint32_t i = 0; i < few.n; i++) {
            assert_true(few.weight[i] * TIMES == many.weight[i] && few.low[i] == many.low[i]);
            assert_close(few.value[i], many.value[i], 1e-12 * fabs(few.value[i]));
            assert_true(!i || few.value[i] > few.value[i - 1] || few.value[i] == 0); /* -0 is before 0 */
        }
        ent_points_free(&few);
        ent_points_free(&many);
    }
    ent_free(values);
}

/* Weights of loud inputs count more, so the error of the output falls and that of the weights grows. */
static void palettes_heed_their_inputs(void **state)
{
    (void)state;
    enum { N = 60 * 100 };
    float *values = normals(N, 0.05, 34), *said[2];
    ent_input_stats input = loud(100);
    double error[2][2] = { { 0 } };
    for (int by = 0; by < 2; by++) {
        char text[64];
        ent_pipeline pipeline;
        ent_packed packed;
        said[by] = normals(N, 0.05, 34);
        snprintf(text, sizeof text, "palette(bits=3,rows=7,by=%d)", by);
        assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
        assert_ok(ent_pipeline_apply(&pipeline, 60, 100, said[by], &input, &packed, NULL));
        assert_int_equal(ent_packed_find(&packed, "levels")->rows, 9);
        for (size_t i = 0; i < N; i++) {
            double off = (double)said[by][i] - values[i];
            error[by][0] += off * off;
            error[by][1] += off * off * input.squares[i % 100];
        }
        ent_packed_free(&packed);
        ent_free(said[by]);
    }
    assert_true(error[1][0] > 1.02 * error[0][0]);
    assert_true(error[1][1] < 0.98 * error[0][1]);
    ent_input_stats_free(&input);
    ent_free(values);
}

static void large_levels_want_room(void **state)
{
    (void)state;
    float values[] = { 1e6f, -1e6f, 1, 2 }, copy[] = { 1e6f, -1e6f, 1, 2 };
    ent_pipeline pipeline;
    ent_packed packed;
    ent_error error;
    assert_ok(ent_pipeline_parse(&pipeline, "palette", NULL));
    assert_status(ent_pipeline_apply(&pipeline, 2, 2, values, NULL, &packed, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "half=0"));
    assert_ok(ent_pipeline_parse(&pipeline, "palette(half=0)", NULL));
    assert_ok(ent_pipeline_apply(&pipeline, 2, 2, copy, NULL, &packed, NULL));
    assert_true(copy[0] == 1e6f && copy[1] == -1e6f && copy[2] == 1 && copy[3] == 2);
    ent_packed_free(&packed);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* The squared error of a standard normal rounded to -q .. q times a step: an integral over the density, as SLiM states it. */
static double uniform_error(int q, double step)
{
    double sum = 0;
    const double dx = 1e-3;
    for (double x = dx / 2; x < 8; x += dx) {
        double off = x - fmin(nearbyint(x / step), q) * step;
        sum += 2 * dx * off * off * exp(-x * x / 2) / sqrt(2 * M_PI);
    }
    return sum;
}

static void the_best_range_is_found(void **state)
{
    (void)state;
    float *values = normals(ROWS * COLS, 1, 38);
    for (int bits = 2; bits <= 6; bits++) {
        char text[64];
        double best = INFINITY;
        for (double step = 0.02; step < 2; step *= 1.003) best = fmin(best, uniform_error((1 << (bits - 1)) - 1, step));
        snprintf(text, sizeof text, "rtn(bits=%d,group=-1,search=2)", bits);
        assert_close(squared_error(text, ROWS, COLS, values, NULL, NULL, NULL), best, 0.01 * best);
    }
    ent_free(values);
}

/* ---- entropy-constrained ----------------------------------------------------------------------------------------- */

/* Errors of block formats on a normal, and bits at which entropy-coded uniform quantization reaches them, computed
 * by others from exact sums over cells: free levels do no worse, and gain little. */
static void ecsq_is_no_worse_than_uniform(void **state)
{
    (void)state;
    static const double known[][2] = { { 0.013605, 3.354 }, { 0.009384, 3.622 }, { 0.007977, 3.740 }, { 0.009948, 3.580 },
                                       { 0.007391, 3.795 }, { 0.013260, 3.373 }, { 0.009100, 3.645 }, { 0.008497, 3.694 },
                                       { 0.045857, 2.478 }, { 0.202779, 1.404 }, { 0.000075, 7.103 } };
    float *values = normals(ROWS * COLS, 1, 35);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[64];
        double bits;
        snprintf(text, sizeof text, "ecsq(bits=%.4f)", known[i][1] + 0.01);
        double error = squared_error(text, ROWS, COLS, values, NULL, &bits, NULL);
        assert_true(bits <= known[i][1] + 0.01);
        assert_close(bits + 0.5 * log2(error / known[i][0]), known[i][1], 0.02); /* at the known error: half a bit is 3 dB */
    }
    ent_free(values);
}

/* At a high rate a quarter of a bit, log2(pi e / 6) / 2, above the bound of a normal (Gish and Pierce 1968). */
static void ecsq_meets_its_asymptote(void **state)
{
    (void)state;
    float *values = normals(ROWS * COLS, 1, 36);
    double bits, error = squared_error("ecsq(bits=6)", ROWS, COLS, values, NULL, &bits, NULL);
    assert_close(bits + 0.5 * log2(error), 0.5 * log2(M_PI * M_E / 6), 0.005);
    ent_free(values);
}

/* Bits cost something by themselves, so cells are contiguous and a plain dynamic program finds the best of all. */
static double least_lagrangian(const double *value, uint32_t n, double lambda)
{
    double best[400] = { 0 };
    assert_true(n < 400);
    for (uint32_t i = 1; i <= n; i++) {
        best[i] = INFINITY;
        double sum = 0, square = 0;
        for (uint32_t j = i; j-- > 0;) {
            sum += value[j];
            square += value[j] * value[j];
            double w = i - j;
            best[i] = fmin(best[i], best[j] + square - sum * sum / w + lambda * w * log2(n / w));
        }
    }
    return best[n];
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* It ends at a local minimum: here less than 2.5 % above the best of all, which fits 300 weights too well. */
static void ecsq_is_near_the_best_of_all(void **state)
{
    (void)state;
    enum { N = 300 };
    static const double lambdas[] = { 0.003, 0.03, 0.1, 0.3, 1 };
    for (uint64_t seed = 0; seed < 4; seed++) {
        float *values = normals(N, 1, 40 + seed), said[N];
        double sorted[N], unit = 0;
        for (size_t i = 0; i < N; i++) {
            if (seed % 2) values[i] *= fabsf(values[i]); /* heavier tails */
            values[i] = (float)ent_format_value(ent_format_find("BF16"), ent_format_nearest(ent_format_find("BF16"), values[i]));
            sorted[i] = values[i];
            unit += sorted[i] * sorted[i] / N;
        }
        qsort(sorted, N, sizeof *sorted, ascending);
        for (size_t l = 0; l < sizeof lambdas / sizeof *lambdas; l++) {
            char text[64];
            ent_pipeline pipeline;
            ent_packed packed;
            ent_distortion d = { 0 };
            snprintf(text, sizeof text, "ecsq(lambda=%g,half=0)", lambdas[l]);
            memcpy(said, values, sizeof said);
            assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
            assert_ok(ent_pipeline_apply(&pipeline, 3, N / 3, said, NULL, &packed, NULL));
            ent_distortion_add(&d, values, said, N);
            const ent_packed codes = { .parts = 1, .part = { packed.part[0] } };
            double sum = d.noise + lambdas[l] * unit * ent_packed_entropy_bits(&codes), least = least_lagrangian(sorted, N, lambdas[l] * unit);
            assert_true(sum >= least * (1 - 1e-6));
            assert_true(sum <= 1.025 * least);
            ent_packed_free(&packed);
        }
        ent_free(values);
    }
}

/* ---- scales fitted for entropy ----------------------------------------------------------------------------------- */

/* As published: lambda = 3.9, 14.5 and 58 for about 4, 3 and 2 bits, with either kind of codes. */
static void entquant_has_the_published_rates(void **state)
{
    (void)state;
    static const double lambda[] = { 3.9, 14.5, 58 };
    float *values = normals(64 * 1024, 0.02, 51);
    for (int i = 0; i < 6; i++) {
        char text[64];
        double bits;
        snprintf(text, sizeof text, "entquant(lambda=%g,fp8=%d)", lambda[i / 2], i % 2);
        squared_error(text, 64, 1024, values, NULL, &bits, NULL);
        assert_close(bits, 4 - i / 2, 0.15);
    }
    ent_free(values);
}

/* What is minimised, of one row at a scale, the plain way. */
static double objective(const float *w, uint32_t n, double total, double scale, double price, const char *format)
{
    const ent_format *f = ent_format_find(format);
    double most = *format == 'I' ? 127 : 448, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double code = ent_format_value(f, ent_format_nearest(f, fmin(fmax(w[i] / scale, -most), most)));
        sum += fabs(w[i] - code * scale) / total + price * fabs(code);
    }
    return sum;
}

static void entquant_takes_the_best_scales(void **state)
{
    (void)state;
    enum { R = 6, C = 90 };
    for (int fp8 = 0; fp8 < 2; fp8++)
        for (double lambda = 0.05; lambda < 1000; lambda *= 7) {
            float *values = normals(R * C, 0.3, 52), said[R * C];
            const char *format = fp8 ? "F8_E4M3" : "I8";
            char text[64];
            ent_pipeline pipeline;
            ent_packed packed;
            double total = 0, price = lambda * (fp8 ? 4 : 1 / 128.0) / (R * C);
            for (size_t i = 0; i < R * C; i++) total += fabs(values[i] *= (float)(1 + i / C));
            memcpy(said, values, sizeof said);
            snprintf(text, sizeof text, "entquant(lambda=%g,fp8=%d)", lambda, fp8);
            assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
            assert_ok(ent_pipeline_apply(&pipeline, R, C, said, NULL, &packed, NULL));
            for (uint32_t r = 0; r < R; r++) {
                uint16_t word = ((const uint16_t *)ent_packed_find(&packed, "scales")->words)[r];
                const float *w = values + r * C;
                double most = 0, has = objective(w, C, total, ent_format_value(ent_format_find("BF16"), word), price, format);
                for (uint32_t c = 0; c < C; c++) most = fmax(most, fabs(w[c]));
                for (double s = most / (fp8 ? 448 : 127); s < 1.9 * most * (fp8 ? 512 : 1); s *= 1.02) {
                    double tried = ent_format_value(ent_format_find("BF16"), ent_format_nearest(ent_format_find("BF16"), s) / 16 * 16);
                    assert_true(has <= objective(w, C, total, tried, price, format) * (1 + 1e-5));
                }
            }
            free_job(&packed, values, NULL);
        }
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static void targets_are_met(void **state)
{
    (void)state;
    static const char *const kind[] = { "ecsq(bits=%g)", "ecsq(bits=%g,group=0,half=0)", "entquant(bits=%g)", "entquant(bits=%g,fp8=1)" };
    static const double target[] = { 0.5, 1, 2, 2.5, 3, 4, 6 };
    for (int tails = 0; tails < 2; tails++) {
        float *values = normals(64 * 1024, 0.02, 53);
        for (size_t i = 0; i < 64 * 1024 && tails; i++) values[i] *= 50 * fabsf(values[i]);
        for (size_t k = 0; k < sizeof kind / sizeof *kind; k++)
            for (size_t t = 0; t < sizeof target / sizeof *target; t++) {
                char text[64];
                double bits;
                snprintf(text, sizeof text, kind[k], target[t]);
                squared_error(text, 64, 1024, values, NULL, &bits, NULL);
                assert_true(bits <= target[t]);
                assert_true(bits > target[t] - 0.15); /* scales of one octave in 8 steps: an eighth of a bit */
            }
        ent_free(values);
    }
}

static void codes_without_levels_are_refused(void **state)
{
    (void)state;
    static const char *const text[] = { "lloyd(bits=3)", "ecsq(lambda=0.1)" };
    for (size_t i = 0; i < 2; i++) {
        float *values = normals(200, 1, 54);
        ent_pipeline pipeline;
        ent_packed packed;
        ent_error error;
        assert_ok(ent_pipeline_parse(&pipeline, text[i], NULL));
        assert_ok(ent_pipeline_apply(&pipeline, 10, 20, values, NULL, &packed, NULL));
        packed.part[2].cols--;
        assert_status(ent_pipeline_undo(&pipeline, &packed, values, &error), ENT_ECORRUPT);
        assert_non_null(strstr(error.text, "levels"));
        free_job(&packed, values, NULL);
    }
}

/* ---- hostile matrices -------------------------------------------------------------------------------------------- */

enum { HOSTILE = 13 };

/* Matrix `which`, and its shape. */
static void fill_hostile(int which, float *w, uint32_t *rows, uint32_t *cols)
{
    static const uint32_t shape[HOSTILE][2] = { { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 64 }, { 64, 1 }, { 4, 64 }, { 4, 64 },
                                                { 4, 64 }, { 4, 64 }, { 4, 64 }, { 4, 64 }, { 4, 64 }, { 4, 64 } };
    *rows = shape[which][0], *cols = shape[which][1];
    for (size_t i = 0; i < (size_t)*rows * *cols; i++) {
        int k = (int)(i * 37 % 61);
        switch (which) {
        case 0: w[i] = 0; break;
        case 1: w[i] = -3; break;
        case 2: w[i] = 0x1p-149f; break;                           /* the least float */
        case 3: case 4: case 5: w[i] = (float)(k - 30) / 7; break; /* a row, a column */
        case 6: w[i] = 0; break;
        case 7: w[i] = i % 2 ? -0.0f : 0.5f; break;
        case 8: w[i] = 0x1p-149f * (float)(k % 3); break;
        case 9: w[i] = k % 2 ? 3e38f : -3e38f; break;
        case 10: w[i] = ldexpf(k % 2 ? 1 : -1, 4 * (k - 30)); break; /* 2^-120 to 2^120 */
        case 11: w[i] = i ? 1e-30f : 3.4e38f; break;
        default: w[i] = i == 70 ? 1e4f : 1e-3f * (float)(k - 30); break; /* one weight far out */
        }
    }
}

/* Every setting at its least, preset and most, the others preset, and all at their least and most. */
static void setting_text(const ent_transform *t, size_t which, char text[600])
{
    char own[400];
    size_t settings = 0, at = (size_t)snprintf(own, sizeof own, "%s", t->name);
    while (settings < ENT_SETTINGS && t->setting[settings].name) settings++;
    for (size_t i = 0; i < settings; i++) {
        const ent_setting *s = &t->setting[i];
        bool least = which == 2 * i || which == 2 * settings, most = which == 2 * i + 1 || which == 2 * settings + 1;
        at += (size_t)snprintf(own + at, sizeof own - at, "%c%s=%.17g", i ? ',' : '(', s->name, least ? s->least : most ? s->most : s->preset);
    }
    snprintf(own + at, sizeof own - at, "%s", settings ? ")" : "");
    snprintf(text, 600, pattern_with(t), own);
}

static void hostile_matrices_are_defined_or_refused(void **state)
{
    (void)state;
    size_t defined = 0, refused = 0;
    for (size_t t = 0; ent_transforms[t]; t++) {
        size_t settings = 0;
        while (settings < ENT_SETTINGS && ent_transforms[t]->setting[settings].name) settings++;
        for (size_t which = 0; which < 2 * settings + 2; which++) {
            char text[600];
            ent_pipeline pipeline;
            setting_text(ent_transforms[t], which, text);
            assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
            for (int h = 0; h < HOSTILE; h++) {
                float w[4 * 64];
                uint32_t rows, cols;
                ent_error error = { 0 };
                fill_hostile(h, w, &rows, &cols);
                ent_status status = matrix_round_trip(&pipeline, rows, cols, w, &error);
                if (status && (status != ENT_EINVAL || !error.text[0])) fail_msg("%s, matrix %d: %s", text, h, ent_status_text(status));
                ++*(status ? &refused : &defined);
                const float bad[] = { NAN, INFINITY, -INFINITY };
                w[rows * cols - 1] = bad[h % 3];
                assert_status(matrix_round_trip(&pipeline, rows, cols, w, &error), ENT_EINVAL);
            }
        }
    }
    print_message("%zu defined, %zu refused\n", defined, refused);
    assert_true(refused < defined / 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lloyd_reaches_max),
        cmocka_unit_test(fitted_levels_beat_fixed_ones),
        cmocka_unit_test(kmeans_is_the_best_of_all),
        cmocka_unit_test(few_points_are_as_many),
        cmocka_unit_test(palettes_heed_their_inputs),
        cmocka_unit_test(large_levels_want_room),
        cmocka_unit_test(the_best_range_is_found),
        cmocka_unit_test(ecsq_is_no_worse_than_uniform),
        cmocka_unit_test(ecsq_meets_its_asymptote),
        cmocka_unit_test(ecsq_is_near_the_best_of_all),
        cmocka_unit_test(entquant_has_the_published_rates),
        cmocka_unit_test(entquant_takes_the_best_scales),
        cmocka_unit_test(targets_are_met),
        cmocka_unit_test(codes_without_levels_are_refused),
        cmocka_unit_test(hostile_matrices_are_defined_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
