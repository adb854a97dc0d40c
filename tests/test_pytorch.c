/* test_pytorch.c - PyTorch's checkpoints: pickles put together opcode by opcode, read as data, damaged and refused.
 *
 * Over 500 lines because every test speaks the few words of pickles that are defined first. */
#include <sys/stat.h>
#include <unistd.h>

#include "weights_files.h"

/* ---- a pickle ------------------------------------------------------------------------------------------------- */

static void op(maker *m, char opcode) { put(m, (uint8_t)opcode, 1); }

static void text(maker *m, const char *t)
{
    op(m, 'X');
    put(m, strlen(t), 4);
    put_bytes(m, t, strlen(t));
}

static void global(maker *m, const char *module, const char *name)
{
    op(m, 'c');
    put_bytes(m, module, strlen(module)), put(m, '\n', 1);
    put_bytes(m, name, strlen(name)), put(m, '\n', 1);
}

static void integer(maker *m, int32_t value)
{
    op(m, 'J');
    put(m, (uint32_t)value, 4);
}

static void tuple(maker *m, size_t n, const int32_t *value)
{
    op(m, '(');
    for (size_t i = 0; i < n; i++) integer(m, value[i]);
    op(m, 't');
}

static void storage(maker *m, const char *module, const char *type, const char *key, int32_t numel)
{
    op(m, '(');
    text(m, "storage"), global(m, module, type), text(m, key), text(m, "cpu"), integer(m, numel);
    op(m, 't'), op(m, 'Q');
}

typedef struct shape {
    int32_t offset;
    size_t rank;
    int32_t size[4], stride[4];
} shape;

static void tensor(maker *m, const char *type, const char *key, int32_t numel, const shape *s)
{
    global(m, "torch._utils", "_rebuild_tensor_v2");
    op(m, '(');
    storage(m, "torch", type, key, numel);
    integer(m, s->offset), tuple(m, s->rank, s->size), tuple(m, s->rank, s->stride);
    put(m, 0x89, 1); /* False */
    global(m, "collections", "OrderedDict"), op(m, ')'), op(m, 'R');
    op(m, 't'), op(m, 'R');
}

/* {"w": TENSOR} around what `put_value` writes. */
static void begin(maker *m)
{
    m->size = 0;
    put(m, 0x80, 1), put(m, 2, 1);
    op(m, '}'), op(m, '(');
}

static void end(maker *m) { op(m, 'u'), op(m, '.'); }

/* ---- an archive ------------------------------------------------------------------------------------------------- */

static const uint8_t numbers[256];

/* A checkpoint of this pickle, with storages "0" of 96 bytes and "1" of 32. */
static const char *checkpoint(const char *name, const maker *pickle)
{
    const part parts[] = { { "archive/data.pkl", pickle->bytes, pickle->size, false },
                           { "archive/byteorder", "little", 6, false },
                           { "archive/data/0", numbers, 96, false },
                           { "archive/data/1", numbers, 32, false },
                           { "archive/version", "3\n", 2, false } };
    return make_zip(name, parts, sizeof parts / sizeof *parts);
}

static ent_weights *open_pickle(const maker *pickle)
{
    ent_weights *w;
    ent_error error;
    if (ent_weights_open(&w, checkpoint("x.pt", pickle), &error)) fail_msg("%s", error.text);
    expect_round_trip(scratch_path("x.pt"), "zstd");
    return w;
}

/* ---- what is read ----------------------------------------------------------------------------------------------- */

static const shape six_by_four = { 0, 2, { 6, 4 }, { 4, 1 } }, vector = { 0, 1, { 8 }, { 1 } };

static void state_dicts_are_read(void **state)
{
    (void)state;
    maker m;
    begin(&m);
    text(&m, "model.embed_tokens.weight"), tensor(&m, "FloatStorage", "0", 24, &six_by_four);
    text(&m, "b"), tensor(&m, "BFloat16Storage", "1", 16, &(shape){ 4, 1, { 12 }, { 1 } });
    end(&m);
    ent_weights *w = open_pickle(&m);
    assert_string_equal(ent_weights_format(w), "pytorch");
    assert_int_equal(ent_weights_tensors(w), 2);
    const ent_tensor *t = ent_weights_find(w, "model.embed_tokens.weight");
    assert_string_equal(t->dtype, "F32");
    assert_string_equal(t->role, "embed");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 6);
    assert_int_equal(t->bytes.size, 96);
    t = ent_weights_find(w, "b");
    assert_string_equal(t->dtype, "BF16");
    assert_int_equal(t->bytes.size, 24);
    assert_memory_equal(ent_weights_file_at(w, 0)->bytes.data + t->offset - 8 - 14, "archive/data/1", 14);
    ent_weights_close(w);
}

static void nests_and_parameters_are_read(void **state)
{
    (void)state;
    maker m;
    begin(&m);
    text(&m, "epoch"), integer(&m, 3);
    text(&m, "model"), op(&m, '}'), op(&m, '(');
    text(&m, "w"), global(&m, "torch._utils", "_rebuild_parameter"), op(&m, '(');
    tensor(&m, "FloatStorage", "0", 24, &six_by_four), put(&m, 0x88, 1), op(&m, 'N'), op(&m, 't'), op(&m, 'R');
    op(&m, 'u');
    text(&m, "list"), op(&m, ']'), op(&m, '('), op(&m, 'N'), tensor(&m, "CharStorage", "1", 32, &vector), op(&m, 'e');
    end(&m);
    ent_weights *w = open_pickle(&m);
    assert_int_equal(ent_weights_find(w, "model.w")->elements, 24);
    assert_string_equal(ent_weights_find(w, "list.1")->dtype, "I8");
    ent_weights_close(w);
}

/* A whole module: an object whose state says parameters and modules. */
static void modules_are_read(void **state)
{
    (void)state;
    maker m = { .size = 0 };
    put(&m, 0x80, 1), put(&m, 2, 1);
    global(&m, "my.models", "Net"), op(&m, ')'), put(&m, 0x81, 1); /* NEWOBJ */
    op(&m, '}'), op(&m, '(');
    text(&m, "training"), put(&m, 0x88, 1);
    text(&m, "_modules"), op(&m, '}'), text(&m, "fc");
    global(&m, "torch.nn.modules.linear", "Linear"), op(&m, ')'), put(&m, 0x81, 1), op(&m, '}'),
        text(&m, "_parameters");
    op(&m, '}'), text(&m, "weight"), tensor(&m, "HalfStorage", "1", 16, &vector), op(&m, 's'), op(&m, 's'), op(&m, 'b');
    op(&m, 's');
    op(&m, 'u'), op(&m, 'b'), op(&m, '.');
    ent_weights *w = open_pickle(&m);
    assert_int_equal(ent_weights_tensors(w), 1);
    assert_string_equal(ent_weights_tensor(w, 0)->name, "fc.weight");
    assert_string_equal(ent_weights_tensor(w, 0)->dtype, "F16");
    ent_weights_close(w);
}

/* Axes in the order of memory; a view with gaps shows its storage; tied tensors are one. */
static void strides_and_ties_are_settled(void **state)
{
    (void)state;
    static const struct {
        shape a, b;
        size_t tensors;
        uint32_t rank;
        uint64_t shape[3];
        uint64_t offset;
    } cases[] = {
        { { 0, 2, { 4, 6 }, { 1, 4 } }, { 0, 0, { 0 }, { 0 } }, 1, 2, { 6, 4 }, 0 }, /* transposed; b inside */
        { { 0, 3, { 2, 1, 12 }, { 12, 99, 1 } }, { 0, 0, { 0 }, { 0 } }, 1, 3, { 1, 2, 12 }, 0 },
        { { 0, 2, { 6, 2 }, { 4, 1 } }, { 0, 0, { 0 }, { 0 } }, 1, 1, { 24 }, 0 },          /* every second pair */
        { { 0, 2, { 3, 4 }, { 4, 1 } }, { 12, 2, { 3, 4 }, { 4, 1 } }, 2, 2, { 3, 4 }, 0 }, /* halves */
        { { 0, 2, { 4, 4 }, { 4, 1 } }, { 12, 2, { 3, 4 }, { 4, 1 } }, 1, 1, { 24 }, 0 },   /* that overlap */
        { { 8, 1, { 4 }, { 0 } }, { 8, 0, { 0 }, { 0 } }, 1, 1, { 24 }, 0 },                /* an expanded scalar */
        { { 0, 2, { 0, 5 }, { 5, 1 } }, { 20, 1, { 4 }, { 1 } }, 2, 2, { 0, 5 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maker m;
        begin(&m);
        text(&m, "z"), tensor(&m, "FloatStorage", "0", 24, &cases[i].a);
        text(&m, "a"), tensor(&m, "FloatStorage", "0", 24, &cases[i].b);
        end(&m);
        ent_weights *w = open_pickle(&m);
        assert_int_equal(ent_weights_tensors(w), cases[i].tensors);
        const ent_tensor *t = ent_weights_tensor(w, 0);
        assert_string_equal(t->name, "z");
        assert_int_equal(t->rank, cases[i].rank);
        for (uint32_t k = 0; k < t->rank; k++) assert_int_equal(t->shape[k], cases[i].shape[k]);
        assert_int_equal(t->bytes.size, 4 * t->elements);
        for (size_t k = 1; k < ent_weights_tensors(w); k++)
            assert_true(ent_weights_tensor(w, k)->offset >= t->offset + t->bytes.size);
        ent_weights_close(w);
    }
}

static void version_3_and_protocol_4_are_read(void **state)
{
    (void)state;
    maker m = { .size = 0 };
    put(&m, 0x80, 1), put(&m, 4, 1), put(&m, 0x95, 1), put(&m, 7, 8);
    op(&m, '}'), put(&m, 0x94, 1);
    put(&m, 0x8c, 1), put(&m, 1, 1), op(&m, 'w');
    put(&m, 0x8c, 1), put(&m, 12, 1), put_bytes(&m, "torch._utils", 12), put(&m, 0x94, 1);
    put(&m, 0x8c, 1), put(&m, 18, 1), put_bytes(&m, "_rebuild_tensor_v3", 18), put(&m, 0x93, 1), put(&m, 0x94, 1);
    op(&m, '('), storage(&m, "torch.storage", "UntypedStorage", "1", 32), integer(&m, 2);
    op(&m, 'K'), put(&m, 30, 1), put(&m, 0x85, 1), put(&m, 0x8a, 1), put(&m, 1, 1), put(&m, 1, 1), put(&m, 0x85, 1);
    put(&m, 0x89, 1), op(&m, 'N'), global(&m, "torch", "float8_e4m3fn"), op(&m, 't'), op(&m, 'R');
    op(&m, 's'), op(&m, 'h'), put(&m, 0, 1), op(&m, '0'), op(&m, '.');
    ent_weights *w = open_pickle(&m);
    assert_string_equal(ent_weights_tensor(w, 0)->dtype, "F8_E4M3");
    assert_int_equal(ent_weights_tensor(w, 0)->elements, 30);
    ent_weights_close(w);
}

static void shards_are_read(void **state)
{
    (void)state;
    static const char *const keys[] = { "a", "b" }, *const files[] = { "p-1.bin", "p-2.bin" };
    for (int i = 0; i < 2; i++) {
        maker m;
        begin(&m);
        text(&m, keys[i]), tensor(&m, "FloatStorage", "1", 8, &vector);
        end(&m);
        checkpoint(files[i], &m);
    }
    const char *index = "{\"weight_map\":{\"a\":\"p-1.bin\",\"b\":\"p-2.bin\"}}";
    ent_weights *w;
    write_file(scratch_path("pytorch_model.bin.index.json"), index, strlen(index));
    assert_ok(ent_weights_open(&w, scratch_path("pytorch_model.bin.index.json"), NULL));
    assert_int_equal(ent_weights_files(w), 3);
    assert_int_equal(ent_weights_find(w, "b")->file, 2);
    ent_weights_close(w);
    assert_ok(ent_weights_open(&w, scratch(), NULL)); /* the folder */
    ent_weights_close(w);
    unlink(scratch_path("pytorch_model.bin.index.json"));
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static void nothing_is_called(void **state)
{
    (void)state;
    maker m;
    char command[200];
    struct stat st;
    snprintf(command, sizeof command, "touch %s", scratch_path("called"));
    begin(&m);
    text(&m, "x"), global(&m, "posix", "system"), text(&m, command), put(&m, 0x85, 1), op(&m, 'R');
    text(&m, "w"), tensor(&m, "FloatStorage", "0", 24, &six_by_four);
    end(&m);
    ent_weights_close(open_pickle(&m));
    assert_int_not_equal(stat(scratch_path("called"), &st), 0);
}

static void refuse(const maker *m, ent_status status, const char *why)
{
    expect_open(checkpoint("bad.pt", m), status, why);
}

/* Bytes after PROTO 2, then what is wrong with them. */
static void machines_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } cases[] = {
#define P(bytes, text) { bytes, sizeof bytes - 1, text }
        P("", "it ends without STOP"),
        P("}", "it ends without STOP"),
        P(".", "not one object is left"),
        P("}}.", "not one object is left"),
        P("(}.", "not one object is left"),
        P("0.", "the stack is empty"),
        P("R.", "the stack is empty"),
        P("}R.", "the stack is empty"),
        P("b.", "the stack is empty"),
        P("}b.", "the stack is empty"),
        P("Q.", "the stack is empty"),
        P("a.", "the stack is empty"),
        P("]a.", "the stack is empty"),
        P("s.", "the stack is empty"),
        P("}Ns.", "the stack is empty"),
        P("e.", "no mark"),
        P("u.", "no mark"),
        P("t.", "no mark"),
        P("(e.", "the stack is empty"),
        P("(u.", "the stack is empty"),
        P("}((Nu.", "the stack is empty"),
        P("](Na.", "the stack is empty"),
        P("}N\x85N\x86N\x87\x87.", "the stack is empty"),
        P("\x85.", "the stack is empty"),
        P("\x81.", "the stack is empty"),
        P("}\x81.", "the stack is empty"),
        P("N\x86.", "the stack is empty"),
        P("\x90.", "no mark"),
        P("l.", "no mark"),
        P("d.", "no mark"),
        P("\x93.", "a class whose name is no text"),
        P("\x94.", "nothing to remember"),
        P("r\0\0\0\0.", "nothing to remember"),
        P("j\7\0\0\0.", "the memo has nothing there"),
        P("q\0.", "nothing to remember"),
        P("h\7.", "the memo has nothing there"),
        P("}r\xff\xff\xff\xff.", "beyond what the pickle can fill"),
        P("}(Nu.", "a key without a value"),
        P("(Nd.", "a key without a value"),
        P("N(NNu.", "items for what is no list"),
        P("}Na.", "items for what is no list"),
        P("X\xff\xff\xff\xff", "it ends in an operand"),
        P("J\1", "it ends in an operand"),
        P("\x8c\5ab.", "it ends in an operand"),
        P("X\3\0\0\0a\0b.", "a NUL in a text"),
        P("cos\n", "a class without a name"),
        P("NN\x93.", "a class whose name is no text"),
        P("I1\n.", "not run"),
        P("ios\nsystem\n.", "not run"),
        P("\x82\1.", "not run"),
        P("Pid\n.", "not run"),
#undef P
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maker m = { .size = 0 };
        put(&m, 0x80, 1), put(&m, 2, 1);
        put_bytes(&m, cases[i].bytes, cases[i].size);
        refuse(&m, ENT_ECORRUPT, cases[i].text);
    }
}

static void tensors_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *key;
        int32_t numel;
        shape s;
        ent_status status;
        const char *text;
    } cases[] = {
        { "FloatStorage",
          "9",
          24,
          { 0, 1, { 8 }, { 1 } },
          ENT_ECORRUPT,
          "storage \"archive/data/9\" is not in the archive" },
        { "FloatStorage", "../data.pkl", 24, { 0, 1, { 8 }, { 1 } }, ENT_ECORRUPT, "is not in the archive" },
        { "FloatStorage",
          "0",
          25,
          { 0, 1, { 8 }, { 1 } },
          ENT_ECORRUPT,
          "a storage of 25 elements, but its member has 96" },
        { "FloatStorage", "0", -1, { 0, 1, { 8 }, { 1 } }, ENT_ECORRUPT, "its storage is not" },
        { "QInt8Storage", "0", 24, { 0, 1, { 8 }, { 1 } }, ENT_EUNSUPPORTED, "storage type \"torch QInt8Storage\"" },
        { "FloatStorage", "0", 24, { 17, 1, { 8 }, { 1 } }, ENT_ECORRUPT, "it ends beyond its storage of 24" },
        { "FloatStorage", "0", 24, { -1, 1, { 8 }, { 1 } }, ENT_ECORRUPT, "not whole numbers of 0 or more" },
        { "FloatStorage", "0", 24, { 0, 1, { -8 }, { 1 } }, ENT_ECORRUPT, "not whole numbers of 0 or more" },
        { "FloatStorage", "0", 24, { 0, 1, { 8 }, { -1 } }, ENT_ECORRUPT, "not whole numbers of 0 or more" },
        { "FloatStorage", "0", 24, { 0, 1, { 8 }, { 4 } }, ENT_ECORRUPT, "it ends beyond its storage" },
        { "FloatStorage",
          "0",
          24,
          { 0, 4, { INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX }, { 0, 0, 0, 0 } },
          ENT_ECORRUPT,
          "it ends beyond" },
        { "FloatStorage",
          "0",
          24,
          { 0, 3, { INT32_MAX, INT32_MAX, 2 }, { INT32_MAX, INT32_MAX, INT32_MAX } },
          ENT_ECORRUPT,
          "it ends beyond" },
        { "UntypedStorage", "0", 24, { 0, 1, { 8 }, { 1 } }, ENT_EUNSUPPORTED, "its dtype is not read" },
    };
    maker m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&m);
        text(&m, "w"), tensor(&m, cases[i].type, cases[i].key, cases[i].numel, &cases[i].s);
        end(&m);
        refuse(&m, cases[i].status, cases[i].text);
    }
    begin(&m); /* sizes and strides of different length */
    text(&m, "w"), global(&m, "torch._utils", "_rebuild_tensor_v2"), op(&m, '('),
        storage(&m, "torch", "FloatStorage", "0", 24);
    integer(&m, 0), tuple(&m, 1, (int32_t[]){ 8 }), tuple(&m, 2, (int32_t[]){ 1, 1 }), op(&m, 't'), op(&m, 'R');
    end(&m);
    refuse(&m, ENT_ECORRUPT, "as many of each");
    begin(&m);
    text(&m, "w"), global(&m, "torch._utils", "_rebuild_tensor_v2"), op(&m, ')'), op(&m, 'R');
    end(&m);
    refuse(&m, ENT_ECORRUPT, "not enough is said of it");
    begin(&m); /* five items, and another tag */
    text(&m, "w"), global(&m, "torch._utils", "_rebuild_tensor_v2"), op(&m, '('), op(&m, '(');
    text(&m, "module"), global(&m, "torch", "FloatStorage"), text(&m, "0"), text(&m, "cpu"), integer(&m, 24);
    op(&m, 't'), op(&m, 'Q');
    integer(&m, 0), tuple(&m, 1, (int32_t[]){ 8 }), tuple(&m, 1, (int32_t[]){ 1 }), op(&m, 't'), op(&m, 'R');
    end(&m);
    refuse(&m, ENT_ECORRUPT, "its storage is not ('storage'");
    begin(&m); /* one item */
    text(&m, "w"), global(&m, "torch._utils", "_rebuild_tensor_v2"), op(&m, '('), text(&m, "storage"), put(&m, 0x85, 1),
        op(&m, 'Q');
    integer(&m, 0), tuple(&m, 0, NULL), tuple(&m, 0, NULL), op(&m, 't'), op(&m, 'R');
    end(&m);
    refuse(&m, ENT_ECORRUPT, "its storage is not ('storage'");
    begin(&m);
    text(&m, "epoch"), integer(&m, 1);
    end(&m);
    refuse(&m, ENT_EUNSUPPORTED, "no tensors in it");
    m.size = 0; /* a list that holds itself, and lists nested deep */
    put(&m, 0x80, 1), put(&m, 2, 1), op(&m, ']'), op(&m, 'q'), put(&m, 0, 1), op(&m, 'h'), put(&m, 0, 1), op(&m, 'a'),
        op(&m, '.');
    refuse(&m, ENT_EUNSUPPORTED, "no tensors in it");
    m.size = 2;
    for (int i = 0; i < 5000; i++) op(&m, ']');
    for (int i = 0; i < 4999; i++) op(&m, 'a');
    op(&m, '.');
    refuse(&m, ENT_ECORRUPT, "nested too deep");
    for (int k = 0; k < 2; k++) { /* an object without a state, alone and beside a tensor */
        begin(&m);
        text(&m, "x"), global(&m, "my.models", "Net"), op(&m, ')'), put(&m, 0x81, 1);
        if (k) text(&m, "w"), tensor(&m, "FloatStorage", "0", 24, &six_by_four);
        end(&m);
        if (k) expect_open(checkpoint("object.pt", &m), ENT_OK, NULL);
        else refuse(&m, ENT_EUNSUPPORTED, "no tensors in it");
    }
}

static void archives_are_refused(void **state)
{
    (void)state;
    maker m;
    begin(&m);
    text(&m, "w"), tensor(&m, "FloatStorage", "0", 24, &six_by_four);
    end(&m);
    const part sound[] = { { "a/data.pkl", m.bytes, m.size, false },
                           { "a/data/0", numbers, 96, false },
                           { "a/byteorder", "middle", 6, false } };
    expect_open(make_zip("bad.pt", sound, 2), ENT_OK, NULL); /* before 2.1 there was no byteorder */
    expect_open(make_zip("bad.pt", sound, 3), ENT_EUNSUPPORTED, "byte order is not \"little\"");
    const part script[] = { sound[0], sound[1], { "a/constants.pkl", "\x80\2N.", 4, false } };
    expect_open(make_zip("bad.pt", script, 3), ENT_EUNSUPPORTED, "a TorchScript program");
    const part tight[] = { { "a/data.pkl", m.bytes, m.size, true }, sound[1] };
    expect_open(make_zip("bad.pt", tight, 2), ENT_ECORRUPT, "its pickle is compressed");
    const part packed[] = { sound[0], { "a/data/0", numbers, 96, true } };
    expect_open(make_zip("bad.pt", packed, 2), ENT_ECORRUPT, "tensor \"w\": its storage is compressed");
    const part none[] = { { "a/version", "3\n", 2, false } };
    expect_open(make_zip("bad.pt", none, 1), ENT_ECORRUPT, "a zip archive without ROOT/data.pkl");
    write_file(scratch_path("old.pt"),
               "\x80\2\x8a\nl\xfc\x9c"
               "F\xf9 j\xa8P\x19.",
               15);
    expect_open(scratch_path("old.pt"), ENT_EUNSUPPORTED, "pickle");
}

static void cut_and_flipped_files_never_crash(void **state)
{
    (void)state;
    maker m;
    size_t size;
    begin(&m);
    text(&m, "a"), tensor(&m, "FloatStorage", "0", 24, &six_by_four);
    text(&m, "b"), tensor(&m, "HalfStorage", "1", 16, &vector);
    end(&m);
    uint8_t *file = read_file(checkpoint("sound.pt", &m), &size);
    for (size_t n = size; n-- > 4;) {
        write_file(scratch_path("cut.pt"), file, n);
        expect_open(scratch_path("cut.pt"), ENT_ECORRUPT, NULL);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        ent_weights *w;
        ent_error error;
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        count_damaged();
        write_file(scratch_path("flip.pt"), file, size);
        ent_status status = ent_weights_open(&w, scratch_path("flip.pt"), &error);
        if (status && status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED) fail_msg("bit %zu: %s", bit, error.text);
        for (size_t i = 0; w && i < ent_weights_tensors(w); i++) {
            const ent_tensor *t = ent_weights_tensor(w, i);
            assert_true(t->offset <= size && t->bytes.size <= size - t->offset);
            if (i) assert_true(t[-1].offset + t[-1].bytes.size <= t->offset);
        }
        ent_weights_close(w);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_read),
        cmocka_unit_test(state_dicts_are_read),
        cmocka_unit_test(nests_and_parameters_are_read),
        cmocka_unit_test(modules_are_read),
        cmocka_unit_test(strides_and_ties_are_settled),
        cmocka_unit_test(version_3_and_protocol_4_are_read),
        cmocka_unit_test(nothing_is_called),
        cmocka_unit_test(machines_refuse),
        cmocka_unit_test(tensors_are_refused),
        cmocka_unit_test(archives_are_refused),
        cmocka_unit_test(cut_and_flipped_files_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
