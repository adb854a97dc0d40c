/* product.h - the times of y = W x from plain weights, from weights decoded first, and from code. */
#ifndef ENT_ANALYSES_PRODUCT_H
#define ENT_ANALYSES_PRODUCT_H

#include <entropy/target.h>

/* A matrix coded by one codec. */
struct product_code {
    const ent_codec *codec;
    ent_recipe recipe;
    ent_tables tables;
    ent_bytes *code; /* of each block */
    uint8_t *bytes;
    double bytes_per_weight; /* of the code, tables and sizes included */
    float *expected;         /* the product from the plain weights in the same blocks: the same bits */
};

/* Trains the codec on n > 0 words of BF16 and codes them; `expected` stays NULL. */
ent_status product_encode(struct product_code *code, const ent_codec *codec, const uint16_t *words, size_t n, ent_error *error);
void product_code_free(struct product_code *code); /* one that is all zero is fine */

/* Two normals from two uniforms of a fixed seed (Box and Muller 1958). */
void product_fill_normal(float *x, size_t n);

/* What is multiplied. */
struct product {
    size_t rows, cols, n;
    const uint16_t *words; /* borrowed */
    uint16_t *decoded;
    float *x, *y;
    double *reference, *magnitude; /* of each row: the sum in double precision, and that of |w x| */
    struct product_code *code;
    size_t codes;
};

/* One way to multiply, and how long it took. */
enum product_way { PRODUCT_PLAIN, PRODUCT_UNPACK, PRODUCT_FUSED };
struct product_time {
    enum product_way way;
    size_t code;            /* of product.code; any for plain */
    double seconds;         /* fastest run */
    double error;           /* largest, of a row, over the sum of |w x| of that row */
    bool verified;          /* the last run gave the bits expected, and the error is one of rounding */
};

/* The first rows * cols words of BF16 and normal x of a fixed seed. */
ent_status product_open(struct product *product, const uint16_t *words, size_t rows, size_t cols,
                        ent_codec *const codec[], size_t codecs, unsigned threads, ent_error *error);
void product_close(struct product *product);

/* All ways: the plain one, then two for each codec, in turn, `runs` times; time[] has 1 + 2 * codes.
 * One thread is timed by the processor time it used, so that whoever else wants the core does not
 * count; more by the clock on the wall.  `repeat` products make a run (seconds are of one). */
ent_status product_measure(struct product *product, unsigned threads, unsigned runs, unsigned repeat,
                           struct product_time time[]);
/* The same with one thread, while `copiers` others copy memory; *copied_gbps is what they copy in all. */
ent_status product_measure_beside(struct product *product, unsigned copiers, unsigned runs, struct product_time time[],
                                  double *copied_gbps);

/* Bytes of weights or code that a way reads from memory, a weight. */
double product_bytes_read(const struct product *product, const struct product_time *time);

#endif
