/* test_container_damage.c - containers that are damaged, lie, or cannot be written. */
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "containers.h"

/* ---- damage -------------------------------------------------------------------------------------------------- */

/* A byte in the middle of block `k` of tensor `i`. */
static size_t place_in_block(const char *path, size_t i, hsize_t first_word)
{
    char name[40];
    hsize_t size;
    haddr_t address;
    unsigned mask;
    snprintf(name, sizeof name, "/tensors/%zu", i);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(H5Dget_chunk_info_by_coord(set, &first_word, &mask, &address, &size) >= 0);
    H5Dclose(set);
    H5Fclose(file);
    return (size_t)(address + size / 2);
}

/* Of a contiguous dataset. */
static size_t place_of(const char *path, const char *name)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT);
    haddr_t address = H5Dget_offset(set);
    assert_true(address != HADDR_UNDEF);
    H5Dclose(set);
    H5Fclose(file);
    return (size_t)address;
}

static void damage(const char *path, size_t at, uint8_t flip)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    assert_true(at < size);
    data[at] ^= flip;
    write_file(path, data, size);
    free(data);
}

static void a_damaged_block_is_named(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("damaged.ent"), *back = scratch_path("damaged.back");
    findings f;
    char at[40];
    assert_done(compress_model(model, "raw block=1k", path, 2, NULL));
    size_t place = place_in_block(path, 0, 2048);
    damage(path, place, 1);
    assert_status(verify(path, model, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    snprintf(at, sizeof at, "at byte %zu", place - (2 * 1024 + 4) / 2);
    if (!strstr(f.text[0], "\"model.embed_tokens.weight\", block 2") || !strstr(f.text[0], at))
        fail_msg("%s (expected %s)", f.text[0], at);
    ent_container *container = open_container(path);
    ent_weights *weights = open_model(model);
    uint8_t *out = malloc(1 << 20);
    for (size_t i = 0; i < ent_container_tensors(container); i++) {
        ent_status status = ent_container_read(container, i, out, NULL, &failure);
        assert_status(status, i ? ENT_OK : ENT_ECORRUPT);
        if (i)
            assert_memory_equal(out, ent_weights_tensor(weights, i)->bytes.data,
                                ent_weights_tensor(weights, i)->bytes.size);
    }
    assert_status(ent_container_extract(container, back, NULL, &failure), ENT_ECORRUPT);
    assert_non_null(strstr(failure.text, "block 2"));
    assert_int_equal(count_files(scratch(), "damaged.back"), 0); /* neither the file nor a part of it */
    write_file(back, "old", 3);
    assert_status(ent_container_extract(container, back, NULL, &failure), ENT_ECORRUPT);
    assert_int_equal(count_files(scratch(), "damaged.back"), 1); /* the older file stays */
    free(out);
    ent_weights_close(weights);
    ent_container_close(container);
}

/* Of several damaged blocks the first is named, whichever thread is quicker. */
static void the_first_damaged_block_is_named(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("two-damaged.ent");
    const ent_run run = { .threads = 2 };
    uint8_t *out = malloc(1 << 20);
    assert_done(compress_model(model, "raw block=64", path, 2, NULL));
    size_t first = place_in_block(path, 0, 3 * 64), second = place_in_block(path, 0, 4 * 64);
    damage(path, first, 1);
    damage(path, second, 1);
    for (int i = 0; i < 50; i++) {
        ent_container *container = open_container(path);
        assert_status(ent_container_read(container, 0, out, &run, &failure), ENT_ECORRUPT);
        if (!strstr(failure.text, "block 3,")) fail_msg("%s", failure.text);
        ent_container_close(container);
    }
    free(out);
}

static void note_shapes(void *context, const char *text) { *(bool *)context |= strstr(text, "/shapes") != NULL; }

/* Whether the bytes at `path` are refused, found damaged, or give the model back; and each tensor by itself.  The list of
 * shapes is for other programs: damage to it alone is found, and the model comes back all the same. */
static void survive(const char *path, const uint8_t *model, size_t size, const ent_weights *weights)
{
    static uint8_t tensor[1 << 12];
    ent_container *container;
    const char *back = scratch_path("survive.back");
    const ent_run one = { .threads = 1 };
    if (ent_container_open(&container, path, &failure)) return;
    for (size_t i = 0; i < ent_container_tensors(container); i++)
        if (!ent_container_read(container, i, tensor, &one, &failure))
            assert_memory_equal(tensor, ent_weights_tensor(weights, i)->bytes.data,
                                ent_weights_tensor(weights, i)->bytes.size);
    bool shapes = false;
    ent_status verified = ent_container_verify(container, NULL, &one, note_shapes, &shapes, &failure);
    ent_status status = ent_container_extract(container, back, &one, &failure);
    if (!shapes || !verified) assert_int_equal(!verified, !status);
    ent_container_close(container);
    if (status) return;
    size_t n;
    uint8_t *data = read_file(back, &n);
    assert_int_equal(n, size);
    assert_memory_equal(data, model, size);
    free(data);
    unlink(back);
}

static void flips_and_cuts_are_survived(void **state)
{
    (void)state;
    static const spec small[] = { { "a", "BF16", 20, 10, 2 }, { "b", "I8", 30, 3, 2 }, { "c", "F32", 3, 3, 1 } };
    const char *model = scratch_path("small.safetensors"), *path = scratch_path("small.ent"),
               *bad = scratch_path("bad.ent");
    size_t size, model_size;
    write_model(model, small, 3, 9, "", "");
    assert_done(compress_model(model, "huffman block=64", path, 1, NULL));
    size_t tables = place_of(path, "/tables");
    uint8_t *data = read_file(path, &size), *original = read_file(model, &model_size), *copy = malloc(size);
    ent_weights *weights = open_model(model);
    for (size_t i = 0, step; i < size; i += step) {
        step = i > tables && i < tables + 64 ? 1 : 5;
        memcpy(copy, data, size);
        copy[i] ^= (uint8_t)(1 << i % 8);
        write_file(bad, copy, size);
        survive(bad, original, model_size, weights);
    }
    ent_weights_close(weights);
    for (size_t cut = 0; cut < size; cut += 13) {
        ent_container *container;
        write_file(bad, data, cut);
        assert_int_not_equal(ent_container_open(&container, bad, &failure), ENT_OK);
        assert_null(container);
    }
    free(copy);
    free(original);
    free(data);
}

static void lies_of_the_index_are_refused(void **state)
{
    (void)state;
    static const spec two[] = { { "a", "BF16", 20, 10, 2 }, { "b", "BF16", 30, 3, 2 } };
    static const char *const lies[][2] = {
        { "\"lies.safetensors\"", "\"../lies.safetensors\"" },
        { "\"lies.safetensors\"", "\"/tmp/lies\"" },
        { "\"lies.safetensors\"", "\"..\"" },
        { "\"lies.safetensors\"", "\"\"" },
        { "\"lies.safetensors\"", "7" },
        { "\"libentropy container\"", "\"something else\"" },
        { "\"version\":1", "\"version\":4" },
        { "\"version\":1", "\"version\":-1" },
        { "\"block\":64", "\"block\":0" },
        { "\"block\":64", "\"block\":65" },
        { "\"block\":64", "\"block\":9223372036854775807" },
        { "\"scope\":\"tensor\"", "\"scope\":\"world\"" },
        { "\"shape\":[20,10]", "\"shape\":[20,11]" },
        { "\"shape\":[20,10]", "\"shape\":[-20,-10]" },
        { "\"shape\":[20,10]", "\"shape\":[4611686018427387904,16]" },
        { "\"bytes\":400", "\"bytes\":401" },
        { "\"bytes\":400", "\"bytes\":9223372036854775807" },
        { "\"file\":0", "\"file\":1" },
        { "\"offset\":", "\"offset\":9" },  /* beyond the end of the file */
        { "\"offset\":5", "\"offset\":1" }, /* over the first tensor's bytes */
        { "\"recipe\":0", "\"recipe\":9" },
        { "\"tables\":[]", "\"tables\":[0]" },
        { "\"tables\":[]", "\"tables\":[[1,\"00000000\"]]" },
        { "\"text\":\"word=raw\"", "\"text\":\"word=rawr\"" },
        { "\"dtype\":\"BF16\",\"text\"", "\"dtype\":\"BF17\",\"text\"" },
        { "\"name\":\"a\"", "\"name\":[]" },
    };
    const char *model = scratch_path("lies.safetensors"), *path = scratch_path("lies.ent");
    write_model(model, two, 2, 10, "", "");
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        ent_container *container;
        assert_done(compress_model(model, "raw block=64", path, 1, NULL));
        edit_index(path, lies[i][0], lies[i][1]);
        ent_status status = ent_container_open(&container, path, &failure);
        if (status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED)
            fail_msg("%s: %s", lies[i][1], ent_status_text(status));
        assert_null(container);
    }
    /* offsets that are in order but not those of the file: its checksum tells */
    findings f;
    assert_done(compress_model(model, "raw block=64", path, 1, NULL));
    edit_index(path, "\"xxh3\":\"", "\"xxh3\":\"0000000000000000\",\"x\":\"");
    assert_status(verify(path, NULL, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    assert_non_null(strstr(f.text[0], "checksum"));
    assert_status(verify(path, model, &f), ENT_ECHECK);
}

static void a_damaged_table_is_named(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("table.ent");
    findings f;
    assert_done(compress_model(model, "huffman scope=tensor", path, 1, NULL));
    edit_index(path, "\"tables\":[[", "\"tables\":[[0,\"00000000\"],["); /* all ids are now one off */
    ent_container *container;
    assert_done(ent_container_open(&container, path, &failure));
    ent_container_close(container);
    assert_status(verify(path, NULL, &f), ENT_ECHECK);
    assert_true(f.n >= 1);
    if (!strstr(f.text[0], "model.embed_tokens.weight")) fail_msg("%s", f.text[0]);
}

static void another_model_is_told_apart(void **state)
{
    (void)state;
    const char *model = mixed_model(), *other = scratch_path("other.safetensors"), *path = scratch_path("o.ent");
    findings f;
    size_t size, first = 0;
    assert_done(compress_model(model, "raw block=1k", path, 2, NULL));
    uint8_t *data = read_file(model, &size);
    ent_weights *weights = open_model(model);
    first = ent_weights_tensor(weights, 0)->offset + 2 * 1024 + 7; /* block 1 */
    ent_weights_close(weights);
    data[first] ^= 1;
    write_file(other, data, size);
    assert_status(verify(path, other, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
    char expected[200];
    snprintf(expected, sizeof expected, "tensor \"model.embed_tokens.weight\", block 1: differs at byte %zu", first);
    if (!strstr(f.text[0], expected)) fail_msg("%s, expected %s", f.text[0], expected);
    free(data);
    write_model(other, mixed, MIXED - 1, 1, " \n ", "   \t"); /* another size */
    assert_status(verify(path, other, &f), ENT_ECHECK);
    assert_int_equal(f.n, 1);
}

/* ---- files that cannot be written ------------------------------------------------------------------------------ */

/* In a child, as the limit cannot be taken back: files of at most `limit` bytes. */
static int compress_on_small_disk(const char *model, const char *path, rlim_t limit)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit r = { limit, limit };
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &r);
        ent_weights *weights = NULL;
        ent_codec *codec = NULL;
        const ent_run run = { .threads = 1 }; /* no thread pool in a forked child */
        ent_status status = ent_weights_open(&weights, model, &failure);
        if (!status) status = ent_codec_parse(&codec, "raw block=1k", &failure);
        if (!status) status = ent_container_write(path, weights, codec, NULL, &run, NULL, &failure);
        if (status && (!strstr(failure.text, "small-disk") || !strstr(failure.text, "File too large"))) status = 99;

        _exit((int)status);
    }
    int result = 0;
    assert_true(child > 0 && waitpid(child, &result, 0) == child);
    if (!WIFEXITED(result))
        fail_msg("killed by signal %d at a limit of %lu bytes", WTERMSIG(result), (unsigned long)limit);
    return WEXITSTATUS(result);
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    const char *model = mixed_model(), *path = scratch_path("small-disk.ent");
    struct stat st;
    assert_done(compress_model(model, "raw block=1k", path, 1, NULL));
    stat(path, &st);
    unlink(path);
    for (rlim_t limit = 0; limit < (rlim_t)st.st_size; limit += 997) {
        assert_int_equal(compress_on_small_disk(model, path, limit), ENT_EIO);
        assert_int_equal(count_files(scratch(), "small-disk"), 0);
    }
    assert_int_equal(compress_on_small_disk(model, path, (rlim_t)st.st_size + 4096), ENT_OK);
}

static void places_that_cannot_be_written_are_refused(void **state)
{
    (void)state;
    const char *model = mixed_model(), *folder = scratch_path("a-folder");
    mkdir(folder, 0777);
    assert_status(compress_model(model, "raw", scratch_path("no-such-folder/x.ent"), 1, NULL), ENT_EIO);
    assert_non_null(strstr(failure.text, "no-such-folder"));
    assert_status(compress_model(model, "raw", folder, 1, NULL), ENT_EINVAL);
    assert_status(compress_model(model, "raw", "/dev/null", 1, NULL), ENT_EINVAL);
    assert_status(compress_model(model, "raw scope=corpus", scratch_path("x.ent"), 1, NULL), ENT_EINVAL);
    assert_false(is_there(scratch_path("x.ent")));
    ent_container *container;
    assert_status(ent_container_open(&container, scratch_path("x.ent"), &failure), ENT_EIO);
    assert_status(ent_container_open(&container, model, &failure), ENT_EUNSUPPORTED);
    assert_status(ent_container_open(&container, folder, &failure), ENT_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(a_damaged_block_is_named),
        cmocka_unit_test(the_first_damaged_block_is_named),
        cmocka_unit_test(flips_and_cuts_are_survived),
        cmocka_unit_test(lies_of_the_index_are_refused),
        cmocka_unit_test(a_damaged_table_is_named),
        cmocka_unit_test(another_model_is_told_apart),
        cmocka_unit_test(places_that_cannot_be_written_are_refused),
    };
    return cmocka_run_group_tests_name("container damage", tests, NULL, NULL);
}
