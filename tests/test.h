/* test.h - what every test program uses: cmocka, seeded inputs, buffers between guard pages. */
#ifndef ENT_TEST_H
#define ENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <entropy/entropy.h>

/* Whether a sanitizer is compiled in: it needs all of the address space, and takes its time. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* A buffer whose last byte is followed by an unreadable page (and whose first page is preceded by
 * one): one byte past either end of a full buffer crashes the test.  Size 0 is fine. */
typedef struct guarded {
    uint8_t *data;
    size_t size;
    void *mapping;
    size_t mapped;
} guarded;

guarded guarded_new(size_t size);
guarded guarded_copy(const void *data, size_t size); /* made read-only */
void guarded_free(guarded *g);

#define assert_status(expression, expected) \
    do { \
        ent_status status_ = (expression); \
        if (status_ != (expected)) \
            fail_msg("%s: %s, expected %s", #expression, ent_status_text(status_), ent_status_text(expected)); \
    } while (0)
#define assert_ok(expression) assert_status(expression, ENT_OK)

/* |a - b| <= tolerance, with both shown when it fails (cmocka compares floats, not doubles). */
#define assert_close(a, b, tolerance) \
    do { \
        double a_ = (a), b_ = (b); \
        if (!(a_ - b_ <= (tolerance) && b_ - a_ <= (tolerance))) \
            fail_msg("%s = %.12g, expected %.12g within %.3g", #a, a_, b_, (double)(tolerance)); \
    } while (0)

/* For cmocka_run_group_tests: HDF5 finds the filter of this build. */
int use_plugin(void **state);

/* Whether a coder takes bytes: some are for fewer symbols. */
static inline bool takes_bytes(const ent_coder *coder) { return coder->wide || coder->max_alphabet >= 256; }

/* The folder of real weights that developers have and users do not: NULL when it is not there. */
const char *shared_datasets(void);

/* A fresh folder for files of this test, removed at exit; and a path in it (static, 8 at a time). */
const char *scratch(void);
const char *scratch_path(const char *name);
void write_file(const char *path, const void *data, size_t size);
/* The whole file, freed by free(); fails the test when it cannot be read. */
uint8_t *read_file(const char *path, size_t *size);

#endif
