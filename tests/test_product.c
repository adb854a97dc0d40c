/* test_product.c - products from coded weights, against sums written out here. */
#include <math.h>

#include "target/dot.h"
#include "test.h"

static float widen(uint16_t word)
{
    uint32_t bits = (uint32_t)word << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The documented order, as dot.h says it. */
static float dot_by_hand(const uint16_t *w, const float *x, size_t n)
{
    float lane[64];
    size_t groups = (n + 63) / 64;
    for (size_t l = 0; l < 64; l++) {
        lane[l] = 0;
        for (size_t g = 0; g < groups; g++) {
            size_t i = 64 * g + l;
            lane[l] = i < n ? fmaf(widen(w[i]), x[i], lane[l]) : fmaf(0, 0, lane[l]);
        }
    }
    for (size_t half = 32; half; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] = lane[l] + lane[l + half];
    return lane[0];
}

static float normal(ent_random *r)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += ent_random_uniform(r);
    return (float)sum;
}

static void fill(uint16_t *w, size_t n, float *x, size_t cols, uint64_t seed)
{
    const ent_format *bf16 = ent_format_find("BF16");
    ent_random r;
    ent_random_seed(&r, seed, 0);
    for (size_t i = 0; i < n; i++) w[i] = (uint16_t)ent_format_nearest(bf16, 0.02 * (double)normal(&r));
    for (size_t i = 0; i < cols; i++) x[i] = normal(&r);
}

/* ---- the inner loop ----------------------------------------------------------------------------- */

static void check_dot(ent_dot *dot, const char *name)
{
    enum { N = 261 };
    uint16_t w[N];
    float x[N];
    for (size_t n = 0; n <= N; n++) {
        fill(w, n, x, n, n);
        if (n % 5 == 4) { /* a product that rounds to minus zero, a subnormal one */
            w[1] = 0x8001, x[1] = 1e-30f;
            w[2] = 0x0001, x[2] = 1;
        }
        if (n % 64 == 9) w[0] = 0x7f00, x[0] = 2; /* infinite */
        guarded words = guarded_copy(w, n * sizeof *w), values = guarded_copy(x, n * sizeof *x);
        float got = dot((const void *)words.data, (const void *)values.data, n), expected = dot_by_hand(w, x, n);
        if (bits_of(got) != bits_of(expected)) fail_msg("%s of %zu: %a, expected %a", name, n, (double)got, (double)expected);
        guarded_free(&words);
        guarded_free(&values);
    }
}

static void dots_are_the_same_on_every_processor(void **state)
{
    (void)state;
    check_dot(ent_dot_plain, "plain");
    check_dot(ent_dot_best(), "best");
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX2) check_dot(ent_dot_avx2, "avx2");
    if (ent_cpu_features() & ENT_CPU_AVX512) check_dot(ent_dot_avx512, "avx512");
#endif
}

static void dots_are_sums(void **state)
{
    (void)state;
    uint16_t w[100];
    float x[100];
    for (size_t i = 0; i < 100; i++) {
        w[i] = 0x4000; /* 2 */
        x[i] = (float)i;
    }
    assert_true(ent_dot_best()(w, x, 100) == 9900); /* small integers: exact in any order */
    w[7] = 0x7f80;
    assert_true(ent_dot_best()(w, x, 100) == INFINITY);
    x[7] = 0;
    assert_true(isnan(ent_dot_best()(w, x, 100)));
}

/* ---- products ------------------------------------------------------------------------------------ */

typedef struct coded {
    ent_recipe recipe;
    ent_tables tables;
    ent_buffer buffer;
    ent_bytes *code;
    size_t blocks;
    ent_matrix matrix;
} coded;

static void code_matrix(coded *c, const char *text, const uint16_t *words, size_t rows, size_t cols)
{
    ent_codec *codec;
    ent_counts counts[ENT_MAX_FIELDS];
    size_t n = rows * cols;
    assert_ok(ent_codec_parse(&codec, text, NULL));
    assert_ok(ent_codec_bind(codec, "BF16", &c->recipe, NULL));
    ent_codec_free(codec);
    assert_ok(ent_recipe_counts_init(&c->recipe, counts));
    assert_ok(ent_recipe_count(&c->recipe, words, n, counts));
    assert_ok(ent_tables_train(&c->tables, &c->recipe, counts, ENT_ENCODE | ENT_DECODE));
    ent_recipe_counts_free(counts);
    c->blocks = (n - 1) / c->recipe.block + 1;
    c->code = calloc(c->blocks, sizeof *c->code);
    assert_non_null(c->code);
    assert_ok(ent_buffer_reserve(&c->buffer, c->blocks * ent_block_bound(&c->recipe, &c->tables, c->recipe.block)));
    for (size_t i = 0; i < c->blocks; i++) {
        size_t first = i * c->recipe.block, part = n - first < c->recipe.block ? n - first : c->recipe.block;
        size_t at = c->buffer.size;
        assert_ok(ent_block_encode(&c->recipe, &c->tables, words + first, part, &c->buffer, NULL, NULL));
        c->code[i] = (ent_bytes){ c->buffer.data + at, c->buffer.size - at };
    }
    c->matrix = (ent_matrix){ rows, cols, &c->recipe, &c->tables, c->code, NULL };
}

static void free_coded(coded *c)
{
    ent_free(c->buffer.data);
    ent_tables_free(&c->tables);
    free(c->code);
    *c = (coded){ 0 };
}

/* Row by row: the parts of a row that lie in different blocks, added in order. */
static void product_by_hand(const uint16_t *w, size_t rows, size_t cols, size_t block, const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++) {
        bool first = true;
        for (size_t c = 0; c < cols;) {
            size_t at = r * cols + c, part = block - at % block;
            if (part > cols - c) part = cols - c;
            float sum = dot_by_hand(w + at, x + c, part);
            y[r] = first ? sum : y[r] + sum;
            first = false;
            c += part;
        }
    }
}

static void compare(const float *got, const float *expected, size_t rows, const char *what)
{
    for (size_t r = 0; r < rows; r++)
        if (bits_of(got[r]) != bits_of(expected[r]))
            fail_msg("%s: row %zu is %a, expected %a", what, r, (double)got[r], (double)expected[r]);
}

static void check_product(const char *codec, size_t rows, size_t cols)
{
    size_t n = rows * cols;
    guarded words = guarded_new(2 * n), x = guarded_new(4 * cols), short_x = guarded_new(2 * cols), y = guarded_new(4 * rows);
    uint16_t *w = (void *)words.data, *sx = (void *)short_x.data;
    float *fx = (void *)x.data, *expected = calloc(rows, sizeof *expected);
    coded c = { 0 };
    char what[200];
    assert_non_null(expected);
    fill(w, n, fx, cols, n);
    code_matrix(&c, codec, w, rows, cols);
    ent_matrix plain = { rows, cols, &c.recipe, NULL, NULL, w };
    for (int narrow = 0; narrow < 2; narrow++) {
        const ent_format *format = ent_format_find(narrow ? "BF16" : "F32");
        for (size_t i = 0; narrow && i < cols; i++) {
            sx[i] = (uint16_t)ent_format_nearest(format, (double)fx[i]);
            fx[i] = widen(sx[i]);
        }
        const void *given = narrow ? (const void *)sx : fx;
        product_by_hand(w, rows, cols, c.recipe.block, fx, expected);
        for (unsigned threads = 1; threads <= 4; threads *= 2) {
            snprintf(what, sizeof what, "%s, %zu x %zu, x of %s, %u threads", codec, rows, cols, format->name, threads);
            memset(y.data, 0xff, 4 * rows);
            assert_ok(ent_product(&c.matrix, threads == 2 ? ENT_TRUSTED : 0, given, format, (void *)y.data, threads));
            compare((void *)y.data, expected, rows, what);
            memset(y.data, 0xff, 4 * rows);
            assert_ok(ent_product(&plain, 0, given, format, (void *)y.data, threads));
            compare((void *)y.data, expected, rows, what);
        }
    }
    free_coded(&c);
    free(expected);
    guarded_free(&words);
    guarded_free(&x);
    guarded_free(&short_x);
    guarded_free(&y);
}

static void products_are_the_sums_in_order(void **state)
{
    (void)state;
    static const char *const codec[] = { "planar-rans block=1k", "tiered block=1k", "planar-rans block=4k",
                                         "tiered block=4k", "huffman block=2k", "*: word=raw block=1k",
                                         "exponent=planar-rans rest=raw scope=block block=4k" };
    static const size_t shape[][2] = { { 1, 1 }, { 1, 5000 }, { 5000, 1 }, { 64, 64 }, { 37, 129 }, { 7, 2049 },
                                       { 3, 4096 }, { 5, 1023 } };
    for (size_t i = 0; i < sizeof codec / sizeof *codec; i++)
        for (size_t k = 0; k < sizeof shape / sizeof *shape; k++) check_product(codec[i], shape[k][0], shape[k][1]);
}

static void damage_is_a_status(void **state)
{
    (void)state;
    enum { ROWS = 40, COLS = 200 };
    static uint16_t w[ROWS * COLS];
    float x[COLS], y[ROWS];
    const ent_format *f32 = ent_format_find("F32");
    coded c = { 0 };
    fill(w, ROWS * COLS, x, COLS, 1);
    code_matrix(&c, "planar-rans block=1k", w, ROWS, COLS);
    for (size_t i = 0; i < c.blocks; i++) {
        uint8_t *byte = c.buffer.data + (c.code[i].data - c.buffer.data) + c.code[i].size / 2;
        *byte ^= 16;
        for (unsigned threads = 1; threads <= 2; threads++)
            assert_status(ent_product(&c.matrix, 0, x, f32, y, threads), ENT_ECORRUPT);
        (void)ent_product(&c.matrix, ENT_TRUSTED, x, f32, y, 2); /* any status, but no crash */
        *byte ^= 16;
        c.code[i].size--;
        assert_status(ent_product(&c.matrix, 0, x, f32, y, 2), ENT_ECORRUPT);
        c.code[i].size++;
    }
    assert_ok(ent_product(&c.matrix, 0, x, f32, y, 2));
    free_coded(&c);
}

static void requests_without_sense_are_refused(void **state)
{
    (void)state;
    uint16_t w[4] = { 0x3f80, 0x3f80, 0x3f80, 0x3f80 };
    float x[2] = { 1, 2 }, y[2] = { 7, 7 };
    const ent_format *f32 = ent_format_find("F32");
    ent_recipe bf16 = { .format = ent_format_find("BF16"), .word_width = 2, .block = 1024 }, other = bf16, none = bf16;
    ent_matrix m = { 2, 2, &bf16, NULL, NULL, w };
    assert_ok(ent_product(&m, 0, x, f32, y, 1));
    assert_true(y[0] == 3 && y[1] == 3);
    assert_status(ent_product(&m, 0, x, ent_format_find("F16"), y, 1), ENT_EUNSUPPORTED);
    assert_status(ent_product(&m, 0, x, NULL, y, 1), ENT_EUNSUPPORTED);
    other.format = ent_format_find("F16");
    m.recipe = &other;
    assert_status(ent_product(&m, 0, x, f32, y, 1), ENT_EUNSUPPORTED);
    other.format = NULL;
    assert_status(ent_product(&m, 0, x, f32, y, 1), ENT_EUNSUPPORTED);
    none.block = 0;
    m.recipe = &none;
    assert_status(ent_product(&m, 0, x, f32, y, 1), ENT_EINVAL);
    m = (ent_matrix){ SIZE_MAX, 2, &bf16, NULL, NULL, w };
    assert_status(ent_product(&m, 0, x, f32, y, 1), ENT_EINVAL);
    m = (ent_matrix){ 2, 0, &bf16, NULL, NULL, NULL };
    assert_ok(ent_product(&m, 0, x, f32, y, 1));
    assert_true(y[0] == 0 && y[1] == 0);
    m = (ent_matrix){ 0, 2, &bf16, NULL, NULL, NULL };
    assert_ok(ent_product(&m, 0, x, f32, y, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dots_are_the_same_on_every_processor),
        cmocka_unit_test(dots_are_sums),
        cmocka_unit_test(products_are_the_sums_in_order),
        cmocka_unit_test(damage_is_a_status),
        cmocka_unit_test(requests_without_sense_are_refused),
    };
    return cmocka_run_group_tests_name("product", tests, NULL, NULL);
}
