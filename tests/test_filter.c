/* test_filter.c - the HDF5 filter: chunks by themselves, decoded by an oracle of their layout too, damaged chunks and
 * parameters, and the plugin as HDF5 loads it.
 *
 * Over 500 lines because the oracle of the layout is written out here, apart from the code. */
#include <limits.h>

#include <hdf5.h>
#include <xxhash.h>

#include "base/bits.h"
#include "filter/chunk.h"
#include "oracle/oracle.h"
#include "test.h"

static char where[300];

static ent_filter_values values_of(const char *text, const char *dtype, size_t width, size_t bytes)
{
    ent_filter_values values;
    ent_codec *codec;
    ent_error error;
    ent_buffer items = { NULL, 0, 0 };
    if (ent_codec_parse(&codec, text, &error)) fail_msg("%s", error.text);
    assert_ok(ent_codec_recipe_text(codec, dtype, &items));
    if (ent_filter_values_of(&values, dtype, (const char *)items.data, width, bytes, &error))
        fail_msg("%s: %s", text, error.text);
    ent_free(items.data);
    ent_codec_free(codec);
    return values;
}

static ent_chunks open_values(const ent_filter_values *values)
{
    ent_chunks chunks;
    ent_error error;
    if (ent_chunks_open(&chunks, values->value, values->n, &error)) fail_msg("%s: %s", where, error.text);
    return chunks;
}

/* Words of a bell shape in the format; for packed formats any bytes of few kinds. */
static void fill(const char *dtype, uint8_t *data, size_t bytes)
{
    const ent_format *f = ent_format_find(dtype);
    size_t width = ent_format_width(f);
    ent_random r;
    ent_random_seed(&r, 77, bytes);
    for (size_t i = 0; i + width <= bytes; i += width) {
        double sum = -6;
        for (int k = 0; k < 12; k++) sum += ent_random_uniform(&r);
        bool number = f && f->kind == ENT_KIND_FLOAT && !ent_format_packed(f);
        uint64_t word = number ? ent_format_nearest(f, 0.02 * sum) : (uint64_t)(int64_t)(100 + 10 * sum);
        memcpy(data + i, &word, width);
    }
}

static ent_buffer encode(const ent_chunks *chunks, const void *data)
{
    ent_buffer out = { NULL, 0, 0 };
    assert_ok(ent_buffer_reserve(&out, ent_chunk_bound(chunks)));
    assert_ok(ent_chunk_encode(chunks, data, &out));
    return out;
}

/* ---- an oracle, from filter/FORMAT.md ----------------------------------------------------------------------- */

static void oracle_chunk(const ent_filter_values *values, ent_bytes chunk, uint8_t *out)
{
    char text[2000] = "", dtype[40], line[2100];
    for (size_t i = 4; i < values->n; i++)
        for (int k = 0; k < 4; k++) text[(i - 4) * 4 + (size_t)k] = (char)(values->value[i] >> 8 * k);
    const char *items = strchr(text, ' ');
    assert_non_null(items);
    snprintf(dtype, sizeof dtype, "%.*s", (int)(items - text), text);
    snprintf(line, sizeof line, "%s scope=block", items);

    byte_string in = { chunk.data, chunk.size, 0, false };
    uint64_t sum = oracle_integer(&in, 4), words = oracle_integer(&in, 4);
    assert_int_equal(sum, XXH3_64bits_withSeed(chunk.data + 4, chunk.size - 4, XXH3_64bits(text, strlen(text))) & UINT32_MAX);
    ent_bytes body = { chunk.data + 8, chunk.size - 8 };
    if (words >> 31) {
        memcpy(out, body.data, body.size);
        return;
    }
    ent_codec *codec;
    ent_recipe recipe;
    assert_ok(ent_codec_parse(&codec, line, NULL));
    assert_ok(ent_codec_bind(codec, dtype, &recipe, NULL));
    ent_codec_free(codec);
    if (oracle_block(&recipe, NULL, body, out, words)) fail_msg("%s: the oracle refuses the block", where);
}

/* ---- chunks ------------------------------------------------------------------------------------------------- */

static const char *const dtypes[] = { "BF16", "F16", "F32", "F64", "F8_E4M3", "U16", "U8", "U4", "opaque" };
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static void round_trip(const char *coder, const char *dtype, size_t bytes)
{
    char text[300];
    snprintf(where, sizeof where, "%s, %s, %zu bytes", coder, dtype, bytes);
    snprintf(text, sizeof text, "F64: exponent:top3=%s rest=raw | float: exponent=%s rest=raw | narrow: word=%s | *: bytes=%s",
             coder, coder, coder, coder);
    const ent_format *f = ent_format_find(dtype);
    ent_filter_values values = values_of(text, dtype, f ? ent_format_width(f) : 1, bytes);
    ent_chunks chunks = open_values(&values);
    guarded data = guarded_new(bytes), back = guarded_new(bytes);
    uint8_t *second = calloc(bytes + 1, 1);
    fill(dtype, data.data, bytes);
    ent_buffer out = encode(&chunks, data.data);
    assert_true(out.size <= bytes + ENT_CHUNK_HEAD);
    guarded chunk = guarded_copy(out.data, out.size);
    assert_ok(ent_chunk_decode(&chunks, (ent_bytes){ chunk.data, chunk.size }, back.data));
    assert_memory_equal(data.data, back.data, bytes);
    if (oracle_find(coder)) {
        oracle_chunk(&values, (ent_bytes){ chunk.data, chunk.size }, second);
        assert_memory_equal(data.data, second, bytes);
    }
    free(second);
    ent_free(out.data);
    guarded_free(&chunk);
    guarded_free(&data);
    guarded_free(&back);
    ent_chunks_close(&chunks);
}

static void test_round_trips(void **state)
{
    (void)state;
    for (size_t c = 0; ent_coders[c]; c++)
        for (int d = 0; d < DTYPES && takes_bytes(ent_coders[c]); d++)
            for (size_t bytes = 0; bytes <= 4096; bytes = bytes ? 16 * bytes : 16) round_trip(ent_coders[c]->name, dtypes[d], bytes);
}

/* What coding would enlarge costs the head and no more; what it makes smaller is smaller. */
static void test_sizes(void **state)
{
    (void)state;
    enum { BYTES = 1 << 16 };
    static uint8_t data[BYTES];
    ent_filter_values values = values_of("exponent=planar-rans rest=raw", "BF16", 2, BYTES);
    ent_chunks chunks = open_values(&values);
    ent_random r;
    ent_random_seed(&r, 3, 0);
    for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)ent_random_bits(&r);
    ent_buffer out = encode(&chunks, data);
    assert_int_equal(out.size, BYTES + ENT_CHUNK_HEAD);
    ent_free(out.data);
    fill("BF16", data, BYTES);
    out = encode(&chunks, data);
    assert_true(out.size < BYTES * 11 / 16); /* normal: 2.6 bits of entropy in place of 8 */
    ent_free(out.data);
    ent_chunks_close(&chunks);
}

/* A chunk that holds fewer words than it has room for is filled up with zeros. */
static void test_part_of_a_chunk(void **state)
{
    (void)state;
    enum { BYTES = 4096, WORDS = 700 };
    uint8_t data[BYTES], back[BYTES];
    ent_filter_values values = values_of("exponent=huffman rest=raw", "BF16", 2, BYTES);
    ent_chunks chunks = open_values(&values);
    fill("BF16", data, BYTES);
    ent_buffer out = { NULL, 0, 0 };
    assert_ok(ent_buffer_reserve(&out, ent_chunk_bound(&chunks)));
    out.size = ENT_CHUNK_HEAD;
    assert_ok(ent_block_encode(&chunks.recipe, &chunks.tables, data, WORDS, &out, NULL, NULL));
    ent_chunk_seal(chunks.seed, out.data, out.size, WORDS);
    memset(back, 1, sizeof back);
    assert_ok(ent_chunk_decode(&chunks, (ent_bytes){ out.data, out.size }, back));
    assert_memory_equal(back, data, 2 * WORDS);
    for (size_t i = 2 * WORDS; i < BYTES; i++) assert_int_equal(back[i], 0);
    ent_chunk_seal(chunks.seed, out.data, out.size, BYTES / 2 + 1);
    assert_status(ent_chunk_decode(&chunks, (ent_bytes){ out.data, out.size }, back), ENT_ECORRUPT);
    ent_free(out.data);
    ent_chunks_close(&chunks);
}

/* A chunk with a good checksum that holds more than there is room for, coded or stored: refused before anything is
 * written past the end. */
static void test_more_than_a_chunk(void **state)
{
    (void)state;
    enum { BYTES = 4096 };
    uint8_t data[BYTES];
    for (int stored = 0; stored < 2; stored++) {
        ent_filter_values large = values_of("exponent=huffman rest=raw", "BF16", 2, BYTES), small = large;
        small.value[3] = BYTES / 2;
        ent_chunks wrote = open_values(&large), reads = open_values(&small);
        ent_random r;
        ent_random_seed(&r, 8, 0);
        fill("BF16", data, BYTES);
        for (size_t i = 0; stored && i < BYTES; i++) data[i] = (uint8_t)ent_random_bits(&r);
        ent_buffer out = encode(&wrote, data);
        assert_int_equal(ent_load32(out.data + 4) >> 31, stored);
        guarded back = guarded_new(reads.bytes);
        assert_status(ent_chunk_decode(&reads, (ent_bytes){ out.data, out.size }, back.data), ENT_ECORRUPT);
        guarded_free(&back);
        ent_free(out.data);
        ent_chunks_close(&wrote);
        ent_chunks_close(&reads);
    }
}

/* ---- damage ------------------------------------------------------------------------------------------------- */

static ent_status decode_copy(const ent_chunks *chunks, const uint8_t *data, size_t size)
{
    guarded chunk = guarded_copy(data, size), back = guarded_new(chunks->bytes);
    ent_status status = ent_chunk_decode(chunks, (ent_bytes){ chunk.data, size }, back.data);
    guarded_free(&chunk);
    guarded_free(&back);
    return status;
}

/* Every truncation and every flipped bit is found; and with a checksum that holds, nothing is read or written
 * outside. */
static void test_damaged_chunks(void **state)
{
    (void)state;
    enum { BYTES = 512 };
    uint8_t data[BYTES];
    for (size_t c = 0; ent_coders[c]; c++) {
        char text[200];
        if (!takes_bytes(ent_coders[c])) continue;
        snprintf(where, sizeof where, "%s", ent_coders[c]->name);
        snprintf(text, sizeof text, "float: exponent=%s rest=raw | *: bytes=%s", ent_coders[c]->name, ent_coders[c]->name);
        ent_filter_values values = values_of(text, "BF16", 2, BYTES);
        ent_chunks chunks = open_values(&values);
        fill("BF16", data, BYTES);
        ent_buffer out = encode(&chunks, data);
        for (size_t size = 0; size < out.size; size++) {
            assert_status(decode_copy(&chunks, out.data, size), ENT_ECORRUPT);
            if (size < ENT_CHUNK_HEAD) continue;
            uint8_t *cut = malloc(size);
            memcpy(cut, out.data, size);
            ent_chunk_seal(chunks.seed, cut, size, BYTES / 2);
            assert_status(decode_copy(&chunks, cut, size), ENT_ECORRUPT);
            free(cut);
        }
        for (size_t bit = 0; bit < 8 * out.size; bit++) {
            out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_status(decode_copy(&chunks, out.data, out.size), ENT_ECORRUPT);
            if (bit >= 8 * ENT_CHUNK_HEAD) {
                uint8_t head[ENT_CHUNK_HEAD];
                memcpy(head, out.data, sizeof head);
                ent_chunk_seal(chunks.seed, out.data, out.size, BYTES / 2);
                ent_status status = decode_copy(&chunks, out.data, out.size);
                assert_true(status == ENT_OK || status == ENT_ECORRUPT);
                memcpy(out.data, head, sizeof head);
            }
            out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        ent_free(out.data);
        ent_chunks_close(&chunks);
    }
}

/* A chunk does not decode by the parameters of another recipe, even where the layouts agree. */
static void test_other_recipe(void **state)
{
    (void)state;
    uint8_t data[1024];
    ent_filter_values a = values_of("exponent=rans rest=raw", "BF16", 2, sizeof data),
                      b = values_of("exponent=arithmetic rest=raw", "BF16", 2, sizeof data);
    ent_chunks right = open_values(&a), wrong = open_values(&b);
    fill("BF16", data, sizeof data);
    ent_buffer out = encode(&right, data);
    assert_status(decode_copy(&wrong, out.data, out.size), ENT_ECORRUPT);
    assert_ok(decode_copy(&right, out.data, out.size));
    ent_free(out.data);
    ent_chunks_close(&right);
    ent_chunks_close(&wrong);
}

static void refused(const ent_filter_values *values, ent_status expected, const char *word)
{
    ent_chunks chunks;
    ent_error error = { .text = "" };
    assert_status(ent_chunks_open(&chunks, values->value, values->n, &error), expected);
    if (!strstr(error.text, word)) fail_msg("\"%s\" does not say \"%s\"", error.text, word);
    ent_chunks_close(&chunks);
}

static void test_parameters(void **state)
{
    (void)state;
    const ent_filter_values good = values_of("exponent=rans rest=raw", "BF16", 2, 1024);
    ent_filter_values v = good;
    v.value[0]++;
    refused(&v, ENT_EUNSUPPORTED, "libentropy's");
    v = good, v.value[1] = ENT_FILTER_TABLES;
    refused(&v, ENT_EUNSUPPORTED, "decompress");
    v = good, v.value[1] = 3;
    refused(&v, ENT_EUNSUPPORTED, "version 3");
    v = good, v.value[3] = UINT32_MAX;
    refused(&v, ENT_EUNSUPPORTED, "at most");
    v = good, v.value[4] = 'B' | 'F' << 8 | '1' << 16 | '7' << 24;
    refused(&v, ENT_EUNSUPPORTED, "BF17");
    v = good, v.value[4] |= 0x80;
    refused(&v, ENT_ECORRUPT, "text");
    v = good, v.value[5] ^= (unsigned)('e' ^ '?') << 8;
    refused(&v, ENT_EUNSUPPORTED, "codec");
    v = good, v.n = ENT_FILTER_HEAD;
    refused(&v, ENT_ECORRUPT, "text");
    v = good, v.n = 1;
    refused(&v, ENT_EUNSUPPORTED, "libentropy's");
    for (v = good, v.n = 2; v.n < good.n; v.n++) { /* any other cut: refused, or a shorter recipe */
        ent_chunks chunks;
        ent_status status = ent_chunks_open(&chunks, v.value, v.n, NULL);
        assert_true(status == ENT_OK || status == ENT_ECORRUPT || status == ENT_EUNSUPPORTED);
        ent_chunks_close(&chunks);
    }
    static char text[ENT_FILTER_TEXT];
    assert_status(ent_filter_values_of(&v, "BF16", "bytes=huffman", 2, (size_t)1 << 33, NULL), ENT_EUNSUPPORTED);
    memset(text, 'x', sizeof text - 1);
    assert_status(ent_filter_values_of(&v, "BF16", text, 2, 1024, NULL), ENT_EUNSUPPORTED);
}

/* The numbers that filter/FORMAT.md gives: a file of ten years ago has them. */
static void test_numbers(void **state)
{
    static const char *const names[] = { "raw", "huffman", "tans", "rans", "arithmetic", "arithmetic-adaptive", "tiered",
                                         "planar-rans", "zstd", "lz4", "wavelet-tree", "planar-rans-classes", "mixing", "bitmap",
                                         "tbe", "row-palette", "qmoe" };
    (void)state;
    for (uint16_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ent_coder *coder = ent_coder_by_id((uint16_t)(i + 1));
        if (coder) assert_string_equal(coder->name, names[i]);
        else assert_true(i == 8 || i == 9); /* builds without zstd, LZ4 */
    }
}

/* ---- the plugin ---------------------------------------------------------------------------------------------- */

typedef struct dataset {
    hid_t file, space, create, set;
    char path[PATH_MAX];
} dataset;

enum { ROWS = 500, COLUMNS = 30, CHUNK_ROWS = 128 }; /* the last chunk is not full */

static dataset create_set(hid_t type, size_t n, const unsigned *values)
{
    dataset d;
    const hsize_t dims[] = { ROWS, COLUMNS }, chunk[] = { CHUNK_ROWS, COLUMNS };
    snprintf(d.path, sizeof d.path, "%s", scratch_path("filter.h5"));
    d.space = H5Screate_simple(2, dims, NULL);
    d.create = H5Pcreate(H5P_DATASET_CREATE);
    d.file = H5Fcreate(d.path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Pset_chunk(d.create, 2, chunk) >= 0);
    assert_true(H5Pset_filter(d.create, ENT_FILTER_ID, H5Z_FLAG_MANDATORY, n, values) >= 0);
    d.set = H5Dcreate2(d.file, "x", type, d.space, H5P_DEFAULT, d.create, H5P_DEFAULT);
    return d;
}

static void close_set(dataset *d)
{
    if (d->set >= 0) H5Dclose(d->set);
    H5Sclose(d->space);
    H5Pclose(d->create);
    H5Fclose(d->file);
}

static void reopen(dataset *d)
{
    if (d->set >= 0) H5Dclose(d->set);
    H5Fclose(d->file);
    d->file = H5Fopen(d->path, H5F_ACC_RDWR, H5P_DEFAULT);
    d->set = H5Dopen2(d->file, "x", H5P_DEFAULT);
    assert_true(d->set >= 0);
}

/* The recipe that the plugin wrote into the dataset. */
static void recipe_text(hid_t set, char text[1100])
{
    unsigned flags, value[256] = { 0 };
    size_t n = 256;
    hid_t create = H5Dget_create_plist(set);
    assert_int_equal(H5Pget_filter2(create, 0, &flags, &n, value, 0, NULL, NULL), ENT_FILTER_ID);
    assert_true(n > ENT_FILTER_HEAD && value[0] == ENT_FILTER_MAGIC && value[1] == ENT_FILTER_CHUNKS);
    assert_int_equal(value[3], CHUNK_ROWS * COLUMNS * value[2]);
    for (size_t i = 0; i < 4 * (n - 4); i++) text[i] = (char)(value[4 + i / 4] >> 8 * (i % 4));
    text[4 * (n - 4)] = '\0';
    H5Pclose(create);
}

static hid_t bf16_type(void)
{
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(t, 15, 7, 8, 0, 7);
    H5Tset_precision(t, 16);
    H5Tset_size(t, 2);
    H5Tset_ebias(t, 127);
    return t;
}

static void through_hdf5(hid_t type, const char *dtype, size_t n, const unsigned *values, const char *recipe)
{
    static uint8_t data[8 * ROWS * COLUMNS], back[sizeof data];
    char text[1100];
    size_t bytes = H5Tget_size(type) * ROWS * COLUMNS;
    dataset d = create_set(type, n, values);
    assert_true(d.set >= 0);
    fill(dtype, data, bytes);
    assert_true(H5Dwrite(d.set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    reopen(&d);
    recipe_text(d.set, text);
    if (!strstr(text, recipe)) fail_msg("\"%s\" is not \"%s\"", text, recipe);
    memset(back, 0, sizeof back);
    assert_true(H5Dread(d.set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, back) >= 0);
    assert_memory_equal(back, data, bytes);
    assert_true(H5Dget_storage_size(d.set) < bytes); /* of chunks that hold 512 rows */
    close_set(&d);
}

#define VALUES(...) sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned), (unsigned[]){ __VA_ARGS__ }

static void test_through_hdf5(void **state)
{
    (void)state;
    hid_t bf16 = bf16_type();
    through_hdf5(H5T_IEEE_F32LE, "F32", 0, NULL, "F32 exponent=planar-rans");
    through_hdf5(H5T_IEEE_F64LE, "F64", 0, NULL, "F64 exponent:top3=planar-rans");
    through_hdf5(bf16, "BF16", VALUES(2), "BF16 exponent=huffman");
    through_hdf5(H5T_STD_U16LE, "BF16", VALUES(4, 2), "BF16 exponent=rans");
    through_hdf5(H5T_STD_U16LE, "F16", VALUES(7, 3), "F16 exponent=tiered");
    through_hdf5(H5T_STD_U16LE, "U16", VALUES(0), "U16 bytes=planar-rans");
    through_hdf5(H5T_STD_I32LE, "F32", VALUES(11, 0, 0), "F32 bytes=wavelet-tree");
    through_hdf5(H5T_IEEE_F32LE, "F32", VALUES(2, 0, 1), "rest=huffman");
    through_hdf5(H5T_STD_U8LE, "U8", VALUES(5), "U8 bytes=arithmetic");
    through_hdf5(H5T_STD_U8LE, "U8", VALUES(8, 6), "U4 word=planar-rans");
    H5Tclose(bf16);
}

static herr_t take_message(unsigned n, const H5E_error2_t *e, void *data)
{
    (void)n;
    if (!strcmp(e->func_name, "filter 58481")) snprintf(data, 300, "%s", e->desc);
    return 0;
}

/* What the plugin last told HDF5. */
static const char *message(void)
{
    static char text[300];
    text[0] = '\0';
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_message, text);
    return text;
}

static void cannot_create(hid_t type, size_t n, const unsigned *values, const char *word)
{
    dataset d = create_set(type, n, values);
    assert_true(d.set < 0);
    if (!strstr(message(), word)) fail_msg("\"%s\" does not say \"%s\"", message(), word);
    close_set(&d);
}

static void test_refusals(void **state)
{
    (void)state;
    hid_t odd = H5Tcreate(H5T_OPAQUE, 3);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    cannot_create(H5T_STD_U8LE, VALUES(999), "no coder");
    cannot_create(H5T_STD_U8LE, VALUES(0x10008), "no coder");
    cannot_create(H5T_STD_U8LE, VALUES(8, 99), "no format");
    cannot_create(H5T_STD_U8LE, VALUES(8, 2), "elements of 1 bytes");
    cannot_create(H5T_STD_U16LE, VALUES(8, 2, 7), "third");
    cannot_create(H5T_STD_U16LE, VALUES(ENT_FILTER_MAGIC, 9), "parameters");
    cannot_create(odd, 0, NULL, "elements have 1, 2, 4 or 8 bytes");
    H5Tclose(odd);
}

/* Chunks of a file that are not what the filter wrote: an error, and what is wrong. */
static void test_damaged_file(void **state)
{
    (void)state;
    uint8_t data[2 * ROWS * COLUMNS], back[sizeof data], chunk[4 * CHUNK_ROWS * COLUMNS];
    const hsize_t corner[] = { 0, 0 };
    uint32_t mask;
    hsize_t size;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (int damage = 0; damage < 3; damage++) {
        dataset d = create_set(H5T_STD_U16LE, VALUES(8, 2));
        fill("BF16", data, sizeof data);
        assert_true(H5Dwrite(d.set, H5T_STD_U16LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
        reopen(&d);
        assert_true(H5Dget_chunk_storage_size(d.set, corner, &size) >= 0);
        assert_true(size < sizeof chunk && H5Dread_chunk(d.set, H5P_DEFAULT, corner, &mask, chunk) >= 0);
        if (damage == 1) chunk[size / 2] ^= 1;
        if (damage == 2) size--;
        assert_true(H5Dwrite_chunk(d.set, H5P_DEFAULT, 0, corner, size, chunk) >= 0);
        reopen(&d);
        bool read = H5Dread(d.set, H5T_STD_U16LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, back) >= 0;
        assert_int_equal(read, damage == 0);
        if (read) assert_memory_equal(back, data, sizeof data);
        else assert_non_null(strstr(message(), "a chunk of"));
        close_set(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),  cmocka_unit_test(test_sizes),      cmocka_unit_test(test_part_of_a_chunk),
        cmocka_unit_test(test_more_than_a_chunk),
        cmocka_unit_test(test_damaged_chunks), cmocka_unit_test(test_other_recipe), cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_through_hdf5), cmocka_unit_test(test_refusals),   cmocka_unit_test(test_damaged_file),
    };
    return cmocka_run_group_tests(tests, use_plugin, NULL);
}
