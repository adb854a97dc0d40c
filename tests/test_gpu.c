/* test_gpu.c - kernels run by the emulation, and on the first card if there is one, against what the host decodes.
 *
 * With `--bits MODEL` it prints instead what the largest BF16 tensor of a model takes on a card, by codec and block. */
#include "base/bits.h"
#include "codec/block.h"
#include "../datasets/dataset.h"
#include "gpu/gpu.h"
#include "gpu/warp.h"
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

/* Three common exponents, three rare ones, some others: tiers of 2 and 2 bits and then bytes, or one tier more. */
static void two_tiers_of_two(void **state)
{
    (void)state;
    enum { N = 20000 };
    static uint16_t w[N];
    ent_random r;
    ent_random_seed(&r, 4, 0);
    for (size_t i = 0; i < N; i++) {
        const double u = ent_random_uniform(&r);
        const uint64_t exponent = 100 + ent_random_below(&r, u < 0.98 ? 3 : u < 0.9995 ? 6 : 90);
        w[i] = (uint16_t)((ent_random_bits(&r) & 0x807f) | exponent << 7);
    }
    for (size_t k = 0; k < CODECS; k++) check(codecs[k], w, N, N);
}

/* Exponents of 128 and more, which take the eighth bit: among the common ones, and among the rare ones alone. */
static void large_weights(void **state)
{
    (void)state;
    enum { N = 10000 };
    static uint16_t w[N];
    ent_random r;
    for (uint64_t common = 0; common < 2; common++) {
        ent_random_seed(&r, 6, common);
        for (size_t i = 0; i < N; i++) {
            const double u = ent_random_uniform(&r);
            const uint64_t exponent = u < 0.98 ? (common ? 126 : 120) + ent_random_below(&r, 6) : 110 + ent_random_below(&r, 146);
            w[i] = (uint16_t)((ent_random_bits(&r) & 0x807f) | exponent << 7);
        }
        for (size_t k = 0; k < CODECS; k++) check(codecs[k], w, N, N);
    }
}

/* Groups whose symbols nearly all reach tier 3, and beside them ones where none does. */
static void crowded_groups(void **state)
{
    (void)state;
    enum { N = 40000 };
    static uint16_t w[N];
    ent_random r;
    ent_random_seed(&r, 7, 0);
    for (size_t i = 0; i < N; i++) {
        const bool crowded = i / 64 % 7 == 3 || i / 4096 % 3 == 1;
        const double u = ent_random_uniform(&r);
        const uint64_t exponent = crowded && u < 0.9 ? 106 + ent_random_below(&r, 7) : 113 + ent_random_below(&r, u < 0.7 ? 3 : 6);
        w[i] = (uint16_t)((ent_random_bits(&r) & 0x807f) | exponent << 7);
    }
    for (size_t k = 0; k < CODECS; k++) check(codecs[k], w, N, 64 * 3); /* tables of the first groups */
    for (size_t k = 0; k < CODECS; k++) check(codecs[k], w, N, N);
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

static const ent_tensor *largest(const ent_weights *weights)
{
    const ent_tensor *best = NULL;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        if (!strcmp(t->dtype, "BF16") && (!best || t->bytes.size > best->bytes.size)) best = t;
    }
    return best;
}

static void trained_weights(void **state)
{
    (void)state;
    enum { MOST = 120000 };
    ent_weights *weights;
    assert_ok(ent_weights_open(&weights, "datasets/gutenberg-llama-4.7m/model.safetensors", NULL));
    const ent_bytes bytes = largest(weights)->bytes;
    const size_t n = bytes.size / 2 < MOST ? bytes.size / 2 : MOST;
    for (size_t k = 0; k < CODECS; k++) check(codecs[k], (const void *)bytes.data, n, n);
    ent_weights_close(weights);
}

/* ---- bits ----------------------------------------------------------------------------------------- */

static double per_weight(uint64_t bits, size_t n) { return (double)bits / (double)n; }

/* Of the steps of a warp through tiered weights: how often a lane goes round for symbols of tier 3 (32 weights are a half, both go
 * together) where a lane goes most often, on average; and the share of steps that have symbols of later tiers. */
static void print_rounds(const coded *c, const gpu_image *image)
{
    const uint8_t *ranked = (const uint8_t *)(image->table + GPU_RANKED);
    const uint32_t third = image->first[2], later = third + (1u << image->width[2]) - 1;
    const size_t halves = 2 * GPU_LANES, steps = c->n / (32 * halves);
    size_t rounds = 0, late = 0;
    for (size_t i = 0; i < steps; i++) {
        uint32_t most = 0;
        bool any = false;
        for (size_t h = 0; h < halves; h++) {
            uint32_t here = 0;
            for (size_t k = 0; k < 32; k++) {
                const uint8_t *at = memchr(ranked, c->words[(i * halves + h) * 32 + k] >> 7 & 255, later);
                here += !at || at >= ranked + third;
                any = any || !at;
            }
            most = here > most ? here : most;
        }
        rounds += most;
        late += any;
    }
    printf("\t%.2f\t%.2f", (double)rounds / (double)steps, (double)late / (double)steps);
}

/* What a tensor takes on a card, in bits a weight. */
static double bits_of(const char *codec, ent_bytes words, bool print)
{
    coded c;
    ent_gpu_tensor *tensor;
    code(&c, codec, (const void *)words.data, words.size / 2, words.size / 2);
    assert_ok(ent_gpu_upload(&tensor, opened[0], &c.recipe, &c.tables, c.code, c.n, 0, NULL));
    const ent_tally t = ent_gpu_bits(tensor);
    const uint64_t all = t.payload_bits + t.table_bits + t.index_bits;
    assert_int_equal(all, 8 * tensor->image.bytes);
    if (print) {
        printf("%s\t%zu\t%u\t%.4f\t%.4f\t%.4f\t%.4f", codec, c.n, tensor->image.units, per_weight(t.payload_bits, c.n),
               per_weight(t.table_bits, c.n), per_weight(t.index_bits, c.n), per_weight(all, c.n));
        if (tensor->image.usual && tensor->image.tiers > 2) print_rounds(&c, &tensor->image);
        putchar('\n');
    }
    ent_gpu_tensor_free(tensor);
    free_coded(&c);
    return per_weight(all, words.size / 2);
}

static int print_bits(const char *model)
{
    static const char *const row[] = { "planar-rans block=8128", "planar-rans block=16k", "planar-rans block=32k", "planar-rans block=64k",
                                       "BF16: exponent=tiered(tiers=2) rest=raw block=16k", "BF16: exponent=tiered(tiers=3) rest=raw block=16k",
                                       "tiered block=16k", "tiered block=64k" };
    ent_weights *weights;
    ent_error error;
    if (ent_weights_open(&weights, model, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 3;
    }
    printf("codec\tweights\twarps\tpayload_bits\ttable_bits\tindex_bits\tbits_per_weight\trounds\tlate\n");
    for (size_t i = 0; largest(weights) && i < sizeof row / sizeof *row; i++) bits_of(row[i], largest(weights)->bytes, true);
    ent_weights_close(weights);
    return 0;
}

static void normal_weights_are_small(void **state)
{
    (void)state;
    ent_dataset_options options;
    ent_weights *weights;
    const char *path = scratch_path("normal.safetensors");
    assert_ok(ent_dataset_options_parse(&options, "normal weights=4Mi", NULL));
    assert_ok(ent_dataset_make(path, &options, NULL, NULL));
    assert_ok(ent_weights_open(&weights, path, NULL));
    const ent_bytes words = largest(weights)->bytes;
    const double planar = bits_of("planar-rans block=16k", words, false), tiered = bits_of("tiered block=16k", words, false);
    if (planar > 10.75 || tiered > 10.85) fail_msg("planar-rans %.4f, tiered %.4f bits a weight", planar, tiered);
    ent_weights_close(weights);
}

/* ---- damage --------------------------------------------------------------------------------------- */

static ent_status upload_and_decode(const coded *c, uint16_t *words)
{
    ent_gpu_tensor *tensor;
    ent_error error = { ENT_OK, "" };
    void *memory;
    ent_status status = ent_gpu_upload(&tensor, opened[0], &c->recipe, &c->tables, c->code, c->n, 1, &error);
    if (status) {
        assert_int_equal(status, ENT_ECORRUPT);
        assert_non_null(strstr(error.text, "block 1:"));
        return status;
    }
    assert_ok(ent_gpu_alloc(opened[0], &memory, 2 * c->n, NULL));
    assert_ok(ent_gpu_decode(tensor, memory, NULL, NULL));
    assert_ok(ent_gpu_read(opened[0], words, memory, 2 * c->n, NULL));
    ent_gpu_free(opened[0], memory);
    ent_gpu_tensor_free(tensor);
    return ENT_OK;
}

/* Every byte of a block's code changed, the checksum made to hold: what the host decodes the kernels decode to the same
 * words, and what it refuses is refused. */
static void damage(const char *text, uint64_t seed)
{
    enum { N = 3000, BLOCK = 1024 };
    uint16_t w[N], got[N], expected[BLOCK];
    coded c;
    ent_random r;
    ent_random_seed(&r, seed, 0);
    fill(w, N, 0.45, seed);
    code(&c, text, w, N, N);
    const size_t size = c.code[1].size, header = ent_block_header(&c.recipe);
    uint8_t *block = (uint8_t *)(uintptr_t)c.code[1].data;
    size_t refused = 0, taken = 0;
    for (size_t at = ENT_CHECKSUM_BYTES; at < size; at++) {
        if (at >= header && at < header + BLOCK) continue; /* sign and mantissa */
        const uint8_t flip = (uint8_t)(1 << ent_random_below(&r, 8));
        block[at] ^= flip;
        assert_status(ent_block_verify(c.code[1]), ENT_ECORRUPT);
        if (at % 64 == 0) assert_status(upload_and_decode(&c, got), ENT_ECORRUPT);
        ent_store32(block, ent_block_checksum((ent_bytes){ block + 4, size - 4 }));
        if (ent_block_decode(&c.recipe, &c.tables, c.code[1], 0, expected, BLOCK, NULL)) {
            assert_status(upload_and_decode(&c, got), ENT_ECORRUPT);
            refused++;
        } else {
            assert_ok(upload_and_decode(&c, got));
            if (memcmp(got + BLOCK, expected, sizeof expected)) fail_msg("%s: byte %zu changed by %02x: other words than the host's", text, at, flip);
            taken++;
        }
        block[at] ^= flip;
    }
    ent_store32(block, ent_block_checksum((ent_bytes){ block + 4, size - 4 }));
    assert_ok(upload_and_decode(&c, got));
    assert_memory_equal(got, w, sizeof w);
    assert_true(refused && taken);
    for (size_t less = 1; less <= size; less += 7) {
        c.code[1].size = size - less;
        assert_status(upload_and_decode(&c, got), ENT_ECORRUPT);
    }
    c.code[1].size = size;
    free_coded(&c);
}

static void damage_is_refused_or_harmless(void **state)
{
    (void)state;
    damage("tiered block=1k", 1);
    damage("BF16: exponent=tiered(tiers=2) rest=raw block=1k", 2);
    damage("planar-rans block=1k", 3);
}

/* An image that no upload makes: the emulation sees the kernel leave its memory, and stops it. */
static void the_emulation_sees_what_is_outside(void **state)
{
    (void)state;
    enum { N = 20000 };
    _Alignas(16) uint16_t w[N], got[N];
    fill(w, N, 0.45, 9);
    for (int planar = 0; planar < 2; planar++) {
        coded c;
        ent_gpu_tensor *tensor;
        ent_error error;
        code(&c, planar ? "planar-rans block=8k" : "tiered block=8k", w, N, N);
        assert_ok(ent_gpu_upload(&tensor, opened[0], &c.recipe, &c.tables, c.code, c.n, 1, NULL));
        assert_ok(ent_gpu_decode(tensor, got, NULL, NULL));
        gpu_unit *unit = (gpu_unit *)(uintptr_t)&tensor->image.unit[1];
        const gpu_unit good = *unit;
        unit->anchor += 1u << 24;
        assert_status(ent_gpu_decode(tensor, got, NULL, &error), ENT_ECHECK);
        assert_non_null(strstr(error.text, "left its memory"));
        *unit = good;
        unit->back[0] += 1u << 30;
        assert_status(ent_gpu_decode(tensor, got, NULL, &error), ENT_ECHECK);
        *unit = good;
        assert_status(ent_gpu_decode(tensor, got + 1, NULL, NULL), ENT_EINVAL); /* not aligned */
        ent_gpu_tensor_free(tensor);
        free_coded(&c);
    }
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void refused(const char *codec, const char *why)
{
    uint16_t w[3000];
    coded c;
    ent_error error;
    ent_gpu_tensor *tensor;
    fill(w, 3000, 0.5, 3);
    code(&c, codec, w, 3000, 3000);
    assert_status(ent_gpu_upload(&tensor, opened[0], &c.recipe, &c.tables, c.code, c.n, 1, &error), ENT_EUNSUPPORTED);
    assert_null(tensor);
    if (!strstr(error.text, why)) fail_msg("%s: %s", codec, error.text);
    free_coded(&c);
}

static void others_are_refused(void **state)
{
    (void)state;
    ent_gpu *gpu;
    ent_error error;
    refused("huffman", "tiered or planar-rans");
    refused("exponent:top4=tiered rest=raw", "tiered or planar-rans");
    refused("word=raw", "tiered or planar-rans");
    refused("exponent=tiered rest=huffman", "tiered or planar-rans");
    refused("planar-rans scope=block", "block's own");
    refused("planar-rans block=1000", "multiple of 64");
    assert_status(ent_gpu_open(&gpu, -2, &error), ENT_EINVAL);
    assert_null(gpu);
    assert_status(ent_gpu_open(&gpu, ent_gpu_count(), &error), ENT_EUNSUPPORTED);
    assert_null(gpu);
    ent_gpu_free(opened[0], NULL);
    ent_gpu_tensor_free(NULL);
    ent_gpu_close(NULL);
}

/* ---- the language ----------------------------------------------------------------------------------- */

/* What NVIDIA's manual says of the instructions. */
static void lanes_do_what_cards_do(void **state)
{
    (void)state;
    uint32_t x[GPU_LANES], to[GPU_LANES], from[GPU_LANES];
    assert_int_equal(gpu_permute(0x33221100, 0x77665544, 0x7531), 0x77553311);
    assert_int_equal(gpu_permute(0x33221100, 0x77665544, 0x0246), 0x00224466);
    assert_int_equal(gpu_dot4(0xff010203, 0xff0a0b0c, 7), 255 * 255 + 10 + 22 + 36 + 7);
    assert_int_equal(gpu_funnel(0x12345678, 0x9abcdef0, 8), 0xf0123456);
    assert_int_equal(gpu_funnel(0x12345678, 0x9abcdef0, 32), 0x12345678);
    assert_int_equal(gpu_select(0xff00ff00, 0x12345678, 0x9abcdef0), 0x12bc56f0);
    assert_int_equal(gpu_lowest(0), 0);
    assert_int_equal(gpu_lowest(5), 31);
    assert_int_equal(gpu_lowest(32), UINT32_MAX);
    assert_int_equal(gpu_first(0x50), 4);
    assert_int_equal(gpu_first(0), UINT32_MAX);
    LANES x[ME] = 1 + lane % 3, from[ME] = lane * 7;
    assert_int_equal(gpu_from(x, 4), 2);
    gpu_shuffle(to, x, from);
    for (uint32_t l = 0; l < 32; l++) assert_int_equal(to[l], 1 + l * 7 % 32 % 3);
    gpu_sums(x, 32);
    for (uint32_t l = 0, sum = 0; l < 32; l++) assert_int_equal(x[l], sum += 1 + l % 3);
    LANES x[ME] = lane;
    gpu_sums(x, 4);
    for (uint32_t l = 0; l < 32; l++) assert_int_equal(x[l], l % 4 * (l - l % 4) + l % 4 * (l % 4 + 1) / 2 + l - l % 4);
    LANES x[ME] = lane % 5 == 0;
    assert_int_equal(gpu_ballot(x), 0x42108421);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sizes),
        cmocka_unit_test(all_models),
        cmocka_unit_test(two_tiers_of_two),
        cmocka_unit_test(large_weights),
        cmocka_unit_test(crowded_groups),
        cmocka_unit_test(groups_of_four),
        cmocka_unit_test(trained_weights),
        cmocka_unit_test(normal_weights_are_small),
        cmocka_unit_test(damage_is_refused_or_harmless),
        cmocka_unit_test(the_emulation_sees_what_is_outside),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(lanes_do_what_cards_do),
    };
    assert_ok(ent_gpu_open(&opened[0], ENT_GPU_EMULATED, NULL));
    if (argc > 2 && !strcmp(argv[1], "--bits")) return print_bits(argv[2]);
    if (ent_gpu_count()) assert_ok(ent_gpu_open(&opened[1], 0, NULL));
    printf("gpu: %s\n", opened[1] ? ent_gpu_name(opened[1]) : "no card here, the emulation alone");
    int failed = cmocka_run_group_tests_name("gpu", tests, NULL, NULL);
    ent_gpu_close(opened[1]);
    ent_gpu_close(opened[0]);
    return failed;
}
