/* packed.h - a good packed model in memory, and the files that a fuzz target makes of it: other manifests, patches. */
#ifndef ENT_TEST_FUZZ_PACKED_H
#define ENT_TEST_FUZZ_PACKED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <entropy/entropy.h>

#include "base/bits.h"
#include "fuzz.h"

/* Nothing here has to outlive a crash of the machine. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

enum { MOST = 1 << 16 };
static uint8_t good[MOST];
static size_t size_of_good, manifest, entry; /* where the manifest is, and its entry in the header */
static int input; /* the file at hand */
static char folder[] = "/tmp/entropy-fuzz-XXXXXX", out[64];

static void write_model(const char *path)
{
    static const char header[] = "{\"a\":{\"dtype\":\"BF16\",\"shape\":[12,10],\"data_offsets\":[0,240]},"
                                 "\"b\":{\"dtype\":\"F32\",\"shape\":[3,3],\"data_offsets\":[240,276]},"
                                 "\"c\":{\"dtype\":\"I32\",\"shape\":[5],\"data_offsets\":[276,296]}}";
    uint64_t n = sizeof header - 1;
    FILE *f = fopen(path, "wb");
    REQUIRE(f);
    fwrite(&n, 8, 1, f);
    fwrite(header, 1, n, f);
    for (int i = 0; i < 296; i++) fputc(i % 2 || i >= 240 ? 60 : i, f); /* finite */
    fclose(f);
}

/* A small model, packed by a pipeline. */
static void prepare(const char *text)
{
    char model[64], packed[64];
    ent_weights *weights;
    ent_pipeline pipeline;
    REQUIRE(mkdtemp(folder));
    snprintf(model, sizeof model, "%s/model.safetensors", folder);
    snprintf(packed, sizeof packed, "%s/packed.safetensors", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    write_model(model);
    REQUIRE(!ent_weights_open(&weights, model, NULL) && !ent_pipeline_parse(&pipeline, text, NULL));
    const ent_packing packing = { .pipeline = &pipeline };
    REQUIRE(!ent_pack(packed, weights, &packing, NULL, NULL, NULL));
    ent_weights_close(weights);
    FILE *f = fopen(packed, "rb");
    REQUIRE(f);
    size_of_good = fread(good, 1, sizeof good, f);
    fclose(f);
    unlink(model);
    unlink(packed);
    uint8_t *at = memmem(good, size_of_good, "\"" ENT_PACK_MANIFEST "\"", sizeof ENT_PACK_MANIFEST + 1);
    uint8_t *json = memmem(good, size_of_good, "{\"format\"", 9);
    REQUIRE(at && json && size_of_good < MOST);
    entry = (size_t)(at - good);
    manifest = (size_t)(json - good);
}

/* A file with this manifest: its entry is the last of the header. */
static size_t with_manifest(uint8_t *file, const uint8_t *data, size_t size)
{
    size_t start = 8 + (size_t)ent_load64(good), from = manifest - start;
    char text[200];
    memcpy(file, good, manifest);
    memset(file + entry, ' ', start - entry);
    int n = snprintf(text, sizeof text, "\"" ENT_PACK_MANIFEST "\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}}",
                     size, from, from + size);
    memcpy(file + entry, text, (size_t)n);
    memcpy(file + manifest, data, size);
    return manifest + size;
}

/* The file that an input stands for: byte 0, even: the rest is the manifest of a packed model that is otherwise good; odd:
 * patches, three bytes each (place, and what is xored).  Opened until close_input; NULL when that is refused. */
static ent_weights *open_input(const uint8_t *data, size_t size)
{
    static uint8_t file[2 * MOST];
    char path[64];
    size_t bytes = size_of_good;
    ent_weights *weights;
    if (data[0] % 2 == 0) {
        bytes = with_manifest(file, data + 1, size - 1);
    } else {
        memcpy(file, good, size_of_good);
        for (data++, size--; size >= 3; data += 3, size -= 3) file[ent_load16(data) % size_of_good] ^= data[2];
    }
    input = memfd_create("fuzz", 0);
    REQUIRE(input >= 0 && write(input, file, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", input);
    return ent_weights_open(&weights, path, NULL) ? NULL : weights;
}

static void close_input(ent_weights *weights)
{
    ent_weights_close(weights);
    close(input);
}

/* What unpacking left at `out`, gone: something after success, nothing else. */
static void take_away(ent_status status)
{
    char inside[700];
    struct stat st;
    REQUIRE(!stat(out, &st) == !status);
    if (status) return;
    if (S_ISDIR(st.st_mode)) {
        snprintf(inside, sizeof inside, "rm -r %s", out);
        REQUIRE(!system(inside));
    } else {
        unlink(out);
    }
}

#endif
