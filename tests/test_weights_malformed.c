/* test_weights_malformed.c - damaged, lying and foreign files: each is refused with its reason.
 *
 * Cases follow the rules of the safetensors reference reader and the attacks published with it.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "weights_files.h"

#define U8(name, shape, range) "\"" name "\":{\"dtype\":\"U8\",\"shape\":" shape ",\"data_offsets\":" range "}"

static void headers_are_refused(void **state)
{
    (void)state;
    static const struct { const char *header; size_t data; const char *text; } cases[] = {
        { "", 0, "ends too early" },
        { "\xff", 0, "not valid UTF-8, near byte 8" },
        { "{\"a\xff\":1}", 0, "not valid UTF-8, near byte 11" },
        { "{", 0, "ends too early" },
        { "[]", 0, "is not an object" },
        { "null", 0, "not valid JSON" },
        { "\"x\"", 0, "not valid JSON" },
        { "1", 0, "not valid JSON" },
        { "{} {}", 0, "something follows" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("b", "[4]", "[0,4]") "}", 4, "tensor \"b\": overlaps tensor \"a\"" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("b", "[4]", "[2,6]") "}", 6, "tensor \"b\": overlaps" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("b", "[0]", "[2,2]") "}", 4, "tensor \"b\": overlaps" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("b", "[4]", "[5,9]") "}", 9, "tensor \"b\": a hole of 1 bytes" },
        { "{" U8("a", "[4]", "[1,5]") "}", 5, "tensor \"a\": a hole of 1 bytes" },
        { "{" U8("a", "[4]", "[4,0]") "}", 4, "tensor \"a\": its data ends at 0, before its begin 4" },
        { "{" U8("a", "[4]", "[0,4]") "}", 5, "1 bytes follow the last tensor" },
        { "{}", 1, "1 bytes follow the last tensor, from byte 10" },
        { "{" U8("a", "[4]", "[0,4]") "}", 2, "tensor \"a\": ends at byte" },
        { "{" U8("a", "[4]", "[0,3]") "}", 3, "tensor \"a\": 4 elements of U8 are 4 bytes" },
        { "{" U8("a", "[0]", "[0,1]") "}", 1, "tensor \"a\": 0 elements of U8 are 0 bytes" },
        { "{" U8("a", "[2,18446744073709551614]", "[0,1]") "}", 1, "over 63 bits" },
        { "{" U8("a", "[4294967296,4294967296]", "[0,1]") "}", 1, "tensor \"a\": the product of its shape" },
        { "{" U8("a", "[9223372036854775807,9223372036854775807,0]", "[0,0]") "}", 0, "tensor \"a\": the product" },
        { "{" U8("a", "[2,9223372036854775807]", "[0,1]") "}", 1, "tensor \"a\": its size in bits exceeds" },
        { "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1,
          "3 elements of F4 do not fill whole bytes" },
        { "{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "do not fill whole bytes" },
        { "{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "4 elements of F4 are 2 bytes" },
        { "{\"a\":{\"dtype\":\"F7\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
          "unknown dtype \"F7\"; known: BOOL F4" },
        { "{\"a\":{\"dtype\":\"bf16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8, "unknown dtype \"bf16\"" },
        { "{\"a\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "tensor \"a\": no \"dtype\" string" },
        { "{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "tensor \"a\": no \"dtype\" string" },
        { "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4, "tensor \"a\": no \"shape\" list" },
        { "{" U8("a", "4", "[0,4]") "}", 4, "tensor \"a\": no \"shape\" list" },
        { "{" U8("a", "[-4]", "[0,4]") "}", 4, "\"shape\" has an item that is not a whole number" },
        { "{" U8("a", "[4.0]", "[0,4]") "}", 4, "\"shape\" has an item that is not a whole number" },
        { "{" U8("a", "[true]", "[0,4]") "}", 4, "\"shape\" has an item that is not a whole number" },
        { "{" U8("a", "[4]", "[-1,4]") "}", 4, "\"data_offsets\" has an item that is not a whole number" },
        { "{" U8("a", "[4]", "[0,4.5]") "}", 4, "\"data_offsets\" has an item" },
        { "{" U8("a", "[4]", "[0,1e3]") "}", 4, "\"data_offsets\" has an item" },
        { "{" U8("a", "[4]", "[0,\"4\"]") "}", 4, "\"data_offsets\" has an item" },
        { "{" U8("a", "[4]", "[0,18446744073709551616]") "}", 4, "over 63 bits" },
        { "{" U8("a", "[4]", "[0,9223372036854775808]") "}", 4, "over 63 bits" },
        { "{" U8("a", "[4]", "[0,1e999]") "}", 4, "over 63 bits" },
        { "{" U8("a", "[4]", "[9223372036854775803,9223372036854775807]") "}", 4, "a hole of" },
        { "{" U8("a", "[4]", "[4]") "}", 4, "is not a list of two numbers" },
        { "{" U8("a", "[4]", "[0,4,4]") "}", 4, "is not a list of two numbers" },
        { "{" U8("a", "[4]", "{}") "}", 4, "is not a list of two numbers" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, "is not a list of two numbers" },
        { "{\"a\":7}", 0, "tensor \"a\": its entry is not an object" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "\"__metadata__\" may hold strings only; \"a\" is none" },
        { "{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "\"__metadata__\" may hold strings only" },
        { "{\"__metadata__\":[]}", 0, "\"__metadata__\" is not an object" },
        { "{" U8("__metadata__", "[1]", "[0,1]") "}", 1, "\"__metadata__\" may hold strings only; \"shape\" is none" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("a", "[4]", "[0,4]") "}", 4, "the same key twice" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("a", "[4]", "[4,8]") "}", 8, "the same key twice" },
        { "{" U8("a", "[4]", "[0,4]") "," U8("\\u0061", "[4]", "[4,8]") "}", 8, "the same key twice" },
        { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "the same key twice" },
        { "{" U8("a\\u0000b", "[4]", "[0,4]") "}", 4, "a NUL character in a string" },
        { "{" U8("\\ud800", "[4]", "[0,4]") "}", 4, "not valid JSON" },
        { "{" U8("a\x1b[2J", "[4]", "[0,5]") "}", 4, "not valid JSON" },
        { "{" U8("a\\u001b[2J", "[4]", "[0,5]") "}", 5, "tensor \"a?[2J\": 4 elements" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_open(make_safetensors("bad.safetensors", cases[i].header, cases[i].data), ENT_ECORRUPT, cases[i].text);
}

static void lengths_are_refused(void **state)
{
    (void)state;
    static const struct { uint64_t length; size_t size; const char *text; } cases[] = {
        { 0, 0, "0 bytes, too short" },
        { 0, 7, "7 bytes, too short" },
        { UINT64_MAX, 100, "header length 18446744073709551615 at byte 0 is over" },
        { 0xFF0000000000003C, 100, "is over the format's limit of 100000000" },
        { 100000001, 100, "is over the format's limit" },
        { 100000000, 100, "but only 92 bytes follow" },
        { 93, 100, "header length 93 at byte 0, but only 92 bytes follow" },
        { UINT64_MAX - 7, 8, "is over" },
        { 123, 50, "header length 123 at byte 0, but only 42 bytes follow" }, /* begins with '{', is no index */
        { 0, 8, "ends too early" },
    };
    uint8_t file[100];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(file, ' ', sizeof file);
        memcpy(file, &cases[i].length, 8);
        write_file(scratch_path("length.safetensors"), file, cases[i].size);
        expect_open(scratch_path("length.safetensors"), ENT_ECORRUPT, cases[i].text);
    }
}

static void nul_bytes_and_deep_nesting_are_refused(void **state)
{
    (void)state;
    enum { DEPTH = 10000 };
    const char *path = make_safetensors("nul.safetensors", "{\"a?b\":{}}", 0);
    size_t size;
    uint8_t *file = read_file(path, &size);
    *(uint8_t *)memchr(file + 8, '?', size - 8) = 0;
    write_file(path, file, size);
    free(file);
    expect_open(path, ENT_ECORRUPT, NULL);
    char *deep = malloc(5 * DEPTH + 10);
    for (int object = 0; object < 2; object++) {
        size_t n = (size_t)sprintf(deep, "{\"a\":");
        for (int i = 0; i < DEPTH; i++, n += object ? 5 : 1) strcpy(deep + n, object ? "{\"a\":" : "[");
        expect_open(make_safetensors("deep.safetensors", deep, 0), ENT_ECORRUPT, "nested too deep");
    }
    free(deep);
}

/* A valid file of several tensors, to be damaged. */
static const char sound[] = "{\"__metadata__\":{\"k\":\"v\"},\"b.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],"
                            "\"data_offsets\":[3,11]}," U8("a", "[3]", "[0,3]") "," U8("e", "[0]", "[11,11]") "}";

static void every_truncation_is_refused(void **state)
{
    (void)state;
    const char *path = make_safetensors("cut.safetensors", sound, 11);
    size_t size;
    expect_open(path, ENT_OK, NULL);
    uint8_t *file = read_file(path, &size);
    for (size_t n = size; n-- > 0;) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        expect_open(path, ENT_ECORRUPT, NULL);
    }
    free(file);
}

static void flips_every_bit(const char *path, const char *model, size_t bytes)
{
    size_t size, kept = 0;
    uint8_t *file = read_file(path, &size);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        ent_weights *w = NULL;
        ent_error error = { ENT_OK, "" };
        count_damaged();
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_file(path, file, size);
        ent_status status = ent_weights_open(&w, model, &error);
        if (status != ENT_OK && status != ENT_ECORRUPT) fail_msg("bit %zu: %s", bit, error.text);
        if (status && !error.text[0]) fail_msg("bit %zu: no reason given", bit);
        for (size_t i = 0; w && i < ent_weights_tensors(w); i++) { /* what opens must be readable */
            const ent_tensor *t = ent_weights_tensor(w, i);
            ent_bytes f = ent_weights_file_at(w, t->file)->bytes;
            assert_true(t->offset <= f.size && t->bytes.size <= f.size - t->offset);
            assert_ptr_equal(t->bytes.data, f.data + t->offset);
            assert_int_equal(t->bytes.size * 8, t->elements * t->dtype_bits);
        }
        kept += w != NULL;
        ent_weights_close(w);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(kept < 8 * bytes / 3); /* letters of names may flip, little else */
    write_file(path, file, size);
    free(file);
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    const char *path = make_safetensors("flip.safetensors", sound, 11);
    flips_every_bit(path, path, 8 + strlen(sound));
}

#define SHARD_A U8("a", "[1]", "[0,1]")
#define SHARD_B U8("b", "[1]", "[0,1]")

static void indexes_are_refused(void **state)
{
    (void)state;
    static const struct { const char *index, *text; } cases[] = {
        { "{\"weight_map\":{\"a\":\"../1.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"..\\\\1.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"/tmp/1.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"C:1.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"\\\\\\\\host\\\\1.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"sub/1.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"..\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\".safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"x\\n.safetensors\"}}", "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"model.ckpt\"}}", "is neither a .safetensors nor a .bin file" },
        { "{\"weight_map\":{\"a\":\"3.safetensors\"}}", "\"3.safetensors\" is listed but not there" },
        { "{\"weight_map\":{\"b\":\"1.safetensors\"}}",
          "tensor \"b\" should be in shard \"1.safetensors\" but is not" },
        { "{\"weight_map\":{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}}", "but is in 1.safetensors" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"2.safetensors\"}}",
          "\"c\" should be" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"x\":\"both.safetensors\"}}", "tensor \"a\" is in" },
        { "{\"weight_map\":{\"a\":\"both.safetensors\"}}", "tensor \"b\" of shard \"both.safetensors\" is not in the" },
        { "{\"weight_map\":{\"a\":\"bad.safetensors\"}}", NULL },
        { "{\"weight_map\":[]}", "no \"weight_map\" object" },
        { "{\"weight_map\":\"x\"}", "no \"weight_map\" object" },
        { "{}", "no \"weight_map\" object" },
        { "{\"weight_map\":{\"a\":7}}", "the shard of tensor \"a\" is not a string" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"a\":\"1.safetensors\"}}", "the same key twice" },
        { "[]", "is not an object" },
        { "", "ends too early" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\"}", "ends too early" },
    };
    const char *path = scratch_path("m.safetensors.index.json");
    make_safetensors("1.safetensors", "{" SHARD_A "}", 1);
    make_safetensors("2.safetensors", "{" SHARD_B "}", 1);
    make_safetensors("both.safetensors", "{" SHARD_A "," U8("b", "[1]", "[1,2]") "}", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(path, cases[i].index, strlen(cases[i].index));
        if (cases[i].text) {
            if (strstr(cases[i].text, "is in")) { /* the message names the shards */
                ent_weights *w;
                ent_error e;
                assert_status(ent_weights_open(&w, path, &e), ENT_ECORRUPT);
                assert_non_null(strstr(e.text, cases[i].text));
            } else {
                expect_open(path, ENT_ECORRUPT, cases[i].text);
            }
        }
    }
    static const char right[] = "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}";
    write_file(path, right, sizeof right - 1);
    expect_open(path, ENT_OK, NULL);
    flips_every_bit(path, path, sizeof right - 1);
    for (size_t n = sizeof right - 1; n-- > 0;) {
        write_file(path, right, n);
        expect_open(path, ENT_ECORRUPT, NULL);
    }
    write_file(path, right, sizeof right - 1);
    write_file(scratch_path("2.safetensors"), "version https://git-lfs.github.com/spec/v1\n", 43);
    ent_weights *w;
    ent_error e;
    assert_status(ent_weights_open(&w, path, &e), ENT_EUNSUPPORTED);
    assert_non_null(strstr(e.text, "2.safetensors: a Git LFS pointer"));
    static const char bin[] = "{\"weight_map\":{\"a\":\"old.bin\"}}"; /* what a .bin is, its content says */
    write_file(path, bin, sizeof bin - 1);
    write_file(scratch_path("old.bin"), "\x80\2\x8a\nl\xfc\x9c" "F\xf9 j\xa8P\x19.", 15);
    assert_status(ent_weights_open(&w, path, &e), ENT_EUNSUPPORTED);
    assert_non_null(strstr(e.text, "old.bin: a Python pickle"));
}

static void foreign_formats_are_named(void **state)
{
    (void)state;
    static const struct { const char *name, *bytes; size_t size; const char *text; } cases[] = {
        { "lfs.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 55, "git lfs pull" },
        { "b.safetensors", "PK\3\4\0\0\0\0\0\0", 10, "zip archive" },
        { "a.npz", "PK\5\6", 4, "empty zip" },
        { "old.pt", "\x80\2\x8a\nl\xfc\x9c""F\xf9 j\xa8P\x19.", 15, "pickle" },
        { "text", "hello, this is no model", 23, "not a model file of a known format" },
        { "nothing", "", 0, "not a model file of a known format" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(scratch_path(cases[i].name), cases[i].bytes, cases[i].size);
        expect_open(scratch_path(cases[i].name), ENT_EUNSUPPORTED, cases[i].text);
    }
    uint8_t tar[512] = "model/data.pkl";
    memcpy(tar + 257, "ustar", 5);
    write_file(scratch_path("tar.pt"), tar, sizeof tar);
    expect_open(scratch_path("tar.pt"), ENT_EUNSUPPORTED, "a tar archive");
    expect_open(scratch_path("not-there"), ENT_EIO, "No such file");
    assert_int_equal(mkfifo(scratch_path("pipe.safetensors"), 0600), 0);
    expect_open(scratch_path("pipe.safetensors"), ENT_EUNSUPPORTED, "not a regular file"); /* and does not wait */
    assert_int_equal(symlink("loop.safetensors", scratch_path("loop.safetensors")), 0);
    expect_open(scratch_path("loop.safetensors"), ENT_EIO, NULL);
}

/* A header of many tensors and one of long names that begin alike, in little time and memory. */
static void large_headers_are_cheap(void **state)
{
    (void)state;
    enum { TENSORS = 100000, LONG = 20000 };
    static char header[TENSORS * 90 + 10];
    size_t n = 0;
    for (int i = 0; i < TENSORS; i++)
        n += (size_t)sprintf(header + n, "%c\"tensor.%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                             i ? ',' : '{', (int)((i * 7919LL) % TENSORS), TENSORS - i - 1, TENSORS - i);
    strcpy(header + n, "}");
    const char *path = make_safetensors("many.safetensors", header, TENSORS);
    limit_memory((size_t)1 << 30);
    ent_weights *w;
    assert_ok(ent_weights_open(&w, path, NULL));
    assert_int_equal(ent_weights_tensors(w), TENSORS);
    assert_string_equal(ent_weights_tensor(w, 0)->name, "tensor.92081"); /* 99999 * 7919 mod 100000 */
    assert_int_equal(ent_weights_find(w, "tensor.7919")->bytes.data - ent_weights_tensor(w, 0)->bytes.data,
                     TENSORS - 2);
    ent_weights_close(w);
    memset(header, 'x', sizeof header - 1); /* one string that goes on to the end */
    memcpy(header, "{\"", 2);
    expect_open(make_safetensors("string.safetensors", header, 0), ENT_ECORRUPT, "ends too early");
    n = 0;
    for (int i = 0; i < 100; i++) {
        n += (size_t)sprintf(header + n, "%c\"", i ? ',' : '{');
        memset(header + n, '.', LONG);
        n += LONG;
        n += (size_t)sprintf(header + n, "%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i, i, i + 1);
    }
    strcpy(header + n, "}");
    expect_open(make_safetensors("long.safetensors", header, 100), ENT_OK, NULL);
    expect_open(make_safetensors("long.safetensors", header, 99), ENT_ECORRUPT, "....\": ends at byte");
    limit_memory(SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_refused),
        cmocka_unit_test(lengths_are_refused),
        cmocka_unit_test(nul_bytes_and_deep_nesting_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(flipped_bits_never_crash),
        cmocka_unit_test(indexes_are_refused),
        cmocka_unit_test(foreign_formats_are_named),
        cmocka_unit_test(large_headers_are_cheap),
    };
    return cmocka_run_group_tests_name("weights, malformed", tests, NULL, NULL);
}
