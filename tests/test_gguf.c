/* test_gguf.c - GGUF files made here by the format's text: read, compressed and given back, damaged and refused. */
#include <sys/stat.h>
#include <unistd.h>

#include "weights_files.h"

/* ---- a file, piece by piece ------------------------------------------------------------------------------- */

static void put_text(maker *m, const char *text)
{
    put(m, strlen(text), 8);
    put_bytes(m, text, strlen(text));
}

static void put_head(maker *m, uint32_t version, uint64_t tensors, uint64_t keys)
{
    m->size = 0;
    put(m, 0x46554747, 4); /* "GGUF" */
    put(m, version, 4);
    put(m, tensors, 8);
    put(m, keys, 8);
}

static void put_key(maker *m, const char *key, uint32_t type, uint64_t value, int bytes)
{
    put_text(m, key);
    put(m, type, 4);
    put(m, value, bytes);
}

enum { U16 = 2, U32 = 4, I32 = 5, STRING = 8, ARRAY = 9 };

typedef struct entry {
    const char *name;
    uint32_t axes;
    uint64_t ne[4]; /* fastest first */
    uint32_t type;
    uint64_t offset;
} entry;

static void put_entry(maker *m, const entry *e)
{
    put_text(m, e->name);
    put(m, e->axes, 4);
    for (uint32_t i = 0; i < e->axes && i < 4; i++) put(m, e->ne[i], 8);
    put(m, e->type, 4);
    put(m, e->offset, 8);
}

static void put_data(maker *m, size_t size)
{
    ent_random r;
    ent_random_seed(&r, 5, size);
    for (size_t i = 0; i < size; i++) put(m, ent_random_bits(&r) & ent_random_bits(&r) & 0xff, 1);
}

/* Four tensors: 2 x 64 of Q8_0, 3 of F32, 1 x 256 of Q4_K, none of F16. */
static const entry four[] = {
    { "token_embd.weight", 2, { 64, 2 }, 8, 0 },
    { "blk.0.attn_norm.weight", 1, { 3 }, 0, 160 },
    { "blk.0.attn_q.weight", 2, { 256, 1 }, 12, 192 },
    { "empty", 2, { 0, 5 }, 1, 352 },
};

static void put_four(maker *m)
{
    put_head(m, 3, 4, 3);
    put_key(m, "general.file_type", U32, 7, 4);
    put_text(m, "tokenizer.ggml.tokens");
    put(m, ARRAY, 4);
    put(m, STRING, 4);
    put(m, 2, 8);
    put_text(m, "a");
    put_text(m, "");
    put_key(m, "general.name", STRING, 2, 8);
    put(m, 0x6969, 2);
    for (int i = 0; i < 4; i++) put_entry(m, &four[i]);
    pad(m, 32);
    put_data(m, 136);
    pad(m, 32);
    put_data(m, 12);
    pad(m, 32);
    put_data(m, 144);
    pad(m, 32);
}

/* ---- what is read ------------------------------------------------------------------------------------------ */

static void tensors_are_read(void **state)
{
    (void)state;
    maker m;
    ent_weights *w;
    put_four(&m);
    size_t data = m.size - 352;
    assert_ok(ent_weights_open(&w, save(&m, "four.gguf"), NULL));
    assert_string_equal(ent_weights_format(w), "gguf");
    assert_int_equal(ent_weights_tensors(w), 4);
    const ent_tensor *t = ent_weights_find(w, "token_embd.weight");
    assert_string_equal(t->dtype, "Q8_0");
    assert_string_equal(t->role, "embed");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2); /* GGUF names the fastest axis first */
    assert_int_equal(t->shape[1], 64);
    assert_int_equal(t->elements, 128);
    assert_int_equal(t->bytes.size, 136);
    assert_int_equal(t->offset, data);
    t = ent_weights_find(w, "blk.0.attn_norm.weight");
    assert_string_equal(t->role, "norm");
    assert_int_equal(t->dtype_bits, 32);
    assert_int_equal(t->offset, data + 160);
    t = ent_weights_find(w, "blk.0.attn_q.weight");
    assert_string_equal(t->role, "q_proj");
    assert_int_equal(t->dtype_bits, 0);
    assert_int_equal(t->offset, data + 192);
    assert_memory_equal(t->bytes.data, m.bytes + t->offset, 144);
    assert_int_equal(ent_weights_find(w, "empty")->elements, 0);
    ent_weights_close(w);
}

static void types_have_the_sizes_of_their_records(void **state)
{
    (void)state;
    static const uint32_t removed[] = { 4, 5, 31, 32, 33, 36, 37, 38 };
    for (uint32_t type = 0; type < 43; type++) {
        maker m;
        ent_weights *w;
        ent_error error;
        const entry e = { "a", 1, { 256 }, type, 0 };
        bool gone = false;
        put_head(&m, 3, 1, 0);
        put_entry(&m, &e);
        pad(&m, 32);
        put_data(&m, 2048);
        ent_status status = ent_weights_open(&w, save(&m, "type.gguf"), &error);
        for (size_t i = 0; i < sizeof removed / sizeof *removed; i++) gone |= type == removed[i];
        assert_int_equal(status, gone ? ENT_ECORRUPT : ENT_OK);
        char text[40];
        snprintf(text, sizeof text, "tensor \"a\": type %u, at byte", type);
        if (gone && !strstr(error.text, text)) fail_msg("%s", error.text);
        if (gone) continue;
        const ent_tensor *t = ent_weights_tensor(w, 0);
        const ent_format *f = ent_dtype_find(t->dtype);
        if (f) assert_int_equal(t->bytes.size * f->weights * 8, t->elements * f->bits);
        else assert_true(type == 15 || (type >= 26 && type <= 27)); /* Q8_K, I32 and I64: opaque */
        ent_weights_close(w);
    }
}

static void alignments_and_version_2_are_read(void **state)
{
    (void)state;
    for (size_t alignment = 1; alignment <= 4096; alignment *= 8) {
        maker m;
        const entry e[] = { { "a", 1, { 3 }, 24, 0 }, { "b", 0, { 0 }, 0, (3 + alignment - 1) / alignment * alignment } };
        put_head(&m, 2, 2, 1);
        put_key(&m, "general.alignment", U32, alignment, 4);
        put_entry(&m, &e[0]);
        put_entry(&m, &e[1]);
        pad(&m, alignment);
        size_t data = m.size;
        put_data(&m, 3);
        while ((m.size - data) % alignment) put(&m, 0, 1);
        put_data(&m, 4);
        expect_open(save(&m, "aligned.gguf"), ENT_OK, NULL);
    }
    maker none;
    put_head(&none, 3, 0, 0);
    expect_open(save(&none, "none.gguf"), ENT_OK, NULL);
}

static void put_split(maker *m, uint32_t k, uint32_t splits)
{
    char name[8];
    snprintf(name, sizeof name, "t%u", k);
    const entry e = { name, 1, { 8 }, 24, 0 };
    put_head(m, 3, 1, 2);
    put_key(m, "split.no", U16, k, 2);
    put_key(m, "split.count", U16, splits, 2);
    put_entry(m, &e);
    pad(m, 32);
    put_data(m, 8);
}

static void splits_are_read_as_one_model(void **state)
{
    (void)state;
    maker m;
    ent_weights *w;
    static const char *const before[] = { "four.gguf", "type.gguf", "aligned.gguf", "none.gguf" };
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) unlink(scratch_path(before[i]));
    for (uint32_t k = 0; k < 3; k++) {
        char name[40];
        snprintf(name, sizeof name, "m-%05u-of-00003.gguf", k + 1);
        put_split(&m, k, 3);
        save(&m, name);
    }
    assert_ok(ent_weights_open(&w, scratch_path("m-00001-of-00003.gguf"), NULL));
    assert_int_equal(ent_weights_files(w), 3);
    assert_int_equal(ent_weights_tensors(w), 3);
    assert_int_equal(ent_weights_find(w, "t2")->file, 2);
    ent_weights_close(w);
    assert_ok(ent_weights_open(&w, scratch(), NULL)); /* the folder: the others are parts of the first */
    assert_int_equal(ent_weights_files(w), 3);
    ent_weights_close(w);
    expect_open(scratch_path("m-00002-of-00003.gguf"), ENT_EUNSUPPORTED, "file 2 of 3 of a model: name the first");
    put_split(&m, 0, 3);
    expect_open(save(&m, "other.gguf"), ENT_ECORRUPT, "must end in -00001-of-00003.gguf");
    put_split(&m, 2, 3);
    save(&m, "m-00002-of-00003.gguf");
    assert_status(ent_weights_open(&w, scratch_path("m-00001-of-00003.gguf"), NULL), ENT_ECORRUPT);
    put_split(&m, 1, 3);
    m.bytes[0] = 'F';
    save(&m, "m-00002-of-00003.gguf");
    assert_status(ent_weights_open(&w, scratch_path("m-00001-of-00003.gguf"), NULL), ENT_ECORRUPT);
    unlink(scratch_path("m-00002-of-00003.gguf"));
    expect_open(scratch_path("m-00001-of-00003.gguf"), ENT_ECORRUPT, "is not there: fetch it");
}

static void containers_give_the_file_back(void **state)
{
    (void)state;
    static const char *const codecs[] = { "raw", "planar-rans", "huffman", "zstd", "huffman block=8", "rans scope=block" };
    maker m;
    put_four(&m);
    char *in = strdup(save(&m, "in.gguf"));
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        ent_weights *w;
        ent_codec *codec;
        ent_container *c;
        ent_error error;
        size_t size;
        char *out = strdup(scratch_path("out.ent")), *back = strdup(scratch_path("back.gguf"));
        assert_ok(ent_weights_open(&w, in, NULL));
        assert_ok(ent_codec_parse(&codec, codecs[i], NULL));
        if (ent_container_write(out, w, codec, NULL, NULL, NULL, &error))
            fail_msg("%s: %s", codecs[i], error.text);
        assert_ok(ent_container_open(&c, out, NULL));
        assert_ok(ent_container_extract(c, back, NULL, NULL));
        uint8_t *bytes = read_file(back, &size);
        assert_int_equal(size, m.size);
        assert_memory_equal(bytes, m.bytes, size);
        free(bytes);
        uint8_t tensor[144];
        assert_ok(ent_container_read(c, 2, tensor, NULL, NULL));
        assert_memory_equal(tensor, m.bytes + m.size - 160, 144);
        ent_container_close(c);
        ent_codec_free(codec);
        ent_weights_close(w);
        unlink(out), unlink(back);
        free(out), free(back);
        expect_round_trip(in, codecs[i]);
    }
    free(in);
}

/* ---- what is refused --------------------------------------------------------------------------------------- */

static void refuse(const maker *m, ent_status status, const char *text) { expect_open(save(m, "bad.gguf"), status, text); }

static void heads_are_refused(void **state)
{
    (void)state;
    static const struct { uint32_t version; const char *text; } versions[] = {
        { 0, "GGUF version 0" }, { 1, "GGUF version 1" }, { 4, "GGUF version 4" }, { 0x03000000, "big-endian" },
    };
    maker m;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        put_head(&m, versions[i].version, 0, 0);
        refuse(&m, ENT_EUNSUPPORTED, versions[i].text);
    }
    put_head(&m, 3, 0, 0);
    m.bytes[0] = 'F', m.bytes[1] = 'U';
    refuse(&m, ENT_ECORRUPT, "not a GGUF file"); /* by its name */
    put_head(&m, 3, UINT64_MAX, 0);
    refuse(&m, ENT_ECORRUPT, "a tensor's name");
    put_head(&m, 3, 0, UINT64_MAX);
    refuse(&m, ENT_ECORRUPT, "18446744073709551615 keys");
}

static void pairs_are_refused(void **state)
{
    (void)state;
    maker m;
    put_head(&m, 3, 0, 1);
    put(&m, UINT64_MAX, 8);
    refuse(&m, ENT_ECORRUPT, "a key of 18446744073709551615 bytes, but 0 are left");
    put_head(&m, 3, 0, 1);
    put_key(&m, "", U32, 1, 4);
    refuse(&m, ENT_ECORRUPT, "an empty key");
    put_head(&m, 3, 0, 1);
    put_key(&m, "k", 13, 1, 4);
    refuse(&m, ENT_ECORRUPT, "value type 13");
    put_head(&m, 3, 0, 1);
    put_key(&m, "k", ARRAY, ARRAY, 4);
    put(&m, 0, 8);
    refuse(&m, ENT_ECORRUPT, "an array of value type 9");
    put_head(&m, 3, 0, 2);
    put_key(&m, "k", U32, 1, 4);
    put_key(&m, "k", U16, 1, 2);
    refuse(&m, ENT_ECORRUPT, "key \"k\" is there twice");
    static const struct { uint32_t type; uint64_t value; } alignments[] = {
        { U32, 13 }, { U32, 0 }, { U32, 1 << 30 }, { I32, 32 },
    };
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
        put_head(&m, 3, 0, 1);
        put_key(&m, "general.alignment", alignments[i].type, alignments[i].value, 4);
        refuse(&m, ENT_ECORRUPT, "general.alignment is no power of two");
    }
    put_head(&m, 3, 0, 1);
    put_key(&m, "k", ARRAY, U32, 4);
    put(&m, UINT64_C(1) << 63, 8);
    refuse(&m, ENT_ECORRUPT, "an array of 9223372036854775808 values");
    put_head(&m, 3, 0, 1);
    put_key(&m, "k", ARRAY, STRING, 4);
    put(&m, UINT64_C(1) << 63, 8);
    refuse(&m, ENT_ECORRUPT, "a string of an array");
    put_head(&m, 3, 0, 1);
    put_key(&m, "k", STRING, 100, 8);
    refuse(&m, ENT_ECORRUPT, "a string of 100 bytes, but 0 are left");
}

static void entries_are_refused(void **state)
{
    (void)state;
    static const struct { entry e; ent_status status; const char *text; } cases[] = {
        { { "0123456789012345678901234567890123456789012345678901234567890123", 1, { 8 }, 24, 0 }, ENT_ECORRUPT,
          "a tensor's name of 64 bytes" },
        { { "", 1, { 8 }, 24, 0 }, ENT_ECORRUPT, "a tensor's name of 0 bytes" },
        { { "a\xff", 1, { 8 }, 24, 0 }, ENT_ECORRUPT, "not UTF-8" },
        { { "a", 5, { 8 }, 24, 0 }, ENT_ECORRUPT, "tensor \"a\": 5 axes" },
        { { "a", UINT32_MAX, { 8 }, 24, 0 }, ENT_ECORRUPT, "tensor \"a\": 4294967295 axes" },
        { { "a", 1, { UINT64_MAX }, 24, 0 }, ENT_ECORRUPT, "tensor \"a\": its shape exceeds 63 bits" },
        { { "a", 4, { INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX }, 24, 0 }, ENT_ECORRUPT, "its shape exceeds" },
        { { "a", 2, { (UINT64_C(1) << 42) + 1, UINT64_C(1) << 22 }, 24, 0 }, ENT_ECORRUPT, "its shape exceeds" },
        { { "a", 1, { UINT64_C(1) << 62 }, 28, 0 }, ENT_ECORRUPT, "its size exceeds 64 bits" },
        { { "a", 1, { UINT64_C(1) << 62 }, 0, 0 }, ENT_ECORRUPT, "its size exceeds 64 bits" },
        { { "a", 1, { UINT64_C(1) << 61 }, 0, 0 }, ENT_ECORRUPT, "it ends beyond 63 bits" },
        { { "a", 1, { 256 }, 43, 0 }, ENT_EUNSUPPORTED, "type 43 is newer than this program" },
        { { "a", 1, { 256 }, UINT32_MAX, 0 }, ENT_ECORRUPT, "tensor \"a\": type 4294967295" },
        { { "a", 1, { 256 }, 4, 0 }, ENT_ECORRUPT, "tensor \"a\": type 4" },
        { { "a", 1, { 8 }, 24, UINT64_MAX }, ENT_ECORRUPT, "but the tensors before it end at 0" },
        { { "a", 1, { 8 }, 24, 32 }, ENT_ECORRUPT, "offset 32, but the tensors before it end at 0" },
        { { "a", 1, { 8 }, 24, 1 }, ENT_ECORRUPT, "offset 1" },
        { { "a", 2, { 48, 2 }, 2, 0 }, ENT_ECORRUPT, "rows of 48 weights are not whole blocks of Q4_0" },
        { { "a", 1, { 65 }, 24, 0 }, ENT_ECORRUPT, "but the file at 128: it was cut short" },
    };
    maker m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_head(&m, 3, 1, 0);
        put_entry(&m, &cases[i].e);
        pad(&m, 64);
        put_data(&m, 64);
        if (cases[i].e.ne[0] != 65) put_data(&m, 512);
        refuse(&m, cases[i].status, cases[i].text);
    }
    put_head(&m, 3, 2, 0);
    put_entry(&m, &(entry){ "a", 1, { 8 }, 24, 0 });
    put_entry(&m, &(entry){ "a", 1, { 8 }, 24, 32 });
    pad(&m, 32);
    put_data(&m, 64);
    refuse(&m, ENT_ECORRUPT, "tensor \"a\" is in bad.gguf as well");
    put_head(&m, 3, 2, 0);
    put_entry(&m, &(entry){ "a", 1, { (UINT64_C(1) << 63) - 64 }, 24, 0 });
    put_entry(&m, &(entry){ "b", 1, { (UINT64_C(1) << 63) - 64 }, 24, (UINT64_C(1) << 63) - 64 });
    refuse(&m, ENT_ECORRUPT, "it ends beyond 63 bits");
    for (int k = 0; k < 2; k++) { /* offsets by another alignment than the file's */
        put_head(&m, 3, 2, 1);
        put_key(&m, "general.alignment", U32, k ? 32 : 64, 4);
        put_entry(&m, &(entry){ "a", 1, { 8 }, 24, 0 });
        put_entry(&m, &(entry){ "b", 1, { 8 }, 24, k ? 64 : 32 });
        pad(&m, 64);
        put_data(&m, 128);
        refuse(&m, ENT_ECORRUPT, k ? "tensor \"b\": offset 64, but the tensors before it end at 32"
                                   : "tensor \"b\": offset 32, but the tensors before it end at 64");
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    maker m, moved = { .size = 0 };
    put_four(&m);
    put_bytes(&moved, "prefix!", 7); /* inside of another file, and not at its beginning */
    put_bytes(&moved, m.bytes, m.size);
    expect_open(save(&moved, "moved.gguf"), ENT_ECORRUPT, "not a GGUF file");
    const char *path = save(&m, "cut.gguf");
    expect_open(path, ENT_OK, NULL);
    for (size_t n = m.size; n-- > 0;) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        expect_open(path, ENT_ECORRUPT, NULL);
    }
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    maker m;
    put_four(&m);
    expect_no_flip_crashes("flip.gguf", m.bytes, m.size, m.size - 352);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_read),
        cmocka_unit_test(types_have_the_sizes_of_their_records),
        cmocka_unit_test(alignments_and_version_2_are_read),
        cmocka_unit_test(splits_are_read_as_one_model),
        cmocka_unit_test(containers_give_the_file_back),
        cmocka_unit_test(heads_are_refused),
        cmocka_unit_test(pairs_are_refused),
        cmocka_unit_test(entries_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(flipped_bits_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
