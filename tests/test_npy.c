/* test_npy.c - NumPy's arrays, alone and in archives: made here by the formats' texts, read, damaged and refused. */
#include <unistd.h>

#include "base/bits.h"
#include "weights_files.h"

/* ---- arrays --------------------------------------------------------------------------------------------- */

/* Version MAJOR.0, padded to 64 bytes as NumPy does. */
static void put_array(maker *m, int major, const char *header, size_t data)
{
    size_t start = m->size, width = major == 1 ? 2 : 4, n = strlen(header), blanks = 63 - (8 + width + n) % 64;
    put_bytes(m, "\x93NUMPY", 6);
    put(m, (uint64_t)major, 2);
    put(m, n + blanks + 1, (int)width);
    put_bytes(m, header, n);
    while (blanks--) put(m, ' ', 1);
    put(m, '\n', 1);
    assert_int_equal((m->size - start) % 64, 0);
    for (size_t i = 0; i < data; i++) put(m, i * 37, 1);
}

static const char *array_file(const char *name, int major, const char *header, size_t data)
{
    maker m = { .size = 0 };
    put_array(&m, major, header, data);
    return save(&m, name);
}

static void arrays_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *dtype;
        uint32_t bits, rank;
        uint64_t first, last;
    } cases[] = {
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 48, "F32", 32, 2, 3, 4 },
        { "{'descr': '<f2', 'fortran_order': True, 'shape': (3, 4), }", 24, "F16", 16, 2, 4, 3 },
        { "{\"shape\": (5,), \"descr\": \"|i1\", \"fortran_order\": False}", 5, "I8", 8, 1, 5, 5 },
        { "{'descr': '<V2', 'fortran_order': False, 'shape': (10L, 2L), }", 40, "V2", 16, 2, 10, 2 },
        { "{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }", 16, ">f8", 64, 1, 2, 2 },
        { "{'descr': '<u8', 'fortran_order': False, 'shape': (0, 7), }", 0, "U64", 64, 2, 0, 7 },
    };
    for (int major = 1; major <= 3; major++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            ent_weights *w;
            assert_ok(ent_weights_open(&w, array_file("x.npy", major, cases[i].header, cases[i].data), NULL));
            assert_string_equal(ent_weights_format(w), "npy");
            const ent_tensor *t = ent_weights_tensor(w, 0);
            assert_string_equal(t->name, "x");
            assert_string_equal(t->dtype, cases[i].dtype);
            assert_int_equal(t->dtype_bits, cases[i].bits);
            assert_int_equal(t->rank, cases[i].rank);
            assert_int_equal(t->shape[0], cases[i].first);
            assert_int_equal(t->shape[t->rank - 1], cases[i].last);
            assert_int_equal(t->bytes.size, cases[i].data);
            assert_int_equal(t->offset % 64, 0);
            ent_weights_close(w);
        }
    ent_weights *w;
    assert_ok(ent_weights_open(&w, array_file("s.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", 8),
                               NULL));
    assert_int_equal(ent_weights_tensor(w, 0)->elements, 1);
    ent_weights_close(w);
}

static void raw_words_are_named(void **state)
{
    (void)state;
    ent_weights *w;
    assert_ok(ent_weights_open(
        &w, array_file("v.npy", 1, "{'descr': '|V2', 'fortran_order': False, 'shape': (3,), }", 6), NULL));
    assert_int_equal(ent_weights_name_raw(w, "F8_E4M3", 8), 0);
    assert_int_equal(ent_weights_name_raw(w, "BF16", 16), 1);
    assert_string_equal(ent_weights_tensor(w, 0)->dtype, "BF16");
    assert_int_equal(ent_weights_name_raw(w, "F16", 16), 0);
    ent_weights_close(w);
}

#define SOUND "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"

static void arrays_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        ent_status status;
        const char *text;
    } cases[] = {
        { "", ENT_ECORRUPT, "its header is no dictionary" },
        { "[1, 2]", ENT_ECORRUPT, "its header is no dictionary" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", ENT_ECORRUPT, "its header is no dictionary" },
        { "{'fortran_order': False, 'shape': (3,), }", ENT_ECORRUPT, "its header lacks 'descr'" },
        { "{'descr': '<f4', 'shape': (3,), }", ENT_ECORRUPT, "its header lacks 'fortran_order'" },
        { "{'descr': '<f4', 'fortran_order': False}", ENT_ECORRUPT, "its header lacks 'shape'" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", ENT_ECORRUPT,
          "key \"x\" of its header is unknown" },
        { "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", ENT_ECORRUPT, "is there twice" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': [3]}", ENT_ECORRUPT, "'shape' is no tuple" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", ENT_ECORRUPT, "'shape' is no tuple" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", ENT_ECORRUPT, "no whole number" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3.0,)}", ENT_ECORRUPT, "'shape' is no tuple" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': ((3,),)}", ENT_ECORRUPT, "no whole number" },
        { "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", ENT_ECORRUPT, "neither True nor False" },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", ENT_EUNSUPPORTED, "Python objects" },
        { "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,)}", ENT_EUNSUPPORTED, "named fields" },
        { "{'descr': '<f1', 'fortran_order': False, 'shape': (3,)}", ENT_EUNSUPPORTED, "dtype \"<f1\" is not read" },
        { "{'descr': '<U7', 'fortran_order': False, 'shape': (3,)}", ENT_EUNSUPPORTED, "dtype \"<U7\" is not read" },
        { "{'descr': 7, 'fortran_order': False, 'shape': (3,)}", ENT_ECORRUPT, "'descr' is no short text" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", ENT_ECORRUPT,
          "16 bytes of data, but 12 are there" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", ENT_ECORRUPT,
          "the product of its shape" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", ENT_ECORRUPT,
          "no whole number" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693952,)}", ENT_ECORRUPT,
          "exceeds 64 bits" },
        { SOUND "x", ENT_ECORRUPT, "something follows" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_open(array_file("bad.npy", 1, cases[i].header, 12), cases[i].status, cases[i].text);
    char deep[6000] = "{'shape': ";
    memset(deep + 10, '(', 5000);
    expect_open(array_file("bad.npy", 1, deep, 12), ENT_ECORRUPT, "no whole number");
    char *longer = calloc(1, 12000);
    memset(longer, ' ', 11000);
    memcpy(longer, SOUND, strlen(SOUND));
    expect_open(array_file("bad.npy", 2, longer, 12), ENT_ECORRUPT, "at most 10000 are read");
    free(longer);
}

static void magics_and_lengths_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        ent_status status;
        const char *text;
    } cases[] = {
        { "\x92NUMPY\1\0", 8, ENT_ECORRUPT, "does not begin with" },
        { "\0NUMPY\1\0", 8, ENT_ECORRUPT, "does not begin with" },
        { "\x93numpy\1\0", 8, ENT_ECORRUPT, "does not begin with" },
        { "\x93MATLB\1\0", 8, ENT_ECORRUPT, "does not begin with" },
        { "\x93NUMP", 5, ENT_ECORRUPT, "does not begin with" },
        { "", 0, ENT_ECORRUPT, "does not begin with" },
        { "\x93NUMPY", 6, ENT_ECORRUPT, "cut short in its version" },
        { "\x93NUMPY\1", 7, ENT_ECORRUPT, "cut short in its version" },
        { "\x93NUMPY\0\0\2\0", 10, ENT_EUNSUPPORTED, "version 0.0" },
        { "\x93NUMPY\0\1\2\0", 10, ENT_EUNSUPPORTED, "version 0.1" },
        { "\x93NUMPY\1\1\2\0", 10, ENT_EUNSUPPORTED, "version 1.1" },
        { "\x93NUMPY\2\2\2\0", 10, ENT_EUNSUPPORTED, "version 2.2" },
        { "\x93NUMPY\xff\xff\2\0", 10, ENT_EUNSUPPORTED, "version 255.255" },
        { "\x93NUMPY\2\0", 8, ENT_ECORRUPT, "cut short in the length" },
        { "\x93NUMPY\1\0\x20", 9, ENT_ECORRUPT, "cut short in the length" },
        { "\x93NUMPY\1\0\x20\0{'descr'", 18, ENT_ECORRUPT, "a header of 32 bytes, but 8 follow" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(scratch_path("magic.npy"), cases[i].bytes, cases[i].size);
        expect_open(scratch_path("magic.npy"), cases[i].status, cases[i].text);
    }
}

static void truncations_are_refused_and_flips_never_crash(void **state)
{
    (void)state;
    maker m = { .size = 0 };
    put_array(&m, 1, SOUND, 12);
    expect_open(save(&m, "cut.npy"), ENT_OK, NULL);
    expect_no_flip_crashes("flip.npy", m.bytes, m.size, m.size);
    while (m.size--) expect_open(save(&m, "cut.npy"), ENT_ECORRUPT, NULL);
}

/* ---- archives ------------------------------------------------------------------------------------------- */

enum { NO_ZIP64, ZIP64 };

typedef struct member {
    const char *name;
    size_t at, size; /* of its local header, and of its data */
} member;

static void put_local(maker *m, member *of, const char *name, const maker *data, uint16_t flags, uint16_t method)
{
    *of = (member){ name, m->size, data->size };
    put(m, 0x04034b50, 4);
    put(m, 20, 2), put(m, flags, 2), put(m, method, 2), put(m, 0, 4), put(m, 0, 4);
    put(m, data->size, 4), put(m, data->size, 4);
    put(m, strlen(name), 2), put(m, 0, 2);
    put_bytes(m, name, strlen(name));
    put_bytes(m, data->bytes, data->size);
}

/* With sizes and place in the extra field when `zip64` is set. */
static void put_central(maker *m, const member *of, uint16_t flags, uint16_t method, int zip64)
{
    uint32_t all = UINT32_MAX;
    put(m, 0x02014b50, 4);
    put(m, 45, 2), put(m, 45, 2), put(m, flags, 2), put(m, method, 2), put(m, 0, 4), put(m, 0, 4);
    put(m, zip64 ? all : of->size, 4), put(m, zip64 ? all : of->size, 4);
    put(m, strlen(of->name), 2), put(m, zip64 ? 28 + 6 : 0, 2), put(m, 0, 2), put(m, 0, 2), put(m, 0, 2), put(m, 0, 4);
    put(m, zip64 ? all : of->at, 4);
    put_bytes(m, of->name, strlen(of->name));
    if (!zip64) return;
    put(m, 0x7075, 2), put(m, 2, 2), put(m, 0, 2); /* another one first */
    put(m, 1, 2), put(m, 24, 2), put(m, of->size, 8), put(m, of->size, 8), put(m, of->at, 8);
}

static void put_end(maker *m, size_t directory, size_t members, int zip64)
{
    size_t size = m->size - directory, end64 = m->size;
    if (zip64) {
        put(m, 0x06064b50, 4), put(m, 44, 8), put(m, 45, 2), put(m, 45, 2), put(m, 0, 8);
        put(m, members, 8), put(m, members, 8), put(m, size, 8), put(m, directory, 8);
        put(m, 0x07064b50, 4), put(m, 0, 4), put(m, end64, 8), put(m, 1, 4);
    }
    put(m, 0x06054b50, 4), put(m, 0, 4);
    put(m, zip64 ? UINT16_MAX : members, 2), put(m, zip64 ? UINT16_MAX : members, 2);
    put(m, zip64 ? UINT32_MAX : size, 4), put(m, zip64 ? UINT32_MAX : directory, 4), put(m, 0, 2);
}

/* Arrays "w" of 3 and "layer.b" of 2 numbers. */
static void put_archive(maker *m, int zip64)
{
    maker w = { .size = 0 }, b = { .size = 0 };
    member of[2];
    put_array(&w, 1, SOUND, 12);
    put_array(&b, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 16);
    m->size = 0;
    put_local(m, &of[0], "w.npy", &w, 0, 0);
    put_local(m, &of[1], "layer.b.npy", &b, 0, 0);
    size_t directory = m->size;
    for (int i = 0; i < 2; i++) put_central(m, &of[i], 0, 0, zip64);
    put_end(m, directory, 2, zip64);
}

static void archives_are_read(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        maker m;
        ent_weights *w;
        put_archive(&m, zip64);
        assert_ok(ent_weights_open(&w, save(&m, "two.npz"), NULL));
        assert_string_equal(ent_weights_format(w), "npz");
        assert_int_equal(ent_weights_tensors(w), 2);
        const ent_tensor *t = ent_weights_find(w, "layer.b");
        assert_string_equal(t->dtype, "F64");
        assert_int_equal(t->bytes.size, 16);
        assert_int_equal(m.bytes[t->offset + 3], 3 * 37);
        ent_weights_close(w);
        expect_round_trip(scratch_path("two.npz"), "zstd");
    }
}

static size_t find(const maker *m, uint32_t mark, size_t from)
{
    for (size_t i = from; i + 4 <= m->size; i++)
        if (!memcmp(m->bytes + i, &mark, 4)) return i;
    fail_msg("no such mark");
    return 0;
}

/* Changes 2 bytes of the archive. */
static void refuse_changed(size_t at, int value, int zip64, ent_status status, const char *text)
{
    maker m;
    put_archive(&m, zip64);
    m.bytes[at] = (uint8_t)value;
    m.bytes[at + 1] = (uint8_t)(value >> 8);
    expect_open(save(&m, "bad.npz"), status, text);
}

static void archives_are_refused(void **state)
{
    (void)state;
    enum { LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, END64 = 0x06064b50, LOCATOR = 0x07064b50 };
    maker m, data = { .size = 0 };
    member of[2];
    put_archive(&m, NO_ZIP64);
    size_t second = find(&m, LOCAL, 4), central = find(&m, CENTRAL, 0), end = find(&m, END, 0);
    refuse_changed(end, 0, 0, ENT_ECORRUPT, "no end of the zip directory");
    refuse_changed(end + 4, 1, 0, ENT_ECORRUPT, "several volumes");
    refuse_changed(end + 10, 2000, 0, ENT_ECORRUPT, "more members than its directory has room for");
    refuse_changed(end + 10, 1, 0, ENT_ECORRUPT, "bytes follow the last entry");
    refuse_changed(end + 12, 1, 0, ENT_ECORRUPT, "its directory is not where");
    refuse_changed(end + 16, 0xffff, 0, ENT_ECORRUPT, "its directory is not where");
    refuse_changed(end + 10, 0xffff, 0, ENT_ECORRUPT, "no ZIP64 locator");
    refuse_changed(central, 0, 0, ENT_ECORRUPT, "a damaged entry");
    refuse_changed(central + 8, 1, 0, ENT_EUNSUPPORTED, "is encrypted");
    refuse_changed(central + 10, 8, 0, ENT_ECORRUPT, "disagrees with the directory");
    refuse_changed(central + 24, 7, 0, ENT_ECORRUPT, "its sizes differ");
    refuse_changed(central + 28, 6, 0, ENT_ECORRUPT, "disagrees with the directory");
    refuse_changed(central + 28, 6000, 0, ENT_ECORRUPT, "a damaged entry");
    refuse_changed(central + 42, 4, 0, ENT_ECORRUPT, "no local header at byte 4");
    refuse_changed(central + 42, 0xffff, 0, ENT_ECORRUPT, "no local header at byte 65535");
    refuse_changed(central + 46, '.' | '.' << 8, 0, ENT_ECORRUPT, "disagrees with the directory");
    refuse_changed(central + 46, '/', 0, ENT_ECORRUPT, "leaves the archive");
    refuse_changed(18, 9, 0, ENT_ECORRUPT, "9 bytes by its header");
    refuse_changed(second + 30, 'x', 0, ENT_ECORRUPT, "disagrees with the directory");
    put_archive(&m, ZIP64);
    size_t end64 = find(&m, END64, 0), locator = find(&m, LOCATOR, 0), wide = find(&m, CENTRAL, 0);
    refuse_changed(locator + 8, 5, 1, ENT_ECORRUPT, "no ZIP64 end record");
    refuse_changed(locator + 8, 0xffff, 1, ENT_ECORRUPT, "no ZIP64 end record");
    refuse_changed(end64 + 32, 0xffff, 1, ENT_ECORRUPT, "more members than its directory has room for");
    refuse_changed(end64 + 48, 1, 1, ENT_ECORRUPT, "its directory is not where");
    refuse_changed(wide + 46 + 5 + 6, 2, 1, ENT_ECORRUPT, "a damaged entry");      /* no extra field of number 1 */
    refuse_changed(wide + 46 + 5 + 6 + 2, 16, 1, ENT_ECORRUPT, "a damaged entry"); /* which has no place */
    /* the same member twice, and one inside another */
    put_array(&data, 1, SOUND, 12);
    m.size = 0;
    put_local(&m, &of[0], "w.npy", &data, 0, 0), put_local(&m, &of[1], "w.npy", &data, 0, 0);
    size_t directory = m.size;
    put_central(&m, &of[0], 0, 0, 0), put_central(&m, &of[1], 0, 0, 0);
    put_end(&m, directory, 2, 0);
    expect_open(save(&m, "bad.npz"), ENT_ECORRUPT, "member \"w.npy\" is there twice");
    maker inner = { .size = 0 };
    member hidden;
    put_local(&inner, &hidden, "b.npy", &data, 0, 0);
    m.size = 0;
    put_local(&m, &of[0], "w.npy", &inner, 0, 0);
    hidden.at = of[0].at + 30 + 5;
    directory = m.size;
    put_central(&m, &of[0], 0, 0, 0), put_central(&m, &hidden, 0, 0, 0);
    put_end(&m, directory, 2, 0);
    expect_open(save(&m, "bad.npz"), ENT_ECORRUPT, "members \"w.npy\" and \"b.npy\" overlap");
    static const char *const names[] = { "../w.npy", "a/../w.npy", "..", "a\\w.npy", "/w.npy", "" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        m.size = 0;
        put_local(&m, &of[0], names[i], &data, 0, 0);
        directory = m.size;
        put_central(&m, &of[0], 0, 0, 0);
        put_end(&m, directory, 1, 0);
        expect_open(save(&m, "bad.npz"), ENT_ECORRUPT, "leaves the archive");
    }
    /* something in front */
    maker after = { .size = 0 };
    put_archive(&m, 0);
    put_bytes(&after, "PK\3\4xxx", 7);
    put_bytes(&after, m.bytes, m.size);
    expect_open(save(&after, "bad.npz"), ENT_ECORRUPT, "its directory is not where");
    /* compressed by bzip2, and other members */
    m.size = 0;
    put_local(&m, &of[0], "w.npy", &data, 0, 12);
    directory = m.size;
    put_central(&m, &of[0], 0, 12, 0);
    put_end(&m, directory, 1, 0);
    expect_open(save(&m, "bad.npz"), ENT_EUNSUPPORTED, "is compressed by method 12; 8 (deflate) is read");
    m.size = 0;
    put_local(&m, &of[0], "w.npy", &data, 0, 0), put_local(&m, &of[1], "x.txt", &data, 0, 0);
    directory = m.size;
    put_central(&m, &of[0], 0, 0, 0), put_central(&m, &of[1], 0, 0, 0);
    put_end(&m, directory, 2, 0);
    expect_open(save(&m, "bad.npz"), ENT_ECORRUPT, "member \"x.txt\" is no .npy file");
}

/* Arrays "w" and "b" of 6000 numbers each, "w" deflated and its size in the directory changed by `lie`. */
static const char *deflated_archive(const char *name, uint32_t lie)
{
    static maker w, b;
    w.size = b.size = 0;
    put_array(&w, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 100), }", 24000);
    put_array(&b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6000,), }", 24000);
    const part parts[] = { { "w.npy", w.bytes, w.size, true }, { "b.npy", b.bytes, b.size, false } };
    const char *path = make_zip(name, parts, 2);
    size_t size;
    uint8_t *file = read_file(path, &size);
    for (size_t i = 0; i + 28 < size && lie; i++)
        if (ent_load32(file + i) == 0x02014b50 && ent_load32(file + i + 20) != ent_load32(file + i + 24))
            memcpy(file + i + 24, &lie, 4);
    write_file(path, file, size);
    free(file);
    return path;
}

static void deflated_archives_are_read(void **state)
{
    (void)state;
    ent_weights *w;
    const char *path = deflated_archive("z.npz", 0);
    assert_ok(ent_weights_open(&w, path, NULL));
    const ent_tensor *packed = ent_weights_find(w, "w"), *plain = ent_weights_find(w, "b");
    assert_true(packed->unpacked && !plain->unpacked);
    assert_int_equal(packed->offset, 30 + strlen("w.npy"));
    assert_int_equal(packed->shape[1], 100);
    assert_int_equal(packed->bytes.size, 24000);
    assert_memory_equal(packed->bytes.data, plain->bytes.data, 24000);
    ent_weights_release(w, packed->bytes); /* and it is still there */
    for (size_t i = 0; i < 24000; i++) assert_int_equal(packed->bytes.data[i], (uint8_t)(i * 37));
    ent_weights_close(w);
    expect_round_trip(path, "zstd");
    /* what it says that it unpacks to is not what it does, or cannot be */
    expect_open(deflated_archive("z.npz", 24127), ENT_ECORRUPT, "its deflated data are damaged");
    expect_open(deflated_archive("z.npz", 24129), ENT_ECORRUPT, "its deflated data are damaged");
    expect_open(deflated_archive("z.npz", UINT32_MAX - 1), ENT_ECORRUPT, "bytes cannot unpack to 4294967294");
    size_t size;
    uint8_t *file = read_file(deflated_archive("z.npz", 0), &size);
    file[100] ^= 4;
    write_file(path, file, size);
    free(file);
    expect_open(path, ENT_ECORRUPT, "member \"w.npy\", at byte 35: its deflated data are damaged");
}

/* Zeros deflate a thousandfold. */
static void bombs_are_refused(void **state)
{
    (void)state;
    size_t size = 96 << 20;
    uint8_t *zeros = calloc(1, size);
    assert_non_null(zeros);
    const part parts[] = { { "w.npy", zeros, size, true } };
    expect_open(make_zip("bomb.npz", parts, 1), ENT_EUNSUPPORTED, "which weights never are");
    const part small[] = { { "w.npy", zeros, 1 << 20, true } };
    expect_open(make_zip("bomb.npz", small, 1), ENT_ECORRUPT, "it does not begin with"); /* so it was unpacked */
    free(zeros);
    assert_int_equal(setenv("TMPDIR", "/nowhere", 1), 0);
    expect_open(deflated_archive("z.npz", 0), ENT_EIO, "no room in /nowhere for the");
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void cut_and_flipped_archives_never_crash(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        maker m;
        put_archive(&m, zip64);
        size_t whole = m.size;
        while (--m.size > 4) expect_open(save(&m, "cut.npz"), ENT_ECORRUPT, NULL);
        m.size = whole;
        for (size_t bit = 0; bit < 8 * whole; bit++) {
            ent_weights *w;
            ent_error error;
            m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            count_damaged();
            ent_status status = ent_weights_open(&w, save(&m, "flip.npz"), &error);
            if (status && status != ENT_ECORRUPT && status != ENT_EUNSUPPORTED)
                fail_msg("bit %zu: %s", bit, error.text);
            for (size_t i = 0; w && i < ent_weights_tensors(w); i++) {
                const ent_tensor *t = ent_weights_tensor(w, i);
                assert_true(t->offset <= whole && t->bytes.size <= whole - t->offset);
            }
            ent_weights_close(w);
            m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_read),
        cmocka_unit_test(raw_words_are_named),
        cmocka_unit_test(arrays_are_refused),
        cmocka_unit_test(magics_and_lengths_are_refused),
        cmocka_unit_test(truncations_are_refused_and_flips_never_crash),
        cmocka_unit_test(archives_are_read),
        cmocka_unit_test(archives_are_refused),
        cmocka_unit_test(deflated_archives_are_read),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(cut_and_flipped_archives_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
