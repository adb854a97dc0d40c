/* test_published.c - quantizers of published systems: their storage counted by the formulas of the papers, and what makes each of
 * them what it is against closed forms and plain searches that are written here. */
#include <math.h>

#include "matrices.h"

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

/* The list has the most important weights, as F16, and the rest is as if they were zero. */
static void outliers_are_the_most_important(void **state)
{
    (void)state;
    enum { ROWS = 20, COLS = 50, N = ROWS * COLS, TAKEN = 37 };
    ent_input_stats input = loud(COLS);
    for (int by = 0; by < 3; by++) {
        float *values = normals(N, 1, 61), said[N], dense[N];
        double importance[N], sorted[N];
        char text[64];
        ent_packed packed, rest;
        for (size_t i = 0; i < N; i++) /* the norm is half of the largest here: the same order */
            sorted[i] = importance[i] = fabs(values[i]) * (by ? input.largest[i % COLS] : 1);
        qsort(sorted, N, sizeof *sorted, descending);
        memcpy(said, values, sizeof said);
        memcpy(dense, values, sizeof dense);
        snprintf(text, sizeof text, "outliers(share=%g,by=%d) rtn(group=-1)", (TAKEN + 0.5) / N, by);
        apply(text, ROWS, COLS, said, &input, &packed);
        assert_int_equal(ent_packed_find(&packed, "outlier.values")->rows, TAKEN);
        uint32_t at = 0;
        const uint16_t *column = ent_packed_find(&packed, "outlier.columns")->words, *word = ent_packed_find(&packed, "outlier.values")->words;
        for (uint32_t i = 0; i < N; i++) {
            if (i % COLS == 0) assert_int_equal(pointer(&packed, "outlier.rows", i / COLS), at);
            if (importance[i] < sorted[TAKEN - 1]) continue;
            assert_int_equal(column[at], i % COLS);
            assert_int_equal(word[at], ent_format_nearest(ent_format_find("F16"), values[i]));
            dense[i] -= (float)ent_format_value(ent_format_find("F16"), word[at++]);
        }
        assert_int_equal(at, TAKEN);
        assert_int_equal(pointer(&packed, "outlier.rows", ROWS), TAKEN);
        apply("rtn(group=-1)", ROWS, COLS, dense, NULL, &rest);
        assert_memory_equal(rest.part[0].words, ent_packed_find(&packed, "codes")->words, N);
        for (uint32_t i = 0; i < N; i++)
            if (importance[i] >= sorted[TAKEN - 1]) assert_close(said[i], values[i], 0x1p-11 * fabs(values[i]));
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
        cmocka_unit_test(gqsa_keeps_the_largest_groups),
        cmocka_unit_test(gqsa_stores_what_it_keeps),
        cmocka_unit_test(damaged_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
