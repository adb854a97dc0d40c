/* bench_product.h - `entropy bench --product`. */
#ifndef ENT_ANALYSES_BENCH_PRODUCT_H
#define ENT_ANALYSES_BENCH_PRODUCT_H

#include "command.h"

struct bench_product {
    const struct common *common;
    const char *model;
    ent_codec **codec; /* at least one */
    size_t codecs;
    size_t rows, cols;
    unsigned runs;
};

/* Measures and prints. */
ent_status bench_product(const struct bench_product *bench, ent_error *error);

#endif
