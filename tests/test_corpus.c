/* test_corpus.c - tables trained over several models: models they never saw coded by them, damaged ones refused. */
#include "containers.h"

static void corpora_code_models_they_never_saw(void **state)
{
    (void)state;
    static const spec a[] = { { "a", "BF16", 400, 10, 3 }, { "n", "I8", 300, 3, 2 } },
                      b[] = { { "b", "BF16", 300, 10, 3 } },
                      c[] = { { "c", "BF16", 300, 13, 2 }, { "f", "F16", 30, 10, 1 }, { "n", "I8", 30, 3, 0 } };
    const spec *specs[] = { a, b };
    const char *file = scratch_path("corpus.h5"), *model = scratch_path("seen.safetensors"),
               *unseen = scratch_path("unseen.safetensors");
    ent_corpus *corpus, *again;
    ent_codec *codec;
    assert_ok(ent_codec_parse(&codec, "huffman block=1k", NULL));
    assert_ok(ent_corpus_new(&corpus, codec));
    ent_codec_free(codec);
    assert_int_equal(ent_codec_scope(ent_corpus_codec(corpus)), ENT_SCOPE_CORPUS);
    for (int i = 0; i < 2; i++) {
        write_model(model, specs[i], i ? 1 : 2, (uint64_t)i, "", "");
        ent_weights *weights = open_model(model);
        assert_done(ent_corpus_add(corpus, weights, NULL, &failure));
        ent_weights_close(weights);
    }
    assert_done(ent_corpus_write(corpus, file, &failure));
    assert_done(ent_corpus_read(&again, file, &failure));
    assert_string_equal(ent_codec_text(ent_corpus_codec(again)), ent_codec_text(ent_corpus_codec(corpus)));

    write_model(unseen, c, 3, 77, "", "");
    ent_weights *weights = open_model(unseen);
    ent_corpus *both[] = { corpus, again };
    const char *const out[] = { scratch_path("corpus1.ent"), scratch_path("corpus2.ent") };
    for (int i = 0; i < 2; i++) assert_done(ent_container_write(out[i], weights, NULL, both[i], NULL, NULL, &failure));
    assert_same_file(out[0], out[1]);
    ent_weights_close(weights);
    ent_corpus_free(again);
    ent_corpus_free(corpus);
    ent_container *container = open_container(out[0]); /* by itself, without the corpus */
    assert_done(ent_container_extract(container, scratch_path("unseen.back"), NULL, &failure));
    assert_same_file(unseen, scratch_path("unseen.back"));
    assert_true(ent_container_tensor_at(container, 0).coded_bytes < ent_container_tensor_at(container, 0).bytes);
    ent_container_close(container);

    size_t size;
    uint8_t *data = read_file(file, &size);
    const char *bad = scratch_path("corpus.bad"), *same = scratch_path("corpus.same"),
               *good = scratch_path("corpus.good");
    write_file(good, data, size);
    for (size_t i = 0; i < size; i += 3) { /* damage is found, or hits bytes that are not used */
        data[i] ^= 0x10;
        write_file(bad, data, size);
        data[i] ^= 0x10;
        if (ent_corpus_read(&again, bad, &failure)) continue;
        assert_done(ent_corpus_write(again, same, &failure));
        ent_corpus_free(again);
        assert_same_file(same, good);
    }
    free(data);
}

static void lies_of_a_corpus_are_refused(void **state)
{
    (void)state;
    static const spec some[] = { { "a", "BF16", 40, 10, 3 }, { "n", "I8", 30, 3, 2 } };
    static const char *const lies[][2] = {
        { "\"libentropy tables\"", "\"libentropy container\"" },
        { "\"version\":1", "\"version\":9" },
        { "\"codec\":\"huffman", "\"codec\":\"hoffman" },
        { "\"codec\":\"huffman", "\"codec\":\"rans-word" }, /* alphabets of 65536 */
        { "\"sizes\":[", "\"sizes\":[0," },
        { "\"sizes\":[", "\"sizes\":[1," },
        { "\"sizes\":[", "\"sizes\":[9" },
        { "\"sizes\":[", "\"sizes\":[-" },
        { "\"dtype\":\"BF16\"", "\"dtype\":\"I32\"" },
        { "\"dtype\":\"BF16\"", "\"dtype\":\"I8\"" },
        { "\"counts\":[", "\"counts\":[7," },
        { "\"counts\":[", "\"counts\":3,\"x\":[" },
    };
    const char *model = scratch_path("corpus-lies.safetensors"), *file = scratch_path("corpus-lies.h5");
    ent_corpus *corpus, *again;
    ent_codec *codec;
    write_model(model, some, 2, 3, "", "");
    assert_ok(ent_codec_parse(&codec, "huffman", NULL));
    assert_ok(ent_corpus_new(&corpus, codec));
    ent_weights *weights = open_model(model);
    assert_done(ent_corpus_add(corpus, weights, NULL, &failure));
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        assert_done(ent_corpus_write(corpus, file, &failure));
        edit_index(file, lies[i][0], lies[i][1]);
        if (!ent_corpus_read(&again, file, &failure)) fail_msg("taken: %s", lies[i][1]);
        assert_null(again);
    }
    ent_weights_close(weights);
    ent_corpus_free(corpus);
    ent_codec_free(codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corpora_code_models_they_never_saw),
        cmocka_unit_test(lies_of_a_corpus_are_refused),
    };
    return cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
}
