/* test_assigned.c - containers with a codec for each tensor: round trips, sizes told before, times. */
#include <math.h>
#include <unistd.h>

#include "containers.h"

enum { CODECS = 4 };
static const char *const text[CODECS] = { "raw", "huffman", "planar-rans", "float: exponent=rans rest=raw" };

static void parse_all(ent_codec *codec[CODECS], const char *options)
{
    for (size_t i = 0; i < CODECS; i++) {
        char line[200];
        snprintf(line, sizeof line, "%s %s", text[i], options);
        assert_done(ent_codec_parse(&codec[i], line, &failure));
    }
}

static void free_all(ent_codec *codec[CODECS])
{
    for (size_t i = 0; i < CODECS; i++) ent_codec_free(codec[i]);
}

/* Tensors of one dtype with all the codecs in turn: in the file, and back. */
static void a_codec_for_each_tensor_comes_back(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("a.ent"), *back = scratch_path("a.back");
    ent_codec *codec[CODECS];
    ent_container_sizes sizes;
    uint32_t of[MIXED];
    parse_all(codec, "block=1k");
    ent_assignment assignment = { .codecs = CODECS, .codec = (const ent_codec *const *)codec, .of = of };
    ent_weights *weights = open_model(model);
    size_t n = ent_weights_tensors(weights);
    for (uint32_t shift = 0; shift < CODECS; shift++) {
        for (size_t i = 0; i < n; i++) of[i] = ((uint32_t)i + shift) % CODECS;
        assert_done(ent_container_write_assigned(path, weights, &assignment, NULL, &sizes, &failure));
        ent_container *container = open_container(path);
        assert_string_equal(ent_container_codec_name(container), "chosen");
        for (size_t i = 0; i < n; i++) {
            ent_container_tensor t = ent_container_tensor_at(container, i);
            ent_buffer recipe = { NULL, 0, 0 };
            if (ent_format_find(t.dtype) && t.elements) {
                assert_ok(ent_codec_recipe_text(codec[of[i]], t.dtype, &recipe));
                assert_string_equal(t.recipe, (char *)recipe.data);
                ent_free(recipe.data);
            }
        }
        assert_done(ent_container_extract(container, back, NULL, &failure));
        ent_container_close(container);
        assert_same_file(model, back);
        unlink(back);
        findings f;
        assert_done(verify(path, model, &f));
        unlink(path);
    }
    ent_weights_close(weights);
    free_all(codec);
}

/* What the estimate says is what the container has, tensor by tensor. */
static void sizes_are_known_before(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("s.ent");
    ent_codec *codec[CODECS];
    ent_tensor_size size[MIXED];
    parse_all(codec, "block=1k");
    ent_weights *weights = open_model(model);
    size_t n = ent_weights_tensors(weights);
    for (size_t k = 0; k < CODECS; k++) {
        const ent_run run = { .threads = 1 + (unsigned)k % 2 };
        ent_container_sizes sizes;
        double table_bytes = 0;
        assert_done(ent_container_estimate(weights, codec[k], UINT64_MAX, &run, size, &failure));
        assert_done(ent_container_write(path, weights, codec[k], NULL, NULL, &sizes, &failure));
        ent_container *container = open_container(path);
        for (size_t i = 0; i < n; i++) {
            double tables = size[i].bytes - (double)ent_container_tensor_at(container, i).coded_bytes;
            assert_true(tables >= 0 && size[i].error == 0);
            table_bytes += tables;
        }
        assert_close(8 * table_bytes, (double)sizes.tally.table_bits, 0);
        ent_container_close(container);
        unlink(path);
    }
    ent_weights_close(weights);
    free_all(codec);
}

/* One tensor of 512 blocks, of which an eighth is coded. */
static void a_sample_tells_the_size_and_its_error(void **state)
{
    (void)state;
    static const spec one[] = { { "w", "BF16", 512, 1024, 3 } };
    const char *model = scratch_path("one.safetensors");
    ent_tensor_size whole, part;
    ent_codec *codec;
    write_model(model, one, 1, 5, "", "");
    assert_done(ent_codec_parse(&codec, "huffman block=1k", &failure));
    ent_weights *weights = open_model(model);
    assert_done(ent_container_estimate(weights, codec, UINT64_MAX, NULL, &whole, &failure));
    assert_done(ent_container_estimate(weights, codec, 512 * 1024 * 2 / 8, NULL, &part, &failure));
    assert_true(part.error > 0 && part.error < 0.01 * whole.bytes);
    assert_close(part.bytes, whole.bytes, 4 * part.error + 100); /* and a table trained on less */
    ent_weights_close(weights);
    ent_codec_free(codec);
}

static void codecs_that_do_not_go_together_are_told(void **state)
{
    (void)state;
    const char *path = scratch_path("no.ent");
    static const char *const bad[][2] = {
        { "raw", "huffman block=1k" }, { "raw", "huffman scope=model" }, { "zipnn", "raw block=128k" }
    };
    ent_weights *weights = open_model(mixed_model());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ent_codec *codec[2];
        for (int k = 0; k < 2; k++) assert_done(ent_codec_parse(&codec[k], bad[i][k], &failure));
        ent_assignment two = { .codecs = 2, .codec = (const ent_codec *const *)codec };
        assert_status(ent_container_write_assigned(path, weights, &two, NULL, NULL, &failure), ENT_EINVAL);
        two.codecs = 0;
        assert_status(ent_container_write_assigned(path, weights, &two, NULL, NULL, &failure), ENT_EINVAL);
        assert_false(is_there(path));
        for (int k = 0; k < 2; k++) ent_codec_free(codec[k]);
    }
    ent_codec *role;
    ent_tensor_size size[MIXED];
    assert_done(ent_codec_parse(&role, "huffman scope=role", &failure));
    assert_status(ent_container_estimate(weights, role, 1, NULL, size, &failure), ENT_EINVAL);
    ent_codec_free(role);
    ent_weights_close(weights);
}

static void all_tensors_are_timed(void **state)
{
    (void)state;
    const char *path = scratch_path("t.ent");
    ent_container_speed speed;
    for (unsigned threads = 1; threads < 4; threads++) {
        const ent_run run = { .threads = threads };
        assert_done(compress_model(mixed_model(), "huffman block=1k", path, 2, NULL));
        ent_container *container = open_container(path);
        uint64_t bytes = 0, coded = 0;
        for (size_t i = 0; i < ent_container_tensors(container); i++) {
            bytes += ent_container_tensor_at(container, i).bytes;
            coded += ent_container_tensor_at(container, i).coded_bytes;
        }
        assert_done(ent_container_time(container, 2, &run, &speed, &failure));
        assert_true(speed.bytes == bytes && speed.coded_bytes == coded);
        assert_true(speed.decode_ns > 0 && speed.decode_ns <= speed.decode_median_ns);
        assert_true(speed.copy_ns > 0 && speed.copy_ns <= speed.copy_median_ns);
        assert_status(ent_container_time(container, 0, &run, &speed, &failure), ENT_EINVAL);
        ent_container_close(container);
        unlink(path);
    }
}

/* A flipped bit of a block is met before the clock starts. */
static void damage_is_not_timed(void **state)
{
    (void)state;
    const char *path = scratch_path("d.ent");
    ent_container_speed speed;
    size_t size;
    assert_done(compress_model(mixed_model(), "huffman block=1k", path, 1, NULL));
    uint8_t *bytes = read_file(path, &size);
    size_t met = 0;
    for (size_t at = size / 32; at < size; at += size / 32) { /* not all are of blocks */
        ent_container *container;
        bytes[at] ^= 1;
        write_file(path, bytes, size);
        bytes[at] ^= 1;
        if (ent_container_open(&container, path, &failure)) continue;
        ent_status status = ent_container_time(container, 1, NULL, &speed, &failure);
        assert_true(!status || status == ENT_ECORRUPT);
        met += status != ENT_OK;
        ent_container_close(container);
    }
    assert_true(met > 4);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_codec_for_each_tensor_comes_back),
        cmocka_unit_test(sizes_are_known_before),
        cmocka_unit_test(a_sample_tells_the_size_and_its_error),
        cmocka_unit_test(codecs_that_do_not_go_together_are_told),
        cmocka_unit_test(all_tensors_are_timed),
        cmocka_unit_test(damage_is_not_timed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
