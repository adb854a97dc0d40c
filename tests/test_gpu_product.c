/* test_gpu_product.c - products straight from coded weights by the emulation of a card, against sums in double precision. */
#include <math.h>

#include "gpu/gpu.h"
#include "test.h"

static float widen(uint16_t word)
{
    uint32_t bits = (uint32_t)word << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t bf16(double value) { return (uint16_t)ent_format_nearest(ent_format_find("BF16"), value); }

static double normal(ent_random *r)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += ent_random_uniform(r);
    return sum;
}

/* ---- a matrix on the emulated card ----------------------------------------------------------------------- */

typedef struct coded {
    size_t rows, cols, n;
    uint16_t *words;
    ent_recipe recipe;
    ent_tables tables;
    ent_buffer buffer;
    ent_bytes *code;
    ent_gpu_tensor *tensor;
} coded;

static ent_gpu *card;
static int number = ENT_GPU_EMULATED; /* of the card */

/* Of one addition; matrix units of cards cut off more than they round. */
static double rounding(void) { return number < 0 ? 0x1p-24 : 0x1p-22; }

static int open_card(void **state)
{
    (void)state;
    return ent_gpu_open(&card, number, NULL) != ENT_OK;
}

static int close_card(void **state)
{
    (void)state;
    ent_gpu_close(card);
    return 0;
}

static void *on_card(const void *host, size_t bytes)
{
    void *memory;
    assert_ok(ent_gpu_alloc(card, &memory, bytes, NULL));
    assert_ok(ent_gpu_write(card, memory, host, bytes, NULL));
    return memory;
}

/* Weights of a few scales, so that rare symbols are among the common ones; seed 0: small whole numbers. */
static void fill(coded *c, uint64_t seed)
{
    ent_random r;
    for (size_t i = 0; i < c->n && !seed; i++) c->words[i] = bf16((double)((i * 5 + i / c->cols) % 7) - 3);
    if (!seed) return;
    ent_random_seed(&r, seed, 0);
    for (size_t i = 0; i < c->n; i++)
        c->words[i] = bf16(normal(&r) * (i % 611 == 5 ? 1e-30 : i % 401 == 7 ? 40 : 0.02));
    for (size_t i = 0; i < c->n; i++) /* blocks that no code is shorter for: they are kept as they are */
        if (c->n > 40 * 4096 && i / 4096 % 5 == 1) c->words[i] = (uint16_t)((ent_random_bits(&r) & 0x807f) | (20 + ent_random_below(&r, 120)) << 7);
}

static void code(coded *c, const char *text, size_t rows, size_t cols, uint64_t seed)
{
    ent_codec *codec;
    ent_counts counts[ENT_MAX_FIELDS];
    ent_error error;
    *c = (coded){ .rows = rows, .cols = cols, .n = rows * cols, .words = malloc(rows * cols * sizeof *c->words) };
    assert_non_null(c->words);
    fill(c, seed);
    assert_ok(ent_codec_parse(&codec, text, NULL));
    assert_ok(ent_codec_bind(codec, "BF16", &c->recipe, NULL));
    ent_codec_free(codec);
    assert_ok(ent_recipe_counts_init(&c->recipe, counts));
    assert_ok(ent_recipe_count(&c->recipe, c->words, c->n, counts));
    assert_ok(ent_tables_train(&c->tables, &c->recipe, counts, ENT_ENCODE | ENT_DECODE));
    ent_recipe_counts_free(counts);
    const size_t block = c->recipe.block, blocks = (c->n - 1) / block + 1;
    assert_non_null(c->code = calloc(blocks, sizeof *c->code));
    assert_ok(ent_buffer_reserve(&c->buffer, blocks * ent_block_bound(&c->recipe, &c->tables, block)));
    for (size_t i = 0; i < blocks; i++) {
        size_t at = c->buffer.size;
        assert_ok(ent_block_encode(&c->recipe, &c->tables, c->words + i * block, c->n - i * block < block ? c->n - i * block : block,
                                   &c->buffer, NULL, NULL));
        c->code[i] = (ent_bytes){ c->buffer.data + at, c->buffer.size - at };
    }
    if (ent_gpu_upload(&c->tensor, card, &c->recipe, &c->tables, c->code, c->n, 1, &error)) fail_msg("%s", error.text);
}

static void free_coded(coded *c)
{
    ent_gpu_tensor_free(c->tensor);
    ent_free(c->buffer.data);
    ent_tables_free(&c->tables);
    free(c->code);
    free(c->words);
}

/* y[batch][rows], whose memory had NaN in it. */
static float *multiply(const coded *c, const uint16_t *x, unsigned batch)
{
    size_t bytes = batch * c->rows * sizeof(float), work_bytes;
    float *y = malloc(bytes);
    ent_error error;
    assert_non_null(y);
    memset(y, 0xff, bytes);
    assert_ok(ent_gpu_product_memory(c->tensor, c->rows, c->cols, batch, &work_bytes, NULL));
    void *there = on_card(x, batch * c->cols * sizeof *x), *result = on_card(y, bytes), *work = NULL;
    if (work_bytes) assert_ok(ent_gpu_alloc(card, &work, work_bytes, NULL));
    if (work_bytes) {
        void *wrong = malloc(work_bytes);
        assert_non_null(wrong);
        memset(wrong, 0xff, work_bytes);
        assert_ok(ent_gpu_write(card, work, wrong, work_bytes, NULL));
        free(wrong);
    }
    if (ent_gpu_product(c->tensor, c->rows, c->cols, there, batch, result, work, NULL, &error)) fail_msg("%s", error.text);
    assert_ok(ent_gpu_wait(card, NULL, NULL));
    assert_ok(ent_gpu_read(card, y, result, bytes, NULL));
    ent_gpu_free(card, there);
    ent_gpu_free(card, result);
    ent_gpu_free(card, work);
    return y;
}

/* The most additions that one product takes part in: a lane's or a matrix unit's chain, the lanes or warps, the units of a
 * row.  Each rounds by at most 2^-24 of a sum that no order makes larger than that of magnitudes (Higham 2002, 4.2). */
static double depth(const coded *c)
{
    const size_t unit = c->recipe.block < c->cols ? c->recipe.block : c->cols; /* of a row */
    const double chain = (double)unit / 8 + 16, units = (double)c->cols / 64 + 2;
    return chain + 8 + (units < 64 ? units : 64);
}

static void check_sums(const coded *c, const uint16_t *x, unsigned batch, const float *y)
{
    for (unsigned v = 0; v < batch; v++)
        for (size_t r = 0; r < c->rows; r++) {
            double sum = 0, magnitude = 0;
            for (size_t i = 0; i < c->cols; i++) {
                double product = (double)widen(c->words[r * c->cols + i]) * (double)widen(x[v * c->cols + i]);
                sum += product;
                magnitude += fabs(product);
            }
            double error = fabs((double)y[v * c->rows + r] - sum), most = depth(c) * rounding() * magnitude;
            if (!(error <= most)) fail_msg("%s %zu x %zu, vector %u of %u, row %zu: %g, expected %g within %g", ent_gpu_name(card),
                                           c->rows, c->cols, v, batch, r, (double)y[v * c->rows + r], sum, most);
        }
}

static void check_product(const char *text, size_t rows, size_t cols, unsigned batch, bool tiled)
{
    coded c;
    uint16_t *x = malloc(batch * cols * sizeof *x);
    ent_random r;
    assert_non_null(x);
    ent_random_seed(&r, rows + cols, batch);
    for (size_t i = 0; i < batch * cols; i++) x[i] = bf16(normal(&r));
    code(&c, text, rows, cols, rows * 31 + cols);
    if (tiled != (ent_gpu_product_tiles(c.tensor, cols) > 0)) fail_msg("%s %zu x %zu: tiles %d", text, rows, cols, !tiled);
    float *y = multiply(&c, x, batch), *again = multiply(&c, x, batch);
    check_sums(&c, x, batch, y);
    assert_memory_equal(y, again, batch * rows * sizeof *y); /* the same bits each time */
    free(y);
    free(again);
    free(x);
    free_coded(&c);
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void tiles_of_tiered(void **state)
{
    (void)state;
    check_product("tiered block=4k", 8, 4096, 1, true);    /* a row a unit */
    check_product("tiered block=8k", 17, 4096, 16, true);  /* two rows a block; a row left over */
    check_product("tiered block=8k", 64, 1024, 3, true);   /* four rows a unit */
    check_product("tiered block=4k", 60, 4096, 2, true);   /* a fifth of them in blocks that are not coded */
    check_product("tiered block=4k", 35, 1792, 5, true);   /* rows begin in the middle of quarters: 4 in the same place */
    check_product("tiered block=16k", 130, 576, 2, true);  /* 16 rows in the same place, quarters of 3 rows */
    check_product("tiered block=16k", 67, 6144, 9, true);
    check_product("tiered block=16k", 300, 64, 8, true);   /* 16 rows a quarter */
    check_product("tiered block=8k", 5, 40960, 1, true);   /* more quarters than warps */
    check_product("tiered block=8k", 3, 100, 1, false);    /* no whole groups */
}

static void tiles_of_planar_rans(void **state)
{
    (void)state;
    check_product("planar-rans block=4k", 8, 4096, 1, true);    /* one group */
    check_product("planar-rans block=8k", 17, 4096, 16, true);  /* two groups */
    check_product("planar-rans block=8k", 64, 2048, 7, true);
    check_product("planar-rans block=16k", 130, 3072, 8, true);  /* 3 blocks are 16 rows */
    check_product("planar-rans block=128k", 514, 2048, 1, true); /* four groups */
}

static void any_shape(void **state)
{
    (void)state;
    static const char *const text[] = { "tiered block=1k", "tiered block=8k", "planar-rans block=1k", "planar-rans block=16k" };
    static const struct { size_t rows, cols; unsigned batch; } shape[] = {
        { 1, 1, 1 }, { 1, 63, 2 }, { 65, 1, 1 }, { 7, 129, 3 }, { 100, 64, 16 }, { 3, 9000, 4 }, { 300, 97, 1 }, { 5, 1000, 5 }, { 2, 16385, 1 },
    };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        for (size_t k = 0; k < sizeof shape / sizeof *shape; k++)
            check_product(text[i], shape[k].rows, shape[k].cols, shape[k].batch, i == 1 && shape[k].cols == 64);
}

/* Sums of small whole numbers are exact in any order, so every product must be, each in its place. */
static void whole_numbers_are_exact(void **state)
{
    (void)state;
    enum { ROWS = 19, COLS = 4096, BATCH = 16 };
    static const char *const text[] = { "tiered block=4k", "planar-rans block=8k" };
    uint16_t *x = malloc(BATCH * COLS * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < BATCH * COLS; i++) x[i] = bf16((double)((i * 11 + i / COLS * 3) % 5) - 2);
    for (size_t t = 0; t < 2; t++) {
        coded c;
        code(&c, text[t], ROWS, COLS, 0);
        float *y = multiply(&c, x, BATCH);
        for (size_t v = 0; v < BATCH; v++)
            for (size_t r = 0; r < ROWS; r++) {
                long sum = 0;
                for (size_t i = 0; i < COLS; i++)
                    sum += ((long)(((r * COLS + i) * 5 + r) % 7) - 3) * ((long)(((v * COLS + i) * 11 + v * 3) % 5) - 2);
                if ((long)y[v * ROWS + r] != sum) fail_msg("%s: vector %zu, row %zu: %g, not %ld", text[t], v, r, (double)y[v * ROWS + r], sum);
            }
        free(y);
        free_coded(&c);
    }
    free(x);
}

/* As gpu.h says: an x of FP32 as three of BF16. */
static void fp32_in_three_parts(void **state)
{
    (void)state;
    enum { ROWS = 8, COLS = 4096 };
    float whole[COLS];
    uint16_t x[3 * COLS];
    ent_random r;
    coded c;
    ent_random_seed(&r, 5, 0);
    for (size_t i = 0; i < COLS; i++) {
        float left = whole[i] = (float)normal(&r);
        for (size_t k = 0; k < 3; k++) left -= widen(x[k * COLS + i] = bf16((double)left));
        assert_true(left == 0);
    }
    code(&c, "planar-rans block=4k", ROWS, COLS, 9);
    float *y = multiply(&c, x, 3);
    for (size_t row = 0; row < ROWS; row++) {
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < COLS; i++) {
            double product = (double)widen(c.words[row * COLS + i]) * (double)whole[i];
            sum += product;
            magnitude += fabs(product);
        }
        assert_close((double)(y[row] + y[ROWS + row] + y[2 * ROWS + row]), sum, (depth(&c) + 3) * rounding() * magnitude);
    }
    free(y);
    free_coded(&c);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    coded c;
    size_t bytes;
    ent_error error;
    code(&c, "tiered block=4k", 6, 700, 3);
    void *memory;
    assert_ok(ent_gpu_alloc(card, &memory, 1 << 20, NULL));
    assert_status(ent_gpu_product_memory(c.tensor, 7, 700, 1, &bytes, &error), ENT_EINVAL);
    assert_status(ent_gpu_product_memory(c.tensor, 700, 0, 1, &bytes, NULL), ENT_EINVAL);
    assert_status(ent_gpu_product_memory(c.tensor, 0, 700, 1, &bytes, NULL), ENT_EINVAL);
    assert_status(ent_gpu_product_memory(c.tensor, 6, 700, 0, &bytes, NULL), ENT_EINVAL);
    assert_status(ent_gpu_product_memory(c.tensor, 6, 700, 17, &bytes, NULL), ENT_EINVAL);
    assert_ok(ent_gpu_product_memory(c.tensor, 6, 700, 2, &bytes, NULL));
    assert_true(bytes > 0);
    assert_status(ent_gpu_product(c.tensor, 6, 700, memory, 2, memory, NULL, NULL, &error), ENT_EINVAL);
    assert_status(ent_gpu_product(c.tensor, 6, 700, (char *)memory + 8, 2, memory, memory, NULL, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "16 bytes"));
    ent_gpu_free(card, memory);
    free_coded(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_of_tiered),
        cmocka_unit_test(tiles_of_planar_rans),
        cmocka_unit_test(any_shape),
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(fp32_in_three_parts),
        cmocka_unit_test(wrong_requests_are_refused),
    };
    int failed = cmocka_run_group_tests_name("products, emulated", tests, open_card, close_card);
    if (!ent_gpu_count()) return failed;
    number = 0;
    return failed + cmocka_run_group_tests_name("products, on a card", tests, open_card, close_card);
}
