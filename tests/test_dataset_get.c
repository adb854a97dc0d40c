/* test_dataset_get.c - downloads from a server on loopback: whole, resumed, refused, damaged. */
#include <sys/stat.h>
#include <unistd.h>

#include "../datasets/dataset.h"
#include "http_server.h"
#include "test.h"

#if defined ENT_HAVE_CURL && defined ENT_HAVE_CRYPTO

/* 100 bytes 'a'; hashes by sha256sum and git hash-object */
static const char sha_of_as[] = "2816597888e4a0d3a36b82b83316ab32680eb8f00f8cd3b904d681246d285a0e";
static const char git_of_as[] = "d690765445339443e88fd770dad129c38e3521ff";
enum { SIZE = 100 };
static uint8_t as[SIZE];
static char folder[512];

#define PATH "/org/name/resolve/main/"

static ent_dataset dataset(const char *names, const char *hashes)
{
    return (ent_dataset){ .name = "d", .kind = "huggingface", .source = "org/name", .files = names, .licence = "",
                          .bytes = "?",
                          .sha256 = hashes, .cite = "", .note = "", .folder = "" };
}

/* A server of these files and an empty folder to get them into. */
static void serve(const http_file *wanted, size_t n)
{
    static int turn;
    http_serve(wanted, n);
    snprintf(folder, sizeof folder, "%s/into%d/deep/er", scratch(), turn++);
}
#define SERVE(...) \
    serve((const http_file[]){ __VA_ARGS__ }, sizeof(const http_file[]){ __VA_ARGS__ } / sizeof(http_file))

static char *place(const char *name)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void expect_file(const char *name, const void *data, size_t size)
{
    size_t found;
    uint8_t *file = read_file(place(name), &found);
    assert_int_equal(found, size);
    assert_memory_equal(file, data, size);
    free(file);
}

static bool there(const char *name) { return !access(place(name), F_OK); }

static void expect_get(ent_dataset d, ent_status expected, const char *text)
{
    ent_error error = { ENT_OK, "" };
    ent_status status = ent_dataset_get(&d, folder, NULL, &error);
    if (status != expected)
        fail_msg("%s (%s), expected %s", ent_status_text(status), error.text, ent_status_text(expected));
    if (text && !strstr(error.text, text)) fail_msg("\"%s\" does not say \"%s\"", error.text, text);
}

static void whole_files_come_and_are_listed(void **state)
{
    (void)state;
    http_request r[16];
    char line[100];
    SERVE({ .path = PATH "a.bin", .data = as, .size = SIZE });
    expect_get(dataset("a.bin", sha_of_as), ENT_OK, NULL);
    expect_file("a.bin", as, SIZE);
    assert_false(there("a.bin.part"));
    snprintf(line, sizeof line, "%s  a.bin\n", sha_of_as);
    expect_file("SHA256SUMS", line, strlen(line));
    assert_int_equal(http_requests(r), 1);
    assert_string_equal(r[0].range, "");
    assert_string_equal(r[0].authorization, ""); /* not over http, whatever HF_TOKEN says */
    expect_get(dataset("a.bin", sha_of_as), ENT_OK, NULL);
    assert_int_equal(http_requests(r), 0); /* there and listed */
    assert_int_equal(unlink(place("a.bin")), 0);
    expect_get(dataset("a.bin", sha_of_as), ENT_OK, NULL); /* listed but not there */
    expect_file("SHA256SUMS", line, strlen(line));
    assert_ok(ent_dataset_verify(folder, NULL, NULL));
    write_file(place("a.bin"), "b", 1);
    assert_status(ent_dataset_verify(folder, NULL, NULL), ENT_ECHECK);
    write_file(place("SHA256SUMS"), "nonsense\n", 9);
    assert_status(ent_dataset_verify(folder, NULL, NULL), ENT_ECORRUPT);
    assert_int_equal(unlink(place("SHA256SUMS")), 0);
    assert_status(ent_dataset_verify(folder, NULL, NULL), ENT_EIO);
}

static void dropped_connections_are_resumed(void **state)
{
    (void)state;
    http_request r[16];
    SERVE({ .path = PATH "cut", .data = as, .size = SIZE, .cut = 37 });
    expect_get(dataset("cut", sha_of_as), ENT_OK, NULL);
    expect_file("cut", as, SIZE);
    assert_int_equal(http_requests(r), 2);
    assert_string_equal(r[1].range, "bytes=37-");
}

static void earlier_parts_are_gone_on_with(void **state)
{
    (void)state;
    http_request r[16];
    ent_dataset d = dataset("p", sha_of_as);
    static const struct { size_t have; bool no_range, wrong_range; size_t requests; } cases[] = {
        { 1, false, false, 1 }, { 99, false, false, 1 },
        { 100, false, false, 1 },  /* complete, only its name was missing */
        { 101, false, false, 2 },  /* more than there is: from the start */
        { 60, true, false, 1 },    /* a server without ranges sends all of it */
        { 150, true, false, 1 },   /* and less than there was */
        { 60, false, true, 2 },    /* one that sends another range: from the start */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t part[200];
        SERVE({ .path = PATH "p", .data = as, .size = SIZE, .no_range = cases[i].no_range,
                .wrong_range = cases[i].wrong_range });
        expect_get(dataset("none", "?"), ENT_EIO, "404"); /* makes the folder */
        memset(part, 'a', sizeof part);
        write_file(place("p.part"), part, cases[i].have);
        http_requests(r);
        expect_get(d, ENT_OK, NULL);
        expect_file("p", as, SIZE);
        assert_int_equal(http_requests(r), cases[i].requests);
        char range[40];
        snprintf(range, sizeof range, "bytes=%zu-", cases[i].have);
        assert_string_equal(r[0].range, range);
    }
    SERVE({ .path = PATH "p", .data = as, .size = SIZE }); /* a part of something else is found out by the hash */
    expect_get(dataset("none", "?"), ENT_EIO, "404");
    write_file(place("p.part"), "bbb", 3);
    expect_get(d, ENT_ECHECK, "its SHA-256 is");
    assert_false(there("p") || there("p.part"));
    expect_get(d, ENT_OK, NULL);
}

static void wrong_content_is_not_kept(void **state)
{
    (void)state;
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    char linked[200], tag[100], wrong_tag[100];
    snprintf(linked, sizeof linked, "X-Linked-Etag: \"%s\"\r\n", sha_of_as);
    snprintf(tag, sizeof tag, "ETag: \"%s\"\r\n", git_of_as);
    snprintf(wrong_tag, sizeof wrong_tag, "ETag: \"%.40s\"\r\n", zeros);
    char wrong_linked[200];
    snprintf(wrong_linked, sizeof wrong_linked, "X-Linked-Etag: \"%s\"\r\n", zeros);
    static const struct { int headers; const char *known; ent_status expected; const char *text; } cases[] = {
        { 0, NULL, ENT_OK, NULL },
        { 0, "0", ENT_ECHECK, "as the catalogue says" },
        { 1, NULL, ENT_OK, NULL },
        { 2, NULL, ENT_ECHECK, "as the server says" },
        { 2, "right", ENT_OK, NULL }, /* the catalogue counts more */
        { 3, NULL, ENT_OK, NULL },
        { 4, NULL, ENT_ECHECK, "its git hash is" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *headers[] = { "", linked, wrong_linked, tag, wrong_tag };
        const char *known = !cases[i].known ? "?" : *cases[i].known == '0' ? zeros : sha_of_as;
        SERVE({ .path = PATH "w", .data = as, .size = SIZE, .headers = headers[cases[i].headers] });
        expect_get(dataset("w", known), cases[i].expected, cases[i].text);
        assert_int_equal(there("w"), !cases[i].expected);
        assert_false(there("w.part"));
    }
    /* as the hub does: the hash comes with the redirection, the store behind it has a tag of its own */
    SERVE({ .path = PATH "r", .redirect = "/store", .headers = linked },
          { .path = "/store", .data = as, .size = SIZE, .headers = wrong_tag });
    expect_get(dataset("r", "?"), ENT_OK, NULL);
    expect_file("r", as, SIZE);
    SERVE({ .path = PATH "r", .redirect = "/store", .headers = tag },
          { .path = "/store", .data = as, .size = SIZE, .headers = wrong_tag });
    expect_get(dataset("r", "?"), ENT_OK, NULL);
}

static void refusals_are_named(void **state)
{
    (void)state;
    SERVE({ .path = PATH "gated", .status = 401 }, { .path = PATH "busy", .status = 503 });
    expect_get(dataset("gated", "?"), ENT_EIO, "HF_TOKEN");
    expect_get(dataset("busy", "?"), ENT_EIO, "HTTP status 503");
    expect_get(dataset("absent", "?"), ENT_EIO, "HTTP status 404 (not found)");
    assert_false(there("absent.part"));
    expect_get(dataset("../x", "?"), ENT_ECORRUPT, "not a plain one");
    static const char *const sources[] = { "org", "org/", "/name", "o/n/x", "o/n@a/b", "o/../n", "o/n?x", "o n/x",
                                           "../n", "o/..", "o/n@.." };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        ent_dataset d = dataset("a", "?");
        d.source = sources[i];
        expect_get(d, ENT_EINVAL, "is not ORG/NAME");
    }
    assert_int_equal(setenv("ENT_DATASET_URL", "http://127.0.0.1:1", 1), 0); /* nobody listens there */
    expect_get(dataset("a", "?"), ENT_EIO, "connect");
    assert_int_equal(setenv("ENT_DATASET_URL", http_url(), 1), 0);
    write_file(scratch_path("file"), "", 0);
    ent_dataset d = dataset("a", "?");
    assert_status(ent_dataset_get(&d, scratch_path("file/sub"), NULL, NULL), ENT_EIO);
    assert_status(ent_dataset_get(&d, scratch_path("file"), NULL, NULL), ENT_EIO);
}

static void an_index_leads_to_its_shards(void **state)
{
    (void)state;
    static const char index[] = "{\"weight_map\":{\"a\":\"m-1.safetensors\","
                                "\"b\":\"m-2.safetensors\",\"c\":\"m-1.safetensors\"}}";
    static const char bad[] = "{\"weight_map\":{\"a\":\"../../m\"}}", none[] = "[]";
    http_request r[16];
    SERVE({ .path = PATH "model.safetensors.index.json", .data = (const uint8_t *)index, .size = sizeof index - 1 },
          { .path = PATH "m-1.safetensors", .data = as, .size = SIZE },
          { .path = PATH "m-2.safetensors", .data = as, .size = 9 });
    expect_get(dataset("", "?"), ENT_OK, NULL);
    assert_int_equal(http_requests(r), 3);
    expect_file("m-1.safetensors", as, SIZE);
    expect_file("m-2.safetensors", as, 9);
    assert_ok(ent_dataset_verify(folder, NULL, NULL));
    SERVE({ .path = PATH "model.safetensors", .data = as, .size = SIZE });
    expect_get(dataset("", "?"), ENT_OK, NULL); /* a model in one file has no index */
    expect_file("model.safetensors", as, SIZE);
    SERVE({ .path = PATH "pytorch_model.bin", .data = as, .size = SIZE });
    expect_get(dataset("", "?"), ENT_EUNSUPPORTED, "PyTorch files alone");
    SERVE({ .path = PATH "model.safetensors.index.json", .data = (const uint8_t *)bad, .size = sizeof bad - 1 });
    expect_get(dataset("", "?"), ENT_ECORRUPT, "not a plain one");
    SERVE({ .path = PATH "model.safetensors.index.json", .data = (const uint8_t *)none, .size = sizeof none - 1 });
    expect_get(dataset("", "?"), ENT_ECORRUPT, "weight_map");
}

static void revisions_are_asked_for(void **state)
{
    (void)state;
    SERVE({ .path = "/org/name/resolve/v1.2/a", .data = as, .size = SIZE });
    ent_dataset d = dataset("a", "?");
    d.source = "org/name@v1.2";
    expect_get(d, ENT_OK, NULL);
}

struct seen {
    uint64_t done, total;
    size_t calls;
};

static void see(void *context, uint64_t done, uint64_t total)
{
    struct seen *s = context;
    assert_true(done <= total);
    *s = (struct seen){ done, total, s->calls + 1 };
}

static void progress_is_told(void **state)
{
    (void)state;
    struct seen seen = { 0, 0, 0 };
    ent_run run = { .progress = see, .context = &seen };
    ent_dataset d = dataset("a", "?");
    SERVE({ .path = PATH "a", .data = as, .size = SIZE });
    assert_ok(ent_dataset_get(&d, folder, &run, NULL));
    assert_true(seen.calls > 0);
    assert_int_equal(seen.done, SIZE);
    assert_int_equal(seen.total, SIZE);
}

static void generated_ones_are_made(void **state)
{
    (void)state;
    ent_dataset d = { .name = "g", .kind = "generated", .source = "normal weights=5000", .folder = "datasets" };
    ent_dataset h = { .name = "h", .kind = "generated", .folder = "datasets",
                      .source = "histogram weights=50 histogram=exponent-histograms.csv" };
    SERVE({ .path = "" });
    expect_get(d, ENT_OK, NULL);
    assert_ok(ent_dataset_verify(folder, NULL, NULL));
    ent_weights *w;
    assert_ok(ent_weights_open(&w, folder, NULL));
    assert_int_equal(ent_weights_tensor(w, 0)->elements, 4096);
    ent_weights_close(w);
    expect_get(h, ENT_OK, NULL); /* the table beside the catalogue */
}

static int start(void **state)
{
    (void)state;
    memset(as, 'a', sizeof as);
    http_start();
    setenv("ENT_DATASET_URL", http_url(), 1);
    setenv("HF_TOKEN", "a-token", 1);
    setenv("no_proxy", "*", 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_files_come_and_are_listed),
        cmocka_unit_test(dropped_connections_are_resumed),
        cmocka_unit_test(earlier_parts_are_gone_on_with),
        cmocka_unit_test(wrong_content_is_not_kept),
        cmocka_unit_test(refusals_are_named),
        cmocka_unit_test(an_index_leads_to_its_shards),
        cmocka_unit_test(revisions_are_asked_for),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(generated_ones_are_made),
    };
    return cmocka_run_group_tests_name("dataset get", tests, start, stop);
}

#else

static void builds_without_libraries_say_so(void **state)
{
    (void)state;
    ent_dataset d = { .name = "d", .kind = "huggingface", .source = "org/name", .files = "a", .sha256 = "?" };
    assert_status(ent_dataset_get(&d, scratch(), NULL, NULL), ENT_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(builds_without_libraries_say_so) };
    return cmocka_run_group_tests_name("dataset get", tests, NULL, NULL);
}

#endif
