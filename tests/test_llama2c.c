/* test_llama2c.c - files of llama2.c of all versions, sizes by its export.py: read, damaged and refused. */
#include <unistd.h>

#include "weights_files.h"

/* dim 8, hidden 12, 2 layers, 4 heads, 2 kv heads, vocabulary 5, length 3; kv vectors have 4 elements */
static const int32_t sizes[7] = { 8, 12, 2, 4, 2, 5, 3 };
enum { TOKENS = 5 * 8, NORMS = 2 * 8, Q = 8 * 8, KV = 4 * 8, FFN = 8 * 12, ANGLES = 3 * 1 };
enum { LAYERS = 2 * (2 * Q + 2 * KV + 3 * FFN) }; /* of both: wq wk wv wo w1 w2 w3 */

static void numbers(maker *m, const int32_t *n)
{
    for (int i = 0; i < 7; i++) put(m, (uint32_t)n[i], 4);
}

static void zeros(maker *m, size_t size)
{
    for (size_t i = 0; i < size; i++) put(m, i, 1);
}

static void put_0(maker *m, bool shared)
{
    int32_t n[7];
    memcpy(n, sizes, sizeof n);
    if (!shared) n[5] = -5;
    m->size = 0;
    numbers(m, n);
    zeros(m, 4 * (TOKENS + 2 * NORMS + LAYERS + 8 + 2 * ANGLES + (shared ? 0 : TOKENS)));
}

static void put_head(maker *m, uint32_t version, const int32_t *n, bool shared, uint32_t group)
{
    m->size = 0;
    put(m, 0x616b3432, 4), put(m, version, 4);
    numbers(m, n);
    put(m, shared, 1);
    if (version == 2) put(m, group, 4);
    pad(m, 256);
}

static ent_weights *open_file(const maker *m)
{
    ent_weights *w;
    ent_error error;
    if (ent_weights_open(&w, save(m, "model.bin"), &error)) fail_msg("%s", error.text);
    assert_string_equal(ent_weights_format(w), "llama2c");
    expect_round_trip(scratch_path("model.bin"), "zstd");
    return w;
}

static void expect(const ent_weights *w, const char *name, const char *dtype, const char *role, uint64_t rows, uint64_t cols,
                   uint64_t offset)
{
    const ent_tensor *t = ent_weights_find(w, name);
    if (!t) fail_msg("no %s", name);
    assert_string_equal(t->dtype, dtype);
    assert_string_equal(t->role, role);
    assert_int_equal(t->rank, rows ? 2 : 1);
    assert_int_equal(t->shape[t->rank - 1], cols);
    if (rows) assert_int_equal(t->shape[0], rows);
    assert_int_equal(t->offset, offset);
}

static void version_0_is_read(void **state)
{
    (void)state;
    maker m;
    for (int shared = 0; shared < 2; shared++) {
        put_0(&m, shared);
        ent_weights *w = open_file(&m);
        assert_int_equal(ent_weights_tensors(w), 1 + 2 * 9 + 1 + 2 + !shared);
        expect(w, "tok_embeddings.weight", "F32", "embed", 5, 8, 28);
        expect(w, "layers.1.attention_norm.weight", "F32", "norm", 0, 8, 28 + 4 * (TOKENS + 8));
        expect(w, "layers.1.attention.wk.weight", "F32", "k_proj", 4, 8, 28 + 4 * (TOKENS + NORMS + 2 * Q + KV));
        expect(w, "layers.0.feed_forward.w2.weight", "F32", "down_proj", 8, 12,
               28 + 4 * (TOKENS + 2 * NORMS + 4 * Q + 4 * KV + 2 * FFN));
        if (!shared) expect(w, "output.weight", "F32", "lm_head", 5, 8, m.size - 4 * TOKENS);
        ent_weights_close(w);
    }
}

static void versions_1_and_2_are_read(void **state)
{
    (void)state;
    maker m;
    put_head(&m, 1, sizes, true, 0);
    zeros(&m, 4 * (2 * NORMS + 8 + TOKENS + LAYERS));
    ent_weights *w = open_file(&m);
    expect(w, "norm.weight", "F32", "norm", 0, 8, 256 + 4 * 2 * NORMS);
    expect(w, "tok_embeddings.weight", "F32", "embed", 5, 8, 256 + 4 * (2 * NORMS + 8));
    ent_weights_close(w);
    put_head(&m, 2, sizes, false, 4); /* a byte a weight, four for each group of 4 */
    zeros(&m, 4 * (2 * NORMS + 8) + 2 * (2 * TOKENS + LAYERS));
    w = open_file(&m);
    expect(w, "tok_embeddings.weight", "I8", "embed", 5, 8, 256 + 4 * (2 * NORMS + 8));
    expect(w, "tok_embeddings.weight.scales", "F32", "embed", 0, TOKENS / 4, 256 + 4 * (2 * NORMS + 8) + TOKENS);
    expect(w, "layers.1.attention.wq.weight", "I8", "q_proj", 8, 8, 256 + 4 * (2 * NORMS + 8) + 2 * (TOKENS + Q));
    expect(w, "output.weight", "I8", "lm_head", 5, 8, m.size - 2 * TOKENS);
    ent_weights_close(w);
}

static void sizes_are_refused(void **state)
{
    (void)state;
    static const struct { int at, value; const char *text; } cases[] = {
        { 3, 0, "a size of less than 1" }, { 0, -8, "a size of less than 1" }, { 3, 3, "dim is no multiple of heads" },
        { 4, 5, "more kv heads than heads" }, { 2, 20000, "more layers than any model has" }, { 1, 13, "its sizes ask for" },
        { 0, INT32_MAX - 3, "its sizes ask for" }, { 5, INT32_MIN, "a size of less than 1" },
    };
    maker m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t n[7];
        memcpy(n, sizes, sizeof n);
        n[cases[i].at] = cases[i].value;
        put_head(&m, 1, n, true, 0);
        zeros(&m, 4 * (2 * NORMS + 8 + TOKENS + LAYERS));
        expect_open(save(&m, "bad.bin"), ENT_ECORRUPT, cases[i].text);
    }
    put_head(&m, 3, sizes, true, 0);
    expect_open(save(&m, "bad.bin"), ENT_ECORRUPT, "a version other than 1 and 2");
    put_head(&m, 2, sizes, true, 0);
    expect_open(save(&m, "bad.bin"), ENT_ECORRUPT, "a group size of less than 1");
    put_head(&m, 2, sizes, true, 7);
    expect_open(save(&m, "bad.bin"), ENT_ECORRUPT, "its sizes ask for");
    put_0(&m, true);
    while (m.size--) {
        ent_weights *w;
        count_damaged();
        if (!ent_weights_open(&w, save(&m, "cut.bin"), NULL)) fail_msg("cut to %zu bytes, and opened", m.size);
        if (m.size > 100) m.size -= 40;
    }
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    maker m;
    put_0(&m, true);
    expect_no_flip_crashes("flip.bin", m.bytes, m.size, 7 * 4);
    for (uint32_t version = 1; version <= 2; version++) {
        put_head(&m, version, sizes, true, 8);
        zeros(&m, 4 * (2 * NORMS + 8 + TOKENS + LAYERS));
        expect_no_flip_crashes("flip.bin", m.bytes, m.size, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_0_is_read),
        cmocka_unit_test(versions_1_and_2_are_read),
        cmocka_unit_test(sizes_are_refused),
        cmocka_unit_test(flipped_bits_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
