/* coders.h - what the tests that walk the list of coders share. */
#ifndef ENT_TEST_CODERS_H
#define ENT_TEST_CODERS_H

#include "base/bits.h"
#include "samples.h"

extern char where[160]; /* the case at hand, shown when a check fails */

#define CHECK(condition) \
    do { \
        if (!(condition)) fail_msg("%s [%s]", #condition, where); \
    } while (0)
#define CHECK_OK(call) \
    do { \
        ent_status status_ = (call); \
        if (status_) fail_msg("%s: %s [%s]", #call, ent_status_text(status_), where); \
    } while (0)

void say(const ent_coder_spec *spec, const char *what, size_t n); /* sets `where` */
ent_coder_spec spec_of(const ent_coder *coder, uint32_t alphabet);
bool same_bytes(const void *a, const void *b, size_t size);

typedef struct tables {
    ent_table *trained, *encoder, *decoder; /* encoder and decoder from the bytes that trained wrote */
    ent_buffer bytes;
} tables;

tables tables_make(const ent_coder_spec *spec, const ent_counts *counts);
void tables_free(tables *t);

/* Decodes n symbols from any bytes: a status and symbols of the alphabet, and nothing else may happen. */
void decode_any(const ent_table *decoder, const uint8_t *bytes, size_t size, size_t n);

/* n symbols there and back in buffers of exactly the sizes stated, and what the door says beside. */
void code_comes_back(const tables *t, const void *symbols, size_t n);

typedef struct property {
    const char *name;
    CMUnitTestFunction test; /* *state is the coder */
} property;

/* Every property for every coder.  `argv[1]`, if there, selects tests by name, e.g. 'huffman*'. */
int check_coders(const char *group, const property *properties, size_t n, int argc, char **argv);

#endif
