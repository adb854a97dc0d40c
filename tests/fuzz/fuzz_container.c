/* fuzz_container.c - containers and corpora with changed bytes, and any bytes as an index.
 *
 * Input: byte 0, 0: the rest is the JSON of an index; 1, 2: patches, three bytes each (place, and what
 * is xored), of a container or of a corpus that is made once.  The files are memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "base/bits.h"
#include "container/index.h"
#include "fuzz.h"

/* HDF5 1.10 loses the memory of objects whose metadata is damaged. */
ENT_API const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

/* ---- the good files --------------------------------------------------------------------------------- */

typedef struct sample {
    uint8_t *data;
    size_t size;
} sample;

static sample model, container, corpus;
static char folder[] = "/tmp/entropy-fuzz-XXXXXX";

static sample take_file(const char *path)
{
    sample s = { NULL, 0 };
    FILE *f = fopen(path, "rb");
    REQUIRE(f && !fseek(f, 0, SEEK_END));
    s.size = (size_t)ftell(f);
    s.data = malloc(s.size);
    REQUIRE(s.data && !fseek(f, 0, SEEK_SET) && fread(s.data, 1, s.size, f) == s.size);
    fclose(f);
    unlink(path);
    return s;
}

static void write_model(const char *path)
{
    static const char header[] = "{\"a\":{\"dtype\":\"BF16\",\"shape\":[400],\"data_offsets\":[0,800]},"
                                 "\"b\":{\"dtype\":\"F4\",\"shape\":[100],\"data_offsets\":[800,850]},"
                                 "\"c\":{\"dtype\":\"I32\",\"shape\":[5],\"data_offsets\":[850,870]}}";
    uint64_t n = sizeof header - 1;
    ent_random r;
    FILE *f = fopen(path, "wb");
    REQUIRE(f);
    fwrite(&n, 8, 1, f);
    fwrite(header, 1, n, f);
    ent_random_seed(&r, 5, 0);
    for (int i = 0; i < 870; i++) fputc((int)(ent_random_bits(&r) & ent_random_bits(&r) & 255), f);
    fclose(f);
}

static void prepare(void)
{
    char path[3][64];
    static const char *const names[] = { "model.safetensors", "model.ent", "tables" };
    const ent_run one = { .threads = 1 };
    ent_weights *weights;
    ent_codec *codec;
    ent_corpus *made;
    REQUIRE(mkdtemp(folder));
    for (int i = 0; i < 3; i++) snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    write_model(path[0]);
    REQUIRE(!ent_weights_open(&weights, path[0], NULL) && !ent_codec_parse(&codec, "huffman block=64", NULL));
    REQUIRE(!ent_container_write(path[1], weights, codec, NULL, &one, NULL, NULL));
    REQUIRE(!ent_corpus_new(&made, codec) && !ent_corpus_add(made, weights, &one, NULL));
    REQUIRE(!ent_corpus_write(made, path[2], NULL));
    ent_corpus_free(made);
    ent_codec_free(codec);
    ent_weights_close(weights);
    model = take_file(path[0]);
    container = take_file(path[1]);
    corpus = take_file(path[2]);
    rmdir(folder);
}

/* ---- changed files ------------------------------------------------------------------------------------ */

/* A file in memory; its path in `path`. */
static int patched(const sample *s, const uint8_t *data, size_t size, char path[64])
{
    uint8_t *copy = malloc(s->size);
    int fd = memfd_create("fuzz", 0);
    REQUIRE(copy && fd >= 0);
    memcpy(copy, s->data, s->size);
    for (; size >= 3; data += 3, size -= 3) copy[ent_load16(data) % s->size] ^= data[2];
    REQUIRE(write(fd, copy, s->size) == (ssize_t)s->size);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    free(copy);
    return fd;
}

/* What opens and reads without complaint is what was coded: two flips that cheat a 32-bit checksum are
 * as likely to be found as any other 32-bit secret. */
static void open_container(const uint8_t *data, size_t size)
{
    static const size_t sizes[] = { 800, 50, 20 }, places[] = { 0, 800, 850 };
    static uint8_t out[800];
    const ent_run one = { .threads = 1 };
    char path[64];
    ent_container *c;
    int fd = patched(&container, data, size, path);
    if (!ent_container_open(&c, path, NULL)) {
        (void)!ent_container_verify(c, NULL, &one, NULL, NULL, NULL);
        for (size_t i = 0; i < ent_container_tensors(c) && i < 3; i++)
            if (ent_container_tensor_at(c, i).bytes == sizes[i] && !ent_container_read(c, i, out, &one, NULL))
                REQUIRE(!memcmp(out, model.data + model.size - 870 + places[i], sizes[i]));
        ent_container_close(c);
    }
    close(fd);
}

static void open_corpus(const uint8_t *data, size_t size)
{
    char path[64];
    ent_corpus *c;
    int fd = patched(&corpus, data, size, path);
    if (!ent_corpus_read(&c, path, NULL)) ent_corpus_free(c);
    close(fd);
}

/* ---- an index ------------------------------------------------------------------------------------------ */

static void read_index(const uint8_t *data, size_t size)
{
    ent_index x;
    json_t *root = json_loadb((const char *)data, size, 0, NULL);
    if (root && !ent_index_read(&x, root, 4096, "index", NULL)) {
        uint64_t end = 0, tables = 0;
        for (size_t i = 0; i < x.tables; i++) tables += x.table[i].size;
        REQUIRE(tables == 4096 && x.files);
        for (size_t i = 0; i < x.files; i++) REQUIRE(x.file[i].name[0] && !strchr(x.file[i].name, '/'));
        for (size_t i = 0; i < x.tensors; i++) {
            const ent_index_tensor *t = &x.tensor[i];
            REQUIRE(t->file < x.files && t->recipe < x.recipes && t->bytes <= x.file[t->file].bytes);
            if (i && t->file != t[-1].file) end = 0;
            REQUIRE(t->offset >= end && t->offset <= x.file[t->file].bytes - t->bytes);
            end = t->offset + t->bytes;
            REQUIRE(t->same < (int64_t)i && (t->same < 0 || x.tensor[t->same].bytes == t->bytes));
            REQUIRE(!t->delta || t->base_file < x.bases);
            REQUIRE(!t->delta || (t->bytes <= x.base[t->base_file].bytes &&
                                  t->base_offset <= x.base[t->base_file].bytes - t->bytes));
            uint64_t blocks = ent_index_blocks(&x, t), offset;
            size_t part;
            REQUIRE(!blocks == !t->bytes);
            if (blocks) ent_index_block(&x, t, blocks - 1, &offset, &part);
            REQUIRE(!blocks || offset + part == t->bytes);
        }
        ent_index_free(&x);
    }
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!model.data) prepare();
    if (!size) return 0;
    if (data[0] % 3 == 0) read_index(data + 1, size - 1);
    if (data[0] % 3 == 1) open_container(data + 1, size - 1);
    if (data[0] % 3 == 2) open_corpus(data + 1, size - 1);
    return 0;
}
