/* test_target.c - targets' files and their mistakes, predictions against closed forms, and the bench. */
#include <dirent.h>

#include "test.h"

/* A model target: DRAM GB/s, decoders, entries, intake; 2 GHz, two symbols a cycle and decoder. */
static const char *const layout =
    "name: toy\n"                                                             /* 1 */
    "brief: a toy\n"                                                          /* 2 */
    "kind: model\n"                                                           /* 3 */
    "clock_ghz: { value: 2, status: assumed, source: test }\n"                /* 4 */
    "memory: [ { name: M, gbps: { value: %s, status: paper, source: test } } ]\n" /* 5 */
    "intake_weights_per_cycle: { value: %s, status: derived, source: test }\n"/* 6 */
    "decoders:\n"                                                             /* 7 */
    "  - coder: huffman\n"                                                    /* 8 */
    "    count: { value: %s, status: second-hand, source: test }\n"           /* 9 */
    "    entries: { value: %s, status: paper, source: test }\n"               /* 10 */
    "    symbols_per_cycle: { value: 2, status: paper, source: test }\n";     /* 11 */

static ent_status read_text(ent_target **target, const char *text, ent_error *error)
{
    const char *path = scratch_path("toy.yaml");
    write_file(path, text, strlen(text));
    return ent_target_read(target, path, error);
}

static ent_target *toy(const char *dram, const char *intake, const char *count, const char *entries)
{
    char text[2000];
    ent_target *target;
    ent_error error;
    snprintf(text, sizeof text, layout, dram, intake, count, entries);
    if (read_text(&target, text, &error)) fail_msg("%s", error.text);
    return target;
}

/* A 16-bit word cut into fields of these widths, the first raw, the others with `coder`. */
static ent_recipe cut(const char *coder, const uint8_t *bits, uint8_t fields)
{
    ent_recipe r = { .word_width = 2, .split = { .word_bits = 16, .fields = fields }, .block = 65536 };
    uint8_t low = 16;
    for (uint8_t i = 0; i < fields; i++) {
        low = (uint8_t)(low - bits[i]);
        r.split.field[i].ranges = 1;
        r.split.field[i].range[0] = (ent_range){ low, bits[i] };
        snprintf(r.split.field[i].name, sizeof r.split.field[i].name, "field%u", i);
        const ent_coder *c = ent_coder_find(i ? coder : "raw");
        assert_non_null(c);
        assert_ok(ent_coder_spec_init(&r.spec[i], c, 1u << bits[i]));
    }
    return r;
}

static const uint8_t huff_llm[] = { 1, 5, 5, 5 };

static void expect(ent_target *target, const ent_recipe *recipe, double bits, double rate, double raw,
                   const char *limit)
{
    ent_prediction p;
    ent_error error;
    if (ent_target_predict(target, recipe, bits, 0, &p, &error)) fail_msg("%s", error.text);
    assert_close(p.weights_per_ns, rate, 1e-9 * rate);
    assert_close(p.raw_weights_per_ns, raw, 1e-9 * raw);
    assert_string_equal(p.limit, limit);
    ent_target_free(target);
}

static void predictions_are_the_closed_forms(void **state)
{
    (void)state;
    ent_recipe three = cut("huffman", huff_llm, 4), none = cut("huffman", (const uint8_t[]){ 16 }, 1);
    /* memory: 64 bytes a ns = 512 bits a ns; 8 bits a weight give 64 weights a ns, 16 give 32 */
    expect(toy("64", "128", "384", "32"), &three, 8, 64, 32, "memory");
    /* intake: 20 weights a cycle at 2 GHz */
    expect(toy("64", "20", "384", "32"), &three, 8, 40, 32, "intake");
    expect(toy("64", "10", "384", "32"), &three, 8, 20, 20, "intake");
    /* decoders: 12 x 2 symbols a cycle x 2 GHz / 3 fields */
    expect(toy("64", "128", "12", "32"), &three, 8, 16, 32, "decoder");
    /* nothing coded: no decoder is asked */
    expect(toy("64", "128", "1", "2"), &none, 16, 32, 32, "memory");
}

static void two_groups_of_decoders_share_the_fields(void **state)
{
    (void)state;
    char text[3000];
    int n = snprintf(text, sizeof text, layout, "1000", "1000", "6", "16"); /* 16 entries: 24 symbols a ns */
    snprintf(text + n, sizeof text - (size_t)n,
             "  - coder: huffman\n    count: { value: 5, status: paper, source: test }\n"
             "    entries: { value: 256, status: paper, source: test }\n" /* 20 symbols a ns */
             "    symbols_per_cycle: { value: 2, status: paper, source: test }\n");
    ent_target *target;
    ent_recipe r = cut("huffman", (const uint8_t[]){ 4, 4, 4, 4 }, 4),
               wide = cut("huffman", (const uint8_t[]){ 4, 4, 8 }, 3);
    assert_ok(read_text(&target, text, NULL));
    expect(target, &r, 8, 8, 500, "decoder"); /* three narrow fields in the first group */
    assert_ok(read_text(&target, text, NULL));
    expect(target, &wide, 8, 20, 500, "decoder"); /* one in each */
}

static void what_cannot_be_decoded_is_said(void **state)
{
    (void)state;
    ent_target *target = toy("64", "128", "384", "32");
    ent_prediction p;
    ent_error error;
    ent_recipe wide = cut("huffman", (const uint8_t[]){ 8, 8 }, 2), other = wide, fits = cut("huffman", huff_llm, 4);
    assert_status(ent_target_predict(target, &wide, 10, 0, &p, &error), ENT_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "field1"));
    assert_non_null(strstr(error.text, "256"));
    for (size_t i = 0; ent_coders[i]; i++) {
        if (!strcmp(ent_coders[i]->name, "raw") || !strcmp(ent_coders[i]->name, "huffman")) continue;
        other.spec[1].coder = ent_coders[i];
        assert_status(ent_target_predict(target, &other, 10, 0, &p, &error), ENT_EUNSUPPORTED);
        assert_non_null(strstr(error.text, ent_coders[i]->name));
    }
    assert_status(ent_target_predict(target, &fits, 0, 0, &p, &error), ENT_EINVAL);
    ent_target_free(target);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    static const struct { const char *from, *to, *place, *word; } mistake[] = {
        { "gbps", "gpbs", "toy.yaml:5:", "gpbs" },
        { "source: test } } ]\nintake", "sauce: test } } ]\nintake", "toy.yaml:5:", "sauce" },
        { "status: paper, source: test } } ]", "status: paper } } ]", "toy.yaml:5:", "source" },
        { "status: paper, source", "status: measured, source", "toy.yaml:5:", "command" },
        { "memory: [ { name: M, gbps: { value: 64, status: paper, source: test } } ]\n", "", "toy.yaml:", "memory" },
        { "decoders:", "execution: 7\ndecoders:", "toy.yaml:7:", "" },
        { "decoders:", "rates: [ { codec: raw, dtype: BF16, threads: 1, gbps: 3 } ]\ndecoders:", "toy.yaml:7:",
          "rates" },
        { "    entries", "    entrys", "toy.yaml:10:", "entrys" },
        { "status: derived", "status: rumour", "toy.yaml:6:", "rumour" },
        { "value: 64", "value: 64GB", "toy.yaml:5:", "value" },
        { "value: 64", "value: -64", "toy.yaml:5:", "value" },
        { "value: 64", "value: 1e999", "toy.yaml:5:", "value" },
        { "value: 64", "value: nan", "toy.yaml:5:", "value" },
        { "coder: huffman", "coder: hufman", "toy.yaml:8:", "coder" },
        { "name: toy\n", "name: toy\nname: boy\n", "toy.yaml:2:", "name" },
        { "name: toy\n", "", "toy.yaml:", "name" },
        { "kind: model", "kind: host", "toy.yaml:4:", "clock_ghz" },
        { "clock_ghz: { value: 2, status: assumed, source: test }\n", "", "toy.yaml:", "clock_ghz" },
        { "name: toy", "name: [toy", "toy.yaml:1:", "" },
        { "brief: a toy", "brief: *anchor", "toy.yaml:", "" },
        { "decoders:\n", "...\n---\ndecoders:\n", "toy.yaml:", "" },
    };
    char good[2000], bad[2000];
    snprintf(good, sizeof good, layout, "64", "128", "384", "32");
    for (size_t i = 0; i < sizeof mistake / sizeof *mistake; i++) {
        const char *at = strstr(good, mistake[i].from);
        assert_non_null(at);
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, mistake[i].to, at + strlen(mistake[i].from));
        ent_target *target;
        ent_error error = { 0 };
        ent_status status = read_text(&target, bad, &error);
        if (status != ENT_ECORRUPT || !strstr(error.text, mistake[i].place) || !strstr(error.text, mistake[i].word))
            fail_msg("'%s': %s: %s", mistake[i].to, ent_status_text(status), error.text);
        assert_null(target);
    }
}

static void files_that_are_none(void **state)
{
    (void)state;
    ent_target *target;
    ent_error error;
    assert_status(ent_target_read(&target, scratch_path("no such file"), &error), ENT_EIO);
    assert_non_null(strstr(error.text, "no such file"));
    assert_status(ent_target_read(&target, scratch(), &error), ENT_EIO); /* a folder */
    assert_status(read_text(&target, "", &error), ENT_ECORRUPT);
    assert_status(read_text(&target, "# only a remark\n", &error), ENT_ECORRUPT);
    assert_status(read_text(&target, "- a\n- b\n", &error), ENT_ECORRUPT);
    assert_status(read_text(&target, "\xff\xfe", &error), ENT_ECORRUPT);
    const char *path = scratch_path("zero.yaml");
    char good[2000];
    int size = snprintf(good, sizeof good, layout, "64", "128", "384", "32");
    write_file(path, good, (size_t)size + 1); /* the string's end as well */
    assert_status(ent_target_read(&target, path, &error), ENT_ECORRUPT);
    char *large = calloc(1, (1 << 20) + 2);
    assert_non_null(large);
    memset(large, '#', (1 << 20) + 1);
    assert_status(read_text(&target, large, &error), ENT_ECORRUPT);
    free(large);
}

/* Any cut of a good file and any changed byte: an answer, not a crash. */
static void damage_is_survived(void **state)
{
    (void)state;
    char good[2000], bad[2000];
    int size = snprintf(good, sizeof good, layout, "64", "128", "384", "32");
    ent_random r;
    ent_random_seed(&r, 3, 0);
    for (int trial = 0; trial < 2000; trial++) {
        ent_target *target;
        memcpy(bad, good, (size_t)size + 1);
        if (trial % 2) bad[ent_random_below(&r, (uint64_t)size)] = '\0';
        else bad[ent_random_below(&r, (uint64_t)size)] = (char)(1 + ent_random_below(&r, 255));
        ent_status status = read_text(&target, bad, NULL);
        assert_true(status == ENT_OK || status == ENT_ECORRUPT);
        assert_true((status == ENT_OK) == (target != NULL));
        ent_target_free(target);
    }
}

static void shipped_targets_read(void **state)
{
    (void)state;
    DIR *folder = opendir("analyses/targets");
    assert_non_null(folder);
    unsigned hosts = 0, models = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[400], file[300];
        if (!strstr(entry->d_name, ".yaml")) continue;
        snprintf(path, sizeof path, "analyses/targets/%s", entry->d_name);
        ent_target *target;
        ent_error error;
        if (ent_target_read(&target, path, &error)) fail_msg("%s", error.text);
        snprintf(file, sizeof file, "%s.yaml", ent_target_name(target)); /* found by its name */
        assert_string_equal(file, entry->d_name);
        *(ent_target_kind_of(target) == ENT_TARGET_HOST ? &hosts : &models) += 1;
        ent_target_free(target);
    }
    closedir(folder);
    assert_int_equal(hosts, 1);
    assert_true(models >= 3);
}

/* The gain that the paper reports (latency cut of 31.5 % at 16/1.46 bits, memory-bound), and none at
 * 256 GB/s. */
static void huff_llm_is_reproduced(void **state)
{
    (void)state;
    ent_recipe r = cut("huffman", huff_llm, 4);
    static const char *const name[] = { "systolic-64", "systolic-128", "simba-64" };
    for (size_t i = 0; i < 3; i++) {
        char path[100];
        ent_target *target;
        ent_prediction p;
        snprintf(path, sizeof path, "analyses/targets/huff-llm-%s.yaml", name[i]);
        assert_ok(ent_target_read(&target, path, NULL));
        assert_ok(ent_target_predict(target, &r, 10.96, 0, &p, NULL));
        assert_close(1 - p.raw_weights_per_ns / p.weights_per_ns, 0.315, 0.0005);
        ent_target_free(target);
    }
    ent_prediction p;
    ent_target *wide = toy("256", "64", "192", "32"); /* the same array: 128 weights a ns */
    assert_ok(ent_target_predict(wide, &r, 10.96, 0, &p, NULL));
    assert_close(p.raw_weights_per_ns / p.weights_per_ns, 1, 1e-12);
    ent_target_free(wide);
}

/* ---- measuring -------------------------------------------------------------------------------- */

/* BF16 words whose exponents are three values with probabilities 1/2, 1/4, 1/4: 1.5 bits. */
static void fill(uint16_t *words, size_t n)
{
    ent_random r;
    ent_random_seed(&r, 5, 0);
    for (size_t i = 0; i < n; i++) {
        static const uint16_t exponent[4] = { 120, 120, 121, 122 };
        words[i] = (uint16_t)((uint32_t)exponent[i % 4] << 7 | (ent_random_bits(&r) & 0x807f));
    }
}

static void the_bench_measures_what_it_says(void **state)
{
    (void)state;
    enum { N = 300000 }; /* not a whole number of blocks */
    guarded words = guarded_new(2 * N);
    fill((uint16_t *)(void *)words.data, N);
    ent_codec *codec;
    ent_bench b;
    assert_ok(ent_codec_parse(&codec, "*: word=raw block=16k", NULL));
    for (unsigned threads = 1; threads <= 3; threads++) {
        assert_ok(ent_bench_words(codec, "BF16", words.data, N, threads, threads, &b, NULL));
        assert_true(b.verified);
        assert_int_equal(b.weights, N);
        assert_int_equal(b.bytes, 2 * N);
        assert_int_equal(b.tally.payload_bits, 16 * N);
        assert_int_equal(b.tally.table_bits, 0);
        assert_true(b.tally.index_bits > 0 && b.tally.index_bits < N / 10);
        assert_close(b.bound_bits, 16, 1e-9);
        assert_true(b.encode_gbps > 0 && b.decode_gbps > 0 && b.memcpy_gbps > 0);
        assert_true(b.decode_median_gbps <= b.decode_gbps && b.memcpy_median_gbps <= b.memcpy_gbps);
    }
    ent_codec_free(codec);
    assert_ok(ent_codec_parse(&codec, "float: exponent=huffman rest=raw block=16k", NULL));
    assert_ok(ent_bench_words(codec, "BF16", words.data, N, 2, 2, &b, NULL));
    assert_true(b.verified);
    assert_close(b.bound_bits, 9.5, 1e-4);
    assert_close((double)b.tally.payload_bits / N, 9.5, 0.02); /* powers of 1/2: Huffman reaches the entropy */
    assert_true(b.tally.table_bits > 0 && b.tally.table_bits < 8000);
    ent_error error;
    assert_status(ent_bench_words(codec, "BF16", words.data, 0, 1, 1, &b, &error), ENT_EINVAL);
    assert_status(ent_bench_words(codec, "BF16", words.data, N, 1, 0, &b, &error), ENT_EINVAL);
    ent_codec_free(codec);
    guarded_free(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_are_the_closed_forms),
        cmocka_unit_test(two_groups_of_decoders_share_the_fields),
        cmocka_unit_test(what_cannot_be_decoded_is_said),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(shipped_targets_read),
        cmocka_unit_test(huff_llm_is_reproduced),
        cmocka_unit_test(the_bench_measures_what_it_says),
    };
    return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
