/* source.h - the tensors of a packed model, wherever they lie. */
#ifndef ENT_PACK_SOURCE_H
#define ENT_PACK_SOURCE_H

#include <jansson.h>

#include <entropy/pack.h>

typedef struct ent_pack_source {
    const ent_weights *weights;
    ent_container *container; /* one of the two */
    const ent_run *run;
    json_t *by_name; /* name -> index; of a container */
} ent_pack_source;

typedef struct ent_pack_tensor {
    size_t index;
    const char *dtype;
    uint64_t elements, bytes;
} ent_pack_tensor;

ent_status ent_pack_source_index(ent_pack_source *source, ent_error *error);
void ent_pack_source_free(ent_pack_source *source);
/* ENT_ECORRUPT, naming it, when there is none. */
ent_status ent_pack_source_find(const ent_pack_source *source, const char *name, ent_pack_tensor *tensor, ent_error *error);
/* Its bytes, in memory that the caller frees by ent_free. */
ent_status ent_pack_source_read(const ent_pack_source *source, const ent_pack_tensor *tensor, void **bytes, ent_error *error);

#endif
