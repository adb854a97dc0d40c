/* test_batch.c - plans in many processes, from within: shares, claims, rates, records that meet; and a plan of 120,000
 * cells from its text to merged records. */
#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../analyses/batch/claims.h"
#include "../analyses/batch/folder.h"
#include "../analyses/batch/rates.h"
#include "../analyses/batch/shares.h"
#include "../analyses/batch/slurm.h"
#include "test.h"

static void read_plan(struct plan *plan, const char *text)
{
    const char *path = scratch_path("plan.yaml");
    ent_error error;
    write_file(path, text, strlen(text));
    if (plan_read(plan, path, &error)) fail_msg("%s", error.text);
}

static const char *const four =
    "name: four\nmodels: [a, b, c, d]\ncodecs: [raw, huffman]\ntargets: [s, t]\nmeasures: [stats, size]\n";

/* ---- shares ------------------------------------------------------------------------------------------------------ */

static void equal_models_are_dealt_out(void **state)
{
    (void)state;
    struct plan plan;
    const uint64_t bytes[4] = { 100, 100, 100, 100 };
    uint32_t share[20];
    read_plan(&plan, four);
    assert_int_equal(plan.cells, 20);
    assert_ok(shares_make(share, &plan, bytes, 3, NULL));
    /* the groups of a model: statistics, then both targets of raw, then of huffman; every third to a shard */
    for (size_t i = 0; i < 20; i++) assert_int_equal(share[i], (i / 5 * 3 + (i % 5 + 1) / 2) % 3);
    assert_ok(shares_make(share, &plan, bytes, 1, NULL));
    for (size_t i = 0; i < 20; i++) assert_int_equal(share[i], 0);
    plan_free(&plan);
}

static void large_models_get_shards_of_their_own(void **state)
{
    (void)state;
    struct plan plan;
    const uint64_t bytes[4] = { 10, 900, 10, 900 };
    uint32_t share[20];
    uint64_t load[4] = { 0 };
    read_plan(&plan, four);
    assert_ok(shares_make(share, &plan, bytes, 4, NULL));
    for (size_t first = 0; first < 20; first = group_end(&plan, first)) load[share[first]] += bytes[first / 5];
    for (int i = 0; i < 4; i++)
        assert_in_range(load[i], 900, 1860); /* 5460 in all; greedy is within 4/3 of the best, 1365 */
    uint64_t most = 0;
    for (int i = 0; i < 4; i++) most = load[i] > most ? load[i] : most;
    assert_true(most <= 1820);
    plan_free(&plan);
}

static void bytes_of_models_are_asked_once(void **state)
{
    (void)state;
    struct plan plan;
    uint64_t bytes[2], again[2];
    char text[600];
    const char *model = scratch_path("two.safetensors"), *folder = scratch_path("run");
    static const char head[] = "{\"w\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}";
    uint8_t file[8 + sizeof head - 1 + 8] = { sizeof head - 1 };
    memcpy(file + 8, head, sizeof head - 1);
    write_file(model, file, sizeof file);
    snprintf(text, sizeof text,
             "name: p\nmodels: [%s]\ngenerated:\n  - { name: g, make: normal, dtype: F32, weights: 1000 }\nmeasures: "
             "[stats]\n",
             model);
    read_plan(&plan, text);
    assert_ok(folder_make(folder, NULL));
    assert_ok(model_bytes(bytes, &plan, folder, NULL));
    assert_int_equal(bytes[0], sizeof file);
    assert_int_equal(bytes[1], 4000);
    unlink(model); /* another task may find it gone: it must share out alike */
    assert_ok(model_bytes(again, &plan, folder, NULL));
    assert_memory_equal(bytes, again, sizeof bytes);
    snprintf(plan.hash, sizeof plan.hash, "another");
    assert_ok(model_bytes(again, &plan, folder, NULL));
    assert_int_equal(again[0], 0);
    plan_free(&plan);
}

static void tasks_of_slurm_find_their_share(void **state)
{
    (void)state;
    static const struct {
        const char *id, *least, *step, *count, *task, *tasks;
        uint64_t shard, shards;
    } c[] = {
        { NULL, NULL, NULL, NULL, NULL, NULL, 0, 0 }, { "3", "3", "1", "4", NULL, NULL, 1, 4 },
        { "9", "3", "2", "4", NULL, NULL, 4, 4 },     { NULL, NULL, NULL, NULL, "2", "5", 3, 5 },
        { "4", "3", "1", "2", "1", "3", 5, 6 },       { "2", "3", "1", "2", NULL, NULL, 0, 0 },
        { "7", "3", "1", "2", NULL, NULL, 0, 0 },     { "x", "3", "1", "2", NULL, NULL, 0, 0 },
        { "1", "1", "1", "1", "0", "1", 0, 0 },       { "1", "1", "0", "2", NULL, NULL, 0, 0 },
    };
    static const char *const name[] = { "SLURM_ARRAY_TASK_ID",    "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP",
                                        "SLURM_ARRAY_TASK_COUNT", "SLURM_PROCID",         "SLURM_STEP_NUM_TASKS" };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        const char *value[] = { c[i].id, c[i].least, c[i].step, c[i].count, c[i].task, c[i].tasks };
        uint64_t shard = 0, shards = 0;
        for (int k = 0; k < 6; k++)
            if (value[k]) setenv(name[k], value[k], 1);
            else unsetenv(name[k]);
        slurm_shard(&shard, &shards);
        assert_int_equal(shard, c[i].shard);
        assert_int_equal(shards, c[i].shards);
    }
    for (int k = 0; k < 6; k++) unsetenv(name[k]);
}

/* ---- claims: two files open as two processes have them ----------------------------------------------------------- */

static unsigned swept;
static void sweep(const char *folder) { swept += strlen(folder) > 0; }

static void a_cell_is_claimed_once(void **state)
{
    (void)state;
    const char *folder = scratch_path("claims");
    struct claims a, b;
    assert_ok(folder_make(folder, NULL));
    assert_ok(claims_open(&a, folder, 10, NULL));
    assert_ok(claims_open(&b, folder, 10, NULL));
    assert_true(a.locks);
    assert_int_equal(claims_take(&a, 3), CLAIM_TAKEN);
    assert_int_equal(claims_take(&b, 3), CLAIM_BUSY);
    assert_true(claims_busy(&b, 3) && !claims_busy(&b, 4));
    assert_int_equal(claims_take(&b, 4), CLAIM_TAKEN);
    claims_release(&a, 3, true);
    assert_int_equal(claims_take(&b, 3), CLAIM_DONE);
    claims_release(&b, 4, false); /* not done after all */
    assert_int_equal(claims_take(&a, 4), CLAIM_TAKEN);
    struct claims late; /* one that begins now believes the records, which may be gone */
    assert_ok(claims_open(&late, folder, 10, NULL));
    assert_int_equal(claims_take(&late, 3), CLAIM_TAKEN);
    assert_int_equal(claims_take(&late, 4), CLAIM_BUSY);
    claims_close(&a); /* as a process that dies */
    assert_int_equal(claims_take(&late, 4), CLAIM_TAKEN);
    claims_close(&late);
    claims_close(&b);
}

static void processes_have_numbers(void **state)
{
    (void)state;
    const char *folder = scratch_path("numbers");
    struct claims c[3];
    assert_ok(folder_make(folder, NULL));
    for (int i = 0; i < 3; i++) assert_ok(claims_open(&c[i], folder, 5, NULL));
    swept = 0;
    assert_int_equal(claims_number(&c[0], 0, sweep, folder), 1);
    assert_int_equal(swept, 1);
    assert_int_equal(claims_number(&c[1], 0, sweep, folder), 2);
    assert_int_equal(claims_number(&c[2], 7, sweep, folder), 1); /* of another shard */
    assert_int_equal(swept, 1);
    assert_int_equal(claims_processes(&c[0]), 2);
    claims_close(&c[0]);
    assert_int_equal(claims_processes(&c[1]), 1);
    for (int i = 1; i < 3; i++) claims_close(&c[i]);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static struct record record_of(const struct plan *plan, size_t cell)
{
    const struct plan_cell *c = &plan->cell[cell];
    return (struct record){ .cell = cell,
                            .key = c->key,
                            .model = c->model->name,
                            .codec = c->codec,
                            .target = c->target,
                            .kind = "host",
                            .outcome = "ok",
                            .model_hash = "h",
                            .weights = 1000,
                            .bits_per_weight = 10 + 1.0 / (double)(cell + 1),
                            .bound_bits = 10,
                            .decode_gbps = NAN,
                            .input_bytes = 2000,
                            .seconds = 0.5,
                            .time = "now" };
}

static void records_that_meet(void **state)
{
    (void)state;
    struct plan plan;
    struct records a, b;
    ent_error error;
    read_plan(&plan, four);
    assert_ok(records_init(&a, &plan, NULL));
    assert_ok(records_init(&b, &plan, NULL));
    struct record same = record_of(&plan, 1), failed = record_of(&plan, 2), good = failed, other = record_of(&plan, 3);
    struct field_record field = { .cell = 2, .model = "a", .field = "exponent", .bits = 2.5 };
    failed.outcome = "damaged data";
    assert_ok(records_add(&a, &same, NULL));
    assert_ok(records_add(&a, &failed, NULL));
    same.seconds = 9, same.decode_gbps = 3, same.time = "later"; /* times may differ */
    assert_ok(records_add(&b, &same, NULL));
    assert_ok(records_add(&b, &good, NULL));
    assert_ok(records_add_field(&b, &field, NULL));
    assert_ok(records_add(&b, &other, NULL));
    assert_ok(records_merge(&a, &b, &error));
    assert_int_equal(a.rows, 3);
    assert_int_equal(a.fields, 1);
    assert_true(record_ok(records_find(&a, 2)));        /* what was done stands for what failed */
    assert_close(records_find(&a, 1)->seconds, 0.5, 0); /* of two that agree, the first */
    assert_ok(records_merge(&a, &b, &error));           /* again: nothing twice */
    assert_int_equal(a.fields, 1);
    struct records c;
    assert_ok(records_init(&c, &plan, NULL));
    other.bits_per_weight += 1e-9;
    assert_ok(records_add(&c, &other, NULL));
    assert_status(records_merge(&a, &c, &error), ENT_ECHECK);
    assert_non_null(strstr(error.text, "bits_per_weight"));
    ent_free(c.version);
    c.version = ent_alloc(10);
    strcpy(c.version, "9.9");
    assert_status(records_merge(&a, &c, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "9.9"));
    struct record beyond = record_of(&plan, 1);
    beyond.cell = plan.cells;
    assert_status(records_add(&a, &beyond, &error), ENT_ECORRUPT);
    records_free(&a), records_free(&b), records_free(&c);
    plan_free(&plan);
}

static void records_travel_as_json(void **state)
{
    (void)state;
    struct plan plan;
    struct record back;
    struct field_record f = { .cell = 7,
                              .model = "m",
                              .scope = "role",
                              .name = "n",
                              .dtype = "BF16",
                              .field = "exponent",
                              .estimator = "plugin",
                              .count = (uint64_t)1 << 60,
                              .bits = 2.0 / 3,
                              .stderr_bits = NAN },
                        f_back;
    read_plan(&plan, four);
    struct record r = record_of(&plan, 11);
    json_t *object = record_object(&r);
    char *text = json_dumps(object, 0);
    json_decref(object);
    object = json_loads(text, 0, NULL);
    assert_true(record_from_object(&back, object));
    assert_true(back.bits_per_weight == r.bits_per_weight && isnan(back.decode_gbps)); /* every bit of it */
    assert_string_equal(back.key, r.key);
    assert_int_equal(back.cell, 11);
    free(text), json_decref(object);
    object = field_object(&f);
    text = json_dumps(object, 0);
    json_decref(object);
    object = json_loads(text, 0, NULL);
    assert_true(field_from_object(&f_back, object));
    assert_true(f_back.bits == f.bits && isnan(f_back.stderr_bits) && f_back.count == f.count);
    assert_false(record_from_object(&back, object));
    free(text), json_decref(object);
    plan_free(&plan);
}

static void times_to_come_are_those_of_their_kind(void **state)
{
    (void)state;
    struct plan plan;
    struct records records;
    struct rates rates;
    const uint64_t bytes[4] = { 1000, 2000, 3000, 4000 };
    read_plan(&plan, four);
    assert_ok(records_init(&records, &plan, NULL));
    assert_ok(rates_init(&rates, &plan, NULL));
    assert_true(isnan(rates_seconds(&rates, 0, 1000)));
    struct record r = record_of(&plan, 1); /* of the first model: 1000 bytes */
    r.seconds = 4;
    assert_ok(records_add(&records, &r, NULL));
    r = record_of(&plan, 6); /* the same codec and target, 2000 bytes */
    r.seconds = 2;
    assert_ok(records_add(&records, &r, NULL));
    r = record_of(&plan, 7);
    r.outcome = "out of memory", r.seconds = 1000; /* tells nothing */
    assert_ok(records_add(&records, &r, NULL));
    rates_add(&rates, &plan, &records, bytes);
    assert_close(rates_seconds(&rates, 11, 3000), 6, 1e-12);
    assert_close(rates_seconds(&rates, 12, 3000), 6, 1e-12); /* a kind that nobody measured: the mean */
    rates_free(&rates);
    assert_ok(rates_init(&rates, &plan, NULL));
    rates_add(&rates, &plan, &records, NULL); /* of another run: by the bytes in the records, 2000 each */
    assert_close(rates_seconds(&rates, 1, 2000), 3, 1e-12);
    rates_free(&rates);
    records_free(&records);
    plan_free(&plan);
}

/* ---- 500 models, 30 codecs, 8 targets ---------------------------------------------------------------------------- */

enum { MODELS = SANITIZED ? 20 : 500, CODECS = 30, TARGETS = 8, SHARDS = SANITIZED ? 10 : 100 };

static char *large_plan(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs("name: large\ngenerated:\n", f);
    for (int i = 0; i < MODELS; i++)
        fprintf(f, "  - { name: model-%d, make: normal, dtype: BF16, weights: %d, seed: %d }\n", i,
                1000000 + 7919 * i % 999983 * 1000, i + 1);
    fputs("codecs:\n", f);
    for (int i = 0; i < CODECS; i++)
        fprintf(f, "  - \"BF16: exponent=huffman(max=%d) rest=raw block=%dk\"\n", 8 + i % 5, 64 << i / 5);
    fputs("targets: [", f);
    for (int i = 0; i < TARGETS; i++) fprintf(f, "%starget-%d", i ? ", " : "", i);
    fputs("]\nmeasures: [stats, size, predict]\n", f);
    fclose(f);
    return text;
}

static void write_shard(const struct plan *plan, const uint32_t *share, uint32_t shard, const char *folder)
{
    struct records records;
    ent_error error;
    char name[60], path[PATH_MAX];
    assert_ok(records_init(&records, plan, NULL));
    for (size_t i = 0; i < plan->cells; i++) {
        struct record r = record_of(plan, i);
        struct field_record f = { .cell = i,
                                  .model = r.model,
                                  .scope = "model",
                                  .name = "model",
                                  .dtype = "BF16",
                                  .field = "exponent",
                                  .estimator = "plugin",
                                  .bits = 2.5 };
        if (share[i] != shard) continue;
        assert_ok(records_add(&records, &r, NULL));
        if (!r.codec) assert_ok(records_add_field(&records, &f, NULL));
    }
    snprintf(name, sizeof name, "records-%u-of-%d.h5", shard + 1, SHARDS);
    assert_ok(folder_path(path, folder, name, NULL));
    if (records_write(&records, path, &error)) fail_msg("%s", error.text);
    records_free(&records);
}

static void a_large_plan_is_shared_and_merged(void **state)
{
    (void)state;
    struct plan plan;
    char *text = large_plan();
    const char *folder = scratch_path("large");
    const size_t cells = (size_t)MODELS * (CODECS * TARGETS + 1);
    struct records all;
    ent_error error;
    read_plan(&plan, text);
    assert_int_equal(plan.cells, cells);
    uint64_t *bytes = calloc(plan.models, sizeof *bytes);
    uint32_t *share = calloc(plan.cells, sizeof *share);
    assert_ok(folder_make(folder, NULL));
    assert_ok(model_bytes(bytes, &plan, folder, NULL));
    assert_ok(shares_make(share, &plan, bytes, SHARDS, NULL));
    for (uint32_t shard = 0; shard < SHARDS; shard++) write_shard(&plan, share, shard, folder);
    if (folder_records(&all, folder, NULL, &error)) fail_msg("%s", error.text);
    assert_ok(records_sort(&all, NULL));
    assert_int_equal(all.rows, cells);
    assert_int_equal(all.fields, MODELS);
    for (size_t i = 0; i < cells; i++) {
        assert_int_equal(all.row[i].cell, i);
        assert_string_equal(all.row[i].key, plan.cell[i].key);
    }
    for (size_t i = 1; i < all.fields; i++) assert_true(all.field[i - 1].cell < all.field[i].cell);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    print_message("%zu cells, %d files: %.1f s of processor, peak %ld MB\n", cells, SHARDS,
                  (double)usage.ru_utime.tv_sec + 1e-6 * (double)usage.ru_utime.tv_usec, usage.ru_maxrss / 1000);
    records_free(&all);
    free(bytes), free(share), free(text);
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_models_are_dealt_out),
        cmocka_unit_test(large_models_get_shards_of_their_own),
        cmocka_unit_test(bytes_of_models_are_asked_once),
        cmocka_unit_test(tasks_of_slurm_find_their_share),
        cmocka_unit_test(a_cell_is_claimed_once),
        cmocka_unit_test(processes_have_numbers),
        cmocka_unit_test(records_that_meet),
        cmocka_unit_test(records_travel_as_json),
        cmocka_unit_test(times_to_come_are_those_of_their_kind),
        cmocka_unit_test(a_large_plan_is_shared_and_merged),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
