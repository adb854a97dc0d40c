/* test_weights.c - models that must open: what the views hold, folders, shards, roles, real files. */
#include <sys/stat.h>
#include <unistd.h>

#include "weights_files.h"

static ent_weights *opened(const char *path)
{
    ent_weights *weights;
    ent_error error;
    if (ent_weights_open(&weights, path, &error)) fail_msg("%s: %s", path, error.text);
    return weights;
}

/* Three tensors, the header in another order than the data; the data are bytes 0, 1, 2, ... */
static const char three[] =
    "{\"z\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[6,12]},\"__metadata__\":{\"format\":\"pt\"},"
    "\"m.q_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[0,6]},"
    "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]}}";

static void tensors_are_views_in_file_order(void **state)
{
    (void)state;
    const char *path = make_safetensors("three.safetensors", three, 16);
    size_t size;
    uint8_t *file = read_file(path, &size);
    for (uint8_t i = 0; i < 16; i++) file[size - 16 + i] = i;
    write_file(path, file, size);
    ent_weights *w = opened(path);
    assert_string_equal(ent_weights_format(w), "safetensors");
    assert_int_equal(ent_weights_tensors(w), 3);
    static const struct {
        const char *name, *role, *dtype;
        uint32_t bits, rank;
        uint64_t elements, begin, bytes;
    } wanted[] = {
        { "m.q_proj.weight", "q_proj", "BF16", 16, 1, 3, 0, 6 },
        { "z", "other", "U8", 8, 2, 6, 6, 6 },
        { "scalar", "other", "F32", 32, 0, 1, 12, 4 },
    };
    for (size_t i = 0; i < 3; i++) {
        const ent_tensor *t = ent_weights_tensor(w, i);
        assert_string_equal(t->name, wanted[i].name);
        assert_string_equal(t->role, wanted[i].role);
        assert_string_equal(t->dtype, wanted[i].dtype);
        assert_int_equal(t->dtype_bits, wanted[i].bits);
        assert_int_equal(t->rank, wanted[i].rank);
        assert_int_equal(t->elements, wanted[i].elements);
        assert_int_equal(t->file, 0);
        assert_int_equal(t->offset, size - 16 + wanted[i].begin);
        assert_int_equal(t->bytes.size, wanted[i].bytes);
        for (uint8_t k = 0; k < t->bytes.size; k++) assert_int_equal(t->bytes.data[k], wanted[i].begin + k);
        assert_ptr_equal(ent_weights_find(w, wanted[i].name), t);
    }
    assert_int_equal(ent_weights_tensor(w, 1)->shape[0], 2);
    assert_int_equal(ent_weights_tensor(w, 1)->shape[1], 3);
    assert_null(ent_weights_find(w, "absent"));
    assert_null(ent_weights_find(w, "__metadata__"));
    assert_int_equal(ent_weights_files(w), 1);
    assert_string_equal(ent_weights_file_at(w, 0)->name, "three.safetensors");
    assert_int_equal(ent_weights_file_at(w, 0)->bytes.size, size);
    assert_memory_equal(ent_weights_file_at(w, 0)->bytes.data, file, size);
    ent_weights_close(w);
    free(file);
}

static void every_dtype_has_its_width(void **state)
{
    (void)state;
    static const struct { const char *name; uint32_t bits; } dtypes[] = { /* the reference's list, 2026 */
        { "BOOL", 8 }, { "F4", 4 }, { "F6_E2M3", 6 }, { "F6_E3M2", 6 }, { "U8", 8 }, { "I8", 8 }, { "F8_E5M2", 8 },
        { "F8_E4M3", 8 }, { "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 }, { "I16", 16 }, { "U16", 16 },
        { "F16", 16 }, { "BF16", 16 }, { "I32", 32 }, { "U32", 32 }, { "F32", 32 }, { "C64", 64 }, { "F64", 64 },
        { "I64", 64 }, { "U64", 64 },
    };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        char header[200];
        size_t bytes = dtypes[i].bits * 12u / 8;
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[3,4],\"data_offsets\":[0,%zu]}}",
                 dtypes[i].name, bytes);
        ent_weights *w = opened(make_safetensors("dtype.safetensors", header, bytes));
        const ent_tensor *t = ent_weights_tensor(w, 0);
        assert_string_equal(t->dtype, dtypes[i].name);
        assert_int_equal(t->dtype_bits, dtypes[i].bits);
        assert_int_equal(t->elements, 12);
        ent_weights_close(w);
        expect_round_trip(scratch_path("dtype.safetensors"), "zstd");
    }
}

static void odd_but_valid_files_open(void **state)
{
    (void)state;
    static const struct { const char *header; size_t data, tensors; } cases[] = {
        { "{}", 0, 0 },
        { "{\"__metadata__\":{}}", 0, 0 },
        { "{\"__metadata__\":{\"a\":\"b\",\"c\":\"\"}}", 0, 0 },
        { " \t\r\n{} \n\t ", 0, 0 },
        { "{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, 1 },
        { "{\"e\":{\"dtype\":\"F64\",\"shape\":[3,0,5],\"data_offsets\":[0,0]}}", 0, 1 },
        { "{\"e\":{\"dtype\":\"F64\",\"shape\":[0,9223372036854775807,9223372036854775807],\"data_offsets\":[0,0]}}",
          0, 1 },
        { "{\"e\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"extra\":[{}]}}", 1, 1 },
        { "{\"__metadata__x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1 },
        { "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1 },
        { "{\"\\u00e9\\ud83d\\ude00\\n\\\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_weights *w = opened(make_safetensors("odd.safetensors", cases[i].header, cases[i].data));
        assert_int_equal(ent_weights_tensors(w), cases[i].tensors);
        ent_weights_close(w);
    }
    ent_weights *w = opened(make_safetensors("odd.safetensors", cases[10].header, 1));
    assert_string_equal(ent_weights_tensor(w, 0)->name, "\xc3\xa9\xf0\x9f\x98\x80\n\"");
    ent_weights_close(w);

    char *page = malloc(4089); /* the header ends where the mapping ends */
    memset(page, ' ', 4088);
    page[0] = '{', page[4087] = '}', page[4088] = 0;
    ent_weights_close(opened(make_safetensors("page.safetensors", page, 0)));
    free(page);
}

static void empty_tensors_sort_by_name(void **state)
{
    (void)state;
    ent_weights *w = opened(make_safetensors(
        "empty.safetensors",
        "{\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
        "\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]},\"d\":{\"dtype\":\"U8\","
        "\"shape\":[0],\"data_offsets\":[0,0]}}", 4));
    static const char order[] = "dbac";
    for (size_t i = 0; i < 4; i++) assert_int_equal(ent_weights_tensor(w, i)->name[0], order[i]);
    ent_weights_close(w);
}

static void content_counts_more_than_the_name(void **state)
{
    (void)state;
    ent_weights *w = opened(make_safetensors("no-extension", three, 16));
    assert_string_equal(ent_weights_format(w), "safetensors");
    ent_weights_close(w);
    w = opened(make_safetensors("wrong.index.json", three, 16));
    assert_string_equal(ent_weights_format(w), "safetensors");
    ent_weights_close(w);
    /* a header of 123 bytes begins with the byte '{', as an index does */
    char header[124];
    snprintf(header, sizeof header, "%-123s", "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    w = opened(make_safetensors("brace", header, 1));
    assert_string_equal(ent_weights_format(w), "safetensors");
    ent_weights_close(w);
}

static const char part_a[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
static const char part_b[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                             "\"c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}";
static const char map[] = "{\"metadata\":{\"total_size\":999},\"weight_map\":{\"c\":\"model-2.safetensors\","
                          "\"b\":\"model-2.safetensors\",\"a\":\"model-1.safetensors\"}}";

static void shards_open_as_one_model(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path("sharded"), 0700), 0);
    make_safetensors("sharded/model-2.safetensors", part_b, 3);
    make_safetensors("elsewhere", part_a, 4); /* a shard may be a link out of the folder */
    assert_int_equal(symlink("../elsewhere", scratch_path("sharded/model-1.safetensors")), 0);
    write_file(scratch_path("sharded/model.safetensors.index.json"), map, sizeof map - 1);
    for (int by_folder = 0; by_folder < 2; by_folder++) {
        ent_weights *w = opened(scratch_path(by_folder ? "sharded" : "sharded/model.safetensors.index.json"));
        assert_string_equal(ent_weights_format(w), "index");
        assert_int_equal(ent_weights_files(w), 3);
        assert_string_equal(ent_weights_file_at(w, 0)->name, "model.safetensors.index.json");
        assert_int_equal(ent_weights_file_at(w, 0)->bytes.size, sizeof map - 1);
        assert_string_equal(ent_weights_file_at(w, 1)->name, "model-1.safetensors");
        assert_string_equal(ent_weights_file_at(w, 2)->name, "model-2.safetensors");
        assert_int_equal(ent_weights_tensors(w), 3);
        for (size_t i = 0; i < 3; i++) {
            const ent_tensor *t = ent_weights_tensor(w, i);
            assert_int_equal(t->name[0], 'a' + (char)i);
            assert_int_equal(t->file, i ? 2 : 1);
            assert_ptr_equal(t->bytes.data, ent_weights_file_at(w, t->file)->bytes.data + t->offset);
        }
        ent_weights_close(w);
    }
}

static void folders_open(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path("folder"), 0700), 0);
    expect_open(scratch_path("folder"), ENT_EUNSUPPORTED, "no model.safetensors");
    make_safetensors("folder/.hidden.safetensors", part_a, 4);
    make_safetensors("folder/one.safetensors", part_a, 4);
    expect_open(scratch_path("folder"), ENT_OK, NULL);
    make_safetensors("folder/two.safetensors", part_b, 3);
    expect_open(scratch_path("folder"), ENT_EUNSUPPORTED, "2 model files");
    make_safetensors("folder/model.safetensors", part_b, 3);
    ent_weights *w = opened(scratch_path("folder/"));
    assert_string_equal(ent_weights_file_at(w, 0)->name, "model.safetensors");
    ent_weights_close(w);
}

static void released_pages_come_back(void **state)
{
    (void)state;
    enum { N = 100000 };
    char header[100];
    snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", N, N);
    const char *path = make_safetensors("release.safetensors", header, N);
    size_t size;
    uint8_t *file = read_file(path, &size), heap[20000];
    for (size_t i = 8 + strlen(header); i < size; i++) file[i] = (uint8_t)(i * 7);
    write_file(path, file, size);
    ent_weights *w = opened(path);
    ent_bytes all = ent_weights_tensor(w, 0)->bytes;
    for (size_t from = 0; from < 5000; from += 1234) {
        ent_weights_release(w, (ent_bytes){ all.data + from, all.size - 2 * from });
        assert_memory_equal(all.data, file + size - N, N);
    }
    ent_weights_release(w, (ent_bytes){ all.data, 0 });
    memset(heap, 77, sizeof heap); /* memory that is not the model's must survive */
    ent_weights_release(w, (ent_bytes){ heap, sizeof heap });
    for (size_t i = 0; i < sizeof heap; i++) assert_int_equal(heap[i], 77);
    ent_weights_close(w);
    free(file);
}

static void roles_by_name(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        { "model.embed_tokens.weight", "embed" }, /* Llama, Qwen, Mistral, Gemma */
        { "model.layers.31.self_attn.q_proj.weight", "q_proj" },
        { "model.layers.0.self_attn.k_proj.weight", "k_proj" },
        { "model.layers.0.self_attn.v_proj.weight", "v_proj" },
        { "model.layers.0.self_attn.o_proj.weight", "o_proj" },
        { "model.layers.0.self_attn.q_proj.bias", "bias" },
        { "model.layers.0.self_attn.q_norm.weight", "norm" },
        { "model.layers.0.mlp.gate_proj.weight", "gate_proj" },
        { "model.layers.0.mlp.up_proj.weight", "up_proj" },
        { "model.layers.0.mlp.down_proj.weight", "down_proj" },
        { "model.layers.0.input_layernorm.weight", "norm" },
        { "model.layers.0.post_feedforward_layernorm.weight", "norm" },
        { "model.norm.weight", "norm" },
        { "lm_head.weight", "lm_head" },
        { "model.layers.0.block_sparse_moe.gate.weight", "router" }, /* Mixtral */
        { "model.layers.0.block_sparse_moe.experts.7.w1.weight", "gate_proj" },
        { "model.layers.0.block_sparse_moe.experts.7.w2.weight", "down_proj" },
        { "model.layers.0.block_sparse_moe.experts.7.w3.weight", "up_proj" },
        { "model.layers.0.mlp.gate.weight", "router" }, /* Qwen MoE */
        { "model.layers.0.mlp.experts.3.down_proj.weight", "down_proj" },
        { "model.layers.0.mlp.shared_expert_gate.weight", "router" },
        { "model.layers.0.mlp.router.weight", "router" },
        { "model.layers.0.mlp.experts.gate_up_proj_blocks", "up_proj" },
        { "wte.weight", "embed" }, /* GPT-2 */
        { "wpe.weight", "embed" },
        { "h.0.attn.bias", "other" },
        { "h.0.attn.c_attn.weight", "qkv_proj" },
        { "h.0.attn.c_attn.bias", "bias" },
        { "h.0.attn.c_proj.weight", "o_proj" },
        { "transformer.h.0.mlp.c_fc.weight", "up_proj" },
        { "transformer.h.0.mlp.c_proj.weight", "down_proj" },
        { "h.0.ln_1.weight", "norm" },
        { "transformer.ln_f.weight", "norm" },
        { "gpt_neox.embed_in.weight", "embed" }, /* GPT-NeoX */
        { "gpt_neox.layers.0.attention.query_key_value.weight", "qkv_proj" },
        { "gpt_neox.layers.0.attention.dense.weight", "o_proj" },
        { "gpt_neox.layers.0.attention.masked_bias", "other" },
        { "gpt_neox.layers.0.mlp.dense_h_to_4h.weight", "up_proj" },
        { "gpt_neox.layers.0.mlp.dense_4h_to_h.weight", "down_proj" },
        { "gpt_neox.final_layer_norm.weight", "norm" },
        { "embed_out.weight", "lm_head" },
        { "model.decoder.embed_positions.weight", "embed" }, /* OPT */
        { "model.decoder.layers.0.self_attn.out_proj.weight", "o_proj" },
        { "model.decoder.layers.0.self_attn_layer_norm.weight", "norm" },
        { "model.decoder.layers.0.fc1.weight", "up_proj" },
        { "model.decoder.layers.0.fc2.weight", "down_proj" },
        { "transformer.word_embeddings.weight", "embed" }, /* Falcon */
        { "transformer.h.0.self_attention.query_key_value.weight", "qkv_proj" },
        { "transformer.h.0.self_attention.dense.weight", "o_proj" },
        { "transformer.h.0.ln_attn.weight", "norm" },
        { "model.layers.0.self_attn.dense.weight", "o_proj" }, /* Phi */
        { "model.layers.0.self_attn.qkv_proj.weight", "qkv_proj" },
        { "model.layers.0.mlp.gate_up_proj.weight", "up_proj" },
        { "model.layers.0.mlp.fc1.weight", "up_proj" },
        { "layers.0.attention.wq.weight", "q_proj" }, /* Meta's own names */
        { "tok_embeddings.weight", "embed" },
        { "output.weight", "lm_head" },
        { "conv1.weight", "conv" },
        { "layer1.0.bn1.running_mean", "norm" },
        { "encoder.output.weight", "other" },
        { "my_q_projection.weight", "other" },
        { "q_proj_extra", "other" },
        { "", "other" },
        { ".", "other" },
        { "..q_proj..", "q_proj" },
        { "weight", "other" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(ent_weights_role(names[i][0]), names[i][1]))
            fail_msg("%s: %s, expected %s", names[i][0], ent_weights_role(names[i][0]), names[i][1]);
}

static void readers_are_listed(void **state)
{
    (void)state;
    assert_true(ent_readers() >= 10);
    for (size_t i = 0; i < ent_readers(); i++) assert_true(ent_reader_at(i).name[0] && ent_reader_at(i).brief[0]);
    ent_weights_close(NULL);
}

static void real_models_open(void **state)
{
    (void)state;
    static const char *const files[] = {
        "stories260k/model.safetensors", "stories260k/model-bf16.safetensors", "charrnn-bronte/model.safetensors",
        "rwkv-660k/model.safetensors", "rwkv-660k/model-fp16.safetensors", "silero-vad-16k/model.safetensors",
        "crepe-tiny/model.safetensors", "resnet20-cifar10/model.safetensors", "mediapipe-fp16/facemesh.safetensors",
        "mediapipe-fp16/handlandmark.safetensors", "quantised-8bit/face_landmark_68_u8.safetensors",
        "quantised-8bit/mobilenet_v1_0.5_160_u8.safetensors", "quantised-8bit/vww_96_i8.safetensors",
    };
    char path[300];
    if (!shared_datasets()) skip();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", shared_datasets(), files[i]);
        expect_open(path, ENT_OK, NULL);
    }
    snprintf(path, sizeof path, "%s/gutenberg-llama-4.7m", shared_datasets());
    ent_weights *w = opened(path);
    uint64_t bytes = 0, elements = 0;
    assert_int_equal(ent_weights_tensors(w), 47);
    for (size_t i = 0; i < 47; i++) {
        const ent_tensor *t = ent_weights_tensor(w, i);
        assert_string_equal(t->dtype, "BF16");
        assert_string_not_equal(t->role, "other");
        bytes += t->bytes.size;
        elements += t->elements;
    }
    assert_int_equal(elements, 4737792); /* its README */
    assert_int_equal(bytes, 2 * elements);
    ent_weights_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_views_in_file_order),
        cmocka_unit_test(every_dtype_has_its_width),
        cmocka_unit_test(odd_but_valid_files_open),
        cmocka_unit_test(empty_tensors_sort_by_name),
        cmocka_unit_test(content_counts_more_than_the_name),
        cmocka_unit_test(shards_open_as_one_model),
        cmocka_unit_test(folders_open),
        cmocka_unit_test(released_pages_come_back),
        cmocka_unit_test(roles_by_name),
        cmocka_unit_test(readers_are_listed),
        cmocka_unit_test(real_models_open),
    };
    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
