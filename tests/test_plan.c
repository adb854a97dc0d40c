/* test_plan.c - plans: what they say, their mistakes with the line, cells in order, shards; records and
 * their tables; places of labels. */
#include <math.h>

#include <hdf5.h>

#include "../analyses/label.h"
#include "../analyses/plan.h"
#include "../analyses/record.h"
#include "test.h"

static const char *const good =
    "name: small\n"                                                           /* 1 */
    "models: [a.safetensors, b.safetensors]\n"                                /* 2 */
    "generated:\n"                                                            /* 3 */
    "  - { name: made, make: normal, dtype: BF16, weights: 1000, seed: 7 }\n" /* 4 */
    "codecs:\n"                                                               /* 5 */
    "  - raw\n"                                                               /* 6 */
    "  - \"float: exponent=rans rest=raw\"\n"                                 /* 7 */
    "targets: [host, toy]\n"                                                  /* 8 */
    "measures: [stats, size, speed]\n"                                        /* 9 */
    "runs: 3\n"                                                               /* 10 */
    "seed: 9\n";                                                              /* 11 */

static ent_status read_text(struct plan *plan, const char *text, ent_error *error)
{
    const char *path = scratch_path("small.yaml");
    write_file(path, text, strlen(text));
    return plan_read(plan, path, error);
}

static void a_plan_is_read(void **state)
{
    (void)state;
    struct plan plan;
    ent_error error;
    if (read_text(&plan, good, &error)) fail_msg("%s", error.text);
    assert_string_equal(plan.name, "small");
    assert_string_equal(plan.text, good);
    assert_int_equal(plan.models, 3);
    assert_null(plan.model[1].make);
    assert_string_equal(plan.model[2].make, "normal");
    assert_string_equal(plan.model[2].dtype, "BF16");
    assert_int_equal(plan.model[2].weights, 1000);
    assert_int_equal(plan.model[2].seed, 7);
    assert_int_equal(plan.measures, MEASURE_STATS | MEASURE_SIZE | MEASURE_SPEED);
    assert_int_equal(plan.runs, 3);
    assert_int_equal(plan.seed, 9);
    assert_int_equal(strlen(plan.hash), 32);
    plan_free(&plan);
}

static void cells_come_in_order(void **state)
{
    (void)state;
    static const char *const key[] = {
        "a.safetensors/stats", "a.safetensors/raw/host", "a.safetensors/raw/toy",
        "a.safetensors/float: exponent=rans rest=raw/host", "a.safetensors/float: exponent=rans rest=raw/toy",
        "b.safetensors/stats", "b.safetensors/raw/host", "b.safetensors/raw/toy",
        "b.safetensors/float: exponent=rans rest=raw/host", "b.safetensors/float: exponent=rans rest=raw/toy",
        "made/stats", "made/raw/host", "made/raw/toy",
        "made/float: exponent=rans rest=raw/host", "made/float: exponent=rans rest=raw/toy",
    };
    struct plan plan;
    assert_ok(read_text(&plan, good, NULL));
    assert_int_equal(plan.cells, sizeof key / sizeof *key);
    for (size_t i = 0; i < plan.cells; i++) assert_string_equal(plan.cell[i].key, key[i]);
    plan_free(&plan);
}

static void all_codecs_and_presets(void **state)
{
    (void)state;
    struct plan plan;
    size_t named = 0;
    while (ent_codecs[named].name && !ent_codecs[named].aside) named++;
    assert_ok(read_text(&plan, "name: p\nmodels: [m]\ncodecs: [all]\ntargets: [t]\nmeasures: [size]\n", NULL));
    assert_int_equal(plan.codecs, named);
    assert_int_equal(plan.cells, named); /* no statistics asked */
    assert_int_equal(plan.runs, 5);
    assert_int_equal(plan.seed, 1);
    assert_int_equal(plan.sample_bytes, 0);
    plan_free(&plan);
    assert_ok(read_text(&plan, "name: p\nmodels: [m]\ncodecs: [all]\ntargets: [t]\nmeasures: [word-intervals]\n", NULL));
    assert_int_equal(plan.measures, MEASURE_STATS | MEASURE_WORD_INTERVALS);
    assert_int_equal(plan.cells, 1); /* statistics alone */
    plan_free(&plan);
    assert_ok(read_text(&plan, "name: p\nmodels: [m]\nmeasures: [stats]\n", NULL)); /* no codecs needed */
    assert_int_equal(plan.cells, 1);
    assert_int_equal(plan.estimators, 2);
    assert_string_equal(plan.estimator[1]->name, "miller-madow");
    plan_free(&plan);
    assert_ok(read_text(&plan, "name: p\nmodels: [m]\nmeasures: [stats]\nestimators: [nsb, renyi-2]\n", NULL));
    assert_int_equal(plan.estimators, 2);
    assert_ptr_equal(plan.estimator[0], ent_estimator_find("nsb"));
    assert_ptr_equal(plan.estimator[1], ent_estimator_find("renyi-2"));
    plan_free(&plan);
    assert_ok(read_text(&plan, "name: p\nmodels: [m]\nmeasures: [stats]\nestimators: [all]\n", NULL));
    for (size_t i = 0; i < plan.estimators; i++) assert_ptr_equal(plan.estimator[i], ent_estimators[i]);
    assert_null(ent_estimators[plan.estimators]);
    plan_free(&plan);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    static const struct { const char *from, *to, *place, *word; } mistake[] = {
        { "targets:", "tragets:", "small.yaml:8:", "tragets" },
        { "runs: 3", "rnus: 3", "small.yaml:10:", "rnus" },
        { "dtype: BF16", "dytpe: BF16", "small.yaml:4:", "dytpe" },
        { "seed: 9", "seed: 9\nseed: 10", "small.yaml:12:", "seed" },
        { "runs: 3", "runs: three", "small.yaml:10:", "runs" },
        { "runs: 3", "runs: 0", "small.yaml:10:", "runs" },
        { "runs: 3", "runs: 3k", "small.yaml:10:", "runs" },
        { "runs: 3", "runs: -3", "small.yaml:10:", "runs" },
        { "runs: 3", "runs: [3]", "small.yaml:10:", "" },
        { "seed: 9", "seed: 99999999999999999999", "small.yaml:11:", "seed" },
        { "seed: 9", "sample_mib: 0", "small.yaml:11:", "sample_mib" },
        { "seed: 9", "seconds: 0", "small.yaml:11:", "seconds" },
        { "weights: 1000", "weights: many", "small.yaml:4:", "weights" },
        { "[stats, size, speed]", "[stats, sise]", "small.yaml:9:", "sise" },
        { "[stats, size, speed]", "[]", "small.yaml:9:", "measures" },
        { "[stats, size, speed]", "stats", "small.yaml:9:", "" },
        { "  - raw\n", "  - row\n", "small.yaml:6:", "row" },
        { "exponent=rans", "exponent=", "small.yaml:7:", "" },
        { "[host, toy]", "[host, host]", "small.yaml:8:", "host" },
        { "[host, toy]", "[]", "small.yaml:", "targets" },
        { "b.safetensors", "made", "small.yaml:", "made" },
        { "name: small", "name: ../small", "small.yaml:1:", "name" },
        { "name: small\n", "", "small.yaml:", "name" },
        { "runs: 3", "estimators: [plugin, guess]", "small.yaml:10:", "guess" },
        { "runs: 3", "estimators: [all, nsb]", "small.yaml:10:", "twice" },
        { "measures: [stats, size, speed]\n", "", "small.yaml:", "measures" },
        { "name: small", "name: &anchor small\nbrief: *anchor", "small.yaml:", "" },
    };
    for (size_t i = 0; i < sizeof mistake / sizeof *mistake; i++) {
        const char *at = strstr(good, mistake[i].from);
        char bad[2000];
        assert_non_null(at);
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, mistake[i].to, at + strlen(mistake[i].from));
        struct plan plan;
        ent_error error = { 0 };
        ent_status status = read_text(&plan, bad, &error);
        if (status != ENT_ECORRUPT || !strstr(error.text, mistake[i].place) || !strstr(error.text, mistake[i].word))
            fail_msg("'%s': %s: %s", mistake[i].to, ent_status_text(status), error.text);
        assert_null(plan.file);
    }
    struct plan plan;
    ent_error error;
    assert_status(plan_read(&plan, scratch_path("none.yaml"), &error), ENT_EIO);
    assert_non_null(strstr(error.text, "none.yaml"));
}

/* ---- records ---------------------------------------------------------------------------------- */

static struct record sample(const char *key, uint64_t cell, const char *codec, const char *target)
{
    return (struct record){ .cell = cell,
                            .key = key,
                            .model = "m",
                            .codec = codec,
                            .target = target,
                            .kind = "host",
                            .outcome = "ok",
                            .weights = 10,
                            .bits_per_weight = 10.5,
                            .bound_bits = 10.25,
                            .gap_bits = 0.25,
                            .file_bits_per_weight = NAN,
                            .decode_gbps = 2,
                            .memcpy_gbps = 4,
                            .decode_per_memcpy = 0.5,
                            .weights_per_ns = NAN,
                            .payload_bits = 105,
                            .cpu = "c\tpu|&_",
                            .time = "now" };
}

static void records_travel_through_a_file(void **state)
{
    (void)state;
    struct plan plan = { .name = "p", .text = "the plan's text\n", .hash = "0123", .cells = 7 };
    struct records records, back;
    ent_error error;
    const char *path = scratch_path("records.h5");
    assert_ok(records_init(&records, &plan, &error));
    for (uint64_t i = 0; i < 5; i++) {
        char key[20];
        snprintf(key, sizeof key, "m/c%d/host", (int)i);
        struct record r = sample(key, 6 - i, key + 2, "host");
        assert_ok(records_add(&records, &r, &error));
        struct field_record f = { .cell = 6 - i,
                                  .model = "m",
                                  .scope = "model",
                                  .field = i % 2 ? "odd" : "even",
                                  .bits = 1.5,
                                  .stderr_bits = NAN,
                                  .low_bits = 1.25,
                                  .high_bits = NAN,
                                  .count = UINT64_MAX };
        assert_ok(records_add_field(&records, &f, &error));
        assert_ok(records_write(&records, path, &error));
    }
    assert_ok(records_read(&back, path, &error));
    assert_ok(records_sort(&back, &error));
    assert_int_equal(back.rows, 5);
    assert_int_equal(back.fields, 5);
    assert_int_equal(back.cells, 7);
    assert_string_equal(back.plan_text, plan.text);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(back.row[i].cell, 2 + i);
        assert_int_equal(back.field[i].cell, 2 + i);
        assert_close(back.row[i].bits_per_weight, 10.5, 0);
        assert_true(isnan(back.row[i].file_bits_per_weight) && isnan(back.field[i].stderr_bits));
        assert_true(back.field[i].low_bits == 1.25 && isnan(back.field[i].high_bits));
        assert_string_equal(back.row[i].cpu, "c\tpu|&_");
        assert_string_equal(back.row[i].reason, "");
        assert_true(back.field[i].count == UINT64_MAX);
        assert_string_equal(back.field[i].field, i % 2 ? "odd" : "even");
    }
    struct record again = sample("m/c3/host", 3, "c3/host", "host"); /* takes the place of the one that is there */
    again.outcome = "damaged data";
    assert_ok(records_add(&back, &again, &error));
    assert_int_equal(back.rows, 5);
    assert_false(record_ok(records_find(&back, 3)));
    assert_true(record_ok(records_find(&back, 2)));
    assert_null(records_find(&back, 1));
    struct records other;
    struct plan changed = plan;
    snprintf(changed.hash, sizeof changed.hash, "4567");
    assert_ok(records_init(&other, &changed, &error));
    assert_status(records_merge(&other, &back, &error), ENT_EINVAL);
    records_free(&other);
    records_free(&back);
    records_free(&records);
}

static void what_is_no_record_file_is_refused(void **state)
{
    (void)state;
    struct records records;
    ent_error error;
    const char *path = scratch_path("text.h5");
    assert_status(records_read(&records, scratch_path("absent.h5"), &error), ENT_EIO);
    write_file(path, "no HDF5", 7);
    assert_status(records_read(&records, path, &error), ENT_ECORRUPT);
    assert_null(records.row);
    struct plan plan = { .name = "p", .text = "", .hash = "0" };
    assert_ok(records_init(&records, &plan, &error));
    assert_ok(records_write(&records, path, &error));
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), row = H5Tcreate(H5T_COMPOUND, 8),
          space = H5Screate(H5S_SCALAR);
    H5Tinsert(row, "cell", 0, H5T_NATIVE_UINT64); /* all other columns are missing */
    H5Ldelete(file, "records", H5P_DEFAULT);
    H5Dclose(H5Dcreate2(file, "records", row, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(row), H5Sclose(space), H5Fclose(file);
    records_free(&records);
    assert_status(records_read(&records, path, &error), ENT_ECORRUPT);
    assert_status(records_write(&records, "/no/such/folder/r.h5", &error), ENT_EIO);
}

static char *printed(const struct records *records, enum record_table table, enum table_style style)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    records_print(records, table, style, file);
    fclose(file);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

static void tables_say_what_they_should(void **state)
{
    (void)state;
    struct plan plan = { .name = "p", .text = "", .hash = "0", .cells = 4 };
    struct records records;
    struct record r[3] = { sample("m/a/host", 0, "a", "host"), sample("m/a/model", 1, "a", "model"),
                           sample("m/b_/host", 2, "b_", "host") };
    r[1].kind = "model", r[1].outcome = "unsupported", r[1].reason = "no decoder";
    r[2].outcome = "damaged data", r[2].reason = r[2].size_problem = "broken";
    r[2].weights = 0, r[2].bits_per_weight = NAN, r[2].decode_gbps = NAN;
    assert_ok(records_init(&records, &plan, NULL));
    for (int i = 0; i < 3; i++) assert_ok(records_add(&records, &r[i], NULL));
    char *sizes = printed(&records, TABLE_SIZES, STYLE_TSV), *times = printed(&records, TABLE_TIMES, STYLE_TSV);
    char *predictions = printed(&records, TABLE_PREDICTIONS, STYLE_MARKDOWN),
         *tex = printed(&records, TABLE_SIZES, STYLE_LATEX);
    assert_int_equal(count_of(sizes, "\n"), 3); /* headings, one row a codec */
    assert_non_null(strstr(sizes, "m\ta\t10\t10.500000\t10.250000\t0.250000\t\t105\t"));
    assert_non_null(strstr(sizes, "m\tb_\t0\t\t")); /* what was not measured is empty */
    assert_non_null(strstr(sizes, "broken"));
    assert_null(strstr(sizes, "now")); /* nothing of the machine */
    assert_null(strstr(sizes, "gbps"));
    assert_int_equal(count_of(times, "\n"), 3);
    assert_non_null(strstr(times, "c pu|&_")); /* a tab would have made a column */
    assert_int_equal(count_of(predictions, "\n"), 3); /* headings, rule, one row */
    assert_non_null(strstr(predictions, "no decoder"));
    assert_non_null(strstr(tex, "b\\_"));
    free(sizes), free(times), free(predictions), free(tex);
    records_free(&records);
}

/* ---- labels ----------------------------------------------------------------------------------- */

static void labels_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 18 };
    const struct box frame = { 0, 30, 0, 23 };
    ent_random r;
    ent_random_seed(&r, 4, 0);
    for (int trial = 0; trial < 10; trial++) {
        struct label label[N];
        for (int i = 0; i < N; i++) /* half of them crowded */
            label[i] = (struct label){ .x = i % 2 ? 15 + 2 * ent_random_uniform(&r) : 30 * ent_random_uniform(&r),
                                       .y = i % 2 ? 10 + ent_random_uniform(&r) : 23 * ent_random_uniform(&r),
                                       .text_width = 2 + i % 5 };
        labels_place(label, N, frame, NULL, 0);
        for (int i = 0; i < N; i++) {
            const struct label *a = &label[i];
            assert_true(a->left >= 0 && a->left + a->text_width <= 30 && a->middle >= 0.5 && a->middle <= 22.5);
            for (int j = 0; j < N; j++) {
                const struct label *b = &label[j];
                bool text = j < i && a->left < b->left + b->text_width && b->left < a->left + a->text_width &&
                            fabs(a->middle - b->middle) < 1;
                bool point = b->x > a->left && b->x < a->left + a->text_width && fabs(b->y - a->middle) < 0.5;
                if (text || point) fail_msg("trial %d: label %d hides %s %d", trial, i, text ? "label" : "point", j);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_read),
        cmocka_unit_test(cells_come_in_order),
        cmocka_unit_test(all_codecs_and_presets),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(records_travel_through_a_file),
        cmocka_unit_test(what_is_no_record_file_is_refused),
        cmocka_unit_test(tables_say_what_they_should),
        cmocka_unit_test(labels_do_not_overlap),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
