/* containers.h - what the tests of containers share: models made here, calls that fail with their text. */
#ifndef ENT_TEST_CONTAINERS_H
#define ENT_TEST_CONTAINERS_H

#include "test.h"

typedef struct spec { /* a tensor of a model */
    const char *name, *dtype;
    size_t rows, columns;
    int skew;
} spec;

enum { MIXED = 17, TEXTS = 15 };
extern const spec mixed[MIXED];
extern const char *const texts[TEXTS]; /* the coders of this build, as codecs that use blocks of all lengths */

typedef struct findings {
    size_t n;
    char text[8][1000];
} findings;

extern ent_error failure; /* of the last call that took one */

#define assert_done(expression)                                                                                        \
    do {                                                                                                               \
        if (expression) fail_msg("%s: %s", #expression, failure.text);                                                   \
    } while (0)

/* A safetensors file; `prefix` and `suffix` are white space around the header's JSON. */
void write_model(const char *path, const spec *specs, size_t n, uint64_t seed, const char *prefix,
                 const char *suffix);
/* The same, but the words of floats are those of normal-like finite weights; a static path. */
const char *model_of_weights(const spec *specs, size_t n, uint64_t seed);
const char *mixed_model(void); /* every dtype; a static path */

ent_weights *open_model(const char *path);
ent_status compress_model(const char *model, const char *text, const char *path, unsigned threads,
                          ent_container_sizes *sizes);
ent_container *open_container(const char *path);
void assert_same_file(const char *a, const char *b);
/* With two threads, against a model (NULL: none), what is found into *f. */
ent_status verify(const char *path, const char *model, findings *f);
bool is_there(const char *path);
/* Files in the folder whose names begin with `prefix`. */
size_t count_files(const char *folder, const char *prefix);
/* Whether this build has the coders of a codec's text. */
bool is_built(const char *text);
/* Replaces text in /index, as a liar would. */
void edit_index(const char *path, const char *from, const char *to);

#endif
