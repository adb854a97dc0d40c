/* test_oracle_pack.c - packed models unpacked by the library and by the oracle of pack/FORMAT.md: the same files. */
#include "containers.h"
#include "oracle/oracle.h"

static const spec specs[] = {
    { "model.layers.0.mlp.up_proj.weight", "BF16", 33, 70, 0 }, { "f32", "F32", 20, 64, 0 }, { "kept", "BF16", 9, 10, 0 },
    { "i8", "I8", 21, 3, 1 }, { "f64", "F64", 5, 33, 0 }, { "empty", "BF16", 0, 8, 0 },
};
enum { SPECS = sizeof specs / sizeof *specs };

static void pack_and_compare(const char *text)
{
    static const bool keep[SPECS] = { [2] = true };
    char path[300], back[300];
    size_t size, expected_size;
    oracle_files files;
    ent_pipeline pipeline;
    snprintf(path, sizeof path, "%s", scratch_path("packed.safetensors"));
    snprintf(back, sizeof back, "%s", scratch_path("back.safetensors"));
    ent_weights *model = open_model(model_of_weights(specs, SPECS, 3));
    assert_ok(ent_pipeline_parse(&pipeline, text, &failure));
    assert_done(ent_pack(path, model, &(ent_packing){ .pipeline = &pipeline, .keep = keep }, NULL, NULL, &failure));
    ent_weights_close(model);
    ent_weights *packed = open_model(path);
    assert_done(ent_unpack(packed, back, NULL, &failure));
    ent_weights_close(packed);
    uint8_t *bytes = read_file(path, &size), *expected = read_file(back, &expected_size);
    if (oracle_pack((ent_bytes){ bytes, size }, &files)) fail_msg("refused: %s", text);
    assert_int_equal(files.n, 1);
    assert_string_equal(files.file[0].name, "model.safetensors");
    assert_int_equal(files.file[0].size, expected_size);
    if (memcmp(files.file[0].bytes, expected, expected_size)) fail_msg("differs: %s", text);
    oracle_files_free(&files);
    free(bytes);
    free(expected);
}

static void the_same_files(void **state)
{
    (void)state;
    static const char *const pipelines[] = {
        "rtn(bits=4,group=16)", "rtn(bits=8,group=0)", "rtn(bits=3,group=-1,symmetric=0)", "rtn(bits=5,group=7,symmetric=0,search=1)",
        "prune(share=0.4) rtn(bits=2,group=32)", "ternary(group=0)", "ternary(group=16)", "cut(bits=3)", "cut(bits=0)", "cut(bits=7)",
        "bf16", "prune(share=0.9) bf16",
    };
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) pack_and_compare(pipelines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_files) };
    return cmocka_run_group_tests_name("oracle_pack", tests, NULL, NULL);
}
