/* test_gpu.c - kernels run by the emulation, and on the first card if there is one, against what the host decodes. */
#include "base/bits.h"
#include "gpu/gpu.h"
#include "test.h"

/* ---- weights and blocks ------------------------------------------------------------------------- */

typedef struct coded {
    ent_recipe recipe;
    ent_tables tables;
    ent_buffer buffer;
    ent_bytes *code;
    size_t n, blocks;
    uint16_t *words;
} coded;

/* Exponents that fall off by `slope` of a power of two, so that all tiers and repairs occur. */
static void fill(uint16_t *w, size_t n, double slope, uint64_t seed)
{
    ent_random r;
    ent_random_seed(&r, seed, 0);
    for (size_t i = 0; i < n; i++) {
        double u = ent_random_uniform(&r);
        uint32_t exponent = 121;
        while (exponent && u < slope) {
            u /= slope;
            exponent--;
        }
        w[i] = (uint16_t)((ent_random_bits(&r) & 0x807f) | exponent << 7);
    }
}

/* Blocks of `words`, tables trained on the first `trained` of them. */
static void code(coded *c, const char *text, const uint16_t *words, size_t n, size_t trained)
{
    ent_codec *codec;
    ent_counts counts[ENT_MAX_FIELDS];
    *c = (coded){ .n = n };
    assert_ok(ent_codec_parse(&codec, text, NULL));
    assert_ok(ent_codec_bind(codec, "BF16", &c->recipe, NULL));
    ent_codec_free(codec);
    assert_ok(ent_recipe_counts_init(&c->recipe, counts));
    assert_ok(ent_recipe_count(&c->recipe, words, trained, counts));
    assert_ok(ent_tables_train(&c->tables, &c->recipe, counts, ENT_ENCODE | ENT_DECODE));
    ent_recipe_counts_free(counts);
    c->words = malloc(2 * n + 1);
    memcpy(c->words, words, 2 * n);
    c->blocks = (n + c->recipe.block - 1) / c->recipe.block;
    c->code = calloc(c->blocks + 1, sizeof *c->code);
    for (size_t i = 0; i < c->blocks; i++) {
        size_t first = i * c->recipe.block, part = n - first < c->recipe.block ? n - first : c->recipe.block;
        ent_buffer one = { NULL, 0, 0 };
        assert_ok(ent_buffer_reserve(&one, ent_block_bound(&c->recipe, &c->tables, part)));
        assert_ok(ent_block_encode(&c->recipe, &c->tables, words + first, part, &one, NULL, NULL));
        c->code[i] = (ent_bytes){ one.data, one.size };
    }
}

static void free_coded(coded *c)
{
    for (size_t i = 0; i < c->blocks; i++) ent_free((void *)(uintptr_t)c->code[i].data);
    ent_tables_free(&c->tables);
    free(c->code);
    free(c->words);
}

/* ---- decoding ----------------------------------------------------------------------------------- */

static ent_gpu *opened[2]; /* the emulation, and a card if there is one */

static void check_on(ent_gpu *gpu, const coded *c, const char *what)
{
    ent_error error = { ENT_OK, "" };
    ent_gpu_tensor *tensor;
    void *memory;
    guarded got = guarded_new(2 * c->n);
    if (ent_gpu_upload(&tensor, gpu, &c->recipe, &c->tables, c->code, c->n, 2, &error)) fail_msg("%s: %s", what, error.text);
    assert_ok(ent_gpu_alloc(gpu, &memory, 2 * c->n + 16, NULL));
    memset(got.data, 0x5a, got.size);
    assert_ok(ent_gpu_write(gpu, memory, got.data, got.size, NULL));
    if (ent_gpu_decode(tensor, memory, NULL, &error) || ent_gpu_wait(gpu, NULL, &error)) fail_msg("%s: %s", what, error.text);
    assert_ok(ent_gpu_read(gpu, got.data, memory, got.size, NULL));
    const uint16_t *w = (const void *)got.data;
    for (size_t i = 0; i < c->n; i++)
        if (w[i] != c->words[i]) fail_msg("%s on %s: weight %zu of %zu is %04x, expected %04x", what, ent_gpu_name(gpu), i, c->n, w[i], c->words[i]);
    assert_int_equal(ent_gpu_weights(tensor), c->n);
    ent_gpu_free(gpu, memory);
    ent_gpu_tensor_free(tensor);
    guarded_free(&got);
}

static void check(const char *codec, const uint16_t *words, size_t n, size_t trained)
{
    coded c;
    code(&c, codec, words, n, trained);
    for (size_t i = 0; i < 2 && opened[i]; i++) check_on(opened[i], &c, codec);
    free_coded(&c);
}

static const char *const codecs[] = {
    "tiered block=1k", "tiered block=16k", "tiered block=1024k",
    "BF16: exponent=tiered(tiers=1) rest=raw block=8k", "BF16: exponent=tiered(tiers=2) rest=raw block=8k",
    "BF16: exponent=tiered(tiers=3) rest=raw block=8k", "BF16: sign+mantissa=raw exponent=tiered block=4160",
    "planar-rans block=1k", "planar-rans block=16k", "planar-rans block=256k", "BF16: sign+mantissa=raw exponent=planar-rans block=8128",
};
enum { CODECS = sizeof codecs / sizeof *codecs };

static void all_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1023, 1025, 4095, 4097, 4160, 8191, 8193, 16384, 20000, 34567 };
    uint16_t *w = malloc(2 * 34567);
    fill(w, 34567, 0.4, 1);
    for (size_t k = 0; k < CODECS; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check(codecs[k], w, sizes[i], sizes[i]);
    free(w);
}

/* From one exponent to all alike: every shape of tiers, tables with many repairs, blocks kept raw. */
static void all_models(void **state)
{
    (void)state;
    static const double slopes[] = { 0, 0.01, 0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98 };
    enum { N = 9000 };
    uint16_t w[N];
    for (size_t i = 0; i < sizeof slopes / sizeof *slopes; i++) {
        fill(w, N, slopes[i], i);
        for (size_t k = 0; k < CODECS; k++) check(codecs[k], w, N, N);
    }
}

static void groups_of_four(void **state)
{
    (void)state;
    const size_t n = 300000;
    uint16_t *w = malloc(2 * n);
    fill(w, n, 0.42, 5);
    check("planar-rans block=256k", w, n, n);
    check("tiered block=256k", w, n, n);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sizes),
        cmocka_unit_test(all_models),
        cmocka_unit_test(groups_of_four),
    };
    assert_ok(ent_gpu_open(&opened[0], ENT_GPU_EMULATED, NULL));
    if (ent_gpu_count() && ent_gpu_open(&opened[1], 0, NULL)) opened[1] = NULL;
    printf("gpu: %s\n", opened[1] ? ent_gpu_name(opened[1]) : "no card here, the emulation alone");
    int failed = cmocka_run_group_tests_name("gpu", tests, NULL, NULL);
    ent_gpu_close(opened[1]);
    ent_gpu_close(opened[0]);
    return failed;
}
