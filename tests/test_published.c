/* test_published.c - quantizers of published systems: their storage counted by the formulas of the papers, and what makes each of
 * them what it is against closed forms and plain searches that are written here.
 *
 * Over 500 lines because each system has a search of its own, which no other test uses. */
#include <math.h>

#include "matrices.h"
#include "transform/normal_grid.h"

static void apply(const char *text, uint32_t rows, uint32_t cols, float *values, const ent_input_stats *input, ent_packed *packed)
{
    ent_pipeline pipeline;
    ent_error error = { 0 };
    assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
    if (ent_pipeline_apply(&pipeline, rows, cols, values, input, packed, &error)) fail_msg("%s: %s", text, error.text);
}

/* Word i of a sparse list's row pointers, and of its columns where a row has at most 65536. */
static uint32_t pointer(const ent_packed *packed, const char *name, uint32_t r)
{
    const uint16_t *half = ent_packed_find(packed, name)->words;
    return half[2 * r] | (uint32_t)half[2 * r + 1] << 16;
}

/* ---- outliers, SqueezeLLM ------------------------------------------------------------------------------------- */

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The list has the most important weights, as F16; the rest is as if they were zero, and the list is added to that. */
static void outliers_are_the_most_important(void **state)
{
    (void)state;
    enum { ROWS = 20, COLS = 50, N = ROWS * COLS, TAKEN = 37 };
    ent_input_stats input = loud(COLS);
    for (int by = 0; by < 3; by++) {
        float *values = normals(N, 1, 61), said[N], dense[N], added[N] = { 0 };
        double importance[N], sorted[N];
        char text[64];
        ent_packed packed, rest;
        for (size_t i = 0; i < N; i++) /* the norm is half of the largest here: the same order */
            sorted[i] = importance[i] = fabs(values[i]) * (by ? input.largest[i % COLS] : 1);
        qsort(sorted, N, sizeof *sorted, descending);
        memcpy(said, values, sizeof said);
        memcpy(dense, values, sizeof dense);
        snprintf(text, sizeof text, "outliers(share=%g,by=%d) palette(bits=2)", (TAKEN + 0.5) / N, by);
        apply(text, ROWS, COLS, said, &input, &packed);
        assert_int_equal(ent_packed_find(&packed, "outlier.values")->rows, TAKEN);
        uint32_t at = 0;
        const uint16_t *column = ent_packed_find(&packed, "outlier.columns")->words, *word = ent_packed_find(&packed, "outlier.values")->words;
        for (uint32_t i = 0; i < N; i++) {
            if (i % COLS == 0) assert_int_equal(pointer(&packed, "outlier.rows", i / COLS), at);
            if (importance[i] < sorted[TAKEN - 1]) continue;
            assert_int_equal(column[at], i % COLS);
            assert_int_equal(word[at], ent_format_nearest(ent_format_find("F16"), values[i]));
            added[i] = (float)ent_format_value(ent_format_find("F16"), word[at++]);
            dense[i] -= added[i];
        }
        assert_int_equal(at, TAKEN);
        assert_int_equal(pointer(&packed, "outlier.rows", ROWS), TAKEN);
        apply("palette(bits=2)", ROWS, COLS, dense, NULL, &rest);
        assert_memory_equal(rest.part[0].words, ent_packed_find(&packed, "codes")->words, N);
        for (uint32_t i = 0; i < N; i++) assert_true(said[i] == dense[i] + added[i] && dense[i] != 0);
        ent_packed_free(&rest);
        free_job(&packed, values, NULL);
    }
    ent_input_stats_free(&input);
}

/* SqueezeLLM's LLaMA-7B (arXiv 2306.07629, table 1): 3.02 and 4.05 bits a weight dense, 3.24 and 4.27 with 0.45 % in the list.
 * A layer has four matrices of 4096 x 4096, two of 11008 x 4096 and one of 4096 x 11008; the decimals are cut off, and
 * columns in the list have 32 bits there, 16 here. */
static void squeezellm_has_the_published_size(void **state)
{
    (void)state;
    enum { SOME = 64 }; /* rows, one like the other */
    static const double published[2][2] = { { 3.02, 3.24 }, { 4.05, 4.27 } };
    static const double layer[2][2] = { { 4096, 4 * 4096 + 2 * 11008 }, { 11008, 4096 } }; /* columns, rows */
    for (int bits = 3; bits <= 4; bits++)
        for (int sparse = 0; sparse < 2; sparse++) {
            double total = 0, weights = 0;
            for (int i = 0; i < 2; i++) {
                uint32_t cols = (uint32_t)layer[i][0];
                float *values = normals(SOME * cols, 0.02, 62);
                ent_input_stats input = { .cols = cols, .rows = 1, .squares = ent_calloc(cols, sizeof *input.squares) };
                char text[100];
                ent_packed packed;
                for (uint32_t c = 0; c < cols; c++) input.squares[c] = 1 + c % 3;
                snprintf(text, sizeof text, "%spalette(bits=%d,rows=1,by=1)", sparse ? "outliers(share=0.0045) " : "", bits);
                apply(text, SOME, cols, values, &input, &packed);
                double size = ent_packed_plain_bits(&packed) - (sparse ? 32 : 0); /* one pointer more than rows */
                if (sparse) size += 16.0 * ent_packed_find(&packed, "outlier.columns")->rows;
                total += size / SOME * layer[i][1];
                weights += layer[i][0] * layer[i][1];
                ent_input_stats_free(&input);
                free_job(&packed, values, NULL);
            }
            assert_true(floor(100 * total / weights) == nearbyint(100 * published[bits - 3][sparse]));
        }
}

/* ---- SpQR -------------------------------------------------------------------------------------------------------- */

static double half(const ent_packed *packed, size_t at)
{
    return ent_format_value(ent_format_find("F16"), ((const uint16_t *)ent_packed_find(packed, "ranges")->words)[at]);
}

/* What the parts say, the plain way, as the head of spqr.c has it. */
static void spqr_decodes_as_described(void **state)
{
    (void)state;
    enum { ROWS = 21, COLS = 50, GROUP = 16, GROUPS = 4, SECOND = 8, N = ROWS * COLS };
    float *values = normals(N, 0.02, 81);
    ent_input_stats input = loud(COLS);
    ent_packed packed;
    values[3 * COLS + 17] = 0.5f;
    values[20 * COLS + 49] = -0.3f;
    const float far = values[3 * COLS + 17], end = values[20 * COLS + 49];
    apply("spqr(rows=8)", ROWS, COLS, values, &input, &packed);
    const uint8_t *codes = ent_packed_find(&packed, "codes")->words, *scales = ent_packed_find(&packed, "scales")->words;
    const uint8_t *zeros = ent_packed_find(&packed, "zeros")->words;
    const uint16_t *column = ent_packed_find(&packed, "sparse.columns")->words, *word = ent_packed_find(&packed, "sparse.values")->words;
    for (uint32_t r = 0; r < ROWS; r++) {
        uint32_t i = pointer(&packed, "sparse.rows", r);
        for (uint32_t c = 0; c < COLS; c++) {
            size_t range = 4 * (r / SECOND * GROUPS + c / GROUP), group = r * GROUPS + c / GROUP;
            double scale = half(&packed, range) + scales[group] * half(&packed, range + 1);
            double zero = half(&packed, range + 2) + zeros[group] * half(&packed, range + 3);
            double value = (codes[r * COLS + c] - zero) * scale;
            if (i < pointer(&packed, "sparse.rows", r + 1) && column[i] == c) value += ent_format_value(ent_format_find("F16"), word[i++]);
            assert_close(values[r * COLS + c], value, 1e-6);
        }
        assert_int_equal(i, pointer(&packed, "sparse.rows", r + 1));
    }
    assert_close(values[3 * COLS + 17], far, 1e-3); /* in the list */
    assert_close(values[20 * COLS + 49], end, 1e-3);
    ent_input_stats_free(&input);
    free_job(&packed, values, NULL);
}

/* Average bits as published (arXiv 2306.03078, section 4): b + (b_s + b_z) / beta_1 + 64 / (beta_1 beta_2) + 32 r_o, 3.625 before
 * outliers with 3, 3, 3, 16 and 16; pointers of rows come on top. */
static void spqr_has_the_published_size(void **state)
{
    (void)state;
    enum { ROWS = 64, COLS = 256, N = ROWS * COLS };
    static const int known[][4] = { { 3, 3, 16, 16 }, { 4, 3, 16, 16 }, { 2, 2, 32, 8 }, { 3, 4, 64, 64 } };
    float *values = normals(N, 0.02, 82);
    ent_input_stats input = loud(COLS);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int with = 0; with < 2; with++) {
            const int *k = known[i];
            float *said = normals(N, 0.02, 82);
            char text[100];
            ent_packed packed;
            snprintf(text, sizeof text, "spqr(bits=%d,stats=%d,group=%d,rows=%d,threshold=%g)", k[0], k[1], k[2], k[3], with ? 0.1 : 0);
            apply(text, ROWS, COLS, said, &input, &packed);
            uint32_t out = ent_packed_find(&packed, "sparse.values")->rows;
            double bits = k[0] + 2.0 * k[1] / k[2] + 64.0 / (k[2] * k[3]) + 32.0 * out / N;
            if (i == 0 && !with) assert_close(bits, 3.625 + 32.0 / N, 1e-12); /* an empty list has one place */
            assert_close(ent_packed_plain_bits(&packed) / N, bits + 32.0 * (ROWS + 1) / N, 1e-12);
            assert_true(with ? out > 10 : out == 1);
            free_job(&packed, said, NULL);
        }
    ent_input_stats_free(&input);
    ent_free(values);
}

/* A few far weights spoil the range of their groups: in the list they cost 32 bits each, and the rest errs as if they were
 * not there.  With more bits gptq errs more, and so does spqr without a list. */
static void spqr_takes_out_what_spoils_its_groups(void **state)
{
    (void)state;
    enum { ROWS = 128, COLS = 256, N = ROWS * COLS };
    float *values = normals(N, 0.02, 83);
    ent_input_stats input = loud(COLS);
    static const char *const text[] = { "spqr(threshold=0.3)", "spqr(threshold=0)", "gptq(bits=4,group=256,symmetric=0)" };
    double error[3], bits[3];
    for (size_t i = 0; i < N; i += 331) values[i] *= 20;
    for (int k = 0; k < 3; k++) {
        float said[N];
        ent_packed packed;
        memcpy(said, values, sizeof said);
        apply(text[k], ROWS, COLS, said, &input, &packed);
        error[k] = ent_output_error(&input, values, said, ROWS);
        bits[k] = ent_packed_plain_bits(&packed) / N;
        if (k == 0)
            for (size_t i = 0; i < N; i += 331)
                if (fabs(values[i]) > 0.3) assert_close(said[i], values[i], 0.01 * fabs(values[i]));
        ent_packed_free(&packed);
    }
    assert_true(bits[0] < bits[2] && error[0] < 0.6 * error[1] && error[0] < 0.5 * error[2]);
    ent_input_stats_free(&input);
    ent_free(values);
}

/* ---- groups that are not stored, GQSA ------------------------------------------------------------------------ */

/* As rtn where groups are kept, zero elsewhere; the groups kept have the largest sums of squares. */
static void gqsa_keeps_the_largest_groups(void **state)
{
    (void)state;
    enum { ROWS = 12, COLS = 70, N = ROWS * COLS, GROUPS = 5 * ROWS, KEPT = 21 };
    float *values = normals(N, 1, 63), said[N], plain[N];
    double sum[GROUPS] = { 0 }, sorted[GROUPS];
    ent_packed packed, rtn;
    uint32_t kept = 0;
    memcpy(said, values, sizeof said);
    memcpy(plain, values, sizeof plain);
    for (uint32_t i = 0; i < N; i++) sum[i / COLS * 5 + i % COLS / 16] += (double)values[i] * values[i];
    memcpy(sorted, sum, sizeof sorted);
    qsort(sorted, GROUPS, sizeof *sorted, descending);
    char text[100];
    snprintf(text, sizeof text, "prune(share=%.17g,group=-1,whole=16) gqsa(bits=4,group=16)", (GROUPS - KEPT + 0.5) / GROUPS);
    apply(text, ROWS, COLS, said, NULL, &packed);
    apply("rtn(bits=4,group=16,symmetric=0)", ROWS, COLS, plain, NULL, &rtn);
    for (uint32_t i = 0; i < N; i++) {
        bool stays = sum[i / COLS * 5 + i % COLS / 16] >= sorted[KEPT - 1];
        if (i % COLS == 0) assert_int_equal(pointer(&packed, "group.rows", i / COLS), kept);
        if (i % COLS % 16 == 0) kept += stays;
        assert_true(said[i] == (stays ? plain[i] : 0));
    }
    assert_int_equal(kept, KEPT);
    assert_int_equal(ent_packed_find(&packed, "codes")->rows, KEPT);
    ent_packed_free(&rtn);
    free_job(&packed, values, NULL);
}

/* W4 S50 G16 (arXiv 2412.17560): half of the groups, each 16 codes of 4 bits, a scale, a zero and an index; a pointer a row. */
static void gqsa_stores_what_it_keeps(void **state)
{
    (void)state;
    enum { ROWS = 64, COLS = 4096 };
    static const double share[] = { 0.2, 0.3, 0.4, 0.5 };
    float *values = normals(ROWS * COLS, 1, 64);
    for (size_t i = 0; i < 4; i++) {
        char text[100];
        double plain;
        snprintf(text, sizeof text, "prune(share=%g,group=-1,whole=16) gqsa(bits=4,group=16)", share[i]);
        squared_error(text, ROWS, COLS, values, NULL, NULL, &plain);
        double kept = 1 - floor(share[i] * ROWS * COLS / 16) / (ROWS * COLS / 16);
        assert_close(plain, kept * (4 + (16 + 4 + 16) / 16.0) + 32.0 * (ROWS + 1) / (ROWS * COLS), 1e-9);
    }
    ent_free(values);
}

/* ---- rotations ------------------------------------------------------------------------------------------------- */

/* Rows of the unit matrix, rotated: columns of signs and of Sylvester's matrix, (-1)^(bits that i and j share). */
static void hadamard_is_sylvesters(void **state)
{
    (void)state;
    enum { COLS = 96 };
    static const double given[] = { 32, 0, 1 };
    for (size_t t = 0; t < 3; t++) {
        const uint32_t group = given[t] > 0 ? (uint32_t)given[t] : 32; /* the most that divides 96 */
        const double setting[ENT_SETTINGS] = { 7, given[t] }, other[ENT_SETTINGS] = { 8, given[t] };
        const ent_transform *h = ent_transform_find("hadamard");
        float *unit = ent_calloc(COLS * COLS, sizeof *unit), *again = ent_calloc(COLS * COLS, sizeof *again);
        ent_input_stats input = loud(COLS);
        ent_packed packed = { .rows = COLS, .cols = COLS };
        ent_matrix_job job = { .rows = COLS, .cols = COLS, .values = unit, .input = &input, .packed = &packed };
        ent_matrix_job second = { .rows = COLS, .cols = COLS, .values = again, .packed = &packed };
        int minus = 0, differ = 0;
        for (uint32_t i = 0; i < COLS; i++) unit[i * COLS + i] = again[i * COLS + i] = 1;
        assert_ok(h->forward(setting, &job, NULL));
        assert_ok(h->forward(other, &second, NULL));
        for (uint32_t i = 0; i < COLS; i++) {
            const float *row = unit + i * COLS;
            float sign = row[i / group * group] > 0 ? 1 : -1;
            minus += sign < 0;
            differ += row[i / group * group] != again[i * COLS + i / group * group];
            for (uint32_t j = 0; j < COLS; j++) {
                double entry = i / group == j / group ? sign * (__builtin_parity(i % group & j % group) ? -1 : 1) / sqrt(group) : 0;
                assert_close(row[j], entry, 1e-7);
            }
        }
        assert_true(minus > 30 && minus < 66 && differ > 30); /* of 96 */
        for (uint32_t a = 0; a < COLS; a++) /* moments of R x are R H R^T */
            for (uint32_t b = 0; b <= a; b++) {
                double sum = 0;
                for (uint32_t i = 0; i < COLS; i++)
                    for (uint32_t j = 0; j < COLS; j++)
                        sum += unit[i * COLS + a] * unit[j * COLS + b] * input.second[i > j ? i * COLS + j : j * COLS + i];
                assert_close(job.input->second[a * COLS + b], sum, 1e-4);
                if (a == b) assert_close(job.input->squares[a], sum, 1e-4);
            }
        assert_ok(h->inverse(setting, &packed, unit, NULL));
        for (uint32_t i = 0; i < COLS * COLS; i++) assert_close(unit[i], i % (COLS + 1) == 0, 1e-6);
        ent_input_stats_free(&job.own);
        ent_input_stats_free(&input);
        free_job(&packed, unit, again);
    }
}

static void rotations_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } wrong[] = { { "hadamard(group=96) rtn", "power of two" }, { "hadamard(group=64) rtn", "group=0" }, { "higgs(group=3)", "2 at a time" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        float *values = normals(96, 1, 71);
        ent_pipeline pipeline;
        ent_packed packed;
        ent_error error;
        assert_ok(ent_pipeline_parse(&pipeline, wrong[i].text, NULL));
        assert_status(ent_pipeline_apply(&pipeline, 1, 96, values, NULL, &packed, &error), ENT_EINVAL);
        assert_non_null(strstr(error.text, wrong[i].named));
        ent_free(values);
    }
}

/* ---- grids for a normal, HIGGS ---------------------------------------------------------------------------------- */

/* Max 1960, table I: levels above zero, mean squared error. */
static void grids_of_one_dimension_are_maxs(void **state)
{
    (void)state;
    static const struct {
        uint32_t n;
        double error, level[9]; /* ends with a 0 */
    } known[] = {
        { 2, 0.3634, { 0.7980 } },
        { 3, 0.1902, { 1.224 } },
        { 4, 0.1175, { 0.4528, 1.510 } },
        { 5, 0.07994, { 0.7646, 1.724 } },
        { 8, 0.03454, { 0.2451, 0.7560, 1.344, 2.152 } },
        { 16, 0.009497, { 0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733 } },
        { 32, 0.002499, { 0 } },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint32_t n = known[i].n;
        const grid_point *grid = ent_normal_grid(1, n);
        double error = 0;
        for (int k = -8000; k < 8000; k++) { /* to 8, in steps of 1/1000 */
            double x = (k + 0.5) / 1000, level = grid[ent_normal_nearest(grid, n, (float)x, 0)].x;
            error += exp(-x * x / 2) / sqrt(2 * M_PI) * (x - level) * (x - level) / 1000;
        }
        assert_close(error, known[i].error, 3e-3 * known[i].error);
        for (uint32_t k = 0; known[i].level[k] > 0; k++) {
            assert_close(grid[n - n / 2 + k].x, known[i].level[k], 2e-3);
            assert_true(grid[n - n / 2 + k].x == -grid[n / 2 - 1 - k].x && grid[k].y == 0);
        }
    }
}

static uint32_t nearest_of_all(const grid_point *grid, uint32_t n, double x, double y)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (hypot(grid[i].x - x, grid[i].y - y) < hypot(grid[best].x - x, grid[best].y - y)) best = i;
    return best;
}

/* Two points are a mean of half of a normal from the middle, three that of a third of the plane; 4 do as well as 2 x 2.  Many
 * are near Zador's limit, 8 pi times the second moment of a hexagon, 5 / (36 sqrt(3)), over n; all are the means of their cells. */
static void grids_of_two_dimensions_are_near_the_limit(void **state)
{
    (void)state;
    enum { N = 1 << 19 };
    static const struct {
        uint32_t n;
        double least, most; /* error */
    } known[] = { { 2, 0.6817, 0.6817 }, { 3, 0.46286, 0.46286 }, { 4, 0.3634, 0.3634 }, { 16, 0.1066, 0.1085 }, { 64, 0.0293, 0.0304 },
                  { 256, 0.00765, 0.00791 } };
    const double zador = 8 * M_PI * 5 / (36 * sqrt(3));
    float *sample = normals(2 * N, 1, 72);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint32_t n = known[i].n;
        const grid_point *grid = ent_normal_grid(2, n);
        double error = 0, count[256] = { 0 }, x[256] = { 0 }, y[256] = { 0 };
        for (size_t k = 0; k < N; k++) {
            uint32_t cell = ent_normal_nearest(grid, n, sample[2 * k], sample[2 * k + 1]);
            double dx = sample[2 * k] - (double)grid[cell].x, dy = sample[2 * k + 1] - (double)grid[cell].y;
            if (k < 2000) assert_int_equal(cell, nearest_of_all(grid, n, sample[2 * k], sample[2 * k + 1]));
            error += (dx * dx + dy * dy) / 2 / N;
            count[cell]++;
            x[cell] += dx;
            y[cell] += dy;
        }
        assert_true(error > known[i].least * 0.995 && error < known[i].most * 1.005);
        if (n == 256) assert_close(error * n / zador, 1, 0.02);
        for (uint32_t c = 0; c < n; c++) {
            double allowed = 0.02 + 5 * sqrt(2 * error / count[c]);
            assert_true(fabs(x[c] / count[c]) < allowed && fabs(y[c] / count[c]) < allowed);
        }
    }
    double radius = hypot(ent_normal_grid(2, 3)[0].x, ent_normal_grid(2, 3)[0].y);
    assert_close(radius, 3 * sqrt(3) / (2 * M_PI) * sqrt(M_PI / 2), 5e-3);
    ent_free(sample);
}

/* Of p + 1 points the best are a simplex (for p = 2 as above), of radius E max_i <u_i, x> = sqrt((p + 1) / p) times the mean of the largest
 * of p + 1 normals, 1.02938 of 4 and 1.16296 of 5.  2^p points do better than 2 a coordinate, 4^p than 4; many are near Zador's limit
 * with the second moments of the best lattices known, bcc (0.07854) and D4 (0.07660), which is reached from below. */
static void grids_of_more_dimensions_are_near_the_limit(void **state)
{
    (void)state;
    enum { N = 1 << 17 };
    const double zador[] = { [3] = 2 * M_PI * pow(5. / 3, 2.5) * 0.07854, [4] = 2 * M_PI * pow(6. / 4, 3) * 0.07660 };
    const double three = zador[3] * pow(256, -2. / 3), four = zador[4] * pow(256, -2. / 4);
    const struct {
        unsigned p;
        uint32_t n;
        double least, most; /* error */
    } known[] = { { 3, 4, 0.5291, 0.5291 }, { 4, 5, 0.5774, 0.5774 }, { 3, 8, 0.25, 0.3634 }, { 4, 16, 0.25, 0.3634 },
                  { 3, 64, 0.0625, 0.1175 }, { 4, 256, 0.95 * four, four }, { 3, 256, 0.95 * three, three } };
    float *sample = normals(4 * N, 1, 73);
    for (size_t i = 0; i < (SANITIZED ? 4 : sizeof known / sizeof *known); i++) { /* slow ones in the plain build alone */
        const uint32_t n = known[i].n;
        const unsigned p = known[i].p;
        grid_book book;
        const grid_point *grid = ent_normal_grid(p, n);
        double error = 0;
        ent_grid_book(&book, grid, p, n);
        for (size_t k = 0; k < N; k++) {
            const float *at = sample + 4 * k;
            const uint32_t cell = ent_grid_book_nearest(&book, at);
            double least = INFINITY, found = 0;
            for (uint32_t c = 0; c < n; c++) {
                double far = 0;
                for (unsigned d = 0; d < p; d++) far += ((double)at[d] - (double)grid[c].at[d]) * ((double)at[d] - (double)grid[c].at[d]);
                least = fmin(least, far);
                if (c == cell) found = far;
            }
            assert_true(found <= least + 1e-5);
            error += found / p / N;
        }
        assert_true(error > known[i].least * 0.99 && error < known[i].most * 1.01);
    }
    ent_free(sample);
}

/* The linearity theorem needs a relative error that is the grid's whatever the weights are (arXiv 2411.17525): normal, with
 * heavy tails, or one in 16 many times larger; without the rotation it is not. */
static void higgs_has_the_error_of_its_grid(void **state)
{
    (void)state;
    enum { ROWS = 128, COLS = 2048, N = ROWS * COLS };
    static const struct {
        int n, p;
        double error, bits;
    } known[] = { { 16, 1, 0.009497, 4.016 }, { 8, 1, 0.03454, 3.016 }, { 4, 1, 0.1175, 2.016 }, { 256, 2, 0.00785, 4.016 },
                  { 64, 2, 0.0301, 3.016 }, { 16, 2, 0.1077, 2.016 } }; /* published: 4.02, 3.02, 2.02 */
    for (int weights = 0; weights < 3; weights++) {
        float *values = normals(N, 0.02, 73);
        double square = 0;
        ent_random random;
        ent_random_seed(&random, 75, 0);
        for (size_t i = 0; i < N; i++) {
            if (weights == 1) values[i] *= values[i] * values[i];
            if (weights == 2) values[i] *= ent_random_below(&random, 16) ? 1 : 30;
            square += (double)values[i] * values[i] / N;
        }
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            char text[100];
            double plain;
            snprintf(text, sizeof text, "hadamard(group=1024) higgs(n=%d,p=%d,group=1024)", known[i].n, known[i].p);
            double error = squared_error(text, ROWS, COLS, values, NULL, NULL, &plain) / square;
            assert_close(error, known[i].error, (weights ? 0.06 : 0.02) * known[i].error);
            assert_close(plain, known[i].bits, 5e-4);
        }
        double error = squared_error("higgs(n=16,p=1)", ROWS, COLS, values, NULL, NULL, NULL) / square;
        assert_true(weights ? error > 0.02 : error < 0.0097);
        ent_free(values);
    }
}

static void codes_without_points_are_refused(void **state)
{
    (void)state;
    float *values = normals(64, 1, 74);
    ent_pipeline pipeline;
    ent_packed packed;
    ent_error error;
    assert_ok(ent_pipeline_parse(&pipeline, "higgs(n=100,p=1)", NULL));
    assert_ok(ent_pipeline_apply(&pipeline, 1, 64, values, NULL, &packed, NULL));
    ((uint8_t *)packed.part[0].words)[5] = 100;
    assert_status(ent_pipeline_undo(&pipeline, &packed, values, &error), ENT_ECORRUPT);
    assert_non_null(strstr(error.text, "column 5"));
    free_job(&packed, values, NULL);
}

/* ---- damaged lists ---------------------------------------------------------------------------------------------- */

static void damaged_lists_are_refused(void **state)
{
    (void)state;
    static const char *const text[] = { "outliers(share=0.3) rtn", "prune(whole=4,group=-1) gqsa(group=4)" };
    static const char *const name[] = { "outlier", "group" };
    for (int i = 0; i < 2; i++)
        for (int damage = 0; damage < 6; damage++) {
            float *values = normals(8 * 40, 1, 65);
            char rows[16], columns[16];
            ent_pipeline pipeline;
            ent_packed packed;
            ent_error error;
            apply(text[i], 8, 40, values, NULL, &packed);
            snprintf(rows, sizeof rows, "%s.rows", name[i]);
            snprintf(columns, sizeof columns, "%s.columns", name[i]);
            uint16_t *first = ent_packed_find(&packed, rows)->words, *column = ent_packed_find(&packed, columns)->words;
            switch (damage) {
            case 0: first[0] = 1; break;                   /* does not begin at 0 */
            case 1: first[2 * 8]++; break;                 /* ends beyond the list */
            case 2: first[2 * 3 + 1] = 0xFFFF; break;      /* a row far beyond */
            case 3: first[2 * 3] = 0; break;               /* a row that ends before it begins */
            case 4: column[1] = column[0]; break;          /* a place twice */
            default: column[0] = 0xFFFF;                   /* no such column */
            }
            assert_ok(ent_pipeline_parse(&pipeline, text[i], NULL));
            assert_status(ent_pipeline_undo(&pipeline, &packed, values, &error), ENT_ECORRUPT);
            assert_non_null(strstr(error.text, name[i]));
            free_job(&packed, values, NULL);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(outliers_are_the_most_important),
        cmocka_unit_test(squeezellm_has_the_published_size),
        cmocka_unit_test(spqr_decodes_as_described),
        cmocka_unit_test(spqr_has_the_published_size),
        cmocka_unit_test(spqr_takes_out_what_spoils_its_groups),
        cmocka_unit_test(gqsa_keeps_the_largest_groups),
        cmocka_unit_test(gqsa_stores_what_it_keeps),
        cmocka_unit_test(hadamard_is_sylvesters),
        cmocka_unit_test(rotations_are_refused_by_name),
        cmocka_unit_test(grids_of_one_dimension_are_maxs),
        cmocka_unit_test(grids_of_two_dimensions_are_near_the_limit),
        cmocka_unit_test(grids_of_more_dimensions_are_near_the_limit),
        cmocka_unit_test(higgs_has_the_error_of_its_grid),
        cmocka_unit_test(codes_without_points_are_refused),
        cmocka_unit_test(damaged_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
