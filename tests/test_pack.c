/* test_pack.c - packed models: every transform comes back as the pipeline says, all else byte for byte; the same
 * bytes for any number of threads; manifests that lie. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem, memrchr */
#endif
#include <math.h>
#include <unistd.h>

#include "base/bits.h"
#include "containers.h"
#include "matrices.h"

/* In order: what is packed, two larger than the 4096 weights that are rounded at once; then what stays. */
static const spec packable[] = {
    { "model.embed_tokens.weight", "BF16", 40, 32, 0 }, { "model.layers.0.mlp.up_proj.weight", "F32", 133, 37, 0 },
    { "model.layers.0.self_attn.q_proj.weight", "F16", 48, 96, 0 }, { "w64", "F64", 5, 9, 0 }, { "row", "BF16", 1, 50, 0 },
    { "empty", "BF16", 0, 8, 0 }, { "ids", "I32", 3, 4, 1 }, { "bytes", "U8", 7, 3, 1 },
};
enum { SPECS = sizeof packable / sizeof *packable };

typedef struct inputs { /* of each tensor */
    ent_input_stats stats[SPECS];
    const ent_input_stats *of[SPECS];
} inputs;

static inputs *inputs_of(const ent_weights *weights)
{
    inputs *in = calloc(1, sizeof *in);
    assert_non_null(in);
    for (size_t i = 0; i < SPECS; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        in->stats[i] = loud((uint32_t)t->shape[1]);
        in->of[i] = &in->stats[i];
    }
    return in;
}

static void free_inputs(inputs *in)
{
    for (size_t i = 0; i < SPECS; i++) ent_input_stats_free(&in->stats[i]);
    free(in);
}

static void pack_with(const char *text, const bool *keep, unsigned threads, const char *path, ent_pack_report *report)
{
    ent_weights *weights = open_model(model_of_weights(packable, SPECS, 11));
    ent_pipeline pipeline;
    inputs *in = inputs_of(weights);
    const ent_run run = { .threads = threads };
    assert_done(ent_pipeline_parse(&pipeline, text, &failure));
    const ent_packing packing = { .pipeline = &pipeline, .keep = keep, .input = in->of };
    assert_done(ent_pack(path, weights, &packing, &run, report, &failure));
    free_inputs(in);
    ent_weights_close(weights);
}

static void unpack_file(const char *path, const char *out)
{
    ent_weights *packed = open_model(path);
    assert_done(ent_unpack(packed, out, NULL, &failure));
    ent_weights_close(packed);
}

/* ---- round trips ------------------------------------------------------------------------------------------------ */

/* What a matrix must come back as, made without packing. */
static void expect_matrix(const ent_tensor *t, const ent_tensor *back, const ent_pipeline *pipeline)
{
    const ent_format *f = ent_format_find(t->dtype);
    size_t n = (size_t)t->elements;
    float *values = ent_alloc(n * sizeof *values);
    ent_input_stats in = loud((uint32_t)t->shape[1]);
    ent_packed packed;
    assert_non_null(values);
    ent_format_floats(f, t->bytes.data, n, values);
    assert_done(ent_pipeline_apply(pipeline, (uint32_t)t->shape[0], (uint32_t)t->shape[1], values, &in, &packed, &failure));
    for (size_t i = 0; i < n; i++) {
        uint64_t word = 0;
        memcpy(&word, back->bytes.data + i * ent_format_width(f), ent_format_width(f));
        assert_int_equal(word, ent_format_nearest(f, values[i]));
    }
    ent_packed_free(&packed);
    ent_input_stats_free(&in);
    ent_free(values);
}

static void expect_model(const char *out, const char *text, const bool *keep)
{
    ent_weights *model = open_model(model_of_weights(packable, SPECS, 11)), *back = open_model(out);
    ent_pipeline pipeline;
    assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
    const ent_bytes a = ent_weights_file_at(model, 0)->bytes, b = ent_weights_file_at(back, 0)->bytes;
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, 8 + ent_load64(a.data));
    for (size_t i = 0; i < SPECS; i++) {
        const ent_tensor *t = ent_weights_tensor(model, i), *u = ent_weights_tensor(back, i);
        const ent_format *f = ent_format_find(t->dtype);
        assert_string_equal(t->name, u->name);
        if (f && f->kind == ENT_KIND_FLOAT && t->elements && !(keep && keep[i]))
            expect_matrix(t, u, &pipeline);
        else if (t->bytes.size)
            assert_memory_equal(t->bytes.data, u->bytes.data, t->bytes.size);
    }
    ent_weights_close(back);
    ent_weights_close(model);
}

static void round_trip(const char *text, const bool *keep)
{
    const char *path = scratch_path("packed.safetensors"), *out = scratch_path("back.safetensors");
    pack_with(text, keep, 2, path, NULL);
    unpack_file(path, out);
    expect_model(out, text, keep);
}

static void every_transform_comes_back_as_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; ent_transforms[i]; i++) {
        char text[100];
        snprintf(text, sizeof text, pattern_with(ent_transforms[i]), ent_transforms[i]->name);
        round_trip(text, NULL);
    }
    static const char *const more[] = { "rtn(bits=2)", "rtn(bits=5,symmetric=0,group=7)", "step(step=0.001)", "step(bits=2.5)",
                                        "rescale prune(share=0.4,by=1) step(bits=4)", "lloyd(bits=5,group=7)", "ecsq(bits=2.5)",
                                        "ecsq(lambda=1e-9)", "palette(bits=3,rows=4,by=1,half=0)", "entquant(bits=3,fp8=1)",
                                        "rtn exact", "bitstack(levels=2,rank=1) exact" };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) round_trip(more[i], NULL);
}

/* Of four pipelines, three used, in an order of their own. */
static void each_matrix_by_its_own_pipeline(void **state)
{
    (void)state;
    static const char *const text[4] = { "nf4", "mxfp4", "rescale rtn(bits=3)", "step(bits=2)" };
    static const uint32_t pick[SPECS] = { 3, 0, 3, 2, 0 };
    const char *path = scratch_path("picked.safetensors"), *out = scratch_path("picked.back");
    ent_pipeline pipeline[4];
    for (size_t i = 0; i < 4; i++) assert_ok(ent_pipeline_parse(&pipeline[i], text[i], NULL));
    ent_weights *model = open_model(model_of_weights(packable, SPECS, 11));
    inputs *in = inputs_of(model);
    ent_pack_report report;
    ent_packing packing = { .pipeline = pipeline, .input = in->of, .pick = pick, .pipelines = 4 };
    assert_done(ent_pack(path, model, &packing, NULL, &report, &failure));
    assert_int_equal(report.stages, 2);
    assert_true(report.noise_after[1] > 0 && report.noise_after[0] > 0 && report.noise_after[5] == report.noise_after[1]);
    unpack_file(path, out);
    ent_weights *back = open_model(out);
    for (size_t i = 0; i < SPECS; i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        const ent_format *f = ent_format_find(t->dtype);
        if (f && f->kind == ENT_KIND_FLOAT && t->elements) expect_matrix(t, ent_weights_tensor(back, i), &pipeline[pick[i]]);
    }
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    assert_non_null(memmem(bytes, size, "\"pipelines\":[\"step(", 19)); /* in order of first use */
    assert_null(memmem(bytes, size, "mxfp4", 5));
    free(bytes);
    packing.pipelines = ENT_PACK_PIPELINES + 1;
    assert_int_equal(ent_pack(path, model, &packing, NULL, NULL, NULL), ENT_EINVAL);
    ent_weights_close(back);
    free_inputs(in);
    ent_weights_close(model);
}

static void what_is_kept_stays(void **state)
{
    (void)state;
    bool keep[SPECS] = { true, false, true };
    round_trip("nf4", keep);
    memset(keep, 1, sizeof keep);
    const char *path = scratch_path("kept.safetensors"), *out = scratch_path("same.safetensors");
    pack_with("nf4", keep, 1, path, NULL);
    unpack_file(path, out);
    assert_same_file(model_of_weights(packable, SPECS, 11), out);
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    const char *one = scratch_path("one.safetensors"), *many = scratch_path("many.safetensors");
    pack_with("rescale prune(share=0.2) step(bits=3)", NULL, 1, one, NULL);
    pack_with("rescale prune(share=0.2) step(bits=3)", NULL, 2, many, NULL);
    assert_same_file(one, many);
}

/* Parts coded by a container, a sharded model, back into a folder. */
static void a_container_gives_the_model_back(void **state)
{
    (void)state;
    const char *path = scratch_path("p.safetensors"), *coded = scratch_path("p.h5"), *out = scratch_path("p.back");
    pack_with("prune(share=0.5) rtn(bits=3,group=16)", NULL, 2, path, NULL);
    assert_done(compress_model(path, "narrow: word=rans | float: exponent=rans rest=raw", coded, 2, NULL));
    ent_container *container = open_container(coded);
    ent_buffer text = { 0 };
    assert_true(ent_container_is_packed(container));
    assert_done(ent_container_pipeline(container, &text, &failure));
    assert_non_null(strstr((const char *)text.data, "rtn(bits=3,group=16"));
    ent_free(text.data);
    assert_done(ent_unpack_container(container, out, NULL, &failure));
    ent_container_close(container);
    expect_model(out, "prune(share=0.5) rtn(bits=3,group=16)", NULL);
}

static void shards_come_back_as_a_folder(void **state)
{
    (void)state;
    static const char index[] = "{\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"b.safetensors\"}}";
    static const spec x = { "x", "U8", 3, 5, 1 }, y = { "y", "I32", 2, 9, 1 };
    char a[400], b[400], json[400];
    const char *folder = scratch(), *path = scratch_path("shards.packed"), *out = scratch_path("shards.back");
    snprintf(a, sizeof a, "%s/a.safetensors", folder);
    snprintf(b, sizeof b, "%s/b.safetensors", folder);
    snprintf(json, sizeof json, "%s/m.safetensors.index.json", folder);
    write_model(a, &x, 1, 1, "", "");
    write_model(b, &y, 1, 2, " ", "");
    write_file(json, index, sizeof index - 1);
    ent_weights *weights = open_model(json);
    ent_pipeline pipeline;
    assert_ok(ent_pipeline_parse(&pipeline, "rtn", NULL));
    const ent_packing packing = { .pipeline = &pipeline };
    assert_done(ent_pack(path, weights, &packing, NULL, NULL, &failure));
    ent_weights_close(weights);
    unpack_file(path, out);
    const char *const names[] = { "a.safetensors", "b.safetensors", "m.safetensors.index.json" };
    for (size_t i = 0; i < 3; i++) {
        char from[400], to[400];
        snprintf(from, sizeof from, "%s/%s", folder, names[i]);
        snprintf(to, sizeof to, "%s/%s", out, names[i]);
        assert_same_file(from, to);
    }
}

/* A tensor of one axis stays, one of five has a row for each place on its first: with every transform, weights finite
 * and hostile, and with any weight that is not finite refused by name. */
static void write_axes(const char *path, float last)
{
    static const char header[] = "{\"one\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,20]},"
                                 "\"five\":{\"dtype\":\"F32\",\"shape\":[3,2,1,4,2],\"data_offsets\":[20,212]}}   ";
    uint8_t bytes[8 + sizeof header - 1 + 212];
    float w[53] = { 0, -0.0f, 1, 1e-40f, NAN };
    for (int i = 5; i < 53; i++) w[i] = i % 16 ? ldexpf(1, i - 30) * (i % 2 ? 1.0f : -1.0f) : 0;
    w[52] = last;
    ent_store64(bytes, sizeof header - 1);
    memcpy(bytes + 8, header, sizeof header - 1);
    memcpy(bytes + 8 + sizeof header - 1, w, sizeof w);
    write_file(path, bytes, sizeof bytes);
}

static void axes_are_one_or_five(void **state)
{
    (void)state;
    const char *path = scratch_path("axes.safetensors"), *packed = scratch_path("axes.packed"), *out = scratch_path("axes.back");
    for (size_t i = 0; ent_transforms[i]; i++)
        for (int bad = 0; bad < 2; bad++) {
            char text[100];
            ent_pipeline pipeline;
            ent_error error = { 0 };
            ent_input_stats in = loud(16);
            snprintf(text, sizeof text, pattern_with(ent_transforms[i]), ent_transforms[i]->name);
            assert_ok(ent_pipeline_parse(&pipeline, text, NULL));
            write_axes(path, bad ? INFINITY : 2);
            ent_weights *weights = open_model(path);
            const ent_input_stats *of[] = { &in, &in };
            const ent_packing packing = { .pipeline = &pipeline, .input = of };
            ent_status status = ent_pack(packed, weights, &packing, NULL, NULL, &error);
            if (bad || status) {
                assert_int_equal(status, ENT_EINVAL);
                assert_non_null(strstr(error.text, "five"));
                assert_false(is_there(packed));
            } else {
                size_t a, b;
                unpack_file(packed, out);
                uint8_t *before = read_file(path, &a), *after = read_file(out, &b);
                assert_int_equal(a, b);
                assert_memory_equal(before, after, a - 48 * sizeof(float));
                free(before);
                free(after);
                unlink(packed);
            }
            ent_input_stats_free(&in);
            ent_weights_close(weights);
        }
}

/* ---- the report --------------------------------------------------------------------------------------------------- */

static void the_report_adds_up(void **state)
{
    (void)state;
    const char *path = scratch_path("r.safetensors"), *out = scratch_path("r.back");
    ent_pack_report r;
    double signal = 0, noise = 0;
    uint64_t zeros = 0;
    pack_with("rescale prune(share=0.3) rtn(bits=4,group=0)", NULL, 2, path, &r);
    unpack_file(path, out);
    ent_weights *model = open_model(model_of_weights(packable, SPECS, 11)), *back = open_model(out);
    uint64_t weights = 0;
    for (size_t i = 0; i < 5; i++) {
        const ent_tensor *t = ent_weights_tensor(model, i), *u = ent_weights_tensor(back, i);
        const ent_format *f = ent_format_find(t->dtype);
        for (size_t k = 0; k < t->elements; k++) {
            float a, b;
            ent_format_floats(f, t->bytes.data + k * ent_format_width(f), 1, &a);
            ent_format_floats(f, u->bytes.data + k * ent_format_width(f), 1, &b);
            signal += (double)a * a;
            zeros += b == 0;
            noise += ((double)b - a) * ((double)b - a);
        }
        weights += t->elements;
    }
    assert_int_equal(r.weights, weights);
    assert_int_equal(r.matrices, 5);
    assert_close(r.signal, signal, 1e-9 * signal);
    assert_close(r.noise, noise, 1e-9 * noise);
    assert_true(r.noise_after[0] < 1e-9 * signal);                                      /* rescaling alone loses nothing */
    assert_true(r.noise_after[1] > 0.001 * noise && r.noise_after[1] < r.noise_after[2]); /* pruning, then also rounding */
    assert_close(r.noise_after[2], noise, 0.001 * noise);
    assert_string_equal(r.part[0].name, "columns");
    assert_string_equal(r.part[1].name, "codes");
    assert_close(r.part[1].plain_bits, 4.0 * (double)weights, 1e-6);
    assert_int_equal(r.zeros, zeros);
    ent_weights_close(back);
    ent_weights_close(model);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------ */

static void refusals_name_the_tensor(void **state)
{
    (void)state;
    ent_weights *weights = open_model(model_of_weights(packable, SPECS, 11));
    ent_pipeline pipeline;
    ent_error error;
    assert_ok(ent_pipeline_parse(&pipeline, "rescale rtn", NULL));
    const ent_packing packing = { .pipeline = &pipeline };
    const char *path = scratch_path("refused.safetensors");
    assert_status(ent_pack(path, weights, &packing, NULL, NULL, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "model.embed_tokens.weight"));
    assert_false(is_there(path));
    assert_int_equal(count_files(scratch(), "refused"), 0);
    ent_weights_close(weights);
}

/* A good packed model whose manifest is replaced, in place, by one of the same length or shorter. */
static void lie(const char *from, const char *to, ent_status expected)
{
    const char *path = scratch_path("lie.safetensors"), *out = scratch_path("lie.back");
    size_t size, n = strlen(from), m = strlen(to);
    pack_with("rtn(bits=4,group=0)", NULL, 1, path, NULL);
    uint8_t *bytes = read_file(path, &size);
    uint8_t *start = memmem(bytes, size, "{\"format\":\"libentropy packed model\"", 35), *end = memrchr(bytes, '}', size);
    assert_true(start && end);
    uint8_t *at = memmem(start, (size_t)(end + 1 - start), from, n);
    assert_non_null(at);
    assert_true(m <= n);
    memcpy(at, to, m);
    memmove(at + m, at + n, (size_t)(end + 1 - at) - n);
    memset(end + 1 - (n - m), ' ', n - m);
    write_file(path, bytes, size);
    free(bytes);
    ent_weights *packed = open_model(path);
    ent_error error = { 0 };
    ent_status status = ent_unpack(packed, out, NULL, &error);
    if (status != expected) fail_msg("%s for %s: %s (%s)", to, from, ent_status_text(status), error.text);
    assert_true(error.text[0]);
    assert_false(is_there(out));
    assert_int_equal(count_files(scratch(), "lie.back"), 0);
    ent_weights_close(packed);
}

static void manifests_that_lie(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        ent_status expected;
    } lies[] = {
        { "libentropy packed model", "libentropy packed motel", ENT_ECORRUPT },
        { "\"version\":1", "\"version\":2", ENT_EUNSUPPORTED },
        { "rtn(bits=4", "rtn(bits=5", ENT_ECORRUPT }, /* the parts are of another pipeline */
        { "rtn(bits=4", "rxn(bits=4", ENT_ECORRUPT },
        { "\"pipeline\":0", "\"pipeline\":1", ENT_ECORRUPT }, /* there is but one */
        { "\"pipeline\":0", "\"pipelime\":0", ENT_ECORRUPT },
        { "\"pipelines\":[", "\"pipelimes\":[", ENT_ECORRUPT },
        { "model.safetensors", "../el.safetensors", ENT_ECORRUPT },
        { "\"name\":\"model.safetensors\"", "\"name\":\"..\"", ENT_ECORRUPT },
        { "\"file\":0", "\"file\":1", ENT_ECORRUPT },
        
        { "\"dtype\":\"BF16\"", "\"dtype\":\"F32\"", ENT_ECORRUPT }, /* twice the bytes */
        { "\"dtype\":\"BF16\"", "\"dtype\":\"I8\"", ENT_ECORRUPT },
        { "\"shape\":[40,32]", "\"shape\":[32,40]", ENT_ECORRUPT },
        { "\"shape\":[40,32]", "\"shape\":[4,32]", ENT_ECORRUPT },
        { "\"shape\":[40,32]", "\"shape\":[0,32]", ENT_ECORRUPT },
        { "\"shape\":[40,32]", "\"shape\":[1280]", ENT_ECORRUPT },
        { "\"format\":\"I4\"", "\"format\":\"I3\"", ENT_ECORRUPT }, /* words that I3 does not have */
        { "\"format\":\"I4\"", "\"format\":\"U4\"", ENT_ECORRUPT },
        { "\"format\":\"F16\"", "\"format\":\"I16\"", ENT_ECORRUPT },
        { "\"rows\":40", "\"rows\":32", ENT_ECORRUPT },
        { "\"rows\":40", "\"rows\":0", ENT_ECORRUPT },
        { "{\"name\":\"scales\"", "{\"name\":\"zeros\"", ENT_ECORRUPT },
        { "{\"name\":\"scales\"", "{\"name\":\"codes\"", ENT_ECORRUPT },
        { "\"parts\"", "\"pints\"", ENT_ECORRUPT },
        { "\"name\":\"ids\"", "\"name\":\"w64\"", ENT_ECORRUPT },
        { "{\"format\"", "[\"format\"", ENT_ECORRUPT },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        lie(lies[i].from, lies[i].to, lies[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transform_comes_back_as_it_says),
        cmocka_unit_test(each_matrix_by_its_own_pipeline),
        cmocka_unit_test(what_is_kept_stays),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(a_container_gives_the_model_back),
        cmocka_unit_test(shards_come_back_as_a_folder),
        cmocka_unit_test(axes_are_one_or_five),
        cmocka_unit_test(the_report_adds_up),
        cmocka_unit_test(refusals_name_the_tensor),
        cmocka_unit_test(manifests_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
