/* test_onnx.c - ONNX models put together field by field: read, damaged and refused. */
#include <unistd.h>

#include "weights_files.h"

/* ---- protobuf --------------------------------------------------------------------------------------------------- */

static void varint(maker *m, uint64_t value)
{
    while (value >= 0x80) {
        put(m, value | 0x80, 1);
        value >>= 7;
    }
    put(m, value, 1);
}

static void number(maker *m, uint32_t field, uint64_t value)
{
    varint(m, field << 3);
    varint(m, value);
}

static void bytes(maker *m, uint32_t field, const void *data, size_t size)
{
    varint(m, field << 3 | 2);
    varint(m, size);
    put_bytes(m, data, size);
}

static void message(maker *m, uint32_t field, const maker *inner) { bytes(m, field, inner->bytes, inner->size); }

static void external(maker *tensor, const char *key, const char *value)
{
    maker pair = { .size = 0 };
    bytes(&pair, 1, key, strlen(key));
    bytes(&pair, 2, value, strlen(value));
    message(tensor, 13, &pair);
}

static const uint8_t values[256] = { 7, 1, 2, 3 };

/* Of two axes and this many bytes of raw data. */
static void put_tensor(maker *graph, const char *name, uint64_t type, uint64_t rows, uint64_t cols, size_t size)
{
    maker t = { .size = 0 };
    number(&t, 1, rows), number(&t, 1, cols);
    number(&t, 2, type);
    bytes(&t, 8, name, strlen(name));
    bytes(&t, 9, values, size);
    message(graph, 5, &t);
}

static const char *model_of(const maker *graph, const char *name)
{
    static maker m;
    m.size = 0;
    number(&m, 1, 8); /* ir_version */
    bytes(&m, 2, "tests", 5);
    message(&m, 7, graph);
    return save(&m, name);
}

/* ---- what is read ----------------------------------------------------------------------------------------------- */

static void initializers_are_read(void **state)
{
    (void)state;
    static const struct { uint64_t type; const char *dtype; size_t size; } cases[] = {
        { 1, "F32", 48 }, { 3, "I8", 12 }, { 10, "F16", 24 }, { 11, "F64", 96 }, { 16, "BF16", 24 }, { 17, "F8_E4M3", 12 },
        { 21, "U4", 6 },  { 22, "I4", 6 }, { 23, "F4", 6 },   { 9, "BOOL", 12 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maker graph = { .size = 0 };
        ent_weights *w;
        bytes(&graph, 2, "main", 4);
        put_tensor(&graph, "model.layers.0.self_attn.q_proj.weight", cases[i].type, 3, 4, cases[i].size);
        assert_ok(ent_weights_open(&w, model_of(&graph, "a.onnx"), NULL));
        assert_string_equal(ent_weights_format(w), "onnx");
        const ent_tensor *t = ent_weights_tensor(w, 0);
        assert_string_equal(t->dtype, cases[i].dtype);
        assert_string_equal(t->role, "q_proj");
        assert_int_equal(t->shape[0], 3);
        assert_int_equal(t->bytes.size, cases[i].size);
        assert_memory_equal(t->bytes.data, values, cases[i].size);
        ent_weights_close(w);
        expect_round_trip(scratch_path("a.onnx"), "zstd");
    }
}

/* Packed sizes and float_data; what is kept as varints is left out. */
static void other_places_of_values_are_read(void **state)
{
    (void)state;
    maker graph = { .size = 0 }, t = { .size = 0 }, ints = { .size = 0 };
    ent_weights *w;
    bytes(&t, 1, "\2\3", 2);
    number(&t, 2, 1);
    bytes(&t, 4, values, 24);
    bytes(&t, 8, "packed", 6);
    message(&graph, 5, &t);
    number(&ints, 1, 2), number(&ints, 2, 7);
    bytes(&ints, 7, "\1\2", 2), bytes(&ints, 8, "shape", 5);
    message(&graph, 5, &ints);
    assert_ok(ent_weights_open(&w, model_of(&graph, "a.onnx"), NULL));
    assert_int_equal(ent_weights_tensors(w), 1);
    assert_int_equal(ent_weights_find(w, "packed")->elements, 6);
    ent_weights_close(w);
    static maker deep, outer; /* graphs in nodes in graphs are passed over, however deep */
    graph.size = 0;
    for (int i = 0; i < 500; i++) {
        outer.size = 0;
        message(&outer, 1, &deep);
        deep = outer;
    }
    message(&graph, 1, &deep);
    put_tensor(&graph, "w", 1, 1, 1, 4);
    expect_open(model_of(&graph, "deep.onnx"), ENT_OK, NULL);
}

static void put_external(maker *graph, const char *name, const char *file, const char *offset, const char *length)
{
    maker t = { .size = 0 };
    number(&t, 1, 4), number(&t, 2, 1), bytes(&t, 8, name, strlen(name)), number(&t, 14, 1);
    if (file) external(&t, "location", file);
    if (offset) external(&t, "offset", offset);
    if (length) external(&t, "length", length);
    message(graph, 5, &t);
}

static void external_data_are_read(void **state)
{
    (void)state;
    maker graph = { .size = 0 };
    ent_weights *w;
    write_file(scratch_path("a.data"), values, 64);
    put_external(&graph, "second", "a.data", "16", "16");
    put_external(&graph, "first", "a.data", NULL, NULL);
    put_external(&graph, "tied", "a.data", "16", NULL);
    put_tensor(&graph, "inside", 1, 1, 1, 4);
    assert_ok(ent_weights_open(&w, model_of(&graph, "a.onnx"), NULL));
    assert_int_equal(ent_weights_files(w), 2);
    assert_int_equal(ent_weights_tensors(w), 3);
    assert_string_equal(ent_weights_tensor(w, 0)->name, "inside");
    assert_string_equal(ent_weights_tensor(w, 1)->name, "first");
    assert_string_equal(ent_weights_tensor(w, 2)->name, "second");
    assert_int_equal(ent_weights_tensor(w, 2)->file, 1);
    assert_int_equal(ent_weights_tensor(w, 2)->offset, 16);
    ent_weights_close(w);
    assert_int_equal(symlink("a.data", scratch_path("soft.data")), 0); /* as in the Hugging Face cache */
    for (int k = 0; k < 2; k++) {
        maker one = { .size = 0 }, linked = { .size = 0 };
        number(&linked, 1, 4), number(&linked, 2, 1), bytes(&linked, 8, "t", 1), number(&linked, 14, 1);
        external(&linked, "location", k ? "a.data" : "soft.data"), external(&linked, "colour", "red");
        message(&one, 5, &linked);
        expect_open(model_of(&one, "links.onnx"), ENT_OK, NULL);
    }
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static void refuse(const maker *graph, const char *text) { expect_open(model_of(graph, "bad.onnx"), ENT_ECORRUPT, text); }

static void tensors_are_refused(void **state)
{
    (void)state;
    static const struct { uint64_t type, rows, cols; size_t size; const char *text; } cases[] = {
        { 0, 3, 4, 48, "data type 0" },           { 8, 3, 4, 48, "data type 8" },
        { 99, 3, 4, 48, "data type 99" },         { 1, 3, 4, 47, "47 bytes for 12 elements of F32" },
        { 21, 3, 4, 5, "5 bytes for 12 elements" }, { 16, 3, 4, 25, "25 bytes for 12 elements" },
        { 1, 0, 4, 4, "4 bytes for 0 elements" }, { 1, UINT64_C(1) << 40, UINT64_C(1) << 40, 4, "the product of its shape" },
        { 1, UINT64_C(1) << 60, 2, 4, "its size exceeds 64 bits" }, { 1, UINT64_MAX, 1, 4, "a negative size" },
        { 25, 3, 4, 2, "2 bytes for 12 elements of U2" },    { 26, 3, 4, 2, "2 bytes for 12 elements of I2" },
        { 3, 3, 4, 11, "11 bytes for 12 elements of I8" },   { 10, 3, 4, 23, "23 bytes for 12 elements of F16" },
        { 11, 3, 4, 95, "95 bytes for 12 elements of F64" }, { 14, 3, 4, 95, "95 bytes for 12 elements of C64" },
        { 15, 3, 4, 191, "191 bytes for 12 elements of C128" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maker graph = { .size = 0 };
        put_tensor(&graph, "t", cases[i].type, cases[i].rows, cases[i].cols, cases[i].size);
        refuse(&graph, cases[i].text);
    }
    maker graph = { .size = 0 }, t = { .size = 0 };
    number(&t, 1, 1), number(&t, 2, 1), bytes(&t, 8, "t", 1), bytes(&t, 9, values, 4), bytes(&t, 4, values, 4);
    message(&graph, 5, &t);
    refuse(&graph, "whose values are there twice");
    for (int k = 0; k < 2; k++) { /* as varints too, or in another file too */
        graph.size = t.size = 0;
        number(&t, 1, 1), number(&t, 2, 1), bytes(&t, 8, "t", 1), bytes(&t, 9, values, 4);
        if (k) number(&t, 14, 1), external(&t, "location", "a.data");
        else bytes(&t, 5, "\1", 1);
        message(&graph, 5, &t);
        refuse(&graph, "whose values are there twice");
    }
    graph.size = 0;
    put_tensor(&graph, "t", 1, 1, 1, 4), put_tensor(&graph, "t", 1, 1, 1, 4);
    refuse(&graph, "tensor \"t\" is in bad.onnx as well");
    graph.size = 0;
    put_tensor(&graph, "", 1, 1, 1, 4);
    refuse(&graph, "a name of 0 bytes");
    graph.size = 0;
    put_tensor(&graph, "\xff", 1, 1, 1, 4);
    refuse(&graph, "not UTF-8");
}

static void external_data_are_refused(void **state)
{
    (void)state;
    static const struct { const char *file, *offset, *length, *text; } cases[] = {
        { NULL, NULL, NULL, "not a plain file name" },      { "../a.data", NULL, NULL, "not a plain file name" },
        { "/etc/passwd", NULL, NULL, "not a plain file name" }, { "x/a.data", NULL, NULL, "not a plain file name" },
        { "b.data", NULL, NULL, "\"b.data\" is listed but not there" }, { "a.data", "60", NULL, "are not what \"a.data\" has" },
        { "a.data", "18446744073709551600", NULL, "are not what" }, { "a.data", "-1", NULL, "that is no number" },
        { "a.data", "99999999999999999999", NULL, "that is no number" }, { "a.data", "0", "12", "are not what" },
        { "a.data", "0", "x", "that is no number" },
    };
    write_file(scratch_path("a.data"), values, 64);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maker graph = { .size = 0 };
        put_external(&graph, "t", cases[i].file, cases[i].offset, cases[i].length);
        refuse(&graph, cases[i].text);
    }
}

static void wire_is_refused(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t size; const char *text; } cases[] = {
#define P(bytes, text) { bytes, sizeof bytes - 1, text }
        P("", "no graph in it"), P("\x08\x08", "no graph in it"), P("\x00", "a damaged field"),
        P("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut short or too long"),
        P("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "cut short or too long"), P("\x08", "cut short or too long"),
        P("\x3a\x7f", "a field of 127 bytes, but 0 are left"), P("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "but 0 are left"),
        P("\x0b\x0c", "wire type 3"), P("\x0f", "wire type 7"), P("\x09\x01", "a field of 8 bytes"),
        P("\x3a\x02\x2a\x05", "a field of 5 bytes, but 0 are left"),
#undef P
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(scratch_path("wire.onnx"), cases[i].bytes, cases[i].size);
        expect_open(scratch_path("wire.onnx"), ENT_ECORRUPT, cases[i].text);
    }
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    maker graph = { .size = 0 };
    size_t size;
    put_tensor(&graph, "a", 1, 3, 4, 48), put_tensor(&graph, "b", 16, 3, 4, 24);
    put_external(&graph, "c", "a.data", "16", "16");
    write_file(scratch_path("a.data"), values, 64);
    uint8_t *file = read_file(model_of(&graph, "flip.onnx"), &size);
    expect_no_flip_crashes("flip.onnx", file, size, size);
    for (size_t n = 0; n < size; n++) {
        ent_weights *w;
        count_damaged();
        write_file(scratch_path("cut.onnx"), file, n);
        if (!ent_weights_open(&w, scratch_path("cut.onnx"), NULL)) fail_msg("cut to %zu bytes, and opened", n);
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initializers_are_read),
        cmocka_unit_test(other_places_of_values_are_read),
        cmocka_unit_test(external_data_are_read),
        cmocka_unit_test(tensors_are_refused),
        cmocka_unit_test(external_data_are_refused),
        cmocka_unit_test(wire_is_refused),
        cmocka_unit_test(flipped_bits_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
