/* fuzz_weights.c - any bytes as a model file, of every format, or as an index and one shard.
 *
 * Input: byte 0, bit 0: 0, the rest is a file whose name ends as bits 1 and up say (where the bytes say what it is, the
 * name does not count); 1, two bytes of length, so much of an index, and the rest is the shard "a.safetensors"
 * beside it, which is what external data are too.  The files are memory: names in a folder that lead to /proc/self/fd.
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

#include <entropy/weights.h>

#include "fuzz.h"

static char folder[] = "/tmp/entropy-fuzz-XXXXXX";
static const char *const endings[] = { "safetensors", "onnx", "bin", "pt", "npz", "npy", "gguf", "h5", "keras" };
enum { ENDINGS = sizeof endings / sizeof *endings };
static char single[ENDINGS][64], several[64];
static int file[2];

static void remove_folder(void)
{
    char shard[64];
    snprintf(shard, sizeof shard, "%s/a.safetensors", folder);
    for (int i = 0; i < ENDINGS; i++) unlink(single[i]);
    unlink(several);
    unlink(shard);
    rmdir(folder);
}

static void link_to(int fd, const char *path)
{
    char target[64];
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    REQUIRE(!symlink(target, path));
}

static void prepare(void)
{
    char shard[64];
    REQUIRE(mkdtemp(folder));
    for (int i = 0; i < ENDINGS; i++) snprintf(single[i], sizeof single[i], "%s/model.%s", folder, endings[i]);
    snprintf(several, sizeof several, "%s/model.safetensors.index.json", folder);
    snprintf(shard, sizeof shard, "%s/a.safetensors", folder);
    for (int i = 0; i < 2; i++) REQUIRE((file[i] = memfd_create("fuzz", 0)) >= 0);
    for (int i = 0; i < ENDINGS; i++) link_to(file[0], single[i]);
    link_to(file[0], several);
    link_to(file[1], shard);
    atexit(remove_folder);
}

static void fill(int fd, const uint8_t *data, size_t size)
{
    REQUIRE(!ftruncate(fd, 0));
    if (size) REQUIRE(pwrite(fd, data, size, 0) == (ssize_t)size);
}

/* Everything that a user may rely on after ENT_OK. */
static void walk(const ent_weights *w)
{
    volatile uint8_t sum = 0;
    const ent_tensor *before = NULL; /* the last that is part of a file */
    for (size_t i = 0; i < ent_weights_tensors(w); i++) {
        const ent_tensor *t = ent_weights_tensor(w, i);
        ent_bytes f = ent_weights_file_at(w, t->file)->bytes;
        REQUIRE(ent_weights_find(w, t->name) == t);
        REQUIRE(t->offset <= f.size);
        REQUIRE(t->unpacked || (t->bytes.size <= f.size - t->offset && t->bytes.data == f.data + t->offset));
        REQUIRE(t->role && (!t->dtype_bits || !t->elements || t->bytes.size * 8 / t->elements == t->dtype_bits));
        if (before && !t->unpacked)
            REQUIRE(before->file < t->file ||
                    (before->file == t->file && before->offset + before->bytes.size <= t->offset));
        if (!t->unpacked) before = t;
        for (size_t k = 0; k < t->bytes.size; k++) sum = (uint8_t)(sum + t->bytes.data[k]);
        ent_weights_release(w, t->bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ready;
    ent_weights *w;
    ent_error error = { ENT_OK, "" };
    if (!ready++) prepare();
    bool sharded = size && data[0] & 1;
    if (sharded && size >= 3) {
        size_t index = data[1] | (size_t)data[2] << 8;
        if (index > size - 3) index = size - 3;
        fill(file[0], data + 3, index);
        fill(file[1], data + 3 + index, size - 3 - index);
    } else {
        fill(file[0], data + (size > 0), size - (size > 0));
    }
    ent_status status = ent_weights_open(&w, sharded ? several : single[size ? data[0] / 2 % ENDINGS : 0], &error);
    if (status) {
        REQUIRE(status == ENT_ECORRUPT || status == ENT_EUNSUPPORTED);
        REQUIRE(!w && error.status == status && error.text[0]);
        return 0;
    }
    walk(w);
    ent_weights_close(w);
    return 0;
}
