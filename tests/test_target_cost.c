/* test_target_cost.c - the cost model against closed forms: stages, energy, area, cores, levels, measured rows. */
#include <math.h>

#include "test.h"

/* A machine whose numbers are small primes or powers of two, so that every product tells where it comes from. */
static const char *const accelerator =
    "name: toy\nbrief: a toy\nkind: model\n"
    "clock_ghz: { value: 2, status: assumed, source: test }\n"
    "memory:\n"
    "  - name: far\n"
    "    capacity_bytes: { value: 1000000, status: paper, source: test }\n"
    "    gbps: { value: 64, status: paper, source: test }\n"
    "    pj_per_bit: { value: 5, status: paper, source: test }\n"
    "  - name: near\n"
    "    capacity_bytes: { value: 1000, status: paper, source: test }\n"
    "    gbps: { value: 512, status: paper, source: test }\n"
    "    pj_per_bit: { value: 0.5, status: paper, source: test }\n"
    "compute:\n"
    "  macs_per_cycle: { value: 1024, status: paper, source: test }\n"
    "  pj_per_mac: { value: 3, status: paper, source: test }\n"
    "  area_um2_per_mac: { value: 7, status: paper, source: test }\n"
    "intake_weights_per_cycle: { value: 100, status: paper, source: test }\n"
    "fill_cycles: { value: 10, status: paper, source: test }\n"
    "drain_cycles: { value: 20, status: paper, source: test }\n"
    "decoders:\n"
    "  - coder: huffman\n"
    "    count: { value: 48, status: paper, source: test }\n"
    "    entries: { value: 32, status: paper, source: test }\n"
    "    symbols_per_cycle: { value: 1, status: paper, source: test }\n"
    "    longest_code_bits: { value: 16, status: paper, source: test }\n"
    "    area_um2: { value: 11, status: paper, source: test }\n"
    "    pj_per_symbol: { value: 0.25, status: paper, source: test }\n"
    "    latency_cycles: { value: 4, status: paper, source: test }\n";

/* Four cores without decoders; vectors, a date and a command for what was measured. */
static const char *const processor =
    "name: cpu\nbrief: a processor\nkind: %s\n"
    "clock_ghz: { value: 3, status: assumed, source: test }\n"
    "cores: { value: 4, status: measured, command: lscpu, date: 2026-01-01 }\n"
    "memory:\n"
    "  - name: M\n"
    "    gbps: { value: 100, status: paper, source: test }\n"
    "    gbps_per_core: { value: 30, status: paper, source: test }\n"
    "execution:\n"
    "  operations_per_cycle: { value: 2, status: paper, source: test }\n"
    "  loads_per_cycle: { value: 0.25, status: paper, source: test }\n"
    "  load_latency_cycles: { value: 5, status: paper, source: test }\n"
    "  multiply_latency_cycles: { value: 3, status: paper, source: test }\n"
    "  branch_cycles: { value: 7, status: paper, source: test }\n"
    "  pj_per_cycle: { value: 13, status: paper, source: test }\n"
    "%s";

static ent_target *read_target(const char *text)
{
    ent_target *target;
    ent_error error;
    const char *path = scratch_path("toy.yaml");
    write_file(path, text, strlen(text));
    if (ent_target_read(&target, path, &error)) fail_msg("%s", error.text);
    return target;
}

static ent_recipe recipe_of(const char *text, const char *dtype)
{
    ent_codec *codec;
    ent_recipe recipe;
    assert_ok(ent_codec_parse(&codec, text, NULL));
    assert_ok(ent_codec_bind(codec, dtype, &recipe, NULL));
    ent_codec_free(codec);
    return recipe;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want))) fail_msg("%.12g, expected %.12g", got, want);
}

static void a_layer_takes_its_slowest_stage(void **state)
{
    (void)state;
    ent_target *t = read_target(accelerator);
    ent_recipe three = recipe_of("huff-llm", "F16"), raw = recipe_of("raw", "F16");
    ent_layer_cost c;
    ent_workload w = { .rows = 64, .cols = 100, .vectors = 1 };
    assert_ok(ent_target_cost(t, &three, 10, &w, &c, NULL));
    near(c.memory_ns, 6400 * 10 / 512.);          /* 64 GB/s are 512 bits a ns */
    near(c.decode_ns, 6400 * 3 / (48 * 2.));      /* three symbols a weight, 48 decoders at 2 GHz */
    near(c.intake_ns, 6400 / 200.);
    near(c.mac_ns, 6400 / 2048.);
    near(c.fill_ns, (10 + 4) / 2.);
    near(c.drain_ns, 10);
    near(c.time_ns, 7 + 200 + 10);
    assert_string_equal(c.limit, "decoder");
    near(c.memory_pj, 6400 * 10 * 5.5);
    near(c.decode_pj, 6400 * 3 * 0.25);
    near(c.mac_pj, 6400 * 3);
    near(c.energy_pj, 352000 + 4800 + 19200);
    w.vectors = 500; /* arithmetic binds: 500 products a weight */
    assert_ok(ent_target_cost(t, &three, 10, &w, &c, NULL));
    near(c.time_ns, 17 + 6400 * 500 / 2048.);
    assert_string_equal(c.limit, "compute");
    near(c.mac_pj, 6400 * 500 * 3.);
    w.vectors = 1;
    assert_ok(ent_target_cost(t, &raw, 16, &w, &c, NULL));
    near(c.time_ns, 5 + 200 + 10); /* 16 bits at 512 a ns; no decoder to fill */
    assert_string_equal(c.limit, "memory");
    near(c.energy_pj, 6400 * (16 * 5.5 + 3));
    ent_target_free(t);
}

static void a_small_model_is_read_from_the_nearer_level(void **state)
{
    (void)state;
    ent_target *t = read_target(accelerator);
    ent_recipe raw = recipe_of("raw", "F16");
    ent_layer_cost c;
    ent_error error;
    ent_workload w = { .rows = 10, .cols = 10, .vectors = 1, .model_bytes = 1000 };
    assert_ok(ent_target_cost(t, &raw, 16, &w, &c, NULL));
    near(c.memory_ns, 1600 / 4096.);
    near(c.memory_pj, 1600 * 0.5);
    w.model_bytes = 1001;
    assert_ok(ent_target_cost(t, &raw, 16, &w, &c, NULL));
    near(c.memory_ns, 1600 / 512.);
    near(c.memory_pj, 1600 * 5.5);
    w.model_bytes = 1000001;
    assert_status(ent_target_cost(t, &raw, 16, &w, &c, &error), ENT_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "holds"));
    ent_target_free(t);
}

static void area_follows_the_bits_of_the_table(void **state)
{
    (void)state;
    ent_target *t = read_target(accelerator);
    ent_recipe three = recipe_of("huff-llm", "F16"), two = recipe_of("huff-llm", "BF16");
    ent_prediction p;
    assert_ok(ent_target_predict(t, &three, 10, 0, &p, NULL));
    near(p.area_um2, 48 * 11);
    near(p.pj_per_weight, 10 * 5.5 + 3 * 0.25);
    near(p.raw_pj_per_weight, 16 * 5.5);
    assert_ok(ent_target_predict(t, &two, 10, 0, &p, NULL));
    near(p.decoder_weights_per_ns, 48);
    near(ent_target_decoder_um2(t, "huffman", 32, 16), 11);
    near(ent_target_decoder_um2(t, "huffman", 256, 32), 11 * (256. * (32 + 8 + 5)) / (32. * (16 + 5 + 4)));
    assert_true(isnan(ent_target_decoder_um2(t, "tans", 32, 16)));
    near(ent_target_compute_um2(t), 1024 * 7);
    ent_target_free(t);
}

/* Each resource in turn is the scarce one, with operation counts of no coder in particular. */
static void cores_decode_at_the_pace_of_what_is_scarce(void **state)
{
    (void)state;
    char text[2000];
    snprintf(text, sizeof text, processor, "model", "");
    ent_target *t = read_target(text);
    ent_prediction p;
    for (size_t i = 0; ent_coders[i]; i++) {
        ent_recipe r = { .word_width = 1, .split = { .word_bits = 8, .fields = 1 } };
        r.split.field[0] = (ent_field){ .name = "word", .ranges = 1, .range = { { 0, 8 } } };
        if (!strcmp(ent_coders[i]->name, "raw")) continue;
        assert_ok(ent_coder_spec_init(&r.spec[0], ent_coders[i], 256));
        const ent_ops *o = &ent_coders[i]->ops;
        double work = (o->lookups + o->multiplies + o->simple + o->branches) / 2, load = o->lookups / 0.25;
        double latency = 4 * (o->lookups < 1 ? o->lookups : 1) + 2 * (o->multiplies < 1 ? o->multiplies : 1);
        double chain = (o->chain + latency) / o->lanes;
        double cycles = (work > load ? work : load);
        cycles = (cycles > chain ? cycles : chain) + 7 * o->branches;
        if (!ent_coders[i]->decode_words) cycles += 3 * 1e-6 / (8 * 30); /* GHz x bits / what a core draws */
        assert_ok(ent_target_predict(t, &r, 1e-6, 0, &p, NULL)); /* so few bits that memory does not bind */
        near(p.decoder_weights_per_ns, 4 * 3 / cycles);
        near(p.weights_per_ns, 12 / cycles);
        assert_ok(ent_target_predict(t, &r, 1e-6, 3, &p, NULL));
        near(p.decoder_weights_per_ns, 9 / cycles);
        assert_ok(ent_target_predict(t, &r, 8, 2, &p, NULL)); /* two cores draw 60 GB/s, four would 100 */
        near(p.memory_weights_per_ns, 60);
        assert_ok(ent_target_predict(t, &r, 8, 9, &p, NULL));
        near(p.memory_weights_per_ns, 100);
    }
    assert_int_equal(ent_target_threads(t), 4);
    ent_target_free(t);
}

/* A loop for vectors counts where the machine has registers for it, and the widest it has. */
static void vectors_take_the_place_of_plain_loops(void **state)
{
    (void)state;
    ent_recipe r = recipe_of("word=tiered", "F8_E4M3");
    const ent_ops *o = &r.spec[0].coder->ops;
    for (unsigned bytes = 16; bytes <= 64; bytes *= 2) {
        char text[2000], more[200];
        ent_prediction p;
        snprintf(more, sizeof more, "  vector_bytes: { value: %u, status: paper, source: test }\n"
                 "  vectors_per_cycle: { value: 0.5, status: paper, source: test }\n", bytes);
        snprintf(text, sizeof text, processor, "model", more);
        ent_target *t = read_target(text);
        assert_ok(ent_target_predict(t, &r, 1e-6, 0, &p, NULL));
        if (bytes == 16) assert_true(p.decoder_weights_per_ns < 12 * 0.5 / o->vector32.vectors);
        else if (bytes == 32) near(p.decoder_weights_per_ns, 12 / (o->vector32.vectors / 0.5 + (o->vector32.all - o->vector32.vectors) / 2));
        else near(p.decoder_weights_per_ns, 12 / (o->vector64.vectors / 0.5 + (o->vector64.all - o->vector64.vectors) / 2));
        ent_target_free(t);
    }
}

static void what_was_measured_is_not_computed(void **state)
{
    (void)state;
    char text[4000];
    snprintf(text, sizeof text, processor, "measured",
             "measured: { command: entropy bench, date: 2026-01-01, cpu: a cpu }\n"
             "rates:\n"
             "  - { codec: raw, dtype: BF16, threads: 4, gbps: 90 }\n"
             "  - { codec: huffman, dtype: BF16, threads: 1, gbps: 3 }\n"
             "  - { codec: huffman, dtype: BF16, threads: 4, cache: cold, gbps: 10, pj_per_weight: 17 }\n"
             "  - { codec: huffman, dtype: BF16, threads: 4, cache: warm, gbps: 20 }\n");
    ent_target *t = read_target(text);
    ent_prediction p;
    ent_layer_cost c;
    ent_recipe r = recipe_of("huffman scope=role block=8k", "BF16"), other = recipe_of("huff-llm", "BF16"),
               f16 = recipe_of("huffman", "F16");
    assert_ok(ent_target_predict(t, &r, 11, 0, &p, NULL));
    assert_string_equal(p.limit, "measured");
    near(p.weights_per_ns, 5);
    near(p.raw_weights_per_ns, 45);
    near(p.pj_per_weight, 17);
    assert_ok(ent_target_predict(t, &r, 11, 1, &p, NULL));
    near(p.weights_per_ns, 1.5);
    assert_true(isnan(p.raw_weights_per_ns));
    assert_ok(ent_target_predict(t, &other, 11, 0, &p, NULL)); /* not measured: computed */
    assert_string_not_equal(p.limit, "measured");
    assert_ok(ent_target_predict(t, &f16, 11, 0, &p, NULL));
    assert_string_not_equal(p.limit, "measured");
    ent_workload w = { .rows = 10, .cols = 20, .vectors = 1 };
    assert_ok(ent_target_cost(t, &r, 11, &w, &c, NULL));
    near(c.time_ns, 200 / 5.);
    assert_string_equal(c.limit, "measured");
    near(c.decode_pj, 200 * 17);
    ent_target_free(t);
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    static const struct { const char *kind, *more, *word; } mistake[] = {
        { "measured", "", "measured" },
        { "measured", "measured: { command: c, date: d, cpu: e }\n", "rates" },
        { "model", "measured: { command: c, date: d, cpu: e }\n", "measured" },
        { "measured", "measured: { command: c, date: d, cpu: e }\nrates: [ { codec: nonsense, dtype: BF16, threads: 1, "
          "gbps: 1 } ]\n", "codec" },
        { "measured", "measured: { command: c, date: d, cpu: e }\nrates: [ { codec: raw, dtype: BF17, threads: 1, "
          "gbps: 1 } ]\n", "dtype" },
        { "measured", "measured: { command: c, date: d, cpu: e }\nrates: [ { codec: raw, dtype: BF16, threads: 0, "
          "gbps: 1 } ]\n", "threads" },
        { "measured", "measured: { command: c, date: d, cpu: e }\nrates: [ { codec: raw, dtype: BF16, threads: 1, "
          "gbps: fast } ]\n", "gbps" },
        { "measured", "measured: { command: c, date: d, cpu: e }\nrates: [ { codec: raw, dtype: BF16, threads: 1, "
          "cache: hot, gbps: 1 } ]\n", "cache" },
        { "host", "", "clock_ghz" },
    };
    for (size_t i = 0; i < sizeof mistake / sizeof *mistake; i++) {
        char text[4000];
        ent_target *t;
        ent_error error = { 0 };
        const char *path = scratch_path("bad.yaml");
        snprintf(text, sizeof text, processor, mistake[i].kind, mistake[i].more);
        write_file(path, text, strlen(text));
        ent_status status = ent_target_read(&t, path, &error);
        if (status != ENT_ECORRUPT || !strstr(error.text, mistake[i].word))
            fail_msg("%zu: %s: %s", i, ent_status_text(status), error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_takes_its_slowest_stage),
        cmocka_unit_test(a_small_model_is_read_from_the_nearer_level),
        cmocka_unit_test(area_follows_the_bits_of_the_table),
        cmocka_unit_test(cores_decode_at_the_pace_of_what_is_scarce),
        cmocka_unit_test(vectors_take_the_place_of_plain_loops),
        cmocka_unit_test(what_was_measured_is_not_computed),
        cmocka_unit_test(mistakes_are_refused),
    };
    return cmocka_run_group_tests_name("target cost", tests, NULL, NULL);
}
