/* sizes.h - where the bytes of a container went: the same words in compress, inspect and JSON. */
#ifndef ENT_ANALYSES_SIZES_H
#define ENT_ANALYSES_SIZES_H

#include <jansson.h>
#include <entropy/container.h>

struct sizes { /* bits per weight; NaN for a model without weights of a known format */
    double bits_per_weight; /* the whole file: payload, tables, index, headers */
    double coded_bits;      /* payload, tables and index alone: what `bound_bits` bounds */
    double gap_percent;     /* of coded_bits over the bound */
};

struct sizes sizes_of(const ent_container_sizes *sizes);
void sizes_json(json_t *object, const ent_container_sizes *sizes);
void sizes_table(const ent_container_sizes *sizes);

#endif
