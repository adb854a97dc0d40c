/* matrices.c - see matrices.h. */
#include <math.h>

#include "matrices.h"

static double normal(ent_random *random)
{
    double u = 1 - ent_random_uniform(random), v = ent_random_uniform(random);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

float *normals(size_t n, double sigma, uint64_t seed)
{
    float *values = ent_calloc(n, sizeof *values);
    ent_random random;
    assert_non_null(values);
    ent_random_seed(&random, seed, 0);
    for (size_t i = 0; i < n; i++) values[i] = (float)(sigma * normal(&random));
    return values;
}

ent_input_stats loud(uint32_t cols)
{
    ent_input_stats s = { .cols = cols, .rows = 10, .largest = ent_calloc(cols, sizeof(float)),
                          .squares = ent_calloc(cols, sizeof(double)), .second = ent_calloc((size_t)cols * cols, sizeof(double)) };
    assert_true(s.largest && s.squares && s.second);
    for (uint32_t j = 0; j < cols; j++) {
        s.largest[j] = (float)(1 + j % 5);
        s.squares[j] = s.second[(size_t)j * cols + j] = 10.0 * (1 + j % 5) * (1 + j % 5) / 4;
        for (uint32_t k = 0; k < j; k++) s.second[(size_t)j * cols + k] = 0.1;
    }
    return s;
}

const char *pattern_with(const ent_transform *t)
{
    static const char *const pattern[] = { [ENT_BEFORE] = "%s rtn(bits=8,group=0)", [ENT_QUANTIZER] = "%s",
                                           [ENT_REPAIR] = "rtn(bits=4,group=0) %s" };
    return pattern[t->kind];
}

void free_job(ent_packed *packed, float *a, float *b)
{
    ent_packed_free(packed);
    ent_free(a);
    ent_free(b);
}

ent_status matrix_round_trip(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, const float *values, ent_error *error)
{
    size_t n = (size_t)rows * cols;
    float *said = ent_calloc(n, sizeof *said), *back = ent_calloc(n, sizeof *back);
    ent_input_stats input = loud(cols);
    ent_packed packed;
    assert_true(said && back);
    memcpy(said, values, n * sizeof *said);
    ent_status status = ent_pipeline_apply(pipeline, rows, cols, said, &input, &packed, error);
    if (!status) {
        assert_ok(ent_pipeline_undo(pipeline, &packed, back, NULL));
        assert_memory_equal(said, back, n * sizeof *said);
        for (size_t i = 0; i < n; i++) assert_true(isfinite(back[i]));
        assert_true(ent_packed_entropy_bits(&packed) <= ent_packed_plain_bits(&packed) + 1e-6);
    }
    ent_input_stats_free(&input);
    free_job(&packed, said, back);
    return status;
}

double squared_error(const char *text, uint32_t rows, uint32_t cols, const float *values, const ent_input_stats *input,
                            double *bits, double *plain)
{
    size_t n = (size_t)rows * cols;
    float *said = ent_calloc(n, sizeof *said);
    ent_pipeline pipeline;
    ent_packed packed;
    ent_distortion d = { 0 };
    assert_non_null(said);
    memcpy(said, values, n * sizeof *said);
    assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
    assert_ok(ent_pipeline_apply(&pipeline, rows, cols, said, input, &packed, NULL));
    ent_distortion_add(&d, values, said, n);
    if (bits) *bits = ent_packed_entropy_bits(&packed) / (double)n;
    if (plain) *plain = ent_packed_plain_bits(&packed) / (double)n;
    free_job(&packed, said, NULL);
    return d.noise / (double)n;
}
