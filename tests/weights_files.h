/* weights_files.h - model files made on the spot, right and wrong ones. */
#ifndef ENT_TEST_WEIGHTS_FILES_H
#define ENT_TEST_WEIGHTS_FILES_H

#include "test.h"

/* Writes a safetensors file of `header` and `data` zero bytes into the scratch folder; its path. */
const char *make_safetensors(const char *name, const char *header, size_t data);

/* A file put together byte by byte. */
typedef struct maker {
    uint8_t bytes[1 << 16];
    size_t size;
} maker;

void put(maker *m, uint64_t value, int bytes); /* little-endian */
void put_bytes(maker *m, const void *bytes, size_t size);
void pad(maker *m, size_t to);                          /* with zeros to a multiple */
const char *save(const maker *m, const char *name);     /* into the scratch folder; its path */

/* A zip archive in the scratch folder; its path. */
typedef struct part {
    const char *name;
    const void *bytes;
    size_t size;
    bool deflated;
} part;
const char *make_zip(const char *name, const part *parts, size_t n);

/* Compresses a model to a container and back; fails the test unless its file comes back byte for byte. */
void expect_round_trip(const char *path, const char *codec);

/* Flips each bit of the first `bytes` of a file in turn, as `name` in the scratch folder: it opens, with tensors inside of
 * their files, or is refused as damaged or unsupported, with a reason. */
void expect_no_flip_crashes(const char *name, uint8_t *file, size_t size, size_t bytes);

/* Counts a file that was cut or flipped, where none of these functions did it: for tests/formats.sh. */
void count_damaged(void);

/* The address space that the test may use from now on, SIZE_MAX: any.  Sanitizers need all there is: no limit there. */
void limit_memory(size_t bytes);

/* Opens and closes; fails the test unless the status is as expected and, for an error, its text
 * holds the file's name and `text` (NULL: anything). */
void expect_open(const char *path, ent_status expected, const char *text);

#endif
