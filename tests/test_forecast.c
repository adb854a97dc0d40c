/* test_forecast.c - sizes foretold from samples: exact when all is coded, else an interval with the size in it. */
#include <unistd.h>

#include "containers.h"

static void forecast_of(ent_weights *weights, const char *text, uint64_t sample, uint64_t seed, unsigned threads,
                        ent_forecast *f)
{
    ent_codec *codec;
    ent_run run = { .threads = threads };
    assert_done(ent_codec_parse(&codec, text, &failure));
    assert_done(ent_container_forecast(weights, codec, sample, seed, &run, f, &failure));
    ent_codec_free(codec);
}

/* Every codec on every dtype: the bytes of blocks and tables that the writer stores. */
static void whole_models_are_foretold_exactly(void **state)
{
    (void)state;
    static const char *const scopes[] = { "", " scope=role", " scope=model", " scope=block" };
    const char *model = mixed_model(), *path = scratch_path("f.ent");
    ent_weights *weights = open_model(model);
    for (size_t i = 0; i < TEXTS; i++)
        for (size_t k = 0; k < 4; k++) {
            char text[300];
            ent_container_sizes sizes;
            ent_forecast f;
            snprintf(text, sizeof text, "%s%s", texts[i], scopes[k]);
            if (!is_built(texts[i])) continue;
            assert_done(compress_model(model, text, path, 2, &sizes));
            forecast_of(weights, text, UINT64_MAX, 1, 2, &f);
            uint64_t bits = sizes.tally.payload_bits + sizes.tally.table_bits + sizes.tally.index_bits;
            if (8 * f.bytes - (double)bits > 1e-3 || (double)bits - 8 * f.bytes > 1e-3)
                fail_msg("%s: %.3f bytes foretold, %.3f stored", text, f.bytes, (double)bits / 8);
            assert_true(f.low == f.bytes && f.high == f.bytes && f.blocks == f.in_blocks);
            assert_int_equal(f.in_bytes, f.stored_bytes);
            unlink(path);
        }
    ent_weights_close(weights);
}

/* Tensors of different scales, an eighth of them coded: 19 in 20 intervals should hold the size. */
static void intervals_hold_the_size(void **state)
{
    (void)state;
    enum { SEEDS = 40 };
    static const spec specs[] = { { "layers.0.q_proj.weight", "BF16", 96, 1024, 3 },
                                  { "layers.0.norm.weight", "BF16", 1, 1024, 1 },
                                  { "layers.1.q_proj.weight", "BF16", 96, 1024, 4 },
                                  { "layers.0.up_proj.weight", "BF16", 256, 1024, 2 } };
    static const char *const codecs[] = { "raw block=1k", "huffman block=1k", "planar-rans block=1k scope=role",
                                          "arithmetic block=1k scope=model", "huffman block=1k scope=block" };
    const char *model = scratch_path("i.safetensors");
    write_model(model, specs, 4, 5, "", "");
    ent_weights *weights = open_model(model);
    for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
        ent_forecast all, part, same;
        int inside = 0;
        forecast_of(weights, codecs[c], UINT64_MAX, 1, 1, &all);
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            forecast_of(weights, codecs[c], all.stored_bytes / 8, seed, 1, &part);
            assert_true(part.blocks < all.blocks / 7 && part.in_blocks == all.blocks);
            assert_true(part.high - part.low < 0.05 * all.bytes);
            inside += part.low <= all.bytes && all.bytes <= part.high;
        }
        if (inside < SEEDS * 17 / 20) fail_msg("%s: %d of %d intervals hold the size", codecs[c], inside, SEEDS);
        forecast_of(weights, codecs[c], all.stored_bytes / 8, SEEDS, 3, &same);
        assert_true(same.bytes == part.bytes && same.high == part.high); /* whatever the threads */
    }
    ent_weights_close(weights);
}

static void scope_corpus_is_refused(void **state)
{
    (void)state;
    ent_weights *weights = open_model(mixed_model());
    ent_forecast f;
    ent_codec *codec;
    assert_done(ent_codec_parse(&codec, "huffman scope=corpus", &failure));
    assert_status(ent_container_forecast(weights, codec, 1000, 1, NULL, &f, &failure), ENT_EINVAL);
    ent_codec_free(codec);
    ent_weights_close(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_models_are_foretold_exactly),
        cmocka_unit_test(intervals_hold_the_size),
        cmocka_unit_test(scope_corpus_is_refused),
    };
    return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
