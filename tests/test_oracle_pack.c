/* test_oracle_pack.c - packed models unpacked by the library and by the oracle of pack/FORMAT.md: the same files. */
#include "containers.h"
#include "oracle/oracle.h"

static const spec specs[] = {
    { "model.layers.0.mlp.up_proj.weight", "BF16", 33, 70, 0 }, { "f32", "F32", 20, 64, 0 }, { "kept", "BF16", 9, 10, 0 },
    { "i8", "I8", 21, 3, 1 }, { "f64", "F64", 5, 33, 0 }, { "empty", "BF16", 0, 8, 0 },
};
enum { SPECS = sizeof specs / sizeof *specs };

static void pack_model(const char *text, const char *path)
{
    static const bool keep[SPECS] = { [2] = true };
    ent_pipeline pipeline;
    ent_weights *model = open_model(model_of_weights(specs, SPECS, 3));
    assert_ok(ent_pipeline_parse(&pipeline, text, &failure));
    assert_done(ent_pack(path, model, &(ent_packing){ .pipeline = &pipeline, .keep = keep }, NULL, NULL, &failure));
    ent_weights_close(model);
}

/* What the oracle makes of the packed model, or of its first blocks, and what the library did. */
static void compare(const char *path, size_t blocks, const char *back, const char *text)
{
    size_t size, expected_size;
    oracle_files files;
    uint8_t *bytes = read_file(path, &size), *expected = read_file(back, &expected_size);
    if (oracle_stack((ent_bytes){ bytes, size }, blocks, &files)) fail_msg("refused: %s", text);
    assert_int_equal(files.n, 1);
    assert_string_equal(files.file[0].name, "model.safetensors");
    assert_int_equal(files.file[0].size, expected_size);
    if (memcmp(files.file[0].bytes, expected, expected_size)) fail_msg("differs: %s, %zu blocks", text, blocks);
    oracle_files_free(&files);
    free(bytes);
    free(expected);
}

static void pack_and_compare(const char *text)
{
    char path[300], back[300];
    snprintf(path, sizeof path, "%s", scratch_path("packed.safetensors"));
    snprintf(back, sizeof back, "%s", scratch_path("back.safetensors"));
    pack_model(text, path);
    ent_weights *packed = open_model(path);
    assert_done(ent_unpack(packed, back, NULL, &failure));
    ent_weights_close(packed);
    compare(path, SIZE_MAX, back, text);
}

static void the_same_files(void **state)
{
    (void)state;
    static const char *const pipelines[] = {
        "rtn(bits=4,group=16)", "rtn(bits=8,group=0)", "rtn(bits=3,group=-1,symmetric=0)", "rtn(bits=5,group=7,symmetric=0,search=1)",
        "prune(share=0.4) rtn(bits=2,group=32)", "ternary(group=0)", "ternary(group=16)", "cut(bits=3)", "cut(bits=0)", "cut(bits=7)", "cut(bits=2,block=16)", "cut(bits=3,block=1000)",
        "bf16", "prune(share=0.9) bf16", "bitstack(levels=3,rank=2)", "bitstack(levels=2,rank=1,signs=0)",
        "rtn(bits=3,group=16) lowrank(rank=3)", "prune(share=0.5) rtn(bits=2,group=0) lowrank(rank=2,bits=4,group=16)",
        "ternary(group=0) lowrank(rank=40,bits=8,group=0)", "cut(bits=1) lowrank(rank=1,bits=2,group=-1)",
    };
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) pack_and_compare(pipelines[i]);
}

/* Every prefix of a stack whose last matrix comes first. */
static void the_same_prefixes(void **state)
{
    (void)state;
    enum { LEVELS = 3, MOST = SPECS * LEVELS };
    static const char text[] = "bitstack(levels=3,rank=2)";
    char path[300], sorted[300], back[300];
    size_t order[MOST], n = 0;
    ent_stack *stack;
    snprintf(path, sizeof path, "%s", scratch_path("stack.safetensors"));
    snprintf(sorted, sizeof sorted, "%s", scratch_path("sorted.safetensors"));
    snprintf(back, sizeof back, "%s", scratch_path("back.safetensors"));
    pack_model(text, path);
    ent_weights *packed = open_model(path);
    assert_done(ent_stack_open(&stack, packed, &failure));
    const size_t blocks = ent_stack_blocks(stack);
    assert_true(blocks > LEVELS && blocks <= MOST);
    for (size_t last = blocks; last-- > 0;) { /* the matrices whose first blocks are last, all of their levels */
        const ent_stack_block first = ent_stack_block_at(stack, last);
        for (size_t i = last; i < blocks && first.level == 0; i++)
            if (!strcmp(ent_stack_block_at(stack, i).name, first.name)) order[n++] = i;
    }
    ent_stack_close(stack);
    assert_done(ent_stack_write(sorted, packed, order, &failure));
    ent_weights_close(packed);
    packed = open_model(sorted);
    assert_done(ent_stack_open(&stack, packed, &failure));
    for (size_t some = 0; some <= blocks; some++) {
        assert_done(ent_stack_unpack(stack, some, back, NULL, &failure));
        compare(sorted, some, back, text);
        remove(back);
    }
    ent_stack_close(stack);
    ent_weights_close(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_files), cmocka_unit_test(the_same_prefixes) };
    return cmocka_run_group_tests_name("oracle_pack", tests, NULL, NULL);
}
